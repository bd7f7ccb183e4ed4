package quickbooks

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// Codes that the connector acts on.
const (
	codeDuplicateRequest = "600"
	codeNotFound         = "610"
	codeBadReference     = "2500"
	codeThrottled        = "3001"
	codeStale            = "5010"
	codeDuplicateNumber  = "6140"
	codeDuplicateName    = "6240"
	codeInternal         = "10000"
)

// throttlePause is how long Intuit asks to wait after a 429 (Limits and
// throttles); a Retry-After header is not promised.
const throttlePause = 60 * time.Second

type reading struct {
	kind    integrations.Kind
	message string
}

// readings says what the codes mean (Error codes). Other codes are read by
// the HTTP status.
var readings = map[string]reading{
	codeDuplicateRequest: {integrations.KindInvalid, "the same request was made before"},
	codeNotFound:         {integrations.KindNotFound, "the record is not in the books, or was deleted or made inactive"},
	"2010":               {integrations.KindInvalid, "a property is not supported"},
	"2020":               {integrations.KindInvalid, "a required value is missing"},
	"2050":               {integrations.KindInvalid, "a text is too long"},
	codeBadReference:     {integrations.KindInvalid, "a customer, item, account or payment method does not exist or is inactive"},
	"4000":               {integrations.KindInvalid, "the query is malformed"},
	"4001":               {integrations.KindInvalid, "the query names a field that cannot be searched"},
	codeThrottled:        {integrations.KindRateLimited, "too many calls to this company"},
	"3100":               {integrations.KindUnauthorized, "the app is not allowed into this company; connect QuickBooks again"},
	"3200":               {integrations.KindUnauthorized, "the access token is not valid"},
	codeStale:            {integrations.KindUnavailable, "somebody else changed the record at the same moment; try again"},
	"6000":               {integrations.KindInvalid, "the books refuse it (closed period or amount); look at the document in QuickBooks"},
	"6070":               {integrations.KindInvalid, "the amounts of the document do not add up"},
	codeDuplicateNumber:  {integrations.KindInvalid, "the document number is taken"},
	"6190":               {integrations.KindUnauthorized, "the QuickBooks subscription of this company has ended"},
	"6210":               {integrations.KindInvalid, "the accounting period is closed; ask the bookkeeper"},
	codeDuplicateName:    {integrations.KindInvalid, "the name is taken by another customer, vendor or employee"},
	"6540":               {integrations.KindInvalid, "the payment is part of a deposit and cannot be changed"},
}

// classify reads an error answer. Fault texts can name customers, so only the
// code goes on.
func classify(status int, h http.Header, body []byte) transport.Failure {
	f := transport.Failure{RequestID: traceID(h)}
	var a struct{ Fault *fault }
	if json.Unmarshal(body, &a) == nil {
		f.Code = a.Fault.code()
	}
	switch {
	case status == http.StatusTooManyRequests || f.Code == codeThrottled:
		f.Kind, f.Message = integrations.KindRateLimited, readings[codeThrottled].message
		if f.RetryAfter = transport.RetryAfter(h); f.RetryAfter == 0 {
			f.RetryAfter = throttlePause
		}
	case status >= http.StatusInternalServerError, status == http.StatusUnauthorized, status == http.StatusForbidden:
		f.Message = readings[f.Code].message // the status decides the kind
	case f.Code == codeInternal:
		f.Kind = integrations.KindUnknown // an internal failure, whatever the status says
	default:
		r := readings[f.Code]
		f.Kind, f.Message = r.kind, r.message
	}
	return f
}

var codePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// code is the first error's code without leading zeros ("003001" is 3001).
func (f *fault) code() string {
	if f == nil || len(f.Error) == 0 {
		return ""
	}
	e := f.Error[0]
	c := strings.TrimLeft(strings.Trim(string(e.Code), `"`), "0")
	if strings.Contains(e.Message, "ThrottleExceeded") {
		c = codeThrottled
	}
	if !codePattern.MatchString(c) {
		return ""
	}
	return c
}

// traceID is Intuit's id of the exchange, for its support.
func traceID(h http.Header) string {
	if id := h.Get("intuit_tid"); len(id) <= 64 && !strings.ContainsAny(id, " \r\n") {
		return id
	}
	return ""
}

// hasCode reports whether err is a refusal with one of the codes.
func hasCode(err error, codes ...string) bool {
	e := integrations.AsError(err)
	if e == nil {
		return false
	}
	for _, c := range codes {
		if e.Code == c {
			return true
		}
	}
	return false
}

// refused reports an answer by which nothing was written and which might be
// another one now. A number that is taken is looked up instead.
func refused(err error) bool {
	e := integrations.AsError(err)
	if e == nil || e.Code == "" || hasCode(err, codeDuplicateNumber, codeDuplicateRequest) {
		return false
	}
	return e.Kind == integrations.KindInvalid || e.Kind == integrations.KindNotFound || e.Code == codeStale
}

// refusedByBooks reports a definite refusal by a rule of accounting (6xxx):
// nothing was changed.
func refusedByBooks(err error) bool {
	e := integrations.AsError(err)
	return e != nil && e.Kind == integrations.KindInvalid && len(e.Code) == 4 && e.Code[0] == '6'
}
