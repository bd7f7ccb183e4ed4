package spectest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/require"
)

func TestPath(t *testing.T) {
	root := t.TempDir()
	write := func(parts ...string) string {
		p := filepath.Join(append([]string{root}, parts...)...)
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
		require.NoError(t, os.WriteFile(p, nil, 0o600))
		return p
	}
	beside := write("shared", "specs", "stripe", "a.json")
	named := write("elsewhere", "stripe", "b.json")
	deep := filepath.Join(root, "repo", "integrations", "stripe")
	require.NoError(t, os.MkdirAll(deep, 0o755))
	t.Chdir(deep)
	t.Setenv("COPAYFLOW_SPECS", "")
	require.Equal(t, beside, Path("stripe", "a.json"))
	require.Equal(t, filepath.Dir(beside), Path("stripe"))
	require.Empty(t, Path("stripe", "b.json"))
	require.Empty(t, Path("nobody"))
	t.Setenv("COPAYFLOW_SPECS", filepath.Join(root, "elsewhere"))
	require.Equal(t, named, Path("stripe", "b.json"))
	require.Empty(t, Path("stripe", "a.json"), "what is named counts alone")
}

func TestTeeShowsWhatWasSaid(t *testing.T) {
	t.Parallel()
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		w.Header().Set("X-Said", string(body))
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte("short and stout"))
	})
	var seen []string
	h := Tee(next, func(r *http.Request, body []byte, answer *httptest.ResponseRecorder) {
		seen = append(seen, r.URL.Path, string(body), answer.Body.String())
	})
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/pot", strings.NewReader("tea?")))
	require.Equal(t, []string{"/pot", "tea?", "short and stout"}, seen)
	require.Equal(t, http.StatusTeapot, rec.Code)
	require.Equal(t, "tea?", rec.Header().Get("X-Said"))
	require.Equal(t, "short and stout", rec.Body.String())
}

const spec = `{"openapi": "3.0.0", "info": {"title": "x", "version": "1"}, "servers": [{"url": "https://api.example"}], "paths": {"/v1/pots": {"get": {
	"parameters": [{"name": "size", "in": "query", "required": true, "schema": {"type": "integer"}}], "responses": {"200": {"description": "ok"}}}}}}`

func TestRouteFindsTheOperation(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(spec))
	require.NoError(t, err)
	router, err := gorillamux.NewRouter(doc)
	require.NoError(t, err)
	try := func(t testing.TB, path string, status int) string {
		answer := httptest.NewRecorder()
		answer.Code = status
		route, official := Route(t, "https://api.example", httptest.NewRequest(http.MethodGet, "http://127.0.0.1:1"+path, nil), nil, answer, router)
		require.Equal(t, "https://api.example"+path, official.URL.String())
		if route == nil {
			return ""
		}
		return route.Path
	}
	require.Equal(t, "/v1/pots", try(t, "/v1/pots?size=1", http.StatusOK))
	require.Equal(t, "/v1/pots", try(t, "/v1/pots?size=many", http.StatusBadRequest), "what was refused need not be right")
	require.Empty(t, try(t, "/v1/pans", http.StatusOK))
	noted := &noting{TB: t}
	require.Equal(t, "/v1/pots", try(noted, "/v1/pots?size=many", http.StatusOK))
	require.Len(t, noted.errors, 1)
	require.Contains(t, noted.errors[0], "GET /v1/pots against the specification")
}

// noting keeps what a check finds.
type noting struct {
	testing.TB
	errors []string
}

func (n *noting) Errorf(format string, args ...any) {
	n.errors = append(n.errors, fmt.Sprintf(format, args...))
}
