package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
)

// steps names activities through a nil pointer, so that the compiler checks
// the names.
var steps *activities.Activities

// zeroTime says that nothing is due.
var zeroTime time.Time

// The ports whose platforms may have a task queue of their own.
const (
	PortEHR         = "charges"
	PortEligibility = "eligibility"
	PortCollect     = "collect"
	PortPost        = "post"
	PortAccounting  = "accounting"
	PortSMS         = "sms"
	PortEmail       = "email"
)

// local is for our own database: short, idempotent, tried until it works,
// also after an operator cancelled the workflow.
func local(ctx workflow.Context, summary string) workflow.Context {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: 10 * time.Second,
		Summary:             summary,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
	})
}

// patience is how long one scheduling of a platform's call is tried before
// the co-pay parks visibly and comes back later.
const patience = 10 * time.Minute

// platform is for calls that leave the house.
func (c *coPay) platform(ctx workflow.Context, port, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              c.queue(port),
		StartToCloseTimeout:    c.in.Policy.CallTimeout,
		ScheduleToCloseTimeout: patience,
		Summary:                summary,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
	})
}

// effect is for calls that may change something outside. One that is under way
// when the workflow is cancelled is waited for: it cannot be undone before it
// is done.
func (c *coPay) effect(ctx workflow.Context, port, summary string) workflow.Context {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	return c.platform(ctx, port, summary)
}

// promptly is effect for somebody who waits for the answer, and with whom
// everything else of this co-pay waits: they are told to come back later.
func (c *coPay) promptly(ctx workflow.Context, port, summary string) workflow.Context {
	return workflow.WithScheduleToCloseTimeout(c.effect(ctx, port, summary), 20*time.Second)
}

// payer is for eligibility: the attempt fails as "not yet" and polls until
// the practice's deadline.
func (c *coPay) payer(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              c.queue(PortEligibility),
		StartToCloseTimeout:    c.in.Policy.CallTimeout,
		ScheduleToCloseTimeout: c.in.Policy.EligibilityDeadline,
		Summary:                summary,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 8 * time.Second},
	})
}

// queue is the task queue of a port: its own where the platform has a rate
// limit that the whole fleet must obey.
func (c *coPay) queue(port string) string {
	if q := c.in.Queues[port]; q != "" {
		return q
	}
	return TaskQueue
}
