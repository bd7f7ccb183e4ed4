package drchrono

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
)

var monday = time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)

func row(day, level, eb, service, details string) eligibilityCheck {
	return eligibilityCheck{ID: "1", Level: level, QueryDate: day, Eligibility: eb, Service: service, Details: json.RawMessage(details)}
}

func TestOnlyTheLastCheckCounts(t *testing.T) {
	t.Parallel()
	b := benefits([]eligibilityCheck{
		row("2026-10-01T09:00:00", "Primary Insurance", "B", "98", `{"amount":"20.00"}`),
		row("2026-11-20T09:00:00", "Primary Insurance", "1", "30", `{"insurance_type_code":"QM"}`),
		row("2026-11-20T09:00:01", "Primary Insurance", "B", "98", `{"amount":30,"in_network":"Y"}`),
		row("2026-11-20T09:00:01", "Secondary Insurance", "1", "30", `{"insurance_type_code":"MC"}`),
	}, "98", monday)
	require.Equal(t, copay.CoverageActive, b.Status)
	require.Equal(t, copay.PlanQMB, b.Kind)
	require.Len(t, b.CoPays, 1)
	require.Equal(t, copay.Cents(30_00), b.CoPays[0].Amount)
	require.Equal(t, copay.NetworkIn, b.CoPays[0].Network)
	require.Equal(t, []copay.SecondaryCoverage{{Kind: copay.PlanMedicaid, Active: true, Source: "EHR eligibility check (secondary)"}}, b.Secondary)
	require.Equal(t, time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), b.CheckedAt, "when the payer was asked, not when it was read")
}

