package worker_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/internal/temporalfake"
	"github.com/copayflow/copayflow/worker"
)

// polled is a practice whose EHR can be asked for missed events.
func polled(c *config.Config, every time.Duration) {
	c.Practices[0].Platforms["drchrono"] = map[string]any{"client_id": "id", "client_secret": "literal:s", "refresh_token": "literal:r", "webhook_secret": "literal:w"}
	c.Practices[0].CatchUp = every
	c.Practices[0].RateLimited = map[copay.Platform]float64{"drchrono": 1}
}

func TestSchedulesAreSetUpAndKeptUpToDate(t *testing.T) {
	t.Parallel()
	temporal := temporalfake.Start(t, nil)
	c := configured(t, temporal.Addr)
	polled(c, 15*time.Minute)
	p, log, err := open(t, c)
	require.NoError(t, err)
	require.NotContains(t, log.String(), `"platform":"drchrono"`, "it is set up")
	require.NoError(t, p.EnsureSchedules(t.Context()))
	poll := worker.PollSchedule("maple", "drchrono")
	require.ElementsMatch(t, []string{worker.ArchiveSchedule, poll}, slices.Collect(maps.Keys(temporal.Schedules())),
		"platforms that cannot be asked have none")
	require.Equal(t, 15*time.Minute, temporal.Schedules()[poll].GetSpec().GetInterval()[0].GetInterval().AsDuration())
	run := temporal.Schedules()[poll].GetAction().GetStartWorkflow()
	require.Equal(t, "PollEvents", run.GetWorkflowType().GetName())
	require.Equal(t, "binary/encrypted", string(run.GetInput().GetPayloads()[0].GetMetadata()["encoding"]))

	temporal.PauseSchedule(poll)
	c.Practices[0].CatchUp = time.Hour
	require.NoError(t, p.EnsureSchedules(t.Context()))
	require.Equal(t, time.Hour, temporal.Schedules()[poll].GetSpec().GetInterval()[0].GetInterval().AsDuration())
	require.True(t, temporal.Schedules()[poll].GetState().GetPaused(), "an operator's pause stays")
}

func TestAPracticeMayDoWithoutCatchingUp(t *testing.T) {
	t.Parallel()
	temporal := temporalfake.Start(t, nil)
	c := configured(t, temporal.Addr)
	polled(c, -time.Second)
	p, _, err := open(t, c)
	require.NoError(t, err)
	require.NoError(t, p.EnsureSchedules(t.Context()))
	require.Equal(t, []string{worker.ArchiveSchedule}, slices.Collect(maps.Keys(temporal.Schedules())))
}
