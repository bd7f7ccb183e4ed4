package copay

import "fmt"

// The confidence an estimate has by where its amount comes from. A practice's
// policy says below which one a person looks first.
const (
	certain    = 100 // a rule, or the charge itself
	agreed     = 99  // the payer and the EHR's own co-pay field say the same
	sure       = 95  // one row of the payer's answer for this service and network
	decided    = 85  // several rows fit and the EHR's field says which one
	computed   = 80  // deductible and coinsurance, from the allowed amount
	rough      = 60  // the same from the billed amount, or a row that may be for something else
	fallback   = 50  // no usable answer of the payer: the EHR's co-pay field
	contradict = 45  // two sources differ
	balance    = 40  // no usable answer of the payer: the EHR's balance
	ambiguous  = 30  // several amounts fit
)

// networkDoubt is what an estimate loses when the practice's network is not
// known and the plan's amounts depend on it.
const networkDoubt = 10

// EstimateCoPay works out what the patient owes for a charge, and says why.
// The amount is never negative and never more than the charge. A rule that
// forbids billing comes before everything else, and no later step undoes it.
//
// A zero that is in doubt (one of several co-pays that fit, or one that the EHR
// contradicts) is not "nothing due": it stays EstimateOwed with a low
// confidence, so that a person sees it. The policy's thresholds are the
// caller's; the estimate does not depend on them.
func EstimateCoPay(b Benefits, c ChargeFacts, _ Policy) Estimate {
	e := &estimator{b: b, c: c, out: Estimate{Kind: EstimateUnknown, Amount: Cents(0)}}
	e.run()
	return e.out
}

type estimator struct {
	b   Benefits
	c   ChargeFacts
	out Estimate
	// networkMatters says that the practice's network is not known and that
	// other amounts hold in another one.
	networkMatters bool
}

func (e *estimator) run() {
	switch {
	case e.forbidden(), e.foreign(), e.unpriced(), e.selfPay():
		return
	case e.b.Status == CoverageInactive:
		e.unknown("the payer says that the plan is not active on the date of service")
		return
	case e.b.Problem != "":
		e.because("the payer's answer cannot be used: "+e.b.Problem, nil, e.b.Source)
		e.fromEHR()
	case e.b.Status != CoverageActive:
		e.unknown("no payer says that the plan is active on the date of service")
		return
	case e.b.NonCovered:
		e.unknown("the plan does not cover this service; what the patient owes depends on the practice's agreement with them")
		return
	case e.fixed(), e.shared():
	default:
		e.because("the payer's answer names neither a co-pay nor coinsurance for this service", nil, e.b.Source)
		e.fromEHR()
	}
	e.secondary()
	e.cap()
}

// because appends a line of reasoning. The amount is copied: a reason must not
// change with what it was taken from.
func (e *estimator) because(text string, m *Money, source string) {
	if m != nil {
		m = &Money{Minor: m.Minor, Currency: m.Currency}
	}
	if source == "" {
		source = "charge"
	}
	e.out.Reasons = append(e.out.Reasons, Reason{Text: text, Amount: m, Source: source})
}

func (e *estimator) settle(m Money, confidence int) {
	e.out.Kind, e.out.Amount, e.out.Confidence = EstimateOwed, Cents(m.Minor), confidence
	if m.IsZero() && confidence > contradict {
		e.out.Kind = EstimateNothing
	}
}

func (e *estimator) unknown(why string) {
	e.because(why, nil, e.b.Source)
	e.out.Kind, e.out.Amount, e.out.Confidence = EstimateUnknown, Cents(0), 0
}

// forbidden applies the rules under which the patient must not be billed. A
// plan that is not active has no rules any more. The charge's own preventive
// mark concerns a plan's cost sharing, so it does not free a patient who pays
// without one.
func (e *estimator) forbidden() bool {
	active := e.b.Status != CoverageInactive
	var kinds []PlanKind
	if active {
		kinds = append(kinds, e.b.Kind)
	}
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
	if active && (e.b.Preventive || e.c.Preventive && !e.c.SelfPay) {
		return e.zero("preventive service without cost sharing (45 CFR 147.130)")
	}
	return false
}

