package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/internal/pgserver/pgtest"
	"github.com/copayflow/copayflow/internal/serve"
	"github.com/copayflow/copayflow/internal/temporalfake"
)

type object map[string]any

func secretKey(b byte) string {
	return "literal:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32))
}

// platform answers as Stripe and DrChrono answer a check of credentials.
func platform(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/o/token/":
		_, _ = io.WriteString(w, `{"access_token":"a","refresh_token":"r","expires_in":3600,"token_type":"Bearer"}`)
	case r.URL.Path == "/api/users/current":
		_, _ = io.WriteString(w, `{"doctor":1,"practice_group":4711}`)
	case r.Header.Get("Authorization") == "Bearer sk_test_good":
		_, _ = io.WriteString(w, `{"object":"balance","livemode":false}`)
	default:
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":{"type":"invalid_request_error"}}`)
	}
}

// installation is a configuration of one practice that takes payments, on a
// database and a Temporal of its own.
func installation(t *testing.T) object {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(platform))
	t.Cleanup(web.Close)
	return object{
		"env": "dev", "public_url": "http://copay.test", "listen": object{"http": "127.0.0.1:0", "grpc": "127.0.0.1:0", "metrics": "127.0.0.1:0"},
		"database": object{"dsn": "literal:" + pgtest.DSN(t), "max_conns": 4}, "temporal": object{"address": temporalfake.Start(t, nil).Addr, "namespace": "copay", "retention": "8760h"},
		"master_keys": []object{{"id": "m1", "secret": secretKey(1)}}, "codec_keys": []object{{"id": "c1", "secret": secretKey(2)}},
		"auth": object{"dev": object{"enabled": true, "secret": "literal:0123456789abcdef0123456789abcdef"}},
		"practices": []object{{"id": "maple", "name": "Maple", "npi": "1234567893", "phone": "+1 312 555 0100", "time_zone": "America/Chicago",
			"platforms": object{"stripe": object{"secret_key": "literal:sk_test_good", "webhook_secrets": []string{"literal:whsec_1"}, "base_url": web.URL},
				"drchrono": object{"base_url": web.URL, "client_id": "c", "client_secret": "literal:s", "refresh_token": "literal:r", "webhook_secret": "literal:hook-secret-of-sixteen"}},
			"ports": object{"collect": []string{"stripe"}, "charges": []string{"drchrono"}, "coverage": []string{"drchrono"}, "post": []string{"drchrono"}}}},
	}
}

// file writes the configuration down.
func (o object) file(t *testing.T) string {
	t.Helper()
	raw, err := json.Marshal(o)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "copay.yaml")
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	return path
}

// run runs a command that reads the configuration file.
func (o object) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := root()
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SetArgs(append(args, "--config", o.file(t)))
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestDoctorFindsNothingWrongAfterMigrate(t *testing.T) {
	t.Parallel()
	o := installation(t)
	text, err := o.run(t, "doctor")
	require.ErrorContains(t, err, "1 check failed")
	require.Contains(t, text, "lacks the search attributes")
	text, err = o.run(t, "migrate", "--temporal-config", "../../temporal-dev.yaml", "--rewrap", "--rotate-data-keys")
	require.NoError(t, err)
	require.Contains(t, text, "database schema is up to date")
	require.Contains(t, text, "practice maple has a new data key")
	require.Contains(t, text, "namespace copay keeps histories for 8760h")
	text, err = o.run(t, "doctor")
	require.NoError(t, err, text)
	require.NotContains(t, text, "✗")
	for _, what := range []string{"database", "keys of maple", "temporal", "drchrono", "stripe"} {
		require.Contains(t, text, "✓ "+what)
	}
}

func TestDoctorSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := installation(t)
	_, err := good.run(t, "migrate", "--temporal-config", "../../temporal-dev.yaml", "--rotate-data-keys")
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		change func(o object)
		want   []string
	}{
		"the password":  {func(o object) { o["database"] = object{"dsn": "literal:postgres://nobody:x@127.0.0.1:1/copay"} }, []string{"✗ database", "cannot be reached", "Nothing else was asked", "copay on 127.0.0.1:1, user nobody"}},
		"the namespace": {func(o object) { o["temporal"].(object)["namespace"] = "nope" }, []string{"✗ temporal", "run copay migrate", "✓ stripe"}},
		"Temporal":      {func(o object) { o["temporal"].(object)["address"] = "127.0.0.1:1" }, []string{"✓ database", "✗ temporal", "platforms were not asked"}},
		"another master key": {func(o object) { o["master_keys"] = []object{{"id": "m2", "secret": secretKey(9)}} },
			[]string{"✗ keys of maple", `"m1"`}},
		"a revoked key": {func(o object) { stripeOf(o)["secret_key"] = "literal:sk_test_old" }, []string{"✓ temporal", "✗ stripe", "the API key is wrong, revoked or expired"}},
		"a secret that is not there": {func(o object) { stripeOf(o)["secret_key"] = "env:COPAY_NOT_SET_ANYWHERE" },
			[]string{"✗ stripe", "COPAY_NOT_SET_ANYWHERE is not set"}},
		"a setting of another form": {func(o object) { stripeOf(o)["timeout"] = "soon" }, []string{"✗ stripe", "stripe of practice maple: timeout must be a time such as 24h"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := good.copied(t)
			tc.change(o)
			text, err := o.run(t, "doctor")
			require.ErrorContains(t, err, "failed; mend what is marked")
			require.Equal(t, exitFailure, exitCode(err))
			for _, want := range tc.want {
				require.Contains(t, text, want)
			}
		})
	}
	_, err = object{"env": "dev"}.run(t, "doctor")
	require.ErrorContains(t, err, "public_url", "faults of the file itself come first")
}

