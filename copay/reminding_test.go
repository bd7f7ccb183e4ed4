package copay_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
)

const day = 24 * time.Hour

// at is a moment in UTC: "2026-11-24 15:00".
func at(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		panic(err)
	}
	return t
}

func both() []copay.Reach {
	return []copay.Reach{{Channel: copay.ChannelSMS, Consent: true, Usable: true}, {Channel: copay.ChannelEmail, Consent: true, Usable: true}}
}

// asked is a co-pay requested on Tuesday 2026-11-24, 10:00 in Chicago.
func asked(now string, change ...func(*copay.ReminderInput)) copay.ReminderInput {
	in := copay.ReminderInput{Now: at(now), State: copay.StateAwaitingPayment, RequestedAt: at("2026-11-24 16:00"), Zones: []string{"America/Chicago"}, Reach: both()}
	for _, f := range change {
		f(&in)
	}
	return in
}

// sentAt adds rounds, each by text and by mail.
func sentAt(when ...string) func(*copay.ReminderInput) {
	return func(in *copay.ReminderInput) {
		for i, w := range when {
			for _, c := range []copay.Channel{copay.ChannelSMS, copay.ChannelEmail} {
				in.Sent = append(in.Sent, copay.SentMessage{At: at(w), Channel: c, Round: i})
			}
		}
	}
}

func zones(z ...string) func(*copay.ReminderInput) {
	return func(in *copay.ReminderInput) { in.Zones = z }
}

func forced(in *copay.ReminderInput) { in.Forced = true }
func paused(in *copay.ReminderInput) { in.Paused = true }

