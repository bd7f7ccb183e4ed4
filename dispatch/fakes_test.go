package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
	"github.com/copayflow/copayflow/workflows"
)

const maple = copay.PracticeID("maple")

var now = time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)

// memory is an inbox and the part of the ledger that routing reads.
type memory struct {
	onClaim  func()
	mu       sync.Mutex
	pending  []ledger.InboxRow
	outcome  map[int64]string // done, ignored, dead, retry
	why      map[int64]string
	copays   map[copay.ID]ledger.CoPayRow
	objects  map[string]copay.ID
	postings map[string]copay.ID
	messages map[string]ledger.Notification
	byAddr   map[string][]copay.ID
	did      []string
	audit    []ledger.AuditEntry
	tries    int
	fail     error
	wake     chan string
}

func newMemory() *memory {
	return &memory{outcome: map[int64]string{}, why: map[int64]string{}, copays: map[copay.ID]ledger.CoPayRow{}, objects: map[string]copay.ID{},
		postings: map[string]copay.ID{}, messages: map[string]ledger.Notification{}, byAddr: map[string][]copay.ID{}, tries: 3, wake: make(chan string, 1)}
}

func (m *memory) add(key copay.Key, s copay.State) copay.ID {
	m.copays[key.ID()] = ledger.CoPayRow{CoPay: copay.CoPay{ID: key.ID(), Key: key, State: s, Appointment: "visit-1"}, Version: 1}
	return key.ID()
}

func (m *memory) receive(t *testing.T, platform copay.Platform, e integrations.Event) int64 {
	t.Helper()
	b, err := json.Marshal(e)
	require.NoError(t, err)
	m.mu.Lock()
	defer m.mu.Unlock()
	row := int64(len(m.pending) + 1)
	m.pending = append(m.pending, ledger.InboxRow{Row: row, Practice: maple, Platform: platform, ReceivedAt: now,
		InboxEvent: ledger.InboxEvent{ID: e.ID, Kind: e.Kind, Type: e.Type, Payload: b}})
	return row
}

func (m *memory) Claim(ctx context.Context, n int, _ time.Duration, _ string) ([]ledger.InboxRow, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.onClaim != nil {
		m.onClaim()
	}
	var out []ledger.InboxRow
	for i := range m.pending {
		if s := m.outcome[m.pending[i].Row]; (s == "" || s == "retry") && len(out) < n {
			m.pending[i].Attempts++
			out = append(out, m.pending[i])
		}
	}
	return out, ctx.Err() // they are claimed, whether the caller hears of it or not
}

func (m *memory) set(e ledger.InboxRow, what, why string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outcome[e.Row], m.why[e.Row] = what, why
	return nil
}

func (m *memory) Close(_ context.Context, events ...ledger.Closed) error {
	for _, e := range events {
		what := "done"
		if e.Ignored != "" {
			what = "ignored"
		}
		if err := m.set(e.InboxRow, what, e.Ignored); err != nil {
			return err
		}
	}
	return nil
}
func (m *memory) Bury(_ context.Context, e ledger.InboxRow, why string) error {
	return m.set(e, "dead", why)
}
func (m *memory) Retry(_ context.Context, e ledger.InboxRow, why string, _ time.Time) (bool, error) {
	if e.Attempts >= m.tries {
		return true, m.set(e, "dead", why)
	}
	return false, m.set(e, "retry", why)
}
func (m *memory) Postpone(_ context.Context, e ledger.InboxRow, why string, _ time.Time) error {
	return m.set(e, "retry", why)
}
func (m *memory) Lag(context.Context) ([]ledger.InboxLag, error) {
	return []ledger.InboxLag{{Practice: maple, Platform: "stripe", Pending: 2, Dead: 1, Oldest: now.Add(-time.Minute)}}, nil
}

func nothing(what string) error {
	return copay.Errorf(copay.CodeNotFound, "", "there is no such %s in this practice", what)
}

func (m *memory) CoPay(_ context.Context, p copay.PracticeID, id copay.ID) (ledger.CoPayRow, error) {
	if m.fail != nil {
		return ledger.CoPayRow{}, m.fail
	}
	row, ok := m.copays[id]
	if !ok || row.CoPay.Key.Practice != p {
		return ledger.CoPayRow{}, nothing("co-pay")
	}
	return row, nil
}

