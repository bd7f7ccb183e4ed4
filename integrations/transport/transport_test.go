package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

func client(t *testing.T, h http.HandlerFunc, change ...func(*transport.Options)) *transport.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	o := transport.Options{Platform: "acme", BaseURL: srv.URL + "/api/", Timeout: 5 * time.Second}
	for _, f := range change {
		f(&o)
	}
	c, err := transport.New(o)
	require.NoError(t, err)
	return c
}

func TestRequestIsBuiltAsAsked(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body string
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		_, _ = io.WriteString(w, `{"id":7}`)
	})
	var out struct{ ID int }
	res, err := c.Do(t.Context(), transport.Request{Op: "things.create", Method: "POST", Path: "/things?kind=a", Query: url.Values{"page": {"2"}},
		Header: http.Header{"idempotency-key": {"k1"}}, JSON: map[string]int{"n": 1}}, &out)
	require.NoError(t, err)
	require.Equal(t, 200, res.Status)
	require.Equal(t, 7, out.ID)
	require.Equal(t, "/api/things", got.URL.Path, "below the base URL's path")
	require.Equal(t, "kind=a&page=2", got.URL.RawQuery)
	require.Equal(t, "k1", got.Header.Get("Idempotency-Key"))
	require.Equal(t, "application/json", got.Header.Get("Content-Type"))
	require.JSONEq(t, `{"n":1}`, body)

	_, err = c.Do(t.Context(), transport.Request{Method: "POST", Path: "x", Form: url.Values{"a": {"b c"}}}, nil)
	require.NoError(t, err)
	require.Equal(t, "a=b+c", body)
	require.Equal(t, "application/x-www-form-urlencoded", got.Header.Get("Content-Type"))
	_, err = c.Do(t.Context(), transport.Request{Method: "POST", Path: "x", Body: []byte("<x/>"), ContentType: "text/xml"}, nil)
	require.NoError(t, err)
	require.Equal(t, "<x/>", body)
	require.Equal(t, "text/xml", got.Header.Get("Content-Type"))
}

func TestCredentialsNeverLeaveForAnotherHost(t *testing.T) {
	t.Parallel()
	asked := false
	c := client(t, func(http.ResponseWriter, *http.Request) {}, func(o *transport.Options) {
		o.Authorize = func(context.Context, *http.Request) error { asked = true; return nil }
	})
	for _, next := range []string{"https://evil.example/api/things?page=2", "http://127.0.0.1:1/api", "ftp://127.0.0.1/x"} {
		_, err := c.Do(t.Context(), transport.Request{Method: "GET", Path: next}, nil)
		require.Equal(t, integrations.KindInvalid, integrations.KindOf(err), next)
	}
	require.False(t, asked)
}

func TestANextPageOnTheSameHostIsFollowed(t *testing.T) {
	t.Parallel()
	var path string
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { path = r.URL.RequestURI() }))
	t.Cleanup(srv.Close)
	c, err := transport.New(transport.Options{Platform: "acme", BaseURL: srv.URL + "/api"})
	require.NoError(t, err)
	_, err = c.Do(t.Context(), transport.Request{Method: "GET", Path: srv.URL + "/v2/things?cursor=x"}, nil)
	require.NoError(t, err)
	require.Equal(t, "/v2/things?cursor=x", path)
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	calls := 0
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	_, err := c.Do(t.Context(), transport.Request{Method: "POST", Path: "pay", Moves: true}, nil)
	require.Error(t, err)
	require.Equal(t, 1, calls, "Go would turn the POST into a GET")
}

// What a failure means decides what the workflow does: try again, look first,
// ask a person.
func TestKindsOfStatus(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status      int
		read, moves integrations.Kind
	}{
		{400, integrations.KindInvalid, integrations.KindInvalid}, {401, integrations.KindUnauthorized, integrations.KindUnauthorized},
		{403, integrations.KindUnauthorized, integrations.KindUnauthorized}, {404, integrations.KindNotFound, integrations.KindNotFound},
		{408, integrations.KindUnavailable, integrations.KindUnknown}, {409, integrations.KindUnavailable, integrations.KindUnknown},
		{410, integrations.KindNotFound, integrations.KindNotFound}, {422, integrations.KindInvalid, integrations.KindInvalid},
		{429, integrations.KindRateLimited, integrations.KindRateLimited}, {500, integrations.KindUnavailable, integrations.KindUnknown},
		{502, integrations.KindUnavailable, integrations.KindUnknown}, {503, integrations.KindUnavailable, integrations.KindUnknown},
	} {
		c := client(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tc.status)
			_, _ = io.WriteString(w, "Ana Sample owes $25")
		})
		for moves, want := range map[bool]integrations.Kind{false: tc.read, true: tc.moves} {
			_, err := c.Do(t.Context(), transport.Request{Op: "x.y", Method: "POST", Path: "x", Moves: moves}, nil)
			e := integrations.AsError(err)
			require.NotNil(t, e)
			require.Equal(t, want, e.Kind, "%d, moves %t", tc.status, moves)
			require.Equal(t, tc.status, e.Status)
			require.NotContains(t, err.Error(), "Ana", "bodies stay out of errors")
		}
	}
}

