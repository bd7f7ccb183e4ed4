package drchronosim

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// codeLife is how long an authorization code may wait to be exchanged.
const codeLife = 10 * time.Second

// grant is what a token or code stands for.
type grant struct {
	token       string
	scopes      []string
	until       time.Time
	redirectURI string // of codes
}

// DefaultScopes are those that Copayflow asks for.
func DefaultScopes() []string {
	return []string{"user:read", "calendar:read", "patients:read", "patients:summary:read", "billing:read", "billing:write",
		"billing:patient-payment:read", "billing:patient-payment:write"}
}

var consent = template.Must(template.New("consent").Parse(`<!doctype html><title>DrChrono (simulated)</title>
<h1>Authorize the application?</h1><p>It asks for:</p><ul>{{range .Scopes}}<li>{{.}}</li>{{end}}</ul>
<form method="post"><button name="allow" value="yes">Authorize</button> <button name="allow" value="no">Cancel</button></form>`))

// authorize is the page on which a user agrees (GET) and the agreement (POST).
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	to, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || !slices.Contains(s.cfg.RedirectURIs, q.Get("redirect_uri")) || q.Get("client_id") != s.cfg.ClientID {
		http.Error(w, "Error: invalid_request", http.StatusBadRequest)
		return
	}
	back := func(k, v string) {
		b := to.Query()
		b.Set(k, v)
		if st := q.Get("state"); st != "" {
			b.Set("state", st)
		}
		to.RawQuery = b.Encode()
		http.Redirect(w, r, to.String(), http.StatusFound)
	}
	scopes := strings.Fields(q.Get("scope"))
	switch {
	case q.Get("response_type") != "code":
		back("error", "unsupported_response_type")
	case len(scopes) == 0 || slices.ContainsFunc(scopes, func(x string) bool { return !slices.Contains(DefaultScopes(), x) }):
		back("error", "invalid_scope")
	case r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = consent.Execute(w, object{"Scopes": scopes}) // a browser that hung up
	case r.Method == http.MethodPost && r.PostFormValue("allow") == "yes":
		s.mu.Lock()
		code := "code-" + s.nextID()
		s.codes[code] = grant{token: code, scopes: scopes, until: time.Now().Add(codeLife), redirectURI: q.Get("redirect_uri")}
		s.mu.Unlock()
		back("code", code)
	default:
		back("error", "access_denied")
	}
}

// token is the OAuth2 endpoint. Each use of a refresh token replaces it, and
// the old one is dead from then on. A code works once.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		sim.WriteJSON(w, http.StatusBadRequest, object{"error": "invalid_request"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := r.PostForm
	if f.Get("client_id") != s.cfg.ClientID || f.Get("client_secret") != s.cfg.ClientSecret {
		sim.WriteJSON(w, http.StatusUnauthorized, object{"error": "invalid_client"})
		return
	}
	var g grant
	ok := false
	switch f.Get("grant_type") {
	case "refresh_token":
		g, ok = s.refresh, s.refresh.token != "" && f.Get("refresh_token") == s.refresh.token
	case "authorization_code":
		g, ok = s.codes[f.Get("code")]
		ok = ok && time.Now().Before(g.until) && g.redirectURI == f.Get("redirect_uri")
		delete(s.codes, f.Get("code"))
	default:
		sim.WriteJSON(w, http.StatusBadRequest, object{"error": "unsupported_grant_type"})
		return
	}
	if !ok {
		sim.WriteJSON(w, http.StatusBadRequest, object{"error": "invalid_grant"})
		return
	}
	s.refresh = grant{token: "refresh-" + s.nextID(), scopes: g.scopes}
	access := grant{token: "access-" + s.nextID(), scopes: g.scopes, until: time.Now().Add(s.cfg.AccessLife)}
	s.access[access.token] = access
	sim.WriteJSON(w, http.StatusOK, object{"access_token": access.token, "refresh_token": s.refresh.token, "expires_in": int64(s.cfg.AccessLife / time.Second),
		"token_type": "Bearer", "scope": strings.Join(g.scopes, " ")})
}

// ExpireAccess ends all access tokens.
func (s *Server) ExpireAccess() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.access)
}

// RevokeConsent ends the refresh token too: the practice must connect again.
func (s *Server) RevokeConsent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.access)
	s.refresh = grant{}
}

// needs are the scopes of each resource, of each pair one; a write needs the
// ones that end in write.
var needs = map[string][]string{"doctors": {"user"}, "patients": {"patients"}, "appointments": {"calendar"}, "line_items": {"billing"},
	"line_item_deletions": {"billing"}, "transactions": {"billing"}, "eligibility_checks": {"calendar", "patients"}, "patient_payments": {"billing:patient-payment"}, "patient_payment_log": {"billing"}}

// may reports whether the token's scopes allow the call.
func (g grant) may(r *http.Request) bool {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/"), "/")
	for _, family := range needs[name] {
		write := slices.Contains(g.scopes, family+":write")
		if !write && (r.Method != http.MethodGet || !slices.Contains(g.scopes, family+":read")) {
			return false
		}
	}
	return true
}
