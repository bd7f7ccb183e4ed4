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
	Key    string      `json:"key,omitempty"`
	Before copay.State `json:"before,omitempty"`
	After  copay.State `json:"after,omitempty"`
}

const sqlAddTimeline = `INSERT INTO timeline (practice, copay_id, seq, version, asked, at, kind, actor, summary, detail, reason, sensitive)
SELECT $1, $2, e.seq, $3, $12, e.at, e.kind, e.actor, e.summary, e.detail, e.reason, e.sensitive
FROM unnest($4::bigint[], $5::timestamptz[], $6::text[], $7::jsonb[], $8::text[], $9::jsonb[], $10::bytea[], $11::bytea[])
  AS e (seq, at, kind, actor, summary, detail, reason, sensitive)`

func (w *recordWriter) queueTimeline(b *pgx.Batch) error {
	n := len(w.r.Events)
	if n == 0 {
		return nil
	}
	seqs, ats, kinds, summaries := make([]int64, n), make([]time.Time, n), make([]string, n), make([]string, n)
	actors, details, reasons, sensitive := make([][]byte, n), make([][]byte, n), make([][]byte, n), make([][]byte, n)
	for i, e := range w.r.Events {
		seqs[i] = w.seq - int64(n-1-i)
		ats[i], kinds[i], summaries[i] = e.At, e.Kind, e.Summary
		var err error
		if actors[i], err = json.Marshal(e.Actor); err != nil {
			return err
		}
		if details[i], err = json.Marshal(timelineDetail{Key: e.Key, Before: e.Before, After: e.After}); err != nil {
			return err
		}
		cell := timelineCell(w.r.CoPay.ID, seqs[i])
		if reasons[i], err = w.sealText(cell+"/reason", e.Reason); err != nil {
			return err
		}
		if sensitive[i], err = w.sealText(cell, e.Sensitive); err != nil {
			return err
		}
	}
	b.Queue(sqlAddTimeline, w.r.CoPay.Key.Practice, w.r.CoPay.ID, w.r.Version, seqs, ats, kinds, jsons(actors), summaries, jsons(details), reasons, sensitive, w.r.Asked)
	return nil
}

// sealText seals a text of the timeline; there is nothing to seal in none.
func (w *recordWriter) sealText(cell, text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	return w.ring.seal("timeline", cell, []byte(text))
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

const sqlTimeline = `SELECT seq, version, at, kind, actor, summary, detail, reason, sensitive FROM timeline t
WHERE practice = $1 AND copay_id = $2
  AND NOT EXISTS (SELECT FROM lost_records l WHERE (l.practice, l.copay_id, l.version, l.asked) = (t.practice, t.copay_id, t.version, t.asked))
ORDER BY seq`

// Timeline is the story of a co-pay, oldest first.
func (s *Store) Timeline(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]TimelineRow, error) {
	rows, err := s.pool.Query(ctx, sqlTimeline, practice, id)
	if err != nil {
		return nil, translate("read the timeline", err)
	}
	var reasons, notes [][]byte
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (row TimelineRow, err error) {
		var actor, detail, reason, sensitive []byte
		if err := r.Scan(&row.Seq, &row.Version, &row.At, &row.Kind, &actor, &row.Summary, &detail, &reason, &sensitive); err != nil {
			return row, err
		}
		reasons, notes = append(reasons, reason), append(notes, sensitive)
		return row, row.fill(actor, detail)
	})
	if err != nil {
		return nil, translate("read the timeline", err)
	}
	if len(list) == 0 {
		_, err := s.CoPay(ctx, practice, id) // an empty story, or no such co-pay
		return nil, err
	}
	for i := range list {
		cell := timelineCell(id, list[i].Seq)
		if list[i].Reason, err = s.timelineText(ctx, practice, cell+"/reason", reasons[i]); err != nil {
			return nil, err
		}
		if list[i].Sensitive, err = s.timelineText(ctx, practice, cell, notes[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (s *Store) timelineText(ctx context.Context, practice copay.PracticeID, cell string, sealed []byte) (string, error) {
	if sealed == nil {
		return "", nil
	}
	text, err := s.open(ctx, practice, "timeline", cell, sealed)
	return string(text), err
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
	r.Key, r.Before, r.After = d.Key, d.Before, d.After
	return nil
}
