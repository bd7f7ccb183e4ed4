package workflows

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

// world stands in for everything outside: its methods have the names of the
// activities. It keeps books of what was done to it, so that tests can assert
// on effects instead of on calls.
type world struct {
	t   *testing.T
	env *testsuite.TestWorkflowEnvironment
	mu  sync.Mutex

	facts   activities.ChargeRead
	checked activities.Checked
	est     activities.Estimated
	reach   bool
	stored  *copay.CoPay // the lasting record

	asked       []activities.PaymentInput // of the processor: a page, or the stored card's money
	chargedAt   []copay.Platform          // where the stored card's charge was asked for, or withdrawn
	declined    string                    // on the page
	cardDecline string
	cardPending bool   // the charge is at the bank
	onFetch     func() // when a payment is read
	onPost      func() // when a payment is being posted
	onReverse   func() // when one was not found to be reversed
	onOpen      func() // when a page is looked at
	onRecord    func() // before something is recorded
	onBook      func(copay.Ref, copay.Money)
	disputedNow bool // the bank holds the money back
	steps       map[string]activities.Booking
	early       bool                      // the next read sees what was before
	captured    map[copay.Ref]copay.Money // paid at the processor
	processing  bool                      // what was asked for is on its way at the bank
	cancelled   []string
	kept        []copay.CardConsent
	notKept     string
	refunded    map[copay.Ref]copay.Money
	refundOf    map[copay.Ref]copay.Ref   // a refund's payment, where it matters
	posted      map[copay.Ref]copay.Money // signed
	booked      map[copay.Ref]copay.Money // signed
	bookedAt    []time.Time               // when it was asked for to book
	unbooking   []activities.PostInput    // what was asked to be taken out of the books
	sent        []activities.NotifyInput
	journal     map[string]int64 // receivable, capture… by rule
	timeline    []ledger.TimelineEvent
	trace       string // of the last record
	calls       []string
	fail        map[string][]error // next failures of an activity
	expect      []func()           // checked when the story has ended
	now         func() time.Time
	began       time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return bareWorld(t)
}

func bareWorld(t *testing.T) *world {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	w := &world{t: t, env: suite.NewTestWorkflowEnvironment(), reach: true,
		facts: activities.ChargeRead{Patient: "p1", Provider: "d1", Appointment: "a1", Insured: true,
			Facts: copay.ChargeFacts{Billed: copay.Cents(145_00), Service: copay.ServiceOfficeVisit, ServiceDate: "2026-11-24"}},
		checked:  activities.Checked{Status: copay.CoverageActive, Source: "availity"},
		est:      activities.Estimated{Estimate: copay.Estimate{Kind: copay.EstimateOwed, Amount: copay.Cents(25_00), Confidence: 95}, Reachable: true},
		captured: map[copay.Ref]copay.Money{}, refunded: map[copay.Ref]copay.Money{}, refundOf: map[copay.Ref]copay.Ref{}, posted: map[copay.Ref]copay.Money{},
		booked: map[copay.Ref]copay.Money{}, journal: map[string]int64{}, steps: map[string]activities.Booking{}, fail: map[string][]error{}}
	w.env.SetStartTime(time.Date(2026, 11, 24, 16, 0, 0, 0, time.UTC))
	w.now = w.env.Now
	w.env.RegisterWorkflow(CoPay)
	w.env.RegisterActivity(w)
	w.env.SetTestTimeout(20 * time.Second)
	w.env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: 10 * time.Second}) // the machine may be busy
	return w
}

var key = copay.Key{Practice: "maple", EHR: "drchrono", Charge: "55910021"}

func input() Input {
	return Input{Key: key, Policy: copay.Policy{CardOnFile: true}.WithDefaults(), Channels: []copay.Channel{copay.ChannelSMS, copay.ChannelEmail},
		Books: true, Trigger: "event", Actor: copay.PlatformActor("drchrono")}
}

// run plays the workflow to its end and returns where it ended.
func (w *world) run(in Input) copay.State {
	w.began = w.env.Now()
	w.env.ExecuteWorkflow(CoPay, in)
	require.True(w.t, w.env.IsWorkflowCompleted(), "the workflow must end")
	require.NoError(w.t, w.env.GetWorkflowError())
	var r Result
	require.NoError(w.t, w.env.GetWorkflowResult(&r))
	for _, f := range w.expect {
		f()
	}
	w.invariants()
	return r.State
}

