package copay_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
)

func yes() *bool { v := true; return &v }
func no() *bool  { v := false; return &v }

func dollars(n int64) *copay.Money { m := copay.Cents(n * 100); return &m }

// row is a co-pay, deductible or limit in network for an office visit.
func row(d int64, note string) copay.BenefitAmount {
	return copay.BenefitAmount{Amount: copay.Cents(d * 100), Service: "98", Network: copay.NetworkIn, Note: note, Source: "271 EB*B"}
}

func share(p copay.Percent) copay.BenefitAmount {
	return copay.BenefitAmount{Percent: p, Service: "98", Network: copay.NetworkIn, Source: "271 EB*A"}
}

func of(r copay.BenefitAmount, change func(*copay.BenefitAmount)) copay.BenefitAmount {
	change(&r)
	return r
}

func out(r copay.BenefitAmount) copay.BenefitAmount {
	return of(r, func(r *copay.BenefitAmount) { r.Network = copay.NetworkOut })
}

func family(r copay.BenefitAmount) copay.BenefitAmount {
	return of(r, func(r *copay.BenefitAmount) { r.Level = "FAM" })
}

func whole(r copay.BenefitAmount) copay.BenefitAmount {
	return of(r, func(r *copay.BenefitAmount) { r.Whole = true })
}

func plan(r copay.BenefitAmount) copay.BenefitAmount {
	return of(r, func(r *copay.BenefitAmount) { r.Service = copay.ServicePlan })
}

func active(copays ...copay.BenefitAmount) copay.Benefits {
	return copay.Benefits{Status: copay.CoverageActive, Source: "availity", CoPays: copays}
}

func visit(change ...func(*copay.ChargeFacts)) copay.ChargeFacts {
	c := copay.ChargeFacts{Billed: copay.Cents(145_00), Service: "98", ServiceDate: "2026-11-24", Network: copay.NetworkIn, Specialist: no()}
	for _, f := range change {
		f(&c)
	}
	return c
}

func anywhere(c *copay.ChargeFacts)  { c.Network = copay.NetworkUnknown }
func anyone(c *copay.ChargeFacts)    { c.Specialist = nil }
func specialty(c *copay.ChargeFacts) { c.Specialist = yes() }
func noPlan(c *copay.ChargeFacts)    { c.SelfPay = true }
func checkup(c *copay.ChargeFacts)   { c.Preventive = true }
func allowed(d int64) func(*copay.ChargeFacts) {
	return func(c *copay.ChargeFacts) { c.Allowed = copay.Cents(d * 100) }
}
func entered(d int64) func(*copay.ChargeFacts) {
	return func(c *copay.ChargeFacts) { c.EHRCoPay = dollars(d) }
}

type estimateCase struct {
	b          copay.Benefits
	c          copay.ChargeFacts
	kind       copay.EstimateKind
	amount     int64 // cents
	confidence int
	says       string // in one of the reasons
}

func checkEstimates(t *testing.T, cases map[string]estimateCase) {
	t.Helper()
	for name, x := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := copay.EstimateCoPay(x.b, x.c, copay.Policy{}.WithDefaults())
			require.Equal(t, x.kind, got.Kind, got.Reasons)
			require.Equal(t, copay.Cents(x.amount), got.Amount, got.Reasons)
			require.Equal(t, x.confidence, got.Confidence, got.Reasons)
			all := ""
			for _, r := range got.Reasons {
				require.NotEmpty(t, r.Source, r.Text)
				all += r.Text + " [" + r.Source + "]\n"
			}
			require.Contains(t, all, x.says)
			require.Equal(t, x.kind == copay.EstimateZeroByRule, got.Rule != "")
		})
	}
}

