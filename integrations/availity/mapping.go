package availity

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
)

// outcome is what a coverage's statusCode means.
type outcome int

const (
	unheard     outcome = iota // a code that is not known to us: waited for
	pending                    // in progress, or retried by Availity
	complete                   //
	unreachable                // the payer: another source may know, or it may later
	rejected                   // the request: something about patient, payer or provider is wrong
	garbled                    // the payer's answer could not be read
)

// outcomes maps status codes. The practice's deadline ends the wait for one
// that is not known.
var outcomes = map[string]outcome{
	"0": pending, "R1": pending, "4": complete, "E1": rejected, "19": rejected, "3": garbled,
	"7": unreachable, "13": unreachable, "14": unreachable, "15": unreachable,
}

// failed reports a record that will never hold benefits.
func (c coverage) failed() bool {
	switch outcomes[c.StatusCode] {
	case rejected, garbled, unreachable:
		return c.ID != ""
	}
	return false
}

// whyUnreachable explains the payer's silence to staff.
var whyUnreachable = map[string]string{
	"7": "the connection to the payer broke", "13": "the payer did not answer in time", "14": "the payer is not available", "15": "the payer's system failed",
}

// problem is the sentence for staff on an answer without benefits. It names
// fields only: their values are PHI.
func (c coverage) problem() string {
	if outcomes[c.StatusCode] == garbled {
		return "the payer's answer could not be read; ask the payer by phone or in its portal"
	}
	var fields []string
	for _, m := range c.ValidationMessages {
		if known(m.Field) && !slices.Contains(fields, m.Field) {
			fields = append(fields, m.Field)
		}
	}
	if len(fields) == 0 {
		return "the payer refuses the request; check insurance and member id in the EHR"
	}
	return "the payer refuses the request; check " + strings.Join(fields, ", ") + " in the EHR"
}

// reading turns a finished coverage into benefits.
type reading struct {
	out     copay.Benefits
	service copay.ServiceType // that was asked for
	place   string            // CMS place of service of the visit
	on      time.Time         // the day of the visit
	notes   noteList          // of the benefit that is being read
	// ended and going say that the plan names the service as one that it
	// covers no longer, and as one that it covers.
	ended, going bool
}

// benefits reads a finished coverage. Once a plan is active, plans that are
// not count no more.
func (c coverage) benefits(place string, now time.Time) copay.Benefits {
	r := &reading{place: place, on: moment(c.AsOfDate),
		out: copay.Benefits{Status: copay.CoverageUnknown, Source: string(Platform), TraceID: c.ControlNumber, CheckedAt: now}}
	if r.on.IsZero() {
		r.on = now.UTC()
	}
	r.on = r.on.Truncate(24 * time.Hour)
	if len(c.RequestedService) == 1 {
		r.service = copay.ServiceType(c.RequestedService[0].Code)
	}
	for _, p := range c.Plans {
		switch s := p.stateOn(r.on); {
		case s == copay.CoverageActive, s == copay.CoverageInactive && r.out.Status == copay.CoverageUnknown:
			r.out.Status = s
		}
	}
	for i, p := range c.Plans {
		if p.stateOn(r.on) == r.out.Status {
			r.plan(p, fmt.Sprintf("availity plans[%d]", i))
		}
	}
	r.named(c.Payer.Name, c.Payer.ResponseName)
	r.out.NonCovered = r.out.NonCovered || r.ended && !r.going
	switch {
	case len(c.Plans) == 0:
		r.out.Problem = "the payer's answer names no plan"
	case r.out.Status == copay.CoverageUnknown:
		r.out.Problem = "the payer's answer does not say whether the plan is active"
	}
	return r.out
}

// stateOf reads 271 EB01 (1 to 5 active, 6 to 8 inactive), or the words where
// the code is missing.
func stateOf(code, words string) copay.CoverageStatus {
	words = strings.ToUpper(words)
	switch code {
	case "1", "2", "3", "4", "5":
		return copay.CoverageActive
	case "6", "7", "8":
		return copay.CoverageInactive
	case "":
		if strings.HasPrefix(words, "INACTIVE") {
			return copay.CoverageInactive
		}
		if strings.HasPrefix(words, "ACTIVE") {
			return copay.CoverageActive
		}
	}
	return copay.CoverageUnknown
}

// holdOn reports whether a day is within dates. What is not said, or cannot
// be read, does not limit them; the last day counts.
func (d dates) holdOn(day time.Time) bool {
	for _, s := range []string{d.CoverageStart, d.EligibilityStart, d.BenefitBegin} {
		if t := moment(s); !t.IsZero() && t.UTC().Truncate(24*time.Hour).After(day) {
			return false
		}
	}
	return !endedBefore(day, d.CoverageEnd, d.EligibilityEnd, d.BenefitEnd)
}

func endedBefore(day time.Time, ends ...string) bool {
	return slices.ContainsFunc(ends, func(s string) bool { t := moment(s); return !t.IsZero() && t.Before(day) })
}

