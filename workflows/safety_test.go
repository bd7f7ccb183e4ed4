package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

func TestCashInFullWhileTheBankIsAtIt(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		w.processing = true
		w.update(UpdateRecordPayment, cash("k1", 25_00))
	})
	w.then(30*time.Hour, func() {
		w.processing = false
		w.captured[w.stored.Payments[0].Ref] = copay.Cents(25_00)
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Refunded)
	require.Equal(t, copay.PaymentID("pay-1"), w.stored.Refunds[0].Payment, "by the processor, though the cash is newer: that needs nobody")
	require.Less(t, len(w.calls), 60)
}

func TestWaivedWhileTheBankIsAtIt(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		w.processing = true
		w.update(UpdateWaive, Waive{by(biller, "k1")})
	})
	w.then(30*time.Hour, func() {
		w.processing = false
		w.captured[w.stored.Payments[0].Ref] = copay.Cents(25_00)
	})
	require.Equal(t, copay.StateWaived, w.run(input()))
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Refunded)
	require.Less(t, len(w.calls), 60)
}

func TestWrittenOffWithAnOpenPage(t *testing.T) {
	w := newWorld(t)
	in := input()
	in.Policy.GiveUpAfter = 10 * time.Hour
	w.decides(12*time.Hour, copay.ReviewUnpaid, copay.ChoiceWriteOff)
	require.Equal(t, copay.StateWrittenOff, w.run(in))
	again := newWorldAfter(t, w)
	again.then(0, func() {
		p := again.stored.Payments[0]
		again.captured[p.Ref] = p.Amount
		again.event("stripe", integrations.EventPayment, p.PlatformID, "captured")
	})
	require.Equal(t, copay.StateWrittenOff, again.run(in))
	require.Len(t, again.refunded, 1)
}

func (w *world) remits(id string, minor int64) {
	m := copay.Cents(minor)
	w.env.SignalWorkflow(SignalEvent, Event{ID: id, Platform: "drchrono", Kind: string(integrations.EventRemittance), Amount: &m})
}

func TestWaivedRestOfAPartThatIsNotPosted(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		w.update(UpdateRecordPayment, cash("k1", 10_00))
		w.update(UpdateWaive, Waive{by(biller, "k2")})
	})
	require.Equal(t, copay.StateWaived, w.run(input()))
	require.Len(t, w.posted, 1)
}

func TestWaivedIsNotAskedAgainByARemittance(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		w.update(UpdateChangeRail, ChangeRail{Act: by(frontDesk, "k0"), Rail: copay.RailCash})
	})
	w.then(2*time.Hour, func() {
		w.update(UpdateRecordPayment, cash("k1", 10_00))
		w.update(UpdateWaive, Waive{by(biller, "k2")})
	})
	require.Equal(t, copay.StateWaived, w.run(input()))
	again := newWorldAfter(t, w)
	in := input()
	in.Policy.TrueUp = copay.TrueUpAuto
	again.then(0, func() { again.remits("e1", 40_00) })
	require.Equal(t, copay.StateWaived, again.run(in))
	require.NotContains(t, again.calls, "RequestLink")
}

func TestMoneyThatIsGoneIsNotPostedAfterwards(t *testing.T) {
	w := newWorld(t)
	w.fail["PostPayment"] = []error{refuse(integrations.KindInvalid)}
	w.then(time.Hour, w.pays)
	w.then(2*time.Hour, func() { w.event("stripe", integrations.EventDispute, "", "opened") })
	w.then(3*time.Hour, func() {
		w.refunded["bank"] = copay.Cents(25_00)
		w.event("stripe", integrations.EventDispute, "", "lost")
	})
	w.decides(4*time.Hour, copay.ReviewDispute, copay.ChoiceWriteOff)
	require.Equal(t, copay.StateWrittenOff, w.run(input()))
	require.Empty(t, w.posted)
}

func TestAPartGivenBackBeforeItIsPosted(t *testing.T) {
	w := newWorld(t)
	w.fail["PostPayment"] = []error{refuse(integrations.KindInvalid)}
	w.fail["BookRefund"] = []error{nil, down()} // and the books are down when they are to follow
	w.then(time.Hour, w.pays)
	w.then(2*time.Hour, func() {
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(10_00)})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

func TestDoneByHandWhileCredentialsAreRefused(t *testing.T) {
	w := newWorld(t)
	w.fail["PostPayment"] = []error{refuse(integrations.KindUnauthorized)}
	w.then(time.Hour, w.pays)
	w.then(2*time.Hour, func() {
		w.posted["by-hand"] = copay.Cents(25_00)
		w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "k"), Choice: copay.ChoiceDone})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.posted, 1)
}