func TestWhoMustNotBeBilled(t *testing.T) {
	t.Parallel()
	kind := func(k copay.PlanKind, s copay.CoverageStatus) copay.Benefits {
		return copay.Benefits{Status: s, Kind: k, Source: "availity", CoPays: []copay.BenefitAmount{row(25, "")}}
	}
	second := func(b copay.Benefits, k copay.PlanKind, active bool) copay.Benefits {
		b.Secondary = []copay.SecondaryCoverage{{Kind: k, Active: active, Source: "271"}}
		return b
	}
	free := active(row(25, ""))
	free.Preventive = true
	problem := copay.Benefits{Status: copay.CoverageUnknown, Kind: copay.PlanQMB, Problem: "the payer did not answer", Source: "availity"}
	checkEstimates(t, map[string]estimateCase{
		"QMB":                             {kind(copay.PlanQMB, copay.CoverageActive), visit(), copay.EstimateZeroByRule, 0, 100, "1902(n)(3)(B)"},
		"QMB, staff entered a co-pay":     {kind(copay.PlanQMB, copay.CoverageActive), visit(entered(25)), copay.EstimateZeroByRule, 0, 100, "1902(n)(3)(B)"},
		"QMB marked as self-pay":          {kind(copay.PlanQMB, copay.CoverageActive), visit(noPlan), copay.EstimateZeroByRule, 0, 100, "1902(n)(3)(B)"},
		"QMB whose payer is down":         {problem, visit(entered(25)), copay.EstimateZeroByRule, 0, 100, "1902(n)(3)(B)"},
		"Medicaid":                        {kind(copay.PlanMedicaid, copay.CoverageActive), visit(), copay.EstimateZeroByRule, 0, 100, "42 CFR 447.15"},
		"Medicaid behind another plan":    {second(active(row(25, "")), copay.PlanMedicaid, true), visit(), copay.EstimateZeroByRule, 0, 100, "42 CFR 447.15"},
		"QMB behind a plan that ended":    {second(kind(copay.PlanMedicare, copay.CoverageInactive), copay.PlanQMB, true), visit(), copay.EstimateZeroByRule, 0, 100, "1902(n)(3)(B)"},
		"Medicaid that ended":             {kind(copay.PlanMedicaid, copay.CoverageInactive), visit(), copay.EstimateUnknown, 0, 0, "not active"},
		"Medicaid that ended, self-pay":   {kind(copay.PlanMedicaid, copay.CoverageInactive), visit(noPlan), copay.EstimateSelfPay, 145_00, 100, "without insurance"},
		"a second plan that ended":        {second(active(row(25, "")), copay.PlanMedicaid, false), visit(), copay.EstimateOwed, 25_00, 95, "co-pay"},
		"preventive by the plan":          {free, visit(), copay.EstimateZeroByRule, 0, 100, "45 CFR 147.130"},
		"preventive by the code":          {active(row(25, "")), visit(checkup), copay.EstimateZeroByRule, 0, 100, "45 CFR 147.130"},
		"preventive code without a plan":  {copay.Benefits{}, visit(checkup, noPlan), copay.EstimateSelfPay, 145_00, 100, "without insurance"},
		"the rule comes before the money": {copay.Benefits{Status: copay.CoverageActive, Kind: copay.PlanQMB}, copay.ChargeFacts{Billed: copay.Money{Minor: -1, Currency: "CAD"}}, copay.EstimateZeroByRule, 0, 100, "1902"},
	})
}

