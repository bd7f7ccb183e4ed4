package api

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"buf.build/go/protovalidate"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/test/bufconn"

	"github.com/copayflow/copayflow/api/auth"
	"github.com/copayflow/copayflow/integrations"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// Options are the parts of a server. Store, Inbox, Flows, Directory and Auth
// are needed; the rest may be left out.
type Options struct {
	Auth      *auth.Authenticator
	Store     Store
	Inbox     Inbox
	Flows     Flows
	Directory *integrations.Directory
	// Webhooks serves /webhooks/, Pay serves /pay/, Codec serves /codec/.
	Webhooks, Pay, Codec http.Handler
	// Checks are what /readyz asks, by name.
	Checks map[string]func(context.Context) error
	// TLS is used on both listeners; nil where a proxy ends TLS. Where it asks
	// for client certificates, gRPC and REST callers must have one; platforms'
	// webhooks, patients and the Temporal UI cannot and need none.
	TLS *tls.Config
	Log *slog.Logger
	Now func() time.Time
	// EstimateWait is how long StartCoPay waits for the amount when the caller
	// does not say (3 s); ActWait how long a staff act may take (15 s); Drain
	// how long running requests have when the server stops (20 s).
	EstimateWait, ActWait, Drain time.Duration
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.EstimateWait, 3*time.Second)
	def(&o.ActWait, 15*time.Second)
	def(&o.Drain, 20*time.Second)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// maxMessage bounds what a caller may send at once.
const maxMessage = 1 << 20

// Bounds of what is read before anybody knows who calls. What HTTP lets through
// must also pass the gateway.
const (
	maxHTTPHeader = 64 << 10
	maxGRPCHeader = 2 * maxHTTPHeader
)

// maxAnswer bounds what the gateway passes on: a workflow's history may have
// tens of megabytes.
const maxAnswer = 256 << 20

// Server is the API.
type Server struct {
	o       Options
	grpc    *grpc.Server
	health  *health.Server
	inside  *bufconn.Listener
	conn    *grpc.ClientConn
	handler http.Handler
	closing chan struct{}
	once    sync.Once
}

// New puts a server together. It serves nothing before Serve, but its Handler
// can be used at once. Call Close when it is not served.
func New(o Options) (*Server, error) {
	if o.Auth == nil || o.Store == nil || o.Inbox == nil || o.Flows == nil || o.Directory == nil {
		return nil, errors.New("api: a server needs authentication, store, inbox, workflows and a directory of platforms")
	}
	o = o.withDefaults()
	s := &Server{o: o, closing: make(chan struct{}), inside: bufconn.Listen(maxMessage)}
	if err := s.makeGRPC(); err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("passthrough:///inside", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return s.inside.DialContext(ctx) }),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler()), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)))
	if err != nil {
		return nil, err
	}
	s.conn = conn
	if s.handler, err = s.makeHTTP(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	go func() { _ = s.grpc.Serve(s.inside) }() // ends with Stop; the gateway's way in
	return s, nil
}

func (s *Server) makeGRPC() error {
	table, err := readAccess()
	if err != nil {
		return err
	}
	v, err := protovalidate.New()
	if err != nil {
		return err
	}
	h := chain{auth: s.o.Auth, access: table, validate: v, log: s.o.Log, now: time.Now}
	creds := insecure.NewCredentials()
	if s.o.TLS != nil {
		creds = outsideTLS{credentials.NewTLS(s.o.TLS)}
	}
	s.grpc = grpc.NewServer(grpc.Creds(creds),
		grpc.StatsHandler(otelgrpc.NewServerHandler()), grpc.MaxRecvMsgSize(maxMessage), grpc.MaxHeaderListSize(maxGRPCHeader),
		grpc.ChainUnaryInterceptor(h.unary), grpc.ChainStreamInterceptor(h.stream),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}))
	impl := &service{store: s.o.Store, inbox: s.o.Inbox, flows: s.o.Flows, directory: s.o.Directory, log: s.o.Log, now: s.o.Now,
		closing: s.closing, estimateWait: s.o.EstimateWait, actWait: s.o.ActWait}
	copayv1.RegisterCoPayServiceServer(s.grpc, copayService{service: impl})
	copayv1.RegisterLedgerServiceServer(s.grpc, ledgerService{service: impl})
	copayv1.RegisterAuditServiceServer(s.grpc, auditService{service: impl})
	copayv1.RegisterPlatformServiceServer(s.grpc, platformService{service: impl})
	copayv1.RegisterInboxServiceServer(s.grpc, inboxService{service: impl})
	copayv1.RegisterConsentServiceServer(s.grpc, consentService{service: impl})
	s.health = health.NewServer()
	for name := range s.grpc.GetServiceInfo() { // who asks about one of them is answered, too
		s.health.SetServingStatus(name, healthpb.HealthCheckResponse_SERVING)
	}
	healthpb.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	return nil
}

