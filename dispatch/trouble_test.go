package dispatch

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/mocks"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
	"github.com/copayflow/copayflow/workflows"
)

// troubled is a ledger of which some parts do not work.
type troubled struct {
	*memory
	claim, close, address, list, audit error
	pages                              [][]ledger.CoPayRow
}

func (m *troubled) Claim(ctx context.Context, n int, lease time.Duration, worker string) ([]ledger.InboxRow, error) {
	if m.claim != nil {
		return nil, m.claim
	}
	return m.memory.Claim(ctx, n, lease, worker)
}

func (m *troubled) Close(ctx context.Context, events ...ledger.Closed) error {
	if m.close != nil {
		return m.close
	}
	return m.memory.Close(ctx, events...)
}

func (m *troubled) Revoke(ctx context.Context, p copay.PracticeID, c copay.Channel, a string, o ledger.OptOut, s string, at time.Time) ([]copay.ID, error) {
	if m.address != nil {
		return nil, m.address
	}
	return m.memory.Revoke(ctx, p, c, a, o, s, at)
}

func (m *troubled) Restore(ctx context.Context, p copay.PracticeID, c copay.Channel, a, s string, at time.Time) error {
	if m.address != nil {
		return m.address
	}
	return m.memory.Restore(ctx, p, c, a, s, at)
}

func (m *troubled) AppendAudit(ctx context.Context, e ledger.AuditEntry) error {
	if m.audit != nil {
		return m.audit
	}
	return m.memory.AppendAudit(ctx, e)
}

func (m *troubled) ListCoPays(_ context.Context, _ copay.PracticeID, _ ledger.Filter, from ledger.PageToken, _ int) ([]ledger.CoPayRow, ledger.PageToken, error) {
	if m.list != nil || len(m.pages) == 0 {
		return nil, "", m.list
	}
	at := 0
	_, _ = fmt.Sscan(string(from), &at) // nothing for the first page
	if at+1 < len(m.pages) {
		return m.pages[at], ledger.PageToken(fmt.Sprint(at + 1)), nil
	}
	return m.pages[at], "", nil
}

func setupTroubled(t *testing.T) (bench, *troubled) {
	t.Helper()
	b := bench{m: newMemory(), f: &flows{}}
	m := &troubled{memory: b.m}
	var err error
	b.d, err = New(m, m, b.f, Options{Now: func() time.Time { return now }, Poll: time.Hour})
	require.NoError(t, err)
	return b, m
}

var errDown = errors.New("down")

// Whatever fails on the way, the event is tried again and loses nothing.
func TestAnEventOutlivesTheLedgersTroubles(t *testing.T) {
	t.Parallel()
	const tel = "+13125550100"
	for name, tc := range map[string]struct {
		fail func(*troubled)
		e    integrations.Event
	}{
		"an opt-out that cannot be kept":   {func(m *troubled) { m.address = errDown }, integrations.Event{Kind: integrations.EventMessageOptOut, Channel: copay.ChannelSMS, Address: tel}},
		"an opt-in that cannot be kept":    {func(m *troubled) { m.address = errDown }, integrations.Event{Kind: integrations.EventMessageOptIn, Channel: copay.ChannelSMS, Address: tel}},
		"a text that cannot be acted on":   {func(m *troubled) { m.address = errDown }, integrations.Event{Kind: integrations.EventMessageInbound, Channel: copay.ChannelSMS, Address: tel, Text: "stop"}},
		"a text that cannot be audited":    {func(m *troubled) { m.audit = errDown }, integrations.Event{Kind: integrations.EventMessageInbound, Channel: copay.ChannelSMS, Address: tel, Text: "stop"}},
		"a visit that cannot be looked up": {func(m *troubled) { m.list = errDown }, integrations.Event{Kind: integrations.EventVisitChanged, Appointment: "visit-1"}},
		"a posting that cannot be found":   {func(m *troubled) { m.fail = errDown }, integrations.Event{Kind: integrations.EventPostingDeleted, Object: "post-1"}},
		"a report that cannot be matched": {func(m *troubled) { m.fail = errDown }, integrations.Event{Kind: integrations.EventMessageStatus, Object: "SM9",
			Ref: copay.NewRef(key.ID(), copay.EffectNotify, 1), Status: "failed"}},
		"a charge whose co-pay is not read": {func(m *troubled) { m.fail = errDown }, integrations.Event{Kind: integrations.EventChargeChanged, Charge: "777"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, m := setupTroubled(t)
			tc.e.ID = "e"
			row := b.m.receive(t, "twilio", tc.e)
			tc.fail(m)
			b.pass(t)
			require.Equal(t, "retry", b.m.outcome[row], b.m.why[row])
			require.Contains(t, b.m.why[row], "it is tried again")
		})
	}
}

