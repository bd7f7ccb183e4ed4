package drchrono_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	drchronosim "github.com/copayflow/copayflow/sandbox/drchrono"
	"github.com/copayflow/copayflow/sandbox/sim"
)

// said are the remittances among polled events, by charge, in cents.
func said(events []integrations.Event) map[copay.ChargeID]int64 {
	out := map[copay.ChargeID]int64{}
	for _, e := range events {
		if e.Kind == integrations.EventRemittance {
			out[e.Charge] = e.Amount.Minor
		}
	}
	return out
}

// What the patient owes by a remittance is the PR part of the last payer's
// word, once that is final.
func TestRemittancesAreHeardOfOnceTheyAreFinal(t *testing.T) {
	type rows = []drchronosim.Adjustment
	write := drchronosim.Adjustment{Status: "1", Group: "CO", Reason: "45", Cents: 52_60}
	copay25 := drchronosim.Adjustment{Status: "1", Group: "PR", Reason: "3", Cents: 25_00}
	with := func(a drchronosim.Adjustment, status string, payer int) drchronosim.Adjustment {
		a.Status, a.Payer = status, payer
		return a
	}
	for name, tc := range map[string]struct {
		rows    rows
		billing string
		want    int64 // below zero: nothing is said yet
	}{
		"a co-pay":                     {rows{write, copay25}, "Paid in Full", 25_00},
		"co-pay and coinsurance":       {rows{write, copay25, {Status: "1", Group: "PR", Reason: "2", Cents: 9_90}}, "ERA Received", 34_90},
		"typed in by staff":            {rows{with(copay25, "", 0)}, "", 25_00},
		"nothing of the patient":       {rows{write}, "Paid in Full", 0},
		"denied":                       {rows{{Status: "4", Group: "PR", Reason: "27", Cents: 145_00}}, "ERA Denied", -1},
		"denied, then paid":            {rows{{Status: "4", Group: "PR", Reason: "27", Cents: 145_00}, write, copay25}, "Paid in Full", 25_00},
		"priced beforehand":            {rows{with(copay25, "25", 0)}, "", -1},
		"pended":                       {rows{with(copay25, "5", 0)}, "", -1},
		"forwarded to the next payer":  {rows{with(copay25, "19", 0)}, "", -1},
		"another payer is to be asked": {rows{copay25}, "Coordination of Benefits", -1},
		"with another payer":           {rows{copay25}, "In Process Waystar", -1},
		"which refused the form":       {rows{copay25}, "Rejected Payer", -1},
		"the next payer bears it":      {rows{with(copay25, "19", 1), {Payer: 2, Status: "2", Group: "OA", Reason: "23", Cents: 120_00}}, "Paid in Full", 0},
		"the next payer leaves a part": {rows{with(copay25, "19", 1), {Payer: 2, Status: "2", Group: "PR", Reason: "2", Cents: 5_00}}, "Paid in Full", 5_00},
		"taken back":                   {rows{copay25, with(drchronosim.Adjustment{Group: "PR", Reason: "3", Cents: -25_00}, "22", 0)}, "", -1},
		"taken back and corrected": {rows{copay25, with(drchronosim.Adjustment{Group: "PR", Reason: "3", Cents: -25_00}, "22", 0),
			{Status: "1", Group: "PR", Reason: "1", Cents: 40_00}}, "Paid in Full", 40_00},
	} {
		t.Run(name, func(t *testing.T) {
			e := setup(t, nil)
			charge := e.charge()
			_, cursor, err := e.c.PollEvents(t.Context(), "")
			require.NoError(t, err)
			e.sim.Remit(string(charge), tc.billing, tc.rows...)
			events, _, err := e.c.PollEvents(t.Context(), cursor)
			require.NoError(t, err)
			want := map[copay.ChargeID]int64{}
			if tc.want >= 0 {
				want[charge] = tc.want
			}
			require.Equal(t, want, said(events))
		})
	}
}

