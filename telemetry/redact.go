// Package telemetry is logs without PHI, metrics that answer questions, and
// traces from the webhook to the last activity.
package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/copayflow/copayflow/internal/tracing"
)

// NewLogger makes the process's logger; everything passes the redaction.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log_level must be debug, info, warn or error")
	}
	o := &slog.HandlerOptions{Level: l}
	var h slog.Handler = slog.NewJSONHandler(w, o)
	if format == "text" {
		h = slog.NewTextHandler(w, o)
	}
	return slog.New(Redact(traced{h})), nil
}

// traced names the trace that a line belongs to, as the audit log does.
type traced struct{ slog.Handler }

// Handle implements slog.Handler.
func (t traced) Handle(ctx context.Context, rec slog.Record) error {
	if id := tracing.ID(ctx); id != "" {
		rec.AddAttrs(slog.String("trace_id", id))
	}
	return t.Handler.Handle(ctx, rec)
}

// WithAttrs implements slog.Handler.
func (t traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{t.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (t traced) WithGroup(name string) slog.Handler { return traced{t.Handler.WithGroup(name)} }

// Redact masks what must not be in a log. It is the last line of defence:
// nothing sensitive should be logged in the first place.
func Redact(h slog.Handler) slog.Handler {
	return redactor{base: h, inner: func() slog.Handler { return h }}
}

// redactor masks the attributes of a logger when the first line is written
// through it: most of the loggers that the SDK makes, one a workflow task and
// one an activity, never write one.
type redactor struct {
	base   slog.Handler // decides what is written at all
	inner  func() slog.Handler
	hidden bool // within a group whose name is denied
}

// Enabled implements slog.Handler.
func (r redactor) Enabled(ctx context.Context, l slog.Level) bool { return r.base.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (r redactor) Handle(ctx context.Context, rec slog.Record) error {
	out := slog.NewRecord(rec.Time, rec.Level, Mask(rec.Message), rec.PC)
	rec.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(r.clean(a))
		return true
	})
	return r.inner().Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (r redactor) WithAttrs(attrs []slog.Attr) slog.Handler {
	return r.with(r.hidden, func(h slog.Handler) slog.Handler {
		masked := make([]slog.Attr, len(attrs))
		for i, a := range attrs {
			masked[i] = r.clean(a)
		}
		return h.WithAttrs(masked)
	})
}

// WithGroup implements slog.Handler.
func (r redactor) WithGroup(name string) slog.Handler {
	return r.with(r.hidden || isDenied(name), func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (r redactor) with(hidden bool, change func(slog.Handler) slog.Handler) slog.Handler {
	return redactor{base: r.base, inner: sync.OnceValue(func() slog.Handler { return change(r.inner()) }), hidden: hidden}
}

func (r redactor) clean(a slog.Attr) slog.Attr {
	if r.hidden {
		return slog.String(a.Key, masked)
	}
	return clean(a)
}

const masked = "[redacted]"

// denied are parts of names whose value is never logged: of attributes, and of
// the fields of whatever is logged whole.
var denied = []string{"password", "secret", "token", "authorization", "cookie", "apikey", "dsn", "email", "phone", "firstname", "lastname",
	"birth", "dob", "ssn", "memberid", "address", "body", "payload", "patientname", "cardnumber"}

// plain is a name in one spelling: first_name, firstName and First-Name.
var plain = strings.NewReplacer("_", "", "-", "")

func isDenied(name string) bool {
	name = plain.Replace(strings.ToLower(name))
	return slices.ContainsFunc(denied, func(d string) bool { return strings.Contains(name, d) })
}

func clean(a slog.Attr) slog.Attr {
	if isDenied(a.Key) {
		return slog.String(a.Key, masked)
	}
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		return slog.String(a.Key, Mask(v.String()))
	case slog.KindGroup:
		var g []any
		for _, x := range v.Group() {
			g = append(g, clean(x))
		}
		return slog.Group(a.Key, g...)
	case slog.KindAny:
		return slog.String(a.Key, anything(v.Any()))
	}
	return a
}

// anything is the masked text of a value.
func anything(v any) string {
	var b strings.Builder
	show(&b, reflect.ValueOf(v), 0)
	return Mask(b.String())
}

// deepest is how far values within values are shown; some contain themselves.
const deepest = 8

// show prints a value as %+v does, without the denied fields of structs, maps
// and JSON. It goes by their names and not by the printed text, in which a
// value may look like the next name. Fields that are not exported are masked:
// they cannot say themselves how they want to be printed.
func show(b *strings.Builder, v reflect.Value, depth int) {
	switch {
	case !v.IsValid():
		b.WriteString("<nil>")
		return
	case depth > deepest, !v.CanInterface():
		b.WriteString(masked)
		return
	}
	switch x := v.Interface().(type) {
	case error, fmt.Stringer:
		fmt.Fprint(b, x) // which survives nil pointers in them
		return
	case []byte:
		showText(b, x, depth)
		return
	case json.RawMessage:
		showText(b, x, depth)
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		show(b, v.Elem(), depth+1)
	case reflect.Struct:
		showFields(b, v, depth)
	case reflect.Map:
		showMap(b, v, depth)
	case reflect.Slice, reflect.Array:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(' ')
			}
			show(b, v.Index(i), depth+1)
		}
		b.WriteByte(']')
	default:
		fmt.Fprintf(b, "%+v", v.Interface())
	}
}

// showText prints bytes, which may be JSON.
func showText(b *strings.Builder, text []byte, depth int) {
	var v any
	if json.Unmarshal(text, &v) != nil {
		b.Write(text)
		return
	}
	show(b, reflect.ValueOf(v), depth+1)
}

func showFields(b *strings.Builder, v reflect.Value, depth int) {
	b.WriteByte('{')
	for i := range v.NumField() {
		if i > 0 {
			b.WriteByte(' ')
		}
		showNamed(b, v.Type().Field(i).Name, v.Field(i), depth)
	}
	b.WriteByte('}')
}

func showMap(b *strings.Builder, v reflect.Value, depth int) {
	values := map[string]reflect.Value{}
	for _, k := range v.MapKeys() {
		var name strings.Builder
		show(&name, k, depth+1)
		values[name.String()] = v.MapIndex(k)
	}
	b.WriteString("map[")
	for i, name := range slices.Sorted(maps.Keys(values)) {
		if i > 0 {
			b.WriteByte(' ')
		}
		showNamed(b, name, values[name], depth)
	}
	b.WriteByte(']')
}

func showNamed(b *strings.Builder, name string, v reflect.Value, depth int) {
	b.WriteString(name + ":")
	if isDenied(name) {
		b.WriteString(masked)
		return
	}
	show(b, v, depth+1)
}

// day is a date as ISO or Americans write it.
const day = `(?:19|20)[0-9]{2}-?[01][0-9]-?[0-3][0-9]|[01]?[0-9]/[0-3]?[0-9]/(?:19|20)?[0-9]{2}`

// patterns of what looks like PHI or a credential.
var patterns = []*regexp.Regexp{
	regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+`),                     // mail address
	regexp.MustCompile(`(?:\+?1[-. ]?)?\(?\b[2-9][0-9]{2}\)?[-. ][0-9]{3}[-. ][0-9]{4}\b`),        // phone, grouped
	regexp.MustCompile(`\+[1-9][0-9]{9,14}\b`),                                                    // phone, E.164
	regexp.MustCompile(`\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b`),                                          // SSN
	regexp.MustCompile(`\b(?:[0-9][ -]?){13,19}\b`),                                               // card number
	regexp.MustCompile(`(?i)\b(?:bearer|basic|apikey)\s+[A-Za-z0-9._~+/=-]{8,}`),                  // credentials
	regexp.MustCompile(`\b(?:sk|rk|whsec)_(?:test_|live_)?[A-Za-z0-9]{6,}`),                       // Stripe keys
	regexp.MustCompile(`\bSG\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}`),                              // SendGrid keys
	regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`),                  // JWT
	regexp.MustCompile(`(?i)\b(?:` + day + `)\b(?:\s*\(?(?:dob|birth))`),                          // birth date, said so
	regexp.MustCompile(`(?i)(?:dob|birth|born)(?:[\s_-]?(?:date|day|on))?\W{0,4}(?:` + day + `)`), // the other way round
	regexp.MustCompile(`://[^/@\s:]+:[^/@\s]+@`),                                                  // user:password in an address
	regexp.MustCompile(`/pay/[A-Za-z0-9_-]{16,}`),                                                 // payment links
}

// Mask replaces what looks like PHI or a credential.
func Mask(s string) string {
	for _, p := range patterns {
		s = p.ReplaceAllString(s, masked)
	}
	return s
}
