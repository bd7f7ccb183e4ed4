package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

var staff = copay.Actor{ID: "u-1", Kind: "staff", Roles: []copay.Role{copay.RoleBiller}}

func event(id string) ledger.InboxEvent {
	return ledger.InboxEvent{ID: id, Kind: integrations.EventPayment, Type: "checkout.session.completed", Payload: []byte("secret " + id), Trace: "t"}
}

func (b bench) receive(t *testing.T, ids ...string) int {
	t.Helper()
	var events []ledger.InboxEvent
	for _, id := range ids {
		events = append(events, event(id))
	}
	n, err := b.Inbox().Receive(t.Context(), maple, "stripe", events)
	require.NoError(t, err)
	return n
}

func (b bench) take(t *testing.T, n int) []ledger.InboxRow {
	t.Helper()
	rows, err := b.Inbox().Claim(t.Context(), n, time.Minute, "w-1")
	require.NoError(t, err)
	return rows
}

func TestInboxKeepsEachEventOnce(t *testing.T) {
	b := setup(t)
	require.Equal(t, 2, b.receive(t, "e-1", "e-2"))
	require.Equal(t, 1, b.receive(t, "e-2", "e-3", "e-3"))
	require.Equal(t, 0, b.receive(t))
	n, err := b.Inbox().Receive(t.Context(), maple, "square", []ledger.InboxEvent{event("e-1")})
	require.NoError(t, err)
	require.Equal(t, 1, n, "ids are the platform's")
	require.Zero(t, b.count(t, `SELECT count(*) FROM inbox WHERE position('secret'::bytea IN payload) > 0`))

	rows := b.take(t, 10)
	require.Len(t, rows, 4)
	for _, r := range rows {
		require.Equal(t, "secret "+r.ID, string(r.Payload))
		require.Equal(t, maple, r.Practice)
		require.Equal(t, noon, r.ReceivedAt)
		require.Equal(t, 1, r.Attempts)
	}
	require.Empty(t, b.take(t, 10), "leased")
}

func TestInboxRefusesEventsWithoutID(t *testing.T) {
	b := setup(t)
	_, err := b.Inbox().Receive(t.Context(), maple, "stripe", []ledger.InboxEvent{{}})
	requireCode(t, copay.CodeInvalid, err)
}

