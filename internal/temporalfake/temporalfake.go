// Package temporalfake answers as a Temporal frontend as far as the wiring of
// processes needs one: it greets, keeps namespaces and search attributes, and
// notes who polls which queue. It runs no workflow.
package temporalfake

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"path"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Poll is one kind of poller of a task queue.
type Poll struct {
	Queue string
	// Kind is "workflow" or "activity". Sticky queues of workers are left out.
	Kind      string
	PerSecond float64
	Identity  string
}

// Server is the frontend. Its fields may be set before it is used.
type Server struct {
	Addr string
	// Refuse answers a method's calls with an error; n counts them from 1.
	Refuse func(method string, n int) error

	workflowservice.UnimplementedWorkflowServiceServer
	operatorservice.UnimplementedOperatorServiceServer

	health     *health.Server
	mu         sync.Mutex
	calls      map[string]int
	keys       []string
	polls      map[Poll]int // under way
	seen       map[Poll]bool
	changed    chan struct{}
	signals    []*workflowservice.SignalWorkflowExecutionRequest
	namespaces map[string]*durationpb.Duration
	attributes map[string]enumspb.IndexedValueType
	schedules  map[string]*schedulepb.Schedule
}

// Start runs a frontend with the namespace "copay" until the test ends. conf
// is nil for a server without TLS.
func Start(t testing.TB, conf *tls.Config) *Server {
	t.Helper()
	s := &Server{health: health.NewServer(), calls: map[string]int{}, polls: map[Poll]int{}, seen: map[Poll]bool{}, changed: make(chan struct{}),
		namespaces: map[string]*durationpb.Duration{"copay": nil}, attributes: map[string]enumspb.IndexedValueType{},
		schedules: map[string]*schedulepb.Schedule{}}
	options := []grpc.ServerOption{grpc.UnaryInterceptor(s.intercept)}
	if conf != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(conf)))
	}
	g := grpc.NewServer(options...)
	workflowservice.RegisterWorkflowServiceServer(g, s)
	operatorservice.RegisterOperatorServiceServer(g, s)
	healthpb.RegisterHealthServer(g, s.health)
	s.SetHealthy(true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.Addr = l.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); _ = g.Serve(l) }() // ends with Stop
	t.Cleanup(func() { g.Stop(); <-done })
	return s
}

// SetHealthy says what the health check answers.
func (s *Server) SetHealthy(ok bool) {
	v := healthpb.HealthCheckResponse_NOT_SERVING
	if ok {
		v = healthpb.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("temporal.api.workflowservice.v1.WorkflowService", v)
}

func (s *Server) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.mu.Lock()
	name := path.Base(info.FullMethod)
	s.calls[name]++
	n := s.calls[name]
	if v := md.Get("authorization"); len(v) > 0 {
		s.keys = append(s.keys, v[0])
	}
	s.mu.Unlock()
	if s.Refuse != nil {
		if err := s.Refuse(name, n); err != nil {
			return nil, serviceerror.ToStatus(err).Err()
		}
	}
	out, err := next(ctx, req)
	if err != nil {
		return nil, serviceerror.ToStatus(err).Err()
	}
	return out, nil
}

// Keys are the authorization headers that came.
func (s *Server) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.keys...)
}

// Calls says how often a method was called.
func (s *Server) Calls(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[name]
}

// Signals are those that were sent to workflows.
func (s *Server) Signals() []*workflowservice.SignalWorkflowExecutionRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*workflowservice.SignalWorkflowExecutionRequest(nil), s.signals...)
}

// Polled are all kinds of polls that ever came.
func (s *Server) Polled() []Poll {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Poll
	for p := range s.seen {
		out = append(out, p)
	}
	return out
}

// Await waits until ok holds of the number of polls under way, by queue and
// kind ("copay/workflow"), or until ctx ends.
func (s *Server) Await(ctx context.Context, ok func(underWay map[string]int) bool) error {
	for {
		s.mu.Lock()
		now := map[string]int{}
		for p, n := range s.polls {
			if n > 0 {
				now[p.Queue+"/"+p.Kind] += n
			}
		}
		changed := s.changed
		s.mu.Unlock()
		if ok(now) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Server) count(p Poll, by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polls[p] += by
	s.seen[p] = true
	close(s.changed)
	s.changed = make(chan struct{})
}

// Forget drops a namespace.
func (s *Server) Forget(namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.namespaces, namespace)
}

