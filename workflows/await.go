package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
)

// awaitPayment reminds, charges the stored card when its time has come, and
// otherwise waits for whatever happens first.
func (c *coPay) awaitPayment(ctx workflow.Context) error {
	if !c.p.Amounts.Outstanding().IsPositive() {
		c.paidInFull("the amount has been paid")
		return nil
	}
	if c.hold { // nothing could be sent just now
		return c.waitOrGiveUp(ctx, time.Hour)
	}
	if c.p.Rail == copay.RailCard {
		return c.awaitCard(ctx)
	}
	// A part that was paid does not lie about unposted while the rest is open.
	if c.unposted() {
		if ok, err := c.postCaptured(ctx); !ok || err != nil {
			return err
		}
	}
	if c.p.Rail.Manual() {
		return c.waitOrGiveUp(ctx, 0)
	}
	if open := c.openPayment(); open != nil && open.Status == copay.PaymentProcessing {
		return c.waitOrGiveUp(ctx, 0) // the bank is at it: nothing to remind of
	}
	p, err := c.decide(ctx)
	if err != nil {
		return c.unplanned(ctx, err)
	}
	switch p.Decision.Action {
	case copay.ReminderSend:
		// A message is sent against the recorded state, so that comes first.
		c.toSend(ctx)
		if err := c.flush(ctx); err != nil {
			return err
		}
		return c.send(ctx, p.Decision)
	case copay.ReminderEscalate:
		return c.escalate(ctx, p.Decision)
	case copay.ReminderDone: // the last message has its time to work
		if c.forced {
			c.forced, c.wished = false, false
			c.note(copay.System(), "not_sent", "nothing was sent again: "+p.Decision.Reason, "")
		}
		return c.waitOrGiveUp(ctx, 0)
	}
	c.sayLater(ctx, p)
	return c.waitOrGiveUp(ctx, p.Wait)
}

// sayLater notes once that a message that staff asked for has to wait.
func (c *coPay) sayLater(ctx workflow.Context, p activities.Plan) {
	if c.wished && !c.said && p.Wait > 0 {
		c.said = true
		c.note(copay.System(), "not_sent", "not sent yet: "+p.Decision.Reason+"; it goes out at "+c.clock(ctx).Add(p.Wait).UTC().Format("2006-01-02 15:04 UTC"), "")
	}
}

// pause stops or resumes the reminders. What was to come next does not come
// any more; what does instead is said when the co-pay decides again.
func (c *coPay) pause(a Act, act string, paused bool) {
	c.note(a.Actor, act, map[bool]string{true: "reminders are paused", false: "reminders go on"}[paused], a.Reason)
	c.p.Paused = paused
	if c.p.State == copay.StateAwaitingPayment {
		c.p.NextAction, c.p.NextActionAt = "", zeroTime
	}
}

// decide asks what to do about messages now, and records in the same step what
// has happened and what comes next. What is not recorded by that is by the flush
// that follows.
func (c *coPay) decide(ctx workflow.Context) (activities.Plan, error) {
	if c.rules < rulesOfOneStep {
		return c.planReminder(ctx)
	}
	if err := c.settleIn(ctx); err != nil {
		return activities.Plan{}, err
	}
	c.recheck = false // the plan sees what changed until now
	in := activities.DecideInput{Record: c.toRecord(ctx), Plan: c.planInput(), Ahead: c.horizon(ctx)}
	var d activities.Decided
	err := workflow.ExecuteLocalActivity(local(ctx, "decide the next message, and record: "+string(c.p.State)), steps.Decide, in).Get(ctx, &d)
	if err != nil { // one of the two: each is seen to in its own way
		c.notRecorded(in.Record)
		return c.planReminder(ctx)
	}
	c.readClock(ctx, d.Now)
	if !d.Recorded {
		c.notRecorded(in.Record)
		return d.Plan, nil
	}
	c.planned, c.p.NextAction, c.p.NextActionAt = false, d.Next, d.NextAt
	return d.Plan, c.recorded(ctx)
}

// planReminder asks what to do about messages now.
func (c *coPay) planReminder(ctx workflow.Context) (activities.Plan, error) {
	c.recheck = false // the plan sees what changed until now
	var p activities.Plan
	err := workflow.ExecuteLocalActivity(local(ctx, "decide the next message"), steps.PlanReminder, c.planInput()).Get(ctx, &p)
	if err == nil {
		c.readClock(ctx, p.Now)
	}
	return p, err
}

// readClock takes over how far the clock that people see is ahead of the
// workflow's, from a step that has just looked at it.
func (c *coPay) readClock(ctx workflow.Context, at time.Time) {
	if c.ahead = at.Sub(workflow.Now(ctx)); c.ahead.Abs() < time.Minute {
		c.ahead = 0
	}
}

// clock is the time that people see.
func (c *coPay) clock(ctx workflow.Context) time.Time { return workflow.Now(ctx).Add(c.ahead) }

