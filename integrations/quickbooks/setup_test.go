package quickbooks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/quickbooks"
	quickbookssim "github.com/copayflow/copayflow/sandbox/quickbooks"
	"github.com/copayflow/copayflow/sandbox/sim"
)

const (
	realm    = "9130350000000001"
	root     = "/v3/company/" + realm
	alias    = "P-000123"
	secret   = "sandbox-secret"
	verifier = "sandbox-verifier"
)

var copayID = copay.Key{Practice: "northside", EHR: "drchrono", Charge: "991"}.ID()

func ref(e copay.Effect, n int) copay.Ref { return copay.NewRef(copayID, e, n) }

// memory is a token store with the fleet-wide lock.
type memory struct {
	mu  sync.Mutex
	tok integrations.Token
}

func (m *memory) Load(context.Context, copay.PracticeID, copay.Platform) (integrations.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tok, nil
}

func (m *memory) Refresh(ctx context.Context, _ copay.PracticeID, _ copay.Platform,
	renew func(context.Context, integrations.Token) (integrations.Token, error)) (integrations.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next, err := renew(ctx, m.tok)
	if err == nil {
		m.tok = next
	}
	return next, err
}

// exchange is one call as it went over the wire.
type exchange struct {
	method, path, query string
	request, response   []byte
}

// wire records all calls; intercept may answer in the platform's stead or act
// before a call goes on.
type wire struct {
	mu        sync.Mutex
	seen      []exchange
	intercept func(r *http.Request) *http.Response
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	w.mu.Lock()
	intercept := w.intercept
	w.mu.Unlock()
	var res *http.Response
	if intercept != nil {
		res = intercept(r)
	}
	if res == nil {
		var err error
		if res, err = http.DefaultTransport.RoundTrip(r); err != nil {
			return nil, err
		}
	}
	answer, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(answer))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, exchange{r.Method, r.URL.Path, r.URL.RawQuery, body, answer})
	return res, nil
}

// once runs f before or instead of the first call that matches.
func (w *wire) once(method, entity string, f func() *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	done := false
	w.intercept = func(r *http.Request) *http.Response {
		if done || r.Method != method || path.Base(r.URL.Path) != entity && path.Base(path.Dir(r.URL.Path)) != entity {
			return nil
		}
		done = true
		return f()
	}
}

// always answers all calls that match in the platform's stead.
func (w *wire) always(method, entity string, f func() *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.intercept = func(r *http.Request) *http.Response {
		if r.Method != method || path.Base(r.URL.Path) != entity {
			return nil
		}
		return f()
	}
}

func (w *wire) count(method, entity string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, x := range w.seen {
		if x.method == method && strings.HasPrefix(x.path, root+"/"+entity) {
			n++
		}
	}
	return n
}

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Intuit_tid": {"1-abc"}}, Body: io.NopCloser(strings.NewReader(body)), ProtoMajor: 1, ProtoMinor: 1}
}

func faultBody(code string) string {
	return `{"Fault":{"Error":[{"Message":"x","Detail":"P-000123 Jane Roe","code":"` + code + `"}],"type":"ValidationFault"}}`
}

type fixture struct {
	*quickbooks.Connector
	t      *testing.T
	sim    *quickbookssim.Server
	url    string
	wire   *wire
	tokens *memory
	now    *atomicTime
}

type atomicTime struct {
	mu sync.Mutex
	t  time.Time
}

func (a *atomicTime) get() time.Time { a.mu.Lock(); defer a.mu.Unlock(); return a.t }
func (a *atomicTime) add(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.t = a.t.Add(d)
}

func setup(t *testing.T) *fixture { return setupWith(t, quickbookssim.Config{}, sim.Options{}, nil) }

