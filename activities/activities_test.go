package activities

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	for kind, retry := range map[integrations.Kind]bool{
		integrations.KindDeclined: false, integrations.KindInvalid: false, integrations.KindNotFound: false, integrations.KindUnauthorized: false,
		integrations.KindRateLimited: true, integrations.KindUnavailable: true, integrations.KindUnknown: true,
	} {
		err := classify(&integrations.Error{Kind: kind, Platform: "stripe", Op: "charge", RetryAfter: 7 * time.Second})
		var app *temporal.ApplicationError
		require.ErrorAs(t, err, &app)
		require.Equal(t, retry, !app.NonRetryable(), kind)
		require.Equal(t, string(kind), app.Type())
		require.Equal(t, kind, FailureOf(err).Kind)
		if retry {
			require.Equal(t, 7*time.Second, app.NextRetryDelay())
		}
	}
	require.NoError(t, classify(nil))
	hidden := classify(errors.New("dial tcp: password=hunter2"))
	var app *temporal.ApplicationError
	require.ErrorAs(t, hidden, &app)
	require.NotContains(t, hidden.Error(), "hunter2", "not in the cause either: the SDK logs it")
	require.False(t, app.NonRetryable())
	require.Equal(t, integrations.KindNotFound, FailureOf(classify(copay.Errorf(copay.CodeNotFound, "", "gone"))).Kind)
}

func TestReadChargeKeepsPHIOutOfItsResult(t *testing.T) {
	b := setup(t)
	b.p.charge = integrations.Charge{ID: key.Charge, Appointment: "a1", Patient: "p1", Facts: copay.ChargeFacts{Billed: copay.Cents(145_00)}}
	b.p.patient = integrations.Patient{Ref: "p1", FirstName: "Ana", LastName: "Sample", BirthDate: "1980-02-03", Phone: "+13125550142",
		Insurance: []integrations.Insurance{{PayerID: "60054", MemberID: "W123456789"}}}
	var out ChargeRead
	require.NoError(t, b.run(b.a.ReadCharge, ReadChargeInput{key}, &out))
	require.True(t, out.Insured)
	require.Equal(t, "Ana", b.s.patient.FirstName)
	raw, err := json.Marshal(out)
	require.NoError(t, err)
	for _, phi := range []string{"Ana", "Sample", "1980", "3125550142", "W123456789"} {
		require.NotContains(t, string(raw), phi)
	}
}

func TestRegistrationConsentIsKeptWhereTheFormSaysSo(t *testing.T) {
	b := setup(t)
	b.p.charge = integrations.Charge{ID: key.Charge, Patient: "p1", Facts: copay.ChargeFacts{Billed: copay.Cents(145_00)}}
	b.p.patient = integrations.Patient{Phone: "+13125550142", Email: "ana@example.org"}
	b.s.reach = []copay.Reach{{Channel: copay.ChannelSMS, Usable: true}, {Channel: copay.ChannelEmail, Consent: true, Usable: true}}
	require.NoError(t, b.run(b.a.ReadCharge, ReadChargeInput{key}, nil))
	require.Len(t, b.s.consents, 1, "only where none is on record")
	require.Equal(t, "+13125550142", b.s.consents[0].Address)
	require.Equal(t, "2026-01", b.s.consents[0].TextVersion)
}

func TestDeletedChargeReadsNoPatient(t *testing.T) {
	b := setup(t)
	b.p.charge = integrations.Charge{Deleted: true}
	b.p.patient = integrations.Patient{FirstName: "Ana"}
	var out ChargeRead
	require.NoError(t, b.run(b.a.ReadCharge, ReadChargeInput{key}, &out))
	require.True(t, out.Deleted)
	require.Empty(t, b.s.patient.FirstName)
}

func payment(rail copay.Rail) PaymentInput {
	return PaymentInput{Key: key, Patient: "p1", Payment: copay.Payment{ID: "pay-1", Ref: copay.NewRef(key.ID(), copay.EffectRequest, 1), Rail: rail, Amount: copay.Cents(25_00)}}
}

