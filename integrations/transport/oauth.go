package transport

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
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
	// Account is what a consent is given for, where it is one account only, such
	// as a company's id: with another one the consent is another.
	Account string
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

// Check asks whether the platform knows the client and its secret, and spends
// nothing: the refresh token that it shows is nobody's, and who shows a wrong
// secret is refused before that is looked at (RFC 6749 section 5.2: invalid_client
// with 401, invalid_grant with 400).
func (t TokenCall) Check(ctx context.Context) error {
	_, err := t.Grant(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"none"}})
	if e := integrations.AsError(err); e != nil {
		switch e.Status {
		case http.StatusBadRequest:
			return nil
		case http.StatusUnauthorized:
			e.Message = "the platform refuses the client id or its secret, which will be needed when the present token ends; correct them"
		}
	}
	return err
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
// used while the store is empty, when the stored one is refused, which is how a
// practice that agreed anew is connected again, and when what is stored came
// from another seed: it may still work, for an account that was left.
func RefreshTokens(call TokenCall, store integrations.TokenStore, practice copay.PracticeID, platform copay.Platform, seed integrations.Secret) *Bearer {
	r := refresher{call: call, platform: platform, seed: seed.Reveal()}
	r.print = fingerprint(r.seed, call.Account)
	return &Bearer{
		load: func(ctx context.Context) (integrations.Token, error) {
			t, err := store.Load(ctx, practice, platform)
			return r.own(t), err
		},
		renew: func(ctx context.Context, stale integrations.Token) (integrations.Token, error) {
			return store.Refresh(ctx, practice, platform, func(ctx context.Context, cur integrations.Token) (integrations.Token, error) {
				cur = r.own(cur)
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
	print    string // of seed and account
}

// seedsKey is where Token.Extra keeps the fingerprints of the seeds that the
// store's tokens came from, the newest first. Those before it are kept so that
// a process which has not heard of a new consent does not bring the old one
// back. A token without any was stored before they were kept.
const (
	seedsKey  = "seeds"
	mostSeeds = 8
)

// fingerprint tells seeds apart without giving them away.
func fingerprint(seed, account string) string {
	sum := sha256.Sum256([]byte(strconv.Itoa(len(seed)) + ":" + seed + account))
	return hex.EncodeToString(sum[:16])
}

// place is where in the line of seeds ours stands: 0 is the newest, -1 none.
func (r refresher) place(t integrations.Token) int {
	return slices.Index(strings.Fields(t.Extra[seedsKey]), r.print)
}

// own is the stored token, or nothing but its line of seeds when it came from
// none that is known here.
func (r refresher) own(t integrations.Token) integrations.Token {
	seeds := t.Extra[seedsKey]
	if r.seed == "" || seeds == "" || r.place(t) >= 0 {
		return t
	}
	return integrations.Token{Extra: map[string]string{seedsKey: seeds}}
}

// marked is what came with a token, with our seed in the line.
func (r refresher) marked(t integrations.Token) map[string]string {
	if r.seed == "" || r.place(t) >= 0 {
		return t.Extra
	}
	extra := maps.Clone(t.Extra)
	if extra == nil {
		extra = map[string]string{}
	}
	seeds := append([]string{r.print}, strings.Fields(extra[seedsKey])...)
	extra[seedsKey] = strings.Join(seeds[:min(len(seeds), mostSeeds)], " ")
	return extra
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
	if r.seed == "" || r.seed == cur.Refresh || r.place(cur) > 0 || err == nil || integrations.KindOf(err) != integrations.KindUnauthorized {
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
	next.Extra = r.marked(cur)
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
