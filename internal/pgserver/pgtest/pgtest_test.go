//go:build unix

package pgtest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/internal/pgserver/pgtest"
	"github.com/copayflow/copayflow/ledger"
)

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	key := copay.Key{Practice: "maple", EHR: "drchrono", Charge: "1"}
	for range 2 {
		t.Run("store", func(t *testing.T) {
			t.Parallel()
			_, created, err := pgtest.Store(t, func(c *ledger.Config) { c.InboxTries = 2 }).Claim(t.Context(), key, "w")
			require.NoError(t, err)
			require.True(t, created)
		})
	}
}
