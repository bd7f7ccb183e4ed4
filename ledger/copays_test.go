package ledger_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

func TestClaimCreatesOnce(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	row, created, err := b.Claim(t.Context(), key, key.WorkflowID())
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, key.ID(), row.CoPay.ID)
	require.Equal(t, copay.StateReceived, row.CoPay.State)
	require.Zero(t, row.Version)
	require.Equal(t, noon, row.ClaimedAt)

	b.record(t, step(key, 1, copay.StateVerifying))
	row, created, err = b.Claim(t.Context(), key, "copay/other")
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, key.WorkflowID(), row.WorkflowID)
	require.Equal(t, int64(1), row.Version)
	require.Equal(t, copay.StateVerifying, row.CoPay.State)
}

func TestClaimAtTheSameTime(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	var created atomic.Int32
	for _, err := range together(16, func(int) error {
		_, first, err := b.Claim(t.Context(), key, key.WorkflowID())
		if first {
			created.Add(1)
		}
		return err
	}) {
		require.NoError(t, err)
	}
	require.Equal(t, int32(1), created.Load())
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM copays`))
}

func TestClaimRefusesBadKeys(t *testing.T) {
	b := setup(t)
	for _, key := range []copay.Key{{}, {Practice: "Maple", EHR: "x", Charge: "1"}, {Practice: maple, Charge: "1"}, {Practice: maple, EHR: "x"}} {
		_, _, err := b.Claim(t.Context(), key, "w")
		requireCode(t, copay.CodeInvalid, err)
	}
}

func TestCoPayUnknown(t *testing.T) {
	b := setup(t)
	_, err := b.CoPay(t.Context(), maple, "cp_0000000000000000")
	requireCode(t, copay.CodeNotFound, err)
	_, err = b.Timeline(t.Context(), maple, "cp_0000000000000000")
	requireCode(t, copay.CodeNotFound, err)
}

func TestPictureComesBackAsItWas(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	r := step(key, 3, copay.StateNeedsReview)
	r.CoPay.Amounts = copay.Amounts{Billed: copay.Cents(20000), Estimated: copay.Cents(2500), Requested: copay.Cents(3000), Collected: copay.Cents(1000)}
	r.CoPay.Rail, r.CoPay.Appointment, r.CoPay.ServiceDate = copay.RailLink, "a-9", "2026-11-20"
	r.CoPay.Review = &copay.Review{Kind: copay.ReviewUnpaid, Message: "the ladder is used up", Choices: []copay.Choice{copay.ChoiceWaive}, Since: noon}
	r.CoPay.Patient, r.CoPay.NextActionAt = "p-1", noon.Add(time.Hour)
	b.record(t, r)
	row, err := b.CoPay(t.Context(), maple, key.ID())
	require.NoError(t, err)
	require.Equal(t, r.CoPay, row.CoPay)
	require.Equal(t, key.WorkflowID(), row.WorkflowID)
	require.Equal(t, r.CoPay.UpdatedAt, row.UpdatedAt)
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM copays WHERE billed = 20000 AND estimated = 2500 AND requested = 3000
		AND collected = 1000 AND currency = 'USD' AND review = 'unpaid' AND rail = 'link' AND service_date = '2026-11-20'
		AND next_action_at = $1 AND patient_key IS NOT NULL`, noon.Add(time.Hour)))
}

// seed makes co-pays c-1 … c-n of maple, one a minute.
func seed(t *testing.T, b bench, n int) {
	t.Helper()
	states := []copay.State{copay.StateAwaitingPayment, copay.StateNeedsReview, copay.StateSettled}
	for i := 1; i <= n; i++ {
		r := step(keyOf(maple, "c-"+strconv.Itoa(i)), 1, states[i%len(states)])
		r.CoPay.ServiceDate = copay.Date("2026-11-0" + strconv.Itoa(i%9+1))
		r.CoPay.Patient = copay.PatientRef("p-" + strconv.Itoa(i%4))
		r.CoPay.Appointment = copay.AppointmentID("a-" + strconv.Itoa(i))
		if i%2 == 0 {
			r.CoPay.Rail = copay.RailCash
		}
		if r.CoPay.State == copay.StateNeedsReview {
			r.CoPay.Review = &copay.Review{Kind: copay.ReviewPosting}
		}
		r.CoPay.UpdatedAt = noon.Add(time.Duration(i) * time.Minute)
		b.record(t, r)
		b.clock.Add(time.Minute)
	}
}

