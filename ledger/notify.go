package ledger

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// The notification channels.
const (
	ChannelCoPay = "copay_changed" // payload: practice/co-pay id
	ChannelInbox = "copay_inbox"   // payload: practice
)

const sqlNotify = `SELECT pg_notify(c, p) FROM unnest($1::text[], $2::text[]) AS n (c, p)`

// teller sends notifications after their transactions have committed. Inside
// them each would hold a lock of the whole database until its commit is on
// disk, which makes all writers wait for one another; a notification that is
// lost with a crash costs a watcher no more than its next regular look.
type teller struct {
	pool *pgxpool.Pool
	mu   sync.Mutex
	due  []note
	bell chan struct{}
	quit chan struct{}
	gone chan struct{}
}

type note struct{ channel, payload string }

func newTeller(pool *pgxpool.Pool) *teller {
	t := &teller{pool: pool, bell: make(chan struct{}, 1), quit: make(chan struct{}), gone: make(chan struct{})}
	go t.run()
	return t
}

// tell queues a notification; it never blocks. One that is still waiting to
// be sent stands for its repetition.
func (t *teller) tell(channel, payload string) {
	t.mu.Lock()
	n := note{channel, payload}
	if !slices.Contains(t.due, n) {
		t.due = append(t.due, n)
	}
	t.mu.Unlock()
	select {
	case t.bell <- struct{}{}:
	default:
	}
}

func (t *teller) run() {
	defer close(t.gone)
	for {
		select {
		case <-t.bell:
			t.gather()
			t.send()
		case <-t.quit:
			t.send()
			return
		}
	}
}

// gatherFor is how long notifications are collected before they are sent:
// nothing to a person who watches, and under load one round trip for many.
const gatherFor = 20 * time.Millisecond

func (t *teller) gather() {
	timer := time.NewTimer(gatherFor)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.quit: // run sends what there is and ends
	}
}

// send hands over what has gathered, in one round trip. A failure drops it:
// watchers look by themselves now and then.
func (t *teller) send() {
	t.mu.Lock()
	due := t.due
	t.due = nil
	t.mu.Unlock()
	if len(due) == 0 {
		return
	}
	var channels, payloads []string
	for _, n := range due {
		channels, payloads = append(channels, n.channel), append(payloads, n.payload)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _ = t.pool.Exec(ctx, sqlNotify, channels, payloads)
}

func (t *teller) stop() {
	close(t.quit)
	<-t.gone
}
