package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/check"
	"github.com/copayflow/copayflow/cmd/copay-dev/internal/stack"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/sandbox"
	drchronosim "github.com/copayflow/copayflow/sandbox/drchrono"
)

func benchCommand(file *string) *cobra.Command {
	n, profile, store := 150, "", "postgresql"
	cmd := &cobra.Command{
		Use: "bench", Short: "Co-pays per second against the bare workflow, and webhook acknowledgement, in one run", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), 8*time.Minute)
			defer cancel()
			return bench(ctx, cmd.OutOrStdout(), *file, store, n, profile)
		},
	}
	cmd.Flags().IntVar(&n, "n", n, "co-pays in each measurement")
	cmd.Flags().StringVar(&store, "store", store, "where Temporal keeps its data: postgresql, as in production, or sqlite, in memory")
	cmd.Flags().StringVar(&profile, "profile", "", "write a CPU profile of the co-pays' rounds to this file")
	return cmd
}

// rounds alternate bare and real runs, so that neither has the warmer machine.
const rounds = 3

func bench(ctx context.Context, out io.Writer, file, store string, n int, profile string) error {
	if store != "postgresql" && store != "sqlite" {
		return fmt.Errorf("--store is postgresql or sqlite, not %q", store)
	}
	s, clean, err := throwaway(ctx, out, file, "", func(o *stack.Options) { o.Fast, o.TemporalOnPostgres = true, store == "postgresql" })
	if err != nil {
		return err
	}
	defer clean()
	b := &benchRun{s: s, out: out, payer: newPayer(s), asked: make(chan string, 4096)}
	if err := b.bareWorker(); err != nil {
		return err
	}
	defer b.stopBare()
	if _, err := b.real(ctx, 10); err != nil { // warm caches and pools
		return err
	}
	for _, ordinary := range []bool{false, true} {
		if _, err := b.bare(ctx, 10, ordinary); err != nil {
			return err
		}
	}
	asked, err := b.asks(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  payment message %.2f s after the EHR's event, on the idle stack\n", asked.Seconds())
	done := make(chan struct{})
	defer close(done)
	go b.measureAcks(ctx, done) // through all rounds, so that it burdens both alike
	var ratios, rates []float64
	for i := range rounds {
		x, err := b.bare(ctx, n, false)
		if err != nil {
			return err
		}
		y, err := b.profiled(ctx, n, profile, i == rounds-1)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  round %d: bare %.1f/s, co-pays %.1f/s, ratio %.2f\n", i+1, x, y, y/x)
		ratios, rates = append(ratios, y/x), append(rates, y)
	}
	ordinary, err := b.bare(ctx, n, true)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  with every activity an ordinary one: bare %.1f/s, ratio %.2f\n", ordinary, middle(rates)/ordinary)
	events, err := historyLength(ctx, s, b.last)
	if err != nil {
		return err
	}
	r, err := check.Run(ctx, s.Process.Store, s.Sandbox, stack.Practice, nil)
	if err != nil {
		return err
	}
	if !r.OK() {
		return fmt.Errorf("invariants do not hold:\n  - %s", strings.Join(r.Findings, "\n  - "))
	}
	fmt.Fprintf(out, "bench: ratio=%.2f events=%d ack_p50_ms=%.1f\n", middle(ratios), events, b.ackMedian())
	return nil
}

// middle is the median: another process disturbs one round, seldom two.
func middle(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

type benchRun struct {
	s     *stack.Stack
	out   io.Writer
	payer *payer
	bareW sdkworker.Worker
	last  copay.Key

	patients int
	asked    chan string // bare workflows that wait for their second signal

	mu   sync.Mutex
	acks []time.Duration
}

// real runs n co-pays from the EHR's webhook to settled, each paid by link as
// soon as it is asked for, and returns how many a second.
func (b *benchRun) real(ctx context.Context, n int) (float64, error) {
	began := time.Now()
	for range n {
		b.charge()
	}
	err := b.settle(ctx, n)
	return float64(n) / time.Since(began).Seconds(), err
}

// asks is how long it takes from an EHR's event to the payment message while
// nothing else is going on; the middle of some.
func (b *benchRun) asks(ctx context.Context) (time.Duration, error) {
	took := make([]time.Duration, 5)
	for i := range took {
		before, began := b.s.Sandbox.Twilio.Count(), time.Now()
		b.charge()
		for b.s.Sandbox.Twilio.Count() == before {
			select {
			case <-ctx.Done():
				return 0, errors.New("no payment message was sent in time")
			case <-time.After(time.Millisecond):
			}
		}
		took[i] = time.Since(began)
		if err := b.settle(ctx, 1); err != nil {
			return 0, err
		}
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// charge enters a charge in the EHR, which tells of it.
func (b *benchRun) charge() {
	// A patient each, as in a clinic: looking for a posting reads the
	// patient's payments.
	who := stack.Sample[0].Patient
	b.patients++
	who.Phone, who.MemberID = fmt.Sprintf("+1312555%04d", b.patients%10000), fmt.Sprintf("%s%06d", who.MemberID, b.patients)
	who.Email = fmt.Sprintf("patient%d@example.org", b.patients)
	id := b.s.Sandbox.DrChrono.AddCharge(drchronosim.Charge{Patient: b.s.Sandbox.DrChrono.AddPatient(who), Cents: 145_00})
	b.last = copay.Key{Practice: stack.Practice, EHR: "drchrono", Charge: copay.ChargeID(id)}
}

// settle pays what is asked for until n more co-pays are settled.
func (b *benchRun) settle(ctx context.Context, n int) error {
	for {
		if err := b.payer.payAll(); err != nil {
			return err
		}
		settled, err := b.settled(ctx)
		if err != nil {
			return err
		}
		if settled >= b.payer.total+n {
			b.payer.total = settled
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("only %d of %d co-pays settled in time", settled-b.payer.total, n)
		case <-time.After(100 * time.Millisecond): // watching costs, too
		}
	}
}

// profiled is real, with the CPU profiled when that is wanted of this round.
func (b *benchRun) profiled(ctx context.Context, n int, profile string, wanted bool) (rate float64, err error) {
	if profile == "" || !wanted {
		return b.real(ctx, n)
	}
	f, err := os.Create(profile)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return 0, err
	}
	defer pprof.StopCPUProfile()
	return b.real(ctx, n)
}

func (b *benchRun) settled(ctx context.Context) (int, error) {
	counts, err := b.s.Process.Store.StateCounts(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, c := range counts {
		if c.State == copay.StateSettled {
			n += int(c.Count)
		}
		if c.State == copay.StateNeedsReview {
			return 0, fmt.Errorf("%d co-pays need a person (%s)", c.Count, c.Review)
		}
	}
	return n, nil
}

// payer pays every hosted page once, as soon as its message is out.
type payer struct {
	s     *stack.Stack
	paid  map[string]bool
	total int
}

func newPayer(s *stack.Stack) *payer { return &payer{s: s, paid: map[string]bool{}} }

func (p *payer) payAll() error {
	// Pages are opened before their texts are sent: there are as many to pay as
	// there are texts that were not answered yet.
	due := max(p.s.Sandbox.Twilio.Count()-len(p.paid), 0)
	pages := p.s.Sandbox.Stripe.OpenSessions()
	for _, x := range pages[:min(len(pages), due)] {
		if p.paid[x.ID] {
			continue
		}
		p.paid[x.ID] = true
		if err := p.s.Sandbox.Stripe.PaySession(x.ID, "pm_card_visa"); err != nil {
			return err
		}
	}
	return nil
}

// measureAcks posts signed webhooks of a kind that needs nothing done and
// times how long each waits to be acknowledged.
func (b *benchRun) measureAcks(ctx context.Context, done <-chan struct{}) {
	var n atomic.Int64
	url := b.s.URL + "/webhooks/stripe/" + string(stack.Practice)
	t := time.NewTicker(100 * time.Millisecond) // enough for a median; each costs the machine, too
	defer t.Stop()
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-t.C:
			body := fmt.Sprintf(`{"id":"evt_bench%d_%d","object":"event","api_version":"2023-10-16","created":%d,"type":"product.created","livemode":false,"data":{"object":{"id":"prod_1","object":"product"}}}`,
				time.Now().UnixNano(), n.Add(1), b.s.Clock.Now().Unix())
			at := time.Now()
			if b.post(ctx, url, body) {
				took := time.Since(at)
				b.mu.Lock()
				b.acks = append(b.acks, took)
				b.mu.Unlock()
			}
		}
	}
}

func (b *benchRun) post(ctx context.Context, url, body string) bool {
	stamp := b.s.Clock.Now().Unix()
	m := hmac.New(sha256.New, []byte(sandbox.StripeHookSecret))
	fmt.Fprintf(m, "%d.%s", stamp, body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Stripe-Signature", fmt.Sprintf("t=%d,v1=%s", stamp, hex.EncodeToString(m.Sum(nil))))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return res.Body.Close() == nil && res.StatusCode == http.StatusOK
}

func (b *benchRun) ackMedian() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.acks) == 0 {
		return -1
	}
	slices.Sort(b.acks)
	return float64(b.acks[len(b.acks)/2].Microseconds()) / 1000
}

// The bare workflow: as many activities (local ones, too), timers and signals
// as a co-pay paid by link, in the same order, doing nothing.

const bareQueue = "bare"

func nothing(context.Context) error { return nil }

// told is the last activity before the wait: the second signal follows it, as
// a payment follows its message.
func (b *benchRun) told(ctx context.Context) error {
	b.asked <- activity.GetInfo(ctx).WorkflowExecution.ID
	return nil
}

// Bare is the control; ordinary makes the local activities ordinary ones, as a
// workflow has them that keeps nothing in its worker.
func Bare(ctx workflow.Context, ordinary bool) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 30 * time.Second, TaskQueue: bareQueue})
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: 10 * time.Second})
	signals := workflow.GetSignalChannel(ctx, "go")
	signals.Receive(ctx, nil) // the charge
	run := bareRun{ctx: ctx, ordinary: ordinary}
	run.local(1)                                         // open
	run.remote(1)                                        // charge
	run.remote(1)                                        // eligibility
	run.local(1)                                         // estimate
	run.remote(1)                                        // request
	run.local(1)                                         // decide and record
	run.remote(1, workflow.ExecuteActivity(ctx, "told")) // text and mail
	run.local(1)                                         // decide and record
	paid := false
	workflow.Go(ctx, func(ctx workflow.Context) {
		signals.Receive(ctx, nil)
		paid = true
	})
	if _, err := workflow.AwaitWithTimeout(ctx, time.Hour, func() bool { return paid }); err != nil {
		return err
	}
	run.remote(1) // the truth
	run.remote(2) // EHR and books
	run.local(1)  // record
	return run.err
}

