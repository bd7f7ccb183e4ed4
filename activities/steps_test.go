package activities

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

func TestOpenRestoresWhatWasClosed(t *testing.T) {
	b := setup(t)
	var out Opened
	require.NoError(t, b.run(b.a.Open, OpenInput{Key: key, WorkflowID: key.WorkflowID()}, &out))
	require.True(t, out.Created)
	require.Nil(t, out.CoPay)
	b.s.row = ledger.CoPayRow{CoPay: copay.CoPay{ID: key.ID(), State: copay.StateSettled}, Version: 7}
	require.NoError(t, b.run(b.a.Open, OpenInput{Key: key}, &out))
	require.Equal(t, copay.StateSettled, out.CoPay.State)
}

func TestWhatTheEHRKnowsOfThePatientCounts(t *testing.T) {
	b := setup(t)
	theirs, charges := copay.Cents(20_00), copay.Cents(30_00)
	b.p.charge = integrations.Charge{Facts: copay.ChargeFacts{Billed: copay.Cents(145_00)}}
	b.p.patient = integrations.Patient{SelfPay: true, EHRCoPay: &theirs}
	var out ChargeRead
	require.NoError(t, b.run(b.a.ReadCharge, ReadChargeInput{key}, &out))
	require.True(t, out.Facts.SelfPay)
	require.Equal(t, theirs, *out.Facts.EHRCoPay)
	require.False(t, out.Insured)
	b.p.charge.Facts.EHRCoPay = &charges
	require.NoError(t, b.run(b.a.ReadCharge, ReadChargeInput{key}, &out))
	require.Equal(t, charges, *out.Facts.EHRCoPay, "the charge's own comes first")
}

func TestAChargeThatIsNotKnownIsSaidToBe(t *testing.T) {
	b := setup(t)
	b.p.failBefore = integrations.NotFound("drchrono", "charge")
	err := b.run(b.a.ReadCharge, ReadChargeInput{key}, nil)
	require.Equal(t, integrations.KindNotFound, FailureOf(err).Kind)
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.True(t, app.NonRetryable())
}

func TestConsentIsOnlyTakenFromTheFormForAddressesThatWork(t *testing.T) {
	b := setup(t)
	b.p.patient = integrations.Patient{Phone: "+13125550142", Email: "ana@example.org"}
	b.s.reach = []copay.Reach{{Channel: copay.ChannelSMS, Usable: false}, {Channel: copay.ChannelEmail, Usable: true}}
	require.NoError(t, b.run(b.a.ReadCharge, ReadChargeInput{key}, nil))
	require.Len(t, b.s.consents, 1)
	require.Equal(t, "ana@example.org", b.s.consents[0].Address)
	require.Equal(t, "intake_form", b.s.consents[0].Source)

	none := b
	none.s.consents = nil
	b.a.Practices = func(copay.PracticeID) (Practice, error) { return Practice{}, nil }
	require.NoError(t, none.run(none.a.ReadCharge, ReadChargeInput{key}, nil))
	require.Empty(t, none.s.consents, "where the form says nothing, none was given")
}

// open is a page at the processor.
func (b bench) open(s copay.PaymentStatus, ends time.Time) PaymentInput {
	in := payment(copay.RailLink)
	in.Payment.PlatformID = "cs_1"
	b.p.payments = map[copay.Ref]integrations.ProcessorPayment{in.Payment.Ref: {PlatformID: "cs_1", Ref: in.Payment.Ref, Status: s, Amount: in.Payment.Amount,
		URL: "https://checkout.example/cs_1", ExpiresAt: ends}}
	return in
}

func TestOnlyAPageThatCanBePaidIsShown(t *testing.T) {
	b := setup(t)
	for name, tc := range map[string]struct {
		status copay.PaymentStatus
		ends   time.Time
		shown  bool
	}{
		"open":             {copay.PaymentRequested, b.a.now().Add(time.Hour), true},
		"open without end": {copay.PaymentRequested, time.Time{}, true},
		"about to end":     {copay.PaymentRequested, b.a.now().Add(30 * time.Second), false},
		"paid":             {copay.PaymentCaptured, b.a.now().Add(time.Hour), false},
		"ended":            {copay.PaymentExpired, b.a.now().Add(-time.Hour), false},
	} {
		var out OpenedPage
		require.NoError(t, b.run(b.a.OpenPage, b.open(tc.status, tc.ends), &out), name)
		require.Equal(t, tc.shown, out.URL != "", name)
		require.Equal(t, tc.status, out.State.Status, name)
	}
	lost := b.open(copay.PaymentRequested, time.Time{})
	lost.Payment.PlatformID = "cs_2"
	require.Equal(t, integrations.KindNotFound, FailureOf(b.run(b.a.OpenPage, lost, nil)).Kind)
}

