package drchronosim_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	drchronosim "github.com/copayflow/copayflow/sandbox/drchrono"
	"github.com/copayflow/copayflow/sandbox/sim"
)

const at = "https://drchrono.example"

// noon is the sandbox's time; at the office (Chicago) it is six in the morning.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

type bench struct {
	*drchronosim.Server
	t     *testing.T
	token string
}

func open(t *testing.T, c drchronosim.Config) *bench {
	t.Helper()
	b := &bench{Server: drchronosim.New(sim.Options{Now: func() time.Time { return noon }, PublicURL: at}, c), t: t}
	a := b.grant(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"sandbox-refresh"}})
	require.Equal(t, http.StatusOK, a.status)
	b.token, _ = a.json["access_token"].(string)
	return b
}

// quiet is a practice without rate limits.
func quiet() drchronosim.Config { return drchronosim.Config{NoLimits: true} }

type reply struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

func (b *bench) send(r *http.Request) reply {
	b.t.Helper()
	rec := httptest.NewRecorder()
	b.ServeHTTP(rec, r)
	out := reply{status: rec.Code, header: rec.Header(), body: rec.Body.String()}
	if strings.HasPrefix(rec.Header().Get("Content-Type"), "application/json") {
		require.NoError(b.t, json.Unmarshal(rec.Body.Bytes(), &out.json))
	}
	return out
}

func (b *bench) get(path string) reply {
	b.t.Helper()
	r := httptest.NewRequest(http.MethodGet, at+strings.TrimPrefix(path, at), nil)
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.send(r)
}

func (b *bench) post(body string) reply {
	b.t.Helper()
	r := httptest.NewRequest(http.MethodPost, at+"/api/patient_payments", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+b.token)
	r.Header.Set("Content-Type", "application/json")
	return b.send(r)
}

func (b *bench) form(f url.Values) reply {
	b.t.Helper()
	r := httptest.NewRequest(http.MethodPost, at+"/o/token/", strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.send(r)
}

// grant asks the token endpoint with the application's credentials.
func (b *bench) grant(f url.Values) reply {
	b.t.Helper()
	f.Set("client_id", "sandbox-client")
	f.Set("client_secret", "sandbox-secret")
	return b.form(f)
}

func (b *bench) patient() string {
	return b.AddPatient(drchronosim.Patient{FirstName: "Ana", LastName: "Test", Gender: "Female", CoPay: "25.00", PayerID: "60054", PayerName: "AETNA", MemberID: "W1"})
}

// ids are the values of a field in a listing.
func (r reply) ids(field string) []string {
	rows, _ := r.json["results"].([]any)
	out := []string{}
	for _, x := range rows {
		switch v := x.(map[string]any)[field].(type) {
		case float64:
			out = append(out, strconv.FormatInt(int64(v), 10))
		case string:
			out = append(out, v)
		}
	}
	return out
}

func TestAccessToken(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{"none": "", "unknown": "Bearer nope", "empty": "Bearer ", "basic": "Basic c2FuZGJveDo=", "bare": "access-1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, quiet())
			r := httptest.NewRequest(http.MethodGet, at+"/api/doctors", nil)
			if header != "" {
				r.Header.Set("Authorization", header)
			}
			a := b.send(r)
			require.Equal(t, http.StatusUnauthorized, a.status)
			require.Contains(t, a.json, "detail")
		})
	}
	t.Run("lives as long as it says", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := open(t, drchronosim.Config{NoLimits: true, AccessLife: time.Hour})
			time.Sleep(time.Hour) // of the fake clock
			require.Equal(t, http.StatusOK, b.get("/api/doctors").status)
			time.Sleep(time.Nanosecond)
			require.Equal(t, http.StatusUnauthorized, b.get("/api/doctors").status)
		})
	})
	t.Run("can be ended", func(t *testing.T) {
		t.Parallel()
		b := open(t, quiet())
		b.ExpireAccess()
		require.Equal(t, http.StatusUnauthorized, b.get("/api/doctors").status)
	})
	t.Run("guards every path", func(t *testing.T) {
		t.Parallel()
		b := open(t, quiet())
		b.token = ""
		for _, p := range []string{"users/current", "users/1", "doctors", "doctors/310055", "patients/1", "appointments", "appointments/1", "line_items", "line_items/1",
			"line_item_deletions", "eligibility_checks", "patient_payments", "patient_payments/1", "patient_payment_log", "nothing"} {
			require.Equal(t, http.StatusUnauthorized, b.get("/api/"+p).status, p)
		}
		require.Equal(t, http.StatusUnauthorized, b.post(`{}`).status)
	})
}

