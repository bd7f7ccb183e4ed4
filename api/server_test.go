package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

// serve runs the server until stop is called.
func (b bench) serve(t *testing.T) (grpcAddr, httpAddr string, stop func() error) {
	t.Helper()
	g, h := listen(t), listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.s.Serve(ctx, g, h) }()
	return g.Addr().String(), h.Addr().String(), func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(10 * time.Second):
			return context.DeadlineExceeded
		}
	}
}

func TestStoppingEndsStreamsAndLetsCallsFinish(t *testing.T) {
	t.Parallel()
	b := setup(t)
	row := b.add(key, copay.StateAwaitingPayment)
	grpcAddr, httpAddr, stop := b.serve(t)
	conn, err := grpc.NewClient(grpcAddr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	c := copayv1.NewCoPayServiceClient(conn)

	watch, err := c.WatchCoPay(as(t, "biller"), &copayv1.WatchCoPayRequest{PracticeId: "maple", CopayId: string(row.ID)})
	require.NoError(t, err)
	b.changes <- ledger.CoPayRow{CoPay: row}
	_, err = watch.Recv()
	require.NoError(t, err)

	under, finish := make(chan struct{}), make(chan struct{})
	b.update = func(_ context.Context, _ string, out, _ any) error {
		close(under)
		<-finish
		*out.(*copay.CoPay) = row
		return nil
	}
	acted := make(chan error, 1)
	go func() {
		_, err := c.WaiveCoPay(as(t, "biller"), &copayv1.WaiveCoPayRequest{PracticeId: "maple", CopayId: string(row.ID), RequestId: "r", Reason: "x"})
		acted <- err
	}()
	<-under
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	_, err = watch.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err), "the stream is told to go elsewhere")
	close(finish)
	require.NoError(t, <-acted, "what was under way is finished")
	require.NoError(t, <-stopped)
	_, err = http.Get("http://" + httpAddr + "/healthz")
	require.Error(t, err)
}

func TestACallThatNeverEndsDoesNotKeepTheServer(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Drain, o.ActWait = 50*time.Millisecond, time.Minute })
	row := b.add(key, copay.StateAwaitingPayment)
	grpcAddr, _, stop := b.serve(t)
	conn, err := grpc.NewClient(grpcAddr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	under := make(chan struct{})
	b.update = func(ctx context.Context, _ string, _, _ any) error {
		close(under)
		<-ctx.Done()
		return ctx.Err()
	}
	go func() {
		_, _ = copayv1.NewCoPayServiceClient(conn).WaiveCoPay(as(t, "biller"), &copayv1.WaiveCoPayRequest{PracticeId: "maple", CopayId: string(row.ID), RequestId: "r", Reason: "x"})
	}()
	<-under
	require.NotErrorIs(t, stop(), context.DeadlineExceeded, "it returned, by force")
}

func TestTLSOutsideAndTheGatewayWithin(t *testing.T) {
	t.Parallel()
	cert, pool := selfSigned(t)
	b := setup(t, func(o *Options) {
		o.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	})
	b.add(key, copay.StateAwaitingPayment)
	grpcAddr, httpAddr, stop := b.serve(t)
	outside := &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}

	conn, err := grpc.NewClient(grpcAddr, grpc.WithTransportCredentials(credentials.NewTLS(outside)))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	get := &copayv1.GetCoPayRequest{PracticeId: "maple", CopayId: string(key.ID())}
	_, err = copayv1.NewCoPayServiceClient(conn).GetCoPay(as(t, "biller"), get)
	require.NoError(t, err)
	plain, err := grpc.NewClient(grpcAddr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = plain.Close() })
	_, err = copayv1.NewCoPayServiceClient(plain).GetCoPay(as(t, "biller"), get)
	require.Equal(t, codes.Unavailable, status.Code(err))

	web := &http.Client{Transport: &http.Transport{TLSClientConfig: outside}}
	r, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+httpAddr+"/v1/practices/maple/copays/"+string(key.ID()), nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", token(t, "ana", []string{"biller"}, []string{"maple"}))
	resp, err := web.Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode, "REST reaches the same server without TLS inside")
	require.NotEmpty(t, resp.Header.Get("Strict-Transport-Security"))
	web.CloseIdleConnections()
	require.NoError(t, stop())
}

func TestNewRefusesMissingParts(t *testing.T) {
	t.Parallel()
	_, err := New(Options{})
	require.Error(t, err)
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}, pool
}
