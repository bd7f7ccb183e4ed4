package worker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/codec"
	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/dispatch"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/platforms"
	"github.com/copayflow/copayflow/internal/clock"
	"github.com/copayflow/copayflow/ledger"
	"github.com/copayflow/copayflow/telemetry"
)

// Process is what API and worker processes share: the ledger, the connectors,
// the Temporal client with its codec, and the starter of co-pays.
type Process struct {
	Config    *config.Config
	Log       *slog.Logger
	Now       func() time.Time
	Telemetry *telemetry.Telemetry
	Codec     *codec.Codec
	Store     *ledger.Store
	Directory *integrations.Directory
	Temporal  client.Client
	Starter   *dispatch.Starter
}

// Open sets a process up and fails in one clear sentence. name is the
// service's name in traces.
func Open(ctx context.Context, cfg *config.Config, name string, logger *slog.Logger) (p *Process, err error) {
	p = &Process{Config: cfg, Log: logger, Now: clock.System}
	defer func() {
		if err != nil {
			p.Close(ctx)
			p = nil
		}
	}()
	if cfg.Dev.ClockFile != "" {
		moved := clock.NewFile(cfg.Dev.ClockFile)
		if err = moved.Check(); err != nil {
			return p, err
		}
		p.Now = moved.Now
	}
	if p.Telemetry, err = telemetry.Setup(ctx, name, cfg.Telemetry.OTLPEndpoint); err != nil {
		return p, err
	}
	if p.Codec, err = newCodec(cfg); err != nil {
		return p, err
	}
	if p.Store, err = OpenStore(ctx, cfg, p.Now); err != nil {
		return p, err
	}
	p.Directory = integrations.NewDirectory(registry(), practicePlatforms(cfg), integrations.Settings{Tokens: p.Store, Now: p.Now})
	for _, id := range p.Directory.Practices() {
		for _, s := range p.Directory.Statuses(id) {
			if s.Err != nil {
				logger.Error("a platform is not set up; co-pays that need it will wait", "practice_id", id, "platform", s.Platform, "err", s.Err)
			}
		}
	}
	if p.Temporal, err = p.dial(ctx); err != nil {
		return p, err
	}
	starts, err := starterPractices(cfg)
	if err != nil {
		return p, err
	}
	p.Starter = dispatch.NewStarter(p.Temporal, starts)
	return p, nil
}

// Close gives everything back; it may be called on a half-opened process.
func (p *Process) Close(ctx context.Context) {
	if p.Temporal != nil {
		p.Temporal.Close()
	}
	if p.Store != nil {
		p.Store.Close()
	}
	if p.Telemetry != nil {
		if err := p.Telemetry.Stop(context.WithoutCancel(ctx)); err != nil {
			p.Log.Debug("telemetry was not sent completely", "err", err)
		}
	}
}

// OpenStore opens the ledger.
func OpenStore(ctx context.Context, cfg *config.Config, now func() time.Time) (*ledger.Store, error) {
	dsn, err := cfg.DSNSecret()
	if err != nil {
		return nil, err
	}
	byID := map[string][]byte{}
	for _, k := range cfg.MasterKeys {
		if byID[k.ID], err = k.Bytes(); err != nil {
			return nil, err
		}
	}
	keys, err := ledger.NewStaticKeys(cfg.MasterKeys[0].ID, byID)
	if err != nil {
		return nil, err
	}
	s, err := ledger.Open(ctx, ledger.Config{DSN: dsn.Reveal(), Keys: keys, Now: now, MaxConns: int32(cfg.Database.MaxConns)})
	return s, AtDatabase(cfg, err)
}

// AtDatabase adds to the error of a database that does not answer, or lets us
// not in, where it is looked for: everything but the password.
func AtDatabase(cfg *config.Config, err error) error {
	if copay.CodeOf(err) != copay.CodeUnavailable {
		return err
	}
	dsn, bad := cfg.DSNSecret()
	if bad != nil {
		return err
	}
	c, bad := pgconn.ParseConfig(dsn.Reveal())
	if bad != nil { // its words may quote the password
		return err
	}
	return fmt.Errorf("%w (database %s on %s, user %s)", err, c.Database, net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))), c.User)
}

func newCodec(cfg *config.Config) (*codec.Codec, error) {
	var keys []codec.Key
	for _, k := range cfg.CodecKeys {
		b, err := k.Bytes()
		if err != nil {
			return nil, err
		}
		keys = append(keys, codec.Key{ID: k.ID, Bytes: b})
	}
	return codec.New(keys)
}

