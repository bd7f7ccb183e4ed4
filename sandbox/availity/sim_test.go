package availitysim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	availitysim "github.com/copayflow/copayflow/sandbox/availity"
	"github.com/copayflow/copayflow/sandbox/sim"
)

const (
	product = "healthcare-hipaa-transactions"
	demo    = product + " " + product + "-demo"
)

type client struct {
	t     *testing.T
	sim   *availitysim.Server
	url   string
	mu    sync.Mutex
	now   time.Time
	token string
}

func start(t *testing.T, c availitysim.Config) *client {
	t.Helper()
	x := &client{t: t, now: time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)}
	x.sim = availitysim.New(sim.Options{Now: func() time.Time { x.mu.Lock(); defer x.mu.Unlock(); return x.now }}, c)
	srv := httptest.NewServer(x.sim)
	t.Cleanup(srv.Close)
	x.url = srv.URL
	x.login()
	return x
}

func (x *client) pass(d time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now = x.now.Add(d)
}

func grant() url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {"sandbox-client"}, "client_secret": {"sandbox-secret"}, "scope": {demo}}
}

func (x *client) login() {
	x.t.Helper()
	status, body, _ := x.call("POST", "/v1/token", grant())
	require.Equal(x.t, 200, status, body)
	require.EqualValues(x.t, 300, body["expires_in"])
	require.Equal(x.t, "Bearer", body["token_type"])
	require.Equal(x.t, demo, body["scope"])
	x.token = body["access_token"].(string)
}

