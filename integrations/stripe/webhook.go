package stripe

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/copayflow/copayflow/integrations"
)

// window is how far the time of a signature may lie from ours, in both
// directions (docs.stripe.com/webhooks, replay attacks: five minutes).
const window = 300 * time.Second

const opWebhook = "webhook"

// Verify checks the Stripe-Signature header over the raw body and reads the
// event. Only for disputes and dashboard refunds, which do not say whose they
// are, is the platform asked; when that fails the delivery is refused as
// Unavailable and comes again.
func (c *Connector) Verify(ctx context.Context, w integrations.Webhook) (integrations.WebhookAnswer, error) {
	if err := c.checkSignature(w.Header.Get("Stripe-Signature"), w.Body); err != nil {
		return integrations.WebhookAnswer{}, err
	}
	var ev wireEvent
	if err := json.Unmarshal(w.Body, &ev); err != nil || ev.ID == "" || ev.Type == "" {
		return integrations.WebhookAnswer{}, webhookError(integrations.KindInvalid, "the body is not an event")
	}
	if ev.Livemode && c.cfg.RequireTestMode {
		return integrations.WebhookAnswer{}, webhookError(integrations.KindInvalid, "a live event came but require_test_mode is set")
	}
	e, err := c.event(ctx, ev)
	if err != nil {
		return integrations.WebhookAnswer{}, err
	}
	return integrations.WebhookAnswer{Events: []integrations.Event{e}}, nil
}

func webhookError(k integrations.Kind, msg string) *integrations.Error {
	return &integrations.Error{Kind: k, Platform: Name, Op: opWebhook, Message: msg}
}

// checkSignature verifies "t=<unix>,v1=<hex>[,v1=<hex>]": HMAC-SHA256 with
// the endpoint's secret over the time, a dot and the body. Any secret and any
// v1 may match; other schemes and unreadable values are passed over.
func (c *Connector) checkSignature(header string, body []byte) error {
	if len(c.cfg.WebhookSecrets) == 0 {
		return webhookError(integrations.KindUnauthorized, "no webhook secret is configured")
	}
	if header == "" {
		return webhookError(integrations.KindUnauthorized, "the delivery is not signed")
	}
	stamp, signatures, ok := parseSignature(header)
	if !ok {
		return webhookError(integrations.KindInvalid, "the signature header is malformed")
	}
	valid := false
	for _, secret := range c.cfg.WebhookSecrets {
		mac := hmac.New(sha256.New, []byte(secret.Reveal()))
		mac.Write([]byte(strconv.FormatInt(stamp, 10)))
		mac.Write([]byte{'.'})
		mac.Write(body)
		want := mac.Sum(nil)
		for _, got := range signatures {
			if hmac.Equal(want, got) {
				valid = true
			}
		}
	}
	if !valid {
		return webhookError(integrations.KindUnauthorized, "no signature matches")
	}
	if age := c.now().Sub(time.Unix(stamp, 0)); age > window || age < -window {
		return webhookError(integrations.KindUnauthorized, "the signature is too old or from the future")
	}
	return nil
}

// parseSignature splits the header; ok is false when it has no time or no v1.
func parseSignature(header string) (stamp int64, signatures [][]byte, ok bool) {
	haveTime, haveV1 := false, false
	for _, part := range strings.Split(header, ",") {
		k, v, found := strings.Cut(strings.TrimSpace(part), "=")
		if !found {
			return 0, nil, false
		}
		switch k {
		case "t":
			n, err := strconv.ParseInt(v, 10, 64)
			// The signed text is the number as sent, so only its canonical
			// form is taken; far-off values would overflow durations.
			if err != nil || n < 0 || n > 1<<40 || strconv.FormatInt(n, 10) != v {
				return 0, nil, false
			}
			stamp, haveTime = n, true
		case "v1":
			haveV1 = true
			if sig, err := hex.DecodeString(v); err == nil && len(signatures) < 16 {
				signatures = append(signatures, sig)
			}
		case "v0":
			haveV1 = true // well formed, though never enough
		}
	}
	return stamp, signatures, haveTime && haveV1
}
