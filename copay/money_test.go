package copay_test

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/copayflow/copayflow/copay"
)

func TestParseMoney(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int64{
		"25": 2500, "25.5": 2550, "25.00": 2500, " 25.00 ": 2500, "0": 0, "-3.07": -307, "+1.10": 110, "25.000": 2500, ".5": 50, "007": 700,
		"92233720368547758.07": math.MaxInt64, "-92233720368547758.08": math.MinInt64,
	} {
		m, err := copay.ParseMoney(in, copay.USD)
		require.NoError(t, err, in)
		require.Equal(t, copay.Cents(want), m, in)
	}
	for _, in := range []string{"", " ", "25.005", "1e3", "1E3", "NaN", "Infinity", "-inf", "1_000", "1,000.00", "$25", "0x10", "25.00 USD", "--1", ".",
		"92233720368547758.08", strings.Repeat("9", 33), "٣", "２５"} {
		_, err := copay.ParseMoney(in, copay.USD)
		require.Equal(t, copay.CodeInvalid, copay.CodeOf(err), in)
	}
	for _, c := range []copay.Currency{"", "CAD", "usd"} {
		_, err := copay.ParseMoney("1", c)
		require.Equal(t, copay.CodeInvalid, copay.CodeOf(err))
	}
}

func TestMoneyText(t *testing.T) {
	t.Parallel()
	require.Equal(t, "$25.00", copay.Cents(2500).String())
	require.Equal(t, "-$0.07", copay.Cents(-7).String())
	require.Equal(t, "3.00 CAD", copay.Money{Minor: 300, Currency: "CAD"}.String())
	require.Equal(t, "-92233720368547758.08", copay.Cents(math.MinInt64).Decimal())
	b, err := json.Marshal(copay.Cents(2500))
	require.NoError(t, err)
	require.Equal(t, `{"minor":2500,"currency":"USD"}`, string(b))
}

func TestMoneyRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := copay.Cents(rapid.Int64().Draw(t, "minor"))
		back, err := copay.ParseMoney(m.Decimal(), copay.USD)
		require.NoError(t, err)
		require.Equal(t, m, back)
	})
}

// Arithmetic agrees with unbounded integers, or says that it does not fit.
func TestMoneyArithmetic(t *testing.T) {
	t.Parallel()
	fits := func(n *big.Int) bool { return n.IsInt64() }
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		x, y := big.NewInt(a), big.NewInt(b)
		sum, err := copay.Cents(a).Add(copay.Cents(b))
		want := new(big.Int).Add(x, y)
		require.Equal(t, fits(want), err == nil)
		if err == nil {
			require.Equal(t, want.Int64(), sum.Minor)
			back, err := sum.Sub(copay.Cents(b))
			if err == nil {
				require.Equal(t, a, back.Minor)
			}
		}
		if diff, err := copay.Cents(a).Sub(copay.Cents(b)); err == nil {
			require.Equal(t, new(big.Int).Sub(x, y).Int64(), diff.Minor)
		}
		cmp, err := copay.Cents(a).Cmp(copay.Cents(b))
		require.NoError(t, err)
		require.Equal(t, x.Cmp(y), cmp)
		low, err := copay.Cents(a).Min(copay.Cents(b))
		require.NoError(t, err)
		require.Equal(t, min(a, b), low.Minor)
	})
}

func TestCurrenciesDoNotMix(t *testing.T) {
	t.Parallel()
	usd, cad := copay.Cents(100), copay.Money{Minor: 100, Currency: "CAD"}
	for _, op := range []func() error{
		func() error { _, err := usd.Add(cad); return err },
		func() error { _, err := usd.Sub(cad); return err },
		func() error { _, err := usd.Cmp(cad); return err },
		func() error { _, err := cad.Min(usd); return err },
	} {
		require.Equal(t, copay.CodeInvalid, copay.CodeOf(op()))
	}
	sum, err := copay.Money{}.Add(usd)
	require.NoError(t, err)
	require.Equal(t, usd, sum, "nothing of no currency may be added to anything")
	require.False(t, usd.Equal(cad))
	require.True(t, copay.Cents(0).Equal(copay.Money{}))
}

func TestPercentOf(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		p    copay.Percent
		m    int64
		want int64
	}{{2000, 14500, 2900}, {10000, 1, 1}, {0, 14500, 0}, {5000, 1, 1}, {4999, 1, 0}, {1250, 10001, 1250}, {3333, 100, 33}} {
		got, err := x.p.Of(copay.Cents(x.m))
		require.NoError(t, err)
		require.Equal(t, copay.Cents(x.want), got)
	}
	for _, bad := range []copay.Percent{-1, 10001} {
		_, err := bad.Of(copay.Cents(1))
		require.Error(t, err)
	}
	for _, m := range []int64{-1, math.MaxInt64} {
		_, err := copay.Percent(1).Of(copay.Cents(m))
		require.Error(t, err)
	}
	rapid.Check(t, func(t *rapid.T) {
		p := copay.Percent(rapid.Int64Range(0, 10_000).Draw(t, "p"))
		m := copay.Cents(rapid.Int64Range(0, math.MaxInt64/10_000).Draw(t, "m"))
		got, err := p.Of(m)
		require.NoError(t, err)
		require.GreaterOrEqual(t, got.Minor, int64(0))
		require.LessOrEqual(t, got.Minor, m.Minor)
	})
}

func FuzzParseMoney(f *testing.F) {
	for _, s := range []string{"25", "25.00", "-0.01", "1e9", "25.005", "", ".", "0.10", "+7", "92233720368547758.07"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := copay.ParseMoney(s, copay.USD)
		if err != nil {
			require.Equal(t, copay.Money{}, m)
			return
		}
		// An exact rational reading of the same text is the same amount.
		want, ok := new(big.Rat).SetString(strings.TrimSpace(s))
		require.True(t, ok, s)
		want.Mul(want, big.NewRat(100, 1))
		require.True(t, want.IsInt(), s)
		require.Equal(t, want.Num().String(), big.NewInt(m.Minor).String(), s)
		back, err := copay.ParseMoney(m.Decimal(), copay.USD)
		require.NoError(t, err)
		require.Equal(t, m, back)
	})
}
