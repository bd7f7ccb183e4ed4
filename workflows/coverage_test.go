package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// settledFor is a co-pay of that many cents that was paid and is over.
func settledFor(t *testing.T, cents int64) *world {
	t.Helper()
	w := bareWorld(t)
	w.est.Estimate.Amount = copay.Cents(cents)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	return newWorldAfter(t, w)
}

// It may turn out weeks after the payment that the patient must not be billed.
func TestWhoTurnsOutNotToBeBilledAfterAllGetsTheMoneyBack(t *testing.T) {
	for name, e := range map[string]Event{
		"the payer says so":         {ID: "e1", Platform: "availity", Kind: string(integrations.EventEligibility)},
		"the EHR has a new policy":  {ID: "e1", Platform: "drchrono", Kind: string(integrations.EventPatientChanged)},
		"the patient was uninsured": {ID: "e1", Platform: "drchrono", Kind: string(integrations.EventPatientChanged)},
	} {
		t.Run(name, func(t *testing.T) {
			w := settledFor(t, 25_00)
			if name == "the patient was uninsured" {
				w.stored.Insured, w.stored.Facts.SelfPay = false, true
			}
			w.est.Estimate = qmb
			w.then(0, func() { w.env.SignalWorkflow(SignalEvent, e) })
			require.Equal(t, copay.StateRefunded, w.run(input()))
			require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Refunded)
			require.Zero(t, w.stored.Amounts.Outstanding().Minor)
			require.Equal(t, qmb.Rule, w.stored.Estimate.Rule, "who looks sees why")
		})
	}
}

// Whatever else a payer says later is for the remittance to tell.
func TestAnotherCoverageChangesNothingThatWasPaid(t *testing.T) {
	for name, set := range map[string]func(*world){
		"another amount":         func(w *world) { w.est.Estimate.Amount = copay.Cents(40_00) },
		"inactive":               func(w *world) { w.checked.Status = copay.CoverageInactive },
		"no insurance":           func(w *world) { w.facts.Insured, w.est.Estimate = false, qmb },
		"a person said self-pay": func(w *world) { w.stored.SelfPay, w.est.Estimate = true, qmb },
		"the EHR refuses":        func(w *world) { w.fail["ReadCharge"], w.est.Estimate = []error{refuse(integrations.KindInvalid)}, qmb },
		"the payer refuses": func(w *world) {
			w.fail["CheckEligibility"], w.est.Estimate = []error{refuse(integrations.KindInvalid)}, qmb
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := settledFor(t, 25_00)
			before := *w.stored.Estimate
			set(w)
			w.then(0, func() { w.event("drchrono", integrations.EventPatientChanged, "", "") })
			require.Equal(t, copay.StateSettled, w.run(input()))
			require.Zero(t, w.stored.Amounts.Refunded.Minor)
			require.Equal(t, before, *w.stored.Estimate, "what was asked for keeps its reasons")
			last := w.timeline[len(w.timeline)-1]
			require.Contains(t, last.Summary, "looked at the coverage again")
		})
	}
}

// A policy that was known is not asked about again because a telephone number
// changed; news of the payer are.
func TestOnlyThePayersNewsAskItAgain(t *testing.T) {
	for kind, want := range map[integrations.EventKind]time.Duration{integrations.EventPatientChanged: anyAge, integrations.EventEligibility: 0} {
		w := settledFor(t, 25_00)
		h := askedAt(w)
		w.then(0, func() { w.event("drchrono", kind, "", "") })
		require.Equal(t, copay.StateSettled, w.run(input()))
		require.Equal(t, []time.Duration{want}, h.fresh, kind)
		require.False(t, w.stored.AskPayer)
	}
}

// Platforms that are down are waited for.
func TestALookAtTheCoverageWaitsForPlatforms(t *testing.T) {
	for _, call := range []string{"ReadCharge", "CheckEligibility", "Estimate"} {
		w := settledFor(t, 25_00)
		w.fail[call] = []error{down(), refuse(integrations.KindUnauthorized)}
		w.then(0, func() { turnsOut(w) })
		require.Equal(t, copay.StateRefunded, w.run(input()), call)
	}
}

// Above the practice's threshold a person decides.
func TestMuchMoneyGoesBackWithAPersonsApproval(t *testing.T) {
	for approve, ends := range map[bool]copay.State{true: copay.StateRefunded, false: copay.StateSettled} {
		w := settledFor(t, 140_00)
		w.then(0, func() { turnsOut(w) })
		w.then(time.Hour, func() {
			require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
			require.Contains(t, w.stored.Review.Message, qmb.Rule)
			w.act("", UpdateApproveRefund, ApproveRefund{Act: by(biller, "k"), Refund: w.stored.Refunds[0].ID, Approve: approve})
		})
		require.Equal(t, ends, w.run(input()))
	}
}

// News that come while money is being posted are looked at once it is.
func TestNewsOfCoverageWaitForThePosting(t *testing.T) {
	w := newWorld(t)
	w.onPost = func() { turnsOut(w) }
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateRefunded, w.run(input()))
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Refunded)
}

// News that come while the payer is asked may be newer than its answer.
func TestNewsDuringTheCheckAreNotLost(t *testing.T) {
	w := newWorld(t)
	h := askedAt(w)
	h.onAsk = func() {
		if len(h.fresh) == 1 {
			turnsOut(w)
		}
	}
	w.est.Estimate.Amount = copay.Cents(25_00)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, []time.Duration{input().Policy.EligibilityFresh, 0}, h.fresh)
	require.Empty(t, w.sent, "who must not be billed is not asked")
	require.False(t, w.stored.AskPayer)
}

