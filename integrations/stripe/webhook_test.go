package stripe_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/stripe"
	"github.com/copayflow/copayflow/internal/spectest"
)

// listener makes a connector that only verifies webhooks.
func listener(t testing.TB, now time.Time, secrets ...string) *stripe.Connector {
	t.Helper()
	list := []any{}
	for _, s := range secrets {
		list = append(list, "literal:"+s)
	}
	c, err := stripe.New(integrations.Settings{Practice: practice, Platform: stripe.Name, Now: func() time.Time { return now },
		Options: map[string]any{"secret_key": "literal:" + testKey, "webhook_secrets": list, "base_url": "http://127.0.0.1:1", "require_test_mode": true}})
	require.NoError(t, err)
	return c
}

func signature(secret string, at int64, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(strconv.FormatInt(at, 10) + "." + body))
	return hex.EncodeToString(mac.Sum(nil))
}

func delivery(header, body string) integrations.Webhook {
	h := http.Header{}
	if header != "" {
		h.Set("Stripe-Signature", header)
	}
	return integrations.Webhook{Method: http.MethodPost, Header: h, Body: []byte(body)}
}

func TestSignatureVectors(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(spectest.Path("stripe", "webhook-signature-vectors.json"))
	if err != nil {
		t.Skip("the Stripe signature vectors are not beside the repository (COPAYFLOW_SPECS)")
	}
	var file struct {
		Now     int64 `json:"now"`
		Vectors []struct {
			Name, Secret, Payload, Header, Error string
			Valid                                bool
		} `json:"vectors"`
	}
	require.NoError(t, json.Unmarshal(raw, &file))
	require.NotEmpty(t, file.Vectors)
	for _, v := range file.Vectors {
		c := listener(t, time.Unix(file.Now, 0), v.Secret)
		_, err := c.Verify(t.Context(), delivery(v.Header, v.Payload))
		if v.Valid {
			require.NoError(t, err, v.Name)
			continue
		}
		want := integrations.KindUnauthorized
		if v.Error == "invalid header" {
			want = integrations.KindInvalid
		}
		requireKind(t, want, err)
	}
}

func TestSignatureWindowAndSecrets(t *testing.T) {
	t.Parallel()
	const now = 1_700_000_000
	const body = `{"id":"evt_1","type":"payout.paid","data":{"object":{}}}`
	const other = "whsec_other"
	c := listener(t, time.Unix(now, 0), testSecret, other)
	for name, tc := range map[string]struct {
		header, body string
		want         integrations.Kind
	}{
		"now":               {fmt.Sprintf("t=%d,v1=%s", now, signature(testSecret, now, body)), body, ""},
		"second secret":     {fmt.Sprintf("t=%d,v1=%s", now, signature(other, now, body)), body, ""},
		"second signature":  {fmt.Sprintf("t=%d,v1=00,v1=%s", now, signature(testSecret, now, body)), body, ""},
		"just in time":      {fmt.Sprintf("t=%d,v1=%s", now-300, signature(testSecret, now-300, body)), body, ""},
		"just too old":      {fmt.Sprintf("t=%d,v1=%s", now-301, signature(testSecret, now-301, body)), body, integrations.KindUnauthorized},
		"just ahead":        {fmt.Sprintf("t=%d,v1=%s", now+300, signature(testSecret, now+300, body)), body, ""},
		"from the future":   {fmt.Sprintf("t=%d,v1=%s", now+301, signature(testSecret, now+301, body)), body, integrations.KindUnauthorized},
		"far future":        {fmt.Sprintf("t=%d,v1=%s", int64(9e18), signature(testSecret, 9e18, body)), body, integrations.KindInvalid},
		"wrong secret":      {fmt.Sprintf("t=%d,v1=%s", now, signature("whsec_wrong", now, body)), body, integrations.KindUnauthorized},
		"other body":        {fmt.Sprintf("t=%d,v1=%s", now, signature(testSecret, now, body)), body + " ", integrations.KindUnauthorized},
		"other time":        {fmt.Sprintf("t=%d,v1=%s", now+1, signature(testSecret, now, body)), body, integrations.KindUnauthorized},
		"padded time":       {fmt.Sprintf("t=0%d,v1=%s", now, signature(testSecret, now, body)), body, integrations.KindInvalid},
		"no time":           {"v1=" + signature(testSecret, now, body), body, integrations.KindInvalid},
		"no signature":      {fmt.Sprintf("t=%d", now), body, integrations.KindInvalid},
		"signed, not JSON":  {fmt.Sprintf("t=%d,v1=%s", now, signature(testSecret, now, "x")), "x", integrations.KindInvalid},
		"signed, not event": {fmt.Sprintf("t=%d,v1=%s", now, signature(testSecret, now, "{}")), "{}", integrations.KindInvalid},
	} {
		_, err := c.Verify(t.Context(), delivery(tc.header, tc.body))
		if tc.want == "" {
			require.NoError(t, err, name)
			continue
		}
		requireKind(t, tc.want, err)
	}
	none := listener(t, time.Unix(now, 0))
	_, err := none.Verify(t.Context(), delivery(fmt.Sprintf("t=%d,v1=%s", now, signature("", now, body)), body))
	requireKind(t, integrations.KindUnauthorized, err)
}

