package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
)

// request asks the processor for a payment page. For a stored card nothing is
// asked yet: the patient is told first.
func (c *coPay) request(ctx workflow.Context) error {
	c.bookReceivable()
	owed := c.p.Amounts.Outstanding()
	if !owed.IsPositive() {
		c.paidInFull("nothing is left to ask for")
		return nil
	}
	if c.p.Bank && c.rules >= rulesOfQuestions { // while something else was open
		c.p.Bank = false
		return c.ask(ctx, bankTookIt())
	}
	if c.p.RequestedAt.IsZero() {
		c.p.RequestedAt = c.clock(ctx)
	}
	if open := c.openPayment(); open != nil && c.superseded(open, owed) {
		return c.withdraw(ctx, open) // it may have been paid: look again
	}
	if c.p.Rail == copay.RailLink {
		if ok, err := c.openLink(ctx, owed); !ok {
			return err
		}
	}
	asks := "the patient is asked for " + owed.String()
	if c.p.Rail.Manual() {
		asks += " at the desk"
	}
	c.move(copay.StateAwaitingPayment, copay.System(), asks)
	return nil
}

// superseded reports whether an open request is not the one to be paid any
// more. Money that is on its way at the bank cannot be called back; what is too
// much of it goes back when it is there.
func (c *coPay) superseded(open *copay.Payment, owed copay.Money) bool {
	if open.Status == copay.PaymentProcessing {
		return false
	}
	return open.Rail != c.p.Rail || !open.Amount.Equal(owed)
}

// openLink makes sure that a hosted page over owed is open; ok is false when
// it is not, and the co-pay then waits or is in review.
func (c *coPay) openLink(ctx workflow.Context, owed copay.Money) (ok bool, err error) {
	if _, err := c.tryLink(ctx, owed, nil, c.effect); err != nil {
		return false, c.troubled(ctx, err, "ask the processor", copay.Review{Kind: copay.ReviewCollect,
			Message: "The processor refuses the request. ",
			Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceSetAmount, copay.ChoiceWaive, copay.ChoiceCancel}})
	}
	c.parked = 0
	return true, nil
}

// tryLink opens the page, or finds the one that an earlier try has opened, and
// returns the address of one that was just opened. keep is set when the page
// keeps the card; patience is how the call is made.
func (c *coPay) tryLink(ctx workflow.Context, owed copay.Money, keep *copay.CardConsent, patience func(workflow.Context, string, string) workflow.Context) (url string, err error) {
	pay := c.openPayment()
	look := pay != nil || !c.since.IsZero()
	if pay == nil {
		pay = c.newPayment(ctx, copay.RailLink, owed)
		pay.Keep = keep
		pay.ExpiresAt = c.pageClock(ctx).Add(c.in.Policy.LinkLifetime)
		c.did(copay.DidRequest, pay.ID)
	} else if pay.PlatformID != "" {
		return "", nil
	}
	id := pay.ID
	var got activities.PaymentState
	err = workflow.ExecuteActivity(patience(ctx, PortCollect, "ask for "+owed.String()+" by link"), steps.RequestLink,
		activities.PaymentInput{Key: c.p.Key, Payment: *pay, Patient: c.p.Patient, Look: look}).Get(ctx, &got)
	if err != nil {
		return "", err
	}
	c.apply(ctx, c.payment(id), got)
	c.note(copay.PlatformActor(got.Platform), "requested", "a payment page over "+owed.String()+" is open", "")
	return got.URL, nil
}

// newPayment adds the next attempt to get money from a processor.
func (c *coPay) newPayment(ctx workflow.Context, rail copay.Rail, amount copay.Money) *copay.Payment {
	c.p.Counters.Requests++
	p := c.addPayment(c.p.Counters.Requests, rail, amount)
	p.AskedAt, p.LookFrom = workflow.Now(ctx), c.since
	if !c.since.IsZero() && c.rules < rulesOfOneStep {
		p.AskedAt, p.LookFrom = c.since, zeroTime
	}
	c.asked = true
	return p
}

// deskNumbers is where the numbers of payments at the desk begin while a run that
// was lost may have asked a processor for the next ones: those are looked for.
const deskNumbers = 900

// deskPayment adds money that was taken at the desk.
func (c *coPay) deskPayment(ctx workflow.Context, rail copay.Rail, amount copay.Money) *copay.Payment {
	if c.since.IsZero() || c.rules < rulesOfOneStep {
		return c.newPayment(ctx, rail, amount)
	}
	c.p.Counters.Desk++
	p := c.addPayment(deskNumbers+c.p.Counters.Desk, rail, amount)
	p.AskedAt = workflow.Now(ctx)
	return p
}

