package availitysim_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	availitysim "github.com/copayflow/copayflow/sandbox/availity"
	"github.com/copayflow/copayflow/sandbox/sim"
)

// raw calls with a content type and headers of one's own.
func (d *desk) raw(method, path, ctype, body string, header ...string) (int, http.Header, string) {
	d.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", ctype)
	r.Header.Set("Authorization", "Bearer "+d.bearer)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	d.sim.ServeHTTP(rec, r)
	return rec.Code, rec.Header(), rec.Body.String()
}

const formType = "application/x-www-form-urlencoded"

func TestTokenRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{})
	good := url.Values{"grant_type": {"client_credentials"}, "client_id": {"sandbox-client"}, "client_secret": {"sandbox-secret"}, "scope": {demo}}
	for name, tc := range map[string]struct {
		ctype, field, value, code string
		status                    int
	}{
		"JSON":           {"application/json", "", "", "invalid_request", 400},
		"another grant":  {formType, "grant_type", "password", "unsupported_grant_type", 400},
		"case of grant":  {formType, "grant_type", "Client_Credentials", "unsupported_grant_type", 400},
		"secret":         {formType, "client_secret", "x", "invalid_client", 401},
		"three scopes":   {formType, "scope", demo + " more", "invalid_scope", 400},
		"another plan":   {formType, "scope", "healthcare-hipaa-transactions healthcare-hipaa-transactions-gold", "invalid_scope", 400},
		"no grant named": {formType, "grant_type", "", "unsupported_grant_type", 400},
	} {
		f := url.Values{}
		for k, v := range good {
			f[k] = v
		}
		if tc.field != "" {
			f.Set(tc.field, tc.value)
		}
		status, _, body := d.raw(http.MethodPost, "/v1/token", tc.ctype, f.Encode())
		require.Equal(t, tc.status, status, name)
		require.JSONEq(t, `{"error":"`+tc.code+`"}`, body, name)
	}
	require.Equal(t, 1, d.sim.Calls("POST /v1/token"), "those that were given")
}

// The scope, not the header, says which plan answers.
func TestScenariosOfTheDemoPlanOnly(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: -1})
	ask := func(scenario string) string {
		_, _, body := d.raw(http.MethodPost, "/v1/coverages", formType, question().Encode(), "X-Api-Mock-Scenario-ID", scenario)
		return body
	}
	require.Contains(t, ask("silent"), `"statusCode":"13"`)
	require.Contains(t, ask("no such"), `"statusCode":"4"`, "unknown ones are passed over")
	_, _, a := d.ask("sandbox-client", "sandbox-secret", strings.ReplaceAll(demo, "-demo", "-standard"))
	d.bearer = a["access_token"].(string)
	require.Contains(t, ask("silent"), `"statusCode":"4"`, "live payers know no scenarios")
}

func TestTokensThatEndEarly(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{})
	d.sim.ExpireTokens()
	status, h, body := d.call(http.MethodGet, "/v1/configurations?type=270", nil)
	require.Equal(t, http.StatusUnauthorized, status)
	require.EqualValues(t, http.StatusUnauthorized, body["statusCode"])
	require.Empty(t, h.Get("X-Api-Mock-Response"), "a refusal is nobody's answer")
}

// Faults are worded as the platform words them.
func TestFaults(t *testing.T) {
	t.Parallel()
	for kind, want := range map[sim.FaultKind]int{sim.FaultRateLimit: 429, sim.FaultToken: 401, sim.FaultServer: 500} {
		d := newDesk(t, availitysim.Config{Polls: -1})
		d.sim.Faults().Add(sim.Fault{Kind: kind, Path: "/v1/coverages"})
		status, _, body := d.call(http.MethodPost, "/v1/coverages", question())
		require.Equal(t, want, status)
		require.EqualValues(t, want, body["statusCode"])
		require.EqualValues(t, 0, body["reasonCode"])
		require.NotEmpty(t, body["userMessage"])
		require.NotEmpty(t, body["developerMessage"])
		require.Zero(t, d.sim.Checks(), "nothing was done")
		status, _, _ = d.call(http.MethodPost, "/v1/coverages", question())
		require.Equal(t, http.StatusOK, status)
	}
}

