package dispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.temporal.io/api/serviceerror"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

var key = copay.Key{Practice: maple, EHR: "drchrono", Charge: "777"}

type bench struct {
	m *memory
	f *flows
	d *Dispatcher
}

func setup(t *testing.T) bench {
	t.Helper()
	b := bench{m: newMemory(), f: &flows{}}
	var err error
	b.d, err = New(b.m, b.m, b.f, Options{Now: func() time.Time { return now }, Poll: time.Hour})
	require.NoError(t, err)
	return b
}

func (b bench) pass(t *testing.T) {
	t.Helper()
	_, err := b.d.Pass(t.Context())
	require.NoError(t, err)
}

func TestRouting(t *testing.T) {
	t.Parallel()
	id := key.ID()
	other := copay.Key{Practice: "oak", EHR: "drchrono", Charge: "777"}
	for name, tc := range map[string]struct {
		platform copay.Platform
		state    copay.State // of the co-pay that is there; "" for none
		e        integrations.Event
		outcome  string
		signals  int
	}{
		"a new charge starts its co-pay":            {"drchrono", "", integrations.Event{Kind: integrations.EventChargeCreated, Charge: "777"}, "done", 1},
		"a changed charge nobody knew starts one":   {"drchrono", "", integrations.Event{Kind: integrations.EventChargeChanged, Charge: "777"}, "done", 1},
		"a changed charge reaches an open co-pay":   {"drchrono", copay.StateAwaitingPayment, integrations.Event{Kind: integrations.EventChargeChanged, Charge: "777"}, "done", 1},
		"our own posting's echo wakes nobody":       {"drchrono", copay.StateReconciling, integrations.Event{Kind: integrations.EventChargeChanged, Charge: "777"}, "done", 0},
		"a deleted charge reaches a settled co-pay": {"drchrono", copay.StateSettled, integrations.Event{Kind: integrations.EventChargeDeleted, Charge: "777"}, "done", 1},
		"a charge event without a charge":           {"drchrono", "", integrations.Event{Kind: integrations.EventChargeCreated}, "dead", 0},
		"a visit reaches its co-pays":               {"drchrono", copay.StateVerifying, integrations.Event{Kind: integrations.EventVisitChanged, Appointment: "visit-1"}, "done", 1},
		"a visit nobody knows":                      {"drchrono", copay.StateVerifying, integrations.Event{Kind: integrations.EventVisitChanged, Appointment: "visit-2"}, "done", 0},
		"a visit of another EHR":                    {"elation", copay.StateVerifying, integrations.Event{Kind: integrations.EventVisitChanged, Appointment: "visit-1"}, "done", 0},
		"eligibility comes from another platform":   {"availity", copay.StateVerifying, integrations.Event{Kind: integrations.EventEligibility, Appointment: "visit-1"}, "done", 1},
		"a payment by co-pay":                       {"stripe", copay.StateAwaitingPayment, integrations.Event{Kind: integrations.EventPayment, CoPay: id}, "done", 1},
		"a payment by reference":                    {"stripe", copay.StateAwaitingPayment, integrations.Event{Kind: integrations.EventPayment, Ref: copay.NewRef(id, copay.EffectRequest, 1)}, "done", 1},
		"a dispute by object":                       {"stripe", copay.StateSettled, integrations.Event{Kind: integrations.EventDispute, Object: "pi_1"}, "done", 1},
		"a refund by object of another platform":    {"square", copay.StateSettled, integrations.Event{Kind: integrations.EventRefund, Object: "pi_1"}, "retry", 0},
		"a payment of another practice's co-pay":    {"stripe", copay.StateSettled, integrations.Event{Kind: integrations.EventPayment, CoPay: other.ID()}, "retry", 0},
		"a remittance by charge":                    {"availity", copay.StateSettled, integrations.Event{Kind: integrations.EventRemittance, Charge: "777"}, "done", 1},
		"a remittance of a charge without a record": {"drchrono", copay.StateSettled, integrations.Event{Kind: integrations.EventRemittance, Charge: "778"}, "retry", 0},
		"a remittance of a co-pay nobody knows":     {"availity", "", integrations.Event{Kind: integrations.EventRemittance, CoPay: id}, "retry", 0},
		"our posting was deleted":                   {"drchrono", copay.StateSettled, integrations.Event{Kind: integrations.EventPostingDeleted, Object: "post-1"}, "done", 1},
		"somebody else's posting was deleted":       {"drchrono", copay.StateSettled, integrations.Event{Kind: integrations.EventPostingDeleted, Object: "post-2"}, "ignored", 0},
		"the books changed":                         {"quickbooks", copay.StateSettled, integrations.Event{Kind: integrations.EventAccountingChanged, Object: "1"}, "done", 0},
		"help":                                      {"twilio", copay.StateSettled, integrations.Event{Kind: integrations.EventMessageHelp}, "ignored", 0},
		"a kind from the future":                    {"stripe", copay.StateSettled, integrations.Event{Kind: "payment.teleported"}, "dead", 0},
		"a message was delivered":                   {"twilio", copay.StateAwaitingPayment, integrations.Event{Kind: integrations.EventMessageStatus, Object: "SM1", Status: "delivered"}, "done", 0},
		"a message failed":                          {"twilio", copay.StateAwaitingPayment, integrations.Event{Kind: integrations.EventMessageStatus, Object: "SM1", Status: "failed", Code: "30003"}, "done", 1},
		"a message of a closed co-pay failed":       {"twilio", copay.StateSettled, integrations.Event{Kind: integrations.EventMessageStatus, Object: "SM1", Status: "failed"}, "done", 0},
		"a message that is not ours":                {"twilio", copay.StateSettled, integrations.Event{Kind: integrations.EventMessageStatus, Object: "SM2", Status: "failed"}, "retry", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.m.add(other, copay.StateAwaitingPayment)
			if tc.state != "" {
				b.m.add(key, tc.state)
				b.m.objects["stripe/pi_1"], b.m.postings["drchrono/post-1"] = id, id
				b.m.messages["SM1"] = ledger.Notification{CoPayID: id, Status: "sent"}
			}
			tc.e.ID = "evt_1"
			row := b.m.receive(t, tc.platform, tc.e)
			b.pass(t)
			require.Equal(t, tc.outcome, b.m.outcome[row], b.m.why[row])
			require.Len(t, b.f.signals, tc.signals)
			for _, s := range b.f.signals {
				require.Equal(t, key, s.key)
				require.Equal(t, string(tc.platform)+"/evt_1", s.e.ID, "the workflow drops repeats by this id")
				require.Equal(t, copay.PlatformActor(tc.platform), s.o.Actor)
			}
		})
	}
}

