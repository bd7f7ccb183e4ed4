package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// tripper answers in the place of a network; under synctest it keeps the
// clock a fake one.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// always answers every request alike.
func always(status int, body string) tripper {
	return func(*http.Request) (*http.Response, error) { return answer(status, body), nil }
}

func newClient(t *testing.T, o transport.Options) *transport.Client {
	t.Helper()
	if o.Platform == "" {
		o.Platform = "acme"
	}
	if o.BaseURL == "" {
		o.BaseURL = "https://acme.example/v3"
	}
	c, err := transport.New(o)
	require.NoError(t, err)
	return c
}

func read(op string) transport.Request {
	return transport.Request{Op: op, Method: http.MethodGet, Path: "/things"}
}

func post(op string) transport.Request {
	return transport.Request{Op: op, Method: http.MethodPost, Path: "/things", JSON: map[string]int{"n": 1}, Moves: true}
}

// requireKind also holds every failure to the package's promise.
func requireKind(t *testing.T, want integrations.Kind, err error) *integrations.Error {
	t.Helper()
	require.Error(t, err)
	e := integrations.AsError(err)
	require.NotNil(t, e, "every failure is an *integrations.Error, this is %T: %v", err, err)
	require.Equal(t, want, e.Kind, e.Error())
	return e
}

func TestNewRefusesWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "acme.example", "//acme.example", "ftp://acme.example", "https://", "http://[::1", "https:///v1"} {
		_, err := transport.New(transport.Options{Platform: "acme", BaseURL: base})
		require.ErrorContains(t, err, "acme: base_url", base)
	}
	for _, base := range []string{"http://127.0.0.1:80", "https://acme.example/v3/"} {
		_, err := transport.New(transport.Options{Platform: "acme", BaseURL: base})
		require.NoError(t, err, base)
	}
}

func TestDoBuildsTheRequest(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		base         string
		req          transport.Request
		wantURL      string
		wantType     string
		wantBody     string
		wantAuth     string
		wantAccept   string
		wantCustomer string
	}{
		"path under the base": {req: transport.Request{Method: "GET", Path: "/things/1"}, wantURL: "https://acme.example/v3/things/1", wantAuth: "Bearer k"},
		"no slash anywhere":   {base: "https://acme.example", req: transport.Request{Method: "GET", Path: "things"}, wantURL: "https://acme.example/things", wantAuth: "Bearer k"},
		"slash on both sides": {base: "https://acme.example/v3/", req: transport.Request{Method: "GET", Path: "/things"}, wantURL: "https://acme.example/v3/things", wantAuth: "Bearer k"},
		"empty path":          {req: transport.Request{Method: "GET"}, wantURL: "https://acme.example/v3/", wantAuth: "Bearer k"},
		"link to the next page": {req: transport.Request{Method: "GET", Path: "https://acme.example/v3/things?cursor=a%2Bb"},
			wantURL: "https://acme.example/v3/things?cursor=a%2Bb", wantAuth: "Bearer k"},
		"query is added to the link's": {req: transport.Request{Method: "GET", Path: "https://acme.example/things?cursor=2&size=1", Query: url.Values{"size": {"9"}}},
			wantURL: "https://acme.example/things?cursor=2&size=9", wantAuth: "Bearer k"},
		"query is escaped": {req: transport.Request{Method: "GET", Path: "/q", Query: url.Values{"x": {"a b&c=d"}}}, wantURL: "https://acme.example/v3/q?x=a+b%26c%3Dd", wantAuth: "Bearer k"},
		"JSON": {req: transport.Request{Method: "POST", Path: "/j", JSON: map[string]string{"a": "b"}},
			wantURL: "https://acme.example/v3/j", wantType: "application/json", wantBody: `{"a":"b"}`, wantAuth: "Bearer k"},
		"form": {req: transport.Request{Method: "POST", Path: "/f", Form: url.Values{"a": {"b c"}}},
			wantURL: "https://acme.example/v3/f", wantType: "application/x-www-form-urlencoded", wantBody: "a=b+c", wantAuth: "Bearer k"},
		"raw body": {req: transport.Request{Method: "POST", Path: "/r", Body: []byte("<x/>"), ContentType: "text/xml"},
			wantURL: "https://acme.example/v3/r", wantType: "text/xml", wantBody: "<x/>", wantAuth: "Bearer k"},
		"own headers win": {req: transport.Request{Method: "GET", Path: "/h", Header: http.Header{"accept": {"text/csv"}, "X-Customer": {"7"}}},
			wantURL: "https://acme.example/v3/h", wantAccept: "text/csv", wantCustomer: "7", wantAuth: "Bearer k"},
		"no credentials on a token call": {req: transport.Request{Method: "POST", Path: "/t", NoAuth: true}, wantURL: "https://acme.example/v3/t"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got *http.Request
			var body []byte
			c := newClient(t, transport.Options{
				BaseURL: tc.base,
				Authorize: func(_ context.Context, r *http.Request) error {
					r.Header.Set("Authorization", "Bearer k")
					return nil
				},
				RoundTripper: tripper(func(r *http.Request) (*http.Response, error) {
					got = r
					body, _ = io.ReadAll(r.Body)
					return answer(204, ""), nil
				}),
			})
			res, err := c.Do(t.Context(), tc.req, nil)
			require.NoError(t, err)
			require.Equal(t, 204, res.Status)
			require.Equal(t, tc.req.Method, got.Method)
			require.Equal(t, tc.wantURL, got.URL.String())
			require.Equal(t, tc.wantType, got.Header.Get("Content-Type"))
			require.Equal(t, tc.wantBody, string(body))
			require.Equal(t, tc.wantAuth, got.Header.Get("Authorization"))
			require.Equal(t, tc.wantCustomer, got.Header.Get("X-Customer"))
			require.Equal(t, "copayflow", got.Header.Get("User-Agent"))
			if tc.wantAccept == "" {
				tc.wantAccept = "application/json"
			}
			require.Equal(t, tc.wantAccept, got.Header.Get("Accept"))
		})
	}
}

