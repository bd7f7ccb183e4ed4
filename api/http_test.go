package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// rest calls the REST interface as somebody of maple.
func (b bench) rest(t *testing.T, method, path, role, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if role != "" {
		r.Header.Set("Authorization", token(t, "ana", []string{role}, []string{"maple"}))
	}
	w := httptest.NewRecorder()
	b.s.Handler().ServeHTTP(w, r)
	return w
}

// problem is google.rpc.Status in JSON.
type problemJSON struct {
	Code    int
	Message string
	Details []map[string]any
}

func (p problemJSON) detail(suffix string) map[string]any {
	for _, d := range p.Details {
		if strings.HasSuffix(d["@type"].(string), suffix) {
			return d
		}
	}
	return nil
}

func parse(t *testing.T, w *httptest.ResponseRecorder) problemJSON {
	t.Helper()
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	var p problemJSON
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p), w.Body.String())
	return p
}

func TestRESTErrorsAreStatusWithDetails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := string(b.add(key, copay.StateAwaitingPayment).ID)
	at := "/v1/practices/maple/copays/" + id
	for name, tc := range map[string]struct {
		method, path, role, body string
		status, code             int
		detail, contains         string
	}{
		"no token":       {"GET", at, "", "", 401, 16, "ErrorInfo", "UNAUTHENTICATED"},
		"wrong role":     {"POST", at + ":waive", "front_desk", `{}`, 403, 7, "ErrorInfo", "PERMISSION"},
		"other practice": {"GET", strings.Replace(at, "maple", "oak", 1), "biller", "", 403, 7, "BadRequest", "practice_id"},
		"not found":      {"GET", "/v1/practices/maple/copays/cp_0000000000000000", "biller", "", 404, 5, "ErrorInfo", "NOT_FOUND"},
		"invalid":        {"POST", at + ":override", "biller", `{"requestId":"r","reason":"x","amount":{"minor":"5","currency":"EUR"}}`, 400, 3, "BadRequest", "amount.currency"},
		"internal":       {"POST", at + ":waive", "biller", `{"requestId":"r","reason":"x"}`, 500, 13, "RequestInfo", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := b.rest(t, tc.method, tc.path, tc.role, tc.body)
			require.Equal(t, tc.status, w.Code, w.Body.String())
			p := parse(t, w)
			require.Equal(t, tc.code, p.Code)
			require.NotEmpty(t, p.Message)
			text, _ := json.Marshal(p.detail(tc.detail))
			require.Contains(t, string(text), tc.contains)
			require.Equal(t, w.Header().Get("X-Request-Id"), p.detail("RequestInfo")["requestId"], "the header and the detail agree")
		})
	}
	require.Equal(t, http.StatusNotFound, b.rest(t, "GET", "/v1/nothing", "biller", "").Code)
	cut := b.rest(t, "POST", at+":waive", "biller", `{`)
	require.Equal(t, http.StatusBadRequest, cut.Code)
	require.Contains(t, parse(t, cut).Message, "the request cannot be read")
	require.Equal(t, http.StatusNotFound, b.rest(t, "GET", "/nothing", "", "").Code)
}

// A field that is left out means something; a mistake in its name must not.
func TestFieldsThereAreNotAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := "/v1/practices/maple/copays/" + string(b.add(key, copay.StateAwaitingPayment).ID)
	for path, body := range map[string]string{
		at + ":waive":                         `{"requestId":"r","reason":"x","actor":"boss"}`,
		at + ":resend":                        `{"requestId":"r","reason":"lost phone","newlink":true}`,
		"/v1/practices/maple/copays:search":   `{"patient":"pat-1"}`,
		at + ":override":                      `{"requestId":"r","reason":"x","amount":{"minor":"5","currency":"USD","dollars":1}}`,
		"/v1/practices/maple/messageConsents": `{"everywhere":true}`,
	} {
		w := b.rest(t, "POST", path, "biller", body)
		require.Equal(t, http.StatusBadRequest, w.Code, path)
		require.Contains(t, parse(t, w).Message, "there is no field", path)
	}
	require.Empty(t, b.calls)
}

