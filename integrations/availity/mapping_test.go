package availity

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/copayflow/copayflow/copay"
)

func TestAmount(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int64{"25": 2500, "25.00": 2500, "0": 0, "$25.5": 2550, " $ 25 ": 2500, "1,500.00": 150000, "12,345,678": 1234567800, "0.01": 1} {
		m, ok := amount(in)
		require.True(t, ok, in)
		require.Equal(t, copay.Cents(want), m, in)
	}
	for _, in := range []string{"", " ", "$", "-5", "25.005", "1,50", "15,00.00", "twenty", "1e3", "NaN", "20%"} {
		_, ok := amount(in)
		require.False(t, ok, in)
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]copay.Percent{"20": 2000, "0.2": 2000, ".2": 2000, "20%": 2000, " 20 % ": 2000, "0": 0, "1": 10000, "1.0": 10000, "100": 10000,
		"12.5": 1250, "0.125": 1250, "33.333": 3333, "0.33335": 3334, "1.5": 150} {
		p, ok := percent(in)
		require.True(t, ok, in)
		require.Equal(t, want, p, in)
	}
	for _, in := range []string{"", "-20", "101", "twenty", "1e1", "NaN", "Infinity", "0.00000000000000001"} {
		_, ok := percent(in)
		require.False(t, ok, in)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9]{0,4}\.?[0-9]{0,4}%?`)).Draw(t, "s")
		if p, ok := percent(s); ok {
			require.True(t, p >= 0 && p <= 10_000, "%s is %d", s, p)
		}
		if m, ok := amount(s); ok {
			require.False(t, m.IsNegative())
		}
	})
}

func read(t require.TestingT, doc string) copay.Benefits {
	var c coverage
	require.NoError(t, json.Unmarshal([]byte(doc), &c))
	return c.benefits("11", time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
}

func office(amounts string) string {
	return `{"asOfDate":"2026-11-24T00:00:00.000+0000","requestedServiceType":[{"code":"98"}],"plans":[{"statusCode":"1","benefits":[{"type":"98","statusCode":"1","amounts":` + amounts + `}]}]}`
}

// visit begins an answer about November 24.
const visit = `{"asOfDate":"2026-11-24T00:00:00.000+0000",`

func TestStatusOfPlans(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]copay.CoverageStatus{
		`{}`:                                                              copay.CoverageUnknown,
		`{"plans":[{}]}`:                                                  copay.CoverageUnknown,
		`{"plans":[{"statusCode":"1"}]}`:                                  copay.CoverageActive,
		`{"plans":[{"statusCode":"5"}]}`:                                  copay.CoverageActive,
		`{"plans":[{"statusCode":"6"}]}`:                                  copay.CoverageInactive,
		`{"plans":[{"statusCode":"8"}]}`:                                  copay.CoverageInactive,
		`{"plans":[{"statusCode":"V"}]}`:                                  copay.CoverageUnknown,
		`{"plans":[{"status":"Active Coverage"}]}`:                        copay.CoverageActive,
		`{"plans":[{"status":"Inactive"}]}`:                               copay.CoverageInactive,
		`{"plans":[{"statusCode":"6"},{"statusCode":"1"}]}`:               copay.CoverageActive,
		`{"plans":[{"statusCode":"1"},{"statusCode":"6"}]}`:               copay.CoverageActive,
		`{"plans":[{"statusCode":"V"},{"statusCode":"7"}]}`:               copay.CoverageInactive,
		`{"plans":[{"statusCode":"V","status":"Active (not verified)"}]}`: copay.CoverageUnknown,
		// Spans that do not hold on the day of the visit, whatever their status.
		visit + `"plans":[{"statusCode":"1","coverageEndDate":"2026-11-23T00:00:00.000+0000"}]}`:                                   copay.CoverageInactive,
		visit + `"plans":[{"statusCode":"1","eligibilityEndDate":"2025-12-31"}]}`:                                                  copay.CoverageInactive,
		visit + `"plans":[{"statusCode":"1","coverageStartDate":"2027-01-01T00:00:00.000+0000"}]}`:                                 copay.CoverageInactive,
		visit + `"plans":[{"statusCode":"1","coverageStartDate":"2026-11-24T05:00:00.000+0000","coverageEndDate":"2026-11-24"}]}`:  copay.CoverageActive,
		visit + `"plans":[{"statusCode":"1","coverageStartDate":"soon","coverageEndDate":"9999-12-31T00:00:00.000+0000"}]}`:        copay.CoverageActive,
		visit + `"plans":[{"statusCode":"1","coverageEndDate":"2025-12-31"},{"statusCode":"1","coverageStartDate":"2026-01-01"}]}`: copay.CoverageActive,
		visit + `"plans":[{"statusCode":"V","coverageEndDate":"2025-12-31"}]}`:                                                     copay.CoverageUnknown,
	} {
		b := read(t, doc)
		require.Equal(t, want, b.Status, doc)
		require.Equal(t, want == copay.CoverageUnknown, b.Problem != "", doc)
	}
}

func TestKindsOfPlan(t *testing.T) {
	t.Parallel()
	row := func(code string) string {
		return office(`{"coPayment":{"inNetwork":[{"amount":"5","insuranceTypeCode":"` + code + `"}]}}`)
	}
	for doc, want := range map[string]copay.PlanKind{
		`{"plans":[{"statusCode":"1"}]}`:                                                                           copay.PlanUnknown,
		`{"plans":[{"statusCode":"1","insuranceTypeCode":"PR"}]}`:                                                  copay.PlanCommercial,
		`{"plans":[{"statusCode":"1","insuranceTypeCode":"MB"}]}`:                                                  copay.PlanMedicare,
		`{"plans":[{"statusCode":"1","insuranceTypeCode":"MC"}]}`:                                                  copay.PlanMedicaid,
		`{"plans":[{"statusCode":"1","insuranceTypeCode":"QM"}]}`:                                                  copay.PlanQMB,
		`{"plans":[{"statusCode":"1","insuranceType":"Qualified Medicare Beneficiary"}]}`:                          copay.PlanQMB,
		`{"plans":[{"statusCode":"1","insuranceType":"Medicaid Managed Care"}]}`:                                   copay.PlanMedicaid,
		`{"plans":[{"statusCode":"1","insuranceType":"Medicare Part B"}]}`:                                         copay.PlanMedicare,
		`{"plans":[{"statusCode":"1","insuranceTypeCode":"QM"},{"statusCode":"1","insuranceTypeCode":"MB"}]}`:      copay.PlanQMB,
		`{"plans":[{"statusCode":"1","insuranceTypeCode":"MB"},{"statusCode":"1","insuranceTypeCode":"QM"}]}`:      copay.PlanQMB,
		`{"plans":[{"statusCode":"6","insuranceTypeCode":"MC"},{"statusCode":"1","insuranceTypeCode":"PR"}]}`:      copay.PlanCommercial,
		`{"plans":[{"statusCode":"6","insuranceTypeCode":"MC"}]}`:                                                  copay.PlanMedicaid,
		`{"plans":[{"statusCode":"1","benefits":[{"statusDetails":{"noNetwork":[{"insuranceTypeCode":"QM"}]}}]}]}`: copay.PlanQMB,
		row("QM"): copay.PlanQMB, row("MC"): copay.PlanMedicaid, row("HM"): copay.PlanCommercial,
		// A code that is silent about it does not outweigh the words and names.
		`{"plans":[{"statusCode":"1","insuranceTypeCode":"HM","insuranceType":"Medicaid HMO"}]}`:                      copay.PlanMedicaid,
		`{"plans":[{"statusCode":"1","insuranceTypeCode":"HM","groupName":"Ohio Medicaid Managed Care"}]}`:            copay.PlanMedicaid,
		`{"payer":{"name":"TEXAS MEDICAID"},"plans":[{"statusCode":"1","insuranceTypeCode":"HM"}]}`:                   copay.PlanMedicaid,
		`{"payer":{"name":"X","responseName":"Medicaid of Iowa"},"plans":[{"statusCode":"1"}]}`:                       copay.PlanMedicaid,
		`{"payer":{"name":"MEDICARE ADVANTAGE INC"},"plans":[{"statusCode":"1","insuranceTypeCode":"PR"}]}`:           copay.PlanCommercial,
		`{"plans":[{"statusCode":"1","insuranceTypeCode":"12","insuranceType":"Medicare Secondary Working Aged"}]}`:   copay.PlanMedicare,
		office(`{"coPayment":{"inNetwork":[{"amount":"5","insuranceTypeCode":"MC","benefitEndDate":"2025-12-31"}]}}`): copay.PlanUnknown,
	} {
		require.Equal(t, want, read(t, doc).Kind, doc)
	}
}

func TestOtherPayers(t *testing.T) {
	t.Parallel()
	doc := func(payer string) string {
		return `{"asOfDate":"2026-11-24T00:00:00.000+0000","plans":[{"statusCode":"1","additionalPayers":[` + payer + `]}]}`
	}
	for payer, want := range map[string]copay.SecondaryCoverage{
		`{"secondary":true}`:                                                                {Active: true},
		`{"primary":true,"name":"OTHER PLAN"}`:                                              {Active: true},
		`{"secondary":true,"name":"STATE MEDICAID"}`:                                        {Kind: copay.PlanMedicaid, Active: true},
		`{"secondary":true,"medicaidRecipientIdentificationNumber":"1"}`:                    {Kind: copay.PlanMedicaid, Active: true},
		`{"secondary":true,"insuranceTypeCode":"QM"}`:                                       {Kind: copay.PlanQMB, Active: true},
		`{"secondary":true,"coordinationOfBenefitsEndDate":"2026-11-23T00:00:00.000+0000"}`: {},
		`{"secondary":true,"coverageEndDate":"2026-11-24T00:00:00.000+0000"}`:               {Active: true},
		`{"secondary":true,"name":"STATE MEDICAID","eligibilityEndDate":"2020-01-01"}`:      {Kind: copay.PlanMedicaid},
		`{"secondary":true,"coordinationOfBenefitsEndDate":"no date"}`:                      {Active: true},
	} {
		want.Source = "271 (availity plans[0].additionalPayers[0])"
		require.Equal(t, []copay.SecondaryCoverage{want}, read(t, doc(payer)).Secondary, payer)
	}
	b := read(t, `{"plans":[{"statusCode":"1","benefits":[{"type":"98","additionalPayers":[{"secondary":true}]}]}]}`)
	require.Equal(t, "271 (availity plans[0].benefits[0].additionalPayers[0])", b.Secondary[0].Source)
}

func TestRows(t *testing.T) {
	t.Parallel()
	b := read(t, office(`{
		"coPayment":{"inNetwork":[{"amount":""},{"amount":"25","level":"Family","payerNotes":["PRIMARY CARE","REFERRAL NEEDED"]},{"amount":"15","units":"Percent"},
			{"amount":"90","placeOfServiceCode":"22"},{"amount":"30","placeOfServiceCode":"11","description":"Office"}],
			"noNetwork":[{"amount":"7","levelCode":"EMP","payerNotes":[{"message":"SPECIALIST"},{"other":1},7,""]}],"notApplicableNetwork":[{"amount":"8","payerNotes":"bare"}]},
		"coInsurance":{"inNetwork":[{"amount":"0.1"},{"amount":"50","units":"USD"},{"amount":""},{"amount":"250"}]},
		"deductibles":{"inNetwork":[{"amount":"500","amountTimePeriodCode":"23"},{"amount":"60","amountTimePeriodCode":"29"},{"amount":"70","amountTimePeriod":"remaining"},{"amount":"0","amountTimePeriodCode":"23"},
			{"amount":"900","remaining":"80.50"},{"amount":""}]},
		"outOfPocket":{"inNetwork":[{"amount":"3000","amountTimePeriodCode":"23"},{"amount":"1","remaining":"0"}]}}`))
	type short struct {
		amount  int64
		network copay.Network
		level   string
		note    string
	}
	var got []short
	for _, r := range b.CoPays {
		got = append(got, short{r.Amount.Minor, r.Network, r.Level, r.Note})
	}
	require.Equal(t, []short{{2500, copay.NetworkIn, "FAM", "PRIMARY CARE; REFERRAL NEEDED"}, {3000, copay.NetworkIn, "", "Office"},
		{700, copay.NetworkUnknown, "EMP", "SPECIALIST"}, {800, copay.NetworkAny, "", "bare"}}, got)
	require.Equal(t, "271 EB*B (availity plans[0].benefits[0].coPayment.inNetwork[4])", b.CoPays[1].Source, "places are those of the answer")
	require.Len(t, b.CoInsurance, 2)
	require.Equal(t, copay.Percent(1500), b.CoInsurance[0].Percent)
	require.Equal(t, "271 EB*B (availity plans[0].benefits[0].coPayment.inNetwork[2])", b.CoInsurance[0].Source)
	require.Equal(t, copay.Percent(1000), b.CoInsurance[1].Percent)
	var left []int64
	for _, r := range b.Deductible {
		left = append(left, r.Amount.Minor)
		require.Equal(t, r.Amount.Minor == 50000, r.Whole, "a deductible of nothing is met")
	}
	require.Equal(t, []int64{50000, 6000, 7000, 0, 8050}, left)
	require.Len(t, b.OutOfPocket, 1)
	require.True(t, b.OutOfPocket[0].Amount.IsZero())
}

// Last year's and next year's amounts are told beside this year's.
func TestRowsThatDoNotHoldOnTheDay(t *testing.T) {
	t.Parallel()
	b := read(t, office(`{
		"coPayment":{"inNetwork":[{"amount":"20","benefitEndDate":"2025-12-31T00:00:00.000+0000"},{"amount":"25","benefitBeginDate":"2026-01-01"},{"amount":"30","coverageStartDate":"2027-01-01"}]},
		"coInsurance":{"inNetwork":[{"amount":"20","eligibilityEndDate":"2026-11-23"}]},
		"deductibles":{"inNetwork":[{"remaining":"60","coverageEndDate":"2025-12-31"}]},
		"outOfPocket":{"inNetwork":[{"remaining":"0","eligibilityStartDate":"2027-01-01"}]}}`))
	require.Len(t, b.CoPays, 1)
	require.Equal(t, copay.Cents(25_00), b.CoPays[0].Amount)
	require.Empty(t, b.CoInsurance)
	require.Empty(t, b.Deductible)
	require.Empty(t, b.OutOfPocket)
}

// A benefit that has ended costs nothing any more, whatever it says.
func TestBenefitsThatHaveEnded(t *testing.T) {
	t.Parallel()
	b := read(t, `{"requestedServiceType":[{"code":"98"}],"plans":[{"statusCode":"1","benefits":[
		{"type":"98","statusCode":"6","amounts":{"coPayment":{"inNetwork":[{"amount":"40"}]}}},
		{"type":"98","statusCode":"1","amounts":{"coPayment":{"inNetwork":[{"amount":"25"}]}}}]}]}`)
	require.Len(t, b.CoPays, 1)
	require.Equal(t, copay.Cents(25_00), b.CoPays[0].Amount)
	require.False(t, b.NonCovered)
}

// Where the payer writes its note at the benefit, it holds for all its rows.
func TestNotesOfTheWholeBenefit(t *testing.T) {
	t.Parallel()
	doc := `{"requestedServiceType":[{"code":"98"}],"plans":[{"statusCode":"1","benefits":[
		{"type":"98","statusCode":"1","payerNotes":[{"type":"x","message":"SPECIALIST"}],"amounts":{"coPayment":{"inNetwork":[{"amount":"40"}]}}},
		{"type":"98","statusCode":"1","amounts":{"coPayment":{"inNetwork":[{"amount":"5"}]}}},
		{"type":"98","statusCode":"1","payerNotes":[{"message":"PRIMARY CARE"}],"amounts":{"coPayment":{"inNetwork":[{"amount":"25","payerNotes":["PER VISIT","PRIMARY CARE"]}]}}}]}]}`
	b := read(t, doc)
	require.Equal(t, []string{"SPECIALIST", "", "PER VISIT; PRIMARY CARE"}, []string{b.CoPays[0].Note, b.CoPays[1].Note, b.CoPays[2].Note})
	for special, want := range map[bool]int64{true: 40_00, false: 25_00} {
		e := copay.EstimateCoPay(b, copay.ChargeFacts{Billed: copay.Cents(145_00), Service: "98", Specialist: &special, Network: copay.NetworkIn}, copay.Policy{})
		require.Equal(t, copay.Cents(want), e.Amount)
		require.Equal(t, 95, e.Confidence)
	}
}

// Amounts are dollars, or say nothing of what they are.
func TestUnits(t *testing.T) {
	t.Parallel()
	for units, want := range map[string]int{"": 1, "USD": 1, "US Dollars": 1, " usd ": 1, "$": 1, "Visits": 0, "CAD": 0, "Days": 0} {
		b := read(t, office(`{"coPayment":{"inNetwork":[{"amount":"20","units":"`+units+`"}]},"deductibles":{"inNetwork":[{"amount":"20","units":"`+units+`"}]},
			"outOfPocket":{"inNetwork":[{"remaining":"20","units":"`+units+`"}]}}`))
		require.Equal(t, []int{want, want, want}, []int{len(b.CoPays), len(b.Deductible), len(b.OutOfPocket)}, units)
	}
}

// A maximum of nothing is no maximum that was reached: the patient would be
// asked for nothing for the whole year.
func TestALimitOfNothingIsNone(t *testing.T) {
	t.Parallel()
	for row, want := range map[string]int{`{"amount":"0","amountTimePeriodCode":"23"}`: 0, `{"amount":"0.00"}`: 0, `{"amount":"0","amountTimePeriodCode":"29"}`: 1, `{"amount":"0","remaining":"0"}`: 1} {
		require.Len(t, read(t, office(`{"outOfPocket":{"inNetwork":[`+row+`]}}`)).OutOfPocket, want, row)
	}
}

func TestNotCovered(t *testing.T) {
	t.Parallel()
	doc := func(benefit string) string {
		return `{"requestedServiceType":[{"code":"98"}],"plans":[{"statusCode":"1","benefits":[` + benefit + `]}]}`
	}
	for benefit, want := range map[string]bool{
		`{"type":"98","statusCode":"I"}`:                                    true,
		`{"type":"UC","statusCode":"I"}`:                                    false,
		`{"type":"98","statusCode":"1","nonCovered":{"inNetwork":[{}]}}`:    true,
		`{"type":"98","statusCode":"1","nonCovered":{"outOfNetwork":[{}]}}`: false,
		`{"type":"98","statusCode":"1","nonCovered":{"noNetwork":[{}]},"amounts":{"coPayment":{"inNetwork":[{"amount":"25"}]}}}`: false,
		`{"type":"98","statusCode":"1","nonCovered":{}}`:                                              false,
		`{"type":"98","statusCode":"6","amounts":{"coPayment":{"inNetwork":[{"amount":"25"}]}}}`:      true,
		`{"type":"98","status":"Inactive"}`:                                                           true,
		`{"type":"98","statusCode":"6"},{"type":"98","statusCode":"1"}`:                               false,
		`{"type":"98","statusCode":"1"},{"type":"98","statusCode":"7"}`:                               false,
		`{"type":"35","statusCode":"6"},{"type":"98","statusCode":"1"}`:                               false,
		`{"type":"98","statusCode":"1","nonCovered":{"inNetwork":[{"placeOfServiceCode":"21"}]}}`:     false,
		`{"type":"98","statusCode":"1","nonCovered":{"inNetwork":[{"benefitEndDate":"2020-01-01"}]}}`: false,
	} {
		require.Equal(t, want, read(t, doc(benefit)).NonCovered, benefit)
	}
}

// The sentence for staff repeats names of fields that we know, once, and
// nothing else that the platform put there.
func TestProblemsNameFieldsOnly(t *testing.T) {
	t.Parallel()
	for messages, want := range map[string]string{
		`{"field":"memberId"},{"field":"Muster"},{"field":"memberId"},{"field":"patientGender"}`: "check memberId, patientGender in the EHR",
		`{"field":"Muster","errorMessage":"Muster"}`:                                             "check insurance and member id in the EHR",
		``: "check insurance and member id in the EHR",
	} {
		var c coverage
		require.NoError(t, json.Unmarshal([]byte(`{"statusCode":"19","validationMessages":[`+messages+`]}`), &c))
		require.Contains(t, c.problem(), want)
		require.NotContains(t, c.problem(), "Muster")
	}
}

func TestRequirementRules(t *testing.T) {
	t.Parallel()
	var c configuration
	require.NoError(t, json.Unmarshal([]byte(`{"elements":{
		"memberId":{"required":true},"groupNumber":{"allowed":false},"patientState":{"allowed":true},
		"hint":{"type":"Information","required":true},"patientSSN":{"required":true},
		"patientZipCode":{"requiredWhen":{"patientState":{"equalTo":"IL"}}},
		"patientGender":{"required":true,"notRequiredWhen":{"subscriberRelationship":{"containedIn":["18"]}}},
		"patientFirstName":{"requiredWhen":{"patientState":{"greaterThan":"A"}}}},
		"requiredFieldCombinations":{"p":[["patientLastName","patientBirthDate"],["medicaidId"]]}}`), &c))
	base := func() url.Values {
		return url.Values{"payerId": {"1"}, "asOfDate": {"2026-11-24"}, "memberId": {"m"}, "patientLastName": {"l"}, "patientBirthDate": {"b"}, "subscriberRelationship": {"18"},
			"groupNumber": {"g"}, "patientState": {"WI"}, "submitterId": {"s"}}
	}
	with := func(k, v string) url.Values { f := base(); f.Set(k, v); return f }
	require.Empty(t, c.missing(base()), "what we can never send is not asked of staff")
	require.Equal(t, []string{"memberId"}, c.missing(with("memberId", "")))
	require.Equal(t, []string{"patientZipCode"}, c.missing(with("patientState", "IL")))
	require.Equal(t, []string{"patientGender"}, c.missing(with("subscriberRelationship", "19")))
	require.Equal(t, []string{"payerId"}, c.missing(with("payerId", "")))
	require.Empty(t, c.missing(with("medicaidId", "x")))
	trimmed := c.trim(base())
	require.False(t, trimmed.Has("groupNumber"), "not allowed")
	require.False(t, trimmed.Has("submitterId"), "not asked for")
	require.True(t, trimmed.Has("patientState"))
	require.True(t, trimmed.Has("patientLastName"))
	require.Equal(t, base(), configuration{}.trim(base()), "nothing is known of what the payer wants")
}

// Whatever a payer answers, reading it neither panics nor invents money.
func FuzzBenefits(f *testing.F) {
	f.Add(office(`{"coPayment":{"inNetwork":[{"amount":"25","payerNotes":["PRIMARY CARE"]}]}}`))
	f.Add(office(`{"deductibles":{"inNetwork":[{"amount":"500","remaining":"60"}]},"coInsurance":{"outOfNetwork":[{"amount":".2"}]}}`))
	f.Add(`{"plans":[{"statusCode":"1","insuranceTypeCode":"QM","additionalPayers":[{"name":"x"}]}]}`)
	f.Fuzz(func(t *testing.T, doc string) {
		var c coverage
		if json.Unmarshal([]byte(doc), &c) != nil {
			return
		}
		b := c.benefits("11", time.Unix(1_800_000_000, 0))
		for _, rows := range [][]copay.BenefitAmount{b.CoPays, b.CoInsurance, b.Deductible, b.OutOfPocket} {
			for _, r := range rows {
				require.False(t, r.Amount.IsNegative())
				require.True(t, r.Percent >= 0 && r.Percent <= 10_000)
				require.NotEmpty(t, r.Source)
			}
		}
		e := copay.EstimateCoPay(b, copay.ChargeFacts{Billed: copay.Cents(145_00), Service: "98"}, copay.Policy{})
		require.LessOrEqual(t, e.Amount.Minor, int64(145_00))
		require.NotContains(t, c.problem(), "%!")
	})
}
