package workflows

import (
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

// not refuses an act in the present state, naming the co-pay and the way out.
func (c *coPay) not(act, hint string) error {
	return copay.Errorf(copay.CodePrecondition, "state", "co-pay %s is %s and cannot be %s; %s", c.p.ID, c.p.State, act, hint)
}

// orRefund is the way out where nothing is asked for any more.
func (c *coPay) orRefund() string {
	if c.p.Amounts.Collected.Minor > c.p.Amounts.Refunded.Minor {
		return "to give money back, refund it"
	}
	return "nothing is asked of the patient any more"
}

// asking reports whether the amount can still be changed.
func (c *coPay) asking() bool {
	if r := c.p.Review; r != nil && r.Kind == copay.ReviewPostingDeleted && c.rules >= rulesOfQuestions {
		return false // also when the bank is at the payment
	}
	return c.p.State.BeforePayment() || (c.p.State == copay.StateNeedsReview && c.p.After == "" && c.p.Amounts.Outstanding().Minor >= 0 && !c.unposted())
}

func (c *coPay) checkOverride(in OverrideAmount) error {
	if !c.asking() {
		return c.not("given another amount", "refund what is too much, or start from the charge in the EHR")
	}
	if c.rules >= rulesOfQuestions {
		if err := c.noneUndecided("given another amount"); err != nil && (c.p.Leaving != "" || in.Amount.Minor > c.held().Minor) {
			return err // nobody is asked for more over it
		}
		if c.hasPendingRefund() {
			return c.not("given another amount", "money is on its way back; see to that first")
		}
	}
	return c.mayAsk(in.Amount)
}

func (c *coPay) override(in OverrideAmount) {
	c.note(in.Actor, UpdateOverrideAmount, "the amount is set to "+in.Amount.String(), in.Reason)
	c.p.Amounts.Requested, c.p.Override = in.Amount, true
	const why = "another amount was set"
	switch c.p.State {
	case copay.StateRequesting, copay.StateAwaitingPayment:
		c.move(copay.StateEstimating, in.Actor, why)
	case copay.StateNeedsReview:
		next := copay.StateEstimating
		if c.p.Facts == nil {
			next = copay.StateVerifying
		}
		c.move(next, in.Actor, why)
	}
}

func (c *coPay) checkWaive(Waive) error {
	if !c.asking() {
		return c.not("waived", c.orRefund())
	}
	return c.noneUndecided("waived")
}

func (c *coPay) checkRecord(in RecordPayment) error {
	switch {
	case !in.Rail.Manual():
		return copay.Errorf(copay.CodeInvalid, "rail", "a payment recorded by hand is cash, check or terminal")
	case !in.Amount.Currency.Supported():
		return copay.Errorf(copay.CodeInvalid, "amount.currency", "currency %q is not supported", in.Amount.Currency)
	case !in.Amount.IsPositive():
		return copay.Errorf(copay.CodeInvalid, "amount.minor", "the amount must be more than nothing")
	case in.Received != "" && in.Received.In(zeroTime.Location()).IsZero():
		return copay.Errorf(copay.CodeInvalid, "received", "a date looks like 2026-11-24")
	case len(in.Number) > 40 || holdsCardNumber(in.Number):
		return copay.Errorf(copay.CodeInvalid, "number", "a check or receipt number has at most 40 characters and is never a card number")
	case (!c.p.State.BeforePayment() && c.p.State != copay.StateNeedsReview) || c.p.After != "":
		return c.not("paid at the desk", "do not take the money; if it was taken, give it back")
	case c.p.Leaving != "":
		return c.not("paid at the desk", "the charge was deleted; decide on the refund first")
	case c.forbidden():
		return copay.Errorf(copay.CodePrecondition, "state", "the patient must not be billed for this visit: %s", c.p.Estimate.Rule)
	case c.p.Review != nil && c.p.Review.Back == copay.StateRefunding && c.rules >= rulesOfPeople:
		return c.not("paid at the desk", "money is on its way back; resolve the review first")
	case c.p.Amounts.Requested.IsPositive() && in.Amount.Minor > c.p.Amounts.Outstanding().Minor:
		return copay.Errorf(copay.CodePrecondition, "amount", "only %s is open on co-pay %s; take no more, or raise the amount first", c.p.Amounts.Outstanding(), c.p.ID)
	case c.p.Amounts.Requested.IsZero() && in.Amount.Minor > c.in.Policy.MaxAmount.Minor:
		return copay.Errorf(copay.CodePrecondition, "amount", "the amount is not known yet and %s is above the practice's limit", in.Amount)
	}
	return nil
}

func (c *coPay) waive(in Waive) {
	c.note(in.Actor, UpdateWaive, c.p.Amounts.Outstanding().String()+" is waived", in.Reason)
	c.giveUp(copay.StateWaived, in.Actor, "waived by staff")
}

// recordPayment counts money taken at the desk. It may come before anything
// else is known; an open link is withdrawn when the story comes to it.
func (c *coPay) recordPayment(ctx workflow.Context, in RecordPayment) {
	p := c.deskPayment(ctx, in.Rail, in.Amount)
	p.Status, p.CapturedAt, p.Received, p.Number = copay.PaymentCaptured, workflow.Now(ctx), in.Received, in.Number
	c.did(copay.DidCapture, p.ID)
	c.p.Amounts.Collected = copay.Cents(c.p.Amounts.Collected.Minor + p.Amount.Minor)
	c.book(ledger.RuleCapture, "capture-"+string(p.ID), p.Amount, p.Rail)
	c.note(in.Actor, UpdateRecordPayment, in.Amount.String()+" taken by "+string(in.Rail), in.Reason)
	if c.p.State == copay.StateAwaitingPayment && c.p.Amounts.Outstanding().IsPositive() {
		c.move(copay.StateRequesting, in.Actor, "a part was paid at the desk")
		return
	}
	c.arrived()
}

func (c *coPay) checkResend(Resend) error {
	if c.p.State != copay.StateAwaitingPayment {
		return c.not("reminded", "only a co-pay that awaits payment has a request to send again")
	}
	if c.p.Paused {
		return c.not("reminded", "its reminders are paused; resume them first")
	}
	if c.p.Rail.Manual() {
		return c.not("reminded", "it is to be paid at the desk; change the way to pay first")
	}
	if open := c.openPayment(); open != nil && open.Status == copay.PaymentProcessing {
		return c.not("reminded", "the payment is on its way at the bank")
	}
	return nil
}

// resend asks for a message before the ladder does.
func (c *coPay) resend(in Resend) {
	wish := "the request is to be sent again"
	if in.NewLink {
		wish += ", with a new link"
	}
	c.note(in.Actor, UpdateResend, wish, in.Reason)
	c.forced, c.wished, c.said = true, c.rules >= rulesOfPeople, false
}

func (c *coPay) checkPause(PauseReminders) error {
	if c.p.State.Closed() {
		return c.not("paused", "it sends nothing any more")
	}
	if c.p.Paused {
		return c.not("paused", "its reminders are paused already")
	}
	return nil
}

func (c *coPay) checkResume(ResumeReminders) error {
	if !c.p.Paused {
		return c.not("resumed", "its reminders are not paused")
	}
	return nil
}

func (c *coPay) checkRail(in ChangeRail) error {
	switch in.Rail {
	case copay.RailLink, copay.RailCard, copay.RailCash, copay.RailCheck, copay.RailTerminal:
	default:
		return copay.Errorf(copay.CodeInvalid, "rail", "a rail is link, card_on_file, cash, check or terminal")
	}
	if !c.p.State.BeforePayment() {
		return c.not("collected in another way", "it no longer awaits payment")
	}
	return nil
}

// changeRail asks in another way. A stored card needs the patient's consent
// as it is at this moment.
func (c *coPay) changeRail(ctx workflow.Context, in ChangeRail) error {
	if in.Rail == copay.RailCard {
		if c.p.Facts == nil {
			return copay.Errorf(copay.CodePrecondition, "rail", "the charge of co-pay %s has not been read yet; try again in a moment", c.p.ID)
		}
		got, err := c.callEstimate(ctx, c.p.Amounts.Outstanding())
		if err != nil {
			return err
		}
		if !got.Card {
			return copay.Errorf(copay.CodePrecondition, "rail", "the stored card cannot be charged: %s", or(got.WhyNot, "the practice does not use cards on file"))
		}
		c.p.CardAt = got.CardAt
		c.forced = c.forced || c.rules >= rulesOfOneStep // the patient is told when hours and caps allow, not when a reminder was due
	}
	if in.Rail != copay.RailCard && c.p.Rail == copay.RailCard && c.rules >= rulesOfOneStep {
		c.forced = c.forced && c.wished
	}
	c.p.Rail, c.p.ChargeAt = in.Rail, zeroTime
	c.note(in.Actor, UpdateChangeRail, "to be paid by "+string(in.Rail), in.Reason)
	if c.p.State == copay.StateAwaitingPayment { // a page that is open is withdrawn there
		c.move(copay.StateRequesting, in.Actor, "the way to pay was changed")
	}
	return nil
}

func (c *coPay) checkCancel(Cancel) error {
	if c.p.State.Closed() || c.p.State == copay.StateRefunding {
		return c.not("cancelled", c.orRefund())
	}
	if c.atTheBank() {
		return c.not("cancelled", "the bank decides just now where the money belongs; wait for that")
	}
	if err := c.noneUndecided("cancelled"); err != nil {
		return err
	}
	held := c.held().Minor
	if held > 0 && held+c.givenByOne() > c.in.Policy.RefundApprovalAbove.Minor {
		return copay.Errorf(copay.CodeNeedsSecond, "state", "%s has been paid on co-pay %s, more than one person may give back; refund it first, with a second person's approval", copay.Cents(held), c.p.ID)
	}
	return nil
}

func (c *coPay) withdrawByStaff(in Cancel) {
	c.note(in.Actor, UpdateCancel, "the co-pay is cancelled", in.Reason)
	c.cancel(in.Actor, "cancelled by staff")
}

func (c *coPay) checkRefund(in Refund) error {
	p, err := c.refundOf(in)
	if err != nil {
		return err
	}
	if c.p.State == copay.StateRefunding || c.atTheBank() {
		return c.not("refunded", "wait until what is under way has ended")
	}
	if left := c.refundable(p); in.Amount.Minor > left.Minor {
		return copay.Errorf(copay.CodePrecondition, "amount", "%s is left to refund of payment %s", left, p.ID)
	}
	return nil
}

// refundOf finds the payment a refund is about.
func (c *coPay) refundOf(in Refund) (*copay.Payment, error) {
	if !in.Amount.IsPositive() || !in.Amount.Currency.Supported() {
		return nil, copay.Errorf(copay.CodeInvalid, "amount", "a refund is a positive amount in USD")
	}
	var found *copay.Payment
	for i := range c.p.Payments {
		p := &c.p.Payments[i]
		if in.Payment != "" && p.ID == in.Payment {
			found = p
		}
		if in.Payment == "" && c.refundable(p).IsPositive() {
			if found != nil {
				return nil, copay.Errorf(copay.CodeInvalid, "payment_id", "co-pay %s has several payments; name the one to refund", c.p.ID)
			}
			found = p
		}
	}
	if r := c.undecided(); r != nil && found == nil {
		return nil, copay.Errorf(copay.CodePrecondition, "payment_id", "nothing else is left to refund on co-pay %s: refund %s of %s waits for a second person", c.p.ID, r.ID, r.Amount)
	}
	if found == nil || !c.refundable(found).IsPositive() {
		return nil, copay.Errorf(copay.CodePrecondition, "payment_id", "co-pay %s has no such payment with money left to refund", c.p.ID)
	}
	return found, nil
}

func (c *coPay) refund(in Refund) {
	p, _ := c.refundOf(in)
	r := c.addRefund(p, in.Amount, in.Actor, in.Reason)
	c.note(in.Actor, UpdateRefund, "refund "+string(r.ID)+": "+in.Amount.String()+" of payment "+string(p.ID)+" is to go back", in.Reason)
	if c.givenByOne() > c.in.Policy.RefundApprovalAbove.Minor {
		r.Status = copay.RefundAwaiting
		c.askApproval(r, in.Actor)
		return
	}
	c.startRefund(in.Actor)
}

// askApproval lets a second person decide on a refund.
func (c *coPay) askApproval(r *copay.Refund, who copay.Actor) {
	back, held := c.cameFrom(), c.p.Review
	if back == copay.StateRefunding { // the next one of several
		held = nil
	}
	if held != nil && held.Kind == copay.ReviewRefundApproval { // another refund waits already
		back, held = held.Back, held.Held
	}
	c.move(copay.StateNeedsReview, who, "a second person must approve the refund of "+r.Amount.String())
	c.p.Review = &copay.Review{Kind: copay.ReviewRefundApproval, Back: back, Payment: r.Payment, Held: held,
		Message: "A second person must approve or reject refund " + string(r.ID) + " of " + r.Amount.String() + "."}
}

// cameFrom is where a question leads back to that comes up now.
func (c *coPay) cameFrom() copay.State {
	if c.p.State == copay.StateReceived { // the first step goes there at once
		return copay.StateVerifying
	}
	return c.p.State
}

// undecided is a refund that waits for a second person.
func (c *coPay) undecided() *copay.Refund {
	for i := range c.p.Refunds {
		if c.p.Refunds[i].Status == copay.RefundAwaiting {
			return &c.p.Refunds[i]
		}
	}
	return nil
}

// givenByOne is what staff give back of this co-pay without a second person,
// all refunds together: a large one does not pass in slices.
func (c *coPay) givenByOne() (minor int64) {
	for _, r := range c.p.Refunds {
		if byStaff(&r) && r.Status != copay.RefundRejected && r.ApprovedBy == "" {
			minor += r.Amount.Minor
		}
	}
	return minor
}

func (c *coPay) startRefund(who copay.Actor) {
	if c.rules >= rulesOfPeople {
		c.setAside()
	} else if c.p.After == "" && (c.p.State == copay.StateWaived || c.p.State == copay.StateWrittenOff) {
		c.p.After = c.p.State
	}
	c.move(copay.StateRefunding, who, "money is to go back")
}

// setAside remembers, before the co-pay turns to something that has to be seen to
// first, what a person was asked, what was being found out, or that the rest was
// given up: it goes on from there.
func (c *coPay) setAside() {
	at, q := c.p.State, c.p.Review
	if q != nil && q.Kind == copay.ReviewRefundApproval { // where the question of a second person came up
		if q.Held == nil {
			at = q.Back
		}
		q = q.Held
	}
	if q != nil && q.Kind == copay.ReviewTrueUp {
		at = q.Back
	}
	c.p.Reopen = c.p.Reopen || at == copay.StateReceived || at == copay.StateVerifying || at == copay.StateEstimating
	c.keepAsking(q)
	if c.p.After == "" && (at == copay.StateWaived || at == copay.StateWrittenOff) {
		c.p.After = at
	}
}

// interruptedNow is setAside where runs of older rules forgot what was open.
func (c *coPay) interruptedNow() {
	if c.rules >= rulesOfQuestions {
		c.setAside()
	}
}

// keepAsking remembers a question that was open before money was asked for, or
// because a page could not be withdrawn: it is open again later.
func (c *coPay) keepAsking(q *copay.Review) {
	if q == nil {
		return
	}
	switch q.Back {
	case copay.StateReceived, copay.StateVerifying, copay.StateEstimating, copay.StateRequesting:
		c.p.Asked = q
	}
}

// returnWhatCameSince adds refunds of payments that nobody was asked about,
// because they came later.
func (c *coPay) returnWhatCameSince(why string) {
	for _, p := range c.returnable() {
		if !slices.ContainsFunc(c.p.Refunds, func(r copay.Refund) bool { return r.Payment == p.ID && r.Status == copay.RefundRejected }) {
			c.newRefund(p, c.refundable(p), copay.System(), why)
		}
	}
}

// onlyWhatStays asks for no more than what is kept.
func (c *coPay) onlyWhatStays() {
	stays := c.held().Minor
	for _, r := range c.p.Refunds {
		if r.Status == copay.RefundPending || r.Status == copay.RefundAwaiting {
			stays -= r.Amount.Minor
		}
	}
	c.p.Amounts.Requested = copay.Cents(max(stays, 0))
	c.bookReceivable()
}

func (c *coPay) checkApproval(in ApproveRefund) error {
	r := c.refundByID(in.Refund)
	switch {
	case r == nil || r.Status != copay.RefundAwaiting:
		return copay.Errorf(copay.CodePrecondition, "refund_id", "co-pay %s has no refund %s that awaits approval", c.p.ID, in.Refund)
	case in.Approve && c.atTheBank():
		return c.not("refunded", "the bank decides just now where the money belongs; wait for that")
	case r.RequestedBy == in.Actor.ID:
		return copay.Errorf(copay.CodePermission, "actor", "a second person must approve the refund; you asked for it yourself")
	}
	return nil
}

func (c *coPay) refundByID(id copay.RefundID) *copay.Refund {
	for i := range c.p.Refunds {
		if c.p.Refunds[i].ID == id {
			return &c.p.Refunds[i]
		}
	}
	return nil
}

func (c *coPay) approve(in ApproveRefund) {
	r := c.refundByID(in.Refund)
	r.ApprovedBy = in.Actor.ID
	c.note(in.Actor, UpdateApproveRefund, "refund "+string(r.ID)+" of "+r.Amount.String()+" is "+map[bool]string{true: "approved", false: "rejected"}[in.Approve], in.Reason)
	if in.Approve {
		r.Status = copay.RefundPending
		if c.p.Leaving != "" { // nothing is asked for any more
			c.leave(r.Reason)
		}
		c.startRefund(in.Actor)
		return
	}
	r.Status = copay.RefundRejected
	c.suspect(r.Payment) // it may have gone back at the processor meanwhile
	if c.p.After == copay.StateCancelled && c.rules >= rulesOfPeople {
		c.onlyWhatStays()
	}
	if c.undecided() == nil {
		c.p.Leaving = ""
	}
	c.approvalOver(in.Actor, "the refund was rejected")
}

// approvalOver goes back to where the question of a second person came up,
// once no refund waits for one any more.
func (c *coPay) approvalOver(who copay.Actor, why string) {
	r := c.p.Review
	if c.p.State != copay.StateNeedsReview || r == nil || r.Kind != copay.ReviewRefundApproval || c.undecided() != nil {
		return
	}
	if r.Held != nil && r.Held.Kind == copay.ReviewTrueUp && c.rules >= rulesOfPeople { // another remittance may have come
		c.compareAgain(r.Held, who, why)
		return
	}
	if r.Held != nil {
		c.note(who, "review", why+"; what was open before is open again", "")
		c.p.Review = r.Held
		return
	}
	c.goBack(r.Back, who, why)
}

// goBack goes on where a question came up. A remittance may have come since.
func (c *coPay) goBack(to copay.State, who copay.Actor, why string) {
	if to == copay.StateSettled && c.rules >= rulesOfQuestions && c.trueUp(who) {
		return
	}
	c.move(to, who, why)
}

func (c *coPay) checkResolve(in ResolveReview) error {
	if c.p.State != copay.StateNeedsReview || c.p.Review == nil {
		return c.not("reviewed", "it has no open review")
	}
	if !c.p.Review.Allows(in.Choice) {
		return copay.Errorf(copay.CodePrecondition, "choice", "%q is not a choice of this review (%s); choose one of %s", in.Choice, c.p.Review.Kind, listed(c.p.Review.Choices))
	}
	switch in.Choice {
	case copay.ChoiceCancel: // a review is no way around the second person
		return c.checkCancel(Cancel{})
	case copay.ChoiceRequest:
		if c.forbidden() && c.rules >= rulesOfQuestions {
			return copay.Errorf(copay.CodePrecondition, "choice", "the patient must not be billed for this visit: %s", c.p.Estimate.Rule)
		}
	case copay.ChoiceWaive, copay.ChoiceWriteOff:
		return c.noneUndecided("given up")
	case copay.ChoiceSetAmount:
		if in.Amount == nil {
			return copay.Errorf(copay.CodeInvalid, "amount", "give the amount to ask for")
		}
		return c.mayAsk(*in.Amount)
	}
	return nil
}

// noneUndecided refuses to end a co-pay over a refund that nobody would see any more.
func (c *coPay) noneUndecided(act string) error {
	if r := c.undecided(); r != nil {
		return c.not(act, "decide first on refund "+string(r.ID)+", which waits for a second person")
	}
	return nil
}

func checkNote(in AddNote) error {
	text := strings.TrimSpace(in.Text)
	switch {
	case text == "" || len(text) > 2000:
		return copay.Errorf(copay.CodeInvalid, "text", "a note has 1 to 2000 characters")
	case holdsCardNumber(text):
		return copay.Errorf(copay.CodeInvalid, "text", "the note holds what looks like a card number; card data must not be kept here")
	}
	return nil
}

// perform carries out the acts that need the workflow's context or may still
// be refused.
func (c *coPay) perform(ctx workflow.Context, in any) error {
	switch in := in.(type) {
	case RecordPayment:
		c.recordPayment(ctx, in)
	case ChangeRail:
		return c.changeRail(ctx, in)
	case ResolveReview:
		return c.resolve(in)
	case AddNote:
		c.noteSensitive(in.Actor, in.Text, in.Reason)
	}
	return nil
}

// listed are a review's choices as one says them.
func listed(choices []copay.Choice) string {
	words := make([]string, len(choices))
	for i, c := range choices {
		words[i] = string(c)
	}
	return strings.Join(words, ", ")
}
