package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/workflows"
)

// histories reads closed runs from Temporal for the archive.
type histories struct {
	client    client.Client
	converter converter.DataConverter
}

const closedPage = 200

// Closed implements activities.Histories.
func (h histories) Closed(ctx context.Context, since time.Time, page []byte) ([]activities.ClosedRun, []byte, error) {
	query := fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus != 'Running'", workflows.CoPayType)
	if !since.IsZero() {
		query += fmt.Sprintf(" AND CloseTime >= '%s'", since.UTC().Format(time.RFC3339Nano))
	}
	res, err := h.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: closedPage, NextPageToken: page})
	if err != nil {
		return nil, nil, err
	}
	var runs []activities.ClosedRun
	for _, e := range res.GetExecutions() {
		runs = append(runs, activities.ClosedRun{WorkflowID: e.GetExecution().GetWorkflowId(), RunID: e.GetExecution().GetRunId(), ClosedAt: e.GetCloseTime().AsTime()})
	}
	return runs, res.GetNextPageToken(), nil
}

// History implements activities.Histories. The JSON is that of Temporal's own
// tools, so that it can be read and replayed with them.
func (h histories) History(ctx context.Context, run activities.ClosedRun) (copay.Key, []byte, error) {
	all := &historypb.History{}
	iter := h.client.GetWorkflowHistory(ctx, run.WorkflowID, run.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iter.HasNext() {
		e, err := iter.Next()
		if err != nil {
			return copay.Key{}, nil, err
		}
		all.Events = append(all.Events, e)
	}
	key, err := h.key(all)
	if err != nil {
		return copay.Key{}, nil, err
	}
	raw, err := temporalproto.CustomJSONMarshalOptions{}.Marshal(all)
	return key, raw, err
}

// key is the co-pay's, out of what its workflow was started with.
func (h histories) key(all *historypb.History) (copay.Key, error) {
	var input *commonpb.Payloads
	if len(all.GetEvents()) > 0 {
		input = all.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes().GetInput()
	}
	var in workflows.Input
	if input == nil {
		return copay.Key{}, errors.New("the history has no beginning")
	}
	if err := h.converter.FromPayloads(input, &in); err != nil {
		return copay.Key{}, errors.New("the history's input cannot be read")
	}
	return in.Key, in.Key.Validate()
}
