package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

// platform verifies like one that signs its public URL and its body.
type platform struct{}

func (platform) Verify(_ context.Context, w integrations.Webhook) (integrations.WebhookAnswer, error) {
	if w.Method == http.MethodGet && strings.Contains(w.URL, "msg=") {
		return integrations.WebhookAnswer{Reply: &integrations.Reply{ContentType: "application/json", Body: []byte(`{"secret_token":"x"}`)}}, nil
	}
	switch w.Header.Get("Signature") {
	case "down":
		return integrations.WebhookAnswer{}, &integrations.Error{Kind: integrations.KindUnavailable}
	case "":
		return integrations.WebhookAnswer{}, &integrations.Error{Kind: integrations.KindUnauthorized, Message: "not signed"}
	}
	if w.Header.Get("Signature") != w.URL+"|"+string(w.Body) {
		return integrations.WebhookAnswer{}, &integrations.Error{Kind: integrations.KindUnauthorized, Message: "no signature matches"}
	}
	var ids []string
	if json.Unmarshal(w.Body, &ids) != nil {
		return integrations.WebhookAnswer{}, &integrations.Error{Kind: integrations.KindInvalid}
	}
	var a integrations.WebhookAnswer
	for _, id := range ids {
		a.Events = append(a.Events, integrations.Event{ID: id, Kind: integrations.EventPayment, Type: "t"})
	}
	return a, nil
}

type inbox struct {
	mu   sync.Mutex
	seen map[string]ledger.InboxEvent
	fail error
}

func (i *inbox) Receive(_ context.Context, p copay.PracticeID, pl copay.Platform, events []ledger.InboxEvent) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.fail != nil {
		return 0, i.fail
	}
	fresh := 0
	for _, e := range events {
		k := string(p) + "/" + string(pl) + "/" + e.ID
		if _, ok := i.seen[k]; !ok {
			fresh++
		}
		i.seen[k] = e
	}
	return fresh, nil
}

const public = "https://api.maple.example"

type bench struct {
	h      http.Handler
	inbox  *inbox
	reader *metric.ManualReader
}

func setup(t *testing.T) bench {
	t.Helper()
	reg := integrations.Registry{
		"stripe": func(integrations.Settings) (any, error) { return platform{}, nil },
		"books":  func(integrations.Settings) (any, error) { return struct{}{}, nil },
		"broken": func(integrations.Settings) (any, error) { return nil, errors.New("no credential") },
	}
	d := integrations.NewDirectory(reg, []integrations.PracticePlatforms{{ID: "maple",
		Platforms: map[copay.Platform]map[string]any{"stripe": nil, "books": nil, "broken": nil}}}, integrations.Settings{})
	b := bench{inbox: &inbox{seen: map[string]ledger.InboxEvent{}}, reader: metric.NewManualReader()}
	var err error
	b.h, err = New(Options{Inbox: b.inbox, Directory: d, PublicURL: public + "/", Meter: metric.NewMeterProvider(metric.WithReader(b.reader))})
	require.NoError(t, err)
	return b
}

func (b bench) send(method, path, body, signature string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if signature != "" {
		r.Header.Set("Signature", signature)
	}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	return w
}

