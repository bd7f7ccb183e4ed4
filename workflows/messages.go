package workflows

import (
	"time"

	"github.com/copayflow/copayflow/copay"
)

// Names by which the outside reaches the workflow. They are part of running
// workflows' histories: never change one.
const (
	// CoPayType is the workflow's type name.
	CoPayType = "CoPay"
	// TaskQueue is where workflows and unthrottled activities run.
	TaskQueue = "copay"

	// SignalEvent carries one Event from a platform.
	SignalEvent = "event"
	// SignalRecheck says that something the next step depends on (consent,
	// contact, the clock) has changed: decide again now.
	SignalRecheck = "recheck"

	// QueryView returns the copay.CoPay.
	QueryView = "view"

	// UpdateAwaitEstimate waits until the amount is known, a person must look
	// or the co-pay is closed, and returns the copay.CoPay. It takes no
	// argument and changes nothing.
	UpdateAwaitEstimate = "await_estimate"
	// UpdateOpenPage makes sure that a payable hosted page is open, renewing
	// one that expired, and returns a Page.
	UpdateOpenPage = "open_page"

	// The staff acts. Each takes the type of its name and returns the
	// copay.CoPay after the act.
	UpdateOverrideAmount  = "override_amount"
	UpdateWaive           = "waive"
	UpdateRecordPayment   = "record_payment"
	UpdateResend          = "resend"
	UpdatePauseReminders  = "pause_reminders"
	UpdateResumeReminders = "resume_reminders"
	UpdateChangeRail      = "change_rail"
	UpdateCancel          = "cancel"
	UpdateRefund          = "refund"
	UpdateApproveRefund   = "approve_refund"
	UpdateResolveReview   = "resolve_review"
	UpdateAddNote         = "add_note"
)

// Refusals of an update are *temporal.ApplicationError whose type is one of
// these (a copay.Code) and whose details hold one *copay.Error.
const (
	RefusedInvalid      = string(copay.CodeInvalid)
	RefusedPrecondition = string(copay.CodePrecondition)
	RefusedConflict     = string(copay.CodeConflict)
	RefusedPermission   = string(copay.CodePermission)
	RefusedNotFound     = string(copay.CodeNotFound)
)

// Input starts a co-pay. Whatever may change between deployments (policy,
// queues) enters here and stays as it is for the life of the co-pay.
type Input struct {
	Key    copay.Key    `json:"key"`
	Policy copay.Policy `json:"policy"`
	// Queues names the activity task queue of a port ("collect", "post"…)
	// whose platform has a rate limit; ports not named use TaskQueue.
	Queues map[string]string `json:"queues,omitempty"`
	// Channels are the message channels the practice has a platform for.
	Channels []copay.Channel `json:"channels,omitempty"`
	// Books says that the practice mirrors co-pays in an accounting platform.
	Books bool `json:"books,omitempty"`
	// Trigger says what started it: "event", "staff", "billing_cycle".
	Trigger string      `json:"trigger"`
	Actor   copay.Actor `json:"actor"`
	// Priority is 1 for the desk and 5 for batches.
	Priority int `json:"priority,omitempty"`
	// Trace is the id of the trace of what started it.
	Trace string `json:"trace,omitempty"`
	// Resume is set by continue-as-new.
	Resume *State `json:"resume,omitempty"`
}

// Result is what a finished workflow returns.
type Result struct {
	ID    copay.ID    `json:"id"`
	State copay.State `json:"state"`
}

// Event is a fact from a platform, stripped of PHI. It is a hint: amounts and
// states are read from the platform before money is believed.
type Event struct {
	// ID is unique (platform and the platform's event id); a repeated one
	// changes nothing.
	ID       string         `json:"id"`
	Platform copay.Platform `json:"platform"`
	// Kind is an integrations.EventKind: charge.created, payment, dispute…
	Kind   string    `json:"kind"`
	At     time.Time `json:"at,omitzero"`
	Object string    `json:"object,omitempty"` // platform's id of the payment, refund, posting…
	Ref    copay.Ref `json:"ref,omitempty"`
	Status string    `json:"status,omitempty"`
	Code   string    `json:"code,omitempty"`
	// Channel is that of a message, or of an address that something was said of.
	Channel copay.Channel `json:"channel,omitempty"`
	// Amount is only set where no call can read it again (remittances).
	Amount *copay.Money `json:"amount,omitempty"`
	// Trace is the id of the trace that it came by.
	Trace string `json:"trace,omitempty"`
}

