package stripe_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/stripe"
)

func TestConfigIsValidated(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options map[string]any
		says    string
	}{
		"no key":             {map[string]any{}, "secret_key is missing"},
		"a pasted key":       {map[string]any{"secret_key": "sk_test_pasted"}, "by reference"},
		"no key at all":      {map[string]any{"secret_key": "literal:hunter2"}, "does not look like"},
		"publishable key":    {map[string]any{"secret_key": "literal:pk_test_1"}, "does not look like"},
		"live in test":       {map[string]any{"secret_key": "literal:sk_live_1", "require_test_mode": true}, "live key"},
		"restricted live":    {map[string]any{"secret_key": "literal:rk_live_1", "require_test_mode": true}, "live key"},
		"webhook secret":     {map[string]any{"secret_key": "literal:sk_test_1", "webhook_secrets": []any{"literal:x"}}, "whsec_"},
		"address":            {map[string]any{"secret_key": "literal:sk_test_1", "base_url": "api.stripe.com"}, "base_url"},
		"live in the clear":  {map[string]any{"secret_key": "literal:rk_live_1", "base_url": "http://127.0.0.1:1"}, "https only"},
		"account":            {map[string]any{"secret_key": "literal:sk_test_1", "account": "me"}, "acct_"},
		"method":             {map[string]any{"secret_key": "literal:sk_test_1", "link_methods": []any{"cash"}}, "link_methods"},
		"suffix":             {map[string]any{"secret_key": "literal:sk_test_1", "statement_suffix": "<b>"}, "statement_suffix"},
		"suffix of digits":   {map[string]any{"secret_key": "literal:sk_test_1", "statement_suffix": "24-7"}, "one letter"},
		"typo":               {map[string]any{"secret_key": "literal:sk_test_1", "secretkey": "x"}, "secretkey"},
		"two faults at once": {map[string]any{"base_url": "x", "account": "y"}, "secret_key is missing; base_url"},
	} {
		_, err := stripe.New(integrations.Settings{Practice: practice, Platform: stripe.Name, Options: tc.options})
		require.ErrorContains(t, err, tc.says, name)
		require.NotContains(t, err.Error(), "hunter2")
		require.NotContains(t, err.Error(), "sk_live_1")
	}
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	_, err := stripe.New(integrations.Settings{Practice: practice, Platform: stripe.Name, Options: map[string]any{
		"secret_key": "literal:rk_live_1", "webhook_secrets": []any{"literal:whsec_1", "literal:whsec_2"}}})
	require.NoError(t, err)
	_, err = stripe.New(integrations.Settings{Practice: practice, Platform: stripe.Name, Options: map[string]any{
		"secret_key": "literal:sk_test_1", "webhook_secrets": "literal:whsec_1,literal:whsec_2", "timeout": "10s", "new_key_after": "5s",
		"statement_suffix": "CO-PAY", "account": "acct_1", "link_methods": "card,us_bank_account"}})
	require.NoError(t, err)
}
