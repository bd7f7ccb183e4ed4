package twilio

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// maxBody bounds an answer: a page of 500 long texts is about 2 MB.
const maxBody = 4 << 20

// client is the part of the Messages API that is used. Requests are forms
// with PascalCase names, answers JSON with snake_case ones.
type client struct {
	http *transport.Client
	root string // "/2010-04-01/Accounts/AC…"
	rest time.Duration
}

func newClient(cfg Config, rt http.RoundTripper) (*client, error) {
	hc, err := transport.New(transport.Options{
		Platform: Platform, BaseURL: cfg.BaseURL, RoundTripper: rt, Timeout: cfg.Timeout, MaxBody: maxBody,
		Limits: []transport.Limit{{N: cfg.LimitPerSecond, Per: time.Second, Burst: cfg.LimitPerSecond}},
		Authorize: func(_ context.Context, r *http.Request) error {
			r.SetBasicAuth(cfg.credentials())
			return nil
		},
		Classify: classify,
	})
	if err != nil {
		return nil, err
	}
	return &client{http: hc, root: "/2010-04-01/Accounts/" + cfg.AccountSID, rest: cfg.UnknownWait}, nil
}

// wireMessage is the Message resource. Numbers in it are mostly strings and
// dates are RFC 2822; error_code is a number or null.
type wireMessage struct {
	SID                 string      `json:"sid"`
	To                  string      `json:"to"`
	From                string      `json:"from"`
	MessagingServiceSID string      `json:"messaging_service_sid"`
	Body                string      `json:"body"`
	Status              string      `json:"status"`
	Direction           string      `json:"direction"`
	ErrorCode           json.Number `json:"error_code"`
	DateCreated         string      `json:"date_created"`
	DateUpdated         string      `json:"date_updated"`
	DateSent            string      `json:"date_sent"`
}

type wirePage struct {
	Messages []wireMessage `json:"messages"`
	// NextPageURI is relative to the host and null on the last page.
	NextPageURI string `json:"next_page_uri"`
}

type wireAccount struct {
	SID    string `json:"sid"`
	Status string `json:"status"`
	Type   string `json:"type"`
}

// noAccount reads a 404 of the account's collection of messages: the account
// does not exist or was closed, which its owner must mend. As NotFound it
// would say that an earlier attempt sent nothing.
func noAccount(err error) error {
	e := integrations.AsError(err)
	if e == nil || e.Kind != integrations.KindNotFound {
		return err
	}
	gone := *e
	gone.Kind, gone.Message = integrations.KindUnauthorized, "the account does not exist; mend account_sid"
	return &gone
}

// create sends a message. An answer without a message id leaves open whether
// there is one.
func (c *client) create(ctx context.Context, form url.Values) (wireMessage, error) {
	const op = "messages.create"
	var m wireMessage
	_, err := c.http.Do(ctx, transport.Request{Op: op, Method: http.MethodPost, Path: c.root + "/Messages.json", Form: form, Moves: true}, &m)
	err = noAccount(err)
	if err == nil && !messagePattern.MatchString(m.SID) {
		err = &integrations.Error{Kind: integrations.KindUnknown, Platform: Platform, Op: op, Message: "the answer names no message"}
	}
	// The caller looks before it sends again; too soon it would see nothing.
	if e := integrations.AsError(err); e != nil && e.Kind == integrations.KindUnknown && e.RetryAfter == 0 {
		e.RetryAfter = c.rest
	}
	return m, err
}

func (c *client) fetch(ctx context.Context, sid string) (wireMessage, error) {
	const op = "messages.fetch"
	if !messagePattern.MatchString(sid) {
		return wireMessage{}, integrations.NotFound(Platform, op)
	}
	var m wireMessage
	_, err := c.http.Do(ctx, transport.Request{Op: op, Method: http.MethodGet, Path: c.root + "/Messages/" + sid + ".json"}, &m)
	if err == nil && m.SID != sid {
		err = &integrations.Error{Kind: integrations.KindUnavailable, Platform: Platform, Op: op, Message: "the answer is about another message"}
	}
	return m, err
}

// list reads one page of the messages that a query asks for, newest first, or
// of all when it asks for none. next is the address of a further page.
func (c *client) list(ctx context.Context, query url.Values, next string) (wirePage, error) {
	r := transport.Request{Op: "messages.list", Method: http.MethodGet, Path: next}
	if next == "" {
		r.Path, r.Query = c.root+"/Messages.json", query
	}
	var p wirePage
	_, err := c.http.Do(ctx, r, &p)
	if err == nil && p.Messages == nil {
		err = &integrations.Error{Kind: integrations.KindUnavailable, Platform: Platform, Op: r.Op, Message: "the answer is no list of messages"}
	}
	return p, noAccount(err)
}

const (
	// walkPage is how many messages a page of a walk holds: as many of the
	// longest texts as surely fit into maxBody.
	walkPage = 250
	// walkPages bounds a walk. So many pages take about as long as a poll may.
	walkPages = 200
)

// walk shows the messages that a query asks for, page by page, until see wants
// no more. A walk that does not come to its end is Unavailable.
func (c *client) walk(ctx context.Context, query url.Values, see func(wireMessage) (more bool)) error {
	query.Set("PageSize", strconv.Itoa(walkPage))
	next := ""
	for range walkPages {
		p, err := c.list(ctx, query, next)
		if err != nil {
			return err
		}
		for _, m := range p.Messages {
			if !see(m) {
				return nil
			}
		}
		if next = p.NextPageURI; next == "" {
			return nil
		}
	}
	return &integrations.Error{Kind: integrations.KindUnavailable, Platform: Platform, Op: "messages.list",
		Message: "the account has more messages than can be looked through; use an account of its own"}
}

func (c *client) account(ctx context.Context) (wireAccount, error) {
	var a wireAccount
	_, err := c.http.Do(ctx, transport.Request{Op: "accounts.fetch", Method: http.MethodGet, Path: c.root + ".json"}, &a)
	return a, err
}

// probe reads as little as proves that messages can be read.
func (c *client) probe(ctx context.Context) error {
	_, err := c.http.Do(ctx, transport.Request{Op: "messages.list", Method: http.MethodGet, Path: c.root + "/Messages.json",
		Query: url.Values{"PageSize": {"1"}}}, &struct{}{})
	return err
}

// wireError is the platform's error body. Its message may quote what was
// sent, so only the code is used.
type wireError struct {
	Code int `json:"code"`
}

// classify reads the platform's error answers
// (twilio.com/docs/api/errors).
func classify(status int, h http.Header, body []byte) transport.Failure {
	var w wireError
	_ = json.Unmarshal(body, &w) // an unreadable body leaves the status to decide
	f := transport.Failure{RequestID: safeID(h.Get("Twilio-Request-Id"))}
	if w.Code > 0 {
		f.Code = strconv.Itoa(w.Code)
	}
	// What a gateway answers says nothing about the message itself.
	if status < http.StatusInternalServerError {
		r := reasonOf(w.Code)
		f.Kind, f.Final, f.Message, f.RetryAfter = r.kind, r.final, r.text, r.after
	} else {
		f.Message = "the platform failed"
	}
	if f.Kind == "" && status == http.StatusTooManyRequests {
		f.Kind, f.Message, f.RetryAfter = integrations.KindRateLimited, "too many requests", time.Second
	}
	if after := transport.RetryAfter(h); after > 0 {
		f.RetryAfter = after
	}
	return f
}

// safeID lets an id pass that cannot hold anything else.
func safeID(s string) string {
	if len(s) > 64 {
		return ""
	}
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_' {
			return ""
		}
	}
	return s
}
