package workflows

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// scene is what happens at a moment after the start of a story.
type scene struct {
	at time.Duration
	do func(*world)
}

// relay tells one story in as many runs as there are hand-overs, and returns
// where it ended.
func (w *world) relay(in Input, scenes []scene, handOvers ...time.Duration) copay.State {
	w.t.Helper()
	began := w.env.Now()
	told := make([]bool, len(scenes))
	for run := range len(handOvers) + 1 {
		passed := w.env.Now().Sub(began)
		for i, s := range scenes {
			if !told[i] {
				w.after(max(s.at-passed, 0), func() { told[i] = true; s.do(w) })
			}
		}
		if run == len(handOvers) {
			break
		}
		w.after(handOvers[run]-passed, func() {
			w.env.SetCurrentHistoryLength(maxHistory + 1)
			w.env.SignalWorkflow(SignalRecheck, nil)
		})
		w.env.ExecuteWorkflow(CoPay, in)
		in = handedOver(w.t, w.env)
		w.goOn()
	}
	end := w.run(in)
	require.NotContains(w.t, told, false, "the story ended before all of it was told")
	return end
}

// handedOver is the input of the run that follows.
func handedOver(t *testing.T, env *testsuite.TestWorkflowEnvironment) (in Input) {
	t.Helper()
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &in))
	require.NotNil(t, in.Resume)
	return in
}

// goOn gives the same world another run.
func (w *world) goOn() {
	var suite testsuite.WorkflowTestSuite
	began := w.env.Now()
	w.env = suite.NewTestWorkflowEnvironment()
	w.env.SetStartTime(began)
	w.now = w.env.Now
	w.env.RegisterWorkflow(CoPay)
	w.env.RegisterActivity(w)
	w.env.SetTestTimeout(20 * time.Second)
	w.env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: 10 * time.Second})
}

// outcome is what a story came to, as far as anybody outside can see.
type outcome struct {
	State     copay.State
	Amounts   copay.Amounts
	Payments  []copay.Payment
	Refunds   []copay.Refund
	Reminders []copay.SentMessage
	Sent      []copay.Template
	Calls     []string
	Journal   map[string]int64
	Summaries []string
}

func (w *world) outcome() outcome {
	o := outcome{State: w.stored.State, Amounts: w.stored.Amounts, Payments: w.stored.Payments, Refunds: w.stored.Refunds,
		Reminders: slices.Clone(w.stored.Reminders), Calls: slices.Sorted(slices.Values(w.calls)), Journal: w.journal} // some are made at once
	o.Amounts.Journaled = copay.Cents(o.Amounts.Journaled.Minor) // a nothing has no currency once it was kept
	for i := range o.Reminders {
		o.Reminders[i].At = o.Reminders[i].At.UTC()
	}
	for i := range o.Payments {
		p := &o.Payments[i]
		p.AskedAt, p.ExpiresAt, p.CapturedAt, p.DisputeEnded = p.AskedAt.UTC(), p.ExpiresAt.UTC(), p.CapturedAt.UTC(), p.DisputeEnded.UTC()
	}
	for _, m := range w.sent {
		o.Sent = append(o.Sent, m.Template)
	}
	for _, e := range w.timeline {
		o.Summaries = append(o.Summaries, e.Summary)
	}
	return o
}

func pays(w *world) { w.pays() }

// bankIsAt lets the dispute of the first payment be heard of.
func bankIsAt(status string) func(*world) {
	return func(w *world) { w.event("stripe", integrations.EventDispute, w.stored.Payments[0].PlatformID, status) }
}

