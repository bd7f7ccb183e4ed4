package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"google.golang.org/genproto/googleapis/api/annotations"

	"github.com/copayflow/copayflow/copay"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// methods walks the contract.
func methods() []protoreflect.MethodDescriptor {
	var out []protoreflect.MethodDescriptor
	protoregistry.GlobalFiles.RangeFilesByPackage("copay.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			ms := f.Services().Get(i).Methods()
			for j := range ms.Len() {
				out = append(out, ms.Get(j))
			}
		}
		return true
	})
	return out
}

func fullName(m protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
}

func TestEveryMethodSaysWhoMayCallIt(t *testing.T) {
	t.Parallel()
	table, err := readAccess()
	require.NoError(t, err)
	require.NotEmpty(t, methods())
	for _, m := range methods() {
		require.NotEmpty(t, table[fullName(m)], m.FullName())
		require.NotContains(t, table[fullName(m)], copay.Role(""), "ROLE_UNSPECIFIED grants nothing")
		rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
		require.NotNil(t, rule, "%s has no REST binding", m.FullName())
		writes := rule.GetPost() != "" && m.Name() != "TestConnection"
		if writes {
			require.NotNil(t, m.Input().Fields().ByName("request_id"), "%s writes: it needs an idempotency key", m.FullName())
			require.NotContains(t, table[fullName(m)], copay.RoleAuditor, "auditors change nothing (%s)", m.FullName())
		}
		if writes && m.Name() != "StartCoPay" {
			require.NotNil(t, m.Input().Fields().ByName("reason"), "%s: staff say why", m.FullName())
		}
		require.Nil(t, m.Input().Fields().ByName("actor"), "the actor comes from the token only (%s)", m.FullName())
	}
	require.Len(t, table, len(methods()))
}

// TestAccessMatrix calls each method as each role, as nobody, and in
// another practice.
func TestAccessMatrix(t *testing.T) {
	t.Parallel()
	b := setup(t)
	table, err := readAccess()
	require.NoError(t, err)
	call := func(m protoreflect.MethodDescriptor, header, practice string) error {
		ctx := t.Context()
		if header != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", header)
		}
		in, out := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
		in.Set(m.Input().Fields().ByName("practice_id"), protoreflect.ValueOfString(practice))
		if id := m.Input().Fields().ByName("copay_id"); id != nil {
			in.Set(id, protoreflect.ValueOfString("not-an-id")) // streams end at validation, too
		}
		if !m.IsStreamingServer() {
			return b.s.conn.Invoke(ctx, fullName(m), in, out)
		}
		watch, err := copayv1.NewCoPayServiceClient(b.s.conn).WatchCoPay(ctx, &copayv1.WatchCoPayRequest{PracticeId: practice, CopayId: "not-an-id"})
		require.NoError(t, err)
		_, err = watch.Recv()
		return err
	}
	all := []copay.Role{copay.RoleFrontDesk, copay.RoleBiller, copay.RoleAuditor, copay.RoleAdmin, copay.RoleService, "nonsense"}
	for _, m := range methods() {
		require.Equal(t, codes.Unauthenticated, status.Code(call(m, "", "maple")), m.FullName())
		require.Equal(t, codes.Unauthenticated, status.Code(call(m, "Bearer forged.token.here", "maple")), m.FullName())
		for _, role := range all {
			got := status.Code(call(m, token(t, "ana", []string{string(role)}, []string{"maple"}), "maple"))
			allowed := false
			for _, r := range table[fullName(m)] {
				allowed = allowed || r == role
			}
			require.NotEqual(t, codes.Unimplemented, got, m.FullName())
			require.Equal(t, !allowed, got == codes.PermissionDenied, "%s as %s: %s", m.FullName(), role, got)
			got = status.Code(call(m, token(t, "ana", []string{string(role)}, []string{"maple"}), "oak"))
			require.Equal(t, codes.PermissionDenied, got, "%s as %s of another practice", m.FullName(), role)
		}
	}
	require.Empty(t, b.calls, "no refused call reached a workflow")
	require.NotContains(t, strings.ToLower(b.log.String()), "bearer")
}

func TestARefusedCallerReadsWhoMay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := copayv1.NewCoPayServiceClient(b.s.conn).WaiveCoPay(as(t, "auditor"), &copayv1.WaiveCoPayRequest{PracticeId: "maple"})
	require.Equal(t, "your role does not allow this; it takes biller or admin", status.Convert(err).Message())
}
