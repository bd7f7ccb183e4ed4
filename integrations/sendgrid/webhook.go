package sendgrid

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// The headers of a signed delivery.
const (
	signatureHeader = "X-Twilio-Email-Event-Webhook-Signature"
	timestampHeader = "X-Twilio-Email-Event-Webhook-Timestamp"
)

// Verify implements integrations.WebhookSource: ECDSA on P-256 over the time
// and the raw body, whose line ends belong to it.
func (c *Connector) Verify(_ context.Context, w integrations.Webhook) (integrations.WebhookAnswer, error) {
	if w.Method != http.MethodPost {
		return integrations.WebhookAnswer{}, refuse(integrations.KindInvalid, "only POST is accepted")
	}
	stamp := w.Header.Get(timestampHeader)
	sig, err := base64.StdEncoding.DecodeString(w.Header.Get(signatureHeader))
	if err != nil || len(sig) == 0 || !c.signed(stamp, w.Body, sig) {
		return integrations.WebhookAnswer{}, refuse(integrations.KindUnauthorized, "the signature does not match any configured key")
	}
	sec, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return integrations.WebhookAnswer{}, refuse(integrations.KindInvalid, "the time is not a number")
	}
	if age := w.At.Sub(time.Unix(sec, 0)); age > c.cfg.ReplayWindow || age < -10*time.Minute {
		return integrations.WebhookAnswer{}, refuse(integrations.KindUnauthorized, "the delivery is older than the replay window")
	}
	var raw []event
	if err := json.Unmarshal(w.Body, &raw); err != nil {
		return integrations.WebhookAnswer{}, refuse(integrations.KindInvalid, "the body is not a list of events")
	}
	var out integrations.WebhookAnswer
	for _, e := range raw {
		if e.ID == "" || len(e.ID) > 200 {
			return integrations.WebhookAnswer{}, refuse(integrations.KindInvalid, "an event has no id")
		}
		out.Events = append(out.Events, e.event())
	}
	return out, nil
}

func refuse(k integrations.Kind, msg string) error {
	return &integrations.Error{Kind: k, Platform: Platform, Op: "webhook", Message: msg}
}

func (c *Connector) signed(stamp string, body, sig []byte) bool {
	sum := sha256.Sum256(append([]byte(stamp), body...))
	for _, k := range c.cfg.keys {
		if ecdsa.VerifyASN1(k, sum[:], sig) {
			return true
		}
	}
	return false
}

// event is one entry of a delivery; custom arguments are top-level fields.
type event struct {
	ID        string      `json:"sg_event_id"`
	MessageID string      `json:"sg_message_id"`
	Event     string      `json:"event"`
	Email     string      `json:"email"`
	Timestamp json.Number `json:"timestamp"`
	Type      string      `json:"type"` // of a bounce: bounce or blocked
	Reason    string      `json:"reason"`
	Status    string      `json:"status"`
	Ref       string      `json:"ref"`
}

// event maps to ours. Opens and clicks are ignored: scanners make them.
func (e event) event() integrations.Event {
	out := integrations.Event{ID: e.ID, Kind: integrations.EventIgnored, Type: e.Event, Ref: copay.Ref(e.Ref), CoPay: copay.Ref(e.Ref).CoPay(),
		Object: e.MessageID, Channel: copay.ChannelEmail, Address: e.Email}
	if sec, err := e.Timestamp.Int64(); err == nil {
		out.At = time.Unix(sec, 0).UTC()
	}
	set := func(k integrations.EventKind, s integrations.DeliveryStatus) { out.Kind, out.Status = k, string(s) }
	switch e.Event {
	case "processed", "deferred":
		set(integrations.EventMessageStatus, integrations.DeliveryQueued)
	case "delivered":
		set(integrations.EventMessageStatus, integrations.DeliveryDelivered)
	case "bounce":
		set(integrations.EventMessageStatus, integrations.DeliveryFailed)
		if e.Type != "blocked" {
			out.Kind = integrations.EventAddressBad
		}
		out.Code = e.Status
	case "dropped":
		set(integrations.EventMessageStatus, integrations.DeliveryFailed)
		switch e.Reason {
		case "Bounced Address", "Invalid":
			out.Kind = integrations.EventAddressBad
		case "Unsubscribed Address", "Spam Reporting Address":
			set(integrations.EventMessageOptOut, integrations.DeliveryOptedOut)
		}
	case "unsubscribe", "group_unsubscribe", "spamreport":
		set(integrations.EventMessageOptOut, integrations.DeliveryOptedOut)
	case "group_resubscribe":
		out.Kind = integrations.EventMessageOptIn
	}
	return out
}
