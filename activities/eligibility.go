package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// CheckInput asks for a patient's benefits.
type CheckInput struct {
	Key         copay.Key           `json:"key"`
	Appointment copay.AppointmentID `json:"appointment,omitempty"`
	Service     copay.ServiceType   `json:"service"`
	On          copay.Date          `json:"on"`
	// Fresh is how old an answer may be to be used again.
	Fresh time.Duration `json:"fresh"`
}

// Checked says what came of it; the benefits themselves are in the store.
type Checked struct {
	Status  copay.CoverageStatus `json:"status"`
	Kind    copay.PlanKind       `json:"kind,omitempty"`
	Source  copay.Platform       `json:"source,omitempty"`
	Cached  bool                 `json:"cached,omitempty"`
	Problem string               `json:"problem,omitempty"`
}

// pendingCheck is kept in the heartbeat, so that an attempt on another worker
// goes on polling instead of asking the payer again.
type pendingCheck struct {
	Platform copay.Platform `json:"platform"`
	Handle   string         `json:"handle"`
}

// CheckEligibility asks the practice's eligibility platforms in order and
// stores the first usable answer. A payer that needs time makes the attempt
// fail as "not yet": the retry polls, which costs no history events.
func (a *Activities) CheckEligibility(ctx context.Context, in CheckInput) (Checked, error) {
	pat, err := a.Store.Patient(ctx, in.Key.Practice, in.Key.ID())
	if err != nil {
		return Checked{}, classify(err)
	}
	ins, ok := primary(pat)
	if !ok {
		return Checked{Status: copay.CoverageUnknown, Problem: "no insurance is on file"}, nil
	}
	member := memberKey(ins)
	if b, ok, err := a.Store.FreshBenefits(ctx, in.Key.Practice, member, in.Service, in.On, in.Fresh); err != nil {
		return Checked{}, classify(err)
	} else if ok && b.Problem == "" { // what was wrong may have been mended since
		return checked(b, true), nil
	}
	pr, err := a.Practices(in.Key.Practice)
	if err != nil {
		return Checked{}, classify(err)
	}
	list, err := a.Ports.Eligibility(in.Key.Practice)
	if err != nil {
		return Checked{}, classify(err)
	}
	b, err := a.ask(ctx, list, integrations.EligibilityRequest{Patient: pat, Insurance: ins,
		Appointment: in.Appointment, Service: in.Service, On: in.On, ProviderNPI: pr.NPI})
	if isPending(err) { // a slow payer shows; that it cannot be shown matters less
		_ = a.Store.Progress(ctx, in.Key, copay.StateVerifying, "wait for the payer's answer")
	}
	if err != nil {
		return Checked{}, classify(err)
	}
	if err := a.Store.PutBenefits(ctx, in.Key.Practice, member, in.Service, in.On, b, a.now()); err != nil {
		return Checked{}, classify(err)
	}
	return checked(b, false), nil
}

func checked(b copay.Benefits, cached bool) Checked {
	return Checked{Status: b.Status, Kind: b.Kind, Source: copay.Platform(b.Source), Cached: cached, Problem: b.Problem}
}

// memberKey names a policy in the benefits cache, which hashes it.
func memberKey(i integrations.Insurance) string { return i.PayerID + "\x00" + i.MemberID }

// fallbackFrom is the attempt from which the next platform is asked when the
// one before it is down.
const fallbackFrom = 3

// ask tries the platforms in order; one that is down gives way to the next.
// A payer that is still working is waited for, not passed over.
func (a *Activities) ask(ctx context.Context, list []Eligibility, r integrations.EligibilityRequest) (copay.Benefits, error) {
	var last error = integrations.NotFound("", "eligibility")
	var pending pendingCheck
	if activity.HasHeartbeatDetails(ctx) {
		_ = activity.GetHeartbeatDetails(ctx, &pending) // unreadable: asked anew
	}
	for _, e := range list {
		if pending.Handle != "" && e.Platform != pending.Platform {
			continue
		}
		b, err := a.askOne(ctx, e, r, pending)
		if err == nil {
			return b, nil
		}
		if isPending(err) {
			return copay.Benefits{}, err
		}
		if integrations.KindOf(last) != integrations.KindUnauthorized {
			last = err // refused credentials are ours to mend: that the next platform knows nothing does not hide them
		}
		if k := integrations.KindOf(err); (k == integrations.KindUnavailable || k == integrations.KindUnknown) && activity.GetInfo(ctx).Attempt < fallbackFrom {
			return copay.Benefits{}, err // a short hiccup is no reason to believe somebody else
		}
		switch integrations.KindOf(err) {
		case integrations.KindUnavailable, integrations.KindUnknown, integrations.KindNotFound, integrations.KindUnauthorized:
			pending = pendingCheck{} // the next platform may know
			continue
		}
		return copay.Benefits{}, err
	}
	return copay.Benefits{}, last
}

// pendingType marks the failure of an attempt whose payer is still working.
const pendingType = "pending"

func isPending(err error) bool {
	var app *temporal.ApplicationError
	return errors.As(err, &app) && app.Type() == pendingType
}

