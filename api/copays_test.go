package api

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/dispatch"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
	"github.com/copayflow/copayflow/workflows"
)

func start(change func(*copayv1.StartCoPayRequest)) *copayv1.StartCoPayRequest {
	r := &copayv1.StartCoPayRequest{PracticeId: "maple", Ehr: "drchrono", ChargeId: "777", RequestId: "req-1"}
	if change != nil {
		change(r)
	}
	return r
}

func TestStartAnswersWithTheAmount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.update = func(_ context.Context, name string, out, _ any) error {
		require.Equal(t, workflows.UpdateAwaitEstimate, name)
		*out.(*copay.CoPay) = copay.CoPay{ID: key.ID(), Key: key, State: copay.StateAwaitingPayment, Amounts: copay.Amounts{Requested: copay.Cents(25_00)}}
		return nil
	}
	got, err := copayv1.NewCoPayServiceClient(b.s.conn).StartCoPay(as(t, "front_desk"), start(nil))
	require.NoError(t, err)
	require.True(t, got.GetReady())
	require.Empty(t, got.GetProgress())
	require.EqualValues(t, 2500, got.GetCopay().GetAmounts().GetRequested().GetMinor())
	require.Equal(t, key.WorkflowID(), got.GetCopay().GetWorkflowId())
	require.Equal(t, dispatch.Origin{Trigger: "staff", Priority: dispatch.PriorityDesk, Actor: copay.Actor{ID: "ana", Kind: "staff", Roles: []copay.Role{copay.RoleFrontDesk}}}, b.calls[0].o)
	require.Equal(t, "req-1", b.calls[0].req)
}

func TestASlowPayerDoesNotHoldTheDesk(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.update = func(ctx context.Context, _ string, _, _ any) error {
		<-ctx.Done()
		return client.NewWorkflowUpdateServiceTimeoutOrCanceledError(ctx.Err())
	}
	c := copayv1.NewCoPayServiceClient(b.s.conn)
	begin := time.Now()
	got, err := c.StartCoPay(as(t, "front_desk"), start(func(r *copayv1.StartCoPayRequest) { r.WaitMs = 20 }))
	require.NoError(t, err)
	require.Less(t, time.Since(begin), 5*time.Second)
	require.False(t, got.GetReady())
	require.NotEmpty(t, got.GetProgress())
	require.Equal(t, string(key.ID()), got.GetCopay().GetId(), "the id is known before anything is recorded")
	require.Equal(t, []copay.Key{key}, b.started, "it is made sure that the start has arrived")

	b.add(key, copay.StateVerifying)
	got, err = c.StartCoPay(as(t, "front_desk"), start(nil))
	require.NoError(t, err)
	require.Equal(t, copayv1.State_STATE_VERIFYING, got.GetCopay().GetState())
	require.Contains(t, got.GetProgress(), "payer")
	require.Len(t, b.started, 1, "a co-pay on record was started")
}

// A workflow service that does not answer has started nothing.
func TestAStartThatDoesNotArriveIsNoStart(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	c, err := client.NewLazyClient(client.Options{HostPort: silent.Addr().String()})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	b := setup(t, func(o *Options) {
		o.Flows = dispatch.NewStarter(c, []dispatch.Practice{{ID: "maple", EHRs: []copay.Platform{"drchrono"}}})
	})
	_, err = copayv1.NewCoPayServiceClient(b.s.conn).StartCoPay(as(t, "front_desk"), start(nil))
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	require.ErrorContains(t, err, "same request_id")
}

