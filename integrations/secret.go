package integrations

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// Secret is a credential. It prints, logs and marshals as stars; only Reveal
// gives it away.
type Secret struct{ value string }

// NewSecret wraps a plain value.
func NewSecret(v string) Secret { return Secret{v} }

// Reveal returns the credential, for the one place that sends it.
func (s Secret) Reveal() string { return s.value }

// IsZero reports whether there is no credential.
func (s Secret) IsZero() bool { return s.value == "" }

const stars = "******"

// String, GoString, Format, LogValue, MarshalJSON and MarshalText hide the
// value. Format does so for verbs that would print the field, such as %d.
func (s Secret) String() string               { return stars }
func (s Secret) GoString() string             { return stars }
func (s Secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(stars)) }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(stars) }
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(stars) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(stars), nil }

// ResolveSecret reads a credential by reference: "env:NAME", "file:/path"
// (its trailing newline dropped) or "literal:value", which is for sandboxes.
// Anything else is refused, so that nobody pastes a key into the file.
func ResolveSecret(ref string) (Secret, error) {
	scheme, rest, ok := strings.Cut(ref, ":")
	if !ok {
		return Secret{}, fmt.Errorf("a credential is given by reference: env:NAME, file:/path or (sandbox only) literal:value")
	}
	switch scheme {
	case "env":
		v, ok := os.LookupEnv(rest)
		if !ok || v == "" {
			return Secret{}, fmt.Errorf("environment variable %s is not set", rest)
		}
		return Secret{v}, nil
	case "file":
		b, err := os.ReadFile(rest)
		if err != nil {
			return Secret{}, fmt.Errorf("credential file %s cannot be read", rest)
		}
		v := strings.TrimRight(string(b), "\r\n")
		if v == "" { // written by a deployment that failed half way
			return Secret{}, fmt.Errorf("credential file %s is empty", rest)
		}
		return Secret{v}, nil
	case "literal":
		return Secret{rest}, nil
	}
	// What stands before the colon may be a part of a credential, too.
	return Secret{}, fmt.Errorf("unknown credential reference: use env, file or literal before the colon")
}
