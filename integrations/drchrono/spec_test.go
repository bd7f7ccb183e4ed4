package drchrono_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/internal/spectest"
)

type contract struct {
	doc    *openapi3.T
	router routers.Router
}

var loadContract = sync.OnceValues(func() (*contract, error) {
	path := spectest.Path("drchrono", "drchrono-copay-subset-openapi.json")
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
		if strings.HasPrefix(r.URL.Path, "/api/") {
			spec.check(t, r, body, rec)
		}
	})
}

func (c *contract) check(t *testing.T, r *http.Request, body []byte, rec *httptest.ResponseRecorder) {
	route, _ := spectest.Route(t, "https://app.drchrono.com", r, body, rec, c.router)
	if route == nil {
		t.Errorf("%s %s is not in the specification", r.Method, r.URL.Path)
		return
	}
	known := map[string]bool{}
	for _, p := range route.Operation.Parameters {
		known[p.Value.Name] = true
	}
	for name := range r.URL.Query() {
		// The cursor is the platform's own, though not all listings name it.
		if !known[name] && name != "cursor" {
			t.Errorf("%s %s: parameter %s is not in the specification", r.Method, r.URL.Path, name)
		}
	}
	if rec.Code >= 300 {
		return // redirects and error bodies are not specified
	}
	answer := route.Operation.Responses.Status(rec.Code)
	var v any
	if answer == nil || json.Unmarshal(rec.Body.Bytes(), &v) != nil {
		t.Errorf("%s %s answered %d, which is not specified or no JSON", r.Method, r.URL.Path, rec.Code)
		return
	}
	if err := answer.Value.Content["application/json"].Schema.Value.VisitJSON(asDescribed(v)); err != nil {
		t.Errorf("%s %s against its schema: %s", r.Method, r.URL.Path, strings.SplitN(err.Error(), "\n", 2)[0])
	}
}

// asDescribed undoes what the live API is known to do otherwise than its
// schema says: listings are in "results" (the schema has "data"), nothing is
// null (the schema has no nullable fields), a line item's procedure type is
// answered in words, details of checks and a user's marks are no texts.
func asDescribed(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = asDescribed(v[i])
		}
	case map[string]any:
		if rows, ok := v["results"]; ok {
			v["data"] = rows
		}
		for k, x := range v {
			switch k {
			case "procedure_type":
				if x == "CPT(C)" {
					v[k] = "C"
				}
				continue
			case "coverage_details", "is_doctor", "is_staff", "permissions":
				delete(v, k)
				continue
			}
			if x == nil {
				delete(v, k)
				continue
			}
			v[k] = asDescribed(x)
		}
	}
	return v
}

// TestSpecIsThere makes it visible when the other tests ran unchecked.
func TestSpecIsThere(t *testing.T) {
	t.Parallel()
	spec, err := loadContract()
	require.NoError(t, err)
	if spec == nil {
		t.Skip("the DrChrono specification is not beside the repository (COPAYFLOW_SPECS): traffic was not checked against it")
	}
	require.NotNil(t, spec.doc.Paths.Value("/api/patient_payments").Post)
	// The check can fail.
	schema := spec.doc.Components.Schemas["CashPayment"].Value
	require.Error(t, schema.VisitJSON(map[string]any{"patient": "88120045"}), "the patient is a number")
	require.Error(t, schema.VisitJSON(map[string]any{"patient": 1.0, "payment_method": "GOLD"}))
}
