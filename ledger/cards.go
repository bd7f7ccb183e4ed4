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
	sqlEndCard  = `UPDATE card_consents SET revoked_at = $3 WHERE practice = $1 AND patient_key = $2 AND revoked_at IS NULL`
	sqlAddCard  = `INSERT INTO card_consents (practice, patient_key, sealed, digest, given_at) VALUES ($1, $2, $3, $4, $5)`
	sqlCard     = `SELECT sealed FROM card_consents WHERE practice = $1 AND patient_key = $2 AND revoked_at IS NULL`
	sqlLockCard = `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`
)

// PutCardConsent keeps a stored payment method together with what the patient
// agreed to. A patient has one at a time: an older one ends. The same again is
// a no-op.
func (s *Store) PutCardConsent(ctx context.Context, practice copay.PracticeID, patient copay.PatientRef, c CardOnFile) error {
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return err
	}
	if patient == "" || c.Customer == "" || c.Method == "" || c.Consent.TextVersion == "" || c.Consent.GivenAt.IsZero() {
		return copay.Errorf(copay.CodeInvalid, "consent", "a card on file needs patient, customer, method, and the consent's wording and time")
	}
	c.Consent.GivenAt = moment(c.Consent.GivenAt)
	key := ring.patientKey(patient)
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
		if _, err := tx.Exec(ctx, sqlEndCard, practice, key, s.now()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlAddCard, practice, key, sealed, digest[:], c.Consent.GivenAt)
		return err
	})
}

// CardConsent reads a patient's stored payment method, if there is one.
func (s *Store) CardConsent(ctx context.Context, practice copay.PracticeID, patient copay.PatientRef) (CardOnFile, bool, error) {
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return CardOnFile{}, false, err
	}
	key := ring.patientKey(patient)
	var sealed []byte
	err = found("card on file", s.pool.QueryRow(ctx, sqlCard, practice, key).Scan(&sealed))
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
	return c, true, nil
}

// RevokeCardConsent ends the consent of a patient's card and reports whether
// there was one.
func (s *Store) RevokeCardConsent(ctx context.Context, practice copay.PracticeID, patient copay.PatientRef, at time.Time) (bool, error) {
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return false, err
	}
	tag, err := s.pool.Exec(ctx, sqlEndCard, practice, ring.patientKey(patient), moment(at))
	return tag.RowsAffected() > 0, translate("revoke the card's consent", err)
}
