// Package quickbookssim simulates QuickBooks Online: Intuit's OAuth 2 token
// endpoint, the Accounting API v3 of one company, and its webhooks.
package quickbookssim

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// Config is the company and the app that may enter it.
type Config struct {
	RealmID      string // default 9130350000000001
	CompanyName  string
	ClientID     string // default sandbox-client
	ClientSecret string // default sandbox-secret
	RefreshToken string // the consent's first refresh token; default AB11-sandbox
	// RotateEvery is the age at which a refresh token is replaced; the old one
	// is refused from then on. Default 24 hours; one nanosecond replaces it on
	// each use.
	RotateEvery time.Duration
	// AccessLife is how long an access token is good; default one hour.
	AccessLife time.Duration

	WebhookURL    string
	VerifierToken string // default sandbox-verifier
	// Entities are those that the app's webhooks are switched on for, such as
	// Invoice; all when empty.
	Entities []string
	// NotifyEvery is how long changes are gathered for one notification; 0
	// notifies of each write at once.
	NotifyEvery time.Duration
	// Envelope is "cloudevents" (default) or "legacy".
	Envelope string

	// NoLimits switches off 10 calls a second and 500 a minute.
	NoLimits bool
	// WarnDuplicateNumbers is the company setting that refuses a DocNumber
	// that is in use.
	WarnDuplicateNumbers bool
}

// Server is the simulator.
type Server struct {
	o       sim.Options
	c       Config
	faults  sim.Faults
	handler http.Handler

	mu      sync.Mutex
	oauth   oauth
	calls   []time.Time
	replays map[string]replay // by requestid
	tid     sim.Counter
	hooks   sim.Gather[change]
	books
}

type replay struct {
	status int
	body   []byte
}

// New makes a company with accounts and payment methods.
func New(o sim.Options, c Config) *Server {
	fill := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	fill(&c.RealmID, "9130350000000001")
	fill(&c.CompanyName, "Sandbox Family Practice")
	fill(&c.ClientID, "sandbox-client")
	fill(&c.ClientSecret, "sandbox-secret")
	fill(&c.RefreshToken, "AB11-sandbox")
	fill(&c.VerifierToken, "sandbox-verifier")
	if c.RotateEvery == 0 {
		c.RotateEvery = 24 * time.Hour
	}
	if c.AccessLife == 0 {
		c.AccessLife = time.Hour
	}
	s := &Server{o: o, c: c, replays: map[string]replay{}}
	s.oauth = oauth{refresh: c.RefreshToken, issued: s.now(), access: map[string]time.Time{}, codes: map[string]string{}}
	s.hooks = sim.Gather[change]{Every: c.NotifyEvery, Flush: s.send}
	s.seed()
	s.faults.Render = s.renderFault
	mux := http.NewServeMux()
	mux.HandleFunc("GET /connect/oauth2", s.authorize)
	mux.HandleFunc("POST /oauth2/v1/tokens/bearer", s.token)
	mux.HandleFunc("GET /v3/company/{realm}/query", s.guarded(s.getQuery))
	mux.HandleFunc("POST /v3/company/{realm}/query", s.guarded(s.postQuery))
	mux.HandleFunc("GET /v3/company/{realm}/cdc", s.guarded(s.getCDC))
	mux.HandleFunc("GET /v3/company/{realm}/{entity}/{id}", s.guarded(s.getObject))
	mux.HandleFunc("POST /v3/company/{realm}/{entity}", s.guarded(s.postObject))
	s.handler = s.faults.Wrap(mux)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("intuit_tid", "1-sandbox-"+strconv.FormatInt(s.tid.Next(), 10))
	s.handler.ServeHTTP(w, r)
}

// Flush sends the notifications that wait for others.
func (s *Server) Flush() { s.hooks.Now() }

// Faults are the misbehaviours asked for.
func (s *Server) Faults() *sim.Faults { return &s.faults }

