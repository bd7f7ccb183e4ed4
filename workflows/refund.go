package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

// giveBack turns captured money back: for a refund the money first, then EHR
// and books; for a cancellation the list of what was done, run backwards. It
// is a compensation: it goes on although the workflow was cancelled.
func (c *coPay) giveBack(ctx workflow.Context) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if open := c.openPayment(); open != nil && c.p.After != "" {
		return c.closeRequest(ctx, open)
	}
	contested := c.p.After != "" && c.unpostedAtBank()
	for _, byHand := range []bool{false, true} { // nobody waits for what somebody has to hand out
		for i := range c.p.Refunds {
			r := &c.p.Refunds[i]
			if r.Status != copay.RefundPending || c.needsHand(r) != byHand {
				continue
			}
			if c.contested(r) {
				contested = true
				continue
			}
			if ok, err := c.giveOneBack(ctx, r); !ok || err != nil {
				return err
			}
		}
	}
	if contested {
		return c.awaitDecision(ctx)
	}
	// A part that was paid before the rest was given up stays paid; what still
	// has to be undone behind it is undone.
	if ok, err := c.postCaptured(ctx); !ok || err != nil {
		return err
	}
	c.parked = 0
	c.given()
	return nil
}

// contested reports that the bank decides just now where the money of a refund
// belongs: given back as well, it could be lost twice.
func (c *coPay) contested(r *copay.Refund) bool {
	return r.PlatformID == "" && c.payment(r.Payment).Status == copay.PaymentDisputed && c.rules >= rulesOfPeople
}

// unpostedAtBank reports that the bank decides just now about money that EHR or
// books do not show yet: it is posted when it is ours.
func (c *coPay) unpostedAtBank() bool {
	at := func(p copay.Payment) bool {
		return p.Status == copay.PaymentDisputed && (p.PostedID == "" || (c.in.Books && p.BookedID == ""))
	}
	return slices.ContainsFunc(c.p.Payments, at) && c.rules >= rulesOfQuestions
}

// awaitDecision waits for news of a dispute.
func (c *coPay) awaitDecision(ctx workflow.Context) error {
	c.plan(ctx, "wait for the bank's decision", 0)
	if err := c.flush(ctx); err != nil {
		return err
	}
	_, err := c.sleep(ctx, 0, "")
	return err
}

// giveOneBack runs the undo list of one refund's payment. Each step is noted
// as it is done, so nothing is undone twice.
func (c *coPay) giveOneBack(ctx workflow.Context, r *copay.Refund) (bool, error) {
	for _, kind := range c.undoing(r) {
		if kind == copay.DidCapture && c.needsHand(r) {
			return false, c.askToHandBack(ctx, r)
		}
		var err error
		switch kind {
		case copay.DidCapture:
			err = c.returnMoney(ctx, r)
		case copay.DidPost:
			err = c.reversePosting(ctx, r)
		case copay.DidBook:
			err = c.unbook(ctx, r)
		}
		if err != nil {
			return false, c.troubled(ctx, err, "give "+r.Amount.String()+" back", copay.Review{Kind: copay.ReviewCompensation, Effect: kind, Back: copay.StateRefunding,
				Payment: r.Payment, Refund: c.oneByHand(r),
				Message: "Refund " + string(r.ID) + " of " + r.Amount.String() + " could not be turned back completely: " + inWords(kind) + " failed; do it by hand at the platform or try again. ",
				Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceDone}})
		}
	}
	c.accept(r)
	c.returned(r)
	c.bookReceivable()
	c.note(returner(r, c.payment(r.Payment)), "refunded", r.Amount.String()+" went back", r.Reason)
	return true, c.flush(ctx)
}

// inWords says how an effect is undone.
func inWords(k copay.EffectKind) string {
	switch k {
	case copay.DidCapture:
		return "returning the money"
	case copay.DidPost:
		return "reversing the posting in the EHR"
	case copay.DidBook:
		return "taking it out of the accounting"
	}
	return "withdrawing the request"
}

