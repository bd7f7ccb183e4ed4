package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

// house is Temporal, archive, inbox and platform in one.
type house struct {
	events   []integrations.Event
	received []ledger.InboxEvent
	runs     [][]activities.ClosedRun // pages
	kept     map[string][]byte
	fail     error
}

func (h *house) PollEvents(_ context.Context, cursor string) ([]integrations.Event, string, error) {
	return h.events, cursor + "+", h.fail
}

func (h *house) Receive(_ context.Context, _ copay.PracticeID, _ copay.Platform, events []ledger.InboxEvent) (int, error) {
	h.received = append(h.received, events...)
	return len(events) - 1, nil
}

func (h *house) Closed(_ context.Context, _ time.Time, page []byte) ([]activities.ClosedRun, []byte, error) {
	n := len(page)
	if n+1 < len(h.runs) {
		return h.runs[n], append(page, 'x'), nil
	}
	return h.runs[n], nil, nil
}

func (h *house) History(_ context.Context, run activities.ClosedRun) (copay.Key, []byte, error) {
	return copay.Key{Practice: "maple", EHR: "drchrono", Charge: copay.ChargeID(run.WorkflowID)}, []byte("history of " + run.RunID), h.fail
}

func (h *house) Archived(context.Context, copay.PracticeID, copay.ID) ([]ledger.ArchiveRow, error) {
	var out []ledger.ArchiveRow
	for id := range h.kept {
		out = append(out, ledger.ArchiveRow{RunID: id})
	}
	return out, nil
}

func (h *house) ArchiveHistory(_ context.Context, _ copay.PracticeID, _ copay.ID, runID string, _ time.Time, history, sum []byte) error {
	if len(sum) != 32 {
		return errors.New("no sha256")
	}
	h.kept[runID] = history
	return nil
}

var midday = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func upkeepOf(t *testing.T, h *house) (*testsuite.TestActivityEnvironment, *activities.Upkeep) {
	t.Helper()
	u := &activities.Upkeep{Inbox: h, Histories: h, Archive: h, Now: func() time.Time { return midday },
		Pollers: func(copay.PracticeID, copay.Platform) (integrations.EventPoller, error) { return h, nil }}
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	env.RegisterActivity(u)
	return env, u
}

func TestPolledEventsGoThroughTheInbox(t *testing.T) {
	t.Parallel()
	h := &house{events: []integrations.Event{{ID: "e1", Kind: integrations.EventChargeChanged, Address: "+13125550142"}, {ID: "e2"}}}
	env, u := upkeepOf(t, h)
	v, err := env.ExecuteActivity(u.PollEvents, activities.PollInput{Practice: "maple", Platform: "drchrono", Cursor: "c"})
	require.NoError(t, err)
	var out activities.Polled
	require.NoError(t, v.Get(&out))
	require.Equal(t, activities.Polled{Cursor: "c+", Found: 2, Fresh: 1}, out, "nothing of the events themselves reaches Temporal")
	require.Len(t, h.received, 2)
	require.Contains(t, string(h.received[0].Payload), "+13125550142", "the inbox seals it")
}

func TestPollThatFailsKeepsTheCursor(t *testing.T) {
	t.Parallel()
	h := &house{fail: &integrations.Error{Kind: integrations.KindUnavailable, Platform: "drchrono", Op: "list", Message: "down"}}
	env, u := upkeepOf(t, h)
	_, err := env.ExecuteActivity(u.PollEvents, activities.PollInput{Practice: "maple", Platform: "drchrono", Cursor: "c"})
	require.Error(t, err)
	require.Equal(t, integrations.KindUnavailable, activities.FailureOf(err).Kind)
	require.Empty(t, h.received)
}

func TestArchiveTakesEachRunOnce(t *testing.T) {
	t.Parallel()
	h := &house{kept: map[string][]byte{"run-1": []byte("as it was")}, runs: [][]activities.ClosedRun{
		{{WorkflowID: "1", RunID: "run-1"}, {WorkflowID: "2", RunID: "run-2"}}, {{WorkflowID: "3", RunID: "run-3"}}}}
	env, u := upkeepOf(t, h)
	v, err := env.ExecuteActivity(u.ArchiveHistories, activities.ArchiveInput{})
	require.NoError(t, err)
	var out activities.ArchivedRuns
	require.NoError(t, v.Get(&out))
	require.Equal(t, 2, out.Runs)
	require.True(t, out.Until.Before(midday), "lists lag behind what closed")
	require.Equal(t, "as it was", string(h.kept["run-1"]))
	require.Equal(t, "history of run-3", string(h.kept["run-3"]))
}