func TestStartOfWhatIsThereAsksNobody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(key, copay.StateSettled)
	got, err := copayv1.NewCoPayServiceClient(b.s.conn).StartCoPay(as(t, "service"), start(nil))
	require.NoError(t, err)
	require.True(t, got.GetReady())
	require.Equal(t, copayv1.State_STATE_SETTLED, got.GetCopay().GetState())
	require.Empty(t, b.calls, "a finished co-pay is not started again")
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := copayv1.NewCoPayServiceClient(b.s.conn)
	for name, tc := range map[string]struct {
		change func(*copayv1.StartCoPayRequest)
		field  string
	}{
		"another EHR":      {func(r *copayv1.StartCoPayRequest) { r.Ehr = "elation" }, "ehr"},
		"no charge":        {func(r *copayv1.StartCoPayRequest) { r.ChargeId = "" }, "charge_id"},
		"a charge with \n": {func(r *copayv1.StartCoPayRequest) { r.ChargeId = "7\n7" }, "charge_id"},
		"a long charge":    {func(r *copayv1.StartCoPayRequest) { r.ChargeId = strings.Repeat("7", 257) }, "charge_id"},
		"a long wait":      {func(r *copayv1.StartCoPayRequest) { r.WaitMs = 10_001 }, "wait_ms"},
	} {
		_, err := c.StartCoPay(as(t, "front_desk"), start(tc.change))
		require.Equal(t, codes.InvalidArgument, status.Code(err), name)
		require.Equal(t, tc.field, detail[*errdetails.BadRequest](t, err).GetFieldViolations()[0].GetField(), name)
	}
	_, err := c.StartCoPay(as(t, "front_desk"), start(func(r *copayv1.StartCoPayRequest) { r.Ehr = "elation" }))
	require.NotContains(t, status.Convert(err).Message(), "[", "said as one says it")
	unknown := metadata.AppendToOutgoingContext(t.Context(), "authorization", token(t, "ana", []string{"admin"}, []string{"*"}))
	_, err = c.StartCoPay(unknown, start(func(r *copayv1.StartCoPayRequest) { r.PracticeId = "elm" }))
	require.Equal(t, codes.NotFound, status.Code(err))
	require.Empty(t, b.calls)
}

// staffActs are each act's request and what must reach the workflow.
func staffActs() map[string]struct {
	rpc  string
	req  proto.Message
	want any
} {
	const m, r, why = "maple", "req-1", "because"
	id, usd, amount := string(key.ID()), &copayv1.Money{Minor: 2000, Currency: "USD"}, copay.Cents(20_00)
	act := workflows.Act{Actor: copay.Actor{ID: "ana", Kind: "staff", Roles: []copay.Role{copay.RoleBiller}}, Reason: why, Key: r}
	return map[string]struct {
		rpc  string
		req  proto.Message
		want any
	}{
		workflows.UpdateOverrideAmount: {"OverrideAmount", &copayv1.OverrideAmountRequest{PracticeId: m, CopayId: id, RequestId: r, Reason: why, Amount: usd},
			workflows.OverrideAmount{Act: act, Amount: amount}},
		workflows.UpdateWaive: {"WaiveCoPay", &copayv1.WaiveCoPayRequest{PracticeId: m, CopayId: id, RequestId: r, Reason: why}, workflows.Waive{Act: act}},
		workflows.UpdateRecordPayment: {"RecordManualPayment", &copayv1.RecordManualPaymentRequest{PracticeId: m, CopayId: id, RequestId: r, Reason: why,
			Rail: copayv1.Rail_RAIL_CHECK, Amount: usd, Received: "2026-11-23", Number: "1042"},
			workflows.RecordPayment{Act: act, Rail: copay.RailCheck, Amount: amount, Received: "2026-11-23", Number: "1042"}},
		workflows.UpdateResend:          {"ResendRequest", &copayv1.ResendRequestRequest{PracticeId: m, CopayId: id, RequestId: r, Reason: why}, workflows.Resend{Act: act}},
		workflows.UpdatePauseReminders:  {"PauseReminders", &copayv1.PauseRemindersRequest{PracticeId: m, CopayId: id, RequestId: r, Reason: why}, workflows.PauseReminders{Act: act}},
		workflows.UpdateResumeReminders: {"ResumeReminders", &copayv1.ResumeRemindersRequest{PracticeId: m, CopayId: id, RequestId: r, Reason: why}, workflows.ResumeReminders{Act: act}},
		workflows.UpdateChangeRail: {"ChangeRail", &copayv1.ChangeRailRequest{PracticeId: m, CopayId: id, RequestId: r, Reason: why, Rail: copayv1.Rail_RAIL_CARD_ON_FILE},
			workflows.ChangeRail{Act: act, Rail: copay.RailCard}},
		workflows.UpdateCancel: {"CancelCoPay", &copayv1.CancelCoPayRequest{PracticeId: m, CopayId: id, RequestId: r, Reason: why}, workflows.Cancel{Act: act}},
		workflows.UpdateRefund: {"RefundPayment", &copayv1.RefundPaymentRequest{PracticeId: m, CopayId: id, RequestId: r, Reason: why, Amount: usd, PaymentId: "pay-1"},
			workflows.Refund{Act: act, Payment: "pay-1", Amount: amount}},
		workflows.UpdateApproveRefund: {"ApproveRefund", &copayv1.ApproveRefundRequest{PracticeId: m, CopayId: id, RequestId: r, Reason: why, RefundId: "ref-1", Approve: true},
			workflows.ApproveRefund{Act: act, Refund: "ref-1", Approve: true}},
		workflows.UpdateResolveReview: {"ResolveReview", &copayv1.ResolveReviewRequest{PracticeId: m, CopayId: id, RequestId: r, Reason: why, Choice: copayv1.Choice_CHOICE_SET_AMOUNT,
			Amount: usd}, workflows.ResolveReview{Act: act, Choice: copay.ChoiceSetAmount, Amount: &amount}},
		workflows.UpdateAddNote: {"AddNote", &copayv1.AddNoteRequest{PracticeId: m, CopayId: id, RequestId: r, Reason: why, Text: "called"}, workflows.AddNote{Act: act, Text: "called"}},
	}
}

