package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// A refund that a second person approved is refused by the processor; while that
// is with a person, the charge is deleted in the EHR.
func TestADeletionWhileARefundIsInTroubleLeavesAWayOut(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.fail["RefundPayment"] = []error{refuse(integrations.KindInvalid)}
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(140_00)}) })
	w.then(time.Hour, func() {
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1", Approve: true})
	})
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.ReviewCompensation, w.stored.Review.Kind)
		w.facts.Deleted = true
		w.event("drchrono", integrations.EventChargeDeleted, "55910021", "")
	})
	// It is being done, though the review had gone: the refund is tried again.
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.Equal(t, copay.Cents(140_00), w.stored.Amounts.Refunded)
}

// The same with cash that has to be handed back.
func TestADeletionWhileCashIsToBeHandedBackLeavesAWayOut(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 140_00)) })
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.remits("era/1", 0) })
	w.decides(time.Hour, copay.ReviewTrueUp, copay.ChoiceRefund)
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.ReviewHandBack, w.stored.Review.Kind)
		w.facts.Deleted = true
		w.event("drchrono", integrations.EventChargeDeleted, "55910021", "")
	})
	w.decides(4*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.Len(t, w.stored.Refunds, 1)
}

// Staff let the practice keep 5 more than the payer says; later those 5 are given
// back: what is held is what the payer says, and nobody is asked for more.
func TestWhatWasKeptAndThenGivenBackIsNotAskedFor(t *testing.T) {
	for _, how := range []string{"staff, review", "processor, auto"} {
		t.Run(how, func(t *testing.T) {
			w := settledWorld(t)
			in := input()
			if how == "processor, auto" {
				in.Policy.TrueUp, in.Policy.RefundApprovalAbove = copay.TrueUpAuto, copay.Cents(4_00)
			}
			w.then(0, func() { w.remits("era/1", 20_00) })
			w.decides(time.Hour, copay.ReviewTrueUp, copay.ChoiceProceed)
			require.Equal(t, copay.StateSettled, w.run(in))
			w = newWorldAfter(t, w)
			w.then(0, func() {
				if how == "processor, auto" {
					w.refundOf["desk"] = w.stored.Payments[0].Ref
					w.refunded["desk"] = copay.Cents(5_00)
					w.event("stripe", integrations.EventRefund, w.stored.Payments[0].PlatformID, "succeeded")
					return
				}
				w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)})
			})
			require.Equal(t, copay.StateSettled, w.run(in))
			require.Empty(t, w.sent, "the patient is asked for more than the payer says")
		})
	}
}

// A part by link, then the rest in cash; the charge is deleted: the card's part
// goes back by itself, whenever somebody hands the cash out.
func TestTheProcessorsPartDoesNotWaitForTheCash(t *testing.T) {
	w := settledWorld(t) // 25 by link
	w.then(0, func() { w.remits("era/1", 40_00) })
	w.decides(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
	w.then(2*time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 15_00)) })
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.facts.Deleted = true
	w.then(0, func() { w.event("drchrono", integrations.EventChargeDeleted, "55910021", "") })
	w.then(day, func() {
		require.Equal(t, copay.ReviewHandBack, w.stored.Review.Kind)
		require.Len(t, w.refunded, 1, "the processor's part is back")
	})
	w.decides(2*day, copay.ReviewHandBack, copay.ChoiceDone)
	require.Equal(t, copay.StateCancelled, w.run(input()))
}

// A remittance came before anybody paid; then the EHR corrects the charge. What is
// asked for was an estimate, not the remittance.
func TestAnOldEstimateDoesNotStandBecauseTheRemittanceSaysLess(t *testing.T) {
	for name, e := range map[string]copay.Estimate{
		"less":    {Kind: copay.EstimateOwed, Amount: copay.Cents(10_00), Confidence: 95},
		"nothing": {Kind: copay.EstimateNothing, Confidence: 95},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.then(time.Hour, func() { w.remits("era/1", e.Amount.Minor) })
			w.then(2*time.Hour, func() {
				w.est.Estimate = e
				w.event("drchrono", integrations.EventChargeChanged, "1", "")
			})
			if e.Amount.IsPositive() {
				w.then(3*time.Hour, func() {
					require.Equal(t, e.Amount, w.stored.Amounts.Outstanding())
				})
				w.then(4*time.Hour, w.pays)
			}
			require.Equal(t, copay.StateSettled, w.run(input()))
			require.Equal(t, e.Amount.Minor, w.stored.Amounts.Requested.Minor)
		})
	}
}

