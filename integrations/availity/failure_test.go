package availity_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	availitysim "github.com/copayflow/copayflow/sandbox/availity"
	"github.com/copayflow/copayflow/sandbox/sim"
)

// stripMark lets answers to a path pass for live ones.
func (f *fixture) stripMark(path string) {
	f.wire.set(nil, func(r *http.Request, res *http.Response) {
		if strings.HasPrefix(r.URL.Path, path) {
			res.Header.Del("X-Api-Mock-Response")
		}
	})
}

func TestTokensLastFiveMinutes(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.benefits(availitysim.MemberCoPay)
	require.Equal(t, 1, f.sim.Calls("POST /v1/token"))
	f.now.add(6 * time.Minute) // the platform's clock is ahead of ours: a 401 in the middle
	f.benefits(availitysim.MemberTwoRows)
	require.Equal(t, 2, f.sim.Calls("POST /v1/token"), "renewed once")
	f.sim.ExpireTokens()
	_, err := f.TestConnection(t.Context())
	require.NoError(t, err)
	f.sim.Faults().Add(sim.Fault{Kind: sim.FaultToken, Path: "/v1/coverages", Times: 2})
	_, err = f.Check(t.Context(), request(availitysim.MemberCoPay))
	require.Equal(t, http.StatusUnauthorized, requireKind(t, err, integrations.KindUnauthorized).Status)
}

// Each fault once, on the asking and on the polling; then the work goes on,
// and the payer was asked once.
func TestEachFaultThenTheAnswer(t *testing.T) {
	t.Parallel()
	for fault, want := range map[sim.FaultKind]integrations.Kind{sim.FaultServer: integrations.KindUnavailable, sim.FaultRateLimit: integrations.KindRateLimited,
		sim.FaultDrop: integrations.KindUnavailable, sim.FaultToken: ""} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			f := setupWith(t, availitysim.Config{Polls: 1}, nil)
			f.sim.Faults().Add(sim.Fault{Kind: fault, Method: method, Path: "/v1/coverages"})
			// Without keep-alive a cut connection is not repeated below us.
			f.wire.base = &http.Transport{DisableKeepAlives: true}
			res, err := f.Check(t.Context(), request(availitysim.MemberCoPay))
			if err == nil && res.Pending {
				_, err = f.Poll(t.Context(), res.Handle)
			}
			if want == "" {
				require.NoError(t, err, "a token that ran out is renewed")
			} else {
				requireKind(t, err, want)
			}
			res, err = f.Check(t.Context(), request(availitysim.MemberCoPay))
			for err == nil && res.Pending {
				res, err = f.Poll(t.Context(), res.Handle)
			}
			require.NoError(t, err)
			require.Equal(t, copay.CoverageActive, res.Benefits.Status)
			require.Equal(t, 1, f.sim.Checks(), "%s %s", fault, method)
		}
	}
}

func TestTokenServerFails(t *testing.T) {
	t.Parallel()
	for fault, want := range map[sim.FaultKind]integrations.Kind{sim.FaultServer: integrations.KindUnavailable, sim.FaultRateLimit: integrations.KindRateLimited,
		sim.FaultToken: integrations.KindUnauthorized} {
		f := setup(t)
		f.sim.Faults().Add(sim.Fault{Kind: fault, Path: "/v1/token", Times: 2})
		_, err := f.Check(t.Context(), request(availitysim.MemberCoPay))
		requireKind(t, err, want)
		f.sim.Faults().Clear()
		require.Equal(t, copay.CoverageActive, f.benefits(availitysim.MemberCoPay).Status)
	}
}

// Staff are not sent to the payer when it is Availity that is down.
func TestWhoIsDown(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"/v1/token": "Availity itself is down", "/v1/coverages": "the payer is down"} {
		f := setup(t)
		f.wire.set(func(r *http.Request) *http.Response {
			if r.URL.Path != path {
				return nil
			}
			return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody, Request: r}
		}, nil)
		_, err := f.Check(t.Context(), request(availitysim.MemberCoPay))
		require.Contains(t, requireKind(t, err, integrations.KindUnavailable).Message, want)
	}
}

