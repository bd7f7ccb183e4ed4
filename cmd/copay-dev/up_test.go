package main

import (
	"bytes"
	"io"
	"os"
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
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "clock"), []byte("abc"), 0o600))
	require.ErrorContains(t, try("72h", "--data", dir), "delete it, and time is the machine's again")
}

// Whoever moves the clock of a stack that does not run must not wait for what
// would follow.
func TestTheClockSaysWhetherAnythingFollows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	try := func() string {
		var said bytes.Buffer
		cmd := root()
		cmd.SetArgs([]string{"clock", "advance", "1h", "--data", dir})
		cmd.SetOut(&said)
		require.NoError(t, cmd.ExecuteContext(t.Context()))
		return said.String()
	}
	require.Contains(t, try(), "no stack runs in "+dir)
	held, err := hold(dir)
	require.NoError(t, err)
	require.Regexp(t, `^it is now [^\n]+\n$`, try())
	_, err = hold(dir)
	require.EqualError(t, err, "a stack runs in "+dir+" already; stop it, or name another folder with --data")
	require.NoError(t, held.Close())
	require.Contains(t, try(), "which holds from the next start")
}
