package stripe_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/sandbox/sim"
)

func TestPollEventsOldestFirstAndOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, _ := b.paid(10_00)
	events, cursor, err := b.conn.PollEvents(t.Context(), "")
	require.NoError(t, err)
	kinds := []string{}
	for _, e := range events {
		require.Equal(t, r.CoPay, e.CoPay)
		kinds = append(kinds, e.Type)
	}
	require.Equal(t, []string{"payment_intent.succeeded", "checkout.session.completed"}, kinds)

	none, same, err := b.conn.PollEvents(t.Context(), cursor)
	require.NoError(t, err)
	require.Empty(t, none)
	require.Equal(t, cursor, same)

	r2, p2 := b.paid(11_00)
	_, err = b.sim.OpenDispute(p2.PlatformID, "fraudulent")
	require.NoError(t, err)
	events, cursor, err = b.conn.PollEvents(t.Context(), cursor)
	require.NoError(t, err)
	require.Len(t, events, 4)
	require.Equal(t, integrations.EventDispute, events[2].Kind)
	for _, e := range events {
		require.Equal(t, r2.CoPay, e.CoPay)
	}

	// The same events come by webhook under the same ids.
	require.Equal(t, events[1].ID, lastOf(b, "checkout.session.completed"))

	// A failure leaves the cursor where it was.
	b.sim.Faults().Add(sim.Fault{Kind: sim.FaultServer, Method: http.MethodGet, Path: "/v1/events"})
	_, kept, err := b.conn.PollEvents(t.Context(), cursor)
	requireKind(t, integrations.KindUnavailable, err)
	require.Equal(t, cursor, kept)
}

func lastOf(b *bench, kind string) string {
	id := ""
	for _, e := range b.sim.Events() {
		if e.Type == kind {
			id = e.ID
		}
	}
	return id
}

func TestPollGoesThroughManyPages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	customer := b.sim.SeedCustomer(nil)
	card, err := b.sim.SeedCard(customer, "pm_card_visa")
	require.NoError(t, err)
	b.rawCharge(customer, card)
	_, cursor, err := b.conn.PollEvents(t.Context(), "")
	require.NoError(t, err)
	const more = 250
	for range more {
		b.rawCharge(customer, card)
	}
	seen := map[string]bool{}
	for {
		events, next, err := b.conn.PollEvents(t.Context(), cursor)
		require.NoError(t, err)
		if len(events) == 0 {
			break
		}
		require.LessOrEqual(t, len(events), 100)
		for _, e := range events {
			require.Equal(t, integrations.EventIgnored, e.Kind, "not ours")
			seen[e.ID] = true
		}
		cursor = next
	}
	require.Len(t, seen, more)

	// An id that the platform has forgotten: polling goes on from its time.
	events, _, err := b.conn.PollEvents(t.Context(), "evt_forgotten@"+"1")
	require.NoError(t, err)
	require.Len(t, events, more+1)
	b.clock.add(25 * time.Hour)
	events, _, err = b.conn.PollEvents(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, events, "the first poll looks a day back")
}
