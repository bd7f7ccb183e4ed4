package stripe

import (
	"context"
	"encoding/json"
	"strings"

	sdk "github.com/stripe/stripe-go/v76"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// wireEvent is the part of an event that we read. It is our own shape, not
// the library's, so that an endpoint of another API version is still read.
type wireEvent struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Created  int64  `json:"created"`
	Livemode bool   `json:"livemode"`
	Account  string `json:"account"`
	Data     struct {
		Object json.RawMessage `json:"object"`
	} `json:"data"`
}

// wireObject holds the fields of all the objects that events carry.
type wireObject struct {
	ID             string            `json:"id"`
	Status         string            `json:"status"`
	PaymentStatus  string            `json:"payment_status"`
	Mode           string            `json:"mode"`
	Currency       sdk.Currency      `json:"currency"`
	Amount         int64             `json:"amount"`
	AmountTotal    int64             `json:"amount_total"`
	AmountPaid     int64             `json:"amount_paid"`
	AmountDue      int64             `json:"amount_due"`
	AmountReceived int64             `json:"amount_received"`
	AmountRefunded int64             `json:"amount_refunded"`
	PaidOutOfBand  bool              `json:"paid_out_of_band"`
	Reason         string            `json:"reason"`
	FailureReason  string            `json:"failure_reason"`
	Metadata       map[string]string `json:"metadata"`
	PaymentIntent  expandable        `json:"payment_intent"`
	LastError      *struct {
		Code        string `json:"code"`
		DeclineCode string `json:"decline_code"`
	} `json:"last_payment_error"`
}

// expandable is an id, or the object in its place.
type expandable string

// UnmarshalJSON implements json.Unmarshaler.
func (e *expandable) UnmarshalJSON(b []byte) error {
	var id string
	if json.Unmarshal(b, &id) == nil {
		*e = expandable(id)
		return nil
	}
	var obj struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(b, &obj); err != nil {
		return err
	}
	*e = expandable(obj.ID)
	return nil
}

// event turns a platform's event into ours. Events about other things, other
// accounts, other practices on the same account, or payments that we did not
// ask for, are kept as ignored; so are those of the mode that our key is not
// for: a live endpoint for connected accounts is sent their test events, too,
// under the same secret (docs.stripe.com/connect/webhooks), and what a test
// card paid is no money.
func (c *Connector) event(ctx context.Context, w wireEvent) (integrations.Event, error) {
	e := integrations.Event{ID: w.ID, Type: w.Type, Kind: integrations.EventIgnored, At: unix(w.Created)}
	if (w.Account != c.cfg.Account && w.Account != "") || w.Livemode != c.cfg.live() {
		return e, nil
	}
	family := eventFamily(w.Type)
	if family == "" {
		return e, nil
	}
	var o wireObject
	if len(w.Data.Object) == 0 || json.Unmarshal(w.Data.Object, &o) != nil {
		return e, webhookError(integrations.KindInvalid, "the event's object is not readable")
	}
	meta := o.Metadata
	if id, _ := ours(meta); id == "" && (family == "dispute" || family == "refund") && o.PaymentIntent != "" {
		owner, err := c.owner(ctx, string(o.PaymentIntent))
		if err != nil {
			return e, err
		}
		meta = owner // the reference is then the payment's
	}
	if p := meta[metaPractice]; p != "" && copay.PracticeID(p) != c.practice {
		return e, nil
	}
	out := e
	out.Object = o.ID
	out.CoPay, out.Ref = ours(meta)
	if out.CoPay == "" {
		return e, nil
	}
	if !fillEvent(&out, family, o) {
		return e, nil
	}
	return out, nil
}

// owner reads the metadata of a payment intent, or of the invoice that made
// it; what the platform does not know has none.
func (c *Connector) owner(ctx context.Context, intent string) (map[string]string, error) {
	pi, err := c.intent(ctx, intent)
	switch {
	case err != nil && integrations.KindOf(err) == integrations.KindNotFound:
		return nil, nil
	case err != nil:
		return nil, err
	case pi.Invoice == nil || pi.Metadata[metaCoPay] != "":
		return pi.Metadata, nil
	}
	inv, err := c.invoice(ctx, pi.Invoice.ID)
	if err != nil {
		return nil, err
	}
	return inv.Metadata, nil
}

// pollTypes are the events asked for when polling: the platform takes at most
// twenty (docs.stripe.com/api/events/list, types).
var pollTypes = []string{
	"payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.processing", "payment_intent.canceled",
	"checkout.session.completed", "checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed",
	"checkout.session.expired", "charge.refunded", "charge.refund.updated", "refund.created", "refund.updated",
	"charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_withdrawn",
	"charge.dispute.funds_reinstated", "invoice.paid", "invoice.payment_failed", "invoice.voided",
}

