package drchronosim

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// longestRange is the widest date_range that appointments are listed for.
const longestRange = 190 * 24 * time.Hour

// listVisits is GET /api/appointments, which wants to know of which days.
func (s *Server) listVisits(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("since")+q.Get("date")+q.Get("date_range")+q.Get("occurred_since") == "" {
		refuse(w, "non_field_errors", "One of since, occurred_since, date or date_range is required.")
		return
	}
	for _, name := range []string{"date", "occurred_since"} {
		if v := q.Get(name); v != "" && !isTime(v) {
			refuse(w, name, "Enter a valid date.")
			return
		}
	}
	from, to, ok := days(q.Get("date_range"))
	if !ok || to.Sub(from) > longestRange {
		refuse(w, "date_range", "Enter two days as yyyy-mm-dd/yyyy-mm-dd, no more than 190 days apart.")
		return
	}
	s.mu.Lock()
	all := slices.DeleteFunc(values(s.visits), func(o object) bool {
		at, _ := o["scheduled_time"].(string)
		day, since := q.Get("date"), q.Get("occurred_since")
		return o["deleted_flag"] == true && q.Get("show_archived") != "true" || day != "" && !strings.HasPrefix(at, day) || since != "" && at < since || !within(at, q.Get("date_range"))
	})
	s.mu.Unlock()
	s.answer(w, r, all, "patient", "doctor", "office", "status")
}

// days reads a range of days; none given is one.
func days(v string) (from, to time.Time, ok bool) {
	if v == "" {
		return from, to, true
	}
	a, b, _ := strings.Cut(v, "/")
	from, ferr := time.Parse(time.DateOnly, a)
	to, terr := time.Parse(time.DateOnly, b)
	return from, to, ferr == nil && terr == nil && !to.Before(from)
}

// within reports whether a time is of one of a range's days.
func within(at, dates string) bool {
	a, b, both := strings.Cut(dates, "/")
	return !both || len(at) >= len(time.DateOnly) && at[:len(time.DateOnly)] >= a && at[:len(time.DateOnly)] <= b
}

// checkFilters are the filters of eligibility checks by day: of the visit or
// of the question to the payer.
var checkFilters = map[string]string{"appointment_date": "_visit_day", "appointment_date_range": "_visit_day", "query_date": "query_date", "query_date_range": "query_date"}

// listChecks is GET /api/eligibility_checks.
func (s *Server) listChecks(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for name := range checkFilters {
		v := q.Get(name)
		if !strings.HasSuffix(name, "_range") && v != "" {
			v += "/" + v
		}
		if _, _, ok := days(v); !ok {
			refuse(w, name, "Enter a valid date.")
			return
		}
	}
	s.mu.Lock()
	all := slices.DeleteFunc(slices.Clone(s.checks), func(o object) bool {
		for name, field := range checkFilters {
			at, _ := o[field].(string)
			v := q.Get(name)
			if !strings.HasSuffix(name, "_range") && v != "" {
				v += "/" + v
			}
			if !within(at, v) {
				return true
			}
		}
		return q.Get("doctor") != "" && o["_doctor"] != q.Get("doctor")
	})
	s.mu.Unlock()
	s.answer(w, r, all, "appointment", "patient")
}

// oneCheck is GET /api/eligibility_checks/{id}.
func (s *Server) oneCheck() http.HandlerFunc {
	return s.one(func() map[string]object {
		byID := map[string]object{}
		for _, c := range s.checks {
			byID[text(c["id"])] = c
		}
		return byID
	})
}

// ModifyVisit changes fields of a line item's visit by their API names, such as
// status or payment_profile, and fires APPOINTMENT_MODIFY.
func (s *Server) ModifyVisit(line string, fields map[string]any) {
	s.changeVisit(line, "APPOINTMENT_MODIFY", fields)
}

// DeleteVisit deletes a line item's visit, which can still be read by its id,
// and fires APPOINTMENT_DELETE.
func (s *Server) DeleteVisit(line string) {
	s.changeVisit(line, "APPOINTMENT_DELETE", map[string]any{"deleted_flag": true})
}

func (s *Server) changeVisit(line, event string, fields map[string]any) {
	s.mu.Lock()
	v := s.visits[text(s.lines[line]["appointment"])]
	if v == nil {
		s.mu.Unlock()
		return
	}
	maps.Copy(v, fields)
	v["updated_at"] = s.stamp()
	o := public(v)
	s.mu.Unlock()
	s.fire(event, o)
}
