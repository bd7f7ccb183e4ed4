package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
)

// tokenLength is how many characters of the keyed hash make a token: 132 bits.
const tokenLength = 22

// token is the n-th payment link's token. It is derived, not drawn, so that a
// step that is tried again sends the patient the same link.
func (r *keyring) token(id copay.ID, n int) string {
	sum := r.hash("pay_link", string(r.practice), string(id), strconv.Itoa(n))
	return base64.RawURLEncoding.EncodeToString(sum)[:tokenLength]
}

func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// linkSlack is by how much a link may be shorter than wanted, so that one that
// is there is mostly only read.
const linkSlack = 24 * time.Hour

const (
	sqlGoodLink = `SELECT number FROM (SELECT * FROM pay_links WHERE practice = $1 AND copay_id = $2 ORDER BY number DESC LIMIT 1) l
WHERE revoked_at IS NULL AND failed_attempts < $3 AND expires_at >= $4`
	// The co-pay's row orders those who make its links.
	sqlLockLinks = `SELECT id FROM copays WHERE practice = $1 AND id = $2 FOR NO KEY UPDATE`
	sqlNewest    = `SELECT number, revoked_at IS NOT NULL OR failed_attempts >= $3 FROM pay_links
WHERE practice = $1 AND copay_id = $2 ORDER BY number DESC LIMIT 1`
	sqlPutLink = `INSERT INTO pay_links AS l (token_hash, practice, copay_id, number, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (token_hash) DO UPDATE SET expires_at = greatest(l.expires_at, excluded.expires_at)`
)

// NewPayLink returns the token of a co-pay's payment link, valid until expires
// or at most linkSlack less. It is the same each time, unless the link was revoked or
// locked meanwhile: then a new one begins.
func (s *Store) NewPayLink(ctx context.Context, practice copay.PracticeID, id copay.ID, expires time.Time) (string, error) {
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return "", err
	}
	n := 0
	err = s.pool.QueryRow(ctx, sqlGoodLink, practice, id, MaxLinkAttempts, moment(expires.Add(-linkSlack))).Scan(&n)
	if err == nil {
		return ring.token(id, n), nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return "", translate("make the payment link", err)
	}
	var token string
	err = s.tx(ctx, "make the payment link", func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, sqlLockLinks, practice, id).Scan(nil); err != nil {
			return found("co-pay", err)
		}
		n, spent := 1, false
		err := tx.QueryRow(ctx, sqlNewest, practice, id, MaxLinkAttempts).Scan(&n, &spent)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if spent {
			n++
		}
		token = ring.token(id, n)
		_, err = tx.Exec(ctx, sqlPutLink, tokenHash(token), practice, id, n, s.now(), moment(expires))
		return err
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

const linkColumns = `practice, copay_id, number, created_at, expires_at, revoked_at, opened_at, failed_attempts`

const (
	sqlPayLink  = `SELECT ` + linkColumns + ` FROM pay_links WHERE token_hash = $1`
	sqlOpenLink = `UPDATE pay_links SET opened_at = coalesce(opened_at, $2) WHERE token_hash = $1 RETURNING ` + linkColumns
	sqlTryLink  = `UPDATE pay_links SET failed_attempts = failed_attempts + 1
WHERE token_hash = $1 AND failed_attempts < $2 AND revoked_at IS NULL AND expires_at > $3 RETURNING ` + linkColumns
	sqlPassLink    = `UPDATE pay_links SET failed_attempts = 0 WHERE token_hash = $1 AND revoked_at IS NULL`
	sqlRevokeLinks = `UPDATE pay_links SET revoked_at = $3 WHERE practice = $1 AND copay_id = $2 AND revoked_at IS NULL`
)

// PayLink finds a link by its token, the one thing its page is asked with; a
// link that cannot be used any more is found, too.
func (s *Store) PayLink(ctx context.Context, token string) (PayLinkRow, error) {
	row, err := scanLink(s.pool.QueryRow(ctx, sqlPayLink, tokenHash(token)))
	return row, linkFound(err)
}

// OpenPayLink notes when a link was first opened.
func (s *Store) OpenPayLink(ctx context.Context, token string) (PayLinkRow, error) {
	row, err := scanLink(s.pool.QueryRow(ctx, sqlOpenLink, tokenHash(token), s.now()))
	return row, linkFound(err)
}

// TryPayLink counts an attempt to give the second factor BEFORE it is
// compared, so that many at once cannot try more than MaxLinkAttempts. After a
// right answer call PassPayLink. A link that takes no more attempts is refused
// with CodePermission (locked) or CodePrecondition (ended).
func (s *Store) TryPayLink(ctx context.Context, token string) (PayLinkRow, error) {
	row, err := scanLink(s.pool.QueryRow(ctx, sqlTryLink, tokenHash(token), MaxLinkAttempts, s.now()))
	if !errors.Is(err, pgx.ErrNoRows) {
		return row, linkFound(err)
	}
	row, err = s.PayLink(ctx, token)
	if err != nil {
		return PayLinkRow{}, err
	}
	if row.Locked() {
		return row, copay.Errorf(copay.CodePermission, "", "too many wrong answers: the link is locked; the practice can send a new one")
	}
	return row, copay.Errorf(copay.CodePrecondition, "", "the link has ended; the practice can send a new one")
}

// PassPayLink forgets the wrong attempts after a right one.
func (s *Store) PassPayLink(ctx context.Context, token string) error {
	tag, err := s.pool.Exec(ctx, sqlPassLink, tokenHash(token))
	if err == nil && tag.RowsAffected() == 0 {
		err = pgx.ErrNoRows
	}
	return linkFound(err)
}

// RevokePayLinks ends all links of a co-pay and says how many were open.
func (s *Store) RevokePayLinks(ctx context.Context, practice copay.PracticeID, id copay.ID) (int, error) {
	tag, err := s.pool.Exec(ctx, sqlRevokeLinks, practice, id, s.now())
	return int(tag.RowsAffected()), translate("revoke the payment links", err)
}

func linkFound(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return copay.Errorf(copay.CodeNotFound, "", "this payment link does not exist")
	}
	return translate("read the payment link", err)
}

func scanLink(r pgx.Row) (PayLinkRow, error) {
	var l PayLinkRow
	var revoked, opened *time.Time
	err := r.Scan(&l.Practice, &l.CoPay, &l.Number, &l.CreatedAt, &l.ExpiresAt, &revoked, &opened, &l.FailedAttempts)
	l.CreatedAt, l.ExpiresAt, l.RevokedAt, l.OpenedAt = l.CreatedAt.UTC(), l.ExpiresAt.UTC(), utc(revoked), utc(opened)
	return l, err
}