// bareRun runs activities that do nothing, until the first error.
type bareRun struct {
	ctx      workflow.Context
	ordinary bool
	err      error
}

func (r *bareRun) remote(n int, all ...workflow.Future) {
	for range n {
		all = append(all, workflow.ExecuteActivity(r.ctx, nothing))
	}
	for _, f := range all {
		r.err = errors.Join(r.err, f.Get(r.ctx, nil))
	}
}

func (r *bareRun) local(n int) {
	if r.ordinary {
		r.remote(n)
		return
	}
	for range n {
		r.err = errors.Join(r.err, workflow.ExecuteLocalActivity(r.ctx, nothing).Get(r.ctx, nil))
	}
}

func (b *benchRun) bareWorker() error {
	b.bareW = sdkworker.New(b.s.Process.Temporal, bareQueue, sdkworker.Options{})
	b.bareW.RegisterWorkflow(Bare)
	b.bareW.RegisterActivity(nothing)
	b.bareW.RegisterActivityWithOptions(b.told, activity.RegisterOptions{Name: "told"})
	return b.bareW.Start()
}

func (b *benchRun) stopBare() { b.bareW.Stop() }

// bare runs n of the control and returns how many a second.
func (b *benchRun) bare(ctx context.Context, n int, ordinary bool) (float64, error) {
	began := time.Now()
	c := b.s.Process.Temporal
	runs := make([]client.WorkflowRun, n)
	for i := range n {
		run, err := c.SignalWithStartWorkflow(ctx, fmt.Sprintf("bare-%d-%d", began.UnixNano(), i), "go", nil, client.StartWorkflowOptions{TaskQueue: bareQueue}, Bare, ordinary)
		if err != nil {
			return 0, err
		}
		runs[i] = run
	}
	for range runs {
		if err := c.SignalWorkflow(ctx, <-b.asked, "", "go", nil); err != nil {
			return 0, err
		}
	}
	for _, r := range runs {
		if err := r.Get(ctx, nil); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}