func (x *client) call(method, path string, form url.Values) (int, map[string]any, http.Header) {
	x.t.Helper()
	req, err := http.NewRequestWithContext(x.t.Context(), method, x.url+path, strings.NewReader(form.Encode()))
	require.NoError(x.t, err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if x.token != "" {
		req.Header.Set("Authorization", "Bearer "+x.token)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(x.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(x.t, err)
	var body map[string]any
	_ = json.Unmarshal(b, &body)
	return res.StatusCode, body, res.Header
}

func ask(member string, change ...string) url.Values {
	f := url.Values{"payerId": {availitysim.PayerA}, "providerNpi": {"1234567893"}, "asOfDate": {"2026-11-24"}, "serviceType": {"98"}, "memberId": {member},
		"patientLastName": {"Doe"}, "patientBirthDate": {"1980-02-03"}}
	for i := 0; i+1 < len(change); i += 2 {
		f.Set(change[i], change[i+1])
		if change[i+1] == "" {
			f.Del(change[i])
		}
	}
	return f
}

func TestTokenEndpoint(t *testing.T) {
	t.Parallel()
	x := start(t, availitysim.Config{})
	for field, bad := range map[string][2]string{"grant_type": {"password", "unsupported_grant_type"}, "client_id": {"other", "invalid_client"}, "client_secret": {"other", "invalid_client"}} {
		f := grant()
		f.Set(field, bad[0])
		status, body, _ := x.call("POST", "/v1/token", f)
		require.Contains(t, []int{400, 401}, status)
		require.Equal(t, bad[1], body["error"])
	}
	for _, scope := range []string{"", product, product + "-demo", strings.ToUpper(demo), demo + " " + product + "-standard", "other " + product + "-demo"} {
		f := grant()
		f.Set("scope", scope)
		status, body, _ := x.call("POST", "/v1/token", f)
		require.Equal(t, 400, status, scope)
		require.Equal(t, "invalid_scope", body["error"])
	}
	status, _, _ := x.call("POST", "/v1/token", nil)
	require.Equal(t, 400, status, "not a form")

	status, _, head := x.call("GET", "/v1/configurations?type=270", nil)
	require.Equal(t, 200, status)
	require.Equal(t, "true", head.Get("X-Api-Mock-Response"))
	require.NotEmpty(t, head.Get("X-Availity-Transaction-ID"))
	x.pass(300*time.Second - time.Nanosecond)
	status, _, _ = x.call("GET", "/v1/configurations?type=270", nil)
	require.Equal(t, 200, status)
	x.pass(time.Nanosecond)
	status, body, _ := x.call("GET", "/v1/configurations?type=270", nil)
	require.Equal(t, 401, status, "five minutes are over")
	require.EqualValues(t, 401, body["statusCode"])
}

func TestCoverageTakesItsTime(t *testing.T) {
	t.Parallel()
	x := start(t, availitysim.Config{})
	status, sum, _ := x.call("POST", "/v1/coverages", ask("COP1"))
	require.Equal(t, 202, status)
	require.Equal(t, "0", sum["statusCode"])
	id := sum["id"].(string)
	var codes []any
	var last map[string]any
	for range 4 {
		status, last, _ = x.call("GET", "/v1/coverages/"+id, nil)
		require.Equal(t, 200, status)
		codes = append(codes, last["statusCode"])
	}
	require.Equal(t, []any{"0", "R1", "4", "4"}, codes)
	require.Regexp(t, `^2026-11-24T15:00:00.000\+0000$`, last["createdDate"])
	require.NotEmpty(t, last["plans"].([]any)[0].(map[string]any)["benefits"])

	status, again, _ := x.call("POST", "/v1/coverages", ask("COP1"))
	require.Equal(t, 200, status, "the same request finds the record")
	require.Equal(t, id, again["id"])
	require.NotContains(t, again["plans"].([]any)[0], "benefits", "a summary has none")

	x.pass(24 * time.Hour)
	x.login()
	status, _, _ = x.call("GET", "/v1/coverages/"+id, nil)
	require.Equal(t, 404, status, "expired")
	_, fresh, _ := x.call("POST", "/v1/coverages", ask("COP1"))
	require.NotEqual(t, id, fresh["id"])
	status, _, _ = x.call("DELETE", "/v1/coverages/"+fresh["id"].(string), nil)
	require.Equal(t, 204, status)
	status, _, _ = x.call("DELETE", "/v1/coverages/"+fresh["id"].(string), nil)
	require.Equal(t, 404, status)
	_, next, _ := x.call("POST", "/v1/coverages", ask("COP1"))
	require.NotEqual(t, fresh["id"], next["id"])
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	x := start(t, availitysim.Config{Polls: -1})
	twice := ask("COP1")
	twice.Add("memberId", "COP2")
	for name, c := range map[string]struct {
		f     url.Values
		field string
	}{
		"unknown field":    {ask("COP1", "memberID", "x"), "memberID"},
		"field twice":      {twice, "memberId"},
		"unknown payer":    {ask("COP1", "payerId", "1"), "payerId"},
		"no payer":         {ask("COP1", "payerId", ""), "payerId"},
		"date":             {ask("COP1", "asOfDate", "11/24/2026"), "asOfDate"},
		"impossible date":  {ask("COP1", "patientBirthDate", "2026-02-30"), "patientBirthDate"},
		"input filter":     {ask("COP1", "patientLastName", "a;b"), "patientLastName"},
		"not allowed":      {ask("COP1", "payerId", availitysim.PayerB, "groupNumber", "G"), "groupNumber"},
		"filter on a line": {ask("COP1", "patientLastName", "a\nb"), "patientLastName"},
	} {
		status, body, _ := x.call("POST", "/v1/coverages", c.f)
		require.Equal(t, 400, status, name)
		require.Equal(t, c.field, body["errors"].([]any)[0].(map[string]any)["field"], name)
	}
	status, _, _ := x.call("POST", "/v1/coverages", nil)
	require.Equal(t, 400, status)
	require.Zero(t, x.sim.Checks())
	for path, want := range map[string]int{"/v1/configurations": 400, "/v1/configurations?type=270&x=1": 400, "/v1/configurations?type=270&payerId=<": 400, "/v2/coverages": 404, "/v1/coverages/1": 404} {
		status, body, _ := x.call("GET", path, nil)
		require.Equal(t, want, status, path)
		require.EqualValues(t, want, body["statusCode"])
	}
	_, body, _ := x.call("GET", "/v1/configurations?type=276", nil)
	require.Empty(t, body["configurations"])
}

func TestPayerRefusesWhatItRequires(t *testing.T) {
	t.Parallel()
	x := start(t, availitysim.Config{Polls: -1})
	strict := []string{"payerId", availitysim.PayerStrict, "patientGender", "F"}
	for name, c := range map[string]struct {
		f     url.Values
		field string
	}{
		"birth date":    {ask("COP1", "patientBirthDate", ""), "patientBirthDate"},
		"npi":           {ask("COP1", "providerNpi", "12"), "providerNpi"},
		"gender":        {ask("COP1", "patientGender", "female"), "patientGender"},
		"strict":        {ask("COP1", "payerId", availitysim.PayerStrict), "patientGender"},
		"dependant":     {ask("COP1", append(strict, "subscriberRelationship", "19")...), "groupNumber"},
		"no way":        {ask("COP1", append(strict, "patientLastName", "")...), "patientLastName"},
		"unknown there": {ask("REJ1"), "memberId"},
	} {
		status, sum, _ := x.call("POST", "/v1/coverages", c.f)
		require.Equal(t, 202, status, name)
		require.Equal(t, "19", sum["statusCode"], name)
		_, full, _ := x.call("GET", "/v1/coverages/"+sum["id"].(string), nil)
		require.Equal(t, c.field, full["validationMessages"].([]any)[0].(map[string]any)["field"], name)
		require.NotContains(t, full, "plans")
	}
	status, _, _ := x.call("POST", "/v1/coverages", ask("COP1", append(strict, "patientLastName", "", "patientFirstName", "Ana")...))
	require.Equal(t, 200, status)
}

func TestScenariosAndTheirOrder(t *testing.T) {
	t.Parallel()
	require.Len(t, availitysim.Scenarios(), 22)
	x := start(t, availitysim.Config{Polls: -1})
	code := func(f url.Values) any {
		_, sum, _ := x.call("POST", "/v1/coverages", f)
		return sum["statusCode"]
	}
	require.Equal(t, "4", code(ask("W123")), "any other member has one co-pay")
	require.Equal(t, "13", code(ask("sil1")))
	require.Equal(t, "R1", code(ask("SIL1", "payerId", availitysim.PayerNever)), "the payer before the member")
	require.Equal(t, "0", code(ask("SIL1", "payerId", availitysim.PayerSlow)))
	x.sim.SetScenario("SIL1", availitysim.ScenarioSystem)
	require.Equal(t, "15", code(ask("SIL1", "payerId", availitysim.PayerNever)), "what was set by hand before all")
	x.sim.SetPayerDown(availitysim.PayerA, true)
	status, _, _ := x.call("POST", "/v1/coverages", ask("COP1"))
	require.Equal(t, 503, status)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	x := start(t, availitysim.Config{PerSecond: 2, PerDay: 3})
	get := func() int { status, _, _ := x.call("GET", "/v1/configurations?type=270", nil); return status }
	require.Equal(t, []int{200, 200, 429}, []int{get(), get(), get()})
	x.pass(time.Second)
	require.Equal(t, 429, get(), "the day is used up")
	x.pass(24 * time.Hour)
	x.login()
	require.Equal(t, 200, get())
	require.Equal(t, 5, x.sim.Calls("GET /v1/configurations"))
	free := start(t, availitysim.Config{PerSecond: 1, PerDay: 1, NoLimits: true})
	for range 3 {
		status, _, _ := free.call("GET", "/v1/configurations?type=270", nil)
		require.Equal(t, 200, status)
	}
}
