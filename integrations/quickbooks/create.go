package quickbooks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// sort is one sort of documents that we make.
type sort[T any] struct {
	op, entity string
	of         func(*answer) *T
	head       func(*T) (t *transaction, number string)
	find       func(context.Context, copay.Ref) (T, error)
	read       func(ctx context.Context, id string) (T, error)
}

func (c *Connector) invoices() sort[invoice] {
	return sort[invoice]{op: "invoice.create", entity: "invoice", of: func(a *answer) *invoice { return a.Invoice },
		head: func(x *invoice) (*transaction, string) { return &x.transaction, x.DocNumber }, find: c.findInvoice, read: c.readInvoice}
}

func (c *Connector) payments() sort[payment] {
	return sort[payment]{op: "payment.create", entity: "payment", of: func(a *answer) *payment { return a.Payment },
		head: func(x *payment) (*transaction, string) { return &x.transaction, x.PaymentRefNum }, find: c.findPayment, read: c.readPayment}
}

func (c *Connector) refunds() sort[refundReceipt] {
	return sort[refundReceipt]{op: "refundreceipt.create", entity: "refundreceipt", of: func(a *answer) *refundReceipt { return a.RefundReceipt },
		head: func(x *refundReceipt) (*transaction, string) { return &x.transaction, x.DocNumber }, find: c.findRefund, read: c.readRefund}
}

// ensure returns the document of a reference and makes it when there is none.
func ensure[T any](ctx context.Context, c *Connector, k sort[T], ref copay.Ref, asked time.Time, build func(context.Context) (any, error)) (T, error) {
	found, err := k.find(ctx, ref)
	if integrations.KindOf(err) != integrations.KindNotFound || err == nil {
		return found, err
	}
	return create(ctx, c, k, ref, asked, build)
}

// create makes the document of a reference that was looked for in vain. build
// makes its body anew for each try: after a stale version it re-reads what it
// depends on, after a refused reference the remembered ids are dropped.
//
// A requestid gives the same answer again, so a refusal may be that of long
// ago, before somebody mended the books, and a success that of a document
// that was deleted since. Either is tried once more under another requestid.
// Before that it is looked up again: another attempt of the same step may have
// made it meanwhile, and the other requestid would not recognise it.
func create[T any](ctx context.Context, c *Connector, k sort[T], ref copay.Ref, asked time.Time, build func(context.Context) (any, error)) (T, error) {
	var none T
	body, err := build(ctx)
	if err != nil {
		return none, err
	}
	x, err := write(ctx, c, k, ref, asked, body, requestID(ref, ""))
	if !refused(err) && !errors.Is(err, errGone) {
		return x, err
	}
	if hasCode(err, codeNotFound, codeBadReference) {
		c.lists.forget()
	}
	found, err := k.find(ctx, ref)
	if integrations.KindOf(err) != integrations.KindNotFound || err == nil {
		return found, err
	}
	if body, err = build(ctx); err != nil {
		return none, err
	}
	x, err = write(ctx, c, k, ref, asked, body, requestID(ref, again(asked)))
	if errors.Is(err, errGone) {
		err = c.invalid(k.op, "the document was made, and deleted in QuickBooks; decide with the bookkeeper whether it belongs there")
	}
	return x, err
}

// clockSlack is how far QuickBooks' clock may be behind ours.
const clockSlack = 5 * time.Minute

// errGone says that a write was answered with a document which is not in the
// books any more.
var errGone = errors.New("the document was deleted")

// write makes a document, or gets the answer that its requestid had before. Of
// an answer only the id is believed: the document is looked up by its number,
// because two attempts of one step may both have made it, and read back where
// that does not show it.
func write[T any](ctx context.Context, c *Connector, k sort[T], ref copay.Ref, asked time.Time, body any, requestID string) (T, error) {
	var none T
	a, err := c.api.post(ctx, k.op, k.entity, nil, body, requestID)
	if hasCode(err, codeDuplicateNumber, codeDuplicateRequest) {
		found, err := k.find(ctx, ref)
		if err != nil {
			err = c.unresolved(k.op, err)
		}
		return found, err
	}
	if err != nil {
		return none, err
	}
	x := k.of(&a)
	if x == nil {
		return none, c.lost(k.op)
	}
	head, has := k.head(x)
	if !digits.MatchString(head.ID) {
		return none, c.lost(k.op)
	}
	if has != "" && has != number(ref) {
		return none, c.renumbered(k.op, head.ID, ref)
	}
	found, missing := k.find(ctx, ref)
	first, _ := k.head(&found)
	switch {
	case missing == nil && first.ID == head.ID:
		return found, nil
	case missing != nil && integrations.KindOf(missing) != integrations.KindNotFound:
		return none, missing // a repeat finds the document and checks it then
	}
	back, err := k.read(ctx, head.ID)
	switch {
	case hasCode(err, codeNotFound) && !asked.IsZero() && head.created().Add(clockSlack).After(asked):
		return none, c.lost(k.op) // made just now: it cannot be read yet, and a repeat looks again
	case hasCode(err, codeNotFound):
		return none, errGone
	case err != nil && integrations.KindOf(err) == integrations.KindNotFound:
		return none, c.lost(k.op) // an answer without a document says nothing of it
	case err != nil:
		return none, err
	}
	stands, has := k.head(&back)
	switch {
	case strings.EqualFold(stands.Status, "Deleted"):
		return none, errGone
	case has != number(ref):
		return none, c.renumbered(k.op, head.ID, ref)
	}
	switch {
	case missing != nil, first.voided(): // not in the index yet, or not the one that counts
		return back, nil
	case stands.voided():
		return found, nil
	}
	return none, c.doubled(k.op)
}

// renumbered is a document to which QuickBooks, or somebody, gave another
// number than ours: it would not be found again, and be made once more.
func (c *Connector) renumbered(op, id string, ref copay.Ref) *integrations.Error {
	return c.invalid(op, fmt.Sprintf("document %s stands in QuickBooks under another number; switch \"custom transaction numbers\" on in the company's settings, give it the number %s, then try again", id, number(ref)))
}

// doubled is one reference on two documents that both count.
func (c *Connector) doubled(op string) *integrations.Error {
	return c.invalid(op, "two documents carry the same number; remove the wrong one in QuickBooks")
}

// again is the end of a second try's requestid. It is the same for all
// attempts of a step, so that a repeat after a lost answer is recognised, and
// another once the step is asked for anew, after somebody has mended the books.
func again(asked time.Time) string {
	if asked.IsZero() {
		return "-again"
	}
	return "-" + strconv.FormatInt(asked.UnixMilli(), 36)
}
