package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver that the migrations use
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/internal/pgserver/pgtest"
	"github.com/copayflow/copayflow/ledger"
)

// exercise is run as the owner here and as the programs' role elsewhere.
func TestEverythingOnce(t *testing.T) {
	b := setup(t)
	exercise(t, b.Store, keyOf(maple, "c-1"))
	require.NoError(t, b.Ping(t.Context()))
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	_, err := ledger.Open(t.Context(), ledger.Config{DSN: "postgres://x"})
	requireCode(t, copay.CodeInvalid, err)
	const secret = "hunter2"
	_, err = ledger.Open(t.Context(), ledger.Config{DSN: "postgres://u:" + secret + "@h:port/db", Keys: pgtest.Keys(t)})
	requireCode(t, copay.CodeInvalid, err)
	require.NotContains(t, err.Error(), secret)
	_, err = ledger.Open(t.Context(), ledger.Config{DSN: "postgres://u:" + secret + "@127.0.0.1:1/db?connect_timeout=2", Keys: pgtest.Keys(t)})
	requireCode(t, copay.CodeUnavailable, err)
	require.NotContains(t, err.Error(), secret)
	requireCode(t, copay.CodeInvalid, ledger.Migrate(t.Context(), "postgres://u:p@h:port/db"))
}

// blank is a database without a schema.
func blank(t *testing.T) string {
	t.Helper()
	dsn := pgtest.DSN(t)
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	_, err = conn.Exec(t.Context(), `DROP SCHEMA public CASCADE; CREATE SCHEMA public`)
	require.NoError(t, err)
	return dsn
}

func TestMigrateAtTheSameTime(t *testing.T) {
	t.Parallel()
	dsn := blank(t)
	_, err := ledger.Open(t.Context(), ledger.Config{DSN: dsn, Keys: pgtest.Keys(t)})
	requireCode(t, copay.CodePrecondition, err)
	require.ErrorContains(t, err, "copay migrate")
	require.NoError(t, ledger.Migrate(t.Context(), dsn))
	errs := together(2, func(int) error { return ledger.Migrate(t.Context(), dsn) })
	require.NoError(t, errors.Join(errs...))
	s, err := ledger.Open(t.Context(), ledger.Config{DSN: dsn, Keys: pgtest.Keys(t)})
	require.NoError(t, err)
	s.Close()
	s.Close()
}

