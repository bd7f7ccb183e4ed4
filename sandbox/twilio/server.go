// Package twiliosim simulates the part of Twilio that texts: the Message
// resource of the API version 2010-04-01, delivery with signed status
// callbacks, inbound texts with the STOP, START and HELP handling of US long
// codes, and the account. Its state lives in memory; its clock is the
// sandbox's.
package twiliosim

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// The account of a simulator that is given no other.
const (
	DefaultAccountSID = "AC00000000000000000000000000000000"
	DefaultAuthToken  = "sandboxtoken"
	DefaultService    = "MG00000000000000000000000000000000"
	DefaultNumber     = "+15551230000"
)

// TestNumber is what test credentials send from; the simulator takes it, too
// (twilio.com/docs/iam/test-credentials).
const TestNumber = "+15005550006"

const apiVersion = "2010-04-01"

// Config sets a simulator up; empty fields take the defaults above.
type Config struct {
	AccountSID string
	AuthToken  string
	// APIKeySID and APIKeySecret are a key that calls may be made with. Unless
	// it is a main key it must not read the account.
	APIKeySID    string
	APIKeySecret string
	MainKey      bool
	// MessagingServiceSID is the one service, whose pool holds Number and
	// MoreNumbers.
	MessagingServiceSID string
	Number              string
	MoreNumbers         []string
	// AdvancedOptOut adds OptOutType to inbound webhooks of the service.
	AdvancedOptOut bool
	// InboundURL gets the texts of patients.
	InboundURL string
	// Delay lies between the steps of a message's delivery, in real time: all
	// at once when zero. With NoDelivery nothing moves but by Advance and Deliver.
	Delay      time.Duration
	NoDelivery bool
	// ListLag is how long after it was made a message is missing from lists, in
	// the sandbox's time.
	ListLag time.Duration
	// SignWithPort signs URLs with their default port written out, as the
	// platform sometimes does.
	SignWithPort bool
	// Regions are the prefixes that texts may go to; +1 when empty.
	Regions []string
}

// Server is one simulated account. It is safe for concurrent use.
type Server struct {
	o       sim.Options
	cfg     Config
	faults  *sim.Faults
	handler http.Handler

	mu       sync.Mutex
	closed   bool
	messages []*message // oldest first
	optOuts  map[subscription]bool
	outcomes map[string]outcome
	born     time.Time
}

// subscription is a patient's number at one of our senders: a messaging
// service, or a number without one.
type subscription struct{ sender, number string }

// New makes a simulator.
func New(o sim.Options, c Config) *Server {
	for into, text := range map[*string]string{&c.AccountSID: DefaultAccountSID, &c.AuthToken: DefaultAuthToken,
		&c.MessagingServiceSID: DefaultService, &c.Number: DefaultNumber} {
		if *into == "" {
			*into = text
		}
	}
	if len(c.Regions) == 0 {
		c.Regions = []string{"+1"}
	}
	s := &Server{o: o, cfg: c, optOuts: map[subscription]bool{}, outcomes: map[string]outcome{}, born: o.Time()}
	s.faults = &sim.Faults{Render: renderFault}
	s.handler = s.faults.Wrap(http.HandlerFunc(s.serve))
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Twilio-Request-Id", newID("RQ"))
	s.handler.ServeHTTP(w, r)
}

// Faults is where misbehaviour is asked for.
func (s *Server) Faults() *sim.Faults { return s.faults }

// SetInbound changes where the texts of patients go.
func (s *Server) SetInbound(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.InboundURL = address
}

// Close stops the delivery of messages that are on their way.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// call is one request on its way through the simulator; its methods run under
// the lock.
type call struct {
	s    *Server
	r    *http.Request
	form url.Values // of the body, and of the query for GET
	xml  bool
}

