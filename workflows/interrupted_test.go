package workflows

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// disputes lets the patient's bank open a dispute, or decide it.
func (w *world) disputes(payment int, status string) {
	p := w.stored.Payments[payment]
	if status == "lost" {
		left := p.Amount.Minor
		for ref, of := range w.refundOf {
			if of == p.Ref {
				left -= w.refunded[ref].Minor
			}
		}
		w.refunded["bank-"+p.Ref], w.refundOf["bank-"+p.Ref] = copay.Cents(left), "the bank's"
	}
	w.event("stripe", integrations.EventDispute, p.PlatformID, status)
}

// then does something once the workflow has run for d, which has to happen.
func (w *world) then(d time.Duration, f func()) {
	done := false
	w.after(d, func() { done = true; f() })
	w.expect = append(w.expect, func() { require.True(w.t, done, "it ended before %s", d) })
}

// answers is decides, and has to happen.
func (w *world) answers(at time.Duration, kind copay.ReviewKind, choice copay.Choice) {
	w.then(at, func() {
		require.Equal(w.t, copay.StateNeedsReview, w.stored.State)
		require.Equal(w.t, kind, w.stored.Review.Kind)
		w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, fmt.Sprint("answers-", kind, at)), Choice: choice})
	})
}

// deletes deletes the charge in the EHR and reports it.
func (w *world) deletes(id string) {
	w.facts.Deleted = true
	w.event("drchrono", integrations.EventChargeDeleted, "55910021", id)
}

// decidesOn is a second person's word about a refund.
func (w *world) decidesOn(refund string, approve bool) {
	w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "second-"+refund), Refund: copay.RefundID(refund), Approve: approve})
}

// paid is a co-pay of this amount that was paid by link and is settled.
func paid(t *testing.T, cents int64) *world {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(cents)
	w.then(time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	return newWorldAfter(t, w)
}

// unpost deletes our posting of a payment in the EHR and reports it.
func (w *world) unpost(payment int) {
	p := w.stored.Payments[payment]
	delete(w.posted, copay.Ref(string(w.stored.ID)+"-"+string(copay.EffectPost)+"-"+string(p.ID)[len("pay-"):]+p.Again))
	w.event("drchrono", integrations.EventPostingDeleted, p.PostedID, "")
}

// A second person is asked about the money of a deleted charge; the bank decides
// instead: nobody is asked whether the patient should pay again.
func TestTheBankTakesTheMoneyOfADeletedCharge(t *testing.T) {
	for _, part := range []bool{false, true} {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			w := paid(t, 140_00)
			if part { // another part is paid, of which nobody was asked
				w.then(0, func() { w.remits("era/1", 150_00) })
				w.answers(time.Minute, copay.ReviewTrueUp, copay.ChoiceRequest)
				w.then(2*time.Minute, w.pays)
				require.Equal(t, copay.StateSettled, w.run(input()))
				w = newWorldAfter(t, w)
			}
			w.then(0, func() { w.deletes("") })
			w.then(time.Hour, func() {
				require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
				w.disputes(0, "opened")
			})
			w.then(2*time.Hour, func() { w.disputes(0, "lost") })
			if part {
				w.then(3*time.Hour, func() {
					require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
					w.decidesOn("ref-1", true)
				})
			}
			w.after(day, func() {
				if !w.stored.State.Closed() {
					t.Errorf("%+v", w.stored.Review)
					w.act("", UpdateCancel, Cancel{by(biller, "c")})
				}
			})
			require.Equal(t, copay.StateCancelled, w.run(input()))
			require.Zero(t, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor)
		})
	}
}

// What to do about a posting that somebody deleted stays a person's decision,
// whatever comes between.
func TestADeletedPostingIsNotRenewedUnasked(t *testing.T) {
	for name, between := range map[string]func(*world){
		"refund":                  func(w *world) { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)}) },
		"refund at the processor": func(w *world) { w.processorGives(5_00) },
		"dispute": func(w *world) {
			w.disputes(0, "opened")
			w.then(time.Hour, func() { w.disputes(0, "won") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := settledWorld(t)
			w.then(0, func() { w.unpost(0) })
			w.then(time.Hour, func() {
				require.Equal(t, copay.ReviewPostingDeleted, w.stored.Review.Kind)
				between(w)
			})
			w.then(day, func() {
				require.Empty(t, w.posted, "it is posted again, and nobody said so")
				require.Equal(t, copay.StateNeedsReview, w.stored.State)
				require.Equal(t, copay.ReviewPostingDeleted, w.stored.Review.Kind)
			})
			w.answers(2*day, copay.ReviewPostingDeleted, copay.ChoiceRetry)
			require.Equal(t, copay.StateSettled, w.run(input()))
		})
	}
}

