package integrations

import (
	"context"
	"net/http"
	"time"

	"github.com/copayflow/copayflow/copay"
)

// WebhookSource turns a platform's webhooks into events.
type WebhookSource interface {
	// Verify checks the signature over the raw bytes in constant time, and the
	// replay window where the platform signs a time. A refusal is
	// KindUnauthorized (bad signature) or KindInvalid (malformed). It also
	// answers handshakes: then Reply is set and nothing is stored.
	Verify(ctx context.Context, w Webhook) (WebhookAnswer, error)
}

// EventPoller lists events of a platform that cannot push, or that were missed.
type EventPoller interface {
	PollEvents(ctx context.Context, cursor string) (events []Event, next string, err error)
}

// Webhook is one delivery as it came in.
type Webhook struct {
	Method string
	// URL is the public URL the platform called, rebuilt from configuration,
	// with the query as it came.
	URL    string
	Header http.Header
	Body   []byte
	At     time.Time
}

// WebhookAnswer is what a verified delivery holds.
type WebhookAnswer struct {
	Events []Event // may be empty: verified, nothing of interest
	Reply  *Reply  // nil: 200 with an empty body
}

// Reply is the body a platform expects back.
type Reply struct {
	Status      int
	ContentType string
	Body        []byte
}

// EventKind is what happened, whatever the platform calls it.
type EventKind string

// The kinds of event.
const (
	EventChargeCreated     EventKind = "charge.created"
	EventChargeChanged     EventKind = "charge.changed"
	EventChargeDeleted     EventKind = "charge.deleted"
	EventVisitChanged      EventKind = "visit.changed"
	EventPatientChanged    EventKind = "patient.changed" // contact or insurance, as the EHR has them
	EventPostingDeleted    EventKind = "posting.deleted"
	EventPayment           EventKind = "payment" // something about a payment: fetch it
	EventRefund            EventKind = "refund"  // something about a refund: fetch it
	EventDispute           EventKind = "dispute" // the bank took money back, or gave it back
	EventMessageStatus     EventKind = "message.status"
	EventLinkLocked        EventKind = "link.locked"     // our own: too many wrong answers on the payment page
	EventMessageOptOut     EventKind = "message.opt_out" // STOP, unsubscribe, spam report
	EventMessageOptIn      EventKind = "message.opt_in"  // START
	EventMessageHelp       EventKind = "message.help"
	EventMessageInbound    EventKind = "message.inbound" // free text: staff look at it
	EventAddressBad        EventKind = "message.address_bad"
	EventAccountingChanged EventKind = "accounting.changed"
	EventEligibility       EventKind = "eligibility.changed"
	EventRemittance        EventKind = "remittance"
	EventIgnored           EventKind = "ignored" // stored, counted, acknowledged
)

// Event is one fact from a platform. The inbox stores it encrypted: Address
// and Text are PHI.
type Event struct {
	// ID is unique within the platform and practice, and the same on redelivery.
	ID   string    `json:"id"`
	Kind EventKind `json:"kind"`
	// Type is the platform's own name of it, for the record.
	Type string    `json:"type"`
	At   time.Time `json:"at,omitzero"`

	Charge      copay.ChargeID      `json:"charge,omitempty"`
	Appointment copay.AppointmentID `json:"appointment,omitempty"`
	Patient     copay.PatientRef    `json:"patient,omitempty"`

	// CoPay and Ref are ours, where the platform echoes them.
	CoPay copay.ID  `json:"copay,omitempty"`
	Ref   copay.Ref `json:"ref,omitempty"`
	// Object is the platform's id of the payment, refund, message, document…
	Object string `json:"object,omitempty"`
	// Status and Code are mapped per kind: a copay.PaymentStatus, a
	// DeliveryStatus, "opened"/"won"/"lost" for disputes.
	Status string       `json:"status,omitempty"`
	Code   string       `json:"code,omitempty"`
	Amount *copay.Money `json:"amount,omitempty"`

	Channel copay.Channel `json:"channel,omitempty"`
	Address string        `json:"address,omitempty"` // E.164 or e-mail. PHI
	Text    string        `json:"text,omitempty"`    // inbound text. PHI
}

// Tester checks credentials with one cheap, harmless call.
type Tester interface {
	// TestConnection returns a short sentence on what answered ("account
	// acct_… in test mode"), or a classified error.
	TestConnection(ctx context.Context) (string, error)
}

// Deaf is what a test of a platform adds to its sentence where nothing is
// configured to verify the platform's webhooks with, so that all are refused.
func Deaf(secrets int, setting string) string {
	if secrets > 0 {
		return ""
	}
	return "; its webhooks are refused, since " + setting + " is not configured"
}
