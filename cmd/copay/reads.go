package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/copayflow/copayflow/copay"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

func readCommands(c *connection) []*cobra.Command {
	return []*cobra.Command{startCommand(c), getCommand(c), listCommand(c), watchCommand(c), timelineCommand(c)}
}

func startCommand(c *connection) *cobra.Command {
	var ehr, requestID string
	cmd := &cobra.Command{
		Use: "start CHARGE", Short: "Start the co-pay of a charge and wait a moment for its amount", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			requestID = orNew(requestID)
			var started *copayv1.CoPay
			err := c.unsure(call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.StartCoPayResponse, error) {
				r, err := copayv1.NewCoPayServiceClient(conn).StartCoPay(ctx, &copayv1.StartCoPayRequest{PracticeId: c.practice, Ehr: ehr, ChargeId: args[0], RequestId: requestID})
				started = r.GetCopay()
				return r, err
			}, func(w io.Writer, r *copayv1.StartCoPayResponse) {
				showCoPay(w, r.GetCopay())
				if !r.GetReady() {
					fmt.Fprintf(w, "  progress     %s\n", r.GetProgress())
				}
			}), requestID)
			if err == nil && started.GetReview().GetKind() == copayv1.ReviewKind_REVIEW_KIND_UNKNOWN_CHARGE {
				err = unknownCharge(started)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&ehr, "ehr", "drchrono", "the EHR that holds the charge")
	cmd.Flags().StringVar(&requestID, "request-id", "", "makes a repeated call happen once; made when empty")
	return cmd
}

// unknownCharge is what a start amounts to whose charge the EHR does not know: a
// mistyped number, mostly. The co-pay is there all the same, and waits.
func unknownCharge(c *copayv1.CoPay) error {
	st := status.New(codes.NotFound, fmt.Sprintf(`%s does not know the charge %s; co-pay %s waits for a person
  If the number is wrong:         copay cancel %s --reason …
  If it is corrected in the EHR:  copay review %s --reason … --choice retry`, c.GetEhr(), c.GetChargeId(), c.GetId(), c.GetId(), c.GetId()))
	// With a reason, as the API's own refusals have one.
	if d, err := st.WithDetails(&errdetails.ErrorInfo{Reason: strings.ToUpper(string(copay.CodeNotFound))}); err == nil {
		st = d
	}
	return refusal{st}
}

func getCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "get COPAY", Short: "Show a co-pay: state, amounts and why, review, what happens next", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.GetCoPayResponse, error) {
				return copayv1.NewCoPayServiceClient(conn).GetCoPay(ctx, &copayv1.GetCoPayRequest{PracticeId: c.practice, CopayId: args[0]})
			}, func(w io.Writer, r *copayv1.GetCoPayResponse) { showCoPay(w, r.GetCopay()) })
		},
	}
}

// wanted are list's filters as they are written.
type wanted struct {
	states        []string
	rail, kind    string
	review        bool
	ehr, patient  string
	visit         string
	from, to      string
	changedWithin time.Duration
}

func (f *wanted) flags(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.states, "state", nil, "only these states, such as awaiting_payment")
	cmd.Flags().StringVar(&f.rail, "rail", "", "only this rail")
	cmd.Flags().BoolVar(&f.review, "review", false, "only those that need a person")
	cmd.Flags().StringVar(&f.kind, "review-kind", "", "only reviews of this kind, such as unpaid")
	cmd.Flags().StringVar(&f.ehr, "ehr", "", "only charges of this EHR")
	cmd.Flags().StringVar(&f.patient, "patient", "", "only this patient, by the EHR's id")
	cmd.Flags().StringVar(&f.visit, "appointment", "", "only this appointment, by the EHR's id")
	cmd.Flags().StringVar(&f.from, "from", "", "visits from this day on, 2026-11-24")
	cmd.Flags().StringVar(&f.to, "to", "", "visits up to this day")
	cmd.Flags().DurationVar(&f.changedWithin, "changed-within", 0, "only those that changed lately, such as 2h")
	choose(cmd, "state", "STATE_", copayv1.State_value)
	choose(cmd, "rail", "RAIL_", copayv1.Rail_value)
	choose(cmd, "review-kind", "REVIEW_KIND_", copayv1.ReviewKind_value)
}

// request is the filters as the API takes them.
func (f *wanted) request(c *connection, size int32) (*copayv1.ListCoPaysRequest, error) {
	in := &copayv1.ListCoPaysRequest{PracticeId: c.practice, PageSize: size, Ehr: f.ehr, PatientRef: f.patient, AppointmentId: f.visit, ServiceFrom: f.from, ServiceTo: f.to}
	for _, s := range f.states {
		v, err := enum("--state", "STATE_", s, copayv1.State_value)
		if err != nil {
			return nil, err
		}
		in.States = append(in.States, copayv1.State(v))
	}
	if f.rail != "" {
		v, err := enum("--rail", "RAIL_", f.rail, copayv1.Rail_value)
		if err != nil {
			return nil, err
		}
		in.Rail = copayv1.Rail(v)
	}
	if f.kind != "" {
		v, err := enum("--review-kind", "REVIEW_KIND_", f.kind, copayv1.ReviewKind_value)
		if err != nil {
			return nil, err
		}
		in.Review = copayv1.ReviewKind(v)
	}
	if f.review {
		in.NeedsReview = &f.review
	}
	if _, _, err := (&period{f.from, f.to}).bounds(); err != nil {
		return nil, err
	}
	if f.changedWithin < 0 {
		return nil, usagef("--changed-within takes how long ago at most, such as 2h")
	}
	if f.changedWithin > 0 {
		in.UpdatedSince = timestamppb.New(time.Now().Add(-f.changedWithin))
	}
	return in, nil
}

func listCommand(c *connection) *cobra.Command {
	var f wanted
	var p paging
	cmd := &cobra.Command{
		Use: "list", Short: "List co-pays, the latest first", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := f.request(c, p.size)
			if err != nil {
				return err
			}
			return pages(cmd, c, &p, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.ListCoPaysResponse, error) {
				in.PageToken = p.token
				return copayv1.NewCoPayServiceClient(conn).ListCoPays(ctx, in)
			}, func(w io.Writer, r *copayv1.ListCoPaysResponse) { showCoPays(w, r.GetCopays()) })
		},
	}
	f.flags(cmd)
	p.flags(cmd)
	return cmd
}

func watchCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "watch COPAY", Short: "Follow a co-pay live until Ctrl-C", Args: exactly(1),
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
		Use: "timeline COPAY", Short: "Everything that happened to a co-pay, and who did it", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.GetTimelineResponse, error) {
				return copayv1.NewCoPayServiceClient(conn).GetTimeline(ctx, &copayv1.GetTimelineRequest{PracticeId: c.practice, CopayId: args[0]})
			}, func(w io.Writer, r *copayv1.GetTimelineResponse) { showTimeline(w, r.GetEvents()) })
		},
	}
}