func TestScopes(t *testing.T) {
	t.Parallel()
	const pay = "POST patient_payments"
	for name, tc := range map[string]struct {
		scopes string
		can    []string // of the calls below
	}{
		"none":                      {"", []string{"users/500055"}},
		"user":                      {"user:read", []string{"users/500055", "doctors"}},
		"calendar":                  {"calendar:read", []string{"users/500055", "appointments?since=2026-01-01"}},
		"patients":                  {"patients:read", []string{"users/500055", "patients/1"}},
		"checks":                    {"calendar:read patients:read", []string{"users/500055", "patients/1", "appointments?since=2026-01-01", "eligibility_checks"}},
		"billing":                   {"billing:read", []string{"users/500055", "line_items", "line_item_deletions", "transactions", "patient_payment_log"}},
		"payments, reading":         {"billing:patient-payment:read", []string{"users/500055", "patient_payments"}},
		"payments, writing":         {"billing:patient-payment:write", []string{"users/500055", "patient_payments", pay}},
		"summaries are no patients": {"patients:summary:read", []string{"users/500055"}},
		"billing is not payments":   {"billing:write", []string{"users/500055", "line_items", "line_item_deletions", "transactions", "patient_payment_log"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, drchronosim.Config{NoLimits: true, Scopes: strings.Fields(tc.scopes)})
			var can []string
			for _, p := range []string{"users/500055", "doctors", "patients/1", "appointments?since=2026-01-01", "eligibility_checks", "line_items", "line_item_deletions", "transactions", "patient_payment_log", "patient_payments"} {
				if a := b.get("/api/" + p); a.status != http.StatusForbidden {
					can = append(can, p)
				} else {
					require.Contains(t, a.json, "detail")
				}
			}
			if b.post(`{}`).status != http.StatusForbidden {
				can = append(can, pay)
			}
			require.ElementsMatch(t, tc.can, can)
		})
	}
}

func TestRefreshTokenRotates(t *testing.T) {
	t.Parallel()
	b := open(t, quiet()) // has used the first one
	refresh := func(tok string) reply {
		return b.grant(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tok}})
	}
	a := refresh("sandbox-refresh")
	require.Equal(t, http.StatusBadRequest, a.status)
	require.Equal(t, map[string]any{"error": "invalid_grant"}, a.json)

	fresh := open(t, quiet())
	first := fresh.grant(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"refresh-guess"}})
	require.Equal(t, http.StatusBadRequest, first.status)
	fresh.RevokeConsent()
	require.Equal(t, http.StatusUnauthorized, fresh.get("/api/doctors").status)
	require.Equal(t, "invalid_grant", fresh.grant(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {""}}).json["error"], "the empty token is none")
}

func TestRefreshChain(t *testing.T) {
	t.Parallel()
	s := &bench{Server: drchronosim.New(sim.Options{}, quiet()), t: t}
	tok := "sandbox-refresh"
	seen := map[string]bool{}
	for range 3 {
		a := s.grant(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tok}})
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, "Bearer", a.json["token_type"])
		require.InDelta(t, 172800, a.json["expires_in"], 0)
		require.Equal(t, strings.Join(drchronosim.DefaultScopes(), " "), a.json["scope"])
		tok, _ = a.json["refresh_token"].(string)
		s.token, _ = a.json["access_token"].(string)
		require.False(t, seen[tok] || seen[s.token], "every token is new")
		seen[tok], seen[s.token] = true, true
		require.Equal(t, http.StatusOK, s.get("/api/doctors").status)
	}
}

func TestTokenEndpointRefuses(t *testing.T) {
	t.Parallel()
	good := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"sandbox-refresh"}, "client_id": {"sandbox-client"}, "client_secret": {"sandbox-secret"}}
	for name, tc := range map[string]struct {
		field, value string
		status       int
		code         string
	}{
		"wrong client":        {"client_id", "x", 401, "invalid_client"},
		"wrong secret":        {"client_secret", "x", 401, "invalid_client"},
		"no secret":           {"client_secret", "", 401, "invalid_client"},
		"wrong grant":         {"grant_type", "client_credentials", 400, "unsupported_grant_type"},
		"no grant":            {"grant_type", "", 400, "unsupported_grant_type"},
		"wrong token":         {"refresh_token", "x", 400, "invalid_grant"},
		"code without a code": {"grant_type", "authorization_code", 400, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &bench{Server: drchronosim.New(sim.Options{}, quiet()), t: t}
			f := url.Values{}
			for k, v := range good {
				f[k] = v
			}
			f.Set(tc.field, tc.value)
			a := s.form(f)
			require.Equal(t, tc.status, a.status)
			require.Equal(t, map[string]any{"error": tc.code}, a.json)
			require.Equal(t, http.StatusOK, s.form(good).status, "the refresh token still works")
		})
	}
	t.Run("credentials in the address", func(t *testing.T) {
		t.Parallel()
		s := &bench{Server: drchronosim.New(sim.Options{}, quiet()), t: t}
		require.Equal(t, http.StatusUnauthorized, s.send(httptest.NewRequest(http.MethodPost, at+"/o/token/?"+good.Encode(), nil)).status)
		require.Equal(t, http.StatusMethodNotAllowed, s.send(httptest.NewRequest(http.MethodGet, at+"/o/token/?"+good.Encode(), nil)).status)
	})
}

const callback = "https://copay.example/connect"

