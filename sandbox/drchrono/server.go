// Package drchronosim simulates DrChrono's REST API v4 as far as co-pays need
// it: OAuth2 with rotating refresh tokens, line items, appointments, patients,
// doctors, eligibility checks, patient payments, rate limits and webhooks.
package drchronosim

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// Config is one simulated practice and its API application.
type Config struct {
	ClientID      string // default sandbox-client
	ClientSecret  string // default sandbox-secret
	RefreshToken  string // first refresh token; default sandbox-refresh
	WebhookURL    string
	WebhookSecret string        // default sandbox-hook
	AccessLife    time.Duration // default 48 h
	// ListLag is how long lists do not show a new object.
	ListLag time.Duration
	// NoLimits switches off 10 calls a second and 500 an hour.
	NoLimits bool
	TimeZone string // of the office; default America/Chicago
}

// Server is the simulator. It is safe for concurrent use.
type Server struct {
	o       sim.Options
	cfg     Config
	faults  sim.Faults
	handler http.Handler

	mu       sync.Mutex
	next     int64
	refresh  string
	access   map[string]time.Time
	limits   map[int64]int // calls by second
	hourly   map[int64]int // calls by hour
	doctors  map[string]object
	patients map[string]object
	visits   map[string]object
	lines    map[string]object
	gone     []object // deleted line items
	checks   []object
	payments []object
	log      []object
}

// object is a resource as JSON sees it; amounts are json.Number.
type object map[string]any

// New makes a simulator with one doctor and no patients.
func New(o sim.Options, c Config) *Server {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&c.ClientID, "sandbox-client")
	def(&c.ClientSecret, "sandbox-secret")
	def(&c.RefreshToken, "sandbox-refresh")
	def(&c.WebhookSecret, "sandbox-hook")
	def(&c.TimeZone, "America/Chicago")
	if c.AccessLife == 0 {
		c.AccessLife = 48 * time.Hour
	}
	// Ids go on from the clock, so that a sandbox that was started again never
	// gives a number away twice.
	s := &Server{o: o, cfg: c, next: time.Now().Unix(), refresh: c.RefreshToken, access: map[string]time.Time{}, limits: map[int64]int{}, hourly: map[int64]int{},
		doctors: map[string]object{}, patients: map[string]object{}, visits: map[string]object{}, lines: map[string]object{}}
	s.doctors["310055"] = object{"id": 310055, "first_name": "Dana", "last_name": "Doctor", "specialty": "Family Medicine", "timezone": c.TimeZone, "practice_group": 4711}
	s.faults.Render = render
	mux := http.NewServeMux()
	mux.HandleFunc("POST /o/token/{$}", s.token)
	mux.Handle("/api/", s.authorized(s.routes()))
	s.handler = s.faults.Wrap(mux)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Faults are the misbehaviours that can be asked for.
func (s *Server) Faults() *sim.Faults { return &s.faults }

// SetWebhook changes where events go.
func (s *Server) SetWebhook(url, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.WebhookURL, s.cfg.WebhookSecret = url, secret
}

func (s *Server) routes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /api/users/current", s.currentUser)
	m.HandleFunc("GET /api/doctors/{id}", s.one(func() map[string]object { return s.doctors }))
	m.HandleFunc("GET /api/patients/{id}", s.one(func() map[string]object { return s.patients }))
	m.HandleFunc("GET /api/appointments/{id}", s.one(func() map[string]object { return s.visits }))
	m.HandleFunc("GET /api/appointments", s.listVisits)
	m.HandleFunc("GET /api/line_items/{id}", s.one(func() map[string]object { return s.lines }))
	m.HandleFunc("GET /api/line_items", s.listLines)
	m.HandleFunc("GET /api/line_item_deletions", s.listGone)
	m.HandleFunc("GET /api/eligibility_checks", s.listChecks)
	m.HandleFunc("GET /api/patient_payments", s.listPayments)
	m.HandleFunc("POST /api/patient_payments", s.createPayment)
	m.HandleFunc("GET /api/patient_payments/{id}", s.onePayment)
	m.HandleFunc("GET /api/patient_payment_log", s.listLog)
	return m
}

// token is the OAuth2 endpoint. Each use of a refresh token replaces it, and
// the old one is dead from then on.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		sim.WriteJSON(w, http.StatusBadRequest, object{"error": "invalid_request"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.PostForm.Get("client_id") != s.cfg.ClientID || r.PostForm.Get("client_secret") != s.cfg.ClientSecret:
		sim.WriteJSON(w, http.StatusUnauthorized, object{"error": "invalid_client"})
		return
	case r.PostForm.Get("grant_type") != "refresh_token":
		sim.WriteJSON(w, http.StatusBadRequest, object{"error": "unsupported_grant_type"})
		return
	case r.PostForm.Get("refresh_token") != s.refresh:
		sim.WriteJSON(w, http.StatusBadRequest, object{"error": "invalid_grant"})
		return
	}
	s.refresh = "refresh-" + s.nextID()
	access := "access-" + s.nextID()
	s.access[access] = time.Now().Add(s.cfg.AccessLife)
	sim.WriteJSON(w, http.StatusOK, object{"access_token": access, "refresh_token": s.refresh, "expires_in": int64(s.cfg.AccessLife / time.Second),
		"token_type": "Bearer", "scope": "user:read calendar:read patients:read billing:read billing:patient-payment:read billing:patient-payment:write"})
}

// ExpireAccess ends all access tokens.
func (s *Server) ExpireAccess() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.access)
}

// RevokeConsent ends the refresh token too: the practice must connect again.
func (s *Server) RevokeConsent() {
	s.ExpireAccess()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh = "revoked"
}

func (s *Server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tok, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		s.mu.Lock()
		until, known := s.access[tok]
		limited := known && s.limited()
		s.mu.Unlock()
		switch {
		case !ok || !known || time.Now().After(until):
			render(w, r, sim.FaultToken)
		case limited:
			render(w, r, sim.FaultRateLimit)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// limited counts a call and reports whether it is one too many: 10 a second
// and 500 in a clock hour.
func (s *Server) limited() bool {
	if s.cfg.NoLimits {
		return false
	}
	now := time.Now()
	s.limits[now.Unix()]++
	s.hourly[now.Unix()/3600]++
	return s.limits[now.Unix()] > 10 || s.hourly[now.Unix()/3600] > 500
}

// render writes DrChrono's error bodies.
func render(w http.ResponseWriter, _ *http.Request, k sim.FaultKind) {
	switch k {
	case sim.FaultRateLimit:
		sim.WriteJSON(w, http.StatusTooManyRequests, object{"detail": "Request was throttled."})
	case sim.FaultToken:
		sim.WriteJSON(w, http.StatusUnauthorized, object{"detail": "Authentication credentials were not provided."})
	default:
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func notFound(w http.ResponseWriter) {
	sim.WriteJSON(w, http.StatusNotFound, object{"detail": "Not found."})
}

func refuse(w http.ResponseWriter, field, msg string) {
	sim.WriteJSON(w, http.StatusBadRequest, object{field: []string{msg}})
}
