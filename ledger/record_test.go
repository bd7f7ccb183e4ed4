package ledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

func TestRecordWritesEverything(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	b.claim(t, maple, "c-1")
	r := step(key, 1, copay.StateAwaitingPayment)
	r.Events = append(r.Events, ledger.TimelineEvent{At: noon.Add(time.Second), Kind: "note", Actor: copay.Actor{ID: "u-7", Kind: "staff",
		Roles: []copay.Role{copay.RoleBiller}}, Summary: "a note was added", Reason: "asked at the desk", Key: "req-1", Sensitive: "her mother pays", Trace: "trace-2"})
	r.Entries = []ledger.Entry{entry(t, ledger.RuleReceivable, "receivable-1", 2500, "")}
	b.record(t, r)

	list, err := b.Timeline(t.Context(), maple, key.ID())
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, []int64{1, 2}, []int64{list[0].Seq, list[1].Seq})
	require.Equal(t, noon, list[0].At, "an event without a time gets the store's")
	want := r.Events[1]
	want.Trace = "" // that stands in the audit log
	require.Equal(t, ledger.TimelineRow{TimelineEvent: want, Seq: 2, Version: 1}, list[1])
	require.Zero(t, b.count(t, `SELECT count(*) FROM timeline WHERE position('mother'::bytea IN sensitive) > 0`))

	audit, _, err := b.Audit(t.Context(), maple, ledger.AuditFilter{CoPay: key.ID()}, "", 0)
	require.NoError(t, err)
	require.Len(t, audit, 2)
	require.Equal(t, "note", audit[0].Action)
	require.Equal(t, "asked at the desk", audit[0].Reason)
	require.Equal(t, "u-7", audit[0].Actor.ID)
	require.Equal(t, "req-1", audit[0].Detail["key"])
	require.Equal(t, "receivable-1", audit[1].Detail["journal"])
	require.Equal(t, "awaiting_payment", audit[1].Detail["after"])
	require.Equal(t, "trace-1", audit[1].TraceID)
	require.Equal(t, "trace-2", audit[0].TraceID, "what led to the event itself")

	entries, _, err := b.Entries(t.Context(), maple, ledger.EntryFilter{CoPay: key.ID()}, "", 0)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, r.Entries[0], entries[0].Entry)
}

