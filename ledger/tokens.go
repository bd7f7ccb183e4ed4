package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

var _ integrations.TokenStore = (*Store)(nil)

const (
	sqlToken     = `SELECT sealed FROM tokens WHERE practice = $1 AND platform = $2`
	sqlTokenRow  = `INSERT INTO tokens (practice, platform, updated_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	sqlLockToken = sqlToken + ` FOR UPDATE`
	sqlPutToken  = `INSERT INTO tokens (practice, platform, sealed, updated_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (practice, platform) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at`
)

// Load implements integrations.TokenStore.
func (s *Store) Load(ctx context.Context, practice copay.PracticeID, platform copay.Platform) (integrations.Token, error) {
	return s.tokenFrom(ctx, practice, platform, s.pool.QueryRow(ctx, sqlToken, practice, platform))
}

func (s *Store) tokenFrom(ctx context.Context, practice copay.PracticeID, platform copay.Platform, r pgx.Row) (integrations.Token, error) {
	var sealed []byte
	err := r.Scan(&sealed)
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && sealed == nil) {
		return integrations.Token{}, nil
	}
	if err != nil {
		return integrations.Token{}, translate("read the token", err)
	}
	var t integrations.Token
	err = s.openJSON(ctx, practice, "tokens", string(platform), sealed, &t)
	return t, err
}

// SaveToken stores a token that came from elsewhere: when an account is connected.
func (s *Store) SaveToken(ctx context.Context, practice copay.PracticeID, platform copay.Platform, t integrations.Token) error {
	sealed, err := s.sealToken(ctx, practice, platform, t)
	if err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, sqlPutToken, practice, platform, sealed, s.now())
	return translate("store the token", err)
}

func (s *Store) sealToken(ctx context.Context, practice copay.PracticeID, platform copay.Platform, t integrations.Token) ([]byte, error) {
	ring, err := s.keys(ctx, practice)
	if err != nil {
		return nil, err
	}
	return ring.sealJSON("tokens", string(platform), t)
}

// saveWithin bounds the effort to store a token after its caller has gone.
const saveWithin = 15 * time.Second

// Refresh implements integrations.TokenStore. The token's row is locked while
// renew runs, so of a whole fleet one renews and the others get its result. A
// renewed token is stored even when the caller gives up meanwhile: the
// platform has taken the old one back by then. The transaction is never run
// again, since a renewal cannot be.
func (s *Store) Refresh(ctx context.Context, practice copay.PracticeID, platform copay.Platform,
	renew func(ctx context.Context, current integrations.Token) (integrations.Token, error)) (integrations.Token, error) {
	if _, err := s.keys(ctx, practice); err != nil {
		return integrations.Token{}, err
	}
	if _, err := s.pool.Exec(ctx, sqlTokenRow, practice, platform, s.now()); err != nil {
		return integrations.Token{}, translate("lock the token", err)
	}
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return integrations.Token{}, translate("lock the token", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // after a commit it does nothing
	current, err := s.tokenFrom(ctx, practice, platform, tx.QueryRow(ctx, sqlLockToken, practice, platform))
	if err != nil {
		return integrations.Token{}, err
	}
	renewed, err := renew(ctx, current)
	if err != nil {
		return integrations.Token{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveWithin)
	defer cancel()
	sealed, err := s.sealToken(ctx, practice, platform, renewed)
	if err != nil {
		return integrations.Token{}, err
	}
	if _, err = tx.Exec(ctx, sqlPutToken, practice, platform, sealed, s.now()); err == nil {
		err = tx.Commit(ctx)
	}
	if err != nil {
		err = s.rescueToken(ctx, tx, practice, platform, sealed)
	}
	if err != nil {
		return integrations.Token{}, translate("store the renewed token", err)
	}
	return renewed, nil
}

// rescueToken stores a renewed token on another connection after its own was
// lost: the only copy that still works must not be dropped.
func (s *Store) rescueToken(ctx context.Context, tx pgx.Tx, practice copay.PracticeID, platform copay.Platform, sealed []byte) error {
	_ = tx.Rollback(ctx) // frees the lock, if the connection still stands
	for try := 1; ; try++ {
		_, err := s.pool.Exec(ctx, sqlPutToken, practice, platform, sealed, s.now())
		if err == nil || ctx.Err() != nil {
			return err
		}
		if err := backoff(ctx, min(try, maxTries)); err != nil {
			return err
		}
	}
}
