package quickbookssim

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Amount is money in cents; on the wire a JSON number in major units.
type Amount int64

var errAmount = errors.New("not an amount")

// ParseAmount reads a decimal number with at most two decimals.
func ParseAmount(s string) (Amount, error) {
	sign := int64(1)
	if rest, neg := strings.CutPrefix(s, "-"); neg {
		sign, s = -1, rest
	}
	whole, frac, _ := strings.Cut(s, ".")
	frac = strings.TrimRight(frac, "0")
	if whole == "" || len(whole) > 13 || len(frac) > 2 || strings.Trim(whole+frac, "0123456789") != "" {
		return 0, errAmount
	}
	n, err := strconv.ParseInt(whole+(frac + "00")[:2], 10, 64)
	if err != nil {
		return 0, errAmount
	}
	return Amount(sign * n), nil
}

// String is the amount in major units.
func (a Amount) String() string {
	if a < 0 {
		return "-" + (-a).String()
	}
	return fmt.Sprintf("%d.%02d", int64(a)/100, int64(a)%100)
}

// MarshalJSON writes a number.
func (a Amount) MarshalJSON() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalJSON reads a number.
func (a *Amount) UnmarshalJSON(b []byte) error {
	v, err := ParseAmount(string(bytes.TrimSpace(b)))
	*a = v
	return err
}