func TestRecordAgainIsANoOp(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	r := step(key, 1, copay.StateAwaitingPayment)
	r.Entries = []ledger.Entry{entry(t, ledger.RuleReceivable, "receivable-1", 2500, "")}
	b.record(t, r)
	// The retry is written at another moment and by another attempt.
	b.clock.Add(time.Hour)
	again := r
	again.CoPay.UpdatedAt = noon.Add(time.Hour)
	again.Events = []ledger.TimelineEvent{r.Events[0]}
	again.Events[0].At = noon.Add(time.Hour)
	again.Entries = []ledger.Entry{r.Entries[0]}
	again.Entries[0].At, again.TraceID = noon.Add(time.Hour), "trace-2"
	b.record(t, again)
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM timeline`))
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM audit_log`))
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM entries`))
	row, err := b.CoPay(t.Context(), maple, key.ID())
	require.NoError(t, err)
	require.Equal(t, noon.Add(time.Minute), row.UpdatedAt)
}

// What comes next is decided while it is written: a try whose answer was lost is
// the same record, though the clock has moved on.
func TestRecordThatDecidesAgainIsANoOp(t *testing.T) {
	b := setup(t)
	r := step(keyOf(maple, "c-1"), 1, copay.StateAwaitingPayment)
	r.Decided, r.CoPay.NextAction, r.CoPay.NextActionAt = true, "remind the patient", noon.Add(72*time.Hour)
	b.record(t, r)
	r.CoPay.NextActionAt = r.CoPay.NextActionAt.Add(30 * time.Second)
	b.record(t, r)
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM timeline`))
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM records`))
}

func TestLateDuplicateNeverOverwrites(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	first, second := step(key, 1, copay.StateAwaitingPayment), step(key, 2, copay.StatePaid)
	b.record(t, first)
	b.record(t, second)
	b.record(t, first)
	row, err := b.CoPay(t.Context(), maple, key.ID())
	require.NoError(t, err)
	require.Equal(t, copay.StatePaid, row.CoPay.State)
	require.Equal(t, int64(2), row.Version)
	require.Equal(t, 2, b.count(t, `SELECT count(*) FROM timeline`))
}

// A workflow that was reset counts versions again from an older number: what
// it does is kept, and no money is booked twice.
func TestOtherWayAfterAReset(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	b.record(t, step(key, 1, copay.StateAwaitingPayment))
	paid := step(key, 2, copay.StatePaid)
	paid.Entries = []ledger.Entry{entry(t, ledger.RuleCapture, "capture-pay-1", 2500, copay.RailLink)}
	b.record(t, paid)
	other := step(key, 2, copay.StateCancelled)
	other.Entries = []ledger.Entry{paid.Entries[0], entry(t, ledger.RuleRefund, "refund-ref-1", 2500, copay.RailLink)}
	for range 2 {
		b.record(t, other)
	}
	list, err := b.Timeline(t.Context(), maple, key.ID())
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, int64(3), list[2].Seq)
	require.Equal(t, 2, b.count(t, `SELECT count(*) FROM entries`))
	row, err := b.CoPay(t.Context(), maple, key.ID())
	require.NoError(t, err)
	require.Equal(t, copay.StatePaid, row.CoPay.State)
	b.record(t, step(key, 3, copay.StateRefunded))
	list, err = b.Timeline(t.Context(), maple, key.ID())
	require.NoError(t, err)
	require.Equal(t, int64(4), list[3].Seq)
}

func TestRecordIsAllOrNothing(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	first := step(key, 1, copay.StateAwaitingPayment)
	first.Entries = []ledger.Entry{entry(t, ledger.RuleReceivable, "receivable-1", 2500, "")}
	b.record(t, first)
	second := step(key, 2, copay.StatePaid)
	second.Entries = []ledger.Entry{entry(t, ledger.RuleCapture, "capture-1", 2500, copay.RailCash),
		entry(t, ledger.RuleReceivable, "receivable-1", 9900, "")}
	requireCode(t, copay.CodeConflict, b.Record(t.Context(), second))
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM timeline`))
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM audit_log`))
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM entries`))
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM copays WHERE version = 1`))
}

func TestRecordAtTheSameTime(t *testing.T) {
	b := setup(t)
	other := b.another(t)
	const versions = 6
	key := keyOf(maple, "c-1")
	// Each version is written by two processes at once, and all at once.
	errs := together(versions*2, func(i int) error {
		r := step(key, int64(i/2+1), copay.StateAwaitingPayment)
		e, err := ledger.NewEntry(ledger.RuleReceivable, "receivable-"+string(rune('a'+i/2)), noon, copay.Cents(100), "")
		if err != nil {
			return err
		}
		r.Entries = []ledger.Entry{e}
		if i%2 == 0 {
			return other.Record(t.Context(), r)
		}
		return b.Record(t.Context(), r)
	})
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, versions, b.count(t, `SELECT count(*) FROM timeline`))
	require.Equal(t, versions, b.count(t, `SELECT max(seq) FROM timeline`))
	require.Equal(t, versions, b.count(t, `SELECT count(*) FROM entries`))
	require.Equal(t, versions, b.count(t, `SELECT version FROM copays`))
	rep, err := b.VerifyAudit(t.Context(), maple)
	require.NoError(t, err)
	require.True(t, rep.OK, rep.Problem)
	require.Equal(t, int64(versions), rep.Rows)
}

func TestRecordRefusesNonsense(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	for name, spoil := range map[string]func(*ledger.Record){
		"no key":        func(r *ledger.Record) { r.CoPay.Key = copay.Key{} },
		"foreign id":    func(r *ledger.Record) { r.CoPay.ID = keyOf(maple, "c-2").ID() },
		"no version":    func(r *ledger.Record) { r.Version = 0 },
		"unknown state": func(r *ledger.Record) { r.CoPay.State = "lost" },
		"lopsided entry": func(r *ledger.Record) {
			r.Entries = []ledger.Entry{{Step: "x", Currency: copay.USD, Lines: []ledger.Line{{Account: ledger.AccountCash, Debit: 1}, {Account: ledger.AccountRevenue, Credit: 2}}}}
		},
		"unknown account": func(r *ledger.Record) {
			r.Entries = []ledger.Entry{{Step: "x", Currency: copay.USD, Lines: []ledger.Line{{Account: "petty_cash", Debit: 2}, {Account: ledger.AccountRevenue, Credit: 2}}}}
		},
	} {
		r := step(key, 1, copay.StateAwaitingPayment)
		spoil(&r)
		err := b.Record(t.Context(), r)
		require.Error(t, err, name)
		require.Contains(t, []copay.Code{copay.CodeInvalid, copay.CodeNotFound}, copay.CodeOf(err), name)
	}
	require.Zero(t, b.count(t, `SELECT count(*) FROM copays`))
}

func TestRecordSurvivesOddText(t *testing.T) {
	b := setup(t)
	r := step(keyOf(maple, "c-1"), 1, copay.StateAwaitingPayment)
	r.Events[0].Summary, r.Events[0].Reason = "nul \x00 and \xff broken", "<a> & \u2028"
	b.record(t, r)
	list, err := b.Timeline(t.Context(), maple, r.CoPay.ID)
	require.NoError(t, err)
	require.Equal(t, "nul  and \uFFFD broken", list[0].Summary)
	rep, err := b.VerifyAudit(t.Context(), maple)
	require.NoError(t, err)
	require.True(t, rep.OK, rep.Problem)
}

func TestObjectsAtPlatformsFindTheirCoPay(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	r := step(key, 1, copay.StateSettled)
	r.CoPay.Payments = []copay.Payment{
		{ID: "pay-1", Rail: copay.RailLink, Platform: "stripe", PlatformID: "cs_1", PostedID: "991", InvoiceID: "inv-5", BookedID: "bk-5"},
		{ID: "pay-2", Rail: copay.RailCash, PostedID: "992"},
	}
	r.CoPay.Refunds = []copay.Refund{{ID: "ref-1", Payment: "pay-1", PlatformID: "re_1", ReversedID: "993", UnbookedID: "ub-5"},
		{ID: "ref-2", Payment: "pay-2", PlatformID: "by-hand"}}
	b.record(t, r)
	r.Version = 2
	b.record(t, r)
	object := func(o string) func() (ledger.CoPayRow, error) {
		return func() (ledger.CoPayRow, error) { return b.FindByObject(t.Context(), maple, "stripe", o) }
	}
	posting := func(o string) func() (ledger.CoPayRow, error) {
		return func() (ledger.CoPayRow, error) { return b.FindByPosting(t.Context(), maple, "drchrono", o) }
	}
	for _, find := range []func() (ledger.CoPayRow, error){object("cs_1"), object("re_1"), posting("991"), posting("992"), posting("993")} {
		row, err := find()
		require.NoError(t, err)
		require.Equal(t, key, row.CoPay.Key)
	}
	for _, find := range []func() (ledger.CoPayRow, error){object("cs_2"), object(""), object("991"), object("by-hand"), posting("cs_1")} {
		_, err := find()
		requireCode(t, copay.CodeNotFound, err)
	}
}
