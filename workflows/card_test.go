package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
)

// agreed is what a patient ticks on the page.
func agreed(at time.Time) OpenPage {
	return OpenPage{Keep: &copay.CardConsent{Scope: copay.ScopeUntil, Cap: copay.Cents(100_00), Until: at.Add(365 * day), TextVersion: "page-1"}}
}

func TestThePatientKeepsTheirCard(t *testing.T) {
	w := newWorld(t)
	var plain, keeping, again *answer
	w.then(time.Hour, func() { plain = w.update(UpdateOpenPage, OpenPage{}) })
	w.then(2*time.Hour, func() { keeping = w.update(UpdateOpenPage, agreed(w.now())) })
	w.then(3*time.Hour, func() { again = w.update(UpdateOpenPage, agreed(w.now())) })
	w.then(4*time.Hour, w.paysLast)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.NotEmpty(t, plain.page.URL)
	require.NotEqual(t, plain.page.URL, keeping.page.URL, "a page that keeps the card is another one")
	require.Contains(t, again.page.URL, w.stored.Payments[1].PlatformID, "the same wish finds the same page")
	require.Len(t, w.cancelled, 1, "nobody can pay the first page any more")
	require.Len(t, w.kept, 1)
	require.Equal(t, "patient", w.kept[0].RecordedBy)
	require.Equal(t, w.stored.StartedAt.Add(2*time.Hour), w.kept[0].GivenAt.UTC(), "consent counts from when it was given")
	require.True(t, w.told("ending in 4242 is kept"))
}

// paysLast lets the patient pay the newest request.
func (w *world) paysLast() {
	p := w.stored.Payments[len(w.stored.Payments)-1]
	w.captured[p.Ref] = p.Amount
	w.event("stripe", "payment", p.PlatformID, string(copay.PaymentCaptured))
}

func TestThePatientThinksBetterOfIt(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.update(UpdateOpenPage, agreed(w.now())) })
	w.then(2*time.Hour, func() { w.update(UpdateOpenPage, OpenPage{}) })
	w.then(4*time.Hour, w.paysLast)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.stored.Payments, 3)
	require.Empty(t, w.kept)
}

