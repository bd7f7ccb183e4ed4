package serve_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/copayflow/copayflow/internal/serve"
)

func TestAWorkerServesItsHealthAndStops(t *testing.T) {
	t.Parallel()
	i := install(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := running{metrics: "http://" + l.Addr().String(), done: make(chan error, 1)}
	r.run(t, func(ctx context.Context) error { return serve.Worker(ctx, i.Process, l) })

	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	require.NoError(t, i.temporal.Await(ctx, func(now map[string]int) bool { return now["copay/workflow"] > 0 && now["copay/activity"] > 0 }))
	status, _ := get(t, r.metrics+"/healthz")
	require.Equal(t, http.StatusOK, status)
	status, body := get(t, r.metrics+"/readyz")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, ready, body)
	i.temporal.SetHealthy(false)
	status, _ = get(t, r.metrics+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	status, body = get(t, r.metrics+"/metrics")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "temporal_", "the SDK's own figures are on the page")

	r.stop()
	require.NoError(t, r.ended(t))
	require.NoError(t, i.temporal.Await(ctx, func(now map[string]int) bool { return len(now) == 0 }), "nobody polls any more")
	_, _, err = try(t, "GET", r.metrics+"/healthz", "")
	require.Error(t, err)
}

func TestAWorkerWithoutAPageStopsToo(t *testing.T) {
	t.Parallel()
	i := install(t)
	r := running{done: make(chan error, 1)}
	r.run(t, func(ctx context.Context) error { return serve.Worker(ctx, i.Process, nil) })
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	require.NoError(t, i.temporal.Await(ctx, func(now map[string]int) bool { return now["copay/workflow"] > 0 }))
	r.stop()
	require.NoError(t, r.ended(t))
}

func TestAWorkerThatCannotStartSaysSo(t *testing.T) {
	t.Parallel()
	i := install(t)
	i.temporal.Forget("copay")
	require.ErrorContains(t, serve.Worker(t.Context(), i.Process, nil), "the worker cannot start")
}

// Schedules are upkeep: a worker that may not set them up collects all the same.
func TestAWorkerRunsWithoutItsSchedules(t *testing.T) {
	t.Parallel()
	i := install(t)
	i.temporal.Refuse = func(method string, _ int) error {
		if method == "CreateSchedule" {
			return serviceerror.NewPermissionDenied("not with this key", "")
		}
		return nil
	}
	r := running{done: make(chan error, 1)}
	r.run(t, func(ctx context.Context) error { return serve.Worker(ctx, i.Process, nil) })
	require.Eventually(t, func() bool { return strings.Contains(i.log.String(), "histories not archived") }, soon, 5*time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	require.NoError(t, i.temporal.Await(ctx, func(now map[string]int) bool { return now["copay/workflow"] > 0 }))
	r.stop()
	require.NoError(t, r.ended(t))
}
