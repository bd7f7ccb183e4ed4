package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
)

const (
	sqlAddArchive = `INSERT INTO archive (practice, copay_id, run_id, closed_at, sha256, history) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING`
	sqlArchiveSum = `SELECT sha256 FROM archive WHERE practice = $1 AND copay_id = $2 AND run_id = $3`
	sqlArchived   = `SELECT copay_id, run_id, closed_at, sha256, length(history)::bigint, NULL::bytea FROM archive
WHERE practice = $1 AND copay_id = $2 ORDER BY closed_at, run_id`
	sqlHistory = `SELECT copay_id, run_id, closed_at, sha256, length(history)::bigint, history FROM archive
WHERE practice = $1 AND copay_id = $2 AND run_id = $3`
	// The first row counts: a later one may have been added to fit.
	sqlChainedSum = `SELECT coalesce(detail ->> 'sha256', '') FROM audit_log WHERE practice = $1 AND copay_id = $2 AND action = $3
AND detail ->> 'run' = $4 ORDER BY seq LIMIT 1`
)

// actArchived is the action of the audit row that holds a history's hash.
const actArchived = "history.archived"

// ArchiveHistory keeps the history of a closed run, whose payloads are still
// encrypted, and writes its hash into the audit chain. The same run again is a
// no-op, with another history a conflict.
func (s *Store) ArchiveHistory(ctx context.Context, practice copay.PracticeID, id copay.ID, runID string, closedAt time.Time, history, sum []byte) error {
	if have := sha256.Sum256(history); !bytes.Equal(have[:], sum) {
		return copay.Errorf(copay.CodeInvalid, "sha256", "the history does not have the hash that came with it")
	}
	if runID == "" {
		return copay.Errorf(copay.CodeInvalid, "run_id", "a history belongs to a run")
	}
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return err
	}
	return s.tx(ctx, "archive the history", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlAddArchive, practice, id, runID, moment(closedAt), sum, history)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return sameArchive(ctx, tx, practice, id, runID, sum)
		}
		return s.auditIn(ctx, tx, ring, AuditEntry{Practice: practice, Actor: copay.System(), Action: actArchived, CoPay: id,
			Detail: map[string]string{"run": runID, "sha256": hex.EncodeToString(sum)}})
	})
}

func sameArchive(ctx context.Context, tx pgx.Tx, practice copay.PracticeID, id copay.ID, runID string, sum []byte) error {
	var have []byte
	if err := tx.QueryRow(ctx, sqlArchiveSum, practice, id, runID).Scan(&have); err != nil {
		return err
	}
	if !bytes.Equal(have, sum) {
		return copay.Errorf(copay.CodeConflict, "run_id", "another history of this run is archived already")
	}
	return nil
}

// Archived lists the archived runs of a co-pay without their histories.
func (s *Store) Archived(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]ArchiveRow, error) {
	rows, err := s.pool.Query(ctx, sqlArchived, practice, id)
	if err != nil {
		return nil, translate("list archived histories", err)
	}
	list, err := pgx.CollectRows(rows, scanArchive)
	return list, translate("list archived histories", err)
}

// ArchivedHistory reads one history, checked against the hash in the audit
// chain: the one beside it could be altered along with it.
func (s *Store) ArchivedHistory(ctx context.Context, practice copay.PracticeID, id copay.ID, runID string) (ArchiveRow, error) {
	rows, err := s.pool.Query(ctx, sqlHistory, practice, id, runID)
	if err != nil {
		return ArchiveRow{}, translate("read the archived history", err)
	}
	row, err := pgx.CollectExactlyOneRow(rows, scanArchive)
	if err != nil {
		return ArchiveRow{}, found("archived history", err)
	}
	chained := ""
	err = s.pool.QueryRow(ctx, sqlChainedSum, practice, id, actArchived, runID).Scan(&chained)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return ArchiveRow{}, translate("read the history's hash", err)
	}
	if have := sha256.Sum256(row.History); !bytes.Equal(have[:], row.SHA256) || hex.EncodeToString(have[:]) != chained {
		return ArchiveRow{}, copay.Errorf(copay.CodePrecondition, "", "the archived history was altered: it does not have its hash any more")
	}
	return row, nil
}

func scanArchive(r pgx.CollectableRow) (ArchiveRow, error) {
	row, err := pgx.RowToStructByPos[ArchiveRow](r)
	row.ClosedAt = row.ClosedAt.UTC()
	return row, err
}
