package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/copayflow/copayflow/cmd/copay-dev/internal/ports"
	"github.com/copayflow/copayflow/cmd/copay-dev/internal/stack"
	"github.com/copayflow/copayflow/copay"
)

// balancer does what stands before several APIs: it asks them in turn, and the
// next one when one does not answer or is not available.
type balancer struct {
	mu     sync.Mutex
	behind []string
	turn   int
	failed []string // what the caller saw
}

func (b *balancer) set(behind ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.behind = behind
}

// order is the APIs as one request tries them, each once.
func (b *balancer) order() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn++
	first := b.turn % len(b.behind)
	return slices.Concat(b.behind[first:], b.behind[:first])
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller went away
	}
	said := ""
	for _, addr := range b.order() {
		out, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+addr+r.URL.RequestURI(), bytes.NewReader(body))
		if err != nil {
			said = err.Error()
			continue
		}
		out.Header = r.Header.Clone()
		res, err := http.DefaultClient.Do(out)
		if err != nil {
			said = err.Error()
			continue
		}
		answer, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode == http.StatusServiceUnavailable {
			said = fmt.Sprint(res.StatusCode, err)
			continue
		}
		if res.StatusCode >= http.StatusInternalServerError {
			b.note(r, fmt.Sprint(res.StatusCode))
		}
		w.WriteHeader(res.StatusCode)
		_, _ = w.Write(answer)
		return
	}
	b.note(r, said)
	w.WriteHeader(http.StatusBadGateway)
}

func (b *balancer) note(r *http.Request, said string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed = append(b.failed, r.Method+" "+r.URL.Path+": "+said)
}

// api starts an API in a process of its own and returns where it listens.
func (s scene) api(block *ports.Block, n int) (cmd *exec.Cmd, addr string) {
	s.t.Helper()
	raw, err := os.ReadFile(s.ConfigPath)
	require.NoError(s.t, err)
	cfg := map[string]any{}
	require.NoError(s.t, json.Unmarshal(raw, &cfg))
	at := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", block.Port(3*n+i)) }
	cfg["listen"] = map[string]any{"http": at(0), "grpc": at(1), "metrics": at(2)}
	raw, err = json.Marshal(cfg)
	require.NoError(s.t, err)
	path := filepath.Join(s.t.TempDir(), "copay.yaml")
	require.NoError(s.t, os.WriteFile(path, raw, 0o600))
	return s.process("api", path), at(0)
}

// answers waits until an API is ready.
func answers(ctx context.Context, addr string) error {
	for {
		res, err := http.Get("http://" + addr + "/readyz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("the API on %s does not get ready", addr)
		}
	}
}

// killAfter is what docs/operations.md asks to be given to a process.
const killAfter = 30 * time.Second

// ends tells a process to stop and expects that it does, in time.
func ends(cmd *exec.Cmd) error {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	late := time.AfterFunc(killAfter, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	return cmd.Wait()
}

// Two APIs and two workers are replaced one after the other while charges come
// in and patients pay. Nobody notices.
func TestRollingRestartUnderLoad(t *testing.T) {
	s := begin(t, func(o *stack.Options) { o.NoAPI, o.NoWorker, o.Fast = true, true, true })
	block, err := ports.Reserve()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, block.Release()) })
	front := &balancer{}
	web := &http.Server{Addr: s.Config.Listen.HTTP, Handler: front, ReadHeaderTimeout: time.Second}
	go func() { _ = web.ListenAndServe() }()
	t.Cleanup(func() { require.NoError(t, web.Close()) })

	var apis, workers [4]*exec.Cmd
	var at [4]string
	for i := range apis { // those of the old version, and those of the new, which wait to be let in
		apis[i], at[i] = s.api(block, i)
	}
	workers[0], workers[1] = s.worker(), s.worker()
	for _, addr := range at {
		require.NoError(t, answers(t.Context(), addr))
	}
	front.set(at[0], at[1])

	workers[2], workers[3] = s.worker(), s.worker()
	roll, ctx := errgroup.WithContext(t.Context())
	begun := make(chan struct{})
	roll.Go(func() error {
		select {
		case <-begun:
		case <-ctx.Done():
			return nil
		}
		for i := range 2 {
			front.set(at[i], at[i+1], at[i+2]) // the balancer hears of the new one before, of the old one after the stop
			if err := ends(apis[i]); err != nil {
				return fmt.Errorf("API %d: %w", i, err)
			}
			front.set(at[i+1], at[i+2])
			if err := ends(workers[i]); err != nil {
				return fmt.Errorf("worker %d: %w", i, err)
			}
		}
		return nil
	})
	var keys []copay.Key
	for i := range 12 {
		if i == 3 {
			close(begun)
		}
		keys = append(keys, s.charge("kim"))
		if i >= 2 {
			s.in(keys[i-2], copay.StateAwaitingPayment)
			s.paysAlone(keys[i-2])
		}
	}
	for _, key := range keys[10:] {
		s.in(key, copay.StateAwaitingPayment)
		s.paysAlone(key)
	}
	require.NoError(t, roll.Wait())
	for _, key := range keys {
		s.in(key, copay.StateSettled)
	}
	require.Empty(t, front.failed)
	s.invariants()
}