func signed(t testing.TB, c *stripe.Connector, body string) (integrations.Event, error) {
	t.Helper()
	const now = 1_700_000_000
	a, err := c.Verify(t.Context(), delivery(fmt.Sprintf("t=%d,v1=%s", now, signature(testSecret, now, body)), body))
	if err != nil {
		return integrations.Event{}, err
	}
	require.Len(t, a.Events, 1)
	require.Nil(t, a.Reply)
	return a.Events[0], nil
}

func TestEventsAreNormalised(t *testing.T) {
	t.Parallel()
	c := listener(t, time.Unix(1_700_000_000, 0), testSecret)
	id, ref := newCoPay()
	meta := func(rail string) string {
		return fmt.Sprintf(`"metadata":{"copay_id":%q,"ref":%q,"practice":%q,"rail":%q}`, id, ref, practice, rail)
	}
	const pi = `"id":"pi_1","currency":"usd","amount":2500,`
	const cs = `"id":"cs_1","mode":"payment","currency":"usd","amount_total":2500,`
	const in = `"id":"in_1","currency":"usd","amount_due":2500,"amount_paid":2500,`
	const dp = `"id":"dp_1","currency":"usd","amount":2500,"payment_intent":"pi_1","reason":"fraudulent",`
	for _, tc := range []struct {
		kind, object string
		want         integrations.EventKind
		status, obj  string
		code         string
	}{
		{"payment_intent.succeeded", pi + `"status":"succeeded","amount_received":2500,` + meta("link"), integrations.EventPayment, "captured", "pi_1", ""},
		{"payment_intent.processing", pi + `"status":"processing",` + meta("link"), integrations.EventPayment, "processing", "pi_1", ""},
		{"payment_intent.requires_action", pi + `"status":"requires_action",` + meta("link"), integrations.EventPayment, "requested", "pi_1", ""},
		{"payment_intent.canceled", pi + `"status":"canceled",` + meta("link"), integrations.EventPayment, "cancelled", "pi_1", ""},
		{"payment_intent.payment_failed", pi + `"status":"requires_payment_method","last_payment_error":{"code":"card_declined","decline_code":"lost_card"},` + meta("card_on_file"), integrations.EventPayment, "failed", "pi_1", "lost_card"},
		{"payment_intent.payment_failed", pi + `"status":"requires_payment_method","last_payment_error":{"code":"expired_card"},` + meta("link"), integrations.EventPayment, "requested", "pi_1", "expired_card"},
		{"payment_intent.created", pi + `"status":"requires_payment_method",` + meta("link"), integrations.EventIgnored, "", "", ""},
		{"payment_intent.amount_capturable_updated", pi + `"status":"requires_capture",` + meta("link"), integrations.EventIgnored, "", "", ""},
		{"checkout.session.completed", cs + `"payment_status":"paid",` + meta("link"), integrations.EventPayment, "captured", "cs_1", ""},
		{"checkout.session.completed", cs + `"payment_status":"unpaid",` + meta("link"), integrations.EventPayment, "processing", "cs_1", ""},
		{"checkout.session.async_payment_succeeded", cs + `"payment_status":"paid",` + meta("link"), integrations.EventPayment, "captured", "cs_1", ""},
		{"checkout.session.async_payment_failed", cs + `"payment_status":"unpaid",` + meta("link"), integrations.EventPayment, "failed", "cs_1", ""},
		{"checkout.session.expired", cs + `"payment_status":"unpaid",` + meta("link"), integrations.EventPayment, "expired", "cs_1", ""},
		{"checkout.session.completed", `"id":"cs_2","mode":"setup",` + meta("link"), integrations.EventIgnored, "", "", ""},
		{"charge.refunded", `"id":"ch_1","currency":"usd","amount":2500,"amount_refunded":2500,"payment_intent":{"id":"pi_1"},` + meta("link"), integrations.EventRefund, "succeeded", "pi_1", ""},
		{"charge.refund.updated", `"id":"re_1","currency":"usd","amount":2500,"status":"failed","failure_reason":"lost_or_stolen_card",` + meta(""), integrations.EventRefund, "failed", "re_1", "lost_or_stolen_card"},
		{"refund.created", `"id":"re_1","currency":"usd","amount":2500,"status":"pending",` + meta(""), integrations.EventRefund, "pending", "re_1", ""},
		{"charge.dispute.created", dp + `"status":"needs_response",` + meta(""), integrations.EventDispute, "opened", "pi_1", "fraudulent"},
		{"charge.dispute.updated", dp + `"status":"under_review",` + meta(""), integrations.EventDispute, "opened", "pi_1", "fraudulent"},
		{"charge.dispute.closed", dp + `"status":"won",` + meta(""), integrations.EventDispute, "won", "pi_1", "fraudulent"},
		{"charge.dispute.closed", dp + `"status":"lost",` + meta(""), integrations.EventDispute, "lost", "pi_1", "fraudulent"},
		{"charge.dispute.created", dp + `"status":"warning_needs_response",` + meta(""), integrations.EventIgnored, "", "", ""},
		{"invoice.paid", in + meta(""), integrations.EventPayment, "captured", "in_1", ""},
		{"invoice.payment_failed", in + meta(""), integrations.EventPayment, "requested", "in_1", ""},
		{"invoice.voided", in + meta(""), integrations.EventPayment, "cancelled", "in_1", ""},
		{"invoice.paid", in + `"paid_out_of_band":true,` + meta(""), integrations.EventIgnored, "", "", ""},
		{"invoice.created", in + meta(""), integrations.EventIgnored, "", "", ""},
		{"payment_intent.succeeded", pi + `"status":"succeeded","metadata":{}`, integrations.EventIgnored, "", "", ""},
		{"payment_intent.succeeded", pi + `"status":"succeeded","metadata":{"copay_id":"someone else's"}`, integrations.EventIgnored, "", "", ""},
		{"payment_intent.succeeded", pi + fmt.Sprintf(`"status":"succeeded","metadata":{"copay_id":%q,"practice":"hillside"}`, id), integrations.EventIgnored, "", "", ""},
		{"customer.created", `"id":"cus_1"`, integrations.EventIgnored, "", "", ""},
		{"something.new", `"id":17`, integrations.EventIgnored, "", "", ""},
	} {
		body := fmt.Sprintf(`{"id":"evt_9","object":"event","type":%q,"created":1699999999,"data":{"object":{%s}}}`, tc.kind, tc.object)
		ev, err := signed(t, c, body)
		require.NoError(t, err, tc.kind)
		require.Equal(t, "evt_9", ev.ID)
		require.Equal(t, tc.kind, ev.Type)
		require.Equal(t, tc.want, ev.Kind, body)
		require.Equal(t, tc.status, ev.Status, body)
		require.Equal(t, tc.obj, ev.Object, body)
		require.Equal(t, tc.code, ev.Code, body)
		require.Equal(t, time.Unix(1_699_999_999, 0).UTC(), ev.At)
		if tc.want != integrations.EventIgnored {
			require.Equal(t, id, ev.CoPay)
			require.Equal(t, ref, ev.Ref)
			require.Equal(t, copay.Cents(25_00), *ev.Amount)
		}
	}
}

