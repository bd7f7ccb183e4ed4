package workflows

import (
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
)

// awaitPerson waits for staff, or for news that make them unnecessary.
func (c *coPay) awaitPerson(ctx workflow.Context) error {
	c.plan(ctx, "", 0)
	if err := c.flush(ctx); err != nil {
		return err
	}
	_, err := c.sleep(ctx, 0, "")
	return err
}

// resolve carries out a person's choice.
func (c *coPay) resolve(in ResolveReview) error {
	if err := c.checkResolve(in); err != nil {
		return err
	}
	r := c.p.Review
	who, why := in.Actor, "review resolved: "+string(in.Choice)
	c.note(who, "review", why, in.Reason)
	c.p.Trued = c.p.Trued || r.Kind == copay.ReviewTrueUp
	switch in.Choice {
	case copay.ChoiceRetry:
		c.retry(*r, who, why)
	case copay.ChoiceProceed:
		c.proceed(*r, who, why)
	case copay.ChoiceSetAmount:
		c.setAmount(*in.Amount, who, why)
	case copay.ChoiceSelfPay:
		c.p.Facts.SelfPay, c.p.SelfPay = true, true
		c.move(copay.StateEstimating, who, why)
	case copay.ChoiceWaive:
		c.giveUp(copay.StateWaived, who, why)
	case copay.ChoiceCancel:
		c.cancel(who, why)
	case copay.ChoiceWriteOff:
		c.giveUp(copay.StateWrittenOff, who, why)
	case copay.ChoiceRefund:
		if r.Kind == copay.ReviewTrueUp {
			c.p.Amounts.Requested = copay.Cents(c.held().Minor + r.Amount.Minor)
			if r.Back != copay.StateSettled {
				c.p.After = r.Back
				c.bookReceivable()
			}
		}
		c.giveSurplusBack(why)
	case copay.ChoiceRequest:
		if r.Amount != nil {
			c.p.Amounts.Requested = copay.Cents(c.p.Amounts.Requested.Minor + r.Amount.Minor)
		}
		c.p.Rail = copay.RailLink
		c.startLadder()
		c.move(copay.StateRequesting, who, why)
	case copay.ChoiceDone:
		c.doneByHand(*r, who, why)
	}
	return nil
}

// retry goes back to where the trouble was. A ladder that was used up starts anew.
func (c *coPay) retry(r copay.Review, who copay.Actor, why string) {
	back := r.Back
	switch r.Kind {
	case copay.ReviewUnpaid, copay.ReviewNoContact:
		c.startLadder()
		c.forced = true
		back = copay.StateRequesting
	case copay.ReviewLowConfidence, copay.ReviewEligibility, copay.ReviewInactive, copay.ReviewNoCoverage, copay.ReviewUnknownCharge, copay.ReviewAmount:
		back, c.p.AskPayer = copay.StateVerifying, true
	case copay.ReviewPostingDeleted:
		back = copay.StatePosting
		c.payment(r.Payment).Removed = false
	}
	c.move(back, who, why)
}

// startLadder starts the messages anew. Those that went out before still count
// for how many a day and a week may bring.
func (c *coPay) startLadder() {
	const week = 12 // more than the caps look back on
	first := 0      // each ladder counts its rounds from nothing
	for _, m := range c.p.Earlier {
		first = max(first, m.Round+1)
	}
	for _, m := range c.p.Reminders {
		m.Round += first
		c.p.Earlier = append(c.p.Earlier, m)
	}
	c.p.Earlier = slices.Clone(c.p.Earlier[max(len(c.p.Earlier)-week, 0):])
	c.p.Reminders, c.p.RequestedAt = nil, zeroTime
}

// proceed accepts what was doubted.
func (c *coPay) proceed(r copay.Review, who copay.Actor, why string) {
	switch r.Kind {
	case copay.ReviewLowConfidence, copay.ReviewAmount:
		c.p.Amounts.Requested, c.p.Confirmed = c.p.Estimate.Amount, c.p.Estimate.Amount
		c.goAsk(why)
		return
	case copay.ReviewTrueUp, copay.ReviewOverpaid:
		if r.Kind == copay.ReviewTrueUp && c.rules >= rulesOfPeople {
			c.letStand(*r.Amount)
		}
		c.p.Amounts.Requested = c.held()
		c.bookReceivable()
	}
	c.move(r.Back, who, why)
}

// letStand accepts a difference to the remittance, besides what was accepted of
// the same kind.
func (c *coPay) letStand(diff copay.Money) {
	before := c.p.Amounts.Accepted.Minor
	if (before > 0) != (diff.Minor > 0) {
		before = 0
	}
	c.p.Amounts.Accepted = copay.Cents(before + diff.Minor)
}

// setAmount asks for what a person says.
func (c *coPay) setAmount(amount copay.Money, who copay.Actor, why string) {
	c.p.Amounts.Requested, c.p.Override = amount, true
	next := copay.StateEstimating
	if c.p.Facts == nil {
		next = copay.StateVerifying
	}
	c.move(next, who, why)
}