func TestLadder(t *testing.T) {
	t.Parallel()
	p := copay.ReminderPolicy{} // 3, 7 and 14 days; 1 a day, 3 a week, 6 in all
	for name, x := range map[string]struct {
		in       copay.ReminderInput
		action   copay.ReminderAction
		at       string
		template copay.Template
		round    int
		channels int
	}{
		"the request at once":            {asked("2026-11-24 16:00"), copay.ReminderSend, "2026-11-24 16:00", copay.TemplateRequest, 0, 2},
		"the request by night":           {asked("2026-11-25 03:00"), copay.ReminderWait, "2026-11-25 14:00", "", 0, 0},
		"the first reminder is not due":  {asked("2026-11-25 16:00", sentAt("2026-11-24 16:00")), copay.ReminderWait, "2026-11-27 16:00", "", 1, 0},
		"the first reminder":             {asked("2026-11-27 16:00", sentAt("2026-11-24 16:00")), copay.ReminderSend, "2026-11-27 16:00", copay.TemplateReminder, 1, 2},
		"counted from the request":       {asked("2026-11-28 16:00", sentAt("2026-11-25 14:00")), copay.ReminderSend, "2026-11-28 16:00", copay.TemplateReminder, 1, 2},
		"the second":                     {asked("2026-11-28 16:00", sentAt("2026-11-24 16:00", "2026-11-27 16:00")), copay.ReminderWait, "2026-12-01 16:00", "", 2, 0},
		"overdue ones come one a day":    {asked("2026-12-20 16:00", sentAt("2026-11-24 16:00", "2026-12-20 15:00")), copay.ReminderWait, "2026-12-21 15:00", "", 2, 0},
		"the last":                       {asked("2026-12-08 16:00", sentAt("2026-11-24 16:00", "2026-11-27 16:00", "2026-12-01 16:00")), copay.ReminderSend, "2026-12-08 16:00", copay.TemplateReminder, 3, 2},
		"ladder used up":                 {asked("2026-12-09 16:00", sentAt("2026-11-24 16:00", "2026-11-27 16:00", "2026-12-01 16:00", "2026-12-08 16:00")), copay.ReminderDone, "", "", 0, 0},
		"forced skips the ladder":        {asked("2026-11-25 16:00", sentAt("2026-11-24 16:00"), forced), copay.ReminderSend, "2026-11-25 16:00", copay.TemplateReminder, 1, 2},
		"forced after the ladder":        {asked("2026-12-09 16:00", sentAt("2026-11-24 16:00", "2026-11-27 16:00", "2026-12-01 16:00", "2026-12-08 16:00"), forced), copay.ReminderSend, "2026-12-09 16:00", copay.TemplateReminder, 4, 2},
		"forced keeps the cap of a day":  {asked("2026-11-24 18:00", sentAt("2026-11-24 16:00"), forced), copay.ReminderWait, "2026-11-25 16:00", "", 1, 0},
		"forced keeps the cap of a week": {asked("2026-11-28 18:00", sentAt("2026-11-24 16:00", "2026-11-26 16:00", "2026-11-27 16:00"), forced), copay.ReminderWait, "2026-12-01 16:00", "", 3, 0},
		"forced keeps the total":         {asked("2026-12-29 16:00", sentAt("2026-11-24 16:00", "2026-11-27 16:00", "2026-12-01 16:00", "2026-12-08 16:00", "2026-12-15 16:00", "2026-12-22 16:00"), forced), copay.ReminderDone, "", "", 0, 0},
		"forced keeps the night":         {asked("2026-11-26 03:00", sentAt("2026-11-24 16:00"), forced), copay.ReminderWait, "2026-11-26 14:00", "", 1, 0},
		"forced keeps the pause":         {asked("2026-11-25 16:00", forced, paused), copay.ReminderWait, "", "", 0, 0},
		"paused waits without an end":    {asked("2026-11-27 16:00", sentAt("2026-11-24 16:00"), paused), copay.ReminderWait, "", "", 0, 0},
		"a round counts from its last": {asked("2026-11-27 16:00", func(in *copay.ReminderInput) {
			in.Sent = []copay.SentMessage{{At: at("2026-11-24 16:00")}, {At: at("2026-11-26 20:00")}}
		}), copay.ReminderWait, "2026-11-27 20:00", "", 1, 0},
		"a number is never given twice": {asked("2026-11-28 16:00", func(in *copay.ReminderInput) { in.Sent = []copay.SentMessage{{At: at("2026-11-24 16:00"), Round: 5}} }), copay.ReminderSend, "2026-11-28 16:00", copay.TemplateReminder, 6, 2},
		"absurd rounds do no harm": {asked("2026-11-28 16:00", func(in *copay.ReminderInput) {
			in.Sent = []copay.SentMessage{{At: at("2026-11-24 16:00"), Round: 1 << 40}, {At: at("2026-11-24 16:00"), Round: -7}}
		}), copay.ReminderWait, "2026-12-01 16:00", "", 1<<40 + 1, 0},
		"one channel without consent": {asked("2026-11-24 16:00", func(in *copay.ReminderInput) { in.Reach[0].Consent = false }), copay.ReminderSend, "2026-11-24 16:00", copay.TemplateRequest, 0, 1},
		"a revocation beats a consent": {asked("2026-11-24 16:00", func(in *copay.ReminderInput) {
			in.Reach = append(in.Reach, copay.Reach{Channel: copay.ChannelSMS, Usable: true})
		}), copay.ReminderSend, "2026-11-24 16:00", copay.TemplateRequest, 0, 1},
		"no consent at all":               {asked("2026-11-24 16:00", func(in *copay.ReminderInput) { in.Reach[0].Consent, in.Reach[1].Consent = false, false }), copay.ReminderEscalate, "", "", 0, 0},
		"no address at all":               {asked("2026-11-25 03:00", func(in *copay.ReminderInput) { in.Reach[0].Usable, in.Reach[1].Usable = false, false }), copay.ReminderEscalate, "", "", 0, 0},
		"consent here, the address there": {asked("2026-11-24 16:00", func(in *copay.ReminderInput) { in.Reach[0].Usable, in.Reach[1].Consent = false, false }), copay.ReminderEscalate, "", "", 0, 0},
		"nobody":                          {asked("2026-11-24 16:00", func(in *copay.ReminderInput) { in.Reach = nil }), copay.ReminderEscalate, "", "", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := p.Next(x.in)
			require.Equal(t, x.action, d.Action, d.Reason)
			if x.at == "" {
				require.True(t, d.At.IsZero(), d.At)
			} else {
				require.Equal(t, at(x.at), d.At.UTC(), d.Reason)
			}
			require.Equal(t, x.template, d.Template)
			require.Equal(t, x.round, d.Round)
			require.Len(t, d.Channels, x.channels)
			require.NotEmpty(t, d.Reason)
		})
	}
}

