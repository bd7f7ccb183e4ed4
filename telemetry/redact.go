// Package telemetry is logs without PHI, metrics that answer questions, and
// traces from the webhook to the last activity.
package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
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
	return slog.New(Redact(h)), nil
}

// Redact masks what must not be in a log. It is the last line of defence:
// nothing sensitive should be logged in the first place.
func Redact(h slog.Handler) slog.Handler { return redactor{h} }

type redactor struct{ slog.Handler }

// Handle implements slog.Handler.
func (r redactor) Handle(ctx context.Context, rec slog.Record) error {
	out := slog.NewRecord(rec.Time, rec.Level, Mask(rec.Message), rec.PC)
	rec.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(clean(a))
		return true
	})
	return r.Handler.Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (r redactor) WithAttrs(attrs []slog.Attr) slog.Handler {
	masked := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		masked[i] = clean(a)
	}
	return redactor{r.Handler.WithAttrs(masked)}
}

// WithGroup implements slog.Handler.
func (r redactor) WithGroup(name string) slog.Handler { return redactor{r.Handler.WithGroup(name)} }

const masked = "[redacted]"

// denied are attribute names whose value is never logged.
var denied = []string{"password", "secret", "token", "authorization", "cookie", "api_key", "apikey", "dsn", "email", "phone", "first_name", "last_name",
	"birth", "dob", "ssn", "member_id", "address", "body", "payload", "patient_name", "card_number", "client_secret"}

func clean(a slog.Attr) slog.Attr {
	key := strings.ToLower(a.Key)
	for _, d := range denied {
		if strings.Contains(key, d) {
			return slog.String(a.Key, masked)
		}
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
		if err, ok := v.Any().(error); ok {
			return slog.String(a.Key, Mask(err.Error()))
		}
		return slog.String(a.Key, Mask(fmt.Sprintf("%+v", v.Any())))
	}
	return a
}

// patterns of what looks like PHI or a credential.
var patterns = []*regexp.Regexp{
	regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+`),                           // mail address
	regexp.MustCompile(`(?:\+?1[-. ]?)?\(?\b[2-9][0-9]{2}\)?[-. ][0-9]{3}[-. ][0-9]{4}\b`),              // phone, grouped
	regexp.MustCompile(`\+[1-9][0-9]{9,14}\b`),                                                          // phone, E.164
	regexp.MustCompile(`\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b`),                                                // SSN
	regexp.MustCompile(`\b(?:[0-9][ -]?){13,19}\b`),                                                     // card number
	regexp.MustCompile(`(?i)\b(?:bearer|basic|apikey)\s+[A-Za-z0-9._~+/=-]{8,}`),                        // credentials
	regexp.MustCompile(`\b(?:sk|rk|whsec)_(?:test_|live_)?[A-Za-z0-9]{6,}`),                             // Stripe keys
	regexp.MustCompile(`\bSG\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}`),                                    // SendGrid keys
	regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`),                        // JWT
	regexp.MustCompile(`(?i)\b(?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]\b(?:\s*\(?(?:dob|birth))`),         // birth date, said so
	regexp.MustCompile(`(?i)(?:dob|birth(?:\s|_)?date|born)\W{0,3}(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}`), // the other way round
	regexp.MustCompile(`://[^/@\s:]+:[^/@\s]+@`),                                                        // user:password in an address
	regexp.MustCompile(`/pay/[A-Za-z0-9_-]{16,}`),                                                       // payment links
}

// Mask replaces what looks like PHI or a credential.
func Mask(s string) string {
	for _, p := range patterns {
		s = p.ReplaceAllString(s, masked)
	}
	return s
}
