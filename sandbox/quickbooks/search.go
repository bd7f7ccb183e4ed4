package quickbookssim

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// value is a searchable property of an object.
type value struct {
	kind valueKind
	text string
	num  int64 // cents, an id's number, or 1 for true
	at   time.Time
}

type valueKind int

const (
	kindText valueKind = iota
	kindID
	kindAmount
	kindBool
	kindTime
)

func text(s string) (value, bool)   { return value{kind: kindText, text: s}, true }
func amount(a Amount) (value, bool) { return value{kind: kindAmount, num: int64(a)}, true }
func moment(t Time) (value, bool)   { return value{kind: kindTime, at: t.Time}, true }

func ident(s string) (value, bool) {
	n, _ := strconv.ParseInt(s, 10, 64)
	return value{kind: kindID, text: s, num: n}, true
}

func boolean(b bool) (value, bool) {
	v := value{kind: kindBool}
	if b {
		v.num = 1
	}
	return v, true
}

func (h *Head) prop(name string) (value, bool) {
	switch name {
	case "Id":
		return ident(h.ID)
	case "MetaData.CreateTime":
		return moment(h.MetaData.CreateTime)
	case "MetaData.LastUpdatedTime":
		return moment(h.MetaData.LastUpdatedTime)
	}
	return value{}, false
}

func (t *Txn) prop(name string) (value, bool) {
	switch name {
	case "DocNumber":
		return text(t.DocNumber)
	case "TxnDate":
		return text(t.TxnDate)
	case "CustomerRef":
		return text(t.CustomerRef.id())
	case "TotalAmt":
		return amount(t.TotalAmt)
	}
	return t.Head.prop(name)
}

func (i *Invoice) prop(name string) (value, bool) {
	switch name {
	case "DueDate":
		return text(i.DueDate)
	case "Balance":
		return amount(i.Balance)
	}
	return i.Txn.prop(name)
}

func (p *Payment) prop(name string) (value, bool) {
	switch name {
	case "PaymentRefNum":
		return text(p.PaymentRefNum)
	case "DocNumber": // payments have none
		return value{}, false
	}
	return p.Txn.prop(name)
}

func (c *Customer) prop(name string) (value, bool) {
	switch name {
	case "DisplayName":
		return text(c.DisplayName)
	case "GivenName":
		return text(c.GivenName)
	case "FamilyName":
		return text(c.FamilyName)
	case "Active":
		return boolean(c.Active)
	case "Balance":
		return amount(c.Balance)
	}
	return c.Head.prop(name)
}

func (i *Item) prop(name string) (value, bool) {
	switch name {
	case "Name":
		return text(i.Name)
	case "Type":
		return text(i.Type)
	case "Active":
		return boolean(i.Active)
	}
	return i.Head.prop(name)
}

func (a *Account) prop(name string) (value, bool) {
	switch name {
	case "Name":
		return text(a.Name)
	case "AccountType":
		return text(a.AccountType)
	case "AccountSubType":
		return text(a.AccountSubType)
	case "Classification":
		return text(a.Classification)
	case "Active":
		return boolean(a.Active)
	}
	return a.Head.prop(name)
}

func (m *PaymentMethod) prop(name string) (value, bool) {
	switch name {
	case "Name":
		return text(m.Name)
	case "Active":
		return boolean(m.Active)
	}
	return m.Head.prop(name)
}

// parse reads a literal as a value of v's kind.
func (v value) parse(s string) (value, bool) {
	switch v.kind {
	case kindAmount:
		a, err := ParseAmount(s)
		return value{kind: v.kind, num: int64(a)}, err == nil
	case kindID:
		n, err := strconv.ParseInt(s, 10, 64)
		return value{kind: v.kind, text: s, num: n}, err == nil
	case kindBool:
		b, _ := boolean(strings.EqualFold(s, "true"))
		return b, strings.EqualFold(s, "true") || strings.EqualFold(s, "false")
	case kindTime:
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
			if t, err := time.ParseInLocation(layout, s, pacific); err == nil {
				return value{kind: v.kind, at: t}, true
			}
		}
		return value{}, false
	}
	return value{kind: v.kind, text: s}, true
}

func (v value) compare(o value) int {
	switch v.kind {
	case kindText:
		return cmp.Compare(v.text, o.text)
	case kindTime:
		return v.at.Truncate(time.Second).Compare(o.at)
	}
	return cmp.Compare(v.num, o.num)
}

// test applies a condition; ok is false when a literal has another type.
func (c condition) test(v value) (hit, ok bool) {
	if c.operator == "like" {
		return like(v.text, c.literals[0]), v.kind == kindText
	}
	for _, l := range c.literals {
		o, good := v.parse(l)
		if !good {
			return false, false
		}
		n := v.compare(o)
		hit = hit || (n == 0 && c.operator != "<" && c.operator != ">") ||
			(n < 0 && strings.HasPrefix(c.operator, "<")) || (n > 0 && strings.HasPrefix(c.operator, ">"))
	}
	return hit, true
}

