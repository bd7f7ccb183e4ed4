package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
	"github.com/copayflow/copayflow/workflows"
)

// staffAct is the part that every act has.
type staffAct struct {
	c                 *connection
	reason, requestID string
	also              string // what else there is to say of it
}

// holder is an answer that holds the co-pay as it is after the act.
type holder interface {
	proto.Message
	GetCopay() *copayv1.CoPay
}

// act makes one act's command. run is given the co-pay's id and the act's
// remaining arguments.
func act[A holder](c *connection, use, what string, args int, run func(ctx context.Context, api copayv1.CoPayServiceClient, a *staffAct, args []string) (A, error)) *cobra.Command {
	a := &staffAct{c: c}
	cmd := &cobra.Command{
		Use: use, Short: what, Args: exactly(args),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.requestID = orNew(a.requestID)
			return c.unsure(call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (A, error) {
				return run(ctx, copayv1.NewCoPayServiceClient(conn), a, args)
			}, func(w io.Writer, r A) {
				showCoPay(w, r.GetCopay())
				if a.also != "" {
					fmt.Fprintf(w, "  NOTE         %s\n", oneLine(a.also))
				}
			}), a.requestID)
		},
	}
	because(cmd, &a.reason, &a.requestID)
	return cmd
}

func actCommands(c *connection) []*cobra.Command {
	return []*cobra.Command{
		overrideCommand(c), payCommand(c), railCommand(c), refundCommand(c), approveCommand(c), reviewCommand(c), noteCommand(c), resendCommand(c),
		act(c, "waive COPAY", "Give the amount up", 1, func(ctx context.Context, api copayv1.CoPayServiceClient, a *staffAct, args []string) (*copayv1.WaiveCoPayResponse, error) {
			return api.WaiveCoPay(ctx, &copayv1.WaiveCoPayRequest{PracticeId: c.practice, CopayId: args[0], RequestId: a.requestID, Reason: a.reason})
		}),
		act(c, "pause COPAY", "Stop reminders for now", 1, func(ctx context.Context, api copayv1.CoPayServiceClient, a *staffAct, args []string) (*copayv1.PauseRemindersResponse, error) {
			return api.PauseReminders(ctx, &copayv1.PauseRemindersRequest{PracticeId: c.practice, CopayId: args[0], RequestId: a.requestID, Reason: a.reason})
		}),
		act(c, "resume COPAY", "Let reminders go on", 1, func(ctx context.Context, api copayv1.CoPayServiceClient, a *staffAct, args []string) (*copayv1.ResumeRemindersResponse, error) {
			return api.ResumeReminders(ctx, &copayv1.ResumeRemindersRequest{PracticeId: c.practice, CopayId: args[0], RequestId: a.requestID, Reason: a.reason})
		}),
		act(c, "cancel COPAY", "Withdraw the co-pay and undo what was done", 1, func(ctx context.Context, api copayv1.CoPayServiceClient, a *staffAct, args []string) (*copayv1.CancelCoPayResponse, error) {
			return api.CancelCoPay(ctx, &copayv1.CancelCoPayRequest{PracticeId: c.practice, CopayId: args[0], RequestId: a.requestID, Reason: a.reason})
		}),
	}
}

func overrideCommand(c *connection) *cobra.Command {
	var dollars string
	cmd := act(c, "override COPAY", "Ask for another amount", 1, func(ctx context.Context, api copayv1.CoPayServiceClient, a *staffAct, args []string) (*copayv1.OverrideAmountResponse, error) {
		m, err := amount("--amount", dollars)
		if err != nil {
			return nil, err
		}
		return api.OverrideAmount(ctx, &copayv1.OverrideAmountRequest{PracticeId: c.practice, CopayId: args[0], RequestId: a.requestID, Reason: a.reason, Amount: m})
	})
	cmd.Flags().StringVar(&dollars, "amount", "", "dollars, such as 25.00")
	_ = cmd.MarkFlagRequired("amount") // the flag was just defined
	return cmd
}

