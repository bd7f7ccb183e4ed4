// Package codecserver decrypts payloads for the Temporal UI, and for nobody
// else: only an auditor or admin of every practice may ask (a payload does not
// say whose it is), only from the configured UI, and it is audited before the
// answer goes out: one row for a minute of reading, since the UI asks for each
// event of a page by itself.
package codecserver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/copayflow/copayflow/api/auth"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

// Audit keeps who read what.
type Audit interface {
	AppendAudit(ctx context.Context, e ledger.AuditEntry) error
}

// Options are the parts of the server.
type Options struct {
	Codec converter.PayloadCodec
	Auth  *auth.Authenticator
	Audit Audit
	// Practices are all that this installation serves: each one's audit chain
	// gets a row, and a caller must belong to all of them.
	Practices []copay.PracticeID
	// Origins are the addresses of the Temporal UI: "https://temporal.example".
	Origins []string
	// Insecure lets the session's cookie travel without TLS: development only.
	Insecure bool
	Now      func() time.Time // nil: the system's clock
	Log      *slog.Logger
}

type handler struct {
	Options

	mu    sync.Mutex
	until map[string]time.Time // to when an actor's act on a namespace or workflow is audited
}

// auditedFor is how long one audit row stands for.
const auditedFor = time.Minute

// maxBody bounds a page of payloads.
const maxBody = 8 << 20

// New serves POST /codec/decode, /codec/encode and the page /codec/session, on
// which a token is put into a cookie for a UI that sends none by itself.
func New(o Options) (http.Handler, error) {
	if o.Codec == nil || o.Auth == nil || o.Audit == nil || len(o.Practices) == 0 {
		return nil, errors.New("codecserver: it needs a codec, authentication, an audit log and the practices")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &handler{Options: o, until: map[string]time.Time{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /codec/decode", h.code("decode", o.Codec.Decode))
	mux.HandleFunc("POST /codec/encode", h.code("encode", o.Codec.Encode))
	mux.HandleFunc("GET /codec/session", h.form)
	mux.Handle("POST /codec/session", http.NewCrossOriginProtection().Handler(http.HandlerFunc(h.session)))
	return h.cors(mux), nil
}

// cors lets the UI in, with credentials, and no other page.
func (h *handler) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		w.Header().Add("Vary", "Origin")
		known := slices.Contains(h.Origins, origin)
		if known {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Allow-Credentials", "true")
		}
		if r.Method == http.MethodOptions {
			if known {
				w.Header().Set("Access-Control-Allow-Methods", "POST")
				w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Namespace")
				w.Header().Set("Access-Control-Max-Age", "600")
			}
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if origin != "" && !known && !strings.HasSuffix(r.URL.Path, "/session") {
			http.Error(w, "this page may not ask", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// code decrypts or encrypts payloads.
func (h *handler) code(what string, do func([]*commonpb.Payload) ([]*commonpb.Payload, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, ok := h.admit(w, r)
		if !ok {
			return
		}
		in, ok := read(w, r)
		if !ok {
			return
		}
		out, err := do(in.GetPayloads())
		if err != nil {
			h.Log.WarnContext(r.Context(), "codec: payloads cannot be turned", "act", what, "actor", who.ID, "error", err)
			http.Error(w, "the payloads cannot be "+what+"d with the configured keys", http.StatusBadRequest)
			return
		}
		if err := h.audit(r, what, who); err != nil {
			h.Log.ErrorContext(r.Context(), "codec: the audit log cannot be written", "error", err)
			http.Error(w, "the audit log cannot be written; nothing is shown", http.StatusServiceUnavailable)
			return
		}
		b, err := protojson.Marshal(&commonpb.Payloads{Payloads: out})
		if err != nil {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(b) // a reader that went away
	}
}

func read(w http.ResponseWriter, r *http.Request) (*commonpb.Payloads, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		http.Error(w, "too many payloads at once", http.StatusRequestEntityTooLarge)
		return nil, false
	}
	in := &commonpb.Payloads{}
	if err != nil || protojson.Unmarshal(body, in) != nil {
		http.Error(w, "the body is not a list of payloads", http.StatusBadRequest)
		return nil, false
	}
	return in, true
}

const notTheirs = "payloads are shown to auditors and admins of all practices only"

// admit verifies the caller by header or, from the UI, by the session's cookie.
func (h *handler) admit(w http.ResponseWriter, r *http.Request) (copay.Actor, bool) {
	header := r.Header.Get("Authorization")
	// The UI sends "Bearer" alone when it has no token.
	if _, token, _ := strings.Cut(header, " "); strings.TrimSpace(token) == "" {
		header = ""
		if c, err := r.Cookie(cookie); err == nil && slices.Contains(h.Origins, r.Header.Get("Origin")) {
			header = "Bearer " + c.Value
		}
	}
	who, err := h.allowed(r.Context(), header)
	var no *auth.Error
	switch {
	case errors.As(err, &no) && no.Later:
		http.Error(w, no.Message, http.StatusServiceUnavailable)
	case err != nil:
		http.Error(w, err.Error()+"; or open /codec/session on this server", http.StatusUnauthorized)
	case who == nil:
		http.Error(w, notTheirs, http.StatusForbidden)
	default:
		return who.Actor, true
	}
	return copay.Actor{}, false
}

// allowed returns the caller, or nil when they may not read payloads.
func (h *handler) allowed(ctx context.Context, header string) (*auth.Principal, error) {
	who, err := h.Auth.Authenticate(ctx, header)
	if err != nil {
		return nil, err
	}
	if !who.Actor.Has(copay.RoleAuditor, copay.RoleAdmin) {
		return nil, nil
	}
	for _, p := range h.Practices {
		if !who.May(p) {
			return nil, nil
		}
	}
	return &who, nil
}

// audit notes the act in every practice's chain, unless a row of the last
// minute says it already.
func (h *handler) audit(r *http.Request, what string, who copay.Actor) error {
	h.mu.Lock()
	defer h.mu.Unlock() // also over the writing: nobody is answered on a row that failed
	now := h.Now()
	for act, end := range h.until {
		if !now.Before(end) {
			delete(h.until, act)
		}
	}
	detail := map[string]string{"namespace": short(r.Header.Get("X-Namespace")), "until": now.Add(auditedFor).UTC().Format(time.RFC3339)}
	if id := r.Header.Get("X-Workflow-Id"); id != "" {
		detail["workflow"] = short(id)
	}
	act := strings.Join([]string{what, who.ID, detail["namespace"], detail["workflow"]}, "\x00")
	if _, known := h.until[act]; known {
		return nil
	}
	for _, p := range h.Practices {
		if err := h.Audit.AppendAudit(r.Context(), ledger.AuditEntry{Practice: p, Actor: who, Action: "payloads." + what, Detail: detail}); err != nil {
			return err
		}
	}
	h.until[act] = now.Add(auditedFor)
	return nil
}

// short bounds text from outside that is kept.
func short(s string) string { return s[:min(len(s), 200)] }
