package drchrono

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

const (
	opCreate   = "patient_payments.create"
	opList     = "patient_payments.list"
	opRead     = "patient_payments.read"
	paymentsAt = "/api/patient_payments"
	// maxTrace is how much of our reference the trace number is trusted to keep.
	maxTrace = 40
)

// Post implements integrations.PaymentPoster. DrChrono has no idempotency key,
// so our reference, kept as trace number, is looked for before every write.
func (c *Connector) Post(ctx context.Context, p integrations.Posting) (integrations.Posted, error) {
	body, err := c.body(ctx, p, p.Amount, p.Ref)
	if err != nil {
		return integrations.Posted{}, err
	}
	body.Type, body.Notes = "COPAY", p.Note
	return c.write(ctx, integrations.PostingQuery{Ref: p.Ref, Patient: p.Patient, Since: p.Since}, body)
}

// Reverse implements integrations.PaymentPoster: payments cannot be deleted or
// changed, so a second one with the amount turned round takes it back. The money
// of a charge that was deleted lies with the visit, and is taken back there.
func (c *Connector) Reverse(ctx context.Context, r integrations.Reversal) (integrations.Posted, error) {
	of := r.Of
	of.Received = "" // today at the office
	body, err := c.body(ctx, of, r.Amount, r.Ref)
	if err != nil {
		return integrations.Posted{}, err
	}
	body.Amount = json.Number(r.Amount.Neg().Decimal())
	body.Type, body.Notes = "COR", "reversal of payment "+r.PostedID // posted in error
	if r.Refund {
		body.Type = "REF"
	}
	var l lineItem
	if err := c.api.get(ctx, "line_items.read", "/api/line_items/"+url.PathEscape(string(of.Charge)), nil, &l); isNotFound(err) {
		body.LineItem = ""
	} else if err != nil {
		return integrations.Posted{}, err
	}
	return c.write(ctx, integrations.PostingQuery{Ref: r.Ref, Patient: r.Of.Patient, Since: r.Since}, body)
}

var digits = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)

// numeric is an id as the number that writes want; "" when it is none, as with
// visits of a recurring series.
func numeric[T ~string](s T) json.Number {
	if digits.MatchString(string(s)) {
		return json.Number(s)
	}
	return ""
}

// body is the body of a posting. It always names the line item, else the
// money would stay unapplied; the visit follows from it.
func (c *Connector) body(ctx context.Context, p integrations.Posting, amount copay.Money, ref copay.Ref) (newPayment, error) {
	b := newPayment{Patient: numeric(p.Patient), LineItem: numeric(p.Charge), Appointment: numeric(p.Appointment), Doctor: numeric(p.Provider),
		Amount: json.Number(amount.Decimal()), Method: method(p.Rail), Received: string(p.Received), Trace: ref.Max(maxTrace)}
	switch {
	case ref == "":
		return b, fail(integrations.KindInvalid, opCreate, "a posting needs a reference")
	case amount.Currency != copay.USD || !amount.IsPositive():
		return b, fail(integrations.KindInvalid, opCreate, "only positive amounts in US dollars can be posted")
	case b.Patient == "" || b.LineItem == "":
		return b, fail(integrations.KindInvalid, opCreate, "patient and charge must be DrChrono's numbers")
	}
	if b.Received == "" {
		b.Received = c.today(ctx, p.Provider)
	}
	return b, nil
}

// write makes a payment unless it is there already.
func (c *Connector) write(ctx context.Context, q integrations.PostingQuery, body newPayment) (integrations.Posted, error) {
	a := c.writes.of(body.Trace)
	if err := a.enter(ctx); err != nil {
		return integrations.Posted{}, err
	}
	defer a.leave()
	p, err := c.before(ctx, a, q)
	if err == nil {
		return checked(p, q.Ref, body)
	}
	if !isNotFound(err) {
		return integrations.Posted{}, err
	}
	err = c.api.do(ctx, transport.Request{Op: opCreate, Method: http.MethodPost, Path: paymentsAt, JSON: body, Moves: true}, &p)
	switch {
	case err == nil && p.ID != "":
		a.id, a.open = p.ID, time.Time{}
		return c.readBack(ctx, p, q.Ref, body)
	case err == nil:
		err = fail(integrations.KindUnknown, opCreate, "the answer is not a payment")
	case integrations.KindOf(err) != integrations.KindUnknown:
		return integrations.Posted{}, err
	}
	a.id, a.open = "", c.clock()
	return c.settle(ctx, a, q, body, err)
}