// The rest is paid while it is open what to do about the part's posting.
func TestARestThatIsPaidDoesNotRenewAPosting(t *testing.T) {
	w := newWorld(t)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 20_00)) })
	w.then(2*time.Hour, func() { w.unpost(1) })
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewPostingDeleted, w.stored.Review.Kind)
		w.act("", UpdateRecordPayment, cash("b", 5_00))
	})
	w.then(day, func() {
		require.Equal(t, copay.StateNeedsReview, w.stored.State)
		require.Equal(t, copay.ReviewPostingDeleted, w.stored.Review.Kind)
	})
	w.answers(2*day, copay.ReviewPostingDeleted, copay.ChoiceRetry)
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// processorGives gives money back at the processor's own desk.
func (w *world) processorGives(cents int64) {
	p := w.stored.Payments[0]
	w.refundOf["desk"], w.refunded["desk"] = p.Ref, copay.Cents(cents)
	w.event("stripe", integrations.EventRefund, p.PlatformID, "succeeded")
}

// What the bank took is a person's decision, also when a posting goes meanwhile.
func TestADeletedPostingDoesNotAnswerWhatTheBankTook(t *testing.T) {
	w := settledWorld(t) // 25 by link
	w.then(0, func() { w.remits("era/1", 40_00) })
	w.answers(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.disputes(0, "opened") })
	w.then(time.Hour, func() { w.disputes(0, "lost") })
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.ReviewDispute, w.stored.Review.Kind)
		w.unpost(1)
	})
	w.answers(3*time.Hour, copay.ReviewPostingDeleted, copay.ChoiceRetry)
	w.then(20*day, func() {
		require.Empty(t, w.sent, "the patient is asked for what the bank took, and nobody has decided that")
		require.Equal(t, copay.ReviewDispute, w.stored.Review.Kind)
		w.act("", UpdateWaive, Waive{by(biller, "w")})
	})
	require.Equal(t, copay.StateWaived, w.run(input()))
}

// asksAboutPlan is a co-pay of which 25 were paid by link and 15 more are asked
// for, when the plan turns out not to be active: a person is asked.
func asksAboutPlan(t *testing.T) (w *world, before *int) {
	w = settledWorld(t)
	before = new(int)
	w.then(0, func() { w.remits("era/1", 40_00) })
	w.answers(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.StateAwaitingPayment, w.stored.State)
		w.checked.Status = copay.CoverageInactive
		w.event("drchrono", integrations.EventPatientChanged, "p1", "")
	})
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewInactive, w.stored.Review.Kind)
		*before = len(w.sent)
	})
	return w, before
}

// The question what to do about a plan outlives what happens to the money.
func TestMoneyDoesNotAnswerTheQuestionOfThePlan(t *testing.T) {
	for name, between := range map[string]func(*world){
		"refund at the processor": func(w *world) { w.processorGives(5_00) },
		"dispute while a refund waits": func(w *world) {
			w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(20_00)})
			w.then(time.Hour, func() { w.disputes(0, "opened") })
			w.then(2*time.Hour, func() { w.disputes(0, "won") })
			w.then(3*time.Hour, func() { w.decidesOn("ref-1", false) })
		},
		"a posting that is gone": func(w *world) {
			w.unpost(0)
			w.answers(time.Hour, copay.ReviewPostingDeleted, copay.ChoiceRetry)
		},
		"a refund that bounces": func(w *world) {
			w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)})
			w.then(time.Hour, func() {
				r := w.stored.Refunds[0]
				delete(w.refunded, r.Ref)
				w.event("stripe", integrations.EventRefund, r.PlatformID, refundFailed)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, before := asksAboutPlan(t)
			in := input()
			in.Policy.RefundApprovalAbove = copay.Cents(10_00)
			w.then(4*time.Hour, func() { between(w) })
			w.then(5*day, func() {
				require.Equal(t, *before, len(w.sent), "the patient is reminded though the question is open")
				require.Equal(t, copay.StateNeedsReview, w.stored.State)
				require.Equal(t, copay.ReviewInactive, w.stored.Review.Kind)
				w.act("", UpdateWaive, Waive{by(biller, "w")})
			})
			w.run(in)
		})
	}
}

