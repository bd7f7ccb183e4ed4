package availitysim

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

type coverage struct {
	id       string
	form     url.Values
	scenario Scenario
	reads    int
	made     time.Time
	changed  time.Time
	status   string // status code when it was last seen
}

// texts are the status codes of a coverage.
var texts = map[string]string{
	"0": "In Progress", "R1": "Retrying", "4": "Complete", "3": "Complete (Invalid Response)", "E1": "Request Could Not Be Sent", "7": "Communication Error",
	"13": "Payer Did Not Respond In Time", "14": "Payer Unavailable", "15": "Payer System Error", "19": "Request Error",
}

var (
	npi  = regexp.MustCompile(`^[0-9]{10}$`)
	date = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+([+-][0-9:]+|Z)?)?$`)
)

// createCoverage is POST /v1/coverages: a new request, or the same one again.
func (s *Server) createCoverage(w http.ResponseWriter, r *http.Request) {
	if !form(r) {
		fail(w, http.StatusBadRequest, "The request must be a form")
		return
	}
	f := r.PostForm
	if e := s.malformed(f); e != nil {
		fail(w, http.StatusBadRequest, "The request is not valid", *e)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down[f.Get("payerId")] {
		fail(w, http.StatusServiceUnavailable, "The payer is in its maintenance window")
		return
	}
	scenario := s.choose(r, f)
	now := s.o.Time()
	c := s.bySubject[subject(f, scenario)]
	if c == nil || s.live(c.id) == nil {
		c = &coverage{id: s.id(), form: f, scenario: scenario, made: now, changed: now}
		s.coverages[c.id], s.bySubject[subject(f, scenario)] = c, c
	}
	code := s.advance(c, now)
	status := http.StatusAccepted
	if code == "4" {
		status = http.StatusOK
	}
	sim.WriteJSON(w, status, s.summary(c, code))
}

// malformed finds what is refused before a payer is asked.
func (s *Server) malformed(f url.Values) *fieldError {
	for k, vs := range f {
		switch {
		case !fields[k]:
			return &fieldError{k, "unknown", "The field is not known"}
		case len(vs) != 1:
			return &fieldError{k, "repeated", "The field may be given once"}
		}
	}
	if _, known := payers[f.Get("payerId")]; !known {
		return &fieldError{"payerId", "invalid", "The payer is not known"}
	}
	for _, k := range []string{"asOfDate", "toDate", "patientBirthDate", "cardIssueDate"} {
		if v := f.Get(k); v != "" {
			if _, err := time.Parse(time.DateOnly, v[:min(len(v), 10)]); err != nil || !date.MatchString(v) {
				return &fieldError{k, "invalid", "The date must look like YYYY-MM-DD"}
			}
		}
	}
	for _, k := range rulesOf(f.Get("payerId")).forbidden {
		if f.Has(k) {
			return &fieldError{k, "notAllowed", "The payer does not allow this field"}
		}
	}
	return nil
}

// subject is what makes two requests the same.
func subject(f url.Values, sc Scenario) string { return string(sc) + "\n" + f.Encode() }

// live finds a record that has not expired. The lock is held.
func (s *Server) live(id string) *coverage {
	c := s.coverages[id]
	if c == nil || !s.o.Time().Before(c.made.Add(s.cfg.RecordLife)) {
		return nil
	}
	return c
}

// readCoverage is GET /v1/coverages/{id}. It answers 200 while the payer is
// still being asked, too; the status code says so.
func (s *Server) readCoverage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.live(r.PathValue("id"))
	if c == nil {
		fail(w, http.StatusNotFound, "The coverage was not found")
		return
	}
	code := s.advance(c, s.o.Time())
	c.reads++
	sim.WriteJSON(w, http.StatusOK, s.full(c, code))
}

// deleteCoverage is DELETE /v1/coverages/{id}.
func (s *Server) deleteCoverage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.live(r.PathValue("id"))
	if c == nil {
		fail(w, http.StatusNotFound, "The coverage was not found")
		return
	}
	delete(s.coverages, c.id)
	delete(s.bySubject, subject(c.form, c.scenario))
	w.WriteHeader(http.StatusNoContent)
}

// advance is how far a coverage is now. The lock is held.
func (s *Server) advance(c *coverage, now time.Time) string {
	code := s.code(c, now)
	if code != c.status {
		c.status, c.changed = code, now
	}
	return code
}

func (s *Server) code(c *coverage, now time.Time) string {
	if len(s.invalid(c)) > 0 {
		return "19"
	}
	switch c.scenario {
	case ScenarioNever:
		return "R1"
	case ScenarioUnsent:
		return "E1"
	case ScenarioStrange:
		return "ZZ"
	case ScenarioSlow:
		if now.Sub(c.made) < s.cfg.SlowFor {
			return "0"
		}
		return "4"
	}
	if c.reads < s.cfg.Polls {
		if c.reads == 0 {
			return "0"
		}
		return "R1"
	}
	if code, ok := endings[c.scenario]; ok {
		return code
	}
	return "4"
}

// invalid are the payer's validation messages on a request.
func (s *Server) invalid(c *coverage) []fieldError {
	get := c.form.Get
	switch {
	case rulesOf(get("payerId")).missing(get) != "":
		return []fieldError{{rulesOf(get("payerId")).missing(get), "required", "The field is required"}}
	case get("providerNpi") != "" && !npi.MatchString(get("providerNpi")):
		return []fieldError{{"providerNpi", "43", "Invalid/Missing Provider Identification"}}
	case get("patientGender") != "" && !slices.Contains([]string{"M", "F", "U"}, get("patientGender")):
		return []fieldError{{"patientGender", "66", "Invalid/Missing Patient Gender Code"}}
	case c.scenario == ScenarioRejected && c.reads >= s.cfg.Polls:
		return []fieldError{{"memberId", "75", "Subscriber/Insured Not Found"}, {"patientBirthDate", "71", "Patient Birth Date Does Not Match That for the Patient on the Database"}}
	}
	return nil
}

// summary is what a POST answers: it names the plans, never their benefits.
func (s *Server) summary(c *coverage, code string) m {
	v := s.head(c, code)
	if code == "4" {
		var plans []any
		for _, p := range plansOf(c) {
			short := m{}
			for _, k := range []string{"status", "statusCode", "groupNumber", "groupName", "insuranceType", "insuranceTypeCode", "coverageStartDate", "coverageEndDate"} {
				if x, ok := p[k]; ok {
					short[k] = x
				}
			}
			plans = append(plans, short)
		}
		v["plans"] = plans
	}
	return v
}

// full is what a GET answers.
func (s *Server) full(c *coverage, code string) m {
	v := s.head(c, code)
	if errs := s.invalid(c); code == "19" && len(errs) > 0 {
		v["validationMessages"] = errs
	}
	if code != "4" {
		return v
	}
	plans := []any{}
	for _, p := range plansOf(c) {
		plans = append(plans, p)
	}
	if p := v["patient"].(m); p["subscriberRelationshipCode"] == "18" { // the patient is the member
		p["memberId"] = c.form.Get("memberId")
	}
	v["plans"] = plans
	v["supplementalInformation"] = m{"assessmentCarePlan": false}
	return v
}

func (s *Server) head(c *coverage, code string) m {
	get := c.form.Get
	v := m{"id": c.id, "status": texts[code], "statusCode": code, "controlNumber": "81" + c.id, "customerId": "1194",
		"createdDate": stamp(c.made), "updatedDate": stamp(c.changed), "expirationDate": stamp(c.made.Add(s.cfg.RecordLife)),
		"payer":                m{"payerId": get("payerId"), "name": payers[get("payerId")].name},
		"requestedServiceType": []any{m{"code": get("serviceType"), "value": serviceNames[get("serviceType")]}}}
	for k, from := range map[string]string{"asOfDate": "asOfDate", "toDate": "toDate"} {
		if d := get(from); d != "" {
			v[k] = d[:10] + "T00:00:00.000+0000"
		}
	}
	if code == "4" {
		patient := m{"firstName": get("patientFirstName"), "lastName": get("patientLastName"), "subscriberRelationshipCode": "18"}
		if r := get("subscriberRelationship"); r != "" {
			patient["subscriberRelationshipCode"] = r
		}
		v["patient"] = patient
		v["subscriber"] = m{"memberId": get("memberId"), "lastName": get("patientLastName")}
		v["payer"].(m)["responseName"] = payers[get("payerId")].name
		v["payer"].(m)["responsePayerId"] = get("payerId")
	}
	return v
}
