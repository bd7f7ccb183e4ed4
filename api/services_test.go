package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/copayflow/copayflow/api/auth"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
	"github.com/copayflow/copayflow/workflows"
)

func TestLedger(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := copayv1.NewLedgerServiceClient(b.s.conn)
	_, err := c.ListEntries(as(t, "auditor"), &copayv1.ListEntriesRequest{PracticeId: "maple", Account: "cash"})
	require.Equal(t, codes.InvalidArgument, status.Code(err), "a mistyped account is not one without entries")
	require.ErrorContains(t, err, "patient_receivable, processor_clearing, ")
	e, err := c.ListEntries(as(t, "auditor"), &copayv1.ListEntriesRequest{PracticeId: "maple", Account: "cash_on_hand"})
	require.NoError(t, err)
	require.EqualValues(t, 2500, e.GetEntries()[0].GetLines()[0].GetDebitMinor())
	require.Equal(t, "capture-pay-1", e.GetEntries()[0].GetStep())

	b.balances = []ledger.Balance{{Account: ledger.AccountClearing, Currency: copay.USD, Debit: 2500}, {Account: ledger.AccountReceivable, Currency: copay.USD, Credit: 2500}}
	tb, err := c.GetTrialBalance(as(t, "auditor"), &copayv1.GetTrialBalanceRequest{PracticeId: "maple"})
	require.NoError(t, err)
	require.True(t, tb.GetBalanced())
	require.EqualValues(t, -2500, tb.GetBalances()[1].GetNetMinor())
	b.balances[0].Debit = 2600
	tb, err = c.GetTrialBalance(as(t, "auditor"), &copayv1.GetTrialBalanceRequest{PracticeId: "maple"})
	require.NoError(t, err)
	require.False(t, tb.GetBalanced())
}

func TestEstimatesAreCompared(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := copayv1.NewLedgerServiceClient(b.s.conn)
	for _, role := range []string{"biller", "auditor", "admin"} {
		r, err := c.CompareEstimates(as(t, role), &copayv1.CompareEstimatesRequest{PracticeId: "maple", ServiceFrom: "2026-11-01", ServiceTo: "2026-11-30"})
		require.NoError(t, err, role)
		require.Equal(t, ledger.Filter{ServiceFrom: "2026-11-01", ServiceTo: "2026-11-30"}, b.filter)
		require.True(t, proto.Equal(&copayv1.CompareEstimatesResponse{Comparisons: []*copayv1.EstimateComparison{{PayerId: "60054", Payer: "Aetna", ServiceType: "98",
			Copays: 3, Exact: 1, High: 2, Currency: "USD", EstimatedMinor: 90_00, AdjudicatedMinor: 75_00, OffByMinor: 5_00}}}, r), r)
	}
	_, err := c.CompareEstimates(as(t, "front_desk"), &copayv1.CompareEstimatesRequest{PracticeId: "maple"})
	require.Equal(t, codes.PermissionDenied, status.Code(err))

	w := b.rest(t, "GET", "/v1/practices/maple/ledger/estimates?service_from=2026-11-24&service_to=2026-11-24", "biller", "")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Contains(t, w.Body.String(), `"payer":"Aetna"`)
	require.Equal(t, ledger.Filter{ServiceFrom: "2026-11-24", ServiceTo: "2026-11-24"}, b.filter)
	for query, want := range map[string]string{
		"service_from=2026-12-01&service_to=2026-11-30": "service_from 2026-12-01 is after service_to 2026-11-30",
		"service_from=2026-02-30":                       "there is no such day",
		"service_to=2026-02-30":                         "there is no such day",
		"service_to=soon":                               "service_to",
	} {
		w := b.rest(t, "GET", "/v1/practices/maple/ledger/estimates?"+query, "biller", "")
		require.Equal(t, http.StatusBadRequest, w.Code, query)
		require.Contains(t, w.Body.String(), want)
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := copayv1.NewAuditServiceClient(b.s.conn)
	l, err := c.ListAuditRecords(as(t, "auditor"), &copayv1.ListAuditRecordsRequest{PracticeId: "maple"})
	require.NoError(t, err)
	require.Equal(t, "0102", l.GetRecords()[0].GetHash())
	v, err := c.VerifyAuditChain(as(t, "auditor"), &copayv1.VerifyAuditChainRequest{PracticeId: "maple"})
	require.NoError(t, err)
	require.True(t, v.GetOk())
	require.EqualValues(t, 7, v.GetRows())
}

func TestArchivedHistories(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(key, copay.StateSettled)
	c, id := copayv1.NewAuditServiceClient(b.s.conn), string(key.ID())
	l, err := c.ListHistories(as(t, "auditor"), &copayv1.ListHistoriesRequest{PracticeId: "maple", CopayId: id})
	require.NoError(t, err)
	require.Equal(t, "ab", l.GetHistories()[0].GetSha256())
	h, err := c.GetHistory(as(t, "auditor"), &copayv1.GetHistoryRequest{PracticeId: "maple", CopayId: id, RunId: l.GetHistories()[0].GetRunId()})
	require.NoError(t, err)
	require.JSONEq(t, `{"events":1}`, string(h.GetJson()))
	require.EqualValues(t, 11, h.GetHistory().GetSize())

	_, err = c.ListHistories(as(t, "auditor"), &copayv1.ListHistoriesRequest{PracticeId: "maple", CopayId: "cp_0000000000000000"})
	require.Equal(t, codes.NotFound, status.Code(err))
	_, err = c.GetHistory(as(t, "auditor"), &copayv1.GetHistoryRequest{PracticeId: "maple", CopayId: id, RunId: "not a run"})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	_, err = c.GetHistory(as(t, "front_desk"), &copayv1.GetHistoryRequest{PracticeId: "maple", CopayId: id, RunId: someRun})
	require.Equal(t, codes.PermissionDenied, status.Code(err))
}

// long is a world with a history as workflows of many events have it.
type long struct{ *world }

func (long) ArchivedHistory(_ context.Context, _ copay.PracticeID, id copay.ID, run string) (ledger.ArchiveRow, error) {
	return ledger.ArchiveRow{CoPay: id, RunID: run, History: bytes.Repeat([]byte("x"), 6<<20)}, nil
}

func TestALongHistoryIsRead(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Store = long{o.Store.(*world)} })
	w := b.rest(t, "GET", "/v1/practices/maple/copays/"+string(key.ID())+"/histories/"+someRun, "auditor", "")
	require.Equal(t, http.StatusOK, w.Code, w.Header())
	require.Greater(t, w.Body.Len(), 6<<20)
}

