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

// Nobody is asked for an absurd amount because the charge was not known when a
// person set it.
func TestAnAmountSetBeforeTheChargeWasReadIsCheckedAgainstIt(t *testing.T) {
	w := newWorld(t)
	w.fail["ReadCharge"] = []error{down()}
	w.tries(time.Minute, refused{UpdateOverrideAmount, OverrideAmount{by(frontDesk, "a"), copay.Cents(500_01)}, copay.CodePrecondition, "has not been read yet"})
	w.then(2*time.Minute, func() { w.act("", UpdateOverrideAmount, OverrideAmount{by(frontDesk, "b"), copay.Cents(400_00)}) })
	w.then(time.Hour, func() {
		require.Equal(t, copay.ReviewAmount, w.stored.Review.Kind)
		require.Contains(t, w.stored.Review.Message, "$400.00, is more than the charge of $145.00")
		m := copay.Cents(40_00)
		w.act("", UpdateResolveReview, ResolveReview{Act: by(frontDesk, "c"), Choice: copay.ChoiceSetAmount, Amount: &m})
	})
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.Cents(40_00), w.stored.Amounts.Collected)
}

// A choice that is refused leaves no trace of having been made.
func TestARefusedChoiceIsNotNoted(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Confidence = 10
	low, tooMuch := copay.Cents(0), copay.Cents(145_01)
	w.tries(time.Hour,
		refused{UpdateResolveReview, ResolveReview{Act: by(biller, "a"), Choice: copay.ChoiceSetAmount}, copay.CodeInvalid, "give the amount"},
		refused{UpdateResolveReview, ResolveReview{Act: by(biller, "b"), Choice: copay.ChoiceSetAmount, Amount: &low}, copay.CodeInvalid, "more than nothing"},
		refused{UpdateResolveReview, ResolveReview{Act: by(biller, "c"), Choice: copay.ChoiceSetAmount, Amount: &tooMuch}, copay.CodeInvalid, "more than the charge"})
	w.then(2*time.Hour, func() {
		require.False(t, w.told("review resolved"))
		w.act("", UpdateWaive, Waive{by(biller, "z")})
	})
	require.Equal(t, copay.StateWaived, w.run(input()))
}

// A message that would not go out is not promised.
func TestNothingIsSentAgainWhereNothingIsSent(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		w.act("", UpdatePauseReminders, PauseReminders{by(frontDesk, "a")})
	})
	w.tries(2*time.Hour,
		refused{UpdateResend, Resend{Act: by(frontDesk, "b")}, copay.CodePrecondition, "resume them first"},
		refused{UpdatePauseReminders, PauseReminders{by(frontDesk, "c")}, copay.CodePrecondition, "paused already"})
	w.then(3*time.Hour, func() {
		w.act("", UpdateResumeReminders, ResumeReminders{by(frontDesk, "d")})
		w.act("", UpdateChangeRail, ChangeRail{by(frontDesk, "e"), copay.RailCash})
	})
	w.tries(4*time.Hour, refused{UpdateResend, Resend{Act: by(frontDesk, "f")}, copay.CodePrecondition, "at the desk"})
	w.then(5*time.Hour, func() { w.act("", UpdateChangeRail, ChangeRail{by(frontDesk, "g"), copay.RailLink}) })
	w.then(6*time.Hour, func() {
		w.processing = true
		w.event("stripe", integrations.EventPayment, w.stored.Payments[1].PlatformID, "processing")
	})
	w.tries(7*time.Hour, refused{UpdateResend, Resend{Act: by(frontDesk, "h")}, copay.CodePrecondition, "on its way at the bank"})
	w.then(8*time.Hour, func() { w.processing = false; w.paysLast() })
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// A refund that waits for a second person is not left behind in a closed co-pay.
func TestNothingIsGivenUpOverARefundThatWaits(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	again := newWorldAfter(t, w)
	again.then(0, func() { again.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(140_00)}) })
	again.tries(time.Hour, refused{UpdateWaive, Waive{by(biller, "k2")}, copay.CodePrecondition, "decide first on refund ref-1"})
	again.then(2*time.Hour, func() {
		again.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k3"), Refund: "ref-1", Approve: true})
	})
	require.Equal(t, copay.StateRefunded, again.run(input()))

	for _, choice := range []copay.Choice{copay.ChoiceWaive, copay.ChoiceWriteOff} {
		c := inState(copay.StateNeedsReview, true, 25_00)
		c.p.Review = &copay.Review{Kind: copay.ReviewDispute, Choices: []copay.Choice{choice}}
		c.p.Refunds = []copay.Refund{{ID: "ref-1", Payment: "pay-1", Amount: copay.Cents(5_00), Status: copay.RefundAwaiting}}
		require.ErrorContains(t, c.checkResolve(ResolveReview{Choice: choice}), "decide first")
		require.ErrorContains(t, c.resolve(ResolveReview{Choice: choice}), "decide first")
	}
}

