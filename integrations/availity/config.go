// Package availity checks eligibility through Availity: coverages (270/271)
// with polling, the fields each payer requires, and the reading of benefits.
package availity

import (
	"errors"
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
	// Payers maps the EHR's payer ids to Availity's; ids that are not listed
	// are used as they are.
	Payers map[string]string `mapstructure:"payers"`
	// ProviderNPI and the names identify who asks; the practice's NPI is used
	// where provider_npi is empty.
	ProviderNPI       string        `mapstructure:"provider_npi"`
	ProviderLastName  string        `mapstructure:"provider_last_name"`
	ProviderFirstName string        `mapstructure:"provider_first_name"`
	SubmitterID       string        `mapstructure:"submitter_id"`
	PerSecond         int           `mapstructure:"limit_per_second"`
	Timeout           time.Duration `mapstructure:"timeout"`
}

func (c *Config) defaults() error {
	if c.BaseURL == "" {
		c.BaseURL = "https://api.availity.com"
	}
	if c.PerSecond == 0 {
		c.PerSecond = 50
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.ClientID == "" || c.ClientSecret.IsZero() {
		return errors.New("client_id and client_secret are missing; they belong to the application in Availity's developer portal")
	}
	return nil
}

// scope is the product and its plan.
func (c *Config) scope() string {
	if c.Demo {
		return "healthcare-hipaa-transactions healthcare-hipaa-transactions-demo"
	}
	return "healthcare-hipaa-transactions healthcare-hipaa-transactions-standard"
}
