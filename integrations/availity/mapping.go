package availity

import (
	"fmt"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"

	"github.com/copayflow/copayflow/copay"
)

// outcome is what a coverage's statusCode means.
type outcome int

const (
	pending outcome = iota // in progress, retried by Availity, or not known to us
	complete
	unreachable // the payer: another source may know
	rejected    // the request: something about the patient or payer is wrong
)

// outcomes maps status codes; one that is not known is waited for, and the
// practice's deadline ends the wait.
var outcomes = map[string]outcome{
	"0": pending, "R1": pending, "4": complete,
	"E1": rejected, "19": rejected, "3": rejected,
	"7": unreachable, "13": unreachable, "14": unreachable, "15": unreachable,
}

// problem is the sentence for staff on a rejected request. Field names only:
// the values are PHI.
func (c coverage) problem() string {
	var fields []string
	for _, m := range c.ValidationMessages {
		if m.Field != "" && len(m.Field) < 40 {
			fields = append(fields, m.Field)
		}
	}
	if len(fields) == 0 {
		return "the payer refuses the request; check insurance and member id in the EHR"
	}
	return "the payer refuses the request; check " + strings.Join(fields, ", ") + " in the EHR"
}

// benefits reads the plans of a finished coverage.
func (c coverage) benefits(now time.Time) copay.Benefits {
	b := copay.Benefits{Status: copay.CoverageUnknown, Source: string(Platform), TraceID: c.ControlNumber, CheckedAt: now}
	for i, p := range c.Plans {
		b.Status = better(b.Status, planStatus(p.StatusCode))
		if k := kind(p.InsuranceTypeCode); k != copay.PlanUnknown && b.Kind != copay.PlanQMB {
			b.Kind = k
		}
		for _, a := range p.AdditionalPayers {
			if a.Secondary || a.Tertiary {
				b.Secondary = append(b.Secondary, copay.SecondaryCoverage{Kind: kind(a.InsuranceTypeCode), Active: true, Source: fmt.Sprintf("271 (availity plans[%d].additionalPayers)", i)})
			}
		}
		for j, x := range p.Benefits {
			b = x.into(b, fmt.Sprintf("availity plans[%d].benefits[%d]", i, j))
		}
	}
	if len(c.Plans) == 0 {
		b.Problem = "the payer's answer names no plan"
	}
	return b
}

// better keeps the most useful status of several plans: an active one counts.
func better(a, b copay.CoverageStatus) copay.CoverageStatus {
	if a == copay.CoverageActive || b == copay.CoverageUnknown {
		return a
	}
	return b
}

// planStatus reads 271 EB01: 1 to 5 active, 6 to 8 inactive.
func planStatus(code string) copay.CoverageStatus {
	switch code {
	case "1", "2", "3", "4", "5":
		return copay.CoverageActive
	case "6", "7", "8":
		return copay.CoverageInactive
	}
	return copay.CoverageUnknown
}

// kind reads X12 1336 insurance types that decide who may be billed.
func kind(code string) copay.PlanKind {
	switch code {
	case "QM":
		return copay.PlanQMB
	case "MC":
		return copay.PlanMedicaid
	case "MA", "MB", "MP", "HN":
		return copay.PlanMedicare
	case "":
		return copay.PlanUnknown
	}
	return copay.PlanCommercial
}

// into adds one benefit's amounts.
func (x benefit) into(b copay.Benefits, at string) copay.Benefits {
	svc := copay.ServiceType(x.Type)
	for n, row := range x.Amounts.CoPayment.rows() {
		if m, ok := amount(row.Amount); ok {
			b.CoPays = append(b.CoPays, row.benefit(m, svc, fmt.Sprintf("271 EB*B (%s.coPayment #%d)", at, n+1)))
		}
	}
	for n, row := range x.Amounts.CoInsurance.rows() {
		if p, ok := percent(row.Amount); ok {
			r := row.benefit(copay.Money{}, svc, fmt.Sprintf("271 EB*A (%s.coInsurance #%d)", at, n+1))
			r.Percent = p
			b.CoInsurance = append(b.CoInsurance, r)
		}
	}
	for n, row := range x.Amounts.Deductibles.rows() {
		if m, ok := row.left(); ok {
			b.Deductible = append(b.Deductible, row.benefit(m, svc, fmt.Sprintf("271 EB*C (%s.deductibles #%d)", at, n+1)))
		}
	}
	for n, row := range x.Amounts.OutOfPocket.rows() {
		if m, ok := row.left(); ok {
			b.OutOfPocket = append(b.OutOfPocket, row.benefit(m, svc, fmt.Sprintf("271 EB*G (%s.outOfPocket #%d)", at, n+1)))
		}
	}
	return b
}

type networkRow struct {
	networkBenefit
	network copay.Network
}

func (d *detail) rows() []networkRow {
	if d == nil {
		return nil
	}
	var out []networkRow
	add := func(list []networkBenefit, n copay.Network) {
		for _, x := range list {
			out = append(out, networkRow{x, n})
		}
	}
	add(d.In, copay.NetworkIn)
	add(d.Out, copay.NetworkOut)
	add(d.None, copay.NetworkUnknown)
	add(d.NotApplicable, copay.NetworkAny)
	return out
}

func (r networkRow) benefit(m copay.Money, svc copay.ServiceType, source string) copay.BenefitAmount {
	return copay.BenefitAmount{Amount: m, Service: svc, Network: r.network, Level: r.LevelCode, Note: strings.Join(r.PayerNotes, "; "), Source: source}
}

// left is what remains of a deductible or limit: the row's own "remaining", or
// its amount when its period says that it is the remainder (X12 615: 29).
func (r networkRow) left() (copay.Money, bool) {
	if m, ok := amount(r.Remaining); ok {
		return m, true
	}
	if r.AmountTimePeriodCode == "29" {
		return amount(r.Amount)
	}
	return copay.Money{}, false
}

// amount reads an amount in dollars; empty or strange ones count as not said.
func amount(s string) (copay.Money, bool) {
	s = strings.TrimPrefix(strings.TrimSpace(s), "$")
	if s == "" {
		return copay.Money{}, false
	}
	m, err := copay.ParseMoney(s, copay.USD)
	return m, err == nil && !m.IsNegative()
}

// percent reads a share. A 271 writes 20 % as ".2" (EB08 is a fraction of
// one), Availity usually as "20": up to 1 it is a fraction, above it percent.
func percent(s string) (copay.Percent, bool) {
	d, _, err := apd.NewFromString(strings.TrimSuffix(strings.TrimSpace(s), "%"))
	if err != nil || d.Form != apd.Finite || d.Negative || len(s) > 12 {
		return 0, false
	}
	shift := int32(2) // percent to hundredths of a percent
	if d.Cmp(apd.New(1, 0)) <= 0 {
		shift = 4
	}
	d.Exponent += shift
	var out apd.Decimal
	if _, err := apd.BaseContext.WithPrecision(20).RoundToIntegralValue(&out, d); err != nil {
		return 0, false
	}
	n, err := out.Int64()
	return copay.Percent(n), err == nil && n <= 10_000
}
