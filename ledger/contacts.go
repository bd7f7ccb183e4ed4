package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
)

var errAddress = copay.Errorf(copay.CodeInvalid, "address", "this is not an address of that channel")

// contactKey names a contact; an address that is none is refused.
func (s *Store) contactKey(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address string) ([]byte, error) {
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return nil, err
	}
	key := ring.addressKey(channel, address)
	if key == nil {
		return nil, errAddress
	}
	return key, nil
}

// A revocation holds while it is not older than the last restoration.
const revoked = `(revoked_at IS NOT NULL AND (restored_at IS NULL OR revoked_at >= restored_at))`

// ByStaff is the source of a revocation that staff have recorded.
const ByStaff = "staff"

// What staff revoked is forgotten when the patient agrees anew ($7). A STOP is not,
// also one that is heard of later: only a START restores.
const sqlRecordConsent = `INSERT INTO contacts AS c (practice, channel, address_key, consent_source, consent_version, consent_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (practice, channel, address_key) DO UPDATE
SET consent_source = excluded.consent_source, consent_version = excluded.consent_version, consent_at = excluded.consent_at,
  revoked_at = CASE WHEN $7 AND c.revoked_source = '` + ByStaff + `' AND c.revoked_at < excluded.consent_at THEN NULL ELSE c.revoked_at END,
  revoked_source = CASE WHEN $7 AND c.revoked_source = '` + ByStaff + `' AND c.revoked_at < excluded.consent_at THEN '' ELSE c.revoked_source END
WHERE c.consent_at IS NULL OR c.consent_at <= excluded.consent_at RETURNING ` + revoked

const sqlIsRevoked = `SELECT ` + revoked + ` FROM contacts WHERE practice = $1 AND channel = $2 AND address_key = $3`

// RecordConsent keeps a patient's agreement to be written to. It lifts no STOP (only
// Restore does), and what staff revoked only when the patient agreed anew: else
// effective is false.
func (s *Store) RecordConsent(ctx context.Context, practice copay.PracticeID, c Consent) (effective bool, err error) {
	key, err := s.contactKey(ctx, practice, c.Channel, c.Address)
	if err != nil {
		return false, err
	}
	if c.Source == "" {
		return false, copay.Errorf(copay.CodeInvalid, "source", "say where the consent was given")
	}
	at := c.At
	if at.IsZero() {
		at = s.now()
	}
	gone := false
	err = again(ctx, "record the consent", func() error {
		err := s.pool.QueryRow(ctx, sqlRecordConsent, practice, c.Channel, key, clean(c.Source), clean(c.TextVersion), moment(at), c.Anew).Scan(&gone)
		if errors.Is(err, pgx.ErrNoRows) { // a later consent stands there already
			err = s.pool.QueryRow(ctx, sqlIsRevoked, practice, c.Channel, key).Scan(&gone)
		}
		return err
	})
	return err == nil && !gone, err
}

const (
	// Of a STOP and what staff revoked the STOP counts, whichever is heard first.
	sqlRevoke = `INSERT INTO contacts AS c (practice, channel, address_key, revoked_at, revoked_source) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (practice, channel, address_key) DO UPDATE SET revoked_at = GREATEST(c.revoked_at, excluded.revoked_at),
  revoked_source = CASE WHEN excluded.revoked_source = '` + ByStaff + `' AND c.revoked_source <> excluded.revoked_source AND c.revoked_at IS NOT NULL
    AND (c.restored_at IS NULL OR c.revoked_at >= c.restored_at) THEN c.revoked_source ELSE excluded.revoked_source END
WHERE c.revoked_at IS NULL OR c.revoked_at < excluded.revoked_at OR
  (c.revoked_source = '` + ByStaff + `' AND excluded.revoked_source <> c.revoked_source AND (c.restored_at IS NULL OR c.restored_at <= excluded.revoked_at))`
	// The other addresses of the patients who use this one.
	sqlOtherAddresses = `SELECT DISTINCT 'email', email_key FROM patients WHERE practice = $1 AND (phone_key = $2 OR email_key = $2) AND email_key IS NOT NULL
UNION SELECT DISTINCT 'sms', phone_key FROM patients WHERE practice = $1 AND (phone_key = $2 OR email_key = $2) AND phone_key IS NOT NULL
ORDER BY 1, 2`
)

