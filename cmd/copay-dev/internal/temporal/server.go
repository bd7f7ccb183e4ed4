// Package temporal runs the real Temporal server and its web UI inside the
// development stack, with SQLite as its store. It is the only place that
// links the server; the product itself speaks to it as to any other cluster.
package temporal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/ports"
	"github.com/copayflow/copayflow/internal/serve"
)

// Options configure the embedded server.
type Options struct {
	// Database is the SQLite file; "" keeps everything in memory.
	Database string
	// Postgres is the connection string of a PostgreSQL that has the
	// PostgresDatabases: the store that a cluster in production has.
	Postgres  string
	Port      int // of the frontend; 0: any free one
	Namespace string
	// Retention is how long closed histories are kept.
	Retention        time.Duration
	SearchAttributes map[string]enumspb.IndexedValueType
	DynamicConfig    map[string]any
	LogLevel         string // none when empty
}

// Server is a running Temporal server.
type Server struct {
	srv      temporal.Server
	hostPort string
	ports    *ports.Block // of its inner services
}

// Start runs the server and waits until it answers.
func Start(ctx context.Context, o Options) (*Server, error) {
	block, err := ports.Reserve()
	if err != nil {
		return nil, err
	}
	s := &Server{ports: block}
	if err := s.start(ctx, o); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, o Options) (err error) {
	if o.Port == 0 {
		o.Port = s.ports.Port(ports.Size - 1)
	}
	if !ports.Free(o.Port) {
		return taken(o.Port, "Temporal")
	}
	stores, err := prepare(o)
	if err != nil {
		return err
	}
	cfg := serverConfig(o, stores, s.ports)
	// The server is noisy while its services find one another; what matters
	// shows in its answers.
	var logger log.Logger = log.NewNoopLogger()
	if o.LogLevel != "" {
		logger = log.NewZapLogger(log.BuildZapLogger(log.Config{Level: o.LogLevel}))
	}
	dyn := dynamicconfig.StaticClient{}
	for k, v := range o.DynamicConfig {
		dyn[dynamicconfig.MakeKey(k)] = v
	}
	s.srv, err = temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithLogger(logger),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return authorization.NewNoopClaimMapper() }),
		temporal.WithDynamicConfigClient(dyn),
	)
	if err != nil {
		return fmt.Errorf("the Temporal server cannot be set up: %w", err)
	}
	if err := s.srv.Start(); err != nil {
		return fmt.Errorf("the Temporal server cannot be started: %w", err)
	}
	s.hostPort = cfg.PublicClient.HostPort
	return s.ready(ctx, o)
}

// HostPort is the frontend's address.
func (s *Server) HostPort() string { return s.hostPort }

// Stop ends the server, also one that has started halfway.
func (s *Server) Stop() error {
	var err error
	if s.srv != nil {
		err = s.srv.Stop()
	}
	return errors.Join(err, s.ports.Release())
}

func taken(port int, by string) error {
	return fmt.Errorf("port %d, which %s needs, is taken by another program; stop it or change the port in temporal-dev.yaml", port, by)
}

