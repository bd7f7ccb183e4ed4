package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
)

const coPayColumns = `c.practice, c.id, c.view, c.version, c.workflow_id, c.claimed_at, c.updated_at`

const (
	sqlClaim = `INSERT INTO copays AS c (practice, id, ehr, charge, workflow_id, state, claimed_at, updated_at, view)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8) ON CONFLICT DO NOTHING RETURNING ` + coPayColumns
	sqlCoPayByKey = `SELECT ` + coPayColumns + ` FROM copays c WHERE practice = $1 AND ehr = $2 AND charge = $3`
	sqlCoPay      = `SELECT ` + coPayColumns + ` FROM copays c WHERE practice = $1 AND id = $2`
)

// Claim makes the row that stands for a charge's co-pay for ever, or finds
// the one that is there: created tells which. Of two that claim at the same
// time exactly one creates it.
func (s *Store) Claim(ctx context.Context, key copay.Key, workflowID string) (row CoPayRow, created bool, err error) {
	if err := key.Validate(); err != nil {
		return CoPayRow{}, false, err
	}
	ring, err := s.keys(ctx, key.Practice)
	if err != nil {
		return CoPayRow{}, false, err
	}
	now := s.now()
	first := copay.CoPay{ID: key.ID(), Key: key, State: copay.StateReceived, StartedAt: now, UpdatedAt: now}
	view, err := ring.sealJSON("copays", string(first.ID), first)
	if err != nil {
		return CoPayRow{}, false, err
	}
	row, err = s.coPayRow(ctx, s.pool.QueryRow(ctx, sqlClaim, key.Practice, first.ID, key.EHR, key.Charge, workflowID, first.State, now, view))
	if err == nil {
		return row, true, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return CoPayRow{}, false, translate("claim the co-pay", err)
	}
	row, err = s.coPayRow(ctx, s.pool.QueryRow(ctx, sqlCoPayByKey, key.Practice, key.EHR, key.Charge))
	return row, false, found("co-pay", err)
}

const sqlProgress = `UPDATE copays SET state = $3, view = $4, updated_at = $5 WHERE practice = $1 AND id = $2 AND version = 0 AND state <> $3`

// Progress shows how far a co-pay is of which nothing was recorded yet; for
// any other it is a no-op, because a record says more.
func (s *Store) Progress(ctx context.Context, key copay.Key, state copay.State, action string) error {
	row, err := s.CoPay(ctx, key.Practice, key.ID())
	if err != nil || row.Version > 0 || row.CoPay.State == state {
		return err
	}
	ring, err := s.keys(ctx, key.Practice)
	if err != nil {
		return err
	}
	c, now := row.CoPay, s.now()
	c.State, c.NextAction, c.UpdatedAt = state, action, now
	view, err := ring.sealJSON("copays", string(c.ID), c)
	if err != nil {
		return err
	}
	tag, err := s.pool.Exec(ctx, sqlProgress, key.Practice, c.ID, state, view, now)
	if err == nil && tag.RowsAffected() > 0 {
		s.teller.tell(ChannelCoPay, changed(key.Practice, c.ID))
	}
	return translate("show the co-pay's progress", err)
}

// CoPay reads one co-pay.
func (s *Store) CoPay(ctx context.Context, practice copay.PracticeID, id copay.ID) (CoPayRow, error) {
	row, err := s.coPayRow(ctx, s.pool.QueryRow(ctx, sqlCoPay, practice, id))
	return row, found("co-pay", err)
}

// sealedRow is a row as it is stored.
type sealedRow struct {
	CoPayRow
	practice copay.PracticeID
	id       copay.ID
	view     []byte
}

func scanCoPay(r pgx.Row) (row sealedRow, err error) {
	err = r.Scan(&row.practice, &row.id, &row.view, &row.Version, &row.WorkflowID, &row.ClaimedAt, &row.UpdatedAt)
	row.ClaimedAt, row.UpdatedAt = row.ClaimedAt.UTC(), row.UpdatedAt.UTC()
	return row, err
}

func (s *Store) coPayRow(ctx context.Context, r pgx.Row) (CoPayRow, error) {
	row, err := scanCoPay(r)
	if err != nil {
		return CoPayRow{}, err
	}
	return s.unsealed(ctx, row)
}