func TestThePlatformsOwnReadingComesFirst(t *testing.T) {
	t.Parallel()
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(402)
		_, _ = io.WriteString(w, "card_declined")
	}, func(o *transport.Options) {
		o.Classify = func(status int, _ http.Header, body []byte) transport.Failure {
			require.Equal(t, 402, status)
			return transport.Failure{Kind: integrations.KindDeclined, Code: string(body), RequestID: "req_1", Final: true}
		}
	})
	_, err := c.Do(t.Context(), transport.Request{Op: "pay", Method: "POST", Path: "pay", Moves: true}, nil)
	e := integrations.AsError(err)
	require.Equal(t, integrations.KindDeclined, e.Kind)
	require.Equal(t, "card_declined", e.Code)
	require.Equal(t, "req_1", e.RequestID)
	require.True(t, e.Final)
	require.Equal(t, 7*time.Second, e.RetryAfter)
}

func TestSuccessMayBeMoreThan2xx(t *testing.T) {
	t.Parallel()
	c := client(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) },
		func(o *transport.Options) { o.Success = func(s int) bool { return s == http.StatusNotModified } })
	res, err := c.Do(t.Context(), transport.Request{Method: "GET", Path: "x"}, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusNotModified, res.Status)
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]time.Duration{"": 0, "120": 2 * time.Minute, "-5": 0, "soon": 0, "999999999": 24 * time.Hour,
		"Mon, 02 Jan 2006 15:04:05 GMT": 0} {
		require.Equal(t, want, transport.RetryAfter(http.Header{"Retry-After": {v}}), v)
	}
	in := transport.RetryAfter(http.Header{"Retry-After": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}})
	require.InDelta(t, time.Hour.Seconds(), in.Seconds(), 5)
}

// A request that never left is safe to repeat. One that may have arrived is
// not, when it moves something.
func TestABrokenConnection(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := "http://" + l.Addr().String()
	require.NoError(t, l.Close())
	nobody, err := transport.New(transport.Options{Platform: "acme", BaseURL: closed})
	require.NoError(t, err)
	_, err = nobody.Do(t.Context(), transport.Request{Op: "pay", Method: "POST", Path: "pay?patient=ana", Moves: true}, nil)
	require.Equal(t, integrations.KindUnavailable, integrations.KindOf(err))
	require.NotContains(t, err.Error(), "ana", "queries stay out of errors")

	dropped := client(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	})
	_, err = dropped.Do(t.Context(), transport.Request{Op: "pay", Method: "POST", Path: "pay", JSON: 1, Moves: true}, nil)
	require.Equal(t, integrations.KindUnknown, integrations.KindOf(err))
	_, err = dropped.Do(t.Context(), transport.Request{Op: "read", Method: "POST", Path: "pay", JSON: 1}, nil)
	require.Equal(t, integrations.KindUnavailable, integrations.KindOf(err))
}

func TestAnAnswerThatDoesNotCome(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	c := client(t, func(http.ResponseWriter, *http.Request) { <-stop }, func(o *transport.Options) { o.Timeout = 30 * time.Millisecond })
	t.Cleanup(func() { close(stop) })
	_, err := c.Do(t.Context(), transport.Request{Op: "pay", Method: "POST", Path: "pay", JSON: 1, Moves: true}, nil)
	require.Equal(t, integrations.KindUnknown, integrations.KindOf(err))
	require.ErrorContains(t, err, "no answer in time")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Do(ctx, transport.Request{Op: "read", Method: "GET", Path: "x"}, nil)
	require.Equal(t, integrations.KindUnavailable, integrations.KindOf(err))
}

func TestAnAnswerThatCannotBeRead(t *testing.T) {
	t.Parallel()
	big := client(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 65)) },
		func(o *transport.Options) { o.MaxBody = 64 })
	odd := client(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	cut := client(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "{")
	})
	for name, c := range map[string]*transport.Client{"too large": big, "not JSON": odd, "cut off": cut} {
		var out any
		for moves, want := range map[bool]integrations.Kind{false: integrations.KindUnavailable, true: integrations.KindUnknown} {
			_, err := c.Do(t.Context(), transport.Request{Op: "x", Method: "POST", Path: "x", Moves: moves}, &out)
			require.Equal(t, want, integrations.KindOf(err), name)
		}
	}
}

