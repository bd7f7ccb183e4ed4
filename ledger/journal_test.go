package ledger_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/internal/pgserver/pgtest"
	"github.com/copayflow/copayflow/ledger"
)

func TestSameStepSameLines(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	for v := int64(1); v <= 3; v++ {
		r := step(key, v, copay.StateAwaitingPayment)
		r.Entries = []ledger.Entry{entry(t, ledger.RuleReceivable, "receivable-1", 2500, "")}
		r.Entries[0].At = noon.Add(time.Duration(v) * time.Hour)
		b.record(t, r)
	}
	list, _, err := b.Entries(t.Context(), maple, ledger.EntryFilter{}, "", 0)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, noon.Add(time.Hour), list[0].At)
}

func TestTrialBalance(t *testing.T) {
	b := setup(t)
	a, c := keyOf(maple, "c-1"), keyOf(maple, "c-2")
	r := step(a, 1, copay.StateSettled)
	r.Entries = []ledger.Entry{entry(t, ledger.RuleReceivable, "receivable-1", 2500, ""), entry(t, ledger.RuleCapture, "capture-1", 2000, copay.RailLink),
		entry(t, ledger.RuleWaive, "waived", 500, "")}
	b.record(t, r)
	r = step(c, 1, copay.StateSettled)
	r.Entries = []ledger.Entry{entry(t, ledger.RuleReceivable, "receivable-1", 1000, ""), entry(t, ledger.RuleCapture, "capture-1", 1000, copay.RailCash)}
	b.record(t, r)

	list, err := b.TrialBalance(t.Context(), maple)
	require.NoError(t, err)
	require.Equal(t, []ledger.Balance{
		{Account: ledger.AccountCash, Currency: copay.USD, Debit: 1000},
		{Account: ledger.AccountRevenue, Currency: copay.USD, Credit: 3500},
		{Account: ledger.AccountReceivable, Currency: copay.USD, Debit: 3500, Credit: 3500},
		{Account: ledger.AccountClearing, Currency: copay.USD, Debit: 2000},
		{Account: ledger.AccountWaivers, Currency: copay.USD, Debit: 500},
	}, list)
	require.Equal(t, copay.Cents(-3500), list[1].Net())
	list, err = b.CoPayBalance(t.Context(), maple, c.ID())
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, copay.Cents(1000), list[0].Net())
}

func TestEntriesFilterAndPages(t *testing.T) {
	b := setup(t)
	for i := range 7 {
		r := step(keyOf(maple, "c-"+strconv.Itoa(i%2)), int64(i+1), copay.StateAwaitingPayment)
		e := entry(t, ledger.RuleReceivable, "receivable-"+strconv.Itoa(i), int64(100+i), "")
		if i%3 == 0 {
			e = entry(t, ledger.RuleCapture, "capture-"+strconv.Itoa(i), int64(100+i), copay.RailCash)
		}
		e.At = noon.Add(time.Duration(i) * time.Hour)
		r.Entries = []ledger.Entry{e}
		b.record(t, r)
	}
	for _, c := range []struct {
		f    ledger.EntryFilter
		want int
	}{
		{ledger.EntryFilter{}, 7}, {ledger.EntryFilter{CoPay: keyOf(maple, "c-1").ID()}, 3}, {ledger.EntryFilter{Account: ledger.AccountCash}, 3},
		{ledger.EntryFilter{From: noon.Add(5 * time.Hour)}, 2}, {ledger.EntryFilter{To: noon.Add(5 * time.Hour)}, 5},
	} {
		list, _, err := b.Entries(t.Context(), maple, c.f, "", 0)
		require.NoError(t, err)
		require.Len(t, list, c.want, "%+v", c.f)
	}
	var steps []string
	for page := ledger.PageToken(""); ; {
		list, more, err := b.Entries(t.Context(), maple, ledger.EntryFilter{}, page, 3)
		require.NoError(t, err)
		for _, e := range list {
			require.Len(t, e.Lines, 2)
			steps = append(steps, e.Step)
		}
		if page = more; page == "" {
			break
		}
	}
	require.Equal(t, []string{"capture-0", "receivable-1", "receivable-2", "capture-3", "receivable-4", "receivable-5", "capture-6"}, steps)
}

