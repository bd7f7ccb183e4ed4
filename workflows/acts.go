package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/copay"
)

// act is a staff act, or a patient's wish, that waits for its turn. All are
// carried out by the main line, one after the other and between the steps,
// so that none ever meets a half-done state.
type act struct {
	key   string // with a fingerprint of the content; "" for reads
	cause cause  // the request
	do    func(workflow.Context) error
	err   error
	done  bool
}

// act carries out what waits, and records it before anybody is answered.
func (c *coPay) act(ctx workflow.Context) error {
	todo := c.acts
	c.acts = nil
	for _, a := range todo {
		a.err = c.once(ctx, a)
	}
	c.answers = append(c.answers, todo...)
	if len(c.answers) == 0 || c.plansNext(ctx) {
		return nil
	}
	return c.flush(ctx)
}

// changePlan marks runs that record, and answer with, what comes next as they
// have decided it after an act, and not as it was before.
const changePlan = "record-what-comes-next"

// plansNext reports that the next step decides at once what comes next, without
// waiting for anybody outside, and records it together with the acts.
func (c *coPay) plansNext(ctx workflow.Context) bool {
	if c.p.State != copay.StateAwaitingPayment || c.reading != "" || c.waiting() || c.unposted() || !c.p.Amounts.Outstanding().IsPositive() {
		return false
	}
	if due := c.p.ChargeAt; c.p.Rail == copay.RailCard && !due.IsZero() && !due.After(workflow.Now(ctx)) {
		return false // the card is charged first
	}
	return c.follows(ctx, changePlan)
}

// answer lets everybody know whose act is recorded.
func (c *coPay) answer() {
	for _, a := range c.answers {
		a.done = true
	}
	c.answers = nil
}

// once carries an act out unless its key was seen: with the same content it
// counts as done, with other content it is refused.
func (c *coPay) once(ctx workflow.Context, a *act) error {
	key, print, _ := strings.Cut(a.key, "#")
	for _, seen := range c.p.Applied {
		if k, p, _ := strings.Cut(seen, "#"); a.key != "" && k == key {
			if p == print {
				return nil
			}
			return copay.Errorf(copay.CodeConflict, "request_id", "this request id was already used for something else on co-pay %s", c.p.ID)
		}
	}
	c.cause = a.cause
	defer func() { c.cause = cause{} }()
	if err := a.do(ctx); err != nil {
		return err
	}
	if a.key != "" {
		c.first(a.key)
	}
	return nil
}

// staffAct is any of the act types.
type staffAct interface{ common() Act }

func (a Act) common() Act { return a }

// untraced is what an act asks for, whichever request brings it.
func (a *Act) untraced() { a.Trace = "" }

// listenToStaff registers the updates. The validators refuse what can be seen
// to be wrong without writing history; each act is checked again when its
// turn comes, because the state may have moved on.
func (c *coPay) listenToStaff(ctx workflow.Context) error {
	return errors.Join(
		onAct(ctx, c, UpdateOverrideAmount, c.checkOverride, c.override),
		onAct(ctx, c, UpdateWaive, c.checkWaive, c.waive),
		onAct(ctx, c, UpdateRecordPayment, c.checkRecord, nil),
		onAct(ctx, c, UpdateResend, c.checkResend, c.resend),
		onAct(ctx, c, UpdatePauseReminders, c.checkPause, func(in PauseReminders) { c.pause(in.Act, UpdatePauseReminders, true) }),
		onAct(ctx, c, UpdateResumeReminders, c.checkResume, func(in ResumeReminders) { c.pause(in.Act, UpdateResumeReminders, false) }),
		onAct(ctx, c, UpdateChangeRail, c.checkRail, nil),
		onAct(ctx, c, UpdateCancel, c.checkCancel, c.withdrawByStaff),
		onAct(ctx, c, UpdateRefund, c.checkRefund, c.refund),
		onAct(ctx, c, UpdateApproveRefund, c.checkApproval, c.approve),
		onAct(ctx, c, UpdateResolveReview, c.checkResolve, nil),
		onAct(ctx, c, UpdateAddNote, checkNote, nil),
		c.onRead(ctx, UpdateAwaitEstimate),
		c.onPage(ctx),
	)
}

