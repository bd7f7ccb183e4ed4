package availitysim_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	availitysim "github.com/copayflow/copayflow/sandbox/availity"
)

// What was set by hand comes before the header, the header before the payer,
// the payer before the member, and a member of no sort has one co-pay.
func TestTheOrderInWhichAScenarioIsChosen(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: -1})
	code := func(change ...string) any {
		_, _, sum := d.call(http.MethodPost, "/v1/coverages", question(change...))
		return sum["statusCode"]
	}
	require.Equal(t, "4", code("memberId", "W123456789"))
	require.Equal(t, "13", code("memberId", "sil1"))
	require.Equal(t, "R1", code("memberId", "SIL1", "payerId", availitysim.PayerNever))
	require.Equal(t, "0", code("memberId", "SIL1", "payerId", availitysim.PayerSlow))
	require.Equal(t, "13", code("memberId", "COP1", "payerId", availitysim.PayerSilent))
	d.sim.SetScenario("SIL1", availitysim.ScenarioSystem)
	require.Equal(t, "15", code("memberId", "SIL1", "payerId", availitysim.PayerNever))
	d.sim.SetScenario("SIL1", "")
	require.Equal(t, "13", code("memberId", "SIL1"))
	require.Len(t, availitysim.Scenarios(), 22)
}

// One of two ways to name the patient must be complete.
func TestWaysToNameThePatient(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{Polls: -1})
	strict := func(change ...string) any {
		f := question(append([]string{"payerId", availitysim.PayerStrict, "patientGender", "F"}, change...)...)
		_, _, sum := d.call(http.MethodPost, "/v1/coverages", f)
		return sum["statusCode"]
	}
	require.Equal(t, "4", strict())
	require.Equal(t, "19", strict("patientLastName", ""))
	require.Equal(t, "4", strict("patientLastName", "", "patientFirstName", "Ana"))
	require.Equal(t, "19", strict("subscriberRelationship", "19"), "a dependant needs the group")
	require.Equal(t, "4", strict("subscriberRelationship", "19", "groupNumber", "G"))
	twice := question()
	twice.Add("memberId", "COP2")
	status, _, _ := d.call(http.MethodPost, "/v1/coverages", twice)
	require.Equal(t, http.StatusBadRequest, status)
}

func TestLimitsCanBeLifted(t *testing.T) {
	t.Parallel()
	d := newDesk(t, availitysim.Config{PerSecond: 1, PerDay: 1, NoLimits: true})
	for range 3 {
		status, _, _ := d.call(http.MethodGet, "/v1/configurations?type=270", nil)
		require.Equal(t, http.StatusOK, status)
	}
}
