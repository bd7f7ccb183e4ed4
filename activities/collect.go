package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// PaymentInput names one payment of a co-pay.
type PaymentInput struct {
	Key     copay.Key        `json:"key"`
	Payment copay.Payment    `json:"payment"`
	Patient copay.PatientRef `json:"patient,omitempty"`
	// Look says that an earlier try may have had its effect: look before asking.
	Look bool `json:"look,omitempty"`
}

// PaymentState is a payment as the processor has it.
type PaymentState struct {
	Platform   copay.Platform      `json:"platform"`
	PlatformID string              `json:"platform_id"`
	Status     copay.PaymentStatus `json:"status"`
	Amount     copay.Money         `json:"amount"`
	Captured   copay.Money         `json:"captured,omitzero"`
	Refunded   copay.Money         `json:"refunded,omitzero"`
	ExpiresAt  time.Time           `json:"expires_at,omitzero"`
	CapturedAt time.Time           `json:"captured_at,omitzero"`
	Decline    string              `json:"decline,omitempty"`
	Final      bool                `json:"final,omitempty"` // of a decline: never this card again
	URL        string              `json:"url,omitempty"`   // of a page that was just opened
}

func stateOf(platform copay.Platform, p integrations.ProcessorPayment) PaymentState {
	return PaymentState{Platform: platform, PlatformID: p.PlatformID, Status: p.Status, Amount: p.Amount, Captured: p.Captured,
		Refunded: p.Refunded, ExpiresAt: p.ExpiresAt, CapturedAt: p.CapturedAt, Decline: p.Decline}
}

// retrying reports whether an earlier attempt of this activity may have had
// its effect.
func retrying(ctx context.Context) bool { return activity.GetInfo(ctx).Attempt > 1 }

// RequestLink opens a hosted payment page. An attempt after an unknown
// outcome looks for the page by our reference first.
func (a *Activities) RequestLink(ctx context.Context, in PaymentInput) (PaymentState, error) {
	platform, col, err := a.Ports.Collector(in.Key.Practice, in.Payment.Platform)
	if err != nil {
		return PaymentState{}, classify(err)
	}
	if in.Look || retrying(ctx) {
		p, err := col.FindPayment(ctx, integrations.PaymentQuery{Ref: in.Payment.Ref, CoPay: in.Key.ID(), Since: in.Payment.Since()})
		if err == nil {
			return stateOf(platform, p), nil
		}
		if integrations.KindOf(err) != integrations.KindNotFound {
			return PaymentState{}, classify(err)
		}
	}
	pr, err := a.Practices(in.Key.Practice)
	if err != nil {
		return PaymentState{}, classify(err)
	}
	link, err := a.payLink(ctx, in.Key, pr)
	if err != nil {
		return PaymentState{}, classify(err)
	}
	customer, err := a.cardholder(ctx, platform, in)
	if err != nil {
		return PaymentState{}, classify(err)
	}
	p, err := col.RequestLink(ctx, integrations.LinkRequest{Ref: in.Payment.Ref, CoPay: in.Key.ID(), Practice: in.Key.Practice,
		Amount: in.Payment.Amount, Description: "Payment to " + pr.Name, Customer: customer, SaveMethod: customer != "", ExpiresAt: in.Payment.ExpiresAt,
		SuccessURL: link.url + "/done", CancelURL: link.url, Since: in.Payment.AskedAt})
	if err != nil {
		return PaymentState{}, classify(err)
	}
	out := stateOf(platform, p)
	out.URL = p.URL
	return out, nil
}

// ChargeCard charges the patient's stored card off-session, after checking
// the consent once more at this moment. A decline is a result.
func (a *Activities) ChargeCard(ctx context.Context, in PaymentInput) (PaymentState, error) {
	card, ok, err := a.Store.CardConsent(ctx, in.Key.Practice, in.patient())
	if err != nil {
		return PaymentState{}, classify(err)
	}
	at := in.Payment.Platform
	if at == "" { // it was begun before payments knew it from the start
		at = card.Platform
	}
	moved := ok && card.Platform != at // the patient has another card now, kept elsewhere
	platform, col, err := a.Ports.Collector(in.Key.Practice, at)
	if err != nil {
		return PaymentState{}, classify(err)
	}
	_, vault, err := a.Ports.Stored(in.Key.Practice, platform)
	if err != nil {
		return PaymentState{}, classify(err)
	}
	// An earlier try is looked for even when the consent has gone meanwhile:
	// money that was taken must be known.
	if in.Look || retrying(ctx) {
		q := integrations.PaymentQuery{Ref: in.Payment.Ref, CoPay: in.Key.ID(), Customer: card.Customer, Since: in.Payment.Since()}
		if moved {
			q.Customer = ""
		}
		p, err := col.FindPayment(ctx, q)
		if err == nil {
			return stateOf(platform, p), nil
		}
		if integrations.KindOf(err) != integrations.KindNotFound {
			return PaymentState{}, classify(err)
		}
	}
	if covered, _ := card.Consent.Covers(in.Key.Charge, in.Payment.Amount, a.now()); !ok || !covered || moved {
		return PaymentState{Platform: platform, Status: copay.PaymentFailed, Amount: in.Payment.Amount, Decline: copay.DeclineNoConsent, Final: true}, nil
	}
	pr, err := a.Practices(in.Key.Practice)
	if err != nil {
		return PaymentState{}, classify(err)
	}
	p, err := vault.ChargeStored(ctx, integrations.StoredCharge{Ref: in.Payment.Ref, CoPay: in.Key.ID(), Practice: in.Key.Practice,
		Amount: in.Payment.Amount, Customer: card.Customer, Method: card.Method, Description: "Payment to " + pr.Name, Since: in.Payment.AskedAt})
	if e := integrations.AsError(err); e != nil && e.Kind == integrations.KindDeclined {
		if e.Final { // no later co-pay may announce and try this card again
			if _, err := a.Store.RevokeCardConsent(ctx, in.Key.Practice, in.patient(), a.now()); err != nil {
				activity.GetLogger(ctx).Warn("the consent for a card that must not be tried again still stands", "copay_id", in.Key.ID(), "error", err)
			}
		}
		return PaymentState{Platform: platform, Status: copay.PaymentFailed, Amount: in.Payment.Amount, Decline: e.Code, Final: e.Final}, nil
	}
	if err != nil {
		return PaymentState{}, classify(err)
	}
	return stateOf(platform, p), nil
}