func TestOneStepDoneByHandLeavesTheOthers(t *testing.T) {
	w := newWorld(t)
	w.fail["PostPayment"] = []error{refuse(integrations.KindInvalid)}
	w.fail["BookRefund"] = []error{refuse(integrations.KindInvalid)}
	w.then(time.Hour, w.pays)
	w.then(2*time.Hour, func() { w.act("", UpdateCancel, Cancel{by(biller, "k1")}) })
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewCompensation, w.stored.Review.Kind)
		w.booked["by-hand"] = copay.Cents(-25_00)
		w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "k2"), Choice: copay.ChoiceDone})
	})
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.Len(t, w.refunded, 1)
}

// A refund that had to follow a late posting was mended by a person.
func TestARefundThatFollowsCanBeDoneByHand(t *testing.T) {
	w := newWorld(t)
	w.fail["PostPayment"] = []error{refuse(integrations.KindInvalid)}
	w.fail["ReversePosting"] = []error{nil, refuse(integrations.KindInvalid)}
	w.then(time.Hour, w.pays)
	w.then(2*time.Hour, func() {
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(10_00)})
	})
	w.decides(3*time.Hour, copay.ReviewCompensation, copay.ChoiceDone)
	w.expect = append(w.expect, func() { w.posted["by-hand"] = copay.Cents(-10_00) })
	require.Equal(t, copay.StateSettled, w.run(input()))
}

func (w *world) dispute(id, status string, at time.Time) {
	w.env.SignalWorkflow(SignalEvent, Event{ID: id, Platform: "stripe", Kind: string(integrations.EventDispute), Object: w.stored.Payments[0].PlatformID, Status: status, At: at})
}

func TestRefundAtTheProcessorWhileDisputed(t *testing.T) {
	w := settledWorld(t)
	w.then(0, func() { w.event("stripe", integrations.EventDispute, "", "opened") })
	w.then(time.Hour, func() {
		w.refunded[w.stored.Payments[0].Ref] = copay.Cents(10_00)
		w.event("stripe", integrations.EventRefund, w.stored.Payments[0].PlatformID, "succeeded")
	})
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.StateDisputed, w.stored.State)
		w.event("stripe", integrations.EventDispute, "", "won")
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.Cents(10_00), w.stored.Amounts.Refunded)
}

func TestDisputeOfAPartWhileTheRestIsOpen(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		p := w.stored.Payments[0]
		w.captured[p.Ref] = copay.Cents(10_00)
		w.event("stripe", integrations.EventPayment, p.PlatformID, "captured")
	})
	w.then(2*time.Hour, func() { w.event("stripe", integrations.EventDispute, w.stored.Payments[0].PlatformID, "opened") })
	w.then(3*time.Hour, func() { w.event("stripe", integrations.EventDispute, w.stored.Payments[0].PlatformID, "won") })
	w.then(4*time.Hour, func() { w.act("", UpdateRecordPayment, cash("k1", 15_00)) })
	require.Equal(t, copay.StateSettled, w.run(input()))
}

func TestDisputeOfARefundedPaymentEnds(t *testing.T) {
	for _, end := range []string{"won", "lost"} {
		w := bareWorld(t)
		w.then(time.Hour, w.pays)
		require.Equal(t, copay.StateSettled, w.run(input()))
		again := newWorldAfter(t, w)
		again.then(0, func() { again.event("stripe", integrations.EventDispute, "", "opened") })
		again.then(time.Hour, func() { // given back at the processor, so that the dispute ends
			again.refunded[again.stored.Payments[0].Ref] = copay.Cents(25_00)
			again.event("stripe", integrations.EventRefund, again.stored.Payments[0].PlatformID, "succeeded")
		})
		again.then(2*time.Hour, func() { again.event("stripe", integrations.EventDispute, "", end) })
		require.Equal(t, copay.StateRefunded, again.run(input()))
		third := newWorldAfter(t, again)
		third.then(0, func() { third.event("stripe", integrations.EventDispute, "later", "opened") })
		require.Equal(t, copay.StateRefunded, third.run(input()))
		fourth := newWorldAfter(t, third)
		fourth.then(0, func() { fourth.event("stripe", integrations.EventDispute, "later", end) })
		require.Equal(t, copay.StateRefunded, fourth.run(input()))
	}
}

