package twilio_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/sandbox/sim"
)

func TestFaultsOfSending(t *testing.T) {
	t.Parallel()
	for kind, want := range map[sim.FaultKind]struct {
		kind  integrations.Kind
		after time.Duration
		sent  int
	}{
		sim.FaultRateLimit: {integrations.KindRateLimited, time.Second, 0},
		sim.FaultServer:    {integrations.KindUnknown, 30 * time.Second, 0},
		sim.FaultToken:     {integrations.KindUnauthorized, 0, 0},
		sim.FaultDrop:      {integrations.KindUnknown, 30 * time.Second, 1},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			m := b.message(patient)
			b.sim.Faults().Add(sim.Fault{Kind: kind, Method: http.MethodPost})
			_, err := b.conn.Send(t.Context(), m)
			require.Equal(t, want.after, requireKind(t, want.kind, err).RetryAfter)
			require.Len(t, b.outbound(), want.sent)

			// After an unknown outcome the same process looks first even when
			// nobody tells it that this is a repeat.
			_, err = b.conn.Send(t.Context(), m)
			require.NoError(t, err)
			m.Attempt = 3
			_, err = b.connect(nil).Send(t.Context(), m)
			require.NoError(t, err)
			require.Len(t, b.outbound(), 1, "one text in the end")
		})
	}
}

// A look-up that fails says nothing: then nothing may be sent.
func TestNothingIsSentWhenTheLookUpFails(t *testing.T) {
	t.Parallel()
	for kind, want := range map[sim.FaultKind]integrations.Kind{
		sim.FaultServer: integrations.KindUnavailable, sim.FaultRateLimit: integrations.KindRateLimited,
		sim.FaultDrop: integrations.KindUnavailable, sim.FaultToken: integrations.KindUnauthorized,
	} {
		b := newBench(t)
		b.sim.Faults().Add(sim.Fault{Kind: kind, Method: http.MethodGet})
		m := b.message(patient)
		m.Attempt = 2
		_, err := b.conn.Send(t.Context(), m)
		requireKind(t, want, err)
		require.Empty(t, b.outbound())
	}
}

// Only a list without the message says that nothing was sent. An account that
// does not exist and an answer that is no list say nothing.
func TestWhatIsNoListFindsNothing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   string
		want   integrations.Kind
	}{
		"no account":   {404, `{"code":20404,"message":"The requested resource was not found","status":404}`, integrations.KindUnauthorized},
		"no body":      {404, "", integrations.KindUnauthorized},
		"no list":      {200, "{}", integrations.KindUnavailable},
		"null":         {200, `{"messages":null}`, integrations.KindUnavailable},
		"an empty one": {200, `{"messages":[]}`, integrations.KindNotFound},
	} {
		b := answering(t, tc.status, nil, tc.body)
		m := b.message(patient)
		_, err := b.conn.FindSent(t.Context(), m)
		require.Equal(t, tc.want, integrations.KindOf(err), name)
		if tc.want != integrations.KindNotFound {
			m.Attempt = 2
			_, err = b.conn.Send(t.Context(), m)
			requireKind(t, tc.want, err)
		}
		if tc.status == 404 {
			m.Attempt = 1
			_, err = b.conn.Send(t.Context(), m)
			requireKind(t, integrations.KindUnauthorized, err)
		}
	}
}

func TestSlowAnswerTimesOut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	conn := b.connect(map[string]any{"timeout": "50ms"})
	m := b.message(patient)
	b.sim.Faults().Add(sim.Fault{Kind: sim.FaultSlow, Method: http.MethodPost, Delay: time.Second})
	_, err := conn.Send(t.Context(), m)
	requireKind(t, integrations.KindUnknown, err)
	b.sim.Faults().Add(sim.Fault{Kind: sim.FaultSlow, Method: http.MethodGet, Delay: time.Second})
	_, err = conn.Status(t.Context(), "SM"+strings.Repeat("a", 32))
	requireKind(t, integrations.KindUnavailable, err)
}

// answering is a platform that gives one answer to everything.
func answering(t *testing.T, status int, header http.Header, body string) *bench {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(srv.Close)
	b := &bench{T: t, clock: &clock{t: time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)}, url: srv.URL}
	b.conn = b.connect(nil)
	return b
}

func TestStrangeAnswers(t *testing.T) {
	t.Parallel()
	sid := "SM" + strings.Repeat("a", 32)
	for name, tc := range map[string]struct {
		status     int
		body       string
		send, read integrations.Kind
	}{
		"no JSON":             {200, "<html>" + patient, integrations.KindUnknown, integrations.KindUnavailable},
		"no message":          {200, "{}", integrations.KindUnknown, integrations.KindUnavailable},
		"huge":                {200, `"` + strings.Repeat("x", 5<<20) + `"`, integrations.KindUnknown, integrations.KindUnavailable},
		"unknown refusal":     {400, `{"code":21699,"message":"bad ` + patient + `"}`, integrations.KindInvalid, integrations.KindInvalid},
		"refusal, no body":    {400, "", integrations.KindInvalid, integrations.KindInvalid},
		"gateway with a code": {503, `{"code":21211}`, integrations.KindUnknown, integrations.KindUnavailable},
		"test credentials":    {403, `{"code":20008,"message":"` + patient + `"}`, integrations.KindUnauthorized, integrations.KindUnauthorized},
		"redirect":            {302, "", integrations.KindInvalid, integrations.KindInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := answering(t, tc.status, nil, tc.body)
			_, err := b.conn.Send(t.Context(), b.message(patient))
			require.False(t, requireKind(t, tc.send, err).Final)
			_, err = b.conn.Status(t.Context(), sid)
			requireKind(t, tc.read, err)
		})
	}
}

func TestRetryAfterOfThePlatformCounts(t *testing.T) {
	t.Parallel()
	b := answering(t, 429, http.Header{"Retry-After": {"7"}, "Twilio-Request-Id": {"RQ1"}}, "")
	_, err := b.conn.Send(t.Context(), b.message(patient))
	e := requireKind(t, integrations.KindRateLimited, err)
	require.Equal(t, 7*time.Second, e.RetryAfter)
	require.Equal(t, "RQ1", e.RequestID)
	b = answering(t, 429, http.Header{"Twilio-Request-Id": {"patient " + patient}}, "")
	_, err = b.conn.Send(t.Context(), b.message(patient))
	e = requireKind(t, integrations.KindRateLimited, err)
	require.Equal(t, time.Second, e.RetryAfter)
	require.Empty(t, e.RequestID)
}

// A status that the platform invents later must not end a message.
func TestUnknownStatusIsKeptAsQueued(t *testing.T) {
	t.Parallel()
	sid := "SM" + strings.Repeat("a", 32)
	for status, want := range map[string]integrations.DeliveryStatus{
		"held": integrations.DeliveryQueued, "": integrations.DeliveryQueued, "accepted": integrations.DeliveryQueued, "scheduled": integrations.DeliveryQueued,
		"sending": integrations.DeliveryQueued, "sent": integrations.DeliverySent, "partially_delivered": integrations.DeliverySent,
		"read": integrations.DeliveryDelivered, "canceled": integrations.DeliveryFailed, "undelivered": integrations.DeliveryFailed,
	} {
		b := answering(t, 200, nil, `{"sid":"`+sid+`","status":"`+status+`","error_code":null,"date_created":"never"}`)
		got, err := b.conn.Status(t.Context(), sid)
		require.NoError(t, err)
		require.Equal(t, want, got.Status, status)
		require.True(t, got.At.IsZero())
	}
}
