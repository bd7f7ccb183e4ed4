package workflows

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

var biller = copay.Actor{ID: "bo", Kind: "staff", Roles: []copay.Role{copay.RoleBiller}}

func TestOverrideWithdrawsThePageAndAsksAnew(t *testing.T) {
	w := newWorld(t)
	var a, again, conflict *answer
	w.then(time.Hour, func() {
		a = w.update(UpdateOverrideAmount, OverrideAmount{by(frontDesk, "k1"), copay.Cents(15_00)})
	})
	w.then(90*time.Minute, func() {
		again = w.update(UpdateOverrideAmount, OverrideAmount{by(frontDesk, "k1"), copay.Cents(15_00)})
		conflict = w.update(UpdateOverrideAmount, OverrideAmount{by(frontDesk, "k1"), copay.Cents(16_00)})
	})
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Empty(t, a.code(t))
	require.Empty(t, again.code(t), "the same request again has its first answer")
	require.Equal(t, copay.CodeConflict, conflict.code(t))
	require.Equal(t, copay.Cents(15_00), w.stored.Amounts.Collected)
	require.EqualValues(t, 15_00, w.journal["receivable"])
	require.Len(t, w.cancelled, 1)
}

// Cash is taken while the bank debit of the link is on its way: nobody can
// call that back, so what is too much goes back when it has come in.
func TestCashWhileTheBankIsAtIt(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		w.processing = true
		w.update(UpdateRecordPayment, RecordPayment{Act: by(frontDesk, "k1"), Rail: copay.RailCash, Amount: copay.Cents(10_00)})
	})
	w.then(30*time.Hour, func() {
		w.processing = false
		for _, p := range w.stored.Payments {
			if !p.Rail.Manual() {
				w.captured[p.Ref] = p.Amount
			}
		}
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.Cents(35_00), w.stored.Amounts.Collected)
	require.Equal(t, copay.Cents(10_00), w.stored.Amounts.Refunded)
	require.Less(t, len(w.calls), 60, "it waits and does not go in circles")
}

func TestAnotherRailWithdrawsThePage(t *testing.T) {
	w := newWorld(t)
	w.fail["CancelRequest"] = []error{down()} // the processor is down just then
	var a *answer
	w.then(time.Hour, func() {
		a = w.update(UpdateChangeRail, ChangeRail{Act: by(frontDesk, "k1"), Rail: copay.RailCash})
	})
	w.then(time.Hour+time.Minute, func() { require.True(t, a.done, "staff are not kept waiting for the processor") })
	w.then(3*time.Hour, func() {
		require.Len(t, w.cancelled, 1)
		require.True(t, w.told("asked for $25.00 at the desk"))
		w.update(UpdateRecordPayment, RecordPayment{Act: by(frontDesk, "k2"), Rail: copay.RailCash, Amount: copay.Cents(25_00)})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Empty(t, a.code(t))
}

func TestThePaymentPageIsNotWaitedForWithoutEnd(t *testing.T) {
	w := newWorld(t)
	w.fail["OpenPage"] = []error{down()}
	var a, later *answer
	w.then(time.Hour, func() { a = w.update(UpdateOpenPage) })
	w.then(2*time.Hour, func() { later = w.update(UpdateOpenPage) })
	w.then(3*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.CodeUnavailable, a.code(t))
	require.Empty(t, later.code(t))
	require.NotEmpty(t, later.page.URL)
}

func TestWaive(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.act("", UpdateWaive, Waive{by(biller, "k1")}) })
	require.Equal(t, copay.StateWaived, w.run(input()))
	require.Len(t, w.cancelled, 1)
	require.EqualValues(t, 25_00, w.journal["waive"])
	require.Len(t, w.sent, 2)
}

func TestMoneyThatCrossesWithAWaiverGoesBack(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		w.captured[w.stored.Payments[0].Ref] = copay.Cents(25_00)
		w.update(UpdateWaive, Waive{by(biller, "k1")})
	})
	require.Equal(t, copay.StateWaived, w.run(input()))
	require.Len(t, w.refunded, 1)
}

