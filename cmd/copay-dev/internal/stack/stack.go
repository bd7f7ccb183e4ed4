// Package stack runs all of Copayflow on one machine: PostgreSQL, Temporal
// with its UI, the sandbox, the API and a worker, with a sample practice.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/ports"
	"github.com/copayflow/copayflow/cmd/copay-dev/internal/temporal"
	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/internal/clock"
	"github.com/copayflow/copayflow/internal/pgserver"
	"github.com/copayflow/copayflow/internal/serve"
	"github.com/copayflow/copayflow/sandbox"
	"github.com/copayflow/copayflow/telemetry"
	"github.com/copayflow/copayflow/worker"
)

// Options choose what a stack is like.
type Options struct {
	// Dir keeps data, keys and the generated configuration. A stack started
	// again on the same folder finds everything.
	Dir string
	// Temporal is temporal-dev.yaml; its ports are used when FixedPorts is
	// set, otherwise any free ones.
	Temporal   config.TemporalDev
	FixedPorts bool
	// Durable survives a power cut and a restart; throw-away stacks do without.
	Durable bool
	// TemporalOnPostgres keeps Temporal's data in PostgreSQL, too, as a cluster
	// in production does, in place of SQLite.
	TemporalOnPostgres bool
	// UI serves Temporal's web UI.
	UI bool
	// NoWorker and NoAPI leave worker and API to other processes.
	NoWorker, NoAPI bool
	// Fast lifts the simulators' rate limits and waits.
	Fast bool
	// Start is where the movable clock begins; zero: now.
	Start time.Time
	// Adjust changes the generated configuration before it is written.
	Adjust func(cfg map[string]any)
	// Log receives the processes' logs; nil drops them.
	Log io.Writer
	// Progress is told what is being started.
	Progress func(what string)
}

// Stack is a running stack.
type Stack struct {
	Options    Options
	Config     *config.Config
	ConfigPath string
	Clock      *clock.File
	Postgres   *pgserver.Server
	Temporal   *temporal.Server
	UI         *temporal.UI
	UIURL      string
	Sandbox    *sandbox.Sandbox
	Process    *worker.Process
	URL        string // of the API
	GRPC       string
	Patients   map[string]string // sample patients' EHR ids by key

	crashed atomic.Bool  // PostgreSQL, on purpose
	block   *ports.Block // when they are not fixed
	cancel  context.CancelFunc
	done    chan struct{}
	err     error
}

// Start brings everything up in order and fails in one clear sentence.
func Start(ctx context.Context, o Options) (s *Stack, err error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	s = &Stack{Options: o}
	defer func() {
		if err != nil {
			s.teardown(ctx)
		}
	}()
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return s, fmt.Errorf("the folder %s cannot be made: %w", o.Dir, err)
	}
	s.Clock = clock.NewFile(filepath.Join(o.Dir, "clock"))
	if err := s.Clock.Check(); err != nil {
		return s, err
	}
	if !o.Start.IsZero() {
		if err := s.Clock.Set(o.Start); err != nil {
			return s, err
		}
	}
	if err := s.servers(ctx); err != nil {
		return s, err
	}
	return s, s.processes(ctx)
}

// servers starts what the product stands on.
func (s *Stack) servers(ctx context.Context) error {
	o := s.Options
	dev, err := s.ports()
	if err != nil {
		return err
	}
	if err := s.stores(ctx, dev); err != nil {
		return err
	}
	listen, err := addresses(dev)
	if err != nil {
		return err
	}
	s.URL, s.GRPC = "http://"+listen.HTTP, listen.GRPC
	o.Progress("sandbox")
	s.Sandbox, err = sandbox.Start(ctx, sandbox.Options{Port: dev.Sandbox, Now: s.Clock.Now, Merchant: practiceName, Fast: o.Fast,
		Webhook: func(platform string) string { return s.URL + "/webhooks/" + platform + "/" + practiceID }})
	if err != nil {
		return err
	}
	if o.UI {
		o.Progress("Temporal UI")
		if s.UI, err = temporal.StartUI(ctx, dev.UI, s.Temporal.HostPort(), o.Temporal.Namespace, s.URL+o.Temporal.UI.CodecPath); err != nil {
			return err
		}
		s.UIURL = fmt.Sprintf("http://127.0.0.1:%d", dev.UI)
	}
	return s.configure(listen)
}

// stores starts the slow starters, side by side where they can be.
func (s *Stack) stores(ctx context.Context, dev config.DevPorts) error {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.postgres(gctx, dev.Postgres) })
	if s.Options.TemporalOnPostgres {
		if err := g.Wait(); err != nil {
			return err
		}
		return s.temporal(ctx, dev.Temporal)
	}
	g.Go(func() error { return s.temporal(gctx, dev.Temporal) })
	return g.Wait()
}