func TestOnlyWhileAPaymentIsAwaited(t *testing.T) {
	t.Parallel()
	for _, s := range append(copay.States(), "", "strange") {
		for _, change := range [][]func(*copay.ReminderInput){nil, {forced}, {paused}} {
			d := copay.ReminderPolicy{}.Next(asked("2026-11-24 16:00", append(change, func(in *copay.ReminderInput) { in.State = s })...))
			if s == copay.StateAwaitingPayment {
				require.NotEqual(t, copay.ReminderStop, d.Action)
				continue
			}
			require.Equal(t, copay.ReminderStop, d.Action, s)
			require.Contains(t, d.Reason, string(s))
			require.Empty(t, d.Channels)
		}
	}
}

func TestQuietHours(t *testing.T) {
	t.Parallel()
	california := copay.ZonesFor("CA", "+12125550123")
	arizona, hawaii := copay.ZonesFor("AZ", ""), copay.ZonesFor("HI", "")
	newYork := []string{"America/New_York"}
	noSunday := copay.ReminderPolicy{NoSunday: true}
	for name, x := range map[string]struct {
		p     copay.ReminderPolicy
		zones []string
		now   string
		want  string // "" means send now
	}{
		"first minute":                           {copay.ReminderPolicy{}, newYork, "2026-01-15 13:00", ""},
		"minute before":                          {copay.ReminderPolicy{}, newYork, "2026-01-15 12:59", "2026-01-15 13:00"},
		"last minute":                            {copay.ReminderPolicy{}, newYork, "2026-01-16 01:59", ""},
		"nine in the evening":                    {copay.ReminderPolicy{}, newYork, "2026-01-16 02:00", "2026-01-16 13:00"},
		"the night the clock goes back":          {copay.ReminderPolicy{}, newYork, "2026-11-01 05:30", "2026-11-01 13:00"},
		"an hour later it is the same hour":      {copay.ReminderPolicy{}, newYork, "2026-11-01 06:30", "2026-11-01 13:00"},
		"the evening before it goes back":        {copay.ReminderPolicy{}, newYork, "2026-11-01 01:00", "2026-11-01 13:00"},
		"the evening before, still allowed":      {copay.ReminderPolicy{}, newYork, "2026-11-01 00:59", ""},
		"the night the clock goes on":            {copay.ReminderPolicy{}, newYork, "2026-03-08 06:30", "2026-03-08 12:00"},
		"an hour that is left out":               {copay.ReminderPolicy{}, newYork, "2026-03-08 07:00", "2026-03-08 12:00"},
		"California with a New York number":      {copay.ReminderPolicy{}, california, "2026-01-15 13:00", "2026-01-15 16:00"},
		"California when New York sleeps":        {copay.ReminderPolicy{}, california, "2026-01-16 04:00", ""},
		"Arizona in summer: Phoenix still early": {copay.ReminderPolicy{}, arizona, "2026-07-01 14:30", "2026-07-01 15:00"},
		"Arizona in summer: Navajo late":         {copay.ReminderPolicy{}, arizona, "2026-07-02 03:00", "2026-07-02 15:00"},
		"Arizona in winter: one hour":            {copay.ReminderPolicy{}, arizona, "2026-01-16 03:30", ""},
		"Hawaii in the morning":                  {copay.ReminderPolicy{}, hawaii, "2026-07-01 17:00", "2026-07-01 18:00"},
		"Hawaii in the evening":                  {copay.ReminderPolicy{}, hawaii, "2026-07-02 06:59", ""},
		"nothing known, east awake":              {copay.ReminderPolicy{}, nil, "2026-01-15 15:00", "2026-01-15 18:00"},
		"nothing known, all awake":               {copay.ReminderPolicy{}, nil, "2026-01-15 18:00", ""},
		"a zone that is not one":                 {copay.ReminderPolicy{}, []string{"Mars/Olympus"}, "2026-01-15 15:00", "2026-01-15 18:00"},
		"the machine's own zone is no zone":      {copay.ReminderPolicy{}, []string{"Local"}, "2026-01-15 15:00", "2026-01-15 18:00"},
		"Sunday":                                 {noSunday, newYork, "2026-01-18 15:00", "2026-01-19 13:00"},
		"Saturday night before it":               {noSunday, newYork, "2026-01-18 02:00", "2026-01-19 13:00"},
		"Saturday":                               {noSunday, newYork, "2026-01-17 15:00", ""},
		// 21:00 UTC on Saturday is Sunday, 08:00, on Guam, still Saturday in Chicago.
		"Sunday in one of two zones":  {noSunday, []string{"Pacific/Guam", "America/Chicago"}, "2026-01-17 22:00", "2026-01-19 22:00"},
		"narrower":                    {copay.ReminderPolicy{QuietUntil: 10, QuietFrom: 18}, newYork, "2026-01-15 13:00", "2026-01-15 15:00"},
		"wider is narrowed":           {copay.ReminderPolicy{QuietUntil: 5, QuietFrom: 23}, newYork, "2026-01-15 11:00", "2026-01-15 13:00"},
		"wider is narrowed at night":  {copay.ReminderPolicy{QuietUntil: 5, QuietFrom: 23}, newYork, "2026-01-16 03:00", "2026-01-16 13:00"},
		"hours that only overlap":     {copay.ReminderPolicy{QuietUntil: 14, QuietFrom: 20}, []string{"America/New_York", "Pacific/Honolulu"}, "2026-01-15 20:00", "2026-01-16 00:00"},
		"a Sunday when clocks change": {noSunday, newYork, "2026-03-08 15:00", "2026-03-09 12:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := x.p.Next(asked(x.now, zones(x.zones...)))
			if x.want == "" {
				require.Equal(t, copay.ReminderSend, d.Action, d.At)
				return
			}
			require.Equal(t, copay.ReminderWait, d.Action)
			require.Equal(t, at(x.want), d.At.UTC())
		})
	}
}

