package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/copayflow/copayflow/copay"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// misread is what cannot be read of a request: a field and what it must be, or
// a sentence about the whole. The gateway keeps an error's text only, so that
// it says by marks what it is.
type misread struct{ field, text string }

const mark = "\x1f"

func (m *misread) Error() string { return mark + m.field + mark + m.text }

// tooLarge stands for a body beyond maxMessage.
var tooLarge = &misread{text: "a request may have 1 MiB at most"}

var badParameter = regexp.MustCompile(`^type mismatch, parameter: ([a-z_]+), `)

// misreadOf finds what we, or the gateway, could not read.
func misreadOf(text string) *misread {
	if parts := strings.SplitN(text, mark, 3); len(parts) == 3 && parts[0] == "" {
		return &misread{parts[1], parts[2]}
	}
	if m := badParameter.FindStringSubmatch(text); m != nil { // only numbers in an address can be none
		return &misread{m[1], "must be a whole number"}
	}
	return &misread{text: "it does not have the form that /openapi.json describes"}
}

// unreadable says of a request that cannot be read, or has fields nobody knows,
// what it is, with the details of every other refusal; the gateway gives the
// words of whatever it reads with.
func unreadable(ctx context.Context, mux *runtime.ServeMux, m runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	st := status.Convert(err)
	if st.Code() == codes.DeadlineExceeded && len(st.Details()) == 0 { // by Grpc-Timeout, so that no service had a word
		err = refuse(r, codes.DeadlineExceeded, "no answer came within the time of the header Grpc-Timeout; an act may still happen: repeat it with the same request_id to learn the outcome")
	}
	if st.Code() != codes.InvalidArgument || len(st.Details()) > 0 {
		runtime.DefaultHTTPErrorHandler(ctx, mux, m, w, r, err)
		return
	}
	what := misreadOf(st.Message())
	if *what == *tooLarge {
		err = &runtime.HTTPStatusError{HTTPStatus: http.StatusRequestEntityTooLarge, Err: refuse(r, codes.InvalidArgument, what.text)}
	} else {
		said := what.text
		var fields []protoadapt.MessageV1
		if what.field != "" {
			said = what.field + " " + what.text
			fields = append(fields, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: what.field, Description: what.text}}})
		}
		err = refuse(r, codes.InvalidArgument, "the request cannot be read: "+said+"; /openapi.json describes it", fields...)
	}
	runtime.DefaultHTTPErrorHandler(ctx, mux, m, w, r, err)
}

// refuse is a refusal that is made before any service is asked.
func refuse(r *http.Request, code codes.Code, text string, more ...protoadapt.MessageV1) error {
	reason := map[codes.Code]copay.Code{codes.InvalidArgument: copay.CodeInvalid, codes.NotFound: copay.CodeNotFound,
		codes.Unimplemented: "unimplemented", codes.Unauthenticated: codeUnauthenticated, codes.DeadlineExceeded: codeTimeout}[code]
	details := []protoadapt.MessageV1{&errdetails.RequestInfo{RequestId: r.Header.Get(requestIDHeader)}, &errdetails.ErrorInfo{Reason: strings.ToUpper(string(reason)), Domain: domain}}
	return with(status.New(code, text), append(details, more...)...).Err()
}

// strictJSON is the gateway's JSON, but refuses fields there are not: a mistake
// in the name of one that may be left out would be taken for silence.
type strictJSON struct{ *runtime.JSONPb }

// NewDecoder reads one message and says in a sentence why it cannot.
func (j strictJSON) NewDecoder(from io.Reader) runtime.Decoder {
	d := json.NewDecoder(from)
	return runtime.DecoderFunc(func(v any) error {
		var raw json.RawMessage
		err := d.Decode(&raw)
		var big *http.MaxBytesError
		switch {
		case errors.As(err, &big):
			return tooLarge
		case errors.Is(err, io.EOF): // nothing at all, which is no mistake
			return err
		case err != nil:
			return &misread{text: "the body is not JSON"}
		}
		// Half of what was meant must not be done: two objects, or one and text.
		switch _, err := d.Token(); {
		case errors.As(err, &big):
			return tooLarge
		case !errors.Is(err, io.EOF):
			return &misread{text: "there is something behind the JSON object"}
		}
		m, ok := v.(proto.Message)
		if !ok {
			return j.Unmarshal(raw, v)
		}
		if err := j.UnmarshalOptions.Unmarshal(raw, m); err != nil {
			return misfit(m.ProtoReflect().Type(), raw, "", err)
		}
		return nil
	})
}

var twice = regexp.MustCompile(`duplicate field "([A-Za-z_]{1,64})"`)

