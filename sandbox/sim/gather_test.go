package sim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGatherSendsWhatCameTogetherAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got [][]int
		g := Gather[int]{Every: time.Second, Flush: func(b []int) { got = append(got, b) }}
		g.Add()
		g.Add(1)
		time.Sleep(900 * time.Millisecond)
		g.Add(2, 3)
		require.Empty(t, got)
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, [][]int{{1, 2, 3}}, got)
		g.Add(4)
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, [][]int{{1, 2, 3}, {4}}, got)
		g.Add(5)
		g.Now() // as when the platform ends
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, [][]int{{1, 2, 3}, {4}, {5}}, got)
	})
}

func TestGatherOfNoTimeWaitsForNothing(t *testing.T) {
	t.Parallel()
	var got [][]int
	g := Gather[int]{Flush: func(b []int) { got = append(got, b) }}
	g.Add(1)
	g.Add(2)
	require.Equal(t, [][]int{{1}, {2}}, got)
}