func TestEventsThatAreRefused(t *testing.T) {
	t.Parallel()
	c := listener(t, time.Unix(1_700_000_000, 0), testSecret)
	_, err := signed(t, c, `{"id":"evt_1","type":"payment_intent.succeeded","livemode":true,"data":{"object":{}}}`)
	requireKind(t, integrations.KindInvalid, err)
	_, err = signed(t, c, `{"id":"evt_1","type":"payment_intent.succeeded","data":{"object":{"amount":"many"}}}`)
	requireKind(t, integrations.KindInvalid, err)
	// Whose dispute it is must be asked; the platform does not answer now.
	_, err = signed(t, c, `{"id":"evt_1","type":"charge.dispute.created","data":{"object":{"id":"dp_1","payment_intent":"pi_1","status":"lost"}}}`)
	requireKind(t, integrations.KindUnavailable, err)
	ev, err := signed(t, c, `{"id":"evt_1","type":"payment_intent.succeeded","account":"acct_other","data":{"object":{}}}`)
	require.NoError(t, err)
	require.Equal(t, integrations.EventIgnored, ev.Kind)
}

// A live endpoint for connected accounts is sent their test events, too, signed
// with the same secret: what a test card paid must not count.
func TestEventsOfTheOtherModeAreIgnored(t *testing.T) {
	t.Parallel()
	const now = 1_700_000_000
	id, ref := newCoPay()
	for _, tc := range []struct {
		key      string
		livemode bool
		want     integrations.EventKind
	}{
		{"sk_live_1", true, integrations.EventPayment},
		{"rk_live_1", true, integrations.EventPayment},
		{"sk_live_1", false, integrations.EventIgnored},
		{"rk_live_1", false, integrations.EventIgnored},
		{"sk_test_1", false, integrations.EventPayment},
		{"sk_test_1", true, integrations.EventIgnored},
	} {
		c, err := stripe.New(integrations.Settings{Practice: practice, Platform: stripe.Name, Now: func() time.Time { return time.Unix(now, 0) },
			Options: map[string]any{"secret_key": "literal:" + tc.key, "webhook_secrets": []any{"literal:" + testSecret}, "account": "acct_1"}})
		require.NoError(t, err)
		ev, err := signed(t, c, fmt.Sprintf(`{"id":"evt_1","type":"payment_intent.succeeded","livemode":%t,"account":"acct_1","data":{"object":{"id":"pi_1",
			"status":"succeeded","amount":2500,"amount_received":2500,"currency":"usd","metadata":{"copay_id":%q,"ref":%q,"practice":%q}}}}`,
			tc.livemode, id, ref, practice))
		require.NoError(t, err)
		require.Equal(t, "evt_1", ev.ID, "kept, so that the platform does not send it again")
		require.Equal(t, tc.want, ev.Kind, "%s, livemode %t", tc.key, tc.livemode)
	}
}

