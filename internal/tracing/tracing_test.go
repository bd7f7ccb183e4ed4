package tracing

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
)

func TestATraceOutlivesItsStorage(t *testing.T) {
	t.Parallel()
	c := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 2}, SpanID: trace.SpanID{3}, TraceFlags: trace.FlagsSampled})
	parent := Parent(trace.ContextWithSpanContext(t.Context(), c))
	require.Equal(t, "00-01020000000000000000000000000000-0300000000000000-01", parent)
	got := trace.SpanContextFromContext(WithParent(context.Background(), parent))
	require.True(t, got.IsRemote())
	require.Equal(t, c.TraceID(), got.TraceID())
	require.Equal(t, c.SpanID(), got.SpanID())
	require.Equal(t, c.TraceID().String(), ID(WithParent(t.Context(), parent)))
}

func TestNoTrace(t *testing.T) {
	t.Parallel()
	require.Empty(t, Parent(t.Context()))
	require.Empty(t, ID(t.Context()))
	for _, bad := range []string{"", "x", "00-zz-01", "00-00000000000000000000000000000000-0000000000000000-01"} {
		require.Empty(t, ID(WithParent(t.Context(), bad)), bad)
	}
}
