package workflows

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

// TestStories tells many stories that nobody thought of: patients pay early,
// late and twice, staff act, platforms fail before or after they did what was
// asked, banks take money back, and all of it in any order. However a story
// goes, it ends, and processor, EHR, books and journal agree.
//
// STORIES=n tells more of them, STORY=seed tells one again; both: n from seed on.
func TestStories(t *testing.T) {
	first, n := uint64(1), uint64(150)
	if s := os.Getenv("STORY"); s != "" {
		first, _ = strconv.ParseUint(s, 10, 64)
		n = 1
	}
	if s := os.Getenv("STORIES"); s != "" {
		n, _ = strconv.ParseUint(s, 10, 64)
	}
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			newStory(t, seed).tell()
		})
	}
}

// story is one of them. Chapters are runs of the workflow: one that has ended
// is started again by what happens next.
type story struct {
	*world
	r                *rand.Rand
	in               Input
	opened           map[copay.Ref]copay.Payment // pages at the processor
	underWay, failed map[copay.Ref]bool          // bank debits
	decline          map[copay.Ref]bool
	decided          map[copay.Ref]bool // disputes that the bank has decided
	contested        map[copay.Ref]copay.Money
	open             map[copay.ReviewKind]bool // what nobody has answered
	removed          map[copay.PaymentID]bool  // postings that somebody deleted, which nobody has decided on
	deletedAt        time.Time
	n                int  // for keys and ids
	calm             bool // nothing fails any more
}

// dice may be thrown by steps that run at the same time.
type dice struct {
	mu  sync.Mutex
	src rand.Source
}

func (d *dice) Uint64() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.src.Uint64()
}

func newStory(t *testing.T, seed uint64) *story {
	s := &story{r: rand.New(&dice{src: rand.NewPCG(seed, 7)}), underWay: map[copay.Ref]bool{}, failed: map[copay.Ref]bool{}, opened: map[copay.Ref]copay.Payment{}, decline: map[copay.Ref]bool{}, decided: map[copay.Ref]bool{}, contested: map[copay.Ref]copay.Money{},
		open: map[copay.ReviewKind]bool{}, removed: map[copay.PaymentID]bool{}}
	s.world, s.in = bareWorld(t), input()
	s.in.Policy.RefundApprovalAbove = copay.Cents(s.r.Int64N(60_00) + 1)
	if s.r.IntN(2) == 0 {
		s.in.Policy.TrueUp = copay.TrueUpAuto
	}
	s.est.Card = s.r.IntN(3) == 0
	s.est.Estimate.Amount = copay.Cents(5_00 + s.r.Int64N(120_00))
	s.est.Estimate.Confidence = 40 + s.r.IntN(60)
	return s
}

const (
	chapters = 12
	stir     = 30 // days in which things happen
	lastDay  = 90 // by then somebody has seen to everything
)

func (s *story) tell() {
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("STORY=%s tells it again", s.t.Name())
			for _, e := range s.timeline {
				s.t.Logf("%s %-18s %-12s %s (%s)", e.At.Format("01-02 15:04"), e.Actor.ID, e.Kind, e.Summary, e.Reason)
			}
			s.t.Logf("payments %+v\nrefunds %+v\nposted %v booked %v\ncaptured %v refunded %v\njournal %v", s.stored.Payments, s.stored.Refunds, s.posted, s.booked, s.captured, s.refunded, s.journal)
		}
	})
	in := s.in
	for chapter := 0; chapter < chapters || in.Resume != nil; chapter++ {
		if chapter > 0 {
			before := s.world
			s.world = newWorldAfter(s.t, before)
			s.cancelled, s.timeline = before.cancelled, before.timeline
			s.env.SetStartTime(before.env.Now().Add(time.Hour))
		}
		s.env.RegisterActivityWithOptions(s, activity.RegisterOptions{DisableAlreadyRegisteredCheck: true})
		s.calm = false
		for range 3 + s.r.IntN(12) {
			s.after(time.Duration(s.r.Int64N(int64(stir*day))), s.happens)
		}
		if chapter < chapters && s.r.IntN(3) == 0 {
			s.after(time.Duration(s.r.Int64N(int64(stir*day))), s.growsLong)
		}
		if chapter > 0 {
			s.after(0, s.happens) // what started it again
		}
		for d := range lastDay {
			s.after(time.Duration(d)*day+time.Hour, func() { s.tend(d) })
		}
		s.env.ExecuteWorkflow(CoPay, in)
		require.True(s.t, s.env.IsWorkflowCompleted(), "it ends")
		if in = s.in; workflow.IsContinueAsNewError(errors.Unwrap(s.env.GetWorkflowError())) {
			in = handedOver(s.t, s.env)
			continue
		}
		require.NoError(s.t, s.env.GetWorkflowError())
		s.invariants()
		s.ended()
	}
}