// Act is what every staff act carries.
type Act struct {
	Actor  copay.Actor `json:"actor"`
	Reason string      `json:"reason"`
	// Key makes the act happen once: the same key with the same content
	// returns the first answer, with other content it is refused.
	Key string `json:"key"`
	// Trace is the id of the trace of the request.
	Trace string `json:"trace,omitempty"`
}

// OverrideAmount replaces the amount the patient is asked for.
type OverrideAmount struct {
	Act
	Amount copay.Money `json:"amount"`
}

// Waive gives the amount up.
type Waive struct{ Act }

// RecordPayment records money taken at the desk.
type RecordPayment struct {
	Act
	Rail     copay.Rail  `json:"rail"`
	Amount   copay.Money `json:"amount"`
	Received copay.Date  `json:"received,omitempty"`
	Number   string      `json:"number,omitempty"` // check or terminal receipt number
}

// Resend sends the request again now (within quiet hours, consent and caps).
type Resend struct {
	Act
	// NewLink says that the old link was ended before: part of the act, so that
	// its key stands for one wish.
	NewLink bool `json:"new_link,omitempty"`
}

// PauseReminders stops reminders until ResumeReminders.
type PauseReminders struct{ Act }

// ResumeReminders takes a pause back.
type ResumeReminders struct{ Act }

// ChangeRail asks for the money in another way.
type ChangeRail struct {
	Act
	Rail copay.Rail `json:"rail"`
}

// Cancel withdraws the co-pay and undoes what was done.
type Cancel struct{ Act }

// Refund gives collected money back.
type Refund struct {
	Act
	// Payment may be empty when only one payment can be refunded.
	Payment copay.PaymentID `json:"payment,omitempty"`
	Amount  copay.Money     `json:"amount"`
}

// ApproveRefund is a second person's decision on a waiting refund.
type ApproveRefund struct {
	Act
	Refund  copay.RefundID `json:"refund"`
	Approve bool           `json:"approve"`
}

// ResolveReview answers a review with one of its choices.
type ResolveReview struct {
	Act
	Choice copay.Choice `json:"choice"`
	Amount *copay.Money `json:"amount,omitempty"` // for set_amount
}

// AddNote keeps a remark in the co-pay's history.
type AddNote struct {
	Act
	Text string `json:"text"`
}

// OpenPage is the patient's wish for a page to pay on.
type OpenPage struct {
	// Keep is what the patient agreed to, word for word what they were shown:
	// that the card is kept for later co-pays. Nil: it is not kept.
	Keep *copay.CardConsent `json:"keep,omitempty"`
}

// Page is a hosted payment page that can be paid now.
type Page struct {
	URL string `json:"url"`
	// State says why there is none when URL is empty.
	State copay.State `json:"state"`
}

// State is everything a run knows; it is handed to the next run and mirrored
// in the read model. Only additive changes.
type State struct {
	CoPay copay.CoPay `json:"copay"`
	// Events arrived and were not yet looked at.
	Events []Event `json:"events,omitempty"`
	// Forced says that staff asked for a message that has not gone out yet.
	Forced bool `json:"forced,omitempty"`
	// Gone, Missing and Stale are what was reported and has yet to be looked up:
	// that the charge or a posting was deleted, that a payment has changed.
	Gone    bool              `json:"gone,omitempty"`
	Missing []copay.PaymentID `json:"missing,omitempty"`
	Stale   []copay.PaymentID `json:"stale,omitempty"`
	// Early are disputes of payments whose capture was not heard of yet.
	Early []Event `json:"early,omitempty"`
	// Hold says that nothing could be sent just now, Parked how often in a row a
	// platform was found down.
	Hold   bool `json:"hold,omitempty"`
	Parked int  `json:"parked,omitempty"`
	// Recheck says that something has changed which no decision has seen yet.
	Recheck bool `json:"recheck,omitempty"`
	// StalePlan says that the coverage may have changed since it was looked at.
	StalePlan bool `json:"stale_plan,omitempty"`
	// Since is of the record that a lost run has left, while that matters.
	Since time.Time `json:"since,omitzero"`
	// Rules are those that the next run goes by.
	Rules int `json:"rules,omitempty"`
}
