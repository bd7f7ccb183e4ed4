package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
)

// secrets is where the tests' credentials lie: in production none may stand in
// the file.
var secrets string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "config")
	if err != nil {
		panic(err)
	}
	secrets = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// ref puts a credential into a file and returns its reference.
func ref(value string) string {
	path := filepath.Join(secrets, fmt.Sprintf("%x", sha256.Sum256([]byte(value))))
	if _, err := os.Stat(path); err != nil {
		tmp := fmt.Sprintf("%s.%d", path, time.Now().UnixNano())
		if err := errors.Join(os.WriteFile(tmp, []byte(value+"\n"), 0o600), os.Rename(tmp, path)); err != nil {
			panic(err)
		}
	}
	return "file:" + path
}

func keyRef(b byte) string {
	return ref(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)))
}

// valid is a production configuration without a fault.
func valid() *Config {
	hash := strings.Repeat("ab", 32)
	c := &Config{
		PublicURL:  "https://copay.example.com",
		Database:   Database{DSN: ref("postgres://copay:hunter2@db/copay"), MaxConns: 20},
		MasterKeys: []KeyRef{{"m2", keyRef(2)}, {"m1", keyRef(1)}},
		CodecKeys:  []KeyRef{{"c1", keyRef(3)}},
		Temporal:   Temporal{APIKey: ref("hunter2"), TLS: TLS{Enabled: true, CA: "ca.pem", Cert: "c.pem", Key: "k.pem", ServerName: "t"}},
		Auth: Auth{OIDC: []OIDC{{Issuer: "https://login.example.com", Audience: "copayflow"}},
			APIKeys: []APIKey{{ID: "ehr", SHA256: hash, Roles: []string{"service"}, Practices: []string{"maple"}}}},
		Practices: []Practice{{ID: "maple", Name: "Maple", Phone: "+1 312 555 0100", TimeZone: "America/Chicago", PayURL: "https://pay.maple.example",
			Consent:   Consent{"intake_form", "2026-01"},
			Platforms: map[copay.Platform]map[string]any{"drchrono": nil, "stripe": nil},
			Ports: map[string][]copay.Platform{PortCharges: {"drchrono"}, PortCoverage: {"drchrono"}, PortEligibility: {"drchrono"},
				PortCollect: {"stripe"}, PortPost: {"drchrono"}},
			RateLimited: map[copay.Platform]float64{"drchrono": 0.13},
			Policy:      Policy{MaxAmount: "500.00", TrueUp: "auto", Reminders: Reminders{Ladder: []time.Duration{time.Hour, 2 * time.Hour}, Channels: []string{"sms", "email"}}}}},
	}
	c.defaults()
	return c
}

// fields are the names of all settings, found by their tags.
func fields(t reflect.Type, into map[string]bool) map[string]bool {
	switch t.Kind() {
	case reflect.Slice, reflect.Pointer, reflect.Map:
		return fields(t.Elem(), into)
	case reflect.Struct:
		for i := range t.NumField() {
			if tag := t.Field(i).Tag.Get("koanf"); tag != "" {
				into[tag] = true
				fields(t.Field(i).Type, into)
			}
		}
	}
	return into
}

// literalKey is a good key that stands in the file.
var literalKey = "literal:" + base64.StdEncoding.EncodeToString(make([]byte, 32))

// option sets one of a platform's options.
func option(p copay.Platform, name string, value any) func(c *Config) {
	return func(c *Config) { c.Practices[0].Platforms[p] = map[string]any{name: value} }
}

var word = regexp.MustCompile(`[a-z0-9_]+`)

