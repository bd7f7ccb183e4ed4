package transport

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/copayflow/copayflow/integrations"
)

// sdkCall says what an SDK's request is for; it travels in the context,
// because an SDK lets nothing else through.
type sdkCall struct {
	op    string
	moves bool
}

type sdkCallKey struct{}

// WithCall names the call that an SDK is about to make under ctx. Op and
// moves mean what they mean in Request.
func WithCall(ctx context.Context, op string, moves bool) context.Context {
	return context.WithValue(ctx, sdkCallKey{}, sdkCall{op: op, moves: moves})
}

// RoundTripper lends the client's stack to an SDK: timeout, tracing, rate
// limit, circuit breaker, body limit and the reading of failures all hold for
// its traffic. Unlike other round trippers it returns answers that are
// failures as *integrations.Error (errors.As finds it under whatever the SDK
// wraps around it), so that their reading stays in one place: an error of
// this type is already classified, and Unknown only when the request may have
// arrived. The SDK must not retry by itself.
func (c *Client) RoundTripper() http.RoundTripper { return sdkTripper{c} }

type sdkTripper struct{ c *Client }

// RoundTrip implements http.RoundTripper.
func (t sdkTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	call, ok := req.Context().Value(sdkCallKey{}).(sdkCall)
	if !ok {
		// A call that nobody described is read with the greatest caution.
		call = sdkCall{op: "sdk", moves: req.Method != http.MethodGet && req.Method != http.MethodHead}
	}
	var body []byte
	if req.Body != nil {
		var err error
		body, err = io.ReadAll(req.Body)
		_ = req.Body.Close()
		if err != nil {
			return nil, &integrations.Error{Kind: integrations.KindInvalid, Platform: t.c.o.Platform, Op: call.op,
				Message: "the request could not be built", Err: err}
		}
	}
	res, err := t.c.Do(req.Context(), Request{
		Op: call.op, Method: req.Method, Path: req.URL.String(), Header: req.Header, Body: body, Moves: call.moves,
	}, nil)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: http.StatusText(res.Status), StatusCode: res.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: res.Header, Body: io.NopCloser(bytes.NewReader(res.Body)), ContentLength: int64(len(res.Body)), Request: req,
	}, nil
}
