package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

func deadCommand(c *connection) *cobra.Command {
	var p paging
	cmd := &cobra.Command{
		Use: "dead", Short: "Events that could not be delivered, and why", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return pages(cmd, c, &p, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.ListDeadLettersResponse, error) {
				return copayv1.NewInboxServiceClient(conn).ListDeadLetters(ctx, &copayv1.ListDeadLettersRequest{PracticeId: c.practice, PageSize: p.size, PageToken: p.token})
			}, func(w io.Writer, r *copayv1.ListDeadLettersResponse) {
				table(w, "ID RECEIVED PLATFORM EVENT KIND TRIES WHY", func(line func(...string)) {
					for _, d := range r.GetDeadLetters() {
						line(fmt.Sprint(d.GetInboxId()), at(d.GetReceivedAt()), d.GetPlatform(), d.GetEventId(), d.GetKind(), fmt.Sprint(d.GetAttempts()), d.GetLastError())
					}
				})
			})
		},
	}
	p.flags(cmd)
	return cmd
}

func replayCommand(c *connection) *cobra.Command {
	return onDeadLetter(c, "replay ID", "Deliver a dead letter again, once its cause is mended", "is delivered again",
		func(ctx context.Context, api copayv1.InboxServiceClient, id int64, reason, requestID string) (*copayv1.ReplayEventResponse, error) {
			return api.ReplayEvent(ctx, &copayv1.ReplayEventRequest{PracticeId: c.practice, InboxId: id, Reason: reason, RequestId: requestID})
		})
}

func dismissCommand(c *connection) *cobra.Command {
	return onDeadLetter(c, "dismiss ID", "Put a dead letter away for good: it is none of ours, or was dealt with by hand", "is put away",
		func(ctx context.Context, api copayv1.InboxServiceClient, id int64, reason, requestID string) (*copayv1.DismissEventResponse, error) {
			return api.DismissEvent(ctx, &copayv1.DismissEventRequest{PracticeId: c.practice, InboxId: id, Reason: reason, RequestId: requestID})
		})
}

func onDeadLetter[A proto.Message](c *connection, use, short, done string,
	do func(ctx context.Context, api copayv1.InboxServiceClient, id int64, reason, requestID string) (A, error)) *cobra.Command {
	var reason, requestID string
	cmd := &cobra.Command{
		Use: use, Short: short, Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || id <= 0 {
				return usagef("%q is not an id of 'copay inbox dead'", args[0])
			}
			requestID = orNew(requestID)
			return c.unsure(call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (A, error) {
				return do(ctx, copayv1.NewInboxServiceClient(conn), id, reason, requestID)
			}, func(w io.Writer, _ A) { fmt.Fprintf(w, "event %d %s\n", id, done) }), requestID)
		},
	}
	because(cmd, &reason, &requestID)
	return cmd
}
