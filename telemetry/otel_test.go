package telemetry

import (
	"bytes"
	"context"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/copayflow/copayflow/internal/tracing"
)

// Not parallel: Setup sets what the whole process measures with.
func TestDurationsAreTellingApart(t *testing.T) {
	tel, err := Setup(t.Context(), "test", "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tel.Stop(context.WithoutCancel(t.Context()))) })
	ours, err := tel.Meters.Meter("m").Float64Histogram("a_request", metric.WithUnit("s"))
	require.NoError(t, err)
	for _, seconds := range []float64{.004, .2, 4, 110} {
		ours.Record(t.Context(), seconds)
	}
	amounts, err := tel.Meters.Meter("m").Float64Histogram("amounts")
	require.NoError(t, err)
	amounts.Record(t.Context(), 4)
	tel.Temporal.Timer("task_latency").Record(40e6)
	w := httptest.NewRecorder()
	tel.Metrics.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	page := w.Body.String()
	for _, line := range []string{`a_request_seconds_bucket{le="0.005"} 1`, `a_request_seconds_bucket{le="0.25"} 2`, `a_request_seconds_bucket{le="5"} 3`,
		`a_request_seconds_bucket{le="60"} 3`, `a_request_seconds_bucket{le="300"} 4`, `task_latency_seconds_bucket{le="0.05"} 1`,
		`task_latency_seconds_bucket{le="0.025"} 0`, `amounts_bucket{le="25"} 1`} {
		require.Contains(t, page, line)
	}
}

// Without a collector there are ids all the same, and log lines name them.
// Not parallel: see above.
func TestATraceAlwaysHasAnID(t *testing.T) {
	tel, err := Setup(t.Context(), "test", "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tel.Stop(context.WithoutCancel(t.Context()))) })
	require.Nil(t, tel.Tracing, "it would cost something in each workflow and activity")
	ctx, span := otel.Tracer("t").Start(t.Context(), "a request")
	defer span.End()
	require.False(t, span.IsRecording())
	id := tracing.ID(ctx)
	require.Len(t, id, 32)
	var out bytes.Buffer
	log, err := NewLogger(&out, "info", "json")
	require.NoError(t, err)
	log.With("a", 1).WithGroup("g").InfoContext(ctx, "in a request")
	require.Contains(t, out.String(), `"trace_id":"`+id+`"`)
	out.Reset()
	log.Info("outside of one")
	require.NotContains(t, out.String(), "trace_id")
}

func BenchmarkARequestsTrace(b *testing.B) {
	tel, err := Setup(b.Context(), "bench", "")
	require.NoError(b, err)
	b.Cleanup(func() { _ = tel.Stop(context.Background()) })
	for b.Loop() {
		ctx, span := otel.Tracer("t").Start(b.Context(), "a request")
		_ = tracing.Parent(ctx)
		span.End()
	}
}