// like matches a pattern in which % stands for any text.
func like(s, pattern string) bool {
	s, parts := strings.ToLower(s), strings.Split(strings.ToLower(pattern), "%")
	if len(parts) == 1 {
		return s == parts[0]
	}
	rest, ok := strings.CutPrefix(s, parts[0])
	if !ok {
		return false
	}
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

func (s *Server) getQuery(w http.ResponseWriter, r *http.Request) {
	s.runQuery(w, r, r.URL.Query().Get("query"))
}

func (s *Server) postQuery(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuery))
	if err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/text") {
		s.writeFault(w, r, refuse("4000", "Error parsing query", "QueryParserError: the statement cannot be read"))
		return
	}
	s.runQuery(w, r, string(b))
}

func (s *Server) runQuery(w http.ResponseWriter, r *http.Request, statement string) {
	st, err := parseQuery(statement)
	if err != nil {
		s.writeFault(w, r, refuse("4000", "Error parsing query", "QueryParserError: "+err.Error()))
		return
	}
	s.mu.Lock()
	out, f := s.search(st)
	var b []byte
	if f == nil {
		b = s.envelope("QueryResponse", out)
	}
	s.mu.Unlock()
	if f != nil {
		s.writeFault(w, r, f)
		return
	}
	writeBody(w, http.StatusOK, b)
}

func notQueryable(p string) *fault {
	return refuse("4001", "Invalid query", "QueryValidationError: property '"+p+"' is not queryable")
}

// blank makes an object of a type, to ask which properties it has.
var blank = map[string]object{"Invoice": &Invoice{}, "Payment": &Payment{}, "RefundReceipt": &RefundReceipt{}, "CreditMemo": &CreditMemo{},
	"Customer": &Customer{}, "Item": &Item{}, "Account": &Account{}, "PaymentMethod": &PaymentMethod{}}

func (s *Server) search(st statement) (map[string]any, *fault) {
	name := entityName[strings.ToLower(st.entity)]
	sample, ok := blank[name]
	if !ok {
		return nil, refuse("4001", "Invalid query", "QueryValidationError: entity "+st.entity+" is not queryable")
	}
	for _, o := range st.order {
		if _, ok := sample.prop(o.property); !ok {
			return nil, notQueryable(o.property)
		}
	}
	asksActive := false
	for _, c := range st.where {
		v, ok := sample.prop(c.property)
		if ok {
			_, ok = c.test(v)
		}
		if !ok {
			return nil, notQueryable(c.property)
		}
		asksActive = asksActive || c.property == "Active"
	}
	rows := s.matching(name, st, asksActive)
	if st.count {
		return map[string]any{"totalCount": len(rows)}, nil
	}
	total := len(rows)
	rows = rows[min(st.start-1, total):]
	rows = rows[:min(st.most, len(rows))]
	if len(rows) == 0 {
		return map[string]any{}, nil
	}
	list, f := project(rows, st.columns)
	return map[string]any{name: list, "startPosition": st.start, "maxResults": len(rows), "totalCount": total}, f
}

// matching are the live rows in order. Inactive list entries are left out
// unless the statement asks about Active.
func (s *Server) matching(name string, st statement, asksActive bool) []object {
	var rows []object
next:
	for _, x := range s.table(name).list {
		if x.head().deleted {
			continue
		}
		if v, ok := x.prop("Active"); ok && v.num == 0 && !asksActive {
			continue
		}
		for _, c := range st.where {
			v, _ := x.prop(c.property)
			if hit, _ := c.test(v); !hit {
				continue next
			}
		}
		rows = append(rows, x)
	}
	slices.SortStableFunc(rows, func(a, b object) int {
		for _, o := range st.order {
			va, _ := a.prop(o.property)
			vb, _ := b.prop(o.property)
			if n := va.compare(vb); n != 0 {
				if o.down {
					return -n
				}
				return n
			}
		}
		return 0
	})
	return rows
}

// project keeps the columns asked for; the id always comes along.
func project(rows []object, columns []string) (any, *fault) {
	if len(columns) == 0 {
		return rows, nil
	}
	var out []map[string]json.RawMessage
	for _, x := range rows {
		b, _ := json.Marshal(x)
		var all map[string]json.RawMessage
		_ = json.Unmarshal(b, &all)
		row := map[string]json.RawMessage{"Id": all["Id"]}
		for _, c := range columns {
			top, _, _ := strings.Cut(c, ".")
			if v, ok := all[top]; ok {
				row[top] = v
			} else if _, ok := x.prop(c); !ok {
				return nil, notQueryable(c)
			}
		}
		out = append(out, row)
	}
	return out, nil
}
