package copay

import (
	"fmt"
	"strings"
)

// The confidence an estimate has by where its amount comes from. A practice's
// policy says below which one a person looks first.
const (
	sure       = 95 // one row of the payer's answer for this service and network
	agreed     = 99 // and the EHR's own co-pay field says the same
	computed   = 80 // deductible and coinsurance, from the allowed amount
	rough      = 60 // the same from the billed amount, which the contract lowers
	fallback   = 50 // no usable answer of the payer: the EHR's field
	contradict = 45 // the payer and the EHR's field differ
	ambiguous  = 30 // several amounts fit
)

// EstimateCoPay works out what the patient owes for a charge, and says why.
// The amount is never negative and never more than the charge. A rule that
// forbids billing comes before everything else, and no later step undoes it.
func EstimateCoPay(b Benefits, c ChargeFacts, p Policy) Estimate {
	e := &estimator{b: b, c: c, out: Estimate{Amount: Money{Currency: USD}}}
	e.run()
	_ = p // thresholds are the caller's: the estimate does not depend on them
	return e.out
}

type estimator struct {
	b   Benefits
	c   ChargeFacts
	out Estimate
}

func (e *estimator) run() {
	switch {
	case e.forbidden(), e.foreign(), e.selfPay():
	case e.b.Problem != "" || e.b.Status != CoverageActive:
		e.withoutPayer()
	case e.b.NonCovered:
		e.because("the plan does not cover this service; what the patient owes depends on the practice's agreement with them", nil, e.b.Source)
		e.unknown()
	case e.fixed(), e.shared():
	default:
		e.because("the payer's answer names neither a co-pay nor coinsurance for this service", nil, e.b.Source)
		e.withoutPayer()
	}
	e.secondary()
	e.cap()
}

func (e *estimator) because(text string, m *Money, source string) {
	e.out.Reasons = append(e.out.Reasons, Reason{Text: text, Amount: m, Source: source})
}

func (e *estimator) settle(k EstimateKind, m Money, confidence int) {
	e.out.Kind, e.out.Amount, e.out.Confidence = k, m, confidence
	if k == EstimateOwed && m.IsZero() {
		e.out.Kind = EstimateNothing
	}
}

func (e *estimator) unknown() { e.out.Kind, e.out.Confidence = EstimateUnknown, 0 }

// forbidden applies the rules under which the patient must not be billed.
func (e *estimator) forbidden() bool {
	kinds := []PlanKind{e.b.Kind}
	for _, s := range e.b.Secondary {
		if s.Active {
			kinds = append(kinds, s.Kind)
		}
	}
	for _, k := range kinds {
		switch k {
		case PlanQMB:
			return e.zero("Qualified Medicare Beneficiary: no deductible, coinsurance or co-pay may be billed (SSA 1902(n)(3)(B))")
		case PlanMedicaid:
			return e.zero("Medicaid: the payer's amount is payment in full (42 CFR 447.15)")
		}
	}
	if e.b.Preventive || e.c.Preventive {
		return e.zero("preventive service without cost sharing (45 CFR 147.130)")
	}
	return false
}

func (e *estimator) zero(rule string) bool {
	e.out.Kind, e.out.Rule, e.out.Confidence = EstimateZeroByRule, rule, 100
	e.because(rule, &Money{Currency: USD}, orSource(e.b.Source))
	return true
}

func orSource(s string) string {
	if s == "" {
		return "charge"
	}
	return s
}

// foreign refuses what cannot be reckoned with.
func (e *estimator) foreign() bool {
	amounts := []Money{e.c.Billed, e.c.Allowed}
	for _, m := range []*Money{e.c.EHRCoPay, e.c.EHRBalance} {
		if m != nil {
			amounts = append(amounts, *m)
		}
	}
	for _, rows := range [][]BenefitAmount{e.b.CoPays, e.b.Deductible, e.b.OutOfPocket} {
		for _, r := range rows {
			amounts = append(amounts, r.Amount)
		}
	}
	for _, m := range amounts {
		if m.IsNegative() || (!m.IsZero() && !m.Currency.Supported()) {
			e.because("an amount is negative or in a currency that is not supported", nil, "charge and payer's answer")
			e.unknown()
			return true
		}
	}
	return false
}

func (e *estimator) selfPay() bool {
	if !e.c.SelfPay {
		return false
	}
	e.because("the patient pays without insurance: the charge itself", &e.c.Billed, "charge")
	e.settle(EstimateSelfPay, e.c.Billed, 100)
	if e.c.Billed.IsZero() {
		e.out.Kind = EstimateNothing
	}
	return true
}

