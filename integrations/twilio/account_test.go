package twilio_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
	twiliosim "github.com/copayflow/copayflow/sandbox/twilio"
)

// A token that several accounts' deliveries are signed with, by mistake or by
// a thief, does not make their messages ours.
func TestDeliveriesOfAnotherAccountAreRefused(t *testing.T) {
	t.Parallel()
	c := plainConnector(t, map[string]any{"account_sid": twiliosim.DefaultAccountSID})
	f := statusForm()
	f.Set("AccountSid", twiliosim.DefaultAccountSID)
	_, err := c.Verify(t.Context(), post(hookURL, f))
	require.NoError(t, err)
	for _, other := range []string{"AC" + strings.Repeat("9", 32), " " + twiliosim.DefaultAccountSID, "x"} {
		f.Set("AccountSid", other)
		_, err = c.Verify(t.Context(), post(hookURL, f))
		requireKind(t, integrations.KindUnauthorized, err)
		require.NotContains(t, err.Error(), other)
	}
}

// accountOf is the account that a form is of, "" when it names none.
func accountOf(w integrations.Webhook) string {
	p, err := url.ParseQuery(string(w.Body))
	if err != nil {
		return ""
	}
	return p.Get("AccountSid")
}
