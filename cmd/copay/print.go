package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/copayflow/copayflow/copay"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

func sorted(s []string) []string { slices.Sort(s); return s }

func money(m *copayv1.Money) string {
	if m == nil {
		return "-"
	}
	return copay.Money{Minor: m.GetMinor(), Currency: copay.Currency(m.GetCurrency())}.String()
}

func at(t *timestamppb.Timestamp) string {
	if t == nil || t.GetSeconds() == 0 {
		return "-"
	}
	return t.AsTime().Local().Round(time.Second).Format("2006-01-02 15:04") // 13:59:59.99 is two o'clock
}

// table prints aligned columns, and says so when there are no rows.
func table(w io.Writer, header string, rows func(line func(cells ...string))) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.ReplaceAll(header, " ", "\t"))
	none := true
	rows(func(cells ...string) {
		none = false
		for i := range cells {
			cells[i] = oneLine(cells[i])
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	})
	_ = t.Flush() // the writer below says so itself
	if none {
		fmt.Fprintln(w, "(none)")
	}
}

func state(s copayv1.State) string { return short("STATE_", s.String()) }

func showCoPay(w io.Writer, c *copayv1.CoPay) {
	a := c.GetAmounts()
	now := state(c.GetState())
	if c.GetState() == copayv1.State_STATE_REFUNDING && len(c.GetRefunds()) == 0 {
		now += " (nothing was paid: the open request is being withdrawn)"
	}
	fmt.Fprintf(w, "%s  %s\n", c.GetId(), now)
	charge := c.GetChargeId() + " in " + c.GetEhr()
	if c.GetPatientRef() != "" { // not read yet
		charge += ", patient " + c.GetPatientRef()
	}
	if c.GetServiceDate() != "" {
		charge += ", visit of " + c.GetServiceDate()
	}
	fmt.Fprintf(w, "  charge       %s\n", charge)
	fmt.Fprintf(w, "  amounts      charged %s, estimated %s, requested %s, collected %s, refunded %s, open %s\n",
		money(a.GetBilled()), money(a.GetEstimated()), money(a.GetRequested()), money(a.GetCollected()), money(a.GetRefunded()), money(a.GetOutstanding()))
	if e := c.GetEstimate(); e != nil {
		fmt.Fprintf(w, "  why          %s, confidence %d of 100\n", short("ESTIMATE_KIND_", e.GetKind().String()), e.GetConfidence())
		for _, r := range e.GetReasons() {
			text := r.GetText()
			if r.GetAmount() != nil {
				text += " " + money(r.GetAmount())
			}
			fmt.Fprintf(w, "               · %s  [%s]\n", text, r.GetSource())
		}
	}
	for _, p := range c.GetPayments() {
		how := short("PAYMENT_STATUS_", p.GetStatus().String())
		if p.GetDecline() != "" {
			how += ": " + p.GetDecline()
		}
		fmt.Fprintf(w, "  %-12s %s by %s, %s\n", p.GetId(), money(p.GetAmount()), short("RAIL_", p.GetRail().String()), how)
	}
	for _, r := range c.GetRefunds() {
		fmt.Fprintf(w, "  %-12s %s of %s, %s\n", r.GetId(), money(r.GetAmount()), r.GetPaymentId(), short("REFUND_STATUS_", r.GetStatus().String()))
		if r.GetStatus() == copayv1.RefundStatus_REFUND_STATUS_AWAITING_APPROVAL {
			fmt.Fprintf(w, "               copay approve-refund %s %s --reason … [--reject]\n", c.GetId(), r.GetId())
		}
	}
	if r := c.GetReview(); r != nil {
		fmt.Fprintf(w, "  REVIEW       %s: %s\n", short("REVIEW_KIND_", r.GetKind().String()), r.GetMessage())
		var choices []string
		for _, x := range r.GetChoices() {
			choices = append(choices, short("CHOICE_", x.String()))
		}
		if len(choices) > 0 {
			fmt.Fprintf(w, "  choices      copay review %s --reason … --choice %s\n", c.GetId(), strings.Join(choices, "|"))
		}
	}
	if c.GetRemindersPaused() {
		fmt.Fprintf(w, "  paused       no reminders until: copay resume %s --reason …\n", c.GetId())
	}
	if c.GetNextAction() != "" {
		fmt.Fprintf(w, "  next         %s at %s\n", c.GetNextAction(), at(c.GetNextActionAt()))
	}
}

// held is what was collected and not given back.
func held(a *copayv1.Amounts) *copayv1.Money {
	c, back := a.GetCollected(), a.GetRefunded()
	if c == nil || back == nil {
		return c
	}
	return &copayv1.Money{Minor: c.GetMinor() - back.GetMinor(), Currency: c.GetCurrency()}
}

func showCoPays(w io.Writer, list []*copayv1.CoPay) {
	table(w, "ID STATE REQUESTED HELD VISIT REVIEW NEXT", func(line func(...string)) {
		for _, c := range list {
			next := c.GetNextAction()
			if next != "" {
				next += " " + at(c.GetNextActionAt())
			}
			line(c.GetId(), state(c.GetState()), money(c.GetAmounts().GetRequested()), money(held(c.GetAmounts())), c.GetServiceDate(),
				short("REVIEW_KIND_", c.GetReview().GetKind().String()), next)
		}
	})
}

func showTimeline(w io.Writer, list []*copayv1.TimelineEvent) {
	table(w, "WHEN WHO WHAT SUMMARY", func(line func(...string)) {
		for _, e := range list {
			text := e.GetSummary()
			if e.GetReason() != "" {
				text += " (" + e.GetReason() + ")"
			}
			if e.GetNote() != "" {
				text += ": " + e.GetNote()
			}
			line(at(e.GetAt()), e.GetActor().GetId(), e.GetKind(), text)
		}
	})
}