func sqlState(t *testing.T, err error) string {
	t.Helper()
	var pg *pgconn.PgError
	require.ErrorAs(t, err, &pg)
	return pg.Code
}

// booked is a database with one balanced entry.
func booked(t *testing.T, change ...func(*ledger.Config)) (bench, copay.Key) {
	t.Helper()
	b, key := setup(t, change...), keyOf(maple, "c-1")
	r := step(key, 1, copay.StateAwaitingPayment)
	r.Entries = []ledger.Entry{entry(t, ledger.RuleReceivable, "receivable-1", 2500, "")}
	b.record(t, r)
	require.NoError(t, b.AppendAudit(t.Context(), ledger.AuditEntry{Practice: maple, Actor: copay.System(), Action: "test"}))
	return b, key
}

func TestDatabaseRefusesUnbalancedEntries(t *testing.T) {
	b, key := booked(t)
	insert := func(lines ...[3]any) error {
		return pgx.BeginFunc(t.Context(), b.db, func(tx pgx.Tx) error {
			var id int64
			if err := tx.QueryRow(t.Context(), `INSERT INTO entries (practice, copay_id, step, currency, at) VALUES ($1, $2, 'hand', 'USD', $3) RETURNING id`,
				maple, key.ID(), noon).Scan(&id); err != nil {
				return err
			}
			for i, l := range lines {
				if _, err := tx.Exec(t.Context(), `INSERT INTO lines (practice, entry_id, no, account, debit, credit) VALUES ($1, $2, $3, $4, $5, $6)`,
					maple, id, i+1, l[0], l[1], l[2]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.Equal(t, "CP001", sqlState(t, insert()), "no lines")
	require.Equal(t, "CP001", sqlState(t, insert([3]any{"cash_on_hand", 5, 0})), "one line")
	require.Equal(t, "CP001", sqlState(t, insert([3]any{"cash_on_hand", 5, 0}, [3]any{"copay_revenue", 0, 4})), "unequal")
	require.Equal(t, "23514", sqlState(t, insert([3]any{"cash_on_hand", -5, 0}, [3]any{"copay_revenue", 0, -5})), "negative")
	require.Equal(t, "23514", sqlState(t, insert([3]any{"cash_on_hand", 5, 5}, [3]any{"copay_revenue", 0, 0})), "both sides")
	require.Equal(t, "23503", sqlState(t, insert([3]any{"petty_cash", 5, 0}, [3]any{"copay_revenue", 0, 5})), "no account")
	require.NoError(t, insert([3]any{"cash_on_hand", 5, 0}, [3]any{"copay_revenue", 0, 5}))
}

func TestCommittedEntryTakesNoMoreLines(t *testing.T) {
	b, _ := booked(t)
	_, err := b.db.Exec(t.Context(), `INSERT INTO lines (practice, entry_id, no, account, debit, credit)
		SELECT 'maple', id, n, 'cash_on_hand', CASE n WHEN 8 THEN 5 ELSE 0 END, CASE n WHEN 9 THEN 5 ELSE 0 END FROM entries, generate_series(8, 9) n`)
	require.Equal(t, "CP002", sqlState(t, err))
}

// A session cannot show the guards other tables than ours.
func TestGuardsReadOurTables(t *testing.T) {
	b, key := booked(t)
	err := pgx.BeginFunc(t.Context(), b.db, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `SET LOCAL ROLE copay_app; CREATE TEMP TABLE lines (entry_id bigint, debit bigint, credit bigint) ON COMMIT DROP;
			INSERT INTO pg_temp.lines SELECT e, d, d FROM generate_series(1, 99) e, generate_series(1, 2) d`)
		if err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), `INSERT INTO entries (practice, copay_id, step, currency, at) VALUES ($1, $2, 'hand', 'USD', $3)`, maple, key.ID(), noon)
		return err
	})
	require.Equal(t, "CP001", sqlState(t, err))
}

var appendOnly = []string{"entries", "lines", "timeline", "records", "audit_log", "archive"}

func TestAppendOnly(t *testing.T) {
	b, _ := booked(t)
	for _, table := range appendOnly {
		for _, sql := range []string{"UPDATE " + table + " SET practice = 'birch'", "DELETE FROM " + table, "TRUNCATE " + table + " CASCADE"} {
			_, err := b.db.Exec(t.Context(), sql)
			require.Equal(t, "CP002", sqlState(t, err), sql)
		}
	}
}

// The programs' role could not even try.
func TestGrantsOfTheProgramsRole(t *testing.T) {
	b, key := booked(t)
	conn, err := b.db.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), "SET ROLE "+ledger.RoleApp)
	require.NoError(t, err)
	defer func() { _, _ = conn.Exec(t.Context(), "RESET ROLE") }()
	for _, table := range appendOnly {
		for _, sql := range []string{"UPDATE " + table + " SET practice = 'birch'", "DELETE FROM " + table, "TRUNCATE " + table,
			"ALTER TABLE " + table + " DISABLE TRIGGER ALL", "DROP TABLE " + table} {
			_, err := conn.Exec(t.Context(), sql)
			require.Equal(t, "42501", sqlState(t, err), sql)
		}
	}
	_, err = conn.Exec(t.Context(), "DELETE FROM audit_heads")
	require.Equal(t, "42501", sqlState(t, err))

	// And everything the store does works under it.
	s, err := ledger.Open(t.Context(), ledger.Config{DSN: b.db.Config().ConnString(), Role: ledger.RoleApp, Keys: pgtest.Keys(t), Now: b.clock.Now})
	require.NoError(t, err)
	defer s.Close()
	exercise(t, s, key)
}