// What one person gives back counts together, whichever act it goes by.
func TestACancelDoesNotPassAsTheRestOfALargeRefund(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 120_00)) })
	w.then(2*time.Hour, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "b"), Amount: copay.Cents(90_00)}) })
	w.tries(3*time.Hour, refused{UpdateCancel, Cancel{by(biller, "c")}, copay.CodeNeedsSecond, "a second person's approval"})
	w.then(4*time.Hour, func() { w.act("", UpdateWaive, Waive{by(biller, "d")}) })
	require.Equal(t, copay.StateWaived, w.run(input()))
	require.Equal(t, copay.Cents(90_00), w.stored.Amounts.Refunded)
}

func TestAReasonHoldsNoCardNumber(t *testing.T) {
	w := newWorld(t)
	w.tries(time.Hour, refused{UpdateWaive, Waive{Act{Actor: biller, Key: "a", Reason: "card 4242-4242-4242-4242 declined"}}, copay.CodeInvalid, "looks like a card number"})
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// Each thing that is wrong with a charge is named.
func TestWhatIsWrongWithAChargeIsNamed(t *testing.T) {
	for says, billed := range map[string]copay.Money{
		"negative amount":           copay.Cents(-5_00),
		"currency that is not":      {Minor: 100_00, Currency: "EUR"},
		"The charge has no amount":  {},
		"above what the practice a": copay.Cents(9_000_000_000_000_00),
	} {
		t.Run(says, func(t *testing.T) {
			w := newWorld(t)
			w.facts.Facts.Billed = billed
			w.facts.Facts.SelfPay, w.facts.Insured = true, false
			w.then(time.Hour, func() {
				require.Equal(t, copay.ReviewAmount, w.stored.Review.Kind)
				require.Contains(t, w.stored.Review.Message, says)
				require.Contains(t, w.stored.Review.Choices, copay.ChoiceCancel)
				w.act("", UpdateCancel, Cancel{by(biller, "a")})
			})
			require.Equal(t, copay.StateCancelled, w.run(input()))
			require.NotContains(t, w.calls, "RequestLink")
		})
	}
}

// A co-pay that was to be paid at the desk is unpaid, not unreachable.
func TestAnUnpaidCoPayAtTheDeskIsCalledThat(t *testing.T) {
	desk := newWorld(t)
	desk.fail["ReadCharge"] = []error{down()}
	desk.then(time.Minute, func() { desk.act("", UpdateChangeRail, ChangeRail{by(frontDesk, "a"), copay.RailCash}) })
	desk.decides(40*day, copay.ReviewUnpaid, copay.ChoiceWriteOff)
	require.Equal(t, copay.StateWrittenOff, desk.run(input()))
	require.Empty(t, desk.sent)
}

// Remittances come in any order: the one that was made last counts.
func TestAnOlderRemittanceThatComesLateChangesNothing(t *testing.T) {
	w := settledWorld(t)
	remit := func(id string, minor int64, at time.Time) {
		m := copay.Cents(minor)
		w.env.SignalWorkflow(SignalEvent, Event{ID: id, Platform: "drchrono", Kind: string(integrations.EventRemittance), Amount: &m, At: at})
	}
	at := w.now()
	w.then(0, func() {
		remit("second", 25_00, at)
		remit("first", 60_00, at.Add(-day))
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Adjudicated)
	require.True(t, w.told("came late and changes nothing"))
}

// A policy to true up by itself does not ask, or give back, more than is asked
// and given back without a person elsewhere.
func TestALargeTrueUpAsksAPerson(t *testing.T) {
	auto := input()
	auto.Policy.TrueUp = copay.TrueUpAuto
	for owes, kind := range map[int64]copay.Choice{600_00: copay.ChoiceRequest, 10_00: copay.ChoiceRefund} {
		w := bareWorld(t)
		w.est.Estimate.Amount = copay.Cents(140_00)
		if kind == copay.ChoiceRequest {
			w.est.Estimate.Amount = copay.Cents(25_00)
		}
		w.then(time.Hour, w.pays)
		require.Equal(t, copay.StateSettled, w.run(auto))
		again := newWorldAfter(t, w)
		again.then(0, func() { again.remits("e1", owes) })
		again.then(time.Hour, func() {
			require.Equal(t, copay.ReviewTrueUp, again.stored.Review.Kind)
			require.Contains(t, again.stored.Review.Choices, kind)
			again.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "k1"), Choice: copay.ChoiceProceed})
		})
		require.Equal(t, copay.StateSettled, again.run(auto))
		require.Empty(t, again.refunded)
		require.NotContains(t, again.calls, "RequestLink")
	}
}