func TestCancelledCall(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := setup(t).Poll(ctx, "4711")
	requireKind(t, err, integrations.KindUnavailable)
}

// What the platform says beside its body is repeated with care.
func TestHeadersOfFailures(t *testing.T) {
	t.Parallel()
	f := setup(t)
	answer := func(status int, header ...string) {
		f.wire.set(func(r *http.Request) *http.Response {
			if !strings.HasPrefix(r.URL.Path, "/v1/coverages") {
				return nil
			}
			res := reply(status, "")
			res.Header = http.Header{}
			for i := 0; i+1 < len(header); i += 2 {
				res.Header.Set(header[i], header[i+1])
			}
			return res
		}, nil)
	}
	answer(429, "Retry-After", "7")
	_, err := f.Poll(t.Context(), "1")
	require.Equal(t, 7*time.Second, requireKind(t, err, integrations.KindRateLimited).RetryAfter)
	answer(500, "X-Global-Transaction-ID", lastName+" 1980", "X-Availity-Transaction-ID", "av-9")
	_, err = f.Poll(t.Context(), "1")
	require.Equal(t, "av-9", requireKind(t, err, integrations.KindUnavailable).RequestID)
}

func TestCutAfterCommitDoesNotAskTwice(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.sim.Faults().Add(sim.Fault{Kind: sim.FaultDrop, Method: http.MethodPost, Path: "/v1/coverages"})
	_, err := f.Check(t.Context(), request(availitysim.MemberCoPay))
	requireKind(t, err, integrations.KindUnavailable)
	require.Equal(t, 1, f.sim.Checks(), "it was done")
	require.Equal(t, dollars(25), f.benefits(availitysim.MemberCoPay).CoPays[0].Amount)
	require.Equal(t, 1, f.sim.Checks(), "and not done again")
}

func TestPayerInMaintenance(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, err := f.Check(t.Context(), request(availitysim.MemberCoPay, payer(availitysim.PayerMaintenance)))
	e := requireKind(t, err, integrations.KindUnavailable)
	require.Equal(t, http.StatusServiceUnavailable, e.Status)
	require.Contains(t, e.Message, "maintenance window")
	require.NotEmpty(t, e.RequestID)
	f.sim.SetPayerDown(availitysim.PayerMaintenance, false)
	require.Equal(t, copay.CoverageActive, f.benefits(availitysim.MemberCoPay, payer(availitysim.PayerMaintenance)).Status)
}

func TestThrottledServerErrorAndSlowness(t *testing.T) {
	t.Parallel()
	f := setupWith(t, availitysim.Config{Polls: -1}, map[string]any{"timeout": "1s"})
	f.sim.Faults().Add(sim.Fault{Kind: sim.FaultRateLimit, Method: http.MethodPost, Path: "/v1/coverages"})
	_, err := f.Check(t.Context(), request(availitysim.MemberCoPay))
	require.Equal(t, 2*time.Second, requireKind(t, err, integrations.KindRateLimited).RetryAfter)
	f.sim.Faults().Add(sim.Fault{Kind: sim.FaultServer, Method: http.MethodPost, Path: "/v1/coverages"})
	_, err = f.Check(t.Context(), request(availitysim.MemberCoPay))
	require.Equal(t, 500, requireKind(t, err, integrations.KindUnavailable).Status)
	f.sim.Faults().Add(sim.Fault{Kind: sim.FaultSlow, Method: http.MethodPost, Path: "/v1/coverages", Delay: 1500 * time.Millisecond})
	_, err = f.Check(t.Context(), request(availitysim.MemberCoPay))
	require.Contains(t, requireKind(t, err, integrations.KindUnavailable).Message, "no answer in time")
	require.Equal(t, dollars(25), f.benefits(availitysim.MemberCoPay).CoPays[0].Amount)
}

