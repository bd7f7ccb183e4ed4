package availitysim_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	availitysim "github.com/copayflow/copayflow/sandbox/availity"
)

// answer is the finished coverage of a member, asked about one service.
func (d *desk) answer(member, service string) map[string]any {
	d.Helper()
	_, _, sum := d.call(http.MethodPost, "/v1/coverages", question("memberId", member, "serviceType", service))
	status, _, full := d.call(http.MethodGet, "/v1/coverages/"+sum["id"].(string), nil)
	require.Equal(d, http.StatusOK, status)
	return full
}

// at walks into an answer: object members by name, list entries by number.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			o, ok := v.(map[string]any)
			require.True(t, ok, "%v of %v", p, v)
			v = o[p]
		case int:
			l, ok := v.([]any)
			require.True(t, ok && p < len(l), "%v of %v", p, v)
			v = l[p]
		}
	}
	return v
}

func TestEndingsOfAllScenarios(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: 1})
	for member, want := range map[string][]string{ // what the POST and each read say
		availitysim.MemberCoPay: {"0", "0", "4", "4"}, availitysim.MemberTwoRows: {"0", "0", "4", "4"}, availitysim.MemberInactive: {"0", "0", "4", "4"},
		availitysim.MemberGeneral: {"0", "0", "4", "4"}, availitysim.MemberRejected: {"0", "0", "19", "19"}, availitysim.MemberUnsent: {"E1", "E1", "E1", "E1"},
		availitysim.MemberSilent: {"0", "0", "13", "13"}, availitysim.MemberDown: {"0", "0", "14", "14"}, availitysim.MemberSystem: {"0", "0", "15", "15"},
		availitysim.MemberBroken: {"0", "0", "7", "7"}, availitysim.MemberInvalid: {"0", "0", "3", "3"}, availitysim.MemberStrange: {"ZZ", "ZZ", "ZZ", "ZZ"},
		availitysim.MemberNever: {"R1", "R1", "R1", "R1"}, availitysim.MemberSlow: {"0", "0", "0", "0"},
	} {
		status, _, sum := d.call(http.MethodPost, "/v1/coverages", question("memberId", member+"1"))
		require.Equal(t, http.StatusAccepted, status, member)
		got := []string{sum["statusCode"].(string)}
		for range 3 {
			_, _, v := d.call(http.MethodGet, "/v1/coverages/"+sum["id"].(string), nil)
			got = append(got, v["statusCode"].(string))
			require.Equal(t, v["statusCode"] == "4", v["plans"] != nil, "benefits are told with a finished answer only")
			require.Equal(t, v["statusCode"] == "19", v["validationMessages"] != nil)
		}
		require.Equal(t, want, got, member)
	}
}

func TestWhatPlansSay(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: -1})
	visit := func(v any, network string, n int) any { return at(t, v, "amounts", "coPayment", network, n, "amount") }
	service := func(member, service string) any { return at(t, d.answer(member, service), "plans", 0, "benefits", 1) }

	require.Equal(t, "25", visit(service("COP1", "98"), "inNetwork", 0))
	require.Equal(t, "60", visit(service("COP1", "98"), "outOfNetwork", 0))
	require.Equal(t, "75.00", visit(service("COP1", "UC"), "inNetwork", 0))
	for i, note := range []string{"PRIMARY CARE", "SPECIALIST"} {
		require.Equal(t, note, at(t, service("TWO1", "98"), "amounts", "coPayment", "inNetwork", i, "payerNotes", 0))
	}
	require.Empty(t, visit(service("TWO1", "98"), "inNetwork", 2), "amounts may be empty")
	require.Equal(t, "4", visit(service("MCD1", "98"), "notApplicableNetwork", 0))
	require.Equal(t, "Percent", at(t, service("DED1", "98"), "amounts", "coInsurance", "inNetwork", 0, "units"))
	require.Equal(t, "0", visit(service("PRE1", "BZ"), "inNetwork", 0))
	require.Equal(t, "25", visit(service("PRE1", "98"), "inNetwork", 0), "a sick visit costs")
	require.Equal(t, "I", at(t, service("NOT1", "98"), "statusCode"))

	general := func(member string) any { return at(t, d.answer(member, "98"), "plans", 0, "benefits", 0, "amounts") }
	require.Equal(t, "60", at(t, general("DED1"), "deductibles", "inNetwork", 0, "remaining"))
	require.Equal(t, "29", at(t, general("DED1"), "outOfPocket", "inNetwork", 1, "amountTimePeriodCode"))
	require.Nil(t, at(t, general("WHO1"), "deductibles", "inNetwork", 0, "remaining"))
	require.Equal(t, "0", at(t, general("MAX1"), "outOfPocket", "inNetwork", 0, "remaining"))
	for _, asked := range []string{"30", "33"} { // the plan as a whole; a service it does not tell apart
		require.Len(t, at(t, d.answer("COP1", asked), "plans", 0, "benefits"), 1, asked)
	}
	require.Len(t, at(t, d.answer("GEN1", "98"), "plans", 0, "benefits"), 1)
}

