package workflows

import (
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
)

// estimate works out what the patient owes and decides whether to ask for it.
func (c *coPay) estimate(ctx workflow.Context) error {
	ask := copay.Money{}                                                                             // the estimate itself
	anew := c.p.Facts.SelfPay && (c.p.Estimate == nil || c.p.Estimate.Kind != copay.EstimateSelfPay) // another payer, another amount
	if c.p.Override || (c.decided() && !anew) {
		ask = c.p.Amounts.Outstanding()
	}
	got, err := c.callEstimate(ctx, ask)
	if err != nil {
		return c.troubled(ctx, err, "estimate", copay.Review{Kind: copay.ReviewEligibility,
			Message: "What is kept of the patient cannot be read, so nothing can be estimated. ",
			Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceWaive, copay.ChoiceCancel}})
	}
	e := got.Estimate
	c.p.Estimate = &e
	if !e.At.IsZero() {
		c.readClock(ctx, e.At)
	}
	c.p.Amounts.Estimated = e.Amount
	c.p.Card, c.p.CardAt = got.Card, got.CardAt
	c.note(copay.System(), "estimate", "estimated "+e.Amount.String(), "")
	// The rule comes before everything, also before a person's override:
	// somebody who must not be billed is not billed.
	if e.Kind == copay.EstimateZeroByRule {
		return c.nothingDue(ctx, "the patient must not be billed: "+e.Rule)
	}
	if c.p.Override {
		if r, over := c.aboveCharge(); over {
			return c.ask(ctx, r)
		}
		c.goAsk("a person set the amount")
		return nil
	}
	if !anew && c.stands(e) {
		c.goAsk("what was asked for stands")
		return nil
	}
	if e.Kind == copay.EstimateNothing {
		return c.nothingDue(ctx, "nothing is due")
	}
	if r, doubt := c.unsure(e); doubt {
		return c.ask(ctx, r)
	}
	if below, _ := e.Amount.Cmp(c.in.Policy.MinAmount); below < 0 {
		return c.nothingDue(ctx, "the amount is below what the practice asks for")
	}
	c.p.Amounts.Requested = e.Amount
	c.goAsk("the estimate is sure enough")
	return nil
}

// decided reports that more than an estimate says what is open: it comes from the
// payer's remittance, or something was given back.
func (c *coPay) decided() bool {
	given := slices.ContainsFunc(c.p.Refunds, func(r copay.Refund) bool { return r.Status == copay.RefundDone && !r.Taken })
	return !c.p.Override && c.p.Amounts.Requested.IsPositive() && (given || c.p.Trued) && c.rules >= rulesOfPeople
}

// stands reports that a new estimate changes nothing of what is asked for: a
// remittance is worth more than it, and what was given back is not asked for
// again.
func (c *coPay) stands(e copay.Estimate) bool {
	more := e.Kind == copay.EstimateUnknown || e.Amount.Minor >= c.p.Amounts.Requested.Minor
	return c.decided() && (more || c.p.Trued)
}

// aboveCharge is the review of an amount that a person set before the charge
// was read, which turned out to be less.
func (c *coPay) aboveCharge() (copay.Review, bool) {
	asked, billed := c.p.Amounts.Requested, c.p.Amounts.Billed
	return copay.Review{Kind: copay.ReviewAmount, Message: "The amount that was set, " + asked.String() + ", is more than the charge of " + billed.String() + "; set another.",
		Choices: []copay.Choice{copay.ChoiceSetAmount, copay.ChoiceWaive, copay.ChoiceCancel}}, billed.IsPositive() && asked.Minor > billed.Minor
}

// callEstimate works the amount out, and whether the stored card may be charged:
// for ask, where something else is asked for than the estimate.
func (c *coPay) callEstimate(ctx workflow.Context, ask copay.Money) (activities.Estimated, error) {
	var got activities.Estimated
	err := workflow.ExecuteLocalActivity(local(ctx, "estimate what the patient owes"), steps.Estimate, activities.EstimateInput{
		Key: c.p.Key, Facts: *c.p.Facts, Policy: c.in.Policy, Patient: c.p.Patient, Insured: c.p.Insured,
		Appointment: c.p.Appointment, Ask: ask}).Get(ctx, &got)
	return got, err
}

