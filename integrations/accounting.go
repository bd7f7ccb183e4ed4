package integrations

import (
	"context"
	"time"

	"github.com/copayflow/copayflow/copay"
)

// Accounting mirrors co-pays in a practice's books. Patients appear under an
// alias, never by name.
type Accounting interface {
	// Invoice books what is due. The same Ref again returns the first one.
	Invoice(ctx context.Context, r InvoiceRequest) (AccountingDoc, error)
	// Receive books a payment, linked to its invoice.
	Receive(ctx context.Context, r ReceiptRequest) (AccountingDoc, error)
	// Reverse books money that went back, or voids a payment booked in error.
	Reverse(ctx context.Context, r ReverseRequest) (AccountingDoc, error)
	// VoidInvoice takes an unpaid invoice (or what is left of it) out of the books.
	VoidInvoice(ctx context.Context, r VoidRequest) (AccountingDoc, error)
	// FindDoc looks for a document by our reference; KindNotFound when there is none.
	FindDoc(ctx context.Context, kind DocKind, ref copay.Ref) (AccountingDoc, error)
	// Docs lists documents changed since a moment.
	Docs(ctx context.Context, since time.Time, cursor string) (DocPage, error)
}

// DocKind is the sort of a document in the books.
type DocKind string

// The document kinds.
const (
	DocInvoice DocKind = "invoice"
	DocPayment DocKind = "payment"
	DocRefund  DocKind = "refund"
)

// InvoiceRequest books an amount due.
type InvoiceRequest struct {
	Ref    copay.Ref
	CoPay  copay.ID
	Alias  copay.PatientAlias
	Amount copay.Money
	On     copay.Date // posting date
	Due    copay.Date
	Memo   string // no PHI
	// Asked is when the step that wants it was scheduled: the same for all its
	// attempts, and another once it is asked for anew.
	Asked time.Time
}

// ReceiptRequest books money that came in.
type ReceiptRequest struct {
	Ref       copay.Ref
	CoPay     copay.ID
	Alias     copay.PatientAlias
	InvoiceID string
	Amount    copay.Money
	Rail      copay.Rail
	On        copay.Date
	Memo      string
	// Asked is when the step that wants it was scheduled: the same for all its
	// attempts, and another once it is asked for anew.
	Asked time.Time
}

// ReverseRequest books money that went back.
type ReverseRequest struct {
	Ref copay.Ref
	// Of is the payment's reference: an id alone may be one of other books.
	Of        copay.Ref
	CoPay     copay.ID
	Alias     copay.PatientAlias
	PaymentID string
	InvoiceID string
	Amount    copay.Money
	// Whole says that the whole payment is taken back, so it may be voided.
	Whole bool
	Rail  copay.Rail
	On    copay.Date
	Memo  string
	// Asked is when the step that wants it was scheduled: the same for all its
	// attempts, and another once it is asked for anew.
	Asked time.Time
}

// VoidRequest takes an invoice out of the books.
type VoidRequest struct {
	Ref copay.Ref
	// Of is the invoice's reference: an id alone may be one of other books.
	Of    copay.Ref
	CoPay copay.ID
	ID    string
	// Amount is what the invoice was made over; what was added to it since is
	// not ours to take out.
	Amount copay.Money
	// Asked is when the step that wants it was scheduled: the same for all its
	// attempts, and another once it is asked for anew.
	Asked time.Time
}

// AccountingDoc is a document in the books.
type AccountingDoc struct {
	ID      string
	Kind    DocKind
	Ref     copay.Ref
	Amount  copay.Money
	Balance copay.Money // invoices: what is still open
	Voided  bool
	At      time.Time
}

// DocPage is one page of documents.
type DocPage struct {
	Docs []AccountingDoc
	Next string
}
