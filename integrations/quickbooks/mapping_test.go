package quickbooks

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
)

func TestRefOf(t *testing.T) {
	t.Parallel()
	ref := copay.NewRef(copay.Key{Practice: "northside", EHR: "drchrono", Charge: "991"}.ID(), copay.EffectInvoice, 1)
	other := copay.NewRef(ref.CoPay(), copay.EffectInvoice, 2)
	n := number(ref)
	require.Len(t, n, maxNumber)
	for name, x := range map[string]struct {
		number, note string
		want         copay.Ref
	}{
		"as written":             {n, note(ref.CoPay(), ref), ref},
		"with a memo":            {n, note(ref.CoPay(), ref) + " Co-pay visit", ref},
		"after a void":           {n, "Voided - " + note(ref.CoPay(), ref), ref},
		"edited note":            {n, "checked", copay.Ref(n)},
		"note of another":        {n, note(ref.CoPay(), other), copay.Ref(n)},
		"copied with its note":   {"1042", note(ref.CoPay(), ref), ""},
		"not ours":               {"1042", "", ""},
		"nothing":                {"", "", ""},
		"long number":            {n + "0", "", ""},
		"two, the second fits":   {n, note(ref.CoPay(), other) + " " + note(ref.CoPay(), ref), ref},
		"a bad reference inside": {n, "ref:cp_0000000000000000-inv-x", copay.Ref(n)},
	} {
		require.Equal(t, x.want, refOf(x.number, x.note), name)
	}
}

func TestMoney(t *testing.T) {
	t.Parallel()
	for in, want := range map[json.Number]int64{"25": 2500, "25.0": 2500, "25.00": 2500, "25.5": 2550, "0": 0, "": 0, "-3.10": -310, "25.000": 2500} {
		m, err := (&transaction{TotalAmt: in}).total()
		require.NoError(t, err, in)
		require.Equal(t, want, m.Minor, in)
	}
	for _, in := range []json.Number{"25.001", "1e2", "NaN", "99999999999999999999"} {
		_, err := (&transaction{TotalAmt: in}).total()
		require.Error(t, err, in)
	}
	_, err := (&transaction{TotalAmt: "25", CurrencyRef: refTo("CAD")}).total()
	require.Error(t, err, "another currency is never read as dollars")
	b, err := json.Marshal(salesLine(copay.Cents(2510), "", "x", "3", "NON"))
	require.NoError(t, err)
	require.JSONEq(t, `[{"Amount":25.10,"DetailType":"SalesItemLineDetail","Description":"x","SalesItemLineDetail":{"ItemRef":{"value":"3"},"Qty":1,"UnitPrice":25.10,"TaxCodeRef":{"value":"NON"}}}]`, string(b))
	require.Contains(t, string(b), `"Amount":25.10`)
}

func TestVoided(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		t    transaction
		want bool
	}{
		{transaction{TotalAmt: "0", PrivateNote: "Voided - copay"}, true},
		{transaction{TotalAmt: "0.00", PrivateNote: "Voided"}, true},
		{transaction{TotalAmt: "0", PrivateNote: "copay"}, false},
		{transaction{TotalAmt: "25", PrivateNote: "Voided by mistake, undone"}, false},
		{transaction{entity: entity{Status: "Voided"}, TotalAmt: "0"}, true},
	} {
		require.Equal(t, x.want, x.t.voided(), x.t)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	require.Equal(t, "x", describe(" \n", "x"))
	require.Equal(t, "a b", describe(" a\n\tb ", "x"))
	long := make([]rune, 2000)
	for i := range long {
		long[i] = 'é'
	}
	require.Len(t, []rune(describe(string(long), "")), maxDescription)
}

func TestQuoteAndRequestID(t *testing.T) {
	t.Parallel()
	require.Equal(t, `'O\'Brien \\'`, quote(`O'Brien \`))
	ref := copay.NewRef("cp_0123456789abcdef", copay.EffectBook, 1)
	require.Equal(t, string(ref), requestID(ref, ""))
	require.Equal(t, string(ref)+"-v12", requestID(ref, "-v12"))
	long := copay.Ref("cp_0123456789abcdef-" + string(make([]byte, 60)))
	require.LessOrEqual(t, len(requestID(long, "-v12345")), maxRequestID)
	require.NotEqual(t, requestID(long, "-v1"), requestID(long, "-v2"))
}

// Burst and refill together stay below the platform's limit in any window.
func TestWithin(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 10, 40, 500} {
		l := within(n, time.Minute)
		require.LessOrEqual(t, l.N+l.Burst, n)
		require.Positive(t, l.N)
	}
	require.Equal(t, 1, within(1, time.Second).N)
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 1, 5, 18, 0, 0, 0, time.UTC)
	for _, s := range []string{"2026-01-05T10:00:00-08:00", "2026-01-05T10:00:00-0800", "2026-01-05T18:00:00.000Z"} {
		require.Equal(t, want, parseTime(s), s)
	}
	require.True(t, parseTime("yesterday").IsZero())
}