// What cannot be read is named in our words, as any other refusal.
func TestWhatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := "/v1/practices/maple/copays"
	one := at + "/" + string(b.add(key, copay.StateAwaitingPayment).ID)
	const rails = "must be one of RAIL_LINK, RAIL_CARD_ON_FILE, RAIL_CASH, RAIL_CHECK, RAIL_TERMINAL"
	for _, tc := range []struct{ method, path, body, field, says string }{
		{"GET", at + "?page_size=abc", "", "page_size", "must be a whole number"},
		{"GET", at + "?pageSize=5000000000", "", "pageSize", "must be a whole number"},
		{"GET", at + "?page_size=1&page_size=2", "", "page_size", "stands there twice"},
		{"GET", at + "?needs_review=perhaps", "", "needs_review", "must be true or false"},
		{"GET", at + "?rail=RAIL_BITCOIN", "", "rail", rails},
		{"GET", at + "?states=HAPPY", "", "states", "must be one of STATE_RECEIVED"},
		{"GET", at + "?updated_since=yesterday", "", "updated_since", "must be a moment such as 2026-11-24T15:00:00Z"},
		{"GET", "/v1/practices/maple/audit/records?from=nonsense", "", "from", "must be a moment"},
		{"GET", at + "?ehr.x=1", "", "", `there is no parameter "ehr.x"`},
		{"GET", at + "?states[a].b=STATE_SETTLED", "", "", `there is no parameter "states[a].b"`},
		{"GET", at + "?states[a]=STATE_SETTLED", "", "", `there is no parameter "states[a]"`},
		{"GET", at + "?ehr[x].y=drchrono", "", "", `there is no parameter "ehr[x].y"`},
		{"GET", at + "?page_size[=5", "", "", `there is no parameter "page_size["`},
		{"GET", at + "?page_size[]=5", "", "", `there is no parameter "page_size[]"`},
		{"GET", at + "?updated_since.seconds=5", "", "", `there is no parameter "updated_since.seconds"`},
		{"GET", at + "?patientRef=a&patient_ref=b", "", "patientRef", "stands there twice"},
		{"POST", at + ":search?page_size=abc&bogus=1", `{}`, "", "this method reads nothing behind the question mark"},
		{"POST", one + ":waive?reason=x", `{"requestId":"r","reason":"x"}`, "", "what it is given stands in the body"},
		{"POST", one + ":waive", `{"requestId":"r","reason":"x"} trailing`, "", "there is something behind the JSON object"},
		{"POST", one + ":waive", `{"requestId":"r","reason":"x"}{}`, "", "there is something behind the JSON object"},
		{"GET", at + "?ehr=a;b", "", "", "write special characters as %XX"},
		{"POST", one + ":override", `{"requestId":"r","reason":"x","amount":25}`, "amount", "must be an object with minor, currency"},
		{"POST", one + ":override", `{"requestId":"r","reason":"x","amount":{"minor":"25.5","currency":"USD"}}`, "amount.minor", "must be a whole number"},
		{"POST", one + ":override", `{"requestId":"r","reason":"x","amount":{"minor":"25","dollars":"USD"}}`, "", `there is no field "amount.dollars"`},
		{"POST", one + ":changeRail", `{"requestId":"r","reason":"x","rail":"RAIL_BITCOIN"}`, "rail", rails},
		{"POST", one + ":resend", `{"requestId":"r","reason":7}`, "reason", "must be text"},
		{"POST", one + ":resend", `{"requestId":"r","request_id":"r","reason":"x"}`, "request_id", "stands there twice"},
		{"POST", one + ":resend", `{"requestId":"r","reason":"x","newLink":"yes"}`, "new_link", "must be true or false"},
		{"POST", at + ":search", `{"states":"STATE_PAID"}`, "states", "must be a list"},
		{"POST", at + ":search", `{"states":["HAPPY"]}`, "states", "must be a list of which each must be one of STATE_RECEIVED"},
		{"POST", at + ":search", `{"updatedSince":"yesterday"}`, "updated_since", "must be a moment"},
		{"POST", at + ":search", `[]`, "", "must be a JSON object"},
		{"POST", at + ":search", `null`, "", "must be a JSON object"},
		{"POST", at + ":search", `{"ehr":"\ud800"}`, "ehr", "must be text"},
		{"POST", one + ":waive", `reason=x`, "", "the body is not JSON"},
		{"POST", one + ":waive", `{"reason":`, "", "the body is not JSON"},
		{"POST", "/v1/practices/maple/inbox/abc:replay", `{}`, "inbox_id", "must be a whole number"},
	} {
		w := b.rest(t, tc.method, tc.path, "biller", tc.body)
		require.Equal(t, http.StatusBadRequest, w.Code, "%s %s: %s", tc.path, tc.body, w.Body)
		p := parse(t, w)
		require.Equal(t, 3, p.Code)
		require.Contains(t, p.Message, tc.says, "%s %s", tc.path, tc.body)
		require.Contains(t, p.Message, "the request cannot be read: ")
		for _, foreign := range []string{"strconv", "proto", "parsing", "invalid value", "yesterday", mark} {
			require.NotContains(t, p.Message, foreign)
		}
		require.Equal(t, "INVALID", p.detail("ErrorInfo")["reason"])
		require.Equal(t, w.Header().Get("X-Request-Id"), p.detail("RequestInfo")["requestId"])
		if tc.field == "" {
			require.Nil(t, p.detail("BadRequest"))
			continue
		}
		at := p.detail("BadRequest")["fieldViolations"].([]any)[0].(map[string]any)
		require.Equal(t, tc.field, at["field"], "%s %s", tc.path, tc.body)
		require.Contains(t, p.Message, tc.field+" "+at["description"].(string))
	}
	require.Empty(t, b.calls)
	require.Equal(t, "it does not have the form that /openapi.json describes", misreadOf("words of a library").text)
}

