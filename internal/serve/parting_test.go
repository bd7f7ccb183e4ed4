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
		p := &parting{}
		serving, end := p.context(told, 10*time.Second)
		defer end()
		synctest.Wait()
		require.NoError(t, p.ready(told))
		tell()
		synctest.Wait()
		require.ErrorIs(t, p.ready(told), api.ErrStopping)
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
		serving, end := (&parting{}).context(told, time.Hour)
		tell()
		synctest.Wait()
		end()
		synctest.Wait() // nothing is left that waits for the hour: the bubble would tell
		require.Error(t, serving.Err())
	})
}
