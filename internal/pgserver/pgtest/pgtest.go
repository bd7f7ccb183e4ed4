//go:build unix

// Package pgtest gives each test a migrated database of its own. One server
// runs for all tests of a process, on a unix socket and without waiting for
// the disk; it goes away with the process, however that ends.
package pgtest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/copayflow/copayflow/internal/pgserver"
	"github.com/copayflow/copayflow/ledger"
)

// template is the migrated database that the others are copies of.
const template = "template_ledger"

// shared is the server of this process.
type shared struct {
	server *pgserver.Server
	admin  *pgxpool.Pool
	err    error
	// A template cannot be copied while somebody is connected to it, and
	// copies made at the same time hinder one another.
	mu sync.Mutex
	n  atomic.Int64
}

var start = sync.OnceValue(func() *shared {
	s := &shared{}
	s.err = s.start()
	return s
})

func (s *shared) start() error {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	dir, err := os.MkdirTemp(place(), "pgtest-")
	if err != nil {
		return err
	}
	// The server's user must be able to enter; what is inside stays closed.
	if err := os.Chmod(dir, 0o711); err != nil {
		return err
	}
	if s.server, err = pgserver.Start(ctx, pgserver.Options{Dir: dir, Ephemeral: true}); err != nil {
		_ = os.RemoveAll(dir) // the start's error says more
		return err
	}
	if err := s.server.CreateDatabase(ctx, template); err != nil {
		return err
	}
	if err := ledger.Migrate(ctx, s.server.DSN(template)); err != nil {
		return err
	}
	s.admin, err = pgxpool.New(ctx, s.server.DSN("postgres"))
	return err
}

// enough is the room that the databases of tests running together may need.
const enough = 1 << 30

// place is where the server lives: in memory where there is room, since making
// a database creates hundreds of files, and the usual place otherwise.
func place() string {
	const memory = "/dev/shm"
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < enough {
		return ""
	}
	return memory
}

// DSN is the connection string of a fresh, migrated database, which is dropped
// when the test ends. Without PostgreSQL on the machine the test fails.
func DSN(t testing.TB) string {
	t.Helper()
	s := start()
	if s.err != nil {
		t.Fatalf("a database for the test could not be started: %v", s.err)
	}
	name := fmt.Sprintf("t%d", s.n.Add(1))
	if err := s.clone(t.Context(), name); err != nil {
		t.Fatalf("a database for the test could not be made: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := s.admin.Exec(ctx, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
			t.Errorf("the test's database could not be dropped: %v", err)
		}
	})
	return s.server.DSN(name)
}

func (s *shared) clone(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.admin.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" TEMPLATE "+template)
	return err
}

// Pool connects to a fresh, migrated database.
func Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return connect(t, DSN(t))
}

func connect(t testing.TB, dsn string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatalf("the test's database: %v", err)
	}
	cfg.MaxConns = 8
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatalf("the test's database: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// Keys is a master key for tests.
func Keys(t testing.TB) *ledger.StaticKeys {
	t.Helper()
	key := sha256.Sum256([]byte("a key for tests"))
	keys, err := ledger.NewStaticKeys("test-1", map[string][]byte{"test-1": key[:]})
	if err != nil {
		t.Fatalf("the test's master key: %v", err)
	}
	return keys
}

// Store opens the ledger on a fresh database; change may alter its
// configuration, such as the clock.
func Store(t testing.TB, change ...func(*ledger.Config)) *ledger.Store {
	t.Helper()
	cfg := ledger.Config{Pool: Pool(t), Keys: Keys(t)}
	for _, c := range change {
		c(&cfg)
	}
	s, err := ledger.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("the test's ledger: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}