func TestCancelAfterPaymentRunsBackwards(t *testing.T) {
	w := newWorld(t)
	w.fail["BookPayment"] = []error{refuse(integrations.KindInvalid)}
	w.then(time.Hour, w.pays)
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.StateNeedsReview, w.stored.State)
		w.calls = nil
		w.act("", UpdateCancel, Cancel{by(biller, "k1")})
	})
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.Equal(t, []string{"BookRefund", "ReversePosting", "RefundPayment"}, w.calls, "newest first")
}

func TestRefundTurnsEverythingBack(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))

	// The settled co-pay's workflow is started again for the act.
	again := newWorldAfter(t, w)
	var a *answer
	again.then(0, func() { a = again.update(UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(25_00)}) })
	require.Equal(t, copay.StateRefunded, again.run(input()))
	require.Empty(t, a.code(t))
	require.Equal(t, []string{"RefundPayment", "BookRefund", "ReversePosting"}, again.calls, "money first: a refusal leaves EHR and books alone")
	require.NotContains(t, again.calls, "ReadCharge")
}

func TestPartialRefundSettlesAgain(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	again := newWorldAfter(t, w)
	again.then(0, func() { again.update(UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(10_00)}) })
	require.Equal(t, copay.StateSettled, again.run(input()))
	require.Equal(t, copay.Cents(10_00), again.stored.Amounts.Refunded)
}

func TestLargeRefundNeedsASecondPerson(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	again := newWorldAfter(t, w)
	var same, other *answer
	again.then(0, func() { again.update(UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(140_00)}) })
	again.then(time.Hour, func() {
		require.Empty(t, again.refunded)
		same = again.update(UpdateApproveRefund, ApproveRefund{Act: by(biller, "k2"), Refund: "ref-1", Approve: true})
		other = again.update(UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k3"), Refund: "ref-1", Approve: true})
	})
	require.Equal(t, copay.StateRefunded, again.run(input()))
	require.Equal(t, copay.CodePermission, same.code(t))
	require.Empty(t, other.code(t))
	require.Equal(t, "dana", again.stored.Refunds[0].ApprovedBy)
}

func TestALargeRefundDoesNotPassInSlices(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	again := newWorldAfter(t, w)
	again.then(0, func() { again.update(UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(70_00)}) })
	require.Equal(t, copay.StateSettled, again.run(input()))
	third := newWorldAfter(t, again)
	third.then(0, func() { third.update(UpdateRefund, Refund{Act: by(biller, "k2"), Amount: copay.Cents(70_00)}) })
	third.then(time.Hour, func() {
		require.Equal(t, copay.ReviewRefundApproval, third.stored.Review.Kind)
		require.Len(t, third.refunded, 1)
		third.update(UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k3"), Refund: "ref-2", Approve: true})
	})
	require.Equal(t, copay.StateRefunded, third.run(input()))
}

func TestRejectedRefundLeavesEverything(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	again := newWorldAfter(t, w)
	again.then(0, func() { again.update(UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(140_00)}) })
	again.then(time.Hour, func() {
		again.update(UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k3"), Refund: "ref-1", Approve: false})
	})
	require.Equal(t, copay.StateSettled, again.run(input()))
	require.Empty(t, again.refunded)
}

func TestRefundThatCannotBeFinishedAsksAPerson(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	again := newWorldAfter(t, w)
	again.fail["ReversePosting"] = []error{refuse(integrations.KindInvalid)}
	again.then(0, func() { again.update(UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(25_00)}) })
	again.then(time.Hour, func() {
		require.Equal(t, copay.ReviewCompensation, again.stored.Review.Kind)
		require.Len(t, again.refunded, 1)
		again.update(UpdateResolveReview, ResolveReview{Act: by(biller, "k2"), Choice: copay.ChoiceRetry})
	})
	require.Equal(t, copay.StateRefunded, again.run(input()))
	require.Len(t, again.refunded, 1, "the money went back once")
}

