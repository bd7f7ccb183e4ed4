package serve

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
	"github.com/copayflow/copayflow/worker"
)

// gaugesEvery is how old the figures may be: counting reads whole tables.
const gaugesEvery = 30 * time.Second

// gaugesWait bounds the counting. The page holds much else, and is needed most
// when the database does not answer.
const gaugesWait = 2 * time.Second

// figures are what the business gauges show.
type figures struct {
	states    []ledger.StateCount
	collected []ledger.Captured
}

// gauges publishes co-pays by state, the age of those that wait longest, and
// money collected, without anything of patients.
type gauges struct {
	p    *worker.Process
	mu   sync.Mutex
	at   time.Time
	last figures
	err  error
}

func registerGauges(p *worker.Process) (metric.Registration, error) {
	m := p.Telemetry.Meters.Meter("github.com/copayflow/copayflow/internal/serve")
	count, err := m.Int64ObservableGauge("copay_copays", metric.WithDescription("Co-pays by practice and state"))
	if err != nil {
		return nil, err
	}
	oldest, err := m.Float64ObservableGauge("copay_oldest_seconds", metric.WithUnit("s"), metric.WithDescription("Since the longest waiting co-pay of a state last changed"))
	if err != nil {
		return nil, err
	}
	money, err := m.Int64ObservableGauge("copay_collected_cents", metric.WithDescription("Money captured so far, all rails, in US cents"))
	if err != nil {
		return nil, err
	}
	g := &gauges{p: p}
	return m.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		f, err := g.read(ctx)
		if err != nil {
			return err
		}
		for _, s := range f.states {
			attrs := metric.WithAttributes(attribute.String("practice", string(s.Practice)), attribute.String("state", string(s.State)), attribute.String("review", string(s.Review)))
			o.ObserveInt64(count, s.Count, attrs)
			if !s.State.Closed() && !s.Oldest.IsZero() {
				o.ObserveFloat64(oldest, p.Now().Sub(s.Oldest).Seconds(), attrs)
			}
		}
		for _, c := range f.collected {
			if c.Currency == copay.USD {
				o.ObserveInt64(money, c.Minor, metric.WithAttributes(attribute.String("practice", string(c.Practice))))
			}
		}
		return nil
	}, count, oldest, money)
}

// read counts anew when the figures are old, whether the last counting
// succeeded or not: a database in trouble is not asked by every scrape.
func (g *gauges) read(ctx context.Context) (figures, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Since(g.at) < gaugesEvery {
		return g.last, g.err
	}
	ctx, cancel := context.WithTimeout(ctx, gaugesWait)
	defer cancel()
	g.last, g.err = g.count(ctx)
	g.at = time.Now()
	return g.last, g.err
}

func (g *gauges) count(ctx context.Context) (f figures, err error) {
	if f.states, err = g.p.Store.StateCounts(ctx); err != nil {
		return figures{}, err
	}
	if f.collected, err = g.p.Store.Captured(ctx); err != nil {
		return figures{}, err
	}
	return f, nil
}
