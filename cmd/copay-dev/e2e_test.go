package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/check"
	"github.com/copayflow/copayflow/cmd/copay-dev/internal/stack"
	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/dispatch"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/internal/serve"
	"github.com/copayflow/copayflow/ledger"
	availitysim "github.com/copayflow/copayflow/sandbox/availity"
	drchronosim "github.com/copayflow/copayflow/sandbox/drchrono"
	"github.com/copayflow/copayflow/sandbox/sim"
	"github.com/copayflow/copayflow/telemetry"
	"github.com/copayflow/copayflow/worker"
	"github.com/copayflow/copayflow/workflows"
)

const temporalFile = "../../temporal-dev.yaml"

// asProcess makes this binary a process of its own: its value is "api" or
// "worker" and a configuration file.
const asProcess = "COPAYFLOW_TEST_PROCESS"

// TestMain lets tests start this binary as an API or a worker.
func TestMain(m *testing.M) {
	if what, path, ok := strings.Cut(os.Getenv(asProcess), " "); ok {
		if err := process(what, path); err != nil {
			_, _ = io.WriteString(os.Stderr, err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process does what `copay api` and `copay worker` do.
func process(what, path string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	log, err := telemetry.NewLogger(os.Stderr, "warn", "json")
	if err != nil {
		return err
	}
	p, err := worker.Open(ctx, cfg, "test-"+what, log)
	if err != nil {
		return err
	}
	defer p.Close(ctx)
	if what == "worker" {
		return serve.Worker(ctx, p, nil)
	}
	l, err := serve.Listen(cfg.Listen)
	if err != nil {
		return err
	}
	return serve.API(ctx, p, l)
}

// scene is a running stack and what tests do on it.
type scene struct {
	*stack.Stack
	t   *testing.T
	log *bytes.Buffer
}

func begin(t *testing.T, change func(*stack.Options)) scene {
	t.Helper()
	sc := scene{t: t, log: &bytes.Buffer{}}
	s, clean, err := throwaway(t.Context(), io.Discard, temporalFile, "", func(o *stack.Options) {
		o.Log = &lockedWriter{w: sc.log}
		if change != nil {
			change(o)
		}
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		clean()
		if t.Failed() {
			text := (&lockedWriter{w: sc.log}).String()
			t.Log(text[max(0, len(text)-6000):])
		}
	})
	sc.Stack = s
	return sc
}

func (s scene) charge(patient string) copay.Key {
	id := s.Sandbox.DrChrono.AddCharge(drchronosim.Charge{Patient: s.Patients[patient], Cents: 145_00})
	return copay.Key{Practice: stack.Practice, EHR: "drchrono", Charge: copay.ChargeID(id)}
}

const patience = 60 * time.Second

// await polls the read model until the co-pay is as wanted.
func (s scene) await(key copay.Key, what string, ok func(copay.CoPay) bool) copay.CoPay {
	s.t.Helper()
	var last copay.CoPay
	if !assert.Eventually(s.t, func() bool {
		row, err := s.Process.Store.CoPay(s.t.Context(), key.Practice, key.ID())
		if err != nil || row.Version == 0 {
			return false
		}
		last = row.CoPay
		return ok(row.CoPay)
	}, patience, 20*time.Millisecond, what) {
		require.FailNow(s.t, what, "it is %s, next %q at %s, %+v", last.State, last.NextAction, last.NextActionAt, last.Review)
	}
	return last
}

func (s scene) in(key copay.Key, want copay.State) copay.CoPay {
	s.t.Helper()
	return s.await(key, "should be "+string(want), func(c copay.CoPay) bool { return c.State == want })
}

// pays lets the patient follow the link, which renews a page that ran out,
// and pay on the hosted page.
func (s scene) pays(key copay.Key) {
	s.t.Helper()
	var page workflows.Page
	require.Eventually(s.t, func() bool {
		err := s.Process.Starter.Update(s.t.Context(), key, dispatch.Origin{Trigger: "patient", Actor: copay.Patient()}, workflows.UpdateOpenPage, uuid.NewString(), &page)
		return err == nil && page.URL != ""
	}, patience, 50*time.Millisecond, "no page can be paid")
	require.NoError(s.t, s.Sandbox.Stripe.PaySession(regexp.MustCompile(`cs_[A-Za-z0-9_]+`).FindString(page.URL), "pm_card_visa"))
}

func (s scene) act(key copay.Key, name string, in any) error {
	var out copay.CoPay
	return s.Process.Starter.Update(s.t.Context(), key, dispatch.Origin{Trigger: "staff", Actor: staff, Priority: dispatch.PriorityDesk}, name, "test-"+name, &out, in)
}

var staff = copay.Actor{ID: "dana", Kind: "staff", Roles: []copay.Role{copay.RoleBiller}}

func (s scene) invariants() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	require.NoError(s.t, awaitMessages(ctx, s.Stack))
	r, err := check.Run(ctx, s.Process.Store, s.Sandbox, stack.Practice, []string{"Sample", "1980-02-03", "COP123456789", "$25.00", "MOCK PAYER"})
	require.NoError(s.t, err)
	require.Empty(s.t, r.Findings)
}

func TestDemoTellsItsStory(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, demo(t.Context(), &out, temporalFile, ""), out.String())
	rest := out.String()
	for _, want := range []string{"posts a signed webhook", "co-pay opened", "Availity asks", "coverage is active", "confidence", "Stripe is asked", "a payment page over $25.00 is open",
		"SMS:", "Mail:", "request sent by email", "the clock moves on", "it is now Fri", "SMS:", "reminder sent by sms", "pays on Stripe's page", "payment_intent.succeeded", "$25.00 received",
		"posted to DrChrono", "trace number", "posted to the EHR", "QuickBooks", "invoice cp", "payment cp", "unapplied $0.00", "booked", "agree", "debit", "receivable-1", "capture-pay-2",
		"Summary", "is settled", "collected $25.00", "steps on the timeline", "history events", "trial balance", "all invariants hold"} {
		_, after, found := strings.Cut(rest, want)
		require.True(t, found, "%q is not told, or not in its place:\n%s", want, out.String())
		rest = after
	}
}

func TestEachPatientGetsWhatTheirPlanSays(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	keys := map[string]copay.Key{}
	for _, p := range stack.Sample {
		keys[p.Key] = s.charge(p.Key)
	}
	review := func(who string, kind copay.ReviewKind) {
		c := s.in(keys[who], copay.StateNeedsReview)
		require.Equal(t, kind, c.Review.Kind, who)
		require.NotEmpty(t, c.Review.Choices, who)
	}
	mia := s.in(keys["mia"], copay.StateSettled)
	require.Equal(t, copay.EstimateZeroByRule, mia.Estimate.Kind)
	require.Empty(t, mia.Payments, "who must not be billed is not asked")
	review("ben", copay.ReviewInactive)
	review("eve", copay.ReviewNoCoverage)
	review("noa", copay.ReviewNoContact)
	require.Equal(t, copay.Cents(145_00), s.in(keys["kim"], copay.StateAwaitingPayment).Amounts.Requested, "self-pay: the charge itself")
	require.Equal(t, copay.Cents(25_00), s.in(keys["zoe"], copay.StateAwaitingPayment).Amounts.Requested, "of two co-pays that of the doctor's specialty")
	for _, m := range s.Sandbox.Twilio.Messages() {
		require.NotEqual(t, "+13125550144", m.To, "no message to who must not be billed")
	}

	t.Run("the stored card is charged after its notice", func(t *testing.T) {
		s.await(keys["sam"], "should have told the patient", func(c copay.CoPay) bool { return !c.ChargeAt.IsZero() })
		require.NotEmpty(t, s.Sandbox.Twilio.Messages())
	})
	t.Run("staff settle what needed a person", func(t *testing.T) {
		amount := copay.Cents(30_00)
		require.NoError(t, s.act(keys["ben"], workflows.UpdateResolveReview, workflows.ResolveReview{
			Act: workflows.Act{Actor: staff, Reason: "called the payer", Key: "r1"}, Choice: copay.ChoiceSetAmount, Amount: &amount}))
		s.in(keys["ben"], copay.StateAwaitingPayment)
		require.NoError(t, s.act(keys["ben"], workflows.UpdateRecordPayment, workflows.RecordPayment{
			Act: workflows.Act{Actor: staff, Reason: "paid at the desk", Key: "r2"}, Rail: copay.RailCash, Amount: amount}))
		s.in(keys["ben"], copay.StateSettled)
	})
	t.Run("another line of the visit does not ask for its co-pay again", func(t *testing.T) {
		s.in(keys["ana"], copay.StateAwaitingPayment)
		again := s.Sandbox.DrChrono.AddCharge(drchronosim.Charge{Patient: s.Patients["ana"], Cents: 80_00, Visit: s.Sandbox.DrChrono.Visit(string(keys["ana"].Charge))})
		c := s.in(copay.Key{Practice: stack.Practice, EHR: "drchrono", Charge: copay.ChargeID(again)}, copay.StateNeedsReview)
		require.Equal(t, copay.ReviewLowConfidence, c.Review.Kind)
		require.Contains(t, c.Estimate.Reasons[len(c.Estimate.Reasons)-1].Text, string(keys["ana"].ID()))
	})
	t.Run("STOP ends messages at once", func(t *testing.T) {
		s.in(keys["ana"], copay.StateAwaitingPayment)
		s.Sandbox.Twilio.Receive("+13125550142", "Stop!")
		s.await(keys["ana"], "should go to staff or stay with mail", func(copay.CoPay) bool {
			reach, err := s.Process.Store.Reach(t.Context(), stack.Practice, keys["ana"].ID())
			return err == nil && !reach[0].Consent
		})
		s.await(keys["ana"], "should keep it in its history", func(copay.CoPay) bool {
			list, err := s.Process.Store.Timeline(t.Context(), stack.Practice, keys["ana"].ID())
			return err == nil && slices.ContainsFunc(list, func(e ledger.TimelineRow) bool { return e.Kind == "opt_out" && e.Actor.ID == copay.Patient().ID })
		})
		before := len(s.Sandbox.Twilio.Messages())
		require.NoError(t, s.Advance(t.Context(), 73*time.Hour))
		s.pays(keys["kim"])
		s.in(keys["kim"], copay.StateSettled)
		s.in(keys["sam"], copay.StateSettled) // the notice is over: the card was charged
		for _, m := range s.Sandbox.Twilio.Messages()[before:] {
			require.NotEqual(t, "+13125550142", m.To)
		}
	})
	t.Run("a refund turns everything back", func(t *testing.T) {
		require.NoError(t, s.act(keys["ben"], workflows.UpdateRefund, workflows.Refund{
			Act: workflows.Act{Actor: staff, Reason: "charged to the wrong visit", Key: "r3"}, Amount: copay.Cents(30_00)}))
		s.in(keys["ben"], copay.StateRefunded)
	})
	s.invariants()
}

func TestFaultsChangeNothing(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	s.Sandbox.Hooks.Duplicate(20)
	s.Sandbox.Hooks.Reorder()
	for _, x := range []struct {
		f    interface{ Faults() *sim.Faults }
		path string
	}{{s.Sandbox.DrChrono, "/api"}, {s.Sandbox.Availity, "/v1/coverages"}, {s.Sandbox.QuickBooks, "/v3"}} {
		x.f.Faults().Add(sim.Fault{Kind: sim.FaultToken, Path: x.path})
		x.f.Faults().Add(sim.Fault{Kind: sim.FaultServer, Path: x.path})
	}
	s.Sandbox.Stripe.Faults().Add(sim.Fault{Kind: sim.FaultRateLimit})
	s.Sandbox.SendGrid.Faults().Add(sim.Fault{Kind: sim.FaultRateLimit})
	// The work is done, the answer lost: every call that moves something.
	s.Sandbox.Stripe.Faults().Add(sim.Fault{Kind: sim.FaultDrop, Method: "POST", Path: "/v1/checkout/sessions"})
	s.Sandbox.DrChrono.Faults().Add(sim.Fault{Kind: sim.FaultDrop, Method: "POST", Path: "/api/patient_payments"})
	s.Sandbox.QuickBooks.Faults().Add(sim.Fault{Kind: sim.FaultDrop, Method: "POST", Path: "/v3/company"})
	s.Sandbox.Twilio.Faults().Add(sim.Fault{Kind: sim.FaultDrop, Method: "POST", Path: "/2010-04-01"})
	first, second := s.charge("ana"), s.charge("kim")
	s.Sandbox.DrChrono.Resend(string(first.Charge))
	s.in(first, copay.StateAwaitingPayment)
	s.pays(first)
	s.in(first, copay.StateSettled)
	s.in(second, copay.StateAwaitingPayment)
	s.Sandbox.DrChrono.DeleteCharge(string(second.Charge))
	s.in(second, copay.StateCancelled)
	s.invariants()
}

// Charges are deleted in the EHR after they were paid: what the processor took goes
// back by itself, cash by somebody's hand; EHR and books follow.
func TestAPaidChargeThatIsDeletedGivesTheMoneyBack(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	link, cash := s.charge("ana"), s.charge("zoe")
	s.in(link, copay.StateAwaitingPayment)
	s.pays(link)
	s.in(link, copay.StateSettled)
	asked := s.in(cash, copay.StateAwaitingPayment).Amounts.Requested
	require.NoError(t, s.act(cash, workflows.UpdateRecordPayment, workflows.RecordPayment{
		Act: workflows.Act{Actor: staff, Reason: "paid at the desk", Key: "r1"}, Rail: copay.RailCash, Amount: asked}))
	s.in(cash, copay.StateSettled)
	s.Sandbox.DrChrono.DeleteCharge(string(link.Charge))
	s.in(link, copay.StateCancelled)
	s.Sandbox.DrChrono.DeleteCharge(string(cash.Charge))
	c := s.await(cash, "should ask somebody to hand the cash out", func(c copay.CoPay) bool { return c.Review != nil })
	require.Equal(t, copay.ReviewHandBack, c.Review.Kind, c.Review.Message)
	require.NoError(t, s.act(cash, workflows.UpdateResolveReview, workflows.ResolveReview{
		Act: workflows.Act{Actor: staff, Reason: "handed out", Key: "r2"}, Choice: copay.ChoiceDone}))
	s.in(cash, copay.StateCancelled)
	s.invariants()
}

// Staff enter weeks later that the patient is a Qualified Medicare Beneficiary:
// what was paid goes back through processor, EHR and books without anybody's act.
func TestWhoTurnsOutNotToBeBilledGetsTheMoneyBack(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	key := s.charge("ana")
	s.in(key, copay.StateAwaitingPayment)
	s.pays(key)
	require.Equal(t, copay.Cents(25_00), s.in(key, copay.StateSettled).Amounts.Collected)
	s.Sandbox.DrChrono.Insure(s.Patients["ana"], drchronosim.Patient{PayerID: "60054", PayerName: "MOCK PAYER A", MemberID: availitysim.MemberQMB + "111222333"})
	c := s.in(key, copay.StateRefunded)
	require.Equal(t, copay.Cents(25_00), c.Amounts.Refunded)
	require.Equal(t, copay.EstimateZeroByRule, c.Estimate.Kind)
	s.invariants()
}

// TestWorkerKilledAtFiveSteps kills the worker process with SIGKILL while a
// co-pay is being worked on, each time right after something had its effect
// outside, and lets another worker go on.
func TestWorkerKilledAtFiveSteps(t *testing.T) {
	t.Parallel()
	s := begin(t, func(o *stack.Options) {
		o.NoWorker = true
		o.Adjust = func(cfg map[string]any) {
			cfg["practices"].([]any)[0].(map[string]any)["policy"].(map[string]any)["call_timeout"] = "3s"
		}
	})
	w := s.worker()
	key := s.charge("ana")
	for _, step := range []struct {
		name string
		done func() bool
	}{
		{"eligibility was asked", func() bool { return s.Sandbox.Availity.Checks() > 0 }},
		{"the page was opened", func() bool { return len(s.Sandbox.Stripe.Sessions()) > 0 }},
		{"the first text went out", func() bool { return len(s.Sandbox.Twilio.Messages()) > 0 }},
		{"the patient paid", func() bool { s.pays(key); return true }},
		{"the EHR has the payment", func() bool { return len(s.Sandbox.DrChrono.Payments()) > 0 }},
	} {
		require.Eventually(t, step.done, patience, time.Millisecond, step.name)
		require.NoError(t, w.Process.Kill(), step.name)
		_ = w.Wait() // killed
		w = s.worker()
	}
	s.in(key, copay.StateSettled)
	s.invariants()
	texts := 0
	for _, m := range s.Sandbox.Twilio.Messages() {
		if m.Direction == "outbound-api" {
			texts++
		}
	}
	require.Equal(t, 1, texts, "no text was sent twice")
}

// worker starts a worker in a process of its own.
func (s scene) worker() *exec.Cmd { return s.process("worker", s.ConfigPath) }

func (s scene) process(what, config string) *exec.Cmd {
	s.t.Helper()
	self, err := os.Executable()
	require.NoError(s.t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), asProcess+"="+what+" "+config)
	cmd.Stderr = &lockedWriter{w: s.log}
	require.NoError(s.t, cmd.Start())
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill() // ended already, or ended now
		_ = cmd.Wait()
	})
	return cmd
}