func TestApprovalWhileDisputed(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	again := newWorldAfter(t, w)
	again.then(0, func() { again.update(UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(140_00)}) })
	again.then(time.Hour, func() { again.event("stripe", integrations.EventDispute, "", "opened") })
	again.then(2*time.Hour, func() {
		again.act(copay.CodePrecondition, UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k3"), Refund: "ref-1", Approve: true})
	})
	again.then(3*time.Hour, func() {
		again.refunded["bank"] = copay.Cents(140_00)
		again.event("stripe", integrations.EventDispute, "", "lost")
	})
	again.decides(4*time.Hour, copay.ReviewDispute, copay.ChoiceWriteOff)
	require.Equal(t, copay.StateWrittenOff, again.run(input()))
	require.NotContains(t, again.calls, "RefundPayment")
}

func TestDisputeEventsOutOfOrder(t *testing.T) {
	w := settledWorld(t)
	at := w.now()
	w.then(0, func() {
		w.dispute("e2", "won", at.Add(2*time.Second))
		w.dispute("e1", "opened", at.Add(time.Second))
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	again := newWorldAfter(t, w)
	again.then(0, func() {
		again.refunded["bank"] = copay.Cents(25_00)
		again.dispute("e4", "lost", at.Add(4*time.Second))
		again.dispute("e3", "opened", at.Add(3*time.Second))
	})
	again.decides(time.Hour, copay.ReviewDispute, copay.ChoiceWriteOff)
	require.Equal(t, copay.StateWrittenOff, again.run(input()))
	require.Equal(t, copay.Cents(25_00), again.stored.Amounts.Refunded)
}

func TestDisputedTwice(t *testing.T) {
	w := settledWorld(t)
	w.then(0, func() { w.dispute("e1", "opened", time.Time{}) })
	w.then(time.Hour, func() { w.dispute("e2", "won", time.Time{}) })
	require.Equal(t, copay.StateSettled, w.run(input()))
	again := newWorldAfter(t, w)
	again.then(0, func() { again.dispute("e3", "opened", time.Time{}) })
	again.then(time.Hour, func() {
		again.refunded["bank"] = copay.Cents(25_00)
		again.dispute("e4", "lost", time.Time{})
	})
	again.decides(2*time.Hour, copay.ReviewDispute, copay.ChoiceWriteOff)
	require.Equal(t, copay.StateWrittenOff, again.run(input()))
}

func TestOverrideWhileARefundIsInTrouble(t *testing.T) {
	w := settledWorld(t)
	w.fail["RefundPayment"] = []error{refuse(integrations.KindInvalid)}
	w.then(0, func() { w.update(UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(10_00)}) })
	w.then(time.Hour, func() {
		w.update(UpdateOverrideAmount, OverrideAmount{by(biller, "k2"), copay.Cents(30_00)})
	})
	w.then(2*time.Hour, func() {
		if w.stored.State == copay.StateNeedsReview {
			w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "k3"), Choice: copay.ChoiceRetry})
			return
		}
		w.update(UpdateRecordPayment, cash("k4", 5_00))
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	for _, r := range w.stored.Refunds {
		require.Equal(t, copay.RefundDone, r.Status)
	}
}

func TestDisputedBeforeTheCaptureWasHeardOf(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		p := w.stored.Payments[0]
		w.captured[p.Ref] = p.Amount
		w.disputedNow = true
		w.event("stripe", integrations.EventPayment, p.PlatformID, "captured")
	})
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.StateDisputed, w.stored.State)
		w.disputedNow = false
		w.event("stripe", integrations.EventDispute, w.stored.Payments[0].PlatformID, "won")
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

func TestDisputeThatIsLostBeforeTheCaptureWasHeardOf(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		p := w.stored.Payments[0]
		w.captured[p.Ref], w.refunded["bank"] = p.Amount, p.Amount
		w.disputedNow = true
		w.dispute("e1", "lost", w.now())
	})
	w.decides(2*time.Hour, copay.ReviewDispute, copay.ChoiceWriteOff)
	require.Equal(t, copay.StateWrittenOff, w.run(input()))
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Refunded)
}

