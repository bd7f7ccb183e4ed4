//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MinVersion is the oldest PostgreSQL that the product is tested on;
// deploy/setup.sh and docs/operations.md name the same.
const MinVersion = 15

var errMissing = fmt.Errorf("PostgreSQL %d or newer was not found: install its server (Debian and Ubuntu: apt install postgresql; "+
	"macOS: brew install postgresql) or put the directory of initdb and postgres on PATH", MinVersion)

// searched are the places where packages put the server's programs.
var searched = []string{
	"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/lib64/pgsql/bin", "/usr/libexec/postgresql*",
	"/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin", "/usr/local/pgsql/bin",
}

// findBinaries returns the directory of the server's programs: those that made
// the data directory when there is one (version "15"), otherwise the newest.
func findBinaries(ctx context.Context, version string) (string, error) {
	found := map[int]string{}
	for _, dir := range binaryDirs() {
		if v := majorVersion(ctx, dir); v >= MinVersion && found[v] == "" {
			found[v] = dir
		}
	}
	if len(found) == 0 {
		return "", errMissing
	}
	newest := 0
	for v := range found {
		newest = max(newest, v)
	}
	if version == "" {
		return found[newest], nil
	}
	v, err := strconv.Atoi(version)
	switch {
	case err == nil && found[v] != "":
		return found[v], nil
	case err == nil && v < MinVersion:
		return "", fmt.Errorf("the data directory was made by PostgreSQL %d, and %d or newer is needed: "+
			"move the directory away to start with an empty one", v, MinVersion)
	}
	return "", errors.New("the data directory was made by PostgreSQL " + version + ", but that version is not installed here: " +
		"install it, or move the directory away to start with an empty one")
}

// binaryDirs lists directories that hold both programs, PATH first.
func binaryDirs() []string {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	for _, pattern := range searched {
		more, _ := filepath.Glob(pattern) // the patterns are constant and well formed
		dirs = append(dirs, more...)
	}
	return slices.DeleteFunc(dirs, func(d string) bool { return !runnable(d, "initdb") || !runnable(d, "postgres") })
}

func runnable(dir, name string) bool {
	fi, err := os.Stat(filepath.Join(dir, name))
	return err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

func majorVersion(ctx context.Context, dir string) int {
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	m := versionPattern.FindStringSubmatch(string(out))
	if err != nil || m == nil {
		return 0
	}
	v, _ := strconv.Atoi(m[1]) // digits by the pattern
	return v
}

// dataVersion is the version that made a data directory, "" when there is none.
func dataVersion(data string) string {
	b, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
