package transport_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// issuer is a token endpoint with rotating refresh tokens: each works once.
type issuer struct {
	mu      sync.Mutex
	forms   []url.Values
	headers []http.Header
	issued  int
	refresh string // the one that works; "": any, none is given back
	life    int64
	refuse  int // status of the next answers
	body    string
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	f, err := url.ParseQuery(string(b))
	if err != nil {
		return nil, err
	}
	i.forms, i.headers = append(i.forms, f), append(i.headers, r.Header)
	switch {
	case i.refuse != 0:
		return answer(i.refuse, i.body), nil
	case i.body != "":
		return answer(200, i.body), nil
	case i.refresh != "" && f.Get("refresh_token") != i.refresh:
		return answer(400, `{"error":"invalid_grant"}`), nil
	}
	i.issued++
	next := ""
	if i.refresh != "" {
		i.refresh = fmt.Sprintf("r%d", i.issued)
		next = fmt.Sprintf(`,"refresh_token":%q`, i.refresh)
	}
	return answer(200, fmt.Sprintf(`{"access_token":"a%d","expires_in":%d,"token_type":"Bearer"%s}`, i.issued, i.life, next)), nil
}

func (i *issuer) calls() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.forms)
}

func (i *issuer) call(t *testing.T, basic bool) transport.TokenCall {
	t.Helper()
	return transport.TokenCall{Client: newClient(t, transport.Options{RoundTripper: i}), Path: "/token", Basic: basic,
		ClientID: "client", ClientSecret: integrations.NewSecret("s3cret")}
}

// vault is a token store in memory with the lock of a fleet.
type vault struct {
	fleet   sync.Mutex
	mu      sync.Mutex
	token   integrations.Token
	loads   int
	saved   []integrations.Token
	loadErr error
	saveErr error
}

func (v *vault) Load(context.Context, copay.PracticeID, copay.Platform) (integrations.Token, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.loads++
	return v.token, v.loadErr
}

func (v *vault) Refresh(ctx context.Context, _ copay.PracticeID, _ copay.Platform,
	renew func(context.Context, integrations.Token) (integrations.Token, error)) (integrations.Token, error) {
	v.fleet.Lock()
	defer v.fleet.Unlock()
	v.mu.Lock()
	cur := v.token
	v.mu.Unlock()
	next, err := renew(ctx, cur)
	if err != nil {
		return integrations.Token{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.saveErr != nil {
		return integrations.Token{}, v.saveErr
	}
	v.token = next
	v.saved = append(v.saved, next)
	return next, nil
}

func bearerOf(t *testing.T, b *transport.Bearer) string {
	t.Helper()
	r := &http.Request{Header: http.Header{}}
	require.NoError(t, b.Authorize(t.Context(), r))
	return r.Header.Get("Authorization")
}

func TestGrant(t *testing.T) {
	t.Parallel()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {"c1"}}
	t.Run("credentials in the form", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{life: 600}
			tok, err := i.call(t, false).Grant(t.Context(), form)
			require.NoError(t, err)
			require.Equal(t, integrations.Token{Access: "a1", ExpiresAt: time.Now().Add(10 * time.Minute)}, tok)
			require.Equal(t, url.Values{"grant_type": {"authorization_code"}, "code": {"c1"}, "client_id": {"client"}, "client_secret": {"s3cret"}}, i.forms[0])
			require.Empty(t, i.headers[0].Get("Authorization"))
			require.NotContains(t, form, "client_secret", "the caller's form stays as it was")
		})
	})
	t.Run("a life that is not said", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			tok, err := (&issuer{}).call(t, false).Grant(t.Context(), form)
			require.NoError(t, err)
			require.Equal(t, time.Now().Add(time.Hour), tok.ExpiresAt, "is not no life: a refusal will tell")
		})
	})
	t.Run("credentials as HTTP Basic", func(t *testing.T) {
		t.Parallel()
		i := &issuer{life: 600}
		_, err := i.call(t, true).Grant(t.Context(), form)
		require.NoError(t, err)
		require.Equal(t, form, i.forms[0])
		require.Equal(t, "Basic "+base64.StdEncoding.EncodeToString([]byte("client:s3cret")), i.headers[0].Get("Authorization"))
	})
	for name, tc := range map[string]struct {
		status  int
		body    string
		want    integrations.Kind
		message string
	}{
		"refused grant":     {400, `{"error":"invalid_grant","token":"s3cret"}`, integrations.KindUnauthorized, "connect it again"},
		"refused client":    {401, `{"error":"invalid_client"}`, integrations.KindUnauthorized, "connect it again"},
		"throttled":         {429, ``, integrations.KindRateLimited, ""},
		"down":              {503, ``, integrations.KindUnavailable, ""},
		"no token":          {200, `{"token_type":"Bearer"}`, integrations.KindUnauthorized, "holds no token"},
		"no JSON":           {200, `<html>s3cret</html>`, integrations.KindUnavailable, "not the JSON"},
		"life is no number": {200, `{"access_token":"s3cret","expires_in":"soon"}`, integrations.KindUnavailable, "not the JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := &issuer{body: tc.body}
			if tc.status != 200 {
				i.refuse = tc.status
			}
			tok, err := i.call(t, false).Grant(t.Context(), form)
			e := requireKind(t, tc.want, err)
			require.Contains(t, e.Message, tc.message)
			require.Equal(t, "oauth.token", e.Op)
			require.NotContains(t, chain(e), "s3cret")
			require.Zero(t, tok)
		})
	}
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 300}
		form := url.Values{"scope": {"hipaa"}}
		b := transport.ClientCredentials(i.call(t, false), form)
		require.Len(t, form, 1, "the caller's form stays as it was")
		require.Equal(t, "Bearer a1", bearerOf(t, b))
		require.Equal(t, "client_credentials", i.forms[0].Get("grant_type"))
		require.Equal(t, "hipaa", i.forms[0].Get("scope"))

		time.Sleep(269 * time.Second) // of the fake clock: 31 s are left
		require.Equal(t, "Bearer a1", bearerOf(t, b))
		time.Sleep(time.Second) // 30 s are left: it may end on the way
		require.Equal(t, "Bearer a2", bearerOf(t, b))
		require.Equal(t, 2, i.calls())

		i.refuse = 503
		time.Sleep(time.Hour)
		err := b.Authorize(t.Context(), &http.Request{Header: http.Header{}})
		requireKind(t, integrations.KindUnavailable, err)
		i.refuse = 0
		require.Equal(t, "Bearer a3", bearerOf(t, b), "a failed renewal is tried again with the next call")
	})
}

