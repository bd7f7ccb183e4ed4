package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
)

// idp is an identity provider whose published keys a test may change.
type idp struct {
	*httptest.Server
	mu        sync.Mutex
	published map[string]crypto.Signer
	issuer    string // what the discovery document says; "" is the address
	keysDown  bool
	keysRead  int
}

func newIDP(t *testing.T, kids ...string) *idp {
	t.Helper()
	p := &idp{published: map[string]crypto.Signer{}}
	for _, kid := range kids {
		p.published[kid] = newKey(t)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		issuer := p.issuer
		if issuer == "" {
			issuer = p.URL
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": issuer, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL + "/a",
			"token_endpoint": p.URL + "/t", "id_token_signing_alg_values_supported": []string{"ES256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.keysRead++
		if p.keysDown {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
		for kid, k := range p.published {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Public(), KeyID: kid, Algorithm: "ES256", Use: "sig"})
		}
		_ = json.NewEncoder(w).Encode(set)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return k
}

func (p *idp) publish(kid string, k crypto.Signer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.published[kid] = k
}

func (p *idp) withdraw(kid string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.published, kid)
}

func (p *idp) claims() jwt.MapClaims {
	return jwt.MapClaims{"iss": p.URL, "aud": "copayflow", "sub": "ana", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "roles": []string{"biller"}, "practices": []string{"maple"}}
}

// mint signs claims with a key under the name kid.
func mint(t *testing.T, kid string, k crypto.Signer, claims jwt.MapClaims) string {
	t.Helper()
	tok := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	if kid != "" {
		tok.Header["kid"] = kid
	}
	s, err := tok.SignedString(k)
	require.NoError(t, err)
	return "Bearer " + s
}

func (p *idp) good(t *testing.T, kid string) string {
	t.Helper()
	p.mu.Lock()
	k := p.published[kid]
	p.mu.Unlock()
	return mint(t, kid, k, p.claims())
}

func (p *idp) accepts(t *testing.T) *Authenticator {
	t.Helper()
	a, err := New(Options{Now: clock, Issuers: []Issuer{{URL: p.URL, Audience: "copayflow"}}})
	require.NoError(t, err)
	return a
}

func TestWhatATokenMustBe(t *testing.T) {
	t.Parallel()
	p := newIDP(t, "k1", "k2")
	a := p.accepts(t)
	k1, k2 := p.published["k1"], p.published["k2"]
	for name, tc := range map[string]struct {
		kid    string
		key    crypto.Signer
		change func(c jwt.MapClaims)
		ok     bool
	}{
		"good":                        {"k1", k1, func(jwt.MapClaims) {}, true},
		"signed by the other key":     {"k2", k2, func(jwt.MapClaims) {}, true},
		"for several audiences":       {"k1", k1, func(c jwt.MapClaims) { c["aud"] = []string{"mail", "copayflow"} }, true},
		"just not expired":            {"k1", k1, func(c jwt.MapClaims) { c["exp"] = now.Add(time.Second).Unix() }, true},
		"expired":                     {"k1", k1, func(c jwt.MapClaims) { c["exp"] = now.Add(-time.Second).Unix() }, false},
		"without expiry":              {"k1", k1, func(c jwt.MapClaims) { delete(c, "exp") }, false},
		"not valid yet":               {"k1", k1, func(c jwt.MapClaims) { c["nbf"] = now.Add(time.Hour).Unix() }, false},
		"for another audience":        {"k1", k1, func(c jwt.MapClaims) { c["aud"] = "mail" }, false},
		"for several others":          {"k1", k1, func(c jwt.MapClaims) { c["aud"] = []string{"mail", "copayflow2"} }, false},
		"for nobody":                  {"k1", k1, func(c jwt.MapClaims) { delete(c, "aud") }, false},
		"of another issuer":           {"k1", k1, func(c jwt.MapClaims) { c["iss"] = "https://evil.example" }, false},
		"of an issuer spelt alike":    {"k1", k1, func(c jwt.MapClaims) { c["iss"] = p.URL + "/" }, false},
		"of no issuer":                {"k1", k1, func(c jwt.MapClaims) { delete(c, "iss") }, false},
		"of nobody":                   {"k1", k1, func(c jwt.MapClaims) { c["sub"] = "" }, false},
		"an issuer that is no text":   {"k1", k1, func(c jwt.MapClaims) { c["iss"] = 7 }, false},
		"a key under another's name":  {"k1", k2, func(jwt.MapClaims) {}, false},
		"a key that is not published": {"k3", newKey(t), func(jwt.MapClaims) {}, false},
		"a stranger's, without name":  {"", newKey(t), func(jwt.MapClaims) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := p.claims()
			tc.change(c)
			who, err := a.Authenticate(t.Context(), mint(t, tc.kid, tc.key, c))
			if tc.ok {
				require.NoError(t, err)
				require.Equal(t, "ana", who.Actor.ID)
				return
			}
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, Principal{}, who)
			require.Equal(t, errToken, e, "one answer for all, so that nobody learns what to mend")
		})
	}
}