func TestPlatforms(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := copayv1.NewPlatformServiceClient(b.s.conn)
	l, err := c.ListPlatforms(as(t, "admin"), &copayv1.ListPlatformsRequest{PracticeId: "maple"})
	require.NoError(t, err)
	stripe, twilio := l.GetPlatforms()[0], l.GetPlatforms()[1]
	require.True(t, stripe.GetOk())
	require.Equal(t, []string{"collect", "stored cards"}, stripe.GetCapabilities())
	require.Equal(t, []string{"collect"}, stripe.GetPorts())
	require.False(t, twilio.GetOk())
	require.Contains(t, twilio.GetProblem(), "account_sid")

	test := func(platform string) (*copayv1.TestConnectionResponse, error) {
		return c.TestConnection(as(t, "admin"), &copayv1.TestConnectionRequest{PracticeId: "maple", Platform: platform})
	}
	got, err := test("stripe")
	require.NoError(t, err)
	require.True(t, got.GetOk())
	require.Equal(t, "account acct_1", got.GetMessage())
	b.cards.err = &integrations.Error{Kind: integrations.KindUnauthorized, Platform: "stripe", Op: "account", Message: "the key is not accepted"}
	got, err = test("stripe")
	require.NoError(t, err)
	require.False(t, got.GetOk())
	require.Equal(t, "unauthorized", got.GetFailure())
	got, err = test("twilio")
	require.NoError(t, err)
	require.False(t, got.GetOk(), "a platform that is not set up is an answer")
	_, err = test("square")
	require.Equal(t, codes.NotFound, status.Code(err))
}

func TestInboxOfStaff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := copayv1.NewInboxServiceClient(b.s.conn)
	l, err := c.ListDeadLetters(as(t, "biller"), &copayv1.ListDeadLettersRequest{PracticeId: "maple"})
	require.NoError(t, err)
	require.EqualValues(t, 9, l.GetDeadLetters()[0].GetInboxId())
	require.NotContains(t, l.String(), "PHI")
	s, err := c.GetInboxStats(as(t, "biller"), &copayv1.GetInboxStatsRequest{PracticeId: "maple"})
	require.NoError(t, err)
	require.Len(t, s.GetStats(), 1, "other practices' queues are nobody's business")

	again := &copayv1.ReplayEventRequest{PracticeId: "maple", InboxId: 9, RequestId: "r-1", Reason: "mended"}
	for range 3 {
		_, err = c.ReplayEvent(as(t, "biller"), again)
		require.NoError(t, err)
	}
	require.Equal(t, []int64{9}, b.replayed, "the same request acts once")
	again.InboxId = 10
	_, err = c.ReplayEvent(as(t, "biller"), again)
	require.Equal(t, codes.AlreadyExists, status.Code(err))
	again.InboxId = 9
	other := metadata.AppendToOutgoingContext(t.Context(), "authorization", token(t, "bob", []string{"biller"}, []string{"maple"}))
	_, err = c.ReplayEvent(other, again)
	require.Equal(t, codes.AlreadyExists, status.Code(err), "a key belongs to who used it")
	_, err = c.DismissEvent(as(t, "biller"), &copayv1.DismissEventRequest{PracticeId: "maple", InboxId: 9, RequestId: "r-2", Reason: "not ours"})
	require.Equal(t, codes.NotFound, status.Code(err))
}

