package ledger

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/copayflow/copayflow/copay"
)

// chart says what kind each account is.
var chart = []struct {
	code Account
	kind string
}{
	{AccountReceivable, "asset"}, {AccountClearing, "asset"}, {AccountTerminal, "asset"}, {AccountCash, "asset"},
	{AccountDisputes, "asset"}, {AccountRevenue, "income"}, {AccountWaivers, "expense"}, {AccountWriteOffs, "expense"},
	{AccountContractual, "expense"},
}

// Accounts are the chart's.
func Accounts() []Account {
	all := make([]Account, len(chart))
	for i, a := range chart {
		all[i] = a.code
	}
	return all
}

const (
	sqlAddChart = `INSERT INTO accounts (practice, code, kind) SELECT $1, c, k FROM unnest($2::text[], $3::text[]) AS a (c, k)
ON CONFLICT DO NOTHING`
	sqlAddEntry = `WITH e AS (
  INSERT INTO entries (practice, copay_id, step, currency, at, memo, version, asked, undoes)
  VALUES ($1, $2, $3, $4, $5, $6, $10, $11, $12)
  ON CONFLICT (practice, copay_id, step) DO NOTHING RETURNING id)
INSERT INTO lines (practice, entry_id, no, account, debit, credit)
SELECT $1, e.id, l.no, l.account, l.debit, l.credit
FROM e, unnest($7::text[], $8::bigint[], $9::bigint[]) WITH ORDINALITY AS l (account, debit, credit, no)`
)

// queueEntries books a record's entries; those whose step is booked already
// are added to repeated once the batch has run.
func (s *Store) queueEntries(b *pgx.Batch, r Record, repeated *[]Entry) {
	if len(r.Entries) == 0 {
		return
	}
	practice := r.CoPay.Key.Practice
	if _, known := s.charts.Load(practice); !known {
		var codes, kinds []string
		for _, a := range chart {
			codes, kinds = append(codes, string(a.code)), append(kinds, a.kind)
		}
		b.Queue(sqlAddChart, practice, codes, kinds)
	}
	for _, e := range r.Entries {
		b.Queue(sqlAddEntry, entryArgs(r, e, e.Step, nil)...).Exec(func(tag pgconn.CommandTag) error {
			if tag.RowsAffected() == 0 {
				*repeated = append(*repeated, e)
			}
			return nil
		})
	}
}

// entryArgs are the arguments of sqlAddEntry; name is the step, or another time it
// is booked or taken back.
func entryArgs(r Record, e Entry, name string, undoes *int64) []any {
	var accounts []string
	var debits, credits []int64
	for _, l := range e.Lines {
		accounts, debits, credits = append(accounts, string(l.Account)), append(debits, l.Debit), append(credits, l.Credit)
	}
	return []any{r.CoPay.Key.Practice, r.CoPay.ID, name, e.Currency, e.At, clean(e.Memo), accounts, debits, credits, r.Version, r.Asked, undoes}
}

// nextTime names the step for the next time that it is taken back or booked.
func nextTime(name string) string {
	step, n, _ := strings.Cut(name, "#")
	times, _ := strconv.Atoi(n)
	return fmt.Sprintf("%s#%d", step, times+1)
}

const sqlNewestOfStep = `SELECT e.id, e.step, e.undoes IS NOT NULL, e.currency, l.account, l.debit, l.credit,
  coalesce((SELECT max(x.run) FROM records x WHERE (x.practice, x.copay_id, x.version, x.asked) = (e.practice, e.copay_id, e.version, e.asked)), '')
FROM entries e JOIN lines l ON l.practice = e.practice AND l.entry_id = e.id
WHERE e.id = (SELECT max(id) FROM entries WHERE practice = $1 AND copay_id = $2 AND (step = $3 OR starts_with(step, $3 || '#'))) ORDER BY l.no`

// sameEntries refuses a step that was booked before with other lines, and books
// one anew that was taken back since. What an earlier run booked otherwise is
// taken back: a workflow that was reset takes another way.
func sameEntries(ctx context.Context, tx pgx.Tx, r Record, repeated []Entry) error {
	for _, e := range repeated {
		rows, err := tx.Query(ctx, sqlNewestOfStep, r.CoPay.Key.Practice, r.CoPay.ID, e.Step)
		if err != nil {
			return err
		}
		var id int64
		var undone bool
		var run string
		var booked Entry
		var l Line
		_, err = pgx.ForEachRow(rows, []any{&id, &booked.Step, &undone, &booked.Currency, &l.Account, &l.Debit, &l.Credit, &run}, func() error {
			booked.Lines = append(booked.Lines, l)
			return nil
		})
		if err != nil {
			return err
		}
		if !undone {
			if booked.Currency == e.Currency && slices.Equal(booked.Lines, e.Lines) {
				continue
			}
			if r.Run == "" || run == "" || run == r.Run {
				return copay.Errorf(copay.CodeConflict, "step", "step %s of the co-pay is booked already with other amounts", e.Step)
			}
			booked.At = e.At
			if booked.Step, err = takeBack(ctx, tx, r, id, booked); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, sqlAddEntry, entryArgs(r, e, nextTime(booked.Step), nil)...); err != nil {
			return err
		}
	}
	return nil
}

