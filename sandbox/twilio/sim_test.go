package twiliosim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/sandbox/sim"
	twiliosim "github.com/copayflow/copayflow/sandbox/twilio"
)

const (
	patient = "+13125550142"
	root    = "/2010-04-01/Accounts/" + twiliosim.DefaultAccountSID
)

// rig is a simulator with the requests it makes recorded.
type rig struct {
	*testing.T
	*twiliosim.Server
	hooks *sim.Deliverer

	mu   sync.Mutex
	now  time.Time
	sent []*http.Request
}

func newRig(t *testing.T, c twiliosim.Config) *rig {
	t.Helper()
	r := &rig{T: t, now: time.Date(2026, 3, 4, 23, 59, 0, 0, time.UTC), hooks: sim.NewDeliverer()}
	r.hooks.Client = &http.Client{Transport: r}
	t.Cleanup(r.hooks.Close)
	r.Server = twiliosim.New(sim.Options{Now: r.time, Hooks: r.hooks}, c)
	t.Cleanup(r.Close)
	return r
}

func (r *rig) time() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.now }

func (r *rig) add(d time.Duration) { r.mu.Lock(); defer r.mu.Unlock(); r.now = r.now.Add(d) }

// RoundTrip records a webhook.
func (r *rig) RoundTrip(q *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(q.Body)
	q.Body = io.NopCloser(strings.NewReader(string(body)))
	_ = q.ParseForm()
	r.mu.Lock()
	r.sent = append(r.sent, q)
	r.mu.Unlock()
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func (r *rig) webhooks(n int) []*http.Request {
	r.Helper()
	require.Eventually(r, func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.sent) >= n }, 5*time.Second, time.Millisecond)
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Len(r, r.sent, n)
	return r.sent
}

func (r *rig) call(method, path string, form url.Values) (int, string) {
	r.Helper()
	target, body := path, ""
	if method == http.MethodGet && form != nil {
		target += "?" + form.Encode()
	} else {
		body = form.Encode()
	}
	q := httptest.NewRequest(method, target, strings.NewReader(body))
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.SetBasicAuth(twiliosim.DefaultAccountSID, twiliosim.DefaultAuthToken)
	w := httptest.NewRecorder()
	r.ServeHTTP(w, q)
	return w.Code, w.Body.String()
}

type page struct {
	Messages []struct {
		SID      string `json:"sid"`
		Body     string `json:"body"`
		Segments string `json:"num_segments"`
	} `json:"messages"`
	Next string `json:"next_page_uri"`
	Code int    `json:"code"`
	SID  string `json:"sid"`
	Body string `json:"body"`
	To   string `json:"to"`
	Stat string `json:"status"`
}

func (r *rig) json(want int, method, path string, form url.Values) page {
	r.Helper()
	status, body := r.call(method, path, form)
	require.Equal(r, want, status, body)
	var p page
	if want != http.StatusNoContent {
		var any map[string]json.RawMessage
		require.NoError(r, json.Unmarshal([]byte(body), &any))
		delete(any, "status") // a number in errors
		if raw, ok := any["code"]; ok {
			require.NoError(r, json.Unmarshal(raw, &p.Code))
			return p
		}
		require.NoError(r, json.Unmarshal([]byte(body), &p))
	}
	return p
}

func (r *rig) text(more url.Values) page {
	f := url.Values{"To": {patient}, "From": {twiliosim.DefaultNumber}, "Body": {"hello"}}
	for k, v := range more {
		f[k] = v
	}
	return r.json(http.StatusCreated, http.MethodPost, root+"/Messages.json", f)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, twiliosim.Config{})
	for code, change := range map[int]url.Values{
		21604: {"To": {""}}, 21211: {"To": {"+11"}}, 21408: {"To": {"+442071838750"}}, 21603: {"From": {""}}, 21659: {"From": {"+13125550100"}},
		21212: {"From": {"abc"}}, 21266: {"To": {twiliosim.DefaultNumber}}, 21602: {"Body": {""}}, 21617: {"Body": {strings.Repeat("é", 1601)}},
		21609: {"StatusCallback": {"not a url"}}, 21705: {"MessagingServiceSid": {"MG1"}},
		35114: {"MessagingServiceSid": {twiliosim.DefaultService}, "ScheduleType": {"fixed"}, "SendAt": {"2026-03-05T00:00:00Z"}},
	} {
		f := url.Values{"To": {patient}, "From": {twiliosim.DefaultNumber}, "Body": {"hello"}}
		for k, v := range change {
			f[k] = v
		}
		require.Equal(t, code, r.json(http.StatusBadRequest, http.MethodPost, root+"/Messages.json", f).Code)
	}
	for _, change := range []url.Values{{"ValidityPeriod": {"0"}}, {"ValidityPeriod": {"36001"}}, {"ContentRetention": {"burn"}}} {
		change["To"], change["From"], change["Body"] = []string{patient}, []string{twiliosim.DefaultNumber}, []string{"x"}
		r.json(http.StatusBadRequest, http.MethodPost, root+"/Messages.json", change)
	}
	require.Empty(t, r.Messages())
	r.text(url.Values{"Body": {strings.Repeat("é", 1600)}})
}