func TestRemittanceForSomebodyWhoMustNotBeBilled(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate = copay.Estimate{Kind: copay.EstimateZeroByRule, Rule: "QMB", Confidence: 100, Amount: copay.Cents(0)}
	require.Equal(t, copay.StateSettled, w.run(input()))
	again := newWorldAfter(t, w)
	in := input()
	in.Policy.TrueUp = copay.TrueUpAuto
	again.then(0, func() { again.remits("e1", 10_00) })
	require.Equal(t, copay.StateSettled, again.run(in))
	require.NotContains(t, again.calls, "RequestLink")
}

func TestAnOldAmountIsNotChargedToTheCard(t *testing.T) {
	w := newWorld(t)
	w.est.Card = true
	w.fail["ChargeCard"] = []error{down()}
	w.then(24*time.Hour+2*time.Minute, func() {
		w.update(UpdateOverrideAmount, OverrideAmount{by(biller, "k1"), copay.Cents(15_00)})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	for _, m := range w.captured {
		require.Equal(t, copay.Cents(15_00), m)
	}
	require.Empty(t, w.refunded)
}

func TestTwoRefundsRejected(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	again := newWorldAfter(t, w)
	again.then(0, func() { again.update(UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(120_00)}) })
	again.then(time.Hour, func() { again.act("", UpdateRefund, Refund{Act: by(biller, "k2"), Amount: copay.Cents(10_00)}) })
	again.then(2*time.Hour, func() {
		again.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k3"), Refund: "ref-2"})
	})
	again.then(3*time.Hour, func() {
		require.Equal(t, copay.StateNeedsReview, again.stored.State)
		again.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k4"), Refund: "ref-1"})
	})
	require.Equal(t, copay.StateSettled, again.run(input()))
	require.Empty(t, again.refunded)
}

func TestCancelWhileARefundAwaitsApproval(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	b := newWorldAfter(t, w)
	b.then(0, func() { b.update(UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(50_00)}) })
	require.Equal(t, copay.StateSettled, b.run(input()))
	d := newWorldAfter(t, b)
	d.then(0, func() { d.update(UpdateRefund, Refund{Act: by(biller, "k2"), Amount: copay.Cents(60_00)}) })
	d.then(time.Hour, func() { d.act(copay.CodePrecondition, UpdateCancel, Cancel{by(biller, "k3")}) })
	d.then(2*time.Hour, func() { d.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k4"), Refund: "ref-2"}) })
	require.Equal(t, copay.StateSettled, d.run(input()))
}

// The charge of two payments was deleted: each refund is decided on.
func TestEachRefundOfADeletedChargeIsDecidedOn(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, func() { w.update(UpdateRecordPayment, cash("k1", 20_00)) })
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	again := newWorldAfter(t, w)
	again.then(0, func() { again.deleted(true) })
	for i, id := range []copay.RefundID{"ref-1", "ref-2"} {
		again.then(time.Duration(i+1)*time.Hour, func() {
			require.Equal(t, copay.ReviewRefundApproval, again.stored.Review.Kind)
			again.act("", UpdateApproveRefund, ApproveRefund{Act: by(biller, string(id)), Refund: id, Approve: true})
		})
	}
	again.decides(3*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
	require.Equal(t, copay.StateCancelled, again.run(input()))
}

// The charge is deleted while a refund waits for approval: all of it goes back.
func TestADeletedChargeTakesTheUndecidedRefundAlong(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	b := newWorldAfter(t, w)
	b.then(0, func() { b.update(UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(50_00)}) })
	require.Equal(t, copay.StateSettled, b.run(input()))
	d := newWorldAfter(t, b)
	d.then(0, func() { d.update(UpdateRefund, Refund{Act: by(biller, "k2"), Amount: copay.Cents(60_00)}) })
	d.then(time.Hour, func() { d.deleted(true) })
	require.Equal(t, copay.StateCancelled, d.run(input()))
	require.Equal(t, copay.Cents(140_00), d.stored.Amounts.Refunded)
}

func TestWaivedTwice(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		p := w.stored.Payments[0]
		w.captured[p.Ref] = copay.Cents(10_00)
		w.event("stripe", integrations.EventPayment, p.PlatformID, "captured")
	})
	w.then(2*time.Hour, func() { w.act("", UpdateWaive, Waive{by(biller, "k1")}) })
	require.Equal(t, copay.StateWaived, w.run(input()))
	again := newWorldAfter(t, w)
	again.then(0, func() {
		again.dispute("e1", "opened", time.Time{})
		again.refunded["bank"] = copay.Cents(10_00)
		again.dispute("e2", "lost", time.Time{})
	})
	require.Equal(t, copay.StateWaived, again.run(input()))
}