func TestARequestIsWithdrawnAsTheProcessorHasIt(t *testing.T) {
	b := setup(t)
	var out PaymentState
	in := b.open(copay.PaymentRequested, time.Time{})
	require.NoError(t, b.run(b.a.CancelRequest, in, &out))
	require.Equal(t, copay.PaymentCancelled, out.Status)
	in.Payment.PlatformID = "" // made without our knowing, and found by its reference
	require.NoError(t, b.run(b.a.CancelRequest, in, &out))
	require.Equal(t, "cs_1", out.PlatformID)
	require.NoError(t, b.run(b.a.CancelRequest, b.open(copay.PaymentCaptured, time.Time{}), &out))
	require.Equal(t, copay.PaymentCaptured, out.Status, "the patient was faster")
	in.Payment.PlatformID = "cs_2"
	require.Equal(t, integrations.KindNotFound, FailureOf(b.run(b.a.CancelRequest, in, nil)).Kind)
}

// An earlier try is looked for before anything else, also when the consent has
// gone since: money that was taken must be known.
func TestAChargeOfAnEarlierTryIsFoundWithoutConsent(t *testing.T) {
	b := setup(t)
	in := payment(copay.RailCard)
	b.p.payments = map[copay.Ref]integrations.ProcessorPayment{in.Payment.Ref: {PlatformID: "pi_1", Ref: in.Payment.Ref, Status: copay.PaymentCaptured, Captured: copay.Cents(25_00)}}
	in.Look = true
	var out PaymentState
	require.NoError(t, b.run(b.a.ChargeCard, in, &out))
	require.Equal(t, copay.PaymentCaptured, out.Status)
	require.Zero(t, b.p.requests)
}

// searching is a processor whose look-up by reference fails.
type searching struct {
	*platforms
	err error
}

func (s searching) Collector(copay.PracticeID, copay.Platform) (copay.Platform, integrations.Collector, error) {
	return "stripe", s, nil
}

func (s searching) FindPayment(context.Context, integrations.PaymentQuery) (integrations.ProcessorPayment, error) {
	return integrations.ProcessorPayment{}, s.err
}

func (s searching) FindRefund(context.Context, string, copay.Ref) (integrations.ProcessorRefund, error) {
	return integrations.ProcessorRefund{}, s.err
}

// As long as it is not known whether a try had its effect, nothing is asked again.
func TestNothingIsAskedAgainUntilTheLookUpHasAnswered(t *testing.T) {
	b := setup(t)
	consented(b)
	b.a.Ports = searching{b.p, &integrations.Error{Kind: integrations.KindUnavailable, Platform: "stripe", Op: "find"}}
	in := payment(copay.RailLink)
	in.Look = true
	refund := RefundInput{Key: key, Payment: copay.Payment{PlatformID: "cs_1"}, Refund: copay.Refund{Amount: copay.Cents(5_00)}, Look: true}
	for name, err := range map[string]error{
		"link": b.run(b.a.RequestLink, in, nil), "card": b.run(b.a.ChargeCard, in, nil), "refund": b.run(b.a.RefundPayment, refund, nil),
		"withdrawal": b.run(b.a.CancelRequest, in, nil), "read": b.run(b.a.FetchPayment, in, nil),
	} {
		require.Equal(t, integrations.KindUnavailable, FailureOf(err).Kind, name)
	}
	require.Zero(t, b.p.requests)
}

func TestAPaymentIsReadByReferenceWhenItsIDIsNotKnown(t *testing.T) {
	b := setup(t)
	in := b.open(copay.PaymentRequested, time.Time{})
	in.Payment.PlatformID = ""
	var out PaymentState
	require.NoError(t, b.run(b.a.FetchPayment, in, &out))
	require.Equal(t, "cs_1", out.PlatformID)
}

