package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

// refresh reads the truth about a payment that something was heard of.
func (c *coPay) refresh(ctx workflow.Context) error {
	pay := c.payment(c.stale[0])
	if pay == nil || pay.Rail.Manual() {
		c.stale = c.stale[1:]
		return nil
	}
	id := pay.ID
	c.settled(id) // what is heard of it from here on makes it stale again
	c.reading, c.heard = id, false
	defer func() { c.reading = "" }()
	var got activities.PaymentState
	done, err := c.call(ctx, func(ctx workflow.Context) workflow.Future {
		return workflow.ExecuteActivity(c.platform(ctx, PortCollect, "read the payment from the processor"), steps.FetchPayment,
			activities.PaymentInput{Key: c.p.Key, Payment: *pay})
	}, &got)
	if !done {
		c.suspect(id)
		return err
	}
	if err != nil {
		f := activities.FailureOf(err)
		if ctx.Err() != nil {
			c.suspect(id)
			return ctx.Err()
		}
		if f.Kind != integrations.KindNotFound { // news of money are never given up
			c.suspect(id)
			return c.park(ctx, f, "read the payment from the processor")
		}
		c.note(copay.System(), "payment", "the processor does not know the payment: "+f.Message, "")
		got = activities.PaymentState{Platform: pay.Platform, PlatformID: pay.PlatformID, Status: pay.Status, Amount: pay.Amount, Refunded: pay.Refunded}
	}
	c.parked = 0
	c.apply(ctx, c.payment(id), got)
	c.hearEarly(id)
	if c.heard && got.Status != copay.PaymentCaptured { // the read was too early
		c.suspect(id)
	}
	return nil
}

// hearEarly listens to the disputes that came before the capture of a payment.
func (c *coPay) hearEarly(id copay.PaymentID) {
	early := c.early
	c.early = nil
	for _, e := range early {
		switch p := c.paymentOf(e); {
		case p == nil:
		case p.CapturedAt.IsZero(): // also when the read was too early
			c.early = append(c.early, e)
		case p.ID == id:
			c.disputed(e, copay.PlatformActor(e.Platform))
		default:
			c.early = append(c.early, e)
		}
	}
}

// settled takes a payment off the list of those to be read.
func (c *coPay) settled(id copay.PaymentID) {
	keep := c.stale[:0]
	for _, s := range c.stale {
		if s != id {
			keep = append(keep, s)
		}
	}
	c.stale = keep
}

// suspect marks a payment whose truth must be read.
func (c *coPay) suspect(id copay.PaymentID) {
	c.settled(id)
	c.stale = append(c.stale, id)
}

// apply takes over what the processor says of a payment. A payment only moves
// forward: late or repeated news change nothing.
func (c *coPay) apply(ctx workflow.Context, pay *copay.Payment, got activities.PaymentState) {
	pay.Platform = got.Platform
	if got.PlatformID != "" {
		pay.PlatformID = got.PlatformID
	}
	if !got.ExpiresAt.IsZero() {
		pay.ExpiresAt = got.ExpiresAt
	}
	if got.Decline != "" && got.Decline != pay.Decline && pay.CapturedAt.IsZero() {
		pay.Decline = got.Decline
		if pay.Rail == copay.RailLink && !got.Status.Final() && c.rules >= rulesOfPeople {
			c.note(payer(*pay), "declined", "the patient's payment of "+pay.Amount.String()+" was declined ("+got.Decline+"); the page stays open", "")
		}
	}
	held := got.Status == copay.PaymentDisputed || got.Status == copay.PaymentReturned // captured, and taken back since
	if (held || got.Status == copay.PaymentCaptured) && pay.CapturedAt.IsZero() {
		c.capture(ctx, pay, got)
		if held {
			c.holdBack(pay, nil, payer(*pay))
		}
	} else if !pay.Status.Final() && pay.Status != got.Status {
		pay.Status = got.Status
		if got.Status == copay.PaymentProcessing {
			c.note(payer(*pay), "processing", pay.Amount.String()+" is on its way at the bank", "")
		}
	}
	c.refundedOutside(pay, got)
	c.cameBack(pay, got)
}

