package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
)

const (
	sqlAuditHead  = `SELECT seq, hash FROM audit_heads WHERE practice = $1`
	sqlAuditChain = `SELECT ` + auditColumns + ` FROM audit_log WHERE practice = $1 AND seq > $2 ORDER BY seq LIMIT $3`
)

// verifyPage is how many rows are walked at a time.
const verifyPage = 1000

// VerifyAudit walks a practice's chain from its beginning and recomputes each
// link. It finds a row that was altered, taken out or put in, and a missing
// end; a chain rewritten as a whole shows by a Head that was kept elsewhere.
func (s *Store) VerifyAudit(ctx context.Context, practice copay.PracticeID) (AuditReport, error) {
	if err := practice.Validate(); err != nil {
		return AuditReport{}, err
	}
	var rep AuditReport
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, s.pool, opts, func(tx pgx.Tx) (err error) {
		rep, err = verifyChain(ctx, tx, practice)
		return err
	})
	return rep, translate("verify the audit log", err)
}

func verifyChain(ctx context.Context, tx pgx.Tx, practice copay.PracticeID) (AuditReport, error) {
	first := sha256.Sum256([]byte(practice))
	headSeq, head, prev := int64(0), first[:], first[:]
	err := tx.QueryRow(ctx, sqlAuditHead, practice).Scan(&headSeq, &head)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return AuditReport{}, err
	}
	rep := AuditReport{}
	for {
		page, err := auditPage(ctx, tx, practice, rep.Rows)
		if err != nil {
			return rep, err
		}
		for _, row := range page {
			if why := row.misfit(rep.Rows+1, prev); why != "" {
				return rep.bad(rep.Rows+1, why), nil
			}
			rep.Rows, prev = row.Seq, row.Hash
		}
		if len(page) < verifyPage {
			break
		}
	}
	if rep.Rows != headSeq || !bytes.Equal(prev, head) {
		return rep.bad(rep.Rows+1, "the end of the chain is missing or does not fit"), nil
	}
	rep.OK, rep.Head = true, hex.EncodeToString(prev)
	return rep, nil
}

func auditPage(ctx context.Context, tx pgx.Tx, practice copay.PracticeID, after int64) ([]AuditRow, error) {
	rows, err := tx.Query(ctx, sqlAuditChain, practice, after, verifyPage)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (AuditRow, error) { return scanAudit(r, practice) })
}

// misfit says why a row is not the seq-th one after prev, or "".
func (r AuditRow) misfit(seq int64, prev []byte) string {
	if r.Seq != seq {
		return fmt.Sprintf("row %d is missing", seq)
	}
	if !bytes.Equal(r.PrevHash, prev) {
		return fmt.Sprintf("row %d does not follow the row before it", seq)
	}
	content, err := r.canonical()
	if err != nil || !bytes.Equal(r.Hash, link(prev, seq, content)) {
		return fmt.Sprintf("row %d was altered", seq)
	}
	return ""
}

func (r AuditReport) bad(seq int64, why string) AuditReport {
	r.OK, r.FirstBad, r.Problem = false, seq, why
	return r
}
