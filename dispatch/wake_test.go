package dispatch

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/mocks"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
	"github.com/copayflow/copayflow/workflows"
)

// record is a ledger in pages.
type record struct {
	pages   [][]ledger.CoPayRow
	asked   []ledger.Filter
	audit   []ledger.AuditEntry
	since   time.Time
	refused error
}

func (r *record) ListCoPays(_ context.Context, _ copay.PracticeID, f ledger.Filter, from ledger.PageToken, _ int) ([]ledger.CoPayRow, ledger.PageToken, error) {
	r.asked = append(r.asked, f)
	if from == "" && len(r.pages) > 1 {
		return r.pages[0], "second", nil
	}
	return r.pages[len(r.pages)-1], "", r.refused
}

func (r *record) AppendAudit(_ context.Context, e ledger.AuditEntry) error {
	r.audit = append(r.audit, e)
	return nil
}

func (r *record) Redeliver(_ context.Context, _ copay.PracticeID, since time.Time) (int64, error) {
	r.since = since
	return 7, nil
}

func rowOf(charge string) ledger.CoPayRow {
	return ledger.CoPayRow{CoPay: copay.CoPay{Key: copay.Key{Practice: maple, EHR: "drchrono", Charge: copay.ChargeID(charge)}}}
}

func TestWakeStartsEveryOpenCoPay(t *testing.T) {
	t.Parallel()
	s, c := starter(t)
	for _, charge := range []string{"1", "2", "3"} {
		c.On("SignalWithStartWorkflow", mock.Anything, rowOf(charge).CoPay.Key.WorkflowID(), workflows.SignalRecheck, nil, mock.Anything, workflows.CoPayType,
			mock.MatchedBy(func(in workflows.Input) bool {
				return in.Trigger == "operator" && in.Priority == PriorityBatch && in.Books
			})).Return(nil, nil).Once()
	}
	r := &record{pages: [][]ledger.CoPayRow{{rowOf("1"), rowOf("2")}, {rowOf("3")}}}
	w, err := s.Wake(t.Context(), r, r, maple, now)
	require.NoError(t, err)
	require.Equal(t, Woken{CoPays: 3, Events: 7}, w)
	require.Equal(t, now, r.since)
	require.Contains(t, r.asked[0].States, copay.StateReceived)
	require.Contains(t, r.asked[0].States, copay.StateDisputed)
	require.NotContains(t, r.asked[0].States, copay.StateSettled)
	require.Equal(t, map[string]string{"copays": "3", "events": "7"}, r.audit[0].Detail)
}

func TestWakeLeavesEventsAndTellsWhatStoppedIt(t *testing.T) {
	t.Parallel()
	s, _ := starter(t)
	r := &record{pages: [][]ledger.CoPayRow{{}}}
	w, err := s.Wake(t.Context(), r, r, maple, time.Time{})
	require.NoError(t, err)
	require.Zero(t, w)
	require.True(t, r.since.IsZero())

	r.refused = errors.New("away")
	_, err = s.Wake(t.Context(), r, r, maple, now)
	require.ErrorIs(t, err, r.refused)

	down := mocks.NewClient(t)
	down.On("SignalWithStartWorkflow", mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(nil, errDown)
	s = NewStarter(down, []Practice{{ID: maple}})
	r = &record{pages: [][]ledger.CoPayRow{{rowOf("1")}}}
	_, err = s.Wake(t.Context(), r, r, maple, now)
	require.ErrorIs(t, err, errDown)
	require.True(t, r.since.IsZero(), "events come after the co-pays")
	require.Empty(t, r.audit)
}