// capture counts money that arrived.
func (c *coPay) capture(ctx workflow.Context, pay *copay.Payment, got activities.PaymentState) {
	asked := pay.Amount
	pay.Status, pay.CapturedAt = copay.PaymentCaptured, got.CapturedAt
	pay.Decline = "" // of a try before; the timeline tells of it
	if pay.CapturedAt.IsZero() {
		pay.CapturedAt = workflow.Now(ctx)
	}
	if got.Captured.IsPositive() {
		pay.Amount = got.Captured
	}
	c.p.Undo = append(c.p.Undo, copay.Done{Kind: copay.DidCapture, Payment: pay.ID})
	c.p.Amounts.Collected = copay.Cents(c.p.Amounts.Collected.Minor + pay.Amount.Minor)
	c.book(ledger.RuleCapture, "capture-"+string(pay.ID), pay.Amount, pay.Rail)
	summary := pay.Amount.String() + " received by " + string(pay.Rail)
	if !pay.Amount.Equal(asked) {
		summary += ", though " + asked.String() + " was asked for"
	}
	c.note(payer(*pay), "paid", summary, "")
	c.arrived()
}

func payer(p copay.Payment) copay.Actor { return platformOrUs(p.Platform) }

// platformOrUs is the platform that took a step, where a step's result names
// it: of those that were recorded before it did, it is not known.
func platformOrUs(p copay.Platform) copay.Actor {
	if p == "" {
		return copay.System()
	}
	return copay.PlatformActor(p)
}

// arrived decides where money leads that has just come in.
func (c *coPay) arrived() {
	if c.p.After != "" { // it is being given up
		c.giveSurplusBack("money came in that is not owed")
		return
	}
	switch c.p.State {
	case copay.StateReceived, copay.StateVerifying, copay.StateEstimating, copay.StateRequesting:
		return // the story goes on and finds the money when it comes to asking
	case copay.StateWaived, copay.StateCancelled, copay.StateWrittenOff, copay.StateSettled, copay.StateRefunded, copay.StateRefunding:
		c.giveSurplusBack("money came in that is not owed")
		return
	}
	if c.p.Amounts.Outstanding().IsPositive() {
		return // a part: the rest stays open
	}
	if c.amountUnknown() {
		return
	}
	if c.p.State == copay.StateAwaitingPayment || c.p.State == copay.StateNeedsReview {
		c.move(copay.StatePaid, copay.System(), "the amount has been paid")
	}
}

// amountUnknown reports that a person has yet to say what is owed.
func (c *coPay) amountUnknown() bool {
	r := c.p.Review
	if r != nil && r.Kind == copay.ReviewRefundApproval && (r.Held != nil || c.rules < rulesOfPeople) {
		r = r.Held
	}
	if r == nil || (r.Back != copay.StateVerifying && r.Back != copay.StateEstimating) {
		return false
	}
	e := c.p.Estimate
	anew := e != nil && e.Kind == copay.EstimateSelfPay && c.p.Amounts.Requested.Minor < e.Amount.Minor && c.rules >= rulesOfPeople
	return c.p.Amounts.Requested.IsZero() || (anew && (r.Kind == copay.ReviewAmount || r.Kind == copay.ReviewLowConfidence))
}

// giveSurplusBack starts refunds for whatever we hold beyond what is owed: what
// goes back by itself first, then what somebody has to hand out at the desk, of
// each the newest payment first.
func (c *coPay) giveSurplusBack(why string) {
	left := c.surplus()
	for _, p := range c.returnable() {
		part := copay.Cents(min(left.Minor, c.refundable(p).Minor))
		if !part.IsPositive() {
			continue
		}
		c.newRefund(p, part, copay.System(), why)
		left = copay.Cents(left.Minor - part.Minor)
	}
	if c.p.State == copay.StateDisputed { // it follows when the bank has decided
		return
	}
	if c.p.State != copay.StateRefunding && c.hasPendingRefund() {
		if c.p.After == "" && c.p.State.Closed() {
			c.p.After = c.p.State
		}
		c.move(copay.StateRefunding, copay.System(), why)
	}
}

// returnable are the payments in the order in which they are given back.
func (c *coPay) returnable() []*copay.Payment {
	var newest, byItself, byHand []*copay.Payment
	for i := len(c.p.Payments) - 1; i >= 0; i-- {
		p := &c.p.Payments[i]
		switch {
		case !c.refundable(p).IsPositive():
			continue
		case p.Rail.Manual():
			byHand = append(byHand, p)
		default:
			byItself = append(byItself, p)
		}
		newest = append(newest, p)
	}
	if c.rules < rulesOfPeople {
		return newest
	}
	return slices.Concat(byItself, byHand)
}

// refundable is what is left of a captured payment.
func (c *coPay) refundable(p *copay.Payment) copay.Money {
	if p.CapturedAt.IsZero() {
		return copay.Cents(0)
	}
	left := p.Amount.Minor
	for _, r := range c.p.Refunds {
		if r.Payment == p.ID && r.Status != copay.RefundRejected {
			left -= r.Amount.Minor
		}
	}
	return copay.Cents(max(left, 0))
}

