package integrations

import (
	"context"
	"time"

	"github.com/copayflow/copayflow/copay"
)

// Notifier sends messages to patients on one channel.
type Notifier interface {
	// Channel is the channel this platform serves.
	Channel() copay.Channel
	// Send hands one message over. Where the platform has no idempotency key
	// and Attempt > 1, the connector looks for the first try before it sends
	// again. An opted-out recipient is KindDeclined with Final set.
	Send(ctx context.Context, m Message) (Sent, error)
	// Status reads how far a message is.
	Status(ctx context.Context, id string) (Sent, error)
	// FindSent looks for a message by its reference and recipient since a moment.
	FindSent(ctx context.Context, m Message) (Sent, error)
}

// Message is one message to one patient. PHI: To and Body.
type Message struct {
	Ref      copay.Ref
	Practice copay.PracticeID
	To       string // E.164 number or e-mail address
	FromName string // the practice, as patients know it
	Subject  string // e-mail only
	Body     string // plain text
	HTML     string // e-mail only, optional
	// Token is the unique part of the payment link inside Body, by which a
	// sent message can be recognised.
	Token string
	// Expires is when the message must no longer leave the platform's queue
	// (the start of quiet hours).
	Expires time.Time
	Attempt int
	Since   time.Time
}

// Handover is the longest that a message takes to the platform: its turn among
// our own calls, and the way.
const Handover = 10 * time.Second

// TooLate reports whether a message handed over now could leave the platform
// only after it must no longer leave. Between the decision to send and the
// sending other platforms are asked, which takes time.
func (m Message) TooLate(now time.Time) bool {
	return !m.Expires.IsZero() && !now.Add(Handover).Before(m.Expires)
}

// ErrTooLate makes the refusal of a message that is TooLate: nothing was sent,
// and trying again decides anew whether and when it may go out.
func ErrTooLate(p copay.Platform, op string) *Error {
	return &Error{Kind: KindUnavailable, Platform: p, Op: op, Code: "too_late", Message: "the hours in which messages may go out end now"}
}

// DeliveryStatus is how far a message is.
type DeliveryStatus string

// The delivery statuses, by rank.
const (
	DeliveryQueued    DeliveryStatus = "queued"
	DeliverySent      DeliveryStatus = "sent"
	DeliveryDelivered DeliveryStatus = "delivered"
	DeliveryFailed    DeliveryStatus = "failed"
	DeliveryOptedOut  DeliveryStatus = "opted_out"
)

// Sent is a message as the platform has it.
type Sent struct {
	ID     string
	Ref    copay.Ref
	Status DeliveryStatus
	Code   string
	At     time.Time
}
