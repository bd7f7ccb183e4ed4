package stripe

import (
	"context"
	"strings"
	"time"

	sdk "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/client"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

var (
	_ integrations.Collector       = (*Connector)(nil)
	_ integrations.StoredCollector = (*Connector)(nil)
	_ integrations.WebhookSource   = (*Connector)(nil)
	_ integrations.EventPoller     = (*Connector)(nil)
	_ integrations.Tester          = (*Connector)(nil)
)

// Connector serves one practice's Stripe account.
type Connector struct {
	practice copay.PracticeID
	cfg      Config
	now      func() time.Time
	sc       *client.API
}

// New makes a Connector from a practice's settings.
func New(s integrations.Settings) (*Connector, error) {
	var cfg Config
	if err := s.Decode(&cfg); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	hc, err := transport.New(transport.Options{
		Platform: Name, BaseURL: cfg.BaseURL, RoundTripper: s.RoundTripper, Timeout: cfg.Timeout,
		Limits: limits(cfg), Classify: classify,
	})
	if err != nil {
		return nil, err
	}
	return &Connector{practice: s.Practice, cfg: cfg, now: s.Clock(), sc: newSDK(cfg, hc)}, nil
}

// TestConnection reads the balance, which every key may do, and says in which
// mode the key works.
func (c *Connector) TestConnection(ctx context.Context) (string, error) {
	k := call{op: "balance.retrieve"}
	p := &sdk.BalanceParams{}
	c.with(ctx, &p.Params, k, "")
	b, err := c.sc.Balance.Get(p)
	if err != nil {
		return "", c.fail(k, err)
	}
	mode := "test mode"
	if b.Livemode {
		mode = "live mode"
		if c.cfg.RequireTestMode {
			return "", &integrations.Error{Kind: integrations.KindInvalid, Platform: Name, Op: k.op,
				Message: "the key works in live mode but require_test_mode is set"}
		}
	}
	if c.cfg.Account != "" {
		mode = "for account " + c.cfg.Account + " in " + mode
	} else {
		mode = "in " + mode
	}
	return "Stripe answered " + mode + integrations.Deaf(len(c.cfg.WebhookSecrets), "webhook_secrets"), nil
}

// RequestLink opens a Checkout Session of mode payment: a hosted page that
// can be paid once. The reference is idempotency key, client_reference_id and
// metadata of the session and of the payment intent behind it (a session's
// metadata is not copied to the intent by the platform).
func (c *Connector) RequestLink(ctx context.Context, r integrations.LinkRequest) (integrations.ProcessorPayment, error) {
	k := call{op: "checkout.sessions.create", moves: true}
	if err := checkAmount(k.op, r.Amount); err != nil {
		return integrations.ProcessorPayment{}, err
	}
	return c.once(k, r.Ref, r.Amount, r.Since,
		func(key string) (integrations.ProcessorPayment, error) {
			p := c.sessionParams(r)
			c.with(ctx, &p.Params, k, key)
			s, err := c.sc.CheckoutSessions.New(p)
			if err != nil {
				return integrations.ProcessorPayment{}, c.fail(k, err)
			}
			return c.fromSession(ctx, s)
		},
		func() (integrations.ProcessorPayment, error) {
			return c.FindPayment(ctx, integrations.PaymentQuery{Ref: r.Ref, CoPay: r.CoPay, Customer: r.Customer, Since: r.Since})
		})
}

func (c *Connector) sessionParams(r integrations.LinkRequest) *sdk.CheckoutSessionParams {
	meta := c.metadata(r.CoPay, r.Ref, r.Practice, railLink)
	p := &sdk.CheckoutSessionParams{
		Mode:               sdk.String(string(sdk.CheckoutSessionModePayment)),
		ClientReferenceID:  sdk.String(r.Ref.Max(200)),
		SuccessURL:         sdk.String(r.SuccessURL),
		PaymentMethodTypes: sdk.StringSlice(c.cfg.LinkMethods),
		LineItems: []*sdk.CheckoutSessionLineItemParams{{
			Quantity: sdk.Int64(1),
			PriceData: &sdk.CheckoutSessionLineItemPriceDataParams{
				Currency: sdk.String(wireCurrency(r.Amount)), UnitAmount: sdk.Int64(r.Amount.Minor),
				ProductData: &sdk.CheckoutSessionLineItemPriceDataProductDataParams{Name: sdk.String(describe(r.Description))},
			},
		}},
		Metadata:          meta,
		PaymentIntentData: &sdk.CheckoutSessionPaymentIntentDataParams{Metadata: meta},
		ExpiresAt:         sdk.Int64(c.expiry(r.ExpiresAt, r.Since).Unix()),
	}
	if r.CancelURL != "" {
		p.CancelURL = sdk.String(r.CancelURL)
	}
	if c.cfg.StatementSuffix != "" {
		p.PaymentIntentData.StatementDescriptorSuffix = sdk.String(c.cfg.StatementSuffix)
	}
	if r.Customer != "" {
		p.Customer = sdk.String(r.Customer)
	}
	if r.SaveMethod {
		p.PaymentIntentData.SetupFutureUsage = sdk.String(string(sdk.PaymentIntentSetupFutureUsageOffSession))
		if r.Customer == "" {
			p.CustomerCreation = sdk.String(string(sdk.CheckoutSessionCustomerCreationAlways))
		}
	}
	return p
}

// A hosted page stays open for 30 minutes to 24 hours
// (docs.stripe.com/api/checkout/sessions/create, expires_at); a minute on
// each side allows for clocks that differ.
const (
	minOpen = 31 * time.Minute
	maxOpen = 24*time.Hour - time.Minute
)

// expiry brings the wanted end into the platform's window. It counts from the
// first attempt, so that a repetition sends the same parameters under the
// same key, unless that has become too short meanwhile.
func (c *Connector) expiry(want, since time.Time) time.Time {
	now := c.now()
	base := since
	if base.IsZero() || base.After(now) {
		base = now
	}
	if latest := base.Add(maxOpen); want.IsZero() || want.After(latest) {
		want = latest
	}
	if earliest := base.Add(minOpen); want.Before(earliest) {
		want = earliest
	}
	if want.Before(now.Add(minOpen)) {
		want = now.Add(minOpen)
	}
	return want
}

// describe is what stands on the page when nothing was given.
func describe(s string) string {
	if s = strings.TrimSpace(s); s == "" {
		return "Co-pay"
	}
	return s
}

// once creates something under the key of our reference, and copes with what
// a key can answer besides the thing itself:
//   - other parameters than the first time (the clock moved the expiry): the
//     first attempt is looked for and returned;
//   - a server error kept and replayed for a day: nothing can be made under
//     this key any more. When the (immediately consistent) listing shows that
//     nothing was made and NewKeyAfter has passed, a second key is used.
func (c *Connector) once(k call, ref copay.Ref, amount copay.Money, since time.Time,
	create func(key string) (integrations.ProcessorPayment, error),
	find func() (integrations.ProcessorPayment, error),
) (integrations.ProcessorPayment, error) {
	key := ref.Max(200)
	out, err := create(key)
	e := integrations.AsError(err)
	if e == nil || (e.Code != codeIdempotency && e.Code != codeReplayed) {
		return out, err
	}
	found, ferr := find()
	if ferr == nil {
		if !found.Amount.Equal(amount) {
			return integrations.ProcessorPayment{}, &integrations.Error{Kind: integrations.KindInvalid, Platform: Name, Op: k.op,
				Status: e.Status, Code: codeIdempotency, Message: "the reference was used before for another amount"}
		}
		return found, nil
	}
	if integrations.KindOf(ferr) != integrations.KindNotFound || since.IsZero() {
		return integrations.ProcessorPayment{}, err
	}
	if wait := c.cfg.NewKeyAfter - c.now().Sub(since); wait > 0 {
		return integrations.ProcessorPayment{}, &integrations.Error{Kind: integrations.KindUnknown, Platform: Name, Op: k.op,
			Status: e.Status, Code: e.Code, RequestID: e.RequestID, RetryAfter: wait,
			Message: "the first attempt failed at the platform; it is looked for once more before another is made"}
	}
	return create(key + ".2")
}

// Payment reads a payment by the id of its Checkout Session, payment intent
// or invoice. A payment made through a hosted page is always returned under
// its session's id.
func (c *Connector) Payment(ctx context.Context, id string) (integrations.ProcessorPayment, error) {
	switch {
	case strings.HasPrefix(id, "cs_"):
		s, err := c.session(ctx, id)
		if err != nil {
			return integrations.ProcessorPayment{}, err
		}
		return c.fromSession(ctx, s)
	case strings.HasPrefix(id, "pi_"):
		pi, err := c.intent(ctx, id)
		if err != nil {
			return integrations.ProcessorPayment{}, err
		}
		return c.fromIntent(ctx, pi)
	case strings.HasPrefix(id, "in_"):
		inv, err := c.invoice(ctx, id)
		if err != nil {
			return integrations.ProcessorPayment{}, err
		}
		return c.fromInvoice(ctx, inv)
	}
	return integrations.ProcessorPayment{}, integrations.NotFound(Name, "payment.retrieve")
}

func (c *Connector) session(ctx context.Context, id string) (*sdk.CheckoutSession, error) {
	k := call{op: "checkout.sessions.retrieve"}
	p := &sdk.CheckoutSessionParams{}
	p.AddExpand("payment_intent.latest_charge")
	c.with(ctx, &p.Params, k, "")
	s, err := c.sc.CheckoutSessions.Get(id, p)
	return s, c.fail(k, err)
}

func (c *Connector) intent(ctx context.Context, id string) (*sdk.PaymentIntent, error) {
	k := call{op: "payment_intents.retrieve"}
	p := &sdk.PaymentIntentParams{}
	p.AddExpand("latest_charge")
	c.with(ctx, &p.Params, k, "")
	pi, err := c.sc.PaymentIntents.Get(id, p)
	return pi, c.fail(k, err)
}

func (c *Connector) invoice(ctx context.Context, id string) (*sdk.Invoice, error) {
	k := call{op: "invoices.retrieve"}
	p := &sdk.InvoiceParams{}
	p.AddExpand("payment_intent.latest_charge")
	c.with(ctx, &p.Params, k, "")
	inv, err := c.sc.Invoices.Get(id, p)
	return inv, c.fail(k, err)
}

// Cancel withdraws a request: it expires the hosted page, cancels the intent
// or voids the invoice. Withdrawing twice does no harm, and an answer stored
// under a key would hide what happened since, so no fixed key is used.
func (c *Connector) Cancel(ctx context.Context, id string, _ copay.Ref) (integrations.ProcessorPayment, error) {
	before, err := c.Payment(ctx, id)
	if err != nil || before.Status.Final() {
		return withdrawn(before), err
	}
	// The id may have been a page's intent, which only its page can cancel.
	refused := c.withdraw(ctx, before.PlatformID)
	if refused != nil && integrations.KindOf(refused) != integrations.KindInvalid {
		return integrations.ProcessorPayment{}, refused
	}
	// Refused or done: what the platform says now is the truth, because the
	// patient may have paid meanwhile.
	after, err := c.Payment(ctx, before.PlatformID)
	if err != nil {
		return integrations.ProcessorPayment{}, err
	}
	if refused != nil && after.Status == copay.PaymentRequested {
		return integrations.ProcessorPayment{}, refused
	}
	return withdrawn(after), nil
}

// withdrawn reads an expired page as cancelled: the platform has one word for both.
func withdrawn(p integrations.ProcessorPayment) integrations.ProcessorPayment {
	if p.Status == copay.PaymentExpired {
		p.Status = copay.PaymentCancelled
	}
	return p
}

func (c *Connector) withdraw(ctx context.Context, id string) error {
	switch {
	case strings.HasPrefix(id, "cs_"):
		k := call{op: "checkout.sessions.expire", moves: true}
		p := &sdk.CheckoutSessionExpireParams{}
		c.with(ctx, &p.Params, k, "")
		_, err := c.sc.CheckoutSessions.Expire(id, p)
		return c.fail(k, err)
	case strings.HasPrefix(id, "in_"):
		k := call{op: "invoices.void", moves: true}
		p := &sdk.InvoiceVoidInvoiceParams{}
		c.with(ctx, &p.Params, k, "")
		_, err := c.sc.Invoices.VoidInvoice(id, p)
		return c.fail(k, err)
	}
	k := call{op: "payment_intents.cancel", moves: true}
	p := &sdk.PaymentIntentCancelParams{CancellationReason: sdk.String(string(sdk.PaymentIntentCancellationReasonAbandoned))}
	c.with(ctx, &p.Params, k, "")
	_, err := c.sc.PaymentIntents.Cancel(id, p)
	return c.fail(k, err)
}
