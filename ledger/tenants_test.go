package ledger_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

const (
	phone = "+14155550134"
	email = "ana@mail.example"
)

var visible = sha256.Sum256([]byte("history"))

func fill(t *testing.T, s *ledger.Store, key copay.Key) (token string) {
	t.Helper()
	ctx, p, id := t.Context(), key.Practice, key.ID()
	r := step(key, 100, copay.StateAwaitingPayment)
	r.CoPay.Patient, r.CoPay.Appointment, r.CoPay.ServiceDate = "p-1", "a-1", "2026-11-24"
	r.CoPay.Estimate, r.CoPay.Amounts.Adjudicated = &copay.Estimate{Kind: copay.EstimateOwed, Amount: copay.Cents(25_00), Confidence: 95}, copay.Cents(25_00)
	r.CoPay.Payments = []copay.Payment{{ID: "pay-1", Rail: copay.RailLink, Platform: "stripe", PlatformID: "cs_1", PostedID: "99", InvoiceID: "inv-1"}}
	r.Entries = []ledger.Entry{entry(t, ledger.RuleReceivable, "receivable-100", 2500, "")}
	require.NoError(t, s.Record(ctx, r))
	require.NoError(t, s.PutPatient(ctx, p, id, integrations.Patient{Ref: "p-1", FirstName: "Ana", LastName: "Diaz", Phone: phone, Email: email}))
	require.NoError(t, s.PutBenefits(ctx, p, "payer\x00member", "98", "2026-11-24", copay.Benefits{Status: copay.CoverageActive}, noon))
	_, err := s.RecordConsent(ctx, p, ledger.Consent{Channel: copay.ChannelSMS, Address: phone, Source: "desk", At: noon})
	require.NoError(t, err)
	require.NoError(t, s.PutCardConsent(ctx, p, holder("p-1"), card()))
	require.NoError(t, s.SaveToken(ctx, p, "quickbooks", integrations.Token{Access: "a", Refresh: "r"}))
	require.NoError(t, s.RecordNotification(ctx, ledger.Notification{Practice: p, CoPayID: id, Ref: "ref-1", Channel: copay.ChannelSMS,
		Template: copay.TemplateRequest, Platform: "twilio", ProviderID: "SM1", Status: "queued", At: noon}))
	require.NoError(t, s.ArchiveHistory(ctx, p, id, "run-1", noon, []byte("history"), visible[:]))
	_, _, err = s.BeginAct(ctx, p, id, "req-1", []byte("waive"))
	require.NoError(t, err)
	require.NoError(t, s.FinishAct(ctx, p, id, "req-1", []byte("done")))
	_, err = s.Inbox().Receive(ctx, p, "stripe", []ledger.InboxEvent{{ID: "evt-1", Kind: integrations.EventPayment, Payload: []byte("x")}})
	require.NoError(t, err)
	token, err = s.NewPayLink(ctx, p, id, noon.Add(time.Hour))
	require.NoError(t, err)
	return token
}

func card() ledger.CardOnFile {
	return ledger.CardOnFile{Platform: "stripe", Customer: "cus_1", Method: "pm_1", Brand: "visa", Last4: "4242", ExpMonth: 12, ExpYear: 2030,
		Consent: copay.CardConsent{Scope: copay.ScopeUntil, Cap: copay.Cents(5000), Until: noon.Add(48 * time.Hour), TextVersion: "v3", GivenAt: noon}}
}

