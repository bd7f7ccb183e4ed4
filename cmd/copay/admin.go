package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

func adminCommands(c *connection) []*cobra.Command {
	platforms := &cobra.Command{Use: "platforms", Short: "What is connected"}
	platforms.AddCommand(platformListCommand(c), platformTestCommand(c))
	inbox := &cobra.Command{Use: "inbox", Short: "Events from platforms"}
	inbox.AddCommand(deadCommand(c), replayCommand(c), statsCommand(c))
	return []*cobra.Command{platforms, inbox}
}

func platformListCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The practice's platforms, what they are used for and what they can do", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.ListPlatformsResponse, error) {
				return copayv1.NewPlatformServiceClient(conn).ListPlatforms(ctx, &copayv1.ListPlatformsRequest{PracticeId: c.practice})
			}, func(w io.Writer, r *copayv1.ListPlatformsResponse) {
				table(w, "PLATFORM OK USED_FOR CAN PROBLEM", func(line func(...string)) {
					for _, p := range r.GetPlatforms() {
						line(p.GetName(), fmt.Sprint(p.GetOk()), strings.Join(p.GetPorts(), ", "), strings.Join(p.GetCapabilities(), ", "), p.GetProblem())
					}
				})
			})
		},
	}
}

func platformTestCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "test PLATFORM", Short: "Check a platform's credentials with one harmless call", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var r *copayv1.TestConnectionResponse
			err := call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.TestConnectionResponse, error) {
				var err error
				r, err = copayv1.NewPlatformServiceClient(conn).TestConnection(ctx, &copayv1.TestConnectionRequest{PracticeId: c.practice, Platform: args[0]})
				return r, err
			}, func(w io.Writer, r *copayv1.TestConnectionResponse) {
				fmt.Fprintf(w, "%s: %s\n", args[0], r.GetMessage())
			})
			if err == nil && !r.GetOk() {
				err = fmt.Errorf("%s cannot be used (%s)", args[0], r.GetFailure())
			}
			return err
		},
	}
}

func deadCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "dead", Short: "Events that could not be delivered, and why", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.ListDeadLettersResponse, error) {
				return copayv1.NewInboxServiceClient(conn).ListDeadLetters(ctx, &copayv1.ListDeadLettersRequest{PracticeId: c.practice, PageSize: 100})
			}, func(w io.Writer, r *copayv1.ListDeadLettersResponse) {
				table(w, "ID RECEIVED PLATFORM KIND TRIES WHY", func(line func(...string)) {
					for _, d := range r.GetDeadLetters() {
						line(fmt.Sprint(d.GetInboxId()), when(d.GetReceivedAt()), d.GetPlatform(), d.GetKind(), fmt.Sprint(d.GetAttempts()), d.GetLastError())
					}
				})
			})
		},
	}
}

func replayCommand(c *connection) *cobra.Command {
	var reason, requestID string
	cmd := &cobra.Command{
		Use: "replay ID", Short: "Deliver a dead letter again, once its cause is mended", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var id int64
			if _, err := fmt.Sscan(args[0], &id); err != nil || id <= 0 {
				return usagef("%q is not an id of 'copay inbox dead'", args[0])
			}
			return call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.ReplayEventResponse, error) {
				return copayv1.NewInboxServiceClient(conn).ReplayEvent(ctx, &copayv1.ReplayEventRequest{PracticeId: c.practice, InboxId: id, Reason: reason, RequestId: orNew(requestID)})
			}, func(w io.Writer, _ *copayv1.ReplayEventResponse) { fmt.Fprintf(w, "event %d is delivered again\n", id) })
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it stands in the audit log")
	cmd.Flags().StringVar(&requestID, "request-id", "", "makes a repeated call happen once; made when empty")
	_ = cmd.MarkFlagRequired("reason") // the flag was just defined
	return cmd
}

func statsCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "stats", Short: "What waits in the inbox", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.GetInboxStatsResponse, error) {
				return copayv1.NewInboxServiceClient(conn).GetInboxStats(ctx, &copayv1.GetInboxStatsRequest{PracticeId: c.practice})
			}, func(w io.Writer, r *copayv1.GetInboxStatsResponse) {
				table(w, "PLATFORM PENDING DEAD OLDEST", func(line func(...string)) {
					for _, s := range r.GetStats() {
						line(s.GetPlatform(), fmt.Sprint(s.GetPending()), fmt.Sprint(s.GetDead()), when(s.GetOldest()))
					}
				})
			})
		},
	}
}
