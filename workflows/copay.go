// Package workflows tells what happens to a co-pay. CoPay is the story of
// one: verify, estimate, request, remind, post, reconcile. Each chapter stands
// in the file of its name; what arrives from outside in events.go and acts.go.
//
// The code is deterministic. Whatever may change between deployments enters
// as workflow input or as the result of an activity.
package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
)

// CoPay owns one co-pay until it is settled, given up or given back. Started
// again for a co-pay that was closed, it restores itself from the lasting
// record, applies what arrived and closes again.
func CoPay(ctx workflow.Context, in Input) (Result, error) {
	c, err := open(ctx, in)
	if err != nil {
		return Result{}, err
	}
	return c.run(ctx)
}

// coPay is the state of one run.
type coPay struct {
	in     Input
	p      *copay.CoPay // what is known, and what others see
	opened bool         // p holds the lasting record
	rules  int          // what this run goes by
	fresh  bool         // p may not stand in the history yet
	since  time.Time    // of the lasting record that a run before has left, which may have asked for money after it
	asked  bool         // this run has asked for money, which is not recorded yet

	events    []Event // facts that arrived and were not looked at yet
	acts      []*act  // staff acts that wait for their turn
	answers   []*act  // carried out, not yet recorded and answered
	cause     cause   // of what is being applied
	recheck   bool    // something a wait depends on has changed
	rechecked bool    // that ended the last wait
	gone      bool    // the EHR reports that the charge was deleted
	stalePlan bool    // the patient's coverage may have changed since it was looked at

	missing []copay.PaymentID // whose posting, the EHR reports, was deleted

	stale   []copay.PaymentID // payments whose truth must be read
	reading copay.PaymentID   // the one that is being read
	heard   bool              // and that a hint calls captured meanwhile
	early   []Event           // disputes of payments whose capture was not heard of
	forced  bool              // a message is wished for now, whatever the ladder says
	wished  bool              // by staff
	said    bool              // who know that it has to wait
	hold    bool              // nothing could be sent: pause before the next look
	alarm   *alarm            // of the present or the last wait
	parked  int               // how often in a row a platform was found down
	ahead   time.Duration     // how far the clock that people see is ahead of the workflow's: development moves it

	pending activities.RecordInput // not yet recorded
	planned bool                   // nor what comes next
	now     func() time.Time       // the workflow's clock
}

// open prepares a run: handlers first, so that no message is lost, then the
// lasting record.
func open(ctx workflow.Context, in Input) (*coPay, error) {
	c := &coPay{in: in, p: &copay.CoPay{ID: in.Key.ID(), Key: in.Key, State: copay.StateReceived}, now: func() time.Time { return workflow.Now(ctx) }}
	if in.Resume != nil {
		c.takeOver(*in.Resume)
	}
	if err := c.listen(ctx); err != nil {
		return nil, err
	}
	if c.opened {
		return c, nil
	}
	var found activities.Opened
	err := keep(ctx, "open the co-pay's lasting record", steps.Open, func() any {
		return activities.OpenInput{Key: in.Key, WorkflowID: workflow.GetInfo(ctx).WorkflowExecution.ID, Rules: Rules}
	}, &found)
	if err != nil {
		return nil, err
	}
	c.rules, c.fresh = found.Rules, found.Rules >= rulesOfPeople
	if found.CoPay != nil {
		c.p, c.since = found.CoPay, found.CoPay.UpdatedAt
		c.askedBefore(rulesOfOneStep)
	} else {
		c.p.StartedAt = workflow.Now(ctx)
		c.note(in.Actor, "started", "co-pay opened by "+in.Trigger, "")
	}
	c.opened = true
	return c, nil
}

// run goes from step to step until the co-pay needs no one any more.
func (c *coPay) run(ctx workflow.Context) (Result, error) {
	for {
		if ctx.Err() != nil { // an operator cancelled the workflow itself
			ctx, _ = workflow.NewDisconnectedContext(ctx)
			c.withdrawByOperator()
		}
		if err := c.drain(ctx); err != nil && ctx.Err() == nil {
			return Result{}, err
		}
		step := c.step()
		if step != nil {
			if c.tooLong(ctx) {
				if err := c.handOver(ctx); err != nil && (ctx.Err() == nil || workflow.IsContinueAsNewError(err)) {
					return Result{}, err
				}
				continue // something arrived that this run still has to answer
			}
			if err := step(ctx); err != nil && ctx.Err() == nil {
				return Result{}, err
			}
			continue
		}
		if err := c.close(ctx); err != nil && ctx.Err() == nil {
			return Result{}, err
		}
		if !c.waiting() && ctx.Err() == nil {
			return Result{ID: c.p.ID, State: c.p.State}, nil
		}
	}
}

