package availity_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
	availitysim "github.com/copayflow/copayflow/sandbox/availity"
	"github.com/copayflow/copayflow/sandbox/sim"
)

// specsDir is the folder of the official specifications, or skips the test.
func specsDir(t *testing.T) string {
	t.Helper()
	if d := os.Getenv("COPAYFLOW_SPECS"); d != "" {
		return filepath.Join(d, "availity")
	}
	dir, err := os.Getwd()
	require.NoError(t, err)
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		at := filepath.Join(dir, "shared", "specs", "availity")
		if _, err := os.Stat(at); err == nil {
			return at
		}
	}
	t.Skip("the Availity specifications are not beside the repository (COPAYFLOW_SPECS)")
	return ""
}

// product is all of Availity's documents: operations by path.
type product map[string]*openapi3.PathItem

func official(t *testing.T) product {
	t.Helper()
	dir := specsDir(t)
	all := product{}
	for _, name := range []string{"coverages", "configurations", "claim-statuses", "payer-list"} {
		raw, err := os.ReadFile(filepath.Join(dir, "availity-"+name+"-swagger.json"))
		require.NoError(t, err)
		var two openapi2.T
		require.NoError(t, json.Unmarshal(raw, &two))
		three, err := openapi2conv.ToV3(&two)
		require.NoError(t, err, name)
		require.NoError(t, openapi3.NewLoader().ResolveRefsIn(three, nil), name)
		for path, item := range three.Paths.Map() {
			all[strings.TrimSuffix(two.BasePath, "/")+path] = item
		}
	}
	return all
}

// operation finds a call in the documents; the last part may be an id.
func (p product) operation(r *http.Request) *openapi3.Operation {
	for _, path := range []string{r.URL.Path, r.URL.Path[:strings.LastIndex(r.URL.Path, "/")] + "/{id}"} {
		if item := p[path]; item != nil {
			return item.GetOperation(r.Method)
		}
	}
	return nil
}

// check compares one exchange with the documents and returns the first fault.
func (p product) check(r *http.Request, body []byte, status int, answer []byte) string {
	op := p.operation(r)
	if op == nil {
		return "no such operation"
	}
	known := map[string]bool{}
	for _, x := range op.Parameters {
		known[x.Value.Name] = true
		if x.Value.Required && x.Value.In == "query" && !r.URL.Query().Has(x.Value.Name) && status < 300 {
			return "lacks " + x.Value.Name
		}
	}
	if op.RequestBody != nil {
		for _, media := range op.RequestBody.Value.Content {
			for name := range media.Schema.Value.Properties {
				known[name] = true
			}
		}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "the body is no form"
	}
	for _, sent := range []url.Values{r.URL.Query(), form} {
		for name := range sent {
			if !known[name] && status < 300 {
				return "unknown parameter " + name
			}
		}
	}
	return p.answer(op, status, answer)
}

func (product) answer(op *openapi3.Operation, status int, body []byte) string {
	res := op.Responses.Status(status)
	switch {
	case res == nil && status >= 400:
		return "" // gateways answer with more than the documents list
	case res == nil:
		return "a status that is not documented"
	case len(res.Value.Content) == 0:
		return ""
	}
	var v any
	// The guide writes the offset without a colon, the documents call it a
	// date-time all the same.
	if err := json.Unmarshal(bytes.ReplaceAll(body, []byte(`+0000"`), []byte(`+00:00"`)), &v); err != nil {
		return "the answer is no JSON"
	}
	schema := res.Value.Content.Get("application/json").Schema
	if err := schema.Value.VisitJSON(v); err != nil {
		return "answer: " + err.Error()
	}
	return stranger(schema, v, "")
}

// stranger is the first property that a schema does not know, which a schema
// by itself would let pass.
func stranger(s *openapi3.SchemaRef, v any, at string) string {
	if s == nil || s.Value == nil {
		return ""
	}
	switch x := v.(type) {
	case map[string]any:
		for name, inner := range x {
			prop, known := s.Value.Properties[name]
			if !known && s.Value.AdditionalProperties.Schema != nil {
				prop, known = s.Value.AdditionalProperties.Schema, true
			}
			if !known && len(s.Value.Properties) > 0 {
				return "property " + at + "." + name + " is not documented"
			}
			if bad := stranger(prop, inner, at+"."+name); bad != "" {
				return bad
			}
		}
	case []any:
		for _, inner := range x {
			if bad := stranger(s.Value.Items, inner, at+"[]"); bad != "" {
				return bad
			}
		}
	}
	return ""
}

// checkedOffice is an office whose every exchange is held to the documents.
func checkedOffice(t *testing.T, polls int) (*office, *int) {
	t.Helper()
	docs := official(t)
	o := newOffice(t, polls)
	seen := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		rec := httptest.NewRecorder()
		o.sim.ServeHTTP(rec, r)
		if !strings.HasSuffix(r.URL.Path, "/token") {
			seen++
			if fault := docs.check(r, body, rec.Code, rec.Body.Bytes()); fault != "" {
				t.Errorf("%s %s %d: %s", r.Method, r.URL.Path, rec.Code, fault)
			}
		}
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	}))
	t.Cleanup(srv.Close)
	o.url = srv.URL
	o.conn = o.connector(nil)
	return o, &seen
}

func TestTrafficIsAsDocumented(t *testing.T) {
	t.Parallel()
	for _, polls := range []int{-1, 2} {
		o, seen := checkedOffice(t, polls)
		for _, sc := range availitysim.Scenarios() {
			member := "M" + strings.ToUpper(string(sc[:2])) + "1"
			o.sim.SetScenario(member, sc)
			r := asks(member)
			res, err := o.conn.Check(t.Context(), r)
			for range 4 {
				if err == nil && res.Pending {
					res, err = o.conn.Poll(t.Context(), res.Handle)
				}
			}
			if err != nil {
				require.Equal(t, integrations.KindUnavailable, integrations.KindOf(err), sc)
			}
		}
		_, err := o.conn.TestConnection(t.Context())
		require.NoError(t, err)
		for _, fault := range []sim.FaultKind{sim.FaultServer, sim.FaultToken} {
			o.sim.Faults().Add(sim.Fault{Kind: fault, Path: "/v1/coverages", Times: 2})
			_, err := o.conn.Poll(t.Context(), "4711")
			require.Error(t, err)
			o.sim.Faults().Clear()
		}
		require.Greater(t, *seen, 40)
	}
}

// TestTheDocumentsNotice proves that the comparison can fail.
func TestTheDocumentsNotice(t *testing.T) {
	t.Parallel()
	docs := official(t)
	post, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.availity.com/v1/coverages", nil)
	require.NoError(t, err)
	require.Empty(t, docs.check(post, []byte("payerId=1"), 200, []byte(`{"id":"1"}`)))
	require.Contains(t, docs.check(post, []byte("payer=1"), 200, []byte(`{"id":"1"}`)), "unknown parameter")
	require.Contains(t, docs.check(post, nil, 200, []byte(`{"id":1}`)), "answer")
	require.Contains(t, docs.check(post, nil, 200, []byte(`{"plans":[{"benefits":[]}]}`)), "benefits", "a summary holds none")
	require.Contains(t, docs.check(post, nil, 201, nil), "not documented")
}