// stateOn is the plan's state on a day. Payers also list spans that are over
// or to come, with the status that they had or will have.
func (p plan) stateOn(day time.Time) copay.CoverageStatus {
	s := stateOf(p.StatusCode, p.Status)
	if s == copay.CoverageActive && !p.holdOn(day) {
		return copay.CoverageInactive
	}
	return s
}

// named takes a payer or a group that calls itself Medicaid for it: managed
// Medicaid is often typed as nothing but an HMO.
func (r *reading) named(names ...string) {
	for _, n := range names {
		if k := kindOf("", n); k == copay.PlanMedicaid || k == copay.PlanQMB {
			r.strengthen(k)
		}
	}
}

func (r *reading) plan(p plan, at string) {
	r.kind(p.InsuranceTypeCode, p.InsuranceType)
	r.named(p.GroupName)
	r.others(p.AdditionalPayers, at)
	for j, b := range p.Benefits {
		r.benefit(b, fmt.Sprintf("%s.benefits[%d]", at, j))
	}
}

// strength orders the kinds of plan by who must not be billed: whatever else
// an answer says, one such mark in it decides.
var strength = map[copay.PlanKind]int{copay.PlanUnknown: 0, copay.PlanCommercial: 1, copay.PlanMedicare: 2, copay.PlanMedicaid: 3, copay.PlanQMB: 4}

func (r *reading) kind(code, words string) { r.strengthen(kindOf(code, words)) }

func (r *reading) strengthen(k copay.PlanKind) {
	if strength[k] > strength[r.out.Kind] {
		r.out.Kind = k
	}
}

// kindOf reads X12 element 1336 and its words. Of the two the one that says
// who must not be billed decides: a code such as HM (HMO) does not exclude it.
func kindOf(code, words string) copay.PlanKind {
	words = strings.ToUpper(words)
	switch {
	case code == "QM", strings.Contains(words, "QUALIFIED MEDICARE BENEFICIARY"), strings.Contains(words, "QMB"):
		return copay.PlanQMB
	case code == "MC", strings.Contains(words, "MEDICAID"):
		return copay.PlanMedicaid
	case slices.Contains(medicareCodes, code), code == "" && strings.Contains(words, "MEDICARE"):
		return copay.PlanMedicare
	case code == "" && words == "":
		return copay.PlanUnknown
	}
	return copay.PlanCommercial
}

// medicareCodes are Medicare as primary and as secondary payer.
var medicareCodes = []string{"MA", "MB", "MP", "HN", "12", "13", "14", "15", "16", "41", "42", "43", "47"}

// others are further plans. One that this payer holds for the primary counts,
// too: then ours is not the only one that pays. A plan that calls itself
// Medicaid, or shows a Medicaid id, is taken for it.
func (r *reading) others(payers []additionalPayer, at string) {
	for i, p := range payers {
		kind := kindOf(p.InsuranceTypeCode, "")
		name := strings.ToUpper(p.Name + " " + p.Type)
		if p.MedicaidID != "" || strings.Contains(name, "MEDICAID") {
			kind = copay.PlanMedicaid
		}
		s := copay.SecondaryCoverage{Kind: kind, Source: fmt.Sprintf("271 (%s.additionalPayers[%d])", at, i)}
		// One that is yet to begin may be there already: only an end counts.
		s.Active = !endedBefore(r.on, p.COBEnd, p.CoverageEnd, p.EligibilityEnd, p.BenefitEnd)
		r.out.Secondary = append(r.out.Secondary, s)
	}
}

func (r *reading) benefit(b benefit, at string) {
	r.others(b.AdditionalPayers, at)
	asked := r.service != "" && copay.ServiceType(b.Type) == r.service
	if stateOf(b.StatusCode, b.Status) == copay.CoverageInactive {
		r.ended = r.ended || asked
		return // what it cost is of no matter
	}
	r.going = r.going || asked
	r.notes = b.PayerNotes
	a := b.Amounts
	for _, d := range []*detail{a.CoPayment, a.CoInsurance, a.Deductibles, a.OutOfPocket, b.StatusDetails} {
		for _, row := range d.rows() { // at whatever place: it is the same patient
			if row.holdOn(r.on) {
				r.kind(row.InsuranceTypeCode, row.InsuranceType)
			}
		}
	}
	svc := copay.ServiceType(b.Type)
	paid := len(r.out.CoPays) + len(r.out.CoInsurance)
	r.copays(a.CoPayment, svc, at+".coPayment")
	r.coinsurance(a.CoInsurance, svc, at+".coInsurance")
	shares := len(r.out.CoPays) + len(r.out.CoInsurance) - paid
	r.remainders(&r.out.Deductible, a.Deductibles, svc, "271 EB*C", at+".deductibles", true)
	r.remainders(&r.out.OutOfPocket, a.OutOfPocket, svc, "271 EB*G", at+".outOfPocket", false)
	if asked {
		r.out.NonCovered = r.out.NonCovered || shares == 0 && r.refused(b)
		r.out.Preventive = r.out.Preventive || r.free(svc)
	}
}