// Credentials go to the configured host and to no other, whatever a "next"
// link or an id in a path says.
func TestDoRefusesToLeaveTheHost(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]transport.Request{
		"another host":           {Method: "GET", Path: "https://evil.example/v3/things"},
		"another scheme":         {Method: "GET", Path: "http://acme.example/v3/things"},
		"another port":           {Method: "GET", Path: "https://acme.example:8443/v3/things"},
		"a host as a prefix":     {Method: "GET", Path: "https://acme.example.evil.example/"},
		"a host behind a user":   {Method: "GET", Path: "https://acme.example@evil.example/"},
		"a link with no address": {Method: "GET", Path: "https://acme.example:port/s3cret"},
		"a broken escape":        {Method: "GET", Path: "/things/%zz-s3cret"},
		"a broken method":        {Method: "GE T", Path: "/things"},
		"a value with no JSON":   {Method: "POST", Path: "/things", JSON: math.Inf(1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.Op, r.Moves = "things.op", true
			c := newClient(t, transport.Options{RoundTripper: tripper(func(r *http.Request) (*http.Response, error) {
				t.Errorf("a request left for %s", r.URL.Host)
				return answer(200, ""), nil
			})})
			_, err := c.Do(t.Context(), r, nil)
			e := requireKind(t, integrations.KindInvalid, err)
			require.NotContains(t, chain(e), "s3cret")
		})
	}
	t.Run("two slashes stay on the host", func(t *testing.T) {
		t.Parallel()
		c := newClient(t, transport.Options{BaseURL: "https://acme.example", RoundTripper: tripper(func(r *http.Request) (*http.Response, error) {
			require.Equal(t, "acme.example", r.URL.Host)
			return answer(200, ""), nil
		})})
		if _, err := c.Do(t.Context(), transport.Request{Method: "GET", Path: "//evil.example/x"}, nil); err != nil {
			requireKind(t, integrations.KindInvalid, err)
		}
	})
}

// chain is everything that logging an error and all its causes can print.
func chain(err error) string {
	var b strings.Builder
	for ; err != nil; err = errors.Unwrap(err) {
		fmt.Fprintf(&b, "%v\n", err)
	}
	return b.String()
}