// exercise uses every method once on one practice.
func exercise(t *testing.T, s *ledger.Store, key copay.Key) {
	t.Helper()
	ctx, p, id := t.Context(), key.Practice, key.ID()
	_, _, err := s.Claim(ctx, key, key.WorkflowID())
	require.NoError(t, err)
	token := fill(t, s, key)
	require.NoError(t, s.CheckKeys(ctx, p))
	estimates, err := s.CompareEstimates(ctx, p, "", "")
	require.NoError(t, err)
	require.Len(t, estimates, 1)
	_, err = s.TryPayLink(ctx, token)
	require.NoError(t, err)
	require.NoError(t, s.PassPayLink(ctx, token))
	_, err = s.OpenPayLink(ctx, token)
	require.NoError(t, err)
	_, _, err = s.MessageStatus(ctx, p, "twilio", "SM1", "", integrations.DeliverySent, "", noon)
	require.NoError(t, err)
	_, err = s.Refresh(ctx, p, "quickbooks", renewTo("b"))
	require.NoError(t, err)
	_, err = s.Revoke(ctx, p, copay.ChannelSMS, phone, ledger.OptOutAll, "STOP", noon)
	require.NoError(t, err)
	require.NoError(t, s.Restore(ctx, p, copay.ChannelSMS, phone, "START", noon.Add(time.Hour)))
	_, err = s.MarkBad(ctx, p, copay.ChannelEmail, email, "550", noon)
	require.NoError(t, err)
	_, err = s.RevokeCardConsent(ctx, p, holder("p-1"), noon)
	require.NoError(t, err)
	_, err = s.RevokePayLinks(ctx, p, id)
	require.NoError(t, err)
	rows, err := s.Inbox().Claim(ctx, 5, time.Minute, "w")
	require.NoError(t, err)
	require.NotEmpty(t, rows)
	require.NoError(t, s.Inbox().Close(ctx, ledger.Closed{InboxRow: rows[0]}))
	require.NoError(t, s.RotateDataKey(ctx, p))
	_, err = s.RewrapKeys(ctx)
	require.NoError(t, err)
	rep, err := s.VerifyAudit(ctx, p)
	require.NoError(t, err)
	require.True(t, rep.OK, rep.Problem)
}

// everybody are the methods that serve all practices or name none.
var everybody = map[string]string{
	"Close": "lifecycle", "Ping": "lifecycle", "Inbox": "lifecycle", "Listen": "wakes, carries no data",
	"StateCounts": "metrics", "Captured": "metrics", "Inbox.Lag": "metrics", "Inbox.Claim": "the inbox's workers", "RewrapKeys": "key rotation", "CheckKeys": "shows nothing of anybody",
	"PayLink": "the token is the authority", "OpenPayLink": "the token is the authority",
	"TryPayLink": "the token is the authority", "PassPayLink": "the token is the authority",
	"Claim": "the key carries the practice", "ClaimVisit": "the key carries the practice", "Progress": "the key carries the practice", "Record": "the key carries the practice",
}

// attempt calls a method for birch with what belongs to maple and returns what
// it got (or that it did something).
type attempt func(t *testing.T) (any, error)

// trespass is an attempt for each method that names a practice.
func trespass(b bench, id copay.ID, row ledger.InboxRow) map[string]attempt {
	all := map[string]attempt{}
	for _, some := range []map[string]attempt{trespassReads(b.Store, id), trespassLooks(b.Store, id), trespassChanges(b.Store, id),
		trespassPatientChanges(b.Store, id), trespassInbox(b.Inbox(), row)} {
		maps.Copy(all, some)
	}
	return all
}

