package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
)

type renewal = func(context.Context, integrations.Token) (integrations.Token, error)

func renewTo(access string) renewal {
	return func(context.Context, integrations.Token) (integrations.Token, error) {
		return integrations.Token{Access: access, Refresh: access + "-r", ExpiresAt: noon.Add(time.Hour), Extra: map[string]string{"realm": "1"}}, nil
	}
}

func renewFrom(seen *string, access string) renewal {
	return func(ctx context.Context, current integrations.Token) (integrations.Token, error) {
		*seen = current.Access
		return renewTo(access)(ctx, current)
	}
}

func TestTokenIsKeptSealed(t *testing.T) {
	b := setup(t)
	tok, err := b.Load(t.Context(), maple, "quickbooks")
	require.NoError(t, err)
	require.Zero(t, tok)
	want, err := renewTo("topsecret")(t.Context(), tok)
	require.NoError(t, err)
	require.NoError(t, b.SaveToken(t.Context(), maple, "quickbooks", want))
	got, err := b.another(t).Load(t.Context(), maple, "quickbooks")
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Zero(t, b.count(t, `SELECT count(*) FROM tokens WHERE position('topsecret'::bytea IN sealed) > 0`))
}

func TestTokenRefreshStartsFromNothing(t *testing.T) {
	b := setup(t)
	seen := "?"
	tok, err := b.Refresh(t.Context(), maple, "quickbooks", renewFrom(&seen, "a"))
	require.NoError(t, err)
	require.Equal(t, "a", tok.Access)
	require.Empty(t, seen)
	_, err = b.Refresh(t.Context(), maple, "quickbooks", renewFrom(&seen, "b"))
	require.NoError(t, err)
	require.Equal(t, "a", seen)
}

// A rotating refresh token is used exactly once, however many processes find
// at the same time that the access token has ended.
func TestTokenRefreshAtTheSameTime(t *testing.T) {
	b := setup(t)
	other := b.another(t)
	require.NoError(t, b.SaveToken(t.Context(), maple, "quickbooks", integrations.Token{Access: "old", Refresh: "r-0"}))
	var used, inside atomic.Int32
	renew := func(ctx context.Context, current integrations.Token) (integrations.Token, error) {
		if inside.Add(1) != 1 {
			return integrations.Token{}, errors.New("two at once")
		}
		defer inside.Add(-1)
		if current.Access != "old" {
			return current, nil
		}
		used.Add(1)
		// The renewal takes as long as it takes all others to want one, too.
		for deadline, waiting := time.Now().Add(10*time.Second), 0; waiting < 5; {
			err := b.db.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
			if err != nil || time.Now().After(deadline) {
				return integrations.Token{}, errors.Join(errors.New("the others do not wait"), err)
			}
		}
		return integrations.Token{Access: "new", Refresh: "r-1"}, nil
	}
	errs := together(6, func(i int) error {
		s := b.Store
		if i%2 == 0 {
			s = other
		}
		tok, err := s.Refresh(t.Context(), maple, "quickbooks", renew)
		if err == nil && tok.Access != "new" {
			err = fmt.Errorf("got %s", tok.Access)
		}
		return err
	})
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, int32(1), used.Load())
}

func TestTokenRefreshFailureKeepsTheOldOne(t *testing.T) {
	b := setup(t)
	require.NoError(t, b.SaveToken(t.Context(), maple, "quickbooks", integrations.Token{Access: "old"}))
	refused := errors.New("refused")
	_, err := b.Refresh(t.Context(), maple, "quickbooks", func(context.Context, integrations.Token) (integrations.Token, error) {
		return integrations.Token{}, refused
	})
	require.ErrorIs(t, err, refused)
	tok, err := b.Load(t.Context(), maple, "quickbooks")
	require.NoError(t, err)
	require.Equal(t, "old", tok.Access)
}

// By the time the caller gives up, the platform has taken the old token back.
func TestTokenIsStoredAlthoughTheCallerGaveUp(t *testing.T) {
	b := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	tok, err := b.Refresh(ctx, maple, "quickbooks", func(ctx context.Context, current integrations.Token) (integrations.Token, error) {
		cancel()
		return renewTo("new")(ctx, current)
	})
	require.NoError(t, err)
	require.Equal(t, "new", tok.Access)
	got, err := b.Load(t.Context(), maple, "quickbooks")
	require.NoError(t, err)
	require.Equal(t, tok, got)
}

func TestTokenIsStoredAlthoughTheConnectionBroke(t *testing.T) {
	b := setup(t)
	_, err := b.Refresh(t.Context(), maple, "quickbooks", func(ctx context.Context, current integrations.Token) (integrations.Token, error) {
		b.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`)
		return renewTo("new")(ctx, current)
	})
	require.NoError(t, err)
	got, err := b.Load(t.Context(), maple, "quickbooks")
	require.NoError(t, err)
	require.Equal(t, "new", got.Access)
}
