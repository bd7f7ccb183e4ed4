package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// confirmDeletion asks the EHR whether the charge is really gone: a report
// alone takes no money back.
func (c *coPay) confirmDeletion(ctx workflow.Context) error {
	if c.givenUp() {
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
	const why = "the charge was deleted in the EHR"
	if held := c.p.Amounts.Collected.Minor - c.p.Amounts.Refunded.Minor; held > c.in.Policy.RefundApprovalAbove.Minor {
		c.askToReturn(ehr, why)
		return nil
	}
	c.reopenable(func() { c.cancel(ehr, why) })
	return nil
}

// givenUp reports that there is nothing left to take back, or that it is being
// given back already.
func (c *coPay) givenUp() bool {
	return c.p.State == copay.StateRefunding || (c.p.State.Closed() && c.p.State != copay.StateSettled)
}

// askToReturn lets a person decide on money that is above what goes back
// without one.
func (c *coPay) askToReturn(who copay.Actor, why string) {
	back := c.p.State
	if back == copay.StateNeedsReview {
		back = copay.StateReconciling
	}
	for i := len(c.p.Payments) - 1; i >= 0; i-- {
		p := &c.p.Payments[i]
		if left := c.refundable(p); left.IsPositive() {
			c.newRefund(p, left, who, why).Status = copay.RefundAwaiting
		}
	}
	c.move(copay.StateNeedsReview, who, why)
	c.p.Review = &copay.Review{Kind: copay.ReviewRefundApproval, Back: back,
		Message: "The charge was deleted in the EHR after it was paid. Approve the refund, or reject it and enter the charge again."}
}
