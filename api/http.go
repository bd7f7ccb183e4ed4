package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// makeHTTP mounts REST and what stands beside it.
func (s *Server) makeHTTP() (http.Handler, error) {
	var gateway *runtime.ServeMux
	gateway = runtime.NewServeMux(runtime.WithMiddlewares(taken(&gateway)),
		runtime.WithIncomingHeaderMatcher(incoming), runtime.WithOutgoingHeaderMatcher(outgoing), runtime.WithDisablePathLengthFallback(),
		runtime.WithErrorHandler(unreadable), runtime.WithRoutingErrorHandler(nowhere), runtime.WithMarshalerOption(runtime.MIMEWildcard, strictJSON{&runtime.JSONPb{MarshalOptions: protojson.MarshalOptions{EmitUnpopulated: true}}}))
	for _, register := range []func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error{
		copayv1.RegisterCoPayServiceHandler, copayv1.RegisterLedgerServiceHandler, copayv1.RegisterAuditServiceHandler,
		copayv1.RegisterPlatformServiceHandler, copayv1.RegisterInboxServiceHandler, copayv1.RegisterConsentServiceHandler,
	} {
		if err := register(context.Background(), gateway, s.conn); err != nil {
			return nil, err
		}
	}
	mux := http.NewServeMux()
	// Named, or name and port that a caller gives in Host would become labels.
	mux.Handle("/v1/", otelhttp.NewHandler(s.certified(rest(gateway)), "rest", otelhttp.WithServerName(domain+":0")))
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(copayv1.OpenAPI) // a caller that hung up
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, front) // as above
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", s.readyz)
	if s.o.Webhooks != nil {
		mux.Handle("/webhooks/", s.o.Webhooks) // begins a trace for each delivery itself
	}
	for name, h := range map[string]http.Handler{"pay": s.o.Pay, "codec": s.o.Codec} {
		if h != nil {
			mux.Handle("/"+name+"/", traced(otel.GetTracerProvider(), name, h))
		}
	}
	return outermost(mux), nil
}

// front is what whoever comes without an address is told.
const front = `This is Copayflow's API, at /v1.
  /openapi.json  describes all of it
  /healthz       says whether the process is alive, /readyz whether it can serve
The documentation is in docs/ of Copayflow's repository; README.md there leads to it.
`

// traced begins a trace for each request of a browser, by which the audit log
// names what it led to. It is a new one whatever the browser sends, and holds
// no address: that of a payment page is its key.
func traced(tp trace.TracerProvider, name string, next http.Handler) http.Handler {
	tracer := tp.Tracer("github.com/copayflow/copayflow/api")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := tracer.Start(r.Context(), name, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// certified lets in whoever has shown a certificate, where one is asked for.
func (s *Server) certified(next http.Handler) http.Handler {
	if !s.mutual() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			http.Error(w, "show a client certificate of this installation", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// rest refuses addresses and headers that are no text, bounds bodies and lifts
// the write timeout of streams.
func rest(next *runtime.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if what := legible(r); what != nil {
			reject(next, w, r, what)
			return
		}
		if err := headers(r); err != nil {
			_, m := runtime.MarshalerForRequest(next, r)
			unreadable(r.Context(), next, m, w, r, err)
			return
		}
		// No service reads them, and gRPC fails for some of what may stand there.
		r.Header.Del("X-Forwarded-For")
		r.Header.Del("X-Forwarded-Host")
		r.Body = http.MaxBytesReader(w, r.Body, maxMessage)
		if strings.HasSuffix(r.URL.Path, ":watch") {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // tests' recorders have none
		}
		next.ServeHTTP(w, r)
	})
}

// outermost gives each request its id and each answer the headers that keep
// browsers from guessing, framing and caching.
func outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !goodRequestID.MatchString(id) {
			id = uuid.NewString()
		}
		r.Header.Set(requestIDHeader, id)
		h := w.Header()
		h.Set(requestIDHeader, id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// incoming lets through only what the services read.
func incoming(key string) (string, bool) {
	switch textproto.CanonicalMIMEHeaderKey(key) {
	case "X-Request-Id":
		return requestIDHeader, true
	case "Traceparent", "Tracestate":
		return strings.ToLower(key), true
	}
	return "", false // the authorization header is passed on by the gateway itself
}

func outgoing(string) (string, bool) { return "", false } // the id is set already

// readyWait bounds one readiness check.
const readyWait = 2 * time.Second

// readyz says whether requests can be served.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	answer, status := ask(r.Context(), s.o.Checks, s.o.Log)
	select {
	case <-s.closing:
		answer["server"], status = "stopping", http.StatusServiceUnavailable
	default:
	}
	answerReady(w, answer, status)
}

// Ready serves readiness alone, for the inner address and for processes that
// serve no requests.
func Ready(checks map[string]func(context.Context) error, log *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, status := ask(r.Context(), checks, log)
		answerReady(w, answer, status)
	}
}

// ErrStopping is what a check says of a process that was told to end: nothing
// is wrong, but no more requests should be sent to it.
var ErrStopping = errors.New("stopping")

// ask asks everything that the process depends on, at once.
func ask(ctx context.Context, checks map[string]func(context.Context) error, log *slog.Logger) (map[string]string, int) {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	answer, status := map[string]string{}, http.StatusOK
	for name, check := range checks {
		wg.Go(func() {
			err := check(ctx)
			mu.Lock()
			defer mu.Unlock()
			answer[name] = "ok"
			switch {
			case errors.Is(err, ErrStopping):
				answer[name], status = ErrStopping.Error(), http.StatusServiceUnavailable
			case err != nil:
				log.WarnContext(ctx, "not ready", "dependency", name, "error", err)
				answer[name], status = "not reachable", http.StatusServiceUnavailable
			}
		})
	}
	wg.Wait()
	return answer, status
}

func answerReady(w http.ResponseWriter, answer map[string]string, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // a caller that hung up
}
