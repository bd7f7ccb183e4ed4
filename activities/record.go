package activities

import (
	"context"
	"slices"

	"go.temporal.io/sdk/activity"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/internal/tracing"
	"github.com/copayflow/copayflow/ledger"
)

// RecordInput is what the workflow wants kept.
type RecordInput struct {
	CoPay  copay.CoPay            `json:"copay"`
	Events []ledger.TimelineEvent `json:"events,omitempty"`
	Books  []Booking              `json:"books,omitempty"`
	// Task is how long the history was when the workflow asked for it.
	Task int `json:"task,omitempty"`
	// Trace is the id of the trace that started the co-pay, for where the steps
	// themselves are not traced.
	Trace string `json:"trace,omitempty"`
	// decided says that what comes next was decided while it was written, and is
	// not part of what the workflow asked for.
	decided bool
}

// Booking asks for one journal entry by the name of its rule.
type Booking struct {
	Rule   ledger.Rule `json:"rule"`
	Step   string      `json:"step"` // unique within the co-pay
	Amount copay.Money `json:"amount"`
	Rail   copay.Rail  `json:"rail,omitempty"`
}

// Record writes read model, timeline, audit row and journal in one
// transaction; the same version again is a no-op. It runs as a local activity,
// so it commits before Temporal has the task that asked for it: the ledger lets
// a task that is done again take the place of one that was lost.
func (a *Activities) Record(ctx context.Context, in RecordInput) error {
	now := a.now()
	// Events carry the workflow's time. They are kept in business time, which
	// development can move: as long before now as they were before this record.
	asked := in.CoPay.UpdatedAt
	shift := now.Sub(asked)
	in.CoPay.UpdatedAt = now
	r := ledger.Record{CoPay: in.CoPay, Version: in.CoPay.Counters.Version, Events: slices.Clone(in.Events), TraceID: tracing.ID(ctx),
		Run: activity.GetInfo(ctx).WorkflowExecution.RunID, Task: in.Task, Asked: asked, Decided: in.decided}
	if r.TraceID == "" {
		r.TraceID = in.Trace
	}
	for i := range r.Events {
		r.Events[i].At = r.Events[i].At.Add(shift)
	}
	for _, b := range in.Books {
		e, err := ledger.NewEntry(b.Rule, b.Step, now, b.Amount, b.Rail)
		if err != nil {
			return classify(err)
		}
		r.Entries = append(r.Entries, e)
	}
	return classify(a.Store.Record(ctx, r))
}
