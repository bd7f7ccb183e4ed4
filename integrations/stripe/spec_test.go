package stripe_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/internal/spectest"
)

var loadSpec = sync.OnceValues(func() (*openapi3.T, error) {
	b, err := os.ReadFile(spectest.Path("stripe", "stripe-openapi-2023-08-16-trimmed.json"))
	if err != nil {
		return nil, nil //nolint:nilerr // absent: traffic is not checked, TestSpecIsThere says so
	}
	doc, err := openapi3.NewLoader().LoadFromData(b)
	if err != nil {
		return nil, err
	}
	// The trimmed text names fewer sources of a balance transaction than the
	// platform has; payouts are described in it all the same.
	source := doc.Components.Schemas["balance_transaction"].Value.Properties["source"].Value
	source.AnyOf = append(source.AnyOf, doc.Components.Schemas["payout"])
	return doc, nil
})

// unspecified are the paths that the trimmed specification leaves out.
var unspecified = map[string]bool{"/v1/balance": true}

// checkTraffic holds every request to the specification's parameter names and
// every answer to its schemas.
func checkTraffic(t *testing.T, next http.Handler) http.Handler {
	t.Helper()
	doc, err := loadSpec()
	require.NoError(t, err)
	if doc == nil {
		return next
	}
	return spectest.Tee(next, func(r *http.Request, body []byte, rec *httptest.ResponseRecorder) {
		if !strings.HasPrefix(r.URL.Path, "/v1/") || unspecified[r.URL.Path] {
			return
		}
		op := operation(doc, r)
		switch {
		case op == nil:
			t.Errorf("%s %s is not in the specification", r.Method, r.URL.Path)
		default:
			checkRequest(t, op, r, string(body))
			checkResponse(t, op, r, rec)
		}
	})
}

func operation(doc *openapi3.T, r *http.Request) *openapi3.Operation {
	var best *openapi3.PathItem
	fewest := 99
	segs := strings.Split(r.URL.Path, "/")
	for path, item := range doc.Paths.Map() {
		pattern := strings.Split(path, "/")
		if len(pattern) != len(segs) {
			continue
		}
		vars, ok := 0, true
		for i, p := range pattern {
			if strings.HasPrefix(p, "{") {
				vars++
			} else if p != segs[i] {
				ok = false
			}
		}
		if ok && vars < fewest {
			best, fewest = item, vars
		}
	}
	if best == nil {
		return nil
	}
	return best.GetOperation(r.Method)
}

func checkRequest(t *testing.T, op *openapi3.Operation, r *http.Request, body string) {
	t.Helper()
	text := body
	if r.Method == http.MethodGet {
		text = r.URL.RawQuery
	}
	vals, err := url.ParseQuery(text)
	if err != nil {
		t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	for name := range vals {
		head, rest, _ := strings.Cut(name, "[")
		path := []string{}
		if rest != "" {
			path = strings.Split(strings.TrimSuffix(rest, "]"), "][")
		}
		if !knownParameter(op, head, path) {
			t.Errorf("%s %s: parameter %s is not in the specification", r.Method, r.URL.Path, name)
		}
	}
}

func knownParameter(op *openapi3.Operation, head string, path []string) bool {
	for _, p := range op.Parameters {
		if p.Value.Name == head {
			return p.Value.Schema == nil || walk(p.Value.Schema, path)
		}
	}
	if op.RequestBody == nil {
		return false
	}
	form := op.RequestBody.Value.Content["application/x-www-form-urlencoded"].Schema
	return walk(form, append([]string{head}, path...))
}

// walk follows a bracketed name through a schema.
func walk(s *openapi3.SchemaRef, path []string) bool {
	if s == nil || s.Value == nil {
		return false
	}
	if len(path) == 0 {
		return true
	}
	for _, alt := range s.Value.AnyOf {
		if walk(alt, path) {
			return true
		}
	}
	if p, ok := s.Value.Properties[path[0]]; ok {
		return walk(p, path[1:])
	}
	if s.Value.Items != nil {
		return walk(s.Value.Items, path[1:])
	}
	if ap := s.Value.AdditionalProperties.Schema; ap != nil {
		return walk(ap, path[1:])
	}
	return false
}

func checkResponse(t *testing.T, op *openapi3.Operation, r *http.Request, rec *httptest.ResponseRecorder) {
	t.Helper()
	ref := op.Responses.Status(rec.Code)
	if ref == nil {
		ref = op.Responses.Default()
	}
	var v any
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		t.Errorf("%s %s: the answer is no JSON: %v", r.Method, r.URL.Path, err)
		return
	}
	if err := ref.Value.Content["application/json"].Schema.Value.VisitJSON(v); err != nil {
		t.Errorf("%s %s answered %d against its schema: %v", r.Method, r.URL.Path, rec.Code, err)
	}
}

// TestSpecIsThere makes it visible when the other tests ran unchecked.
func TestSpecIsThere(t *testing.T) {
	t.Parallel()
	doc, err := loadSpec()
	require.NoError(t, err)
	if doc == nil {
		t.Skip("the Stripe specification is not beside the repository (COPAYFLOW_SPECS): traffic was not checked against it")
	}
	require.NotNil(t, doc.Paths.Value("/v1/payment_intents").Post)
}
