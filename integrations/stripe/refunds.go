package stripe

import (
	"context"
	"strings"

	sdk "github.com/stripe/stripe-go/v76"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// intentOf names the payment intent that holds a payment's money.
func (c *Connector) intentOf(ctx context.Context, p string) (string, error) {
	none := &integrations.Error{Kind: integrations.KindNotFound, Platform: Name, Op: "payment.retrieve", Message: "nothing was paid"}
	switch {
	case strings.HasPrefix(p, "pi_"):
		return p, nil
	case strings.HasPrefix(p, "cs_"):
		s, err := c.session(ctx, p)
		if err != nil {
			return "", err
		}
		if s.PaymentIntent == nil {
			return "", none
		}
		return s.PaymentIntent.ID, nil
	case strings.HasPrefix(p, "in_"):
		inv, err := c.invoice(ctx, p)
		if err != nil {
			return "", err
		}
		if inv.PaymentIntent == nil {
			return "", none
		}
		return inv.PaymentIntent.ID, nil
	}
	return "", none
}

// Refund gives money back. Keys are forgotten after a day, so the refunds of
// the payment are looked through first.
func (c *Connector) Refund(ctx context.Context, r integrations.RefundRequest) (integrations.ProcessorRefund, error) {
	k := call{op: "refunds.create", moves: true}
	if err := checkAmount(k.op, r.Amount); err != nil {
		return integrations.ProcessorRefund{}, err
	}
	intent, err := c.intentOf(ctx, r.PlatformID)
	if err != nil {
		return integrations.ProcessorRefund{}, err
	}
	found, err := c.findRefund(ctx, intent, r.Ref)
	if err == nil {
		if !found.Amount.Equal(r.Amount) {
			return integrations.ProcessorRefund{}, &integrations.Error{Kind: integrations.KindInvalid, Platform: Name, Op: k.op,
				Code: codeIdempotency, Message: "the reference was used before for another amount"}
		}
		return found, nil
	}
	if integrations.KindOf(err) != integrations.KindNotFound {
		return integrations.ProcessorRefund{}, err
	}
	p := &sdk.RefundParams{PaymentIntent: sdk.String(intent), Amount: sdk.Int64(r.Amount.Minor),
		Metadata: c.metadata(r.CoPay, r.Ref, "", "")}
	switch reason := sdk.RefundReason(r.Reason); reason {
	case sdk.RefundReasonDuplicate, sdk.RefundReasonFraudulent, sdk.RefundReasonRequestedByCustomer:
		p.Reason = sdk.String(string(reason))
	}
	c.with(ctx, &p.Params, k, r.Ref.Max(200))
	re, err := c.sc.Refunds.New(p)
	if err != nil {
		return integrations.ProcessorRefund{}, c.fail(k, err)
	}
	return fromRefund(re), nil
}

// FindRefund looks for a refund of a payment by our reference.
func (c *Connector) FindRefund(ctx context.Context, payment string, ref copay.Ref) (integrations.ProcessorRefund, error) {
	intent, err := c.intentOf(ctx, payment)
	if err != nil {
		return integrations.ProcessorRefund{}, err
	}
	return c.findRefund(ctx, intent, ref)
}

func (c *Connector) findRefund(ctx context.Context, intent string, ref copay.Ref) (integrations.ProcessorRefund, error) {
	const op = "refunds.list"
	p := &sdk.RefundListParams{PaymentIntent: sdk.String(intent)}
	c.list(ctx, &p.ListParams, op, 100)
	it := c.sc.Refunds.List(p)
	for it.Next() {
		if re := it.Refund(); re.Metadata[metaRef] == string(ref) {
			return fromRefund(re), nil
		}
	}
	if err := it.Err(); err != nil {
		return integrations.ProcessorRefund{}, c.failList(op, err)
	}
	return integrations.ProcessorRefund{}, integrations.NotFound(Name, op)
}

func fromRefund(re *sdk.Refund) integrations.ProcessorRefund {
	_, ref := ours(re.Metadata)
	return integrations.ProcessorRefund{PlatformID: re.ID, Ref: ref, Amount: money(re.Amount, re.Currency),
		Status: refundStatus(string(re.Status)), At: unix(re.Created)}
}
