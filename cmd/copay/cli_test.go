package main

import (
	"bytes"
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// fake is an API whose co-pay settles when it is paid.
type fake struct {
	copayv1.UnimplementedCoPayServiceServer
	paid   *copayv1.RecordManualPaymentRequest
	refuse error
	auth   string
}

func (f *fake) GetCoPay(ctx context.Context, in *copayv1.GetCoPayRequest) (*copayv1.GetCoPayResponse, error) {
	if md, ok := metadata.FromIncomingContext(ctx); ok && len(md.Get("authorization")) > 0 {
		f.auth = md.Get("authorization")[0]
	}
	if f.refuse != nil {
		return nil, f.refuse
	}
	return &copayv1.GetCoPayResponse{Copay: &copayv1.CoPay{Id: in.GetCopayId(), State: copayv1.State_STATE_NEEDS_REVIEW,
		Amounts: &copayv1.Amounts{Billed: &copayv1.Money{Minor: 145_00, Currency: "USD"}},
		Review:  &copayv1.Review{Kind: copayv1.ReviewKind_REVIEW_KIND_INACTIVE, Message: "not active", Choices: []copayv1.Choice{copayv1.Choice_CHOICE_RETRY}}}}, nil
}

func (f *fake) RecordManualPayment(_ context.Context, in *copayv1.RecordManualPaymentRequest) (*copayv1.RecordManualPaymentResponse, error) {
	f.paid = in
	return &copayv1.RecordManualPaymentResponse{Copay: &copayv1.CoPay{Id: in.GetCopayId(), State: copayv1.State_STATE_SETTLED}}, f.refuse
}

func run(t *testing.T, f *fake, args ...string) (string, error) {
	t.Helper()
	srv := grpc.NewServer()
	copayv1.RegisterCoPayServiceServer(srv, f)
	return against(t, srv, args...)
}

// against runs a command with a server that is up as long as the test.
func against(t *testing.T, srv *grpc.Server, args ...string) (string, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(srv.Stop)
	var out bytes.Buffer
	cmd := root()
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(append([]string{"--address", l.Addr().String(), "--practice", "maple", "--token", "tok"}, args...))
	err = cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestGetPrintsForPeopleAndMachines(t *testing.T) {
	f := &fake{}
	text, err := run(t, f, "get", "cp_0123456789abcdef")
	require.NoError(t, err)
	require.Contains(t, text, "needs_review")
	require.Contains(t, text, "$145.00")
	require.Contains(t, text, "--choice retry")
	require.Equal(t, "Bearer tok", f.auth)
	raw, err := run(t, f, "get", "cp_0123456789abcdef", "--json")
	require.NoError(t, err)
	require.JSONEq(t, `{"copay":{"id":"cp_0123456789abcdef","state":"STATE_NEEDS_REVIEW","amounts":{"billed":{"minor":"14500","currency":"USD"}},
		"review":{"kind":"REVIEW_KIND_INACTIVE","message":"not active","choices":["CHOICE_RETRY"]}}}`, raw)
}

func TestActsCarryReasonAmountAndRequestID(t *testing.T) {
	f := &fake{}
	_, err := run(t, f, "pay", "cp_0123456789abcdef", "--rail", "check", "--amount", "$25.50", "--reason", "at the desk", "--number", "1001")
	require.NoError(t, err)
	require.EqualValues(t, 25_50, f.paid.GetAmount().GetMinor())
	require.Equal(t, copayv1.Rail_RAIL_CHECK, f.paid.GetRail())
	require.NotEmpty(t, f.paid.GetRequestId())
	_, err = run(t, f, "pay", "cp_0123456789abcdef", "--amount", "1", "--reason", "r", "--request-id", "mine")
	require.NoError(t, err)
	require.Equal(t, "mine", f.paid.GetRequestId())
}

func TestUsageMistakes(t *testing.T) {
	for name, args := range map[string][]string{
		"no reason": {"pay", "cp_0123456789abcdef", "--amount", "1"}, "bad amount": {"pay", "cp_0123456789abcdef", "--amount", "lots", "--reason", "r"},
		"bad rail": {"pay", "cp_0123456789abcdef", "--amount", "1", "--rail", "gold", "--reason", "r"}, "no id": {"get"}, "unknown flag": {"list", "--nonsense"},
		"unknown state": {"list", "--state", "happy"}, "unknown command": {"dance"},
	} {
		_, err := run(t, &fake{}, args...)
		require.Error(t, err, name)
		require.Equal(t, exitUsage, exitCode(err), "%s: %v", name, err)
	}
}

func TestExitCodesFollowTheAnswer(t *testing.T) {
	for code, want := range map[codes.Code]int{codes.NotFound: exitNotFound, codes.FailedPrecondition: exitRefused, codes.PermissionDenied: exitPermission,
		codes.Unauthenticated: exitPermission, codes.Unavailable: exitUnavailable, codes.Internal: exitFailure} {
		_, err := run(t, &fake{refuse: status.Error(code, "no")}, "get", "cp_0123456789abcdef")
		require.Equal(t, want, exitCode(err), code)
	}
	st, err := status.New(codes.InvalidArgument, "refused").WithDetails(&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "amount", Description: "too much"}}})
	require.NoError(t, err)
	_, err = run(t, &fake{refuse: st.Err()}, "get", "cp_0123456789abcdef")
	require.ErrorContains(t, err, "amount: too much")
}