func TestDeliveryIsVerifiedStoredAndAcknowledged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const path, body = "/webhooks/stripe/maple?k=1%2F2", `["evt_1","evt_2"]`
	w := b.send("POST", path, body, public+path+"|"+body)
	require.Equal(t, http.StatusOK, w.Code, "the signature is checked against the public URL")
	require.Len(t, b.inbox.seen, 2)
	require.JSONEq(t, `{"id":"evt_1","kind":"payment","type":"t"}`, string(b.inbox.seen["maple/stripe/evt_1"].Payload))

	w = b.send("POST", path, body, public+path+"|"+body)
	require.Equal(t, http.StatusOK, w.Code, "a repeat is acknowledged too")
	require.Len(t, b.inbox.seen, 2)
	require.EqualValues(t, 2, b.sum(t, "copay_webhooks_received"))
	require.EqualValues(t, 4, b.sum(t, "copay_webhook_events"))
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	at := func(path, body string) string { return public + path + "|" + body }
	const here = "/webhooks/stripe/maple"
	for name, tc := range map[string]struct {
		method, path, body, signature string
		fail                          error
		want                          int
	}{
		"unsigned":                   {"POST", here, `["e"]`, "", nil, 401},
		"signed for another body":    {"POST", here, `["e"]`, at(here, `["f"]`), nil, 401},
		"signed for another URL":     {"POST", here, `["e"]`, at("/webhooks/stripe/oak", `["e"]`), nil, 401},
		"malformed":                  {"POST", here, `{`, at(here, `{`), nil, 400},
		"nothing of interest":        {"POST", here, `[]`, at(here, `[]`), errors.New("never asked"), 200},
		"unknown practice":           {"POST", "/webhooks/stripe/oak", `[]`, "x", nil, 404},
		"unknown platform":           {"POST", "/webhooks/nobody/maple", `[]`, "x", nil, 404},
		"a platform without":         {"POST", "/webhooks/books/maple", `[]`, "x", nil, 404},
		"a platform not set up":      {"POST", "/webhooks/broken/maple", `[]`, "x", nil, 503},
		"the store is down":          {"POST", here, `["e"]`, at(here, `["e"]`), copay.Errorf(copay.CodeUnavailable, "", "down"), 503},
		"the store refuses the id":   {"POST", here, `["e"]`, at(here, `["e"]`), copay.Errorf(copay.CodeInvalid, "id", "too long"), 400},
		"verifying needs who's down": {"POST", here, `["e"]`, "down", nil, 503},
		"another method":             {"PUT", here, `[]`, "x", nil, 405},
		"a look with a browser":      {"GET", here, ``, "", nil, 405},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.inbox.fail = tc.fail
			w := b.send(tc.method, tc.path, tc.body, tc.signature)
			require.Equal(t, tc.want, w.Code)
			require.Empty(t, b.inbox.seen)
			if tc.want == 503 {
				require.NotEmpty(t, w.Header().Get("Retry-After"))
			}
			if tc.want == 405 {
				require.Equal(t, "POST", w.Header().Get("Allow"))
			}
			if tc.want >= 400 {
				require.EqualValues(t, 1, b.sum(t, "copay_webhooks_rejected"))
				require.Equal(t, http.StatusText(tc.want)+"\n", w.Body.String(), "no reason leaks to the caller")
			}
		})
	}
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.send("GET", "/webhooks/stripe/maple?msg=hello", "", "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.JSONEq(t, `{"secret_token":"x"}`, w.Body.String())
	require.Empty(t, b.inbox.seen)
}

func TestHugeBodyIsNotRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := httptest.NewRequest("POST", "/webhooks/stripe/maple", io.LimitReader(endless{}, maxBody+1))
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
}

func TestAcknowledgementIsMeasured(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.send("POST", "/webhooks/nobody/maple", "", "")
	var got metricdata.ResourceMetrics
	require.NoError(t, b.reader.Collect(t.Context(), &got))
	for _, m := range got.ScopeMetrics[0].Metrics {
		if m.Name == "copay_webhook_ack_seconds" {
			p := m.Data.(metricdata.Histogram[float64]).DataPoints[0]
			require.EqualValues(t, 1, p.Count)
			label, _ := p.Attributes.Value("platform")
			require.Equal(t, "unknown", label.AsString(), "a name from outside is no label")
			return
		}
	}
	t.Fatal("no measurement")
}

func TestNewRefusesMissingParts(t *testing.T) {
	t.Parallel()
	_, err := New(Options{})
	require.Error(t, err)
}

func (b bench) sum(t *testing.T, name string) int64 {
	t.Helper()
	var got metricdata.ResourceMetrics
	require.NoError(t, b.reader.Collect(t.Context(), &got))
	var n int64
	for _, s := range got.ScopeMetrics {
		for _, m := range s.Metrics {
			if m.Name == name {
				for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
					n += p.Value
				}
			}
		}
	}
	return n
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte{'x'}, len(p))), nil }
