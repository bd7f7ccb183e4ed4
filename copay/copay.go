package copay

import "time"

// Amounts are the sums of one co-pay.
type Amounts struct {
	Billed      Money `json:"billed,omitzero"`
	Estimated   Money `json:"estimated,omitzero"`
	Requested   Money `json:"requested,omitzero"`   // what the patient is asked for; an override replaces the estimate
	Collected   Money `json:"collected,omitzero"`   // captured, all rails together
	Refunded    Money `json:"refunded,omitzero"`    // given back
	Adjudicated Money `json:"adjudicated,omitzero"` // patient responsibility by the remittance
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
	PostedID   string        `json:"posted_id,omitempty"` // the EHR's id of the posting
	BookedID   string        `json:"booked_id,omitempty"` // the accounting platform's id of the payment
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
}

// Refund is money on its way back, or there.
type Refund struct {
	ID          RefundID  `json:"id"`
	Ref         Ref       `json:"ref"`
	Payment     PaymentID `json:"payment"`
	Amount      Money     `json:"amount"`
	Reason      string    `json:"reason"`
	RequestedBy string    `json:"requested_by"`
	ApprovedBy  string    `json:"approved_by,omitempty"`
	Status      string    `json:"status"` // awaiting_approval, pending, done, failed
	PlatformID  string    `json:"platform_id,omitempty"`
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
	Payments    []Payment     `json:"payments,omitempty"`
	Refunds     []Refund      `json:"refunds,omitempty"`
	Review      *Review       `json:"review,omitempty"`
	Reminders   []SentMessage `json:"reminders,omitempty"`
	Paused      bool          `json:"paused,omitempty"`
	// NextActionAt is when the workflow will act by itself; zero when it
	// waits for somebody.
	NextActionAt time.Time `json:"next_action_at,omitzero"`
	NextAction   string    `json:"next_action,omitempty"`
	StartedAt    time.Time `json:"started_at,omitzero"`
	UpdatedAt    time.Time `json:"updated_at,omitzero"`
}
