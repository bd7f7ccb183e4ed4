package twilio_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/twilio"
	"github.com/copayflow/copayflow/sandbox/sim"
	twiliosim "github.com/copayflow/copayflow/sandbox/twilio"
)

func TestSendAndStatus(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m := b.message(patient)
	sent, err := b.conn.Send(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, integrations.DeliveryQueued, sent.Status)
	require.Equal(t, m.Ref, sent.Ref)
	require.Equal(t, b.clock.now(), sent.At)

	out := b.outbound()
	require.Len(t, out, 1)
	require.Equal(t, m.Body, out[0].Body)
	require.Equal(t, string(m.Ref), out[0].Ref, "the status callback carries the reference")

	got, err := b.conn.Status(t.Context(), sent.ID)
	require.NoError(t, err)
	require.Equal(t, integrations.DeliveryDelivered, got.Status)
	require.Equal(t, copay.ChannelSMS, b.conn.Channel())
}

// form records what a connector sends.
type recorder struct {
	mu    sync.Mutex
	forms []url.Values
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	_ = q.ParseForm()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forms = append(r.forms, q.PostForm)
	w.WriteHeader(http.StatusCreated)
	_, _ = fmt.Fprintf(w, `{"sid":"SM%032d","status":"queued"}`, len(r.forms))
}

func TestFormOfAMessage(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)
	rec := &recorder{}
	srv := httptest.NewServer(rec)
	t.Cleanup(srv.Close)
	send := func(options map[string]any, expires time.Time) url.Values {
		conn := connectTo(t, srv.URL, "https://copay.example/webhooks/twilio/lakeside?x=1", func() time.Time { return now }, options)
		_, err := conn.Send(t.Context(), integrations.Message{Ref: "cp_0-msg-1", To: patient, Body: "hello", Expires: expires, Attempt: 1})
		require.NoError(t, err)
		return rec.forms[len(rec.forms)-1]
	}
	f := send(map[string]any{"messaging_service_sid": "", "from": "+15551230000", "content_retention": "discard", "address_retention": "obfuscate"}, time.Time{})
	require.Equal(t, url.Values{"To": {patient}, "Body": {"hello"}, "From": {"+15551230000"}, "ContentRetention": {"discard"}, "AddressRetention": {"obfuscate"},
		"StatusCallback": {"https://copay.example/webhooks/twilio/lakeside?x=1&n=cp_0-msg-1#rc=5&rp=all"}}, f)

	// Ten seconds are for the way to the platform, which counts from arrival.
	for want, in := range map[string]time.Duration{"3590": time.Hour, "36000": 11 * time.Hour, "6": 16*time.Second + 500*time.Millisecond, "49": 59*time.Second + 900*time.Millisecond} {
		require.Equal(t, want, send(nil, now.Add(in)).Get("ValidityPeriod"))
	}
	require.False(t, send(map[string]any{"status_callback": ""}, time.Time{}).Has("StatusCallback"))
}

// A text that could leave only after its end is not handed over: the platform
// keeps every text for some seconds at least.
func TestTooLateIsNotSent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, left := range []time.Duration{16 * time.Second, 6 * time.Second, 0, -time.Hour} {
		m := b.message(patient)
		m.Expires = b.clock.now().Add(left)
		e := requireKind(t, integrations.KindUnavailable, errorOf(b.conn.Send(t.Context(), m)))
		require.Equal(t, "too_late", e.Code)
	}
	require.Empty(t, b.outbound())

	// What an earlier attempt has sent is found all the same.
	m := b.message(patient)
	m.Expires = b.clock.now().Add(time.Minute)
	first, err := b.conn.Send(t.Context(), m)
	require.NoError(t, err)
	b.clock.add(time.Minute)
	m.Attempt = 2
	again, err := b.connect(nil).Send(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID)
}

func errorOf[T any](_ T, err error) error { return err }

