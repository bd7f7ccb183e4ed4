package twiliosim

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// field is one property of a resource under its JSON name; fields keep their
// order and can be written as JSON and as XML.
type field struct {
	name  string
	value any
}

type fields []field

// MarshalJSON implements json.Marshaler.
func (f fields) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, x := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		v, err := json.Marshal(x.value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", x.name, v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// element writes a value as an XML element; snake_case becomes CamelCase.
func element(b *bytes.Buffer, name string, v any) {
	fmt.Fprintf(b, "<%s>", name)
	switch v := v.(type) {
	case fields:
		for _, x := range v {
			element(b, camel(x.name), x.value)
		}
	case []fields:
		for _, x := range v {
			element(b, "Message", x)
		}
	case nil:
	default:
		_ = xml.EscapeText(b, []byte(fmt.Sprint(v)))
	}
	fmt.Fprintf(b, "</%s>", name)
}

func camel(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

func (a answer) write(w http.ResponseWriter, asXML bool) {
	if a.status == http.StatusNoContent {
		w.WriteHeader(a.status)
		return
	}
	respond(w, asXML, a.status, a.name, a.fields)
}

// respond writes JSON when the path ended in .json, else XML.
func respond(w http.ResponseWriter, asXML bool, status int, name string, f fields) {
	if !asXML {
		sim.WriteJSON(w, status, f)
		return
	}
	var b bytes.Buffer
	b.WriteString(`<?xml version='1.0' encoding='UTF-8'?><TwilioResponse>`)
	element(&b, name, f)
	b.WriteString(`</TwilioResponse>`)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// apiError is the platform's error body.
type apiError struct {
	status, code int
	message      string
}

func failure(status, code int, format string, args ...any) *apiError {
	return &apiError{status, code, fmt.Sprintf(format, args...)}
}

// invalid refuses a request's parameters.
func invalid(code int, format string, args ...any) *apiError {
	return failure(http.StatusBadRequest, code, format, args...)
}

func notFound(r *http.Request) *apiError {
	return failure(http.StatusNotFound, 20404, "The requested resource %s was not found", r.URL.Path)
}

func (e *apiError) write(w http.ResponseWriter, asXML bool) {
	respond(w, asXML, e.status, "RestException", fields{{"code", e.code}, {"message", e.message},
		{"more_info", fmt.Sprintf("https://www.twilio.com/docs/errors/%d", e.code)}, {"status", e.status}})
}

// renderFault writes the platform's own bodies of throttling, failure and
// credentials that were revoked.
func renderFault(w http.ResponseWriter, r *http.Request, k sim.FaultKind) {
	asXML := !strings.HasSuffix(r.URL.Path, ".json")
	switch k {
	case sim.FaultRateLimit:
		failure(http.StatusTooManyRequests, 20429, "Too Many Requests").write(w, asXML)
	case sim.FaultToken:
		failure(http.StatusUnauthorized, 20003, "Authentication Error - invalid username").write(w, asXML)
	default:
		failure(http.StatusInternalServerError, 20500, "An internal server error has occurred").write(w, asXML)
	}
}
