package copay

import "slices"

// Role is what somebody may do.
type Role string

// The roles of the product.
const (
	RoleFrontDesk Role = "front_desk"
	RoleBiller    Role = "biller"
	RoleAuditor   Role = "auditor"
	RoleAdmin     Role = "admin"
	RoleService   Role = "service" // machines: the EHR's integration, schedulers
)

// Actor is who did something, verified from a token, never taken from a
// request body.
type Actor struct {
	ID    string `json:"id"`   // token subject, "patient", or "platform:stripe"
	Kind  string `json:"kind"` // staff, patient, platform, system
	Roles []Role `json:"roles,omitempty"`
}

// Has reports whether the actor holds one of the roles.
func (a Actor) Has(roles ...Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(a.Roles, r) })
}

// System is the product itself.
func System() Actor { return Actor{ID: "copayflow", Kind: "system"} }

// PlatformActor is a platform that told us something.
func PlatformActor(p Platform) Actor { return Actor{ID: "platform:" + string(p), Kind: "platform"} }

// Patient is the patient acting through their link.
func Patient() Actor { return Actor{ID: "patient", Kind: "patient"} }
