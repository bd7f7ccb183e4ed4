package sendgrid

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

const opSend = "mail.send"

// client is the part of the v3 API that is used.
type client struct {
	http *transport.Client
	rest time.Duration
}

func newClient(cfg Config, rt http.RoundTripper, now func() time.Time) (*client, error) {
	hc, err := transport.New(transport.Options{
		Platform: Platform, BaseURL: cfg.BaseURL, RoundTripper: rt, Timeout: cfg.Timeout, MaxBody: 1 << 20,
		Limits: []transport.Limit{{N: cfg.LimitPerSecond, Per: time.Second, Burst: cfg.LimitPerSecond}},
		Authorize: func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+cfg.APIKey.Reveal())
			if cfg.OnBehalfOf != "" {
				r.Header.Set("On-Behalf-Of", cfg.OnBehalfOf)
			}
			return nil
		},
		Classify: func(status int, h http.Header, body []byte) transport.Failure {
			return classify(status, h, body, now())
		},
	})
	if err != nil {
		return nil, err
	}
	return &client{http: hc, rest: cfg.UnknownWait}, nil
}

// The body of POST /v3/mail/send. Every mail has one personalization with one
// recipient, so that patients never see each other.
type (
	mailSend struct {
		Personalizations []personalization `json:"personalizations"`
		From             address           `json:"from"`
		ReplyTo          *address          `json:"reply_to,omitempty"`
		Subject          string            `json:"subject"`
		Content          []content         `json:"content"`
		Categories       []string          `json:"categories"`
		ASM              *asm              `json:"asm,omitempty"`
		Tracking         tracking          `json:"tracking_settings"`
		Mail             *mailSettings     `json:"mail_settings,omitempty"`
	}
	personalization struct {
		To         []address         `json:"to"`
		CustomArgs map[string]string `json:"custom_args"`
	}
	address struct {
		Email string `json:"email"`
		Name  string `json:"name,omitempty"`
	}
	content struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	}
	asm struct {
		GroupID         int   `json:"group_id"`
		GroupsToDisplay []int `json:"groups_to_display"`
	}
	// tracking is all off: a click tracker would rewrite payment links through
	// a stranger's domain, and both trackers tell who reads what.
	tracking struct {
		Click struct {
			Enable     bool `json:"enable"`
			EnableText bool `json:"enable_text"`
		} `json:"click_tracking"`
		Open         toggle `json:"open_tracking"`
		Subscription toggle `json:"subscription_tracking"`
		Analytics    toggle `json:"ganalytics"`
	}
	toggle struct {
		Enable bool `json:"enable"`
	}
	mailSettings struct {
		SandboxMode toggle `json:"sandbox_mode"`
	}
)

// send hands a mail over and returns its X-Message-Id.
func (c *client) send(ctx context.Context, m mailSend) (string, error) {
	res, err := c.http.Do(ctx, transport.Request{Op: opSend, Method: http.MethodPost, Path: "/v3/mail/send", JSON: m, Moves: true}, nil)
	if err != nil {
		// The caller waits for news of it before it tries again.
		if e := integrations.AsError(err); e != nil && e.Kind == integrations.KindUnknown && e.RetryAfter == 0 {
			e.RetryAfter = c.rest
		}
		return "", err
	}
	return messageID(res.Header.Get("X-Message-Id")), nil
}

// wireActivity is one mail in the email activity.
type wireActivity struct {
	MessageID string `json:"msg_id"`
	To        string `json:"to_email"`
	Status    string `json:"status"`
	LastEvent string `json:"last_event_time"`
}

// activity asks the email activity in its own query language.
func (c *client) activity(ctx context.Context, query string) ([]wireActivity, error) {
	var page struct {
		Messages []wireActivity `json:"messages"`
	}
	_, err := c.http.Do(ctx, transport.Request{Op: "messages.list", Method: http.MethodGet, Path: "/v3/messages",
		Query: url.Values{"query": {query}, "limit": {"10"}}}, &page)
	// Neither a missing resource nor an answer without a list says that the
	// mail was not sent.
	if e := integrations.AsError(err); e != nil && e.Kind == integrations.KindNotFound {
		gone := *e
		gone.Kind, gone.Message = integrations.KindUnauthorized, "the account has no email activity; mend email_activity"
		return nil, &gone
	}
	if err == nil && page.Messages == nil {
		err = &integrations.Error{Kind: integrations.KindUnavailable, Platform: Platform, Op: "messages.list", Message: "the answer is no list of mails"}
	}
	return page.Messages, err
}

func (c *client) scopes(ctx context.Context) ([]string, error) {
	var a struct {
		Scopes []string `json:"scopes"`
	}
	_, err := c.http.Do(ctx, transport.Request{Op: "scopes.list", Method: http.MethodGet, Path: "/v3/scopes"}, &a)
	return a.Scopes, err
}

var fieldPattern = regexp.MustCompile(`^[a-z_]+(\.[a-z0-9_]+){0,6}$`)

// wireErrors is the platform's error body; a field may be absent, null or the
// text "null". Messages may quote what was sent and are left alone.
type wireErrors struct {
	Errors []struct {
		Field *string `json:"field"`
	} `json:"errors"`
}

// classify reads error answers. The code is the name of the first field that
// is refused. What the account's owner must mend is Unauthorized, so that
// nobody takes the patient's address for a bad one.
func classify(status int, h http.Header, body []byte, now time.Time) transport.Failure {
	var w wireErrors
	_ = json.Unmarshal(body, &w) // 413 is a page of HTML: the status decides
	f := transport.Failure{}
	for _, e := range w.Errors {
		if e.Field != nil && *e.Field != "null" && len(*e.Field) <= 64 && fieldPattern.MatchString(*e.Field) {
			f.Code = *e.Field
			break
		}
	}
	switch {
	case status == http.StatusUnauthorized:
		f.Message = "the API key is wrong or was deleted"
	case status == http.StatusForbidden:
		f.Message = "the API key lacks a permission, or the sender is not verified"
	case status == http.StatusTooManyRequests:
		f.Kind, f.Message, f.RetryAfter = integrations.KindRateLimited, "too many requests", untilReset(h, now)
	case status == http.StatusRequestEntityTooLarge:
		f.Kind, f.Message = integrations.KindInvalid, "the mail is too large"
	case status >= http.StatusInternalServerError:
		f.Message = "the platform failed"
	case status == http.StatusBadRequest && strings.HasPrefix(f.Code, "personalizations.") && strings.Contains(f.Code, ".to"):
		f.Kind, f.Final, f.Message = integrations.KindInvalid, true, "the address is not valid"
	case status == http.StatusBadRequest && (strings.HasPrefix(f.Code, "from") || strings.HasPrefix(f.Code, "asm") || strings.HasPrefix(f.Code, "reply_to")):
		f.Kind, f.Message = integrations.KindUnauthorized, "the account does not have this sender or unsubscribe group; mend the configuration"
	case status == http.StatusBadRequest:
		f.Kind, f.Message = integrations.KindInvalid, "the platform refuses the mail"
	}
	return f
}

// untilReset reads when the rate limit opens again: X-RateLimit-Reset, Unix
// seconds. No Retry-After is documented; without either, a second is a guess.
func untilReset(h http.Header, now time.Time) time.Duration {
	if d := transport.RetryAfter(h); d > 0 {
		return d
	}
	at, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err != nil || at <= 0 || at > 1<<40 {
		return time.Second
	}
	return min(max(time.Unix(at, 0).Sub(now), time.Second), time.Hour)
}
