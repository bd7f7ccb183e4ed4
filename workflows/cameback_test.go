package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// refundedWorld has a co-pay of which a part or all went back.
func refundedWorld(t *testing.T, cents int64) *world {
	t.Helper()
	w := settledWorld(t)
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(cents)}) })
	w.run(input())
	return newWorldAfter(t, w)
}

// bounces lets the patient's bank send the first refund back.
func (w *world) bounces() {
	r := w.stored.Refunds[0]
	delete(w.refunded, r.Ref)
	w.event("stripe", integrations.EventRefund, r.PlatformID, refundFailed)
}

// failsAgain lets the processor find the refund that failed.
func (w *world) failsAgain() {
	w.fail["RefundPayment"] = []error{refuse(integrations.KindInvalid)}
}

func TestARefundThatCameBackIsOursUntilAPersonGivesItBack(t *testing.T) {
	for name, tc := range map[string]struct {
		cents int64
		ends  copay.State
	}{"all of it": {25_00, copay.StateRefunded}, "a part": {10_00, copay.StateSettled}} {
		t.Run(name, func(t *testing.T) {
			w := refundedWorld(t, tc.cents)
			w.failsAgain()
			asked := w.stored.Amounts.Requested.Minor
			w.then(0, w.bounces)
			looked := false
			w.then(time.Hour, func() {
				require.Equal(t, copay.ReviewCompensation, w.stored.Review.Kind)
				require.Zero(t, w.stored.Amounts.Refunded.Minor)
				require.Zero(t, w.stored.Payments[0].Refunded.Minor)
				require.EqualValues(t, 25_00, w.journal["capture"]-w.journal["refund"], "the journal counts it as ours")
				looked = true
			})
			w.decides(2*time.Hour, copay.ReviewCompensation, copay.ChoiceDone)
			w.expect = append(w.expect, func() { w.refunded["by-check"] = copay.Cents(tc.cents) })
			require.Equal(t, tc.ends, w.run(input()))
			require.True(t, looked)
			require.Equal(t, asked, w.stored.Amounts.Requested.Minor, "nobody owes more or less by it")
			require.Equal(t, copay.Cents(tc.cents), w.stored.Amounts.Refunded)
			require.NotContains(t, w.calls, "ReversePosting", "EHR and books were turned back before")
			require.NotContains(t, w.calls, "BookRefund")
		})
	}
}

func TestACancelledCoPayWhoseRefundCameBackIsCancelledAgain(t *testing.T) {
	w := newWorld(t)
	w.fail["PostPayment"] = []error{refuse(integrations.KindInvalid)}
	w.then(time.Hour, w.pays)
	w.then(2*time.Hour, func() { w.act("", UpdateCancel, Cancel{by(biller, "k0")}) })
	require.Equal(t, copay.StateCancelled, w.run(input()))
	late := newWorldAfter(t, w)
	late.failsAgain()
	late.then(0, late.bounces)
	late.then(time.Hour, func() { require.EqualValues(t, 25_00, late.journal["capture"]-late.journal["refund"]) })
	late.decides(2*time.Hour, copay.ReviewCompensation, copay.ChoiceDone)
	late.expect = append(late.expect, func() { late.refunded["by-check"] = copay.Cents(25_00) })
	require.Equal(t, copay.StateCancelled, late.run(input()))
}

// News of a failure that the processor's books do not show change nothing.
func TestARefundThatIsOnlySaidToHaveFailedStays(t *testing.T) {
	w := refundedWorld(t, 25_00)
	w.then(0, func() {
		w.event("stripe", integrations.EventRefund, w.stored.Refunds[0].PlatformID, refundFailed)
	})
	require.Equal(t, copay.StateRefunded, w.run(input()))
	require.Equal(t, []string{"FetchPayment"}, w.calls)
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Refunded)
}

// Nor does one that the processor has forgotten.
func TestARefundOfAPaymentThatIsForgottenStays(t *testing.T) {
	w := refundedWorld(t, 25_00)
	w.fail["FetchPayment"] = []error{refuse(integrations.KindNotFound)}
	w.then(0, func() {
		w.event("stripe", integrations.EventRefund, w.stored.Refunds[0].PlatformID, refundFailed)
	})
	require.Equal(t, copay.StateRefunded, w.run(input()))
	require.Equal(t, []string{"FetchPayment"}, w.calls)
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Refunded)
}

