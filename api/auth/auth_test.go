package auth

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

var now = time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

var devSecret = integrations.NewSecret("0123456789abcdef0123456789abcdef")

func hash(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }

func TestNewRefusesWhatIsNotSafe(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"nobody could call":              {},
		"dev tokens in production":       {DevSecret: devSecret, Env: "production"},
		"dev tokens without environment": {DevSecret: devSecret},
		"short dev secret":               {DevSecret: integrations.NewSecret("short"), Env: "dev"},
		"key that is not hashed":         {Keys: []Key{{ID: "k", SHA256: "plain-text-secret"}}},
		"key id with a dot":              {Keys: []Key{{ID: "a.b", SHA256: hash("x")}}},
		"issuer without audience":        {Issuers: []Issuer{{URL: "https://id.example"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := New(o)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "plain-text-secret")
		})
	}
}

func TestAPIKeys(t *testing.T) {
	t.Parallel()
	a, err := New(Options{Keys: []Key{{ID: "ehr", SHA256: hash("s3cret.with.dots"), Roles: []string{"service", "no-such-role"}, Practices: []string{"maple"}}}})
	require.NoError(t, err)
	p, err := a.Authenticate(t.Context(), "ApiKey ehr.s3cret.with.dots")
	require.NoError(t, err)
	require.Equal(t, copay.Actor{ID: "key:ehr", Kind: "service", Roles: []copay.Role{copay.RoleService}}, p.Actor)
	require.True(t, p.May("maple"))
	require.False(t, p.May("oak"))
	require.False(t, p.May(""))
	for _, bad := range []string{"", "ApiKey", "ApiKey ehr", "ApiKey ehr.", "ApiKey ehr.wrong", "ApiKey other.s3cret.with.dots", "Basic abc", "Bearer x"} {
		_, err := a.Authenticate(t.Context(), bad)
		var e *Error
		require.ErrorAs(t, err, &e, bad)
		require.NotContains(t, err.Error(), "s3cret")
	}
}

func TestDevTokens(t *testing.T) {
	t.Parallel()
	a, err := New(Options{DevSecret: devSecret, Env: "dev", Now: clock})
	require.NoError(t, err)
	mint := func(s integrations.Secret, sub string, ttl time.Duration) string {
		tok, err := MintDev(s, sub, []string{"biller"}, []string{"*"}, now, ttl)
		require.NoError(t, err)
		return "Bearer " + tok
	}
	p, err := a.Authenticate(t.Context(), mint(devSecret, "ana", time.Hour))
	require.NoError(t, err)
	require.Equal(t, "ana", p.Actor.ID)
	require.True(t, p.May("any-practice"))

	_, err = a.Authenticate(t.Context(), mint(devSecret, "ana", -time.Minute))
	require.Error(t, err, "expired")
	_, err = a.Authenticate(t.Context(), mint(devSecret, "", time.Hour))
	require.Error(t, err, "no subject")
	_, err = a.Authenticate(t.Context(), mint(integrations.NewSecret("another secret that is long enough"), "ana", time.Hour))
	require.Error(t, err, "another secret")
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, devClaims{RegisteredClaims: jwt.RegisteredClaims{Issuer: devIssuer, Subject: "ana",
		Audience: jwt.ClaimStrings{devAudience}, ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour))}}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	_, err = a.Authenticate(t.Context(), "Bearer "+none)
	require.Error(t, err, "unsigned")

	off, err := New(Options{Keys: []Key{{ID: "k", SHA256: hash("x")}}, Now: clock})
	require.NoError(t, err)
	_, err = off.Authenticate(t.Context(), mint(devSecret, "ana", time.Hour))
	require.Error(t, err, "dev tokens mean nothing where they are off")
}

// provider is a small identity provider.
type provider struct {
	*httptest.Server
	key  crypto.Signer
	alg  jose.SignatureAlgorithm
	jwk  jose.JSONWebKey
	down atomic.Bool
	hits atomic.Int32
}

func newProvider(t *testing.T, key crypto.Signer, alg jose.SignatureAlgorithm) *provider {
	t.Helper()
	p := &provider{key: key, alg: alg, jwk: jose.JSONWebKey{Key: key.Public(), KeyID: "k1", Algorithm: string(alg), Use: "sig"}}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.hits.Add(1)
		if p.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL + "/a",
			"token_endpoint": p.URL + "/t", "id_token_signing_alg_values_supported": []string{string(alg)}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.jwk}})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) token(t *testing.T, change func(jwt.MapClaims)) string {
	t.Helper()
	return p.signed(t, p.key, change)
}

