package quickbooks

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// minorVersion selects the shape of the schema (Minor versions: below 75 is
// treated as 75 since August 2025).
const minorVersion = "75"

// maxRequestID is the longest requestid Intuit keeps.
const maxRequestID = 50

// client makes the calls; it knows wire shapes and nothing of co-pays.
type client struct {
	http     *transport.Client
	consent  transport.TokenCall
	platform copay.Platform
	root     string // /v3/company/<realm>
}

func newClient(s integrations.Settings, c Config) (*client, error) {
	base, path, err := splitURL(c.TokenURL)
	if err != nil {
		return nil, err
	}
	tokens, err := transport.New(transport.Options{Platform: s.Platform, BaseURL: base, RoundTripper: s.RoundTripper, Timeout: c.Timeout})
	if err != nil {
		return nil, err
	}
	call := transport.TokenCall{Client: tokens, Path: path, Basic: true, ClientID: c.ClientID, ClientSecret: c.ClientSecret, Account: c.RealmID}
	bearer := transport.RefreshTokens(call, s.Tokens, s.Practice, s.Platform, c.RefreshToken)
	h, err := transport.New(transport.Options{
		Platform: s.Platform, BaseURL: c.BaseURL, RoundTripper: s.RoundTripper, Timeout: c.Timeout,
		MaxBody:   16 << 20, // a page of 500 documents
		Limits:    []transport.Limit{within(c.LimitPerSecond, time.Second), within(c.LimitPerMinute, time.Minute)},
		Authorize: bearer.Authorize, Reauthorize: bearer.Reauthorize, Classify: classify,
	})
	if err != nil {
		return nil, err
	}
	return &client{http: h, consent: call, platform: s.Platform, root: "/v3/company/" + c.RealmID}, nil
}

// within makes a limit whose burst and refill together never pass n in any
// window of that length.
func within(n int, per time.Duration) transport.Limit {
	burst := max(n/5, 1)
	return transport.Limit{N: max(n-burst, 1), Per: per, Burst: burst}
}

func (c *client) do(ctx context.Context, r transport.Request) (answer, error) {
	if r.Query == nil {
		r.Query = url.Values{}
	}
	r.Query.Set("minorversion", minorVersion)
	r.Path = c.root + r.Path
	var a answer
	resp, err := c.http.Do(ctx, r, &a)
	if err == nil && a.Fault != nil {
		err = c.faultError(r, resp, a.Fault)
	}
	if e := integrations.AsError(err); e != nil && e.Kind == integrations.KindUnknown && !r.Moves {
		e.Kind = integrations.KindUnavailable // a read, or a list entry guarded by its unique name
	}
	return a, err
}

// faultError reads a fault that came with a success status.
func (c *client) faultError(r transport.Request, resp *transport.Response, f *fault) error {
	e := &integrations.Error{Kind: integrations.KindInvalid, Platform: c.platform, Op: r.Op, Status: resp.Status,
		Code: f.code(), RequestID: traceID(resp.Header)}
	if x, ok := readings[e.Code]; ok {
		e.Kind, e.Message = x.kind, x.message
	}
	if e.Code == codeInternal {
		e.Kind = integrations.KindUnknown
	}
	return e
}

// read gets one object by id.
func (c *client) read(ctx context.Context, entity, id string) (answer, error) {
	return c.do(ctx, transport.Request{Op: entity + ".read", Method: http.MethodGet, Path: "/" + entity + "/" + url.PathEscape(id)})
}

// query runs one statement of the query language.
func (c *client) query(ctx context.Context, op, statement string) (listing, error) {
	a, err := c.do(ctx, transport.Request{Op: op, Method: http.MethodGet, Path: "/query", Query: url.Values{"query": {statement}}})
	if err != nil {
		return listing{}, err
	}
	if a.QueryResponse == nil {
		return listing{}, &integrations.Error{Kind: integrations.KindUnavailable, Platform: c.platform, Op: op,
			Message: "the answer holds no query result"}
	}
	return *a.QueryResponse, nil
}

// post writes a document. requestID makes a repeat give the first answer.
func (c *client) post(ctx context.Context, op, entity string, q url.Values, body any, requestID string) (answer, error) {
	if q == nil {
		q = url.Values{}
	}
	q.Set("requestid", requestID)
	return c.do(ctx, transport.Request{Op: op, Method: http.MethodPost, Path: "/" + entity, Query: q, JSON: body, Moves: true})
}

// add writes a list entry, which its unique name guards against doubles.
func (c *client) add(ctx context.Context, entity string, body any) (answer, error) {
	return c.do(ctx, transport.Request{Op: entity + ".create", Method: http.MethodPost, Path: "/" + entity, JSON: body})
}

// requestID derives the idempotency key of one write.
func requestID(ref copay.Ref, suffix string) string {
	return ref.Max(maxRequestID-len(suffix)) + suffix
}

// voidID is the idempotency key of voiding one version of a payment ("p") or an
// invoice ("i"). Both are voided under one reference: with one key for the two,
// the second would be given the first one's answer and never happen.
func voidID(ref copay.Ref, entity, version string) string {
	return requestID(ref, "-v"+entity+version)
}

// quote makes a literal of the query language.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
