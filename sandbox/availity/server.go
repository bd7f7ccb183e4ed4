// Package availitysim simulates Availity's demo plan: tokens of five minutes,
// payer configurations, coverages that take time, and a set of members whose
// plans differ. Nothing of it is a real payer.
package availitysim

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// Config is one simulated application.
type Config struct {
	ClientID     string // default sandbox-client
	ClientSecret string // default sandbox-secret
	// Polls is how often a coverage answers "in progress" before it is
	// complete; -1: it is complete at once.
	Polls     int
	TokenLife time.Duration // default 300 s
}

// The demo payers. PayerMaintenance answers 503; PayerStrict requires the
// patient's birth date and gender.
const (
	PayerA           = "100000001"
	PayerB           = "100000002"
	PayerMaintenance = "100000503"
	PayerStrict      = "100000019"
)

// Member ids choose the plan by their prefix.
const (
	MemberCoPay      = "COP" // one co-pay of $25
	MemberTwoRows    = "TWO" // $25 primary care, $40 specialist
	MemberInactive   = "INA"
	MemberMedicaid   = "MCD"
	MemberQMB        = "QMB"
	MemberSecondary  = "SEC" // $25, and a second plan
	MemberDeductible = "DED" // $60 deductible left, then 20 %
	MemberRejected   = "REJ" // the payer does not know the member
	MemberNever      = "NEV" // never answers
	MemberSilent     = "SIL" // the payer does not respond in time
)

// Server is the simulator. It is safe for concurrent use.
type Server struct {
	o       sim.Options
	cfg     Config
	faults  sim.Faults
	handler http.Handler

	mu        sync.Mutex
	n         int64
	tokens    map[string]time.Time
	coverages map[string]*coverage
	bySubject map[string]*coverage
}

type coverage struct {
	id    string
	form  url.Values
	reads int
	made  time.Time
}

// New makes an application.
func New(o sim.Options, c Config) *Server {
	if c.ClientID == "" {
		c.ClientID = "sandbox-client"
	}
	if c.ClientSecret == "" {
		c.ClientSecret = "sandbox-secret"
	}
	if c.TokenLife == 0 {
		c.TokenLife = 300 * time.Second
	}
	s := &Server{o: o, cfg: c, tokens: map[string]time.Time{}, coverages: map[string]*coverage{}, bySubject: map[string]*coverage{}}
	s.faults.Render = func(w http.ResponseWriter, _ *http.Request, k sim.FaultKind) {
		switch k {
		case sim.FaultRateLimit:
			fail(w, http.StatusTooManyRequests, "Rate limit exceeded", "")
		case sim.FaultToken:
			fail(w, http.StatusUnauthorized, "Unauthorized", "")
		default:
			fail(w, http.StatusInternalServerError, "Internal error", "")
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/token", s.token)
	mux.HandleFunc("GET /v1/configurations", s.authorized(s.configurations))
	mux.HandleFunc("POST /v1/coverages", s.authorized(s.create))
	mux.HandleFunc("GET /v1/coverages/{id}", s.authorized(s.read))
	mux.HandleFunc("DELETE /v1/coverages/{id}", s.authorized(s.remove))
	s.handler = s.faults.Wrap(mux)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Faults are the misbehaviours that can be asked for.
func (s *Server) Faults() *sim.Faults { return &s.faults }

// ExpireTokens ends all access tokens.
func (s *Server) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Checks is how many coverages were asked for.
func (s *Server) Checks() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.coverages)
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.PostForm.Get("grant_type") != "client_credentials" {
		sim.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
		return
	}
	if r.PostForm.Get("client_id") != s.cfg.ClientID || r.PostForm.Get("client_secret") != s.cfg.ClientSecret {
		sim.WriteJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	if r.PostForm.Get("scope") != "healthcare-hipaa-transactions healthcare-hipaa-transactions-demo" {
		sim.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_scope"})
		return
	}
	s.mu.Lock()
	s.n++
	tok := fmt.Sprintf("demo-token-%d", s.n)
	s.tokens[tok] = time.Now().Add(s.cfg.TokenLife)
	s.mu.Unlock()
	sim.WriteJSON(w, http.StatusOK, map[string]any{"access_token": tok, "token_type": "Bearer", "expires_in": int(s.cfg.TokenLife / time.Second),
		"scope": r.PostForm.Get("scope"), "consented_on": time.Now().Unix()})
}

func (s *Server) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		tok, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		s.mu.Lock()
		until, ok := s.tokens[tok]
		s.n++
		tx := strconv.FormatInt(s.n, 10)
		s.mu.Unlock()
		if !ok || time.Now().After(until) {
			fail(w, http.StatusUnauthorized, "The access token is invalid or expired", "")
			return
		}
		w.Header().Set("X-Api-Mock-Response", "true")
		w.Header().Set("X-Global-Transaction-ID", tx)
		next(w, r)
	}
}

