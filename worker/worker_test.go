package worker

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	sdkworker "go.temporal.io/sdk/worker"
)

// queueWorker notes what happens to it.
type queueWorker struct {
	sdkworker.Worker
	name string
	fail error
	note *[]string
}

func (q queueWorker) Start() error {
	*q.note = append(*q.note, "start "+q.name)
	return q.fail
}

func (q queueWorker) Stop() { *q.note = append(*q.note, "stop "+q.name) }

// A worker that can serve only some of its queues serves none: it fails, and
// the process is started anew by whoever watches it.
func TestAWorkerStartsWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	cause := errors.New("no poller")
	for name, tc := range map[string]struct {
		failing int // index, or -1
		want    []string
	}{
		"all start":       {-1, []string{"start q0", "start q1", "start q2"}},
		"the first fails": {0, []string{"start q0"}},
		"the last fails":  {2, []string{"start q0", "start q1", "start q2", "stop q0", "stop q1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var note []string
			w := &Worker{}
			for i := range 3 {
				q := queueWorker{name: fmt.Sprintf("q%d", i), note: &note}
				if i == tc.failing {
					q.fail = cause
				}
				w.all = append(w.all, q)
			}
			err := w.Start()
			require.Equal(t, tc.want, note)
			if tc.failing >= 0 {
				require.ErrorIs(t, err, cause)
				require.ErrorContains(t, err, "the worker cannot start")
				return
			}
			require.NoError(t, err)
			note = nil
			w.Stop()
			require.Equal(t, []string{"stop q2", "stop q1", "stop q0"}, note, "the workflows' queue last: they still decide what comes of the calls")
		})
	}
}
