package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// Inbox keeps platform events from the moment they were verified until they
// were delivered to their co-pay.
type Inbox struct{ s *Store }

// NewInboxEvents makes inbox entries of a platform's events. trace is the W3C
// traceparent of the request that brought them, or empty.
func NewInboxEvents(events []integrations.Event, trace string) ([]InboxEvent, error) {
	rows := make([]InboxEvent, len(events))
	for i, e := range events {
		payload, err := json.Marshal(e)
		if err != nil {
			return nil, copay.Errorf(copay.CodeInvalid, "events", "an event cannot be stored")
		}
		rows[i] = InboxEvent{ID: e.ID, Kind: e.Kind, Type: e.Type, Payload: payload, Trace: trace, Quiet: quiet(e)}
	}
	return rows, nil
}

// quiet reports whether nothing follows from an event: the books are compared
// and not followed, and a message that was handed over is queued anyhow.
func quiet(e integrations.Event) bool {
	return e.Kind == integrations.EventAccountingChanged ||
		(e.Kind == integrations.EventMessageStatus && integrations.DeliveryStatus(e.Status) == integrations.DeliveryQueued)
}

const sqlReceive = `INSERT INTO inbox (practice, platform, event_id, kind, type, payload, trace_id, status, received_at, next_at)
SELECT $1, $2, e.id, e.kind, e.type, e.payload, e.trace, e.status, $9, $9
FROM unnest($3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::text[]) AS e (id, kind, type, payload, trace, status)
ORDER BY e.id ON CONFLICT (practice, platform, event_id) DO NOTHING`

// Receive stores verified events, sealed, in one round trip, and says how many
// were new. Once it returns, the platform may be told that we have them.
func (i *Inbox) Receive(ctx context.Context, practice copay.PracticeID, platform copay.Platform, events []InboxEvent) (int, error) {
	if len(events) == 0 {
		return 0, nil
	}
	ring, err := i.s.keys(ctx, practice)
	if err != nil {
		return 0, err
	}
	var ids, kinds, types, traces, statuses []string
	var payloads [][]byte
	work := false
	for _, e := range events {
		id := clean(e.ID)
		if id == "" || len(id) > 512 {
			return 0, copay.Errorf(copay.CodeInvalid, "id", "an event's id has 1 to 512 characters")
		}
		sealed, err := ring.seal("inbox", inboxCell(platform, id), e.Payload)
		if err != nil {
			return 0, err
		}
		status := InboxPending
		if e.Quiet || e.Kind == integrations.EventIgnored {
			status = InboxIgnored
		}
		work = work || status == InboxPending
		ids, kinds, types = append(ids, id), append(kinds, clean(string(e.Kind))), append(types, clean(e.Type))
		traces, statuses, payloads = append(traces, clean(e.Trace)), append(statuses, string(status)), append(payloads, sealed)
	}
	n := 0
	err = again(ctx, "store the events", func() error {
		tag, err := i.s.pool.Exec(ctx, sqlReceive, practice, platform, ids, kinds, types, payloads, traces, statuses, i.s.now())
		n = int(tag.RowsAffected())
		return err
	})
	if err != nil {
		return 0, err
	}
	if n > 0 && work { // what nobody heeds wakes no dispatcher
		i.s.teller.tell(ChannelInbox, string(practice))
	}
	return n, nil
}

func inboxCell(platform copay.Platform, id string) string { return string(platform) + "/" + id }

const inboxColumns = `row_id, practice, platform, event_id, kind, type, payload, trace_id, status, attempts, last_error, received_at, next_at, done_at`

const sqlClaimInbox = `WITH spent AS (
  UPDATE inbox SET status = 'dead', last_error = 'gave up: a worker went down with it each time'
  WHERE status = 'pending' AND next_at <= $1 AND attempts >= $5),
due AS (
  SELECT row_id FROM inbox WHERE status = 'pending' AND next_at <= $1 AND attempts < $5
  ORDER BY next_at, row_id LIMIT $2 FOR UPDATE SKIP LOCKED)
UPDATE inbox i SET attempts = attempts + 1, next_at = $3, worker = $4 FROM due WHERE i.row_id = due.row_id
RETURNING i.row_id, practice, platform, event_id, kind, type, payload, trace_id, status, attempts, last_error, received_at, next_at, done_at`

// Claim takes up to n due events of all practices for a worker, oldest first.
// Until the lease ends nobody else gets them; then they are due again.
func (i *Inbox) Claim(ctx context.Context, n int, lease time.Duration, worker string) ([]InboxRow, error) {
	now := i.s.now()
	var list []InboxRow
	err := again(ctx, "claim events", func() error {
		rows, err := i.s.pool.Query(ctx, sqlClaimInbox, now, n, now.Add(lease), worker, i.s.cfg.InboxTries)
		if err != nil {
			return err
		}
		list, err = collectInbox(rows)
		return err
	})
	if err != nil {
		return nil, err
	}
	return i.opened(ctx, list)
}

func collectInbox(rows pgx.Rows) ([]InboxRow, error) {
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (e InboxRow, err error) {
		var done *time.Time
		err = r.Scan(&e.Row, &e.Practice, &e.Platform, &e.ID, &e.Kind, &e.Type, &e.Payload, &e.Trace, &e.Status, &e.Attempts,
			&e.LastError, &e.ReceivedAt, &e.NextAt, &done)
		e.ReceivedAt, e.NextAt, e.DoneAt = e.ReceivedAt.UTC(), e.NextAt.UTC(), utc(done)
		return e, err
	})
}