// A refund that is found, and failed, has given nothing back.
func TestAFailedRefundIsNone(t *testing.T) {
	b := setup(t)
	in := RefundInput{Key: key, Payment: copay.Payment{Platform: "stripe", PlatformID: "cs_1"}, Refund: copay.Refund{Ref: "r1", Amount: copay.Cents(5_00)}, Look: true}
	b.p.refunds = map[copay.Ref]integrations.ProcessorRefund{"r1": {PlatformID: "re_1", Ref: "r1", Status: "failed"}}
	err := b.run(b.a.RefundPayment, in, nil)
	require.Equal(t, integrations.KindInvalid, FailureOf(err).Kind)
	require.Contains(t, FailureOf(err).Message, "in another way")
	require.Zero(t, b.p.requests)
	b.p.refunds = nil
	b.p.failAfter = &integrations.Error{Kind: integrations.KindInvalid, Platform: "stripe", Op: "refund"}
	require.Equal(t, integrations.KindInvalid, FailureOf(b.run(b.a.RefundPayment, in, nil)).Kind)
}

// vaultless is a processor that keeps no cards.
type vaultless struct{ *platforms }

func (vaultless) Stored(copay.PracticeID, copay.Platform) (copay.Platform, integrations.StoredCollector, error) {
	return "", nil, errors.New("no vault")
}

func TestAProcessorThatKeepsNoCardsIsPaidAllTheSame(t *testing.T) {
	b := setup(t)
	b.a.Ports = vaultless{b.p}
	in := keeping()
	in.Payment.PlatformID = ""
	require.NoError(t, b.run(b.a.RequestLink, in, nil))
	require.False(t, b.p.asked.SaveMethod)
	b.p.payments = map[copay.Ref]integrations.ProcessorPayment{"r1": {PlatformID: "id-r1", Ref: "r1", Status: copay.PaymentCaptured}}
	var got KeptCard
	require.NoError(t, b.run(b.a.KeepCard, keeping(), &got))
	require.Equal(t, "the processor keeps no cards", got.WhyNot)
	require.Error(t, b.run(b.a.ChargeCard, payment(copay.RailCard), nil))
	require.Zero(t, len(b.s.sent))
}

func TestKeepingACardFailsWithItsStore(t *testing.T) {
	b := setup(t)
	b.p.payments = map[copay.Ref]integrations.ProcessorPayment{"r1": {PlatformID: "id-r1", Ref: "r1", Customer: "cus_1", StoredID: "pm_2"}}
	b.p.methods = []integrations.StoredMethod{{ID: "pm_2"}}
	b.s.cardErr = errors.New("database: password=hunter2")
	err := b.run(b.a.KeepCard, keeping(), nil)
	require.Equal(t, integrations.KindUnavailable, FailureOf(err).Kind)
	require.NotContains(t, err.Error(), "hunter2")
	lost := keeping()
	lost.Payment.PlatformID = "gone"
	require.Equal(t, integrations.KindNotFound, FailureOf(b.run(b.a.KeepCard, lost, nil)).Kind)
}

func TestAMessageIsPlannedFromWhatIsKnownNow(t *testing.T) {
	b := setup(t)
	in := notify(b).PlanInput
	var p Plan
	require.NoError(t, b.run(b.a.PlanReminder, in, &p))
	require.Equal(t, copay.ReminderSend, p.Decision.Action)
	require.Equal(t, []copay.Channel{copay.ChannelSMS, copay.ChannelEmail}, p.Decision.Channels)
	require.Equal(t, b.a.now(), p.Now)

	in.Channels = []copay.Channel{copay.ChannelEmail} // the practice has no platform for texts
	require.NoError(t, b.run(b.a.PlanReminder, in, &p))
	require.Equal(t, []copay.Channel{copay.ChannelEmail}, p.Decision.Channels)

	in.Sent = []copay.SentMessage{{At: b.a.now(), Channel: copay.ChannelEmail, Template: copay.TemplateRequest}}
	require.NoError(t, b.run(b.a.PlanReminder, in, &p))
	require.Equal(t, copay.ReminderWait, p.Decision.Action)
	require.Equal(t, 3*24*time.Hour, p.Wait, "as a duration: the clock may be moved")

	again := in
	again.Sent, again.Earlier = nil, in.Sent
	p = Plan{}
	require.NoError(t, b.run(b.a.PlanReminder, again, &p))
	require.Equal(t, 24*time.Hour, p.Wait, "a ladder that starts anew keeps to the day's cap")

	in.Paused = true
	p = Plan{}
	require.NoError(t, b.run(b.a.PlanReminder, in, &p))
	require.Equal(t, copay.ReminderWait, p.Decision.Action)
	require.Zero(t, p.Wait, "without end")
}