func TestInboxKeepsButDoesNotDeliverIgnored(t *testing.T) {
	b := setup(t)
	e := event("e-1")
	e.Kind = integrations.EventIgnored
	n, err := b.Inbox().Receive(t.Context(), maple, "stripe", []ledger.InboxEvent{e})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Empty(t, b.take(t, 10))
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM inbox WHERE status = 'ignored'`))
}

// Many workers at once deliver each event exactly once.
func TestInboxClaimAtTheSameTime(t *testing.T) {
	b := setup(t)
	const events, workers = 200, 8
	var ids []string
	for i := range events {
		ids = append(ids, fmt.Sprintf("e-%d", i))
	}
	b.receive(t, ids...)
	var mu sync.Mutex
	seen := map[string]int{}
	errs := together(workers, func(i int) error {
		for {
			rows, err := b.Inbox().Claim(t.Context(), 7, time.Minute, fmt.Sprintf("w-%d", i))
			if err != nil || len(rows) == 0 {
				return err
			}
			for _, r := range rows {
				mu.Lock()
				seen[r.ID]++
				mu.Unlock()
				if err := b.Inbox().Close(t.Context(), ledger.Closed{InboxRow: r}); err != nil {
					return err
				}
			}
		}
	})
	require.NoError(t, errors.Join(errs...))
	require.Len(t, seen, events)
	for id, n := range seen {
		require.Equal(t, 1, n, id)
	}
	require.Equal(t, events, b.count(t, `SELECT count(*) FROM inbox WHERE status = 'done' AND attempts = 1`))
}

// The same events arrive at once in different orders: nobody waits in a circle.
func TestInboxReceiveAtTheSameTime(t *testing.T) {
	b := setup(t)
	var up, down []ledger.InboxEvent
	for i := range 60 {
		up = append(up, event(fmt.Sprintf("e-%d", i)))
		down = append([]ledger.InboxEvent{up[i]}, down...)
	}
	fresh := make([]int, 8)
	errs := together(8, func(i int) (err error) {
		list := up
		if i%2 == 0 {
			list = down
		}
		fresh[i], err = b.Inbox().Receive(t.Context(), maple, "stripe", list)
		return err
	})
	require.NoError(t, errors.Join(errs...))
	total := 0
	for _, n := range fresh {
		total += n
	}
	require.Equal(t, 60, total)
}

func TestInboxLeaseEnds(t *testing.T) {
	b := setup(t)
	b.receive(t, "e-1")
	first := b.take(t, 1)[0]
	b.clock.Add(2 * time.Minute)
	second := b.take(t, 1)[0]
	require.Equal(t, 2, second.Attempts)
	// The worker that lost its lease cannot put the event back under the other…
	dead, err := b.Inbox().Retry(t.Context(), first, "late", noon)
	require.NoError(t, err)
	require.False(t, dead)
	require.Empty(t, b.take(t, 1))
	// …but what it delivered is delivered.
	require.NoError(t, b.Inbox().Close(t.Context(), ledger.Closed{InboxRow: first}))
	_, err = b.Inbox().Retry(t.Context(), second, "x", noon)
	require.NoError(t, err)
	b.clock.Add(time.Hour)
	require.Empty(t, b.take(t, 1))
}

func TestInboxRetriesThenDeadLetters(t *testing.T) {
	b := setup(t, func(c *ledger.Config) { c.InboxTries = 3 })
	b.receive(t, "e-1")
	for try := 1; try <= 3; try++ {
		r := b.take(t, 1)[0]
		require.Equal(t, try, r.Attempts)
		dead, err := b.Inbox().Retry(t.Context(), r, "the workflow is not there", b.clock.Now().Add(time.Minute))
		require.NoError(t, err)
		require.Equal(t, try == 3, dead)
		require.Empty(t, b.take(t, 1), "not yet")
		b.clock.Add(time.Minute)
	}
	require.Empty(t, b.take(t, 1))
	list, more, err := b.Inbox().DeadLetters(t.Context(), maple, "", 0)
	require.NoError(t, err)
	require.Empty(t, more)
	require.Len(t, list, 1)
	require.Equal(t, "the workflow is not there", list[0].LastError)
	require.Nil(t, list[0].Payload)
	full, err := b.Inbox().Get(t.Context(), maple, list[0].Row)
	require.NoError(t, err)
	require.Equal(t, "secret e-1", string(full.Payload))

	require.NoError(t, b.Inbox().Replay(t.Context(), maple, list[0].Row, staff, "workflow was started"))
	r := b.take(t, 1)[0]
	require.Equal(t, 1, r.Attempts)
	require.NoError(t, b.Inbox().Close(t.Context(), ledger.Closed{InboxRow: r}))
	requireCode(t, copay.CodeNotFound, b.Inbox().Replay(t.Context(), maple, r.Row, staff, ""))
	audit, _, err := b.Audit(t.Context(), maple, ledger.AuditFilter{Action: "inbox.replay"}, "", 0)
	require.NoError(t, err)
	require.Len(t, audit, 1)
	require.Equal(t, "e-1", audit[0].Detail["event"])
}

// An event that takes its worker down each time does not do so for ever.
func TestInboxGivesUpOnDeadlyEvents(t *testing.T) {
	b := setup(t, func(c *ledger.Config) { c.InboxTries = 2 })
	b.receive(t, "e-1")
	for range 2 {
		require.Len(t, b.take(t, 1), 1)
		b.clock.Add(time.Hour)
	}
	require.Empty(t, b.take(t, 1))
	list, _, err := b.Inbox().DeadLetters(t.Context(), maple, "", 0)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.NoError(t, b.Inbox().Ignore(t.Context(), maple, list[0].Row, staff, "a test event"))
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM inbox WHERE status = 'ignored'`))
	requireCode(t, copay.CodeNotFound, b.Inbox().Ignore(t.Context(), maple, list[0].Row, staff, ""))
}

