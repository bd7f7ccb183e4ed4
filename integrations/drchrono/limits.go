package drchrono

import (
	"sync"
	"time"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// perSecond lets no second see more than n calls: what may go at once and what
// trickles in after it add up to n.
func perSecond(n int) []transport.Limit {
	burst := max(n/4, 1)
	return []transport.Limit{{N: max(n-burst, 1), Per: time.Second, Burst: burst}}
}

// hourly holds calls to the platform's count, which starts anew at the top of
// each clock hour. A rate that trickles would let twice as many through.
type hourly struct {
	max int
	now func() time.Time

	mu    sync.Mutex
	start time.Time
	calls int
}

func (h *hourly) take(op string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	if start := now.Truncate(time.Hour); !start.Equal(h.start) {
		h.start, h.calls = start, 0
	}
	if h.calls >= h.max {
		e := fail(integrations.KindRateLimited, op, "held back to stay within the platform's hourly limit")
		e.RetryAfter = nextHour(now)
		return e
	}
	h.calls++
	return nil
}

func nextHour(t time.Time) time.Duration { return t.Truncate(time.Hour).Add(time.Hour).Sub(t) }