func TestKindOfStatus(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status      int
		read, moves integrations.Kind
	}{
		{302, integrations.KindInvalid, integrations.KindInvalid},
		{400, integrations.KindInvalid, integrations.KindInvalid},
		{401, integrations.KindUnauthorized, integrations.KindUnauthorized},
		{402, integrations.KindInvalid, integrations.KindInvalid},
		{403, integrations.KindUnauthorized, integrations.KindUnauthorized},
		{404, integrations.KindNotFound, integrations.KindNotFound},
		{405, integrations.KindInvalid, integrations.KindInvalid},
		{408, integrations.KindUnavailable, integrations.KindUnknown},
		{409, integrations.KindUnavailable, integrations.KindUnknown},
		{410, integrations.KindNotFound, integrations.KindNotFound},
		{422, integrations.KindInvalid, integrations.KindInvalid},
		{423, integrations.KindUnavailable, integrations.KindUnknown},
		{425, integrations.KindUnavailable, integrations.KindUnknown},
		{429, integrations.KindRateLimited, integrations.KindRateLimited},
		{500, integrations.KindUnavailable, integrations.KindUnknown},
		{503, integrations.KindUnavailable, integrations.KindUnknown},
		{599, integrations.KindUnavailable, integrations.KindUnknown},
	} {
		require.Equal(t, tc.read, transport.KindOfStatus(tc.status, false), "read, %d", tc.status)
		require.Equal(t, tc.moves, transport.KindOfStatus(tc.status, true), "write, %d", tc.status)
		// Do reads it the same way.
		c := newClient(t, transport.Options{RoundTripper: always(tc.status, "{}")})
		_, err := c.Do(t.Context(), post("things.create"), nil)
		e := requireKind(t, tc.moves, err)
		require.Equal(t, tc.status, e.Status)
		require.Equal(t, "things.create", e.Op)
	}
}

func TestPlatformsReadingOfAFailure(t *testing.T) {
	t.Parallel()
	head := http.Header{"Retry-After": {"7"}, "Request-Id": {"req_1"}}
	serve := tripper(func(*http.Request) (*http.Response, error) {
		res := answer(402, `{"code":"card_declined"}`)
		res.Header = head
		return res, nil
	})
	t.Run("wins over the status", func(t *testing.T) {
		t.Parallel()
		c := newClient(t, transport.Options{RoundTripper: serve, Classify: func(status int, h http.Header, body []byte) transport.Failure {
			require.Equal(t, 402, status)
			require.JSONEq(t, `{"code":"card_declined"}`, string(body))
			return transport.Failure{Kind: integrations.KindDeclined, Code: "card_declined", Message: "the bank said no",
				RequestID: h.Get("Request-Id"), RetryAfter: time.Minute, Final: true}
		}})
		_, err := c.Do(t.Context(), post("pay"), nil)
		require.Equal(t, &integrations.Error{Kind: integrations.KindDeclined, Platform: "acme", Op: "pay", Status: 402, Code: "card_declined",
			Message: "the bank said no", RequestID: "req_1", RetryAfter: time.Minute, Final: true}, integrations.AsError(err))
	})
	t.Run("leaves open what it does not know", func(t *testing.T) {
		t.Parallel()
		c := newClient(t, transport.Options{RoundTripper: serve, Classify: func(int, http.Header, []byte) transport.Failure { return transport.Failure{Code: "x"} }})
		_, err := c.Do(t.Context(), post("pay"), nil)
		e := requireKind(t, integrations.KindInvalid, err)
		require.Equal(t, "x", e.Code)
		require.Equal(t, 7*time.Second, e.RetryAfter, "the header's")
	})
}

func TestSuccessIsThePlatforms(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status int
		ok     func(int) bool
		want   bool
	}{
		{199, nil, false}, {200, nil, true}, {299, nil, true}, {300, nil, false},
		{302, func(s int) bool { return s == 302 }, true},
		{200, func(s int) bool { return s == 201 }, false},
	} {
		c := newClient(t, transport.Options{RoundTripper: always(tc.status, ""), Success: tc.ok})
		_, err := c.Do(t.Context(), read("x"), nil)
		require.Equal(t, tc.want, err == nil, "%d", tc.status)
	}
}