func TestRows(t *testing.T) {
	t.Parallel()
	share := func(p copay.Percent) []copay.BenefitAmount { return []copay.BenefitAmount{{Percent: p, Service: "98"}} }
	amount := func(c int64, whole bool) []copay.BenefitAmount {
		return []copay.BenefitAmount{{Amount: copay.Cents(c), Service: "98", Whole: whole}}
	}
	for name, x := range map[string]struct {
		eb, details string
		want        copay.Benefits
	}{
		"share as a fraction":       {"A", `{"percent":".2"}`, copay.Benefits{CoInsurance: share(2000)}},
		"share in percent":          {"A", `{"percentage":20}`, copay.Benefits{CoInsurance: share(2000)}},
		"all of it":                 {"A", `{"percent":1}`, copay.Benefits{CoInsurance: share(10_000)}},
		"one percent":               {"A", `{"percent":"1%"}`, copay.Benefits{CoInsurance: share(100)}},
		"share as a co-pay":         {"B", `{"amount":"20%"}`, copay.Benefits{CoInsurance: share(2000)}},
		"more than all":             {"A", `{"percent":"120"}`, copay.Benefits{}},
		"dollars as a share":        {"A", `{"amount":"20"}`, copay.Benefits{}},
		"whole deductible":          {"C", `{"amount":"500","time_period_qualifier":"23"}`, copay.Benefits{Deductible: amount(500_00, true)}},
		"what is left of it":        {"C", `{"amount":"$120.50","timePeriodQualifierCode":0,"time_period_qualifier":"29"}`, copay.Benefits{Deductible: amount(120_50, false)}},
		"what was used of it":       {"C", `{"amount":"380","time_period":"Year to Date"}`, copay.Benefits{}},
		"the whole limit":           {"G", `{"amount":"3000"}`, copay.Benefits{}},
		"no limit, written as 0":    {"G", `{"amount":"0","time_period_qualifier":"23"}`, copay.Benefits{}},
		"a deductible of nothing":   {"C", `{"amount":"0"}`, copay.Benefits{Deductible: amount(0, false)}},
		"what is left to the limit": {"G", `{"amount":"0","eb06":"29"}`, copay.Benefits{OutOfPocket: amount(0, false)}},
		"a text that is a document": {"B", `"{\"rows\":[{\"amount\":\"25\"}]}"`, copay.Benefits{CoPays: amount(25_00, false)}},
		"the same twice":            {"B", `[{"amount":"25"},{"amount":25.00}]`, copay.Benefits{CoPays: amount(25_00, false)}},
		"another code inside":       {"1", `{"rows":[{"eligibility_or_benefit":{"code":"B"},"amount":"25"}]}`, copay.Benefits{CoPays: amount(25_00, false)}},
		"amounts of other codes":    {"B", `{"benefit_code":"F","amount":"25"}`, copay.Benefits{}},
		"who it is about":           {"B", `{"subscriber":{"amount":"25"}}`, copay.Benefits{}},
		"fractions of a cent":       {"B", `{"amount":"25.005"}`, copay.Benefits{}},
		"negative":                  {"B", `{"amount":-25}`, copay.Benefits{}},
		"nothing":                   {"B", `null`, copay.Benefits{}},
		"broken":                    {"B", `{"amount":`, copay.Benefits{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := benefits([]eligibilityCheck{row("2026-11-20", "", x.eb, "98", x.details)}, "98", monday)
			for _, rows := range [][]copay.BenefitAmount{b.CoPays, b.CoInsurance, b.Deductible, b.OutOfPocket} {
				for i := range rows {
					require.NotEmpty(t, rows[i].Source)
					rows[i].Source = ""
				}
			}
			require.Equal(t, [][]copay.BenefitAmount{x.want.CoPays, x.want.CoInsurance, x.want.Deductible, x.want.OutOfPocket},
				[][]copay.BenefitAmount{b.CoPays, b.CoInsurance, b.Deductible, b.OutOfPocket})
		})
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	for codes, want := range map[string]copay.CoverageStatus{"1": copay.CoverageActive, "5": copay.CoverageActive, "6": copay.CoverageInactive, "V": copay.CoverageUnknown,
		"16": copay.CoverageUnknown, "61": copay.CoverageUnknown, "Z": copay.CoverageUnknown, "": copay.CoverageUnknown} {
		var checks []eligibilityCheck
		for _, eb := range codes {
			checks = append(checks, row("2026-11-20", "Primary Insurance", string(eb), "30", `{}`))
		}
		b := benefits(checks, "98", monday)
		require.Equal(t, want, b.Status, codes)
		require.Equal(t, want == copay.CoverageUnknown, b.Problem != "", codes)
	}
	b := benefits([]eligibilityCheck{row("2026-11-20", "", "1", "30", ``), row("2026-11-20", "", "6", "35", ``), row("2026-11-20", "", "I", "98", ``)}, "98", monday)
	require.Equal(t, copay.CoverageActive, b.Status, "dental cover that ended is none of this visit's business")
	require.True(t, b.NonCovered)
}

func TestKindsOfPlan(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]copay.PlanKind{"QM": copay.PlanQMB, "MC": copay.PlanMedicaid, "MB": copay.PlanMedicare, "12": copay.PlanMedicare, "47": copay.PlanMedicare,
		"PR": copay.PlanCommercial, "HM": copay.PlanCommercial, "Qualified Medicare Beneficiary": copay.PlanQMB, "medicaid hmo": copay.PlanMedicaid} {
		b := benefits([]eligibilityCheck{row("2026-11-20", "", "1", "30", `{"insurance_type":"`+said+`"}`)}, "98", monday)
		require.Equal(t, want, b.Kind, said)
	}
}

func FuzzWalk(f *testing.F) {
	for _, s := range []string{`{"amount":"25.00"}`, `[[["a"]]]`, `"{\"amount\":1}"`, `{"code":"B","amount":1e9}`, `{"eb01":"C","eb07":"5","eb06":"29"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		rows := walk(raw, found{code: "B", service: "98"})
		if len(rows) > maxRows {
			t.Fatal("too many rows")
		}
		b := benefits([]eligibilityCheck{row("2026-11-20", "", "B", "98", string(raw))}, "98", monday)
		for _, rows := range [][]copay.BenefitAmount{b.CoPays, b.CoInsurance, b.Deductible, b.OutOfPocket} {
			for _, r := range rows {
				if r.Amount.IsNegative() || r.Percent < 0 || r.Percent > 10_000 || len([]rune(r.Note)) > maxNote {
					t.Fatalf("%+v", r)
				}
			}
		}
		if (b.Status == copay.CoverageUnknown) != (b.Problem != "") {
			t.Fatal("an answer that cannot be used says why")
		}
	})
}