// ran is how long the run took.
func (w *world) ran() time.Duration { return w.env.Now().Sub(w.began) }

// invariants hold after every story, whatever happened in it.
func (w *world) invariants() {
	net := func(in, out map[copay.Ref]copay.Money) (n int64) {
		for _, m := range in {
			n += m.Minor
		}
		for _, m := range out {
			n -= m.Minor
		}
		return n
	}
	held := net(w.captured, w.refunded)
	cp := w.stored
	require.NotNil(w.t, cp, "nothing was recorded")
	hand, contested := int64(0), int64(0)
	for _, p := range cp.Payments {
		if p.Status == copay.PaymentDisputed {
			contested += p.Amount.Minor // the bank holds it
		}
		if p.Rail.Manual() && !p.CapturedAt.IsZero() {
			hand += p.Amount.Minor - p.Refunded.Minor
		}
	}
	if cp.State.Closed() {
		require.Equal(w.t, held+hand, cp.Amounts.Collected.Minor-cp.Amounts.Refunded.Minor, "processor and record disagree")
		require.Equal(w.t, held+hand, net(w.posted, nil), "the EHR disagrees")
		require.Equal(w.t, held+hand, net(w.booked, nil), "the books disagree")
		require.Equal(w.t, held+hand-contested, w.journal[string(ledger.RuleCapture)]-w.journal[string(ledger.RuleRefund)]-w.journal[string(ledger.RuleDispute)]+w.journal[string(ledger.RuleDisputeWon)], "the journal disagrees")
	}
}

func (w *world) trouble(name string) error {
	w.mu.Lock() // some activities run at once
	defer w.mu.Unlock()
	w.calls = append(w.calls, name)
	if list := w.fail[name]; len(list) > 0 {
		w.fail[name] = list[1:]
		return list[0]
	}
	return nil
}

func refuse(k integrations.Kind) error {
	return temporal.NewApplicationErrorWithOptions("refused", string(k), temporal.ApplicationErrorOptions{NonRetryable: true,
		Details: []any{activities.Failure{Kind: k, Message: "the platform said no"}}})
}

// unavailable is a failure of one attempt; the next is made.
func unavailable() error {
	return temporal.NewApplicationErrorWithOptions("down", string(integrations.KindUnavailable), temporal.ApplicationErrorOptions{
		Details: []any{activities.Failure{Kind: integrations.KindUnavailable, Message: "the platform is down"}}})
}

func down() error {
	return temporal.NewApplicationErrorWithOptions("down", string(integrations.KindUnavailable), temporal.ApplicationErrorOptions{NonRetryable: true,
		Details: []any{activities.Failure{Kind: integrations.KindUnavailable, Message: "the platform is down"}}})
}

// begunBefore is the charge of a run that code without rules began.
const begunBefore copay.ChargeID = "old"

// The activities.

func (w *world) Open(_ context.Context, in activities.OpenInput) (activities.Opened, error) {
	if in.Key.Charge == begunBefore {
		in.Rules = 0
	}
	if w.stored != nil {
		c := *w.stored
		return activities.Opened{CoPay: &c, Rules: in.Rules}, nil
	}
	return activities.Opened{Created: true, Rules: in.Rules}, nil
}

func (w *world) ReadCharge(context.Context, activities.ReadChargeInput) (activities.ChargeRead, error) {
	return w.facts, w.trouble("ReadCharge")
}

func (w *world) CheckEligibility(context.Context, activities.CheckInput) (activities.Checked, error) {
	return w.checked, w.trouble("CheckEligibility")
}

func (w *world) Estimate(_ context.Context, in activities.EstimateInput) (activities.Estimated, error) {
	e := w.est
	if in.Facts.SelfPay {
		e.Estimate = copay.Estimate{Kind: copay.EstimateSelfPay, Amount: in.Facts.Billed, Confidence: 100}
	}
	return e, w.trouble("Estimate")
}

func (w *world) RequestLink(_ context.Context, in activities.PaymentInput) (activities.PaymentState, error) {
	w.asked = append(w.asked, in)
	if err := w.trouble("RequestLink"); err != nil {
		return activities.PaymentState{}, err
	}
	return activities.PaymentState{Platform: "stripe", PlatformID: "cs_" + string(in.Payment.Ref), Status: copay.PaymentRequested,
		Amount: in.Payment.Amount, ExpiresAt: in.Payment.ExpiresAt, URL: "https://checkout.example/new"}, nil
}

