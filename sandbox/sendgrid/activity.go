package sendgridsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// listActivity is GET /v3/messages, newest first. It is part of an add-on.
func (s *Server) listActivity(w http.ResponseWriter, r *http.Request) {
	if !s.cfg.EmailActivity {
		fail(w, http.StatusForbidden, "", "access forbidden")
		return
	}
	limit := 10
	if v := r.URL.Query().Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 1000 {
			fail(w, http.StatusBadRequest, "", "limit must be between 1 and 1000")
			return
		}
		limit = n
	}
	match, err := parseQuery(r.URL.Query().Get("query"))
	if err != nil {
		fail(w, http.StatusBadRequest, "", err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := []any{}
	for _, m := range slices.Backward(s.messages) {
		if len(rows) < limit && len(m.events) > 0 && match(m) {
			rows = append(rows, m.row())
		}
	}
	sim.WriteJSON(w, http.StatusOK, map[string]any{"messages": rows})
}

// row is a mail in the list.
func (m *message) row() map[string]any {
	return map[string]any{"from_email": m.from, "msg_id": m.fullID(), "subject": m.subject, "to_email": m.to, "status": m.activityStatus(),
		"opens_count": m.opens, "clicks_count": m.clicks, "last_event_time": m.last.UTC().Format(time.RFC3339)}
}

func (m *message) activityStatus() string {
	switch m.status {
	case "delivered":
		return "delivered"
	case "bounce", "dropped":
		return "not_delivered"
	}
	return "processed"
}

// activityNames are the events' names in the activity, where they differ.
var activityNames = map[string]string{"bounce": "bounced", "open": "opened", "click": "clicked", "spamreport": "spam_report"}

// oneActivity is GET /v3/messages/{msg_id}.
func (s *Server) oneActivity(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.messages, func(m *message) bool { return m.fullID() == r.PathValue("id") })
	if !s.cfg.EmailActivity || i < 0 {
		fail(w, http.StatusNotFound, "", "message not found")
		return
	}
	m := s.messages[i]
	events := []any{}
	for _, e := range m.events {
		kind, _ := e["event"].(string)
		at, _ := e["timestamp"].(int64)
		x := map[string]any{"event_name": either(activityNames[kind], kind), "processed": time.Unix(at, 0).UTC().Format(time.RFC3339), "bounce_type": "soft",
			"http_user_agent": "", "mx_server": "mx.example.org"}
		if e["type"] == "bounce" {
			x["bounce_type"] = "hard"
		}
		if reason, ok := e["reason"]; ok {
			x["reason"] = reason
		}
		events = append(events, x)
	}
	args, _ := json.Marshal(m.args) // a map of strings always can be
	categories := m.categories
	if categories == nil {
		categories = []string{}
	}
	key, _, _ := strings.Cut(strings.TrimPrefix(s.cfg.APIKey, "SG."), ".")
	v := m.row()
	delete(v, "opens_count")
	delete(v, "clicks_count")
	delete(v, "last_event_time")
	for name, value := range map[string]any{"template_id": m.template, "asm_group_id": max(m.group, 1), "teammate": "", "api_key_id": key,
		"events": events, "originating_ip": "192.0.2.1", "categories": categories, "unique_args": string(args), "outbound_ip": "192.0.2.2", "outbound_ip_type": "shared"} {
		v[name] = value
	}
	sim.WriteJSON(w, http.StatusOK, v)
}

// quoted is a value in either kind of quotes.
const quoted = `(?:"([^"]*)"|'([^']*)')`

// The conditions of the query language that the simulator knows; each begins
// where the one before ended.
var (
	condEqual    = regexp.MustCompile(`^(to_email|from_email|subject|status|msg_id)\s*(=|!=)\s*` + quoted)
	condLike     = regexp.MustCompile(`^(msg_id|to_email|subject)\s+LIKE\s+` + quoted)
	condArgument = regexp.MustCompile(`^unique_args\['([^']+)'\]\s*=\s*` + quoted)
	condCategory = regexp.MustCompile(`^Contains\(\s*categories\s*,\s*` + quoted + `\s*\)`)
	condBetween  = regexp.MustCompile(`^last_event_time\s+BETWEEN\s+TIMESTAMP\s+` + quoted + `\s+AND\s+TIMESTAMP\s+` + quoted)
	condAnd      = regexp.MustCompile(`^(?i:AND)\s+`)
)

type condition func(*message) bool

// parseQuery reads conditions joined by AND. What it does not know it refuses
// rather than ignores.
func parseQuery(text string) (condition, error) {
	rest := strings.TrimSpace(text)
	if rest == "" {
		return nil, fmt.Errorf("query is required")
	}
	var all []condition
	for {
		wrapped := strings.HasPrefix(rest, "(")
		c, length := parseCondition(strings.TrimPrefix(rest, "("))
		if c == nil {
			field, _, _ := strings.Cut(rest, "=")
			return nil, fmt.Errorf("invalid syntax: '%s' is not a known field", strings.TrimSpace(field))
		}
		all = append(all, c)
		rest = strings.TrimPrefix(rest, "(")[length:]
		if wrapped {
			if !strings.HasPrefix(rest, ")") {
				return nil, fmt.Errorf("invalid syntax: missing ')'")
			}
			rest = rest[1:]
		}
		rest = strings.TrimSpace(rest)
		if rest == "" {
			break
		}
		and := condAnd.FindString(rest)
		if and == "" {
			return nil, fmt.Errorf("invalid syntax near '%s'", rest)
		}
		rest = rest[len(and):]
	}
	return func(m *message) bool {
		return !slices.ContainsFunc(all, func(c condition) bool { return !c(m) })
	}, nil
}

func parseCondition(s string) (condition, int) {
	if x := condEqual.FindStringSubmatch(s); x != nil {
		want := x[3] + x[4]
		return func(m *message) bool { return (m.property(x[1]) == want) == (x[2] == "=") }, len(x[0])
	}
	if x := condLike.FindStringSubmatch(s); x != nil {
		pattern := regexp.QuoteMeta(x[2] + x[3])
		pattern = strings.NewReplacer("%", ".*", "_", ".").Replace(pattern)
		like, err := regexp.Compile("^(?s:" + pattern + ")$")
		if err != nil {
			return nil, 0
		}
		return func(m *message) bool { return like.MatchString(m.property(x[1])) }, len(x[0])
	}
	if x := condArgument.FindStringSubmatch(s); x != nil {
		return func(m *message) bool { v, ok := m.args[x[1]]; return ok && v == x[2]+x[3] }, len(x[0])
	}
	if x := condCategory.FindStringSubmatch(s); x != nil {
		return func(m *message) bool { return slices.Contains(m.categories, x[1]+x[2]) }, len(x[0])
	}
	if x := condBetween.FindStringSubmatch(s); x != nil {
		from, err1 := time.Parse(time.RFC3339, x[1]+x[2])
		to, err2 := time.Parse(time.RFC3339, x[3]+x[4])
		if err1 != nil || err2 != nil {
			return nil, 0
		}
		return func(m *message) bool { return !m.last.Before(from) && !m.last.After(to) }, len(x[0])
	}
	return nil, 0
}

func (m *message) property(name string) string {
	switch name {
	case "to_email":
		return m.to
	case "from_email":
		return m.from
	case "subject":
		return m.subject
	case "status":
		return m.activityStatus()
	}
	return m.fullID()
}
