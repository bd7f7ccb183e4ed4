package stripe_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/stripe"
	"github.com/copayflow/copayflow/sandbox/sim"
)

// writes are the calls that move money.
func writes(b *bench) map[string]func() error {
	link := b.link(10_00)
	charge := b.charge("pm_card_visa", 11_00)
	r, p := b.paid(12_00)
	refund := b.refund(r, p.PlatformID, 1, 5_00)
	return map[string]func() error{
		"/v1/checkout/sessions": func() error { _, err := b.conn.RequestLink(context.Background(), link); return err },
		"/v1/payment_intents":   func() error { _, err := b.conn.ChargeStored(context.Background(), charge); return err },
		"/v1/refunds":           func() error { _, err := b.conn.Refund(context.Background(), refund); return err },
	}
}

func TestFaultsOfWrites(t *testing.T) {
	t.Parallel()
	for kind, want := range map[sim.FaultKind]integrations.Kind{
		sim.FaultRateLimit: integrations.KindRateLimited,
		sim.FaultServer:    integrations.KindUnknown,
		sim.FaultToken:     integrations.KindUnauthorized,
		sim.FaultDrop:      integrations.KindUnknown,
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			for path, write := range writes(b) {
				before := len(b.sim.Books()) + len(b.sim.Sessions())
				b.sim.Faults().Add(sim.Fault{Kind: kind, Method: http.MethodPost, Path: path})
				e := requireKind(t, want, write())
				if kind == sim.FaultRateLimit {
					require.Positive(t, e.RetryAfter)
				}
				after := len(b.sim.Books()) + len(b.sim.Sessions())
				require.Equal(t, kind == sim.FaultDrop, after > before, "only the cut connection did its work: %s", path)
				require.NoError(t, write(), "%s works the second time", path)
				require.Equal(t, before+1, len(b.sim.Books())+len(b.sim.Sessions()), "one effect: %s", path)
				require.NoError(t, write())
				require.Equal(t, before+1, len(b.sim.Books())+len(b.sim.Sessions()), "still one effect: %s", path)
			}
		})
	}
}

func TestCutConnectionIsFound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	charge := b.charge("pm_card_visa", 11_00)
	b.sim.Faults().Add(sim.Fault{Kind: sim.FaultDrop, Method: http.MethodPost, Path: "/v1/payment_intents"})
	_, err := b.conn.ChargeStored(t.Context(), charge)
	requireKind(t, integrations.KindUnknown, err)
	found, err := b.conn.FindPayment(t.Context(), integrations.PaymentQuery{Ref: charge.Ref, Customer: charge.Customer, Since: charge.Since})
	require.NoError(t, err)
	require.Equal(t, copay.PaymentCaptured, found.Status)

	link := b.link(10_00)
	b.sim.Faults().Add(sim.Fault{Kind: sim.FaultDrop, Method: http.MethodPost, Path: "/v1/checkout"})
	_, err = b.conn.RequestLink(t.Context(), link)
	requireKind(t, integrations.KindUnknown, err)
	found, err = b.conn.FindPayment(t.Context(), integrations.PaymentQuery{Ref: link.Ref, Since: link.Since})
	require.NoError(t, err)
	require.NotEmpty(t, found.URL)

	r, p := b.paid(12_00)
	refund := b.refund(r, p.PlatformID, 1, 5_00)
	b.sim.Faults().Add(sim.Fault{Kind: sim.FaultDrop, Method: http.MethodPost, Path: "/v1/refunds"})
	_, err = b.conn.Refund(t.Context(), refund)
	requireKind(t, integrations.KindUnknown, err)
	_, err = b.conn.FindRefund(t.Context(), p.PlatformID, refund.Ref)
	require.NoError(t, err)
}