// growsLong lets a run hand over to the next, at whatever it is just then. What
// a bank is at would be lost with the test's clock, so then it does not.
func (s *story) growsLong() {
	if len(s.underWay) == 0 {
		s.env.SetCurrentHistoryLength(maxHistory + 1)
		s.env.SignalWorkflow(SignalRecheck, nil)
	}
}

// ended is what holds beyond the invariants of every story.
func (s *story) ended() {
	c := s.stored
	require.True(s.t, c.State.Closed(), "%s", c.State)
	require.Zero(s.t, c.Amounts.Outstanding().Minor, "%s: %+v", c.State, c.Amounts)
	// The money of a deleted charge is kept only when a person said so.
	rejected := slices.ContainsFunc(c.Refunds, func(r copay.Refund) bool { return r.Status == copay.RefundRejected && r.ApprovedBy != "" })
	if s.facts.Deleted && !rejected {
		require.Equal(s.t, c.Amounts.Collected.Minor, c.Amounts.Refunded.Minor, "%s: money of a deleted charge is kept", c.State)
	}
	if c.State.Closed() && (c.After != "" || c.Reopen || c.Leaving != "" || c.Asked != nil) {
		s.t.Errorf("%s: after %q, reopen %v, leaving %q, asked %v are left behind", c.State, c.After, c.Reopen, c.Leaving, c.Asked)
	}
	if a := c.Amounts; a.Adjudicated.Currency != "" && c.State != copay.StateCancelled && c.State != copay.StateRefunded {
		over := a.Collected.Minor - a.Refunded.Minor - a.Adjudicated.Minor - max(-a.Accepted.Minor, 0)
		contested := slices.ContainsFunc(c.Payments, func(p copay.Payment) bool { return p.Status == copay.PaymentDisputed })
		short := a.Adjudicated.Minor - a.Collected.Minor + a.Refunded.Minor - max(a.Accepted.Minor, 0)
		forbidden := c.Estimate != nil && c.Estimate.Kind == copay.EstimateZeroByRule
		require.False(s.t, c.State == copay.StateSettled && short > s.in.Policy.TrueUpTolerance.Minor && !forbidden, "%d less than owed, and nobody said so: %+v", short, a)
		require.False(s.t, over > s.in.Policy.TrueUpTolerance.Minor && !contested, "%s: %d too much are kept: %+v", c.State, over, a)
	}
	for _, r := range c.Refunds {
		require.NotContains(s.t, []copay.RefundStatus{copay.RefundAwaiting, copay.RefundPending}, r.Status, "%s: %s is forgotten", c.State, r.ID)
	}
	open := s.journal[string(ledger.RuleReceivable)] - s.journal[string(ledger.RuleCapture)] + s.journal[string(ledger.RuleRefund)] -
		s.journal[string(ledger.RuleWaive)] - s.journal[string(ledger.RuleWriteOff)]
	require.Zero(s.t, open, "%s: nobody owes anything any more: %v", c.State, s.journal)
	for ref, p := range s.opened {
		require.NotEqual(s.t, copay.PaymentRequested, s.truthOf(p).Status, "%s can still be paid on a co-pay that is %s", ref, c.State)
	}
}