// The same word has one id, also when it is found by two polls; the next word
// has another.
func TestARemittanceIsOneEvent(t *testing.T) {
	e := setup(t, nil)
	charge := e.charge()
	e.sim.Remit(string(charge), "Paid in Full", drchronosim.Adjustment{Status: "1", Group: "PR", Reason: "3", Cents: 25_00})
	find := func() integrations.Event {
		events, _, err := e.c.PollEvents(t.Context(), "")
		require.NoError(t, err)
		return remittanceOf(events)
	}
	first := find()
	require.Equal(t, copay.AppointmentID(e.sim.Visit(string(charge))), first.Appointment)
	require.Equal(t, copay.PatientRef(e.ana), first.Patient)
	require.WithinDuration(t, time.Now(), first.At, time.Minute, "the office's clock is understood")
	require.Equal(t, first.ID, find().ID)
	e.sim.Remit(string(charge), "Paid in Full", drchronosim.Adjustment{Status: "1", Group: "PR", Reason: "2", Cents: 1_00})
	next := find()
	require.NotEqual(t, first.ID, next.ID)
	require.Equal(t, copay.Cents(26_00), *next.Amount)
}

// An ERA about more charges than one poll looks at is read by several, and
// nothing of it is left out, though all of it has one time.
func TestALargeRemittanceIsReadInPieces(t *testing.T) {
	e := setup(t, nil)
	const n = 230
	want := map[copay.ChargeID]int64{}
	for i := range int64(n) {
		id := e.sim.AddCharge(drchronosim.Charge{Patient: e.ana, Cents: 145_00, Quiet: true})
		e.sim.Remit(id, "Paid in Full", drchronosim.Adjustment{Status: "1", Group: "PR", Reason: "3", Cents: i})
		want[copay.ChargeID(id)] = i
	}
	cursor := ""
	for _, told := range []int{100, 200, n, n} { // what was told before is told again, and costs no call
		events, next, err := e.c.PollEvents(t.Context(), cursor)
		require.NoError(t, err)
		got := said(events)
		require.Len(t, got, told)
		if told == n {
			require.Equal(t, want, got)
			_, err = time.Parse(time.RFC3339, next)
			require.NoError(t, err, "nothing is left")
		}
		cursor = next
	}
	e.sim.Faults().Add(sim.Fault{Kind: sim.FaultServer, Path: "/api/transactions"}) // of the list
	_, _, err := e.c.PollEvents(t.Context(), cursor)
	require.Error(t, err)
	events, _, err := e.c.PollEvents(t.Context(), cursor)
	require.NoError(t, err)
	require.Equal(t, want, said(events), "a poll that failed is done again whole")
}

// later is a cursor as if the last look had been so much later.
func later(t *testing.T, cursor string, d time.Duration) string {
	t.Helper()
	looked, behind, _ := strings.Cut(cursor, " ")
	at, err := time.Parse(time.RFC3339, looked)
	require.NoError(t, err)
	return at.Add(d).Format(time.RFC3339) + " " + behind
}

// What another payer has to bear is asked of no patient, also when it is read by
// a later poll than the one that found it.
func TestWhatWaitsForAnotherPayerWaitsInEveryPiece(t *testing.T) {
	e := setup(t, nil)
	for range 130 {
		id := e.sim.AddCharge(drchronosim.Charge{Patient: e.ana, Cents: 145_00, Quiet: true})
		e.sim.Remit(id, "Coordination of Benefits", drchronosim.Adjustment{Status: "1", Group: "PR", Reason: "3", Cents: 25_00})
	}
	events, cursor, err := e.c.PollEvents(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, said(events))
	events, cursor, err = e.c.PollEvents(t.Context(), later(t, cursor, 10*time.Minute))
	require.NoError(t, err)
	require.Empty(t, said(events))
	_, err = time.Parse(time.RFC3339, cursor)
	require.NoError(t, err, "nothing is left")
}