func TestActs(t *testing.T) {
	t.Parallel()
	for name, tc := range staffActs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			var got copayv1.WaiveCoPayResponse // all of one shape
			call := func() error {
				return b.s.conn.Invoke(as(t, "biller"), "/copay.v1.CoPayService/"+tc.rpc, tc.req, &got)
			}
			err := call()
			require.Equal(t, codes.NotFound, status.Code(err))
			require.Contains(t, status.Convert(err).Message(), key.ID(), "the id that was meant is named")
			require.Empty(t, b.calls, "an act never starts a co-pay that is not there")

			b.add(key, copay.StateAwaitingPayment)
			b.update = func(_ context.Context, _ string, out, _ any) error {
				*out.(*copay.CoPay) = copay.CoPay{ID: key.ID(), Key: key, State: copay.StateSettled}
				return nil
			}
			require.NoError(t, call())
			require.Equal(t, copayv1.State_STATE_SETTLED, got.GetCopay().GetState())
			require.Equal(t, name, b.calls[0].name)
			require.Equal(t, key, b.calls[0].key)
			require.Equal(t, tc.want, b.calls[0].in)
			require.Equal(t, "req-1", b.calls[0].req)
		})
	}
}

func TestANewLinkEndsTheOldOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := copayv1.NewCoPayServiceClient(b.s.conn)
	req := &copayv1.ResendRequestRequest{PracticeId: "maple", CopayId: string(key.ID()), RequestId: "req-1", Reason: "sent to a wrong number", NewLink: true}
	_, err := c.ResendRequest(as(t, "front_desk"), req)
	require.Equal(t, codes.NotFound, status.Code(err))
	require.Zero(t, b.ended)
	b.add(key, copay.StateAwaitingPayment)
	b.update = func(_ context.Context, _ string, out, _ any) error {
		*out.(*copay.CoPay) = copay.CoPay{ID: key.ID(), Key: key, State: copay.StateAwaitingPayment}
		return nil
	}
	for range 2 {
		_, err = c.ResendRequest(as(t, "front_desk"), req)
		require.NoError(t, err)
	}
	require.Equal(t, 1, b.ended, "the new link is not ended by the same request again")
	require.Equal(t, "pay_link.revoked", b.audited[0].Action)
	require.True(t, b.calls[0].in.(workflows.Resend).NewLink)
	req.NewLink, req.RequestId = false, "req-2"
	_, err = c.ResendRequest(as(t, "front_desk"), req)
	require.NoError(t, err)
	require.Equal(t, 1, b.ended)
}

func TestAnActIsNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.ActWait = 20 * time.Millisecond })
	id := string(b.add(key, copay.StateAwaitingPayment).ID)
	b.update = func(ctx context.Context, _ string, _, _ any) error {
		<-ctx.Done()
		return client.NewWorkflowUpdateServiceTimeoutOrCanceledError(ctx.Err())
	}
	_, err := copayv1.NewCoPayServiceClient(b.s.conn).WaiveCoPay(as(t, "biller"), &copayv1.WaiveCoPayRequest{PracticeId: "maple", CopayId: id, RequestId: "r", Reason: "x"})
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	require.Contains(t, status.Convert(err).Message(), "same request_id")
}

