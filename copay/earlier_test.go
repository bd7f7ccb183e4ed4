package copay_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/copayflow/copayflow/copay"
)

// earlier adds rounds of a ladder before this one.
func earlier(when ...string) func(*copay.ReminderInput) {
	return func(in *copay.ReminderInput) {
		for i, w := range when {
			in.Earlier = append(in.Earlier, copay.SentMessage{At: at(w), Channel: copay.ChannelSMS, Template: copay.TemplateReminder, Round: i})
		}
	}
}

func TestMessagesOfAnEarlierLadderCountForTheCaps(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		now    string
		change func(*copay.ReminderInput)
		action copay.ReminderAction
		at     string
	}{
		"none went out":                  {"2026-11-24 16:00", earlier(), copay.ReminderSend, "2026-11-24 16:00"},
		"one went out today":             {"2026-11-24 18:00", earlier("2026-11-24 16:00"), copay.ReminderWait, "2026-11-25 16:00"},
		"one went out the day before":    {"2026-11-24 18:00", earlier("2026-11-23 18:00"), copay.ReminderSend, "2026-11-24 18:00"},
		"three went out within the week": {"2026-11-24 18:00", earlier("2026-11-19 16:00", "2026-11-20 16:00", "2026-11-22 16:00"), copay.ReminderWait, "2026-11-26 16:00"},
		"six went out long ago": {"2026-11-24 18:00", earlier("2026-10-01 16:00", "2026-10-08 16:00", "2026-10-15 16:00", "2026-10-22 16:00", "2026-10-29 16:00", "2026-11-05 16:00"),
			copay.ReminderSend, "2026-11-24 18:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := copay.ReminderPolicy{}.Next(asked(tc.now, tc.change))
			require.Equal(t, tc.action, got.Action)
			require.Equal(t, at(tc.at), got.At.UTC())
			require.Zero(t, got.Round, "the new ladder counts its own rounds")
			if got.Action == copay.ReminderSend {
				require.Equal(t, copay.TemplateRequest, got.Template)
			}
		})
	}
}

// However often a ladder is started anew, no day and no week brings more than
// the practice allows.
func TestNoRestartBringsMoreThanTheCaps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := copay.ReminderPolicy{MaxPerDay: rapid.IntRange(1, 2).Draw(t, "day"), MaxPerWeek: rapid.IntRange(1, 4).Draw(t, "week")}.WithDefaults()
		in := asked("2026-11-24 16:00")
		var went []time.Time
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "restart") == 0 {
				first := 0
				if n := len(in.Earlier); n > 0 {
					first = in.Earlier[n-1].Round + 1
				}
				for _, m := range in.Sent {
					m.Round += first
					in.Earlier = append(in.Earlier, m)
				}
				in.Sent, in.RequestedAt = nil, in.Now
			}
			in.Forced = rapid.Bool().Draw(t, "forced")
			d := p.Next(in)
			if d.Action == copay.ReminderWait {
				in.Now = d.At
				d = p.Next(in)
			}
			if d.Action != copay.ReminderSend {
				in.Now = in.Now.Add(time.Hour)
				continue
			}
			went = append(went, in.Now)
			in.Sent = append(in.Sent, copay.SentMessage{At: in.Now, Channel: copay.ChannelSMS, Template: d.Template, Round: d.Round})
			in.Now = in.Now.Add(time.Duration(rapid.IntRange(0, 72).Draw(t, "hours")) * time.Hour)
		}
		for i, first := range went {
			require.LessOrEqual(t, within(went[i:], first.Add(24*time.Hour)), p.MaxPerDay)
			require.LessOrEqual(t, within(went[i:], first.Add(7*24*time.Hour)), p.MaxPerWeek)
		}
	})
}

// within counts the moments before end.
func within(times []time.Time, end time.Time) (n int) {
	for _, t := range times {
		if t.Before(end) {
			n++
		}
	}
	return n
}