func (a *Activities) askOne(ctx context.Context, e Eligibility, r integrations.EligibilityRequest, p pendingCheck) (copay.Benefits, error) {
	if e.Checker == nil {
		return e.Reader.LastCheck(ctx, r)
	}
	var res integrations.EligibilityResult
	var err error
	if p.Handle != "" {
		res, err = e.Checker.Poll(ctx, p.Handle)
	}
	if p.Handle == "" || (err != nil && integrations.KindOf(err) == integrations.KindNotFound) {
		res, err = e.Checker.Check(ctx, r) // the clearinghouse has forgotten the earlier one
	}
	for waited := time.Duration(0); err == nil && res.Pending; {
		activity.RecordHeartbeat(ctx, pendingCheck{Platform: e.Platform, Handle: res.Handle})
		pause := max(res.RetryAfter, 200*time.Millisecond)
		if waited+pause > 2*time.Second {
			return copay.Benefits{}, temporal.NewApplicationErrorWithOptions("the payer has not answered yet", pendingType,
				temporal.ApplicationErrorOptions{NextRetryDelay: min(pause, 8*time.Second),
					Details: []any{Failure{Kind: integrations.KindUnavailable, Platform: e.Platform, Message: "the payer has not answered yet"}}})
		}
		select {
		case <-time.After(pause):
			waited += pause
		case <-ctx.Done():
			return copay.Benefits{}, ctx.Err()
		}
		res, err = e.Checker.Poll(ctx, res.Handle)
	}
	if err != nil {
		// An ended check must not be polled again by the next attempt.
		activity.RecordHeartbeat(ctx, pendingCheck{})
	}
	return res.Benefits, err
}

// furtherPolicies are the plans after the first that the EHR has on file, where
// the payer names none: each may pay a part, or forbid to bill the patient.
func furtherPolicies(pat integrations.Patient, b copay.Benefits) (out []copay.SecondaryCoverage) {
	if len(b.Secondary) > 0 {
		return nil
	}
	for _, ins := range pat.Insurance[1:] {
		if memberKey(ins) != memberKey(pat.Insurance[0]) {
			out = append(out, copay.SecondaryCoverage{Active: true, Source: "EHR insurance on file"})
		}
	}
	return out
}

// EstimateInput asks what the patient owes.
type EstimateInput struct {
	Key     copay.Key         `json:"key"`
	Facts   copay.ChargeFacts `json:"facts"`
	Policy  copay.Policy      `json:"policy"`
	Patient copay.PatientRef  `json:"patient"`
	Insured bool              `json:"insured"`
	// Appointment is the visit, whose co-pay is asked once.
	Appointment copay.AppointmentID `json:"appointment,omitempty"`
	// Ask is what is asked for instead of the estimate, when a person or a part
	// that was paid already says so.
	Ask copay.Money `json:"ask,omitzero"`
}

// Estimated is the estimate and how it may be collected.
type Estimated struct {
	Estimate copay.Estimate `json:"estimate"`
	// Card says that a stored card may be charged for it, CardAt where it is kept;
	// WhyNot is for staff.
	Card   bool           `json:"card,omitempty"`
	CardAt copay.Platform `json:"card_at,omitempty"`
	WhyNot string         `json:"why_not,omitempty"`
	// Reachable says that at least one channel may be used.
	Reachable bool `json:"reachable"`
}

// Estimate works the amount out from what is stored. It runs as a local
// activity so that its answer, not its code, is what a replay sees.
func (a *Activities) Estimate(ctx context.Context, in EstimateInput) (Estimated, error) {
	var b copay.Benefits
	if in.Insured {
		pat, err := a.Store.Patient(ctx, in.Key.Practice, in.Key.ID())
		if err != nil {
			return Estimated{}, classify(err)
		}
		if ins, ok := primary(pat); ok {
			stored, found, err := a.Store.FreshBenefits(ctx, in.Key.Practice, memberKey(ins), in.Facts.Service, in.Facts.ServiceDate, 10*365*24*time.Hour)
			if err != nil {
				return Estimated{}, classify(err)
			}
			if found {
				b = stored
			} else {
				b = copay.Benefits{Status: copay.CoverageUnknown, Problem: "no payer could be reached"}
			}
			b.Secondary = append(b.Secondary, furtherPolicies(pat, b)...)
		}
	}
	est := copay.EstimateCoPay(b, in.Facts, in.Policy)
	if est.Flat && est.Billable() && in.Appointment != "" {
		owner, err := a.Store.ClaimVisit(ctx, in.Key, in.Appointment, in.Facts.Service)
		if err != nil {
			return Estimated{}, classify(err)
		}
		if owner != in.Key.ID() {
			est = est.AskedBy(owner)
		}
	}
	est.At = a.now()
	out := Estimated{Estimate: est}
	reach, err := a.Store.Reach(ctx, in.Key.Practice, in.Key.ID())
	if err != nil {
		return Estimated{}, classify(err)
	}
	for _, r := range reach {
		out.Reachable = out.Reachable || (r.Consent && r.Usable)
	}
	ask := est.Amount
	if in.Ask.IsPositive() {
		ask = in.Ask
	}
	if in.Policy.CardOnFile && ask.IsPositive() && est.Kind != copay.EstimateZeroByRule {
		card, ok, err := a.Store.CardConsent(ctx, in.Key.Practice, copay.PatientKey{EHR: in.Key.EHR, Ref: in.Patient})
		if err != nil {
			return Estimated{}, classify(err)
		}
		out.WhyNot = "no card is on file"
		if ok {
			out.CardAt = card.Platform
			out.Card, out.WhyNot = card.Consent.Covers(in.Key.Charge, ask, a.now())
		}
	}
	return out, nil
}