func TestInboxPutsUnreadableEventsAside(t *testing.T) {
	b := setup(t)
	b.receive(t, "e-1", "e-2")
	b.exec(t, `UPDATE inbox SET payload = 'nonsense' WHERE event_id = 'e-1'`)
	rows := b.take(t, 10)
	require.Len(t, rows, 1)
	require.Equal(t, "e-2", rows[0].ID)
	list, _, err := b.Inbox().DeadLetters(t.Context(), maple, "", 0)
	require.NoError(t, err)
	require.Len(t, list, 1)
}

func TestInboxLagAndPages(t *testing.T) {
	b := setup(t)
	b.receive(t, "e-1", "e-2", "e-3")
	b.clock.Add(time.Minute)
	b.receive(t, "e-4")
	lag, err := b.Inbox().Lag(t.Context())
	require.NoError(t, err)
	require.Equal(t, []ledger.InboxLag{{Practice: maple, Platform: "stripe", Pending: 4, Oldest: noon}}, lag)
	b.exec(t, `UPDATE inbox SET status = 'dead' WHERE event_id <> 'e-4'`)
	lag, err = b.Inbox().Lag(t.Context())
	require.NoError(t, err)
	require.Equal(t, []ledger.InboxLag{{Practice: maple, Platform: "stripe", Pending: 1, Dead: 3, Oldest: noon.Add(time.Minute)}}, lag)
	list, more, err := b.Inbox().DeadLetters(t.Context(), maple, "", 2)
	require.NoError(t, err)
	require.Len(t, list, 2)
	list, more, err = b.Inbox().DeadLetters(t.Context(), maple, more, 2)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Empty(t, more)
}

// listening wakes when something comes into the inbox, and has no news yet.
func listening(t *testing.T, b bench) <-chan string {
	t.Helper()
	wake, err := b.Listen(t.Context(), ledger.ChannelInbox)
	require.NoError(t, err)
	for {
		require.Empty(t, next(t, wake)) // at first, and once the connection stands
		if b.count(t, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %inbox%'`) == 1 {
			return wake
		}
	}
}

func TestInboxWakesListeners(t *testing.T) {
	b := setup(t)
	other := b.another(t)
	wake := listening(t, b)
	_, err := other.Inbox().Receive(t.Context(), maple, "stripe", []ledger.InboxEvent{event("e-1")})
	require.NoError(t, err)
	for next(t, wake) != string(maple) {
	}
	_, err = b.Listen(t.Context(), "gossip")
	requireCode(t, copay.CodeInvalid, err)
}

func TestWhatNobodyHeedsWakesNobody(t *testing.T) {
	b := setup(t)
	wake := listening(t, b)
	quiet := event("e-1")
	quiet.Quiet = true
	n, err := b.Inbox().Receive(t.Context(), birch, "stripe", []ledger.InboxEvent{quiet})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = b.Inbox().Receive(t.Context(), maple, "stripe", []ledger.InboxEvent{event("e-2"), quiet})
	require.NoError(t, err)
	for p := ""; p != string(maple); {
		p = next(t, wake)
		require.NotEqual(t, string(birch), p)
	}
}

// counter counts what goes to the server.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !strings.Contains(d.SQL, "pg_notify") { // sent afterwards, by somebody else
		c.n++
	}
	return ctx
}

func (c *counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *counter) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// A webhook must be acknowledged at once: one statement, however many events.
func TestInboxReceivesInOneStatement(t *testing.T) {
	b := setup(t)
	seen := &counter{}
	cfg, err := pgxpool.ParseConfig(b.db.Config().ConnString())
	require.NoError(t, err)
	cfg.ConnConfig.Tracer = seen
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	s := b.another(t, func(c *ledger.Config) { c.Pool = pool })
	_, err = s.Inbox().Receive(t.Context(), maple, "stripe", []ledger.InboxEvent{event("e-0")}) // loads the practice's key
	require.NoError(t, err)
	before := seen.total()
	_, err = s.Inbox().Receive(t.Context(), maple, "stripe", []ledger.InboxEvent{event("e-1"), event("e-2"), event("e-0")})
	require.NoError(t, err)
	require.Equal(t, 1, seen.total()-before)
}

