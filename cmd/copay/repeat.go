package main

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// because gives an act its reason and its request id.
func because(cmd *cobra.Command, reason, requestID *string) {
	cmd.Flags().StringVar(reason, "reason", "", "why; it stands in the audit log")
	cmd.Flags().StringVar(requestID, "request-id", "", "makes a repeated call happen once; made when empty")
	_ = cmd.MarkFlagRequired("reason") // the flag was just defined
}

// orNew makes a request id when none was given.
func orNew(id string) string {
	if id == "" {
		return uuid.NewString()
	}
	return id
}

// unsure adds to an error that leaves open whether the act was done how to
// find out: the same request id makes it happen once. What was never sent was
// not done.
func (c *connection) unsure(err error, requestID string) error {
	var coded interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &coded) || !c.sent.Load() {
		return err
	}
	switch coded.GRPCStatus().Code() {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Unknown, codes.Internal, codes.Canceled:
		return fmt.Errorf("%w\n  It is not known whether it was done. Repeat the same command with --request-id %s: it is done once", err, requestID)
	}
	return err
}
