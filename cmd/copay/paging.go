package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// paging is how much of a list is wanted.
type paging struct {
	size  int32
	token string
	all   bool
}

func (p *paging) flags(cmd *cobra.Command) {
	cmd.Flags().Int32Var(&p.size, "page-size", 50, "how many at once, up to 200")
	cmd.Flags().StringVar(&p.token, "page-token", "", "where to go on")
	cmd.Flags().BoolVar(&p.all, "all", false, "all pages; with --json each on a line of its own")
	cmd.MarkFlagsMutuallyExclusive("page-token", "all")
}

// page is an answer that may have others after it.
type page interface {
	proto.Message
	GetNextPageToken() string
}

// pages prints one page, or all of them: for people as one table, for machines as
// they come.
func pages[A page](cmd *cobra.Command, c *connection, p *paging, do func(context.Context, *grpc.ClientConn) (A, error), show func(io.Writer, A)) error {
	var all A
	for {
		var got A
		err := call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (A, error) {
			var err error
			got, err = do(ctx, conn)
			return got, err
		}, func(w io.Writer, r A) {
			if p.token == "" || !p.all {
				all = r
			} else {
				proto.Merge(all, r)
			}
			if p.all && r.GetNextPageToken() != "" {
				return
			}
			show(w, all)
			if r.GetNextPageToken() != "" {
				fmt.Fprintf(w, "There is more: --all, or --page-token %s\n", r.GetNextPageToken())
			}
		})
		if err != nil || !p.all || got.GetNextPageToken() == "" {
			return err
		}
		p.token = got.GetNextPageToken()
	}
}
