package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

// PlanInput asks what to do about reminders now.
type PlanInput struct {
	Key         copay.Key            `json:"key"`
	State       copay.State          `json:"state"`
	Policy      copay.ReminderPolicy `json:"policy"`
	Channels    []copay.Channel      `json:"channels"`
	RequestedAt time.Time            `json:"requested_at"`
	Sent        []copay.SentMessage  `json:"sent,omitempty"`
	Earlier     []copay.SentMessage  `json:"earlier,omitempty"`
	Paused      bool                 `json:"paused,omitempty"`
	Forced      bool                 `json:"forced,omitempty"`
}

// Plan is the decision, with the wait as a duration: the clock it was made by
// is the activity's, which in development can be moved.
type Plan struct {
	Decision copay.ReminderDecision `json:"decision"`
	Wait     time.Duration          `json:"wait,omitempty"`
	Now      time.Time              `json:"now"`
}

// PlanReminder decides the next reminder from consent, contact, clock and
// policy as they are now. It runs as a local activity.
func (a *Activities) PlanReminder(ctx context.Context, in PlanInput) (Plan, error) {
	pat, err := a.Store.Patient(ctx, in.Key.Practice, in.Key.ID())
	if err != nil {
		return Plan{}, classify(err)
	}
	d, now, err := a.decide(ctx, in, pat)
	if err != nil {
		return Plan{}, classify(err)
	}
	p := Plan{Decision: d, Now: now}
	if d.Action == copay.ReminderWait && !d.At.IsZero() {
		p.Wait = max(d.At.Sub(now), 0)
	}
	return p, nil
}

func (a *Activities) decide(ctx context.Context, in PlanInput, pat integrations.Patient) (copay.ReminderDecision, time.Time, error) {
	now := a.now()
	reach, err := a.Store.Reach(ctx, in.Key.Practice, in.Key.ID())
	if err != nil {
		return copay.ReminderDecision{}, now, err
	}
	served := reach[:0:0]
	for _, r := range reach {
		for _, c := range in.Channels {
			if r.Channel == c {
				served = append(served, r)
			}
		}
	}
	d := in.Policy.Next(copay.ReminderInput{Now: now, State: in.State, RequestedAt: in.RequestedAt,
		Zones: copay.ZonesFor(pat.State, pat.Phone), Region: pat.State, Reach: served, Sent: in.Sent, Earlier: in.Earlier, Paused: in.Paused, Forced: in.Forced})
	return d, now, nil
}

// NotifyInput sends one message of one round.
type NotifyInput struct {
	PlanInput
	Channel  copay.Channel  `json:"channel"`
	Template copay.Template `json:"template"`
	Round    int            `json:"round"`
	Amount   copay.Money    `json:"amount"`
	Visit    copay.Date     `json:"visit,omitempty"`
	Ref      copay.Ref      `json:"ref"`
	// LinkUntil is how long the payment link in the message works.
	LinkUntil time.Time `json:"link_until"`
	Since     time.Time `json:"since"`
	// Open is the payment that may have been made meanwhile: its truth is read
	// before a reminder goes out, whether its webhook came or not.
	Open *copay.Payment `json:"open,omitempty"`
}

// Notified says what came of it.
type Notified struct {
	Sent bool `json:"sent"`
	// Platform is the one that sent it.
	Platform copay.Platform `json:"platform,omitempty"`
	// Unconfirmed says that it is not sent now, but may have been before.
	Unconfirmed bool `json:"unconfirmed,omitempty"`
	// Why it was not sent, for the audit log: paid, opted out, quiet hours…
	Why string    `json:"why,omitempty"`
	At  time.Time `json:"at,omitzero"`
	// Payment is the open payment as the processor has it, where that was read.
	Payment *PaymentState `json:"payment,omitempty"`
}

// Notify decides once more, at the moment of sending and against the recorded
// state, and then sends. A message crosses neither with a payment nor with a
// STOP nor into quiet hours. When it fails as unknown, it may have gone out.
func (a *Activities) Notify(ctx context.Context, in NotifyInput) (Notified, error) {
	n, err := a.notify(ctx, in)
	if activity.HasHeartbeatDetails(ctx) { // an earlier attempt may have sent it
		n.Unconfirmed = err == nil && !n.Sent
		err = unclear(ctx, err)
	}
	return n, err
}

func (a *Activities) notify(ctx context.Context, in NotifyInput) (Notified, error) {
	row, err := a.Store.CoPay(ctx, in.Key.Practice, in.Key.ID())
	if err != nil {
		return Notified{}, classify(err)
	}
	if why := a.obsolete(in, row); why != "" {
		return Notified{Why: why}, nil
	}
	pat, err := a.Store.Patient(ctx, in.Key.Practice, in.Key.ID())
	if err != nil {
		return Notified{}, classify(err)
	}
	d, now, err := a.decide(ctx, in.PlanInput, pat)
	if err != nil {
		return Notified{}, classify(err)
	}
	if d.Action != copay.ReminderSend || !contains(d.Channels, in.Channel) {
		return Notified{Why: "not now: " + d.Reason}, nil
	}
	truth, paid, err := a.paidMeanwhile(ctx, in)
	if err != nil {
		return Notified{}, err
	}
	if paid {
		return Notified{Why: "the patient has paid meanwhile", Payment: truth}, nil
	}
	n, err := a.send(ctx, in, pat, now)
	n.Payment = truth
	return n, unclear(ctx, err)
}

