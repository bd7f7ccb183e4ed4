package ledger_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

func patient() integrations.Patient {
	return integrations.Patient{Ref: "p-1", FirstName: "Ana", LastName: "Diaz", BirthDate: "1980-02-03", Phone: phone, Email: email,
		Insurance: []integrations.Insurance{{PayerID: "60054", MemberID: "W123"}}}
}

func TestPatientIsSealed(t *testing.T) {
	b := setup(t)
	id := b.claim(t, maple, "c-1")
	p := patient()
	p.Phone, p.Email = " (415) 555-0134 ", " Ana@Mail.Example"
	require.NoError(t, b.PutPatient(t.Context(), maple, id, p))
	got, err := b.another(t).Patient(t.Context(), maple, id)
	require.NoError(t, err)
	require.Equal(t, patient(), got, "addresses come back in the form they are sent to")
	// Bytes are searched as bytes: written as digits they hold any short number now and then.
	for _, secret := range []string{"Ana", "Diaz", "5550134", "mail.example", "W123", "1980"} {
		require.Zero(t, b.count(t, `SELECT count(*) FROM patients p
			WHERE position($1 IN (to_jsonb(p) - ARRAY['sealed', 'phone_key', 'email_key'])::text) > 0
			   OR position($1::text::bytea IN sealed || coalesce(phone_key, '') || coalesce(email_key, '')) > 0`, secret), secret)
	}
	p.FirstName = "Anna"
	require.NoError(t, b.PutPatient(t.Context(), maple, id, p))
	got, err = b.Patient(t.Context(), maple, id)
	require.NoError(t, err)
	require.Equal(t, "Anna", got.FirstName)
}

func TestPatientOfNoCoPay(t *testing.T) {
	b := setup(t)
	requireCode(t, copay.CodeNotFound, b.PutPatient(t.Context(), maple, "cp_0000000000000000", patient()))
	_, err := b.Patient(t.Context(), maple, b.claim(t, maple, "c-1"))
	requireCode(t, copay.CodeNotFound, err)
}

// A sealed value moved to another row, table or practice does not open.
func TestSealedValuesAreBoundToTheirPlace(t *testing.T) {
	b := setup(t)
	one, two, other := b.claim(t, maple, "c-1"), b.claim(t, maple, "c-2"), b.claim(t, birch, "c-3")
	require.NoError(t, b.PutPatient(t.Context(), maple, one, patient()))
	require.NoError(t, b.PutPatient(t.Context(), maple, two, patient()))
	require.NoError(t, b.PutPatient(t.Context(), birch, other, patient()))
	require.NoError(t, b.SaveToken(t.Context(), maple, copay.Platform(one), integrations.Token{}))
	b.exec(t, `UPDATE patients SET sealed = (SELECT sealed FROM patients WHERE copay_id = $1) WHERE copay_id <> $1`, one)
	b.exec(t, `UPDATE tokens SET sealed = (SELECT sealed FROM patients WHERE copay_id = $1)`, one)
	_, err := b.Patient(t.Context(), maple, one)
	require.NoError(t, err)
	_, err = b.Patient(t.Context(), maple, two)
	requireCode(t, copay.CodePrecondition, err)
	_, err = b.Patient(t.Context(), birch, other)
	requireCode(t, copay.CodePrecondition, err)
	_, err = b.Load(t.Context(), maple, copay.Platform(one))
	requireCode(t, copay.CodePrecondition, err)
	b.exec(t, `UPDATE patients SET sealed = 'x'`)
	_, err = b.Patient(t.Context(), maple, one)
	requireCode(t, copay.CodePrecondition, err)
}

func masters(t *testing.T, current string, ids ...string) *ledger.StaticKeys {
	t.Helper()
	keys := map[string][]byte{}
	for _, id := range ids {
		k := sha256.Sum256([]byte(id))
		keys[id] = k[:]
	}
	s, err := ledger.NewStaticKeys(current, keys)
	require.NoError(t, err)
	return s
}

func with(k ledger.KeyProvider) func(*ledger.Config) { return func(c *ledger.Config) { c.Keys = k } }

