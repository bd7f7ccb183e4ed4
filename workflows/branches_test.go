package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// A run that takes over a co-pay whose money is there already posts it.
func TestTakenOverWithTheMoneyThere(t *testing.T) {
	w := newWorld(t)
	in := input()
	c := inState(copay.StateAwaitingPayment, true, 25_00)
	p := &c.p.Payments[0]
	p.PostedID, p.BookedID = "", ""
	w.captured[p.Ref] = p.Amount
	w.journal["capture"] = 25_00
	w.stored, in.Resume = c.p, &State{CoPay: *c.p}
	require.Equal(t, copay.StateSettled, w.run(in))
	require.Len(t, w.posted, 1)
	require.Empty(t, w.sent)
}

func TestTheTimeToPayMayEndBeforeTheLadder(t *testing.T) {
	w := newWorld(t)
	in := input()
	in.Policy.GiveUpAfter = 2 * day
	w.decides(50*time.Hour, copay.ReviewUnpaid, copay.ChoiceWriteOff)
	require.Equal(t, copay.StateWrittenOff, w.run(in))
	require.True(t, w.told("time to pay is over"))
	require.Len(t, w.sent, 2)
}

// A charge that is gone before anything was asked takes nothing but what was
// given at the desk, and a large sum not without a person.
func TestAChargeDeletedBeforeItWasRead(t *testing.T) {
	for name, tc := range map[string]struct {
		cash  int64
		large bool
	}{"nothing was paid": {0, false}, "a little": {20_00, false}, "a lot": {140_00, true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.fail["ReadCharge"] = []error{down()}
			w.then(time.Minute, func() {
				w.facts.Deleted = true
				if tc.cash > 0 {
					w.act("", UpdateRecordPayment, cash("a", tc.cash))
				}
			})
			want := copay.StateCancelled
			if tc.cash > 0 && !tc.large {
				w.decides(time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
			}
			if tc.large {
				w.then(time.Hour, func() {
					require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
					w.act("", UpdateApproveRefund, ApproveRefund{Act: by(biller, "b"), Refund: "ref-1", Approve: true})
				})
				w.decides(2*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
			}
			require.Equal(t, want, w.run(input()))
			require.Equal(t, tc.cash, w.stored.Amounts.Refunded.Minor)
			require.NotContains(t, w.calls, "RequestLink")
		})
	}
}

// Nobody takes money at the desk, or sets a sum, for who must not be billed.
func TestWhoMustNotBeBilledIsNotBilledByHandEither(t *testing.T) {
	for _, s := range []copay.State{copay.StateEstimating, copay.StateNeedsReview} {
		c := inState(s, false, 25_00)
		e := qmb
		c.p.Estimate = &e
		require.ErrorContains(t, c.checkRecord(cash("a", 5_00)), "must not be billed for this visit: SSA")
		require.ErrorContains(t, c.checkOverride(OverrideAmount{by(biller, "b"), copay.Cents(5_00)}), "must not be billed")
	}
}

// A refund that is decided on brings back the review it came before.
func TestTheReviewBeforeARefundIsOpenAgain(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.fail["PostPayment"] = []error{refuse(integrations.KindInvalid)}
	w.then(time.Hour, w.pays)
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.ReviewPosting, w.stored.Review.Kind)
		w.act("", UpdateRefund, Refund{Act: by(biller, "a"), Amount: copay.Cents(120_00)})
	})
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "b"), Refund: "ref-1"})
	})
	w.decides(4*time.Hour, copay.ReviewPosting, copay.ChoiceRetry)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Empty(t, w.refunded)
	require.True(t, w.told("what was open before is open again"))
}

// News of a dispute that was over before it was heard of change nothing.
func TestADisputeThatIsOverLeavesTheRestAlone(t *testing.T) {
	c := inState(copay.StateNeedsReview, true, 25_00)
	c.p.Payments[0].Status = copay.PaymentDisputed
	c.disputed(Event{Platform: "stripe", Object: "cs_1", Status: "won"}, biller)
	require.Equal(t, copay.StateNeedsReview, c.p.State, "a person is at it")
	require.Equal(t, copay.PaymentCaptured, c.p.Payments[0].Status)

	c = inState(copay.StateDisputed, true, 25_00)
	c.p.Payments[0].Refunded, c.p.Amounts.Refunded, c.p.Amounts.Requested = copay.Cents(25_00), copay.Cents(25_00), copay.Cents(0)
	c.p.Refunds = []copay.Refund{{ID: "ref-1", Payment: "pay-1", Amount: copay.Cents(25_00), Status: copay.RefundDone, PlatformID: "re_1"}}
	c.disputed(Event{Platform: "stripe", Object: "cs_1", Status: "lost"}, biller)
	require.Equal(t, copay.StateReconciling, c.p.State, "nothing of it was left to be taken")
	require.Len(t, c.p.Refunds, 1)

	none := inState(copay.StateSettled, true, 25_00)
	none.p.Payments = nil
	none.disputed(Event{Platform: "stripe", Object: "cs_9", Status: "opened"}, biller)
	none.heardOfPayment(Event{Platform: "stripe", Object: "cs_9", Status: "captured"})
	require.Equal(t, copay.StateSettled, none.p.State)
	require.Empty(t, none.stale)
}

