package availity_test

import (
	"io"
	"net/http"
	"net/http/httptest"
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

// office is a practice that asks the simulator over real HTTP; its clock
// stands still until it is moved.
type office struct {
	*testing.T
	sim  *availitysim.Server
	conn *availity.Connector
	url  string

	mu  sync.Mutex
	now time.Time
}

func (o *office) clock() time.Time { o.mu.Lock(); defer o.mu.Unlock(); return o.now }

func (o *office) later(d time.Duration) { o.mu.Lock(); defer o.mu.Unlock(); o.now = o.now.Add(d) }

// newOffice has answers at once unless polls says otherwise.
func newOffice(t *testing.T, polls int) *office {
	t.Helper()
	o := &office{T: t, now: time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)}
	o.sim = availitysim.New(sim.Options{Now: o.clock}, availitysim.Config{Polls: polls})
	srv := httptest.NewServer(o.sim)
	t.Cleanup(srv.Close)
	o.url = srv.URL
	o.conn = o.connector(nil)
	return o
}

func (o *office) connector(more map[string]any) *availity.Connector {
	o.Helper()
	opts := map[string]any{"base_url": o.url, "client_id": "sandbox-client", "client_secret": "literal:sandbox-secret", "demo": true,
		"provider_npi": "1234567893", "payers": map[string]any{"60054": availitysim.PayerA}}
	for k, v := range more {
		opts[k] = v
	}
	c, err := availity.New(integrations.Settings{Practice: "lakeside", Platform: availity.Platform, Options: opts, Now: o.clock,
		// Without keep-alive a cut connection is not repeated below us.
		RoundTripper: &http.Transport{DisableKeepAlives: true}})
	require.NoError(o, err)
	return c
}

// strangerOffice talks to a platform that gives one answer to everything but
// the call for a token.
func strangerOffice(t *testing.T, status int, header map[string]string, body string) *office {
	t.Helper()
	o := &office{T: t, now: time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			_, _ = io.WriteString(w, `{"access_token":"t0ken-of-the-test","token_type":"Bearer","expires_in":300}`)
			return
		}
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	o.url = srv.URL
	o.conn = o.connector(nil)
	return o
}

// asks is a request about a member.
func asks(member string) integrations.EligibilityRequest {
	return integrations.EligibilityRequest{
		Patient:   integrations.Patient{FirstName: "Anamaria", LastName: "Quillfeather", BirthDate: "1980-02-29", Gender: "F", State: "IL", Zip: "60601"},
		Insurance: integrations.Insurance{PayerID: "60054", MemberID: member, Group: "G100", Relationship: "18"},
		Service:   copay.ServiceOfficeVisit, On: "2026-03-04",
	}
}

// settle checks and polls until the answer is there.
func (o *office) settle(r integrations.EligibilityRequest) copay.Benefits {
	o.Helper()
	res, err := o.conn.Check(o.Context(), r)
	require.NoError(o, err)
	for range 5 {
		if !res.Pending {
			return res.Benefits
		}
		require.NotEmpty(o, res.Handle)
		require.Positive(o, res.RetryAfter)
		res, err = o.conn.Poll(o.Context(), res.Handle)
		require.NoError(o, err)
	}
	o.Fatal("no answer after five polls")
	return copay.Benefits{}
}

// refused checks the kind of a failure and that its text gives nothing away.
func refused(t *testing.T, want integrations.Kind, err error) *integrations.Error {
	t.Helper()
	require.Error(t, err)
	e := integrations.AsError(err)
	require.NotNil(t, e, "not classified: %v", err)
	require.Equal(t, want, e.Kind, "%v", err)
	for _, private := range []string{"Anamaria", "Quillfeather", "1980", "60601", "COP1", "sandbox-secret", "sandbox-token", "t0ken", "127.0.0.1", "<html"} {
		require.NotContains(t, err.Error(), private)
	}
	return e
}
