package twilio_test

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the platform's scheme
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/twilio"
	"github.com/copayflow/copayflow/internal/spectest"
	twiliosim "github.com/copayflow/copayflow/sandbox/twilio"
)

func TestStatusCallbacks(t *testing.T) {
	t.Parallel()
	for _, withPort := range []bool{false, true} {
		b := newBench(t, func(c *twiliosim.Config) { c.SignWithPort = withPort })
		m := b.message(patient)
		sent, err := b.conn.Send(t.Context(), m)
		require.NoError(t, err)
		for raw, want := range map[string]integrations.DeliveryStatus{"queued": integrations.DeliveryQueued, "sending": integrations.DeliveryQueued,
			"sent": integrations.DeliverySent, "delivered": integrations.DeliveryDelivered} {
			e := b.event(sent.ID + ":" + raw)
			require.Equal(t, integrations.Event{ID: sent.ID + ":" + raw, Kind: integrations.EventMessageStatus, Type: "status." + raw, At: b.clock.now(),
				Ref: m.Ref, CoPay: m.Ref.CoPay(), Object: sent.ID, Status: string(want), Channel: "sms"}, e)
		}
	}
}

func TestFailuresTellAboutTheNumber(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.sim.SetOutcome("+13125550199", "failed", 21610)
	for to, want := range map[string]struct {
		raw, code string
		status    integrations.DeliveryStatus
		address   integrations.EventKind
	}{
		twiliosim.Landline:    {"undelivered", "30006", integrations.DeliveryFailed, integrations.EventAddressBad},
		"+15005551005":        {"undelivered", "30005", integrations.DeliveryFailed, integrations.EventAddressBad},
		twiliosim.Unreachable: {"undelivered", "30003", integrations.DeliveryFailed, ""},
		"+13125550199":        {"failed", "21610", integrations.DeliveryOptedOut, integrations.EventMessageOptOut},
	} {
		sent, err := b.conn.Send(t.Context(), b.message(to))
		require.NoError(t, err)
		e := b.event(sent.ID + ":" + want.raw)
		require.Equal(t, string(want.status), e.Status)
		require.Equal(t, want.code, e.Code)
		about, ok := b.events()[e.ID+":address"]
		require.Equal(t, want.address != "", ok)
		require.Equal(t, want.address, about.Kind)
		if ok {
			require.Equal(t, to, about.Address)
			require.Equal(t, want.code, about.Code)
		}
	}
}

func TestInboundTexts(t *testing.T) {
	t.Parallel()
	for _, advanced := range []bool{false, true} {
		b := newBench(t, func(c *twiliosim.Config) { c.AdvancedOptOut = advanced })
		for text, want := range map[string]integrations.EventKind{
			"STOP": integrations.EventMessageOptOut, " stop ": integrations.EventMessageOptOut, "Opt-out!": integrations.EventMessageOptOut,
			"QUIT": integrations.EventMessageOptOut, "Start": integrations.EventMessageOptIn, "help": integrations.EventMessageHelp,
			"please don't text me ¡por favor!": integrations.EventMessageInbound, "I paid at the desk + cash & check": integrations.EventMessageInbound,
		} {
			sid, err := b.sim.Receive(patient, text)
			require.NoError(t, err)
			e := b.event(sid + ":received")
			require.Equal(t, want, e.Kind, text)
			require.Equal(t, patient, e.Address)
			require.Equal(t, sid, e.Object)
			require.Equal(t, b.clock.now(), e.At)
			require.NotContains(t, e.Type, "text")
			if want == integrations.EventMessageInbound {
				require.Equal(t, text, e.Text)
			} else {
				require.Empty(t, e.Text, "a key word needs no keeping")
			}
		}
	}
}

func TestInboundReplyIsSilent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	sid, err := b.sim.Receive(patient, "STOP")
	require.NoError(t, err)
	b.event(sid + ":received")
	a, err := b.conn.Verify(t.Context(), b.received()[0])
	require.NoError(t, err)
	require.Equal(t, "text/xml", a.Reply.ContentType)
	require.Contains(t, string(a.Reply.Body), "<Response/>")
	var replies int
	for _, m := range b.sim.Messages() {
		if m.Direction == "outbound-reply" {
			replies++
		}
	}
	require.Equal(t, 1, replies, "the platform confirms by itself")
}

