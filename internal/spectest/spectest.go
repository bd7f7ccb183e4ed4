// Package spectest is what tests need that hold the traffic between connectors
// and simulators to the platforms' official specifications. These are not
// ours to ship: they stand beside the repository, or nowhere.
package spectest

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// Path finds a platform's specifications, or a file of them: below the folder
// COPAYFLOW_SPECS, else below shared/specs of a folder above. It is "" where
// they are absent.
func Path(platform string, name ...string) string {
	rest := filepath.Join(append([]string{platform}, name...)...)
	if d := os.Getenv("COPAYFLOW_SPECS"); d != "" {
		return existing(filepath.Join(d, rest))
	}
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		if p := existing(filepath.Join(dir, "shared", "specs", rest)); p != "" {
			return p
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

func existing(p string) string {
	if _, err := os.Stat(p); err != nil {
		return ""
	}
	return p
}

// Tee serves what next serves, and shows check each request with its answer.
func Tee(next http.Handler, check func(r *http.Request, body []byte, answer *httptest.ResponseRecorder)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r) // a cut connection panics through
		check(r, body, rec)
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

// Route finds the operation that a request is, as the platform at base gets it,
// in any of the specifications, and holds the request to it where it was
// accepted. It is nil where no specification has it, which is for the caller to
// judge.
func Route(t testing.TB, base string, r *http.Request, body []byte, answer *httptest.ResponseRecorder, specs ...routers.Router) (*routers.Route, *http.Request) {
	t.Helper()
	official, err := http.NewRequestWithContext(t.Context(), r.Method, base+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return nil, nil
	}
	official.Header = r.Header
	for _, spec := range specs {
		route, params, err := spec.FindRoute(official)
		if err != nil {
			continue
		}
		in := &openapi3filter.RequestValidationInput{Request: official, PathParams: params, Route: route,
			Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
		if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil && answer.Code < 300 {
			t.Errorf("%s %s against the specification: %v", r.Method, r.URL.Path, err)
		}
		return route, official
	}
	return nil, official
}
