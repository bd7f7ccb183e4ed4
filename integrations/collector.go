package integrations

import (
	"context"
	"time"

	"github.com/copayflow/copayflow/copay"
)

// Collector gets money from patients and gives it back.
type Collector interface {
	// RequestLink opens a hosted payment page for one payment. The page can
	// be paid at most once.
	RequestLink(ctx context.Context, r LinkRequest) (ProcessorPayment, error)
	// Payment reads a payment by the platform's id.
	Payment(ctx context.Context, platformID string) (ProcessorPayment, error)
	// FindPayment looks for a payment by our reference; KindNotFound when the
	// platform has none. Since bounds the search.
	FindPayment(ctx context.Context, q PaymentQuery) (ProcessorPayment, error)
	// Cancel withdraws a request that has not been paid. When it has been paid
	// meanwhile, the captured payment comes back and nothing was cancelled.
	Cancel(ctx context.Context, platformID string, ref copay.Ref) (ProcessorPayment, error)
	// Refund gives a captured payment back, whole or in part. The same Ref
	// again returns the first refund.
	Refund(ctx context.Context, r RefundRequest) (ProcessorRefund, error)
	// FindRefund looks for a refund of a payment by our reference.
	FindRefund(ctx context.Context, paymentPlatformID string, ref copay.Ref) (ProcessorRefund, error)
	// Settlements lists what the processor paid out or captured in a window.
	Settlements(ctx context.Context, from, to time.Time, cursor string) (SettlementPage, error)
}

// StoredCollector charges payment methods that patients stored.
type StoredCollector interface {
	// EnsureCustomer finds or makes the platform's customer of a patient.
	EnsureCustomer(ctx context.Context, practice copay.PracticeID, patient copay.PatientAlias) (customer string, err error)
	// StoredMethods lists a customer's reusable methods, newest first.
	StoredMethods(ctx context.Context, customer string) ([]StoredMethod, error)
	// ChargeStored charges a stored method off-session. A refusal is
	// KindDeclined; Code says why and Final whether trying again is forbidden.
	ChargeStored(ctx context.Context, r StoredCharge) (ProcessorPayment, error)
}

// StoredMethod is a reusable payment method. Never card data.
type StoredMethod struct {
	ID       string
	Brand    string
	Last4    string
	ExpMonth int
	ExpYear  int
}

// StoredCharge is an off-session charge.
type StoredCharge struct {
	Ref         copay.Ref
	CoPay       copay.ID
	Practice    copay.PracticeID
	Amount      copay.Money
	Customer    string
	Method      string
	Description string // shown on statements; no PHI
	Since       time.Time
}

// LinkRequest asks for a hosted page.
type LinkRequest struct {
	Ref         copay.Ref
	CoPay       copay.ID
	Practice    copay.PracticeID
	Amount      copay.Money
	Description string // shown to the patient on the hosted page; no PHI
	Customer    string // optional
	// SaveMethod asks the page to store the method for later co-pays.
	SaveMethod bool
	ExpiresAt  time.Time
	SuccessURL string
	CancelURL  string
	Since      time.Time // when the first attempt was made
}

// PaymentQuery finds a payment.
type PaymentQuery struct {
	Ref      copay.Ref
	CoPay    copay.ID
	Customer string
	Since    time.Time
}

// ProcessorPayment is a payment as the processor has it.
type ProcessorPayment struct {
	PlatformID string // what Payment, Cancel and Refund take
	Ref        copay.Ref
	CoPay      copay.ID
	Status     copay.PaymentStatus
	RawStatus  string
	Amount     copay.Money // asked
	Captured   copay.Money
	Refunded   copay.Money
	URL        string // hosted page, while it is open
	ExpiresAt  time.Time
	CapturedAt time.Time
	Decline    string // platform's decline code
	// Method describes what paid ("visa ending 4242"), and Customer/StoredID
	// are set when it was kept for later.
	Method   string
	Customer string
	StoredID string
}

// RefundRequest gives money back.
type RefundRequest struct {
	Ref        copay.Ref
	CoPay      copay.ID
	PlatformID string // of the payment
	Amount     copay.Money
	Reason     string // requested_by_customer, duplicate, fraudulent
}

// ProcessorRefund is a refund as the processor has it.
type ProcessorRefund struct {
	PlatformID string
	Ref        copay.Ref
	Amount     copay.Money
	// Status: pending, succeeded, failed.
	Status string
	At     time.Time
}

// Settlement is one movement in the processor's books.
type Settlement struct {
	PaymentPlatformID string
	RefundPlatformID  string
	Ref               copay.Ref
	Amount            copay.Money // negative for refunds and disputes
	Fee               copay.Money
	At                time.Time
	Kind              string // charge, refund, dispute, payout
}

// SettlementPage is one page of settlements.
type SettlementPage struct {
	Settlements []Settlement
	Next        string
}