// A coverage that is being looked at is looked at again after what happens to the
// money meanwhile.
func TestMoneyDoesNotEndTheLookAtThePlan(t *testing.T) {
	for name, between := range map[string]func(*world){
		"refund at the processor": func(w *world) { w.processorGives(5_00) },
		"dispute": func(w *world) {
			w.disputes(0, "opened")
			w.then(time.Second, func() { w.disputes(0, "lost") })
			w.after(2*day, func() {
				if w.stored.Review != nil && w.stored.Review.Kind == copay.ReviewDispute {
					w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "ask"), Choice: copay.ChoiceRequest})
				}
			})
		},
		"a refund that waits, and a dispute": func(w *world) {
			w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(20_00)})
			w.then(time.Hour, func() { w.disputes(0, "opened") })
			w.then(2*time.Hour, func() { w.disputes(0, "won") })
			w.then(3*time.Hour, func() { w.decidesOn("ref-1", false) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := settledWorld(t)
			in := input()
			in.Policy.RefundApprovalAbove = copay.Cents(10_00)
			before := 0
			w.then(0, func() { w.remits("era/1", 40_00) })
			w.answers(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
			w.then(2*time.Hour, func() {
				require.Equal(t, copay.StateAwaitingPayment, w.stored.State)
				before = len(w.sent)
				w.est.Estimate = copay.Estimate{Kind: copay.EstimateZeroByRule, Amount: copay.Cents(0), Rule: "qmb", Confidence: 100}
				for range 5 {
					w.fail["CheckEligibility"] = append(w.fail["CheckEligibility"], unavailable())
				}
				w.event("drchrono", integrations.EventPatientChanged, "p1", "")
			})
			w.then(2*time.Hour+2*time.Second, func() {
				between(w)
			})
			w.after(10*day, func() {
				require.Equal(t, before, len(w.sent), "somebody who must not be billed is reminded")
				if r := w.stored.Review; r != nil && r.Kind == copay.ReviewRefundApproval {
					for _, r := range w.stored.Refunds {
						if r.Status == copay.RefundAwaiting {
							w.decidesOn(string(r.ID), true)
						}
					}
				}
			})
			w.after(11*day, func() {
				if !w.stored.State.Closed() {
					t.Errorf("%s %+v", w.stored.State, w.stored.Review)
					w.act("", UpdateCancel, Cancel{by(biller, "c")})
				}
			})
			w.run(in)
			require.Equal(t, before, len(w.sent), "somebody who must not be billed is reminded")
			require.Zero(t, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor)
		})
	}
}

// partRejected is a cancelled co-pay of a deleted charge: 80 went back, of 70 a
// second person said that they stay.
func partRejected(t *testing.T) *world {
	w := paid(t, 80_00)
	w.then(0, func() { w.remits("era/1", 150_00) })
	w.answers(time.Minute, copay.ReviewTrueUp, copay.ChoiceRequest)
	w.then(2*time.Minute, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.deletes("") })
	w.then(time.Hour, func() {
		require.Len(t, w.stored.Refunds, 2)
		for _, r := range w.stored.Refunds {
			w.decidesOn(string(r.ID), r.Payment == "pay-1")
		}
	})
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.EqualValues(t, 70_00, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor)
	return newWorldAfter(t, w)
}

// News of the patient do not overrule a second person.
func TestWhatStaysOfADeletedChargeStays(t *testing.T) {
	w := partRejected(t)
	w.then(0, func() { w.event("drchrono", integrations.EventPatientChanged, "p1", "") })
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.EqualValues(t, 70_00, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor, "what a second person kept went back")
}

// A deletion that is reported again is no way around them either.
func TestADeletionReportedAgainAsksAgain(t *testing.T) {
	w := paid(t, 140_00)
	w.then(0, func() { w.deletes("") })
	w.then(time.Hour, func() { w.decidesOn("ref-1", false) })
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(50_00)}) })
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.deletes("again") })
	w.then(day, func() {
		require.Len(t, w.refunded, 1, "what a second person kept goes back")
		require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
		w.decidesOn("ref-3", false)
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// The rest was waived, or is written off; the payer says that less was owed than was paid.
func TestTooMuchIsGivenBackAlsoWhenTheRestWasWaived(t *testing.T) {
	for _, first := range []string{"waiver", "remittance"} {
		for _, choice := range []copay.Choice{copay.ChoiceRefund, copay.ChoiceProceed} {
			t.Run(first+" "+string(choice), func(t *testing.T) {
				w := newWorld(t)
				w.est.Estimate.Amount = copay.Cents(100_00)
				w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 80_00)) })
				if first == "remittance" {
					w.then(2*time.Hour, func() { w.remits("era/1", 50_00) })
				}
				w.then(3*time.Hour, func() { w.act("", UpdateWaive, Waive{by(biller, "w")}) })
				if first == "waiver" {
					require.Equal(t, copay.StateWaived, w.run(input()))
					w = newWorldAfter(t, w)
					w.then(0, func() { w.remits("era/1", 50_00) })
				}
				w.answers(4*time.Hour, copay.ReviewTrueUp, choice)
				if choice == copay.ChoiceRefund {
					w.answers(5*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
				}
				require.Equal(t, copay.StateWaived, w.run(input()))
				want := map[copay.Choice]int64{copay.ChoiceRefund: 50_00, copay.ChoiceProceed: 80_00}[choice]
				require.EqualValues(t, want, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor)
			})
		}
	}
}