// step is what to do in the present state; nil when nothing is left to do.
func (c *coPay) step() func(workflow.Context) error {
	if len(c.stale) > 0 {
		return c.refresh
	}
	busy := c.p.State == copay.StateRefunding && c.rules >= rulesOfPeople // what is heard meanwhile has its turn after it
	if c.gone && !c.bankFirst() && !busy {
		return c.confirmDeletion
	}
	if len(c.missing) > 0 && !busy {
		return c.confirmPosting
	}
	if look := c.lookAtPlan(); look != nil {
		return look
	}
	asking := c.p.State == copay.StateRequesting || c.p.State == copay.StateAwaitingPayment
	if c.gone && asking && c.rules >= rulesOfQuestions { // nobody is asked for another part of what was perhaps deleted
		return c.awaitDecision
	}
	switch c.p.State {
	case copay.StateReceived, copay.StateVerifying:
		return c.verify
	case copay.StateEstimating:
		return c.estimate
	case copay.StateRequesting:
		return c.request
	case copay.StateAwaitingPayment:
		return c.awaitPayment
	case copay.StatePaid, copay.StatePosting:
		return c.post
	case copay.StateReconciling:
		return c.reconcile
	case copay.StateRefunding:
		return c.giveBack
	case copay.StateNeedsReview, copay.StateDisputed, copay.StateReturned:
		return c.awaitPerson
	}
	if c.overpaid() {
		return c.trueUpGivenUp
	}
	return nil
}

// close records the end and lets answers to staff go out.
func (c *coPay) close(ctx workflow.Context) error {
	c.p.NextAction, c.p.NextActionAt = "", zeroTime
	if err := c.flush(ctx); err != nil {
		return err
	}
	return c.quiet(ctx, c.waiting)
}

// quiet waits until every caller is answered, or until there is more to do. A
// signal that came together with what woke the main line has not been taken in
// yet, and would be lost with the run: it has its turn first.
func (c *coPay) quiet(ctx workflow.Context, more func() bool) error {
	taken := false
	workflow.GoNamed(ctx, "after the signals", func(workflow.Context) { taken = true })
	return workflow.Await(ctx, func() bool { return taken && (workflow.AllHandlersFinished(ctx) || more()) })
}

// waiting reports whether facts or acts arrived that were not looked at.
func (c *coPay) waiting() bool {
	return len(c.events) > 0 || len(c.acts) > 0 || len(c.stale) > 0 || (c.gone && !c.bankFirst()) || len(c.missing) > 0 || c.lookAtPlan() != nil || c.overpaid()
}

// maxHistory is where a run hands over to the next, well before the history
// becomes slow to replay.
const maxHistory = 2000

// tooLong reports that it is time to hand over. Whoever waits for the amount is
// answered by this run, so until it is known a run goes on that is asked for it.
func (c *coPay) tooLong(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return (c.rests() || workflow.AllHandlersFinished(ctx)) && (info.GetContinueAsNewSuggested() || info.GetCurrentHistoryLength() > maxHistory)
}

// rests reports that every caller can be answered now.
func (c *coPay) rests() bool {
	return c.p.State == copay.StateAwaitingPayment || c.p.State == copay.StateNeedsReview
}

// handOver ends this run and starts the next, unless something arrived that
// this one has to answer.
func (c *coPay) handOver(ctx workflow.Context) error {
	if err := c.flush(ctx); err != nil {
		return err
	}
	more := func() bool { return c.interrupted() || !c.rests() }
	if err := c.quiet(ctx, more); err != nil || c.interrupted() || !workflow.AllHandlersFinished(ctx) {
		return err
	}
	next := c.in
	next.Resume = &State{CoPay: *c.p, Forced: c.forced, Gone: c.gone, Missing: c.missing, Stale: c.stale, Early: c.early, Hold: c.hold, Parked: c.parked,
		Recheck: c.recheck, StalePlan: c.stalePlan, Since: c.since, Rules: Rules}
	return workflow.NewContinueAsNewError(ctx, CoPay, next)
}

// takeOver goes on where the run before has handed over. The alarm is set anew
// by the first wait.
func (c *coPay) takeOver(s State) {
	c.p, c.events, c.forced, c.opened = &s.CoPay, s.Events, s.Forced, true
	c.gone, c.missing, c.stale, c.early, c.hold, c.parked, c.recheck = s.Gone, s.Missing, s.Stale, s.Early, s.Hold, s.Parked, s.Recheck
	c.stalePlan, c.since, c.rules = s.StalePlan, s.Since, s.Rules
	c.askedBefore(rulesOfQuestions)
}

// askedBefore brings a question that was asked under rules older than these to
// what the newer ones make of it.
func (c *coPay) askedBefore(rules int) {
	if r := c.p.Review; r != nil && r.Kind == copay.ReviewPostingDeleted && c.rules >= rules {
		c.payment(r.Payment).Removed = true
	}
}
