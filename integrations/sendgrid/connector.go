package sendgrid

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// The ports this platform serves.
var (
	_ integrations.Notifier      = (*Connector)(nil)
	_ integrations.WebhookSource = (*Connector)(nil)
	_ integrations.Tester        = (*Connector)(nil)
)

// Connector mails for one practice. It is safe for concurrent use.
type Connector struct {
	cfg    Config
	keys   []*ecdsa.PublicKey
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
	keys, err := cfg.publicKeys()
	if err != nil {
		return nil, err
	}
	c, err := newClient(cfg, s.RoundTripper, s.Clock())
	if err != nil {
		return nil, err
	}
	return &Connector{cfg: cfg, keys: keys, client: c, now: s.Clock()}, nil
}

// Channel implements integrations.Notifier.
func (c *Connector) Channel() copay.Channel { return copay.ChannelEmail }

// Send mails a patient. The platform has no idempotency key. A repeat is
// found in what this process remembers or, with the add-on, in the email
// activity. Without the add-on, a mail that may have been sent already is
// sent again RetryUnknown times at most; beyond that it is KindNotFound, and
// the next reminder is the next chance.
func (c *Connector) Send(ctx context.Context, m integrations.Message) (integrations.Sent, error) {
	if err := check(m); err != nil {
		return integrations.Sent{}, err
	}
	past := c.log.Past(m.Ref)
	if past.Sent != nil {
		return *past.Sent, nil
	}
	switch blind := mayHaveSent(m.Attempt, past); {
	case c.cfg.EmailActivity && (m.Attempt > 1 || blind > 0):
		found, err := c.FindSent(ctx, m)
		if integrations.KindOf(err) != integrations.KindNotFound {
			if err == nil {
				c.log.Note(m.Ref, found, nil)
			}
			return found, err
		}
	case !c.cfg.EmailActivity && blind > *c.cfg.RetryUnknown:
		return integrations.Sent{}, &integrations.Error{Kind: integrations.KindNotFound, Platform: Platform, Op: opSend, Code: "unresolved",
			Message: "whether an earlier attempt was sent is not known and cannot be looked up, so it is not sent again"}
	}
	// The platform's queue takes no end, so what would be late is not handed over.
	if m.TooLate(c.now()) {
		return integrations.Sent{}, integrations.ErrTooLate(Platform, opSend)
	}
	id, err := c.client.send(ctx, c.compose(m))
	sent := integrations.Sent{ID: id, Ref: m.Ref, Status: integrations.DeliveryQueued, At: c.now().UTC()}
	if err == nil && id == "" {
		// Accepted, though without a name: in sandbox mode nothing is sent.
		sent.ID = string(m.Ref)
	}
	c.log.Note(m.Ref, sent, err)
	if err != nil {
		return integrations.Sent{}, err
	}
	return sent, nil
}

// mayHaveSent counts the earlier attempts that may have sent the mail: those
// of this process with an unknown outcome, or, where other processes tried,
// all but those that certainly sent nothing.
func mayHaveSent(attempt int, past integrations.SendPast) int {
	return max(attempt-1-past.Refused, past.Unknown, 0)
}

func check(m integrations.Message) error {
	refuse := func(final bool, code, text string) error {
		return &integrations.Error{Kind: integrations.KindInvalid, Platform: Platform, Op: opSend, Code: code, Final: final, Message: text}
	}
	switch {
	case m.Ref == "":
		return refuse(false, "", "the message has no reference")
	case !isAddress(m.To):
		return refuse(true, "personalizations.0.to.0.email", "the address is not valid")
	case strings.TrimSpace(m.Subject) == "":
		return refuse(false, "subject", "the mail has no subject")
	case strings.TrimSpace(m.Body) == "":
		return refuse(false, "content", "the mail has no text")
	case slices.ContainsFunc([]string{m.Subject, m.Body, m.HTML}, amountPattern.MatchString):
		return refuse(false, "content", "the mail names an amount, which must not go through a platform without a business associate agreement")
	}
	return nil
}

