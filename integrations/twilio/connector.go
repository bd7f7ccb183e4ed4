package twilio

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// The ports this platform serves.
var (
	_ integrations.Notifier      = (*Connector)(nil)
	_ integrations.WebhookSource = (*Connector)(nil)
	_ integrations.EventPoller   = (*Connector)(nil)
	_ integrations.Tester        = (*Connector)(nil)
)

// Connector texts for one practice. It is safe for concurrent use.
type Connector struct {
	cfg    Config
	client *client
	now    func() time.Time
	log    integrations.SendLog
}

// New makes the connector of a practice.
func New(s integrations.Settings) (*Connector, error) {
	var cfg Config
	if err := s.Decode(&cfg); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c, err := newClient(cfg, s.RoundTripper)
	if err != nil {
		return nil, err
	}
	return &Connector{cfg: cfg, client: c, now: s.Clock()}, nil
}

// Channel implements integrations.Notifier.
func (c *Connector) Channel() copay.Channel { return copay.ChannelSMS }

// Send texts a patient. The platform has no idempotency key, so a repeat is
// looked for first: in what this process remembers, then in the platform's
// list of messages to the number.
func (c *Connector) Send(ctx context.Context, m integrations.Message) (integrations.Sent, error) {
	if err := check(m); err != nil {
		return integrations.Sent{}, err
	}
	past := c.log.Past(m.Ref)
	if past.Sent != nil {
		return *past.Sent, nil
	}
	if m.Attempt > 1 || past.Unknown > 0 {
		found, err := c.FindSent(ctx, m)
		if integrations.KindOf(err) != integrations.KindNotFound {
			if err == nil {
				c.log.Note(m.Ref, found, nil)
			}
			return found, err
		}
	}
	now := c.now()
	if m.TooLate(now.Add(minValidity * time.Second)) {
		return integrations.Sent{}, integrations.ErrTooLate(Platform, "messages.create")
	}
	w, err := c.client.create(ctx, c.form(m, now))
	sent := w.sent()
	sent.Ref = m.Ref
	c.log.Note(m.Ref, sent, err)
	if err != nil {
		return integrations.Sent{}, err
	}
	return sent, nil
}

// check refuses what the platform could only misread. The number is read
// strictly: a platform that guesses a country would text a stranger.
func check(m integrations.Message) error {
	refuse := func(final bool, code, text string) error {
		return &integrations.Error{Kind: integrations.KindInvalid, Platform: Platform, Op: "messages.create", Code: code, Final: final, Message: text}
	}
	switch {
	case m.Ref == "":
		return refuse(false, "", "the message has no reference")
	case !numberPattern.MatchString(m.To):
		return refuse(true, "21211", "the number is not in international form")
	case strings.TrimSpace(m.Body) == "":
		return refuse(false, "21602", "the message has no text")
	}
	return nil
}

func (c *Connector) form(m integrations.Message, now time.Time) url.Values {
	f := url.Values{"To": {m.To}, "Body": {m.Body}}
	set := func(name, value string) {
		if value != "" {
			f.Set(name, value)
		}
	}
	set("MessagingServiceSid", c.cfg.MessagingServiceSID)
	set("From", c.cfg.From)
	set("StatusCallback", c.callback(m.Ref))
	set("ContentRetention", c.cfg.ContentRetention)
	set("AddressRetention", c.cfg.AddressRetention)
	if !m.Expires.IsZero() {
		f.Set("ValidityPeriod", strconv.Itoa(validity(m.Expires, now)))
	}
	return f
}

// callback is where the platform reports on a message. The reference in the
// query proves that the message was sent even if the answer to the sending
// was lost. The fragment asks for five retries after every kind of failure
// (connection overrides; the default is one, after no connection only); it is
// neither sent to us nor signed.
func (c *Connector) callback(ref copay.Ref) string {
	if c.cfg.StatusCallback == "" {
		return ""
	}
	sep := "?"
	if strings.Contains(c.cfg.StatusCallback, "?") {
		sep = "&"
	}
	return c.cfg.StatusCallback + sep + "n=" + url.QueryEscape(string(ref)) + "#rc=5&rp=all"
}

// Status reads how far a message is.
func (c *Connector) Status(ctx context.Context, id string) (integrations.Sent, error) {
	w, err := c.client.fetch(ctx, id)
	if err != nil {
		return integrations.Sent{}, err
	}
	return w.sent(), nil
}

// A look through the list: how many pages at most, how far the platform's
// clock may be behind ours, and how far back to look when nobody says since when.
const (
	maxPages = 4
	maxSkew  = 2 * time.Minute
	maxAge   = 24 * time.Hour
)

// FindSent looks for a message among those to its number since m.Since. A
// message has no place for our reference, so it is known by the link's token
// in its text.
func (c *Connector) FindSent(ctx context.Context, m integrations.Message) (integrations.Sent, error) {
	if m.Since.IsZero() {
		m.Since = c.now().Add(-maxAge)
	}
	// Finished messages whose number the platform hides are not listed by it.
	query, next := url.Values{"To": {m.To}, "PageSize": {"50"}}, ""
	if c.cfg.AddressRetention == "obfuscate" {
		query = url.Values{"PageSize": {"500"}}
	}
	for range maxPages {
		p, err := c.client.list(ctx, query, next)
		if err != nil {
			return integrations.Sent{}, err
		}
		for _, w := range p.Messages {
			created := parseTime(w.DateCreated)
			if !created.IsZero() && created.Before(m.Since.Add(-maxSkew)) {
				return integrations.Sent{}, integrations.NotFound(Platform, "messages.list")
			}
			if c.isOurs(w, m, created) {
				sent := w.sent()
				sent.Ref = m.Ref
				return sent, nil
			}
		}
		if next = p.NextPageURI; next == "" {
			break
		}
	}
	return integrations.Sent{}, integrations.NotFound(Platform, "messages.list")
}

// isOurs compares a listed message with the one that is looked for. The token
// is the same in all messages of a co-pay, so it counts only from Since on;
// the very same text counts within the clocks' difference, too. A text that
// the platform has discarded cannot be compared: it counts as ours, because
// texting somebody twice is worse than once too few.
func (c *Connector) isOurs(w wireMessage, m integrations.Message, created time.Time) bool {
	if w.Direction != outboundAPI || w.Status == "canceled" || !messagePattern.MatchString(w.SID) {
		return false
	}
	if w.Body == m.Body {
		return true
	}
	if created.Before(m.Since.Truncate(time.Second)) {
		return false
	}
	if w.Body == "" {
		return c.cfg.ContentRetention == "discard" && w.To == m.To
	}
	return m.Token != "" && strings.Contains(w.Body, m.Token)
}

// TestConnection reads the account. Standard and restricted API keys may not
// (twilio.com/docs/iam/api-keys); for them reading one message is the proof.
func (c *Connector) TestConnection(ctx context.Context) (string, error) {
	a, err := c.client.account(ctx)
	if err == nil {
		return "account " + c.cfg.AccountSID + " (" + safeWord(a.Type) + ", " + safeWord(a.Status) + ")" + c.deaf(), nil
	}
	e := integrations.AsError(err)
	if c.cfg.APIKeySID == "" || e == nil || (e.Status != http.StatusUnauthorized && e.Status != http.StatusForbidden) {
		return "", err
	}
	if err := c.client.probe(ctx); err != nil {
		return "", err
	}
	return "account " + c.cfg.AccountSID + " (the API key reads messages, not the account itself)" + c.deaf(), nil
}

func (c *Connector) deaf() string { return integrations.Deaf(len(c.cfg.AuthTokens), "auth_tokens") }
