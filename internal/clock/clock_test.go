package clock

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClocksOnOneFileMoveTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "clock")
	a, b := NewFile(path), NewFile(path)
	require.WithinDuration(t, time.Now(), a.Now(), time.Second)
	require.NoError(t, a.Advance(72*time.Hour))
	require.Eventually(t, func() bool { return time.Until(b.Now()) > 71*time.Hour }, 2*time.Second, 10*time.Millisecond)
	at := time.Date(2030, 1, 2, 10, 0, 0, 0, time.UTC)
	require.NoError(t, b.Set(at))
	require.WithinDuration(t, at, b.Now(), time.Second)
}

func TestABrokenFileKeepsTheLastOffset(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "clock")
	c := NewFile(path)
	require.NoError(t, c.Advance(time.Hour))
	require.NoError(t, os.WriteFile(path, []byte("nonsense"), 0o600))
	require.Greater(t, time.Until(c.Now()), 59*time.Minute)
}

func TestABrokenFileIsNamed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "clock")
	require.NoError(t, NewFile(path).Check(), "none means no offset")
	require.NoError(t, NewFile(path).Advance(time.Hour))
	require.NoError(t, NewFile(path).Check())
	require.NoError(t, os.WriteFile(path, []byte("abc"), 0o600))
	require.EqualError(t, NewFile(path).Check(), "the clock file "+path+" does not hold by how many nanoseconds it is ahead; delete it, and time is the machine's again")
}
