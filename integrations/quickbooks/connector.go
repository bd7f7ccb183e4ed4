// Package quickbooks keeps co-pays in a practice's QuickBooks Online books
// (Accounting API v3): an invoice for what is due, a payment linked to it for
// what came in, a void or a refund receipt for what went back.
package quickbooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// Platform is the stable name of QuickBooks Online.
const Platform copay.Platform = "quickbooks"

// Connector serves one practice's company.
type Connector struct {
	config   Config
	platform copay.Platform
	api      *client
	settings integrations.Settings
	lists    lists
}

var (
	_ integrations.Accounting    = (*Connector)(nil)
	_ integrations.WebhookSource = (*Connector)(nil)
	_ integrations.EventPoller   = (*Connector)(nil)
	_ integrations.Tester        = (*Connector)(nil)
)

// New makes a connector.
func New(s integrations.Settings) (*Connector, error) {
	if s.Platform == "" {
		s.Platform = Platform
	}
	if s.Tokens == nil {
		return nil, errors.New("quickbooks: needs a token store, because its refresh token changes")
	}
	var c Config
	if err := s.Decode(&c); err != nil {
		return nil, err
	}
	c.defaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	api, err := newClient(s, c)
	if err != nil {
		return nil, err
	}
	return &Connector{config: c, platform: s.Platform, api: api, settings: s, lists: lists{now: s.Clock()}}, nil
}

// TestConnection implements integrations.Tester: it reads the company's name, and
// asks whether the client's secret is good for the next token.
func (c *Connector) TestConnection(ctx context.Context) (string, error) {
	a, err := c.api.do(ctx, transport.Request{Op: "companyinfo.read", Method: http.MethodGet, Path: "/companyinfo/" + c.config.RealmID})
	if err != nil {
		return "", err
	}
	if a.CompanyInfo == nil {
		return "", &integrations.Error{Kind: integrations.KindUnavailable, Platform: c.platform, Op: "companyinfo.read",
			Message: "the answer holds no company"}
	}
	if err := c.api.consent.Check(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("company %s (%s)", c.config.RealmID, a.CompanyInfo.CompanyName) + integrations.Deaf(len(c.config.VerifierTokens), "verifier_tokens"), nil
}

// invalid refuses something for a reason that staff can act on.
func (c *Connector) invalid(op, message string) *integrations.Error {
	return &integrations.Error{Kind: integrations.KindInvalid, Platform: c.platform, Op: op, Message: message}
}

// foreign refuses to touch a document that is not the co-pay's.
func (c *Connector) foreign(op, kind, id string) *integrations.Error {
	return c.invalid(op, fmt.Sprintf("%s %s has neither the number nor the note of this co-pay; look whether QuickBooks is connected to the right company, and take the co-pay's own %s back by hand", kind, id, kind))
}

// lost is the error of a write whose answer says success and nothing else.
func (c *Connector) lost(op string) *integrations.Error {
	return &integrations.Error{Kind: integrations.KindUnknown, Platform: c.platform, Op: op, Message: "the answer holds no document"}
}

// document turns the result of a mapping into one of a call.
func (c *Connector) document(op string, d integrations.AccountingDoc, err error) (integrations.AccountingDoc, error) {
	if err != nil {
		return integrations.AccountingDoc{}, c.invalid(op, "the document's amount or currency cannot be read; look at it in QuickBooks")
	}
	return d, nil
}

// bookable refuses what cannot be booked or found again.
func (c *Connector) bookable(op string, ref copay.Ref, m copay.Money) error {
	if ref == "" {
		return c.invalid(op, "the document has no reference")
	}
	if !m.IsPositive() || !m.Currency.Supported() {
		return c.invalid(op, "the amount must be positive and in US dollars")
	}
	return nil
}
