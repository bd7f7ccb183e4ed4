package ledger

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/copayflow/copayflow/copay"
)

// RoleApp is the database role that migrations make for the programs: it may
// add to what is append-only, and nothing else.
const RoleApp = "copay_app"

// Config says which database, with which keys.
type Config struct {
	DSN string
	// Pool is used instead of DSN when it is set; the store does not close it.
	Pool *pgxpool.Pool
	// Keys wraps the practices' keys.
	Keys KeyProvider
	// Now is business time; nil is time.Now.
	Now func() time.Time
	// MaxConns bounds the pool made for DSN; 0 is 16.
	MaxConns int32
	// Role is taken on by each connection made for DSN, such as RoleApp; ""
	// stays with the login's own.
	Role string
	// InboxTries is how many deliveries of an event are tried before staff
	// look at it; 0 is 12.
	InboxTries int
	// WatchEvery is how often watchers look even without a notification; 0 is 10 s.
	WatchEvery time.Duration
}

// Store is the ledger. Its methods may be called at the same time.
type Store struct {
	cfg    Config
	pool   *pgxpool.Pool
	own    bool // the pool is ours to close
	rings  sync.Map
	charts sync.Map // practices whose accounts are known to exist
	hub    *hub
	teller *teller
	inbox  *Inbox
	close  sync.Once
}

// Open connects to a migrated database.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Keys == nil {
		return nil, copay.Errorf(copay.CodeInvalid, "keys", "the ledger needs a master key to encrypt with")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.InboxTries <= 0 {
		cfg.InboxTries = 12
	}
	if cfg.WatchEvery <= 0 {
		cfg.WatchEvery = 10 * time.Second
	}
	s := &Store{cfg: cfg, pool: cfg.Pool}
	if s.pool == nil {
		pool, err := connect(ctx, cfg)
		if err != nil {
			return nil, err
		}
		s.pool, s.own = pool, true
	}
	if err := s.checkSchema(ctx); err != nil {
		if s.own {
			s.pool.Close()
		}
		return nil, err
	}
	s.hub = newHub(s.pool, cfg.WatchEvery)
	s.teller = newTeller(s.pool)
	s.inbox = &Inbox{s: s}
	return s, nil
}

func connect(ctx context.Context, cfg Config) (*pgxpool.Pool, error) {
	pc, err := pgxpool.ParseConfig(cfg.DSN)
	if err != nil {
		// The cause may quote the connection string, and with it the password.
		return nil, copay.Errorf(copay.CodeInvalid, "dsn", "the database's connection string cannot be read: write postgres://user:password@host/database")
	}
	pc.MaxConns = cfg.MaxConns
	if pc.MaxConns <= 0 {
		pc.MaxConns = 16
	}
	if cfg.Role != "" {
		pc.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
			_, err := c.Exec(ctx, "SET ROLE "+pgx.Identifier{cfg.Role}.Sanitize())
			return err
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, translate("connect", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, translate("connect", err)
	}
	return pool, nil
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return translate("ping", s.pool.Ping(ctx)) }

// Inbox is where platform events wait to be delivered.
func (s *Store) Inbox() *Inbox { return s.inbox }

// Close ends watchers and listeners, sends the notifications that are still
// due and closes the pool, unless the caller brought it. It may be called twice.
func (s *Store) Close() {
	s.close.Do(func() {
		s.hub.stop()
		s.teller.stop()
		if s.own {
			s.pool.Close()
		}
	})
}

// now is business time, as exact as the database keeps it.
func (s *Store) now() time.Time { return moment(s.cfg.Now()) }

// moment cuts a time to what the database keeps.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// orNil makes the zero time a NULL.
func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = moment(t)
	return &t
}

// utc turns a nullable column into a time; NULL is the zero time.
func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// day turns a date into a nullable column.
func day(d copay.Date) *time.Time {
	t := d.In(time.UTC)
	if t.IsZero() {
		return nil
	}
	return &t
}