// FetchPayment reads the truth about a payment from the processor.
func (a *Activities) FetchPayment(ctx context.Context, in PaymentInput) (PaymentState, error) {
	platform, col, err := a.Ports.Collector(in.Key.Practice, in.Payment.Platform)
	if err != nil {
		return PaymentState{}, classify(err)
	}
	var p integrations.ProcessorPayment
	if in.Payment.PlatformID != "" {
		p, err = col.Payment(ctx, in.Payment.PlatformID)
	} else {
		p, err = col.FindPayment(ctx, integrations.PaymentQuery{Ref: in.Payment.Ref, CoPay: in.Key.ID(), Since: in.Payment.Since()})
	}
	if err != nil {
		return PaymentState{}, classify(err)
	}
	return stateOf(platform, p), nil
}

// OpenPage returns the address of the hosted page of a request that can still
// be paid, or an empty one. It is read at the moment the patient wants it.
func (a *Activities) OpenPage(ctx context.Context, in PaymentInput) (OpenedPage, error) {
	platform, col, err := a.Ports.Collector(in.Key.Practice, in.Payment.Platform)
	if err != nil {
		return OpenedPage{}, classify(err)
	}
	p, err := col.Payment(ctx, in.Payment.PlatformID)
	if err != nil {
		return OpenedPage{}, classify(err)
	}
	out := OpenedPage{State: stateOf(platform, p)}
	if !p.Status.Final() && (p.ExpiresAt.IsZero() || a.now().Add(time.Minute).Before(p.ExpiresAt)) {
		out.URL = p.URL
	}
	return out, nil
}

// OpenedPage is a hosted page and what the processor says of its payment.
type OpenedPage struct {
	URL   string       `json:"url,omitempty"`
	State PaymentState `json:"state"`
}

// CancelRequest withdraws a request. When the patient was faster, the
// captured payment comes back instead.
func (a *Activities) CancelRequest(ctx context.Context, in PaymentInput) (PaymentState, error) {
	platform, col, err := a.Ports.Collector(in.Key.Practice, in.Payment.Platform)
	if err != nil {
		return PaymentState{}, classify(err)
	}
	id := in.Payment.PlatformID
	if id == "" { // the request may never have been made
		p, err := col.FindPayment(ctx, integrations.PaymentQuery{Ref: in.Payment.Ref, CoPay: in.Key.ID(), Since: in.Payment.Since()})
		if integrations.KindOf(err) == integrations.KindNotFound {
			return PaymentState{Platform: platform, Status: copay.PaymentCancelled, Amount: in.Payment.Amount}, nil
		}
		if err != nil {
			return PaymentState{}, classify(err)
		}
		id = p.PlatformID
	}
	p, err := col.Cancel(ctx, id, in.Payment.Ref)
	if err != nil {
		return PaymentState{}, classify(err)
	}
	return stateOf(platform, p), nil
}

// RefundInput gives money of one payment back.
type RefundInput struct {
	Key     copay.Key     `json:"key"`
	Payment copay.Payment `json:"payment"`
	Refund  copay.Refund  `json:"refund"`
	Look    bool          `json:"look,omitempty"`
}

// Refunded is a refund as the processor has it.
type Refunded struct {
	PlatformID string `json:"platform_id"`
	// Status is pending, succeeded or failed.
	Status string `json:"status"`
}

// RefundPayment gives money back through the processor that took it. Money
// taken by hand is given back by hand and has no call.
func (a *Activities) RefundPayment(ctx context.Context, in RefundInput) (Refunded, error) {
	_, col, err := a.Ports.Collector(in.Key.Practice, in.Payment.Platform)
	if err != nil {
		return Refunded{}, classify(err)
	}
	if in.Look || retrying(ctx) {
		r, err := col.FindRefund(ctx, in.Payment.PlatformID, in.Refund.Ref)
		if err == nil {
			return refunded(in, r)
		}
		if integrations.KindOf(err) != integrations.KindNotFound {
			return Refunded{}, classify(err)
		}
	}
	r, err := col.Refund(ctx, integrations.RefundRequest{Ref: in.Refund.Ref, CoPay: in.Key.ID(),
		PlatformID: in.Payment.PlatformID, Amount: in.Refund.Amount, Reason: "requested_by_customer"})
	if err != nil {
		return Refunded{}, classify(err)
	}
	return refunded(in, r)
}

// refunded is a refund that was made just now or by an earlier attempt. One
// that failed has given nothing back, however often it is found.
func refunded(in RefundInput, r integrations.ProcessorRefund) (Refunded, error) {
	if r.Status == "failed" {
		return Refunded{}, classify(&integrations.Error{Kind: integrations.KindInvalid, Platform: in.Payment.Platform,
			Op: "refund", Message: "the processor could not give the money back; give it back in another way"})
	}
	return Refunded{PlatformID: r.PlatformID, Status: r.Status}, nil
}