// unsure is the review an estimate needs before the patient is asked.
func (c *coPay) unsure(e copay.Estimate) (copay.Review, bool) {
	choices := []copay.Choice{copay.ChoiceSetAmount, copay.ChoiceSelfPay, copay.ChoiceRetry, copay.ChoiceWaive, copay.ChoiceCancel}
	switch over, _ := e.Amount.Cmp(c.in.Policy.MaxAmount); {
	case e.Kind == copay.EstimateUnknown:
		return copay.Review{Kind: copay.ReviewEligibility, Message: "There is nothing to go by for the amount; look the plan up and set it.", Choices: choices}, true
	case c.p.Confirmed.IsPositive() && e.Amount.Equal(c.p.Confirmed): // a person has looked already
	case over > 0:
		return copay.Review{Kind: copay.ReviewAmount, Message: "The amount is above what the practice asks for without a person's look; confirm or change it.",
			Choices: append([]copay.Choice{copay.ChoiceProceed}, choices...)}, true
	case e.Confidence < c.in.Policy.MinConfidence:
		return copay.Review{Kind: copay.ReviewLowConfidence, Message: "The estimate is not sure enough to ask the patient; read its reasons, then confirm or change the amount.",
			Choices: append([]copay.Choice{copay.ChoiceProceed}, choices...)}, true
	}
	return copay.Review{}, false
}

// goAsk turns to the patient, by the stored card where it may be charged.
func (c *coPay) goAsk(why string) {
	if c.p.Rail == "" {
		c.p.Rail = copay.RailLink
		if c.p.Card {
			c.p.Rail = copay.RailCard
		}
	}
	if c.p.Rail == copay.RailCard && !c.p.Card { // the consent covers less, or has gone
		c.p.Rail, c.p.ChargeAt = copay.RailLink, zeroTime
	}
	c.move(copay.StateRequesting, copay.System(), why)
}

// nothingDue ends a co-pay without a request. Money that came all the same
// goes back by itself.
func (c *coPay) nothingDue(ctx workflow.Context, why string) error {
	c.p.Amounts.Requested = copay.Cents(0)
	c.bookReceivable()
	if open := c.openPayment(); open != nil { // asked for before more was known
		return c.closeRequest(ctx, open)
	}
	if c.surplus().Minor > c.in.Policy.RefundApprovalAbove.Minor && c.rules >= rulesOfPeople {
		return c.askToReturnWhatIsNotDue(ctx, why)
	}
	if c.surplus().IsPositive() || c.hasPendingRefund() {
		c.giveSurplusBack(why)
		return c.flush(ctx)
	}
	if r := c.undecided(); r != nil && c.rules >= rulesOfOneStep {
		c.askApproval(r, copay.System())
		return c.flush(ctx)
	}
	c.settle(why)
	return nil
}

// askToReturnWhatIsNotDue lets a person decide on money above what goes back without
// one. When they say that it stays, it is posted as it is.
func (c *coPay) askToReturnWhatIsNotDue(ctx workflow.Context, why string) error {
	c.p.Amounts.Requested = c.held()
	c.bookReceivable()
	c.askToReturn(copay.System(), why, "It turned out that nothing is due ("+why+"), after "+c.held().String()+" had been paid. Approve the refund, or reject it and the money stays.")
	c.p.Review.Back, c.p.Review.Since = copay.StatePaid, workflow.Now(ctx)
	return c.flush(ctx)
}

// surplus is money we hold beyond what was asked, without what is already on
// its way back.
func (c *coPay) surplus() copay.Money {
	held := c.p.Amounts.Collected.Minor - c.p.Amounts.Requested.Minor
	for _, r := range c.p.Refunds {
		if r.Status != copay.RefundRejected {
			held -= r.Amount.Minor
		}
	}
	return copay.Cents(held)
}