func TestNothingOfThePatientLeaks(t *testing.T) {
	s := begin(t, nil)
	key := s.charge("ana")
	s.in(key, copay.StateAwaitingPayment)
	require.NoError(t, s.act(key, workflows.UpdateAddNote, workflows.AddNote{Act: workflows.Act{Actor: staff, Reason: "phone call", Key: "n1"}, Text: "Ana Sample asked for a receipt"}))
	s.pays(key)
	s.in(key, copay.StateSettled)
	raw := rawHistory(t, s.Stack, key)
	require.Contains(t, raw, "binary/encrypted")
	logs := (&lockedWriter{w: s.log}).String()
	require.NotEmpty(t, logs)
	secrets := []string{"Ana", "Sample", "1980-02-03", "3125550142", "ana.sample", "COP123456789", "60601", "99213", "MOCK PAYER",
		"sandbox-secret", "sk_test_sandbox", "sandboxtwilio", "SG.sandbox", "asked for a receipt"}
	for where, text := range map[string]string{"Temporal": raw, "a log": logs} {
		require.Empty(t, found(text, secrets...), "%s holds it in clear", where)
	}
	require.Equal(t, []string{"Ana"}, found(`{"first_name":"Ana"}`, "Ana", "Sample"))
	require.NotContains(t, key.WorkflowID(), s.Patients["ana"])
	require.False(t, strings.Contains(raw, "$25.00"), "summaries are encrypted too")
}