func TestDisputes(t *testing.T) {
	t.Run("won", func(t *testing.T) {
		w := settledWorld(t)
		w.then(0, func() { w.event("stripe", integrations.EventDispute, "", "opened") })
		w.then(day, func() {
			require.Equal(t, copay.StateDisputed, w.stored.State)
			w.event("stripe", integrations.EventDispute, "", "won")
		})
		require.Equal(t, copay.StateSettled, w.run(input()))
	})
	t.Run("lost", func(t *testing.T) {
		w := settledWorld(t)
		w.then(0, func() { w.event("stripe", integrations.EventDispute, "", "opened") })
		w.then(day, func() {
			w.refunded["bank"] = copay.Cents(25_00) // the bank kept it
			w.event("stripe", integrations.EventDispute, "", "lost")
		})
		w.then(2*day, func() {
			require.Equal(t, copay.ReviewDispute, w.stored.Review.Kind)
			w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "k1"), Choice: copay.ChoiceWriteOff})
		})
		require.Equal(t, copay.StateWrittenOff, w.run(input()))
		require.NotContains(t, w.calls, "RefundPayment", "what the bank took is not paid back a second time")
	})
}

func TestPostingDeletedInTheEHRIsPostedAgainOnRequest(t *testing.T) {
	w := settledWorld(t)
	id := w.stored.Payments[0].PostedID
	w.then(0, func() {
		w.posted = map[copay.Ref]copay.Money{}
		w.event("drchrono", integrations.EventPostingDeleted, id, "")
	})
	w.then(time.Hour, func() {
		require.Equal(t, copay.ReviewPostingDeleted, w.stored.Review.Kind)
		w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "k1"), Choice: copay.ChoiceRetry})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.NotEqual(t, id, w.stored.Payments[0].PostedID, "under a new reference, since the old one was used")
}

func TestAReportedDeletionOfAPostingIsNotBelievedAsItIs(t *testing.T) {
	w := settledWorld(t)
	id := w.stored.Payments[0].PostedID
	w.fail["FindPosting"] = []error{down()}
	w.then(0, func() { w.event("drchrono", integrations.EventPostingDeleted, id, "") })
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, id, w.stored.Payments[0].PostedID)
	require.True(t, w.told("but it is there"))
}

func TestRemittanceTruesUp(t *testing.T) {
	remit := func(w *world, minor int64) {
		m := copay.Cents(minor)
		w.env.SignalWorkflow(SignalEvent, Event{ID: "era/1", Platform: "drchrono", Kind: string(integrations.EventRemittance), Amount: &m})
	}
	t.Run("less, by policy", func(t *testing.T) {
		w := settledWorld(t)
		in := input()
		in.Policy.TrueUp = copay.TrueUpAuto
		w.then(0, func() { remit(w, 10_00) })
		require.Equal(t, copay.StateSettled, w.run(in))
		require.Equal(t, copay.Cents(15_00), w.stored.Amounts.Refunded)
	})
	t.Run("more, by a person", func(t *testing.T) {
		w := settledWorld(t)
		w.then(0, func() { remit(w, 40_00) })
		w.then(time.Hour, func() {
			require.Equal(t, copay.ReviewTrueUp, w.stored.Review.Kind)
			w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "k1"), Choice: copay.ChoiceRequest})
		})
		w.then(2*time.Hour, w.pays)
		require.Equal(t, copay.StateSettled, w.run(input()))
		require.Equal(t, copay.Cents(40_00), w.stored.Amounts.Collected)
	})
	t.Run("faster than the patient", func(t *testing.T) {
		w := newWorld(t)
		w.then(time.Hour, func() { remit(w, 10_00) })
		w.then(2*time.Hour, w.pays)
		w.then(3*time.Hour, func() {
			require.Equal(t, copay.ReviewTrueUp, w.stored.Review.Kind)
			w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "k1"), Choice: copay.ChoiceRefund})
		})
		require.Equal(t, copay.StateSettled, w.run(input()))
		require.Equal(t, copay.Cents(15_00), w.stored.Amounts.Refunded)
	})
	t.Run("accepted as it is", func(t *testing.T) {
		w := settledWorld(t)
		w.then(0, func() { remit(w, 10_00) })
		w.then(time.Hour, func() {
			w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "k1"), Choice: copay.ChoiceProceed})
		})
		require.Equal(t, copay.StateSettled, w.run(input()))
		require.Empty(t, w.refunded)
	})
	t.Run("nonsense", func(t *testing.T) {
		w := settledWorld(t)
		w.then(0, func() { remit(w, -10_00) })
		require.Equal(t, copay.StateSettled, w.run(input()))
		require.True(t, w.stored.Amounts.Adjudicated.IsZero())
	})
	t.Run("within tolerance", func(t *testing.T) {
		w := settledWorld(t)
		w.then(0, func() { remit(w, 25_50) })
		require.Equal(t, copay.StateSettled, w.run(input()))
		require.Empty(t, w.refunded)
	})
}

