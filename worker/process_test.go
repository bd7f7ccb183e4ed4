package worker_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/copayflow/copayflow/codec"
	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/internal/certtest"
	"github.com/copayflow/copayflow/internal/clock"
	"github.com/copayflow/copayflow/internal/logtest"
	"github.com/copayflow/copayflow/internal/pgserver/pgtest"
	"github.com/copayflow/copayflow/internal/temporalfake"
	"github.com/copayflow/copayflow/worker"
	"github.com/copayflow/copayflow/workflows"
)

// key is a key of 32 equal bytes, by reference.
func key(b byte) string {
	return "literal:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32))
}

// configured is a process's configuration with a database of its own.
func configured(t *testing.T, temporal string) *config.Config {
	t.Helper()
	return &config.Config{
		Env:        "dev",
		PublicURL:  "http://copay.test",
		Database:   config.Database{DSN: "literal:" + pgtest.DSN(t), MaxConns: 4},
		MasterKeys: []config.KeyRef{{ID: "m1", Secret: key(1)}},
		CodecKeys:  []config.KeyRef{{ID: "c1", Secret: key(2)}},
		Temporal:   config.Temporal{Address: temporal, Namespace: "copay"},
		Practices: []config.Practice{{
			ID: "maple", Name: "Maple Family Clinic", Phone: "+1 312 555 0100", TimeZone: "America/Chicago", Language: "es", NPI: "1234567893", PayURL: "https://pay.maple.example",
			Consent:   config.Consent{Source: "intake_form", TextVersion: "2026-01"},
			Platforms: map[copay.Platform]map[string]any{"twilio": nil, "abacus": nil},
			Ports:     portMap{"charges": {"drchrono"}, "sms": {"twilio"}},
		}},
	}
}

// open opens a process within a deadline and closes it with the test.
func open(t *testing.T, c *config.Config) (*worker.Process, *logtest.Journal, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	log := &logtest.Journal{}
	p, err := worker.Open(ctx, c, "copay-test", slog.New(slog.NewJSONHandler(log, nil)))
	if p != nil {
		t.Cleanup(func() { p.Close(context.WithoutCancel(ctx)) })
	}
	return p, log, err
}

func TestAProcessOpens(t *testing.T) {
	t.Parallel()
	c := configured(t, temporalfake.Start(t, nil).Addr)
	p, log, err := open(t, c)
	require.NoError(t, err)
	require.NoError(t, p.Store.Ping(t.Context()))
	require.Equal(t, []copay.PracticeID{"maple"}, p.Directory.Practices())
	require.Contains(t, log.String(), `"platform":"abacus"`, "one that is not known is named")
	require.Contains(t, log.String(), `"platform":"twilio"`, "and so is one without credentials; the process runs")
	require.WithinDuration(t, time.Now(), p.Now(), time.Minute)

	started, err := p.Starter.Practice("maple")
	require.NoError(t, err)
	require.Equal(t, []copay.Platform{"drchrono"}, started.EHRs)
	require.Equal(t, []copay.Channel{copay.ChannelSMS}, started.Channels)
	require.False(t, started.Books)
	require.Equal(t, copay.Cents(500_00), started.Policy.MaxAmount, "the policy's defaults")

	maple, err := p.Activities().Practices("maple")
	require.NoError(t, err)
	require.Equal(t, "Maple Family Clinic", maple.Name)
	require.Equal(t, "https://pay.maple.example", maple.PayBase)
	require.Equal(t, []string{"+1 312 555 0100", "es", "America/Chicago", "1234567893", "intake_form", "2026-01"},
		[]string{maple.Phone, maple.Language, maple.TimeZone, maple.NPI, maple.ConsentSource, maple.ConsentVersion})
	_, err = p.Activities().Practices("oak")
	require.Equal(t, copay.CodeNotFound, copay.CodeOf(err))
}

