package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/internal/tracing"
)

// canonical is what a row's hash covers, in this order for ever.
type canonical struct {
	Practice copay.PracticeID  `json:"practice"`
	At       string            `json:"at"`
	Actor    copay.Actor       `json:"actor"`
	Action   string            `json:"action"`
	CoPay    copay.ID          `json:"copay"`
	Reason   string            `json:"reason"`
	Detail   map[string]string `json:"detail"`
	TraceID  string            `json:"trace"`
}

func (e AuditEntry) canonical() ([]byte, error) {
	return json.Marshal(canonical{e.Practice, e.At.UTC().Format(time.RFC3339Nano), e.Actor, e.Action, e.CoPay, e.Reason, e.Detail, e.TraceID})
}

// fit gives an entry the exact form in which the database returns it.
func (e AuditEntry) fit(now time.Time) AuditEntry {
	if e.At.IsZero() {
		e.At = now
	}
	e.At = moment(e.At)
	e.Actor.ID, e.Actor.Kind = clean(e.Actor.ID), clean(e.Actor.Kind)
	if len(e.Actor.Roles) == 0 {
		e.Actor.Roles = nil
	}
	e.Action, e.Reason, e.TraceID = clean(e.Action), clean(e.Reason), clean(e.TraceID)
	detail := make(map[string]string, len(e.Detail))
	for k, v := range e.Detail {
		detail[clean(k)] = clean(v)
	}
	e.Detail = detail
	return e
}

// link is the hash of a row: over the one before, its number and its content.
func link(prev []byte, seq int64, content []byte) []byte {
	h := sha256.New()
	h.Write(prev)
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(seq)))
	h.Write(content)
	return h.Sum(nil)
}

const sqlAppendAudit = `SELECT audit_append($1, $2, $3, $4, $5, $6, $7, $8, $9)`

// queueAudit links rows to a practice's chain. It must be the last of its
// transaction: the chain is locked from here to the commit.
func queueAudit(b *pgx.Batch, ring *keyring, rows []AuditEntry) error {
	var at []time.Time
	var actors, actions, ids, reasons, details, traces []string
	var contents [][]byte
	for _, e := range rows {
		e = e.fit(e.At)
		var err error
		if e.Reason, err = ring.sealReason(e); err != nil {
			return err
		}
		content, err := e.canonical()
		if err != nil {
			return err
		}
		actor, err := json.Marshal(e.Actor)
		if err != nil {
			return err
		}
		detail, err := json.Marshal(e.Detail)
		if err != nil {
			return err
		}
		at, actors, actions = append(at, e.At), append(actors, string(actor)), append(actions, e.Action)
		ids, reasons, details = append(ids, string(e.CoPay)), append(reasons, e.Reason), append(details, string(detail))
		traces, contents = append(traces, e.TraceID), append(contents, content)
	}
	b.Queue(sqlAppendAudit, ring.practice, at, actors, actions, ids, reasons, details, traces, contents)
	return nil
}

// AppendAudit adds one row to a practice's chain.
func (s *Store) AppendAudit(ctx context.Context, e AuditEntry) error {
	ring, err := s.keys(ctx, e.Practice)
	if err != nil {
		return err
	}
	return s.tx(ctx, "append to the audit log", func(tx pgx.Tx) error { return s.auditIn(ctx, tx, ring, e) })
}

// auditIn adds one row at the end of a transaction. The practice's keys were
// read before it began: within it they would need a second connection.
func (s *Store) auditIn(ctx context.Context, tx pgx.Tx, ring *keyring, e AuditEntry) error {
	if e.Action == "" || e.Actor.ID == "" {
		return copay.Errorf(copay.CodeInvalid, "action", "an audit row says who did what")
	}
	if e.TraceID == "" {
		e.TraceID = tracing.ID(ctx)
	}
	b := &pgx.Batch{}
	if err := queueAudit(b, ring, []AuditEntry{e.fit(s.now())}); err != nil {
		return err
	}
	return tx.SendBatch(ctx, b).Close()
}

const auditColumns = `seq, at, actor, action, copay_id, reason, detail, trace_id, prev_hash, hash`

const sqlAudit = `SELECT ` + auditColumns + ` FROM audit_log WHERE practice = @practice
AND (@before = 0 OR seq < @before)
AND (@copay = '' OR copay_id = @copay)
AND (@actor = '' OR actor ->> 'id' = @actor)
AND (@action = '' OR action = @action)
AND (@from::timestamptz IS NULL OR at >= @from) AND (@to::timestamptz IS NULL OR at < @to)
ORDER BY seq DESC LIMIT @size`

// Audit lists a practice's audit rows, newest first.
func (s *Store) Audit(ctx context.Context, practice copay.PracticeID, f AuditFilter, from PageToken, size int) ([]AuditRow, PageToken, error) {
	before, err := from.number()
	if err != nil {
		return nil, "", err
	}
	size = pageSize(size)
	rows, err := s.pool.Query(ctx, sqlAudit, pgx.NamedArgs{"practice": practice, "before": before, "copay": f.CoPay, "actor": f.ActorID,
		"action": f.Action, "from": orNil(f.From), "to": orNil(f.To), "size": size + 1})
	if err != nil {
		return nil, "", translate("list audit rows", err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (AuditRow, error) { return scanAudit(r, practice) })
	if err != nil {
		return nil, "", translate("list audit rows", err)
	}
	for i := range list {
		list[i].Reason = s.openReason(ctx, list[i].AuditEntry)
	}
	if len(list) <= size {
		return list, "", nil
	}
	return list[:size], pageFrom(list[size-1].Seq), nil
}

func scanAudit(r pgx.CollectableRow, practice copay.PracticeID) (AuditRow, error) {
	var actor, detail []byte
	row := AuditRow{AuditEntry: AuditEntry{Practice: practice}}
	err := r.Scan(&row.Seq, &row.At, &actor, &row.Action, &row.CoPay, &row.Reason, &detail, &row.TraceID, &row.PrevHash, &row.Hash)
	if err != nil {
		return row, err
	}
	row.At = row.At.UTC()
	// What does not read as written by us was altered: the row is shown as far
	// as it goes, and the hash tells.
	_ = json.Unmarshal(actor, &row.Actor)
	_ = json.Unmarshal(detail, &row.Detail)
	return row, nil
}