func TestPauseResumeResendAndRail(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.update(UpdatePauseReminders, PauseReminders{by(frontDesk, "k1")}) })
	w.then(5*day, func() {
		require.Len(t, w.sent, 2, "paused")
		w.update(UpdateResumeReminders, ResumeReminders{by(frontDesk, "k2")})
	})
	w.then(5*day+time.Minute, func() {
		require.Len(t, w.sent, 3, "the reminder that was due goes out")
		w.update(UpdateOpenPage)
	})
	w.then(5*day+time.Hour, func() {
		w.act("", UpdateChangeRail, ChangeRail{by(frontDesk, "k3"), copay.RailCash})
	})
	w.then(6*day, func() {
		require.Len(t, w.cancelled, 1, "who pays at the desk has no open page")
		w.update(UpdateRecordPayment, RecordPayment{Act: by(frontDesk, "k4"), Rail: copay.RailCash, Amount: copay.Cents(25_00)})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

func TestResendSkipsTheLadder(t *testing.T) {
	w := newWorld(t)
	w.then(day+time.Hour, func() { w.act("", UpdateResend, Resend{Act: by(frontDesk, "k1")}) })
	w.then(day+2*time.Hour, func() {
		require.Len(t, w.sent, 3)
		w.update(UpdateOpenPage)
	})
	w.then(day+3*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
}

func TestActsThatMakeNoSenseAreRefusedWithTheReason(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		w.act(copay.CodePermission, UpdateWaive, Waive{Act{Reason: "r", Key: "k"}})                                                                  // no actor
		w.act(copay.CodeInvalid, UpdateWaive, Waive{Act{Actor: frontDesk, Key: "k"}})                                                                // no reason
		w.act(copay.CodeInvalid, UpdateWaive, Waive{Act{Actor: frontDesk, Reason: "r"}})                                                             // no key
		w.act(copay.CodeInvalid, UpdateOverrideAmount, OverrideAmount{by(frontDesk, "a"), copay.Cents(200_00)})                                      // above the charge
		w.act(copay.CodeInvalid, UpdateOverrideAmount, OverrideAmount{by(frontDesk, "b"), copay.Cents(0)})                                           // nothing
		w.act(copay.CodeInvalid, UpdateOverrideAmount, OverrideAmount{by(frontDesk, "c"), copay.Money{Minor: 1, Currency: "EUR"}})                   // currency
		w.act(copay.CodeInvalid, UpdateRecordPayment, RecordPayment{Act: by(frontDesk, "d"), Rail: copay.RailCard, Amount: copay.Cents(1)})          // rail
		w.act(copay.CodePrecondition, UpdateRecordPayment, RecordPayment{Act: by(frontDesk, "e"), Rail: copay.RailCash, Amount: copay.Cents(26_00)}) // too much
		w.act(copay.CodePrecondition, UpdateRefund, Refund{Act: by(biller, "f"), Amount: copay.Cents(1_00)})                                         // nothing to refund
		w.act(copay.CodePrecondition, UpdateApproveRefund, ApproveRefund{Act: by(biller, "g"), Refund: "ref-9"})                                     // no such refund
		w.act(copay.CodePrecondition, UpdateResolveReview, ResolveReview{Act: by(biller, "h"), Choice: copay.ChoiceRetry})                           // no review
		w.act(copay.CodePrecondition, UpdateResumeReminders, ResumeReminders{by(biller, "i")})                                                       // not paused
		w.act(copay.CodePrecondition, UpdateChangeRail, ChangeRail{by(biller, "j"), copay.RailCard})                                                 // card without card
		w.act(copay.CodeInvalid, UpdateChangeRail, ChangeRail{by(biller, "l"), "gold"})                                                              // unknown rail
		w.act(copay.CodeInvalid, UpdateAddNote, AddNote{by(biller, "m"), " "})                                                                       // empty note
		w.act(copay.CodeInvalid, UpdateAddNote, AddNote{by(biller, "n"), "card 4242 4242 4242 4242 exp"})                                            // card number
		w.act("", UpdateAddNote, AddNote{by(biller, "o"), "called, will pay on Friday"})
	})
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Collected)
}