func TestUnknownOutcomeIsLookedUpNotRepeated(t *testing.T) {
	for name, call := range map[string]func(b bench, in PaymentInput) error{
		"link": func(b bench, in PaymentInput) error { return b.run(b.a.RequestLink, in, nil) },
		"card": func(b bench, in PaymentInput) error { return b.run(b.a.ChargeCard, in, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			b.s.hasCard, b.s.card = true, ledger.CardOnFile{Customer: "cus_1", Method: "pm_1", Consent: copay.CardConsent{Scope: copay.ScopeVisit, Charge: key.Charge,
				Cap: copay.Cents(50_00), TextVersion: "v1", GivenAt: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}}
			b.p.failAfter = &integrations.Error{Kind: integrations.KindUnknown, Platform: "stripe", Op: "create"}
			in := payment(copay.RailLink)
			err := call(b, in)
			require.Equal(t, integrations.KindUnknown, FailureOf(err).Kind)
			in.Look = true
			require.NoError(t, call(b, in))
			require.Equal(t, 1, b.p.requests, "the second try found the first one's effect")
		})
	}
}

func TestUnknownRefundIsLookedUp(t *testing.T) {
	b := setup(t)
	in := RefundInput{Key: key, Payment: copay.Payment{PlatformID: "cs_1"}, Refund: copay.Refund{Ref: copay.NewRef(key.ID(), copay.EffectRefund, 1), Amount: copay.Cents(5_00)}}
	b.p.failAfter = &integrations.Error{Kind: integrations.KindUnknown, Platform: "stripe", Op: "refund"}
	require.Error(t, b.run(b.a.RefundPayment, in, nil))
	in.Look = true
	var out Refunded
	require.NoError(t, b.run(b.a.RefundPayment, in, &out))
	require.Equal(t, 1, b.p.requests)
	require.NotEmpty(t, out.PlatformID)
}

func TestStoredCardNeedsConsentAtTheMomentOfCharging(t *testing.T) {
	consent := copay.CardConsent{Scope: copay.ScopeVisit, Charge: key.Charge, Cap: copay.Cents(50_00), TextVersion: "v1", GivenAt: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	other, low, ended := consent, consent, consent
	other.Charge, low.Cap = "another", copay.Cents(1_00)
	ended.Scope, ended.Until = copay.ScopeUntil, time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		c    copay.CardConsent
		want copay.PaymentStatus
	}{
		"covered": {consent, copay.PaymentCaptured}, "other visit": {other, copay.PaymentFailed}, "above the cap": {low, copay.PaymentFailed},
		"ended": {ended, copay.PaymentFailed}, "none": {copay.CardConsent{}, copay.PaymentFailed},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			b.s.hasCard, b.s.card = true, ledger.CardOnFile{Customer: "cus_1", Method: "pm_1", Consent: tc.c}
			var out PaymentState
			require.NoError(t, b.run(b.a.ChargeCard, payment(copay.RailCard), &out))
			require.Equal(t, tc.want, out.Status)
			if tc.want == copay.PaymentFailed {
				require.Zero(t, b.p.requests)
			}
		})
	}
}

func TestDeclineIsAResult(t *testing.T) {
	b := setup(t)
	b.s.hasCard, b.s.card = true, ledger.CardOnFile{Consent: copay.CardConsent{Scope: copay.ScopeVisit, Charge: key.Charge, Cap: copay.Cents(50_00), TextVersion: "v1",
		GivenAt: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}}
	b.p.failBefore = &integrations.Error{Kind: integrations.KindDeclined, Code: "lost_card", Final: true}
	var out PaymentState
	require.NoError(t, b.run(b.a.ChargeCard, payment(copay.RailCard), &out))
	require.Equal(t, copay.PaymentFailed, out.Status)
	require.Equal(t, "lost_card", out.Decline)
	require.True(t, out.Final)
}

