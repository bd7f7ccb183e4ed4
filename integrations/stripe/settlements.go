package stripe

import (
	"context"
	"time"

	sdk "github.com/stripe/stripe-go/v76"

	"github.com/copayflow/copayflow/integrations"
)

// Settlements lists the movements of the account's balance in [from, to).
// The cursor is the platform's id of the last movement of the page before.
// PaymentPlatformID is the payment intent; Ref is what ties a movement of a
// hosted page to its session.
func (c *Connector) Settlements(ctx context.Context, from, to time.Time, cursor string) (integrations.SettlementPage, error) {
	const op = "balance_transactions.list"
	p := &sdk.BalanceTransactionListParams{CreatedRange: &sdk.RangeQueryParams{GreaterThanOrEqual: from.Unix(), LesserThan: to.Unix()}}
	p.AddExpand("data.source")
	c.list(ctx, &p.ListParams, op, 100)
	p.Single = true
	if cursor != "" {
		p.StartingAfter = sdk.String(cursor)
	}
	it := c.sc.BalanceTransactions.List(p)
	var page integrations.SettlementPage
	last := ""
	for it.Next() {
		t := it.BalanceTransaction()
		s, err := c.settlement(ctx, t)
		if err != nil {
			return integrations.SettlementPage{}, err
		}
		page.Settlements = append(page.Settlements, s)
		last = t.ID
	}
	if err := it.Err(); err != nil {
		return integrations.SettlementPage{}, c.fail(call{op: op}, err)
	}
	if it.Meta().HasMore {
		page.Next = last
	}
	return page, nil
}

func (c *Connector) settlement(ctx context.Context, t *sdk.BalanceTransaction) (integrations.Settlement, error) {
	s := integrations.Settlement{Amount: money(t.Amount, t.Currency), Fee: money(t.Fee, t.Currency), At: unix(t.Created),
		Kind: settlementKind(string(t.ReportingCategory))}
	if t.Source == nil {
		return s, nil
	}
	switch src := t.Source; {
	case src.Charge != nil:
		_, s.Ref = ours(src.Charge.Metadata)
		if src.Charge.PaymentIntent != nil {
			s.PaymentPlatformID = src.Charge.PaymentIntent.ID
		}
	case src.Refund != nil:
		_, s.Ref = ours(src.Refund.Metadata)
		s.RefundPlatformID = src.Refund.ID
		if src.Refund.PaymentIntent != nil {
			s.PaymentPlatformID = src.Refund.PaymentIntent.ID
		}
	case src.Dispute != nil && src.Dispute.PaymentIntent != nil:
		s.PaymentPlatformID = src.Dispute.PaymentIntent.ID
		// A dispute carries no metadata of the payment; disputes are rare
		// enough to read the payment.
		pi, err := c.intent(ctx, s.PaymentPlatformID)
		if err != nil {
			return s, err
		}
		_, s.Ref = ours(pi.Metadata)
	}
	return s, nil
}

// settlementKind maps a reporting category (docs.stripe.com/reports/
// reporting-categories); what is neither patients' money nor a payout is "other".
func settlementKind(category string) string {
	switch category {
	case "charge", "charge_failure":
		return "charge"
	case "refund", "refund_failure", "partial_capture_reversal":
		return "refund"
	case "dispute", "dispute_reversal":
		return "dispute"
	case "payout", "payout_reversal":
		return "payout"
	}
	return "other"
}
