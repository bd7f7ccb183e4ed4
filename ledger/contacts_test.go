package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

// reachable is a co-pay of a patient who consented on both channels.
func reachable(t *testing.T) (bench, copay.ID) {
	t.Helper()
	b := setup(t)
	id := b.claim(t, maple, "c-1")
	require.NoError(t, b.PutPatient(t.Context(), maple, id, patient()))
	for ch, a := range map[copay.Channel]string{copay.ChannelSMS: phone, copay.ChannelEmail: email} {
		ok, err := b.RecordConsent(t.Context(), maple, ledger.Consent{Channel: ch, Address: a, Source: "intake_form", TextVersion: "v1", At: noon})
		require.NoError(t, err)
		require.True(t, ok)
	}
	return b, id
}

// reach is one word a channel: ok, unconsented, unusable.
func (b bench) reach(t *testing.T, id copay.ID) []string {
	t.Helper()
	list, err := b.Reach(t.Context(), maple, id)
	require.NoError(t, err)
	var out []string
	for _, r := range list {
		word := "ok"
		if !r.Consent {
			word = "unconsented"
		}
		if !r.Usable {
			word = "unusable"
		}
		out = append(out, string(r.Channel)+" "+word)
	}
	return out
}

func TestReach(t *testing.T) {
	b, id := reachable(t)
	require.Equal(t, []string{"sms ok", "email ok"}, b.reach(t, id))

	p := patient()
	p.NoSMS, p.Email = true, ""
	require.NoError(t, b.PutPatient(t.Context(), maple, id, p))
	require.Equal(t, []string{"sms unusable", "email unusable"}, b.reach(t, id))
	p.NoSMS, p.Phone, p.Email = false, "+1 415 555 0199", "other@mail.example"
	require.NoError(t, b.PutPatient(t.Context(), maple, id, p))
	require.Equal(t, []string{"sms unconsented", "email unconsented"}, b.reach(t, id), "consent is for an address")
	require.Empty(t, b.reach(t, b.claim(t, maple, "c-2")), "no patient")
}

func TestConsentsSayWhyMessagesGoOutOrNot(t *testing.T) {
	b, id := reachable(t)
	consents := func() [2]ledger.ChannelConsent {
		t.Helper()
		list, err := b.Consents(t.Context(), maple, id)
		require.NoError(t, err)
		require.Len(t, list, 2)
		may, err := b.Reach(t.Context(), maple, id)
		require.NoError(t, err)
		for i, m := range may {
			require.Equal(t, m.Consent && m.Usable, list[i].Allowed)
		}
		return [2]ledger.ChannelConsent(list)
	}
	sms := ledger.ChannelConsent{Channel: copay.ChannelSMS, Allowed: true, HasAddress: true, GivenAt: noon, Source: "intake_form", TextVersion: "v1"}
	mail := sms
	mail.Channel = copay.ChannelEmail
	require.Equal(t, [2]ledger.ChannelConsent{sms, mail}, consents())

	later := noon.Add(time.Hour)
	_, err := b.Revoke(t.Context(), maple, copay.ChannelSMS, phone, ledger.OptOutChannel, "STOP", later)
	require.NoError(t, err)
	sms.Allowed, sms.RevokedAt, sms.RevokedBy = false, later, "STOP"
	_, err = b.MarkBad(t.Context(), maple, copay.ChannelEmail, email, "550", later)
	require.NoError(t, err)
	mail.Allowed, mail.BadAt, mail.BadCode = false, later, "550"
	require.Equal(t, [2]ledger.ChannelConsent{sms, mail}, consents())

	again := later.Add(time.Hour)
	require.NoError(t, b.Restore(t.Context(), maple, copay.ChannelSMS, phone, "START", again))
	sms.Allowed, sms.RestoredAt, sms.GivenAt, sms.Source = true, again, again, "START"
	require.Equal(t, sms, consents()[0])

	p := patient()
	p.NoSMS, p.Email = true, ""
	require.NoError(t, b.PutPatient(t.Context(), maple, id, p))
	sms.Allowed, sms.Refused = false, true
	require.Equal(t, [2]ledger.ChannelConsent{sms, {Channel: copay.ChannelEmail}}, consents())

	list, err := b.Consents(t.Context(), maple, b.claim(t, maple, "c-2"))
	require.NoError(t, err)
	require.Empty(t, list, "the patient was not read yet")
	_, err = b.Consents(t.Context(), maple, copay.Key{Practice: maple, EHR: "drchrono", Charge: "none"}.ID())
	require.Equal(t, copay.CodeNotFound, copay.CodeOf(err))
}