// guarded checks the limits, the token, the company and the wanted format.
func (s *Server) guarded(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		over := s.overLimit()
		known := s.oauth.valid(r, s.now())
		s.mu.Unlock()
		switch {
		case !known:
			s.unauthenticated(w)
		case r.PathValue("realm") != s.c.RealmID:
			s.writeGateway(w, http.StatusForbidden, "ApplicationAuthorizationFailed", "003100", "AUTHORIZATION")
		case over:
			s.throttled(w)
		case !wantsJSON(r):
			s.writeFault(w, r, refuse("500", "Unsupported Operation", "The simulator answers in JSON only: send Accept: application/json"))
		default:
			h(w, r)
		}
	}
}

// overLimit counts a call: at most 10 a second and 500 a minute.
func (s *Server) overLimit() bool {
	if s.c.NoLimits {
		return false
	}
	now := s.now()
	for len(s.calls) > 0 && now.Sub(s.calls[0]) >= time.Minute {
		s.calls = s.calls[1:]
	}
	if len(s.calls) >= 500 || (len(s.calls) >= 10 && now.Sub(s.calls[len(s.calls)-10]) < time.Second) {
		return true
	}
	s.calls = append(s.calls, now)
	return false
}

// envelope marshals under the lock, since objects are live.
func (s *Server) envelope(key string, v any) []byte {
	b, err := json.Marshal(map[string]any{key: v, "time": s.now().Format(withMillis)})
	if err != nil {
		panic(err) // our own types always marshal
	}
	return b
}

func writeBody(w http.ResponseWriter, status int, b []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// entityName is an entity's name from its lower-case path.
var entityName = map[string]string{
	"invoice": "Invoice", "payment": "Payment", "refundreceipt": "RefundReceipt", "creditmemo": "CreditMemo",
	"customer": "Customer", "item": "Item", "account": "Account", "paymentmethod": "PaymentMethod", "companyinfo": "CompanyInfo",
}

func (s *Server) getObject(w http.ResponseWriter, r *http.Request) {
	name := entityName[r.PathValue("entity")]
	s.mu.Lock()
	var found object
	if name == "CompanyInfo" && r.PathValue("id") == s.c.RealmID {
		found = s.company
	} else if name != "" && name != "CompanyInfo" {
		found = s.table(name).get(r.PathValue("id"))
	}
	if found == nil {
		s.mu.Unlock()
		s.writeFault(w, r, notFound())
		return
	}
	b := s.envelope(name, found)
	s.mu.Unlock()
	writeBody(w, http.StatusOK, b)
}

// maxRequestID is the longest requestid.
const maxRequestID = 50

func (s *Server) postObject(w http.ResponseWriter, r *http.Request) {
	name, q := entityName[r.PathValue("entity")], r.URL.Query()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	id := q.Get("requestid")
	var f *fault
	switch {
	case err != nil:
		f = refuse("2010", "Request has invalid or unsupported property", "the body cannot be read")
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		f = refuse("1050", "Invalid Content Type", "Content-Type must be application/json")
	case len(id) > maxRequestID:
		f = tooLong("requestid", maxRequestID)
	case name == "" || name == "Account" || name == "PaymentMethod" || name == "CompanyInfo":
		f = refuse("500", "Unsupported Operation", "Operation is not supported.")
	}
	if f != nil {
		s.writeFault(w, r, f)
		return
	}
	s.mu.Lock()
	if old, ok := s.replays[id]; ok && id != "" {
		s.mu.Unlock()
		writeBody(w, old.status, old.body)
		return
	}
	call := call{op: q.Get("operation"), include: q.Get("include"), body: body}
	out, changes, f := s.write(name, call)
	status, b := http.StatusOK, []byte(nil)
	if f != nil {
		status, b = f.status, s.faultBody(f)
	} else {
		b = s.envelope(name, out)
	}
	if id != "" { // also a refusal is the answer that comes again
		s.replays[id] = replay{status, b}
	}
	s.notify(changes)
	s.mu.Unlock()
	writeBody(w, status, b)
}

// call is one write.
type call struct {
	op, include string
	body        []byte
}

// decode reads the body strictly: a property the entity does not have is refused.
func (c call) decode(into any) *fault {
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return refuse("2010", "Request has invalid or unsupported property", "Property Name: "+err.Error())
	}
	return nil
}
