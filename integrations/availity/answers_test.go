package availity_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/availity"
	availitysim "github.com/copayflow/copayflow/sandbox/availity"
	"github.com/copayflow/copayflow/sandbox/sim"
)

// The answer to the request names the plans; only the record itself holds the
// benefits, so a request that is answered at once must be read again.
func TestAnAnswerAtOnceHasItsBenefits(t *testing.T) {
	t.Parallel()
	o := newOffice(t, -1)
	res, err := o.conn.Check(t.Context(), asks(availitysim.MemberCoPay+"1"))
	require.NoError(t, err)
	b := res.Benefits
	if res.Pending {
		b = o.settle(asks(availitysim.MemberCoPay + "1"))
	}
	require.Equal(t, copay.CoverageActive, b.Status)
	require.Equal(t, copay.PlanCommercial, b.Kind)
	require.NotEmpty(t, b.TraceID)
	require.Equal(t, o.clock(), b.CheckedAt)
	require.Equal(t, map[copay.Network]int64{copay.NetworkIn: 2500, copay.NetworkOut: 6000}, byNetwork(b.CoPays))
	require.Equal(t, 1, o.sim.Checks())
}

func byNetwork(rows []copay.BenefitAmount) map[copay.Network]int64 {
	out := map[copay.Network]int64{}
	for _, r := range rows {
		out[r.Network] += r.Amount.Minor
	}
	return out
}

// In progress, retrying, complete.
func TestAPayerTakesItsTime(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 2)
	res, err := o.conn.Check(t.Context(), asks(availitysim.MemberCoPay+"1"))
	require.NoError(t, err)
	require.True(t, res.Pending)
	seen := []string{o.sim.Coverages()[0].StatusCode}
	for res.Pending {
		require.Less(t, len(seen), 5)
		require.Positive(t, res.RetryAfter)
		res, err = o.conn.Poll(t.Context(), res.Handle)
		require.NoError(t, err)
		seen = append(seen, o.sim.Coverages()[0].StatusCode)
	}
	require.Equal(t, []string{"0", "0", "R1", "4"}, seen)
	require.Equal(t, copay.CoverageActive, res.Benefits.Status)

	again, err := o.conn.Check(t.Context(), asks(availitysim.MemberCoPay+"1"))
	require.NoError(t, err)
	require.Equal(t, res.Handle, again.Handle, "the same question is the same record")
	require.Equal(t, 1, o.sim.Checks())
}

func TestEveryMember(t *testing.T) {
	t.Parallel()
	unreachable := integrations.KindUnavailable
	for member, want := range map[string]struct {
		status copay.CoverageStatus
		plan   copay.PlanKind
		copay  int64 // in network or any
		share  copay.Percent
		left   []int64
		err    integrations.Kind
	}{
		availitysim.MemberCoPay:      {copay.CoverageActive, copay.PlanCommercial, 2500, 0, nil, ""},
		availitysim.MemberTwoRows:    {copay.CoverageActive, copay.PlanCommercial, 6500, 0, nil, ""},
		availitysim.MemberInactive:   {status: copay.CoverageInactive},
		availitysim.MemberMedicaid:   {copay.CoverageActive, copay.PlanMedicaid, 400, 0, nil, ""},
		availitysim.MemberQMB:        {copay.CoverageActive, copay.PlanQMB, 2500, 0, nil, ""},
		availitysim.MemberSecondary:  {copay.CoverageActive, copay.PlanCommercial, 2500, 0, nil, ""},
		availitysim.MemberDeductible: {copay.CoverageActive, copay.PlanCommercial, 0, 2000, []int64{6000, 30000}, ""},
		availitysim.MemberWhole:      {copay.CoverageActive, copay.PlanCommercial, 0, 2000, []int64{50000}, ""},
		availitysim.MemberMaximum:    {copay.CoverageActive, copay.PlanCommercial, 2500, 0, nil, ""},
		availitysim.MemberPreventive: {copay.CoverageActive, copay.PlanCommercial, 2500, 0, nil, ""},
		availitysim.MemberNotCovered: {copay.CoverageActive, copay.PlanCommercial, 0, 0, nil, ""},
		availitysim.MemberGeneral:    {copay.CoverageActive, copay.PlanCommercial, 0, 0, nil, ""},
		availitysim.MemberSilent:     {err: unreachable},
		availitysim.MemberDown:       {err: unreachable},
		availitysim.MemberSystem:     {err: unreachable},
		availitysim.MemberBroken:     {err: unreachable},
	} {
		t.Run(member, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, -1)
			if want.err != "" {
				res, err := o.conn.Check(t.Context(), asks(member+"1"))
				if err == nil {
					_, err = o.conn.Poll(t.Context(), res.Handle)
				}
				refused(t, want.err, err)
				return
			}
			b := o.settle(asks(member + "1"))
			require.Equal(t, want.status, b.Status)
			if want.status == copay.CoverageActive {
				require.Equal(t, want.plan, b.Kind)
			}
			require.Equal(t, member == availitysim.MemberNotCovered, b.NonCovered)
			sums := byNetwork(b.CoPays)
			require.Equal(t, want.copay, sums[copay.NetworkIn]+sums[copay.NetworkAny])
			for _, r := range b.CoInsurance {
				if r.Network == copay.NetworkIn {
					require.Equal(t, want.share, r.Percent)
				}
			}
			var left []int64
			for _, r := range b.Deductible {
				if r.Network == copay.NetworkIn {
					left = append(left, r.Amount.Minor)
				}
			}
			require.Equal(t, want.left, left)
			require.Empty(t, b.Problem)
		})
	}
}