func TestXMLWithoutSuffix(t *testing.T) {
	t.Parallel()
	r := newRig(t, twiliosim.Config{})
	m := r.text(url.Values{"Body": {"a < b"}})
	_, body := r.call(http.MethodGet, root+"/Messages/"+m.SID, nil)
	require.Contains(t, body, "<TwilioResponse><Message><Sid>"+m.SID+"</Sid>")
	require.Contains(t, body, "<Body>a &lt; b</Body>")
	require.Contains(t, body, "<ErrorCode></ErrorCode>")
	_, body = r.call(http.MethodGet, root+"/Messages", nil)
	require.Contains(t, body, "<Messages><Message><Sid>")
	status, body := r.call(http.MethodGet, root+"/Messages/SM1", nil)
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, body, "<RestException><Code>20404</Code>")
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	r := newRig(t, twiliosim.Config{APIKeySID: "SK1", APIKeySecret: "s"})
	try := func(path, user, password string) int {
		q := httptest.NewRequest(http.MethodGet, path, nil)
		if user != "" {
			q.SetBasicAuth(user, password)
		}
		w := httptest.NewRecorder()
		r.ServeHTTP(w, q)
		require.NotEmpty(t, w.Header().Get("Twilio-Request-Id"))
		return w.Code
	}
	require.Equal(t, 401, try(root+"/Messages.json", "", ""))
	require.Equal(t, 401, try(root+"/Messages.json", "SK1", "other"))
	require.Equal(t, 200, try(root+"/Messages.json", "SK1", "s"))
	require.Equal(t, 401, try(root+".json", "SK1", "s"), "a standard key may not read the account")
	require.Equal(t, 200, try(root+".json", twiliosim.DefaultAccountSID, twiliosim.DefaultAuthToken))
	require.Equal(t, 404, try("/2010-04-01/Accounts/AC1/Messages.json", "SK1", "s"))
	require.Equal(t, 404, try("/2010-04-01/Calls.json", "SK1", "s"))
	require.Equal(t, 404, try(root+"/Calls.json", "SK1", "s"))
}

func TestPagesStandStillWhenTextsArrive(t *testing.T) {
	t.Parallel()
	r := newRig(t, twiliosim.Config{})
	var want []string
	for range 5 {
		want = append([]string{r.text(nil).SID}, want...)
	}
	p := r.json(200, http.MethodGet, root+"/Messages.json", url.Values{"PageSize": {"2"}, "To": {patient}})
	var got []string
	for {
		for _, m := range p.Messages {
			got = append(got, m.SID)
		}
		if p.Next == "" {
			break
		}
		require.True(t, strings.HasPrefix(p.Next, root), "relative to the host: %s", p.Next)
		r.text(nil) // arrives meanwhile
		p = r.json(200, http.MethodGet, p.Next, nil)
	}
	require.Equal(t, want, got)
	require.Equal(t, 20007, r.json(400, http.MethodGet, root+"/Messages.json", url.Values{"PageSize": {"1001"}}).Code)
	r.json(400, http.MethodGet, root+"/Messages.json", url.Values{"PageToken": {"PA1"}})
	r.json(400, http.MethodGet, root+"/Messages.json", url.Values{"Page": {"1"}})
	r.json(400, http.MethodGet, root+"/Messages.json", url.Values{"PageSize": {"x"}})
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	r := newRig(t, twiliosim.Config{MoreNumbers: []string{"+13125550100"}})
	r.text(nil)
	r.add(2 * time.Minute) // past midnight
	r.text(url.Values{"From": {"+13125550100"}})
	count := func(q url.Values) int { return len(r.json(200, http.MethodGet, root+"/Messages.json", q).Messages) }
	require.Equal(t, 2, count(nil))
	require.Equal(t, 1, count(url.Values{"From": {"+13125550100"}}))
	require.Equal(t, 0, count(url.Values{"To": {"+13125550100"}}))
	require.Equal(t, 1, count(url.Values{"DateSent": {"2026-03-04"}}))
	require.Equal(t, 1, count(url.Values{"DateSent>": {"2026-03-05"}}))
	require.Equal(t, 2, count(url.Values{"DateSent<": {"2026-03-05T00:00:00Z"}}))
	// Whole days in GMT, whatever the time and the zone in the filter.
	require.Equal(t, 1, count(url.Values{"DateSent<": {"2026-03-04"}}))
	require.Equal(t, 1, count(url.Values{"DateSent>": {"2026-03-05T23:59:59Z"}}))
	require.Equal(t, 1, count(url.Values{"DateSent>": {"2026-03-04T20:00:00-06:00"}}))
	require.Equal(t, 0, count(url.Values{"DateSent>": {"2026-03-06"}}))
	require.Equal(t, 1, count(url.Values{"DateSent>": {"2026-03-04"}, "DateSent<": {"2026-03-04"}}))
	for _, form := range []string{"03/05/2026 22:05:25 GMT", "2026-03-05 22:05:25.000", "Thu, 05 Mar 2026 22:04:00 -0000"} { // of the specification
		require.Equal(t, 1, count(url.Values{"DateSent>": {form}}), form)
	}
	for _, wrong := range []string{"yesterday", "2026-03-05Tnoon", "2026-02-30", ">=2026-03-05"} {
		require.Equal(t, 20001, r.json(400, http.MethodGet, root+"/Messages.json", url.Values{"DateSent": {wrong}}).Code, wrong)
	}
}

