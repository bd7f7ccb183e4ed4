package stripesim

import (
	"strconv"
	"strings"
)

// list answers a listing, newest first, with the platform's cursors.
func list[T record](c *call, t *table[T], url string, keep func(T) bool) (obj, *apiError) {
	limit, e := pageSize(c.p)
	if e != nil {
		return nil, e
	}
	after, before := c.p.str("starting_after"), c.p.str("ending_before")
	if after != "" && before != "" {
		return nil, invalid("", "starting_after", "You can only specify one of these parameters: starting_after, ending_before.")
	}
	for param, id := range map[string]string{"starting_after": after, "ending_before": before} {
		if _, ok := t.get(id); id != "" && !ok {
			return nil, missingRef("object", id, param)
		}
	}
	// newest lists what matches, newest first, cut at the cursor.
	var newest []T
	started := after == ""
	for i := len(t.order) - 1; i >= 0; i-- {
		x := t.order[i]
		if before != "" && x.head().id == before {
			break
		}
		if before == "" && len(newest) > limit {
			break // enough to know that there are more
		}
		if started && inCreated(c.p, x.head().created.Unix()) && keep(x) {
			newest = append(newest, x)
		}
		if x.head().id == after {
			started = true
		}
	}
	more := len(newest) > limit
	switch {
	case more && before != "": // the page next to the cursor
		newest = newest[len(newest)-limit:]
	case more:
		newest = newest[:limit]
	}
	data := make([]any, 0, len(newest))
	for _, x := range newest {
		data = append(data, x.wire(c.s))
	}
	return obj{"object": "list", "url": url, "has_more": more, "data": data}, nil
}

func pageSize(p params) (int, *apiError) {
	if !p.has("limit") {
		return 10, nil
	}
	n := p.int("limit")
	if n < 1 || n > 100 {
		return 0, invalid("parameter_invalid_integer", "limit", "This value must be between 1 and 100 (it currently is '%d').", n)
	}
	return int(n), nil
}

func inCreated(p params, at int64) bool {
	return (!p.has("created") || at == p.int("created")) &&
		(!p.has("created.gt") || at > p.int("created.gt")) &&
		(!p.has("created.gte") || at >= p.int("created.gte")) &&
		(!p.has("created.lt") || at < p.int("created.lt")) &&
		(!p.has("created.lte") || at <= p.int("created.lte"))
}

// same is a filter that an absent parameter does not apply.
func same(p params, param, value string) bool { return !p.has(param) || p.str(param) == value }

// one answers with an object, or says that there is none.
func one[T record](c *call, t *table[T], kind, param string) (T, *apiError) {
	x, ok := t.get(c.vars["id"])
	if !ok {
		return x, missing(kind, c.vars["id"], param)
	}
	return x, nil
}

// expandable are the properties that may be expanded.
var expandable = map[string]bool{
	"payment_intent": true, "latest_charge": true, "customer": true, "payment_method": true, "charge": true,
	"source": true, "balance_transaction": true, "invoice": true, "default_payment_method": true,
}

// expand replaces ids by their objects along each path.
func (s *Server) expand(o obj, paths []string) *apiError {
	for _, path := range paths {
		segs := strings.Split(path, ".")
		if len(segs) > 4 {
			return invalid("", "expand", "You cannot expand more than 4 levels of a property. Property: %s", path)
		}
		if e := s.expandPath(o, segs, path); e != nil {
			return e
		}
	}
	return nil
}

func (s *Server) expandPath(o obj, segs []string, path string) *apiError {
	if len(segs) == 0 {
		return nil
	}
	name := segs[0]
	if list, ok := o[name].([]any); ok && name == "data" {
		for _, x := range list {
			if e := s.expandPath(x.(obj), segs[1:], path); e != nil {
				return e
			}
		}
		return nil
	}
	v, present := o[name]
	if !present || !expandable[name] {
		return invalid("", "expand", "This property cannot be expanded (%s). You may want to try expanding 'data.%s' instead.", path, path)
	}
	switch x := v.(type) {
	case string:
		full := s.byID(x)
		if full == nil {
			return nil
		}
		o[name] = full
		return s.expandPath(full, segs[1:], path)
	case obj:
		return s.expandPath(x, segs[1:], path)
	}
	return nil // null stays null
}

// byID renders whatever an id names; nil when nothing does.
func (s *Server) byID(id string) obj {
	prefix, _, _ := strings.Cut(id, "_")
	switch prefix {
	case "cus":
		return render(s, &s.customers, id)
	case "pm":
		return render(s, &s.methods, id)
	case "pi":
		return render(s, &s.intents, id)
	case "ch", "py":
		return render(s, &s.charges, id)
	case "re":
		return render(s, &s.refunds, id)
	case "dp":
		return render(s, &s.disputes, id)
	case "in":
		return render(s, &s.invoices, id)
	case "txn":
		return render(s, &s.txns, id)
	case "po":
		return render(s, &s.payouts, id)
	}
	return nil
}

func render[T record](s *Server, t *table[T], id string) obj {
	if x, ok := t.get(id); ok {
		return x.wire(s)
	}
	return nil
}

// null is an id on the wire: absent ones are null.
func null(id string) any {
	if id == "" {
		return nil
	}
	return id
}

func metaWire(m map[string]string) obj {
	out := obj{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
