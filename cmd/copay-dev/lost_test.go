package main

import (
	"errors"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/stack"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/dispatch"
	"github.com/copayflow/copayflow/sandbox/sim"
	"github.com/copayflow/copayflow/worker"
	"github.com/copayflow/copayflow/workflows"
)

// wake does what `copay wake` does.
func (s scene) wake(events time.Duration) dispatch.Woken {
	s.t.Helper()
	w, err := s.Process.Starter.Wake(s.t.Context(), s.Process.Store, s.Process.Store.Inbox(), stack.Practice, s.Clock.Now().Add(-events))
	require.NoError(s.t, err)
	return w
}

// kill ends a worker process without a word.
func (s scene) kill(w *exec.Cmd) {
	s.t.Helper()
	require.NoError(s.t, w.Process.Kill())
	_ = w.Wait() // killed
}

// paysAlone lets the patient pay on the page that is open, whether we run or not.
func (s scene) paysAlone(key copay.Key) {
	s.t.Helper()
	for _, page := range s.Sandbox.Stripe.OpenSessions() {
		if page.CoPay == string(key.ID()) {
			require.NoError(s.t, s.Sandbox.Stripe.PaySession(page.ID, "pm_card_visa"))
			return
		}
	}
	require.Fail(s.t, "no page is open")
}

// texts counts what went out to a number.
func (s scene) texts(to string) (n int) {
	for _, m := range s.Sandbox.Twilio.Messages() {
		if m.To == to && m.Direction == "outbound-api" {
			n++
		}
	}
	return n
}

// described asks Temporal for a co-pay's workflow.
func (s scene) described(key copay.Key) error {
	_, err := s.Process.Temporal.WorkflowService().DescribeWorkflowExecution(s.t.Context(), &workflowservice.DescribeWorkflowExecutionRequest{
		Namespace: s.Config.Temporal.Namespace, Execution: &common.WorkflowExecution{WorkflowId: key.WorkflowID()}})
	return err
}

// Temporal comes back empty. Co-pays in all stages go on from the ledger's
// record, and so does what Temporal had been told and nobody had acted on.
func TestTemporalLosesItsData(t *testing.T) {
	t.Parallel()
	s := begin(t, func(o *stack.Options) { o.NoWorker = true })
	w := s.worker()
	ana, sam, ben, kim, zoe := s.charge("ana"), s.charge("sam"), s.charge("ben"), s.charge("kim"), s.charge("zoe")
	s.in(ana, copay.StateAwaitingPayment)
	s.in(ben, copay.StateNeedsReview)
	s.await(sam, "should have told the patient", func(c copay.CoPay) bool { return !c.ChargeAt.IsZero() })
	s.pays(kim)
	s.in(kim, copay.StateSettled)
	s.in(zoe, copay.StateAwaitingPayment)
	// Zoe has paid, and the EHR cannot be told.
	const often = 1000
	s.Sandbox.DrChrono.Faults().Add(sim.Fault{Kind: sim.FaultServer, Method: "POST", Path: "/api/patient_payments", Times: often})
	s.pays(zoe)
	require.Eventually(t, func() bool { return s.Sandbox.DrChrono.Faults().Pending()[0].Times < often }, patience, 20*time.Millisecond)
	require.Eventually(t, func() bool { return s.texts("+13125550142") == 1 && s.texts("+13125550148") == 1 }, patience, 20*time.Millisecond)
	require.NoError(t, awaitMessages(t.Context(), s.Stack))

	s.kill(w)
	s.paysAlone(ana)
	luis := s.charge("luis") // nothing of it stands in the ledger yet
	require.Eventually(t, func() bool { return s.described(luis) == nil }, patience, 20*time.Millisecond)
	require.NoError(t, awaitMessages(t.Context(), s.Stack), "Temporal has been told of the payment")
	require.NoError(t, s.LoseTemporal(t.Context()))
	require.Eventually(t, func() bool {
		var none *serviceerror.NotFound
		return errors.As(s.described(ana), &none)
	}, patience, 20*time.Millisecond)
	s.Sandbox.DrChrono.Faults().Clear()
	s.worker()

	woken := s.wake(time.Hour)
	require.Equal(t, 4, woken.CoPays, "all but the settled one, and the one that nobody knows of")
	require.Positive(t, woken.Events)
	s.in(ana, copay.StateSettled)
	s.in(zoe, copay.StateSettled)
	s.in(luis, copay.StateNeedsReview) // his plan leaves questions
	s.wake(time.Hour)                  // once more changes nothing
	require.Equal(t, copay.ReviewInactive, s.in(ben, copay.StateNeedsReview).Review.Kind)
	amount := copay.Cents(30_00)
	require.NoError(t, s.act(ben, workflows.UpdateResolveReview, workflows.ResolveReview{
		Act: workflows.Act{Actor: staff, Reason: "called the payer", Key: "r1"}, Choice: copay.ChoiceSetAmount, Amount: &amount}))
	s.in(ben, copay.StateAwaitingPayment)
	require.NoError(t, s.Advance(t.Context(), 25*time.Hour))
	s.in(sam, copay.StateSettled)
	require.Equal(t, 1, s.texts("+13125550142"), "Ana was asked once")
	require.Equal(t, 1, s.texts("+13125550148"), "Sam was told once")
	require.True(t, s.in(kim, copay.StateSettled).Amounts.Collected.IsPositive())
	s.invariants()
}

