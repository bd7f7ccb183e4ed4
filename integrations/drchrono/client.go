package drchrono

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// client calls the API. It is safe for concurrent use.
type client struct {
	http *transport.Client
	base *url.URL
	hour *hourly
}

const (
	// maxRedirects bounds how often one call is sent on.
	maxRedirects = 4
	// maxPages bounds a listing; what needs more is a mistake.
	maxPages = 200
	// pageSize is asked of listings that take one.
	pageSize = "100"
)

// do makes one call. DrChrono answers some with a redirect, after which the
// same method, headers and body have to be sent to the new address; nothing
// has been done by then, also when the call moves money.
func (c *client) do(ctx context.Context, r transport.Request, into any) error {
	for range maxRedirects {
		if err := c.hour.take(r.Op); err != nil {
			return err
		}
		res, err := c.http.Do(ctx, r, nil)
		if err != nil {
			return err
		}
		if res.Status >= 300 {
			to, ok := c.within(res.Header.Get("Location"))
			if !ok {
				return fail(integrations.KindUnavailable, r.Op, "the platform sends us away from its API; check base_url and the connection's consent")
			}
			r.Path, r.Query = to, nil
			continue
		}
		if err := json.Unmarshal(res.Body, into); err != nil {
			kind := integrations.KindUnavailable
			if r.Moves {
				kind = integrations.KindUnknown
			}
			e := fail(kind, r.Op, "the answer is not the JSON that was expected")
			e.Status = res.Status
			return e
		}
		return nil
	}
	return fail(integrations.KindUnavailable, r.Op, "too many redirects; check base_url")
}

func fail(k integrations.Kind, op, msg string) *integrations.Error {
	return &integrations.Error{Kind: k, Platform: Platform, Op: op, Message: msg}
}

// redirected are the statuses that do followes.
var redirected = []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect}

func success(status int) bool {
	return status >= 200 && status < 300 || slices.Contains(redirected, status)
}

// within turns a link of the platform into an address below our base URL: it
// answers under several hosts, and credentials must go to none but ours.
func (c *client) within(link string) (string, bool) {
	u, err := url.Parse(link)
	if err != nil || link == "" {
		return "", false
	}
	path := strings.TrimPrefix(u.EscapedPath(), strings.TrimSuffix(c.base.Path, "/"))
	if !strings.HasPrefix(path, "/api/") || strings.Contains(path, "..") {
		return "", false
	}
	to := *c.base
	to.Path, to.RawPath, to.RawQuery, to.Fragment = "", "", "", ""
	s := to.String() + strings.TrimSuffix(c.base.Path, "/") + path
	if u.RawQuery != "" {
		s += "?" + u.RawQuery
	}
	return s, true
}

func (c *client) get(ctx context.Context, op, path string, q url.Values, into any) error {
	return c.do(ctx, transport.Request{Op: op, Method: http.MethodGet, Path: path, Query: q}, into)
}

// each reads a listing page by page until its end, or until visit has enough.
func each[T any](ctx context.Context, c *client, op, path string, q url.Values, visit func(T) (enough bool)) error {
	for range maxPages {
		var p page[T]
		if err := c.get(ctx, op, path, q, &p); err != nil {
			return err
		}
		for _, x := range p.items() {
			if visit(x) {
				return nil
			}
		}
		if p.next() == "" {
			return nil
		}
		to, ok := c.within(p.next())
		if !ok {
			return fail(integrations.KindUnavailable, op, "the listing's next page is not part of the API")
		}
		path, q = to, nil
	}
	return fail(integrations.KindUnavailable, op, "the listing does not end")
}

// list reads a whole listing.
func list[T any](ctx context.Context, c *client, op, path string, q url.Values) ([]T, error) {
	var all []T
	err := each(ctx, c, op, path, q, func(x T) bool { all = append(all, x); return false })
	return all, err
}

// hourly holds calls to the platform's count, which starts anew at the top of
// each clock hour. A rate that trickles would let twice as many through.
type hourly struct {
	max int
	now func() time.Time

	mu    sync.Mutex
	start time.Time
	calls int
}

func (h *hourly) take(op string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	if start := now.Truncate(time.Hour); !start.Equal(h.start) {
		h.start, h.calls = start, 0
	}
	if h.calls >= h.max {
		e := fail(integrations.KindRateLimited, op, "held back to stay within the platform's hourly limit")
		e.RetryAfter = nextHour(now)
		return e
	}
	h.calls++
	return nil
}

func nextHour(t time.Time) time.Duration { return t.Truncate(time.Hour).Add(time.Hour).Sub(t) }

// throttle reads 429. DrChrono throttles for two reasons and does not say
// which: ten calls within a second, and 500 within a clock hour. A refusal out
// of the blue is taken for the first, one that lasts for the second.
type throttle struct {
	now func() time.Time

	mu          sync.Mutex
	first, last time.Time
}

const (
	burstPause = 2 * time.Second
	forgetful  = time.Minute
)

func (t *throttle) pause() (time.Duration, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if now.Sub(t.last) > forgetful || now.Before(t.last) {
		t.first = now
	}
	t.last = now
	if now.Sub(t.first) < burstPause {
		return burstPause, "too many calls at once"
	}
	return nextHour(now), "the application's hourly limit is used up"
}

var fieldName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// classify reads DrChrono's errors. Their texts may repeat what was sent, so
// only the names of the fields are kept.
func (t *throttle) classify(status int, h http.Header, body []byte) transport.Failure {
	switch status {
	case http.StatusTooManyRequests:
		f := transport.Failure{Kind: integrations.KindRateLimited}
		f.RetryAfter, f.Message = t.pause()
		if said := transport.RetryAfter(h); said > 0 {
			f.RetryAfter = said
		}
		return f
	case http.StatusForbidden:
		return transport.Failure{Kind: integrations.KindUnauthorized, Message: "the token lacks a scope, or the user a permission inside DrChrono"}
	case http.StatusBadRequest:
		f := transport.Failure{Kind: integrations.KindInvalid, Code: strconv.Itoa(status)}
		var fields map[string]json.RawMessage
		if json.Unmarshal(body, &fields) == nil {
			var names []string
			for _, name := range sortedKeys(fields) {
				if fieldName.MatchString(name) {
					names = append(names, name)
				}
			}
			f.Message = "refused fields: " + strings.Join(names, ", ")
		}
		return f
	case http.StatusConflict:
		return transport.Failure{Kind: integrations.KindInvalid, Message: "it conflicts with what is there"}
	}
	return transport.Failure{}
}
