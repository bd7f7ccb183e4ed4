package availity_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/availity"
	availitysim "github.com/copayflow/copayflow/sandbox/availity"
	"github.com/copayflow/copayflow/sandbox/sim"
)

const (
	clientSecret = "sandbox-secret"
	ehrPayer     = "60054"
	lastName     = "Muster-Beispiel"
	memberTail   = "998877665"
)

// exchange is one call as it went over the wire.
type exchange struct {
	method, path string
	form         url.Values
	header       http.Header
	status       int
}

// wire records all calls; intercept may answer in the platform's stead, and
// change may alter its answers.
type wire struct {
	base      http.RoundTripper // nil: the default one
	mu        sync.Mutex
	seen      []exchange
	intercept func(r *http.Request) *http.Response
	change    func(r *http.Request, res *http.Response)
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	w.mu.Lock()
	intercept, change := w.intercept, w.change
	w.mu.Unlock()
	var res *http.Response
	if intercept != nil {
		res = intercept(r)
	}
	if res == nil {
		base := w.base
		if base == nil {
			base = http.DefaultTransport
		}
		var err error
		if res, err = base.RoundTrip(r); err != nil {
			return nil, err
		}
	}
	if change != nil {
		change(r, res)
	}
	form, _ := url.ParseQuery(string(body))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, exchange{r.Method, r.URL.Path, form, r.Header.Clone(), res.StatusCode})
	return res, nil
}

func (w *wire) set(intercept func(r *http.Request) *http.Response, change func(*http.Request, *http.Response)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.intercept, w.change = intercept, change
}

// to are the calls of one method whose path starts so.
func (w *wire) to(method, prefix string) []exchange {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []exchange
	for _, x := range w.seen {
		if x.method == method && strings.HasPrefix(x.path, prefix) {
			out = append(out, x)
		}
	}
	return out
}

// once answers the first call to a path instead of the platform.
func (w *wire) once(path string, status int, body string) {
	var done sync.Once
	w.set(func(r *http.Request) (res *http.Response) {
		if strings.HasPrefix(r.URL.Path, path) {
			done.Do(func() { res = reply(status, body) })
		}
		return res
	}, nil)
}

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Body: io.NopCloser(strings.NewReader(body)),
		Header: http.Header{"X-Api-Mock-Response": {"true"}, "X-Global-Transaction-Id": {"gl-1"}}}
}

type movable struct {
	mu sync.Mutex
	t  time.Time
}

func (m *movable) get() time.Time { m.mu.Lock(); defer m.mu.Unlock(); return m.t }
func (m *movable) add(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.t = m.t.Add(d)
}

type fixture struct {
	*availity.Connector
	t    *testing.T
	sim  *availitysim.Server
	wire *wire
	url  string
	now  *movable
}

// setup is a connector on a simulator that answers at once.
func setup(t *testing.T) *fixture {
	t.Helper()
	return setupWith(t, availitysim.Config{Polls: -1}, nil)
}

func setupWith(t *testing.T, c availitysim.Config, extra map[string]any) *fixture {
	t.Helper()
	f := &fixture{t: t, wire: &wire{}, now: &movable{t: time.Now().UTC().Truncate(time.Second)}}
	f.sim = availitysim.New(sim.Options{Now: f.now.get}, c)
	srv := httptest.NewServer(checkTraffic(t, f.sim))
	t.Cleanup(srv.Close)
	f.url = srv.URL
	f.Connector = f.connect(extra)
	return f
}

func (f *fixture) options(extra map[string]any) map[string]any {
	opts := map[string]any{"base_url": f.url, "client_id": "sandbox-client", "client_secret": "literal:" + clientSecret, "demo": true,
		"payers": map[string]any{ehrPayer: availitysim.PayerA}, "timeout": "10s"}
	for k, v := range extra {
		opts[k] = v
	}
	return opts
}

func (f *fixture) connect(extra map[string]any) *availity.Connector {
	f.t.Helper()
	c, err := availity.New(integrations.Settings{Practice: "northside", Platform: "availity", Options: f.options(extra), RoundTripper: f.wire, Now: f.now.get})
	require.NoError(f.t, err)
	return c
}

// request asks for an office visit of a member of the payer.
func request(member string, change ...func(*integrations.EligibilityRequest)) integrations.EligibilityRequest {
	r := integrations.EligibilityRequest{
		Patient: integrations.Patient{FirstName: "Ana", LastName: lastName, BirthDate: "1980-02-03", Gender: "F", State: "IL", Zip: "60601",
			Phone: "+13125550142", Email: "ana@example.org"},
		Insurance: integrations.Insurance{PayerID: ehrPayer, PayerName: "Aetna", MemberID: member + memberTail, Group: "G-77", Relationship: "18"},
		Service:   copay.ServiceOfficeVisit, On: "2026-11-24", ProviderNPI: "1234567893",
	}
	for _, f := range change {
		f(&r)
	}
	return r
}

func payer(id string) func(*integrations.EligibilityRequest) {
	return func(r *integrations.EligibilityRequest) { r.Insurance.PayerID = id }
}

func service(s copay.ServiceType) func(*integrations.EligibilityRequest) {
	return func(r *integrations.EligibilityRequest) { r.Service = s }
}

// benefits checks a member and expects an answer at once.
func (f *fixture) benefits(member string, change ...func(*integrations.EligibilityRequest)) copay.Benefits {
	f.t.Helper()
	res, err := f.Check(f.t.Context(), request(member, change...))
	require.NoError(f.t, err)
	require.False(f.t, res.Pending)
	return res.Benefits
}

// harmless checks that a text gives nothing of patient or credentials away.
func harmless(t *testing.T, text string) {
	t.Helper()
	for _, hidden := range []string{clientSecret, "sandbox-token", lastName, "Ana", memberTail, "1980-02-03", "60601", "G-77", "127.0.0.1"} {
		require.NotContains(t, text, hidden)
	}
}

func requireKind(t *testing.T, err error, k integrations.Kind) *integrations.Error {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, k, integrations.KindOf(err), err.Error())
	harmless(t, err.Error())
	return integrations.AsError(err)
}
