package workflows

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// decides resolves the review that is open at a moment of the story.
func (w *world) decides(at time.Duration, kind copay.ReviewKind, choice copay.Choice) {
	w.then(at, func() {
		require.Equal(w.t, copay.StateNeedsReview, w.stored.State)
		require.Equal(w.t, kind, w.stored.Review.Kind)
		w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "done-"+string(kind)), Choice: choice})
	})
}

func TestWhatAPersonDidByHandIsNotDoneAgain(t *testing.T) {
	t.Run("posted", func(t *testing.T) {
		w := newWorld(t)
		w.fail["PostPayment"] = []error{refuse(integrations.KindInvalid)}
		w.then(time.Hour, w.pays)
		w.decides(2*time.Hour, copay.ReviewPosting, copay.ChoiceDone)
		w.expect = append(w.expect, func() { w.posted["by-hand"] = copay.Cents(25_00) }) // the person did
		require.Equal(t, copay.StateSettled, w.run(input()))
		require.Equal(t, "by-hand", w.stored.Payments[0].PostedID)
	})
	t.Run("booked", func(t *testing.T) {
		w := newWorld(t)
		w.fail["BookPayment"] = []error{refuse(integrations.KindInvalid)}
		w.then(time.Hour, w.pays)
		w.decides(2*time.Hour, copay.ReviewAccounting, copay.ChoiceDone)
		w.expect = append(w.expect, func() { w.booked["by-hand"] = copay.Cents(25_00) })
		require.Equal(t, copay.StateSettled, w.run(input()))
		require.Equal(t, "by-hand", w.stored.Payments[0].BookedID)
	})
	t.Run("given back", func(t *testing.T) {
		w := settledWorld(t)
		w.fail["RefundPayment"] = []error{refuse(integrations.KindInvalid)}
		w.then(0, func() { w.update(UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(25_00)}) })
		w.decides(time.Hour, copay.ReviewCompensation, copay.ChoiceDone)
		w.expect = append(w.expect, func() {
			w.refunded["by-hand"], w.posted["by-hand"], w.booked["by-hand"] = copay.Cents(25_00), copay.Cents(-25_00), copay.Cents(-25_00)
		})
		require.Equal(t, copay.StateRefunded, w.run(input()))
		require.NotContains(t, w.calls, "ReversePosting")
	})
	t.Run("withdrawn", func(t *testing.T) {
		w := newWorld(t)
		w.fail["CancelRequest"] = []error{refuse(integrations.KindInvalid)}
		w.then(time.Hour, func() { w.update(UpdateWaive, Waive{by(biller, "k1")}) })
		w.decides(2*time.Hour, copay.ReviewCompensation, copay.ChoiceDone)
		require.Equal(t, copay.StateWaived, w.run(input()))
		require.Equal(t, copay.PaymentCancelled, w.stored.Payments[0].Status)
	})
}

func TestAPayerThatDoesNotAnswerDoesNotStopTheCoPay(t *testing.T) {
	w := newWorld(t)
	w.fail["CheckEligibility"] = []error{down()}
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.True(t, w.told("no answer from the payer"))
}

// told reports whether the timeline says so.
func (w *world) told(text string) bool {
	for _, e := range w.timeline {
		if strings.Contains(e.Summary, text) {
			return true
		}
	}
	return false
}

func TestAPayerThatRefusesOurCredentialsIsNamed(t *testing.T) {
	w := newWorld(t)
	w.fail["CheckEligibility"] = []error{refuse(integrations.KindUnauthorized)}
	w.decides(time.Hour, copay.ReviewConfig, copay.ChoiceRetry)
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
}

func TestANoticeThatCannotBeGivenChargesNoCard(t *testing.T) {
	w := newWorld(t)
	w.est.Card, w.reach = true, false
	w.then(time.Hour, func() {
		require.Equal(t, copay.ReviewNoContact, w.stored.Review.Kind)
		require.Empty(t, w.captured)
		w.update(UpdateWaive, Waive{by(biller, "k1")})
	})
	require.Equal(t, copay.StateWaived, w.run(input()))
	require.NotContains(t, w.calls, "ChargeCard")
}

func TestANoticeWaitsForTheMorning(t *testing.T) {
	w := newWorld(t)
	w.est.Card = true
	w.env.SetStartTime(time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC)) // ten in the evening in Chicago
	w.then(time.Hour, func() { require.Empty(t, w.sent) })
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, 14, w.stored.Reminders[0].At.UTC().Hour(), "eight in the morning there")
}

