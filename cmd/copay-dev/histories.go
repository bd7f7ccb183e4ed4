package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/api/temporalproto"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/stack"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/dispatch"
	drchronosim "github.com/copayflow/copayflow/sandbox/drchrono"
	"github.com/copayflow/copayflow/workflows"
)

func historiesCommand(file *string) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "histories", Short: "Record histories for the replay test on a throw-away stack", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), 3*time.Minute)
			defer cancel()
			return recordHistories(ctx, cmd.OutOrStdout(), *file, dir)
		},
	}
	cmd.Flags().StringVar(&dir, "out", fmt.Sprintf("workflows/testdata/histories/rules-%d", workflows.Rules), "folder for the recorded histories")
	return cmd
}

// recording plays stories and keeps their histories, decoded: the people in
// them are invented.
type recording struct {
	s   *stack.Stack
	ctx context.Context //nolint:containedctx // lives for one command
	// runs are the first runs: late news may start a closed co-pay again.
	runs map[copay.Key]string
}

func recordHistories(ctx context.Context, out io.Writer, file, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	s, clean, err := throwaway(ctx, out, file, os.Getenv("COPAYFLOW_LOG"), func(o *stack.Options) { o.Adjust = shortNotice })
	if err != nil {
		return err
	}
	defer clean()
	r := recording{s, ctx, map[copay.Key]string{}}
	for _, story := range []struct {
		name string
		play func() (copay.Key, error)
	}{
		{"must-not-be-billed", r.notBilled}, {"review-cash", r.reviewCash}, {"charge-deleted", r.deleted}, {"waived", r.waived},
		{"link-after-reminder", r.link}, {"card-on-file", r.card}, {"card-kept", r.cardKept}, {"refunded", r.refunded},
		{"cash-handed-back", r.handedBack},
	} {
		key, err := story.play()
		if err != nil {
			return fmt.Errorf("story %s: %w", story.name, err)
		}
		n, err := r.save(key, filepath.Join(dir, story.name+".json"))
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  %-20s %3d events\n", story.name, n)
	}
	return nil
}

func (r recording) charge(patient string) copay.Key {
	id := r.s.Sandbox.DrChrono.AddCharge(drchronosim.Charge{Patient: r.s.Patients[patient], Cents: 145_00})
	return copay.Key{Practice: stack.Practice, EHR: "drchrono", Charge: copay.ChargeID(id)}
}

func (r recording) until(key copay.Key, want copay.State) error {
	for {
		row, err := r.s.Process.Store.CoPay(r.ctx, key.Practice, key.ID())
		if err == nil && r.runs[key] == "" {
			if d, derr := r.s.Process.Temporal.DescribeWorkflowExecution(r.ctx, key.WorkflowID(), ""); derr == nil {
				r.runs[key] = d.WorkflowExecutionInfo.Execution.RunId
			}
		}
		if err == nil && row.CoPay.State == want && (want != copay.StateAwaitingPayment || len(row.CoPay.Reminders) > 0 || row.CoPay.Rail == copay.RailCard) {
			return nil
		}
		if err := pause(r.ctx); err != nil {
			return fmt.Errorf("the co-pay did not become %s", want)
		}
	}
}

func (r recording) act(key copay.Key, name string, in any) error {
	var out copay.CoPay
	return r.s.Process.Starter.Update(r.ctx, key, dispatch.Origin{Trigger: "staff", Actor: clerk}, name, uuid.NewString(), &out, in)
}

var clerk = copay.Actor{ID: "dana", Kind: "staff", Roles: []copay.Role{copay.RoleBiller}}

func (r recording) notBilled() (copay.Key, error) {
	key := r.charge("mia")
	return key, r.until(key, copay.StateSettled)
}

func (r recording) reviewCash() (copay.Key, error) {
	key := r.charge("ben")
	if err := r.until(key, copay.StateNeedsReview); err != nil {
		return key, err
	}
	amount := copay.Cents(30_00)
	if err := r.act(key, workflows.UpdateResolveReview, workflows.ResolveReview{Act: workflows.Act{Actor: clerk, Reason: "called the payer", Key: "k1"},
		Choice: copay.ChoiceSetAmount, Amount: &amount}); err != nil {
		return key, err
	}
	if err := r.until(key, copay.StateAwaitingPayment); err != nil {
		return key, err
	}
	if err := r.act(key, workflows.UpdateRecordPayment, workflows.RecordPayment{Act: workflows.Act{Actor: clerk, Reason: "at the desk", Key: "k2"},
		Rail: copay.RailCash, Amount: amount}); err != nil {
		return key, err
	}
	return key, r.until(key, copay.StateSettled)
}

func (r recording) deleted() (copay.Key, error) {
	key := r.charge("kim")
	if err := r.until(key, copay.StateAwaitingPayment); err != nil {
		return key, err
	}
	r.s.Sandbox.DrChrono.DeleteCharge(string(key.Charge))
	return key, r.until(key, copay.StateCancelled)
}