// A POST must not silently become a GET.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	t.Cleanup(srv.Close)
	c := newClient(t, transport.Options{BaseURL: srv.URL, Success: func(s int) bool { return s == 302 }})
	res, err := c.Do(t.Context(), post("x"), nil)
	require.NoError(t, err)
	require.Equal(t, "/elsewhere", res.Header.Get("Location"))
	require.EqualValues(t, 1, calls.Load())
}

func TestAnswerIsDecoded(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body  string
		moves bool
		want  integrations.Kind // "": decoded
	}{
		"JSON":                   {`{"id":"a"}`, true, ""},
		"no JSON to a read":      {`<html>s3cret`, false, integrations.KindUnavailable},
		"no JSON to a write":     {`<html>s3cret`, true, integrations.KindUnknown},
		"nothing to a write":     {``, true, integrations.KindUnknown},
		"another type in a read": {`{"id":{"s3cret":1}}`, false, integrations.KindUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, transport.Options{RoundTripper: always(201, tc.body)})
			r := post("things.create")
			r.Moves = tc.moves
			var into struct {
				ID string `json:"id"`
			}
			res, err := c.Do(t.Context(), r, &into)
			if tc.want == "" {
				require.NoError(t, err)
				require.Equal(t, "a", into.ID)
				require.JSONEq(t, tc.body, string(res.Body))
				return
			}
			require.Nil(t, res)
			e := requireKind(t, tc.want, err)
			require.Equal(t, 201, e.Status)
			require.NotContains(t, chain(e), "s3cret")
		})
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status, size int
		moves        bool
		want         integrations.Kind
	}{
		"just fits":             {200, 100, true, ""},
		"one too many, a read":  {200, 101, false, integrations.KindUnavailable},
		"one too many, a write": {200, 101, true, integrations.KindUnknown},
		"a huge failure":        {500, 5000, true, integrations.KindUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, transport.Options{MaxBody: 100, RoundTripper: always(tc.status, strings.Repeat("x", tc.size))})
			r := post("x")
			r.Moves = tc.moves
			res, err := c.Do(t.Context(), r, nil)
			if tc.want == "" {
				require.NoError(t, err)
				require.Len(t, res.Body, tc.size)
				return
			}
			requireKind(t, tc.want, err)
		})
	}
}

// What a failure of the network means depends on whether the request may have
// arrived.
func TestNetworkFailures(t *testing.T) {
	t.Parallel()
	serve := func(h http.HandlerFunc) func(*testing.T) string {
		return func(t *testing.T) string {
			srv := httptest.NewServer(h)
			t.Cleanup(srv.Close)
			return srv.URL
		}
	}
	hang := serve(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // so that the server sees the caller go
		<-r.Context().Done()
	})
	for name, tc := range map[string]struct {
		at          func(*testing.T) string
		read, moves integrations.Kind
		message     string
	}{
		"refused": {func(t *testing.T) string {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			require.NoError(t, l.Close())
			return "http://" + l.Addr().String()
		}, integrations.KindUnavailable, integrations.KindUnavailable, "no connection"},
		"no answer in time": {hang, integrations.KindUnavailable, integrations.KindUnknown, "no answer in time"},
		"cut before the answer": {serve(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
			integrations.KindUnavailable, integrations.KindUnknown, "the connection broke before the answer"},
		"cut within the answer": {serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
			_ = http.NewResponseController(w).Flush() // the status is out
			panic(http.ErrAbortHandler)
		}), integrations.KindUnavailable, integrations.KindUnknown, "the connection broke before the answer"},
	} {
		for _, moves := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, moves %t", name, moves), func(t *testing.T) {
				t.Parallel()
				c := newClient(t, transport.Options{BaseURL: tc.at(t), Timeout: 200 * time.Millisecond})
				r := post("things.create")
				r.Moves, r.Path = moves, "/things/s3cret"
				_, err := c.Do(t.Context(), r, nil)
				want := tc.read
				if moves {
					want = tc.moves
				}
				e := requireKind(t, want, err)
				require.Equal(t, tc.message, e.Message)
				require.NotContains(t, chain(e), "s3cret")
			})
		}
	}
}

