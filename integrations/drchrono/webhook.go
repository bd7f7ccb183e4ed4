package drchrono

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// kinds maps DrChrono's events; all others are ignored. There are no events
// for payments made, eligibility or remittances.
var kinds = map[string]integrations.EventKind{
	"LINE_ITEM_CREATE":    integrations.EventChargeCreated,
	"LINE_ITEM_MODIFY":    integrations.EventChargeChanged,
	"LINE_ITEM_DELETE":    integrations.EventChargeDeleted,
	"APPOINTMENT_CREATE":  integrations.EventVisitChanged,
	"APPOINTMENT_MODIFY":  integrations.EventVisitChanged,
	"APPOINTMENT_DELETE":  integrations.EventVisitChanged,
	"PATIENT_MODIFY":      integrations.EventPatientChanged,
	"CASH_PAYMENT_DELETE": integrations.EventPostingDeleted,
}

// Verify implements integrations.WebhookSource. The signature header is the
// shared secret itself and does not cover the body, so nothing in the body is
// believed but the ids: the charge is read again over the API.
func (c *Connector) Verify(_ context.Context, w integrations.Webhook) (integrations.WebhookAnswer, error) {
	secret := c.cfg.WebhookSecret.Reveal()
	if secret == "" {
		return integrations.WebhookAnswer{}, refuse(integrations.KindUnauthorized, "no webhook secret is configured")
	}
	if w.Method == http.MethodGet {
		return handshake(w.URL, secret)
	}
	if !authentic(w, secret) {
		return integrations.WebhookAnswer{}, refuse(integrations.KindUnauthorized, "the signature does not match")
	}
	event := w.Header.Get("X-drchrono-event")
	if !eventName.MatchString(event) {
		return integrations.WebhookAnswer{}, refuse(integrations.KindInvalid, "the event header is missing or strange")
	}
	if event == "PING" {
		return integrations.WebhookAnswer{}, nil
	}
	e, err := parse(event, w)
	if err != nil {
		return integrations.WebhookAnswer{}, err
	}
	return integrations.WebhookAnswer{Events: []integrations.Event{e}}, nil
}

func refuse(k integrations.Kind, msg string) error {
	return &integrations.Error{Kind: k, Platform: Platform, Op: "webhook", Message: msg}
}

// maxChallenge is more than any handshake needs.
const maxChallenge = 256

// handshake answers the verification of a new callback address. Anybody may
// ask, so it must never sign what could pass for a delivery's body, which is
// always a JSON object.
func handshake(raw, secret string) (integrations.WebhookAnswer, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return integrations.WebhookAnswer{}, refuse(integrations.KindInvalid, "the handshake cannot be read")
	}
	msg := u.Query().Get("msg")
	if msg == "" || len(msg) > maxChallenge || strings.ContainsAny(msg, "{}") {
		return integrations.WebhookAnswer{}, refuse(integrations.KindInvalid, "the handshake's msg is missing or not a challenge")
	}
	body, err := json.Marshal(map[string]string{"secret_token": mac(secret, []byte(msg))})
	if err != nil {
		return integrations.WebhookAnswer{}, err
	}
	return integrations.WebhookAnswer{Reply: &integrations.Reply{Status: http.StatusOK, ContentType: "application/json", Body: body}}, nil
}

func mac(secret string, data []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(data)
	return hex.EncodeToString(m.Sum(nil))
}

// authentic accepts the shared secret, or the HMAC-SHA256 of a body that is a
// JSON object: a handshake never signs one.
func authentic(w integrations.Webhook, secret string) bool {
	got := w.Header.Get("X-drchrono-signature")
	plain, signed := equal(got, secret), equal(strings.ToLower(got), mac(secret, w.Body))
	if !bytes.HasPrefix(bytes.TrimSpace(w.Body), []byte("{")) {
		signed = 0
	}
	return plain|signed == 1
}

// equal compares in constant time, whatever the lengths.
func equal(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}

// parse reads the ids. The event's id is made of what happened to what and
// when, because a delivery sent again by hand may carry a new delivery id.
func parse(event string, w integrations.Webhook) (integrations.Event, error) {
	var body struct {
		Object *struct {
			ID          id     `json:"id"`
			Appointment id     `json:"appointment"`
			Patient     id     `json:"patient"`
			LineItem    id     `json:"line_item"`
			UpdatedAt   string `json:"updated_at"`
		} `json:"object"`
	}
	err := json.Unmarshal(w.Body, &body)
	if _, wanted := kinds[event]; !wanted { // whatever it holds, it is acknowledged
		return integrations.Event{ID: strings.ToLower(event) + ":" + delivery(w), Kind: integrations.EventIgnored, Type: event, At: w.At}, nil
	}
	if err != nil || body.Object == nil || !proper(string(body.Object.ID)) {
		return integrations.Event{}, refuse(integrations.KindInvalid, "the body names no object")
	}
	o := body.Object
	if o.UpdatedAt == "" || len(o.UpdatedAt) > maxID { // then the delivery tells two events apart
		o.UpdatedAt = delivery(w)
	}
	e := integrations.Event{ID: strings.ToLower(event) + ":" + string(o.ID) + ":" + o.UpdatedAt, Kind: kinds[event], Type: event, At: w.At,
		Patient: copay.PatientRef(o.Patient), Object: string(o.ID)}
	switch e.Kind {
	case integrations.EventChargeCreated, integrations.EventChargeChanged, integrations.EventChargeDeleted:
		e.Charge, e.Appointment = copay.ChargeID(o.ID), copay.AppointmentID(o.Appointment)
	case integrations.EventVisitChanged:
		e.Appointment = copay.AppointmentID(o.ID)
	case integrations.EventPatientChanged:
		e.Patient = copay.PatientRef(o.ID)
	case integrations.EventPostingDeleted:
		e.Charge, e.Appointment = copay.ChargeID(o.LineItem), copay.AppointmentID(o.Appointment)
	}
	return e, nil
}

var eventName = regexp.MustCompile(`^[A-Z][A-Z_]{0,63}$`)

// maxID is longer than any of DrChrono's ids and times.
const maxID = 128

// proper reports whether an id has no surprises.
func proper(s string) bool {
	return s != "" && len(s) <= maxID && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// delivery names a delivery whose object does not say when it changed.
func delivery(w integrations.Webhook) string {
	if d := w.Header.Get("X-drchrono-delivery"); proper(d) {
		return d
	}
	sum := sha256.Sum256(w.Body)
	return hex.EncodeToString(sum[:16])
}
