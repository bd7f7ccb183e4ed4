package transport

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// skew is how long before its end a token is renewed.
const skew = 30 * time.Second

// TokenCall asks a token endpoint; form holds the grant.
type TokenCall struct {
	Client *Client // its BaseURL is the token host; no Authorize
	Path   string
	// Basic sends the client's id and secret as HTTP Basic; otherwise they go
	// into the form.
	Basic        bool
	ClientID     string
	ClientSecret integrations.Secret
}

// tokenAnswer is RFC 6749 section 5.1.
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int64  `json:"expires_in"`
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope"`
}

// Grant makes the token call. A refused grant (RFC 6749 section 5.2) is
// KindUnauthorized: consent is lost and a person must connect again.
func (t TokenCall) Grant(ctx context.Context, form url.Values) (integrations.Token, error) {
	h := http.Header{}
	f := url.Values{}
	for k, v := range form {
		f[k] = v
	}
	if t.Basic {
		r := http.Request{Header: h}
		r.SetBasicAuth(t.ClientID, t.ClientSecret.Reveal())
	} else {
		f.Set("client_id", t.ClientID)
		f.Set("client_secret", t.ClientSecret.Reveal())
	}
	var a tokenAnswer
	_, err := t.Client.Do(ctx, Request{Op: "oauth.token", Method: http.MethodPost, Path: t.Path, Header: h, Form: f, NoAuth: true}, &a)
	if err != nil {
		if e := integrations.AsError(err); e != nil && (e.Status == http.StatusBadRequest || e.Status == http.StatusUnauthorized) {
			e.Kind = integrations.KindUnauthorized
			e.Message = "the platform refuses our credentials or consent; connect it again"
		}
		return integrations.Token{}, err
	}
	if a.AccessToken == "" {
		return integrations.Token{}, &integrations.Error{Kind: integrations.KindUnauthorized, Platform: t.Client.o.Platform,
			Op: "oauth.token", Message: "the token answer holds no token"}
	}
	life := time.Duration(a.ExpiresIn) * time.Second
	if life <= 0 { // not said: a refusal will tell
		life = time.Hour
	}
	return integrations.Token{Access: a.AccessToken, Refresh: a.RefreshToken, ExpiresAt: time.Now().Add(life)}, nil
}

// Bearer puts OAuth2 access tokens on requests and renews them, one renewal
// at a time.
type Bearer struct {
	mu      sync.Mutex
	current integrations.Token
	// load is asked when there is no token in memory (nil: none stored);
	// renew makes the next token from the one that is stale.
	load  func(ctx context.Context) (integrations.Token, error)
	renew func(ctx context.Context, stale integrations.Token) (integrations.Token, error)
}

// ClientCredentials renews by the client-credentials grant and keeps tokens
// in memory.
func ClientCredentials(call TokenCall, form url.Values) *Bearer {
	f := url.Values{"grant_type": {"client_credentials"}}
	for k, v := range form {
		f[k] = v
	}
	return &Bearer{renew: func(ctx context.Context, _ integrations.Token) (integrations.Token, error) { return call.Grant(ctx, f) }}
}

// RefreshTokens renews by a refresh token that lives in the store and rotates
// there under the fleet-wide lock. seed is the one of the configuration: it is
// used while the store is empty, and when the stored one is refused, which is
// how a practice that agreed anew is connected again.
func RefreshTokens(call TokenCall, store integrations.TokenStore, practice copay.PracticeID, platform copay.Platform, seed integrations.Secret) *Bearer {
	r := refresher{call: call, platform: platform, seed: seed.Reveal()}
	return &Bearer{
		load: func(ctx context.Context) (integrations.Token, error) { return store.Load(ctx, practice, platform) },
		renew: func(ctx context.Context, stale integrations.Token) (integrations.Token, error) {
			return store.Refresh(ctx, practice, platform, func(ctx context.Context, cur integrations.Token) (integrations.Token, error) {
				if cur.Access != "" && cur.Access != stale.Access && time.Now().Add(skew).Before(cur.ExpiresAt) {
					return cur, nil // somebody else was faster
				}
				return r.next(ctx, cur)
			})
		},
	}
}

type refresher struct {
	call     TokenCall
	platform copay.Platform
	seed     string
}

// next makes the token after cur.
func (r refresher) next(ctx context.Context, cur integrations.Token) (integrations.Token, error) {
	if cur.Refresh == "" && r.seed == "" {
		return cur, &integrations.Error{Kind: integrations.KindUnauthorized, Platform: r.platform, Op: "oauth.token",
			Message: "no refresh token is stored; connect the platform first"}
	}
	if cur.Refresh == "" {
		return r.use(ctx, r.seed, cur)
	}
	next, err := r.use(ctx, cur.Refresh, cur)
	if r.seed == "" || r.seed == cur.Refresh || err == nil || integrations.KindOf(err) != integrations.KindUnauthorized {
		return next, err
	}
	if again, serr := r.use(ctx, r.seed, cur); serr == nil {
		return again, nil
	}
	return cur, err
}

// use spends a refresh token. It does not stop when the caller gives up: the
// platform may have replaced the token by then, and the answer is the only
// place where the new one stands. The client's timeout bounds it.
func (r refresher) use(ctx context.Context, refresh string, cur integrations.Token) (integrations.Token, error) {
	next, err := r.call.Grant(context.WithoutCancel(ctx), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
	if err != nil {
		return cur, err
	}
	if next.Refresh == "" {
		next.Refresh = refresh
	}
	next.Extra = cur.Extra
	return next, nil
}

// Authorize is Options.Authorize.
func (b *Bearer) Authorize(ctx context.Context, r *http.Request) error {
	tok, err := b.token(ctx)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", bearer(tok))
	return nil
}

func bearer(t integrations.Token) string { return "Bearer " + t.Access }

// Reauthorize is Options.Reauthorize. Of many calls that were refused with one
// token the first renews it, and the others go on with the new one.
func (b *Bearer) Reauthorize(ctx context.Context, refused string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current.Access != "" && refused != bearer(b.current) {
		return nil
	}
	next, err := b.renew(ctx, b.current)
	if err != nil {
		return err
	}
	b.current = next
	return nil
}

func (b *Bearer) token(ctx context.Context) (integrations.Token, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current.Access == "" && b.load != nil {
		t, err := b.load(ctx)
		if err != nil {
			return t, err
		}
		b.current = t
	}
	if b.current.Access != "" && time.Now().Add(skew).Before(b.current.ExpiresAt) {
		return b.current, nil
	}
	next, err := b.renew(ctx, b.current)
	if err != nil {
		return next, err
	}
	b.current = next
	return next, nil
}
