package availity_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/availity"
)

// canned answers every call with one body, without a network.
type canned string

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	body := string(c)
	if strings.HasSuffix(r.URL.Path, "/token") {
		body = `{"access_token":"t","expires_in":300}`
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"X-Api-Mock-Response": {"true"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func reader(t testing.TB, body string) *availity.Connector {
	t.Helper()
	c, err := availity.New(integrations.Settings{Practice: "lakeside", Platform: availity.Platform, RoundTripper: canned(body), Now: func() time.Time { return time.Unix(1_770_000_000, 0) },
		Options: map[string]any{"client_id": "c", "client_secret": "literal:s", "demo": true}})
	require.NoError(t, err)
	return c
}

// around puts one co-insurance, deductible or co-pay row into an answer.
func around(kind, network, row string) string {
	return `{"id":"1","statusCode":"4","plans":[{"statusCode":"1","benefits":[{"type":"98","amounts":{"` + kind + `":{"` + network + `":[` + row + `]}}}]}]}`
}

// A status that the platform invents later must neither end a check nor fail it.
func TestStatusTable(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{"0": "pending", "R1": "pending", "": "pending", "42": "pending", "Complete": "pending", "4": "benefits",
		"3": "problem", "19": "problem", "E1": "problem", "7": "unreachable", "13": "unreachable", "14": "unreachable", "15": "unreachable"} {
		res, err := reader(t, `{"id":"1","statusCode":"`+code+`","plans":[{"statusCode":"1"}]}`).Poll(t.Context(), "1")
		got := "benefits"
		switch {
		case err != nil:
			require.Equal(t, integrations.KindUnavailable, integrations.KindOf(err))
			got = "unreachable"
		case res.Pending:
			require.Positive(t, res.RetryAfter)
			got = "pending"
		case res.Benefits.Problem != "":
			got = "problem"
		}
		require.Equal(t, want, got, "code %q", code)
	}
}

// FuzzCoverage reads arbitrary answers through the whole HTTP path.
func FuzzCoverage(f *testing.F) {
	f.Add(around("coPayment", "inNetwork", `{"amount":"25","units":"USD","payerNotes":["SPECIALIST",{"message":"x"},7]}`))
	f.Add(around("coInsurance", "notApplicableNetwork", `{"amount":".2","units":"Percent"}`))
	f.Add(around("deductibles", "noNetwork", `{"amount":"","remaining":"0.00","levelCode":"FAM"}`))
	f.Add(`{"id":"1","statusCode":"19","validationMessages":[{"field":"memberId"},{"field":"Quillfeather"}]}`)
	f.Add(`{"id":"","statusCode":"R1","createdDate":"2026-03-04T15:00:00.000+0000"}`)
	f.Add(`[null]`)
	f.Fuzz(func(t *testing.T, body string) {
		res, err := reader(t, body).Poll(t.Context(), "1")
		if err != nil {
			require.NotNil(t, integrations.AsError(err))
			require.Less(t, len(err.Error()), 400)
			return
		}
		if res.Pending {
			require.NotEmpty(t, res.Handle)
			require.Positive(t, res.RetryAfter)
			require.LessOrEqual(t, res.RetryAfter, time.Minute)
			return
		}
		b := res.Benefits
		require.NotEmpty(t, b.Status)
		require.Less(t, len(b.Problem), 1000)
		for _, rows := range [][]copay.BenefitAmount{b.CoPays, b.CoInsurance, b.Deductible, b.OutOfPocket} {
			for _, r := range rows {
				require.False(t, r.Amount.IsNegative())
				require.True(t, r.Percent >= 0 && r.Percent <= 10_000)
			}
		}
		_, err = json.Marshal(b)
		require.NoError(t, err)
	})
}
