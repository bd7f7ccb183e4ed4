package drchrono

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
)

// A 429 does not say what was too much. The first one is taken for a burst
// while most of the hour is left; the next one, or a used-up hour, is the hour.
func TestWhatWasTooMuch(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 9, 10, 0, 0, time.UTC)
	h := &hourly{max: 10, now: func() time.Time { return now }}
	require.NoError(t, h.take("x"))
	require.Equal(t, 2*time.Second, h.throttled())
	now = now.Add(3 * time.Second)
	require.Equal(t, 49*time.Minute+57*time.Second, h.throttled(), "waiting did not help")
	now = now.Add(2 * time.Minute)
	require.Equal(t, 2*time.Second, h.throttled())
	for range 5 {
		require.NoError(t, h.take("x"))
	}
	now = now.Add(2 * time.Minute)
	require.Equal(t, 45*time.Minute+57*time.Second, h.throttled(), "more than half of our share is used")
	now = now.Add(time.Hour)
	require.NoError(t, h.take("x"))
	require.Equal(t, 2*time.Second, h.throttled(), "a new hour")
}

func TestTheHourEndsForAll(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 9, 59, 0, 0, time.UTC)
	h := &hourly{max: 2, now: func() time.Time { return now }}
	require.NoError(t, h.take("x"))
	require.NoError(t, h.take("x"))
	e := integrations.AsError(h.take("x"))
	require.Equal(t, integrations.KindRateLimited, e.Kind)
	require.Equal(t, time.Minute, e.RetryAfter)
	now = now.Add(time.Minute)
	require.NoError(t, h.take("x"), "the count starts anew at the top of the clock hour")
}
