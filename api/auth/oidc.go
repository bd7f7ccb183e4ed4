package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/time/rate"
)

// issuer verifies tokens of one OpenID Connect issuer.
type issuer struct {
	Issuer
	http *http.Client
	now  func() time.Time
	log  *slog.Logger
	// prefix keeps its people apart from another issuer's.
	prefix string

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
	retryAt  time.Time
}

// retryAfter keeps a flood of tokens from becoming a flood of discoveries at
// an issuer that is down.
const retryAfter = 2 * time.Second

func newIssuer(i Issuer, c *http.Client, now func() time.Time, log *slog.Logger) *issuer {
	own := *c
	own.Transport = sparing{c.Transport, rate.NewLimiter(rate.Every(time.Second), askBurst)}
	if i.RolesClaim == "" {
		i.RolesClaim = "roles"
	}
	if i.PracticesClaim == "" {
		i.PracticesClaim = "practices"
	}
	return &issuer{Issuer: i, http: &own, now: now, log: log.With("issuer", i.URL)}
}

// askBurst is how many calls an issuer gets at once; then one a second.
const askBurst = 10

var errSparing = errors.New("the identity provider was asked too often")

// sparing keeps callers from having an issuer's keys read again and again:
// each token under a key's name that is not known asks for them.
type sparing struct {
	next  http.RoundTripper // nil: the default one
	limit *rate.Limiter
}

// RoundTrip implements http.RoundTripper.
func (s sparing) RoundTrip(r *http.Request) (*http.Response, error) {
	if !s.limit.Allow() {
		return nil, errSparing
	}
	if s.next == nil {
		return http.DefaultTransport.RoundTrip(r)
	}
	return s.next.RoundTrip(r)
}

var errUnreachable = &Error{"the identity provider cannot be reached; try again in a moment", true}

// discovered reads the issuer's keys and algorithms once.
func (i *issuer) discovered() (*oidc.IDTokenVerifier, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.verifier != nil {
		return i.verifier, nil
	}
	if time.Now().Before(i.retryAt) {
		return nil, errUnreachable
	}
	// The provider keeps this context for its key set, beyond one request.
	p, err := oidc.NewProvider(oidc.ClientContext(context.Background(), i.http), i.URL)
	if err != nil {
		i.retryAt = time.Now().Add(retryAfter)
		i.log.Error("an identity provider cannot be read, so nobody of it can sign in", "error", brief(err))
		return nil, errUnreachable
	}
	i.verifier = p.Verifier(&oidc.Config{ClientID: i.Audience, Now: i.now})
	return i.verifier, nil
}

func (i *issuer) verify(ctx context.Context, token string) (Principal, error) {
	v, err := i.discovered()
	if err != nil {
		return Principal{}, err
	}
	t, err := v.Verify(ctx, token)
	if err == nil && t.Subject == "" {
		err = errors.New("it names no subject")
	}
	if err != nil {
		// Who called learns nothing of it; whoever sets the provider up has to.
		i.log.WarnContext(ctx, "a token was refused", "reason", brief(err))
		if away(err) {
			return Principal{}, errUnreachable
		}
		return Principal{}, errToken
	}
	var claims map[string]any
	if err := t.Claims(&claims); err != nil {
		return Principal{}, errToken
	}
	who := principal(i.prefix+t.Subject, "staff", claim(claims, i.RolesClaim), claim(claims, i.PracticesClaim))
	who.For = max(t.Expiry.Sub(i.now()), 1)
	return who, nil
}

// away reports that the provider's keys could not be read. The library only
// says so in words.
func away(err error) bool {
	return strings.Contains(err.Error(), "fetching keys") && !strings.Contains(err.Error(), errSparing.Error())
}

// brief bounds what a token, of which nothing is believed yet, writes into the log.
func brief(err error) string {
	s := strings.ToValidUTF8(err.Error(), "")
	return s[:min(len(s), 300)]
}

// claim reads a list of words: an array, or one text with spaces or commas.
func claim(claims map[string]any, path string) []string {
	var v any = claims
	if direct, ok := claims[path]; ok { // names with dots in them, such as URLs
		v = direct
	} else {
		for part := range strings.SplitSeq(path, ".") {
			m, ok := v.(map[string]any)
			if !ok {
				return nil
			}
			v = m[part]
		}
	}
	switch v := v.(type) {
	case string:
		return strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == ',' })
	case []any:
		var out []string
		for _, x := range v {
			if s, ok := x.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