func TestCancelledCallIsNotCountedAgainstThePlatform(t *testing.T) {
	t.Parallel()
	c := newClient(t, transport.Options{RoundTripper: tripper(func(r *http.Request) (*http.Response, error) {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return answer(200, ""), nil
	})})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		_, err := c.Do(gone, read("x"), nil)
		e := requireKind(t, integrations.KindUnavailable, err)
		require.Equal(t, "the call was cancelled", e.Message)
		require.ErrorIs(t, err, context.Canceled)
	}
	_, err := c.Do(t.Context(), read("x"), nil)
	require.NoError(t, err, "callers who go away do not pause the calls of the others")
}

// The causes of errors may be logged; what stands in addresses must not.
func TestErrorsHoldNoAddressAndNoBody(t *testing.T) {
	t.Parallel()
	const phi = "Doe-1970-01-01"
	for name, rt := range map[string]tripper{
		"network": func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		},
		"wrapped": func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("proxy: %w", &url.Error{Op: "Get", URL: r.URL.String(), Err: io.ErrUnexpectedEOF})
		},
		"bad request":  always(400, phi),
		"server error": always(500, phi),
		"moved": func(*http.Request) (*http.Response, error) {
			res := answer(302, phi)
			res.Header.Set("Location", "http://x/"+phi+"\x7f")
			return res, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, transport.Options{RoundTripper: rt, Authorize: func(_ context.Context, r *http.Request) error {
				r.Header.Set("Authorization", "Bearer "+phi)
				return nil
			}})
			_, err := c.Do(t.Context(), transport.Request{Op: "patients.list", Method: "POST", Path: "/patients/" + phi,
				Query: url.Values{"name": {phi}}, JSON: phi, Header: http.Header{"X-Name": {phi}}}, nil)
			require.Error(t, err)
			require.NotContains(t, chain(err), phi)
			require.Contains(t, err.Error(), "acme: patients.list")
		})
	}
}

func TestRetryAfterHeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // the clock stands still
		in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
		for v, want := range map[string]time.Duration{
			"":                       0,
			"0":                      0,
			"7":                      7 * time.Second,
			"86400":                  24 * time.Hour,
			"86401":                  24 * time.Hour,
			"9223372037":             24 * time.Hour, // its nanoseconds do not fit
			"99999999999999999999":   24 * time.Hour, // nor does the number
			"-1":                     0,
			"1.5":                    0,
			"soon":                   0,
			in(90 * time.Second):     90 * time.Second,
			in(-time.Hour):           0,
			in(48 * time.Hour):       24 * time.Hour,
			"Mon, 99 Nov 2026 99:99": 0,
		} {
			require.Equal(t, want, transport.RetryAfter(http.Header{"Retry-After": {v}}), "%q", v)
		}
	})
	require.Zero(t, transport.RetryAfter(http.Header{}))
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "-5", "9223372037", "18446744073709551616", "Wed, 21 Oct 2026 07:28:00 GMT", "+1", "１２"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		if d := transport.RetryAfter(http.Header{"Retry-After": {v}}); d < 0 || d > 24*time.Hour {
			t.Fatalf("Retry-After %q was read as %s", v, d)
		}
	})
}