// While a refund waits for a second person, somebody gives it back at the
// processor's own desk.
func TestARefundThatWasMadeAtTheProcessorIsNotApproved(t *testing.T) {
	for _, cents := range []int64{60_00, 100_00} { // the same, or more than leaves it
		t.Run(fmt.Sprint(cents), func(t *testing.T) {
			w := paid(t, 140_00)
			in := input()
			in.Policy.RefundApprovalAbove = copay.Cents(10_00)
			w.then(0, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(60_00)}) })
			w.then(time.Hour, func() { w.processorGives(cents) })
			w.after(2*time.Hour, func() {
				w.update(UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "k2"), Refund: "ref-1", Approve: true})
			})
			w.after(day, func() {
				if !w.stored.State.Closed() {
					w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "k3"), Choice: copay.ChoiceProceed})
				}
			})
			w.run(in)
			require.EqualValues(t, 140_00-cents, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor, "it went back twice")
		})
	}
}

// The bank has taken a part; the practice gives the rest back at the processor,
// which counts only that as given back.
func TestWhatTheBankTookIsNotWhatThePracticeGave(t *testing.T) {
	w := settledWorld(t)
	ten := copay.Cents(10_00)
	p := w.stored.Payments[0]
	says := func(id, status string) {
		w.env.SignalWorkflow(SignalEvent, Event{ID: id, Platform: "stripe", Kind: string(integrations.EventDispute), Object: p.PlatformID, Status: status, Amount: &ten, At: w.now()})
	}
	w.then(0, func() { says("d1", "opened") })
	w.then(time.Hour, func() {
		w.refunded["bank"], w.refundOf["bank"] = ten, "the bank's"
		says("d2", "lost")
	})
	w.answers(2*time.Hour, copay.ReviewDispute, copay.ChoiceWriteOff)
	require.Equal(t, copay.StateWrittenOff, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.processorGives(15_00) })
	w.run(input())
	require.Equal(t, copay.Cents(25_00), w.stored.Amounts.Refunded)
}

// A refund waits for a second person when it turns out that nothing may be asked:
// they are asked before the co-pay ends.
func TestARefundThatWaitsOutlivesThatNothingIsDue(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Amount = copay.Cents(140_00)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 120_00)) })
	w.then(2*time.Hour, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "r"), Amount: copay.Cents(120_00)}) })
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
		w.est.Estimate = copay.Estimate{Kind: copay.EstimateZeroByRule, Rule: "QMB"}
		w.act("", UpdateOverrideAmount, OverrideAmount{by(biller, "o"), copay.Cents(120_00)})
	})
	w.then(4*time.Hour, func() {
		require.Equal(t, copay.StateNeedsReview, w.stored.State)
		require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
		w.decidesOn("ref-1", true)
	})
	w.then(5*time.Hour, func() {
		if !w.stored.State.Closed() {
			w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "h"), Choice: copay.ChoiceDone})
		}
	})
	w.run(input())
	require.Zero(t, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor)
}

// Somebody deletes the posting of what was paid before the rest was waived.
func TestADeletedPostingIsSeenAlsoWhenTheRestWasWaived(t *testing.T) {
	t.Run("disputed", func(t *testing.T) {
		w := paid(t, 80_00)
		w.then(0, func() { w.remits("era/1", 100_00) })
		w.answers(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
		w.then(2*time.Hour, func() { w.act("", UpdateWaive, Waive{by(biller, "w")}) })
		require.Equal(t, copay.StateWaived, w.run(input()))
		w = newWorldAfter(t, w)
		w.then(0, func() { w.disputes(0, "opened") })
		require.Equal(t, copay.StateWaived, w.run(input()))
		w = newWorldAfter(t, w)
		w.then(0, func() { w.unpost(0) })
		w.answers(time.Hour, copay.ReviewPostingDeleted, copay.ChoiceRetry)
		w.then(2*time.Hour, func() { w.disputes(0, "won") })
		require.Equal(t, copay.StateWaived, w.run(input()))
	})
	for _, choice := range []copay.Choice{copay.ChoiceRetry, copay.ChoiceDone} {
		t.Run(string(choice), func(t *testing.T) {
			w := waivedRest(t)
			const n = 1 // the cash
			w.then(0, func() { w.unpost(n) })
			w.then(time.Hour, func() {
				if choice == copay.ChoiceDone { // posted by hand
					w.posted["by hand"] = copay.Cents(120_00)
				}
			})
			w.answers(2*time.Hour, copay.ReviewPostingDeleted, choice)
			require.Equal(t, copay.StateWaived, w.run(input()))
			require.Empty(t, w.stored.After)
		})
	}
}

// Cash is taken and to be given back before anything else has happened.
func TestARefundAtTheVeryBeginningIsRejected(t *testing.T) {
	w := newWorld(t)
	in := input()
	in.Policy.RefundApprovalAbove = copay.Cents(3_00)
	w.est.Estimate.Amount = copay.Cents(20_00)
	w.then(0, func() {
		w.act("", UpdateRecordPayment, cash("a", 20_00))
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(5_00)})
	})
	w.then(time.Hour, func() { w.decidesOn("ref-1", false) })
	require.Equal(t, copay.StateSettled, w.run(in))
}

