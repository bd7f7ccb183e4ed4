package quickbookssim

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// refreshLife is how long a refresh token lives unused: about 100 days.
const refreshLife = 8726400 * time.Second

type oauth struct {
	refresh string
	issued  time.Time
	access  map[string]time.Time // until
	codes   map[string]string    // authorization code to redirect address
}

func (o *oauth) valid(r *http.Request, now time.Time) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return false
	}
	until, known := o.access[token]
	return known && now.Before(until)
}

// authorize stands in for the consent page: it agrees at once.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || back.Host == "" || q.Get("client_id") != s.c.ClientID || q.Get("response_type") != "code" ||
		!strings.Contains(q.Get("scope"), "com.intuit.quickbooks.accounting") || q.Get("state") == "" {
		http.Error(w, "invalid authorization request", http.StatusBadRequest)
		return
	}
	code := "XAB" + rand.Text()
	s.mu.Lock()
	s.oauth.codes[code] = q.Get("redirect_uri")
	s.mu.Unlock()
	add := back.Query()
	add.Set("code", code)
	add.Set("state", q.Get("state"))
	add.Set("realmId", s.c.RealmID)
	back.RawQuery = add.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	id, secret, ok := r.BasicAuth()
	if !ok || id != s.c.ClientID || subtle.ConstantTimeCompare([]byte(secret), []byte(s.c.ClientSecret)) != 1 {
		sim.WriteJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	if err := r.ParseForm(); err != nil {
		sim.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_request"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		to, known := s.oauth.codes[r.PostForm.Get("code")]
		if !known || to != r.PostForm.Get("redirect_uri") {
			sim.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
			return
		}
		delete(s.oauth.codes, r.PostForm.Get("code"))
		s.oauth.refresh, s.oauth.issued = "AB11"+rand.Text(), now
	case "refresh_token":
		if t := r.PostForm.Get("refresh_token"); t == "" || t != s.oauth.refresh || now.Sub(s.oauth.issued) > refreshLife {
			sim.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
			return
		}
		if now.Sub(s.oauth.issued) >= s.c.RotateEvery || s.c.RotateEvery <= time.Nanosecond {
			s.oauth.refresh, s.oauth.issued = "AB11"+rand.Text(), now
		}
	default:
		sim.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
		return
	}
	access := "eyJ" + rand.Text()
	for t, until := range s.oauth.access {
		if !now.Before(until) {
			delete(s.oauth.access, t)
		}
	}
	s.oauth.access[access] = now.Add(s.c.AccessLife)
	sim.WriteJSON(w, http.StatusOK, map[string]any{"access_token": access, "refresh_token": s.oauth.refresh, "token_type": "bearer",
		"expires_in": int64(s.c.AccessLife / time.Second), "x_refresh_token_expires_in": int64(refreshLife / time.Second)})
}

// RevokeConsent takes the app's access away, as a bookkeeper who disconnects
// it does.
func (s *Server) RevokeConsent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oauth.refresh, s.oauth.access = "", map[string]time.Time{}
}

// ExpireAccess makes all access tokens invalid.
func (s *Server) ExpireAccess() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oauth.access = map[string]time.Time{}
}

// RefreshToken is the one that is good now.
func (s *Server) RefreshToken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.oauth.refresh
}