// The plan's own limit, on the platform's side.
func TestPlanLimit(t *testing.T) {
	t.Parallel()
	f := setupWith(t, availitysim.Config{Polls: -1, PerSecond: 2}, nil)
	_, err := f.Check(t.Context(), request(availitysim.MemberCoPay)) // requirements, request, answer: one call too many in this second
	requireKind(t, err, integrations.KindRateLimited)
	f.now.add(time.Second)
	require.Equal(t, dollars(25), f.benefits(availitysim.MemberCoPay).CoPays[0].Amount)
}

func TestAnswersThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"not JSON":    "<html>login " + lastName + "</html>",
		"other shape": `{"id":{"a":1}}`,
		"no coverage": `{}`,
		"huge":        `{"x":"` + strings.Repeat("a", 9<<20) + `"}`,
	} {
		f := setup(t)
		f.wire.once("/v1/coverages", 200, body)
		_, err := f.Check(t.Context(), request(availitysim.MemberCoPay))
		requireKind(t, err, integrations.KindUnavailable)
		if name != "no coverage" {
			f.wire.once("/v1/coverages/", 200, body)
			_, err = f.Poll(t.Context(), "4711")
			requireKind(t, err, integrations.KindUnavailable)
		}
	}
}

// Each answer of the platform, through the whole stack.
func TestErrorTable(t *testing.T) {
	t.Parallel()
	phi := `{"userMessage":"` + lastName + `","developerMessage":"` + memberTail + `","reasonCode":%REASON,"statusCode":400,"errors":[{"field":"memberId","code":"x","errorMessage":"` +
		memberTail + `"},{"field":"` + lastName + `"}]}`
	for _, x := range []struct {
		status int
		reason string
		kind   integrations.Kind
		code   string
		says   string
	}{
		{400, "0", integrations.KindInvalid, "", "check memberId"},
		{400, "17", integrations.KindInvalid, "17", "check memberId"},
		{422, "0", integrations.KindInvalid, "", "check memberId"},
		{403, "0", integrations.KindUnauthorized, "", "not subscribed"},
		{404, "0", integrations.KindNotFound, "", ""},
		{429, "0", integrations.KindRateLimited, "", "limit"},
		{500, "0", integrations.KindUnavailable, "", ""},
		{502, "0", integrations.KindUnavailable, "", ""},
		{503, "0", integrations.KindUnavailable, "", "payer is down"},
		{504, "0", integrations.KindUnavailable, "", ""},
		{302, "0", integrations.KindInvalid, "", ""},
	} {
		f := setup(t)
		f.wire.once("/v1/coverages", x.status, strings.ReplaceAll(phi, "%REASON", x.reason))
		_, err := f.Check(t.Context(), request(availitysim.MemberCoPay))
		e := requireKind(t, err, x.kind)
		require.Equal(t, x.status, e.Status)
		require.Equal(t, x.code, e.Code)
		require.Contains(t, e.Message, x.says)
		require.Equal(t, "gl-1", e.RequestID)
	}
}

func TestRefusedBySandbox(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, err := f.Check(t.Context(), request("<script>"))
	require.Contains(t, requireKind(t, err, integrations.KindInvalid).Message, "memberId")
	_, err = f.Check(t.Context(), request(availitysim.MemberCoPay, payer("no-such-payer")))
	require.Contains(t, requireKind(t, err, integrations.KindInvalid).Message, "payerId")
	_, err = f.Check(t.Context(), request(availitysim.MemberCoPay, func(r *integrations.EligibilityRequest) { r.Patient.BirthDate = "02/03/1980" }))
	require.Contains(t, requireKind(t, err, integrations.KindInvalid).Message, "patientBirthDate")
	_, err = f.Poll(t.Context(), "1")
	requireKind(t, err, integrations.KindNotFound)
	b := f.benefits(availitysim.MemberCoPay, func(r *integrations.EligibilityRequest) { r.ProviderNPI = "123" })
	require.Contains(t, b.Problem, "providerNpi")
	require.Equal(t, dollars(25), f.benefits(availitysim.MemberCoPay, func(r *integrations.EligibilityRequest) { r.Patient.LastName = "O'Neill-Ñandú" }).CoPays[0].Amount)
}
