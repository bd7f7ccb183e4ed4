package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/api/serviceerror"
	"golang.org/x/sync/errgroup"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/internal/tracing"
	"github.com/copayflow/copayflow/ledger"
	"github.com/copayflow/copayflow/workflows"
)

// Inbox is the queue of verified platform events.
type Inbox interface {
	Claim(ctx context.Context, n int, lease time.Duration, worker string) ([]ledger.InboxRow, error)
	Close(ctx context.Context, events ...ledger.Closed) error
	Retry(ctx context.Context, e ledger.InboxRow, why string, next time.Time) (dead bool, err error)
	Postpone(ctx context.Context, e ledger.InboxRow, why string, next time.Time) error
	Bury(ctx context.Context, e ledger.InboxRow, why string) error
	Lag(ctx context.Context) ([]ledger.InboxLag, error)
}

// Store is what routing needs of the ledger.
type Store interface {
	CoPay(ctx context.Context, practice copay.PracticeID, id copay.ID) (ledger.CoPayRow, error)
	ListCoPays(ctx context.Context, practice copay.PracticeID, f ledger.Filter, from ledger.PageToken, size int) ([]ledger.CoPayRow, ledger.PageToken, error)
	FindByObject(ctx context.Context, practice copay.PracticeID, platform copay.Platform, object string) (ledger.CoPayRow, error)
	FindByPosting(ctx context.Context, practice copay.PracticeID, ehr copay.Platform, posting string) (ledger.CoPayRow, error)
	MessageStatus(ctx context.Context, practice copay.PracticeID, platform copay.Platform, providerID string, ref copay.Ref,
		status integrations.DeliveryStatus, code string, at time.Time) (n ledger.Notification, changed bool, err error)
	RecordNotification(ctx context.Context, n ledger.Notification) error
	Revoke(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address string, scope ledger.OptOut, source string, at time.Time) ([]copay.ID, error)
	Restore(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address, source string, at time.Time) error
	MarkBad(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address, code string, at time.Time) ([]copay.ID, error)
	CopaysByAddress(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address string) ([]copay.ID, error)
	AppendAudit(ctx context.Context, e ledger.AuditEntry) error
	Listen(ctx context.Context, channel string) (<-chan string, error)
}

// Workflows brings signals to co-pays; *Starter does.
type Workflows interface {
	Practice(id copay.PracticeID) (Practice, error)
	Signal(ctx context.Context, key copay.Key, o Origin, e workflows.Event) error
	Tell(ctx context.Context, key copay.Key, e workflows.Event) (running bool, err error)
}

// Options tune a dispatcher; zero fields take the defaults.
type Options struct {
	Name    string        // of this process, for the lease: no host secrets
	Batch   int           // events claimed at once; 64
	Workers int           // delivered at the same time; 16
	Lease   time.Duration // after which another process takes over; 1 minute
	Poll    time.Duration // look even without a notification; 5 s
	Gather  time.Duration // from the first news to the claim; 25 ms
	Now     func() time.Time
	Log     *slog.Logger
	Meter   metric.MeterProvider // nil: the global one
	// Sources are the platforms whose events come in, by practice. They are
	// measured also while nothing waits.
	Sources map[copay.PracticeID][]copay.Platform
}

