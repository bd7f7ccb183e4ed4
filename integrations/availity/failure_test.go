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

// Each fault once, on the asking and on the polling; afterwards the work goes
// on, and the payer was asked once.
func TestEachFaultThenTheAnswer(t *testing.T) {
	t.Parallel()
	for fault, want := range map[sim.FaultKind]integrations.Kind{
		sim.FaultServer: integrations.KindUnavailable, sim.FaultRateLimit: integrations.KindRateLimited,
		sim.FaultDrop: integrations.KindUnavailable, sim.FaultToken: "",
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			t.Run(string(fault)+" "+method, func(t *testing.T) {
				t.Parallel()
				o := newOffice(t, 1)
				r := asks(availitysim.MemberCoPay + "1")
				o.sim.Faults().Add(sim.Fault{Kind: fault, Method: method, Path: "/v1/coverages"})
				res, err := o.conn.Check(t.Context(), r)
				if err == nil && res.Pending {
					_, err = o.conn.Poll(t.Context(), res.Handle)
				}
				if want == "" {
					require.NoError(t, err, "a token that ran out is renewed")
				} else {
					e := refused(t, want, err)
					require.Equal(t, want == integrations.KindRateLimited, e.RetryAfter > 0)
				}
				require.Equal(t, copay.CoverageActive, o.settle(r).Status)
				require.Equal(t, 1, o.sim.Checks())
			})
		}
	}
}

func TestTokenServerFails(t *testing.T) {
	t.Parallel()
	for fault, want := range map[sim.FaultKind]integrations.Kind{sim.FaultServer: integrations.KindUnavailable, sim.FaultRateLimit: integrations.KindRateLimited,
		sim.FaultDrop: integrations.KindUnavailable, sim.FaultToken: integrations.KindUnauthorized} {
		o := newOffice(t, -1)
		times := 1
		if fault == sim.FaultToken {
			times = 2 // a refusal is tried once more before it is believed
		}
		o.sim.Faults().Add(sim.Fault{Kind: fault, Path: "/v1/token", Times: times})
		_, err := o.conn.Check(t.Context(), asks(availitysim.MemberCoPay+"1"))
		refused(t, want, err)
		require.Equal(t, copay.CoverageActive, o.settle(asks(availitysim.MemberCoPay+"1")).Status)
	}
}

func TestSlownessTimesOut(t *testing.T) {
	t.Parallel()
	o := newOffice(t, -1)
	hasty := o.connector(map[string]any{"timeout": "50ms"})
	_, err := hasty.TestConnection(t.Context()) // so that the token is there
	require.NoError(t, err)
	o.sim.Faults().Add(sim.Fault{Kind: sim.FaultSlow, Path: "/v1/coverages", Delay: 500 * time.Millisecond})
	_, err = hasty.Check(t.Context(), asks(availitysim.MemberCoPay+"1"))
	require.Contains(t, refused(t, integrations.KindUnavailable, err).Message, "in time")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = o.conn.Poll(ctx, "4711")
	refused(t, integrations.KindUnavailable, err)
}

func TestFailureAnswers(t *testing.T) {
	t.Parallel()
	private := `"userMessage":"Anamaria Quillfeather 1980-02-29","developerMessage":"COP1"`
	for name, tc := range map[string]struct {
		status int
		header map[string]string
		body   string
		kind   integrations.Kind
		code   string
		says   string
	}{
		"injection":        {400, nil, `{` + private + `,"errors":[{"field":"patientLastName","errorMessage":"Quillfeather"}]}`, integrations.KindInvalid, "", "patientLastName"},
		"field is a value": {400, nil, `{` + private + `,"errors":[{"field":"Quillfeather"},{"field":"memberId"}]}`, integrations.KindInvalid, "", "memberId"},
		"payer's edits":    {422, nil, `{` + private + `,"reasonCode":1013}`, integrations.KindInvalid, "1013", "refused"},
		"not subscribed":   {403, nil, `{` + private + `}`, integrations.KindUnauthorized, "", "subscribed"},
		"gone":             {404, nil, `{` + private + `}`, integrations.KindNotFound, "", ""},
		"throttled":        {429, nil, "", integrations.KindRateLimited, "", ""},
		"throttled, told":  {429, map[string]string{"Retry-After": "7"}, "", integrations.KindRateLimited, "", ""},
		"broken":           {500, nil, `{` + private + `}`, integrations.KindUnavailable, "", ""},
		"gateway":          {504, nil, "<html>Quillfeather", integrations.KindUnavailable, "", ""},
		"maintenance":      {503, nil, `{` + private + `}`, integrations.KindUnavailable, "", "payer"},
		"no JSON":          {200, nil, "<html>Quillfeather", integrations.KindUnavailable, "", ""},
		"another shape":    {200, nil, `{"id":"1","statusCode":"4","plans":"Quillfeather"}`, integrations.KindUnavailable, "", ""},
		"cut short":        {200, nil, `{"id":"1","statusCode":"4","plans":[{"statusCode":"1","ben`, integrations.KindUnavailable, "", ""},
		"huge":             {200, nil, `{"id":"` + strings.Repeat("x", 9<<20) + `"}`, integrations.KindUnavailable, "", ""},
		"strange trace":    {500, map[string]string{"X-Global-Transaction-ID": "Quillfeather 1980"}, "", integrations.KindUnavailable, "", ""},
		"redirect":         {302, map[string]string{"Location": "https://elsewhere.example/?member=COP1"}, "", integrations.KindInvalid, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := map[string]string{"X-Api-Mock-Response": "true"}
			for k, v := range tc.header {
				header[k] = v
			}
			o := strangerOffice(t, tc.status, header, tc.body)
			_, err := o.conn.Poll(t.Context(), "1")
			e := refused(t, tc.kind, err)
			require.Equal(t, tc.code, e.Code)
			require.Contains(t, err.Error(), tc.says)
			switch tc.header["Retry-After"] {
			case "7":
				require.Equal(t, 7*time.Second, e.RetryAfter)
			default:
				require.Equal(t, tc.status == http.StatusTooManyRequests, e.RetryAfter > 0, "the platform names no time, we do")
			}
		})
	}
}

// A check that failed at the payer must not be answered with that failure for
// as long as its record lives.
func TestAFailureDoesNotStick(t *testing.T) {
	t.Parallel()
	o := newOffice(t, -1)
	r := asks("ZZZ1")
	o.sim.SetScenario("ZZZ1", availitysim.ScenarioSilent)
	_, err := o.conn.Check(t.Context(), r)
	refused(t, integrations.KindUnavailable, err)
	require.Zero(t, o.sim.Checks(), "the failed record is gone")
	o.sim.SetScenario("ZZZ1", availitysim.ScenarioCoPay)
	require.Equal(t, copay.CoverageActive, o.settle(r).Status)
}
