package ledger

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
)

// The purposes of a practice's keys.
const (
	purposeData   = "data"   // seals; has generations
	purposeLookup = "lookup" // hashes; has one, as hashes must stay the same
)

// keyring holds one practice's keys in the clear; it is never changed, only
// replaced by a newer one.
type keyring struct {
	practice copay.PracticeID
	data     map[uint32][]byte
	newest   uint32
	lookup   []byte
}

// keys returns a practice's keys and makes them when it has none.
func (s *Store) keys(ctx context.Context, practice copay.PracticeID) (*keyring, error) {
	if r, ok := s.rings.Load(practice); ok {
		return r.(*keyring), nil
	}
	if err := practice.Validate(); err != nil {
		return nil, err
	}
	r, err := s.loadKeys(ctx, practice)
	if err != nil {
		return nil, err
	}
	if r.lookup == nil || r.newest == 0 {
		for _, purpose := range []string{purposeLookup, purposeData} {
			if err := s.makeKey(ctx, practice, purpose, 1); err != nil {
				return nil, err
			}
		}
		// Another process may have been first: what the database kept counts.
		if r, err = s.loadKeys(ctx, practice); err != nil {
			return nil, err
		}
	}
	s.rings.Store(practice, r)
	return r, nil
}

// CheckKeys reports whether the configured master keys open what is stored of a
// practice; one that has stored nothing yet passes.
func (s *Store) CheckKeys(ctx context.Context, practice copay.PracticeID) error {
	_, err := s.loadKeys(ctx, practice)
	return err
}

const sqlPracticeKeys = `SELECT purpose, generation, master_id, wrapped FROM practice_keys WHERE practice = $1`

