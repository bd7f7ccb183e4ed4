package ledger

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// maxTries bounds how often a transaction that lost a race is run again.
const maxTries = 6

// tx runs f in one transaction, and again when that lost a race, so f must
// have no effect outside.
func (s *Store) tx(ctx context.Context, op string, f func(pgx.Tx) error) error {
	return again(ctx, op, func() error { return pgx.BeginFunc(ctx, s.pool, f) })
}

// again runs f until it no longer fails by a serialisation failure or a
// deadlock: the one place that does.
func again(ctx context.Context, op string, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if err == nil || !lostRace(err) || try == maxTries {
			return translate(op, err)
		}
		if err := backoff(ctx, try); err != nil {
			return err
		}
	}
}

func lostRace(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

func backoff(ctx context.Context, try int) error {
	d := time.Duration(1<<try) * 5 * time.Millisecond
	t := time.NewTimer(d + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
