// Package availitysim simulates Availity's healthcare transactions: tokens of
// five minutes, what each payer requires, coverages that take time, claim
// statuses and the payer list. The demo scope gives made-up answers that are
// marked as such. Nothing of it is a real payer.
package availitysim

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// Config is one simulated application.
type Config struct {
	ClientID     string // default sandbox-client
	ClientSecret string // default sandbox-secret
	// Polls is how often a coverage is "in progress" or "retrying" before its
	// answer is there: default 2, -1 for an answer at once.
	Polls int
	// SlowFor is how long the slow payer takes, by the sandbox's clock;
	// default 45 s.
	SlowFor time.Duration
	// TokenLife is how long a token works, by the sandbox's clock; default 300 s.
	TokenLife time.Duration
	// RecordLife is how long a coverage is kept and given again to the same
	// request; default 24 h.
	RecordLife time.Duration
	// PerSecond and PerDay are the plan's limits; default 100 and 100,000.
	PerSecond int
	PerDay    int
	// NoLimits lifts both.
	NoLimits bool
}

func (c *Config) defaults() {
	text := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	number := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	span := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	text(&c.ClientID, "sandbox-client")
	text(&c.ClientSecret, "sandbox-secret")
	number(&c.Polls, 2)
	number(&c.PerSecond, 100)
	number(&c.PerDay, 100_000)
	span(&c.SlowFor, 45*time.Second)
	span(&c.TokenLife, 300*time.Second)
	span(&c.RecordLife, 24*time.Hour)
}

// Server is the simulator. It is safe for concurrent use.
type Server struct {
	o       sim.Options
	cfg     Config
	faults  sim.Faults
	handler http.Handler

	mu        sync.Mutex
	ids       int64
	tokens    map[string]token
	coverages map[string]*coverage
	bySubject map[string]*coverage // the latest record of each request
	claims    map[string]*claim
	scenarios map[string]Scenario // by member id, set by hand
	down      map[string]bool     // payers in maintenance
	second    quota
	day       quota
	calls     map[string]int // by method and route
}

type token struct {
	until time.Time
	demo  bool
}

// quota counts calls in the present second or day.
type quota struct {
	window int64
	n      int
}

func (q *quota) over(now time.Time, span time.Duration, limit int) bool {
	if w := now.UnixNano() / int64(span); w != q.window {
		*q = quota{window: w}
	}
	q.n++
	return q.n > limit
}

// New makes an application.
func New(o sim.Options, c Config) *Server {
	c.defaults()
	s := &Server{o: o, cfg: c, tokens: map[string]token{}, coverages: map[string]*coverage{}, bySubject: map[string]*coverage{}, claims: map[string]*claim{},
		scenarios: map[string]Scenario{}, down: map[string]bool{PayerMaintenance: true}, calls: map[string]int{}}
	s.faults.Render = func(w http.ResponseWriter, _ *http.Request, k sim.FaultKind) {
		switch k {
		case sim.FaultRateLimit:
			fail(w, http.StatusTooManyRequests, "Rate limit exceeded")
		case sim.FaultToken:
			fail(w, http.StatusUnauthorized, "The access token is invalid or has expired")
		default:
			fail(w, http.StatusInternalServerError, "An unexpected error occurred")
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/token", s.token)
	for route, h := range map[string]http.HandlerFunc{
		"GET /v1/configurations":         s.configurations,
		"GET /v1/availity-payer-list":    s.payerList,
		"POST /v1/coverages":             s.createCoverage,
		"GET /v1/coverages/{id}":         s.readCoverage,
		"DELETE /v1/coverages/{id}":      s.deleteCoverage,
		"POST /v1/claim-statuses":        s.findClaim,
		"GET /v1/claim-statuses/{id}":    s.readClaim,
		"DELETE /v1/claim-statuses/{id}": s.deleteClaim,
	} {
		mux.HandleFunc(route, s.authorized(route, h))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusNotFound, "Not Found") })
	s.handler = s.faults.Wrap(mux)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Faults are the misbehaviours that can be asked for.
func (s *Server) Faults() *sim.Faults { return &s.faults }

// id numbers things from 4711 on. The lock is held.
func (s *Server) id() string {
	s.ids++
	return fmt.Sprint(4710 + s.ids)
}

// product is the scope of the product; the other one names the plan.
const product = "healthcare-hipaa-transactions"

// token is POST /v1/token. Names and values are case sensitive.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code string) { sim.WriteJSON(w, status, map[string]string{"error": code}) }
	if !form(r) {
		refuse(http.StatusBadRequest, "invalid_request")
		return
	}
	f := r.PostForm
	scopes := strings.Fields(f.Get("scope"))
	demo, standard := slices.Contains(scopes, product+"-demo"), slices.Contains(scopes, product+"-standard")
	switch {
	case f.Get("grant_type") != "client_credentials":
		refuse(http.StatusBadRequest, "unsupported_grant_type")
		return
	case f.Get("client_id") != s.cfg.ClientID || f.Get("client_secret") != s.cfg.ClientSecret:
		refuse(http.StatusUnauthorized, "invalid_client")
		return
	case len(scopes) != 2 || !slices.Contains(scopes, product) || demo == standard:
		refuse(http.StatusBadRequest, "invalid_scope")
		return
	}
	s.mu.Lock()
	s.calls["POST /v1/token"]++
	t := "sandbox-token-" + s.id()
	s.tokens[t] = token{until: s.o.Time().Add(s.cfg.TokenLife), demo: demo}
	s.mu.Unlock()
	sim.WriteJSON(w, http.StatusOK, m{"access_token": t, "token_type": "Bearer", "expires_in": int(s.cfg.TokenLife / time.Second),
		"scope": f.Get("scope"), "consented_on": s.o.Time().Unix()})
}

