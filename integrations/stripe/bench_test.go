package stripe_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/stripe"
	"github.com/copayflow/copayflow/sandbox/sim"
	stripesim "github.com/copayflow/copayflow/sandbox/stripe"
)

const (
	testKey    = "sk_test_conformance"
	testSecret = "whsec_conformance"
	practice   = copay.PracticeID("lakeside")
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
	sim   *stripesim.Server
	conn  *stripe.Connector
	clock *clock
	url   string

	mu    sync.Mutex
	hooks []sim.Delivery
}

func newBench(t *testing.T, options ...map[string]any) *bench {
	t.Helper()
	b := &bench{T: t, clock: &clock{t: time.Date(2024, 3, 4, 15, 0, 0, 0, time.UTC)}}
	hooks := sim.NewDeliverer()
	t.Cleanup(hooks.Close)
	receiver := httptest.NewServer(http.HandlerFunc(b.receive))
	t.Cleanup(receiver.Close)
	var handler http.Handler = http.NotFoundHandler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	b.url = srv.URL
	b.sim = stripesim.New(sim.Options{Now: b.clock.now, Hooks: hooks, PublicURL: srv.URL},
		stripesim.Config{SecretKey: testKey, WebhookURL: receiver.URL, WebhookSecret: testSecret, Merchant: "Lakeside Clinic"})
	handler = checkTraffic(t, b.sim)
	opts := map[string]any{"secret_key": "literal:" + testKey, "webhook_secrets": []any{"literal:" + testSecret}, "base_url": srv.URL, "require_test_mode": true,
		"requests_per_second": 1000}
	for _, more := range options {
		for k, v := range more {
			opts[k] = v
		}
	}
	conn, err := stripe.New(integrations.Settings{Practice: practice, Platform: stripe.Name, Options: opts, Now: b.clock.now,
		// Without keep-alive a cut connection is not repeated below us.
		RoundTripper: &http.Transport{DisableKeepAlives: true}})
	require.NoError(t, err)
	b.conn = conn
	return b
}

func (b *bench) receive(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hooks = append(b.hooks, sim.Delivery{Header: r.Header, Body: body})
}

// event waits for the webhook of a type and verifies it.
func (b *bench) event(ctx context.Context, kind string) integrations.Event {
	b.Helper()
	var found *integrations.Event
	require.Eventually(b, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, h := range b.hooks {
			a, err := b.conn.Verify(ctx, integrations.Webhook{Header: h.Header, Body: h.Body})
			require.NoError(b, err)
			if a.Events[0].Type == kind {
				found = &a.Events[0]
			}
		}
		return found != nil
	}, 5*time.Second, 5*time.Millisecond, "no %s came", kind)
	return *found
}

var counter struct {
	sync.Mutex
	n int
}

// newCoPay makes ids that no other test has.
func newCoPay() (copay.ID, copay.Ref) {
	counter.Lock()
	defer counter.Unlock()
	counter.n++
	id := copay.Key{Practice: practice, EHR: "drchrono", Charge: copay.ChargeID(fmt.Sprintf("charge-%d", counter.n))}.ID()
	return id, copay.NewRef(id, copay.EffectRequest, 1)
}

func (b *bench) link(cents int64) integrations.LinkRequest {
	id, ref := newCoPay()
	return integrations.LinkRequest{Ref: ref, CoPay: id, Practice: practice, Amount: copay.Cents(cents), Description: "Payment to Lakeside Clinic",
		ExpiresAt: b.clock.now().Add(23 * time.Hour), SuccessURL: "https://pay.example.org/p/x/done?s={CHECKOUT_SESSION_ID}",
		CancelURL: "https://pay.example.org/p/x", Since: b.clock.now()}
}

func (b *bench) open(cents int64) (integrations.LinkRequest, integrations.ProcessorPayment) {
	b.Helper()
	r := b.link(cents)
	p, err := b.conn.RequestLink(b.Context(), r)
	require.NoError(b, err)
	return r, p
}

// paid opens a page and pays it.
func (b *bench) paid(cents int64) (integrations.LinkRequest, integrations.ProcessorPayment) {
	b.Helper()
	r, p := b.open(cents)
	require.NoError(b, b.sim.PaySession(p.PlatformID, "pm_card_visa"))
	p, err := b.conn.Payment(b.Context(), p.PlatformID)
	require.NoError(b, err)
	return r, p
}

// charge prepares an off-session charge of a stored test card.
func (b *bench) charge(token string, cents int64) integrations.StoredCharge {
	b.Helper()
	customer, err := b.conn.EnsureCustomer(b.Context(), practice, copay.PatientAlias("patient-"+token))
	require.NoError(b, err)
	method, err := b.sim.SeedCard(customer, token)
	require.NoError(b, err)
	id, ref := newCoPay()
	return integrations.StoredCharge{Ref: ref, CoPay: id, Practice: practice, Amount: copay.Cents(cents), Customer: customer, Method: method,
		Description: "Payment to Lakeside Clinic", Since: b.clock.now()}
}

// captures counts what the platform's books say was captured for a reference.
func (b *bench) captures(ref copay.Ref) int {
	n := 0
	for _, e := range b.sim.Books() {
		if e.Kind == "capture" && e.Ref == string(ref) {
			n++
		}
	}
	return n
}

func requireKind(t testing.TB, want integrations.Kind, err error) *integrations.Error {
	t.Helper()
	require.Error(t, err)
	e := integrations.AsError(err)
	require.NotNil(t, e, "not classified: %v", err)
	require.Equal(t, want, e.Kind, "%v", err)
	require.NotContains(t, err.Error(), testKey)
	require.NotContains(t, err.Error(), testSecret)
	return e
}

// raw calls the simulator as another program of the practice would.
func (b *bench) raw(path string, form url.Values) []byte {
	b.Helper()
	return b.call(http.MethodPost, path, form)
}

func (b *bench) call(method, path string, form url.Values) []byte {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, b.url+path, strings.NewReader(form.Encode()))
	require.NoError(b, err)
	req.Header.Set("Authorization", "Bearer "+testKey)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	require.NoError(b, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(b, err)
	require.Equal(b, http.StatusOK, res.StatusCode, "%s: %s", path, body)
	return body
}

// rawCharge charges a stored card for something that is not ours.
func (b *bench) rawCharge(customer, card string) {
	b.Helper()
	b.raw("/v1/payment_intents", url.Values{"amount": {"1000"}, "currency": {"usd"}, "customer": {customer}, "payment_method": {card},
		"payment_method_types[]": {"card"}, "confirm": {"true"}, "off_session": {"true"}})
}

// field reads a text field of an object.
func field(t testing.TB, body []byte, name string) string {
	t.Helper()
	var o map[string]any
	require.NoError(t, json.Unmarshal(body, &o))
	s, ok := o[name].(string)
	require.True(t, ok, "no %s in %s", name, body)
	return s
}
