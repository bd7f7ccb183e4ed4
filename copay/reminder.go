package copay

import "time"

// Channel is a way to reach a patient.
type Channel string

// The channels.
const (
	ChannelSMS   Channel = "sms"
	ChannelEmail Channel = "email"
)

// Template names what a message says; the words live with the sender, in the
// patient's language.
type Template string

// The templates.
const (
	TemplateRequest    Template = "request"     // first request with the link
	TemplateReminder   Template = "reminder"    // a later one
	TemplateCardNotice Template = "card_notice" // the stored card is about to be charged
	TemplateCardFailed Template = "card_failed" // it failed; here is a link instead
)

// ReminderPolicy is a practice's ladder of messages for one co-pay.
type ReminderPolicy struct {
	// Ladder is when each reminder is due, counted from the request.
	Ladder []time.Duration `json:"ladder"`
	// Channels are tried in this order; the request itself goes out on all.
	Channels []Channel `json:"channels"`
	// QuietFrom and QuietUntil bound the allowed hours of the patient's local
	// day, half-open: from QuietUntil (say 8) up to, not including, QuietFrom
	// (say 21). Narrower than 8 to 21 is allowed, wider is not.
	QuietFrom  int `json:"quiet_from"`
	QuietUntil int `json:"quiet_until"`
	// FederalHours drops what states ask for beyond 8 to 21 o'clock.
	FederalHours bool `json:"federal_hours,omitempty"`
	// NoSunday keeps Sundays free of messages.
	NoSunday bool `json:"no_sunday"`
	// Caps over all channels together.
	MaxPerDay  int `json:"max_per_day"`
	MaxPerWeek int `json:"max_per_week"`
	MaxTotal   int `json:"max_total"`
}

// WithDefaults fills what a practice left open and narrows what is wider than
// the law (47 CFR 64.1200(c)(1)) allows.
func (p ReminderPolicy) WithDefaults() ReminderPolicy {
	if len(p.Ladder) == 0 {
		p.Ladder = []time.Duration{3 * 24 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour}
	}
	if len(p.Channels) == 0 {
		p.Channels = []Channel{ChannelSMS, ChannelEmail}
	}
	if p.QuietUntil < 8 {
		p.QuietUntil = 8
	}
	if p.QuietFrom == 0 || p.QuietFrom > 21 {
		p.QuietFrom = 21
	}
	if p.MaxPerDay == 0 {
		p.MaxPerDay = 1
	}
	if p.MaxPerWeek == 0 {
		p.MaxPerWeek = 3
	}
	if p.MaxTotal == 0 {
		p.MaxTotal = 6
	}
	return p
}

// Reach is what a reminder needs to know of one channel of a patient. It
// carries no address.
type Reach struct {
	Channel Channel `json:"channel"`
	// Consent says that consent for payment messages is on record and was
	// not revoked (STOP, unsubscribe, staff).
	Consent bool `json:"consent"`
	// Usable is false for an address that is missing or known to be bad.
	Usable bool `json:"usable"`
}

// SentMessage is one message that went out.
type SentMessage struct {
	At       time.Time `json:"at"`
	Channel  Channel   `json:"channel"`
	Template Template  `json:"template"`
	// Round groups the messages of one occasion over several channels: 0 is
	// the request, 1 the first reminder…; caps count rounds, not messages.
	Round int `json:"round"`
	// Unconfirmed says that nobody knows whether it went out. It counts as sent.
	Unconfirmed bool `json:"unconfirmed,omitempty"`
}

// ReminderInput is everything a reminder decision depends on.
type ReminderInput struct {
	Now         time.Time     `json:"now"`
	State       State         `json:"state"`
	RequestedAt time.Time     `json:"requested_at"`
	Zones       []string      `json:"zones"`  // IANA zones the patient may be in; quiet hours hold in all
	Region      string        `json:"region"` // state of the postal address, "TX"; empty where it is not known
	Reach       []Reach       `json:"reach"`
	Sent        []SentMessage `json:"sent"`
	// Earlier are messages of ladders before this one; they count for the caps
	// per day and week only.
	Earlier []SentMessage `json:"earlier,omitempty"`
	Paused  bool          `json:"paused"`
	// Forced is a staff resend: it skips the ladder, never consent, quiet
	// hours or caps per day.
	Forced bool `json:"forced"`
}

// ReminderAction is what to do about reminders now.
type ReminderAction string

// The actions.
const (
	ReminderSend     ReminderAction = "send"     // now, on Channels, with Template
	ReminderWait     ReminderAction = "wait"     // look again at At
	ReminderStop     ReminderAction = "stop"     // never again for this co-pay
	ReminderDone     ReminderAction = "done"     // the ladder is used up: nothing more is sent, payment may still come
	ReminderEscalate ReminderAction = "escalate" // nobody can be reached: staff
)

// ReminderDecision answers "what next". Reason is for the audit log.
type ReminderDecision struct {
	Action   ReminderAction `json:"action"`
	At       time.Time      `json:"at,omitzero"`
	Channels []Channel      `json:"channels,omitempty"`
	Template Template       `json:"template,omitempty"`
	Round    int            `json:"round"`
	Reason   string         `json:"reason"`
}