func (s *Store) loadKeys(ctx context.Context, practice copay.PracticeID) (*keyring, error) {
	type row struct {
		Purpose    string
		Generation uint32
		MasterID   string
		Wrapped    []byte
	}
	rows, err := s.pool.Query(ctx, sqlPracticeKeys, practice)
	if err != nil {
		return nil, translate("read the practice's keys", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil {
		return nil, translate("read the practice's keys", err)
	}
	r := &keyring{practice: practice, data: map[uint32][]byte{}}
	for _, k := range all {
		plain, err := s.cfg.Keys.Unwrap(ctx, k.MasterID, k.Wrapped, keyAD(practice, k.Purpose, k.Generation))
		if err != nil {
			return nil, fmt.Errorf("unwrap a key of practice %s: %w", practice, err)
		}
		if k.Purpose == purposeLookup {
			r.lookup = plain
			continue
		}
		r.data[k.Generation] = plain
		r.newest = max(r.newest, k.Generation)
	}
	return r, nil
}

const sqlAddKey = `INSERT INTO practice_keys (practice, purpose, generation, master_id, wrapped, created_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`

func (s *Store) makeKey(ctx context.Context, practice copay.PracticeID, purpose string, generation uint32) error {
	plain := make([]byte, keySize)
	if _, err := rand.Read(plain); err != nil {
		return err
	}
	master, err := s.cfg.Keys.CurrentKeyID(ctx)
	if err != nil {
		return fmt.Errorf("choose a master key: %w", err)
	}
	wrapped, err := s.cfg.Keys.Wrap(ctx, master, plain, keyAD(practice, purpose, generation))
	if err != nil {
		return fmt.Errorf("wrap a key of practice %s: %w", practice, err)
	}
	_, err = s.pool.Exec(ctx, sqlAddKey, practice, purpose, generation, master, wrapped, s.now())
	return translate("store a practice's key", err)
}

func keyAD(practice copay.PracticeID, purpose string, generation uint32) []byte {
	return fmt.Appendf(nil, "%s|practice_keys|%s/%d", practice, purpose, generation)
}

// RotateDataKey gives a practice a new key for what is sealed from now on;
// what was sealed before stays readable. Other processes take the new key up
// as they meet it.
func (s *Store) RotateDataKey(ctx context.Context, practice copay.PracticeID) error {
	if _, err := s.keys(ctx, practice); err != nil {
		return err
	}
	r, err := s.loadKeys(ctx, practice)
	if err != nil {
		return err
	}
	if err := s.makeKey(ctx, practice, purposeData, r.newest+1); err != nil {
		return err
	}
	return s.reloadKeys(ctx, practice)
}

func (s *Store) reloadKeys(ctx context.Context, practice copay.PracticeID) error {
	r, err := s.loadKeys(ctx, practice)
	if err == nil {
		s.rings.Store(practice, r)
	}
	return err
}

const (
	sqlOldWraps = `SELECT practice, purpose, generation, master_id, wrapped FROM practice_keys
WHERE master_id <> $1 ORDER BY practice, purpose, generation LIMIT 100 FOR UPDATE SKIP LOCKED`
	sqlRewrap = `UPDATE practice_keys SET master_id = $4, wrapped = $5 WHERE practice = $1 AND purpose = $2 AND generation = $3`
)

// RewrapKeys wraps every practice's keys with the current master key, after
// which older master keys are not needed any more. It returns how many it did.
func (s *Store) RewrapKeys(ctx context.Context) (int, error) {
	master, err := s.cfg.Keys.CurrentKeyID(ctx)
	if err != nil {
		return 0, fmt.Errorf("choose a master key: %w", err)
	}
	for total := 0; ; {
		n := 0
		err := s.tx(ctx, "wrap keys anew", func(tx pgx.Tx) (err error) {
			n, err = s.rewrapSome(ctx, tx, master)
			return err
		})
		if total += n; err != nil || n == 0 {
			return total, err
		}
	}
}

func (s *Store) rewrapSome(ctx context.Context, tx pgx.Tx, master string) (int, error) {
	type row struct {
		Practice   copay.PracticeID
		Purpose    string
		Generation uint32
		MasterID   string
		Wrapped    []byte
	}
	rows, err := tx.Query(ctx, sqlOldWraps, master)
	if err != nil {
		return 0, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil {
		return 0, err
	}
	for _, k := range all {
		ad := keyAD(k.Practice, k.Purpose, k.Generation)
		plain, err := s.cfg.Keys.Unwrap(ctx, k.MasterID, k.Wrapped, ad)
		if err != nil {
			return 0, fmt.Errorf("unwrap a key of practice %s: %w", k.Practice, err)
		}
		wrapped, err := s.cfg.Keys.Wrap(ctx, master, plain, ad)
		if err != nil {
			return 0, fmt.Errorf("wrap a key of practice %s: %w", k.Practice, err)
		}
		if _, err := tx.Exec(ctx, sqlRewrap, k.Practice, k.Purpose, k.Generation, master, wrapped); err != nil {
			return 0, err
		}
	}
	return len(all), nil
}

// seal encrypts plain for one cell: table and id are bound to it, so that a
// value copied to another row does not open. The key's generation goes first.
func (r *keyring) seal(table, id string, plain []byte) ([]byte, error) {
	sealed, err := sealWith(r.data[r.newest], plain, r.ad(table, id))
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint32(nil, r.newest), sealed...), nil
}

func (r *keyring) ad(table, id string) []byte {
	return []byte(string(r.practice) + "|" + table + "|" + id)
}

func (r *keyring) sealJSON(table, id string, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return r.seal(table, id, plain)
}

// open decrypts a cell; a generation that is not known yet is looked for once.
func (s *Store) open(ctx context.Context, practice copay.PracticeID, table, id string, sealed []byte) ([]byte, error) {
	if len(sealed) < 4 {
		return nil, errSealed
	}
	r, err := s.keys(ctx, practice)
	if err != nil {
		return nil, err
	}
	generation := binary.BigEndian.Uint32(sealed)
	if r.data[generation] == nil {
		if err := s.reloadKeys(ctx, practice); err != nil {
			return nil, err
		}
		if r, err = s.keys(ctx, practice); err != nil {
			return nil, err
		}
	}
	key := r.data[generation]
	if key == nil {
		return nil, errSealed
	}
	return openWith(key, sealed[4:], r.ad(table, id))
}

func (s *Store) openJSON(ctx context.Context, practice copay.PracticeID, table, id string, sealed []byte, into any) error {
	plain, err := s.open(ctx, practice, table, id, sealed)
	if err != nil {
		return err
	}
	if json.Unmarshal(plain, into) != nil {
		return errSealed // the parser's words might quote the content
	}
	return nil
}

// hash is the keyed hash by which something that identifies a patient is
// looked up. The parts are kept apart by their lengths.
func (r *keyring) hash(what string, parts ...string) []byte {
	h := hmac.New(sha256.New, r.lookup)
	for _, p := range append([]string{what}, parts...) {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p) // a hash never fails to write
	}
	return h.Sum(nil)
}

// patientKey is the look-up key of a patient.
func (r *keyring) patientKey(ref copay.PatientRef) []byte {
	if ref == "" {
		return nil
	}
	return r.hash("patient", string(ref))
}

// holderKey is the look-up key of a patient as the holder of a card: with the
// EHR, because a wrong card is worse than one not found.
func (r *keyring) holderKey(k copay.PatientKey) []byte {
	return r.hash("holder", string(k.EHR), string(k.Ref))
}

// patientAlias is the name of a patient outside, of which nobody
// can tell the patient: with the EHR, because two of them number patients on
// their own.
func (r *keyring) patientAlias(k copay.PatientKey) copay.PatientAlias {
	return copay.PatientAlias("P-" + crockford.EncodeToString(r.hash("alias", string(k.EHR), string(k.Ref)))[:12])
}

// crockford has no letters that people mistake for digits.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// clean makes text fit for the database: valid UTF-8 without NUL.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}
