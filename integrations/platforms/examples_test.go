package platforms_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/platforms"
)

var (
	reference = regexp.MustCompile(`(?:env|file):[A-Za-z0-9_./-]+`)
	fence     = regexp.MustCompile("(?s)```yaml\n(practices:.*?)```")
)

// shapes are the secrets that a connector knows by their looks, by a part of
// the name they are shown under; the first that fits counts.
var shapes = []struct{ name, value string }{{"SENDGRID_WEBHOOK", verificationKey()}, {"SENDGRID", "SG.id.secret"}, {"STRIPE_W", "whsec_secret"}, {"STRIPE", "sk_test_secret"}, {"", "secret"}}

// verificationKey is a public key as SendGrid shows it.
func verificationKey() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func secretFor(ref string) string {
	for _, s := range shapes {
		if strings.Contains(ref, s.name) {
			return `"literal:` + s.value + `"`
		}
	}
	return ref
}

// practicesOf reads the practices of a text of configuration, its secrets
// replaced by some that are in order.
func practicesOf(t *testing.T, text string) []any {
	t.Helper()
	all, err := yaml.Parser().Unmarshal([]byte(reference.ReplaceAllStringFunc(text, secretFor)))
	require.NoError(t, err)
	list, ok := all["practices"].([]any)
	require.True(t, ok && len(list) > 0)
	return list
}

// noTokens stands where tokens are kept; making a connector asks for none.
type noTokens struct{ integrations.TokenStore }

func connects(t *testing.T, where, text string) {
	t.Helper()
	for _, p := range practicesOf(t, text) {
		practice := p.(map[string]any)
		for name, options := range practice["platforms"].(map[string]any) {
			factory, ok := platforms.Registry()[copay.Platform(name)]
			require.True(t, ok, "%s: %s", where, name)
			_, err := factory(integrations.Settings{Practice: "maple", Platform: copay.Platform(name), Options: options.(map[string]any), Tokens: noTokens{}})
			require.NoError(t, err, "%s: %s", where, name)
		}
	}
}

// What the example and the pages show works when it is copied: no option that
// a connector does not know, none missing.
func TestShownConfigurationConnects(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/copay.example.yaml")
	require.NoError(t, err)
	connects(t, "the example", string(text))
	for platform := range platforms.Registry() {
		page, err := os.ReadFile("../../docs/platforms/" + string(platform) + ".md")
		require.NoError(t, err)
		shown := fence.FindStringSubmatch(string(page))
		require.NotNil(t, shown, "%s: the page shows a configuration", platform)
		connects(t, string(platform)+".md", shown[1])
	}
}
