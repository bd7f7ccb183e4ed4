package workflows

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

// Money is in the record and in the journal within seconds, though EHR or books
// cannot be told of it, and whoever looks is told what is waited for.
func TestMoneyIsKnownWhileItCannotBePosted(t *testing.T) {
	for _, step := range []string{"PostPayment", "BookPayment"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			w.fail[step] = []error{unavailable(), unavailable(), unavailable(), unavailable(), unavailable()}
			w.then(time.Hour, w.pays)
			w.then(time.Hour+7*time.Second, func() {
				require.Equal(t, copay.StatePosting, w.stored.State)
				require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Collected)
				require.Equal(t, "try again: tell EHR and books of the payment", w.stored.NextAction)
				require.EqualValues(t, 25_00, w.journal["capture"])
			})
			require.Equal(t, copay.StateSettled, w.run(input()))
			require.Len(t, w.posted, 1)
			require.Len(t, w.booked, 1)
		})
	}
}

// What a platform asks for is kept: it is not told again before.
func TestAPostingIsTriedAgainWhenThePlatformSaysSo(t *testing.T) {
	w := newWorld(t)
	busy := func() error { return throttled(time.Minute) }
	w.fail["PostPayment"] = []error{busy(), busy(), busy()}
	var told []time.Time
	w.onPost = func() { told = append(told, w.now()) }
	w.then(time.Hour, w.pays)
	w.then(time.Hour+30*time.Second, func() { require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Collected) })
	began := w.now().Add(time.Hour)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, told, 1)
	require.GreaterOrEqual(t, told[0].Sub(began), 3*time.Minute)
}

// The books know tries that follow each other as one wish.
func TestTriesThatFollowEachOtherAreOneWish(t *testing.T) {
	w := newWorld(t)
	w.fail["BookPayment"] = []error{refuse(integrations.KindUnknown)}
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.bookedAt, 2)
	require.False(t, w.bookedAt[0].IsZero())
	require.Len(t, slices.Compact(w.bookedAt), 1)
}

