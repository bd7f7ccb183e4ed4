package api

import (
	"context"
	"testing"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/copayflow/copayflow/copay"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// Nobody is answered with a regular expression.
func TestEveryPatternHasWords(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, m := range methods() {
		each(m.Input(), map[protoreflect.FullName]bool{}, func(f protoreflect.FieldDescriptor) {
			rules, _ := proto.GetExtension(f.Options(), validate.E_Field).(*validate.FieldRules)
			if p := rules.GetString().GetPattern(); p != "" {
				require.NotEmpty(t, patterns[p], "%s: say in words what %s means", f.FullName(), p)
				used[p] = true
			}
		})
	}
	require.Len(t, used, len(patterns), "words for a pattern that no field has")
}

func each(d protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool, do func(protoreflect.FieldDescriptor)) {
	if seen[d.FullName()] {
		return
	}
	seen[d.FullName()] = true
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		do(f)
		if f.Message() != nil {
			each(f.Message(), seen, do)
		}
	}
}

func TestARefusalSpeaksPlainly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := copayv1.NewCoPayServiceClient(b.s.conn).StartCoPay(as(t, "front_desk"), &copayv1.StartCoPayRequest{PracticeId: "maple", Ehr: "drchrono", RequestId: "r 1", ChargeId: "7 7"})
	text := status.Convert(err).Message()
	require.Contains(t, text, "charge_id: must be given, without spaces")
	require.Contains(t, text, "request_id: must have 1 to 128 letters")
	require.NotContains(t, text, "regex")
}

func TestRefusedValuesAreNamedAsTheContractNamesThem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := string(b.add(key, copay.StateAwaitingPayment).ID)
	c := copayv1.NewCoPayServiceClient(b.s.conn)
	pay := &copayv1.RecordManualPaymentRequest{PracticeId: "maple", CopayId: id, RequestId: "r", Reason: "x", Rail: copayv1.Rail_RAIL_LINK,
		Amount: &copayv1.Money{Minor: 1e12, Currency: "EUR"}}
	_, err := c.RecordManualPayment(as(t, "front_desk"), pay)
	text := status.Convert(err).Message()
	require.Contains(t, text, "rail: must be one of RAIL_CASH, RAIL_CHECK, RAIL_TERMINAL")
	require.Contains(t, text, "amount.minor: must not be more than one million dollars")
	require.Contains(t, text, "amount.currency: must be USD")
	_, err = c.ResolveReview(as(t, "biller"), &copayv1.ResolveReviewRequest{PracticeId: "maple", CopayId: id, RequestId: "r", Reason: "x"})
	require.Contains(t, status.Convert(err).Message(), "choice: must be one of CHOICE_RETRY, CHOICE_PROCEED, ")
	_, err = c.ListCoPays(as(t, "biller"), &copayv1.ListCoPaysRequest{PracticeId: "maple", States: []copayv1.State{99}})
	require.Contains(t, status.Convert(err).Message(), "states[0]: ")
	_, err = c.ListCoPays(as(t, "biller"), &copayv1.ListCoPaysRequest{PracticeId: "maple", Rail: 99})
	require.Contains(t, status.Convert(err).Message(), "rail: must be one of RAIL_LINK, RAIL_CARD_ON_FILE, ")
	_, err = c.ListCoPays(as(t, "biller"), &copayv1.ListCoPaysRequest{PracticeId: "maple", PageSize: 900})
	require.Contains(t, status.Convert(err).Message(), "page_size: must be", "what is plain enough stays as it is")
}

// Whoever proceeds "with 3 dollars" must not have the patient asked for 77.
func TestOnlySetAmountTakesAnAmount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := string(b.add(key, copay.StateNeedsReview).ID)
	b.update = func(context.Context, string, any, any) error { return nil }
	c := copayv1.NewCoPayServiceClient(b.s.conn)
	in := &copayv1.ResolveReviewRequest{PracticeId: "maple", CopayId: id, RequestId: "r", Reason: "x", Choice: copayv1.Choice_CHOICE_PROCEED, Amount: &copayv1.Money{Minor: 3_00, Currency: "USD"}}
	_, err := c.ResolveReview(as(t, "biller"), in)
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	require.Contains(t, status.Convert(err).Message(), "only the choice set_amount takes an amount")
	require.Equal(t, "amount", detail[*errdetails.BadRequest](t, err).GetFieldViolations()[0].GetField())
	require.Empty(t, b.calls)
	in.Choice = copayv1.Choice_CHOICE_SET_AMOUNT
	_, err = c.ResolveReview(as(t, "biller"), in)
	require.NoError(t, err)
}

func TestMoneyWasTakenOnADayThatWas(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := string(b.add(key, copay.StateAwaitingPayment).ID)
	b.update = func(context.Context, string, any, any) error { return nil }
	for day, want := range map[string]codes.Code{"": codes.OK, "2026-11-24": codes.OK, "2026-11-25": codes.OK, "2025-11-25": codes.OK,
		"2026-11-26": codes.InvalidArgument, "2027-01-01": codes.InvalidArgument, "2025-11-23": codes.InvalidArgument, "1999-01-01": codes.InvalidArgument, "2026-02-30": codes.InvalidArgument} {
		_, err := copayv1.NewCoPayServiceClient(b.s.conn).RecordManualPayment(as(t, "front_desk"), &copayv1.RecordManualPaymentRequest{PracticeId: "maple", CopayId: id,
			RequestId: "r", Reason: "x", Rail: copayv1.Rail_RAIL_CASH, Amount: &copayv1.Money{Minor: 100, Currency: "USD"}, Received: day})
		require.Equal(t, want, status.Code(err), "%q: %v", day, err)
	}
}
