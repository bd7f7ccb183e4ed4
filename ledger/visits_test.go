package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
)

// A visit's co-pay is asked by one of its charges, until that one is given up.
func TestAVisitIsClaimedOnce(t *testing.T) {
	b := setup(t)
	first, second := keyOf(maple, "c-1"), keyOf(maple, "c-2")
	b.claim(t, maple, "c-1")
	b.claim(t, maple, "c-2")
	claim := func(key copay.Key, visit copay.AppointmentID, service copay.ServiceType) copay.ID {
		owner, err := b.ClaimVisit(t.Context(), key, visit, service)
		require.NoError(t, err)
		return owner
	}
	require.Equal(t, first.ID(), claim(first, "a-1", "98"))
	require.Equal(t, first.ID(), claim(second, "a-1", "98"))
	require.Equal(t, first.ID(), claim(first, "a-1", "98"), "its own claim is no surprise to it")
	require.Equal(t, second.ID(), claim(second, "a-1", "5"), "another service has a co-pay of its own")
	require.Equal(t, second.ID(), claim(second, "a-2", "98"), "and so has another visit")
	other := copay.Key{Practice: birch, EHR: "drchrono", Charge: "c-1"}
	require.Equal(t, other.ID(), claim(other, "a-1", "98"), "another practice has visits of its own")

	require.NoError(t, b.Record(t.Context(), step(first, 1, copay.StateWaived)))
	require.Equal(t, first.ID(), claim(second, "a-1", "98"), "what was waived is not asked by another charge")
	for version, s := range []copay.State{copay.StateCancelled, copay.StateRefunded} {
		key := keyOf(maple, "gone-"+string(s))
		b.claim(t, maple, string(key.Charge))
		visit := copay.AppointmentID(s)
		require.Equal(t, key.ID(), claim(key, visit, "98"))
		require.NoError(t, b.Record(t.Context(), step(key, int64(version)+2, s)))
		require.Equal(t, second.ID(), claim(second, visit, "98"), s)
	}
}

func TestAtTheSameTimeOneChargeGetsTheVisit(t *testing.T) {
	b := setup(t)
	keys := []copay.Key{keyOf(maple, "c-1"), keyOf(maple, "c-2"), keyOf(maple, "c-3"), keyOf(maple, "c-4")}
	owners := make([]copay.ID, len(keys))
	for _, err := range together(len(keys), func(i int) (err error) {
		owners[i], err = b.ClaimVisit(t.Context(), keys[i], "a-1", "98")
		return err
	}) {
		require.NoError(t, err)
	}
	for _, o := range owners {
		require.Equal(t, owners[0], o)
	}
}
