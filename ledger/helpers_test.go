package ledger_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/internal/pgserver/pgtest"
	"github.com/copayflow/copayflow/ledger"
)

const (
	maple = copay.PracticeID("maple")
	birch = copay.PracticeID("birch")
)

// clock is business time that a test moves by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// noon is when tests take place.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// bench is a store on its own database with a clock in hand.
type bench struct {
	*ledger.Store
	ctx   context.Context //nolint:containedctx // of the test
	db    *pgxpool.Pool
	clock *clock
}

func setup(t *testing.T, change ...func(*ledger.Config)) bench {
	t.Helper()
	t.Parallel()
	b := bench{ctx: t.Context(), db: pgtest.Pool(t), clock: &clock{at: noon}}
	b.Store = b.another(t, change...)
	return b
}

// another is a second store on the same database, as another process has it.
func (b bench) another(t *testing.T, change ...func(*ledger.Config)) *ledger.Store {
	t.Helper()
	cfg := ledger.Config{Pool: b.db, Keys: pgtest.Keys(t), Now: b.clock.Now, WatchEvery: time.Minute}
	for _, c := range change {
		c(&cfg)
	}
	s, err := ledger.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func keyOf(p copay.PracticeID, charge string) copay.Key {
	return copay.Key{Practice: p, EHR: "drchrono", Charge: copay.ChargeID(charge)}
}

// claim makes a co-pay's row.
func (b bench) claim(t *testing.T, p copay.PracticeID, charge string) copay.ID {
	t.Helper()
	key := keyOf(p, charge)
	_, _, err := b.Claim(t.Context(), key, key.WorkflowID())
	require.NoError(t, err)
	return key.ID()
}

// step is a record that is complete enough.
func step(key copay.Key, version int64, state copay.State) ledger.Record {
	return ledger.Record{Version: version, TraceID: "trace-1",
		CoPay: copay.CoPay{ID: key.ID(), Key: key, State: state, StartedAt: noon, UpdatedAt: noon.Add(time.Duration(version) * time.Minute)},
		Events: []ledger.TimelineEvent{{Kind: "state", Actor: copay.System(), Summary: fmt.Sprintf("now %s", state),
			Before: copay.StateReceived, After: state}}}
}

func entry(t *testing.T, rule ledger.Rule, name string, cents int64, rail copay.Rail) ledger.Entry {
	t.Helper()
	e, err := ledger.NewEntry(rule, name, noon, copay.Cents(cents), rail)
	require.NoError(t, err)
	return e
}

func (b bench) record(t *testing.T, r ledger.Record) {
	t.Helper()
	require.NoError(t, b.Record(t.Context(), r))
}

// count asks the database itself.
func (b bench) count(t *testing.T, sql string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, b.db.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

func (b bench) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.db.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// requireCode expects the domain's refusal.
func requireCode(t *testing.T, want copay.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, copay.CodeOf(err), "%v", err)
}

// together runs f n times at once and returns the errors.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-gate
			errs[i] = f(i)
		})
	}
	close(gate)
	wg.Wait()
	return errs
}

// next receives within a deadline.
func next[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	select {
	case v, ok := <-ch:
		require.True(t, ok, "the channel was closed")
		return v
	case <-ctx.Done():
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}
