package twilio_test

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

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/internal/spectest"
	twiliosim "github.com/copayflow/copayflow/sandbox/twilio"
)

type contract struct {
	doc    *openapi3.T
	router routers.Router
}

var loadContract = sync.OnceValues(func() (*contract, error) {
	path := spectest.Path("twilio", "twilio-api-v2010-messages-trimmed.json")
	if path == "" {
		return nil, nil //nolint:nilnil // absent: traffic is not checked, TestSpecIsThere says so
	}
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		return nil, err
	}
	router, err := gorillamux.NewRouter(doc)
	return &contract{doc, router}, err
})

// checkTraffic holds every request and every answer to the specification.
func checkTraffic(t *testing.T, next http.Handler) http.Handler {
	t.Helper()
	spec, err := loadContract()
	require.NoError(t, err)
	if spec == nil {
		return next
	}
	return spectest.Tee(next, func(r *http.Request, body []byte, rec *httptest.ResponseRecorder) {
		if strings.Contains(r.URL.Path, "/Messages") {
			spec.check(t, r, body, rec)
		}
	})
}

func (c *contract) check(t *testing.T, r *http.Request, body []byte, rec *httptest.ResponseRecorder) {
	route, official := spectest.Route(t, "https://api.twilio.com", r, body, rec, c.router)
	if route == nil {
		t.Errorf("%s %s is not in the specification", r.Method, r.URL.Path)
		return
	}
	checkNames(t, route.Operation, official, body)
	if rec.Code >= 300 || rec.Code == http.StatusNoContent {
		return // error bodies are not specified
	}
	answer := route.Operation.Responses.Status(rec.Code)
	if answer == nil {
		t.Errorf("%s %s answered %d, which is not specified", r.Method, r.URL.Path, rec.Code)
		return
	}
	var v any
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		t.Errorf("%s %s: the answer is no JSON: %v", r.Method, r.URL.Path, err)
		return
	}
	if err := answer.Value.Content["application/json"].Schema.Value.VisitJSON(v); err != nil {
		t.Errorf("%s %s against its schema: %v", r.Method, r.URL.Path, err)
	}
}

// checkNames refuses parameters that the specification does not name; the
// platform would ignore them in silence.
func checkNames(t *testing.T, op *openapi3.Operation, r *http.Request, body []byte) {
	known := map[string]bool{}
	for _, p := range op.Parameters {
		known[p.Value.Name] = true
	}
	if op.RequestBody != nil {
		for name := range op.RequestBody.Value.Content["application/x-www-form-urlencoded"].Schema.Value.Properties {
			known[name] = true
		}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		t.Error(err)
	}
	for _, values := range []url.Values{form, r.URL.Query()} {
		for name := range values {
			if !known[name] {
				t.Errorf("%s %s: parameter %s is not in the specification", r.Method, r.URL.Path, name)
			}
		}
	}
}

// TestSpecIsThere makes it visible when the other tests ran unchecked.
func TestSpecIsThere(t *testing.T) {
	t.Parallel()
	spec, err := loadContract()
	require.NoError(t, err)
	if spec == nil {
		t.Skip("the Twilio specification is not beside the repository (COPAYFLOW_SPECS): traffic was not checked against it")
	}
	require.NotNil(t, spec.doc.Paths.Value("/2010-04-01/Accounts/{AccountSid}/Messages.json").Post)
}

// TestContractNotices proves that the check can fail.
func TestContractNotices(t *testing.T) {
	t.Parallel()
	spec, err := loadContract()
	require.NoError(t, err)
	if spec == nil {
		t.Skip("the Twilio specification is not beside the repository (COPAYFLOW_SPECS)")
	}
	schema := spec.doc.Components.Schemas["api.v2010.account.message"].Value
	require.Error(t, schema.VisitJSON(map[string]any{"num_segments": 1.0}), "counts are strings")
	require.Error(t, schema.VisitJSON(map[string]any{"status": "gone"}))
}

// TestSimulatorAgainstTheSpecification calls what the connector does not.
func TestSimulatorAgainstTheSpecification(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	root := "/2010-04-01/Accounts/" + twiliosim.DefaultAccountSID + "/Messages"
	call := func(method, path string, form url.Values) []byte {
		req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(form.Encode()))
		require.NoError(t, err)
		req.SetBasicAuth(keySID, secret)
		if form != nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		out, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Less(t, res.StatusCode, 300, "%s %s: %s", method, path, out)
		return out
	}
	var m struct {
		SID string `json:"sid"`
	}
	f := url.Values{"To": {patient}, "MessagingServiceSid": {twiliosim.DefaultService}, "Body": {"x"}, "ScheduleType": {"fixed"},
		"SendAt": {b.clock.now().Add(time.Hour).Format(time.RFC3339)}}
	require.NoError(t, json.Unmarshal(call(http.MethodPost, root+".json", f), &m))
	call(http.MethodPost, root+"/"+m.SID+".json", url.Values{"Status": {"canceled"}})
	call(http.MethodPost, root+"/"+m.SID+".json", url.Values{"Body": {""}})
	sent, err := b.conn.Send(t.Context(), b.message(twiliosim.Landline))
	require.NoError(t, err)
	call(http.MethodGet, root+"/"+sent.ID+".json", nil)
	call(http.MethodGet, root+".json?PageSize=1&DateSent%3E=2026-01-01T00:00:00Z", nil)
	call(http.MethodDelete, root+"/"+m.SID+".json", nil)
}
