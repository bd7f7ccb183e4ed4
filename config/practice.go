package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/copayflow/copayflow/copay"
)

// The ports a practice assigns platforms to.
const (
	PortCharges     = "charges"
	PortCoverage    = "coverage"
	PortEligibility = "eligibility"
	PortCollect     = "collect"
	PortPost        = "post"
	PortAccounting  = "accounting"
	PortSMS         = "sms"
	PortEmail       = "email"
)

// Ports lists all ports; those marked must have a platform.
var Ports = []struct {
	Name     string
	Required bool
}{
	{PortCharges, true}, {PortCoverage, true}, {PortEligibility, false}, {PortCollect, true}, {PortPost, true},
	{PortAccounting, false}, {PortSMS, false}, {PortEmail, false},
}

// FactorBirthDate and FactorNone are the second factors of the pay page.
const (
	FactorBirthDate = "birth_date"
	FactorNone      = "none"
)

// Practice is one practice: its platforms, what each is for, and its rules.
type Practice struct {
	ID       copay.PracticeID `koanf:"id"`
	Name     string           `koanf:"name"`  // as patients know it
	Phone    string           `koanf:"phone"` // patients call it to check a message
	TimeZone string           `koanf:"time_zone"`
	Language string           `koanf:"language"`
	NPI      string           `koanf:"npi"`
	// PayURL is the practice's own domain for payment links; PublicURL when empty.
	PayURL  string  `koanf:"pay_url"`
	PayPage PayPage `koanf:"pay_page"`
	// Consent says under which wording patients hand over phone and mail
	// address for payment messages when they register. Without it nobody is
	// written to until consent is recorded otherwise.
	Consent Consent `koanf:"consent"`

	Platforms map[copay.Platform]map[string]any `koanf:"platforms"`
	// Ports name the platforms that serve each port, best first.
	Ports map[string][]copay.Platform `koanf:"ports"`
	// RateLimited gives a platform a task queue of its own, with this many
	// calls per second over the whole fleet.
	RateLimited map[copay.Platform]float64 `koanf:"rate_limited"`
	// CatchUp is how often platforms are asked for events whose webhook may have
	// been lost; below zero: never.
	CatchUp time.Duration `koanf:"catch_up"`
	Policy  Policy        `koanf:"policy"`
}

// Consent is the practice's registration form.
type Consent struct {
	Source      string `koanf:"source"`       // intake_form, portal…
	TextVersion string `koanf:"text_version"` // of the wording
}

// PayPage is the page behind a payment link.
type PayPage struct {
	SecondFactor string `koanf:"second_factor"`
}

// Policy is copay.Policy as people write it: durations "72h", amounts "25.00".
type Policy struct {
	Version             string        `koanf:"version"`
	MinConfidence       int           `koanf:"min_confidence"`
	MaxAmount           string        `koanf:"max_amount"`
	MinAmount           string        `koanf:"min_amount"`
	EligibilityFresh    time.Duration `koanf:"eligibility_fresh"`
	EligibilityDeadline time.Duration `koanf:"eligibility_deadline"`
	CardOnFile          bool          `koanf:"card_on_file"`
	CardNotice          time.Duration `koanf:"card_notice"`
	CardCap             string        `koanf:"card_cap"`
	CardTerm            time.Duration `koanf:"card_term"`
	LinkLifetime        time.Duration `koanf:"link_lifetime"`
	GiveUpAfter         time.Duration `koanf:"give_up_after"`
	PollEvery           time.Duration `koanf:"poll_every"`
	CallTimeout         time.Duration `koanf:"call_timeout"`
	RefundApprovalAbove string        `koanf:"refund_approval_above"`
	TrueUp              string        `koanf:"true_up"`
	TrueUpTolerance     string        `koanf:"true_up_tolerance"`
	Reminders           Reminders     `koanf:"reminders"`
}