func TestExpiredInTheQueue(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *twiliosim.Config) { c.NoDelivery = true })
	m := b.message(patient)
	m.Expires = b.clock.now().Add(10 * time.Minute)
	sent, err := b.conn.Send(t.Context(), m)
	require.NoError(t, err)
	b.clock.add(11 * time.Minute)
	b.sim.Deliver(sent.ID)
	got, err := b.conn.Status(t.Context(), sent.ID)
	require.NoError(t, err)
	require.Equal(t, integrations.DeliveryFailed, got.Status)
	require.Equal(t, "30036", got.Code)
	require.True(t, b.outbound()[0].SentAt.IsZero(), "nothing left the queue")
}

func TestSameReferenceTwiceIsOneText(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m := b.message(patient)
	first, err := b.conn.Send(t.Context(), m)
	require.NoError(t, err)
	second, err := b.conn.Send(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, first.ID, second.ID)

	// Another process knows only that this is the second attempt.
	m.Attempt = 2
	third, err := b.connect(nil).Send(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, first.ID, third.ID)
	require.Equal(t, m.Ref, third.Ref)
	require.Len(t, b.outbound(), 1)
}

func TestSecondAttemptThatFindsNothingSends(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m := b.message(patient)
	m.Attempt = 2
	_, err := b.conn.Send(t.Context(), m)
	require.NoError(t, err)
	require.Len(t, b.outbound(), 1)
}

func TestFindSent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	old := b.message(patient)
	_, err := b.conn.Send(t.Context(), old)
	require.NoError(t, err)

	b.clock.add(72 * time.Hour)
	// The reminder has the same link as the request three days before.
	m := b.message(patient)
	m.Token, m.Body = old.Token, "Lakeside Clinic: a reminder. See and pay: https://pay.lakeside.example/pay/"+old.Token
	_, err = b.conn.FindSent(t.Context(), m)
	requireKind(t, integrations.KindNotFound, err)

	sent, err := b.conn.Send(t.Context(), m)
	require.NoError(t, err)
	b.clock.add(time.Minute)
	for range 120 { // three pages lie above it
		other := b.message(patient)
		_, err := b.conn.Send(t.Context(), other)
		require.NoError(t, err)
	}
	found, err := b.conn.FindSent(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, sent.ID, found.ID)
	require.Equal(t, integrations.DeliveryDelivered, found.Status)

	m.To = "+13125550143"
	_, err = b.conn.FindSent(t.Context(), m)
	requireKind(t, integrations.KindNotFound, err)
}

func TestFindSentAllowsForClocks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m := b.message(patient)
	sent, err := b.conn.Send(t.Context(), m)
	require.NoError(t, err)
	m.Since = m.Since.Add(30 * time.Second) // our clock is ahead of the platform's
	found, err := b.conn.FindSent(t.Context(), m)
	require.NoError(t, err, "the very same text counts")
	require.Equal(t, sent.ID, found.ID)
	m.Body = "Thank you: " + m.Token
	_, err = b.conn.FindSent(t.Context(), m)
	requireKind(t, integrations.KindNotFound, err)
	m.Since = time.Time{}
	found, err = b.conn.FindSent(t.Context(), m)
	require.NoError(t, err, "without a time the last day counts")
	require.Equal(t, sent.ID, found.ID)
}

// The text of an earlier round says the very same, and a text that was
// withdrawn never came: neither is the message that is looked for.
func TestFindSentIsNotAnotherMessage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m := b.message(patient)
	earlier, err := b.conn.Send(t.Context(), m)
	require.NoError(t, err)
	b.clock.add(3 * time.Hour)
	m.Ref, m.Since, m.Attempt = copay.NewRef(m.Ref.CoPay(), copay.EffectNotify, 2), b.clock.now(), 2
	_, err = b.conn.FindSent(t.Context(), m)
	requireKind(t, integrations.KindNotFound, err)

	sid := b.schedule(m)
	found, err := b.conn.FindSent(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, sid, found.ID)
	b.api("/Messages/"+sid+".json", url.Values{"Status": {"canceled"}})
	_, err = b.conn.FindSent(t.Context(), m)
	requireKind(t, integrations.KindNotFound, err)
	sent, err := b.connect(nil).Send(t.Context(), m)
	require.NoError(t, err)
	require.NotContains(t, []string{earlier.ID, sid}, sent.ID)
}

