// Package config reads the one file that says how Copayflow runs: where it
// listens, its database and Temporal cluster, its keys, who may sign in, and
// which platforms each practice uses. Secrets stand in it by reference only.
package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"

	"github.com/copayflow/copayflow/integrations"
)

// Config is the whole file.
type Config struct {
	Env        string     `koanf:"env"` // dev, staging, production
	Listen     Listen     `koanf:"listen"`
	PublicURL  string     `koanf:"public_url"` // under which platforms and patients reach the API
	Database   Database   `koanf:"database"`
	MasterKeys []KeyRef   `koanf:"master_keys"` // database: the first seals, all open
	CodecKeys  []KeyRef   `koanf:"codec_keys"`  // Temporal payloads
	Temporal   Temporal   `koanf:"temporal"`
	Codec      Codec      `koanf:"codec"`
	Auth       Auth       `koanf:"auth"`
	Worker     Worker     `koanf:"worker"`
	Telemetry  Telemetry  `koanf:"telemetry"`
	Dev        Dev        `koanf:"dev"`
	Practices  []Practice `koanf:"practices"`
}

// Listen is where the API listens; port 0 takes any free one.
type Listen struct {
	HTTP    string `koanf:"http"`    // REST, webhooks, pay page, codec server
	GRPC    string `koanf:"grpc"`    // gRPC
	Metrics string `koanf:"metrics"` // Prometheus and health; keep it inside
	// TLS is for http and grpc; without it a proxy before them must end TLS.
	TLS ListenTLS `koanf:"tls"`
	// Drain is how long the API, once told to stop, serves on while it says that
	// it is not ready: longer than the balancer takes to notice. 0: not at all.
	Drain time.Duration `koanf:"drain"`
}

// ListenTLS names the files of the API's certificate. With ClientCA, callers
// of gRPC and REST must show a certificate of that authority.
type ListenTLS struct {
	Cert     string `koanf:"cert"`
	Key      string `koanf:"key"`
	ClientCA string `koanf:"client_ca"`
}

// Database is the ledger's PostgreSQL.
type Database struct {
	DSN      string `koanf:"dsn"` // by reference: env:DATABASE_URL
	MaxConns int    `koanf:"max_conns"`
}

// KeyRef is a 32-byte key, base64, by reference.
type KeyRef struct {
	ID     string `koanf:"id"`
	Secret string `koanf:"secret"`
}

// Bytes resolves the key.
func (k KeyRef) Bytes() ([]byte, error) {
	s, err := integrations.ResolveSecret(k.Secret)
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(s.Reveal())
	if err != nil || len(b) != 32 {
		return nil, fmt.Errorf("key %q is not 32 bytes in base64; make one with: openssl rand -base64 32", k.ID)
	}
	return b, nil
}

// Temporal is the cluster.
type Temporal struct {
	Address   string        `koanf:"address"`
	Namespace string        `koanf:"namespace"`
	APIKey    string        `koanf:"api_key"` // by reference; Temporal Cloud
	TLS       TLS           `koanf:"tls"`
	Retention time.Duration `koanf:"retention"`
}

// TLS names the files of a mutual TLS connection.
type TLS struct {
	Enabled    bool   `koanf:"enabled"`
	CA         string `koanf:"ca"`
	Cert       string `koanf:"cert"`
	Key        string `koanf:"key"`
	ServerName string `koanf:"server_name"`
}

// Codec is the codec server for the Temporal UI.
type Codec struct {
	UIOrigins []string `koanf:"ui_origins"`
}

// Auth says who may call.
type Auth struct {
	OIDC    []OIDC   `koanf:"oidc"`
	APIKeys []APIKey `koanf:"api_keys"`
	Dev     DevAuth  `koanf:"dev"`
}

// OIDC is an issuer of tokens for people.
type OIDC struct {
	Issuer         string `koanf:"issuer"`
	Audience       string `koanf:"audience"`
	RolesClaim     string `koanf:"roles_claim"`     // default "roles"
	PracticesClaim string `koanf:"practices_claim"` // default "practices"
}

