package availity_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/internal/spectest"
	availitysim "github.com/copayflow/copayflow/sandbox/availity"
	"github.com/copayflow/copayflow/sandbox/sim"
)

type contract struct {
	routers []routers.Router
	failure *openapi3.Schema
}

var loadContract = sync.OnceValues(func() (*contract, error) {
	dir := spectest.Path("availity")
	if dir == "" {
		return nil, nil //nolint:nilnil // absent: traffic is not checked, TestSpecIsThere says so
	}
	// The specification says date-time everywhere; the guide and the platform
	// write plain days in requests and offsets without a colon in answers.
	openapi3.DefineStringFormatValidator("date-time", openapi3.NewRegexpFormatValidator(
		`^[0-9]{4}-(0[1-9]|1[0-2])-([0-2][0-9]|3[01])(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:?[0-9]{2}))?$`))
	c := &contract{}
	for _, name := range []string{"coverages", "configurations", "claim-statuses", "payer-list"} {
		b, err := os.ReadFile(filepath.Join(dir, "availity-"+name+"-swagger.json"))
		if err != nil {
			return nil, err
		}
		var two openapi2.T
		if err := json.Unmarshal(b, &two); err != nil {
			return nil, err
		}
		doc, err := openapi2conv.ToV3(&two)
		if err != nil {
			return nil, err
		}
		router, err := gorillamux.NewRouter(doc)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c.routers = append(c.routers, router)
		if e := doc.Components.Schemas["ErrorResponse"]; e != nil {
			c.failure = e.Value
		}
	}
	return c, nil
})

// checkTraffic holds every request that is accepted and every answer to the
// specification. The token endpoint has none.
func checkTraffic(t *testing.T, next http.Handler) http.Handler {
	t.Helper()
	spec, err := loadContract()
	require.NoError(t, err)
	if spec == nil {
		return next
	}
	return spectest.Tee(next, func(r *http.Request, body []byte, rec *httptest.ResponseRecorder) {
		if r.URL.Path != "/v1/token" {
			spec.check(t, r, body, rec)
		}
	})
}

func (c *contract) check(t *testing.T, r *http.Request, body []byte, rec *httptest.ResponseRecorder) {
	where := r.Method + " " + r.URL.Path
	route, official := spectest.Route(t, "https://api.availity.com", r, body, rec, c.routers...)
	if route == nil {
		if rec.Code != http.StatusNotFound {
			t.Errorf("%s is not in the specification but was answered %d", where, rec.Code)
		}
		return
	}
	if rec.Code < 300 {
		checkNames(t, where, route.Operation, official, body)
	}
	c.checkAnswer(t, where, route.Operation, rec)
}

// checkNames refuses parameters that the specification does not know.
func checkNames(t *testing.T, where string, op *openapi3.Operation, r *http.Request, body []byte) {
	known := map[string]bool{}
	for _, p := range op.Parameters {
		known[p.Value.In+" "+p.Value.Name] = true
	}
	if op.RequestBody != nil {
		for _, media := range op.RequestBody.Value.Content {
			for name := range media.Schema.Value.Properties {
				known["form "+name] = true
			}
		}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		t.Errorf("%s: the body is no form: %v", where, err)
	}
	for in, values := range map[string]url.Values{"query": r.URL.Query(), "form": form} {
		for name := range values {
			if !known[in+" "+name] {
				t.Errorf("%s names %s parameter %q, which is not specified", where, in, name)
			}
		}
	}
}

func (c *contract) checkAnswer(t *testing.T, where string, op *openapi3.Operation, rec *httptest.ResponseRecorder) {
	answer := op.Responses.Status(rec.Code)
	if answer == nil && rec.Code < 300 {
		answer = op.Responses.Default()
	}
	var schema *openapi3.Schema
	switch {
	case rec.Code >= 400: // also those that the specification does not list
		schema = c.failure
	case answer == nil:
		t.Errorf("%s answered %d, which is not specified", where, rec.Code)
		return
	}
	if answer != nil && rec.Code < 400 {
		for _, media := range answer.Value.Content {
			schema = media.Schema.Value
		}
	}
	if schema == nil {
		if rec.Body.Len() > 0 {
			t.Errorf("%s answered %d with a body", where, rec.Code)
		}
		return
	}
	var v any
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		t.Errorf("%s: the answer is no JSON: %v", where, err)
		return
	}
	if err := schema.VisitJSON(v); err != nil {
		t.Errorf("%s answered %d against the specification: %v", where, rec.Code, err)
	}
	for _, name := range strangers(schema, v, "") {
		t.Errorf("%s answers %s, which is not specified", where, name)
	}
}

