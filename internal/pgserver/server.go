//go:build unix

package pgserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// superuser is the name of the server's only account.
const superuser = "copay"

// socketPort names the socket file when no TCP port is open.
const socketPort = 5432

// Options says where and how the server runs.
type Options struct {
	// Dir holds everything: data, socket, password. It is made when missing
	// and used again when it holds data.
	Dir string
	// Port is opened on 127.0.0.1; 0 opens the unix socket only.
	Port int
	// Durable waits for the disk at each commit. Tests do without.
	Durable bool
	// Ephemeral removes Dir when the server stops, or when the process that
	// started it dies.
	Ephemeral bool
	// Settings are further server settings, such as {"max_connections": "200"}.
	Settings map[string]string
	// Log receives the server's own log; nil drops it.
	Log io.Writer
}

// Server is a running PostgreSQL.
type Server struct {
	opts     Options
	bin      string
	owner    *owner
	socket   string // directory
	password string

	cmd      *exec.Cmd
	tail     *tail
	guard    *exec.Cmd
	lifeline *os.File // its closing tells the guard that we are gone
	done     chan struct{}
	stop     sync.Once
	stopErr  error
}

// Start runs a server on o.Dir and returns once it accepts connections.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	// A server whose parent was killed a moment ago is still shutting down.
	for deadline := time.Now().Add(5 * time.Second); ; {
		err = s.run(ctx)
		if !errors.Is(err, errInUse) || time.Now().After(deadline) {
			break
		}
		if e := pause(ctx, 200*time.Millisecond); e != nil {
			break
		}
	}
	if err != nil {
		s.removeSocket()
		return nil, err
	}
	return s, nil
}

func prepare(ctx context.Context, o Options) (*Server, error) {
	if o.Dir == "" {
		return nil, errors.New("the database server needs a data directory")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, unusable(o.Dir, err)
	}
	o.Dir = dir
	if o.Log == nil {
		o.Log = io.Discard
	}
	s := &Server{opts: o}
	if s.owner, err = serverOwner(); err != nil {
		return nil, err
	}
	if s.bin, err = findBinaries(ctx, dataVersion(s.data())); err != nil {
		return nil, err
	}
	if err := s.owner.mkdir(dir); err != nil {
		return nil, err
	}
	if err := s.owner.reach(dir); err != nil {
		return nil, err
	}
	if err := s.secret(); err != nil {
		return nil, err
	}
	if dataVersion(s.data()) == "" {
		if err := s.initdb(ctx); err != nil {
			return nil, err
		}
	}
	return s, s.makeSocket()
}

func (s *Server) data() string         { return filepath.Join(s.opts.Dir, "data") }
func (s *Server) passwordFile() string { return filepath.Join(s.opts.Dir, "password") }

// secret reads the password of an existing server or makes one.
func (s *Server) secret() error {
	b, err := os.ReadFile(s.passwordFile())
	if err == nil && len(b) > 0 {
		s.password = strings.TrimSpace(string(b))
		return nil
	}
	if dataVersion(s.data()) != "" {
		return fmt.Errorf("the data directory %s cannot be used: its password file is missing", s.opts.Dir)
	}
	s.password = rand.Text()
	if err := os.WriteFile(s.passwordFile(), []byte(s.password), 0o600); err != nil {
		return unusable(s.opts.Dir, err)
	}
	return s.owner.own(s.passwordFile())
}

func (s *Server) initdb(ctx context.Context) error {
	if entries, err := os.ReadDir(s.data()); err == nil && len(entries) > 0 {
		return fmt.Errorf("the data directory %s cannot be used: it holds files that are not PostgreSQL's", s.data())
	}
	args := []string{"-D", s.data(), "-U", superuser, "--pwfile", s.passwordFile(), "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C", "--no-instructions"}
	if !s.opts.Durable {
		args = append(args, "--no-sync")
	}
	out, err := s.command(ctx, "initdb", args...).CombinedOutput()
	_, _ = s.opts.Log.Write(out) // a full log disk must not stop the server
	if err != nil {
		return fmt.Errorf("the data directory %s cannot be used: initdb failed: %s", s.data(), lastLine(string(out), err))
	}
	return nil
}

