//go:build unix

package pgserver

import (
	"os"
	"path/filepath"
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
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho 'postgres (PostgreSQL) 12.3'\n"), 0o755))
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
	for _, v := range []string{"14", "16"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, v), 0o755))
		for _, name := range []string{"initdb", "postgres"} {
			require.NoError(t, os.WriteFile(filepath.Join(root, v, name), []byte("#!/bin/sh\necho 'postgres (PostgreSQL) "+v+".3'\n"), 0o755))
		}
	}
	searched = []string{filepath.Join(root, "*")}
	for version, want := range map[string]string{"": "16", "14": "14", "16": "16"} {
		dir, err := findBinaries(t.Context(), version)
		require.NoError(t, err)
		require.Equal(t, filepath.Join(root, want), dir)
	}
	_, err := findBinaries(t.Context(), "15")
	require.ErrorContains(t, err, "made by PostgreSQL 15")
}