// The input filter sees queries and forms, and lets people's names through.
func TestInputFilter(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: -1})
	status, _, body := d.call(http.MethodGet, "/v1/configurations?type=270&payerId="+url.QueryEscape("1|2"), nil)
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "payerId", body["errors"].([]any)[0].(map[string]any)["field"])
	for _, name := range []string{"JavaScript:alert(1)", "a\nb", "a\x00b", "x>y"} {
		status, _, _ := d.call(http.MethodPost, "/v1/coverages", question("patientLastName", name))
		require.Equal(t, http.StatusBadRequest, status, "%q", name)
	}
	for _, name := range []string{"O'Brien", "Núñez-López", "St. John, Jr.", "van der Berg"} {
		status, _, _ := d.call(http.MethodPost, "/v1/coverages", question("patientLastName", name))
		require.Equal(t, http.StatusOK, status, name)
	}
}

func TestPayersInMaintenance(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: -1})
	ask := func(payer string) int {
		status, _, _ := d.call(http.MethodPost, "/v1/coverages", question("payerId", payer))
		return status
	}
	require.Equal(t, []int{200, 503}, []int{ask(availitysim.PayerA), ask(availitysim.PayerMaintenance)})
	d.sim.SetPayerDown(availitysim.PayerA, true)
	d.sim.SetPayerDown(availitysim.PayerMaintenance, false)
	require.Equal(t, []int{503, 200}, []int{ask(availitysim.PayerA), ask(availitysim.PayerMaintenance)})
}

func TestDeletedCoverages(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: -1, TokenLife: 100 * time.Hour})
	_, _, sum := d.call(http.MethodPost, "/v1/coverages", question())
	at := "/v1/coverages/" + sum["id"].(string)
	status, _, _ := d.call(http.MethodDelete, at, nil)
	require.Equal(t, http.StatusNoContent, status)
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		status, _, body := d.call(method, at, nil)
		require.Equal(t, http.StatusNotFound, status, method)
		require.EqualValues(t, http.StatusNotFound, body["statusCode"])
	}
	_, _, again := d.call(http.MethodPost, "/v1/coverages", question())
	require.NotEqual(t, sum["id"], again["id"], "the payer is asked anew")
	d.now = d.now.Add(24 * time.Hour)
	status, _, _ = d.call(http.MethodDelete, "/v1/coverages/"+again["id"].(string), nil)
	require.Equal(t, http.StatusNotFound, status, "its life is over")
}

// What each payer requires is what it refuses requests for.
func TestConfigurationsSayWhatIsRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: -1})
	elements := func(payer string) (map[string]any, map[string]any) {
		_, _, v := d.call(http.MethodGet, "/v1/configurations?type=270&payerId="+payer, nil)
		require.EqualValues(t, 1, v["totalCount"])
		c := v["configurations"].([]any)[0].(map[string]any)
		require.Equal(t, payer, c["payerId"])
		return c, c["elements"].(map[string]any)
	}
	_, a := elements(availitysim.PayerA)
	for name, e := range a {
		if e := e.(map[string]any); e["type"] == "Information" || e["required"] != true || name == "payerId" {
			continue // without a payer nobody can be asked at all: 400
		}
		_, _, sum := d.call(http.MethodPost, "/v1/coverages", question(name, ""))
		require.Equal(t, "19", sum["statusCode"], name)
	}
	_, b := elements(availitysim.PayerB)
	require.Equal(t, false, b["groupNumber"].(map[string]any)["allowed"])
	strict, s := elements(availitysim.PayerStrict)
	require.Contains(t, strict, "requiredFieldCombinations")
	require.Contains(t, s["groupNumber"], "requiredWhen")

	_, _, all := d.call(http.MethodGet, "/v1/configurations?type=270", nil)
	require.EqualValues(t, 7, all["count"])
	_, _, none := d.call(http.MethodGet, "/v1/configurations?type=837", nil)
	require.EqualValues(t, 0, none["totalCount"])
}

func TestPayerListIsFiltered(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{})
	for query, want := range map[string]int{"": 14, "?transactionType=270": 7, "?transactionType=270&payerId=" + availitysim.PayerA: 1, "?submissionMode=API&enrollmentRequired=false&availability=available": 14,
		"?submissionMode=Batch": 0, "?enrollmentRequired=true": 0, "?payerId=nobody": 0, "?transactionType=276&transactionType=270": 14} {
		status, _, body := d.raw(http.MethodGet, "/v1/availity-payer-list"+query, "", "")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, want, strings.Count(body, `"payerId"`), query)
	}
}
