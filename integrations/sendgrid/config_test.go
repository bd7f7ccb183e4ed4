package sendgrid_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/sendgrid"
)

func TestConfigNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := sendgrid.New(integrations.Settings{Options: map[string]any{
		"api_key": "literal:hush", "from": "Billing <billing@x.example>", "reply_to": "x", "base_url": "x", "unsubscribe_group": -1, "retry_unknown": -1, "timeout": "-1s",
		"categories": []any{strings.Repeat("x", 256), "a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}, "webhook_public_keys": []any{"literal:%"},
	}})
	require.Error(t, err)
	for _, part := range []string{"api_key", "from must", "reply_to", "base_url", "unsubscribe_group", "retry_unknown", "negative", "at most ten", "255", "not base64"} {
		require.Contains(t, err.Error(), part)
	}
	require.NotContains(t, err.Error(), "hush")
}

func TestConfigTakesOnlyKeysOnP256(t *testing.T) {
	t.Parallel()
	k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	require.NoError(t, err)
	for _, key := range []string{base64.StdEncoding.EncodeToString(der), "AAAA"} {
		_, err = sendgrid.New(integrations.Settings{Options: map[string]any{"api_key": "literal:SG.x", "from": sender, "webhook_public_keys": []any{"literal:" + key}}})
		require.ErrorContains(t, err, "P-256")
	}
	_, err = sendgrid.New(integrations.Settings{Options: map[string]any{"form": sender}})
	require.ErrorContains(t, err, "form", "a typo is found")
}