func TestARequestThatCannotBeBuiltIsNotSent(t *testing.T) {
	t.Parallel()
	c := client(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	_, err := c.Do(t.Context(), transport.Request{Op: "x", Method: "POST", Path: "x", JSON: make(chan int)}, nil)
	require.Equal(t, integrations.KindInvalid, integrations.KindOf(err))
	_, err = c.Do(t.Context(), transport.Request{Op: "x", Method: "NO WAY", Path: "x"}, nil)
	require.Equal(t, integrations.KindInvalid, integrations.KindOf(err))
	for _, base := range []string{"", "acme.example", "file:///etc/passwd", "http://", "://"} {
		_, err := transport.New(transport.Options{Platform: "acme", BaseURL: base})
		require.ErrorContains(t, err, "base_url", base)
	}
}

func TestLimitsHoldCallsBack(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	c := client(t, func(http.ResponseWriter, *http.Request) { calls.Add(1) },
		func(o *transport.Options) {
			o.Limits = []transport.Limit{{N: 1000, Per: time.Second, Burst: 10}, {N: 1, Per: time.Hour, Burst: 2}}
		})
	get := func(ctx context.Context) error {
		_, err := c.Do(ctx, transport.Request{Op: "x", Method: "GET", Path: "x"}, nil)
		return err
	}
	require.NoError(t, get(t.Context()))
	require.NoError(t, get(t.Context()))
	for range 3 { // a refused turn is given back: the wait does not grow
		e := integrations.AsError(get(t.Context()))
		require.NotNil(t, e)
		require.Equal(t, integrations.KindRateLimited, e.Kind)
		require.InDelta(t, time.Hour.Seconds(), e.RetryAfter.Seconds(), 60)
	}
	require.EqualValues(t, 2, calls.Load(), "what is held back does not leave")
}

func TestAShortWaitIsWaitedOut(t *testing.T) {
	t.Parallel()
	c := client(t, func(http.ResponseWriter, *http.Request) {}, func(o *transport.Options) { o.Limits = []transport.Limit{{N: 50, Per: time.Second, Burst: 1}} })
	for range 3 {
		_, err := c.Do(t.Context(), transport.Request{Op: "x", Method: "GET", Path: "x"}, nil)
		require.NoError(t, err)
	}
	slow := client(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") }, func(o *transport.Options) {
		o.Limits = []transport.Limit{{N: 1, Per: 4 * time.Second, Burst: 1}, {N: 1, Per: 4 * time.Second, Burst: 1}}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = slow.Do(ctx, transport.Request{Op: "x", Method: "GET", Path: "x"}, nil) // takes the burst
	_, err := slow.Do(ctx, transport.Request{Op: "x", Method: "GET", Path: "x"}, nil)
	require.ErrorContains(t, err, "gave up waiting")
}

func TestCallsPauseAfterRepeatedFailures(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	c := client(t, func(w http.ResponseWriter, _ *http.Request) { calls.Add(1); w.WriteHeader(500) })
	for range 15 {
		_, err := c.Do(t.Context(), transport.Request{Op: "x", Method: "GET", Path: "x"}, nil)
		require.Equal(t, integrations.KindUnavailable, integrations.KindOf(err))
	}
	require.EqualValues(t, 10, calls.Load(), "a platform that is down is left alone")
	_, err := c.Do(t.Context(), transport.Request{Op: "pay", Method: "POST", Path: "x", Moves: true}, nil)
	e := integrations.AsError(err)
	require.Equal(t, integrations.KindUnavailable, e.Kind, "a call that was not made moved nothing")
	require.Positive(t, e.RetryAfter)

	calls.Store(0)
	fine := client(t, func(w http.ResponseWriter, _ *http.Request) { calls.Add(1); w.WriteHeader(404) })
	for range 15 {
		_, err := fine.Do(t.Context(), transport.Request{Op: "x", Method: "GET", Path: "x"}, nil)
		require.Equal(t, integrations.KindNotFound, integrations.KindOf(err))
	}
	require.EqualValues(t, 15, calls.Load(), "an answer is no outage")
}

func TestCredentialsThatCannotBeHadStopTheCall(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]error{"any error": errors.New("vault sealed: s3cret"),
		"a classified one": &integrations.Error{Kind: integrations.KindUnavailable, Platform: "acme", Op: "oauth.token", Message: "down"}} {
		c := client(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") },
			func(o *transport.Options) { o.Authorize = func(context.Context, *http.Request) error { return cause } })
		_, err := c.Do(t.Context(), transport.Request{Op: "x", Method: "GET", Path: "x"}, nil)
		require.Equal(t, integrations.KindUnavailable, integrations.KindOf(err), name)
		require.NotContains(t, err.Error(), "s3cret")
	}
}
