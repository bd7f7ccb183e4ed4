package twilio_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/twilio"
	"github.com/copayflow/copayflow/sandbox/sim"
	twiliosim "github.com/copayflow/copayflow/sandbox/twilio"
)

// deaf makes a bench whose webhooks all get lost.
func deaf(t *testing.T, tune ...func(*twiliosim.Config)) *bench {
	b := newBench(t, append(tune, func(c *twiliosim.Config) { c.InboundURL = "" })...)
	b.conn = b.connect(map[string]any{"status_callback": ""})
	return b
}

// texts is a patient's text to the practice; it gives the id of its event.
func (b *bench) texts(body string) string {
	b.Helper()
	sid, err := b.sim.Receive(patient, body)
	require.NoError(b, err)
	return sid + ":received"
}

// poll asks for what was missed and gives the events by id, and the next cursor.
func (b *bench) poll(c *twilio.Connector, cursor string) (map[string]integrations.Event, string) {
	b.Helper()
	list, next, err := c.PollEvents(b.Context(), cursor)
	require.NoError(b, err)
	require.True(b, slices.IsSortedFunc(list, func(x, y integrations.Event) int { return x.At.Compare(y.At) }), "oldest first")
	out := map[string]integrations.Event{}
	for _, e := range list {
		require.NotContains(b, out, e.ID)
		out[e.ID] = e
	}
	return out, next
}

func TestPollFindsLostTexts(t *testing.T) {
	t.Parallel()
	b := deaf(t)
	want := map[string]integrations.Event{}
	for body, kind := range map[string]integrations.EventKind{"STOP": integrations.EventMessageOptOut, "Start": integrations.EventMessageOptIn,
		"help": integrations.EventMessageHelp, "I paid at the desk": integrations.EventMessageInbound} {
		id := b.texts(body)
		e := integrations.Event{ID: id, Kind: kind, At: b.clock.now(), Object: id[:34], Channel: "sms", Address: patient,
			Type: "inbound." + map[string]string{"STOP": "stop", "Start": "start", "help": "help"}[body]}
		if kind == integrations.EventMessageInbound {
			e.Type, e.Status, e.Text = "inbound.other", "other", body
		}
		want[id] = e
		b.clock.add(time.Second)
	}
	b.clock.add(10 * time.Minute)
	got, next := b.poll(b.conn, "")
	require.Equal(t, want, got, "each at the moment at which it was said; the platform's own answers do not count")
	require.Equal(t, b.clock.now().Add(-2*time.Minute).Format(time.RFC3339), next)
}

// What came by webhook and is polled again must have the same id, or it would
// be applied twice.
func TestPolledEventsHaveTheIDsOfTheirWebhooks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, to := range []string{patient, twiliosim.Landline, "+15005551034", "+15005551099"} {
		_, err := b.conn.Send(t.Context(), b.message(to))
		require.NoError(t, err)
	}
	b.sim.SetOutcome("+13125550199", "failed", 21610)
	_, err := b.conn.Send(t.Context(), b.message("+13125550199"))
	require.NoError(t, err)
	b.event(b.texts("STOP"))
	b.event(b.texts("who are you, and why?"))
	b.clock.add(3 * time.Minute)
	polled, _ := b.poll(b.conn, "")
	require.Len(t, polled, 9, "five statuses, two facts about numbers, two texts")
	for id, e := range polled {
		hook := b.event(id)
		require.Equal(t, hook.At, e.At)
		hook.Ref, hook.CoPay = "", "" // lists do not show the reference
		require.Equal(t, hook, e)
	}
}

func TestPolledStatusIsTheLatest(t *testing.T) {
	t.Parallel()
	b := deaf(t, func(c *twiliosim.Config) { c.NoDelivery = true })
	sent, err := b.conn.Send(t.Context(), b.message(patient))
	require.NoError(t, err)
	at := func(steps int) map[string]integrations.Event {
		for range steps {
			require.True(t, b.sim.Advance(sent.ID))
		}
		b.clock.add(3 * time.Minute)
		got, _ := b.poll(b.conn, "")
		return got
	}
	require.Empty(t, at(0), "accepted")
	require.Empty(t, at(2), "sending")
	got := at(1)
	require.Equal(t, string(integrations.DeliverySent), got[sent.ID+":sent"].Status)
	before := b.clock.now()
	got = at(1)
	require.Len(t, got, 1)
	require.Equal(t, string(integrations.DeliveryDelivered), got[sent.ID+":delivered"].Status)
	require.Equal(t, before, got[sent.ID+":delivered"].At)
	require.Equal(t, sent.ID, got[sent.ID+":delivered"].Object)
}