func (b *bench) authorize(method string, change url.Values, allow string) reply {
	b.t.Helper()
	q := url.Values{"client_id": {"sandbox-client"}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"user:read billing:read"}, "state": {"s1"}}
	for k, v := range change {
		q[k] = v
	}
	r := httptest.NewRequest(method, at+"/o/authorize/?"+q.Encode(), strings.NewReader(url.Values{"allow": {allow}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.send(r)
}

func (r reply) back(t *testing.T) url.Values {
	t.Helper()
	require.Equal(t, http.StatusFound, r.status)
	u, err := url.Parse(r.header.Get("Location"))
	require.NoError(t, err)
	q := u.Query()
	u.RawQuery = ""
	require.Equal(t, callback, u.String())
	return q
}

func registered() drchronosim.Config {
	return drchronosim.Config{NoLimits: true, RedirectURIs: []string{callback}}
}

func TestAuthorizationCode(t *testing.T) {
	t.Parallel()
	exchange := func(b *bench, code, redirect string) reply {
		return b.grant(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}})
	}
	t.Run("is exchanged once, for the scopes that were agreed to", func(t *testing.T) {
		t.Parallel()
		b := open(t, registered())
		page := b.authorize(http.MethodGet, nil, "")
		require.Equal(t, http.StatusOK, page.status)
		require.Contains(t, page.body, "billing:read")
		q := b.authorize(http.MethodPost, nil, "yes").back(t)
		require.Equal(t, "s1", q.Get("state"))
		a := exchange(b, q.Get("code"), callback)
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, "user:read billing:read", a.json["scope"])
		b.token, _ = a.json["access_token"].(string)
		require.Equal(t, http.StatusOK, b.get("/api/line_items").status)
		require.Equal(t, http.StatusForbidden, b.get("/api/patient_payments").status)
		require.Equal(t, "invalid_grant", exchange(b, q.Get("code"), callback).json["error"])
	})
	t.Run("is bound to the address and spent by a wrong one", func(t *testing.T) {
		t.Parallel()
		b := open(t, registered())
		code := b.authorize(http.MethodPost, nil, "yes").back(t).Get("code")
		require.Equal(t, "invalid_grant", exchange(b, code, "https://evil.example/").json["error"])
		require.Equal(t, "invalid_grant", exchange(b, code, callback).json["error"])
	})
	t.Run("dies within seconds", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := open(t, registered())
			code := b.authorize(http.MethodPost, nil, "yes").back(t).Get("code")
			time.Sleep(10 * time.Second) // of the fake clock
			require.Equal(t, "invalid_grant", exchange(b, code, callback).json["error"])
		})
	})
	for name, tc := range map[string]struct {
		change url.Values
		allow  string
		want   string // the error that goes back; "": 400 and no redirect
	}{
		"cancelled":            {nil, "no", "access_denied"},
		"not asked":            {nil, "", "access_denied"},
		"unknown scope":        {url.Values{"scope": {"user:read everything"}}, "yes", "invalid_scope"},
		"no scope":             {url.Values{"scope": {""}}, "yes", "invalid_scope"},
		"implicit grant":       {url.Values{"response_type": {"token"}}, "yes", "unsupported_response_type"},
		"unknown client":       {url.Values{"client_id": {"x"}}, "yes", ""},
		"unknown address":      {url.Values{"redirect_uri": {"https://evil.example/"}}, "yes", ""},
		"address below":        {url.Values{"redirect_uri": {callback + "/x"}}, "yes", ""},
		"address that is none": {url.Values{"redirect_uri": {"http://[::1"}}, "yes", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, registered())
			a := b.authorize(http.MethodPost, tc.change, tc.allow)
			if tc.want == "" {
				require.Equal(t, http.StatusBadRequest, a.status)
				require.Empty(t, a.header.Get("Location"), "never send a browser to a stranger")
				return
			}
			q := a.back(t)
			require.Equal(t, tc.want, q.Get("error"))
			require.Empty(t, q.Get("code"))
		})
	}
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	t.Run("ten calls within a second are one too many", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := open(t, drchronosim.Config{})
			for range 9 {
				require.Equal(t, http.StatusOK, b.get("/api/doctors").status)
			}
			a := b.get("/api/doctors")
			require.Equal(t, http.StatusTooManyRequests, a.status)
			require.Contains(t, a.json, "detail")
			time.Sleep(time.Second) // of the fake clock
			require.Equal(t, http.StatusOK, b.get("/api/doctors").status)
		})
	})
	t.Run("the hour's count starts again on the hour", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := open(t, drchronosim.Config{HourLimit: 3})
			for range 3 {
				require.Equal(t, http.StatusOK, b.get("/api/doctors").status)
				time.Sleep(time.Second)
			}
			require.Equal(t, http.StatusTooManyRequests, b.get("/api/doctors").status)
			time.Sleep(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)))
			require.Equal(t, http.StatusOK, b.get("/api/doctors").status)
		})
	})
}

func TestSingleResources(t *testing.T) {
	t.Parallel()
	b := open(t, quiet())
	p := b.patient()
	line := b.AddCharge(drchronosim.Charge{Patient: p, Cents: 14500, Code: "99214", Date: "2026-11-20"})
	doctor := b.AddDoctor("America/Denver", "Dermatology")

	a := b.get("/api/patients/" + p)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "25.00", a.json["copay"], "a string, as the practice typed it")
	require.Equal(t, "60054", a.json["primary_insurance"].(map[string]any)["insurance_payer_id"])
	require.Equal(t, "blank", a.json["preferred_language"])

	a = b.get("/api/line_items/" + line)
	require.Equal(t, http.StatusOK, a.status)
	require.Contains(t, a.body, `"price":145.00`)
	require.Equal(t, p, a.json["patient"], "a string here, a number on the appointment")
	require.Equal(t, "99214", a.json["code"])
	require.NotContains(t, a.body, "_made")
	require.Equal(t, "2026-11-24T06:00:00", a.json["updated_at"], "the office's time without a zone")

	a = b.get("/api/appointments/" + b.Visit(line))
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, b.Visit(line), a.json["id"], "the only id that is a string")
	require.Equal(t, "2026-11-20T09:30:00", a.json["scheduled_time"])
	require.NotContains(t, a.json, "copay")

	require.Equal(t, "America/Denver", b.get("/api/doctors/" + doctor).json["timezone"])
	require.Equal(t, "America/Chicago", b.get("/api/doctors/310055").json["timezone"])

	for _, kind := range []string{"patients", "line_items", "appointments", "doctors", "patient_payments", "users"} {
		a := b.get("/api/" + kind + "/1")
		require.Equal(t, http.StatusNotFound, a.status, kind)
		require.Equal(t, map[string]any{"detail": "Not found."}, a.json, kind)
	}
	me := b.get("/api/users/current")
	require.Equal(t, http.StatusFound, me.status)
	require.Equal(t, "310055", b.get(me.header.Get("Location")).json["doctor"])
}

