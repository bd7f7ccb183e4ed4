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

	mu      sync.Mutex
	start   time.Time
	calls   int
	refused time.Time // when the platform last said that it was too much
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

const (
	// burstPause is enough after too many calls within one second.
	burstPause = 2 * time.Second
	// burstEnds is how long after a refusal another one is no burst any more.
	burstEnds = time.Minute
)

// throttled is how long to wait after the platform's 429, which does not say
// whether a second or the hour was too full. A first one while most of our
// hour is left is taken for the second: somebody may be waiting at the desk.
func (h *hourly) throttled() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	burst := now.Sub(h.refused) > burstEnds && h.calls < h.max/2
	h.refused = now
	if burst {
		return burstPause
	}
	return nextHour(now)
}

func nextHour(t time.Time) time.Duration { return t.Truncate(time.Hour).Add(time.Hour).Sub(t) }
