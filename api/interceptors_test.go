package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/copayflow/copayflow/api/auth"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// detail finds a detail of one type in a status.
func detail[T any](t *testing.T, err error) T {
	t.Helper()
	for _, d := range status.Convert(err).Details() {
		if v, ok := d.(T); ok {
			return v
		}
	}
	var none T
	t.Fatalf("no %T in %v", none, status.Convert(err).Details())
	return none
}

func override(id string, change func(*copayv1.OverrideAmountRequest)) *copayv1.OverrideAmountRequest {
	r := &copayv1.OverrideAmountRequest{PracticeId: "maple", CopayId: id, RequestId: "req-1", Reason: "agreed at the desk", Amount: &copayv1.Money{Minor: 2000, Currency: "USD"}}
	if change != nil {
		change(r)
	}
	return r
}

func TestValidationNamesTheFields(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := string(b.add(key, copay.StateAwaitingPayment).ID)
	c := copayv1.NewCoPayServiceClient(b.s.conn)
	for field, change := range map[string]func(*copayv1.OverrideAmountRequest){
		"practice_id":     func(r *copayv1.OverrideAmountRequest) { r.PracticeId = "" },
		"copay_id":        func(r *copayv1.OverrideAmountRequest) { r.CopayId = "cp_short" },
		"request_id":      func(r *copayv1.OverrideAmountRequest) { r.RequestId = "" },
		"reason":          func(r *copayv1.OverrideAmountRequest) { r.Reason = "   " },
		"amount":          func(r *copayv1.OverrideAmountRequest) { r.Amount = nil },
		"amount.minor":    func(r *copayv1.OverrideAmountRequest) { r.Amount.Minor = 100_000_001 },
		"amount.currency": func(r *copayv1.OverrideAmountRequest) { r.Amount.Currency = "EUR" },
	} {
		_, err := c.OverrideAmount(as(t, "biller"), override(id, change))
		require.Equal(t, codes.InvalidArgument, status.Code(err), field)
		v := detail[*errdetails.BadRequest](t, err).GetFieldViolations()
		require.Equal(t, field, v[0].GetField())
		require.NotEmpty(t, v[0].GetDescription())
		require.Equal(t, "INVALID", detail[*errdetails.ErrorInfo](t, err).GetReason())
	}
	for _, reason := range []string{"\x00", "agreed\x00"} {
		_, err := c.OverrideAmount(as(t, "biller"), override(id, func(r *copayv1.OverrideAmountRequest) { r.Reason = reason }))
		require.Equal(t, codes.InvalidArgument, status.Code(err), "%q", reason)
		require.Equal(t, "reason", detail[*errdetails.BadRequest](t, err).GetFieldViolations()[0].GetField())
	}
	for _, minor := range []int64{0, -5} {
		_, err := c.OverrideAmount(as(t, "biller"), override(id, func(r *copayv1.OverrideAmountRequest) { r.Amount.Minor = minor }))
		require.Equal(t, "the amount must be more than nothing", detail[*errdetails.BadRequest](t, err).GetFieldViolations()[0].GetDescription())
	}
	require.Empty(t, b.calls)
}

func TestMomentsThatDoNotExist(t *testing.T) {
	t.Parallel()
	b := setup(t)
	consent := &copayv1.RecordCardConsentRequest{PracticeId: "maple", PatientRef: "pat-1", RequestId: "r", Reason: "x", TextVersion: "v1",
		Scope: copayv1.ConsentScope_CONSENT_SCOPE_UNTIL, Cap: &copayv1.Money{Minor: 100, Currency: "USD"}}
	for _, bad := range []*timestamppb.Timestamp{{Seconds: 1 << 60}, {Seconds: 300_000_000_000}, {Seconds: -1 << 62}, {Seconds: 1, Nanos: -1}} {
		for field, call := range map[string]func() error{
			"updated_since": func() error {
				_, err := copayv1.NewCoPayServiceClient(b.s.conn).ListCoPays(as(t, "biller"), &copayv1.ListCoPaysRequest{PracticeId: "maple", UpdatedSince: bad})
				return err
			},
			"from": func() error {
				_, err := copayv1.NewAuditServiceClient(b.s.conn).ListAuditRecords(as(t, "auditor"), &copayv1.ListAuditRecordsRequest{PracticeId: "maple", From: bad})
				return err
			},
			"to": func() error {
				_, err := copayv1.NewLedgerServiceClient(b.s.conn).ListEntries(as(t, "auditor"), &copayv1.ListEntriesRequest{PracticeId: "maple", To: bad})
				return err
			},
			"until": func() error {
				consent.Until = bad
				_, err := copayv1.NewConsentServiceClient(b.s.conn).RecordCardConsent(as(t, "biller"), consent)
				return err
			},
		} {
			err := call()
			require.Equal(t, codes.InvalidArgument, status.Code(err), "%s %v", field, bad)
			require.Equal(t, field, detail[*errdetails.BadRequest](t, err).GetFieldViolations()[0].GetField())
		}
	}
}

func TestStreamsAreCheckedToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := copayv1.NewCoPayServiceClient(b.s.conn)
	for want, req := range map[codes.Code]*copayv1.WatchCoPayRequest{
		codes.InvalidArgument:  {PracticeId: "maple", CopayId: "x"},
		codes.PermissionDenied: {PracticeId: "oak", CopayId: string(key.ID())},
		codes.NotFound:         {PracticeId: "maple", CopayId: string(key.ID())},
	} {
		s, err := c.WatchCoPay(as(t, "biller"), req)
		require.NoError(t, err)
		_, err = s.Recv()
		require.Equal(t, want, status.Code(err))
		require.NotEmpty(t, detail[*errdetails.RequestInfo](t, err).GetRequestId())
	}
}

// Who may look is asked once, so no stream outlives the token it was opened with.
func TestAStreamEndsWithItsToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	row := b.add(key, copay.StateAwaitingPayment)
	tok, err := auth.MintDev(secret, "ana", []string{"biller"}, []string{"maple"}, time.Now(), 2*time.Second)
	require.NoError(t, err)
	s, err := copayv1.NewCoPayServiceClient(b.s.conn).WatchCoPay(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+tok),
		&copayv1.WatchCoPayRequest{PracticeId: "maple", CopayId: string(row.ID)})
	require.NoError(t, err)
	b.changes <- ledger.CoPayRow{CoPay: row}
	_, err = s.Recv()
	require.NoError(t, err)
	time.AfterFunc(5*time.Second, func() { b.changes <- ledger.CoPayRow{CoPay: row} })
	_, err = s.Recv()
	require.Equal(t, codes.Unauthenticated, status.Code(err))
	require.ErrorContains(t, err, "sign in again")
}

func TestErrorsAreTranslatedOnce(t *testing.T) {
	t.Parallel()
	refused := func(code copay.Code) error {
		e := copay.Errorf(code, "amount", "the reason, for people")
		return temporal.NewApplicationErrorWithOptions(e.Message, string(code), temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{e}})
	}
	for name, tc := range map[string]struct {
		err    error
		code   codes.Code
		reason string
		says   string
	}{
		"invalid":                 {refused(copay.CodeInvalid), codes.InvalidArgument, "INVALID", "for people"},
		"precondition":            {refused(copay.CodePrecondition), codes.FailedPrecondition, "PRECONDITION", "for people"},
		"conflict":                {refused(copay.CodeConflict), codes.AlreadyExists, "CONFLICT", "for people"},
		"permission":              {refused(copay.CodePermission), codes.PermissionDenied, "PERMISSION", "for people"},
		"second person":           {refused(copay.CodeNeedsSecond), codes.FailedPrecondition, "NEEDS_SECOND", "for people"},
		"not found":               {refused(copay.CodeNotFound), codes.NotFound, "NOT_FOUND", "for people"},
		"domain error":            {copay.Errorf(copay.CodeUnavailable, "", "the database"), codes.Unavailable, "UNAVAILABLE", "database"},
		"temporal is down":        {serviceerror.NewUnavailable("10.0.0.7"), codes.Unavailable, "UNAVAILABLE", "workflow service"},
		"not confirmed in time":   {client.NewWorkflowUpdateServiceTimeoutOrCanceledError(errors.New("late")), codes.DeadlineExceeded, "TIMEOUT", "request_id"},
		"caller hung up":          {context.Canceled, codes.Canceled, "CANCELLED", ""},
		"not signed in":           {&auth.Error{Message: "sign in"}, codes.Unauthenticated, "UNAUTHENTICATED", "sign in"},
		"who it is, is not known": {&auth.Error{Message: "the provider is down", Later: true}, codes.Unavailable, "UNAVAILABLE", "provider"},
		"platform is down":        {&integrations.Error{Kind: integrations.KindUnavailable, Platform: "stripe", Op: "x"}, codes.Unavailable, "UNAVAILABLE", "stripe"},
		"platform says no":        {&integrations.Error{Kind: integrations.KindInvalid, Platform: "stripe", Op: "x"}, codes.FailedPrecondition, "PRECONDITION", "stripe"},
		"application error else":  {temporal.NewApplicationError("jane@example.com", "panic"), codes.Internal, "", "quote request"},
		"anything else":           {errors.New("pq: jane@example.com"), codes.Internal, "", "quote request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, masked := toStatus(tc.err, "r-12345678")
			require.Equal(t, tc.code, s.Code())
			require.Contains(t, s.Message(), tc.says)
			require.NotContains(t, s.Message(), "jane")
			require.NotContains(t, s.Message(), "10.0.0.7")
			require.Equal(t, tc.code == codes.Internal, masked)
			require.Equal(t, "r-12345678", detail[*errdetails.RequestInfo](t, s.Err()).GetRequestId())
			if tc.reason != "" {
				info := detail[*errdetails.ErrorInfo](t, s.Err())
				require.Equal(t, tc.reason, info.GetReason())
				require.Equal(t, "copayflow", info.GetDomain())
			}
			if refusalOf(tc.err) != nil && refusalOf(tc.err).Field != "" {
				require.Equal(t, "amount", detail[*errdetails.BadRequest](t, s.Err()).GetFieldViolations()[0].GetField())
			}
			if tc.code == codes.Unavailable {
				require.NotZero(t, detail[*errdetails.RetryInfo](t, s.Err()).GetRetryDelay().AsDuration())
			}
		})
	}
}

