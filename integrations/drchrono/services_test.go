package drchrono

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// What a procedure is paid under decides whose co-pay is asked: the visit's is
// owed once, not again for each thing done at it.
func TestServiceTypes(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]copay.ServiceType{
		"99202": "98", "99213": "98", "99215": "98", "99243": "98", "99395": "98", "92014": "98",
		"85025": "5", "80047": "5", "71046": "4", "90471": "80", "90834": "MH", "90899": "MH", "97161": "PT", "97165": "AD", "98941": "33", "99284": "86", "S9083": "UC",
		"99201": "", "99216": "", "36415": "", "99024": "", "": "", "9921": "", "992133": "", "99213-25": "", "COPAY": "", "J3420": "", "G0439": "", "-9213": "", "+9213": "",
	} {
		require.Equal(t, want, serviceType(code), code)
	}
	for i, p := range procedures { // in order and apart, so that each code has one meaning
		require.LessOrEqual(t, p.from, p.to)
		require.True(t, i == 0 || procedures[i-1].to < p.from, p.from)
	}
}

func TestPreventive(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{"99381": true, "99397": true, "99380": false, "99398": false, "99213": false, "G0438": true, "G0439": true, "G0402": true, "G0403": false, "9939": false, "": false} {
		require.Equal(t, want, preventive(code, nil), code)
	}
	require.True(t, preventive("99213", []string{"25", "33"}), "marked by the clinic")
	require.False(t, preventive("99213", []string{"25", "", "330"}))
}

// A laboratory charge beside a visit is not asked the visit's co-pay for sure,
// and neither is a procedure whose code says nothing.
func TestAncillaryChargesAreNotVisits(t *testing.T) {
	t.Parallel()
	b := copay.Benefits{Status: copay.CoverageActive, CoPays: []copay.BenefitAmount{
		{Amount: copay.Cents(25_00), Service: "98", Network: copay.NetworkIn}, {Amount: copay.Cents(25_00), Service: "30", Network: copay.NetworkIn}}}
	for code, want := range map[string]int{"99213": 95, "85025": 60, "36415": 60} {
		var l lineItem
		require.NoError(t, json.Unmarshal([]byte(`{"id":1,"code":"`+code+`","price":145.00,"modifiers":["",null]}`), &l))
		f, err := l.facts(appointment{}, doctor{Specialty: "Family Medicine"})
		require.NoError(t, err)
		f.Network = copay.NetworkIn
		require.Equal(t, want, copay.EstimateCoPay(b, f, copay.Policy{}).Confidence, code)
	}
}

// A list in another shape than documented does not cost the charge.
func TestModifiersOfAnyShape(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]bool{`["33"]`: true, `"33"`: false, `null`: false, `[33]`: false, `{}`: false, `["25","33","",""]`: true} {
		var l lineItem
		require.NoError(t, json.Unmarshal([]byte(`{"id":1,"modifiers":`+doc+`}`), &l), doc)
		require.Equal(t, want, preventive("99213", l.Modifiers), doc)
	}
}

