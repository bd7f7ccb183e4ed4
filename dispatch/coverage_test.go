package dispatch

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// A changed policy matters as long as something is asked for or held, also
// weeks after the co-pay was settled.
func TestWhoHeedsAChangeOfCoverage(t *testing.T) {
	for name, tc := range map[string]struct {
		state     copay.State
		collected int64
		heeds     bool
	}{
		"asked for":         {copay.StateAwaitingPayment, 0, true},
		"with staff":        {copay.StateNeedsReview, 0, true},
		"paid":              {copay.StateSettled, 25_00, true},
		"paid, then waived": {copay.StateWaived, 10_00, true},
		"never asked":       {copay.StateSettled, 0, false},
		"cancelled":         {copay.StateCancelled, 0, false},
	} {
		c := copay.CoPay{State: tc.state, Amounts: copay.Amounts{Collected: copay.Cents(tc.collected)}}
		require.Equal(t, tc.heeds, heedsCoverage(c), name)
	}
	given := copay.CoPay{State: copay.StateRefunded, Amounts: copay.Amounts{Collected: copay.Cents(25_00), Refunded: copay.Cents(25_00)}}
	require.False(t, heedsCoverage(given))
}

// A change of the patient's record reaches that patient's recent co-pays alone.
func TestAPatientsChangeReachesTheirCoPays(t *testing.T) {
	for name, tc := range map[string]struct {
		patient copay.PatientRef
		on      copay.Date
		count   int
	}{
		"settled last month": {"p1", "2026-10-24", 1},
		"long ago":           {"p1", "2026-01-24", 0},
		"of somebody else":   {"p2", "2026-10-24", 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			id := b.m.add(key, copay.StateSettled)
			row := b.m.copays[id]
			row.CoPay.Patient, row.CoPay.ServiceDate, row.CoPay.Amounts.Collected = tc.patient, tc.on, copay.Cents(25_00)
			b.m.copays[id] = row
			n := b.m.receive(t, "drchrono", integrations.Event{ID: "e1", Kind: integrations.EventPatientChanged, Patient: "p1"})
			b.pass(t)
			require.Equal(t, "done", b.m.outcome[n])
			require.Len(t, b.f.signals, tc.count)
		})
	}
}
