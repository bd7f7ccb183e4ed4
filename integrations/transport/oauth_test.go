package transport_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// house is a platform with OAuth2: it numbers its tokens and accepts only the
// latest one.
type house struct {
	mu       sync.Mutex
	n        int
	grants   []url.Values
	auth     []string // Authorization headers of grants
	rotate   bool
	life     int64
	refuse   int // status with which grants are refused
	requests atomic.Int64
}

func (h *house) valid() string { return "Bearer " + h.name("access") }

func (h *house) name(kind string) string { return kind + "-" + string(rune('a'+h.n)) }

func (h *house) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.URL.Path != "/token" {
		h.requests.Add(1)
		if r.Header.Get("Authorization") != h.valid() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, "{}")
		return
	}
	_ = r.ParseForm()
	h.grants, h.auth = append(h.grants, r.PostForm), append(h.auth, r.Header.Get("Authorization"))
	if h.refuse != 0 {
		w.WriteHeader(h.refuse)
		_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
		return
	}
	h.n++
	a := map[string]any{"access_token": h.name("access"), "token_type": "bearer"}
	if h.life != 0 {
		a["expires_in"] = h.life
	}
	if h.rotate {
		a["refresh_token"] = h.name("refresh")
	}
	_ = json.NewEncoder(w).Encode(a)
}

// revoke makes the token in use worthless.
func (h *house) revoke() { h.mu.Lock(); h.n++; h.mu.Unlock() }

func (h *house) granted() int { h.mu.Lock(); defer h.mu.Unlock(); return len(h.grants) }

func (h *house) call(t *testing.T) (transport.TokenCall, string) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c, err := transport.New(transport.Options{Platform: "acme", BaseURL: srv.URL})
	require.NoError(t, err)
	return transport.TokenCall{Client: c, Path: "/token", ClientID: "id", ClientSecret: integrations.NewSecret("s3cret")}, srv.URL
}

func with(t *testing.T, base string, b *transport.Bearer) *transport.Client {
	t.Helper()
	c, err := transport.New(transport.Options{Platform: "acme", BaseURL: base, Authorize: b.Authorize, Reauthorize: b.Reauthorize})
	require.NoError(t, err)
	return c
}

func get(t *testing.T, c *transport.Client) error {
	t.Helper()
	_, err := c.Do(t.Context(), transport.Request{Op: "x", Method: "GET", Path: "/x"}, nil)
	return err
}

// tokens is a store with one lock for the whole fleet.
type tokens struct {
	mu     sync.Mutex
	stored integrations.Token
	saved  []integrations.Token
}

func (s *tokens) Load(context.Context, copay.PracticeID, copay.Platform) (integrations.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored, nil
}

func (s *tokens) Refresh(ctx context.Context, _ copay.PracticeID, _ copay.Platform,
	f func(context.Context, integrations.Token) (integrations.Token, error)) (integrations.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := f(ctx, s.stored)
	if err != nil {
		return next, err
	}
	if next.Access != s.stored.Access {
		s.saved = append(s.saved, next)
	}
	s.stored = next
	return next, nil
}

func TestClientCredentialsAreFetchedOnceAndKept(t *testing.T) {
	t.Parallel()
	h := &house{life: 300}
	call, base := h.call(t)
	c := with(t, base, transport.ClientCredentials(call, url.Values{"scope": {"hipaa"}}))
	for range 3 {
		require.NoError(t, get(t, c))
	}
	require.Len(t, h.grants, 1)
	require.Equal(t, url.Values{"grant_type": {"client_credentials"}, "scope": {"hipaa"}, "client_id": {"id"}, "client_secret": {"s3cret"}}, h.grants[0])
}

func TestBasicKeepsTheSecretOutOfTheForm(t *testing.T) {
	t.Parallel()
	h := &house{life: 300}
	call, base := h.call(t)
	call.Basic = true
	require.NoError(t, get(t, with(t, base, transport.ClientCredentials(call, nil))))
	require.Equal(t, "Basic aWQ6czNjcmV0", h.auth[0])
	require.NotContains(t, h.grants[0], "client_secret")
}

func TestATokenThatEndsSoonIsRenewed(t *testing.T) {
	t.Parallel()
	h := &house{life: 10} // less than the margin
	call, base := h.call(t)
	c := with(t, base, transport.ClientCredentials(call, nil))
	require.NoError(t, get(t, c))
	require.NoError(t, get(t, c))
	require.Len(t, h.grants, 2)

	unsaid := &house{}
	call, base = unsaid.call(t)
	c = with(t, base, transport.ClientCredentials(call, nil))
	require.NoError(t, get(t, c))
	require.NoError(t, get(t, c))
	require.Len(t, unsaid.grants, 1, "a life that is not said is not no life")
}

