package sendgrid_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/internal/spectest"
)

// contract is the specification, which comes in one file an area.
type contract []routers.Router

var loadContract = sync.OnceValues(func() (contract, error) {
	var out contract
	for _, name := range []string{"tsg-mail-v3.json", "tsg-email-activity-v3-trimmed.json", "tsg-suppressions-v3-trimmed.json"} {
		path := spectest.Path("sendgrid", name)
		if path == "" {
			return nil, nil // absent: traffic is not checked, TestSpecIsThere says so
		}
		doc, err := openapi3.NewLoader().LoadFromFile(path)
		if err != nil {
			return nil, err
		}
		router, err := gorillamux.NewRouter(doc)
		if err != nil {
			return nil, err
		}
		out = append(out, router)
	}
	return out, nil
})

// unspecified are the paths that the files leave out.
var unspecified = map[string]bool{"/v3/scopes": true}

// checkTraffic holds every request and every answer to the specification.
func checkTraffic(t *testing.T, next http.Handler) http.Handler {
	t.Helper()
	spec, err := loadContract()
	require.NoError(t, err)
	if spec == nil {
		return next
	}
	return spectest.Tee(next, func(r *http.Request, body []byte, rec *httptest.ResponseRecorder) {
		if !unspecified[r.URL.Path] {
			spec.check(t, r, body, rec)
		}
	})
}

func (c contract) check(t *testing.T, r *http.Request, body []byte, rec *httptest.ResponseRecorder) {
	route, official := spectest.Route(t, "https://api.sendgrid.com", r, body, rec, c...)
	if route == nil {
		t.Errorf("%s %s is not in the specification", r.Method, r.URL.Path)
		return
	}
	checkNames(t, route.Operation, official, body)
	checkAnswer(t, route.Operation, r, rec)
}

// checkNames refuses what the specification does not name, which its schemas
// by themselves would let pass.
func checkNames(t *testing.T, op *openapi3.Operation, r *http.Request, body []byte) {
	known := map[string]bool{}
	for _, p := range op.Parameters {
		known[p.Value.Name] = true
	}
	for name := range r.URL.Query() {
		if !known[name] {
			t.Errorf("%s %s: parameter %s is not in the specification", r.Method, r.URL.Path, name)
		}
	}
	if op.RequestBody == nil || len(body) == 0 {
		return
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Errorf("%s %s: the body is no JSON: %v", r.Method, r.URL.Path, err)
		return
	}
	for _, name := range strangers(op.RequestBody.Value.Content["application/json"].Schema, v, "") {
		t.Errorf("%s %s: %s is not in the specification", r.Method, r.URL.Path, name)
	}
}

// strangers lists the properties of v that the schema does not have. Objects
// without properties, such as custom arguments, are free.
func strangers(s *openapi3.SchemaRef, v any, at string) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		if len(s.Value.Properties) == 0 {
			return nil
		}
		for name, x := range v {
			p, ok := s.Value.Properties[name]
			if !ok {
				out = append(out, at+"."+name)
				continue
			}
			out = append(out, strangers(p, x, at+"."+name)...)
		}
	case []any:
		for _, x := range v {
			if s.Value.Items != nil {
				out = append(out, strangers(s.Value.Items, x, at+"[]")...)
			}
		}
	}
	return out
}

// checkAnswer holds answers to their schemas. Sandbox mode's 200 is documented
// outside the specification, and errors have null where it says text.
func checkAnswer(t *testing.T, op *openapi3.Operation, r *http.Request, rec *httptest.ResponseRecorder) {
	if rec.Code >= 300 || rec.Body.Len() == 0 {
		return
	}
	answer := op.Responses.Status(rec.Code)
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

// TestSpecIsThere makes it visible when the other tests ran unchecked.
func TestSpecIsThere(t *testing.T) {
	t.Parallel()
	spec, err := loadContract()
	require.NoError(t, err)
	if spec == nil {
		t.Skip("the SendGrid specification is not beside the repository (COPAYFLOW_SPECS): traffic was not checked against it")
	}
	require.Len(t, spec, 3)
}

// TestContractNotices proves that the check can fail.
func TestContractNotices(t *testing.T) {
	t.Parallel()
	path := spectest.Path("sendgrid", "tsg-mail-v3.json")
	if path == "" {
		t.Skip("the SendGrid specification is not beside the repository (COPAYFLOW_SPECS)")
	}
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	require.NoError(t, err)
	schema := doc.Paths.Value("/v3/mail/send").Post.RequestBody.Value.Content["application/json"].Schema
	require.Error(t, schema.Value.VisitJSON(map[string]any{"from": map[string]any{"email": "a@b.example"}}))
	require.Equal(t, []string{".from.mail"}, strangers(schema, map[string]any{"from": map[string]any{"mail": "x"}}, ""))
}

// TestSimulatorAgainstTheSpecification calls what the connector does not.
func TestSimulatorAgainstTheSpecification(t *testing.T) {
	t.Parallel()
	b := newBench(t, activity)
	call := func(method, path, body string) []byte {
		req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, bytes.NewReader([]byte(body)))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+apiKey)
		req.Header.Set("Accept", "application/json")
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		out, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Less(t, res.StatusCode, 300, "%s %s: %s", method, path, out)
		return out
	}
	for _, to := range []string{"bounce@p.example", "block@p.example", "drop@p.example", "spam@p.example"} {
		_, err := b.conn.Send(t.Context(), b.message(to))
		require.NoError(t, err)
	}
	call(http.MethodPost, "/v3/asm/suppressions/global", `{"recipient_emails":["g@p.example"]}`)
	call(http.MethodPost, "/v3/asm/groups/77/suppressions", `{"recipient_emails":["g@p.example"]}`)
	for _, path := range []string{"bounces", "bounces/bounce@p.example", "blocks", "blocks/block@p.example", "invalid_emails", "invalid_emails/drop@p.example",
		"spam_reports", "spam_reports/spam@p.example", "unsubscribes"} {
		require.Contains(t, string(call(http.MethodGet, "/v3/suppression/"+path, "")), "p.example", path)
	}
	for _, path := range []string{"suppressions/global/g@p.example", "groups", "groups/77/suppressions"} {
		call(http.MethodGet, "/v3/asm/"+path, "")
	}
	var page struct {
		Messages []struct {
			ID string `json:"msg_id"`
		} `json:"messages"`
	}
	require.NoError(t, json.Unmarshal(call(http.MethodGet, `/v3/messages?limit=1&query=status%3D%22not_delivered%22`, ""), &page))
	call(http.MethodGet, "/v3/messages/"+page.Messages[0].ID, "")
	call(http.MethodDelete, "/v3/suppression/bounces", `{"delete_all":true}`)
	call(http.MethodDelete, "/v3/suppression/blocks/block@p.example", "")
	call(http.MethodDelete, "/v3/asm/suppressions/global/g@p.example", "")
	call(http.MethodDelete, "/v3/asm/groups/77/suppressions/g@p.example", "")
}
