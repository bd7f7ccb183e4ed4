package availitysim

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

type claim struct {
	id    string
	form  url.Values
	made  time.Time
	reads int
}

// claimFields are all that a claim status request may name.
var claimFields = set("payer.id", "submitter.lastName", "submitter.firstName", "submitter.middleName", "submitter.suffix", "submitter.id",
	"providers.lastName", "providers.firstName", "providers.middleName", "providers.suffix", "providers.npi", "providers.taxId",
	"providers.payerAssignedProviderId", "subscriber.memberId", "subscriber.lastName", "subscriber.firstName", "subscriber.middleName",
	"subscriber.suffix", "patient.lastName", "patient.firstName", "patient.middleName", "patient.suffix", "patient.birthDate", "patient.genderCode",
	"patient.accountNumber", "patient.subscriberRelationshipCode", "fromDate", "toDate", "claimNumber", "claimAmount", "facilityTypeCode", "frequencyTypeCode")

// findClaim is POST /v1/claim-statuses, a search in a POST's clothes: 202
// until the payer has answered, then 200.
func (s *Server) findClaim(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-HTTP-Method-Override") != http.MethodGet {
		fail(w, http.StatusBadRequest, "The method override is missing", fieldError{"X-HTTP-Method-Override", "required", "The value must be GET"})
		return
	}
	if !form(r) {
		fail(w, http.StatusBadRequest, "The request must be a form")
		return
	}
	f := r.PostForm
	if e := malformedClaim(f); e != nil {
		fail(w, http.StatusBadRequest, "The request is not valid", *e)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down[f.Get("payer.id")] {
		fail(w, http.StatusServiceUnavailable, "The payer is in its maintenance window")
		return
	}
	var c *claim
	for _, x := range s.claims {
		if x.form.Encode() == f.Encode() {
			c = x
		}
	}
	if c == nil {
		c = &claim{id: s.id(), form: f, made: s.o.Time()}
		s.claims[c.id] = c
	}
	s.answerClaim(w, c, false)
}

func malformedClaim(f url.Values) *fieldError {
	for k := range f {
		if !claimFields[k] {
			return &fieldError{k, "unknown", "The field is not known"}
		}
	}
	for _, k := range []string{"payer.id", "providers.npi", "subscriber.memberId", "patient.lastName", "fromDate", "toDate"} {
		if f.Get(k) == "" {
			return &fieldError{k, "required", "The field is required"}
		}
	}
	if _, known := payers[f.Get("payer.id")]; !known {
		return &fieldError{"payer.id", "invalid", "The payer is not known"}
	}
	for _, k := range []string{"fromDate", "toDate", "patient.birthDate"} {
		if v := f.Get(k); v != "" {
			if _, err := time.Parse(time.DateOnly, v); err != nil {
				return &fieldError{k, "invalid", "The date must look like YYYY-MM-DD"}
			}
		}
	}
	return nil
}

// readClaim is GET /v1/claim-statuses/{id}.
func (s *Server) readClaim(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.claims[r.PathValue("id")]
	if c == nil {
		fail(w, http.StatusNotFound, "The claim status was not found")
		return
	}
	s.answerClaim(w, c, true)
}

// deleteClaim is DELETE /v1/claim-statuses/{id}.
func (s *Server) deleteClaim(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.claims, r.PathValue("id"))
	w.WriteHeader(http.StatusOK)
}

// answerClaim shows one claim status. The lock is held.
func (s *Server) answerClaim(w http.ResponseWriter, c *claim, full bool) {
	status, code, text := http.StatusAccepted, "0", "In Progress"
	if c.reads >= s.cfg.Polls {
		status, code, text = http.StatusOK, "4", "Complete"
	}
	c.reads++
	get := c.form.Get
	v := m{"id": c.id, "status": text, "statusCode": code, "controlNumber": "82" + c.id, "customerId": "1194", "createdDate": stamp(c.made), "updatedDate": stamp(s.o.Time()),
		"expirationDate": stamp(c.made.Add(s.cfg.RecordLife)), "payer": m{"id": get("payer.id")}, "fromDate": get("fromDate"), "toDate": get("toDate"),
		"patient": m{"lastName": get("patient.lastName")}, "providers": []any{m{"npi": get("providers.npi")}}}
	if status == http.StatusAccepted {
		w.Header().Set("Location", s.o.PublicURL+"/v1/claim-statuses/"+c.id)
		w.Header().Set("X-Status-Message", text)
	}
	if full && status == http.StatusOK {
		v["claimCount"] = "1"
		v["claimStatuses"] = []any{m{"traceId": "1" + c.id, "claimControlNumber": "ICN" + c.id, "patientControlNumber": get("patient.accountNumber"), "fromDate": get("fromDate"),
			"toDate": get("toDate"), "statusDetails": []any{claimDetail(get("claimAmount"), get("toDate"))}}}
		sim.WriteJSON(w, status, v)
		return
	}
	list := []any{v}
	sim.WriteJSON(w, status, m{"totalCount": 1, "count": 1, "offset": 0, "limit": 50, "links": m{}, "claimStatuses": list})
}

// claimDetail is the status of a claim that was paid but for $25.
func claimDetail(amount, day string) m {
	d := m{"category": "Finalized/Payment", "categoryCode": "F1", "status": "Claim/line has been paid.", "statusCode": "65", "effectiveDate": day, "finalizedDate": day,
		"remittanceDate": day, "checkNumber": "E000123", "paymentAmountUnits": "USD", "claimAmountUnits": "USD"}
	if slices.Contains([]string{"", "0"}, strings.TrimSpace(amount)) {
		amount = "145.00"
	}
	d["claimAmount"], d["paymentAmount"] = amount, "120.00"
	return d
}
