package transport_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations/transport"
)

// The providers are the process's; tests tell their own data by the platform.
var (
	metrics = metric.NewManualReader()
	spans   = tracetest.NewInMemoryExporter()
	runs    atomic.Int32
)

func TestMain(m *testing.M) {
	otel.SetMeterProvider(metric.NewMeterProvider(metric.WithReader(metrics)))
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)))
	os.Exit(m.Run())
}

func has(set attribute.Set, want ...attribute.KeyValue) bool {
	return !slices.ContainsFunc(want, func(kv attribute.KeyValue) bool {
		v, ok := set.Value(kv.Key)
		return !ok || v.AsString() != kv.Value.AsString()
	})
}

func TestInstruments(t *testing.T) {
	t.Parallel()
	name := fmt.Sprintf("measured%d", runs.Add(1)) // -count runs it more than once
	const phi = "Doe-1970-01-01"
	statuses := []int{200, 500, 200}
	next := 0
	c := newClient(t, transport.Options{Platform: copay.Platform(name), RoundTripper: tripper(func(*http.Request) (*http.Response, error) {
		next++
		return answer(statuses[next-1], phi), nil
	})})
	r := post("things.create")
	r.Path = "/patients/" + phi
	_, err := c.Do(t.Context(), r, nil)
	require.NoError(t, err)
	_, err = c.Do(t.Context(), r, nil)
	require.Error(t, err)
	_, err = c.Do(t.Context(), r, &struct{}{}) // no JSON
	require.Error(t, err)

	platform, op := attribute.String("platform", name), attribute.String("op", "things.create")
	var got metricdata.ResourceMetrics
	require.NoError(t, metrics.Collect(t.Context(), &got))
	var timed uint64
	var failed int64
	for _, sm := range got.ScopeMetrics {
		for _, m := range sm.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					if m.Name == "copay_platform_request_seconds" && has(p.Attributes, platform, op) {
						timed += p.Count
					}
				}
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					if m.Name == "copay_platform_errors" && has(p.Attributes, platform, op, attribute.String("kind", "unknown")) {
						failed += p.Value
					}
				}
			}
		}
	}
	require.EqualValues(t, 3, timed, "every call is timed")
	require.EqualValues(t, 2, failed, "failures are counted by kind")

	var mine []tracetest.SpanStub
	for _, s := range spans.GetSpans() {
		if s.Name == name+" things.create" {
			mine = append(mine, s)
		}
	}
	require.Len(t, mine, 3)
	require.Equal(t, trace.SpanKindClient, mine[0].SpanKind)
	require.Equal(t, codes.Unset, mine[0].Status.Code)
	require.Contains(t, mine[0].Attributes, attribute.Int("http.response.status_code", 200))
	for _, s := range mine[1:] {
		require.Equal(t, codes.Error, s.Status.Code)
		require.Equal(t, "unknown", s.Status.Description)
		require.Contains(t, s.Attributes, attribute.String("kind", "unknown"))
	}
	for _, s := range mine {
		for _, kv := range s.Attributes {
			require.NotContains(t, kv.Value.String(), phi)
		}
		require.Empty(t, s.Events)
	}
}
