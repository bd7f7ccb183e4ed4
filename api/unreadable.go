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
	reason := map[codes.Code]copay.Code{codes.InvalidArgument: copay.CodeInvalid, codes.NotFound: copay.CodeNotFound, codes.Unimplemented: "unimplemented"}[code]
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
	for _, key := range slices.Sorted(maps.Keys(values)) {
		name, _, _ := strings.Cut(key, "[")
		f, ok := parameter(d, name)
		if !ok {
			return &misread{text: fmt.Sprintf("there is no parameter %q", short(name))}
		}
		switch err := q.DefaultQueryParser.Parse(m, url.Values{key: values[key]}, filter); {
		case err == nil:
		case !f.IsList() && len(values[key]) > 1:
			return &misread{name, "stands there twice"}
		default:
			return &misread{name, form(f)}
		}
	}
	return nil
}

// parameter finds the field that a parameter's name leads to: amount.minor is
// one in a message of another.
func parameter(d protoreflect.MessageDescriptor, name string) (f protoreflect.FieldDescriptor, ok bool) {
	for step := range strings.SplitSeq(name, ".") {
		if d == nil {
			return nil, false
		}
		if f = field(d, step); f == nil {
			return nil, false
		}
		d = nil
		if f.Message() != nil && !f.IsList() && !f.IsMap() {
			d = f.Message()
		}
	}
	return f, true
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
	var err error
	switch code {
	case http.StatusNotFound:
		err = refuse(r, codes.NotFound, "there is nothing at this address; /openapi.json describes what there is")
	case http.StatusMethodNotAllowed:
		err = refuse(r, codes.Unimplemented, "there is no such act or method at this address; /openapi.json describes what there is")
	default:
		runtime.DefaultRoutingErrorHandler(ctx, mux, m, w, r, code)
		return
	}
	runtime.DefaultHTTPErrorHandler(ctx, mux, m, w, r, &runtime.HTTPStatusError{HTTPStatus: code, Err: err})
}

// legible refuses addresses that are no text.
func legible(r *http.Request) error {
	query, err := url.QueryUnescape(r.URL.RawQuery)
	if err == nil && !utf8.ValidString(r.URL.Path+query) {
		return &misread{text: "the address is not UTF-8"}
	}
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		return &misread{text: "what stands behind the question mark is not well formed; write special characters as %XX"}
	}
	return nil
}