func TestBookedOnceThoughThePostingWasDeleted(t *testing.T) {
	w := newWorld(t)
	w.fail["BookPayment"] = []error{down(), down()}
	w.onBook = func(ref copay.Ref, m copay.Money) { w.booked[ref] = m; w.onBook = nil } // and it was done all the same
	w.then(time.Hour, w.pays)
	w.then(time.Hour+time.Minute, func() {
		id := w.stored.Payments[0].PostedID
		require.NotEmpty(t, id)
		w.posted = map[copay.Ref]copay.Money{}
		w.event("drchrono", integrations.EventPostingDeleted, id, "")
	})
	w.decides(time.Hour+2*time.Minute, copay.ReviewPostingDeleted, copay.ChoiceRetry)
	require.Equal(t, copay.StateSettled, w.run(input()))
}

func TestCancelInAReviewNeedsTheSecondPerson(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	in := input()
	in.Policy.GiveUpAfter = 10 * time.Hour
	w.then(time.Hour, func() { w.update(UpdateRecordPayment, cash("k1", 120_00)) })
	w.then(12*time.Hour, func() {
		require.Equal(t, copay.ReviewUnpaid, w.stored.Review.Kind)
		w.act(copay.CodeNeedsSecond, UpdateResolveReview, ResolveReview{Act: by(biller, "k2"), Choice: copay.ChoiceCancel})
		w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "k3"), Choice: copay.ChoiceWaive})
	})
	w.run(in)
	require.Zero(t, w.stored.Amounts.Refunded.Minor)
}

func TestSetAmountBelowWhatWasPaid(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, func() {
		w.fail["RequestLink"] = []error{refuse(integrations.KindInvalid)}
		w.update(UpdateRecordPayment, cash("k1", 120_00))
	})
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.ReviewCollect, w.stored.Review.Kind)
		one := copay.Cents(1_00)
		w.act(copay.CodePrecondition, UpdateResolveReview, ResolveReview{Act: by(biller, "k2"), Choice: copay.ChoiceSetAmount, Amount: &one})
		w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "k3"), Choice: copay.ChoiceRetry})
	})
	w.then(3*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Zero(t, w.stored.Amounts.Refunded.Minor)
}

func TestCashInAReviewBeforeTheAmountIsKnown(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Confidence = 10
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("k1", 25_00)) })
	w.then(2*time.Hour, func() {
		if w.stored.State == copay.StateNeedsReview {
			w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "k2"), Choice: copay.ChoiceProceed})
		}
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Zero(t, w.stored.Amounts.Refunded.Minor, "the cash is not sent away again")
}

func TestNothingDueAnyMoreClosesThePage(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		w.est.Estimate = copay.Estimate{Kind: copay.EstimateNothing, Confidence: 95, Amount: copay.Cents(0)}
		w.event("drchrono", integrations.EventChargeChanged, "", "")
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.cancelled, 1)
}

func TestOverrideToWhatWasPaidClosesThePage(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.update(UpdateRecordPayment, cash("k1", 10_00)) })
	w.then(2*time.Hour, func() {
		w.act("", UpdateOverrideAmount, OverrideAmount{by(biller, "k2"), copay.Cents(10_00)})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.cancelled, 2)
}

func TestRuleThatForbidsToBillClosesThePage(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.update(UpdateRecordPayment, cash("k1", 10_00)) })
	w.then(2*time.Hour, func() {
		w.est.Estimate = copay.Estimate{Kind: copay.EstimateZeroByRule, Rule: "QMB", Confidence: 100, Amount: copay.Cents(0)}
		w.processing = true // and the bank is at it
		w.update(UpdateOverrideAmount, OverrideAmount{by(biller, "k2"), copay.Cents(20_00)})
	})
	w.then(3*time.Hour, func() { w.processing = false })
	w.decides(2*day, copay.ReviewHandBack, copay.ChoiceDone)
	require.Equal(t, copay.StateRefunded, w.run(input()))
	require.Len(t, w.cancelled, 2)
}

