package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// tested is what one platform answered.
type tested struct {
	Platform string `json:"platform"`
	OK       bool   `json:"ok"`
	Message  string `json:"message"`
	Failure  string `json:"failure,omitempty"`
}

func platformTestCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "test [PLATFORM]", Short: "Check the credentials of one or all platforms with one harmless call each", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, conn, err := c.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer conn.Close()
			if len(args) == 0 {
				if args, err = c.platforms(ctx, conn); err != nil {
					return say(err)
				}
			}
			var results []tested
			var bad []string
			for _, name := range args {
				t, err := c.test(ctx, conn, name)
				if err != nil {
					return say(err)
				}
				if results = append(results, t); !t.OK {
					bad = append(bad, name)
				}
			}
			if err := c.printTests(cmd, results); err != nil {
				return err
			}
			if len(bad) > 0 {
				return fmt.Errorf("cannot be used: %s", strings.Join(bad, ", "))
			}
			return nil
		},
	}
}

// platforms names the practice's platforms.
func (c *connection) platforms(ctx context.Context, conn *grpc.ClientConn) ([]string, error) {
	r, err := copayv1.NewPlatformServiceClient(conn).ListPlatforms(ctx, &copayv1.ListPlatformsRequest{PracticeId: c.practice})
	var names []string
	for _, p := range r.GetPlatforms() {
		names = append(names, p.GetName())
	}
	return names, err
}

func (c *connection) test(ctx context.Context, conn *grpc.ClientConn, name string) (tested, error) {
	ctx, cancel := c.limited(ctx)
	defer cancel()
	r, err := copayv1.NewPlatformServiceClient(conn).TestConnection(ctx, &copayv1.TestConnectionRequest{PracticeId: c.practice, Platform: name})
	return tested{name, r.GetOk(), r.GetMessage(), r.GetFailure()}, err
}

func (c *connection) printTests(cmd *cobra.Command, results []tested) error {
	if c.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(results)
	}
	table(terminal{cmd.OutOrStdout()}, "PLATFORM OK ANSWER", func(line func(...string)) {
		for _, t := range results {
			line(t.Platform, fmt.Sprint(t.OK), t.Message)
		}
	})
	return nil
}
