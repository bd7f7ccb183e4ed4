// Package drchronosim simulates DrChrono's REST API v4 as far as co-pays need
// it: OAuth2 with rotating refresh tokens, line items, appointments, patients,
// doctors, eligibility checks, patient payments, rate limits and webhooks.
package drchronosim

import (
	"net/http"
	"slices"
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
	// Scopes are those of the first refresh token; default DefaultScopes.
	Scopes []string
	// RedirectURIs are those registered for the application.
	RedirectURIs []string
	// ListLag is how long lists do not show a new line item or payment.
	ListLag time.Duration
	// NoLimits switches off the limits: BurstLimit calls within a second
	// (default 10) are one too many, and so are more than HourLimit in a clock
	// hour (default 500).
	NoLimits              bool
	BurstLimit, HourLimit int
	TimeZone              string // of the office; default America/Chicago
}

// Server is the simulator. It is safe for concurrent use.
type Server struct {
	o       sim.Options
	cfg     Config
	faults  sim.Faults
	handler http.Handler

	mu       sync.Mutex
	next     int64
	refresh  grant
	codes    map[string]grant
	access   map[string]grant
	recent   []time.Time    // calls of the last second
	hourly   map[int64]int  // calls by hour
	moved    map[string]int // redirects to come, by method and path
	doctors  map[string]object
	patients map[string]object
	visits   map[string]object
	lines    map[string]object
	gone     []object // deleted line items
	remits   []object // rows of remittances
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
	if c.Scopes == nil {
		c.Scopes = DefaultScopes()
	}
	if c.BurstLimit == 0 {
		c.BurstLimit = 10
	}
	if c.HourLimit == 0 {
		c.HourLimit = 500
	}
	// Ids go on from the clock, so that a sandbox that was started again never
	// gives a number away twice.
	s := &Server{o: o, cfg: c, next: time.Now().Unix(), refresh: grant{token: c.RefreshToken, scopes: c.Scopes}, codes: map[string]grant{}, access: map[string]grant{},
		hourly: map[int64]int{}, moved: map[string]int{}, doctors: map[string]object{}, patients: map[string]object{}, visits: map[string]object{}, lines: map[string]object{}}
	s.doctors["310055"] = object{"id": 310055, "first_name": "Dana", "last_name": "Doctor", "specialty": "Family Medicine", "timezone": c.TimeZone, "practice_group": "4711"}
	s.faults.Render = render
	mux := http.NewServeMux()
	mux.HandleFunc("/o/authorize/{$}", s.authorize)
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
	m.HandleFunc("GET /api/users/{id}", s.user)
	m.HandleFunc("GET /api/doctors", s.listDoctors)
	m.HandleFunc("GET /api/doctors/{id}", s.one(func() map[string]object { return s.doctors }))
	m.HandleFunc("GET /api/patients", s.listPatients)
	m.HandleFunc("GET /api/patients/{id}", s.one(func() map[string]object { return s.patients }))
	m.HandleFunc("GET /api/appointments/{id}", s.one(func() map[string]object { return s.visits }))
	m.HandleFunc("GET /api/appointments", s.listVisits)
	m.HandleFunc("GET /api/line_items/{id}", s.one(func() map[string]object { return s.lines }))
	m.HandleFunc("GET /api/line_items", s.listLines)
	m.HandleFunc("GET /api/line_item_deletions", s.listGone)
	m.HandleFunc("GET /api/transactions", s.listRemits)
	m.HandleFunc("GET /api/eligibility_checks", s.listChecks)
	m.HandleFunc("GET /api/eligibility_checks/{id}", s.oneCheck())
	m.HandleFunc("GET /api/patient_payments", s.listPayments)
	m.HandleFunc("POST /api/patient_payments", s.createPayment)
	m.HandleFunc("GET /api/patient_payments/{id}", s.onePayment)
	m.HandleFunc("GET /api/patient_payment_log", s.listLog)
	return m
}

func (s *Server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tok, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		s.mu.Lock()
		g, known := s.access[tok]
		limited := known && s.limited(time.Now())
		key := r.Method + " " + r.URL.Path
		moved := known && !limited && s.moved[key] > 0
		if moved {
			s.moved[key]--
		}
		s.mu.Unlock()
		switch {
		case !ok || !known || time.Now().After(g.until):
			render(w, r, sim.FaultToken)
		case limited:
			render(w, r, sim.FaultRateLimit)
		case moved:
			w.Header().Set("Location", s.base(r)+r.URL.RequestURI())
			w.WriteHeader(http.StatusFound)
		case !g.may(r):
			sim.WriteJSON(w, http.StatusForbidden, object{"detail": "You do not have permission to perform this action."})
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// Redirect answers the next calls of a method and path with a 302 to the very
// address that was called, as some of the platform's endpoints do.
func (s *Server) Redirect(method, path string, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved[method+" "+path] += times
}

// limited counts a call and reports whether it is one too many.
func (s *Server) limited(now time.Time) bool {
	if s.cfg.NoLimits {
		return false
	}
	s.recent = slices.DeleteFunc(s.recent, func(t time.Time) bool { return now.Sub(t) >= time.Second })
	hour := now.Unix() / 3600
	if len(s.recent)+1 >= s.cfg.BurstLimit || s.hourly[hour] >= s.cfg.HourLimit {
		return true
	}
	s.recent = append(s.recent, now)
	s.hourly[hour]++
	return false
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
