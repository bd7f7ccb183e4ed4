// Package sendgridsim simulates the part of SendGrid's v3 API that a sender
// of transactional mail meets: mail/send with its validation, suppressions,
// the email activity, and the signed event webhook. Its state lives in
// memory; its clock is the sandbox's.
package sendgridsim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// The account of a simulator that is given no other.
const (
	DefaultAPIKey = "SG.sandbox.key"
	DefaultSender = "billing@maple.example"
	DefaultGroup  = 1
)

// Config sets a simulator up; empty fields take the defaults above.
type Config struct {
	APIKey string
	// Scopes are what the key may do; everything when empty.
	Scopes []string
	// VerifiedFrom is the verified sender; MoreSenders are further ones, or
	// authenticated domains such as "@lakeside.example".
	VerifiedFrom string
	MoreSenders  []string
	// Groups are the suppression groups of the account.
	Groups     []int
	WebhookURL string
	// BatchEvery is how long events are gathered for one post of the webhook:
	// 30 s at the platform; 0 posts each mail's at once.
	BatchEvery time.Duration
	// NoEvents leaves mails where they are; Deliver moves them.
	NoEvents bool
	// EmailActivity says that the add-on of that name is bought.
	EmailActivity bool
	// RateLimit is how many calls a minute each path but mail/send takes: 600
	// when zero. SendLimit is the same of mail/send: 600,000.
	RateLimit, SendLimit int
}

var allScopes = []string{"mail.send", "mail.batch.create", "email_activity.read", "suppression.read", "suppression.create", "suppression.delete",
	"asm.groups.read", "user.webhooks.event.settings.read", "sender_verification_eligible", "2fa_required"}

// Server is one simulated account. It is safe for concurrent use.
type Server struct {
	o       sim.Options
	cfg     Config
	key     *ecdsa.PrivateKey
	faults  *sim.Faults
	handler http.Handler

	mu         sync.Mutex
	messages   []*message // oldest first
	suppressed map[string]map[string]suppression
	windows    map[string]*window
	disorder   int
	hooks      sim.Gather[event]
}

// New makes an account with a signing key of its own.
func New(o sim.Options, c Config) *Server {
	for into, text := range map[*string]string{&c.APIKey: DefaultAPIKey, &c.VerifiedFrom: DefaultSender} {
		if *into == "" {
			*into = text
		}
	}
	for into, n := range map[*int]int{&c.RateLimit: 600, &c.SendLimit: 600_000} {
		if *into == 0 {
			*into = n
		}
	}
	if len(c.Scopes) == 0 {
		c.Scopes = allScopes
	}
	if len(c.Groups) == 0 {
		c.Groups = []int{DefaultGroup}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the system has no randomness
	}
	s := &Server{o: o, cfg: c, key: key, suppressed: map[string]map[string]suppression{}, windows: map[string]*window{}}
	s.hooks = sim.Gather[event]{Every: c.BatchEvery, Flush: s.sendBatch}
	s.faults = &sim.Faults{Render: s.renderFault}
	s.handler = s.faults.Wrap(s.guard(s.routes()))
	return s
}

// Flush posts the events that wait for their batch.
func (s *Server) Flush() { s.hooks.Now() }

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern, scope string, h http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if scope != "" && !slices.Contains(s.cfg.Scopes, scope) {
				fail(w, http.StatusForbidden, "", "access forbidden")
				return
			}
			h(w, r)
		})
	}
	handle("POST /v3/mail/send", "mail.send", s.send)
	handle("GET /v3/scopes", "", func(w http.ResponseWriter, _ *http.Request) {
		sim.WriteJSON(w, http.StatusOK, map[string]any{"scopes": s.cfg.Scopes})
	})
	handle("GET /v3/messages", "email_activity.read", s.listActivity)
	handle("GET /v3/messages/{id}", "email_activity.read", s.oneActivity)
	s.suppressionRoutes(handle)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { elsewhere(mux, w, r) })
	return mux
}

// elsewhere refuses what no operation takes: a path that is known by another
// method, or not at all.
func elsewhere(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "/" {
			fail(w, http.StatusMethodNotAllowed, "", "method not allowed")
			return
		}
	}
	fail(w, http.StatusNotFound, "", "not found")
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Faults is where misbehaviour is asked for.
func (s *Server) Faults() *sim.Faults { return s.faults }

// SetWebhook changes where events go.
func (s *Server) SetWebhook(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.WebhookURL = url
}

// PublicKey is the webhook's public key as the console shows it: base64 of
// the DER form.
func (s *Server) PublicKey() string {
	der, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	if err != nil {
		panic(err) // a key on P-256 always has a DER form
	}
	return base64.StdEncoding.EncodeToString(der)
}

// guard checks the key and counts calls; the rate headers stand on every answer.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		within := s.count(w.Header(), r.URL.Path)
		s.mu.Unlock()
		switch {
		case r.Header.Get("Authorization") != "Bearer "+s.cfg.APIKey:
			fail(w, http.StatusUnauthorized, "", "The provided authorization grant is invalid, expired, or revoked")
		case !within:
			fail(w, http.StatusTooManyRequests, "", "too many requests")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// window counts the calls of one path in one minute.
type window struct {
	minute time.Time
	n      int
}

// count writes the rate headers and reports whether the call is within the limit.
func (s *Server) count(h http.Header, path string) bool {
	limit := s.cfg.RateLimit
	if path == "/v3/mail/send" {
		limit = s.cfg.SendLimit
	}
	minute := s.o.Time().Truncate(time.Minute)
	win := s.windows[path]
	if win == nil || !win.minute.Equal(minute) {
		win = &window{minute: minute}
		s.windows[path] = win
	}
	win.n++
	setRate(h, limit, max(limit-win.n, 0), minute.Add(time.Minute))
	return win.n <= limit
}

func setRate(h http.Header, limit, remaining int, reset time.Time) {
	h.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(reset.Unix(), 10))
}

// renderFault writes the platform's own bodies of throttling, failure and a
// key that was deleted.
func (s *Server) renderFault(w http.ResponseWriter, _ *http.Request, k sim.FaultKind) {
	switch k {
	case sim.FaultRateLimit:
		setRate(w.Header(), s.cfg.RateLimit, 0, s.o.Time().Add(2*time.Second))
		fail(w, http.StatusTooManyRequests, "", "too many requests")
	case sim.FaultToken:
		fail(w, http.StatusUnauthorized, "", "The provided authorization grant is invalid, expired, or revoked")
	default:
		fail(w, http.StatusInternalServerError, "", "internal server error")
	}
}

// fail writes an error body; an error about no field in particular has null.
func fail(w http.ResponseWriter, status int, field, message string) {
	var about any
	if field != "" {
		about = field
	}
	sim.WriteJSON(w, status, map[string]any{"errors": []any{map[string]any{"message": message, "field": about, "help": nil}}})
}

// newID makes an id of n random bytes in the alphabet of URLs.
func newID(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
