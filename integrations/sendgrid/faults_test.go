package sendgrid_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
	sendgridsim "github.com/copayflow/copayflow/sandbox/sendgrid"
	"github.com/copayflow/copayflow/sandbox/sim"
)

func TestFaultsOfSending(t *testing.T) {
	t.Parallel()
	for kind, want := range map[sim.FaultKind]struct {
		kind  integrations.Kind
		after time.Duration
		sent  int
	}{
		sim.FaultRateLimit: {integrations.KindRateLimited, 2 * time.Second, 0},
		sim.FaultServer:    {integrations.KindUnknown, time.Minute, 0},
		sim.FaultToken:     {integrations.KindUnauthorized, 0, 0},
		sim.FaultDrop:      {integrations.KindUnknown, time.Minute, 1},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, activity)
			conn := b.connect(map[string]any{"email_activity": true})
			m := b.message(patient)
			b.sim.Faults().Add(sim.Fault{Kind: kind, Method: http.MethodPost})
			_, err := conn.Send(t.Context(), m)
			require.Equal(t, want.after, requireKind(t, want.kind, err).RetryAfter)
			require.Len(t, b.sim.Messages(), want.sent)
			for range 2 {
				_, err = conn.Send(t.Context(), m)
				require.NoError(t, err)
			}
			m.Attempt = 3
			_, err = b.connect(map[string]any{"email_activity": true}).Send(t.Context(), m)
			require.NoError(t, err)
			require.Len(t, b.sim.Messages(), 1, "one mail in the end")
		})
	}
}

// Without the activity a mail whose outcome is unknown goes out once more, by
// default, and then not again.
func TestUnknownOutcomeWithoutActivity(t *testing.T) {
	t.Parallel()
	for _, retries := range []any{nil, 0, 2} {
		t.Run(fmt.Sprint(retries), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			options, allowed := map[string]any{}, 1
			if n, ok := retries.(int); ok {
				options["retry_unknown"], allowed = n, n
			}
			conn := b.connect(options)
			m := b.message(patient)
			b.sim.Faults().Add(sim.Fault{Kind: sim.FaultDrop, Method: http.MethodPost, Times: 10})
			for range allowed + 1 {
				_, err := conn.Send(t.Context(), m)
				requireKind(t, integrations.KindUnknown, err)
				m.Attempt++
			}
			for range 3 {
				_, err := conn.Send(t.Context(), m)
				require.Equal(t, "unresolved", requireKind(t, integrations.KindNotFound, err).Code)
			}
			require.Len(t, b.sim.Messages(), allowed+1)
		})
	}
}

// An attempt that certainly sent nothing does not count; one that another
// process made may have.
func TestAttemptsThatSentNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m := b.message(patient)
	b.sim.Faults().Add(sim.Fault{Kind: sim.FaultRateLimit, Method: http.MethodPost, Times: 4})
	for range 4 {
		_, err := b.conn.Send(t.Context(), m)
		requireKind(t, integrations.KindRateLimited, err)
		m.Attempt++
	}
	_, err := b.connect(nil).Send(t.Context(), m)
	requireKind(t, integrations.KindNotFound, err)
	_, err = b.conn.Send(t.Context(), m)
	require.NoError(t, err)
	require.Len(t, b.sim.Messages(), 1)
}

// A look-up that fails says nothing: then nothing may be sent.
func TestNothingIsSentWhenTheLookUpFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, activity)
	for kind, want := range map[sim.FaultKind]integrations.Kind{sim.FaultServer: integrations.KindUnavailable, sim.FaultRateLimit: integrations.KindRateLimited,
		sim.FaultDrop: integrations.KindUnavailable, sim.FaultToken: integrations.KindUnauthorized} {
		b.sim.Faults().Add(sim.Fault{Kind: kind, Method: http.MethodGet})
		m := b.message(patient)
		m.Attempt = 2
		_, err := b.connect(map[string]any{"email_activity": true}).Send(t.Context(), m)
		requireKind(t, want, err)
		require.Empty(t, b.sim.Messages())
	}
	// The add-on is configured but was never bought.
	b = newBench(t)
	m := b.message(patient)
	m.Attempt = 2
	_, err := b.connect(map[string]any{"email_activity": true}).Send(t.Context(), m)
	requireKind(t, integrations.KindUnauthorized, err)
}

func TestRateLimitOfThePlatform(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *sendgridsim.Config) { c.SendLimit = 1 })
	b.clock.add(20 * time.Second)
	_, err := b.conn.Send(t.Context(), b.message(patient))
	require.NoError(t, err)
	m := b.message(patient)
	_, err = b.conn.Send(t.Context(), m)
	require.Equal(t, 40*time.Second, requireKind(t, integrations.KindRateLimited, err).RetryAfter, "until the minute is over")
	b.clock.add(41 * time.Second)
	_, err = b.conn.Send(t.Context(), m)
	require.NoError(t, err)
}

func TestSlowAnswerTimesOut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.sim.Faults().Add(sim.Fault{Kind: sim.FaultSlow, Delay: time.Second})
	_, err := b.connect(map[string]any{"timeout": "50ms"}).Send(t.Context(), b.message(patient))
	requireKind(t, integrations.KindUnknown, err)
}

