package copay

import "time"

// Policy is a practice's rules for its co-pays. A co-pay carries the snapshot
// it was started with, so that a later change never alters one half-way.
// Durations are nanoseconds in JSON; zero values are replaced by WithDefaults.
type Policy struct {
	Version string `json:"version"`
	// MinConfidence is the confidence (0-100) below which a person confirms
	// the estimate before the patient is asked.
	MinConfidence int `json:"min_confidence"`
	// MaxAmount is the largest amount asked without a person's look.
	MaxAmount Money `json:"max_amount"`
	// MinAmount is the smallest amount worth asking for.
	MinAmount Money `json:"min_amount"`
	// EligibilityFresh is how long an eligibility answer is reused.
	EligibilityFresh time.Duration `json:"eligibility_fresh"`
	// EligibilityDeadline is how long a slow payer is waited for before the
	// estimate goes on without it.
	EligibilityDeadline time.Duration `json:"eligibility_deadline"`
	// CardOnFile allows charging a stored card within the patient's consent.
	CardOnFile bool `json:"card_on_file"`
	// CardNotice is how long before the charge the patient is told.
	CardNotice time.Duration `json:"card_notice"`
	// CardCap is the most that a patient who keeps a card on the payment page
	// lets us take at a time, and CardTerm for how long. Both are shown there.
	CardCap  Money         `json:"card_cap"`
	CardTerm time.Duration `json:"card_term"`
	// LinkLifetime is how long one hosted payment page stays open.
	LinkLifetime time.Duration `json:"link_lifetime"`
	// GiveUpAfter is when an unpaid co-pay goes to staff.
	GiveUpAfter time.Duration `json:"give_up_after"`
	// PollEvery is the first interval at which the processor is asked for a
	// payment whose webhook may have been lost; it doubles up to a day.
	PollEvery time.Duration  `json:"poll_every"`
	Reminders ReminderPolicy `json:"reminders"`
	// CallTimeout is how long one call of a platform may take, our look-ups
	// around it included, before it is tried again elsewhere.
	CallTimeout time.Duration `json:"call_timeout"`
	// RefundApprovalAbove is the refund that needs a second person.
	RefundApprovalAbove Money `json:"refund_approval_above"`
	// TrueUp says what happens when the remittance differs from what was
	// collected; differences up to TrueUpTolerance are left alone.
	TrueUp          TrueUpMode `json:"true_up"`
	TrueUpTolerance Money      `json:"true_up_tolerance"`
}

// TrueUpMode is what to do with a difference between remittance and collection.
type TrueUpMode string

// The true-up modes.
const (
	TrueUpAuto   TrueUpMode = "auto"   // refund what was too much, request what is missing
	TrueUpReview TrueUpMode = "review" // a person decides
)

// WithDefaults fills what a practice left open.
func (p Policy) WithDefaults() Policy {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	money := func(m *Money, v Money) {
		if m.Currency == "" {
			*m = v
		}
	}
	if p.Version == "" {
		p.Version = "default-1"
	}
	if p.MinConfidence == 0 {
		p.MinConfidence = 70
	}
	money(&p.MaxAmount, Cents(500_00))
	money(&p.MinAmount, Cents(1_00))
	money(&p.RefundApprovalAbove, Cents(100_00))
	money(&p.TrueUpTolerance, Cents(1_00))
	money(&p.CardCap, Cents(100_00))
	def(&p.EligibilityFresh, 24*time.Hour)
	def(&p.EligibilityDeadline, 110*time.Second)
	def(&p.CardNotice, 24*time.Hour)
	def(&p.CardTerm, 365*24*time.Hour)
	def(&p.LinkLifetime, 23*time.Hour)
	def(&p.GiveUpAfter, 30*24*time.Hour)
	def(&p.PollEvery, 4*time.Hour)
	def(&p.CallTimeout, 60*time.Second)
	if p.TrueUp == "" {
		p.TrueUp = TrueUpReview
	}
	p.Reminders = p.Reminders.WithDefaults()
	return p
}
