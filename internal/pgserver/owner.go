//go:build unix

package pgserver

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// owner is the account that the server runs as; nil is our own. PostgreSQL
// refuses to run as root, so root steps down.
type owner struct {
	name     string
	uid, gid uint32
}

func serverOwner() (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil && uid != 0 {
			return &owner{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("PostgreSQL does not run as root and there is no user postgres or nobody to run it as: start as an ordinary user")
}

// attr detaches a child from our terminal's signals, so that Ctrl-C reaches
// the server only through Stop, and sets its user.
func (o *owner) attr() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	if o != nil {
		a.Credential = &syscall.Credential{Uid: o.uid, Gid: o.gid}
	}
	return a
}

// mkdir makes a directory that only the owner enters.
func (o *owner) mkdir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return unusable(path, err)
	}
	return o.own(path)
}

func (o *owner) own(path string) error {
	if o == nil {
		return nil
	}
	if err := os.Chown(path, int(o.uid), int(o.gid)); err != nil {
		return unusable(path, err)
	}
	return nil
}

// reach checks that the owner can get to a directory at all: root's own home
// is closed to everybody else.
func (o *owner) reach(path string) error {
	if o == nil {
		return nil
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		fi, err := os.Stat(dir)
		if err != nil {
			return unusable(path, err)
		}
		st, ok := fi.Sys().(*syscall.Stat_t)
		open := fi.Mode()&0o001 != 0 || (ok && st.Uid == o.uid && fi.Mode()&0o100 != 0) || (ok && st.Gid == o.gid && fi.Mode()&0o010 != 0)
		if !open {
			return fmt.Errorf("the data directory %s cannot be used: PostgreSQL runs as user %s, who may not enter %s; choose another directory", path, o.name, dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func unusable(path string, err error) error {
	return fmt.Errorf("the data directory %s cannot be used: %w", path, err)
}
