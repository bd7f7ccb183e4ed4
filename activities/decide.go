package activities

import (
	"context"
	"time"

	"github.com/copayflow/copayflow/copay"
)

// DecideInput asks what to do about messages now, and wants that kept together
// with what has happened until now.
type DecideInput struct {
	Record RecordInput `json:"record"`
	Plan   PlanInput   `json:"plan"`
	Ahead  Horizon     `json:"ahead"`
}

// Decided is the plan. Recorded is false when nothing was written, because
// there was nothing new or because more is to be said first.
type Decided struct {
	Plan
	Recorded bool `json:"recorded,omitempty"`
	// Next is what people see that comes next, and when.
	Next   string    `json:"next,omitempty"`
	NextAt time.Time `json:"next_at,omitzero"`
}

// Decide is PlanReminder and Record in one step, and so in one event of the
// history: the plan says what comes next, and the record tells people. It runs as
// a local activity.
func (a *Activities) Decide(ctx context.Context, in DecideInput) (Decided, error) {
	return in.By(ctx, a)
}

// Desk decides and records, each by itself.
type Desk interface {
	PlanReminder(context.Context, PlanInput) (Plan, error)
	Record(context.Context, RecordInput) error
}

// By decides, and records what that leads to.
func (in DecideInput) By(ctx context.Context, desk Desk) (Decided, error) {
	p, err := desk.PlanReminder(ctx, in.Plan)
	if err != nil {
		return Decided{}, err
	}
	d := Decided{Plan: p}
	if !in.comesNext(&d) {
		return d, nil
	}
	r := in.Record
	if len(r.Events) == 0 && len(r.Books) == 0 && SameNext(r.CoPay.NextAction, d.Next, r.CoPay.NextActionAt, d.NextAt) {
		return d, nil
	}
	r.CoPay.NextAction, r.CoPay.NextActionAt = d.Next, d.NextAt
	r.decided = true
	d.Recorded = true
	return d, desk.Record(ctx, r)
}

// comesNext says what a plan leads to; false when the co-pay leaves its state or
// has more to tell, which belongs into the same record.
func (in DecideInput) comesNext(d *Decided) bool {
	switch d.Decision.Action {
	case copay.ReminderSend:
		d.Next, d.NextAt = in.Ahead.Message, d.Now.UTC()
		return true
	case copay.ReminderWait:
	case copay.ReminderDone:
		if in.Plan.Forced {
			return false
		}
	default:
		return false
	}
	what, after := in.Ahead.Shown(d.Wait)
	d.Next, d.NextAt = what, d.Now.Add(after).UTC()
	return after > 0
}

// SameMoment is how far apart two moments count as one.
const SameMoment = 10 * time.Second

// SameNext reports whether people were told already what comes next.
func SameNext(what, next string, at, then time.Time) bool {
	return what == next && then.Sub(at).Abs() <= SameMoment
}

// Horizon is what a co-pay that awaits payment does by itself if nothing arrives.
type Horizon struct {
	// Message is what the next message does, Wished that staff wait for it.
	Message string `json:"message"`
	Wished  bool   `json:"wished,omitempty"`
	// GiveUp is how long until a person has to see to it.
	GiveUp time.Duration `json:"give_up"`
	// Look is how long until the processor is asked what has become of the open
	// page, whose news may be lost. Zero: none is open.
	Look time.Duration `json:"look,omitempty"`
}

// First is what comes first, and after how long, when the next message comes
// after wait (zero: none comes); look says that it is the look at the page. What
// is due already is not above zero.
func (h Horizon) First(wait time.Duration) (what string, after time.Duration, look bool) {
	what, after = h.Message, wait
	if wait == 0 || h.GiveUp < wait {
		what, after = "hand to staff", h.GiveUp
	}
	if after > 0 && h.Look > 0 && h.Look < after {
		return "look whether it was paid", h.Look, true
	}
	return what, after, false
}

// Shown is what people are told comes next: the message that staff wait for
// rather than what comes before it.
func (h Horizon) Shown(wait time.Duration) (what string, after time.Duration) {
	what, after, _ = h.First(wait)
	if h.Wished && wait > 0 && after > 0 {
		return h.Message, wait
	}
	return what, after
}
