package temporal

import (
	"context"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/ports"
	"github.com/copayflow/copayflow/internal/pgserver"
	"github.com/copayflow/copayflow/internal/serve"
)

func TestServerKeepsItsNamespaceAndRetentionOverARestart(t *testing.T) {
	o := Options{Database: filepath.Join(t.TempDir(), "temporal.db"), Namespace: "copay", Retention: 365 * 24 * time.Hour,
		SearchAttributes: map[string]enumspb.IndexedValueType{"CopayPractice": enumspb.INDEXED_VALUE_TYPE_KEYWORD}}
	for range 2 {
		s, err := Start(t.Context(), o)
		require.NoError(t, err)
		c, err := client.Dial(client.Options{HostPort: s.HostPort(), Namespace: "copay", Logger: quiet{}})
		require.NoError(t, err)
		ns, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: "copay"})
		require.NoError(t, err)
		require.Equal(t, 365*24*time.Hour, ns.Config.WorkflowExecutionRetentionTtl.AsDuration())
		// Task queues are another service's, which has to find the others; a
		// second start right after the first must not look for the dead ones.
		require.Eventually(t, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := c.DescribeTaskQueue(ctx, "q", enumspb.TASK_QUEUE_TYPE_WORKFLOW)
			return err == nil
		}, 8*time.Second, 50*time.Millisecond)
		c.Close()
		files, err := filepath.Glob(o.Database + "*")
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, f := range files {
			info, err := os.Stat(f)
			require.NoError(t, err)
			require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), f)
		}
		require.NoError(t, s.Stop())
	}
}

func TestUIServesAndATakenPortIsNamed(t *testing.T) {
	s, err := Start(t.Context(), Options{Namespace: "copay", Retention: 24 * time.Hour})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Stop() })
	block, err := ports.Reserve()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, block.Release()) })
	ui, err := StartUI(t.Context(), block.Port(0), s.HostPort(), "copay", "http://127.0.0.1:1/codec")
	require.NoError(t, err)
	t.Cleanup(ui.Stop)
	res, err := http.Get("http://127.0.0.1:" + strconv.Itoa(block.Port(0)) + "/api/v1/settings")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)

	_, port, _ := strings.Cut(s.HostPort(), ":")
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	_, err = Start(t.Context(), Options{Port: n, Namespace: "copay", Retention: 24 * time.Hour})
	require.ErrorContains(t, err, "which Temporal needs, is taken")
	_, err = StartUI(t.Context(), n, s.HostPort(), "copay", "http://127.0.0.1:1/codec")
	require.ErrorContains(t, err, "port "+port+", which the Temporal UI needs, is taken")
}

// The store of a cluster in production: what `copay migrate` asks of it has to
// be possible there.
func TestServerOnPostgreSQL(t *testing.T) {
	dir, err := os.MkdirTemp("", "temporal-") //nolint:usetesting // PostgreSQL's user may not enter the test's own
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o711))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	pg, err := pgserver.Start(t.Context(), pgserver.Options{Dir: filepath.Join(dir, "pg"), Ephemeral: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pg.Stop(context.WithoutCancel(t.Context()))) })
	for _, name := range PostgresDatabases {
		require.NoError(t, pg.CreateDatabase(t.Context(), name))
	}
	o := Options{Postgres: pg.DSN("postgres"), Namespace: "copay", Retention: 365 * 24 * time.Hour,
		SearchAttributes: map[string]enumspb.IndexedValueType{"CopayPractice": enumspb.INDEXED_VALUE_TYPE_KEYWORD}}
	s, err := Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	c, err := client.Dial(client.Options{HostPort: s.HostPort(), Namespace: "copay", Logger: quiet{}})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	require.NoError(t, serve.MigrateTemporal(t.Context(), c, "copay", o.Retention, o.SearchAttributes), "it may be run again")
	have, err := c.OperatorService().ListSearchAttributes(t.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: "copay"})
	require.NoError(t, err)
	require.Contains(t, have.GetCustomAttributes(), "CopayPractice")
	ns, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: "copay"})
	require.NoError(t, err)
	require.Equal(t, o.Retention, ns.Config.WorkflowExecutionRetentionTtl.AsDuration())
}