// happens is something that may happen at any moment.
func (s *story) happens() {
	if s.stored == nil {
		return
	}
	things := []func(){s.patientPays, s.patientPays, s.patientLooks, s.staffActs, s.staffActs, s.staffActs, s.staffActs, s.bankDecides, s.processorRefunds,
		s.payerReports, s.ehrReports, s.hint, s.bankWorks, s.postingVanishes, s.chargeVanishes, s.factsChange, s.refundBounces, s.operatorCancels, func() { s.env.SignalWorkflow(SignalRecheck, nil) }}
	things[s.r.IntN(len(things))]()
}

func (s *story) id() string { s.n++; return fmt.Sprint(s.n) }

func (s *story) act() Act {
	who := []copay.Actor{frontDesk, biller, {ID: "rosa", Kind: "staff", Roles: []copay.Role{copay.RoleBiller}}}
	return by(who[s.r.IntN(len(who))], "k"+s.id())
}

// tells sends a platform's event: now, twice, later, or never.
func (s *story) tells(p copay.Platform, e Event) {
	e.Platform, e.ID = p, string(p)+"/"+s.id()
	send := func() { s.env.SignalWorkflow(SignalEvent, e) }
	switch s.r.IntN(6) {
	case 0: // lost
	case 1:
		send()
		send()
	case 2:
		s.after(time.Duration(s.r.Int64N(int64(2*day))), send)
	default:
		send()
	}
}

// payments in a fixed order, so that a seed always tells the same story.
func (s *story) pages() (open []copay.Payment) {
	for _, p := range s.opened {
		if s.truth(p).Status == copay.PaymentRequested {
			open = append(open, p)
		}
	}
	slices.SortFunc(open, func(a, b copay.Payment) int { return len(a.Ref) - len(b.Ref) })
	slices.SortFunc(open, func(a, b copay.Payment) int {
		if a.Ref < b.Ref {
			return -1
		}
		return 1
	})
	return open
}

func (s *story) patientPays() {
	if open := s.pages(); len(open) > 0 {
		p := open[s.r.IntN(len(open))]
		s.captured[p.Ref] = p.Amount
		s.tells("stripe", Event{Kind: string(integrations.EventPayment), Object: p.PlatformID, Ref: p.Ref, Status: string(copay.PaymentCaptured)})
	}
}

func (s *story) patientLooks() {
	in := OpenPage{}
	if s.r.IntN(2) == 0 {
		in = agreed(s.now())
	}
	s.update(UpdateOpenPage, in)
}

func (s *story) staffActs() {
	a, c := s.act(), s.stored
	some := copay.Cents(1 + s.r.Int64N(150_00))
	switch s.r.IntN(12) {
	case 9, 10:
		s.approves()
	case 11:
		if c.State == copay.StateNeedsReview && c.Review.Allows(copay.ChoiceWriteOff) {
			s.update(UpdateResolveReview, ResolveReview{Act: a, Choice: copay.ChoiceWriteOff})
		}
	case 0:
		s.update(UpdateOverrideAmount, OverrideAmount{Act: a, Amount: some})
	case 1:
		s.update(UpdateWaive, Waive{Act: a})
	case 2:
		if left := c.Amounts.Outstanding().Minor; left > 0 {
			some = copay.Cents(1 + s.r.Int64N(left))
		}
		s.update(UpdateRecordPayment, RecordPayment{Act: a, Rail: copay.RailCash, Amount: some})
	case 3:
		s.update(UpdateResend, Resend{Act: a})
	case 4:
		s.update(UpdateChangeRail, ChangeRail{Act: a, Rail: []copay.Rail{copay.RailLink, copay.RailCard, copay.RailCash}[s.r.IntN(3)]})
	case 5:
		s.update(UpdateCancel, Cancel{Act: a})
	case 6, 7:
		for _, i := range s.r.Perm(len(c.Payments)) {
			p := c.Payments[i]
			if left := p.Amount.Minor - p.Refunded.Minor; p.Status == copay.PaymentCaptured && left > 0 {
				s.update(UpdateRefund, Refund{Act: a, Payment: p.ID, Amount: copay.Cents(1 + s.r.Int64N(left))})
				return
			}
		}
	case 8:
		s.decide()
	}
}