func TestPatientsOfAllKinds(t *testing.T) {
	t.Parallel()
	b := open(t, quiet())
	self := b.get("/api/patients/" + b.AddPatient(drchronosim.Patient{SelfPay: true, Language: "es", NoSMS: true})).json
	require.Equal(t, "Cash", self["patient_payment_profile"])
	require.Nil(t, self["primary_insurance"])
	require.Equal(t, "spa", self["preferred_language"])
	require.Equal(t, true, self["disable_sms_messages"])
	require.Equal(t, "eng", b.get("/api/patients/" + b.AddPatient(drchronosim.Patient{Language: "en"})).json["preferred_language"])
	require.Equal(t, "fra", b.get("/api/patients/" + b.AddPatient(drchronosim.Patient{Language: "fra"})).json["preferred_language"])
}

func TestPaymentsCannotBeChanged(t *testing.T) {
	t.Parallel()
	b := open(t, quiet())
	for _, m := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete} {
		r := httptest.NewRequest(m, at+"/api/patient_payments/1", strings.NewReader("{}"))
		r.Header.Set("Authorization", "Bearer "+b.token)
		require.Equal(t, http.StatusMethodNotAllowed, b.send(r).status, m)
	}
}

func TestPagination(t *testing.T) {
	t.Parallel()
	b := open(t, quiet())
	p := b.patient()
	want := []string{}
	for range 7 {
		want = append(want, b.AddCharge(drchronosim.Charge{Patient: p, Cents: 100}))
	}
	for _, size := range []string{"1", "3", "7", "8", "1000"} {
		got, pages := []string{}, 0
		next := "/api/line_items?page_size=" + size + "&patient=" + p
		var last reply
		for next != "" {
			last = b.get(next)
			require.Equal(t, http.StatusOK, last.status)
			got = append(got, last.ids("id")...)
			require.Equal(t, pages > 0, last.json["previous"] != nil)
			next, _ = last.json["next"].(string)
			pages++
			require.LessOrEqual(t, pages, 7)
		}
		require.Equal(t, want, got, size)
	}
	first := b.get("/api/line_items?page_size=3")
	require.True(t, strings.HasPrefix(first.json["next"].(string), at+"/api/line_items?"))
	second := b.get(first.json["next"].(string))
	require.Equal(t, first.ids("id"), b.get(second.json["previous"].(string)).ids("id"))
	require.Len(t, b.get("/api/line_items?page_size=0").ids("id"), 7, "a size that is none is the default")
	require.Equal(t, http.StatusNotFound, b.get("/api/line_items?cursor=x").status)
	require.Equal(t, http.StatusNotFound, b.get("/api/line_items?cursor=-1").status)
	require.Empty(t, b.get("/api/line_items?cursor=99").ids("id"))
	require.Contains(t, b.get("/api/patient_payments").body, `"results":[]`)
}

func TestFilters(t *testing.T) {
	t.Parallel()
	b := open(t, quiet())
	ana, bob := b.patient(), b.patient()
	one := b.AddCharge(drchronosim.Charge{Patient: ana, Cents: 100, Date: "2026-11-20"})
	two := b.AddCharge(drchronosim.Charge{Patient: bob, Cents: 100, Date: "2026-11-21"})
	b.AddCheck(b.Visit(one), "B", "98", map[string]any{"amount": "25"})
	b.AddCheckAt(b.Visit(two), "Secondary Insurance", "2026-01-01", "1", "30", nil)
	for query, want := range map[string][]string{
		"patient=" + ana:                  {one},
		"patient=0":                       {},
		"appointment=" + b.Visit(two):     {two},
		"service_date=2026-11-20":         {one},
		"posted_date=2026-11-21":          {two},
		"doctor=310055":                   {one, two},
		"since=2026-11-24":                {one, two},
		"since=2026-11-24T06:00:00":       {one, two},
		"since=2026-11-24T06:00:01":       {},
		"since=2026-11-25&patient=" + ana: {},
	} {
		a := b.get("/api/line_items?" + query)
		require.Equal(t, http.StatusOK, a.status, query)
		require.Equal(t, want, a.ids("id"), query)
	}
	for _, since := range []string{"yesterday", "2026-11", "2026-11-24T06:00:00Z", "24-11-2026", "abcdefghij", "2026-13-01", "2026-11-24 06:00:00"} {
		a := b.get("/api/line_items?since=" + url.QueryEscape(since))
		require.Equal(t, http.StatusBadRequest, a.status, since)
		require.Contains(t, a.json, "since")
	}
	visits := b.get("/api/appointments?patient=" + ana)
	require.Equal(t, http.StatusBadRequest, visits.status, "a listing of appointments needs a date")
	require.Contains(t, visits.json, "non_field_errors")
	require.Equal(t, []string{b.Visit(one)}, b.get("/api/appointments?since=2026-11-01&patient="+ana).ids("id"))

	checks := b.get("/api/eligibility_checks?appointment=" + b.Visit(one))
	require.Equal(t, []string{"B"}, checks.ids("eligibility"))
	require.Equal(t, []string{"Primary Insurance"}, checks.ids("cob_level"))
	require.Equal(t, []string{"2026-01-01"}, b.get("/api/eligibility_checks?appointment="+b.Visit(two)).ids("query_date"))
}