// addPayment adds a payment, whose number names it for ever.
func (c *coPay) addPayment(n int, rail copay.Rail, amount copay.Money) *copay.Payment {
	c.p.Payments = append(c.p.Payments, copay.Payment{ID: copay.PaymentID(fmt.Sprintf("pay-%d", n)),
		Ref: copay.NewRef(c.p.ID, copay.EffectRequest, n), Rail: rail, Amount: amount, Status: copay.PaymentRequested})
	return &c.p.Payments[len(c.p.Payments)-1]
}

// payment finds a payment by its id.
func (c *coPay) payment(id copay.PaymentID) *copay.Payment {
	for i := range c.p.Payments {
		if c.p.Payments[i].ID == id {
			return &c.p.Payments[i]
		}
	}
	return nil
}

// openPayment is the processor's request that can still be paid, if any.
func (c *coPay) openPayment() *copay.Payment {
	for i := range c.p.Payments {
		if p := &c.p.Payments[i]; !p.Rail.Manual() && !p.Status.Final() {
			return p
		}
	}
	return nil
}

// withdraw takes an open request back. When the patient was faster, the money
// counts and whatever is too much goes back.
func (c *coPay) withdraw(ctx workflow.Context, open *copay.Payment) error {
	id := open.ID
	var got activities.PaymentState
	err := workflow.ExecuteActivity(c.effect(ctx, PortCollect, "withdraw the open payment page"), steps.CancelRequest,
		activities.PaymentInput{Key: c.p.Key, Payment: *open}).Get(ctx, &got)
	if err != nil {
		return c.troubled(ctx, err, "withdraw the open payment page", copay.Review{Kind: copay.ReviewCompensation, Effect: copay.DidRequest, Payment: id,
			Message: "The open payment page could not be withdrawn; expire it at the processor, then go on. ",
			Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceDone}})
	}
	c.parked = 0
	c.apply(ctx, c.payment(id), got)
	return nil
}

// closeRequest sees to it that an open request cannot be paid any more. What a
// bank is at cannot be called back: it is waited for, and counts if it comes.
func (c *coPay) closeRequest(ctx workflow.Context, open *copay.Payment) error {
	if open.Status == copay.PaymentProcessing {
		return c.awaitBank(ctx, open)
	}
	return c.withdraw(ctx, open)
}

// awaitBank waits for news of a payment that a bank is at, and asks in growing
// steps whether they were lost.
func (c *coPay) awaitBank(ctx workflow.Context, pay *copay.Payment) error {
	id, d := pay.ID, c.untilPoll(ctx, pay)
	c.plan(ctx, "look whether it was paid", d)
	if err := c.flush(ctx); err != nil {
		return err
	}
	timeUp, err := c.sleep(ctx, d, "the bank is at it")
	if timeUp {
		c.suspect(id)
	}
	return err
}

// paidInFull goes on to posting when money is there, and ends otherwise.
func (c *coPay) paidInFull(why string) {
	bank := c.anyDisputed() && c.rules >= rulesOfQuestions // it goes on when that has decided
	if bank || c.unposted() || c.surplus().IsPositive() || c.hasPendingRefund() || c.undecided() != nil || c.openPayment() != nil {
		c.move(copay.StatePaid, copay.System(), why)
		return
	}
	c.settle(why)
}

// settle ends a co-pay that nothing has to be done for any more, unless the
// payer has said otherwise already.
func (c *coPay) settle(why string) {
	c.p.Bank = false
	if !c.trueUp(copay.System()) {
		c.move(copay.StateSettled, copay.System(), why)
	}
}

// holds reports whether a payment is captured and not all of it went back.
func holds(p *copay.Payment) bool {
	return p.Status == copay.PaymentCaptured && p.Amount.Minor > p.Refunded.Minor
}

// unposted reports whether captured money is missing in the EHR or the books.
// What went back before it was posted never has to be; what went back after
// it has to be missing there, too.
func (c *coPay) unposted() bool {
	for i := range c.p.Payments {
		if p := &c.p.Payments[i]; c.toPost(p) && (p.PostedID == "" || (c.in.Books && p.BookedID == "")) {
			return true
		}
	}
	return c.behind()
}
