package api

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"

	"github.com/copayflow/copayflow/api/auth"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/dispatch"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/internal/logtest"
	"github.com/copayflow/copayflow/ledger"
)

// The real parts fit.
var (
	_ Store = (*ledger.Store)(nil)
	_ Inbox = (*ledger.Inbox)(nil)
	_ Flows = (*dispatch.Starter)(nil)
)

var now = time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)

var key = copay.Key{Practice: "maple", EHR: "drchrono", Charge: "777"}

// world stands for the ledger, the inbox and the workflows.
type world struct {
	Store // what a test does not need is not there
	mu    sync.Mutex

	copays   map[copay.ID]ledger.CoPayRow
	filter   ledger.Filter
	listErr  error
	changes  chan ledger.CoPayRow
	balances []ledger.Balance
	acts     map[string][2]string // content, answer
	card     *ledger.CardOnFile
	holder   copay.PatientKey
	ended    int // payment links
	ehrs     []copay.Platform
	consents []ledger.Consent
	channels []ledger.ChannelConsent
	audited  []ledger.AuditEntry
	replayed []int64
	checked  []copay.Key
	started  []copay.Key

	update func(ctx context.Context, name string, out any, in any) error
	calls  []updateCall
}

type updateCall struct {
	key       copay.Key
	o         dispatch.Origin
	name, req string
	in        any
}

func newWorld() *world {
	return &world{copays: map[copay.ID]ledger.CoPayRow{}, acts: map[string][2]string{}, changes: make(chan ledger.CoPayRow, 4)}
}

func (w *world) add(k copay.Key, s copay.State) copay.CoPay {
	c := copay.CoPay{ID: k.ID(), Key: k, State: s, Amounts: copay.Amounts{Requested: copay.Cents(25_00)}}
	w.copays[c.ID] = ledger.CoPayRow{CoPay: c, Version: 3, UpdatedAt: now}
	return c
}

func notThere(what string) error {
	return copay.Errorf(copay.CodeNotFound, "", "there is no such %s in this practice", what)
}

func (w *world) CoPay(_ context.Context, p copay.PracticeID, id copay.ID) (ledger.CoPayRow, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	row, ok := w.copays[id]
	if !ok || row.CoPay.Key.Practice != p {
		return ledger.CoPayRow{}, notThere("co-pay")
	}
	return row, nil
}

func (w *world) ListCoPays(_ context.Context, p copay.PracticeID, f ledger.Filter, from ledger.PageToken, _ int) ([]ledger.CoPayRow, ledger.PageToken, error) {
	w.filter = f
	if w.listErr != nil {
		return nil, "", w.listErr
	}
	var out []ledger.CoPayRow
	for _, r := range w.copays {
		if r.CoPay.Key.Practice == p && (f.Rail == "" || r.CoPay.Rail == f.Rail) {
			out = append(out, r)
		}
	}
	if f.Rail != "" {
		return out, "", nil
	}
	return out, from + "next", nil
}

func (w *world) Timeline(_ context.Context, p copay.PracticeID, id copay.ID) ([]ledger.TimelineRow, error) {
	if _, err := w.CoPay(context.Background(), p, id); err != nil {
		return nil, err
	}
	return []ledger.TimelineRow{{Seq: 1, TimelineEvent: ledger.TimelineEvent{At: now, Kind: "state", Actor: copay.System(), Summary: "opened",
		Before: copay.StateReceived, After: copay.StateVerifying, Sensitive: "a note"}}}, nil
}

func (w *world) Watch(ctx context.Context, p copay.PracticeID, id copay.ID) (<-chan ledger.CoPayRow, error) {
	if _, err := w.CoPay(ctx, p, id); err != nil {
		return nil, err
	}
	return w.changes, nil
}

func (w *world) Entries(context.Context, copay.PracticeID, ledger.EntryFilter, ledger.PageToken, int) ([]ledger.EntryRow, ledger.PageToken, error) {
	e, err := ledger.NewEntry(ledger.RuleCapture, "capture-pay-1", now, copay.Cents(25_00), copay.RailLink)
	return []ledger.EntryRow{{Entry: e, ID: 1, CoPay: key.ID()}}, "", err
}

func (w *world) TrialBalance(context.Context, copay.PracticeID) ([]ledger.Balance, error) {
	return w.balances, nil
}