func TestCashWhileAMessageIsTried(t *testing.T) {
	w := newWorld(t)
	w.fail["Notify"] = []error{unavailable(), unavailable(), unavailable(), unavailable(), unavailable(), unavailable(), unavailable(), unavailable()}
	var a *answer
	w.then(10*time.Second, func() { a = w.update(UpdateRecordPayment, cash("k1", 25_00)) })
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Empty(t, a.code(t))
	require.Empty(t, w.sent, "no message after the payment")
}

func TestOperatorCancelsDuringThePosting(t *testing.T) {
	w := newWorld(t)
	reversed, done := make(chan struct{}), make(chan struct{})
	w.onPost = func() { // the EHR takes its time
		w.env.CancelWorkflow()
		select {
		case <-reversed:
		case <-time.After(200 * time.Millisecond):
		}
		defer close(done)
	}
	w.onReverse = func() { close(reversed) }
	w.then(time.Hour, w.pays)
	w.expect = append(w.expect, func() { <-done; time.Sleep(10 * time.Millisecond) })
	require.Equal(t, copay.StateCancelled, w.run(input()))
}

func TestOperatorCancelsWhileThePatientOpensThePage(t *testing.T) {
	w := newWorld(t)
	w.onOpen = w.env.CancelWorkflow
	w.then(time.Hour, func() { // and has paid before
		w.captured[w.stored.Payments[0].Ref] = copay.Cents(25_00)
		w.update(UpdateOpenPage)
	})
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.Len(t, w.refunded, 1)
	require.EqualValues(t, 25_00, w.journal["capture"])
}

func TestAnActThatArrivesWhileTheRunHandsOverIsAnswered(t *testing.T) {
	w := newWorld(t)
	var a *answer
	w.then(time.Hour, func() {
		w.env.SetCurrentHistoryLength(maxHistory + 1)
		w.onRecord = func() {
			w.onRecord = nil
			a = w.update(UpdateAddNote, AddNote{Act: by(biller, "k1"), Text: "called"})
		}
		w.env.SignalWorkflow(SignalEvent, Event{ID: "e1", Platform: "twilio", Kind: string(integrations.EventMessageStatus), Status: "failed"})
	})
	w.env.ExecuteWorkflow(CoPay, input())
	require.True(t, w.env.IsWorkflowCompleted())
	require.ErrorContains(t, w.env.GetWorkflowError(), "continue as new")
	require.Empty(t, a.code(t))
	require.True(t, w.told("a note was added"))
}

func TestWhatStaffAskedForIsHandedOver(t *testing.T) {
	w := newWorld(t)
	w.then(day, func() {
		w.env.SetCurrentHistoryLength(maxHistory + 1)
		w.update(UpdateResend, Resend{Act: by(frontDesk, "k1")})
	})
	first := input()
	first.Policy.LinkLifetime = 20 * day
	w.env.ExecuteWorkflow(CoPay, first)
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, w.env.GetWorkflowError(), &next)
	var in Input
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &in))
	again := newWorldAfter(t, w)
	again.env.SetStartTime(w.now())
	again.then(time.Hour, func() {
		require.Len(t, again.sent, 1, "the message goes out")
		again.pays()
	})
	require.Equal(t, copay.StateSettled, again.run(in))
}

// The payer corrects its remittance while the first one is in review.
func TestACorrectedRemittanceChangesTheReview(t *testing.T) {
	w := settledWorld(t)
	w.then(0, func() { w.remits("e1", 40_00) })
	w.then(time.Hour, func() { w.remits("e2", 30_00) })
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.Cents(5_00), *w.stored.Review.Amount)
		w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "k1"), Choice: copay.ChoiceRequest})
	})
	w.then(3*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.Cents(30_00), w.stored.Amounts.Collected)
}

// A review of a remittance that gives way to something else gives no money
// back before a person has decided.
func TestNothingGoesBackBeforeTheRemittanceWasReviewed(t *testing.T) {
	w := settledWorld(t)
	w.then(0, func() { w.remits("e1", 10_00) })
	w.then(time.Hour, func() { w.dispute("d1", "opened", time.Time{}) })
	w.then(2*time.Hour, func() { w.dispute("d2", "won", time.Time{}) })
	w.decides(3*time.Hour, copay.ReviewTrueUp, copay.ChoiceProceed)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Empty(t, w.refunded)
}