func TestNotesAndOtherPlans(t *testing.T) {
	t.Parallel()
	o := newOffice(t, -1)
	notes := map[string]int64{}
	for _, r := range o.settle(asks(availitysim.MemberTwoRows + "1")).CoPays {
		if r.Network == copay.NetworkIn {
			notes[r.Note] = r.Amount.Minor
		}
		require.Equal(t, copay.ServiceOfficeVisit, r.Service)
		require.Contains(t, r.Source, "availity")
	}
	require.Equal(t, map[string]int64{"PRIMARY CARE": 2500, "SPECIALIST": 4000}, notes, "an empty amount is no amount")

	var active int
	for _, s := range o.settle(asks(availitysim.MemberSecondary + "1")).Secondary {
		if s.Active {
			active++
		}
	}
	require.Equal(t, 1, active, "the plan that ended pays nothing any more")
}

func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	o := newOffice(t, -1)
	b := o.settle(asks(availitysim.MemberRejected + "1"))
	require.Equal(t, copay.CoverageUnknown, b.Status)
	require.Contains(t, b.Problem, "memberId", "staff learn what to mend")
	require.NotContains(t, b.Problem, availitysim.MemberRejected)
	for _, member := range []string{availitysim.MemberUnsent, availitysim.MemberInvalid} {
		b := o.settle(asks(member + "1"))
		require.Equal(t, copay.CoverageUnknown, b.Status)
		require.NotEmpty(t, b.Problem, member)
	}
	// A payer that never answers, and a status that nobody has documented.
	for _, member := range []string{availitysim.MemberNever, availitysim.MemberStrange} {
		res, err := o.conn.Check(t.Context(), asks(member+"1"))
		require.NoError(t, err)
		for range 3 {
			require.True(t, res.Pending, member)
			o.later(20 * time.Second)
			res, err = o.conn.Poll(t.Context(), res.Handle)
			require.NoError(t, err)
		}
		require.Empty(t, res.Benefits.CoPays)
	}
}

