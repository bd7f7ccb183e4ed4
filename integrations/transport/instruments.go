package transport

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

const scope = "github.com/copayflow/copayflow/integrations"

type instruments struct {
	platform attribute.KeyValue
	tracer   trace.Tracer
	seconds  metric.Float64Histogram
	errors   metric.Int64Counter
}

func newInstruments(p copay.Platform) instruments {
	m := otel.Meter(scope)
	// The instruments of the global meter never fail to be made.
	sec, _ := m.Float64Histogram("copay_platform_request_seconds",
		metric.WithUnit("s"), metric.WithDescription("Duration of calls to platforms"))
	errs, _ := m.Int64Counter("copay_platform_errors",
		metric.WithDescription("Failed calls to platforms by kind"))
	return instruments{platform: attribute.String("platform", string(p)), tracer: otel.Tracer(scope), seconds: sec, errors: errs}
}

// start opens a span for the call; the returned func closes it.
func (i instruments) start(ctx context.Context, op string) (context.Context, func(status int, err error)) {
	begin := time.Now()
	opAttr := attribute.String("op", op)
	ctx, span := i.tracer.Start(ctx, string(i.platform.Value.AsString())+" "+op,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(i.platform, opAttr))
	return ctx, func(status int, err error) {
		i.seconds.Record(ctx, time.Since(begin).Seconds(), metric.WithAttributes(i.platform, opAttr))
		if status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", status))
		}
		if err != nil {
			kind := attribute.String("kind", string(integrations.KindOf(err)))
			i.errors.Add(ctx, 1, metric.WithAttributes(i.platform, opAttr, kind))
			span.SetAttributes(kind)
			span.SetStatus(codes.Error, string(integrations.KindOf(err)))
		}
		span.End()
	}
}
