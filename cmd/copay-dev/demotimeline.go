package main

import (
	"context"
	"fmt"
	"time"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/stack"
	"github.com/copayflow/copayflow/copay"
)

// until waits for a state.
func (d *story) until(ctx context.Context, what string, ok func(copay.CoPay) bool) (copay.CoPay, error) {
	for {
		row, err := d.s.Process.Store.CoPay(ctx, d.key.Practice, d.key.ID())
		switch {
		case err == nil && ok(row.CoPay):
			return row.CoPay, nil
		case err == nil && row.CoPay.Review != nil:
			return row.CoPay, d.failed(fmt.Errorf("the co-pay needs a person (%s): %s", row.CoPay.Review.Kind, row.CoPay.Review.Message))
		case err != nil && copay.CodeOf(err) != copay.CodeNotFound && ctx.Err() == nil:
			return copay.CoPay{}, err
		}
		if err := pause(ctx); err != nil {
			return row.CoPay, d.failed(fmt.Errorf("it took too long for the co-pay to %s; it is %q", what, row.CoPay.State))
		}
		select {
		case <-d.s.Done():
			return row.CoPay, fmt.Errorf("a process ended: %w", d.s.Err())
		default:
		}
	}
}

// failed tells what has happened so far, for whoever has to find out why.
func (d *story) failed(err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) // the story's own time may be over
	defer cancel()
	_ = d.tellBefore(ctx, kindNone) // err is what counts
	return err
}

// tellBefore tells the timeline's new lines up to the first of a kind, which
// belongs to the next chapter; all of them where no kind is named.
func (d *story) tellBefore(ctx context.Context, kind string) error {
	rows, err := d.s.Process.Store.Timeline(ctx, d.key.Practice, d.key.ID())
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.Seq <= d.seen {
			continue
		}
		if r.Kind == kind {
			return nil
		}
		d.seen = r.Seq
		d.say("  %s  %-11s %s", d.local(r.At).Format("Mon 15:04:05"), r.Kind, r.Summary)
	}
	return nil
}

// local is a time at the practice, where the story takes place.
func (d *story) local(t time.Time) time.Time {
	loc, err := time.LoadLocation(stack.TimeZone)
	if err != nil {
		return t.UTC()
	}
	return t.In(loc)
}