func TestUnknownObjectIsTriedAgainAndThenWaitsForStaff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	row := b.m.receive(t, "stripe", integrations.Event{ID: "evt_9", Kind: integrations.EventPayment, Object: "pi_9"})
	b.pass(t)
	b.pass(t)
	require.Equal(t, "retry", b.m.outcome[row])
	b.pass(t)
	require.Equal(t, "dead", b.m.outcome[row])
	require.Contains(t, b.m.why[row], "replay the event")

	b = setup(t)
	row = b.m.receive(t, "stripe", integrations.Event{ID: "evt_9", Kind: integrations.EventPayment, Object: "pi_9"})
	b.pass(t)
	b.m.objects["stripe/pi_9"] = b.m.add(key, copay.StateAwaitingPayment) // its record was only late
	b.pass(t)
	require.Equal(t, "done", b.m.outcome[row])
}

// An EHR tells of all remittances, also of charges from before Copayflow; one of a
// co-pay that has only just begun waits for its record.
func TestARemittanceWaitsForARecordAWhile(t *testing.T) {
	t.Parallel()
	for _, begins := range []bool{true, false} {
		b := setup(t)
		b.m.tries = recordTries + 1
		row := b.m.receive(t, "drchrono", integrations.Event{ID: "evt_9", Kind: integrations.EventRemittance, Charge: "777"})
		for range recordTries - 1 {
			b.pass(t)
			require.Equal(t, "retry", b.m.outcome[row])
		}
		if begins {
			b.m.add(key, copay.StateVerifying)
		}
		b.pass(t)
		require.Equal(t, map[bool]string{true: "done", false: "ignored"}[begins], b.m.outcome[row])
	}
}