// The ledger is restored to a moment before a payment, a settled co-pay and a
// new charge, and docs/operations.md is followed: what the platforms know comes
// back, and nothing is done twice.
func TestTheLedgerIsRestoredFromABackup(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	ana, kim := s.charge("ana"), s.charge("kim")
	s.in(ana, copay.StateAwaitingPayment)
	s.in(kim, copay.StateAwaitingPayment)
	require.Eventually(t, func() bool { return s.texts("+13125550142") == 1 }, patience, 20*time.Millisecond)
	require.NoError(t, awaitMessages(t.Context(), s.Stack))
	require.NoError(t, s.Halt(t.Context()))
	require.NoError(t, s.Backup(t.Context()))
	require.NoError(t, s.Resume(t.Context(), nil))

	s.pays(ana)
	s.in(ana, copay.StateSettled)
	late, zoe := s.charge("kim"), s.charge("zoe")
	s.in(late, copay.StateAwaitingPayment)
	s.in(zoe, copay.StateAwaitingPayment)
	s.pays(zoe)
	s.in(zoe, copay.StateSettled)
	require.NoError(t, awaitMessages(t.Context(), s.Stack))
	before, err := s.Process.Store.VerifyAudit(t.Context(), stack.Practice)
	require.NoError(t, err)
	require.True(t, before.OK)

	require.NoError(t, s.Halt(t.Context()))
	require.NoError(t, s.Restore(t.Context()))
	schedules := []string{"drchrono", "stripe", "quickbooks", "twilio"}
	s.forget(schedules)
	require.NoError(t, s.Resume(t.Context(), nil))
	after, err := s.Process.Store.VerifyAudit(t.Context(), stack.Practice)
	require.NoError(t, err)
	require.True(t, after.OK, after.Problem)
	require.Less(t, after.Rows, before.Rows, "the lost ones are missing at the end")

	s.reset(late) // it runs, and the ledger does not know it
	s.wake(0)     // Ana's has ended, and her co-pay is open again
	for _, platform := range []string{"stripe", "quickbooks"} {
		s.trigger(worker.PollSchedule(stack.Practice, copay.Platform(platform)))
	}
	s.in(ana, copay.StateSettled)
	require.NoError(t, s.Process.Starter.Start(t.Context(), zoe, dispatch.Origin{Trigger: "staff", Actor: staff})) // `copay start <charge>`
	s.in(zoe, copay.StateSettled)
	s.in(late, copay.StateAwaitingPayment)
	s.pays(late)
	s.in(late, copay.StateSettled)
	s.pays(kim)
	s.in(kim, copay.StateSettled)
	require.Equal(t, 1, s.texts("+13125550142"), "Ana was not written to again")
	s.invariants()
}

// forget deletes the schedules of platforms that are polled.
func (s scene) forget(platforms []string) {
	s.t.Helper()
	c, err := client.Dial(client.Options{HostPort: s.Config.Temporal.Address, Namespace: s.Config.Temporal.Namespace})
	require.NoError(s.t, err)
	defer c.Close()
	for _, p := range platforms {
		err := c.ScheduleClient().GetHandle(s.t.Context(), worker.PollSchedule(stack.Practice, copay.Platform(p))).Delete(s.t.Context())
		var none *serviceerror.NotFound
		if err != nil {
			require.ErrorAs(s.t, err, &none)
		}
	}
}

// reset takes a workflow back to its first task.
func (s scene) reset(key copay.Key) {
	s.t.Helper()
	_, err := s.Process.Temporal.ResetWorkflowExecution(s.t.Context(), &workflowservice.ResetWorkflowExecutionRequest{Namespace: s.Config.Temporal.Namespace,
		WorkflowExecution: &common.WorkflowExecution{WorkflowId: key.WorkflowID()}, Reason: "restored from a backup", WorkflowTaskFinishEventId: firstTask(s.t, s.Stack, key), RequestId: key.WorkflowID()})
	require.NoError(s.t, err)
}

// firstTask is the event that ends a workflow's first task.
func firstTask(t *testing.T, s *stack.Stack, key copay.Key) int64 {
	t.Helper()
	iter := s.Process.Temporal.GetWorkflowHistory(t.Context(), key.WorkflowID(), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iter.HasNext() {
		e, err := iter.Next()
		require.NoError(t, err)
		if e.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			return e.GetEventId()
		}
	}
	require.Fail(t, "no task was done")
	return 0
}

// PostgreSQL goes down as in a crash while co-pays run. Readiness and webhooks
// say so, platforms deliver again, and everything goes on by itself.
func TestTheDatabaseCrashes(t *testing.T) {
	t.Parallel()
	s := begin(t, func(o *stack.Options) { o.Durable = true })
	ana, kim := s.charge("ana"), s.charge("kim")
	s.in(ana, copay.StateAwaitingPayment)
	s.in(kim, copay.StateAwaitingPayment)
	s.pays(ana) // and the rest is under way
	restart := s.CrashDatabase()
	ready := func(want int) bool {
		res, err := http.Get(s.URL + "/readyz")
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode == want && (want == http.StatusOK || strings.Contains(string(body), `"database":"not reachable"`))
	}
	require.True(t, ready(http.StatusServiceUnavailable))
	late := s.charge("kim") // its webhook is refused, and comes again
	s.paysAlone(kim)
	require.NoError(t, restart(t.Context()))
	require.Eventually(t, func() bool { return ready(http.StatusOK) }, patience, 20*time.Millisecond)
	s.in(ana, copay.StateSettled)
	s.in(kim, copay.StateSettled)
	s.in(late, copay.StateAwaitingPayment)
	s.invariants()
}
