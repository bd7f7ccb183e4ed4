package copay_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/copayflow/copayflow/copay"
)

var someZones = []string{"America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles", "America/Anchorage", "America/Adak",
	"Pacific/Honolulu", "America/Puerto_Rico", "Pacific/Guam", "America/Indiana/Indianapolis", "nowhere", ""}

func reminderPolicy() *rapid.Generator[copay.ReminderPolicy] {
	return rapid.Custom(func(t *rapid.T) copay.ReminderPolicy {
		p := copay.ReminderPolicy{
			QuietUntil: rapid.IntRange(0, 15).Draw(t, "from"),
			QuietFrom:  rapid.IntRange(0, 24).Draw(t, "until"),
			NoSunday:   rapid.Bool().Draw(t, "nosunday"),
			MaxPerDay:  rapid.IntRange(-1, 3).Draw(t, "perday"),
			MaxPerWeek: rapid.IntRange(-1, 5).Draw(t, "perweek"),
			MaxTotal:   rapid.IntRange(-1, 8).Draw(t, "total"),
		}
		for range rapid.IntRange(0, 5).Draw(t, "rungs") {
			p.Ladder = append(p.Ladder, time.Duration(rapid.Int64Range(-10, 40*24*60).Draw(t, "minutes"))*time.Minute)
		}
		return p
	})
}

func reminderStart() *rapid.Generator[copay.ReminderInput] {
	return rapid.Custom(func(t *rapid.T) copay.ReminderInput {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.Int64Range(0, 366*24*60).Draw(t, "minute")) * time.Minute)
		if rapid.Bool().Draw(t, "clocks change") {
			now = rapid.SampledFrom([]time.Time{at("2026-03-07 12:00"), at("2026-10-31 12:00")}).Draw(t, "eve").
				Add(time.Duration(rapid.Int64Range(0, 48*60).Draw(t, "after")) * time.Minute)
		}
		in := copay.ReminderInput{Now: now, RequestedAt: now, State: copay.StateAwaitingPayment}
		in.Zones = rapid.SliceOfN(rapid.SampledFrom(someZones), 0, 3).Draw(t, "zones")
		for _, c := range []copay.Channel{copay.ChannelSMS, copay.ChannelEmail} {
			in.Reach = append(in.Reach, copay.Reach{Channel: c, Consent: rapid.IntRange(0, 5).Draw(t, "consent") > 0, Usable: rapid.IntRange(0, 5).Draw(t, "usable") > 0})
		}
		return in
	})
}

// awake is an independent reading of the rule: the clock on the wall of every
// zone shows an hour that is allowed.
func awake(p copay.ReminderPolicy, names []string, t time.Time) bool {
	p = p.WithDefaults()
	var locs []*time.Location
	for _, n := range names {
		loc, err := time.LoadLocation(n)
		if err != nil || n == "" {
			locs = nil
			break
		}
		locs = append(locs, loc)
	}
	if len(locs) == 0 {
		for _, n := range copay.ZonesFor("", "") {
			loc, _ := time.LoadLocation(n)
			locs = append(locs, loc)
		}
	}
	for _, loc := range locs {
		l := t.In(loc)
		if l.Hour() < max(p.QuietUntil, 8) || l.Hour() >= min(p.QuietFrom, 21) || p.NoSunday && l.Weekday() == time.Sunday {
			return false
		}
	}
	return true
}

// withinCaps counts rounds in every window that ends now.
func withinCaps(p copay.ReminderPolicy, sent []copay.SentMessage, now time.Time, round int) bool {
	p = p.WithDefaults()
	count := func(since time.Time) int {
		seen := map[int]bool{round: true}
		for _, m := range sent {
			if m.At.After(since) {
				seen[m.Round] = true
			}
		}
		return len(seen)
	}
	return count(now.Add(-day)) <= max(p.MaxPerDay, 1) && count(now.Add(-7*day)) <= max(p.MaxPerWeek, 1) && count(time.Time{}) <= max(p.MaxTotal, 1)
}

