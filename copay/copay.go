package copay

import (
	"slices"
	"time"
)

// Amounts are the sums of one co-pay.
type Amounts struct {
	Billed      Money `json:"billed,omitzero"`
	Estimated   Money `json:"estimated,omitzero"`
	Requested   Money `json:"requested,omitzero"` // what the patient is asked for; an override replaces the estimate
	Collected   Money `json:"collected,omitzero"` // captured, all rails together
	Refunded    Money `json:"refunded,omitzero"`  // given back
	Adjudicated Money `json:"adjudicated"`        // patient responsibility by the remittance, which may be nothing; without currency: not known
	Journaled   Money `json:"journaled,omitzero"` // receivable that stands in the journal
	// Accepted is by how much the remittance may differ from what was collected,
	// because a person let it: more than nothing is not asked for, less is kept.
	Accepted Money `json:"accepted,omitzero"`
}

// Outstanding is what the patient still owes: requested − (collected − refunded).
func (a Amounts) Outstanding() Money {
	return Money{Minor: a.Requested.Minor - a.Collected.Minor + a.Refunded.Minor, Currency: USD}
}

// Rail is how money comes in.
type Rail string

// The rails.
const (
	RailLink     Rail = "link"         // hosted page behind a payment link
	RailCard     Rail = "card_on_file" // stored card, off-session
	RailCash     Rail = "cash"
	RailCheck    Rail = "check"
	RailTerminal Rail = "terminal" // the desk's card terminal, outside this product
)

// Manual reports whether staff record payments on this rail by hand.
func (r Rail) Manual() bool { return r == RailCash || r == RailCheck || r == RailTerminal }

// PaymentStatus is how far one payment is.
type PaymentStatus string

// The payment statuses, ordered by rank: an event never moves one backwards.
const (
	PaymentRequested  PaymentStatus = "requested"  // a link is open or a charge was asked
	PaymentProcessing PaymentStatus = "processing" // the bank is at it
	PaymentCaptured   PaymentStatus = "captured"   // money is ours
	PaymentFailed     PaymentStatus = "failed"     // declined
	PaymentExpired    PaymentStatus = "expired"    // link ran out
	PaymentCancelled  PaymentStatus = "cancelled"  // we withdrew it
	PaymentDisputed   PaymentStatus = "disputed"
	PaymentReturned   PaymentStatus = "returned"
)

// Final reports whether nothing more can be captured on the payment.
func (s PaymentStatus) Final() bool {
	return s != PaymentRequested && s != PaymentProcessing
}

// Payment is one attempt to get money, or money that came.
type Payment struct {
	ID         PaymentID     `json:"id"`
	Ref        Ref           `json:"ref"`
	Rail       Rail          `json:"rail"`
	Platform   Platform      `json:"platform,omitempty"` // empty for manual rails
	PlatformID string        `json:"platform_id,omitempty"`
	Amount     Money         `json:"amount"`
	Refunded   Money         `json:"refunded,omitzero"`
	Status     PaymentStatus `json:"status"`
	Decline    string        `json:"decline,omitempty"` // platform's decline code
	ExpiresAt  time.Time     `json:"expires_at,omitzero"`
	CapturedAt time.Time     `json:"captured_at,omitzero"`
	PostedID   string        `json:"posted_id,omitempty"`  // the EHR's id of the posting
	InvoiceID  string        `json:"invoice_id,omitempty"` // the accounting platform's id of the invoice
	BookedID   string        `json:"booked_id,omitempty"`  // the accounting platform's id of the payment
	// Received is the day manual money was taken; Number its check or receipt number.
	Received Date   `json:"received,omitempty"`
	Number   string `json:"number,omitempty"`
	// Again makes the references of a renewed posting new ("b", "bb"…): set
	// when somebody deleted the first one at the platform.
	Again string `json:"again,omitempty"`
	// Removed says that somebody deleted the posting, and that a person has yet to
	// say what becomes of it.
	Removed bool `json:"removed,omitempty"`
	// AskedAt is when it was asked for first.
	AskedAt time.Time `json:"asked_at,omitzero"`
	// LookFrom is since when a run that was lost before it recorded that may have
	// asked for it, if one may.
	LookFrom time.Time `json:"look_from,omitzero"`
	// Contested is what the last dispute is about: what had not gone back when
	// it began.
	Contested Money `json:"contested,omitzero"`
	// DisputeEnded is when the last dispute about it ended.
	DisputeEnded time.Time `json:"dispute_ended,omitzero"`
	// Keep is what the patient agreed to on the page: that the card they pay
	// with is kept for later co-pays. Kept says that this was seen to.
	Keep *CardConsent `json:"keep,omitempty"`
	Kept bool         `json:"kept,omitempty"`
}