// refused reports that the plan does not pay the service: EB01 I, other than
// only outside its network.
func (r *reading) refused(b benefit) bool {
	if b.StatusCode == "I" {
		return true
	}
	for _, row := range r.rows(b.NonCovered) {
		if row.network != copay.NetworkOut {
			return true
		}
	}
	return false
}

// preventive are service types that are preventive by themselves (X12 element
// 1365): well baby care, immunisations, routine physical, well visit.
var preventive = []copay.ServiceType{"68", "80", "81", "BZ"}

// free reports that the plan shares no cost of a preventive service in its
// network: all rows for it are zero.
func (r *reading) free(svc copay.ServiceType) bool {
	if !slices.Contains(preventive, svc) {
		return false
	}
	zero := false
	for _, row := range append(slices.Clone(r.out.CoPays), r.out.CoInsurance...) {
		if row.Service != svc || row.Network == copay.NetworkOut {
			continue
		}
		if row.Amount.IsPositive() || row.Percent > 0 {
			return false
		}
		zero = true
	}
	return zero
}

// copays reads EB*B rows; some payers write a share there.
func (r *reading) copays(d *detail, svc copay.ServiceType, at string) {
	for _, row := range r.rows(d) {
		src := "271 EB*B (" + at + row.place + ")"
		if row.inPercent() {
			r.share(row, svc, src)
			continue
		}
		if m, ok := row.dollars(row.Amount); ok {
			r.out.CoPays = append(r.out.CoPays, r.row(row, m, svc, src))
		}
	}
}

// coinsurance reads EB*A rows. A row in dollars is no share and says nothing
// that could be reckoned with.
func (r *reading) coinsurance(d *detail, svc copay.ServiceType, at string) {
	for _, row := range r.rows(d) {
		if !row.inDollars() {
			r.share(row, svc, "271 EB*A ("+at+row.place+")")
		}
	}
}

func (r *reading) share(row networkRow, svc copay.ServiceType, source string) {
	if p, ok := percent(row.Amount); ok {
		b := r.row(row, copay.Money{}, svc, source)
		b.Percent = p
		r.out.CoInsurance = append(r.out.CoInsurance, b)
	}
}

// remainders reads what is left of deductibles and limits. A deductible of
// which only the whole is said is kept as such (whole), so that nobody takes
// it for met; one of nothing leaves nothing. A limit of nothing is none: payers
// write 0 where a plan has no maximum, and the patient would owe nothing.
func (r *reading) remainders(into *[]copay.BenefitAmount, d *detail, svc copay.ServiceType, eb, at string, whole bool) {
	for _, row := range r.rows(d) {
		src := eb + " (" + at + row.place + ")"
		if m, ok := row.remains(); ok {
			*into = append(*into, r.row(row, m, svc, src))
		} else if m, ok := row.dollars(row.Amount); ok && whole {
			b := r.row(row, m, svc, src)
			b.Whole = !m.IsZero()
			*into = append(*into, b)
		}
	}
}

// networkRow is a row with its network and its place in the answer.
type networkRow struct {
	networkBenefit
	network copay.Network
	place   string // ".inNetwork[0]"
}

func (d *detail) rows() []networkRow {
	if d == nil {
		return nil
	}
	var out []networkRow
	for _, x := range []struct {
		rows    []networkBenefit
		network copay.Network
		name    string
	}{{d.In, copay.NetworkIn, "inNetwork"}, {d.Out, copay.NetworkOut, "outOfNetwork"}, {d.None, copay.NetworkUnknown, "noNetwork"}, {d.NotApplicable, copay.NetworkAny, "notApplicableNetwork"}} {
		for i, row := range x.rows {
			out = append(out, networkRow{row, x.network, fmt.Sprintf(".%s[%d]", x.name, i)})
		}
	}
	return out
}

// rows are those that hold on the day of the visit and at its place: those
// that name it, or none.
func (r *reading) rows(d *detail) []networkRow {
	return slices.DeleteFunc(d.rows(), func(x networkRow) bool {
		return x.PlaceOfServiceCode != "" && x.PlaceOfServiceCode != r.place || !x.holdOn(r.on)
	})
}

// row makes a benefit of a row. The notes of the whole benefit hold for it,
// too: some payers write SPECIALIST there.
func (r *reading) row(x networkRow, m copay.Money, svc copay.ServiceType, source string) copay.BenefitAmount {
	notes := slices.Clone(x.PayerNotes)
	if d := strings.TrimSpace(x.Description); len(notes) == 0 && d != "" {
		notes = append(notes, d)
	}
	for _, n := range r.notes {
		if !slices.Contains(notes, n) {
			notes = append(notes, n)
		}
	}
	return copay.BenefitAmount{Amount: m, Service: svc, Network: x.network, Level: x.level(), Note: strings.Join(notes, "; "), Source: source}
}

// level is IND or FAM; other levels keep the platform's code.
func (r networkRow) level() string {
	switch strings.ToUpper(r.Level) {
	case "INDIVIDUAL":
		return "IND"
	case "FAMILY":
		return "FAM"
	}
	return r.LevelCode
}