// Appointments are listed by their days, and a listing of no known day is refused.
func TestAppointmentsByDay(t *testing.T) {
	t.Parallel()
	b := open(t, quiet())
	p := b.patient()
	one := b.Visit(b.AddCharge(drchronosim.Charge{Patient: p, Cents: 100, Date: "2026-03-02"}))
	two := b.Visit(b.AddCharge(drchronosim.Charge{Patient: p, Cents: 100, Date: "2026-11-21"}))
	for query, want := range map[string][]string{
		"date=2026-11-21":                    {two},
		"date=2026-11-22":                    {},
		"date_range=2026-11-01/2026-11-21":   {two},
		"date_range=2026-03-02/2026-03-02":   {one},
		"occurred_since=2026-03-02":          {one, two},
		"occurred_since=2026-03-02T09:30:01": {two},
		"since=2026-11-24&date=2026-03-02":   {one},
	} {
		require.Equal(t, want, b.get("/api/appointments?"+query).ids("id"), query)
	}
	for _, query := range []string{"date=today", "date_range=2026-11-01", "date_range=2026-11-21/2026-11-01", "date_range=2026-01-01/2026-11-21", "occurred_since=1", "patient=1"} {
		require.Equal(t, http.StatusBadRequest, b.get("/api/appointments?"+query).status, query)
	}
	require.Equal(t, http.StatusOK, b.get("/api/appointments?date_range=2026-01-01/2026-07-10").status, "190 days")
	b.DeleteVisit(b.get("/api/line_items?service_date=2026-03-02").ids("id")[0])
	require.Equal(t, []string{two}, b.get("/api/appointments?since=2026-11-24").ids("id"))
	require.Equal(t, []string{one, two}, b.get("/api/appointments?since=2026-11-24&show_archived=true").ids("id"))
	require.Equal(t, true, b.get("/api/appointments/" + one).json["deleted_flag"], "by its id it is there still")
}

func TestEligibilityChecksByDay(t *testing.T) {
	t.Parallel()
	b := open(t, quiet())
	ana, bob := b.patient(), b.patient()
	one := b.Visit(b.AddCharge(drchronosim.Charge{Patient: ana, Cents: 100, Date: "2026-11-20"}))
	two := b.Visit(b.AddCharge(drchronosim.Charge{Patient: bob, Cents: 100, Date: "2026-11-21", Doctor: b.AddDoctor("America/Denver", "Cardiology")}))
	b.AddCheckAt(one, "Primary Insurance", "2026-11-19T08:00:00", "B", "98", nil)
	b.AddCheckAt(two, "Primary Insurance", "2026-11-20T08:00:00", "1", "30", nil)
	for query, want := range map[string][]string{
		"patient=" + ana: {"B"}, "patient=" + bob: {"1"}, "doctor=310055": {"B"}, "doctor=1": {},
		"appointment_date=2026-11-20": {"B"}, "appointment_date_range=2026-11-21/2026-11-30": {"1"},
		"query_date=2026-11-20": {"1"}, "query_date_range=2026-11-01/2026-11-30": {"B", "1"},
	} {
		require.Equal(t, want, b.get("/api/eligibility_checks?"+query).ids("eligibility"), query)
	}
	for _, query := range []string{"query_date=today", "appointment_date_range=2026-11-20", "query_date_range=2026-11-20/2026-11-19"} {
		require.Equal(t, http.StatusBadRequest, b.get("/api/eligibility_checks?"+query).status, query)
	}
	all := b.get("/api/eligibility_checks")
	require.NotContains(t, all.body, "_visit_day")
	require.Equal(t, "B", b.get("/api/eligibility_checks/" + all.ids("id")[0]).json["eligibility"])
	require.Equal(t, http.StatusNotFound, b.get("/api/eligibility_checks/1").status)
}

func TestListsLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, drchronosim.Config{NoLimits: true, ListLag: 5 * time.Second})
		p := b.patient()
		line := b.AddCharge(drchronosim.Charge{Patient: p, Cents: 100})
		require.Equal(t, http.StatusCreated, b.post(`{"patient":`+p+`,"amount":1}`).status)
		require.Equal(t, http.StatusOK, b.get("/api/line_items/"+line).status, "by its id it is there at once")
		require.Empty(t, b.get("/api/line_items").ids("id"))
		require.Empty(t, b.get("/api/patient_payments").ids("id"))
		time.Sleep(5 * time.Second) // of the fake clock
		require.Len(t, b.get("/api/line_items").ids("id"), 1)
		require.Len(t, b.get("/api/patient_payments").ids("id"), 1)
	})
}