// unsigned is a token that says of itself that it needs no signature.
func unsigned(header string, c jwt.MapClaims, signature string) string {
	body, _ := json.Marshal(c) // texts and numbers
	enc := base64.RawURLEncoding.EncodeToString
	return "Bearer " + enc([]byte(header)) + "." + enc(body) + "." + signature
}

func TestATokenDoesNotChooseItsOwnCheck(t *testing.T) {
	t.Parallel()
	p := newIDP(t, "k1")
	a := p.accepts(t)
	good := p.good(t, "k1")
	_, err := a.Authenticate(t.Context(), good)
	require.NoError(t, err)
	parts := strings.Split(strings.TrimPrefix(good, "Bearer "), ".")
	for name, token := range map[string]string{
		"none":                        unsigned(`{"alg":"none"}`, p.claims(), ""),
		"none, with a key":            unsigned(`{"alg":"none","kid":"k1"}`, p.claims(), ""),
		"none, in another case":       unsigned(`{"alg":"NoNe","kid":"k1"}`, p.claims(), ""),
		"none, with a real signature": unsigned(`{"alg":"none","kid":"k1"}`, p.claims(), parts[2]),
		"no algorithm":                unsigned(`{"kid":"k1"}`, p.claims(), parts[2]),
		"a symmetric one":             unsigned(`{"alg":"HS256","kid":"k1"}`, p.claims(), parts[2]),
		"one that is not announced":   unsigned(`{"alg":"RS256","kid":"k1"}`, p.claims(), parts[2]),
		"no signature":                "Bearer " + parts[0] + "." + parts[1] + ".",
		"two parts":                   "Bearer " + parts[0] + "." + parts[1],
		"another body":                "Bearer " + parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+p.URL+`","aud":"copayflow","sub":"root","exp":4102444800}`)) + "." + parts[2],
		"a key of its own":            unsigned(`{"alg":"ES256","jwk":{"kty":"EC"}}`, p.claims(), parts[2]),
		"not a token":                 "Bearer hello",
	} {
		_, err := a.Authenticate(t.Context(), token)
		require.Equal(t, errToken, err, name)
	}
}

// Keys change while the service runs: a new one counts at once, and one that
// was withdrawn counts no more.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	p := newIDP(t, "k1")
	a := p.accepts(t)
	old := p.good(t, "k1")
	_, err := a.Authenticate(t.Context(), old)
	require.NoError(t, err)

	next := newKey(t)
	fresh := mint(t, "k2", next, p.claims())
	_, err = a.Authenticate(t.Context(), fresh)
	require.Error(t, err, "not published yet")
	p.publish("k2", next)
	_, err = a.Authenticate(t.Context(), fresh)
	require.NoError(t, err)
	_, err = a.Authenticate(t.Context(), old)
	require.NoError(t, err, "both are published")

	p.withdraw("k1")
	_, err = a.Authenticate(t.Context(), mint(t, "k9", newKey(t), p.claims()))
	require.Error(t, err, "a name that is not known has the keys read again")
	_, err = a.Authenticate(t.Context(), old)
	require.Error(t, err, "withdrawn")
	_, err = a.Authenticate(t.Context(), fresh)
	require.NoError(t, err)
}

// A provider's outage passes by itself, and what was learned of it before goes
// on to count.
func TestKeysThatCannotBeRead(t *testing.T) {
	t.Parallel()
	p := newIDP(t, "k1")
	a := p.accepts(t)
	p.keysDown = true
	_, err := a.Authenticate(t.Context(), p.good(t, "k1"))
	require.Equal(t, errUnreachable, err, "nothing is wrong with the caller")
	p.mu.Lock()
	p.keysDown = false
	p.mu.Unlock()
	_, err = a.Authenticate(t.Context(), p.good(t, "k1"))
	require.NoError(t, err, "asked again")
	p.mu.Lock()
	p.keysDown = true
	p.mu.Unlock()
	_, err = a.Authenticate(t.Context(), p.good(t, "k1"))
	require.NoError(t, err, "the keys are known")
}

