// Package auth finds out who is calling: people by tokens of the practice's
// identity provider, machines by keys of which only hashes are kept. Who did
// something is never taken from anywhere else.
package auth

import (
	"context"
	"slices"
	"time"

	"github.com/copayflow/copayflow/copay"
)

// Principal is a verified caller.
type Principal struct {
	Actor     copay.Actor
	Practices []copay.PracticeID
	// All says that the caller belongs to every practice.
	All bool
	// For is how long the token still holds; 0 is without end.
	For time.Duration
}

// May reports whether the caller belongs to a practice.
func (p Principal) May(practice copay.PracticeID) bool {
	return practice != "" && (p.All || slices.Contains(p.Practices, practice))
}

// Error says why a caller was not recognised. Its text is safe for anybody.
type Error struct {
	Message string
	// Later says that nothing is wrong with the caller: we cannot tell just now.
	Later bool
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

type contextKey struct{}

// With keeps the caller for the handlers of a request.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From gives the caller of a request; ok is false when nobody was verified.
func From(ctx context.Context) (p Principal, ok bool) {
	p, ok = ctx.Value(contextKey{}).(Principal)
	return p, ok
}

// AllPractices in a token or key stands for every practice.
const AllPractices = "*"

// principal makes a caller of what a token or key grants. Roles there are not
// are left out: they grant nothing.
func principal(id, kind string, roles, practices []string) Principal {
	p := Principal{Actor: copay.Actor{ID: id, Kind: kind}}
	for _, r := range roles {
		if role := copay.Role(r); known(role) && !slices.Contains(p.Actor.Roles, role) {
			p.Actor.Roles = append(p.Actor.Roles, role)
		}
	}
	for _, name := range practices {
		if name == AllPractices {
			p.All = true
			continue
		}
		if id := copay.PracticeID(name); id.Validate() == nil {
			p.Practices = append(p.Practices, id)
		}
	}
	return p
}

func known(r copay.Role) bool {
	switch r {
	case copay.RoleFrontDesk, copay.RoleBiller, copay.RoleAuditor, copay.RoleAdmin, copay.RoleService:
		return true
	}
	return false
}
