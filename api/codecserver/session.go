package codecserver

import (
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/copayflow/copayflow/api/auth"
)

// cookie holds the token for the UI's requests. The UI and this server must be
// of one site (localhost, or one domain) for browsers to send it.
const cookie = "copay_codec"

// sessionSeconds is how long a browser keeps it; the token may end earlier.
const sessionSeconds = 8 * 3600

//go:embed session.html
var sessionHTML string

var sessionPage = template.Must(template.New("session").Parse(sessionHTML))

func (h *handler) form(w http.ResponseWriter, _ *http.Request) { h.answer(w, http.StatusOK, "") }

// answer is the form, under why nobody could be signed in with it.
func (h *handler) answer(w http.ResponseWriter, status int, problem string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = sessionPage.Execute(w, problem) // a reader that went away
}

// session puts a good token into the cookie.
func (h *handler) session(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	token := strings.TrimSpace(r.PostFormValue("token"))
	who, err := h.allowed(r.Context(), "Bearer "+token)
	var no *auth.Error
	switch {
	case errors.As(err, &no) && no.Later:
		h.answer(w, http.StatusServiceUnavailable, no.Message)
		return
	case token == "":
		h.answer(w, http.StatusUnauthorized, "give your access token")
		return
	case err != nil:
		h.answer(w, http.StatusUnauthorized, err.Error())
		return
	case who == nil:
		h.answer(w, http.StatusForbidden, notTheirs)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: token, Path: "/codec/", MaxAge: sessionSeconds, HttpOnly: true, Secure: !h.Insecure, SameSite: http.SameSiteStrictMode})
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("Signed in. The Temporal UI can show payloads now; go back to it and reload.\n")) // as above
}
