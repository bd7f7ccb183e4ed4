package main

import (
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/stack"
	"github.com/copayflow/copayflow/copay"
)

// rawHistory is everything Temporal keeps of a co-pay as it keeps it: events,
// description and search attributes, binary and as JSON, undecoded.
func rawHistory(t *testing.T, s *stack.Stack, key copay.Key) string {
	t.Helper()
	var b strings.Builder
	add := func(m proto.Message) {
		raw, err := proto.Marshal(m)
		require.NoError(t, err)
		b.Write(raw)
		b.WriteString(protojson.Format(m))
	}
	iter := s.Process.Temporal.GetWorkflowHistory(t.Context(), key.WorkflowID(), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iter.HasNext() {
		e, err := iter.Next()
		require.NoError(t, err)
		add(e)
	}
	d, err := s.Process.Temporal.WorkflowService().DescribeWorkflowExecution(t.Context(), &workflowservice.DescribeWorkflowExecutionRequest{
		Namespace: s.Config.Temporal.Namespace, Execution: &common.WorkflowExecution{WorkflowId: key.WorkflowID()}})
	require.NoError(t, err)
	add(d)
	return b.String()
}

// logs guards the buffers that processes write to while tests read them.
var logs sync.Mutex

type lockedWriter struct{ w io.Writer }

func (l *lockedWriter) Write(p []byte) (int, error) {
	logs.Lock()
	defer logs.Unlock()
	return l.w.Write(p)
}

// String reads what was written.
func (l *lockedWriter) String() string {
	logs.Lock()
	defer logs.Unlock()
	if s, ok := l.w.(interface{ String() string }); ok {
		return s.String()
	}
	return ""
}