func cardConsent(change func(*copayv1.RecordCardConsentRequest)) *copayv1.RecordCardConsentRequest {
	r := &copayv1.RecordCardConsentRequest{PracticeId: "maple", PatientRef: "pat-1", RequestId: "r-1", Reason: "signed at the desk", Scope: copayv1.ConsentScope_CONSENT_SCOPE_UNTIL,
		Cap: &copayv1.Money{Minor: 5000, Currency: "USD"}, Until: timestamppb.New(now.AddDate(1, 0, 0)), TextVersion: "2026-01"}
	if change != nil {
		change(r)
	}
	return r
}

func TestCardConsent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := copayv1.NewConsentServiceClient(b.s.conn)
	_, err := c.RecordCardConsent(as(t, "front_desk"), cardConsent(nil))
	require.Equal(t, codes.FailedPrecondition, status.Code(err), "no card is stored at the processor")
	b.cards.methods = []integrations.StoredMethod{{ID: "pm_2", Brand: "visa", Last4: "4242"}, {ID: "pm_1", Brand: "amex", Last4: "0005"}}
	got, err := c.RecordCardConsent(as(t, "front_desk"), cardConsent(nil))
	require.NoError(t, err, "what failed may be tried again under its key")
	require.Equal(t, "visa", got.GetBrand(), "the newest, as the processor says")
	require.Equal(t, copay.CardConsent{Scope: copay.ScopeUntil, Cap: copay.Cents(50_00), Until: now.AddDate(1, 0, 0), TextVersion: "2026-01", GivenAt: now, RecordedBy: "ana"}, b.card.Consent)
	require.Equal(t, "pm_2", b.card.Method)
	require.Equal(t, copay.PatientKey{EHR: "drchrono", Ref: "pat-1"}, b.holder, "the practice's only EHR")
	require.Equal(t, "cus_alias-of-pat-1", b.card.Customer, "the processor does not learn the EHR's number")
	require.Equal(t, "card_consent.recorded", b.audited[0].Action)
	require.NotContains(t, b.audited[0].Detail, "patient")
	require.Equal(t, "ana", b.audited[0].Actor.ID)

	got, err = c.RecordCardConsent(as(t, "front_desk"), cardConsent(nil))
	require.NoError(t, err)
	require.Equal(t, "4242", got.GetLast4(), "the first answer")
	require.Len(t, b.audited, 1)

	got, err = c.RecordCardConsent(as(t, "front_desk"), cardConsent(func(r *copayv1.RecordCardConsentRequest) {
		r.RequestId, r.MethodId, r.Platform = "r-2", "pm_1", "stripe"
	}))
	require.NoError(t, err)
	require.Equal(t, "amex", got.GetBrand())

	for name, change := range map[string]func(*copayv1.RecordCardConsentRequest){
		"no scope":           func(r *copayv1.RecordCardConsentRequest) { r.Scope = 0 },
		"no end":             func(r *copayv1.RecordCardConsentRequest) { r.Until = nil },
		"an end in the past": func(r *copayv1.RecordCardConsentRequest) { r.Until = timestamppb.New(now) },
		"a visit, no charge": func(r *copayv1.RecordCardConsentRequest) {
			r.Scope, r.Until = copayv1.ConsentScope_CONSENT_SCOPE_VISIT, nil
		},
		"no cap":            func(r *copayv1.RecordCardConsentRequest) { r.Cap = nil },
		"another processor": func(r *copayv1.RecordCardConsentRequest) { r.Platform = "square" },
		"no wording":        func(r *copayv1.RecordCardConsentRequest) { r.TextVersion = "" },
		"another EHR":       func(r *copayv1.RecordCardConsentRequest) { r.Ehr = "elation" },
	} {
		_, err := c.RecordCardConsent(as(t, "front_desk"), cardConsent(func(r *copayv1.RecordCardConsentRequest) { r.RequestId = "r-3"; change(r) }))
		require.Equal(t, codes.InvalidArgument, status.Code(err), name)
	}

	b.ehrs = []copay.Platform{"drchrono", "elation"}
	_, err = c.RecordCardConsent(as(t, "front_desk"), cardConsent(func(r *copayv1.RecordCardConsentRequest) { r.RequestId = "r-4" }))
	require.Equal(t, codes.InvalidArgument, status.Code(err), "whose patient is it?")
	_, err = c.RecordCardConsent(as(t, "front_desk"), cardConsent(func(r *copayv1.RecordCardConsentRequest) { r.RequestId, r.Ehr = "r-4", "elation" }))
	require.NoError(t, err)
	require.Equal(t, copay.PatientKey{EHR: "elation", Ref: "pat-1"}, b.holder)
	b.ehrs = nil

	out, err := c.RevokeCardConsent(as(t, "front_desk"), &copayv1.RevokeCardConsentRequest{PracticeId: "maple", PatientRef: "pat-1", RequestId: "r-9", Reason: "changed their mind"})
	require.NoError(t, err)
	require.True(t, out.GetRevoked())
	require.Nil(t, b.card)
}