// Reminders is copay.ReminderPolicy as people write it.
type Reminders struct {
	Ladder     []time.Duration `koanf:"ladder"`
	Channels   []string        `koanf:"channels"`
	QuietFrom  int             `koanf:"quiet_from"`
	QuietUntil int             `koanf:"quiet_until"`
	NoSunday   bool            `koanf:"no_sunday"`
	Federal    bool            `koanf:"federal_hours"`
	MaxPerDay  int             `koanf:"max_per_day"`
	MaxPerWeek int             `koanf:"max_per_week"`
	MaxTotal   int             `koanf:"max_total"`
}

// Build makes the domain's policy, defaults filled in.
func (p Policy) Build() (copay.Policy, error) {
	out := copay.Policy{
		Version: p.Version, MinConfidence: p.MinConfidence, EligibilityFresh: p.EligibilityFresh, EligibilityDeadline: p.EligibilityDeadline,
		CardOnFile: p.CardOnFile, CardNotice: p.CardNotice, CardTerm: p.CardTerm, LinkLifetime: p.LinkLifetime, GiveUpAfter: p.GiveUpAfter, PollEvery: p.PollEvery, CallTimeout: p.CallTimeout,
		TrueUp: copay.TrueUpMode(p.TrueUp),
		Reminders: copay.ReminderPolicy{Ladder: p.Reminders.Ladder, QuietFrom: p.Reminders.QuietFrom, QuietUntil: p.Reminders.QuietUntil,
			NoSunday: p.Reminders.NoSunday, FederalHours: p.Reminders.Federal, MaxPerDay: p.Reminders.MaxPerDay, MaxPerWeek: p.Reminders.MaxPerWeek, MaxTotal: p.Reminders.MaxTotal},
	}
	for _, c := range p.Reminders.Channels {
		out.Reminders.Channels = append(out.Reminders.Channels, copay.Channel(c))
	}
	for _, m := range []struct {
		text string
		into *copay.Money
		name string
	}{{p.MaxAmount, &out.MaxAmount, "max_amount"}, {p.MinAmount, &out.MinAmount, "min_amount"}, {p.CardCap, &out.CardCap, "card_cap"},
		{p.RefundApprovalAbove, &out.RefundApprovalAbove, "refund_approval_above"}, {p.TrueUpTolerance, &out.TrueUpTolerance, "true_up_tolerance"}} {
		if m.text == "" {
			continue
		}
		v, err := copay.ParseMoney(m.text, copay.USD)
		if err != nil || v.IsNegative() {
			return copay.Policy{}, fmt.Errorf("policy.%s must be an amount such as 25.00", m.name)
		}
		*m.into = v
	}
	return out.WithDefaults(), nil
}

// Queue is the task queue of a platform with a rate limit.
func Queue(p copay.Platform) string { return "copay-" + string(p) }

// Queues names, for each port whose first platform has a rate limit, that
// platform's queue.
func (p *Practice) Queues() map[string]string {
	out := map[string]string{}
	for port, platforms := range p.Ports {
		if len(platforms) > 0 {
			if _, limited := p.RateLimited[platforms[0]]; limited {
				out[port] = Queue(platforms[0])
			}
		}
	}
	return out
}

// Used lists the platforms that serve a port, sorted.
func (p *Practice) Used() []copay.Platform {
	var out []copay.Platform
	for _, platforms := range p.Ports {
		out = append(out, platforms...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Channels are the message channels the practice has a platform for.
func (p *Practice) Channels() []copay.Channel {
	var out []copay.Channel
	if len(p.Ports[PortSMS]) > 0 {
		out = append(out, copay.ChannelSMS)
	}
	if len(p.Ports[PortEmail]) > 0 {
		out = append(out, copay.ChannelEmail)
	}
	return out
}

// Books reports whether co-pays are mirrored in an accounting platform.
func (p *Practice) Books() bool { return len(p.Ports[PortAccounting]) > 0 }

// Throttled collects the rate limits of all practices by queue. Practices
// that share a platform share its queue; the smallest limit holds.
func (c *Config) Throttled() map[string]float64 {
	out := map[string]float64{}
	for _, p := range c.Practices {
		for platform, perSecond := range p.RateLimited {
			q := Queue(platform)
			if have, ok := out[q]; !ok || perSecond < have {
				out[q] = perSecond
			}
		}
	}
	return out
}
