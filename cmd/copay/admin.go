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
	return []*cobra.Command{
		group("platforms", "What is connected", platformListCommand(c), platformTestCommand(c)),
		group("inbox", "Events from platforms", deadCommand(c), replayCommand(c), dismissCommand(c), statsCommand(c)),
	}
}

func platformListCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The practice's platforms, what they are used for and what they can do", Args: exactly(0),
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

func statsCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "stats", Short: "What waits in the inbox", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.GetInboxStatsResponse, error) {
				return copayv1.NewInboxServiceClient(conn).GetInboxStats(ctx, &copayv1.GetInboxStatsRequest{PracticeId: c.practice})
			}, func(w io.Writer, r *copayv1.GetInboxStatsResponse) {
				table(w, "PLATFORM PENDING DEAD OLDEST", func(line func(...string)) {
					for _, s := range r.GetStats() {
						line(s.GetPlatform(), fmt.Sprint(s.GetPending()), fmt.Sprint(s.GetDead()), at(s.GetOldest()))
					}
				})
			})
		},
	}
}
