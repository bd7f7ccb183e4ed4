package twilio_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/twilio"
	"github.com/copayflow/copayflow/sandbox/sim"
	twiliosim "github.com/copayflow/copayflow/sandbox/twilio"
)

const (
	practice = copay.PracticeID("lakeside")
	patient  = "+13125550142"
	keySID   = "SK0123456789abcdef0123456789abcdef"
	secret   = "api-key-secret-of-the-test"
	token    = "auth-token-of-the-test"
)

// clock is a time that tests move by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.t = c.t.Add(d) }

// bench is a connector against the simulator over real HTTP. Where the
// official specification is at hand, all its traffic is checked against it.
type bench struct {
	*testing.T
	sim   *twiliosim.Server
	hooks *sim.Deliverer
	conn  *twilio.Connector
	clock *clock
	url   string
	front string // address of the receiver of webhooks

	mu    sync.Mutex
	posts []integrations.Webhook
}

func newBench(t *testing.T, tune ...func(*twiliosim.Config)) *bench {
	t.Helper()
	b := &bench{T: t, clock: &clock{t: time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)}, hooks: sim.NewDeliverer()}
	receiver := httptest.NewServer(http.HandlerFunc(b.receive))
	t.Cleanup(receiver.Close)
	t.Cleanup(b.hooks.Close)
	b.front = receiver.URL + "/webhooks/twilio/lakeside"
	cfg := twiliosim.Config{APIKeySID: keySID, APIKeySecret: secret, AuthToken: token, InboundURL: b.front + "#rc=5&rp=all"}
	for _, f := range tune {
		f(&cfg)
	}
	b.sim = twiliosim.New(sim.Options{Now: b.clock.now, Hooks: b.hooks}, cfg)
	t.Cleanup(b.sim.Close)
	srv := httptest.NewServer(checkTraffic(t, b.sim))
	t.Cleanup(srv.Close)
	b.url = srv.URL
	b.conn = b.connect(nil)
	return b
}

// connect makes one more connector, as another process would.
func (b *bench) connect(more map[string]any) *twilio.Connector {
	b.Helper()
	return connectTo(b.T, b.url, b.front, b.clock.now, more)
}

func connectTo(t testing.TB, base, front string, now func() time.Time, more map[string]any) *twilio.Connector {
	t.Helper()
	opts := map[string]any{"account_sid": twiliosim.DefaultAccountSID, "api_key_sid": keySID, "api_key_secret": "literal:" + secret,
		"auth_tokens": []any{"literal:an-older-token", "literal:" + token}, "messaging_service_sid": twiliosim.DefaultService,
		"status_callback": front, "base_url": base, "limit_per_second": 1000}
	for k, v := range more {
		opts[k] = v
	}
	conn, err := twilio.New(integrations.Settings{Practice: practice, Platform: twilio.Platform, Options: opts, Now: now,
		// Without keep-alive a cut connection is not repeated below us.
		RoundTripper: &http.Transport{DisableKeepAlives: true}})
	require.NoError(t, err)
	return conn
}

func (b *bench) receive(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	root, _, _ := strings.Cut(b.front, "/webhooks")
	b.posts = append(b.posts, integrations.Webhook{Method: r.Method, URL: root + r.URL.RequestURI(), Header: r.Header, Body: body, At: b.clock.now()})
}

func (b *bench) received() []integrations.Webhook {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]integrations.Webhook(nil), b.posts...)
}

// events verifies all webhooks that came and gives their events by id.
func (b *bench) events() map[string]integrations.Event {
	b.Helper()
	out := map[string]integrations.Event{}
	for _, w := range b.received() {
		a, err := b.conn.Verify(b.Context(), w)
		require.NoError(b, err)
		for _, e := range a.Events {
			out[e.ID] = e
		}
	}
	return out
}

// event waits for the event with an id.
func (b *bench) event(id string) integrations.Event {
	b.Helper()
	require.Eventually(b, func() bool { _, ok := b.events()[id]; return ok }, 5*time.Second, 5*time.Millisecond, "no event %s", id)
	return b.events()[id]
}

var counter atomic.Int64

// message makes one that no other test has.
func (b *bench) message(to string) integrations.Message {
	n := counter.Add(1)
	id := copay.Key{Practice: practice, EHR: "drchrono", Charge: copay.ChargeID(fmt.Sprintf("charge-%d", n))}.ID()
	link := fmt.Sprintf("lnk%dx", n)
	return integrations.Message{Ref: copay.NewRef(id, copay.EffectNotify, 1), Practice: practice, To: to, FromName: "Lakeside Clinic", Token: link,
		Body:  "Lakeside Clinic: there is a payment to make for your visit of Mar 2. See and pay: https://pay.lakeside.example/pay/" + link + " Reply STOP to end.",
		Since: b.clock.now(), Attempt: 1}
}

// outbound are the messages that the connector sent.
func (b *bench) outbound() []twiliosim.Message {
	var out []twiliosim.Message
	for _, m := range b.sim.Messages() {
		if m.Direction == "outbound-api" {
			out = append(out, m)
		}
	}
	return out
}

// requireKind checks the kind of an error and that its text gives nothing away.
func requireKind(t testing.TB, want integrations.Kind, err error) *integrations.Error {
	t.Helper()
	require.Error(t, err)
	e := integrations.AsError(err)
	require.NotNil(t, e, "not classified: %v", err)
	require.Equal(t, want, e.Kind, "%v", err)
	for _, private := range []string{patient, patient[1:], "5005550", "555100", "lakeside.example", "visit", "lnk", secret, token, keySID} {
		require.NotContains(t, err.Error(), private)
	}
	return e
}