// atTheDesk are the rails by which money is taken there.
var atTheDesk = map[string]int32{"RAIL_CASH": int32(copayv1.Rail_RAIL_CASH), "RAIL_CHECK": int32(copayv1.Rail_RAIL_CHECK), "RAIL_TERMINAL": int32(copayv1.Rail_RAIL_TERMINAL)}

func payCommand(c *connection) *cobra.Command {
	var dollars, rail, received, number string
	cmd := act(c, "pay COPAY", "Record money taken at the desk", 1, func(ctx context.Context, api copayv1.CoPayServiceClient, a *staffAct, args []string) (*copayv1.RecordManualPaymentResponse, error) {
		m, err := amount("--amount", dollars)
		if err != nil {
			return nil, err
		}
		r, err := enum("--rail", "RAIL_", rail, atTheDesk)
		if err != nil {
			return nil, err
		}
		if _, err := dayStart("--received", received, 0); err != nil {
			return nil, err
		}
		return api.RecordManualPayment(ctx, &copayv1.RecordManualPaymentRequest{PracticeId: c.practice, CopayId: args[0], RequestId: a.requestID, Reason: a.reason,
			Rail: copayv1.Rail(r), Amount: m, Received: received, Number: number})
	})
	cmd.Flags().StringVar(&dollars, "amount", "", "dollars, such as 25.00")
	cmd.Flags().StringVar(&rail, "rail", "cash", "cash, check or terminal")
	_ = cmd.RegisterFlagCompletionFunc("rail", cobra.FixedCompletions([]cobra.Completion{"cash", "check", "terminal"}, cobra.ShellCompDirectiveNoFileComp)) // the flag was just defined
	cmd.Flags().StringVar(&received, "received", "", "day it was taken, 2026-11-24; today when empty")
	cmd.Flags().StringVar(&number, "number", "", "check or receipt number")
	_ = cmd.MarkFlagRequired("amount") // the flag was just defined
	return cmd
}

func railCommand(c *connection) *cobra.Command {
	return act(c, "rail COPAY RAIL", "Collect in another way: link, card_on_file, cash, check, terminal", 2, func(ctx context.Context, api copayv1.CoPayServiceClient, a *staffAct, args []string) (*copayv1.ChangeRailResponse, error) {
		r, err := enum("RAIL", "RAIL_", args[1], copayv1.Rail_value)
		if err != nil {
			return nil, err
		}
		return api.ChangeRail(ctx, &copayv1.ChangeRailRequest{PracticeId: c.practice, CopayId: args[0], RequestId: a.requestID, Reason: a.reason, Rail: copayv1.Rail(r)})
	})
}

func refundCommand(c *connection) *cobra.Command {
	var dollars, payment string
	cmd := act(c, "refund COPAY", "Give collected money back", 1, func(ctx context.Context, api copayv1.CoPayServiceClient, a *staffAct, args []string) (*copayv1.RefundPaymentResponse, error) {
		m, err := amount("--amount", dollars)
		if err != nil {
			return nil, err
		}
		return api.RefundPayment(ctx, &copayv1.RefundPaymentRequest{PracticeId: c.practice, CopayId: args[0], RequestId: a.requestID, Reason: a.reason, Amount: m, PaymentId: payment})
	})
	cmd.Flags().StringVar(&dollars, "amount", "", "dollars, such as 25.00")
	cmd.Flags().StringVar(&payment, "payment", "", "payment id, when there are several")
	_ = cmd.MarkFlagRequired("amount") // the flag was just defined
	return cmd
}

