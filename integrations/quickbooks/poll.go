package quickbooks

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

const (
	// firstLook is how far back the first poll reaches.
	firstLook = 24 * time.Hour
	// overlap is read again on each poll, because a change may become visible
	// a little after its time.
	overlap = 5 * time.Minute
	// farthest is how far back Intuit lists changes (Change data capture: 30
	// days), with a margin for clocks.
	farthest = 30*24*time.Hour - time.Hour
	// mostChanges is how many objects one change listing holds at most.
	mostChanges = 1000
)

// PollEvents implements integrations.EventPoller through change data capture.
// The cursor is a time. Events keep their id over overlapping polls; it is
// another one than a webhook's, for the listing knows no event ids.
func (c *Connector) PollEvents(ctx context.Context, cursor string) ([]integrations.Event, string, error) {
	now := c.settings.Clock()()
	since := now.Add(-firstLook)
	if cursor != "" {
		if since = parseTime(cursor); since.IsZero() {
			return nil, cursor, c.invalid("cdc.list", "the cursor is not a time")
		}
	}
	if oldest := now.Add(-farthest); since.Before(oldest) {
		since = oldest
	}
	events, at, err := c.listing(ctx, since, listedEntities...)
	if err != nil {
		return nil, cursor, err
	}
	var upTo time.Time
	if len(events) >= mostChanges {
		if events, upTo, err = c.allChanges(ctx, since); err != nil {
			return nil, cursor, err
		}
	}
	if at.IsZero() {
		at = now
	}
	next := at.Add(-overlap)
	if !upTo.IsZero() && upTo.Before(next) {
		// With the overlap, unless it would lead back to where this poll began.
		if next = upTo.Add(-overlap); !next.After(since) {
			next = upTo
		}
	}
	if next.Before(since) {
		next = since
	}
	return events, next.UTC().Format(time.RFC3339), nil
}

// listing asks for the changes of entities once, at most mostChanges of them,
// and says when the answer was made.
func (c *Connector) listing(ctx context.Context, since time.Time, entities ...string) ([]integrations.Event, time.Time, error) {
	a, err := c.api.do(ctx, transport.Request{Op: "cdc.list", Method: http.MethodGet, Path: "/cdc", Query: url.Values{
		"entities": {strings.Join(entities, ",")}, "changedSince": {since.UTC().Format(time.RFC3339)}}})
	if err != nil {
		return nil, time.Time{}, err
	}
	var events []integrations.Event
	for _, r := range a.CDCResponse {
		for i := range r.QueryResponse {
			events = append(events, c.changes(&r.QueryResponse[i])...)
		}
	}
	return events, parseTime(a.Time), nil
}

// allChanges asks for each entity by itself, after one listing for all was cut
// off. What is cut off even so is paged by query, which does not know deletions:
// those are seen up to upTo (zero: all of them), where the next poll begins.
func (c *Connector) allChanges(ctx context.Context, since time.Time) (all []integrations.Event, upTo time.Time, err error) {
	seen := map[string]bool{}
	add := func(events []integrations.Event) {
		for _, e := range events {
			if !seen[e.ID] {
				seen[e.ID] = true
				all = append(all, e)
			}
		}
	}
	for _, entity := range listedEntities {
		events, _, err := c.listing(ctx, since, entity)
		if err != nil {
			return nil, upTo, err
		}
		add(events)
		if len(events) < mostChanges {
			continue
		}
		if last := lastSeen(events); last.After(since) && (upTo.IsZero() || last.Before(upTo)) {
			upTo = last
		}
		for start := 1; ; start += pageSize {
			l, n, err := c.changedPage(ctx, entity, since, start)
			if err != nil {
				return nil, upTo, err
			}
			add(c.changes(&l))
			if n < pageSize {
				break
			}
		}
	}
	return all, upTo, nil
}

// lastSeen is the time up to which a listing that was cut off is complete, or
// zero when that cannot be told: Intuit does not promise an order.
func lastSeen(events []integrations.Event) time.Time {
	for i := 1; i < len(events); i++ {
		if events[i].At.Before(events[i-1].At) {
			return time.Time{}
		}
	}
	return events[len(events)-1].At
}

// changes makes the events of a listing.
func (c *Connector) changes(l *listing) []integrations.Event {
	var out []integrations.Event
	for i := range l.Invoice {
		out = append(out, c.change("Invoice", &l.Invoice[i].transaction, l.Invoice[i].DocNumber))
	}
	for i := range l.Payment {
		out = append(out, c.change("Payment", &l.Payment[i].transaction, l.Payment[i].PaymentRefNum))
	}
	for i := range l.RefundReceipt {
		out = append(out, c.change("RefundReceipt", &l.RefundReceipt[i].transaction, l.RefundReceipt[i].DocNumber))
	}
	return out
}

func (c *Connector) change(name string, t *transaction, number string) integrations.Event {
	op := "Update"
	switch {
	case strings.EqualFold(t.Status, "Deleted"):
		op = "Delete"
	case t.voided():
		op = "Void"
	case t.SyncToken == "0":
		op = "Create"
	}
	e := changed(name, op)
	stamp := t.SyncToken
	if t.MetaData != nil {
		stamp = t.MetaData.LastUpdatedTime
	}
	e.ID = strings.Join([]string{"cdc", c.config.RealmID, name, t.ID, op, stamp}, ":")
	e.Type, e.At, e.Object = name+"."+op, t.updated(), t.ID
	if ref := refOf(number, t.PrivateNote); ref != "" {
		e.Ref, e.CoPay = ref, ref.CoPay()
	}
	return e
}
