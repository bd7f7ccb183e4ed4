package availity

import (
	"regexp"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/copayflow/copayflow/copay"
)

var thousands = regexp.MustCompile(`^[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?$`)

// amount reads an amount in dollars; empty, negative or strange ones count as
// not said.
func amount(s string) (copay.Money, bool) {
	s = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(s), "$"))
	if thousands.MatchString(s) {
		s = strings.ReplaceAll(s, ",", "")
	}
	if s == "" {
		return copay.Money{}, false
	}
	m, err := copay.ParseMoney(s, copay.USD)
	if err != nil || m.IsNegative() {
		return copay.Money{}, false
	}
	return m, true
}

// percent reads a share. A 271 writes 20 % as ".2" (element EB08 is a
// fraction of one), Availity usually as "20". A number up to and including 1
// is read as a fraction, so "1" is all of it; above 1 it is percent. Shares
// above 100 % count as not said.
func percent(s string) (copay.Percent, bool) {
	s = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), "%"))
	if s == "" || len(s) > 12 || strings.ContainsAny(s, "eEnNiI_") {
		return 0, false
	}
	d, _, err := apd.NewFromString(s)
	if err != nil || d.Form != apd.Finite || d.Negative {
		return 0, false
	}
	shift := int32(2) // percent to hundredths of a percent
	if d.Cmp(apd.New(1, 0)) <= 0 {
		shift = 4
	}
	d.Exponent += shift
	var out apd.Decimal
	ctx := apd.BaseContext.WithPrecision(20)
	ctx.Rounding = apd.RoundHalfUp
	if _, err := ctx.RoundToIntegralValue(&out, d); err != nil {
		return 0, false
	}
	n, err := out.Int64()
	if err != nil || n > 10_000 {
		return 0, false
	}
	return copay.Percent(n), true
}

// inPercent and inDollars read the units of an amount, which may be missing.
func (b networkBenefit) inPercent() bool {
	u := strings.ToUpper(b.Units)
	return strings.Contains(u, "PERCENT") || strings.Contains(u, "%") || strings.HasSuffix(strings.TrimSpace(b.Amount), "%")
}

func (b networkBenefit) inDollars() bool {
	u := strings.ToUpper(b.Units)
	return strings.Contains(u, "USD") || strings.Contains(u, "DOLLAR") || strings.Contains(u, "$") || strings.HasPrefix(strings.TrimSpace(b.Amount), "$")
}

// dollars reads one of the row's amounts. Where the units are said they must
// be dollars: 20 of anything else, visits or another currency, is no amount.
func (b networkBenefit) dollars(s string) (copay.Money, bool) {
	if strings.TrimSpace(b.Units) != "" && !b.inDollars() {
		return copay.Money{}, false
	}
	return amount(s)
}

// remains is what is left of a deductible or limit: the row's own "remaining",
// or its amount when its period says that it is the remainder (X12 element
// 615: 29).
func (b networkBenefit) remains() (copay.Money, bool) {
	if m, ok := b.dollars(b.Remaining); ok {
		return m, true
	}
	m, ok := b.dollars(b.Amount)
	if ok && (b.AmountTimePeriodCode == "29" || strings.EqualFold(b.AmountTimePeriod, "Remaining")) {
		return m, true
	}
	return copay.Money{}, false
}