// A patient is not told of a charge "as you agreed" after they took it back.
func TestARevokedCardIsAskedForByLink(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := copayv1.NewConsentServiceClient(b.s.conn)
	waits, gone, link := key, copay.Key{Practice: "maple", EHR: "drchrono", Charge: "778"}, copay.Key{Practice: "maple", EHR: "drchrono", Charge: "779"}
	for _, k := range []copay.Key{waits, gone, link} {
		row := b.copays[b.add(k, copay.StateAwaitingPayment).ID]
		row.CoPay.Rail = copay.RailCard
		if k == link {
			row.CoPay.Rail = copay.RailLink
		}
		b.copays[row.CoPay.ID] = row
	}
	broken := true
	b.update = func(_ context.Context, _ string, _, in any) error {
		if n := len(b.calls); b.calls[n-1].key == gone {
			return copay.Errorf(copay.CodePrecondition, "state", "it has been paid")
		}
		if broken {
			return errors.New("no workflow")
		}
		require.Equal(t, workflows.ChangeRail{Act: workflows.Act{Actor: copay.Actor{ID: "ana", Kind: "staff", Roles: []copay.Role{copay.RoleFrontDesk}},
			Reason: "changed their mind", Key: "r-1"}, Rail: copay.RailLink}, in)
		return nil
	}
	revoke := &copayv1.RevokeCardConsentRequest{PracticeId: "maple", PatientRef: "pat-1", RequestId: "r-1", Reason: "changed their mind"}
	_, err := c.RevokeCardConsent(as(t, "front_desk"), revoke)
	require.Error(t, err, "it is not said to be done before it is")
	broken = false
	got, err := c.RevokeCardConsent(as(t, "front_desk"), revoke)
	require.NoError(t, err)
	require.EqualValues(t, 1, got.GetCopays())
	require.Equal(t, copay.PatientRef("pat-1"), b.filter.Patient)
	require.Equal(t, copay.Platform("drchrono"), b.filter.EHR)
	for _, call := range b.calls {
		require.NotEqual(t, link, call.key)
	}
	asked := len(b.calls)
	got, err = c.RevokeCardConsent(as(t, "front_desk"), revoke)
	require.NoError(t, err)
	require.EqualValues(t, 1, got.GetCopays(), "the first answer")
	require.Len(t, b.calls, asked)
}

func TestMessageConsentsAreExplained(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(key, copay.StateAwaitingPayment)
	gave, stopped := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC), time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)
	b.channels = []ledger.ChannelConsent{{Channel: copay.ChannelSMS, HasAddress: true, GivenAt: gave, Source: "intake_form", TextVersion: "v1", RevokedAt: stopped, RevokedBy: "STOP"},
		{Channel: copay.ChannelEmail, Allowed: true, HasAddress: true, GivenAt: gave, Source: "ehr"}}
	c := copayv1.NewConsentServiceClient(b.s.conn)
	got, err := c.GetMessageConsents(as(t, "front_desk"), &copayv1.GetMessageConsentsRequest{PracticeId: "maple", CopayId: string(key.ID())})
	require.NoError(t, err)
	want := &copayv1.GetMessageConsentsResponse{Consents: []*copayv1.MessageConsent{
		{Channel: copayv1.Channel_CHANNEL_SMS, HasAddress: true, GivenAt: timestamppb.New(gave), Source: "intake_form", TextVersion: "v1", RevokedAt: timestamppb.New(stopped), RevokedBy: "STOP"},
		{Channel: copayv1.Channel_CHANNEL_EMAIL, Allowed: true, HasAddress: true, GivenAt: timestamppb.New(gave), Source: "ehr"}}}
	require.True(t, proto.Equal(want, got), "%v", got)
	other := copay.Key{Practice: "maple", EHR: "drchrono", Charge: "none"}
	_, err = c.GetMessageConsents(as(t, "front_desk"), &copayv1.GetMessageConsentsRequest{PracticeId: "maple", CopayId: string(other.ID())})
	require.Equal(t, codes.NotFound, status.Code(err))
	_, err = c.GetMessageConsents(as(t, "front_desk"), &copayv1.GetMessageConsentsRequest{PracticeId: "maple", CopayId: "12"})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
}