func TestPayment(t *testing.T) {
	t.Parallel()
	b := open(t, quiet())
	p := b.patient()
	line := b.AddCharge(drchronosim.Charge{Patient: p, Cents: 14500})
	body := `{"patient":` + p + `,"line_item":` + line + `,"amount":25.00,"payment_method":"CRDT","payment_transaction_type":"COPAY","received_date":"2026-11-23","trace_number":"CP-1","notes":"n"}`
	a := b.post(body)
	require.Equal(t, http.StatusCreated, a.status)
	require.Contains(t, a.body, `"amount":25.00`)
	require.Equal(t, "2026-11-23", a.json["received_date"])
	require.Equal(t, "2026-11-24", a.json["posted_date"])
	require.Equal(t, "310055", a.json["created_by"])
	require.Equal(t, b.Visit(line), a.ids2("appointment"), "inferred from the line item")
	id := a.ids2("id")
	require.Equal(t, a.json, b.get("/api/patient_payments/"+id).json)

	again := b.post(body)
	require.Equal(t, http.StatusCreated, again.status, "it knows no idempotency")
	require.NotEqual(t, id, again.ids2("id"))
	back := b.post(`{"patient":` + p + `,"amount":-25.00,"payment_transaction_type":"REF","trace_number":"CP-1-R1"}`)
	require.Equal(t, http.StatusCreated, back.status)
	require.Nil(t, back.json["line_item"])
	require.Equal(t, "2026-11-24", back.json["received_date"], "today at the office")

	require.Equal(t, []drchronosim.Payment{
		{ID: id, Patient: p, LineItem: line, Trace: "CP-1", Type: "COPAY", Method: "CRDT", Cents: 2500},
		{ID: again.ids2("id"), Patient: p, LineItem: line, Trace: "CP-1", Type: "COPAY", Method: "CRDT", Cents: 2500},
		{ID: back.ids2("id"), Patient: p, LineItem: "<nil>", Trace: "CP-1-R1", Type: "REF", Cents: -2500},
	}, b.Payments())
	require.Len(t, b.get("/api/patient_payments?patient="+p+"&trace_number=CP-1").ids("id"), 3, "there is no filter on the trace number")

	b.DeletePayment(id)
	b.DeletePayment(id) // is gone already
	require.Equal(t, http.StatusNotFound, b.get("/api/patient_payments/"+id).status)
	require.Equal(t, []string{"C", "C", "C", "D"}, b.get("/api/patient_payment_log").ids("action"))
}

// ids2 is one field of a single resource as text.
func (r reply) ids2(field string) string {
	return reply{json: map[string]any{"results": []any{r.json}}}.ids(field)[0]
}

func TestPaymentIsValidated(t *testing.T) {
	t.Parallel()
	b := open(t, quiet())
	p, other := b.patient(), b.patient()
	line := b.AddCharge(drchronosim.Charge{Patient: other, Cents: 14500})
	for name, tc := range map[string]struct{ fields, want string }{
		"no patient":             {`"patient":null,"amount":1`, "patient"},
		"unknown patient":        {`"patient":1,"amount":1`, "patient"},
		"patient is a list":      {`"patient":[` + p + `],"amount":1`, "patient"},
		"no amount":              {`"amount":null`, "amount"},
		"amount is a text":       {`"amount":"25.00"`, "amount"},
		"amount is zero":         {`"amount":0.00`, "amount"},
		"amount is minus zero":   {`"amount":-0`, "amount"},
		"fractions of a cent":    {`"amount":1.005`, "amount"},
		"amount with exponent":   {`"amount":1e2`, "amount"},
		"amount beyond belief":   {`"amount":99999999999999999999`, "amount"},
		"unknown line":           {`"amount":1,"line_item":1`, "line_item"},
		"another's line":         {`"amount":1,"line_item":` + line, "line_item"},
		"unknown appointment":    {`"amount":1,"appointment":1`, "appointment"},
		"another's appointment":  {`"amount":1,"appointment":` + b.Visit(line), "appointment"},
		"unknown doctor":         {`"amount":1,"doctor":1`, "doctor"},
		"unknown method":         {`"amount":1,"payment_method":"GOLD"`, "payment_method"},
		"no method":              {`"amount":1,"payment_method":""`, "payment_method"},
		"method is a number":     {`"amount":1,"payment_method":5`, "payment_method"},
		"unknown type":           {`"amount":1,"payment_transaction_type":"copay"`, "payment_transaction_type"},
		"type is an object":      {`"amount":1,"payment_transaction_type":{}`, "payment_transaction_type"},
		"US date":                {`"amount":1,"received_date":"11/24/2026"`, "received_date"},
		"date with a time":       {`"amount":1,"received_date":"2026-11-24T00:00:00"`, "received_date"},
		"date is a number":       {`"amount":1,"received_date":20261124`, "received_date"},
		"trace number too long":  {`"amount":1,"trace_number":"` + strings.Repeat("x", 41) + `"`, "trace_number"},
		"trace number is a list": {`"amount":1,"trace_number":["x"]`, "trace_number"},
		"notes are an object":    {`"amount":1,"notes":{}`, "notes"},
		"a read-only field":      {`"amount":1,"posted_date":"2026-11-24"`, "posted_date"},
		"a field nobody knows":   {`"amount":1,"currency":"USD"`, "currency"},
		"a field of ours":        {`"amount":1,"_made":"x"`, "_made"},
		"a field without a name": {`"amount":1,"":0`, ""},
	} {
		fields := tc.fields
		if !strings.HasPrefix(fields, `"patient"`) {
			fields = `"patient":` + p + `,` + fields
		}
		a := b.post("{" + fields + "}")
		require.Equal(t, http.StatusBadRequest, a.status, "%s: %s", name, a.body)
		require.Len(t, a.json, 1, name)
		require.IsType(t, []any{}, a.json[tc.want], "%s: %s", name, a.body)
	}
	for name, body := range map[string]string{"nothing": "", "no JSON": "{", "a list": "[]", "a text": `"x"`, "something behind": `{"patient":` + p + `,"amount":1} x`} {
		a := b.post(body)
		require.Equal(t, http.StatusBadRequest, a.status, name)
		require.Contains(t, a.json, "detail", name)
	}
	r := httptest.NewRequest(http.MethodPost, at+"/api/patient_payments", strings.NewReader("patient="+p+"&amount=1"))
	r.Header.Set("Authorization", "Bearer "+b.token)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusUnsupportedMediaType, b.send(r).status)
	require.Empty(t, b.Payments(), "nothing of this was posted")

	for _, fields := range []string{`"amount":0.01`, `"amount":-1`, `"amount":1,"payment_transaction_type":""`, `"amount":1,"appointment":null,"line_item":null`,
		`"amount":1,"doctor":310055`, `"amount":1,"trace_number":"` + strings.Repeat("x", 40) + `"`} {
		require.Equal(t, http.StatusCreated, b.post(`{"patient":`+p+`,`+fields+`}`).status, fields)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	b := open(t, quiet())
	for kind, want := range map[sim.FaultKind]int{sim.FaultRateLimit: 429, sim.FaultServer: 500, sim.FaultToken: 401} {
		b.Faults().Add(sim.Fault{Kind: kind, Path: "/api"})
		a := b.get("/api/doctors")
		require.Equal(t, want, a.status)
		if want != 500 {
			require.Contains(t, a.json, "detail")
		}
		require.Equal(t, http.StatusOK, b.get("/api/doctors").status)
	}
	b.Redirect(http.MethodGet, "/api/doctors", 2)
	for range 2 {
		a := b.get("/api/doctors?page_size=1")
		require.Equal(t, http.StatusFound, a.status)
		require.Equal(t, at+"/api/doctors?page_size=1", a.header.Get("Location"))
	}
	require.Equal(t, http.StatusOK, b.get("/api/doctors").status)
}