// unplanned hands a co-pay to a person whose patient cannot be read.
func (c *coPay) unplanned(ctx workflow.Context, err error) error {
	return c.troubled(ctx, err, "decide the next message", copay.Review{Kind: copay.ReviewNoContact, Back: copay.StateAwaitingPayment,
		Message: "What is kept of the patient cannot be read, so no message can be decided on. ",
		Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceWriteOff, copay.ChoiceWaive, copay.ChoiceCancel}})
}

// pageClock is the time by which a payment page runs out: the processor's, which
// is that of people.
func (c *coPay) pageClock(ctx workflow.Context) time.Time {
	if c.rules < rulesOfPeople {
		return workflow.Now(ctx)
	}
	return c.clock(ctx)
}

func (c *coPay) planInput() activities.PlanInput {
	return activities.PlanInput{Key: c.p.Key, State: c.p.State, Policy: c.in.Policy.Reminders, Channels: c.in.Channels,
		RequestedAt: c.p.RequestedAt, Sent: c.p.Reminders, Earlier: c.p.Earlier, Paused: c.p.Paused, Forced: c.forced}
}

// message is what the next one does.
func (c *coPay) message() string {
	if c.p.Rail == copay.RailCard && c.rules >= rulesOfOneStep {
		return "tell the patient of the charge"
	}
	if len(c.p.Reminders) == 0 {
		return "ask the patient"
	}
	return "remind the patient"
}

// toSend says that the next message goes out now.
func (c *coPay) toSend(ctx workflow.Context) {
	c.p.NextAction, c.p.NextActionAt = c.message(), c.clock(ctx)
}

// waitOrGiveUp waits for news, for the next message, for the moment at which
// an open page runs out (its webhook may be lost) or until it is given up.
func (c *coPay) waitOrGiveUp(ctx workflow.Context, message time.Duration) error {
	c.hold = false
	h := c.horizon(ctx)
	what, next, look := h.First(message)
	if next <= 0 {
		return c.escalate(ctx, copay.ReminderDecision{Reason: "the practice's time to pay is over"})
	}
	shown, in := h.Shown(message)
	c.plan(ctx, shown, in)
	if err := c.flush(ctx); err != nil {
		return err
	}
	timeUp, err := c.sleep(ctx, next, what)
	if timeUp && look {
		if open := c.openPayment(); open != nil {
			c.suspect(open.ID)
		}
	}
	return err
}

// horizon is what comes by itself if nothing arrives.
func (c *coPay) horizon(ctx workflow.Context) activities.Horizon {
	h := activities.Horizon{Message: c.message(), Wished: c.wished, GiveUp: c.untilGivenUp(ctx)}
	if open := c.openPayment(); open != nil {
		h.Look = c.untilPoll(ctx, open)
	}
	return h
}

// untilPoll is when a payment whose news may have been lost is asked for: a
// little after its page has run out, or in growing steps while a bank is at it.
func (c *coPay) untilPoll(ctx workflow.Context, open *copay.Payment) time.Duration {
	if open.Status == copay.PaymentRequested && !open.ExpiresAt.IsZero() {
		if d := open.ExpiresAt.Add(10 * time.Minute).Sub(c.pageClock(ctx)); d > 0 {
			return d
		}
	}
	age := max(workflow.Now(ctx).Sub(open.AskedAt), c.in.Policy.PollEvery)
	return min(age, 24*time.Hour)
}

func (c *coPay) untilGivenUp(ctx workflow.Context) time.Duration {
	return c.p.RequestedAt.Add(c.in.Policy.GiveUpAfter).Sub(c.clock(ctx))
}

// escalate hands an unpaid co-pay to staff. Its link stays payable.
func (c *coPay) escalate(ctx workflow.Context, d copay.ReminderDecision) error {
	r := copay.Review{Kind: copay.ReviewUnpaid, Back: copay.StateAwaitingPayment,
		Message: "The patient has not paid: " + d.Reason + ". Call, resend, write off or cancel.",
		Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceWriteOff, copay.ChoiceWaive, copay.ChoiceCancel}}
	if d.Action == copay.ReminderEscalate && len(c.p.Reminders) == 0 {
		r.Kind = copay.ReviewNoContact
		r.Message = "The patient cannot be reached: " + d.Reason + ". Complete contact and consent, then try again, or collect at the desk."
	}
	return c.ask(ctx, r)
}

// awaitCard tells the patient that the stored card will be charged, waits the
// agreed notice and charges it. A card that fails gives way to a link.
func (c *coPay) awaitCard(ctx workflow.Context) error {
	if c.p.Noticed.IsPositive() && c.p.Amounts.Outstanding().Minor > c.p.Noticed.Minor { // more than the patient was told of
		c.p.ChargeAt, c.forced = zeroTime, true
	}
	if c.p.ChargeAt.IsZero() {
		return c.giveNotice(ctx)
	}
	if d := c.p.ChargeAt.Sub(workflow.Now(ctx)); d > 0 {
		if c.forced {
			wait, err := c.repeatNotice(ctx)
			if wait <= 0 || err != nil {
				return err
			}
			d = min(d, wait)
		}
		c.plan(ctx, "charge the stored card", d)
		if err := c.flush(ctx); err != nil {
			return err
		}
		_, err := c.sleep(ctx, d, "the patient's notice before the stored card is charged")
		if err != nil || !c.rechecked {
			return err
		}
		return c.noticeOver(ctx)
	}
	return c.chargeCard(ctx)
}

