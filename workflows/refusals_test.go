package workflows

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// refused is an act that makes no sense now, and the reason it is given.
type refused struct {
	name string
	in   any
	code copay.Code
	says string
}

// tries does the acts at a moment of a story and checks, when it has ended,
// what each came to.
func (w *world) tries(at time.Duration, acts ...refused) {
	answers := make([]*answer, len(acts))
	w.then(at, func() {
		for i, x := range acts {
			answers[i] = w.update(x.name, x.in)
		}
	})
	w.expect = append(w.expect, func() {
		for i, x := range acts {
			require.Equal(w.t, x.code, answers[i].code(w.t), "%s %+v: %v", x.name, x.in, answers[i].err)
			require.ErrorContains(w.t, answers[i].err, x.says)
		}
	})
}

func cash(k string, cents int64) RecordPayment {
	return RecordPayment{Act: by(frontDesk, k), Rail: copay.RailCash, Amount: copay.Cents(cents)}
}

func TestWhatStaffCannotDoWhileItAwaitsPayment(t *testing.T) {
	w := newWorld(t)
	euros := copay.Money{Minor: 10_00, Currency: "EUR"}
	w.tries(time.Hour,
		refused{UpdateRecordPayment, RecordPayment{Act: by(frontDesk, "a"), Rail: copay.RailLink, Amount: copay.Cents(1)}, copay.CodeInvalid, "cash, check or terminal"},
		refused{UpdateRecordPayment, RecordPayment{Act: by(frontDesk, "b"), Rail: copay.RailCash, Amount: euros}, copay.CodeInvalid, "EUR"},
		refused{UpdateRecordPayment, cash("c", 0), copay.CodeInvalid, "more than nothing"},
		refused{UpdateRecordPayment, cash("d", -5_00), copay.CodeInvalid, "more than nothing"},
		refused{UpdateRecordPayment, cash("e", 25_01), copay.CodePrecondition, "only $25.00 is open"},
		refused{UpdateRecordPayment, RecordPayment{Act: by(frontDesk, "f"), Rail: copay.RailCheck, Amount: copay.Cents(1), Received: "last week"}, copay.CodeInvalid, "2026-11-24"},
		refused{UpdateRecordPayment, RecordPayment{Act: by(frontDesk, "g"), Rail: copay.RailTerminal, Amount: copay.Cents(1), Number: "4242424242424242"}, copay.CodeInvalid, "never a card number"},
		refused{UpdateRecordPayment, RecordPayment{Act: by(frontDesk, "h"), Rail: copay.RailCheck, Amount: copay.Cents(1), Number: strings.Repeat("1", 41)}, copay.CodeInvalid, "40 characters"},
		refused{UpdateOverrideAmount, OverrideAmount{by(biller, "i"), euros}, copay.CodeInvalid, "EUR"},
		refused{UpdateOverrideAmount, OverrideAmount{by(biller, "j"), copay.Cents(0)}, copay.CodeInvalid, "waive it"},
		refused{UpdateOverrideAmount, OverrideAmount{by(biller, "k"), copay.Cents(145_01)}, copay.CodeInvalid, "more than the charge of $145.00"},
		refused{UpdateResumeReminders, ResumeReminders{by(frontDesk, "l")}, copay.CodePrecondition, "not paused"},
		refused{UpdateChangeRail, ChangeRail{Act: by(frontDesk, "m"), Rail: "gold"}, copay.CodeInvalid, "a rail is link"},
		refused{UpdateChangeRail, ChangeRail{Act: by(frontDesk, "n"), Rail: copay.RailCard}, copay.CodePrecondition, "cannot be charged"},
		refused{UpdateRefund, Refund{Act: by(biller, "o"), Amount: copay.Cents(1)}, copay.CodePrecondition, "no such payment"},
		refused{UpdateRefund, Refund{Act: by(biller, "p"), Amount: copay.Cents(0)}, copay.CodeInvalid, "positive amount"},
		refused{UpdateApproveRefund, ApproveRefund{Act: by(biller, "q"), Refund: "ref-1"}, copay.CodePrecondition, "no refund ref-1"},
		refused{UpdateResolveReview, ResolveReview{Act: by(biller, "r"), Choice: copay.ChoiceRetry}, copay.CodePrecondition, "no open review"},
		refused{UpdateAddNote, AddNote{Act: by(frontDesk, "s"), Text: "  "}, copay.CodeInvalid, "1 to 2000"},
		refused{UpdateAddNote, AddNote{Act: by(frontDesk, "t"), Text: "card 4242 4242 4242 4242"}, copay.CodeInvalid, "card number"},
		refused{UpdateWaive, Waive{Act{Reason: "r", Key: "u"}}, copay.CodePermission, "actor"},
		refused{UpdateWaive, Waive{Act{Actor: biller, Key: "v"}}, copay.CodeInvalid, "reason"},
		refused{UpdateWaive, Waive{Act{Actor: biller, Reason: "r"}}, copay.CodeInvalid, "request id"},
		refused{UpdateWaive, Waive{Act{Actor: biller, Reason: "r", Key: strings.Repeat("k", 129)}}, copay.CodeInvalid, "128"},
	)
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Collected, "nothing of it had an effect")
	require.Len(t, w.stored.Payments, 1)
}