// A lost dispute that is won after all is money that nobody counts: a person has to
// see to it. One that is won at once, or that is the second one, is the co-pay's.
func TestADisputeWonAfterItWasLostWaitsForStaff(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status  copay.PaymentStatus
		taken   bool
		outcome string
	}{
		"lost before":             {copay.PaymentCaptured, true, "dead"},
		"won at once":             {copay.PaymentDisputed, false, "done"},
		"told twice":              {copay.PaymentCaptured, false, "done"},
		"the second about a part": {copay.PaymentDisputed, true, "done"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			id := b.m.add(key, copay.StateSettled)
			row := b.m.copays[id]
			row.CoPay.Payments = []copay.Payment{{ID: "pay-1", PlatformID: "pi_1", Status: tc.status}}
			row.CoPay.Refunds = []copay.Refund{{ID: "ref-1", Payment: "pay-1", Taken: tc.taken}}
			b.m.copays[id], b.m.objects["stripe/pi_1"] = row, id
			event := b.m.receive(t, "stripe", integrations.Event{ID: "evt_9", Kind: integrations.EventDispute, Object: "pi_1", Status: "won"})
			b.pass(t)
			require.Equal(t, tc.outcome, b.m.outcome[event])
			if tc.outcome == "dead" {
				require.Contains(t, b.m.why[event], string(id))
			}
		})
	}
}

// No worker runs, or it has much to do: the co-pay is told before it has a record.
func TestARemittanceReachesACoPayWithoutARecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.f.running = map[copay.Key]bool{key: true}
	row := b.m.receive(t, "drchrono", integrations.Event{ID: "evt_9", Kind: integrations.EventRemittance, Charge: "777"})
	b.pass(t)
	require.Equal(t, "done", b.m.outcome[row])
	require.Equal(t, "drchrono/evt_9", b.f.signals[0].e.ID)
}

// Temporal is away while a charge and its remittance are polled. The charge waits
// as long as that takes, so the remittance does.
func TestARemittanceOutlivesAnOutageAsItsChargeDoes(t *testing.T) {
	t.Parallel()
	b, clock := setup(t), now
	b.m.tries = 100
	var err error
	b.d, err = New(b.m, b.m, b.f, Options{Now: func() time.Time { return clock }, Poll: time.Hour})
	require.NoError(t, err)
	b.f.fail = serviceerror.NewUnavailable("down")
	row := b.m.receive(t, "drchrono", integrations.Event{ID: "evt_9", Kind: integrations.EventRemittance, Charge: "777"})
	for range recordTries + 1 {
		b.pass(t)
	}
	b.f.fail = nil
	clock = clock.Add(outageDelay) // the charge's event may have its turn only now
	b.pass(t)
	require.Equal(t, "retry", b.m.outcome[row])
	clock = clock.Add(3 * outageDelay)
	b.pass(t)
	require.Equal(t, "ignored", b.m.outcome[row])
}

func TestOutageIsTriedAgainWithoutItsText(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.f.fail = errors.New("dial tcp 10.0.0.7: refused by jane@example.com")
	row := b.m.receive(t, "drchrono", integrations.Event{ID: "e", Kind: integrations.EventChargeCreated, Charge: "1"})
	b.pass(t)
	require.Equal(t, "retry", b.m.outcome[row])
	require.NotContains(t, b.m.why[row], "jane")
	b.f.fail = nil
	b.pass(t)
	require.Equal(t, "done", b.m.outcome[row])
	require.Len(t, b.f.signals, 1)
}

func TestRedeliveryCarriesTheSameID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.m.add(key, copay.StateAwaitingPayment)
	e := integrations.Event{ID: "evt_1", Kind: integrations.EventPayment, CoPay: key.ID(), Status: "captured"}
	row := b.m.receive(t, "stripe", e)
	b.pass(t)
	b.m.outcome[row] = "" // the process died before the inbox was told
	b.pass(t)
	require.Len(t, b.f.signals, 2)
	require.Equal(t, b.f.signals[0].e, b.f.signals[1].e)
}