// A second remittance comes while a refund waits for approval on top of the true-up's review.
func TestATrueUpReviewThatWasHeldIsNotStale(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(120_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.remits("era/1", 140_00) })
	w.then(time.Hour, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(110_00)}) })
	w.then(2*time.Hour, func() { w.remits("era/2", 125_00) })
	w.then(3*time.Hour, func() {
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k3"), Refund: "ref-1", Approve: false})
	})
	w.decides(4*time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
	w.then(5*time.Hour, func() {
		require.EqualValues(t, 5_00, w.stored.Amounts.Outstanding().Minor)
		w.pays()
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// Nothing is recorded in the task that reads the lasting record: were it lost and
// done again, it would read what its own lost try wrote, with the deletion marked
// as heard.
func TestNothingIsRecordedBeforeTheHistoryHasTheLastingRecord(t *testing.T) {
	settled := settledWorld(t)
	w := newWorldAfter(t, settled)
	w.facts.Deleted = true
	tasks, recorded := 0, false
	w.env.SetOnTimerFiredListener(func(string) { tasks++ })
	w.onRecord = func() {
		if !recorded {
			require.Equal(t, 1, tasks, "the task that read it has ended")
		}
		recorded = true
	}
	w.then(0, func() {
		w.event("drchrono", integrations.EventChargeDeleted, "55910021", "")
		w.update(UpdateAddNote, AddNote{Act: by(frontDesk, "n1"), Text: "called"})
	})
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.True(t, recorded)
}

// Cash is taken before the amount is known, and a part of it is given back.
func TestAPartOfEarlyCashThatGoesBackLeavesTheRest(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Confidence = 10
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 20_00)) })
	w.then(2*time.Hour, func() {
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)})
	})
	w.then(3*time.Hour, func() {
		require.Len(t, w.stored.Refunds, 1)
		amount := copay.Cents(15_00)
		require.Equal(t, copay.ReviewLowConfidence, w.stored.Review.Kind, "the question is open again")
		w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "k2"), Choice: copay.ChoiceSetAmount, Amount: &amount})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.stored.Refunds, 1)
}

// After self-pay was chosen for a co-pay of which a part is paid.
func TestSelfPayAfterAPartThenARefundOfAPart(t *testing.T) {
	w := newWorld(t)
	w.facts.Facts.Billed = copay.Cents(2000_00)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 20_00)) })
	w.then(2*time.Hour, func() {
		w.checked.Status = copay.CoverageInactive
		w.est.Estimate.Confidence = 10
		w.event("drchrono", integrations.EventPatientChanged, "p1", "")
	})
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewInactive, w.stored.Review.Kind)
		w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "s"), Choice: copay.ChoiceSelfPay})
	})
	w.then(4*time.Hour, func() {
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)})
	})
	w.then(5*time.Hour, func() {
		require.Len(t, w.stored.Refunds, 1)
		w.act("", UpdateWaive, Waive{by(biller, "w")})
	})
	require.Equal(t, copay.StateWaived, w.run(input()))
	require.Len(t, w.stored.Refunds, 1)
}

// Money that somebody gave back at the processor's desk is given by a person, too.
func TestGoodwillAtTheProcessorIsNotAskedForAgain(t *testing.T) {
	w := settledWorld(t)
	in := input()
	in.Policy.TrueUp = copay.TrueUpAuto
	w.then(0, func() { w.remits("era/1", 25_00) })
	require.Equal(t, copay.StateSettled, w.run(in))
	w = newWorldAfter(t, w)
	w.then(0, func() {
		w.refundOf["desk"] = w.stored.Payments[0].Ref
		w.refunded["desk"] = copay.Cents(10_00)
		w.event("stripe", integrations.EventRefund, w.stored.Payments[0].PlatformID, "succeeded")
	})
	require.Equal(t, copay.StateSettled, w.run(in))
	require.Empty(t, w.sent)
}

// A person whose token says "operator" is a person.
func TestSomebodyCalledOperatorNeedsASecondPersonToo(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	who := copay.Actor{ID: "operator", Kind: "staff", Roles: []copay.Role{copay.RoleBiller}}
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(who, "k1"), Amount: copay.Cents(140_00)}) })
	w.then(time.Hour, func() {
		require.Empty(t, w.refunded, "140.00 went back without a second person")
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(biller, "k2"), Refund: "ref-1"})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// A message that no worker ever took up (the queue of its platform is not served) did not go out.
func TestAMessageThatNobodyTookUpIsNotCountedAsSent(t *testing.T) {
	w := newWorld(t)
	never := func() error { return temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START, nil) }
	w.fail["Notify"] = []error{never(), never()}
	w.then(2*time.Hour, func() {
		require.NotEmpty(t, w.sent, "the patient has not been asked")
		w.pays()
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// T1
func TestDeletionIsNoWayAroundTheSecondPerson(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(140_00)}) })
	w.then(time.Hour, func() {
		w.facts.Deleted = true
		w.event("drchrono", integrations.EventChargeDeleted, "55910021", "")
	})
	w.then(2*time.Hour, func() {
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1", Approve: true})
	})
	w.run(input())
	for _, r := range w.stored.Refunds {
		require.False(t, r.Status == copay.RefundDone && r.ApprovedBy == "", "%s of %s went back without a second person", r.ID, r.Amount)
	}
}

// T2
func TestNothingIsAskedForOnADeletedCharge(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 120_00)) })
	var before int
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.StateAwaitingPayment, w.stored.State)
		w.facts.Deleted = true
		w.event("drchrono", integrations.EventChargeDeleted, "55910021", "")
	})
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
		before = len(w.sent)
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1", Approve: true})
	})
	w.decides(4*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
	w.after(10*day, func() {
		if !w.stored.State.Closed() {
			w.act("", UpdateCancel, Cancel{by(biller, "c")})
		}
	})
	w.run(input())
	require.Equal(t, before, len(w.sent), "the patient was asked for a part of a charge that was deleted")
}