func (w *world) KeepCard(_ context.Context, in activities.PaymentInput) (activities.KeptCard, error) {
	if err := w.trouble("KeepCard"); err != nil || w.notKept != "" {
		return activities.KeptCard{WhyNot: w.notKept}, err
	}
	if _, paid := w.captured[in.Payment.Ref]; !paid || in.Patient == "" {
		w.t.Error("a card is kept that nobody paid with")
	}
	w.kept = append(w.kept, *in.Payment.Keep)
	return activities.KeptCard{Brand: "visa", Last4: "4242"}, nil
}

func (w *world) ChargeCard(_ context.Context, in activities.PaymentInput) (activities.PaymentState, error) {
	w.chargedAt, w.asked = append(w.chargedAt, in.Payment.Platform), append(w.asked, in)
	if err := w.trouble("ChargeCard"); err != nil {
		return activities.PaymentState{}, err
	}
	s := activities.PaymentState{Platform: "stripe", PlatformID: "pi_" + string(in.Payment.Ref), Status: copay.PaymentCaptured, Amount: in.Payment.Amount, Captured: in.Payment.Amount}
	if w.cardDecline != "" {
		s.Status, s.Captured, s.Decline = copay.PaymentFailed, copay.Money{}, w.cardDecline
		return s, nil
	}
	if w.cardPending {
		s.Status, s.Captured = copay.PaymentProcessing, copay.Money{}
		return s, nil
	}
	w.captured[in.Payment.Ref] = in.Payment.Amount
	return s, nil
}

func (w *world) FetchPayment(_ context.Context, in activities.PaymentInput) (activities.PaymentState, error) {
	if err := w.trouble("FetchPayment"); err != nil {
		return activities.PaymentState{}, err
	}
	if w.onFetch != nil {
		w.onFetch()
	}
	truth := w.truthOf(in.Payment)
	if w.early {
		w.early, truth.Status, truth.Captured = false, copay.PaymentRequested, copay.Money{}
	}
	if w.processing {
		truth.Status = copay.PaymentProcessing
	}
	return truth, nil
}

func (w *world) truthOf(p copay.Payment) activities.PaymentState {
	s := activities.PaymentState{Platform: "stripe", PlatformID: p.PlatformID, Status: copay.PaymentRequested, Amount: p.Amount, ExpiresAt: p.ExpiresAt, Decline: w.declined}
	if m, ok := w.captured[p.Ref]; ok {
		s.Status, s.Captured, s.CapturedAt = copay.PaymentCaptured, m, w.now()
		if w.disputedNow {
			s.Status = copay.PaymentDisputed
		}
		for ref, r := range w.refunded {
			if of, known := w.refundOf[ref]; of == p.Ref || (!known && ref.CoPay() == p.Ref.CoPay()) {
				s.Refunded = copay.Cents(s.Refunded.Minor + r.Minor)
			}
		}
	} else if slices.Contains(w.cancelled, p.PlatformID) {
		s.Status = copay.PaymentCancelled
	} else if !p.ExpiresAt.IsZero() && !w.now().Before(p.ExpiresAt) {
		s.Status = copay.PaymentExpired
	}
	return s
}

func (w *world) OpenPage(_ context.Context, in activities.PaymentInput) (activities.OpenedPage, error) {
	if w.onOpen != nil {
		w.onOpen()
	}
	s := w.truthOf(in.Payment)
	out := activities.OpenedPage{State: s}
	if s.Status == copay.PaymentRequested {
		out.URL = "https://checkout.example/" + s.PlatformID
	}
	return out, w.trouble("OpenPage")
}

func (w *world) CancelRequest(_ context.Context, in activities.PaymentInput) (activities.PaymentState, error) {
	if in.Payment.Rail == copay.RailCard {
		w.chargedAt = append(w.chargedAt, in.Payment.Platform)
	}
	if err := w.trouble("CancelRequest"); err != nil {
		return activities.PaymentState{}, err
	}
	if _, paid := w.captured[in.Payment.Ref]; !paid {
		if w.processing { // the bank is at it: too late
			return activities.PaymentState{Platform: "stripe", PlatformID: in.Payment.PlatformID, Status: copay.PaymentProcessing, Amount: in.Payment.Amount}, nil
		}
		w.cancelled = append(w.cancelled, in.Payment.PlatformID)
	}
	return w.truthOf(in.Payment), nil
}