// A carrier may report on the next day on what was sent the day before.
func TestPollFindsLateReports(t *testing.T) {
	t.Parallel()
	b := deaf(t, func(c *twiliosim.Config) { c.NoDelivery = true })
	sent, err := b.conn.Send(t.Context(), b.message(patient))
	require.NoError(t, err)
	for range 3 {
		require.True(t, b.sim.Advance(sent.ID)) // to sent
	}
	b.clock.add(20 * time.Hour)
	_, cursor := b.poll(b.conn, "")
	b.clock.add(time.Hour)
	b.sim.Deliver(sent.ID)
	b.clock.add(3 * time.Minute)
	got, _ := b.poll(b.conn, cursor)
	require.Equal(t, []string{sent.ID + ":delivered"}, slices.Collect(maps.Keys(got)))
}

// A text that died in the queue has no day of sending, by which lists go.
func TestPollFindsTextsThatNeverLeft(t *testing.T) {
	t.Parallel()
	b := deaf(t, func(c *twiliosim.Config) { c.NoDelivery = true })
	m := b.message(patient)
	m.Expires = b.clock.now().Add(9 * time.Hour)
	sent, err := b.conn.Send(t.Context(), m)
	require.NoError(t, err)
	b.clock.add(9 * time.Hour)
	_, cursor := b.poll(b.conn, "")
	b.clock.add(time.Hour)
	b.sim.Deliver(sent.ID)
	b.clock.add(3 * time.Minute)
	got, _ := b.poll(b.conn, cursor)
	require.Equal(t, "30036", got[sent.ID+":failed"].Code)
}

// What a late report tells about a number was so when the text was made: a
// START since then stays.
func TestPolledOptOutIsAsOldAsItsMessage(t *testing.T) {
	t.Parallel()
	b := deaf(t, func(c *twiliosim.Config) { c.NoDelivery = true })
	b.sim.SetOutcome(patient, "failed", 21610)
	made := b.clock.now()
	sent, err := b.conn.Send(t.Context(), b.message(patient))
	require.NoError(t, err)
	b.clock.add(time.Hour)
	b.sim.Deliver(sent.ID)
	b.clock.add(time.Hour)
	got, _ := b.poll(b.conn, "")
	require.Equal(t, made.Add(time.Hour), got[sent.ID+":failed"].At)
	require.Equal(t, integrations.EventMessageOptOut, got[sent.ID+":failed:address"].Kind)
	require.Equal(t, made, got[sent.ID+":failed:address"].At)
}

// A hidden number is none: nothing can be said about it.
func TestPollOfHiddenNumbers(t *testing.T) {
	t.Parallel()
	b := deaf(t)
	sent, err := b.connect(map[string]any{"address_retention": "obfuscate"}).Send(t.Context(), b.message(twiliosim.Landline))
	require.NoError(t, err)
	b.clock.add(3 * time.Minute)
	got, _ := b.poll(b.conn, "")
	require.Equal(t, []string{sent.ID + ":undelivered"}, slices.Collect(maps.Keys(got)))
}

func TestPollCursorMoves(t *testing.T) {
	t.Parallel()
	b := deaf(t)
	first := b.texts("STOP")
	got, cursor := b.poll(b.conn, "")
	require.Empty(t, got, "its webhook may still come")
	b.clock.add(30 * time.Second)
	got, same := b.poll(b.conn, cursor)
	require.Empty(t, got)
	require.Equal(t, cursor, same, "too soon to ask")

	b.clock.add(3 * time.Minute)
	got, next := b.poll(b.conn, cursor)
	require.Contains(t, got, first)
	require.Greater(t, next, cursor)

	b.clock.add(11 * time.Minute)
	second := b.texts("START")
	b.clock.add(3 * time.Minute)
	got, next = b.poll(b.conn, next)
	require.Contains(t, got, first, "the windows overlap")
	require.Contains(t, got, second)
	b.clock.add(20 * time.Minute)
	got, next = b.poll(b.conn, next)
	require.Equal(t, []string{second}, slices.Collect(maps.Keys(got)))
	b.clock.add(20 * time.Minute)
	got, _ = b.poll(b.conn, next)
	require.Empty(t, got)

	_, kept, err := b.conn.PollEvents(t.Context(), "yesterday")
	requireKind(t, integrations.KindInvalid, err)
	require.Equal(t, "yesterday", kept)
}

// A list that lags shows a text only after the cursor has passed it.
func TestPollMakesUpForListsThatLag(t *testing.T) {
	t.Parallel()
	b := deaf(t, func(c *twiliosim.Config) { c.ListLag = 8 * time.Minute })
	_, cursor := b.poll(b.conn, "")
	id := b.texts("STOP")
	b.clock.add(5 * time.Minute)
	got, cursor := b.poll(b.conn, cursor)
	require.Empty(t, got)
	b.clock.add(5 * time.Minute)
	got, _ = b.poll(b.conn, cursor)
	require.Contains(t, got, id)
}

