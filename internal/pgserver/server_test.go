//go:build unix

package pgserver_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/internal/logtest"
	"github.com/copayflow/copayflow/internal/pgserver"
)

// place is a directory that the server's user can get to, whoever runs the test.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgserver-test-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func start(t *testing.T, o pgserver.Options) *pgserver.Server {
	t.Helper()
	s, err := pgserver.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop(context.WithoutCancel(t.Context()))) })
	return s
}

func query(t *testing.T, dsn, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	var out string
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&out))
	return out
}

func freePort(t *testing.T) (net.Listener, int) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l, l.Addr().(*net.TCPAddr).Port
}

func TestDataIsFoundAgain(t *testing.T) {
	t.Parallel()
	dir := place(t)
	s, err := pgserver.Start(t.Context(), pgserver.Options{Dir: dir})
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, s.CreateDatabase(t.Context(), `odd "name"`))
	}
	query(t, s.DSN(`odd "name"`), `WITH x AS (SELECT 1) SELECT 'made' FROM x`)
	conn, err := pgx.Connect(t.Context(), s.DSN(`odd "name"`))
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `CREATE TABLE kept AS SELECT 'here' AS word`)
	require.NoError(t, err)
	// A connected client does not hold the end up.
	require.NoError(t, s.Stop(t.Context()))
	require.NoError(t, s.Stop(t.Context()), "twice is fine")
	<-s.Done()
	_ = conn.Close(t.Context()) // the server is gone

	l, port := freePort(t)
	require.NoError(t, l.Close())
	again := start(t, pgserver.Options{Dir: dir, Port: port, Durable: true, Settings: map[string]string{"work_mem": "5MB"}})
	dsn := again.DSN(`odd "name"`)
	require.Contains(t, dsn, fmt.Sprintf("127.0.0.1:%d", port))
	require.Equal(t, "here", query(t, dsn, `SELECT word FROM kept`))
	require.Equal(t, "on", query(t, dsn, `SHOW fsync`))
	require.Equal(t, "5MB", query(t, dsn, `SHOW work_mem`))
	require.Equal(t, "0", query(t, dsn, `SHOW log_parameter_max_length_on_error`))

	// Nobody gets in without the password.
	cfg, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	cfg.Password = "guess"
	_, err = pgx.ConnectConfig(t.Context(), cfg)
	require.Error(t, err)

	// While it runs, another start on the same directory is refused.
	_, err = pgserver.Start(t.Context(), pgserver.Options{Dir: dir})
	require.ErrorContains(t, err, "in use by another PostgreSQL")
	require.NotContains(t, err.Error(), "\n")
}

func TestSocketOnly(t *testing.T) {
	t.Parallel()
	var log logtest.Journal
	// A deep directory: the socket moves to a place with a shorter path.
	deep := filepath.Join(place(t), strings.Repeat("d", 60), strings.Repeat("e", 60))
	require.NoError(t, os.MkdirAll(deep, 0o755))
	s := start(t, pgserver.Options{Dir: filepath.Join(deep, "pg"), Log: &log, Ephemeral: true})
	require.Equal(t, "", query(t, s.DSN("postgres"), `SHOW listen_addresses`))
	require.Equal(t, "off", query(t, s.DSN("postgres"), `SHOW fsync`))
	require.NoError(t, s.Stop(t.Context()))
	require.NoDirExists(t, filepath.Join(deep, "pg"))
	require.Contains(t, log.String(), "ready to accept connections")
}

// A refused start says in one sentence what is wrong.
func TestRefusals(t *testing.T) {
	t.Parallel()
	fail := func(want string, o pgserver.Options) {
		t.Helper()
		_, err := pgserver.Start(t.Context(), o)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "\n")
	}
	fail("needs a data directory", pgserver.Options{})

	l, port := freePort(t)
	defer func() { require.NoError(t, l.Close()) }()
	fail(fmt.Sprintf("port %d on 127.0.0.1 is taken", port), pgserver.Options{Dir: place(t), Port: port})

	strange := place(t)
	require.NoError(t, os.MkdirAll(filepath.Join(strange, "data"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(strange, "data", "letter.txt"), []byte("x"), 0o600))
	fail("not PostgreSQL's", pgserver.Options{Dir: strange})

	file := filepath.Join(place(t), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	fail("cannot be used", pgserver.Options{Dir: file})

	old := place(t)
	require.NoError(t, os.MkdirAll(filepath.Join(old, "data"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(old, "data", "PG_VERSION"), []byte("8\n"), 0o600))
	fail("made by PostgreSQL 8", pgserver.Options{Dir: old})

	fail("PostgreSQL ended while it was starting", pgserver.Options{Dir: place(t), Settings: map[string]string{"no_such_setting": "1"}})

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := pgserver.Start(ctx, pgserver.Options{Dir: place(t)})
	require.Error(t, err)

	if os.Geteuid() == 0 {
		closed := place(t)
		require.NoError(t, os.Chmod(closed, 0o700))
		fail("may not enter "+closed, pgserver.Options{Dir: filepath.Join(closed, "pg")})
	}
}

func TestPasswordLost(t *testing.T) {
	t.Parallel()
	dir := place(t)
	s, err := pgserver.Start(t.Context(), pgserver.Options{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, s.Stop(t.Context()))
	require.NoError(t, os.Remove(filepath.Join(dir, "password")))
	_, err = pgserver.Start(t.Context(), pgserver.Options{Dir: dir})
	require.ErrorContains(t, err, "password file is missing")
}

// childDir makes this test's program the parent of a server, to be killed.
const childDir = "PGSERVER_TEST_CHILD_DIR"

func TestChild(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("only runs as the child of TestServerGoesDownWithItsParent")
	}
	s, err := pgserver.Start(t.Context(), pgserver.Options{Dir: dir, Ephemeral: true})
	require.NoError(t, err)
	fmt.Println("DSN " + s.DSN("postgres"))
	select {}
}

func TestServerGoesDownWithItsParent(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(place(t), "pg")
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	dsn := ""
	for lines := bufio.NewScanner(out); lines.Scan() && dsn == ""; {
		_, dsn, _ = strings.Cut(lines.Text(), "DSN ")
		if dsn != "" {
			break
		}
	}
	require.NotEmpty(t, dsn)
	require.Equal(t, "1", query(t, dsn, `SELECT '1'`))
	require.NoError(t, child.Process.Kill())
	_ = child.Wait() // killed
	require.Eventually(t, func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	}, 20*time.Second, 20*time.Millisecond)
	_, err = pgx.Connect(t.Context(), dsn)
	require.Error(t, err)
}
