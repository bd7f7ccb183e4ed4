package workflows

import (
	"errors"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
)

// post tells the EHR and the books about captured money, both at once.
func (c *coPay) post(ctx workflow.Context) error {
	c.move(copay.StatePosting, copay.System(), "telling the EHR")
	if ok, err := c.postCaptured(ctx); !ok || err != nil {
		return err
	}
	c.move(copay.StateReconciling, copay.System(), "the EHR has it")
	return nil
}

// postCaptured posts and books every captured payment that is missing
// outside; ok is false when something has to wait or needs a person.
func (c *coPay) postCaptured(ctx workflow.Context) (ok bool, err error) {
	for i := range c.p.Payments {
		if p := &c.p.Payments[i]; c.toPost(p) {
			if ok, err := c.postOne(ctx, p.ID); !ok || err != nil {
				return false, err
			}
		}
	}
	if ok, err := c.catchUp(ctx); !ok || err != nil {
		return false, err
	}
	c.parked = 0
	return true, nil
}

// toPost reports whether EHR and books have to show a payment: while money of it
// is there, and where a posting that was turned back was deleted from under that.
func (c *coPay) toPost(p *copay.Payment) bool {
	return holds(p) || (p.PostedID == "" && c.reversed(p) && c.rules >= rulesOfQuestions)
}

func (c *coPay) postOne(ctx workflow.Context, id copay.PaymentID) (bool, error) {
	if pay := c.payment(id); pay.Removed { // a person has yet to say what becomes of it
		return false, c.ask(ctx, *removed(pay, c.p.State))
	}
	tries := int32(promptTries)
	if c.rules < rulesOfQuestions {
		tries = 0
	}
	asked := workflow.Now(ctx)
	perr, berr := c.tell(ctx, id, asked, tries)
	if d, again := pause(perr, berr); again && tries > 0 {
		if err := c.whileTheyAreDown(ctx, d); err != nil {
			return false, err
		}
		perr, berr = c.tell(ctx, id, asked, laterTries)
	}
	if perr != nil {
		return false, c.troubled(ctx, perr, "post to the EHR", copay.Review{Kind: copay.ReviewPosting, Payment: id,
			Message: "The EHR refuses the payment; post it there by hand, or mend it and try again. ",
			Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceDone}})
	}
	if berr != nil {
		return false, c.bookTrouble(ctx, berr, id)
	}
	return true, nil
}

const (
	// promptTries is how often EHR and books are told of money before the lasting
	// record is: mostly that succeeds, and one record tells of both. A second try
	// may have to wait for minutes.
	promptTries = 1
	// laterTries is how often again before the co-pay parks, which is open to acts.
	laterTries = 4
)

// tell brings a payment to the EHR and into the books where it is missing, both at
// once; asked is when that was asked for first, tries bounds how often (0: as long
// as patience lasts).
func (c *coPay) tell(ctx workflow.Context, id copay.PaymentID, asked time.Time, tries int32) (perr, berr error) {
	pay := c.payment(id)
	options := func(port, what string) workflow.Context {
		ctx := c.effect(ctx, port, what)
		if tries > 0 {
			policy := *workflow.GetActivityOptions(ctx).RetryPolicy
			policy.MaximumAttempts = tries
			ctx = workflow.WithRetryPolicy(ctx, policy)
		}
		return ctx
	}
	var posting, booking workflow.Future
	if pay.PostedID == "" {
		c.did(copay.DidPost, id)
		posting = workflow.ExecuteActivity(options(PortPost, "post "+pay.Amount.String()+" to the EHR"), steps.PostPayment,
			c.postInput(pay, copay.EffectPost, pay.Amount))
	}
	if c.in.Books && pay.BookedID == "" {
		c.did(copay.DidBook, id)
		in := c.postInput(pay, copay.EffectBook, pay.Amount)
		in.InvoiceRef, in.Asked = c.ref(copay.EffectInvoice, pay), asked
		booking = workflow.ExecuteActivity(options(PortAccounting, "book invoice and payment of "+pay.Amount.String()), steps.BookPayment, in)
	}
	var posted activities.Posted
	var booked activities.Booked
	if posting != nil {
		if perr = posting.Get(ctx, &posted); perr == nil {
			pay.PostedID = posted.ID
			c.lateUndo(id, func(r *copay.Refund) *string { return &r.ReversedID })
			c.note(copay.PlatformActor(c.p.Key.EHR), "posted", pay.Amount.String()+" posted to the EHR", "")
		}
	}
	if booking != nil {
		if berr = booking.Get(ctx, &booked); berr == nil {
			pay.InvoiceID, pay.BookedID = booked.InvoiceID, booked.PaymentID
			c.lateUndo(id, func(r *copay.Refund) *string { return &r.UnbookedID })
			c.note(platformOrUs(booked.Platform), "booked", pay.Amount.String()+" booked in the accounting", "")
		}
	}
	return perr, berr
}

// shortest is the least that is waited before a platform is told again, overdue
// that after a step which did not end in time, longest the most before the co-pay
// parks instead.
const (
	shortest = time.Second
	overdue  = 20 * time.Second
	longest  = 2 * time.Minute
)