func TestEventsThatNameTooLittle(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		e       integrations.Event
		outcome string
		signals int
	}{
		"an opt-out of nobody":                 {integrations.Event{Kind: integrations.EventMessageOptOut, Channel: copay.ChannelSMS}, "dead", 0},
		"an opt-out on no channel":             {integrations.Event{Kind: integrations.EventMessageOptOut, Address: "+13125550100"}, "dead", 0},
		"eligibility of no visit":              {integrations.Event{Kind: integrations.EventEligibility}, "ignored", 0},
		"eligibility of no visit, of a co-pay": {integrations.Event{Kind: integrations.EventEligibility, CoPay: key.ID()}, "done", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.m.add(key, copay.StateVerifying)
			tc.e.ID = "e"
			row := b.m.receive(t, "availity", tc.e)
			b.pass(t)
			require.Equal(t, tc.outcome, b.m.outcome[row], b.m.why[row])
			require.Len(t, b.f.signals, tc.signals)
		})
	}
	b, m := setupTroubled(t)
	m.address = copay.Errorf(copay.CodeInvalid, "address", "this is not an address of that channel")
	row := b.m.receive(t, "twilio", integrations.Event{ID: "e", Kind: integrations.EventMessageOptOut, Channel: copay.ChannelSMS, Address: "anonymous"})
	b.pass(t)
	require.Equal(t, "ignored", b.m.outcome[row], "no patient can have it")
}

func TestAVisitReachesItsCoPaysOnEveryPage(t *testing.T) {
	t.Parallel()
	b, m := setupTroubled(t)
	at := func(charge copay.ChargeID, s copay.State) ledger.CoPayRow {
		k := copay.Key{Practice: maple, EHR: "drchrono", Charge: charge}
		return ledger.CoPayRow{CoPay: copay.CoPay{ID: k.ID(), Key: k, State: s}}
	}
	m.pages = [][]ledger.CoPayRow{{at("1", copay.StateVerifying), at("2", copay.StateSettled)}, {at("3", copay.StateNeedsReview)}}
	row := b.m.receive(t, "drchrono", integrations.Event{ID: "e", Kind: integrations.EventVisitChanged, Appointment: "visit-1"})
	b.pass(t)
	require.Equal(t, "done", b.m.outcome[row])
	require.Len(t, b.f.signals, 2, "the closed one heeds no change")
	require.Equal(t, copay.ChargeID("3"), b.f.signals[1].key.Charge)
	b.f.fail = errDown
	b.m.outcome[row] = ""
	b.pass(t)
	require.Equal(t, "retry", b.m.outcome[row])
}

func TestAnInboxThatCannotBeToldIsToldLater(t *testing.T) {
	t.Parallel()
	b, m := setupTroubled(t)
	row := b.m.receive(t, "drchrono", integrations.Event{ID: "e", Kind: integrations.EventChargeCreated, Charge: "777"})
	m.close = errDown
	b.pass(t)
	require.Empty(t, b.m.outcome[row], "its lease runs out and it comes again")
	m.close = nil
	b.pass(t)
	require.Equal(t, "done", b.m.outcome[row])
	require.Len(t, b.f.signals, 2)
	require.Equal(t, b.f.signals[0].e.ID, b.f.signals[1].e.ID, "the workflow drops the repeat")
	m.claim = errDown
	_, err := b.d.Pass(t.Context())
	require.ErrorIs(t, err, errDown)
}