func TestInternalErrorsAreMaskedAndCanBeFound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := string(b.add(key, copay.StateAwaitingPayment).ID)
	ctx := metadata.AppendToOutgoingContext(as(t, "biller"), requestIDHeader, "caller-12345")
	var header metadata.MD
	_, err := copayv1.NewCoPayServiceClient(b.s.conn).OverrideAmount(ctx, override(id, nil), grpc.Header(&header))
	require.Equal(t, codes.Internal, status.Code(err))
	require.NotContains(t, err.Error(), "jane")
	require.Equal(t, "caller-12345", detail[*errdetails.RequestInfo](t, err).GetRequestId())
	require.Equal(t, []string{"caller-12345"}, header.Get(requestIDHeader))
	require.Contains(t, b.log.String(), `"request_id":"caller-12345"`)
	require.Contains(t, b.log.String(), `"actor":"ana"`)
	require.NotContains(t, b.log.String(), "agreed at the desk", "bodies are not logged")
}

func TestPanicsBecomeErrors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := string(b.add(key, copay.StateAwaitingPayment).ID)
	b.update = func(context.Context, string, any, any) error { panic("boom") }
	_, err := copayv1.NewCoPayServiceClient(b.s.conn).OverrideAmount(as(t, "biller"), override(id, nil))
	require.Equal(t, codes.Internal, status.Code(err))
	require.NotContains(t, err.Error(), "boom")
	require.Contains(t, b.log.String(), "boom")

	b.update = nil
	_, err = copayv1.NewCoPayServiceClient(b.s.conn).GetCoPay(as(t, "biller"), &copayv1.GetCoPayRequest{PracticeId: "maple", CopayId: id})
	require.NoError(t, err, "the server lives on")
}

func TestBadRequestIDsAreReplaced(t *testing.T) {
	t.Parallel()
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs(requestIDHeader, "x\"}\n{evil"))
	c := begin(ctx, "/m")
	require.Regexp(t, `^[0-9a-f-]{36}$`, c.id)
}

func TestHealthAndReflectionNeedNoToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, service := range []string{"", "copay.v1.CoPayService"} {
		h, err := healthpb.NewHealthClient(b.s.conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		require.NoError(t, err)
		require.Equal(t, healthpb.HealthCheckResponse_SERVING, h.GetStatus())
	}
	_, err := healthpb.NewHealthClient(b.s.conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: "nobody"})
	require.Equal(t, codes.NotFound, status.Code(err), "their errors pass as they are")
	r, err := reflectionpb.NewServerReflectionClient(b.s.conn).ServerReflectionInfo(t.Context())
	require.NoError(t, err)
	require.NoError(t, r.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}))
	got, err := r.Recv()
	require.NoError(t, err)
	var names []string
	for _, s := range got.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	require.Contains(t, names, "copay.v1.CoPayService")
	require.NoError(t, r.CloseSend())
	_, err = r.Recv()
	require.ErrorIs(t, err, io.EOF)
}

// brokenLog panics at the lines it is told to.
type brokenLog struct {
	slog.Handler
	lines *[]string
	at    string
}

func (l brokenLog) Handle(_ context.Context, r slog.Record) error {
	if l.at == r.Message || l.at == "" {
		panic("the log is gone")
	}
	*l.lines = append(*l.lines, r.Message)
	return nil
}

// quietStream is a stream whose client says nothing.
type quietStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s quietStream) Context() context.Context  { return s.ctx }
func (quietStream) SetHeader(metadata.MD) error { return nil }

// A call that cannot be ended fails; the process goes on.
func TestAPanicWhileACallIsEndedIsRescued(t *testing.T) {
	t.Parallel()
	for at, logged := range map[string][]string{"call": {"a call could not be ended"}, "": nil} {
		var lines []string
		h := chain{log: slog.New(brokenLog{slog.NewTextHandler(io.Discard, nil), &lines, at}), now: time.Now}
		_, err := h.unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/x/Y"}, func(context.Context, any) (any, error) { return 1, nil })
		require.Equal(t, codes.Internal, status.Code(err))
		require.ErrorContains(t, err, "quote request")
		require.NotContains(t, err.Error(), "gone")
		err = h.stream(nil, quietStream{ctx: t.Context()}, &grpc.StreamServerInfo{FullMethod: "/x/Y"}, func(any, grpc.ServerStream) error { return nil })
		require.Equal(t, codes.Internal, status.Code(err))
		require.Equal(t, append(logged, logged...), lines)
	}
}