// ready waits until the server answers and the namespace has the wanted
// retention and search attributes.
func (s *Server) ready(ctx context.Context, o Options) error {
	c, err := client.NewLazyClient(client.Options{HostPort: s.hostPort, Namespace: o.Namespace, Logger: quiet{}})
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for {
		if err = serve.MigrateTemporal(ctx, c, o.Namespace, o.Retention, o.SearchAttributes); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the Temporal server does not answer: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func store(o Options) *config.SQL {
	s := &config.SQL{PluginName: sqliteplugin.PluginName, DatabaseName: o.Database, ConnectAttributes: map[string]string{"mode": "rwc"}}
	if o.Database == "" {
		s.DatabaseName = fmt.Sprintf("copay%d", rand.Int64())
		s.ConnectAttributes = map[string]string{"mode": "memory", "cache": "shared"}
	} else {
		s.ConnectAttributes["_journal_mode"] = "wal"
		s.ConnectAttributes["_synchronous"] = "1"
	}
	return s
}

// prepare makes schema and, in SQLite, namespace where they are missing.
func prepare(o Options) (map[string]config.DataStore, error) {
	if o.Postgres != "" {
		stores, err := postgresStores(o.Postgres)
		if err != nil {
			return nil, err
		}
		return stores, preparePostgres(stores)
	}
	s := store(o)
	return map[string]config.DataStore{sqliteplugin.PluginName: {SQL: s}}, prepareSQLite(o, s)
}

func prepareSQLite(o Options, s *config.SQL) error {
	if o.Database != "" {
		if err := os.MkdirAll(filepath.Dir(o.Database), 0o700); err != nil {
			return fmt.Errorf("the folder for Temporal's data cannot be made: %w", err)
		}
		if _, err := os.Stat(o.Database); errors.Is(err, os.ErrNotExist) {
			if err := sqlite.SetupSchema(s); err != nil {
				return fmt.Errorf("the schema of Temporal cannot be made in %s: %w", o.Database, err)
			}
		}
		// SQLite gives the files that it keeps beside it the same rights.
		if err := os.Chmod(o.Database, 0o600); err != nil {
			return fmt.Errorf("the data of Temporal cannot be kept from others: %w", err)
		}
	}
	if err := forgetMembers(o.Database); err != nil {
		return err
	}
	ns, err := sqlite.NewNamespaceConfig(clusterName, o.Namespace, false, o.SearchAttributes)
	if err != nil {
		return err
	}
	return sqlite.CreateNamespaces(s, ns)
}

// forgetMembers drops the server's former services from the database: a second
// start within their last heartbeats would try to join those, which are gone,
// and no task queue answers meanwhile. Nobody else runs on this file.
func forgetMembers(database string) error {
	if database == "" {
		return nil
	}
	db, err := sql.Open("sqlite", database) // the server's own driver
	if err != nil {
		return err
	}
	if _, err := db.Exec("DELETE FROM cluster_membership"); err != nil {
		return errors.Join(fmt.Errorf("the data of Temporal in %s cannot be used: %w", database, err), db.Close())
	}
	return db.Close()
}

const (
	clusterName = "active"
	loopback    = "127.0.0.1"
)

func serverConfig(o Options, stores map[string]config.DataStore, inner *ports.Block) *config.Config {
	hostPort := net.JoinHostPort(loopback, fmt.Sprint(o.Port))
	svc := func(grpc, membership int) config.Service {
		return config.Service{RPC: config.RPC{GRPCPort: grpc, MembershipPort: membership, BindOnIP: loopback}}
	}
	c := &config.Config{}
	c.Global.Membership = config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: loopback}
	c.Global.Metrics = &metrics.Config{Prometheus: &metrics.PrometheusConfig{ListenAddress: net.JoinHostPort(loopback, fmt.Sprint(inner.Port(8))), HandlerPath: "/metrics"}}
	c.Persistence = config.Persistence{DefaultStore: sqliteplugin.PluginName, VisibilityStore: sqliteplugin.PluginName, NumHistoryShards: 1, DataStores: stores}
	if o.Postgres != "" {
		c.Persistence.DefaultStore, c.Persistence.VisibilityStore, c.Persistence.NumHistoryShards = postgresStore, postgresVisibility, 4
	}
	c.ClusterMetadata = &cluster.Config{FailoverVersionIncrement: 10, MasterClusterName: clusterName, CurrentClusterName: clusterName,
		ClusterInformation: map[string]cluster.ClusterInformation{clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: hostPort}}}
	c.DCRedirectionPolicy = config.DCRedirectionPolicy{Policy: "noop"}
	c.Services = map[string]config.Service{
		"frontend": svc(o.Port, inner.Port(0)), "history": svc(inner.Port(1), inner.Port(2)),
		"matching": svc(inner.Port(3), inner.Port(4)), "worker": svc(inner.Port(5), inner.Port(6)),
	}
	c.Archival = config.Archival{History: config.HistoryArchival{State: "disabled"}, Visibility: config.VisibilityArchival{State: "disabled"}}
	c.NamespaceDefaults = config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
		History: config.HistoryArchivalNamespaceDefaults{State: "disabled"}, Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"}}}
	c.PublicClient = config.PublicClient{HostPort: hostPort}
	return c
}

// quiet drops the SDK's own log lines of the start.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
