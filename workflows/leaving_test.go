package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// partThenDeleted is a co-pay of which 120 of 140 were paid in cash when the
// charge was deleted: a second person is asked.
func partThenDeleted(t *testing.T) *world {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 120_00)) })
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.StateAwaitingPayment, w.stored.State)
		w.facts.Deleted = true
		w.event("drchrono", integrations.EventChargeDeleted, "55910021", "")
	})
	return w
}

// The EHR reports that our posting went with the charge.
func TestPostingDeletedWithTheCharge(t *testing.T) {
	w := partThenDeleted(t)
	var before int
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
		before = len(w.sent)
		for ref := range w.posted {
			delete(w.posted, ref)
		}
		w.event("drchrono", integrations.EventPostingDeleted, w.stored.Payments[1].PostedID, "")
	})
	w.then(5*time.Hour, func() {
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1", Approve: true})
	})
	w.decides(6*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
	w.after(10*day, func() {
		if !w.stored.State.Closed() {
			w.act("", UpdateCancel, Cancel{by(biller, "c")})
		}
	})
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.Equal(t, before, len(w.sent), "the patient was asked for a part of a charge that was deleted")
}

// The patient pays the rest on the page that is still open.
func TestRestPaidWhileTheDeletionWaits(t *testing.T) {
	w := partThenDeleted(t)
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
		w.pays()
	})
	w.then(5*time.Hour, func() {
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1", Approve: true})
	})
	w.decides(6*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
	s := w.run(input())
	require.Zero(t, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor, "%s: money of a deleted charge is kept", s)
	require.Equal(t, copay.StateCancelled, s)
}

// The same, and the news of it are lost: the page's withdrawal finds it.
func TestRestPaidUnheardWhileTheDeletionWaits(t *testing.T) {
	w := partThenDeleted(t)
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
		for _, p := range w.stored.Payments {
			if !p.Rail.Manual() && p.Status == copay.PaymentRequested {
				w.captured[p.Ref] = p.Amount
			}
		}
	})
	w.then(5*time.Hour, func() {
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1", Approve: true})
	})
	w.decides(6*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
	s := w.run(input())
	require.Equal(t, copay.StateCancelled, s)
	require.Zero(t, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor, "%s: money of a deleted charge is kept", s)
}

// Early cash of which a part goes back with a second person's word, before the amount is known.
func TestApprovedPartOfEarlyCashLeavesTheRest(t *testing.T) {
	w := newWorld(t)
	in := input()
	in.Policy.RefundApprovalAbove = copay.Cents(3_00)
	for range 6 {
		w.fail["CheckEligibility"] = append(w.fail["CheckEligibility"], unavailable())
	}
	w.then(2*time.Second, func() { w.act("", UpdateRecordPayment, cash("a", 20_00)) })
	w.then(4*time.Second, func() {
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)})
	})
	w.then(time.Hour, func() {
		require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1", Approve: true})
	})
	w.decides(2*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
	w.then(3*time.Hour, func() {
		require.Len(t, w.stored.Refunds, 1, "the rest of the cash is given back, too")
	})
	w.then(4*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(in))
}

// Rejected, but more cash came meanwhile.
func TestRejectedEarlyRefundIsNotDoneAllTheSame(t *testing.T) {
	w := newWorld(t)
	in := input()
	in.Policy.RefundApprovalAbove = copay.Cents(3_00)
	for range 6 {
		w.fail["CheckEligibility"] = append(w.fail["CheckEligibility"], unavailable())
	}
	w.then(2*time.Second, func() { w.act("", UpdateRecordPayment, cash("a", 20_00)) })
	w.then(4*time.Second, func() {
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)})
	})
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("b", 5_00)) })
	w.then(2*time.Hour, func() {
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1", Approve: false})
	})
	require.Equal(t, copay.StateSettled, w.run(in))
	require.Len(t, w.stored.Refunds, 1, "what was rejected goes back by itself")
}

// The charge is deleted while a part is on its way back.
func TestDeletionWhileAPartGoesBackIsNotForgotten(t *testing.T) {
	w := settledWorld(t)
	w.fail["RefundPayment"] = []error{down()}
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)}) })
	w.then(time.Minute, func() {
		require.Equal(t, copay.StateRefunding, w.stored.State)
		w.facts.Deleted = true
		w.event("drchrono", integrations.EventChargeDeleted, "55910021", "")
	})
	s := w.run(input())
	require.Equal(t, copay.StateCancelled, s, "held %d", w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor)
}