// An outage that lasts parks the co-pay, and acts have their turn.
func TestALongOutageIsOpenToActs(t *testing.T) {
	w := newWorld(t)
	w.fail["PostPayment"] = slices.Repeat([]error{unavailable()}, 12)
	w.then(time.Hour, w.pays)
	w.then(time.Hour+3*time.Minute, func() { w.act("", UpdateAddNote, AddNote{Act: by(biller, "k"), Text: "the EHR is down"}) })
	w.then(time.Hour+4*time.Minute, func() {
		require.True(t, slices.ContainsFunc(w.timeline, func(e ledger.TimelineEvent) bool { return e.Kind == "note" }), "the note is there")
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// Message platforms that refuse our credentials are a person's to mend; then the
// patient is written to.
func TestRefusedMessagesComeToAPerson(t *testing.T) {
	w := newWorld(t)
	refused := refuse(integrations.KindUnauthorized)
	w.fail["Notify"] = []error{refused, refused}
	w.then(time.Hour, func() {
		require.Equal(t, copay.ReviewConfig, w.stored.Review.Kind)
		require.Empty(t, w.sent)
	})
	w.decides(2*time.Hour, copay.ReviewConfig, copay.ChoiceRetry)
	w.then(2*time.Hour+time.Minute, func() { require.Len(t, w.sent, 2, "text and mail") })
	w.then(3*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// As long as one channel works, the patient is reached.
func TestOneRefusedChannelKeepsNobodyBusy(t *testing.T) {
	w := newWorld(t)
	w.fail["Notify"] = []error{refuse(integrations.KindUnauthorized)}
	w.then(time.Hour, func() {
		require.Equal(t, copay.StateAwaitingPayment, w.stored.State)
		require.Len(t, w.sent, 1)
		w.pays()
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// A run that Temporal has lost may have asked the processor for something that no
// record tells of: the next one looks there first, from the last record on.
func TestWhatALostRunAskedForIsLookedFor(t *testing.T) {
	for name, tell := range map[string]func(*world){
		"a page": func(w *world) {
			w.est.Estimate.Confidence = 10
			w.decides(time.Hour, copay.ReviewLowConfidence, copay.ChoiceProceed)
			w.then(2*time.Hour, w.pays)
		},
		"the stored card": func(w *world) { w.est.Card = true },
		"the stored card, and the desk takes cash first": func(w *world) { w.est.Card = true },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tell(w)
			var lost *world
			w.then(3*time.Minute, func() {
				last := *w.stored
				none := func() map[copay.Ref]copay.Money { return map[copay.Ref]copay.Money{} }
				lost = &world{stored: &last, facts: w.facts, checked: w.checked, est: w.est, steps: maps.Clone(w.steps), journal: maps.Clone(w.journal),
					captured: none(), refunded: none(), posted: none(), booked: none()}
			})
			require.Equal(t, copay.StateSettled, w.run(input()))
			require.False(t, w.asked[0].Look, "the first of all has nothing to look for")

			again := newWorldAfter(t, lost)
			tell(again)
			if strings.Contains(name, "cash") {
				again.then(0, func() { again.act("", UpdateRecordPayment, cash("a", 10_00)) })
			}
			require.Equal(t, copay.StateSettled, again.run(input()))
			require.True(t, again.asked[0].Look)
			require.Equal(t, w.asked[0].Payment.Ref, again.asked[0].Payment.Ref, "nothing else has its number")
			require.Equal(t, lost.stored.UpdatedAt, again.asked[0].Payment.Since())
			require.True(t, again.asked[0].Payment.AskedAt.After(lost.stored.UpdatedAt), "as old as it is")
			require.EqualValues(t, 25_00, again.stored.Amounts.Collected.Minor)
		})
	}
}

// What is asked for when a settled co-pay goes on weeks later is as old as it is,
// and only what the run before may have asked for is looked for.
func TestWhatIsAskedForLaterIsNotOlderThanThat(t *testing.T) {
	w := settledWorld(t)
	settled := w.stored.UpdatedAt
	w.env.SetStartTime(settled.Add(40 * day))
	w.then(0, func() { w.remits("era/1", 60_00) })
	w.answers(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
	w.then(30*time.Hour, func() { w.update(UpdateOpenPage) }) // the page has run out
	w.then(31*time.Hour, w.paysLast)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.asked, 2)
	first, second := w.asked[0], w.asked[1]
	require.True(t, first.Look)
	require.Equal(t, settled, first.Payment.Since())
	require.True(t, first.Payment.AskedAt.After(settled.Add(40*day)))
	require.False(t, second.Look)
	require.Equal(t, second.Payment.AskedAt, second.Payment.Since())
	for _, p := range w.stored.Payments[1:] {
		require.WithinDuration(t, p.AskedAt.Add(input().Policy.LinkLifetime), p.ExpiresAt, time.Minute)
	}
}

// An operator's cancellation while the bank decides is not carried out, and that is
// said.
func TestAnOperatorIsToldThatTheBankDecides(t *testing.T) {
	w := settledWorld(t)
	w.then(0, func() { w.dispute("d1", "opened", w.now()) })
	w.then(time.Hour, func() { w.env.CancelWorkflow() })
	w.then(2*time.Hour, func() {
		last := w.timeline[len(w.timeline)-1]
		require.Equal(t, "cancel", last.Kind)
		require.Contains(t, last.Summary, "while the bank decides")
		w.dispute("d2", "won", w.now())
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

func throttled(d time.Duration) error {
	return temporal.NewApplicationErrorWithOptions("throttled", string(integrations.KindRateLimited), temporal.ApplicationErrorOptions{NextRetryDelay: d,
		Details: []any{activities.Failure{Kind: integrations.KindRateLimited, Message: "too many calls"}}})
}

// What the EHR's hourly limit holds back waits where people see it, also when it is
// the first that a co-pay does.
func TestAnHourlyLimitIsWaitedOutInSight(t *testing.T) {
	w := newWorld(t)
	w.fail["ReadCharge"] = []error{heldFor(9 * time.Minute)}
	began := w.env.Now()
	w.then(time.Minute, func() {
		require.Contains(t, w.stored.NextAction, "try again")
		require.WithinDuration(t, began.Add(9*time.Minute), w.stored.NextActionAt, time.Second)
		require.True(t, w.told("the hour's calls are used up"))
	})
	w.then(10*time.Minute, func() { require.Equal(t, copay.StateAwaitingPayment, w.stored.State) })
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
}

func heldFor(d time.Duration) error {
	return temporal.NewApplicationErrorWithOptions("held back", string(integrations.KindRateLimited), temporal.ApplicationErrorOptions{NonRetryable: true,
		Details: []any{activities.Failure{Kind: integrations.KindRateLimited, Message: "the hour's calls are used up", Wait: d}}})
}

// Posting and booking ask again when the platform says, and not before.
func TestPostingWaitsAsLongAsThePlatformSays(t *testing.T) {
	for _, d := range []time.Duration{90 * time.Second, 30 * time.Minute} {
		for _, step := range []string{"PostPayment", "BookPayment"} {
			t.Run(fmt.Sprint(step, d), func(t *testing.T) {
				w := newWorld(t)
				w.fail[step] = []error{heldFor(d), heldFor(d)}
				w.then(time.Hour, w.pays)
				w.then(time.Hour+time.Minute, func() { require.Len(t, w.fail[step], 1) })
				require.Equal(t, copay.StateSettled, w.run(input()))
				require.GreaterOrEqual(t, w.ran(), time.Hour+2*d)
			})
		}
	}
}