func TestNothingProtectedEntersTheSignal(t *testing.T) {
	t.Parallel()
	v := delivery{row: ledger.InboxRow{Platform: "twilio"}, e: integrations.Event{ID: "e", Kind: integrations.EventMessageStatus,
		Patient: "pat-1", Channel: copay.ChannelSMS, Address: "+13125550100", Text: "I have a rash"}}
	got := v.event()
	require.NotContains(t, strings.Join([]string{got.ID, got.Object, got.Status, got.Code, string(got.Ref)}, " "), "555")
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	const tel = "+13125550100"
	for name, tc := range map[string]struct {
		e       integrations.Event
		outcome string
		did     []string
		told    int
		audited [3]string // action, actor, what it says
	}{
		"opt-out stops every open co-pay": {integrations.Event{Kind: integrations.EventMessageOptOut, Type: "STOP"}, "done", []string{"revoke sms twilio:STOP"}, 2, [3]string{"message.opt_out", "patient", "STOP"}},
		"opt-in lets them decide again":   {integrations.Event{Kind: integrations.EventMessageOptIn, Type: "START"}, "done", []string{"restore sms"}, 2, [3]string{"message.opt_in", "patient", "START"}},
		"a bad number is not used again":  {integrations.Event{Kind: integrations.EventAddressBad, Code: "30006"}, "done", []string{"bad sms 30006"}, 2, [3]string{"message.address_bad", "platform:twilio", "30006"}},
		"a word that is a wish for out":   {integrations.Event{Kind: integrations.EventMessageInbound, Text: "Opt-Out!"}, "done", []string{"revoke sms twilio:text_stop"}, 2, [3]string{"message.inbound", "patient", "stop"}},
		"a word that takes it back":       {integrations.Event{Kind: integrations.EventMessageInbound, Text: "start"}, "done", []string{"restore sms"}, 2, [3]string{"message.inbound", "patient", "start"}},
		"text that may want silence":      {integrations.Event{Kind: integrations.EventMessageInbound, Text: "Please don't text me anymore"}, "dead", []string{"revoke sms twilio:text_unclear"}, 2, [3]string{"message.inbound", "patient", "unclear"}},
		"text in Spanish that may, too":   {integrations.Event{Kind: integrations.EventMessageInbound, Text: "no me escriban más"}, "dead", []string{"revoke sms twilio:text_unclear"}, 2, [3]string{"message.inbound", "patient", "unclear"}},
		"text that needs a person":        {integrations.Event{Kind: integrations.EventMessageInbound, Text: "I already paid at the desk?"}, "dead", nil, 0, [3]string{"message.inbound", "patient", "other"}},
		"a call for help":                 {integrations.Event{Kind: integrations.EventMessageInbound, Text: "HELP"}, "ignored", nil, 0, [3]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a := b.m.add(key, copay.StateAwaitingPayment)
			c := b.m.add(copay.Key{Practice: maple, EHR: "drchrono", Charge: "778"}, copay.StateNeedsReview)
			closed := b.m.add(copay.Key{Practice: maple, EHR: "drchrono", Charge: "779"}, copay.StateSettled)
			b.m.byAddr[tel] = []copay.ID{a, c, closed}
			tc.e.ID, tc.e.Channel, tc.e.Address = "SM9", copay.ChannelSMS, tel
			row := b.m.receive(t, "twilio", tc.e)
			b.pass(t)
			require.Equal(t, tc.outcome, b.m.outcome[row], b.m.why[row])
			require.Equal(t, tc.did, b.m.did)
			require.Len(t, b.f.signals, tc.told)
			for _, s := range b.f.signals {
				require.Equal(t, string(tc.e.Kind), s.e.Kind)
				require.Equal(t, copay.ChannelSMS, s.e.Channel)
				require.NotContains(t, fmt.Sprint(s.e), tel)
			}
			if tc.audited[0] == "" {
				require.Empty(t, b.m.audit)
				return
			}
			require.Len(t, b.m.audit, 1)
			kept := b.m.audit[0]
			require.Equal(t, tc.audited[:2], []string{kept.Action, kept.Actor.ID})
			require.Contains(t, slices.Collect(maps.Values(kept.Detail)), tc.audited[2])
			require.NotContains(t, b.m.why[row]+fmt.Sprint(kept.Detail), tel)
			require.NotContains(t, kept.Detail, "text")
		})
	}
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	t.Parallel()
	require.Equal(t, 2*time.Second, backoff(1))
	require.Equal(t, 6*time.Second, backoff(2))
	require.Equal(t, maxDelay, backoff(40))
}

func TestRunWakesUpByNotificationAndEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := make(chan struct{})
	b.f.got = got
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.d.Run(ctx) }()
	b.m.receive(t, "drchrono", integrations.Event{ID: "e", Kind: integrations.EventChargeCreated, Charge: "1"})
	b.m.wake <- ""
	select {
	case <-got:
	case <-time.After(5 * time.Second):
		t.Fatal("the notification woke nobody")
	}
	cancel()
	require.NoError(t, <-ended)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	m := newMemory()
	d, err := New(m, m, &flows{}, Options{Now: func() time.Time { return now }, Meter: metric.NewMeterProvider(metric.WithReader(reader))})
	require.NoError(t, err)
	m.receive(t, "drchrono", integrations.Event{ID: "e", Kind: integrations.EventChargeCreated, Charge: "1"})
	_, err = d.Pass(t.Context())
	require.NoError(t, err)
	var got metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &got))
	names := map[string]bool{}
	for _, x := range got.ScopeMetrics[0].Metrics {
		names[x.Name] = true
	}
	for _, want := range []string{"copay_inbox_events", "copay_inbox_delivery_seconds", "copay_inbox_pending", "copay_inbox_dead", "copay_inbox_oldest_seconds"} {
		require.True(t, names[want], want)
	}
}

// Memory has something of maple's at stripe. Of a platform from which nothing
// waits, and of which nothing ever came, that is said.
func TestAnIdleInboxIsMeasured(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	m := newMemory()
	_, err := New(m, m, &flows{}, Options{Now: func() time.Time { return now }, Meter: metric.NewMeterProvider(metric.WithReader(reader)),
		Sources: map[copay.PracticeID][]copay.Platform{maple: {"stripe", "twilio"}, "oak": {"stripe"}}})
	require.NoError(t, err)
	var got metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &got))
	at := func(set attribute.Set) string {
		practice, _ := set.Value("practice")
		platform, _ := set.Value("platform")
		return practice.AsString() + "/" + platform.AsString()
	}
	values := map[string]map[string]float64{}
	for _, x := range got.ScopeMetrics[0].Metrics {
		values[x.Name] = map[string]float64{}
		switch data := x.Data.(type) {
		case metricdata.Gauge[int64]:
			for _, p := range data.DataPoints {
				values[x.Name][at(p.Attributes)] = float64(p.Value)
			}
		case metricdata.Gauge[float64]:
			for _, p := range data.DataPoints {
				values[x.Name][at(p.Attributes)] = p.Value
			}
		}
	}
	require.Equal(t, map[string]map[string]float64{
		"copay_inbox_pending":        {"maple/stripe": 2, "maple/twilio": 0, "oak/stripe": 0},
		"copay_inbox_dead":           {"maple/stripe": 1, "maple/twilio": 0, "oak/stripe": 0},
		"copay_inbox_oldest_seconds": {"maple/stripe": 60, "maple/twilio": 0, "oak/stripe": 0},
	}, values)
}

func captured(id string) integrations.Event {
	return integrations.Event{ID: id, Kind: integrations.EventPayment, CoPay: key.ID(), Ref: copay.NewRef(key.ID(), copay.EffectRequest, 1), Status: string(copay.PaymentCaptured)}
}

// A processor tells of one payment in several events: one hint is enough.
func TestEventsOfOnePaymentAreJoined(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.m.add(key, copay.StateAwaitingPayment)
	one, two := b.m.receive(t, "stripe", captured("evt_1")), b.m.receive(t, "stripe", captured("evt_2"))
	failed := captured("evt_3")
	failed.Status = string(copay.PaymentFailed)
	three := b.m.receive(t, "stripe", failed)
	b.pass(t)
	for _, row := range []int64{one, two, three} {
		require.Equal(t, "done", b.m.outcome[row])
	}
	require.Len(t, b.f.signals, 2, "one for the capture, one for what says something else")
}