// Whatever a path or a "next" link holds, the request stays on its host.
func FuzzPathStaysOnTheHost(f *testing.F) {
	for _, s := range []string{"", "/a", "//evil.example", "https://acme.example/x", "https://acme.example@evil.example/", "\\\\evil.example", "/x?u=http://y/",
		"https:/evil.example", "http://acme.example/", "https://ACME.example/", "/../../x", "%2f%2fevil.example", "x://"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		c, err := transport.New(transport.Options{Platform: "acme", BaseURL: "https://acme.example/v3", RoundTripper: tripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host != "acme.example" || r.URL.Scheme != "https" {
				t.Fatalf("%q led to %s", path, r.URL)
			}
			return answer(200, ""), nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(t.Context(), transport.Request{Op: "x", Method: "GET", Path: path}, nil); err != nil && integrations.KindOf(err) != integrations.KindInvalid {
			t.Fatalf("%q: %v", path, err)
		}
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	perCall := func(every time.Duration, burst int) transport.Limit {
		return transport.Limit{N: 1, Per: every, Burst: burst}
	}
	t.Run("calls take their turn", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, transport.Options{Limits: []transport.Limit{perCall(time.Second, 2)}, RoundTripper: always(200, "")})
			start := time.Now()
			var at []time.Duration
			for range 4 {
				_, err := c.Do(t.Context(), read("x"), nil)
				require.NoError(t, err)
				at = append(at, time.Since(start))
			}
			require.Equal(t, []time.Duration{0, 0, time.Second, 2 * time.Second}, at)
		})
	})
	t.Run("a limit without a burst lets one through", func(t *testing.T) {
		t.Parallel()
		c := newClient(t, transport.Options{Limits: []transport.Limit{perCall(time.Hour, 0)}, RoundTripper: always(200, "")})
		_, err := c.Do(t.Context(), read("x"), nil)
		require.NoError(t, err)
	})
	t.Run("a long wait is left to the caller", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, transport.Options{Limits: []transport.Limit{perCall(time.Minute, 1)}, RoundTripper: always(200, "")})
			_, err := c.Do(t.Context(), read("x"), nil)
			require.NoError(t, err)
			for range 3 { // asking does not move the turn
				_, err = c.Do(t.Context(), post("x"), nil)
				e := requireKind(t, integrations.KindRateLimited, err)
				require.Equal(t, time.Minute, e.RetryAfter)
			}
			time.Sleep(time.Minute) // of the fake clock
			_, err = c.Do(t.Context(), read("x"), nil)
			require.NoError(t, err)
		})
	})
	t.Run("who gives up gives the turn back", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, transport.Options{Limits: []transport.Limit{perCall(3*time.Second, 1)}, RoundTripper: always(200, "")})
			_, err := c.Do(t.Context(), read("x"), nil)
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err = c.Do(ctx, post("x"), nil)
			requireKind(t, integrations.KindUnavailable, err)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			start := time.Now()
			_, err = c.Do(t.Context(), read("x"), nil)
			require.NoError(t, err)
			require.Equal(t, 2*time.Second, time.Since(start))
		})
	})
	t.Run("held back by one limit, a call uses up no other", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, transport.Options{Limits: []transport.Limit{perCall(10*time.Second, 3), perCall(time.Minute, 1)}, RoundTripper: always(200, "")})
			_, err := c.Do(t.Context(), read("x"), nil)
			require.NoError(t, err)
			for range 10 {
				_, err = c.Do(t.Context(), read("x"), nil)
				e := requireKind(t, integrations.KindRateLimited, err)
				require.Equal(t, time.Minute, e.RetryAfter, "of the second limit; the first has places left")
			}
		})
	})
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	type platform struct {
		c      *transport.Client
		status atomic.Int32
		calls  atomic.Int32
	}
	setup := func(t *testing.T) *platform {
		p := &platform{}
		p.c = newClient(t, transport.Options{RoundTripper: tripper(func(*http.Request) (*http.Response, error) {
			p.calls.Add(1)
			return answer(int(p.status.Load()), ""), nil
		})})
		return p
	}
	fail := func(t *testing.T, p *platform, n int, status int32) {
		p.status.Store(status)
		for range n {
			_, err := p.c.Do(t.Context(), post("x"), nil)
			require.Error(t, err)
		}
	}
	t.Run("opens after ten failures and tries again after a pause", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			p := setup(t)
			fail(t, p, 10, 500)
			require.EqualValues(t, 10, p.calls.Load())
			_, err := p.c.Do(t.Context(), post("x"), nil)
			e := requireKind(t, integrations.KindUnavailable, err) // nothing was sent
			require.Equal(t, 15*time.Second, e.RetryAfter)
			require.EqualValues(t, 10, p.calls.Load())

			time.Sleep(16 * time.Second)
			fail(t, p, 1, 500) // the probe
			require.EqualValues(t, 11, p.calls.Load())
			fail(t, p, 1, 500)
			require.EqualValues(t, 11, p.calls.Load(), "paused again at once")

			time.Sleep(16 * time.Second)
			p.status.Store(200)
			for range 3 {
				_, err := p.c.Do(t.Context(), post("x"), nil)
				require.NoError(t, err)
			}
		})
	})
	for _, status := range []int32{400, 401, 404, 409, 429} {
		t.Run(fmt.Sprintf("%d is no failure of the platform", status), func(t *testing.T) {
			t.Parallel()
			p := setup(t)
			fail(t, p, 30, status)
			require.EqualValues(t, 30, p.calls.Load())
		})
	}
	t.Run("a success starts the count again", func(t *testing.T) {
		t.Parallel()
		p := setup(t)
		for range 3 {
			fail(t, p, 9, 503)
			p.status.Store(200)
			_, err := p.c.Do(t.Context(), read("x"), nil)
			require.NoError(t, err)
		}
		require.EqualValues(t, 30, p.calls.Load())
	})
}

