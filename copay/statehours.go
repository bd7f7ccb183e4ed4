package copay

import (
	"strings"
	"time"
)

// hours of a day, half-open: from up to, not including, until. The zero value
// has none.
type hours struct{ from, until int }

// and is what is within both.
func (h hours) and(o hours) hours { return hours{max(h.from, o.from), min(h.until, o.until)} }

func (h hours) none() bool { return h.from >= h.until }

// week is the hours of each day, from Sunday.
type week [7]hours

func daily(from, until int) week {
	h := hours{from, until}
	return week{h, h, h, h, h, h, h}
}

func (w week) on(day time.Weekday, h hours) week {
	w[day] = h
	return w
}

// stateHours are narrower than the federal 8 to 21 o'clock. The states wrote
// them for telephone solicitation, which a reminder of a balance is not; that
// texts are exempt from them is nowhere settled, so that they are kept unless
// a practice decides otherwise. Where tables of the rules differ, the narrower
// one stands.
var stateHours = map[string]week{
	"AL": daily(8, 20).on(time.Sunday, hours{}), "LA": daily(8, 20).on(time.Sunday, hours{}), "MS": daily(8, 20).on(time.Sunday, hours{}),
	"FL": daily(8, 20), "MD": daily(8, 20), "MA": daily(8, 20), "OK": daily(8, 20),
	"CT": daily(9, 20), "NV": daily(9, 20),
	"MI": daily(9, 21), "MN": daily(9, 21), "NM": daily(9, 21), "TX": daily(9, 21).on(time.Sunday, hours{12, 21}),
	"KY": daily(10, 21),
	"RI": daily(9, 18).on(time.Saturday, hours{10, 17}).on(time.Sunday, hours{}),
}

// hoursOn are the hours in which the practice writes to a patient of a state
// on a day of the week there.
func (p ReminderPolicy) hoursOn(day time.Weekday, state string) hours {
	if p.NoSunday && day == time.Sunday {
		return hours{}
	}
	own := hours{p.QuietUntil, p.QuietFrom}
	if w, ok := stateHours[strings.ToUpper(strings.TrimSpace(state))]; ok && !p.FederalHours {
		return own.and(w[day])
	}
	return own
}

// Closes is when the quiet hours begin that follow a moment at which a message
// may go out, in the earliest of the patient's zones: a message that is still
// queued then has to die.
func (p ReminderPolicy) Closes(at time.Time, state string, zones []string) time.Time {
	p = p.WithDefaults()
	var first time.Time
	for _, loc := range locations(zones) {
		l := at.In(loc)
		q := time.Date(l.Year(), l.Month(), l.Day(), p.hoursOn(l.Weekday(), state).until, 0, 0, 0, loc)
		if first.IsZero() || q.Before(first) {
			first = q
		}
	}
	return first
}
