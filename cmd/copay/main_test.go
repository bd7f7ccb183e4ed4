package main

import (
	"os"
	"testing"
)

// TestMain forgets what the developer exported for the stack they try, as the
// README says: the commands under test would take it for theirs.
func TestMain(m *testing.M) {
	for _, name := range []string{"COPAY_CONFIG", "COPAY_ADDRESS", "COPAY_PRACTICE", "COPAY_TOKEN", "COPAY_API_KEY"} {
		_ = os.Unsetenv(name) // it fails for malformed names only
	}
	os.Exit(m.Run())
}