func TestThePageWasPaidBeforeItCouldBeReplaced(t *testing.T) {
	w := newWorld(t)
	var a *answer
	w.then(time.Hour, func() {
		p := w.stored.Payments[0]
		w.captured[p.Ref] = p.Amount // the webhook is late
		a = w.update(UpdateOpenPage, agreed(w.now()))
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Empty(t, a.page.URL)
	require.Len(t, w.stored.Payments, 1, "a second page would be paid twice")
	require.Empty(t, w.kept, "what was paid on kept no card")
}

func TestNoCardIsKeptWhereThePracticeChargesNone(t *testing.T) {
	w := newWorld(t)
	in := input()
	in.Policy.CardOnFile = false
	w.then(time.Hour, func() { w.update(UpdateOpenPage, agreed(w.now())) })
	w.then(2*time.Hour, w.paysLast)
	require.Equal(t, copay.StateSettled, w.run(in))
	require.Len(t, w.stored.Payments, 1)
	require.Empty(t, w.kept)
}

func TestACardThatCannotBeKeptHoldsNothingUp(t *testing.T) {
	for name, trouble := range map[string]func(*world){
		"refused": func(w *world) { w.notKept = "the processor kept no card" },
		"down":    func(w *world) { w.fail["KeepCard"] = []error{down()} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			trouble(w)
			w.then(time.Hour, func() { w.update(UpdateOpenPage, agreed(w.now())) })
			w.then(2*time.Hour, w.paysLast)
			require.Equal(t, copay.StateSettled, w.run(input()))
			require.Empty(t, w.kept)
			require.True(t, w.told("not kept") || w.told("not be kept"))
		})
	}
}

func TestWhileTheCardIsChargedNoPageOpens(t *testing.T) {
	w := newWorld(t)
	w.est.Card, w.cardPending = true, true
	var a *answer
	w.then(26*time.Hour, func() { a = w.update(UpdateOpenPage, OpenPage{}) })
	w.then(27*time.Hour, func() {
		w.cardPending = false
		w.paysLast()
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Empty(t, a.page.URL)
	require.NotContains(t, w.calls, "RequestLink")
	require.Len(t, w.stored.Payments, 1)
}

func TestAChargeOfUnknownOutcomeIsNotAskedForAgainByLink(t *testing.T) {
	w := newWorld(t)
	w.est.Card = true
	w.fail["ChargeCard"] = []error{down()}
	var a *answer
	w.then(24*time.Hour+2*time.Minute, func() { a = w.update(UpdateOpenPage, OpenPage{}) })
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.NoError(t, a.err)
	require.Empty(t, a.page.URL)
	require.NotContains(t, w.calls, "RequestLink")
	require.Len(t, w.stored.Payments, 1)
	require.Len(t, w.captured, 1)
}

// What is charged at the processor that keeps the card is withdrawn there, also
// when no answer ever told where it was.
func TestAChargeOfUnknownOutcomeIsWithdrawnWhereTheCardIs(t *testing.T) {
	w := newWorld(t)
	w.est.Card, w.est.CardAt = true, "square"
	w.fail["ChargeCard"] = []error{down(), down()}
	w.then(24*time.Hour+2*time.Minute, func() { w.act("", UpdateCancel, Cancel{by(frontDesk, "k")}) })
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.Equal(t, []copay.Platform{"square", "square"}, w.chargedAt)
}

func TestTheNoticeIsOverByTheClockThePatientWasToldBy(t *testing.T) {
	w := newWorld(t)
	w.est.Card = true
	moved := time.Duration(0)
	w.now = func() time.Time { return w.env.Now().Add(moved) }
	w.then(time.Hour, func() { w.env.SignalWorkflow(SignalRecheck, nil) })
	w.then(2*time.Hour, func() {
		require.Empty(t, w.captured, "nothing had changed")
		moved = 23 * time.Hour
		w.env.SignalWorkflow(SignalRecheck, nil)
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.captured, 1)
	require.Less(t, w.ran(), 3*time.Hour)
}

func TestTheNoticeIsSentAgainWhenStaffAsk(t *testing.T) {
	w := newWorld(t) // begins at 10 in the patient's morning
	w.est.Card = true
	in := input()
	in.Policy.CardNotice = 96 * time.Hour
	asks := func(key string) func() {
		return func() { w.act("", UpdateResend, Resend{Act: by(frontDesk, key)}) }
	}
	w.then(30*time.Hour, asks("by day"))
	w.then(31*time.Hour, func() {
		require.Len(t, w.sent, 2)
		require.Equal(t, copay.TemplateCardNotice, w.sent[1].Template)
	})
	w.then(61*time.Hour, asks("at night"))
	w.then(69*time.Hour, func() { require.Len(t, w.sent, 2) })
	w.then(71*time.Hour, func() { require.Len(t, w.sent, 3, "in the morning") })
	w.then(95*time.Hour, func() { require.Empty(t, w.captured) })
	require.Equal(t, copay.StateSettled, w.run(in))
	require.Len(t, w.captured, 1)
	require.Less(t, w.ran(), 97*time.Hour, "when it was announced first")
	require.Len(t, w.sent, 3)
}

func TestANoticeToWhoSaidStopIsNotRepeated(t *testing.T) {
	w := newWorld(t)
	w.est.Card = true
	w.then(2*time.Hour, func() {
		w.reach = false
		w.act("", UpdateResend, Resend{Act: by(frontDesk, "r1")})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.sent, 1)
	require.True(t, w.told("nothing was sent again"))
}

// Staff change to the stored card after a first message: the patient is told as soon
// as the caps allow, not when the next reminder would have been due, and people see
// that this is what comes next.
func TestAChangeToTheCardIsToldAsSoonAsTheCapsAllow(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		require.Len(t, w.sent, 2, "by text and mail")
		w.est.Card = true
		w.act("", UpdateChangeRail, ChangeRail{by(frontDesk, "a"), copay.RailCard})
	})
	w.then(2*time.Hour, func() {
		require.Equal(t, "tell the patient of the charge", w.stored.NextAction)
		require.WithinDuration(t, w.began.Add(24*time.Hour), w.stored.NextActionAt, time.Minute)
	})
	w.then(25*time.Hour, func() {
		require.Len(t, w.sent, 3)
		require.Equal(t, copay.TemplateCardNotice, w.sent[2].Template)
		require.Equal(t, "charge the stored card", w.stored.NextAction)
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.captured, 1)
}

// Who is changed to the card at night and back is reminded when it is due, not in the
// morning.
func TestAChangeToTheCardAndBackRemindsNobody(t *testing.T) {
	w := newWorld(t)
	w.then(14*time.Hour, func() {
		w.est.Card = true
		w.act("", UpdateChangeRail, ChangeRail{by(frontDesk, "a"), copay.RailCard})
	})
	w.then(14*time.Hour+10*time.Second, func() { w.act("", UpdateChangeRail, ChangeRail{by(frontDesk, "b"), copay.RailLink}) })
	w.then(36*time.Hour, func() { require.Len(t, w.sent, 2, "the request, by text and mail") })
	w.then(37*time.Hour, w.paysLast)
	require.Equal(t, copay.StateSettled, w.run(input()))
}
