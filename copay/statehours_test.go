package copay_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
)

func region(state string) func(*copay.ReminderInput) {
	return func(in *copay.ReminderInput) { in.Region, in.Zones = state, copay.ZonesFor(state, "") }
}

func TestStateHours(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		p     copay.ReminderPolicy
		state string
		now   string
		want  string // "" means send now
	}{
		"Texas, Saturday at nine":             {copay.ReminderPolicy{}, "TX", "2026-01-17 16:00", ""}, // 10:00 in Dallas, 9:00 in El Paso
		"Texas, Saturday before nine":         {copay.ReminderPolicy{}, "TX", "2026-01-17 15:59", "2026-01-17 16:00"},
		"Texas, Sunday morning":               {copay.ReminderPolicy{}, "tx ", "2026-01-18 16:00", "2026-01-18 19:00"},
		"Massachusetts, last minute":          {copay.ReminderPolicy{}, "MA", "2026-01-16 00:59", ""},
		"Massachusetts, eight in the evening": {copay.ReminderPolicy{}, "MA", "2026-01-16 01:00", "2026-01-16 13:00"},
		"New York is federal":                 {copay.ReminderPolicy{}, "NY", "2026-01-16 01:00", ""},
		"Alabama has no Sunday":               {copay.ReminderPolicy{}, "AL", "2026-01-18 15:00", "2026-01-19 14:00"},
		"Rhode Island, Friday evening":        {copay.ReminderPolicy{}, "RI", "2026-01-16 23:00", "2026-01-17 15:00"},
		"Rhode Island, Saturday evening":      {copay.ReminderPolicy{}, "RI", "2026-01-17 22:00", "2026-01-19 14:00"},
		"the practice is narrower":            {copay.ReminderPolicy{QuietUntil: 11, QuietFrom: 17}, "KY", "2026-01-15 15:30", "2026-01-15 17:00"},
		"the practice keeps federal hours":    {copay.ReminderPolicy{FederalHours: true}, "AL", "2026-01-18 15:00", ""},
		"federal hours are kept":              {copay.ReminderPolicy{FederalHours: true}, "AL", "2026-01-18 13:00", "2026-01-18 14:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := x.p.Next(asked(x.now, region(x.state)))
			if x.want == "" {
				require.Equal(t, copay.ReminderSend, d.Action, d.At)
				return
			}
			require.Equal(t, copay.ReminderWait, d.Action)
			require.Equal(t, at(x.want), d.At.UTC())
		})
	}
	d := copay.ReminderPolicy{QuietUntil: 20}.Next(asked("2026-01-15 15:00", region("MA")))
	require.Equal(t, copay.ReminderEscalate, d.Action, "20 to 21 is not allowed there")
}

func TestAQueuedMessageDiesWhenTheHoursEnd(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		p     copay.ReminderPolicy
		state string
		zones []string
		want  string
	}{
		"the earliest zone":       {copay.ReminderPolicy{}, "", []string{"America/Los_Angeles", "America/New_York"}, "2026-07-02 01:00"},
		"the practice's hour":     {copay.ReminderPolicy{QuietFrom: 18}, "NY", []string{"America/New_York"}, "2026-07-01 22:00"},
		"the state's hour":        {copay.ReminderPolicy{}, "MD", []string{"America/New_York"}, "2026-07-02 00:00"},
		"not where it is dropped": {copay.ReminderPolicy{FederalHours: true}, "MD", []string{"America/New_York"}, "2026-07-02 01:00"},
		"anywhere":                {copay.ReminderPolicy{}, "", []string{"nowhere"}, "2026-07-02 01:00"},
	} {
		require.Equal(t, at(x.want), x.p.Closes(time.Date(2026, 7, 1, 18, 0, 0, 0, time.UTC), x.state, x.zones).UTC(), name)
	}
}

// TestEveryStateHasHours keeps a state's table from silencing it.
func TestEveryStateHasHours(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"AL", "LA", "MS", "FL", "MD", "MA", "OK", "CT", "NV", "MI", "MN", "NM", "TX", "KY", "RI", "NY"} {
		d := copay.ReminderPolicy{}.Next(asked("2026-01-18 07:00", region(state)))
		require.Equal(t, copay.ReminderWait, d.Action, state)
		require.LessOrEqual(t, d.At.Sub(at("2026-01-18 07:00")), 36*time.Hour, state)
	}
}