func TestHoursThatNeverCome(t *testing.T) {
	t.Parallel()
	for _, p := range []copay.ReminderPolicy{{QuietUntil: 20, QuietFrom: 9}, {QuietUntil: 12, QuietFrom: 12}, {QuietUntil: 30}, {QuietFrom: -3}} {
		d := p.Next(asked("2026-01-15 15:00"))
		require.Equal(t, copay.ReminderEscalate, d.Action)
	}
	// Nobody is awake for both: 20 to 21 in New York is 15 to 16 in Honolulu.
	d := copay.ReminderPolicy{QuietUntil: 20}.Next(asked("2026-01-15 15:00", zones("America/New_York", "Pacific/Honolulu")))
	require.Equal(t, copay.ReminderEscalate, d.Action)
	require.Contains(t, d.Reason, "time zones")
}

func TestSmallCapsStillEnd(t *testing.T) {
	t.Parallel()
	p := copay.ReminderPolicy{MaxPerDay: -1, MaxPerWeek: -1, MaxTotal: -1}
	require.Equal(t, copay.ReminderSend, p.Next(asked("2026-11-24 16:00")).Action)
	require.Equal(t, copay.ReminderDone, p.Next(asked("2026-11-28 16:00", sentAt("2026-11-24 16:00"))).Action)
}