func TestRefreshTokens(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	seed := integrations.NewSecret("r0")
	setup := func(t *testing.T, v *vault, seed integrations.Secret) (*transport.Bearer, *issuer) {
		t.Helper()
		i := &issuer{life: 3600, refresh: "r0"}
		return transport.RefreshTokens(i.call(t, false), v, "maple", "acme", seed), i
	}
	t.Run("an empty store starts with the seed", func(t *testing.T) {
		t.Parallel()
		v := &vault{}
		b, i := setup(t, v, seed)
		require.Equal(t, "Bearer a1", bearerOf(t, b))
		require.Equal(t, "Bearer a1", bearerOf(t, b))
		require.Equal(t, 1, i.calls())
		require.Equal(t, "refresh_token", i.forms[0].Get("grant_type"))
		require.Equal(t, "r0", i.forms[0].Get("refresh_token"))
		require.Equal(t, "r1", v.token.Refresh)
		require.Equal(t, 1, v.loads, "once; then it is in memory")
	})
	t.Run("a stored token is used as it is", func(t *testing.T) {
		t.Parallel()
		b, i := setup(t, &vault{token: integrations.Token{Access: "stored", ExpiresAt: in(time.Hour)}}, seed)
		require.Equal(t, "Bearer stored", bearerOf(t, b))
		require.Zero(t, i.calls())
	})
	t.Run("the stored refresh token wins over the seed", func(t *testing.T) {
		t.Parallel()
		v := &vault{token: integrations.Token{Access: "old", Refresh: "r7", ExpiresAt: in(-time.Hour), Extra: map[string]string{"realm": "1"}}}
		b, i := setup(t, v, seed)
		i.refresh = "r7"
		require.Equal(t, "Bearer a1", bearerOf(t, b))
		require.Equal(t, "r7", i.forms[0].Get("refresh_token"))
		require.Equal(t, "1", v.token.Extra["realm"], "what came with the consent stays")
	})
	t.Run("every rotation is used once and stored before it is used", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			v := &vault{}
			b, i := setup(t, v, seed)
			for n := 1; n <= 4; n++ {
				require.Equal(t, fmt.Sprintf("Bearer a%d", n), bearerOf(t, b))
				require.Len(t, v.saved, n)
				require.Equal(t, fmt.Sprintf("r%d", n), v.token.Refresh)
				time.Sleep(time.Hour)
			}
			var used []string
			for _, f := range i.forms {
				used = append(used, f.Get("refresh_token"))
			}
			require.Equal(t, []string{"r0", "r1", "r2", "r3"}, used)
		})
	})
	t.Run("a token that could not be stored is not used", func(t *testing.T) {
		t.Parallel()
		v := &vault{saveErr: errors.New("the database is away")}
		b, _ := setup(t, v, seed)
		r := &http.Request{Header: http.Header{}}
		require.ErrorIs(t, b.Authorize(t.Context(), r), v.saveErr)
		require.Empty(t, r.Header.Get("Authorization"))
	})
	t.Run("a platform that does not rotate keeps its refresh token", func(t *testing.T) {
		t.Parallel()
		v := &vault{}
		b, i := setup(t, v, seed)
		i.refresh = ""
		require.Equal(t, "Bearer a1", bearerOf(t, b))
		require.Equal(t, "r0", v.token.Refresh)
	})
	t.Run("nothing to refresh with", func(t *testing.T) {
		t.Parallel()
		b, i := setup(t, &vault{}, integrations.Secret{})
		e := requireKind(t, integrations.KindUnauthorized, b.Authorize(t.Context(), &http.Request{Header: http.Header{}}))
		require.Contains(t, e.Message, "connect the platform first")
		require.Zero(t, i.calls())
	})
	t.Run("consent is lost", func(t *testing.T) {
		t.Parallel()
		v := &vault{token: integrations.Token{Access: "old", Refresh: "dead", ExpiresAt: in(-time.Hour)}}
		b, i := setup(t, v, seed)
		i.refresh = "of another consent"
		requireKind(t, integrations.KindUnauthorized, b.Authorize(t.Context(), &http.Request{Header: http.Header{}}))
		require.Equal(t, 2, i.calls(), "the stored token and the configured one, once each")
		require.Empty(t, v.saved)
		require.Equal(t, "dead", v.token.Refresh)
	})
	t.Run("consent was given anew", func(t *testing.T) {
		t.Parallel()
		v := &vault{token: integrations.Token{Access: "old", Refresh: "dead", ExpiresAt: in(-time.Hour)}}
		b, i := setup(t, v, integrations.NewSecret("fresh"))
		i.refresh = "fresh"
		require.Equal(t, "Bearer a1", bearerOf(t, b))
		require.Equal(t, "r1", v.token.Refresh)
		require.Equal(t, []string{"dead", "fresh"}, []string{i.forms[0].Get("refresh_token"), i.forms[1].Get("refresh_token")})
	})
	t.Run("a platform that is down is no lost consent", func(t *testing.T) {
		t.Parallel()
		v := &vault{token: integrations.Token{Access: "old", Refresh: "r7", ExpiresAt: in(-time.Hour)}}
		b, i := setup(t, v, seed)
		i.refuse = 503
		requireKind(t, integrations.KindUnavailable, b.Authorize(t.Context(), &http.Request{Header: http.Header{}}))
		require.Equal(t, 1, i.calls(), "the configured token is left for when it is needed")
	})
	t.Run("the caller goes away while the token rotates", func(t *testing.T) {
		t.Parallel()
		v := &vault{}
		i := &issuer{life: 3600, refresh: "r0"}
		ctx, leave := context.WithCancel(t.Context())
		gone := tripper(func(r *http.Request) (*http.Response, error) {
			leave() // after the platform has the request, before its answer
			if r.Context().Err() != nil {
				return nil, r.Context().Err()
			}
			return i.RoundTrip(r)
		})
		call := transport.TokenCall{Client: newClient(t, transport.Options{RoundTripper: gone}), Path: "/token", ClientID: "client", ClientSecret: integrations.NewSecret("s3cret")}
		b := transport.RefreshTokens(call, v, "maple", "acme", seed)
		_ = b.Authorize(ctx, &http.Request{Header: http.Header{}})
		require.Equal(t, "r1", v.token.Refresh, "else the only token that still works would be lost")
	})
	t.Run("the store cannot be read", func(t *testing.T) {
		t.Parallel()
		v := &vault{loadErr: errors.New("the database is away")}
		b, i := setup(t, v, seed)
		require.ErrorIs(t, b.Authorize(t.Context(), &http.Request{Header: http.Header{}}), v.loadErr)
		require.Zero(t, i.calls())
	})
	t.Run("another process was faster", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			v := &vault{}
			b, i := setup(t, v, seed)
			require.Equal(t, "Bearer a1", bearerOf(t, b))
			time.Sleep(time.Hour)
			v.token = integrations.Token{Access: "theirs", Refresh: "r9", ExpiresAt: in(time.Hour)}
			require.Equal(t, "Bearer theirs", bearerOf(t, b))
			require.Equal(t, 1, i.calls())
		})
	})
	t.Run("another process's token has ended too", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			v := &vault{}
			b, i := setup(t, v, seed)
			require.Equal(t, "Bearer a1", bearerOf(t, b))
			time.Sleep(time.Hour)
			v.token = integrations.Token{Access: "theirs", Refresh: "r1", ExpiresAt: in(10 * time.Second)}
			require.Equal(t, "Bearer a2", bearerOf(t, b))
			require.Equal(t, 2, i.calls())
		})
	})
}

