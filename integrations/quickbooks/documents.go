package quickbooks

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// FindDoc implements integrations.Accounting. A payment that was taken back by
// voiding has no refund document: it is found as a voided payment.
func (c *Connector) FindDoc(ctx context.Context, kind integrations.DocKind, ref copay.Ref) (integrations.AccountingDoc, error) {
	var d integrations.AccountingDoc
	if ref == "" {
		return d, integrations.NotFound(c.platform, "document.find")
	}
	var err error
	switch kind {
	case integrations.DocInvoice:
		var x invoice
		if x, err = c.findInvoice(ctx, ref); err != nil {
			return d, err
		}
		d, err = x.doc()
	case integrations.DocPayment:
		var x payment
		if x, err = c.findPayment(ctx, ref); err != nil {
			return d, err
		}
		d, err = x.doc()
	case integrations.DocRefund:
		var x refundReceipt
		if x, err = c.findRefund(ctx, ref); err != nil {
			return d, err
		}
		d, err = x.doc()
	default:
		return d, c.invalid("document.find", "there is no such kind of document")
	}
	d.Ref = ref
	return c.document("document.find", d, err)
}

func (c *Connector) findInvoice(ctx context.Context, ref copay.Ref) (invoice, error) {
	l, err := c.api.query(ctx, "invoice.find", "select * from Invoice where DocNumber = "+quote(number(ref)))
	if err != nil {
		return invoice{}, err
	}
	return pick(c, "invoice.find", l.Invoice, func(x *invoice) bool { return x.voided() })
}

func (c *Connector) findPayment(ctx context.Context, ref copay.Ref) (payment, error) {
	l, err := c.api.query(ctx, "payment.find", "select * from Payment where PaymentRefNum = "+quote(number(ref)))
	if err != nil {
		return payment{}, err
	}
	return pick(c, "payment.find", l.Payment, func(x *payment) bool { return x.voided() })
}

func (c *Connector) findRefund(ctx context.Context, ref copay.Ref) (refundReceipt, error) {
	l, err := c.api.query(ctx, "refundreceipt.find", "select * from RefundReceipt where DocNumber = "+quote(number(ref)))
	if err != nil {
		return refundReceipt{}, err
	}
	return pick(c, "refundreceipt.find", l.RefundReceipt, func(x *refundReceipt) bool { return x.voided() })
}

// pick takes the live document of a number; a voided one only when there is
// no other. Two live ones need a person.
func pick[T any](c *Connector, op string, found []T, voided func(*T) bool) (T, error) {
	var none T
	var live, dead *T
	for i := range found {
		x := &found[i]
		switch {
		case voided(x):
			dead = x
		case live != nil:
			return none, c.doubled(op)
		default:
			live = x
		}
	}
	switch {
	case live != nil:
		return *live, nil
	case dead != nil:
		return *dead, nil
	}
	return none, integrations.NotFound(c.platform, op)
}

// pageSize is how many documents a listing asks for at once (at most 1000).
const pageSize = 500

// listed entities, in the order of the listing.
var listedEntities = []string{"Invoice", "Payment", "RefundReceipt"}

// Docs implements integrations.Accounting: our documents changed since a
// moment. The order is by id, so that a change during paging shows a document
// twice rather than hiding one.
func (c *Connector) Docs(ctx context.Context, since time.Time, cursor string) (integrations.DocPage, error) {
	if cursor == "" {
		cursor = listedEntities[0] + ":1"
	}
	at, start, err := parseCursor(cursor)
	if err != nil {
		return integrations.DocPage{}, c.invalid("document.list", err.Error())
	}
	l, n, err := c.changedPage(ctx, listedEntities[at], since, start)
	if err != nil {
		return integrations.DocPage{}, err
	}
	var page integrations.DocPage
	for _, d := range l.docs() {
		if d.Ref != "" {
			page.Docs = append(page.Docs, d)
		}
	}
	switch {
	case n >= pageSize:
		page.Next = fmt.Sprintf("%s:%d", listedEntities[at], start+n)
	case at+1 < len(listedEntities):
		page.Next = listedEntities[at+1] + ":1"
	}
	return page, nil
}

func parseCursor(s string) (at, start int, err error) {
	name, pos, _ := strings.Cut(s, ":")
	start, err = strconv.Atoi(pos)
	for i, e := range listedEntities {
		if e == name && err == nil && start >= 1 {
			return i, start, nil
		}
	}
	return 0, 0, fmt.Errorf("the listing's cursor is not one of ours")
}

// changedPage lists one page of an entity and says how many rows it had.
func (c *Connector) changedPage(ctx context.Context, entity string, since time.Time, start int) (listing, int, error) {
	l, err := c.api.query(ctx, strings.ToLower(entity)+".list", fmt.Sprintf(
		"select * from %s where MetaData.LastUpdatedTime >= %s orderby Id startposition %d maxresults %d",
		entity, quote(since.UTC().Format(time.RFC3339)), start, pageSize))
	return l, len(l.Invoice) + len(l.Payment) + len(l.RefundReceipt), err
}

// docs maps the rows that can be mapped. Documents in other currencies are
// the practice's own business.
func (l *listing) docs() []integrations.AccountingDoc {
	var out []integrations.AccountingDoc
	keep := func(d integrations.AccountingDoc, err error) {
		if err == nil {
			out = append(out, d)
		}
	}
	for i := range l.Invoice {
		keep(l.Invoice[i].doc())
	}
	for i := range l.Payment {
		keep(l.Payment[i].doc())
	}
	for i := range l.RefundReceipt {
		keep(l.RefundReceipt[i].doc())
	}
	return out
}
