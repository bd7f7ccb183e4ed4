package stripe

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	sdk "github.com/stripe/stripe-go/v76"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// EnsureCustomer finds or makes the customer of a patient. Search lags, so a
// customer made a moment ago is not found; the create then repeats under a
// key derived from practice and patient and gives back the first one. By the
// time the key is forgotten (a day) the search has long caught up.
func (c *Connector) EnsureCustomer(ctx context.Context, practice copay.PracticeID, patient copay.PatientAlias) (string, error) {
	if practice == "" || patient == "" {
		return "", &integrations.Error{Kind: integrations.KindInvalid, Platform: Name, Op: "customers.search",
			Message: "a practice and a patient are needed"}
	}
	id, err := c.findCustomer(ctx, practice, patient)
	if err != nil || id != "" {
		return id, err
	}
	sum := sha256.Sum256([]byte(string(practice) + "\x00" + string(patient)))
	create := "copay-customer-" + hex.EncodeToString(sum[:16])
	id, err = c.createCustomer(ctx, practice, patient, create)
	// A server error kept under the key would answer for a day, and no page
	// could be opened for this patient. A customer holds no money, so a second
	// one beside it does no harm: the oldest is taken from then on.
	if e := integrations.AsError(err); e != nil && e.Code == codeReplayed {
		return c.createCustomer(ctx, practice, patient, create+".2")
	}
	return id, err
}

// findCustomer searches for the oldest customer of a patient; "" when the
// search shows none.
func (c *Connector) findCustomer(ctx context.Context, practice copay.PracticeID, patient copay.PatientAlias) (string, error) {
	k := call{op: "customers.search"}
	sp := &sdk.CustomerSearchParams{SearchParams: sdk.SearchParams{
		Query: fmt.Sprintf("metadata[%s]:%s AND metadata[%s]:%s", quote(metaPractice), quote(string(practice)), quote(metaPatient), quote(string(patient))),
		Limit: sdk.Int64(100), Single: true}}
	sp.Context = transport.WithCall(ctx, k.op, k.moves)
	if c.cfg.Account != "" {
		sp.StripeAccount = sdk.String(c.cfg.Account)
	}
	it := c.sc.Customers.Search(sp)
	var oldest *sdk.Customer
	for it.Next() {
		// The search matches text loosely; the exact comparison is ours.
		cu := it.Customer()
		if cu.Metadata[metaPractice] != string(practice) || cu.Metadata[metaPatient] != string(patient) {
			continue
		}
		if oldest == nil || cu.Created < oldest.Created || (cu.Created == oldest.Created && cu.ID < oldest.ID) {
			oldest = cu
		}
	}
	if err := it.Err(); err != nil {
		return "", c.fail(k, err)
	}
	if oldest == nil {
		return "", nil
	}
	return oldest.ID, nil
}

func (c *Connector) createCustomer(ctx context.Context, practice copay.PracticeID, patient copay.PatientAlias, key string) (string, error) {
	k := call{op: "customers.create", moves: true}
	p := &sdk.CustomerParams{Metadata: map[string]string{metaPractice: string(practice), metaPatient: string(patient)}}
	c.with(ctx, &p.Params, k, key)
	cu, err := c.sc.Customers.New(p)
	if err != nil {
		return "", c.fail(k, err)
	}
	return cu.ID, nil
}

// quote writes a string of the search language.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// StoredMethods lists a customer's cards, newest first.
func (c *Connector) StoredMethods(ctx context.Context, customer string) ([]integrations.StoredMethod, error) {
	const op = "customers.payment_methods.list"
	p := &sdk.CustomerListPaymentMethodsParams{Customer: sdk.String(customer), Type: sdk.String(string(sdk.PaymentMethodTypeCard))}
	c.list(ctx, &p.ListParams, op, 100)
	it := c.sc.Customers.ListPaymentMethods(p)
	var found []*sdk.PaymentMethod
	for it.Next() {
		if pm := it.PaymentMethod(); pm.Card != nil {
			found = append(found, pm)
		}
	}
	if err := it.Err(); err != nil {
		return nil, c.fail(call{op: op}, err)
	}
	slices.SortStableFunc(found, func(a, b *sdk.PaymentMethod) int { return cmp.Compare(b.Created, a.Created) })
	out := make([]integrations.StoredMethod, 0, len(found))
	for _, pm := range found {
		out = append(out, integrations.StoredMethod{ID: pm.ID, Brand: string(pm.Card.Brand), Last4: pm.Card.Last4,
			ExpMonth: int(pm.Card.ExpMonth), ExpYear: int(pm.Card.ExpYear)})
	}
	return out, nil
}

