package workflows

import (
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// confirmDeletion asks the EHR whether the charge is really gone: a report
// alone takes no money back.
func (c *coPay) confirmDeletion(ctx workflow.Context) error {
	if c.nothingToTake() {
		c.gone = false
		return nil
	}
	const what = "ask whether the charge was deleted"
	var read activities.ChargeRead
	err := workflow.ExecuteActivity(c.platform(ctx, PortEHR, what), steps.ReadCharge, activities.ReadChargeInput{Key: c.p.Key}).Get(ctx, &read)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f := activities.FailureOf(err)
		if f.Kind != integrations.KindNotFound {
			return c.park(ctx, f, what)
		}
		read.Deleted = true
	}
	c.gone, c.parked = false, 0
	ehr := copay.PlatformActor(c.p.Key.EHR)
	if !read.Deleted {
		c.note(ehr, "charge", "a deletion was reported, but the charge is there", "")
		return nil
	}
	c.takeBack(ehr, wasDeleted)
	return nil
}

// nothingToTake reports that a deletion changes nothing. A person may be at it:
// what is being taken back is not taken back anew.
func (c *coPay) nothingToTake() bool {
	restGivenUp := (c.p.State == copay.StateWaived || c.p.State == copay.StateWrittenOff) && c.held().IsPositive() && c.rules >= rulesOfPeople
	return (c.givenUp() && !restGivenUp) || (c.p.After == copay.StateCancelled && c.rules >= rulesOfPeople)
}

// wasDeleted is why money of a deleted charge goes back.
const wasDeleted = "the charge was deleted in the EHR"

// kept reports that a second person has said that money stays although the charge
// was deleted.
func (c *coPay) kept() bool {
	no := func(r copay.Refund) bool {
		return r.Status == copay.RefundRejected && r.ApprovedBy != "" && r.Reason == wasDeleted
	}
	return slices.ContainsFunc(c.p.Refunds, no) && c.held().IsPositive() && c.rules >= rulesOfQuestions
}

// leaves goes on as after a second person's word when the refund that they were
// asked about was made without them: by the bank, or at the processor.
func (c *coPay) leaves() bool {
	if c.p.Leaving == "" || c.undecided() != nil || c.rules < rulesOfQuestions {
		return false
	}
	c.leave(wasDeleted)
	return true
}

// leave lets a co-pay become what was decided: nothing is asked for any more, and
// what nobody was asked about goes back, too.
func (c *coPay) leave(why string) {
	c.p.After, c.p.Leaving = c.p.Leaving, ""
	c.returnWhatCameSince(why)
	c.onlyWhatStays()
}

// takeBack cancels a co-pay, also one that is settled. Above the practice's
// threshold a person decides.
func (c *coPay) takeBack(who copay.Actor, why string) {
	left := c.held().Minor
	if c.rules >= rulesOfPeople { // without what is going back already
		for _, r := range c.p.Refunds {
			if r.Status == copay.RefundPending {
				left -= r.Amount.Minor
			}
		}
	}
	if left > c.in.Policy.RefundApprovalAbove.Minor || (left > 0 && c.kept()) {
		c.askToReturn(who, why, "The charge was deleted in the EHR after it was paid. Approve the refund, or reject it and enter the charge again.")
		if c.rules >= rulesOfPeople {
			c.p.Leaving = copay.StateCancelled
		}
		return
	}
	c.reopenable(func() { c.cancel(who, why) })
}

// atTheBank reports that the bank decides just now where the money belongs.
func (c *coPay) atTheBank() bool {
	return c.p.State == copay.StateDisputed || c.p.State == copay.StateReturned || c.anyDisputed()
}

// bankFirst reports that a deletion has to wait for that. Where nothing is asked any
// more it does not: the refund waits.
func (c *coPay) bankFirst() bool {
	return c.atTheBank() && !(c.p.State.Closed() && c.rules >= rulesOfQuestions)
}