// approves is a second person's word about a refund, at any moment.
func (s *story) approves() {
	for _, r := range s.stored.Refunds {
		if r.Status == copay.RefundAwaiting {
			s.update(UpdateApproveRefund, ApproveRefund{Act: s.act(), Refund: r.ID, Approve: s.r.IntN(2) > 0})
			return
		}
	}
}

// decide answers an open review in one of the ways it allows, save for "done
// by hand": there are no hands in this story but those that hand cash back.
func (s *story) decide() {
	c := s.stored
	if c.State != copay.StateNeedsReview || c.Review == nil {
		return
	}
	for _, r := range c.Refunds {
		if r.Status == copay.RefundAwaiting {
			s.update(UpdateApproveRefund, ApproveRefund{Act: s.act(), Refund: r.ID, Approve: s.r.IntN(3) > 0})
		}
	}
	choices := slices.DeleteFunc(slices.Clone(c.Review.Choices), func(x copay.Choice) bool {
		return x == copay.ChoiceDone && c.Review.Kind != copay.ReviewHandBack
	})
	if len(choices) == 0 {
		return
	}
	x := choices[s.r.IntN(len(choices))]
	if s.calm { // somebody makes an end of it
		for _, end := range []copay.Choice{copay.ChoiceWriteOff, copay.ChoiceWaive, copay.ChoiceCancel} {
			if slices.Contains(choices, end) {
				x = end
			}
		}
		if held := c.Amounts.Collected.Minor - c.Amounts.Refunded.Minor; x == copay.ChoiceCancel && held > 0 {
			for _, other := range []copay.Choice{copay.ChoiceRetry, copay.ChoiceWaive} { // it may be more than one person may give back
				if slices.Contains(choices, other) {
					x = other
				}
			}
		}
	}
	amount := copay.Cents(1 + s.r.Int64N(120_00))
	s.update(UpdateResolveReview, ResolveReview{Act: s.act(), Choice: x, Amount: &amount})
}

func (s *story) bankDecides() {
	for _, i := range s.r.Perm(len(s.stored.Payments)) {
		p := s.stored.Payments[i]
		if _, there := s.captured[p.Ref]; !there || s.decided[p.Ref] || p.Amount.Minor <= p.Refunded.Minor {
			continue
		}
		status := "opened"
		if p.Status == copay.PaymentDisputed {
			if status = "won"; s.r.IntN(2) == 0 {
				status = "lost"
			}
		}
		s.dispute(p, status)
		return
	}
}

func (s *story) dispute(p copay.Payment, status string) {
	s.decided[p.Ref] = status != "opened"
	e := Event{Platform: "stripe", Kind: string(integrations.EventDispute), Object: p.PlatformID, Ref: p.Ref, Status: status}
	if _, known := s.contested[p.Ref]; !known { // it is about what had not gone back when it began, or about a part
		left := s.left(p.Ref)
		pending := slices.ContainsFunc(s.stored.Refunds, func(r copay.Refund) bool { return r.Payment == p.ID && r.Status == copay.RefundPending })
		if left > 1 && !pending && s.r.IntN(3) == 0 {
			left = 1 + s.r.Int64N(left)
		}
		s.contested[p.Ref] = copay.Cents(left)
	}
	e.Amount = new(s.contested[p.Ref])
	if status == "lost" {
		s.refunded["bank-"+p.Ref], s.refundOf["bank-"+p.Ref] = s.contested[p.Ref], "the bank's"
	}
	if status != "opened" {
		delete(s.contested, p.Ref)
	}
	for range 1 + s.r.IntN(2) { // a platform tells it in several ways
		e.ID = "stripe/" + s.id()
		s.env.SignalWorkflow(SignalEvent, e)
	}
}