func (s *Stack) postgres(ctx context.Context, port int) (err error) {
	o := s.Options
	o.Progress("PostgreSQL")
	settings := map[string]string{"max_connections": "200"}
	if o.TemporalOnPostgres {
		// Without its statistics the planner would keep to what it planned for
		// empty tables: reading all of a practice's rows to find one.
		settings["autovacuum"], settings["autovacuum_naptime"] = "on", "5s"
	}
	s.Postgres, err = pgserver.Start(ctx, pgserver.Options{Dir: filepath.Join(o.Dir, "postgres"), Port: port, Durable: o.Durable, Ephemeral: !o.Durable,
		Settings: settings})
	if err != nil {
		return err
	}
	databases := []string{"copay"}
	if o.TemporalOnPostgres {
		databases = append(databases, temporal.PostgresDatabases...)
	}
	for _, name := range databases {
		if err := s.Postgres.CreateDatabase(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) temporal(ctx context.Context, port int) (err error) {
	o := s.Options
	o.Progress("Temporal")
	t := temporal.Options{Port: port, Namespace: o.Temporal.Namespace, Retention: o.Temporal.Retention,
		SearchAttributes: serve.AttributeTypes(o.Temporal), DynamicConfig: map[string]any{}}
	switch {
	case o.TemporalOnPostgres:
		t.Postgres = s.Postgres.DSN("postgres")
	case o.Durable:
		t.Database = filepath.Join(o.Dir, "temporal.db")
	}
	for _, d := range o.Temporal.DynamicConfig {
		t.DynamicConfig[d.Key] = d.Value
	}
	s.Temporal, err = temporal.Start(ctx, t)
	return err
}

// ports are those of temporal-dev.yaml, or any free ones: zero where the
// server that wants one can take any itself.
func (s *Stack) ports() (p config.DevPorts, err error) {
	if s.Options.FixedPorts {
		return s.Options.Temporal.Ports, nil
	}
	if s.block, err = ports.Reserve(); err != nil {
		return p, err
	}
	return config.DevPorts{HTTP: s.block.Port(0), GRPC: s.block.Port(1), Metrics: s.block.Port(2), UI: s.block.Port(3)}, nil
}

// addresses says where the API will listen, and whether it can.
func addresses(p config.DevPorts) (config.Listen, error) {
	for _, port := range []int{p.HTTP, p.GRPC, p.Metrics} {
		if !ports.Free(port) {
			return config.Listen{}, fmt.Errorf("port %d, which the API needs, is taken by another program; stop it or change the port in temporal-dev.yaml", port)
		}
	}
	at := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
	return config.Listen{HTTP: at(p.HTTP), GRPC: at(p.GRPC), Metrics: at(p.Metrics)}, nil
}

// processes starts API and worker in this process.
func (s *Stack) processes(ctx context.Context) error {
	s.Options.Progress("database schema")
	if err := serve.Migrate(ctx, s.Config); err != nil {
		return err
	}
	log, err := telemetry.NewLogger(s.Options.Log, s.Config.Telemetry.LogLevel, s.Config.Telemetry.LogFormat)
	if err != nil {
		return err
	}
	slog.SetDefault(log)
	s.Options.Progress("API and worker")
	if s.Process, err = worker.Open(ctx, s.Config, "copay-dev", log); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel, s.done = cancel, make(chan struct{})
	procs, run := errgroup.WithContext(run)
	procs.Go(func() error { <-run.Done(); return nil }) // the stack is up without any of them, too
	if !s.Options.NoAPI {
		l, err := serve.Listen(s.Config.Listen)
		if err != nil {
			return err
		}
		procs.Go(func() error { return serve.API(run, s.Process, l) })
	}
	if !s.Options.NoWorker {
		procs.Go(func() error { return serve.Worker(run, s.Process, nil) })
	}
	ended := s.Postgres.Done()
	procs.Go(func() error {
		select {
		case <-ended:
			if s.crashed.Load() { // on purpose
				return nil
			}
			return errors.New("PostgreSQL has ended by itself, so everything else ends, too; start again: what was stored is kept")
		case <-run.Done():
			return nil
		}
	})
	go func(done chan<- struct{}) {
		s.err = procs.Wait()
		close(done)
	}(s.done)
	if s.Patients != nil { // processes that were halted
		return nil
	}
	return s.seed(ctx)
}

// Done is closed when API or worker have ended, or PostgreSQL has; Err says why.
func (s *Stack) Done() <-chan struct{} { return s.done }

// Err is why the processes ended.
func (s *Stack) Err() error { return s.err }

// Stop ends everything in the reverse order; data stays on a durable stack.
func (s *Stack) Stop(ctx context.Context) error {
	if s.cancel != nil {
		s.cancel()
		<-s.done
	}
	return errors.Join(s.err, s.teardown(ctx))
}

func (s *Stack) teardown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if s.cancel != nil {
		s.cancel()
	}
	if s.Process != nil {
		s.Process.Close(ctx)
	}
	if s.UI != nil {
		s.UI.Stop()
	}
	var errs []error
	if s.Sandbox != nil {
		errs = append(errs, s.Sandbox.Stop(ctx))
	}
	if s.Temporal != nil {
		errs = append(errs, s.Temporal.Stop())
	}
	if s.Postgres != nil {
		errs = append(errs, s.Postgres.Stop(ctx))
	}
	errs = append(errs, s.block.Release())
	return errors.Join(errs...)
}

// Advance moves the clock on and lets every open co-pay decide again.
func (s *Stack) Advance(ctx context.Context, d time.Duration) error {
	if err := s.Clock.Advance(d); err != nil {
		return err
	}
	return s.recheck(ctx)
}

// FollowClock lets every open co-pay decide again whenever another process
// has moved the clock, until ctx or the stack ends.
func (s *Stack) FollowClock(ctx context.Context) {
	ahead := func() time.Duration { return time.Until(s.Clock.Now()) }
	known, tick := ahead(), time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-s.done:
			return
		}
		now := ahead()
		if (now - known).Abs() < time.Second {
			continue
		}
		if err := s.recheck(ctx); err != nil {
			s.Process.Log.WarnContext(ctx, "the clock was moved, and co-pays could not be woken yet", "error", err)
			continue
		}
		known = now
	}
}
