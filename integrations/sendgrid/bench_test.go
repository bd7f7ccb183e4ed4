package sendgrid_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/sendgrid"
	sendgridsim "github.com/copayflow/copayflow/sandbox/sendgrid"
	"github.com/copayflow/copayflow/sandbox/sim"
)

const (
	practice = copay.PracticeID("lakeside")
	patient  = "pat.doe@patients.example"
	apiKey   = "SG.key-of-the-test.secret"
	sender   = "billing@lakeside.example"
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
	sim   *sendgridsim.Server
	hooks *sim.Deliverer
	conn  *sendgrid.Connector
	clock *clock
	url   string

	mu    sync.Mutex
	posts []integrations.Webhook
}

func newBench(t *testing.T, tune ...func(*sendgridsim.Config)) *bench {
	t.Helper()
	b := &bench{T: t, clock: &clock{t: time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)}, hooks: sim.NewDeliverer()}
	receiver := httptest.NewServer(http.HandlerFunc(b.receive))
	t.Cleanup(receiver.Close)
	t.Cleanup(b.hooks.Close)
	cfg := sendgridsim.Config{APIKey: apiKey, VerifiedFrom: sender, Groups: []int{77, 78}, WebhookURL: receiver.URL}
	for _, f := range tune {
		f(&cfg)
	}
	b.sim = sendgridsim.New(sim.Options{Now: b.clock.now, Hooks: b.hooks}, cfg)
	srv := httptest.NewServer(checkTraffic(t, b.sim))
	t.Cleanup(srv.Close)
	b.url = srv.URL
	b.conn = b.connect(nil)
	return b
}

func activity(c *sendgridsim.Config) { c.EmailActivity = true }

// connect makes one more connector, as another process would.
func (b *bench) connect(more map[string]any) *sendgrid.Connector {
	b.Helper()
	opts := map[string]any{"api_key": "literal:" + apiKey, "from": sender, "base_url": b.url, "limit_per_second": 1000}
	if b.sim != nil {
		old := sendgridsim.New(sim.Options{}, sendgridsim.Config{}).PublicKey() // the webhook's key before it was changed
		opts["webhook_public_keys"] = []any{"literal:" + old, "literal:" + b.sim.PublicKey()}
	}
	for k, v := range more {
		opts[k] = v
	}
	conn, err := sendgrid.New(integrations.Settings{Practice: practice, Platform: sendgrid.Platform, Options: opts, Now: b.clock.now,
		// Without keep-alive a cut connection is not repeated below us.
		RoundTripper: &http.Transport{DisableKeepAlives: true}})
	require.NoError(b, err)
	return conn
}

func (b *bench) receive(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.posts = append(b.posts, integrations.Webhook{Method: r.Method, URL: r.URL.String(), Header: r.Header, Body: body, At: b.clock.now()})
}

func (b *bench) received() []integrations.Webhook {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]integrations.Webhook(nil), b.posts...)
}

// events verifies all webhooks that came and gives their events, each once.
func (b *bench) events() []integrations.Event {
	b.Helper()
	var out []integrations.Event
	seen := map[string]bool{}
	for _, w := range b.received() {
		a, err := b.conn.Verify(b.Context(), w)
		require.NoError(b, err)
		for _, e := range a.Events {
			if !seen[e.ID] {
				seen[e.ID] = true
				out = append(out, e)
			}
		}
	}
	return out
}

// await gives the events of a mail once there are n.
func (b *bench) await(id string, n int) []integrations.Event {
	b.Helper()
	find := func() []integrations.Event {
		var out []integrations.Event
		for _, e := range b.events() {
			if e.Object == id {
				out = append(out, e)
			}
		}
		return out
	}
	require.Eventually(b, func() bool { return len(find()) >= n }, 5*time.Second, 5*time.Millisecond)
	got := find()
	require.Len(b, got, n)
	return got
}

var counter atomic.Int64

// message makes one that no other test has.
func (b *bench) message(to string) integrations.Message {
	n := counter.Add(1)
	id := copay.Key{Practice: practice, EHR: "drchrono", Charge: copay.ChargeID(fmt.Sprintf("charge-%d", n))}.ID()
	link := fmt.Sprintf("https://pay.lakeside.example/pay/lnk%dx", n)
	return integrations.Message{Ref: copay.NewRef(id, copay.EffectNotify, 1), Practice: practice, To: to, FromName: "Lakeside Clinic",
		Subject: "A message from Lakeside Clinic about your account", Body: "Please open this personal link: " + link,
		HTML: `<p><a href="` + link + `">` + link + "</a></p>", Token: fmt.Sprintf("lnk%dx", n), Since: b.clock.now(), Attempt: 1}
}

// requireKind checks the kind of an error and that its text gives nothing away.
func requireKind(t testing.TB, want integrations.Kind, err error) *integrations.Error {
	t.Helper()
	require.Error(t, err)
	e := integrations.AsError(err)
	require.NotNil(t, e, "not classified: %v", err)
	require.Equal(t, want, e.Kind, "%v", err)
	for _, private := range []string{"pat.doe", "patients.example", "lakeside.example", "Lakeside", "personal link", "lnk", apiKey, "key-of-the-test"} {
		require.NotContains(t, err.Error(), private)
	}
	return e
}
