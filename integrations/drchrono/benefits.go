package drchrono

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
)

// benefits puts the rows of the EHR's last check together. Each row has an
// X12 271 code (EB01) of its own; the amounts are inside its details, whose
// shape is the clearinghouse's. Amounts that differ are all kept, so that the
// estimate sees that they do.
func benefits(checks []eligibilityCheck, asked copay.ServiceType, now time.Time) copay.Benefits {
	var primary, others []eligibilityCheck
	for _, c := range checks {
		if c.Level == "" || strings.HasPrefix(c.Level, "Primary") {
			primary = append(primary, c)
		} else {
			others = append(others, c)
		}
	}
	r := read(latest(primary), asked)
	r.out.Source, r.out.CheckedAt = string(Platform), now
	// The time is the office's and read as UTC's: in the United States that
	// makes a check older than it is, never fresher.
	for _, c := range latest(primary) {
		if t := naive(c.QueryDate, time.UTC); !t.IsZero() && t.Before(r.out.CheckedAt) {
			r.out.CheckedAt, r.out.TraceID = t, string(c.ID)
		}
	}
	if o := read(latest(others), asked); o.out.Status != copay.CoverageUnknown {
		r.out.Secondary = append(r.out.Secondary, copay.SecondaryCoverage{Kind: o.out.Kind, Active: o.out.Status == copay.CoverageActive,
			Source: "EHR eligibility check (secondary)"})
	}
	return r.out
}

// latest are the rows of the last check: those of one check carry the same
// day, and what an earlier one said no longer counts.
func latest(checks []eligibilityCheck) []eligibilityCheck {
	last := ""
	for _, c := range checks {
		last = max(last, c.day())
	}
	return slices.DeleteFunc(slices.Clone(checks), func(c eligibilityCheck) bool { return c.day() != last })
}

func (c eligibilityCheck) day() string {
	return c.QueryDate[:min(len(c.QueryDate), len(time.DateOnly))]
}

// reading is a check on its way to benefits.
type reading struct {
	asked                    copay.ServiceType
	out                      copay.Benefits
	active, inactive, failed bool // the codes met for the service or the plan
	shared, refused          bool // the service has a co-pay or share; is not paid
}

func read(checks []eligibilityCheck, asked copay.ServiceType) *reading {
	r := &reading{asked: asked, out: copay.Benefits{Status: copay.CoverageUnknown}}
	for _, c := range checks {
		outer := found{code: c.Eligibility, service: copay.ServiceType(c.Service)}
		r.code(outer)
		for _, f := range walk(c.Details, outer) {
			if strength[f.plan] > strength[r.out.Kind] {
				r.out.Kind = f.plan
			}
			r.code(f)
			r.row(f, fmt.Sprintf("271 EB*%s (EHR's check of %s)", f.code, c.day()))
		}
	}
	r.out.NonCovered = r.refused && !r.shared
	known := len(r.out.CoPays)+len(r.out.CoInsurance)+len(r.out.Deductible)+len(r.out.OutOfPocket) > 0
	switch {
	case r.active && r.inactive:
		r.out.Problem = "the EHR's eligibility check says both that the plan is active and that it is not"
	case r.inactive:
		r.out.Status = copay.CoverageInactive
	case r.active, known: // benefits are only told of plans that are active
		r.out.Status = copay.CoverageActive
	case r.failed:
		r.out.Problem = "the payer could not process the EHR's eligibility check"
	default:
		r.out.Problem = "the EHR's last eligibility check does not say whether the plan is active"
	}
	return r
}

// strength orders kinds of plan by who must not be billed: whatever else an
// answer says, one such mark in it decides.
var strength = map[copay.PlanKind]int{copay.PlanCommercial: 1, copay.PlanMedicare: 2, copay.PlanMedicaid: 3, copay.PlanQMB: 4}

// code takes in what an EB01 code says by itself, for the service that was
// asked about or the plan as a whole.
func (r *reading) code(f found) {
	if f.service != "" && f.service != copay.ServicePlan && r.asked != "" && f.service != r.asked {
		return
	}
	switch f.code {
	case "1", "2", "3", "4", "5":
		r.active = true
	case "6", "7", "8":
		r.inactive = true
	case "V":
		r.failed = true
	case "I":
		r.refused = r.refused || f.network != copay.NetworkOut && f.service == r.asked && f.service != ""
	}
}

// row takes in an amount or a share.
func (r *reading) row(f found, source string) {
	b := copay.BenefitAmount{Service: f.service, Network: f.network, Level: f.level, Note: f.note, Source: source}
	into := map[string]*[]copay.BenefitAmount{"A": &r.out.CoInsurance, "B": &r.out.CoPays, "C": &r.out.Deductible, "G": &r.out.OutOfPocket}[f.code]
	switch {
	case into == nil || f.used:
		return
	case f.percent != nil && (f.code == "A" || f.code == "B"): // some payers write a share as a co-pay
		b.Percent, into = *f.percent, &r.out.CoInsurance
	case f.amount == nil || f.code == "A":
		return
	default:
		b.Amount = *f.amount
		if f.code == "G" && !f.remaining {
			return // the whole limit says nothing of what is left of it; 0 is written where there is none
		}
		b.Whole = f.code == "C" && !f.remaining && !f.amount.IsZero() // a deductible of nothing leaves nothing
	}
	r.shared = r.shared || (f.code == "A" || f.code == "B") && f.service == r.asked
	if !slices.Contains(*into, b) {
		*into = append(*into, b)
	}
}