func fail(w http.ResponseWriter, status int, msg, field string) {
	body := map[string]any{"userMessage": msg, "developerMessage": msg, "reasonCode": 0, "statusCode": status}
	if field != "" {
		body["errors"] = []any{map[string]any{"field": field, "code": "invalid", "errorMessage": msg}}
	}
	sim.WriteJSON(w, status, body)
}

// required are the fields a payer wants in a 270.
func required(payer string) []string {
	base := []string{"payerId", "providerNpi", "asOfDate", "serviceType", "memberId", "patientLastName"}
	if payer == PayerStrict {
		return append(base, "patientBirthDate", "patientGender")
	}
	return append(base, "patientBirthDate")
}

func (s *Server) configurations(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("type") != "270" {
		fail(w, http.StatusBadRequest, "type is required", "type")
		return
	}
	payers := []string{PayerA, PayerB, PayerMaintenance, PayerStrict}
	if p := q.Get("payerId"); p != "" {
		payers = []string{p}
	}
	var list []any
	for _, p := range payers {
		elements := map[string]any{}
		for _, f := range required(p) {
			elements[f] = map[string]any{"required": true, "allowed": true, "type": "Text"}
		}
		for _, f := range []string{"patientFirstName", "patientGender", "groupNumber", "patientState", "subscriberRelationship"} {
			if elements[f] == nil {
				elements[f] = map[string]any{"required": false, "allowed": true, "type": "Text"}
			}
		}
		list = append(list, map[string]any{"type": "270", "payerId": p, "payerName": "MOCK PAYER", "elements": elements})
	}
	sim.WriteJSON(w, http.StatusOK, map[string]any{"totalCount": len(list), "count": len(list), "offset": 0, "limit": 50, "links": map[string]any{}, "configurations": list})
}

// fields are all that a coverage request may name.
var fields = map[string]bool{"payerId": true, "providerNpi": true, "providerLastName": true, "providerFirstName": true, "providerType": true, "providerTaxId": true,
	"payerAssignedProviderId": true, "providerSpecialty": true, "placeOfService": true, "submitterId": true, "asOfDate": true, "toDate": true, "serviceType": true,
	"procedureCode": true, "memberId": true, "patientLastName": true, "patientFirstName": true, "patientMiddleName": true, "patientBirthDate": true, "patientGender": true,
	"patientState": true, "patientZipCode": true, "groupNumber": true, "subscriberRelationship": true, "medicaidId": true, "patientAccountNumber": true}

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") || r.ParseForm() != nil {
		fail(w, http.StatusBadRequest, "The request must be a form", "")
		return
	}
	f := r.PostForm
	for k, vs := range f {
		if !fields[k] {
			fail(w, http.StatusBadRequest, "Unknown field", k)
			return
		}
		if strings.ContainsAny(vs[0], "<>;|`") { // the input filter
			fail(w, http.StatusBadRequest, "Inbound injection", k)
			return
		}
	}
	payer := f.Get("payerId")
	switch payer {
	case PayerA, PayerB, PayerStrict:
	case PayerMaintenance:
		fail(w, http.StatusServiceUnavailable, "The payer is in its maintenance window", "")
		return
	default:
		fail(w, http.StatusBadRequest, "Unknown payer", "payerId")
		return
	}
	if _, err := time.Parse(time.DateOnly, f.Get("asOfDate")); err != nil {
		fail(w, http.StatusBadRequest, "asOfDate must be YYYY-MM-DD", "asOfDate")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	subject := f.Encode()
	c, again := s.bySubject[subject]
	if !again || s.o.Time().Sub(c.made) > 24*time.Hour {
		s.n++
		c = &coverage{id: strconv.FormatInt(4711+s.n, 10), form: f, made: s.o.Time()}
		s.coverages[c.id], s.bySubject[subject] = c, c
	}
	status := http.StatusAccepted
	if s.code(c) == "4" {
		status = http.StatusOK
	}
	sim.WriteJSON(w, status, s.view(c))
}

func (s *Server) read(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.coverages[r.PathValue("id")]
	if !ok {
		fail(w, http.StatusNotFound, "No such coverage", "")
		return
	}
	c.reads++
	status := http.StatusOK
	if code := s.code(c); code == "0" || code == "R1" {
		status = http.StatusAccepted
	}
	sim.WriteJSON(w, status, s.view(c))
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.coverages, r.PathValue("id"))
	w.WriteHeader(http.StatusNoContent)
}

// code is how far a coverage is.
func (s *Server) code(c *coverage) string {
	for _, f := range required(c.form.Get("payerId")) {
		if c.form.Get(f) == "" {
			return "19"
		}
	}
	member := c.form.Get("memberId")
	switch {
	case strings.HasPrefix(member, MemberNever):
		return "R1"
	case s.cfg.Polls >= 0 && c.reads < s.cfg.Polls:
		if c.reads > 0 {
			return "R1"
		}
		return "0"
	case strings.HasPrefix(member, MemberRejected):
		return "19"
	case strings.HasPrefix(member, MemberSilent):
		return "13"
	}
	return "4"
}
