package ledger_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

func (b bench) audit(t *testing.T, p copay.PracticeID, n int) {
	t.Helper()
	for i := range n {
		require.NoError(t, b.AppendAudit(t.Context(), ledger.AuditEntry{Practice: p, Actor: staff, Action: "act-" + strconv.Itoa(i%2),
			Reason: "because <of> \"it\" & ümläut", Detail: map[string]string{"n": strconv.Itoa(i), "b": "2", "a": "1"}, TraceID: "t"}))
		b.clock.Add(time.Minute)
	}
}

func TestAuditChain(t *testing.T) {
	b := setup(t)
	rep, err := b.VerifyAudit(t.Context(), maple)
	require.NoError(t, err)
	require.True(t, rep.OK, "an empty chain is whole")
	b.audit(t, maple, 5)
	b.audit(t, birch, 2)
	rep, err = b.VerifyAudit(t.Context(), maple)
	require.NoError(t, err)
	require.True(t, rep.OK, rep.Problem)
	require.Equal(t, int64(5), rep.Rows)
	require.Len(t, rep.Head, 64)

	list, _, err := b.Audit(t.Context(), maple, ledger.AuditFilter{}, "", 0)
	require.NoError(t, err)
	require.Len(t, list, 5)
	require.Equal(t, list[1].Hash, list[0].PrevHash)
	require.Equal(t, fmt.Sprintf("%x", list[0].Hash), rep.Head)
	require.Equal(t, staff, list[0].Actor)
	require.Equal(t, map[string]string{"n": "4", "b": "2", "a": "1"}, list[0].Detail)
	require.Equal(t, noon.Add(4*time.Minute), list[0].At)
}

func TestAuditFilterAndPages(t *testing.T) {
	b := setup(t)
	b.audit(t, maple, 7)
	for _, c := range []struct {
		f    ledger.AuditFilter
		want int
	}{
		{ledger.AuditFilter{}, 7}, {ledger.AuditFilter{Action: "act-1"}, 3}, {ledger.AuditFilter{ActorID: "u-1"}, 7}, {ledger.AuditFilter{ActorID: "u-2"}, 0},
		{ledger.AuditFilter{From: noon.Add(5 * time.Minute)}, 2}, {ledger.AuditFilter{To: noon.Add(5 * time.Minute)}, 5}, {ledger.AuditFilter{CoPay: "cp_x"}, 0},
	} {
		list, _, err := b.Audit(t.Context(), maple, c.f, "", 0)
		require.NoError(t, err)
		require.Len(t, list, c.want, "%+v", c.f)
	}
	var seqs []int64
	for page := ledger.PageToken(""); ; {
		list, more, err := b.Audit(t.Context(), maple, ledger.AuditFilter{}, page, 3)
		require.NoError(t, err)
		for _, r := range list {
			seqs = append(seqs, r.Seq)
		}
		if page = more; page == "" {
			break
		}
	}
	require.Equal(t, []int64{7, 6, 5, 4, 3, 2, 1}, seqs)
}

func TestAuditRefusesAnonymousRows(t *testing.T) {
	b := setup(t)
	requireCode(t, copay.CodeInvalid, b.AppendAudit(t.Context(), ledger.AuditEntry{Practice: maple, Action: "x"}))
	requireCode(t, copay.CodeInvalid, b.AppendAudit(t.Context(), ledger.AuditEntry{Practice: maple, Actor: staff}))
	requireCode(t, copay.CodeInvalid, b.AppendAudit(t.Context(), ledger.AuditEntry{Practice: "No Such", Actor: staff, Action: "x"}))
}