// processorRefunds gives money back at the processor's own desk.
func (s *story) processorRefunds() {
	for _, p := range s.stored.Payments {
		left := s.captured[p.Ref].Minor
		for ref, of := range s.refundOf {
			if of == p.Ref {
				left -= s.refunded[ref].Minor
			}
		}
		pending := slices.ContainsFunc(s.stored.Refunds, func(r copay.Refund) bool { return r.Payment == p.ID && r.Status == copay.RefundPending })
		if p.Rail.Manual() || left <= 0 || s.decided[p.Ref] || pending || p.Status != copay.PaymentCaptured || s.stored.State == copay.StateRefunding || s.stored.State == copay.StateDisputed {
			continue // whoever refunds twice at two desks at the same moment is beyond help
		}
		ref := copay.Ref("desk-" + s.id())
		s.refunded[ref], s.refundOf[ref] = copay.Cents(1+s.r.Int64N(left)), p.Ref
		// This one is never lost: nothing else would tell.
		s.env.SignalWorkflow(SignalEvent, Event{ID: "stripe/" + s.id(), Platform: "stripe", Kind: string(integrations.EventRefund), Object: p.PlatformID, Ref: p.Ref})
		return
	}
}

func (s *story) payerReports() {
	m := copay.Cents(s.r.Int64N(150_00))
	s.tells("availity", Event{Kind: string(integrations.EventRemittance), Amount: &m})
}

func (s *story) ehrReports() {
	kinds := []integrations.EventKind{integrations.EventChargeChanged, integrations.EventEligibility, integrations.EventVisitChanged, integrations.EventPatientChanged, integrations.EventChargeDeleted}
	s.tells("drchrono", Event{Kind: string(kinds[s.r.IntN(len(kinds))])})
}

// bankWorks lets the patient pay by bank: it takes some days, and may fail.
func (s *story) bankWorks() {
	open := s.pages()
	if len(open) == 0 {
		return
	}
	p := open[s.r.IntN(len(open))]
	s.underWay[p.Ref] = true
	tell := func(status copay.PaymentStatus) {
		s.tells("stripe", Event{Kind: string(integrations.EventPayment), Object: p.PlatformID, Ref: p.Ref, Status: string(status)})
	}
	tell(copay.PaymentProcessing)
	good := s.r.IntN(3) > 0
	s.after(time.Duration(1+s.r.IntN(5))*day, func() {
		delete(s.underWay, p.Ref)
		if good {
			s.captured[p.Ref] = p.Amount
			tell(copay.PaymentCaptured)
			return
		}
		s.failed[p.Ref] = true
		tell(copay.PaymentFailed)
	})
}

// postingVanishes lets somebody delete our posting in the EHR.
func (s *story) postingVanishes() {
	for _, i := range s.r.Perm(len(s.stored.Payments)) {
		p := s.stored.Payments[i]
		ref := copay.Ref(string(s.stored.ID) + "-" + string(copay.EffectPost) + "-" + string(p.ID)[len("pay-"):] + p.Again)
		gone := s.stored.State.Closed() && p.Amount.Minor <= p.Refunded.Minor // nobody looks at that any more
		if _, there := s.posted[ref]; there && p.PostedID != "" && !gone && s.stored.State != copay.StateRefunding {
			delete(s.posted, ref)
			s.env.SignalWorkflow(SignalEvent, Event{ID: "drchrono/" + s.id(), Platform: "drchrono", Kind: string(integrations.EventPostingDeleted), Object: p.PostedID})
			return
		}
	}
}

// chargeVanishes deletes the charge in the EHR, or enters it again.
func (s *story) chargeVanishes() {
	switch {
	case s.facts.Deleted:
		if s.r.IntN(2) == 0 {
			s.facts.Deleted, s.deletedAt = false, time.Time{}
		}
	case s.r.IntN(3) == 0:
		s.facts.Deleted, s.deletedAt = true, s.env.Now()
		s.env.SignalWorkflow(SignalEvent, Event{ID: "drchrono/" + s.id(), Platform: "drchrono", Kind: string(integrations.EventChargeDeleted)})
	}
}

// Record watches what is asked and what is answered.
func (s *story) Record(ctx context.Context, in activities.RecordInput) error {
	s.watch(in)
	return s.world.Record(ctx, in)
}

