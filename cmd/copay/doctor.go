package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/internal/serve"
	"github.com/copayflow/copayflow/worker"
)

// checkWait bounds one check.
const checkWait = 20 * time.Second

// examination prints what doctor finds and counts what is wrong.
type examination struct {
	out io.Writer
	bad int
}

func (e *examination) line(what, good string, err error) bool {
	if err != nil {
		e.bad++
		fmt.Fprintf(e.out, "  ✗ %-28s %s\n", what, oneLine(err.Error()))
		return false
	}
	fmt.Fprintf(e.out, "  ✓ %-28s %s\n", what, good)
	return true
}

// verdict is the error that the checks amount to, or nil.
func (e *examination) verdict() error {
	switch e.bad {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("1 check failed; mend what is marked and run doctor again")
	}
	return fmt.Errorf("%d checks failed; mend what is marked and run doctor again", e.bad)
}

func doctorCommand(path *string) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check configuration, database, Temporal, keys and every platform's credentials", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(*path)
			if err != nil {
				return err
			}
			e := &examination{out: cmd.OutOrStdout()}
			fmt.Fprintf(e.out, "configuration %s\n", *path)
			if e.store(cmd.Context(), cfg) {
				if err := e.process(cmd.Context(), *path); err != nil {
					return err
				}
			}
			return e.verdict()
		},
	}
}

// store checks the database and that the keys open what is in it. Without it
// nothing else can be checked: some platforms' tokens are kept there.
func (e *examination) store(ctx context.Context, cfg *config.Config) bool {
	ctx, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	s, err := worker.OpenStore(ctx, cfg, time.Now)
	if !e.line("database", "reachable, its schema is current", err) {
		fmt.Fprintln(e.out, "Nothing else was asked; mend this first.")
		return false
	}
	defer s.Close()
	for _, p := range cfg.Practices {
		e.line("keys of "+string(p.ID), "open what is stored", s.CheckKeys(ctx, p.ID))
	}
	return true
}

// process checks Temporal and the platforms with the process that serves.
func (e *examination) process(ctx context.Context, path string) error {
	limited, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	p, err := open(limited, path, "copay-doctor", io.Discard)
	if err != nil {
		e.line("temporal", "", err)
		fmt.Fprintln(e.out, "The platforms were not asked; mend this first.")
		return nil
	}
	defer p.Close(ctx)
	t := p.Config.Temporal
	e.line("temporal", t.Address+", namespace "+t.Namespace, serve.CheckTemporal(limited, p.Temporal, t.Namespace))
	for _, id := range p.Directory.Practices() {
		fmt.Fprintf(e.out, "practice %s\n", id)
		for _, s := range p.Directory.Statuses(id) {
			good, err := test(ctx, p.Directory, s)
			e.line(string(s.Platform), good, err)
		}
	}
	return ctx.Err()
}

// test makes one cheap, harmless call with a platform's credentials.
func test(ctx context.Context, d *integrations.Directory, s integrations.Status) (string, error) {
	if s.Err != nil {
		return "", s.Err
	}
	t, err := integrations.As[integrations.Tester](d, s.Practice, s.Platform)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	return t.TestConnection(ctx)
}
