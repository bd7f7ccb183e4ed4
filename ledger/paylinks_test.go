package ledger_test

import (
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

func (b bench) link(t *testing.T, id copay.ID, expires time.Time) string {
	t.Helper()
	token, err := b.NewPayLink(t.Context(), maple, id, expires)
	require.NoError(t, err)
	return token
}

func TestPayLinkIsTheSameEachTime(t *testing.T) {
	b := setup(t)
	id := b.claim(t, maple, "c-1")
	token := b.link(t, id, noon.Add(2*time.Hour))
	require.Regexp(t, regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`), token)
	require.Equal(t, token, b.link(t, id, noon.Add(time.Hour)))
	again, err := b.another(t).NewPayLink(t.Context(), maple, id, noon.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, token, again)
	row, err := b.PayLink(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, ledger.PayLinkRow{Practice: maple, CoPay: id, Number: 1, CreatedAt: noon, ExpiresAt: noon.Add(2 * time.Hour)}, row,
		"a later call never shortens it")
	require.Zero(t, b.count(t, `SELECT count(*) FROM pay_links l WHERE position($1 IN l::text) > 0`, token), "only its hash is stored")

	require.NotEqual(t, token, b.link(t, b.claim(t, maple, "c-2"), noon.Add(time.Hour)))
	_, err = b.NewPayLink(t.Context(), maple, "cp_0000000000000000", noon)
	requireCode(t, copay.CodeNotFound, err)
	_, err = b.PayLink(t.Context(), "AAAAAAAAAAAAAAAAAAAAAA")
	requireCode(t, copay.CodeNotFound, err)
}

func TestPayLinkAtTheSameTime(t *testing.T) {
	b := setup(t)
	id := b.claim(t, maple, "c-1")
	tokens := make([]string, 8)
	for _, err := range together(8, func(i int) (err error) {
		tokens[i], err = b.NewPayLink(t.Context(), maple, id, noon.Add(time.Hour))
		return err
	}) {
		require.NoError(t, err)
	}
	for _, tok := range tokens {
		require.Equal(t, tokens[0], tok)
	}
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM pay_links`))
}

func TestPayLinkOpenedAndEnded(t *testing.T) {
	b := setup(t)
	id := b.claim(t, maple, "c-1")
	token := b.link(t, id, noon.Add(time.Hour))
	for range 2 {
		row, err := b.OpenPayLink(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, noon, row.OpenedAt)
		require.True(t, row.Usable(noon))
		b.clock.Add(time.Minute)
	}
	b.clock.Add(time.Hour)
	row, err := b.TryPayLink(t.Context(), token)
	requireCode(t, copay.CodePrecondition, err)
	require.False(t, row.Usable(b.clock.Now()))

	require.Equal(t, token, b.link(t, id, b.clock.Now().Add(time.Hour)), "an ended link is renewed, not replaced")
	n, err := b.RevokePayLinks(t.Context(), maple, id)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = b.TryPayLink(t.Context(), token)
	requireCode(t, copay.CodePrecondition, err)
	fresh := b.link(t, id, b.clock.Now().Add(time.Hour))
	require.NotEqual(t, token, fresh)
	row, err = b.PayLink(t.Context(), fresh)
	require.NoError(t, err)
	require.Equal(t, 2, row.Number)
}

func TestPayLinkLocks(t *testing.T) {
	b := setup(t)
	id := b.claim(t, maple, "c-1")
	token := b.link(t, id, noon.Add(time.Hour))
	for range ledger.MaxLinkAttempts - 1 {
		_, err := b.TryPayLink(t.Context(), token)
		require.NoError(t, err)
	}
	require.NoError(t, b.PassPayLink(t.Context(), token))
	// However many try at once, five get to compare.
	errs := together(20, func(int) error { _, err := b.TryPayLink(t.Context(), token); return err })
	let := 0
	for _, err := range errs {
		if err == nil {
			let++
			continue
		}
		requireCode(t, copay.CodePermission, err)
	}
	require.Equal(t, ledger.MaxLinkAttempts, let)
	row, err := b.PayLink(t.Context(), token)
	require.NoError(t, err)
	require.True(t, row.Locked())
	require.False(t, row.Usable(noon))
	require.NotEqual(t, token, b.link(t, id, noon.Add(time.Hour)), "the next message brings a new link")
	for _, err := range []error{b.PassPayLink(t.Context(), "nope"), second(b.TryPayLink(t.Context(), "nope")), second(b.OpenPayLink(t.Context(), "nope"))} {
		requireCode(t, copay.CodeNotFound, err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestActs(t *testing.T) {
	b := setup(t)
	id := b.claim(t, maple, "c-1")
	begin := func(key, input string) (string, bool, error) {
		res, done, err := b.BeginAct(t.Context(), maple, id, key, []byte(input))
		return string(res), done, err
	}
	_, done, err := begin("req-1", "waive 5")
	require.NoError(t, err)
	require.False(t, done)
	_, done, err = begin("req-1", "waive 5")
	require.NoError(t, err)
	require.False(t, done, "begun and not finished: do it again")
	_, _, err = begin("req-1", "waive 6")
	requireCode(t, copay.CodeConflict, err)
	require.NoError(t, b.FinishAct(t.Context(), maple, id, "req-1", []byte("waived")))
	require.NoError(t, b.FinishAct(t.Context(), maple, id, "req-1", []byte("waived twice")))
	res, done, err := begin("req-1", "waive 5")
	require.NoError(t, err)
	require.True(t, done)
	require.Equal(t, "waived", res)
	_, _, err = begin("req-1", "waive 6")
	requireCode(t, copay.CodeConflict, err)
	_, done, err = begin("req-2", "waive 6")
	require.NoError(t, err)
	require.False(t, done)
	for _, key := range []string{"", "a\x00b", string(make([]byte, 201))} {
		_, _, err = begin(key, "x")
		requireCode(t, copay.CodeInvalid, err)
	}
	requireCode(t, copay.CodeNotFound, b.FinishAct(t.Context(), maple, id, "req-9", nil))
}

func TestActsAtTheSameTime(t *testing.T) {
	b := setup(t)
	errs := together(8, func(i int) error {
		_, _, err := b.BeginAct(t.Context(), maple, "", "req-1", []byte{byte(i % 2)})
		return err
	})
	failed := 0
	for _, err := range errs {
		if err != nil {
			requireCode(t, copay.CodeConflict, err)
			failed++
		}
	}
	require.Equal(t, 4, failed, errors.Join(errs...))
}