// product receives webhooks.
type product struct {
	mu   sync.Mutex
	got  []*http.Request
	body []string
}

func (p *product) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got, p.body = append(p.got, r), append(p.body, string(b))
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("")), Request: r}, err
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	p := &product{}
	hooks := sim.NewDeliverer()
	hooks.Client.Transport = p
	s := drchronosim.New(sim.Options{Now: func() time.Time { return noon }, Hooks: hooks}, drchronosim.Config{NoLimits: true, WebhookURL: "https://old.example/"})
	s.SetWebhook("https://copay.example/hooks/drchrono", "shh")
	event := func(want string, act func()) map[string]any {
		t.Helper()
		before := len(p.got)
		var d []sim.Delivery
		var mu sync.Mutex
		done := make(chan struct{}, 1)
		hooks.OnResult = func(x sim.Delivery, _ int, _ error) {
			mu.Lock()
			d = append(d, x)
			mu.Unlock()
			done <- struct{}{}
		}
		act()
		<-done
		mu.Lock()
		defer mu.Unlock()
		require.Len(t, d, 1)
		require.Len(t, p.got, before+1)
		r := p.got[before]
		require.Equal(t, "https://copay.example/hooks/drchrono", r.URL.String())
		require.Equal(t, []string{want}, spelled(r.Header, "X-drchrono-event"))
		require.Equal(t, []string{"shh"}, spelled(r.Header, "X-drchrono-signature"), "the secret itself")
		require.NotEmpty(t, spelled(r.Header, "X-drchrono-delivery"))
		if before > 0 {
			require.NotEqual(t, spelled(p.got[before-1].Header, "X-drchrono-delivery"), spelled(r.Header, "X-drchrono-delivery"))
		}
		var body struct {
			Receiver, Object map[string]any
		}
		require.NoError(t, json.Unmarshal([]byte(p.body[before]), &body))
		require.Equal(t, "https://copay.example/hooks/drchrono", body.Receiver["callback_url"])
		require.NotContains(t, p.body[before], "_made")
		return body.Object
	}
	patient := s.AddPatient(drchronosim.Patient{})
	var line string
	event("PING", s.Ping)
	made := event("LINE_ITEM_CREATE", func() { line = s.AddCharge(drchronosim.Charge{Patient: patient, Cents: 14500}) })
	require.Equal(t, patient, made["patient"])
	require.InDelta(t, 145.0, made["price"], 0)
	require.Equal(t, made, event("LINE_ITEM_CREATE", func() { s.Resend(line) }))
	require.InDelta(t, 9.05, event("LINE_ITEM_MODIFY", func() { s.ModifyCharge(line, 905) })["price"], 0)
	visit := event("APPOINTMENT_MODIFY", func() { s.ModifyVisit(line, map[string]any{"status": "No Show"}) })
	require.Equal(t, s.Visit(line), visit["id"], "an appointment's id is a text")
	require.Equal(t, "No Show", visit["status"])
	require.Equal(t, true, event("APPOINTMENT_DELETE", func() { s.DeleteVisit(line) })["deleted_flag"])
	require.InDelta(t, made["id"], event("LINE_ITEM_DELETE", func() { s.DeleteCharge(line) })["id"], 0)

	b := &bench{Server: s, t: t}
	a := b.grant(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"sandbox-refresh"}})
	b.token, _ = a.json["access_token"].(string)
	require.Equal(t, http.StatusNotFound, b.get("/api/line_items/"+line).status)
	require.Equal(t, []string{line}, b.get("/api/line_item_deletions?since=2026-11-24").ids("billing_line_item_id"))
	require.Empty(t, b.get("/api/line_item_deletions?since=2026-11-25").ids("billing_line_item_id"))
	payment := b.post(`{"patient":` + patient + `,"amount":1}`).ids2("id")
	require.InDelta(t, 1.0, event("CASH_PAYMENT_DELETE", func() { s.DeletePayment(payment) })["amount"], 0)

	// What does not exist fires nothing, and neither does what was lost.
	sent := len(p.got)
	hooks.OnResult = nil
	s.ModifyCharge(line, 1)
	s.ModifyVisit(line, nil)
	s.DeleteVisit(line)
	s.DeleteCharge(line)
	s.Resend(line)
	s.DeletePayment(payment)
	s.AddCharge(drchronosim.Charge{Patient: patient, Cents: 100, Quiet: true})
	hooks.Close()
	require.Len(t, p.got, sent)
}

