package drchrono

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// Connector serves one practice. It is safe for concurrent use.
type Connector struct {
	cfg    Config
	api    *client
	now    func() time.Time // business time
	clock  func() time.Time // for what has elapsed
	wait   func(ctx context.Context, d time.Duration) error
	staff  roster
	writes attempts
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
	base, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("drchrono of practice %s: base_url must be an http(s) address", s.Practice)
	}
	o := transport.Options{Platform: Platform, BaseURL: cfg.BaseURL, RoundTripper: s.RoundTripper, Timeout: cfg.Timeout,
		Classify: (&throttle{now: time.Now}).classify}
	auth, err := transport.New(o)
	if err != nil {
		return nil, err
	}
	bearer := transport.RefreshTokens(transport.TokenCall{Client: auth, Path: "/o/token/", ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret},
		s.Tokens, s.Practice, Platform, cfg.RefreshToken)
	o.Limits, o.Authorize, o.Reauthorize, o.Success = perSecond(cfg.LimitPerSecond), bearer.Authorize, bearer.Reauthorize, success
	calls, err := transport.New(o)
	if err != nil {
		return nil, err
	}
	return &Connector{cfg: cfg, now: s.Clock(), clock: time.Now, wait: sleep,
		api: &client{http: calls, base: base, hour: &hourly{max: cfg.LimitPerHour, now: time.Now}}}, nil
}

