package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/internal/tracing"
	"github.com/copayflow/copayflow/workflows"
)

// Temporal is the part of the Temporal client that is used here.
type Temporal interface {
	NewWithStartWorkflowOperation(options client.StartWorkflowOptions, workflow any, args ...any) client.WithStartWorkflowOperation
	UpdateWithStartWorkflow(ctx context.Context, options client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error)
	SignalWithStartWorkflow(ctx context.Context, workflowID string, signalName string, signalArg any,
		options client.StartWorkflowOptions, workflow any, workflowArgs ...any) (client.WorkflowRun, error)
	SignalWorkflow(ctx context.Context, workflowID string, runID string, signalName string, arg any) error
}

// Practice is what a practice's co-pays are started with.
type Practice struct {
	ID       copay.PracticeID
	Policy   copay.Policy
	Queues   map[string]string // task queue by port, where a platform has a rate limit
	Channels []copay.Channel
	Books    bool
	EHRs     []copay.Platform // platforms of the charges port, best first
}

// Priorities of Temporal tasks: the desk is waiting, batches are not.
const (
	PriorityDesk  = 1
	PriorityEvent = 3
	PriorityBatch = 5
)

// Origin is who or what starts a co-pay that does not run yet.
type Origin struct {
	Trigger  string // "event", "staff", "billing_cycle", "patient"
	Actor    copay.Actor
	Priority int
}

// Starter reaches the workflows of co-pays. The workflow of a co-pay that was
// closed is started again on demand: it restores itself from the ledger.
type Starter struct {
	temporal  Temporal
	practices map[copay.PracticeID]Practice
}

// NewStarter makes a starter for the configured practices.
func NewStarter(t Temporal, practices []Practice) *Starter {
	s := &Starter{temporal: t, practices: map[copay.PracticeID]Practice{}}
	for _, p := range practices {
		s.practices[p.ID] = p
	}
	return s
}

// Practice finds a configured practice.
func (s *Starter) Practice(id copay.PracticeID) (Practice, error) {
	p, ok := s.practices[id]
	if !ok {
		return Practice{}, copay.Errorf(copay.CodeNotFound, "practice_id", "practice %q is not configured", id)
	}
	return p, nil
}

// input is what the workflow of key is started with, and how.
func (s *Starter) input(ctx context.Context, key copay.Key, o Origin) (workflows.Input, client.StartWorkflowOptions, error) {
	if err := key.Validate(); err != nil {
		return workflows.Input{}, client.StartWorkflowOptions{}, err
	}
	p, err := s.Practice(key.Practice)
	if err != nil {
		return workflows.Input{}, client.StartWorkflowOptions{}, err
	}
	if o.Priority == 0 {
		o.Priority = PriorityEvent
	}
	in := workflows.Input{Key: key, Policy: p.Policy.WithDefaults(), Queues: p.Queues, Channels: p.Channels, Books: p.Books,
		Trigger: o.Trigger, Actor: o.Actor, Priority: o.Priority, Trace: tracing.ID(ctx)}
	return in, client.StartWorkflowOptions{
		ID: key.WorkflowID(), TaskQueue: workflows.TaskQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		TypedSearchAttributes:    workflows.StartAttributes(key),
		StaticSummary:            "co-pay " + string(key.ID()) + ", started by " + o.Trigger,
		Priority:                 temporal.Priority{PriorityKey: o.Priority, FairnessKey: string(key.Practice)},
	}, nil
}

// Signal brings an event to the workflow of key, starting it if need be.
func (s *Starter) Signal(ctx context.Context, key copay.Key, o Origin, e workflows.Event) error {
	in, options, err := s.input(ctx, key, o)
	if err != nil {
		return err
	}
	e.Trace = in.Trace
	_, err = s.temporal.SignalWithStartWorkflow(ctx, options.ID, workflows.SignalEvent, e, options, workflows.CoPayType, in)
	return err
}

