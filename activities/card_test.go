package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

func keeping() PaymentInput {
	return PaymentInput{Key: key, Patient: "p1", Payment: copay.Payment{ID: "pay-1", Ref: "r1", Rail: copay.RailLink, Platform: "stripe", PlatformID: "id-r1", Amount: copay.Cents(2500),
		Keep: &copay.CardConsent{Scope: copay.ScopeUntil, Cap: copay.Cents(100_00), TextVersion: "page-1", RecordedBy: "patient"}}}
}

func TestAPageKeepsTheCardUnderThePatientsCustomer(t *testing.T) {
	b := setup(t)
	in := keeping()
	in.Payment.PlatformID = ""
	var got PaymentState
	require.NoError(t, b.run(b.a.RequestLink, in, &got))
	require.Equal(t, "cus_1", b.p.asked.Customer)
	require.True(t, b.p.asked.SaveMethod)
}

func TestAPageKeepsNothingUnasked(t *testing.T) {
	b := setup(t)
	in := keeping()
	in.Payment.Keep = nil
	require.NoError(t, b.run(b.a.RequestLink, in, &PaymentState{}))
	require.Empty(t, b.p.asked.Customer)
	require.False(t, b.p.asked.SaveMethod)
}

func TestKeepCard(t *testing.T) {
	b := setup(t)
	b.p.payments = map[copay.Ref]integrations.ProcessorPayment{"r1": {PlatformID: "id-r1", Ref: "r1", Status: copay.PaymentCaptured, Customer: "cus_1", StoredID: "pm_2"}}
	b.p.methods = []integrations.StoredMethod{{ID: "pm_3", Last4: "1111"}, {ID: "pm_2", Brand: "visa", Last4: "4242", ExpMonth: 4, ExpYear: 2030}}
	var got KeptCard
	require.NoError(t, b.run(b.a.KeepCard, keeping(), &got))
	require.Equal(t, KeptCard{Brand: "visa", Last4: "4242"}, got)
	require.Equal(t, copay.PatientKey{EHR: "drchrono", Ref: "p1"}, b.s.holder)
	require.Equal(t, ledger.CardOnFile{Platform: "stripe", Customer: "cus_1", Method: "pm_2", Brand: "visa", Last4: "4242", ExpMonth: 4, ExpYear: 2030, Consent: *keeping().Payment.Keep}, b.s.card)
}

func TestKeepCardSaysWhyNot(t *testing.T) {
	stored := integrations.ProcessorPayment{PlatformID: "id-r1", Ref: "r1", Status: copay.PaymentCaptured, Customer: "cus_1", StoredID: "pm_2"}
	for name, c := range map[string]struct {
		payment integrations.ProcessorPayment
		methods []integrations.StoredMethod
		err     error
		want    string
	}{
		"nothing was kept":        {payment: integrations.ProcessorPayment{PlatformID: "id-r1", Ref: "r1"}, want: "the processor kept no card"},
		"it was taken out again":  {payment: stored, want: "the processor kept no card"},
		"the patient has revoked": {payment: stored, methods: []integrations.StoredMethod{{ID: "pm_2"}}, err: copay.Errorf(copay.CodeConflict, "consent", "later"), want: "the patient has decided anew since"},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			b.p.payments, b.p.methods, b.s.cardErr = map[copay.Ref]integrations.ProcessorPayment{"r1": c.payment}, c.methods, c.err
			var got KeptCard
			require.NoError(t, b.run(b.a.KeepCard, keeping(), &got))
			require.Equal(t, KeptCard{WhyNot: c.want}, got)
			require.False(t, b.s.hasCard)
		})
	}
}

func TestACardIsChargedWhereItIsKept(t *testing.T) {
	b := setup(t)
	b.s.hasCard, b.s.card = true, ledger.CardOnFile{Platform: "square", Customer: "cus_9", Method: "pm_9", Consent: copay.CardConsent{Scope: copay.ScopeUntil,
		Cap: copay.Cents(100_00), Until: b.a.now().Add(time.Hour), TextVersion: "v1", GivenAt: b.a.now().Add(-time.Hour)}}
	in := keeping()
	in.Payment.Platform, in.Payment.PlatformID, in.Payment.Rail = "", "", copay.RailCard
	var got PaymentState
	require.NoError(t, b.run(b.a.ChargeCard, in, &got))
	require.Equal(t, copay.Platform("square"), got.Platform)
}

func TestACardThatMustNotBeTriedAgainIsForgotten(t *testing.T) {
	for name, final := range map[string]bool{"final": true, "not final": false} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			b.s.hasCard, b.s.card = true, ledger.CardOnFile{Platform: "stripe", Customer: "cus_1", Method: "pm_1", Consent: copay.CardConsent{Scope: copay.ScopeUntil,
				Cap: copay.Cents(100_00), Until: b.a.now().Add(time.Hour), TextVersion: "v1", GivenAt: b.a.now().Add(-time.Hour)}}
			b.p.failBefore = &integrations.Error{Kind: integrations.KindDeclined, Platform: "stripe", Op: "charge", Code: "lost_card", Final: final}
			in := keeping()
			in.Payment.Platform, in.Payment.PlatformID, in.Payment.Rail = "", "", copay.RailCard
			var got PaymentState
			require.NoError(t, b.run(b.a.ChargeCard, in, &got))
			require.Equal(t, copay.PaymentFailed, got.Status)
			require.Equal(t, !final, b.s.hasCard)
		})
	}
}
