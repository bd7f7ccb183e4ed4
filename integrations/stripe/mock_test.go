package stripe_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/stripe"
	"github.com/copayflow/copayflow/internal/spectest"
)

// recorder keeps the refusals of a round trip.
type recorder struct {
	http.RoundTripper
	mu       sync.Mutex
	seen     map[string]int
	refusals []string
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := r.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[req.Method+" "+req.URL.Path] = res.StatusCode
	if res.StatusCode >= 400 {
		r.refusals = append(r.refusals, req.Method+" "+req.URL.Path+" "+res.Status)
	}
	return res, nil
}

// mockURL names the mock's host only: its requests go through a socket.
const mockURL = "http://stripe-mock"

// startMock runs the official stateless mock and returns the way to it: a Unix
// socket, since a free port may be another test's by the time it is opened.
func startMock(t *testing.T, args ...string) http.RoundTripper {
	t.Helper()
	binary := os.Getenv("STRIPE_MOCK")
	if binary == "" {
		t.Skip("STRIPE_MOCK does not name a stripe-mock binary (github.com/stripe/stripe-mock): the wire contract was not checked against it")
	}
	dir, err := os.MkdirTemp("", "mock") // t.TempDir() is too long for a socket's name
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "http")
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, append([]string{"-http-unix", socket}, args...)...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	require.Eventually(t, func() bool {
		c, err := dial(t.Context(), "", "")
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 30*time.Second, 50*time.Millisecond)
	way := &http.Transport{DialContext: dial}
	t.Cleanup(way.CloseIdleConnections)
	return way
}

// TestStripeMock sends every request the connector knows to the official
// mock, which refuses unknown and missing parameters. The mock keeps no state
// and answers with samples, so only the shape is looked at.
func TestStripeMock(t *testing.T) {
	t.Parallel()
	for name, files := range map[string][]string{"its own specification": nil, "the specification of our version": {
		"-spec", spectest.Path("stripe", "stripe-openapi-2023-08-16-trimmed.json"),
		"-fixtures", spectest.Path("stripe", "stripe-fixtures3-2023-10-16-trimmed.json")}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if files != nil && spectest.Path("stripe") == "" {
				t.Skip("the Stripe specification is not beside the repository (COPAYFLOW_SPECS)")
			}
			rec := &recorder{RoundTripper: startMock(t, files...), seen: map[string]int{}}
			c, err := stripe.New(integrations.Settings{Practice: practice, Platform: stripe.Name, RoundTripper: rec, Options: map[string]any{
				"secret_key": "literal:sk_test_123", "base_url": mockURL, "statement_suffix": "CO-PAY", "link_methods": []any{"card", "us_bank_account"}}})
			require.NoError(t, err)
			useEverything(t, c)
			if files != nil {
				rec.refusals = without(rec.refusals, "/v1/balance ") // not in the trimmed text
			}
			require.Empty(t, rec.refusals)
			for _, call := range []string{"POST /v1/checkout/sessions", "POST /v1/payment_intents", "POST /v1/refunds", "POST /v1/customers",
				"GET /v1/customers/search", "GET /v1/payment_intents/search", "GET /v1/events", "GET /v1/balance_transactions", "GET /v1/customers/cus_123/payment_methods"} {
				require.Contains(t, rec.seen, call)
			}
		})
	}
}

func without(in []string, part string) []string {
	var out []string
	for _, s := range in {
		if !strings.Contains(s, part) {
			out = append(out, s)
		}
	}
	return out
}

func useEverything(t *testing.T, c *stripe.Connector) {
	t.Helper()
	ctx := t.Context()
	id, ref := newCoPay()
	now := time.Now()
	_, _ = c.TestConnection(ctx)
	p, err := c.RequestLink(ctx, integrations.LinkRequest{Ref: ref, CoPay: id, Practice: practice, Amount: copay.Cents(2500), Description: "Payment",
		SaveMethod: true, ExpiresAt: now.Add(5 * time.Hour), SuccessURL: "https://x.example/done", CancelURL: "https://x.example", Since: now})
	require.NoError(t, err)
	require.Contains(t, p.PlatformID, "cs_")
	_, err = c.RequestLink(ctx, integrations.LinkRequest{Ref: ref, CoPay: id, Amount: copay.Cents(2500), Customer: "cus_123", SaveMethod: true,
		SuccessURL: "https://x.example/done"})
	require.NoError(t, err)
	for _, platformID := range []string{"cs_test_1", "pi_1", "in_1"} {
		_, err = c.Payment(ctx, platformID)
		require.NoError(t, err, platformID)
		_, err = c.Cancel(ctx, platformID, ref)
		require.NoError(t, err, platformID)
	}
	_, err = c.FindPayment(ctx, integrations.PaymentQuery{Ref: ref, Customer: "cus_123", Since: time.Unix(1, 0)})
	requireKind(t, integrations.KindNotFound, err)
	re, err := c.Refund(ctx, integrations.RefundRequest{Ref: ref, CoPay: id, PlatformID: "pi_1", Amount: copay.Cents(100), Reason: "duplicate"})
	require.NoError(t, err)
	require.Contains(t, re.PlatformID, "re_")
	_, err = c.Settlements(ctx, now.Add(-time.Hour), now, "txn_1")
	require.NoError(t, err)
	customer, err := c.EnsureCustomer(ctx, practice, "patient-1")
	require.NoError(t, err)
	require.Contains(t, customer, "cus_")
	_, err = c.StoredMethods(ctx, "cus_123")
	require.NoError(t, err)
	_, _, err = c.PollEvents(ctx, "")
	require.NoError(t, err)
	_, _, err = c.PollEvents(ctx, "evt_1@1")
	require.NoError(t, err)
	// The mock never captures: the charge is withdrawn and comes back as it is.
	_, _ = c.ChargeStored(ctx, integrations.StoredCharge{Ref: ref, CoPay: id, Practice: practice, Amount: copay.Cents(2500),
		Customer: "cus_123", Method: "pm_card_visa", Description: "Payment", Since: now})
}
