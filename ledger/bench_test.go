package ledger_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/internal/pgserver/pgtest"
	"github.com/copayflow/copayflow/ledger"
)

func BenchmarkRecord(b *testing.B) {
	s := pgtest.Store(b)
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := step(keyOf(maple, fmt.Sprintf("c-%d", n.Add(1))), 1, copay.StateAwaitingPayment)
			e, err := ledger.NewEntry(ledger.RuleReceivable, "receivable-1", noon, copay.Cents(2500), "")
			if err != nil {
				b.Fatal(err)
			}
			r.Entries = []ledger.Entry{e}
			if err := s.Record(b.Context(), r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkReceive(b *testing.B) {
	s := pgtest.Store(b)
	n := 0
	for b.Loop() {
		n++
		if _, err := s.Inbox().Receive(b.Context(), maple, "stripe", []ledger.InboxEvent{event(fmt.Sprintf("e-%d", n))}); err != nil {
			b.Fatal(err)
		}
	}
}
