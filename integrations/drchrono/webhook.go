package drchrono

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

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
	if event == "" {
		return integrations.WebhookAnswer{}, refuse(integrations.KindInvalid, "the event header is missing")
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

// handshake answers the verification of a new callback address.
func handshake(raw, secret string) (integrations.WebhookAnswer, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Query().Get("msg") == "" {
		return integrations.WebhookAnswer{}, refuse(integrations.KindInvalid, "the handshake has no msg")
	}
	body, err := json.Marshal(map[string]string{"secret_token": mac(secret, []byte(u.Query().Get("msg")))})
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

func authentic(w integrations.Webhook, secret string) bool {
	got := []byte(w.Header.Get("X-drchrono-signature"))
	plain := subtle.ConstantTimeCompare(got, []byte(secret))
	signed := subtle.ConstantTimeCompare(got, []byte(mac(secret, w.Body)))
	return plain|signed == 1
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
	if err := json.Unmarshal(w.Body, &body); err != nil || body.Object == nil || body.Object.ID == "" || len(body.Object.ID) > 256 {
		return integrations.Event{}, refuse(integrations.KindInvalid, "the body names no object")
	}
	o := body.Object
	e := integrations.Event{ID: strings.ToLower(event) + ":" + string(o.ID) + ":" + o.UpdatedAt, Kind: kinds[event], Type: event, At: w.At,
		Patient: copay.PatientRef(o.Patient), Object: string(o.ID)}
	if o.UpdatedAt == "" { // a deletion says no time: the delivery tells two apart
		e.ID += w.Header.Get("X-drchrono-delivery")
	}
	switch e.Kind {
	case "":
		e.Kind = integrations.EventIgnored
	case integrations.EventChargeCreated, integrations.EventChargeChanged, integrations.EventChargeDeleted:
		e.Charge, e.Appointment = copay.ChargeID(o.ID), copay.AppointmentID(o.Appointment)
	case integrations.EventVisitChanged:
		e.Appointment = copay.AppointmentID(o.ID)
	case integrations.EventPostingDeleted:
		e.Charge, e.Appointment = copay.ChargeID(o.LineItem), copay.AppointmentID(o.Appointment)
	}
	return e, nil
}

// PollEvents implements integrations.EventPoller: it makes up for webhooks
// that were missed. The cursor is the time of the last look.
func (c *Connector) PollEvents(ctx context.Context, cursor string) ([]integrations.Event, string, error) {
	since := c.now().Add(-24 * time.Hour)
	if t, err := time.Parse(time.RFC3339, cursor); err == nil {
		since = t.Add(-5 * time.Minute) // lists lag, and the same event twice is harmless
	}
	next := c.now().UTC().Format(time.RFC3339)
	items, err := list[lineItem](ctx, c.http, "line_items.list", "/api/line_items", url.Values{"since": {since.UTC().Format("2006-01-02T15:04:05")}, "page_size": {"100"}})
	if err != nil {
		return nil, cursor, err
	}
	var out []integrations.Event
	for _, l := range items {
		out = append(out, integrations.Event{ID: "line_item_create:" + string(l.ID) + ":" + l.UpdatedAt, Kind: integrations.EventChargeCreated, Type: "LINE_ITEM_CREATE",
			At: c.now(), Charge: copay.ChargeID(l.ID), Appointment: copay.AppointmentID(l.Appointment), Patient: copay.PatientRef(l.Patient), Object: string(l.ID)})
	}
	return out, next, nil
}
