package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
)

// The workflows that belong to no single co-pay. Temporal Schedules start
// them; what one run leaves off at, the next finds as its last result.
const (
	PollEventsType       = "PollEvents"
	ArchiveHistoriesType = "ArchiveHistories"
)

var upkeep *activities.Upkeep

// PollInput names a platform whose events may have been missed.
type PollInput struct {
	Practice copay.PracticeID `json:"practice"`
	Platform copay.Platform   `json:"platform"`
	Queue    string           `json:"queue,omitempty"` // of a platform with a rate limit
}

const (
	// maxPages bounds one run; the next goes on where it ended.
	maxPages = 50
	// fullPage is a page after which more may follow, though it held nothing new.
	fullPage = 100
	// maxStale is how many such pages are read in a row.
	maxStale = 5
)

// PollEvents makes up for webhooks that were lost: it asks a platform for what
// happened since the last time and puts it into the inbox.
func PollEvents(ctx workflow.Context, in PollInput) (activities.Polled, error) {
	total := lastResult[activities.Polled](ctx)
	total.Found, total.Fresh = 0, 0
	queue := in.Queue
	if queue == "" {
		queue = TaskQueue
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: queue, StartToCloseTimeout: 2 * time.Minute, ScheduleToCloseTimeout: time.Hour,
		Summary:     "ask " + string(in.Platform) + " for missed events",
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 5 * time.Second, BackoffCoefficient: 2, MaximumInterval: 10 * time.Minute},
	})
	stale := 0 // pages in a row without news
	for i := range maxPages {
		var page activities.Polled
		err := workflow.ExecuteActivity(ctx, upkeep.PollEvents,
			activities.PollInput{Practice: in.Practice, Platform: in.Platform, Cursor: total.Cursor}).Get(ctx, &page)
		if err != nil && i > 0 { // such as a used up limit: the next run goes on from here
			workflow.GetLogger(ctx).Warn("not all missed events could be asked for", "platform", in.Platform, "pages", i)
			break
		}
		if err != nil {
			return total, err
		}
		if stale++; page.Fresh > 0 {
			stale = 0
		}
		done := page.Found == 0 || page.Cursor == total.Cursor || stale > 0 && (page.Found < fullPage || stale >= maxStale)
		total.Cursor, total.Found, total.Fresh = page.Cursor, total.Found+page.Found, total.Fresh+page.Fresh
		if done {
			break
		}
	}
	return total, nil
}

// ArchiveHistories copies what Temporal keeps for a while into the archive
// that is kept for years.
func ArchiveHistories(ctx workflow.Context) (activities.ArchivedRuns, error) {
	last := lastResult[activities.ArchivedRuns](ctx)
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Hour, HeartbeatTimeout: time.Minute, Summary: "archive closed histories",
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 5 * time.Second, BackoffCoefficient: 2, MaximumInterval: 10 * time.Minute, MaximumAttempts: 20},
	})
	var out activities.ArchivedRuns
	err := workflow.ExecuteActivity(ctx, upkeep.ArchiveHistories, activities.ArchiveInput{Since: last.Until}).Get(ctx, &out)
	return out, err
}

// lastResult is what the schedule's last successful run returned.
func lastResult[T any](ctx workflow.Context) T {
	var last T
	if workflow.HasLastCompletionResult(ctx) {
		if err := workflow.GetLastCompletionResult(ctx, &last); err != nil {
			var none T
			return none // a result of another version: start over, nothing is done twice
		}
	}
	return last
}
