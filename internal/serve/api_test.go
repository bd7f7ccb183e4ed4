package serve_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/internal/serve"
)

const ready = `{"database":"ok","process":"ok","temporal":"ok"}`

func TestTheAPIServesWhatItSays(t *testing.T) {
	t.Parallel()
	i := install(t)
	r := i.serveAPI(t)
	for _, tc := range []struct {
		what, url string
		header    []string
		want      int
		holds     string
	}{
		{"liveness", r.http + "/healthz", nil, 200, ""},
		{"readiness", r.http + "/readyz", nil, 200, ready},
		{"the contract", r.http + "/openapi.json", nil, 200, `"swagger"`},
		{"REST, without a token", r.http + "/v1/practices/maple/copays", nil, 401, "sign in"},
		{"REST", r.http + "/v1/practices/maple/copays", []string{"Authorization", bearer(t, "biller")}, 200, "{"},
		{"REST, of another practice", r.http + "/v1/practices/oak/copays", []string{"Authorization", bearer(t, "biller")}, 403, "you do not belong"},
		{"a pay link there is not", r.http + "/pay/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", nil, 404, "<html"},
		{"the codec server's form", r.http + "/codec/session", nil, 200, "<form"},
		{"metrics are not for everybody", r.http + "/metrics", nil, 404, ""},
		{"liveness, inside", r.metrics + "/healthz", nil, 200, ""},
		{"readiness, inside", r.metrics + "/readyz", nil, 200, ready},
		{"nothing else inside", r.metrics + "/v1/practices/maple/copays", []string{"Authorization", bearer(t, "biller")}, 404, ""},
	} {
		t.Run(tc.what, func(t *testing.T) {
			status, body := get(t, tc.url, tc.header...)
			require.Equal(t, tc.want, status)
			require.True(t, strings.Contains(body, tc.holds), "%.300s", body)
		})
	}
	t.Run("gRPC", func(t *testing.T) {
		conn, err := grpc.NewClient(r.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		defer conn.Close()
		h, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
		require.NoError(t, err)
		require.Equal(t, healthpb.HealthCheckResponse_SERVING, h.GetStatus())
	})
}

// Readiness tells what is missing; liveness does not end a process that only
// waits for somebody else.
func TestReadinessFollowsWhatTheProcessNeeds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fail func(i installation)
		want string
	}{
		"Temporal": {func(i installation) { i.temporal.SetHealthy(false) }, `{"database":"ok","process":"ok","temporal":"not reachable"}`},
		"database": {func(i installation) { i.Store.Close() }, `{"database":"not reachable","process":"ok","temporal":"ok"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := install(t)
			r := i.serveAPI(t)
			for _, at := range []string{r.http, r.metrics} {
				status, body := get(t, at+"/readyz")
				require.Equal(t, http.StatusOK, status)
				require.JSONEq(t, ready, body)
			}
			tc.fail(i)
			for _, at := range []string{r.http, r.metrics} {
				status, body := get(t, at+"/readyz")
				require.Equal(t, http.StatusServiceUnavailable, status)
				require.JSONEq(t, tc.want, body, "it names what is missing, and nothing of why")
				status, _ = get(t, at+"/healthz")
				require.Equal(t, http.StatusOK, status)
			}
			require.Contains(t, i.log.String(), "not ready", "the why is in the log")
		})
	}
}

// A delivery that is being stored when the process is told to stop is stored
// and acknowledged; new ones find nobody.
func TestStoppingFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	i := install(t)
	r := i.serveAPI(t)
	release := i.lock(t, "inbox")
	const event = `{"id":"evt_1","type":"customer.created","data":{"object":{"id":"cus_1"}}}`
	type answer struct {
		status int
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		status, _, err := try(t, "POST", r.http+"/webhooks/stripe/maple", event, "Stripe-Signature", signature(event))
		answered <- answer{status, err}
	}()
	i.waiting(t)
	r.stop()
	require.Eventually(t, func() bool {
		_, _, err := try(t, "GET", r.http+"/healthz", "")
		return err != nil
	}, soon, time.Millisecond, "nobody new is let in")
	require.Empty(t, r.done, "it waits")
	release()
	got := <-answered
	require.NoError(t, got.err)
	require.Equal(t, http.StatusOK, got.status)
	require.NoError(t, r.ended(t), "stopping is no failure")
	var n int
	require.NoError(t, i.database(t).QueryRow(t.Context(), `SELECT count(*) FROM inbox WHERE event_id = 'evt_1'`).Scan(&n))
	require.Equal(t, 1, n)
	for _, at := range []string{r.http, r.metrics, "http://" + r.grpc} {
		_, _, err := try(t, "GET", at+"/healthz", "")
		require.Error(t, err, "the addresses were given back")
	}
}

// A balancer sees that the process is about to end before its addresses close.
func TestStoppingIsSeenBeforeItHappens(t *testing.T) {
	t.Parallel()
	i := install(t)
	i.Config.Listen.Drain = time.Second
	r := i.serveAPI(t)
	status, body, err := try(t, "GET", r.http+"/readyz", "")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, body)
	r.stop()
	for _, at := range []string{r.http, r.metrics} {
		require.Eventually(t, func() bool {
			status, body, err := try(t, "GET", at+"/readyz", "")
			require.NoError(t, err, "it still answers")
			return status == http.StatusServiceUnavailable && strings.Contains(body, `"process":"stopping"`)
		}, time.Second, time.Millisecond)
	}
	conn, err := grpc.NewClient(r.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	said, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, healthpb.HealthCheckResponse_NOT_SERVING, said.GetStatus())
	const event = `{"id":"evt_late","type":"customer.created","data":{"object":{"id":"cus_1"}}}`
	status, _, err = try(t, "POST", r.http+"/webhooks/stripe/maple", event, "Stripe-Signature", signature(event))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "what still comes is taken")
	require.NoError(t, r.ended(t))
}

// When one part cannot go on, the process ends with the reason instead of
// living on as half of itself.
func TestAPartThatFailsEndsTheProcess(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"http", "grpc", "metrics"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := install(t)
			l, err := serve.Listen(i.Config.Listen)
			require.NoError(t, err)
			broken := map[string]interface{ Close() error }{"http": l.HTTP, "grpc": l.GRPC, "metrics": l.Metrics}[name]
			require.NoError(t, broken.Close())
			ctx, cancel := context.WithTimeout(t.Context(), soon) // when it lives on, it ends without an error
			defer cancel()
			require.ErrorContains(t, serve.API(ctx, i.Process, l), "closed")
		})
	}
}

func TestListenNamesTheAddressThatIsTaken(t *testing.T) {
	t.Parallel()
	free := config.Listen{HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", Metrics: "127.0.0.1:0"}
	other, err := serve.Listen(free)
	require.NoError(t, err)
	defer other.Close()
	taken := other.HTTP.Addr().String()
	for name, l := range map[string]config.Listen{
		"listen.http":    {HTTP: taken, GRPC: free.GRPC, Metrics: free.Metrics},
		"listen.grpc":    {HTTP: free.HTTP, GRPC: taken, Metrics: free.Metrics},
		"listen.metrics": {HTTP: free.HTTP, GRPC: free.GRPC, Metrics: taken},
	} {
		_, err := serve.Listen(l)
		require.ErrorContains(t, err, fmt.Sprintf("%s: the address %s is taken", name, taken))
	}
	// What was opened before the one that failed is free again.
	probe, err := serve.Listen(free)
	require.NoError(t, err)
	again := config.Listen{HTTP: probe.HTTP.Addr().String(), GRPC: taken, Metrics: free.Metrics}
	probe.Close()
	_, err = serve.Listen(again)
	require.Error(t, err)
	again.GRPC = free.GRPC
	probe, err = serve.Listen(again)
	require.NoError(t, err)
	probe.Close()
}

func TestWhoMayCallComesFromTheConfiguration(t *testing.T) {
	t.Parallel()
	c := configured("", "")
	who, err := serve.Authenticator(c)
	require.NoError(t, err)
	p, err := who.Authenticate(t.Context(), bearer(t, "biller"))
	require.NoError(t, err)
	require.True(t, p.May("maple"))

	c.Auth.Dev.Enabled = false
	_, err = serve.Authenticator(c)
	require.Error(t, err, "nobody could call")
	c.Auth.APIKeys = []config.APIKey{{ID: "ehr", SHA256: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae", Roles: []string{"service"}, Practices: []string{"maple"}}}
	who, err = serve.Authenticator(c)
	require.NoError(t, err)
	p, err = who.Authenticate(t.Context(), "ApiKey ehr.foo")
	require.NoError(t, err)
	require.Equal(t, "key:ehr", p.Actor.ID)
	require.False(t, p.May("oak"))
	_, err = who.Authenticate(t.Context(), bearer(t, "biller"))
	require.Error(t, err, "development's tokens mean nothing when they are off")

	c.Auth.Dev = config.DevAuth{Enabled: true, Secret: "env:COPAY_TEST_NOT_SET"}
	_, err = serve.Authenticator(c)
	require.ErrorContains(t, err, "COPAY_TEST_NOT_SET is not set")
	c.Auth.Dev.Secret, c.Env = "literal:"+devSecret, "production"
	_, err = serve.Authenticator(c)
	require.ErrorContains(t, err, "development tokens")
}