func TestRevokeAndRestore(t *testing.T) {
	b, id := reachable(t)
	closed := step(keyOf(maple, "c-2"), 1, copay.StateSettled)
	b.record(t, closed)
	require.NoError(t, b.PutPatient(t.Context(), maple, closed.CoPay.ID, patient()))

	ids, err := b.Revoke(t.Context(), maple, copay.ChannelSMS, "415-555-0134", ledger.OptOutChannel, "STOP", noon.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, []copay.ID{id}, ids, "only open ones")
	require.Equal(t, []string{"sms unconsented", "email ok"}, b.reach(t, id))
	// Another form signed at the desk does not lift what the patient said…
	ok, err := b.RecordConsent(t.Context(), maple, ledger.Consent{Channel: copay.ChannelSMS, Address: phone, Source: "ehr", At: noon.Add(2 * time.Hour)})
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, []string{"sms unconsented", "email ok"}, b.reach(t, id))
	// …START does.
	require.NoError(t, b.Restore(t.Context(), maple, copay.ChannelSMS, phone, "START", noon.Add(3*time.Hour)))
	require.Equal(t, []string{"sms ok", "email ok"}, b.reach(t, id))
}

func TestRevocationsArriveInAnyOrder(t *testing.T) {
	b, id := reachable(t)
	stop := func(at time.Duration) {
		t.Helper()
		_, err := b.Revoke(t.Context(), maple, copay.ChannelSMS, phone, ledger.OptOutChannel, "STOP", noon.Add(at))
		require.NoError(t, err)
	}
	start := func(at time.Duration) {
		t.Helper()
		require.NoError(t, b.Restore(t.Context(), maple, copay.ChannelSMS, phone, "START", noon.Add(at)))
	}
	start(2 * time.Hour)
	stop(time.Hour)
	require.Equal(t, "sms ok", b.reach(t, id)[0], "the STOP was before the START")
	stop(4 * time.Hour)
	start(3 * time.Hour)
	stop(time.Hour)
	require.Equal(t, "sms unconsented", b.reach(t, id)[0], "the last STOP counts")
	start(4 * time.Hour)
	require.Equal(t, "sms unconsented", b.reach(t, id)[0], "in doubt it is a STOP")
}

