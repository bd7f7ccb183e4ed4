package sendgrid_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/sendgrid"
	sendgridsim "github.com/copayflow/copayflow/sandbox/sendgrid"
	"github.com/copayflow/copayflow/sandbox/sim"
)

func TestSend(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	conn := b.connect(map[string]any{"unsubscribe_group": 77, "reply_to": "office@lakeside.example", "categories": []any{"copay", "reminder"}})
	m := b.message(patient)
	sent, err := conn.Send(t.Context(), m)
	require.NoError(t, err)
	require.NotEmpty(t, sent.ID)
	require.Equal(t, integrations.Sent{ID: sent.ID, Ref: m.Ref, Status: integrations.DeliveryQueued, At: b.clock.now()}, sent)
	got := b.sim.Messages()
	require.Len(t, got, 1)
	require.Equal(t, sendgridsim.Message{ID: sent.ID, To: patient, From: sender, Subject: m.Subject, Text: m.Body, HTML: m.HTML, Ref: string(m.Ref),
		Categories: []string{"copay", "reminder"}, Status: "delivered", At: b.clock.now()}, got[0])
	require.Equal(t, copay.ChannelEmail, conn.Channel())
}

// No business associate agreement covers this platform, so it never learns
// what a patient owes, whatever the wording of a template becomes.
func TestNoMailNamesAnAmount(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for text, ok := range map[string]bool{
		"You owe $25.00": false, "You owe $ 25": false, "25 USD": false, "usd 25.00": false, "25 dollars": false, "Debe 25 dólares": false, "€5": false,
		"Questions? Call 312-555-0142.": true, "Visit us at 1500 N. Main St., Suite 25.": true, "https://pay.lakeside.example/pay/a-25USD-usd25": true,
	} {
		for _, change := range []func(*integrations.Message){
			func(m *integrations.Message) { m.Subject = text }, func(m *integrations.Message) { m.Body = text }, func(m *integrations.Message) { m.HTML = "<p>" + text },
		} {
			m := b.message(patient)
			change(&m)
			_, err := b.conn.Send(t.Context(), m)
			if ok {
				require.NoError(t, err, text)
				continue
			}
			e := requireKind(t, integrations.KindInvalid, err)
			require.False(t, e.Final, "the address is not to blame")
		}
	}
	for _, m := range b.sim.Messages() {
		require.NotContains(t, m.Subject+m.Text+m.HTML, "owe")
	}
}

// A mail cannot be given an end in the platform's queue, so one that would be
// late is not handed over.
func TestTooLateIsNotSent(t *testing.T) {
	t.Parallel()
	b := newBench(t, activity)
	conn := b.connect(map[string]any{"email_activity": true})
	for left, ok := range map[time.Duration]bool{-time.Hour: false, 0: false, 10 * time.Second: false, 11 * time.Second: true} {
		m := b.message(patient)
		m.Expires = b.clock.now().Add(left)
		_, err := conn.Send(t.Context(), m)
		if ok {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, "too_late", requireKind(t, integrations.KindUnavailable, err).Code)
	}
	require.Len(t, b.sim.Messages(), 1)
}

// TestBodyOfAMail looks at what leaves: no tracking, one recipient, headers.
func TestBodyOfAMail(t *testing.T) {
	t.Parallel()
	var body map[string]any
	var header http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(raw, &body)
		header = r.Header
		w.Header().Set("X-Message-Id", "abc")
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(srv.Close)
	b := &bench{T: t, clock: &clock{t: time.Unix(1, 0)}, url: srv.URL}
	m := b.message(patient)
	m.HTML = ""
	sent, err := b.connect(map[string]any{"on_behalf_of": "lakeside", "from_name": "Billing"}).Send(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, "abc", sent.ID)
	require.Equal(t, "lakeside", header.Get("On-Behalf-Of"))
	require.Equal(t, "Bearer "+apiKey, header.Get("Authorization"))
	off := map[string]any{"enable": false}
	require.Equal(t, map[string]any{
		"personalizations": []any{map[string]any{"to": []any{map[string]any{"email": patient}}, "custom_args": map[string]any{"ref": string(m.Ref)}}},
		"from":             map[string]any{"email": sender, "name": "Billing"}, "subject": m.Subject,
		"content":    []any{map[string]any{"type": "text/plain", "value": m.Body}},
		"categories": []any{"copay"},
		"tracking_settings": map[string]any{"click_tracking": map[string]any{"enable": false, "enable_text": false}, "open_tracking": off,
			"subscription_tracking": off, "ganalytics": off},
	}, body)
}

func TestSandboxModeSendsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	conn := b.connect(map[string]any{"sandbox_mode": true})
	m := b.message(patient)
	sent, err := conn.Send(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, string(m.Ref), sent.ID)
	require.Empty(t, b.sim.Messages())
	text, err := conn.TestConnection(t.Context())
	require.NoError(t, err)
	require.Contains(t, text, "sandbox mode")
}

func TestSameReferenceTwiceIsOneMail(t *testing.T) {
	t.Parallel()
	b := newBench(t, activity)
	m := b.message(patient)
	first, err := b.conn.Send(t.Context(), m)
	require.NoError(t, err)
	second, err := b.conn.Send(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, first.ID, second.ID)
	m.Attempt = 2
	third, err := b.connect(map[string]any{"email_activity": true}).Send(t.Context(), m)
	require.NoError(t, err, "another process looks into the activity")
	require.Equal(t, first.ID, third.ID)
	require.Len(t, b.sim.Messages(), 1)
}