func (e *estimator) zero(rule string) bool {
	e.because(rule, &e.out.Amount, e.b.Source)
	e.out.Kind, e.out.Rule, e.out.Confidence = EstimateZeroByRule, rule, certain
	return true
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
			e.unknown("an amount is negative or in a currency that is not supported")
			return true
		}
	}
	return false
}

// unpriced answers for a charge of nothing, which leaves nothing to pay, and
// for one whose amount is not known: no cap could be kept.
func (e *estimator) unpriced() bool {
	if !e.c.Billed.IsZero() {
		return false
	}
	if e.c.Billed.Currency == "" {
		e.unknown("the amount of the charge is not known")
		return true
	}
	e.because("the charge is zero", &e.c.Billed, "charge")
	e.settle(e.c.Billed, certain)
	return true
}

func (e *estimator) selfPay() bool {
	if !e.c.SelfPay {
		return false
	}
	e.because("the patient pays without insurance: the charge itself", &e.c.Billed, "charge")
	e.settle(e.c.Billed, certain)
	e.out.Kind = EstimateSelfPay
	return true
}

// fromEHR goes by what staff entered.
func (e *estimator) fromEHR() {
	switch {
	case e.c.EHRCoPay != nil && e.c.EHRCoPay.IsPositive():
		e.because("co-pay that staff entered for the patient", e.c.EHRCoPay, sourceEHRCoPay)
		e.settle(*e.c.EHRCoPay, fallback)
		e.out.Flat = true
	case e.c.EHRBalance != nil && e.c.EHRBalance.IsPositive():
		e.because("patient balance of the charge", e.c.EHRBalance, "EHR balance")
		e.settle(*e.c.EHRBalance, balance)
	default:
		e.unknown("neither the payer nor the EHR names an amount")
	}
}

const sourceEHRCoPay = "EHR co-pay field"

// fixed looks for a co-pay row of this service, network and kind of provider.
func (e *estimator) fixed() bool {
	rows, confidence := e.choose(e.b.CoPays, sure)
	if len(rows) == 0 {
		return false
	}
	for _, r := range rows {
		e.because(r.text("co-pay"), &r.Amount, r.Source)
	}
	if rows[0].Service != e.c.Service || e.c.Service == "" {
		// Payers answer a service they do not tell apart with the general
		// plan, whose co-pay may be for another kind of visit.
		confidence = min(confidence, rough)
	}
	low := lowest(rows)
	if differ(rows) {
		e.because("several co-pays fit; the lowest is proposed until a person chooses", &low.Amount, "estimate")
		confidence = ambiguous
	}
	e.settle(low.Amount, e.corroborate(low.Amount, e.networked(confidence)))
	e.out.Flat = true
	e.limit()
	return true
}

// networked lowers the confidence when the practice's network would matter.
func (e *estimator) networked(confidence int) int {
	if e.networkMatters {
		e.because("other amounts hold in another network, and the practice's is not known", nil, e.b.Source)
		confidence -= networkDoubt
	}
	return confidence
}

// corroborate compares with the co-pay that staff entered. An empty or zero
// field says nothing: EHRs fill it with zero by themselves.
func (e *estimator) corroborate(m Money, confidence int) int {
	f := e.c.EHRCoPay
	switch {
	case f == nil || !f.IsPositive():
		return confidence
	case !f.Equal(m):
		e.because("staff entered another co-pay", f, sourceEHRCoPay)
		return min(confidence, contradict)
	case confidence <= contradict:
		e.because("the co-pay that staff entered decides between them", f, sourceEHRCoPay)
		return decided
	default:
		e.because("staff entered the same co-pay", f, sourceEHRCoPay)
		return max(confidence, agreed)
	}
}