func (s *story) Decide(ctx context.Context, in activities.DecideInput) (activities.Decided, error) {
	return in.By(ctx, s)
}

func (s *story) watch(in activities.RecordInput) {
	s.mu.Lock() // a message may be on its way
	defer s.mu.Unlock()
	var before *copay.Review
	if s.stored != nil {
		before = s.stored.Review
	}
	for _, e := range in.Events {
		switch {
		case e.Kind == "review" && before != nil:
			delete(s.open, before.Kind)
			delete(s.removed, before.Payment)
		case e.Kind == "review", e.Kind == UpdateOverrideAmount, e.Kind == UpdateWaive, e.Kind == UpdateCancel, e.After == copay.StateVerifying:
			clear(s.open)
		}
	}
	if !in.CoPay.Amounts.Outstanding().IsPositive() {
		delete(s.open, copay.ReviewDispute)
		if in.CoPay.Amounts.Requested.IsPositive() { // what was asked for is paid
			clear(s.open)
		}
	}
	if r := in.CoPay.Review; r != nil {
		switch r.Kind {
		case copay.ReviewInactive, copay.ReviewNoCoverage, copay.ReviewLowConfidence, copay.ReviewAmount, copay.ReviewEligibility, copay.ReviewUnknownCharge, copay.ReviewDispute:
			s.open[r.Kind] = true
		case copay.ReviewPostingDeleted:
			s.removed[r.Payment] = true
		}
	}
}

// asks is checked whenever the patient is asked for money.
func (s *story) asks(how string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) > 0 && how != "link" { // a link is made before it is recorded what led there
		s.t.Errorf("%s: the patient is asked although a person is: %v", how, s.open)
	}
	kept := s.stored != nil && slices.ContainsFunc(s.stored.Refunds, func(r copay.Refund) bool { return r.Status == copay.RefundRejected })
	if !s.deletedAt.IsZero() && s.env.Now().Sub(s.deletedAt) > 2*day && !kept {
		s.t.Errorf("%s: the patient is asked for money of a charge that was deleted", how)
	}
}

// left is what the processor still has of a payment.
func (s *story) left(ref copay.Ref) int64 {
	left := s.captured[ref].Minor - s.refunded["bank-"+ref].Minor
	for r, of := range s.refundOf {
		if of == ref {
			left -= s.refunded[r].Minor
		}
	}
	return left
}

// factsChange lets EHR or payer say something else from now on.
func (s *story) factsChange() {
	s.est.Estimate = copay.Estimate{Kind: copay.EstimateOwed, Amount: copay.Cents(5_00 + s.r.Int64N(120_00)), Confidence: 40 + s.r.IntN(60)}
	s.checked.Status, s.facts.Insured = copay.CoverageActive, true
	switch s.r.IntN(7) {
	case 2:
		s.checked.Status = copay.CoverageInactive
	case 3:
		s.facts.Insured = false
	case 0:
		s.est.Estimate = copay.Estimate{Kind: copay.EstimateZeroByRule, Amount: copay.Cents(0), Rule: "qmb", Confidence: 100}
	case 1:
		s.est.Estimate = copay.Estimate{Kind: copay.EstimateOwed, Amount: copay.Cents(0), Confidence: 100}
	}
	s.tells("drchrono", Event{Kind: string([]integrations.EventKind{integrations.EventChargeChanged, integrations.EventEligibility, integrations.EventPatientChanged}[s.r.IntN(3)])})
}

// refundBounces lets the patient's bank send a refund back. That it did is
// heard of in the end: what nobody ever hears of nobody can put right.
func (s *story) refundBounces() {
	for _, r := range s.stored.Refunds {
		if _, there := s.refunded[r.Ref]; there && r.Status == copay.RefundDone && s.r.IntN(2) == 0 {
			delete(s.refunded, r.Ref)
			s.env.SignalWorkflow(SignalEvent, Event{ID: "stripe/" + s.id(), Platform: "stripe", Kind: string(integrations.EventRefund), Object: r.PlatformID, Status: refundFailed})
			return
		}
	}
}