func trespassReads(s *ledger.Store, id copay.ID) map[string]attempt {
	return map[string]attempt{
		"CoPay": func(t *testing.T) (any, error) { _, err := s.CoPay(t.Context(), birch, id); return nil, err },
		"ListCoPays": func(t *testing.T) (any, error) {
			l, _, err := s.ListCoPays(t.Context(), birch, ledger.Filter{Patient: "p-1"}, "", 0)
			return l, err
		},
		"Timeline": func(t *testing.T) (any, error) { return s.Timeline(t.Context(), birch, id) },
		"Watch":    func(t *testing.T) (any, error) { _, err := s.Watch(t.Context(), birch, id); return nil, err },
		"FindByObject": func(t *testing.T) (any, error) {
			_, err := s.FindByObject(t.Context(), birch, "stripe", "cs_1")
			return nil, err
		},
		"FindByPosting": func(t *testing.T) (any, error) {
			_, err := s.FindByPosting(t.Context(), birch, "drchrono", "99")
			return nil, err
		},
		"Entries": func(t *testing.T) (any, error) {
			l, _, err := s.Entries(t.Context(), birch, ledger.EntryFilter{}, "", 0)
			return l, err
		},
		"TrialBalance": func(t *testing.T) (any, error) { return s.TrialBalance(t.Context(), birch) },
		"CoPayBalance": func(t *testing.T) (any, error) { return s.CoPayBalance(t.Context(), birch, id) },
		"CompareEstimates": func(t *testing.T) (any, error) {
			theirs, err := s.CompareEstimates(t.Context(), maple, "", "")
			require.NoError(t, err)
			require.NotEmpty(t, theirs, "there is something to see")
			return s.CompareEstimates(t.Context(), birch, "", "")
		},
	}
}

func trespassLooks(s *ledger.Store, id copay.ID) map[string]attempt {
	return map[string]attempt{
		"Audit": func(t *testing.T) (any, error) {
			l, _, err := s.Audit(t.Context(), birch, ledger.AuditFilter{Action: "state"}, "", 0)
			return l, err
		},
		"VerifyAudit": func(t *testing.T) (any, error) {
			rep, err := s.VerifyAudit(t.Context(), birch)
			if rep.Rows <= 1 { // at most the row that birch wrote just now
				return nil, err
			}
			return rep, err
		},
		"Patient": func(t *testing.T) (any, error) { _, err := s.Patient(t.Context(), birch, id); return nil, err },
		"FreshBenefits": func(t *testing.T) (any, error) {
			_, ok, err := s.FreshBenefits(t.Context(), birch, "payer\x00member", "98", "2026-11-24", time.Hour)
			return orNothing(ok), err
		},
		"Reach":    func(t *testing.T) (any, error) { return s.Reach(t.Context(), birch, id) },
		"Consents": func(t *testing.T) (any, error) { return s.Consents(t.Context(), birch, id) },
		"CopaysByAddress": func(t *testing.T) (any, error) {
			return s.CopaysByAddress(t.Context(), birch, copay.ChannelSMS, phone)
		},
		"CardConsent": func(t *testing.T) (any, error) {
			_, ok, err := s.CardConsent(t.Context(), birch, holder("p-1"))
			return orNothing(ok), err
		},
		"PatientAlias": func(t *testing.T) (any, error) {
			at, err := s.PatientAlias(t.Context(), birch, holder("p-1"))
			theirs, e := s.PatientAlias(t.Context(), maple, holder("p-1"))
			return orNothing(at == theirs), errors.Join(err, e)
		},
		"Load": func(t *testing.T) (any, error) {
			tok, err := s.Load(t.Context(), birch, "quickbooks")
			return orNothing(tok.Access == "a"), err
		},
		"Notifications": func(t *testing.T) (any, error) { return s.Notifications(t.Context(), birch, id) },
		"Archived":      func(t *testing.T) (any, error) { return s.Archived(t.Context(), birch, id) },
		"ArchivedHistory": func(t *testing.T) (any, error) {
			_, err := s.ArchivedHistory(t.Context(), birch, id, "run-1")
			return nil, err
		},
	}
}

