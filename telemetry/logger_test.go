package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// person is what must never be logged; this is what happens when it is.
type person struct {
	Ref       string
	FirstName string
	LastName  string
	BirthDate string
	Visits    int
}

// asked resolves to its value when it is logged.
type asked struct{ v any }

func (a asked) LogValue() slog.Value { return slog.AnyValue(a.v) }

// TestNothingOfAPersonIsLogged goes through all ways into a log line.
func TestNothingOfAPersonIsLogged(t *testing.T) {
	t.Parallel()
	ana := person{"pat-1", "Ana", "de la Cruz", "1980-02-03", 7}
	hidden := []string{"Ana", "Cruz", "1980-02-03", "3125550142", "312-555-0142", "ana@", "W123456", "hunter2"}
	for name, log := range map[string]func(l *slog.Logger){
		"message": func(l *slog.Logger) { l.Info("mail to ana@example.org, call 312-555-0142") },
		"text":    func(l *slog.Logger) { l.Info("x", "to", "ana@example.org") },
		"name": func(l *slog.Logger) {
			l.Info("x", "first_name", "Ana", "lastName", "Cruz", "Member-Id", "W123456", "memberID", "W123456")
		},
		"number under its name": func(l *slog.Logger) { l.Info("x", "phone", 3125550142) },
		"day under its name":    func(l *slog.Logger) { l.Info("x", "dateOfBirth", time.Date(1980, 2, 3, 0, 0, 0, 0, time.UTC)) },
		"struct":                func(l *slog.Logger) { l.Info("x", "patient", ana) },
		"pointer":               func(l *slog.Logger) { l.Info("x", "patient", &ana) },
		"list":                  func(l *slog.Logger) { l.Info("x", "patients", []person{ana, ana}) },
		"map": func(l *slog.Logger) {
			l.Info("x", "m", map[string]any{"email": "Ana", "phone": "3125550142", "first_name": "Ana"})
		},
		"patient of ours": func(l *slog.Logger) {
			l.Info("x", "p", integrations.Patient{FirstName: "Ana", LastName: "de la Cruz", Phone: "3125550142", Email: "ana@example.org"})
		},
		"bytes": func(l *slog.Logger) { l.Info("x", "raw", []byte("ana@example.org")) },
		"JSON": func(l *slog.Logger) {
			l.Info("x", "raw", json.RawMessage(`{"date_of_birth":"1980-02-03","mail":"ana@example.org"}`))
		},
		"error": func(l *slog.Logger) { l.Info("x", "err", fmt.Errorf("refused: %w", errors.New("ana@example.org"))) },
		"error of an address": func(l *slog.Logger) {
			l.Info("x", "err", &url.Error{Op: "Get", URL: "https://u:hunter2@x.example/", Err: errors.New("no")})
		},
		"value that resolves": func(l *slog.Logger) { l.Info("x", "v", asked{asked{ana}}) },
		"group": func(l *slog.Logger) {
			l.Info("x", slog.Group("g", slog.Group("h", "email", "Ana", "to", "ana@example.org")))
		},
		"group under a denied name": func(l *slog.Logger) { l.Info("x", slog.Group("address", "line", "Ana")) },
		"resolved to a group":       func(l *slog.Logger) { l.Info("x", "v", asked{slog.GroupValue(slog.String("email", "Ana"))}) },
		"attributes beforehand":     func(l *slog.Logger) { l.With("email", "Ana", "p", ana).Info("x") },
		"in an opened group":        func(l *slog.Logger) { l.WithGroup("g").With("last_name", "Cruz").Info("x", "to", "ana@example.org") },
		"credential": func(l *slog.Logger) {
			l.Info("x", "k", integrations.NewSecret("hunter2"), "in", struct{ K integrations.Secret }{integrations.NewSecret("hunter2")})
		},
		"text with a colon in a struct": func(l *slog.Logger) {
			l.Info("x", "m", struct{ Body string }{"Dear Ana: call us: Cruz"})
		},
		"text with a colon in a map": func(l *slog.Logger) {
			l.Info("x", "m", map[string]string{"address": "c/o Ana: W123456", "zip": "60601"})
		},
		"text with a colon in a list": func(l *slog.Logger) { l.Info("x", "m", []map[string]any{{"email": "n: Ana", "n": 1}}) },
		"names in JSON": func(l *slog.Logger) {
			l.Info("x", "m", json.RawMessage(`{"patient":{"first_name":"Ana","lastName":"Cruz"}}`))
		},
		"names in bytes":  func(l *slog.Logger) { l.Info("x", "m", []byte(`[{"member_id":"W123456"}]`)) },
		"behind pointers": func(l *slog.Logger) { l.Info("x", "m", struct{ P *person }{&ana}) },
		"a secret that cannot speak": func(l *slog.Logger) {
			l.Info("x", "m", struct{ k integrations.Secret }{integrations.NewSecret("hunter2")})
		},
		"in a group of a denied name": func(l *slog.Logger) { l.WithGroup("email").With("a", "Ana").WithGroup("g").Info("x", "b", "Cruz") },
		"text that looks like one":    func(l *slog.Logger) { l.Info("Authorization: Basic hunter2hunter2") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, format := range []string{"json", "text"} {
				var out bytes.Buffer
				l, err := NewLogger(&out, "debug", format)
				require.NoError(t, err)
				log(l)
				require.NotEmpty(t, out.String())
				for _, h := range hidden {
					require.NotContains(t, out.String(), h, format)
				}
			}
		})
	}
}