// confirmPosting asks the EHR whether our posting is really gone: posting
// again on a report alone could post twice.
func (c *coPay) confirmPosting(ctx workflow.Context) error {
	pay := c.payment(c.missing[0])
	if pay == nil || pay.PostedID == "" || (c.givenUp() && !(pay.Amount.Minor > pay.Refunded.Minor && c.rules >= rulesOfQuestions)) {
		c.missing = c.missing[1:]
		return nil
	}
	const what = "ask whether our posting is still in the EHR"
	var found activities.Posted
	err := workflow.ExecuteActivity(c.platform(ctx, PortPost, what), steps.FindPosting, c.postInput(pay, copay.EffectPost, pay.Amount)).Get(ctx, &found)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return c.park(ctx, activities.FailureOf(err), what)
	}
	c.missing, c.parked = c.missing[1:], 0
	if found.ID != "" {
		c.note(copay.PlatformActor(c.p.Key.EHR), "posting", "the deletion of our posting was reported, but it is there", "")
		return nil
	}
	atBank := c.p.State == copay.StateDisputed
	c.postingGone(pay, copay.PlatformActor(c.p.Key.EHR))
	if atBank && c.rules >= rulesOfPeople {
		c.p.Review.Back = copay.StateReconciling // which knows whether the bank is still at it
	}
	return nil
}

// reversed reports that a posting of ours was turned back in the EHR.
func (c *coPay) reversed(p *copay.Payment) bool {
	return slices.ContainsFunc(c.p.Refunds, func(r copay.Refund) bool {
		return r.Payment == p.ID && r.Status == copay.RefundDone && r.ReversedID != "" && r.ReversedID != nothingThere && r.ReversedID != byHand
	})
}

// postingGone lets a person decide about a posting that somebody deleted. Until
// then the payment counts as one that is not posted, under a reference of its
// own, since the old one was used.
func (c *coPay) postingGone(p *copay.Payment, who copay.Actor) {
	back := c.p.State
	if back == copay.StateNeedsReview {
		back = copay.StateReconciling
	}
	if c.rules >= rulesOfQuestions {
		c.setAside()
		if c.p.After == "" && back.Closed() && back != copay.StateSettled {
			c.p.After = back
		}
		if c.p.After != "" || c.p.Reopen {
			back = copay.StateReconciling
		}
		p.Removed = true
	}
	p.PostedID, p.Again = "", p.Again+"b"
	if c.p.State == copay.StateNeedsReview && c.rules >= rulesOfPeople {
		c.note(who, "posting", "somebody deleted our posting in the EHR", "")
	}
	c.move(copay.StateNeedsReview, who, "somebody deleted our posting in the EHR")
	c.p.Review = removed(p, back)
}

// removed is the question about a posting that somebody deleted.
func removed(p *copay.Payment, back copay.State) *copay.Review {
	return &copay.Review{Kind: copay.ReviewPostingDeleted, Payment: p.ID, Back: back,
		Message: "Somebody deleted the posting of this payment in the EHR; post it again, or confirm that it is right as it is.",
		Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceDone}}
}

// givenUp reports that there is nothing left to take back, or that it is being
// given back already.
func (c *coPay) givenUp() bool {
	return c.p.State == copay.StateRefunding || (c.p.State.Closed() && c.p.State != copay.StateSettled)
}

// askToReturn lets a person decide on money that is above what goes back
// without one.
func (c *coPay) askToReturn(who copay.Actor, why, message string) {
	back, held := c.cameFrom(), c.p.Review
	if back == copay.StateNeedsReview {
		back = copay.StateReconciling
	}
	switch {
	case c.rules < rulesOfPeople:
		held = nil
	case held != nil && held.Kind == copay.ReviewRefundApproval: // another refund waits already
		back, held = held.Back, held.Held
	case held != nil && held.Back == copay.StateRefunding: // what is on its way back goes on by itself
		held = nil
	}
	for _, p := range c.returnable() {
		c.newRefund(p, c.refundable(p), who, why).Status = copay.RefundAwaiting
	}
	c.move(copay.StateNeedsReview, who, why)
	c.p.Review = &copay.Review{Kind: copay.ReviewRefundApproval, Back: back, Held: held, Message: message}
}