// The table has a line for each fault there is: what is wrong, and what the
// sentence must name for people to find it.
var faulty = map[string]struct {
	spoil func(c *Config)
	want  []string
}{
	"listen.drain, too long":   {func(c *Config) { c.Listen.Drain = 10 * time.Minute }, []string{"listen.drain", "5m0s", "10m0s"}},
	"listen.drain, below zero": {func(c *Config) { c.Listen.Drain = -time.Second }, []string{"listen.drain", "-1s"}},
	"env":                      {func(c *Config) { c.Env = "prod" }, []string{"env must be"}},
	"no env":                   {func(c *Config) { c.Env = "" }, []string{"env must be"}},
	"no public url":            {func(c *Config) { c.PublicURL = "" }, []string{"public_url must be the http(s) address", "public_url must be https in production"}},
	"public url without host":  {func(c *Config) { c.PublicURL = "https://" }, []string{"public_url"}},
	"public url, plain":        {func(c *Config) { c.PublicURL = "http://copay.example.com" }, []string{"public_url must be https"}},
	"dsn, not given":           {func(c *Config) { c.Database.DSN = "" }, []string{"database.dsn"}},
	"dsn, pasted":              {func(c *Config) { c.Database.DSN = "hunter2" }, []string{"database.dsn: a credential is given by reference"}},
	"dsn, unknown reference":   {func(c *Config) { c.Database.DSN = "postgres://copay:hunter2@db/copay" }, []string{"database.dsn: unknown credential reference"}},
	"dsn, missing file":        {func(c *Config) { c.Database.DSN = "file:/nowhere/dsn" }, []string{"database.dsn", "/nowhere/dsn"}},
	"connections, negative":    {func(c *Config) { c.Database.MaxConns = -1 }, []string{"database.max_conns"}},
	"connections, absurd":      {func(c *Config) { c.Database.MaxConns = 1 << 33 }, []string{"database.max_conns"}},
	"no master key":            {func(c *Config) { c.MasterKeys = nil }, []string{"master_keys: configure at least one"}},
	"master key, not 32 bytes": {func(c *Config) { c.MasterKeys[1].Secret = ref("aHVudGVyMg==") }, []string{"master_keys[1]", `"m1"`, "32 bytes"}},
	"master key, not base64":   {func(c *Config) { c.MasterKeys[0].Secret = ref("hunter2!") }, []string{"master_keys[0]"}},
	"master key without id":    {func(c *Config) { c.MasterKeys[0].ID = "" }, []string{"master_keys[0] needs an id"}},
	"master key id twice":      {func(c *Config) { c.MasterKeys[1].ID = "m2" }, []string{"master_keys[1].id m2 is used twice"}},
	"no codec key":             {func(c *Config) { c.CodecKeys = nil }, []string{"codec_keys: configure at least one"}},
	"codec key id twice":       {func(c *Config) { c.CodecKeys = append(c.CodecKeys, c.CodecKeys[0]) }, []string{"codec_keys[1].id c1 is used twice"}},
	"codec key, not set":       {func(c *Config) { c.CodecKeys[0].Secret = "env:COPAY_TEST_NOT_SET" }, []string{"codec_keys[0]", "COPAY_TEST_NOT_SET is not set"}},
	"temporal key":             {func(c *Config) { c.Temporal.APIKey = "hunter2" }, []string{"temporal.api_key"}},
	"retention":                {func(c *Config) { c.Temporal.Retention = time.Hour }, []string{"temporal.retention"}},
	"certificate without key":  {func(c *Config) { c.Temporal.TLS.Key = "" }, []string{"temporal.tls.cert and temporal.tls.key"}},
	"key without certificate":  {func(c *Config) { c.Temporal.TLS.Cert = "" }, []string{"temporal.tls.cert and temporal.tls.key"}},
	"TLS that is off":          {func(c *Config) { c.Temporal.TLS.Enabled = false }, []string{"temporal.tls.enabled"}},
	"log level":                {func(c *Config) { c.Telemetry.LogLevel = "loud" }, []string{"telemetry.log_level"}},
	"log format":               {func(c *Config) { c.Telemetry.LogFormat = "xml" }, []string{"telemetry.log_format"}},
	"worker":                   {func(c *Config) { c.Worker.StickyCache = -1 }, []string{"worker.sticky_cache"}},
	"clock":                    {func(c *Config) { c.Dev.ClockFile = "/tmp/clock" }, []string{"dev.clock_file"}},
	"dev tokens":               {func(c *Config) { c.Auth.Dev = DevAuth{true, "literal:hunter2"} }, []string{"auth.dev lets anybody"}},
	"dev tokens, no secret":    {func(c *Config) { c.Env, c.Auth.Dev = "dev", DevAuth{true, "hunter2"} }, []string{"auth.dev.secret"}},
	"UI, any page":             {func(c *Config) { c.Codec.UIOrigins = []string{"https://temporal.example.com:8443", "*"} }, []string{"codec.ui_origins[1]"}},
	"UI, no page":              {func(c *Config) { c.Codec.UIOrigins = []string{""} }, []string{"codec.ui_origins[0]"}},
	"UI, a page of nobody":     {func(c *Config) { c.Codec.UIOrigins = []string{"null"} }, []string{"codec.ui_origins[0]"}},
	"UI with a path":           {func(c *Config) { c.Codec.UIOrigins = []string{"https://temporal.example.com/"} }, []string{"codec.ui_origins[0]", "without a path"}},
	"UI in capitals":           {func(c *Config) { c.Codec.UIOrigins = []string{"https://Temporal.example.com"} }, []string{"codec.ui_origins[0]"}},
	"nobody may call":          {func(c *Config) { c.Auth = Auth{} }, []string{"auth: configure"}},
	"issuer, no address":       {func(c *Config) { c.Auth.OIDC[0].Issuer = "login" }, []string{"auth.oidc[0] needs an issuer"}},
	"issuer, no audience":      {func(c *Config) { c.Auth.OIDC[0].Audience = "" }, []string{"auth.oidc[0]", "audience"}},
	"issuer, plain":            {func(c *Config) { c.Auth.OIDC[0].Issuer = "http://login.example.com" }, []string{"auth.oidc[0].issuer must be https"}},
	"issuer twice":             {func(c *Config) { c.Auth.OIDC = append(c.Auth.OIDC, c.Auth.OIDC[0]) }, []string{"auth.oidc[1].issuer stands there twice"}},
	"API key of the example":   {func(c *Config) { c.Auth.APIKeys[0].SHA256 = strings.ToUpper(exampleHash) }, []string{"auth.api_keys[0] is the example's", "copay api-key ehr"}},
	"API key, not hashed":      {func(c *Config) { c.Auth.APIKeys[0].SHA256 = "hunter2" }, []string{"auth.api_keys[0]", "SHA-256"}},
	"API key, half a hash":     {func(c *Config) { c.Auth.APIKeys[0].SHA256 = "abab" }, []string{"auth.api_keys[0]", "SHA-256"}},
	"API key without id":       {func(c *Config) { c.Auth.APIKeys[0].ID = "" }, []string{"auth.api_keys[0] needs an id"}},
	"API key id with a dot":    {func(c *Config) { c.Auth.APIKeys[0].ID = "a.b" }, []string{"auth.api_keys[0].id"}},
	"API key id twice":         {func(c *Config) { c.Auth.APIKeys = append(c.Auth.APIKeys, c.Auth.APIKeys[0]) }, []string{"auth.api_keys[1].id ehr is used twice"}},
	"API key for nowhere":      {func(c *Config) { c.Auth.APIKeys[0].Practices = nil }, []string{"auth.api_keys[0] names no practice"}},
	"API key, role":            {func(c *Config) { c.Auth.APIKeys[0].Roles = []string{"service", "boss"} }, []string{`auth.api_keys[0]: there is no role "boss"`}},
	"no practice":              {func(c *Config) { c.Practices = nil }, []string{"practices: configure at least one"}},
	"practice twice":           {func(c *Config) { c.Practices = append(c.Practices, c.Practices[0]) }, []string{"practices[1].id: practice maple"}},
	"practice id":              {func(c *Config) { c.Practices[0].ID = "Maple Clinic" }, []string{"practice Maple Clinic: id: "}},
	"practice name":            {func(c *Config) { c.Practices[0].Name = "" }, []string{"practice maple needs a name"}},
	"practice phone":           {func(c *Config) { c.Practices[0].Phone = "" }, []string{"practice maple needs a name and a phone"}},
	"time zone":                {func(c *Config) { c.Practices[0].TimeZone = "Chicago" }, []string{"practice maple: time_zone"}},
	"no time zone":             {func(c *Config) { c.Practices[0].TimeZone = "" }, []string{"practice maple: time_zone"}},
	"pay url":                  {func(c *Config) { c.Practices[0].PayURL = "pay.maple.example" }, []string{"practice maple: pay_url must be an http(s)"}},
	"pay url, plain":           {func(c *Config) { c.Practices[0].PayURL = "http://pay.maple.example" }, []string{"practice maple: pay_url must be https"}},
	"consent without wording":  {func(c *Config) { c.Practices[0].Consent.TextVersion = "" }, []string{"practice maple: consent.source and consent.text_version"}},
	"second factor":            {func(c *Config) { c.Practices[0].PayPage.SecondFactor = "sms" }, []string{"practice maple: pay_page.second_factor"}},
	"port there is not":        {func(c *Config) { c.Practices[0].Ports["fax"] = []copay.Platform{"stripe"} }, []string{`practice maple: ports: there is no port "fax"`}},
	"platform there is not":    {func(c *Config) { c.Practices[0].Ports["sms"] = []copay.Platform{"twilio"} }, []string{"practice maple: ports.sms names twilio"}},
	"platform twice":           {func(c *Config) { c.Practices[0].Ports["collect"] = []copay.Platform{"stripe", "stripe"} }, []string{"practice maple: ports.collect names stripe twice"}},
	"rate that is no number":   {func(c *Config) { c.Practices[0].RateLimited["drchrono"] = math.NaN() }, []string{"practice maple: rate_limited.drchrono"}},
	"rate without end":         {func(c *Config) { c.Practices[0].RateLimited["drchrono"] = math.Inf(1) }, []string{"practice maple: rate_limited.drchrono"}},
	"dsn in the file":          {func(c *Config) { c.Database.DSN = "literal:postgres://copay:hunter2@db/copay" }, []string{"database.dsn: a credential must not stand in the file"}},
	"temporal key in the file": {func(c *Config) { c.Temporal.APIKey = "literal:hunter2" }, []string{"temporal.api_key: a credential must not"}},
	"master key in the file":   {func(c *Config) { c.MasterKeys[1].Secret = literalKey }, []string{"master_keys[1]: a credential must not"}},
	"codec key in the file":    {func(c *Config) { c.CodecKeys[0].Secret = literalKey }, []string{"codec_keys[0]: a credential must not"}},
	"platform key in the file": {option("stripe", "secret_key", "literal:hunter2"), []string{"practice maple: platforms.stripe.secret_key: a credential must not"}},
	"a key among several":      {option("stripe", "webhook_secrets", []any{"env:A", "literal:hunter2"}), []string{"platforms.stripe.webhook_secrets: a credential must not"}},
	"a key in a table":         {option("drchrono", "more", map[string]any{"a": []string{"literal:hunter2"}}), []string{"platforms.drchrono.more: a credential must not"}},
	"platform over HTTP":       {option("drchrono", "base_url", "http://app.drchrono.com"), []string{"practice maple: platforms.drchrono.base_url must be https"}},
	"tokens over HTTP":         {option("drchrono", "token_url", "http://127.0.0.1"), []string{"practice maple: platforms.drchrono.token_url must be https"}},
	"answers that are made up": {option("stripe", "demo", true), []string{"practice maple: platforms.stripe.demo"}},
	"rate of nobody":           {func(c *Config) { c.Practices[0].RateLimited["twilio"] = 1 }, []string{"practice maple: rate_limited.twilio"}},
	"rate of nothing":          {func(c *Config) { c.Practices[0].RateLimited["drchrono"] = 0 }, []string{"practice maple: rate_limited.drchrono"}},
	"confidence":               {func(c *Config) { c.Practices[0].Policy.MinConfidence = 101 }, []string{"practice maple: policy.min_confidence"}},
	"max amount":               {func(c *Config) { c.Practices[0].Policy.MaxAmount = "lots" }, []string{"practice maple: policy.max_amount"}},
	"min amount":               {func(c *Config) { c.Practices[0].Policy.MinAmount = "-1.00" }, []string{"practice maple: policy.min_amount"}},
	"min above max":            {func(c *Config) { c.Practices[0].Policy.MinAmount = "500.01" }, []string{"policy.min_amount is more than policy.max_amount"}},
	"refund approval":          {func(c *Config) { c.Practices[0].Policy.RefundApprovalAbove = "1,000" }, []string{"practice maple: policy.refund_approval_above"}},
	"tolerance":                {func(c *Config) { c.Practices[0].Policy.TrueUpTolerance = "x" }, []string{"practice maple: policy.true_up_tolerance"}},
	"true up":                  {func(c *Config) { c.Practices[0].Policy.TrueUp = "maybe" }, []string{"practice maple: policy.true_up must be"}},
	"too early":                {func(c *Config) { c.Practices[0].Policy.Reminders.QuietUntil = 7 }, []string{"47 CFR", "quiet_until"}},
	"too late":                 {func(c *Config) { c.Practices[0].Policy.Reminders.QuietFrom = 22 }, []string{"47 CFR", "quiet_from"}},
	"no hour left":             {func(c *Config) { c.Practices[0].Policy.Reminders.QuietUntil = 21 }, []string{"policy.reminders.quiet_until must be before quiet_from"}},
	"channel":                  {func(c *Config) { c.Practices[0].Policy.Reminders.Channels = []string{"sms", "fax"} }, []string{`policy.reminders.channels: there is no message channel "fax"`}},
	"ladder that goes back":    {func(c *Config) { c.Practices[0].Policy.Reminders.Ladder = []time.Duration{2, 1} }, []string{"policy.reminders.ladder"}},
	"ladder before the start":  {func(c *Config) { c.Practices[0].Policy.Reminders.Ladder = []time.Duration{-1, 1} }, []string{"policy.reminders.ladder"}},
	"caps":                     {func(c *Config) { c.Practices[0].Policy.Reminders.MaxTotal = -1 }, []string{"policy.reminders.", "max_total"}},
}