// api posts to the account as another program of it would, and gives the
// message's id.
func (b *bench) api(path string, form url.Values) string {
	b.Helper()
	q, err := http.NewRequestWithContext(b.Context(), http.MethodPost, b.url+"/2010-04-01/Accounts/"+twiliosim.DefaultAccountSID+path, strings.NewReader(form.Encode()))
	require.NoError(b, err)
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.SetBasicAuth(keySID, secret)
	res, err := http.DefaultClient.Do(q)
	require.NoError(b, err)
	defer res.Body.Close()
	var m struct {
		SID string `json:"sid"`
	}
	require.NoError(b, json.NewDecoder(res.Body).Decode(&m))
	require.NotEmpty(b, m.SID)
	return m.SID
}

// schedule puts a message's text on the platform's own calendar.
func (b *bench) schedule(m integrations.Message) string {
	return b.api("/Messages.json", url.Values{"To": {m.To}, "Body": {m.Body}, "MessagingServiceSid": {twiliosim.DefaultService},
		"ScheduleType": {"fixed"}, "SendAt": {b.clock.now().Add(time.Hour).Format(time.RFC3339)}})
}

func TestFindSentOfADiscardedText(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	discarding := b.connect(map[string]any{"content_retention": "discard"})
	m := b.message(patient)
	sent, err := discarding.Send(t.Context(), m)
	require.NoError(t, err)
	found, err := discarding.FindSent(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, sent.ID, found.ID)
	_, err = b.conn.FindSent(t.Context(), m)
	requireKind(t, integrations.KindNotFound, err)
}

func TestFindSentOfAHiddenNumber(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	hiding := b.connect(map[string]any{"address_retention": "obfuscate"})
	m, other := b.message(patient), b.message("+13125550143")
	sent, err := hiding.Send(t.Context(), m)
	require.NoError(t, err)
	_, err = hiding.Send(t.Context(), other)
	require.NoError(t, err)
	found, err := hiding.FindSent(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, sent.ID, found.ID)

	both := b.connect(map[string]any{"address_retention": "obfuscate", "content_retention": "discard"})
	_, err = both.Send(t.Context(), b.message(patient))
	require.NoError(t, err)
	_, err = both.FindSent(t.Context(), b.message(patient))
	requireKind(t, integrations.KindNotFound, err)
}

func TestOptedOutRecipientIsDeclined(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, err := b.sim.Receive(patient, "stop")
	require.NoError(t, err)
	_, err = b.conn.Send(t.Context(), b.message(patient))
	e := requireKind(t, integrations.KindDeclined, err)
	require.True(t, e.Final)
	require.Equal(t, "21610", e.Code)
	require.NotEmpty(t, e.RequestID)
	_, err = b.sim.Receive(patient, "START")
	require.NoError(t, err)
	_, err = b.conn.Send(t.Context(), b.message(patient))
	require.NoError(t, err)
}

func TestTestNumbers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for to, want := range map[string]struct {
		kind  integrations.Kind
		code  string
		final bool
	}{
		"+15005550001":  {integrations.KindInvalid, "21211", true},
		"+15005550002":  {integrations.KindInvalid, "21612", true},
		"+15005550003":  {integrations.KindUnauthorized, "21408", false},
		"+15005550004":  {integrations.KindDeclined, "21610", true},
		"+15005550009":  {integrations.KindInvalid, "21614", true},
		"+442071838750": {integrations.KindUnauthorized, "21408", false},
	} {
		_, err := b.conn.Send(t.Context(), b.message(to))
		e := requireKind(t, want.kind, err)
		require.Equal(t, want.code, e.Code)
		require.Equal(t, want.final, e.Final, to)
		require.NotEmpty(t, e.Message)
	}
	for from, want := range map[string]struct {
		kind integrations.Kind
		code string
	}{
		"+15005550001": {integrations.KindUnauthorized, "21212"},
		"+15005550007": {integrations.KindUnauthorized, "21606"},
		"+15005550008": {integrations.KindRateLimited, "21611"},
		"+15559990000": {integrations.KindUnauthorized, "21659"},
	} {
		conn := b.connect(map[string]any{"messaging_service_sid": "", "from": from})
		_, err := conn.Send(t.Context(), b.message(patient))
		require.Equal(t, want.code, requireKind(t, want.kind, err).Code)
	}
	conn := b.connect(map[string]any{"messaging_service_sid": "", "from": twiliosim.TestNumber})
	_, err := conn.Send(t.Context(), b.message(patient))
	require.NoError(t, err)
	conn = b.connect(map[string]any{"messaging_service_sid": "MG" + strings.Repeat("9", 32)})
	_, err = conn.Send(t.Context(), b.message(patient))
	require.Equal(t, "21705", requireKind(t, integrations.KindUnauthorized, err).Code)
}