// Since is when the payment may have been asked for first; look-ups start there.
func (p Payment) Since() time.Time {
	if !p.LookFrom.IsZero() {
		return p.LookFrom
	}
	return p.AskedAt
}

// ReviewKind says why a person must act.
type ReviewKind string

// The reasons for a review.
const (
	ReviewUnknownCharge  ReviewKind = "unknown_charge" // the EHR does not know the charge
	ReviewNoContact      ReviewKind = "no_contact"     // the patient cannot be reached
	ReviewNoCoverage     ReviewKind = "no_coverage"    // no insurance on file and not marked self-pay
	ReviewInactive       ReviewKind = "inactive"       // the plan is not active on the date of service
	ReviewLowConfidence  ReviewKind = "low_confidence" // the estimate is not sure enough
	ReviewAmount         ReviewKind = "amount"         // above the practice's limit, negative, other currency
	ReviewEligibility    ReviewKind = "eligibility"    // no payer could be reached in time
	ReviewCollect        ReviewKind = "collect"        // the processor refuses the request
	ReviewUnpaid         ReviewKind = "unpaid"         // the ladder is used up
	ReviewPosting        ReviewKind = "posting"        // the EHR refuses the posting
	ReviewAccounting     ReviewKind = "accounting"     // the books refuse it
	ReviewCompensation   ReviewKind = "compensation"   // something could not be undone
	ReviewMismatch       ReviewKind = "mismatch"       // captured money differs from what was asked
	ReviewDispute        ReviewKind = "dispute"
	ReviewPostingDeleted ReviewKind = "posting_deleted" // somebody deleted our posting in the EHR
	ReviewTrueUp         ReviewKind = "true_up"         // the remittance says otherwise than collected
	ReviewOverpaid       ReviewKind = "overpaid"        // more came in than was owed
	ReviewConfig         ReviewKind = "configuration"   // a platform rejects our credentials
	ReviewRefundApproval ReviewKind = "refund_approval" // a second person must approve a refund
	ReviewHandBack       ReviewKind = "hand_back"       // money of the desk has to be handed back there
)

// Choice is something a person may do about a review.
type Choice string

// The choices.
const (
	ChoiceRetry     Choice = "retry"      // try the failed step again
	ChoiceProceed   Choice = "proceed"    // accept as it is and go on
	ChoiceSetAmount Choice = "set_amount" // go on with an amount given by the person
	ChoiceSelfPay   Choice = "self_pay"   // treat as self-pay
	ChoiceWaive     Choice = "waive"
	ChoiceCancel    Choice = "cancel"
	ChoiceWriteOff  Choice = "write_off"
	ChoiceRefund    Choice = "refund"  // give the difference back
	ChoiceRequest   Choice = "request" // ask for the difference
	ChoiceDone      Choice = "done"    // the person did it by hand outside
)