// amountPattern finds amounts of money. Wording is the caller's; that this
// platform must not learn what a patient owes is known here. Words need a
// space before the number, so that no link's token looks like one.
var amountPattern = regexp.MustCompile(`(?i)[$€£]\s*[0-9]|\bUSD\s+[0-9]|[0-9]\s+(USD|dollars?|dólares)\b`)

func (c *Connector) compose(m integrations.Message) mailSend {
	name := c.cfg.FromName
	if name == "" {
		name = m.FromName
	}
	out := mailSend{
		Personalizations: []personalization{{To: []address{{Email: m.To}}, CustomArgs: map[string]string{"ref": string(m.Ref)}}},
		From:             address{Email: c.cfg.From, Name: name}, Subject: m.Subject,
		Content: []content{{"text/plain", m.Body}}, Categories: c.cfg.Categories,
	}
	if m.HTML != "" {
		out.Content = append(out.Content, content{"text/html", m.HTML})
	}
	if c.cfg.ReplyTo != "" {
		out.ReplyTo = &address{Email: c.cfg.ReplyTo}
	}
	if g := c.cfg.UnsubscribeGroup; g != 0 {
		out.ASM = &asm{GroupID: g, GroupsToDisplay: []int{g}}
	}
	if c.cfg.SandboxMode {
		out.Mail = &mailSettings{SandboxMode: toggle{true}}
	}
	return out
}

// Status reads how far a mail is from the email activity. Without that add-on
// only the webhook tells, and the answer is KindNotFound.
func (c *Connector) Status(ctx context.Context, id string) (integrations.Sent, error) {
	id = messageID(id)
	if !c.cfg.EmailActivity || id == "" {
		return integrations.Sent{}, integrations.NotFound(Platform, "messages.list")
	}
	list, err := c.client.activity(ctx, fmt.Sprintf("msg_id LIKE '%s%%'", id))
	if err != nil {
		return integrations.Sent{}, err
	}
	for _, a := range list {
		if messageID(a.MessageID) == id { // an underscore in LIKE is any character
			return a.sent(), nil
		}
	}
	return integrations.Sent{}, integrations.NotFound(Platform, "messages.list")
}

// refPattern keeps what is put into a query from being more than a value.
var refPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// FindSent looks a mail up in the email activity by our reference, which
// travels as a custom argument. Without that add-on it finds nothing.
func (c *Connector) FindSent(ctx context.Context, m integrations.Message) (integrations.Sent, error) {
	if !c.cfg.EmailActivity || !refPattern.MatchString(string(m.Ref)) {
		return integrations.Sent{}, integrations.NotFound(Platform, "messages.list")
	}
	list, err := c.client.activity(ctx, fmt.Sprintf(`(unique_args['ref']="%s")`, m.Ref))
	if err != nil {
		return integrations.Sent{}, err
	}
	for _, a := range list {
		if strings.EqualFold(a.To, m.To) {
			s := a.sent()
			s.Ref = m.Ref
			if s.ID == "" { // sent all the same, under a name of no known form
				s.ID = string(m.Ref)
			}
			return s, nil
		}
	}
	return integrations.Sent{}, integrations.NotFound(Platform, "messages.list")
}

// TestConnection reads what the API key may do.
func (c *Connector) TestConnection(ctx context.Context) (string, error) {
	scopes, err := c.client.scopes(ctx)
	if err != nil {
		return "", err
	}
	lacks := func(scope string) error {
		return &integrations.Error{Kind: integrations.KindUnauthorized, Platform: Platform, Op: "scopes.list", Message: "the API key lacks the scope " + scope}
	}
	switch {
	case !slices.Contains(scopes, "mail.send"):
		return "", lacks("mail.send")
	case c.cfg.EmailActivity && !slices.Contains(scopes, "email_activity.read"):
		return "", lacks("email_activity.read")
	}
	good := "the API key may send mail"
	if c.cfg.SandboxMode {
		good += "; sandbox mode is on, so nothing is sent"
	}
	return good + integrations.Deaf(len(c.cfg.WebhookPublicKeys), "webhook_public_keys"), nil
}