// unsealed opens the picture. One that begins with a brace was written before
// pictures were sealed; a sealed one begins with its key's generation.
func (s *Store) unsealed(ctx context.Context, row sealedRow) (CoPayRow, error) {
	if len(row.view) > 0 && row.view[0] == '{' {
		return row.CoPayRow, json.Unmarshal(row.view, &row.CoPay)
	}
	err := s.openJSON(ctx, row.practice, "copays", string(row.id), row.view, &row.CoPay)
	return row.CoPayRow, err
}

const sqlStateCounts = `SELECT practice, state, review, count(*), min(updated_at) FROM copays
GROUP BY practice, state, review ORDER BY practice, state, review`

// StateCounts counts the co-pays of all practices, for metrics.
func (s *Store) StateCounts(ctx context.Context) ([]StateCount, error) {
	rows, err := s.pool.Query(ctx, sqlStateCounts)
	if err != nil {
		return nil, translate("count the co-pays", err)
	}
	out, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (c StateCount, err error) {
		err = r.Scan(&c.Practice, &c.State, &c.Review, &c.Count, &c.Oldest)
		c.Oldest = c.Oldest.UTC()
		return c, err
	})
	return out, translate("count the co-pays", err)
}

const sqlListCoPays = `SELECT ` + coPayColumns + ` FROM copays c WHERE practice = @practice
AND (@states::text[] IS NULL OR state = ANY (@states))
AND (@rail = '' OR rail = @rail)
AND (@ehr = '' OR ehr = @ehr)
AND (@appointment = '' OR appointment = @appointment)
AND (@patient::bytea IS NULL OR patient_key = @patient)
AND (@service_from::date IS NULL OR service_date >= @service_from)
AND (@service_to::date IS NULL OR service_date <= @service_to)
AND (@needs_review::bool IS NULL OR (state = 'needs_review') = @needs_review)
AND (@review = '' OR review = @review)
AND (@since::timestamptz IS NULL OR updated_at >= @since)
AND (@at::timestamptz IS NULL OR (claimed_at, id) < (@at, @id))
ORDER BY claimed_at DESC, id DESC LIMIT @size`

// ListCoPays lists a practice's co-pays, newest first. The order does not
// change while co-pays move on, so paging misses and repeats none.
func (s *Store) ListCoPays(ctx context.Context, practice copay.PracticeID, f Filter, from PageToken, size int) ([]CoPayRow, PageToken, error) {
	at, id, err := from.moment()
	if err != nil {
		return nil, "", err
	}
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return nil, "", err
	}
	size = pageSize(size)
	if len(f.States) == 0 {
		f.States = nil // an empty list narrows nothing
	}
	rows, err := s.pool.Query(ctx, sqlListCoPays, pgx.NamedArgs{
		"practice": practice, "states": f.States, "rail": f.Rail, "ehr": f.EHR, "appointment": f.Appointment,
		"patient": ring.patientKey(f.Patient), "service_from": day(f.ServiceFrom), "service_to": day(f.ServiceTo),
		"needs_review": f.NeedsReview, "review": f.Review, "since": orNil(f.UpdatedSince), "at": orNil(at), "id": id, "size": size + 1})
	if err != nil {
		return nil, "", translate("list co-pays", err)
	}
	stored, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (sealedRow, error) { return scanCoPay(r) })
	if err != nil {
		return nil, "", translate("list co-pays", err)
	}
	list := make([]CoPayRow, len(stored))
	for i, row := range stored {
		if list[i], err = s.unsealed(ctx, row); err != nil {
			return nil, "", translate("list co-pays", err)
		}
	}
	if len(list) <= size {
		return list, "", nil
	}
	last := list[size-1]
	return list[:size], pageAfter(last.ClaimedAt, string(last.CoPay.ID)), nil
}

const sqlFindByObject = `SELECT ` + coPayColumns + ` FROM copays c JOIN payment_refs r ON r.practice = c.practice AND r.copay_id = c.id
WHERE r.practice = $1 AND r.platform = $2 AND r.object = $3 AND r.kind = ANY ($4) ORDER BY r.kind LIMIT 1`

// FindByObject finds the co-pay that a processor's payment or refund belongs to.
func (s *Store) FindByObject(ctx context.Context, practice copay.PracticeID, platform copay.Platform, object string) (CoPayRow, error) {
	return s.findRef(ctx, practice, platform, object, refPayment, refRefund)
}

