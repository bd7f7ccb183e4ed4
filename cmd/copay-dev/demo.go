package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/check"
	"github.com/copayflow/copayflow/cmd/copay-dev/internal/stack"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
	drchronosim "github.com/copayflow/copayflow/sandbox/drchrono"
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
	seen  int64
	step  int
}

// demoDeadline ends a demo that hangs.
const demoDeadline = 3 * time.Minute

func demo(ctx context.Context, out io.Writer, file, keepLog string) error {
	ctx, cancel := context.WithTimeout(ctx, demoDeadline)
	defer cancel()
	s, clean, err := throwaway(ctx, out, file, keepLog, nil)
	if err != nil {
		return err
	}
	defer clean()
	d := &story{out: out, s: s, began: time.Now()}
	if err := d.tell(ctx); err != nil {
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
	for _, part := range []func(context.Context) error{d.charge, d.asked, d.reminded, d.pays, d.settles} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *story) charge(ctx context.Context) error {
	d.title("The clinic enters a charge of $145.00 for Ana; DrChrono posts a signed webhook")
	id := d.s.Sandbox.DrChrono.AddCharge(drchronosim.Charge{Patient: d.s.Patients["ana"], Cents: 145_00})
	d.key = copay.Key{Practice: stack.Practice, EHR: "drchrono", Charge: copay.ChargeID(id)}
	d.say("charge %s, co-pay %s", id, d.key.ID())
	_, err := d.until(ctx, "be asked for", func(c copay.CoPay) bool { return c.State == copay.StateAwaitingPayment })
	return err
}

func (d *story) asked(ctx context.Context) error {
	row, err := d.s.Process.Store.CoPay(ctx, d.key.Practice, d.key.ID())
	if err != nil {
		return err
	}
	d.title("The estimate explains itself")
	e := row.CoPay.Estimate
	if e == nil {
		return errors.New("there is no estimate")
	}
	d.say("%s, confidence %d of 100", e.Amount, e.Confidence)
	for _, r := range e.Reasons {
		amount := ""
		if r.Amount != nil {
			amount = " " + r.Amount.String()
		}
		d.say("  · %s%s  [%s]", r.Text, amount, r.Source)
	}
	d.title("The patient gets a text and a mail")
	return d.messages(ctx, 2)
}

// messages waits until n messages went out and shows the newest.
func (d *story) messages(ctx context.Context, n int) error {
	for {
		texts, mails := d.s.Sandbox.Twilio.Messages(), d.s.Sandbox.SendGrid.Messages()
		if len(texts)+len(mails) >= n {
			if len(texts) > 0 {
				d.say("SMS:  %s", texts[len(texts)-1].Body)
			}
			if len(mails) > 0 {
				d.say("Mail: %s", strings.ReplaceAll(strings.TrimSpace(mails[len(mails)-1].Text), "\n", "\n         "))
			}
			return d.news(ctx)
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("only %d of %d messages went out", len(texts)+len(mails), n)
		}
	}
}

func (d *story) reminded(ctx context.Context) error {
	d.title("The patient does not pay; the clock moves on by three days, a reminder is due")
	before := len(d.s.Sandbox.Twilio.Messages()) + len(d.s.Sandbox.SendGrid.Messages())
	if err := d.s.Advance(ctx, 72*time.Hour); err != nil {
		return err
	}
	d.say("it is now %s at the practice", d.s.Clock.Now().In(weekdayMorning().Location()).Format("Mon Jan 2 15:04"))
	return d.messages(ctx, before+1)
}

var linkPattern = regexp.MustCompile(`https?://\S+/pay/[A-Za-z0-9_-]+`)

// pays does what the patient does, with a browser's means: open the link,
// confirm the date of birth, pay on the processor's page.
func (d *story) pays(ctx context.Context) error {
	d.title("The patient opens the link, confirms the date of birth and pays at the processor")
	var link string
	for _, m := range d.s.Sandbox.Twilio.Messages() {
		if l := linkPattern.FindString(m.Body); l != "" {
			link = l
		}
	}
	if link == "" {
		return errors.New("no text holds a payment link")
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Jar: jar, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	page, err := visit(ctx, browser, http.MethodGet, link, nil)
	if err != nil {
		return err
	}
	d.say("GET  the practice's page: %s", page.Status)
	page, err = visit(ctx, browser, http.MethodPost, link, url.Values{"month": {"2"}, "day": {"3"}, "year": {"1980"}})
	if err != nil {
		return err
	}
	hosted := page.Header.Get("Location")
	if page.StatusCode != http.StatusSeeOther || hosted == "" {
		return fmt.Errorf("the pay page answered %s instead of leading to the processor", page.Status)
	}
	d.say("POST date of birth: leads to the processor's page")
	session := regexp.MustCompile(`cs_[A-Za-z0-9_]+`).FindString(hosted)
	if _, err := visit(ctx, browser, http.MethodGet, hosted, nil); err != nil {
		return err
	}
	if err := d.s.Sandbox.Stripe.PaySession(session, "pm_card_visa"); err != nil {
		return fmt.Errorf("the payment failed: %w", err)
	}
	d.say("paid with the test card; Stripe posts its signed webhooks")
	return nil
}

func visit(ctx context.Context, c *http.Client, method, to string, form url.Values) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
		return nil, err
	}
	if res.StatusCode >= 400 {
		return res, fmt.Errorf("%s answered %s", req.URL.Path, res.Status)
	}
	return res, nil
}

func (d *story) settles(ctx context.Context) error {
	d.title("The payment is posted to DrChrono, booked in QuickBooks, and everything agrees")
	_, err := d.until(ctx, "settle", func(c copay.CoPay) bool { return c.State == copay.StateSettled })
	return err
}

// until waits for a state and tells what happens meanwhile, as it happens.
func (d *story) until(ctx context.Context, what string, ok func(copay.CoPay) bool) (copay.CoPay, error) {
	for {
		row, err := d.s.Process.Store.CoPay(ctx, d.key.Practice, d.key.ID())
		if err == nil {
			if err := d.news(ctx); err != nil {
				return row.CoPay, err
			}
			if ok(row.CoPay) {
				return row.CoPay, nil
			}
			if r := row.CoPay.Review; r != nil {
				return row.CoPay, fmt.Errorf("the co-pay needs a person (%s): %s", r.Kind, r.Message)
			}
		} else if copay.CodeOf(err) != copay.CodeNotFound && ctx.Err() == nil {
			return copay.CoPay{}, err
		}
		if err := pause(ctx); err != nil {
			return row.CoPay, fmt.Errorf("the co-pay did not %s in time; it is %q", what, row.CoPay.State)
		}
		select {
		case <-d.s.Done():
			return row.CoPay, fmt.Errorf("a process ended: %w", d.s.Err())
		default:
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(50 * time.Millisecond):
		return nil
	}
}

// news prints the timeline's new lines.
func (d *story) news(ctx context.Context) error {
	rows, err := d.s.Process.Store.Timeline(ctx, d.key.Practice, d.key.ID())
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.Seq <= d.seen {
			continue
		}
		d.seen = r.Seq
		d.say("%6.2fs  %-11s %s", time.Since(d.began).Seconds(), r.Kind, r.Summary)
	}
	return nil
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
