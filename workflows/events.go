package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

// listen registers everything that may arrive, before the first wait.
func (c *coPay) listen(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, QueryView, func() (copay.CoPay, error) { return *c.p, nil }); err != nil {
		return err
	}
	events := workflow.GetSignalChannel(ctx, SignalEvent)
	rechecks := workflow.GetSignalChannel(ctx, SignalRecheck)
	workflow.GoNamed(ctx, "signals", func(ctx workflow.Context) {
		for {
			sel := workflow.NewSelector(ctx)
			sel.AddReceive(events, func(ch workflow.ReceiveChannel, _ bool) {
				var e Event
				ch.Receive(ctx, &e)
				c.events = append(c.events, e)
			})
			sel.AddReceive(rechecks, func(ch workflow.ReceiveChannel, _ bool) {
				ch.Receive(ctx, nil)
				c.recheck = true
			})
			sel.Select(ctx)
		}
	})
	return c.listenToStaff(ctx)
}

// drain looks at what arrived, oldest first: facts, then acts.
func (c *coPay) drain(ctx workflow.Context) error {
	for len(c.events) > 0 {
		e := c.events[0]
		c.events = c.events[1:]
		if c.first("event/" + e.ID) {
			c.cause = cause{trace: e.Trace}
			c.hear(e)
			c.cause = cause{}
		}
	}
	return c.act(ctx)
}

// keepApplied bounds the memory of what was applied.
const keepApplied = 200

// first reports whether key is new, and remembers it.
func (c *coPay) first(key string) bool {
	if slices.Contains(c.p.Applied, key) {
		return false
	}
	c.p.Applied = append(c.p.Applied, key)
	if n := len(c.p.Applied) - keepApplied; n > 0 {
		c.p.Applied = slices.Clone(c.p.Applied[n:])
	}
	return true
}

// hear takes a fact in. Facts only change what is known and where the story
// goes on; the steps do the work.
func (c *coPay) hear(e Event) {
	who := copay.PlatformActor(e.Platform)
	switch integrations.EventKind(e.Kind) {
	case integrations.EventChargeDeleted:
		if !c.p.State.Closed() || c.p.State == copay.StateSettled || (c.held().IsPositive() && c.rules >= rulesOfPeople) {
			c.gone = true // the EHR is asked before anything is taken back
		}
	case integrations.EventChargeChanged, integrations.EventVisitChanged:
		c.readAgain(who, "the EHR reports a change")
	case integrations.EventEligibility:
		c.planChanged(who, "the payer reports a change", true)
	case integrations.EventPatientChanged:
		c.planChanged(who, "the EHR reports a change of the patient", false)
	case integrations.EventPayment:
		c.heardOfPayment(e)
	case integrations.EventRefund:
		c.heardOfRefund(e)
	case integrations.EventDispute:
		c.disputed(e, who)
	case integrations.EventPostingDeleted:
		c.postingDeleted(e)
	case integrations.EventRemittance:
		c.remitted(e, who)
	case integrations.EventLinkLocked:
		c.note(copay.System(), "link_locked", "the payment link is locked after too many wrong dates of birth; when the patient calls, a new one can be sent (resend with a new link) within hours and caps", "")
	case integrations.EventMessageOptOut, integrations.EventMessageOptIn, integrations.EventAddressBad, integrations.EventMessageInbound:
		c.heardOfAddress(e, who)
	case integrations.EventMessageStatus:
		c.note(who, "message", "a message was not delivered"+codeText(e.Code), "")
	}
}

// heardOfAddress keeps what the patient or a platform has said of an address, and
// lets what comes next be decided again. What counts is what our own database
// knows of it by then.
func (c *coPay) heardOfAddress(e Event, who copay.Actor) {
	c.recheck = true
	channel := map[copay.Channel]string{copay.ChannelSMS: "texts", copay.ChannelEmail: "mail"}[e.Channel]
	switch kind := integrations.EventKind(e.Kind); {
	case kind == integrations.EventAddressBad:
		c.note(who, "address", channel+" cannot reach the patient"+codeText(e.Code), "")
	case kind == integrations.EventMessageOptIn, e.Status == string(copay.IntentStart):
		c.note(copay.Patient(), "opt_in", "the patient wants "+channel+" again", "")
	case e.Status == string(copay.IntentUnclear):
		c.note(copay.Patient(), "opt_out", "the patient answered in their own words, which may mean that they want no more "+channel+": none are sent, and a person reads it", "")
	default:
		c.note(copay.Patient(), "opt_out", "the patient wants no more "+channel, "")
	}
}

