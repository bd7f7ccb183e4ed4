package dispatch

import (
	"context"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

// Record is what waking co-pays needs of the ledger.
type Record interface {
	ListCoPays(ctx context.Context, practice copay.PracticeID, f ledger.Filter, from ledger.PageToken, size int) ([]ledger.CoPayRow, ledger.PageToken, error)
	AppendAudit(ctx context.Context, e ledger.AuditEntry) error
}

// Delivered are the events that were handed to workflows.
type Delivered interface {
	Redeliver(ctx context.Context, practice copay.PracticeID, since time.Time) (int64, error)
}

// Woken is what waking a practice's co-pays did.
type Woken struct {
	CoPays int
	Events int64
}

const (
	wakePage    = 200
	wakeAtATime = 8
)

// Wake makes sure that every open co-pay of a practice has its workflow, which
// restores itself from the ledger, and has the events delivered again that
// came since a moment (zero: none). It is for a workflow service that lost its
// memory; to co-pays that run it changes nothing, so it may be repeated.
func (s *Starter) Wake(ctx context.Context, record Record, inbox Delivered, practice copay.PracticeID, since time.Time) (w Woken, err error) {
	open := ledger.Filter{States: slices.DeleteFunc(copay.States(), copay.State.Closed)}
	o := Origin{Trigger: "operator", Actor: copay.System(), Priority: PriorityBatch}
	for page, more := ledger.PageToken(""), true; more; more = page != "" {
		rows, next, err := record.ListCoPays(ctx, practice, open, page, wakePage)
		if err != nil {
			return w, err
		}
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(wakeAtATime)
		for _, row := range rows {
			g.Go(func() error { return s.Start(ctx, row.CoPay.Key, o) })
		}
		if err := g.Wait(); err != nil {
			return w, err
		}
		w.CoPays, page = w.CoPays+len(rows), next
	}
	// After the co-pays, which the events would start one by one with a higher priority.
	if !since.IsZero() {
		if w.Events, err = inbox.Redeliver(ctx, practice, since); err != nil {
			return w, err
		}
	}
	return w, record.AppendAudit(ctx, ledger.AuditEntry{Practice: practice, Actor: copay.System(), Action: "copays.woken",
		Detail: map[string]string{"copays": strconv.Itoa(w.CoPays), "events": strconv.FormatInt(w.Events, 10)}})
}