func TestRefusedBeforeSending(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, change := range map[string]func(*integrations.Message){
		"national number": func(m *integrations.Message) { m.To = "(312) 555-0142" },
		"no number":       func(m *integrations.Message) { m.To = "" },
		"no text":         func(m *integrations.Message) { m.Body = " " },
		"no reference":    func(m *integrations.Message) { m.Ref = "" },
	} {
		m := b.message(patient)
		change(&m)
		_, err := b.conn.Send(t.Context(), m)
		e := requireKind(t, integrations.KindInvalid, err)
		require.Equal(t, strings.HasSuffix(name, "number"), e.Final, name)
	}
	m := b.message(patient)
	m.Body = strings.Repeat("x", 1601)
	_, err := b.conn.Send(t.Context(), m)
	e := requireKind(t, integrations.KindInvalid, err)
	require.Equal(t, "21617", e.Code)
	require.False(t, e.Final, "the number is not to blame")
	require.Empty(t, b.outbound())
}

func TestDeliveriesThatFail(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.sim.SetOutcome("+13125550199", "failed", 21610)
	for to, want := range map[string]integrations.Sent{
		twiliosim.Unreachable: {Status: integrations.DeliveryFailed, Code: "30003"},
		twiliosim.Landline:    {Status: integrations.DeliveryFailed, Code: "30006"},
		"+15005551034":        {Status: integrations.DeliveryFailed, Code: "30034"},
		"+15005551099":        {Status: integrations.DeliverySent},
		"+13125550199":        {Status: integrations.DeliveryOptedOut, Code: "21610"},
	} {
		sent, err := b.conn.Send(t.Context(), b.message(to))
		require.NoError(t, err)
		got, err := b.conn.Status(t.Context(), sent.ID)
		require.NoError(t, err)
		require.Equal(t, want.Status, got.Status, to)
		require.Equal(t, want.Code, got.Code)
	}
}

func TestStatusOfUnknownMessages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, id := range []string{"SM" + strings.Repeat("a", 32), "", "../../secret", "SM1"} {
		_, err := b.conn.Status(t.Context(), id)
		requireKind(t, integrations.KindNotFound, err)
	}
}

func TestConnectionTest(t *testing.T) {
	t.Parallel()
	main := newBench(t, func(c *twiliosim.Config) { c.MainKey = true })
	text, err := main.conn.TestConnection(t.Context())
	require.NoError(t, err)
	require.Equal(t, "account "+twiliosim.DefaultAccountSID+" (full, active)", text)

	b := newBench(t)
	text, err = b.conn.TestConnection(t.Context())
	require.NoError(t, err, "a standard key may not read the account")
	require.Contains(t, text, "API key")
	text, err = b.connect(map[string]any{"api_key_sid": "", "api_key_secret": nil, "auth_tokens": []any{"literal:" + token}}).TestConnection(t.Context())
	require.NoError(t, err)
	require.Contains(t, text, "active")
	_, err = b.connect(map[string]any{"api_key_secret": "literal:wrong"}).TestConnection(t.Context())
	requireKind(t, integrations.KindUnauthorized, err)
	b.sim.Faults().Add(sim.Fault{Kind: sim.FaultServer})
	_, err = b.conn.TestConnection(t.Context())
	requireKind(t, integrations.KindUnavailable, err)
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	require.True(t, slices.Equal([]string{"sms", "webhooks", "event polling"}, integrations.Capabilities((*twilio.Connector)(nil))))
}