// What the bank took is not among what the processor gave back, and what was
// asked again meanwhile stays asked.
func TestWhatTheBankTookDidNotComeBack(t *testing.T) {
	c := inState(copay.StateSettled, true, 25_00)
	p := &c.p.Payments[0]
	p.Refunded, c.p.Amounts.Refunded = copay.Cents(15_00), copay.Cents(15_00)
	c.p.Refunds = []copay.Refund{
		{ID: "ref-1", Payment: "pay-1", Amount: copay.Cents(10_00), Status: copay.RefundDone, PlatformID: "kept-by-bank", Taken: true},
		{ID: "ref-2", Payment: "pay-1", Amount: copay.Cents(5_00), Status: copay.RefundDone, PlatformID: "re_2"}}
	c.heardOfRefund(Event{Platform: "stripe", Object: "re_2", Status: refundFailed})
	c.cameBack(p, activities.PaymentState{Refunded: copay.Cents(5_00)})
	require.Equal(t, copay.RefundDone, c.p.Refunds[1].Status)
	require.False(t, c.p.Refunds[1].Doubted)

	c.p.Refunds[1].Bounced = 1
	c.p.Amounts.Requested = copay.Cents(20_00)
	c.returned(&c.p.Refunds[1])
	require.Equal(t, copay.Cents(20_00), c.p.Amounts.Requested)
}

// It may come back again and again: each time is booked.
func TestARefundThatComesBackTwice(t *testing.T) {
	w := refundedWorld(t, 25_00)
	w.then(0, w.bounces) // and this time the processor succeeds
	require.Equal(t, copay.StateRefunded, w.run(input()))
	again := newWorldAfter(t, w)
	again.then(0, func() {
		r := again.stored.Refunds[0]
		delete(again.refunded, r.Ref)
		again.env.SignalWorkflow(SignalEvent, Event{ID: "second", Platform: "stripe", Kind: string(integrations.EventRefund), Ref: r.Ref, Status: refundFailed})
	})
	require.Equal(t, copay.StateRefunded, again.run(input()))
	require.Equal(t, 2, again.stored.Refunds[0].Bounced)
	require.EqualValues(t, 75_00, again.journal["refund"])
	require.EqualValues(t, 75_00, again.journal["capture"])
}

// While the bank decides on the rest of the payment it waits.
func TestARefundThatCameBackWaitsForTheDispute(t *testing.T) {
	w := refundedWorld(t, 10_00)
	w.then(0, func() { w.dispute("d1", "opened", time.Time{}) })
	w.then(time.Hour, w.bounces)
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.StateDisputed, w.stored.State)
		require.Empty(t, w.refunded)
		w.dispute("d2", "won", time.Time{})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.Cents(10_00), w.stored.Amounts.Refunded)
}

// What the bank takes is what had not gone back when the dispute began: a
// refund that bounced meanwhile was no part of it, and reaches the patient by
// the processor.
func TestARefundThatCameBackIsNotWhatTheBankTook(t *testing.T) {
	w := refundedWorld(t, 10_00)
	w.then(0, func() { w.dispute("d1", "opened", time.Time{}) })
	w.then(time.Hour, w.bounces)
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.Cents(15_00), w.stored.Payments[0].Contested)
		w.refunded["bank"] = copay.Cents(15_00)
		w.dispute("d2", "lost", time.Time{})
	})
	w.decides(3*time.Hour, copay.ReviewDispute, copay.ChoiceWriteOff)
	require.Equal(t, copay.StateWrittenOff, w.run(input()))
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Refunded)
	require.Equal(t, copay.Cents(10_00), w.refunded[w.stored.Refunds[0].Ref], "given back anew")
}

// Of several payments the one is read that the refund is of.
func TestNewsOfARefundConcernItsPayment(t *testing.T) {
	c := inState(copay.StateSettled, true, 25_00)
	second := c.p.Payments[0]
	second.ID, second.Ref, second.PlatformID = "pay-2", copay.NewRef(key.ID(), copay.EffectRequest, 2), "cs_2"
	c.p.Payments = append(c.p.Payments, second)
	c.p.Refunds = []copay.Refund{{ID: "ref-1", Ref: copay.NewRef(key.ID(), copay.EffectRefund, 1), Payment: "pay-1", Amount: copay.Cents(5_00), Status: copay.RefundDone, PlatformID: "re_1"}}
	c.heardOfRefund(Event{Platform: "stripe", Object: "re_1", Status: refundFailed})
	require.Equal(t, []copay.PaymentID{"pay-1"}, c.stale)
	c.stale = nil
	c.heardOfRefund(Event{Platform: "stripe", Ref: c.p.Refunds[0].Ref, Status: "succeeded"})
	require.Equal(t, []copay.PaymentID{"pay-1"}, c.stale)
	none := inState(copay.StateSettled, false, 25_00)
	none.p.Payments = nil
	none.heardOfRefund(Event{Platform: "stripe", Object: "re_1"})
	require.Empty(t, none.stale)
}