func (w *world) CompareEstimates(_ context.Context, _ copay.PracticeID, from, to copay.Date) ([]ledger.EstimateComparison, error) {
	w.filter = ledger.Filter{ServiceFrom: from, ServiceTo: to}
	return []ledger.EstimateComparison{{PayerID: "60054", Payer: "Aetna", Service: "98", CoPays: 3, Exact: 1, High: 2,
		Estimated: copay.Cents(90_00), Adjudicated: copay.Cents(75_00), OffBy: copay.Cents(5_00)}}, nil
}

func (w *world) AppendAudit(_ context.Context, e ledger.AuditEntry) error {
	w.audited = append(w.audited, e)
	return nil
}

func (w *world) Audit(context.Context, copay.PracticeID, ledger.AuditFilter, ledger.PageToken, int) ([]ledger.AuditRow, ledger.PageToken, error) {
	return []ledger.AuditRow{{Seq: 7, Hash: []byte{1, 2}, PrevHash: []byte{3}, AuditEntry: ledger.AuditEntry{Action: "x", Actor: copay.System()}}}, "", nil
}

func (w *world) VerifyAudit(context.Context, copay.PracticeID) (ledger.AuditReport, error) {
	return ledger.AuditReport{Rows: 7, OK: true, Head: "0102"}, nil
}

const someRun = "0c1d2e3f-0000-4000-8000-000000000001"

func (w *world) Archived(_ context.Context, _ copay.PracticeID, id copay.ID) ([]ledger.ArchiveRow, error) {
	return []ledger.ArchiveRow{{CoPay: id, RunID: someRun, SHA256: []byte{0xab}, Size: 11}}, nil
}

func (w *world) ArchivedHistory(_ context.Context, _ copay.PracticeID, id copay.ID, run string) (ledger.ArchiveRow, error) {
	if id != key.ID() || run != someRun {
		return ledger.ArchiveRow{}, copay.Errorf(copay.CodeNotFound, "", "there is no such archived history in this practice")
	}
	return ledger.ArchiveRow{CoPay: id, RunID: run, SHA256: []byte{0xab}, Size: 11, History: []byte(`{"events":1}`)}, nil
}

func (w *world) RevokePayLinks(context.Context, copay.PracticeID, copay.ID) (int, error) {
	w.ended++
	return 1, nil
}

func (w *world) PatientAlias(_ context.Context, _ copay.PracticeID, who copay.PatientKey) (copay.PatientAlias, error) {
	return copay.PatientAlias("alias-of-" + who.Ref), nil
}

func (w *world) PutCardConsent(_ context.Context, _ copay.PracticeID, who copay.PatientKey, c ledger.CardOnFile) error {
	w.card, w.holder = &c, who
	return nil
}

func (w *world) RevokeCardConsent(context.Context, copay.PracticeID, copay.PatientKey, time.Time) (bool, error) {
	had := w.card != nil
	w.card = nil
	return had, nil
}

func (w *world) Consents(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]ledger.ChannelConsent, error) {
	if _, err := w.CoPay(ctx, practice, id); err != nil {
		return nil, err
	}
	return w.channels, nil
}

func (w *world) RecordConsent(_ context.Context, _ copay.PracticeID, c ledger.Consent) (bool, error) {
	w.consents = append(w.consents, c)
	return true, nil
}

func (w *world) Revoke(_ context.Context, _ copay.PracticeID, _ copay.Channel, _ string, _ ledger.OptOut, _ string, _ time.Time) ([]copay.ID, error) {
	return w.CopaysByAddress(context.Background(), "", "", "")
}

func (w *world) CopaysByAddress(context.Context, copay.PracticeID, copay.Channel, string) ([]copay.ID, error) {
	var out []copay.ID
	for id := range w.copays {
		out = append(out, id)
	}
	return out, nil
}

func (w *world) BeginAct(_ context.Context, p copay.PracticeID, _ copay.ID, k string, input []byte) ([]byte, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen, ok := w.acts[string(p)+k]
	if !ok {
		w.acts[string(p)+k] = [2]string{string(input), ""}
		return nil, false, nil
	}
	if seen[0] != string(input) {
		return nil, false, copay.Errorf(copay.CodeConflict, "request_id", "used before")
	}
	return []byte(seen[1][min(1, len(seen[1])):]), seen[1] != "", nil
}

func (w *world) FinishAct(_ context.Context, p copay.PracticeID, _ copay.ID, k string, result []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acts[string(p)+k] = [2]string{w.acts[string(p)+k][0], "=" + string(result)}
	return nil
}

func (w *world) DeadLetters(context.Context, copay.PracticeID, ledger.PageToken, int) ([]ledger.InboxRow, ledger.PageToken, error) {
	return []ledger.InboxRow{{Row: 9, Platform: "stripe", Attempts: 12, LastError: "no co-pay", InboxEvent: ledger.InboxEvent{ID: "evt_1", Payload: []byte("PHI")}}}, "", nil
}