// That a patient pays without insurance was a person's decision: the EHR's next
// touch of the charge does not undo it.
func TestSelfPayByAPersonsDecisionStands(t *testing.T) {
	for name, set := range map[string]func(*world){
		"inactive coverage": func(w *world) { w.checked.Status = copay.CoverageInactive },
		"no coverage":       func(w *world) { w.facts.Insured = false },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			set(w)
			w.then(time.Hour, func() {
				w.act("", UpdateResolveReview, ResolveReview{Act: by(frontDesk, "a"), Choice: copay.ChoiceSelfPay})
			})
			w.then(2*time.Hour, func() {
				w.facts.Facts.Billed = copay.Cents(120_00)
				w.event("drchrono", integrations.EventChargeChanged, "", "")
			})
			w.then(3*time.Hour, w.paysLast)
			require.Equal(t, copay.StateSettled, w.run(input()))
			require.Equal(t, copay.Cents(120_00), w.stored.Amounts.Collected, "and what changed is heeded")
		})
	}
}

// The stored card is asked for what is really asked, not for the estimate.
func TestAnAmountAboveTheConsentIsNotAnnouncedToTheCard(t *testing.T) {
	w := newWorld(t)
	w.fail["ReadCharge"] = []error{down()}
	asked := []int64{}
	v := &till{world: w, asked: &asked, cap: 100_00}
	v.register()
	w.then(time.Minute, func() { w.act("", UpdateOverrideAmount, OverrideAmount{by(frontDesk, "a"), copay.Cents(120_00)}) })
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, []int64{120_00}, asked)
	require.Equal(t, copay.RailLink, w.stored.Payments[0].Rail)
	require.Equal(t, copay.TemplateRequest, w.sent[0].Template, "no charge was announced that cannot be made")
}

// Announced first, and then raised above what the patient agreed to.
func TestAnAnnouncedCardGivesWayToALinkAboveTheConsent(t *testing.T) {
	w := newWorld(t)
	v := &till{world: w, asked: new([]int64), cap: 100_00}
	v.register()
	w.then(2*time.Hour, func() { w.act("", UpdateOverrideAmount, OverrideAmount{by(frontDesk, "a"), copay.Cents(120_00)}) })
	w.then(3*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.NotContains(t, w.calls, "ChargeCard")
}

// A change to the card by staff is judged by what is open.
func TestChangingToTheCardIsJudgedByWhatIsOpen(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(120_00)
	v := &till{world: w, asked: new([]int64), cap: 100_00}
	v.register()
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 40_00)) })
	w.then(2*time.Hour, func() { w.act("", UpdateChangeRail, ChangeRail{by(frontDesk, "b"), copay.RailCard}) })
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, []int64{120_00, 80_00}, *v.asked)
	require.Equal(t, copay.Cents(80_00), w.captured[w.stored.Payments[3].Ref])
}