// opened unseals payloads. One that cannot be opened stays out of the list
// and goes to the dead letters, so that it holds nobody else up.
func (i *Inbox) opened(ctx context.Context, list []InboxRow) ([]InboxRow, error) {
	out := list[:0]
	for _, e := range list {
		plain, err := i.s.open(ctx, e.Practice, "inbox", inboxCell(e.Platform, e.ID), e.Payload)
		if errors.Is(err, errSealed) {
			if err := i.Bury(ctx, e, "its payload cannot be opened"); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		e.Payload = plain
		out = append(out, e)
	}
	return out, nil
}

// Closed is a claimed event that needs nothing more.
type Closed struct {
	InboxRow
	// Ignored says why it concerns nobody; "" says that it was delivered.
	Ignored string
}

const sqlCloseInbox = `UPDATE inbox i SET status = c.status, done_at = $5, last_error = c.note
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) AS c (practice, row_id, status, note)
WHERE i.practice = c.practice AND i.row_id = c.row_id AND i.status IN ('pending', 'dead')`

// Close ends events that were delivered or that concern nobody, in one round
// trip. It holds even when the lease has ended meanwhile: the delivery
// happened.
func (i *Inbox) Close(ctx context.Context, events ...Closed) error {
	if len(events) == 0 {
		return nil
	}
	// In one order everywhere, so that two of these never wait for each other.
	slices.SortFunc(events, func(a, b Closed) int { return cmp.Compare(a.Row, b.Row) })
	var practices, statuses, notes []string
	var rows []int64
	for _, e := range events {
		status := InboxDone
		if e.Ignored != "" {
			status = InboxIgnored
		}
		practices, rows = append(practices, string(e.Practice)), append(rows, e.Row)
		statuses, notes = append(statuses, string(status)), append(notes, clean(e.Ignored))
	}
	return again(ctx, "close the events", func() error {
		_, err := i.s.pool.Exec(ctx, sqlCloseInbox, practices, rows, statuses, notes, i.s.now())
		return err
	})
}

const sqlRetryInbox = `UPDATE inbox SET status = $4, next_at = $5, last_error = $6
WHERE practice = $1 AND row_id = $2 AND attempts = $3 AND status = 'pending'`

// Retry makes a claimed event due again at next; why is safe to show. After
// the last of the allowed tries it goes to the dead letters. It does nothing
// when the lease has ended and another worker has the event.
func (i *Inbox) Retry(ctx context.Context, e InboxRow, why string, next time.Time) (dead bool, err error) {
	status := InboxPending
	if e.Attempts >= i.s.cfg.InboxTries {
		status = InboxDead
	}
	tag, err := i.s.pool.Exec(ctx, sqlRetryInbox, e.Practice, e.Row, e.Attempts, status, moment(next), clean(why))
	return status == InboxDead && tag.RowsAffected() == 1, translate("put the event back", err)
}

const sqlPostpone = `UPDATE inbox SET attempts = LEAST(attempts, $6), next_at = $4, last_error = $5
WHERE practice = $1 AND row_id = $2 AND attempts = $3 AND status = 'pending'`

// Postpone is Retry of an event that is not at fault itself: it never becomes
// a dead letter by it, and keeps tries for workers that go down with it.
func (i *Inbox) Postpone(ctx context.Context, e InboxRow, why string, next time.Time) error {
	_, err := i.s.pool.Exec(ctx, sqlPostpone, e.Practice, e.Row, e.Attempts, moment(next), clean(why), i.s.cfg.InboxTries/2)
	return translate("put the event back", err)
}

const sqlRedeliver = `UPDATE inbox SET status = 'pending', attempts = 0, next_at = $3
WHERE practice = $1 AND status = 'done' AND done_at >= $2 AND kind <> ALL ($4)`

// ownKinds are events whose effect stands in the ledger itself.
var ownKinds = []string{string(integrations.EventMessageStatus), string(integrations.EventMessageOptOut), string(integrations.EventMessageOptIn),
	string(integrations.EventAddressBad), string(integrations.EventMessageInbound)}

// Redeliver makes the events due again that were handed to workflows since a
// moment, and says how many: a workflow service that lost its memory lost what
// it had not yet acted on. A co-pay drops what it has applied before.
func (i *Inbox) Redeliver(ctx context.Context, practice copay.PracticeID, since time.Time) (int64, error) {
	var n int64
	err := again(ctx, "deliver events again", func() error {
		tag, err := i.s.pool.Exec(ctx, sqlRedeliver, practice, moment(since), i.s.now(), ownKinds)
		n = tag.RowsAffected()
		return err
	})
	if n > 0 {
		i.s.teller.tell(ChannelInbox, string(practice))
	}
	return n, err
}

const sqlBury = `UPDATE inbox SET status = 'dead', last_error = $3 WHERE practice = $1 AND row_id = $2 AND status = 'pending'`

// Bury puts a claimed event among the dead letters at once: only a person can
// help it, and further tries would change nothing. why is safe to show.
func (i *Inbox) Bury(ctx context.Context, e InboxRow, why string) error {
	_, err := i.s.pool.Exec(ctx, sqlBury, e.Practice, e.Row, clean(why))
	return translate("put the event aside", err)
}

const sqlInboxLag = `SELECT practice, platform, count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'dead'),
  min(received_at) FILTER (WHERE status = 'pending')
FROM inbox WHERE status IN ('pending', 'dead') GROUP BY practice, platform ORDER BY practice, platform`

// Lag says what waits, for metrics; all practices.
func (i *Inbox) Lag(ctx context.Context) ([]InboxLag, error) {
	rows, err := i.s.pool.Query(ctx, sqlInboxLag)
	if err != nil {
		return nil, translate("measure the inbox", err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (l InboxLag, err error) {
		var oldest *time.Time
		err = r.Scan(&l.Practice, &l.Platform, &l.Pending, &l.Dead, &oldest)
		l.Oldest = utc(oldest)
		return l, err
	})
	return list, translate("measure the inbox", err)
}
