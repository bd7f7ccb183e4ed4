package transport_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

func sdkClient(t *testing.T, h http.HandlerFunc) (*http.Client, string) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c, err := transport.New(transport.Options{Platform: "sdk", BaseURL: srv.URL, Timeout: time.Second, MaxBody: 64})
	require.NoError(t, err)
	return &http.Client{Transport: c.RoundTripper()}, srv.URL
}

func TestRoundTripperPassesTheRequestAndTheAnswer(t *testing.T) {
	t.Parallel()
	hc, base := sdkClient(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Echo", r.Header.Get("X-Ask"))
		_, _ = io.WriteString(w, r.Method+" "+r.URL.RequestURI()+" "+string(b))
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/v1/x?a=b", strings.NewReader("c=d"))
	require.NoError(t, err)
	req.Header.Set("X-Ask", "me")
	res, err := hc.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "POST /v1/x?a=b c=d", string(got))
	require.Equal(t, "me", res.Header.Get("X-Echo"))
}

func TestRoundTripperClassifiesFailures(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		serve http.HandlerFunc
		moves bool
		want  integrations.Kind
	}{
		"server error of a read":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, false, integrations.KindUnavailable},
		"server error of a write": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, true, integrations.KindUnknown},
		"cut after sending":       {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true, integrations.KindUnknown},
		"throttled":               {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, true, integrations.KindRateLimited},
		"huge body": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", 65))
		}, true, integrations.KindUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hc, base := sdkClient(t, tc.serve)
			req, err := http.NewRequestWithContext(transport.WithCall(t.Context(), "things.create", tc.moves), http.MethodPost, base+"/secret-path", nil)
			require.NoError(t, err)
			_, err = hc.Do(req) //nolint:bodyclose // there is no answer
			require.Equal(t, tc.want, integrations.KindOf(err))
			e := integrations.AsError(err)
			require.Equal(t, "things.create", e.Op)
			require.NotContains(t, e.Error(), "secret-path")
		})
	}
}

func TestRoundTripperRefusesAnotherHost(t *testing.T) {
	t.Parallel()
	hc, _ := sdkClient(t, func(http.ResponseWriter, *http.Request) {})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/elsewhere", nil)
	require.NoError(t, err)
	_, err = hc.Do(req) //nolint:bodyclose // there is no answer
	require.Equal(t, integrations.KindInvalid, integrations.KindOf(err))
}

// A call that nobody described is read with the greatest caution.
func TestRoundTripperCallWithoutDescription(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]integrations.Kind{
		http.MethodGet: integrations.KindUnavailable, http.MethodHead: integrations.KindUnavailable,
		http.MethodPost: integrations.KindUnknown, http.MethodPut: integrations.KindUnknown,
		http.MethodPatch: integrations.KindUnknown, http.MethodDelete: integrations.KindUnknown,
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			hc, base := sdkClient(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
			req, err := http.NewRequestWithContext(t.Context(), method, base+"/x", nil)
			require.NoError(t, err)
			_, err = hc.Do(req) //nolint:bodyclose // there is no answer
			require.Equal(t, want, integrations.KindOf(err))
			require.Equal(t, "sdk", integrations.AsError(err).Op)
		})
	}
}

type brokenBody struct{ closed bool }

func (b *brokenBody) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
func (b *brokenBody) Close() error             { b.closed = true; return nil }

// A body that cannot be read was never sent.
func TestRoundTripperBodyThatBreaks(t *testing.T) {
	t.Parallel()
	hc, base := sdkClient(t, func(http.ResponseWriter, *http.Request) { t.Error("a request left without its body") })
	b := &brokenBody{}
	req, err := http.NewRequestWithContext(transport.WithCall(t.Context(), "things.create", true), http.MethodPost, base+"/x", b)
	require.NoError(t, err)
	_, err = hc.Do(req) //nolint:bodyclose // there is no answer
	require.Equal(t, integrations.KindInvalid, integrations.KindOf(err))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.True(t, b.closed)
}
