//go:build unix

package pgserver

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBinariesMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	old := searched
	t.Cleanup(func() { searched = old })
	searched = nil
	_, err := findBinaries(t.Context(), "")
	require.ErrorContains(t, err, "apt install postgresql")

	// Programs of a server that is too old are as good as none.
	dir := t.TempDir()
	for _, name := range []string{"initdb", "postgres"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho 'postgres (PostgreSQL) 14.3'\n"), 0o755))
	}
	searched = []string{dir}
	_, err = findBinaries(t.Context(), "")
	require.ErrorIs(t, err, errMissing)
}

func TestBinariesOfTheDataDirectory(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	old := searched
	t.Cleanup(func() { searched = old })
	root := t.TempDir()
	for _, v := range []string{"14", "15", "16"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, v), 0o755))
		for _, name := range []string{"initdb", "postgres"} {
			require.NoError(t, os.WriteFile(filepath.Join(root, v, name), []byte("#!/bin/sh\necho 'postgres (PostgreSQL) "+v+".3'\n"), 0o755))
		}
	}
	searched = []string{filepath.Join(root, "*")}
	for version, want := range map[string]string{"": "16", "15": "15", "16": "16"} {
		dir, err := findBinaries(t.Context(), version)
		require.NoError(t, err)
		require.Equal(t, filepath.Join(root, want), dir)
	}
	_, err := findBinaries(t.Context(), "17")
	require.ErrorContains(t, err, "made by PostgreSQL 17, but that version is not installed here")
	_, err = findBinaries(t.Context(), "14")
	require.ErrorContains(t, err, "made by PostgreSQL 14, and 15 or newer is needed", "installed or not")
}

// Whoever is told which PostgreSQL to install is told the same.
func TestTheOldestVersionIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	oldest := strconv.Itoa(MinVersion)
	for file, want := range map[string]string{"deploy/setup.sh": "oldest=" + oldest + "\n", "docs/operations.md": "PostgreSQL " + oldest + "+", "README.md": "PostgreSQL (" + oldest + " or newer)"} {
		b, err := os.ReadFile(filepath.Join("..", "..", file))
		require.NoError(t, err)
		require.Contains(t, string(b), want, file)
	}
}