// oneByHand names the refund that a person may turn back by hand.
func (c *coPay) oneByHand(r *copay.Refund) copay.RefundID {
	if c.rules < rulesOfPeople {
		return ""
	}
	return r.ID
}

// needsHand reports whether somebody has yet to hand money of the desk back: it
// goes back by itself, or on the word of somebody who is elsewhere.
func (c *coPay) needsHand(r *copay.Refund) bool {
	return r.PlatformID == "" && c.payment(r.Payment).Rail.Manual() && !(askedByStaff(r) && r.ApprovedBy == "") && c.rules >= rulesOfPeople
}

func (c *coPay) askToHandBack(ctx workflow.Context, r *copay.Refund) error {
	return c.ask(ctx, copay.Review{Kind: copay.ReviewHandBack, Back: copay.StateRefunding, Payment: r.Payment, Refund: r.ID,
		Message: "Hand " + r.Amount.String() + " (" + string(c.payment(r.Payment).Rail) + ") back to the patient, and confirm it when they have it: " + r.Reason + ".",
		Choices: []copay.Choice{copay.ChoiceDone}})
}

// byStaff reports whether a person of the practice has asked for a refund, or
// approved it.
func byStaff(r *copay.Refund) bool { return r.ApprovedBy != "" || askedByStaff(r) }

func askedByStaff(r *copay.Refund) bool {
	switch r.Kind {
	case "": // recorded before the kind was kept
		return r.RequestedBy != copay.System().ID && r.RequestedBy != operator.ID && !strings.HasPrefix(r.RequestedBy, copay.PlatformActor("").ID)
	case copay.System().Kind, copay.PlatformActor("").Kind, copay.Patient().Kind:
		return false
	}
	return true
}

// byPeople reports whether somebody gave it back on purpose: staff here, or the
// practice at the processor's own desk.
func byPeople(r *copay.Refund) bool { return byStaff(r) || r.PlatformID == outside }

// returner is who gave the money back: the processor, unless a person did.
func returner(r *copay.Refund, pay *copay.Payment) copay.Actor {
	if r.PlatformID == byHand {
		return copay.System()
	}
	return payer(*pay)
}

// returned counts money that is back. What the patient owed is owed no more,
// unless the bank took it; what was too much was never asked for.
func (c *coPay) returned(r *copay.Refund) {
	a := &c.p.Amounts
	surplus := max(a.Collected.Minor-a.Refunded.Minor-a.Requested.Minor, 0)
	if r.Bounced == 0 && (!r.Taken || c.p.After != "") { // given up before: nobody owes it again
		a.Requested = copay.Cents(max(a.Requested.Minor-max(r.Amount.Minor-surplus, 0), 0))
	}
	r.Status, c.p.Bank = copay.RefundDone, c.p.Bank || r.Taken
	a.Refunded = copay.Cents(a.Refunded.Minor + r.Amount.Minor)
	pay := c.payment(r.Payment)
	pay.Refunded = copay.Cents(pay.Refunded.Minor + r.Amount.Minor)
	step := "refund-" + string(r.ID)
	if r.Bounced > 0 {
		step = fmt.Sprintf("%s-again-%d", step, r.Bounced)
	}
	c.book(ledger.RuleRefund, step, r.Amount, pay.Rail)
}

// undoing is what has to be undone for a refund, in order.
func (c *coPay) undoing(r *copay.Refund) []copay.EffectKind {
	var kinds []copay.EffectKind
	for i := len(c.p.Undo) - 1; i >= 0; i-- {
		if d := c.p.Undo[i]; d.Payment == r.Payment && d.Kind != copay.DidRequest {
			kinds = append(kinds, d.Kind)
		}
	}
	if c.p.After == copay.StateCancelled {
		return kinds
	}
	// A refund that the processor refuses must leave EHR and books alone.
	first := []copay.EffectKind{copay.DidCapture}
	for _, k := range kinds {
		if k != copay.DidCapture {
			first = append(first, k)
		}
	}
	return first
}