// A page's next one has the same filters.
func TestPagesKeepTheirFilters(t *testing.T) {
	t.Parallel()
	r := newRig(t, twiliosim.Config{})
	r.text(nil)
	r.add(2 * time.Minute) // past midnight
	r.text(nil)
	r.text(nil)
	p := r.json(200, http.MethodGet, root+"/Messages.json", url.Values{"DateSent>": {"2026-03-05"}, "DateSent<": {"2026-03-05"}, "PageSize": {"1"}})
	require.Contains(t, p.Next, "DateSent%3E=2026-03-05")
	p = r.json(200, http.MethodGet, p.Next, nil)
	require.Len(t, p.Messages, 1)
	require.Empty(t, p.Next)
}

func TestListsMayLag(t *testing.T) {
	t.Parallel()
	r := newRig(t, twiliosim.Config{ListLag: time.Minute})
	r.text(nil)
	require.Empty(t, r.json(200, http.MethodGet, root+"/Messages.json", nil).Messages)
	r.add(time.Minute)
	require.Len(t, r.json(200, http.MethodGet, root+"/Messages.json", nil).Messages, 1)
}

func TestDeliveryStepByStep(t *testing.T) {
	t.Parallel()
	r := newRig(t, twiliosim.Config{NoDelivery: true})
	m := r.text(url.Values{"StatusCallback": {"https://h.example/a?n=ref-1#rc=5"}})
	require.Equal(t, "queued", m.Stat)
	path := root + "/Messages/" + m.SID + ".json"
	require.Equal(t, 20009, r.json(409, http.MethodDelete, path, nil).Code)
	require.Equal(t, 20009, r.json(409, http.MethodPost, path, url.Values{"Body": {""}}).Code)
	require.Equal(t, 30409, r.json(400, http.MethodPost, path, url.Values{"Status": {"canceled"}}).Code)
	var seen []string
	for r.Advance(m.SID) {
		seen = append(seen, r.Messages()[0].Status)
	}
	require.Equal(t, []string{"sending", "sent", "delivered"}, seen)
	require.False(t, r.Advance("SM1"))
	require.Equal(t, "ref-1", r.Messages()[0].Ref)
	for _, q := range r.webhooks(3) {
		require.Equal(t, "https://h.example/a?n=ref-1", q.URL.String(), "the fragment is not sent")
		require.Equal(t, q.PostForm.Get("MessageStatus") == "delivered", q.PostForm.Has("RawDlrDoneDate"))
		require.False(t, q.PostForm.Has("ErrorCode"))
	}
	r.json(400, http.MethodPost, path, url.Values{"Body": {"other"}})
	r.json(400, http.MethodPost, path, url.Values{"Status": {"sent"}})
	require.Empty(t, r.json(200, http.MethodPost, path, url.Values{"Body": {""}}).Body)
	require.Equal(t, "hello", r.Messages()[0].Body, "the inspection still sees it")
	require.Equal(t, m.SID+" delivered", r.Messages()[0].String())
	r.json(405, http.MethodPut, path, nil)
	r.json(405, http.MethodPut, root+"/Messages.json", nil)
	r.json(204, http.MethodDelete, path, nil)
	require.Equal(t, 20404, r.json(404, http.MethodGet, path, nil).Code)
}

