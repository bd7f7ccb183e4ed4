package serve

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/copayflow/copayflow/api"
)

// parting is the time between the wish that a process ends and its end, in
// which it works on but is not ready: a balancer that looks meanwhile sends
// no more requests, so that none meets a closed address.
type parting struct{ begun atomic.Bool }

// context is alive for wait longer than ctx; between the two, after tell.
func (p *parting) context(ctx context.Context, wait time.Duration, tell func()) (context.Context, context.CancelFunc) {
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() {
		defer end()
		p.begun.Store(true)
		tell()
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-serving.Done(): // a part failed
		}
	})
	return serving, func() { forget(); end() }
}

// ready is the readiness check.
func (p *parting) ready(context.Context) error {
	if p.begun.Load() {
		return api.ErrStopping
	}
	return nil
}