func codeText(code string) string {
	if code == "" {
		return ""
	}
	return " (code " + code + ")"
}

// reopenable runs a change on a co-pay that may be closed; a settled one goes
// by way of review, since closed states do not lead to cancellation.
func (c *coPay) reopenable(change func()) {
	if c.p.State == copay.StateSettled {
		c.move(copay.StateNeedsReview, copay.System(), "reopened")
	}
	change()
}

// readAgain goes back to the EHR while nothing has been paid and no person
// has set the amount.
func (c *coPay) readAgain(who copay.Actor, why string) {
	switch c.p.State {
	case copay.StateEstimating, copay.StateRequesting, copay.StateAwaitingPayment:
	case copay.StateNeedsReview:
		if c.p.Review == nil || c.p.Amounts.Collected.IsPositive() || c.p.Review.Kind == copay.ReviewUnpaid {
			return
		}
	default:
		return
	}
	if c.p.Override || c.p.Amounts.Collected.IsPositive() {
		return
	}
	c.move(copay.StateVerifying, who, why)
}

func (c *coPay) heardOfPayment(e Event) {
	p := c.paymentOf(e)
	if p == nil {
		return
	}
	if copay.PaymentStatus(e.Status) == copay.PaymentExpired {
		switch p.Status {
		case copay.PaymentRequested: // no money is involved: the hint is believed as it is
			p.Status = copay.PaymentExpired
		case copay.PaymentProcessing: // a page may end after it was paid on
			c.suspect(p.ID)
		}
		return
	}
	if p.Status == copay.PaymentCaptured && copay.PaymentStatus(e.Status) == copay.PaymentCaptured {
		return // known already: a charge answers before its webhook comes
	}
	if p.ID == c.reading && copay.PaymentStatus(e.Status) == copay.PaymentCaptured {
		c.heard = true // most likely the read under way says so, too
		return
	}
	c.suspect(p.ID)
}

// paymentOf finds the payment an event is about: by our reference, by the
// platform's id, or as the only one that can be meant.
func (c *coPay) paymentOf(e Event) *copay.Payment {
	for i := range c.p.Payments {
		p := &c.p.Payments[i]
		if (e.Ref != "" && p.Ref == e.Ref) || (e.Object != "" && p.PlatformID == e.Object) {
			return p
		}
	}
	var last *copay.Payment
	for i := range c.p.Payments {
		if p := &c.p.Payments[i]; !p.Rail.Manual() && (p.Platform == e.Platform || p.Platform == "") {
			last = p
		}
	}
	return last
}

// disputed follows a dispute at the patient's bank. Its events come in any
// order: what began before the last one ended is over.
func (c *coPay) disputed(e Event, who copay.Actor) {
	p := c.paymentOf(e)
	if p == nil {
		return
	}
	if p.CapturedAt.IsZero() { // its capture comes first
		if !slices.ContainsFunc(c.early, func(x Event) bool { return x.ID == e.ID }) {
			c.early = append(c.early, e)
			c.suspect(p.ID)
		}
		return
	}
	switch e.Status {
	case "won":
		p.DisputeEnded = later(p.DisputeEnded, e.At)
		if p.Status == copay.PaymentDisputed {
			c.wonDispute(p, who)
		}
	case "lost":
		if p.Status == copay.PaymentCaptured && c.taken(p) && (e.Amount == nil || e.Amount.Equal(p.Contested)) && c.rules >= rulesOfQuestions {
			return // a platform tells the end of a dispute in several ways
		}
		p.DisputeEnded = later(p.DisputeEnded, e.At)
		c.holdBack(p, e.Amount, who)
		if p.Status == copay.PaymentDisputed {
			c.about(p, e.Amount)
			c.lostDispute(p, who)
		}
	default:
		if e.At.IsZero() || e.At.After(p.DisputeEnded) {
			c.holdBack(p, e.Amount, who)
		}
	}
}