// Plans hold in the year of the visit, whenever the sandbox runs.
func TestPlansByTheYearOfTheVisit(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: -1})
	_, _, sum := d.call(http.MethodPost, "/v1/coverages", question("memberId", "SEC1", "asOfDate", "2031-07-01"))
	require.Equal(t, "2031-01-01T00:00:00.000+0000", at(t, sum, "plans", 0, "coverageStartDate"))
	_, _, full := d.call(http.MethodGet, "/v1/coverages/"+sum["id"].(string), nil)
	require.Equal(t, "2030-06-30T00:00:00.000+0000", at(t, full, "plans", 0, "additionalPayers", 1, "coordinationOfBenefitsEndDate"))
	require.Equal(t, true, at(t, full, "plans", 0, "additionalPayers", 0, "secondary"))
	gone := d.answer("INA1", "98")
	require.Equal(t, "6", at(t, gone, "plans", 0, "statusCode"))
	require.Equal(t, "2025-12-31T00:00:00.000+0000", at(t, gone, "plans", 0, "coverageEndDate"))
	qmb := d.answer("QMB1", "98")
	require.Equal(t, []any{"MB", "QM"}, []any{at(t, qmb, "plans", 0, "insuranceTypeCode"), at(t, qmb, "plans", 1, "insuranceTypeCode")})
}

func TestWhoAnAnswerIsAbout(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: -1})
	self := d.answer("COP1", "98")
	require.Equal(t, "COP1", at(t, self, "patient", "memberId"))
	require.Equal(t, "2026-03-04T00:00:00.000+0000", self["asOfDate"])
	require.Equal(t, "98", at(t, self, "requestedServiceType", 0, "code"))
	_, _, sum := d.call(http.MethodPost, "/v1/coverages", question("subscriberRelationship", "19"))
	_, _, child := d.call(http.MethodGet, "/v1/coverages/"+sum["id"].(string), nil)
	require.Equal(t, "19", at(t, child, "patient", "subscriberRelationshipCode"))
	require.Nil(t, at(t, child, "patient", "memberId"), "a dependant is not the member")
	require.Equal(t, "COP1", at(t, child, "subscriber", "memberId"))
}

func TestInspection(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: -1})
	d.answer("COP1", "98")
	d.now = d.now.Add(time.Second)
	d.answer("SIL1", "UC")
	all := d.sim.Coverages()
	require.Len(t, all, 2)
	require.Equal(t, availitysim.Coverage{ID: all[0].ID, PayerID: availitysim.PayerA, MemberID: "COP1", Service: "98", AsOf: "2026-03-04", Scenario: availitysim.ScenarioCoPay,
		StatusCode: "4", Reads: 1, At: all[0].At, Fields: []string{"asOfDate", "memberId", "patientBirthDate", "patientLastName", "payerId", "providerNpi", "serviceType"}}, all[0])
	require.Equal(t, "13", all[1].StatusCode)
	require.Equal(t, 2, d.sim.Calls("GET /v1/coverages/{id}"))
}

