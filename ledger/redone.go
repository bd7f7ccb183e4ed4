package ledger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
)

const (
	sqlLockCoPay = `SELECT seq, version, run, task, coalesce(nullif(asked, '-infinity'), 'epoch') FROM copays WHERE practice = $1 AND id = $2 FOR UPDATE`
	sqlAdvance   = `UPDATE copays SET seq = seq + $3 WHERE practice = $1 AND id = $2 RETURNING seq`

	sqlNewestOfRun = `SELECT task, asked FROM records WHERE practice = $1 AND copay_id = $2 AND run = $3 ORDER BY task DESC, asked DESC LIMIT 1`

	// The same version may have been written by a run that was reset, too.
	sqlStanding = `SELECT digest FROM records r WHERE practice = $1 AND copay_id = $2 AND version = $3
  AND NOT EXISTS (SELECT FROM lost_records l WHERE (l.practice, l.copay_id, l.version, l.asked) = (r.practice, r.copay_id, r.version, r.asked))`
)

// late handles a record that is not newer than the picture, or comes from a
// worker that is not in charge any more: done when there is nothing to write.
func (w *recordWriter) late(ctx context.Context, tx pgx.Tx) (done bool, err error) {
	practice, id := w.r.CoPay.Key.Practice, w.r.CoPay.ID
	var run string
	var version int64
	var task int
	var asked time.Time
	if err := tx.QueryRow(ctx, sqlLockCoPay, practice, id).Scan(&w.seq, &version, &run, &task, &asked); err != nil {
		return false, err
	}
	standing := w.r.Run != "" && run == w.r.Run // the picture is of this run
	stale := w.r.Run != "" && run != "" && !standing && w.r.Asked.Before(asked)
	if !standing && w.r.Run != "" { // its own newest counts, if any
		task, asked = w.r.Task, w.r.Asked
		err := tx.QueryRow(ctx, sqlNewestOfRun, practice, id, w.r.Run).Scan(&task, &asked)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return false, err
		}
	}
	rows, err := tx.Query(ctx, sqlStanding, practice, id, w.r.Version)
	if err != nil {
		return false, err
	}
	digests, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return false, err
	}
	for _, digest := range digests {
		done = done || bytes.Equal(digest, w.digest)
	}
	order := cmp.Or(cmp.Compare(w.r.Task, task), w.r.Asked.Compare(asked))
	switch {
	case w.r.Run == "":
	case order > 0:
		return w.redo(ctx, tx, done, standing)
	case done:
	case w.r.Task < task:
		return true, nil // of a worker whose task was given to another
	case order < 0 || stale:
		// Most likely of such a worker, too. Were it a clock that is behind, then it
		// must be asked for again and not be lost.
		return false, copay.Errorf(copay.CodeConflict, "version", "a later record of the co-pay stands")
	}
	switch {
	case done && order == 0 && standing && w.r.Decided && w.r.Version == version:
		return true, w.decidedAnew(ctx, tx)
	case done:
		return true, nil
	}
	return false, w.advance(ctx, tx)
}

// decidedAnew shows what comes next by the decision that counts: the same step may
// have decided otherwise when it was done again, later or after a STOP.
func (w *recordWriter) decidedAnew(ctx context.Context, tx pgx.Tx) error {
	w.r.Events, w.redone, w.shown = nil, true, true
	return w.picture(ctx, tx)
}

// advance gives the record's events their numbers where the picture stays.
func (w *recordWriter) advance(ctx context.Context, tx pgx.Tx) error {
	return tx.QueryRow(ctx, sqlAdvance, w.r.CoPay.Key.Practice, w.r.CoPay.ID, len(w.r.Events)).Scan(&w.seq)
}

const (
	sqlLose = `INSERT INTO lost_records (practice, copay_id, version, asked)
SELECT DISTINCT practice, copay_id, version, asked FROM records
WHERE practice = $1 AND copay_id = $2 AND run = $3 AND version >= $4 AND (task, asked) < ($5, $6) ON CONFLICT DO NOTHING`

	sqlInCharge = `UPDATE copays SET task = $3, asked = $4 WHERE practice = $1 AND id = $2`

	sqlUndone = `SELECT e.id, e.step, e.currency, l.account, l.debit, l.credit
FROM entries e JOIN lines l ON l.practice = e.practice AND l.entry_id = e.id
JOIN lost_records x ON (x.practice, x.copay_id, x.version, x.asked) = (e.practice, e.copay_id, e.version, e.asked)
WHERE e.practice = $1 AND e.copay_id = $2 AND e.undoes IS NULL AND NOT EXISTS (SELECT FROM entries u WHERE u.undoes = e.id)
ORDER BY e.id, l.no`
)

// redo takes back what a run has recorded from this version on (or behind it,
// where same says that the version stands as it is): the run is at it again, so
// Temporal never heard of that, nobody was answered and nothing was done outside.
// The picture stays where it is not of this run (standing), which was reset.
func (w *recordWriter) redo(ctx context.Context, tx pgx.Tx, same, standing bool) (done bool, err error) {
	practice, id := w.r.CoPay.Key.Practice, w.r.CoPay.ID
	from := w.r.Version
	if same {
		from++
	}
	lost, err := tx.Exec(ctx, sqlLose, practice, id, w.r.Run, from, w.r.Task, w.r.Asked)
	if err != nil {
		return false, err
	}
	switch nothing := lost.RowsAffected() == 0; {
	case nothing && same && standing && w.r.Decided:
		return true, w.decidedAnew(ctx, tx)
	case nothing && same && standing:
		_, err := tx.Exec(ctx, sqlInCharge, practice, id, w.r.Task, w.r.Asked)
		return true, err
	case nothing && same:
		return true, nil
	case nothing && !standing:
		return false, w.advance(ctx, tx)
	}
	if err := w.takeBack(ctx, tx); err != nil {
		return false, err
	}
	w.redone = true
	if same { // its events are there
		w.r.Events = nil
	}
	if !standing {
		return false, w.advance(ctx, tx)
	}
	return false, w.picture(ctx, tx)
}

// takeBack books the opposite of every entry that was lost.
func (w *recordWriter) takeBack(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, sqlUndone, w.r.CoPay.Key.Practice, w.r.CoPay.ID)
	if err != nil {
		return err
	}
	type lost struct {
		id int64
		Entry
	}
	var all []lost
	var e lost
	var l Line
	_, err = pgx.ForEachRow(rows, []any{&e.id, &e.Step, &e.Currency, &l.Account, &l.Debit, &l.Credit}, func() error {
		if n := len(all); n == 0 || all[n-1].id != e.id {
			all = append(all, e)
		}
		last := &all[len(all)-1]
		last.Lines = append(last.Lines, l)
		return nil
	})
	if err != nil {
		return err
	}
	for _, e := range all {
		e.At = w.s.now()
		if _, err := takeBack(ctx, tx, w.r, e.id, e.Entry); err != nil {
			return err
		}
	}
	return nil
}
