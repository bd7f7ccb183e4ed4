package main

import (
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/internal/serve"
)

func TestAMachinesKeyLetsItIn(t *testing.T) {
	t.Parallel()
	text, err := (&echo{}).run(t, "api-key", "ehr-bridge", "--for", "maple,oak")
	require.NoError(t, err)
	key, lines, ok := strings.Cut(text, "under auth.api_keys:")
	require.True(t, ok)
	key = strings.Fields(key[strings.Index(key, "ehr-bridge."):])[0]
	parsed, err := yaml.Parser().Unmarshal([]byte("api_keys:\n" + lines))
	require.NoError(t, err)
	made := parsed["api_keys"].([]any)[0].(map[string]any)
	require.Equal(t, []any{"service"}, made["roles"])
	require.Equal(t, []any{"maple", "oak"}, made["practices"])
	secret := strings.TrimPrefix(key, "ehr-bridge.")
	require.GreaterOrEqual(t, len(secret), 26, "128 bits and more")
	require.NotContains(t, lines, secret)

	cfg := &config.Config{Env: "production", Auth: config.Auth{APIKeys: []config.APIKey{{ID: made["id"].(string), SHA256: made["sha256"].(string), Roles: []string{"service"}, Practices: []string{"maple", "oak"}}}}}
	a, err := serve.Authenticator(cfg)
	require.NoError(t, err)
	who, err := a.Authenticate(t.Context(), "ApiKey "+key)
	require.NoError(t, err)
	require.Equal(t, "key:ehr-bridge", who.Actor.ID)
	require.True(t, who.May("oak"))
	require.False(t, who.May("elm"))
	_, err = a.Authenticate(t.Context(), "ApiKey ehr-bridge.foo")
	require.Error(t, err)

	again, err := (&echo{}).run(t, "api-key", "ehr-bridge", "--for", "maple")
	require.NoError(t, err)
	require.NotContains(t, again, secret)
	for _, args := range []string{"api-key", "api-key a.b --for maple", "api-key a", "api-key a --for maple --role boss"} {
		_, err = (&echo{}).run(t, strings.Fields(args)...)
		require.Equal(t, exitUsage, exitCode(err), args)
	}
}