// misfit finds the field of a message for which its JSON cannot be read.
func misfit(t protoreflect.MessageType, raw json.RawMessage, at string, cause error) *misread {
	var given map[string]json.RawMessage
	if json.Unmarshal(raw, &given) != nil || given == nil {
		return &misread{text: "the body must be a JSON object"}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		f := field(t.Descriptor(), name)
		if f == nil {
			return &misread{text: fmt.Sprintf("there is no field %q", at+short(name))}
		}
		if err := alone(t, name, given[name]); err != nil {
			return unfit(t, f, given[name], at+f.TextName(), err)
		}
	}
	if m := twice.FindStringSubmatch(cause.Error()); m != nil {
		return &misread{at + m[1], "stands there twice"}
	}
	return &misread{text: "the body does not have the form that is described"}
}

// unfit says of a field that cannot be read what it must be.
func unfit(t protoreflect.MessageType, f protoreflect.FieldDescriptor, raw json.RawMessage, at string, err error) *misread {
	if f.IsList() {
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil {
			return &misread{at, "must be a list"}
		}
		return &misread{at, "must be a list of which each " + form(f)}
	}
	if f.Message() != nil && ours(f.Message()) && bytes.HasPrefix(raw, []byte("{")) {
		return misfit(t.New().NewField(f).Message().Type(), raw, at+".", err)
	}
	return &misread{at, form(f)}
}

// alone reads one field as if it stood there alone.
func alone(t protoreflect.MessageType, name string, raw json.RawMessage) error {
	one, err := json.Marshal(map[string]json.RawMessage{name: raw})
	if err != nil {
		return err
	}
	return protojson.Unmarshal(one, t.New().Interface())
}

// field finds a field by either of its names.
func field(d protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if f := d.Fields().ByTextName(name); f != nil {
		return f
	}
	return d.Fields().ByJSONName(name)
}

// short bounds text from outside that is said back.
func short(s string) string { return s[:min(len(s), 64)] }

// form is what the value of a field must be.
func form(f protoreflect.FieldDescriptor) string {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return "must be true or false"
	case protoreflect.EnumKind:
		return "must be one of " + strings.Join(chosen(f.Enum(), nil), ", ")
	case protoreflect.StringKind:
		return "must be text"
	case protoreflect.MessageKind:
		if f.Message().FullName() == "google.protobuf.Timestamp" {
			return "must be a moment such as 2026-11-24T15:00:00Z"
		}
		var names []string
		for i := range f.Message().Fields().Len() {
			names = append(names, f.Message().Fields().Get(i).TextName())
		}
		return "must be an object with " + strings.Join(names, ", ")
	}
	return "must be a whole number"
}

// strictQuery refuses parameters there are not, as bodies refuse such fields: a
// filter with a mistake in its name would list everything.
type strictQuery struct{ runtime.DefaultQueryParser }

// Parse implements runtime.QueryParameterParser.
func (q *strictQuery) Parse(m proto.Message, values url.Values, filter *utilities.DoubleArray) error {
	d := m.ProtoReflect().Descriptor()
	if !ours(d) {
		return q.DefaultQueryParser.Parse(m, values, filter)
	}
	// Counted by the field and not by its spelling: patientRef and patient_ref
	// are one, and so are states and states[].
	type given struct {
		name   string
		field  protoreflect.FieldDescriptor
		values []string
	}
	fields := map[string]*given{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		name, many := strings.CutSuffix(key, "[]")
		at, f := parameter(d, name)
		if f == nil || (many && !f.IsList()) {
			return &misread{text: fmt.Sprintf("there is no parameter %q", short(key))}
		}
		if fields[at] == nil {
			fields[at] = &given{name: name, field: f}
		}
		fields[at].values = append(fields[at].values, values[key]...)
	}
	for _, at := range slices.Sorted(maps.Keys(fields)) {
		g := fields[at]
		if !g.field.IsList() && len(g.values) > 1 {
			return &misread{g.name, "stands there twice"}
		}
		if q.DefaultQueryParser.Parse(m, url.Values{at: g.values}, filter) != nil {
			return &misread{g.name, form(g.field)}
		}
	}
	return nil
}

// parameter finds the field that a parameter's name leads to, and its one name:
// amount.minor is one in a message of another.
func parameter(d protoreflect.MessageDescriptor, name string) (at string, f protoreflect.FieldDescriptor) {
	for step := range strings.SplitSeq(name, ".") {
		if d == nil {
			return "", nil
		}
		if f = field(d, step); f == nil {
			return "", nil
		}
		at = strings.TrimPrefix(at+"."+f.TextName(), ".")
		d = nil
		if f.Message() != nil && !f.IsList() && !f.IsMap() && ours(f.Message()) {
			d = f.Message()
		}
	}
	return at, f
}

