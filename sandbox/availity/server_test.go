package availitysim_test

import (
	"encoding/json"
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

const demo = "healthcare-hipaa-transactions healthcare-hipaa-transactions-demo"

// desk calls the simulator without any connector.
type desk struct {
	*testing.T
	sim    *availitysim.Server
	now    time.Time
	bearer string
}

func newDesk(t *testing.T, c availitysim.Config) *desk {
	t.Helper()
	d := &desk{T: t, now: time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)}
	d.sim = availitysim.New(sim.Options{Now: func() time.Time { return d.now }}, c)
	status, _, a := d.ask("sandbox-client", "sandbox-secret", demo)
	require.Equal(t, http.StatusOK, status)
	d.bearer = a["access_token"].(string)
	return d
}

func (d *desk) ask(id, secret, scope string) (int, http.Header, map[string]any) {
	return d.call(http.MethodPost, "/v1/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "scope": {scope}})
}

func (d *desk) call(method, path string, form url.Values) (int, http.Header, map[string]any) {
	d.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Authorization", "Bearer "+d.bearer)
	rec := httptest.NewRecorder()
	d.sim.ServeHTTP(rec, r)
	var v map[string]any
	_ = json.Unmarshal(rec.Body.Bytes(), &v)
	return rec.Code, rec.Header(), v
}

// question is a request that PayerA answers.
func question(change ...string) url.Values {
	f := url.Values{"payerId": {availitysim.PayerA}, "providerNpi": {"1234567893"}, "asOfDate": {"2026-03-04"}, "serviceType": {"98"}, "memberId": {"COP1"},
		"patientLastName": {"O'Quillfeather-Né"}, "patientBirthDate": {"1980-02-29"}}
	for i := 0; i+1 < len(change); i += 2 {
		f.Set(change[i], change[i+1])
	}
	return f
}

func TestTokensAreGuarded(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: -1})
	for name, tc := range map[string]struct {
		id, secret, scope string
		status            int
	}{
		"other client": {"x", "sandbox-secret", demo, 401}, "other secret": {"sandbox-client", "x", demo, 401},
		"case of the scope": {"sandbox-client", "sandbox-secret", strings.ToUpper(demo), 400}, "no plan": {"sandbox-client", "sandbox-secret", "healthcare-hipaa-transactions", 400},
		"both plans": {"sandbox-client", "sandbox-secret", demo + " healthcare-hipaa-transactions-standard", 400}, "no scope": {"sandbox-client", "sandbox-secret", "", 400},
	} {
		status, _, _ := d.ask(tc.id, tc.secret, tc.scope)
		require.Equal(t, tc.status, status, name)
	}
	good := d.bearer
	for _, bearer := range []string{"", "x", strings.ToUpper(good)} {
		d.bearer = bearer
		status, _, _ := d.call(http.MethodGet, "/v1/configurations?type=270", nil)
		require.Equal(t, http.StatusUnauthorized, status)
	}
	d.bearer = good
	d.now = d.now.Add(299 * time.Second)
	status, h, _ := d.call(http.MethodGet, "/v1/configurations?type=270", nil)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "true", h.Get("X-Api-Mock-Response"))
	require.NotEmpty(t, h.Get("X-Global-Transaction-ID"))
	d.now = d.now.Add(time.Second)
	status, _, _ = d.call(http.MethodGet, "/v1/configurations?type=270", nil)
	require.Equal(t, http.StatusUnauthorized, status, "five minutes are over")
}

// Only answers under the demo scope are marked as mocks.
func TestLiveAnswersAreNotMarked(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: -1})
	_, _, a := d.ask("sandbox-client", "sandbox-secret", "healthcare-hipaa-transactions healthcare-hipaa-transactions-standard")
	d.bearer = a["access_token"].(string)
	status, h, _ := d.call(http.MethodPost, "/v1/coverages", question())
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, h.Get("X-Api-Mock-Response"))
}

