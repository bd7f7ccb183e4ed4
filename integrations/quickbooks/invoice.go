package quickbooks

import (
	"context"
	"fmt"
	"net/url"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// Invoice implements integrations.Accounting.
func (c *Connector) Invoice(ctx context.Context, r integrations.InvoiceRequest) (integrations.AccountingDoc, error) {
	const op = "invoice.create"
	if err := c.bookable(op, r.Ref, r.Amount); err != nil {
		return integrations.AccountingDoc{}, err
	}
	x, err := ensure(ctx, c, c.invoices(), r.Ref, r.Asked, func(ctx context.Context) (any, error) { return c.invoiceBody(ctx, r) })
	if err != nil {
		return integrations.AccountingDoc{}, err
	}
	return c.sameInvoice(&x, r)
}

func (c *Connector) invoiceBody(ctx context.Context, r integrations.InvoiceRequest) (any, error) {
	customerID, err := c.customer(ctx, r.Alias)
	if err != nil {
		return nil, err
	}
	itemID, err := c.item(ctx)
	if err != nil {
		return nil, err
	}
	return invoice{
		transaction: transaction{
			CustomerRef: refTo(customerID), DocNumber: number(r.Ref), TxnDate: string(r.On), PrivateNote: note(r.CoPay, r.Ref),
			Line: salesLine(r.Amount, r.Memo, "Patient co-pay", itemID, c.config.TaxCode),
		},
		DueDate: string(r.Due),
	}, nil
}

// sameInvoice checks that what stands in the books is what was asked for.
func (c *Connector) sameInvoice(x *invoice, r integrations.InvoiceRequest) (integrations.AccountingDoc, error) {
	const op = "invoice.create"
	d, err := x.doc()
	if err != nil {
		return c.document(op, d, err)
	}
	d.Ref = r.Ref
	if !d.Voided && !d.Amount.Equal(r.Amount) {
		return integrations.AccountingDoc{}, c.invalid(op, "the invoice stands in the books with another amount (edited, or tax was added); settle it in QuickBooks")
	}
	return d, nil
}

// unresolved is a write refused as a repeat of one that cannot be found.
func (c *Connector) unresolved(op string, err error) error {
	if integrations.KindOf(err) != integrations.KindNotFound {
		return err
	}
	return &integrations.Error{Kind: integrations.KindUnknown, Platform: c.platform, Op: op,
		Message: "QuickBooks says it has this request already, and the document is not found yet"}
}

// VoidInvoice implements integrations.Accounting. An invoice that was paid and
// given back in full by refund receipts has nothing left to void: it stays,
// and comes back with Voided false. One with money on it is refused.
func (c *Connector) VoidInvoice(ctx context.Context, r integrations.VoidRequest) (integrations.AccountingDoc, error) {
	d, err := c.voidInvoice(ctx, r)
	if hasCode(err, codeStale) {
		d, err = c.voidInvoice(ctx, r)
	}
	return d, err
}

func (c *Connector) voidInvoice(ctx context.Context, r integrations.VoidRequest) (integrations.AccountingDoc, error) {
	const op = "invoice.void"
	x, err := c.readInvoice(ctx, r.ID)
	if err != nil {
		return integrations.AccountingDoc{}, err
	}
	if !x.isOf(r.CoPay, r.Of, x.DocNumber) {
		return integrations.AccountingDoc{}, c.foreign(op, "invoice", r.ID)
	}
	d, err := x.doc()
	if err != nil || d.Voided {
		return c.document(op, d, err)
	}
	if !d.Amount.Equal(r.Amount) {
		return integrations.AccountingDoc{}, c.invalid(op, fmt.Sprintf(
			"the invoice is over %s in the books and was made over %s; void it by hand, or take out what was added", d.Amount, r.Amount))
	}
	if !d.Balance.Equal(d.Amount) {
		if d.Balance.IsZero() {
			if back, err := c.givenBack(ctx, &x, d); err != nil || back {
				return d, err
			}
		}
		return integrations.AccountingDoc{}, c.invalid(op, "the invoice has money on it; reverse the payment first, or let the bookkeeper decide")
	}
	void := func(requestID string) (answer, error) {
		return c.api.post(ctx, op, "invoice", url.Values{"operation": {"void"}}, entity{ID: x.ID, SyncToken: x.SyncToken}, requestID)
	}
	a, err := void(voidID(r.Ref, "i", x.SyncToken))
	if refused(err) && !hasCode(err, codeStale) { // perhaps long ago: see create
		a, err = void(voidID(r.Ref, "i", x.SyncToken+again(r.Asked)))
	}
	if err != nil {
		return integrations.AccountingDoc{}, err
	}
	if a.Invoice == nil {
		return integrations.AccountingDoc{}, c.lost(op)
	}
	if total, terr := a.Invoice.total(); terr != nil || !total.IsZero() {
		return integrations.AccountingDoc{}, c.invalid(op, "QuickBooks accepted the void and kept the amount; look at the invoice")
	}
	d.Voided, d.Amount, d.Balance, d.At = true, copay.Cents(0), copay.Cents(0), a.Invoice.updated()
	return d, nil
}

func (c *Connector) readInvoice(ctx context.Context, id string) (invoice, error) {
	if !digits.MatchString(id) {
		return invoice{}, c.invalid("invoice.read", "the invoice's id is not one of QuickBooks")
	}
	a, err := c.api.read(ctx, "invoice", id)
	if err != nil {
		return invoice{}, err
	}
	if a.Invoice == nil {
		return invoice{}, integrations.NotFound(c.platform, "invoice.read")
	}
	return *a.Invoice, nil
}

// givenBack reports whether refund receipts of the payments on the invoice add
// up to it. Refund receipts are linked to nothing in QuickBooks, so their note
// says which payment they give back; another payment of the co-pay has an
// invoice of its own.
func (c *Connector) givenBack(ctx context.Context, x *invoice, d integrations.AccountingDoc) (bool, error) {
	paid := map[string]bool{}
	for _, l := range x.LinkedTxn {
		paid[l.TxnID] = l.TxnType == txnPayment
	}
	l, err := c.api.query(ctx, "refundreceipt.list", "select * from RefundReceipt where CustomerRef = "+quote(x.CustomerRef.id())+" maxresults 1000")
	if err != nil {
		return false, err
	}
	sum := copay.Cents(0)
	for i := range l.RefundReceipt {
		back, err := l.RefundReceipt[i].doc()
		if err != nil || back.Voided || back.Ref == "" || !paid[l.RefundReceipt[i].backOf()] {
			continue
		}
		if sum, err = sum.Add(back.Amount); err != nil {
			return false, nil
		}
	}
	return sum.Equal(d.Amount), nil
}
