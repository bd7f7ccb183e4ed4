// Package certtest makes certificates for tests: an authority, and servers and
// clients that it vouches for, in memory and as files for a configuration.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// CA is a certificate authority.
type CA struct {
	// File holds its certificate in PEM.
	File string
	// Pool trusts it and nobody else.
	Pool *x509.CertPool

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Pair is a certificate with its key.
type Pair struct {
	TLS               tls.Certificate
	CertFile, KeyFile string
}

// New makes an authority.
func New(t testing.TB) *CA {
	t.Helper()
	tmpl := template("certtest")
	tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.KeyUsage = true, true, x509.KeyUsageCertSign
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	require.NoError(t, err)
	c := &CA{Pool: x509.NewCertPool(), key: key, File: write(t, "ca.pem", "CERTIFICATE", der)}
	c.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	c.Pool.AddCert(c.cert)
	return c
}

// Server makes a certificate for a server of this name.
func (c *CA) Server(t testing.TB, name string) Pair {
	t.Helper()
	return c.issue(t, name, x509.ExtKeyUsageServerAuth, nil)
}

// Client makes a certificate for a client; change may spoil it.
func (c *CA) Client(t testing.TB, name string, change ...func(*x509.Certificate)) Pair {
	t.Helper()
	return c.issue(t, name, x509.ExtKeyUsageClientAuth, change)
}

func (c *CA) issue(t testing.TB, name string, usage x509.ExtKeyUsage, change []func(*x509.Certificate)) Pair {
	t.Helper()
	tmpl := template(name)
	tmpl.DNSNames, tmpl.KeyUsage, tmpl.ExtKeyUsage = []string{name}, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{usage}
	for _, f := range change {
		f(tmpl)
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, c.cert, key.Public(), c.key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return Pair{TLS: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		CertFile: write(t, "cert.pem", "CERTIFICATE", der), KeyFile: write(t, "key.pem", "PRIVATE KEY", secret)}
}

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62)) // the system's randomness does not fail
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return k
}

func write(t testing.TB, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}