// operatorCancels cancels the workflow itself.
func (s *story) operatorCancels() {
	if s.r.IntN(6) == 0 {
		s.env.CancelWorkflow()
	}
}

// hint repeats something old.
func (s *story) hint() {
	if n := len(s.stored.Payments); n > 0 {
		p := s.stored.Payments[s.r.IntN(n)]
		status := []copay.PaymentStatus{copay.PaymentCaptured, copay.PaymentFailed, copay.PaymentProcessing}[s.r.IntN(3)]
		s.tells("stripe", Event{Kind: string(integrations.EventPayment), Object: p.PlatformID, Ref: p.Ref, Status: string(status)})
	}
}

// tend is what staff do every day; in the end they leave nothing open.
func (s *story) tend(d int) {
	s.calm = d > stir
	if s.stored == nil || (!s.calm && s.r.IntN(3) > 0) {
		return
	}
	switch c := s.stored; {
	case c.State == copay.StateNeedsReview:
		s.decide()
	case !s.calm:
	case c.State == copay.StateDisputed, c.State == copay.StateRefunding, c.State == copay.StateRequesting:
		for _, p := range c.Payments {
			if p.Status == copay.PaymentDisputed {
				s.dispute(p, "won")
			}
		}
	case c.State == copay.StateAwaitingPayment && c.Amounts.Collected.Minor == c.Amounts.Refunded.Minor:
		s.update(UpdateCancel, Cancel{Act: s.act()})
	case c.State == copay.StateAwaitingPayment:
		s.update(UpdateWaive, Waive{Act: s.act()})
	}
}

// The platforms of a story: one call in eight goes wrong.

func wrong[I, O any](s *story, do func(context.Context, I) (O, error), ctx context.Context, in I) (O, error) {
	var none O
	if s.calm {
		return do(ctx, in)
	}
	switch s.r.IntN(24) {
	case 0:
		return none, down()
	case 1:
		_, _ = do(ctx, in) // done, and the answer lost
		return none, temporal.NewApplicationErrorWithOptions("lost", string(integrations.KindUnknown), temporal.ApplicationErrorOptions{NonRetryable: true,
			Details: []any{activities.Failure{Kind: integrations.KindUnknown, Message: "no answer came"}}})
	case 2:
		return none, refuse([]integrations.Kind{integrations.KindInvalid, integrations.KindUnauthorized}[s.r.IntN(2)])
	}
	return do(ctx, in)
}

func (s *story) ReadCharge(ctx context.Context, in activities.ReadChargeInput) (activities.ChargeRead, error) {
	return wrong(s, s.world.ReadCharge, ctx, in)
}

func (s *story) CheckEligibility(ctx context.Context, in activities.CheckInput) (activities.Checked, error) {
	return wrong(s, s.world.CheckEligibility, ctx, in)
}

func (s *story) RequestLink(ctx context.Context, in activities.PaymentInput) (activities.PaymentState, error) {
	if s.stored != nil && s.stored.State.Closed() && s.stored.State != copay.StateSettled { // a remittance may open a settled one again
		s.t.Errorf("a payment is asked for although the co-pay is %s", s.stored.State)
	}
	return wrong(s, func(ctx context.Context, in activities.PaymentInput) (activities.PaymentState, error) {
		if p, ok := s.opened[in.Payment.Ref]; ok {
			return s.truth(p), nil
		}
		s.asks("link")
		got, err := s.world.RequestLink(ctx, in)
		p := in.Payment
		p.PlatformID = got.PlatformID
		s.opened[p.Ref] = p
		return got, err
	}, ctx, in)
}

func (s *story) ChargeCard(ctx context.Context, in activities.PaymentInput) (activities.PaymentState, error) {
	return wrong(s, func(ctx context.Context, in activities.PaymentInput) (activities.PaymentState, error) {
		ref := in.Payment.Ref
		if _, made := s.captured[ref]; !made {
			s.asks("card")
		}
		if _, known := s.decline[ref]; !known {
			s.decline[ref] = s.r.IntN(4) == 0
		}
		s.cardDecline = ""
		if s.decline[ref] {
			s.cardDecline = "insufficient_funds"
		}
		return s.world.ChargeCard(ctx, in)
	}, ctx, in)
}

