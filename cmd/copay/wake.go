package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

func wakeCommand(path *string) *cobra.Command {
	var again time.Duration
	cmd := &cobra.Command{
		Use: "wake", Short: "Start the workflows of all open co-pays again, once Temporal has lost its data; those that run stay as they are", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if again < 0 {
				return usagef("--events is how long ago events may have come, such as 24h; 0 leaves them")
			}
			ctx := cmd.Context()
			p, err := open(ctx, *path, "copay-wake", io.Discard)
			if err != nil {
				return err
			}
			defer p.Close(ctx)
			var since time.Time
			if again > 0 {
				since = p.Now().Add(-again)
			}
			for _, practice := range p.Config.Practices {
				w, err := p.Starter.Wake(ctx, p.Store, p.Store.Inbox(), practice.ID, since)
				if err != nil {
					return fmt.Errorf("practice %s: %d open co-pays were woken before this; run it again: %w", practice.ID, w.CoPays, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "practice %s: %d open co-pays have their workflow, %d events are delivered again\n", practice.ID, w.CoPays, w.Events)
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&again, "events", 24*time.Hour, "deliver the events of this long again: what Temporal was told last is lost with it")
	return cmd
}
