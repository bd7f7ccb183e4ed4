package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

// broken is a house in which one thing does not work.
type broken struct {
	*house
	at string
}

var errBroken = errors.New("database: password=hunter2")

func (b broken) fails(at string) error {
	if b.at == at {
		return errBroken
	}
	return nil
}

func (b broken) Receive(ctx context.Context, p copay.PracticeID, pl copay.Platform, e []ledger.InboxEvent) (int, error) {
	n, err := b.house.Receive(ctx, p, pl, e)
	return n, errors.Join(err, b.fails("inbox"))
}

func (b broken) Closed(ctx context.Context, since time.Time, page []byte) ([]activities.ClosedRun, []byte, error) {
	runs, next, err := b.house.Closed(ctx, since, page)
	return runs, next, errors.Join(err, b.fails("list"))
}

func (b broken) History(ctx context.Context, run activities.ClosedRun) (copay.Key, []byte, error) {
	key, history, err := b.house.History(ctx, run)
	return key, history, errors.Join(err, b.fails("history"))
}

func (b broken) Archived(ctx context.Context, p copay.PracticeID, id copay.ID) ([]ledger.ArchiveRow, error) {
	rows, err := b.house.Archived(ctx, p, id)
	return rows, errors.Join(err, b.fails("archived"))
}

func (b broken) ArchiveHistory(ctx context.Context, p copay.PracticeID, id copay.ID, run string, at time.Time, history, sum []byte) error {
	return errors.Join(b.fails("archive"), b.house.ArchiveHistory(ctx, p, id, run, at, history, sum))
}

// What fails is tried again from where it was, and its text stays here.
func TestUpkeepThatFailsSaysSoWithoutSecrets(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"poller", "inbox", "list", "history", "archived", "archive"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			h := &house{events: []integrations.Event{{ID: "e1"}}, kept: map[string][]byte{}, runs: [][]activities.ClosedRun{{{WorkflowID: "1", RunID: "run-1"}}}}
			env, u := upkeepOf(t, h)
			b := broken{h, at}
			u.Inbox, u.Histories, u.Archive = b, b, b
			if at == "poller" {
				u.Pollers = func(copay.PracticeID, copay.Platform) (integrations.EventPoller, error) { return nil, errBroken }
			}
			var err error
			if at == "poller" || at == "inbox" {
				_, err = env.ExecuteActivity(u.PollEvents, activities.PollInput{Practice: "maple", Platform: "drchrono", Cursor: "c"})
			} else {
				_, err = env.ExecuteActivity(u.ArchiveHistories, activities.ArchiveInput{})
			}
			require.Error(t, err)
			require.Equal(t, integrations.KindUnavailable, activities.FailureOf(err).Kind)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

// unreadable is a house with one run that no configured key opens.
type unreadable struct {
	*house
	run string
}

func (u unreadable) History(ctx context.Context, run activities.ClosedRun) (copay.Key, []byte, error) {
	if run.RunID == u.run {
		return copay.Key{}, nil, errBroken
	}
	return u.house.History(ctx, run)
}

// A history that cannot be read keeps no other from the archive, and is not
// passed over either.
func TestOneUnreadableHistoryHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	h := &house{kept: map[string][]byte{}, runs: [][]activities.ClosedRun{{{WorkflowID: "1", RunID: "run-1"}, {WorkflowID: "2", RunID: "run-2"}}, {{WorkflowID: "3", RunID: "run-3"}}}}
	env, u := upkeepOf(t, h)
	u.Histories = unreadable{h, "run-1"}
	_, err := env.ExecuteActivity(u.ArchiveHistories, activities.ArchiveInput{})
	require.Error(t, err, "the next one begins where this one did")
	require.Len(t, h.kept, 2)
}