func TestMasterKeyRotation(t *testing.T) {
	b := setup(t, with(masters(t, "2025", "2025")))
	id := b.claim(t, maple, "c-1")
	require.NoError(t, b.PutPatient(t.Context(), maple, id, patient()))
	link, err := b.NewPayLink(t.Context(), maple, id, noon.Add(time.Hour))
	require.NoError(t, err)
	for i := range 120 { // more practices than are wrapped at a time
		require.NoError(t, b.SaveToken(t.Context(), copay.PracticeID(fmt.Sprintf("p-%d", i)), "x", integrations.Token{}))
	}
	both := b.another(t, with(masters(t, "2026", "2025", "2026")))
	n, err := both.RewrapKeys(t.Context())
	require.NoError(t, err)
	require.Equal(t, 242, n)
	n, err = both.RewrapKeys(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)

	after := b.another(t, with(masters(t, "2026", "2026")))
	got, err := after.Patient(t.Context(), maple, id)
	require.NoError(t, err)
	require.Equal(t, patient(), got)
	again, err := after.NewPayLink(t.Context(), maple, id, noon.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, link, again, "what is derived stays the same")

	before := b.another(t, with(masters(t, "2025", "2025")))
	require.ErrorContains(t, before.CheckKeys(t.Context(), maple), "2026")
	require.NoError(t, before.CheckKeys(t.Context(), "elm"), "it has stored nothing yet")
	require.NoError(t, after.CheckKeys(t.Context(), maple))
	_, err = before.Patient(t.Context(), maple, id)
	requireCode(t, copay.CodePrecondition, err)
	require.ErrorContains(t, err, "2026")
}