func TestDeliveryByItself(t *testing.T) {
	t.Parallel()
	r := newRig(t, twiliosim.Config{Delay: time.Millisecond})
	r.text(nil)
	require.Eventually(t, func() bool { return r.Messages()[0].Status == "delivered" }, 5*time.Second, time.Millisecond)
}

func TestRetention(t *testing.T) {
	t.Parallel()
	r := newRig(t, twiliosim.Config{})
	m := r.text(url.Values{"ContentRetention": {"discard"}, "AddressRetention": {"obfuscate"}})
	got := r.json(200, http.MethodGet, root+"/Messages/"+m.SID+".json", nil)
	require.Empty(t, got.Body)
	require.Equal(t, "+1312555XXXX", got.To)
}

func TestScheduling(t *testing.T) {
	t.Parallel()
	r := newRig(t, twiliosim.Config{})
	later := url.Values{"From": {""}, "MessagingServiceSid": {twiliosim.DefaultService}, "ScheduleType": {"fixed"}, "SendAt": {"2026-03-05T12:00:00Z"}}
	first, second := r.text(later), r.text(later)
	require.Equal(t, "scheduled", first.Stat)
	require.False(t, r.Advance(first.SID))
	r.json(200, http.MethodPost, root+"/Messages/"+first.SID+".json", url.Values{"Status": {"canceled"}})
	r.add(13 * time.Hour)
	require.Equal(t, "canceled", r.Messages()[0].Status)
	require.Equal(t, "delivered", r.Messages()[1].Status, second.SID)

	// Without a service the schedule is dropped in silence.
	now := r.text(url.Values{"ScheduleType": {"fixed"}, "SendAt": {"2026-03-09T12:00:00Z"}})
	require.Equal(t, "queued", now.Stat)
}

func TestSegments(t *testing.T) {
	t.Parallel()
	r := newRig(t, twiliosim.Config{})
	for text, want := range map[string]string{
		strings.Repeat("a", 160): "1", strings.Repeat("a", 161): "2", strings.Repeat("€", 80): "1", strings.Repeat("€", 81): "2",
		strings.Repeat("é", 160): "1", strings.Repeat("ж", 70): "1", strings.Repeat("ж", 71): "2", strings.Repeat("🛑", 35): "1", strings.Repeat("🛑", 36): "2",
	} {
		r.text(url.Values{"Body": {text}})
		list := r.json(200, http.MethodGet, root+"/Messages.json", url.Values{"PageSize": {"1"}})
		require.Equal(t, want, list.Messages[0].Segments, text)
	}
}

func TestStopIsPerSender(t *testing.T) {
	t.Parallel()
	r := newRig(t, twiliosim.Config{InboundURL: "https://h.example/in#rc=5", SignWithPort: true})
	_, err := r.Receive("312", "hi")
	require.Error(t, err)
	sid, err := r.Receive(patient, "Stop")
	require.NoError(t, err)
	require.True(t, r.OptedOut(patient))
	q := r.webhooks(1)[0]
	require.Equal(t, sid, q.PostForm.Get("MessageSid"))
	require.Equal(t, "received", q.PostForm.Get("SmsStatus"))
	require.False(t, q.PostForm.Has("OptOutType"), "only with Advanced Opt-Out")
	require.True(t, q.PostForm.Has("FromZip"), "empty parameters are sent, too")

	_, err = r.Receive(patient, "STOP")
	require.NoError(t, err)
	confirmations := 0
	for _, m := range r.Messages() {
		if m.Direction == "outbound-reply" {
			confirmations++
		}
	}
	require.Equal(t, 1, confirmations)
	f := url.Values{"To": {patient}, "From": {twiliosim.DefaultNumber}, "Body": {"x"}}
	require.Equal(t, 21610, r.json(400, http.MethodPost, root+"/Messages.json", f).Code)
	r.text(url.Values{"From": {twiliosim.TestNumber}}) // another sender still gets through
	_, err = r.Receive(patient, "STOP PLEASE")
	require.NoError(t, err)
	_, err = r.Receive(patient, "HELP")
	require.NoError(t, err)
	require.True(t, r.OptedOut(patient))
	r.SetInbound("")
	_, err = r.Receive(patient, "unstop")
	require.NoError(t, err)
	require.True(t, r.OptedOut(patient), "the text went to the sender that wrote last")
}

func TestFaultBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t, twiliosim.Config{})
	for kind, want := range map[sim.FaultKind][2]int{sim.FaultRateLimit: {429, 20429}, sim.FaultServer: {500, 20500}, sim.FaultToken: {401, 20003}} {
		r.Faults().Add(sim.Fault{Kind: kind})
		require.Equal(t, want[1], r.json(want[0], http.MethodGet, root+"/Messages.json", nil).Code)
	}
}