// Revoke ends consent for an address as of a moment and returns the open
// co-pays whose patient uses it. A revocation that is older than a
// restoration changes nothing, so the two may arrive in any order.
func (s *Store) Revoke(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address string, scope OptOut,
	source string, at time.Time) ([]copay.ID, error) {
	key, err := s.contactKey(ctx, practice, channel, address)
	if err != nil {
		return nil, err
	}
	if scope != OptOutChannel && scope != OptOutAll {
		return nil, copay.Errorf(copay.CodeInvalid, "scope", "a revocation reaches one channel or all")
	}
	var ids []copay.ID
	err = s.tx(ctx, "revoke the consent", func(tx pgx.Tx) error {
		all := []contact{{channel, key}}
		if scope == OptOutAll {
			others, err := otherAddresses(ctx, tx, practice, key)
			if err != nil {
				return err
			}
			all = append(all, others...)
		}
		for _, c := range all {
			if _, err := tx.Exec(ctx, sqlRevoke, practice, c.Channel, c.Key, moment(at), clean(source)); err != nil {
				return err
			}
		}
		ids, err = openCoPays(ctx, tx, practice, channel, key)
		return err
	})
	return ids, err
}

type contact struct {
	Channel copay.Channel
	Key     []byte
}

func otherAddresses(ctx context.Context, tx pgx.Tx, practice copay.PracticeID, key []byte) ([]contact, error) {
	rows, err := tx.Query(ctx, sqlOtherAddresses, practice, key)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[contact])
}

const sqlRestore = `INSERT INTO contacts AS c (practice, channel, address_key, restored_at, consent_at, consent_source) VALUES ($1, $2, $3, $4, $4, $5)
ON CONFLICT (practice, channel, address_key) DO UPDATE
SET restored_at = excluded.restored_at, consent_at = excluded.consent_at, consent_source = excluded.consent_source
WHERE c.restored_at IS NULL OR c.restored_at < excluded.restored_at`

// Restore lifts an older revocation: the patient said START, or staff recorded
// that they want messages again. It also counts as consent, and as proof that
// the address works.
func (s *Store) Restore(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address, source string, at time.Time) error {
	key, err := s.contactKey(ctx, practice, channel, address)
	if err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, sqlRestore, practice, channel, key, moment(at), clean(source))
	return translate("restore the consent", err)
}

const sqlMarkBad = `INSERT INTO contacts AS c (practice, channel, address_key, bad_at, bad_code) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (practice, channel, address_key) DO UPDATE SET bad_at = excluded.bad_at, bad_code = excluded.bad_code
WHERE c.bad_at IS NULL OR c.bad_at < excluded.bad_at`

// MarkBad notes that an address does not work (unknown number, hard bounce)
// and returns the open co-pays whose patient uses it.
func (s *Store) MarkBad(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address, code string, at time.Time) ([]copay.ID, error) {
	key, err := s.contactKey(ctx, practice, channel, address)
	if err != nil {
		return nil, err
	}
	var ids []copay.ID
	err = s.tx(ctx, "mark the address", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlMarkBad, practice, channel, key, moment(at), clean(code)); err != nil {
			return err
		}
		ids, err = openCoPays(ctx, tx, practice, channel, key)
		return err
	})
	return ids, err
}

