package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
)

// Record writes what one step leaves behind in one transaction: picture,
// timeline, audit rows and journal. The same record again is a no-op, whatever
// the times in it. A record of a run that had to do its last steps again takes
// the place of what was lost. One whose version is not newer than the picture
// but was never written (a workflow was reset and takes another way) adds its
// events and entries and leaves the picture alone; entries are booked once by
// their step in any case.
func (s *Store) Record(ctx context.Context, r Record) error {
	if err := r.validate(); err != nil {
		return err
	}
	practice := r.CoPay.Key.Practice
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return err
	}
	r = r.stamped(s.now())
	r.Asked = moment(r.Asked)
	digest, err := r.digest()
	if err != nil {
		return err
	}
	written := false
	err = s.tx(ctx, "record the co-pay", func(tx pgx.Tx) error {
		w := &recordWriter{s: s, r: r, ring: ring, digest: digest}
		written, err = w.write(ctx, tx)
		written = written || w.shown
		return err
	})
	if err != nil {
		return err
	}
	if written {
		if len(r.Entries) > 0 {
			s.charts.Store(practice, true)
		}
		s.teller.tell(ChannelCoPay, changed(practice, r.CoPay.ID))
	}
	return nil
}

func (r Record) validate() error {
	if err := r.CoPay.Key.Validate(); err != nil {
		return err
	}
	if r.CoPay.ID != r.CoPay.Key.ID() {
		return copay.Errorf(copay.CodeInvalid, "id", "the co-pay's id does not belong to its charge")
	}
	if r.Version <= 0 {
		return copay.Errorf(copay.CodeInvalid, "version", "a record's version is above zero")
	}
	if !r.CoPay.State.Known() {
		return copay.Errorf(copay.CodeInvalid, "state", "there is no state %q", r.CoPay.State)
	}
	for _, e := range r.Entries {
		if err := e.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// stamped gives events and entries without a time the present one, and makes
// all text fit for the database.
func (r Record) stamped(now time.Time) Record {
	events := make([]TimelineEvent, len(r.Events))
	for i, e := range r.Events {
		if e.At.IsZero() {
			e.At = now
		}
		e.At = moment(e.At)
		e.Summary, e.Reason, e.Key, e.Kind = clean(e.Summary), clean(e.Reason), clean(e.Key), clean(e.Kind)
		e.Actor.ID, e.Actor.Kind = clean(e.Actor.ID), clean(e.Actor.Kind)
		events[i] = e
	}
	entries := make([]Entry, len(r.Entries))
	for i, e := range r.Entries {
		if e.At.IsZero() {
			e.At = now
		}
		e.At = moment(e.At)
		entries[i] = e
	}
	r.Events, r.Entries = events, entries
	return r
}

// digest names a record by its content without the moments of writing, which
// differ when a step is tried again.
func (r Record) digest() ([]byte, error) {
	r.CoPay.UpdatedAt, r.TraceID = time.Time{}, ""
	if r.Decided {
		r.CoPay.NextAction, r.CoPay.NextActionAt = "", time.Time{}
	}
	r.Events, r.Entries = slices.Clone(r.Events), slices.Clone(r.Entries)
	for i := range r.Events {
		r.Events[i].At, r.Events[i].Sensitive = time.Time{}, ""
		r.Events[i].Trace = ""
	}
	for i := range r.Entries {
		r.Entries[i].At = time.Time{}
	}
	b, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	return sum[:], nil
}

// recordWriter is one attempt to write a record.
type recordWriter struct {
	s      *Store
	r      Record
	ring   *keyring
	digest []byte
	seq    int64 // of the last event
	redone bool  // it takes the place of records that were lost
	shown  bool  // nothing is added, but the picture is another one
}

const sqlAddRecord = `INSERT INTO records (practice, copay_id, version, digest, run, task, asked) VALUES ($1, $2, $3, $4, $5, $6, $7)`

func (w *recordWriter) write(ctx context.Context, tx pgx.Tx) (bool, error) {
	err := w.picture(ctx, tx)
	if errors.Is(err, pgx.ErrNoRows) {
		done, err := w.late(ctx, tx)
		if done || err != nil {
			return false, err
		}
	} else if err != nil {
		return false, err
	}
	b := &pgx.Batch{}
	b.Queue(sqlAddRecord, w.r.CoPay.Key.Practice, w.r.CoPay.ID, w.r.Version, w.digest, w.r.Run, w.r.Task, w.r.Asked)
	if err := w.queueTimeline(b); err != nil {
		return false, err
	}
	queueRefs(b, w.r.CoPay)
	var repeated []Entry
	w.s.queueEntries(b, w.r, &repeated)
	if err := queueAudit(b, w.ring, w.auditRows()); err != nil {
		return false, err
	}
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return false, err
	}
	return true, sameEntries(ctx, tx, w.r, repeated)
}

// picture writes the read model's row when it is newer than the one that stands.
func (w *recordWriter) picture(ctx context.Context, tx pgx.Tx) error {
	args, err := upsertArgs(w.r, w.ring, w.s.now())
	if err != nil {
		return err
	}
	args["redone"] = w.redone
	return tx.QueryRow(ctx, sqlUpsert, args).Scan(&w.seq)
}

// auditRows makes one row an event; a record without events leaves one, too.
func (w *recordWriter) auditRows() []AuditEntry {
	base := AuditEntry{Practice: w.r.CoPay.Key.Practice, CoPay: w.r.CoPay.ID, TraceID: clean(w.r.TraceID)}
	events := w.r.Events
	if w.redone {
		events = append([]TimelineEvent{{At: w.s.now(), Kind: "redone", Actor: copay.System(), After: w.r.CoPay.State,
			Summary: "a step was done again of which the workflow's history had not heard; what it had recorded was taken back"}}, events...)
	}
	if len(events) == 0 {
		events = []TimelineEvent{{At: w.s.now(), Kind: "recorded", Actor: copay.System(), Before: w.r.CoPay.State, After: w.r.CoPay.State}}
	}
	rows := make([]AuditEntry, len(events))
	for i, e := range events {
		row := base
		row.At, row.Actor, row.Action, row.Reason = e.At, e.Actor, e.Kind, e.Reason
		if e.Trace != "" {
			row.TraceID = clean(e.Trace)
		}
		row.Detail = map[string]string{"summary": e.Summary, "version": strconv.FormatInt(w.r.Version, 10)}
		for k, v := range map[string]string{"before": string(e.Before), "after": string(e.After), "key": e.Key} {
			if v != "" {
				row.Detail[k] = v
			}
		}
		if i == 0 {
			row.Detail["digest"] = hex.EncodeToString(w.digest)
			if steps := stepsOf(w.r.Entries); steps != "" {
				row.Detail["journal"] = steps
			}
		}
		rows[i] = row
	}
	return rows
}

func stepsOf(entries []Entry) string {
	steps := make([]string, len(entries))
	for i, e := range entries {
		steps[i] = e.Step
	}
	return strings.Join(steps, ",")
}
