package workflows

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// vault is a world whose own database refuses steps, as when the key of a
// practice is not configured on a worker.
type vault struct {
	*world
	refuses map[string]int // how often each step is refused
}

func (v *vault) no(step string) error {
	if v.refuses[step] > 0 {
		v.refuses[step]--
		return refuse(integrations.KindInvalid)
	}
	return nil
}

func (v *vault) Open(ctx context.Context, in activities.OpenInput) (activities.Opened, error) {
	if err := v.no("Open"); err != nil {
		return activities.Opened{}, err
	}
	return v.world.Open(ctx, in)
}

func (v *vault) Record(ctx context.Context, in activities.RecordInput) error {
	if err := v.no("Record"); err != nil {
		return err
	}
	return v.world.Record(ctx, in)
}

func (v *vault) PlanReminder(ctx context.Context, in activities.PlanInput) (activities.Plan, error) {
	if err := v.no("PlanReminder"); err != nil {
		return activities.Plan{}, err
	}
	return v.world.PlanReminder(ctx, in)
}

func (v *vault) Decide(ctx context.Context, in activities.DecideInput) (activities.Decided, error) {
	return in.By(ctx, v)
}

func locked(w *world, refuses map[string]int) *vault {
	v := &vault{world: w, refuses: refuses}
	w.env.RegisterActivityWithOptions(v, activity.RegisterOptions{DisableAlreadyRegisteredCheck: true})
	return v
}

// What our own database refuses ends no co-pay, and nothing is dropped.
func TestARecordThatIsRefusedIsMadeLater(t *testing.T) {
	w := newWorld(t)
	v := locked(w, map[string]int{"Open": 2, "Record": 3})
	w.then(12*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, map[string]int{"Open": 0, "Record": 0}, v.refuses)
	for _, line := range []string{"co-pay opened by event", "estimated $25.00", "$25.00 posted to the EHR"} {
		require.True(t, w.told(line), line)
	}
}

func TestAPatientThatCannotBeReadAsksAPerson(t *testing.T) {
	t.Run("for the estimate", func(t *testing.T) {
		w := newWorld(t)
		w.fail["Estimate"] = []error{refuse(integrations.KindNotFound)}
		w.decides(time.Hour, copay.ReviewEligibility, copay.ChoiceRetry)
		w.then(2*time.Hour, w.pays)
		require.Equal(t, copay.StateSettled, w.run(input()))
	})
	for name, tc := range map[string]struct {
		card bool
		at   time.Duration
		wish func(*world)
	}{
		"for a message":                          {false, 0, nil},
		"for the card's notice":                  {true, 0, nil},
		"for a repeated notice":                  {true, time.Hour, func(w *world) { w.act("", UpdateResend, Resend{Act: by(frontDesk, "r1")}) }},
		"when something is said to have changed": {true, time.Hour, func(w *world) { w.env.SignalWorkflow(SignalRecheck, nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.est.Card = tc.card
			v := locked(w, map[string]int{})
			if tc.wish == nil {
				v.refuses["PlanReminder"] = 2
			} else {
				w.then(tc.at, func() { v.refuses["PlanReminder"] = 2; tc.wish(w) })
			}
			w.then(tc.at+time.Minute, func() {
				require.Equal(t, copay.ReviewNoContact, w.stored.Review.Kind)
				require.Contains(t, w.stored.Review.Message, "cannot be read")
				w.act("", UpdateWaive, Waive{by(biller, "k1")})
			})
			require.Equal(t, copay.StateWaived, w.run(input()))
			require.Empty(t, w.captured)
		})
	}
}

// A STOP that comes while a decision is being recorded is heeded at once, not
// at the next message.
func TestAStopBetweenDecisionAndWaitIsHeeded(t *testing.T) {
	w := newWorld(t)
	w.onRecord = func() {
		if w.stored != nil && len(w.stored.Reminders) == 0 && w.stored.State == copay.StateAwaitingPayment { // the messages are being recorded
			w.onRecord, w.reach = nil, false
			w.env.SignalWorkflow(SignalRecheck, nil)
		}
	}
	w.then(time.Hour, func() {
		require.Equal(t, copay.StateNeedsReview, w.stored.State)
		w.act("", UpdateWaive, Waive{by(biller, "k1")})
	})
	require.Equal(t, copay.StateWaived, w.run(input()))
}

// A person's review is no busy wait, whatever has changed before.
func TestWhatChangedBeforeAReviewDoesNotKeepItAwake(t *testing.T) {
	w := newWorld(t)
	w.checked.Status = copay.CoverageInactive
	w.then(0, func() { w.env.SignalWorkflow(SignalRecheck, nil) })
	w.then(time.Hour, func() { w.act("", UpdateWaive, Waive{by(biller, "k1")}) })
	require.Equal(t, copay.StateWaived, w.run(input()))
}

// What the patient says of their address stands in the co-pay's history, and what
// comes next is decided anew.
func TestWhatIsSaidOfAnAddressStandsInTheHistory(t *testing.T) {
	for name, tc := range map[string]struct {
		e     Event
		reach bool // afterwards
		told  string
		who   string
	}{
		"STOP":             {Event{Kind: string(integrations.EventMessageOptOut), Channel: copay.ChannelSMS}, false, "the patient wants no more texts", "patient"},
		"START":            {Event{Kind: string(integrations.EventMessageOptIn), Channel: copay.ChannelSMS}, true, "the patient wants texts again", "patient"},
		"in other words":   {Event{Kind: string(integrations.EventMessageInbound), Channel: copay.ChannelSMS, Status: string(copay.IntentUnclear)}, false, "may mean that they want no more texts", "patient"},
		"start, in a text": {Event{Kind: string(integrations.EventMessageInbound), Channel: copay.ChannelSMS, Status: string(copay.IntentStart)}, true, "the patient wants texts again", "patient"},
		"a bad address":    {Event{Kind: string(integrations.EventAddressBad), Channel: copay.ChannelEmail, Code: "550"}, false, "mail cannot reach the patient (code 550)", "platform:twilio"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tc.e.ID, tc.e.Platform = "twilio/SM1", "twilio"
			w.then(time.Hour, func() { w.reach = tc.reach; w.env.SignalWorkflow(SignalEvent, tc.e) })
			w.then(2*time.Hour, func() {
				last := w.timeline[len(w.timeline)-1]
				if !tc.reach {
					require.Equal(t, copay.StateNeedsReview, w.stored.State, "decided at once")
					last = w.timeline[len(w.timeline)-2]
				}
				require.Contains(t, last.Summary, tc.told)
				require.Equal(t, tc.who, last.Actor.ID)
				w.env.SignalWorkflow(SignalEvent, tc.e) // told once more
			})
			w.then(3*time.Hour, w.pays)
			require.Equal(t, copay.StateSettled, w.run(input()))
			n := 0
			for _, e := range w.timeline {
				if e.Kind == "opt_out" || e.Kind == "opt_in" || e.Kind == "address" {
					n++
				}
			}
			require.Equal(t, 1, n)
			require.Len(t, w.sent, 2)
		})
	}
}
