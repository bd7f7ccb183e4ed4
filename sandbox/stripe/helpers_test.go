package stripesim_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/sandbox/sim"
	stripesim "github.com/copayflow/copayflow/sandbox/stripe"
)

// lab talks to a simulator in plain HTTP, without any client of ours.
type lab struct {
	*testing.T
	*stripesim.Server
	url      string
	receiver string // of webhooks

	mu    sync.Mutex
	now   time.Time
	hooks []sim.Delivery
	hold  time.Duration // how long the receiver is away at the next delivery
}

type object = map[string]any

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{T: t, now: time.Date(2024, 3, 4, 15, 0, 0, 0, time.UTC)}
	hooks := sim.NewDeliverer()
	t.Cleanup(hooks.Close)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.hooks = append(l.hooks, sim.Delivery{Header: r.Header, Body: body})
		if l.hold > 0 { // away for so long, once
			l.now, l.hold = l.now.Add(l.hold), 0
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(receiver.Close)
	l.receiver = receiver.URL
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	l.url = srv.URL
	l.Server = stripesim.New(sim.Options{Now: l.clock, Hooks: hooks, PublicURL: srv.URL},
		stripesim.Config{WebhookURL: receiver.URL, WebhookSecret: "whsec_lab", Merchant: "Lakeside Clinic"})
	return l
}

// deliveries waits for as many webhooks and returns them.
func (l *lab) deliveries(n int) []sim.Delivery {
	l.Helper()
	require.Eventually(l, func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.hooks) >= n }, 5*time.Second, 5*time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Len(l, l.hooks, n)
	return append([]sim.Delivery(nil), l.hooks...)
}

// signedWith reports whether a delivery's only trusted signature is a secret's.
func signedWith(secret string, h sim.Delivery) bool {
	stamp, rest, _ := strings.Cut(strings.TrimPrefix(h.Header.Get("Stripe-Signature"), "t="), ",v1=")
	sig, fake, _ := strings.Cut(rest, ",v0=")
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "." + string(h.Body)))
	// In test mode the platform adds a scheme that must not be trusted.
	return sig == hex.EncodeToString(mac.Sum(nil)) && len(fake) == 64 && fake != sig
}

func (l *lab) clock() time.Time     { l.mu.Lock(); defer l.mu.Unlock(); return l.now }
func (l *lab) wait(d time.Duration) { l.mu.Lock(); defer l.mu.Unlock(); l.now = l.now.Add(d) }

// send makes a call; header pairs come last.
func (l *lab) send(method, path, form string, header ...string) (int, object, http.Header) {
	l.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form)
	} else if form != "" {
		path += "?" + form
	}
	req, err := http.NewRequestWithContext(l.Context(), method, l.url+path, body)
	require.NoError(l, err)
	req.Header.Set("Authorization", "Bearer sk_test_lab")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(l, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(l, err)
	var o object
	require.NoError(l, json.Unmarshal(raw, &o), "%s", raw)
	return res.StatusCode, o, res.Header
}

func (l *lab) post(path, form string, header ...string) object {
	l.Helper()
	status, o, _ := l.send(http.MethodPost, path, form, header...)
	require.Equal(l, http.StatusOK, status, "%s: %v", path, o)
	return o
}

func (l *lab) get(path, query string) object {
	l.Helper()
	status, o, _ := l.send(http.MethodGet, path, query)
	require.Equal(l, http.StatusOK, status, "%s: %v", path, o)
	return o
}

// refused makes a POST that must fail, and returns the error object.
func (l *lab) refused(status int, path, form string, header ...string) object {
	l.Helper()
	got, o, _ := l.send(http.MethodPost, path, form, header...)
	require.Equal(l, status, got, "%s: %v", path, o)
	return o["error"].(object)
}

const goodCharge = "amount=2500&currency=usd&payment_method_types[]=card&confirm=true&payment_method="

func sessionForm(extra url.Values) string {
	v := url.Values{"mode": {"payment"}, "success_url": {"https://pay.example.org/done?s={CHECKOUT_SESSION_ID}"}, "cancel_url": {"https://pay.example.org/"},
		"line_items[0][quantity]": {"1"}, "line_items[0][price_data][currency]": {"usd"}, "line_items[0][price_data][unit_amount]": {"2500"},
		"line_items[0][price_data][product_data][name]": {"Payment to <Lakeside>"}, "metadata[ref]": {"r-1"}, "metadata[copay_id]": {"cp-1"},
		"payment_intent_data[metadata][ref]": {"r-1"}, "payment_intent_data[metadata][copay_id]": {"cp-1"}}
	for k, vs := range extra {
		if vs == nil {
			delete(v, k)
			continue
		}
		v[k] = vs
	}
	return v.Encode()
}
