package serve_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/internal/pgserver/pgtest"
	"github.com/copayflow/copayflow/internal/serve"
	"github.com/copayflow/copayflow/internal/temporalfake"
	"github.com/copayflow/copayflow/worker"
)

// empty is a database without tables.
func empty(t *testing.T) string {
	t.Helper()
	dsn := pgtest.DSN(t)
	c, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	_, err = c.Exec(t.Context(), `DROP SCHEMA public CASCADE; CREATE SCHEMA public`)
	require.NoError(t, err)
	require.NoError(t, c.Close(t.Context()))
	return dsn
}

func TestMigrateMakesTheTables(t *testing.T) {
	t.Parallel()
	c := configured(empty(t), "")
	_, err := worker.OpenStore(t.Context(), c, time.Now)
	require.ErrorContains(t, err, "migrate", "a process does not work on tables it does not know, and says what to do")

	// Several at once, as when a deployment starts all its processes.
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		wg.Go(func() { errs[i] = serve.Migrate(t.Context(), c) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.NoError(t, serve.Migrate(t.Context(), c), "again, for nothing")
	s, err := worker.OpenStore(t.Context(), c, time.Now)
	require.NoError(t, err)
	s.Close()
}

func TestMigrateKeepsThePasswordToItself(t *testing.T) {
	t.Parallel()
	for name, dsn := range map[string]string{
		"not set":    "env:COPAY_TEST_NOT_SET",
		"unreadable": "literal:postgres://copay:hunter2@db:port/x",
		"nobody":     "literal:postgres://copay:hunter2@127.0.0.1:1/copay?sslmode=disable",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := configured("", "")
			c.Database.DSN = dsn
			err := serve.Migrate(t.Context(), c)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "hunter2")
			require.Equal(t, name == "nobody", strings.Contains(err.Error(), "(database copay on 127.0.0.1:1, user copay)"), err)
		})
	}
}

func dial(t *testing.T, s *temporalfake.Server) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: s.Addr, Namespace: "copay"})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestMigrateTemporal(t *testing.T) {
	t.Parallel()
	s := temporalfake.Start(t, nil)
	s.Forget("copay")
	c := dial(t, s)
	const year, month = 365 * 24 * time.Hour, 30 * 24 * time.Hour
	want := map[string]enumspb.IndexedValueType{"CopayState": enumspb.INDEXED_VALUE_TYPE_KEYWORD, "CopayDue": enumspb.INDEXED_VALUE_TYPE_DATETIME}

	require.NoError(t, serve.MigrateTemporal(t.Context(), c, "copay", year, want))
	require.Equal(t, year, s.Namespaces()["copay"].AsDuration())
	require.Equal(t, want, s.Attributes())

	require.NoError(t, serve.MigrateTemporal(t.Context(), c, "copay", month, want), "again: what is there stays")
	require.Equal(t, month, s.Namespaces()["copay"].AsDuration(), "and the retention follows the configuration")
	require.Equal(t, 1, s.Calls("AddSearchAttributes"))

	want["CopayPractice"] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	require.NoError(t, serve.MigrateTemporal(t.Context(), c, "copay", month, want), "only what is missing is added: the server refuses the rest")
	require.Equal(t, want, s.Attributes())
}

func TestMigrateTemporalSaysWhatFailed(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]string{
		"RegisterNamespace":    "the namespace copay cannot be set up",
		"UpdateNamespace":      "the namespace copay cannot be set up",
		"ListSearchAttributes": "the search attributes cannot be read",
		"AddSearchAttributes":  "the search attributes cannot be registered",
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			s := temporalfake.Start(t, nil)
			s.Refuse = func(m string, _ int) error {
				if m == method {
					return serviceerror.NewPermissionDenied("no", "")
				}
				return nil
			}
			err := serve.MigrateTemporal(t.Context(), dial(t, s), "copay", time.Hour, map[string]enumspb.IndexedValueType{"A": enumspb.INDEXED_VALUE_TYPE_BOOL})
			require.ErrorContains(t, err, want)
			require.Empty(t, s.Attributes())
		})
	}
}

// Each type that the configuration allows is one of Temporal's, and another
// one each.
func TestEveryAttributeTypeIsKnownToTemporal(t *testing.T) {
	t.Parallel()
	in := config.TemporalDev{SearchAttributes: map[string]string{}}
	for _, typ := range config.AttributeTypes {
		in.SearchAttributes["A"+typ] = typ
	}
	seen := map[enumspb.IndexedValueType]string{}
	for name, typ := range serve.AttributeTypes(in) {
		require.NotEqual(t, enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED, typ, name)
		require.Empty(t, seen[typ], name)
		seen[typ] = name
		require.Equal(t, "A"+typ.String(), name)
	}
	require.Len(t, seen, len(config.AttributeTypes))
}
