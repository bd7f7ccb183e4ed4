package copay

import (
	"errors"
	"fmt"
)

// Code is the small closed set of reasons why the domain refuses something.
// It maps once to gRPC status codes and once to Temporal error types.
type Code string

// The reasons.
const (
	CodeInvalid      Code = "invalid"      // the input is wrong whatever the state
	CodeNotFound     Code = "not_found"    // no such co-pay, payment, refund…
	CodeConflict     Code = "conflict"     // the same key was used for something else
	CodePrecondition Code = "precondition" // it makes no sense in the present state
	CodePermission   Code = "permission"   // this actor may not do it
	CodeNeedsSecond  Code = "needs_second" // a second person must approve
	CodeUnavailable  Code = "unavailable"  // a dependency is down; try again later
)

// Error is a refusal that a person can act on. Message names what happened
// and what to do next; it never contains PHI or secrets. Field is the input
// field at fault, when there is one.
type Error struct {
	Code    Code   `json:"code"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Errorf makes an *Error. field may be empty.
func Errorf(code Code, field, format string, args ...any) *Error {
	return &Error{Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}

// CodeOf returns the code of the first *Error in err's chain, or "".
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