// A consent for another account, or a new one, is told by its seed: what the
// store holds of the one before may still work, for what was left.
func TestANewSeedTakesThePlaceOfTheOldOne(t *testing.T) {
	t.Parallel()
	// grants accepts each of the given refresh tokens, as often as it comes, and
	// answers with an access token that tells it.
	grants := func(good ...string) tripper {
		return func(r *http.Request) (*http.Response, error) {
			if err := r.ParseForm(); err != nil {
				return nil, err
			}
			got := r.PostForm.Get("refresh_token")
			if !slices.Contains(good, got) {
				return answer(400, `{"error":"invalid_grant"}`), nil
			}
			return answer(200, fmt.Sprintf(`{"access_token":"for-%s","expires_in":3600,"token_type":"Bearer","refresh_token":%q}`, got, got)), nil
		}
	}
	connect := func(t *testing.T, v *vault, account, seed string, at tripper) *transport.Bearer {
		t.Helper()
		call := transport.TokenCall{Client: newClient(t, transport.Options{RoundTripper: at}), Path: "/token", ClientID: "client",
			ClientSecret: integrations.NewSecret("s3cret"), Account: account}
		return transport.RefreshTokens(call, v, "maple", "acme", integrations.NewSecret(seed))
	}
	t.Run("another token", func(t *testing.T) {
		t.Parallel()
		v := &vault{}
		require.Equal(t, "Bearer for-one", bearerOf(t, connect(t, v, "1", "one", grants("one", "two"))))
		v.token.Extra["realm"] = "1"
		require.Equal(t, "Bearer for-two", bearerOf(t, connect(t, v, "1", "two", grants("one", "two"))))
		require.Equal(t, "two", v.token.Refresh)
		require.NotContains(t, v.token.Extra, "realm", "it came with the other consent")
		for _, x := range v.token.Extra {
			require.NotContains(t, x, "one")
			require.NotContains(t, x, "two", "a fingerprint, never the secret")
		}
	})
	t.Run("another account", func(t *testing.T) {
		t.Parallel()
		v := &vault{}
		bearerOf(t, connect(t, v, "1", "one", grants("one")))
		v.token.Access = "of account 1"
		require.Equal(t, "Bearer for-one", bearerOf(t, connect(t, v, "2", "one", grants("one"))))
	})
	t.Run("a new one that is refused does not fall back", func(t *testing.T) {
		t.Parallel()
		v := &vault{}
		bearerOf(t, connect(t, v, "1", "one", grants("one")))
		b := connect(t, v, "2", "two", grants("one"))
		requireKind(t, integrations.KindUnauthorized, b.Authorize(t.Context(), &http.Request{Header: http.Header{}}))
		require.Equal(t, "one", v.token.Refresh)
		require.Equal(t, "Bearer for-one", bearerOf(t, connect(t, v, "1", "one", grants("one"))), "and the old one goes on when it is put back")
	})
	t.Run("who does not know of it yet", func(t *testing.T) {
		t.Parallel()
		v := &vault{}
		bearerOf(t, connect(t, v, "1", "one", grants("one")))
		bearerOf(t, connect(t, v, "1", "two", grants("one", "two")))
		old := connect(t, v, "1", "one", grants("one"))
		require.Equal(t, "Bearer for-two", bearerOf(t, old), "uses the new one")
		requireKind(t, integrations.KindUnauthorized, old.Reauthorize(t.Context(), "Bearer for-two"))
		require.Equal(t, "two", v.token.Refresh, "and does not bring the old one back, though its seed works")
	})
	t.Run("rotation keeps the line", func(t *testing.T) {
		t.Parallel()
		i := &issuer{life: 3600, refresh: "r0"}
		v := &vault{}
		for n := 1; n <= 3; n++ {
			b := transport.RefreshTokens(i.call(t, false), v, "maple", "acme", integrations.NewSecret("r0"))
			require.Equal(t, fmt.Sprintf("Bearer a%d", n), bearerOf(t, b))
			v.token.ExpiresAt = time.Now()
		}
	})
	t.Run("stored before seeds were told apart", func(t *testing.T) {
		t.Parallel()
		v := &vault{token: integrations.Token{Access: "old", Refresh: "one", ExpiresAt: time.Now().Add(-time.Hour)}}
		require.Equal(t, "Bearer for-one", bearerOf(t, connect(t, v, "1", "spent", grants("one"))))
		require.Equal(t, "Bearer for-two", bearerOf(t, connect(t, v, "2", "two", grants("one", "two"))), "from then on they are")
	})
	t.Run("no seed any more", func(t *testing.T) {
		t.Parallel()
		v := &vault{}
		bearerOf(t, connect(t, v, "1", "one", grants("one")))
		v.token.ExpiresAt = time.Now()
		require.Equal(t, "Bearer for-one", bearerOf(t, connect(t, v, "1", "", grants("one"))), "the stored token goes on")
	})
}

