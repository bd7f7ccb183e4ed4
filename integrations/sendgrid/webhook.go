package sendgrid

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

const (
	opWebhook       = "webhook"
	headerSignature = "X-Twilio-Email-Event-Webhook-Signature"
	headerTimestamp = "X-Twilio-Email-Event-Webhook-Timestamp"
)

// Verify checks the signature of an event webhook and reads its events. One
// delivery holds many. Their order is not the order in which they happened,
// and any may come again, with the same id.
func (c *Connector) Verify(_ context.Context, w integrations.Webhook) (integrations.WebhookAnswer, error) {
	if err := c.checkSignature(w); err != nil {
		return integrations.WebhookAnswer{}, err
	}
	var batch []json.RawMessage
	if err := json.Unmarshal(w.Body, &batch); err != nil {
		return integrations.WebhookAnswer{}, refuse(integrations.KindInvalid, "the body is not a list of events")
	}
	var a integrations.WebhookAnswer
	for _, raw := range batch {
		a.Events = append(a.Events, c.events(raw)...)
	}
	return a, nil
}

func refuse(k integrations.Kind, text string) *integrations.Error {
	return &integrations.Error{Kind: k, Platform: Platform, Op: opWebhook, Message: text}
}

// checkSignature verifies ECDSA over SHA-256 of the timestamp header and the
// raw body, to the last byte: the platform's bodies end with CR LF. Any of
// the keys may match.
func (c *Connector) checkSignature(w integrations.Webhook) error {
	stamp, text := w.Header.Get(headerTimestamp), w.Header.Get(headerSignature)
	switch {
	case len(c.keys) == 0:
		return refuse(integrations.KindUnauthorized, "no webhook public key is configured")
	case stamp == "" || text == "":
		return refuse(integrations.KindUnauthorized, "the delivery is not signed; switch signing on in the console")
	}
	signature, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return refuse(integrations.KindInvalid, "the signature header is malformed")
	}
	hash := sha256.New()
	hash.Write([]byte(stamp))
	hash.Write(w.Body)
	digest, valid := hash.Sum(nil), false
	for _, key := range c.keys {
		if ecdsa.VerifyASN1(key, digest, signature) {
			valid = true
		}
	}
	if !valid {
		return refuse(integrations.KindUnauthorized, "no signature matches")
	}
	sec, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || sec < 0 || sec > 1<<40 {
		return refuse(integrations.KindInvalid, "the timestamp header is malformed")
	}
	if age := c.now().Sub(time.Unix(sec, 0)); age > c.cfg.ReplayWindow || age < -clockSkew {
		return refuse(integrations.KindUnauthorized, "the delivery is too old or from the future")
	}
	return nil
}

// wireEvent is one event, as far as it is used. Custom arguments stand at the
// top level, ours among them; the reason is text of foreign mail servers.
type wireEvent struct {
	Email     string      `json:"email"`
	Timestamp json.Number `json:"timestamp"`
	Event     string      `json:"event"`
	ID        string      `json:"sg_event_id"`
	MessageID string      `json:"sg_message_id"`
	Type      string      `json:"type"`
	Reason    string      `json:"reason"`
	Status    string      `json:"status"`
	Group     int         `json:"asm_group_id"`
	Ref       string      `json:"ref"`
}

var (
	eventIDPattern = regexp.MustCompile(`^[A-Za-z0-9_=+/.-]{1,128}$`)
	kindPattern    = regexp.MustCompile(`^[a-z_]{1,40}$`)
)

// events reads one event. One that cannot be read is kept as ignored, so that
// it does not hold up the others of its delivery for a day.
func (c *Connector) events(raw json.RawMessage) []integrations.Event {
	var w wireEvent
	if err := json.Unmarshal(raw, &w); err != nil {
		return []integrations.Event{{ID: hashID(raw), Kind: integrations.EventIgnored, Type: "unreadable", At: c.now().UTC()}}
	}
	base := integrations.Event{ID: w.ID, Type: w.Event, At: c.now().UTC(), Object: messageID(w.MessageID), Code: w.code(), Channel: copay.ChannelEmail}
	if !eventIDPattern.MatchString(base.ID) {
		base.ID = hashID(raw)
	}
	if !kindPattern.MatchString(base.Type) {
		base.Type = "unknown"
	}
	if sec, err := w.Timestamp.Int64(); err == nil && sec > 0 && sec < 1<<40 {
		base.At = time.Unix(sec, 0).UTC()
	}
	o := outcomeOf(w)
	if strings.HasPrefix(w.Event, "group_") && !c.concerns(w) {
		o = outcome{}
	}
	var out []integrations.Event
	if ref := copay.Ref(w.Ref); o.status != "" && ref.CoPay() != "" {
		// A status without our reference is another program's mail.
		e := base
		e.Kind, e.Status, e.Ref, e.CoPay = integrations.EventMessageStatus, string(o.status), ref, ref.CoPay()
		out = append(out, e)
	}
	if o.address != "" && w.Email != "" {
		e := base
		e.Kind, e.Address = o.address, w.Email
		if len(out) > 0 {
			e.ID += ":address"
		}
		out = append(out, e)
	}
	if len(out) == 0 {
		base.Kind = integrations.EventIgnored
		out = append(out, base)
	}
	return out
}

// concerns reports whether a group event is about payment mail and not about
// another kind of mail of the same account, such as a newsletter. In doubt a
// patient who leaves is heard; one who comes back must name our group, because
// consent is never guessed.
func (c *Connector) concerns(w wireEvent) bool {
	g := c.cfg.UnsubscribeGroup
	if w.Event == "group_resubscribe" {
		return g != 0 && w.Group == g
	}
	return g == 0 || w.Group == 0 || w.Group == g
}

// hashID names an event by its content, for want of an id.
func hashID(raw []byte) string {
	sum := sha256.Sum256(raw)
	return "sha256-" + hex.EncodeToString(sum[:16])
}