// perSecond lets no second see more than n calls: what may go at once and what
// trickles in after it add up to n.
func perSecond(n int) []transport.Limit {
	burst := max(n/4, 1)
	return []transport.Limit{{N: max(n-burst, 1), Per: time.Second, Burst: burst}}
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

func isNotFound(err error) bool {
	return err != nil && integrations.KindOf(err) == integrations.KindNotFound
}

// Charge implements integrations.ChargeSource by a line item.
func (c *Connector) Charge(ctx context.Context, charge copay.ChargeID) (integrations.Charge, error) {
	var l lineItem
	err := c.api.get(ctx, "line_items.read", "/api/line_items/"+url.PathEscape(string(charge)), nil, &l)
	if isNotFound(err) {
		return c.deleted(ctx, charge, err)
	}
	if err != nil {
		return integrations.Charge{}, err
	}
	a, err := c.visit(ctx, l.Appointment)
	if err != nil {
		return integrations.Charge{}, err
	}
	return c.charge(ctx, l, a)
}

// deletionsBack is how far back a line item that is missing is looked for
// among the deleted ones.
const deletionsBack = 90

// deleted tells a deleted line item from one that never existed.
func (c *Connector) deleted(ctx context.Context, charge copay.ChargeID, missing error) (integrations.Charge, error) {
	since := c.now().AddDate(0, 0, -deletionsBack).UTC().Format(time.DateOnly)
	out, err := integrations.Charge{}, missing
	lerr := each(ctx, c.api, "line_item_deletions.list", "/api/line_item_deletions", url.Values{"since": {since}}, func(d deletion) bool {
		if string(d.LineItem) != string(charge) {
			return false
		}
		out, err = integrations.Charge{ID: charge, Appointment: copay.AppointmentID(d.Appointment), Deleted: true}, nil
		return true
	})
	if lerr != nil {
		return integrations.Charge{}, lerr
	}
	return out, err
}

// visit reads an appointment. One that cannot be seen any more does not take
// the charge with it: the line item itself says most of what is needed.
func (c *Connector) visit(ctx context.Context, appt id) (appointment, error) {
	var a appointment
	if appt == "" {
		return a, nil
	}
	err := c.api.get(ctx, "appointments.read", "/api/appointments/"+url.PathEscape(string(appt)), nil, &a)
	if isNotFound(err) {
		return appointment{}, nil
	}
	return a, err
}

func (c *Connector) charge(ctx context.Context, l lineItem, a appointment) (integrations.Charge, error) {
	if l.ID == "" {
		return integrations.Charge{}, fail(integrations.KindUnavailable, "line_items.read", "the answer is not a line item")
	}
	by, pat := l.Doctor, l.Patient
	if by == "" {
		by = a.Doctor
	}
	if pat == "" {
		pat = a.Patient
	}
	doc, err := c.doctor(ctx, by)
	if err != nil {
		return integrations.Charge{}, err
	}
	facts, err := l.facts(a, doc)
	if err != nil {
		return integrations.Charge{}, err
	}
	return integrations.Charge{ID: copay.ChargeID(l.ID), Appointment: copay.AppointmentID(l.Appointment), Patient: copay.PatientRef(pat),
		Provider: string(by), Facts: facts, Procedure: l.Code, UpdatedAt: naive(l.UpdatedAt, doc.zone()), TimeZone: doc.zoneName(), Deleted: a.Deleted}, nil
}

// ChargesSince implements integrations.ChargeSource. The cursor is the
// address of the next page.
func (c *Connector) ChargesSince(ctx context.Context, since time.Time, cursor string) (integrations.ChargePage, error) {
	path, q := "/api/line_items", url.Values{}
	if cursor != "" {
		to, ok := c.api.within(cursor)
		if !ok {
			return integrations.ChargePage{}, fail(integrations.KindInvalid, "line_items.list", "the cursor is not one of ours")
		}
		path, q = to, nil
	} else {
		from, err := c.wallClock(ctx, since)
		if err != nil {
			return integrations.ChargePage{}, err
		}
		q = url.Values{"since": {from}, "page_size": {pageSize}}
	}
	var p page[lineItem]
	if err := c.api.get(ctx, "line_items.list", path, q, &p); err != nil {
		return integrations.ChargePage{}, err
	}
	visits, err := c.visits(ctx, p.items())
	if err != nil {
		return integrations.ChargePage{}, err
	}
	out := integrations.ChargePage{Next: p.next()}
	for _, l := range p.items() {
		ch, err := c.charge(ctx, l, visits[l.Appointment])
		if err != nil {
			return integrations.ChargePage{}, err
		}
		// The platform was asked in the time of the office farthest west.
		if ch.UpdatedAt.IsZero() || !ch.UpdatedAt.Before(since.Truncate(time.Second)) {
			out.Charges = append(out.Charges, ch)
		}
	}
	slices.SortStableFunc(out.Charges, func(a, b integrations.Charge) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
	return out, nil
}

// Patient implements integrations.CoverageSource.
func (c *Connector) Patient(ctx context.Context, ref copay.PatientRef, _ copay.AppointmentID) (integrations.Patient, error) {
	var p patient
	if err := c.api.get(ctx, "patients.read", "/api/patients/"+url.PathEscape(string(ref)), nil, &p); err != nil {
		return integrations.Patient{}, err
	}
	if string(p.ID) != string(ref) {
		return integrations.Patient{}, fail(integrations.KindUnavailable, "patients.read", "the answer is about somebody else")
	}
	return p.person(), nil
}

// LastCheck implements integrations.EligibilityReader: DrChrono runs checks by
// itself, the API only reads them.
func (c *Connector) LastCheck(ctx context.Context, r integrations.EligibilityRequest) (copay.Benefits, error) {
	const op = "eligibility_checks.list"
	q := url.Values{"page_size": {pageSize}}
	switch {
	case numeric(string(r.Appointment)) != "":
		q.Set("appointment", string(r.Appointment))
	case r.Patient.Ref != "" && r.On != "":
		q.Set("patient", string(r.Patient.Ref))
		q.Set("appointment_date", string(r.On))
	default:
		return copay.Benefits{}, integrations.NotFound(Platform, op)
	}
	checks, err := list[eligibilityCheck](ctx, c.api, op, "/api/eligibility_checks", q)
	if err != nil {
		return copay.Benefits{}, err
	}
	if len(checks) == 0 {
		return copay.Benefits{}, integrations.NotFound(Platform, op)
	}
	return benefits(checks, r.Service, c.now()), nil
}

// TestConnection implements integrations.Tester.
func (c *Connector) TestConnection(ctx context.Context) (string, error) {
	var u struct {
		Doctor        id `json:"doctor"`
		PracticeGroup id `json:"practice_group"`
	}
	// This address redirects to the user's own.
	if err := c.api.do(ctx, transport.Request{Op: "users.current", Method: http.MethodGet, Path: "/api/users/current"}, &u); err != nil {
		return "", err
	}
	return fmt.Sprintf("signed in to practice group %s as doctor %s's user", u.PracticeGroup, u.Doctor), nil
}
