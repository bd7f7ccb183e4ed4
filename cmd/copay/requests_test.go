package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// sent is the last request of a method.
func (e *echo) sent(t *testing.T, method string, into proto.Message) {
	t.Helper()
	require.NotNil(t, e.in[method], "%s was not called", method)
	raw, err := proto.Marshal(e.in[method])
	require.NoError(t, err)
	require.NoError(t, proto.Unmarshal(raw, into))
}

func TestActsAskForWhatWasWritten(t *testing.T) {
	t.Parallel()
	const why = " --reason because --request-id r-1"
	head := `practice_id:"maple" copay_id:"` + someCoPay + `" request_id:"r-1" reason:"because" `
	for args, want := range map[string]struct {
		method string
		in     proto.Message
		fields string
	}{
		"override " + someCoPay + " --amount 30":                   {"OverrideAmount", &copayv1.OverrideAmountRequest{}, `amount:{minor:3000 currency:"USD"}`},
		"waive " + someCoPay:                                       {"WaiveCoPay", &copayv1.WaiveCoPayRequest{}, ``},
		"pay " + someCoPay + " --amount 5 --received 2026-11-24":   {"RecordManualPayment", &copayv1.RecordManualPaymentRequest{}, `rail:RAIL_CASH amount:{minor:500 currency:"USD"} received:"2026-11-24"`},
		"resend " + someCoPay + " --new-link":                      {"ResendRequest", &copayv1.ResendRequestRequest{}, `new_link:true`},
		"pause " + someCoPay:                                       {"PauseReminders", &copayv1.PauseRemindersRequest{}, ``},
		"resume " + someCoPay:                                      {"ResumeReminders", &copayv1.ResumeRemindersRequest{}, ``},
		"rail " + someCoPay + " card-on-file":                      {"ChangeRail", &copayv1.ChangeRailRequest{}, `rail:RAIL_CARD_ON_FILE`},
		"cancel " + someCoPay:                                      {"CancelCoPay", &copayv1.CancelCoPayRequest{}, ``},
		"refund " + someCoPay + " --amount 2.50 --payment pay-2":   {"RefundPayment", &copayv1.RefundPaymentRequest{}, `amount:{minor:250 currency:"USD"} payment_id:"pay-2"`},
		"approve-refund " + someCoPay + " ref-1":                   {"ApproveRefund", &copayv1.ApproveRefundRequest{}, `refund_id:"ref-1" approve:true`},
		"approve-refund " + someCoPay + " ref-1 --reject":          {"ApproveRefund", &copayv1.ApproveRefundRequest{}, `refund_id:"ref-1"`},
		"review " + someCoPay + " --choice set_amount --amount 12": {"ResolveReview", &copayv1.ResolveReviewRequest{}, `choice:CHOICE_SET_AMOUNT amount:{minor:1200 currency:"USD"}`},
		"review " + someCoPay + " --choice write-off":              {"ResolveReview", &copayv1.ResolveReviewRequest{}, `choice:CHOICE_WRITE_OFF`},
		"note " + someCoPay + " --text later":                      {"AddNote", &copayv1.AddNoteRequest{}, `text:"later"`},
	} {
		e := &echo{}
		_, err := e.run(t, strings.Fields(args+why)...)
		require.NoError(t, err, args)
		e.sent(t, want.method, want.in)
		wanted := want.in.ProtoReflect().New().Interface()
		require.NoError(t, prototext.Unmarshal([]byte(head+want.fields), wanted), args)
		require.True(t, proto.Equal(wanted, want.in), "%s: %v", args, want.in)
	}
}