// APIKey is a machine's key: only its SHA-256 (hex) is kept.
type APIKey struct {
	ID        string   `koanf:"id"`
	SHA256    string   `koanf:"sha256"`
	Roles     []string `koanf:"roles"`
	Practices []string `koanf:"practices"`
}

// DevAuth lets development mint its own tokens.
type DevAuth struct {
	Enabled bool   `koanf:"enabled"`
	Secret  string `koanf:"secret"` // by reference
}

// Worker tunes a worker process.
type Worker struct {
	MaxActivities    int `koanf:"max_activities"`
	MaxWorkflowTasks int `koanf:"max_workflow_tasks"`
	StickyCache      int `koanf:"sticky_cache"`
}

// Telemetry is logs, traces and metrics.
type Telemetry struct {
	OTLPEndpoint string `koanf:"otlp_endpoint"`
	LogLevel     string `koanf:"log_level"`  // debug, info, warn, error
	LogFormat    string `koanf:"log_format"` // json, text
}

// Dev is for the development stack only.
type Dev struct {
	ClockFile string `koanf:"clock_file"`
}

// prefix of environment variables that override the file:
// COPAY_LISTEN__HTTP overrides listen.http.
const prefix = "COPAY_"

// Load reads a file, applies overrides from the environment and checks
// everything; the error lists all faults at once.
func Load(path string) (*Config, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("the configuration file %s cannot be read; name yours with --config or COPAY_CONFIG, deploy/copay.example.yaml explains one", path)
	}
	k := koanf.New(".")
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
		return nil, fmt.Errorf("the configuration file %s is not valid YAML: %w", path, err)
	}
	over := env.Provider(".", env.Opt{Prefix: prefix, TransformFunc: func(key, value string) (string, any) {
		return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(key, prefix)), "__", "."), value
	}, EnvironFunc: overrides})
	if err := k.Load(over, nil); err != nil {
		return nil, err
	}
	var c Config
	err := k.UnmarshalWithConf("", &c, koanf.UnmarshalConf{Tag: "koanf", DecoderConfig: &mapstructure.DecoderConfig{
		TagName: "koanf", Result: &c, ErrorUnused: true, WeaklyTypedInput: true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(integrations.Exact, mapstructure.StringToTimeDurationHookFunc(), mapstructure.StringToSliceHookFunc(",")),
	}})
	if err != nil {
		return nil, fmt.Errorf("the configuration file %s has faults:\n%w", path, misspelt(err))
	}
	c.defaults()
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("the configuration file %s has faults:\n%w", path, err)
	}
	return &c, nil
}

var (
	unknownKeys = regexp.MustCompile(`'([^']*)' has invalid keys: (.*)`)
	unfit       = regexp.MustCompile(`^'([^']*)' (.*)$`)
	wantedType  = regexp.MustCompile(`(?:value as|expected type) '([^']*)'`)
)

// form is what a setting must be of which the decoder says why it is not.
func form(said string) string {
	if m := wantedType.FindStringSubmatch(said); m != nil && integrations.Forms[m[1]] != "" {
		return "must be " + integrations.Forms[m[1]]
	}
	switch {
	case strings.HasPrefix(said, "must be "): // it is ours
		return said
	case strings.HasPrefix(said, "time: "):
		return "must be " + integrations.DurationForm
	case strings.HasPrefix(said, "expected a map"):
		return "must hold settings of its own"
	}
	return "does not have the form that deploy/copay.example.yaml shows"
}

