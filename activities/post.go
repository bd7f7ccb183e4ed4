package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// PostInput records one payment, or takes a part of it back, in the EHR or
// in the books.
type PostInput struct {
	Key         copay.Key           `json:"key"`
	Appointment copay.AppointmentID `json:"appointment,omitempty"`
	Patient     copay.PatientRef    `json:"patient"`
	Provider    string              `json:"provider,omitempty"`
	Payment     copay.Payment       `json:"payment"`
	// Ref is the reference of this effect, Amount what it is about.
	Ref    copay.Ref   `json:"ref"`
	Amount copay.Money `json:"amount"`
	// InvoiceRef is the reference of the invoice in the books.
	InvoiceRef copay.Ref `json:"invoice_ref,omitempty"`
	// Of is the reference of the posting that is taken back.
	Of copay.Ref `json:"of,omitempty"`
	// Rest says that with this nothing is left of the payment: all before it went
	// back as well.
	Rest bool `json:"rest,omitempty"`
	// Refund says that money went back to the patient; otherwise the posting
	// was an error.
	Refund bool `json:"refund,omitempty"`
	// Since is when the first attempt was made.
	Since time.Time `json:"since"`
	// Asked is when the step was asked for, which tries that follow each other have
	// in common. Zero: when this one was scheduled.
	Asked time.Time `json:"asked,omitzero"`
}

// Posted is the platform's record.
type Posted struct {
	ID string `json:"id"`
}

// PostPayment records a captured payment in the EHR, allocated to its charge.
func (a *Activities) PostPayment(ctx context.Context, in PostInput) (Posted, error) {
	poster, err := a.Ports.Poster(in.Key.Practice, in.Key.EHR)
	if err != nil {
		return Posted{}, visibly(err)
	}
	p, err := poster.Post(ctx, a.posting(in))
	if err != nil {
		return Posted{}, visibly(err)
	}
	if !p.Amount.Equal(in.Amount) {
		return Posted{}, classify(&integrations.Error{Kind: integrations.KindInvalid, Platform: in.Key.EHR, Op: "post",
			Message: fmt.Sprintf("the EHR holds a posting %s with this reference over another amount; compare them and correct it there", p.ID)})
	}
	return Posted{ID: p.ID}, nil
}

// FindPosting looks for a posting of ours in the EHR; there is none when the
// id is empty.
func (a *Activities) FindPosting(ctx context.Context, in PostInput) (Posted, error) {
	poster, err := a.Ports.Poster(in.Key.Practice, in.Key.EHR)
	if err != nil {
		return Posted{}, visibly(err)
	}
	p, err := poster.FindPosting(ctx, integrations.PostingQuery{Ref: in.Ref, Patient: in.Patient, Since: in.Since})
	if err != nil && integrations.KindOf(err) == integrations.KindNotFound {
		return Posted{}, nil
	}
	return Posted{ID: p.ID}, visibly(err)
}

func (a *Activities) posting(in PostInput) integrations.Posting {
	day := in.Payment.Received
	if day == "" {
		day = a.dayOf(in.Key.Practice, in.Payment.CapturedAt)
	}
	return integrations.Posting{Ref: in.Ref, Charge: in.Key.Charge, Appointment: in.Appointment, Patient: in.Patient, Provider: in.Provider,
		Amount: in.Amount, Rail: in.Payment.Rail, Received: day, Since: in.Since, Note: "Copayflow " + string(in.Key.ID())}
}

// dayOf is the day of a moment where the practice is.
func (a *Activities) dayOf(practice copay.PracticeID, at time.Time) copay.Date {
	loc := time.UTC
	if pr, err := a.Practices(practice); err == nil {
		if l, err := time.LoadLocation(pr.TimeZone); err == nil {
			loc = l
		}
	}
	return copay.DateOf(at.In(loc))
}

// ReversePosting takes a posting, or a part of it, back in the EHR.
func (a *Activities) ReversePosting(ctx context.Context, in PostInput) (Posted, error) {
	poster, err := a.Ports.Poster(in.Key.Practice, in.Key.EHR)
	if err != nil {
		return Posted{}, visibly(err)
	}
	of := a.posting(in)
	of.Ref, of.Amount = in.Of, in.Payment.Amount
	id := in.Payment.PostedID
	if id == "" { // the posting may have been made without our knowing
		p, err := poster.FindPosting(ctx, integrations.PostingQuery{Ref: in.Of, Patient: in.Patient, Since: in.Since})
		if integrations.KindOf(err) == integrations.KindNotFound && err != nil {
			return Posted{}, nil
		}
		if err != nil {
			return Posted{}, visibly(err)
		}
		id = p.ID
	}
	p, err := poster.Reverse(ctx, integrations.Reversal{Ref: in.Ref, Of: of, PostedID: id, Amount: in.Amount, Refund: in.Refund, Since: in.Since})
	if err != nil {
		return Posted{}, visibly(err)
	}
	return Posted{ID: p.ID}, nil
}

// alias is the name under which the patient appears in the books.
func (a *Activities) alias(ctx context.Context, in PostInput) (copay.PatientAlias, error) {
	return a.Store.PatientAlias(ctx, in.Key.Practice, copay.PatientKey{EHR: in.Key.EHR, Ref: in.Patient})
}

// asked is when the step was asked for, which all its attempts have in common.
func (in PostInput) asked(ctx context.Context) time.Time {
	if !in.Asked.IsZero() {
		return in.Asked
	}
	return activity.GetInfo(ctx).ScheduledTime
}

