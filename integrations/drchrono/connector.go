package drchrono

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// Connector serves one practice. It is safe for concurrent use.
type Connector struct {
	cfg  Config
	http *transport.Client
	now  func() time.Time
	wait func(ctx context.Context, d time.Duration) error
}

var (
	_ integrations.ChargeSource      = (*Connector)(nil)
	_ integrations.CoverageSource    = (*Connector)(nil)
	_ integrations.EligibilityReader = (*Connector)(nil)
	_ integrations.PaymentPoster     = (*Connector)(nil)
	_ integrations.WebhookSource     = (*Connector)(nil)
	_ integrations.EventPoller       = (*Connector)(nil)
	_ integrations.Tester            = (*Connector)(nil)
)

// New makes a connector from a practice's settings.
func New(s integrations.Settings) (*Connector, error) {
	var cfg Config
	if err := s.Decode(&cfg); err != nil {
		return nil, err
	}
	if err := cfg.defaults(); err != nil {
		return nil, fmt.Errorf("drchrono of practice %s: %w", s.Practice, err)
	}
	if s.Tokens == nil {
		return nil, fmt.Errorf("drchrono of practice %s needs a token store: its refresh token rotates", s.Practice)
	}
	limits := []transport.Limit{
		{N: cfg.LimitPerSecond, Per: time.Second, Burst: max(cfg.LimitPerSecond/4, 1)}, // no second may see 10
		{N: cfg.LimitPerHour, Per: time.Hour, Burst: cfg.LimitPerHour},
	}
	base := transport.Options{Platform: Platform, BaseURL: cfg.BaseURL, RoundTripper: s.RoundTripper, Timeout: cfg.Timeout, Classify: classify(s.Clock())}
	auth, err := transport.New(base)
	if err != nil {
		return nil, err
	}
	bearer := transport.RefreshTokens(transport.TokenCall{Client: auth, Path: "/o/token/", ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret},
		s.Tokens, s.Practice, Platform, cfg.RefreshToken)
	base.Limits, base.Authorize, base.Reauthorize = limits, bearer.Authorize, bearer.Reauthorize
	base.Success = func(status int) bool { return status >= 200 && status < 300 || status == http.StatusFound }
	client, err := transport.New(base)
	if err != nil {
		return nil, err
	}
	return &Connector{cfg: cfg, http: client, now: s.Clock(), wait: sleep}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Charge implements integrations.ChargeSource by a line item.
func (c *Connector) Charge(ctx context.Context, charge copay.ChargeID) (integrations.Charge, error) {
	var l lineItem
	err := get(ctx, c.http, "line_items.read", "/api/line_items/"+url.PathEscape(string(charge)), nil, &l)
	if integrations.KindOf(err) == integrations.KindNotFound && err != nil {
		return c.deleted(ctx, charge, err)
	}
	if err != nil {
		return integrations.Charge{}, err
	}
	return c.charge(ctx, l)
}

// deleted tells a deleted line item from one that never existed.
func (c *Connector) deleted(ctx context.Context, charge copay.ChargeID, missing error) (integrations.Charge, error) {
	since := c.now().AddDate(0, 0, -90).Format(time.DateOnly)
	gone, err := list[deletion](ctx, c.http, "line_item_deletions.list", "/api/line_item_deletions", url.Values{"since": {since}})
	if err != nil {
		return integrations.Charge{}, err
	}
	for _, d := range gone {
		if string(d.LineItem) == string(charge) {
			return integrations.Charge{ID: charge, Deleted: true}, nil
		}
	}
	return integrations.Charge{}, missing
}

func (c *Connector) charge(ctx context.Context, l lineItem) (integrations.Charge, error) {
	var a appointment
	if l.Appointment != "" {
		if err := get(ctx, c.http, "appointments.read", "/api/appointments/"+url.PathEscape(string(l.Appointment)), nil, &a); err != nil {
			return integrations.Charge{}, err
		}
	}
	doc := doctor{ID: l.Doctor}
	if doc.ID == "" {
		doc.ID = a.Doctor
	}
	if doc.ID != "" {
		if err := get(ctx, c.http, "doctors.read", "/api/doctors/"+url.PathEscape(string(doc.ID)), nil, &doc); err != nil {
			return integrations.Charge{}, err
		}
	}
	facts, err := l.facts(a, doc)
	if err != nil {
		return integrations.Charge{}, err
	}
	pat := l.Patient
	if pat == "" {
		pat = a.Patient
	}
	return integrations.Charge{ID: copay.ChargeID(l.ID), Appointment: copay.AppointmentID(l.Appointment), Patient: copay.PatientRef(pat),
		Provider: string(doc.ID), Facts: facts, Procedure: l.Code, UpdatedAt: naive(l.UpdatedAt), TimeZone: doc.Timezone, Deleted: a.Deleted}, nil
}

// ChargesSince implements integrations.ChargeSource. The cursor is the
// address of the next page.
func (c *Connector) ChargesSince(ctx context.Context, since time.Time, cursor string) (integrations.ChargePage, error) {
	path, q := "/api/line_items", url.Values{"since": {since.UTC().Format("2006-01-02T15:04:05")}, "page_size": {"100"}}
	if cursor != "" {
		path, q = cursor, nil
	}
	var p page[lineItem]
	if err := get(ctx, c.http, "line_items.list", path, q, &p); err != nil {
		return integrations.ChargePage{}, err
	}
	var out integrations.ChargePage
	for _, l := range p.items() {
		ch, err := c.charge(ctx, l)
		if err != nil {
			return out, err
		}
		out.Charges = append(out.Charges, ch)
	}
	if p.Next != nil {
		out.Next = *p.Next
	}
	return out, nil
}

// Patient implements integrations.CoverageSource.
func (c *Connector) Patient(ctx context.Context, ref copay.PatientRef, _ copay.AppointmentID) (integrations.Patient, error) {
	var p patient
	if err := get(ctx, c.http, "patients.read", "/api/patients/"+url.PathEscape(string(ref)), nil, &p); err != nil {
		return integrations.Patient{}, err
	}
	return p.person()
}

// LastCheck implements integrations.EligibilityReader: DrChrono runs checks by
// itself, the API only reads them.
func (c *Connector) LastCheck(ctx context.Context, r integrations.EligibilityRequest) (copay.Benefits, error) {
	if r.Appointment == "" {
		return copay.Benefits{}, integrations.NotFound(Platform, "eligibility_checks.list")
	}
	checks, err := list[eligibilityCheck](ctx, c.http, "eligibility_checks.list", "/api/eligibility_checks", url.Values{"appointment": {string(r.Appointment)}})
	if err != nil {
		return copay.Benefits{}, err
	}
	if len(checks) == 0 {
		return copay.Benefits{}, integrations.NotFound(Platform, "eligibility_checks.list")
	}
	return benefits(checks, c.now()), nil
}

// Post implements integrations.PaymentPoster. DrChrono has no idempotency key,
// so our reference, kept as trace number, is looked for before every write.
func (c *Connector) Post(ctx context.Context, p integrations.Posting) (integrations.Posted, error) {
	return c.write(ctx, integrations.PostingQuery{Ref: p.Ref, Patient: p.Patient, Since: p.Since}, newPayment{
		Patient: json.Number(p.Patient), Appointment: json.Number(p.Appointment), LineItem: json.Number(p.Charge), Doctor: json.Number(p.Provider),
		Amount: json.Number(p.Amount.Decimal()), Method: method(p.Rail), Type: "COPAY", Received: string(p.Received), Trace: p.Ref.Max(40), Notes: p.Note})
}

// Reverse implements integrations.PaymentPoster: payments cannot be deleted or
// changed, so a second one with the amount turned round takes it back.
func (c *Connector) Reverse(ctx context.Context, r integrations.Reversal) (integrations.Posted, error) {
	kind := "COR" // posted in error
	if r.Refund {
		kind = "REF"
	}
	return c.write(ctx, integrations.PostingQuery{Ref: r.Ref, Patient: r.Of.Patient, Since: r.Since}, newPayment{
		Patient: json.Number(r.Of.Patient), Appointment: json.Number(r.Of.Appointment), LineItem: json.Number(r.Of.Charge), Doctor: json.Number(r.Of.Provider),
		Amount: json.Number(r.Amount.Neg().Decimal()), Method: method(r.Of.Rail), Type: kind, Received: string(copay.DateOf(c.now())), Trace: r.Ref.Max(40),
		Notes: "reversal of payment " + r.PostedID})
}

func (c *Connector) write(ctx context.Context, q integrations.PostingQuery, body newPayment) (integrations.Posted, error) {
	if p, err := c.FindPosting(ctx, q); err == nil {
		return p, nil
	} else if integrations.KindOf(err) != integrations.KindNotFound {
		return integrations.Posted{}, err
	}
	var made patientPayment
	_, err := c.http.Do(ctx, transport.Request{Op: "patient_payments.create", Method: http.MethodPost, Path: "/api/patient_payments", JSON: body, Moves: true}, &made)
	if err == nil {
		return c.readBack(made, q.Ref, body)
	}
	if integrations.KindOf(err) != integrations.KindUnknown {
		return integrations.Posted{}, err
	}
	// Lists lag: only after a while does "not there" mean that it was not made.
	if werr := c.wait(ctx, c.cfg.SettleDelay); werr != nil {
		return integrations.Posted{}, err
	}
	if p, ferr := c.FindPosting(ctx, q); ferr == nil {
		return p, nil
	}
	return integrations.Posted{}, err
}

// readBack checks that the payment stands at its charge and not unapplied.
func (c *Connector) readBack(made patientPayment, ref copay.Ref, body newPayment) (integrations.Posted, error) {
	p, err := posted(made, ref)
	if err != nil {
		return integrations.Posted{}, err
	}
	if body.LineItem != "" && string(made.LineItem) != string(body.LineItem) {
		return integrations.Posted{}, &integrations.Error{Kind: integrations.KindInvalid, Platform: Platform, Op: "patient_payments.create",
			Message: fmt.Sprintf("payment %s was posted but is not allocated to its charge; allocate it in DrChrono", p.ID)}
	}
	return p, nil
}

// FindPosting implements integrations.PaymentPoster. There is no filter on
// the trace number, so the patient's payments since the first attempt are read.
func (c *Connector) FindPosting(ctx context.Context, q integrations.PostingQuery) (integrations.Posted, error) {
	v := url.Values{"patient": {string(q.Patient)}}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.AddDate(0, 0, -2).UTC().Format(time.DateOnly)) // dates are the office's
	}
	all, err := list[patientPayment](ctx, c.http, "patient_payments.list", "/api/patient_payments", v)
	if err != nil {
		return integrations.Posted{}, err
	}
	for _, p := range all {
		if p.Trace == q.Ref.Max(40) {
			return posted(p, q.Ref)
		}
	}
	return integrations.Posted{}, integrations.NotFound(Platform, "patient_payments.list")
}

func posted(p patientPayment, ref copay.Ref) (integrations.Posted, error) {
	m, _, err := money(p.Amount)
	if err != nil || p.ID == "" {
		return integrations.Posted{}, &integrations.Error{Kind: integrations.KindUnknown, Platform: Platform, Op: "patient_payments.read", Message: "the payment cannot be read"}
	}
	return integrations.Posted{ID: string(p.ID), Ref: ref, Amount: m, At: naive(p.CreatedAt)}, nil
}

// TestConnection implements integrations.Tester.
func (c *Connector) TestConnection(ctx context.Context) (string, error) {
	var u struct {
		Doctor        id `json:"doctor"`
		PracticeGroup id `json:"practice_group"`
	}
	if err := get(ctx, c.http, "users.current", "/api/users/current", nil, &u); err != nil {
		return "", err
	}
	return "signed in to practice group " + string(u.PracticeGroup), nil
}