func TestReauthorize(t *testing.T) {
	t.Parallel()
	refusals := func(n int32, calls *atomic.Int32) tripper {
		return func(*http.Request) (*http.Response, error) {
			if calls.Add(1) <= n {
				return answer(401, ""), nil
			}
			return answer(200, ""), nil
		}
	}
	for name, tc := range map[string]struct {
		refuse    int32
		noAuth    bool
		renewal   error
		want      integrations.Kind
		wantCalls int32
		wantRenew int32
	}{
		"a fresh token helps":       {refuse: 1, wantCalls: 2, wantRenew: 1},
		"refused twice is refused":  {refuse: 9, want: integrations.KindUnauthorized, wantCalls: 2, wantRenew: 1},
		"a token call is not tried": {refuse: 1, noAuth: true, want: integrations.KindUnauthorized, wantCalls: 1},
		"renewal is refused": {refuse: 1, renewal: &integrations.Error{Kind: integrations.KindUnauthorized},
			want: integrations.KindUnauthorized, wantCalls: 1, wantRenew: 1},
		"renewal breaks": {refuse: 1, renewal: errors.New("the database is away"), want: integrations.KindUnavailable, wantCalls: 1, wantRenew: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls, renewals atomic.Int32
			c := newClient(t, transport.Options{RoundTripper: refusals(tc.refuse, &calls), Reauthorize: func(context.Context, string) error {
				renewals.Add(1)
				return tc.renewal
			}})
			r := post("x")
			r.NoAuth = tc.noAuth
			_, err := c.Do(t.Context(), r, nil)
			if tc.want == "" {
				require.NoError(t, err)
			} else {
				requireKind(t, tc.want, err)
			}
			require.Equal(t, tc.wantCalls, calls.Load())
			require.Equal(t, tc.wantRenew, renewals.Load())
		})
	}
	t.Run("without a way to renew", func(t *testing.T) {
		t.Parallel()
		var calls atomic.Int32
		c := newClient(t, transport.Options{RoundTripper: refusals(1, &calls)})
		_, err := c.Do(t.Context(), read("x"), nil)
		requireKind(t, integrations.KindUnauthorized, err)
		require.EqualValues(t, 1, calls.Load())
	})
}

// Missing credentials need a person; a store that is away only needs time.
func TestAuthorizeFailures(t *testing.T) {
	t.Parallel()
	declined := &integrations.Error{Kind: integrations.KindUnauthorized, Platform: "acme", Op: "oauth.token", Message: "connect it again"}
	for name, tc := range map[string]struct {
		err  error
		want integrations.Kind
	}{
		"classified":        {declined, integrations.KindUnauthorized},
		"store is away":     {errors.New("the database is away"), integrations.KindUnavailable},
		"caller went away":  {context.Canceled, integrations.KindUnavailable},
		"throttled renewal": {&integrations.Error{Kind: integrations.KindRateLimited}, integrations.KindRateLimited},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, transport.Options{
				Authorize: func(context.Context, *http.Request) error { return tc.err },
				RoundTripper: tripper(func(*http.Request) (*http.Response, error) {
					t.Error("a request left without credentials")
					return answer(200, ""), nil
				}),
			})
			_, err := c.Do(t.Context(), post("x"), nil)
			requireKind(t, tc.want, err)
			require.ErrorIs(t, err, tc.err)
		})
	}
}

func TestClientIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	c := newClient(t, transport.Options{RoundTripper: always(200, `{"a":1}`), Limits: []transport.Limit{{N: 1000, Per: time.Second, Burst: 1000}}})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			var into map[string]int
			if _, err := c.Do(t.Context(), post("x"), &into); err != nil || into["a"] != 1 {
				t.Error(err, into)
			}
		})
	}
	wg.Wait()
}
