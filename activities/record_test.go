package activities

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

// Events keep their distance from each other, in business time: development
// may have moved its clock by weeks.
func TestRecordKeepsWhenThingsHappened(t *testing.T) {
	b := setup(t)
	flushed := time.Date(2026, 11, 1, 9, 0, 30, 0, time.UTC) // by the workflow's clock
	in := RecordInput{CoPay: copay.CoPay{UpdatedAt: flushed}, Trace: "t1", Events: []ledger.TimelineEvent{
		{At: flushed.Add(-30 * time.Second), Kind: "eligibility"}, {At: flushed, Kind: "sent"}}}
	require.NoError(t, b.run(b.a.Record, in, nil))
	got := b.s.records[0].Events
	require.Equal(t, b.a.now().Add(-30*time.Second), got[0].At)
	require.Equal(t, b.a.now(), got[1].At)
	require.Equal(t, "t1", b.s.records[0].TraceID)
}

func TestRecordRefusesAnUnknownRule(t *testing.T) {
	b := setup(t)
	require.Error(t, b.run(b.a.Record, RecordInput{Books: []Booking{{Rule: "magic", Step: "s", Amount: copay.Cents(1)}}}, nil))
	require.Empty(t, b.s.records)
}

// failing is a store that is away for some tries.
type failing struct {
	*store
	tries int
}

func (f *failing) Record(ctx context.Context, r ledger.Record) error {
	if f.tries--; f.tries >= 0 {
		return errors.New("connection refused")
	}
	return f.store.Record(ctx, r)
}

// The tries of a local activity share what they are given.
func TestARecordThatIsTriedAgainKeepsItsTimes(t *testing.T) {
	for _, tries := range []int{0, 3} {
		s := &store{}
		flushed := time.Date(2026, 11, 1, 9, 0, 30, 0, time.UTC)
		now := flushed.Add(time.Hour)
		a := &Activities{Store: &failing{s, tries}, Now: func() time.Time { return now }}
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestWorkflowEnvironment()
		env.ExecuteWorkflow(func(ctx workflow.Context) error {
			ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Second,
				RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Millisecond}})
			in := RecordInput{CoPay: copay.CoPay{ID: key.ID(), Key: key, State: copay.StateAwaitingPayment, UpdatedAt: flushed},
				Events: []ledger.TimelineEvent{{Kind: "requested", At: flushed}}}
			return workflow.ExecuteLocalActivity(ctx, a.Record, in).Get(ctx, nil)
		})
		require.NoError(t, env.GetWorkflowError())
		require.Equal(t, now, s.records[0].Events[0].At, "after %d failures", tries)
	}
}
