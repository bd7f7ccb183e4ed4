package copay

import (
	"fmt"
	"slices"
	"time"
)

// Next decides what to do about messages to the patient now. It is asked when
// a timer is set and again at the moment of sending, so that no message
// crosses with a payment, a STOP or the night. Forced skips the ladder only:
// neither a pause nor consent, quiet hours or caps.
func (p ReminderPolicy) Next(in ReminderInput) ReminderDecision {
	p = p.WithDefaults()
	if in.State != StateAwaitingPayment {
		return ReminderDecision{Action: ReminderStop, Reason: "the co-pay is " + string(in.State)}
	}
	if in.Paused {
		return ReminderDecision{Action: ReminderWait, Reason: "staff paused the reminders"}
	}
	channels := p.usable(in.Reach)
	if len(channels) == 0 {
		return ReminderDecision{Action: ReminderEscalate, Reason: "no channel has both consent and a working address"}
	}
	past := roundsOf(in.Sent)
	due, ok := p.due(in, len(past.at))
	if !ok {
		return ReminderDecision{Action: ReminderDone, Reason: fmt.Sprintf("all messages of the ladder were sent (%d)", len(past.at))}
	}
	at, why := p.allowed(due, in.Region, in.Zones, append(roundsOf(in.Earlier).at, past.at...))
	if at.IsZero() {
		return ReminderDecision{Action: ReminderEscalate, Reason: "no hour of the week is allowed everywhere the patient may be: their time zones and state leave none of the practice's hours"}
	}
	d := ReminderDecision{Action: ReminderSend, At: in.Now, Channels: channels, Template: TemplateRequest, Round: past.next,
		Reason: "due, and allowed at this hour"}
	if past.next > 0 {
		d.Template = TemplateReminder
	}
	if at.After(in.Now) {
		return ReminderDecision{Action: ReminderWait, At: at, Round: past.next, Reason: why}
	}
	return d
}

// due is when the next round is, not before now; false when the ladder or the
// total is used up. Round 0, the request itself, is due at once.
func (p ReminderPolicy) due(in ReminderInput, sent int) (time.Time, bool) {
	if sent >= max(p.MaxTotal, 1) {
		return time.Time{}, false
	}
	if sent == 0 || in.Forced {
		return in.Now, true
	}
	if sent > len(p.Ladder) {
		return time.Time{}, false
	}
	due := in.RequestedAt.Add(p.Ladder[sent-1])
	if due.Before(in.Now) {
		due = in.Now
	}
	return due, true
}

// usable lists the practice's channels that have consent and an address.
func (p ReminderPolicy) usable(reach []Reach) []Channel {
	var out []Channel
	for _, c := range p.Channels {
		ok := false
		for _, r := range reach {
			if r.Channel != c {
				continue
			}
			if !r.Consent {
				ok = false // two records of one channel: the revocation holds
				break
			}
			ok = ok || r.Usable
		}
		if ok && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// rounds are the occasions on which messages went out.
type rounds struct {
	at   []time.Time // when each round's last message went out, oldest first
	next int         // number of the round to come
}

// roundsOf groups what was sent. Messages of one round on several channels
// count once against the caps, from the last of them on.
func roundsOf(sent []SentMessage) rounds {
	var out rounds
	last := map[int]time.Time{}
	for _, s := range sent {
		if t, ok := last[s.Round]; !ok || s.At.After(t) {
			last[s.Round] = s.At
		}
		out.next = max(out.next, s.Round+1)
	}
	for _, t := range last {
		out.at = append(out.at, t)
	}
	slices.SortFunc(out.at, time.Time.Compare)
	return out
}

// horizon holds every combination of weekday and hour, and the nights on
// which clocks change.
const horizon = 14 * 24 * time.Hour

// allowed is the first moment at or after t at which a message may go out:
// within the hours of every zone and the caps. Zero when there is none.
func (p ReminderPolicy) allowed(t time.Time, region string, zones []string, past []time.Time) (time.Time, string) {
	why := "the next message is due then"
	if first := p.capped(t, past); first.After(t) {
		t, why = first, "held back by the cap on messages"
	}
	locs := locations(zones)
	for end := t.Add(horizon); t.Before(end); {
		next := t
		for _, loc := range locs {
			if open := p.opening(t, region, loc); open.After(next) {
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
func (p ReminderPolicy) capped(t time.Time, past []time.Time) time.Time {
	for _, c := range []struct {
		n    int
		span time.Duration
	}{{p.MaxPerDay, 24 * time.Hour}, {p.MaxPerWeek, 7 * 24 * time.Hour}} {
		n := max(c.n, 1) // a cap below one would mean silence for ever
		if len(past) < n {
			continue
		}
		if free := past[len(past)-n].Add(c.span); free.After(t) {
			t = free
		}
	}
	return t
}

// opening is t when messages are allowed at t in loc, otherwise the start of
// the next allowed hours there.
func (p ReminderPolicy) opening(t time.Time, region string, loc *time.Location) time.Time {
	l := t.In(loc)
	for i := range 9 { // a week and a day: today may be over already
		hour := func(h int) time.Time { return time.Date(l.Year(), l.Month(), l.Day()+i, h, 0, 0, 0, loc) }
		open := p.hoursOn(hour(12).Weekday(), region)
		from, until := hour(open.from), hour(open.until)
		switch {
		case open.none(), !t.Before(until):
			continue
		case t.Before(from):
			return from
		}
		return t
	}
	return t.Add(horizon)
}

// locations loads the zones; one that is not known makes all of the United
// States apply, because hours must hold wherever the patient may be.
func locations(zones []string) []*time.Location {
	var out []*time.Location
	for _, z := range zones {
		loc, err := time.LoadLocation(z)
		if err != nil || z == "" || z == "Local" {
			return locations(usZones)
		}
		out = append(out, loc)
	}
	if len(out) == 0 {
		return locations(usZones)
	}
	return out
}
