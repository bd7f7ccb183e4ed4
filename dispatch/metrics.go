package dispatch

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

const scope = "github.com/copayflow/copayflow/dispatch"

// instruments measure the inbox. Age matters more than count: a queue that
// moves is healthy at any length.
type instruments struct {
	events  metric.Int64Counter
	seconds metric.Float64Histogram
	lag     metric.Registration
}

// lagWait bounds the reading of the inbox for a scrape: the page holds much
// else, and is needed most when the database does not answer.
const lagWait = 2 * time.Second

func newInstruments(o Options, inbox Inbox) (i instruments, err error) {
	p := o.Meter
	if p == nil {
		p = otel.GetMeterProvider()
	}
	m := p.Meter(scope)
	if i.events, err = m.Int64Counter("copay_inbox_events", metric.WithDescription("Events taken out of the inbox, by outcome")); err != nil {
		return i, err
	}
	if i.seconds, err = m.Float64Histogram("copay_inbox_delivery_seconds", metric.WithUnit("s"),
		metric.WithDescription("From the receipt of an event to its delivery")); err != nil {
		return i, err
	}
	pending, err := m.Int64ObservableGauge("copay_inbox_pending", metric.WithDescription("Events that wait to be delivered"))
	if err != nil {
		return i, err
	}
	dead, err := m.Int64ObservableGauge("copay_inbox_dead", metric.WithDescription("Events that wait for staff"))
	if err != nil {
		return i, err
	}
	age, err := m.Float64ObservableGauge("copay_inbox_oldest_seconds", metric.WithUnit("s"), metric.WithDescription("Age of the oldest event that waits"))
	if err != nil {
		return i, err
	}
	i.lag, err = m.RegisterCallback(func(ctx context.Context, to metric.Observer) error {
		ctx, cancel := context.WithTimeout(ctx, lagWait)
		defer cancel()
		list, err := inbox.Lag(ctx)
		if err != nil {
			return err
		}
		for _, l := range withIdle(list, o.Sources) {
			at := metric.WithAttributes(attribute.String("practice", string(l.Practice)), attribute.String("platform", string(l.Platform)))
			waits := 0.0
			if !l.Oldest.IsZero() {
				waits = o.Now().Sub(l.Oldest).Seconds()
			}
			to.ObserveInt64(pending, l.Pending, at)
			to.ObserveInt64(dead, l.Dead, at)
			to.ObserveFloat64(age, waits, at)
		}
		return nil
	}, pending, dead, age)
	return i, err
}

// withIdle adds the sources of which nothing waits: an alarm cannot tell a series
// that is missing from one that nobody measures.
func withIdle(list []ledger.InboxLag, sources map[copay.PracticeID][]copay.Platform) []ledger.InboxLag {
	for practice, platforms := range sources {
		for _, platform := range platforms {
			if !slices.ContainsFunc(list, func(l ledger.InboxLag) bool { return l.Practice == practice && l.Platform == platform }) {
				list = append(list, ledger.InboxLag{Practice: practice, Platform: platform})
			}
		}
	}
	return list
}

func (i instruments) close() {
	if i.lag != nil {
		_ = i.lag.Unregister() // fails only for a registration of another provider
	}
}

func (i instruments) dispatched(ctx context.Context, row ledger.InboxRow, outcome string, now time.Time) {
	at := metric.WithAttributes(attribute.String("platform", string(row.Platform)), attribute.String("kind", string(row.Kind)), attribute.String("outcome", outcome))
	i.events.Add(ctx, 1, at)
	if outcome == "done" {
		i.seconds.Record(ctx, now.Sub(row.ReceivedAt).Seconds(), metric.WithAttributes(attribute.String("platform", string(row.Platform))))
	}
}
