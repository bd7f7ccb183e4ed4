package activities

import (
	"cmp"
	"context"
	"crypto/sha256"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/internal/tracing"
	"github.com/copayflow/copayflow/ledger"
)

// Inbox takes events in, whether they were pushed or polled.
type Inbox interface {
	Receive(ctx context.Context, practice copay.PracticeID, platform copay.Platform, events []ledger.InboxEvent) (fresh int, err error)
}

// Archive keeps the histories of closed runs for years.
type Archive interface {
	Archived(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]ledger.ArchiveRow, error)
	ArchiveHistory(ctx context.Context, practice copay.PracticeID, id copay.ID, runID string, closedAt time.Time, history, sum []byte) error
}

// ClosedRun is a closed run of a co-pay's workflow.
type ClosedRun struct {
	WorkflowID, RunID string
	ClosedAt          time.Time
}

// Histories reads closed runs from Temporal.
type Histories interface {
	// Closed lists runs of co-pays that closed at or after since, page by page.
	Closed(ctx context.Context, since time.Time, page []byte) (runs []ClosedRun, next []byte, err error)
	// History is a run as Temporal's JSON, its payloads still encrypted, and the
	// co-pay it belongs to.
	History(ctx context.Context, run ClosedRun) (copay.Key, []byte, error)
}

// Upkeep holds the steps that belong to no single co-pay.
type Upkeep struct {
	Inbox     Inbox
	Pollers   func(copay.PracticeID, copay.Platform) (integrations.EventPoller, error)
	Histories Histories
	Archive   Archive
	Now       func() time.Time // of Temporal's times, so never a clock that can be moved
}

// PollInput asks a platform for events after a cursor; an empty one starts now.
type PollInput struct {
	Practice copay.PracticeID `json:"practice"`
	Platform copay.Platform   `json:"platform"`
	Cursor   string           `json:"cursor,omitempty"`
}

// Polled is what a poll brought.
type Polled struct {
	Cursor string `json:"cursor"`
	Found  int    `json:"found"`
	Fresh  int    `json:"fresh"` // of them not known by their id
}

// PollEvents puts the events after a cursor into the inbox, one page. Those
// whose webhook came are known there by their id and stay single, where the
// platform lists events; where it lists changes (QuickBooks), they come again
// under another id.
func (u *Upkeep) PollEvents(ctx context.Context, in PollInput) (Polled, error) {
	p, err := u.Pollers(in.Practice, in.Platform)
	if err != nil {
		return Polled{}, classify(err)
	}
	events, next, err := p.PollEvents(ctx, in.Cursor)
	if err != nil {
		return Polled{}, classify(err)
	}
	rows, err := ledger.NewInboxEvents(events, tracing.Parent(ctx))
	if err != nil {
		return Polled{}, classify(err)
	}
	fresh, err := u.Inbox.Receive(ctx, in.Practice, in.Platform, rows)
	if err != nil {
		return Polled{}, classify(err)
	}
	return Polled{Cursor: next, Found: len(events), Fresh: fresh}, nil
}

// ArchiveInput asks for the runs that closed at or after Since.
type ArchiveInput struct {
	Since time.Time `json:"since,omitzero"`
}

// ArchivedRuns is what an archiving brought.
type ArchivedRuns struct {
	// Until is where the next archiving starts.
	Until time.Time `json:"until"`
	Runs  int       `json:"runs"`
}

// visibilityLag is how long a closed run may be missing from Temporal's lists.
const visibilityLag = 10 * time.Minute

// ArchiveHistories copies the histories of closed runs into the archive. A run
// that is there already stays as it is. One that cannot be read, such as with a
// key that was taken out too early, keeps no other from being archived, and is
// tried again until it can be.
func (u *Upkeep) ArchiveHistories(ctx context.Context, in ArchiveInput) (ArchivedRuns, error) {
	out := ArchivedRuns{Until: u.Now().Add(-visibilityLag)}
	var page []byte
	var failed error
	for {
		runs, next, err := u.Histories.Closed(ctx, in.Since, page)
		if err != nil {
			return out, classify(err)
		}
		for _, run := range runs {
			fresh, err := u.archive(ctx, run)
			if err != nil {
				failed = cmp.Or(failed, err)
				activity.GetLogger(ctx).Error("a history cannot be archived", "workflow_id", run.WorkflowID, "run_id", run.RunID, "error", err)
			}
			if fresh && err == nil {
				out.Runs++
			}
			activity.RecordHeartbeat(ctx, out.Runs)
		}
		if page = next; len(page) == 0 || ctx.Err() != nil {
			return out, classify(failed)
		}
	}
}

func (u *Upkeep) archive(ctx context.Context, run ClosedRun) (fresh bool, err error) {
	key, history, err := u.Histories.History(ctx, run)
	if err != nil {
		return false, err
	}
	have, err := u.Archive.Archived(ctx, key.Practice, key.ID())
	if err != nil {
		return false, err
	}
	for _, h := range have {
		if h.RunID == run.RunID {
			return false, nil
		}
	}
	sum := sha256.Sum256(history)
	return true, u.Archive.ArchiveHistory(ctx, key.Practice, key.ID(), run.RunID, run.ClosedAt, history, sum[:])
}
