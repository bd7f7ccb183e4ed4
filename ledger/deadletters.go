package ledger

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
)

const sqlDeadLetters = `SELECT ` + inboxColumns + ` FROM inbox WHERE practice = $1 AND status = 'dead' AND row_id > $2 ORDER BY row_id LIMIT $3`

// DeadLetters lists a practice's events that could not be delivered, oldest
// first, without their payloads, which are PHI.
func (i *Inbox) DeadLetters(ctx context.Context, practice copay.PracticeID, from PageToken, size int) ([]InboxRow, PageToken, error) {
	after, err := from.number()
	if err != nil {
		return nil, "", err
	}
	size = pageSize(size)
	rows, err := i.s.pool.Query(ctx, sqlDeadLetters, practice, after, size+1)
	if err != nil {
		return nil, "", translate("list dead letters", err)
	}
	list, err := collectInbox(rows)
	if err != nil {
		return nil, "", translate("list dead letters", err)
	}
	for n := range list {
		list[n].Payload = nil
	}
	if len(list) <= size {
		return list, "", nil
	}
	return list[:size], pageFrom(list[size-1].Row), nil
}

const sqlInboxRow = `SELECT ` + inboxColumns + ` FROM inbox WHERE practice = $1 AND row_id = $2`

// Get reads one event with its payload.
func (i *Inbox) Get(ctx context.Context, practice copay.PracticeID, row int64) (InboxRow, error) {
	rows, err := i.s.pool.Query(ctx, sqlInboxRow, practice, row)
	if err != nil {
		return InboxRow{}, translate("read the event", err)
	}
	list, err := collectInbox(rows)
	if err != nil {
		return InboxRow{}, translate("read the event", err)
	}
	if len(list) == 0 {
		return InboxRow{}, notFound("event")
	}
	e := list[0]
	e.Payload, err = i.s.open(ctx, practice, "inbox", inboxCell(e.Platform, e.ID), e.Payload)
	return e, err
}

const (
	sqlReplay = `UPDATE inbox SET status = 'pending', attempts = 0, next_at = $3, last_error = '' WHERE practice = $1 AND row_id = $2
AND status IN ('dead', 'ignored') RETURNING platform, event_id`
	sqlIgnoreDead = `UPDATE inbox SET status = 'ignored', done_at = $3 WHERE practice = $1 AND row_id = $2
AND status = 'dead' RETURNING platform, event_id`
)

// Replay makes a dead (or ignored) event due again, with all its tries.
func (i *Inbox) Replay(ctx context.Context, practice copay.PracticeID, row int64, actor copay.Actor, reason string) error {
	err := i.decide(ctx, sqlReplay, practice, row, AuditEntry{Action: "inbox.replay", Actor: actor, Reason: reason})
	if err == nil {
		i.s.teller.tell(ChannelInbox, string(practice))
	}
	return err
}

// Ignore closes a dead event: a person decided that nothing needs to be done.
func (i *Inbox) Ignore(ctx context.Context, practice copay.PracticeID, row int64, actor copay.Actor, reason string) error {
	return i.decide(ctx, sqlIgnoreDead, practice, row, AuditEntry{Action: "inbox.ignore", Actor: actor, Reason: reason})
}

// decide changes a dead letter and leaves an audit row about who did it.
func (i *Inbox) decide(ctx context.Context, sql string, practice copay.PracticeID, row int64, audit AuditEntry) error {
	ring, err := i.s.keys(ctx, practice)
	if err != nil {
		return err
	}
	return i.s.tx(ctx, "change the event", func(tx pgx.Tx) error {
		var platform, id string
		if err := tx.QueryRow(ctx, sql, practice, row, i.s.now()).Scan(&platform, &id); err != nil {
			return found("dead letter", err)
		}
		audit.Practice = practice
		audit.Detail = map[string]string{"row": strconv.FormatInt(row, 10), "platform": platform, "event": id}
		return i.s.auditIn(ctx, tx, ring, audit)
	})
}