func TestLargeSumIsNotGivenBackByOnePersonsCancel(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.fail["PostPayment"] = []error{refuse(integrations.KindInvalid)}
	w.then(time.Hour, w.pays)
	var a *answer
	w.then(2*time.Hour, func() {
		a = w.update(UpdateCancel, Cancel{by(biller, "k1")})
		w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "k2"), Choice: copay.ChoiceRetry})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.CodeNeedsSecond, a.code(t))
}

func TestOperatorsCancellationStillCompensates(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, w.env.CancelWorkflow)
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.Len(t, w.cancelled, 1)
}

func TestHoldsCardNumber(t *testing.T) {
	for text, want := range map[string]bool{
		"4242424242424242": true, "4242-4242-4242-4242": true, "call 555 123 4567 at 10": false, "check 1001": false, "x3782 822463 10005y": true,
	} {
		require.Equal(t, want, holdsCardNumber(text), text)
	}
}

// newWorldAfter continues a story in another run of the workflow.
func newWorldAfter(t *testing.T, w *world) *world {
	t.Helper()
	n := bareWorld(t)
	n.facts, n.checked, n.est = w.facts, w.checked, w.est
	n.refundOf = w.refundOf
	n.stored, n.captured, n.refunded, n.posted, n.booked, n.journal = w.stored, w.captured, w.refunded, w.posted, w.booked, w.journal
	n.steps = w.steps
	return n
}

func settledWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	return newWorldAfter(t, w)
}