// ChargeStored makes and confirms a payment intent off-session in one call,
// under our reference as key. Where the bank wants the patient's confirmation
// the call fails as a decline with the code authentication_required.
func (c *Connector) ChargeStored(ctx context.Context, r integrations.StoredCharge) (integrations.ProcessorPayment, error) {
	k := call{op: "payment_intents.create", moves: true}
	if err := checkAmount(k.op, r.Amount); err != nil {
		return integrations.ProcessorPayment{}, err
	}
	if r.Customer == "" || r.Method == "" {
		return integrations.ProcessorPayment{}, &integrations.Error{Kind: integrations.KindInvalid, Platform: Name, Op: k.op,
			Message: "a customer and a stored method are needed"}
	}
	p, err := c.once(k, r.Ref, r.Amount, r.Since,
		func(key string) (integrations.ProcessorPayment, error) {
			params := c.chargeParams(r)
			c.with(ctx, &params.Params, k, key)
			pi, err := c.sc.PaymentIntents.New(params)
			if err != nil {
				return integrations.ProcessorPayment{}, removed(c.fail(k, err))
			}
			return c.fromIntent(ctx, pi)
		},
		func() (integrations.ProcessorPayment, error) {
			return c.FindPayment(ctx, integrations.PaymentQuery{Ref: r.Ref, CoPay: r.CoPay, Customer: r.Customer, Since: r.Since})
		})
	if err != nil {
		return integrations.ProcessorPayment{}, err
	}
	return c.chargeOutcome(ctx, p)
}

// removed makes a decline of the answer that a customer or method does not
// exist: somebody took the card out at the platform, and the patient gets a link.
func removed(err error) error {
	e := integrations.AsError(err)
	if e == nil || e.Code != "resource_missing" {
		return err
	}
	gone := *e
	gone.Kind, gone.Code, gone.Final, gone.Message = integrations.KindDeclined, codeRemoved, true, declineText(codeRemoved)
	return &gone
}

func (c *Connector) chargeParams(r integrations.StoredCharge) *sdk.PaymentIntentParams {
	p := &sdk.PaymentIntentParams{
		Amount: sdk.Int64(r.Amount.Minor), Currency: sdk.String(wireCurrency(r.Amount)),
		Customer: sdk.String(r.Customer), PaymentMethod: sdk.String(r.Method),
		// Naming the type keeps the platform from switching on methods that
		// redirect, which a confirmation without a patient cannot do.
		PaymentMethodTypes: sdk.StringSlice([]string{string(sdk.PaymentMethodTypeCard)}),
		Confirm:            sdk.Bool(true), OffSession: sdk.Bool(true), ErrorOnRequiresAction: sdk.Bool(true),
		Metadata: c.metadata(r.CoPay, r.Ref, r.Practice, railCard),
	}
	p.AddExpand("latest_charge")
	if d := strings.TrimSpace(r.Description); d != "" {
		p.Description = sdk.String(d)
	}
	if c.cfg.StatementSuffix != "" {
		p.StatementDescriptorSuffix = sdk.String(c.cfg.StatementSuffix)
	}
	return p
}

// chargeOutcome turns a charge that cannot succeed any more into a decline.
func (c *Connector) chargeOutcome(ctx context.Context, p integrations.ProcessorPayment) (integrations.ProcessorPayment, error) {
	declined := func(code string) error {
		return &integrations.Error{Kind: integrations.KindDeclined, Platform: Name, Op: "payment_intents.create",
			Code: code, Final: finalDeclines[code], Message: declineText(code)}
	}
	switch p.Status {
	case copay.PaymentFailed:
		return integrations.ProcessorPayment{}, declined(p.Decline)
	case copay.PaymentRequested:
		// The bank waits for the patient after all. Withdraw it, so that it is
		// not paid beside the link that will be sent instead.
		after, err := c.Cancel(ctx, p.PlatformID, p.Ref)
		if err != nil || after.Status != copay.PaymentCancelled {
			return after, err
		}
		return integrations.ProcessorPayment{}, declined("authentication_required")
	}
	return p, nil
}