// Which of two co-pays is asked hangs on it: nobody is taken for a specialist
// whose specialty does not say so.
func TestSpecialists(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for specialty, want := range map[string]*bool{
		"Family Medicine": &no, "Family Practitioner": &no, "General Practice": &no, "Internal Medicine": &no, "Internist": &no, "Pediatrician": &no, "Geriatric Medicine": &no, "PRIMARY CARE": &no,
		"Cardiology": &yes, "Pediatric Cardiology": &yes, "Internal Medicine - Gastroenterology": &yes, "Geriatric Psychiatry": &yes, "Orthopedic Surgery": &yes, "Dermatology": &yes, "Pediatric Dentistry": &yes,
		"": nil, "Other": nil, "Nurse Practitioner": nil, "Physician Assistant": nil, "Obstetrics & Gynecology": nil, "Resident": nil,
	} {
		require.Equal(t, want, specialist(specialty), specialty)
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	for rail, want := range map[copay.Rail]string{copay.RailCash: "CASH", copay.RailCheck: "CHCK", copay.RailCard: "CRDT", copay.RailLink: "CRDT", copay.RailTerminal: "CRDT", "ach": "OTHR", "": "OTHR"} {
		require.Equal(t, want, method(rail), rail)
	}
}

func TestFactsOfAVisit(t *testing.T) {
	t.Parallel()
	facts := func(line, visit string) (copay.ChargeFacts, error) {
		var l lineItem
		var a appointment
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		require.NoError(t, json.Unmarshal([]byte(visit), &a))
		return l.facts(a, doctor{})
	}
	f, err := facts(`{"id":1,"code":"99213","billed":0,"price":"145.5","allowed":92.4,"balance_pt":25.00}`, `{"id":"9","scheduled_time":"2026-11-24T09:30:00","payment_profile":"Insurance Out of Network"}`)
	require.NoError(t, err)
	require.Equal(t, copay.Cents(145_50), f.Billed, "the price, where nothing was billed yet")
	require.Equal(t, copay.Cents(92_40), f.Allowed)
	require.Equal(t, copay.Cents(25_00), *f.EHRBalance)
	require.Equal(t, copay.Date("2026-11-24"), f.ServiceDate, "the visit's day, where the line has none")
	require.Equal(t, copay.NetworkOut, f.Network)
	require.Nil(t, f.Specialist)
	f, err = facts(`{"id":1,"service_date":"2026-11-20","billed":"-5","balance_pt":0,"allowed":-1}`, `{"scheduled_time":"2026"}`)
	require.NoError(t, err)
	require.Equal(t, copay.Cents(-5_00), f.Billed, "a negative charge is shown to a person")
	require.Nil(t, f.EHRBalance)
	require.True(t, f.Allowed.IsZero())
	require.False(t, f.SelfPay)
	for status, want := range map[string]copay.ServiceType{"Complete": "98", "": "98", "Checked In": "98", "No Show": "", "Cancelled": "", "Rescheduled": ""} {
		f, err = facts(`{"id":1,"code":"99213","billed":50}`, `{"status":"`+status+`"}`)
		require.NoError(t, err)
		require.Equal(t, want, f.Service, "a fee for a missed visit is no co-pay")
	}
	_, err = facts(`{"id":1,"billed":"lots"}`, `{}`)
	require.ErrorContains(t, err, "not a US dollar amount")
}

func TestPersons(t *testing.T) {
	t.Parallel()
	for doc, check := range map[string]func(p integrations.Patient){
		`{"gender":"Male"}`: func(p integrations.Patient) { require.Equal(t, "M", p.Gender) },
		`{"gender":"f"}`:    func(p integrations.Patient) { require.Equal(t, "F", p.Gender) },
		`{"gender":"Other","preferred_language":"spa"}`: func(p integrations.Patient) {
			require.Equal(t, "U", p.Gender)
			require.Equal(t, "es", p.Language)
		},
		`{"preferred_language":"fra","copay":null}`: func(p integrations.Patient) {
			require.Equal(t, "en", p.Language, "there are templates in two languages")
			require.Nil(t, p.EHRCoPay)
		},
		`{"copay":"-5"}`: func(p integrations.Patient) { require.Nil(t, p.EHRCoPay) },
		`{"copay":"25"}`: func(p integrations.Patient) { require.Equal(t, copay.Cents(25_00), *p.EHRCoPay) },
		`{"responsible_party_name":"R","responsible_party_phone":"312 555 0142"}`: func(p integrations.Patient) {
			require.Equal(t, integrations.Responsible{Name: "R", Phone: "+13125550142"}, *p.Responsible)
		},
		`{"primary_insurance":{"insurance_payer_id":"1","insurance_id_number":"2","is_subscriber_the_patient":false},"secondary_insurance":{"insurance_payer_id":"3","insurance_id_number":""},
		  "tertiary_insurance":{"insurance_payer_id":"5","insurance_id_number":"6"}}`: func(p integrations.Patient) {
			require.Len(t, p.Insurance, 2, "a policy without a member id cannot be asked about")
			require.Empty(t, p.Insurance[0].Relationship, "a dependant; which one is not said")
			require.Equal(t, "18", p.Insurance[1].Relationship)
		},
	} {
		var p patient
		require.NoError(t, json.Unmarshal([]byte(doc), &p))
		out, err := p.person()
		require.NoError(t, err)
		check(out)
	}
}
