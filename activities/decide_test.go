package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

func TestWhatComesFirst(t *testing.T) {
	const hour, day = time.Hour, 24 * time.Hour
	for name, tc := range map[string]struct {
		h     Horizon
		wait  time.Duration
		what  string
		after time.Duration
		look  bool
		shown string
	}{
		"the message":                        {Horizon{GiveUp: 30 * day}, 3 * day, "remind", 3 * day, false, "remind"},
		"no message comes":                   {Horizon{GiveUp: 30 * day}, 0, "hand to staff", 30 * day, false, "hand to staff"},
		"staff, before the message":          {Horizon{GiveUp: 2 * day}, 3 * day, "hand to staff", 2 * day, false, "hand to staff"},
		"the look at the page":               {Horizon{GiveUp: 30 * day, Look: hour}, 3 * day, "look whether it was paid", hour, true, "look whether it was paid"},
		"the message, before the look":       {Horizon{GiveUp: 30 * day, Look: 4 * day}, 3 * day, "remind", 3 * day, false, "remind"},
		"the look, while staff await a text": {Horizon{GiveUp: 30 * day, Look: hour, Wished: true}, 3 * day, "look whether it was paid", hour, true, "remind"},
		"time is over, whatever is open":     {Horizon{GiveUp: -hour, Look: hour}, 3 * day, "hand to staff", -hour, false, "hand to staff"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.h.Message = "remind"
			what, after, look := tc.h.First(tc.wait)
			require.Equal(t, tc.what, what)
			require.Equal(t, tc.after, after)
			require.Equal(t, tc.look, look)
			shown, _ := tc.h.Shown(tc.wait)
			require.Equal(t, tc.shown, shown)
		})
	}
}

func deciding(b bench) DecideInput {
	in := DecideInput{Plan: notify(b).PlanInput, Ahead: Horizon{Message: "ask the patient", GiveUp: 30 * 24 * time.Hour}}
	in.Record.CoPay = copay.CoPay{State: copay.StateAwaitingPayment, UpdatedAt: b.a.now()}
	return in
}

// What was decided stands in the record that is made by the same step.
func TestTheDecisionIsRecordedWithWhatWasBefore(t *testing.T) {
	b := setup(t)
	in := deciding(b)
	in.Record.Events = []ledger.TimelineEvent{{Kind: "requested", At: b.a.now()}}
	var d Decided
	require.NoError(t, b.run(b.a.Decide, in, &d))
	require.Equal(t, copay.ReminderSend, d.Decision.Action)
	require.True(t, d.Recorded)
	require.Len(t, b.s.records, 1)
	r := b.s.records[0]
	require.True(t, r.Decided)
	require.Equal(t, "ask the patient", r.CoPay.NextAction)
	require.Equal(t, b.a.now(), r.CoPay.NextActionAt)
	require.Equal(t, "requested", r.Events[0].Kind)

	in = deciding(b)
	in.Ahead.Message, in.Ahead.Look = "remind the patient", time.Hour
	in.Plan.Sent = []copay.SentMessage{{At: b.a.now(), Channel: copay.ChannelSMS, Template: copay.TemplateRequest}}
	require.NoError(t, b.run(b.a.Decide, in, &d))
	require.True(t, d.Recorded, "what comes next has changed")
	require.Equal(t, "look whether it was paid", d.Next)
	require.Equal(t, b.a.now().Add(time.Hour), d.NextAt)

	in.Record.CoPay.NextAction, in.Record.CoPay.NextActionAt = d.Next, d.NextAt.Add(time.Second)
	d = Decided{}
	require.NoError(t, b.run(b.a.Decide, in, &d))
	require.False(t, d.Recorded, "nothing is new")
	require.Len(t, b.s.records, 2)
}

// Where the co-pay is handed to a person, that belongs into the same record.
func TestADecisionThatLeadsElsewhereIsNotRecorded(t *testing.T) {
	for name, change := range map[string]func(*DecideInput){
		"nobody can be reached": func(in *DecideInput) { in.Plan.Channels = nil },
		"time is over":          func(in *DecideInput) { in.Plan.Paused, in.Ahead.GiveUp = true, -time.Hour },
		"a wish comes too late": func(in *DecideInput) { in.Plan.State, in.Plan.Forced = copay.StateSettled, true },
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			in := deciding(b)
			in.Record.Events = []ledger.TimelineEvent{{Kind: "requested", At: b.a.now()}}
			change(&in)
			var d Decided
			require.NoError(t, b.run(b.a.Decide, in, &d))
			require.NotEqual(t, copay.ReminderSend, d.Decision.Action)
			require.False(t, d.Recorded)
			require.Empty(t, b.s.records)
		})
	}
}

func TestADecisionFailsWithEitherPart(t *testing.T) {
	b := setup(t)
	in := deciding(b)
	in.Record.Books = []Booking{{Rule: "magic", Step: "s", Amount: copay.Cents(1)}}
	require.Error(t, b.run(b.a.Decide, in, nil))
	require.Empty(t, b.s.records)
}