func TestRedeliveryHasTheSameID(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	sent, err := b.conn.Send(t.Context(), b.message(patient))
	require.NoError(t, err)
	const n = 4 // queued, sending, sent, delivered
	require.Eventually(t, func() bool { return len(b.received()) == n }, 5*time.Second, 5*time.Millisecond)
	before := len(b.events())
	b.hooks.Duplicate(1)
	require.True(t, b.sim.Resend(sent.ID))
	require.Eventually(t, func() bool { return len(b.received()) == n+2 }, 5*time.Second, 5*time.Millisecond)
	require.Len(t, b.events(), before)
}

// post signs a form by the documented scheme, apart from connector and simulator.
func post(address string, p url.Values) integrations.Webhook {
	names := make([]string, 0, len(p))
	for n := range p {
		names = append(names, n)
	}
	text := address
	for len(names) > 0 {
		least := 0
		for i := range names {
			if names[i] < names[least] {
				least = i
			}
		}
		text += names[least] + p.Get(names[least])
		names = append(names[:least], names[least+1:]...)
	}
	return integrations.Webhook{Method: http.MethodPost, URL: address, Body: []byte(p.Encode()), Header: http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "X-Twilio-Signature": {signature(token, text)}}}
}

func signature(key, text string) string {
	mac := hmac.New(sha1.New, []byte(key))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

const hookURL = "https://copay.example/webhooks/twilio/lakeside?n=cp_0123456789abcdef-msg-1"

func statusForm() url.Values {
	return url.Values{"MessageSid": {"SM" + strings.Repeat("a", 32)}, "MessageStatus": {"delivered"}, "From": {"+15551230000"}, "To": {patient},
		"ErrorMessage": {""}, "aLowerCase": {"after Z"}}
}

func plainConnector(t testing.TB, more map[string]any) *twilio.Connector {
	return connectTo(t, "http://127.0.0.1:1", hookURL, time.Now, more)
}

func TestSignatureIsStrict(t *testing.T) {
	t.Parallel()
	c := plainConnector(t, nil)
	good := post(hookURL, statusForm())
	_, err := c.Verify(t.Context(), good)
	require.NoError(t, err)
	for name, change := range map[string]func(*integrations.Webhook){
		"changed value": func(w *integrations.Webhook) {
			w.Body = []byte(strings.Replace(string(w.Body), "delivered", "failed", 1))
		},
		"added parameter": func(w *integrations.Webhook) { w.Body = append(w.Body, "&x="...) },
		"empty one left out": func(w *integrations.Webhook) {
			w.Body = []byte(strings.Replace(string(w.Body), "ErrorMessage=&", "", 1))
		},
		"other reference":      func(w *integrations.Webhook) { w.URL = strings.Replace(w.URL, "msg-1", "msg-2", 1) },
		"other scheme":         func(w *integrations.Webhook) { w.URL = strings.Replace(w.URL, "https", "http", 1) },
		"trailing slash":       func(w *integrations.Webhook) { w.URL = strings.Replace(w.URL, "lakeside?", "lakeside/?", 1) },
		"other token":          func(w *integrations.Webhook) { w.Header.Set("X-Twilio-Signature", signature("other", w.URL)) },
		"not base64":           func(w *integrations.Webhook) { w.Header.Set("X-Twilio-Signature", "%%") },
		"not signed":           func(w *integrations.Webhook) { w.Header.Del("X-Twilio-Signature") },
		"form taken for JSON":  func(w *integrations.Webhook) { w.Header.Set("Content-Type", "application/json") },
		"empty signature text": func(w *integrations.Webhook) { w.Header.Set("X-Twilio-Signature", " ") },
	} {
		w := post(hookURL, statusForm())
		change(&w)
		_, err := c.Verify(t.Context(), w)
		requireKind(t, integrations.KindUnauthorized, err)
		require.NotEmpty(t, name)
	}
	w := post(hookURL, statusForm())
	w.Method = http.MethodGet
	_, err = c.Verify(t.Context(), w)
	requireKind(t, integrations.KindInvalid, err)
	w = post(hookURL, statusForm())
	w.Body = []byte("a=%zz")
	_, err = c.Verify(t.Context(), w)
	requireKind(t, integrations.KindInvalid, err)
	_, err = plainConnector(t, map[string]any{"auth_tokens": []any{}}).Verify(t.Context(), good)
	requireKind(t, integrations.KindUnauthorized, err)
	_, err = plainConnector(t, map[string]any{"auth_tokens": []any{"literal:next"}}).Verify(t.Context(), good)
	requireKind(t, integrations.KindUnauthorized, err)
}

func TestSignatureSpellingsOfTheURL(t *testing.T) {
	t.Parallel()
	c := plainConnector(t, nil)
	for signedURL, received := range map[string]string{
		"https://h.example/a?b=%2F":          "https://h.example:8443/a?b=%2F#rc=5&rp=all",
		"https://h.example:443/a":            "https://h.example/a",
		"http://h.example:80/a":              "http://h.example/a",
		"https://h.example:8443":             "https://h.example:8443",
		"https://u:p@h.example/a":            "https://u:p@h.example:443/a",
		"https://[2001:db8::1]/a?n=1&x=y:z@": "https://[2001:db8::1]:443/a?n=1&x=y:z@",
		"https://[2001:db8::1]:443/a":        "https://[2001:db8::1]/a",
		"https://h.example:443?n=1":          "https://h.example?n=1",
	} {
		w := post(signedURL, statusForm())
		w.URL = received
		_, err := c.Verify(t.Context(), w)
		require.NoError(t, err, received)
	}
}

func TestRepeatedParametersCountOnceEach(t *testing.T) {
	t.Parallel()
	w := post(hookURL, url.Values{})
	w.Body = []byte("B=2&A=z&A=b&A=z&A=")
	w.Header.Set("X-Twilio-Signature", signature(token, hookURL+"A"+"Ab"+"Az"+"B2"))
	a, err := plainConnector(t, nil).Verify(t.Context(), w)
	require.NoError(t, err)
	require.Equal(t, integrations.EventIgnored, a.Events[0].Kind)
}

func TestJSONBodies(t *testing.T) {
	t.Parallel()
	c := plainConnector(t, nil)
	body := []byte(`{"a":1}`)
	sum := sha256.Sum256(body)
	address := "https://h.example/a?bodySHA256=" + hex.EncodeToString(sum[:])
	w := integrations.Webhook{Method: http.MethodPost, URL: address, Body: body, Header: http.Header{
		"Content-Type": {"application/json"}, "X-Twilio-Signature": {signature(token, address)}}}
	a, err := c.Verify(t.Context(), w)
	require.NoError(t, err)
	require.Equal(t, integrations.EventIgnored, a.Events[0].Kind)
	again, err := c.Verify(t.Context(), w)
	require.NoError(t, err)
	require.Equal(t, a.Events[0].ID, again.Events[0].ID)
	w.Body = []byte(`{"a":2}`)
	_, err = c.Verify(t.Context(), w)
	requireKind(t, integrations.KindUnauthorized, err)
	w = integrations.Webhook{Method: http.MethodPost, URL: "https://h.example/a", Body: body, Header: http.Header{
		"Content-Type": {"application/json"}, "X-Twilio-Signature": {signature(token, "https://h.example/a")}}}
	_, err = c.Verify(t.Context(), w)
	requireKind(t, integrations.KindUnauthorized, err)
}

func TestForeignAndUnknownStatuses(t *testing.T) {
	t.Parallel()
	c := plainConnector(t, nil)
	for name, tc := range map[string]struct {
		address string
		status  string
	}{
		"no reference":     {"https://copay.example/webhooks/twilio/lakeside", "delivered"},
		"foreign one":      {"https://copay.example/webhooks/twilio/lakeside?n=other", "delivered"},
		"a status unknown": {hookURL, "teleported"},
		"a status odd":     {hookURL, "to " + patient},
	} {
		f := statusForm()
		f.Set("MessageStatus", tc.status)
		a, err := c.Verify(t.Context(), post(tc.address, f))
		require.NoError(t, err, name)
		require.Len(t, a.Events, 1)
		require.Equal(t, integrations.EventIgnored, a.Events[0].Kind, name)
		require.NotContains(t, a.Events[0].ID+a.Events[0].Type, patient)
		require.Nil(t, a.Reply)
	}
}

type vectorFile struct {
	AuthToken string            `json:"auth_token"`
	ParamsA   map[string]string `json:"params_a"`
	Vectors   []struct {
		Name, URL, Body, Signature string
		Params                     json.RawMessage
		Valid                      bool
	} `json:"vectors"`
}

// TestOfficialSignatures runs the vectors of the official library.
func TestOfficialSignatures(t *testing.T) {
	t.Parallel()
	path := spectest.Path("twilio", "webhook-signature-vectors.json")
	if path == "" {
		t.Skip("the signature vectors are not beside the repository (COPAYFLOW_SPECS)")
	}
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var f vectorFile
	require.NoError(t, json.Unmarshal(raw, &f))
	require.NotEmpty(t, f.Vectors)
	c := plainConnector(t, map[string]any{"auth_tokens": []any{"literal:" + f.AuthToken}})
	for _, v := range f.Vectors {
		w := integrations.Webhook{Method: http.MethodPost, URL: v.URL, Body: []byte(v.Body), Header: http.Header{
			"Content-Type": {"application/json"}, "X-Twilio-Signature": {v.Signature}}}
		if v.Body == "" {
			params := f.ParamsA
			if string(v.Params) != `"params_a"` {
				params = nil
				require.NoError(t, json.Unmarshal(v.Params, &params))
			}
			form := url.Values{}
			for name, value := range params {
				form.Set(name, value)
			}
			w.Body = []byte(form.Encode())
			w.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
		}
		conn := c
		if account := accountOf(w); account != "" {
			conn = plainConnector(t, map[string]any{"auth_tokens": []any{"literal:" + f.AuthToken}, "account_sid": account})
		}
		_, err := conn.Verify(t.Context(), w)
		require.Equal(t, v.Valid, err == nil, "%s: %v", v.Name, err)
	}
}

// FuzzVerify feeds arbitrary deliveries, correctly signed ones among them.
func FuzzVerify(f *testing.F) {
	f.Add(hookURL, "MessageSid=SM1&MessageStatus=sent", "application/x-www-form-urlencoded", true)
	f.Add("://@:?#", "a=b&a=c&=", "text/plain", false)
	f.Add("https://[::1", "MessageSid=SM"+strings.Repeat("0", 32)+"&Body=stop&From=%2B1", "application/x-www-form-urlencoded", true)
	c := plainConnector(f, nil)
	f.Fuzz(func(t *testing.T, address, body, contentType string, sign bool) {
		w := integrations.Webhook{Method: http.MethodPost, URL: address, Body: []byte(body), Header: http.Header{
			"Content-Type": {contentType}, "X-Twilio-Signature": {"eA=="}}, At: time.Unix(1, 0)}
		if p, err := url.ParseQuery(body); sign && err == nil && !strings.Contains(address, "#") {
			w.Header = post(address, first(p)).Header
			w.Body = []byte(first(p).Encode())
		}
		a, err := c.Verify(t.Context(), w)
		if err != nil {
			require.NotNil(t, integrations.AsError(err))
			return
		}
		require.True(t, sign, "an unsigned delivery passed")
		for _, e := range a.Events {
			require.NotEmpty(t, e.ID)
			require.NotEmpty(t, e.Kind)
			require.LessOrEqual(t, len(e.ID), 128)
			if e.Kind == integrations.EventMessageStatus {
				require.NotEmpty(t, e.CoPay)
			}
		}
	})
}

// first keeps the first value of each parameter.
func first(p url.Values) url.Values {
	out := url.Values{}
	for k := range p {
		out.Set(k, p.Get(k))
	}
	return out
}
