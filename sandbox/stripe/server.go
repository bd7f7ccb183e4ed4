// Package stripesim simulates the part of Stripe (API version 2023-10-16)
// that a practice collecting co-pays meets: customers and test cards, payment
// intents, Checkout with a hosted page, refunds, disputes, invoices, balance
// transactions, events and webhooks. Its state lives in memory; its clock is
// the sandbox's. It implements a subset of the parameters and refuses all
// others as unknown.
package stripesim

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// APIVersion is the only version the simulator speaks.
const APIVersion = "2023-10-16"

// Config sets a simulator up.
type Config struct {
	// SecretKey is the only key accepted; empty accepts every sk_test_ and
	// rk_test_ key.
	SecretKey string
	// WebhookURL and WebhookSecret make one endpoint. WebhookEvents are its
	// enabled_events: all when empty.
	WebhookURL    string
	WebhookSecret string
	WebhookEvents []string
	// Merchant is shown on hosted pages.
	Merchant string
	// SearchLag is how long the search does not see an object: a minute when
	// zero, none when negative.
	SearchLag time.Duration
	// BankDelay is how long a bank debit is processing: four days when zero.
	BankDelay time.Duration
}

type endpoint struct {
	url, secret string
	enabled     []string // event types; all when empty
}

func (e endpoint) wants(kind string) bool {
	return len(e.enabled) == 0 || slices.Contains(e.enabled, kind)
}

// Server is one simulated account. It is safe for concurrent use.
type Server struct {
	o       sim.Options
	cfg     Config
	faults  *sim.Faults
	handler http.Handler
	api     *router

	flight flights

	mu        sync.Mutex
	endpoints []endpoint
	keys      map[string]*keyRecord
	breakNext int
	queue     dueQueue

	customers table[*customer]
	methods   table[*paymentMethod]
	intents   table[*intent]
	charges   table[*charge]
	sessions  table[*session]
	refunds   table[*refund]
	disputes  table[*dispute]
	invoices  table[*invoice]
	items     table[*invoiceItem]
	txns      table[*txn]
	payouts   table[*payout]
	events    table[*event]
}

// New makes a simulator.
func New(o sim.Options, c Config) *Server {
	if c.Merchant == "" {
		c.Merchant = "Sandbox Practice"
	}
	switch {
	case c.SearchLag == 0:
		c.SearchLag = time.Minute
	case c.SearchLag < 0:
		c.SearchLag = 0
	}
	if c.BankDelay == 0 {
		c.BankDelay = 4 * 24 * time.Hour
	}
	s := &Server{o: o, cfg: c, keys: map[string]*keyRecord{}, flight: flights{busy: map[string]bool{}}}
	if c.WebhookURL != "" {
		s.endpoints = []endpoint{{url: c.WebhookURL, secret: c.WebhookSecret, enabled: c.WebhookEvents}}
	}
	s.faults = &sim.Faults{Render: renderFault}
	s.api = routes()
	api := s.flight.guard(s.faults.Wrap(http.HandlerFunc(s.serveAPI)))
	pages := s.faults.Wrap(http.HandlerFunc(s.servePage))
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			api.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Faults is where misbehaviour is asked for. Its server fault is the one of a
// gateway: nothing runs and nothing is kept under the idempotency key; for a
// failure that is kept and replayed see BreakNext.
func (s *Server) Faults() *sim.Faults { return s.faults }

// SetWebhook replaces all endpoints by one.
func (s *Server) SetWebhook(url, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = []endpoint{{url: url, secret: secret}}
}

// AddWebhook adds an endpoint, for a second practice on the same account.
func (s *Server) AddWebhook(url, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = append(s.endpoints, endpoint{url: url, secret: secret})
}

// BreakNext makes the next n writes that carry an idempotency key fail with a
// server error during execution, before any effect. Such an error is kept
// and replayed under the key for a day.
func (s *Server) BreakNext(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breakNext += n
}

func (s *Server) now() time.Time { return s.o.Time().UTC() }

// serveAPI authenticates, routes and runs one call under the lock.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	reqID := newID("req_")
	w.Header().Set("Request-Id", reqID)
	w.Header().Set("Stripe-Version", APIVersion)
	if e := s.authenticate(r); e != nil {
		e.write(w)
		return
	}
	if account := r.Header.Get("Stripe-Account"); account != "" {
		(&apiError{status: http.StatusForbidden, Type: "invalid_request_error", Code: "account_invalid",
			Message: "The provided key does not have access to account '" + account + "' (or that account does not exist). Application access may have been revoked."}).write(w)
		return
	}
	if v := r.Header.Get("Stripe-Version"); v != "" && v != APIVersion {
		invalid("", "", "Invalid Stripe API version: %s", v).write(w)
		return
	}
	rt, vars, e := s.api.find(r.Method, r.URL.Path)
	if e != nil {
		e.write(w)
		return
	}
	p, e := readParams(r)
	if e != nil {
		e.write(w)
		return
	}
	c := &call{s: s, vars: vars, p: p, requestID: reqID}
	if r.Method == http.MethodPost {
		c.key = r.Header.Get("Idempotency-Key")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	s.answer(w, r, rt, c)
}

// authenticate takes the key as bearer token or as basic-auth user.
func (s *Server) authenticate(r *http.Request) *apiError {
	key, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		key, _, _ = r.BasicAuth()
	}
	if key == "" {
		return &apiError{status: http.StatusUnauthorized, Type: "invalid_request_error",
			Message: "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."}
	}
	ok := strings.HasPrefix(key, "sk_test_") || strings.HasPrefix(key, "rk_test_")
	if !ok || (s.cfg.SecretKey != "" && key != s.cfg.SecretKey) {
		return &apiError{status: http.StatusUnauthorized, Type: "invalid_request_error", Message: "Invalid API Key provided: " + maskKey(key)}
	}
	return nil
}

func maskKey(key string) string {
	if len(key) < 12 {
		return "****"
	}
	return key[:8] + "****" + key[len(key)-4:]
}

// renderFault writes the platform's own bodies of throttling, failure and a
// key that was rolled.
func renderFault(w http.ResponseWriter, _ *http.Request, k sim.FaultKind) {
	w.Header().Set("Request-Id", newID("req_"))
	switch k {
	case sim.FaultRateLimit:
		(&apiError{status: http.StatusTooManyRequests, Type: "invalid_request_error", Code: "rate_limit",
			Message: "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits."}).write(w)
	case sim.FaultToken:
		(&apiError{status: http.StatusUnauthorized, Type: "invalid_request_error", Code: "api_key_expired",
			Message: "Expired API Key provided: sk_test_****"}).write(w)
	default:
		serverError().write(w)
	}
}
