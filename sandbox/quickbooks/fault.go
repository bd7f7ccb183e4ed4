package quickbookssim

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// fault is a refusal as the API words it.
type fault struct {
	status  int
	kind    string // ValidationFault, SystemFault…
	code    string
	message string
	detail  string
	element string
}

func refuse(code, message, detail string) *fault {
	return &fault{status: http.StatusBadRequest, kind: "ValidationFault", code: code, message: message, detail: detail}
}

func missing(element string) *fault {
	f := refuse("2020", "Required param missing, need to supply the required value for the API",
		"Required parameter "+element+" is missing in the request")
	f.element = element
	return f
}

func badReference(element string) *fault {
	f := refuse("2500", "Invalid Reference Id", "Invalid Reference Id : "+element)
	f.element = element
	return f
}

func tooLong(element string, most int) *fault {
	f := refuse("2050", "Invalid String Length", fmt.Sprintf("String length is longer than %d : %s", most, element))
	f.element = element
	return f
}

func business(detail string) *fault {
	return refuse("6000", "A business validation error has occurred while processing your request", "Business Validation Error: "+detail)
}

func notFound() *fault {
	return refuse("610", "Object Not Found", "Object Not Found : Something you're trying to use has been made inactive or was deleted.")
}

func stale() *fault {
	return refuse("5010", "Stale Object Error", "Stale Object Error : You and another user were working on this at the same time.")
}

func duplicateName() *fault {
	return refuse("6240", "Duplicate Name Exists Error", "The name supplied already exists. : Another customer, vendor or employee is already using this name.")
}

func duplicateNumber(n, holder string) *fault {
	return refuse("6140", "Duplicate Document Number Error", "Duplicate Document Number Error : You must specify a different number. This number has already been used. DocNumber="+n+" is assigned to TxnType="+holder)
}

// stamp is how the API writes times: seconds and the offset of the company.
const stamp = "2006-01-02T15:04:05-07:00"

var pacific = time.FixedZone("", -8*60*60)

func (s *Server) now() time.Time { return s.o.Time().In(pacific) }

// writeFault answers with a fault: JSON, or XML to a caller that did not ask
// for JSON.
func (s *Server) writeFault(w http.ResponseWriter, r *http.Request, f *fault) {
	if !wantsJSON(r) {
		writeXML(w, f, s.now().Format(withMillis))
		return
	}
	writeBody(w, f.status, s.faultBody(f))
}

// withMillis is how answers say when they were made.
const withMillis = "2006-01-02T15:04:05.000-07:00"

func (s *Server) faultBody(f *fault) []byte {
	b, err := json.Marshal(map[string]any{"time": s.now().Format(withMillis), "Fault": map[string]any{"type": f.kind,
		"Error": []map[string]string{{"Message": f.message, "Detail": f.detail, "code": f.code, "element": f.element}}}})
	if err != nil {
		panic(err) // texts always marshal
	}
	return b
}

func wantsJSON(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/json")
}

func writeXML(w http.ResponseWriter, f *fault, at string) {
	type xmlError struct {
		Code    string `xml:"code,attr"`
		Element string `xml:"element,attr,omitempty"`
		Message string
		Detail  string
	}
	type xmlFault struct {
		Type  string `xml:"type,attr"`
		Error xmlError
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(f.status)
	_, _ = w.Write([]byte(xml.Header))
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name `xml:"http://schema.intuit.com/finance/v3 IntuitResponse"`
		Time    string   `xml:"time,attr"`
		Fault   xmlFault
	}{Time: at, Fault: xmlFault{Type: f.kind, Error: xmlError{f.code, f.element, f.message, f.detail}}})
}

// writeGateway answers as the gateway in front of the API does: lower-case
// names, and a message that carries code and status.
func (s *Server) writeGateway(w http.ResponseWriter, status int, name, code, kind string) {
	sim.WriteJSON(w, status, map[string]any{"warnings": nil, "intuitObject": nil, "time": nil, "fault": map[string]any{"type": kind,
		"error": []map[string]any{{"message": fmt.Sprintf("message=%s; errorCode=%s; statusCode=%d", name, code, status),
			"detail": name, "code": strings.TrimLeft(code, "0"), "element": nil}}}})
}

func (s *Server) throttled(w http.ResponseWriter) {
	s.writeGateway(w, http.StatusTooManyRequests, "ThrottleExceeded", "003001", "SERVICE")
}

func (s *Server) unauthenticated(w http.ResponseWriter) {
	s.writeGateway(w, http.StatusUnauthorized, "AuthenticationFailed", "003200", "AUTHENTICATION")
}

func (s *Server) renderFault(w http.ResponseWriter, r *http.Request, k sim.FaultKind) {
	switch k {
	case sim.FaultRateLimit:
		s.throttled(w)
	case sim.FaultToken:
		s.unauthenticated(w)
	default:
		s.writeFault(w, r, &fault{status: http.StatusInternalServerError, kind: "SystemFault", code: "10000",
			message: "An application error has occurred while processing your request", detail: "System Failure Error"})
	}
}
