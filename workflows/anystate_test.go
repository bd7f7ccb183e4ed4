package workflows

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// inState is a co-pay that has come to a state, with or without money.
func inState(s copay.State, paid bool, cents int64) *coPay {
	at := time.Date(2026, 11, 24, 16, 0, 0, 0, time.UTC)
	c := &coPay{in: input(), opened: true, rules: Rules, now: func() time.Time { return at },
		p: &copay.CoPay{ID: key.ID(), Key: key, State: s, Facts: &copay.ChargeFacts{Billed: copay.Cents(145_00)}, Rail: copay.RailLink,
			Estimate: &copay.Estimate{Kind: copay.EstimateOwed, Amount: copay.Cents(cents)}, RequestedAt: at}}
	c.p.Amounts = copay.Amounts{Billed: copay.Cents(145_00), Requested: copay.Cents(cents), Journaled: copay.Cents(cents)}
	pay := copay.Payment{ID: "pay-1", Ref: copay.NewRef(key.ID(), copay.EffectRequest, 1), Platform: "stripe", PlatformID: "cs_1", Rail: copay.RailLink,
		Amount: copay.Cents(cents), Status: copay.PaymentRequested, AskedAt: at}
	if paid {
		pay.Status, pay.CapturedAt, pay.PostedID, pay.BookedID = copay.PaymentCaptured, at, "post-1", "book-1"
		c.p.Amounts.Collected = copay.Cents(cents)
	}
	if s == copay.StateDisputed {
		pay.Status = copay.PaymentDisputed
	}
	if s == copay.StateNeedsReview {
		c.p.Review = &copay.Review{Kind: copay.ReviewPosting, Back: copay.StatePosting, Payment: "pay-1"}
	}
	if s == copay.StateRefunding {
		c.p.Refunds = []copay.Refund{{ID: "ref-1", Ref: "r", Payment: "pay-1", Amount: copay.Cents(cents), Status: copay.RefundPending}}
	}
	c.p.Payments = []copay.Payment{pay}
	return c
}

// Facts arrive late, twice and out of order, and staff act at any moment. A
// transition that is forbidden panics, which would hold the co-pay up until a
// new release: nothing that can come may lead to one.
func TestNothingThatCanComeIsForbiddenByTheStates(t *testing.T) {
	t.Parallel()
	ten := copay.Cents(10_00)
	facts := []Event{}
	for _, k := range []integrations.EventKind{integrations.EventChargeCreated, integrations.EventChargeChanged, integrations.EventChargeDeleted,
		integrations.EventVisitChanged, integrations.EventEligibility, integrations.EventPatientChanged, integrations.EventRefund, integrations.EventMessageStatus,
		integrations.EventMessageOptOut, integrations.EventMessageOptIn, integrations.EventMessageInbound, integrations.EventAddressBad} {
		facts = append(facts, Event{Kind: string(k), Object: "cs_1"})
	}
	for _, s := range []string{"captured", "failed", "expired", "processing", "cancelled", "requested"} {
		facts = append(facts, Event{Kind: string(integrations.EventPayment), Object: "cs_1", Status: s})
	}
	for _, s := range []string{"opened", "won", "lost"} {
		facts = append(facts, Event{Kind: string(integrations.EventDispute), Object: "cs_1", Status: s})
	}
	facts = append(facts, Event{Kind: string(integrations.EventPostingDeleted), Object: "post-1"}, Event{Kind: string(integrations.EventRemittance), Amount: &ten})

	acts := map[string]func(c *coPay) error{
		"override": func(c *coPay) error {
			in := OverrideAmount{by(biller, "k"), copay.Cents(30_00)}
			return after(c.checkOverride(in), func() { c.override(in) })
		},
		"waive": func(c *coPay) error {
			return after(c.checkWaive(Waive{}), func() { c.giveUp(copay.StateWaived, biller, "waived") })
		},
		"cancel": func(c *coPay) error {
			return after(c.checkCancel(Cancel{}), func() { c.cancel(biller, "cancelled") })
		},
		"operator": func(c *coPay) error { c.withdrawByOperator(); return nil },
		"refund": func(c *coPay) error {
			in := Refund{Act: by(biller, "k"), Amount: copay.Cents(10_00)}
			return after(c.checkRefund(in), func() { c.refund(in) })
		},
		"deleted": func(c *coPay) error {
			if !c.givenUp() && !c.atTheBank() {
				c.takeBack(biller, "deleted")
			}
			return nil
		},
		"posting gone": func(c *coPay) error { c.postingGone(&c.p.Payments[0], biller); return nil },
		"more money":   func(c *coPay) error { c.arrived(); return nil },
		"true up": func(c *coPay) error {
			c.p.Amounts.Adjudicated = ten
			c.remittedNow(biller)
			return nil
		},
	}
	for _, s := range copay.States() {
		for _, paid := range []bool{false, true} {
			if !paid && (s == copay.StateDisputed || s == copay.StateRefunding || s == copay.StateReturned) {
				continue
			}
			for _, cents := range []int64{25_00, 140_00} {
				at := fmt.Sprintf("%s, paid %t, %d", s, paid, cents)
				for _, e := range facts {
					assert.NotPanics(t, func() { inState(s, paid, cents).hear(e) }, "%s: %s %s", at, e.Kind, e.Status)
				}
				for name, act := range acts {
					assert.NotPanics(t, func() { _ = act(inState(s, paid, cents)) }, "%s: %s", at, name)
				}
			}
		}
	}
}