// found lists the words that stand in a text. Three letters by themselves stand
// in any ciphertext sooner or later.
func found(text string, words ...string) (out []string) {
	for _, w := range words {
		if regexp.MustCompile(`(^|\W)` + regexp.QuoteMeta(w) + `(\W|$)`).MatchString(text) {
			out = append(out, w)
		}
	}
	return out
}

func TestMetricsAnswerQuestions(t *testing.T) {
	s := begin(t, nil)
	s.Sandbox.Availity.Faults().Add(sim.Fault{Kind: sim.FaultServer, Path: "/v1/coverages"})
	s.Sandbox.Stripe.Faults().Add(sim.Fault{Kind: sim.FaultServer, Path: "/v1"})
	key := s.charge("kim")
	s.in(s.charge("ben"), copay.StateNeedsReview)
	rows, err := ledger.NewInboxEvents([]integrations.Event{{ID: "evt_nobody", Kind: integrations.EventPayment, Object: "pi_nobody"},
		{ID: "evt_person", Kind: integrations.EventChargeCreated}}, "")
	require.NoError(t, err)
	_, err = s.Process.Store.Inbox().Receive(t.Context(), stack.Practice, "stripe", rows)
	require.NoError(t, err)
	s.pays(key)
	s.in(key, copay.StateSettled)
	res, err := http.Get("http://" + s.Config.Listen.Metrics + "/metrics")
	require.NoError(t, err)
	page, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	for _, want := range []string{`state="settled"`, `copay_collected_cents{practice="maple"} 14500`} {
		require.Contains(t, string(page), want)
	}
	require.NotContains(t, string(page), "Voorbeeld")
	for _, name := range promisedMetrics(t) {
		require.Regexp(t, `(?m)^`+name+`(_bucket|_total)?\{`, string(page), "docs/operations.md says to watch it")
	}
}

// promisedMetrics are those of the table in docs/operations.md.
func promisedMetrics(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	for _, row := range regexp.MustCompile("(?m)^\\| (`(?:copay|temporal)_[^|]*) \\|").FindAllStringSubmatch(string(text), -1) {
		for _, m := range regexp.MustCompile("`([a-z_]+)").FindAllStringSubmatch(row[1], -1) {
			names = append(names, m[1])
		}
	}
	require.Greater(t, len(names), 8)
	return names
}
