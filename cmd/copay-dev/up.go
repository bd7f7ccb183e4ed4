package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/copayflow/copayflow/api/auth"
	"github.com/copayflow/copayflow/cmd/copay-dev/internal/stack"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/internal/clock"
)

// defaultDir is the stack's folder unless another one is named.
const defaultDir = ".dev"

func upCommand(file *string) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start everything and keep it running until Ctrl-C",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return up(cmd.Context(), cmd.OutOrStdout(), *file, dir)
		},
	}
	cmd.Flags().StringVar(&dir, "data", defaultDir, "folder that keeps data, keys and configuration")
	return cmd
}

func up(ctx context.Context, out io.Writer, file, dir string) error {
	t, err := loadTemporal(file)
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("the folder %s cannot be made: %w", dir, err)
	}
	held, err := hold(dir)
	if err != nil {
		return err
	}
	defer held.Close()
	log, err := os.OpenFile(filepath.Join(dir, "copay.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("the log in %s cannot be written: %w", dir, err)
	}
	defer log.Close()
	began := time.Now()
	s, err := stack.Start(ctx, stack.Options{Dir: dir, Temporal: t, FixedPorts: true, Durable: true, UI: true, Log: log, Adjust: askOften,
		Progress: func(what string) { fmt.Fprintf(out, "starting %s…\n", what) }})
	if err != nil {
		return err
	}
	token, err := devToken(s, "dana", "front_desk", "biller", "auditor", "admin")
	if err != nil {
		return err
	}
	go s.FollowClock(ctx)
	fmt.Fprintf(out, welcome, time.Since(began).Seconds(), s.Sandbox.Page, s.UIURL, s.URL+"/codec/session", s.URL, s.GRPC, dir, token, s.GRPC, advance(dir, 72))
	if hours := untilMorning(s.Clock.Now(), stack.TimeZone); hours > 0 {
		fmt.Fprintf(out, night, stack.TimeZone, advance(dir, hours))
	}
	fmt.Fprint(out, patients)
	for _, p := range stack.Sample {
		fmt.Fprintf(out, "    %-28s %s\n", p.Patient.FirstName+" "+p.Patient.LastName, p.About)
	}
	fmt.Fprintln(out, "\nCtrl-C stops everything; a second start finds our data again, while the simulated platforms start anew.")
	select {
	case <-ctx.Done():
		fmt.Fprintln(out, "\nstopping…")
	case <-s.Done():
	}
	return s.Stop(context.WithoutCancel(ctx))
}

const welcome = `
Copayflow is up (%.1f s). Everything is simulated; no real patient, payer or bank is near.

  Sandbox (messages, play clinic and patient)  %s
  Temporal UI                                  %s
  …decoded payloads, as an auditor             %s
  REST, OpenAPI under /openapi.json            %s
  gRPC                                         %s
  Data, keys, configuration, logs              %s

What to try next:
  1. Open the sandbox, add a charge, follow the link in the text message and pay.
  2. In another terminal:
       export COPAY_TOKEN=%s
       export COPAY_PRACTICE=maple COPAY_ADDRESS=%s
       bin/copay list
       bin/copay watch cp_…            (an id from the list)
  3. Let three days pass, so that a reminder is due:
       %s
`

const night = `
It is night at the clinic (%s): patients are written to from 8 to 21 o'clock only.
To have messages go out now, make it morning there:
       %s
`

const patients = `
The sample patients (date of birth is asked on the payment page; see the sandbox):
`

// advance is the command that moves the clock of the stack in dir.
func advance(dir string, hours int) string {
	if usual, err := filepath.Abs(defaultDir); err != nil || dir != usual {
		return fmt.Sprintf("bin/copay-dev clock --data %s advance %dh", dir, hours)
	}
	return fmt.Sprintf("bin/copay-dev clock advance %dh", hours)
}

// untilMorning is how many hours it takes until patients in a time zone may be
// written to; 0 when they may be now.
func untilMorning(now time.Time, zone string) int {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return 0
	}
	p := copay.ReminderPolicy{}.WithDefaults()
	hour := now.In(loc).Hour()
	if hour >= p.QuietUntil && hour < p.QuietFrom {
		return 0
	}
	return (p.QuietUntil - hour + 24) % 24
}

// devToken mints a token of the stack for its sample practice.
func devToken(s *stack.Stack, who string, roles ...string) (string, error) {
	secret, err := integrations.ResolveSecret(s.Config.Auth.Dev.Secret)
	if err != nil {
		return "", err
	}
	return auth.MintDev(secret, who, roles, []string{string(stack.Practice)}, time.Now(), 12*time.Hour)
}

// hold marks a folder as that of a running stack for as long as the file is open.
func hold(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "running"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the folder %s cannot be used: %w", dir, err)
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		_ = f.Close()
		return nil, fmt.Errorf("a stack runs in %s already; stop it, or name another folder with --data", dir)
	}
	return f, nil
}

// running reports whether somebody holds a folder.
func running(dir string) bool {
	f, err := os.Open(filepath.Join(dir, "running"))
	if err != nil {
		return false
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

func clockCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{Use: "clock", Short: "Move the running stack's clock"}
	cmd.PersistentFlags().StringVar(&dir, "data", defaultDir, "the stack's folder")
	cmd.AddCommand(&cobra.Command{
		Use:   "advance DURATION",
		Short: "Let time pass, such as 72h; open co-pays decide again within a few seconds",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("write: %s 72h", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := time.ParseDuration(args[0])
			if err != nil || d <= 0 {
				return fmt.Errorf("%q is not a duration such as 72h", args[0])
			}
			c := clock.NewFile(filepath.Join(dir, "clock"))
			if err := c.Check(); err != nil {
				return err
			}
			if err := c.Advance(d); err != nil {
				return fmt.Errorf("the clock in %s cannot be moved; name the stack's folder with --data: %w", dir, err)
			}
			now := c.Now().Format(time.RFC1123)
			if running(dir) {
				fmt.Fprintf(cmd.OutOrStdout(), "it is now %s\n", now)
			} else {
				fmt.Fprintf(cmd.OutOrStdout(), "no stack runs in %s; the clock is moved to %s there, which holds from the next start\n", dir, now)
			}
			return nil
		},
	})
	return cmd
}

// askOften has the platforms asked every two minutes for what they do not tell,
// such as a remittance: whoever tries it out does not want to wait longer.
func askOften(cfg map[string]any) {
	for _, p := range cfg["practices"].([]any) {
		p.(map[string]any)["catch_up"] = "2m"
	}
}
