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

// qmb is what an estimate says of somebody who must not be billed.
var qmb = copay.Estimate{Kind: copay.EstimateZeroByRule, Amount: copay.Cents(0), Rule: "SSA 1902(n)(3)(B)", Confidence: 100}

// turnsOut lets the payer report that the patient must not be billed.
func turnsOut(w *world) {
	w.est.Estimate = qmb
	w.event("availity", integrations.EventEligibility, "visit-1", "")
}

// It may turn out late that somebody must not be billed: no more is asked, and
// what was paid goes back, cash by somebody's hand.
func TestWhoTurnsOutNotToBeBilledIsAskedForNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(*world)
		ends   copay.State
		back   int64
	}{
		"while the link is open": {func(*world) {}, copay.StateSettled, 0},
		"when a part was paid":   {func(w *world) { w.act("", UpdateRecordPayment, cash("a", 10_00)) }, copay.StateRefunded, 10_00},
		"though a person set the sum": {func(w *world) {
			w.act("", UpdateOverrideAmount, OverrideAmount{by(frontDesk, "a"), copay.Cents(30_00)})
		}, copay.StateSettled, 0},
		"while it is to be paid there": {func(w *world) { w.act("", UpdateChangeRail, ChangeRail{by(frontDesk, "a"), copay.RailCash}) }, copay.StateSettled, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.then(time.Hour, func() { tc.before(w) })
			w.then(2*time.Hour, func() { turnsOut(w) })
			if tc.back > 0 {
				w.decides(3*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
			}
			require.Equal(t, tc.ends, w.run(input()))
			require.Equal(t, tc.back, w.stored.Amounts.Refunded.Minor)
			require.Zero(t, w.stored.Amounts.Outstanding().Minor)
			for _, p := range w.stored.Payments {
				require.True(t, p.Status.Final(), "no page stays open")
			}
		})
	}
}

// Also one whose messages were all in vain, which is with staff.
func TestWhoTurnsOutNotToBeBilledLeavesTheReview(t *testing.T) {
	w := newWorld(t)
	w.then(31*day, func() {
		require.Equal(t, copay.ReviewUnpaid, w.stored.Review.Kind)
		turnsOut(w)
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.NotContains(t, w.sent[5:], copay.TemplateReminder)
}

// What the payer reports disturbs nothing that is not about asking.
func TestThePayersNewsDisturbNoOtherReview(t *testing.T) {
	for name, set := range map[string]func(*coPay){
		"a true-up": func(c *coPay) {
			c.p.Review = &copay.Review{Kind: copay.ReviewTrueUp, Back: copay.StateSettled}
		},
		"a lost dispute": func(c *coPay) {
			c.p.Review = &copay.Review{Kind: copay.ReviewDispute, Back: copay.StateRequesting}
		},
		"a refund that waits": func(c *coPay) {
			c.p.Review = &copay.Review{Kind: copay.ReviewRefundApproval, Back: copay.StateAwaitingPayment}
			c.p.Refunds = []copay.Refund{{ID: "ref-1", Payment: "pay-1", Amount: copay.Cents(5_00), Status: copay.RefundAwaiting}}
		},
		"one that is being given up": func(c *coPay) {
			c.p.After, c.p.Review = copay.StateCancelled, &copay.Review{Kind: copay.ReviewCompensation, Back: copay.StateRequesting}
		},
		"a charge that was not read": func(c *coPay) {
			c.p.Facts, c.p.Review = nil, &copay.Review{Kind: copay.ReviewUnknownCharge, Back: copay.StateVerifying}
		},
		"a posting": func(c *coPay) {
			c.p.Payments[0].PostedID, c.p.Review = "", &copay.Review{Kind: copay.ReviewPosting, Back: copay.StatePosting}
		},
	} {
		c := inState(copay.StateNeedsReview, true, 25_00)
		set(c)
		c.hear(Event{ID: "e1", Platform: "availity", Kind: string(integrations.EventEligibility)})
		require.Equal(t, copay.StateNeedsReview, c.p.State, name)
		require.NotNil(t, c.p.Review, name)
	}
	closed := inState(copay.StateSettled, true, 25_00)
	closed.hear(Event{ID: "e1", Kind: string(integrations.EventEligibility)})
	require.Equal(t, copay.StateSettled, closed.p.State)
}

// clearinghouse is a world that remembers how old an answer was allowed to be.
type clearinghouse struct {
	*world
	fresh []time.Duration
	onAsk func()
}

func (h *clearinghouse) CheckEligibility(ctx context.Context, in activities.CheckInput) (activities.Checked, error) {
	h.fresh = append(h.fresh, in.Fresh)
	if h.onAsk != nil {
		h.onAsk()
	}
	return h.world.CheckEligibility(ctx, in)
}

func askedAt(w *world) *clearinghouse {
	h := &clearinghouse{world: w}
	w.env.RegisterActivityWithOptions(h, activity.RegisterOptions{DisableAlreadyRegisteredCheck: true})
	return h
}

// To try again asks the payer, not our memory of what it said.
func TestTryingAgainAsksThePayerAnew(t *testing.T) {
	w := newWorld(t)
	h := askedAt(w)
	w.checked.Status = copay.CoverageInactive
	w.then(time.Hour, func() {
		w.checked.Status = copay.CoverageActive
		w.act("", UpdateResolveReview, ResolveReview{Act: by(frontDesk, "a"), Choice: copay.ChoiceRetry})
	})
	w.then(2*time.Hour, func() { w.event("drchrono", integrations.EventChargeChanged, "", "") })
	w.then(3*time.Hour, func() { w.event("availity", integrations.EventEligibility, "", "") })
	w.then(4*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	usual := input().Policy.EligibilityFresh
	require.Equal(t, []time.Duration{usual, 0, usual, 0}, h.fresh)
}

// A remittance that came before anything was asked is compared before it settles.
func TestARemittanceIsComparedHoweverItSettles(t *testing.T) {
	t.Run("nothing seemed due", func(t *testing.T) {
		w := newWorld(t)
		w.est.Estimate = copay.Estimate{Kind: copay.EstimateNothing, Confidence: 95, Amount: copay.Cents(0)}
		w.fail["ReadCharge"] = []error{down()}
		w.then(time.Minute, func() { w.remits("e1", 40_00) })
		w.decides(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
		w.then(2*time.Hour, w.pays)
		require.Equal(t, copay.StateSettled, w.run(input()))
		require.Equal(t, copay.Cents(40_00), w.stored.Amounts.Collected)
	})
	t.Run("staff took what was paid for enough", func(t *testing.T) {
		w := newWorld(t)
		w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 10_00)) })
		w.then(2*time.Hour, func() { w.remits("e1", 25_00) })
		w.then(3*time.Hour, func() { w.act("", UpdateOverrideAmount, OverrideAmount{by(frontDesk, "b"), copay.Cents(10_00)}) })
		w.decides(4*time.Hour, copay.ReviewTrueUp, copay.ChoiceProceed)
		require.Equal(t, copay.StateSettled, w.run(input()))
	})
}