func TestEveryFaultNamesItsField(t *testing.T) {
	t.Parallel()
	require.NoError(t, valid().Validate(), "the sample has no fault of its own")
	known := fields(reflect.TypeFor[Config](), map[string]bool{})
	require.Greater(t, len(known), 60)
	for name, tc := range faulty {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := valid()
			tc.spoil(c)
			err := c.Validate()
			require.Error(t, err)
			for _, want := range tc.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "hunter2", "credentials stay out of sentences")
			for sentence := range strings.SplitSeq(err.Error(), "\n") {
				require.True(t, strings.HasPrefix(sentence, "  - "), sentence)
				named := false
				for _, w := range word.FindAllString(sentence, -1) {
					named = named || known[w]
				}
				require.True(t, named, "no setting is named: %s", sentence)
			}
		})
	}
}

// One fault is one sentence: people must not look for a second one.
func TestOneFaultIsOneSentence(t *testing.T) {
	t.Parallel()
	several := map[string]int{"no public url": 2, "public url without host": 1, "issuer, no address": 2, "pay url": 2, "practice name": 1, "dev tokens": 1, "min amount": 1}
	for _, name := range []string{"no public url", "public url without host", "issuer, no address", "pay url", "practice name", "dev tokens", "min amount", "too late", "codec key id twice", "TLS that is off"} {
		c := valid()
		faulty[name].spoil(c)
		want := several[name]
		if want == 0 {
			want = 1
		}
		require.Len(t, strings.Split(c.Validate().Error(), "\n"), want, name)
	}
}

