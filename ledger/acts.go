package ledger

import (
	"bytes"
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
)

const (
	sqlBeginAct = `INSERT INTO acts (practice, copay_id, key, input_hash, begun_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`
	sqlAct      = `SELECT input_hash, result, done_at IS NOT NULL FROM acts WHERE practice = $1 AND copay_id = $2 AND key = $3`
	sqlEndAct   = `UPDATE acts SET result = $4, done_at = $5 WHERE practice = $1 AND copay_id = $2 AND key = $3 AND done_at IS NULL`
)

// BeginAct notes what somebody asks for under the key of their request, before
// it is done. When it was done before under that key, done is true and result
// is the first answer. The same key with another input is CodeConflict. An act
// that was begun and never finished may be done again: its effect is guarded
// by the workflow. id may be empty for acts that concern no single co-pay.
func (s *Store) BeginAct(ctx context.Context, practice copay.PracticeID, id copay.ID, key string, input []byte) (result []byte, done bool, err error) {
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return nil, false, err
	}
	if key == "" || len(key) > 200 || clean(key) != key {
		return nil, false, copay.Errorf(copay.CodeInvalid, "request_id", "a request id has 1 to 200 characters")
	}
	want := ring.hash("act", string(input))
	var hash, sealed []byte
	err = s.tx(ctx, "begin the act", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlBeginAct, practice, id, key, want, s.now()); err != nil {
			return err
		}
		return tx.QueryRow(ctx, sqlAct, practice, id, key).Scan(&hash, &sealed, &done)
	})
	if err != nil {
		return nil, false, err
	}
	if !bytes.Equal(hash, want) {
		return nil, false, copay.Errorf(copay.CodeConflict, "request_id", "this request id was used before for another request: choose a new one")
	}
	if !done {
		return nil, false, nil
	}
	result, err = s.open(ctx, practice, "acts", actCell(id, key), sealed)
	return result, err == nil, err
}

// FinishAct keeps the answer to an act; the first answer stands.
func (s *Store) FinishAct(ctx context.Context, practice copay.PracticeID, id copay.ID, key string, result []byte) error {
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return err
	}
	sealed, err := ring.seal("acts", actCell(id, key), result)
	if err != nil {
		return err
	}
	tag, err := s.pool.Exec(ctx, sqlEndAct, practice, id, key, sealed, s.now())
	if err != nil || tag.RowsAffected() > 0 {
		return translate("finish the act", err)
	}
	var hash, first []byte
	var done bool
	return found("act", s.pool.QueryRow(ctx, sqlAct, practice, id, key).Scan(&hash, &first, &done))
}

func actCell(id copay.ID, key string) string { return string(id) + "/" + key }