// Two refunds wait; when the first has gone back, the second is not forgotten.
func TestASecondRefundThatWaitsIsNotForgotten(t *testing.T) {
	w := newWorld(t)
	in := input()
	in.Policy.RefundApprovalAbove = copay.Cents(3_00)
	for range 6 {
		w.fail["CheckEligibility"] = append(w.fail["CheckEligibility"], unavailable())
	}
	w.est.Estimate = copay.Estimate{Kind: copay.EstimateNothing, Confidence: 95}
	w.then(2*time.Second, func() { w.act("", UpdateRecordPayment, cash("a", 20_00)) })
	w.then(3*time.Second, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(15_00)}) })
	w.then(4*time.Second, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k2"), Amount: copay.Cents(5_00)}) })
	w.then(time.Hour, func() { w.decidesOn("ref-1", true) })
	w.answers(2*time.Hour, copay.ReviewHandBack, copay.ChoiceDone)
	w.then(day, func() {
		require.Equal(t, copay.StateNeedsReview, w.stored.State)
		require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
		w.decidesOn("ref-2", true)
	})
	w.then(day+time.Hour, func() {
		require.Equal(t, copay.ReviewHandBack, w.stored.Review.Kind)
		w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "hb2"), Choice: copay.ChoiceDone})
	})
	w.run(in)
	require.Zero(t, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor)
}

// Nobody sets another amount over the question what becomes of a deleted charge,
// or over cash that has to be handed back.
func TestAnotherAmountIsNotSetWhileMoneyIsToGoBack(t *testing.T) {
	t.Run("deleted", func(t *testing.T) {
		w := partThenDeleted(t)
		before := 0
		w.then(3*time.Hour, func() {
			before = len(w.sent)
			w.act(copay.CodePrecondition, UpdateOverrideAmount, OverrideAmount{Act: by(biller, "o"), Amount: copay.Cents(130_00)})
		})
		w.then(10*day, func() {
			require.Equal(t, before, len(w.sent), "the patient is asked for a part of a charge that was deleted")
			w.decidesOn("ref-1", true)
		})
		w.answers(11*day, copay.ReviewHandBack, copay.ChoiceDone)
		require.Equal(t, copay.StateCancelled, w.run(input()))
	})
	t.Run("hand back", func(t *testing.T) {
		w := newWorld(t)
		w.est.Estimate.Amount = copay.Cents(140_00)
		in := input()
		in.Policy.RefundApprovalAbove = copay.Cents(3_00)
		w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 120_00)) })
		w.then(2*time.Hour, func() { w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(100_00)}) })
		w.then(3*time.Hour, func() { w.decidesOn("ref-1", true) })
		w.then(4*time.Hour, func() {
			require.Equal(t, copay.ReviewHandBack, w.stored.Review.Kind)
			w.act(copay.CodePrecondition, UpdateOverrideAmount, OverrideAmount{Act: by(biller, "o"), Amount: copay.Cents(130_00)})
		})
		w.answers(10*day, copay.ReviewHandBack, copay.ChoiceDone)
		w.then(11*day, func() { w.act("", UpdateWaive, Waive{by(biller, "w")}) })
		require.Equal(t, copay.StateWaived, w.run(in))
	})
}

