package workflows

import (
	"fmt"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

// refundFailed is the status of a refund that gave nothing back.
const refundFailed = "failed"

// heardOfRefund has the payment read that a refund is of. A refund that is said
// to have failed, as days later when the patient's bank sends it back, is in
// doubt until then.
func (c *coPay) heardOfRefund(e Event) {
	failed := e.Status == refundFailed
	for i := range c.p.Refunds {
		if r := &c.p.Refunds[i]; (e.Ref != "" && r.Ref == e.Ref) || (e.Object != "" && r.PlatformID == e.Object) {
			r.Doubted = r.Doubted || (failed && atProcessor(r))
			c.suspect(r.Payment)
			return
		}
	}
	p := c.paymentOf(e)
	if p == nil {
		return
	}
	for i := range c.p.Refunds { // of one made at the processor's own desk we know no name
		r := &c.p.Refunds[i]
		r.Doubted = r.Doubted || (failed && r.Payment == p.ID && r.PlatformID == outside)
	}
	c.suspect(p.ID)
}

// outside stands for the processor's id of a refund that was made there.
const outside = "at-processor"

// keptByBank stands for it where the patient's bank took the money.
const keptByBank = "kept-by-bank"

// atProcessor reports whether a refund went back through the processor, as far
// as we know: neither by hand nor by the bank's decision.
func atProcessor(r *copay.Refund) bool {
	under := r.Status == copay.RefundDone || r.Status == copay.RefundPending
	return under && !r.Taken && r.PlatformID != "" && r.PlatformID != byHand && r.PlatformID != keptByBank
}

// cameBack finds refunds in doubt that the processor does not count any more:
// the money is ours again, and still has to reach the patient.
func (c *coPay) cameBack(p *copay.Payment, got activities.PaymentState) {
	missing := -got.Refunded.Minor
	for i := range c.p.Refunds {
		if r := &c.p.Refunds[i]; r.Payment == p.ID && atProcessor(r) {
			missing += r.Amount.Minor
		}
	}
	for i := len(c.p.Refunds) - 1; i >= 0; i-- {
		r := &c.p.Refunds[i]
		if r.Payment != p.ID || !r.Doubted {
			continue
		}
		r.Doubted = false
		if missing >= r.Amount.Minor {
			missing -= r.Amount.Minor
			c.undoRefund(p, r)
		}
	}
}

// undoRefund counts money of a refund as ours again, and gives it back once
// more. The processor finds the refund that failed, so a person decides how.
func (c *coPay) undoRefund(p *copay.Payment, r *copay.Refund) {
	r.PlatformID = ""
	if r.Status == copay.RefundDone {
		r.Status = copay.RefundPending
		r.Bounced++
		c.p.Amounts.Refunded = copay.Cents(c.p.Amounts.Refunded.Minor - r.Amount.Minor)
		p.Refunded = copay.Cents(p.Refunded.Minor - r.Amount.Minor)
		c.book(ledger.RuleCapture, fmt.Sprintf("refund-%s-back-%d", r.ID, r.Bounced), r.Amount, p.Rail)
	}
	why := r.Amount.String() + " that went back did not reach the patient"
	if _, err := copay.Transition(c.p.State, copay.StateRefunding); err != nil {
		c.note(payer(*p), "refund", why, "") // it follows when the bank has decided
		return
	}
	if c.p.After == "" && c.p.State.Closed() && c.p.State != copay.StateSettled {
		c.p.After = c.p.State
	}
	c.interruptedNow()
	c.move(copay.StateRefunding, payer(*p), why)
}
