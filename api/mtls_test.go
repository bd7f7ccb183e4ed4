package api

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/internal/certtest"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// A server that asks for certificates serves no gRPC or REST caller without a
// good one; webhooks and patients have none. A certificate alone is not enough: the token is asked, too.
func TestClientsWithoutACertificateAreRefused(t *testing.T) {
	t.Parallel()
	ca, stranger := certtest.New(t), certtest.New(t)
	b := setup(t, func(o *Options) {
		o.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Server(t, "api.test").TLS}, ClientCAs: ca.Pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
	})
	b.add(key, copay.StateAwaitingPayment)
	grpcAddr, httpAddr, stop := b.serve(t)
	for name, tc := range map[string]struct {
		certs  []tls.Certificate
		trust  *x509.CertPool
		served bool
	}{
		"a good one":     {[]tls.Certificate{ca.Client(t, "desk").TLS}, ca.Pool, true},
		"none":           {nil, ca.Pool, false},
		"a stranger's":   {[]tls.Certificate{stranger.Client(t, "desk").TLS}, ca.Pool, false},
		"expired":        {[]tls.Certificate{ca.Client(t, "desk", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }).TLS}, ca.Pool, false},
		"not a client's": {[]tls.Certificate{ca.Server(t, "desk").TLS}, ca.Pool, false},
		"a good one, to a server that is not trusted": {[]tls.Certificate{ca.Client(t, "desk").TLS}, stranger.Pool, false},
	} {
		t.Run(name, func(t *testing.T) {
			// The certificate is sent whatever authorities the server names.
			conf := &tls.Config{RootCAs: tc.trust, ServerName: "api.test", MinVersion: tls.VersionTLS12,
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					if len(tc.certs) == 0 {
						return &tls.Certificate{}, nil
					}
					return &tc.certs[0], nil
				}}
			conn, err := grpc.NewClient(grpcAddr, grpc.WithTransportCredentials(credentials.NewTLS(conf)))
			require.NoError(t, err)
			defer conn.Close()
			c := copayv1.NewCoPayServiceClient(conn)
			get := &copayv1.GetCoPayRequest{PracticeId: "maple", CopayId: string(key.ID())}
			_, err = c.GetCoPay(as(t, "biller"), get)

			web := &http.Client{Transport: &http.Transport{TLSClientConfig: conf}}
			defer web.CloseIdleConnections()
			r, rerr := http.NewRequestWithContext(t.Context(), "GET", "https://"+httpAddr+"/v1/practices/maple/copays/"+string(key.ID()), nil)
			require.NoError(t, rerr)
			r.Header.Set("Authorization", token(t, "ana", []string{"biller"}, []string{"maple"}))
			resp, werr := web.Do(r)
			if !tc.served {
				require.Equal(t, codes.Unavailable, status.Code(err))
				if werr == nil {
					require.NoError(t, resp.Body.Close())
					require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
				}
				if len(tc.certs) == 0 {
					require.NoError(t, werr, "a patient's browser has no certificate")
				} else {
					require.Error(t, werr, "a bad certificate is refused at once")
				}
				return
			}
			require.NoError(t, err)
			require.NoError(t, werr)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusOK, resp.StatusCode)
			_, err = c.GetCoPay(t.Context(), get)
			require.Equal(t, codes.Unauthenticated, status.Code(err), "a certificate says nothing of who sits at the desk")
		})
	}
	require.NoError(t, stop())
}
