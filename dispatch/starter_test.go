package dispatch

import (
	"context"
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/workflows"
)

func starter(t *testing.T) (*Starter, *mocks.Client) {
	t.Helper()
	c := mocks.NewClient(t)
	return NewStarter(c, []Practice{{ID: maple, Queues: map[string]string{"collect": "copay-stripe"}, Channels: []copay.Channel{copay.ChannelSMS}, Books: true}}), c
}

var staff = Origin{Trigger: "staff", Actor: copay.Actor{ID: "u1", Kind: "staff"}, Priority: PriorityDesk}

func TestSignalStartsWithTheConfiguredPractice(t *testing.T) {
	t.Parallel()
	s, c := starter(t)
	e := workflows.Event{ID: "stripe/evt_1", Kind: "payment"}
	c.On("SignalWithStartWorkflow", mock.Anything, "copay/maple/drchrono/777", workflows.SignalEvent, e,
		mock.MatchedBy(func(o client.StartWorkflowOptions) bool {
			return o.ID == key.WorkflowID() && o.TaskQueue == workflows.TaskQueue && o.Priority.FairnessKey == "maple" && o.Priority.PriorityKey == PriorityDesk &&
				o.WorkflowIDConflictPolicy == enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING && o.WorkflowIDReusePolicy == enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
		}), workflows.CoPayType,
		mock.MatchedBy(func(in workflows.Input) bool {
			return in.Key == key && in.Books && in.Queues["collect"] == "copay-stripe" && in.Policy.MinConfidence == 70 && in.Actor.ID == "u1"
		})).Return(nil, nil)
	require.NoError(t, s.Signal(t.Context(), key, staff, e))

	err := s.Signal(t.Context(), copay.Key{Practice: "oak", EHR: "drchrono", Charge: "1"}, staff, e)
	require.Equal(t, copay.CodeNotFound, copay.CodeOf(err))
	require.Error(t, s.Signal(t.Context(), copay.Key{Practice: maple}, staff, e))
}

func TestStartWaitsForNobody(t *testing.T) {
	t.Parallel()
	s, c := starter(t)
	for _, down := range []error{nil, serviceerror.NewUnavailable("down")} {
		c.On("SignalWithStartWorkflow", mock.Anything, key.WorkflowID(), workflows.SignalRecheck, nil,
			mock.MatchedBy(func(o client.StartWorkflowOptions) bool {
				return o.ID == key.WorkflowID() && o.WorkflowIDConflictPolicy == enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
			}), workflows.CoPayType, mock.MatchedBy(func(in workflows.Input) bool { return in.Key == key && in.Trigger == "staff" })).Return(nil, down).Once()
		require.Equal(t, down, s.Start(t.Context(), key, staff))
	}
	require.Equal(t, copay.CodeNotFound, copay.CodeOf(s.Start(t.Context(), copay.Key{Practice: "oak", EHR: "drchrono", Charge: "1"}, staff)))
}

func TestRecheckOfACoPayThatDoesNotRunIsNothing(t *testing.T) {
	t.Parallel()
	s, c := starter(t)
	c.On("SignalWorkflow", mock.Anything, key.WorkflowID(), "", workflows.SignalRecheck, nil).Return(serviceerror.NewNotFound("no such workflow")).Once()
	require.NoError(t, s.Recheck(t.Context(), key))
	c.On("SignalWorkflow", mock.Anything, key.WorkflowID(), "", workflows.SignalRecheck, nil).Return(serviceerror.NewUnavailable("down")).Once()
	require.Error(t, s.Recheck(t.Context(), key))
}

func TestTellingACoPayThatDoesNotRunIsNothing(t *testing.T) {
	t.Parallel()
	s, c := starter(t)
	e := workflows.Event{ID: "drchrono/e1", Kind: "remittance"}
	for _, tc := range []struct {
		fails   error
		running bool
		err     bool
	}{{nil, true, false}, {serviceerror.NewNotFound("no such workflow"), false, false}, {serviceerror.NewUnavailable("down"), false, true}} {
		c.On("SignalWorkflow", mock.Anything, key.WorkflowID(), "", workflows.SignalEvent, e).Return(tc.fails).Once()
		running, err := s.Tell(t.Context(), key, e)
		require.Equal(t, tc.running, running)
		require.Equal(t, tc.err, err != nil)
	}
}

