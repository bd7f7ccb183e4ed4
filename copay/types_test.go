package copay_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/copayflow/copayflow/copay"
)

func TestOutstandingCountsWhatWentBack(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ requested, collected, refunded, want int64 }{
		{25_00, 0, 0, 25_00}, {25_00, 10_00, 0, 15_00}, {25_00, 25_00, 0, 0}, {25_00, 30_00, 0, -5_00}, {25_00, 30_00, 5_00, 0}, {0, 25_00, 25_00, 0},
	} {
		a := copay.Amounts{Requested: copay.Cents(tc.requested), Collected: copay.Cents(tc.collected), Refunded: copay.Cents(tc.refunded)}
		require.Equal(t, copay.Cents(tc.want), a.Outstanding(), "%+v", tc)
	}
}

// A remittance of nothing survives being kept; none stays none.
func TestWhatThePayerSaidSurvivesBeingKept(t *testing.T) {
	t.Parallel()
	for _, said := range []copay.Money{{}, copay.Cents(0), copay.Cents(40_00)} {
		raw, err := json.Marshal(copay.CoPay{Amounts: copay.Amounts{Adjudicated: said}})
		require.NoError(t, err)
		var back copay.CoPay
		require.NoError(t, json.Unmarshal(raw, &back))
		require.Equal(t, said, back.Amounts.Adjudicated)
	}
}

func TestRailsAndStatuses(t *testing.T) {
	t.Parallel()
	for rail, byHand := range map[copay.Rail]bool{copay.RailLink: false, copay.RailCard: false, copay.RailCash: true, copay.RailCheck: true, copay.RailTerminal: true, "": false} {
		require.Equal(t, byHand, rail.Manual(), rail)
	}
	for status, final := range map[copay.PaymentStatus]bool{copay.PaymentRequested: false, copay.PaymentProcessing: false, copay.PaymentCaptured: true, copay.PaymentFailed: true,
		copay.PaymentExpired: true, copay.PaymentCancelled: true, copay.PaymentDisputed: true, copay.PaymentReturned: true} {
		require.Equal(t, final, status.Final(), status)
	}
}

func TestAReviewAllowsItsChoices(t *testing.T) {
	t.Parallel()
	r := &copay.Review{Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceCancel}}
	require.True(t, r.Allows(copay.ChoiceRetry))
	require.False(t, r.Allows(copay.ChoiceWaive))
	require.False(t, (*copay.Review)(nil).Allows(copay.ChoiceRetry), "none allows nothing")
}

func TestActors(t *testing.T) {
	t.Parallel()
	a := copay.Actor{ID: "dana", Kind: "staff", Roles: []copay.Role{copay.RoleFrontDesk}}
	require.True(t, a.Has(copay.RoleBiller, copay.RoleFrontDesk))
	require.False(t, a.Has(copay.RoleBiller))
	require.False(t, a.Has())
	require.Equal(t, copay.Actor{ID: "platform:stripe", Kind: "platform"}, copay.PlatformActor("stripe"))
	require.Equal(t, "patient", copay.Patient().Kind)
	require.Equal(t, "system", copay.System().Kind)
}

// Two EHRs may use the same reference for different people.
func TestPatientsOfTwoEHRsAreNotOne(t *testing.T) {
	t.Parallel()
	one := copay.CoPay{Key: copay.Key{Practice: "maple", EHR: "drchrono"}, Patient: "7"}
	two := copay.CoPay{Key: copay.Key{Practice: "maple", EHR: "athena"}, Patient: "7"}
	require.NotEqual(t, one.PatientKey(), two.PatientKey())
}

func TestDates(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{"2026-11-24": true, "2024-02-29": true, "2026-02-29": false, "2026-13-01": false, "24.11.2026": false, "": false, "2026-11-24T00:00:00Z": false} {
		d, err := copay.ParseDate(text)
		require.Equal(t, ok, err == nil, text)
		require.Equal(t, !ok, d.In(time.UTC).IsZero(), text)
		if !ok {
			require.Equal(t, copay.CodeInvalid, copay.CodeOf(err))
		}
	}
	chicago, err := time.LoadLocation("America/Chicago")
	require.NoError(t, err)
	require.Equal(t, copay.Date("2026-11-24"), copay.DateOf(at("2026-11-25 03:00").In(chicago)), "the day where it happened")
	require.Equal(t, at("2026-11-24 06:00"), copay.Date("2026-11-24").In(chicago).UTC())
}

func TestRefusalsAreFoundInAChain(t *testing.T) {
	t.Parallel()
	err := copay.Errorf(copay.CodeConflict, "request_id", "used for %s", "something else")
	require.Equal(t, "used for something else", err.Error())
	require.Equal(t, copay.CodeConflict, copay.CodeOf(fmt.Errorf("act: %w", err)))
	require.Empty(t, copay.CodeOf(errors.New("x")))
	require.Empty(t, copay.CodeOf(nil))
}

