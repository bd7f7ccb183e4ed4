package twilio

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
)

// FuzzClassify reads arbitrary error answers: nothing of their text is told,
// only a number of theirs decides, and a failure of the platform leaves open
// whether a text was sent.
func FuzzClassify(f *testing.F) {
	f.Add(400, "", []byte(`{"code":21610,"message":"+13125550142","status":400}`))
	f.Add(503, "7", []byte(`{"code":21211}`))
	f.Add(429, "Fri, 31 Dec 9999 23:59:59 GMT", []byte(`{"code":-1}`))
	f.Add(404, "", []byte(`{"code":1e99}`))
	known := map[string]bool{"": true, "the platform failed": true, "too many requests": true, reasonOf(-1).text: true}
	for _, r := range reasons {
		known[r.text] = true
	}
	f.Fuzz(func(t *testing.T, status int, after string, body []byte) {
		h := http.Header{"Retry-After": {after}, "Twilio-Request-Id": {string(body)}}
		got := classify(status, h, body)
		require.True(t, known[got.Message], got.Message)
		require.Equal(t, safeID(got.RequestID), got.RequestID)
		require.Regexp(t, `^[0-9]*$`, got.Code)
		require.GreaterOrEqual(t, got.RetryAfter, time.Duration(0))
		require.LessOrEqual(t, got.RetryAfter, 24*time.Hour)
		if status >= 500 {
			require.Empty(t, got.Kind)
			require.False(t, got.Final)
		}
		if got.Final {
			require.Contains(t, []integrations.Kind{integrations.KindDeclined, integrations.KindInvalid}, got.Kind)
		}
	})
}
