package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// call waits for a read that may be given up: facts and acts that arrive
// meanwhile are applied at once, and when they lead elsewhere the read is
// cancelled and done is false.
func (c *coPay) call(ctx workflow.Context, start func(workflow.Context) workflow.Future, into any) (done bool, err error) {
	state := c.p.State
	inner, cancel := workflow.WithCancel(ctx)
	defer cancel()
	f := start(inner)
	defer func() { c.fresh = c.fresh && !f.IsReady() }()
	for !f.IsReady() {
		if err := workflow.Await(ctx, func() bool { return f.IsReady() || c.interrupted() }); err != nil {
			return false, err
		}
		if f.IsReady() {
			break
		}
		if err := c.drain(ctx); err != nil {
			return false, err
		}
		if c.p.State != state {
			return false, nil
		}
	}
	return true, f.Get(ctx, into)
}

// keep runs a step in our own database until it works. Whatever is wrong there
// (a key that is not configured, a defect of ours) people mend; no co-pay ends
// by it, and nothing that was to be recorded is dropped. in is what the step is
// asked with, each time anew.
func keep(ctx workflow.Context, summary string, step any, in func() any, out any) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	for try := 0; ; try++ {
		err := workflow.ExecuteLocalActivity(local(ctx, summary), step, in()).Get(ctx, out)
		if err == nil {
			return nil
		}
		workflow.GetLogger(ctx).Error("our own database refuses a step; it is tried again", "step", summary, "error", err)
		pause := min(time.Minute<<min(try, 6), time.Hour)
		if err := workflow.NewTimerWithOptions(ctx, pause, workflow.TimerOptions{Summary: "wait to " + summary + " again"}).Get(ctx, nil); err != nil {
			return err
		}
	}
}

// settleIn ends the workflow task in which the lasting record was read, unless
// something has done so already: what is recorded must rest on what stands in the
// history. Else a task that is done again would read what its own lost try wrote.
func (c *coPay) settleIn(ctx workflow.Context) error {
	if !c.fresh {
		return nil
	}
	c.fresh = false
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	return workflow.NewTimerWithOptions(ctx, time.Millisecond, workflow.TimerOptions{Summary: "let the history have the lasting record"}).Get(ctx, nil)
}

// interrupted reports whether something arrived that should not wait.
func (c *coPay) interrupted() bool { return len(c.events) > 0 || len(c.acts) > 0 }

// changeRecheck marks runs that heed what changed between a decision and the
// wait that follows it, such as a STOP while the decision is recorded.
const changeRecheck = "recheck-before-wait"

// sleep waits for at most d (0: without end) or until something arrives; it
// reports whether the time was up.
func (c *coPay) sleep(ctx workflow.Context, d time.Duration, why string) (bool, error) {
	if c.recheck && !c.follows(ctx, changeRecheck) {
		c.recheck = false
	}
	defer func() { c.rechecked, c.recheck = c.recheck, false }()
	woken := func() bool { return c.interrupted() || c.recheck }
	if d <= 0 {
		return false, workflow.Await(ctx, woken)
	}
	c.setAlarm(ctx, d, why)
	rings := c.alarm.rings
	err := workflow.Await(ctx, func() bool { return rings.IsReady() || woken() })
	if err == nil {
		err = ctx.Err()
	}
	return err == nil && rings.IsReady(), err
}

// alarm is the one timer of a run. It outlives the wait that set it: what
// interrupts a wait mostly leads back to the same moment, or to the end.
type alarm struct {
	due    time.Time
	rings  workflow.Future
	cancel workflow.CancelFunc
}

// setAlarm sets the alarm to d from now, unless it is set so already.
func (c *coPay) setAlarm(ctx workflow.Context, d time.Duration, why string) {
	due := workflow.Now(ctx).Add(d)
	if a := c.alarm; a != nil && !a.rings.IsReady() {
		if due.Sub(a.due).Abs() < activities.SameMoment {
			return
		}
		a.cancel()
	}
	inner, cancel := workflow.WithCancel(ctx)
	c.alarm = &alarm{due: due, cancel: cancel, rings: workflow.NewTimerWithOptions(inner, d, workflow.TimerOptions{Summary: why})}
}

// park waits until a platform that is down may be asked again: longer every
// time, visible to staff, and open to whatever arrives meanwhile.
func (c *coPay) park(ctx workflow.Context, f activities.Failure, what string) error {
	d := min(5*time.Minute<<min(c.parked, 6), 4*time.Hour)
	if f.Wait > 0 { // the platform says when
		d = min(f.Wait, 4*time.Hour)
	}
	c.parked++
	c.plan(ctx, "try again: "+what, d)
	c.note(copay.System(), "parked", what+" has to wait: "+f.Message, "")
	if err := c.flush(ctx); err != nil {
		return err
	}
	_, err := c.sleep(ctx, d, "wait to "+what+" again")
	return err
}

// cured reports whether waiting can help: the platform was down, throttled or
// left the outcome open. What it refused needs a person.
func cured(f activities.Failure) bool {
	switch f.Kind {
	case integrations.KindInvalid, integrations.KindNotFound, integrations.KindUnauthorized, integrations.KindDeclined:
		return false
	}
	return true
}

// troubled deals with a failed step: park and try again, or ask a person.
func (c *coPay) troubled(ctx workflow.Context, err error, what string, r copay.Review) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f := activities.FailureOf(err)
	if cured(f) {
		return c.park(ctx, f, what)
	}
	if f.Kind == integrations.KindUnauthorized {
		r.Kind, r.Of = copay.ReviewConfig, r.Kind
		r.Message = "A platform refuses our credentials; mend the connection and try again. "
	}
	r.Message += f.Message
	return c.ask(ctx, r)
}

// ask hands the co-pay to a person and leaves the present state for review.
func (c *coPay) ask(ctx workflow.Context, r copay.Review) error {
	if r.Back == "" {
		r.Back = c.p.State
	}
	r.Since = workflow.Now(ctx)
	c.move(copay.StateNeedsReview, copay.System(), r.Message)
	c.p.Review = &r
	c.plan(ctx, "", 0)
	return c.flush(ctx)
}