// mutual reports whether callers must show a certificate.
func (s *Server) mutual() bool {
	return s.o.TLS != nil && s.o.TLS.ClientAuth == tls.RequireAndVerifyClientCert
}

// Handler serves everything that is plain HTTP.
func (s *Server) Handler() http.Handler { return s.handler }

// Timeouts of the HTTP listener. Streams lift the one on writing.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
)

// Serve answers on both listeners until ctx ends, then lets what is running
// finish and returns. It may be called once.
func (s *Server) Serve(ctx context.Context, grpcL, httpL net.Listener) error {
	defer s.Close()
	web := &http.Server{Handler: s.handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHTTPHeader, ErrorLog: slog.NewLogLogger(s.o.Log.Handler(), slog.LevelWarn)}
	if s.o.TLS != nil {
		open := s.o.TLS.Clone()
		if s.mutual() {
			open.ClientAuth = tls.VerifyClientCertIfGiven
		}
		httpL = tls.NewListener(httpL, open)
	}
	g, running := errgroup.WithContext(ctx)
	g.Go(func() error { return ended(s.grpc.Serve(grpcL), grpc.ErrServerStopped) })
	g.Go(func() error { return ended(web.Serve(httpL), http.ErrServerClosed) })
	g.Go(func() error {
		<-running.Done()
		return s.drain(web)
	})
	return g.Wait()
}

// Leave lets gRPC health say that no more requests should come; those that do
// are served.
func (s *Server) Leave() { s.health.Shutdown() }

// drain stops taking requests, ends streams and waits for the rest.
func (s *Server) drain(web *http.Server) error {
	s.Leave()
	s.once.Do(func() { close(s.closing) })
	ctx, cancel := context.WithTimeout(context.Background(), s.o.Drain)
	defer cancel()
	// HTTP first: its requests end in gRPC.
	err := web.Shutdown(ctx)
	stopped := make(chan struct{})
	go func() { s.grpc.GracefulStop(); close(stopped) }()
	select {
	case <-stopped:
	case <-ctx.Done():
		s.grpc.Stop()
		<-stopped
	}
	return err
}

// Close ends a server that is not served, or not any more.
func (s *Server) Close() {
	s.once.Do(func() { close(s.closing) })
	s.grpc.Stop()
	_ = s.conn.Close() // an in-memory connection
}

// ended drops the error that a server returns when it was stopped.
func ended(err, normal error) error {
	if errors.Is(err, normal) {
		return nil
	}
	return err
}

// outsideTLS asks TLS of callers from outside; the gateway's in-memory
// connection to the same server goes without.
type outsideTLS struct {
	credentials.TransportCredentials
}

// ServerHandshake begins a connection.
func (t outsideTLS) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if c.LocalAddr().Network() == (&bufconn.Listener{}).Addr().Network() {
		return insecure.NewCredentials().ServerHandshake(c)
	}
	return t.TransportCredentials.ServerHandshake(c)
}

// Clone implements credentials.TransportCredentials.
func (t outsideTLS) Clone() credentials.TransportCredentials {
	return outsideTLS{t.TransportCredentials.Clone()}
}
