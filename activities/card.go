package activities

import (
	"context"
	"slices"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

func (in PaymentInput) patient() copay.PatientKey {
	return copay.PatientKey{EHR: in.Key.EHR, Ref: in.Patient}
}

// cardholder is the platform's customer under whom a page keeps the card, or
// empty when it is not to be kept or the platform keeps none.
func (a *Activities) cardholder(ctx context.Context, platform copay.Platform, in PaymentInput) (string, error) {
	if in.Payment.Keep == nil || in.Patient == "" {
		return "", nil
	}
	_, vault, err := a.Ports.Stored(in.Key.Practice, platform)
	if err != nil {
		return "", nil // the page is paid all the same
	}
	alias, err := a.Store.PatientAlias(ctx, in.Key.Practice, in.patient())
	if err != nil {
		return "", err
	}
	return vault.EnsureCustomer(ctx, in.Key.Practice, alias)
}

// KeptCard is the card that a patient's consent now covers.
type KeptCard struct {
	Brand string `json:"brand,omitempty"`
	Last4 string `json:"last4,omitempty"`
	// WhyNot says why no card was kept; no PHI.
	WhyNot string `json:"why_not,omitempty"`
}

// KeepCard records the patient's consent for the card that a captured payment
// was made with. What the patient decided later stands.
func (a *Activities) KeepCard(ctx context.Context, in PaymentInput) (KeptCard, error) {
	platform, col, err := a.Ports.Collector(in.Key.Practice, in.Payment.Platform)
	if err != nil {
		return KeptCard{}, classify(err)
	}
	_, vault, err := a.Ports.Stored(in.Key.Practice, platform)
	if err != nil {
		return KeptCard{WhyNot: "the processor keeps no cards"}, nil
	}
	p, err := col.Payment(ctx, in.Payment.PlatformID)
	if err != nil {
		return KeptCard{}, classify(err)
	}
	if in.Payment.Keep == nil || p.Customer == "" || p.StoredID == "" {
		return KeptCard{WhyNot: "the processor kept no card"}, nil
	}
	methods, err := vault.StoredMethods(ctx, p.Customer)
	if err != nil {
		return KeptCard{}, classify(err)
	}
	at := slices.IndexFunc(methods, func(m integrations.StoredMethod) bool { return m.ID == p.StoredID })
	if at < 0 { // a bank account, or taken out again meanwhile
		return KeptCard{WhyNot: "the processor kept no card"}, nil
	}
	m := methods[at]
	err = a.Store.PutCardConsent(ctx, in.Key.Practice, in.patient(), ledger.CardOnFile{Platform: platform, Customer: p.Customer, Method: m.ID,
		Brand: m.Brand, Last4: m.Last4, ExpMonth: m.ExpMonth, ExpYear: m.ExpYear, Consent: *in.Payment.Keep})
	switch {
	case copay.CodeOf(err) == copay.CodeConflict:
		return KeptCard{WhyNot: "the patient has decided anew since"}, nil
	case err != nil:
		return KeptCard{}, classify(err)
	}
	return KeptCard{Brand: m.Brand, Last4: m.Last4}, nil
}