func TestDevelopmentTimeMoves(t *testing.T) {
	t.Parallel()
	c := configured(t, temporalfake.Start(t, nil).Addr)
	c.Dev.ClockFile = filepath.Join(t.TempDir(), "clock")
	p, _, err := open(t, c)
	require.NoError(t, err)
	require.NoError(t, clock.NewFile(c.Dev.ClockFile).Advance(72*time.Hour))
	require.WithinDuration(t, time.Now().Add(72*time.Hour), p.Now(), time.Minute)
}

// Nothing readable reaches the Temporal server.
func TestWhatGoesToTemporalIsEncrypted(t *testing.T) {
	t.Parallel()
	temporal := temporalfake.Start(t, nil)
	p, _, err := open(t, configured(t, temporal.Addr))
	require.NoError(t, err)
	require.NoError(t, p.Temporal.SignalWorkflow(t.Context(), "w", "", "note", "Ana Sample"))
	sent := temporal.Signals()
	require.Len(t, sent, 1)
	raw, err := proto.Marshal(sent[0])
	require.NoError(t, err)
	require.NotContains(t, string(raw), "Ana")
	require.Equal(t, codec.Encoding, string(sent[0].GetInput().GetPayloads()[0].GetMetadata()["encoding"]))
	plain, err := p.Codec.Decode(sent[0].GetInput().GetPayloads())
	require.NoError(t, err)
	require.JSONEq(t, `"Ana Sample"`, string(plain[0].GetData()))
}

