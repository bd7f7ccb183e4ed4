package stack

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/internal/pgserver"
)

// Halt ends API and worker as SIGTERM does; everything else goes on.
func (s *Stack) Halt(ctx context.Context) error {
	s.cancel()
	<-s.done
	s.Process.Close(ctx)
	return s.err
}

// Resume starts API and worker again, with a changed configuration where
// change is given.
func (s *Stack) Resume(ctx context.Context, change func(cfg map[string]any)) error {
	if change != nil {
		if err := s.reconfigure(change); err != nil {
			return err
		}
	}
	return s.processes(ctx)
}

func (s *Stack) reconfigure(change func(cfg map[string]any)) error {
	raw, err := os.ReadFile(s.ConfigPath)
	if err != nil {
		return err
	}
	cfg := map[string]any{}
	if err := json.Unmarshal(raw, &cfg); err != nil {
		return err
	}
	change(cfg)
	if raw, err = json.MarshalIndent(cfg, "", "  "); err != nil {
		return err
	}
	if err := os.WriteFile(s.ConfigPath, raw, 0o600); err != nil {
		return err
	}
	s.Config, err = config.Load(s.ConfigPath)
	return err
}

// Key makes another key of the stack and returns its reference.
func (s *Stack) Key(name string) (string, error) {
	refs, err := s.keys(name)
	return refs[name], err
}

// LoseTemporal puts an empty Temporal in the place of the one that runs.
func (s *Stack) LoseTemporal(ctx context.Context) error {
	_, port, err := net.SplitHostPort(s.Temporal.HostPort())
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	if err := s.Temporal.Stop(); err != nil {
		return err
	}
	if s.Options.Durable {
		if err := os.Remove(filepath.Join(s.Options.Dir, "temporal.db")); err != nil {
			return err
		}
	}
	return s.temporal(ctx, n)
}

// CrashDatabase ends PostgreSQL as a crash does; the function that is returned
// starts it again, and it recovers. Only a durable stack has lost nothing then.
func (s *Stack) CrashDatabase() (restart func(context.Context) error) {
	s.crashed.Store(true)
	s.Postgres.Crash()
	return func(ctx context.Context) (err error) {
		s.Postgres, err = pgserver.Start(ctx, s.Postgres.Options())
		return err
	}
}

// Backup copies the ledger's database while nobody uses it, and Restore puts
// the copy in its place.
func (s *Stack) Backup(ctx context.Context) error {
	return s.administer(ctx, "CREATE DATABASE copay_backup TEMPLATE copay")
}

// Restore is for after Backup; all that came later is lost.
func (s *Stack) Restore(ctx context.Context) error {
	return s.administer(ctx, "DROP DATABASE copay", "ALTER DATABASE copay_backup RENAME TO copay")
}

func (s *Stack) administer(ctx context.Context, statements ...string) (err error) {
	conn, err := pgx.Connect(ctx, s.Postgres.DSN("postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
