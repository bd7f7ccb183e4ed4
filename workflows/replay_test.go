package workflows_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/workflows"
)

// replayer runs recorded histories through a workflow function. The recorded
// payloads are plain: they come from a throw-away stack with invented people.
func replayer(t *testing.T, f any) sdkworker.WorkflowReplayer {
	t.Helper()
	r, err := sdkworker.NewWorkflowReplayerWithOptions(sdkworker.WorkflowReplayerOptions{DataConverter: converter.GetDefaultDataConverter()})
	require.NoError(t, err)
	r.RegisterWorkflowWithOptions(f, workflow.RegisterOptions{Name: workflows.CoPayType})
	return r
}

func histories(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/histories/*/*.json") // a folder for each number of rules
	require.NoError(t, err)
	require.NotEmpty(t, files, "no recorded histories: run 'make histories'")
	return files
}

// TestReplay proves that today's code follows every recorded history. When it
// fails, running co-pays would get stuck: put the change behind a version.
func TestReplay(t *testing.T) {
	for _, file := range histories(t) {
		t.Run(strings.TrimPrefix(file, "testdata/histories/"), func(t *testing.T) {
			t.Parallel()
			require.NoError(t, replayer(t, workflows.CoPay).ReplayWorkflowHistoryFromJSONFile(nil, file))
		})
	}
}

// TestReplayNoticesAnIncompatibleChange proves that the check above can fail:
// a workflow that first waits must not follow a recorded history.
func TestReplayNoticesAnIncompatibleChange(t *testing.T) {
	changed := func(ctx workflow.Context, in workflows.Input) (workflows.Result, error) {
		if err := workflow.Sleep(ctx, 1); err != nil {
			return workflows.Result{}, err
		}
		return workflows.CoPay(ctx, in)
	}
	require.Error(t, replayer(t, changed).ReplayWorkflowHistoryFromJSONFile(nil, histories(t)[0]))
}

// TestReplayedHistoriesHoldNoRealPeople keeps the fixtures honest.
func TestReplayedHistoriesHoldNoRealPeople(t *testing.T) {
	for _, file := range histories(t) {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotContains(t, string(raw), "@gmail")
	}
}
