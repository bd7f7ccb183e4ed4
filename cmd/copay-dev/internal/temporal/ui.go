package temporal

import (
	"context"
	"fmt"
	"net"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/ports"
)

// UI is the running web UI.
type UI struct{ srv *uiserver.Server }

// StartUI serves Temporal's web UI on port. Payloads stay ciphertext unless
// the browser's user may read them at the codec server.
func StartUI(ctx context.Context, port int, frontend, namespace, codec string) (*UI, error) {
	if !ports.Free(port) {
		return nil, taken(port, "the Temporal UI")
	}
	srv := uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
		TemporalGRPCAddress: frontend,
		Host:                loopback,
		Port:                port,
		EnableUI:            true,
		DefaultNamespace:    namespace,
		DisableNewsFetch:    true,
		HideLogs:            true,
		CORS:                uiconfig.CORS{CookieInsecure: true},
		Codec: uiconfig.Codec{Endpoint: codec, IncludeCredentials: true,
			DefaultErrorMessage: "Payloads are encrypted. Sign in at the codec server as an auditor to read them:", DefaultErrorLink: codec + "/session"},
	}))
	go func() { _ = srv.Start() }()
	addr := net.JoinHostPort(loopback, fmt.Sprint(port))
	for range 200 {
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			_ = c.Close()
			return &UI{srv}, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(25 * time.Millisecond):
		}
	}
	return nil, fmt.Errorf("the Temporal UI does not answer on port %d", port)
}

// Stop ends the UI.
func (u *UI) Stop() { u.srv.Stop() }
