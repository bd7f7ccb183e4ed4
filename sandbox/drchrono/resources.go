package drchronosim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

func (s *Server) nextID() string {
	s.next++
	return strconv.FormatInt(s.next, 10)
}

// stamp is DrChrono's naive local time.
func (s *Server) stamp() string {
	loc, err := time.LoadLocation(s.cfg.TimeZone)
	if err != nil {
		loc = time.UTC
	}
	return s.o.Time().In(loc).Format("2006-01-02T15:04:05")
}

// currentUser redirects to the user's own address, as the vendor documents.
func (s *Server) currentUser(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, s.base(r)+"/api/users/500055", http.StatusFound)
}

func (s *Server) user(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("id") != "500055" {
		notFound(w)
		return
	}
	sim.WriteJSON(w, http.StatusOK, object{"id": "500055", "username": "sandbox", "doctor": "310055", "practice_group": "4711", "is_doctor": true, "is_staff": false, "permissions": object{}})
}

func (s *Server) listDoctors(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	all := values(s.doctors)
	s.mu.Unlock()
	s.page(w, r, all)
}

// one answers GET of a single resource.
func (s *Server) one(table func() map[string]object) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		o, ok := table()[r.PathValue("id")]
		o = maps.Clone(o)
		s.mu.Unlock()
		if !ok {
			notFound(w)
			return
		}
		sim.WriteJSON(w, http.StatusOK, public(o))
	}
}

// text is a field as a query names it.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case int:
		return strconv.Itoa(v)
	}
	return fmt.Sprint(v)
}

// public leaves out what only the simulator knows.
func public(o object) object {
	out := object{}
	for k, v := range o {
		if !strings.HasPrefix(k, "_") {
			out[k] = v
		}
	}
	return out
}

// page answers a listing with cursor links, as the live API does.
func (s *Server) page(w http.ResponseWriter, r *http.Request, all []object) {
	size := 20
	if n, err := strconv.Atoi(r.URL.Query().Get("page_size")); err == nil && n > 0 {
		size = min(n, 250)
	}
	from := 0
	if c := r.URL.Query().Get("cursor"); c != "" {
		n, err := strconv.Atoi(c)
		if err != nil || n < 0 {
			notFound(w)
			return
		}
		from = n
	}
	link := func(n int) any {
		q := r.URL.Query()
		q.Set("cursor", strconv.Itoa(n))
		return s.base(r) + r.URL.Path + "?" + q.Encode()
	}
	body := object{"previous": nil, "next": nil}
	if from > 0 {
		body["previous"] = link(max(from-size, 0))
	}
	end := min(from+size, len(all))
	if end < len(all) {
		body["next"] = link(end)
	}
	results := []object{}
	for _, o := range all[min(from, len(all)):end] {
		results = append(results, public(o))
	}
	body["results"] = results
	sim.WriteJSON(w, http.StatusOK, body)
}

func (s *Server) base(r *http.Request) string {
	if s.o.PublicURL != "" {
		return s.o.PublicURL
	}
	return "http://" + r.Host
}

// filter keeps the objects whose fields equal the query's, that are not newer
// than the lists' lag, and that were changed at or after since.
func (s *Server) filter(r *http.Request, all []object, fields ...string) ([]object, bool) {
	q := r.URL.Query()
	since := q.Get("since")
	if since != "" && !isTime(since) {
		return nil, false
	}
	wanted := map[string]string{}
	for _, f := range fields {
		if v := q.Get(f); v != "" {
			wanted[f] = v
		}
	}
	keep := func(o object) bool {
		for f, v := range wanted {
			if text(o[f]) != v {
				return false
			}
		}
		if at, _ := o["updated_at"].(string); since != "" && at < since {
			return false
		}
		made, ok := o["_made"].(time.Time)
		return !ok || time.Since(made) >= s.cfg.ListLag
	}
	var out []object
	for _, o := range all {
		if keep(o) {
			out = append(out, o)
		}
	}
	return out, true
}

// isTime reports whether v is a date or a date and time without a zone.
func isTime(v string) bool {
	_, day := time.Parse(time.DateOnly, v)
	_, second := time.Parse("2006-01-02T15:04:05", v)
	return day == nil || second == nil
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, all []object, fields ...string) {
	s.mu.Lock()
	rows, ok := s.filter(r, all, fields...)
	for i, o := range rows {
		rows[i] = public(o) // a copy: a charge may change while the page is written
	}
	s.mu.Unlock()
	if !ok {
		refuse(w, "since", "Enter a valid date/time.")
		return
	}
	s.page(w, r, rows)
}

