package api

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/copayflow/copayflow/api/auth"
	"github.com/copayflow/copayflow/copay"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// access says who may call each method, by its full name.
type access map[string][]copay.Role

var roles = map[copayv1.Role]copay.Role{
	copayv1.Role_ROLE_FRONT_DESK: copay.RoleFrontDesk,
	copayv1.Role_ROLE_BILLER:     copay.RoleBiller,
	copayv1.Role_ROLE_AUDITOR:    copay.RoleAuditor,
	copayv1.Role_ROLE_ADMIN:      copay.RoleAdmin,
	copayv1.Role_ROLE_SERVICE:    copay.RoleService,
}

// practiceField is what every request names.
const practiceField = "practice_id"

// readAccess collects the access option of every method of the contract. A
// method without one, or whose request names no practice, is a mistake that
// stops the program.
func readAccess() (access, error) {
	table := access{}
	var fault error
	protoregistry.GlobalFiles.RangeFilesByPackage("copay.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				granted, _ := proto.GetExtension(m.Options(), copayv1.E_Access).(*copayv1.Access)
				if len(granted.GetRoles()) == 0 || m.Input().Fields().ByName(practiceField) == nil {
					fault = fmt.Errorf("api: method %s must say who may call it, and its request must name a practice", m.FullName())
					return false
				}
				name := fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
				for _, r := range granted.GetRoles() {
					table[name] = append(table[name], roles[r])
				}
			}
		}
		return true
	})
	return table, fault
}

// ofPractice is what every request of the contract is.
type ofPractice interface{ GetPracticeId() string }

// may reports why the caller may not make this request, or nil. An empty
// practice is left to validation.
func (a access) may(ctx context.Context, method string, req any) error {
	who, ok := auth.From(ctx)
	if !ok {
		return &auth.Error{Message: "sign in"}
	}
	if !who.Actor.Has(a[method]...) {
		return copay.Errorf(copay.CodePermission, "", "your role does not allow this; it takes %s", either(a[method]))
	}
	if r, ok := req.(ofPractice); ok && r.GetPracticeId() != "" && !who.May(copay.PracticeID(r.GetPracticeId())) {
		return copay.Errorf(copay.CodePermission, practiceField, "you do not belong to this practice")
	}
	return nil
}

// either names roles of which one is enough.
func either(roles []copay.Role) string {
	var names []string
	for _, r := range roles {
		names = append(names, string(r))
	}
	return strings.Join(names, " or ")
}
