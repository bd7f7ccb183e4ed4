package integrations

import (
	"errors"
	"fmt"
	"time"

	"github.com/copayflow/copayflow/copay"
)

// Kind is what a failure means to the caller, whatever the platform calls it.
type Kind string

// The kinds.
const (
	// KindDeclined: the patient's bank or the platform's risk rules said no.
	// A business outcome; the same request again gives the same answer.
	KindDeclined Kind = "declined"
	// KindInvalid: the platform refuses the request as it is.
	KindInvalid Kind = "invalid"
	// KindNotFound: the platform does not know the thing that was named.
	KindNotFound Kind = "not_found"
	// KindUnauthorized: credentials are wrong, expired for good or lack a scope.
	KindUnauthorized Kind = "unauthorized"
	// KindRateLimited: too many requests; nothing was done. See RetryAfter.
	KindRateLimited Kind = "rate_limited"
	// KindUnavailable: the platform is down or refused to start; nothing was done.
	KindUnavailable Kind = "unavailable"
	// KindUnknown: the request was sent and the outcome is not known. On a
	// call that moves money or posts it must be resolved by looking up.
	KindUnknown Kind = "unknown"
)

// Error is a classified failure of a platform's call. Its text is safe to log
// and to show to staff: it never contains a body, PHI or a secret.
type Error struct {
	Kind     Kind
	Platform copay.Platform
	Op       string // "payment_intents.create"
	Status   int    // HTTP status, 0 when there was no answer
	Code     string // the platform's own code: "card_declined", "21610", "5010"
	Message  string // safe, written by us; never the platform's raw text
	// RequestID is the platform's id of the exchange, for its support.
	RequestID  string
	RetryAfter time.Duration // for KindRateLimited and KindUnavailable, when known
	// Final is for KindDeclined: never try this instrument again.
	Final bool
	Err   error // cause, not printed
}

// Error implements error.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %s: %s", e.Platform, e.Op, e.Kind)
	if e.Status != 0 {
		s += fmt.Sprintf(" (HTTP %d)", e.Status)
	}
	if e.Code != "" {
		s += " code " + e.Code
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.RequestID != "" {
		s += " [request " + e.RequestID + "]"
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the first *Error in err's chain; KindUnknown for
// any other error, because not knowing is the only safe reading of it.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindUnknown
}

// AsError returns the first *Error in err's chain, or nil.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// NotFound makes the answer of a look-up that found nothing.
func NotFound(p copay.Platform, op string) *Error {
	return &Error{Kind: KindNotFound, Platform: p, Op: op}
}
