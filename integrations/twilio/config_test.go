package twilio_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/twilio"
)

func TestConfigNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := twilio.New(integrations.Settings{Options: map[string]any{
		"account_sid": "AC1", "api_key_sid": "SK1", "messaging_service_sid": "MG1", "from": "555", "status_callback": "copay.example/x#rc=1",
		"content_retention": "keep", "address_retention": "keep", "base_url": "ftp://x", "timeout": "-1s", "auth_tokens": []any{"literal:"},
	}})
	require.Error(t, err)
	for _, part := range []string{"account_sid", "api_key_sid is", "go together", "auth_tokens", "messaging_service_sid is", "from is", "status_callback",
		"content_retention", "address_retention", "base_url", "negative"} {
		require.Contains(t, err.Error(), part)
	}
}

func TestConfigNeedsCredentialsAndASender(t *testing.T) {
	t.Parallel()
	_, err := twilio.New(integrations.Settings{Options: map[string]any{"account_sid": "AC" + strings.Repeat("0", 32)}})
	require.ErrorContains(t, err, "to make calls with")
	require.ErrorContains(t, err, "messaging_service_sid or from")
	_, err = twilio.New(integrations.Settings{Options: map[string]any{"acount_sid": "x"}})
	require.ErrorContains(t, err, "acount_sid", "a typo is found")
}

func TestConfigPrintsNoSecret(t *testing.T) {
	t.Parallel()
	_, err := twilio.New(integrations.Settings{Options: map[string]any{"account_sid": "x", "api_key_secret": "literal:hush", "auth_tokens": []any{"literal:hush"}}})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hush")
}
