// Package twiliosim simulates Twilio's Messages API: creation with its
// validation and test numbers, delivery with signed status callbacks, inbound
// texts, and STOP handling as Twilio does it.
package twiliosim

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's signature is HMAC-SHA1
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// Config is one simulated account.
type Config struct {
	AccountSID          string // default AC and zeros
	AuthToken           string // default sandbox-token
	MessagingServiceSID string // default MG and zeros
	Number              string // the service's number; default +15551230000
	InboundURL          string // where texts to the number are posted
	// NoDelivery leaves messages queued until Deliver is called.
	NoDelivery bool
}

// Message is a message as the account sees it.
type Message struct {
	SID, To, From, Body, Status string
	Ref                         string // our reference in the status callback
	Direction                   string
	ErrorCode                   int
	At                          time.Time

	callback string
	expires  time.Time
}

// Server is the simulator. It is safe for concurrent use.
type Server struct {
	o       sim.Options
	cfg     Config
	faults  sim.Faults
	handler http.Handler

	mu       sync.Mutex
	messages []*Message
	stopped  map[string]bool
}

// New makes an account.
func New(o sim.Options, c Config) *Server {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&c.AccountSID, "AC"+strings.Repeat("0", 32))
	def(&c.AuthToken, "sandboxtoken")
	def(&c.MessagingServiceSID, "MG"+strings.Repeat("0", 32))
	def(&c.Number, "+15551230000")
	s := &Server{o: o, cfg: c, stopped: map[string]bool{}}
	s.faults.Render = func(w http.ResponseWriter, _ *http.Request, k sim.FaultKind) {
		switch k {
		case sim.FaultRateLimit:
			fail(w, http.StatusTooManyRequests, 20429, "Too Many Requests")
		case sim.FaultToken:
			fail(w, http.StatusUnauthorized, 20003, "Authenticate")
		default:
			fail(w, http.StatusInternalServerError, 20500, "Internal Server Error")
		}
	}
	mux := http.NewServeMux()
	base := "/2010-04-01/Accounts/" + c.AccountSID
	mux.HandleFunc("POST "+base+"/Messages.json", s.create)
	mux.HandleFunc("GET "+base+"/Messages.json", s.list)
	mux.HandleFunc("GET "+base+"/Messages/{file}", s.fetch)
	mux.HandleFunc("POST "+base+"/Messages/{file}", s.update)
	mux.HandleFunc("DELETE "+base+"/Messages/{file}", s.remove)
	mux.HandleFunc("GET "+base+".json", func(w http.ResponseWriter, _ *http.Request) {
		sim.WriteJSON(w, http.StatusOK, map[string]any{"sid": c.AccountSID, "status": "active", "type": "Full", "friendly_name": "Sandbox"})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, 20404, "The requested resource "+r.URL.Path+" was not found")
	})
	s.handler = s.faults.Wrap(s.authorized(mux))
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Faults are the misbehaviours that can be asked for.
func (s *Server) Faults() *sim.Faults { return &s.faults }

// SetInbound changes where texts to the number go.
func (s *Server) SetInbound(u string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.InboundURL = u
}

func (s *Server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, pass, ok := r.BasicAuth()
		if !ok || user != s.cfg.AccountSID || pass != s.cfg.AuthToken {
			fail(w, http.StatusUnauthorized, 20003, "Authenticate")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func fail(w http.ResponseWriter, status, code int, msg string) {
	w.Header().Set("Twilio-Request-Id", "RQ"+newHex())
	sim.WriteJSON(w, status, map[string]any{"code": code, "message": msg, "more_info": fmt.Sprintf("https://www.twilio.com/docs/errors/%d", code), "status": status})
}

func newHex() string {
	b := make([]byte, 16)
	for i := range b {
		b[i] = byte(rand.IntN(256))
	}
	return hex.EncodeToString(b)
}

// post sends a signed form to a webhook.
func (s *Server) post(to string, form url.Values) {
	if to == "" || s.o.Hooks == nil {
		return
	}
	address, _, _ := strings.Cut(to, "#")
	h := http.Header{}
	h.Set("Content-Type", "application/x-www-form-urlencoded")
	h.Set("X-Twilio-Signature", s.sign(address, form))
	s.o.Hooks.Send(sim.Delivery{URL: address, Header: h, Body: []byte(form.Encode())})
}

func (s *Server) sign(address string, form url.Values) string {
	names := make([]string, 0, len(form))
	for n := range form {
		names = append(names, n)
	}
	slices.Sort(names)
	text := address
	for _, n := range names {
		text += n + form.Get(n)
	}
	m := hmac.New(sha1.New, []byte(s.cfg.AuthToken))
	m.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}