// A whole life: time goes from decision to decision, channels are revoked,
// staff resend and pause. Whatever happens, no message breaks a rule, every
// wait moves on, and the story ends.
func TestReminderLife(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, in := reminderPolicy().Draw(t, "policy"), reminderStart().Draw(t, "start")
		end := in.Now
		for step := 0; ; step++ {
			require.Less(t, step, 200, "it never ends")
			switch rapid.IntRange(0, 12).Draw(t, "meanwhile") {
			case 0:
				in.Reach[rapid.IntRange(0, 1).Draw(t, "which")].Consent = false
			case 1:
				in.Forced = true
			case 2:
				in.State = rapid.SampledFrom(copay.States()).Draw(t, "state")
			}
			d := p.Next(in)
			require.Equal(t, d, p.Next(in), "the same facts give the same decision")
			require.NotEmpty(t, d.Reason)
			switch d.Action {
			case copay.ReminderSend:
				mustBeAllowed(t, p, in, d)
				for _, c := range d.Channels {
					in.Sent = append(in.Sent, copay.SentMessage{At: in.Now, Channel: c, Template: d.Template, Round: d.Round})
				}
				in.Forced = false
				in.Now = in.Now.Add(time.Duration(rapid.Int64Range(0, 600).Draw(t, "seconds")) * time.Second)
			case copay.ReminderWait:
				require.True(t, d.At.After(in.Now), "a wait moves on")
				require.Empty(t, d.Channels)
				in.Now = d.At
			case copay.ReminderStop:
				require.NotEqual(t, copay.StateAwaitingPayment, in.State)
				return
			case copay.ReminderEscalate, copay.ReminderDone:
				require.Equal(t, copay.StateAwaitingPayment, in.State)
				return
			default:
				t.Fatalf("action %q", d.Action)
			}
			require.Less(t, in.Now.Sub(end), 400*day)
		}
	})
}

func mustBeAllowed(t *rapid.T, p copay.ReminderPolicy, in copay.ReminderInput, d copay.ReminderDecision) {
	require.Equal(t, copay.StateAwaitingPayment, in.State)
	require.Equal(t, in.Now, d.At)
	require.True(t, awake(p, in.Zones, in.Now), "%s in %v", in.Now, in.Zones)
	require.True(t, withinCaps(p, in.Sent, in.Now, d.Round), in.Sent)
	require.NotEmpty(t, d.Channels)
	for _, r := range in.Reach {
		require.Equal(t, r.Consent && r.Usable, slices.Contains(d.Channels, r.Channel), r.Channel)
	}
	for _, m := range in.Sent {
		require.Less(t, m.Round, d.Round, "a round has its own number")
	}
	want := copay.TemplateReminder
	if len(in.Sent) == 0 {
		want = copay.TemplateRequest
	}
	require.Equal(t, want, d.Template)
	if !in.Forced && d.Round > 0 {
		ladder := p.WithDefaults().Ladder
		require.False(t, in.Now.Before(in.RequestedAt.Add(ladder[d.Round-1])), "not before its rung")
	}
}

// A wait is never longer than it must be: no minute before it was allowed.
func TestReminderWaitsNoLongerThanItMust(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, in := reminderPolicy().Draw(t, "policy"), reminderStart().Draw(t, "start")
		if rapid.Bool().Draw(t, "sent before") {
			in.Sent = []copay.SentMessage{{At: in.Now.Add(-time.Duration(rapid.Int64Range(0, 9*24*60).Draw(t, "ago")) * time.Minute), Channel: copay.ChannelSMS}}
			in.Forced = true
		}
		d := p.Next(in)
		if d.Action != copay.ReminderWait {
			return
		}
		require.True(t, awake(p, in.Zones, d.At) && withinCaps(p, in.Sent, d.At, d.Round))
		for m := in.Now; m.Before(d.At); m = m.Add(13 * time.Minute) {
			require.False(t, awake(p, in.Zones, m) && withinCaps(p, in.Sent, m, d.Round), "%s was allowed", m)
		}
	})
}

// Paused, a co-pay sends nothing and sets no timer, whatever else holds.
func TestPausedSendsNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, in := reminderPolicy().Draw(t, "policy"), reminderStart().Draw(t, "start")
		in.Paused, in.Forced = true, rapid.Bool().Draw(t, "forced")
		d := p.Next(in)
		require.Equal(t, copay.ReminderWait, d.Action)
		require.True(t, d.At.IsZero())
	})
}