// Review is an open question to staff.
type Review struct {
	Kind    ReviewKind `json:"kind"`
	Message string     `json:"message"` // what happened and what to do; no PHI
	Choices []Choice   `json:"choices"`
	Since   time.Time  `json:"since"`
	// Back is the state to go on from when the choice is to retry or proceed.
	Back State `json:"back,omitempty"`
	// Payment is the payment in question, when it is about one; Refund the refund.
	Payment PaymentID `json:"payment,omitempty"`
	Refund  RefundID  `json:"refund,omitempty"`
	// Held is the review that this one came before; it is open again after it.
	Held *Review `json:"held,omitempty"`
	// Amount is the difference in question (true-up, overpayment).
	Amount *Money `json:"amount,omitempty"`
	// Of is what a platform that rejects our credentials (ReviewConfig) kept
	// from being done; Effect is what could not be undone (ReviewCompensation).
	Of     ReviewKind `json:"of,omitempty"`
	Effect EffectKind `json:"effect,omitempty"`
}

// Allows reports whether a person may choose c.
func (r *Review) Allows(c Choice) bool { return r != nil && slices.Contains(r.Choices, c) }

// EffectKind is a kind of thing that was done outside and can be undone.
type EffectKind string

// The kinds, with what undoes each.
const (
	DidRequest EffectKind = "request" // an open link: cancelled
	DidCapture EffectKind = "capture" // captured money: refunded
	DidPost    EffectKind = "post"    // a posting in the EHR: reversed
	DidBook    EffectKind = "book"    // invoice and payment in the books: reversed
)

// Done is one effect in the list of what would have to be undone. It is
// noted before the effect is attempted, so undoing one asks first whether it
// happened.
type Done struct {
	Kind    EffectKind `json:"kind"`
	Payment PaymentID  `json:"payment"`
}

// RefundStatus is how far a refund is.
type RefundStatus string

// The refund statuses.
const (
	RefundAwaiting RefundStatus = "awaiting_approval" // a second person must approve
	RefundPending  RefundStatus = "pending"
	RefundDone     RefundStatus = "done"
	RefundRejected RefundStatus = "rejected" // the second person said no
)

// Refund is money on its way back, or there.
type Refund struct {
	ID          RefundID  `json:"id"`
	Ref         Ref       `json:"ref"`
	Payment     PaymentID `json:"payment"`
	Amount      Money     `json:"amount"`
	Reason      string    `json:"reason"`
	RequestedBy string    `json:"requested_by"`
	// Kind is what kind of actor that is; empty in records of before it was kept.
	Kind string `json:"kind,omitempty"`
	// Taken says that the patient's bank took the money (a lost dispute):
	// nobody gave it, so the patient owes it again.
	Taken      bool         `json:"taken,omitempty"`
	ApprovedBy string       `json:"approved_by,omitempty"`
	Status     RefundStatus `json:"status"`
	// PlatformID, ReversedID and UnbookedID are set as the money, the EHR's
	// posting and the books have been turned back.
	PlatformID string `json:"platform_id,omitempty"`
	ReversedID string `json:"reversed_id,omitempty"`
	UnbookedID string `json:"unbooked_id,omitempty"`
	// Doubted says that the processor is said to have failed at it; Bounced is
	// how often that was true.
	Doubted bool `json:"doubted,omitempty"`
	Bounced int  `json:"bounced,omitempty"`
}

// Counters number the effects of one co-pay, so that each has its own
// reference and no retry, reset or continue-as-new ever reuses one.
type Counters struct {
	Requests int   `json:"requests,omitzero"`
	Desk     int   `json:"desk,omitzero"` // payments with numbers of the desk's own
	Refunds  int   `json:"refunds,omitzero"`
	Rounds   int   `json:"rounds,omitzero"`  // rounds of messages
	Version  int64 `json:"version,omitzero"` // of the recorded picture
	Journal  int   `json:"journal,omitzero"` // amount changes booked
}