// maxSocketPath keeps clear of the 104 bytes that a socket's path may have.
const maxSocketPath = 80

func (s *Server) makeSocket() error {
	s.socket = filepath.Join(s.opts.Dir, "run")
	if len(s.socket) <= maxSocketPath {
		return s.owner.mkdir(s.socket)
	}
	dir, err := os.MkdirTemp("", "copay-pg-")
	if err != nil {
		return fmt.Errorf("there is no place for the database's socket: %w", err)
	}
	s.socket = dir
	return s.owner.own(dir)
}

// removeSocket clears a socket directory outside of Dir.
func (s *Server) removeSocket() {
	if s.socket != "" && !strings.HasPrefix(s.socket, s.opts.Dir+string(filepath.Separator)) {
		_ = os.RemoveAll(s.socket) // a leftover empty directory harms nobody
	}
}

func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	cmd.Dir = s.opts.Dir
	cmd.Env = []string{"PATH=" + s.bin + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=" + s.opts.Dir}
	cmd.SysProcAttr = s.owner.attr()
	return cmd
}

func (s *Server) arguments() []string {
	port, listen := socketPort, ""
	if s.opts.Port > 0 {
		port, listen = s.opts.Port, "127.0.0.1"
	}
	set := map[string]string{
		"listen_addresses": listen, "port": strconv.Itoa(port), "unix_socket_directories": s.socket,
		"max_connections": "200", "shared_buffers": "64MB", "timezone": "UTC", "log_timezone": "UTC",
		// Statements carry no values in the log: parameters may be PHI.
		"log_parameter_max_length": "0", "log_parameter_max_length_on_error": "0",
	}
	if !s.opts.Durable {
		set["fsync"], set["synchronous_commit"], set["full_page_writes"] = "off", "off", "off"
		set["autovacuum"] = "off"
	}
	for k, v := range s.opts.Settings {
		set[k] = v
	}
	args := []string{"-D", s.data()}
	for k, v := range set {
		args = append(args, "-c", k+"="+v)
	}
	return args
}

// DSN is the connection string of one of the server's databases.
func (s *Server) DSN(db string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, s.password), Path: "/" + db}
	q := url.Values{"sslmode": {"disable"}}
	if s.opts.Port > 0 {
		u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.opts.Port))
	} else {
		q.Set("host", s.socket)
		q.Set("port", strconv.Itoa(socketPort))
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// CreateDatabase makes a database when there is none of that name.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		return fmt.Errorf("the database server does not answer: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var there bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name).Scan(&there); err != nil || there {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	return err
}

// Done is closed when the server has gone, by Stop or by itself.
func (s *Server) Done() <-chan struct{} { return s.done }

// Options are what the server was started with.
func (s *Server) Options() Options { return s.opts }

// Crash ends the server as if it had crashed: what it was at is lost, what it
// has confirmed is there after the recovery at the next start.
func (s *Server) Crash() {
	_ = s.cmd.Process.Signal(syscall.SIGQUIT) // gone already is fine
	<-s.done
}

// Stop ends the server: open transactions are rolled back, data is written.
// When ctx ends first the server is killed, which loses nothing either, but
// makes the next start recover. Calling it again returns the first result.
func (s *Server) Stop(ctx context.Context) error {
	s.stop.Do(func() { s.stopErr = s.shutdown(ctx) })
	return s.stopErr
}

func (s *Server) shutdown(ctx context.Context) error {
	_ = s.cmd.Process.Signal(syscall.SIGINT) // fast shutdown; gone already is fine
	var err error
	select {
	case <-s.done:
	case <-ctx.Done():
		err = fmt.Errorf("the database server did not stop in time and was killed: %w", ctx.Err())
		_ = s.cmd.Process.Signal(syscall.SIGQUIT)
		select {
		case <-s.done:
		case <-time.After(5 * time.Second):
			_ = s.cmd.Process.Kill()
			<-s.done
		}
	}
	s.removeSocket()
	if s.opts.Ephemeral {
		if e := os.RemoveAll(s.opts.Dir); e != nil && err == nil {
			err = fmt.Errorf("the database's directory could not be removed: %w", e)
		}
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