func TestMessageConsent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(key, copay.StateNeedsReview)
	c := copayv1.NewConsentServiceClient(b.s.conn)
	give := &copayv1.RecordMessageConsentRequest{PracticeId: "maple", Channel: copayv1.Channel_CHANNEL_SMS, Address: "+13125550100", RequestId: "r-1", Reason: "intake form",
		TextVersion: "2026-01", Source: "intake_form"}
	got, err := c.RecordMessageConsent(as(t, "front_desk"), give)
	require.NoError(t, err)
	require.True(t, got.GetEffective())
	require.Equal(t, copay.ChannelSMS, b.consents[0].Channel)
	require.Len(t, b.checked, 1, "a co-pay that waited for consent decides again")
	for _, bad := range []string{"", "555-0100", "jane", "+1 312", "a@b"} {
		give.Address = bad
		_, err = c.RecordMessageConsent(as(t, "front_desk"), give)
		require.Equal(t, codes.InvalidArgument, status.Code(err), bad)
		for _, v := range detail[*errdetails.BadRequest](t, err).GetFieldViolations() {
			if bad != "" {
				require.NotContains(t, v.GetDescription(), bad, "an address is not repeated")
			}
		}
	}
	r, err := c.RevokeMessageConsent(as(t, "front_desk"), &copayv1.RevokeMessageConsentRequest{PracticeId: "maple", Channel: copayv1.Channel_CHANNEL_EMAIL, Address: "jane@example.com",
		RequestId: "r-2", Reason: "asked at the desk", Everywhere: true})
	require.NoError(t, err)
	require.EqualValues(t, 1, r.GetCopays())
	require.Len(t, b.checked, 2)
	for _, a := range b.audited {
		require.NotContains(t, a.Detail, "address")
	}
	require.NotContains(t, b.log.String(), "jane@example.com")
	require.NotContains(t, b.log.String(), "5550100")
}

// Whoever belongs to every practice may mistype one. A revocation that is kept
// for a practice there is not would be lost without a word.
func TestConsentsOfNoPractice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, i := copayv1.NewConsentServiceClient(b.s.conn), copayv1.NewInboxServiceClient(b.s.conn)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", token(t, "root", []string{"admin"}, []string{auth.AllPractices}))
	for name, call := range map[string]func() error{
		"record": func() error {
			_, err := c.RecordMessageConsent(ctx, &copayv1.RecordMessageConsentRequest{PracticeId: "mapel", Channel: copayv1.Channel_CHANNEL_SMS, RequestId: "r-1", Reason: "x",
				Address: "+13125550142", TextVersion: "v1", Source: "desk"})
			return err
		},
		"revoke": func() error {
			_, err := c.RevokeMessageConsent(ctx, &copayv1.RevokeMessageConsentRequest{PracticeId: "mapel", Channel: copayv1.Channel_CHANNEL_SMS, RequestId: "r-2", Reason: "x", Address: "+13125550142"})
			return err
		},
		"revoke a card": func() error {
			_, err := c.RevokeCardConsent(ctx, &copayv1.RevokeCardConsentRequest{PracticeId: "mapel", PatientRef: "pat-1", RequestId: "r-3", Reason: "x"})
			return err
		},
		"replay": func() error {
			_, err := i.ReplayEvent(ctx, &copayv1.ReplayEventRequest{PracticeId: "mapel", InboxId: 9, RequestId: "r-4", Reason: "x"})
			return err
		},
	} {
		err := call()
		require.Equal(t, codes.NotFound, status.Code(err), name)
		require.Equal(t, "practice_id", detail[*errdetails.BadRequest](t, err).GetFieldViolations()[0].GetField())
	}
	require.Empty(t, b.acts)
	require.Empty(t, b.audited)
}