func (w *world) Replay(_ context.Context, _ copay.PracticeID, row int64, _ copay.Actor, _ string) error {
	w.replayed = append(w.replayed, row)
	return nil
}

func (w *world) Ignore(context.Context, copay.PracticeID, int64, copay.Actor, string) error {
	return notThere("dead letter")
}

func (w *world) Lag(context.Context) ([]ledger.InboxLag, error) {
	return []ledger.InboxLag{{Practice: "maple", Platform: "stripe", Pending: 2}, {Practice: "oak", Platform: "stripe", Pending: 99}}, nil
}

func (w *world) Practice(id copay.PracticeID) (dispatch.Practice, error) {
	if id != "maple" && id != "oak" {
		return dispatch.Practice{}, copay.Errorf(copay.CodeNotFound, "practice_id", "practice %q is not configured", id)
	}
	if w.ehrs != nil {
		return dispatch.Practice{ID: id, EHRs: w.ehrs}, nil
	}
	return dispatch.Practice{ID: id, EHRs: []copay.Platform{"drchrono"}}, nil
}

func (w *world) Update(ctx context.Context, k copay.Key, o dispatch.Origin, name, req string, out any, args ...any) error {
	var in any
	if len(args) > 0 {
		in = args[0]
	}
	w.mu.Lock()
	w.calls = append(w.calls, updateCall{k, o, name, req, in})
	w.mu.Unlock()
	if w.update == nil {
		return errors.New("no workflow: jane@example.com")
	}
	return w.update(ctx, name, out, in)
}

func (w *world) Start(ctx context.Context, k copay.Key, _ dispatch.Origin) error {
	w.started = append(w.started, k)
	return ctx.Err()
}

func (w *world) Recheck(_ context.Context, k copay.Key) error {
	w.checked = append(w.checked, k)
	return nil
}

// cards is a processor that stores cards, and says who it is.
type cards struct {
	integrations.Collector
	integrations.StoredCollector
	methods []integrations.StoredMethod
	err     error
}

func (c *cards) EnsureCustomer(_ context.Context, _ copay.PracticeID, patient copay.PatientAlias) (string, error) {
	return "cus_" + string(patient), nil
}
func (c *cards) StoredMethods(context.Context, string) ([]integrations.StoredMethod, error) {
	return c.methods, nil
}
func (c *cards) TestConnection(context.Context) (string, error) { return "account acct_1", c.err }

var secret = integrations.NewSecret("0123456789abcdef0123456789abcdef")

type bench struct {
	*world
	s     *Server
	cards *cards
	log   *logtest.Journal
}

func setup(t *testing.T, change ...func(*Options)) bench {
	t.Helper()
	b := bench{world: newWorld(), cards: &cards{}, log: &logtest.Journal{}}
	a, err := auth.New(auth.Options{DevSecret: secret, Env: "dev"})
	require.NoError(t, err)
	reg := integrations.Registry{
		"stripe": func(integrations.Settings) (any, error) { return b.cards, nil },
		"twilio": func(integrations.Settings) (any, error) { return nil, errors.New("twilio: account_sid is missing") },
	}
	d := integrations.NewDirectory(reg, []integrations.PracticePlatforms{{ID: "maple", Platforms: map[copay.Platform]map[string]any{"stripe": nil, "twilio": nil},
		Ports: map[string][]copay.Platform{"collect": {"stripe"}, "sms": {"twilio"}}}, {ID: "oak"}}, integrations.Settings{})
	o := Options{Auth: a, Store: b.world, Inbox: b.world, Flows: b.world, Directory: d, Now: func() time.Time { return now },
		Log: slog.New(slog.NewJSONHandler(b.log, nil)), EstimateWait: 50 * time.Millisecond, ActWait: time.Second, Drain: 2 * time.Second}
	for _, f := range change {
		f(&o)
	}
	b.s, err = New(o)
	require.NoError(t, err)
	t.Cleanup(b.s.Close)
	return b
}

func token(t *testing.T, subject string, roles, practices []string) string {
	t.Helper()
	tok, err := auth.MintDev(secret, subject, roles, practices, time.Now(), time.Hour)
	require.NoError(t, err)
	return "Bearer " + tok
}

// as calls in somebody's name, who belongs to maple.
func as(t *testing.T, role string) context.Context {
	t.Helper()
	return metadata.AppendToOutgoingContext(t.Context(), "authorization", token(t, "ana", []string{role}, []string{"maple"}))
}
