package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// planChanged notes that the coverage may be another one. As long as money is
// asked for, EHR and payer are asked again at once, also where a part was paid
// or a person has set the amount: it may turn out that the patient must not be
// billed, which comes before both. Money that is there is posted first; then it
// is looked whether it may be kept. ask says that the payer itself has news, so
// that what it said before does not count any more.
func (c *coPay) planChanged(who copay.Actor, why string, ask bool) {
	c.stalePlan, c.p.AskPayer = true, c.p.AskPayer || ask
	c.note(who, "eligibility", why, "")
	r := c.p.Review // of one that asks what to do before money is asked for
	if c.p.State == copay.StateNeedsReview && c.asking() && r != nil && r.Back.BeforePayment() && r.Kind != copay.ReviewDispute &&
		c.undecided() == nil && c.p.Facts != nil {
		c.move(copay.StateVerifying, who, why)
	}
}

// lookAtPlan is how to look at a coverage that may have changed; nil while it
// has to wait.
func (c *coPay) lookAtPlan() func(workflow.Context) error {
	switch {
	case !c.stalePlan:
		return nil
	case c.p.State == copay.StateEstimating || c.p.State == copay.StateRequesting || c.p.State == copay.StateAwaitingPayment:
		return c.verify
	case c.p.State.Closed() && c.held().IsPositive():
		return c.recheckPlan
	}
	return nil
}

// anyAge takes what the payer said of a policy however long ago: only one that
// was not known before is asked about.
const anyAge = 10 * 365 * 24 * time.Hour

// recheckPlan looks at the coverage of a co-pay that is over and paid. One
// thing can still change it: that the patient must not be billed. Any other
// difference is for the remittance to tell.
func (c *coPay) recheckPlan(ctx workflow.Context) error {
	c.stalePlan = false // what is heard of from here on makes it stale again
	read, done, err := c.readCharge(ctx, "see whether the patient's coverage has changed")
	if !done || err != nil {
		return c.recheckLater(ctx, done, err, "read the patient's coverage")
	}
	if read.Deleted {
		if (c.nothingToTake() || c.kept()) && c.rules >= rulesOfQuestions { // what stays of it was decided
			return c.planStands(ctx, "the charge is deleted")
		}
		c.takeBack(copay.PlatformActor(c.p.Key.EHR), wasDeleted)
		return nil
	}
	c.learn(&read)
	if !read.Insured || read.Facts.SelfPay {
		return c.planStands(ctx, "there is no insurance to ask")
	}
	fresh := time.Duration(anyAge)
	if c.p.AskPayer {
		fresh = 0
	}
	got, done, err := c.askPayer(ctx, fresh)
	if !done || err != nil {
		return c.recheckLater(ctx, done, err, "ask the payer again")
	}
	c.parked, c.p.AskPayer = 0, c.p.AskPayer && c.stalePlan
	found, err := c.callEstimate(ctx, copay.Money{})
	if err != nil {
		return c.recheckLater(ctx, true, err, "work out again what the patient owes")
	}
	if found.Estimate.Kind != copay.EstimateZeroByRule {
		return c.planStands(ctx, "coverage is "+string(got.Status))
	}
	c.p.Estimate, c.p.Amounts.Estimated = &found.Estimate, found.Estimate.Amount
	c.returnForbidden(copay.PlatformActor(got.Source))
	return c.flush(ctx)
}

// recheckLater parks where waiting can help. Where it cannot, what was paid
// stays as it is, and the history says that nobody could tell.
func (c *coPay) recheckLater(ctx workflow.Context, done bool, err error, what string) error {
	if !done || ctx.Err() != nil {
		c.stalePlan = true
		return err
	}
	f := activities.FailureOf(err)
	if cured(f) || f.Kind == integrations.KindUnauthorized {
		c.stalePlan = true
		return c.park(ctx, f, what)
	}
	c.parked, c.p.AskPayer = 0, false
	return c.planStands(ctx, f.Message)
}

// planStands notes that the look changed nothing.
func (c *coPay) planStands(ctx workflow.Context, why string) error {
	c.note(copay.System(), "eligibility", "looked at the coverage again, and what was paid stays: "+why, "")
	return c.flush(ctx)
}

// returnForbidden gives back what was collected from somebody who must not be
// billed. Above the practice's threshold a person decides.
func (c *coPay) returnForbidden(who copay.Actor) {
	why := "it turned out that the patient must not be billed: " + c.p.Estimate.Rule
	if c.held().Minor > c.in.Policy.RefundApprovalAbove.Minor {
		c.askToReturn(who, why, "The patient must not be billed for this visit ("+c.p.Estimate.Rule+"), which was not known when it was paid. Approve the refund, or reject it if the rule does not hold.")
		return
	}
	c.p.Amounts.Requested = copay.Cents(0)
	c.bookReceivable()
	c.giveSurplusBack(why)
	if c.p.After == copay.StateSettled {
		c.p.After = "" // nothing of it is settled any more
	}
}

// held is the money that came in and did not go back.
func (c *coPay) held() copay.Money {
	return copay.Cents(c.p.Amounts.Collected.Minor - c.p.Amounts.Refunded.Minor)
}
