package availity

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
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

	mu       sync.Mutex
	required map[string]requirement // by payer
}

type requirement struct {
	fields []string
	at     time.Time
}

var (
	_ integrations.EligibilityChecker = (*Connector)(nil)
	_ integrations.Tester             = (*Connector)(nil)
)

// New makes a connector from a practice's settings.
func New(s integrations.Settings) (*Connector, error) {
	var cfg Config
	if err := s.Decode(&cfg); err != nil {
		return nil, err
	}
	if err := cfg.defaults(); err != nil {
		return nil, fmt.Errorf("availity of practice %s: %w", s.Practice, err)
	}
	o := transport.Options{Platform: Platform, BaseURL: cfg.BaseURL, RoundTripper: s.RoundTripper, Timeout: cfg.Timeout, Classify: classify}
	auth, err := transport.New(o)
	if err != nil {
		return nil, err
	}
	bearer := transport.ClientCredentials(transport.TokenCall{Client: auth, Path: "/v1/token", ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret},
		url.Values{"scope": {cfg.scope()}})
	o.Authorize, o.Reauthorize = bearer.Authorize, bearer.Reauthorize
	o.Limits = []transport.Limit{{N: cfg.PerSecond, Per: time.Second, Burst: cfg.PerSecond}}
	client, err := transport.New(o)
	if err != nil {
		return nil, err
	}
	return &Connector{cfg: cfg, http: client, now: s.Clock(), required: map[string]requirement{}}, nil
}

// do calls and, for the demo plan, makes sure that no live payer answered.
func (c *Connector) do(ctx context.Context, r transport.Request, into any) error {
	res, err := c.http.Do(ctx, r, into)
	if err != nil {
		return err
	}
	if c.cfg.Demo && res.Header.Get("X-Api-Mock-Response") != "true" {
		return &integrations.Error{Kind: integrations.KindUnauthorized, Platform: Platform, Op: r.Op, Status: res.Status,
			Message: "the demo plan was asked for but the answer is not a mock; the application talks to live payers"}
	}
	return nil
}

// Check implements integrations.EligibilityChecker. The same request within
// the life of the record gives the existing one.
func (c *Connector) Check(ctx context.Context, r integrations.EligibilityRequest) (integrations.EligibilityResult, error) {
	payer := r.Insurance.PayerID
	if mapped, ok := c.cfg.Payers[payer]; ok {
		payer = mapped
	}
	form := c.form(payer, r)
	need, err := c.requires(ctx, payer)
	if err != nil {
		return integrations.EligibilityResult{}, err
	}
	var missing []string
	for _, f := range need {
		if form.Get(f) == "" {
			missing = append(missing, f)
		}
	}
	if len(missing) > 0 {
		return integrations.EligibilityResult{Benefits: copay.Benefits{Status: copay.CoverageUnknown, Source: string(Platform), CheckedAt: c.now(),
			Problem: "the payer requires " + strings.Join(missing, ", ") + "; complete it in the EHR"}}, nil
	}
	var cov coverage
	if err := c.do(ctx, transport.Request{Op: "coverages.create", Method: http.MethodPost, Path: "/v1/coverages", Form: form}, &cov); err != nil {
		return integrations.EligibilityResult{}, err
	}
	return c.read(cov)
}

// form holds what is known; one service type a request is safest, since payers
// answer several with the general plan.
func (c *Connector) form(payer string, r integrations.EligibilityRequest) url.Values {
	f := url.Values{}
	set := func(k, v string) {
		if v != "" {
			f.Set(k, v)
		}
	}
	npi := c.cfg.ProviderNPI
	if npi == "" {
		npi = r.ProviderNPI
	}
	set("payerId", payer)
	set("providerNpi", npi)
	set("providerLastName", c.cfg.ProviderLastName)
	set("providerFirstName", c.cfg.ProviderFirstName)
	set("submitterId", c.cfg.SubmitterID)
	set("asOfDate", string(r.On))
	set("serviceType", string(r.Service))
	set("memberId", r.Insurance.MemberID)
	set("groupNumber", r.Insurance.Group)
	set("patientLastName", r.Patient.LastName)
	set("patientFirstName", r.Patient.FirstName)
	set("patientBirthDate", string(r.Patient.BirthDate))
	set("patientGender", r.Patient.Gender)
	set("patientState", r.Patient.State)
	set("subscriberRelationship", r.Insurance.Relationship)
	return f
}

// requirementsLife is how long a payer's requirements are believed.
const requirementsLife = 24 * time.Hour

// requires lists the fields that a payer wants in a 270. A payer without a
// published configuration requires nothing that we know of.
func (c *Connector) requires(ctx context.Context, payer string) ([]string, error) {
	c.mu.Lock()
	have, ok := c.required[payer]
	c.mu.Unlock()
	if ok && c.now().Sub(have.at) < requirementsLife {
		return have.fields, nil
	}
	var list configurations
	err := c.do(ctx, transport.Request{Op: "configurations.list", Method: http.MethodGet, Path: "/v1/configurations", Query: url.Values{"type": {"270"}, "payerId": {payer}}}, &list)
	if err != nil && integrations.KindOf(err) != integrations.KindNotFound {
		return nil, err
	}
	got := requirement{at: c.now()}
	for _, x := range list.Configurations {
		for name, e := range x.Elements {
			if e.Required {
				got.fields = append(got.fields, name)
			}
		}
	}
	c.mu.Lock()
	c.required[payer] = got
	c.mu.Unlock()
	return got.fields, nil
}

// Poll implements integrations.EligibilityChecker.
func (c *Connector) Poll(ctx context.Context, handle string) (integrations.EligibilityResult, error) {
	var cov coverage
	if err := c.do(ctx, transport.Request{Op: "coverages.read", Method: http.MethodGet, Path: "/v1/coverages/" + url.PathEscape(handle)}, &cov); err != nil {
		return integrations.EligibilityResult{}, err
	}
	return c.read(cov)
}

func (c *Connector) read(cov coverage) (integrations.EligibilityResult, error) {
	switch outcomes[cov.StatusCode] {
	case complete:
		return integrations.EligibilityResult{Handle: cov.ID, Benefits: cov.benefits(c.now())}, nil
	case rejected:
		return integrations.EligibilityResult{Handle: cov.ID, Benefits: copay.Benefits{Status: copay.CoverageUnknown, Source: string(Platform),
			TraceID: cov.ControlNumber, CheckedAt: c.now(), Problem: cov.problem()}}, nil
	case unreachable:
		return integrations.EligibilityResult{}, &integrations.Error{Kind: integrations.KindUnavailable, Platform: Platform, Op: "coverages.read", Code: cov.StatusCode,
			Message: "the payer did not answer", RequestID: cov.ControlNumber}
	}
	if cov.ID == "" {
		return integrations.EligibilityResult{}, &integrations.Error{Kind: integrations.KindUnavailable, Platform: Platform, Op: "coverages.read", Message: "the answer names no coverage"}
	}
	return integrations.EligibilityResult{Pending: true, Handle: cov.ID, RetryAfter: 500 * time.Millisecond}, nil
}

// TestConnection implements integrations.Tester.
func (c *Connector) TestConnection(ctx context.Context) (string, error) {
	if err := c.do(ctx, transport.Request{Op: "configurations.list", Method: http.MethodGet, Path: "/v1/configurations", Query: url.Values{"type": {"270"}, "limit": {"1"}}}, nil); err != nil {
		return "", err
	}
	if c.cfg.Demo {
		return "subscribed, demo plan", nil
	}
	return "subscribed, live payers", nil
}