// Somebody with all rights on the database alters the log: it shows, and where.
func TestAuditTamperingShows(t *testing.T) {
	b := setup(t)
	for i, c := range []struct {
		sql string
		bad int64
	}{
		{`UPDATE audit_log SET reason = 'quietly' WHERE practice = $1 AND seq = 3`, 3},
		{`UPDATE audit_log SET actor = '{"id":"u-2","kind":"staff"}' WHERE practice = $1 AND seq = 2`, 2},
		{`UPDATE audit_log SET at = at + interval '1 microsecond' WHERE practice = $1 AND seq = 1`, 1},
		{`UPDATE audit_log SET detail = detail || '{"n": "7"}' WHERE practice = $1 AND seq = 4`, 4},
		{`UPDATE audit_log SET detail = '[1]' WHERE practice = $1 AND seq = 4`, 4},
		{`UPDATE audit_log SET action = 'act' WHERE practice = $1 AND seq = 4`, 4},
		{`UPDATE audit_log SET copay_id = 'cp_1' WHERE practice = $1 AND seq = 4`, 4},
		{`UPDATE audit_log SET trace_id = '' WHERE practice = $1 AND seq = 4`, 4},
		{`UPDATE audit_log SET hash = sha256('x') WHERE practice = $1 AND seq = 4`, 4},
		{`DELETE FROM audit_log WHERE practice = $1 AND seq = 3`, 3},
		{`DELETE FROM audit_log WHERE practice = $1 AND seq = 5`, 5},
		{`DELETE FROM audit_log WHERE practice = $1`, 1},
		{`WITH gone AS (DELETE FROM audit_log WHERE practice = $1 AND seq = 5 RETURNING prev_hash)
			UPDATE audit_heads SET seq = 4, hash = sha256('x') WHERE practice = $1`, 5},
		{`INSERT INTO audit_log SELECT practice, 6, at, actor, action, copay_id, reason, detail, trace_id, hash, hash FROM audit_log WHERE practice = $1 AND seq = 5`, 6},
		{`UPDATE audit_log SET prev_hash = hash WHERE practice = $1 AND seq = 2`, 2},
	} {
		p := copay.PracticeID("p-" + strconv.Itoa(i))
		b.audit(t, p, 5)
		b.exec(t, `ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only`)
		b.exec(t, c.sql, p)
		b.exec(t, `ALTER TABLE audit_log ENABLE TRIGGER audit_log_append_only`)
		rep, err := b.VerifyAudit(t.Context(), p)
		require.NoError(t, err, c.sql)
		require.False(t, rep.OK, c.sql)
		require.Equal(t, c.bad, rep.FirstBad, c.sql)
		require.NotEmpty(t, rep.Problem)
	}
}

// Cutting the end off and mending the head needs a witness from outside.
func TestAuditHeadProvesTheEnd(t *testing.T) {
	b := setup(t)
	b.audit(t, maple, 3)
	kept, err := b.VerifyAudit(t.Context(), maple)
	require.NoError(t, err)
	b.exec(t, `ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only`)
	b.exec(t, `WITH gone AS (DELETE FROM audit_log WHERE seq = 3 RETURNING prev_hash) UPDATE audit_heads SET seq = 2, hash = (SELECT prev_hash FROM gone)`)
	rep, err := b.VerifyAudit(t.Context(), maple)
	require.NoError(t, err)
	require.True(t, rep.OK)
	require.NotEqual(t, kept.Head, rep.Head)
}

func TestAuditAtTheSameTime(t *testing.T) {
	b := setup(t)
	const n = 24
	errs := together(n, func(i int) error {
		return b.AppendAudit(t.Context(), ledger.AuditEntry{Practice: maple, Actor: staff, Action: strconv.Itoa(i)})
	})
	require.NoError(t, errors.Join(errs...))
	rep, err := b.VerifyAudit(t.Context(), maple)
	require.NoError(t, err)
	require.True(t, rep.OK, rep.Problem)
	require.Equal(t, int64(n), rep.Rows)
}

func TestAuditLongChain(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	r := step(key, 1, copay.StateAwaitingPayment)
	for range 1205 { // more than one page of the walk
		r.Events = append(r.Events, r.Events[0])
	}
	b.record(t, r)
	rep, err := b.VerifyAudit(t.Context(), maple)
	require.NoError(t, err)
	require.True(t, rep.OK, rep.Problem)
	require.Equal(t, int64(1206), rep.Rows)
}

func TestAnAuditRowNamesTheTraceItIsWrittenIn(t *testing.T) {
	b := setup(t)
	id := trace.TraceID{1, 2, 3}
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: trace.SpanID{1}}))
	require.NoError(t, b.AppendAudit(ctx, ledger.AuditEntry{Practice: maple, Actor: staff, Action: "look"}))
	rows, _, err := b.Audit(ctx, maple, ledger.AuditFilter{}, "", 0)
	require.NoError(t, err)
	require.Equal(t, id.String(), rows[0].TraceID)
}
