package paypage

import (
	"math"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLanguages(t *testing.T) {
	t.Parallel()
	_, h := setup(t, nil)
	ask := func(path, accept string) string {
		r := httptest.NewRequest("GET", path, nil)
		if accept != "" {
			r.Header.Set("Accept-Language", accept)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return regexp.MustCompile(`<html lang="(..)">`).FindStringSubmatch(rec.Body.String())[1]
	}
	require.Equal(t, "es", ask("/pay/"+token, "fr, es-MX;q=0.8, en;q=0.5"))
	require.Equal(t, "en", ask("/pay/"+token, "en-US"))
	require.Equal(t, "es", ask("/pay/"+token, ""), "the language on record")
	require.Equal(t, "es", ask("/pay/"+token+"?lang=es", "en-US"), "chosen on the page")
	for kind := range languages["en"].Texts {
		require.NotEmpty(t, languages["es"].Texts[kind].Head, kind)
	}
	require.Len(t, languages["es"].Texts, len(languages["en"].Texts))
}

func TestThePageKeepsToItself(t *testing.T) {
	t.Parallel()
	_, h := setup(t, nil)
	rec := get(h, "/pay/"+token)
	csp := rec.Header().Get("Content-Security-Policy")
	require.Contains(t, csp, "default-src 'none'")
	require.Contains(t, csp, "frame-ancestors 'none'")
	require.Contains(t, csp, "form-action 'self' https:;", "browsers hold the redirect after a form to it, too")
	require.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
	require.Equal(t, "no-referrer", rec.Header().Get("Referrer-Policy"))
	body := rec.Body.String()
	require.NotRegexp(t, `(?i)(src|href)="(https?:)?//`, body, "no external assets")
	require.NotContains(t, body, "<script")
	require.NotContains(t, body, token)
	nonce := regexp.MustCompile(`nonce="(\w+)"`).FindStringSubmatch(body)[1]
	require.Contains(t, csp, "'nonce-"+nonce+"'")
	require.NotContains(t, get(h, "/pay/"+token).Body.String(), nonce, "a nonce serves once")
}

func TestAccessibleForm(t *testing.T) {
	t.Parallel()
	_, h := setup(t, nil)
	body := post(h, born("1", "2", "1990")).Body.String()
	for _, field := range []string{"month", "day", "year"} {
		require.Contains(t, body, `for="`+field+`"`)
		require.Contains(t, body, `id="`+field+`"`)
		require.Contains(t, body, `autocomplete="bday-`+field+`"`)
	}
	for _, want := range []string{`<html lang="en">`, "<title>Error: ", "<legend>", `aria-describedby="hint error"`, `aria-invalid="true"`, "<main>", `name="viewport"`} {
		require.Contains(t, body, want)
	}
	require.Equal(t, 1, strings.Count(body, "<h1>"))
}

// TestContrast checks the colours against WCAG 2.1, 1.4.3 (4.5:1).
func TestContrast(t *testing.T) {
	t.Parallel()
	sets := regexp.MustCompile(`--ink: (#\w{6}); --paper: (#\w{6}); --soft: (#\w{6}); --act: (#\w{6}); --on: (#\w{6}); --bad: (#\w{6})`).FindAllStringSubmatch(source, -1)
	require.Len(t, sets, 2, "light and dark")
	for _, s := range sets {
		ink, paper, soft, act, on, bad := s[1], s[2], s[3], s[4], s[5], s[6]
		for _, pair := range [][2]string{{ink, paper}, {soft, paper}, {act, paper}, {on, act}, {bad, paper}} {
			require.GreaterOrEqual(t, contrast(pair[0], pair[1]), 4.5, "%v", pair)
		}
	}
}

// contrast is the ratio of two colours (WCAG 2.1, relative luminance).
func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (math.Max(x, y) + 0.05) / (math.Min(x, y) + 0.05)
}

func luminance(hex string) float64 {
	channel := func(from int) float64 {
		n, _ := strconv.ParseUint(hex[from:from+2], 16, 8)
		c := float64(n) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(1) + 0.7152*channel(3) + 0.0722*channel(5)
}
