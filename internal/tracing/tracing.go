// Package tracing carries a trace across what is stored between two steps: a
// webhook's inbox row, a co-pay's audit row.
package tracing

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const header = "traceparent"

// Parent is the W3C traceparent of the span in ctx, or "" when nothing is
// traced (w3.org/TR/trace-context).
func Parent(ctx context.Context) string {
	c := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, c)
	return c[header]
}

// WithParent makes the span that parent names the one that spans started from
// ctx descend from. What is not a traceparent changes nothing.
func WithParent(ctx context.Context, parent string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{header: parent})
}

// ID is the id of the trace in ctx, or "".
func ID(ctx context.Context) string {
	if s := trace.SpanContextFromContext(ctx); s.HasTraceID() {
		return s.TraceID().String()
	}
	return ""
}