func TestARefusedTokenIsRenewedAndTheCallMadeAgainOnce(t *testing.T) {
	t.Parallel()
	h := &house{life: 300}
	call, base := h.call(t)
	c := with(t, base, transport.ClientCredentials(call, nil))
	require.NoError(t, get(t, c))
	h.revoke()
	require.NoError(t, get(t, c))
	require.Len(t, h.grants, 2)
	require.EqualValues(t, 3, h.requests.Load())

	refused, err := transport.New(transport.Options{Platform: "acme", BaseURL: base,
		Authorize: func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer bad")
			return nil
		},
		Reauthorize: func(_ context.Context, used string) error { require.Equal(t, "Bearer bad", used); return nil }})
	require.NoError(t, err)
	h.requests.Store(0)
	require.Equal(t, integrations.KindUnauthorized, integrations.KindOf(get(t, refused)))
	require.EqualValues(t, 2, h.requests.Load(), "once more, not for ever")
}

// Many calls are refused with one token at the same moment: it is renewed once.
func TestManyRefusedCallsShareOneRenewal(t *testing.T) {
	t.Parallel()
	h := &house{life: 300, rotate: true}
	call, base := h.call(t)
	c := with(t, base, transport.RefreshTokens(call, &tokens{}, "maple", "acme", integrations.NewSecret("refresh-seed")))
	require.NoError(t, get(t, c))
	before := h.granted()
	h.revoke()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := get(t, c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, before+1, h.granted())
}

func TestRefreshTokensRotateInTheStore(t *testing.T) {
	t.Parallel()
	h := &house{life: 300, rotate: true}
	call, base := h.call(t)
	store := &tokens{}
	c := with(t, base, transport.RefreshTokens(call, store, "maple", "acme", integrations.NewSecret("refresh-seed")))
	require.NoError(t, get(t, c))
	require.Equal(t, []string{"refresh-seed"}, h.grants[0]["refresh_token"], "the seed, while the store is empty")
	first := store.stored.Refresh
	h.revoke()
	require.NoError(t, get(t, c))
	require.Equal(t, []string{first}, h.grants[1]["refresh_token"], "then what the last answer gave")
	require.Len(t, store.saved, 2)

	// Another process starts with what is stored and asks for nothing.
	other := with(t, base, transport.RefreshTokens(call, store, "maple", "acme", integrations.Secret{}))
	require.NoError(t, get(t, other))
	require.Len(t, h.grants, 2)
	// And when one has renewed, the other takes that over.
	h.revoke()
	require.NoError(t, get(t, other))
	require.NoError(t, get(t, c))
	require.Len(t, h.grants, 3)
}

func TestARefreshTokenThatIsNotReplacedIsKept(t *testing.T) {
	t.Parallel()
	h := &house{life: 300}
	call, base := h.call(t)
	store := &tokens{stored: integrations.Token{Refresh: "for-ever", Extra: map[string]string{"realm": "1"}}}
	require.NoError(t, get(t, with(t, base, transport.RefreshTokens(call, store, "maple", "acme", integrations.Secret{}))))
	require.Equal(t, "for-ever", store.stored.Refresh)
	require.Equal(t, map[string]string{"realm": "1"}, store.stored.Extra)
}

func TestLostConsentAsksForAPerson(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401} {
		h := &house{refuse: status}
		call, base := h.call(t)
		store := &tokens{stored: integrations.Token{Access: "old", Refresh: "r", ExpiresAt: time.Now().Add(-time.Hour)}}
		err := get(t, with(t, base, transport.RefreshTokens(call, store, "maple", "acme", integrations.Secret{})))
		require.Equal(t, integrations.KindUnauthorized, integrations.KindOf(err))
		require.ErrorContains(t, err, "connect it again")
		require.NotContains(t, err.Error(), "s3cret")
		require.Equal(t, "r", store.stored.Refresh, "what is stored stays")
	}
	h := &house{refuse: 503}
	call, base := h.call(t)
	err := get(t, with(t, base, transport.ClientCredentials(call, nil)))
	require.Equal(t, integrations.KindUnavailable, integrations.KindOf(err), "an outage is no lost consent")

	empty := &house{}
	call, base = empty.call(t)
	err = get(t, with(t, base, transport.RefreshTokens(call, &tokens{}, "maple", "acme", integrations.Secret{})))
	require.ErrorContains(t, err, "connect the platform first")
	require.Empty(t, empty.grants)
}

func TestATokenAnswerWithoutATokenIsRefused(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"token_type":"bearer"}`) }))
	t.Cleanup(srv.Close)
	c, err := transport.New(transport.Options{Platform: "acme", BaseURL: srv.URL})
	require.NoError(t, err)
	_, err = transport.TokenCall{Client: c, Path: "/token"}.Grant(t.Context(), url.Values{"grant_type": {"x"}})
	require.Equal(t, integrations.KindUnauthorized, integrations.KindOf(err))
}