func TestActivity(t *testing.T) {
	t.Parallel()
	b := newBench(t, activity)
	conn := b.connect(map[string]any{"email_activity": true})
	m := b.message(patient)
	_, err := conn.FindSent(t.Context(), m)
	requireKind(t, integrations.KindNotFound, err)
	sent, err := conn.Send(t.Context(), m)
	require.NoError(t, err)
	found, err := conn.FindSent(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, integrations.Sent{ID: sent.ID, Ref: m.Ref, Status: integrations.DeliveryDelivered, At: b.clock.now()}, found)
	status, err := conn.Status(t.Context(), sent.ID)
	require.NoError(t, err)
	require.Equal(t, integrations.DeliveryDelivered, status.Status)

	for to, want := range map[string]integrations.DeliveryStatus{"bounce@p.example": integrations.DeliveryFailed, "drop@p.example": integrations.DeliveryFailed,
		"defer@p.example": integrations.DeliveryQueued} {
		sent, err := conn.Send(t.Context(), b.message(to))
		require.NoError(t, err)
		status, err := conn.Status(t.Context(), sent.ID)
		require.NoError(t, err)
		require.Equal(t, want, status.Status, to)
	}

	m.To = "other@patients.example"
	_, err = conn.FindSent(t.Context(), m)
	requireKind(t, integrations.KindNotFound, err)
	m.Ref = `x"OR"`
	_, err = conn.FindSent(t.Context(), m)
	requireKind(t, integrations.KindNotFound, err)
	for _, id := range []string{"unknown", "", "%'"} {
		_, err = conn.Status(t.Context(), id)
		requireKind(t, integrations.KindNotFound, err)
	}
}

// Without the add-on there is nothing to look into.
func TestWithoutActivityNothingIsFound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m := b.message(patient)
	sent, err := b.conn.Send(t.Context(), m)
	require.NoError(t, err)
	_, err = b.conn.FindSent(t.Context(), m)
	requireKind(t, integrations.KindNotFound, err)
	_, err = b.conn.Status(t.Context(), sent.ID)
	requireKind(t, integrations.KindNotFound, err)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, tc := range map[string]struct {
		options map[string]any
		change  func(*integrations.Message)
		kind    integrations.Kind
		code    string
		final   bool
	}{
		"no address":        {nil, func(m *integrations.Message) { m.To = "pat.doe" }, integrations.KindInvalid, "personalizations.0.to.0.email", true},
		"name and address":  {nil, func(m *integrations.Message) { m.To = "Pat <" + patient + ">" }, integrations.KindInvalid, "personalizations.0.to.0.email", true},
		"refused there":     {nil, func(m *integrations.Message) { m.To = "pat.doe@localhost" }, integrations.KindInvalid, "personalizations.0.to.0.email", true},
		"no subject":        {nil, func(m *integrations.Message) { m.Subject = " " }, integrations.KindInvalid, "subject", false},
		"no text":           {nil, func(m *integrations.Message) { m.Body = "" }, integrations.KindInvalid, "content", false},
		"no reference":      {nil, func(m *integrations.Message) { m.Ref = "" }, integrations.KindInvalid, "", false},
		"unverified sender": {map[string]any{"from": "else@lakeside.example"}, nil, integrations.KindUnauthorized, "from", false},
		"unknown group":     {map[string]any{"unsubscribe_group": 5}, nil, integrations.KindUnauthorized, "asm.group_id", false},
		"other key":         {map[string]any{"api_key": "literal:SG.other"}, nil, integrations.KindUnauthorized, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := b.message(patient)
			if tc.change != nil {
				tc.change(&m)
			}
			_, err := b.connect(tc.options).Send(t.Context(), m)
			e := requireKind(t, tc.kind, err)
			require.Equal(t, tc.code, e.Code)
			require.Equal(t, tc.final, e.Final)
		})
	}
	t.Cleanup(func() { require.Empty(t, b.sim.Messages()) })
}

func TestConnectionTest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	text, err := b.conn.TestConnection(t.Context())
	require.NoError(t, err)
	require.Contains(t, text, "may send mail")
	for _, tc := range []struct {
		scopes  []string
		options map[string]any
		lacks   string
	}{{[]string{"suppression.read"}, nil, "mail.send"}, {[]string{"mail.send"}, map[string]any{"email_activity": true}, "email_activity.read"}} {
		b := newBench(t, func(c *sendgridsim.Config) { c.Scopes = tc.scopes })
		_, err := b.connect(tc.options).TestConnection(t.Context())
		require.Contains(t, requireKind(t, integrations.KindUnauthorized, err).Message, tc.lacks)
	}
	b.sim.Faults().Add(sim.Fault{Kind: sim.FaultServer})
	_, err = b.conn.TestConnection(t.Context())
	requireKind(t, integrations.KindUnavailable, err)
	require.Equal(t, []string{"email", "webhooks"}, integrations.Capabilities((*sendgrid.Connector)(nil)))
}