func TestTheDeskDoesNotGetAroundItsLimitsByAReview(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := string(b.add(key, copay.StateNeedsReview).ID)
	b.update = func(_ context.Context, _ string, _, _ any) error { return nil }
	c := copayv1.NewCoPayServiceClient(b.s.conn)
	for choice, want := range map[copayv1.Choice]codes.Code{copayv1.Choice_CHOICE_RETRY: codes.OK, copayv1.Choice_CHOICE_SELF_PAY: codes.OK,
		copayv1.Choice_CHOICE_WAIVE: codes.PermissionDenied, copayv1.Choice_CHOICE_SET_AMOUNT: codes.PermissionDenied, copayv1.Choice_CHOICE_REFUND: codes.PermissionDenied,
		copayv1.Choice_CHOICE_UNSPECIFIED: codes.InvalidArgument} {
		_, err := c.ResolveReview(as(t, "front_desk"), &copayv1.ResolveReviewRequest{PracticeId: "maple", CopayId: id, RequestId: "r", Reason: "x", Choice: choice})
		require.Equal(t, want, status.Code(err), choice)
	}
}

func TestListRefusesDaysThatDoNotExist(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := copayv1.NewCoPayServiceClient(b.s.conn)
	_, err := c.ListCoPays(as(t, "biller"), &copayv1.ListCoPaysRequest{PracticeId: "maple", ServiceFrom: "2026-02-30"})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	_, err = c.ListCoPays(as(t, "biller"), &copayv1.ListCoPaysRequest{PracticeId: "maple", ServiceFrom: "2026-12-01", ServiceTo: "2026-11-30"})
	require.ErrorContains(t, err, "service_from 2026-12-01 is after service_to 2026-11-30")
	b.listErr = copay.Errorf(copay.CodeInvalid, "page_token", "not one of ours")
	_, err = c.ListCoPays(as(t, "biller"), &copayv1.ListCoPaysRequest{PracticeId: "maple", PageToken: "x"})
	require.Equal(t, "page_token", detail[*errdetails.BadRequest](t, err).GetFieldViolations()[0].GetField())
}

// TestEnumsAgree holds the domain's names and the contract's together.
func TestEnumsAgree(t *testing.T) {
	t.Parallel()
	check := func(names map[int32]string, prefix string, values ...string) {
		t.Helper()
		require.Len(t, values, len(names)-1, prefix)
		for _, v := range values {
			n := toEnum[copayv1.State](reverse(names), prefix, v)
			require.NotZero(t, n, "%s%s", prefix, v)
			require.Equal(t, v, fromEnum(names, prefix, int32(n)))
		}
	}
	var states []string
	for _, s := range copay.States() {
		states = append(states, string(s))
	}
	check(copayv1.State_name, "STATE_", states...)
	check(copayv1.Rail_name, "RAIL_", texts(copay.RailLink, copay.RailCard, copay.RailCash, copay.RailCheck, copay.RailTerminal)...)
	check(copayv1.PaymentStatus_name, "PAYMENT_STATUS_", texts(copay.PaymentRequested, copay.PaymentProcessing, copay.PaymentCaptured, copay.PaymentFailed,
		copay.PaymentExpired, copay.PaymentCancelled, copay.PaymentDisputed, copay.PaymentReturned)...)
	check(copayv1.RefundStatus_name, "REFUND_STATUS_", texts(copay.RefundAwaiting, copay.RefundPending, copay.RefundDone, copay.RefundRejected)...)
	check(copayv1.ReviewKind_name, "REVIEW_KIND_", texts(copay.ReviewUnknownCharge, copay.ReviewNoContact, copay.ReviewNoCoverage, copay.ReviewInactive,
		copay.ReviewLowConfidence, copay.ReviewAmount, copay.ReviewEligibility, copay.ReviewCollect, copay.ReviewUnpaid, copay.ReviewPosting, copay.ReviewAccounting,
		copay.ReviewCompensation, copay.ReviewMismatch, copay.ReviewDispute, copay.ReviewPostingDeleted, copay.ReviewTrueUp, copay.ReviewOverpaid, copay.ReviewConfig,
		copay.ReviewRefundApproval, copay.ReviewHandBack)...)
	check(copayv1.Choice_name, "CHOICE_", texts(copay.ChoiceRetry, copay.ChoiceProceed, copay.ChoiceSetAmount, copay.ChoiceSelfPay, copay.ChoiceWaive,
		copay.ChoiceCancel, copay.ChoiceWriteOff, copay.ChoiceRefund, copay.ChoiceRequest, copay.ChoiceDone)...)
	check(copayv1.EstimateKind_name, "ESTIMATE_KIND_", texts(copay.EstimateOwed, copay.EstimateSelfPay, copay.EstimateNothing, copay.EstimateZeroByRule, copay.EstimateUnknown)...)
	check(copayv1.Channel_name, "CHANNEL_", texts(copay.ChannelSMS, copay.ChannelEmail)...)
	check(copayv1.MessageTemplate_name, "MESSAGE_TEMPLATE_", texts(copay.TemplateRequest, copay.TemplateReminder, copay.TemplateCardNotice, copay.TemplateCardFailed)...)
	check(copayv1.ConsentScope_name, "CONSENT_SCOPE_", texts(copay.ScopeVisit, copay.ScopeUntil)...)
	require.Equal(t, copayv1.State_STATE_UNSPECIFIED, stateOut("a state of the future"))
}

