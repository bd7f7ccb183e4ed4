package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
)

func TestOldServersAreRefusedByName(t *testing.T) {
	t.Parallel()
	for v, refused := range map[int]bool{90624: true, 140012: true, 150000: false, 150008: false, 170002: false} {
		err := supported(v)
		require.Equal(t, refused, err != nil, v)
		if refused {
			require.Equal(t, copay.CodePrecondition, copay.CodeOf(err))
		}
	}
	require.ErrorContains(t, supported(140012), "PostgreSQL 14")
}
