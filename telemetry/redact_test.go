package telemetry

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
)

func TestMask(t *testing.T) {
	t.Parallel()
	for text, hidden := range map[string]string{
		"mail to ana.sample@example.org failed":           "ana.sample@example.org",
		"call +13125550142 now":                           "+13125550142",
		"call (312) 555-0142 now":                         "555-0142",
		"ssn 123-45-6789":                                 "123-45-6789",
		"card 4242 4242 4242 4242":                        "4242 4242",
		"Authorization: Bearer abcdefghijklmnop":          "abcdefghijklmnop",
		"key sk_test_abcdef123456":                        "abcdef123456",
		"SG.abcdefgh.ijklmnop1":                           "ijklmnop1",
		"born 1980-02-03":                                 "1980-02-03",
		"postgres://copay:hunter2@db/copay":               "hunter2",
		"https://pay.example/pay/AbCdEfGhIjKlMnOpQrSt":    "AbCdEfGhIjKlMnOp",
		"jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF": "eyJzdWIiOiIxIn0",
	} {
		require.NotContains(t, Mask(text), hidden, text)
	}
	for _, plain := range []string{"co-pay cp_0123456789abcdef is settled", "visit of 2026-11-24", "HTTP 502 from stripe after 1.2s", "version 7, 25.00 USD"} {
		require.Equal(t, plain, Mask(plain))
	}
}

func TestLoggerMasksEverywhere(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := NewLogger(&out, "debug", "json")
	require.NoError(t, err)
	log.With("email", "ana@example.org").WithGroup("g").Info("to ana@example.org",
		"err", errors.New("ana@example.org refused"), "phone", "anything", slog.Group("in", "member_id", "W123", "to", "ana@example.org"),
		"any", struct{ To string }{"ana@example.org"}, "secret", integrations.NewSecret("hunter2"), "key", integrations.NewSecret("hunter2"))
	require.NotContains(t, out.String(), "ana@")
	require.NotContains(t, out.String(), "W123")
	require.NotContains(t, out.String(), "hunter2")
	require.Contains(t, out.String(), masked)
	_, err = NewLogger(&out, "loud", "json")
	require.Error(t, err)
}

func TestMetricsPage(t *testing.T) {
	tel, err := Setup(t.Context(), "test", "")
	require.NoError(t, err)
	t.Cleanup(func() { _ = tel.Stop(t.Context()) })
	require.NotNil(t, tel.Metrics)
	require.Nil(t, tel.Tracing, "nothing is traced without a collector")
}

func FuzzMask(f *testing.F) {
	f.Add("ana@example.org 4242424242424242")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(Mask("x "+s+" ana@example.org y"), "ana@example.org") {
			t.Fatal("an address came through")
		}
	})
}