// An amount that is already paid does not settle over a refund that waits.
func TestARefundThatWaitsIsAskedForAgain(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	again := newWorldAfter(t, w)
	again.then(0, func() { again.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(120_00)}) })
	again.then(time.Hour, func() { again.act("", UpdateOverrideAmount, OverrideAmount{by(frontDesk, "k2"), copay.Cents(140_00)}) })
	again.then(2*time.Hour, func() {
		require.Equal(t, copay.ReviewRefundApproval, again.stored.Review.Kind)
		again.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k3"), Refund: "ref-1", Approve: true})
	})
	require.Equal(t, copay.StateSettled, again.run(input()))
	require.Equal(t, copay.Cents(120_00), again.stored.Amounts.Refunded)
}

// Staff give back what the payer says is owed: true-up does not ask for it again,
// whether it decides by itself or by asking staff.
func TestAGoodwillRefundIsNotAskedForAgain(t *testing.T) {
	for _, how := range []copay.TrueUpMode{copay.TrueUpAuto, copay.TrueUpReview} {
		t.Run(string(how), func(t *testing.T) { goodwill(t, how) })
	}
}

func goodwill(t *testing.T, how copay.TrueUpMode) {
	w := settledWorld(t)
	in := input()
	in.Policy.TrueUp = how
	w.then(0, func() { w.remits("era/1", 25_00) })
	require.Equal(t, copay.StateSettled, w.run(in))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)}) })
	require.Equal(t, copay.StateSettled, w.run(in))
	require.Empty(t, w.sent)
	require.Zero(t, w.stored.Amounts.Outstanding().Minor)
	w = newWorldAfter(t, w) // the same amount again changes nothing, another one does
	w.then(0, func() { w.remits("era/2", 25_00) })
	require.Equal(t, copay.StateSettled, w.run(in))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.remits("era/3", 40_00) })
	w.decides(time.Hour, copay.ReviewTrueUp, copay.ChoiceProceed)
	require.Equal(t, copay.StateSettled, w.run(in), "a person decides, since a person gave it back")
}

// Staff gave back what they believed was too much; the payer says otherwise: a
// person decides, though true-up is automatic.
func TestWhatStaffGaveBackBeforeTheRemittanceIsTheirsToAskFor(t *testing.T) {
	w := settledWorld(t)
	in := input()
	in.Policy.TrueUp = copay.TrueUpAuto
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)}) })
	require.Equal(t, copay.StateSettled, w.run(in))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.remits("era/1", 25_00) })
	w.decides(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(in))
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Requested)
}

// What a person accepted is not asked about again when something else happens.
func TestAnAcceptedDifferenceIsNotAskedAboutAgain(t *testing.T) {
	for name, owes := range map[string]int64{"more": 40_00, "less": 10_00} {
		t.Run(name, func(t *testing.T) {
			w := settledWorld(t)
			w.then(0, func() { w.remits("era/1", owes) })
			w.decides(time.Hour, copay.ReviewTrueUp, copay.ChoiceProceed)
			require.Equal(t, copay.StateSettled, w.run(input()))
			w = newWorldAfter(t, w)
			w.then(0, func() { w.dispute("d1", "opened", w.now()) })
			w.then(time.Hour, func() { w.dispute("d2", "won", w.now()) })
			require.Equal(t, copay.StateSettled, w.run(input()))
		})
	}
}