// T11
func TestWhatIsBeingTakenBackIsNotPostedAfterADispute(t *testing.T) {
	w := newWorld(t)
	w.fail["PostPayment"] = []error{refuse(integrations.KindInvalid)}
	w.fail["RefundPayment"] = []error{refuse(integrations.KindInvalid)}
	w.then(time.Hour, w.pays)
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.ReviewPosting, w.stored.Review.Kind)
		w.facts.Deleted = true
		w.event("drchrono", integrations.EventChargeDeleted, "55910021", "")
	})
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewCompensation, w.stored.Review.Kind)
		w.event("stripe", integrations.EventDispute, w.stored.Payments[0].PlatformID, "opened")
	})
	w.then(4*time.Hour, func() {
		require.Equal(t, copay.StateDisputed, w.stored.State)
		w.event("stripe", integrations.EventDispute, w.stored.Payments[0].PlatformID, "won")
	})
	require.Equal(t, copay.StateCancelled, w.run(input()))
}

// T3
func TestPartOfCashRefundedWhileVerifyingLeavesTheRest(t *testing.T) {
	w := newWorld(t)
	for range 6 {
		w.fail["CheckEligibility"] = append(w.fail["CheckEligibility"], unavailable())
	}
	w.then(2*time.Second, func() { w.act("", UpdateRecordPayment, cash("a", 20_00)) })
	w.then(4*time.Second, func() {
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)})
	})
	w.then(2*time.Hour, func() {
		require.Len(t, w.stored.Refunds, 1, "the rest of the cash is given back, too")
	})
	w.then(3*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.EqualValues(t, 25_00, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor)
}

// T12: early cash is refunded completely while the payer is asked
func TestEarlyCashGivenBackWhileVerifying(t *testing.T) {
	w := newWorld(t)
	for range 6 {
		w.fail["CheckEligibility"] = append(w.fail["CheckEligibility"], unavailable())
	}
	w.then(2*time.Second, func() { w.act("", UpdateRecordPayment, cash("a", 20_00)) })
	w.then(4*time.Second, func() {
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(20_00)})
	})
	w.then(2*time.Hour, func() { w.pays() })
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// T4
func TestARejectedReturnIsNotDoneAllTheSame(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Confidence = 10
	w.est.Estimate.Amount = copay.Cents(120_00)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 120_00)) })
	w.then(2*time.Hour, func() {
		w.facts.Deleted = true
		w.event("drchrono", integrations.EventChargeDeleted, "55910021", "")
	})
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
		w.facts.Deleted = false
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1", Approve: false})
	})
	w.then(4*time.Hour, func() {
		require.Len(t, w.stored.Refunds, 1, "what was rejected goes back by itself")
	})
	w.decides(5*time.Hour, copay.ReviewLowConfidence, copay.ChoiceWaive) // the question that was open is open again
	require.Equal(t, copay.StateWaived, w.run(input()))
}

// T6
func TestAPartDoesNotAnswerTheQuestionOfSelfPay(t *testing.T) {
	for _, how := range []string{"link", "cash"} {
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
				if how == "link" {
					w.pays()
				} else {
					w.act("", UpdateRecordPayment, cash("a", 25_00))
				}
			})
			asked := false
			w.then(5*time.Hour, func() {
				asked = true
				require.NotNil(t, w.stored.Review, "%s: the question what is owed is lost", w.stored.State)
				w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "w"), Choice: copay.ChoiceWaive})
			})
			state := w.run(input())
			require.True(t, asked, "it ended %s with %+v, before anybody said what is owed", state, w.stored.Amounts)
		})
	}
}

// T7
func TestGoodwillAfterWhatWasKept(t *testing.T) {
	w := settledWorld(t)
	w.then(0, func() { w.remits("era/1", 20_00) })
	w.decides(time.Hour, copay.ReviewTrueUp, copay.ChoiceProceed)
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(10_00)}) })
	require.Equal(t, copay.StateSettled, w.run(input()))
}

func TestARunningCoPayKeepsItsCash(t *testing.T) {
	w := newWorld(t)
	in := input()
	in.Key.Charge = begunBefore
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 20_00)) })
	w.then(2*time.Hour, func() {
		w.fail["ReversePosting"] = []error{refuse(integrations.KindInvalid)}
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)})
	})
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewCompensation, w.stored.Review.Kind)
		w.act("", UpdateRecordPayment, cash("b", 5_00))
	})
	w.after(4*time.Hour, func() {
		if w.stored.Review != nil {
			w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "w"), Choice: copay.ChoiceRetry})
		}
	})
	w.after(5*time.Hour, func() {
		if !w.stored.State.Closed() {
			w.act("", UpdateWaive, Waive{by(biller, "w2")})
		}
	})
	w.run(in)
	require.EqualValues(t, 20_00, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor)
}
