package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

const day = 24 * time.Hour

func TestPatientPaysByLinkAfterOneReminder(t *testing.T) {
	w := newWorld(t)
	w.then(4*day, func() { w.update(UpdateOpenPage) }) // the ladder's first step is due after three days
	w.then(4*day+time.Minute, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Collected)
	require.Len(t, w.sent, 3, "the request by text and mail, the reminder by text")
	require.Equal(t, copay.TemplateRequest, w.sent[0].Template)
	require.Equal(t, copay.TemplateReminder, w.sent[2].Template)
	require.Contains(t, w.calls, "FetchPayment", "the truth is read before money is believed")
	require.EqualValues(t, 25_00, w.journal["receivable"])
}

// The webhook of a payment is lost: no reminder crosses with it.
func TestAReminderFindsThePaymentWhoseWebhookWasLost(t *testing.T) {
	w := newWorld(t)
	policy := input()
	policy.Policy.LinkLifetime = 20 * day // so that nothing else asks the processor
	w.then(2*day, func() {
		for _, p := range w.stored.Payments {
			w.captured[p.Ref] = p.Amount
		}
	})
	require.Equal(t, copay.StateSettled, w.run(policy))
	require.Len(t, w.sent, 2, "the request only")
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Collected)
	require.Len(t, w.posted, 1)
}

// A bank debit takes days: the patient is left alone meanwhile.
func TestNobodyIsRemindedWhileTheBankIsAtIt(t *testing.T) {
	w := newWorld(t)
	in := input()
	in.Policy.LinkLifetime = 20 * day
	w.then(2*day, func() { w.processing = true })
	w.then(8*day, func() { // and its webhook is lost, too
		w.processing = false
		for _, p := range w.stored.Payments {
			w.captured[p.Ref] = p.Amount
		}
	})
	require.Equal(t, copay.StateSettled, w.run(in))
	require.Len(t, w.sent, 2, "the request only")
	asked := 0
	for _, c := range w.calls {
		if c == "Notify" || c == "FetchPayment" {
			asked++
		}
	}
	require.Less(t, asked, 12, "and the processor is asked now and then")
}

func TestStoredCardIsChargedAfterNotice(t *testing.T) {
	w := newWorld(t)
	w.est.Card = true
	w.then(23*time.Hour, func() { require.Empty(t, w.captured, "not before the notice has run out") })
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.TemplateCardNotice, w.sent[0].Template)
	require.Len(t, w.captured, 1)
	require.Equal(t, copay.RailCard, w.stored.Payments[0].Rail)
}

func TestDeclinedCardGivesWayToALink(t *testing.T) {
	w := newWorld(t)
	w.est.Card, w.cardDecline = true, "insufficient_funds"
	w.then(40*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.PaymentFailed, w.stored.Payments[0].Status)
	require.Equal(t, copay.RailLink, w.stored.Payments[1].Rail)
	require.Equal(t, copay.TemplateCardFailed, w.sent[len(w.sent)-1].Template, "a failed card is not silent")
}

// A patient who takes the consent back is not told that the card did not work.
func TestACardThatMayNotBeChargedAnyMoreGivesWayToALink(t *testing.T) {
	w := newWorld(t)
	w.est.Card, w.cardDecline = true, copay.DeclineNoConsent
	w.then(40*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.RailLink, w.stored.Payments[1].Rail)
	require.Equal(t, copay.TemplateRequest, w.sent[len(w.sent)-1].Template, "the first that asks for a payment")
	require.True(t, w.told("consent does not cover the charge any more"))
}

func TestPatientMayPayByLinkInsteadOfTheAnnouncedCard(t *testing.T) {
	w := newWorld(t)
	w.est.Card = true
	var a *answer
	w.then(time.Hour, func() { a = w.update(UpdateOpenPage) })
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.NotEmpty(t, a.page.URL)
	require.NotContains(t, w.calls, "ChargeCard")
}

func TestNobodyIsBilledWhoMustNotBe(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate = copay.Estimate{Kind: copay.EstimateZeroByRule, Amount: copay.Cents(0), Rule: "SSA 1902(n)(3)(B)"}
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.NotContains(t, w.calls, "RequestLink")
	require.Empty(t, w.sent)
}

