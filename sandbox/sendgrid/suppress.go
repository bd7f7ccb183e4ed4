package sendgridsim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// The lists of suppressed addresses, by their names in paths.
const (
	listBounces = "bounces"
	listBlocks  = "blocks" // for the record only: mail is still tried
	listInvalid = "invalid_emails"
	listSpam    = "spam_reports"
	listGlobal  = "unsubscribes"
)

func groupList(id int) string { return "group " + strconv.Itoa(id) }

func lower(email string) string { return strings.ToLower(email) }

// suppression is one entry of a list.
type suppression struct {
	email, reason, status string
	created               int64
}

func (s *Server) suppress(list, email, reason, status string) {
	if s.suppressed[list] == nil {
		s.suppressed[list] = map[string]suppression{}
	}
	s.suppressed[list][lower(email)] = suppression{email, reason, status, s.o.Time().Unix()}
}

// suppressedFor says why a mail is dropped, or "".
func (s *Server) suppressedFor(m *message) string {
	if m.bypass.BypassList.on() {
		return ""
	}
	on := func(list string) bool { _, ok := s.suppressed[list][lower(m.to)]; return ok }
	switch {
	case on(listInvalid):
		return "Invalid"
	case on(listBounces) && !m.bypass.BypassBounce.on():
		return "Bounced Address"
	case on(listSpam) && !m.bypass.BypassSpam.on():
		return "Spam Reporting Address"
	case (on(listGlobal) || (m.group != 0 && on(groupList(m.group)))) && !m.bypass.BypassUnsubscribe.on():
		return "Unsubscribed Address"
	}
	return ""
}

// Suppressed reports whether any list holds an address.
func (s *Server) Suppressed(email string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for list, entries := range s.suppressed {
		if _, ok := entries[lower(email)]; ok && list != listBlocks {
			return true
		}
	}
	return false
}

func (s *Server) suppressionRoutes(handle func(pattern, scope string, h http.HandlerFunc)) {
	for _, list := range []string{listBounces, listBlocks, listInvalid, listSpam, listGlobal} {
		path := "/v3/suppression/" + list
		handle("GET "+path, "suppression.read", s.listSuppressed(list))
		if list == listGlobal {
			continue
		}
		handle("GET "+path+"/{email}", "suppression.read", s.oneSuppressed(list))
		handle("DELETE "+path, "suppression.delete", s.clearSuppressed(list))
		handle("DELETE "+path+"/{email}", "suppression.delete", s.releaseFrom(func(*http.Request) string { return list }))
	}
	global := func(*http.Request) string { return listGlobal }
	group := func(r *http.Request) string { return "group " + r.PathValue("id") }
	handle("POST /v3/asm/suppressions/global", "suppression.create", s.addTo(global))
	handle("GET /v3/asm/suppressions/global/{email}", "suppression.read", s.oneGlobal)
	handle("DELETE /v3/asm/suppressions/global/{email}", "suppression.delete", s.releaseFrom(global))
	handle("GET /v3/asm/groups", "asm.groups.read", s.listGroups)
	handle("POST /v3/asm/groups/{id}/suppressions", "suppression.create", s.ofGroup(s.addTo(group)))
	handle("GET /v3/asm/groups/{id}/suppressions", "suppression.read", s.ofGroup(s.listGroup))
	handle("DELETE /v3/asm/groups/{id}/suppressions/{email}", "suppression.delete", s.ofGroup(s.releaseFrom(group)))
}

func (s *Server) entries(list string) []suppression {
	var out []suppression
	for _, email := range slices.Sorted(maps.Keys(s.suppressed[list])) {
		out = append(out, s.suppressed[list][email])
	}
	return out
}

// wire is an entry as its list shows it.
func (x suppression) wire(list string) map[string]any {
	v := map[string]any{"created": x.created, "email": x.email}
	switch list {
	case listBounces, listBlocks:
		v["reason"], v["status"] = x.reason, x.status
	case listInvalid:
		v["reason"] = x.reason
	case listSpam:
		v["ip"] = "192.0.2.10"
	}
	return v
}

func (s *Server) listSuppressed(list string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		num := func(name string, fallback int64) int64 {
			if n, err := strconv.ParseInt(r.URL.Query().Get(name), 10, 64); err == nil && n >= 0 {
				return n
			}
			return fallback
		}
		from, until, limit, offset := num("start_time", 0), num("end_time", 1<<60), num("limit", 500), num("offset", 0)
		s.mu.Lock()
		defer s.mu.Unlock()
		out := []any{}
		for _, x := range s.entries(list) {
			if x.created < from || x.created > until {
				continue
			}
			if offset--; offset < 0 && int64(len(out)) < limit {
				out = append(out, x.wire(list))
			}
		}
		sim.WriteJSON(w, http.StatusOK, out)
	}
}

func (s *Server) oneSuppressed(list string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		out := []any{}
		if x, ok := s.suppressed[list][lower(r.PathValue("email"))]; ok {
			out = append(out, x.wire(list))
		}
		sim.WriteJSON(w, http.StatusOK, out)
	}
}

func (s *Server) clearSuppressed(list string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			All    bool     `json:"delete_all"`
			Emails []string `json:"emails"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.All == (len(in.Emails) > 0) {
			fail(w, http.StatusBadRequest, "", "either delete_all or emails is required")
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if in.All {
			delete(s.suppressed, list)
		}
		for _, email := range in.Emails {
			delete(s.suppressed[list], lower(email))
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Server) releaseFrom(list func(*http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		email := lower(r.PathValue("email"))
		if _, ok := s.suppressed[list(r)][email]; !ok {
			fail(w, http.StatusNotFound, "", "not found")
			return
		}
		delete(s.suppressed[list(r)], email)
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Server) addTo(list func(*http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Emails []string `json:"recipient_emails"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in.Emails) == 0 {
			fail(w, http.StatusBadRequest, "recipient_emails", "recipient_emails is required")
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, email := range in.Emails {
			s.suppress(list(r), email, "", "")
		}
		sim.WriteJSON(w, http.StatusCreated, map[string]any{"recipient_emails": in.Emails})
	}
}

func (s *Server) oneGlobal(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]any{}
	if x, ok := s.suppressed[listGlobal][lower(r.PathValue("email"))]; ok {
		out["recipient_email"] = x.email
	}
	sim.WriteJSON(w, http.StatusOK, out)
}

func (s *Server) listGroups(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []any{}
	for _, id := range s.cfg.Groups {
		out = append(out, map[string]any{"id": id, "name": "Group " + strconv.Itoa(id), "description": "Sandbox", "is_default": false,
			"unsubscribes": len(s.suppressed[groupList(id)])})
	}
	sim.WriteJSON(w, http.StatusOK, out)
}

func (s *Server) listGroup(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []string{}
	for _, x := range s.entries("group " + r.PathValue("id")) {
		out = append(out, x.email)
	}
	sim.WriteJSON(w, http.StatusOK, out)
}

// ofGroup refuses groups that the account does not have.
func (s *Server) ofGroup(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err != nil || !slices.Contains(s.cfg.Groups, id) {
			fail(w, http.StatusNotFound, "", "group not found")
			return
		}
		next(w, r)
	}
}
