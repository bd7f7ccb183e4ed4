package codecserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/copayflow/copayflow/api/auth"
	"github.com/copayflow/copayflow/codec"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

const ui = "http://127.0.0.1:8233"

var secret = integrations.NewSecret("0123456789abcdef0123456789abcdef")

type log struct {
	rows []ledger.AuditEntry
	fail error
}

func (l *log) AppendAudit(_ context.Context, e ledger.AuditEntry) error {
	if l.fail == nil {
		l.rows = append(l.rows, e)
	}
	return l.fail
}

type bench struct {
	h   http.Handler
	log *log
	c   *codec.Codec
	now *time.Time
}

func setup(t *testing.T) bench {
	t.Helper()
	c, err := codec.New([]codec.Key{{ID: "k1", Bytes: bytes.Repeat([]byte{7}, 32)}})
	require.NoError(t, err)
	a, err := auth.New(auth.Options{DevSecret: secret, Env: "dev"})
	require.NoError(t, err)
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	b := bench{log: &log{}, c: c, now: &now}
	b.h, err = New(Options{Codec: c, Auth: a, Audit: b.log, Practices: []copay.PracticeID{"maple", "oak"}, Origins: []string{ui}, Insecure: true,
		Now: func() time.Time { return *b.now }})
	require.NoError(t, err)
	return b
}

func token(t *testing.T, role string, practices ...string) string {
	t.Helper()
	return tokenOf(t, "ana", role, practices...)
}

func tokenOf(t *testing.T, user, role string, practices ...string) string {
	t.Helper()
	tok, err := auth.MintDev(secret, user, []string{role}, practices, time.Now(), time.Hour)
	require.NoError(t, err)
	return tok
}

func (b bench) sealed(t *testing.T) string {
	t.Helper()
	out, err := b.c.Encode([]*commonpb.Payload{{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`"hidden words"`)}})
	require.NoError(t, err)
	j, err := protojson.Marshal(&commonpb.Payloads{Payloads: out})
	require.NoError(t, err)
	return string(j)
}

func (b bench) ask(t *testing.T, path, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Origin", ui)
	r.Header.Set("X-Namespace", "copay")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	return w
}

func as(tok string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+tok) }
}

func TestDecodeForAnAuditorIsAudited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.ask(t, "/codec/decode", b.sealed(t), as(token(t, "auditor", "*")))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	var out commonpb.Payloads
	require.NoError(t, protojson.Unmarshal(w.Body.Bytes(), &out))
	require.Equal(t, `"hidden words"`, string(out.Payloads[0].Data))
	require.Equal(t, ui, w.Header().Get("Access-Control-Allow-Origin"))
	require.Equal(t, "true", w.Header().Get("Access-Control-Allow-Credentials"))
	require.Len(t, b.log.rows, 2, "in the chain of each practice")
	require.Equal(t, "payloads.decode", b.log.rows[0].Action)
	require.Equal(t, "ana", b.log.rows[0].Actor.ID)
	require.Equal(t, map[string]string{"namespace": "copay", "until": "2026-11-24T12:01:00Z"}, b.log.rows[0].Detail)
}

// The UI asks for each event of a page by itself; the audit log says who read
// from when to when.
func TestOneRowForAMinuteOfReading(t *testing.T) {
	t.Parallel()
	b := setup(t)
	read := func(user, workflow string) int {
		w := b.ask(t, "/codec/decode", b.sealed(t), func(r *http.Request) {
			as(tokenOf(t, user, "auditor", "*"))(r)
			r.Header.Set("X-Workflow-Id", workflow)
		})
		require.Equal(t, http.StatusOK, w.Code)
		return len(b.log.rows) / 2 // two practices
	}
	require.Equal(t, 1, read("ana", "w1"))
	require.Equal(t, 1, read("ana", "w1"))
	require.Equal(t, 2, read("ana", "w2"))
	require.Equal(t, 3, read("leo", "w1"))
	*b.now = b.now.Add(time.Minute)
	require.Equal(t, 4, read("ana", "w1"))
}

func TestARowThatFailedStandsForNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.log.fail = errors.New("down")
	auditor := as(token(t, "auditor", "*"))
	require.Equal(t, http.StatusServiceUnavailable, b.ask(t, "/codec/decode", b.sealed(t), auditor).Code)
	require.Equal(t, http.StatusServiceUnavailable, b.ask(t, "/codec/decode", b.sealed(t), auditor).Code)
}

