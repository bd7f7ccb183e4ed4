package worker

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"

	"github.com/copayflow/copayflow/activities"
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
		})
	}
}

// meeting stops only when the others stop, too.
type meeting struct {
	sdkworker.Worker
	all *sync.WaitGroup
}

func (m meeting) Stop() {
	m.all.Done()
	m.all.Wait()
}

// Whoever stops a process gives it some seconds, not some for each queue.
func TestQueuesStopAtOnce(t *testing.T) {
	t.Parallel()
	w, all := &Worker{}, &sync.WaitGroup{}
	all.Add(3)
	for range 3 {
		w.all = append(w.all, meeting{all: all})
	}
	w.Stop()
}

// The SDK ends polling for good when the namespace has gone, and says so only here.
func TestAWorkerTellsWhyItDied(t *testing.T) {
	t.Parallel()
	c, err := client.NewLazyClient(client.Options{})
	require.NoError(t, err)
	w := New(c, &activities.Activities{}, &activities.Upkeep{}, Options{Throttled: map[string]float64{"copay-drchrono": 1}})
	require.Len(t, w.all, 2)
	for range 3 { // of every queue; nobody has to listen
		w.failed(serviceerror.NewNamespaceNotFound("copay"))
	}
	var gone *serviceerror.NamespaceNotFound
	require.ErrorAs(t, <-w.Dead(), &gone)
}
