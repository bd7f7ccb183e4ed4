package main

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/stack"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

// spans is an OpenTelemetry collector.
type spans struct {
	collector.UnimplementedTraceServiceServer

	mu   sync.Mutex
	list []*tracepb.Span
}

func (s *spans) Export(_ context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, res := range r.GetResourceSpans() {
		for _, sc := range res.GetScopeSpans() {
			s.list = append(s.list, sc.GetSpans()...)
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// byTrace names the spans of the trace that has one of that name.
func (s *spans) byTrace(with string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, x := range s.list {
		if x.GetName() != with {
			continue
		}
		for _, y := range s.list {
			if string(x.GetTraceId()) == string(y.GetTraceId()) {
				out = append(out, y.GetName())
			}
		}
		return out
	}
	return nil
}

func (s *spans) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, x := range s.list {
		b.WriteString(protojson.Format(x))
	}
	return b.String()
}

// One trace leads from the EHR's webhook through the inbox to the workflow's
// steps and the calls they make, and the audit log names it.
func TestOneTraceFromTheWebhookToTheLastActivity(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	got, srv := &spans{}, grpc.NewServer()
	collector.RegisterTraceServiceServer(srv, got)
	go func() { _ = srv.Serve(lis) }()
	t.Cleanup(srv.Stop)

	s := begin(t, func(o *stack.Options) {
		o.Adjust = func(cfg map[string]any) { cfg["telemetry"].(map[string]any)["otlp_endpoint"] = lis.Addr().String() }
	})
	key := s.charge("ana")
	s.in(key, copay.StateAwaitingPayment) // the webhook has started it, not the patient
	s.pays(key)
	s.in(key, copay.StateSettled)
	var names []string
	require.Eventually(t, func() bool {
		names = got.byTrace("RunActivity:BookPayment")
		return len(names) > 0
	}, patience, patience/100)
	for _, want := range []string{"webhook", "dispatch charge.created", "SignalWithStartWorkflow:CoPay", "RunWorkflow:CoPay", "RunActivity:ReadCharge", "RunActivity:PostPayment"} {
		require.Contains(t, names, want)
	}
	text := got.text()
	for _, secret := range []string{"Sample", "1980-02-03", "3125550142", "COP123456789", "sk_test_sandbox"} {
		require.NotContains(t, text, secret)
	}
	rows, _, err := s.Process.Store.Audit(t.Context(), key.Practice, ledger.AuditFilter{CoPay: key.ID()}, "", 0)
	require.NoError(t, err)
	require.NotEmpty(t, rows[0].TraceID)
}

// Without a collector, too, a row in the audit log leads to the log lines of
// the request behind it: a person's act, and the webhook that began it all.
func TestTheAuditLogLeadsToTheLogLines(t *testing.T) {
	s := begin(t, nil)
	key := s.charge("ana")
	s.in(key, copay.StateAwaitingPayment)
	token, err := devToken(s.Stack, "dana", "biller")
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/practices/maple/copays/"+string(key.ID())+":waive",
		strings.NewReader(`{"request_id":"w-1","reason":"hardship"}`))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("X-Request-Id", "report-12345")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	s.in(key, copay.StateWaived)

	rows, _, err := s.Process.Store.Audit(t.Context(), key.Practice, ledger.AuditFilter{CoPay: key.ID()}, "", 0)
	require.NoError(t, err)
	traces := map[string]string{} // by actor
	for _, r := range rows {
		require.Len(t, r.TraceID, 32, r.Action)
		traces[r.Actor.ID] = r.TraceID
	}
	require.NotEqual(t, traces["dana"], traces[copay.System().ID])
	found := false
	for line := range strings.Lines((&lockedWriter{w: s.log}).String()) {
		found = found || (strings.Contains(line, `"report-12345"`) && strings.Contains(line, `"trace_id":"`+traces["dana"]+`"`))
	}
	require.True(t, found, "the log line of the request names the trace of the row")
}
