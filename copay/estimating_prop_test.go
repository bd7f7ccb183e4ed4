package copay_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/copayflow/copayflow/copay"
)

// money is mostly dollars; now and then something that must not be reckoned with.
func money(strange bool) *rapid.Generator[copay.Money] {
	return rapid.Custom(func(t *rapid.T) copay.Money {
		if strange && rapid.IntRange(0, 19).Draw(t, "strange") == 0 {
			return rapid.SampledFrom([]copay.Money{{}, {Minor: -5, Currency: copay.USD}, {Minor: 5, Currency: "CAD"}, {Minor: 1 << 62, Currency: copay.USD}, {Currency: "EUR"}}).Draw(t, "odd")
		}
		return copay.Cents(rapid.Int64Range(0, 400_00).Draw(t, "cents"))
	})
}

func benefitRow(strange bool) *rapid.Generator[copay.BenefitAmount] {
	return rapid.Custom(func(t *rapid.T) copay.BenefitAmount {
		return copay.BenefitAmount{
			Amount:  money(strange).Draw(t, "amount"),
			Service: rapid.SampledFrom([]copay.ServiceType{"", "30", "98", "UC"}).Draw(t, "service"),
			Network: rapid.SampledFrom([]copay.Network{"", copay.NetworkIn, copay.NetworkOut, copay.NetworkAny}).Draw(t, "network"),
			Level:   rapid.SampledFrom([]string{"", "IND", "FAM"}).Draw(t, "level"),
			Whole:   rapid.IntRange(0, 3).Draw(t, "whole") == 0,
			Note:    rapid.SampledFrom([]string{"", "PRIMARY CARE", "SPECIALIST", "TELEHEALTH"}).Draw(t, "note"),
		}
	})
}

func shareRow() *rapid.Generator[copay.BenefitAmount] {
	return rapid.Custom(func(t *rapid.T) copay.BenefitAmount {
		r := benefitRow(false).Draw(t, "row")
		r.Amount = copay.Money{}
		r.Percent = copay.Percent(rapid.Int64Range(-10, 11_000).Draw(t, "percent"))
		return r
	})
}

func benefits(strange bool) *rapid.Generator[copay.Benefits] {
	kinds := rapid.SampledFrom([]copay.PlanKind{"", copay.PlanCommercial, copay.PlanCommercial, copay.PlanMedicare, copay.PlanMedicaid, copay.PlanQMB})
	return rapid.Custom(func(t *rapid.T) copay.Benefits {
		b := copay.Benefits{
			Status:      rapid.SampledFrom([]copay.CoverageStatus{"", copay.CoverageActive, copay.CoverageActive, copay.CoverageActive, copay.CoverageInactive, copay.CoverageUnknown}).Draw(t, "status"),
			Kind:        kinds.Draw(t, "kind"),
			CoPays:      rapid.SliceOfN(benefitRow(strange), 0, 4).Draw(t, "copays"),
			CoInsurance: rapid.SliceOfN(shareRow(), 0, 3).Draw(t, "coinsurance"),
			Deductible:  rapid.SliceOfN(benefitRow(strange), 0, 3).Draw(t, "deductible"),
			OutOfPocket: rapid.SliceOfN(benefitRow(strange), 0, 3).Draw(t, "limits"),
			NonCovered:  rapid.IntRange(0, 9).Draw(t, "uncovered") == 0,
			Preventive:  rapid.IntRange(0, 9).Draw(t, "preventive") == 0,
			Source:      rapid.SampledFrom([]string{"", "availity"}).Draw(t, "source"),
			Problem:     rapid.SampledFrom([]string{"", "", "", "the payer did not answer"}).Draw(t, "problem"),
		}
		for range rapid.IntRange(0, 2).Draw(t, "others") {
			b.Secondary = append(b.Secondary, copay.SecondaryCoverage{Kind: kinds.Draw(t, "other"), Active: rapid.Bool().Draw(t, "active")})
		}
		return b
	})
}

func facts(strange bool) *rapid.Generator[copay.ChargeFacts] {
	return rapid.Custom(func(t *rapid.T) copay.ChargeFacts {
		c := copay.ChargeFacts{
			Billed:     money(strange).Draw(t, "billed"),
			Allowed:    money(strange).Draw(t, "allowed"),
			Service:    rapid.SampledFrom([]copay.ServiceType{"", "30", "98", "UC"}).Draw(t, "asked"),
			Network:    rapid.SampledFrom([]copay.Network{"", copay.NetworkIn, copay.NetworkOut, copay.NetworkAny}).Draw(t, "network"),
			SelfPay:    rapid.IntRange(0, 9).Draw(t, "selfpay") == 0,
			Preventive: rapid.IntRange(0, 9).Draw(t, "preventive") == 0,
		}
		c.Specialist = rapid.SampledFrom([]*bool{nil, yes(), no()}).Draw(t, "specialist")
		for _, p := range []**copay.Money{&c.EHRCoPay, &c.EHRBalance} {
			if rapid.Bool().Draw(t, "entered") {
				m := money(strange).Draw(t, "field")
				*p = &m
			}
		}
		return c
	})
}

func mustNotBeBilled(b copay.Benefits) bool {
	rule := func(k copay.PlanKind) bool { return k == copay.PlanQMB || k == copay.PlanMedicaid }
	for _, s := range b.Secondary {
		if s.Active && rule(s.Kind) {
			return true
		}
	}
	return b.Status != copay.CoverageInactive && (rule(b.Kind) || b.Preventive)
}