// A co-pay is being cancelled when one payment is disputed and the page of the rest
// is paid all the same.
func TestMoneyThatComesDuringTheDisputeOfACancelledCoPay(t *testing.T) {
	w := settledWorld(t) // 25 by link
	w.then(0, func() { w.remits("era/1", 40_00) })
	w.answers(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
	w.then(2*time.Hour, func() {
		w.fail["CancelRequest"] = []error{refuse(integrations.KindInvalid)}
		w.act("", UpdateCancel, Cancel{by(biller, "c")})
	})
	w.then(3*time.Hour, func() {
		require.Equal(t, copay.ReviewCompensation, w.stored.Review.Kind)
		w.disputes(0, "opened")
	})
	w.then(4*time.Hour, func() {
		require.Equal(t, copay.StateDisputed, w.stored.State)
		w.pays()
	})
	w.then(5*time.Hour, func() { w.disputes(0, "won") })
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.Zero(t, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor)
}

// All of one payment went back; then somebody deletes its first posting in the EHR,
// and the reversal stands there alone.
func TestAPostingDeletedBehindItsReversalIsPostedAgain(t *testing.T) {
	w := settledWorld(t) // 25 by link
	w.then(0, func() { w.remits("era/1", 40_00) })
	w.answers(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
	w.then(2*time.Hour, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() {
		w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Payment: "pay-1", Amount: copay.Cents(25_00)})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.unpost(0) })
	w.answers(time.Hour, copay.ReviewPostingDeleted, copay.ChoiceRetry)
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// It turns out that the patient must not be billed, a second person is asked, and
// the bank decides instead.
func TestTheBankMakesNoDebtorOfSomebodyWhoMustNotBeBilled(t *testing.T) {
	w := paid(t, 140_00)
	w.then(0, func() {
		w.est.Estimate = copay.Estimate{Kind: copay.EstimateZeroByRule, Amount: copay.Cents(0), Rule: "qmb", Confidence: 100}
		w.event("drchrono", integrations.EventEligibility, "x", "")
	})
	w.then(time.Hour, func() {
		require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
		w.disputes(0, "opened")
	})
	w.then(2*time.Hour, func() { w.disputes(0, "lost") })
	w.after(day, func() {
		if w.stored.Review != nil { // it has ended, or nobody may ask
			w.update(UpdateResolveReview, ResolveReview{Act: by(biller, "ask"), Choice: copay.ChoiceRequest})
		}
	})
	w.after(10*day, func() {
		if !w.stored.State.Closed() {
			t.Errorf("%s %+v", w.stored.State, w.stored.Review)
			w.act("", UpdateCancel, Cancel{by(biller, "c")})
		}
	})
	w.run(input())
	require.Empty(t, w.sent)
	require.NotContains(t, w.calls, "RequestLink")
}

// A charge is deleted while the bank is at the money of a co-pay whose rest was given up.
func TestADeletionIsNotForgottenWhileTheBankIsAtAWaivedCoPay(t *testing.T) {
	for _, status := range []string{"won", "lost"} {
		t.Run(status, func(t *testing.T) {
			w := paid(t, 80_00)
			w.then(0, func() { w.remits("era/1", 100_00) })
			w.answers(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
			w.then(2*time.Hour, func() { w.act("", UpdateWaive, Waive{by(biller, "w")}) })
			require.Equal(t, copay.StateWaived, w.run(input()))
			w = newWorldAfter(t, w)
			w.then(0, func() { w.disputes(0, "opened") })
			require.Equal(t, copay.StateWaived, w.run(input()))
			w = newWorldAfter(t, w)
			w.then(0, func() { w.deletes("") })
			w.then(day, func() {
				require.Empty(t, w.refunded, "money goes back that the bank holds")
				w.disputes(0, status)
			})
			if s := w.run(input()); s != copay.StateCancelled {
				w = newWorldAfter(t, w)
				w.then(0, func() { w.disputes(0, status) })
				require.Equal(t, copay.StateCancelled, w.run(input()))
			}
			require.Zero(t, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor)
		})
	}
}

// The return of early cash is rejected before the charge is entered again.
func TestARejectedReturnOfEarlyCashIsNotAskedAgain(t *testing.T) {
	w := newWorld(t)
	w.est.Estimate.Confidence = 10
	w.est.Estimate.Amount = copay.Cents(120_00)
	w.then(time.Hour, func() { w.act("", UpdateRecordPayment, cash("a", 120_00)) })
	w.then(2*time.Hour, func() { w.deletes("") })
	w.then(3*time.Hour, func() { w.decidesOn("ref-1", false) })
	w.answers(4*time.Hour, copay.ReviewLowConfidence, copay.ChoiceRetry) // the EHR is asked
	w.then(5*time.Hour, func() {
		require.Len(t, w.stored.Refunds, 1)
		require.Equal(t, copay.ReviewUnknownCharge, w.stored.Review.Kind)
		w.facts.Deleted = false // entered again
		w.est.Estimate.Confidence = 95
		w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "again"), Choice: copay.ChoiceRetry})
	})
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// A posting is deleted while the bank is at the payment: the question is not passed
// over by setting or waiving what is paid already.
func TestADeletedPostingIsNotPassedOverDuringADispute(t *testing.T) {
	w := settledWorld(t)
	w.then(0, func() { w.disputes(0, "opened") })
	w.then(time.Hour, func() { w.unpost(0) })
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.ReviewPostingDeleted, w.stored.Review.Kind)
		w.act(copay.CodePrecondition, UpdateOverrideAmount, OverrideAmount{Act: by(biller, "o"), Amount: copay.Cents(25_00)})
		w.act(copay.CodePrecondition, UpdateWaive, Waive{by(biller, "w")})
	})
	w.then(3*time.Hour, func() { w.disputes(0, "won") })
	w.answers(4*time.Hour, copay.ReviewPostingDeleted, copay.ChoiceRetry)
	require.Equal(t, copay.StateSettled, w.run(input()))
}

