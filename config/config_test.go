package config

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/sendgrid"
)

// secrets the example names.
func withSecrets(t *testing.T) {
	t.Helper()
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for _, name := range []string{"COPAY_MASTER_KEY_1", "COPAY_CODEC_KEY_1"} {
		t.Setenv(name, key)
	}
	t.Setenv("DATABASE_URL", "postgres://localhost/copay")
}

func example(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../deploy/copay.example.yaml")
	require.NoError(t, err)
	return string(b)
}

func load(t *testing.T, text string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copay.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return Load(path)
}

func TestTheExampleLoads(t *testing.T) {
	withSecrets(t)
	c, err := load(t, example(t))
	require.NoError(t, err)
	p, err := c.Practice("maple")
	require.NoError(t, err)
	require.Equal(t, []copay.Platform{"availity", "drchrono"}, p.Ports[PortEligibility])
	pol, err := p.Policy.Build()
	require.NoError(t, err)
	require.Equal(t, copay.Cents(500_00), pol.MaxAmount)
	require.Equal(t, []time.Duration{72 * time.Hour, 168 * time.Hour, 336 * time.Hour}, pol.Reminders.Ladder)
	require.Equal(t, "copay-drchrono", p.Queues()[PortPost])
	require.NotContains(t, p.Queues(), PortCollect)
	require.Equal(t, []copay.Channel{copay.ChannelSMS, copay.ChannelEmail}, p.Channels())
	require.InDelta(t, 0.13, c.Throttled()["copay-drchrono"], 0.001)
	_, err = c.Practice("oak")
	require.Error(t, err)
}

func TestEnvironmentOverrides(t *testing.T) {
	withSecrets(t)
	t.Setenv("COPAY_LISTEN__HTTP", "127.0.0.1:1234")
	t.Setenv("COPAY_TOKEN", "the CLI's own variable is left alone")
	c, err := load(t, example(t))
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1234", c.Listen.HTTP)
}

func TestFaultsAreNamed(t *testing.T) {
	withSecrets(t)
	for name, tc := range map[string]struct{ from, to, want string }{
		"unknown key":         {"env: production", "env: production\nnonsense: 1", "nonsense"},
		"environment":         {"env: production", "env: prod", "env must be"},
		"public url":          {"https://copay.example.com", "http://copay.example.com", "https in production"},
		"missing secret":      {"env:DATABASE_URL", "env:NOT_SET", "NOT_SET is not set"},
		"pasted secret":       {"env:DATABASE_URL", "secretvalue", "by reference"},
		"short key":           {"env:COPAY_CODEC_KEY_1", "literal:c2hvcnQ=", "32 bytes"},
		"time zone":           {"time_zone: America/Chicago", "time_zone: Chicago", "IANA zone"},
		"unknown port":        {"      post: [drchrono]", "      post: [drchrono]\n      fax: [drchrono]", "no port \"fax\""},
		"missing port":        {"      collect: [stripe]\n", "", "ports.collect names no platform"},
		"unknown platform":    {"collect: [stripe]", "collect: [square]", "names square"},
		"wide quiet hours":    {"quiet_until: 8 ", "quiet_until: 6 ", "47 CFR"},
		"bad amount":          {`max_amount: "500.00"`, `max_amount: "lots"`, "policy.max_amount"},
		"dev tokens":          {"auth:\n", "auth:\n  dev: { enabled: true, secret: \"literal:x\" }\n", "only for env dev"},
		"clock":               {"env: production", "env: staging\ndev: { clock_file: /tmp/c }", "clock_file"},
		"role":                {"roles: [service]", "roles: [boss]", "no role \"boss\""},
		"api key":             {`"0000000000000000000000000000000000000000000000000000000000000000"`, "plain", "SHA-256"},
		"not yaml":            {"env: production", "env: [", "not valid YAML"},
		"rate of a stranger":  {"drchrono: 0.13", "square: 1", "rate_limited.square"},
		"no name for message": {"name: Maple Family Clinic", "name: \"\"", "name and a phone"},
	} {
		t.Run(name, func(t *testing.T) {
			text := example(t)
			require.Contains(t, text, tc.from)
			_, err := load(t, strings.Replace(text, tc.from, tc.to, 1))
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "secretvalue")
		})
	}
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	require.ErrorContains(t, err, "cannot be read; name yours with --config or COPAY_CONFIG")
}

