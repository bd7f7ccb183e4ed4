// Package worker wires workflows and activities to task queues: what runs
// where, how much of it at once, and what every payload passes through.
package worker

import (
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/workflows"
)

// Options tune a worker; zero fields take the SDK's defaults.
type Options struct {
	MaxActivities    int
	MaxWorkflowTasks int
	// StickyCache is how many workflows stay in memory. Open co-pays beyond it
	// cost nothing but a replay when something happens to them.
	StickyCache int
	// Throttled are the queues of platforms with a rate limit, in calls per
	// second over the whole fleet; the server enforces it.
	Throttled    map[string]float64
	Interceptors []interceptor.WorkerInterceptor
	// Identity names this process in histories; no host secrets.
	Identity string
}

const stopTimeout = 20 * time.Second

// Worker runs co-pays.
type Worker struct {
	all  []sdkworker.Worker
	dead chan error
}

// New makes a worker of every queue. Nothing runs before Start.
func New(c client.Client, a *activities.Activities, u *activities.Upkeep, o Options) *Worker {
	if o.StickyCache > 0 {
		sdkworker.SetStickyWorkflowCacheSize(o.StickyCache)
	}
	base := sdkworker.Options{
		MaxConcurrentActivityExecutionSize:     o.MaxActivities,
		MaxConcurrentWorkflowTaskExecutionSize: o.MaxWorkflowTasks,
		Interceptors:                           o.Interceptors,
		Identity:                               o.Identity,
		// What is under way gets this long to end when the process is stopped;
		// an activity that does not make it is run again elsewhere.
		WorkerStopTimeout: stopTimeout,
	}
	w := &Worker{dead: make(chan error, 1)}
	base.OnFatalError = w.failed
	main := sdkworker.New(c, workflows.TaskQueue, base)
	Register(main)
	main.RegisterActivity(a)
	main.RegisterActivity(u)
	w.all = append(w.all, main)
	for queue, perSecond := range o.Throttled {
		o := base
		o.DisableWorkflowWorker = true
		o.TaskQueueActivitiesPerSecond = perSecond
		t := sdkworker.New(c, queue, o)
		t.RegisterActivity(a)
		t.RegisterActivity(u)
		w.all = append(w.all, t)
	}
	return w
}

// Registry is what workflows are registered with: a worker or a replayer.
type Registry interface {
	RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions)
}

// Register names the workflows once for workers and replay tests.
func Register(r Registry) {
	r.RegisterWorkflowWithOptions(workflows.CoPay, workflow.RegisterOptions{Name: workflows.CoPayType})
	r.RegisterWorkflowWithOptions(workflows.PollEvents, workflow.RegisterOptions{Name: workflows.PollEventsType})
	r.RegisterWorkflowWithOptions(workflows.ArchiveHistories, workflow.RegisterOptions{Name: workflows.ArchiveHistoriesType})
}

// Start begins polling.
func (w *Worker) Start() error {
	for i, x := range w.all {
		if err := x.Start(); err != nil {
			for _, y := range w.all[:i] {
				y.Stop()
			}
			return fmt.Errorf("the worker cannot start: %w", err)
		}
	}
	return nil
}

// failed notes why a queue is not polled any more. The first reason is enough.
func (w *Worker) failed(err error) {
	select {
	case w.dead <- fmt.Errorf("the worker cannot go on: %w", err):
	default:
	}
}

// Dead tells why a queue is not polled any more, such as that the namespace has
// gone. Nothing mends that but a new start.
func (w *Worker) Dead() <-chan error { return w.dead }

// Stop ends polling and waits for what is under way, on all queues at once, so
// that it takes no longer than one of them may.
func (w *Worker) Stop() {
	var all sync.WaitGroup
	for _, x := range w.all {
		all.Go(x.Stop)
	}
	all.Wait()
}