// withoutPayer goes by what the EHR says.
func (e *estimator) withoutPayer() {
	switch {
	case e.b.Status == CoverageInactive:
		e.because("the payer says that the plan is not active on the date of service", nil, orSource(e.b.Source))
		e.unknown()
		return
	case e.b.Problem != "":
		e.because("the payer's answer cannot be used: "+e.b.Problem, nil, orSource(e.b.Source))
	}
	switch {
	case e.c.EHRCoPay != nil && e.c.EHRCoPay.IsPositive():
		e.because("co-pay that staff entered for the patient", e.c.EHRCoPay, "EHR co-pay field")
		e.settle(EstimateOwed, *e.c.EHRCoPay, fallback)
	case e.c.EHRBalance != nil && e.c.EHRBalance.IsPositive():
		e.because("patient balance of the charge", e.c.EHRBalance, "EHR balance")
		e.settle(EstimateOwed, *e.c.EHRBalance, fallback-10)
	default:
		e.because("neither the payer nor the EHR names an amount", nil, "EHR")
		e.unknown()
	}
}

// fixed looks for a co-pay row of this service, network and kind of provider.
func (e *estimator) fixed() bool {
	rows := e.matching(e.b.CoPays)
	if len(rows) == 0 {
		return false
	}
	confidence := sure
	if e.c.Network == NetworkUnknown && differ(e.b.CoPays) && allNetworks(e.b.CoPays) > 1 {
		confidence -= 10
	}
	rows = e.byProvider(rows)
	low := rows[0]
	for _, r := range rows[1:] {
		if r.Amount.Minor < low.Amount.Minor {
			low = r
		}
	}
	for _, r := range rows {
		e.because(rowText("co-pay", r), &r.Amount, r.Source)
	}
	if differ(rows) {
		e.because("several co-pays fit; the lowest is proposed until a person chooses", &low.Amount, "estimate")
		confidence = ambiguous
	}
	e.settle(EstimateOwed, low.Amount, e.corroborate(low.Amount, confidence))
	e.limit()
	return true
}

// corroborate compares with the co-pay that staff entered.
func (e *estimator) corroborate(m Money, confidence int) int {
	switch f := e.c.EHRCoPay; {
	case f == nil || !f.IsPositive():
		return confidence
	case f.Equal(m) && confidence == ambiguous:
		e.because("the co-pay that staff entered decides between them", f, "EHR co-pay field")
		return sure - 10
	case f.Equal(m):
		e.because("staff entered the same co-pay", f, "EHR co-pay field")
		return max(confidence, agreed)
	case confidence == ambiguous:
		return confidence
	default:
		e.because("staff entered another co-pay", f, "EHR co-pay field")
		return min(confidence, contradict)
	}
}

// shared reckons with the deductible that is left and the coinsurance.
func (e *estimator) shared() bool {
	coins, ded := e.matchingPercent(e.b.CoInsurance), e.matching(e.b.Deductible)
	if len(coins) == 0 && len(ded) == 0 {
		return false
	}
	base, confidence, from := e.c.Allowed, computed, "fee schedule"
	if !base.IsPositive() {
		base, confidence, from = e.c.Billed, rough, "charge"
	}
	e.because("amount the plan reckons from", &base, from)
	owed := Money{Currency: USD}
	if len(ded) > 0 {
		d := lowest(ded)
		owed.Minor = min(d.Amount.Minor, base.Minor)
		e.because(rowText("deductible left", d), &d.Amount, d.Source)
		if differ(ded) {
			confidence = min(confidence, contradict)
		}
	}
	if len(coins) > 0 {
		c := coins[0]
		part, err := c.Percent.Of(Money{Minor: base.Minor - owed.Minor, Currency: USD})
		if err != nil {
			e.unknown()
			return true
		}
		owed.Minor += part.Minor
		e.because(rowText(fmt.Sprintf("coinsurance of %d.%02d %% of the rest", c.Percent/100, c.Percent%100), c), &part, c.Source)
		for _, o := range coins[1:] {
			if o.Percent != c.Percent {
				confidence = min(confidence, contradict)
			}
		}
	}
	e.settle(EstimateOwed, owed, confidence)
	e.limit()
	return true
}

// limit applies what is left until the out-of-pocket maximum.
func (e *estimator) limit() {
	rows := e.matching(e.b.OutOfPocket)
	if len(rows) == 0 {
		return
	}
	left := lowest(rows)
	if left.Amount.Minor < e.out.Amount.Minor {
		e.because(rowText("no more than what is left until the out-of-pocket maximum", left), &left.Amount, left.Source)
		e.settle(EstimateOwed, left.Amount, e.out.Confidence)
	}
}

