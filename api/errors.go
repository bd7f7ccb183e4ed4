package api

import (
	"context"
	"errors"
	"strings"
	"time"

	"buf.build/go/protovalidate"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/copayflow/copayflow/api/auth"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// domain names us in error details and measurements.
const domain = "copayflow"

// grpcCodes is the one translation of the domain's refusals.
var grpcCodes = map[copay.Code]codes.Code{
	copay.CodeInvalid:      codes.InvalidArgument,
	copay.CodeNotFound:     codes.NotFound,
	copay.CodeConflict:     codes.AlreadyExists,
	copay.CodePrecondition: codes.FailedPrecondition,
	copay.CodePermission:   codes.PermissionDenied,
	copay.CodeNeedsSecond:  codes.FailedPrecondition,
	copay.CodeUnavailable:  codes.Unavailable,
}

// retryIn is how long callers are asked to wait for what is down.
const retryIn = 2 * time.Second

// toStatus turns whatever a handler returned into what the caller may see.
// masked reports that its text was withheld and belongs into the log.
func toStatus(err error, requestID string) (s *status.Status, masked bool) {
	info := &errdetails.RequestInfo{RequestId: requestID}
	e, fields := explain(err)
	if e == nil {
		s = status.New(codes.Internal, "something went wrong on our side; when you report it, quote request "+requestID)
		return with(s, info), true
	}
	code, ok := grpcCodes[e.Code]
	switch e.Code {
	case codeUnauthenticated:
		code = codes.Unauthenticated
	case codeTimeout:
		code = codes.DeadlineExceeded
	case codeCancelled:
		code = codes.Canceled
	default:
		if !ok {
			code = codes.Unknown
		}
	}
	details := []protoadapt.MessageV1{info, &errdetails.ErrorInfo{Reason: strings.ToUpper(string(e.Code)), Domain: domain}}
	if e.Field != "" {
		fields = append(fields, &errdetails.BadRequest_FieldViolation{Field: e.Field, Description: e.Message})
	}
	if len(fields) > 0 {
		details = append(details, &errdetails.BadRequest{FieldViolations: fields})
	}
	if code == codes.Unavailable {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(retryIn)})
	}
	return with(status.New(code, e.Message), details...), false
}

func with(s *status.Status, details ...protoadapt.MessageV1) *status.Status {
	if d, err := s.WithDetails(details...); err == nil {
		return d
	}
	return s
}

// Reasons that the domain does not have.
const (
	codeUnauthenticated copay.Code = "unauthenticated"
	codeTimeout         copay.Code = "timeout"
	codeCancelled       copay.Code = "cancelled"
)

// explain finds the refusal inside an error; nil when there is none that a
// caller may see.
func explain(err error) (*copay.Error, []*errdetails.BadRequest_FieldViolation) {
	var invalid *protovalidate.ValidationError
	if errors.As(err, &invalid) {
		return violations(invalid)
	}
	if e := refusalOf(err); e != nil {
		return e, nil
	}
	var who *auth.Error
	if errors.As(err, &who) && who.Later {
		return copay.Errorf(copay.CodeUnavailable, "", "%s", who.Message), nil
	}
	if who != nil {
		return copay.Errorf(codeUnauthenticated, "", "%s", who.Message), nil
	}
	var platform *integrations.Error
	if errors.As(err, &platform) {
		return ofPlatform(platform), nil
	}
	return ofInfrastructure(err), nil
}

// refusalOf finds the domain's refusal, also one that came back from a
// workflow's update.
func refusalOf(err error) *copay.Error {
	var e *copay.Error
	if errors.As(err, &e) {
		return e
	}
	var app *temporal.ApplicationError
	if !errors.As(err, &app) {
		return nil
	}
	if _, ours := grpcCodes[copay.Code(app.Type())]; !ours {
		return nil
	}
	if app.HasDetails() && app.Details(&e) == nil && e != nil && e.Message != "" {
		return e
	}
	return copay.Errorf(copay.Code(app.Type()), "", "%s", app.Message())
}

func ofPlatform(e *integrations.Error) *copay.Error {
	switch e.Kind {
	case integrations.KindNotFound:
		return copay.Errorf(copay.CodeNotFound, "", "%s", e.Error())
	case integrations.KindDeclined, integrations.KindInvalid, integrations.KindUnauthorized:
		return copay.Errorf(copay.CodePrecondition, "", "%s", e.Error())
	}
	return copay.Errorf(copay.CodeUnavailable, "", "%s", e.Error())
}

// ofInfrastructure names what is down without its words, which are not ours.
func ofInfrastructure(err error) *copay.Error {
	var late *client.WorkflowUpdateServiceTimeoutOrCanceledError
	var deadline *serviceerror.DeadlineExceeded
	switch {
	case errors.Is(err, context.Canceled):
		return copay.Errorf(codeCancelled, "", "the caller hung up")
	case errors.As(err, &late), errors.As(err, &deadline), errors.Is(err, context.DeadlineExceeded):
		return copay.Errorf(codeTimeout, "", "it was not confirmed in time and may still happen; repeat it with the same request_id to learn the outcome")
	}
	var down *serviceerror.Unavailable
	var busy *serviceerror.ResourceExhausted
	var notReady *serviceerror.WorkflowNotReady
	if errors.As(err, &down) || errors.As(err, &busy) || errors.As(err, &notReady) {
		return copay.Errorf(copay.CodeUnavailable, "", "the workflow service cannot answer now; try again in a moment")
	}
	return nil
}

// late reports that an update was not confirmed in time.
func late(err error) bool {
	e := ofInfrastructure(err)
	return e != nil && e.Code == codeTimeout
}

func violations(err *protovalidate.ValidationError) (*copay.Error, []*errdetails.BadRequest_FieldViolation) {
	var fields []*errdetails.BadRequest_FieldViolation
	var texts []string
	for _, v := range err.Violations {
		field := protovalidate.FieldPathString(v.Proto.GetField())
		if field == "" { // a rule about several fields is named after the one at fault: review.amount
			field = v.Proto.GetRuleId()[strings.LastIndex(v.Proto.GetRuleId(), ".")+1:]
		}
		text := words(v)
		fields = append(fields, &errdetails.BadRequest_FieldViolation{Field: field, Description: text, Reason: v.Proto.GetRuleId()})
		texts = append(texts, strings.TrimPrefix(field+": "+text, ": "))
	}
	return copay.Errorf(copay.CodeInvalid, "", "the request is not valid: %s", strings.Join(texts, "; ")), fields
}
