package main

import (
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whoever tries it in the evening is told why no message comes.
func TestTheHoursUntilMorning(t *testing.T) {
	t.Parallel()
	loc, err := time.LoadLocation("America/Chicago")
	require.NoError(t, err)
	for hour, want := range map[int]int{0: 8, 5: 3, 7: 1, 8: 0, 12: 0, 20: 0, 21: 11, 23: 9} {
		now := time.Date(2026, 11, 28, hour, 30, 0, 0, loc)
		got := untilMorning(now.UTC(), "America/Chicago")
		require.Equal(t, want, got, "at %d:30", hour)
		require.Zero(t, untilMorning(now.Add(time.Duration(got)*time.Hour), "America/Chicago"))
	}
	require.Equal(t, "bin/copay-dev clock --data /elsewhere advance 3h", advance("/elsewhere", 3))
}

func TestTheClockSaysHowItIsMoved(t *testing.T) {
	t.Parallel()
	try := func(args ...string) error {
		cmd := root()
		cmd.SetArgs(append([]string{"clock", "advance"}, args...))
		cmd.SetOut(io.Discard)
		return cmd.ExecuteContext(t.Context())
	}
	require.EqualError(t, try(), "write: copay-dev clock advance 72h")
	require.ErrorContains(t, try("soon"), "not a duration such as 72h")
	require.ErrorContains(t, try("72h", "--data", filepath.Join(t.TempDir(), "none")), "--data")
	require.NoError(t, try("72h", "--data", t.TempDir()))
}
