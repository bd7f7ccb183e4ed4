package sandbox

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	drchronosim "github.com/copayflow/copayflow/sandbox/drchrono"
)

// start runs a sandbox whose webhooks come to got, platform first.
func start(t *testing.T) (s *Sandbox, got chan [2]string) {
	t.Helper()
	got = make(chan [2]string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- [2]string{path.Base(r.URL.Path), string(body)}
	}))
	t.Cleanup(receiver.Close)
	at := time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)
	s, err := Start(t.Context(), Options{Now: func() time.Time { return at }, Merchant: "Maple", Fast: true,
		Webhook: func(platform string) string { return receiver.URL + "/" + platform }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop(context.WithoutCancel(t.Context()))) }) // which has ended by then
	return s, got
}

func next(t *testing.T, got chan [2]string) (platform, body string) {
	t.Helper()
	select {
	case g := <-got:
		return g[0], g[1]
	case <-time.After(10 * time.Second):
		require.FailNow(t, "no webhook came")
		return "", ""
	}
}

// A charge makes three events at Stripe; a practice hears of those that its
// endpoint is enabled for.
func TestWebhooksAreThoseThatAPracticeSwitchesOn(t *testing.T) {
	t.Parallel()
	s, got := start(t)
	form := url.Values{"amount": {"2500"}, "currency": {"usd"}, "payment_method_types[]": {"card"}, "confirm": {"true"}, "payment_method": {"pm_card_visa"}}
	for range 2 { // the second one's only event proves that nothing of the first is late
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URLs["stripe"]+"/v1/payment_intents", strings.NewReader(form.Encode()))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth(StripeKey, "")
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode)
		platform, body := next(t, got)
		require.Equal(t, "stripe", platform)
		var e struct {
			Type    string `json:"type"`
			Pending int    `json:"pending_webhooks"`
		}
		require.NoError(t, json.Unmarshal([]byte(body), &e))
		require.Equal(t, "payment_intent.succeeded", e.Type)
		require.Equal(t, 1, e.Pending)
	}
	require.Len(t, s.Stripe.Events(), 6)
}

// What the documentation tells a practice to switch on is what the sandbox
// has: an event that is missing there would be missed by a clinic.
func TestTheDocumentationNamesTheSameEvents(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/platforms/stripe.md")
	require.NoError(t, err)
	for _, event := range stripeEvents {
		i := strings.LastIndex(event, ".")
		whole, short := "`"+event+"`", "`"+event[i:]+"`"
		group := regexp.MustCompile("(?m)^ +- `" + regexp.QuoteMeta(event[:i]) + `\..*` + regexp.QuoteMeta(short))
		require.True(t, strings.Contains(string(page), whole) || group.Match(page), event)
	}
	page, err = os.ReadFile("../docs/platforms/quickbooks.md")
	require.NoError(t, err)
	section := string(page)[strings.Index(string(page), "## Webhooks"):]
	for _, entity := range quickBooksEntities {
		require.Contains(t, section[:400], entity)
	}
}

// post sends one of the page's forms and follows where it leads.
func post(t *testing.T, s *Sandbox, form string, values url.Values) (int, string) {
	t.Helper()
	res, err := http.PostForm(s.Page+"/"+form, values)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

func TestThePagePlaysClinicPatientAndTrouble(t *testing.T) {
	t.Parallel()
	s, got := start(t)
	ana := s.DrChrono.AddPatient(drchronosim.Patient{FirstName: "Ana", LastName: "Sample", BirthDate: "1980-02-03", Phone: "+13125550142"})
	status, page := post(t, s, "charge", url.Values{"patient": {ana}, "dollars": {"145"}})
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, page, "Ana Sample, born 1980-02-03", "the payment page asks for it")
	require.Contains(t, page, "<td>1980-02-03</td>")
	require.Contains(t, page, "$145.00, Ana Sample")
	platform, _ := next(t, got)
	require.Equal(t, "drchrono", platform)
	status, page = post(t, s, "reply", url.Values{"from": {"+13125550142"}, "text": {"STOP"}})
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, page, "STOP")
	_, page = post(t, s, "delete", url.Values{"charge": {s.DrChrono.Charges()[0].ID}})
	require.NotContains(t, page, "$145.00, Ana Sample")

	for _, kind := range []string{"429", "token"} {
		status, page = post(t, s, "fault", url.Values{"platform": {"stripe"}, "kind": {kind}})
		require.Equal(t, http.StatusOK, status)
	}
	const waits = "Waiting: the next call to stripe"
	require.Contains(t, page, waits+" is throttled (429).")
	require.Contains(t, page, waits+" finds its credentials expired (401).")
	for _, want := range []int{http.StatusTooManyRequests, http.StatusUnauthorized, http.StatusOK} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URLs["stripe"]+"/v1/payment_intents", nil)
		require.NoError(t, err)
		req.SetBasicAuth(StripeKey, "")
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, want, res.StatusCode)
	}
	res, err := http.Get(s.Page)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NotContains(t, string(body), waits)
}

