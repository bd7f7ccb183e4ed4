package availitysim

import (
	"maps"
	"net/http"
	"slices"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// The payers of the sandbox.
const (
	PayerA           = "100000001" // requires member id, name and birth date
	PayerB           = "100000002" // the same, and refuses a group number
	PayerStrict      = "100000019" // wants the gender, the group of dependants, and one of two ways to name the patient
	PayerMaintenance = "100000503" // in its maintenance window: 503
	PayerSlow        = "100000045" // every answer takes Config.SlowFor
	PayerNever       = "100000099" // never answers
	PayerSilent      = "100000013" // does not answer in time
)

type payer struct {
	name     string
	scenario Scenario // what all its members get, unless said otherwise
}

var payers = map[string]payer{
	PayerA:           {"MOCK PAYER A", ""},
	PayerB:           {"MOCK PAYER B", ""},
	PayerStrict:      {"MOCK PAYER STRICT", ""},
	PayerMaintenance: {"MOCK PAYER MAINTENANCE", ""},
	PayerSlow:        {"MOCK PAYER SLOW", ScenarioSlow},
	PayerNever:       {"MOCK PAYER NEVER", ScenarioNever},
	PayerSilent:      {"MOCK PAYER SILENT", ScenarioSilent},
}

// fields are all that a coverage request may name.
var fields = set("payerId", "providerLastName", "providerFirstName", "providerType", "providerNpi", "providerTaxId", "payerAssignedProviderId",
	"providerSSN", "providerPIN", "medicaidProviderNumber", "providerOfficeId", "providerUserId", "contractNumber", "providerCity", "providerState",
	"providerZipCode", "providerSpecialty", "placeOfService", "submitterId", "asOfDate", "toDate", "cardIssueDate", "serviceType", "procedureCode",
	"memberId", "patientSSN", "medicaidId", "medicalRecordIdentificationNumber", "patientAccountNumber", "identificationCardSerialNumber",
	"identityCardNumber", "insurancePolicyNumber", "planNetworkIdentificationNumber", "agencyClaimNumber", "patientLastName", "patientZipCode",
	"patientFirstName", "patientMiddleName", "patientSuffix", "patientBirthDate", "patientGender", "patientState", "groupNumber",
	"groupOrPolicyNumber", "planNumber", "healthInsuranceClaimNumber", "subscriberRelationship", "caseNumber")

func set(names ...string) map[string]bool {
	out := map[string]bool{}
	for _, n := range names {
		out[n] = true
	}
	return out
}

// rules are what a payer requires of a coverage request.
type rules struct {
	required  []string
	optional  []string
	forbidden []string
	// dependants must have these; the relationship says who is one.
	dependants []string
	// oneOf lists ways to name the patient, one of which must be complete.
	oneOf [][]string
}

func rulesOf(payer string) rules {
	r := rules{
		required: []string{"payerId", "providerNpi", "asOfDate", "serviceType", "memberId", "patientLastName", "patientBirthDate"},
		optional: []string{"providerLastName", "providerFirstName", "submitterId", "patientFirstName", "patientGender", "groupNumber", "patientState", "subscriberRelationship"},
	}
	switch payer {
	case PayerB:
		r.optional = slices.DeleteFunc(r.optional, func(f string) bool { return f == "groupNumber" })
		r.forbidden = []string{"groupNumber"}
	case PayerStrict:
		r.required = []string{"payerId", "providerNpi", "asOfDate", "serviceType", "patientBirthDate", "patientGender"}
		r.optional = append(r.optional, "memberId", "patientLastName")
		r.dependants = []string{"groupNumber"}
		r.oneOf = [][]string{{"memberId", "patientLastName"}, {"memberId", "patientFirstName"}}
	}
	return r
}

// dependantCodes are relationships other than self (X12 element 1069).
var dependantCodes = []string{"01", "19", "34", "G8"}

// missing is the first field that a request lacks, or "".
func (r rules) missing(get func(string) string) string {
	for _, f := range r.required {
		if get(f) == "" {
			return f
		}
	}
	if slices.Contains(dependantCodes, get("subscriberRelationship")) {
		for _, f := range r.dependants {
			if get(f) == "" {
				return f
			}
		}
	}
	lacks := ""
	for i, way := range r.oneOf {
		gap := ""
		for _, f := range way {
			if gap == "" && get(f) == "" {
				gap = f
			}
		}
		switch {
		case gap == "":
			return ""
		case i == 0:
			lacks = gap
		}
	}
	return lacks
}

// elements are the rules as a configuration shows them.
func (r rules) elements() m {
	out := m{}
	add := func(names []string, required, allowed bool) {
		for _, n := range names {
			out[n] = m{"type": elementType(n), "label": n, "required": required, "allowed": allowed, "order": len(out)}
		}
	}
	add(r.optional, false, true)
	add(r.required, true, true)
	add(r.forbidden, false, false)
	for _, f := range r.dependants {
		out[f] = m{"type": "Text", "label": f, "required": false, "allowed": true, "order": len(out),
			"requiredWhen": m{"subscriberRelationship": m{"containedIn": dependantCodes}}}
	}
	out["instructions"] = m{"type": "Information", "information": []string{"Enter the member as on the card."}, "required": true, "order": len(out)}
	return out
}

func elementType(name string) string {
	switch name {
	case "asOfDate", "toDate", "patientBirthDate":
		return "Date"
	case "serviceType", "patientGender", "subscriberRelationship", "patientState":
		return "Enumeration"
	}
	return "Text"
}

// configurations is GET /v1/configurations.
func (s *Server) configurations(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for k := range q {
		if k != "type" && k != "payerId" && k != "subtypeId" {
			fail(w, http.StatusBadRequest, "Unknown parameter", fieldError{k, "unknown", "The parameter is not known"})
			return
		}
	}
	if q.Get("type") == "" {
		fail(w, http.StatusBadRequest, "The type is missing", fieldError{"type", "required", "The type is required"})
		return
	}
	list := []any{}
	for _, id := range slices.Sorted(maps.Keys(payers)) {
		if want := q.Get("payerId"); q.Get("type") != "270" || want != "" && want != id {
			continue
		}
		rules := rulesOf(id)
		c := m{"type": "270", "categoryId": "HIPAA", "categoryValue": "HIPAA transactions", "payerId": id, "payerName": payers[id].name, "version": "1.0", "elements": rules.elements()}
		if rules.oneOf != nil {
			c["requiredFieldCombinations"] = m{"patient": rules.oneOf}
		}
		list = append(list, c)
	}
	sim.WriteJSON(w, http.StatusOK, m{"totalCount": len(list), "count": len(list), "offset": 0, "limit": 50,
		"links": m{"self": m{"href": s.o.PublicURL + "/v1/configurations"}}, "configurations": list})
}

// transactions are what the sandbox's payers support, by the code of the
// transaction and its description.
var transactions = map[string]string{"270": "Eligibility and Benefits Inquiry", "276": "Claim Status Inquiry"}

// payerList is GET /v1/availity-payer-list. A payer is listed once for each
// transaction.
func (s *Server) payerList(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	want := func(name, value string) bool { return !q.Has(name) || slices.Contains(q[name], value) }
	list := []any{}
	for _, id := range slices.Sorted(maps.Keys(payers)) {
		for _, code := range slices.Sorted(maps.Keys(transactions)) {
			if !want("payerId", id) || !want("transactionType", code) || !want("submissionMode", "API") || !want("enrollmentRequired", "false") || !want("availability", "available") {
				continue
			}
			list = append(list, m{"payerId": id, "name": payers[id].name, "displayName": payers[id].name, "shortName": "MOCK_" + id[len(id)-3:],
				"processingRoutes": m{"transactionDescription": transactions[code], "submissionMode": "API", "availability": true, "enrollmentRequired": false,
					"effectiveDate": "2026-01-01T00:00:00.000+0000"}})
		}
	}
	sim.WriteJSON(w, http.StatusOK, list)
}
