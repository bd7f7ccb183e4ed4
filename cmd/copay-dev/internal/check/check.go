// Package check asserts the product's invariants from outside: it compares
// the processor's, the EHR's and the accounting platform's own books with the
// journal, and looks at every message that went out.
package check

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
	"github.com/copayflow/copayflow/sandbox"
)

// Result is what was found.
type Result struct {
	CoPays   int
	Findings []string
	Balance  []ledger.Balance
	Audit    ledger.AuditReport
}

// OK reports whether every invariant holds.
func (r Result) OK() bool { return len(r.Findings) == 0 }

func (r *Result) fault(format string, args ...any) {
	r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
}

// Run checks one practice. forbidden are texts of patients that no message
// may hold beyond what it must.
func Run(ctx context.Context, s *ledger.Store, box *sandbox.Sandbox, practice copay.PracticeID, forbidden []string) (Result, error) {
	var r Result
	rows, err := all(ctx, s, practice)
	if err != nil {
		return r, err
	}
	r.CoPays = len(rows)
	books := outside(box)
	for _, row := range rows {
		if err := r.money(ctx, s, practice, row, books); err != nil {
			return r, err
		}
	}
	r.once(box)
	r.messages(box, forbidden)
	if r.Balance, err = s.TrialBalance(ctx, practice); err != nil {
		return r, err
	}
	var debit, credit int64
	for _, b := range r.Balance {
		debit, credit = debit+b.Debit, credit+b.Credit
	}
	if debit != credit {
		r.fault("the journal does not balance: debits %s, credits %s", copay.Cents(debit), copay.Cents(credit))
	}
	if r.Audit, err = s.VerifyAudit(ctx, practice); err != nil {
		return r, err
	}
	if !r.Audit.OK {
		r.fault("the audit chain is broken at row %d: %s", r.Audit.FirstBad, r.Audit.Problem)
	}
	return r, nil
}

func all(ctx context.Context, s *ledger.Store, practice copay.PracticeID) ([]ledger.CoPayRow, error) {
	var out []ledger.CoPayRow
	from := ledger.PageToken("")
	for {
		rows, next, err := s.ListCoPays(ctx, practice, ledger.Filter{}, from, 500)
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
		if next == "" {
			return out, nil
		}
		from = next
	}
}

// sums are the net amounts by co-pay that the platforms hold.
type sums struct{ processor, ehr, accounting map[copay.ID]int64 }

func outside(box *sandbox.Sandbox) sums {
	s := sums{map[copay.ID]int64{}, map[copay.ID]int64{}, map[copay.ID]int64{}}
	for _, b := range box.Stripe.Books() {
		s.processor[copay.ID(b.CoPay)] += b.Minor
	}
	for _, p := range box.DrChrono.Payments() {
		s.ehr[copay.Ref(p.Trace).CoPay()] += p.Cents
	}
	b := box.QuickBooks.Books()
	for _, p := range b.Payments {
		if !p.Voided && !p.Deleted {
			s.accounting[idIn(p.Note)] += p.Cents
		}
	}
	for _, f := range b.Refunds {
		if !f.Voided && !f.Deleted {
			s.accounting[idIn(f.Note)] -= f.Cents
		}
	}
	return s
}

// idIn finds the co-pay's id in a document's private note.
func idIn(note string) copay.ID {
	i := strings.Index(note, "cp_")
	if i < 0 || len(note) < i+19 {
		return ""
	}
	return copay.ID(note[i : i+19])
}

// money: captured − refunded at the processor and by hand = journal = EHR = books.
func (r *Result) money(ctx context.Context, s *ledger.Store, practice copay.PracticeID, row ledger.CoPayRow, out sums) error {
	c := row.CoPay
	var hand int64
	for _, p := range c.Payments {
		if p.Rail.Manual() && !p.CapturedAt.IsZero() {
			hand += p.Amount.Minor - p.Refunded.Minor
		}
	}
	balances, err := s.CoPayBalance(ctx, practice, c.ID)
	if err != nil {
		return err
	}
	var journal int64
	for _, b := range balances {
		switch b.Account {
		case ledger.AccountClearing, ledger.AccountTerminal, ledger.AccountCash:
			journal += b.Debit - b.Credit
		}
	}
	want := out.processor[c.ID] + hand
	resting := c.State.Closed() || c.State == copay.StateAwaitingPayment
	for _, x := range []struct {
		name string
		got  int64
	}{{"the journal", journal}, {"the EHR", out.ehr[c.ID]}, {"the books", out.accounting[c.ID]}} {
		if x.got != want && (resting || x.got > want) {
			r.fault("co-pay %s (%s): processor and desk hold %s, %s %s", c.ID, c.State, copay.Cents(want), x.name, copay.Cents(x.got))
		}
	}
	return nil
}

// once: at most one capture for each request and one posting for each payment.
func (r *Result) once(box *sandbox.Sandbox) {
	captured := map[string]int{}
	for _, b := range box.Stripe.Books() {
		if b.Kind == "capture" {
			captured[b.Ref]++
		}
	}
	for ref, n := range captured {
		if n > 1 || ref == "" {
			r.fault("request %q was captured %d times", ref, n)
		}
	}
	posted := map[string]int{}
	for _, p := range box.DrChrono.Payments() {
		posted[p.Trace]++
	}
	for trace, n := range posted {
		if n > 1 {
			r.fault("%q was posted to the EHR %d times", trace, n)
		}
	}
	number := map[string]int{}
	b := box.QuickBooks.Books()
	for _, d := range append(append(b.Invoices, b.Payments...), b.Refunds...) {
		if !d.Deleted {
			number[d.Number]++
		}
	}
	for n, times := range number {
		if times > 1 {
			r.fault("%q stands in the books %d times", n, times)
		}
	}
}

// messages: only within the allowed hours, and none says more than it must.
func (r *Result) messages(box *sandbox.Sandbox, forbidden []string) {
	loc, err := time.LoadLocation("America/Chicago")
	if err != nil {
		r.fault("the time zone cannot be loaded: %v", err)
		return
	}
	look := func(what, text string) {
		for _, f := range forbidden {
			if f != "" && strings.Contains(text, f) {
				r.fault("%s holds more than it must", what)
			}
		}
	}
	for _, m := range box.Twilio.Messages() {
		if m.Direction != "outbound-api" {
			continue
		}
		if h := m.At.In(loc).Hour(); h < 8 || h >= 21 {
			r.fault("text %s went out at %s", m.SID, m.At.In(loc).Format("15:04"))
		}
		look("text "+m.SID, m.Body)
	}
	for _, m := range box.SendGrid.Messages() {
		if h := m.At.In(loc).Hour(); h < 8 || h >= 21 {
			r.fault("mail %s went out at %s", m.ID, m.At.In(loc).Format("15:04"))
		}
		look("mail "+m.ID, m.Subject+m.Text+m.HTML)
	}
}
