package stripesim

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// apiError is the platform's error object (docs.stripe.com/api/errors).
type apiError struct {
	status int
	// kept says that the error arose during execution, so that an idempotency
	// key replays it; refusals of the parameters are not kept.
	kept bool

	Type          string `json:"type"`
	Code          string `json:"code,omitempty"`
	DeclineCode   string `json:"decline_code,omitempty"`
	DocURL        string `json:"doc_url,omitempty"`
	Message       string `json:"message,omitempty"`
	Param         string `json:"param,omitempty"`
	Charge        string `json:"charge,omitempty"`
	PaymentIntent obj    `json:"payment_intent,omitempty"`
	PaymentMethod obj    `json:"payment_method,omitempty"`
	RequestLogURL string `json:"request_log_url,omitempty"`
}

func (e *apiError) body() obj {
	if e.Code != "" {
		e.DocURL = "https://stripe.com/docs/error-codes/" + strings.ReplaceAll(e.Code, "_", "-")
	}
	return obj{"error": e}
}

func (e *apiError) write(w http.ResponseWriter) { sim.WriteJSON(w, e.status, e.body()) }

// invalid refuses a request's parameters.
func invalid(code, param, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, Type: "invalid_request_error", Code: code, Param: param, Message: fmt.Sprintf(format, args...)}
}

// conflicts refuses a request because of the state of what it is about.
func conflicts(code, format string, args ...any) *apiError {
	e := invalid(code, "", format, args...)
	e.kept = true
	return e
}

// missing says that an object named in the path does not exist.
func missing(kind, id, param string) *apiError {
	e := invalid("resource_missing", param, "No such %s: '%s'", kind, id)
	e.status = http.StatusNotFound
	return e
}

// missingRef says that an object named in a parameter does not exist.
func missingRef(kind, id, param string) *apiError {
	return invalid("resource_missing", param, "No such %s: '%s'", kind, id)
}

func required(param string) *apiError {
	return invalid("parameter_missing", param, "Missing required param: %s.", param)
}

func serverError() *apiError {
	return &apiError{status: http.StatusInternalServerError, Type: "api_error", kept: true,
		Message: "An unknown error occurred. Please try again."}
}