func (c *coPay) returnMoney(ctx workflow.Context, r *copay.Refund) error {
	pay := c.payment(r.Payment)
	if r.PlatformID != "" {
		return nil
	}
	if pay.Rail.Manual() {
		r.PlatformID = byHand
		c.note(copay.System(), "by_hand", "give "+r.Amount.String()+" ("+string(pay.Rail)+") back to the patient at the desk", r.Reason)
		return nil
	}
	// It is always looked for first: a run that was reset or started again does
	// not know what an earlier one has tried, and keys are forgotten after a day.
	var got activities.Refunded
	err := workflow.ExecuteActivity(c.platform(ctx, PortCollect, "refund "+r.Amount.String()), steps.RefundPayment,
		activities.RefundInput{Key: c.p.Key, Payment: *pay, Refund: *r, Look: true}).Get(ctx, &got)
	if err == nil {
		r.PlatformID = got.PlatformID
	}
	return err
}

func (c *coPay) reversePosting(ctx workflow.Context, r *copay.Refund) error {
	if r.ReversedID != "" {
		return nil
	}
	pay := c.payment(r.Payment)
	in := c.postInput(pay, copay.EffectReverse, r.Amount)
	in.Of, in.Ref, in.Refund = c.ref(copay.EffectPost, pay), undoRef(c.p.ID, copay.EffectReverse, r), c.p.After != copay.StateCancelled
	var got activities.Posted
	err := workflow.ExecuteActivity(c.platform(ctx, PortPost, "reverse "+r.Amount.String()+" in the EHR"), steps.ReversePosting, in).Get(ctx, &got)
	if err == nil {
		r.ReversedID = orNone(got.ID)
	}
	if got.ID != "" {
		c.note(copay.PlatformActor(c.p.Key.EHR), "reversed", r.Amount.String()+" taken back in the EHR", "")
	}
	return err
}

func (c *coPay) unbook(ctx workflow.Context, r *copay.Refund) error {
	if r.UnbookedID != "" || !c.in.Books {
		return nil
	}
	pay := c.payment(r.Payment)
	in := c.postInput(pay, copay.EffectUnbook, r.Amount)
	in.Of, in.Ref = c.ref(copay.EffectBook, pay), undoRef(c.p.ID, copay.EffectUnbook, r)
	in.InvoiceRef, in.Rest = c.ref(copay.EffectInvoice, pay), c.lastOf(pay, r)
	var got activities.Posted
	err := workflow.ExecuteActivity(c.platform(ctx, PortAccounting, "reverse "+r.Amount.String()+" in the books"), steps.BookRefund, in).Get(ctx, &got)
	if err == nil {
		r.UnbookedID = orNone(got.ID)
	}
	if got.ID != "" {
		c.note(copay.System(), "unbooked", r.Amount.String()+" taken out of the accounting", "")
	}
	return err
}

// lastOf reports whether nothing is left of a payment once a refund is out of
// EHR and books: all others of it went back before.
func (c *coPay) lastOf(pay *copay.Payment, r *copay.Refund) bool {
	left := pay.Amount.Minor - r.Amount.Minor
	for i := range c.p.Refunds {
		if o := &c.p.Refunds[i]; o.ID != r.ID && o.Payment == pay.ID && o.Status == copay.RefundDone {
			left -= o.Amount.Minor
		}
	}
	return left <= 0
}

// undoRef is the reference of an undo step: the number is the refund's.
func undoRef(id copay.ID, e copay.Effect, r *copay.Refund) copay.Ref {
	return copay.Ref(string(id) + "-" + string(e) + "-" + strings.TrimPrefix(string(r.ID), "ref-"))
}

// nothingThere marks an undo that found nothing to undo.
const nothingThere = "nothing-there"

func orNone(id string) string {
	if id == "" {
		return nothingThere
	}
	return id
}