func TestAStoredCardWhoseBankTakesItsTime(t *testing.T) {
	w := newWorld(t)
	w.est.Card, w.cardPending = true, true
	w.then(3*day, func() {
		w.cardPending = false
		w.captured[w.stored.Payments[0].Ref] = w.stored.Payments[0].Amount
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.stored.Payments, 1, "it is asked for and not charged again")
}

func TestAProcessorThatForgotThePaymentIsNoted(t *testing.T) {
	w := newWorld(t)
	w.fail["FetchPayment"] = []error{refuse(integrations.KindNotFound), down()}
	w.then(time.Hour, func() { w.event("stripe", integrations.EventPayment, w.stored.Payments[0].PlatformID, "failed") })
	w.then(2*time.Hour, w.pays) // and the processor is down just then
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.True(t, w.told("does not know the payment"))
	require.True(t, w.told("has to wait"))
}

// A hint that arrives while the payment is being read, and says more than the
// read, is not lost.
func TestAHintDuringTheReadIsNotLost(t *testing.T) {
	w := newWorld(t)
	w.onFetch = func() {
		w.onFetch = nil
		p := w.stored.Payments[0]
		w.captured[p.Ref] = p.Amount
		w.early = true // the read under way has seen it open
		w.event("stripe", integrations.EventPayment, p.PlatformID, string(copay.PaymentCaptured))
	}
	in := input()
	in.Policy.LinkLifetime = 20 * day
	w.then(time.Hour, func() { w.event("stripe", integrations.EventPayment, w.stored.Payments[0].PlatformID, "processing") })
	require.Equal(t, copay.StateSettled, w.run(in))
	require.Less(t, w.ran(), 2*time.Hour, "without waiting for the next poll")
}

func TestMoreThanWasAskedGoesBackInPart(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		p := w.stored.Payments[0]
		w.captured[p.Ref] = copay.Cents(30_00)
		w.event("stripe", integrations.EventPayment, p.PlatformID, string(copay.PaymentCaptured))
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.Cents(5_00), w.stored.Amounts.Refunded)
	require.True(t, w.told("though $25.00 was asked for"))
}

func TestTheMemoryOfEventsIsBounded(t *testing.T) {
	c := &coPay{p: &copay.CoPay{}}
	for i := range keepApplied + 50 {
		require.True(t, c.first(time.Duration(i).String()))
	}
	require.Len(t, c.p.Applied, keepApplied)
	require.False(t, c.first(time.Duration(keepApplied).String()))
}

func TestAnAmountsBucketTellsNoAmount(t *testing.T) {
	for cents, want := range map[int64]string{0: "0", 24_99: "1-25", 25_00: "1-25", 25_01: "26-50", 140_00: "101-250", 999_00: "251+"} {
		require.Equal(t, want, bucket(copay.Cents(cents)), cents)
	}
}

// Cash of somebody who turns out not to be billable weeks later does not go
// back by itself: somebody has to hand it out, and EHR and books follow.
func TestCashThatHasToGoBackIsSomebodysWork(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 25_00)) })
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() { turnsOut(w) })
	w.then(day, func() {
		require.Equal(t, copay.StateNeedsReview, w.stored.State)
		require.Equal(t, copay.ReviewHandBack, w.stored.Review.Kind)
		require.Equal(t, copay.RefundID("ref-1"), w.stored.Review.Refund)
		require.Contains(t, w.stored.Review.Message, "Hand $25.00 (cash) back to the patient")
		require.Zero(t, w.stored.Amounts.Refunded.Minor, "nobody has it yet")
		require.NotContains(t, w.calls, "ReversePosting")
	})
	w.decides(2*day, copay.ReviewHandBack, copay.ChoiceDone)
	require.Equal(t, copay.StateRefunded, w.run(input()))
	require.Contains(t, w.calls, "ReversePosting")
	require.Contains(t, w.calls, "BookRefund")
}

// Staff who give cash back have it in their hands.
func TestCashThatStaffGiveBackNeedsNobodyElse(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 25_00)) })
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(25_00)}) })
	require.Equal(t, copay.StateRefunded, w.run(input()))
	require.True(t, w.told("at the desk"))
}

// Two refunds of one payment wait: what a person did by hand is one of them.
func TestOneRefundByHandIsNotTwo(t *testing.T) {
	w := settledWorld(t)
	w.fail["RefundPayment"] = []error{refuse(integrations.KindInvalid), refuse(integrations.KindInvalid)}
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)}) })
	w.then(time.Hour, func() {
		require.Equal(t, copay.ReviewCompensation, w.stored.Review.Kind)
		w.act("", UpdateRefund, Refund{Act: by(biller, "k2"), Amount: copay.Cents(20_00)})
	})
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.RefundID("ref-1"), w.stored.Review.Refund)
		require.Contains(t, w.stored.Review.Message, "Refund ref-1 of $5.00")
	})
	w.decides(2*time.Hour, copay.ReviewCompensation, copay.ChoiceDone)
	w.expect = append(w.expect, func() {
		require.Len(t, w.refunded, 1, "the other goes back through the processor")
		w.refunded["by-hand"], w.posted["by-hand"], w.booked["by-hand"] = copay.Cents(5_00), copay.Cents(-5_00), copay.Cents(-5_00)
	})
	require.Equal(t, copay.StateRefunded, w.run(input()))
}

// That the charge is gone is reported twice: the second time leads nowhere.
func TestADeletionThatIsReportedAgainDisturbsNobody(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 10_00)) })
	w.then(2*time.Hour, func() { w.facts.Deleted = true; w.event("drchrono", integrations.EventChargeDeleted, "1", "") })
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewHandBack, w.stored.Review.Kind)
		lines := len(w.timeline)
		w.event("drchrono", integrations.EventChargeDeleted, "2", "")
		w.then(time.Minute, func() { require.Len(t, w.timeline, lines) })
	})
	w.decides(4*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
	require.Equal(t, copay.StateCancelled, w.run(input()))
}

// An operator cancels the workflow itself: what only a person can give back waits
// for one, who is answered.
func TestAfterAnOperatorsCancellationAPersonIsAnswered(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 10_00)) })
	w.then(2*time.Hour, func() { w.env.CancelWorkflow() })
	w.decides(3*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
	require.Equal(t, copay.StateCancelled, w.run(input()))
}
