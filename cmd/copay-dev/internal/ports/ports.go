// Package ports gives out free ports to servers that bind them later than
// they are chosen, as the embedded Temporal server does. Stacks that start at
// the same moment, in one process or in several, never get the same one.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// The range lies below the ports that systems give to outgoing connections
// (32768 and up), which could take one between the choice and the bind.
const (
	first  = 20000
	last   = 32000
	blocks = (last - first) / Size
)

// Size is how many ports a block has.
const Size = 16

// Block is a run of ports that nobody else is given before Release.
type Block struct {
	first int
	lock  *os.File
}

// Port is the nth of the block, from 0.
func (b *Block) Port(n int) int {
	if n < 0 || n >= Size {
		panic("ports: a block has no port " + strconv.Itoa(n))
	}
	return b.first + n
}

// Release gives the block back; the system does it for a process that dies.
func (b *Block) Release() error {
	if b == nil || b.lock == nil {
		return nil
	}
	f := b.lock
	b.lock = nil
	return f.Close()
}

// Reserve finds a block on which nobody listens and that nobody else holds.
func Reserve() (*Block, error) {
	dir := filepath.Join(os.TempDir(), "copayflow-ports-"+strconv.Itoa(os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("ports cannot be reserved: %w", err)
	}
	for _, i := range rand.Perm(blocks) {
		b, err := lock(dir, first+i*Size)
		if err != nil {
			return nil, err
		}
		if b == nil {
			continue
		}
		if b.free() {
			return b, nil
		}
		if err := b.Release(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no %d free ports in a row between %d and %d: stop programs that hold them", Size, first, last)
}

// lock takes the block's lock file; nil when somebody else has it.
func lock(dir string, port int) (*Block, error) {
	f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ports cannot be reserved: %w", err)
	}
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case err == nil:
		return &Block{first: port, lock: f}, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, f.Close()
	default:
		return nil, errors.Join(fmt.Errorf("ports cannot be reserved: %w", err), f.Close())
	}
}

func (b *Block) free() bool {
	for n := range Size {
		if !Free(b.Port(n)) {
			return false
		}
	}
	return true
}

// Free reports whether nobody listens on a port of this machine's loopback. It
// knocks instead of listening there itself: a listener that was closed lives on
// for a moment in a process that is just being forked, as PostgreSQL's is while
// Temporal starts, and the port would seem taken to the server it is meant for.
func Free(port int) bool {
	c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
	if err == nil {
		_ = c.Close()
		return false
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
