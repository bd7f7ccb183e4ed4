package sim

import (
	"sync"
	"time"
)

// Gather collects what a platform tells of in batches. The first item starts
// the wait; when it ends, all that came is flushed at once.
type Gather[T any] struct {
	Every time.Duration // 0: nothing waits
	Flush func(batch []T)

	mu    sync.Mutex
	batch []T
}

// Add puts items into the next batch.
func (g *Gather[T]) Add(items ...T) {
	if len(items) == 0 {
		return
	}
	if g.Every <= 0 {
		g.Flush(items)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.batch = append(g.batch, items...)
	if len(g.batch) == len(items) {
		time.AfterFunc(g.Every, g.Now)
	}
}

// Now flushes what waits.
func (g *Gather[T]) Now() {
	g.mu.Lock()
	batch := g.batch
	g.batch = nil
	g.mu.Unlock()
	if len(batch) > 0 {
		g.Flush(batch)
	}
}