func (w *world) RefundPayment(_ context.Context, in activities.RefundInput) (activities.Refunded, error) {
	if err := w.trouble("RefundPayment"); err != nil {
		return activities.Refunded{}, err
	}
	w.refunded[in.Refund.Ref], w.refundOf[in.Refund.Ref] = in.Refund.Amount, in.Payment.Ref
	return activities.Refunded{PlatformID: "re_" + string(in.Refund.Ref), Status: "succeeded"}, nil
}

func (w *world) PostPayment(_ context.Context, in activities.PostInput) (activities.Posted, error) {
	if err := w.trouble("PostPayment"); err != nil {
		return activities.Posted{}, err
	}
	if w.onPost != nil {
		w.onPost()
	}
	w.posted[in.Ref] = in.Amount
	return activities.Posted{ID: "post-" + string(in.Ref)}, nil
}

func (w *world) FindPosting(_ context.Context, in activities.PostInput) (activities.Posted, error) {
	if _, ok := w.posted[in.Ref]; !ok {
		return activities.Posted{}, w.trouble("FindPosting")
	}
	return activities.Posted{ID: "post-" + string(in.Ref)}, w.trouble("FindPosting")
}

func (w *world) ReversePosting(_ context.Context, in activities.PostInput) (activities.Posted, error) {
	if err := w.trouble("ReversePosting"); err != nil {
		return activities.Posted{}, err
	}
	if _, ok := w.posted[in.Of]; !ok {
		if w.onReverse != nil {
			w.onReverse()
		}
		return activities.Posted{}, nil
	}
	w.posted[in.Ref] = in.Amount.Neg()
	return activities.Posted{ID: "rev-" + string(in.Ref)}, nil
}

func (w *world) BookPayment(_ context.Context, in activities.PostInput) (activities.Booked, error) {
	w.bookedAt = append(w.bookedAt, in.Asked)
	if err := w.trouble("BookPayment"); err != nil {
		if w.onBook != nil {
			w.onBook(in.Ref, in.Amount)
		}
		return activities.Booked{}, err
	}
	if in.InvoiceRef == "" {
		return activities.Booked{}, refuse(integrations.KindInvalid)
	}
	w.booked[in.Ref] = in.Amount
	return activities.Booked{Platform: "quickbooks", InvoiceID: "inv-" + string(in.InvoiceRef), PaymentID: "book-" + string(in.Ref)}, nil
}

func (w *world) BookRefund(_ context.Context, in activities.PostInput) (activities.Posted, error) {
	w.mu.Lock()
	w.unbooking = append(w.unbooking, in)
	w.mu.Unlock()
	if err := w.trouble("BookRefund"); err != nil {
		return activities.Posted{}, err
	}
	if _, ok := w.booked[in.Of]; !ok {
		return activities.Posted{}, nil
	}
	w.booked[in.Ref] = in.Amount.Neg()
	return activities.Posted{ID: "unbk-" + string(in.Ref)}, nil
}

func (w *world) PlanReminder(_ context.Context, in activities.PlanInput) (activities.Plan, error) {
	now := w.now()
	d := in.Policy.Next(copay.ReminderInput{Now: now, State: in.State, RequestedAt: in.RequestedAt, Zones: []string{"America/Chicago"},
		Reach: []copay.Reach{{Channel: copay.ChannelSMS, Consent: w.reach, Usable: true}, {Channel: copay.ChannelEmail, Consent: w.reach, Usable: true}},
		Sent:  in.Sent, Earlier: in.Earlier, Paused: in.Paused, Forced: in.Forced})
	p := activities.Plan{Decision: d, Now: now}
	if d.Action == copay.ReminderWait && !d.At.IsZero() {
		p.Wait = max(d.At.Sub(now), 0)
	}
	return p, nil
}

func (w *world) Decide(ctx context.Context, in activities.DecideInput) (activities.Decided, error) {
	return in.By(ctx, w)
}

