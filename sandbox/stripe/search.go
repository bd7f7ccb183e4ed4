package stripesim

import (
	"strconv"
	"strings"
)

// clause is one condition of the search language (docs.stripe.com/search,
// query language): field:"exact", field~"part", -field:"not", numbers with
// the comparison signs.
type clause struct {
	field, op, value string
	negate           bool
}

// parseQuery reads clauses joined by AND or by OR, not both.
func parseQuery(q string) (clauses []clause, or bool, e *apiError) {
	bad := func(why string) ([]clause, bool, *apiError) {
		return nil, false, invalid("", "query", "We were unable to parse your search query. Try using the format `metadata[\"key\"]:\"value\"` to query for metadata or key:\"value\" to query for other fields. (%s)", why)
	}
	rest := strings.TrimSpace(q)
	for {
		var c clause
		var ok bool
		if c, rest, ok = readClause(rest); !ok {
			return bad("a clause is not readable")
		}
		clauses = append(clauses, c)
		rest = strings.TrimSpace(rest)
		switch {
		case rest == "":
			if len(clauses) > 10 {
				return bad("more than 10 clauses")
			}
			return clauses, or, nil
		case strings.HasPrefix(rest, "OR "):
			if !or && len(clauses) > 1 {
				return bad("AND and OR cannot be mixed")
			}
			or, rest = true, strings.TrimSpace(rest[3:])
		default:
			if or {
				return bad("AND and OR cannot be mixed")
			}
			rest = strings.TrimSpace(strings.TrimPrefix(rest, "AND "))
		}
	}
}

func readClause(s string) (c clause, rest string, ok bool) {
	if s, c.negate = strings.CutPrefix(s, "-"); s == "" {
		return c, "", false
	}
	i := strings.IndexAny(s, ":~<>[")
	if i <= 0 {
		return c, "", false
	}
	c.field = s[:i]
	if s[i] == '[' {
		key, after, ok := readQuoted(s[i+1:])
		if !ok || !strings.HasPrefix(after, "]") {
			return c, "", false
		}
		c.field += "." + key
		s, i = after[1:], 0
		if s == "" {
			return c, "", false
		}
	}
	switch {
	case strings.HasPrefix(s[i:], ">="), strings.HasPrefix(s[i:], "<="):
		c.op, s = s[i:i+2], s[i+2:]
	case strings.ContainsRune(":~<>", rune(s[i])):
		c.op, s = s[i:i+1], s[i+1:]
	default:
		return c, "", false
	}
	if s != "" && (s[0] == '\'' || s[0] == '"') {
		c.value, rest, ok = readQuoted(s)
		return c, rest, ok
	}
	c.value, rest, _ = strings.Cut(s, " ")
	return c, rest, c.value != ""
}

func readQuoted(s string) (val, rest string, ok bool) {
	if s == "" || (s[0] != '\'' && s[0] != '"') {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == s[0]:
			return b.String(), s[i+1:], true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

// search answers a search over what the index has caught up with.
func search[T record](c *call, t *table[T], url string, fields map[string]bool) (obj, *apiError) {
	if !c.p.has("query") {
		return nil, required("query")
	}
	limit, e := pageSize(c.p)
	if e != nil {
		return nil, e
	}
	clauses, or, e := parseQuery(c.p.str("query"))
	if e != nil {
		return nil, e
	}
	for _, cl := range clauses {
		if !fields[cl.field] && !strings.HasPrefix(cl.field, "metadata.") {
			return nil, invalid("", "query", "Field `%s` is an unsupported search field for this resource.", cl.field)
		}
	}
	skip := 0
	if c.p.has("page") {
		if skip, e = readPage(c.p.str("page")); e != nil {
			return nil, e
		}
	}
	seen := c.s.now().Add(-c.s.cfg.SearchLag)
	data, more := []any{}, false
	for i := len(t.order) - 1; i >= 0; i-- {
		x := t.order[i]
		if x.head().created.After(seen) {
			continue
		}
		w := x.wire(c.s)
		if w["deleted"] == true || !matches(w, clauses, or) {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		if len(data) == limit {
			more = true
			break
		}
		data = append(data, w)
	}
	out := obj{"object": "search_result", "url": url, "has_more": more, "data": data, "next_page": nil}
	if more {
		from, _ := readPage(c.p.str("page"))
		out["next_page"] = "page_" + strconv.Itoa(from+limit)
	}
	return out, nil
}

func readPage(s string) (int, *apiError) {
	n, err := strconv.Atoi(strings.TrimPrefix(s, "page_"))
	if err != nil || n < 0 {
		return 0, invalid("", "page", "Invalid page: %s", s)
	}
	return n, nil
}

func matches(w obj, clauses []clause, or bool) bool {
	for _, c := range clauses {
		if hit := c.hits(w); hit == or {
			return or
		}
	}
	return !or
}

func (c clause) hits(w obj) bool {
	var v any = w[c.field]
	if key, ok := strings.CutPrefix(c.field, "metadata."); ok {
		meta, _ := w["metadata"].(obj)
		v = meta[key]
	}
	hit := false
	switch x := v.(type) {
	case string:
		// The index is case-insensitive.
		got, want := strings.ToLower(x), strings.ToLower(c.value)
		hit = (c.op == ":" && got == want) || (c.op == "~" && strings.Contains(got, want))
	case int64:
		n, err := strconv.ParseInt(c.value, 10, 64)
		hit = err == nil && ((c.op == ":" && x == n) || (c.op == ">" && x > n) || (c.op == "<" && x < n) ||
			(c.op == ">=" && x >= n) || (c.op == "<=" && x <= n))
	}
	return hit != c.negate
}
