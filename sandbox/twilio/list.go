package twiliosim

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

const (
	defaultPage = 50
	maxPage     = 1000
)

// list is GET Messages: newest first, by pages. The next page begins after
// the last message of this one, so what arrives meanwhile shifts nothing.
func (c *call) list() (answer, *apiError) {
	size, page := defaultPage, 0
	for name, into := range map[string]*int{"PageSize": &size, "Page": &page} {
		if v := c.form.Get(name); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil || n < 0 {
				return answer{}, invalid(20001, "%s must be a number", name)
			}
			*into = n
		}
	}
	if size < 1 || size > maxPage {
		return answer{}, invalid(20007, "Page size must be between 1 and 1000")
	}
	all, e := c.filtered()
	if e != nil {
		return answer{}, e
	}
	from := 0
	if token := c.form.Get("PageToken"); token != "" {
		i := slices.IndexFunc(all, func(m *message) bool { return "PA"+m.sid == token })
		if i < 0 {
			return answer{}, invalid(20001, "PageToken is not known")
		}
		from = i + 1
	} else if page > 0 {
		return answer{}, invalid(20001, "Page goes with PageToken")
	}
	to := min(from+size, len(all))
	list := make([]fields, 0, to-from)
	for _, m := range all[from:to] {
		list = append(list, c.s.wire(m))
	}
	var next any
	if to < len(all) {
		next = c.pageURI(size, page+1, "PA"+all[to-1].sid)
	}
	var previous any
	if page > 0 {
		previous = c.pageURI(size, page-1, "")
	}
	return answer{status: http.StatusOK, name: "Messages", fields: fields{
		{"messages", list}, {"page", page}, {"page_size", size}, {"start", page * size}, {"end", page*size + max(len(list)-1, 0)},
		{"first_page_uri", c.pageURI(size, 0, "")}, {"next_page_uri", next}, {"previous_page_uri", previous}, {"uri", c.pageURI(size, page, c.form.Get("PageToken"))},
	}}, nil
}

// pageURI is relative to the host, as the platform gives it.
func (c *call) pageURI(size, page int, token string) string {
	q := url.Values{"PageSize": {strconv.Itoa(size)}, "Page": {strconv.Itoa(page)}}
	for _, name := range []string{"To", "From", "DateSent", "DateSent<", "DateSent>"} {
		if v := c.form.Get(name); v != "" {
			q.Set(name, v)
		}
	}
	if token != "" {
		q.Set("PageToken", token)
	}
	return c.r.URL.Path + "?" + q.Encode()
}

// filtered gives the messages that the query asks for, newest first.
func (c *call) filtered() ([]*message, *apiError) {
	dates := map[string]string{}
	for _, name := range []string{"DateSent", "DateSent<", "DateSent>"} {
		v := c.form.Get(name)
		if v == "" {
			continue
		}
		day, ok := dayOf(v)
		if !ok {
			return nil, invalid(20001, "%s must be a date", name)
		}
		dates[name] = day
	}
	var out []*message
	visible := c.s.o.Time().Add(-c.s.cfg.ListLag)
	for _, m := range slices.Backward(c.s.messages) {
		if m.created.After(visible) {
			continue
		}
		if to := c.form.Get("To"); to != "" && m.shownTo() != to {
			continue
		}
		if from := c.form.Get("From"); from != "" && m.from != from {
			continue
		}
		if sentWithin(m, dates) {
			out = append(out, m)
		}
	}
	return out, nil
}

// dateLayouts are the forms of a date in the platform's specification, and
// that of its libraries (RFC 3339).
var dateLayouts = []string{time.DateOnly, time.RFC3339, "2006-01-02 15:04:05.000", "01/02/2006 15:04:05 MST", time.RFC1123Z}

// dayOf is the day in GMT that a filter names: all that the platform promises
// to heed.
func dayOf(v string) (string, bool) {
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, v); err == nil {
			return t.UTC().Format(time.DateOnly), true
		}
	}
	return "", false
}

// sentWithin compares days in GMT, ends included. A message that has not left
// has no DateSent and matches no such filter.
func sentWithin(m *message, dates map[string]string) bool {
	if len(dates) == 0 {
		return true
	}
	if m.sent.IsZero() {
		return false
	}
	day := m.sent.UTC().Format(time.DateOnly)
	on, to, from := dates["DateSent"], dates["DateSent<"], dates["DateSent>"]
	return (on == "" || day == on) && (to == "" || day <= to) && (from == "" || day >= from)
}