// A dispute that is heard of twice before its capture is followed once.
func TestADisputeHeardOfTwiceBeforeItsCapture(t *testing.T) {
	c := inState(copay.StateAwaitingPayment, false, 25_00)
	e := Event{ID: "d1", Platform: "stripe", Object: "cs_1", Status: "opened"}
	c.disputed(e, biller)
	c.disputed(e, biller)
	require.Len(t, c.early, 1)
	c.hearEarly("pay-1")
	require.Len(t, c.early, 1, "as long as no capture was read")
	c.p.Payments[0].Status, c.p.Payments[0].CapturedAt = copay.PaymentCaptured, c.now()
	c.hearEarly("pay-2")
	require.Len(t, c.early, 1, "another payment was read")
	c.hearEarly("pay-1")
	require.Empty(t, c.early)
	require.Equal(t, copay.StateDisputed, c.p.State)
}

// What waits at the bank is not paid out twice when the rest is given up.
func TestWhatTheBankIsTakingIsNotGivenUp(t *testing.T) {
	c := inState(copay.StateNeedsReview, true, 25_00)
	c.p.Refunds = []copay.Refund{{ID: "ref-1", Payment: "pay-1", Amount: copay.Cents(10_00), Status: copay.RefundPending, Taken: true}}
	c.giveUp(copay.StateWaived, biller, "waived")
	require.Equal(t, copay.Cents(15_00), c.p.Amounts.Requested)
}

// What arrives while the truth of a payment is read may lead elsewhere.
func TestAReadThatIsOvertakenIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	w.fail["FetchPayment"] = []error{unavailable(), unavailable()} // so that the read takes its time
	w.then(time.Hour, w.pays)
	w.then(time.Hour+500*time.Millisecond, func() { w.act("", UpdateChangeRail, ChangeRail{by(frontDesk, "a"), copay.RailCash}) })
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Collected)
	require.Empty(t, w.refunded)
}

// A card that is never to be used again is called that.
func TestACardForGoodIsSaidToBe(t *testing.T) {
	require.Contains(t, never(true), "not used again")
	require.Empty(t, never(false))
}

func TestWhatACoPayIsFoundByFromTheStart(t *testing.T) {
	a := StartAttributes(key)
	practice, _ := a.GetKeyword(AttrPractice)
	ehr, _ := a.GetKeyword(AttrEHR)
	state, _ := a.GetKeyword(AttrState)
	review, _ := a.GetBool(AttrReview)
	require.Equal(t, []string{"maple", "drchrono", string(copay.StateReceived)}, []string{practice, ehr, state})
	require.False(t, review)
}

// The sum may be set while the charge cannot be read.
func TestTheSumMaySetAnUnreadChargeGoing(t *testing.T) {
	c := inState(copay.StateNeedsReview, false, 0)
	c.p.Facts = nil
	c.setAmount(copay.Cents(20_00), biller, "set")
	require.Equal(t, copay.StateVerifying, c.p.State, "it is read first")
	require.True(t, c.p.Override)
}

// A charge or a posting that is said to be gone once everything went back.
func TestNewsOfWhatWasGivenBackAnyway(t *testing.T) {
	w := refundedWorld(t, 25_00)
	w.then(0, func() {
		w.event("drchrono", integrations.EventPostingDeleted, w.stored.Payments[0].PostedID, "")
		w.deleted(true)
	})
	require.Equal(t, copay.StateRefunded, w.run(input()))
	require.Empty(t, w.calls, "nobody is asked")
}

// A payment at no platform is nobody's doing but ours.
func TestWhoPaysAtTheDesk(t *testing.T) {
	require.Equal(t, copay.System(), payer(copay.Payment{Rail: copay.RailCash}))
	require.Equal(t, copay.PlatformActor("stripe"), payer(copay.Payment{Platform: "stripe"}))
}

// An act whose answer is no refusal of ours is passed on as it is.
func TestAnErrorThatIsNoRefusalStaysWhatItIs(t *testing.T) {
	err := refuse(integrations.KindInvalid)
	require.Equal(t, err, refusal(err))
}

func TestTheCardCannotBeJudgedWithoutThePatient(t *testing.T) {
	w := newWorld(t)
	var a *answer
	w.then(time.Hour, func() {
		w.fail["Estimate"] = []error{refuse(integrations.KindNotFound)}
		a = w.update(UpdateChangeRail, ChangeRail{by(frontDesk, "a"), copay.RailCard})
	})
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Error(t, a.err)
	require.NotContains(t, w.calls, "ChargeCard")
}