// FindByPosting finds the co-pay that a posting (or reversal) in the EHR belongs to.
func (s *Store) FindByPosting(ctx context.Context, practice copay.PracticeID, ehr copay.Platform, posting string) (CoPayRow, error) {
	return s.findRef(ctx, practice, ehr, posting, refPosting, refReversal)
}

func (s *Store) findRef(ctx context.Context, practice copay.PracticeID, platform copay.Platform, object string, kinds ...string) (CoPayRow, error) {
	if object == "" {
		return CoPayRow{}, notFound("co-pay")
	}
	row, err := s.coPayRow(ctx, s.pool.QueryRow(ctx, sqlFindByObject, practice, platform, object, kinds))
	return row, found("co-pay", err)
}

// sqlUpsert writes the picture when it is newer than the one that stands, and
// not from a worker whose task was given to another. The names are those of the
// arguments in upsertArgs and picture.
const sqlUpsert = `INSERT INTO copays AS c (practice, id, ehr, charge, workflow_id, state, rail, currency, billed, estimated, requested,
  collected, refunded, adjudicated, remitted, service_date, appointment, patient_key, review, next_action_at, claimed_at, started_at,
  updated_at, version, seq, view, run, task, asked)
VALUES (@practice, @id, @ehr, @charge, @workflow_id, @state, @rail, @currency, @billed, @estimated, @requested,
  @collected, @refunded, @adjudicated, @remitted, @service_date, @appointment, @patient_key, @review, @next_action_at, @now, @started_at,
  @updated_at, @version, @events, @view, @run, @task, @asked)
ON CONFLICT (practice, id) DO UPDATE SET (state, rail, currency, billed, estimated, requested, collected, refunded, adjudicated, remitted, service_date,
  appointment, patient_key, review, next_action_at, started_at, updated_at, version, seq, view, run, task, asked)
= (excluded.state, excluded.rail, excluded.currency, excluded.billed, excluded.estimated, excluded.requested, excluded.collected,
  excluded.refunded, excluded.adjudicated, excluded.remitted, excluded.service_date, excluded.appointment, excluded.patient_key,
  excluded.review, excluded.next_action_at, excluded.started_at, excluded.updated_at, excluded.version, c.seq + @events, excluded.view, excluded.run, excluded.task, excluded.asked)
WHERE @redone OR (c.version < excluded.version AND CASE WHEN c.run = excluded.run
  THEN (c.task, c.asked) <= (excluded.task, excluded.asked) ELSE c.asked <= excluded.asked END)
RETURNING seq`

func upsertArgs(r Record, ring *keyring, now time.Time) (pgx.NamedArgs, error) {
	c := r.CoPay
	view, err := ring.sealJSON("copays", string(c.ID), c)
	if err != nil {
		return nil, err
	}
	updated := c.UpdatedAt
	if updated.IsZero() {
		updated = now
	}
	review := copay.ReviewKind("")
	if c.Review != nil {
		review = c.Review.Kind
	}
	a := c.Amounts
	return pgx.NamedArgs{
		"practice": c.Key.Practice, "id": c.ID, "ehr": c.Key.EHR, "charge": c.Key.Charge, "workflow_id": c.Key.WorkflowID(),
		"state": c.State, "rail": c.Rail, "currency": currencyOf(a), "billed": a.Billed.Minor, "estimated": a.Estimated.Minor,
		"requested": a.Requested.Minor, "collected": a.Collected.Minor, "refunded": a.Refunded.Minor, "adjudicated": a.Adjudicated.Minor,
		"remitted": a.Adjudicated.Currency != "", "service_date": day(c.ServiceDate), "appointment": c.Appointment, "patient_key": ring.patientKey(c.Patient),
		"review": review, "next_action_at": orNil(c.NextActionAt), "now": now, "started_at": orNil(c.StartedAt),
		"updated_at": moment(updated), "version": r.Version, "events": len(r.Events), "view": view, "run": r.Run, "task": r.Task, "asked": r.Asked}, nil
}

// currencyOf is the currency of a co-pay's amounts.
func currencyOf(a copay.Amounts) copay.Currency {
	for _, m := range []copay.Money{a.Requested, a.Estimated, a.Billed, a.Collected, a.Refunded, a.Adjudicated} {
		if m.Currency != "" {
			return m.Currency
		}
	}
	return ""
}