// The same while the rest is still asked for.
func TestNothingIsAskedForAfterADeletionDuringARefund(t *testing.T) {
	w := settledWorld(t) // 25 by link
	w.then(0, func() { w.remits("era/1", 40_00) })
	w.decides(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
	before := 0
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.StateAwaitingPayment, w.stored.State)
		w.fail["RefundPayment"] = []error{down()}
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)})
	})
	w.then(2*time.Hour+time.Minute, func() {
		require.Equal(t, copay.StateRefunding, w.stored.State)
		before = len(w.sent)
		w.facts.Deleted = true
		w.event("drchrono", integrations.EventChargeDeleted, "55910021", "")
	})
	w.after(20*day, func() {
		if !w.stored.State.Closed() {
			w.act("", UpdateCancel, Cancel{by(biller, "c")})
		}
	})
	w.run(input())
	require.Equal(t, before, len(w.sent), "the patient is reminded of a deleted charge")
}

// Nobody has read the charge when a part of early cash goes back.
func TestNothingIsAskedForBeforeTheChargeWasRead(t *testing.T) {
	w := newWorld(t)
	for range 8 {
		w.fail["ReadCharge"] = append(w.fail["ReadCharge"], down())
	}
	w.est.Estimate = copay.Estimate{Kind: copay.EstimateZeroByRule, Amount: copay.Cents(0), Rule: "qmb", Confidence: 100}
	w.then(2*time.Second, func() {
		w.act("", UpdateOverrideAmount, OverrideAmount{Act: by(biller, "o"), Amount: copay.Cents(50_00)})
	})
	w.then(3*time.Second, func() { w.act("", UpdateRecordPayment, cash("a", 20_00)) })
	w.then(4*time.Second, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)}) })
	w.then(10*day, func() {
		if !w.stored.State.Closed() {
			w.update(UpdateWaive, Waive{by(biller, "c")})
			w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "hb"), Choice: copay.ChoiceDone})
		}
	})
	w.run(input())
	require.Empty(t, w.sent, "somebody who must not be billed is asked")
	require.NotContains(t, w.calls, "RequestLink")
}

// The payer has news; while it cannot be asked, a part goes back.
func TestNewsOfThePayerAreNotForgottenOverARefund(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 20_00)) })
	before := 0
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.StateAwaitingPayment, w.stored.State)
		w.fail["CheckEligibility"] = []error{down(), down(), down()}
		w.fail["ReadCharge"] = []error{down()}
		w.est.Estimate = copay.Estimate{Kind: copay.EstimateZeroByRule, Amount: copay.Cents(0), Rule: "qmb", Confidence: 100}
		w.event("drchrono", integrations.EventEligibility, "x", "")
	})
	w.then(2*time.Hour+time.Minute, func() {
		before = len(w.sent)
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)})
	})
	w.then(10*day, func() {
		if !w.stored.State.Closed() {
			w.update(UpdateWaive, Waive{by(biller, "c")})
			w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "hb"), Choice: copay.ChoiceDone})
		}
	})
	w.run(input())
	require.Equal(t, before, len(w.sent), "somebody who must not be billed is reminded")
}

// A refund does not answer the question of self-pay.
func TestARefundDoesNotAnswerTheQuestionOfSelfPay(t *testing.T) {
	w := newWorld(t)
	w.facts.Facts.Billed = copay.Cents(2000_00)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 20_00)) })
	w.then(2*time.Hour, func() {
		w.checked.Status = copay.CoverageInactive
		w.event("drchrono", integrations.EventPatientChanged, "p1", "")
	})
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewInactive, w.stored.Review.Kind)
		w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "s"), Choice: copay.ChoiceSelfPay})
	})
	w.then(4*time.Hour, func() {
		require.Equal(t, copay.ReviewAmount, w.stored.Review.Kind)
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)})
	})
	w.then(5*time.Hour, func() {
		require.NotNil(t, w.stored.Review, "%s: the question what is owed is lost", w.stored.State)
		require.Equal(t, copay.ReviewAmount, w.stored.Review.Kind)
	})
	w.then(6*time.Hour, func() { w.act("", UpdateWaive, Waive{by(biller, "w")}) })
	require.Equal(t, copay.StateWaived, w.run(input()))
}