// Namespaces are the namespaces with their retention.
func (s *Server) Namespaces() map[string]*durationpb.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.namespaces)
}

// Attributes are the search attributes.
func (s *Server) Attributes() map[string]enumspb.IndexedValueType {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.attributes)
}

// GetSystemInfo greets.
func (s *Server) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

// DescribeNamespace knows the namespaces that were made.
func (s *Server) DescribeNamespace(_ context.Context, r *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keep, ok := s.namespaces[r.GetNamespace()]
	if !ok {
		return nil, serviceerror.NewNamespaceNotFound(r.GetNamespace())
	}
	return &workflowservice.DescribeNamespaceResponse{NamespaceInfo: &namespacepb.NamespaceInfo{Name: r.GetNamespace()},
		Config: &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: keep}}, nil
}

// RegisterNamespace makes one, once.
func (s *Server) RegisterNamespace(_ context.Context, r *workflowservice.RegisterNamespaceRequest) (*workflowservice.RegisterNamespaceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.namespaces[r.GetNamespace()]; there {
		return nil, serviceerror.NewNamespaceAlreadyExists("there")
	}
	s.namespaces[r.GetNamespace()] = r.GetWorkflowExecutionRetentionPeriod()
	return &workflowservice.RegisterNamespaceResponse{}, nil
}

// UpdateNamespace sets the retention.
func (s *Server) UpdateNamespace(_ context.Context, r *workflowservice.UpdateNamespaceRequest) (*workflowservice.UpdateNamespaceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.namespaces[r.GetNamespace()] = r.GetConfig().GetWorkflowExecutionRetentionTtl()
	return &workflowservice.UpdateNamespaceResponse{}, nil
}

// ListSearchAttributes lists what was added.
func (s *Server) ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest) (*operatorservice.ListSearchAttributesResponse, error) {
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: s.Attributes()}, nil
}

// AddSearchAttributes refuses those that are there, as the server does.
func (s *Server) AddSearchAttributes(_ context.Context, r *operatorservice.AddSearchAttributesRequest) (*operatorservice.AddSearchAttributesResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, typ := range r.GetSearchAttributes() {
		if _, there := s.attributes[name]; there {
			return nil, status.Error(codes.AlreadyExists, name)
		}
		s.attributes[name] = typ
	}
	return &operatorservice.AddSearchAttributesResponse{}, nil
}

// SignalWorkflowExecution notes a signal.
func (s *Server) SignalWorkflowExecution(_ context.Context, r *workflowservice.SignalWorkflowExecutionRequest) (*workflowservice.SignalWorkflowExecutionResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signals = append(s.signals, r)
	return &workflowservice.SignalWorkflowExecutionResponse{}, nil
}

// PollWorkflowTaskQueue has nothing to do until the poller goes.
func (s *Server) PollWorkflowTaskQueue(ctx context.Context, r *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	if r.GetTaskQueue().GetKind() != enumspb.TASK_QUEUE_KIND_STICKY {
		p := Poll{Queue: r.GetTaskQueue().GetName(), Kind: "workflow", Identity: r.GetIdentity()}
		s.count(p, 1)
		defer s.count(p, -1)
	}
	<-ctx.Done()
	return &workflowservice.PollWorkflowTaskQueueResponse{}, nil
}

// PollActivityTaskQueue has nothing to do until the poller goes.
func (s *Server) PollActivityTaskQueue(ctx context.Context, r *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error) {
	p := Poll{Queue: r.GetTaskQueue().GetName(), Kind: "activity", Identity: r.GetIdentity(), PerSecond: r.GetTaskQueueMetadata().GetMaxTasksPerSecond().GetValue()}
	s.count(p, 1)
	defer s.count(p, -1)
	<-ctx.Done()
	return &workflowservice.PollActivityTaskQueueResponse{}, nil
}

// ShutdownWorker takes note.
func (s *Server) ShutdownWorker(context.Context, *workflowservice.ShutdownWorkerRequest) (*workflowservice.ShutdownWorkerResponse, error) {
	return &workflowservice.ShutdownWorkerResponse{}, nil
}