func TestNoActLeadsPastARuleThatForbidsBilling(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate = copay.Estimate{Kind: copay.EstimateZeroByRule, Amount: copay.Cents(0), Rule: "SSA 1902(n)(3)(B)"}
	w.fail["ReadCharge"] = []error{refuse(integrations.KindNotFound)}
	var override *answer
	w.then(time.Hour, func() {
		override = w.update(UpdateOverrideAmount, OverrideAmount{by(frontDesk, "k1"), copay.Cents(10_00)})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Empty(t, override.code(t), "the amount may be set while nothing is known")
	require.NotContains(t, w.calls, "RequestLink", "but the rule comes before it")
}

func TestCashAtTheDeskBeforeTheEstimateIsHonoured(t *testing.T) {
	w := newWorld(t)
	w.fail["ReadCharge"] = []error{down()} // the EHR is down just then
	var a *answer
	w.then(time.Minute, func() {
		a = w.update(UpdateRecordPayment, RecordPayment{Act: by(frontDesk, "k1"), Rail: copay.RailCash, Amount: copay.Cents(25_00)})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Empty(t, a.code(t))
	require.NotContains(t, w.calls, "RequestLink", "what was paid is not asked for again")
	require.Empty(t, w.sent)
	require.Len(t, w.posted, 1)
}

func TestPartInCashLeavesTheRestOpen(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		w.update(UpdateRecordPayment, RecordPayment{Act: by(frontDesk, "k1"), Rail: copay.RailCash, Amount: copay.Cents(10_00)})
	})
	w.then(2*time.Hour, func() {
		require.Len(t, w.posted, 1, "the part is posted while the rest is open")
		require.Equal(t, copay.Cents(15_00), w.stored.Amounts.Outstanding())
		w.pays()
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.cancelled, 1, "the page over the whole amount was withdrawn")
	require.Equal(t, copay.Cents(15_00), w.captured[w.stored.Payments[2].Ref])
}

func TestCashCrossingWithTheLinkGivesTheSecondPaymentBack(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		for _, p := range w.stored.Payments { // paid, but its webhook is late
			w.captured[p.Ref] = p.Amount
		}
		w.update(UpdateRecordPayment, RecordPayment{Act: by(frontDesk, "k1"), Rail: copay.RailCash, Amount: copay.Cents(25_00)})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.Cents(50_00), w.stored.Amounts.Collected)
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Refunded)
}

func TestRepeatedAndLateEventsChangeNothing(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		w.pays()
		p := w.stored.Payments[0]
		for range 3 {
			w.event("stripe", integrations.EventPayment, p.PlatformID, string(copay.PaymentCaptured))
		}
		w.event("stripe", integrations.EventPayment, p.PlatformID, string(copay.PaymentProcessing))
		w.event("stripe", integrations.EventPayment, p.PlatformID, string(copay.PaymentExpired))
		w.event("drchrono", integrations.EventChargeCreated, "", "")
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Collected)
	require.Len(t, w.posted, 1)
}

func TestLostWebhookIsMadeUpForByAsking(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.captured[w.stored.Payments[0].Ref] = copay.Cents(25_00) }) // no event
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.sent, 2, "no reminder crosses with the payment")
}

