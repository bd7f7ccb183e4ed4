package integrations_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
)

const hidden = "hunter2"

// A credential shows in nothing that prints, logs or stores what holds it.
func TestSecretsDoNotShow(t *testing.T) {
	t.Parallel()
	type config struct {
		Name string
		Key  integrations.Secret
		Keys []integrations.Secret
		Ref  *integrations.Secret
	}
	s := integrations.NewSecret(hidden)
	c := config{Name: "stripe", Key: s, Keys: []integrations.Secret{s}, Ref: &s}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10v", "%T %v"} {
		for _, v := range []any{s, &s, c, []integrations.Secret{s}, map[string]integrations.Secret{"k": s}} {
			got := fmt.Sprintf(verb, v)
			require.NotContains(t, got, hidden, verb)
			require.NotContains(t, got, "68756e74657232", verb) // in hex
		}
	}
	b, err := json.Marshal(c)
	require.NoError(t, err)
	require.NotContains(t, string(b), hidden)
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(h).Info("set up", "key", s, "config", c, "error", fmt.Errorf("with %v", s))
	}
	require.NotContains(t, log.String(), hidden)
	require.Contains(t, log.String(), "******")
	text, err := s.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "******", string(text))
	require.Equal(t, hidden, s.Reveal())
	require.False(t, s.IsZero())
	require.True(t, integrations.Secret{}.IsZero())
}

func TestResolveSecret(t *testing.T) {
	t.Setenv("COPAY_TEST_SECRET", hidden)
	t.Setenv("COPAY_TEST_EMPTY", "")
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return "file:" + path
	}
	for ref, want := range map[string]string{
		"env:COPAY_TEST_SECRET": hidden, "literal:" + hidden: hidden, "literal:a:b": "a:b",
		file("unix", hidden+"\n"): hidden, file("windows", hidden+"\r\n"): hidden, file("bare", hidden): hidden, file("spaces", " a b \n"): " a b ", file("lines", "a\nb\n"): "a\nb",
	} {
		s, err := integrations.ResolveSecret(ref)
		require.NoError(t, err, ref)
		require.Equal(t, want, s.Reveal(), ref)
	}
	for ref, want := range map[string]string{
		"": "by reference", hidden: "by reference", "env:COPAY_TEST_NOT_SET": "COPAY_TEST_NOT_SET is not set", "env:COPAY_TEST_EMPTY": "COPAY_TEST_EMPTY is not set",
		"file:" + filepath.Join(dir, "none"): "cannot be read", "file:" + dir: "cannot be read", file("empty", ""): "is empty", file("newline", "\n"): "is empty",
		"vault:" + hidden: "unknown credential reference", hidden + ":x": "unknown credential reference", "ENV:X": "unknown credential reference",
	} {
		s, err := integrations.ResolveSecret(ref)
		require.ErrorContains(t, err, want, ref)
		require.NotContains(t, err.Error(), hidden, "what was pasted is not repeated")
		require.True(t, s.IsZero())
	}
}