func TestBadActsNeverReachTheAPI(t *testing.T) {
	t.Parallel()
	const why = " --reason because"
	for _, args := range []string{"override " + someCoPay + " --amount twelve" + why, "refund " + someCoPay + " --amount 1.005" + why, "review " + someCoPay + " --choice maybe" + why,
		"review " + someCoPay + " --choice set_amount --amount x" + why, "rail " + someCoPay + " gold" + why, "waive " + someCoPay, "waive" + why, "waive a b" + why,
		"consent message +13125550142 --channel fax --text-version v1" + why, "consent message-revoke +13125550142 --channel fax" + why,
		"consent card pat-1 --cap lots --charge 7 --text-version v1" + why, "list --rail gold", "list --review-kind odd", "list x", "list --from 2026-13-01", "list --to soon", "list --changed-within -1h",
		"list --timeout -1s", "pay " + someCoPay + " --amount 5 --rail link" + why, "ledger entries --from yesterday", "ledger estimates --to soon", "ledger estimates --from 2026-12-01 --to 2026-11-30", "audit list --to 2026-02-30"} {
		e := &echo{}
		_, err := e.run(t, strings.Fields(args)...)
		require.Equal(t, exitUsage, exitCode(err), "%s: %v", args, err)
		require.Empty(t, e.called, args)
	}
	_, err := (&echo{}).run(t, "rail", someCoPay)
	require.EqualError(t, err, "write: copay rail COPAY RAIL")
	_, err = (&echo{}).run(t, "--practice", "", "list")
	require.ErrorContains(t, err, "name the practice with --practice or COPAY_PRACTICE")
}

func TestListsAreFiltered(t *testing.T) {
	t.Parallel()
	e := &echo{}
	_, err := e.run(t, strings.Fields("list --state paid,settled --rail link --review --review-kind unpaid --ehr drchrono --patient pat-1 --appointment app-1 --from 2026-11-24 --to 2026-11-30 --page-size 7")...)
	require.NoError(t, err)
	in := &copayv1.ListCoPaysRequest{}
	e.sent(t, "ListCoPays", in)
	yes := true
	require.True(t, proto.Equal(&copayv1.ListCoPaysRequest{PracticeId: "maple", States: []copayv1.State{copayv1.State_STATE_PAID, copayv1.State_STATE_SETTLED}, Rail: copayv1.Rail_RAIL_LINK,
		NeedsReview: &yes, Review: copayv1.ReviewKind_REVIEW_KIND_UNPAID, Ehr: "drchrono", PatientRef: "pat-1", AppointmentId: "app-1", ServiceFrom: "2026-11-24", ServiceTo: "2026-11-30", PageSize: 7}, in), in)
	_, err = e.run(t, "list", "--changed-within", "2h")
	require.NoError(t, err)
	e.sent(t, "ListCoPays", in)
	require.WithinDuration(t, time.Now().Add(-2*time.Hour), in.GetUpdatedSince().AsTime(), time.Minute)

	first, after := timestamppb.New(time.Date(2026, 11, 24, 0, 0, 0, 0, time.Local)), timestamppb.New(time.Date(2026, 12, 1, 0, 0, 0, 0, time.Local))
	_, err = e.run(t, strings.Fields("ledger entries --copay "+someCoPay+" --account cash_on_hand --from 2026-11-24 --to 2026-11-30")...)
	require.NoError(t, err)
	entries := &copayv1.ListEntriesRequest{}
	e.sent(t, "ListEntries", entries)
	require.True(t, proto.Equal(&copayv1.ListEntriesRequest{PracticeId: "maple", CopayId: someCoPay, Account: "cash_on_hand", From: first, To: after, PageSize: 50}, entries), entries)
	_, err = e.run(t, strings.Fields("audit list --copay "+someCoPay+" --actor bob --action refund --from 2026-11-24 --to 2026-11-30")...)
	require.NoError(t, err)
	records := &copayv1.ListAuditRecordsRequest{}
	e.sent(t, "ListAuditRecords", records)
	require.True(t, proto.Equal(&copayv1.ListAuditRecordsRequest{PracticeId: "maple", CopayId: someCoPay, ActorId: "bob", Action: "refund", From: first, To: after, PageSize: 50}, records), records)

	_, err = e.run(t, strings.Fields("ledger estimates --from 2026-11-24 --to 2026-11-30")...)
	require.NoError(t, err)
	estimates := &copayv1.CompareEstimatesRequest{}
	e.sent(t, "CompareEstimates", estimates)
	require.True(t, proto.Equal(&copayv1.CompareEstimatesRequest{PracticeId: "maple", ServiceFrom: "2026-11-24", ServiceTo: "2026-11-30"}, estimates), estimates)
}
