package copay

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// Currency is an ISO 4217 alphabetic code in upper case, such as "USD".
type Currency string

// USD is the only currency the product collects today; other codes are
// refused at the edge instead of being silently treated as dollars.
const USD Currency = "USD"

// Supported reports whether amounts in c can be collected.
func (c Currency) Supported() bool { return c == USD }

// exponent is the number of minor-unit digits (ISO 4217); every supported
// currency has two.
const exponent = 2

// Money is an amount in integer minor units (cents) of one currency.
// The zero Money has no currency and compares equal to zero of any currency.
type Money struct {
	Minor    int64    `json:"minor"`
	Currency Currency `json:"currency"`
}

// Cents makes US dollars from minor units: Cents(2500) is $25.00.
func Cents(minor int64) Money { return Money{Minor: minor, Currency: USD} }

// IsZero reports whether the amount is nothing.
func (m Money) IsZero() bool { return m.Minor == 0 }

// IsPositive reports whether the amount is more than nothing.
func (m Money) IsPositive() bool { return m.Minor > 0 }

// IsNegative reports whether the amount is less than nothing.
func (m Money) IsNegative() bool { return m.Minor < 0 }

// Neg returns the amount with its sign turned.
func (m Money) Neg() Money { return Money{Minor: -m.Minor, Currency: m.Currency} }

// Add returns m + o. It fails on a currency mix or an overflow.
func (m Money) Add(o Money) (Money, error) {
	cur, err := common(m, o)
	if err != nil {
		return Money{}, err
	}
	sum := m.Minor + o.Minor
	if (o.Minor > 0 && sum < m.Minor) || (o.Minor < 0 && sum > m.Minor) {
		return Money{}, Errorf(CodeInvalid, "amount", "the amount is too large to add")
	}
	return Money{Minor: sum, Currency: cur}, nil
}

// Sub returns m − o. It fails on a currency mix or an overflow.
func (m Money) Sub(o Money) (Money, error) {
	if o.Minor == math.MinInt64 {
		return Money{}, Errorf(CodeInvalid, "amount", "the amount is too large to subtract")
	}
	return m.Add(o.Neg())
}

// Cmp is -1, 0 or +1 as m is less than, equal to or more than o. Amounts of
// different currencies cannot be compared and give an error.
func (m Money) Cmp(o Money) (int, error) {
	if _, err := common(m, o); err != nil {
		return 0, err
	}
	switch {
	case m.Minor < o.Minor:
		return -1, nil
	case m.Minor > o.Minor:
		return 1, nil
	}
	return 0, nil
}

// Equal reports whether both amounts are the same money.
func (m Money) Equal(o Money) bool {
	if m.Minor == 0 && o.Minor == 0 {
		return m.Currency == o.Currency || m.Currency == "" || o.Currency == ""
	}
	return m == o
}

// Min returns the smaller of two amounts of one currency; on a currency mix
// it returns an error rather than choosing.
func (m Money) Min(o Money) (Money, error) {
	c, err := m.Cmp(o)
	if err != nil {
		return Money{}, err
	}
	if c <= 0 {
		return m, nil
	}
	return o, nil
}

// Decimal is the amount in major units without a currency: "25.00".
func (m Money) Decimal() string {
	sign, minor := "", m.Minor
	if minor < 0 {
		sign = "-"
	}
	abs := uint64(minor)
	if minor < 0 {
		abs = -abs
	}
	return fmt.Sprintf("%s%d.%02d", sign, abs/100, abs%100)
}

// String is the amount for people: "$25.00", or "25.00 CAD".
func (m Money) String() string {
	if m.Currency == USD || m.Currency == "" {
		if s, neg := strings.CutPrefix(m.Decimal(), "-"); neg {
			return "-$" + s
		}
		return "$" + m.Decimal()
	}
	return m.Decimal() + " " + string(m.Currency)
}

// ParseMoney reads a decimal amount in major units ("25", "25.5", "25.00").
// It refuses exponents, more digits than the currency has, and currencies
// that are not supported, so nothing is ever rounded in silence.
func ParseMoney(decimal string, c Currency) (Money, error) {
	if !c.Supported() {
		return Money{}, Errorf(CodeInvalid, "currency", "currency %q is not supported", c)
	}
	s := strings.TrimSpace(decimal)
	if s == "" || len(s) > 32 || strings.ContainsAny(s, "eEnNiI_") {
		return Money{}, Errorf(CodeInvalid, "amount", "an amount is a decimal number such as 25.00")
	}
	d, _, err := apd.NewFromString(s)
	if err != nil || d.Form != apd.Finite {
		return Money{}, Errorf(CodeInvalid, "amount", "an amount is a decimal number such as 25.00")
	}
	d.Exponent += exponent
	var out apd.Decimal
	ctx := apd.BaseContext.WithPrecision(40)
	if _, err := ctx.RoundToIntegralExact(&out, d); err != nil || out.Cmp(d) != 0 {
		return Money{}, Errorf(CodeInvalid, "amount", "an amount in %s has at most %d decimal places", c, exponent)
	}
	minor, err := out.Int64()
	if err != nil {
		return Money{}, Errorf(CodeInvalid, "amount", "the amount is too large")
	}
	return Money{Minor: minor, Currency: c}, nil
}

// Percent is a share in hundredths of a percent (basis points): 2000 is 20 %.
type Percent int64

// Of returns the share of m, rounded half up to the minor unit. It fails when
// the product does not fit.
func (p Percent) Of(m Money) (Money, error) {
	if p < 0 || p > 10_000 {
		return Money{}, Errorf(CodeInvalid, "percent", "a share lies between 0 and 100 %%")
	}
	if m.Minor > math.MaxInt64/10_000 || m.Minor < 0 {
		return Money{}, Errorf(CodeInvalid, "amount", "the amount cannot be shared")
	}
	return Money{Minor: (m.Minor*int64(p) + 5_000) / 10_000, Currency: m.Currency}, nil
}

// MarshalJSON keeps the two fields in a fixed order for golden files.
func (m Money) MarshalJSON() ([]byte, error) {
	type wire Money
	return json.Marshal(wire(m))
}

func common(a, b Money) (Currency, error) {
	switch {
	case a.Currency == b.Currency:
		return a.Currency, nil
	case a.Currency == "" && a.Minor == 0:
		return b.Currency, nil
	case b.Currency == "" && b.Minor == 0:
		return a.Currency, nil
	}
	return "", Errorf(CodeInvalid, "currency", "amounts in %q and %q cannot be combined", a.Currency, b.Currency)
}
