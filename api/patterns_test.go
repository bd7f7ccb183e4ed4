package api

import (
	"testing"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

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
	require.Contains(t, text, "charge_id: is given, without spaces")
	require.Contains(t, text, "request_id: has 1 to 128 letters")
	require.NotContains(t, text, "regex")
}
