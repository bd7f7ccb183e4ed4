package api

import (
	"context"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/internal/tracing"
	"github.com/copayflow/copayflow/ledger"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
	"github.com/copayflow/copayflow/workflows"
)

// staffRequest is what every staff act's request carries.
type staffRequest interface {
	ofCoPay
	GetRequestId() string
	GetReason() string
}

// act carries a staff act to the co-pay's workflow and answers with the co-pay
// after it. Only a co-pay that exists is acted on, so that a mistyped id never
// starts one.
func (s *service) act(ctx context.Context, req staffRequest, name string, in any) (*copayv1.CoPay, error) {
	row, err := s.find(ctx, req)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.actWait)
	defer cancel()
	var now copay.CoPay
	if err := s.flows.Update(ctx, row.CoPay.Key, origin(ctx), name, req.GetRequestId(), &now, in); err != nil {
		return nil, err
	}
	return copayOut(now), nil
}

// by is the part that all acts have in common.
func by(ctx context.Context, req staffRequest) workflows.Act {
	return workflows.Act{Actor: caller(ctx), Reason: req.GetReason(), Key: req.GetRequestId(), Trace: tracing.ID(ctx)}
}

// OverrideAmount replaces the amount the patient is asked for.
func (s copayService) OverrideAmount(ctx context.Context, req *copayv1.OverrideAmountRequest) (*copayv1.OverrideAmountResponse, error) {
	c, err := s.act(ctx, req, workflows.UpdateOverrideAmount, workflows.OverrideAmount{Act: by(ctx, req), Amount: moneyIn(req.GetAmount())})
	return &copayv1.OverrideAmountResponse{Copay: c}, err
}

// WaiveCoPay gives the amount up.
func (s copayService) WaiveCoPay(ctx context.Context, req *copayv1.WaiveCoPayRequest) (*copayv1.WaiveCoPayResponse, error) {
	c, err := s.act(ctx, req, workflows.UpdateWaive, workflows.Waive{Act: by(ctx, req)})
	return &copayv1.WaiveCoPayResponse{Copay: c}, err
}

// RecordManualPayment records money taken at the desk.
func (s copayService) RecordManualPayment(ctx context.Context, req *copayv1.RecordManualPaymentRequest) (*copayv1.RecordManualPaymentResponse, error) {
	received, err := s.takenOn(req.GetReceived())
	if err != nil {
		return nil, err
	}
	c, err := s.act(ctx, req, workflows.UpdateRecordPayment, workflows.RecordPayment{Act: by(ctx, req), Rail: railIn(req.GetRail()),
		Amount: moneyIn(req.GetAmount()), Received: received, Number: req.GetNumber()})
	return &copayv1.RecordManualPaymentResponse{Copay: c}, err
}

// takenOn reads the day on which money was taken at the desk, which the EHR is
// told. It is one of the last year; tomorrow is let through, where it may have
// begun already.
func (s *service) takenOn(text string) (copay.Date, error) {
	day, err := dateIn("received", text)
	if err != nil || day == "" {
		return day, err
	}
	now := s.now().UTC()
	if day > copay.DateOf(now.AddDate(0, 0, 1)) || day < copay.DateOf(now.AddDate(-1, 0, 0)) {
		return "", copay.Errorf(copay.CodeInvalid, "received", "money cannot have been taken on %s: give a day of the last year, or none for today", day)
	}
	return day, nil
}

// ResendRequest sends the request again.
func (s copayService) ResendRequest(ctx context.Context, req *copayv1.ResendRequestRequest) (*copayv1.ResendRequestResponse, error) {
	if req.GetNewLink() {
		if err := s.endLinks(ctx, req); err != nil {
			return nil, err
		}
	}
	c, err := s.act(ctx, req, workflows.UpdateResend, workflows.Resend{Act: by(ctx, req), NewLink: req.GetNewLink()})
	return &copayv1.ResendRequestResponse{Copay: c}, err
}

// endLinks ends the co-pay's payment links at once, whether or not a new one
// can be sent just now.
func (s copayService) endLinks(ctx context.Context, req *copayv1.ResendRequestRequest) error {
	if _, err := s.find(ctx, req); err != nil {
		return err
	}
	practice, id := copay.PracticeID(req.GetPracticeId()), copay.ID(req.GetCopayId())
	done := &copayv1.ResendRequestResponse{}
	_, err := once(ctx, s.service, practice, "links:"+req.GetRequestId(), req, done, func() error {
		n, err := s.store.RevokePayLinks(ctx, practice, id)
		if err != nil || n == 0 {
			return err
		}
		return s.store.AppendAudit(ctx, ledger.AuditEntry{Practice: practice, CoPay: id, Actor: caller(ctx), Action: "pay_link.revoked", Reason: req.GetReason()})
	})
	return err
}