func TestDataKeyRotation(t *testing.T) {
	b := setup(t)
	one, two := b.claim(t, maple, "c-1"), b.claim(t, maple, "c-2")
	running := b.another(t) // knows only the first key
	require.NoError(t, running.PutPatient(t.Context(), maple, one, patient()))
	require.NoError(t, b.RotateDataKey(t.Context(), maple))
	require.NoError(t, b.PutPatient(t.Context(), maple, two, patient()))
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM patients WHERE substr(sealed, 1, 4) = '\x00000002'`))
	for _, s := range []*ledger.Store{b.Store, running, b.another(t)} {
		for _, id := range []copay.ID{one, two} {
			got, err := s.Patient(t.Context(), maple, id)
			require.NoError(t, err)
			require.Equal(t, patient(), got)
		}
	}
	ids, err := b.CopaysByAddress(t.Context(), maple, copay.ChannelSMS, phone)
	require.NoError(t, err)
	require.Len(t, ids, 2, "look-ups survive the rotation")
}

func TestKeysOfAPracticeAreMadeOnce(t *testing.T) {
	b := setup(t)
	stores := []*ledger.Store{b.Store, b.another(t), b.another(t)}
	for _, err := range together(12, func(i int) error {
		return stores[i%3].SaveToken(t.Context(), maple, copay.Platform(fmt.Sprintf("x-%d", i)), integrations.Token{Access: "a"})
	}) {
		require.NoError(t, err)
	}
	for i := range 12 {
		tok, err := stores[(i+1)%3].Load(t.Context(), maple, copay.Platform(fmt.Sprintf("x-%d", i)))
		require.NoError(t, err)
		require.Equal(t, "a", tok.Access)
	}
	require.Equal(t, 2, b.count(t, `SELECT count(*) FROM practice_keys`))
}

func TestStaticKeysRefuseBadKeys(t *testing.T) {
	t.Parallel()
	good := make([]byte, 32)
	for _, c := range []struct {
		current string
		keys    map[string][]byte
	}{{"a", nil}, {"a", map[string][]byte{"b": good}}, {"a", map[string][]byte{"a": good[:16]}}, {"", map[string][]byte{"": good}}} {
		_, err := ledger.NewStaticKeys(c.current, c.keys)
		requireCode(t, copay.CodeInvalid, err)
	}
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", masters(t, "a", "a"), masters(t, "a", "a"), masters(t, "a", "a")), "map")
}

// failing is a key service that is down.
type failing struct{ ledger.KeyProvider }

func (failing) Unwrap(context.Context, string, []byte, []byte) ([]byte, error) {
	return nil, copay.Errorf(copay.CodeUnavailable, "", "the key service is down")
}

func TestKeyServiceDown(t *testing.T) {
	b := setup(t)
	id := b.claim(t, maple, "c-1")
	require.NoError(t, b.PutPatient(t.Context(), maple, id, patient()))
	s := b.another(t, func(c *ledger.Config) { c.Keys = failing{c.Keys} })
	_, err := s.Patient(t.Context(), maple, id)
	requireCode(t, copay.CodeUnavailable, err)
}

func TestBenefitsCache(t *testing.T) {
	b := setup(t)
	answer := copay.Benefits{Status: copay.CoverageActive, Source: "availity", CoPays: []copay.BenefitAmount{{Amount: copay.Cents(2500), Note: "SPECIALIST"}}}
	put := func(ben copay.Benefits, at time.Time) {
		t.Helper()
		require.NoError(t, b.PutBenefits(t.Context(), maple, "60054\x00W123", "98", "2026-11-24", ben, at))
	}
	get := func(member string, service copay.ServiceType, on copay.Date, age time.Duration) bool {
		t.Helper()
		got, ok, err := b.FreshBenefits(t.Context(), maple, member, service, on, age)
		require.NoError(t, err)
		if ok {
			require.Equal(t, answer, got)
		}
		return ok
	}
	put(answer, noon)
	require.True(t, get("60054\x00W123", "98", "2026-11-24", 0))
	require.False(t, get("60054\x00W124", "98", "2026-11-24", time.Hour), "another member")
	require.False(t, get("60054\x00W123", "30", "2026-11-24", time.Hour), "another service")
	require.False(t, get("60054\x00W123", "98", "2026-11-25", time.Hour), "another day")
	b.clock.Add(2 * time.Hour)
	require.False(t, get("60054\x00W123", "98", "2026-11-24", time.Hour), "too old")
	require.True(t, get("60054\x00W123", "98", "2026-11-24", 2*time.Hour))
	put(copay.Benefits{Status: copay.CoverageInactive}, noon.Add(-time.Hour))
	require.True(t, get("60054\x00W123", "98", "2026-11-24", 2*time.Hour), "an older answer does not replace")
	require.Zero(t, b.count(t, `SELECT count(*) FROM benefits x WHERE position('W123' IN x::text) > 0`))
	requireCode(t, copay.CodeInvalid, b.PutBenefits(t.Context(), maple, "m", "98", "soon", answer, noon))
	requireCode(t, copay.CodeInvalid, b.PutBenefits(t.Context(), maple, "", "98", "2026-11-24", answer, noon))
}

// What a person wrote, and what the picture says of the patient, is in no
// column in the clear; readers see it.
func TestPicturesAndReasonsAreSealed(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	r := step(key, 1, copay.StateNeedsReview)
	r.CoPay.Patient, r.CoPay.Review = "pat-77001", &copay.Review{Kind: copay.ReviewInactive, Message: "the Goldplan ended"}
	r.Events = []ledger.TimelineEvent{{Kind: "note", Actor: staff, Summary: "a note", Reason: "lost her job", Sensitive: "call in spring"}}
	require.NoError(t, b.Record(t.Context(), r))
	secrets := []string{"pat-77001", "Goldplan", "lost her job", "call in spring"}
	for _, table := range []string{"copays", "timeline", "audit_log", "records"} {
		for _, secret := range secrets {
			require.Zero(t, b.count(t, `SELECT count(*) FROM `+table+` x WHERE position($1 IN x::text) > 0 OR position(encode($1::text::bytea, 'hex') IN x::text) > 0`, secret), "%s in %s", secret, table)
		}
	}
	row, err := b.another(t).CoPay(t.Context(), maple, key.ID())
	require.NoError(t, err)
	require.Equal(t, copay.PatientRef("pat-77001"), row.CoPay.Patient)
	events, err := b.Timeline(t.Context(), maple, key.ID())
	require.NoError(t, err)
	require.Equal(t, "lost her job", events[0].Reason)
	require.Equal(t, "call in spring", events[0].Sensitive)
	rows, _, err := b.Audit(t.Context(), maple, ledger.AuditFilter{}, "", 10)
	require.NoError(t, err)
	require.Equal(t, "lost her job", rows[0].Reason)
	rep, err := b.VerifyAudit(t.Context(), maple)
	require.NoError(t, err)
	require.True(t, rep.OK, rep.Problem)
}

// Rows written before pictures and reasons were sealed are read as they are.
func TestWhatWasWrittenInTheClearIsStillRead(t *testing.T) {
	b := setup(t)
	id := b.claim(t, maple, "c-1")
	b.exec(t, `UPDATE copays SET view = convert_to('{"id": "old", "state": "settled"}', 'UTF8')`)
	row, err := b.CoPay(t.Context(), maple, id)
	require.NoError(t, err)
	require.Equal(t, copay.StateSettled, row.CoPay.State)
	list, _, err := b.ListCoPays(t.Context(), maple, ledger.Filter{}, "", 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
}