func TestWhoeverComesWithoutAnAddressIsToldWhereToLook(t *testing.T) {
	t.Parallel()
	w := setup(t).rest(t, "GET", "/", "", "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
	for _, want := range []string{"/openapi.json", "/healthz", "docs/"} {
		require.Contains(t, w.Body.String(), want)
	}
}

func TestAddressesThatLeadNowhereSaySo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := "/v1/practices/maple/copays/" + string(key.ID())
	for _, tc := range []struct {
		method, path string
		status       int
		allow        string
	}{{"GET", "/v1/nothing", 404, ""}, {"PUT", at + ":waive", 405, "POST"}, {"POST", at + ":explode", 405, ""}, {"DELETE", at, 405, "GET"},
		{"PUT", "/v1/practices/maple/copays", 405, "GET, POST"}, {"HEAD", at, 405, "GET"}, {"OPTIONS", at + "/timeline", 405, "GET"}} {
		w := b.rest(t, tc.method, tc.path, "biller", "{}")
		require.Equal(t, tc.status, w.Code, tc.path)
		require.Equal(t, tc.allow, w.Header().Get("Allow"), "%s %s", tc.method, tc.path)
		p := parse(t, w)
		require.Contains(t, p.Message, "/openapi.json", tc.path)
		require.Equal(t, w.Header().Get("X-Request-Id"), p.detail("RequestInfo")["requestId"])
	}
}

func TestRESTSpeaksTheContract(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := string(b.add(key, copay.StateAwaitingPayment).ID)
	b.update = func(_ context.Context, _ string, out, _ any) error {
		*out.(*copay.CoPay) = copay.CoPay{ID: key.ID(), Key: key, State: copay.StateWaived}
		return nil
	}
	w := b.rest(t, "POST", "/v1/practices/maple/copays/"+id+":waive", "biller", `{"requestId":"r-1","reason":"hardship"}`)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Contains(t, w.Body.String(), `"state":"STATE_WAIVED"`)
	w = b.rest(t, "GET", "/v1/practices/maple/copays?states=STATE_PAID&needsReview=false&pageSize=10", "auditor", "")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, []copay.State{copay.StatePaid}, b.filter.States)
	require.False(t, *b.filter.NeedsReview)
	require.Contains(t, w.Body.String(), `"minor":"2500"`)
	w = b.rest(t, "POST", "/v1/practices/maple/copays:search", "auditor", `{"patientRef":"pat-1"}`)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, copay.PatientRef("pat-1"), b.filter.Patient, "kept out of the URL")
	w = b.rest(t, "GET", "/v1/practices/maple/copays/"+id+"/timeline", "auditor", "")
	require.Contains(t, w.Body.String(), `"note":"a note"`)
}

func TestRESTWatchStreams(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.add(key, copay.StatePosting)
	web := httptest.NewServer(b.s.Handler())
	t.Cleanup(web.Close)
	r, err := http.NewRequestWithContext(t.Context(), "GET", web.URL+"/v1/practices/maple/copays/"+string(c.ID)+":watch", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", token(t, "ana", []string{"biller"}, []string{"maple"}))
	for _, s := range []copay.State{copay.StatePosting, copay.StateSettled} {
		c.State = s
		b.changes <- ledger.CoPayRow{CoPay: c}
	}
	close(b.changes)
	resp, err := web.Client().Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	require.Len(t, lines, 3, string(body))
	require.Contains(t, lines[0], `"STATE_POSTING"`)
	require.Contains(t, lines[1], `"STATE_SETTLED"`)
	require.Contains(t, lines[2], `"error"`, "a stream that ends tells why")
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	var fail error
	b := setup(t, func(o *Options) {
		o.Checks = map[string]func(context.Context) error{"database": func(context.Context) error { return fail }, "temporal": func(context.Context) error { return nil }}
	})
	w := b.rest(t, "GET", "/readyz", "", "")
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, `{"database":"ok","temporal":"ok"}`, w.Body.String())
	fail = errors.New("password=hunter2")
	w = b.rest(t, "GET", "/readyz", "", "")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.JSONEq(t, `{"database":"not reachable","temporal":"ok"}`, w.Body.String())
	require.Equal(t, http.StatusOK, b.rest(t, "GET", "/healthz", "", "").Code, "alive all the same")
	b.s.Close()
	require.Equal(t, http.StatusServiceUnavailable, b.rest(t, "GET", "/readyz", "", "").Code)
}