// shared reckons with the deductible that is left and the coinsurance.
func (e *estimator) shared() bool {
	base, confidence, from := e.base()
	ded, confidence := e.choose(filter(e.b.Deductible, func(r BenefitAmount) bool { return !r.Whole }), confidence)
	coins, confidence := e.choose(e.b.CoInsurance, confidence)
	var left Money
	if len(ded) > 0 {
		left = lowest(ded).Amount
	}
	own := min(left.Minor, base.Minor)
	whole, _ := e.choose(filter(e.b.Deductible, func(r BenefitAmount) bool { return r.Whole && r.Amount.IsPositive() }), confidence)
	// A deductible that is met says nothing of what the patient pays after it.
	if len(coins) == 0 && own == 0 {
		return false
	}
	e.because("amount the plan reckons from", &base, from)
	if len(ded) > 0 {
		e.because(lowest(ded).text("deductible left"), &left, lowest(ded).Source)
		if differWithinLevel(ded) {
			confidence = min(confidence, contradict)
		}
	} else if len(whole) > 0 {
		e.because(whole[0].text("there is a deductible, but the payer does not say what is left of it"), &whole[0].Amount, whole[0].Source)
		confidence = min(confidence, contradict)
	}
	rest := Cents(base.Minor - own)
	switch {
	case len(coins) > 0:
		part, ok := e.coinsurance(coins, rest)
		if !ok {
			return true
		}
		own += part.Minor
		if differ(coins) {
			confidence = min(confidence, contradict)
		}
	case rest.IsPositive():
		e.because("the payer does not say what the patient pays after the deductible", &rest, e.b.Source)
		confidence = min(confidence, contradict)
	}
	e.settle(Cents(own), e.corroborate(Cents(own), e.networked(confidence)))
	e.limit()
	return true
}

// base is the amount that deductible and coinsurance are reckoned from: the
// contracted one where it is known, and never more than was billed.
func (e *estimator) base() (m Money, confidence int, source string) {
	if e.c.Allowed.IsPositive() && e.c.Allowed.Minor <= e.c.Billed.Minor {
		return Cents(e.c.Allowed.Minor), computed, "fee schedule"
	}
	return Cents(e.c.Billed.Minor), rough, "charge"
}

func (e *estimator) coinsurance(rows []BenefitAmount, rest Money) (Money, bool) {
	low := lowest(rows)
	part, err := low.Percent.Of(rest)
	if err != nil {
		e.unknown("the coinsurance cannot be reckoned with")
		return Money{}, false
	}
	e.because(low.text(fmt.Sprintf("coinsurance of %d.%02d %% of the rest", low.Percent/100, low.Percent%100)), &part, low.Source)
	return part, true
}

// limit applies what is left until the out-of-pocket maximum.
func (e *estimator) limit() {
	rows, _ := e.choose(e.b.OutOfPocket, sure)
	if len(rows) == 0 || e.out.Kind != EstimateOwed {
		return
	}
	left := lowest(rows)
	if left.Amount.Minor >= e.out.Amount.Minor {
		return
	}
	e.because(left.text("no more than what is left until the out-of-pocket maximum"), &left.Amount, left.Source)
	confidence := e.out.Confidence
	switch {
	case differWithinLevel(rows):
		confidence = min(confidence, contradict)
	case left.Amount.IsZero():
		confidence = max(confidence, computed) // nothing is due whichever co-pay it was
	}
	e.settle(left.Amount, confidence)
}

// secondary notes that another plan may pay what this one leaves.
func (e *estimator) secondary() {
	if e.out.Kind != EstimateOwed {
		return
	}
	for _, s := range e.b.Secondary {
		if s.Active {
			e.because("a second plan may pay a part of it", nil, orElse(s.Source, e.b.Source))
			e.out.Confidence = min(e.out.Confidence, contradict)
			return
		}
	}
}

// cap keeps the amount within the charge.
func (e *estimator) cap() {
	if e.out.Kind != EstimateOwed || e.out.Amount.Minor <= e.c.Billed.Minor {
		return
	}
	e.because("no more than the charge", &e.c.Billed, "charge")
	e.settle(e.c.Billed, e.out.Confidence)
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}