// After a long outage a poll goes forward a day at a time, and the days of
// the list are those of Greenwich.
func TestPollAfterALongOutage(t *testing.T) {
	t.Parallel()
	b := deaf(t)
	b.clock.add(9*time.Hour - time.Second) // 23:59:59 in GMT
	_, cursor := b.poll(b.conn, "")
	var want []string
	for range 3 {
		want = append(want, b.texts("STOP"))
		b.clock.add(24*time.Hour + time.Second)
	}
	found := map[string]integrations.Event{}
	for steps := 0; ; steps++ {
		require.Less(t, steps, 6)
		got, next := b.poll(b.conn, cursor)
		if next == cursor {
			break
		}
		require.LessOrEqual(t, at(t, next).Sub(at(t, cursor)), 24*time.Hour)
		cursor = next
		maps.Copy(found, got)
	}
	require.ElementsMatch(t, want, slices.Collect(maps.Keys(found)))
}

func at(t *testing.T, cursor string) time.Time {
	v, err := time.Parse(time.RFC3339, cursor)
	require.NoError(t, err)
	return v
}

func TestPollReadsAllPages(t *testing.T) {
	t.Parallel()
	b := deaf(t)
	var want []string
	for range 600 {
		want = append(want, b.texts("a question"))
	}
	b.clock.add(3 * time.Minute)
	got, _ := b.poll(b.conn, "")
	require.ElementsMatch(t, want, slices.Collect(maps.Keys(got)))

	// A page that fails fails the poll: what it held would be passed over.
	_, before := b.poll(b.conn, "")
	b.clock.add(5 * time.Minute)
	b.sim.Faults().Add(sim.Fault{Kind: sim.FaultSlow, Method: http.MethodGet, Times: 2})
	b.sim.Faults().Add(sim.Fault{Kind: sim.FaultServer, Method: http.MethodGet})
	_, kept, err := b.conn.PollEvents(t.Context(), before)
	requireKind(t, integrations.KindUnavailable, err)
	require.Equal(t, before, kept)
}

func TestFailedPollKeepsTheCursor(t *testing.T) {
	t.Parallel()
	for kind, want := range map[sim.FaultKind]integrations.Kind{
		sim.FaultServer: integrations.KindUnavailable, sim.FaultRateLimit: integrations.KindRateLimited,
		sim.FaultDrop: integrations.KindUnavailable, sim.FaultToken: integrations.KindUnauthorized,
	} {
		b := deaf(t)
		cursor := b.clock.now().Add(-time.Hour).Format(time.RFC3339)
		id := b.texts("STOP")
		b.clock.add(3 * time.Minute)
		for second := range 2 { // the listing by days, and that of all
			if second == 1 {
				b.sim.Faults().Add(sim.Fault{Kind: sim.FaultSlow, Method: http.MethodGet}) // by no time: the first works
			}
			b.sim.Faults().Add(sim.Fault{Kind: kind, Method: http.MethodGet})
			events, kept, err := b.conn.PollEvents(t.Context(), cursor)
			requireKind(t, want, err)
			require.Empty(t, events)
			require.Equal(t, cursor, kept)
		}
		got, _ := b.poll(b.conn, cursor)
		require.Contains(t, got, id, kind)
	}
}

// Other senders of the account are none of the practice's business.
func TestPollOfOneSender(t *testing.T) {
	t.Parallel()
	b := deaf(t)
	number := b.connect(map[string]any{"messaging_service_sid": "", "from": twiliosim.TestNumber, "status_callback": ""})
	const other = "+13125550177"
	sent, err := number.Send(t.Context(), b.message(other))
	require.NoError(t, err)
	sid, err := b.sim.Receive(other, "STOP") // to the number that wrote last
	require.NoError(t, err)
	mine := b.texts("STOP")
	b.clock.add(3 * time.Minute)

	got, _ := b.poll(b.conn, "")
	require.Equal(t, []string{mine}, slices.Collect(maps.Keys(got)))
	got, _ = b.poll(number, "")
	require.ElementsMatch(t, []string{sent.ID + ":delivered", sid + ":received"}, slices.Collect(maps.Keys(got)))
	got, _ = b.poll(b.connect(map[string]any{"messaging_service_sid": "MG" + strings.Repeat("f", 32)}), "")
	require.Empty(t, got)
}

// listing is a platform whose every list is one page of these messages.
func listing(t *testing.T, messages ...string) *bench {
	return answering(t, http.StatusOK, nil, `{"messages":[`+strings.Join(messages, ",")+`]}`)
}