func practicePlatforms(cfg *config.Config) []integrations.PracticePlatforms {
	var out []integrations.PracticePlatforms
	for _, p := range cfg.Practices {
		out = append(out, integrations.PracticePlatforms{ID: p.ID, Platforms: p.Platforms, Ports: p.Ports})
	}
	return out
}

func starterPractices(cfg *config.Config) ([]dispatch.Practice, error) {
	var out []dispatch.Practice
	for i := range cfg.Practices {
		p := &cfg.Practices[i]
		pol, err := p.Policy.Build()
		if err != nil {
			return nil, err
		}
		out = append(out, dispatch.Practice{ID: p.ID, Policy: pol, Queues: p.Queues(), Channels: p.Channels(), Books: p.Books(), EHRs: p.Ports[config.PortCharges]})
	}
	return out, nil
}

// dial connects to Temporal; everything that leaves passes the codec.
func (p *Process) dial(ctx context.Context) (client.Client, error) {
	t := p.Config.Temporal
	o := client.Options{HostPort: t.Address, Namespace: t.Namespace, Logger: log.NewStructuredLogger(p.Log), MetricsHandler: p.Telemetry.Temporal,
		DataConverter: p.Codec.DataConverter(), FailureConverter: p.Codec.FailureConverter()}
	// What is encrypted does not get smaller, and trying costs a twentieth of the CPU.
	o.ConnectionOptions.GrpcCompression = &client.GrpcCompressionNone{}
	if ci, ok := p.Telemetry.Tracing.(interceptor.ClientInterceptor); ok {
		o.Interceptors = append(o.Interceptors, ci)
	}
	if t.APIKey != "" {
		key, err := integrations.ResolveSecret(t.APIKey)
		if err != nil {
			return nil, err
		}
		o.Credentials = client.NewAPIKeyStaticCredentials(key.Reveal())
	}
	if t.TLS.Enabled {
		conf, err := tlsConfig(t.TLS)
		if err != nil {
			return nil, err
		}
		o.ConnectionOptions.TLS = conf
	}
	c, err := client.DialContext(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("cannot reach Temporal at %s (namespace %s): %w", t.Address, t.Namespace, err)
	}
	return c, nil
}

func tlsConfig(t config.TLS) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("temporal.tls.ca cannot be read: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("temporal.tls.ca holds no certificate")
		}
	}
	if t.Cert != "" {
		cert, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("temporal.tls.cert and key cannot be read: %w", err)
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	return conf, nil
}

// Activities makes the steps over this process's ledger and connectors.
func (p *Process) Activities() *activities.Activities {
	return &activities.Activities{Store: p.Store, Ports: NewPorts(p.Directory), Now: p.Now, Practices: p.practice}
}

// Upkeep makes the steps that belong to no single co-pay.
func (p *Process) Upkeep() *activities.Upkeep {
	return &activities.Upkeep{Inbox: p.Store.Inbox(), Archive: p.Store, Now: clock.System,
		Histories: histories{client: p.Temporal, converter: p.Codec.DataConverter()},
		Pollers: func(practice copay.PracticeID, platform copay.Platform) (integrations.EventPoller, error) {
			return integrations.As[integrations.EventPoller](p.Directory, practice, platform)
		}}
}

func (p *Process) practice(id copay.PracticeID) (activities.Practice, error) {
	c, err := p.Config.Practice(string(id))
	if err != nil {
		return activities.Practice{}, copay.Errorf(copay.CodeNotFound, "practice_id", "practice %q is not configured", id)
	}
	return activities.Practice{ID: c.ID, Name: c.Name, Phone: c.Phone, Language: c.Language, TimeZone: c.TimeZone, PayBase: c.PayURL, NPI: c.NPI,
		ConsentSource: c.Consent.Source, ConsentVersion: c.Consent.TextVersion}, nil
}

// Worker makes the worker of this process.
func (p *Process) Worker() *Worker {
	w := p.Config.Worker
	o := Options{MaxActivities: w.MaxActivities, MaxWorkflowTasks: w.MaxWorkflowTasks, StickyCache: w.StickyCache, Throttled: p.Config.Throttled(),
		Identity: fmt.Sprintf("copay-worker-%d", os.Getpid())}
	return New(p.Temporal, p.Activities(), p.Upkeep(), o)
}

// registry is that of the platforms, but says in a sentence what is wrong with
// their settings.
func registry() integrations.Registry {
	all := platforms.Registry()
	for name, make := range all {
		all[name] = func(s integrations.Settings) (any, error) {
			connector, err := make(s)
			return connector, config.Sentence(err)
		}
	}
	return all
}
