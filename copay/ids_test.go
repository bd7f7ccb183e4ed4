package copay_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/copayflow/copayflow/copay"
)

var key = copay.Key{Practice: "northside", EHR: "drchrono", Charge: "991"}

// These values stand in workflow ids, platforms and books for years: a change
// here would collect a second time.
func TestGoldenIDs(t *testing.T) {
	t.Parallel()
	require.Equal(t, copay.ID("cp_t8myx35n36399x14"), key.ID())
	require.Equal(t, copay.ID("cp_9nyyndjvwy2art7e"), copay.Key{Practice: "lakeside", EHR: "elation", Charge: "a/b:c"}.ID())
	require.Equal(t, "copay/northside/drchrono/991", key.WorkflowID())
	long := key
	long.Charge = copay.ChargeID(strings.Repeat("x", 190))
	require.Equal(t, "copay/northside/drchrono/sha256-66649f6338ac5e7d0447ccf7002ff5b84c59cae94941867435a50b19e595263b", long.WorkflowID())
	for e, want := range map[copay.Effect]copay.Ref{
		copay.EffectRequest: "cp_t8myx35n36399x14-req-1", copay.EffectRefund: "cp_t8myx35n36399x14-rfd-1", copay.EffectPost: "cp_t8myx35n36399x14-post-1",
		copay.EffectReverse: "cp_t8myx35n36399x14-rev-1", copay.EffectInvoice: "cp_t8myx35n36399x14-inv-1", copay.EffectBook: "cp_t8myx35n36399x14-book-1",
		copay.EffectUnbook: "cp_t8myx35n36399x14-unbk-1", copay.EffectNotify: "cp_t8myx35n36399x14-msg-1",
	} {
		ref := copay.NewRef(key.ID(), e, 1)
		require.Equal(t, want, ref)
		require.Equal(t, key.ID(), ref.CoPay())
	}
	ref := copay.NewRef(key.ID(), copay.EffectRequest, 1)
	require.Equal(t, "cp9cwwayxwwqcq9jzxdc", ref.Max(20))
	require.Equal(t, string(ref), ref.Max(25))
	require.Len(t, ref.Max(2), 2)
	require.Empty(t, ref.Max(0))
	require.Empty(t, ref.Max(-1))
}

func TestRefOfSomebodyElse(t *testing.T) {
	t.Parallel()
	for _, r := range []copay.Ref{"", "-", "cp_", "pi_123", "cp_T8MYX35N36399X14-req-1", "cp_t8myx35n36399x1-req-1", "cp_t8myx35n36399xil-req-1", " cp_t8myx35n36399x14-req-1"} {
		require.Empty(t, r.CoPay(), r)
	}
}

func TestKeyValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, key.Validate())
	for field, k := range map[string]copay.Key{
		"practice_id": {Practice: "North Side", EHR: "drchrono", Charge: "1"},
		"ehr":         {Practice: "northside", Charge: "1"},
		"charge_id":   {Practice: "northside", EHR: "drchrono", Charge: "a b"},
	} {
		var e *copay.Error
		require.ErrorAs(t, k.Validate(), &e)
		require.Equal(t, field, e.Field)
	}
	require.Error(t, copay.Key{Practice: "northside", EHR: "drchrono", Charge: copay.ChargeID(strings.Repeat("x", 257))}.Validate())
}

func TestIDsAreStableDistinctAndFit(t *testing.T) {
	t.Parallel()
	gen := rapid.Custom(func(t *rapid.T) copay.Key {
		return copay.Key{Practice: copay.PracticeID(rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,39}`).Draw(t, "practice")),
			EHR: copay.Platform(rapid.StringMatching(`[a-z]{1,32}`).Draw(t, "ehr")), Charge: copay.ChargeID(rapid.StringMatching(`[!-~]{1,256}`).Draw(t, "charge"))}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := gen.Draw(t, "a"), gen.Draw(t, "b")
		require.NoError(t, a.Validate())
		require.NoError(t, a.ID().Validate())
		require.LessOrEqual(t, len(a.WorkflowID()), 200)
		require.Equal(t, a.ID(), a.ID())
		if a != b {
			require.NotEqual(t, a.ID(), b.ID())
		}
		n := rapid.IntRange(1, 1_000_000).Draw(t, "n")
		width := rapid.IntRange(12, 40).Draw(t, "width")
		x, y := copay.NewRef(a.ID(), copay.EffectRequest, n), copay.NewRef(a.ID(), copay.EffectRefund, n)
		require.LessOrEqual(t, len(x.Max(width)), width)
		require.NotEqual(t, x.Max(width), y.Max(width))
		require.Equal(t, a.ID(), x.CoPay())
	})
}