// answer makes the next update end with err.
func answer(t *testing.T, c *mocks.Client, ids *[]string, err error) {
	t.Helper()
	h := &mocks.WorkflowUpdateHandle{}
	h.On("Get", mock.Anything, mock.Anything).Run(func(a mock.Arguments) {
		if err == nil {
			a.Get(1).(*copay.CoPay).State = copay.StateWaived
		}
	}).Return(err)
	c.On("UpdateWithStartWorkflow", mock.Anything, mock.Anything).Run(func(a mock.Arguments) {
		o := a.Get(1).(client.UpdateWithStartWorkflowOptions).UpdateOptions
		*ids = append(*ids, o.UpdateID)
		require.Equal(t, client.WorkflowUpdateStageCompleted, o.WaitForStage)
	}).Return(h, nil).Once()
}

func TestUpdateMeetsANewRunWhenTheOldOneEndsUnderIt(t *testing.T) {
	t.Parallel()
	s, c := starter(t)
	c.On("NewWithStartWorkflowOperation", mock.Anything, mock.Anything, mock.Anything).Return(nil)
	var ids []string
	answer(t, c, &ids, temporal.NewApplicationError("ended", closingType))
	answer(t, c, &ids, serviceerror.NewNotFound("workflow update was aborted by closing workflow"))
	answer(t, c, &ids, nil)
	var got copay.CoPay
	in := workflows.Waive{Act: workflows.Act{Actor: staff.Actor, Reason: "hardship", Key: "r-1"}}
	require.NoError(t, s.Update(t.Context(), key, staff, workflows.UpdateWaive, "r-1", &got, in))
	require.Equal(t, copay.StateWaived, got.State)
	require.Len(t, ids, 3)
	require.Equal(t, ids[0], ids[2], "the same request keeps its id")
}

func TestUpdateDoesNotRepeatARefusal(t *testing.T) {
	t.Parallel()
	s, c := starter(t)
	c.On("NewWithStartWorkflowOperation", mock.Anything, mock.Anything, mock.Anything).Return(nil)
	var ids []string
	answer(t, c, &ids, temporal.NewApplicationError("no", workflows.RefusedPrecondition))
	require.Error(t, s.Update(t.Context(), key, staff, workflows.UpdateWaive, "r-1", &copay.CoPay{}))
	require.Len(t, ids, 1)
}

func TestUpdateIDHoldsTheContent(t *testing.T) {
	t.Parallel()
	a, err := updateID(workflows.UpdateWaive, "r-1", []any{1})
	require.NoError(t, err)
	b, _ := updateID(workflows.UpdateCancel, "r-1", []any{1})
	c, _ := updateID(workflows.UpdateWaive, "r-1", []any{2})
	d, _ := updateID(workflows.UpdateWaive, "r-1", []any{1})
	require.Equal(t, a, d)
	require.NotEqual(t, a, b, "a key used for another act must reach the workflow, which refuses it")
	require.NotEqual(t, a, c)
	waive := workflows.Waive{Act: workflows.Act{Key: "r-1", Reason: "why", Trace: "t1"}}
	e, _ := updateID(workflows.UpdateWaive, "r-1", []any{waive})
	waive.Trace = "t2"
	f, _ := updateID(workflows.UpdateWaive, "r-1", []any{waive})
	require.Equal(t, e, f, "a repeated request is another trace")
	waive.Reason = "else"
	g, _ := updateID(workflows.UpdateWaive, "r-1", []any{waive})
	require.NotEqual(t, e, g)
	_, err = updateID("x", "r", []any{func() {}})
	require.Error(t, err)
}

func TestUpdateGivesUpWithItsCaller(t *testing.T) {
	t.Parallel()
	s, c := starter(t)
	c.On("NewWithStartWorkflowOperation", mock.Anything, mock.Anything, mock.Anything).Return(nil)
	var ids []string
	answer(t, c, &ids, temporal.NewApplicationError("ended", closingType))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, s.Update(ctx, key, staff, workflows.UpdateWaive, "r-1", &copay.CoPay{}))
	require.Len(t, ids, 1)
}