// mayAsk reports why an amount cannot be asked for. No act leads past a rule
// that forbids billing.
func (c *coPay) mayAsk(amount copay.Money) error {
	billed := c.p.Amounts.Billed
	held := c.held().Minor
	switch {
	case !amount.Currency.Supported():
		return copay.Errorf(copay.CodeInvalid, "amount.currency", "currency %q is not supported", amount.Currency)
	case !amount.IsPositive():
		return copay.Errorf(copay.CodeInvalid, "amount.minor", "the amount must be more than nothing; to ask for nothing, waive it")
	case amount.Minor < held:
		return copay.Errorf(copay.CodePrecondition, "amount", "%s has already been paid on co-pay %s; refund the difference instead", copay.Cents(held), c.p.ID)
	case c.p.Facts == nil && amount.Minor > c.in.Policy.MaxAmount.Minor:
		return copay.Errorf(copay.CodePrecondition, "amount", "the charge has not been read yet and %s is above the practice's limit", amount)
	case billed.IsPositive() && amount.Minor > billed.Minor:
		return copay.Errorf(copay.CodeInvalid, "amount.minor", "%s is more than the charge of %s", amount, billed)
	case c.forbidden():
		return copay.Errorf(copay.CodePrecondition, "amount", "the patient must not be billed for this visit: %s", c.p.Estimate.Rule)
	}
	return nil
}

// forbidden reports that a rule forbids to bill the patient for this visit.
func (c *coPay) forbidden() bool {
	return c.p.Estimate != nil && c.p.Estimate.Kind == copay.EstimateZeroByRule
}

// byHand stands for the platform's id of what a person did there.
const byHand = "by-hand"

// doneByHand believes a person who mended it at the platform.
func (c *coPay) doneByHand(r copay.Review, who copay.Actor, why string) {
	const hand = byHand
	p, kind := c.payment(r.Payment), r.Kind
	if kind == copay.ReviewConfig { // what our credentials kept from being done
		kind = r.Of
	}
	switch kind {
	case copay.ReviewPosting, copay.ReviewPostingDeleted:
		p.PostedID, p.Removed = hand, false
	case copay.ReviewAccounting:
		p.InvoiceID, p.BookedID = hand, hand
	case copay.ReviewHandBack:
		c.refundByID(r.Refund).PlatformID = hand
	case copay.ReviewCompensation:
		if p.Status == copay.PaymentRequested || p.Status == copay.PaymentProcessing {
			p.Status = copay.PaymentCancelled
		}
		for i := range c.p.Refunds {
			if f := &c.p.Refunds[i]; f.Payment == p.ID && (r.Refund == "" || r.Refund == f.ID) && (f.Status == copay.RefundPending || f.Status == copay.RefundDone) {
				undoneByHand(f, r.Effect, hand)
			}
		}
	}
	c.goBack(r.Back, who, why)
}

// undoneByHand marks what a person turned back. Who gave the money back has
// seen to the rest as well; what was turned back in the EHR or in the books
// leaves the others to us.
func undoneByHand(f *copay.Refund, done copay.EffectKind, hand string) {
	all := done == copay.DidCapture || done == ""
	if all {
		f.PlatformID = or(f.PlatformID, hand)
	}
	if all || done == copay.DidPost {
		f.ReversedID = or(f.ReversedID, hand)
	}
	if all || done == copay.DidBook {
		f.UnbookedID = or(f.UnbookedID, hand)
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// page makes sure that the patient finds a page that can be paid now.
func (c *coPay) page(ctx workflow.Context, in OpenPage) (Page, error) {
	keep := c.keeping(ctx, in.Keep)
	payable := c.p.State == copay.StateAwaitingPayment || (c.p.State == copay.StateNeedsReview && c.p.Review != nil && c.p.Review.Kind == copay.ReviewUnpaid)
	owed := c.p.Amounts.Outstanding()
	if !payable || !owed.IsPositive() {
		return Page{State: c.p.State}, nil
	}
	const later = "the payment page cannot be opened just now; try again in a few minutes"
	open := c.openPayment()
	if open != nil && open.Rail != copay.RailLink { // the stored card is being charged
		return Page{State: c.p.State}, nil
	}
	if open != nil && open.PlatformID != "" {
		id := open.ID
		got, err := c.lookAtPage(ctx, open, (open.Keep != nil) != (keep != nil))
		if err != nil {
			return Page{}, copay.Errorf(copay.CodeUnavailable, "", later)
		}
		c.apply(ctx, c.payment(id), got.State)
		if got.URL != "" || !c.p.Amounts.Outstanding().IsPositive() || c.payment(id).Status == copay.PaymentProcessing {
			return Page{URL: got.URL, State: c.p.State}, nil
		}
		if p := c.payment(id); !p.Status.Final() {
			p.Status = copay.PaymentExpired
		}
	}
	// Paying by link takes the place of a stored card that was announced.
	c.p.Rail, c.p.ChargeAt = copay.RailLink, zeroTime
	url, err := c.tryLink(ctx, owed, keep, c.promptly)
	if err != nil {
		return Page{}, copay.Errorf(copay.CodeUnavailable, "", later)
	}
	return Page{URL: url, State: c.p.State}, nil
}

// lookAtPage reads what has become of an open page, and its address. A page
// that keeps the card cannot be made of one that does not, nor the other way
// round: replace withdraws it.
func (c *coPay) lookAtPage(ctx workflow.Context, open *copay.Payment, replace bool) (got activities.OpenedPage, err error) {
	in := activities.PaymentInput{Key: c.p.Key, Payment: *open}
	if !replace {
		return got, workflow.ExecuteActivity(c.promptly(ctx, PortCollect, "the patient opens the payment page"), steps.OpenPage, in).Get(ctx, &got)
	}
	wish := "a page that keeps the card takes the place of the open one"
	if open.Keep != nil {
		wish = "a page that keeps no card takes the place of the open one"
	}
	c.note(copay.Patient(), "page", wish, "")
	return got, workflow.ExecuteActivity(c.promptly(ctx, PortCollect, "withdraw the page: the patient wants another"), steps.CancelRequest, in).Get(ctx, &got.State)
}