// A part is disputed before it was posted, the rest is waived, and the dispute is won.
func TestWhatTheBankGivesBackIsPostedAlsoWhenTheRestWasWaived(t *testing.T) {
	w := settledWorld(t) // 25 by link
	w.then(0, func() { w.remits("era/1", 40_00) })
	w.answers(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
	w.then(2*time.Hour, func() {
		w.act("", UpdateOverrideAmount, OverrideAmount{Act: by(biller, "o"), Amount: copay.Cents(60_00)})
		for range 5 { // it is paid and disputed while the payer is asked
			w.fail["CheckEligibility"] = append(w.fail["CheckEligibility"], unavailable())
		}
		w.event("drchrono", integrations.EventPatientChanged, "p1", "")
		w.pays()
	})
	w.then(2*time.Hour+time.Second, func() { w.disputes(1, "opened") })
	w.then(3*time.Hour, func() { w.act("", UpdateWaive, Waive{by(biller, "w")}) })
	w.then(day, func() { w.disputes(1, "won") })
	require.Equal(t, copay.StateWaived, w.run(input()))
	require.Len(t, w.posted, 2)
}

// A dispute is about a part: no more than that is taken, however often its end is told.
func TestTheBankTakesNoMoreThanADisputeIsAbout(t *testing.T) {
	tell := func(w *world, id, status string) {
		p, part := w.stored.Payments[0], copay.Cents(10_00)
		w.env.SignalWorkflow(SignalEvent, Event{ID: id, Platform: "stripe", Kind: string(integrations.EventDispute), Object: p.PlatformID, Status: status, Amount: &part})
	}
	for _, status := range []string{"won", "lost", "lost at once"} {
		t.Run(status, func(t *testing.T) {
			w := settledWorld(t) // 25
			if status != "lost at once" {
				w.then(0, func() { tell(w, "1", "opened") })
			}
			w.then(0, func() {
				end := "won"
				if status != "won" {
					end = "lost"
					w.refunded["bank"], w.refundOf["bank"] = copay.Cents(10_00), "the bank's"
				}
				tell(w, "2", end)
				tell(w, "3", end)
			})
			if status != "won" {
				w.then(time.Hour, func() {
					require.Equal(t, copay.ReviewDispute, w.stored.Review.Kind)
					require.EqualValues(t, 10_00, w.stored.Amounts.Outstanding().Minor)
					tell(w, "4", "lost")
				})
				w.answers(2*time.Hour, copay.ReviewDispute, copay.ChoiceWriteOff)
				require.Equal(t, copay.StateWrittenOff, w.run(input()))
				return
			}
			require.Equal(t, copay.StateSettled, w.run(input()))
		})
	}
}

// A second person kept one payment of a deleted charge, and the bank takes the other:
// what was kept stays, and nobody is asked again.
func TestWhatStaysOfADeletedChargeStaysWhenTheBankTakesTheRest(t *testing.T) {
	w := paid(t, 80_00)
	w.then(0, func() { w.remits("era/1", 150_00) })
	w.answers(time.Minute, copay.ReviewTrueUp, copay.ChoiceRequest)
	w.then(2*time.Minute, w.pays)
	require.Equal(t, copay.StateSettled, w.run(input()))
	w = newWorldAfter(t, w)
	w.then(0, func() { w.deletes("") })
	w.then(time.Hour, func() {
		for _, r := range w.stored.Refunds {
			if r.Payment == "pay-1" {
				w.decidesOn(string(r.ID), false)
			}
		}
	})
	w.then(2*time.Hour, func() { w.disputes(1, "opened") })
	w.then(3*time.Hour, func() { w.disputes(1, "lost") })
	require.Equal(t, copay.StateCancelled, w.run(input()))
	require.EqualValues(t, 80_00, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor)
	w = newWorldAfter(t, w)
	w.then(0, func() { w.event("drchrono", integrations.EventPatientChanged, "p1", "") })
	require.Equal(t, copay.StateCancelled, w.run(input()))
}

// A remittance comes to a settled co-pay while something else is asked: it is
// compared when that is answered.
func TestARemittanceThatComesDuringAnotherQuestionIsCompared(t *testing.T) {
	t.Run("late money", func(t *testing.T) {
		w := newWorld(t)
		w.then(time.Hour, func() {
			w.act("", UpdateOverrideAmount, OverrideAmount{Act: by(biller, "o"), Amount: copay.Cents(30_00)})
		})
		w.then(2*time.Hour, w.pays)
		require.Equal(t, copay.StateSettled, w.run(input()))
		w = newWorldAfter(t, w)
		w.then(0, func() { // the first page was paid just before it was withdrawn
			w.fail["RefundPayment"] = []error{down()}
			p := w.stored.Payments[0]
			w.captured[p.Ref] = p.Amount
			w.event("stripe", integrations.EventPayment, p.PlatformID, string(copay.PaymentCaptured))
		})
		w.then(time.Minute, func() {
			require.Equal(t, copay.StateRefunding, w.stored.State)
			w.remits("era/1", 10_00)
		})
		w.answers(time.Hour, copay.ReviewTrueUp, copay.ChoiceRefund)
		require.Equal(t, copay.StateSettled, w.run(input()))
	})
	for _, about := range []string{"refund", "posting"} {
		t.Run(about, func(t *testing.T) {
			w := paid(t, 140_00)
			w.then(0, func() {
				if about == "refund" {
					w.act("", UpdateRefund, Refund{Act: by(biller, "k1"), Amount: copay.Cents(120_00)})
				} else {
					w.unpost(0)
				}
			})
			w.then(time.Hour, func() { w.remits("era/1", 50_00) })
			w.then(2*time.Hour, func() {
				if about == "refund" {
					w.decidesOn("ref-1", false)
				} else {
					w.posted["by hand"] = copay.Cents(140_00)
					w.act("", UpdateResolveReview, ResolveReview{Act: by(biller, "d"), Choice: copay.ChoiceDone})
				}
			})
			w.answers(3*time.Hour, copay.ReviewTrueUp, copay.ChoiceProceed)
			require.Equal(t, copay.StateSettled, w.run(input()))
		})
	}
}

// Nothing turns out to be due, a second person is asked about what was paid, and the
// bank takes it instead: that is no debt, all or a part.
func TestTheBankTakesWhatWasNotDue(t *testing.T) {
	for _, part := range []bool{false, true} {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			w := newWorld(t)
			w.est.Estimate.Amount = copay.Cents(140_00)
			w.then(time.Hour, func() {
				w.est.Estimate = copay.Estimate{Kind: copay.EstimateNothing, Confidence: 95}
				for range 5 { // it is paid while the payer is asked
					w.fail["CheckEligibility"] = append(w.fail["CheckEligibility"], unavailable())
				}
				w.event("drchrono", integrations.EventPatientChanged, "p1", "")
				w.pays()
			})
			w.then(2*time.Hour, func() {
				require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind)
				w.disputes(0, "opened")
			})
			w.then(3*time.Hour, func() {
				if !part {
					w.disputes(0, "lost")
					return
				}
				p, about := w.stored.Payments[0], copay.Cents(40_00)
				w.refunded["bank"], w.refundOf["bank"] = about, "the bank's"
				w.env.SignalWorkflow(SignalEvent, Event{ID: "d", Platform: "stripe", Kind: string(integrations.EventDispute), Object: p.PlatformID, Status: "lost", Amount: &about})
			})
			if part {
				w.then(4*time.Hour, func() {
					require.Equal(t, copay.ReviewRefundApproval, w.stored.Review.Kind, "%+v", w.stored.Review)
					w.act("", UpdateApproveRefund, ApproveRefund{Act: by(frontDesk, "a"), Refund: "ref-1", Approve: true})
				})
			}
			require.Equal(t, copay.StateRefunded, w.run(input()))
			require.Zero(t, w.stored.Amounts.Collected.Minor-w.stored.Amounts.Refunded.Minor)
		})
	}
}