func TestFixedCoPay(t *testing.T) {
	t.Parallel()
	two := active(row(25, "PRIMARY CARE"), row(40, "SPECIALIST"))
	nets := active(row(25, ""), out(row(60, "")))
	odd := active(row(25, ""), row(10, ""))
	odd.CoPays[1].Service = "UC"
	zero := active(row(0, ""), row(25, "TELEHEALTH"))
	limit := func(b copay.Benefits, rows ...copay.BenefitAmount) copay.Benefits { b.OutOfPocket = rows; return b }
	second := active(row(25, ""))
	second.Secondary = []copay.SecondaryCoverage{{Active: true}}
	checkEstimates(t, map[string]estimateCase{
		"one row":                               {active(row(25, "")), visit(), copay.EstimateOwed, 25_00, 95, "co-pay (service 98, in network) [271 EB*B]"},
		"the same row twice":                    {active(row(25, ""), row(25, "")), visit(), copay.EstimateOwed, 25_00, 95, ""},
		"another service is not ours":           {odd, visit(), copay.EstimateOwed, 25_00, 95, ""},
		"urgent care":                           {odd, visit(func(c *copay.ChargeFacts) { c.Service = "UC" }), copay.EstimateOwed, 10_00, 95, "service UC"},
		"only the general plan has a co-pay":    {active(plan(row(25, ""))), visit(), copay.EstimateOwed, 25_00, 60, "service 30"},
		"this service before the plan":          {active(plan(row(10, "")), row(25, "")), visit(), copay.EstimateOwed, 25_00, 95, ""},
		"primary care":                          {two, visit(), copay.EstimateOwed, 25_00, 95, "primary care"},
		"specialist":                            {two, visit(specialty), copay.EstimateOwed, 40_00, 95, "specialist"},
		"nobody knows":                          {two, visit(anyone), copay.EstimateOwed, 25_00, 30, "several co-pays fit"},
		"nobody knows, staff entered the low":   {two, visit(anyone, entered(25)), copay.EstimateOwed, 25_00, 85, "decides"},
		"nobody knows, staff entered other":     {two, visit(anyone, entered(30)), copay.EstimateOwed, 25_00, 30, "another co-pay"},
		"one row, but for the other kind":       {active(row(40, "SPECIALIST VISIT")), visit(), copay.EstimateOwed, 40_00, 45, ""},
		"one labelled row, nobody knows":        {active(row(25, "PCP")), visit(anyone), copay.EstimateOwed, 25_00, 60, ""},
		"unlabelled stands in":                  {active(row(25, "PRIMARY CARE"), row(30, "")), visit(specialty), copay.EstimateOwed, 30_00, 95, ""},
		"a note for both":                       {active(row(25, "PRIMARY CARE OR SPECIALIST")), visit(specialty), copay.EstimateOwed, 25_00, 95, ""},
		"non-specialist is primary care":        {active(row(25, "Non-Specialist"), row(40, "Specialist")), visit(), copay.EstimateOwed, 25_00, 95, "non-specialist"},
		"in network":                            {nets, visit(), copay.EstimateOwed, 25_00, 95, "in network"},
		"out of network":                        {nets, visit(func(c *copay.ChargeFacts) { c.Network = copay.NetworkOut }), copay.EstimateOwed, 60_00, 95, "out of network"},
		"network not known":                     {nets, visit(anywhere), copay.EstimateOwed, 25_00, 85, "is not known"},
		"network not known, no difference":      {active(row(25, ""), out(row(25, ""))), visit(anywhere), copay.EstimateOwed, 25_00, 95, ""},
		"only out of network is named":          {active(out(row(60, ""))), visit(anywhere), copay.EstimateOwed, 60_00, 60, ""},
		"only in network, charge is out":        {active(row(25, "")), visit(func(c *copay.ChargeFacts) { c.Network = copay.NetworkOut }), copay.EstimateUnknown, 0, 0, "neither"},
		"out of network does not hide the plan": {active(plan(row(25, "")), out(row(60, ""))), visit(), copay.EstimateOwed, 25_00, 60, "service 30"},
		"any network":                           {active(of(row(25, ""), func(r *copay.BenefitAmount) { r.Network = copay.NetworkAny })), visit(), copay.EstimateOwed, 25_00, 95, ""},
		"another service's network":             {active(out(row(60, "")), of(row(10, ""), func(r *copay.BenefitAmount) { r.Service = "UC" })), visit(anywhere), copay.EstimateOwed, 60_00, 60, ""},
		"staff agree":                           {active(row(25, "")), visit(entered(25)), copay.EstimateOwed, 25_00, 99, "the same co-pay"},
		"staff disagree":                        {active(row(25, "")), visit(entered(30)), copay.EstimateOwed, 25_00, 45, "another co-pay"},
		"an empty field says nothing":           {active(row(25, "")), visit(entered(0)), copay.EstimateOwed, 25_00, 95, ""},
		"no more than the charge":               {active(row(200, "")), visit(), copay.EstimateOwed, 145_00, 95, "no more than the charge"},
		"co-pay of nothing":                     {active(row(0, "")), visit(), copay.EstimateNothing, 0, 95, ""},
		"a zero in doubt is not nothing":        {zero, visit(), copay.EstimateOwed, 0, 30, "several co-pays fit"},
		"a zero that staff contradict":          {active(row(0, "")), visit(entered(25)), copay.EstimateOwed, 0, 45, "another co-pay"},
		"limit nearly reached":                  {limit(active(row(25, "")), row(10, "")), visit(), copay.EstimateOwed, 10_00, 95, "out-of-pocket"},
		"limit reached":                         {limit(active(row(25, "")), row(0, "")), visit(), copay.EstimateNothing, 0, 95, "out-of-pocket"},
		"limit reached, whichever co-pay":       {limit(two, row(0, "")), visit(anyone), copay.EstimateNothing, 0, 80, "out-of-pocket"},
		"limit of the family is reached":        {limit(active(row(25, "")), row(900, ""), family(row(0, ""))), visit(), copay.EstimateNothing, 0, 95, "FAM"},
		"limits that contradict":                {limit(active(row(25, "")), row(900, ""), row(0, "A")), visit(), copay.EstimateOwed, 0, 45, "out-of-pocket"},
		"limit of the plan as a whole":          {limit(active(row(25, "")), plan(row(5, ""))), visit(), copay.EstimateOwed, 5_00, 95, "service 30"},
		"limit far away":                        {limit(active(row(25, "")), row(900, "")), visit(), copay.EstimateOwed, 25_00, 95, ""},
		"a second plan may pay":                 {second, visit(), copay.EstimateOwed, 25_00, 45, "second plan"},
	})
}

