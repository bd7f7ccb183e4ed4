package quickbookssim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// FuzzQuery checks that no statement makes the simulator panic, and that what
// it accepts keeps to its own bounds.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{
		"select * from Invoice where DocNumber = 'CP-1' orderby Id startposition 1 maxresults 100",
		"select count(*) from Payment", `select * from Customer where DisplayName = 'O\'Brien'`,
		"select Id, MetaData.CreateTime from Invoice where Balance >= 0 and DocNumber in ('a','b')",
		"select * from Item where Name like '%co%pay%' order by Name desc, Id", "select * from Account where Active = true",
		"select * from Invoice where MetaData.LastUpdatedTime >= '2026-01-01'", "select", "'", `'\`, "select * from Invoice where",
	} {
		f.Add(q)
	}
	at := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	s := New(sim.Options{Now: func() time.Time { return at }}, Config{})
	f.Fuzz(func(t *testing.T, q string) {
		st, err := parseQuery(q)
		if err != nil {
			return
		}
		require.True(t, st.start >= 1 && st.most >= 1 && st.most <= maxRows)
		out, fault := s.search(st)
		require.True(t, (out == nil) == (fault != nil) || fault != nil)
	})
}

func TestAmounts(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Amount{"25": 2500, "25.5": 2550, "25.00": 2500, "-0.01": -1, "0": 0, "25.000": 2500} {
		got, err := ParseAmount(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
	}
	for _, in := range []string{"", "1e2", "25.001", "x", "--1", "99999999999999", ".5", `"1"`} {
		_, err := ParseAmount(in)
		require.Error(t, err, in)
	}
	require.Equal(t, "-0.05", Amount(-5).String())
}