// A co-pay's patient by channel, with what is known of the address there.
const (
	channelsOf = `
FROM patients p CROSS JOIN LATERAL (VALUES (1, 'sms', p.phone_key, p.no_sms), (2, 'email', p.email_key, p.no_email)) AS ch (no, channel, key, refused)
LEFT JOIN contacts c ON c.practice = p.practice AND c.channel = ch.channel AND c.address_key = ch.key
WHERE p.practice = $1 AND p.copay_id = $2 ORDER BY ch.no`
	consented = `(c.consent_at IS NOT NULL AND NOT coalesce(` + revoked + `, false))`
	usable    = `(ch.key IS NOT NULL AND NOT ch.refused AND (c.bad_at IS NULL OR coalesce(c.restored_at > c.bad_at, false)))`

	sqlReach    = `SELECT ch.channel, ` + consented + `, ` + usable + channelsOf
	sqlConsents = `SELECT ch.channel, ` + consented + ` AND ` + usable + `, ch.key IS NOT NULL, ch.refused, c.consent_at, coalesce(c.consent_source, ''),
  coalesce(c.consent_version, ''), c.revoked_at, coalesce(c.revoked_source, ''), c.restored_at, c.bad_at, coalesce(c.bad_code, '')` + channelsOf
)

// Reach says on which channels a co-pay's patient may be written to. Without
// a patient on record there is none.
func (s *Store) Reach(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]copay.Reach, error) {
	rows, err := s.pool.Query(ctx, sqlReach, practice, id)
	if err != nil {
		return nil, translate("read the contacts", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[copay.Reach])
	return list, translate("read the contacts", err)
}

// ChannelConsent is what is known of one channel of a co-pay's patient, for
// people: why messages go out there or not. Times that are zero did not happen.
type ChannelConsent struct {
	Channel copay.Channel
	Allowed bool // both answers of copay.Reach are yes
	// HasAddress: the EHR knows one. Refused: the patient's record there says not
	// to use the channel.
	HasAddress, Refused bool
	GivenAt             time.Time
	Source, TextVersion string
	RevokedAt           time.Time
	RevokedBy           string
	RestoredAt, BadAt   time.Time
	BadCode             string
}

// Consents explains Reach. A co-pay whose patient was not read yet has none;
// one that there is not is CodeNotFound.
func (s *Store) Consents(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]ChannelConsent, error) {
	if _, err := s.CoPay(ctx, practice, id); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, sqlConsents, practice, id)
	if err != nil {
		return nil, translate("read the consents", err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (c ChannelConsent, err error) {
		var given, revoked, restored, bad *time.Time
		err = r.Scan(&c.Channel, &c.Allowed, &c.HasAddress, &c.Refused, &given, &c.Source, &c.TextVersion, &revoked, &c.RevokedBy, &restored, &bad, &c.BadCode)
		c.GivenAt, c.RevokedAt, c.RestoredAt, c.BadAt = utc(given), utc(revoked), utc(restored), utc(bad)
		return c, err
	})
	return list, translate("read the consents", err)
}

const sqlOpenByAddress = `SELECT c.id FROM patients p JOIN copays c ON c.practice = p.practice AND c.id = p.copay_id
WHERE p.practice = $1 AND (($2 = 'sms' AND p.phone_key = $3) OR ($2 = 'email' AND p.email_key = $3)) AND NOT c.state = ANY ($4)
ORDER BY c.claimed_at DESC, c.id`

// reader is a pool or a transaction.
type reader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func openCoPays(ctx context.Context, r reader, practice copay.PracticeID, channel copay.Channel, key []byte) ([]copay.ID, error) {
	var closed []string
	for _, st := range copay.States() {
		if st.Closed() {
			closed = append(closed, string(st))
		}
	}
	rows, err := r.Query(ctx, sqlOpenByAddress, practice, channel, key, closed)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[copay.ID])
}

// CopaysByAddress finds the open co-pays whose patient uses an address, newest
// first: an inbound message names nothing else.
func (s *Store) CopaysByAddress(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address string) ([]copay.ID, error) {
	key, err := s.contactKey(ctx, practice, channel, address)
	if err != nil {
		return nil, err
	}
	ids, err := openCoPays(ctx, s.pool, practice, channel, key)
	return ids, translate("find co-pays by address", err)
}
