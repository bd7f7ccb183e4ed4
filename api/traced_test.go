package api

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/copayflow/copayflow/internal/tracing"
)

// What a patient or an auditor does in a browser has a trace of its own, which
// neither the browser chooses nor holds the page's key.
func TestABrowsersRequestHasATrace(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	var ids []string
	see := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ids = append(ids, tracing.ID(r.Context())) })
	for name, path := range map[string]string{"pay": "/pay/s3cret", "codec": "/codec/session"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Traceparent", "00-01020000000000000000000000000000-0300000000000000-01")
		traced(tp, name, see).ServeHTTP(httptest.NewRecorder(), r)
	}
	require.Len(t, ids, 2)
	require.NotEqual(t, ids[0], ids[1])
	for _, id := range ids {
		require.NotEmpty(t, id)
		require.NotContains(t, id, "0102000000")
	}
	require.Len(t, spans.Ended(), 2)
	for _, s := range spans.Ended() {
		require.Contains(t, []string{"pay", "codec"}, s.Name())
		require.Empty(t, s.Attributes(), "the address is the page's key")
	}
}
