package drchrono

import (
	"context"
	"sync"
	"time"

	"github.com/copayflow/copayflow/integrations"
)

// maxAttempts bounds what is remembered. A forgotten attempt is still found in
// DrChrono once its lists have caught up, long before this many have passed.
const maxAttempts = 4096

// attempts remembers this process's latest writes by trace number, so that a
// repeat within the lists' lag neither doubles nor overtakes the first one.
// The zero value is ready.
type attempts struct {
	mu    sync.Mutex
	known map[string]*attempt
	order []string
}

func (a *attempts) of(trace string) *attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	if x, ok := a.known[trace]; ok {
		return x
	}
	if a.known == nil {
		a.known = map[string]*attempt{}
	}
	if len(a.order) >= maxAttempts {
		delete(a.known, a.order[0])
		a.order = a.order[1:]
	}
	x := &attempt{turn: make(chan struct{}, 1)}
	a.known[trace], a.order = x, append(a.order, trace)
	return x
}

// attempt is one write. Its fields are only touched by whoever has the turn.
type attempt struct {
	turn chan struct{}
	id   id        // of the payment that was made
	open time.Time // when an attempt with an open outcome ended
}

// enter waits for the turn.
func (a *attempt) enter(ctx context.Context) error {
	select {
	case a.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &integrations.Error{Kind: integrations.KindUnknown, Platform: Platform, Op: opCreate,
			Message: "another attempt at this posting is still running", Err: ctx.Err()}
	}
}

func (a *attempt) leave() { <-a.turn }