// An auditor finds a co-pay by the way it is to be paid now and by what is
// asked now, also when it comes back to a state in which it was found before.
func TestWhatACoPayIsFoundByIsWhatItIsNow(t *testing.T) {
	w := newWorld(t)
	var ups []temporal.SearchAttributes
	w.env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(args mock.Arguments) {
		ups = append(ups, args.Get(0).(temporal.SearchAttributes))
	}).Return(nil)
	w.then(time.Hour, func() { w.act("", UpdateChangeRail, ChangeRail{by(frontDesk, "a"), copay.RailCash}) })
	w.then(2*time.Hour, func() { w.act("", UpdateOverrideAmount, OverrideAmount{by(biller, "b"), copay.Cents(60_00)}) })
	w.then(3*time.Hour, func() { w.act("", UpdateRecordPayment, cash("c", 60_00)) })
	require.Equal(t, copay.StateSettled, w.run(input()))
	var story [][3]string
	now := [3]string{}
	for _, up := range ups {
		for i, k := range []temporal.SearchAttributeKeyKeyword{AttrState, AttrRail, AttrBucket} {
			if v, ok := up.GetKeyword(k); ok {
				now[i] = v
			}
		}
		story = append(story, now)
	}
	require.Equal(t, [][3]string{{"awaiting_payment", "link", "1-25"}, {"awaiting_payment", "cash", "1-25"},
		{"awaiting_payment", "cash", "51-100"}, {"settled", "cash", "51-100"}}, story)
}

// Reminders count from when the patient was asked, by the clock that people
// see: development moves it ahead of the workflow's.
func TestWhatIsAskedOnAMovedClockIsAskedThen(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.At = w.env.Now().Add(10 * day)
	w.then(time.Hour, func() {
		require.WithinDuration(t, w.est.Estimate.At, w.stored.RequestedAt, time.Minute)
		w.pays()
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// A dispute that is won while a posting's deletion is with staff is over.
func TestADisputeThatIsWonDuringAReviewIsOver(t *testing.T) {
	for _, choice := range []copay.Choice{copay.ChoiceDone, copay.ChoiceRetry} {
		t.Run(string(choice), func(t *testing.T) {
			w := settledWorld(t)
			id := w.stored.Payments[0].PostedID
			w.then(0, func() { w.dispute("d1", "opened", w.now()) })
			w.then(time.Hour, func() {
				require.Equal(t, copay.StateDisputed, w.stored.State)
				clear(w.posted)
				w.event("drchrono", integrations.EventPostingDeleted, id, "")
			})
			w.then(2*time.Hour, func() {
				require.Equal(t, copay.ReviewPostingDeleted, w.stored.Review.Kind)
				w.dispute("d2", "won", w.now())
			})
			if choice == copay.ChoiceDone {
				w.then(3*time.Hour, func() { w.posted["by-hand"] = copay.Cents(25_00) })
			}
			w.decides(3*time.Hour, copay.ReviewPostingDeleted, choice)
			require.Equal(t, copay.StateSettled, w.run(input()))
		})
	}
}

// Still disputed, it is so again after the review.
func TestADisputeThatLastsIsThereAfterAReview(t *testing.T) {
	w := settledWorld(t)
	id := w.stored.Payments[0].PostedID
	w.then(0, func() { w.dispute("d1", "opened", w.now()) })
	w.then(time.Hour, func() { w.event("drchrono", integrations.EventPostingDeleted, id, ""); clear(w.posted) })
	w.decides(2*time.Hour, copay.ReviewPostingDeleted, copay.ChoiceDone)
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.StateDisputed, w.stored.State)
		w.posted["by-hand"] = copay.Cents(25_00)
		w.dispute("d2", "won", w.now())
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// The bank took a part, and before that was through staff gave back another: it
// is still a person who says whether the patient is asked again.
func TestAfterTheBankAPersonDecidesWhateverElseGoesBack(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 10_00)) })
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	link := w.stored.Payments[2]
	require.Equal(t, copay.Cents(15_00), link.Amount)
	lost := func(status string) { w.event("stripe", integrations.EventDispute, link.PlatformID, status) }
	w.fail["ReversePosting"] = []error{refuse(integrations.KindInvalid)}
	w.then(0, func() { lost("opened") })
	w.then(time.Hour, func() {
		w.refunded["bank"] = copay.Cents(15_00)
		lost("lost")
	})
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.ReviewCompensation, w.stored.Review.Kind)
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Payment: "pay-2", Amount: copay.Cents(5_00)})
	})
	w.then(3*time.Hour, func() { require.Empty(t, w.sent, "nobody is asked yet") })
	w.decides(3*time.Hour, copay.ReviewDispute, copay.ChoiceWriteOff)
	require.Equal(t, copay.StateWrittenOff, w.run(input()))
}
