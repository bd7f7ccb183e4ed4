package api

import (
	"context"
	"slices"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
	"github.com/copayflow/copayflow/workflows"
)

type consentService struct {
	copayv1.UnimplementedConsentServiceServer
	*service
}

// RecordCardConsent records that a patient agreed to have a stored card
// charged. Which cards there are, only the processor says.
func (s consentService) RecordCardConsent(ctx context.Context, req *copayv1.RecordCardConsentRequest) (*copayv1.RecordCardConsentResponse, error) {
	practice := copay.PracticeID(req.GetPracticeId())
	now := s.now()
	if t := req.GetUntil(); t != nil && !t.AsTime().After(now) {
		return nil, copay.Errorf(copay.CodeInvalid, "until", "the consent would have ended already")
	}
	patient, err := s.cardholder(practice, req.GetEhr(), req.GetPatientRef())
	if err != nil {
		return nil, err
	}
	out := &copayv1.RecordCardConsentResponse{}
	return once(ctx, s.service, practice, req.GetRequestId(), req, out, func() error {
		card, err := s.storedCard(ctx, req, patient)
		if err != nil {
			return err
		}
		card.Consent = copay.CardConsent{Scope: copay.ConsentScope(fromEnum(copayv1.ConsentScope_name, "CONSENT_SCOPE_", int32(req.GetScope()))),
			Cap: moneyIn(req.GetCap()), Until: timeIn(req.GetUntil()), Charge: copay.ChargeID(req.GetChargeId()), TextVersion: req.GetTextVersion(),
			GivenAt: now, RecordedBy: caller(ctx).ID}
		if err := s.store.PutCardConsent(ctx, practice, patient, card); err != nil {
			return err
		}
		out.Brand, out.Last4, out.Platform = card.Brand, card.Last4, string(card.Platform)
		return s.audit(ctx, practice, "card_consent.recorded", req.GetReason(), map[string]string{"scope": string(card.Consent.Scope),
			"cap": card.Consent.Cap.String(), "text_version": card.Consent.TextVersion, "platform": string(card.Platform)})
	})
}

// cardholder is the patient meant; the EHR need not be named where there is one.
func (s *service) cardholder(practice copay.PracticeID, ehr, ref string) (copay.PatientKey, error) {
	p, err := s.flows.Practice(practice)
	if err != nil {
		return copay.PatientKey{}, err
	}
	switch {
	case ehr == "" && len(p.EHRs) == 1:
		ehr = string(p.EHRs[0])
	case ehr == "":
		return copay.PatientKey{}, copay.Errorf(copay.CodeInvalid, "ehr", "practice %s has several EHRs: say whose patient this is, one of %v", practice, p.EHRs)
	case !slices.Contains(p.EHRs, copay.Platform(ehr)):
		return copay.PatientKey{}, copay.Errorf(copay.CodeInvalid, "ehr", "practice %s has no EHR %q, only %v", practice, ehr, p.EHRs)
	}
	return copay.PatientKey{EHR: copay.Platform(ehr), Ref: copay.PatientRef(ref)}, nil
}

// storedCard finds the patient's card at the processor.
func (s consentService) storedCard(ctx context.Context, req *copayv1.RecordCardConsentRequest, patient copay.PatientKey) (ledger.CardOnFile, error) {
	practice := copay.PracticeID(req.GetPracticeId())
	processors, err := integrations.Get[integrations.StoredCollector](s.directory, practice, workflows.PortCollect)
	if err != nil {
		return ledger.CardOnFile{}, err
	}
	at := 0
	if req.GetPlatform() != "" {
		at = slices.IndexFunc(processors, func(n integrations.Named[integrations.StoredCollector]) bool {
			return string(n.Platform) == req.GetPlatform()
		})
		if at < 0 {
			return ledger.CardOnFile{}, copay.Errorf(copay.CodeInvalid, "platform", "practice %s stores no cards at %q", practice, req.GetPlatform())
		}
	}
	p := processors[at]
	alias, err := s.store.PatientAlias(ctx, practice, patient)
	if err != nil {
		return ledger.CardOnFile{}, err
	}
	customer, err := p.Port.EnsureCustomer(ctx, practice, alias)
	if err != nil {
		return ledger.CardOnFile{}, err
	}
	methods, err := p.Port.StoredMethods(ctx, customer)
	if err != nil {
		return ledger.CardOnFile{}, err
	}
	for _, m := range methods { // newest first
		if req.GetMethodId() == "" || m.ID == req.GetMethodId() {
			return ledger.CardOnFile{Platform: p.Platform, Customer: customer, Method: m.ID, Brand: m.Brand, Last4: m.Last4, ExpMonth: m.ExpMonth, ExpYear: m.ExpYear}, nil
		}
	}
	return ledger.CardOnFile{}, copay.Errorf(copay.CodePrecondition, "method_id",
		"the patient has no such card stored at %s; they keep one by ticking so when they pay by link", p.Platform)
}

// RevokeCardConsent takes the consent back at once. Co-pays that would have
// told the patient of a charge "as you agreed" ask by link instead.
func (s consentService) RevokeCardConsent(ctx context.Context, req *copayv1.RevokeCardConsentRequest) (*copayv1.RevokeCardConsentResponse, error) {
	practice := copay.PracticeID(req.GetPracticeId())
	patient, err := s.cardholder(practice, req.GetEhr(), req.GetPatientRef())
	if err != nil {
		return nil, err
	}
	out := &copayv1.RevokeCardConsentResponse{}
	return once(ctx, s.service, practice, req.GetRequestId(), req, out, func() (err error) {
		if out.Revoked, err = s.store.RevokeCardConsent(ctx, practice, patient, s.now()); err != nil {
			return err
		}
		if err := s.audit(ctx, practice, "card_consent.revoked", req.GetReason(), nil); err != nil {
			return err
		}
		out.Copays, err = s.askByLink(ctx, req, patient)
		return err
	})
}

