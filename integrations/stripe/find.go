package stripe

import (
	"context"
	"fmt"
	"slices"
	"time"

	sdk "github.com/stripe/stripe-go/v76"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

const (
	// clockSlack allows for clocks that differ between us and the platform.
	clockSlack = 5 * time.Minute
	// defaultSpan is how far back a payment is looked for when nothing bounds it.
	defaultSpan = 30 * 24 * time.Hour
	// listed is how far back the listings are walked. What is older the search has
	// long seen; a page can no longer be paid (24 hours), and its key is forgotten
	// (docs.stripe.com/api/idempotent_requests).
	listed = 72 * time.Hour
	// maxScan bounds a look-up; more than this many payments in that time means that
	// the account is not one practice's.
	maxScan = 10_000
)

// FindPayment looks for a payment by our reference. The platform's search
// lags by a minute and more (docs.stripe.com/search, data freshness), and a
// payment it does not show yet would be made twice; the listings are
// immediately consistent, so they are walked, newest first, back to Since. Of a
// payment that may be older than they are walked, the search tells: one that was
// made through a page has an intent with our reference.
// A customer only says where to look first: the first attempt may have named
// another one (two of a patient, one of them taken out since), and a charge
// that is overlooked would be made again.
func (c *Connector) FindPayment(ctx context.Context, q integrations.PaymentQuery) (integrations.ProcessorPayment, error) {
	if q.Ref == "" {
		return integrations.ProcessorPayment{}, &integrations.Error{Kind: integrations.KindInvalid, Platform: Name,
			Op: "payment.find", Message: "a reference is needed"}
	}
	floor := c.now().Add(-defaultSpan)
	if !q.Since.IsZero() {
		floor = q.Since.Add(-clockSlack)
	}
	everybody := q
	everybody.Customer = ""
	recent := floor
	if edge := c.now().Add(-listed); floor.Before(edge) {
		recent = edge
	}
	looks := []func() (integrations.ProcessorPayment, error){
		func() (integrations.ProcessorPayment, error) { return c.findSession(ctx, q, recent) },
		func() (integrations.ProcessorPayment, error) { return c.findIntent(ctx, everybody, recent) },
	}
	if recent.After(floor) {
		looks = append(looks, func() (integrations.ProcessorPayment, error) { return c.searchIntent(ctx, q.Ref, floor) })
	}
	if q.Customer != "" { // most likely a stored charge
		looks = slices.Insert(looks, 0, func() (integrations.ProcessorPayment, error) { return c.findIntent(ctx, q, floor) })
	}
	for _, look := range looks {
		p, err := look()
		if err == nil || !isMissing(err) {
			return p, err
		}
	}
	return integrations.ProcessorPayment{}, integrations.NotFound(Name, "payment.find")
}

// isMissing reports whether nothing was found, or the customer to look under
// does not exist.
func isMissing(err error) bool {
	e := integrations.AsError(err)
	return e != nil && (e.Kind == integrations.KindNotFound || e.Code == "resource_missing")
}

func (c *Connector) findSession(ctx context.Context, q integrations.PaymentQuery, floor time.Time) (integrations.ProcessorPayment, error) {
	const op = "checkout.sessions.list"
	p := &sdk.CheckoutSessionListParams{}
	p.AddExpand("data.payment_intent.latest_charge")
	// A session without a customer gets one when it is paid, so the customer
	// does not narrow the list.
	c.list(ctx, &p.ListParams, op, 100)
	it := c.sc.CheckoutSessions.List(p)
	for n := 0; it.Next(); n++ {
		s := it.CheckoutSession()
		if s.Created < floor.Unix() {
			break
		}
		if s.Metadata[metaRef] == string(q.Ref) {
			return c.fromSession(ctx, s)
		}
		if n >= maxScan {
			return integrations.ProcessorPayment{}, tooMany(op)
		}
	}
	if err := it.Err(); err != nil {
		return integrations.ProcessorPayment{}, c.failList(op, err)
	}
	return integrations.ProcessorPayment{}, integrations.NotFound(Name, op)
}

func (c *Connector) findIntent(ctx context.Context, q integrations.PaymentQuery, floor time.Time) (integrations.ProcessorPayment, error) {
	const op = "payment_intents.list"
	p := &sdk.PaymentIntentListParams{CreatedRange: &sdk.RangeQueryParams{GreaterThanOrEqual: floor.Unix()}}
	if q.Customer != "" {
		p.Customer = sdk.String(q.Customer)
	}
	p.AddExpand("data.latest_charge")
	c.list(ctx, &p.ListParams, op, 100)
	it := c.sc.PaymentIntents.List(p)
	for n := 0; it.Next(); n++ {
		if pi := it.PaymentIntent(); pi.Metadata[metaRef] == string(q.Ref) {
			return c.fromIntent(ctx, pi)
		}
		if n >= maxScan {
			return integrations.ProcessorPayment{}, tooMany(op)
		}
	}
	if err := it.Err(); err != nil {
		return integrations.ProcessorPayment{}, c.failList(op, err)
	}
	return integrations.ProcessorPayment{}, integrations.NotFound(Name, op)
}

// searchIntent finds what is older than the listings are walked.
func (c *Connector) searchIntent(ctx context.Context, ref copay.Ref, floor time.Time) (integrations.ProcessorPayment, error) {
	k := call{op: "payment_intents.search"}
	p := &sdk.PaymentIntentSearchParams{SearchParams: sdk.SearchParams{Limit: sdk.Int64(100), Single: true,
		Query: fmt.Sprintf("metadata[%s]:%s", quote(metaRef), quote(string(ref)))}}
	p.AddExpand("data.latest_charge")
	p.Context = transport.WithCall(ctx, k.op, k.moves)
	if c.cfg.Account != "" {
		p.StripeAccount = sdk.String(c.cfg.Account)
	}
	it := c.sc.PaymentIntents.Search(p)
	for it.Next() { // the search matches text loosely; the exact comparison is ours
		if pi := it.PaymentIntent(); pi.Metadata[metaRef] == string(ref) && pi.Created >= floor.Unix() {
			return c.fromIntent(ctx, pi)
		}
	}
	if err := it.Err(); err != nil {
		return integrations.ProcessorPayment{}, c.failList(k.op, err)
	}
	return integrations.ProcessorPayment{}, integrations.NotFound(Name, k.op)
}

func tooMany(op string) error {
	return &integrations.Error{Kind: integrations.KindUnavailable, Platform: Name, Op: op,
		Message: "too many payments to look through; an account serves one practice"}
}

// sessionOf finds the hosted page that an intent belongs to.
func (c *Connector) sessionOf(ctx context.Context, intent string) (*sdk.CheckoutSession, error) {
	const op = "checkout.sessions.list"
	p := &sdk.CheckoutSessionListParams{PaymentIntent: sdk.String(intent)}
	p.AddExpand("data.payment_intent.latest_charge")
	c.list(ctx, &p.ListParams, op, 1)
	p.Single = true
	it := c.sc.CheckoutSessions.List(p)
	if it.Next() {
		return it.CheckoutSession(), nil
	}
	if err := it.Err(); err != nil {
		return nil, c.failList(op, err)
	}
	return nil, integrations.NotFound(Name, op)
}