func values(m map[string]object) []object {
	var out []object
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

func (s *Server) listPatients(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	all := values(s.patients)
	s.mu.Unlock()
	s.answer(w, r, all, "first_name", "last_name", "date_of_birth", "gender", "doctor", "preferred_language", "email")
}

func (s *Server) listLines(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	all := values(s.lines)
	s.mu.Unlock()
	s.answer(w, r, all, "appointment", "patient", "doctor", "service_date", "posted_date")
}

func (s *Server) listGone(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	all := slices.Clone(s.gone)
	s.mu.Unlock()
	s.answer(w, r, all, "appointment_id")
}

func (s *Server) listRemits(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	all := slices.Clone(s.remits)
	s.mu.Unlock()
	s.answer(w, r, all, "line_item", "appointment", "doctor", "posted_date")
}

func (s *Server) listPayments(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	all := slices.Clone(s.payments)
	s.mu.Unlock()
	// There is no filter on trace_number or appointment.
	s.answer(w, r, all, "patient", "doctor", "posted_date")
}

func (s *Server) listLog(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	all := slices.Clone(s.log)
	s.mu.Unlock()
	s.answer(w, r, all, "doctor", "office")
}

func (s *Server) onePayment(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.payments {
		if text(p["id"]) == r.PathValue("id") {
			sim.WriteJSON(w, http.StatusOK, public(p))
			return
		}
	}
	notFound(w)
}

var (
	methods = []string{"CASH", "CHCK", "DBIT", "CRDT", "AMEX", "VISA", "MSTR", "DISC", "SQR1", "SQRE", "PTPA", "ONPT", "DRCP", "OTHR"}
	types   = []string{"", "COPAY", "COINSR", "REF", "COR", "OTHR"}
	known   = []string{"patient", "amount", "appointment", "line_item", "doctor", "payment_method", "payment_transaction_type", "received_date", "trace_number", "notes"}
)

// createPayment posts a patient payment. It knows no idempotency: the same
// request twice makes two.
func (s *Server) createPayment(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		sim.WriteJSON(w, http.StatusUnsupportedMediaType, object{"detail": "Unsupported media type in request."})
		return
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	dec.UseNumber()
	var in object
	err := dec.Decode(&in)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the object")
		}
	}
	if err != nil {
		sim.WriteJSON(w, http.StatusBadRequest, object{"detail": "JSON parse error"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if field, msg := s.checkPayment(in); msg != "" {
		refuse(w, field, msg)
		return
	}
	p := object{"id": json.Number(s.nextID()), "line_item": nil, "appointment": nil, "doctor": json.Number("310055"), "payment_method": "", "payment_transaction_type": "",
		"trace_number": "", "notes": "", "received_date": s.stamp()[:10], "posted_date": s.stamp()[:10], "created_at": s.stamp(), "updated_at": s.stamp(),
		"created_by": "310055", "_made": time.Now()}
	for _, k := range known {
		if v, ok := in[k]; ok {
			p[k] = v
		}
	}
	if p["appointment"] == nil && p["line_item"] != nil { // inferred from the line item
		p["appointment"] = s.lines[fmt.Sprint(p["line_item"])]["appointment"]
	}
	s.payments = append(s.payments, p)
	s.log = append(s.log, object{"id": json.Number(s.nextID()), "action": "C", "amount": p["amount"], "patient": fmt.Sprint(p["patient"]), "appointment": fmt.Sprint(p["appointment"]),
		"payment_method": p["payment_method"], "source": "API", "created_by": "310055", "updated_at": s.stamp()})
	sim.WriteJSON(w, http.StatusCreated, public(p))
}

// checkPayment validates as Django REST does: field and message of the first fault.
func (s *Server) checkPayment(in object) (field, msg string) {
	for k := range in {
		if !slices.Contains(known, k) {
			return k, "This field is read only or unknown."
		}
	}
	if _, ok := s.patients[fmt.Sprint(in["patient"])]; !ok {
		if in["patient"] == nil {
			return "patient", "This field is required."
		}
		return "patient", "Invalid pk - object does not exist."
	}
	amount, ok := in["amount"].(json.Number)
	if !ok {
		return "amount", "A valid number is required."
	}
	cents, err := cents(amount.String())
	if err != nil {
		return "amount", "Ensure that there are no more than 2 decimal places."
	}
	if cents == 0 {
		return "amount", "Amount cannot be zero."
	}
	if l := in["line_item"]; l != nil {
		line, ok := s.lines[fmt.Sprint(l)]
		if !ok {
			return "line_item", "Invalid pk - object does not exist."
		}
		if fmt.Sprint(line["patient"]) != fmt.Sprint(in["patient"]) {
			return "line_item", "The line item belongs to another patient."
		}
	}
	if a := in["appointment"]; a != nil {
		visit, ok := s.visits[fmt.Sprint(a)]
		if !ok {
			return "appointment", "Invalid pk - object does not exist."
		}
		if fmt.Sprint(visit["patient"]) != fmt.Sprint(in["patient"]) {
			return "appointment", "The appointment belongs to another patient."
		}
	}
	if d := in["doctor"]; d != nil && s.doctors[fmt.Sprint(d)] == nil {
		return "doctor", "Invalid pk - object does not exist."
	}
	return checkChoices(in)
}

// texts are the fields that are strings when they are there.
var texts = []string{"payment_method", "payment_transaction_type", "received_date", "trace_number", "notes"}

func checkChoices(in object) (field, msg string) {
	for _, k := range texts {
		if v, ok := in[k]; ok {
			if _, ok := v.(string); !ok {
				return k, "Not a valid string."
			}
		}
	}
	if m, ok := in["payment_method"].(string); ok && !slices.Contains(methods, m) {
		return "payment_method", fmt.Sprintf("%q is not a valid choice.", m)
	}
	if t, ok := in["payment_transaction_type"].(string); ok && !slices.Contains(types, t) {
		return "payment_transaction_type", fmt.Sprintf("%q is not a valid choice.", t)
	}
	if d, ok := in["received_date"].(string); ok {
		if _, err := time.Parse(time.DateOnly, d); err != nil {
			return "received_date", "Date has wrong format."
		}
	}
	if t, ok := in["trace_number"].(string); ok && len(t) > 40 {
		return "trace_number", "Ensure this field has no more than 40 characters."
	}
	return "", ""
}

// cents reads a decimal dollar amount.
func cents(s string) (int64, error) {
	neg := strings.HasPrefix(s, "-")
	whole, frac, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if len(frac) > 2 || whole == "" {
		return 0, fmt.Errorf("not an amount: %q", s)
	}
	if strings.Trim(whole+frac, "0123456789") != "" {
		return 0, fmt.Errorf("not an amount: %q", s)
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", 2-len(frac)), 10, 64)
	if neg {
		n = -n
	}
	return n, err
}
