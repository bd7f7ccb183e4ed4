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
// The cursor is a time. Events keep their id over overlapping polls.
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
	a, err := c.api.do(ctx, transport.Request{Op: "cdc.list", Method: http.MethodGet, Path: "/cdc", Query: url.Values{
		"entities": {strings.Join(listedEntities, ",")}, "changedSince": {since.UTC().Format(time.RFC3339)}}})
	if err != nil {
		return nil, cursor, err
	}
	var events []integrations.Event
	for _, r := range a.CDCResponse {
		for i := range r.QueryResponse {
			events = append(events, c.changes(&r.QueryResponse[i])...)
		}
	}
	if len(events) >= mostChanges {
		if events, err = c.allChanges(ctx, since, events); err != nil {
			return nil, cursor, err
		}
	}
	next := parseTime(a.Time)
	if next.IsZero() {
		next = now
	}
	if next = next.Add(-overlap); next.Before(since) {
		next = since
	}
	return events, next.UTC().Format(time.RFC3339), nil
}

// allChanges completes a listing that was cut off, whatever its order, by
// paging through each entity. Deletions beyond the cut stay unseen.
func (c *Connector) allChanges(ctx context.Context, since time.Time, have []integrations.Event) ([]integrations.Event, error) {
	seen := make(map[string]bool, len(have))
	for _, e := range have {
		seen[e.ID] = true
	}
	for _, entity := range listedEntities {
		for start := 1; ; start += pageSize {
			l, n, err := c.changedPage(ctx, entity, since, start)
			if err != nil {
				return nil, err
			}
			for _, e := range c.changes(&l) {
				if !seen[e.ID] {
					seen[e.ID] = true
					have = append(have, e)
				}
			}
			if n < pageSize {
				break
			}
		}
	}
	return have, nil
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
