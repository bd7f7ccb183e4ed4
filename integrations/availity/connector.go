package availity

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

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

var (
	_ integrations.EligibilityChecker = (*Connector)(nil)
	_ integrations.Tester             = (*Connector)(nil)
)

// maxBody is the most that is read of an answer; the payer list is the largest.
const maxBody = 8 << 20

// New makes a connector from a practice's settings.
func New(s integrations.Settings) (*Connector, error) {
	var cfg Config
	if err := s.Decode(&cfg); err != nil {
		return nil, err
	}
	if err := cfg.defaults(); err != nil {
		return nil, fmt.Errorf("availity of practice %s: %w", s.Practice, err)
	}
	o := transport.Options{Platform: Platform, BaseURL: cfg.BaseURL, RoundTripper: s.RoundTripper, Timeout: cfg.Timeout, Classify: classify, MaxBody: maxBody}
	o.Classify = classifyToken
	auth, err := transport.New(o)
	if err != nil {
		return nil, err
	}
	bearer := transport.ClientCredentials(transport.TokenCall{Client: auth, Path: "/v1/token", ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret},
		url.Values{"scope": {cfg.scope()}})
	o.Classify = classify
	o.Authorize, o.Reauthorize = bearer.Authorize, bearer.Reauthorize
	// The platform names no burst, so calls are spread evenly over the second.
	o.Limits = []transport.Limit{{N: cfg.PerSecond, Per: time.Second, Burst: max(cfg.PerSecond/20, 1)}, {N: cfg.PerDay, Per: 24 * time.Hour, Burst: cfg.PerDay}}
	client, err := transport.New(o)
	if err != nil {
		return nil, err
	}
	return &Connector{cfg: cfg, http: client, now: s.Clock(), required: map[string]requirement{}}, nil
}

// do calls and makes sure that the plan answered that was asked for: the answer
// is not even read otherwise.
func (c *Connector) do(ctx context.Context, r transport.Request, into any) error {
	if c.cfg.Scenario != "" {
		r.Header = http.Header{"X-Api-Mock-Scenario-Id": {c.cfg.Scenario}}
	}
	res, err := c.http.Do(ctx, r, nil)
	if err != nil {
		return err
	}
	if why := c.wrongPlan(res.Header); why != "" {
		return &integrations.Error{Kind: integrations.KindUnauthorized, Platform: Platform, Op: r.Op, Status: res.Status, Message: why}
	}
	return decode(r.Op, res, into)
}

// wrongPlan says what is wrong with an answer of the other plan: live payers
// must not be asked about people who are made up, and nobody must be billed by
// an answer that is.
func (c *Connector) wrongPlan(h http.Header) string {
	mock := strings.EqualFold(h.Get("X-Api-Mock-Response"), "true")
	switch {
	case c.cfg.Demo && !mock:
		return "the demo plan was asked for but the answer is not a mock: the application talks to live payers; check its scope"
	case !c.cfg.Demo && mock:
		return "live payers were asked but the answer is a mock: the application is on the demo plan; check its subscription"
	}
	return ""
}

// Check implements integrations.EligibilityChecker. The same request within
// the life of its record gives the existing one, so that repeating a check
// whose answer was lost does not ask the payer twice.
func (c *Connector) Check(ctx context.Context, r integrations.EligibilityRequest) (integrations.EligibilityResult, error) {
	if r.Insurance.PayerID == "" {
		return c.unusable("", "", lacking([]string{"payerId"})), nil
	}
	form := c.cfg.form(r)
	need, err := c.requires(ctx, form.Get("payerId"))
	if err != nil {
		return integrations.EligibilityResult{}, err
	}
	if gaps := need.missing(form); len(gaps) > 0 {
		return c.unusable("", "", lacking(gaps)), nil
	}
	sum, err := c.ask(ctx, need.trim(form))
	if err != nil {
		return integrations.EligibilityResult{}, err
	}
	res, err := c.first(ctx, sum)
	if sum.failed() {
		c.forget(ctx, sum.ID)
	}
	return res, err
}

// staleAfter is from when on a failed record is an old one, of a check that is over.
const staleAfter = 30 * time.Second

// ask requests a coverage. The record of an earlier request that failed would
// give the same failure for as long as it lives, although the payer may be
// back or the EHR corrected meanwhile: it is deleted and the payer asked anew.
func (c *Connector) ask(ctx context.Context, form url.Values) (coverage, error) {
	post := func() (sum coverage, err error) {
		err = c.do(ctx, transport.Request{Op: "coverages.create", Method: http.MethodPost, Path: "/v1/coverages", Form: form}, &sum)
		return sum, err
	}
	sum, err := post()
	if made := moment(sum.CreatedDate); err == nil && sum.failed() && !made.IsZero() && c.now().Sub(made) > staleAfter {
		c.forget(ctx, sum.ID)
		return post()
	}
	return sum, err
}