func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: -1})
	for field, value := range map[string]string{"payerId": "999", "asOfDate": "03/04/2026", "patientBirthDate": "1980-13-01", "colour": "blue", "patientLastName": "<script>",
		"memberId": "a;b", "patientFirstName": "x`y"} {
		status, _, body := d.call(http.MethodPost, "/v1/coverages", question(field, value))
		require.Equal(t, http.StatusBadRequest, status, field)
		require.Equal(t, field, body["errors"].([]any)[0].(map[string]any)["field"])
		require.EqualValues(t, http.StatusBadRequest, body["statusCode"])
	}
	require.Zero(t, d.sim.Checks())
	status, _, _ := d.call(http.MethodPost, "/v1/coverages", nil)
	require.Equal(t, http.StatusBadRequest, status, "a form is wanted")
	status, _, _ = d.call(http.MethodPost, "/v1/coverages", question("payerId", availitysim.PayerMaintenance))
	require.Equal(t, http.StatusServiceUnavailable, status)
	status, _, _ = d.call(http.MethodPost, "/v1/coverages", question("payerId", availitysim.PayerB, "groupNumber", "1"))
	require.Equal(t, http.StatusBadRequest, status)
	for path, want := range map[string]int{"/v1/coverages/1": 404, "/v1/configurations": 400, "/v1/configurations?type=270&limit=1": 400, "/v1/nothing": 404} {
		status, _, _ := d.call(http.MethodGet, path, nil)
		require.Equal(t, want, status, path)
	}
}

// What the payer itself refuses is an answer, not an error.
func TestRequestsThatThePayerRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: -1})
	for field, value := range map[string]string{"patientBirthDate": "", "providerNpi": "12", "patientGender": "X"} {
		_, _, sum := d.call(http.MethodPost, "/v1/coverages", question(field, value))
		require.Equal(t, "19", sum["statusCode"], field)
		status, _, full := d.call(http.MethodGet, "/v1/coverages/"+sum["id"].(string), nil)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, field, full["validationMessages"].([]any)[0].(map[string]any)["field"])
		require.Nil(t, full["plans"])
	}
}

func TestSameQuestionSameRecordForADay(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{TokenLife: 100 * time.Hour})
	status, _, first := d.call(http.MethodPost, "/v1/coverages", question())
	require.Equal(t, http.StatusAccepted, status)
	require.Equal(t, "0", first["statusCode"])
	for i, want := range []string{"0", "R1", "4"} {
		_, _, v := d.call(http.MethodGet, "/v1/coverages/"+first["id"].(string), nil)
		require.Equal(t, want, v["statusCode"], i)
		require.Equal(t, want == "4", v["plans"] != nil)
	}
	status, _, again := d.call(http.MethodPost, "/v1/coverages", question())
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, first["id"], again["id"])
	for _, p := range again["plans"].([]any) {
		require.NotContains(t, p, "benefits", "a summary holds none")
	}
	_, _, other := d.call(http.MethodPost, "/v1/coverages", question("serviceType", "UC"))
	require.NotEqual(t, first["id"], other["id"])
	d.now = d.now.Add(25 * time.Hour)
	_, _, next := d.call(http.MethodPost, "/v1/coverages", question())
	require.NotEqual(t, first["id"], next["id"])
}

func TestSlowPayerByTheClock(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{SlowFor: 40 * time.Second})
	_, _, v := d.call(http.MethodPost, "/v1/coverages", question("payerId", availitysim.PayerSlow))
	at := "/v1/coverages/" + v["id"].(string)
	for wait, want := range map[time.Duration]string{0: "0", 39 * time.Second: "0", 40 * time.Second: "4"} {
		start := d.now
		d.now = start.Add(wait)
		_, _, v := d.call(http.MethodGet, at, nil)
		require.Equal(t, want, v["statusCode"], wait)
		d.now = start
	}
}

func TestLimitsOfThePlan(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: -1, PerSecond: 2, PerDay: 4, TokenLife: 100 * time.Hour})
	get := func() int {
		status, h, _ := d.call(http.MethodGet, "/v1/configurations?type=270", nil)
		require.Empty(t, h.Get("Retry-After"), "the platform names no time")
		return status
	}
	require.Equal(t, []int{200, 200, 429}, []int{get(), get(), get()})
	d.now = d.now.Add(time.Second)
	require.Equal(t, []int{200, 429}, []int{get(), get()}, "the day's limit")
	d.now = d.now.Add(24 * time.Hour)
	require.Equal(t, 200, get())
}
