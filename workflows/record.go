package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

// cause is what led to the lines that are being noted.
type cause struct {
	trace string // of the request or event
	key   string // of the request
}

// note adds a line to the co-pay's timeline; it is recorded with the next flush.
func (c *coPay) note(who copay.Actor, kind, summary, reason string) {
	c.pending.Events = append(c.pending.Events, ledger.TimelineEvent{
		At: c.now(), Kind: kind, Actor: who, Summary: summary, Reason: reason, Trace: c.cause.trace, Key: c.cause.key, Before: c.p.State, After: c.p.State})
}

// move goes to another state. A forbidden transition is a defect of this
// code: the panic fails the workflow task, which is retried until it is
// mended, and nothing is done on wrong premises.
func (c *coPay) move(to copay.State, who copay.Actor, why string) {
	from := c.p.State
	if from == to {
		return
	}
	next, err := copay.Transition(from, to)
	if err != nil {
		panic(err)
	}
	c.p.State = next
	c.p.NextAction, c.p.NextActionAt = "", zeroTime
	if to != copay.StateNeedsReview {
		c.p.Review = nil
	}
	c.pending.Events = append(c.pending.Events, ledger.TimelineEvent{
		At: c.now(), Kind: "state", Actor: who, Summary: why, Trace: c.cause.trace, Key: c.cause.key, Before: from, After: to})
}

// book asks for a journal entry; step names it for ever within the co-pay.
func (c *coPay) book(rule ledger.Rule, step string, amount copay.Money, rail copay.Rail) {
	if amount.IsZero() {
		return
	}
	c.pending.Books = append(c.pending.Books, activities.Booking{Rule: rule, Step: step, Amount: amount, Rail: rail})
}

// bookReceivable brings the journal's receivable to what the patient is asked for.
func (c *coPay) bookReceivable() {
	delta := copay.Cents(c.p.Amounts.Requested.Minor - c.p.Amounts.Journaled.Minor)
	if delta.IsZero() {
		return
	}
	c.p.Counters.Journal++
	c.book(ledger.RuleReceivable, fmt.Sprintf("receivable-%d", c.p.Counters.Journal), delta, "")
	c.p.Amounts.Journaled = c.p.Amounts.Requested
}

// flush records what has happened since the last time: read model, timeline,
// audit row and journal in one transaction. Whoever waits for that is answered.
func (c *coPay) flush(ctx workflow.Context) error {
	defer c.answer()
	if len(c.pending.Events) == 0 && len(c.pending.Books) == 0 && !c.otherwise(ctx) {
		return nil
	}
	if err := c.settleIn(ctx); err != nil {
		return err
	}
	c.planned = false
	in := c.toRecord(ctx)
	now := func() any { // each time it is asked for anew
		in.CoPay.UpdatedAt, in.Task = workflow.Now(ctx), workflow.GetInfo(ctx).GetCurrentHistoryLength()
		return in
	}
	if err := keep(ctx, "record: "+string(c.p.State), steps.Record, now, nil); err != nil {
		return err
	}
	return c.recorded(ctx)
}

// recorded goes on behind a record: what was asked for stands in it, so a run that
// was lost before this one is no matter any more.
func (c *coPay) recorded(ctx workflow.Context) error {
	if c.asked && c.rules >= rulesOfOneStep {
		c.since = zeroTime
	}
	c.asked = false
	return c.publish(ctx)
}

// toRecord is what has happened since the last time, as the next version.
func (c *coPay) toRecord(ctx workflow.Context) activities.RecordInput {
	c.p.Counters.Version++
	c.p.UpdatedAt = workflow.Now(ctx)
	in := c.pending
	in.CoPay, in.Trace, in.Task = *c.p, c.in.Trace, workflow.GetInfo(ctx).GetCurrentHistoryLength()
	c.pending = activities.RecordInput{}
	return in
}

// notRecorded takes back what was not recorded: it comes with the next version.
func (c *coPay) notRecorded(in activities.RecordInput) {
	c.p.Counters.Version--
	c.pending.Events = append(in.Events, c.pending.Events...)
	c.pending.Books = append(in.Books, c.pending.Books...)
}

// plan says when the workflow will act by itself, for people and for alarms.
func (c *coPay) plan(ctx workflow.Context, what string, in time.Duration) {
	at := c.clock(ctx).Add(in)
	if in <= 0 {
		at = zeroTime
	}
	if c.p.NextAction == what && c.p.NextActionAt.Equal(at) {
		return
	}
	c.planned = c.planned || !activities.SameNext(c.p.NextAction, what, c.p.NextActionAt, at)
	c.p.NextAction, c.p.NextActionAt = what, at
}

// otherwise reports that what comes next is not what was recorded, although
// nothing else has happened: a patient has said STOP, a bank takes its time.
func (c *coPay) otherwise(ctx workflow.Context) bool {
	return c.planned && c.follows(ctx, changePlan)
}

// noteSensitive keeps a person's free text, which may hold anything, in the
// encrypted column of the timeline.
func (c *coPay) noteSensitive(who copay.Actor, text, reason string) {
	c.note(who, "note", "a note was added", reason)
	c.pending.Events[len(c.pending.Events)-1].Sensitive = text
}