// Deletion review, dispute in between and won: the second person's word ends it.
func TestDeletionApprovalAfterADispute(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.remits("era/1", 160_00) })
	w.decides(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
	var before int
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.StateAwaitingPayment, w.stored.State)
		w.facts.Deleted = true
		w.event("drchrono", integrations.EventChargeDeleted, "55910021", "")
	})
	w.then(3*time.Hour, func() {
		before = len(w.sent)
		require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
		w.event("stripe", integrations.EventDispute, w.stored.Payments[0].PlatformID, "opened")
	})
	w.then(4*time.Hour, func() { w.event("stripe", integrations.EventDispute, w.stored.Payments[0].PlatformID, "won") })
	w.then(5*time.Hour, func() {
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1", Approve: true})
	})
	w.after(20*day, func() {
		if !w.stored.State.Closed() {
			w.act("", UpdateCancel, Cancel{by(biller, "c")})
		}
	})
	s := w.run(input())
	require.Equal(t, before, len(w.sent), "the patient was asked for a part of a charge that was deleted")
	require.Equal(t, copay.StateCancelled, s)
}

// Cash is recorded while the deletion's question is open, then it is approved.
func TestCashDuringTheDeletionReview(t *testing.T) {
	w := partThenDeleted(t)
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
		w.update(UpdateRecordPayment, cash("b", 20_00))
	})
	w.then(5*time.Hour, func() {
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1", Approve: true})
	})
	w.decides(6*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
	w.after(7*time.Hour, func() {
		w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "hb2"), Choice: copay.ChoiceDone})
	})
	s := w.run(input())
	require.Equal(t, copay.StateCancelled, s)
	require.Zero(t, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor, "%s: money of a deleted charge is kept", s)
}

// The charge was deleted, the refund of all was approved for an amount still unknown; the
// Co-pay is cancelled. Charge entered again, later refund of the rest.
func TestReopenDoesNotOutliveACancellation(t *testing.T) {
	w := newWorld(t)
	in := input()
	in.Policy.RefundApprovalAbove = copay.Cents(10_00)
	w.est.Estimate.Confidence = 10
	w.then(time.Hour, func() {
		w.act("", UpdateRecordPayment, cash("a", 20_00))
		w.act("", UpdateRecordPayment, cash("b", 5_00))
	})
	w.then(2*time.Hour, func() {
		w.facts.Deleted = true
		w.event("drchrono", integrations.EventChargeDeleted, "55910021", "")
	})
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
		require.Len(t, w.stored.Refunds, 2)
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1", Approve: true})
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k3"), Refund: "ref-2", Approve: false})
	})
	w.decides(4*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
	require.Equal(t, copay.StateCancelled, w.run(in))
	w = newWorldAfter(t, w)
	w.facts.Deleted = false
	w.then(0, func() {
		for _, p := range w.stored.Payments {
			if p.Amount.Minor > p.Refunded.Minor {
				w.act("", UpdateRefund, Refund{Act: by(biller, "k9"), Payment: p.ID, Amount: copay.Cents(p.Amount.Minor)})
			}
		}
	})
	for i := range 3 {
		w.after(time.Duration(i+1)*day, func() {
			if w.stored.State == copay.StateNeedsReview {
				for _, r := range w.stored.Refunds {
					if r.Status == copay.RefundAwaiting {
						w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k4"), Refund: r.ID, Approve: true})
					}
				}
				if w.stored.Review.Kind == copay.ReviewHandBack {
					w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "hb"), Choice: copay.ChoiceDone})
				}
			}
		})
	}
	w.after(20*day, func() {
		if !w.stored.State.Closed() {
			t.Errorf("a cancelled co-pay is asked for again: %s %+v", w.stored.State, w.stored.Review)
			w.act("", UpdateCancel, Cancel{by(biller, "c")})
		}
	})
	w.run(in)
	require.Empty(t, w.sent)
}

