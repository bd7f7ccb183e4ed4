package integrations_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
)

// options is a platform's section as the platforms declare theirs.
type options struct {
	BaseURL string                `mapstructure:"base_url"`
	Key     integrations.Secret   `mapstructure:"key"`
	Keys    []integrations.Secret `mapstructure:"keys"`
	Limit   int                   `mapstructure:"limit"`
	Timeout time.Duration         `mapstructure:"timeout"`
	Payers  map[string]string     `mapstructure:"payers"`
	Demo    bool                  `mapstructure:"demo"`
}

func decode(o map[string]any) (options, error) {
	var into options
	err := integrations.Settings{Practice: "maple", Platform: "acme", Options: o}.Decode(&into)
	return into, err
}

func TestDecode(t *testing.T) {
	t.Parallel()
	got, err := decode(map[string]any{"base_url": "https://x.example", "key": "literal:a:b", "keys": []any{"literal:1", "literal:2"}, "limit": "8", "timeout": "1m30s",
		"payers": map[string]any{"60054": 100000001}, "demo": true})
	require.NoError(t, err)
	require.Equal(t, options{BaseURL: "https://x.example", Key: integrations.NewSecret("a:b"), Keys: []integrations.Secret{integrations.NewSecret("1"), integrations.NewSecret("2")},
		Limit: 8, Timeout: 90 * time.Second, Payers: map[string]string{"60054": "100000001"}, Demo: true}, got)
	none, err := decode(nil)
	require.NoError(t, err)
	require.Zero(t, none)
}

// A fault says whose option it is, and never what stands there.
func TestDecodeFaults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		o    map[string]any
		want string
	}{
		"a typo":            {map[string]any{"base_ulr": "https://x.example"}, "base_ulr"},
		"a pasted key":      {map[string]any{"key": hidden}, "by reference"},
		"one of several":    {map[string]any{"keys": []any{"literal:1", hidden}}, "by reference"},
		"a key not set":     {map[string]any{"key": "env:COPAY_TEST_NOT_SET"}, "COPAY_TEST_NOT_SET is not set"},
		"no duration":       {map[string]any{"timeout": "soon"}, "timeout"},
		"no number":         {map[string]any{"limit": "many"}, "limit"},
		"a key of no text":  {map[string]any{"key": 12345678}, "key"},
		"a table as a text": {map[string]any{"base_url": map[string]any{"a": "b"}}, "base_url"},
	} {
		_, err := decode(tc.o)
		require.ErrorContains(t, err, tc.want, name)
		require.ErrorContains(t, err, "acme of practice maple", name)
		require.NotContains(t, err.Error(), hidden, name)
		require.NotContains(t, err.Error(), "12345678", name)
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	moved := time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)
	require.Equal(t, moved, integrations.Settings{Now: func() time.Time { return moved }}.Clock()())
	require.WithinDuration(t, time.Now(), integrations.Settings{}.Clock()(), time.Minute)
}