func (w *world) Notify(ctx context.Context, in activities.NotifyInput) (activities.Notified, error) {
	if err := w.trouble("Notify"); err != nil {
		return activities.Notified{}, err
	}
	if state := w.recorded(); state != copay.StateAwaitingPayment {
		return activities.Notified{Why: "not now: it is " + string(state)}, nil
	}
	out := activities.Notified{Sent: true, Platform: map[copay.Channel]copay.Platform{copay.ChannelSMS: "twilio", copay.ChannelEmail: "sendgrid"}[in.Channel], At: w.now()}
	if in.Open != nil {
		truth, err := w.FetchPayment(ctx, activities.PaymentInput{Payment: *in.Open})
		if err != nil {
			return activities.Notified{}, err
		}
		out.Payment = &truth
		if truth.Status == copay.PaymentCaptured || truth.Status == copay.PaymentProcessing {
			out.Sent, out.Why = false, "the patient has paid meanwhile"
			return out, nil
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, in)
	return out, nil
}

// recorded is the state in the lasting record, which may be written meanwhile.
func (w *world) recorded() copay.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stored.State
}

func (w *world) Record(_ context.Context, in activities.RecordInput) error {
	if w.onRecord != nil {
		w.onRecord()
	}
	if w.stored != nil {
		if in.CoPay.Counters.Version != w.stored.Counters.Version+1 {
			w.t.Errorf("version %d follows %d", in.CoPay.Counters.Version, w.stored.Counters.Version)
		}
	}
	c := in.CoPay
	c.Payments, c.Refunds = slices.Clone(c.Payments), slices.Clone(c.Refunds)
	w.mu.Lock()
	w.stored = &c
	w.mu.Unlock()
	w.timeline, w.trace = append(w.timeline, in.Events...), in.Trace
	for _, b := range in.Books {
		if was, again := w.steps[b.Step]; again { // the ledger books a step once
			if was != b {
				w.t.Errorf("step %s is booked already with other amounts", b.Step)
			}
			continue
		}
		w.steps[b.Step] = b
		w.journal[string(b.Rule)] += b.Amount.Minor
	}
	return nil
}

// What people and platforms do in the stories.

var frontDesk = copay.Actor{ID: "dana", Kind: "staff", Roles: []copay.Role{copay.RoleFrontDesk}}

func by(who copay.Actor, k string) Act { return Act{Actor: who, Reason: "because", Key: k} }

// after does something once the workflow has run for d, if it has not ended by
// then: what has to happen is said with then.
func (w *world) after(d time.Duration, f func()) { w.env.RegisterDelayedCallback(f, d) }

// pays lets the patient pay the open request and the processor report it.
func (w *world) pays() {
	for _, p := range w.stored.Payments {
		if !p.Rail.Manual() && p.Status == copay.PaymentRequested {
			w.captured[p.Ref] = p.Amount
			w.event("stripe", integrations.EventPayment, p.PlatformID, string(copay.PaymentCaptured))
			return
		}
	}
	w.t.Fatal("there is no open request to pay")
}

func (w *world) event(p copay.Platform, k integrations.EventKind, object, status string) {
	w.env.SignalWorkflow(SignalEvent, Event{ID: string(p) + "/" + string(k) + "/" + object + "/" + status, Platform: p, Kind: string(k), Object: object, Status: status})
}

// answer is what an update came to.
type answer struct {
	rejected bool
	err      error
	copay    copay.CoPay
	page     Page
	done     bool
}

func (w *world) update(name string, in ...any) *answer {
	a := &answer{}
	w.env.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{
		OnReject: func(err error) { a.rejected, a.err, a.done = true, err, true },
		OnAccept: func() {},
		OnComplete: func(v any, err error) {
			a.err, a.done = err, true
			switch v := v.(type) {
			case copay.CoPay:
				a.copay = v
			case Page:
				a.page = v
			}
		},
	}, in...)
	return a
}

// act does a staff act and expects an answer with this code ("" for done).
func (w *world) act(want copay.Code, name string, in any) {
	a := w.update(name, in)
	w.expect = append(w.expect, func() { require.Equal(w.t, want, a.code(w.t), "%s: %v", name, a.err) })
}

func (a *answer) code(t *testing.T) copay.Code {
	t.Helper()
	require.True(t, a.done, "the update was not answered")
	if a.err == nil {
		return ""
	}
	var app *temporal.ApplicationError
	require.ErrorAs(t, a.err, &app)
	return copay.Code(app.Type())
}
