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
	"go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
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
	"google.golang.org/protobuf/types/known/durationpb"
)

// Options configure the embedded server.
type Options struct {
	// Database is the SQLite file; "" keeps everything in memory.
	Database  string
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
}

// Start runs the server and waits until it answers.
func Start(ctx context.Context, o Options) (*Server, error) {
	ports, err := freePorts(10)
	if err != nil {
		return nil, err
	}
	if o.Port == 0 {
		o.Port = ports[9]
	}
	if err := portFree(o.Port); err != nil {
		return nil, err
	}
	store := store(o)
	if err := prepare(o, store); err != nil {
		return nil, err
	}
	cfg := serverConfig(o, store, ports)
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
	srv, err := temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithLogger(logger),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return authorization.NewNoopClaimMapper() }),
		temporal.WithDynamicConfigClient(dyn),
	)
	if err != nil {
		return nil, fmt.Errorf("the Temporal server cannot be set up: %w", err)
	}
	if err := srv.Start(); err != nil {
		return nil, fmt.Errorf("the Temporal server cannot be started: %w", err)
	}
	s := &Server{srv: srv, hostPort: cfg.PublicClient.HostPort}
	if err := s.ready(ctx, o); err != nil {
		_ = s.Stop()
		return nil, err
	}
	return s, nil
}

// HostPort is the frontend's address.
func (s *Server) HostPort() string { return s.hostPort }

// Stop ends the server.
func (s *Server) Stop() error { return s.srv.Stop() }

// ready waits until the namespace answers and has the wanted retention.
func (s *Server) ready(ctx context.Context, o Options) error {
	c, err := client.NewLazyClient(client.Options{HostPort: s.hostPort, Namespace: o.Namespace, Logger: quiet{}})
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		_, err = c.WorkflowService().UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
			Namespace: o.Namespace,
			Config:    &namespace.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(o.Retention)},
		})
		var gone *serviceerror.NamespaceNotFound
		if err == nil || errors.As(err, &gone) {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the Temporal server does not answer: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return err
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

// prepare makes schema and namespace where they are missing.
func prepare(o Options, s *config.SQL) error {
	if o.Database != "" {
		if err := os.MkdirAll(filepath.Dir(o.Database), 0o700); err != nil {
			return fmt.Errorf("the folder for Temporal's data cannot be made: %w", err)
		}
		if _, err := os.Stat(o.Database); errors.Is(err, os.ErrNotExist) {
			if err := sqlite.SetupSchema(s); err != nil {
				return fmt.Errorf("the schema of Temporal cannot be made in %s: %w", o.Database, err)
			}
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

func serverConfig(o Options, s *config.SQL, ports []int) *config.Config {
	hostPort := net.JoinHostPort(loopback, fmt.Sprint(o.Port))
	svc := func(grpc, membership int) config.Service {
		return config.Service{RPC: config.RPC{GRPCPort: grpc, MembershipPort: membership, BindOnIP: loopback}}
	}
	c := &config.Config{}
	c.Global.Membership = config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: loopback}
	c.Global.Metrics = &metrics.Config{Prometheus: &metrics.PrometheusConfig{ListenAddress: net.JoinHostPort(loopback, fmt.Sprint(ports[8])), HandlerPath: "/metrics"}}
	c.Persistence = config.Persistence{DefaultStore: sqliteplugin.PluginName, VisibilityStore: sqliteplugin.PluginName, NumHistoryShards: 1,
		DataStores: map[string]config.DataStore{sqliteplugin.PluginName: {SQL: s}}}
	c.ClusterMetadata = &cluster.Config{FailoverVersionIncrement: 10, MasterClusterName: clusterName, CurrentClusterName: clusterName,
		ClusterInformation: map[string]cluster.ClusterInformation{clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: hostPort}}}
	c.DCRedirectionPolicy = config.DCRedirectionPolicy{Policy: "noop"}
	c.Services = map[string]config.Service{
		"frontend": svc(o.Port, ports[0]), "history": svc(ports[1], ports[2]),
		"matching": svc(ports[3], ports[4]), "worker": svc(ports[5], ports[6]),
	}
	c.Archival = config.Archival{History: config.HistoryArchival{State: "disabled"}, Visibility: config.VisibilityArchival{State: "disabled"}}
	c.NamespaceDefaults = config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
		History: config.HistoryArchivalNamespaceDefaults{State: "disabled"}, Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"}}}
	c.PublicClient = config.PublicClient{HostPort: hostPort}
	return c
}

// Ports below those that systems give to outgoing connections (32768 and
// up), which could take one between the look and the server's start.
const (
	firstPort = 20000
	lastPort  = 32000
)

// freePorts finds n ports that nobody listens on just now.
func freePorts(n int) ([]int, error) {
	var out []int
	for range 50 * n {
		port := firstPort + rand.IntN(lastPort-firstPort)
		l, err := net.Listen("tcp", net.JoinHostPort(loopback, fmt.Sprint(port)))
		if err != nil {
			continue
		}
		defer l.Close() // held until all are found, so that none is found twice
		if out = append(out, port); len(out) == n {
			return out, nil
		}
	}
	return nil, fmt.Errorf("no %d free ports between %d and %d: stop programs that hold them", n, firstPort, lastPort)
}

func portFree(port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, fmt.Sprint(port)))
	if err != nil {
		return fmt.Errorf("port %d, which Temporal needs, is taken by another program; stop it or change the port in temporal-dev.yaml", port)
	}
	return l.Close()
}

// quiet drops the SDK's own log lines of the start.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