// News that had to wait for a decision on something else are looked at before
// anybody is asked again.
func TestNewsThatHadToWaitComeBeforeTheNextMessage(t *testing.T) {
	c := inState(copay.StateNeedsReview, true, 25_00)
	c.p.Review = &copay.Review{Kind: copay.ReviewRefundApproval, Back: copay.StateAwaitingPayment}
	c.p.Refunds = []copay.Refund{{ID: "ref-1", Payment: "pay-1", Amount: copay.Cents(5_00), Status: copay.RefundAwaiting}}
	c.hear(Event{ID: "e1", Platform: "availity", Kind: string(integrations.EventEligibility)})
	require.Nil(t, c.lookAtPlan(), "a person decides first")
	c.p.Refunds[0].Status = copay.RefundRejected
	c.approvalOver(biller, "rejected")
	require.Equal(t, copay.StateAwaitingPayment, c.p.State)
	require.NotNil(t, c.lookAtPlan())
}

// A charge that has gone meanwhile takes the money with it.
func TestALookAtTheCoverageFindsTheChargeGone(t *testing.T) {
	w := settledFor(t, 25_00)
	w.facts.Deleted = true
	w.then(0, func() { w.event("drchrono", integrations.EventPatientChanged, "", "") })
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Refunded)
}

// What staff gave back is not asked for again because the patient's record has
// changed, be it a telephone number; less is.
func TestWhatWasGivenBackIsNotAskedForAgain(t *testing.T) {
	for name, tc := range map[string]struct{ estimate, open int64 }{"the same plan": {25_00, 5_00}, "a worse one": {40_00, 5_00}, "a better one": {18_00, 3_00}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 20_00)) })
			w.then(2*time.Hour, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)}) })
			w.then(3*time.Hour, func() {
				require.EqualValues(t, 5_00, w.stored.Amounts.Outstanding().Minor)
				w.est.Estimate.Amount = copay.Cents(tc.estimate)
				w.event("drchrono", integrations.EventPatientChanged, "p1", "")
			})
			w.then(4*time.Hour, func() { require.EqualValues(t, tc.open, w.stored.Amounts.Outstanding().Minor) })
			w.then(5*time.Hour, w.pays)
			require.Equal(t, copay.StateSettled, w.run(input()))
		})
	}
}

// What a person decided after a remittance is not undone by a new telephone number.
func TestATrueUpRequestSurvivesAChangeOfThePatient(t *testing.T) {
	w := settledWorld(t)
	w.then(0, func() { w.remits("era/1", 40_00) })
	w.decides(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
	w.then(2*time.Hour, func() {
		require.EqualValues(t, 15_00, w.stored.Amounts.Outstanding().Minor)
		w.event("drchrono", integrations.EventPatientChanged, "p1", "")
	})
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.StateAwaitingPayment, w.stored.State)
		require.EqualValues(t, 15_00, w.stored.Amounts.Outstanding().Minor)
		w.pays()
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Empty(t, w.cancelled, "the page stays open")
}

// The payer said 10; the bank took it; it is asked for again: 10 stay 10.
func TestTheRemittanceHoldsAfterAChangeOfThePatient(t *testing.T) {
	w := settledWorld(t)
	in := input()
	in.Policy.TrueUp = copay.TrueUpAuto
	w.then(0, func() { w.remits("era/1", 10_00) })
	require.Equal(t, copay.StateSettled, w.run(in))
	require.EqualValues(t, 10_00, w.stored.Amounts.Requested.Minor)
	w = newWorldAfter(t, w)
	w.then(0, func() { w.dispute("d1", "opened", w.now()) })
	w.then(time.Hour, func() {
		w.refunded["bank"] = copay.Cents(10_00)
		w.dispute("d2", "lost", w.now())
	})
	w.decides(2*time.Hour, copay.ReviewDispute, copay.ChoiceRequest)
	w.then(3*time.Hour, func() {
		require.EqualValues(t, 10_00, w.stored.Amounts.Outstanding().Minor)
		w.event("drchrono", integrations.EventPatientChanged, "p1", "")
	})
	w.then(4*time.Hour, func() { require.EqualValues(t, 10_00, w.stored.Amounts.Outstanding().Minor) })
	w.then(5*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(in))
}

// Much that came in before it was known that nothing is due goes back with a
// person's approval, as it does after the co-pay was settled; or it stays.
func TestMuchThatIsNotDueGoesBackWithAPersonsApproval(t *testing.T) {
	for approve, want := range map[bool]copay.State{true: copay.StateRefunded, false: copay.StateSettled} {
		t.Run(string(want), func(t *testing.T) {
			w := newWorld(t)
			w.est.Estimate.Amount = copay.Cents(140_00)
			w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 120_00)) })
			w.then(2*time.Hour, func() { turnsOut(w) })
			w.then(3*time.Hour, func() {
				require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
				require.Zero(t, w.stored.Amounts.Refunded.Minor)
				w.act("", UpdateApproveRefund, ApproveRefund{Act: by(biller, "b"), Refund: "ref-1", Approve: approve})
			})
			if approve {
				w.decides(4*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
			}
			require.Equal(t, want, w.run(input()))
			require.Zero(t, w.stored.Amounts.Outstanding().Minor)
		})
	}
}