func TestOpenAPIAndHeaders(t *testing.T) {
	t.Parallel()
	mark := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
	}
	b := setup(t, func(o *Options) { o.Webhooks, o.Pay, o.Codec = mark("hooks"), mark("pay"), mark("codec") })
	w := b.rest(t, "GET", "/openapi.json", "", "")
	var doc struct {
		Paths map[string]any
		Info  struct{ Title string }
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &doc))
	require.Equal(t, "Copayflow", doc.Info.Title)
	require.Contains(t, doc.Paths, "/v1/practices/{practiceId}/copays/{copayId}:override")
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.NotEmpty(t, w.Header().Get("X-Request-Id"))
	for path, want := range map[string]string{"/webhooks/stripe/maple": "hooks", "/pay/x": "pay", "/codec/decode": "codec"} {
		require.Equal(t, want, b.rest(t, "POST", path, "", "").Body.String())
	}
}

func TestAddressesThatAreNoTextAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, at := range []string{"/v1/practices/%ff/copays", "/v1/practices/maple/copays?ehr=%ff", "/v1/practices/maple/copays?%ff=1", "/v1/practices/maple/copays/%c3%28:watch"} {
		w := b.rest(t, "GET", at, "auditor", "")
		require.Equal(t, http.StatusBadRequest, w.Code, at)
		require.Contains(t, parse(t, w).Message, "UTF-8")
	}
	require.Equal(t, http.StatusBadRequest, b.rest(t, "GET", "/v1/practices/maple/copays?ehr=%zz", "auditor", "").Code)
	require.Equal(t, http.StatusBadRequest, b.rest(t, "GET", "/v1/practices/maple/copays?page_token=caf%C3%A9&page_size=x", "auditor", "").Code)
	require.Equal(t, http.StatusOK, b.rest(t, "GET", "/v1/practices/maple/copays?page_token=caf%C3%A9", "auditor", "").Code)
}

// gRPC fails for what a header may hold and a call's metadata may not, as if
// the fault were ours.
func TestHeadersThatAreNoTextAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(key, copay.StateAwaitingPayment)
	ask := func(name, value string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/v1/practices/maple/copays", nil)
		r.Header.Set("Authorization", token(t, "ana", []string{"biller"}, []string{"maple"}))
		r.Header.Set(name, value)
		w := httptest.NewRecorder()
		b.s.Handler().ServeHTTP(w, r)
		return w
	}
	for _, v := range []string{"Bearer caf\u00e9", "Bearer \xff", "Bearer a\tb", "ApiKey \x7f"} {
		w := ask("Authorization", v)
		require.Equal(t, http.StatusUnauthorized, w.Code, "%q", v)
		p := parse(t, w)
		require.Equal(t, 16, p.Code)
		require.Contains(t, p.Message, "Authorization")
		require.Equal(t, "UNAUTHENTICATED", p.detail("ErrorInfo")["reason"])
		require.Equal(t, w.Header().Get("X-Request-Id"), p.detail("RequestInfo")["requestId"])
	}
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Request-Id"} {
		require.Equal(t, http.StatusOK, ask(name, "caf\u00e9").Code, name)
	}
	for _, v := range []string{"abc", "-1S", "S", "1", "1 S", "99999999H", "123456789S"} {
		w := ask("Grpc-Timeout", v)
		require.Equal(t, http.StatusBadRequest, w.Code, v)
		p := parse(t, w)
		require.Equal(t, "the header Grpc-Timeout must be a time such as 30S or 500m: a number and one of H, M, S, m, u, n", p.Message)
		require.Equal(t, "INVALID", p.detail("ErrorInfo")["reason"])
	}
	for _, v := range []string{"30S", "999999H", "20000m"} {
		require.Equal(t, http.StatusOK, ask("Grpc-Timeout", v).Code, v)
	}
	w := ask("Grpc-Timeout", "1n")
	require.Equal(t, http.StatusGatewayTimeout, w.Code)
	require.Equal(t, "TIMEOUT", parse(t, w).detail("ErrorInfo")["reason"])
}

func TestParametersThereAreNotAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := "/v1/practices/maple/copays"
	for _, query := range []string{"state=STATE_PAID", "patient=pat-1", "needs-review=true", "x", ".=1", "[a]=1", "filter.states=STATE_PAID"} {
		w := b.rest(t, "GET", at+"?"+query, "auditor", "")
		require.Equal(t, http.StatusBadRequest, w.Code, query)
		require.Contains(t, parse(t, w).Message, "there is no parameter")
	}
	for _, query := range []string{"", "states=STATE_PAID&states=STATE_SETTLED", "states[]=STATE_PAID&states[]=STATE_SETTLED", "states=STATE_PAID&states%5B%5D=STATE_SETTLED", "needs_review=true", "needsReview=true", "updatedSince=2026-11-24T00:00:00Z", "practice_id=oak"} {
		w := b.rest(t, "GET", at+"?"+query, "auditor", "")
		require.Equal(t, http.StatusOK, w.Code, query)
		if strings.HasPrefix(query, "states") {
			require.Equal(t, []copay.State{copay.StatePaid, copay.StateSettled}, b.filter.States, query)
		}
	}
	require.Equal(t, http.StatusBadRequest, b.rest(t, "GET", "/v1/practices/maple/audit/records?actor=ana", "auditor", "").Code)
}

// The parser is one for the whole process, and on a laptop Temporal's UI asks
// its own server with parameters there are not.
func TestOtherGatewaysOfTheProcessKeepTheirParameters(t *testing.T) {
	t.Parallel()
	var in timestamppb.Timestamp
	require.NoError(t, runtime.PopulateQueryParameters(&in, url.Values{"seconds": {"7"}, "waitNewEvent": {"false"}}, utilities.NewDoubleArray(nil)))
	require.EqualValues(t, 7, in.GetSeconds())
}

func TestHugeRequestsAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.rest(t, "POST", "/v1/practices/maple/copays", "biller", `{"chargeId":"`+strings.Repeat("x", maxMessage)+`"}`)
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	p := parse(t, w)
	require.Equal(t, "a request may have 1 MiB at most", p.Message)
	require.Equal(t, w.Header().Get("X-Request-Id"), p.detail("RequestInfo")["requestId"])
	require.Equal(t, 1<<20, maxMessage)
	require.Empty(t, b.calls)
}

func TestHugeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+strings.Repeat("x", 1<<20))
	_, err := copayv1.NewCoPayServiceClient(b.s.conn).GetCoPay(ctx, &copayv1.GetCoPayRequest{})
	require.Error(t, err)
	require.NotContains(t, b.log.String(), `"call"`, "nothing of it was read")

	r := httptest.NewRequest("GET", "/v1/practices/maple/copays", nil)
	r.Header.Set("Authorization", "Bearer "+strings.Repeat("x", maxHTTPHeader))
	w := httptest.NewRecorder()
	b.s.Handler().ServeHTTP(w, r)
	require.Equal(t, http.StatusUnauthorized, w.Code, "what HTTP takes in, the gateway passes on")
}

// Not parallel: it sets what the whole process measures with.
func TestLabelsOfMetricsAreOurs(t *testing.T) {
	before := otel.GetMeterProvider()
	t.Cleanup(func() { otel.SetMeterProvider(before) })
	reader := sdkmetric.NewManualReader()
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	b := setup(t)
	for _, host := range []string{"one.outside.example", "two.outside.example:99", "[::1]:7"} {
		r := httptest.NewRequest("OUTSIDE", "/v1/outside?outside=1", nil)
		r.Host = host
		b.s.Handler().ServeHTTP(httptest.NewRecorder(), r)
	}
	var got metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &got))
	series := 0
	for _, s := range got.ScopeMetrics {
		for _, m := range s.Metrics {
			if h, ok := m.Data.(metricdata.Histogram[float64]); ok && m.Name == "http.server.request.duration" {
				series += len(h.DataPoints)
				for _, p := range h.DataPoints {
					require.NotContains(t, fmt.Sprint(p.Attributes.ToSlice()), "outside.example")
				}
			}
		}
	}
	require.Equal(t, 1, series, "whoever asks under whatever name makes no new series")
}