// before looks for the payment of an earlier attempt. Lists lag, so what this
// process knows of its own attempts comes first.
func (c *Connector) before(ctx context.Context, a *attempt, q integrations.PostingQuery) (patientPayment, error) {
	if a.id != "" {
		var p patientPayment
		err := c.api.get(ctx, opRead, paymentsAt+"/"+url.PathEscape(string(a.id)), nil, &p)
		if !isNotFound(err) {
			return p, err
		}
		a.id = "" // somebody deleted it
	}
	if left := c.cfg.SettleDelay - c.clock().Sub(a.open); !a.open.IsZero() && left > 0 {
		if err := c.wait(ctx, left); err != nil {
			return patientPayment{}, c.later(fail(integrations.KindUnknown, opCreate, "an earlier attempt has not settled yet"))
		}
	}
	return c.find(ctx, q)
}

// settle finds out what came of an attempt whose outcome is open. Only after a
// while does "not in the list" mean that it was not made; whoever tries again
// before that, perhaps in another process, is told to wait.
func (c *Connector) settle(ctx context.Context, a *attempt, q integrations.PostingQuery, body newPayment, open error) (integrations.Posted, error) {
	if c.wait(ctx, c.cfg.SettleDelay) != nil {
		return integrations.Posted{}, c.later(open)
	}
	p, err := c.find(ctx, q)
	switch {
	case err == nil:
		a.id, a.open = p.ID, time.Time{}
		return checked(p, q.Ref, body)
	case isNotFound(err):
		return integrations.Posted{}, open
	}
	return integrations.Posted{}, c.later(open)
}

// later asks for a pause in which the lists catch up.
func (c *Connector) later(err error) error {
	if e := integrations.AsError(err); e != nil {
		e.RetryAfter = max(e.RetryAfter, c.cfg.SettleDelay)
	}
	return err
}

// readBack reads the payment that was just made. It is made whatever comes of
// that: when it cannot be read, the answer to the write stands for it.
func (c *Connector) readBack(ctx context.Context, made patientPayment, ref copay.Ref, body newPayment) (integrations.Posted, error) {
	var p patientPayment
	if err := c.api.get(ctx, opRead, paymentsAt+"/"+url.PathEscape(string(made.ID)), nil, &p); err != nil || p.ID != made.ID {
		p = made
	}
	return checked(p, ref, body)
}

// checked refuses a payment that is not at its charge, is over another amount,
// or could not be found again: a person has to mend it in DrChrono.
func checked(p patientPayment, ref copay.Ref, body newPayment) (integrations.Posted, error) {
	out, err := posted(p, ref)
	if err != nil {
		return integrations.Posted{}, err
	}
	switch {
	case p.Trace != body.Trace:
		return integrations.Posted{}, fail(integrations.KindInvalid, opRead,
			fmt.Sprintf("payment %s does not keep our reference as its trace number; correct it in DrChrono", out.ID))
	case body.LineItem != "" && string(p.LineItem) != string(body.LineItem):
		return integrations.Posted{}, fail(integrations.KindInvalid, opRead,
			fmt.Sprintf("payment %s is not allocated to its charge; allocate it in DrChrono", out.ID))
	case out.Amount.Decimal() != body.Amount.String():
		return integrations.Posted{}, fail(integrations.KindInvalid, opRead,
			fmt.Sprintf("payment %s carries our reference over another amount; compare them and correct it in DrChrono", out.ID))
	}
	return out, nil
}

// FindPosting implements integrations.PaymentPoster.
func (c *Connector) FindPosting(ctx context.Context, q integrations.PostingQuery) (integrations.Posted, error) {
	p, err := c.find(ctx, q)
	if err != nil {
		return integrations.Posted{}, err
	}
	return posted(p, q.Ref)
}

// find reads the patient's payments since the first attempt, because there is
// no filter on the trace number.
func (c *Connector) find(ctx context.Context, q integrations.PostingQuery) (patientPayment, error) {
	if numeric(q.Patient) == "" || q.Ref == "" {
		return patientPayment{}, fail(integrations.KindInvalid, opList, "a posting is found by its patient's number and our reference")
	}
	v := url.Values{"patient": {string(q.Patient)}, "page_size": {pageSize}}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.UTC().AddDate(0, 0, -2).Format(time.DateOnly)) // days are the office's
	}
	all, err := list[patientPayment](ctx, c.api, opList, paymentsAt, v)
	if err != nil {
		return patientPayment{}, err
	}
	for _, p := range all {
		if p.Trace == q.Ref.Max(maxTrace) {
			return p, nil
		}
	}
	return patientPayment{}, integrations.NotFound(Platform, opList)
}

func posted(p patientPayment, ref copay.Ref) (integrations.Posted, error) {
	m, said, err := money(p.Amount)
	if err != nil || !said || p.ID == "" {
		return integrations.Posted{}, fail(integrations.KindUnknown, opRead, "the payment cannot be read")
	}
	return integrations.Posted{ID: string(p.ID), Ref: ref, Amount: m, At: naive(p.CreatedAt, time.UTC)}, nil
}