// taken reports that the bank has kept money of a payment before.
func (c *coPay) taken(p *copay.Payment) bool {
	return slices.ContainsFunc(c.p.Refunds, func(r copay.Refund) bool { return r.Payment == p.ID && r.Taken })
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (c *coPay) anyDisputed() bool {
	return slices.ContainsFunc(c.p.Payments, func(p copay.Payment) bool { return p.Status == copay.PaymentDisputed })
}

// holdBack counts money as not ours while the bank decides. What went back
// completely is nothing to be held. about is what the dispute is about, where that
// is known to be less than all that is left.
func (c *coPay) holdBack(p *copay.Payment, about *copay.Money, who copay.Actor) {
	if p.Status != copay.PaymentCaptured || p.Amount.Minor <= p.Refunded.Minor {
		return
	}
	p.Status, p.Contested = copay.PaymentDisputed, copay.Cents(p.Amount.Minor-p.Refunded.Minor)
	c.about(p, about)
	c.bookDispute(ledger.RuleDispute, "dispute", p)
	if c.p.State == copay.StateNeedsReview && c.rules == rulesOfPeople {
		c.keepAsking(c.p.Review)
	}
	switch c.p.State {
	case copay.StateRequesting, copay.StateAwaitingPayment, copay.StateNeedsReview, copay.StateSettled, copay.StatePaid, copay.StatePosting, copay.StateReconciling:
		c.interruptedNow()
		c.move(copay.StateDisputed, who, "the patient disputes the payment at their bank; answer it at the processor")
	default:
		c.note(who, "dispute", "the patient disputes the payment at their bank; answer it at the processor", "")
	}
}

// about notes what a dispute is about, where it says so.
func (c *coPay) about(p *copay.Payment, amount *copay.Money) {
	if amount != nil && amount.IsPositive() && amount.Currency.Supported() && c.rules >= rulesOfQuestions {
		p.Contested = copay.Cents(min(p.Contested.Minor, amount.Minor))
	}
}

// bookDispute names the step anew each time: a payment may be disputed twice.
func (c *coPay) bookDispute(rule ledger.Rule, step string, p *copay.Payment) {
	c.p.Counters.Journal++
	c.book(rule, fmt.Sprintf("%s-%s-%d", step, p.ID, c.p.Counters.Journal), p.Amount, p.Rail)
}

func (c *coPay) wonDispute(p *copay.Payment, who copay.Actor) {
	p.Status = copay.PaymentCaptured
	c.bookDispute(ledger.RuleDisputeWon, "dispute-won", p)
	if (c.p.State == copay.StateDisputed && !c.anyDisputed()) || c.p.State == copay.StateSettled {
		c.move(copay.StateReconciling, who, "the dispute was won")
		return
	}
	c.note(who, "dispute", "the dispute was won", "")
}

// keep shares out what the bank took: what no refund is about is taken from
// what the patient paid; the rest makes refunds that wait. One that was made
// before the dispute and bounced meanwhile was not part of it, and still has to
// reach the patient.
func (c *coPay) keep(p *copay.Payment, who copay.Actor) {
	took := p.Contested.Minor
	if c.rules >= rulesOfQuestions {
		took = c.givenByBank(p, took)
		if c.refundable(p).Minor < took { // what staff asked for is not there any more
			c.overtake(func(r *copay.Refund) bool { return r.Payment == p.ID && askedByStaff(r) })
		}
	}
	amount := c.refundable(p)
	if c.rules >= rulesOfQuestions { // of a dispute about a part the rest stays ours
		amount = copay.Cents(min(amount.Minor, took))
	}
	if amount.IsPositive() {
		r := c.newRefund(p, amount, who, "dispute lost")
		r.PlatformID, r.Taken = keptByBank, true
		took -= amount.Minor
	}
	for _, bounced := range []bool{false, true} {
		for i := range c.p.Refunds {
			r := &c.p.Refunds[i]
			if r.Payment == p.ID && r.Status == copay.RefundPending && r.PlatformID == "" && (r.Bounced > 0) == bounced && r.Amount.Minor <= took {
				r.PlatformID = keptByBank
				took -= r.Amount.Minor
			}
		}
	}
}

// givenByBank counts what the bank took as given back where that was due without
// anybody's wish and waits for a second person: nobody owes it again. It returns what
// is left of it.
func (c *coPay) givenByBank(p *copay.Payment, took int64) int64 {
	for i := range c.p.Refunds {
		r := c.p.Refunds[i]
		part := min(r.Amount.Minor, took)
		if r.Payment != p.ID || r.Status != copay.RefundAwaiting || askedByStaff(&r) || part <= 0 {
			continue
		}
		took -= part
		if part == r.Amount.Minor {
			c.p.Refunds[i].Status, c.p.Refunds[i].PlatformID = copay.RefundPending, keptByBank
			c.note(copay.System(), "refund", "refund "+string(r.ID)+" of "+r.Amount.String()+" needs no approval any more: the bank gave it back", "")
			continue
		}
		c.p.Refunds[i].Amount = copay.Cents(r.Amount.Minor - part)
		c.newRefund(p, copay.Cents(part), copay.System(), r.Reason).PlatformID = keptByBank
	}
	return took
}

// lostDispute takes the money that the bank kept out of EHR and books. A
// refund that waits for approval is decided by it, and one that the processor
// has not made yet is made by it: the patient has the money.
func (c *coPay) lostDispute(p *copay.Payment, who copay.Actor) {
	p.Status = copay.PaymentCaptured
	c.bookDispute(ledger.RuleDisputeWon, "dispute-lost", p)
	if c.rules < rulesOfQuestions {
		c.overtake(func(r *copay.Refund) bool { return r.Payment == p.ID })
	}
	c.keep(p, who)
	switch {
	case c.p.State == copay.StateRefunding:
	case c.hasPendingRefund():
		if c.p.After == "" && c.p.State.Closed() && c.p.State != copay.StateSettled {
			c.p.After = c.p.State
		}
		c.interruptedNow()
		c.move(copay.StateNeedsReview, who, "the dispute was lost")
		c.move(copay.StateRefunding, who, "take the lost payment out of EHR and books")
	case c.p.State == copay.StateDisputed && !c.anyDisputed():
		c.move(copay.StateReconciling, who, "the dispute was lost, and nothing of it was left")
	}
}

// postingDeleted takes note of a posting of ours that is said to be gone.
func (c *coPay) postingDeleted(e Event) {
	for i := range c.p.Payments {
		if p := &c.p.Payments[i]; p.PostedID != "" && p.PostedID == e.Object && !slices.Contains(c.missing, p.ID) {
			c.missing = append(c.missing, p.ID)
		}
	}
}

// remitted compares what the payer says with what was collected (true-up).
func (c *coPay) remitted(e Event, who copay.Actor) {
	if e.Amount == nil || !e.Amount.Currency.Supported() || e.Amount.IsNegative() {
		return
	}
	if !e.At.IsZero() && e.At.Before(c.p.AdjudicatedAt) {
		c.note(who, "remittance", "an older remittance over "+e.Amount.String()+" came late and changes nothing", "")
		return
	}
	if !e.Amount.Equal(c.p.Amounts.Adjudicated) {
		c.p.Amounts.Accepted = copay.Money{} // what a person let stand was about the amount before
	}
	c.p.Amounts.Adjudicated, c.p.AdjudicatedAt = *e.Amount, later(c.p.AdjudicatedAt, e.At)
	c.note(who, "remittance", "the payer says that the patient owes "+e.Amount.String(), "")
	c.remittedNow(who)
}

// remittedNow compares at once what is settled already, or would be but for the
// remittance before; until then the remittance is only known, and compared
// before the co-pay settles.
func (c *coPay) remittedNow(who copay.Actor) {
	if r := c.p.Review; c.p.State == copay.StateNeedsReview && r != nil && r.Kind == copay.ReviewTrueUp {
		c.compareAgain(r, who, "another remittance came")
		return
	}
	if c.p.State == copay.StateSettled {
		c.trueUp(who)
	}
}

// compareAgain asks the question of a remittance anew, as it now is.
func (c *coPay) compareAgain(q *copay.Review, who copay.Actor, why string) {
	c.move(q.Back, who, why)
	if c.p.State == copay.StateSettled {
		c.trueUp(who)
	}
}

// overpaid reports that the payer says less than what was paid of a co-pay whose
// rest was given up. That it says more is no matter any more.
func (c *coPay) overpaid() bool {
	owes := c.p.Amounts.Adjudicated
	if (c.p.State != copay.StateWaived && c.p.State != copay.StateWrittenOff) || owes.Currency == "" || c.anyDisputed() || c.rules < rulesOfQuestions {
		return false
	}
	return -c.beyondAccepted(owes.Minor-c.held().Minor).Minor > c.in.Policy.TrueUpTolerance.Minor
}

// trueUpGivenUp deals with what was paid too much before the rest was given up.
func (c *coPay) trueUpGivenUp(ctx workflow.Context) error {
	c.trueUp(copay.System())
	return c.flush(ctx)
}

// goodwill reports that staff gave something back: whether that is asked for
// again, because the payer says that it was owed, is not decided without them.
func (c *coPay) goodwill() bool {
	given := func(r copay.Refund) bool { return r.Status == copay.RefundDone && !r.Taken && byPeople(&r) }
	return slices.ContainsFunc(c.p.Refunds, given) && c.rules >= rulesOfPeople
}

// accept notes how much of a refund that staff asked for goes back although the
// payer says that the patient owes it.
func (c *coPay) accept(r *copay.Refund) {
	a := &c.p.Amounts
	if a.Adjudicated.Currency == "" || r.Taken || r.Bounced > 0 || !byPeople(r) {
		return
	}
	short := func(held int64) int64 { return max(a.Adjudicated.Minor-held, 0) }
	held := c.held().Minor
	if below := short(held-r.Amount.Minor) - short(held); below > 0 && c.rules >= rulesOfPeople {
		a.Accepted = copay.Cents(max(a.Accepted.Minor, 0) + below)
	}
}

// beyondAccepted is what is left of a difference to the remittance besides that
// which a person let stand. It never turns into its opposite.
func (c *coPay) beyondAccepted(diff int64) copay.Money {
	switch a := c.p.Amounts.Accepted.Minor; {
	case diff > 0 && a > 0:
		diff = max(diff-a, 0)
	case diff < 0 && a < 0:
		diff = min(diff-a, 0)
	}
	return copay.Cents(diff)
}

// byItself reports whether a difference is dealt with without a person: no more is
// asked, and no more given back, than elsewhere.
func (c *coPay) byItself(diff copay.Money) bool {
	if diff.IsNegative() {
		return -diff.Minor <= c.in.Policy.RefundApprovalAbove.Minor
	}
	return diff.Minor <= c.in.Policy.MaxAmount.Minor
}

// trueUp compares what the payer says with what was collected and reports
// whether the difference has to be dealt with.
func (c *coPay) trueUp(who copay.Actor) bool {
	owes := c.p.Amounts.Adjudicated
	diff := c.beyondAccepted(owes.Minor - c.held().Minor)
	if owes.Currency == "" || max(diff.Minor, -diff.Minor) <= c.in.Policy.TrueUpTolerance.Minor {
		return false
	}
	if diff.IsPositive() && c.forbidden() {
		c.note(who, "remittance", diff.String()+" more is not asked for: "+c.p.Estimate.Rule, "")
		return false
	}
	back := copay.StateSettled
	if c.p.State == copay.StateWaived || c.p.State == copay.StateWrittenOff {
		back = c.p.State
	}
	c.move(copay.StateNeedsReview, who, "the remittance differs from what was collected by "+diff.String())
	r := copay.Review{Kind: copay.ReviewTrueUp, Back: back, Amount: &diff,
		Message: "The payer says that the patient owes " + owes.String() + ", which differs by " + diff.String() + " from what was collected.",
		Choices: []copay.Choice{copay.ChoiceRequest, copay.ChoiceProceed}}
	if diff.IsNegative() {
		r.Choices = []copay.Choice{copay.ChoiceRefund, copay.ChoiceProceed}
	}
	c.p.Review = &r
	if c.in.Policy.TrueUp == copay.TrueUpAuto && c.byItself(diff) && !(diff.IsPositive() && c.goodwill()) {
		choice := r.Choices[0]
		_ = c.resolve(ResolveReview{Act: Act{Actor: copay.System(), Reason: "practice policy"}, Choice: choice})
	}
	return true
}