func (s *story) Notify(ctx context.Context, in activities.NotifyInput) (activities.Notified, error) {
	got, err := s.world.Notify(ctx, in)
	if got.Sent {
		s.asks("message")
	}
	return got, err
}

func (s *story) FetchPayment(ctx context.Context, in activities.PaymentInput) (activities.PaymentState, error) {
	return wrong(s, func(_ context.Context, in activities.PaymentInput) (activities.PaymentState, error) {
		return s.truth(in.Payment), nil
	}, ctx, in)
}

// truth is the world's, with bank debits.
func (s *story) truth(p copay.Payment) activities.PaymentState {
	got := s.truthOf(p)
	switch {
	case s.underWay[p.Ref]:
		got.Status = copay.PaymentProcessing
	case s.failed[p.Ref]:
		got.Status = copay.PaymentFailed
	}
	return got
}

func (s *story) OpenPage(ctx context.Context, in activities.PaymentInput) (activities.OpenedPage, error) {
	return wrong(s, func(_ context.Context, in activities.PaymentInput) (activities.OpenedPage, error) {
		out := activities.OpenedPage{State: s.truth(in.Payment)}
		if out.State.Status == copay.PaymentRequested {
			out.URL = "https://checkout.example/" + out.State.PlatformID
		}
		return out, nil
	}, ctx, in)
}

func (s *story) CancelRequest(ctx context.Context, in activities.PaymentInput) (activities.PaymentState, error) {
	return wrong(s, func(ctx context.Context, in activities.PaymentInput) (activities.PaymentState, error) {
		if p, ok := s.opened[in.Payment.Ref]; ok {
			in.Payment.PlatformID, in.Payment.ExpiresAt = p.PlatformID, p.ExpiresAt
		}
		if now := s.truth(in.Payment); now.Status != copay.PaymentRequested {
			return now, nil // paid, under way, failed: too late
		}
		return s.world.CancelRequest(ctx, in)
	}, ctx, in)
}

func (s *story) RefundPayment(ctx context.Context, in activities.RefundInput) (activities.Refunded, error) {
	return wrong(s, func(ctx context.Context, in activities.RefundInput) (activities.Refunded, error) {
		if _, made := s.refunded[in.Refund.Ref]; !made {
			if _, held := s.contested[in.Payment.Ref]; held {
				s.t.Errorf("%s goes back while the bank decides", in.Refund.ID)
			}
			if left := s.left(in.Payment.Ref); in.Refund.Amount.Minor > left {
				s.t.Errorf("%s of %s goes back, and %d are left of %s", in.Refund.ID, in.Refund.Amount, left, in.Payment.ID)
			}
		}
		return s.world.RefundPayment(ctx, in)
	}, ctx, in)
}

func (s *story) PostPayment(ctx context.Context, in activities.PostInput) (activities.Posted, error) {
	if s.removed[in.Payment.ID] {
		s.t.Errorf("%s is posted again, and nobody said so", in.Payment.ID)
	}
	return wrong(s, s.world.PostPayment, ctx, in)
}

func (s *story) FindPosting(ctx context.Context, in activities.PostInput) (activities.Posted, error) {
	return wrong(s, s.world.FindPosting, ctx, in)
}

func (s *story) ReversePosting(ctx context.Context, in activities.PostInput) (activities.Posted, error) {
	return wrong(s, s.world.ReversePosting, ctx, in)
}

func (s *story) BookPayment(ctx context.Context, in activities.PostInput) (activities.Booked, error) {
	return wrong(s, s.world.BookPayment, ctx, in)
}

func (s *story) BookRefund(ctx context.Context, in activities.PostInput) (activities.Posted, error) {
	return wrong(s, s.world.BookRefund, ctx, in)
}

func (s *story) KeepCard(ctx context.Context, in activities.PaymentInput) (activities.KeptCard, error) {
	return wrong(s, s.world.KeepCard, ctx, in)
}