// till is a world with a card consent up to a cap.
type till struct {
	*world
	asked *[]int64
	cap   int64
}

func (v *till) register() {
	v.env.RegisterActivityWithOptions(v, activity.RegisterOptions{DisableAlreadyRegisteredCheck: true})
}

func (v *till) Estimate(ctx context.Context, in activities.EstimateInput) (activities.Estimated, error) {
	got, err := v.world.Estimate(ctx, in)
	ask := got.Estimate.Amount
	if in.Ask.IsPositive() {
		ask = in.Ask
	}
	*v.asked = append(*v.asked, ask.Minor)
	got.Card = ask.Minor <= v.cap
	return got, err
}

// More than the patient was told of is announced anew before it is charged.
func TestARaisedAmountIsAnnouncedAnew(t *testing.T) {
	w := newWorld(t)
	w.est.Card = true
	w.then(2*time.Hour, func() { w.act("", UpdateOverrideAmount, OverrideAmount{by(frontDesk, "a"), copay.Cents(80_00)}) })
	w.then(25*time.Hour, func() { require.Empty(t, w.captured, "a day after the first notice") })
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.sent, 2)
	require.Equal(t, copay.TemplateCardNotice, w.sent[1].Template)
	require.Len(t, w.captured, 1)
	require.Equal(t, copay.Cents(80_00), w.captured[w.stored.Payments[0].Ref])
	second := w.stored.Reminders[1].At
	require.Less(t, second.Sub(w.stored.Reminders[0].At), 25*time.Hour, "as soon as the caps allow")
	require.False(t, w.stored.Payments[0].CapturedAt.Before(second.Add(24*time.Hour)))
}

func TestALoweredAmountIsChargedAsAnnounced(t *testing.T) {
	w := newWorld(t)
	w.est.Card = true
	w.then(2*time.Hour, func() { w.act("", UpdateOverrideAmount, OverrideAmount{by(frontDesk, "a"), copay.Cents(15_00)}) })
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.captured, 1)
	require.Less(t, w.ran(), 25*time.Hour)
	require.Len(t, w.sent, 1)
}

// A ladder that staff start anew keeps to how much a day may bring, and is
// decided on the truth of the payment.
func TestALadderThatStartsAnewKeepsToTheCaps(t *testing.T) {
	w := newWorld(t)
	var asked time.Time
	retry := func(k string) func() {
		return func() {
			require.Equal(t, copay.ReviewUnpaid, w.stored.Review.Kind)
			w.act("", UpdateResolveReview, ResolveReview{Act: by(frontDesk, k), Choice: copay.ChoiceRetry})
		}
	}
	last := func() time.Time { return w.stored.Reminders[len(w.stored.Reminders)-1].At }
	w.then(14*day+time.Hour, func() {
		asked = last()
		require.Less(t, w.now().Sub(asked), 2*time.Hour, "the last reminder went out just now")
		require.Len(t, w.sent, 5)
		retry("a")()
	})
	w.then(14*day+3*time.Hour, func() { require.Len(t, w.sent, 5, "not twice on one day") })
	w.then(16*day, func() {
		require.Len(t, w.sent, 7, "the request again, on both channels")
		require.False(t, w.stored.Reminders[0].At.Before(asked.Add(day)))
		w.update(UpdateOpenPage, OpenPage{})
	})
	w.then(16*day+time.Hour, w.paysLast)
	in := input()
	in.Policy.GiveUpAfter = 14*day + 30*time.Minute
	require.Equal(t, copay.StateSettled, w.run(in))
}

func TestARestartedLadderReadsThePaymentFirst(t *testing.T) {
	w := newWorld(t)
	in := input()
	in.Policy.LinkLifetime = 60 * day
	in.Policy.PollEvery = 60 * day
	in.Policy.GiveUpAfter = 14*day + 30*time.Minute
	w.then(14*day+time.Hour, func() {
		w.captured[w.stored.Payments[0].Ref] = w.stored.Payments[0].Amount // and the webhook is lost
		w.act("", UpdateResolveReview, ResolveReview{Act: by(frontDesk, "a"), Choice: copay.ChoiceRetry})
	})
	require.Equal(t, copay.StateSettled, w.run(in))
	require.Len(t, w.sent, 5, "no message crosses with it")
}