func foreign(b copay.Benefits, c copay.ChargeFacts) bool {
	all := []copay.Money{c.Billed, c.Allowed}
	for _, p := range []*copay.Money{c.EHRCoPay, c.EHRBalance} {
		if p != nil {
			all = append(all, *p)
		}
	}
	for _, rows := range [][]copay.BenefitAmount{b.CoPays, b.Deductible, b.OutOfPocket} {
		for _, r := range rows {
			all = append(all, r.Amount)
		}
	}
	for _, m := range all {
		if m.Minor < 0 || m.Minor != 0 && m.Currency != copay.USD {
			return true
		}
	}
	return false
}

func text(t require.TestingT, v any) string {
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func TestEstimateInvariants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b, c := benefits(true).Draw(t, "benefits"), facts(true).Draw(t, "facts")
		before := text(t, []any{b, c})
		e := copay.EstimateCoPay(b, c, copay.Policy{})
		require.Equal(t, text(t, e), text(t, copay.EstimateCoPay(b, c, copay.Policy{}.WithDefaults())), "the same facts give the same estimate")
		require.Equal(t, before, text(t, []any{b, c}), "the facts are left alone")

		require.Equal(t, copay.USD, e.Amount.Currency)
		require.GreaterOrEqual(t, e.Amount.Minor, int64(0))
		require.LessOrEqual(t, e.Amount.Minor, max(c.Billed.Minor, 0))
		require.True(t, e.Confidence >= 0 && e.Confidence <= 100, e.Confidence)
		require.NotEmpty(t, e.Reasons)
		for _, r := range e.Reasons {
			require.NotEmpty(t, r.Text)
			require.NotEmpty(t, r.Source)
		}
		require.Equal(t, e.Kind == copay.EstimateZeroByRule, e.Rule != "")
		switch e.Kind {
		case copay.EstimateOwed:
			require.Greater(t, e.Confidence, 0)
			if e.Amount.IsZero() {
				require.LessOrEqual(t, e.Confidence, 45, "a zero that is not in doubt is nothing due")
			}
		case copay.EstimateSelfPay:
			require.Equal(t, c.Billed.Minor, e.Amount.Minor)
			require.True(t, c.SelfPay)
		case copay.EstimateNothing, copay.EstimateZeroByRule, copay.EstimateUnknown:
			require.True(t, e.Amount.IsZero())
			require.False(t, e.Billable())
		default:
			t.Fatalf("kind %q", e.Kind)
		}
		switch {
		case mustNotBeBilled(b):
			require.Equal(t, copay.EstimateZeroByRule, e.Kind)
		case e.Kind == copay.EstimateZeroByRule:
			require.True(t, c.Preventive && !c.SelfPay && b.Status != copay.CoverageInactive, "only the charge's own mark is left as a rule")
		case foreign(b, c):
			require.Equal(t, copay.EstimateUnknown, e.Kind)
		case b.Status != copay.CoverageActive && b.Problem == "" && !c.SelfPay && c.Billed.IsPositive():
			require.Equal(t, copay.EstimateUnknown, e.Kind)
		}
	})
}

// The order in which a payer lists its rows, and rows said twice, change nothing.
func TestEstimateDoesNotDependOnOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b, c := benefits(false).Draw(t, "benefits"), facts(false).Draw(t, "facts")
		want := copay.EstimateCoPay(b, c, copay.Policy{})
		twisted := b
		for _, rows := range []*[]copay.BenefitAmount{&twisted.CoPays, &twisted.CoInsurance, &twisted.Deductible, &twisted.OutOfPocket} {
			if len(*rows) > 0 {
				*rows = rapid.Permutation(append((*rows)[:len(*rows):len(*rows)], (*rows)[0])).Draw(t, "rows")
			}
		}
		got := copay.EstimateCoPay(twisted, c, copay.Policy{})
		require.Equal(t, []any{want.Kind, want.Amount, want.Confidence, want.Rule}, []any{got.Kind, got.Amount, got.Confidence, got.Rule})
	})
}

// What another network, another service or a plan that ended says changes nothing.
func TestEstimateIgnoresWhatIsNotAsked(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b, c := benefits(false).Draw(t, "benefits"), facts(false).Draw(t, "facts")
		c.Network = copay.NetworkIn
		want := copay.EstimateCoPay(b, c, copay.Policy{})
		r := benefitRow(false).Draw(t, "noise")
		if rapid.Bool().Draw(t, "service") {
			r.Service = "AL"
		} else {
			r.Network = copay.NetworkOut
		}
		s := r
		s.Amount, s.Percent = copay.Money{}, 4_000
		b.CoPays, b.Deductible, b.OutOfPocket = append(b.CoPays, r), append(b.Deductible, r), append(b.OutOfPocket, r)
		b.CoInsurance = append(b.CoInsurance, s)
		b.Secondary = append(b.Secondary, copay.SecondaryCoverage{Kind: copay.PlanQMB})
		got := copay.EstimateCoPay(b, c, copay.Policy{})
		require.Equal(t, []any{want.Kind, want.Amount, want.Confidence}, []any{got.Kind, got.Amount, got.Confidence})
	})
}
