package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

func historiesCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "histories COPAY", Short: "The archived workflow histories of a co-pay", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.ListHistoriesResponse, error) {
				return copayv1.NewAuditServiceClient(conn).ListHistories(ctx, &copayv1.ListHistoriesRequest{PracticeId: c.practice, CopayId: args[0]})
			}, func(w io.Writer, r *copayv1.ListHistoriesResponse) {
				if len(r.GetHistories()) == 0 {
					fmt.Fprintln(w, "None yet: a history is archived within the hour after its run has closed.")
					return
				}
				table(w, "RUN CLOSED BYTES SHA256", func(line func(...string)) {
					for _, h := range r.GetHistories() {
						line(h.GetRunId(), at(h.GetClosedAt()), fmt.Sprint(h.GetSize()), h.GetSha256())
					}
				})
			})
		},
	}
}

func historyCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "history COPAY RUN", Short: "One archived history as JSON of Temporal's own tools, payloads encrypted; fails when it was altered", Args: exactly(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.GetHistoryResponse, error) {
				return copayv1.NewAuditServiceClient(conn).GetHistory(ctx, &copayv1.GetHistoryRequest{PracticeId: c.practice, CopayId: args[0], RunId: args[1]})
			}, func(w io.Writer, r *copayv1.GetHistoryResponse) { fmt.Fprintln(w, string(r.GetJson())) })
		},
	}
}
