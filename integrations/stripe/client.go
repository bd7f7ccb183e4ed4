package stripe

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	sdk "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/client"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// newSDK makes the official client over the project's HTTP stack. Each
// backend needs a configuration of its own, because making a backend fills
// the one it is given; retries are the workflow's, so the library has none.
func newSDK(cfg Config, hc *transport.Client) *client.API {
	backend := func(kind sdk.SupportedBackend) sdk.Backend {
		return sdk.GetBackendWithConfig(kind, &sdk.BackendConfig{
			URL:               sdk.String(cfg.BaseURL),
			HTTPClient:        &http.Client{Transport: hc.RoundTripper()},
			MaxNetworkRetries: sdk.Int64(0),
			EnableTelemetry:   sdk.Bool(false),
			// The library logs bodies at debug level and raw messages above it.
			LeveledLogger: &sdk.LeveledLogger{Level: sdk.LevelNull},
		})
	}
	return client.New(cfg.SecretKey.Reveal(), &sdk.Backends{
		API: backend(sdk.APIBackend), Connect: backend(sdk.ConnectBackend), Uploads: backend(sdk.UploadsBackend),
	})
}

func limits(cfg Config) []transport.Limit {
	return []transport.Limit{{N: cfg.RequestsPerSecond, Per: time.Second, Burst: cfg.RequestsPerSecond}}
}

// call is what is said about one request.
type call struct {
	op    string
	moves bool
}

// with fills the parts that all single-object parameters share. key is the
// idempotency key; without one the library makes a random one for writes.
func (c *Connector) with(ctx context.Context, p *sdk.Params, k call, key string) {
	p.Context = transport.WithCall(ctx, k.op, k.moves)
	if key != "" {
		p.SetIdempotencyKey(key)
	}
	if c.cfg.Account != "" {
		p.SetStripeAccount(c.cfg.Account)
	}
}

// list fills the parts that all list parameters share.
func (c *Connector) list(ctx context.Context, p *sdk.ListParams, op string, limit int64) {
	p.Context = transport.WithCall(ctx, op, false)
	p.Limit = sdk.Int64(limit)
	if c.cfg.Account != "" {
		p.SetStripeAccount(c.cfg.Account)
	}
}

// fail makes sure that what leaves the package is an *integrations.Error.
// The stack has classified nearly everything; what remains are answers that
// the library could not decode, whose error text quotes the body.
func (c *Connector) fail(k call, err error) error {
	if err == nil {
		return nil
	}
	if e := integrations.AsError(err); e != nil {
		return e
	}
	kind := integrations.KindUnavailable
	if k.moves {
		kind = integrations.KindUnknown
	}
	return &integrations.Error{Kind: kind, Platform: Name, Op: k.op, Message: "the answer is not what was expected"}
}

// failList reads the failure of a listing. A 404 that names no missing object
// is a wrong address or a gateway's: it does not say that nothing was made.
func (c *Connector) failList(op string, err error) error {
	err = c.fail(call{op: op}, err)
	e := integrations.AsError(err)
	if e == nil || e.Kind != integrations.KindNotFound || e.Code == "resource_missing" {
		return err
	}
	lost := *e
	lost.Kind, lost.Message = integrations.KindUnavailable, "the listing is not there; check base_url"
	return &lost
}

// wireError is the platform's error body.
type wireError struct {
	Error struct {
		Type        string `json:"type"`
		Code        string `json:"code"`
		DeclineCode string `json:"decline_code"`
		Param       string `json:"param"`
	} `json:"error"`
}

// Codes that this package gives where the platform has none.
const (
	codeIdempotency = "idempotency_error"
	codeReplayed    = "replayed_server_error"
)

// classify reads the platform's error answers (docs.stripe.com/api/errors).
// Its messages are ours: the platform's may quote what was sent.
func classify(status int, h http.Header, body []byte) transport.Failure {
	var w wireError
	_ = json.Unmarshal(body, &w) // an unreadable body leaves the status to decide
	f := transport.Failure{Code: safeCode(w.Error.Code), RequestID: safeCode(h.Get("Request-Id"))}
	switch {
	case status >= 500: // whatever the body says, the outcome is not known
		if h.Get("Idempotent-Replayed") == "true" {
			f.Code = codeReplayed
		}
		f.Message = "the platform failed"
	case w.Error.Type == "idempotency_error":
		f.Kind, f.Code = integrations.KindInvalid, codeIdempotency
		f.Message = "the reference was used before with other parameters"
	case w.Error.Type == "card_error" || status == http.StatusPaymentRequired:
		if d := safeCode(w.Error.DeclineCode); d != "" {
			f.Code = d
		}
		f.Kind, f.Final, f.Message = integrations.KindDeclined, finalDeclines[f.Code], declineText(f.Code)
	case status == http.StatusTooManyRequests:
		f.Kind, f.Message = integrations.KindRateLimited, "too many requests"
		// No Retry-After is documented: without one a second is a fair guess.
		if transport.RetryAfter(h) == 0 {
			f.RetryAfter = time.Second
		}
	case w.Error.Code == "lock_timeout":
		f.Kind, f.RetryAfter = integrations.KindUnavailable, time.Second
		f.Message = "another request holds the object"
	case status == http.StatusConflict:
		f.Message, f.RetryAfter = "the first request with this reference is still running", time.Second
	case status == http.StatusFailedDependency:
		f.Kind, f.Message = integrations.KindUnknown, "a system behind the platform failed"
	case status == http.StatusUnauthorized:
		f.Message = "the API key is wrong, revoked or expired"
	case status == http.StatusForbidden:
		f.Message = "the API key lacks a permission"
	case h.Get("Stripe-Should-Retry") == "true":
		f.Kind, f.Message = integrations.KindUnavailable, "the platform asks to try again"
	default:
		f.Message = refusalText(f.Code, w.Error.Param)
	}
	return f
}

// checkAmount refuses what the platform could only misread.
func checkAmount(op string, m copay.Money) error {
	if !m.Currency.Supported() || !m.IsPositive() {
		return &integrations.Error{Kind: integrations.KindInvalid, Platform: Name, Op: op,
			Message: "an amount is positive and in US dollars"}
	}
	return nil
}