// first reads the answer to a request. It is a summary, which names plans but
// not their benefits, nor why it was refused: those are in the record.
func (c *Connector) first(ctx context.Context, sum coverage) (integrations.EligibilityResult, error) {
	switch outcomes[sum.StatusCode] {
	case complete, rejected:
		if sum.ID != "" {
			return c.Poll(ctx, sum.ID)
		}
	}
	return c.read(sum)
}

// Poll implements integrations.EligibilityChecker. It leaves the record where
// it is, also a failed one: an attempt on another worker may poll it again.
func (c *Connector) Poll(ctx context.Context, handle string) (integrations.EligibilityResult, error) {
	var cov coverage
	if err := c.do(ctx, transport.Request{Op: "coverages.read", Method: http.MethodGet, Path: "/v1/coverages/" + url.PathEscape(handle)}, &cov); err != nil {
		return integrations.EligibilityResult{}, err
	}
	if cov.ID == "" {
		cov.ID = handle
	}
	return c.read(cov)
}

func (c *Connector) read(cov coverage) (integrations.EligibilityResult, error) {
	if cov.ID == "" {
		return integrations.EligibilityResult{}, &integrations.Error{Kind: integrations.KindUnavailable, Platform: Platform, Op: "coverages.create",
			Message: "the answer names no coverage"}
	}
	switch outcomes[cov.StatusCode] {
	case complete:
		return integrations.EligibilityResult{Handle: cov.ID, Benefits: cov.benefits(c.cfg.PlaceOfService, c.now())}, nil
	case rejected, garbled:
		return c.unusable(cov.ID, cov.ControlNumber, cov.problem()), nil
	case unreachable:
		return integrations.EligibilityResult{}, &integrations.Error{Kind: integrations.KindUnavailable, Platform: Platform, Op: "coverages.read",
			Code: cov.StatusCode, Message: whyUnreachable[cov.StatusCode]}
	}
	return integrations.EligibilityResult{Pending: true, Handle: cov.ID, RetryAfter: c.pause(cov)}, nil
}

// forget deletes a record that failed, so that the next check asks anew.
// Should the deletion fail, nothing is lost but time.
func (c *Connector) forget(ctx context.Context, id string) {
	_, _ = c.http.Do(ctx, transport.Request{Op: "coverages.delete", Method: http.MethodDelete, Path: "/v1/coverages/" + url.PathEscape(id)}, nil)
}

// How long to wait between polls: as long as the check has taken so far, so
// that the gaps double, with some jitter.
const (
	firstPause = 500 * time.Millisecond
	retryPause = 2 * time.Second // Availity itself is trying the payer again
	longPause  = 8 * time.Second
)

func (c *Connector) pause(cov coverage) time.Duration {
	least := firstPause
	switch {
	case outcomes[cov.StatusCode] == unheard:
		least = longPause
	case cov.StatusCode == "R1":
		least = retryPause
	}
	var took time.Duration
	if made := moment(cov.CreatedDate); !made.IsZero() {
		took = c.now().Sub(made)
	}
	d := min(max(took, least), longPause)
	return d + rand.N(d/5)
}

// TestConnection implements integrations.Tester: the token, the subscription,
// and whether every payer of the configuration can be asked.
func (c *Connector) TestConnection(ctx context.Context) (string, error) {
	if err := c.do(ctx, transport.Request{Op: "configurations.list", Method: http.MethodGet, Path: "/v1/configurations", Query: url.Values{"type": {"270"}}}, nil); err != nil {
		return "", err
	}
	say := "subscribed, live payers"
	if c.cfg.Demo {
		say = "subscribed, demo plan"
	}
	if len(c.cfg.Payers) == 0 {
		return say, nil
	}
	var list []payerEntry
	err := c.do(ctx, transport.Request{Op: "payers.list", Method: http.MethodGet, Path: "/v1/availity-payer-list",
		Query: url.Values{"transactionType": {"270"}, "submissionMode": {"API"}}}, &list)
	if err != nil {
		return say + "; the payer list cannot be read, so the configured payers were not checked", nil //nolint:nilerr // checks themselves work without it
	}
	return say + "; " + c.listed(list), nil
}

// listed compares the configured payers with the payer list.
func (c *Connector) listed(list []payerEntry) string {
	var wanted, absent []string
	for _, id := range c.cfg.Payers {
		if !slices.Contains(wanted, id) {
			wanted = append(wanted, id)
		}
	}
	for _, id := range wanted {
		if !slices.ContainsFunc(list, func(p payerEntry) bool { return p.PayerID == id }) {
			absent = append(absent, id)
		}
	}
	if len(absent) == 0 {
		return fmt.Sprintf("all %d configured payers can be asked", len(wanted))
	}
	slices.Sort(absent)
	return fmt.Sprintf("%d of %d configured payers cannot be asked: %s", len(absent), len(wanted), strings.Join(absent, ", "))
}
