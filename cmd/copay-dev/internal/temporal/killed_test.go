package temporal

// A worker that dies between a record and Temporal's hearing of it, on the real
// server and the real database.

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/internal/pgserver/pgtest"
	"github.com/copayflow/copayflow/ledger"
	"github.com/copayflow/copayflow/worker"
	"github.com/copayflow/copayflow/workflows"
)

// outside has the platforms' steps; Open and Record are the real ones on a real
// PostgreSQL.
type outside struct {
	real     *activities.Activities
	onRecord func(activities.RecordInput) // after it was committed
}

func (o *outside) Open(ctx context.Context, in activities.OpenInput) (activities.Opened, error) {
	return o.real.Open(ctx, in)
}

func (o *outside) Record(ctx context.Context, in activities.RecordInput) error {
	err := o.real.Record(ctx, in)
	if err == nil && o.onRecord != nil {
		o.onRecord(in)
	}
	return err
}

func (o *outside) ReadCharge(context.Context, activities.ReadChargeInput) (activities.ChargeRead, error) {
	return activities.ChargeRead{Patient: "p1", Insured: true,
		Facts: copay.ChargeFacts{Billed: copay.Cents(145_00), Service: copay.ServiceOfficeVisit, ServiceDate: "2026-11-24"}}, nil
}

func (o *outside) CheckEligibility(context.Context, activities.CheckInput) (activities.Checked, error) {
	return activities.Checked{Status: copay.CoverageActive, Source: "availity"}, nil
}

func (o *outside) Estimate(context.Context, activities.EstimateInput) (activities.Estimated, error) {
	return activities.Estimated{Estimate: copay.Estimate{Kind: copay.EstimateOwed, Amount: copay.Cents(25_00), Confidence: 95}}, nil
}

func (o *outside) PlanReminder(_ context.Context, in activities.PlanInput) (activities.Plan, error) {
	now := time.Now().UTC()
	if len(in.Sent) == 0 {
		return activities.Plan{Now: now, Decision: copay.ReminderDecision{Action: copay.ReminderSend, At: now, Channels: []copay.Channel{copay.ChannelSMS}, Template: copay.TemplateRequest}}, nil
	}
	return activities.Plan{Now: now, Wait: 72 * time.Hour, Decision: copay.ReminderDecision{Action: copay.ReminderWait, At: now.Add(72 * time.Hour)}}, nil
}

func (o *outside) Decide(ctx context.Context, in activities.DecideInput) (activities.Decided, error) {
	return in.By(ctx, o)
}

func (o *outside) Notify(context.Context, activities.NotifyInput) (activities.Notified, error) {
	return activities.Notified{Sent: true, Platform: "twilio", At: time.Now().UTC()}, nil
}

func (o *outside) RequestLink(_ context.Context, in activities.PaymentInput) (activities.PaymentState, error) {
	return activities.PaymentState{Platform: "stripe", PlatformID: "cs_" + string(in.Payment.Ref), Status: copay.PaymentRequested, Amount: in.Payment.Amount, ExpiresAt: in.Payment.ExpiresAt}, nil
}

func (o *outside) CancelRequest(_ context.Context, in activities.PaymentInput) (activities.PaymentState, error) {
	return activities.PaymentState{Platform: "stripe", PlatformID: in.Payment.PlatformID, Status: copay.PaymentCancelled, Amount: in.Payment.Amount}, nil
}

func (o *outside) PostPayment(_ context.Context, in activities.PostInput) (activities.Posted, error) {
	return activities.Posted{ID: "post-" + string(in.Ref)}, nil
}

type stage struct {
	t     *testing.T
	srv   *Server
	store *ledger.Store
	c     client.Client // never dies
	key   copay.Key
}

