package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/copayflow/copayflow/copay"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schemaVersion is what this program's queries are written for.
const schemaVersion = 10

// Migrate brings the schema up to date. Several processes may call it at
// once: an advisory lock lets one work while the others wait.
func Migrate(ctx context.Context, dsn string) error {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return copay.Errorf(copay.CodeInvalid, "dsn", "the database's connection string cannot be read: write postgres://user:password@host/database")
	}
	db := stdlib.OpenDB(*cfg)
	return errors.Join(migrate(ctx, db), db.Close())
}

func migrate(ctx context.Context, db *sql.DB) error {
	p, err := migrator(db)
	if err != nil {
		return err
	}
	var v int
	if err := db.QueryRowContext(ctx, sqlServerVersion).Scan(&v); err != nil {
		return translate("ask for the database server's version", err)
	}
	if err := supported(v); err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return translate("migrate", err)
	}
	return nil
}

func migrator(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
}

const sqlServerVersion = `SELECT current_setting('server_version_num')::int`

// oldestServer is the oldest PostgreSQL that the schema and the tests know.
const oldestServer = 15

// supported refuses servers that are too old; v is as in server_version_num.
func supported(v int) error {
	if major := v / 10000; major < oldestServer {
		return copay.Errorf(copay.CodePrecondition, "", "the database server is PostgreSQL %d and Copayflow needs %d or newer: upgrade it, or choose another one in database.dsn", major, oldestServer)
	}
	return nil
}

const sqlSchemaVersion = `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`

// checkSchema refuses to work on a server that is too old and on tables of
// another version than the queries.
func (s *Store) checkSchema(ctx context.Context) error {
	var server int
	if err := s.pool.QueryRow(ctx, sqlServerVersion).Scan(&server); err != nil {
		return translate("ask for the database server's version", err)
	}
	if err := supported(server); err != nil {
		return err
	}
	var v int64
	err := s.pool.QueryRow(ctx, sqlSchemaVersion).Scan(&v)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P01" {
		v, err = 0, nil
	}
	switch {
	case err != nil:
		return translate("check the schema", err)
	case v < schemaVersion:
		return copay.Errorf(copay.CodePrecondition, "", "the database's schema is at version %d and this program needs %d: run copay migrate", v, schemaVersion)
	}
	return nil
}