// answer is a resource with its status, or nothing for 204.
type answer struct {
	status int
	name   string // of its XML element
	fields fields
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	path, isJSON := strings.CutSuffix(r.URL.Path, ".json")
	c := &call{s: s, r: r, xml: !isJSON}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		failure(http.StatusBadRequest, 20001, "The request could not be read").write(w, c.xml)
		return
	}
	c.form = r.PostForm
	if r.Method == http.MethodGet {
		c.form = r.URL.Query()
	}
	s.mu.Lock()
	a, e := c.route(strings.Split(strings.TrimPrefix(path, "/"), "/"))
	s.mu.Unlock()
	if e != nil {
		e.write(w, c.xml)
		return
	}
	a.write(w, c.xml)
}

// route finds the operation: "2010-04-01", "Accounts", account, "Messages", message.
func (c *call) route(parts []string) (answer, *apiError) {
	if len(parts) < 3 || parts[0] != apiVersion || parts[1] != "Accounts" {
		return answer{}, notFound(c.r)
	}
	if e := c.authenticate(len(parts) == 3); e != nil {
		return answer{}, e
	}
	if parts[2] != c.s.cfg.AccountSID {
		return answer{}, notFound(c.r)
	}
	c.s.release()
	method := c.r.Method
	switch {
	case len(parts) == 3 && method == http.MethodGet:
		return c.account(), nil
	case len(parts) == 4 && parts[3] == "Messages" && method == http.MethodPost:
		return c.create()
	case len(parts) == 4 && parts[3] == "Messages" && method == http.MethodGet:
		return c.list()
	case len(parts) == 5 && parts[3] == "Messages":
		return c.one(method, parts[4])
	case len(parts) == 3, len(parts) == 4 && parts[3] == "Messages":
		return answer{}, failure(http.StatusMethodNotAllowed, 20004, "Method not allowed")
	}
	return answer{}, notFound(c.r)
}

func (c *call) one(method, sid string) (answer, *apiError) {
	i := slices.IndexFunc(c.s.messages, func(m *message) bool { return m.sid == sid })
	if i < 0 {
		return answer{}, notFound(c.r)
	}
	m := c.s.messages[i]
	switch method {
	case http.MethodGet:
		return c.s.resource(http.StatusOK, m), nil
	case http.MethodPost:
		return c.update(m)
	case http.MethodDelete:
		if !m.final() {
			return answer{}, failure(http.StatusConflict, 20009, "Cannot delete this resource before it is complete")
		}
		c.s.messages = slices.Delete(c.s.messages, i, i+1)
		return answer{status: http.StatusNoContent}, nil
	}
	return answer{}, failure(http.StatusMethodNotAllowed, 20004, "Method not allowed")
}

// authenticate takes the account's own credentials or the API key's. Reading
// the account takes a main key.
func (c *call) authenticate(readsAccount bool) *apiError {
	user, password, ok := c.r.BasicAuth()
	cfg := c.s.cfg
	switch {
	case !ok:
		return failure(http.StatusUnauthorized, 20003, "Authentication Error - No credentials provided")
	case user == cfg.AccountSID && password == cfg.AuthToken:
		return nil
	case user == cfg.APIKeySID && cfg.APIKeySID != "" && password == cfg.APIKeySecret && (cfg.MainKey || !readsAccount):
		return nil
	}
	return failure(http.StatusUnauthorized, 20003, "Authentication Error - invalid username")
}

func (c *call) account() answer {
	id := c.s.cfg.AccountSID
	uri := "/" + apiVersion + "/Accounts/" + id
	return answer{status: http.StatusOK, name: "Account", fields: fields{
		{"sid", id}, {"owner_account_sid", id}, {"friendly_name", "Sandbox"}, {"status", "active"}, {"type", "Full"},
		{"auth_token", c.s.cfg.AuthToken}, {"date_created", rfc2822(c.s.born)}, {"date_updated", rfc2822(c.s.born)},
		{"uri", uri + ".json"}, {"subresource_uris", fields{{"messages", uri + "/Messages.json"}}},
	}}
}

func newID(prefix string) string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return prefix + hex.EncodeToString(b)
}

func rfc2822(t time.Time) string { return t.UTC().Format(time.RFC1123Z) }
