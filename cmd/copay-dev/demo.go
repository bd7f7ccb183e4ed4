package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/check"
	"github.com/copayflow/copayflow/cmd/copay-dev/internal/stack"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

func demoCommand(file *string) *cobra.Command {
	var keepLog string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "One co-pay from the EHR's webhook to a balanced journal, on a throw-away stack",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), cmd.OutOrStdout(), *file, keepLog)
		},
	}
	cmd.Flags().StringVar(&keepLog, "log", "", "keep the processes' logs in this file")
	return cmd
}

// story is a demo under way.
type story struct {
	out   io.Writer
	s     *stack.Stack
	began time.Time
	key   copay.Key
	step  int
	// seen is the last line of the timeline that was told, texts and mails how
	// many messages were shown.
	seen         int64
	texts, mails int
}

// demoDeadline ends a demo that hangs.
const demoDeadline = 3 * time.Minute

func demo(ctx context.Context, out io.Writer, file, keepLog string) error {
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, demoDeadline)
	defer cancel()
	s, clean, err := throwaway(ctx, out, file, keepLog, nil)
	if err != nil {
		return err
	}
	defer clean()
	d := &story{out: out, s: s, began: time.Now()}
	if err := d.tell(ctx); whole.Err() != nil {
		return fmt.Errorf("the demo was interrupted at step %d; nothing of it is left", d.step)
	} else if err != nil {
		return fmt.Errorf("the demo failed at step %d: %w", d.step, err)
	}
	return d.summary(ctx)
}

// throwaway starts a stack in a folder of its own that is removed afterwards.
func throwaway(ctx context.Context, out io.Writer, file, keepLog string, change func(*stack.Options)) (*stack.Stack, func(), error) {
	t, err := loadTemporal(file)
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "copayflow-")
	if err != nil {
		return nil, nil, err
	}
	// PostgreSQL may run as another user and must be able to enter; keys and
	// configuration inside are closed.
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // see above
		return nil, nil, err
	}
	o := stack.Options{Dir: dir, Temporal: t, Start: weekdayMorning(), Progress: func(what string) { fmt.Fprintf(out, "  starting %s…\n", what) }}
	closeLog := func() {}
	if keepLog != "" {
		f, err := os.Create(filepath.Clean(keepLog))
		if err != nil {
			return nil, nil, err
		}
		o.Log, closeLog = f, func() { _ = f.Close() }
	}
	if change != nil {
		change(&o)
	}
	s, err := stack.Start(ctx, o)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, nil, err
	}
	return s, func() {
		if err := s.Stop(context.WithoutCancel(ctx)); err != nil {
			fmt.Fprintln(out, "stopping:", err)
		}
		closeLog()
		_ = os.RemoveAll(dir)
	}, nil
}

// weekdayMorning is the next Tuesday, ten o'clock at the practice: messages
// may go out then, whenever the demo is run.
func weekdayMorning() time.Time {
	loc, err := time.LoadLocation(stack.TimeZone)
	if err != nil {
		loc = time.UTC
	}
	now := time.Now().In(loc)
	days := (int(time.Tuesday) - int(now.Weekday()) + 7) % 7
	if days == 0 {
		days = 7
	}
	return time.Date(now.Year(), now.Month(), now.Day()+days, 10, 0, 0, 0, loc)
}

func (d *story) title(format string, args ...any) {
	d.step++
	fmt.Fprintf(d.out, "\n%d. %s\n", d.step, fmt.Sprintf(format, args...))
}

func (d *story) say(format string, args ...any) {
	fmt.Fprintf(d.out, "   %s\n", fmt.Sprintf(format, args...))
}

func (d *story) tell(ctx context.Context) error {
	for _, part := range []func(context.Context) error{d.charge, d.eligibility, d.estimate, d.request, d.messages, d.reminder, d.pays, d.webhook, d.posted, d.booked, d.journal} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(50 * time.Millisecond):
		return nil
	}
}

func (d *story) summary(ctx context.Context) error {
	events, err := historyLength(ctx, d.s, d.key)
	if err != nil {
		return err
	}
	row, err := d.s.Process.Store.CoPay(ctx, d.key.Practice, d.key.ID())
	if err != nil {
		return err
	}
	took := time.Since(d.began)
	if err := awaitMessages(ctx, d.s); err != nil {
		return err
	}
	forbidden := []string{"Sample", "1980-02-03", "COP123456789", "99213", "25.00", "145.00", "MOCK PAYER"}
	r, err := check.Run(ctx, d.s.Process.Store, d.s.Sandbox, d.key.Practice, forbidden)
	if err != nil {
		return err
	}
	a := row.CoPay.Amounts
	fmt.Fprintf(d.out, "\nSummary\n")
	d.say("co-pay %s is %s", row.CoPay.ID, row.CoPay.State)
	d.say("charged %s · estimated %s · requested %s · collected %s", a.Billed, a.Estimated, a.Requested, a.Collected)
	d.say("%d steps on the timeline, %d messages, %d history events, %.1f s", d.seen, len(row.CoPay.Reminders), events, took.Seconds())
	d.say("trial balance:")
	printBalance(d, r.Balance)
	d.say("audit chain of %d rows verifies: %t", r.Audit.Rows, r.Audit.OK)
	if !r.OK() {
		return fmt.Errorf("invariants do not hold:\n  - %s", strings.Join(r.Findings, "\n  - "))
	}
	d.say("all invariants hold: processor, EHR, books and journal agree")
	return nil
}

func printBalance(d *story, list []ledger.Balance) {
	var debit, credit int64
	for _, b := range list {
		d.say("  %-22s %10s %10s", b.Account, copay.Cents(b.Debit), copay.Cents(b.Credit))
		debit, credit = debit+b.Debit, credit+b.Credit
	}
	d.say("  %-22s %10s %10s", "sum", copay.Cents(debit), copay.Cents(credit))
}

// awaitMessages waits until the inbox is empty, so that everything that was
// said has been heard.
func awaitMessages(ctx context.Context, s *stack.Stack) error {
	for {
		lag, err := s.Process.Store.Inbox().Lag(ctx)
		if err != nil {
			return err
		}
		var pending int64
		for _, l := range lag {
			pending += l.Pending
		}
		if pending == 0 {
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("%d events were not delivered", pending)
		}
	}
}