// A story that is told in several runs goes as it would have gone in one,
// wherever the hand-over lies: nothing that a run knows is lost with it.
func TestAHandOverChangesNothing(t *testing.T) {
	large := func(w *world) { w.est.Estimate.Amount = copay.Cents(140_00) }
	for name, tc := range map[string]struct {
		set    func(*world)
		scenes []scene
		at     []time.Duration
		ends   copay.State
	}{
		"it awaits payment": {nil, []scene{{8 * day, func(w *world) { w.update(UpdateOpenPage, OpenPage{}) }}, {8*day + time.Hour, pays}},
			[]time.Duration{time.Hour, 2 * day, 4 * day}, copay.StateSettled},
		"nobody has paid": {nil, []scene{{31 * day, func(w *world) {
			w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "k1"), Choice: copay.ChoiceWriteOff})
		}}}, []time.Duration{16 * day, 30*day + time.Hour}, copay.StateWrittenOff},
		"nothing could be sent": {func(w *world) { w.fail["Notify"] = []error{down(), down(), down(), down()} },
			[]scene{{6 * time.Hour, pays}}, []time.Duration{time.Minute}, copay.StateSettled},
		"the processor is down": {func(w *world) { w.fail["RequestLink"] = []error{down(), down(), down(), down()} },
			[]scene{{6 * time.Hour, pays}}, []time.Duration{7 * time.Minute}, copay.StateSettled},
		"the EHR is down": {func(w *world) { w.fail["ReadCharge"] = []error{down(), down(), down(), down()} },
			[]scene{{6 * time.Hour, pays}}, []time.Duration{7 * time.Minute}, copay.StateSettled},
		"the EHR is down when it is posted": {func(w *world) { w.fail["PostPayment"] = slices.Repeat([]error{down()}, 10) },
			[]scene{{time.Hour, pays}}, []time.Duration{70 * time.Minute, 2 * time.Hour}, copay.StateSettled},
		"the card was announced": {func(w *world) { w.est.Card = true }, nil, []time.Duration{2 * time.Hour, 20 * time.Hour}, copay.StateSettled},
		"the card cannot be charged just now": {func(w *world) { w.est.Card, w.fail["ChargeCard"] = true, []error{down(), down(), down(), down()} },
			nil, []time.Duration{day + 7*time.Minute}, copay.StateSettled},
		"the card's bank takes its time": {func(w *world) { w.est.Card, w.cardPending = true, true }, []scene{{3 * day, func(w *world) {
			w.cardPending = false
			w.captured[w.stored.Payments[0].Ref] = w.stored.Payments[0].Amount
		}}}, []time.Duration{2 * day}, copay.StateSettled},
		"staff asked for a message that has to wait": {nil, []scene{
			{10 * time.Hour, func(w *world) { w.act("", UpdateResend, Resend{Act: by(frontDesk, "k1")}) }},
			{40 * time.Hour, func(w *world) { w.update(UpdateOpenPage, OpenPage{}) }}, {41 * time.Hour, pays}},
			[]time.Duration{11 * time.Hour}, copay.StateSettled},
		"reminders are paused": {nil, []scene{{time.Hour, func(w *world) { w.act("", UpdatePauseReminders, PauseReminders{by(frontDesk, "k1")}) }},
			{5 * day, func(w *world) { w.act("", UpdateResumeReminders, ResumeReminders{by(frontDesk, "k2")}) }}, {6 * day, func(w *world) { w.update(UpdateOpenPage, OpenPage{}) }},
			{6*day + time.Hour, pays}}, []time.Duration{2 * day}, copay.StateSettled},
		"the truth of a payment cannot be read": {func(w *world) { w.fail["FetchPayment"] = []error{down(), down(), down(), down()} },
			[]scene{{time.Hour, pays}}, []time.Duration{70 * time.Minute}, copay.StateSettled},
		"a dispute came before its capture": {nil, []scene{
			{time.Hour, bankIsAt("opened")},
			{3 * time.Hour, pays},
			{day, func(w *world) { require.Equal(w.t, copay.StateDisputed, w.stored.State) }},
			{2 * day, bankIsAt("won")}}, []time.Duration{2 * time.Hour}, copay.StateSettled},
		"a deletion was reported while the EHR was down": {nil, []scene{
			{time.Hour, func(w *world) { w.fail["ReadCharge"] = []error{down(), down(), down()}; w.deleted(true) }}},
			[]time.Duration{70 * time.Minute}, copay.StateCancelled},
		"the money cannot be given back just now": {nil, []scene{{time.Hour, func(w *world) {
			w.fail["PostPayment"] = []error{refuse(integrations.KindInvalid)}
			w.pays()
		}}, {2 * time.Hour, func(w *world) {
			w.fail["RefundPayment"] = []error{down(), down(), down()}
			w.act("", UpdateCancel, Cancel{by(biller, "k1")})
		}}}, []time.Duration{130 * time.Minute}, copay.StateCancelled},
		"a second person has to approve": {large, []scene{{time.Hour, func(w *world) {
			w.fail["PostPayment"] = []error{refuse(integrations.KindInvalid)}
			w.pays()
		}}, {2 * time.Hour, func(w *world) {
			w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(140_00)})
		}}, {4 * time.Hour, func(w *world) {
			w.act(copay.CodePermission, UpdateApproveRefund, ApproveRefund{Act: by(biller, "k2"), Refund: "ref-1", Approve: true})
			w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k3"), Refund: "ref-1", Approve: true})
		}}}, []time.Duration{3 * time.Hour}, copay.StateRefunded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story := func(handOvers ...time.Duration) outcome {
				w := bareWorld(t)
				if tc.set != nil {
					tc.set(w)
				}
				scenes := slices.Clone(tc.scenes)
				if len(handOvers) == 0 { // what wakes the run for its hand-over happens here, too
					for _, at := range tc.at {
						scenes = append(scenes, scene{at, func(w *world) { w.env.SignalWorkflow(SignalRecheck, nil) }})
					}
				}
				require.Equal(t, tc.ends, w.relay(input(), scenes, handOvers...))
				return w.outcome()
			}
			require.Equal(t, story(), story(tc.at...))
		})
	}
}