func TestWhoMayNot(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"nobody":            {nil, 401},
		"a bad token":       {as("x"), 401},
		"an empty token":    {func(r *http.Request) { r.Header.Set("Authorization", "Bearer") }, 401},
		"a biller":          {as(token(t, "biller", "*")), 403},
		"one practice only": {as(token(t, "auditor", "maple")), 403},
		"from another page": {func(r *http.Request) { as(token(t, "auditor", "*"))(r); r.Header.Set("Origin", "https://evil.example") }, 403},
		"a cookie from there": {func(r *http.Request) {
			r.Header.Del("Origin")
			r.AddCookie(&http.Cookie{Name: cookie, Value: token(t, "auditor", "*")})
		}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			w := b.ask(t, "/codec/decode", b.sealed(t), tc.change)
			require.Equal(t, tc.want, w.Code)
			require.NotContains(t, w.Body.String(), "hidden")
			require.Empty(t, b.log.rows)
		})
	}
}

func TestNothingIsShownWithoutTheAudit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.log.fail = errors.New("down")
	w := b.ask(t, "/codec/decode", b.sealed(t), as(token(t, "admin", "maple", "oak")))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NotContains(t, w.Body.String(), "hidden words")
}

func TestEncodeAndBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.ask(t, "/codec/encode", `{"payloads":[{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"MQ=="}]}`, as(token(t, "admin", "*")))
	require.Equal(t, http.StatusOK, w.Code)
	require.NotContains(t, w.Body.String(), "MQ==")
	w = b.ask(t, "/codec/decode", w.Body.String(), as(token(t, "admin", "*")))
	require.Contains(t, w.Body.String(), "MQ==")
}

func TestBadBodies(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, 400, b.ask(t, "/codec/decode", `{`, as(token(t, "admin", "*"))).Code)
	other, err := codec.New([]codec.Key{{ID: "k2", Bytes: bytes.Repeat([]byte{8}, 32)}})
	require.NoError(t, err)
	foreign := bench{c: other}
	require.Equal(t, 400, b.ask(t, "/codec/decode", foreign.sealed(t), as(token(t, "admin", "*"))).Code)
	r := httptest.NewRequest("POST", "/codec/decode", io.LimitReader(zeros{}, maxBody+1))
	as(token(t, "admin", "*"))(r)
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	require.Empty(t, b.log.rows)
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for origin, allowed := range map[string]bool{ui: true, "https://evil.example": false} {
		r := httptest.NewRequest("OPTIONS", "/codec/decode", nil)
		r.Header.Set("Origin", origin)
		w := httptest.NewRecorder()
		b.h.ServeHTTP(w, r)
		require.Equal(t, allowed, w.Header().Get("Access-Control-Allow-Origin") == origin, origin)
		require.Equal(t, allowed, strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "X-Namespace"), origin)
	}
}

func TestSession(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sign := func(tok, site string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/codec/session", strings.NewReader(url.Values{"token": {tok}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", site)
		w := httptest.NewRecorder()
		b.h.ServeHTTP(w, r)
		return w
	}
	expired, err := auth.MintDev(secret, "ana", []string{"auditor"}, []string{"*"}, time.Now().Add(-2*time.Hour), time.Hour)
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		token string
		want  int
		says  string
	}{
		"nothing": {" ", 401, "give your access token"}, "garbage": {"<b>x", 401, "not valid or has expired"}, "expired": {expired, 401, "not valid or has expired"},
		"another role": {token(t, "front_desk", "*"), 403, "auditors and admins"}, "one practice only": {token(t, "auditor", "maple"), 403, "of all practices"},
	} {
		w := sign(tc.token, "same-origin")
		require.Equal(t, tc.want, w.Code, name)
		require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
		require.Contains(t, w.Body.String(), tc.says, name)
		require.Contains(t, w.Body.String(), `<label for="token">`, "and may be tried again")
		require.NotContains(t, w.Body.String(), "<b>x")
		require.Empty(t, w.Result().Cookies())
	}
	require.Equal(t, http.StatusForbidden, sign(token(t, "auditor", "*"), "cross-site").Code, "nobody signs others in")
	w := sign(token(t, "auditor", "*"), "same-origin")
	require.Equal(t, http.StatusOK, w.Code)
	c := w.Result().Cookies()[0]
	require.True(t, c.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, c.SameSite)
	w = b.ask(t, "/codec/decode", b.sealed(t), func(r *http.Request) { r.AddCookie(c); r.Header.Set("Authorization", "Bearer ") })
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Len(t, b.log.rows, 2)

	page := httptest.NewRecorder()
	b.h.ServeHTTP(page, httptest.NewRequest("GET", "/codec/session", nil))
	require.Contains(t, page.Body.String(), `<label for="token">`)
	require.NotContains(t, page.Body.String(), "alert")
}

func TestNewRefusesMissingParts(t *testing.T) {
	t.Parallel()
	_, err := New(Options{})
	require.Error(t, err)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte{'0'}, len(p))), nil }