func TestWakeSaysWhatItDid(t *testing.T) {
	t.Parallel()
	o := installation(t)
	_, err := o.run(t, "migrate", "--temporal-config", "../../temporal-dev.yaml")
	require.NoError(t, err)
	text, err := o.run(t, "wake", "--events", "2h")
	require.NoError(t, err)
	require.Equal(t, "practice maple: 0 open co-pays have their workflow, 0 events are delivered again\n", text)
	_, err = o.run(t, "wake", "--events", "-1h")
	require.ErrorContains(t, err, "--events is how long ago")
	require.Equal(t, exitUsage, exitCode(err))
}

// until ends a context when the log says a word.
type until struct {
	word string
	end  context.CancelFunc
	mu   sync.Mutex
	text []byte
}

func (u *until) Write(b []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.text = append(u.text, b...); bytes.Contains(u.text, []byte(u.word)) {
		u.end()
	}
	return len(b), nil
}

// Not parallel: a process sets the logger and the meters of all.
func TestProcessesServeUntilTheyAreStopped(t *testing.T) {
	o := installation(t)
	_, err := o.run(t, "migrate", "--temporal-config", "../../temporal-dev.yaml")
	require.NoError(t, err)
	for word, args := range map[string][]string{`"msg":"serving"`: {"api"}, `"msg":"working"`: {"worker", "--metrics", "127.0.0.1:0"}} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		log := &until{word: word, end: cancel}
		cmd := root()
		cmd.SetOut(io.Discard)
		cmd.SetErr(log)
		cmd.SetArgs(append(args, "--config", o.file(t)))
		require.NoError(t, cmd.ExecuteContext(ctx), "%v: to be stopped is no failure", args)
		require.Contains(t, string(log.text), word)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, taken.Close()) })
	_, err = o.run(t, "worker", "--metrics", taken.Addr().String())
	require.ErrorContains(t, err, "is taken or cannot be used; choose another one with --metrics")
	o["listen"] = object{"http": taken.Addr().String(), "grpc": "127.0.0.1:0", "metrics": "127.0.0.1:0"}
	_, err = o.run(t, "api")
	require.ErrorContains(t, err, "listen.http")
	_, err = o.run(t, "migrate", "--temporal-config", "/nowhere")
	require.ErrorContains(t, err, "--temporal-config")
	_, err = object{}.run(t, "api")
	require.Error(t, err)
}

func stripeOf(o object) object {
	return o["practices"].([]any)[0].(object)["platforms"].(object)["stripe"].(object)
}

// copied is a configuration that a test may change.
func (o object) copied(t *testing.T) object {
	t.Helper()
	raw, err := json.Marshal(o)
	require.NoError(t, err)
	var out map[string]any
	require.NoError(t, json.Unmarshal(raw, &out))
	return deep(out).(object)
}

func deep(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := object{}
		for k, x := range v {
			out[k] = deep(x)
		}
		return out
	case []any:
		for i := range v {
			v[i] = deep(v[i])
		}
	}
	return v
}

func TestTokensAreOfRolesAndPracticesThereAre(t *testing.T) {
	t.Parallel()
	o := installation(t)
	text, err := o.run(t, "token", "dana", "--role", "biller,auditor", "--for", "maple")
	require.NoError(t, err)
	cfg := &config.Config{Env: "dev", Auth: config.Auth{Dev: config.DevAuth{Enabled: true, Secret: "literal:0123456789abcdef0123456789abcdef"}}}
	a, err := serve.Authenticator(cfg)
	require.NoError(t, err)
	who, err := a.Authenticate(t.Context(), "Bearer "+text[:len(text)-1])
	require.NoError(t, err)
	require.Equal(t, "dana", who.Actor.ID)
	require.True(t, who.May("maple"))
	require.Len(t, who.Actor.Roles, 2)
	_, err = o.run(t, "token", "dana", "--for", "*")
	require.NoError(t, err, "who belongs to every practice")
	for _, args := range [][]string{{"--role", "boss"}, {"--role", "Admin"}, {"--for", "mapel"}, {"--practice", "mapel"}} {
		_, err = o.run(t, append([]string{"token", "dana"}, args...)...)
		require.Equal(t, exitUsage, exitCode(err), args)
		require.ErrorContains(t, err, "there is no")
	}
	o["env"], o["public_url"] = "production", "https://copay.test"
	o["auth"] = object{"oidc": []object{{"issuer": "https://idp.test", "audience": "copay"}}}
	_, err = o.run(t, "token", "dana")
	require.Error(t, err, "only in development")
}
