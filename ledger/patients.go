package ledger

import (
	"context"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

const (
	sqlPutPatient = `INSERT INTO patients (practice, copay_id, sealed, phone_key, email_key, no_sms, no_email, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (practice, copay_id) DO UPDATE
SET sealed = excluded.sealed, phone_key = excluded.phone_key, email_key = excluded.email_key,
  no_sms = excluded.no_sms, no_email = excluded.no_email, updated_at = excluded.updated_at`
	sqlPatient = `SELECT sealed FROM patients WHERE practice = $1 AND copay_id = $2`
)

// PutPatient keeps who a co-pay's patient is, sealed. Addresses are brought to
// one form first, so that what is read back can be sent to.
func (s *Store) PutPatient(ctx context.Context, practice copay.PracticeID, id copay.ID, p integrations.Patient) error {
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return err
	}
	p.Phone, p.Email = Address(copay.ChannelSMS, p.Phone), Address(copay.ChannelEmail, p.Email)
	sealed, err := ring.sealJSON("patients", string(id), p)
	if err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, sqlPutPatient, practice, id, sealed, ring.addressKey(copay.ChannelSMS, p.Phone),
		ring.addressKey(copay.ChannelEmail, p.Email), p.NoSMS, p.NoEmail, s.now())
	return translate("keep the patient", err)
}

// Patient reads who a co-pay's patient is.
func (s *Store) Patient(ctx context.Context, practice copay.PracticeID, id copay.ID) (integrations.Patient, error) {
	var sealed []byte
	if err := s.pool.QueryRow(ctx, sqlPatient, practice, id).Scan(&sealed); err != nil {
		return integrations.Patient{}, found("patient", err)
	}
	var p integrations.Patient
	err := s.openJSON(ctx, practice, "patients", string(id), sealed, &p)
	return p, err
}

// Address brings an address to the one form it is stored, hashed and sent to
// in: E.164 for telephones (of the United States when no country is given),
// lower case for mail. What is not an address at all becomes "".
func Address(channel copay.Channel, address string) string {
	address = strings.TrimSpace(clean(address))
	switch channel {
	case copay.ChannelSMS:
		n, err := phonenumbers.Parse(address, "US")
		if err != nil || !phonenumbers.IsPossibleNumber(n) {
			return ""
		}
		return phonenumbers.Format(n, phonenumbers.E164)
	case copay.ChannelEmail:
		at := strings.LastIndexByte(address, '@')
		if at <= 0 || at == len(address)-1 || strings.ContainsAny(address, " \t\r\n") {
			return ""
		}
		return strings.ToLower(address)
	}
	return ""
}

// addressKey is the look-up key of an address; nil when there is none.
func (r *keyring) addressKey(channel copay.Channel, address string) []byte {
	if address = Address(channel, address); address == "" {
		return nil
	}
	return r.hash("address", string(channel), address)
}

const (
	sqlPutBenefits = `INSERT INTO benefits (practice, member_key, service, on_date, sealed, checked_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (practice, member_key, service, on_date) DO UPDATE SET sealed = excluded.sealed, checked_at = excluded.checked_at
WHERE benefits.checked_at <= excluded.checked_at`
	sqlFreshBenefits = `SELECT sealed FROM benefits WHERE practice = $1 AND member_key = $2 AND service = $3 AND on_date = $4 AND checked_at >= $5`
)

// PutBenefits keeps an eligibility answer for the policy that memberKey names
// (it is hashed), one service and one date. An older answer never replaces a
// newer one.
func (s *Store) PutBenefits(ctx context.Context, practice copay.PracticeID, memberKey string, service copay.ServiceType, on copay.Date,
	b copay.Benefits, now time.Time) error {
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return err
	}
	date := day(on)
	if date == nil || memberKey == "" {
		return copay.Errorf(copay.CodeInvalid, "on", "benefits are kept for a member and a date")
	}
	key := ring.hash("member", memberKey)
	sealed, err := ring.sealJSON("benefits", benefitsCell(key, service, on), b)
	if err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, sqlPutBenefits, practice, key, service, date, sealed, moment(now))
	return translate("keep the benefits", err)
}

// FreshBenefits reads an eligibility answer that is at most maxAge old.
func (s *Store) FreshBenefits(ctx context.Context, practice copay.PracticeID, memberKey string, service copay.ServiceType, on copay.Date,
	maxAge time.Duration) (copay.Benefits, bool, error) {
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return copay.Benefits{}, false, err
	}
	key := ring.hash("member", memberKey)
	var sealed []byte
	err = s.pool.QueryRow(ctx, sqlFreshBenefits, practice, key, service, day(on), s.now().Add(-maxAge)).Scan(&sealed)
	if err = found("benefits", err); copay.CodeOf(err) == copay.CodeNotFound {
		return copay.Benefits{}, false, nil
	}
	if err != nil {
		return copay.Benefits{}, false, err
	}
	var b copay.Benefits
	if err := s.openJSON(ctx, practice, "benefits", benefitsCell(key, service, on), sealed, &b); err != nil {
		return copay.Benefits{}, false, err
	}
	return b, true, nil
}

func benefitsCell(key []byte, service copay.ServiceType, on copay.Date) string {
	return string(key) + "/" + string(service) + "/" + string(on)
}