// heldBack is why what staff wanted sent again has to wait, by the timeline; empty
// when it does not, or when that cannot be read.
func heldBack(ctx context.Context, api copayv1.CoPayServiceClient, practice, id string) (why string) {
	r, err := api.GetTimeline(ctx, &copayv1.GetTimelineRequest{PracticeId: practice, CopayId: id})
	if err != nil {
		return ""
	}
	for _, e := range r.GetEvents() {
		switch e.GetKind() {
		case "not_sent":
			why = e.GetSummary()
		case workflows.UpdateResend, "sent":
			why = ""
		}
	}
	return why
}

func resendCommand(c *connection) *cobra.Command {
	var newLink bool
	cmd := act(c, "resend COPAY", "Send the request again, within hours, consent and caps", 1, func(ctx context.Context, api copayv1.CoPayServiceClient, a *staffAct, args []string) (*copayv1.ResendRequestResponse, error) {
		r, err := api.ResendRequest(ctx, &copayv1.ResendRequestRequest{PracticeId: c.practice, CopayId: args[0], RequestId: a.requestID, Reason: a.reason, NewLink: newLink})
		if err == nil {
			a.also = heldBack(ctx, api, c.practice, args[0])
		}
		return r, err
	})
	cmd.Flags().BoolVar(&newLink, "new-link", false, "the old link may be in the wrong hands: end it and send a new one")
	return cmd
}

func approveCommand(c *connection) *cobra.Command {
	var reject bool
	cmd := act(c, "approve-refund COPAY REFUND", "Approve (or reject) a refund somebody else asked for", 2, func(ctx context.Context, api copayv1.CoPayServiceClient, a *staffAct, args []string) (*copayv1.ApproveRefundResponse, error) {
		return api.ApproveRefund(ctx, &copayv1.ApproveRefundRequest{PracticeId: c.practice, CopayId: args[0], RequestId: a.requestID, Reason: a.reason, RefundId: args[1], Approve: !reject})
	})
	cmd.Flags().BoolVar(&reject, "reject", false, "say no")
	return cmd
}

func reviewCommand(c *connection) *cobra.Command {
	var choice, dollars string
	cmd := act(c, "review COPAY", "Decide an open review", 1, func(ctx context.Context, api copayv1.CoPayServiceClient, a *staffAct, args []string) (*copayv1.ResolveReviewResponse, error) {
		v, err := enum("--choice", "CHOICE_", choice, copayv1.Choice_value)
		if err != nil {
			return nil, err
		}
		switch sets := copayv1.Choice(v) == copayv1.Choice_CHOICE_SET_AMOUNT; {
		case sets && dollars == "":
			return nil, usagef("--choice set_amount needs --amount, in dollars such as 25.00")
		case !sets && dollars != "":
			return nil, usagef("--amount is for --choice set_amount only")
		}
		in := &copayv1.ResolveReviewRequest{PracticeId: c.practice, CopayId: args[0], RequestId: a.requestID, Reason: a.reason, Choice: copayv1.Choice(v)}
		if dollars != "" {
			if in.Amount, err = amount("--amount", dollars); err != nil {
				return nil, err
			}
		}
		return api.ResolveReview(ctx, in)
	})
	cmd.Flags().StringVar(&choice, "choice", "", "one of the review's choices")
	choose(cmd, "choice", "CHOICE_", copayv1.Choice_value)
	cmd.Flags().StringVar(&dollars, "amount", "", "dollars, for set_amount")
	_ = cmd.MarkFlagRequired("choice") // the flag was just defined
	return cmd
}

func noteCommand(c *connection) *cobra.Command {
	var text string
	cmd := act(c, "note COPAY", "Keep a remark, sealed; never card data", 1, func(ctx context.Context, api copayv1.CoPayServiceClient, a *staffAct, args []string) (*copayv1.AddNoteResponse, error) {
		return api.AddNote(ctx, &copayv1.AddNoteRequest{PracticeId: c.practice, CopayId: args[0], RequestId: a.requestID, Reason: a.reason, Text: text})
	})
	cmd.Flags().StringVar(&text, "text", "", "the remark")
	_ = cmd.MarkFlagRequired("text") // the flag was just defined
	return cmd
}