// catchUp undoes behind a payment that was posted or booked only now what was
// refunded of it before: then there was nothing there to undo.
func (c *coPay) catchUp(ctx workflow.Context) (ok bool, err error) {
	for i := range c.p.Refunds {
		r := &c.p.Refunds[i]
		if r.Status != copay.RefundDone {
			continue
		}
		effect := copay.DidPost
		if err = c.reversePosting(ctx, r); err == nil {
			effect = copay.DidBook
			err = c.unbook(ctx, r)
		}
		if err != nil {
			return false, c.troubled(ctx, err, "take a refund out of EHR and books", copay.Review{Kind: copay.ReviewCompensation, Effect: effect, Payment: r.Payment,
				Refund:  c.oneByHand(r),
				Message: "Refund " + string(r.ID) + " of " + r.Amount.String() + " has gone back, but " + inWords(effect) + " failed; do it by hand or try again. ",
				Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceDone}})
		}
	}
	return true, nil
}

// behind reports whether a refund is still to be taken out of EHR or books.
func (c *coPay) behind() bool {
	return slices.ContainsFunc(c.p.Refunds, func(r copay.Refund) bool {
		return r.Status == copay.RefundDone && (r.ReversedID == "" || (c.in.Books && r.UnbookedID == ""))
	})
}

// lateUndo marks the refunds that have to be undone behind a payment which
// has just been posted (or booked).
func (c *coPay) lateUndo(id copay.PaymentID, undone func(*copay.Refund) *string) {
	for i := range c.p.Refunds {
		r := &c.p.Refunds[i]
		if r.Payment == id && (r.Status == copay.RefundDone || (r.Status == copay.RefundPending && c.rules >= rulesOfPeople)) {
			if u := undone(r); *u == nothingThere {
				*u = ""
			}
		}
	}
}

// given decides where a co-pay stands once everything is back.
func (c *coPay) given() {
	after := c.p.After
	all := after == copay.StateCancelled && c.rules >= rulesOfPeople
	if r := c.undecided(); r != nil && (all || c.rules >= rulesOfQuestions) { // one of several
		c.askApproval(r, copay.System())
		return
	}
	if c.leaves() {
		if after = c.p.After; c.hasPendingRefund() {
			return // that first
		}
	}
	if q := c.p.Asked; q != nil && after == "" {
		c.p.Asked, c.p.Reopen = nil, false
		c.p.Bank = c.p.Bank && q.Kind != copay.ReviewDispute && c.rules >= rulesOfQuestions // that is asked after it
		c.move(copay.StateNeedsReview, copay.System(), "a part went back; what was open before is open again")
		c.p.Review = q
		return
	}
	if c.p.Reopen && after == "" {
		c.findOut()
		return
	}
	c.askNothingForbidden()
	bank := after == "" && c.p.Amounts.Outstanding().IsPositive() && c.bankTook()
	c.p.After, c.p.Bank, c.p.Reopen, c.p.Asked = "", false, false, nil
	switch net := c.held().Minor; {
	case after != "":
		why := "nothing is asked of the patient any more"
		if net == 0 && c.p.Amounts.Refunded.IsPositive() {
			why = "everything has been given back"
		}
		c.goBack(after, copay.System(), why)
	case c.p.Amounts.Outstanding().IsPositive() && !bank:
		c.move(copay.StateAwaitingPayment, copay.System(), "a part went back, another is still open")
	case c.p.Amounts.Outstanding().IsPositive():
		c.move(copay.StateNeedsReview, copay.System(), "the bank took the money back")
		c.p.Review = new(bankTookIt())
	case net == 0:
		c.move(copay.StateRefunded, copay.System(), "all money went back")
	default:
		c.move(copay.StateReconciling, copay.System(), "a part went back")
	}
}

// bankTookIt is the question what to do about money that the patient's bank took.
func bankTookIt() copay.Review {
	return copay.Review{Kind: copay.ReviewDispute, Back: copay.StateRequesting,
		Message: "The patient's bank took the payment back; ask again, write it off or cancel.",
		Choices: []copay.Choice{copay.ChoiceRequest, copay.ChoiceWriteOff, copay.ChoiceWaive, copay.ChoiceCancel}}
}

// findOut goes back to finding out what is owed.
func (c *coPay) findOut() {
	c.p.Reopen = false
	c.p.Bank = c.p.Bank && c.rules >= rulesOfQuestions // what it took is asked for after a person has seen it
	c.move(copay.StateNeedsReview, copay.System(), "a part went back before it was known what is owed")
	c.move(copay.StateVerifying, copay.System(), "what is owed has yet to be found out")
}