func (m *memory) ListCoPays(_ context.Context, p copay.PracticeID, f ledger.Filter, _ ledger.PageToken, _ int) ([]ledger.CoPayRow, ledger.PageToken, error) {
	var out []ledger.CoPayRow
	for _, r := range m.copays {
		if r.CoPay.Key.Practice == p && (f.Appointment == "" || r.CoPay.Appointment == f.Appointment) &&
			(f.Patient == "" || r.CoPay.Patient == f.Patient) && r.CoPay.ServiceDate >= f.ServiceFrom && (f.EHR == "" || f.EHR == r.CoPay.Key.EHR) {
			out = append(out, r)
		}
	}
	return out, "", nil
}

func (m *memory) FindByObject(ctx context.Context, p copay.PracticeID, platform copay.Platform, object string) (ledger.CoPayRow, error) {
	return m.CoPay(ctx, p, m.objects[string(platform)+"/"+object])
}

func (m *memory) FindByPosting(ctx context.Context, p copay.PracticeID, ehr copay.Platform, posting string) (ledger.CoPayRow, error) {
	return m.CoPay(ctx, p, m.postings[string(ehr)+"/"+posting])
}

func (m *memory) MessageStatus(_ context.Context, _ copay.PracticeID, _ copay.Platform, id string, _ copay.Ref, s integrations.DeliveryStatus, _ string, _ time.Time) (ledger.Notification, bool, error) {
	n, ok := m.messages[id]
	if !ok {
		return n, false, nothing("message")
	}
	changed := n.Status != string(s)
	n.Status = string(s)
	m.messages[id] = n
	return n, changed, nil
}

func (m *memory) RecordNotification(_ context.Context, n ledger.Notification) error {
	m.messages[n.ProviderID] = n
	return nil
}

func (m *memory) note(format string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.did = append(m.did, format)
}

func (m *memory) Revoke(_ context.Context, _ copay.PracticeID, c copay.Channel, a string, _ ledger.OptOut, source string, _ time.Time) ([]copay.ID, error) {
	m.note("revoke " + string(c) + " " + source)
	return m.byAddr[a], nil
}

func (m *memory) Restore(_ context.Context, _ copay.PracticeID, c copay.Channel, _, _ string, _ time.Time) error {
	m.note("restore " + string(c))
	return nil
}

func (m *memory) MarkBad(_ context.Context, _ copay.PracticeID, c copay.Channel, a, code string, _ time.Time) ([]copay.ID, error) {
	m.note("bad " + string(c) + " " + code)
	return m.byAddr[a], nil
}

func (m *memory) CopaysByAddress(_ context.Context, _ copay.PracticeID, _ copay.Channel, a string) ([]copay.ID, error) {
	return m.byAddr[a], nil
}

func (m *memory) AppendAudit(_ context.Context, e ledger.AuditEntry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.audit = append(m.audit, e)
	return nil
}

func (m *memory) Listen(ctx context.Context, channel string) (<-chan string, error) {
	if channel != ledger.ChannelInbox {
		return nil, errors.New("another channel")
	}
	return m.wake, nil
}

// flows notes what reaches workflows.
type flows struct {
	mu      sync.Mutex
	signals []signalled
	fail    error
	running map[copay.Key]bool // with no record yet
	got     chan struct{}
}

type signalled struct {
	key copay.Key
	e   workflows.Event
	o   Origin
}

func (f *flows) Practice(id copay.PracticeID) (Practice, error) {
	return Practice{ID: id, EHRs: []copay.Platform{"drchrono"}}, nil
}

func (f *flows) Tell(ctx context.Context, key copay.Key, e workflows.Event) (bool, error) {
	f.mu.Lock()
	running := f.running[key]
	err := f.fail
	f.mu.Unlock()
	if err != nil || !running {
		return false, err
	}
	return true, f.Signal(ctx, key, Origin{}, e)
}

func (f *flows) Signal(_ context.Context, key copay.Key, o Origin, e workflows.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	f.signals = append(f.signals, signalled{key, e, o})
	if f.got != nil {
		close(f.got)
		f.got = nil
	}
	return nil
}
