package integrations

import (
	"context"
	"time"

	"github.com/copayflow/copayflow/copay"
)

// EligibilityChecker asks a payer, through a clearinghouse, what a patient's
// plan covers (X12 270/271 or its REST form).
type EligibilityChecker interface {
	// Check starts a check or returns the clearinghouse's fresh one.
	Check(ctx context.Context, r EligibilityRequest) (EligibilityResult, error)
	// Poll asks for the answer of a pending check by its handle.
	Poll(ctx context.Context, handle string) (EligibilityResult, error)
}

// EligibilityReader reads the last check that the EHR ran by itself.
type EligibilityReader interface {
	LastCheck(ctx context.Context, r EligibilityRequest) (copay.Benefits, error)
}

// EligibilityRequest is PHI.
type EligibilityRequest struct {
	Patient     Patient
	Insurance   Insurance
	Appointment copay.AppointmentID
	Service     copay.ServiceType
	On          copay.Date
	ProviderNPI string
}

// EligibilityResult is pending or carries benefits. A payer's own refusal
// (unknown member, bad date of birth) is a result with Benefits.Problem set,
// not an error.
type EligibilityResult struct {
	Pending    bool
	Handle     string
	RetryAfter time.Duration // suggestion for the next Poll
	Benefits   copay.Benefits
}