func TestWhatStaffCannotDoOnceItIsSettled(t *testing.T) {
	w := settledWorld(t)
	w.tries(0,
		refused{UpdateOverrideAmount, OverrideAmount{by(biller, "a"), copay.Cents(5_00)}, copay.CodePrecondition, "refund what is too much"},
		refused{UpdateWaive, Waive{by(biller, "b")}, copay.CodePrecondition, "refund it"},
		refused{UpdateRecordPayment, cash("c", 1), copay.CodePrecondition, "do not take the money"},
		refused{UpdateResend, Resend{Act: by(frontDesk, "d")}, copay.CodePrecondition, "awaits payment"},
		refused{UpdatePauseReminders, PauseReminders{by(frontDesk, "e")}, copay.CodePrecondition, "sends nothing"},
		refused{UpdateChangeRail, ChangeRail{Act: by(frontDesk, "f"), Rail: copay.RailCash}, copay.CodePrecondition, "no longer awaits payment"},
		refused{UpdateCancel, Cancel{by(biller, "g")}, copay.CodePrecondition, "refund it"},
		refused{UpdateRefund, Refund{Act: by(biller, "h"), Amount: copay.Cents(25_01)}, copay.CodePrecondition, "$25.00 is left"},
		refused{UpdateRefund, Refund{Act: by(biller, "i"), Amount: copay.Cents(1), Payment: "pay-9"}, copay.CodePrecondition, "no such payment"},
	)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Empty(t, w.refunded)
}

func TestWhatStaffCannotDoInAReview(t *testing.T) {
	w := newWorld(t)
	w.checked.Status = copay.CoverageInactive
	w.tries(time.Hour,
		refused{UpdateResolveReview, ResolveReview{Act: by(biller, "a"), Choice: copay.ChoiceWriteOff}, copay.CodePrecondition, "choose one of retry, "},
		refused{UpdateResolveReview, ResolveReview{Act: by(biller, "b"), Choice: copay.ChoiceSetAmount}, copay.CodeInvalid, "give the amount"},
		refused{UpdateResend, Resend{Act: by(frontDesk, "c")}, copay.CodePrecondition, "awaits payment"},
		refused{UpdateRecordPayment, cash("d", 500_01), copay.CodePrecondition, "above the practice's limit"},
	)
	w.then(2*time.Hour, func() { w.update(UpdateWaive, Waive{by(biller, "z")}) })
	require.Equal(t, copay.StateWaived, w.run(input()))
}

func TestNothingLessThanWhatWasPaidCanBeAsked(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.update(UpdateRecordPayment, cash("a", 10_00)) })
	w.tries(2*time.Hour, refused{UpdateOverrideAmount, OverrideAmount{by(biller, "b"), copay.Cents(9_00)}, copay.CodePrecondition, "$10.00 has already been paid"})
	w.then(3*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
}

func TestTheCardNeedsAReadCharge(t *testing.T) {
	w := newWorld(t)
	w.fail["ReadCharge"] = []error{down()}
	w.tries(time.Minute, refused{UpdateChangeRail, ChangeRail{Act: by(frontDesk, "a"), Rail: copay.RailCard}, copay.CodePrecondition, "has not been read yet"})
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
}

func TestOfSeveralPaymentsOneIsNamed(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.update(UpdateRecordPayment, cash("a", 10_00)) })
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	again := newWorldAfter(t, w)
	again.tries(0, refused{UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)}, copay.CodeInvalid, "name the one"})
	require.Equal(t, copay.StateSettled, again.run(input()))
	third := newWorldAfter(t, again)
	third.then(0, func() {
		third.act("", UpdateRefund, Refund{Act: by(biller, "k2"), Amount: copay.Cents(10_00), Payment: "pay-2"})
	})
	require.Equal(t, copay.StateSettled, third.run(input()))
	require.Equal(t, copay.Cents(10_00), third.stored.Payments[1].Refunded)
}