// A posting that is said to be gone is looked for by the next run.
func TestAMissingPostingIsHandedOver(t *testing.T) {
	w := settledWorld(t)
	w.fail["FindPosting"] = []error{down(), down(), down()}
	gone := func(w *world) {
		w.posted = map[copay.Ref]copay.Money{}
		w.event("drchrono", integrations.EventPostingDeleted, w.stored.Payments[0].PostedID, "")
	}
	require.Equal(t, copay.StateSettled, w.relay(input(), []scene{{0, gone}, {2 * time.Hour, func(w *world) {
		require.Equal(w.t, copay.ReviewPostingDeleted, w.stored.Review.Kind)
		w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "k1"), Choice: copay.ChoiceRetry})
	}}}, time.Minute))
	require.Len(t, w.posted, 1)
}

// The same request is done once, also when it is repeated in a later run; its
// key stands for nothing else.
func TestARequestIsDoneOnceInAllRunsTogether(t *testing.T) {
	override := func(k string, cents int64) OverrideAmount {
		return OverrideAmount{by(frontDesk, k), copay.Cents(cents)}
	}
	w := newWorld(t)
	end := w.relay(input(), []scene{
		{time.Hour, func(w *world) { w.act("", UpdateOverrideAmount, override("k1", 15_00)) }},
		{2 * time.Hour, func(w *world) { w.act("", UpdateOverrideAmount, override("k2", 20_00)) }},
		{4 * time.Hour, func(w *world) {
			w.act("", UpdateOverrideAmount, override("k1", 15_00))
			w.act(copay.CodeConflict, UpdateOverrideAmount, override("k1", 30_00))
			w.act(copay.CodeConflict, UpdateWaive, Waive{by(frontDesk, "k2")})
		}},
		{5 * time.Hour, pays},
	}, 3*time.Hour)
	require.Equal(t, copay.StateSettled, end)
	require.Equal(t, copay.Cents(20_00), w.stored.Amounts.Collected, "the first request was not done a second time")

	closed := newWorldAfter(t, w) // a run that the repeated request itself has started
	closed.after(0, func() {
		closed.act("", UpdateOverrideAmount, override("k1", 15_00))
		closed.act(copay.CodeConflict, UpdateRefund, Refund{Act: by(biller, "k2"), Amount: copay.Cents(5_00)})
	})
	require.Equal(t, copay.StateSettled, closed.run(input()))
	require.Empty(t, closed.refunded)
	require.Equal(t, copay.Cents(20_00), closed.stored.Amounts.Requested)
}

// A run takes a bounded number of updates; Temporal says when to hand over.
func TestARunThatTookManyUpdatesHandsOver(t *testing.T) {
	w := newWorld(t)
	w.after(time.Hour, func() {
		w.env.SetContinueAsNewSuggested(true)
		w.act("", UpdateAddNote, AddNote{Act: by(frontDesk, "k1"), Text: "called"})
	})
	w.env.ExecuteWorkflow(CoPay, input())
	in := handedOver(t, w.env)
	require.Equal(t, copay.StateAwaitingPayment, in.Resume.CoPay.State)
	for _, f := range w.expect {
		f()
	}
	require.True(t, w.told("a note was added"))
}

// Who waits for the amount is answered by the run that was asked.
func TestTheDeskIsAnsweredBeforeTheHandOver(t *testing.T) {
	w := newWorld(t)
	w.fail["ReadCharge"] = []error{down(), down()}
	w.env.SetCurrentHistoryLength(maxHistory + 1)
	var a *answer
	w.after(0, func() { a = w.update(UpdateAwaitEstimate) })
	w.env.ExecuteWorkflow(CoPay, input())
	in := handedOver(t, w.env)
	require.Equal(t, copay.StateAwaitingPayment, in.Resume.CoPay.State)
	require.True(t, a.done)
	require.Equal(t, copay.Cents(25_00), a.copay.Amounts.Requested)
}

// A remittance of nothing is not the same as none, also for the next run.
func TestARemittanceOfNothingIsKept(t *testing.T) {
	w := newWorld(t)
	end := w.relay(input(), []scene{
		{time.Hour, func(w *world) { w.remits("e1", 0) }},
		{3 * time.Hour, pays},
		{4 * time.Hour, func(w *world) {
			require.Equal(w.t, copay.ReviewTrueUp, w.stored.Review.Kind)
			w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "k1"), Choice: copay.ChoiceRefund})
		}}}, 2*time.Hour)
	require.Equal(t, copay.StateRefunded, end)
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Refunded)
}

// Where nothing could be sent, the next run does not try at once either.
func TestAPauseIsHandedOver(t *testing.T) {
	w := newWorld(t)
	w.fail["Notify"] = []error{down(), down()}
	w.now = func() time.Time { // asked when the message is planned
		w.env.SetCurrentHistoryLength(maxHistory + 1)
		return w.env.Now()
	}
	in := input()
	in.Resume = &State{CoPay: *inState(copay.StateAwaitingPayment, false, 25_00).p}
	w.stored = &in.Resume.CoPay
	w.env.ExecuteWorkflow(CoPay, in)
	in = handedOver(t, w.env)
	require.True(t, in.Resume.Hold)
	w.goOn()
	w.calls = nil
	w.after(30*time.Minute, func() { require.Empty(t, w.calls) })
	w.after(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(in))
	require.Len(t, w.sent, 2)
}