// Staff can take back what staff did. A STOP stands, whichever of the two was first
// or is heard of first, and so does what an EHR's record says of before.
func TestAPatientWhoAgreesAnewAfterStaffRevoked(t *testing.T) {
	type say struct {
		what string
		at   time.Duration
	}
	for name, tc := range map[string]struct {
		story []say
		want  string
	}{
		"staff, anew":                     {[]say{{"staff", 1}, {"anew", 2}}, "sms ok"},
		"staff, the EHR":                  {[]say{{"staff", 1}, {"ehr", 2}}, "sms unconsented"},
		"anew, then staff":                {[]say{{"anew", 1}, {"staff", 2}}, "sms unconsented"},
		"staff, anew, staff":              {[]say{{"staff", 1}, {"anew", 2}, {"staff", 3}}, "sms unconsented"},
		"staff, anew, STOP":               {[]say{{"staff", 1}, {"anew", 2}, {"STOP", 3}}, "sms unconsented"},
		"STOP, anew":                      {[]say{{"STOP", 1}, {"anew", 2}}, "sms unconsented"},
		"STOP, staff, anew":               {[]say{{"STOP", 1}, {"staff", 2}, {"anew", 3}}, "sms unconsented"},
		"staff, STOP, anew":               {[]say{{"staff", 1}, {"STOP", 2}, {"anew", 3}}, "sms unconsented"},
		"staff, a STOP from before, anew": {[]say{{"staff", 2}, {"STOP", 1}, {"anew", 3}}, "sms unconsented"},
		"STOP, START, staff, anew":        {[]say{{"STOP", 1}, {"START", 2}, {"staff", 3}, {"anew", 4}}, "sms ok"},
		"START, staff, an old STOP, anew": {[]say{{"START", 2}, {"staff", 3}, {"STOP", 1}, {"anew", 4}}, "sms ok"},
		"staff, anew, a late STOP":        {[]say{{"staff", 2}, {"anew", 4}, {"STOP", 3}}, "sms unconsented"},
		"staff, anew, a STOP from before": {[]say{{"staff", 2}, {"anew", 4}, {"STOP", 1}}, "sms unconsented"},
		"staff, anew, START and STOP":     {[]say{{"staff", 5}, {"anew", 6}, {"START", 2}, {"STOP", 3}}, "sms unconsented"},
		"a bad number, staff, anew":       {[]say{{"bad", 1}, {"staff", 2}, {"anew", 4}}, "sms unusable"},
		"STOP, staff, START":              {[]say{{"STOP", 1}, {"staff", 2}, {"START", 3}}, "sms ok"},
	} {
		t.Run(name, func(t *testing.T) {
			b, id := reachable(t)
			effective := false
			for _, s := range tc.story {
				at, err := noon.Add(s.at*time.Hour), error(nil)
				switch s.what {
				case "staff", "STOP":
					_, err = b.Revoke(t.Context(), maple, copay.ChannelSMS, phone, ledger.OptOutChannel, s.what, at)
				case "bad":
					_, err = b.MarkBad(t.Context(), maple, copay.ChannelSMS, phone, "30005", at)
				case "START":
					err = b.Restore(t.Context(), maple, copay.ChannelSMS, phone, s.what, at)
				default:
					effective, err = b.RecordConsent(t.Context(), maple, ledger.Consent{Channel: copay.ChannelSMS, Address: phone, Source: "desk", At: at, Anew: s.what == "anew"})
				}
				require.NoError(t, err)
			}
			require.Equal(t, tc.want, b.reach(t, id)[0])
			if last := tc.story[len(tc.story)-1].what; (last == "anew" && tc.want != "sms unusable") || last == "ehr" {
				require.Equal(t, tc.want == "sms ok", effective)
			}
		})
	}
}

func TestRevokeEverything(t *testing.T) {
	b, id := reachable(t)
	ids, err := b.Revoke(t.Context(), maple, copay.ChannelEmail, "ANA@mail.example", ledger.OptOutAll, "desk", noon.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, []copay.ID{id}, ids)
	require.Equal(t, []string{"sms unconsented", "email unconsented"}, b.reach(t, id))
	_, err = b.Revoke(t.Context(), maple, copay.ChannelSMS, phone, "some", "STOP", noon)
	requireCode(t, copay.CodeInvalid, err)
}

// STOP from a number that is not on record yet holds once it is.
func TestRevokeComesFirst(t *testing.T) {
	b := setup(t)
	ids, err := b.Revoke(t.Context(), maple, copay.ChannelSMS, phone, ledger.OptOutChannel, "STOP", noon)
	require.NoError(t, err)
	require.Empty(t, ids)
	id := b.claim(t, maple, "c-1")
	require.NoError(t, b.PutPatient(t.Context(), maple, id, patient()))
	ok, err := b.RecordConsent(t.Context(), maple, ledger.Consent{Channel: copay.ChannelSMS, Address: phone, Source: "ehr"})
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, []string{"sms unconsented", "email unconsented"}, b.reach(t, id))
}

func TestMarkBad(t *testing.T) {
	b, id := reachable(t)
	ids, err := b.MarkBad(t.Context(), maple, copay.ChannelSMS, phone, "30005", noon.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, []copay.ID{id}, ids)
	require.Equal(t, []string{"sms unusable", "email ok"}, b.reach(t, id))
	require.NoError(t, b.Restore(t.Context(), maple, copay.ChannelSMS, phone, "START", noon.Add(2*time.Hour)))
	require.Equal(t, []string{"sms ok", "email ok"}, b.reach(t, id), "a number that writes to us works")
}

func TestContactsRefuseNonsense(t *testing.T) {
	b := setup(t)
	_, err := b.RecordConsent(t.Context(), maple, ledger.Consent{Channel: copay.ChannelSMS, Address: "n/a", Source: "desk"})
	requireCode(t, copay.CodeInvalid, err)
	require.NotContains(t, err.Error(), "n/a")
	_, err = b.RecordConsent(t.Context(), maple, ledger.Consent{Channel: "fax", Address: phone, Source: "desk"})
	requireCode(t, copay.CodeInvalid, err)
	_, err = b.RecordConsent(t.Context(), maple, ledger.Consent{Channel: copay.ChannelSMS, Address: phone})
	requireCode(t, copay.CodeInvalid, err)
	requireCode(t, copay.CodeInvalid, b.Restore(t.Context(), maple, copay.ChannelEmail, "ana", "START", noon))
}

