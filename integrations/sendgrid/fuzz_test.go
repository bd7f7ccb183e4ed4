package sendgrid

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
)

// FuzzClassify reads arbitrary error answers: only the name of a field is
// told, and a failure of the platform leaves open whether a mail was sent.
func FuzzClassify(f *testing.F) {
	f.Add(400, "", []byte(`{"errors":[{"message":"pat@p.example","field":"personalizations.0.to.0.email","help":null}]}`))
	f.Add(429, "1700000060", []byte(`{"errors":[{"field":null},{"field":"null"},{}]}`))
	f.Add(413, "99999999999999999999", []byte("<html>"))
	f.Add(500, "-1", []byte(`{"errors":{}}`))
	now := time.Unix(1_700_000_000, 0)
	f.Fuzz(func(t *testing.T, status int, reset string, body []byte) {
		got := classify(status, http.Header{"X-Ratelimit-Reset": {reset}}, body, now)
		if got.Code != "" {
			require.Regexp(t, fieldPattern, got.Code)
		}
		require.Less(t, len(got.Message), 120)
		require.GreaterOrEqual(t, got.RetryAfter, time.Duration(0))
		require.LessOrEqual(t, got.RetryAfter, time.Hour)
		require.Equal(t, status == http.StatusTooManyRequests, got.RetryAfter > 0)
		if status >= 500 {
			require.Empty(t, got.Kind)
		}
		if got.Final {
			require.Equal(t, integrations.KindInvalid, got.Kind)
		}
	})
}