// A review takes the place of another, and nobody sees it.
func TestAPostingThatIsGoneIsSeenInAReview(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 20_00)) })
	w.then(60*day, func() {
		require.Equal(t, copay.ReviewUnpaid, w.stored.Review.Kind)
		clear(w.posted)
		for _, p := range w.stored.Payments {
			if p.PostedID != "" {
				w.event("drchrono", integrations.EventPostingDeleted, p.PostedID, "")
			}
		}
	})
	w.then(61*day, func() {
		if w.stored.Review.Kind == copay.ReviewUnpaid { // what people see
			w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "x"), Choice: copay.ChoiceWriteOff})
			t.Error("the review that is open is not the one that is recorded")
		}
	})
	w.then(62*day, func() {
		w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "y"), Choice: copay.ChoiceRetry})
	})
	w.then(63*day, func() { w.update(UpdateWaive, Waive{by(biller, "z")}) })
	w.run(input())
}

// Our posting is deleted while a part is on its way back.
func TestAPostingDeletedDuringARefundIsNotForgotten(t *testing.T) {
	w := settledWorld(t)
	w.fail["RefundPayment"] = []error{down()}
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)}) })
	w.then(time.Minute, func() {
		require.Equal(t, copay.StateRefunding, w.stored.State)
		clear(w.posted)
		w.event("drchrono", integrations.EventPostingDeleted, w.stored.Payments[0].PostedID, "")
	})
	w.then(day, func() {
		if !w.stored.State.Closed() {
			w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "y"), Choice: copay.ChoiceRetry})
		}
	})
	w.run(input())
}

// Early cash, the deletion is reported twice, and the second person rejects.
func TestADeletionReportedTwiceAndRejected(t *testing.T) {
	for _, first := range []string{"deletion", "refund"} {
		t.Run(first, func(t *testing.T) {
			w := newWorld(t)
			for range 6 {
				w.fail["CheckEligibility"] = append(w.fail["CheckEligibility"], unavailable())
			}
			w.est.Estimate.Amount = copay.Cents(120_00)
			w.then(2*time.Second, func() { w.act("", UpdateRecordPayment, cash("a", 120_00)) })
			w.then(3*time.Second, func() {
				if first == "refund" {
					w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(110_00)})
					return
				}
				w.facts.Deleted = true
				w.event("drchrono", integrations.EventChargeDeleted, "55910021", "")
			})
			w.then(time.Hour, func() {
				require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
				w.facts.Deleted = true
				w.event("drchrono", integrations.EventChargeDeleted, "55910021", "again")
			})
			w.then(2*time.Hour, func() {
				w.facts.Deleted = false // entered again
				for _, r := range w.stored.Refunds {
					if r.Status == copay.RefundAwaiting {
						w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k"+string(r.ID)), Refund: r.ID, Approve: false})
					}
				}
			})
			w.run(input())
			for _, r := range w.stored.Refunds {
				require.NotEqual(t, copay.RefundPending, r.Status, "%s: what was rejected goes back by itself", r.ID)
				require.NotEqual(t, copay.RefundAwaiting, r.Status)
			}
		})
	}
}

// The question of self-pay outlives a posting that is gone.
func TestADeletedPostingDoesNotAnswerTheQuestionOfSelfPay(t *testing.T) {
	for _, how := range []string{"posting", "dispute"} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			w.facts.Facts.Billed = copay.Cents(2000_00)
			w.then(2*time.Hour, func() {
				w.checked.Status = copay.CoverageInactive
				w.event("drchrono", integrations.EventPatientChanged, "p1", "")
			})
			w.then(3*time.Hour, func() {
				require.Equal(t, copay.ReviewInactive, w.stored.Review.Kind)
				w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "s"), Choice: copay.ChoiceSelfPay})
			})
			w.then(4*time.Hour, func() {
				require.Equal(t, copay.ReviewAmount, w.stored.Review.Kind)
				w.pays()
			})
			w.then(5*time.Hour, func() {
				require.Equal(t, copay.ReviewAmount, w.stored.Review.Kind)
				w.event("stripe", integrations.EventDispute, w.stored.Payments[0].PlatformID, "opened")
			})
			w.then(6*time.Hour, func() {
				require.Equal(t, copay.StateDisputed, w.stored.State)
				w.event("stripe", integrations.EventDispute, w.stored.Payments[0].PlatformID, "won")
			})
			asked := false
			w.then(7*time.Hour, func() {
				asked = true
				require.NotNil(t, w.stored.Review, "%s", w.stored.State)
				w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "w"), Choice: copay.ChoiceWaive})
			})
			s := w.run(input())
			require.True(t, asked, "it ended %s with %+v, before anybody said what is owed", s, w.stored.Amounts)
		})
		break
	}
}