// ours reports whether a message is of our API. Temporal's UI, which runs in the
// same process on a laptop, has a gateway of its own and sends parameters that
// its server does not know.
func ours(d protoreflect.MessageDescriptor) bool {
	return d.ParentFile().Package() == (*copayv1.CoPay)(nil).ProtoReflect().Descriptor().ParentFile().Package()
}

// The gateway has one for the whole process.
func init() { runtime.SetQueryParameterParser(&strictQuery{})(nil) }

// nowhere says of an address that leads nowhere, or not by this method, where
// to look; the gateway calls a wrong method "not implemented".
func nowhere(ctx context.Context, mux *runtime.ServeMux, m runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
	if ctx.Value(probing{}) != nil {
		return
	}
	var err error
	switch code {
	case http.StatusNotFound:
		err = refuse(r, codes.NotFound, "there is nothing at this address; /openapi.json describes what there is")
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", strings.Join(accepted(mux, r), ", "))
		err = refuse(r, codes.Unimplemented, "there is no such act or method at this address; /openapi.json describes what there is")
	default:
		runtime.DefaultRoutingErrorHandler(ctx, mux, m, w, r, code)
		return
	}
	runtime.DefaultHTTPErrorHandler(ctx, mux, m, w, r, &runtime.HTTPStatusError{HTTPStatus: code, Err: err})
}

// probing is the key of a context by which the gateway is asked only whether it
// would take a request.
type probing struct{}

// accepted are the methods that an address takes; the gateway tells nobody but whoever
// asks for one.
func accepted(mux *runtime.ServeMux, r *http.Request) (taken []string) {
	for _, method := range []string{http.MethodGet, http.MethodPost} { // REST here has no others
		var yes bool
		probe := r.Clone(context.WithValue(r.Context(), probing{}, &yes))
		probe.Method = method
		mux.ServeHTTP(unanswered{}, probe)
		if yes {
			taken = append(taken, method)
		}
	}
	return taken
}

// unanswered takes no answer: to a probe there is none.
type unanswered struct{}

func (unanswered) Header() http.Header         { return http.Header{} }
func (unanswered) Write(b []byte) (int, error) { return len(b), nil }
func (unanswered) WriteHeader(int)             {}

// taken answers probes, and refuses parameters of methods that read only their
// body: a filter beside it would be taken for silence.
func taken(mux **runtime.ServeMux) runtime.Middleware {
	return func(next runtime.HandlerFunc) runtime.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request, path map[string]string) {
			if yes, probe := r.Context().Value(probing{}).(*bool); probe {
				*yes = true
				for _, v := range path { // :waive behind an id, taken for a part of it
					*yes = *yes && !strings.Contains(v, ":")
				}
				return
			}
			if r.Method == http.MethodPost && r.URL.RawQuery != "" {
				reject(*mux, w, r, &misread{text: "this method reads nothing behind the question mark of the address; what it is given stands in the body"})
				return
			}
			next(w, r, path)
		}
	}
}

// reject answers what cannot be read before the gateway has read it.
func reject(mux *runtime.ServeMux, w http.ResponseWriter, r *http.Request, what *misread) {
	_, m := runtime.MarshalerForRequest(mux, r)
	unreadable(r.Context(), mux, m, w, r, status.Error(codes.InvalidArgument, what.Error()))
}

// goodTimeout is a Grpc-Timeout that is one and that a duration can hold.
var goodTimeout = regexp.MustCompile(`^([0-9]{1,8}[MSmun]|[0-9]{1,6}H)$`)

// headers refuses what the gateway would stumble over: it hands Authorization
// on as it is, and gRPC then fails as if the fault were ours.
func headers(r *http.Request) error {
	for _, v := range r.Header.Values("Authorization") {
		if strings.ContainsFunc(v, func(c rune) bool { return c < ' ' || c > '~' }) {
			return refuse(r, codes.Unauthenticated, "the Authorization header holds a character that no token has; sign in again")
		}
	}
	if t := r.Header.Get("Grpc-Timeout"); t != "" && !goodTimeout.MatchString(t) {
		return refuse(r, codes.InvalidArgument, "the header Grpc-Timeout must be a time such as 30S or 500m: a number and one of H, M, S, m, u, n")
	}
	return nil
}

// legible refuses addresses that are no text.
func legible(r *http.Request) *misread {
	query, err := url.QueryUnescape(r.URL.RawQuery)
	if err == nil && !utf8.ValidString(r.URL.Path+query) {
		return &misread{text: "the address is not UTF-8"}
	}
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		return &misread{text: "what stands behind the question mark is not well formed; write special characters as %XX"}
	}
	return nil
}
