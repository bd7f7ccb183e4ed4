package codec

import (
	"context"
	"errors"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
)

// dataConverter is the one of everybody outside of workflows.
type dataConverter struct{ converter.DataConverter }

// WithWorkflowContext implements converter.ContextAware.
func (d dataConverter) WithWorkflowContext(converter.WorkflowContext) converter.DataConverter {
	return inWorkflow(d)
}

// WithContext implements converter.ContextAware.
func (d dataConverter) WithContext(context.Context) converter.DataConverter { return d }

// inWorkflow panics where a payload cannot be opened. The SDK would fail a
// workflow whose input that is, and drop a signal without a word; a panic fails
// only the task, which is tried until a worker has the key.
type inWorkflow struct{ converter.DataConverter }

// FromPayload implements converter.DataConverter.
func (d inWorkflow) FromPayload(p *commonpb.Payload, into any) error {
	return opened(d.DataConverter.FromPayload(p, into))
}

// FromPayloads implements converter.DataConverter.
func (d inWorkflow) FromPayloads(p *commonpb.Payloads, into ...any) error {
	return opened(d.DataConverter.FromPayloads(p, into...))
}

func opened(err error) error {
	if errors.Is(err, ErrUnknownKey) || errors.Is(err, errOtherKey) {
		panic(fmt.Sprintf("this workflow waits for a worker that can read it: %v", err))
	}
	return err
}