// askNothingForbidden lets nobody owe again what a bank took from somebody who must
// not be billed.
func (c *coPay) askNothingForbidden() {
	if c.p.After == "" && c.forbidden() && c.p.Amounts.Outstanding().IsPositive() && c.rules >= rulesOfQuestions {
		c.p.Amounts.Requested = c.held()
		c.bookReceivable()
	}
}

// bankTook reports that money was taken by the patient's bank since a person was
// last asked what to do about it.
func (c *coPay) bankTook() bool {
	if c.rules < rulesOfPeople {
		return c.p.Refunds[len(c.p.Refunds)-1].Taken
	}
	return c.p.Bank
}

// cancel withdraws the co-pay; what was done is undone newest first.
func (c *coPay) cancel(who copay.Actor, why string) {
	c.giveUp(copay.StateCancelled, who, why)
}

// giveUp ends a co-pay in a closed state, by way of refunding when there is
// something to take back, or when EHR and books lack a part that was paid.
func (c *coPay) giveUp(end copay.State, who copay.Actor, why string) {
	c.p.Amounts.Requested = copay.Cents(0)
	c.p.Asked, c.p.Reopen, c.p.Leaving, c.p.Bank = nil, false, "", false // nothing is left to be asked
	if end == copay.StateCancelled {
		c.overtake(func(*copay.Refund) bool { return true }) // all of it goes back now
	}
	if end == copay.StateWaived || end == copay.StateWrittenOff {
		// What was already paid stays paid; only the rest is given up, and with it
		// what the bank is just taking.
		c.p.Amounts.Requested = copay.Cents(c.held().Minor - c.beingTaken())
		if rest := copay.Cents(c.p.Amounts.Journaled.Minor - c.p.Amounts.Requested.Minor); rest.IsPositive() {
			rule := ledger.RuleWaive
			if end == copay.StateWrittenOff {
				rule = ledger.RuleWriteOff
			}
			c.p.Counters.Journal++
			c.book(rule, fmt.Sprintf("%s-%d", end, c.p.Counters.Journal), rest, "") // it may be reopened and given up again
			c.p.Amounts.Journaled = c.p.Amounts.Requested
		}
	}
	c.bookReceivable()
	if end == copay.StateCancelled {
		for _, p := range c.returnable() {
			c.newRefund(p, c.refundable(p), who, why)
		}
	}
	if c.hasPendingRefund() || c.openPayment() != nil || c.unposted() || c.unpostedAtBank() {
		c.p.After = end
		c.move(copay.StateRefunding, who, why)
		return
	}
	c.move(end, who, why)
}

// beingTaken is what the bank took and EHR or books still show.
func (c *coPay) beingTaken() (minor int64) {
	for _, r := range c.p.Refunds {
		if r.Taken && r.Status == copay.RefundPending {
			minor += r.Amount.Minor
		}
	}
	return minor
}

// overtake ends refunds that wait for a second person, because events have
// overtaken them.
func (c *coPay) overtake(which func(*copay.Refund) bool) {
	for i := range c.p.Refunds {
		if r := &c.p.Refunds[i]; r.Status == copay.RefundAwaiting && which(r) {
			r.Status = copay.RefundRejected
			c.note(copay.System(), "refund", "refund "+string(r.ID)+" of "+r.Amount.String()+" needs no approval any more", "")
		}
	}
}

// withdrawByOperator answers a cancellation of the workflow itself.
func (c *coPay) withdrawByOperator() {
	if c.p.State.Closed() || c.p.State == copay.StateRefunding {
		return
	}
	if c.atTheBank() {
		if c.rules >= rulesOfQuestions {
			c.note(operator, "cancel", "the workflow was cancelled by an operator, which changes nothing while the bank decides where the money belongs; cancel the co-pay after that", "")
		}
		return
	}
	c.cancel(operator, "the workflow was cancelled by an operator")
}

// operator is whoever cancels the workflow itself.
var operator = copay.Actor{ID: "operator", Kind: "system"}