// claim is a search that the sandbox accepts.
func claim(change ...string) url.Values {
	f := url.Values{"payer.id": {availitysim.PayerA}, "providers.npi": {"1234567893"}, "subscriber.memberId": {"COP1"}, "patient.lastName": {"Doe"},
		"fromDate": {"2026-02-01"}, "toDate": {"2026-03-01"}, "claimAmount": {"200.00"}}
	for i := 0; i+1 < len(change); i += 2 {
		f.Set(change[i], change[i+1])
	}
	return f
}

func (d *desk) findClaim(f url.Values) (int, http.Header, map[string]any) {
	d.Helper()
	status, h, body := d.raw(http.MethodPost, "/v1/claim-statuses", formType, f.Encode(), "X-HTTP-Method-Override", "GET")
	var v map[string]any
	require.NoError(d, json.Unmarshal([]byte(body), &v))
	return status, h, v
}

func TestClaimStatuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: 2})
	status, h, list := d.findClaim(claim())
	require.Equal(t, http.StatusAccepted, status)
	require.Equal(t, "In Progress", h.Get("X-Status-Message"))
	id := at(t, list, "claimStatuses", 0, "id").(string)
	require.Contains(t, h.Get("Location"), "/v1/claim-statuses/"+id)

	status, _, v := d.call(http.MethodGet, "/v1/claim-statuses/"+id, nil)
	require.Equal(t, http.StatusAccepted, status, "not ready is 202")
	require.Equal(t, "0", at(t, v, "claimStatuses", 0, "statusCode"))
	status, h, v = d.call(http.MethodGet, "/v1/claim-statuses/"+id, nil)
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, h.Get("Location"))
	detail := at(t, v, "claimStatuses", 0, "statusDetails", 0)
	require.Equal(t, []any{"F1", "65", "200.00", "120.00"}, []any{at(t, detail, "categoryCode"), at(t, detail, "statusCode"), at(t, detail, "claimAmount"), at(t, detail, "paymentAmount")})

	status, _, again := d.findClaim(claim())
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, id, at(t, again, "claimStatuses", 0, "id"), "the same search is the same record")
	_, _, other := d.findClaim(claim("claimAmount", "0"))
	require.NotEqual(t, id, at(t, other, "claimStatuses", 0, "id"))
	status, _, _ = d.call(http.MethodDelete, "/v1/claim-statuses/"+id, nil)
	require.Equal(t, http.StatusOK, status)
	status, _, _ = d.call(http.MethodGet, "/v1/claim-statuses/"+id, nil)
	require.Equal(t, http.StatusNotFound, status)
}

func TestClaimSearchesThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{})
	for field, value := range map[string]string{"payer.id": "1", "providers.npi": "", "subscriber.memberId": "", "patient.lastName": "", "fromDate": "02/01/2026", "toDate": "",
		"patient.birthDate": "1980-02-30", "colour": "blue", "claimNumber": "<1>"} {
		status, _, v := d.findClaim(claim(field, value))
		require.Equal(t, http.StatusBadRequest, status, field)
		require.Equal(t, field, at(t, v, "errors", 0, "field"))
	}
	status, _, body := d.call(http.MethodPost, "/v1/claim-statuses", claim())
	require.Equal(t, http.StatusBadRequest, status, "a search without its override")
	require.Equal(t, "X-HTTP-Method-Override", at(t, body, "errors", 0, "field"))
	status, _, _ = d.raw(http.MethodPost, "/v1/claim-statuses", "application/json", "{}", "X-HTTP-Method-Override", "GET")
	require.Equal(t, http.StatusBadRequest, status, "a form is wanted")
	status, _, _ = d.findClaim(claim("payer.id", availitysim.PayerMaintenance))
	require.Equal(t, http.StatusServiceUnavailable, status)
}