func TestEveryOccasionHasItsWords(t *testing.T) {
	for template, want := range map[copay.Template][2]string{
		copay.TemplateRequest:    {"there is a payment to make", "tiene un pago pendiente"},
		copay.TemplateReminder:   {"a reminder", "le recordamos"},
		copay.TemplateCardNotice: {"we will soon charge your card on file, as you agreed", "pronto cobraremos"},
		copay.TemplateCardFailed: {"did not work", "no funciono"},
	} {
		t.Run(string(template), func(t *testing.T) {
			b := setup(t)
			in := notify(b)
			in.Template = template
			require.NoError(t, b.run(b.a.Notify, in, nil))
			b.s.patient.Language = "spa"
			require.NoError(t, b.run(b.a.Notify, in, nil))
			for i, words := range want {
				m := b.p.messages[i]
				require.Contains(t, m.Body, words)
				require.Contains(t, m.Body, "https://pay.maple.example/pay/x7Kq")
				require.Contains(t, m.Body, "STOP")
				require.LessOrEqual(t, len(m.Body), 306)
			}
		})
	}
}

// What was decided when the message was planned is decided once more.
func TestAMessageDoesNotCrossWithAPauseNorWithADispute(t *testing.T) {
	b := setup(t)
	in := notify(b)
	b.s.row.CoPay.Paused = true
	var out Notified
	require.NoError(t, b.run(b.a.Notify, in, &out))
	require.False(t, out.Sent)
	require.Contains(t, out.Why, "paused")
	for _, status := range []copay.PaymentStatus{copay.PaymentCaptured, copay.PaymentProcessing, copay.PaymentDisputed, copay.PaymentReturned} {
		again := notify(b)
		open := b.open(status, time.Time{}).Payment
		again.Open = &open
		out = Notified{}
		require.NoError(t, b.run(b.a.Notify, again, &out))
		require.False(t, out.Sent, status)
		require.Equal(t, status, out.Payment.Status)
	}
	require.Empty(t, b.p.messages)
}

func TestAMessageGoesOutWhenItsPaymentIsOpenOrNotKnown(t *testing.T) {
	b := setup(t)
	in := notify(b)
	open := b.open(copay.PaymentRequested, time.Time{}).Payment
	in.Open = &open
	var out Notified
	require.NoError(t, b.run(b.a.Notify, in, &out))
	require.True(t, out.Sent)
	open.PlatformID = "cs_2"
	require.NoError(t, b.run(b.a.Notify, in, &out))
	require.True(t, out.Sent, "one that the processor does not know leaves the message alone")
	b.a.Ports = searching{b.p, &integrations.Error{Kind: integrations.KindUnavailable, Platform: "stripe", Op: "find"}}
	open.PlatformID = ""
	require.Equal(t, integrations.KindUnavailable, FailureOf(b.run(b.a.Notify, in, nil)).Kind, "not known is not unpaid")
	require.Len(t, b.p.messages, 2)
}

// A policy without quiet hours of its own still lets a queued text die.
func TestAQueuedTextDiesBeforeTheNight(t *testing.T) {
	b := setup(t)
	in := notify(b)
	in.Policy = copay.ReminderPolicy{}
	require.NoError(t, b.run(b.a.Notify, in, nil))
	require.Equal(t, time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC), b.p.messages[0].Expires.UTC(), "nine in the evening in Chicago")
}

func TestATemporaryRefusalOfAMessageIsTriedAgain(t *testing.T) {
	b := setup(t)
	in := notify(b)
	b.p.failBefore = &integrations.Error{Kind: integrations.KindRateLimited, Platform: "twilio", RetryAfter: time.Minute}
	require.Equal(t, integrations.KindRateLimited, FailureOf(b.run(b.a.Notify, in, nil)).Kind)
	require.Empty(t, b.s.sent)
}

// Once the outcome of an attempt is not known, it stays so until it is looked up:
// that the platform is down by then says nothing of it.
func TestAMessageStaysUnclearUntilItIsLookedUp(t *testing.T) {
	b := setup(t)
	in := notify(b)
	b.p.failBefore = &integrations.Error{Kind: integrations.KindUnavailable, Platform: "twilio"}
	require.Equal(t, integrations.KindUnavailable, FailureOf(b.run(b.a.Notify, in, nil)).Kind)
	kept := false
	b.env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) { kept = true })
	b.p.failBefore = &integrations.Error{Kind: integrations.KindUnknown, Platform: "twilio"}
	require.Equal(t, integrations.KindUnknown, FailureOf(b.run(b.a.Notify, in, nil)).Kind)
	require.True(t, kept, "for the next attempt")
	b.env.SetHeartbeatDetails("unknown")
	b.p.failBefore = &integrations.Error{Kind: integrations.KindUnavailable, Platform: "twilio"}
	require.Equal(t, integrations.KindUnknown, FailureOf(b.run(b.a.Notify, in, nil)).Kind)
	b.p.failBefore = nil
	require.NoError(t, b.run(b.a.Notify, in, nil))
}