// takeBack books the opposite of an entry, and returns the name it has.
func takeBack(ctx context.Context, tx pgx.Tx, r Record, id int64, e Entry) (string, error) {
	e.Memo = "taken back: the step is done again"
	e.Lines = slices.Clone(e.Lines)
	for i, l := range e.Lines {
		e.Lines[i].Debit, e.Lines[i].Credit = l.Credit, l.Debit
	}
	name := nextTime(e.Step)
	_, err := tx.Exec(ctx, sqlAddEntry, entryArgs(r, e, name, &id)...)
	return name, err
}

// collectEntries folds joined rows, which come entry by entry.
func collectEntries(rows pgx.Rows) ([]EntryRow, error) {
	defer rows.Close()
	var list []EntryRow
	for rows.Next() {
		var e EntryRow
		var l Line
		if err := rows.Scan(&e.ID, &e.CoPay, &e.Step, &e.Currency, &e.At, &e.Memo, &l.Account, &l.Debit, &l.Credit); err != nil {
			return nil, err
		}
		if n := len(list); n == 0 || list[n-1].ID != e.ID {
			e.At = e.At.UTC()
			list = append(list, e)
		}
		last := &list[len(list)-1]
		last.Lines = append(last.Lines, l)
	}
	return list, rows.Err()
}

const sqlEntries = `SELECT e.id, e.copay_id, e.step, e.currency, e.at, e.memo, l.account, l.debit, l.credit
FROM (SELECT * FROM entries WHERE practice = @practice AND id > @after
  AND (@copay = '' OR copay_id = @copay)
  AND (@from::timestamptz IS NULL OR at >= @from) AND (@to::timestamptz IS NULL OR at < @to)
  AND (@account = '' OR EXISTS (SELECT FROM lines x WHERE x.practice = @practice AND x.entry_id = entries.id AND x.account = @account))
  ORDER BY id LIMIT @size) e
JOIN lines l ON l.practice = e.practice AND l.entry_id = e.id ORDER BY e.id, l.no`

// Entries lists a practice's entries, oldest first.
func (s *Store) Entries(ctx context.Context, practice copay.PracticeID, f EntryFilter, from PageToken, size int) ([]EntryRow, PageToken, error) {
	after, err := from.number()
	if err != nil {
		return nil, "", err
	}
	size = pageSize(size)
	rows, err := s.pool.Query(ctx, sqlEntries, pgx.NamedArgs{"practice": practice, "after": after, "copay": f.CoPay,
		"account": f.Account, "from": orNil(f.From), "to": orNil(f.To), "size": size + 1})
	if err != nil {
		return nil, "", translate("list entries", err)
	}
	list, err := collectEntries(rows)
	if err != nil || len(list) <= size {
		return list, "", translate("list entries", err)
	}
	return list[:size], pageFrom(list[size-1].ID), nil
}

const sqlBalances = `SELECT l.account, e.currency, sum(l.debit)::bigint, sum(l.credit)::bigint
FROM lines l JOIN entries e ON e.practice = l.practice AND e.id = l.entry_id
WHERE l.practice = $1 AND ($2 = '' OR e.copay_id = $2) GROUP BY l.account, e.currency ORDER BY l.account, e.currency`

// TrialBalance sums each account of a practice; debits and credits of all
// accounts of a currency are equal.
func (s *Store) TrialBalance(ctx context.Context, practice copay.PracticeID) ([]Balance, error) {
	return s.balances(ctx, practice, "")
}

// CoPayBalance sums each account over the entries of one co-pay.
func (s *Store) CoPayBalance(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]Balance, error) {
	if err := id.Validate(); err != nil {
		return nil, err
	}
	return s.balances(ctx, practice, id)
}

func (s *Store) balances(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]Balance, error) {
	rows, err := s.pool.Query(ctx, sqlBalances, practice, id)
	if err != nil {
		return nil, translate("sum the accounts", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Balance])
	return list, translate("sum the accounts", err)
}

// A capture is told from other money that comes in, such as a dispute that was
// won, by what it settles: receivable.
const sqlCaptured = `SELECT m.practice, e.currency, sum(m.debit)::bigint FROM lines m
JOIN entries e ON e.practice = m.practice AND e.id = m.entry_id AND e.undoes IS NULL
  AND NOT EXISTS (SELECT FROM entries u WHERE u.undoes = e.id)
JOIN lines r ON r.practice = m.practice AND r.entry_id = m.entry_id AND r.account = $4 AND r.credit > 0
WHERE m.account IN ($1, $2, $3) AND m.debit > 0 GROUP BY m.practice, e.currency ORDER BY m.practice, e.currency`

// Captured sums the money that ever came in from patients, on all rails and
// whatever became of it, for metrics; all practices.
func (s *Store) Captured(ctx context.Context) ([]Captured, error) {
	rows, err := s.pool.Query(ctx, sqlCaptured, AccountClearing, AccountTerminal, AccountCash, AccountReceivable)
	if err != nil {
		return nil, translate("sum the captures", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Captured])
	return list, translate("sum the captures", err)
}