func TestConcurrentCallersShareOneRefresh(t *testing.T) {
	t.Parallel()
	i := &issuer{life: 3600, refresh: "r0"}
	v := &vault{}
	b := transport.RefreshTokens(i.call(t, false), v, "maple", "acme", integrations.NewSecret("r0"))
	other := transport.RefreshTokens(i.call(t, false), v, "maple", "acme", integrations.NewSecret("r0")) // another process
	var wg sync.WaitGroup
	for n := range 40 {
		wg.Go(func() {
			r := &http.Request{Header: http.Header{}}
			if err := []*transport.Bearer{b, other}[n%2].Authorize(t.Context(), r); err != nil || r.Header.Get("Authorization") != "Bearer a1" {
				t.Error(err, r.Header)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, i.calls())
}

// A token that the platform has ended early is refused to all who hold it at
// the same moment; they renew it once.
func TestRefusedCallersShareOneRefresh(t *testing.T) {
	t.Parallel()
	for name, bearer := range map[string]func(*issuer, *testing.T) *transport.Bearer{
		"stored tokens": func(i *issuer, t *testing.T) *transport.Bearer {
			i.refresh = "r0"
			return transport.RefreshTokens(i.call(t, false), &vault{}, "maple", "acme", integrations.NewSecret("r0"))
		},
		"tokens in memory": func(i *issuer, t *testing.T) *transport.Bearer {
			return transport.ClientCredentials(i.call(t, false), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const callers = 12
			i := &issuer{life: 3600}
			b := bearer(i, t)
			var all sync.WaitGroup // holds the refusals back until everybody has asked
			all.Add(callers)
			var served atomic.Int32
			c := newClient(t, transport.Options{Authorize: b.Authorize, Reauthorize: b.Reauthorize,
				RoundTripper: tripper(func(r *http.Request) (*http.Response, error) {
					if r.Header.Get("Authorization") == "Bearer a1" {
						all.Done()
						all.Wait()
						return answer(401, ""), nil
					}
					served.Add(1)
					return answer(200, ""), nil
				})})
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					if _, err := c.Do(t.Context(), read("x"), nil); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.EqualValues(t, callers, served.Load())
			require.Equal(t, 2, i.calls(), "the first token and one renewal")
		})
	}
}

// A token endpoint that refuses our credentials is asked once a call: more
// would only lock the account.
func TestRefusedCredentialsAreNotTriedTwice(t *testing.T) {
	t.Parallel()
	i := &issuer{refuse: 401}
	b := transport.ClientCredentials(i.call(t, false), nil)
	c := newClient(t, transport.Options{Authorize: b.Authorize, Reauthorize: b.Reauthorize, RoundTripper: tripper(func(*http.Request) (*http.Response, error) {
		t.Error("a request left without a token")
		return answer(200, ""), nil
	})})
	_, err := c.Do(t.Context(), read("x"), nil)
	e := requireKind(t, integrations.KindUnauthorized, err)
	require.Equal(t, "oauth.token", e.Op)
	require.Equal(t, 1, i.calls())
}

func TestReauthorizeKeepsTheTokenWhenItFails(t *testing.T) {
	t.Parallel()
	i := &issuer{life: 3600}
	b := transport.ClientCredentials(i.call(t, false), nil)
	require.Equal(t, "Bearer a1", bearerOf(t, b))
	i.refuse = 503
	requireKind(t, integrations.KindUnavailable, b.Reauthorize(t.Context(), "Bearer a1"))
	i.refuse = 0
	require.Equal(t, "Bearer a1", bearerOf(t, b))
	require.NoError(t, b.Reauthorize(t.Context(), "Bearer a1"))
	require.Equal(t, "Bearer a2", bearerOf(t, b))
}