// A refund at the processor while the same was to be decided on here, and was
// rejected here.
func TestRefundAtTheProcessorOfARejectedRefund(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	again := newWorldAfter(t, w)
	again.then(0, func() { again.update(UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(140_00)}) })
	again.then(time.Hour, func() {
		p := again.stored.Payments[0]
		again.refunded[p.Ref] = p.Amount
		again.event("stripe", integrations.EventRefund, p.PlatformID, "succeeded")
		again.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1"}) // before it is read
	})
	require.Equal(t, copay.StateRefunded, again.run(input()))
	require.Equal(t, copay.Cents(140_00), again.stored.Amounts.Refunded)
}

// A waiver in the middle of a review does not take part of the money away.
func TestMoneyThatArrivesWhileACancellationIsInTrouble(t *testing.T) {
	w := newWorld(t)
	w.fail["CancelRequest"] = []error{refuse(integrations.KindInvalid)}
	w.then(time.Hour, func() { w.update(UpdateCancel, Cancel{by(biller, "k1")}) })
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.ReviewCompensation, w.stored.Review.Kind)
		w.act(copay.CodePrecondition, UpdateRecordPayment, cash("k2", 25_00))
		w.pays()
	})
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.Empty(t, w.posted, "it is not posted first")
}

// The patient's bank sends a refund back, days after it was made.
func TestARefundThatComesBackIsNotForgotten(t *testing.T) {
	for _, cancel := range []bool{false, true} {
		w := bareWorld(t)
		w.est.Estimate.Amount = copay.Cents(25_00)
		if cancel {
			w.fail["PostPayment"] = []error{refuse(integrations.KindInvalid)}
			w.then(2*time.Hour, func() { w.act("", UpdateCancel, Cancel{by(biller, "k0")}) })
		}
		w.then(time.Hour, w.pays)
		w.run(input())
		if !cancel {
			again := newWorldAfter(t, w)
			again.then(0, func() { again.update(UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(25_00)}) })
			require.Equal(t, copay.StateRefunded, again.run(input()))
			w = again
		}
		end := w.stored.State
		late := newWorldAfter(t, w)
		late.fail["RefundPayment"] = []error{refuse(integrations.KindInvalid)} // found, and failed
		late.then(0, func() {
			delete(late.refunded, late.stored.Refunds[0].Ref)
			late.event("stripe", integrations.EventRefund, late.stored.Refunds[0].PlatformID, "failed")
		})
		late.then(time.Hour, func() {
			require.Zero(t, late.stored.Amounts.Refunded.Minor)
			require.Zero(t, late.journal["refund"]-late.journal["capture"]+25_00)
		})
		late.decides(2*time.Hour, copay.ReviewCompensation, copay.ChoiceDone)
		late.expect = append(late.expect, func() { late.refunded["by-check"] = copay.Cents(25_00) })
		require.Equal(t, end, late.run(input()))
	}
}

// A refund that the processor did not make is not asked for again once the
// patient's bank has taken the money: it would go back twice.
func TestADisputeThatIsLostMakesTheRefundThatWaited(t *testing.T) {
	for name, tc := range map[string]struct {
		part int64
		ends copay.State
	}{"all of it": {25_00, copay.StateRefunded}, "a part": {10_00, copay.StateWrittenOff}} {
		t.Run(name, func(t *testing.T) {
			w := settledWorld(t)
			w.fail["RefundPayment"] = []error{refuse(integrations.KindUnauthorized)}
			w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(tc.part)}) })
			w.then(time.Hour, func() {
				require.Equal(t, copay.ReviewConfig, w.stored.Review.Kind)
				w.event("stripe", integrations.EventDispute, "", "opened")
			})
			w.then(2*time.Hour, func() {
				w.refunded["bank"] = copay.Cents(25_00)
				w.event("stripe", integrations.EventDispute, "", "lost")
			})
			if tc.ends == copay.StateWrittenOff { // the rest is owed, the refund is not
				w.decides(3*time.Hour, copay.ReviewDispute, copay.ChoiceWriteOff)
			}
			require.Equal(t, tc.ends, w.run(input()))
			require.Len(t, w.refunded, 1, "the processor gives nothing back beside the bank")
			require.EqualValues(t, 25_00, w.stored.Amounts.Refunded.Minor)
			require.EqualValues(t, 25_00, w.journal["refund"])
			if tc.ends == copay.StateWrittenOff {
				require.EqualValues(t, 25_00-tc.part, w.journal["write_off"])
			}
		})
	}
}
