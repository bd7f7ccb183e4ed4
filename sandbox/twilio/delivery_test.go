package twiliosim_test

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the platform's scheme
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	twiliosim "github.com/copayflow/copayflow/sandbox/twilio"
)

const callback = "https://h.example/webhooks/twilio/lakeside?n=ref-1"

// posts waits for n webhooks and sorts them by status, because webhooks do not
// wait for each other.
func (r *rig) posts(n int) map[string]url.Values {
	r.Helper()
	out := map[string]url.Values{}
	for _, q := range r.webhooks(n) {
		out[q.PostForm.Get("MessageStatus")] = q.PostForm
	}
	return out
}

// wire is a message as the API shows it.
func (r *rig) wire(sid string) map[string]any {
	r.Helper()
	status, body := r.call(http.MethodGet, root+"/Messages/"+sid+".json", nil)
	require.Equal(r, http.StatusOK, status)
	var m map[string]any
	require.NoError(r, json.Unmarshal([]byte(body), &m))
	return m
}

// TestSenders: what a message may be sent from, and how it begins.
func TestSenders(t *testing.T) {
	t.Parallel()
	const more = "+13125550100"
	for name, tc := range map[string]struct {
		from, service, begins string
		code, status          int
	}{
		"our number":               {from: twiliosim.DefaultNumber, begins: "queued"},
		"another of ours":          {from: more, begins: "queued"},
		"the test number":          {from: twiliosim.TestNumber, begins: "queued"},
		"the service":              {service: twiliosim.DefaultService, begins: "accepted"},
		"the service, by a number": {from: more, service: twiliosim.DefaultService, begins: "accepted"},
		"nobody":                   {code: 21603, status: 400},
		"somebody else's":          {from: "+13125559999", code: 21659, status: 400},
		"no number":                {from: "Lakeside", code: 21212, status: 400},
		"the invalid one":          {from: "+15005550001", code: 21212, status: 400},
		"one that cannot text":     {from: "+15005550007", code: 21606, status: 400},
		"one whose queue is full":  {from: "+15005550008", code: 21611, status: 429},
		"another service":          {service: "MG11111111111111111111111111111111", code: 21705, status: 400},
		"no service":               {service: "MG1", code: 21705, status: 400},
	} {
		r := newRig(t, twiliosim.Config{MoreNumbers: []string{more}, NoDelivery: true})
		form := url.Values{"To": {patient}, "Body": {"hello"}, "From": {tc.from}, "MessagingServiceSid": {tc.service}}
		if tc.code != 0 {
			require.Equal(t, tc.code, r.json(tc.status, http.MethodPost, root+"/Messages.json", form).Code, name)
			require.Empty(t, r.Messages(), name)
			continue
		}
		m := r.wire(r.json(http.StatusCreated, http.MethodPost, root+"/Messages.json", form).SID)
		require.Equal(t, tc.begins, m["status"], name)
		require.Equal(t, orNull(tc.from), m["from"], "%s: a service picks later", name)
		require.Equal(t, orNull(tc.service), m["messaging_service_sid"], name)
		parts := "1"
		if tc.from == "" {
			parts = "0"
		}
		require.Equal(t, parts, m["num_segments"], "%s: counted when the sender is known", name)
		for _, unknown := range []string{"date_sent", "price", "error_code", "error_message"} {
			require.Nil(t, m[unknown], "%s: %s", name, unknown)
		}
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// TestMagicRecipients are refused as the test credentials do.
func TestMagicRecipients(t *testing.T) {
	t.Parallel()
	for to, code := range map[string]int{"+15005550001": 21211, "+15005550002": 21612, "+15005550003": 21408, "+15005550004": 21610, "+15005550009": 21614} {
		r := newRig(t, twiliosim.Config{})
		form := url.Values{"To": {to}, "Body": {"hello"}, "From": {twiliosim.TestNumber}}
		status, body := r.call(http.MethodPost, root+"/Messages.json", form)
		require.Equal(t, http.StatusBadRequest, status)
		var e map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &e))
		require.EqualValues(t, code, e["code"], to)
		require.EqualValues(t, 400, e["status"])
		require.Equal(t, "https://www.twilio.com/docs/errors/"+strconv.Itoa(code), e["more_info"])
		require.NotEmpty(t, e["message"])
		require.Empty(t, r.Messages())
	}
}