// What was collected is what patients paid: money that came back from the bank
// after a dispute is not collected twice, and a refund does not undo it.
func TestCapturedCountsEachPaymentOnce(t *testing.T) {
	b := setup(t)
	none, err := b.Captured(t.Context())
	require.NoError(t, err)
	require.Empty(t, none)
	for i, tc := range []struct {
		practice copay.PracticeID
		entries  []ledger.Entry
	}{
		{maple, []ledger.Entry{entry(t, ledger.RuleReceivable, "ask", 2500, ""), entry(t, ledger.RuleCapture, "pay", 2500, copay.RailLink),
			entry(t, ledger.RuleDispute, "dispute", 2500, copay.RailLink), entry(t, ledger.RuleDisputeWon, "won", 2500, copay.RailLink)}},
		{maple, []ledger.Entry{entry(t, ledger.RuleReceivable, "ask", 1000, ""), entry(t, ledger.RuleCapture, "pay", 1000, copay.RailCash),
			entry(t, ledger.RuleRefund, "back", 400, copay.RailCash)}},
		{maple, []ledger.Entry{entry(t, ledger.RuleReceivable, "ask", 700, ""), entry(t, ledger.RuleWaive, "waive", 700, "")}},
		{birch, []ledger.Entry{entry(t, ledger.RuleReceivable, "ask", 300, ""), entry(t, ledger.RuleCapture, "pay", 300, copay.RailTerminal)}},
	} {
		key := keyOf(tc.practice, fmt.Sprintf("c-%d", i))
		b.claim(t, tc.practice, string(key.Charge))
		r := step(key, 1, copay.StatePaid)
		r.Entries = tc.entries
		b.record(t, r)
	}
	list, err := b.Captured(t.Context())
	require.NoError(t, err)
	require.Equal(t, []ledger.Captured{{Practice: birch, Currency: copay.USD, Minor: 300}, {Practice: maple, Currency: copay.USD, Minor: 3500}}, list)
}
