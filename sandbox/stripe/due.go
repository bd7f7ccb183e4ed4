package stripesim

import (
	"container/heap"
	"time"
)

// due is something that happens by itself at a time: a page expires or a bank
// debit settles.
type due struct {
	at  time.Time
	run func(c *call)
}

// dueQueue is ordered by time, so that a request looks only at what is due
// and not at a hundred thousand open pages.
type dueQueue []due

func (q dueQueue) Len() int           { return len(q) }
func (q dueQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q dueQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *dueQueue) Push(x any)        { *q = append(*q, x.(due)) }
func (q *dueQueue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

// at plans something.
func (s *Server) at(t time.Time, run func(c *call)) { heap.Push(&s.queue, due{t, run}) }

// advance does what the passing of time has made due.
func (s *Server) advance() {
	now := s.now()
	for len(s.queue) > 0 && !now.Before(s.queue[0].at) {
		heap.Pop(&s.queue).(due).run(s.own())
	}
}