func trespassChanges(s *ledger.Store, id copay.ID) map[string]attempt {
	return map[string]attempt{
		"AppendAudit": func(t *testing.T) (any, error) {
			return nil, s.AppendAudit(t.Context(), ledger.AuditEntry{Practice: birch, Actor: staff, Action: "look", CoPay: id})
		},
		"NewPayLink": func(t *testing.T) (any, error) {
			tok, err := s.NewPayLink(t.Context(), birch, id, noon.Add(time.Hour))
			return orNothing(tok != ""), err
		},
		"RevokePayLinks": func(t *testing.T) (any, error) {
			n, err := s.RevokePayLinks(t.Context(), birch, id)
			return orNothing(n > 0), err
		},
		"Refresh": func(t *testing.T) (any, error) {
			seen := ""
			_, err := s.Refresh(t.Context(), birch, "quickbooks", renewFrom(&seen, "z"))
			return orNothing(seen == "a"), err
		},
		"SaveToken": func(t *testing.T) (any, error) {
			return nil, s.SaveToken(t.Context(), birch, "quickbooks", integrations.Token{Access: "z"})
		},
		"RecordNotification": func(t *testing.T) (any, error) {
			return nil, s.RecordNotification(t.Context(), ledger.Notification{Practice: birch, CoPayID: id, Ref: "ref-1", ProviderID: "SM9"})
		},
		"MessageStatus": func(t *testing.T) (any, error) {
			_, changed, err := s.MessageStatus(t.Context(), birch, "twilio", "SM1", "", integrations.DeliveryFailed, "", noon)
			return orNothing(changed), err
		},
		"BeginAct": func(t *testing.T) (any, error) {
			res, done, err := s.BeginAct(t.Context(), birch, id, "req-1", []byte("refund"))
			return orNothing(done || res != nil), err
		},
		"FinishAct": func(t *testing.T) (any, error) {
			return nil, s.FinishAct(t.Context(), birch, id, "req-2", []byte("overwritten"))
		},
		"ArchiveHistory": func(t *testing.T) (any, error) {
			return nil, s.ArchiveHistory(t.Context(), birch, id, "run-1", noon, []byte("history"), visible[:])
		},
		"RotateDataKey": func(t *testing.T) (any, error) { return nil, s.RotateDataKey(t.Context(), birch) },
	}
}

func trespassPatientChanges(s *ledger.Store, id copay.ID) map[string]attempt {
	return map[string]attempt{
		"PutPatient": func(t *testing.T) (any, error) {
			return nil, s.PutPatient(t.Context(), birch, id, integrations.Patient{Phone: phone})
		},
		"PutBenefits": func(t *testing.T) (any, error) {
			return nil, s.PutBenefits(t.Context(), birch, "other", "98", "2026-11-24", copay.Benefits{}, noon)
		},
		"RecordConsent": func(t *testing.T) (any, error) {
			_, err := s.RecordConsent(t.Context(), birch, ledger.Consent{Channel: copay.ChannelEmail, Address: email, Source: "desk"})
			return nil, err
		},
		"Revoke": func(t *testing.T) (any, error) {
			return s.Revoke(t.Context(), birch, copay.ChannelSMS, phone, ledger.OptOutAll, "STOP", noon)
		},
		"Restore": func(t *testing.T) (any, error) {
			return nil, s.Restore(t.Context(), birch, copay.ChannelSMS, phone, "START", noon)
		},
		"MarkBad": func(t *testing.T) (any, error) {
			return s.MarkBad(t.Context(), birch, copay.ChannelSMS, phone, "30005", noon)
		},
		"PutCardConsent": func(t *testing.T) (any, error) {
			return nil, s.PutCardConsent(t.Context(), birch, holder("p-2"), card())
		},
		"RevokeCardConsent": func(t *testing.T) (any, error) {
			ok, err := s.RevokeCardConsent(t.Context(), birch, holder("p-1"), noon)
			return orNothing(ok), err
		},
	}
}