// authorized lets a call with a live token through, within the plan's limits.
func (s *Server) authorized(route string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		now := s.o.Time()
		s.mu.Lock()
		t, known := s.tokens[bearer(r)]
		s.calls[route]++
		trace := s.id()
		over := s.second.over(now, time.Second, s.cfg.PerSecond)
		over = s.day.over(now, 24*time.Hour, s.cfg.PerDay) || over
		s.mu.Unlock()
		w.Header().Set("X-Availity-Transaction-ID", "av-"+trace)
		w.Header().Set("X-Global-Transaction-ID", "gl-"+trace)
		switch over = over && !s.cfg.NoLimits; {
		case !known || !now.Before(t.until):
			fail(w, http.StatusUnauthorized, "The access token is invalid or has expired")
			return
		case over:
			fail(w, http.StatusTooManyRequests, "Rate limit exceeded")
			return
		}
		if t.demo {
			w.Header().Set("X-Api-Mock-Response", "true")
		}
		if field := injected(r); field != "" {
			fail(w, http.StatusBadRequest, "Inbound injection detected", fieldError{field, "injection", "The value is not allowed"})
			return
		}
		next(w, r)
	}
}

// bearer is the access token of a call.
func bearer(r *http.Request) string {
	t, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return t
}

// form reads a form body; false for any other content.
func form(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") && r.ParseForm() == nil
}

// injected is the input filter: the first parameter with characters that look
// like code. Apostrophes and accents are people's names.
func injected(r *http.Request) string {
	all := []url.Values{r.URL.Query()}
	if form(r) {
		all = append(all, r.PostForm)
	}
	for _, values := range all {
		for k, vs := range values {
			for _, v := range vs {
				if strings.ContainsAny(v, "<>;|`\x00\r\n") || strings.Contains(strings.ToLower(v), "javascript:") {
					return k
				}
			}
		}
	}
	return ""
}

// m is a JSON object.
type m = map[string]any

type fieldError struct {
	Field   string `json:"field"`
	Code    string `json:"code"`
	Message string `json:"errorMessage"`
}

func fail(w http.ResponseWriter, status int, msg string, errs ...fieldError) {
	body := m{"userMessage": msg, "developerMessage": msg, "reasonCode": 0, "statusCode": status}
	if len(errs) > 0 {
		body["errors"] = errs
	}
	sim.WriteJSON(w, status, body)
}

// stamp writes dates as the platform does: ISO 8601 without a colon in the offset.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000+0000") }