func TestTheMemoryOfEarlierMessagesIsBounded(t *testing.T) {
	c := inState(copay.StateAwaitingPayment, false, 25_00)
	for i := range 20 {
		c.p.Reminders = append(c.p.Reminders, copay.SentMessage{Round: i, Template: copay.TemplateCardFailed})
	}
	c.startLadder()
	require.Len(t, c.p.Earlier, 12)
	require.Equal(t, 19, c.p.Earlier[11].Round)
	require.Empty(t, c.p.Reminders)
	require.True(t, c.told(copay.TemplateCardFailed), "nobody is told of it twice")
	c.p.Reminders = []copay.SentMessage{{Round: 0}, {Round: 1}}
	c.startLadder()
	require.Equal(t, []int{19, 20, 21}, []int{c.p.Earlier[9].Round, c.p.Earlier[10].Round, c.p.Earlier[11].Round}, "rounds of two ladders are not one")
}

// What the processor, the bank or the EHR gave back no person gave.
func TestOnlyWhatPeopleGiveBackNeedsASecondOne(t *testing.T) {
	c := inState(copay.StateSettled, true, 140_00)
	for who, want := range map[string]int64{"bo": 5_00, "platform:stripe": 0, "copayflow": 0} {
		c.p.Refunds = []copay.Refund{{ID: "ref-1", Payment: "pay-1", Amount: copay.Cents(5_00), Status: copay.RefundDone, RequestedBy: who}}
		require.Equal(t, want, c.givenByOne(), who)
	}
}

// An amount that a person has accepted is not doubted again when the EHR
// touches the charge; another one is.
func TestAnAcceptedAmountIsNotDoubtedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		cents     int64
		confident int
	}{"not sure enough": {25_00, 40}, "above the limit": {900_00, 95}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.facts.Facts.Billed = copay.Cents(2000_00)
			w.est.Estimate.Amount, w.est.Estimate.Confidence = copay.Cents(tc.cents), tc.confident
			accept := func(k string) {
				require.Equal(t, copay.StateNeedsReview, w.stored.State)
				w.act("", UpdateResolveReview, ResolveReview{Act: by(frontDesk, k), Choice: copay.ChoiceProceed})
			}
			touch := func(object string) { w.event("drchrono", integrations.EventChargeChanged, object, "") }
			w.then(time.Hour, func() { accept("a") })
			w.then(2*time.Hour, func() { touch("1") })
			w.then(3*time.Hour, func() {
				require.Equal(t, copay.StateAwaitingPayment, w.stored.State)
				require.Empty(t, w.cancelled, "the page stays")
				w.est.Estimate.Amount = copay.Cents(tc.cents + 1)
				touch("2")
			})
			w.then(4*time.Hour, func() { accept("b") })
			w.then(5*time.Hour, w.paysLast)
			require.Equal(t, copay.StateSettled, w.run(input()))
			require.Equal(t, copay.Cents(tc.cents+1), w.stored.Amounts.Collected)
		})
	}
}