// Anybody can make tokens under keys that nobody knows. They cost the provider
// little, and those who are known go on.
func TestAFloodOfForgedTokensDoesNotReachTheProvider(t *testing.T) {
	t.Parallel()
	p := newIDP(t, "k1")
	a := p.accepts(t)
	_, err := a.Authenticate(t.Context(), p.good(t, "k1"))
	require.NoError(t, err)
	forger := newKey(t)
	for i := range 100 {
		_, err = a.Authenticate(t.Context(), mint(t, fmt.Sprint("forged-", i), forger, p.claims()))
		require.Equal(t, errToken, err)
	}
	_, err = a.Authenticate(t.Context(), p.good(t, "k1"))
	require.NoError(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Less(t, p.keysRead, 20)
}

// A discovery document that speaks for another issuer is not believed.
func TestDiscoveryOfAnotherIssuer(t *testing.T) {
	t.Parallel()
	p := newIDP(t, "k1")
	p.issuer = "https://login.example"
	_, err := p.accepts(t).Authenticate(t.Context(), p.good(t, "k1"))
	require.ErrorContains(t, err, "identity provider")
}

// One issuer's key is worth nothing for another's tokens.
func TestIssuersAreKeptApart(t *testing.T) {
	t.Parallel()
	one, two := newIDP(t, "k1"), newIDP(t, "k1")
	a, err := New(Options{Now: clock, Issuers: []Issuer{{URL: one.URL, Audience: "copayflow"}, {URL: two.URL, Audience: "copayflow"}}})
	require.NoError(t, err)
	for p, id := range map[*idp]string{one: "ana", two: two.URL + "#ana"} {
		who, err := a.Authenticate(t.Context(), p.good(t, "k1"))
		require.NoError(t, err)
		require.Equal(t, id, who.Actor.ID, "two people who happen to have the same subject")
	}
	_, err = a.Authenticate(t.Context(), mint(t, "k1", two.published["k1"], one.claims()))
	require.Equal(t, errToken, err)
}

func TestWhatClaimsGrant(t *testing.T) {
	t.Parallel()
	p := newIDP(t, "k1")
	k := p.published["k1"]
	for name, tc := range map[string]struct {
		roles, practices string // names of the claims
		claims           map[string]any
		wantRoles        []copay.Role
		wantPractices    []copay.PracticeID
		all              bool
	}{
		"lists":               {claims: map[string]any{"roles": []string{"biller", "auditor"}, "practices": []string{"maple", "oak"}}, wantRoles: []copay.Role{"biller", "auditor"}, wantPractices: []copay.PracticeID{"maple", "oak"}},
		"texts":               {claims: map[string]any{"roles": "biller auditor", "practices": "maple,oak"}, wantRoles: []copay.Role{"biller", "auditor"}, wantPractices: []copay.PracticeID{"maple", "oak"}},
		"no roles claim":      {claims: map[string]any{"roles": nil, "practices": "maple"}, wantPractices: []copay.PracticeID{"maple"}},
		"no practices claim":  {claims: map[string]any{"roles": "biller", "practices": nil}, wantRoles: []copay.Role{"biller"}},
		"empty":               {claims: map[string]any{"roles": []string{}, "practices": ""}},
		"a number":            {claims: map[string]any{"roles": 7, "practices": 7}},
		"an object":           {claims: map[string]any{"roles": map[string]any{"admin": true}, "practices": map[string]any{"*": true}}},
		"numbers in a list":   {claims: map[string]any{"roles": []any{1, "biller", nil}, "practices": []any{[]string{"*"}, "maple"}}, wantRoles: []copay.Role{"biller"}, wantPractices: []copay.PracticeID{"maple"}},
		"roles there are not": {claims: map[string]any{"roles": "superuser BILLER system", "practices": "maple"}, wantPractices: []copay.PracticeID{"maple"}},
		"practices there cannot be": {claims: map[string]any{"roles": "biller", "practices": []string{"Maple", "a/b", "", "ok"}}, wantRoles: []copay.Role{"biller"},
			wantPractices: []copay.PracticeID{"ok"}},
		"every practice": {claims: map[string]any{"roles": "admin", "practices": []string{"*"}}, wantRoles: []copay.Role{"admin"}, all: true},
		"in an object":   {roles: "realm.copay.roles", claims: map[string]any{"realm": map[string]any{"copay": map[string]any{"roles": []string{"biller"}}}, "roles": "admin", "practices": "maple"}, wantRoles: []copay.Role{"biller"}, wantPractices: []copay.PracticeID{"maple"}},
		"a path that ends": {roles: "realm.roles", claims: map[string]any{"realm": "admin", "roles": "admin", "practices": "maple"},
			wantPractices: []copay.PracticeID{"maple"}},
		"a name that is an address": {practices: "https://x.example/practices", claims: map[string]any{"roles": "biller", "practices": "*", "https://x.example/practices": []string{"oak"}}, wantRoles: []copay.Role{"biller"}, wantPractices: []copay.PracticeID{"oak"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := New(Options{Now: clock, Issuers: []Issuer{{URL: p.URL, Audience: "copayflow", RolesClaim: tc.roles, PracticesClaim: tc.practices}}})
			require.NoError(t, err)
			c := p.claims()
			for claim, v := range tc.claims {
				c[claim] = v
				if v == nil {
					delete(c, claim)
				}
			}
			who, err := a.Authenticate(t.Context(), mint(t, "k1", k, c))
			require.NoError(t, err, "who it is, is known; what they may is another question")
			require.Equal(t, Principal{Actor: copay.Actor{ID: "ana", Kind: "staff", Roles: tc.wantRoles}, Practices: tc.wantPractices, All: tc.all, For: time.Hour}, who)
		})
	}
}