func TestExpiredPageIsRenewedWhenThePatientOpensIt(t *testing.T) {
	w := newWorld(t)
	var a *answer
	w.then(30*time.Hour, func() { a = w.update(UpdateOpenPage) })
	w.then(31*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.NotEmpty(t, a.page.URL)
	require.Equal(t, copay.PaymentExpired, w.stored.Payments[0].Status)
	require.Equal(t, copay.PaymentCaptured, w.stored.Payments[1].Status)
}

func TestUnpaidGoesToStaffAndCanBeWrittenOff(t *testing.T) {
	w := newWorld(t)
	var a *answer
	w.then(29*day, func() { // the ladder is at its end, the time to pay is not
		require.Equal(t, copay.StateAwaitingPayment, w.stored.State)
		require.Equal(t, "hand to staff", w.stored.NextAction)
		require.Len(t, w.sent, 5)
	})
	w.then(31*day, func() {
		require.Len(t, w.sent, 5)
		require.Equal(t, copay.ReviewUnpaid, w.stored.Review.Kind)
		a = w.update(UpdateResolveReview, ResolveReview{Act: by(frontDesk, "k1"), Choice: copay.ChoiceWriteOff})
	})
	require.Equal(t, copay.StateWrittenOff, w.run(input()))
	require.Empty(t, a.code(t))
	require.EqualValues(t, w.journal["receivable"], w.journal["write_off"])
}

func TestPlatformThatIsDownParksVisibly(t *testing.T) {
	w := newWorld(t)
	w.fail["RequestLink"] = []error{down(), down(), down()}
	w.then(7*time.Minute, func() {
		require.Equal(t, copay.StateRequesting, w.stored.State)
		require.Contains(t, w.stored.NextAction, "try again")
		require.False(t, w.stored.NextActionAt.IsZero())
	})
	w.then(3*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.stored.Payments, 1, "the same request was tried again, not a second one")
}

func TestRefusalsGoToReviewAndRetryMendsThem(t *testing.T) {
	for _, tc := range []struct {
		step string
		kind copay.ReviewKind
	}{
		{"ReadCharge", copay.ReviewUnknownCharge}, {"RequestLink", copay.ReviewCollect},
		{"PostPayment", copay.ReviewPosting}, {"BookPayment", copay.ReviewAccounting},
	} {
		t.Run(tc.step, func(t *testing.T) {
			w := newWorld(t)
			w.fail[tc.step] = []error{refuse(integrations.KindInvalid)}
			w.then(time.Hour, func() {
				if w.stored.State == copay.StateAwaitingPayment {
					w.pays()
				}
			})
			w.then(2*time.Hour, func() {
				require.Equal(t, tc.kind, w.stored.Review.Kind)
				require.NotEmpty(t, w.stored.Review.Message)
				w.update(UpdateResolveReview, ResolveReview{Act: by(frontDesk, "k1"), Choice: copay.ChoiceRetry})
			})
			w.after(3*time.Hour, func() {
				if w.stored.State == copay.StateAwaitingPayment {
					w.pays()
				}
			})
			require.Equal(t, copay.StateSettled, w.run(input()))
		})
	}
}

func TestRejectedCredentialsAreNamed(t *testing.T) {
	w := newWorld(t)
	w.fail["RequestLink"] = []error{refuse(integrations.KindUnauthorized)}
	w.then(time.Hour, func() {
		require.Equal(t, copay.ReviewConfig, w.stored.Review.Kind)
		w.update(UpdateResolveReview, ResolveReview{Act: by(frontDesk, "k1"), Choice: copay.ChoiceCancel})
	})
	require.Equal(t, copay.StateCancelled, w.run(input()))
}

func TestDoubtsGoToAPerson(t *testing.T) {
	low := copay.Estimate{Kind: copay.EstimateOwed, Amount: copay.Cents(25_00), Confidence: 40}
	high := copay.Estimate{Kind: copay.EstimateOwed, Amount: copay.Cents(900_00), Confidence: 99}
	for name, tc := range map[string]struct {
		set    func(w *world)
		kind   copay.ReviewKind
		choice copay.Choice
		amount int64
	}{
		"low confidence":    {func(w *world) { w.est.Estimate = low }, copay.ReviewLowConfidence, copay.ChoiceProceed, 25_00},
		"set amount":        {func(w *world) { w.est.Estimate = low }, copay.ReviewLowConfidence, copay.ChoiceSetAmount, 40_00},
		"absurd amount":     {func(w *world) { w.est.Estimate = high }, copay.ReviewAmount, copay.ChoiceSetAmount, 40_00},
		"inactive coverage": {func(w *world) { w.checked.Status = copay.CoverageInactive }, copay.ReviewInactive, copay.ChoiceSelfPay, 145_00},
		"no coverage":       {func(w *world) { w.facts.Insured = false }, copay.ReviewNoCoverage, copay.ChoiceSetAmount, 40_00},
		"nothing to go by":  {func(w *world) { w.est.Estimate = copay.Estimate{Kind: copay.EstimateUnknown} }, copay.ReviewEligibility, copay.ChoiceSetAmount, 40_00},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tc.set(w)
			w.then(time.Hour, func() {
				require.Equal(t, tc.kind, w.stored.Review.Kind)
				in := ResolveReview{Act: by(frontDesk, "k1"), Choice: tc.choice}
				if tc.choice == copay.ChoiceSetAmount {
					m := copay.Cents(tc.amount)
					in.Amount = &m
				}
				w.act("", UpdateResolveReview, in)
			})
			w.then(2*time.Hour, w.pays)
			require.Equal(t, copay.StateSettled, w.run(input()))
			require.Equal(t, copay.Cents(tc.amount), w.stored.Amounts.Collected)
		})
	}
}