// Ports that must have a platform, one by one, and durations, one by one.
func TestEveryRequiredPortAndEveryDuration(t *testing.T) {
	t.Parallel()
	for _, port := range Ports {
		c := valid()
		delete(c.Practices[0].Ports, port.Name)
		err := c.Validate()
		if port.Required {
			require.ErrorContains(t, err, fmt.Sprintf("practice maple: ports.%s names no platform", port.Name))
		} else {
			require.NoError(t, err, port.Name)
		}
	}
	typ := reflect.TypeFor[Policy]()
	seen := 0
	for i := range typ.NumField() {
		if typ.Field(i).Type != reflect.TypeFor[time.Duration]() {
			continue
		}
		seen++
		c := valid()
		reflect.ValueOf(&c.Practices[0].Policy).Elem().Field(i).SetInt(-1)
		require.ErrorContains(t, c.Validate(), "policy."+typ.Field(i).Tag.Get("koanf")+" cannot be negative")
	}
	require.Equal(t, 8, seen)
}

// What development may, production may not.
func TestDevelopmentMayMore(t *testing.T) {
	t.Parallel()
	c := valid()
	c.Env, c.PublicURL, c.Dev.ClockFile = "dev", "http://127.0.0.1:8080", "/tmp/clock"
	c.Auth = Auth{Dev: DevAuth{true, "literal:x"}, OIDC: []OIDC{{Issuer: "http://127.0.0.1:9000", Audience: "a"}}}
	c.Practices[0].PayURL = "http://127.0.0.1:8080"
	c.Database.DSN, c.Temporal.APIKey, c.CodecKeys[0].Secret = "literal:x", "literal:x", literalKey
	c.Practices[0].Platforms["drchrono"] = map[string]any{"base_url": "http://127.0.0.1:7601", "demo": true, "client_secret": "literal:x"}
	require.NoError(t, c.Validate())
	for _, env := range []string{"staging", "production"} {
		c.Env = env
		require.ErrorContains(t, c.Validate(), "auth.dev lets anybody mint tokens")
		require.ErrorContains(t, c.Validate(), "dev.clock_file")
	}
}

