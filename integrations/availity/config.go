// Package availity checks eligibility through Availity: coverages (270/271)
// with polling, the fields each payer requires, and the reading of benefits.
package availity

import (
	"errors"
	"net/url"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// Platform is the platform's name.
const Platform copay.Platform = "availity"

// Config is the platform's section of a practice's configuration.
type Config struct {
	BaseURL      string              `mapstructure:"base_url"` // default https://api.availity.com
	ClientID     string              `mapstructure:"client_id"`
	ClientSecret integrations.Secret `mapstructure:"client_secret"`
	// Demo asks for the demo plan and refuses every answer that does not carry
	// X-Api-Mock-Response: a wrong scope would talk to live payers.
	Demo bool `mapstructure:"demo"`
	// Scenario is the demo plan's X-Api-Mock-Scenario-ID.
	Scenario string `mapstructure:"scenario"`
	// Payers maps the EHR's payer ids to Availity's; ids that are not listed
	// are used as they are.
	Payers map[string]string `mapstructure:"payers"`
	// ProviderNPI and what follows say who asks; the practice's NPI is used
	// where provider_npi is empty. Payers differ in what they want of it.
	ProviderNPI             string `mapstructure:"provider_npi"`
	ProviderLastName        string `mapstructure:"provider_last_name"` // or the organisation's name
	ProviderFirstName       string `mapstructure:"provider_first_name"`
	ProviderType            string `mapstructure:"provider_type"`
	ProviderTaxID           string `mapstructure:"provider_tax_id"`
	ProviderSpecialty       string `mapstructure:"provider_specialty"`
	PayerAssignedProviderID string `mapstructure:"payer_assigned_provider_id"`
	SubmitterID             string `mapstructure:"submitter_id"`
	// PlaceOfService is where visits take place (CMS code set); amounts for
	// another place do not count. Default 11, the office.
	PlaceOfService string        `mapstructure:"place_of_service"`
	PerSecond      int           `mapstructure:"limit_per_second"` // default 100
	PerDay         int           `mapstructure:"limit_per_day"`    // default 100,000
	Timeout        time.Duration `mapstructure:"timeout"`
}

func (c *Config) defaults() error {
	if c.BaseURL == "" {
		c.BaseURL = "https://api.availity.com"
	}
	if c.PerSecond == 0 {
		c.PerSecond = 100
	}
	if c.PerDay == 0 {
		c.PerDay = 100_000
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.PlaceOfService == "" {
		c.PlaceOfService = "11"
	}
	switch {
	case c.ClientID == "" || c.ClientSecret.IsZero():
		return errors.New("client_id and client_secret are missing; they belong to the application in Availity's developer portal")
	case c.PerSecond < 0 || c.PerDay < 0 || c.Timeout < 0:
		return errors.New("limits and timeout must not be negative")
	case c.Scenario != "" && !c.Demo:
		return errors.New("a scenario needs demo: true; live payers know none")
	}
	for from, to := range c.Payers {
		if from == "" || to == "" {
			return errors.New("payers maps the EHR's payer ids to Availity's; one of them is empty")
		}
	}
	return nil
}

// scope is the product and its plan; it alone tells demo and live apart.
func (c *Config) scope() string {
	const product = "healthcare-hipaa-transactions"
	if c.Demo {
		return product + " " + product + "-demo"
	}
	return product + " " + product + "-standard"
}

// payer is Availity's id of an EHR's payer.
func (c *Config) payer(ehr string) string {
	if id, ok := c.Payers[ehr]; ok {
		return id
	}
	return ehr
}

// form holds all that is known for a coverage request. One service type a
// request is safest, since payers answer several with the general plan.
func (c *Config) form(r integrations.EligibilityRequest) url.Values {
	service := r.Service
	if service == "" {
		service = copay.ServicePlan
	}
	npi := c.ProviderNPI
	if npi == "" {
		npi = r.ProviderNPI
	}
	f := url.Values{}
	for name, v := range map[string]string{
		"payerId": c.payer(r.Insurance.PayerID), "asOfDate": string(r.On), "serviceType": string(service),
		"providerNpi": npi, "providerLastName": c.ProviderLastName, "providerFirstName": c.ProviderFirstName, "providerType": c.ProviderType,
		"providerTaxId": c.ProviderTaxID, "providerSpecialty": c.ProviderSpecialty, "payerAssignedProviderId": c.PayerAssignedProviderID,
		"submitterId": c.SubmitterID, "placeOfService": c.PlaceOfService,
		"memberId": r.Insurance.MemberID, "groupNumber": r.Insurance.Group, "subscriberRelationship": r.Insurance.Relationship,
		"patientLastName": r.Patient.LastName, "patientFirstName": r.Patient.FirstName, "patientBirthDate": string(r.Patient.BirthDate),
		"patientGender": r.Patient.Gender, "patientState": r.Patient.State, "patientZipCode": r.Patient.Zip,
	} {
		if v != "" {
			f.Set(name, v)
		}
	}
	return f
}
