package drchronosim

import (
	"strings"
	"testing"
)

// What cents reads, dollars writes, and nothing else is an amount.
func FuzzCents(f *testing.F) {
	for _, s := range []string{"25.00", "0", "-0.01", "1.5", "--5", "1.+5", "+5", ".5", "1.005", "-", "", "92233720368547758.07", "92233720368547758.08", "1e2", "１"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := cents(s)
		digits := strings.Trim(strings.Replace(strings.TrimPrefix(s, "-"), ".", "", 1), "0123456789") == ""
		if err != nil {
			return
		}
		if !digits {
			t.Fatalf("%q was read as %d", s, n)
		}
		if neg := strings.HasPrefix(s, "-"); n != 0 && neg != (n < 0) {
			t.Fatalf("%q was read as %d", s, n)
		}
		if again, err := cents(dollars(n).String()); err != nil || again != n {
			t.Fatalf("%q: %d was written as %s and read as %d, %v", s, n, dollars(n), again, err)
		}
	})
}

func TestCents(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{"25.00": 2500, "25": 2500, "25.5": 2550, "-0.01": -1, "-25.05": -2505, "0.00": 0, "-0": 0, "007": 700, "92233720368547758.07": 9223372036854775807} {
		if got, err := cents(s); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "-", ".5", "1.005", "--5", "1e2", "+5", "1.+5", "1,5", " 1", "92233720368547758.08", "x"} {
		if got, err := cents(s); err == nil {
			t.Errorf("%q was read as %d", s, got)
		}
	}
}
