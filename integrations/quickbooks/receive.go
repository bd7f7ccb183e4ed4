package quickbooks

import (
	"context"
	"fmt"

	"github.com/copayflow/copayflow/integrations"
)

// Receive implements integrations.Accounting. The payment is booked on the
// invoice's own customer, because a bookkeeper may have merged customers, and
// is read back: money that is not applied to the invoice is a work item.
func (c *Connector) Receive(ctx context.Context, r integrations.ReceiptRequest) (integrations.AccountingDoc, error) {
	const op = "payment.create"
	if err := c.bookable(op, r.Ref, r.Amount); err != nil {
		return integrations.AccountingDoc{}, err
	}
	x, err := ensure(ctx, c, c.payments(), r.Ref, r.Asked, func(ctx context.Context) (any, error) { return c.paymentBody(ctx, r) })
	if err != nil {
		return integrations.AccountingDoc{}, err
	}
	return c.samePayment(&x, r)
}

func (c *Connector) paymentBody(ctx context.Context, r integrations.ReceiptRequest) (any, error) {
	const op = "payment.create"
	inv, err := c.readInvoice(ctx, r.InvoiceID)
	if err != nil {
		return nil, err
	}
	d, err := inv.doc()
	if err != nil {
		_, err = c.document(op, d, err)
		return nil, err
	}
	if d.Voided {
		return nil, c.invalid(op, "the invoice was voided in the books")
	}
	if over, err := r.Amount.Cmp(d.Balance); err != nil || over > 0 {
		return nil, c.invalid(op, fmt.Sprintf("the invoice has %s open, less than the payment of %s; look at it in QuickBooks", d.Balance, r.Amount))
	}
	method, err := c.method(ctx, r.Rail)
	if err != nil {
		return nil, err
	}
	deposit, err := c.account(ctx, c.config.DepositAccount)
	if err != nil {
		return nil, err
	}
	return payment{
		transaction: transaction{
			CustomerRef: inv.CustomerRef, TotalAmt: wire(r.Amount), TxnDate: string(r.On), PrivateNote: describe(note(r.CoPay, r.Ref)+" "+r.Memo, ""),
			Line: []line{{Amount: wire(r.Amount), LinkedTxn: []linkedTxn{{TxnID: inv.ID, TxnType: txnInvoice}}}},
		},
		PaymentRefNum: number(r.Ref), PaymentMethodRef: refTo(method), DepositToAccountRef: refTo(deposit),
	}, nil
}

// samePayment checks that the payment in the books is the one asked for and
// that all of it is applied to its invoice. One that was voided since comes
// back as it is.
func (c *Connector) samePayment(p *payment, r integrations.ReceiptRequest) (integrations.AccountingDoc, error) {
	const op = "payment.create"
	d, err := p.doc()
	if err != nil {
		return c.document(op, d, err)
	}
	d.Ref = r.Ref
	if d.Voided {
		return d, nil
	}
	if !d.Amount.Equal(r.Amount) {
		return integrations.AccountingDoc{}, c.invalid(op, "the payment stands in the books with another amount; settle it in QuickBooks")
	}
	left, err := p.money(p.UnappliedAmt)
	if err != nil {
		return c.document(op, d, err)
	}
	applied, err := p.applied(r.InvoiceID)
	if err != nil {
		return c.document(op, d, err)
	}
	if !left.IsZero() || !applied.Equal(r.Amount) {
		return integrations.AccountingDoc{}, c.invalid(op, fmt.Sprintf(
			"payment %s is in the books and %s of it is on its invoice; apply all of it in QuickBooks, then try again", p.ID, applied))
	}
	return d, nil
}

func (c *Connector) readPayment(ctx context.Context, id string) (payment, error) {
	if !digits.MatchString(id) {
		return payment{}, c.invalid("payment.read", "the payment's id is not one of QuickBooks")
	}
	a, err := c.api.read(ctx, "payment", id)
	if err != nil {
		return payment{}, err
	}
	if a.Payment == nil {
		return payment{}, integrations.NotFound(c.platform, "payment.read")
	}
	return *a.Payment, nil
}