// loop contains itself.
type loop struct{ Next *loop }

func TestValuesWithinValues(t *testing.T) {
	t.Parallel()
	l := &loop{}
	l.Next = l
	require.Contains(t, anything(l), masked)
	require.Equal(t, "{Ref:pat-1 FirstName:[redacted] LastName:[redacted] BirthDate:[redacted] Visits:7}", anything(person{Ref: "pat-1", Visits: 7}))
	require.Equal(t, "map[a:[1 2] phone:[redacted]]", anything(map[string]any{"phone": 1, "a": []int{1, 2}}))
	require.Equal(t, "<nil>", anything((*person)(nil)))
	require.Equal(t, "{At:1s}", anything(struct{ At time.Duration }{time.Second}))
}

// A log that hides everything helps nobody.
func TestWhatHelpsIsLogged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l, err := NewLogger(&out, "info", "json")
	require.NoError(t, err)
	var none *url.URL
	l.Info("a co-pay", "practice_id", copay.PracticeID("maple"), "copay_id", "cp_0123456789abcdef", "n", 3, "took", time.Second, "at", time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC),
		"patient", person{Ref: "pat-1", Visits: 7}, "states", []copay.State{"paid", "settled"}, "err", errors.New("HTTP 502"), "nobody", none, "nothing", nil)
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	require.Equal(t, "maple", line["practice_id"])
	require.Equal(t, "cp_0123456789abcdef", line["copay_id"])
	require.InDelta(t, 3, line["n"], 0)
	require.Equal(t, "[paid settled]", line["states"])
	require.Equal(t, "HTTP 502", line["err"])
	require.Contains(t, line["patient"], "Ref:pat-1")
	require.Contains(t, line["patient"], "Visits:7")
	require.Contains(t, line["patient"], "LastName:"+masked)
	out.Reset()
	l.Debug("not this")
	require.Empty(t, out.String())
}

func TestBirthDatesAreMaskedHoweverTheyAreSaid(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"born 1980-02-03", "born on 1980-02-03", "DOB: 1980-02-03", "dob=1980-02-03", `"birthDate":"1980-02-03"`, `"birth_date": "1980-02-03"`, `"date_of_birth":"1980-02-03"`,
		`"date_of_birth": "1980-02-03"`, "birthday 1980-02-03", "DOB 02/03/1980", "born 2/3/80", "dob 19800203", "1980-02-03 (DOB)", "02/03/1980 birth"} {
		got := Mask(text)
		require.Contains(t, got, masked, text)
		require.NotRegexp(t, `1980|/80`, got, text)
	}
	for _, text := range []string{"visit of 2026-11-24", "seen 11/24/2026", "2026-11-24T15:00:00Z"} {
		require.Equal(t, text, Mask(text))
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"debug", "info", "warn", "error", "INFO"} {
		_, err := NewLogger(&bytes.Buffer{}, level, "json")
		require.NoError(t, err, level)
	}
	for _, level := range []string{"", "loud", "trace"} {
		_, err := NewLogger(&bytes.Buffer{}, level, "json")
		require.ErrorContains(t, err, "log_level")
	}
}

// Not parallel: it sets what the whole process measures with.
func TestThePageShowsWhatIsMeasured(t *testing.T) {
	page := func(tel *Telemetry) string {
		w := httptest.NewRecorder()
		tel.Metrics.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		require.Equal(t, 200, w.Code)
		return w.Body.String()
	}
	one, err := Setup(t.Context(), "one", "")
	require.NoError(t, err)
	two, err := Setup(t.Context(), "two", "127.0.0.1:1") // nobody collects there
	require.NoError(t, err)
	count, err := one.Meters.Meter("test").Int64Counter("copay_test", metric.WithDescription("A test"))
	require.NoError(t, err)
	count.Add(t.Context(), 3)
	one.Temporal.Counter("temporal_test").Inc(2)
	require.Contains(t, page(one), "copay_test_total 3")
	require.Contains(t, page(one), "temporal_test 2", "the SDK's figures are on the same page")
	require.NotContains(t, page(two), "copay_test_total", "each process has its own")
	require.NotNil(t, two.Tracing)
	require.NoError(t, one.Stop(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	require.NoError(t, two.Stop(ctx), "nothing was left to send")
}