// onAct registers one act. apply notes it in the timeline and carries it out; it
// may be nil for acts that need the workflow's context or may still fail; those
// are found in c.perform.
func onAct[T staffAct](ctx workflow.Context, c *coPay, name string, check func(T) error, apply func(T)) error {
	handler := func(ctx workflow.Context, in T) (copay.CoPay, error) {
		a := &act{key: fingerprint(in), cause: cause{in.common().Trace, in.common().Key}}
		a.do = func(ctx workflow.Context) error {
			if err := check(in); err != nil {
				return err
			}
			if apply == nil {
				return c.perform(ctx, in)
			}
			apply(in)
			return nil
		}
		return c.queueUp(ctx, a)
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, name, handler, workflow.UpdateHandlerOptions{
		Description: "staff act: " + strings.ReplaceAll(name, "_", " "),
		Validator: func(in T) error {
			if err := checkAct(in.common()); err != nil {
				return refusal(err)
			}
			if !c.opened { // the lasting record is not read yet; checked at its turn
				return nil
			}
			if seen, _, _ := strings.Cut(fingerprint(in), "#"); c.seen(seen) {
				return nil // a repeated request gets its answer at its turn
			}
			return refusal(check(in))
		},
	})
}

func (c *coPay) seen(key string) bool {
	for _, s := range c.p.Applied {
		if k, _, _ := strings.Cut(s, "#"); k == key {
			return true
		}
	}
	return false
}

// queueUp waits for an act's turn and answers with the co-pay as it then is.
func (c *coPay) queueUp(ctx workflow.Context, a *act) (copay.CoPay, error) {
	if c.rules >= rulesOfPeople { // also once an operator has cancelled the workflow: it may wait for a person then
		ctx, _ = workflow.NewDisconnectedContext(ctx)
	}
	c.acts = append(c.acts, a)
	if err := workflow.Await(ctx, func() bool { return a.done }); err != nil {
		return copay.CoPay{}, err
	}
	return *c.p, refusal(a.err)
}

// checkAct is what every act must carry.
func checkAct(a Act) error {
	switch {
	case a.Actor.ID == "":
		return copay.Errorf(copay.CodePermission, "actor", "an act needs an actor")
	case a.Key == "" || len(a.Key) > 128:
		return copay.Errorf(copay.CodeInvalid, "request_id", "an act needs a request id of 1 to 128 characters, so that it happens once")
	case strings.TrimSpace(a.Reason) == "" || len(a.Reason) > 500:
		return copay.Errorf(copay.CodeInvalid, "reason", "an act needs a reason of 1 to 500 characters")
	case holdsCardNumber(a.Reason):
		return copay.Errorf(copay.CodeInvalid, "reason", "the reason holds what looks like a card number; card data must not be kept here")
	}
	return nil
}

// fingerprint is an act's key and a hash of what it asks for.
func fingerprint[T staffAct](in T) string {
	if a, ok := any(&in).(interface{ untraced() }); ok {
		a.untraced()
	}
	// Acts are plain structs without maps: their JSON is always the same.
	b, err := json.Marshal(in) //workflowcheck:ignore
	if err != nil {
		return "act/" + in.common().Key
	}
	sum := sha256.Sum256(b)
	return "act/" + in.common().Key + "#" + hex.EncodeToString(sum[:8])
}

// refusal turns a domain error into the typed error that callers read.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	var e *copay.Error
	if errors.As(err, &e) {
		return temporal.NewApplicationErrorWithOptions(e.Message, string(e.Code), temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{e}})
	}
	return err
}

// onRead registers the update that waits for the amount: the desk's first
// answer, in one round trip with the start.
func (c *coPay) onRead(ctx workflow.Context, name string) error {
	return workflow.SetUpdateHandlerWithOptions(ctx, name, func(ctx workflow.Context) (copay.CoPay, error) {
		err := workflow.Await(ctx, func() bool {
			return c.opened && c.p.State != copay.StateReceived && c.p.State != copay.StateVerifying && c.p.State != copay.StateEstimating
		})
		return *c.p, err
	}, workflow.UpdateHandlerOptions{Description: "waits until the amount is known"})
}

func (c *coPay) onPage(ctx workflow.Context) error {
	return workflow.SetUpdateHandlerWithOptions(ctx, UpdateOpenPage, func(ctx workflow.Context, in OpenPage) (Page, error) {
		var page Page
		a := &act{do: func(ctx workflow.Context) (err error) {
			page, err = c.page(ctx, in)
			return err
		}}
		if _, err := c.queueUp(ctx, a); err != nil {
			return Page{}, err
		}
		return page, nil
	}, workflow.UpdateHandlerOptions{Description: "the patient opens the payment page"})
}
