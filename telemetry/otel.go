package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.26.0"
	sdkclient "go.temporal.io/sdk/client"
	temporalotel "go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
)

// Telemetry is what Setup has started.
type Telemetry struct {
	// Metrics serves the Prometheus page.
	Metrics http.Handler
	// Meters makes the instruments that the page shows.
	Meters metric.MeterProvider
	// Temporal carries the SDK's own metrics into the same page.
	Temporal sdkclient.MetricsHandler
	// Tracing links workflows and activities to the traces of their callers; nil
	// when nothing is traced, since it costs something in each of them.
	Tracing interceptor.Interceptor
	stop    []func(context.Context) error
}

// durations are measured from a webhook's milliseconds to the hours of an
// outage. The SDK's own boundaries are meant for milliseconds: in seconds, all
// that answers within five would be the same.
var durations = sdkmetric.NewView(sdkmetric.Instrument{Name: "*", Kind: sdkmetric.InstrumentKindHistogram, Unit: "s"},
	sdkmetric.Stream{Aggregation: sdkmetric.AggregationExplicitBucketHistogram{
		Boundaries: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 3600}}})

// Setup starts metrics, and traces when an OTLP endpoint is given. Without one
// each request still has the id of a trace, by which its log lines and its rows
// in the audit log are found; nothing else is kept of it.
func Setup(ctx context.Context, service, otlpEndpoint string) (*Telemetry, error) {
	res, err := resource.New(ctx, resource.WithAttributes(semconv.ServiceName(service)))
	if err != nil {
		return nil, err
	}
	reg := prometheus.NewRegistry()
	exp, err := promexporter.New(promexporter.WithRegisterer(reg), promexporter.WithoutScopeInfo())
	if err != nil {
		return nil, err
	}
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exp), sdkmetric.WithResource(res), sdkmetric.WithView(durations))
	otel.SetMeterProvider(mp)
	t := &Telemetry{Metrics: promhttp.HandlerFor(reg, promhttp.HandlerOpts{}), Meters: mp, stop: []func(context.Context) error{mp.Shutdown}}
	t.Temporal = temporalotel.NewMetricsHandler(temporalotel.MetricsHandlerOptions{Meter: mp.Meter("temporal")})
	otel.SetTextMapPropagator(propagation.TraceContext{})
	if otlpEndpoint == "" {
		otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())))
	} else {
		to := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(otlpEndpoint), otlptracegrpc.WithInsecure()}
		if strings.Contains(otlpEndpoint, "://") { // https:// is TLS
			to = []otlptracegrpc.Option{otlptracegrpc.WithEndpointURL(otlpEndpoint)}
		}
		e, err := otlptracegrpc.New(ctx, to...)
		if err != nil {
			return nil, fmt.Errorf("the trace exporter cannot be set up: %w", err)
		}
		tp := sdktrace.NewTracerProvider(sdktrace.WithBatcher(e), sdktrace.WithResource(res))
		otel.SetTracerProvider(tp)
		t.stop = append(t.stop, tp.Shutdown)
		if t.Tracing, err = temporalotel.NewTracingInterceptor(temporalotel.TracerOptions{Tracer: tp.Tracer("github.com/copayflow/copayflow/workflows")}); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Stop sends what is left.
func (t *Telemetry) Stop(ctx context.Context) error {
	var errs []error
	for _, f := range t.stop {
		errs = append(errs, f(ctx))
	}
	return errors.Join(errs...)
}