func TestAddressForms(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"(415) 555-0134": phone, "+1 415.555.0134": phone, "4155550134": phone, "+49 30 901820": "+4930901820", "12": "", "": "", "call me": ""} {
		require.Equal(t, want, ledger.Address(copay.ChannelSMS, in), in)
	}
	for in, want := range map[string]string{" Ana@Mail.Example ": email, "ana": "", "@x": "", "a@": "", "a b@c": "", "": ""} {
		require.Equal(t, want, ledger.Address(copay.ChannelEmail, in), in)
	}
	require.Empty(t, ledger.Address("fax", phone))
}

func holder(ref copay.PatientRef) copay.PatientKey {
	return copay.PatientKey{EHR: "drchrono", Ref: ref}
}

func TestCardConsent(t *testing.T) {
	b := setup(t)
	_, ok, err := b.CardConsent(t.Context(), maple, holder("p-1"))
	require.NoError(t, err)
	require.False(t, ok)
	for range 2 {
		require.NoError(t, b.PutCardConsent(t.Context(), maple, holder("p-1"), card()))
	}
	got, ok, err := b.CardConsent(t.Context(), maple, holder("p-1"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, card(), got)
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM card_consents`))
	require.Zero(t, b.count(t, `SELECT count(*) FROM card_consents c WHERE position('cus_1'::bytea IN sealed) > 0 OR position('p-1' IN c::text) > 0`))
	_, ok, err = b.CardConsent(t.Context(), maple, holder("p-2"))
	require.NoError(t, err)
	require.False(t, ok)
	_, ok, err = b.CardConsent(t.Context(), maple, copay.PatientKey{EHR: "elation", Ref: "p-1"})
	require.NoError(t, err)
	require.False(t, ok, "another EHR's patient of the same number is somebody else")

	newer := card()
	newer.Method = "pm_2"
	require.NoError(t, b.PutCardConsent(t.Context(), maple, holder("p-1"), newer))
	got, _, err = b.CardConsent(t.Context(), maple, holder("p-1"))
	require.NoError(t, err)
	require.Equal(t, "pm_2", got.Method)
	require.Equal(t, 2, b.count(t, `SELECT count(*) FROM card_consents`), "the older one is kept as ended")

	ended, err := b.RevokeCardConsent(t.Context(), maple, holder("p-1"), noon.Add(time.Hour))
	require.NoError(t, err)
	require.True(t, ended)
	_, ok, err = b.CardConsent(t.Context(), maple, holder("p-1"))
	require.NoError(t, err)
	require.False(t, ok)
	ended, err = b.RevokeCardConsent(t.Context(), maple, holder("p-1"), noon)
	require.NoError(t, err)
	require.False(t, ended)
	requireCode(t, copay.CodeConflict, b.PutCardConsent(t.Context(), maple, holder("p-1"), newer))
	newer.Consent.GivenAt = noon.Add(2 * time.Hour)
	require.NoError(t, b.PutCardConsent(t.Context(), maple, holder("p-1"), newer), "the patient agreed again")
	older := card()
	older.Consent.GivenAt = noon.Add(90 * time.Minute)
	requireCode(t, copay.CodeConflict, b.PutCardConsent(t.Context(), maple, holder("p-1"), older))
	for _, bad := range []ledger.CardOnFile{{}, {Customer: "c", Method: "m"}} {
		requireCode(t, copay.CodeInvalid, b.PutCardConsent(t.Context(), maple, holder("p-1"), bad))
	}
}

func TestCardConsentAtTheSameTime(t *testing.T) {
	b := setup(t)
	for _, err := range together(8, func(i int) error {
		c := card()
		c.Last4 = string(rune('0' + i))
		return b.PutCardConsent(t.Context(), maple, holder("p-1"), c)
	}) {
		require.NoError(t, err)
	}
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM card_consents WHERE revoked_at IS NULL`))
}