// handedBack is a part paid in cash of a co-pay that an operator then cancels.
func (r recording) handedBack() (copay.Key, error) {
	key := r.charge("kim")
	if err := r.until(key, copay.StateAwaitingPayment); err != nil {
		return key, err
	}
	if err := r.act(key, workflows.UpdateRecordPayment, workflows.RecordPayment{Act: workflows.Act{Actor: clerk, Reason: "at the desk", Key: "k1"},
		Rail: copay.RailCash, Amount: copay.Cents(10_00)}); err != nil {
		return key, err
	}
	if err := r.when(key, func(c copay.CoPay) bool { return c.Payments[1].PostedID != "" && c.Payments[1].BookedID != "" }); err != nil {
		return key, err
	}
	if err := r.s.Process.Temporal.CancelWorkflow(r.ctx, key.WorkflowID(), ""); err != nil {
		return key, err
	}
	if err := r.when(key, func(c copay.CoPay) bool { return c.Review != nil && c.Review.Kind == copay.ReviewHandBack }); err != nil {
		return key, err
	}
	if err := r.act(key, workflows.UpdateResolveReview, workflows.ResolveReview{Act: workflows.Act{Actor: clerk, Reason: "handed out", Key: "k2"},
		Choice: copay.ChoiceDone}); err != nil {
		return key, err
	}
	return key, r.until(key, copay.StateCancelled)
}

func (r recording) waived() (copay.Key, error) {
	key := r.charge("kim")
	if err := r.until(key, copay.StateAwaitingPayment); err != nil {
		return key, err
	}
	if err := r.act(key, workflows.UpdateWaive, workflows.Waive{Act: workflows.Act{Actor: clerk, Reason: "hardship", Key: "k1"}}); err != nil {
		return key, err
	}
	return key, r.until(key, copay.StateWaived)
}

func (r recording) link() (copay.Key, error) {
	key := r.charge("ana")
	if err := r.until(key, copay.StateAwaitingPayment); err != nil {
		return key, err
	}
	if err := r.s.Advance(r.ctx, 72*time.Hour); err != nil {
		return key, err
	}
	err := r.when(key, func(c copay.CoPay) bool {
		return len(r.s.Sandbox.Twilio.Messages()) > 1 && c.State == copay.StateAwaitingPayment
	})
	if err != nil {
		return key, err
	}
	return key, r.pays(key, workflows.OpenPage{})
}

// when waits until the recorded picture is as wished.
func (r recording) when(key copay.Key, ok func(copay.CoPay) bool) error {
	for {
		row, err := r.s.Process.Store.CoPay(r.ctx, key.Practice, key.ID())
		if err != nil {
			return err
		}
		if ok(row.CoPay) {
			return nil
		}
		if err := pause(r.ctx); err != nil {
			return err
		}
	}
}

// pays lets the patient open a page as they wish it, and pay.
func (r recording) pays(key copay.Key, wish workflows.OpenPage) error {
	var page workflows.Page
	if err := r.s.Process.Starter.Update(r.ctx, key, dispatch.Origin{Trigger: "patient", Actor: copay.Patient()}, workflows.UpdateOpenPage, uuid.NewString(), &page, wish); err != nil {
		return err
	}
	if err := r.s.Sandbox.Stripe.PaySession(regexp.MustCompile(`cs_[A-Za-z0-9_]+`).FindString(page.URL), "pm_card_visa"); err != nil {
		return err
	}
	return r.until(key, copay.StateSettled)
}

func (r recording) cardKept() (copay.Key, error) {
	key := r.charge("ana")
	if err := r.until(key, copay.StateAwaitingPayment); err != nil {
		return key, err
	}
	return key, r.pays(key, workflows.OpenPage{Keep: &copay.CardConsent{Scope: copay.ScopeUntil, Cap: copay.Cents(100_00),
		Until: r.s.Clock.Now().Add(365 * 24 * time.Hour), TextVersion: "page-en-1"}})
}

// refunded keeps the second run, which gives back what the first has settled.
func (r recording) refunded() (copay.Key, error) {
	key := r.charge("kim")
	if err := r.until(key, copay.StateAwaitingPayment); err != nil {
		return key, err
	}
	if err := r.pays(key, workflows.OpenPage{}); err != nil {
		return key, err
	}
	delete(r.runs, key)
	if err := r.act(key, workflows.UpdateRefund, workflows.Refund{Act: workflows.Act{Actor: clerk, Reason: "wrong visit", Key: "k1"}, Amount: copay.Cents(50_00)}); err != nil {
		return key, err
	}
	return key, r.until(key, copay.StateSettled)
}

// shortNotice lets a stored card be charged a second after the patient was told.
func shortNotice(cfg map[string]any) {
	cfg["practices"].([]any)[0].(map[string]any)["policy"].(map[string]any)["card_notice"] = "1s"
}

// card has a short notice, since Temporal's timers go by real time.
func (r recording) card() (copay.Key, error) {
	key := r.charge("sam")
	return key, r.until(key, copay.StateSettled)
}

// save writes a history as plain JSON.
func (r recording) save(key copay.Key, path string) (int, error) {
	h := &historypb.History{}
	iter := r.s.Process.Temporal.GetWorkflowHistory(r.ctx, key.WorkflowID(), r.runs[key], false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iter.HasNext() {
		e, err := iter.Next()
		if err != nil {
			return 0, err
		}
		h.Events = append(h.Events, e)
	}
	err := proxy.VisitPayloads(r.ctx, h, proxy.VisitPayloadsOptions{SkipSearchAttributes: true,
		Visitor: func(_ *proxy.VisitPayloadsContext, p []*commonpb.Payload) ([]*commonpb.Payload, error) {
			return r.s.Process.Codec.Decode(p)
		}})
	if err != nil {
		return 0, err
	}
	raw, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(h)
	if err != nil {
		return 0, err
	}
	return len(h.Events), os.WriteFile(path, raw, 0o600)
}