// paidMeanwhile asks the processor about the open payment. A payment that is
// on its way counts as paid. One that the processor does not know leaves the
// message alone.
func (a *Activities) paidMeanwhile(ctx context.Context, in NotifyInput) (*PaymentState, bool, error) {
	if in.Open == nil {
		return nil, false, nil
	}
	got, err := a.FetchPayment(ctx, PaymentInput{Key: in.Key, Payment: *in.Open})
	switch FailureOf(err).Kind {
	case integrations.KindNotFound:
		return nil, false, nil
	case integrations.KindUnknown: // it says nothing of the message
		return nil, false, classify(&integrations.Error{Kind: integrations.KindUnavailable, Platform: in.Open.Platform, Op: "payment.read", Message: "the payment could not be read"})
	}
	if err != nil {
		return nil, false, err
	}
	switch got.Status { // what is disputed or came back had been paid
	case copay.PaymentCaptured, copay.PaymentProcessing, copay.PaymentDisputed, copay.PaymentReturned:
		return &got, true, nil
	}
	return &got, false, nil
}

// obsolete says why a message must not go out any more, or "".
func (a *Activities) obsolete(in NotifyInput, row ledger.CoPayRow) string {
	if row.CoPay.State != copay.StateAwaitingPayment {
		return "the co-pay is " + string(row.CoPay.State)
	}
	if !row.CoPay.Amounts.Outstanding().IsPositive() {
		return "nothing is owed"
	}
	if row.CoPay.Paused { // since the message was planned
		return "staff paused the reminders"
	}
	return ""
}

func (a *Activities) send(ctx context.Context, in NotifyInput, pat integrations.Patient, now time.Time) (Notified, error) {
	pr, err := a.Practices(in.Key.Practice)
	if err != nil {
		return Notified{}, classify(err)
	}
	link, err := a.payLink(ctx, in.Key, pr)
	if err != nil {
		return Notified{}, classify(err)
	}
	platform, n, err := a.Ports.Notifier(in.Key.Practice, in.Channel)
	if err != nil {
		return Notified{}, classify(err)
	}
	m := compose(in, pr, pat, link)
	m.Attempt, m.Since = int(activity.GetInfo(ctx).Attempt), in.Since
	m.Expires = in.Policy.Closes(now, pat.State, copay.ZonesFor(pat.State, pat.Phone))
	sent, err := n.Send(ctx, m)
	if err != nil {
		return a.refused(ctx, in, m.To, platform, err)
	}
	err = a.Store.RecordNotification(ctx, ledger.Notification{Practice: in.Key.Practice, CoPayID: in.Key.ID(), Ref: in.Ref, Channel: in.Channel,
		Template: in.Template, Round: in.Round, Platform: platform, ProviderID: sent.ID, Status: string(sent.Status), At: now})
	if err != nil {
		return Notified{}, classify(err)
	}
	return Notified{Sent: true, Platform: platform, At: now}, nil
}

// refused remembers what the platform says of the recipient, so that nobody
// tries again: an opt-out that has not reached us, or an address that is bad.
func (a *Activities) refused(ctx context.Context, in NotifyInput, to string, platform copay.Platform, err error) (Notified, error) {
	var why string
	var kept error
	switch e := integrations.AsError(err); {
	case e != nil && e.Kind == integrations.KindDeclined:
		why = "the recipient opted out at " + string(platform)
		_, kept = a.Store.Revoke(ctx, in.Key.Practice, in.Channel, to, ledger.OptOutChannel, string(platform), a.now())
	case e != nil && e.Kind == integrations.KindInvalid && !e.Final:
		return Notified{Why: "refused: " + e.Error()}, nil // the message or the set-up, not the address
	case e != nil && e.Kind == integrations.KindInvalid:
		why = "refused: " + e.Error()
		_, kept = a.Store.MarkBad(ctx, in.Key.Practice, in.Channel, to, e.Code, a.now())
	default:
		return Notified{}, classify(err)
	}
	if kept != nil {
		return Notified{}, classify(kept)
	}
	return Notified{Why: why}, nil
}

// unclear keeps in mind, from attempt to attempt, that the outcome of one was
// not known: as long as nobody can look it up, it stays so.
func unclear(ctx context.Context, err error) error {
	var app *temporal.ApplicationError
	f := FailureOf(err)
	if !errors.As(err, &app) || (f.Kind != integrations.KindUnknown && !activity.HasHeartbeatDetails(ctx)) {
		return err
	}
	activity.RecordHeartbeat(ctx, string(integrations.KindUnknown))
	if f.Kind == integrations.KindUnknown {
		return err
	}
	f.Kind = integrations.KindUnknown
	return temporal.NewApplicationErrorWithOptions(f.Message, string(f.Kind), temporal.ApplicationErrorOptions{NextRetryDelay: app.NextRetryDelay(), Details: []any{f}})
}

func contains[T comparable](list []T, x T) bool {
	for _, y := range list {
		if x == y {
			return true
		}
	}
	return false
}