// A server error that happened while running is replayed under the key for a
// day: without a second key the co-pay would be stuck.
func TestReplayedServerError(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	charge := b.charge("pm_card_visa", 11_00)
	b.sim.BreakNext(1)
	_, err := b.conn.ChargeStored(t.Context(), charge)
	requireKind(t, integrations.KindUnknown, err)
	for range 2 { // too early for another key
		_, err = b.conn.ChargeStored(t.Context(), charge)
		e := requireKind(t, integrations.KindUnknown, err)
		require.Equal(t, "replayed_server_error", e.Code)
		require.Positive(t, e.RetryAfter)
	}
	require.Zero(t, b.captures(charge.Ref))
	b.clock.add(2 * time.Minute)
	for range 3 {
		p, err := b.conn.ChargeStored(t.Context(), charge)
		require.NoError(t, err)
		require.Equal(t, copay.PaymentCaptured, p.Status)
	}
	require.Equal(t, 1, b.captures(charge.Ref))

	// Without knowing since when, no second key is ever used.
	charge = b.charge("pm_card_visa", 12_00)
	charge.Since = time.Time{}
	b.sim.BreakNext(1)
	for range 2 {
		_, err = b.conn.ChargeStored(t.Context(), charge)
		requireKind(t, integrations.KindUnknown, err)
	}
}

// The customer of a patient may be another one at the second attempt; the
// charge that was made under the first one is found all the same.
func TestAnotherCustomerIsNoSecondCharge(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.charge("pm_card_visa", 11_00)
	b.sim.Faults().Add(sim.Fault{Kind: sim.FaultDrop, Method: http.MethodPost, Path: "/v1/payment_intents"})
	_, err := b.conn.ChargeStored(t.Context(), first)
	requireKind(t, integrations.KindUnknown, err)

	second := first
	second.Customer = b.sim.SeedCustomer(nil)
	second.Method, err = b.sim.SeedCard(second.Customer, "pm_card_mastercard")
	require.NoError(t, err)
	found, err := b.conn.FindPayment(t.Context(), integrations.PaymentQuery{Ref: first.Ref, Customer: second.Customer, Since: first.Since})
	require.NoError(t, err)
	require.Equal(t, copay.PaymentCaptured, found.Status)
	b.clock.add(2 * time.Minute) // a second key would be used by now
	got, err := b.conn.ChargeStored(t.Context(), second)
	require.NoError(t, err)
	require.Equal(t, found, got)
	require.Equal(t, 1, b.captures(first.Ref))
	require.Len(t, b.sim.Books(), 1)
}

func TestALookUnderACustomerWhoIsGone(t *testing.T) {
	t.Parallel()
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("customer") != "":
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"customer"}}`)
		case r.URL.Path == "/v1/payment_intents":
			_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"pi_1","object":"payment_intent","status":"succeeded","amount":100,"currency":"usd","metadata":{"ref":"r"}}]}`)
		default:
			_, _ = io.WriteString(w, `{"object":"list","data":[]}`)
		}
	})
	p, err := c.FindPayment(t.Context(), integrations.PaymentQuery{Ref: "r", Customer: "cus_gone"})
	require.NoError(t, err)
	require.Equal(t, "pi_1", p.PlatformID)
}

// A 404 of a gateway does not say that nothing was made; the platform's own
// about a payment that does not exist does.
func TestAListingThatIsNotThere(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]integrations.Kind{
		"": integrations.KindUnavailable, `{"error":{"type":"invalid_request_error"}}`: integrations.KindUnavailable,
		`{"error":{"type":"invalid_request_error","code":"resource_missing"}}`: integrations.KindNotFound,
	} {
		c := against(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, body)
		})
		_, err := c.FindPayment(t.Context(), integrations.PaymentQuery{Ref: "r"})
		requireKind(t, want, err)
		_, err = c.FindRefund(t.Context(), "pi_1", "r")
		requireKind(t, want, err)
	}
}

func TestReplayedServerErrorOfACustomer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.sim.BreakNext(1)
	_, err := b.conn.EnsureCustomer(t.Context(), practice, "p-1")
	requireKind(t, integrations.KindUnknown, err)
	first, err := b.conn.EnsureCustomer(t.Context(), practice, "p-1")
	require.NoError(t, err, "the kept error does not hold the patient up for a day")
	again, err := b.conn.EnsureCustomer(t.Context(), practice, "p-1")
	require.NoError(t, err)
	require.Equal(t, first, again)
	b.clock.add(25 * time.Hour)
	again, err = b.conn.EnsureCustomer(t.Context(), practice, "p-1")
	require.NoError(t, err)
	require.Equal(t, first, again)
}