// askByLink changes the rail of the patient's co-pays that wait for the stored
// card to be charged, and counts them. One that has gone on meanwhile is left:
// the consent is read again before each charge.
func (s consentService) askByLink(ctx context.Context, req *copayv1.RevokeCardConsentRequest, patient copay.PatientKey) (n int32, err error) {
	f := ledger.Filter{EHR: patient.EHR, Patient: patient.Ref, Rail: copay.RailCard, States: []copay.State{copay.StateRequesting, copay.StateAwaitingPayment}}
	in := workflows.ChangeRail{Act: workflows.Act{Actor: caller(ctx), Reason: req.GetReason(), Key: req.GetRequestId()}, Rail: copay.RailLink}
	for page := ledger.PageToken(""); ; {
		rows, next, err := s.store.ListCoPays(ctx, copay.PracticeID(req.GetPracticeId()), f, page, 100)
		if err != nil {
			return n, err
		}
		for _, row := range rows {
			var now copay.CoPay
			err := s.flows.Update(ctx, row.CoPay.Key, origin(ctx), workflows.UpdateChangeRail, req.GetRequestId(), &now, in)
			if e := refusalOf(err); e != nil && e.Code == copay.CodePrecondition {
				continue
			}
			if err != nil {
				return n, err
			}
			n++
		}
		if page = next; next == "" {
			return n, nil
		}
	}
}

// GetMessageConsents explains which channels a co-pay's patient is written to on.
func (s consentService) GetMessageConsents(ctx context.Context, req *copayv1.GetMessageConsentsRequest) (*copayv1.GetMessageConsentsResponse, error) {
	list, err := s.store.Consents(ctx, copay.PracticeID(req.GetPracticeId()), copay.ID(req.GetCopayId()))
	if err != nil {
		return nil, named(req, err)
	}
	out := &copayv1.GetMessageConsentsResponse{}
	for _, c := range list {
		out.Consents = append(out.Consents, &copayv1.MessageConsent{Channel: channelOut(c.Channel), Allowed: c.Allowed, HasAddress: c.HasAddress, RefusedInEhr: c.Refused,
			GivenAt: timeOut(c.GivenAt), Source: c.Source, TextVersion: c.TextVersion, RevokedAt: timeOut(c.RevokedAt), RevokedBy: c.RevokedBy,
			RestoredAt: timeOut(c.RestoredAt), BadAt: timeOut(c.BadAt), BadCode: c.BadCode})
	}
	return out, nil
}

// RecordMessageConsent records that a patient agreed to payment messages, and
// lets co-pays that waited for it decide again.
func (s consentService) RecordMessageConsent(ctx context.Context, req *copayv1.RecordMessageConsentRequest) (*copayv1.RecordMessageConsentResponse, error) {
	practice, channel := copay.PracticeID(req.GetPracticeId()), channelIn(req.GetChannel())
	out := &copayv1.RecordMessageConsentResponse{}
	return once(ctx, s.service, practice, req.GetRequestId(), req, out, func() (err error) {
		out.Effective, err = s.store.RecordConsent(ctx, practice, ledger.Consent{Channel: channel, Address: req.GetAddress(), Source: req.GetSource(),
			TextVersion: req.GetTextVersion(), At: s.now(), Anew: true})
		if err != nil {
			return err
		}
		if err := s.audit(ctx, practice, "message_consent.recorded", req.GetReason(), map[string]string{"channel": string(channel), "source": req.GetSource(),
			"text_version": req.GetTextVersion()}); err != nil {
			return err
		}
		ids, err := s.store.CopaysByAddress(ctx, practice, channel, req.GetAddress())
		if err != nil {
			return err
		}
		return s.recheck(ctx, practice, ids)
	})
}

// RevokeMessageConsent takes the consent back at once, for all co-pays.
func (s consentService) RevokeMessageConsent(ctx context.Context, req *copayv1.RevokeMessageConsentRequest) (*copayv1.RevokeMessageConsentResponse, error) {
	practice, channel := copay.PracticeID(req.GetPracticeId()), channelIn(req.GetChannel())
	scope := ledger.OptOutChannel
	if req.GetEverywhere() {
		scope = ledger.OptOutAll
	}
	out := &copayv1.RevokeMessageConsentResponse{}
	return once(ctx, s.service, practice, req.GetRequestId(), req, out, func() error {
		ids, err := s.store.Revoke(ctx, practice, channel, req.GetAddress(), scope, ledger.ByStaff, s.now())
		if err != nil {
			return err
		}
		out.Copays = int32(len(ids))
		if err := s.audit(ctx, practice, "message_consent.revoked", req.GetReason(), map[string]string{"channel": string(channel), "scope": string(scope)}); err != nil {
			return err
		}
		return s.recheck(ctx, practice, ids)
	})
}

// recheck lets co-pays decide again.
func (s *service) recheck(ctx context.Context, practice copay.PracticeID, ids []copay.ID) error {
	for _, id := range ids {
		row, err := s.store.CoPay(ctx, practice, id)
		if err != nil {
			return err
		}
		if err := s.flows.Recheck(ctx, row.CoPay.Key); err != nil {
			return err
		}
	}
	return nil
}

// audit keeps a decision that no co-pay's history holds. It names no patient.
func (s *service) audit(ctx context.Context, practice copay.PracticeID, action, reason string, detail map[string]string) error {
	return s.store.AppendAudit(ctx, ledger.AuditEntry{Practice: practice, Actor: caller(ctx), Action: action, Reason: reason, Detail: detail})
}
