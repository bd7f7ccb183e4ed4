package quickbookssim

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	cdcReach = 30 * 24 * time.Hour
	cdcMost  = 1000
)

// getCDC lists what changed since a moment: whole objects, and the id of
// those deleted.
func (s *Server) getCDC(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	since, err := time.Parse(time.RFC3339, q.Get("changedSince"))
	if err != nil {
		s.writeFault(w, r, refuse("2010", "Request has invalid or unsupported property", "changedSince must be a date and time with an offset"))
		return
	}
	s.mu.Lock()
	var responses []map[string]any
	f := s.cdcFault(q.Get("entities"), since)
	if f == nil {
		left := cdcMost
		for _, name := range strings.Split(q.Get("entities"), ",") {
			responses = append(responses, s.cdcEntity(name, since, &left))
		}
	}
	var b []byte
	if f == nil {
		b = s.envelope("CDCResponse", []any{map[string]any{"QueryResponse": responses}})
	}
	s.mu.Unlock()
	if f != nil {
		s.writeFault(w, r, f)
		return
	}
	writeBody(w, http.StatusOK, b)
}

func (s *Server) cdcFault(entities string, since time.Time) *fault {
	if s.now().Sub(since) > cdcReach {
		return refuse("2010", "Request has invalid or unsupported property", "changedSince reaches back more than 30 days")
	}
	for _, name := range strings.Split(entities, ",") {
		if _, ok := blank[name]; !ok {
			return refuse("2010", "Request has invalid or unsupported property", "entities: "+name)
		}
	}
	return nil
}

func (s *Server) cdcEntity(name string, since time.Time, left *int) map[string]any {
	var rows []object
	for _, x := range s.table(name).list {
		if !x.head().MetaData.LastUpdatedTime.Before(since) {
			rows = append(rows, x)
		}
	}
	slices.SortStableFunc(rows, byUpdate)
	rows = rows[:min(len(rows), *left)]
	*left -= len(rows)
	if len(rows) == 0 {
		return map[string]any{}
	}
	list := make([]any, 0, len(rows))
	for _, x := range rows {
		if h := x.head(); h.deleted {
			list = append(list, map[string]any{"domain": "QBO", "status": "Deleted", "Id": h.ID,
				"MetaData": map[string]any{"LastUpdatedTime": h.MetaData.LastUpdatedTime}})
			continue
		}
		list = append(list, x)
	}
	return map[string]any{name: list, "startPosition": 1, "maxResults": len(list)}
}
