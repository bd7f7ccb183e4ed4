package quickbooks

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/copayflow/copayflow/integrations"
)

// signatureHeader carries base64(HMAC-SHA256(verifier token, body)). It signs
// no time, so repeats are recognised by the events' ids alone.
const signatureHeader = "intuit-signature"

// Verify implements integrations.WebhookSource. It reads both envelopes: the
// object of old and the CloudEvents array. Events of other companies of the
// same app are left out, since they belong to other practices.
func (c *Connector) Verify(_ context.Context, w integrations.Webhook) (integrations.WebhookAnswer, error) {
	if !c.signed(w) {
		return integrations.WebhookAnswer{}, &integrations.Error{Kind: integrations.KindUnauthorized, Platform: c.platform,
			Op: "webhook.verify", Message: "the signature does not match"}
	}
	body := bytes.TrimSpace(w.Body)
	var events []integrations.Event
	var err error
	if len(body) > 0 && body[0] == '[' {
		events, err = c.cloudEvents(body)
	} else {
		events, err = c.notifications(body)
	}
	if err != nil {
		return integrations.WebhookAnswer{}, c.invalid("webhook.verify", "the body is neither of the two known envelopes")
	}
	return integrations.WebhookAnswer{Events: events}, nil
}

func (c *Connector) signed(w integrations.Webhook) bool {
	got, err := base64.StdEncoding.DecodeString(w.Header.Get(signatureHeader))
	if err != nil {
		return false
	}
	ok := false
	for _, token := range c.config.VerifierTokens {
		mac := hmac.New(sha256.New, []byte(token.Reveal()))
		mac.Write(w.Body)
		if hmac.Equal(got, mac.Sum(nil)) {
			ok = true
		}
	}
	return ok
}

// cloudEvent is one change in the newer envelope.
type cloudEvent struct {
	ID        string `json:"id"`
	Type      string `json:"type"` // qbo.<entity>.<operation>.v1
	Time      string `json:"time"`
	EntityID  string `json:"intuitentityid"`
	AccountID string `json:"intuitaccountid"`
}

func (c *Connector) cloudEvents(body []byte) ([]integrations.Event, error) {
	var list []cloudEvent
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	var out []integrations.Event
	for _, e := range list {
		if e.AccountID != c.config.RealmID {
			continue
		}
		var entity, op string
		if parts := strings.Split(e.Type, "."); len(parts) >= 3 && parts[0] == "qbo" {
			entity, op = parts[1], parts[2]
		}
		if e.ID == "" {
			e.ID = strings.Join([]string{e.AccountID, e.Type, e.EntityID, e.Time}, ":")
		}
		ev := changed(entity, op)
		ev.ID, ev.Type, ev.At, ev.Object = e.ID, e.Type, parseTime(e.Time), e.EntityID
		out = append(out, ev)
	}
	return out, nil
}

// notification is one company's changes in the older envelope.
type notification struct {
	RealmID         string `json:"realmId"`
	DataChangeEvent struct {
		Entities []struct {
			Name        string `json:"name"`
			ID          string `json:"id"`
			Operation   string `json:"operation"`
			LastUpdated string `json:"lastUpdated"`
			DeletedID   string `json:"deletedId"`
		} `json:"entities"`
	} `json:"dataChangeEvent"`
}

func (c *Connector) notifications(body []byte) ([]integrations.Event, error) {
	var envelope struct {
		EventNotifications []notification `json:"eventNotifications"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return nil, err
	}
	var out []integrations.Event
	for _, n := range envelope.EventNotifications {
		if n.RealmID != c.config.RealmID {
			continue
		}
		for _, e := range n.DataChangeEvent.Entities {
			ev := changed(e.Name, e.Operation)
			id := []string{n.RealmID, e.Name, e.ID, e.Operation, e.LastUpdated}
			if e.DeletedID != "" {
				id = append(id, e.DeletedID)
			}
			ev.ID = strings.Join(id, ":")
			ev.Type, ev.At, ev.Object = e.Name+"."+e.Operation, parseTime(e.LastUpdated), e.ID
			out = append(out, ev)
		}
	}
	return out, nil
}

// kinds of the entities that co-pays are booked as; all others are ignored.
var kinds = map[string]integrations.DocKind{
	"invoice":       integrations.DocInvoice,
	"payment":       integrations.DocPayment,
	"refundreceipt": integrations.DocRefund,
}

// operations in one spelling for both envelopes and the change listing.
var operations = map[string]string{
	"create": "created", "created": "created", "update": "updated", "updated": "updated", "delete": "deleted", "deleted": "deleted",
	"void": "voided", "voided": "voided", "merge": "merged", "merged": "merged", "email": "emailed", "emailed": "emailed",
}

// changed makes the event of a change: Code is the document's kind and Status
// the operation. A payload never holds more than ids: the document is read.
func changed(entity, operation string) integrations.Event {
	kind, ours := kinds[strings.ToLower(entity)]
	if !ours {
		return integrations.Event{Kind: integrations.EventIgnored}
	}
	op, known := operations[strings.ToLower(operation)]
	if !known {
		op = "changed"
	}
	return integrations.Event{Kind: integrations.EventAccountingChanged, Code: string(kind), Status: op}
}