func (p *provider) signed(t *testing.T, key crypto.Signer, change func(jwt.MapClaims)) string {
	t.Helper()
	c := jwt.MapClaims{"iss": p.URL, "aud": "copayflow", "sub": "ana", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(),
		"realm_access": map[string]any{"roles": []string{"front_desk", "offline_access"}}, "https://copay.example/practices": "maple oak"}
	if change != nil {
		change(c)
	}
	tok := jwt.NewWithClaims(jwt.GetSigningMethod(string(p.alg)), c)
	tok.Header["kid"] = "k1"
	s, err := tok.SignedString(key)
	require.NoError(t, err)
	return "Bearer " + s
}

func oidcAuth(t *testing.T, p *provider) *Authenticator {
	t.Helper()
	a, err := New(Options{Now: clock, Issuers: []Issuer{{URL: p.URL, Audience: "copayflow", RolesClaim: "realm_access.roles", PracticesClaim: "https://copay.example/practices"}}})
	require.NoError(t, err)
	return a
}

func TestOIDC(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for name, p := range map[string]*provider{"RS256": newProvider(t, rsaKey, jose.RS256), "EdDSA": newProvider(t, edKey, jose.EdDSA)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := oidcAuth(t, p)
			who, err := a.Authenticate(t.Context(), p.token(t, nil))
			require.NoError(t, err)
			require.Equal(t, copay.Actor{ID: "ana", Kind: "staff", Roles: []copay.Role{copay.RoleFrontDesk}}, who.Actor)
			require.Equal(t, []copay.PracticeID{"maple", "oak"}, who.Practices)
			for why, change := range map[string]func(jwt.MapClaims){
				"expired":          func(c jwt.MapClaims) { c["exp"] = now.Add(-time.Minute).Unix() },
				"another audience": func(c jwt.MapClaims) { c["aud"] = "other" },
				"another issuer":   func(c jwt.MapClaims) { c["iss"] = "https://evil.example" },
				"the dev issuer":   func(c jwt.MapClaims) { c["iss"] = devIssuer },
				"no subject":       func(c jwt.MapClaims) { delete(c, "sub") },
			} {
				_, err := a.Authenticate(t.Context(), p.token(t, change))
				require.Error(t, err, why)
			}
			var stranger crypto.Signer
			if name == "RS256" {
				stranger, err = rsa.GenerateKey(rand.Reader, 2048)
			} else {
				_, stranger, err = ed25519.GenerateKey(rand.Reader)
			}
			require.NoError(t, err)
			_, err = a.Authenticate(t.Context(), p.signed(t, stranger, nil))
			require.Error(t, err, "signed by another key")
		})
	}
}

func TestHMACWithThePublicKeyIsNoSignature(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p := newProvider(t, key, jose.RS256)
	a := oidcAuth(t, p)
	pub, err := json.Marshal(p.jwk)
	require.NoError(t, err)
	tok := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": p.URL, "aud": "copayflow", "sub": "ana", "exp": now.Add(time.Hour).Unix()})
	s, err := tok.SignedString(pub)
	require.NoError(t, err)
	_, err = a.Authenticate(t.Context(), "Bearer "+s)
	require.Error(t, err)
}

func TestAnIssuerThatIsDownIsAskedAgainLater(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	p := newProvider(t, key, jose.EdDSA)
	p.down.Store(true)
	a := oidcAuth(t, p)
	for range 5 {
		_, err = a.Authenticate(t.Context(), p.token(t, nil))
		require.ErrorContains(t, err, "identity provider")
		var later *Error
		require.ErrorAs(t, err, &later)
		require.True(t, later.Later, "it is not the caller's fault, who must not be signed out")
	}
	require.EqualValues(t, 1, p.hits.Load(), "not asked for every token")
	p.down.Store(false)
	a.issuers[p.URL].retryAt = time.Time{}
	_, err = a.Authenticate(t.Context(), p.token(t, nil))
	require.NoError(t, err)
}

func TestPrincipalTravelsInTheContext(t *testing.T) {
	t.Parallel()
	_, ok := From(context.Background())
	require.False(t, ok)
	p, ok := From(With(t.Context(), Principal{Actor: copay.Actor{ID: "ana"}}))
	require.True(t, ok)
	require.Equal(t, "ana", p.Actor.ID)
}