// secondary notes that another plan may pay what this one leaves.
func (e *estimator) secondary() {
	if e.out.Kind != EstimateOwed {
		return
	}
	for _, s := range e.b.Secondary {
		if s.Active {
			e.because("a second plan may pay a part of it", nil, s.Source)
			e.out.Confidence = min(e.out.Confidence, contradict)
			return
		}
	}
}

// cap keeps the amount within the charge.
func (e *estimator) cap() {
	if e.out.Kind == EstimateOwed && e.c.Billed.IsPositive() && e.out.Amount.Minor > e.c.Billed.Minor {
		e.because("no more than the charge", &e.c.Billed, "charge")
		e.settle(EstimateOwed, e.c.Billed, e.out.Confidence)
	}
}

// matching are the rows that are for this service and network, each amount
// and note once. Rows for this very service come before those of the plan.
func (e *estimator) matching(rows []BenefitAmount) []BenefitAmount {
	for _, exact := range []bool{true, false} {
		var out []BenefitAmount
		for _, r := range rows {
			if e.serves(r, exact) && e.inNetwork(r, rows) && !holds(out, r) {
				out = append(out, r)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

func (e *estimator) matchingPercent(rows []BenefitAmount) []BenefitAmount { return e.matching(rows) }

func (e *estimator) serves(r BenefitAmount, exact bool) bool {
	if exact {
		return r.Service == e.c.Service && r.Service != ""
	}
	return r.Service == "" || r.Service == ServicePlan
}

// inNetwork prefers the charge's network; when it is not known, the practice
// is taken to be in network where such rows exist.
func (e *estimator) inNetwork(r BenefitAmount, rows []BenefitAmount) bool {
	if r.Network == NetworkAny || r.Network == NetworkUnknown {
		return true
	}
	want := e.c.Network
	if want == NetworkUnknown || want == NetworkAny {
		want = NetworkIn
		if !anyNetwork(rows, NetworkIn) {
			return true
		}
	}
	return r.Network == want
}

func anyNetwork(rows []BenefitAmount, n Network) bool {
	for _, r := range rows {
		if r.Network == n {
			return true
		}
	}
	return false
}

func allNetworks(rows []BenefitAmount) int {
	seen := map[Network]bool{}
	for _, r := range rows {
		seen[r.Network] = true
	}
	return len(seen)
}

// byProvider keeps the rows for a specialist or for primary care, which a 271
// often tells apart only in free text.
func (e *estimator) byProvider(rows []BenefitAmount) []BenefitAmount {
	if e.c.Specialist == nil || !differ(rows) {
		return rows
	}
	var out []BenefitAmount
	for _, r := range rows {
		if isSpecialist(r.Note) == *e.c.Specialist {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return rows
	}
	return out
}

func isSpecialist(note string) bool {
	n := strings.ToUpper(note)
	return strings.Contains(n, "SPECIALIST") || strings.Contains(n, "SPECIALTY") || strings.Contains(n, "SPEC ")
}

func holds(rows []BenefitAmount, r BenefitAmount) bool {
	for _, x := range rows {
		if x.Amount == r.Amount && x.Percent == r.Percent && strings.EqualFold(x.Note, r.Note) {
			return true
		}
	}
	return false
}

func differ(rows []BenefitAmount) bool {
	for _, r := range rows[min(1, len(rows)):] {
		if r.Amount != rows[0].Amount {
			return true
		}
	}
	return false
}

// lowest is the row with the least left: for a family's deductible and the
// patient's own, whichever is met first ends it.
func lowest(rows []BenefitAmount) BenefitAmount {
	low := rows[0]
	for _, r := range rows[1:] {
		if r.Amount.Minor < low.Amount.Minor {
			low = r
		}
	}
	return low
}

func rowText(what string, r BenefitAmount) string {
	var parts []string
	if r.Service != "" {
		parts = append(parts, "service "+string(r.Service))
	}
	switch r.Network {
	case NetworkIn:
		parts = append(parts, "in network")
	case NetworkOut:
		parts = append(parts, "out of network")
	}
	if r.Level != "" {
		parts = append(parts, r.Level)
	}
	if r.Note != "" {
		parts = append(parts, strings.ToLower(r.Note))
	}
	if len(parts) == 0 {
		return what
	}
	return what + " (" + strings.Join(parts, ", ") + ")"
}
