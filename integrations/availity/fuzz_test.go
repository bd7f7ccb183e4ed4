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

func TestSharesAndAmounts(t *testing.T) {
	t.Parallel()
	read := func(kind, row string) copay.Benefits {
		res, err := reader(t, around(kind, "inNetwork", row)).Poll(t.Context(), "1")
		require.NoError(t, err)
		require.False(t, res.Pending)
		return res.Benefits
	}
	for text, want := range map[string]copay.Percent{"20": 2000, ".2": 2000, "0.2": 2000, "20%": 2000, "12.5": 1250, ".125": 1250, "0": 0, "100": 10000, "1": 10000, " 20 ": 2000} {
		rows := read("coInsurance", `{"amount":"`+text+`","units":"Percent"}`).CoInsurance
		require.Len(t, rows, 1, text)
		require.Equal(t, want, rows[0].Percent, text)
		require.True(t, rows[0].Amount.IsZero())
	}
	for _, text := range []string{"", "-5", "101", "1e2", "NaN", "Infinity", "twenty", "999999999999999999999"} {
		require.Empty(t, read("coInsurance", `{"amount":"`+text+`","units":"Percent"}`).CoInsurance, text)
	}
	for text, want := range map[string]int64{"25": 2500, "25.00": 2500, "25.5": 2550, "$25": 2500, "0": 0, "1,250.00": 125000} {
		rows := read("coPayment", `{"amount":"`+text+`","units":"USD"}`).CoPays
		require.Len(t, rows, 1, text)
		require.Equal(t, copay.Cents(want).Minor, rows[0].Amount.Minor, text)
	}
	for _, text := range []string{"", "-25", "25.005", "1e3", "1,25", "NaN", "unlimited", "99999999999999999999"} {
		require.Empty(t, read("coPayment", `{"amount":"`+text+`","units":"USD"}`).CoPays, text)
	}
	rows := read("deductibles", `{"amount":"60","amountTimePeriodCode":"29"},{"amount":"500","amountTimePeriodCode":"23","remaining":"75"}`).Deductible
	require.Equal(t, []int64{6000, 7500}, []int64{rows[0].Amount.Minor, rows[1].Amount.Minor})
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

// Who must not be billed is said somewhere in the answer; the order of plans
// does not matter, and a plan that ended does not count.
func TestKindOfPlanByStrength(t *testing.T) {
	t.Parallel()
	plan := func(status, kind string) string {
		return `{"statusCode":"` + status + `","insuranceTypeCode":"` + kind + `"}`
	}
	for plans, want := range map[string]copay.PlanKind{
		plan("1", "MB") + "," + plan("1", "QM"): copay.PlanQMB, plan("1", "QM") + "," + plan("1", "MB"): copay.PlanQMB,
		plan("1", "MC") + "," + plan("1", "PR"): copay.PlanMedicaid, plan("1", "PR") + "," + plan("1", "MC"): copay.PlanMedicaid,
		plan("6", "MC") + "," + plan("1", "PR"): copay.PlanCommercial, plan("1", "PR") + "," + plan("6", "QM"): copay.PlanCommercial,
		plan("1", ""): copay.PlanUnknown, plan("1", "MA"): copay.PlanMedicare, plan("6", "MC"): copay.PlanMedicaid,
	} {
		res, err := reader(t, `{"id":"1","statusCode":"4","plans":[`+plans+`]}`).Poll(t.Context(), "1")
		require.NoError(t, err)
		require.Equal(t, want, res.Benefits.Kind, plans)
	}
}

// FuzzCoverage reads arbitrary answers.
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