func TestCancelOfARequestThatWasNeverMade(t *testing.T) {
	b := setup(t)
	var out PaymentState
	require.NoError(t, b.run(b.a.CancelRequest, payment(copay.RailLink), &out))
	require.Equal(t, copay.PaymentCancelled, out.Status)
}

// notify is a message that may go out.
func notify(b bench) NotifyInput {
	b.s.row.CoPay = copay.CoPay{State: copay.StateAwaitingPayment, Amounts: copay.Amounts{Requested: copay.Cents(25_00)}}
	b.s.patient = integrations.Patient{FirstName: "Ana", Phone: "+13125550142", Email: "ana@example.org", State: "IL"}
	b.s.reach = []copay.Reach{{Channel: copay.ChannelSMS, Consent: true, Usable: true}, {Channel: copay.ChannelEmail, Consent: true, Usable: true}}
	return NotifyInput{PlanInput: PlanInput{Key: key, State: copay.StateAwaitingPayment, Policy: copay.ReminderPolicy{}.WithDefaults(),
		Channels: []copay.Channel{copay.ChannelSMS, copay.ChannelEmail}, RequestedAt: b.a.now()},
		Channel: copay.ChannelSMS, Template: copay.TemplateRequest, Amount: copay.Cents(25_00), Visit: "2026-11-24", Ref: copay.NewRef(key.ID(), copay.EffectNotify, 1)}
}

func TestNotifySendsTheMinimum(t *testing.T) {
	b := setup(t)
	in := notify(b)
	var out Notified
	require.NoError(t, b.run(b.a.Notify, in, &out))
	require.True(t, out.Sent, out.Why)
	in.Channel = copay.ChannelEmail
	require.NoError(t, b.run(b.a.Notify, in, &out))
	text, mail := b.p.messages[0], b.p.messages[1]
	for _, want := range []string{"Maple Family Clinic", "Nov 24", "https://pay.maple.example/pay/x7Kq", "+1 312 555 0100", "STOP"} {
		require.Contains(t, text.Body, want)
	}
	require.LessOrEqual(t, len(text.Body), 306, "at most two segments")
	require.False(t, text.Expires.IsZero(), "a queued text dies before the quiet hours")
	for _, m := range []integrations.Message{text, mail} {
		for _, never := range []string{"25.00", "Ana", "99213", "Aetna"} {
			require.NotContains(t, m.Subject+m.Body+m.HTML, never)
		}
	}
	require.NotContains(t, mail.Body, "Nov 24", "a mail does not name the visit")
	require.Len(t, b.s.sent, 2)
}

func TestNotifySpeaksSpanish(t *testing.T) {
	b := setup(t)
	in := notify(b)
	b.s.patient.Language = "es-MX"
	require.NoError(t, b.run(b.a.Notify, in, nil))
	require.Contains(t, b.p.messages[0].Body, "pago pendiente")
	require.Contains(t, b.p.messages[0].Body, "24 nov")
	for _, r := range b.p.messages[0].Body {
		require.Less(t, r, rune(128), "stays in the GSM alphabet")
	}
}

func TestNotifyDecidesAgainAtTheMomentOfSending(t *testing.T) {
	for name, change := range map[string]func(b bench){
		"paid":        func(b bench) { b.s.row.CoPay.State = copay.StatePaid },
		"waived":      func(b bench) { b.s.row.CoPay.State = copay.StateWaived },
		"nothing due": func(b bench) { b.s.row.CoPay.Amounts.Collected = copay.Cents(25_00) },
		"opted out":   func(b bench) { b.s.reach[0].Consent = false },
		"bad number":  func(b bench) { b.s.reach[0].Usable = false },
		"night": func(b bench) {
			b.a.Now = func() time.Time { return time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			in := notify(b)
			change(b)
			var out Notified
			require.NoError(t, b.run(b.a.Notify, in, &out))
			require.False(t, out.Sent)
			require.NotEmpty(t, out.Why)
			require.Empty(t, b.p.messages)
		})
	}
}

