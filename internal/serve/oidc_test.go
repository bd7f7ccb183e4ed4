package serve_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/config"
)

// provider is an OpenID Connect provider as the common ones are: RS256, roles
// in an object, practices under a claim of its own.
type provider struct {
	*httptest.Server
	mu   sync.Mutex
	keys map[string]*rsa.PrivateKey // published
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{keys: map[string]*rsa.PrivateKey{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/jwks",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
			// HS256 is for confidential clients, and never for us.
			"id_token_signing_alg_values_supported": []string{"RS256", "HS256"}})
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		var set jose.JSONWebKeySet
		for kid, k := range p.keys {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Public(), KeyID: kid, Algorithm: "RS256", Use: "sig"})
		}
		_ = json.NewEncoder(w).Encode(set)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// rotate publishes a key in place of all others.
func (p *provider) rotate(t *testing.T, kid string) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = map[string]*rsa.PrivateKey{kid: k}
	return k
}

// signed is a header with a token of one hour, with what is changed in it.
func (p *provider) signed(t *testing.T, method jwt.SigningMethod, kid string, key any, change jwt.MapClaims) []string {
	t.Helper()
	claims := jwt.MapClaims{"iss": p.URL, "aud": []string{"copayflow"}, "sub": "248289761001", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		"realm_access": map[string]any{"roles": []string{"biller", "offline_access"}}, "https://copay.example/practices": []string{"maple"}}
	for name, v := range change {
		claims[name] = v
	}
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = kid
	s, err := token.SignedString(key)
	require.NoError(t, err)
	return []string{"Authorization", "Bearer " + s}
}

// Not parallel: what is refused is told to the log of the process.
func TestPeopleSignInWithTheirProvider(t *testing.T) {
	p := newProvider(t)
	key := p.rotate(t, "2026-11")
	i := install(t)
	before := slog.Default()
	slog.SetDefault(i.Log)
	t.Cleanup(func() { slog.SetDefault(before) })
	i.Config.Env = "staging"
	i.Config.Auth = config.Auth{OIDC: []config.OIDC{{Issuer: p.URL, Audience: "copayflow", RolesClaim: "realm_access.roles", PracticesClaim: "https://copay.example/practices"}}}
	r := i.serveAPI(t)
	ask := func(want int, says string, header []string) {
		t.Helper()
		status, body := get(t, r.http+"/v1/practices/maple/copays", header...)
		require.Equal(t, want, status, body)
		require.Contains(t, body, says)
	}
	rs := jwt.SigningMethodRS256
	ask(http.StatusOK, "copays", p.signed(t, rs, "2026-11", key, nil))
	ask(http.StatusForbidden, "you do not belong", p.signed(t, rs, "2026-11", key, jwt.MapClaims{"https://copay.example/practices": "oak"}))
	ask(http.StatusForbidden, "role", p.signed(t, rs, "2026-11", key, jwt.MapClaims{"realm_access": nil, "roles": "admin"}))

	public, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		header []string
		logged string
	}{
		"for another program":      {p.signed(t, rs, "2026-11", key, jwt.MapClaims{"aud": "mail"}), `expected audience`},
		"of another issuer":        {p.signed(t, rs, "2026-11", key, jwt.MapClaims{"iss": "https://login.example/"}), `no issuer`},
		"expired":                  {p.signed(t, rs, "2026-11", key, jwt.MapClaims{"exp": time.Now().Add(-time.Minute).Unix()}), `expired`},
		"a key that is not known":  {p.signed(t, rs, "2030-01", stranger, nil), `signature`},
		"a stranger's key":         {p.signed(t, rs, "2026-11", stranger, nil), `signature`},
		"the public key as secret": {p.signed(t, jwt.SigningMethodHS256, "2026-11", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), nil), `HS256`},
		"not signed":               {p.signed(t, jwt.SigningMethodNone, "2026-11", jwt.UnsafeAllowNoneSignatureType, nil), `none`},
		"of development":           {[]string{"Authorization", bearer(t, "admin")}, `copayflow-dev`},
	} {
		t.Run(name, func(t *testing.T) {
			told := len(i.log.String())
			ask(http.StatusUnauthorized, "the token is not valid or has expired; sign in again", tc.header)
			require.Contains(t, i.log.String()[told:], tc.logged, "who sets it up reads why")
		})
	}

	next := p.rotate(t, "2026-12")
	ask(http.StatusOK, "copays", p.signed(t, rs, "2026-12", next, nil))
	ask(http.StatusUnauthorized, "sign in again", p.signed(t, rs, "2026-11", key, nil))
}
