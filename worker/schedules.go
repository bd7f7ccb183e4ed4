package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/dispatch"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/workflows"
)

// archiveEvery is how often closed histories are copied into the archive. It
// has to be well below Temporal's retention.
const archiveEvery = time.Hour

// PollSchedule is the id of the schedule that asks a platform for events whose
// webhook may have been lost.
func PollSchedule(practice copay.PracticeID, platform copay.Platform) string {
	return "poll/" + string(practice) + "/" + string(platform)
}

// ArchiveSchedule is the id of the schedule that archives histories.
const ArchiveSchedule = "archive"

// EnsureSchedules creates the schedules of the configured practices, or brings
// those that are there up to date. An operator's pause stays.
func (p *Process) EnsureSchedules(ctx context.Context) error {
	if err := ensure(ctx, p.Temporal, ArchiveSchedule, archiveEvery, client.ScheduleWorkflowAction{
		Workflow: workflows.ArchiveHistoriesType, StaticSummary: "archive closed histories"}); err != nil {
		return err
	}
	for i := range p.Config.Practices {
		practice := &p.Config.Practices[i]
		if practice.CatchUp < 0 {
			continue
		}
		for _, platform := range practice.Used() {
			if _, err := integrations.As[integrations.EventPoller](p.Directory, practice.ID, platform); err != nil {
				continue // it cannot be polled, or is not set up and was reported
			}
			in := workflows.PollInput{Practice: practice.ID, Platform: platform}
			if _, limited := practice.RateLimited[platform]; limited {
				in.Queue = config.Queue(platform)
			}
			err := ensure(ctx, p.Temporal, PollSchedule(practice.ID, platform), practice.CatchUp, client.ScheduleWorkflowAction{
				Workflow: workflows.PollEventsType, Args: []any{in}, StaticSummary: "ask " + string(platform) + " for missed events",
				Priority: temporal.Priority{PriorityKey: dispatch.PriorityBatch, FairnessKey: string(practice.ID)}})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func ensure(ctx context.Context, c client.Client, id string, every time.Duration, action client.ScheduleWorkflowAction) error {
	action.ID, action.TaskQueue = id, workflows.TaskQueue
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}, Jitter: every / 10}
	_, err := c.ScheduleClient().Create(ctx, client.ScheduleOptions{ID: id, Spec: spec, Action: &action})
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		err = c.ScheduleClient().GetHandle(ctx, id).Update(ctx, client.ScheduleUpdateOptions{
			DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
				next := in.Description.Schedule
				next.Spec, next.Action = &spec, &action
				return &client.ScheduleUpdate{Schedule: &next}, nil
			}})
	}
	if err != nil {
		return fmt.Errorf("the schedule %s cannot be set up: %w", id, err)
	}
	return nil
}
