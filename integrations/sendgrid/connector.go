package sendgrid

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// Connector serves one practice. It is safe for concurrent use.
type Connector struct {
	cfg  Config
	http *transport.Client
	now  func() time.Time
}

var (
	_ integrations.Notifier      = (*Connector)(nil)
	_ integrations.WebhookSource = (*Connector)(nil)
	_ integrations.Tester        = (*Connector)(nil)
)

// New makes a connector from a practice's settings.
func New(s integrations.Settings) (*Connector, error) {
	var cfg Config
	if err := s.Decode(&cfg); err != nil {
		return nil, err
	}
	if err := cfg.defaults(); err != nil {
		return nil, fmt.Errorf("sendgrid of practice %s: %w", s.Practice, err)
	}
	now := s.Clock()
	client, err := transport.New(transport.Options{Platform: Platform, BaseURL: cfg.BaseURL, RoundTripper: s.RoundTripper, Timeout: cfg.Timeout,
		Limits: []transport.Limit{{N: 100, Per: time.Second, Burst: 100}}, Classify: classify,
		Authorize: func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+cfg.APIKey.Reveal())
			return nil
		}})
	if err != nil {
		return nil, err
	}
	return &Connector{cfg: cfg, http: client, now: now}, nil
}

// classify reads SendGrid's errors: only the fields' names are kept, texts may
// repeat addresses.
func classify(status int, h http.Header, body []byte) transport.Failure {
	var e struct {
		Errors []struct {
			Field string `json:"field"`
		} `json:"errors"`
		ID string `json:"id"`
	}
	_ = json.Unmarshal(body, &e)
	var fields []string
	for _, x := range e.Errors {
		if x.Field != "" && x.Field != "null" && len(x.Field) < 60 {
			fields = append(fields, x.Field)
		}
	}
	f := transport.Failure{RequestID: e.ID}
	if len(fields) > 0 {
		slices.Sort(fields)
		f.Message = "refused fields: " + strings.Join(slices.Compact(fields), ", ")
	}
	switch {
	case status == http.StatusTooManyRequests:
		f.Kind = integrations.KindRateLimited
		if at, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			f.RetryAfter = min(max(time.Until(time.Unix(at, 0)), time.Second), time.Hour)
		}
	case status == http.StatusForbidden:
		f.Kind, f.Message = integrations.KindUnauthorized, "the key lacks a scope, or the sender is not verified"
	case status == http.StatusRequestEntityTooLarge, status == http.StatusUnsupportedMediaType:
		f.Kind = integrations.KindInvalid
	}
	return f
}

type address struct {
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
}

type toggle struct {
	Enable bool `json:"enable"`
}

// mailSend is the body of POST /v3/mail/send.
type mailSend struct {
	Personalizations []personalization `json:"personalizations"`
	From             address           `json:"from"`
	ReplyTo          *address          `json:"reply_to,omitempty"`
	Subject          string            `json:"subject"`
	Content          []content         `json:"content"`
	Categories       []string          `json:"categories"`
	ASM              *asm              `json:"asm,omitempty"`
	Tracking         map[string]toggle `json:"tracking_settings"`
	Mail             map[string]toggle `json:"mail_settings,omitempty"`
}

type personalization struct {
	To         []address         `json:"to"`
	CustomArgs map[string]string `json:"custom_args"`
}

type content struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

type asm struct {
	GroupID int `json:"group_id"`
}

// Channel implements integrations.Notifier.
func (c *Connector) Channel() copay.Channel { return copay.ChannelEmail }

