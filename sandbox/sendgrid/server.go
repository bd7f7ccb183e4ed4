// Package sendgridsim simulates SendGrid: mail/send with its validation,
// suppressions, the email activity feed, and the signed event webhook.
package sendgridsim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// Config is one simulated account.
type Config struct {
	APIKey        string // default SG.sandbox.key
	VerifiedFrom  string // the only sender; default billing@maple.example
	WebhookURL    string
	NoEvents      bool // events are sent by Deliver only
	EmailActivity bool // the paid add-on
}

// Message is a mail as the account sees it.
type Message struct {
	ID, To, Subject, Text, HTML, Ref, Status string
	At                                       time.Time
}

// Server is the simulator. It is safe for concurrent use.
type Server struct {
	o       sim.Options
	cfg     Config
	key     *ecdsa.PrivateKey
	faults  sim.Faults
	handler http.Handler

	mu         sync.Mutex
	n          int64
	messages   []*Message
	suppressed map[string]string // address: Bounced Address, Unsubscribed Address…
}

// New makes an account with a signing key of its own.
func New(o sim.Options, c Config) *Server {
	if c.APIKey == "" {
		c.APIKey = "SG.sandbox.key"
	}
	if c.VerifiedFrom == "" {
		c.VerifiedFrom = "billing@maple.example"
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the system has no randomness
	}
	s := &Server{o: o, cfg: c, key: key, suppressed: map[string]string{}}
	s.faults.Render = func(w http.ResponseWriter, _ *http.Request, k sim.FaultKind) {
		switch k {
		case sim.FaultRateLimit:
			w.Header().Set("X-RateLimit-Limit", "600")
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(2*time.Second).Unix(), 10))
			fail(w, http.StatusTooManyRequests, "too many requests", "")
		case sim.FaultToken:
			fail(w, http.StatusUnauthorized, "The provided authorization grant is invalid, expired, or revoked", "")
		default:
			fail(w, http.StatusInternalServerError, "internal error", "")
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v3/mail/send", s.send)
	mux.HandleFunc("GET /v3/scopes", func(w http.ResponseWriter, _ *http.Request) {
		sim.WriteJSON(w, http.StatusOK, map[string]any{"scopes": []string{"mail.send", "sender_verification_eligible", "2fa_required"}})
	})
	mux.HandleFunc("GET /v3/messages", s.activity)
	mux.HandleFunc("GET /v3/messages/{id}", s.oneActivity)
	s.handler = s.faults.Wrap(s.authorized(mux))
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Faults are the misbehaviours that can be asked for.
func (s *Server) Faults() *sim.Faults { return &s.faults }

// SetWebhook changes where events go.
func (s *Server) SetWebhook(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.WebhookURL = url
}

// PublicKey is the webhook's public key as the console shows it.
func (s *Server) PublicKey() string {
	der, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	if err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(der)
}

func (s *Server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+s.cfg.APIKey {
			fail(w, http.StatusUnauthorized, "The provided authorization grant is invalid, expired, or revoked", "")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func fail(w http.ResponseWriter, status int, msg, field string) {
	e := map[string]any{"message": msg, "field": nil, "help": nil}
	if field != "" {
		e["field"] = field
	}
	sim.WriteJSON(w, status, map[string]any{"errors": []any{e}})
}

// Messages are all mails, oldest first.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Message, len(s.messages))
	for i, m := range s.messages {
		out[i] = *m
	}
	return out
}

// Event sends one event of a message, as a mailbox or a person causes it:
// delivered, bounce, spamreport, unsubscribe, open…
func (s *Server) Event(id, event string, extra map[string]any) {
	s.mu.Lock()
	for _, m := range s.messages {
		if m.ID == id {
			e := s.event(m, event)
			for k, v := range extra {
				e[k] = v
			}
			switch event {
			case "bounce":
				s.suppressed[m.To] = "Bounced Address"
			case "unsubscribe", "group_unsubscribe":
				s.suppressed[m.To] = "Unsubscribed Address"
			case "spamreport":
				s.suppressed[m.To] = "Spam Reporting Address"
			}
			s.mu.Unlock()
			s.post([]map[string]any{e})
			return
		}
	}
	s.mu.Unlock()
}

func (s *Server) event(m *Message, event string) map[string]any {
	s.n++
	return map[string]any{"email": m.To, "timestamp": s.o.Time().Unix(), "event": event, "sg_event_id": fmt.Sprintf("ev%d-%s", s.n, m.ID),
		"sg_message_id": m.ID + ".filter0001.1.0", "smtp-id": "<" + m.ID + "@sandbox>", "category": []string{"copay"}, "ref": m.Ref}
}

// post signs a batch: SHA-256 over the time and the raw body, ECDSA P-256.
func (s *Server) post(batch []map[string]any) {
	s.mu.Lock()
	u := s.cfg.WebhookURL
	s.mu.Unlock()
	body, err := json.Marshal(batch)
	if err != nil || u == "" || s.o.Hooks == nil {
		return
	}
	body = append(body, "\r\n"...) // as the real one ends
	stamp := strconv.FormatInt(s.o.Time().Unix(), 10)
	sum := sha256.Sum256(append([]byte(stamp), body...))
	sig, err := ecdsa.SignASN1(rand.Reader, s.key, sum[:])
	if err != nil {
		return
	}
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(sig))
	h.Set("X-Twilio-Email-Event-Webhook-Timestamp", stamp)
	s.o.Hooks.Send(sim.Delivery{URL: u, Header: h, Body: body})
}

func (s *Server) activity(w http.ResponseWriter, r *http.Request) {
	if !s.cfg.EmailActivity {
		fail(w, http.StatusForbidden, "access forbidden", "")
		return
	}
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limit < 1 || limit > 1000 {
		limit = 10
	}
	q := r.URL.Query().Get("query")
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := []map[string]any{}
	for _, m := range s.messages {
		if m.Ref != "" && strings.Contains(q, `"`+m.Ref+`"`) && len(rows) < limit {
			rows = append(rows, row(m))
		}
	}
	sim.WriteJSON(w, http.StatusOK, map[string]any{"messages": rows})
}

func row(m *Message) map[string]any {
	status := "processing"
	switch m.Status {
	case "delivered":
		status = "delivered"
	case "bounce", "dropped":
		status = "not_delivered"
	}
	return map[string]any{"from_email": "billing@maple.example", "msg_id": m.ID, "subject": m.Subject, "to_email": m.To, "status": status,
		"opens_count": 0, "clicks_count": 0, "last_event_time": m.At.Format(time.RFC3339)}
}

func (s *Server) oneActivity(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if s.cfg.EmailActivity && m.ID == r.PathValue("id") {
			sim.WriteJSON(w, http.StatusOK, row(m))
			return
		}
	}
	fail(w, http.StatusNotFound, "not found", "")
}