// One of two returns approved, a dispute, the other rejected; later news of the charge.
func TestAfterIsNotLeftBehind(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(60_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.remits("era/1", 140_00) })
	w.decides(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() {
		w.facts.Deleted = true
		w.event("drchrono", integrations.EventChargeDeleted, "55910021", "")
	})
	w.then(time.Hour, func() {
		require.Len(t, w.stored.Refunds, 2)
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k1"), Refund: "ref-1", Approve: true})
	})
	w.then(2*time.Hour, func() {
		for _, r := range w.stored.Refunds {
			if r.Status == copay.RefundAwaiting {
				for _, p := range w.stored.Payments {
					if p.ID == r.Payment {
						w.event("stripe", integrations.EventDispute, p.PlatformID, "opened")
					}
				}
			}
		}
	})
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.StateDisputed, w.stored.State)
		for _, p := range w.stored.Payments {
			if p.Status == copay.PaymentDisputed {
				w.event("stripe", integrations.EventDispute, p.PlatformID, "won")
			}
		}
	})
	w.then(4*time.Hour, func() {
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-2", Approve: false})
	})
	s := w.run(input())
	require.Empty(t, w.stored.After, "%s", s)
}

// A person is asked about plan or charge, a part goes back meanwhile.
func TestARefundDoesNotAnswerAnOpenQuestion(t *testing.T) {
	for _, kind := range []copay.ReviewKind{copay.ReviewInactive, copay.ReviewUnknownCharge} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t)
			w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 20_00)) })
			before := 0
			w.then(2*time.Hour, func() {
				w.checked.Status = copay.CoverageInactive
				if kind == copay.ReviewUnknownCharge {
					w.fail["ReadCharge"] = []error{refuse(integrations.KindNotFound), refuse(integrations.KindNotFound), refuse(integrations.KindNotFound)}
				}
				w.event("drchrono", integrations.EventPatientChanged, "p1", "")
			})
			w.then(3*time.Hour, func() {
				require.Equal(t, kind, w.stored.Review.Kind)
				before = len(w.sent)
				w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)})
			})
			w.then(20*day, func() {
				w.update(UpdateWaive, Waive{by(biller, "w")})
				w.update(UpdateCancel, Cancel{by(biller, "c")})
			})
			w.run(input())
			require.Equal(t, before, len(w.sent), "the patient is asked though the question is open")
		})
	}
}

// The bank took one payment back, a person is asked what to do; a part of another payment goes back.
func TestARefundDoesNotAnswerWhatTheBankTook(t *testing.T) {
	w := settledWorld(t) // 25 by link
	w.then(0, func() { w.remits("era/1", 40_00) })
	w.decides(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() {
		w.event("stripe", integrations.EventDispute, w.stored.Payments[0].PlatformID, "opened")
	})
	w.then(time.Hour, func() {
		w.refunded["bank"], w.refundOf["bank"] = copay.Cents(25_00), w.stored.Payments[0].Ref
		w.event("stripe", integrations.EventDispute, w.stored.Payments[0].PlatformID, "lost")
	})
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.ReviewDispute, w.stored.Review.Kind)
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Payment: w.stored.Payments[1].ID, Amount: copay.Cents(5_00)})
	})
	w.then(20*day, func() {
		if !w.stored.State.Closed() {
			w.update(UpdateWaive, Waive{by(biller, "w")})
		}
	})
	w.run(input())
	require.Empty(t, w.sent, "the patient is asked for what the bank took, and nobody has decided that")
}