func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = "dispatcher"
	}
	if o.Batch <= 0 {
		o.Batch = 64
	}
	if o.Workers <= 0 {
		o.Workers = 16
	}
	if o.Lease <= 0 {
		o.Lease = time.Minute
	}
	if o.Poll <= 0 {
		o.Poll = 5 * time.Second
	}
	if o.Gather <= 0 {
		o.Gather = 25 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Dispatcher takes events out of the inbox and brings each to its co-pay.
// Several may run on one database.
type Dispatcher struct {
	inbox   Inbox
	store   Store
	flows   Workflows
	o       Options
	metrics instruments
	away    atomic.Int64 // when an event last had to wait for an outage, Unix ns
}

// New makes a dispatcher; nothing happens before Run.
func New(inbox Inbox, store Store, flows Workflows, o Options) (*Dispatcher, error) {
	d := &Dispatcher{inbox: inbox, store: store, flows: flows, o: o.withDefaults()}
	var err error
	d.metrics, err = newInstruments(d.o, inbox)
	return d, err
}

// Run delivers until ctx ends. What is under way then is finished first.
func (d *Dispatcher) Run(ctx context.Context) error {
	defer d.metrics.close()
	d.away.Store(d.o.Now().UnixNano()) // for what was before nobody knows
	wake, err := d.store.Listen(ctx, ledger.ChannelInbox)
	if err != nil {
		return fmt.Errorf("the dispatcher cannot listen: %w", err)
	}
	tick := time.NewTicker(d.o.Poll)
	defer tick.Stop()
	for ctx.Err() == nil {
		n, err := d.Pass(ctx)
		if err != nil && ctx.Err() == nil {
			d.o.Log.ErrorContext(ctx, "the inbox cannot be read", "error", err)
		}
		if err == nil && n == d.o.Batch {
			continue // there is more
		}
		select {
		case _, open := <-wake:
			if !open {
				wake = nil // the ticker goes on
			}
			d.gather(ctx)
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// gather waits a moment for what comes together: a platform tells of one
// payment in several events, and each claim is a round trip.
func (d *Dispatcher) gather(ctx context.Context) {
	t := time.NewTimer(d.o.Gather)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Pass claims one batch, delivers it and says how many events it held.
func (d *Dispatcher) Pass(ctx context.Context) (int, error) {
	rows, err := d.claim(ctx)
	if err != nil {
		return 0, err
	}
	// An event that was claimed is delivered even when the process is asked
	// to stop meanwhile, but not beyond its lease.
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.o.Lease)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(d.o.Workers)
	ended := &closing{}
	for _, b := range bundles(rows) {
		g.Go(func() error { d.one(work, b, ended); return nil })
	}
	_ = g.Wait() // every event accounts for itself
	if err := d.inbox.Close(context.WithoutCancel(ctx), ended.list...); err != nil {
		// The lease ends and the events come again; workflows drop the repeats.
		d.o.Log.ErrorContext(ctx, "the inbox could not be told", "events", len(ended.list), "error", err)
	}
	return len(rows), nil
}

// claimGrace is how long a claim that is under way when the process is asked to
// stop may take.
const claimGrace = 5 * time.Second

// claim takes events. A claim that is cut off may stand in the database all the
// same, and its events would wait for their lease to end: it is waited for.
func (d *Dispatcher) claim(ctx context.Context) ([]ledger.InboxRow, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	whole, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(claimGrace, cancel) })
	defer stop()
	return d.inbox.Claim(whole, d.o.Batch, d.o.Lease, d.o.Name)
}

// closing gathers the events of a pass that need nothing more.
type closing struct {
	mu   sync.Mutex
	list []ledger.Closed
}

func (c *closing) add(row ledger.InboxRow, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, ledger.Closed{InboxRow: row, Ignored: why})
}

// one delivers one bundle and accounts for its events.
func (d *Dispatcher) one(ctx context.Context, b bundle, ended *closing) {
	ctx, span := otel.Tracer(scope).Start(tracing.WithParent(ctx, b.row.Trace), "dispatch "+string(b.row.Kind), trace.WithSpanKind(trace.SpanKindConsumer))
	defer span.End()
	verdict := d.deliver(ctx, b.delivery)
	if verdict != nil && !isIgnored(verdict) {
		span.SetStatus(codes.Error, "not delivered")
	}
	for _, row := range b.rows {
		d.account(ctx, row, verdict, ended)
	}
}

func (d *Dispatcher) account(ctx context.Context, row ledger.InboxRow, verdict error, ended *closing) {
	log := d.o.Log.With("practice_id", row.Practice, "platform", row.Platform, "kind", row.Kind, "inbox_id", row.Row, "attempt", row.Attempts)
	var err error
	outcome := "done"
	switch {
	case verdict == nil:
		ended.add(row, "")
	case isIgnored(verdict):
		outcome = "ignored"
		ended.add(row, verdict.Error())
	case isForStaff(verdict):
		outcome = "dead"
		log.WarnContext(ctx, "an event needs a person", "reason", verdict.Error())
		err = d.inbox.Bury(ctx, row, verdict.Error())
	case outage(verdict):
		outcome = "retry"
		d.away.Store(d.o.Now().UnixNano())
		err = d.inbox.Postpone(ctx, row, sentence(verdict), d.o.Now().Add(min(backoff(row.Attempts), outageDelay)))
		log.WarnContext(ctx, "an event has to wait", "reason", sentence(verdict), "error", verdict)
	default:
		outcome = "retry"
		var dead bool
		if dead, err = d.inbox.Retry(ctx, row, sentence(verdict), d.o.Now().Add(backoff(row.Attempts))); dead {
			outcome = "dead"
		}
		level := slog.LevelWarn
		if copay.CodeOf(verdict) == copay.CodeNotFound && row.Attempts < recordTries { // its record may be on the way
			level = slog.LevelInfo
		}
		log.Log(ctx, level, "an event could not be delivered", "reason", sentence(verdict), "outcome", outcome)
	}
	if err != nil {
		// The lease ends and the event comes again; the workflow drops the repeat.
		log.ErrorContext(ctx, "the inbox could not be told", "outcome", outcome, "error", err)
	}
	d.metrics.dispatched(ctx, row, outcome, d.o.Now())
}

// Delays between tries: a co-pay's record may trail its event by moments, an
// outage may last for hours.
const (
	firstDelay = 2 * time.Second
	maxDelay   = 30 * time.Minute
	// outageDelay is the longest while Temporal is away: it may be back any moment.
	outageDelay = time.Minute
)

// outage reports that Temporal or the database is away, out of room, or does
// not let us in. That says nothing about the event, so however long it lasts
// the event waits, and no person has to replay it.
func outage(err error) bool {
	if copay.CodeOf(err) == copay.CodeUnavailable || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	var (
		down    *serviceerror.Unavailable
		full    *serviceerror.ResourceExhausted
		slow    *serviceerror.DeadlineExceeded
		ended   *serviceerror.Canceled
		nowhere *serviceerror.NamespaceNotFound
		closed  *serviceerror.PermissionDenied
	)
	return errors.As(err, &down) || errors.As(err, &full) || errors.As(err, &slow) || errors.As(err, &ended) || errors.As(err, &nowhere) || errors.As(err, &closed)
}

// caughtUp reports that what had to wait for an outage had its turn since.
func (d *Dispatcher) caughtUp() bool {
	return d.o.Now().Sub(time.Unix(0, d.away.Load())) > 3*outageDelay
}

func backoff(attempt int) time.Duration {
	d := firstDelay
	for i := 1; i < attempt && d < maxDelay; i++ {
		d *= 3
	}
	return min(d, maxDelay)
}

// sentence is what staff read of a failed delivery: refusals are written for
// them, anything else is named without its text, which is not ours.
func sentence(err error) string {
	var e *copay.Error
	if errors.As(err, &e) {
		return e.Message
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return "the workflow service did not answer in time; it is tried again"
	}
	return "the workflow service could not be reached; it is tried again"
}

// ignored is the verdict on an event that concerns nobody.
type ignored struct{ why string }

func (i ignored) Error() string { return i.why }

func isIgnored(err error) bool { var i ignored; return errors.As(err, &i) }

// forStaff is the verdict on an event that only a person can deal with.
type forStaff struct{ what string }

func (f forStaff) Error() string { return f.what }

func isForStaff(err error) bool { var f forStaff; return errors.As(err, &f) }