func TestWhatThePayerRequires(t *testing.T) {
	t.Parallel()
	o := newOffice(t, -1)
	r := asks(availitysim.MemberCoPay + "1")
	r.Patient.BirthDate = ""
	res, err := o.conn.Check(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, copay.CoverageUnknown, res.Benefits.Status)
	require.Contains(t, res.Benefits.Problem, "patientBirthDate")
	require.NotContains(t, res.Benefits.Problem, "Quillfeather")
	require.Zero(t, o.sim.Checks(), "nothing was asked")

	r = asks(availitysim.MemberCoPay + "1")
	r.Insurance.PayerID, r.Patient.Gender = availitysim.PayerStrict, ""
	res, err = o.conn.Check(t.Context(), r)
	require.NoError(t, err)
	require.Contains(t, res.Benefits.Problem, "patientGender")
	r.Patient.Gender = "F"
	require.Equal(t, copay.CoverageActive, o.settle(r).Status)
	r.Insurance.Relationship, r.Insurance.Group = "19", ""
	res, err = o.conn.Check(t.Context(), r)
	require.NoError(t, err)
	require.Contains(t, res.Benefits.Problem, "groupNumber", "of a child the group is wanted")

	r = asks(availitysim.MemberCoPay + "1")
	r.Insurance.PayerID = availitysim.PayerB
	require.Equal(t, copay.CoverageActive, o.settle(r).Status, "a field that the payer refuses stays at home")
	require.NotContains(t, o.sim.Coverages()[o.sim.Checks()-1].Fields, "groupNumber")

	before := o.sim.Calls("GET /v1/configurations")
	o.settle(asks(availitysim.MemberCoPay + "2"))
	require.Equal(t, before, o.sim.Calls("GET /v1/configurations"), "requirements are remembered")
}

func TestMaintenanceAndItsEnd(t *testing.T) {
	t.Parallel()
	o := newOffice(t, -1)
	o.sim.SetPayerDown(availitysim.PayerA, true)
	_, err := o.conn.Check(t.Context(), asks(availitysim.MemberCoPay+"1"))
	e := refused(t, integrations.KindUnavailable, err)
	require.Contains(t, e.Message, "maintenance")
	require.NotEmpty(t, e.RequestID)
	o.sim.SetPayerDown(availitysim.PayerA, false)
	require.Equal(t, copay.CoverageActive, o.settle(asks(availitysim.MemberCoPay+"1")).Status)
}

// The demo plan was asked for; an answer that is no mock comes from real payers.
func TestDemoNeverBelievesALivePayer(t *testing.T) {
	t.Parallel()
	const live = `{"id":"1","statusCode":"4","plans":[{"statusCode":"1"}],"configurations":[]}`
	for mark, ok := range map[string]bool{"": false, "false": false, "true": true} {
		o := strangerOffice(t, 200, map[string]string{"X-Api-Mock-Response": mark}, live)
		_, err := o.conn.Check(t.Context(), asks("COP1"))
		if ok {
			require.NoError(t, err)
			continue
		}
		refused(t, integrations.KindUnauthorized, err)
		_, err = o.conn.Poll(t.Context(), "1")
		refused(t, integrations.KindUnauthorized, err)
		_, err = o.conn.TestConnection(t.Context())
		refused(t, integrations.KindUnauthorized, err)
		_, err = o.connector(map[string]any{"demo": false}).Poll(t.Context(), "1")
		require.NoError(t, err, "a practice that is live reads it")
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	o := newOffice(t, -1)
	o.settle(asks(availitysim.MemberCoPay + "1"))
	o.settle(asks(availitysim.MemberTwoRows + "1"))
	require.Equal(t, 1, o.sim.Calls("POST /v1/token"), "one token serves many calls")
	o.sim.ExpireTokens()
	o.settle(asks(availitysim.MemberGeneral + "1"))
	require.Equal(t, 2, o.sim.Calls("POST /v1/token"), "renewed in the middle of the work")
	// A token that stays refused is asked for once more, not for ever.
	o.sim.Faults().Add(sim.Fault{Kind: sim.FaultToken, Path: "/v1/coverages", Times: 2})
	_, err := o.conn.Poll(t.Context(), "4711")
	refused(t, integrations.KindUnauthorized, err)
	_, err = o.connector(map[string]any{"client_secret": "literal:wrong"}).TestConnection(t.Context())
	refused(t, integrations.KindUnauthorized, err)
	text, err := o.conn.TestConnection(t.Context())
	require.NoError(t, err)
	require.Contains(t, text, "demo")
	require.Equal(t, []string{"eligibility check"}, integrations.Capabilities((*availity.Connector)(nil)))
}