func TestNegativeAndForeignChargesAreNotAsked(t *testing.T) {
	for _, m := range []copay.Money{copay.Cents(-5_00), {Minor: 100_00, Currency: "EUR"}} {
		w := newWorld(t)
		w.facts.Facts.Billed = m
		w.then(time.Hour, func() {
			require.Equal(t, copay.ReviewAmount, w.stored.Review.Kind)
			w.update(UpdateResolveReview, ResolveReview{Act: by(frontDesk, "k1"), Choice: copay.ChoiceCancel})
		})
		require.Equal(t, copay.StateCancelled, w.run(input()))
		return
	}
}

func TestUnreachablePatientGoesToStaff(t *testing.T) {
	w := newWorld(t)
	w.reach = false
	w.then(time.Hour, func() {
		require.Equal(t, copay.ReviewNoContact, w.stored.Review.Kind)
		w.reach = true
		w.update(UpdateResolveReview, ResolveReview{Act: by(frontDesk, "k1"), Choice: copay.ChoiceRetry})
	})
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.sent, 2)
}

func TestStopEndsRemindersAtOnce(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		w.reach = false
		w.env.SignalWorkflow(SignalRecheck, nil)
	})
	w.then(2*time.Hour, func() { require.Equal(t, copay.StateNeedsReview, w.stored.State) })
	w.then(10*day, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Len(t, w.sent, 2, "nothing after STOP")
}

// deleted reports a deletion, true or not.
func (w *world) deleted(really bool) {
	w.facts.Deleted = really
	w.event("drchrono", integrations.EventChargeDeleted, "line", "")
}

func TestAReportedDeletionIsNotBelievedAsItIs(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.deleted(false) })
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	again := newWorldAfter(t, w)
	again.then(0, func() { again.deleted(false) })
	require.Equal(t, copay.StateSettled, again.run(input()))
	require.Empty(t, again.refunded)
}

func TestAPaidChargeThatWasDeletedGoesBack(t *testing.T) {
	w := settledWorld(t)
	w.fail["ReadCharge"] = []error{down()} // the EHR is down just then
	w.then(0, func() { w.deleted(true) })
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.Len(t, w.refunded, 1)
}

func TestALargePaymentOfADeletedChargeWaitsForAPerson(t *testing.T) {
	for approve, want := range map[bool]copay.State{true: copay.StateCancelled, false: copay.StateSettled} {
		w := bareWorld(t)
		w.est.Estimate.Amount = copay.Cents(140_00)
		w.then(time.Hour, w.pays)
		require.Equal(t, copay.StateSettled, w.run(input()))
		again := newWorldAfter(t, w)
		again.fail["ReadCharge"] = []error{refuse(integrations.KindNotFound)}
		again.then(0, func() { again.deleted(false) })
		again.then(time.Hour, func() {
			require.Equal(t, copay.ReviewRefundApproval, again.stored.Review.Kind)
			require.Empty(t, again.refunded)
			again.update(UpdateApproveRefund, ApproveRefund{Act: by(biller, "k1"), Refund: "ref-1", Approve: approve})
		})
		require.Equal(t, want, again.run(input()))
	}
}

func TestChargeDeletedInTheEHRWithdrawsTheRequest(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.deleted(true) })
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.Len(t, w.cancelled, 1)
	require.Zero(t, w.journal["receivable"])
}

