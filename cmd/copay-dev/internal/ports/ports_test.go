package ports

import (
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Servers bind late: two that were given the same port would meet there.
func TestBlocksThatAreHeldAreGivenToNobodyElse(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	given := map[int]bool{}
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			b, err := Reserve()
			if !assertNoError(t, err) {
				return
			}
			t.Cleanup(func() { _ = b.Release() })
			mu.Lock()
			defer mu.Unlock()
			for n := range Size {
				if given[b.Port(n)] {
					t.Errorf("port %d was given twice", b.Port(n))
				}
				given[b.Port(n)] = true
			}
		})
	}
	wg.Wait()
	require.Len(t, given, 40*Size)
}

func assertNoError(t *testing.T, err error) bool {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

func TestABlockInWhichSomebodyListensIsLeftAlone(t *testing.T) {
	t.Parallel()
	b, err := Reserve()
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Release()) }()
	require.True(t, b.free())
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(b.Port(Size-1))))
	require.NoError(t, err)
	require.False(t, b.free())
	require.NoError(t, l.Close())
	require.True(t, b.free())
}

func TestReleasedBlocksCanBeHadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := lock(dir, first)
	require.NoError(t, err)
	taken, err := lock(dir, first)
	require.NoError(t, err)
	require.Nil(t, taken)
	require.NoError(t, b.Release())
	require.NoError(t, b.Release(), "twice is as once")
	again, err := lock(dir, first)
	require.NoError(t, err)
	require.NotNil(t, again)
	require.NoError(t, again.Release())
	require.Panics(t, func() { again.Port(Size) })
}
