package stripesim

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// params are a request's parameters, flattened: "line_items[0][quantity]" is
// kept under "line_items.0.quantity".
type params struct {
	vals map[string]string
	// raw keeps the name as it was sent, for errors.
	raw map[string]string
}

const maxBody = 1 << 20

// readParams reads the query of a GET or the form of anything else.
func readParams(r *http.Request) (params, *apiError) {
	text := r.URL.RawQuery
	if r.Method != http.MethodGet {
		b, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		if err != nil || len(b) > maxBody {
			return params{}, invalid("", "", "Request body could not be read.")
		}
		if ct := r.Header.Get("Content-Type"); len(b) > 0 && !strings.HasPrefix(ct, "application/x-www-form-urlencoded") {
			return params{}, invalid("", "", "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any questions, we can help at https://support.stripe.com/.")
		}
		if len(b) > 0 {
			text = string(b)
		}
	}
	return parseForm(text)
}

// parseForm reads bracketed form text.
func parseForm(text string) (params, *apiError) {
	p := params{vals: map[string]string{}, raw: map[string]string{}}
	next := map[string]int{}
	for _, pair := range strings.Split(text, "&") {
		if pair == "" {
			continue
		}
		k, v, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(k)
		val, err2 := url.QueryUnescape(v)
		if err1 != nil || err2 != nil {
			return p, invalid("", "", "Invalid request: the form is not URL-encoded.")
		}
		path, ok := splitName(name, next)
		if !ok {
			return p, invalid("parameter_unknown", name, "Received unknown parameter: %s", name)
		}
		p.vals[path], p.raw[path] = val, name
	}
	return p, nil
}

// splitName turns brackets into a dotted path; "[]" takes the next index.
func splitName(name string, next map[string]int) (string, bool) {
	head, rest, _ := strings.Cut(name, "[")
	if head == "" || strings.ContainsAny(head, "].") {
		return "", false
	}
	path := head
	if !strings.Contains(name, "[") {
		return path, true
	}
	for _, seg := range strings.Split(rest, "[") {
		seg, ok := strings.CutSuffix(seg, "]")
		if !ok || strings.ContainsAny(seg, "].") {
			return "", false
		}
		if seg == "" {
			seg = strconv.Itoa(next[path])
			next[path]++
		}
		path += "." + seg
	}
	return path, true
}

// canonical is the parameters in a fixed order.
func (p params) canonical() string {
	keys := make([]string, 0, len(p.vals))
	for k := range p.vals {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var b strings.Builder
	for _, k := range keys {
		b.WriteString(url.QueryEscape(k) + "=" + url.QueryEscape(p.vals[k]) + "&")
	}
	return b.String()
}

// check refuses unknown parameters and values of the wrong type. A schema
// entry is "name:type"; "*" stands for an index or a free key.
func (p params) check(schema []string) *apiError {
	paths := make([]string, 0, len(p.vals))
	for path := range p.vals {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	for _, path := range paths {
		kind, ok := lookup(schema, path)
		if !ok {
			name, _, _ := strings.Cut(p.raw[path], "[")
			if _, ok := lookupHead(schema, name); ok {
				name = p.raw[path]
			}
			return invalid("parameter_unknown", name, "Received unknown parameter: %s", name)
		}
		if e := checkValue(kind, p.raw[path], p.vals[path]); e != nil {
			return e
		}
	}
	return p.checkMetadata()
}

func lookup(schema []string, path string) (string, bool) {
	segs := strings.Split(path, ".")
	for _, entry := range schema {
		pattern, kind, _ := strings.Cut(entry, ":")
		want := strings.Split(pattern, ".")
		if len(want) == len(segs) && slices.EqualFunc(want, segs, func(w, s string) bool { return w == "*" || w == s }) {
			return kind, true
		}
	}
	return "", false
}

func lookupHead(schema []string, head string) (string, bool) {
	for _, entry := range schema {
		pattern, _, _ := strings.Cut(entry, ":")
		if h, _, _ := strings.Cut(pattern, "."); h == head {
			return pattern, true
		}
	}
	return "", false
}

func checkValue(kind, name, v string) *apiError {
	if kind == "" || kind == "text" {
		if v == "" && kind == "" {
			return invalid("parameter_invalid_empty", name, "You passed an empty string for '%s'. We assume empty values are an attempt to unset a parameter; however '%s' cannot be unset. You should remove '%s' from your request or supply a non-empty value.", name, name, name)
		}
		return nil
	}
	switch kind {
	case "int":
		if _, err := strconv.ParseInt(v, 10, 64); err != nil {
			return invalid("parameter_invalid_integer", name, "Invalid integer: %s", v)
		}
	case "bool":
		if v != "true" && v != "false" {
			return invalid("", name, "Invalid boolean: %s", v)
		}
	default: // an enumeration: a|b|c
		if !slices.Contains(strings.Split(kind, "|"), v) {
			return invalid("", name, "Invalid %s: must be one of %s", name, strings.ReplaceAll(kind, "|", ", "))
		}
	}
	return nil
}

// checkMetadata holds metadata to the documented limits (docs.stripe.com/api/
// metadata): 50 keys of 40 characters, values of 500.
func (p params) checkMetadata() *apiError {
	n := map[string]int{}
	for path, v := range p.vals {
		i := strings.LastIndex(path, "metadata.")
		if i < 0 || (i > 0 && path[i-1] != '.') {
			continue
		}
		key := path[i+len("metadata."):]
		owner := path[:i]
		n[owner]++
		switch {
		case len(key) > 40:
			return invalid("", p.raw[path], "Metadata keys can be at most 40 characters long.")
		case len(v) > 500:
			return invalid("", p.raw[path], "Metadata values can have up to 500 characters, but you passed in a value that is %d characters.", len(v))
		case n[owner] > 50:
			return invalid("", "metadata", "Metadata can have at most 50 keys.")
		}
	}
	return nil
}

func (p params) has(path string) bool   { _, ok := p.vals[path]; return ok }
func (p params) str(path string) string { return p.vals[path] }
func (p params) bool(path string) bool  { return p.vals[path] == "true" }

// int returns a checked integer, 0 when absent.
func (p params) int(path string) int64 {
	n, _ := strconv.ParseInt(p.vals[path], 10, 64)
	return n
}

// strings returns a list in its order.
func (p params) strings(path string) []string {
	var out []string
	for i := 0; ; i++ {
		v, ok := p.vals[path+"."+strconv.Itoa(i)]
		if !ok {
			return out
		}
		out = append(out, v)
	}
}

// under reports whether any parameter lies below path.
func (p params) under(path string) bool {
	for k := range p.vals {
		if strings.HasPrefix(k, path+".") {
			return true
		}
	}
	return false
}

// mapping returns the free keys below path.
func (p params) mapping(path string) map[string]string {
	out := map[string]string{}
	for k, v := range p.vals {
		if key, ok := strings.CutPrefix(k, path+"."); ok {
			out[key] = v
		}
	}
	return out
}