// TestOutcomes follows texts to each end.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for to, tc := range map[string]struct {
		steps []string
		code  int
	}{
		patient:               {[]string{"queued", "sending", "sent", "delivered"}, 0},
		twiliosim.Unreachable: {[]string{"queued", "sending", "sent", "undelivered"}, 30003},
		"+15005551004":        {[]string{"queued", "sending", "sent", "undelivered"}, 30004},
		"+15005551005":        {[]string{"queued", "sending", "sent", "undelivered"}, 30005},
		twiliosim.Landline:    {[]string{"queued", "sending", "sent", "undelivered"}, 30006},
		"+15005551007":        {[]string{"queued", "sending", "sent", "undelivered"}, 30007},
		"+15005551008":        {[]string{"queued", "sending", "sent", "undelivered"}, 30008},
		"+15005551034":        {[]string{"queued", "failed"}, 30034},
		"+15005551099":        {[]string{"queued", "sending", "sent"}, 0},
		"+13125550777":        {[]string{"queued", "failed"}, 21610},
	} {
		r := newRig(t, twiliosim.Config{})
		r.SetOutcome("+13125550777", "failed", 21610)
		m := r.text(url.Values{"To": {to}, "From": {""}, "MessagingServiceSid": {twiliosim.DefaultService}, "StatusCallback": {callback}})
		require.Equal(t, "accepted", m.Stat, "the answer tells the first status, no callback does")
		posts := r.posts(len(tc.steps))
		for _, step := range tc.steps {
			p, ok := posts[step]
			require.True(t, ok, "%s: no %s", to, step)
			require.Equal(t, []string{m.SID, m.SID, step, to, twiliosim.DefaultNumber, twiliosim.DefaultAccountSID, twiliosim.DefaultService},
				[]string{p.Get("MessageSid"), p.Get("SmsSid"), p.Get("SmsStatus"), p.Get("To"), p.Get("From"), p.Get("AccountSid"), p.Get("MessagingServiceSid")})
			failed := step == "undelivered" || step == "failed"
			require.Equal(t, failed, p.Has("ErrorCode"), "%s: %s", to, step)
			require.Equal(t, step == "delivered" || step == "undelivered", p.Has("RawDlrDoneDate"), "%s: %s", to, step)
			if failed {
				require.Equal(t, strconv.Itoa(tc.code), p.Get("ErrorCode"))
			}
		}
		got := r.wire(m.SID)
		require.Equal(t, tc.steps[len(tc.steps)-1], got["status"])
		require.Equal(t, slices.Contains(tc.steps, "sent"), got["date_sent"] != nil, "%s left the queue", to)
		if tc.code != 0 {
			require.EqualValues(t, tc.code, got["error_code"], to)
			require.NotEmpty(t, got["error_message"], to)
		}
	}
}

// TestValidity: a text that waits longer than it may never leaves.
func TestValidity(t *testing.T) {
	t.Parallel()
	for waited, want := range map[time.Duration]string{59 * time.Second: "delivered", 60 * time.Second: "delivered", 61 * time.Second: "failed"} {
		r := newRig(t, twiliosim.Config{NoDelivery: true})
		m := r.text(url.Values{"ValidityPeriod": {"60"}})
		r.add(waited)
		r.Deliver(m.SID)
		got := r.wire(m.SID)
		require.Equal(t, want, got["status"], waited)
		if want == "failed" {
			require.EqualValues(t, 30036, got["error_code"])
			require.Nil(t, got["date_sent"])
		}
	}
}

