package serve_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/api/auth"
	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/internal/logtest"
	"github.com/copayflow/copayflow/internal/pgserver/pgtest"
	"github.com/copayflow/copayflow/internal/serve"
	"github.com/copayflow/copayflow/internal/temporalfake"
	"github.com/copayflow/copayflow/worker"
)

const (
	devSecret     = "0123456789abcdef0123456789abcdef"
	webhookSecret = "whsec_for_tests"
	// soon is long enough for anything that does not hang.
	soon = 20 * time.Second
)

func key(b byte) string {
	return "literal:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32))
}

// configured is an installation with one practice that takes payments.
func configured(dsn, temporal string) *config.Config {
	return &config.Config{
		Env: "dev", PublicURL: "http://copay.test",
		Listen:     config.Listen{HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", Metrics: "127.0.0.1:0"},
		Database:   config.Database{DSN: "literal:" + dsn, MaxConns: 8},
		MasterKeys: []config.KeyRef{{ID: "m1", Secret: key(1)}},
		CodecKeys:  []config.KeyRef{{ID: "c1", Secret: key(2)}},
		Temporal:   config.Temporal{Address: temporal, Namespace: "copay"},
		Auth:       config.Auth{Dev: config.DevAuth{Enabled: true, Secret: "literal:" + devSecret}},
		Practices: []config.Practice{{ID: "maple", Name: "Maple", Phone: "+1 312 555 0100", TimeZone: "America/Chicago", PayURL: "http://copay.test",
			Platforms: map[copay.Platform]map[string]any{"stripe": {"secret_key": "literal:sk_test_1", "webhook_secrets": []string{"literal:" + webhookSecret}}},
			Ports:     map[string][]copay.Platform{"collect": {"stripe"}}}},
	}
}

// installation is a process on a database of its own, with a Temporal
// frontend that runs nothing.
type installation struct {
	*worker.Process
	dsn      string
	temporal *temporalfake.Server
	log      *logtest.Journal
}

func install(t *testing.T) installation {
	t.Helper()
	i := installation{dsn: pgtest.DSN(t), temporal: temporalfake.Start(t, nil), log: &logtest.Journal{}}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	var err error
	i.Process, err = worker.Open(ctx, configured(i.dsn, i.temporal.Addr), "copay-test", slog.New(slog.NewJSONHandler(i.log, nil)))
	require.NoError(t, err)
	t.Cleanup(func() { i.Close(context.WithoutCancel(ctx)) })
	return i
}

// running is an API that serves.
type running struct {
	http, grpc, metrics string
	stop                func() // tells it to, and returns at once
	done                chan error
}

// serveAPI runs the API until the test ends.
func (i installation) serveAPI(t *testing.T) running {
	t.Helper()
	l, err := serve.Listen(i.Config.Listen)
	require.NoError(t, err)
	r := running{http: "http://" + l.HTTP.Addr().String(), grpc: l.GRPC.Addr().String(), metrics: "http://" + l.Metrics.Addr().String(), done: make(chan error, 1)}
	r.run(t, func(ctx context.Context) error { return serve.API(ctx, i.Process, l) })
	return r
}

func (r *running) run(t *testing.T, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r.stop = cancel
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.done <- f(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
}

// ended waits for the end and returns its error.
func (r *running) ended(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		require.FailNow(t, "it does not end")
		return nil
	}
}

// ask sends a request and returns status and body.
func ask(t *testing.T, method, url, body string, header ...string) (int, string) {
	t.Helper()
	status, text, err := try(t, method, url, body, header...)
	require.NoError(t, err)
	return status, text
}

func get(t *testing.T, url string, header ...string) (int, string) {
	t.Helper()
	return ask(t, http.MethodGet, url, "", header...)
}

// try is ask for one who may find nobody. Each request has its connection, so
// that none keeps a server from stopping.
func try(t *testing.T, method, url, body string, header ...string) (int, string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Close = true
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// bearer is a header of somebody of maple.
func bearer(t *testing.T, roles ...string) string {
	t.Helper()
	tok, err := auth.MintDev(integrations.NewSecret(devSecret), "ana", roles, []string{"maple"}, time.Now(), time.Hour)
	require.NoError(t, err)
	return "Bearer " + tok
}

// signature signs a body as Stripe does.
func signature(body string) string {
	now := fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, []byte(webhookSecret))
	mac.Write([]byte(now + "." + body))
	return "t=" + now + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// database is a connection beside the process's own.
func (i installation) database(t *testing.T) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), i.dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// lock holds tables as a change of the schema would; the function lets go.
func (i installation) lock(t *testing.T, tables string) (release func()) {
	t.Helper()
	tx, err := i.database(t).Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE "+tables+" IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	return func() { require.NoError(t, tx.Rollback(context.Background())) }
}

// waiting returns when a session waits for a lock.
func (i installation) waiting(t *testing.T) {
	t.Helper()
	db := i.database(t)
	require.Eventually(t, func() bool {
		var n int
		err := db.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
		return err == nil && n > 0
	}, soon, time.Millisecond)
}