func TestDeductibleAndCoinsurance(t *testing.T) {
	t.Parallel()
	cost := func(ded, coins []copay.BenefitAmount, oop ...copay.BenefitAmount) copay.Benefits {
		b := active()
		b.Deductible, b.CoInsurance, b.OutOfPocket = ded, coins, oop
		return b
	}
	rows := func(r ...copay.BenefitAmount) []copay.BenefitAmount { return r }
	checkEstimates(t, map[string]estimateCase{
		// 60 + 20 % of (120 − 60)
		"from the allowed amount":         {cost(rows(row(60, "")), rows(share(2000))), visit(allowed(120)), copay.EstimateOwed, 72_00, 80, "20.00 % of the rest"},
		"from the charge":                 {cost(rows(row(60, "")), rows(share(2000))), visit(), copay.EstimateOwed, 77_00, 60, "reckons from [charge]"},
		"an allowed amount above charge":  {cost(rows(row(60, "")), rows(share(2000))), visit(allowed(400)), copay.EstimateOwed, 77_00, 60, ""},
		"deductible met":                  {cost(rows(row(0, "")), rows(share(2000))), visit(allowed(120)), copay.EstimateOwed, 24_00, 80, ""},
		"deductible takes it all":         {cost(rows(row(500, "")), rows(share(2000))), visit(allowed(120)), copay.EstimateOwed, 120_00, 80, ""},
		"deductible takes it all, alone":  {cost(rows(row(500, "")), nil), visit(allowed(120)), copay.EstimateOwed, 120_00, 80, ""},
		"only the deductible is named":    {cost(rows(row(60, "")), nil), visit(allowed(120)), copay.EstimateOwed, 60_00, 45, "does not say what the patient pays after"},
		"a met deductible alone":          {cost(rows(row(0, "")), nil), visit(allowed(120)), copay.EstimateUnknown, 0, 0, "names neither"},
		"a met deductible, staff entered": {cost(rows(row(0, "")), nil), visit(allowed(120), entered(25)), copay.EstimateOwed, 25_00, 50, "names neither"},
		"only coinsurance":                {cost(nil, rows(share(2500))), visit(allowed(120)), copay.EstimateOwed, 30_00, 80, ""},
		"coinsurance of nothing":          {cost(nil, rows(share(0))), visit(), copay.EstimateNothing, 0, 60, ""},
		"rounding half up":                {cost(nil, rows(share(3333))), visit(func(c *copay.ChargeFacts) { c.Allowed = copay.Cents(10_05) }), copay.EstimateOwed, 3_35, 80, ""},
		"two shares":                      {cost(nil, rows(share(2000), share(3000))), visit(allowed(120)), copay.EstimateOwed, 24_00, 45, ""},
		"a share of more than all":        {cost(nil, rows(share(20000))), visit(allowed(120)), copay.EstimateUnknown, 0, 0, "cannot be reckoned"},
		"a family's deductible":           {cost(rows(row(500, ""), family(row(10, ""))), rows(share(2000))), visit(allowed(120)), copay.EstimateOwed, 32_00, 80, "FAM"},
		"deductibles that contradict":     {cost(rows(row(500, "A"), row(10, "B")), rows(share(2000))), visit(allowed(120)), copay.EstimateOwed, 32_00, 45, ""},
		"capped by the limit":             {cost(rows(row(60, "")), rows(share(2000)), row(50, "")), visit(allowed(120)), copay.EstimateOwed, 50_00, 80, "out-of-pocket"},
		"the plan's deductible":           {cost(rows(plan(row(60, ""))), rows(share(2000))), visit(allowed(120)), copay.EstimateOwed, 72_00, 80, ""},
		"only the whole deductible":       {cost(rows(whole(row(500, ""))), rows(share(2000))), visit(allowed(120)), copay.EstimateOwed, 24_00, 45, "does not say what is left of it"},
		"the family's whole is no doubt":  {cost(rows(row(60, ""), whole(family(row(1000, "")))), rows(share(2000))), visit(allowed(120)), copay.EstimateOwed, 72_00, 80, ""},
		"a whole deductible of nothing":   {cost(rows(whole(row(0, ""))), rows(share(2000))), visit(allowed(120)), copay.EstimateOwed, 24_00, 80, ""},
		"network not known":               {cost(rows(row(60, ""), out(row(90, ""))), rows(share(2000), out(share(4000)))), visit(allowed(120), anywhere), copay.EstimateOwed, 72_00, 70, "not known"},
		"staff entered a co-pay":          {cost(rows(row(60, "")), rows(share(2000))), visit(allowed(120), entered(25)), copay.EstimateOwed, 72_00, 45, "another co-pay"},
	})
}

