package copay

import (
	"slices"
	"time"
)

// ChargeFacts is what an estimate needs to know of the charge.
type ChargeFacts struct {
	Billed      Money       `json:"billed"`
	Allowed     Money       `json:"allowed,omitzero"` // contracted amount, where the EHR's fee schedule gives it
	Service     ServiceType `json:"service"`
	ServiceDate Date        `json:"service_date"`
	Specialist  *bool       `json:"specialist,omitempty"` // nil: not known
	Network     Network     `json:"network,omitempty"`
	SelfPay     bool        `json:"self_pay,omitempty"`
	Preventive  bool        `json:"preventive,omitempty"`
	// EHRCoPay is the co-pay that staff entered in the EHR, when there is one.
	EHRCoPay *Money `json:"ehr_copay,omitempty"`
	// EHRBalance is what the EHR says the patient owes for the charge.
	EHRBalance *Money `json:"ehr_balance,omitempty"`
}

// EstimateKind says what sort of answer an estimate is. The kind, not the
// amount, decides whether a request may ever be made.
type EstimateKind string

// The kinds of estimate.
const (
	EstimateOwed       EstimateKind = "copay"        // the patient owes Amount
	EstimateSelfPay    EstimateKind = "self_pay"     // no insurance: the charge itself
	EstimateNothing    EstimateKind = "nothing_due"  // cost sharing works out to zero
	EstimateZeroByRule EstimateKind = "zero_by_rule" // the patient must not be billed
	EstimateUnknown    EstimateKind = "unknown"      // nothing to go by: a person decides
)

// Reason is one line of an estimate's reasoning.
type Reason struct {
	Text   string `json:"text"`
	Amount *Money `json:"amount,omitempty"`
	Source string `json:"source"` // "271 EB*B …", "EHR co-pay field", "practice policy", "42 CFR 447.15"
}

// Estimate is what the patient is expected to owe, and why.
type Estimate struct {
	Kind       EstimateKind `json:"kind"`
	Amount     Money        `json:"amount"`
	Confidence int          `json:"confidence"` // 0 to 100
	Reasons    []Reason     `json:"reasons"`
	// Rule names the rule that forbids billing when Kind is zero_by_rule.
	Rule string    `json:"rule,omitempty"`
	At   time.Time `json:"at,omitzero"`
	// Flat says that the amount is a co-pay, owed once a visit and service, and
	// not a share of this charge.
	Flat bool `json:"flat,omitempty"`
}

// AskedBy is the estimate of a charge whose visit's co-pay another co-pay asks
// for: nothing to be asked without a person's look.
func (e Estimate) AskedBy(other ID) Estimate {
	e.Confidence = 0
	e.Reasons = append(slices.Clip(e.Reasons), Reason{Text: "co-pay " + string(other) + " asks for the same service of the same visit", Source: "copayflow"})
	return e
}

// Comparable reports whether the payer's remittance tells how good the estimate
// was: it has to come from coverage, and to be for this charge and not for a
// co-pay of the visit that another charge asks for (AskedBy).
func (e Estimate) Comparable() bool {
	elsewhere := e.Flat && e.Confidence == 0
	return e.Kind != EstimateSelfPay && e.Kind != EstimateUnknown && !elsewhere
}

// Billable reports whether a request for this estimate may be made at all.
func (e Estimate) Billable() bool {
	return (e.Kind == EstimateOwed || e.Kind == EstimateSelfPay) && e.Amount.IsPositive()
}