func TestQueuesAndLimits(t *testing.T) {
	t.Parallel()
	c := valid()
	p := &c.Practices[0]
	require.Equal(t, map[string]string{PortCharges: "copay-drchrono", PortCoverage: "copay-drchrono", PortEligibility: "copay-drchrono", PortPost: "copay-drchrono"}, p.Queues(),
		"what has no limit goes the common way")
	p.Ports[PortEligibility] = []copay.Platform{"stripe", "drchrono"}
	require.NotContains(t, p.Queues(), PortEligibility, "the first platform decides")
	p.Ports[PortSMS] = nil
	require.Empty(t, p.Channels())
	require.NotContains(t, p.Queues(), PortSMS)
	require.False(t, p.Books())
	p.Ports[PortAccounting] = []copay.Platform{"stripe"}
	require.True(t, p.Books())

	require.Equal(t, map[string]float64{"copay-drchrono": 0.13}, c.Throttled())
	for rate, want := range map[float64]float64{0.5: 0.13, 0.05: 0.05} {
		other := Practice{ID: "oak", RateLimited: map[copay.Platform]float64{"drchrono": rate, "twilio": 3}}
		for _, order := range [][]Practice{{*p, other}, {other, *p}} {
			c.Practices = order
			require.Equal(t, map[string]float64{"copay-drchrono": want, "copay-twilio": 3}, c.Throttled(), "the smallest limit holds, in any order")
		}
	}
}