func trespassInbox(in *ledger.Inbox, row ledger.InboxRow) map[string]attempt {
	stranger := row
	stranger.Practice = birch
	return map[string]attempt{
		"Inbox.Receive": func(t *testing.T) (any, error) {
			_, err := in.Receive(t.Context(), birch, "stripe", []ledger.InboxEvent{{ID: "evt-1", Payload: []byte("y")}})
			return nil, err
		},
		"Inbox.Close": func(t *testing.T) (any, error) { return nil, in.Close(t.Context(), ledger.Closed{InboxRow: stranger}) },
		"Inbox.Retry": func(t *testing.T) (any, error) {
			dead, err := in.Retry(t.Context(), stranger, "x", noon.Add(time.Hour))
			return orNothing(dead), err
		},
		"Inbox.Postpone": func(t *testing.T) (any, error) {
			return nil, in.Postpone(t.Context(), stranger, "x", noon.Add(time.Hour))
		},
		"Inbox.Redeliver": func(t *testing.T) (any, error) {
			n, err := in.Redeliver(t.Context(), birch, time.Time{})
			return orNothing(n > 0), err
		},
		"Inbox.Bury":        func(t *testing.T) (any, error) { return nil, in.Bury(t.Context(), stranger, "x") },
		"Inbox.Get":         func(t *testing.T) (any, error) { _, err := in.Get(t.Context(), birch, row.Row); return nil, err },
		"Inbox.DeadLetters": func(t *testing.T) (any, error) { l, _, err := in.DeadLetters(t.Context(), birch, "", 0); return l, err },
		"Inbox.Replay":      func(t *testing.T) (any, error) { return nil, in.Replay(t.Context(), birch, row.Row, staff, "") },
		"Inbox.Ignore":      func(t *testing.T) (any, error) { return nil, in.Ignore(t.Context(), birch, row.Row, staff, "") },
	}
}

func orNothing(got bool) any {
	if got {
		return "something"
	}
	return nil
}

// picture is everything the database holds of a practice.
func picture(t *testing.T, b bench, p copay.PracticeID) string {
	t.Helper()
	rows, err := b.db.Query(t.Context(), `SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'practice'`)
	require.NoError(t, err)
	var tables []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		tables = append(tables, name)
	}
	require.NoError(t, rows.Err())
	require.Greater(t, len(tables), 15)
	sort.Strings(tables)
	out := ""
	for _, name := range tables {
		var sum string
		require.NoError(t, b.db.QueryRow(t.Context(), fmt.Sprintf(`SELECT coalesce(string_agg(x::text, E'\n' ORDER BY x::text), '') FROM %s x WHERE practice = $1`, name), p).Scan(&sum))
		out += name + "\n" + sum + "\n"
	}
	return out
}

func TestPracticesNeverMeet(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	fill(t, b.Store, key)
	b.exec(t, `UPDATE inbox SET status = 'dead'`)
	dead, _, err := b.Inbox().DeadLetters(t.Context(), maple, "", 0)
	require.NoError(t, err)
	require.Len(t, dead, 1)
	before := picture(t, b, maple)
	for name, call := range trespass(b, key.ID(), dead[0]) {
		got, err := call(t)
		if v := reflect.ValueOf(got); got != nil && (v.Kind() != reflect.Slice || v.Len() > 0) {
			t.Errorf("%s gave birch what belongs to maple: %v", name, got)
		}
		if code := copay.CodeOf(err); err != nil && code != copay.CodeNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	require.Equal(t, before, picture(t, b, maple), "a call for birch changed maple's rows")
}

// A method that is added must be added to the test above, or say why not.
func TestEveryMethodIsWatched(t *testing.T) {
	t.Parallel()
	listed := trespass(bench{Store: &ledger.Store{}}, "", ledger.InboxRow{})
	for prefix, typ := range map[string]reflect.Type{"": reflect.TypeFor[*ledger.Store](), "Inbox.": reflect.TypeFor[*ledger.Inbox]()} {
		for i := range typ.NumMethod() {
			name := prefix + typ.Method(i).Name
			_, tested := listed[name]
			require.NotEqual(t, tested, everybody[name] != "", "%s must be tested for isolation, or be excused with a reason", name)
		}
	}
}
