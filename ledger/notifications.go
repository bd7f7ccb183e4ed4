package ledger

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// deliveryRank orders statuses; a message never goes back. A failure after a
// delivery (a late bounce) counts, a delivery after a failure does not.
func deliveryRank(s integrations.DeliveryStatus) int {
	switch s {
	case integrations.DeliverySent:
		return 1
	case integrations.DeliveryDelivered:
		return 2
	case integrations.DeliveryFailed:
		return 3
	case integrations.DeliveryOptedOut:
		return 4
	}
	return 0
}

const notificationColumns = `practice, copay_id, ref, channel, template, round, platform, provider_id, status, code, at`

const (
	sqlRecordNotification = `INSERT INTO notifications AS n
  (practice, copay_id, ref, channel, template, round, platform, provider_id, status, rank, code, at, status_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
ON CONFLICT (practice, ref) DO UPDATE SET template = excluded.template, round = excluded.round, at = excluded.at,
  platform = excluded.platform, provider_id = CASE n.provider_id WHEN '' THEN excluded.provider_id ELSE n.provider_id END
WHERE n.copay_id = excluded.copay_id AND (n.template = '' OR n.provider_id = '')`
	sqlMessageStatus = `WITH moved AS (
  UPDATE notifications SET status = $4, rank = $5, code = $6, status_at = $7
  WHERE practice = $1 AND platform = $2 AND (provider_id = $3 OR ref = $8) AND rank < $5 RETURNING ` + notificationColumns + `)
SELECT ` + notificationColumns + `, true FROM moved
UNION ALL SELECT ` + notificationColumns + `, false FROM notifications
WHERE practice = $1 AND platform = $2 AND (provider_id = $3 OR ref = $8) AND NOT EXISTS (SELECT FROM moved) LIMIT 1`
	sqlNotifications = `SELECT ` + notificationColumns + ` FROM notifications WHERE practice = $1 AND copay_id = $2 ORDER BY at, ref`
)

// RecordNotification keeps that a message was handed to a platform, so that
// its status reports find their co-pay. The same reference again is a no-op,
// unless only a report on the message was known, which says less.
func (s *Store) RecordNotification(ctx context.Context, n Notification) error {
	if err := n.Practice.Validate(); err != nil {
		return err
	}
	if n.Ref == "" {
		return copay.Errorf(copay.CodeInvalid, "ref", "a message has a reference")
	}
	at := n.At
	if at.IsZero() {
		at = s.now()
	}
	record := func() error {
		_, err := s.pool.Exec(ctx, sqlRecordNotification, n.Practice, n.CoPayID, n.Ref, n.Channel, n.Template, n.Round, n.Platform, n.ProviderID,
			n.Status, deliveryRank(integrations.DeliveryStatus(n.Status)), clean(n.Code), moment(at))
		return translate("keep the message", err)
	}
	err := record()
	if copay.CodeOf(err) == copay.CodeConflict { // a report of it was written in the same moment: now it is seen
		err = record()
	}
	return err
}

// MessageStatus moves a message forward to what its platform reports; changed
// is false for a repeated or late report. The message is known by the
// platform's id or, where the platform echoes it, by our reference: one that
// was sent again after a lost answer has two ids. A message that is not on
// record (yet: the report may overtake our own record) is CodeNotFound.
func (s *Store) MessageStatus(ctx context.Context, practice copay.PracticeID, platform copay.Platform, providerID string, ref copay.Ref,
	status integrations.DeliveryStatus, code string, at time.Time) (n Notification, changed bool, err error) {
	if providerID == "" && ref == "" {
		return Notification{}, false, notFound("message")
	}
	row := s.pool.QueryRow(ctx, sqlMessageStatus, practice, platform, providerID, status, deliveryRank(status), clean(code), moment(at), ref)
	err = row.Scan(&n.Practice, &n.CoPayID, &n.Ref, &n.Channel, &n.Template, &n.Round, &n.Platform, &n.ProviderID, &n.Status, &n.Code, &n.At, &changed)
	n.At = n.At.UTC()
	return n, changed, found("message", err)
}

// Notifications lists the messages of a co-pay, oldest first.
func (s *Store) Notifications(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]Notification, error) {
	rows, err := s.pool.Query(ctx, sqlNotifications, practice, id)
	if err != nil {
		return nil, translate("list the messages", err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (Notification, error) {
		n, err := pgx.RowToStructByPos[Notification](r)
		n.At = n.At.UTC()
		return n, err
	})
	return list, translate("list the messages", err)
}
