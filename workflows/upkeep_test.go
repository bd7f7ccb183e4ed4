package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/workflows"
)

// pages answers polls with one prepared page after another.
type pages struct {
	list  []activities.Polled
	asked []string
	err   error
	// refuse is the call from which on the platform refuses; 0: none.
	refuse int
}

func (p *pages) PollEvents(_ context.Context, in activities.PollInput) (activities.Polled, error) {
	p.asked = append(p.asked, in.Cursor)
	if p.err != nil {
		return activities.Polled{}, p.err
	}
	if p.refuse > 0 && len(p.asked) >= p.refuse {
		return activities.Polled{}, temporal.NewNonRetryableApplicationError("too many calls", "rate_limited", nil)
	}
	page := p.list[0]
	if len(p.list) > 1 {
		p.list = p.list[1:]
	}
	return page, nil
}

func poll(t *testing.T, p *pages, last *activities.Polled) (activities.Polled, error) {
	t.Helper()
	env := (&testsuite.WorkflowTestSuite{}).NewTestWorkflowEnvironment()
	env.RegisterActivity(p)
	if last != nil {
		env.SetLastCompletionResult(*last)
	}
	env.ExecuteWorkflow(workflows.PollEvents, workflows.PollInput{Practice: "maple", Platform: "stripe"})
	var out activities.Polled
	if err := env.GetWorkflowError(); err != nil {
		return out, err
	}
	return out, env.GetWorkflowResult(&out)
}

func TestPollGoesOnWhereTheLastRunEnded(t *testing.T) {
	t.Parallel()
	p := &pages{list: []activities.Polled{{Cursor: "b", Found: 3, Fresh: 1}, {Cursor: "b"}}}
	out, err := poll(t, p, &activities.Polled{Cursor: "a", Found: 9, Fresh: 9})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, p.asked)
	require.Equal(t, activities.Polled{Cursor: "b", Found: 3, Fresh: 1}, out)
}

func TestPollReadsOnPastKnownPages(t *testing.T) {
	t.Parallel()
	known := activities.Polled{Found: 100}
	for name, tc := range map[string]struct {
		list  []activities.Polled
		calls int
	}{
		"nothing":                      {[]activities.Polled{{Cursor: "a"}}, 1},
		"a few known ones":             {[]activities.Polled{{Cursor: "b", Found: 4}}, 1},
		"a full page of known ones":    {[]activities.Polled{{Cursor: "b", Found: 100}, {Cursor: "c", Found: 2, Fresh: 2}, {Cursor: "c"}}, 3},
		"a cursor that does not move":  {[]activities.Polled{{Cursor: "", Found: 5, Fresh: 5}}, 1},
		"no end of known ones":         {[]activities.Polled{{Cursor: "1", Found: 100}, {Cursor: "2", Found: 100}, {Cursor: "3", Found: 100}, {Cursor: "4", Found: 100}, {Cursor: "5", Found: 100}, known}, 5},
		"fresh ones before the others": {[]activities.Polled{{Cursor: "b", Found: 100, Fresh: 100}, {Cursor: "c", Found: 1}}, 2},
	} {
		p := &pages{list: tc.list}
		_, err := poll(t, p, nil)
		require.NoError(t, err, name)
		require.Len(t, p.asked, tc.calls, name)
	}
}

func TestPollOfARefusingPlatformFails(t *testing.T) {
	t.Parallel()
	p := &pages{err: temporal.NewNonRetryableApplicationError("credentials refused", "unauthorized", nil)}
	_, err := poll(t, p, nil)
	require.ErrorContains(t, err, "credentials refused")
}

// What was read counts, or a platform that refuses after some pages would be asked
// for the same ones for ever.
func TestPollKeepsWhatItReadBeforeARefusal(t *testing.T) {
	t.Parallel()
	p := &pages{list: []activities.Polled{{Cursor: "b", Found: 100, Fresh: 100}, {Cursor: "c", Found: 100, Fresh: 100}}, refuse: 3}
	out, err := poll(t, p, &activities.Polled{Cursor: "a"})
	require.NoError(t, err)
	require.Equal(t, activities.Polled{Cursor: "c", Found: 200, Fresh: 200}, out)
	require.Equal(t, []string{"a", "b", "c"}, p.asked)
}

type archiver struct {
	since []time.Time
	fail  int
}

func (a *archiver) ArchiveHistories(_ context.Context, in activities.ArchiveInput) (activities.ArchivedRuns, error) {
	a.since = append(a.since, in.Since)
	if a.fail > 0 {
		a.fail--
		return activities.ArchivedRuns{}, errors.New("down")
	}
	return activities.ArchivedRuns{Until: in.Since.Add(time.Hour), Runs: 2}, nil
}

func TestArchivingGoesOnWhereItEndedAndOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	a := &archiver{fail: 2}
	env := (&testsuite.WorkflowTestSuite{}).NewTestWorkflowEnvironment()
	env.RegisterActivity(a)
	from := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	env.SetLastCompletionResult(activities.ArchivedRuns{Until: from})
	env.ExecuteWorkflow(workflows.ArchiveHistories)
	require.NoError(t, env.GetWorkflowError())
	var out activities.ArchivedRuns
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, from.Add(time.Hour), out.Until)
	require.Equal(t, []time.Time{from, from, from}, a.since)
}
