package activities

import (
	"context"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

// OpenInput names the co-pay to open.
type OpenInput struct {
	Key        copay.Key `json:"key"`
	WorkflowID string    `json:"workflow_id"`
	// Rules are those of the workflow's code that begins the run.
	Rules int `json:"rules,omitempty"`
}

// Opened is the lasting record of a co-pay: new, or as it was left.
type Opened struct {
	Created bool         `json:"created"`
	CoPay   *copay.CoPay `json:"copay,omitempty"`
	// Rules are those that were asked with: the history keeps them here.
	Rules int `json:"rules,omitempty"`
}

// Open claims the co-pay's unique row. It outlives the namespace's retention,
// so a charge that was settled long ago is found again instead of collected
// twice.
func (a *Activities) Open(ctx context.Context, in OpenInput) (Opened, error) {
	row, created, err := a.Store.Claim(ctx, in.Key, in.WorkflowID)
	if err != nil {
		return Opened{}, classify(err)
	}
	if created || row.Version == 0 {
		return Opened{Created: created, Rules: in.Rules}, nil
	}
	return Opened{CoPay: &row.CoPay, Rules: in.Rules}, nil
}

// ReadChargeInput names the charge.
type ReadChargeInput struct {
	Key copay.Key `json:"key"`
}

// ChargeRead is what the workflow needs of a charge and its patient.
type ChargeRead struct {
	Facts       copay.ChargeFacts   `json:"facts"`
	Appointment copay.AppointmentID `json:"appointment,omitempty"`
	Patient     copay.PatientRef    `json:"patient"`
	Provider    string              `json:"provider,omitempty"`
	Deleted     bool                `json:"deleted,omitempty"`
	Insured     bool                `json:"insured,omitempty"`
}

// ReadCharge reads the charge and its patient from the EHR. Identity, contact
// and insurance go to the encrypted store; the facts come back.
func (a *Activities) ReadCharge(ctx context.Context, in ReadChargeInput) (ChargeRead, error) {
	src, err := a.Ports.Charges(in.Key.Practice, in.Key.EHR)
	if err != nil {
		return ChargeRead{}, visibly(err)
	}
	ch, err := src.Charge(ctx, in.Key.Charge)
	if err != nil {
		return ChargeRead{}, visibly(err)
	}
	out := ChargeRead{Facts: ch.Facts, Appointment: ch.Appointment, Patient: ch.Patient, Provider: ch.Provider, Deleted: ch.Deleted}
	if ch.Deleted {
		return out, nil
	}
	cov, err := a.Ports.Coverage(in.Key.Practice, in.Key.EHR)
	if err != nil {
		return ChargeRead{}, visibly(err)
	}
	pat, err := cov.Patient(ctx, ch.Patient, ch.Appointment)
	if err != nil {
		return ChargeRead{}, visibly(err)
	}
	if err := a.Store.PutPatient(ctx, in.Key.Practice, in.Key.ID(), pat); err != nil {
		return ChargeRead{}, visibly(err)
	}
	if err := a.agree(ctx, in.Key, pat); err != nil {
		return ChargeRead{}, visibly(err)
	}
	out.Facts.SelfPay = out.Facts.SelfPay || pat.SelfPay
	if out.Facts.EHRCoPay == nil {
		out.Facts.EHRCoPay = pat.EHRCoPay
	}
	out.Insured = len(pat.Insurance) > 0
	return out, nil
}

// agree keeps the consent that patients give with their addresses when they
// register, where the practice's form says so. It never lifts a STOP.
func (a *Activities) agree(ctx context.Context, key copay.Key, pat integrations.Patient) error {
	pr, err := a.Practices(key.Practice)
	if err != nil || pr.ConsentVersion == "" {
		return err
	}
	reach, err := a.Store.Reach(ctx, key.Practice, key.ID())
	if err != nil {
		return err
	}
	for _, r := range reach {
		if r.Consent || !r.Usable {
			continue
		}
		address := pat.Phone
		if r.Channel == copay.ChannelEmail {
			address = pat.Email
		}
		if _, err := a.Store.RecordConsent(ctx, key.Practice, ledger.Consent{Channel: r.Channel, Address: address, Source: pr.ConsentSource,
			TextVersion: pr.ConsentVersion, At: a.now()}); err != nil {
			return err
		}
	}
	return nil
}

// primary is the first policy of a patient.
func primary(p integrations.Patient) (integrations.Insurance, bool) {
	if len(p.Insurance) == 0 {
		return integrations.Insurance{}, false
	}
	return p.Insurance[0], true
}