// strangers are the properties of an answer that its schema does not know.
func strangers(s *openapi3.Schema, v any, at string) (out []string) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if s.Items != nil {
				out = append(out, strangers(s.Items.Value, x, at+"[]")...)
			}
		}
	case map[string]any:
		if len(s.Properties) == 0 && s.AdditionalProperties.Schema == nil {
			return nil // anything goes
		}
		for k, x := range v {
			p := s.Properties[k]
			if p == nil {
				p = s.AdditionalProperties.Schema
			}
			if p == nil {
				out = append(out, at+"."+k)
				continue
			}
			out = append(out, strangers(p.Value, x, at+"."+k)...)
		}
	}
	return out
}

func TestSpecIsThere(t *testing.T) {
	t.Parallel()
	if spectest.Path("availity") == "" {
		t.Skip("the specifications are not here: set COPAYFLOW_SPECS to check the traffic of these tests against them")
	}
	c, err := loadContract()
	require.NoError(t, err)
	require.Len(t, c.routers, 4)
	require.NotNil(t, c.failure)
}

// Every scenario, answered at once and after polling, is as specified: the
// fixture's server holds all traffic to it.
func TestAllScenariosAreSpecShaped(t *testing.T) {
	t.Parallel()
	for _, polls := range []int{-1, 2} {
		f := setupWith(t, availitysim.Config{Polls: polls, NoLimits: true}, nil) // the clock stands still
		for i, sc := range availitysim.Scenarios() {
			member := fmt.Sprintf("M%d-", i)
			f.sim.SetScenario(member+memberTail, sc)
			for _, service := range []copay.ServiceType{"98", "BZ", "30"} {
				res, err := f.Check(t.Context(), request(member, func(r *integrations.EligibilityRequest) { r.Service = service }))
				for range 4 {
					if err == nil && res.Pending {
						res, err = f.Poll(t.Context(), res.Handle)
					}
				}
				if err != nil {
					requireKind(t, err, integrations.KindUnavailable)
				}
			}
		}
	}
}

// The check itself notices what it should.
func TestContractNoticesBreaches(t *testing.T) {
	t.Parallel()
	c, err := loadContract()
	require.NoError(t, err)
	if c == nil {
		t.Skip("the specifications are not here: set COPAYFLOW_SPECS")
	}
	require.NotEmpty(t, strangers(c.failure, map[string]any{"userMessage": "x", "fault": 1}, ""))
	require.NotEmpty(t, strangers(c.failure, map[string]any{"errors": []any{map[string]any{"name": "x"}}}, ""))
	require.Empty(t, strangers(c.failure, map[string]any{"errors": []any{map[string]any{"field": "x"}}}, ""))
	require.Error(t, c.failure.VisitJSON(map[string]any{"statusCode": "404"}))
}

// The routes that the connector does not use are shaped by the specification, too.
func TestClaimStatusesAndPayerListAreSpecShaped(t *testing.T) {
	t.Parallel()
	s := availitysim.New(sim.Options{}, availitysim.Config{Polls: 1})
	srv := httptest.NewServer(checkTraffic(t, s))
	t.Cleanup(srv.Close)
	call := func(method, path string, form url.Values, header ...string) (int, string, http.Header) {
		req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(form.Encode()))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(b), res.Header
	}
	_, body, _ := call("POST", "/v1/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"sandbox-client"}, "client_secret": {clientSecret},
		"scope": {"healthcare-hipaa-transactions healthcare-hipaa-transactions-standard"}})
	var tok struct {
		Access string `json:"access_token"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &tok))
	auth := []string{"Authorization", "Bearer " + tok.Access, "X-HTTP-Method-Override", "GET"}

	form := url.Values{"payer.id": {availitysim.PayerA}, "providers.npi": {"1234567893"}, "subscriber.memberId": {"COP1"}, "patient.lastName": {"Doe"},
		"fromDate": {"2026-11-01"}, "toDate": {"2026-11-24"}, "claimAmount": {"145.00"}}
	status, body, head := call("POST", "/v1/claim-statuses", form, auth...)
	require.Equal(t, 202, status, body)
	require.Empty(t, head.Get("X-Api-Mock-Response"), "the standard plan answers for real")
	id := filepath.Base(head.Get("Location"))
	status, body, _ = call("GET", "/v1/claim-statuses/"+id, nil, auth...)
	require.Equal(t, 200, status, body)
	require.Contains(t, body, `"paymentAmount":"120.00"`)
	status, _, _ = call("POST", "/v1/claim-statuses", form, auth...)
	require.Equal(t, 200, status, "the same search finds it")
	status, _, _ = call("POST", "/v1/claim-statuses", form, auth[:2]...)
	require.Equal(t, 400, status, "a search without its override")
	status, _, _ = call("DELETE", "/v1/claim-statuses/"+id, nil, auth...)
	require.Equal(t, 200, status)
	status, _, _ = call("GET", "/v1/claim-statuses/"+id, nil, auth...)
	require.Equal(t, 404, status)

	status, body, _ = call("GET", "/v1/availity-payer-list?transactionType=276&payerId="+availitysim.PayerB, nil, auth...)
	require.Equal(t, 200, status, body)
	require.Contains(t, body, availitysim.PayerB)
	require.NotContains(t, body, availitysim.PayerA)
}
