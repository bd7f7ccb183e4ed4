package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/stack"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
	drchronosim "github.com/copayflow/copayflow/sandbox/drchrono"
)

// What the timeline calls the steps at which a chapter of the story ends.
const (
	kindEligibility = "eligibility"
	kindEstimate    = "estimate"
	kindRequested   = "requested"
	kindSent        = "sent"
	kindPaid        = "paid"
	kindPosted      = "posted"
	kindBooked      = "booked"
	kindNone        = ""
)

func (d *story) charge(ctx context.Context) error {
	d.title("The clinic enters a charge of $145.00 for Ana in DrChrono, which posts a signed webhook")
	id := d.s.Sandbox.DrChrono.AddCharge(drchronosim.Charge{Patient: d.s.Patients["ana"], Cents: 145_00})
	d.key = copay.Key{Practice: stack.Practice, EHR: "drchrono", Charge: copay.ChargeID(id)}
	if _, err := d.until(ctx, "be asked for", func(c copay.CoPay) bool { return c.State == copay.StateAwaitingPayment }); err != nil {
		return err
	}
	d.say("charge %s; its webhook is verified, stored and answered, and a workflow owns co-pay %s from now on", id, d.key.ID())
	return d.tellBefore(ctx, kindEligibility)
}

func (d *story) eligibility(ctx context.Context) error {
	d.title("Availity asks Ana's payer what the plan covers")
	for _, c := range d.s.Sandbox.Availity.Coverages() {
		d.say("asked of payer %s: service type %s, an office visit, on %s", c.PayerID, c.Service, c.AsOf)
	}
	return d.tellBefore(ctx, kindEstimate)
}

func (d *story) estimate(ctx context.Context) error {
	row, err := d.s.Process.Store.CoPay(ctx, d.key.Practice, d.key.ID())
	if err != nil {
		return err
	}
	d.title("The estimate explains itself")
	e := row.CoPay.Estimate
	if e == nil {
		return errors.New("there is no estimate")
	}
	d.say("%s, confidence %d of 100 (a person is asked below %d)", e.Amount, e.Confidence, d.s.Config.Practices[0].Policy.MinConfidence)
	for _, r := range e.Reasons {
		amount := ""
		if r.Amount != nil {
			amount = " " + r.Amount.String()
		}
		d.say("  · %s%s  [%s]", r.Text, amount, r.Source)
	}
	return d.tellBefore(ctx, kindRequested)
}

func (d *story) request(ctx context.Context) error {
	d.title("Stripe is asked for a payment page")
	for _, p := range d.s.Sandbox.Stripe.Sessions() {
		d.say("page over %s under our reference %s: an amount and the practice's name, nothing about the visit", copay.Cents(p.Minor), p.Ref)
	}
	return d.tellBefore(ctx, kindSent)
}

func (d *story) messages(ctx context.Context) error {
	d.title("The patient gets a text and a mail, within the allowed hours")
	return d.arrive(ctx, 2)
}

// arrive waits until n more messages have gone out and shows them.
func (d *story) arrive(ctx context.Context, n int) error {
	for {
		texts, mails := d.s.Sandbox.Twilio.Messages()[d.texts:], d.s.Sandbox.SendGrid.Messages()[d.mails:]
		if len(texts)+len(mails) >= n {
			for _, m := range texts {
				d.say("SMS:  %s", m.Body)
			}
			for _, m := range mails {
				d.say("Mail: %s", indented(m.Subject+"\n"+m.Text, "         "))
			}
			d.texts, d.mails = d.texts+len(texts), d.mails+len(mails)
			return d.sent(ctx, d.texts+d.mails)
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("only %d of %d messages went out", len(texts)+len(mails), n)
		}
	}
}

// indented puts a text's further lines under its first; empty ones go.
func indented(text, by string) string {
	var lines []string
	for _, l := range strings.Split(text, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "\n"+by)
}

// sent waits until the co-pay, too, knows of n messages.
func (d *story) sent(ctx context.Context, n int) error {
	if _, err := d.until(ctx, "record its messages", func(c copay.CoPay) bool { return len(c.Reminders) >= n }); err != nil {
		return err
	}
	return d.tellBefore(ctx, kindNone)
}

func (d *story) reminder(ctx context.Context) error {
	d.title("The patient does not pay; the clock moves on by three days and a reminder is due")
	if err := d.s.Advance(ctx, 72*time.Hour); err != nil {
		return err
	}
	d.say("it is now %s at the practice", d.local(d.s.Clock.Now()).Format("Mon Jan 2 15:04"))
	return d.arrive(ctx, 1)
}

func (d *story) webhook(ctx context.Context) error {
	d.title("Stripe posts signed webhooks; the payment is read at Stripe before it is believed")
	_, err := d.until(ctx, "settle", func(c copay.CoPay) bool { return c.State == copay.StateSettled })
	if err != nil {
		return err
	}
	for _, e := range d.s.Sandbox.Stripe.Events() {
		if e.Type == "checkout.session.completed" || e.Type == "payment_intent.succeeded" {
			d.say("%s %s", e.ID, e.Type)
		}
	}
	return d.tellBefore(ctx, kindPosted)
}

func (d *story) posted(ctx context.Context) error {
	d.title("The payment is posted to DrChrono")
	for _, p := range d.s.Sandbox.DrChrono.Payments() {
		d.say("payment %s at charge %s: %s, trace number %s", p.ID, p.LineItem, copay.Cents(p.Cents), p.Trace)
	}
	return d.tellBefore(ctx, kindBooked)
}

func (d *story) booked(ctx context.Context) error {
	d.title("Invoice and payment are booked in QuickBooks")
	books := d.s.Sandbox.QuickBooks.Books()
	for _, i := range books.Invoices {
		d.say("invoice %s of %s, still open %s, for %q", i.Number, copay.Cents(i.Cents), copay.Cents(i.Balance), i.Customer)
	}
	for _, p := range books.Payments {
		d.say("payment %s of %s, linked to the invoice, unapplied %s", p.Number, copay.Cents(p.Cents), copay.Cents(p.Unapplied))
	}
	return d.tellBefore(ctx, kindNone)
}

func (d *story) journal(ctx context.Context) error {
	d.title("The journal has each step once, debit and credit")
	rows, _, err := d.s.Process.Store.Entries(ctx, d.key.Practice, ledger.EntryFilter{CoPay: d.key.ID()}, "", 100)
	if err != nil {
		return err
	}
	d.say("%-16s %-22s %10s %10s", "step", "account", "debit", "credit")
	for _, e := range rows {
		for _, l := range e.Lines {
			d.say("%-16s %-22s %10s %10s", e.Step, l.Account, copay.Cents(l.Debit), copay.Cents(l.Credit))
		}
	}
	return nil
}
