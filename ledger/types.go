package ledger

import (
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// PageToken says where the next page of a list begins; "" is the first page
// and, as an answer, the end.
type PageToken string

// CoPayRow is a co-pay as the read model has it.
type CoPayRow struct {
	CoPay      copay.CoPay
	Version    int64 // of the recorded picture; 0: claimed, nothing recorded yet
	WorkflowID string
	ClaimedAt  time.Time
	UpdatedAt  time.Time
}

// Filter narrows a list of co-pays; zero fields do not.
type Filter struct {
	States       []copay.State
	Rail         copay.Rail
	EHR          copay.Platform
	Appointment  copay.AppointmentID
	Patient      copay.PatientRef
	ServiceFrom  copay.Date // inclusive
	ServiceTo    copay.Date // inclusive
	NeedsReview  *bool
	Review       copay.ReviewKind
	UpdatedSince time.Time
}

// Captured is the money that came in at a practice, in minor units.
type Captured struct {
	Practice copay.PracticeID
	Currency copay.Currency
	Minor    int64
}

// StateCount is how many co-pays of a practice are in a state.
type StateCount struct {
	Practice copay.PracticeID
	State    copay.State
	Review   copay.ReviewKind // set for needs_review
	Count    int64
	// Oldest is when the one that waits longest was last changed.
	Oldest time.Time
}

// TimelineEvent is one line of a co-pay's story. Summary is ours and carries no
// PHI; Reason and Sensitive are a person's words and kept sealed.
type TimelineEvent struct {
	At        time.Time   `json:"at,omitzero"`
	Kind      string      `json:"kind"`
	Actor     copay.Actor `json:"actor"`
	Summary   string      `json:"summary"`
	Reason    string      `json:"reason,omitempty"`
	Key       string      `json:"key,omitempty"` // idempotency key of the act behind it
	Sensitive string      `json:"sensitive,omitempty"`
	Trace     string      `json:"trace,omitempty"` // id of the trace of what led to it, where it is not the record's
	Before    copay.State `json:"before,omitempty"`
	After     copay.State `json:"after,omitempty"`
}

// TimelineRow is a recorded event. Seq counts from 1 within the co-pay.
type TimelineRow struct {
	TimelineEvent
	Seq     int64
	Version int64
}

// Record is everything one step of a co-pay leaves behind.
type Record struct {
	CoPay   copay.CoPay
	Version int64 // grows by at least one with each record
	Events  []TimelineEvent
	Entries []Entry
	TraceID string
	// Decided says that what comes next was decided while the record was written: it
	// may differ when the same record is tried again.
	Decided bool `json:",omitempty"`
	// Run is the workflow run that writes, Task how long its history was then, and
	// Asked the moment of its clock. A run may do a step again, with other content,
	// when Temporal never heard of the first time: of two records of a run the one
	// with the longer history is the later, and of equals the one asked for later.
	Run   string    `json:"-"`
	Task  int       `json:"-"`
	Asked time.Time `json:"-"`
}

// EntryRow is a booked entry.
type EntryRow struct {
	Entry
	ID    int64
	CoPay copay.ID
}

// EntryFilter narrows a list of entries; zero fields do not.
type EntryFilter struct {
	CoPay   copay.ID
	Account Account
	From    time.Time // inclusive
	To      time.Time // exclusive
}

// Balance is an account's sum of debits and credits, in minor units.
type Balance struct {
	Account  Account
	Currency copay.Currency
	Debit    int64
	Credit   int64
}

// Net is debits less credits.
func (b Balance) Net() copay.Money {
	return copay.Money{Minor: b.Debit - b.Credit, Currency: b.Currency}
}

// EstimateComparison is how well the estimates for one payer and service did
// against what the payer's remittances said that the patients owed.
type EstimateComparison struct {
	PayerID string // the EHR's; empty where it gives none
	Payer   string // its name; empty when no policy is on file
	Service copay.ServiceType
	CoPays  int64 // that were compared
	Exact   int64 // to the minor unit
	High    int64 // estimated more than was owed
	Low     int64
	// Estimated and Adjudicated are sums over the co-pays.
	Estimated   copay.Money
	Adjudicated copay.Money
	// OffBy is the mean of the differences without their signs, rounded half up
	// to the minor unit.
	OffBy copay.Money
}

// InboxEvent is an event of a platform on its way in. Payload is sealed by the
// store. An event of kind integrations.EventIgnored is kept and not delivered.
type InboxEvent struct {
	ID      string // unique within practice and platform, the same on redelivery
	Kind    integrations.EventKind
	Type    string // the platform's own name of it
	Payload []byte
	Quiet   bool   // kept, and not delivered: nothing follows from it
	Trace   string // W3C traceparent of the request that brought it, or empty
}

// InboxStatus is how far an event is.
type InboxStatus string

// The statuses of an event.
const (
	InboxPending InboxStatus = "pending"
	InboxDone    InboxStatus = "done"
	InboxIgnored InboxStatus = "ignored"
	InboxDead    InboxStatus = "dead" // staff look at it
)

// InboxRow is an event in the inbox.
type InboxRow struct {
	InboxEvent
	Row        int64 // the inbox's own number of it
	Practice   copay.PracticeID
	Platform   copay.Platform
	Status     InboxStatus
	Attempts   int
	LastError  string // safe to show
	ReceivedAt time.Time
	NextAt     time.Time
	DoneAt     time.Time
}

// InboxLag is what waits at one practice's platform.
type InboxLag struct {
	Practice copay.PracticeID
	Platform copay.Platform
	Pending  int64
	Dead     int64
	// Oldest is when the longest waiting pending event came in.
	Oldest time.Time
}

// AuditEntry is one decision to keep. Detail carries no PHI; Reason is a
// person's words and kept sealed.
type AuditEntry struct {
	Practice copay.PracticeID
	At       time.Time // zero: now
	Actor    copay.Actor
	Action   string
	CoPay    copay.ID
	Reason   string
	Detail   map[string]string
	TraceID  string
}

// AuditRow is a link of a practice's audit chain.
type AuditRow struct {
	AuditEntry
	Seq      int64
	PrevHash []byte
	Hash     []byte
}

// AuditFilter narrows a list of audit rows; zero fields do not.
type AuditFilter struct {
	CoPay   copay.ID
	ActorID string
	Action  string
	From    time.Time // inclusive
	To      time.Time // exclusive
}

// AuditReport is the result of walking an audit chain.
type AuditReport struct {
	Rows     int64
	OK       bool
	FirstBad int64  // number of the first row that does not fit, 0 when OK
	Problem  string // a sentence when not OK
	// Head is the last hash. Kept elsewhere it proves later that the chain was
	// not rewritten as a whole.
	Head string
}

// Consent is a patient's agreement to be written to at an address.
type Consent struct {
	Channel     copay.Channel
	Address     string // PHI: only its keyed hash is stored
	Source      string // intake_form, portal, desk, ehr…
	TextVersion string
	At          time.Time
	// Anew says that somebody asked the patient, who agreed: it lifts what staff
	// revoked before. What an EHR's record says does not.
	Anew bool
}

// OptOut is how far a revocation reaches.
type OptOut string

// The reaches of a revocation.
const (
	OptOutChannel OptOut = "channel" // this address on this channel
	OptOutAll     OptOut = "all"     // and every other address of the patients who use it
)

// CardOnFile is a stored payment method that a patient agreed to have charged.
type CardOnFile struct {
	Platform copay.Platform
	Customer string
	Method   string
	Brand    string
	Last4    string
	ExpMonth int
	ExpYear  int
	Consent  copay.CardConsent
}

// PayLinkRow is a payment link.
type PayLinkRow struct {
	Practice       copay.PracticeID
	CoPay          copay.ID
	Number         int
	CreatedAt      time.Time
	ExpiresAt      time.Time
	RevokedAt      time.Time
	OpenedAt       time.Time
	FailedAttempts int
}

// MaxLinkAttempts is how many wrong second factors lock a payment link.
const MaxLinkAttempts = 5

// Locked reports whether too many wrong second factors were given.
func (r PayLinkRow) Locked() bool { return r.FailedAttempts >= MaxLinkAttempts }

// Usable reports whether the link leads to a page at now.
func (r PayLinkRow) Usable(now time.Time) bool {
	return r.RevokedAt.IsZero() && now.Before(r.ExpiresAt) && !r.Locked()
}

// Notification is a message that was handed to a platform.
type Notification struct {
	Practice   copay.PracticeID
	CoPayID    copay.ID
	Ref        copay.Ref
	Channel    copay.Channel
	Template   copay.Template
	Round      int
	Platform   copay.Platform
	ProviderID string
	Status     string // an integrations.DeliveryStatus
	Code       string // the platform's reason of a failure
	At         time.Time
}

// ArchiveRow is an exported workflow history.
type ArchiveRow struct {
	CoPay    copay.ID
	RunID    string
	ClosedAt time.Time
	SHA256   []byte
	Size     int64
	History  []byte // only when one is read
}
