// Package transport is the one HTTP stack through which all traffic to
// platforms leaves: timeouts, body limits, rate limits, a circuit breaker,
// OAuth2, tracing, metrics and the reading of failures. It never logs or
// returns bodies, queries or headers in an error.
package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// Limit is a rate a platform allows: N calls in Per, at most Burst at once.
type Limit struct {
	N     int
	Per   time.Duration
	Burst int
}

// Failure is a platform's own reading of an error answer. An empty Kind
// leaves the kind to the HTTP status.
type Failure struct {
	Kind       integrations.Kind
	Code       string
	Message    string // safe text written by the connector; no PHI
	RequestID  string
	RetryAfter time.Duration
	Final      bool
}

// Options make a Client.
type Options struct {
	Platform     copay.Platform
	BaseURL      string
	RoundTripper http.RoundTripper // nil: a pooled default with sane timeouts
	Timeout      time.Duration     // per call; 30 s when zero
	MaxBody      int64             // bytes read of an answer; 4 MiB when zero
	Limits       []Limit           // all hold
	// Authorize puts credentials on each request.
	Authorize func(ctx context.Context, r *http.Request) error
	// Reauthorize is called once after a 401 with the Authorization header that
	// was refused; when it succeeds the call is made again, once.
	Reauthorize func(ctx context.Context, refused string) error
	// Classify reads the platform's error body.
	Classify func(status int, h http.Header, body []byte) Failure
	// Success reports whether a status is a success; nil means 2xx.
	Success func(status int) bool
}

// Client calls one platform for one practice. It is safe for concurrent use.
type Client struct {
	o        Options
	base     *url.URL
	limiters []*rate.Limiter
	breaker  *gobreaker.CircuitBreaker[*Response]
	inst     instruments
}

// New makes a Client.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.BaseURL)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("%s: base_url must be an http(s) address", o.Platform)
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MaxBody == 0 {
		o.MaxBody = 4 << 20
	}
	if o.RoundTripper == nil {
		o.RoundTripper = defaultRoundTripper
	}
	c := &Client{
		o: o, base: base, inst: newInstruments(o.Platform),
	}
	for _, l := range o.Limits {
		c.limiters = append(c.limiters, rate.NewLimiter(rate.Limit(float64(l.N)/l.Per.Seconds()), max(l.Burst, 1)))
	}
	c.breaker = gobreaker.NewCircuitBreaker[*Response](gobreaker.Settings{
		Name: string(o.Platform), Timeout: 15 * time.Second,
		ReadyToTrip:  func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= 10 },
		IsSuccessful: func(err error) bool { return !countsAgainst(err) },
	})
	return c, nil
}

var defaultRoundTripper http.RoundTripper = &http.Transport{
	Proxy:                 http.ProxyFromEnvironment,
	DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
	TLSHandshakeTimeout:   10 * time.Second,
	MaxIdleConns:          200,
	MaxIdleConnsPerHost:   32,
	IdleConnTimeout:       90 * time.Second,
	ResponseHeaderTimeout: 60 * time.Second,
	ForceAttemptHTTP2:     true,
}

// Request is one call. At most one of JSON, Form and Body is set.
type Request struct {
	Op     string // stable name for traces, metrics and errors: "patient_payments.create"
	Method string
	// Path is relative to the base URL, or an absolute URL on the same host
	// (a "next page" link); another host is refused.
	Path   string
	Query  url.Values
	Header http.Header
	JSON   any
	Form   url.Values
	Body   []byte
	// ContentType goes with Body.
	ContentType string
	// Moves marks a call that moves money, posts or sends a message: when its
	// outcome cannot be known the error is KindUnknown, never KindUnavailable.
	Moves bool
	// NoAuth leaves Authorize out (token calls).
	NoAuth bool
}

// Response is a success answer, fully read.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do makes the call and decodes a JSON answer into into (nil: not decoded).
// Every failure is an *integrations.Error.
func (c *Client) Do(ctx context.Context, r Request, into any) (*Response, error) {
	ctx, done := c.inst.start(ctx, r.Op)
	resp, err := c.do(ctx, r)
	if err == nil && into != nil {
		if derr := json.Unmarshal(resp.Body, into); derr != nil {
			kind := integrations.KindUnavailable
			if r.Moves {
				kind = integrations.KindUnknown
			}
			err = &integrations.Error{Kind: kind, Platform: c.o.Platform, Op: r.Op, Status: resp.Status,
				Message: "the answer is not the JSON that was expected"}
		}
	}
	status := 0
	if resp != nil {
		status = resp.Status
	}
	done(status, err)
	if err != nil {
		return nil, err
	}
	return resp, nil
}