// An inbound text that does not name its service is ours when it came in at a
// number that our service sends from.
func TestPollKnowsThePoolOfTheService(t *testing.T) {
	t.Parallel()
	const text = `{"sid":"SM%032d","direction":%q,"from":%q,"to":%q,"messaging_service_sid":%s,"status":%q,"body":"STOP",` +
		`"date_created":"Wed, 04 Mar 2026 14:00:00 +0000","date_updated":"Wed, 04 Mar 2026 14:05:00 +0000","date_sent":"Wed, 04 Mar 2026 14:00:01 +0000"}`
	b := listing(t, fmt.Sprintf(text, 1, "inbound", patient, "+15551230001", "null", "received"),
		fmt.Sprintf(text, 2, "inbound", patient, "+15559990001", "null", "received"),
		fmt.Sprintf(text, 3, "outbound-api", "+15551230001", patient, `"`+twiliosim.DefaultService+`"`, "delivered"),
		fmt.Sprintf(text, 4, "outbound-api", "+15559990001", patient, "null", "delivered"),
		fmt.Sprintf(text, 5, "outbound-reply", "+15551230001", patient, `"`+twiliosim.DefaultService+`"`, "delivered"),
		fmt.Sprintf(text, 6, "outbound-api", "+15551230001", patient, `"`+twiliosim.DefaultService+`"`, "teleported"))
	got, _ := b.poll(b.conn, "")
	require.ElementsMatch(t, []string{fmt.Sprintf("SM%032d:received", 1), fmt.Sprintf("SM%032d:delivered", 3)}, slices.Collect(maps.Keys(got)))
	require.Equal(t, time.Date(2026, 3, 4, 14, 0, 0, 0, time.UTC), got[fmt.Sprintf("SM%032d:received", 1)].At, "when it was said, not when its record changed")
}

// A text whose time cannot be read is heard, and undoes nothing newer.
func TestPollOfTextsWithoutATime(t *testing.T) {
	t.Parallel()
	b := listing(t, `{"sid":"SM`+strings.Repeat("1", 32)+`","direction":"inbound","from":"`+patient+`","messaging_service_sid":"`+
		twiliosim.DefaultService+`","body":"START","date_created":"soon","date_sent":"now"}`)
	cursor := b.clock.now().Add(-time.Hour)
	got, _ := b.poll(b.conn, cursor.Format(time.RFC3339))
	require.Equal(t, cursor.Add(-15*time.Minute), got["SM"+strings.Repeat("1", 32)+":received"].At)
}

// A list that never ends is given up.
func TestEndlessListIsGivenUp(t *testing.T) {
	t.Parallel()
	b := answering(t, http.StatusOK, nil, `{"messages":[],"next_page_uri":"/2010-04-01/again"}`)
	_, cursor, err := b.conn.PollEvents(t.Context(), "")
	requireKind(t, integrations.KindUnavailable, err)
	require.Empty(t, cursor)
}

// FuzzPollEvents reads arbitrary lists.
func FuzzPollEvents(f *testing.F) {
	sid := "SM" + strings.Repeat("a", 32)
	f.Add([]byte(`{"messages":[{"sid":"` + sid + `","direction":"inbound","from":"+13125550142","body":"stop","messaging_service_sid":"` + twiliosim.DefaultService + `"}]}`))
	f.Add([]byte(`{"messages":[{"sid":"` + sid + `","direction":"outbound-api","to":"+1312555XXXX","status":"failed","error_code":21610,"messaging_service_sid":"` +
		twiliosim.DefaultService + `","date_updated":"Wed, 04 Mar 2026 14:00:00 +0000"}],"next_page_uri":"http://[::1"}`))
	f.Add([]byte(`{"messages":[null,{}],"next_page_uri":"//evil.example/x"}`))
	var body []byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" { // a further page: the last one
			_, _ = w.Write([]byte(`{"messages":[]}`))
			return
		}
		_, _ = w.Write(body)
	}))
	f.Cleanup(srv.Close)
	now := time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)
	c := connectTo(f, srv.URL, hookURL, func() time.Time { return now }, map[string]any{"timeout": "2s", "limit_per_second": 1_000_000})
	f.Fuzz(func(t *testing.T, list []byte) {
		if strings.Contains(string(list), "?") { // else it may lead to itself without end
			return
		}
		body = list
		events, next, err := c.PollEvents(t.Context(), "")
		if err != nil {
			require.NotNil(t, integrations.AsError(err))
			require.Empty(t, next)
			return
		}
		require.NotEmpty(t, next)
		for _, e := range events {
			require.Regexp(t, `^(SM|MM)[0-9a-fA-F]{32}:[a-z_]+(:address)?$`, e.ID)
			require.False(t, e.Kind == integrations.EventIgnored)
		}
	})
}
