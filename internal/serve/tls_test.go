package serve_test

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/internal/certtest"
	"github.com/copayflow/copayflow/internal/serve"
)

// A clinic without a proxy: this process ends TLS, REST callers show a
// certificate, a platform's webhook has none and is judged by its signature.
func TestTheAPIEndsTLSItself(t *testing.T) {
	t.Parallel()
	ca := certtest.New(t)
	server, desk := ca.Server(t, "api.test"), ca.Client(t, "desk")
	i := install(t)
	i.Process.Config.Listen.TLS = config.ListenTLS{Cert: server.CertFile, Key: server.KeyFile, ClientCA: ca.File}
	r := i.serveAPI(t)
	ask := func(path string, certs ...tls.Certificate) int {
		web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool, ServerName: "api.test", Certificates: certs, MinVersion: tls.VersionTLS12}}}
		defer web.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), "GET", strings.Replace(r.http, "http://", "https://", 1)+path, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", bearer(t, "biller"))
		res, err := web.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	require.Equal(t, http.StatusOK, ask("/v1/practices/maple/copays", desk.TLS))
	require.Equal(t, http.StatusUnauthorized, ask("/v1/practices/maple/copays"))
	require.Equal(t, http.StatusOK, ask("/healthz"))
	require.Equal(t, http.StatusNotFound, ask("/webhooks/abacus/maple"), "reached without a certificate, and refused as what it is")
	r.stop()
	require.NoError(t, r.ended(t))
}

func TestAnAPICertificateThatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	ca := certtest.New(t)
	server := ca.Server(t, "api.test")
	junk := filepath.Join(t.TempDir(), "junk.pem")
	require.NoError(t, os.WriteFile(junk, []byte("no certificate"), 0o600))
	for want, c := range map[string]config.ListenTLS{
		"listen.tls.cert and key cannot be read":    {Cert: junk, Key: server.KeyFile},
		"listen.tls.client_ca cannot be read":       {Cert: server.CertFile, Key: server.KeyFile, ClientCA: junk + ".missing"},
		"listen.tls.client_ca holds no certificate": {Cert: server.CertFile, Key: server.KeyFile, ClientCA: junk},
	} {
		i := install(t)
		i.Process.Config.Listen.TLS = c
		l, err := serve.Listen(config.Listen{HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", Metrics: "127.0.0.1:0"})
		require.NoError(t, err)
		require.ErrorContains(t, serve.API(t.Context(), i.Process, l), want)
	}
}