func (c *Client) do(ctx context.Context, r Request) (*Response, error) {
	used := ""
	resp, err := c.guarded(ctx, r, &used)
	// A 401 under another name is the token endpoint's: asking it again would
	// get the same answer.
	if e := integrations.AsError(err); e != nil && e.Status == http.StatusUnauthorized && e.Op == r.Op && c.o.Reauthorize != nil && !r.NoAuth {
		if rerr := c.o.Reauthorize(ctx, used); rerr != nil {
			return nil, c.noCredentials(r, rerr)
		}
		return c.guarded(ctx, r, &used)
	}
	return resp, err
}

// guarded makes one attempt within limits and breaker; used is given the
// Authorization header it was made with.
func (c *Client) guarded(ctx context.Context, r Request, used *string) (*Response, error) {
	if err := c.wait(ctx, r.Op); err != nil {
		return nil, err
	}
	resp, err := c.breaker.Execute(func() (*Response, error) { return c.roundTrip(ctx, r, used) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return nil, c.fail(r, integrations.KindUnavailable, "calls are paused after repeated failures", err, 15*time.Second)
	}
	return resp, err
}

// maxWait is the longest a call queues for its turn; a longer wait belongs to
// the workflow's retry, not to a worker slot.
const maxWait = 5 * time.Second

// wait queues for a turn that all limits allow. A call that gives its turn up
// gives it back.
func (c *Client) wait(ctx context.Context, op string) error {
	var turns []*rate.Reservation
	var d time.Duration
	for _, l := range c.limiters {
		turn := l.Reserve()
		turns, d = append(turns, turn), max(d, turn.Delay())
	}
	giveBack := func() {
		for _, turn := range turns {
			turn.Cancel()
		}
	}
	if d > maxWait {
		giveBack()
		return &integrations.Error{Kind: integrations.KindRateLimited, Platform: c.o.Platform, Op: op,
			Message: "held back to stay within the platform's limit", RetryAfter: d}
	}
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		giveBack()
		return &integrations.Error{Kind: integrations.KindUnavailable, Platform: c.o.Platform, Op: op,
			Message: "gave up waiting for the platform's limit", Err: ctx.Err()}
	}
}

