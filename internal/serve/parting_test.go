package serve

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/api"
)

func TestAProcessWorksOnAWhileAfterItWasToldToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told, tell := context.WithCancel(t.Context())
		p, heard := &parting{}, false
		serving, end := p.context(told, 10*time.Second, func() { heard = true })
		defer end()
		synctest.Wait()
		require.NoError(t, p.ready(told))
		require.False(t, heard)
		tell()
		synctest.Wait()
		require.ErrorIs(t, p.ready(told), api.ErrStopping)
		require.True(t, heard)
		time.Sleep(10*time.Second - 1)
		synctest.Wait()
		require.NoError(t, serving.Err())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.ErrorIs(t, serving.Err(), context.Canceled)
	})
}

func TestAPartThatFailedIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told, tell := context.WithCancel(t.Context())
		serving, end := (&parting{}).context(told, time.Hour, func() {})
		tell()
		synctest.Wait()
		end()
		synctest.Wait() // nothing is left that waits for the hour: the bubble would tell
		require.Error(t, serving.Err())
	})
}
