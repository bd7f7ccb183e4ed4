package copay

import "time"

// DeclineNoConsent is our own decline code of a stored card that was not
// charged, because the patient's consent did not cover it at that moment.
const DeclineNoConsent = "no_consent"

// CardConsent is a patient's stored agreement to charge a card on file.
type CardConsent struct {
	Scope       ConsentScope `json:"scope"`
	Cap         Money        `json:"cap"`                   // most that may be taken per charge
	Until       time.Time    `json:"until,omitzero"`        // for ScopeUntil
	Charge      ChargeID     `json:"charge,omitempty"`      // for ScopeVisit
	TextVersion string       `json:"text_version"`          // wording the patient agreed to
	GivenAt     time.Time    `json:"given_at"`              // when
	RecordedBy  string       `json:"recorded_by,omitempty"` // staff id, or "patient"
}

// ConsentScope is what a card consent covers.
type ConsentScope string

// The scopes.
const (
	ScopeVisit ConsentScope = "visit" // this charge only
	ScopeUntil ConsentScope = "until" // any co-pay of the practice until a date
)

// Covers reports whether amount may be charged for charge at now, and when
// not, why not (for staff, no PHI).
func (c CardConsent) Covers(charge ChargeID, amount Money, now time.Time) (bool, string) {
	if c.TextVersion == "" || c.GivenAt.IsZero() || c.GivenAt.After(now) {
		return false, "no consent on record"
	}
	switch c.Scope {
	case ScopeVisit:
		if c.Charge != charge {
			return false, "the consent is for another visit"
		}
	case ScopeUntil:
		if !now.Before(c.Until) {
			return false, "the consent has ended"
		}
	default:
		return false, "the consent has no scope"
	}
	if over, err := amount.Cmp(c.Cap); err != nil || over > 0 {
		return false, "the amount is above what the patient agreed to"
	}
	return true, ""
}