func TestWebhooksOfThePlatform(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, p := b.open(25_00)
	require.NoError(t, b.sim.PaySession(p.PlatformID, "pm_card_visa"))
	done := b.event(t.Context(), "checkout.session.completed")
	require.Equal(t, string(copay.PaymentCaptured), done.Status)
	require.Equal(t, p.PlatformID, done.Object)
	require.Equal(t, r.Ref, done.Ref)
	require.Equal(t, r.CoPay, done.CoPay)
	intent := b.event(t.Context(), "payment_intent.succeeded")
	require.Equal(t, r.Ref, intent.Ref, "the intent carries the metadata, too")

	b.mu.Lock()
	old := b.hooks[0]
	b.mu.Unlock()
	w := integrations.Webhook{Header: old.Header, Body: old.Body}
	one, err := b.conn.Verify(t.Context(), w)
	require.NoError(t, err)
	two, err := b.conn.Verify(t.Context(), w)
	require.NoError(t, err)
	require.Equal(t, one, two, "a duplicate has the same id")
	b.clock.add(301 * time.Second)
	_, err = b.conn.Verify(t.Context(), w)
	requireKind(t, integrations.KindUnauthorized, err)
}

func FuzzWebhook(f *testing.F) {
	const now = 1_700_000_000
	body := `{"id":"evt_1","type":"payment_intent.succeeded","data":{"object":{"id":"pi_1","metadata":{"copay_id":"c"}}}}`
	f.Add(fmt.Sprintf("t=%d,v1=%s", now, signature(testSecret, now, body)), body)
	f.Add("t=1,v1=,v0=zz", `{"id":"x","type":"charge.dispute.created","data":{"object":{"payment_intent":{"id":{}}}}}`)
	f.Add("t=-1,v1", `{"data":null}`)
	f.Fuzz(func(t *testing.T, header, body string) {
		c := listener(t, time.Unix(now, 0), testSecret)
		a, err := c.Verify(t.Context(), delivery(header, body))
		if err != nil {
			require.NotNil(t, integrations.AsError(err))
		} else {
			require.Len(t, a.Events, 1)
			require.Contains(t, header, "v1=")
		}
		// However strange a body is, once it is signed it is read or refused.
		a, err = c.Verify(t.Context(), delivery(fmt.Sprintf("t=%d,v1=%s", now, signature(testSecret, now, body)), body))
		if err != nil {
			require.NotEqual(t, integrations.KindUnauthorized, integrations.KindOf(err))
			return
		}
		require.NotEmpty(t, a.Events[0].ID)
		require.NotEmpty(t, a.Events[0].Kind)
	})
}
