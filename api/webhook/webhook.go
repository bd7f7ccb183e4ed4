// Package webhook takes in what platforms report. A delivery is verified on
// its raw bytes, stored, and acknowledged; what it means is worked out later,
// from the inbox.
package webhook

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/internal/tracing"
	"github.com/copayflow/copayflow/ledger"
)

// Inbox stores verified events.
type Inbox interface {
	Receive(ctx context.Context, practice copay.PracticeID, platform copay.Platform, events []ledger.InboxEvent) (int, error)
}

// Options are the parts of the endpoint.
type Options struct {
	Inbox     Inbox
	Directory *integrations.Directory
	// PublicURL is the address under which platforms reach us: some sign it.
	PublicURL string
	Now       func() time.Time
	Log       *slog.Logger
	Meter     metric.MeterProvider // nil: the global one
}

// maxBody bounds a delivery.
const maxBody = 2 << 20

// storeWait bounds the time before a platform is told to come again.
const storeWait = 8 * time.Second

type handler struct {
	Options
	received, rejected, events metric.Int64Counter
	ack                        metric.Float64Histogram
}

// New serves POST (and GET, for handshakes) /webhooks/{platform}/{practice}.
func New(o Options) (http.Handler, error) {
	if o.Inbox == nil || o.Directory == nil || o.PublicURL == "" {
		return nil, errors.New("webhook: the endpoint needs an inbox, a directory of platforms and its public address")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Meter == nil {
		o.Meter = otel.GetMeterProvider()
	}
	o.PublicURL = strings.TrimSuffix(o.PublicURL, "/")
	h := &handler{Options: o}
	if err := h.instruments(); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/webhooks/{platform}/{practice}", h.serve) // of any method, so that a wrong one has one answer
	return mux, nil
}

const scope = "github.com/copayflow/copayflow/api/webhook"

func (h *handler) instruments() (err error) {
	m := h.Meter.Meter(scope)
	if h.received, err = m.Int64Counter("copay_webhooks_received", metric.WithDescription("Deliveries that were verified and stored")); err != nil {
		return err
	}
	if h.rejected, err = m.Int64Counter("copay_webhooks_rejected", metric.WithDescription("Deliveries that were refused, by reason")); err != nil {
		return err
	}
	if h.events, err = m.Int64Counter("copay_webhook_events", metric.WithDescription("Events in verified deliveries, new and repeated")); err != nil {
		return err
	}
	h.ack, err = m.Float64Histogram("copay_webhook_ack_seconds", metric.WithUnit("s"), metric.WithDescription("Time until a delivery was answered"),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10))
	return err
}

// refused is why a delivery was not taken, with the answer to the platform.
type refused struct {
	status int
	reason string // of the metric
	err    error  // for the log
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	// A trace of its own: what a platform sends is not where ours begin.
	ctx, span := otel.Tracer(scope).Start(r.Context(), "webhook", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer))
	defer span.End()
	r = r.WithContext(ctx)
	platform, practice := copay.Platform(r.PathValue("platform")), copay.PracticeID(r.PathValue("practice"))
	source, no := h.source(platform, practice)
	if no == nil {
		no = h.take(w, r, source, platform, practice)
	} else {
		platform = "unknown" // text from outside never becomes a metric's label
	}
	label := attribute.String("platform", string(platform))
	span.SetAttributes(label)
	if no != nil {
		span.SetStatus(codes.Error, no.reason)
		h.rejected.Add(r.Context(), 1, metric.WithAttributes(label, attribute.String("reason", no.reason)))
		h.Log.WarnContext(r.Context(), "webhook refused", "platform", platform, "reason", no.reason, "status", no.status, "error", no.err)
		if no.status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "5")
		}
		if no.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost)
		}
		http.Error(w, http.StatusText(no.status), no.status)
	}
	h.ack.Record(r.Context(), time.Since(start).Seconds(), metric.WithAttributes(label))
}

// source finds who can verify the delivery.
func (h *handler) source(platform copay.Platform, practice copay.PracticeID) (integrations.WebhookSource, *refused) {
	s, err := integrations.As[integrations.WebhookSource](h.Directory, practice, platform)
	switch {
	case err == nil:
		return s, nil
	case integrations.AsError(err) != nil: // known, but not set up: the platform shall come again
		return nil, &refused{http.StatusServiceUnavailable, "not_set_up", err}
	}
	return nil, &refused{http.StatusNotFound, "unknown", err}
}

// take verifies, stores and acknowledges.
func (h *handler) take(w http.ResponseWriter, r *http.Request, s integrations.WebhookSource, platform copay.Platform, practice copay.PracticeID) *refused {
	if r.Method != http.MethodPost && r.Method != http.MethodGet && r.Method != http.MethodHead {
		return &refused{http.StatusMethodNotAllowed, "method", errors.New("a platform delivers by POST")}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return &refused{http.StatusRequestEntityTooLarge, "too_large", err}
	}
	if err != nil {
		return &refused{http.StatusBadRequest, "unreadable", err}
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeWait)
	defer cancel()
	answer, err := s.Verify(ctx, integrations.Webhook{Method: r.Method, URL: h.url(r), Header: r.Header, Body: body, At: h.Now()})
	if err != nil {
		return verdict(r.Method, err)
	}
	if len(answer.Events) > 0 {
		if no := h.store(ctx, platform, practice, answer.Events); no != nil {
			return no
		}
	}
	h.received.Add(ctx, 1, metric.WithAttributes(attribute.String("platform", string(platform))))
	reply(w, answer.Reply)
	return nil
}

// url is the address the platform called, as it knows it.
func (h *handler) url(r *http.Request) string {
	u := h.PublicURL + r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		u += "?" + r.URL.RawQuery
	}
	return u
}

// verdict is the answer to a delivery that could not be verified. A platform
// that asks for a signature where others shake hands has no use for a GET.
func verdict(method string, err error) *refused {
	switch integrations.KindOf(err) {
	case integrations.KindUnauthorized:
		if method != http.MethodPost {
			return &refused{http.StatusMethodNotAllowed, "method", err}
		}
		return &refused{http.StatusUnauthorized, "signature", err}
	case integrations.KindInvalid, integrations.KindNotFound, integrations.KindDeclined:
		return &refused{http.StatusBadRequest, "malformed", err}
	}
	return &refused{http.StatusServiceUnavailable, "unavailable", err}
}

func (h *handler) store(ctx context.Context, platform copay.Platform, practice copay.PracticeID, events []integrations.Event) *refused {
	rows, err := ledger.NewInboxEvents(events, tracing.Parent(ctx))
	if err != nil {
		return &refused{http.StatusInternalServerError, "encode", err}
	}
	fresh, err := h.Inbox.Receive(ctx, practice, platform, rows)
	if copay.CodeOf(err) == copay.CodeInvalid {
		return &refused{http.StatusBadRequest, "malformed", err}
	}
	if err != nil {
		return &refused{http.StatusServiceUnavailable, "store", err}
	}
	label := attribute.String("platform", string(platform))
	h.events.Add(ctx, int64(fresh), metric.WithAttributes(label, attribute.Bool("repeated", false)))
	h.events.Add(ctx, int64(len(rows)-fresh), metric.WithAttributes(label, attribute.Bool("repeated", true)))
	return nil
}

func reply(w http.ResponseWriter, r *integrations.Reply) {
	if r == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	if r.ContentType != "" {
		w.Header().Set("Content-Type", r.ContentType)
	}
	status := r.Status
	if status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(r.Body) // a platform that hung up comes again
}