// TestCallbacksAreSigned checks a signature as the documentation says, for an
// address with and without its port written out.
func TestCallbacksAreSigned(t *testing.T) {
	t.Parallel()
	for address, signed := range map[string][2]string{
		callback:                     {callback, "https://h.example:443/webhooks/twilio/lakeside?n=ref-1"},
		"http://h.example/a":         {"http://h.example/a", "http://h.example:80/a"},
		"https://h.example:8443/a#x": {"https://h.example:8443/a", "https://h.example:8443/a"},
	} {
		for i, withPort := range []bool{false, true} {
			r := newRig(t, twiliosim.Config{SignWithPort: withPort})
			m := r.text(url.Values{"StatusCallback": {address}})
			r.webhooks(3)
			require.True(t, r.Resend(m.SID))
			for _, q := range r.webhooks(4) {
				text := signed[i]
				for _, name := range slices.Sorted(maps.Keys(q.PostForm)) {
					text += name + q.PostForm.Get(name)
				}
				mac := hmac.New(sha1.New, []byte(twiliosim.DefaultAuthToken))
				mac.Write([]byte(text))
				require.Equal(t, base64.StdEncoding.EncodeToString(mac.Sum(nil)), q.Header.Get("X-Twilio-Signature"), address)
				require.NotContains(t, q.URL.String(), "#")
				require.NotEmpty(t, q.Header.Get("I-Twilio-Idempotency-Token"))
			}
		}
	}
	require.False(t, newRig(t, twiliosim.Config{}).Resend("SM1"))
}

// TestKeywords: one word and nothing else, in any case; everything is posted to
// the webhook all the same, and only Advanced Opt-Out says how it was read.
func TestKeywords(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"STOP": "STOP", "stop": "STOP", " Stop ": "STOP", "STOPALL": "STOP", "Unsubscribe": "STOP", "CANCEL": "STOP", "end": "STOP", "QUIT": "STOP",
		"REVOKE": "STOP", "OptOut": "STOP", "START": "START", "yes": "START", "UNSTOP": "START", "HELP": "HELP", "info": "HELP",
		"STOP PLEASE": "", "stop.": "", "opt out": "", "no": "", "": "", "🛑": "", "startle": "",
	} {
		for _, advanced := range []bool{false, true} {
			r := newRig(t, twiliosim.Config{InboundURL: "https://h.example/in", AdvancedOptOut: advanced})
			sid, err := r.Receive(patient, body)
			require.NoError(t, err)
			p := r.webhooks(1)[0].PostForm
			require.Equal(t, []string{sid, patient, twiliosim.DefaultNumber, body, "received", "0"},
				[]string{p.Get("MessageSid"), p.Get("From"), p.Get("To"), p.Get("Body"), p.Get("SmsStatus"), p.Get("NumMedia")})
			require.Equal(t, advanced && want != "", p.Has("OptOutType"), body)
			if advanced {
				require.Equal(t, want, p.Get("OptOutType"), body)
			}
			require.Equal(t, want == "STOP", r.OptedOut(patient), body)
			replies := slices.DeleteFunc(r.Messages(), func(m twiliosim.Message) bool { return m.Direction != "outbound-reply" })
			require.Equal(t, want == "STOP" || want == "HELP", len(replies) == 1, "%q: START answers only who had stopped", body)
		}
	}
}