func TestKeysAndSecretsByReference(t *testing.T) {
	t.Parallel()
	got, err := KeyRef{"k", keyRef(9)}.Bytes()
	require.NoError(t, err)
	require.Equal(t, bytes.Repeat([]byte{9}, 32), got, "the newline at a file's end is not part of a key")
	s, err := valid().DSNSecret()
	require.NoError(t, err)
	require.Equal(t, "postgres://copay:hunter2@db/copay", s.Reveal())
}

func TestTemporalDevFaults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"no namespace":        {"retention: 24h", "namespace"},
		"short retention":     {"namespace: x\nretention: 1h", "retention"},
		"unknown setting":     {"namespace: x\nretention: 24h\nnonsense: 1", "nonsense"},
		"unknown type":        {"namespace: x\nretention: 24h\nsearch_attributes: {CopayState: Blob}", "CopayState"},
		"not YAML":            {"namespace: [", "not valid YAML"},
		"a port of no number": {"namespace: x\nretention: 24h\nports: {http: many}", "http"},
		"a port too high":     {"namespace: x\nretention: 24h\nports: {http: 70000}", "ports.http must be between 1 and 65535"},
		"a port below all":    {"namespace: x\nretention: 24h\nports: {ui: -1}", "ports.ui must be between 1 and 65535"},
		"a port named twice":  {"namespace: x\nretention: 24h\nports: {http: 8080, grpc: 8080}", "ports.grpc is the port of http"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "t.yaml")
			require.NoError(t, os.WriteFile(path, []byte(tc.text), 0o600))
			_, err := LoadTemporalDev(path)
			require.ErrorContains(t, err, tc.want)
			require.ErrorContains(t, err, path)
		})
	}
}