// An attempt of unknown outcome is not forgotten because the next one decides that
// it is too late for a message by now.
func TestAMessageStaysUnclearWhenTheHoursEnd(t *testing.T) {
	for name, change := range map[string]func(bench){
		"night":  func(b bench) { b.a.Now = func() time.Time { return time.Date(2026, 11, 25, 3, 0, 1, 0, time.UTC) } },
		"paused": func(b bench) { b.s.row.CoPay.Paused = true },
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			in := notify(b)
			b.env.SetHeartbeatDetails("unknown")
			change(b)
			var out Notified
			require.NoError(t, b.run(b.a.Notify, in, &out))
			require.False(t, out.Sent)
			require.True(t, out.Unconfirmed)
		})
	}
}

// Nor because the processor, which is asked first, is down by now.
func TestAMessageStaysUnclearWhenTheProcessorIsDown(t *testing.T) {
	b := setup(t)
	in := notify(b)
	open := b.open(copay.PaymentRequested, time.Time{}).Payment
	open.PlatformID = ""
	in.Open = &open
	b.env.SetHeartbeatDetails("unknown")
	b.a.Ports = searching{b.p, &integrations.Error{Kind: integrations.KindUnavailable, Platform: "stripe", Op: "find"}}
	require.Equal(t, integrations.KindUnknown, FailureOf(b.run(b.a.Notify, in, nil)).Kind)
}

// That a payment cannot be read says nothing of the message.
func TestAPaymentThatCannotBeReadIsNoMessageOfUnknownOutcome(t *testing.T) {
	b := setup(t)
	in := notify(b)
	open := b.open(copay.PaymentRequested, time.Time{}).Payment
	open.PlatformID = ""
	in.Open = &open
	b.a.Ports = searching{b.p, &integrations.Error{Kind: integrations.KindUnknown, Platform: "stripe", Op: "find"}}
	require.Equal(t, integrations.KindUnavailable, FailureOf(b.run(b.a.Notify, in, nil)).Kind)
}

func TestFailureOfReadsWhateverComesOutOfAnActivity(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		want Failure
	}{
		"with details": {classify(&integrations.Error{Kind: integrations.KindInvalid, Platform: "stripe", Op: "charge", Code: "x"}),
			Failure{Kind: integrations.KindInvalid, Platform: "stripe", Code: "x"}},
		"without":            {temporal.NewApplicationError("m", "not_found"), Failure{Kind: integrations.KindNotFound, Message: "m"}},
		"with other details": {temporal.NewApplicationError("m", "invalid", Failure{Message: "no kind"}), Failure{Kind: integrations.KindInvalid, Message: "m"}},
		"it took too long":   {temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_START_TO_CLOSE, nil), Failure{Kind: integrations.KindUnknown, Message: "the step did not finish in time"}},
		"anything else":      {errors.New("x"), Failure{Kind: integrations.KindUnavailable, Message: "the step could not be run"}},
	} {
		got := FailureOf(tc.err)
		if tc.want.Message == "" {
			got.Message = ""
		}
		require.Equal(t, tc.want, got, name)
	}
}

func TestOurOwnRefusalsKeepTheirReason(t *testing.T) {
	t.Parallel()
	for code, want := range map[copay.Code]integrations.Kind{copay.CodeUnavailable: integrations.KindUnavailable, copay.CodeNotFound: integrations.KindNotFound,
		copay.CodePrecondition: integrations.KindInvalid, copay.CodeConflict: integrations.KindInvalid} {
		err := classify(copay.Errorf(code, "", "as it is"))
		var app *temporal.ApplicationError
		require.ErrorAs(t, err, &app)
		require.Equal(t, want, FailureOf(err).Kind)
		require.Equal(t, "as it is", FailureOf(err).Message)
		require.Equal(t, want != integrations.KindUnavailable, app.NonRetryable())
		require.Equal(t, err, classify(err), "it is classified once")
	}
}

func TestTheClockIsTheWorldsUnlessItIsMoved(t *testing.T) {
	t.Parallel()
	require.WithinDuration(t, time.Now(), (&Activities{}).now(), time.Minute)
	require.Equal(t, time.UTC, (&Activities{}).now().Location())
}