// Booked is what stands in the books for one payment.
type Booked struct {
	Platform  copay.Platform `json:"platform,omitempty"`
	InvoiceID string         `json:"invoice_id"`
	PaymentID string         `json:"payment_id"`
}

// BookPayment books a captured payment: an invoice over it and the payment
// against that invoice, so that nothing is ever left unapplied. Each document
// has its reference, so an attempt after a crash finds what is there.
func (a *Activities) BookPayment(ctx context.Context, in PostInput) (Booked, error) {
	platform, books, err := a.Ports.Books(in.Key.Practice)
	if err != nil {
		return Booked{}, visibly(err)
	}
	alias, err := a.alias(ctx, in)
	if err != nil {
		return Booked{}, visibly(err)
	}
	day := a.posting(in).Received
	invoice, err := books.Invoice(ctx, integrations.InvoiceRequest{Ref: in.InvoiceRef, CoPay: in.Key.ID(), Alias: alias,
		Amount: in.Amount, On: day, Due: day, Memo: string(in.Key.ID()), Asked: in.asked(ctx)})
	if err != nil {
		return Booked{}, visibly(err)
	}
	paid, err := books.Receive(ctx, integrations.ReceiptRequest{Ref: in.Ref, CoPay: in.Key.ID(), Alias: alias,
		InvoiceID: invoice.ID, Amount: in.Amount, Rail: in.Payment.Rail, On: day, Memo: string(in.Key.ID()), Asked: in.asked(ctx)})
	if err != nil {
		return Booked{}, visibly(err)
	}
	for _, d := range []integrations.AccountingDoc{invoice, paid} {
		if d.Voided { // by a bookkeeper, between two attempts: somebody's decision that is not ours to undo
			return Booked{}, classify(&integrations.Error{Kind: integrations.KindInvalid, Platform: platform, Op: "book",
				Message: fmt.Sprintf("the books hold %s %s with this reference, and it was voided there; decide with the bookkeeper which is right", d.Kind, d.ID)})
		}
	}
	return Booked{Platform: platform, InvoiceID: invoice.ID, PaymentID: paid.ID}, nil
}

// BookRefund books money that went back. Where the payment in the books was
// voided by it, the invoice it had paid is voided as well. A booking of which
// the workflow never heard is found by its references; of one that ended
// between invoice and payment only the invoice is there to be voided.
func (a *Activities) BookRefund(ctx context.Context, in PostInput) (Posted, error) {
	_, books, err := a.Ports.Books(in.Key.Practice)
	if err != nil {
		return Posted{}, visibly(err)
	}
	id := in.Payment.BookedID
	if id == "" {
		doc, err := books.FindDoc(ctx, integrations.DocPayment, in.Of)
		if integrations.KindOf(err) == integrations.KindNotFound && err != nil {
			if !in.whole() { // the rest is to be booked yet, on the same invoice
				return Posted{}, nil
			}
			return a.voidInvoice(ctx, books, in)
		}
		if err != nil {
			return Posted{}, visibly(err)
		}
		id = doc.ID
	}
	alias, err := a.alias(ctx, in)
	if err != nil {
		return Posted{}, visibly(err)
	}
	doc, err := books.Reverse(ctx, integrations.ReverseRequest{Ref: in.Ref, Of: in.Of, CoPay: in.Key.ID(), Alias: alias, PaymentID: id,
		InvoiceID: in.Payment.InvoiceID, Amount: in.Amount, Whole: in.Amount.Equal(in.Payment.Amount), Rail: in.Payment.Rail,
		On: a.dayOf(in.Key.Practice, a.now()), Memo: string(in.Key.ID()), Asked: in.asked(ctx)})
	if err != nil {
		return Posted{}, visibly(err)
	}
	if doc.Kind == integrations.DocPayment && doc.Voided {
		if _, err := a.voidInvoice(ctx, books, in); err != nil {
			return Posted{}, err
		}
	}
	return Posted{ID: doc.ID}, nil
}

// whole reports whether nothing is left of the payment when this went back.
func (in PostInput) whole() bool { return in.Rest || in.Amount.Equal(in.Payment.Amount) }

// voidInvoice takes a payment's invoice out of the books, so that nobody owes
// it; the id is empty when there is none.
func (a *Activities) voidInvoice(ctx context.Context, books integrations.Accounting, in PostInput) (Posted, error) {
	id := in.Payment.InvoiceID
	if id == "" {
		if in.InvoiceRef == "" { // asked for before invoices were named here
			return Posted{}, nil
		}
		doc, err := books.FindDoc(ctx, integrations.DocInvoice, in.InvoiceRef)
		if integrations.KindOf(err) == integrations.KindNotFound && err != nil {
			return Posted{}, nil
		}
		if err != nil || doc.Voided {
			return Posted{ID: doc.ID}, visibly(err)
		}
		id = doc.ID
	}
	// An invoice that a bookkeeper has deleted is out of the books as well.
	if _, err := books.VoidInvoice(ctx, integrations.VoidRequest{Ref: in.Ref, Of: in.InvoiceRef, CoPay: in.Key.ID(), ID: id, Amount: in.Payment.Amount, Asked: in.asked(ctx)}); err != nil && integrations.KindOf(err) != integrations.KindNotFound {
		return Posted{}, visibly(err)
	}
	return Posted{ID: id}, nil
}
