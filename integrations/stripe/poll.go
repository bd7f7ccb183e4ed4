package stripe

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	sdk "github.com/stripe/stripe-go/v76"

	"github.com/copayflow/copayflow/integrations"
)

// firstPoll is how far back the first poll looks. The platform keeps events
// for thirty days (docs.stripe.com/api/events).
const firstPoll = 24 * time.Hour

// PollEvents lists events after the cursor, oldest first, at most a page at a
// time. The cursor is the last event's id and time; should the platform have
// forgotten the id, its time is where polling goes on.
func (c *Connector) PollEvents(ctx context.Context, cursor string) ([]integrations.Event, string, error) {
	id, at := splitCursor(cursor)
	var page []*sdk.Event
	var err error
	if id != "" {
		page, err = c.eventsAfter(ctx, id)
		if e := integrations.AsError(err); e != nil && e.Code == "resource_missing" {
			id = ""
		} else if err != nil {
			return nil, cursor, err
		}
	}
	if id == "" {
		if at.IsZero() {
			at = c.now().Add(-firstPoll)
		}
		if page, err = c.eventsSince(ctx, at); err != nil {
			return nil, cursor, err
		}
	}
	out := make([]integrations.Event, 0, len(page))
	next := cursor
	for _, ev := range page {
		w := wireEvent{ID: ev.ID, Type: string(ev.Type), Created: ev.Created, Livemode: ev.Livemode, Account: ev.Account}
		if ev.Data != nil {
			w.Data.Object = ev.Data.Raw
		}
		e, err := c.event(ctx, w)
		// One event that cannot be read must not stop all that follow.
		if err != nil && integrations.KindOf(err) != integrations.KindInvalid {
			return nil, cursor, err
		}
		out = append(out, e)
		next = ev.ID + "@" + strconv.FormatInt(ev.Created, 10)
	}
	return out, next, nil
}

func splitCursor(cursor string) (string, time.Time) {
	id, at, _ := strings.Cut(cursor, "@")
	n, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return id, time.Time{}
	}
	return id, unix(n)
}

func (c *Connector) eventParams(ctx context.Context) *sdk.EventListParams {
	p := &sdk.EventListParams{Types: sdk.StringSlice(pollTypes)}
	c.list(ctx, &p.ListParams, "events.list", 100)
	return p
}

// eventsAfter is the page next to an event, which the library gives oldest first.
func (c *Connector) eventsAfter(ctx context.Context, id string) ([]*sdk.Event, error) {
	p := c.eventParams(ctx)
	p.EndingBefore = sdk.String(id)
	p.Single = true
	return c.events(p)
}

// eventsSince is everything since a moment: without an event to hold on to,
// the oldest ones are only reached through all the newer.
func (c *Connector) eventsSince(ctx context.Context, at time.Time) ([]*sdk.Event, error) {
	p := c.eventParams(ctx)
	p.CreatedRange = &sdk.RangeQueryParams{GreaterThanOrEqual: at.Unix()}
	all, err := c.events(p)
	slices.Reverse(all)
	return all, err
}

func (c *Connector) events(p *sdk.EventListParams) ([]*sdk.Event, error) {
	it := c.sc.Events.List(p)
	var out []*sdk.Event
	for it.Next() {
		out = append(out, it.Event())
	}
	return out, c.fail(call{op: "events.list"}, it.Err())
}