func TestRunGoesOnWithoutNotifications(t *testing.T) {
	t.Parallel()
	b, m := setupTroubled(t)
	b.d.o.Poll, b.d.o.Batch, b.d.o.Gather = time.Millisecond, 1, time.Millisecond
	m.claim = nil
	close(b.m.wake) // the listener's connection is gone for good
	got := make(chan struct{})
	b.f.got = got
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	for _, charge := range []copay.ChargeID{"1", "2", "3"} { // more than a batch
		b.m.receive(t, "drchrono", integrations.Event{ID: "e" + string(charge), Kind: integrations.EventChargeCreated, Charge: charge})
	}
	go func() { ended <- b.d.Run(ctx) }()
	require.Eventually(t, func() bool {
		b.f.mu.Lock()
		defer b.f.mu.Unlock()
		return len(b.f.signals) == 3
	}, 10*time.Second, time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
}

func TestAFailureIsToldInOurWords(t *testing.T) {
	t.Parallel()
	require.Equal(t, "no co-pay knows it", sentence(copay.Errorf(copay.CodeNotFound, "", "no co-pay knows it")))
	require.Contains(t, sentence(fmt.Errorf("x: %w", context.DeadlineExceeded)), "did not answer in time")
	require.NotContains(t, sentence(errors.New("jane@example.com")), "jane")
}

func TestUpdateNeedsAPracticeAndAServer(t *testing.T) {
	t.Parallel()
	s, c := starter(t)
	err := s.Update(t.Context(), copay.Key{Practice: "oak", EHR: "drchrono", Charge: "1"}, staff, workflows.UpdateWaive, "r-1", nil)
	require.Equal(t, copay.CodeNotFound, copay.CodeOf(err))
	require.Error(t, s.Update(t.Context(), key, staff, workflows.UpdateWaive, "r-1", nil, func() {}), "what cannot be written down")
	c.On("NewWithStartWorkflowOperation", mock.Anything, mock.Anything, mock.Anything).Return(nil)
	c.On("UpdateWithStartWorkflow", mock.Anything, mock.Anything).Return((*mocks.WorkflowUpdateHandle)(nil), serviceerror.NewUnavailable("down")).Once()
	var down *serviceerror.Unavailable
	require.ErrorAs(t, s.Update(t.Context(), key, staff, workflows.UpdateWaive, "r-1", nil), &down, "the caller decides whether to repeat it")
}

// However long Temporal is away, no event becomes a dead letter by it; what is
// wrong with the event itself does in the end.
func TestAnOutageBuriesNothing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"away":                 {serviceerror.NewUnavailable("no connection"), "retry"},
		"full":                 {serviceerror.NewResourceExhausted(0, "busy"), "retry"},
		"slow":                 {context.DeadlineExceeded, "retry"},
		"without namespace":    {serviceerror.NewNamespaceNotFound("copay"), "retry"},
		"does not let us in":   {serviceerror.NewPermissionDenied("key", ""), "retry"},
		"the database is away": {copay.Errorf(copay.CodeUnavailable, "", "down"), "retry"},
		"too large":            {serviceerror.NewInvalidArgument("payload"), "dead"},
		"nobody's":             {copay.Errorf(copay.CodeNotFound, "", "no co-pay"), "dead"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, _ := setupTroubled(t)
			b.f.fail = tc.err
			row := b.m.receive(t, "drchrono", integrations.Event{ID: "e", Kind: integrations.EventChargeCreated, Charge: "777"})
			for range b.m.tries + 2 {
				b.pass(t)
			}
			require.Equal(t, tc.want, b.m.outcome[row], b.m.why[row])
		})
	}
}