func TestChangedChargeIsReadAgainAndAskedAnew(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() {
		w.est.Estimate.Amount = copay.Cents(40_00)
		w.event("drchrono", integrations.EventChargeChanged, "", "")
	})
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	require.Equal(t, copay.Cents(40_00), w.stored.Amounts.Collected)
	require.Len(t, w.cancelled, 1)
}

func TestFinishedCoPayIsANoOp(t *testing.T) {
	w := newWorld(t)
	w.stored = &copay.CoPay{ID: key.ID(), Key: key, State: copay.StateSettled, Counters: copay.Counters{Version: 7}}
	in := input()
	require.Equal(t, copay.StateSettled, w.run(in))
	require.Empty(t, w.calls, "a second start of a finished co-pay does nothing")
	require.EqualValues(t, 7, w.stored.Counters.Version)
}

func TestLongLifeHandsOver(t *testing.T) {
	w := newWorld(t)
	w.env.SetCurrentHistoryLength(maxHistory + 1)
	w.then(time.Hour, func() { w.env.SignalWorkflow(SignalRecheck, nil) })
	w.env.ExecuteWorkflow(CoPay, input())
	require.True(t, w.env.IsWorkflowCompleted())
	require.ErrorContains(t, w.env.GetWorkflowError(), "continue as new")
}

func TestHandedOverStateGoesOn(t *testing.T) {
	w := newWorld(t)
	in := input()
	w.stored = &copay.CoPay{ID: key.ID(), Key: key, State: copay.StateAwaitingPayment, Rail: copay.RailLink, Counters: copay.Counters{Requests: 1, Version: 3},
		RequestedAt: w.now(), Amounts: copay.Amounts{Requested: copay.Cents(25_00), Journaled: copay.Cents(25_00)}, Facts: &w.facts.Facts, Patient: "p1",
		Payments: []copay.Payment{{ID: "pay-1", Ref: copay.NewRef(key.ID(), copay.EffectRequest, 1), Rail: copay.RailLink, Platform: "stripe", PlatformID: "cs_1",
			Amount: copay.Cents(25_00), Status: copay.PaymentRequested, AskedAt: w.now(), ExpiresAt: w.now().Add(day)}}}
	in.Resume = &State{CoPay: *w.stored}
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(in))
	require.NotContains(t, w.calls, "ReadCharge", "nothing is done again")
}

func TestAwaitEstimateAnswersTheDeskAtOnce(t *testing.T) {
	w := newWorld(t)
	var a *answer
	w.then(0, func() { a = w.update(UpdateAwaitEstimate) })
	w.then(time.Hour, func() {
		require.True(t, a.done)
		require.Equal(t, copay.Cents(25_00), a.copay.Amounts.Requested)
		w.pays()
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

func TestQueueOfAThrottledPlatformIsUsed(t *testing.T) {
	c := &coPay{in: Input{Queues: map[string]string{PortPost: "copay-drchrono"}}}
	require.Equal(t, "copay-drchrono", c.queue(PortPost))
	require.Equal(t, TaskQueue, c.queue(PortCollect))
	_ = activities.PostInput{}
}

// Each line of the timeline that a platform's step left names the platform.
func TestWhoDidItIsThePlatformThatDidIt(t *testing.T) {
	first := newWorld(t)
	first.then(time.Hour, first.pays)
	require.Equal(t, copay.StateSettled, first.run(input()))
	w := newWorldAfter(t, first)
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "r"), Amount: copay.Cents(25_00)}) })
	require.Equal(t, copay.StateRefunded, w.run(input()))
	who := map[string]map[string]bool{}
	for _, e := range append(first.timeline, w.timeline...) {
		if who[e.Kind] == nil {
			who[e.Kind] = map[string]bool{}
		}
		who[e.Kind][e.Actor.ID] = true
	}
	for kind, want := range map[string][]string{"eligibility": {"availity"}, "requested": {"stripe"}, "sent": {"twilio", "sendgrid"}, "paid": {"stripe"},
		"posted": {"drchrono"}, "booked": {"quickbooks"}, "refunded": {"stripe"}} {
		actors := map[string]bool{}
		for _, p := range want {
			actors[copay.PlatformActor(copay.Platform(p)).ID] = true
		}
		require.Equal(t, actors, who[kind], kind)
	}
}
