package api

import (
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// The names of the contract's enum values are the domain's in upper case
// behind a prefix; a test holds the two lists together. What the contract does
// not know becomes unspecified.

func toEnum[E ~int32](values map[string]int32, prefix, name string) E {
	return E(values[prefix+strings.ToUpper(name)])
}

func fromEnum(names map[int32]string, prefix string, v int32) string {
	if v == 0 {
		return ""
	}
	return strings.ToLower(strings.TrimPrefix(names[v], prefix))
}

func stateOut(s copay.State) copayv1.State {
	return toEnum[copayv1.State](copayv1.State_value, "STATE_", string(s))
}
func railOut(r copay.Rail) copayv1.Rail {
	return toEnum[copayv1.Rail](copayv1.Rail_value, "RAIL_", string(r))
}
func reviewOut(k copay.ReviewKind) copayv1.ReviewKind {
	return toEnum[copayv1.ReviewKind](copayv1.ReviewKind_value, "REVIEW_KIND_", string(k))
}
func choiceOut(c copay.Choice) copayv1.Choice {
	return toEnum[copayv1.Choice](copayv1.Choice_value, "CHOICE_", string(c))
}
func stateIn(s copayv1.State) copay.State {
	return copay.State(fromEnum(copayv1.State_name, "STATE_", int32(s)))
}
func railIn(r copayv1.Rail) copay.Rail {
	return copay.Rail(fromEnum(copayv1.Rail_name, "RAIL_", int32(r)))
}
func reviewIn(k copayv1.ReviewKind) copay.ReviewKind {
	return copay.ReviewKind(fromEnum(copayv1.ReviewKind_name, "REVIEW_KIND_", int32(k)))
}
func choiceIn(c copayv1.Choice) copay.Choice {
	return copay.Choice(fromEnum(copayv1.Choice_name, "CHOICE_", int32(c)))
}
func channelOut(c copay.Channel) copayv1.Channel {
	return toEnum[copayv1.Channel](copayv1.Channel_value, "CHANNEL_", string(c))
}
func channelIn(c copayv1.Channel) copay.Channel {
	return copay.Channel(fromEnum(copayv1.Channel_name, "CHANNEL_", int32(c)))
}

func moneyOut(m copay.Money) *copayv1.Money {
	if m.Currency == "" && m.IsZero() {
		return nil
	}
	return &copayv1.Money{Minor: m.Minor, Currency: string(m.Currency)}
}

func moneyIn(m *copayv1.Money) copay.Money {
	return copay.Money{Minor: m.GetMinor(), Currency: copay.Currency(m.GetCurrency())}
}

func timeOut(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func timeIn(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

// dateIn checks that an optional date is a day that exists.
func dateIn(field, s string) (copay.Date, error) {
	if s == "" {
		return "", nil
	}
	d, err := copay.ParseDate(s)
	if err != nil {
		return "", copay.Errorf(copay.CodeInvalid, field, "there is no such day; a date looks like 2026-11-24")
	}
	return d, nil
}

func actorOut(a copay.Actor) *copayv1.Actor { return &copayv1.Actor{Id: a.ID, Kind: a.Kind} }

func rowOut(r ledger.CoPayRow) *copayv1.CoPay {
	out := copayOut(r.CoPay)
	out.Version = r.Version
	if out.UpdatedAt == nil {
		out.UpdatedAt = timeOut(r.UpdatedAt)
	}
	return out
}

func copayOut(c copay.CoPay) *copayv1.CoPay {
	out := &copayv1.CoPay{
		Id: string(c.ID), PracticeId: string(c.Key.Practice), Ehr: string(c.Key.EHR), ChargeId: string(c.Key.Charge),
		AppointmentId: string(c.Appointment), PatientRef: string(c.Patient), ProviderId: c.Provider, ServiceDate: string(c.ServiceDate),
		ServiceType: string(c.Service), State: stateOut(c.State), Amounts: amountsOut(c.Amounts), Rail: railOut(c.Rail), Estimate: estimateOut(c.Estimate),
		Review: openReview(c.Review), RemindersPaused: c.Paused, Overridden: c.Override, ChargeAt: timeOut(c.ChargeAt), RequestedAt: timeOut(c.RequestedAt),
		NextAction: c.NextAction, NextActionAt: timeOut(c.NextActionAt), StartedAt: timeOut(c.StartedAt), UpdatedAt: timeOut(c.UpdatedAt),
		Version: c.Counters.Version, WorkflowId: c.Key.WorkflowID(),
	}
	for _, p := range c.Payments {
		out.Payments = append(out.Payments, paymentOut(p))
	}
	for _, r := range c.Refunds {
		out.Refunds = append(out.Refunds, &copayv1.Refund{Id: string(r.ID), Ref: string(r.Ref), PaymentId: string(r.Payment), Amount: moneyOut(r.Amount),
			Reason: r.Reason, RequestedBy: r.RequestedBy, DecidedBy: r.ApprovedBy,
			Status: toEnum[copayv1.RefundStatus](copayv1.RefundStatus_value, "REFUND_STATUS_", string(r.Status))})
	}
	for _, m := range c.Reminders {
		out.Messages = append(out.Messages, &copayv1.SentMessage{At: timeOut(m.At), Round: int32(m.Round), Unconfirmed: m.Unconfirmed,
			Channel:  toEnum[copayv1.Channel](copayv1.Channel_value, "CHANNEL_", string(m.Channel)),
			Template: toEnum[copayv1.MessageTemplate](copayv1.MessageTemplate_value, "MESSAGE_TEMPLATE_", string(m.Template))})
	}
	return out
}

func amountsOut(a copay.Amounts) *copayv1.Amounts {
	return &copayv1.Amounts{Billed: moneyOut(a.Billed), Estimated: moneyOut(a.Estimated), Requested: moneyOut(a.Requested), Collected: moneyOut(a.Collected),
		Refunded: moneyOut(a.Refunded), Adjudicated: moneyOut(a.Adjudicated), Outstanding: moneyOut(a.Outstanding())}
}

func estimateOut(e *copay.Estimate) *copayv1.Estimate {
	if e == nil {
		return nil
	}
	out := &copayv1.Estimate{Amount: moneyOut(e.Amount), Confidence: int32(e.Confidence), Rule: e.Rule, At: timeOut(e.At),
		Kind: toEnum[copayv1.EstimateKind](copayv1.EstimateKind_value, "ESTIMATE_KIND_", string(e.Kind))}
	for _, r := range e.Reasons {
		line := &copayv1.EstimateReason{Text: r.Text, Source: r.Source}
		if r.Amount != nil {
			line.Amount = moneyOut(*r.Amount)
		}
		out.Reasons = append(out.Reasons, line)
	}
	return out
}

func paymentOut(p copay.Payment) *copayv1.Payment {
	return &copayv1.Payment{Id: string(p.ID), Ref: string(p.Ref), Rail: railOut(p.Rail), Platform: string(p.Platform), PlatformId: p.PlatformID,
		Amount: moneyOut(p.Amount), Refunded: moneyOut(p.Refunded), Status: toEnum[copayv1.PaymentStatus](copayv1.PaymentStatus_value, "PAYMENT_STATUS_", string(p.Status)),
		Decline: p.Decline, ExpiresAt: timeOut(p.ExpiresAt), CapturedAt: timeOut(p.CapturedAt), PostedId: p.PostedID, InvoiceId: p.InvoiceID,
		BookedId: p.BookedID, Received: string(p.Received), Number: p.Number}
}

func openReview(r *copay.Review) *copayv1.Review {
	if r == nil {
		return nil
	}
	out := &copayv1.Review{Kind: reviewOut(r.Kind), Message: r.Message, Since: timeOut(r.Since), PaymentId: string(r.Payment), RefundId: string(r.Refund)}
	for _, c := range r.Choices {
		out.Choices = append(out.Choices, choiceOut(c))
	}
	if r.Amount != nil {
		out.Amount = moneyOut(*r.Amount)
	}
	return out
}
