package activities

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// payer is a clearinghouse whose answers are scripted.
type payer struct {
	checks, polls int
	check, poll   func(n int) (integrations.EligibilityResult, error)
	noLast        bool // the EHR has no check of its own
}

func (p *payer) Check(context.Context, integrations.EligibilityRequest) (integrations.EligibilityResult, error) {
	p.checks++
	return p.check(p.checks)
}

func (p *payer) Poll(context.Context, string) (integrations.EligibilityResult, error) {
	p.polls++
	return p.poll(p.polls)
}

func (p *payer) LastCheck(context.Context, integrations.EligibilityRequest) (copay.Benefits, error) {
	if p.noLast {
		return copay.Benefits{}, integrations.NotFound("drchrono", "eligibility_checks.list")
	}
	return copay.Benefits{Status: copay.CoverageActive, Source: "drchrono"}, nil
}

func answer() (integrations.EligibilityResult, error) {
	return integrations.EligibilityResult{Benefits: copay.Benefits{Status: copay.CoverageActive, Source: "availity"}}, nil
}

func working() (integrations.EligibilityResult, error) {
	return integrations.EligibilityResult{Pending: true, Handle: "4711", RetryAfter: time.Millisecond}, nil
}

func checking(b bench, p *payer) (Checked, error) {
	b.s.patient = integrations.Patient{Insurance: []integrations.Insurance{{PayerID: "60054", MemberID: "W1"}}}
	b.p.elig = []Eligibility{{Platform: "availity", Checker: p}, {Platform: "drchrono", Reader: p}}
	var out Checked
	err := b.run(b.a.CheckEligibility, CheckInput{Key: key, Service: copay.ServiceOfficeVisit, On: "2026-11-24", Fresh: time.Hour}, &out)
	return out, err
}

func TestSlowPayerIsPolled(t *testing.T) {
	b := setup(t)
	p := &payer{check: func(int) (integrations.EligibilityResult, error) { return working() },
		poll: func(n int) (integrations.EligibilityResult, error) {
			if n < 3 {
				return working()
			}
			return answer()
		}}
	out, err := checking(b, p)
	require.NoError(t, err)
	require.Equal(t, copay.Platform("availity"), out.Source)
	require.Equal(t, 1, p.checks)
	again, err := checking(b, p)
	require.NoError(t, err)
	require.True(t, again.Cached, "a fresh answer is used again")
	require.Equal(t, 1, p.checks)
}

func TestPayerThatIsStillWorkingIsNotPassedOver(t *testing.T) {
	b := setup(t)
	p := &payer{check: func(int) (integrations.EligibilityResult, error) {
		return integrations.EligibilityResult{Pending: true, Handle: "4711", RetryAfter: 5 * time.Second}, nil
	}}
	_, err := checking(b, p)
	require.Error(t, err)
	require.True(t, isPending(err), "the attempt fails as not yet, and the retry polls")
	require.Equal(t, []copay.State{copay.StateVerifying}, b.s.progress, "and staff see that it is being asked")
}

func TestForgottenCheckIsAskedAnew(t *testing.T) {
	b := setup(t)
	b.env.SetHeartbeatDetails(pendingCheck{Platform: "availity", Handle: "gone"})
	p := &payer{check: func(int) (integrations.EligibilityResult, error) { return answer() },
		poll: func(int) (integrations.EligibilityResult, error) {
			return integrations.EligibilityResult{}, integrations.NotFound("availity", "poll")
		}}
	out, err := checking(b, p)
	require.NoError(t, err)
	require.Equal(t, copay.CoverageActive, out.Status)
	require.Equal(t, 1, p.checks)
}

func TestHiccupIsRetriedBeforeTheEHRIsBelieved(t *testing.T) {
	b := setup(t)
	p := &payer{check: func(int) (integrations.EligibilityResult, error) {
		return integrations.EligibilityResult{}, &integrations.Error{Kind: integrations.KindUnavailable, Platform: "availity"}
	}}
	_, err := checking(b, p)
	require.Equal(t, integrations.KindUnavailable, FailureOf(err).Kind)
}

func TestAPayerThatCannotBeAskedLeavesItToTheEHR(t *testing.T) {
	for name, tc := range map[string]struct {
		kind   integrations.Kind
		noLast bool
		want   integrations.Kind
	}{
		"unknown member":                            {integrations.KindNotFound, false, ""},
		"refused credentials":                       {integrations.KindUnauthorized, false, ""},
		"unknown member, and the EHR has no check":  {integrations.KindNotFound, true, integrations.KindNotFound},
		"refused credentials, which that hides not": {integrations.KindUnauthorized, true, integrations.KindUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			p := &payer{noLast: tc.noLast, check: func(int) (integrations.EligibilityResult, error) {
				return integrations.EligibilityResult{}, &integrations.Error{Kind: tc.kind, Platform: "availity"}
			}}
			out, err := checking(b, p)
			if tc.want != "" {
				require.Equal(t, tc.want, FailureOf(err).Kind)
				return
			}
			require.NoError(t, err)
			require.Equal(t, copay.Platform("drchrono"), out.Source)
		})
	}
}