// repeatNotice tells the patient once more of the charge, because staff asked
// for it, or says how long that has to wait. The charge stays where it is.
func (c *coPay) repeatNotice(ctx workflow.Context) (wait time.Duration, err error) {
	p, err := c.planReminder(ctx)
	if err != nil {
		return 0, c.unplanned(ctx, err)
	}
	if p.Decision.Action == copay.ReminderWait && p.Wait > 0 {
		return p.Wait, nil
	}
	if p.Decision.Action != copay.ReminderSend {
		c.forced, c.wished = false, false
		c.note(copay.System(), "not_sent", "nothing was sent again: "+p.Decision.Reason, "")
		return 0, c.flush(ctx)
	}
	p.Decision.Template = copay.TemplateCardNotice
	if err := c.flush(ctx); err != nil {
		return 0, err
	}
	return 0, c.send(ctx, p.Decision)
}

func never(final bool) string {
	if final {
		return ", and the card is not used again"
	}
	return ""
}

// noticeOver asks the clock by which the patient was told, which a test may
// have moved, whether the notice is over.
func (c *coPay) noticeOver(ctx workflow.Context) error {
	p, err := c.planReminder(ctx)
	if err != nil {
		return c.unplanned(ctx, err)
	}
	if len(c.p.Reminders) == 0 {
		return nil
	}
	told := c.p.Reminders[len(c.p.Reminders)-1].At
	if !p.Now.Before(told.Add(c.in.Policy.CardNotice)) {
		c.p.ChargeAt = workflow.Now(ctx)
	}
	return nil
}

func (c *coPay) giveNotice(ctx workflow.Context) error {
	p, err := c.planReminder(ctx)
	if err != nil {
		return c.unplanned(ctx, err)
	}
	switch p.Decision.Action {
	case copay.ReminderSend:
		p.Decision.Template = copay.TemplateCardNotice
		if err := c.flush(ctx); err != nil {
			return err
		}
		sent := len(c.p.Reminders)
		if err := c.send(ctx, p.Decision); err != nil || len(c.p.Reminders) == sent || c.p.Reminders[sent].Unconfirmed {
			return err // who was perhaps not told is told again when the caps allow it
		}
		c.p.ChargeAt, c.p.Noticed = workflow.Now(ctx).Add(c.in.Policy.CardNotice), c.p.Amounts.Outstanding()
		return nil
	case copay.ReminderWait:
		return c.waitOrGiveUp(ctx, p.Wait)
	}
	return c.ask(ctx, copay.Review{Kind: copay.ReviewNoContact, Back: copay.StateAwaitingPayment,
		Message: "A card is on file, but the patient cannot be told before it is charged: " + p.Decision.Reason + ". Complete contact and consent, or collect at the desk.",
		Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceWaive, copay.ChoiceCancel}})
}

func (c *coPay) chargeCard(ctx workflow.Context) error {
	owed := c.p.Amounts.Outstanding()
	pay := c.openPayment()
	look := pay != nil || !c.since.IsZero()
	if pay == nil {
		pay = c.newPayment(ctx, copay.RailCard, owed)
		pay.Platform = c.p.CardAt // known before the answer, which may be lost: it is looked for there
	}
	id := pay.ID
	var got activities.PaymentState
	err := workflow.ExecuteActivity(c.effect(ctx, PortCollect, "charge "+pay.Amount.String()+" to the stored card"), steps.ChargeCard,
		activities.PaymentInput{Key: c.p.Key, Payment: *pay, Patient: c.p.Patient, Look: look}).Get(ctx, &got)
	if err != nil {
		return c.troubled(ctx, err, "charge the stored card", copay.Review{Kind: copay.ReviewCollect, Back: copay.StateAwaitingPayment,
			Message: "The processor refuses the charge. ", Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceWaive, copay.ChoiceCancel}})
	}
	c.parked = 0
	c.apply(ctx, c.payment(id), got)
	switch c.payment(id).Status {
	case copay.PaymentFailed, copay.PaymentCancelled, copay.PaymentExpired:
		c.p.Rail, c.p.Card, c.p.ChargeAt = copay.RailLink, false, zeroTime
		c.forced = true                            // told as soon as hours and caps allow, not when the ladder says so
		if got.Decline == copay.DeclineNoConsent { // nothing was tried
			c.note(copay.System(), "declined", "the patient's consent does not cover the charge any more; a link follows", "")
			c.move(copay.StateRequesting, copay.System(), "the stored card may not be charged")
			return nil
		}
		c.note(copay.PlatformActor(got.Platform), "declined", "the stored card was declined ("+got.Decline+"); a link follows"+never(got.Final), "")
		c.move(copay.StateRequesting, copay.System(), "the stored card did not work")
	case copay.PaymentProcessing, copay.PaymentRequested:
		return c.awaitBank(ctx, c.payment(id))
	}
	return nil
}
