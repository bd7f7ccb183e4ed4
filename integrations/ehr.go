package integrations

import (
	"context"
	"time"

	"github.com/copayflow/copayflow/copay"
)

// ChargeSource reads charges from an EHR.
type ChargeSource interface {
	// Charge reads one charge. A charge that was deleted comes back with
	// Deleted set; one that never existed is KindNotFound.
	Charge(ctx context.Context, id copay.ChargeID) (Charge, error)
	// ChargesSince lists charges created or changed at or after since, oldest
	// first; cursor is "" at first and Next of the page before afterwards.
	ChargesSince(ctx context.Context, since time.Time, cursor string) (ChargePage, error)
}

// Charge is one billed service of one visit.
type Charge struct {
	ID          copay.ChargeID
	Appointment copay.AppointmentID
	Patient     copay.PatientRef
	Provider    string // EHR's id of the rendering provider
	Facts       copay.ChargeFacts
	Procedure   string // CPT/HCPCS code; PHI together with a patient
	Deleted     bool
	UpdatedAt   time.Time
	// TimeZone is the office's IANA zone, when the EHR knows it.
	TimeZone string
}

// ChargePage is one page of a listing.
type ChargePage struct {
	Charges []Charge
	Next    string // "" at the end
}

// CoverageSource reads who the patient is, how they can be reached and how
// they are insured. Its answers are PHI: they go to the encrypted store and
// never into a workflow.
type CoverageSource interface {
	Patient(ctx context.Context, patient copay.PatientRef, appointment copay.AppointmentID) (Patient, error)
}

// Patient is PHI.
type Patient struct {
	Ref         copay.PatientRef `json:"ref"`
	FirstName   string           `json:"first_name"`
	LastName    string           `json:"last_name"`
	BirthDate   copay.Date       `json:"birth_date"`
	Gender      string           `json:"gender,omitempty"` // M, F, U
	Phone       string           `json:"phone,omitempty"`  // as the EHR has it; E.164 after normalising
	Email       string           `json:"email,omitempty"`
	State       string           `json:"state,omitempty"` // US postal code of the state
	Zip         string           `json:"zip,omitempty"`
	Language    string           `json:"language,omitempty"` // BCP 47: en, es
	NoSMS       bool             `json:"no_sms,omitempty"`   // the EHR says: do not text
	NoEmail     bool             `json:"no_email,omitempty"`
	SelfPay     bool             `json:"self_pay,omitempty"`
	Insurance   []Insurance      `json:"insurance,omitempty"` // primary first
	EHRCoPay    *copay.Money     `json:"ehr_copay,omitempty"`
	Responsible *Responsible     `json:"responsible,omitempty"`
}

// Insurance is one policy of a patient. PHI.
type Insurance struct {
	PayerID      string `json:"payer_id"` // the EHR's payer id
	PayerName    string `json:"payer_name"`
	MemberID     string `json:"member_id"`
	Group        string `json:"group,omitempty"`
	Plan         string `json:"plan,omitempty"`
	Relationship string `json:"relationship,omitempty"` // X12 1069: 18 self
}

// Responsible is the person who pays for the patient. PHI.
type Responsible struct {
	Name  string `json:"name,omitempty"`
	Phone string `json:"phone,omitempty"`
	Email string `json:"email,omitempty"`
}

// PaymentPoster writes patient payments into an EHR.
type PaymentPoster interface {
	// Post records a payment, allocated to its charge. Called again with the
	// same Ref it returns the first posting.
	Post(ctx context.Context, p Posting) (Posted, error)
	// FindPosting looks for a posting by reference; KindNotFound when there is none.
	FindPosting(ctx context.Context, q PostingQuery) (Posted, error)
	// Reverse takes a posting (or a part of it) back under its own Ref.
	Reverse(ctx context.Context, r Reversal) (Posted, error)
}

// Posting is a payment to record.
type Posting struct {
	Ref         copay.Ref
	Charge      copay.ChargeID
	Appointment copay.AppointmentID
	Patient     copay.PatientRef
	Provider    string
	Amount      copay.Money // positive
	Rail        copay.Rail
	Received    copay.Date
	// Since is when the first attempt was made; look-ups start there.
	Since time.Time
	Note  string // no PHI, no card data
}

// PostingQuery finds a posting.
type PostingQuery struct {
	Ref     copay.Ref
	Patient copay.PatientRef
	Since   time.Time
}

// Reversal takes money of a posting back.
type Reversal struct {
	Ref      copay.Ref
	Of       Posting
	PostedID string
	Amount   copay.Money // positive: how much is taken back
	// Refund: money went back to the patient; false: posted in error.
	Refund bool
	Since  time.Time
}

// Posted is the EHR's record of a posting or reversal.
type Posted struct {
	ID     string
	Ref    copay.Ref
	Amount copay.Money // signed: negative for reversals
	At     time.Time
}
