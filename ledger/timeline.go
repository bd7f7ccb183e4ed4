package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
)

// timelineDetail is what a row keeps beside its columns.
type timelineDetail struct {
	Reason string      `json:"reason,omitempty"`
	Key    string      `json:"key,omitempty"`
	Before copay.State `json:"before,omitempty"`
	After  copay.State `json:"after,omitempty"`
}

const sqlAddTimeline = `INSERT INTO timeline (practice, copay_id, seq, version, at, kind, actor, summary, detail, sensitive)
SELECT $1, $2, e.seq, $3, e.at, e.kind, e.actor, e.summary, e.detail, e.sensitive
FROM unnest($4::bigint[], $5::timestamptz[], $6::text[], $7::jsonb[], $8::text[], $9::jsonb[], $10::bytea[])
  AS e (seq, at, kind, actor, summary, detail, sensitive)`

func (w *recordWriter) queueTimeline(b *pgx.Batch) error {
	n := len(w.r.Events)
	if n == 0 {
		return nil
	}
	seqs, ats, kinds, summaries := make([]int64, n), make([]time.Time, n), make([]string, n), make([]string, n)
	actors, details, sensitive := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	for i, e := range w.r.Events {
		seqs[i] = w.seq - int64(n-1-i)
		ats[i], kinds[i], summaries[i] = e.At, e.Kind, e.Summary
		var err error
		if actors[i], err = json.Marshal(e.Actor); err != nil {
			return err
		}
		if details[i], err = json.Marshal(timelineDetail{Reason: e.Reason, Key: e.Key, Before: e.Before, After: e.After}); err != nil {
			return err
		}
		if e.Sensitive == "" {
			continue
		}
		if sensitive[i], err = w.ring.seal("timeline", timelineCell(w.r.CoPay.ID, seqs[i]), []byte(e.Sensitive)); err != nil {
			return err
		}
	}
	b.Queue(sqlAddTimeline, w.r.CoPay.Key.Practice, w.r.CoPay.ID, w.r.Version, seqs, ats, kinds, jsons(actors), summaries, jsons(details), sensitive)
	return nil
}

func timelineCell(id copay.ID, seq int64) string { return fmt.Sprintf("%s/%d", id, seq) }

// jsons hands JSON over as text, which is how an array of it is written.
func jsons(list [][]byte) []string {
	out := make([]string, len(list))
	for i, j := range list {
		out[i] = string(j)
	}
	return out
}

const sqlTimeline = `SELECT seq, version, at, kind, actor, summary, detail, sensitive FROM timeline
WHERE practice = $1 AND copay_id = $2 ORDER BY seq`

// Timeline is the story of a co-pay, oldest first.
func (s *Store) Timeline(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]TimelineRow, error) {
	rows, err := s.pool.Query(ctx, sqlTimeline, practice, id)
	if err != nil {
		return nil, translate("read the timeline", err)
	}
	var sealed [][]byte
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (row TimelineRow, err error) {
		var actor, detail, sensitive []byte
		if err := r.Scan(&row.Seq, &row.Version, &row.At, &row.Kind, &actor, &row.Summary, &detail, &sensitive); err != nil {
			return row, err
		}
		sealed = append(sealed, sensitive)
		return row, row.fill(actor, detail)
	})
	if err != nil {
		return nil, translate("read the timeline", err)
	}
	if len(list) == 0 {
		_, err := s.CoPay(ctx, practice, id) // an empty story, or no such co-pay
		return nil, err
	}
	for i, b := range sealed {
		if b == nil {
			continue
		}
		text, err := s.open(ctx, practice, "timeline", timelineCell(id, list[i].Seq), b)
		if err != nil {
			return nil, err
		}
		list[i].Sensitive = string(text)
	}
	return list, nil
}

func (r *TimelineRow) fill(actor, detail []byte) error {
	var d timelineDetail
	if err := json.Unmarshal(actor, &r.Actor); err != nil {
		return err
	}
	if err := json.Unmarshal(detail, &d); err != nil {
		return err
	}
	r.At = r.At.UTC()
	r.Reason, r.Key, r.Before, r.After = d.Reason, d.Key, d.Before, d.After
	return nil
}
