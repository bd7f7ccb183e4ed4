package activities

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// Failure is the detail that every failed activity carries; its text is safe
// to show to staff.
type Failure struct {
	Kind     integrations.Kind `json:"kind"`
	Platform copay.Platform    `json:"platform,omitempty"`
	Code     string            `json:"code,omitempty"`
	Final    bool              `json:"final,omitempty"`
	Message  string            `json:"message"`
	// Wait is how long the platform asks to be left alone, where that is for the
	// workflow to wait out.
	Wait time.Duration `json:"wait,omitempty"`
}

// FailureOf reads the Failure out of an error an activity returned to a
// workflow. An error that carries none is Unavailable: broken, try again.
func FailureOf(err error) Failure {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		var f Failure
		if app.HasDetails() && app.Details(&f) == nil && f.Kind != "" {
			return f
		}
		return Failure{Kind: integrations.Kind(app.Type()), Message: app.Message()}
	}
	var to *temporal.TimeoutError
	if errors.As(err, &to) {
		return Failure{Kind: integrations.KindUnknown, Message: "the step did not finish in time"}
	}
	return Failure{Kind: integrations.KindUnavailable, Message: "the step could not be run"}
}

// heldBack is the longest that a step waits out by itself, unseen, what a platform
// asks for.
const heldBack = time.Minute

// visibly is classify for steps at the EHR and in the books, whose limits hold for up
// to an hour: what has to wait so long waits in the workflow, where people see it.
func visibly(err error) error {
	e := integrations.AsError(err)
	if e == nil || e.Kind != integrations.KindRateLimited || e.RetryAfter <= heldBack {
		return classify(err)
	}
	f := Failure{Kind: e.Kind, Platform: e.Platform, Code: e.Code, Message: e.Error(), Wait: e.RetryAfter}
	return temporal.NewApplicationErrorWithOptions(f.Message, string(e.Kind), temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{f}})
}

// classify turns any error into the Temporal error that has the right retry
// behaviour: what the same request cannot cure is not retried; a throttled
// call waits as long as the platform asks; everything else backs off.
func classify(err error) error {
	if err == nil {
		return nil
	}
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return err
	}
	if e := integrations.AsError(err); e != nil {
		f := Failure{Kind: e.Kind, Platform: e.Platform, Code: e.Code, Final: e.Final, Message: e.Error()}
		opts := temporal.ApplicationErrorOptions{Details: []any{f}}
		switch e.Kind {
		case integrations.KindDeclined, integrations.KindInvalid, integrations.KindNotFound, integrations.KindUnauthorized:
			opts.NonRetryable = true
		case integrations.KindRateLimited, integrations.KindUnavailable, integrations.KindUnknown:
			opts.NextRetryDelay = min(e.RetryAfter, time.Hour)
		}
		return temporal.NewApplicationErrorWithOptions(f.Message, string(e.Kind), opts)
	}
	var d *copay.Error
	if errors.As(err, &d) {
		kind := integrations.KindInvalid
		switch d.Code {
		case copay.CodeUnavailable:
			kind = integrations.KindUnavailable
		case copay.CodeNotFound:
			kind = integrations.KindNotFound
		}
		f := Failure{Kind: kind, Message: d.Message, Code: string(d.Code)}
		return temporal.NewApplicationErrorWithOptions(d.Message, string(kind), temporal.ApplicationErrorOptions{
			NonRetryable: kind != integrations.KindUnavailable, Details: []any{f}})
	}
	// Whatever else (database, configuration) may hold anything in its text,
	// and the SDK logs causes: only the kind of error goes on.
	return temporal.NewApplicationErrorWithOptions(fmt.Sprintf("a dependency failed (%T); the step will be tried again", err), string(integrations.KindUnavailable),
		temporal.ApplicationErrorOptions{Details: []any{Failure{Kind: integrations.KindUnavailable, Message: "a dependency failed"}}})
}