func TestReadsFailAsUnavailable(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, p := b.open(10_00)
	for _, kind := range []sim.FaultKind{sim.FaultServer, sim.FaultDrop} {
		b.sim.Faults().Add(sim.Fault{Kind: kind, Method: http.MethodGet})
		_, err := b.conn.Payment(t.Context(), p.PlatformID)
		requireKind(t, integrations.KindUnavailable, err)
	}
	for name, read := range map[string]func() error{
		"find": func() error {
			_, err := b.conn.FindPayment(t.Context(), integrations.PaymentQuery{Ref: "r"})
			return err
		},
		"settlements": func() error { _, err := b.conn.Settlements(t.Context(), b.clock.now(), b.clock.now(), ""); return err },
		"methods":     func() error { _, err := b.conn.StoredMethods(t.Context(), "cus_1"); return err },
		"customer":    func() error { _, err := b.conn.EnsureCustomer(t.Context(), practice, "p"); return err },
		"refund":      func() error { _, err := b.conn.FindRefund(t.Context(), "pi_1", "r"); return err },
		"test":        func() error { _, err := b.conn.TestConnection(t.Context()); return err },
		"events":      func() error { _, _, err := b.conn.PollEvents(t.Context(), ""); return err },
		"cancel":      func() error { _, err := b.conn.Cancel(t.Context(), "pi_1", "r"); return err },
	} {
		b.sim.Faults().Add(sim.Fault{Kind: sim.FaultServer, Method: http.MethodGet})
		requireKind(t, integrations.KindUnavailable, read())
		b.sim.Faults().Add(sim.Fault{Kind: sim.FaultRateLimit, Method: http.MethodGet})
		require.Equal(t, integrations.KindRateLimited, integrations.KindOf(read()), name)
	}
}

func TestSlowIsATimeout(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]any{"timeout": "50ms"})
	b.sim.Faults().Add(sim.Fault{Kind: sim.FaultSlow, Method: http.MethodPost, Delay: 10 * time.Second})
	_, err := b.conn.RequestLink(t.Context(), b.link(10_00))
	e := requireKind(t, integrations.KindUnknown, err)
	require.Contains(t, e.Message, "no answer in time")
}

func TestKeyInUseIsUnknown(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	charge := b.charge("pm_card_visa", 11_00)
	b.sim.Faults().Add(sim.Fault{Kind: sim.FaultSlow, Method: http.MethodPost, Path: "/v1/payment_intents", Delay: time.Second})
	results := make(chan error, 2)
	for range 2 {
		go func() { _, err := b.conn.ChargeStored(t.Context(), charge); results <- err }()
	}
	e := requireKind(t, integrations.KindUnknown, <-results)
	require.Equal(t, "idempotency_key_in_use", e.Code)
	require.NoError(t, <-results, "the first one only took its time")
	_, err := b.conn.ChargeStored(t.Context(), charge)
	require.NoError(t, err)
	require.Equal(t, 1, b.captures(charge.Ref))
}

// against makes a connector whose platform answers as told.
func against(t *testing.T, h http.HandlerFunc) *stripe.Connector {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c, err := stripe.New(integrations.Settings{Practice: practice, Platform: stripe.Name, Options: map[string]any{
		"secret_key": "literal:" + testKey, "base_url": srv.URL, "require_test_mode": true}})
	require.NoError(t, err)
	return c
}