func TestThePageLetsWebhooksComeTwiceAndLate(t *testing.T) {
	t.Parallel()
	s, got := start(t)
	ana := s.DrChrono.AddPatient(drchronosim.Patient{FirstName: "Ana", LastName: "Sample", BirthDate: "1980-02-03"})
	charge := func() string {
		post(t, s, "charge", url.Values{"patient": {ana}, "dollars": {"145"}})
		all := s.DrChrono.Charges()
		return all[len(all)-1].ID
	}
	ask := func(how, waits string) {
		status, page := post(t, s, "webhook", url.Values{"how": {how}})
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, page, "Waiting: the next webhook "+waits+".")
	}
	arrives := func(charge string) {
		t.Helper()
		_, body := next(t, got)
		require.Contains(t, body, charge)
	}
	ask("twice", "comes twice")
	first := charge()
	arrives(first)
	arrives(first)
	ask("late", "comes after the one that follows it")
	second := charge()
	third := charge()
	arrives(third)
	arrives(second)
	_, page := post(t, s, "charge", url.Values{"patient": {ana}, "dollars": {"145"}})
	require.NotContains(t, page, "Waiting: the next webhook")
}

func TestWhatThePageCannotDoItSays(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	ana := s.DrChrono.AddPatient(drchronosim.Patient{FirstName: "Ana", LastName: "Sample", BirthDate: "1980-02-03"})
	for _, tc := range []struct {
		form, says string
		values     url.Values
	}{
		{"charge", "a whole number of dollars up to 5000", url.Values{"patient": {ana}, "dollars": {"1.50"}}},
		{"charge", "no such patient", url.Values{"patient": {"nobody"}, "dollars": {"145"}}},
		{"delete", "no such charge", url.Values{"charge": {"1"}}},
		{"reply", "is not a number", url.Values{"from": {"<b>me"}, "text": {"STOP"}}},
		{"fault", "choose a platform", url.Values{"platform": {"fax"}, "kind": {"429"}}},
		{"fault", "choose a platform", url.Values{"platform": {"stripe"}, "kind": {"flood"}}},
		{"webhook", "choose how", url.Values{"how": {"never"}}},
	} {
		status, page := post(t, s, tc.form, tc.values)
		require.Equal(t, http.StatusBadRequest, status, tc.values)
		require.Contains(t, page, tc.says, tc.values)
		require.Contains(t, page, `<a href="/">Back to the sandbox</a>`)
		require.NotContains(t, page, "<b>me")
	}
	require.Empty(t, s.DrChrono.Charges())
	res, err := http.Post(s.Page+"/charge", "application/x-www-form-urlencoded", strings.NewReader("%zz"))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
}

func TestATakenPortIsNamed(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	u, err := url.Parse(s.Page)
	require.NoError(t, err)
	port, err := strconv.Atoi(u.Port())
	require.NoError(t, err)
	_, err = Start(t.Context(), Options{Port: port, Now: time.Now})
	require.ErrorContains(t, err, "port "+u.Port()+", which the sandbox needs, is taken")
}
