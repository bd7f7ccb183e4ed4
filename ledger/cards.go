package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
)

const (
	sqlSameCard = `SELECT EXISTS (SELECT FROM card_consents WHERE practice = $1 AND patient_key = $2 AND digest = $3 AND revoked_at IS NULL)`
	sqlLater    = `SELECT EXISTS (SELECT FROM card_consents WHERE practice = $1 AND patient_key = $2 AND (given_at > $3 OR revoked_at > $3))`
	sqlEndCard  = `UPDATE card_consents SET revoked_at = $3 WHERE practice = $1 AND patient_key = $2 AND revoked_at IS NULL`
	sqlAddCard  = `INSERT INTO card_consents (practice, patient_key, sealed, digest, given_at) VALUES ($1, $2, $3, $4, $5)`
	sqlCard     = `SELECT sealed, revoked_at IS NULL FROM card_consents WHERE practice = $1 AND patient_key = $2
ORDER BY revoked_at IS NULL DESC, id DESC LIMIT 1`
	sqlLockCard = `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`
)

// PutCardConsent keeps a stored payment method together with what the patient
// agreed to. A patient has one at a time: an older one ends. The same again is
// a no-op; one after which the patient has decided anew is CodeConflict, so
// that a late arrival never brings a revoked card back.
func (s *Store) PutCardConsent(ctx context.Context, practice copay.PracticeID, patient copay.PatientKey, c CardOnFile) error {
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return err
	}
	if patient.Ref == "" || c.Customer == "" || c.Method == "" || c.Consent.TextVersion == "" || c.Consent.GivenAt.IsZero() {
		return copay.Errorf(copay.CodeInvalid, "consent", "a card on file needs patient, customer, method, and the consent's wording and time")
	}
	c.Consent.GivenAt = moment(c.Consent.GivenAt)
	key := ring.holderKey(patient)
	plain, err := json.Marshal(c)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(plain)
	sealed, err := ring.seal("card_consents", hex.EncodeToString(key), plain)
	if err != nil {
		return err
	}
	return s.tx(ctx, "keep the card's consent", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlLockCard, string(practice)+hex.EncodeToString(key)); err != nil {
			return err
		}
		var same bool
		if err := tx.QueryRow(ctx, sqlSameCard, practice, key, digest[:]).Scan(&same); err != nil || same {
			return err
		}
		var late bool
		if err := tx.QueryRow(ctx, sqlLater, practice, key, c.Consent.GivenAt).Scan(&late); err != nil {
			return err
		}
		if late {
			return copay.Errorf(copay.CodeConflict, "consent", "the patient has decided anew since this consent was given")
		}
		if _, err := tx.Exec(ctx, sqlEndCard, practice, key, c.Consent.GivenAt); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlAddCard, practice, key, sealed, digest[:], c.Consent.GivenAt)
		return err
	})
}

// CardConsent reads a patient's stored payment method. ok is false when there
// is none, or when it was revoked: it then only serves to find what it was
// charged before.
func (s *Store) CardConsent(ctx context.Context, practice copay.PracticeID, patient copay.PatientKey) (CardOnFile, bool, error) {
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return CardOnFile{}, false, err
	}
	key := ring.holderKey(patient)
	var sealed []byte
	var ok bool
	err = found("card on file", s.pool.QueryRow(ctx, sqlCard, practice, key).Scan(&sealed, &ok))
	if copay.CodeOf(err) == copay.CodeNotFound {
		return CardOnFile{}, false, nil
	}
	if err != nil {
		return CardOnFile{}, false, err
	}
	var c CardOnFile
	if err := s.openJSON(ctx, practice, "card_consents", hex.EncodeToString(key), sealed, &c); err != nil {
		return CardOnFile{}, false, err
	}
	return c, ok, nil
}

// RevokeCardConsent ends the consent of a patient's card and reports whether
// there was one.
func (s *Store) RevokeCardConsent(ctx context.Context, practice copay.PracticeID, patient copay.PatientKey, at time.Time) (bool, error) {
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return false, err
	}
	tag, err := s.pool.Exec(ctx, sqlEndCard, practice, ring.holderKey(patient), moment(at))
	return tag.RowsAffected() > 0, translate("revoke the card's consent", err)
}