// A claim that does not wait for another payer any more is heard of, although no
// row has come with that, and once.
func TestAClaimThatWaitsNoMoreIsHeardOf(t *testing.T) {
	e := setup(t, nil)
	charge := e.charge()
	e.sim.Remit(string(charge), "Coordination of Benefits", drchronosim.Adjustment{Status: "1", Group: "PR", Reason: "3", Cents: 25_00})
	events, cursor, err := e.c.PollEvents(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, said(events))
	e.sim.Remit(string(charge), "ERA Received")
	events, _, err = e.c.PollEvents(t.Context(), cursor)
	require.NoError(t, err)
	require.Equal(t, map[copay.ChargeID]int64{charge: 25_00}, said(events))
	again, _, err := e.c.PollEvents(t.Context(), cursor)
	require.NoError(t, err)
	require.Equal(t, remittanceOf(events).ID, remittanceOf(again).ID)
}

// It waits, too, when the claim was sent on to the next payer meanwhile.
func TestAClaimThatIsWithTheNextPayerIsNotHeardOf(t *testing.T) {
	e := setup(t, nil)
	charge := e.charge()
	e.sim.Remit(string(charge), "Coordination of Benefits", drchronosim.Adjustment{Status: "1", Group: "PR", Reason: "3", Cents: 25_00})
	_, cursor, err := e.c.PollEvents(t.Context(), "")
	require.NoError(t, err)
	e.sim.Remit(string(charge), "Payer Acknowledged")
	events, _, err := e.c.PollEvents(t.Context(), cursor)
	require.NoError(t, err)
	require.Empty(t, said(events))
}

// A remittance that arrives during a poll is not told of without what became of its claim.
func TestARemittanceThatArrivesBetweenTheListings(t *testing.T) {
	var e ehr
	arrive := func() {}
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.sim.ServeHTTP(w, r)
		if r.URL.Path == "/api/line_items" || r.URL.Path == "/api/transactions" {
			arrive()
		}
	}))
	t.Cleanup(between.Close)
	e = setup(t, func(o map[string]any) { o["base_url"] = between.URL })
	charge := e.charge()
	arrive = sync.OnceFunc(func() {
		e.sim.Remit(string(charge), "Coordination of Benefits", drchronosim.Adjustment{Status: "1", Group: "PR", Reason: "3", Cents: 25_00})
	})
	for range 2 {
		events, _, err := e.c.PollEvents(t.Context(), "")
		require.NoError(t, err)
		require.Empty(t, said(events))
	}
	e.sim.Remit(string(charge), "ERA Received")
	events, _, err := e.c.PollEvents(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, map[copay.ChargeID]int64{charge: 25_00}, said(events))
}

// A row may change without its charge, which is read then.
func TestARowThatChangesWithoutItsCharge(t *testing.T) {
	for billing, heard := range map[string]int{"Coordination of Benefits": 0, "ERA Received": 1} {
		t.Run(billing, func(t *testing.T) {
			var e ehr
			unlisted := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/api/line_items" {
					r.URL.RawQuery = "since=2099-01-01" // lists none
				}
				e.sim.ServeHTTP(w, r)
			}))
			t.Cleanup(unlisted.Close)
			e = setup(t, func(o map[string]any) { o["base_url"] = unlisted.URL })
			charge := e.charge()
			e.sim.Remit(string(charge), billing, drchronosim.Adjustment{Status: "1", Group: "PR", Reason: "3", Cents: 25_00})
			events, _, err := e.c.PollEvents(t.Context(), "")
			require.NoError(t, err)
			got := said(events)
			require.Len(t, got, heard)
			require.EqualValues(t, 25_00*heard, got[charge])
		})
	}
}

func remittanceOf(events []integrations.Event) (found integrations.Event) {
	for _, x := range events {
		if x.Kind == integrations.EventRemittance {
			found = x
		}
	}
	return found
}