// Every choice that a review offers leads somewhere.
func TestEveryChoiceOfEveryReviewLeadsSomewhere(t *testing.T) {
	t.Parallel()
	const (
		retry, proceed, set, self, waive  = copay.ChoiceRetry, copay.ChoiceProceed, copay.ChoiceSetAmount, copay.ChoiceSelfPay, copay.ChoiceWaive
		cancel, off, refund, request, did = copay.ChoiceCancel, copay.ChoiceWriteOff, copay.ChoiceRefund, copay.ChoiceRequest, copay.ChoiceDone
	)
	for _, r := range []struct {
		kind    copay.ReviewKind
		back    copay.State
		paid    bool
		choices []copay.Choice
	}{
		{copay.ReviewUnknownCharge, copay.StateVerifying, false, []copay.Choice{retry, cancel}},
		{copay.ReviewAmount, copay.StateVerifying, false, []copay.Choice{retry, cancel}},
		{copay.ReviewNoCoverage, copay.StateVerifying, false, []copay.Choice{retry, self, set, waive, cancel}},
		{copay.ReviewInactive, copay.StateVerifying, false, []copay.Choice{retry, self, set, waive, cancel}},
		{copay.ReviewEligibility, copay.StateEstimating, false, []copay.Choice{set, self, retry, waive, cancel}},
		{copay.ReviewLowConfidence, copay.StateEstimating, false, []copay.Choice{proceed, set, self, retry, waive, cancel}},
		{copay.ReviewCollect, copay.StateRequesting, false, []copay.Choice{retry, set, waive, cancel}},
		{copay.ReviewUnpaid, copay.StateAwaitingPayment, false, []copay.Choice{retry, off, waive, cancel}},
		{copay.ReviewNoContact, copay.StateAwaitingPayment, false, []copay.Choice{retry, waive, cancel}},
		{copay.ReviewPosting, copay.StatePosting, true, []copay.Choice{retry, did}},
		{copay.ReviewAccounting, copay.StatePosting, true, []copay.Choice{retry, did}},
		{copay.ReviewPostingDeleted, copay.StateSettled, true, []copay.Choice{retry, did}},
		{copay.ReviewPostingDeleted, copay.StateReconciling, true, []copay.Choice{retry, did}},
		{copay.ReviewCompensation, copay.StateRefunding, true, []copay.Choice{retry, did}},
		{copay.ReviewHandBack, copay.StateRefunding, true, []copay.Choice{did}},
		{copay.ReviewTrueUp, copay.StateSettled, true, []copay.Choice{request, proceed, refund}},
		{copay.ReviewDispute, copay.StateRequesting, true, []copay.Choice{request, off, waive, cancel}},
	} {
		for _, choice := range r.choices {
			c := inState(copay.StateNeedsReview, r.paid, 25_00)
			less := copay.Cents(-5_00)
			c.p.Review = &copay.Review{Kind: r.kind, Back: r.back, Payment: "pay-1", Choices: r.choices, Amount: &less}
			if r.kind == copay.ReviewHandBack {
				c.p.Review.Refund = c.newRefund(&c.p.Payments[0], copay.Cents(5_00), copay.System(), "not owed").ID
			}
			if choice == refund {
				c.p.Amounts.Requested = copay.Cents(20_00) // as the remittance says
			}
			ten := copay.Cents(10_00)
			in := ResolveReview{Act: by(biller, "k"), Choice: choice, Amount: &ten}
			require.NoError(t, c.checkResolve(in))
			require.NotPanics(t, func() { require.NoError(t, c.resolve(in)) }, "%s of %s", choice, r.kind)
			require.NotEqual(t, copay.StateNeedsReview, c.p.State, "%s of %s leads nowhere", choice, r.kind)
		}
	}
}

func after(refused error, do func()) error {
	if refused == nil {
		do()
	}
	return refused
}
