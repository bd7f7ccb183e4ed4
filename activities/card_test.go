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
	alias, err := b.s.PatientAlias(t.Context(), in.Key.Practice, in.patient())
	require.NoError(t, err)
	require.Equal(t, "cus_"+string(alias), b.p.asked.Customer, "the processor does not learn the EHR's number")
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

// two is a practice with two processors, stripe being the first.
type two struct {
	*platforms
	square *platforms
}

func (p *two) Collector(_ copay.PracticeID, at copay.Platform) (copay.Platform, integrations.Collector, error) {
	if at == "square" {
		return at, p.square, nil
	}
	return "stripe", p.platforms, nil
}

func (p *two) Stored(practice copay.PracticeID, at copay.Platform) (copay.Platform, integrations.StoredCollector, error) {
	platform, col, err := p.Collector(practice, at)
	return platform, col.(integrations.StoredCollector), err
}

// withTwo is a bench whose patient's card is kept at the second processor.
func withTwo(t *testing.T) (bench, *two) {
	b := setup(t)
	ports := &two{platforms: b.p, square: &platforms{}}
	b.a.Ports = ports
	b.s.hasCard, b.s.card = true, ledger.CardOnFile{Platform: "square", Customer: "cus_9", Method: "ccof_9", Consent: copay.CardConsent{Scope: copay.ScopeUntil,
		Cap: copay.Cents(100_00), Until: b.a.now().Add(time.Hour), TextVersion: "v1", GivenAt: b.a.now().Add(-time.Hour)}}
	return b, ports
}

// The answer to a charge at the second processor is lost, and staff withdraw it,
// or its webhook comes.
func TestAChargeAtTheSecondProcessorIsNotOverlooked(t *testing.T) {
	for name, step := range map[string]func(b bench) any{
		"withdrawn": func(b bench) any { return b.a.CancelRequest },
		"read":      func(b bench) any { return b.a.FetchPayment },
		"again":     func(b bench) any { return b.a.ChargeCard },
	} {
		t.Run(name, func(t *testing.T) {
			b, ports := withTwo(t)
			var est Estimated
			require.NoError(t, b.run(b.a.Estimate, EstimateInput{Key: key, Patient: "p1", Policy: copay.Policy{CardOnFile: true}.WithDefaults(),
				Facts: copay.ChargeFacts{Billed: copay.Cents(145_00), Service: copay.ServiceOfficeVisit, SelfPay: true}, Ask: copay.Cents(25_00)}, &est))
			require.True(t, est.Card)
			in := payment(copay.RailCard)
			in.Payment.Platform = est.CardAt // as the workflow does
			ports.square.failAfter = &integrations.Error{Kind: integrations.KindUnknown, Platform: "square", Message: "no answer"}
			require.Error(t, b.run(b.a.ChargeCard, in, nil))
			in.Look = true
			var got PaymentState
			require.NoError(t, b.run(step(b), in, &got))
			require.Equal(t, copay.PaymentCaptured, got.Status)
			require.Equal(t, 1, ports.square.requests, "charged once")
			require.Zero(t, ports.requests)
		})
	}
}

// Between the notice and the charge the patient has kept another card, at
// another processor: what was begun at the first one is not done at the second.
func TestACardThatIsKeptElsewhereByNowIsNotCharged(t *testing.T) {
	b, ports := withTwo(t)
	in := payment(copay.RailCard)
	in.Payment.Platform, in.Look = "stripe", true
	var got PaymentState
	require.NoError(t, b.run(b.a.ChargeCard, in, &got))
	require.Equal(t, copay.DeclineNoConsent, got.Decline)
	require.Zero(t, ports.square.requests+ports.requests)
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