func newStage(t *testing.T) *stage {
	t.Helper()
	kw := enumspb.INDEXED_VALUE_TYPE_KEYWORD
	s, err := Start(t.Context(), Options{Namespace: "copay", Retention: 24 * time.Hour, SearchAttributes: map[string]enumspb.IndexedValueType{
		"CopayPractice": kw, "CopayState": kw, "CopayRail": kw, "CopayEHR": kw, "CopayAmountBucket": kw,
		"CopayServiceDate": enumspb.INDEXED_VALUE_TYPE_DATETIME, "CopayNeedsReview": enumspb.INDEXED_VALUE_TYPE_BOOL}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Stop() })
	store, err := ledger.Open(t.Context(), ledger.Config{Pool: pgtest.Pool(t), Keys: pgtest.Keys(t)})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	c, err := client.Dial(client.Options{HostPort: s.HostPort(), Namespace: "copay", Logger: quiet{}})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return &stage{t: t, srv: s, store: store, c: c, key: copay.Key{Practice: "maple", EHR: "drchrono", Charge: "55910021"}}
}

// process is a worker that can be killed: from that moment on nothing leaves it.
type process struct {
	dead atomic.Bool
	w    sdkworker.Worker
	o    *outside
}

func (s *stage) process() *process {
	p := &process{o: &outside{real: &activities.Activities{Store: s.store}}}
	cut := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if p.dead.Load() {
			return status.Error(codes.PermissionDenied, "killed")
		}
		return invoker(ctx, method, req, reply, cc, opts...)
	}
	c, err := client.Dial(client.Options{HostPort: s.srv.HostPort(), Namespace: "copay", Logger: quiet{},
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(cut)}}})
	require.NoError(s.t, err)
	s.t.Cleanup(c.Close)
	p.w = sdkworker.New(c, workflows.TaskQueue, sdkworker.Options{WorkerStopTimeout: time.Millisecond})
	worker.Register(p.w)
	p.w.RegisterActivity(p.o)
	require.NoError(s.t, p.w.Start())
	return p
}

func (s *stage) signal(e workflows.Event) {
	in := workflows.Input{Key: s.key, Policy: copay.Policy{}.WithDefaults(), Channels: []copay.Channel{copay.ChannelSMS}, Trigger: "event", Actor: copay.PlatformActor("drchrono")}
	o := client.StartWorkflowOptions{ID: s.key.WorkflowID(), TaskQueue: workflows.TaskQueue, WorkflowTaskTimeout: 3 * time.Second,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		TypedSearchAttributes: workflows.StartAttributes(s.key)}
	_, err := s.c.SignalWithStartWorkflow(s.t.Context(), s.key.WorkflowID(), workflows.SignalEvent, e, o, workflows.CoPayType, in)
	require.NoError(s.t, err)
}

func (s *stage) update(name string, in any) (copay.CoPay, error) {
	var out copay.CoPay
	ctx, cancel := context.WithTimeout(s.t.Context(), 150*time.Second)
	defer cancel()
	h, err := s.c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: s.key.WorkflowID(), UpdateName: name, Args: []any{in}, WaitForStage: client.WorkflowUpdateStageCompleted})
	if err != nil {
		return out, err
	}
	return out, h.Get(ctx, &out)
}

func (s *stage) recorded() copay.CoPay {
	row, err := s.store.CoPay(s.t.Context(), s.key.Practice, s.key.ID())
	require.NoError(s.t, err)
	return row.CoPay
}

func act(k string) workflows.Act {
	return workflows.Act{Actor: copay.Actor{ID: "dana", Kind: "staff", Roles: []copay.Role{copay.RoleFrontDesk}}, Reason: "because", Key: k}
}

// atTheDesk is a co-pay of 25.00 that is to be paid at the desk; nothing is open outside.
func (s *stage) atTheDesk() *process {
	one := s.process()
	s.signal(workflows.Event{ID: "drchrono/1", Platform: "drchrono", Kind: string(integrations.EventChargeCreated)})
	require.Eventually(s.t, func() bool {
		row, err := s.store.CoPay(s.t.Context(), s.key.Practice, s.key.ID())
		return err == nil && row.CoPay.State == copay.StateAwaitingPayment && len(row.CoPay.Reminders) > 0
	}, 20*time.Second, 20*time.Millisecond)
	_, err := s.update(workflows.UpdateChangeRail, workflows.ChangeRail{Act: act("k1"), Rail: copay.RailCash})
	require.NoError(s.t, err)
	require.Eventually(s.t, func() bool { return s.recorded().State == copay.StateAwaitingPayment }, 20*time.Second, 20*time.Millisecond)
	return one
}