// TestOptOutAndBack: after STOP nothing goes out until START.
func TestOptOutAndBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, twiliosim.Config{})
	byService := url.Values{"To": {patient}, "Body": {"x"}, "MessagingServiceSid": {twiliosim.DefaultService}}
	byNumber := url.Values{"To": {patient}, "Body": {"x"}, "From": {twiliosim.DefaultNumber}}
	say := func(word string) {
		_, err := r.Receive(patient, word)
		require.NoError(t, err)
	}
	say("STOP")
	for _, form := range []url.Values{byService, byNumber} {
		require.Equal(t, 21610, r.json(http.StatusBadRequest, http.MethodPost, root+"/Messages.json", form).Code, "the service shares its numbers' opt-outs")
	}
	other := changed(byService, "To", "+13125550143")
	r.json(http.StatusCreated, http.MethodPost, root+"/Messages.json", other)
	say("please start")
	require.True(t, r.OptedOut(patient), "no key word")
	say("START")
	require.False(t, r.OptedOut(patient))
	r.json(http.StatusCreated, http.MethodPost, root+"/Messages.json", byService)
	texts := r.Messages()
	require.Contains(t, texts[1].Body, "unsubscribed")
	require.Contains(t, texts[len(texts)-2].Body, "re-subscribed")
}

// changed is a form with one value changed.
func changed(f url.Values, name, value string) url.Values {
	out := maps.Clone(f)
	out.Set(name, value)
	return out
}

// TestRefusedOptionsLeaveNothing asks for options beyond their bounds.
func TestRefusedOptionsLeaveNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, twiliosim.Config{})
	service := twiliosim.DefaultService
	at := func(d time.Duration) string { return r.time().Add(d).Format(time.RFC3339) }
	for name, tc := range map[string]struct {
		form url.Values
		code int
	}{
		"no validity":        {url.Values{"ValidityPeriod": {"0"}}, 20001},
		"too long a wait":    {url.Values{"ValidityPeriod": {"36001"}}, 20001},
		"a wait in words":    {url.Values{"ValidityPeriod": {"soon"}}, 20001},
		"a mailto callback":  {url.Values{"StatusCallback": {"mailto:a@b.example"}}, 21609},
		"half a callback":    {url.Values{"StatusCallback": {"/webhooks"}}, 21609},
		"burn after reading": {url.Values{"ContentRetention": {"burn"}}, 20001},
		"forget the number":  {url.Values{"AddressRetention": {"discard"}}, 20001},
		"too soon":           {url.Values{"MessagingServiceSid": {service}, "ScheduleType": {"fixed"}, "SendAt": {at(14 * time.Minute)}}, 35114},
		"too late":           {url.Values{"MessagingServiceSid": {service}, "ScheduleType": {"fixed"}, "SendAt": {at(36 * 24 * time.Hour)}}, 35114},
		"no time":            {url.Values{"MessagingServiceSid": {service}, "ScheduleType": {"fixed"}}, 35114},
		"a loose schedule":   {url.Values{"MessagingServiceSid": {service}, "ScheduleType": {"loose"}, "SendAt": {at(time.Hour)}}, 35114},
		"too long a text":    {url.Values{"Body": {strings.Repeat("a", 1601)}}, 21617},
		"to ourselves":       {url.Values{"To": {twiliosim.DefaultNumber}}, 21266},
		"to a short number":  {url.Values{"To": {"+1312555014"}}, 21211},
		"to area code 1":     {url.Values{"To": {"+11125550142"}}, 21211},
		"no plus":            {url.Values{"To": {"13125550142"}}, 21211},
		"to another country": {url.Values{"To": {"+442071838750"}}, 21408},
	} {
		f := url.Values{"To": {patient}, "From": {twiliosim.DefaultNumber}, "Body": {"hello"}}
		for k, v := range tc.form {
			f[k] = v
		}
		require.Equal(t, tc.code, r.json(http.StatusBadRequest, http.MethodPost, root+"/Messages.json", f).Code, name)
	}
	require.Empty(t, r.Messages())
	for _, ok := range []string{at(15 * time.Minute), at(35 * 24 * time.Hour)} {
		m := r.text(url.Values{"MessagingServiceSid": {service}, "ScheduleType": {"fixed"}, "SendAt": {ok}})
		require.Equal(t, "scheduled", m.Stat)
	}
}