func TestStrangeAnswers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		header http.Header
		body   string
		kind   integrations.Kind
		code   string
		after  time.Duration
	}{
		"field null":          {400, nil, `{"errors":[{"message":"` + patient + `","field":null}]}`, integrations.KindInvalid, "", 0},
		"field is null text":  {400, nil, `{"errors":[{"field":"null"},{"field":"subject"}]}`, integrations.KindInvalid, "subject", 0},
		"field says too much": {400, nil, `{"errors":[{"field":"` + patient + `"}]}`, integrations.KindInvalid, "", 0},
		"the recipient":       {400, nil, `{"errors":[{"field":"personalizations.0.to.0.email"}]}`, integrations.KindInvalid, "personalizations.0.to.0.email", 0},
		"the sender":          {400, nil, `{"errors":[{"field":"from.email"}]}`, integrations.KindUnauthorized, "from.email", 0},
		"the reply address":   {400, nil, `{"errors":[{"field":"reply_to.email"}]}`, integrations.KindUnauthorized, "reply_to.email", 0},
		"the group":           {400, nil, `{"errors":[{"field":"asm.group_id"}]}`, integrations.KindUnauthorized, "asm.group_id", 0},
		"page of HTML":        {413, nil, "<html>", integrations.KindInvalid, "", 0},
		"huge error":          {400, nil, strings.Repeat("x", 2<<20), integrations.KindUnknown, "", time.Minute},
		"media type":          {415, nil, "", integrations.KindInvalid, "", 0},
		"gateway":             {502, nil, "<html>", integrations.KindUnknown, "", time.Minute},
		"throttled, silent":   {429, nil, "", integrations.KindRateLimited, "", time.Second},
		"throttled, absurd":   {429, http.Header{"X-Ratelimit-Reset": {"99999999999999"}}, "", integrations.KindRateLimited, "", time.Second},
		"throttled, far":      {429, http.Header{"X-Ratelimit-Reset": {"9999999999"}}, "", integrations.KindRateLimited, "", time.Hour},
		"throttled, told":     {429, http.Header{"Retry-After": {"9"}}, "", integrations.KindRateLimited, "", 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range tc.header {
					w.Header()[k] = v
				}
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			}))
			t.Cleanup(srv.Close)
			b := &bench{T: t, clock: &clock{t: time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)}, url: srv.URL}
			_, err := b.connect(nil).Send(t.Context(), b.message(patient))
			e := requireKind(t, tc.kind, err)
			require.Equal(t, tc.code, e.Code)
			require.Equal(t, tc.after, e.RetryAfter)
			require.Equal(t, name == "the recipient", e.Final, "only then is the address to blame")
		})
	}
}

func TestStrangeActivity(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   string
		want   integrations.Kind
	}{
		"nothing":       {200, "", integrations.KindUnavailable},
		"a bare list":   {200, "[1]", integrations.KindUnavailable},
		"no list":       {200, "{}", integrations.KindUnavailable},
		"null":          {200, `{"messages":null}`, integrations.KindUnavailable},
		"no such thing": {404, `{"errors":[{"message":"not found","field":null}]}`, integrations.KindUnauthorized},
		"an empty list": {200, `{"messages":[]}`, integrations.KindNotFound},
		"someone else":  {200, `{"messages":[{"msg_id":"abc.x","to_email":"x@p.example"}]}`, integrations.KindNotFound},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tc.status)
			_, _ = w.Write([]byte(tc.body))
		}))
		t.Cleanup(srv.Close)
		b := &bench{T: t, clock: &clock{t: time.Unix(1, 0)}, url: srv.URL}
		conn, m := b.connect(map[string]any{"email_activity": true}), b.message(patient)
		_, err := conn.FindSent(t.Context(), m)
		require.Equal(t, tc.want, integrations.KindOf(err), name)
		if tc.want != integrations.KindNotFound { // what says nothing must not send again
			m.Attempt = 2
			_, err = conn.Send(t.Context(), m)
			requireKind(t, tc.want, err)
		}
	}
}

// A mail under our reference was sent, whatever its name looks like, and a
// status that the platform invents later must not end it.
func TestUnknownNamesAndStatusesInTheActivity(t *testing.T) {
	t.Parallel()
	odd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"messages":[{"msg_id":"x y","to_email":"` + patient + `"}]}`))
	}))
	t.Cleanup(odd.Close)
	o := &bench{T: t, clock: &clock{t: time.Unix(1, 0)}, url: odd.URL}
	m := o.message(patient)
	found, err := o.connect(map[string]any{"email_activity": true}).FindSent(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, string(m.Ref), found.ID)

	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"messages":[{"msg_id":"abc.x","status":"teleported","last_event_time":"never"}]}`))
	}))
	t.Cleanup(srv.Close)
	b := &bench{T: t, clock: &clock{t: time.Unix(1, 0)}, url: srv.URL}
	got, err := b.connect(map[string]any{"email_activity": true}).Status(t.Context(), "abc")
	require.NoError(t, err)
	require.Equal(t, integrations.Sent{ID: "abc", Status: integrations.DeliveryQueued}, got)
}