// A process that cannot open says why in words that name the setting, keeps
// credentials out of them, and leaves nothing open behind it.
func TestAProcessThatCannotOpenSaysWhy(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil func(t *testing.T, c *config.Config)
		want  []string
	}{
		"database, no secret": {func(_ *testing.T, c *config.Config) { c.Database.DSN = "env:COPAY_TEST_NOT_SET" }, []string{"COPAY_TEST_NOT_SET is not set"}},
		"database, no address": {func(_ *testing.T, c *config.Config) { c.Database.DSN = "literal:postgres://copay:hunter2@db:port/x" },
			[]string{"connection string cannot be read"}},
		"database, nobody there": {func(t *testing.T, c *config.Config) {
			c.Database.DSN = "literal:postgres://copay:hunter2@" + nobody(t) + "/copay?sslmode=disable&connect_timeout=2"
		}, []string{"connect", "the database cannot be reached", "(database copay on 127.0.0.1:", ", user copay)"}},
		"clock": {func(t *testing.T, c *config.Config) {
			c.Dev.ClockFile = filepath.Join(t.TempDir(), "clock")
			require.NoError(t, os.WriteFile(c.Dev.ClockFile, []byte("abc"), 0o600))
		}, []string{"the clock file", "delete it"}},
		"codec key":       {func(_ *testing.T, c *config.Config) { c.CodecKeys[0].Secret = "literal:hunter2" }, []string{`"c1"`, "32 bytes"}},
		"no codec key":    {func(_ *testing.T, c *config.Config) { c.CodecKeys = nil }, []string{"codec key"}},
		"master key":      {func(_ *testing.T, c *config.Config) { c.MasterKeys[0].Secret = "literal:hunter2" }, []string{`"m1"`, "32 bytes"}},
		"Temporal, gone":  {func(t *testing.T, c *config.Config) { c.Temporal.Address = nobody(t) }, []string{"cannot reach Temporal at 127.0.0.1:", "namespace copay"}},
		"Temporal, key":   {func(_ *testing.T, c *config.Config) { c.Temporal.APIKey = "env:COPAY_TEST_NOT_SET" }, []string{"COPAY_TEST_NOT_SET is not set"}},
		"practice policy": {func(_ *testing.T, c *config.Config) { c.Practices[0].Policy.MaxAmount = "lots" }, []string{"policy.max_amount"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := configured(t, temporalfake.Start(t, nil).Addr)
			tc.spoil(t, c)
			p, _, err := open(t, c)
			require.Nil(t, p)
			for _, want := range tc.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

// nobody is an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// mutual is a frontend that wants a certificate of every client.
func mutual(t *testing.T, ca *certtest.CA) *temporalfake.Server {
	t.Helper()
	return temporalfake.Start(t, &tls.Config{Certificates: []tls.Certificate{ca.Server(t, "temporal.test").TLS}, ClientCAs: ca.Pool,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}})
}

func TestMutualTLSToTemporal(t *testing.T) {
	t.Parallel()
	ca, stranger := certtest.New(t), certtest.New(t)
	good := func(t *testing.T) config.TLS {
		me := ca.Client(t, "copay-worker")
		return config.TLS{Enabled: true, CA: ca.File, Cert: me.CertFile, Key: me.KeyFile, ServerName: "temporal.test"}
	}
	junk := filepath.Join(t.TempDir(), "junk.pem")
	require.NoError(t, os.WriteFile(junk, []byte("hunter2"), 0o600))
	for name, tc := range map[string]struct {
		change func(t *testing.T, c *config.TLS)
		refuse string // empty: connected
	}{
		"both know each other": {func(*testing.T, *config.TLS) {}, ""},
		"no certificate":       {func(_ *testing.T, c *config.TLS) { c.Cert, c.Key = "", "" }, "cannot reach Temporal"},
		"no TLS":               {func(_ *testing.T, c *config.TLS) { *c = config.TLS{} }, "cannot reach Temporal"},
		"a stranger's certificate": {func(t *testing.T, c *config.TLS) {
			me := stranger.Client(t, "copay-worker")
			c.Cert, c.Key = me.CertFile, me.KeyFile
		}, "cannot reach Temporal"},
		"a certificate that has expired": {func(t *testing.T, c *config.TLS) {
			me := ca.Client(t, "copay-worker", func(x *x509.Certificate) { x.NotAfter = time.Now().Add(-time.Minute) })
			c.Cert, c.Key = me.CertFile, me.KeyFile
		}, "cannot reach Temporal"},
		"a server's certificate for a client": {func(t *testing.T, c *config.TLS) {
			me := ca.Server(t, "copay-worker")
			c.Cert, c.Key = me.CertFile, me.KeyFile
		}, "cannot reach Temporal"},
		"a server that nobody vouches for": {func(_ *testing.T, c *config.TLS) { c.CA = stranger.File }, "cannot reach Temporal"},
		"only the system's authorities":    {func(_ *testing.T, c *config.TLS) { c.CA = "" }, "cannot reach Temporal"},
		"a server of another name":         {func(_ *testing.T, c *config.TLS) { c.ServerName = "other.test" }, "cannot reach Temporal"},
		"a CA file that is missing":        {func(_ *testing.T, c *config.TLS) { c.CA += ".gone" }, "temporal.tls.ca cannot be read"},
		"a CA file without certificate":    {func(_ *testing.T, c *config.TLS) { c.CA = junk }, "temporal.tls.ca holds no certificate"},
		"a certificate that is missing":    {func(_ *testing.T, c *config.TLS) { c.Cert += ".gone" }, "temporal.tls.cert and key cannot be read"},
		"another certificate's key":        {func(t *testing.T, c *config.TLS) { c.Key = ca.Client(t, "x").KeyFile }, "temporal.tls.cert and key cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			temporal := mutual(t, ca)
			c := configured(t, temporal.Addr)
			c.Temporal.TLS = good(t)
			tc.change(t, &c.Temporal.TLS)
			p, _, err := open(t, c)
			if tc.refuse != "" {
				require.Nil(t, p)
				require.ErrorContains(t, err, tc.refuse)
				require.NotContains(t, err.Error(), "hunter2")
				require.Zero(t, temporal.Calls("GetSystemInfo"), "no call got through")
				return
			}
			require.NoError(t, err)
			require.Equal(t, 1, temporal.Calls("GetSystemInfo"))
		})
	}
}

func TestAPIKeyToTemporalCloud(t *testing.T) {
	t.Parallel()
	ca := certtest.New(t)
	temporal := temporalfake.Start(t, &tls.Config{Certificates: []tls.Certificate{ca.Server(t, "cloud.test").TLS}, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}})
	c := configured(t, temporal.Addr)
	c.Temporal.APIKey = "literal:cloud-key"
	c.Temporal.TLS = config.TLS{Enabled: true, CA: ca.File, ServerName: "cloud.test"}
	_, log, err := open(t, c)
	require.NoError(t, err)
	require.Contains(t, temporal.Keys(), "Bearer cloud-key")
	require.NotContains(t, log.String(), "cloud-key")
}

