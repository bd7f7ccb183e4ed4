package stripe

import (
	"context"
	"fmt"
	"strings"
	"time"

	sdk "github.com/stripe/stripe-go/v76"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// Metadata keys that we put on everything we make.
const (
	metaCoPay    = "copay_id"
	metaRef      = "ref"
	metaPractice = "practice"
	metaRail     = "rail"
	metaPatient  = "patient_alias"
)

// The values of metaRail.
const (
	railLink = string(copay.RailLink)
	railCard = string(copay.RailCard)
)

func (c *Connector) metadata(id copay.ID, ref copay.Ref, practice copay.PracticeID, rail string) map[string]string {
	if practice == "" {
		practice = c.practice
	}
	m := map[string]string{metaCoPay: string(id), metaRef: string(ref), metaPractice: string(practice)}
	if rail != "" {
		m[metaRail] = rail
	}
	return m
}

// ours reads the co-pay and the reference out of metadata. An id that is not
// well formed was not written by us.
func ours(meta map[string]string) (copay.ID, copay.Ref) {
	id, ref := copay.ID(meta[metaCoPay]), copay.Ref(meta[metaRef])
	if id.Validate() != nil {
		id = ""
	}
	if ref.CoPay() == "" {
		ref = ""
	}
	if id == "" {
		id = ref.CoPay()
	}
	return id, ref
}

func wireCurrency(m copay.Money) string { return strings.ToLower(string(m.Currency)) }

func money(minor int64, currency sdk.Currency) copay.Money {
	return copay.Money{Minor: minor, Currency: copay.Currency(strings.ToUpper(string(currency)))}
}

func unix(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

// intentStatus maps a payment intent's status (docs.stripe.com/payments/
// paymentintents/lifecycle). A status that is not known stays open: the
// payment is asked for again and never taken for failed.
func intentStatus(status, rail string, failed bool) copay.PaymentStatus {
	switch sdk.PaymentIntentStatus(status) {
	case sdk.PaymentIntentStatusSucceeded:
		return copay.PaymentCaptured
	case sdk.PaymentIntentStatusCanceled:
		return copay.PaymentCancelled
	case sdk.PaymentIntentStatusRequiresPaymentMethod:
		// A stored charge has one try. On a page or an invoice the patient
		// may try another card.
		if failed && rail == railCard {
			return copay.PaymentFailed
		}
		return copay.PaymentRequested
	case sdk.PaymentIntentStatusRequiresConfirmation, sdk.PaymentIntentStatusRequiresAction:
		return copay.PaymentRequested
	case sdk.PaymentIntentStatusProcessing, sdk.PaymentIntentStatusRequiresCapture:
		return copay.PaymentProcessing
	}
	return copay.PaymentProcessing
}

// sessionStatus maps a Checkout Session's two statuses. A completed session
// that is unpaid waits for the bank until its intent says otherwise.
func sessionStatus(status, payment, intent string) copay.PaymentStatus {
	if sdk.PaymentIntentStatus(intent) == sdk.PaymentIntentStatusSucceeded {
		return copay.PaymentCaptured
	}
	switch sdk.CheckoutSessionStatus(status) {
	case sdk.CheckoutSessionStatusOpen:
		return copay.PaymentRequested
	case sdk.CheckoutSessionStatusExpired:
		return copay.PaymentExpired
	case sdk.CheckoutSessionStatusComplete:
		if sdk.CheckoutSessionPaymentStatus(payment) == sdk.CheckoutSessionPaymentStatusPaid {
			return copay.PaymentCaptured
		}
		switch sdk.PaymentIntentStatus(intent) {
		case sdk.PaymentIntentStatusRequiresPaymentMethod, sdk.PaymentIntentStatusCanceled:
			return copay.PaymentFailed
		}
	}
	return copay.PaymentProcessing
}

// refundStatus maps a refund's status to pending, succeeded or failed.
func refundStatus(status string) string {
	switch sdk.RefundStatus(status) {
	case sdk.RefundStatusSucceeded:
		return "succeeded"
	case sdk.RefundStatusFailed, sdk.RefundStatusCanceled:
		return "failed"
	}
	return "pending"
}

// disputeOutcome maps a dispute's status. An inquiry (warning_…) takes no
// money, so it is no dispute yet.
func disputeOutcome(status string) string {
	switch sdk.DisputeStatus(status) {
	case sdk.DisputeStatusNeedsResponse, sdk.DisputeStatusUnderReview:
		return "opened"
	case sdk.DisputeStatusWon:
		return "won"
	case sdk.DisputeStatusLost:
		return "lost"
	}
	return ""
}

// fromSession makes a payment of a session whose intent is expanded.
func (c *Connector) fromSession(ctx context.Context, s *sdk.CheckoutSession) (integrations.ProcessorPayment, error) {
	id, ref := ours(s.Metadata)
	p := integrations.ProcessorPayment{
		PlatformID: s.ID, Ref: ref, CoPay: id, RawStatus: string(s.Status) + "/" + string(s.PaymentStatus),
		Amount: money(s.AmountTotal, s.Currency), ExpiresAt: unix(s.ExpiresAt),
		Captured: money(0, s.Currency), Refunded: money(0, s.Currency),
	}
	if s.Customer != nil {
		p.Customer = s.Customer.ID
	}
	intent := ""
	if s.PaymentIntent != nil {
		intent = string(s.PaymentIntent.Status)
		fillIntent(&p, s.PaymentIntent)
	}
	p.Status = sessionStatus(string(s.Status), string(s.PaymentStatus), intent)
	if p.Status == copay.PaymentRequested {
		p.URL = s.URL
	}
	return p, c.settleDispute(ctx, &p, s.PaymentIntent)
}

// fromIntent makes a payment of an intent whose charge is expanded. The
// intent behind a hosted page is shown as its page.
func (c *Connector) fromIntent(ctx context.Context, pi *sdk.PaymentIntent) (integrations.ProcessorPayment, error) {
	rail := pi.Metadata[metaRail]
	if rail == railLink {
		s, err := c.sessionOf(ctx, pi.ID)
		if err == nil {
			return c.fromSession(ctx, s)
		}
		if integrations.KindOf(err) != integrations.KindNotFound {
			return integrations.ProcessorPayment{}, err
		}
	}
	id, ref := ours(pi.Metadata)
	p := integrations.ProcessorPayment{PlatformID: pi.ID, Ref: ref, CoPay: id, RawStatus: string(pi.Status),
		Amount: money(pi.Amount, pi.Currency), Refunded: money(0, pi.Currency)}
	fillIntent(&p, pi)
	p.Status = intentStatus(string(pi.Status), rail, pi.LastPaymentError != nil)
	return p, c.settleDispute(ctx, &p, pi)
}

// fromInvoice makes a payment of an invoice whose intent is expanded.
func (c *Connector) fromInvoice(ctx context.Context, inv *sdk.Invoice) (integrations.ProcessorPayment, error) {
	id, ref := ours(inv.Metadata)
	p := integrations.ProcessorPayment{PlatformID: inv.ID, Ref: ref, CoPay: id, RawStatus: string(inv.Status),
		Amount: money(inv.Total, inv.Currency), Captured: money(0, inv.Currency), Refunded: money(0, inv.Currency)}
	if inv.PaymentIntent != nil {
		fillIntent(&p, inv.PaymentIntent)
	}
	switch {
	case inv.PaidOutOfBand: // marked as paid in cash: nothing was or will be captured here
		p.Status, p.RawStatus = copay.PaymentCancelled, "paid_out_of_band"
	case inv.Status == sdk.InvoiceStatusPaid:
		p.Status = copay.PaymentCaptured
	case inv.Status == sdk.InvoiceStatusVoid:
		p.Status = copay.PaymentCancelled
	case inv.Status == sdk.InvoiceStatusDraft, inv.Status == sdk.InvoiceStatusOpen, inv.Status == sdk.InvoiceStatusUncollectible:
		p.Status, p.URL = copay.PaymentRequested, inv.HostedInvoiceURL
	default:
		p.Status = copay.PaymentProcessing
	}
	return p, c.settleDispute(ctx, &p, inv.PaymentIntent)
}

// fillIntent takes from an intent what its owner does not know.
func fillIntent(p *integrations.ProcessorPayment, pi *sdk.PaymentIntent) {
	p.Captured = money(pi.AmountReceived, pi.Currency)
	if e := pi.LastPaymentError; e != nil {
		p.Decline = safeCode(string(e.DeclineCode))
		if p.Decline == "" {
			p.Decline = safeCode(string(e.Code))
		}
	}
	if pi.Customer != nil {
		p.Customer = pi.Customer.ID
		// Only a method asked to be kept stays with its customer.
		if pi.PaymentMethod != nil && pi.SetupFutureUsage == sdk.PaymentIntentSetupFutureUsageOffSession &&
			pi.Status == sdk.PaymentIntentStatusSucceeded {
			p.StoredID = pi.PaymentMethod.ID
		}
	}
	ch := pi.LatestCharge
	if ch == nil {
		return
	}
	p.Refunded = money(ch.AmountRefunded, pi.Currency)
	if pi.AmountReceived > 0 {
		p.CapturedAt, p.Decline = unix(ch.Created), ""
	}
	p.Method = methodText(ch.PaymentMethodDetails)
}

func methodText(d *sdk.ChargePaymentMethodDetails) string {
	switch {
	case d == nil:
		return ""
	case d.Card != nil:
		return fmt.Sprintf("%s ending %s", d.Card.Brand, d.Card.Last4)
	case d.USBankAccount != nil:
		return "bank account ending " + d.USBankAccount.Last4
	}
	return string(d.Type)
}

// settleDispute asks how a disputed payment stands: while a dispute is open
// or lost the money is not ours. A bank debit that comes back is reported by
// the platform as a dispute, too (docs.stripe.com/payments/ach-direct-debit).
func (c *Connector) settleDispute(ctx context.Context, p *integrations.ProcessorPayment, pi *sdk.PaymentIntent) error {
	if p.Status != copay.PaymentCaptured || pi == nil || pi.LatestCharge == nil || !pi.LatestCharge.Disputed {
		return nil
	}
	params := &sdk.DisputeListParams{PaymentIntent: sdk.String(pi.ID)}
	const op = "disputes.list"
	c.list(ctx, &params.ListParams, op, 100)
	it := c.sc.Disputes.List(params)
	for it.Next() {
		d := it.Dispute()
		switch disputeOutcome(string(d.Status)) {
		case "opened", "lost":
			p.Status, p.RawStatus = copay.PaymentDisputed, "dispute/"+string(d.Status)
			if det := pi.LatestCharge.PaymentMethodDetails; det != nil && det.USBankAccount != nil {
				p.Status = copay.PaymentReturned
			}
		}
	}
	return c.fail(call{op: op}, it.Err())
}