func TestSettingsThereAreNotAreNamedInASentence(t *testing.T) {
	withSecrets(t)
	_, err := load(t, strings.NewReplacer("env: production", "env: production\nnonsense: 1", "    pay_page:", "    pay_pages: 1\n    pay_page:", "max_conns: 20", "max_conns: many").Replace(example(t)))
	require.ErrorContains(t, err, "has faults:\n  - ")
	require.ErrorContains(t, err, "- there is no setting nonsense")
	require.ErrorContains(t, err, "- practices[0] has no setting pay_pages")
	require.ErrorContains(t, err, "max_conns")
	require.NotContains(t, err.Error(), "decoding failed")
}

func TestSettingsOfAnotherFormAreNamedInASentence(t *testing.T) {
	withSecrets(t)
	_, err := load(t, strings.NewReplacer("max_conns: 20", "max_conns: many", "card_notice: 24h", `card_notice: "24 hours"`, "card_on_file: true", "card_on_file: maybe", "drchrono: 0.13", "drchrono: fast",
		"ladder: [72h,", "ladder: [72 hours,", "poll_every: 4h", "poll_every: [4h]", `max_amount: "500.00"`, "max_amount: {dollars: 500}").Replace(example(t)))
	for _, want := range []string{"database.max_conns must be a whole number", "practices[0].policy.card_notice must be a time such as 24h, 30m or 90s", "practices[0].policy.card_on_file must be true or false",
		"practices[0].rate_limited[drchrono] must be a number", "practices[0].policy.reminders.ladder[0] must be a time such as", "practices[0].policy.poll_every must be a time such as",
		"practices[0].policy.max_amount must be a text"} {
		require.ErrorContains(t, err, "\n  - "+want)
	}
	for _, foreign := range []string{"strconv", "parse", "expected", "unknown unit", "'", "interface"} {
		require.NotContains(t, err.Error(), foreign)
	}
	_, err = load(t, "listen: 8")
	require.ErrorContains(t, err, "- listen must hold settings of its own")
	require.Contains(t, form("something new"), "deploy/copay.example.yaml")

	path := filepath.Join(t.TempDir(), "t.yaml")
	require.NoError(t, os.WriteFile(path, []byte("namespace: x\nretention: 24h\nports: {ui: abc}"), 0o600))
	_, err = LoadTemporalDev(path)
	require.EqualError(t, err, path+" has faults:\n  - ports.ui must be a whole number")
}

// The decoder would bend each of these into a value that nobody wrote.
func TestNothingIsBentIntoAnotherForm(t *testing.T) {
	withSecrets(t)
	for to, want := range map[string][2]string{
		"max_conns: 1.5":    {"max_conns: 20", "database.max_conns must be a whole number"},
		"max_conns: true":   {"max_conns: 20", "database.max_conns must be a whole number"},
		"card_notice: true": {"card_notice: 24h", "practices[0].policy.card_notice must be " + integrations.DurationForm},
		"card_notice: 24":   {"card_notice: 24h", "practices[0].policy.card_notice must be " + integrations.DurationForm},
		"card_notice: 1.5":  {"card_notice: 24h", "practices[0].policy.card_notice must be " + integrations.DurationForm},
		"card_on_file: 2":   {"card_on_file: true", "practices[0].policy.card_on_file must be true or false"},
		"drchrono: true":    {"drchrono: 0.13", "practices[0].rate_limited[drchrono] must be a number"},
		"max_amount: true":  {`max_amount: "500.00"`, "practices[0].policy.max_amount must be a text"},
		"retention: true":   {"retention: 8760h", "temporal.retention must be " + integrations.DurationForm},
	} {
		text := example(t)
		require.Contains(t, text, want[0])
		_, err := load(t, strings.Replace(text, want[0], to, 1))
		require.ErrorContains(t, err, "\n  - "+want[1], to)
		require.Len(t, strings.Split(err.Error(), "\n"), 2, to)
	}
	c, err := load(t, strings.NewReplacer("catch_up: 15m", "catch_up: -1", "max_conns: 20", "max_conns: 20.0", `max_amount: "500.00"`, "max_amount: 500").Replace(example(t)))
	require.NoError(t, err, "what has one meaning only is taken")
	require.Equal(t, 20, c.Database.MaxConns)
	require.Equal(t, "500", c.Practices[0].Policy.MaxAmount)
	path := filepath.Join(t.TempDir(), "t.yaml")
	require.NoError(t, os.WriteFile(path, []byte("namespace: x\nretention: true"), 0o600))
	_, err = LoadTemporalDev(path)
	require.EqualError(t, err, path+" has faults:\n  - retention must be "+integrations.DurationForm)
}