// eventFamily sorts event types; "" is of no interest.
func eventFamily(t string) string {
	switch {
	case strings.HasPrefix(t, "payment_intent."):
		return "intent"
	case strings.HasPrefix(t, "checkout.session."):
		return "session"
	case t == "charge.refunded":
		return "charge"
	case strings.HasPrefix(t, "refund."), strings.HasPrefix(t, "charge.refund."):
		return "refund"
	case strings.HasPrefix(t, "charge.dispute."):
		return "dispute"
	case strings.HasPrefix(t, "invoice."):
		return "invoice"
	}
	return ""
}

// fillEvent sets kind, status and amount; false means ignored.
func fillEvent(e *integrations.Event, family string, o wireObject) bool {
	amount := func(minor int64) { m := money(minor, o.Currency); e.Amount = &m }
	e.Kind = integrations.EventPayment
	switch family {
	case "intent":
		return fillIntentEvent(e, o)
	case "session":
		amount(o.AmountTotal)
		return fillSessionEvent(e, o)
	case "invoice":
		amount(o.AmountDue)
		return fillInvoiceEvent(e, o)
	case "charge": // some refund of this payment: the reference is the payment's
		e.Kind, e.Status = integrations.EventRefund, "succeeded"
		amount(o.AmountRefunded)
		if o.PaymentIntent != "" {
			e.Object = string(o.PaymentIntent)
		}
	case "refund":
		e.Kind, e.Status, e.Code = integrations.EventRefund, refundStatus(o.Status), safeCode(o.FailureReason)
		amount(o.Amount)
	case "dispute":
		e.Kind, e.Status, e.Code = integrations.EventDispute, disputeOutcome(o.Status), safeCode(o.Reason)
		amount(o.Amount)
		if o.PaymentIntent != "" {
			e.Object = string(o.PaymentIntent)
		}
		return e.Status != ""
	}
	return true
}

func fillIntentEvent(e *integrations.Event, o wireObject) bool {
	switch sdk.EventType(e.Type) {
	case sdk.EventTypePaymentIntentSucceeded, sdk.EventTypePaymentIntentPaymentFailed, sdk.EventTypePaymentIntentProcessing,
		sdk.EventTypePaymentIntentRequiresAction, sdk.EventTypePaymentIntentCanceled:
	default:
		return false
	}
	minor := o.Amount
	if o.AmountReceived > 0 {
		minor = o.AmountReceived
	}
	m := money(minor, o.Currency)
	e.Amount = &m
	if o.LastError != nil && o.Status != string(sdk.PaymentIntentStatusSucceeded) {
		if e.Code = safeCode(o.LastError.DeclineCode); e.Code == "" {
			e.Code = safeCode(o.LastError.Code)
		}
	}
	e.Status = string(intentStatus(o.Status, o.Metadata[metaRail], o.LastError != nil))
	return true
}

func fillSessionEvent(e *integrations.Event, o wireObject) bool {
	if o.Mode != "" && o.Mode != string(sdk.CheckoutSessionModePayment) {
		return false
	}
	switch sdk.EventType(e.Type) {
	case sdk.EventTypeCheckoutSessionCompleted, sdk.EventTypeCheckoutSessionAsyncPaymentSucceeded:
		// Completed and unpaid is a bank debit on its way: only processing.
		e.Status = string(sessionStatus("complete", o.PaymentStatus, ""))
	case sdk.EventTypeCheckoutSessionAsyncPaymentFailed:
		e.Status = string(copay.PaymentFailed)
	case sdk.EventTypeCheckoutSessionExpired:
		e.Status = string(copay.PaymentExpired)
	default:
		return false
	}
	return true
}

func fillInvoiceEvent(e *integrations.Event, o wireObject) bool {
	switch sdk.EventType(e.Type) {
	case sdk.EventTypeInvoicePaid, sdk.EventTypeInvoicePaymentSucceeded:
		if o.PaidOutOfBand { // cash, booked by hand; no money came in here
			return false
		}
		m := money(o.AmountPaid, o.Currency)
		e.Status, e.Amount = string(copay.PaymentCaptured), &m
	case sdk.EventTypeInvoicePaymentFailed, sdk.EventTypeInvoicePaymentActionRequired, sdk.EventTypeInvoiceFinalized, sdk.EventTypeInvoiceSent:
		e.Status = string(copay.PaymentRequested)
	case sdk.EventTypeInvoiceVoided:
		e.Status = string(copay.PaymentCancelled)
	default:
		return false
	}
	return true
}
