package stripe

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
)

// FuzzClassify reads arbitrary error answers. Whatever they hold, only codes
// and parameters' names get into what is told, and a failure of the platform
// is never taken for a refusal.
func FuzzClassify(f *testing.F) {
	f.Add(402, "", []byte(`{"error":{"type":"card_error","code":"card_declined","decline_code":"lost_card","message":"Jane Doe"}}`))
	f.Add(400, "true", []byte(`{"error":{"type":"idempotency_error","param":"line_items[0][price_data]"}}`))
	f.Add(500, "true", []byte(`{"error":[]}`))
	f.Add(429, "", []byte("<html>"))
	f.Add(503, "", []byte(`{"error":{"type":"card_error","code":"card_declined"}}`))
	f.Fuzz(func(t *testing.T, status int, replayed string, body []byte) {
		h := http.Header{"Idempotent-Replayed": {replayed}, "Request-Id": {string(body)}}
		got := classify(status, h, body)
		for _, told := range []string{got.Code, got.RequestID} {
			require.Equal(t, safeCode(told), told)
		}
		require.Less(t, len(got.Message), 250)
		require.LessOrEqual(t, got.RetryAfter, time.Second)
		require.GreaterOrEqual(t, got.RetryAfter, time.Duration(0))
		if got.Final {
			require.Equal(t, integrations.KindDeclined, got.Kind)
		}
		if status >= 500 {
			require.Empty(t, got.Kind, "the outcome of a call that moves money is not known then")
		}
	})
}