// The page of a bank debit may end while the bank is at it: nobody is asked again.
func TestAPageThatEndsWhileTheBankIsAtItIsLookedAt(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		w.processing = true
		w.event("stripe", integrations.EventPayment, w.stored.Payments[0].PlatformID, "processing")
	})
	w.then(2*time.Hour, func() {
		w.event("stripe", integrations.EventPayment, w.stored.Payments[0].PlatformID, "expired")
	})
	w.then(3*time.Hour, func() { w.act("", UpdateChangeRail, ChangeRail{by(frontDesk, "a"), copay.RailLink}) })
	w.then(4*time.Hour, func() {
		require.Equal(t, copay.PaymentProcessing, w.stored.Payments[0].Status)
		require.Len(t, w.stored.Payments, 1)
		w.processing = false
		w.paysLast()
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Empty(t, w.refunded)
}

// mute is a world whose message platforms give no answer at first, though the
// messages go out.
type mute struct {
	*world
	left int
}

func (m *mute) Notify(ctx context.Context, in activities.NotifyInput) (activities.Notified, error) {
	m.mu.Lock()
	m.left--
	silent := m.left >= 0
	m.mu.Unlock()
	out, err := m.world.Notify(ctx, in)
	if silent {
		return activities.Notified{}, refuse(integrations.KindUnknown)
	}
	return out, err
}

func quiet(t *testing.T, n int) *world {
	w := newWorld(t)
	w.env.RegisterActivityWithOptions(&mute{world: w, left: n}, activity.RegisterOptions{DisableAlreadyRegisteredCheck: true})
	return w
}

// A message of which nobody knows whether it went out counts as sent.
func TestAMessageOfUnknownOutcomeCounts(t *testing.T) {
	w := quiet(t, 2)
	w.then(23*time.Hour, func() {
		require.Len(t, w.sent, 2, "one round a day")
		require.Len(t, w.stored.Reminders, 2)
		require.True(t, w.stored.Reminders[0].Unconfirmed)
		w.pays()
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.True(t, w.told("may have gone out or not"))
}

// But whoever was perhaps not told that the card is charged is told again before it is.
func TestANoticeOfUnknownOutcomeIsNoNotice(t *testing.T) {
	w := quiet(t, 1)
	w.est.Card = true
	w.then(25*time.Hour, func() { require.Empty(t, w.captured) })
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.sent, 2)
	require.Equal(t, copay.TemplateCardNotice, w.sent[1].Template)
	require.GreaterOrEqual(t, w.stored.Reminders[1].At.Sub(w.stored.Reminders[0].At), 23*time.Hour, "not twice on one day")
	require.False(t, w.stored.Payments[0].CapturedAt.Before(w.stored.Reminders[1].At.Add(24*time.Hour)))
}

// What staff ask for and the caps hold back is said to come later, and when.
func TestAMessageThatHasToWaitIsSaidToBe(t *testing.T) {
	w := newWorld(t)
	var a *answer
	w.then(time.Hour, func() { a = w.update(UpdateResend, Resend{Act: by(frontDesk, "a"), NewLink: true}) })
	w.then(2*time.Hour, func() {
		require.Equal(t, "remind the patient", a.copay.NextAction, "what they asked for is what they see")
		require.Equal(t, 23, int(a.copay.NextActionAt.Sub(w.now()).Hours()+1.5))
		require.True(t, w.told("with a new link"))
		require.True(t, w.told("not sent yet: held back by the cap on messages; it goes out at 2026-11-25 16:00 UTC"))
		require.Len(t, w.sent, 2)
	})
	w.then(30*time.Hour, func() {
		require.Len(t, w.sent, 3)
		w.update(UpdateOpenPage, OpenPage{})
	})
	w.then(31*time.Hour, w.paysLast)
	require.Equal(t, copay.StateSettled, w.run(input()))
	said := 0
	for _, e := range w.timeline {
		if e.Kind == "not_sent" {
			said++
		}
	}
	require.Equal(t, 1, said)
}

// Staff see that a card was declined on the page, and that a link is locked.
func TestWhatHappensOnThePageIsTold(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		w.declined = "insufficient_funds"
		w.event("stripe", integrations.EventPayment, w.stored.Payments[0].PlatformID, string(copay.PaymentRequested))
	})
	w.then(2*time.Hour, func() {
		require.True(t, w.told("was declined (insufficient_funds); the page stays open"))
		require.Equal(t, "insufficient_funds", w.stored.Payments[0].Decline)
		w.event("", integrations.EventLinkLocked, "", "")
	})
	w.then(3*time.Hour, func() {
		require.True(t, w.told("link is locked"))
		w.declined = ""
		w.pays()
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Empty(t, w.stored.Payments[0].Decline, "it is paid")
}

// A decision on a refund stands in the timeline as it was made.
func TestTheTimelineSaysWhatWasDecided(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(140_00)}) })
	w.then(time.Hour, func() {
		w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1", Approve: false})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.True(t, w.told("refund ref-1: $140.00 of payment pay-1 is to go back"))
	require.True(t, w.told("refund ref-1 of $140.00 is rejected"))
	require.False(t, w.told("approve refund"))
}