func TestEventsOfWhichNothingFollowsAreKeptAndNotDelivered(t *testing.T) {
	b := setup(t)
	rows, err := ledger.NewInboxEvents([]integrations.Event{
		{ID: "books", Kind: integrations.EventAccountingChanged},
		{ID: "queued", Kind: integrations.EventMessageStatus, Status: string(integrations.DeliveryQueued)},
		{ID: "odd", Kind: integrations.EventIgnored},
		{ID: "sent", Kind: integrations.EventMessageStatus, Status: string(integrations.DeliverySent)},
	}, "")
	require.NoError(t, err)
	n, err := b.Inbox().Receive(t.Context(), maple, "twilio", rows)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	require.Equal(t, 4, b.count(t, `SELECT count(*) FROM inbox`))
	due, err := b.Inbox().Claim(t.Context(), 10, time.Minute, "w")
	require.NoError(t, err)
	require.Len(t, due, 1)
	require.Equal(t, "sent", due[0].ID)
}

// An outage of what events are delivered to may last longer than all tries.
func TestInboxPostponesWithoutEnd(t *testing.T) {
	b := setup(t, func(c *ledger.Config) { c.InboxTries = 4 })
	b.receive(t, "e-1")
	for range 10 {
		e := b.take(t, 1)[0]
		require.NoError(t, b.Inbox().Postpone(t.Context(), e, "away", b.clock.Now().Add(time.Minute)))
		require.Empty(t, b.take(t, 1), "not before its time")
		b.clock.Add(2 * time.Minute)
	}
	e := b.take(t, 1)[0]
	require.Equal(t, 3, e.Attempts, "tries are left for workers that go down with it")
	b.clock.Add(time.Hour)
	late := b.take(t, 1)[0] // by another worker, the lease is over
	require.NoError(t, b.Inbox().Postpone(t.Context(), e, "away", noon))
	require.Empty(t, b.take(t, 1), "it is the other's now")
	require.NoError(t, b.Inbox().Close(t.Context(), ledger.Closed{InboxRow: late}))
}

func TestInboxDeliversAgainWhatWorkflowsWereTold(t *testing.T) {
	b := setup(t)
	kinds := map[string]integrations.EventKind{"early": integrations.EventPayment, "paid": integrations.EventPayment, "stop": integrations.EventMessageOptOut,
		"none": integrations.EventChargeChanged, "open": integrations.EventChargeCreated}
	for id, kind := range kinds {
		e := event(id)
		e.Kind = kind
		_, err := b.Inbox().Receive(t.Context(), maple, "stripe", []ledger.InboxEvent{e})
		require.NoError(t, err)
	}
	rows := map[string]ledger.InboxRow{}
	for _, r := range b.take(t, 10) {
		rows[r.ID] = r
	}
	require.NoError(t, b.Inbox().Close(t.Context(), ledger.Closed{InboxRow: rows["early"]}))
	b.clock.Add(time.Hour)
	require.NoError(t, b.Inbox().Close(t.Context(), ledger.Closed{InboxRow: rows["paid"]}, ledger.Closed{InboxRow: rows["stop"]}, ledger.Closed{InboxRow: rows["none"], Ignored: "nobody's"}))
	require.NoError(t, b.Inbox().Bury(t.Context(), rows["open"], "a person looks at it"))

	n, err := b.Inbox().Redeliver(t.Context(), birch, noon)
	require.NoError(t, err)
	require.Zero(t, n, "of another practice")
	n, err = b.Inbox().Redeliver(t.Context(), maple, noon.Add(time.Minute))
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	again := b.take(t, 10)
	require.Len(t, again, 1)
	require.Equal(t, "paid", again[0].ID)
	require.Equal(t, 1, again[0].Attempts)
}