func TestListFilters(t *testing.T) {
	b := setup(t)
	seed(t, b, 12)
	yes, no := true, false
	for name, c := range map[string]struct {
		f    ledger.Filter
		want int
	}{
		"all":               {ledger.Filter{}, 12},
		"no states":         {ledger.Filter{States: []copay.State{}}, 12},
		"one state":         {ledger.Filter{States: []copay.State{copay.StateSettled}}, 4},
		"two states":        {ledger.Filter{States: []copay.State{copay.StateSettled, copay.StateNeedsReview}}, 8},
		"rail":              {ledger.Filter{Rail: copay.RailCash}, 6},
		"ehr":               {ledger.Filter{EHR: "drchrono"}, 12},
		"other ehr":         {ledger.Filter{EHR: "elation"}, 0},
		"appointment":       {ledger.Filter{Appointment: "a-3"}, 1},
		"patient":           {ledger.Filter{Patient: "p-1"}, 3},
		"unknown patient":   {ledger.Filter{Patient: "p-77"}, 0},
		"service from":      {ledger.Filter{ServiceFrom: "2026-11-08"}, 2},
		"service to":        {ledger.Filter{ServiceTo: "2026-11-02"}, 3},
		"service window":    {ledger.Filter{ServiceFrom: "2026-11-03", ServiceTo: "2026-11-04"}, 4},
		"needs review":      {ledger.Filter{NeedsReview: &yes}, 4},
		"needs no review":   {ledger.Filter{NeedsReview: &no}, 8},
		"review kind":       {ledger.Filter{Review: copay.ReviewPosting}, 4},
		"other review kind": {ledger.Filter{Review: copay.ReviewDispute}, 0},
		"updated since":     {ledger.Filter{UpdatedSince: noon.Add(10 * time.Minute)}, 3},
	} {
		list, more, err := b.ListCoPays(t.Context(), maple, c.f, "", 0)
		require.NoError(t, err, name)
		require.Len(t, list, c.want, name)
		require.Empty(t, more, name)
	}
}

func TestPagesMissAndRepeatNothing(t *testing.T) {
	b := setup(t)
	seed(t, b, 11)
	var got []copay.ChargeID
	page := ledger.PageToken("")
	for n := 0; ; n++ {
		list, nextPage, err := b.ListCoPays(t.Context(), maple, ledger.Filter{}, page, 4)
		require.NoError(t, err)
		for _, r := range list {
			got = append(got, r.CoPay.Key.Charge)
		}
		if page = nextPage; page == "" {
			require.Equal(t, 2, n)
			break
		}
		// Changes between the pages do not move anything.
		b.record(t, step(keyOf(maple, "c-1"), int64(n+10), copay.StateCancelled))
		b.record(t, step(keyOf(maple, "new-"+strconv.Itoa(n)), 1, copay.StateReceived))
	}
	require.Len(t, got, 11)
	for i, c := range got {
		require.Equal(t, copay.ChargeID("c-"+strconv.Itoa(11-i)), c)
	}
}

func TestForeignPageTokens(t *testing.T) {
	b := setup(t)
	for _, token := range []ledger.PageToken{"?", "YWJj", "MTIz", "MS8A"} {
		_, _, err := b.ListCoPays(t.Context(), maple, ledger.Filter{}, token, 4)
		requireCode(t, copay.CodeInvalid, err)
	}
	for _, token := range []ledger.PageToken{"?", "YWJj", "LTE"} {
		_, _, err := b.Entries(t.Context(), maple, ledger.EntryFilter{}, token, 4)
		requireCode(t, copay.CodeInvalid, err)
		_, _, err = b.Audit(t.Context(), maple, ledger.AuditFilter{}, token, 4)
		requireCode(t, copay.CodeInvalid, err)
		_, _, err = b.Inbox().DeadLetters(t.Context(), maple, token, 4)
		requireCode(t, copay.CodeInvalid, err)
	}
}

func TestStateCounts(t *testing.T) {
	b := setup(t)
	seed(t, b, 7)
	b.record(t, step(keyOf(birch, "c-1"), 1, copay.StateSettled))
	list, err := b.StateCounts(t.Context())
	require.NoError(t, err)
	require.Equal(t, []ledger.StateCount{
		{Practice: birch, State: copay.StateSettled, Count: 1, Oldest: noon.Add(time.Minute)},
		{Practice: maple, State: copay.StateAwaitingPayment, Count: 2, Oldest: noon.Add(3 * time.Minute)},
		{Practice: maple, State: copay.StateNeedsReview, Review: copay.ReviewPosting, Count: 3, Oldest: noon.Add(time.Minute)},
		{Practice: maple, State: copay.StateSettled, Count: 2, Oldest: noon.Add(2 * time.Minute)},
	}, list)
}

func TestProgressShowsUntilTheFirstRecord(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	b.claim(t, maple, "c-1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rows, err := b.another(t).Watch(ctx, maple, key.ID())
	require.NoError(t, err)
	require.Equal(t, copay.StateReceived, next(t, rows).CoPay.State)
	for range 2 {
		require.NoError(t, b.Progress(t.Context(), key, copay.StateVerifying, "wait for the payer's answer"))
	}
	seen := next(t, rows)
	require.Equal(t, copay.StateVerifying, seen.CoPay.State)
	require.Equal(t, "wait for the payer's answer", seen.CoPay.NextAction)
	require.Zero(t, seen.Version)
	list, _, err := b.ListCoPays(t.Context(), maple, ledger.Filter{States: []copay.State{copay.StateVerifying}}, "", 10)
	require.NoError(t, err)
	require.Len(t, list, 1)

	require.NoError(t, b.Record(t.Context(), step(key, 1, copay.StateAwaitingPayment)))
	require.NoError(t, b.Progress(t.Context(), key, copay.StateVerifying, "late"))
	row, err := b.CoPay(t.Context(), maple, key.ID())
	require.NoError(t, err)
	require.Equal(t, copay.StateAwaitingPayment, row.CoPay.State)
	requireCode(t, copay.CodeNotFound, b.Progress(t.Context(), keyOf(maple, "c-9"), copay.StateVerifying, ""))
}