func TestJoinedEventsAreTriedAgainTogether(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.m.add(key, copay.StateAwaitingPayment)
	b.f.fail = errors.New("down")
	one, two := b.m.receive(t, "stripe", captured("evt_1")), b.m.receive(t, "stripe", captured("evt_2"))
	b.pass(t)
	require.Equal(t, "retry", b.m.outcome[one])
	require.Equal(t, "retry", b.m.outcome[two])
}

func TestKnownCaptureWakesNobody(t *testing.T) {
	t.Parallel()
	for status, signals := range map[copay.PaymentStatus]int{copay.PaymentCaptured: 0, copay.PaymentRequested: 1, copay.PaymentDisputed: 1} {
		b := setup(t)
		id := b.m.add(key, copay.StateSettled)
		row := b.m.copays[id]
		row.CoPay.Payments = []copay.Payment{{Ref: captured("").Ref, Status: status}}
		b.m.copays[id] = row
		n := b.m.receive(t, "stripe", captured("evt_1"))
		b.pass(t)
		require.Equal(t, "done", b.m.outcome[n])
		require.Len(t, b.f.signals, signals, status)
	}
}

// A polled report on another program's message needs nobody; one on a message
// of ours finds its record, which may be late.
func TestPolledReportOnAForeignMessageIsIgnoredInTheEnd(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		b := setup(t)
		b.m.tries = 12
		id := b.m.add(key, copay.StateAwaitingPayment)
		row := b.m.receive(t, "twilio", integrations.Event{ID: "SM2:failed", Kind: integrations.EventMessageStatus, Object: "SM2",
			Channel: copay.ChannelSMS, Status: string(integrations.DeliveryFailed)})
		for range 4 {
			b.pass(t)
			require.Equal(t, "retry", b.m.outcome[row])
		}
		want := "ignored"
		if late {
			b.m.messages["SM2"], want = ledger.Notification{CoPayID: id, Status: "sent"}, "done"
		}
		b.pass(t)
		require.Equal(t, want, b.m.outcome[row])
		require.Equal(t, late, len(b.f.signals) == 1)
	}
}

func TestReportOnAnUnrecordedMessageOfOursIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.m.add(key, copay.StateAwaitingPayment)
	row := b.m.receive(t, "sendgrid", integrations.Event{ID: "e", Kind: integrations.EventMessageStatus, Object: "msg-9", Channel: copay.ChannelEmail,
		Ref: copay.NewRef(key.ID(), copay.EffectNotify, 1), Status: string(integrations.DeliveryFailed)})
	b.pass(t)
	require.Equal(t, "done", b.m.outcome[row])
	require.Equal(t, key.ID(), b.m.messages["msg-9"].CoPayID)
	require.Len(t, b.f.signals, 1, "a failed message is told to its co-pay")
}

// A process that is asked to stop while it claims events delivers them: cut off, they
// would wait until their lease ends.
func TestWhatIsClaimedAtTheStopIsDelivered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	b.m.onClaim = cancel
	row := b.m.receive(t, "drchrono", integrations.Event{ID: "evt_1", Kind: integrations.EventChargeCreated, Charge: "777"})
	n, err := b.d.Pass(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, "done", b.m.outcome[row])
	_, err = b.d.Pass(ctx)
	require.ErrorIs(t, err, context.Canceled, "and then it claims no more")
}

// Whether there was an outage before it nobody tells a process that starts.
func TestARemittanceOutlivesARestartAfterAnOutage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.m.tries = 100
	row := b.m.receive(t, "drchrono", integrations.Event{ID: "evt_9", Kind: integrations.EventRemittance, Charge: "777"})
	b.m.pending[0].Attempts = recordTries
	ctx, cancel := context.WithCancel(t.Context())
	b.m.onClaim = cancel
	require.NoError(t, b.d.Run(ctx))
	require.Equal(t, "retry", b.m.outcome[row])
}
