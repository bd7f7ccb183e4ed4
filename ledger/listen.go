package ledger

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/copayflow/copayflow/copay"
)

// hub shares one listening connection among everybody in the process who
// waits for notifications. After each (re)connection, and every so often, all
// are woken, since something may have been missed.
type hub struct {
	pool   *pgxpool.Pool
	every  time.Duration
	ctx    context.Context
	cancel context.CancelFunc
	start  sync.Once
	wg     sync.WaitGroup

	mu   sync.Mutex
	subs map[*subscriber]struct{}
}

// subscriber is one who waits. An empty payload means: look yourself.
type subscriber struct {
	channel string
	payload string // only this one; "" for all
	wake    chan string
}

func newHub(pool *pgxpool.Pool, every time.Duration) *hub {
	ctx, cancel := context.WithCancel(context.Background())
	return &hub{pool: pool, every: every, ctx: ctx, cancel: cancel, subs: map[*subscriber]struct{}{}}
}

func (h *hub) stop() {
	h.cancel()
	h.wg.Wait()
}

// join subscribes until leave is called. The first wake-up comes at once.
func (h *hub) join(channel, payload string) *subscriber {
	s := &subscriber{channel: channel, payload: payload, wake: make(chan string, 1)}
	s.ring("")
	h.mu.Lock()
	h.subs[s] = struct{}{}
	h.mu.Unlock()
	h.start.Do(func() {
		h.wg.Go(h.listen)
		h.wg.Go(h.tick)
	})
	return s
}

func (h *hub) leave(s *subscriber) {
	h.mu.Lock()
	delete(h.subs, s)
	h.mu.Unlock()
}

// ring wakes a subscriber; one that has not looked since the last ring is not
// rung twice, but told to look by itself.
func (s *subscriber) ring(payload string) {
	select {
	case s.wake <- payload:
		return
	default:
	}
	select {
	case <-s.wake:
	default:
	}
	select {
	case s.wake <- "":
	default:
	}
}

func (h *hub) ringAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		s.ring("")
	}
}

func (h *hub) dispatch(channel, payload string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		if s.channel == channel && (s.payload == "" || s.payload == payload) {
			s.ring(payload)
		}
	}
}

func (h *hub) tick() {
	t := time.NewTicker(h.every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			h.ringAll()
		case <-h.ctx.Done():
			return
		}
	}
}

// listen keeps the listening connection up.
func (h *hub) listen() {
	for h.ctx.Err() == nil {
		if h.listenOnce() != nil && h.ctx.Err() == nil {
			_ = backoff(h.ctx, 6) // only fails when the hub stops
		}
	}
}

func (h *hub) listenOnce() error {
	pooled, err := h.pool.Acquire(h.ctx)
	if err != nil {
		return err
	}
	conn := pooled.Hijack()
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	for _, c := range []string{ChannelCoPay, ChannelInbox} {
		if _, err := conn.Exec(h.ctx, "LISTEN "+pgx.Identifier{c}.Sanitize()); err != nil {
			return err
		}
	}
	h.ringAll()
	for {
		n, err := conn.WaitForNotification(h.ctx)
		if err != nil {
			return err
		}
		h.dispatch(n.Channel, n.Payload)
	}
}

// Listen wakes the reader whenever something was notified on a channel. The
// payload may be empty, at first, after a reconnection, now and then, or when
// several came while the reader was busy: then the reader looks for itself.
// The channel is closed when ctx or the store ends.
func (s *Store) Listen(ctx context.Context, channel string) (<-chan string, error) {
	if channel != ChannelCoPay && channel != ChannelInbox {
		return nil, copay.Errorf(copay.CodeInvalid, "channel", "there is no notification channel %q", channel)
	}
	sub, out := s.hub.join(channel, ""), make(chan string)
	s.hub.wg.Go(func() {
		defer close(out)
		defer s.hub.leave(sub)
		for {
			select {
			case p := <-sub.wake:
				select {
				case out <- p:
				case <-ctx.Done():
					return
				case <-s.hub.ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			case <-s.hub.ctx.Done():
				return
			}
		}
	})
	return out, nil
}

// Watch gives a co-pay as it is now and then each newer version; when the
// reader is slow, versions in between are left out. The channel is closed when
// ctx or the store ends.
func (s *Store) Watch(ctx context.Context, practice copay.PracticeID, id copay.ID) (<-chan CoPayRow, error) {
	row, err := s.CoPay(ctx, practice, id)
	if err != nil {
		return nil, err
	}
	sub, out := s.hub.join(ChannelCoPay, changed(practice, id)), make(chan CoPayRow, 1)
	out <- row
	s.hub.wg.Go(func() {
		defer close(out)
		defer s.hub.leave(sub)
		s.follow(ctx, row, sub, out)
	})
	return out, nil
}

func (s *Store) follow(ctx context.Context, last CoPayRow, sub *subscriber, out chan<- CoPayRow) {
	for {
		select {
		case <-sub.wake:
		case <-ctx.Done():
			return
		case <-s.hub.ctx.Done():
			return
		}
		row, err := s.CoPay(ctx, last.CoPay.Key.Practice, last.CoPay.ID)
		if err != nil || row.Version < last.Version || (row.Version == last.Version && row.CoPay.State == last.CoPay.State) {
			continue // the next ring tries again
		}
		last = row
		select {
		case out <- row:
		case <-ctx.Done():
			return
		case <-s.hub.ctx.Done():
			return
		}
	}
}

func changed(practice copay.PracticeID, id copay.ID) string {
	return string(practice) + "/" + string(id)
}