// PauseReminders stops reminders.
func (s copayService) PauseReminders(ctx context.Context, req *copayv1.PauseRemindersRequest) (*copayv1.PauseRemindersResponse, error) {
	c, err := s.act(ctx, req, workflows.UpdatePauseReminders, workflows.PauseReminders{Act: by(ctx, req)})
	return &copayv1.PauseRemindersResponse{Copay: c}, err
}

// ResumeReminders takes a pause back.
func (s copayService) ResumeReminders(ctx context.Context, req *copayv1.ResumeRemindersRequest) (*copayv1.ResumeRemindersResponse, error) {
	c, err := s.act(ctx, req, workflows.UpdateResumeReminders, workflows.ResumeReminders{Act: by(ctx, req)})
	return &copayv1.ResumeRemindersResponse{Copay: c}, err
}

// ChangeRail asks for the money in another way.
func (s copayService) ChangeRail(ctx context.Context, req *copayv1.ChangeRailRequest) (*copayv1.ChangeRailResponse, error) {
	c, err := s.act(ctx, req, workflows.UpdateChangeRail, workflows.ChangeRail{Act: by(ctx, req), Rail: railIn(req.GetRail())})
	return &copayv1.ChangeRailResponse{Copay: c}, err
}

// CancelCoPay withdraws the co-pay.
func (s copayService) CancelCoPay(ctx context.Context, req *copayv1.CancelCoPayRequest) (*copayv1.CancelCoPayResponse, error) {
	c, err := s.act(ctx, req, workflows.UpdateCancel, workflows.Cancel{Act: by(ctx, req)})
	return &copayv1.CancelCoPayResponse{Copay: c}, err
}

// RefundPayment gives collected money back.
func (s copayService) RefundPayment(ctx context.Context, req *copayv1.RefundPaymentRequest) (*copayv1.RefundPaymentResponse, error) {
	c, err := s.act(ctx, req, workflows.UpdateRefund, workflows.Refund{Act: by(ctx, req), Payment: copay.PaymentID(req.GetPaymentId()), Amount: moneyIn(req.GetAmount())})
	return &copayv1.RefundPaymentResponse{Copay: c}, err
}

// ApproveRefund is a second person's decision.
func (s copayService) ApproveRefund(ctx context.Context, req *copayv1.ApproveRefundRequest) (*copayv1.ApproveRefundResponse, error) {
	c, err := s.act(ctx, req, workflows.UpdateApproveRefund, workflows.ApproveRefund{Act: by(ctx, req), Refund: copay.RefundID(req.GetRefundId()), Approve: req.GetApprove()})
	return &copayv1.ApproveRefundResponse{Copay: c}, err
}

// ResolveReview answers the open review.
func (s copayService) ResolveReview(ctx context.Context, req *copayv1.ResolveReviewRequest) (*copayv1.ResolveReviewResponse, error) {
	if err := mayResolve(caller(ctx), choiceIn(req.GetChoice())); err != nil {
		return nil, err
	}
	in := workflows.ResolveReview{Act: by(ctx, req), Choice: choiceIn(req.GetChoice())}
	if req.GetAmount() != nil {
		m := moneyIn(req.GetAmount())
		in.Amount = &m
	}
	c, err := s.act(ctx, req, workflows.UpdateResolveReview, in)
	return &copayv1.ResolveReviewResponse{Copay: c}, err
}

// mayResolve keeps the front desk from doing by way of a review what it may
// not do directly.
func mayResolve(who copay.Actor, c copay.Choice) error {
	switch c {
	case copay.ChoiceRetry, copay.ChoiceSelfPay:
		return nil
	}
	if !who.Has(copay.RoleBiller, copay.RoleAdmin) {
		return copay.Errorf(copay.CodePermission, "choice", "the choice %q takes a biller or an admin", c)
	}
	return nil
}

// AddNote keeps a remark.
func (s copayService) AddNote(ctx context.Context, req *copayv1.AddNoteRequest) (*copayv1.AddNoteResponse, error) {
	c, err := s.act(ctx, req, workflows.UpdateAddNote, workflows.AddNote{Act: by(ctx, req), Text: req.GetText()})
	return &copayv1.AddNoteResponse{Copay: c}, err
}
