package serve_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/internal/serve"
	"github.com/copayflow/copayflow/internal/temporalfake"
)

func TestWhatIsMissingAtTemporalIsNamed(t *testing.T) {
	t.Parallel()
	s := temporalfake.Start(t, nil)
	c := dial(t, s)
	require.ErrorContains(t, serve.CheckTemporal(t.Context(), c, "nope"), `no namespace "nope": run copay migrate`)
	err := serve.CheckTemporal(t.Context(), c, "copay")
	require.ErrorContains(t, err, "CopayState")
	require.ErrorContains(t, err, "run copay migrate")

	// What migrate registers is all that is asked for.
	conf, err := config.LoadTemporalDev("../../temporal-dev.yaml")
	require.NoError(t, err)
	require.NoError(t, serve.MigrateTemporal(t.Context(), c, "copay", conf.Retention, serve.AttributeTypes(conf)))
	require.NoError(t, serve.CheckTemporal(t.Context(), c, "copay"))

	s.Refuse = func(method string, _ int) error {
		if method == "ListSearchAttributes" {
			return status.Error(codes.PermissionDenied, "ask with another key")
		}
		return nil
	}
	require.NoError(t, serve.CheckTemporal(t.Context(), c, "copay"), "Temporal Cloud does not list them")
	s.Refuse = nil
	s.SetHealthy(false)
	require.ErrorContains(t, serve.CheckTemporal(t.Context(), c, "copay"), "does not serve")
}
