package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// makeHTTP mounts REST and what stands beside it.
func (s *Server) makeHTTP() (http.Handler, error) {
	gateway := runtime.NewServeMux(
		runtime.WithIncomingHeaderMatcher(incoming), runtime.WithOutgoingHeaderMatcher(outgoing), runtime.WithDisablePathLengthFallback(),
		runtime.WithErrorHandler(unreadable), runtime.WithRoutingErrorHandler(nowhere), runtime.WithMarshalerOption(runtime.MIMEWildcard, strictJSON))
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

// strictJSON is the gateway's JSON, but refuses fields there are not: a mistake
// in the name of one that may be left out would be taken for silence.
var strictJSON = &runtime.JSONPb{MarshalOptions: protojson.MarshalOptions{EmitUnpopulated: true}}

// strictQuery refuses parameters there are not, as bodies refuse such fields: a
// filter with a mistake in its name would list everything.
type strictQuery struct{ runtime.DefaultQueryParser }

// Parse implements runtime.QueryParameterParser.
func (q *strictQuery) Parse(m proto.Message, values url.Values, filter *utilities.DoubleArray) error {
	d := m.ProtoReflect().Descriptor()
	if !ours(d) {
		return q.DefaultQueryParser.Parse(m, values, filter)
	}
	fields := d.Fields()
	for key := range values {
		name, _, _ := strings.Cut(key, ".")
		name, _, _ = strings.Cut(name, "[")
		if fields.ByTextName(name) == nil && fields.ByJSONName(name) == nil {
			return fmt.Errorf("there is no parameter %q", name)
		}
	}
	return q.DefaultQueryParser.Parse(m, values, filter)
}

// ours reports whether a message is of our API. Temporal's UI, which runs in the
// same process on a laptop, has a gateway of its own and sends parameters that
// its server does not know.
func ours(d protoreflect.MessageDescriptor) bool {
	return d.ParentFile().Package() == (*copayv1.CoPay)(nil).ProtoReflect().Descriptor().ParentFile().Package()
}

// The gateway has one for the whole process.
func init() { runtime.SetQueryParameterParser(&strictQuery{})(nil) }

// unreadable says of a body that is no JSON, or has fields nobody knows, what
// it is; the gateway gives the parser's words alone.
func unreadable(ctx context.Context, mux *runtime.ServeMux, m runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	if st := status.Convert(err); st.Code() == codes.InvalidArgument && len(st.Details()) == 0 {
		err = status.Error(codes.InvalidArgument, "the request cannot be read: "+st.Message()+"; /openapi.json describes it")
	}
	runtime.DefaultHTTPErrorHandler(ctx, mux, m, w, r, err)
}

// nowhere says of an address that leads nowhere, or not by this method, where
// to look; the gateway calls a wrong method "not implemented".
func nowhere(ctx context.Context, mux *runtime.ServeMux, m runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
	var err error
	switch code {
	case http.StatusNotFound:
		err = status.Error(codes.NotFound, "there is nothing at this address; /openapi.json describes what there is")
	case http.StatusMethodNotAllowed:
		err = status.Error(codes.Unimplemented, "there is no such act or method at this address; /openapi.json describes what there is")
	default:
		runtime.DefaultRoutingErrorHandler(ctx, mux, m, w, r, code)
		return
	}
	runtime.DefaultHTTPErrorHandler(ctx, mux, m, w, r, &runtime.HTTPStatusError{HTTPStatus: code, Err: err})
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

// rest refuses addresses that are no text, bounds bodies and lifts the write
// timeout of streams.
func rest(next *runtime.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// What cannot be unescaped at all is left to the gateway.
		if query, err := url.QueryUnescape(r.URL.RawQuery); err == nil && !utf8.ValidString(r.URL.Path+query) {
			_, m := runtime.MarshalerForRequest(next, r)
			unreadable(r.Context(), next, m, w, r, status.Error(codes.InvalidArgument, "the address is not UTF-8"))
			return
		}
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
			if err != nil {
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
