package quickbooks

import (
	"context"
	"errors"
	"net/url"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// Reverse implements integrations.Accounting. The books then satisfy
//
//	payments not voided − refund receipts = money kept
//
// in one of two ways, never both for the same money:
//
//   - the whole payment goes back and was booked in error, or its money has not
//     reached an account whose statement shows it (see settled): the payment is
//     voided. The invoice is open again and the answer is the voided payment;
//   - anything else (a part, a deposited payment, money returned days later, a
//     closed period): a refund receipt is added. The invoice stays paid.
func (c *Connector) Reverse(ctx context.Context, r integrations.ReverseRequest) (integrations.AccountingDoc, error) {
	const op = "refundreceipt.create"
	if err := c.bookable(op, r.Ref, r.Amount); err != nil {
		return integrations.AccountingDoc{}, err
	}
	found, err := c.findRefund(ctx, r.Ref)
	if err == nil {
		return c.sameRefund(&found, r)
	}
	if integrations.KindOf(err) != integrations.KindNotFound {
		return integrations.AccountingDoc{}, err
	}
	d, done, err := c.voidPayment(ctx, r)
	if hasCode(err, codeStale) {
		d, done, err = c.voidPayment(ctx, r)
	}
	if done || (err != nil && !refusedByBooks(err)) {
		return d, err
	}
	d, err = c.refund(ctx, r)
	if !errors.Is(err, errVoided) {
		return d, err
	}
	// Voided since it was looked at, by the bookkeeper or by an attempt that was
	// given up: for the whole that is what was wanted, for a part a person has to
	// settle it.
	if d, done, err = c.voidPayment(ctx, r); err == nil && !done {
		err = &integrations.Error{Kind: integrations.KindUnavailable, Platform: c.platform, Op: "payment.void",
			Message: "the payment was voided a moment ago and is not now; the next attempt reads it again"}
	}
	return d, err
}

// errVoided says that no refund receipt may be made, because the payment is
// voided: the same money would go back twice.
var errVoided = errors.New("the payment is voided")

// voidPayment voids the payment when that is the right way; done is false
// when a refund receipt is.
func (c *Connector) voidPayment(ctx context.Context, r integrations.ReverseRequest) (d integrations.AccountingDoc, done bool, err error) {
	const op = "payment.void"
	p, err := c.paymentOf(ctx, op, r)
	if err != nil {
		return d, false, err
	}
	d, err = p.doc()
	if err != nil {
		d, err = c.document(op, d, err)
		return d, false, err
	}
	d.Ref = r.Ref
	if d.Voided {
		if r.Whole {
			return d, true, nil
		}
		return d, false, c.invalid(op, "the payment was voided in the books, and only a part of it went back; settle it in QuickBooks")
	}
	if over, err := r.Amount.Cmp(d.Amount); err != nil || over > 0 {
		return d, false, c.invalid(op, "more would go back than the payment holds; look at it in QuickBooks")
	}
	if !r.Whole || !d.Amount.Equal(r.Amount) || p.deposited() {
		return d, false, nil
	}
	if stays, err := c.settled(ctx, &p, r); err != nil || stays {
		return d, false, err
	}
	void := func(requestID string) (answer, error) {
		return c.api.post(ctx, op, "payment", url.Values{"operation": {"update"}, "include": {"void"}}, entity{ID: p.ID, SyncToken: p.SyncToken, Sparse: true}, requestID)
	}
	a, err := void(voidID(r.Ref, "p", p.SyncToken))
	if refused(err) && !hasCode(err, codeStale) && !refusedByBooks(err) { // perhaps long ago: see create
		a, err = void(voidID(r.Ref, "p", p.SyncToken+again(r.Asked)))
	}
	if err != nil {
		return d, false, err
	}
	if a.Payment == nil {
		return d, false, c.lost(op)
	}
	if total, terr := a.Payment.total(); terr != nil || !total.IsZero() {
		return d, false, c.invalid(op, "QuickBooks accepted the void and kept the amount; look at the payment")
	}
	d.Voided, d.Amount, d.At = true, copay.Cents(0), a.Payment.updated()
	return d, true, nil
}

// settled reports whether a payment has to stay because its money came and
// went: returned on a later day than it was received, from an account whose
// statement shows both. A void would take it out of a month that may be
// reconciled. Money in Undeposited Funds is on no statement yet.
func (c *Connector) settled(ctx context.Context, p *payment, r integrations.ReverseRequest) (bool, error) {
	account := p.DepositToAccountRef.id()
	if p.TxnDate == "" || string(r.On) <= p.TxnDate || account == "" {
		return false, nil
	}
	undeposited, err := c.undeposited(ctx)
	return account != undeposited, err
}

// paymentOf reads the payment that money goes back of. One that is not the
// co-pay's is refused: its id is that of another company, or a wrong one.
func (c *Connector) paymentOf(ctx context.Context, op string, r integrations.ReverseRequest) (payment, error) {
	p, err := c.readPayment(ctx, r.PaymentID)
	if err == nil && !p.isOf(r.CoPay, r.Of, p.PaymentRefNum) {
		err = c.foreign(op, "payment", r.PaymentID)
	}
	return p, err
}

func (c *Connector) refund(ctx context.Context, r integrations.ReverseRequest) (integrations.AccountingDoc, error) {
	x, err := create(ctx, c, c.refunds(), r.Ref, r.Asked, func(ctx context.Context) (any, error) { return c.refundBody(ctx, r) })
	if err != nil {
		return integrations.AccountingDoc{}, err
	}
	return c.sameRefund(&x, r)
}

func (c *Connector) refundBody(ctx context.Context, r integrations.ReverseRequest) (any, error) {
	p, err := c.paymentOf(ctx, "refundreceipt.create", r)
	if err != nil {
		return nil, err
	}
	if p.voided() {
		return nil, errVoided
	}
	itemID, err := c.item(ctx)
	if err != nil {
		return nil, err
	}
	method, err := c.method(ctx, r.Rail)
	if err != nil {
		return nil, err
	}
	from, err := c.account(ctx, c.config.RefundAccount)
	if err != nil {
		return nil, err
	}
	return refundReceipt{
		transaction: transaction{
			CustomerRef: p.CustomerRef, DocNumber: number(r.Ref), TxnDate: string(r.On), PrivateNote: note(r.CoPay, r.Ref) + ofPayment(p.ID),
			Line: salesLine(r.Amount, r.Memo, "Patient co-pay refund", itemID, c.config.TaxCode),
		},
		PaymentRefNum: number(r.Ref), PaymentMethodRef: refTo(method), DepositToAccountRef: refTo(from),
	}, nil
}

func (c *Connector) sameRefund(x *refundReceipt, r integrations.ReverseRequest) (integrations.AccountingDoc, error) {
	const op = "refundreceipt.create"
	d, err := x.doc()
	if err != nil {
		return c.document(op, d, err)
	}
	d.Ref = r.Ref
	if !d.Voided && !d.Amount.Equal(r.Amount) {
		return integrations.AccountingDoc{}, c.invalid(op, "the refund receipt stands in the books with another amount; settle it in QuickBooks")
	}
	return d, nil
}

func (c *Connector) readRefund(ctx context.Context, id string) (refundReceipt, error) {
	a, err := c.api.read(ctx, "refundreceipt", id)
	if err != nil {
		return refundReceipt{}, err
	}
	if a.RefundReceipt == nil {
		return refundReceipt{}, integrations.NotFound(c.platform, "refundreceipt.read")
	}
	return *a.RefundReceipt, nil
}