func TestStrangeAnswers(t *testing.T) {
	t.Parallel()
	const secret = "Jane Doe 4242424242424242"
	for name, tc := range map[string]struct {
		status      int
		header      map[string]string
		body        string
		write, read integrations.Kind
		code        string
	}{
		"no JSON":              {200, nil, "<html>" + secret, integrations.KindUnknown, integrations.KindUnavailable, ""},
		"empty":                {200, nil, "", integrations.KindUnknown, integrations.KindUnavailable, ""},
		"huge":                 {200, nil, strings.Repeat("x", 5<<20), integrations.KindUnknown, integrations.KindUnavailable, ""},
		"no JSON error":        {502, nil, "<html>" + secret, integrations.KindUnknown, integrations.KindUnavailable, ""},
		"raw message":          {400, nil, `{"error":{"type":"invalid_request_error","message":"` + secret + `","param":"` + secret + `","code":"` + secret + `"}}`, integrations.KindInvalid, integrations.KindInvalid, ""},
		"throttled with time":  {429, map[string]string{"Retry-After": "7"}, `{"error":{"code":"rate_limit"}}`, integrations.KindRateLimited, integrations.KindRateLimited, "rate_limit"},
		"lock":                 {429, nil, `{"error":{"code":"lock_timeout"}}`, integrations.KindRateLimited, integrations.KindRateLimited, "lock_timeout"},
		"lock conflict":        {409, nil, `{"error":{"code":"lock_timeout"}}`, integrations.KindUnavailable, integrations.KindUnavailable, "lock_timeout"},
		"asked to retry":       {400, map[string]string{"Stripe-Should-Retry": "true"}, `{"error":{"code":"busy"}}`, integrations.KindUnavailable, integrations.KindUnavailable, "busy"},
		"failed dependency":    {424, nil, `{"error":{"type":"api_error"}}`, integrations.KindUnknown, integrations.KindUnknown, ""},
		"forbidden":            {403, nil, `{"error":{"type":"invalid_request_error"}}`, integrations.KindUnauthorized, integrations.KindUnauthorized, ""},
		"pickup":               {402, nil, `{"error":{"type":"card_error","code":"card_declined","decline_code":"pickup_card"}}`, integrations.KindDeclined, integrations.KindDeclined, "pickup_card"},
		"declined, no reasons": {402, nil, `{}`, integrations.KindDeclined, integrations.KindDeclined, ""},
		"live mode":            {200, nil, `{"object":"balance","livemode":true}`, "", integrations.KindInvalid, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := against(t, func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range tc.header {
					w.Header().Set(k, v)
				}
				w.Header().Set("Request-Id", "req_1")
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			})
			_, err := c.TestConnection(t.Context())
			e := requireKind(t, tc.read, err)
			require.Equal(t, tc.code, e.Code)
			require.NotContains(t, err.Error(), "Jane")
			if tc.header["Retry-After"] != "" {
				require.Equal(t, 7*time.Second, e.RetryAfter)
			}
			require.Equal(t, tc.code == "pickup_card", e.Final)
			if tc.write == "" {
				return
			}
			id, ref := newCoPay()
			_, err = c.ChargeStored(t.Context(), integrations.StoredCharge{Ref: ref, CoPay: id, Amount: copay.Cents(1000), Customer: "cus_1", Method: "pm_1"})
			requireKind(t, tc.write, err)
			for cause := err; cause != nil; cause = errors.Unwrap(cause) {
				require.NotContains(t, cause.Error(), "Jane")
			}
		})
	}
}

func TestUnknownStatusesStayOpen(t *testing.T) {
	t.Parallel()
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/checkout/"):
			_, _ = io.WriteString(w, `{"id":"cs_1","object":"checkout.session","status":"melting","payment_status":"odd","amount_total":100,"currency":"usd"}`)
		case strings.Contains(r.URL.Path, "/invoices/"):
			_, _ = io.WriteString(w, `{"id":"in_1","object":"invoice","status":"melting","total":100,"currency":"usd"}`)
		case strings.Contains(r.URL.Path, "/refunds"):
			_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"re_1","object":"refund","status":"melting","amount":100,"currency":"usd","metadata":{"ref":"r"}}]}`)
		default:
			_, _ = io.WriteString(w, `{"id":"pi_1","object":"payment_intent","status":"melting","amount":100,"currency":"usd"}`)
		}
	})
	for _, id := range []string{"cs_1", "pi_1", "in_1"} {
		p, err := c.Payment(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, copay.PaymentProcessing, p.Status, id)
		require.Contains(t, p.RawStatus, "melting")
		require.False(t, p.Status.Final())
	}
	re, err := c.FindRefund(t.Context(), "pi_1", "r")
	require.NoError(t, err)
	require.Equal(t, "pending", re.Status)
}

func TestNothingListensIsUnavailable(t *testing.T) {
	t.Parallel()
	c, err := stripe.New(integrations.Settings{Practice: practice, Platform: stripe.Name, Options: map[string]any{
		"secret_key": "literal:" + testKey, "base_url": "http://127.0.0.1:1"}})
	require.NoError(t, err)
	id, ref := newCoPay()
	_, err = c.ChargeStored(t.Context(), integrations.StoredCharge{Ref: ref, CoPay: id, Amount: copay.Cents(1000), Customer: "cus_1", Method: "pm_1"})
	requireKind(t, integrations.KindUnavailable, err)
}