// The charge is deleted while the bank decides about one part of what is owed:
// nobody is asked for the other part meanwhile.
func TestNobodyIsAskedForAPartOfADeletedChargeWhileTheBankDecides(t *testing.T) {
	w := settledWorld(t)
	owes := copay.Cents(40_00)
	w.then(0, func() {
		w.env.SignalWorkflow(SignalEvent, Event{ID: "era", Platform: "drchrono", Kind: string(integrations.EventRemittance), Amount: &owes, At: w.now()})
	})
	w.decides(time.Hour, copay.ReviewTrueUp, copay.ChoiceRequest)
	w.then(2*time.Hour, func() {
		require.Equal(t, copay.StateAwaitingPayment, w.stored.State)
		w.dispute("d1", "opened", w.now())
	})
	w.then(3*time.Hour, func() {
		w.event("drchrono", integrations.EventPostingDeleted, w.stored.Payments[0].PostedID, "")
		clear(w.posted)
	})
	w.decides(4*time.Hour, copay.ReviewPostingDeleted, copay.ChoiceRetry)
	asked := 0
	w.then(5*time.Hour, func() {
		require.Equal(t, copay.StateAwaitingPayment, w.stored.State)
		require.Equal(t, copay.PaymentDisputed, w.stored.Payments[0].Status)
		asked = len(w.sent)
		w.facts.Deleted = true
		w.event("drchrono", integrations.EventChargeDeleted, "", "")
	})
	w.then(30*day, func() {
		require.Len(t, w.sent, asked, "the patient is reminded")
		require.Equal(t, "wait for the bank's decision", w.stored.NextAction)
		w.dispute("d2", "won", w.now())
	})
	require.Equal(t, copay.StateCancelled, w.run(input()))
}
