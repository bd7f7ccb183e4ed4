//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

var errInUse = errors.New("is in use by another PostgreSQL: stop that one first or choose another directory")

// startWithin bounds a start; recovery after a crash takes its time.
const startWithin = 60 * time.Second

// run starts the server process and waits until it accepts connections.
func (s *Server) run(ctx context.Context) error {
	if err := s.portFree(ctx); err != nil {
		return err
	}
	s.tail, s.done = &tail{}, make(chan struct{})
	// The server's life is ended by Stop, not by the end of the start's context.
	s.cmd = s.command(context.WithoutCancel(ctx), "postgres", s.arguments()...)
	both := &tee{log: s.opts.Log, tail: s.tail}
	s.cmd.Stdout, s.cmd.Stderr = both, both
	s.cmd.WaitDelay = 5 * time.Second // should a child of a killed server keep the log open
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("PostgreSQL could not be started: %w", err)
	}
	if err := s.startGuard(); err != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		return err
	}
	go func() {
		_ = s.cmd.Wait() // its output says why, its code does not
		s.dismissGuard()
		close(s.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if err := s.awaitReady(ctx); err != nil {
		return err
	}
	return nil
}

// portFree gives the clear answer before the server gives its own.
func (s *Server) portFree(ctx context.Context) error {
	if s.opts.Port == 0 {
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.opts.Port)))
	if err != nil {
		return s.portTaken()
	}
	return l.Close()
}

func (s *Server) portTaken() error {
	return fmt.Errorf("port %d on 127.0.0.1 is taken: stop the program that uses it, or choose another port for the database (postgres in temporal-dev.yaml)", s.opts.Port)
}

func (s *Server) awaitReady(ctx context.Context) error {
	dsn := s.DSN("postgres")
	for {
		conn, err := pgx.Connect(ctx, dsn)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.done:
			return s.diagnose()
		case <-ctx.Done():
			kill, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Millisecond)
			defer cancel()
			_ = s.Stop(kill)
			return fmt.Errorf("the database server did not become ready: %s", lastLine(s.tail.String(), ctx.Err()))
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// diagnose turns the last words of a server that ended into one sentence.
func (s *Server) diagnose() error {
	said := s.tail.String()
	switch {
	case strings.Contains(said, "postmaster.pid") && strings.Contains(said, "already exists"),
		strings.Contains(said, "pre-existing shared memory block"):
		return fmt.Errorf("the data directory %s %w", s.opts.Dir, errInUse)
	case strings.Contains(said, "Address already in use"), strings.Contains(said, "could not bind"):
		return s.portTaken()
	case strings.Contains(said, "ermission denied"):
		return fmt.Errorf("the data directory %s cannot be used: %s", s.opts.Dir, lastLine(said, nil))
	}
	return fmt.Errorf("PostgreSQL ended while it was starting: %s", lastLine(said, nil))
}

// guardScript waits for the end of its input, which is our end, then stops
// the server ($1) and, for an ephemeral one, removes its directory ($2).
const guardScript = `read -r _; kill -INT "$1" 2>/dev/null; if [ -n "$2" ]; then
n=0; while kill -0 "$1" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done; cd /; rm -rf -- "$2"; fi`

// startGuard keeps a killed parent from leaving its server behind.
func (s *Server) startGuard() error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("the database's guard could not be started: %w", err)
	}
	defer func() { _ = r.Close() }()
	remove := ""
	if s.opts.Ephemeral {
		remove = s.opts.Dir
	}
	s.guard = exec.Command("/bin/sh", "-c", guardScript, "sh", strconv.Itoa(s.cmd.Process.Pid), remove)
	s.guard.Dir, s.guard.Env, s.guard.Stdin = "/", []string{"PATH=/usr/bin:/bin"}, r
	s.guard.SysProcAttr = (*owner)(nil).attr() // as ourselves: it may have to remove what we made
	if err := s.guard.Start(); err != nil {
		_ = w.Close()
		return fmt.Errorf("the database's guard could not be started: %w", err)
	}
	s.lifeline = w
	return nil
}

// dismissGuard ends the guard before the server's process id can belong to
// somebody else.
func (s *Server) dismissGuard() {
	_ = s.guard.Process.Kill()
	_ = s.guard.Wait()
	_ = s.lifeline.Close()
}

// tail keeps the last of what the server said.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if n := len(t.buf) - tailSize; n > 0 {
		t.buf = append(t.buf[:0], t.buf[n:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

// tee never fails: a broken log must not end the server by a closed pipe.
type tee struct {
	log  interface{ Write([]byte) (int, error) }
	tail *tail
}

func (t *tee) Write(p []byte) (int, error) {
	_, _ = t.log.Write(p)
	return t.tail.Write(p)
}

// lastLine is the most telling line of a program's output.
func lastLine(out string, err error) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		l := strings.TrimSpace(lines[i])
		if strings.Contains(l, "FATAL") || strings.Contains(l, "error:") || strings.Contains(l, "PANIC") {
			return l
		}
	}
	if l := strings.TrimSpace(lines[len(lines)-1]); l != "" {
		return l
	}
	return fmt.Sprint(err)
}