func TestAMessageThatFailedIsNoted(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		w.env.SignalWorkflow(SignalEvent, Event{ID: "e1", Platform: "twilio", Kind: string(integrations.EventMessageStatus), Status: "failed", Code: "30003"})
	})
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	found := false
	for _, e := range w.timeline {
		found = found || strings.Contains(e.Summary, "not delivered (code 30003)")
	}
	require.True(t, found)
}

func TestARefundAtTheProcessorIsTakenOver(t *testing.T) {
	w := settledWorld(t)
	w.then(0, func() {
		w.refunded["re-outside"] = copay.Cents(25_00)
		for ref := range w.captured {
			delete(w.refunded, "re-outside")
			w.refunded[ref] = copay.Cents(25_00)
			break
		}
		w.event("stripe", integrations.EventRefund, w.stored.Payments[0].PlatformID, "succeeded")
	})
	require.Equal(t, copay.StateRefunded, w.run(input()))
	require.NotContains(t, w.calls, "RefundPayment", "the money went back already")
	require.Contains(t, w.calls, "ReversePosting")
	require.Contains(t, w.calls, "BookRefund")
}

func TestSmallAmountsAndNothingAreNotAsked(t *testing.T) {
	for name, e := range map[string]copay.Estimate{
		"below what the practice asks for": {Kind: copay.EstimateOwed, Amount: copay.Cents(50), Confidence: 95},
		"nothing is due":                   {Kind: copay.EstimateNothing, Confidence: 95, Amount: copay.Cents(0)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.est.Estimate = e
			require.Equal(t, copay.StateSettled, w.run(input()))
			require.NotContains(t, w.calls, "RequestLink")
			require.Contains(t, w.timeline[len(w.timeline)-1].Summary, name)
		})
	}
}

// Cash was taken before it turned out that nothing is due: it goes back.
func TestMoneyThatIsNotDueGoesBack(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate = copay.Estimate{Kind: copay.EstimateNothing, Confidence: 95, Amount: copay.Cents(0)}
	w.fail["ReadCharge"] = []error{down()}
	w.then(time.Minute, func() { w.update(UpdateRecordPayment, cash("a", 20_00)) })
	w.decides(time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
	require.Equal(t, copay.StateRefunded, w.run(input()))
	require.Equal(t, copay.Cents(20_00), w.stored.Amounts.Refunded)
}

// What staff write as their reason decides nothing.
func TestAReasonThatReadsLikeADisputeIsARefundAllTheSame(t *testing.T) {
	w := settledWorld(t)
	w.then(0, func() {
		w.act("", UpdateRefund, Refund{Act: Act{Actor: frontDesk, Reason: "dispute lost", Key: "r1"}, Amount: copay.Cents(25_00)})
	})
	require.Equal(t, copay.StateRefunded, w.run(input()))
	require.False(t, w.told("dispute lost"), "nor does the summary repeat it")
}

// The books may hold the invoice of a booking of which the run knows nothing:
// whoever takes it back has to be able to find it.
func TestWhatIsTakenOutOfTheBooksIsNamedWithItsInvoice(t *testing.T) {
	w := newWorld(t)
	w.fail["BookPayment"] = []error{refuse(integrations.KindInvalid)}
	w.then(time.Hour, w.pays)
	w.then(2*time.Hour, func() { w.act("", UpdateCancel, Cancel{by(biller, "k1")}) })
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.Len(t, w.unbooking, 1)
	in := w.unbooking[0]
	require.Equal(t, copay.NewRef(key.ID(), copay.EffectInvoice, 1), in.InvoiceRef)
	require.Equal(t, copay.NewRef(key.ID(), copay.EffectBook, 1), in.Of)
	require.True(t, in.Rest)
}

// Of two parts that go back only the last leaves nothing of the payment.
func TestTheLastPartOfAPaymentIsSaidToBe(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	for _, part := range []struct {
		cents int64
		last  bool
	}{{10_00, false}, {15_00, true}} {
		w = newWorldAfter(t, w)
		w.then(0, func() {
			w.update(UpdateRefund, Refund{Act: by(biller, copay.Cents(part.cents).Decimal()), Amount: copay.Cents(part.cents)})
		})
		w.run(input())
		require.Len(t, w.unbooking, 1)
		require.Equal(t, part.last, w.unbooking[0].Rest)
	}
}