// Adding and subtracting are each other's reverse, or are refused.
func TestMoneyThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	_, err := copay.Cents(0).Sub(copay.Cents(math.MinInt64))
	require.Error(t, err)
	rapid.Check(t, func(t *rapid.T) {
		a, b := copay.Cents(rapid.Int64().Draw(t, "a")), copay.Cents(rapid.Int64().Draw(t, "b"))
		sum, err := a.Add(b)
		if err != nil {
			require.True(t, (a.Minor > 0) == (b.Minor > 0), "only what is on one side overflows")
			return
		}
		if back, err := sum.Sub(b); err == nil {
			require.Equal(t, a, back)
		}
	})
}

// Defaults fill what was left open, once, and never touch what was said.
func TestDefaultsLeaveAloneWhatAPracticeSaid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		money := func(name string) copay.Money {
			return copay.Cents(rapid.Int64Range(0, 1_000_00).Draw(t, name)) // also nothing, which is an amount
		}
		p := copay.Policy{MinConfidence: rapid.IntRange(0, 100).Draw(t, "confidence"), MaxAmount: money("max"), MinAmount: money("min"), RefundApprovalAbove: money("second"),
			TrueUpTolerance: money("tolerance"), CardCap: money("cap"), CardNotice: time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "notice")),
			Reminders: copay.ReminderPolicy{QuietFrom: rapid.IntRange(0, 24).Draw(t, "from"), QuietUntil: rapid.IntRange(0, 24).Draw(t, "until")}}
		d := p.WithDefaults()
		require.Equal(t, d, d.WithDefaults())
		require.Equal(t, []copay.Money{p.MaxAmount, p.MinAmount, p.RefundApprovalAbove, p.TrueUpTolerance, p.CardCap},
			[]copay.Money{d.MaxAmount, d.MinAmount, d.RefundApprovalAbove, d.TrueUpTolerance, d.CardCap})
		if p.CardNotice > 0 {
			require.Equal(t, p.CardNotice, d.CardNotice)
		}
		require.GreaterOrEqual(t, d.Reminders.QuietUntil, 8, "never earlier than the law allows")
		require.LessOrEqual(t, d.Reminders.QuietFrom, 21, "nor later")
	})
	all := copay.Policy{}.WithDefaults()
	require.Equal(t, copay.TrueUpReview, all.TrueUp, "a person decides unless the practice says otherwise")
	require.False(t, all.CardOnFile)
	require.Equal(t, 24*time.Hour, all.CardNotice)
	require.Positive(t, all.MinConfidence)
}

// However a co-pay wanders through its states: what is closed asks for nothing
// before a person or money on its way back opens it, and a payment is posted
// before it settles or a person has looked.
func TestNoWalkThroughTheStatesAsksTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, walked := copay.StateReceived, []copay.State{copay.StateReceived}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			to := rapid.SampledFrom(copay.States()).Draw(t, "to")
			next, err := copay.Transition(s, to)
			if err != nil {
				require.Equal(t, s, next, "a refused step leads nowhere")
				require.Equal(t, copay.CodePrecondition, copay.CodeOf(err))
				continue
			}
			if s.Closed() && s != copay.StateSettled && next.BeforePayment() {
				t.Fatalf("asked again after %s: %v", s, walked)
			}
			if next == copay.StateReconciling && s == copay.StatePaid {
				t.Fatalf("not posted: %v", walked)
			}
			s, walked = next, append(walked, next)
		}
	})
}

func TestCardConsentNamesWhatItLacks(t *testing.T) {
	t.Parallel()
	now := at("2026-11-24 16:00")
	good := copay.CardConsent{Scope: copay.ScopeUntil, Cap: copay.Cents(100_00), Until: now.Add(day), TextVersion: "v1", GivenAt: now.Add(-day)}
	rapid.Check(t, func(t *rapid.T) {
		c, amount := good, copay.Cents(rapid.Int64Range(1, 200_00).Draw(t, "amount"))
		c.Until = now.Add(time.Duration(rapid.IntRange(-48, 48).Draw(t, "ends")) * time.Hour)
		c.GivenAt = now.Add(time.Duration(rapid.IntRange(-48, 48).Draw(t, "given")) * time.Hour)
		covered, why := c.Covers("1", amount, now)
		require.Equal(t, amount.Minor <= 100_00 && now.Before(c.Until) && !c.GivenAt.After(now), covered)
		require.Equal(t, !covered, why != "", "a refusal has its reason")
	})
	foreign := good
	foreign.Cap = copay.Money{Minor: 100_00, Currency: "EUR"}
	covered, _ := foreign.Covers("1", copay.Cents(1), now)
	require.False(t, covered, "a cap in another currency covers nothing")
}

func TestWhichEstimatesARemittanceTells(t *testing.T) {
	t.Parallel()
	for kind, want := range map[copay.EstimateKind]bool{copay.EstimateOwed: true, copay.EstimateNothing: true, copay.EstimateZeroByRule: true,
		copay.EstimateSelfPay: false, copay.EstimateUnknown: false} {
		e := copay.Estimate{Kind: kind, Amount: copay.Cents(25_00), Confidence: 95, Flat: true}
		require.Equal(t, want, e.Comparable(), kind)
		require.False(t, e.AskedBy("cp_0000000000000000").Comparable(), kind)
	}
}