// newRefund adds a refund that nobody has asked for by an act of their own.
func (c *coPay) newRefund(p *copay.Payment, amount copay.Money, who copay.Actor, why string) *copay.Refund {
	c.note(who, "refund", amount.String()+" is to go back", why)
	return c.addRefund(p, amount, who, why)
}

func (c *coPay) addRefund(p *copay.Payment, amount copay.Money, who copay.Actor, why string) *copay.Refund {
	c.p.Counters.Refunds++
	n := c.p.Counters.Refunds
	c.p.Refunds = append(c.p.Refunds, copay.Refund{
		ID: copay.RefundID(fmt.Sprintf("ref-%d", n)), Ref: copay.NewRef(c.p.ID, copay.EffectRefund, n), Payment: p.ID,
		Amount: amount, Reason: why, RequestedBy: who.ID, Kind: who.Kind, Status: copay.RefundPending})
	return &c.p.Refunds[len(c.p.Refunds)-1]
}

// refundedOutside finds money that went back without us (at the processor's
// own desk) and takes it over as a refund, so that EHR and books follow.
func (c *coPay) refundedOutside(p *copay.Payment, got activities.PaymentState) {
	if p.CapturedAt.IsZero() || p.Rail.Manual() {
		return
	}
	ours := int64(0)
	for _, r := range c.p.Refunds {
		waits := r.Status == copay.RefundAwaiting && c.rules >= rulesOfQuestions // has not been made by us
		byBank := r.PlatformID == keptByBank && c.rules >= rulesOfOneStep        // is none to the processor
		if r.Payment == p.ID && r.Status != copay.RefundRejected && !waits && !byBank {
			ours += r.Amount.Minor
		}
	}
	extra := got.Refunded.Minor - ours
	if extra <= 0 {
		return
	}
	if c.rules >= rulesOfQuestions {
		extra = c.madeOutside(p, extra)
	}
	if extra > 0 {
		c.newRefund(p, copay.Cents(extra), payer(*p), "refunded at the processor").PlatformID = outside
	}
	c.waitForLess(p)
	if c.p.State != copay.StateRefunding && c.p.State != copay.StateDisputed { // else it follows when the bank has decided
		switch {
		case c.rules >= rulesOfQuestions:
			c.setAside()
			if c.p.State == copay.StateCancelled {
				c.p.After = copay.StateCancelled
			}
		case c.p.State.Closed():
			c.p.After = ""
		}
		c.move(copay.StateRefunding, payer(*p), "money went back at the processor")
	}
}

// madeOutside finds refunds that wait for a second person in what went back at the
// processor, so that nobody makes them again, and returns what is left of that.
func (c *coPay) madeOutside(p *copay.Payment, extra int64) int64 {
	for i := range c.p.Refunds {
		r := &c.p.Refunds[i]
		if r.Payment == p.ID && r.Status == copay.RefundAwaiting && r.Amount.Minor <= extra {
			r.Status, r.PlatformID = copay.RefundPending, outside
			extra -= r.Amount.Minor
			c.note(payer(*p), "refund", "refund "+string(r.ID)+" of "+r.Amount.String()+" was made at the processor and needs no approval any more", "")
		}
	}
	return extra
}

// waitForLess leaves a refund that waits for a second person no more than there is
// of its payment.
func (c *coPay) waitForLess(p *copay.Payment) {
	left := p.Amount.Minor
	for _, r := range c.p.Refunds {
		if r.Payment == p.ID && r.Status != copay.RefundRejected {
			left -= r.Amount.Minor
		}
	}
	for i := range c.p.Refunds {
		r := &c.p.Refunds[i]
		if left >= 0 || r.Payment != p.ID || r.Status != copay.RefundAwaiting {
			continue
		}
		if less := min(r.Amount.Minor, -left); less == r.Amount.Minor {
			c.overtake(func(o *copay.Refund) bool { return o.ID == r.ID })
			left += less
		} else {
			r.Amount = copay.Cents(r.Amount.Minor - less)
			left += less
			c.note(payer(*p), "refund", "of refund "+string(r.ID)+" "+r.Amount.String()+" are left", "")
		}
	}
}

func (c *coPay) hasPendingRefund() bool {
	for _, r := range c.p.Refunds {
		if r.Status == copay.RefundPending {
			return true
		}
	}
	return false
}