func texts[T ~string](values ...T) []string {
	var out []string
	for _, v := range values {
		out = append(out, string(v))
	}
	return out
}

func reverse(names map[int32]string) map[string]int32 {
	out := map[string]int32{}
	for n, s := range names {
		out[s] = n
	}
	return out
}

// TestThePictureIsComplete fills a co-pay and finds every field again.
func TestThePictureIsComplete(t *testing.T) {
	t.Parallel()
	five := copay.Cents(5_00)
	c := copay.CoPay{ID: key.ID(), Key: key, State: copay.StateNeedsReview, Rail: copay.RailLink, Appointment: "a", ServiceDate: "2026-11-20", Service: "98", Patient: "p", Provider: "d",
		Amounts:  copay.Amounts{Billed: five, Estimated: five, Requested: five, Collected: five, Refunded: five, Adjudicated: five},
		Estimate: &copay.Estimate{Kind: copay.EstimateOwed, Amount: five, Confidence: 90, Rule: "r", At: now, Reasons: []copay.Reason{{Text: "t", Amount: &five, Source: "s"}}},
		Payments: []copay.Payment{{ID: "pay-1", Ref: "r", Rail: copay.RailLink, Platform: "stripe", PlatformID: "pi", Amount: five, Refunded: five, Status: copay.PaymentCaptured,
			Decline: "d", ExpiresAt: now, CapturedAt: now, PostedID: "1", InvoiceID: "2", BookedID: "3", Received: "2026-11-20", Number: "4"}},
		Refunds:   []copay.Refund{{ID: "ref-1", Ref: "r", Payment: "pay-1", Amount: five, Reason: "x", RequestedBy: "a", ApprovedBy: "b", Status: copay.RefundDone}},
		Review:    &copay.Review{Kind: copay.ReviewDispute, Message: "m", Choices: []copay.Choice{copay.ChoiceDone}, Since: now, Payment: "pay-1", Refund: "ref-1", Amount: &five},
		Reminders: []copay.SentMessage{{At: now, Channel: copay.ChannelSMS, Template: copay.TemplateReminder, Round: 1, Unconfirmed: true}},
		Paused:    true, Override: true, ChargeAt: now, RequestedAt: now, NextAction: "n", NextActionAt: now, StartedAt: now, UpdatedAt: now, Counters: copay.Counters{Version: 4}}
	out := copayOut(c)
	for _, m := range []proto.Message{out, out.GetAmounts(), out.GetEstimate(), out.GetEstimate().GetReasons()[0], out.GetPayments()[0], out.GetRefunds()[0], out.GetReview(), out.GetMessages()[0]} {
		fields := m.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			require.True(t, m.ProtoReflect().Has(fields.Get(i)), "%s is empty", fields.Get(i).FullName())
		}
	}
}

func TestOnlyNotFoundIsNamed(t *testing.T) {
	t.Parallel()
	require.NoError(t, named(&copayv1.GetCoPayRequest{}, nil))
	down := copay.Errorf(copay.CodeUnavailable, "", "down")
	require.ErrorIs(t, named(&copayv1.GetCoPayRequest{}, down), down)
}

// A request id belongs to one charge and one caller.
func TestStartRefusesARequestIDOfAnotherStart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := copayv1.NewCoPayServiceClient(b.s.conn)
	b.add(key, copay.StateSettled)
	for range 2 { // the same charge, also when another wait is asked for
		_, err := c.StartCoPay(as(t, "front_desk"), start(func(r *copayv1.StartCoPayRequest) { r.WaitMs++ }))
		require.NoError(t, err)
	}
	_, err := c.StartCoPay(as(t, "front_desk"), start(func(r *copayv1.StartCoPayRequest) { r.ChargeId = "778" }))
	require.Equal(t, codes.AlreadyExists, status.Code(err))
	require.Empty(t, b.calls)
}
