// Command copay-dev is Copayflow on a laptop: PostgreSQL, Temporal with its
// UI, the sandbox, the API and a worker in one process tree.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/stack"
	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/copay"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "copay-dev:", err)
		stop()
		os.Exit(1) //nolint:gocritic // nothing is left to defer
	}
}

func root() *cobra.Command {
	var file string
	cmd := &cobra.Command{Use: "copay-dev", Short: "Copayflow on a laptop", SilenceUsage: true, SilenceErrors: true}
	cmd.PersistentFlags().StringVar(&file, "temporal-config", "temporal-dev.yaml", "ports, namespace and search attributes")
	cmd.AddCommand(upCommand(&file), demoCommand(&file), clockCommand(), historiesCommand(&file), benchCommand(&file))
	return cmd
}

func loadTemporal(file string) (config.TemporalDev, error) { return config.LoadTemporalDev(file) }

// historyLength is how many events a co-pay's workflow has, over all its runs:
// news of a settled co-pay begins another.
func historyLength(ctx context.Context, s *stack.Stack, key copay.Key) (int64, error) {
	c, n := s.Process.Temporal, int64(0)
	runs, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: fmt.Sprintf("WorkflowId = '%s'", key.WorkflowID())})
	if err != nil {
		return 0, err
	}
	for _, run := range runs.GetExecutions() {
		iter := c.GetWorkflowHistory(ctx, key.WorkflowID(), run.GetExecution().GetRunId(), false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for iter.HasNext() {
			if _, err := iter.Next(); err != nil {
				return 0, err
			}
			n++
		}
	}
	return n, nil
}
