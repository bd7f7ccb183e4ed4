package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/stack"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
	drchronosim "github.com/copayflow/copayflow/sandbox/drchrono"
	"github.com/copayflow/copayflow/worker"
)

func (s scene) trigger(schedule string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { // the worker has only just started
		return s.Process.Temporal.ScheduleClient().GetHandle(s.t.Context(), schedule).Trigger(s.t.Context(), client.ScheduleTriggerOptions{}) == nil
	}, patience, 100*time.Millisecond, "the schedule %s cannot be triggered", schedule)
}

// A charge whose webhook was lost is found by asking the EHR.
func TestLostWebhookIsMadeUpFor(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	id := s.Sandbox.DrChrono.AddCharge(drchronosim.Charge{Patient: s.Patients["ana"], Cents: 145_00, Quiet: true})
	key := copay.Key{Practice: stack.Practice, EHR: "drchrono", Charge: copay.ChargeID(id)}
	_, err := s.Process.Store.CoPay(t.Context(), key.Practice, key.ID())
	require.Equal(t, copay.CodeNotFound, copay.CodeOf(err))
	s.trigger(worker.PollSchedule(stack.Practice, "drchrono"))
	s.in(key, copay.StateAwaitingPayment)
	s.pays(key)
	s.in(key, copay.StateSettled)
	s.invariants()
}

// What the payer says of a settled co-pay is heard of by asking the EHR, and a
// difference to what was collected comes to a person. How good the estimates were
// shows by payer and service; what a self-pay patient owes was no estimate.
func TestARemittanceIsComparedWithWhatWasCollected(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	paid := func(patient string) (copay.Key, int64) {
		key := s.charge(patient)
		s.pays(key)
		return key, s.in(key, copay.StateSettled).Amounts.Collected.Minor
	}
	right, held := paid("kim")
	short, less := paid("ana")
	exact, share := paid("zoe")
	remit := func(key copay.Key, cents int64) {
		s.Sandbox.DrChrono.Remit(string(key.Charge), "Paid in Full", drchronosim.Adjustment{Status: "1", Group: "PR", Reason: "3", Cents: cents})
	}
	remit(right, held)
	remit(short, less+10_00)
	remit(exact, share)
	s.trigger(worker.PollSchedule(stack.Practice, "drchrono"))
	got := s.in(short, copay.StateNeedsReview)
	require.Equal(t, copay.ReviewTrueUp, got.Review.Kind)
	require.Equal(t, copay.Cents(10_00), *got.Review.Amount)
	for key, cents := range map[copay.Key]int64{right: held, exact: share} {
		s.await(key, "should hear of the remittance", func(c copay.CoPay) bool { return c.Amounts.Adjudicated == copay.Cents(cents) })
		s.in(key, copay.StateSettled)
	}
	rows, err := s.Process.Store.CompareEstimates(t.Context(), stack.Practice, got.ServiceDate, got.ServiceDate)
	require.NoError(t, err)
	require.Equal(t, []ledger.EstimateComparison{{PayerID: "60054", Payer: "MOCK PAYER A", Service: "98", CoPays: 2, Exact: 1, Low: 1,
		Estimated: copay.Cents(less + share), Adjudicated: copay.Cents(less + share + 10_00), OffBy: copay.Cents(5_00)}}, rows)
	s.invariants()
}

// A STOP whose webhook was lost is found by asking the message platform, and
// ends the texts like any other.
func TestLostStopIsMadeUpFor(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	const phone = "+13125550142" // Ana's
	ana, kim := s.charge("ana"), s.charge("kim")
	s.in(ana, copay.StateAwaitingPayment)
	s.in(kim, copay.StateAwaitingPayment)
	s.Sandbox.Twilio.SetInbound("")
	_, err := s.Sandbox.Twilio.Receive(phone, "STOP")
	require.NoError(t, err)
	require.NoError(t, s.Clock.Advance(5*time.Minute)) // a webhook would have come by then
	before := len(s.Sandbox.Twilio.Messages())
	s.trigger(worker.PollSchedule(stack.Practice, "twilio"))
	s.await(ana, "should hear of the STOP", func(copay.CoPay) bool {
		reach, err := s.Process.Store.Reach(t.Context(), ana.Practice, ana.ID())
		return err == nil && !reach[0].Consent
	})
	require.NoError(t, s.Advance(t.Context(), 73*time.Hour)) // past the reminder
	s.pays(kim)
	s.in(kim, copay.StateSettled)
	for _, m := range s.Sandbox.Twilio.Messages()[before:] {
		require.NotEqual(t, phone, m.To)
	}
	s.invariants()
}

// A stack whose PostgreSQL has died says so and ends, instead of refusing
// everything from then on.
func TestAStackEndsWithItsPostgreSQL(t *testing.T) {
	s := begin(t, nil)
	b, err := os.ReadFile(filepath.Join(s.Options.Dir, "postgres", "data", "postmaster.pid"))
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(first)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	select {
	case <-s.Done():
		require.ErrorContains(t, s.Err(), "PostgreSQL has ended by itself")
	case <-time.After(patience):
		require.FailNow(t, "the stack goes on without its database")
	}
}

// A closed history is kept in the archive, encrypted, and the audit chain
// vouches for it.
func TestClosedHistoriesAreArchived(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	key := s.charge("kim")
	s.pays(key)
	s.in(key, copay.StateSettled)
	var kept []ledger.ArchiveRow
	require.Eventually(t, func() bool {
		s.trigger(worker.ArchiveSchedule)
		var err error
		kept, err = s.Process.Store.Archived(t.Context(), key.Practice, key.ID())
		return err == nil && len(kept) > 0
	}, patience, 500*time.Millisecond, "the history is not archived")
	row, err := s.Process.Store.ArchivedHistory(t.Context(), key.Practice, key.ID(), kept[0].RunID)
	require.NoError(t, err)
	require.Contains(t, string(row.History), `"EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED"`)
	require.NotContains(t, string(row.History), "Voorbeeld")
	s.invariants()
}