// A key must not cross the network readable because somebody forgot the TLS
// section.
func TestAPIKeyNeverGoesOutWithoutTLS(t *testing.T) {
	t.Parallel()
	temporal := temporalfake.Start(t, nil)
	c := configured(t, temporal.Addr)
	c.Temporal.APIKey = "literal:cloud-key"
	_, _, err := open(t, c)
	require.ErrorContains(t, err, "cannot reach Temporal")
	require.Empty(t, temporal.Keys())
}

// polling waits for the polls under way.
func polling(t *testing.T, s *temporalfake.Server, ok func(map[string]int) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, s.Await(ctx, ok), "polled so far: %v", s.Polled())
}

func limited(c *config.Config) {
	c.Practices[0].Platforms["drchrono"] = nil
	c.Practices[0].RateLimited = map[copay.Platform]float64{"drchrono": 0.13, "twilio": 5}
	c.Practices = append(c.Practices, config.Practice{ID: "oak", Platforms: map[copay.Platform]map[string]any{"drchrono": nil},
		RateLimited: map[copay.Platform]float64{"drchrono": 0.07}})
}

func TestAWorkerPollsItsQueues(t *testing.T) {
	t.Parallel()
	temporal := temporalfake.Start(t, nil)
	c := configured(t, temporal.Addr)
	limited(c)
	p, _, err := open(t, c)
	require.NoError(t, err)
	w := p.Worker()
	require.NoError(t, w.Start())
	polling(t, temporal, func(now map[string]int) bool {
		return now["copay/workflow"] > 0 && now["copay/activity"] > 0 && now["copay-drchrono/activity"] > 0 && now["copay-twilio/activity"] > 0
	})
	perSecond := map[string]float64{}
	for _, poll := range temporal.Polled() {
		require.Contains(t, poll.Identity, "copay-worker-")
		if poll.Kind == "workflow" {
			require.Equal(t, workflows.TaskQueue, poll.Queue, "a platform's queue is for its calls only")
			continue
		}
		perSecond[poll.Queue] = poll.PerSecond
	}
	require.Len(t, perSecond, 3)
	require.InDelta(t, 0.07, perSecond["copay-drchrono"], 1e-9, "practices share the queue; the smallest limit holds")
	require.InDelta(t, 5, perSecond["copay-twilio"], 1e-9)
	require.Greater(t, perSecond["copay"], 1000.0, "what has no limit is not held up")
	w.Stop()
	polling(t, temporal, func(now map[string]int) bool { return len(now) == 0 })
}

func TestAWorkerOfANamespaceThereIsNotDoesNotStart(t *testing.T) {
	t.Parallel()
	temporal := temporalfake.Start(t, nil)
	c := configured(t, temporal.Addr)
	limited(c)
	c.Temporal.Namespace = "typo"
	p, _, err := open(t, c)
	require.NoError(t, err)
	require.ErrorContains(t, p.Worker().Start(), "the worker cannot start")
	require.Empty(t, temporal.Polled())
}

func TestClosingTwiceOrHalfOpenedIsHarmless(t *testing.T) {
	t.Parallel()
	(&worker.Process{}).Close(t.Context())
	p, _, err := open(t, configured(t, temporalfake.Start(t, nil).Addr))
	require.NoError(t, err)
	p.Close(t.Context())
	require.Error(t, p.Store.Ping(t.Context()), "the database was given back")
	p.Close(t.Context())
}