// CoPay is the public picture of one co-pay: what queries, the API and the
// read model show. It carries no PHI.
type CoPay struct {
	ID          ID            `json:"id"`
	Key         Key           `json:"key"`
	State       State         `json:"state"`
	Amounts     Amounts       `json:"amounts"`
	Rail        Rail          `json:"rail,omitempty"`
	Appointment AppointmentID `json:"appointment,omitempty"`
	ServiceDate Date          `json:"service_date,omitempty"`
	Service     ServiceType   `json:"service,omitempty"`
	Estimate    *Estimate     `json:"estimate,omitempty"`
	// Facts is what the EHR says of the charge.
	Facts *ChargeFacts `json:"facts,omitempty"`
	// Insured says that the patient has a policy on file.
	Insured bool `json:"insured,omitempty"`
	// Confirmed is the estimated amount that a person has looked at and accepted.
	Confirmed Money `json:"confirmed,omitzero"`
	// AdjudicatedAt is when the last remittance was made.
	AdjudicatedAt time.Time `json:"adjudicated_at,omitzero"`
	// SelfPay says that a person decided to treat the patient as self-pay.
	SelfPay bool `json:"self_pay,omitempty"`
	// AskPayer says that the payer's last answer is not to be used again.
	AskPayer bool `json:"ask_payer,omitempty"`
	// Override says that a person set the requested amount, Trued that it comes
	// from the payer's remittance.
	Override bool `json:"override,omitempty"`
	Trued    bool `json:"trued,omitempty"`
	// Card says that the stored card may be charged, CardAt where it is kept;
	// ChargeAt is when, Noticed the amount that was open when the patient was told.
	Card     bool      `json:"card,omitempty"`
	CardAt   Platform  `json:"card_at,omitempty"`
	ChargeAt time.Time `json:"charge_at,omitzero"`
	Noticed  Money     `json:"noticed,omitzero"`
	// After is the state that follows once everything has been given back; Bank
	// says that the patient's bank took some of it, which a person has not seen yet.
	After State `json:"after,omitempty"`
	Bank  bool  `json:"bank,omitempty"`
	// Asked is what a person was asked when money went back or a dispute came: it is
	// asked again after that. Reopen says that what is owed has yet to be found out
	// then, Leaving what the co-pay becomes when a second person approves.
	Asked     *Review       `json:"asked,omitempty"`
	Reopen    bool          `json:"reopen,omitempty"`
	Leaving   State         `json:"leaving,omitempty"`
	Payments  []Payment     `json:"payments,omitempty"`
	Refunds   []Refund      `json:"refunds,omitempty"`
	Review    *Review       `json:"review,omitempty"`
	Reminders []SentMessage `json:"reminders,omitempty"`
	// Earlier are the last messages of ladders that were started anew: they
	// still count for the caps per day and week.
	Earlier []SentMessage `json:"earlier,omitempty"`
	Paused  bool          `json:"paused,omitempty"`
	// Patient and Provider are the EHR's opaque ids.
	Patient  PatientRef `json:"patient,omitempty"`
	Provider string     `json:"provider,omitempty"`
	// RequestedAt is when the patient was first asked.
	RequestedAt time.Time `json:"requested_at,omitzero"`
	// Undo lists what was done outside, oldest first; compensation runs it backwards.
	Undo     []Done   `json:"undo,omitempty"`
	Counters Counters `json:"counters,omitzero"`
	// Applied holds the ids of events and the keys of acts that were applied,
	// newest last, so that a repeated one changes nothing.
	Applied []string `json:"applied,omitempty"`
	// NextActionAt is when the workflow will act by itself; zero when it
	// waits for somebody.
	NextActionAt time.Time `json:"next_action_at,omitzero"`
	NextAction   string    `json:"next_action,omitempty"`
	StartedAt    time.Time `json:"started_at,omitzero"`
	UpdatedAt    time.Time `json:"updated_at,omitzero"`
}

// PatientKey names the co-pay's patient within the practice.
func (c *CoPay) PatientKey() PatientKey { return PatientKey{EHR: c.Key.EHR, Ref: c.Patient} }