func TestWithoutAUsableAnswer(t *testing.T) {
	t.Parallel()
	down := copay.Benefits{Status: copay.CoverageUnknown, Problem: "the payer did not answer", Source: "availity", CoPays: []copay.BenefitAmount{row(25, "")}}
	inactive := copay.Benefits{Status: copay.CoverageInactive, Source: "availity", CoPays: []copay.BenefitAmount{row(25, "")}}
	uncovered := active(row(25, ""))
	uncovered.NonCovered = true
	foreign := active(of(row(25, ""), func(r *copay.BenefitAmount) { r.Amount.Currency = "CAD" }))
	owes := func(d int64) func(*copay.ChargeFacts) {
		return func(c *copay.ChargeFacts) { c.EHRBalance = dollars(d) }
	}
	priced := func(m copay.Money) func(*copay.ChargeFacts) { return func(c *copay.ChargeFacts) { c.Billed = m } }
	checkEstimates(t, map[string]estimateCase{
		"inactive":                    {inactive, visit(entered(25)), copay.EstimateUnknown, 0, 0, "not active"},
		"nobody says active":          {copay.Benefits{Status: copay.CoverageUnknown, CoPays: down.CoPays}, visit(entered(25)), copay.EstimateUnknown, 0, 0, "no payer says"},
		"nothing asked":               {copay.Benefits{}, visit(), copay.EstimateUnknown, 0, 0, "no payer says"},
		"payer down, staff entered":   {down, visit(entered(30)), copay.EstimateOwed, 30_00, 50, "the payer did not answer [availity]"},
		"payer down, balance":         {down, visit(owes(20)), copay.EstimateOwed, 20_00, 40, "[EHR balance]"},
		"payer down, co-pay first":    {down, visit(entered(30), owes(20)), copay.EstimateOwed, 30_00, 50, "[EHR co-pay field]"},
		"payer down, capped":          {down, visit(owes(400)), copay.EstimateOwed, 145_00, 40, "no more than the charge"},
		"payer down, nothing entered": {down, visit(entered(0), owes(0)), copay.EstimateUnknown, 0, 0, "names an amount"},
		"not covered":                 {uncovered, visit(entered(25)), copay.EstimateUnknown, 0, 0, "does not cover"},
		"answer without amounts":      {active(), visit(entered(25)), copay.EstimateOwed, 25_00, 50, "names neither"},
		"self-pay":                    {copay.Benefits{}, visit(noPlan), copay.EstimateSelfPay, 145_00, 100, "[charge]"},
		"a charge of nothing":         {active(row(25, "")), visit(priced(copay.Cents(0))), copay.EstimateNothing, 0, 100, "is zero"},
		"a charge without a price":    {active(row(25, "")), visit(priced(copay.Money{})), copay.EstimateUnknown, 0, 0, "not known"},
		"self-pay without a price":    {active(row(25, "")), visit(priced(copay.Money{}), noPlan), copay.EstimateUnknown, 0, 0, "not known"},
		"negative charge":             {active(row(25, "")), visit(priced(copay.Cents(-1))), copay.EstimateUnknown, 0, 0, "negative"},
		"charge in another currency":  {active(row(25, "")), visit(priced(copay.Money{Minor: 1, Currency: "CAD"}), noPlan), copay.EstimateUnknown, 0, 0, "currency"},
		"co-pay in another currency":  {foreign, visit(), copay.EstimateUnknown, 0, 0, "currency"},
		"negative co-pay":             {active(row(-5, "")), visit(), copay.EstimateUnknown, 0, 0, "negative"},
	})
}

// A reason repeats only so much of a payer's free text.
func TestNotesAreBounded(t *testing.T) {
	t.Parallel()
	long := ""
	for range 500 {
		long += "ä"
	}
	got := copay.EstimateCoPay(active(row(25, long)), visit(), copay.Policy{})
	require.Less(t, len([]rune(got.Reasons[0].Text)), 130)
}