func setupWith(t *testing.T, c quickbookssim.Config, o sim.Options, extra map[string]any) *fixture {
	t.Helper()
	f := &fixture{t: t, wire: &wire{}, tokens: &memory{}, now: &atomicTime{t: time.Now().UTC().Truncate(time.Second)}}
	o.Now = f.now.get
	c.NoLimits = true
	f.sim = quickbookssim.New(o, c)
	srv := httptest.NewServer(f.sim)
	t.Cleanup(srv.Close)
	f.url = srv.URL
	f.Connector = f.connect(extra)
	return f
}

func (f *fixture) options(extra map[string]any) map[string]any {
	opts := map[string]any{"realm_id": realm, "client_id": "sandbox-client", "client_secret": "literal:" + secret,
		"refresh_token": "literal:AB11-sandbox", "base_url": f.url, "token_url": f.url + "/oauth2/v1/tokens/bearer",
		"verifier_tokens": []string{"literal:other", "literal:" + verifier}, "deposit_account": "Undeposited Funds", "refund_account": "Checking",
		"limit_per_second": 1000, "limit_per_minute": 60000}
	for k, v := range extra {
		opts[k] = v
	}
	return opts
}

// connect makes another connector to the same company, as another process has it.
func (f *fixture) connect(extra map[string]any) *quickbooks.Connector {
	f.t.Helper()
	c, err := quickbooks.New(integrations.Settings{Practice: "northside", Platform: "quickbooks", Options: f.options(extra),
		RoundTripper: f.wire, Tokens: f.tokens, Now: f.now.get})
	require.NoError(f.t, err)
	return c
}

func invoiceReq(n int, cents int64) integrations.InvoiceRequest {
	return integrations.InvoiceRequest{Ref: ref(copay.EffectInvoice, n), CoPay: copayID, Alias: alias, Amount: copay.Cents(cents),
		On: "2026-01-05", Due: "2026-02-04", Memo: "Co-pay visit 2026-01-05"}
}

func receiptReq(n int, invoice string, cents int64) integrations.ReceiptRequest {
	return integrations.ReceiptRequest{Ref: ref(copay.EffectBook, n), CoPay: copayID, Alias: alias, InvoiceID: invoice,
		Amount: copay.Cents(cents), Rail: copay.RailCash, On: "2026-01-06"}
}

func reverseReq(n int, payment, invoice string, cents int64, whole bool) integrations.ReverseRequest {
	return integrations.ReverseRequest{Ref: ref(copay.EffectUnbook, n), Of: ref(copay.EffectBook, 1), CoPay: copayID, Alias: alias, PaymentID: payment, InvoiceID: invoice,
		Amount: copay.Cents(cents), Whole: whole, Rail: copay.RailCash, On: "2026-01-07"}
}

// voidReq takes the invoice of that number back.
func voidReq(n int, id string, of int, cents int64) integrations.VoidRequest {
	return integrations.VoidRequest{Ref: ref(copay.EffectUnbook, n), Of: ref(copay.EffectInvoice, of), CoPay: copayID, ID: id, Amount: copay.Cents(cents)}
}

// paid books an invoice and its payment.
func (f *fixture) paid(cents int64) (invoice, payment string) {
	f.t.Helper()
	inv, err := f.Invoice(f.t.Context(), invoiceReq(1, cents))
	require.NoError(f.t, err)
	pay, err := f.Receive(f.t.Context(), receiptReq(1, inv.ID, cents))
	require.NoError(f.t, err)
	return inv.ID, pay.ID
}

// requireKind checks an error's kind and that its text gives nothing away.
func requireKind(t *testing.T, err error, k integrations.Kind) *integrations.Error {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, k, integrations.KindOf(err), err.Error())
	for _, hidden := range []string{secret, verifier, "AB11", "eyJ", alias, "Jane", "127.0.0.1"} {
		require.NotContains(t, err.Error(), hidden)
	}
	return integrations.AsError(err)
}

func jsonOf(t *testing.T, b []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var m map[string]any
	require.NoError(t, d.Decode(&m))
	return m
}