// Sentence says in a sentence what is wrong with a platform's settings, which
// the platform reads itself; other errors stay.
func Sentence(err error) error {
	var of mapstructure.Error
	if !errors.As(err, &of) {
		return err
	}
	head, list, decoded := strings.Cut(err.Error(), "decoding failed")
	if !decoded {
		return err
	}
	platform, _, _ := strings.Cut(head, " ")
	var all []string
	for _, line := range strings.Split(list, "\n")[1:] { // behind the rest of the heading
		if m := unknownKeys.FindStringSubmatch(line); m != nil && strings.HasPrefix(m[1], platform+".") { // its outermost level, by the type's name
			all = append(all, "there is no setting "+m[2])
		} else if m != nil {
			all = append(all, m[1]+" has no setting "+m[2])
		} else if m := unfit.FindStringSubmatch(line); m != nil && foreign.MatchString(m[2]) {
			all = append(all, m[1]+" "+form(m[2]))
		} else if m != nil { // of a credential, by our own words
			all = append(all, m[1]+": "+m[2])
		} else if line != "" {
			all = append(all, line)
		}
	}
	return &sentence{head + strings.Join(all, "; "), err}
}

// foreign are the words of the decoder, and what form says in its place.
var foreign = regexp.MustCompile(`^(cannot |expected |time: |must be )`)

// sentence is an error in our words.
type sentence struct {
	text  string
	cause error
}

func (s *sentence) Error() string { return s.text }
func (s *sentence) Unwrap() error { return s.cause }

// misspelt says in a sentence what the decoder says of settings there are not.
func misspelt(err error) error {
	f := &faults{}
	for _, line := range strings.Split(err.Error(), "\n") {
		switch m := unknownKeys.FindStringSubmatch(line); {
		case m != nil && strings.HasPrefix(m[1], "config."): // the file's outermost level, by our name for it
			f.add("there is no setting %s", m[2])
		case m != nil:
			f.add("%s has no setting %s", m[1], m[2])
		case unfit.MatchString(line):
			m = unfit.FindStringSubmatch(line)
			f.add("%s %s", m[1], form(m[2]))
		case line != "" && !strings.HasPrefix(line, "decoding failed"):
			f.add("%s", line)
		}
	}
	return errors.Join(f.all...)
}

// overrides are the environment variables that name a setting; the CLI's own
// variables (COPAY_TOKEN and the like) have no double underscore.
func overrides() []string {
	var out []string
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, prefix) && strings.Contains(name, "__") {
			out = append(out, kv)
		}
	}
	return out
}

func (c *Config) defaults() {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&c.Env, "production")
	def(&c.Listen.HTTP, "127.0.0.1:8080")
	def(&c.Listen.GRPC, "127.0.0.1:9090")
	def(&c.Listen.Metrics, "127.0.0.1:9091")
	def(&c.Temporal.Address, "127.0.0.1:7233")
	def(&c.Temporal.Namespace, "copay")
	def(&c.Telemetry.LogLevel, "info")
	def(&c.Telemetry.LogFormat, "json")
	if c.Temporal.Retention == 0 {
		c.Temporal.Retention = 365 * 24 * time.Hour
	}
	for i := range c.Auth.OIDC {
		def(&c.Auth.OIDC[i].RolesClaim, "roles")
		def(&c.Auth.OIDC[i].PracticesClaim, "practices")
	}
	for i := range c.Practices {
		def(&c.Practices[i].Language, "en")
		def(&c.Practices[i].PayPage.SecondFactor, FactorBirthDate)
		def(&c.Practices[i].PayURL, c.PublicURL)
		if c.Practices[i].CatchUp == 0 {
			c.Practices[i].CatchUp = 15 * time.Minute
		}
	}
}

// DSNSecret resolves the database address.
func (c *Config) DSNSecret() (integrations.Secret, error) {
	return integrations.ResolveSecret(c.Database.DSN)
}

// Practice finds a practice by its id.
func (c *Config) Practice(id string) (*Practice, error) {
	for i := range c.Practices {
		if string(c.Practices[i].ID) == id {
			return &c.Practices[i], nil
		}
	}
	return nil, errors.New("practice " + id + " is not configured")
}