func (c *Client) roundTrip(ctx context.Context, r Request, used *string) (*Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})

	req, err := c.build(ctx, r)
	if err != nil {
		return nil, c.fail(r, integrations.KindInvalid, "the request could not be built", redact(err), 0)
	}
	if c.o.Authorize != nil && !r.NoAuth {
		if err := c.o.Authorize(ctx, req); err != nil {
			return nil, c.noCredentials(r, err)
		}
	}
	*used = req.Header.Get("Authorization")
	// Not through an http.Client: it turns a POST into a GET on 302, so that
	// redirects are the caller's, and it puts addresses into its errors.
	res, err := c.o.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, c.netFailure(r, sent.Load(), err)
	}
	defer func() {
		_, _ = io.CopyN(io.Discard, res.Body, 64<<10)
		_ = res.Body.Close()
	}()
	body, err := io.ReadAll(io.LimitReader(res.Body, c.o.MaxBody+1))
	if err != nil {
		return nil, c.netFailure(r, true, err)
	}
	if int64(len(body)) > c.o.MaxBody {
		return nil, c.fail(r, unknownIf(r.Moves), "the answer is larger than allowed", nil, 0)
	}
	ok := res.StatusCode >= 200 && res.StatusCode < 300
	if c.o.Success != nil {
		ok = c.o.Success(res.StatusCode)
	}
	if !ok {
		return nil, c.statusFailure(r, res.StatusCode, res.Header, body)
	}
	return &Response{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// noCredentials reads a failure to get at the credentials. One that nobody
// classified is the token store's, which needs time and not a person: nothing
// was sent.
func (c *Client) noCredentials(r Request, err error) error {
	if integrations.AsError(err) != nil {
		return err
	}
	return c.fail(r, integrations.KindUnavailable, "the credentials cannot be read now", err, 0)
}

func (c *Client) build(ctx context.Context, r Request) (*http.Request, error) {
	u, err := c.base.Parse(r.Path)
	if !strings.Contains(r.Path, "://") {
		u, err = c.base.Parse(strings.TrimSuffix(c.base.Path, "/") + "/" + strings.TrimPrefix(r.Path, "/"))
	}
	if err != nil {
		return nil, err
	}
	if u.Host != c.base.Host || u.Scheme != c.base.Scheme {
		return nil, errors.New("refusing to send credentials to another host")
	}
	if len(r.Query) > 0 {
		q := u.Query()
		for k, vs := range r.Query {
			q[k] = vs
		}
		u.RawQuery = q.Encode()
	}
	body, ctype := r.Body, r.ContentType
	switch {
	case r.JSON != nil:
		if body, err = json.Marshal(r.JSON); err != nil {
			return nil, err
		}
		ctype = "application/json"
	case r.Form != nil:
		body, ctype = []byte(r.Form.Encode()), "application/x-www-form-urlencoded"
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if ctype != "" {
		req.Header.Set("Content-Type", ctype)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "copayflow")
	for k, vs := range r.Header {
		req.Header[http.CanonicalHeaderKey(k)] = vs
	}
	return req, nil
}

func (c *Client) fail(r Request, k integrations.Kind, msg string, cause error, after time.Duration) *integrations.Error {
	return &integrations.Error{Kind: k, Platform: c.o.Platform, Op: r.Op, Message: msg, Err: cause, RetryAfter: after}
}

// netFailure reads an error of the network: a request that never left is
// Unavailable; one that may have arrived is Unknown when it moves something.
func (c *Client) netFailure(r Request, sent bool, err error) error {
	msg := "no connection"
	var ne net.Error
	switch {
	case errors.Is(err, context.Canceled):
		msg = "the call was cancelled"
	case errors.As(err, &ne) && ne.Timeout(), errors.Is(err, context.DeadlineExceeded):
		msg = "no answer in time"
	case sent:
		msg = "the connection broke before the answer"
	}
	kind := integrations.KindUnavailable
	if sent {
		kind = unknownIf(r.Moves)
	}
	return c.fail(r, kind, msg, redact(err), 0)
}

func (c *Client) statusFailure(r Request, status int, h http.Header, body []byte) error {
	var f Failure
	if c.o.Classify != nil {
		f = c.o.Classify(status, h, body)
	}
	if f.Kind == "" {
		f.Kind = KindOfStatus(status, r.Moves)
	}
	if f.RetryAfter == 0 {
		f.RetryAfter = RetryAfter(h)
	}
	return &integrations.Error{Kind: f.Kind, Platform: c.o.Platform, Op: r.Op, Status: status, Code: f.Code,
		Message: f.Message, RequestID: f.RequestID, RetryAfter: f.RetryAfter, Final: f.Final}
}

// KindOfStatus reads an HTTP status. A 5xx of a call that moves something is
// Unknown: it may have been done before the failure.
func KindOfStatus(status int, moves bool) integrations.Kind {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return integrations.KindUnauthorized
	case status == http.StatusNotFound, status == http.StatusGone:
		return integrations.KindNotFound
	case status == http.StatusTooManyRequests:
		return integrations.KindRateLimited
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusLocked,
		status == http.StatusTooEarly:
		return unknownIf(moves)
	case status >= 500:
		return unknownIf(moves)
	}
	return integrations.KindInvalid
}

// longestRetryAfter is the most that a platform may hold us back, in seconds.
const longestRetryAfter = 24 * 60 * 60

// RetryAfter reads the Retry-After header in seconds or as a date; a day at
// the most.
func RetryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	// A number too large for its type is read as the largest one, so that the
	// product below cannot turn negative.
	if s, err := strconv.ParseUint(v, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(s, longestRetryAfter)) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(time.Until(t), 0), longestRetryAfter*time.Second)
	}
	return 0
}

func unknownIf(moves bool) integrations.Kind {
	if moves {
		return integrations.KindUnknown
	}
	return integrations.KindUnavailable
}

// countsAgainst reports whether a failure is the platform's. A caller who went
// away is none, and neither is a conflict.
func countsAgainst(err error) bool {
	e := integrations.AsError(err)
	return e != nil && !errors.Is(err, context.Canceled) && (e.Kind == integrations.KindUnavailable || e.Kind == integrations.KindUnknown) && e.Status != http.StatusConflict
}

// redact drops URLs (which may hold a reference), however deep in err they
// are, and the piece of one that could not be unescaped.
func redact(err error) error {
	for ue := (*url.Error)(nil); errors.As(err, &ue); {
		err = ue.Err
	}
	if ee := url.EscapeError(""); errors.As(err, &ee) {
		return errors.New("invalid escape in the address")
	}
	return err
}