// Send implements integrations.Notifier. SendGrid has no idempotency key.
func (c *Connector) Send(ctx context.Context, m integrations.Message) (integrations.Sent, error) {
	if m.Attempt > 1 {
		if s, err := c.FindSent(ctx, m); err == nil {
			return s, nil
		} else if k := integrations.KindOf(err); k != integrations.KindNotFound {
			return integrations.Sent{}, err
		}
	}
	b := mailSend{
		Personalizations: []personalization{{To: []address{{Email: m.To}}, CustomArgs: map[string]string{"ref": string(m.Ref)}}},
		From:             address{Email: c.cfg.From, Name: m.FromName}, Subject: m.Subject, Content: []content{{"text/plain", m.Body}}, Categories: []string{"copay"},
		Tracking: map[string]toggle{"click_tracking": {}, "open_tracking": {}, "subscription_tracking": {}},
	}
	if m.HTML != "" {
		b.Content = append(b.Content, content{"text/html", m.HTML})
	}
	if c.cfg.ReplyTo != "" {
		b.ReplyTo = &address{Email: c.cfg.ReplyTo}
	}
	if c.cfg.UnsubscribeGroup != 0 {
		b.ASM = &asm{c.cfg.UnsubscribeGroup}
	}
	if c.cfg.SandboxMode {
		b.Mail = map[string]toggle{"sandbox_mode": {true}}
	}
	res, err := c.http.Do(ctx, transport.Request{Op: "mail.send", Method: http.MethodPost, Path: "/v3/mail/send", JSON: b, Moves: true}, nil)
	if err != nil {
		return integrations.Sent{}, err
	}
	return integrations.Sent{ID: res.Header.Get("X-Message-Id"), Ref: m.Ref, Status: integrations.DeliveryQueued, At: c.now().UTC()}, nil
}

type activity struct {
	Messages []struct {
		ID     string `json:"msg_id"`
		Status string `json:"status"`
		To     string `json:"to_email"`
		Time   string `json:"last_event_time"`
	} `json:"messages"`
}

// Status implements integrations.Notifier, with the email activity add-on.
func (c *Connector) Status(ctx context.Context, id string) (integrations.Sent, error) {
	if !c.cfg.EmailActivity {
		return integrations.Sent{}, integrations.NotFound(Platform, "messages.get")
	}
	var m struct {
		ID     string `json:"msg_id"`
		Status string `json:"status"`
	}
	if _, err := c.http.Do(ctx, transport.Request{Op: "messages.get", Method: http.MethodGet, Path: "/v3/messages/" + url.PathEscape(id)}, &m); err != nil {
		return integrations.Sent{}, err
	}
	return integrations.Sent{ID: m.ID, Status: activityStatus(m.Status)}, nil
}

func activityStatus(s string) integrations.DeliveryStatus {
	switch s {
	case "delivered":
		return integrations.DeliveryDelivered
	case "not_delivered":
		return integrations.DeliveryFailed
	}
	return integrations.DeliveryQueued
}

// FindSent implements integrations.Notifier. Without the add-on nobody can
// tell whether the first try went out; it is then taken as sent, because the
// next round comes anyway and a patient must not get the same mail twice.
func (c *Connector) FindSent(ctx context.Context, m integrations.Message) (integrations.Sent, error) {
	if !c.cfg.EmailActivity {
		return integrations.Sent{Ref: m.Ref, Status: integrations.DeliveryQueued, At: c.now().UTC()}, nil
	}
	q := fmt.Sprintf(`(unique_args['ref']="%s")`, m.Ref)
	var a activity
	if _, err := c.http.Do(ctx, transport.Request{Op: "messages.list", Method: http.MethodGet, Path: "/v3/messages", Query: url.Values{"query": {q}, "limit": {"10"}}}, &a); err != nil {
		return integrations.Sent{}, err
	}
	for _, x := range a.Messages {
		if strings.EqualFold(x.To, m.To) {
			return integrations.Sent{ID: x.ID, Ref: m.Ref, Status: activityStatus(x.Status)}, nil
		}
	}
	return integrations.Sent{}, integrations.NotFound(Platform, "messages.list")
}

// TestConnection implements integrations.Tester.
func (c *Connector) TestConnection(ctx context.Context) (string, error) {
	var s struct {
		Scopes []string `json:"scopes"`
	}
	if _, err := c.http.Do(ctx, transport.Request{Op: "scopes.list", Method: http.MethodGet, Path: "/v3/scopes"}, &s); err != nil {
		return "", err
	}
	if !slices.Contains(s.Scopes, "mail.send") {
		return "", &integrations.Error{Kind: integrations.KindUnauthorized, Platform: Platform, Op: "scopes.list", Message: "the key lacks the scope mail.send"}
	}
	return "key may send mail", nil
}