func TestReminderAsksTheProcessorFirst(t *testing.T) {
	open := copay.Payment{ID: "pay-1", Ref: copay.NewRef(key.ID(), copay.EffectRequest, 1), Platform: "stripe", PlatformID: "cs_1"}
	for status, sent := range map[copay.PaymentStatus]bool{copay.PaymentCaptured: false, copay.PaymentProcessing: false,
		copay.PaymentRequested: true, copay.PaymentExpired: true} {
		t.Run(string(status), func(t *testing.T) {
			b := setup(t)
			in := notify(b)
			in.Open = &open
			b.p.payments = map[copay.Ref]integrations.ProcessorPayment{open.Ref: {PlatformID: "cs_1", Ref: open.Ref, Status: status}}
			var out Notified
			require.NoError(t, b.run(b.a.Notify, in, &out))
			require.Equal(t, sent, out.Sent)
			require.Equal(t, status, out.Payment.Status, "what was read is told to the workflow")
			require.Len(t, b.p.messages, map[bool]int{true: 1}[sent])
		})
	}
}

func TestReminderGoesOutWhenTheProcessorDoesNotKnowThePayment(t *testing.T) {
	b := setup(t)
	in := notify(b)
	in.Open = &copay.Payment{Platform: "stripe", PlatformID: "cs_gone"}
	var out Notified
	require.NoError(t, b.run(b.a.Notify, in, &out))
	require.True(t, out.Sent)
	require.EqualValues(t, "twilio", out.Platform)
	require.Nil(t, out.Payment)
}

func TestRefusedRecipientsAreRemembered(t *testing.T) {
	b := setup(t)
	in := notify(b)
	b.p.failBefore = &integrations.Error{Kind: integrations.KindDeclined, Code: "21610", Final: true}
	var out Notified
	require.NoError(t, b.run(b.a.Notify, in, &out))
	require.False(t, out.Sent)
	require.Equal(t, []copay.Channel{copay.ChannelSMS}, b.s.revoked)
	b.p.failBefore = &integrations.Error{Kind: integrations.KindInvalid, Code: "21617"}
	require.NoError(t, b.run(b.a.Notify, in, &out))
	require.Empty(t, b.s.bad, "a message that is too long says nothing about the number")
	b.p.failBefore = &integrations.Error{Kind: integrations.KindInvalid, Code: "21614", Final: true}
	require.NoError(t, b.run(b.a.Notify, in, &out))
	require.Equal(t, []copay.Channel{copay.ChannelSMS}, b.s.bad)
}

func TestMailHTMLEscapes(t *testing.T) {
	t.Parallel()
	h := mailHTML("A <b> & https://x.example/pay/t", "https://x.example/pay/t")
	require.Contains(t, h, `<a href="https://x.example/pay/t">`)
	require.NotContains(t, h, "<b>")
	require.Equal(t, 1, strings.Count(h, "<a "))
}

// What a platform holds back for long is for the workflow to wait out, where people
// see it; a moment is waited out in the step.
func TestALongWaitIsTheWorkflows(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		long bool
	}{
		"a moment":        {&integrations.Error{Kind: integrations.KindRateLimited, Platform: "drchrono", RetryAfter: heldBack}, false},
		"the hour's rest": {&integrations.Error{Kind: integrations.KindRateLimited, Platform: "drchrono", RetryAfter: 40 * time.Minute}, true},
		"not known":       {&integrations.Error{Kind: integrations.KindUnknown, Platform: "drchrono", RetryAfter: 40 * time.Minute}, false},
	} {
		err := visibly(tc.err)
		var app *temporal.ApplicationError
		require.ErrorAs(t, err, &app, name)
		require.Equal(t, tc.long, app.NonRetryable(), name)
		require.Equal(t, map[bool]time.Duration{true: 40 * time.Minute}[tc.long], FailureOf(err).Wait, name)
	}
	require.NoError(t, visibly(nil))
}
