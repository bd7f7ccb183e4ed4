package drchrono

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
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