// What is paused is not said to come next; what does instead is, in the answer
// and in the record.
func TestWhatIsPausedDoesNotComeNext(t *testing.T) {
	w := newWorld(t)
	var paused, resumed *answer
	w.then(time.Hour, func() { paused = w.update(UpdatePauseReminders, PauseReminders{by(frontDesk, "a")}) })
	w.then(2*time.Hour, func() {
		require.Equal(t, "look whether it was paid", paused.copay.NextAction, "the page runs out before the practice gives up")
		w.agrees(paused)
		resumed = w.update(UpdateResumeReminders, ResumeReminders{by(frontDesk, "b")})
	})
	w.then(3*time.Hour, func() {
		require.False(t, resumed.copay.NextActionAt.IsZero())
		w.agrees(resumed)
		w.pays()
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// agrees asserts that an answer says of what comes next what the record says.
func (w *world) agrees(a *answer) {
	require.True(w.t, a.done, "the update was not answered")
	require.NoError(w.t, a.err)
	require.Equal(w.t, w.stored.NextAction, a.copay.NextAction)
	require.Equal(w.t, w.stored.NextActionAt, a.copay.NextActionAt)
	require.Equal(w.t, w.stored.Counters.Version, a.copay.Counters.Version)
}

// The charge of a stored card is announced also after a pause that does not
// concern it.
func TestAPauseDoesNotHideTheChargeOfTheStoredCard(t *testing.T) {
	w := newWorld(t)
	w.est.Card = true
	var a *answer
	w.then(time.Hour, func() { a = w.update(UpdatePauseReminders, PauseReminders{by(frontDesk, "a")}) })
	w.then(2*time.Hour, func() {
		require.Equal(t, "charge the stored card", w.stored.NextAction)
		w.agrees(a)
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// Who asks for the message again is told that it goes out now, not what was
// to come next before.
func TestWhatIsSentAgainComesNext(t *testing.T) {
	w := newWorld(t)
	in := input()
	in.Policy.LinkLifetime = 20 * 24 * time.Hour
	var a *answer
	w.then(26*time.Hour, func() {
		a = w.update(UpdateResend, Resend{Act: by(frontDesk, "a")})
	})
	w.then(27*time.Hour, func() {
		require.Equal(t, "remind the patient", a.copay.NextAction)
		require.WithinDuration(t, w.env.Now().Add(-time.Hour), a.copay.NextActionAt, time.Minute)
		require.True(t, w.stored.NextActionAt.After(w.env.Now()), "and then the next one")
	})
	w.then(28*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(in))
}

// An act is recorded and answered at once also where the card is charged next,
// which may take its time.
func TestAnActDoesNotWaitForTheCard(t *testing.T) {
	w := newWorld(t)
	w.est.Card, w.cardPending = true, true
	var a *answer
	w.then(24*time.Hour+10*time.Minute, func() {
		w.fail["ChargeCard"] = []error{errors.New("slow"), errors.New("slow"), errors.New("slow"), errors.New("slow"), errors.New("slow"), errors.New("slow")}
		a = w.update(UpdateAddNote, AddNote{Act: by(frontDesk, "a"), Text: "called"})
	})
	w.then(24*time.Hour+10*time.Minute+5*time.Second, func() {
		require.True(t, a.done)
		require.NoError(t, a.err)
		w.cardPending = false
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// What comes next is recorded also when nothing else has happened.
func TestAStopIsSeenInWhatComesNext(t *testing.T) {
	w := newWorld(t)
	in := input()
	in.Policy.LinkLifetime = 20 * 24 * time.Hour
	w.then(time.Hour, func() {
		require.Equal(t, "remind the patient", w.stored.NextAction)
		w.reach = false
		w.env.SignalWorkflow(SignalRecheck, nil)
	})
	w.then(2*time.Hour, func() {
		require.NotEqual(t, "remind the patient", w.stored.NextAction)
	})
	w.then(3*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(in))
}

// A repeated request is another trace, and still the same request. What an act
// leaves behind names its trace.
func TestARequestIsTheSameInAnotherTrace(t *testing.T) {
	w := newWorld(t)
	in := input()
	in.Trace = "started"
	var a, again *answer
	w.then(time.Hour, func() { a = w.update(UpdateWaive, Waive{Act{Actor: frontDesk, Key: "k", Reason: "r", Trace: "t1"}}) })
	w.then(time.Hour, func() {
		again = w.update(UpdateWaive, Waive{Act{Actor: frontDesk, Key: "k", Reason: "r", Trace: "t2"}})
	})
	require.Equal(t, copay.StateWaived, w.run(in))
	require.Empty(t, a.code(t))
	require.Empty(t, again.code(t))
	for _, e := range w.timeline {
		require.Equal(t, e.Actor.ID == frontDesk.ID, e.Trace == "t1", "%+v", e)
		require.Equal(t, e.Actor.ID == frontDesk.ID, e.Key == "k", "%+v", e)
		require.NotEqual(t, "t2", e.Trace)
	}
	require.Equal(t, "started", w.trace)
}
