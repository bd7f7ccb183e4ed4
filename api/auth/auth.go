package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/copayflow/copayflow/integrations"
)

// Issuer is an OpenID Connect issuer whose tokens are accepted.
type Issuer struct {
	URL      string
	Audience string
	// RolesClaim and PracticesClaim name the claims; a dot leads into an
	// object ("realm_access.roles"). Default "roles" and "practices".
	RolesClaim     string
	PracticesClaim string
}

// Key is a machine's key: Authorization: ApiKey <ID>.<secret>.
type Key struct {
	ID        string
	SHA256    string // of the secret, in hexadecimal
	Roles     []string
	Practices []string
}

// Options say whom to recognise.
type Options struct {
	// Issuers give out subjects that are unique at each of them only. The first
	// one's are people's ids as they are, the others' stand behind their issuer.
	Issuers []Issuer
	Keys    []Key
	// DevSecret accepts tokens that anybody with the secret can mint. It is
	// refused unless Env is "dev".
	DevSecret integrations.Secret
	Env       string
	Now       func() time.Time
	// HTTP reaches the issuers; nil is a client with a timeout.
	HTTP *http.Client
	// Log hears why tokens are refused, which callers do not; nil: the default.
	Log *slog.Logger
}

// Authenticator verifies callers.
type Authenticator struct {
	issuers map[string]*issuer
	keys    map[string]apiKey
	dev     []byte
	now     func() time.Time
	log     *slog.Logger
}

type apiKey struct {
	hash [sha256.Size]byte
	who  Principal
}

// ErrNobody says that the configuration recognises no one.
var ErrNobody = errors.New("auth: configure an OIDC issuer or an API key, or nobody can call")

// minSecret is the shortest secret that may sign development tokens.
const minSecret = 32

// New checks the options; issuers are asked for their keys when the first
// token of theirs comes, so that one that is down does not stop the start.
func New(o Options) (*Authenticator, error) {
	a := &Authenticator{issuers: map[string]*issuer{}, keys: map[string]apiKey{}, now: o.Now, log: o.Log}
	if a.log == nil {
		a.log = slog.Default()
	}
	if a.now == nil {
		a.now = time.Now
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 10 * time.Second}
	}
	for n, i := range o.Issuers {
		if i.URL == "" || i.Audience == "" {
			return nil, errors.New("auth: an issuer needs its address and the audience of its tokens")
		}
		a.issuers[i.URL] = newIssuer(i, o.HTTP, a.now, a.log)
		if n > 0 {
			a.issuers[i.URL].prefix = i.URL + "#"
		}
	}
	for _, k := range o.Keys {
		hash, err := hex.DecodeString(k.SHA256)
		if k.ID == "" || strings.Contains(k.ID, ".") || err != nil || len(hash) != sha256.Size {
			return nil, fmt.Errorf("auth: API key %q needs an id without dots and the SHA-256 of its secret in hexadecimal", k.ID)
		}
		a.keys[k.ID] = apiKey{[sha256.Size]byte(hash), principal("key:"+k.ID, "service", k.Roles, k.Practices)}
	}
	if !o.DevSecret.IsZero() {
		switch {
		case o.Env != "dev":
			return nil, errors.New("auth: development tokens are configured, but the environment is not dev")
		case len(o.DevSecret.Reveal()) < minSecret:
			return nil, fmt.Errorf("auth: the secret of development tokens needs at least %d characters", minSecret)
		}
		a.dev = []byte(o.DevSecret.Reveal())
	}
	if len(a.issuers)+len(a.keys) == 0 && a.dev == nil {
		return nil, ErrNobody
	}
	return a, nil
}

// Authenticate verifies an Authorization header. Its error is always *Error.
func (a *Authenticator) Authenticate(ctx context.Context, header string) (Principal, error) {
	scheme, rest, _ := strings.Cut(header, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case header == "" || rest == "":
		return Principal{}, &Error{Message: `sign in: send "Authorization: Bearer <token>" or "Authorization: ApiKey <id>.<secret>"`}
	case strings.EqualFold(scheme, "Bearer"):
		return a.bearer(ctx, rest)
	case strings.EqualFold(scheme, "ApiKey"):
		return a.key(rest)
	}
	return Principal{}, &Error{Message: "this kind of authorization is not known; use Bearer or ApiKey"}
}

var errKey = &Error{Message: "the API key is not known"}

func (a *Authenticator) key(given string) (Principal, error) {
	id, secret, _ := strings.Cut(given, ".")
	sum := sha256.Sum256([]byte(secret))
	k, ok := a.keys[id]
	// Compared also for an unknown id, so that the answer takes as long.
	if subtle.ConstantTimeCompare(sum[:], k.hash[:]) != 1 || !ok || secret == "" {
		return Principal{}, errKey
	}
	return k.who, nil
}

var errToken = &Error{Message: "the token is not valid or has expired; sign in again"}

func (a *Authenticator) bearer(ctx context.Context, token string) (Principal, error) {
	// Only to choose whose keys verify it; nothing of it is believed yet.
	unverified, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		return Principal{}, errToken
	}
	iss, err := unverified.Claims.GetIssuer()
	if err != nil {
		return Principal{}, errToken
	}
	if iss == devIssuer && a.dev != nil {
		return a.devToken(token)
	}
	i, ok := a.issuers[iss]
	if !ok {
		a.log.WarnContext(ctx, "a token was refused", "reason", brief(fmt.Errorf("no issuer %q is configured", iss)))
		return Principal{}, errToken
	}
	return i.verify(ctx, token)
}