func TestVerificationHandshake(t *testing.T) {
	t.Parallel()
	proof := func(secret, msg string) string {
		m := hmac.New(sha256.New, []byte(secret))
		m.Write([]byte(msg))
		return hex.EncodeToString(m.Sum(nil))
	}
	for name, tc := range map[string]struct {
		serve http.HandlerFunc
		ok    bool
	}{
		"proof": {func(w http.ResponseWriter, r *http.Request) {
			sim.WriteJSON(w, 200, map[string]string{"secret_token": proof("shh", r.URL.Query().Get("msg"))})
		}, true},
		"another secret": {func(w http.ResponseWriter, r *http.Request) {
			sim.WriteJSON(w, 200, map[string]string{"secret_token": proof("loud", r.URL.Query().Get("msg"))})
		}, false},
		"proof of nothing": {func(w http.ResponseWriter, _ *http.Request) {
			sim.WriteJSON(w, 200, map[string]string{"secret_token": proof("shh", "")})
		}, false},
		"proof and an error": {func(w http.ResponseWriter, r *http.Request) {
			sim.WriteJSON(w, 201, map[string]string{"secret_token": proof("shh", r.URL.Query().Get("msg"))})
		}, false},
		"the secret itself": {func(w http.ResponseWriter, _ *http.Request) {
			sim.WriteJSON(w, 200, map[string]string{"secret_token": "shh"})
		}, false},
		"no JSON": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }, false},
		"nothing": {func(http.ResponseWriter, *http.Request) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(tc.serve)
			t.Cleanup(srv.Close)
			s := drchronosim.New(sim.Options{}, drchronosim.Config{WebhookURL: srv.URL, WebhookSecret: "shh"})
			err := s.VerifyWebhook(t.Context())
			require.Equal(t, tc.ok, err == nil, "%v", err)
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, drchronosim.New(sim.Options{}, drchronosim.Config{WebhookURL: "http://127.0.0.1:1"}).VerifyWebhook(ctx))
		require.Error(t, drchronosim.New(sim.Options{}, drchronosim.Config{WebhookURL: "http://[::1"}).VerifyWebhook(ctx))
	})
}

func TestSeededForThePage(t *testing.T) {
	t.Parallel()
	b := open(t, quiet())
	p := b.patient()
	q := b.AddPatient(drchronosim.Patient{FirstName: "Bob", LastName: "Test", BirthDate: "1980-02-03", Phone: "+15550100"})
	line := b.AddCharge(drchronosim.Charge{Patient: p, Cents: 14505})
	require.Equal(t, []drchronosim.Seeded{{ID: p, Name: "Ana Test", Member: "W1"}, {ID: q, Name: "Bob Test", Born: "1980-02-03", Phone: "+15550100", Member: "no insurance"}}, b.Patients())
	require.Equal(t, []drchronosim.Seeded{{ID: line, Patient: "Ana Test", Cents: 14505}}, b.Charges())
}

// Listings are read while the clinic works; run it with the race detector.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	b := open(t, quiet())
	p := b.patient()
	line := b.AddCharge(drchronosim.Charge{Patient: p, Cents: 100})
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 30 {
				switch n % 4 {
				case 0:
					b.ModifyCharge(line, int64(i+1))
				case 1:
					b.get("/api/line_items")
				case 2:
					b.get("/api/line_items/" + line)
				default:
					b.post(`{"patient":` + p + `,"amount":1}`)
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, b.Payments(), 60)
}

// Whatever is posted, the books grow by one valid row on a 201 and by none
// otherwise, and the simulator never breaks.
func FuzzPayment(f *testing.F) {
	for _, s := range []string{`{"patient":PPP,"amount":25.00}`, `{"patient":"PPP","amount":-0.01}`, `{"patient":PPP,"amount":1e2}`, `{"patient":PPP,"amount":0}`, `[]`, `null`, ``, `{"":0}`,
		`{"patient":PPP,"amount":1,"payment_method":null}`, `{"patient":PPP,"amount":1,"line_item":LLL}`, `{"patient":PPP,"amount":1,"appointment":{}}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		b := open(t, quiet())
		p := b.patient()
		line := b.AddCharge(drchronosim.Charge{Patient: p, Cents: 100})
		a := b.post(strings.NewReplacer("PPP", p, "LLL", line).Replace(body))
		books := b.Payments()
		switch {
		case a.status == http.StatusCreated && len(books) == 1 && books[0].Cents != 0:
		case a.status == http.StatusBadRequest && len(books) == 0 && len(a.json) == 1:
		default:
			t.Fatalf("%q: %d %s, books %v", body, a.status, a.body, books)
		}
	})
}

// spelled reads a header by the platform's own spelling, which is not Go's.
func spelled(h http.Header, name string) []string { return h[name] }