// A page that could not be withdrawn is not offered for another amount.
func TestAPageOverAnotherAmountIsNotOffered(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 10_00)) })
	w.then(2*time.Hour, func() {
		w.fail["CancelRequest"] = []error{refuse(integrations.KindInvalid)}
		w.act("", UpdateOverrideAmount, OverrideAmount{Act: by(biller, "o"), Amount: copay.Cents(12_00)})
	})
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewCompensation, w.stored.Review.Kind)
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(1_00)})
	})
	w.then(4*time.Hour, func() {
		for _, p := range w.stored.Payments {
			if w.stored.State == copay.StateAwaitingPayment && !p.Rail.Manual() && p.Status == copay.PaymentRequested {
				require.Equal(t, w.stored.Amounts.Outstanding(), p.Amount, "the page asks for more than is owed")
			}
		}
	})
	w.then(5*time.Hour, func() {
		w.update(UpdateWaive, Waive{by(biller, "w")})
	})
	w.run(input())
}

func waivedRest(t *testing.T) *world {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 120_00)) })
	w.then(2*time.Hour, func() { w.act("", UpdateWaive, Waive{by(biller, "w")}) })
	require.Equal(t, copay.StateWaived, w.run(input()))
	return newWorldAfter(t, w)
}

// A second person's word makes nothing of a waiver.
func TestAnApprovedRefundLeavesItWaived(t *testing.T) {
	w := waivedRest(t)
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(110_00)}) })
	w.then(time.Hour, func() {
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1", Approve: true})
	})
	w.decides(2*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
	require.Equal(t, copay.StateWaived, w.run(input()))
}

// The charge is deleted after its rest was waived.
func TestADeletedChargeIsGivenBackAlsoWhenItsRestWasWaived(t *testing.T) {
	w := waivedRest(t)
	w.facts.Deleted = true
	w.then(0, func() { w.event("drchrono", integrations.EventChargeDeleted, "55910021", "") })
	w.then(time.Hour, func() {
		if w.stored.State == copay.StateNeedsReview {
			w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1", Approve: true})
		}
	})
	w.then(2*time.Hour, func() {
		w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "d"), Choice: copay.ChoiceDone})
	})
	w.run(input())
	require.Zero(t, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor, "money of a deleted charge is kept")
}

// The refund of a cancelled co-pay is in trouble; the patient disputes; somebody deletes our posting.
func TestNothingGoesBackWhileTheBankDecides(t *testing.T) {
	w := settledWorld(t)
	w.fail["RefundPayment"] = []error{refuse(integrations.KindInvalid)}
	w.fail["ReversePosting"] = []error{refuse(integrations.KindInvalid)}
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(25_00)}) })
	w.then(time.Hour, func() {
		require.Equal(t, copay.ReviewCompensation, w.stored.Review.Kind)
		w.event("stripe", integrations.EventDispute, w.stored.Payments[0].PlatformID, "opened")
	})
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.StateDisputed, w.stored.State)
		for ref := range w.posted {
			delete(w.posted, ref)
		}
		w.event("drchrono", integrations.EventPostingDeleted, w.stored.Payments[0].PostedID, "")
	})
	w.decides(3*time.Hour, copay.ReviewPostingDeleted, copay.ChoiceDone)
	w.then(4*time.Hour, func() {
		require.Empty(t, w.refunded, "money goes back that the bank holds")
		w.event("stripe", integrations.EventDispute, w.stored.Payments[0].PlatformID, "lost")
		w.refunded["bank"], w.refundOf["bank"] = copay.Cents(25_00), w.stored.Payments[0].Ref
	})
	w.then(5*time.Hour, func() {
		if w.stored.State == copay.StateNeedsReview {
			w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "z"), Choice: copay.ChoiceRetry})
		}
	})
	w.run(input())
}

// The patient disputes while the refund waits for the processor.
func TestNothingGoesBackDuringADispute(t *testing.T) {
	w := settledWorld(t)
	w.fail["RefundPayment"] = []error{down()}
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)}) })
	w.then(time.Minute, func() {
		w.event("stripe", integrations.EventDispute, w.stored.Payments[0].PlatformID, "opened")
	})
	w.then(time.Hour, func() {
		require.Empty(t, w.refunded)
		w.event("stripe", integrations.EventDispute, w.stored.Payments[0].PlatformID, "won")
	})
	w.run(input())
}