// The programs insist on the newest migration, and each can be taken back.
func TestMigrationsUpAndDown(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	p, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("migrations"))
	require.NoError(t, err)
	_, err = p.Down(t.Context())
	require.NoError(t, err)
	_, err = ledger.Open(t.Context(), ledger.Config{DSN: dsn, Keys: pgtest.Keys(t)})
	requireCode(t, copay.CodePrecondition, err)
	_, err = p.DownTo(t.Context(), 0)
	require.NoError(t, err)
	var left int
	require.NoError(t, db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname <> 'goose_db_version'`).Scan(&left))
	require.Zero(t, left)
	require.NoError(t, ledger.Migrate(t.Context(), dsn))
	s, err := ledger.Open(t.Context(), ledger.Config{DSN: dsn, Keys: pgtest.Keys(t), Now: func() time.Time { return noon }})
	require.NoError(t, err)
	defer s.Close()
	exercise(t, s, keyOf(maple, "c-1"))
}

func TestWatch(t *testing.T) {
	b := setup(t)
	other := b.another(t)
	key := keyOf(maple, "c-1")
	b.claim(t, maple, "c-1")
	ctx, cancel := context.WithCancel(t.Context())
	rows, err := b.Watch(ctx, maple, key.ID())
	require.NoError(t, err)
	require.Zero(t, next(t, rows).Version)
	require.NoError(t, other.Record(t.Context(), step(keyOf(maple, "c-2"), 1, copay.StatePaid)))
	for v := int64(1); v <= 3; v++ {
		require.NoError(t, other.Record(t.Context(), step(key, v, copay.StateAwaitingPayment)))
		require.Equal(t, v, next(t, rows).Version)
	}
	cancel()
	for range rows { // closed
	}
	_, err = b.Watch(t.Context(), maple, "cp_0000000000000000")
	requireCode(t, copay.CodeNotFound, err)
}

func TestWatchSurvivesALostConnection(t *testing.T) {
	b := setup(t)
	other := b.another(t)
	key := keyOf(maple, "c-1")
	b.claim(t, maple, "c-1")
	rows, err := b.Watch(t.Context(), maple, key.ID())
	require.NoError(t, err)
	next(t, rows)
	require.NoError(t, other.Record(t.Context(), step(key, 1, copay.StateVerifying)))
	require.Equal(t, int64(1), next(t, rows).Version)
	b.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
	// Nobody listens now: what happens is found when the connection is back.
	require.NoError(t, other.Record(t.Context(), step(key, 2, copay.StatePaid)))
	require.Equal(t, int64(2), next(t, rows).Version)
}

// Without any notification a watcher still sees the change in the end.
func TestWatchLooksNowAndThen(t *testing.T) {
	b := setup(t)
	watcher := b.another(t, func(c *ledger.Config) { c.WatchEvery = 20 * time.Millisecond })
	id := b.claim(t, maple, "c-1")
	rows, err := watcher.Watch(t.Context(), maple, id)
	require.NoError(t, err)
	next(t, rows)
	b.exec(t, `UPDATE copays SET version = 9`)
	require.Equal(t, int64(9), next(t, rows).Version)
}

func TestWatchEndsWithTheStore(t *testing.T) {
	b := setup(t)
	s := b.another(t)
	rows, err := s.Watch(t.Context(), maple, b.claim(t, maple, "c-1"))
	require.NoError(t, err)
	wake, err := s.Listen(t.Context(), ledger.ChannelCoPay)
	require.NoError(t, err)
	s.Close()
	for range rows {
	}
	for range wake {
	}
}

// Errors of the database say what is wrong without quoting a value.
func TestErrorsQuoteNothing(t *testing.T) {
	b := setup(t)
	id := b.claim(t, maple, "c-1")
	require.NoError(t, b.RecordNotification(t.Context(), message(id)))
	n := message(id)
	n.Ref = "ref-4155550134"
	err := b.RecordNotification(t.Context(), n)
	requireCode(t, copay.CodeConflict, err)
	require.False(t, strings.Contains(err.Error(), "SM1") || strings.Contains(err.Error(), "4155550134"), err.Error())

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.CoPay(ctx, maple, id)
	require.ErrorIs(t, err, context.Canceled)
	s, err := ledger.Open(t.Context(), ledger.Config{DSN: b.db.Config().ConnString(), Keys: pgtest.Keys(t)})
	require.NoError(t, err)
	s.Close()
	_, err = s.CoPay(t.Context(), maple, id)
	requireCode(t, copay.CodeUnavailable, err)
}

// A transaction that loses a race is run again by the store.
func TestLostRacesAreRunAgain(t *testing.T) {
	b := setup(t)
	one, two := keyOf(maple, "c-1"), keyOf(maple, "c-2")
	b.record(t, step(one, 1, copay.StateReceived))
	b.record(t, step(two, 1, copay.StateReceived))
	// The first record after this trigger fails like one that lost a race.
	b.exec(t, `CREATE SEQUENCE races`)
	b.exec(t, `CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF nextval('races') <= 2 THEN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END IF; RETURN NEW; END $$`)
	b.exec(t, `CREATE TRIGGER lose BEFORE INSERT ON timeline FOR EACH ROW EXECUTE FUNCTION lose()`)
	b.record(t, step(one, 2, copay.StatePaid))
	require.Equal(t, 3, b.count(t, `SELECT count(*) FROM timeline`))
	b.exec(t, `ALTER SEQUENCE races RESTART WITH 1 INCREMENT BY -1 MINVALUE -100`)
	requireCode(t, copay.CodeUnavailable, b.Record(t.Context(), step(one, 3, copay.StatePaid)))
}

// Whoever sets the database up reads what to mend.
func TestADatabaseThatLetsNobodyIn(t *testing.T) {
	t.Parallel()
	good, err := url.Parse(pgtest.DSN(t))
	require.NoError(t, err)
	open := func(change func(*url.URL)) error {
		u := *good
		change(&u)
		_, err := ledger.Open(t.Context(), ledger.Config{DSN: u.String(), Keys: pgtest.Keys(t)})
		requireCode(t, copay.CodeUnavailable, err)
		require.NotContains(t, err.Error(), "hunter2")
		return err
	}
	require.ErrorContains(t, open(func(u *url.URL) { u.Path = "/nowhere" }), "there is no such database")
	require.ErrorContains(t, open(func(u *url.URL) { u.User = url.UserPassword("nobody", "hunter2") }), "user, password or its access rules are wrong")
	require.ErrorContains(t, open(func(u *url.URL) { u.Host, u.RawQuery = "127.0.0.1:1", "" }), "cannot be reached")
}
