package copay

import (
	"fmt"
	"time"
)

// Next decides what to do about messages to the patient now. It is asked when
// a timer is set and again at the moment of sending, so that no message
// crosses with a payment, a STOP or the night.
func (p ReminderPolicy) Next(in ReminderInput) ReminderDecision {
	p = p.WithDefaults()
	if in.State != StateAwaitingPayment {
		return ReminderDecision{Action: ReminderStop, Reason: "the co-pay is " + string(in.State)}
	}
	if in.Paused && !in.Forced {
		return ReminderDecision{Action: ReminderWait, Reason: "staff paused the reminders"}
	}
	channels := p.usable(in.Reach)
	if len(channels) == 0 {
		return ReminderDecision{Action: ReminderEscalate, Reason: "no channel has both consent and a working address"}
	}
	rounds := roundsOf(in.Sent)
	d := ReminderDecision{Channels: channels, Template: TemplateRequest, Round: len(rounds)}
	due := in.RequestedAt
	if len(rounds) > 0 {
		d.Template = TemplateReminder
		if len(rounds) > len(p.Ladder) || len(rounds) >= p.MaxTotal {
			return ReminderDecision{Action: ReminderEscalate, Reason: fmt.Sprintf("all %d messages were sent and nothing was paid", len(rounds))}
		}
		due = in.RequestedAt.Add(p.Ladder[len(rounds)-1])
	}
	if in.Forced || due.Before(in.Now) {
		due = in.Now
	}
	at, why := p.allowed(due, in.Zones, rounds)
	if at.IsZero() {
		return ReminderDecision{Action: ReminderEscalate, Reason: "no hour of the week is allowed in all of the patient's time zones"}
	}
	if at.After(in.Now) {
		return ReminderDecision{Action: ReminderWait, At: at, Round: d.Round, Reason: why}
	}
	d.Action, d.At, d.Reason = ReminderSend, in.Now, "due, and allowed at this hour"
	return d
}

// usable lists the practice's channels that have consent and an address.
func (p ReminderPolicy) usable(reach []Reach) []Channel {
	var out []Channel
	for _, c := range p.Channels {
		for _, r := range reach {
			if r.Channel == c && r.Consent && r.Usable {
				out = append(out, c)
				break
			}
		}
	}
	return out
}

// roundsOf is when each round of messages went out, oldest first. Messages of
// one round on several channels count once against the caps.
func roundsOf(sent []SentMessage) []time.Time {
	byRound := map[int]time.Time{}
	for _, s := range sent {
		if t, ok := byRound[s.Round]; !ok || s.At.Before(t) {
			byRound[s.Round] = s.At
		}
	}
	out := make([]time.Time, 0, len(byRound))
	for r := 0; len(out) < len(byRound) && r <= maxRound(sent); r++ {
		if t, ok := byRound[r]; ok {
			out = append(out, t)
		}
	}
	return out
}

func maxRound(sent []SentMessage) int {
	m := 0
	for _, s := range sent {
		m = max(m, s.Round)
	}
	return m
}

// allowed is the first moment at or after t at which a message may go out:
// within the hours of every zone and the caps. Zero when there is none.
func (p ReminderPolicy) allowed(t time.Time, zones []string, rounds []time.Time) (time.Time, string) {
	why := "the next message is due then"
	if first := p.capped(t, rounds); first.After(t) {
		t, why = first, "held back by the cap on messages"
	}
	locs := locations(zones)
	// Two weeks hold every combination of weekday and hour.
	for end := t.Add(14 * 24 * time.Hour); t.Before(end); {
		next := t
		for _, loc := range locs {
			if open := p.opening(t, loc); open.After(next) {
				next = open
			}
		}
		if next.Equal(t) {
			return t, why
		}
		t, why = next, "held back by the patient's quiet hours"
	}
	return time.Time{}, ""
}

// capped moves t past the caps per day and per week, which are counted over
// the last 24 hours and 7 days.
func (p ReminderPolicy) capped(t time.Time, rounds []time.Time) time.Time {
	for _, c := range []struct {
		n    int
		span time.Duration
	}{{p.MaxPerDay, 24 * time.Hour}, {p.MaxPerWeek, 7 * 24 * time.Hour}} {
		if len(rounds) < c.n {
			continue
		}
		if free := rounds[len(rounds)-c.n].Add(c.span); free.After(t) {
			t = free
		}
	}
	return t
}

// opening is t when messages are allowed at t in loc, otherwise the start of
// the next allowed hours there. The hours are half-open: from QuietUntil to
// just before QuietFrom.
func (p ReminderPolicy) opening(t time.Time, loc *time.Location) time.Time {
	for i := 0; i < 9; i++ {
		l := t.In(loc)
		day := l.AddDate(0, 0, i)
		if p.NoSunday && day.Weekday() == time.Sunday {
			continue
		}
		from := time.Date(day.Year(), day.Month(), day.Day(), p.QuietUntil, 0, 0, 0, loc)
		until := time.Date(day.Year(), day.Month(), day.Day(), p.QuietFrom, 0, 0, 0, loc)
		if !t.Before(until) {
			continue
		}
		if t.Before(from) {
			return from
		}
		return t
	}
	return t.Add(9 * 24 * time.Hour)
}

// locations loads the zones; one that is not known makes all of the United
// States apply, because hours must hold wherever the patient may be.
func locations(zones []string) []*time.Location {
	var out []*time.Location
	for _, z := range zones {
		loc, err := time.LoadLocation(z)
		if err != nil || z == "" {
			return locations(usZones)
		}
		out = append(out, loc)
	}
	if len(out) == 0 {
		return locations(usZones)
	}
	return out
}