// pause is how long to wait before EHR or books are told again: as long as they
// ask for, and after a step that did not end in time as long as its trace may
// take to show. again is false when one of them needs a person, or much more time.
func pause(errs ...error) (d time.Duration, again bool) {
	for _, err := range errs {
		if err == nil {
			continue
		}
		if !cured(activities.FailureOf(err)) {
			return 0, false
		}
		d, again = max(d, shortest, activities.FailureOf(err).Wait), true
		var app *temporal.ApplicationError
		switch {
		case !errors.As(err, &app):
			d = max(d, overdue)
		case app.NextRetryDelay() > 0:
			d = max(d, app.NextRetryDelay())
		}
	}
	return d, again && d <= longest
}

// whileTheyAreDown records money that EHR or books cannot be told of just now: it
// is in the journal, and staff see it.
func (c *coPay) whileTheyAreDown(ctx workflow.Context, d time.Duration) error {
	const what = "tell EHR and books of the payment"
	c.plan(ctx, "try again: "+what, d)
	if err := c.flush(ctx); err != nil {
		return err
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	return workflow.NewTimerWithOptions(ctx, d, workflow.TimerOptions{Summary: "wait to " + what + " again"}).Get(ctx, nil)
}

func (c *coPay) bookTrouble(ctx workflow.Context, err error, id copay.PaymentID) error {
	return c.troubled(ctx, err, "book it in the accounting", copay.Review{Kind: copay.ReviewAccounting, Payment: id,
		Message: "The accounting platform refuses it; book it there by hand, or mend it and try again. ",
		Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceDone}})
}

// did notes an effect in the list that compensation runs backwards.
func (c *coPay) did(kind copay.EffectKind, id copay.PaymentID) {
	d := copay.Done{Kind: kind, Payment: id}
	for _, u := range c.p.Undo {
		if u == d {
			return
		}
	}
	c.p.Undo = append(c.p.Undo, d)
}

func (c *coPay) postInput(p *copay.Payment, e copay.Effect, amount copay.Money) activities.PostInput {
	return activities.PostInput{Key: c.p.Key, Appointment: c.p.Appointment, Patient: c.p.Patient, Provider: c.p.Provider, Payment: *p,
		Ref: c.ref(e, p), Amount: amount, Since: p.Since()}
}

// ref is the reference of an effect of a payment: the number is the
// payment's, so that every retry, reset and later run has the same one.
func (c *coPay) ref(e copay.Effect, p *copay.Payment) copay.Ref {
	ref := copay.Ref(string(c.p.ID) + "-" + string(e) + "-" + strings.TrimPrefix(string(p.ID), "pay-"))
	if e == copay.EffectPost { // the books know nothing of a posting that was renewed
		ref += copay.Ref(p.Again)
	}
	return ref
}

// reconcile settles the co-pay when processor, EHR, books and journal agree,
// and otherwise goes where the difference leads.
func (c *coPay) reconcile(ctx workflow.Context) error {
	c.parked = 0
	c.keepCards(ctx)
	goesOn := c.hasPendingRefund() || (c.undecided() == nil && !c.anyDisputed())
	if c.p.After != "" && goesOn && c.rules >= rulesOfPeople { // nothing is posted of what is being taken back
		c.move(copay.StateRefunding, copay.System(), "a refund is still under way")
		return nil
	}
	if c.unposted() { // a payment that arrived meanwhile
		c.move(copay.StatePosting, copay.System(), "another payment arrived")
		return nil
	}
	if open := c.openPayment(); open != nil { // paid in another way: nobody may pay again
		return c.closeRequest(ctx, open)
	}
	if c.hasPendingRefund() { // a dispute came between, or a person went another way
		c.move(copay.StateRefunding, copay.System(), "a refund is still under way")
		return nil
	}
	if r := c.undecided(); r != nil { // its review gave way to something else
		c.askApproval(r, copay.System())
		return nil
	}
	if c.leaves() {
		c.move(copay.StateRefunding, copay.System(), "the charge is gone")
		return nil
	}
	if q := c.p.Asked; q != nil && !c.anyDisputed() && c.rules >= rulesOfPeople {
		c.p.Asked, c.p.Reopen = nil, c.p.Reopen && c.rules < rulesOfQuestions
		c.move(copay.StateNeedsReview, copay.System(), "what was open before is open again")
		c.p.Review = q
		return nil
	}
	if c.p.Reopen && !c.anyDisputed() && c.rules >= rulesOfQuestions {
		c.findOut()
		return nil
	}
	c.askNothingForbidden()
	if c.surplus().IsPositive() {
		c.giveSurplusBack("more came in than was owed")
		return nil
	}
	if c.p.Amounts.Outstanding().IsPositive() {
		c.move(copay.StateAwaitingPayment, copay.System(), "a part is still open")
		return nil
	}
	if c.anyDisputed() {
		c.move(copay.StateDisputed, copay.System(), "a payment is disputed at the patient's bank; answer it at the processor")
		return nil
	}
	c.settle("processor, EHR, books and journal agree") // unless the payer was faster than the patient
	return nil
}
