// Package clock gives business time. Production reads the system's clock; the
// development stack has one that can be moved, shared by all its processes
// through a small file.
package clock

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// System is the machine's clock.
func System() time.Time { return time.Now() }

// File is a clock that is ahead of the system's by an offset kept in a file.
type File struct {
	path string

	mu      sync.Mutex
	offset  time.Duration
	checked time.Time
}

// fresh is how long an offset is used before the file is looked at again:
// everything asks for the time, so that reading it each time would cost.
const fresh = 20 * time.Millisecond

// NewFile makes a clock on a file; a file that is missing means no offset.
func NewFile(path string) *File { return &File{path: path} }

// Now is the moved time.
func (f *File) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.checked) > fresh {
		f.checked = time.Now()
		if off, err := f.read(); err == nil {
			f.offset = off
		}
	}
	return time.Now().Add(f.offset)
}

func (f *File) read() (time.Duration, error) {
	b, err := os.ReadFile(f.path)
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the clock file %s does not hold by how many nanoseconds it is ahead; delete it, and time is the machine's again", f.path)
	}
	return time.Duration(n), nil
}

// Check reports whether the file can be read. Later on a clock whose file cannot
// be read keeps the time that it has.
func (f *File) Check() error {
	_, err := f.read()
	return err
}

// Advance moves the clock on by d for every process that shares the file.
func (f *File) Advance(d time.Duration) error { return f.Set(f.Now().Add(d)) }

// Set moves the clock to t. When it returns, every process sees it.
func (f *File) Set(t time.Time) error {
	if err := f.write(time.Until(t)); err != nil {
		return err
	}
	time.Sleep(fresh)
	return nil
}

func (f *File) write(off time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	tmp := f.path + ".new"
	if err := os.WriteFile(tmp, []byte(strconv.FormatInt(int64(off), 10)), 0o600); err != nil {
		return err
	}
	if err := os.Rename(tmp, f.path); err != nil {
		return err
	}
	f.offset, f.checked = off, time.Now()
	return nil
}