// Platforms read their settings themselves, and say so in the decoder's words.
func TestAPlatformsSettingsAreNamedInASentence(t *testing.T) {
	t.Parallel()
	for want, options := range map[string]map[string]any{
		"limit_per_second must be a whole number":               {"limit_per_second": "x"},
		"limit_per_second must be a whole number\n":             {"limit_per_second": 1.5},
		"timeout must be " + integrations.DurationForm:          {"timeout": "5"},
		"there is no setting nonsense":                          {"nonsense": 1},
		"api_key: a credential is given by reference: env:NAME": {"api_key": "hunter2"},
		"api_key: environment variable COPAY_TEST_NOT_SET":      {"api_key": "env:COPAY_TEST_NOT_SET"},
	} {
		_, err := sendgrid.New(integrations.Settings{Practice: "maple", Platform: "sendgrid", Options: options})
		require.Error(t, err)
		said := Sentence(err)
		require.ErrorContains(t, said, "sendgrid of practice maple: "+strings.TrimSpace(want))
		require.ErrorIs(t, said, err)
		for _, word := range []string{"decoding", "strconv", "'", "\n", "hunter2"} {
			require.NotContains(t, said.Error(), word)
		}
	}
	require.NoError(t, Sentence(nil))
	own := errors.New("of a platform")
	require.Equal(t, own, Sentence(own))
}

// Whoever reads the example meets every setting there is.
func TestTheExampleExplainsEverySetting(t *testing.T) {
	t.Parallel()
	text := example(t)
	for _, name := range settings(reflect.TypeFor[Config](), map[reflect.Type]bool{reflect.TypeFor[Dev](): true, reflect.TypeFor[DevAuth](): true}) {
		require.Regexp(t, `\b`+name+`:`, text)
	}
}

// settings are the names of all settings but those of development.
func settings(of reflect.Type, seen map[reflect.Type]bool) (names []string) {
	for of.Kind() == reflect.Slice || of.Kind() == reflect.Map {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || seen[of] {
		return nil
	}
	seen[of] = true
	for i := range of.NumField() {
		f := of.Field(i)
		if f.Type != reflect.TypeFor[Dev]() && f.Type != reflect.TypeFor[DevAuth]() {
			names = append(names, f.Tag.Get("koanf"))
		}
		names = append(names, settings(f.Type, seen)...)
	}
	return names
}

func TestAllFaultsAtOnce(t *testing.T) {
	withSecrets(t)
	text := strings.NewReplacer("time_zone: America/Chicago", "time_zone: Mars", "env: production", "env: moon").Replace(example(t))
	_, err := load(t, text)
	require.ErrorContains(t, err, "IANA zone")
	require.ErrorContains(t, err, "env must be")
}

func TestTemporalDev(t *testing.T) {
	t.Parallel()
	d, err := LoadTemporalDev("../temporal-dev.yaml")
	require.NoError(t, err)
	require.Equal(t, "copay", d.Namespace)
	require.Equal(t, 365*24*time.Hour, d.Retention)
	require.Equal(t, "Keyword", d.SearchAttributes["CopayState"])
	require.NotEmpty(t, d.DynamicConfig[0].Key)
	path := filepath.Join(t.TempDir(), "t.yaml")
	require.NoError(t, os.WriteFile(path, []byte("namespace: x\nretention: 24h\nsearch_attributes: {A: Blob}"), 0o600))
	_, err = LoadTemporalDev(path)
	require.ErrorContains(t, err, "Blob")
	_, err = LoadTemporalDev("nowhere.yaml")
	require.ErrorContains(t, err, "cannot be read")
}