// killedAfter lets the worker die right after PostgreSQL has committed the first
// record that is meant, and before Temporal has heard of it.
func (p *process) killedAfter(meant func(activities.RecordInput) bool) <-chan struct{} {
	committed := make(chan struct{})
	var once sync.Once
	p.o.onRecord = func(in activities.RecordInput) {
		if meant(in) {
			once.Do(func() { p.dead.Store(true); close(committed); go p.w.Stop() })
		}
	}
	return committed
}

type answer struct {
	copay copay.CoPay
	err   error
}

// later is an update whose answer is waited for elsewhere.
func (s *stage) later(name string, in any) <-chan answer {
	ch := make(chan answer, 1)
	go func() {
		c, err := s.update(name, in)
		ch <- answer{c, err}
	}()
	return ch
}

// admitted gives the server a moment to take an update in: nothing that it
// answers tells of an update that no worker has looked at.
func (s *stage) admitted() { time.Sleep(300 * time.Millisecond) }

// Somebody writes a note; the worker dies; meanwhile somebody waives the co-pay.
func TestAWaiverAfterAKilledWorkerIsKept(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	one := s.atTheDesk()
	killed := one.killedAfter(func(activities.RecordInput) bool { return true })
	note := s.later(workflows.UpdateAddNote, workflows.AddNote{Act: act("k2"), Text: "called"})
	<-killed
	waiver := s.later(workflows.UpdateWaive, workflows.Waive{Act: act("k3")})
	s.admitted()
	two := s.process()
	defer two.w.Stop()
	told := <-waiver
	require.NoError(t, told.err)
	require.Equal(t, copay.StateWaived, told.copay.State)
	require.NoError(t, (<-note).err)
	require.NoError(t, s.c.GetWorkflow(t.Context(), s.key.WorkflowID(), "").Get(t.Context(), nil))
	require.Equal(t, copay.StateWaived, s.recorded().State)
}

// Staff set an amount; the worker dies; meanwhile somebody sets another.
func TestAnAmountSetAfterAKilledWorkerIsBooked(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	one := s.atTheDesk()
	killed := one.killedAfter(func(in activities.RecordInput) bool { return len(in.Books) > 0 })
	first := s.later(workflows.UpdateOverrideAmount, workflows.OverrideAmount{Act: act("k2"), Amount: copay.Cents(20_00)})
	<-killed
	second := s.later(workflows.UpdateOverrideAmount, workflows.OverrideAmount{Act: act("k3"), Amount: copay.Cents(10_00)})
	s.admitted()
	two := s.process()
	defer two.w.Stop()
	a, b := <-first, <-second
	require.NoError(t, a.err)
	require.NoError(t, b.err)
	paid := s.later(workflows.UpdateRecordPayment, workflows.RecordPayment{Act: act("k4"), Rail: copay.RailCash, Amount: copay.Cents(10_00)})
	require.NoError(t, (<-paid).err)
	require.EqualValues(t, 10_00, s.recorded().Amounts.Requested.Minor, "what the desk was told")
}

// One act alone: the worker dies once its record is committed.
func TestCashIsNotedOnceThoughAWorkerIsKilled(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	one := s.atTheDesk()
	killed := one.killedAfter(func(in activities.RecordInput) bool { return len(in.Books) > 0 })
	cash := s.later(workflows.UpdateRecordPayment, workflows.RecordPayment{Act: act("k2"), Rail: copay.RailCash, Amount: copay.Cents(10_00)})
	<-killed
	two := s.process()
	defer two.w.Stop()
	require.NoError(t, (<-cash).err)
	events, err := s.store.Timeline(t.Context(), s.key.Practice, s.key.ID())
	require.NoError(t, err)
	n := 0
	for _, e := range events {
		if e.Kind == "record_payment" {
			n++
		}
	}
	require.Equal(t, 1, n)
}
