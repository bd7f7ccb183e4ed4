package twiliosim

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzSegments counts the parts of arbitrary texts: one at least, never fewer
// for a longer text, and as few as the wider alphabet would need at most.
func FuzzSegments(f *testing.F) {
	f.Add("See and pay: https://pay.lakeside.example/pay/x {€} é", "ж")
	f.Add("🛑", "a")
	f.Fuzz(func(t *testing.T, text, more string) {
		if !utf8.ValidString(text) || !utf8.ValidString(more) {
			t.Skip("a form holds valid text")
		}
		n := segmentsOf(text)
		require.GreaterOrEqual(t, n, 1)
		require.GreaterOrEqual(t, segmentsOf(text+more), n)
		units := 0
		for _, r := range text {
			units += utf16Units(r)
		}
		require.LessOrEqual(t, n, max(1, (units+66)/67))
	})
}