// Tell brings an event to the workflow of key if it runs.
func (s *Starter) Tell(ctx context.Context, key copay.Key, e workflows.Event) (running bool, err error) {
	e.Trace = tracing.ID(ctx)
	return s.signalRunning(ctx, key, workflows.SignalEvent, e)
}

// signalRunning signals the workflow of key if it runs.
func (s *Starter) signalRunning(ctx context.Context, key copay.Key, name string, arg any) (running bool, err error) {
	err = s.temporal.SignalWorkflow(ctx, key.WorkflowID(), "", name, arg)
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) {
		return false, nil
	}
	return err == nil, err
}

// Start makes sure that the workflow of key runs. It does not wait for it, nor
// for a worker: what is started by it is not lost.
func (s *Starter) Start(ctx context.Context, key copay.Key, o Origin) error {
	in, options, err := s.input(ctx, key, o)
	if err != nil {
		return err
	}
	_, err = s.temporal.SignalWithStartWorkflow(ctx, options.ID, workflows.SignalRecheck, nil, options, workflows.CoPayType, in)
	return err
}

// Recheck tells a running co-pay to decide again. One that does not run has
// nothing to decide.
func (s *Starter) Recheck(ctx context.Context, key copay.Key) error {
	_, err := s.signalRunning(ctx, key, workflows.SignalRecheck, nil)
	return err
}

// closingType is the failure of an update that was accepted just before its
// run ended.
const closingType = "AcceptedUpdateCompletedWorkflow"

const (
	updateTries = 4
	updatePause = 100 * time.Millisecond
)

// Update carries an update to the workflow of key, starting it if need be, and
// puts the answer into out. requestID together with the update's name and
// content identifies it, so that a repeated call gets the first answer.
func (s *Starter) Update(ctx context.Context, key copay.Key, o Origin, name, requestID string, out any, args ...any) error {
	for try := 1; ; try++ {
		err := s.update(ctx, key, o, name, requestID, out, args)
		if !ranOut(err) || try == updateTries {
			return err
		}
		t := time.NewTimer(updatePause * time.Duration(try))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return err
		}
	}
}

func (s *Starter) update(ctx context.Context, key copay.Key, o Origin, name, requestID string, out any, args []any) error {
	in, options, err := s.input(ctx, key, o)
	if err != nil {
		return err
	}
	id, err := updateID(name, requestID, args)
	if err != nil {
		return err
	}
	handle, err := s.temporal.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: s.temporal.NewWithStartWorkflowOperation(options, workflows.CoPayType, in),
		UpdateOptions: client.UpdateWorkflowOptions{UpdateID: id, WorkflowID: options.ID, UpdateName: name, Args: args,
			WaitForStage: client.WorkflowUpdateStageCompleted},
	})
	if err != nil {
		return err
	}
	return handle.Get(ctx, out)
}

// updateID names an update for Temporal, which gives the first answer to every
// later update of the same id in a run whatever it asks. So the content is
// part of it, and a key used for two things reaches the workflow, which
// refuses the second; the trace, which differs with each call, is not.
func updateID(name, requestID string, args []any) (string, error) {
	h := sha256.New()
	h.Write([]byte(name))
	for _, a := range args {
		b, err := json.Marshal(a)
		if err != nil {
			return "", err
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal(b, &fields) == nil {
			delete(fields, "trace")
			if b, err = json.Marshal(fields); err != nil {
				return "", err
			}
		}
		h.Write(append([]byte{0}, b...))
	}
	sum := h.Sum(nil)
	return requestID + "/" + hex.EncodeToString(sum[:8]), nil
}

// ranOut reports whether a run ended under an update, so that the next try
// meets a new run.
func ranOut(err error) bool {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return app.Type() == closingType
	}
	var gone *serviceerror.NotFound
	var aborted *serviceerror.Aborted
	return errors.As(err, &gone) || errors.As(err, &aborted)
}
