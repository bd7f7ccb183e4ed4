package drchrono

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// Connector serves one practice. It is safe for concurrent use.
type Connector struct {
	cfg     Config
	api     *client
	now     func() time.Time // business time
	consent transport.TokenCall
	clock   func() time.Time // for what has elapsed
	wait    func(ctx context.Context, d time.Duration) error
	staff   roster
	writes  attempts
	seen    visits
	heard   heard
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
	hour := &hourly{max: cfg.LimitPerHour, now: time.Now}
	base := transport.Options{Platform: Platform, BaseURL: cfg.BaseURL, RoundTripper: s.RoundTripper, Timeout: cfg.Timeout, Classify: classify(hour)}
	auth, err := transport.New(base)
	if err != nil {
		return nil, err
	}
	consent := transport.TokenCall{Client: auth, Path: "/o/token/", ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret}
	bearer := transport.RefreshTokens(consent, s.Tokens, s.Practice, Platform, cfg.RefreshToken)
	base.Limits, base.Authorize, base.Reauthorize = perSecond(cfg.LimitPerSecond), bearer.Authorize, bearer.Reauthorize
	base.Success = success
	calls, err := transport.New(base)
	if err != nil {
		return nil, err
	}
	root, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("drchrono of practice %s: base_url must be an http(s) address", s.Practice)
	}
	return &Connector{cfg: cfg, consent: consent, now: s.Clock(), clock: time.Now, wait: sleep,
		api: &client{http: calls, base: root, hour: hour}}, nil
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
	// The platform reads 0777 as 777. Under two names one charge would be two
	// co-pays, and be asked for twice.
	if string(l.ID) != string(charge) {
		return integrations.Charge{}, integrations.NotFound(Platform, "line_items.read")
	}
	return c.charge(ctx, l)
}

// deleted tells a deleted line item from one that never existed.
func (c *Connector) deleted(ctx context.Context, charge copay.ChargeID, missing error) (integrations.Charge, error) {
	since := c.now().AddDate(0, 0, -90).Format(time.DateOnly)
	gone, err := list[deletion](ctx, c.api, "line_item_deletions.list", "/api/line_item_deletions", url.Values{"since": {since}})
	if err != nil {
		return integrations.Charge{}, err
	}
	for _, d := range gone {
		if string(d.LineItem) == string(charge) {
			return integrations.Charge{ID: charge, Appointment: copay.AppointmentID(d.Appointment), Deleted: true}, nil
		}
	}
	return integrations.Charge{}, missing
}

func (c *Connector) charge(ctx context.Context, l lineItem) (integrations.Charge, error) {
	a, err := c.visit(ctx, l.Appointment)
	if err != nil {
		return integrations.Charge{}, err
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
	loc, zone := doc.zone()
	return integrations.Charge{ID: copay.ChargeID(l.ID), Appointment: copay.AppointmentID(l.Appointment), Patient: copay.PatientRef(pat),
		Provider: string(by), Facts: facts, Procedure: l.Code, UpdatedAt: naive(l.UpdatedAt, loc), TimeZone: zone, Deleted: a.Deleted}, nil
}

// ChargesSince implements integrations.ChargeSource. The cursor is the
// address of the next page.
func (c *Connector) ChargesSince(ctx context.Context, since time.Time, cursor string) (integrations.ChargePage, error) {
	path := "/api/line_items"
	var q url.Values
	if cursor != "" {
		to, ok := c.api.within(cursor)
		if !ok {
			return integrations.ChargePage{}, fail(integrations.KindInvalid, "line_items.list", "the cursor is not one of ours")
		}
		path = to
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
	out := integrations.ChargePage{Next: p.next()}
	for _, l := range p.items() {
		doc, err := c.doctor(ctx, l.Doctor)
		if err != nil {
			return integrations.ChargePage{}, err
		}
		// The platform was asked by the clock farthest west: what is older than
		// asked for is left out before its visit costs a call.
		loc, _ := doc.zone()
		if at := naive(l.UpdatedAt, loc); !at.IsZero() && at.Before(since.Truncate(time.Second)) {
			continue
		}
		ch, err := c.charge(ctx, l)
		if err != nil {
			return integrations.ChargePage{}, err
		}
		out.Charges = append(out.Charges, ch)
	}
	slices.SortStableFunc(out.Charges, func(a, b integrations.Charge) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
	return out, nil
}

// Patient implements integrations.CoverageSource. Who pays is the visit's: the
// payment profile of the appointment, or the patient's where it has none.
func (c *Connector) Patient(ctx context.Context, ref copay.PatientRef, visit copay.AppointmentID) (integrations.Patient, error) {
	var p patient
	if err := c.api.get(ctx, "patients.read", "/api/patients/"+url.PathEscape(string(ref)), nil, &p); err != nil {
		return integrations.Patient{}, err
	}
	var err error
	if p.Profile, err = c.payment(ctx, visit, p.Profile); err != nil {
		return integrations.Patient{}, err
	}
	return p.person()
}

// LastCheck implements integrations.EligibilityReader: DrChrono runs checks by
// itself, the API only reads them.
func (c *Connector) LastCheck(ctx context.Context, r integrations.EligibilityRequest) (copay.Benefits, error) {
	if numeric(r.Appointment) == "" {
		return copay.Benefits{}, integrations.NotFound(Platform, "eligibility_checks.list")
	}
	checks, err := list[eligibilityCheck](ctx, c.api, "eligibility_checks.list", "/api/eligibility_checks", url.Values{"appointment": {string(r.Appointment)}, "page_size": {pageSize}})
	if err != nil {
		return copay.Benefits{}, err
	}
	if len(checks) == 0 {
		return copay.Benefits{}, integrations.NotFound(Platform, "eligibility_checks.list")
	}
	return benefits(checks, r.Service, c.now()), nil
}

// TestConnection implements integrations.Tester: it reads who is signed in, and asks
// whether the client's secret is good for the next token.
func (c *Connector) TestConnection(ctx context.Context) (string, error) {
	var u struct {
		Doctor        id `json:"doctor"`
		PracticeGroup id `json:"practice_group"`
	}
	if err := c.api.get(ctx, "users.current", "/api/users/current", nil, &u); err != nil {
		return "", err
	}
	if err := c.consent.Check(ctx); err != nil {
		return "", err
	}
	secrets := 1
	if c.cfg.WebhookSecret.IsZero() {
		secrets = 0
	}
	return "signed in to practice group " + string(u.PracticeGroup) + integrations.Deaf(secrets, "webhook_secret"), nil
}
