package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

func readCommands(c *connection) []*cobra.Command {
	return []*cobra.Command{startCommand(c), getCommand(c), listCommand(c), watchCommand(c), timelineCommand(c)}
}

func startCommand(c *connection) *cobra.Command {
	var ehr, requestID string
	cmd := &cobra.Command{
		Use: "start CHARGE", Short: "Start the co-pay of a charge and wait a moment for its amount", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			requestID = orNew(requestID)
			return unsure(call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.StartCoPayResponse, error) {
				return copayv1.NewCoPayServiceClient(conn).StartCoPay(ctx, &copayv1.StartCoPayRequest{PracticeId: c.practice, Ehr: ehr, ChargeId: args[0], RequestId: requestID})
			}, func(w io.Writer, r *copayv1.StartCoPayResponse) {
				showCoPay(w, r.GetCopay())
				if !r.GetReady() {
					fmt.Fprintf(w, "  progress     %s\n", r.GetProgress())
				}
			}), requestID)
		},
	}
	cmd.Flags().StringVar(&ehr, "ehr", "drchrono", "the EHR that holds the charge")
	cmd.Flags().StringVar(&requestID, "request-id", "", "makes a repeated call happen once; made when empty")
	return cmd
}

func getCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "get COPAY", Short: "Show a co-pay: state, amounts and why, review, what happens next", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.GetCoPayResponse, error) {
				return copayv1.NewCoPayServiceClient(conn).GetCoPay(ctx, &copayv1.GetCoPayRequest{PracticeId: c.practice, CopayId: args[0]})
			}, func(w io.Writer, r *copayv1.GetCoPayResponse) { showCoPay(w, r.GetCopay()) })
		},
	}
}

func listCommand(c *connection) *cobra.Command {
	var states []string
	var rail string
	var review bool
	var p paging
	cmd := &cobra.Command{
		Use: "list", Short: "List co-pays, the latest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in := &copayv1.ListCoPaysRequest{PracticeId: c.practice, PageSize: p.size}
			for _, s := range states {
				v, err := enum("STATE_", s, copayv1.State_value)
				if err != nil {
					return err
				}
				in.States = append(in.States, copayv1.State(v))
			}
			if rail != "" {
				v, err := enum("RAIL_", rail, copayv1.Rail_value)
				if err != nil {
					return err
				}
				in.Rail = copayv1.Rail(v)
			}
			if review {
				in.NeedsReview = &review
			}
			return pages(cmd, c, &p, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.ListCoPaysResponse, error) {
				in.PageToken = p.token
				return copayv1.NewCoPayServiceClient(conn).ListCoPays(ctx, in)
			}, func(w io.Writer, r *copayv1.ListCoPaysResponse) { showCoPays(w, r.GetCopays()) })
		},
	}
	cmd.Flags().StringSliceVar(&states, "state", nil, "only these states, such as awaiting_payment")
	cmd.Flags().StringVar(&rail, "rail", "", "only this rail")
	cmd.Flags().BoolVar(&review, "review", false, "only those that need a person")
	p.flags(cmd)
	return cmd
}

func watchCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "watch COPAY", Short: "Follow a co-pay live until Ctrl-C", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, conn, err := c.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer conn.Close()
			stream, err := copayv1.NewCoPayServiceClient(conn).WatchCoPay(ctx, &copayv1.WatchCoPayRequest{PracticeId: c.practice, CopayId: args[0]})
			if err != nil {
				return say(err)
			}
			for {
				r, err := stream.Recv()
				if errors.Is(err, io.EOF) || cmd.Context().Err() != nil {
					return nil
				}
				if err != nil {
					return say(err)
				}
				if err := c.print(cmd.OutOrStdout(), r, func(w io.Writer) { showCoPay(w, r.GetCopay()) }); err != nil {
					return err
				}
			}
		},
	}
}

func timelineCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "timeline COPAY", Short: "Everything that happened to a co-pay, and who did it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.GetTimelineResponse, error) {
				return copayv1.NewCoPayServiceClient(conn).GetTimeline(ctx, &copayv1.GetTimelineRequest{PracticeId: c.practice, CopayId: args[0]})
			}, func(w io.Writer, r *copayv1.GetTimelineResponse) { showTimeline(w, r.GetEvents()) })
		},
	}
}
