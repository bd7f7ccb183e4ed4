package sendgrid_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/sendgrid"
	"github.com/copayflow/copayflow/internal/spectest"
)

// told is what an event says, without its ids.
type told struct {
	kind   integrations.EventKind
	status integrations.DeliveryStatus
	code   string
}

func tell(events []integrations.Event) []told {
	var out []told
	for _, e := range events {
		out = append(out, told{e.Kind, integrations.DeliveryStatus(e.Status), e.Code})
	}
	return out
}

func TestEventsOfDelivery(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const status, address, optOut = integrations.EventMessageStatus, integrations.EventAddressBad, integrations.EventMessageOptOut
	queued := told{status, integrations.DeliveryQueued, ""}
	for to, want := range map[string][]told{
		patient:            {queued, {status, integrations.DeliveryDelivered, ""}},
		"bounce@p.example": {queued, {status, integrations.DeliveryFailed, "5.1.1"}, {address, "", "5.1.1"}},
		"block@p.example":  {queued, {status, integrations.DeliveryFailed, "4.7.0"}},
		"drop@p.example":   {{status, integrations.DeliveryFailed, "invalid_address"}, {address, "", "invalid_address"}},
		"defer@p.example":  {queued, queued},
		"spam@p.example":   {queued, {status, integrations.DeliveryDelivered, ""}, {optOut, "", ""}},
	} {
		m := b.message(to)
		sent, err := b.conn.Send(t.Context(), m)
		require.NoError(t, err)
		events := b.await(sent.ID, len(want))
		require.Equal(t, want, tell(events), to)
		for _, e := range events {
			require.Equal(t, b.clock.now(), e.At)
			require.Equal(t, "email", string(e.Channel))
			if e.Kind == status {
				require.Equal(t, m.Ref, e.Ref)
				require.Equal(t, m.Ref.CoPay(), e.CoPay)
				require.Empty(t, e.Address)
			} else {
				require.Equal(t, to, e.Address)
			}
		}
	}
	// Mail to a suppressed address is taken and then dropped.
	for to, want := range map[string][]told{
		"bounce@p.example": {{status, integrations.DeliveryFailed, "bounced_address"}, {address, "", "bounced_address"}},
		"spam@p.example":   {{status, integrations.DeliveryOptedOut, "spam_report"}, {optOut, "", "spam_report"}},
	} {
		sent, err := b.conn.Send(t.Context(), b.message(to))
		require.NoError(t, err)
		require.Equal(t, want, tell(b.await(sent.ID, 2)), to)
	}
}

func TestEventsOfPeople(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	conn := b.connect(map[string]any{"unsubscribe_group": 77})
	b.conn = conn
	for kind, tc := range map[string]struct {
		more map[string]any
		want told
	}{
		"unsubscribe":           {nil, told{integrations.EventMessageOptOut, "", ""}},
		"group_unsubscribe":     {nil, told{integrations.EventMessageOptOut, "", ""}},
		"group_resubscribe":     {nil, told{integrations.EventMessageOptIn, "", ""}},
		"open":                  {nil, told{integrations.EventIgnored, "", ""}},
		"click":                 {map[string]any{"url": "https://x.example"}, told{integrations.EventIgnored, "", ""}},
		"bounce":                {nil, told{integrations.EventMessageStatus, integrations.DeliveryFailed, "5.1.1"}},
		"account_status_change": {nil, told{integrations.EventIgnored, "", ""}},
	} {
		sent, err := conn.Send(t.Context(), b.message("late."+kind+"@people.example"))
		require.NoError(t, err)
		b.await(sent.ID, 2)
		b.sim.Event(sent.ID, kind, tc.more)
		n := 3
		if kind == "bounce" {
			n = 4
		}
		require.Equal(t, tc.want, tell(b.await(sent.ID, n))[2], kind)
	}
}

// Another kind of mail of the account, such as the newsletter, concerns nobody
// here; in doubt leaving is heard and coming back is not.
func TestGroupsOfOtherMail(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	now := time.Now()
	for _, tc := range []struct {
		ours  int
		event string
		group string
		want  integrations.EventKind
	}{
		{77, "group_unsubscribe", "77", integrations.EventMessageOptOut},
		{77, "group_unsubscribe", "78", integrations.EventIgnored},
		{77, "group_unsubscribe", "0", integrations.EventMessageOptOut},
		{0, "group_unsubscribe", "78", integrations.EventMessageOptOut},
		{77, "group_resubscribe", "77", integrations.EventMessageOptIn},
		{77, "group_resubscribe", "78", integrations.EventIgnored},
		{77, "group_resubscribe", "0", integrations.EventIgnored},
		{0, "group_resubscribe", "78", integrations.EventIgnored},
		{0, "group_resubscribe", "0", integrations.EventIgnored},
	} {
		conn, err := sendgrid.New(integrations.Settings{Now: func() time.Time { return now }, Options: map[string]any{"api_key": "literal:" + apiKey,
			"from": sender, "unsubscribe_group": tc.ours, "webhook_public_keys": []any{"literal:" + s.public(t)}}})
		require.NoError(t, err)
		a, err := conn.Verify(t.Context(), s.delivery(t, strconv.FormatInt(now.Unix(), 10),
			`[{"event":"`+tc.event+`","email":"`+patient+`","sg_event_id":"e1","asm_group_id":`+tc.group+`}]`))
		require.NoError(t, err)
		require.Len(t, a.Events, 1)
		require.Equal(t, tc.want, a.Events[0].Kind, tc)
	}
}

func TestDoubledAndDisorderedEvents(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.sim.Disorder(1)
	b.hooks.Duplicate(1)
	sent, err := b.conn.Send(t.Context(), b.message(patient))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(b.received()) == 2 }, 5*time.Second, 5*time.Millisecond)
	a, err := b.conn.Verify(t.Context(), b.received()[0])
	require.NoError(t, err)
	require.Len(t, a.Events, 4)
	require.Equal(t, string(integrations.DeliveryDelivered), a.Events[0].Status)
	require.Len(t, b.await(sent.ID, 2), 2, "each id once")
}

// signer signs deliveries apart from connector and simulator.
type signer struct{ key *ecdsa.PrivateKey }

func newSigner(t testing.TB) signer {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return signer{k}
}

func (s signer) public(t testing.TB) string {
	der, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(der)
}

func (s signer) delivery(t testing.TB, stamp, body string) integrations.Webhook {
	sum := sha256.Sum256([]byte(stamp + body))
	sig, err := ecdsa.SignASN1(rand.Reader, s.key, sum[:])
	require.NoError(t, err)
	return integrations.Webhook{Method: http.MethodPost, Body: []byte(body), Header: http.Header{
		"X-Twilio-Email-Event-Webhook-Signature": {base64.StdEncoding.EncodeToString(sig)}, "X-Twilio-Email-Event-Webhook-Timestamp": {stamp}}}
}

func verifier(t testing.TB, now func() time.Time, keys ...any) *sendgrid.Connector {
	t.Helper()
	conn, err := sendgrid.New(integrations.Settings{Now: now, Options: map[string]any{"api_key": "literal:" + apiKey, "from": sender, "webhook_public_keys": keys}})
	require.NoError(t, err)
	return conn
}

func TestSignatureAndReplayWindow(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)
	s := newSigner(t)
	conn := verifier(t, func() time.Time { return now }, "literal:"+newSigner(t).public(t), "literal:"+s.public(t))
	stamp := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }
	const body = "[{\"event\":\"delivered\"}]\r\n"
	for age, ok := range map[time.Duration]bool{0: true, -24*time.Hour - 10*time.Minute: true, -24*time.Hour - 10*time.Minute - time.Second: false,
		10 * time.Minute: true, 10*time.Minute + time.Second: false} {
		_, err := conn.Verify(t.Context(), s.delivery(t, stamp(age), body))
		require.Equal(t, ok, err == nil, "%v: %v", age, err)
	}
	for name, tc := range map[string]struct {
		change func(*integrations.Webhook)
		kind   integrations.Kind
	}{
		"body trimmed": {func(w *integrations.Webhook) { w.Body = w.Body[:len(w.Body)-2] }, integrations.KindUnauthorized},
		"other time": {func(w *integrations.Webhook) {
			w.Header.Set("X-Twilio-Email-Event-Webhook-Timestamp", stamp(time.Second))
		}, integrations.KindUnauthorized},
		"no time":        {func(w *integrations.Webhook) { w.Header.Del("X-Twilio-Email-Event-Webhook-Timestamp") }, integrations.KindUnauthorized},
		"not signed":     {func(w *integrations.Webhook) { w.Header.Del("X-Twilio-Email-Event-Webhook-Signature") }, integrations.KindUnauthorized},
		"not base64":     {func(w *integrations.Webhook) { w.Header.Set("X-Twilio-Email-Event-Webhook-Signature", "%") }, integrations.KindInvalid},
		"not DER":        {func(w *integrations.Webhook) { w.Header.Set("X-Twilio-Email-Event-Webhook-Signature", "AAAA") }, integrations.KindUnauthorized},
		"stranger's key": {func(w *integrations.Webhook) { *w = newSigner(t).delivery(t, stamp(0), body) }, integrations.KindUnauthorized},
		"time no number": {func(w *integrations.Webhook) { *w = s.delivery(t, "soon", body) }, integrations.KindInvalid},
		"time too far":   {func(w *integrations.Webhook) { *w = s.delivery(t, "9999999999999999", body) }, integrations.KindInvalid},
		"no list":        {func(w *integrations.Webhook) { *w = s.delivery(t, stamp(0), `{"event":"delivered"}`) }, integrations.KindInvalid},
	} {
		w := s.delivery(t, stamp(0), body)
		tc.change(&w)
		_, err := conn.Verify(t.Context(), w)
		require.Equal(t, tc.kind, integrations.KindOf(err), name)
	}
	_, err := verifier(t, nil).Verify(t.Context(), s.delivery(t, stamp(0), body))
	requireKind(t, integrations.KindUnauthorized, err)
}

func TestOddEvents(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	now := time.Now()
	conn := verifier(t, func() time.Time { return now }, "literal:"+s.public(t))
	body := `[1, {"event":7}, {}, {"event":"delivered","sg_event_id":"a","ref":"other-program"},
		{"event":"unsubscribe","sg_event_id":"b","email":"` + patient + `","category":["x"],"timestamp":"1700000000"},
		{"event":"<script>","sg_event_id":"` + patient + `","reason":"550 ` + patient + `","status":"550 ` + patient + `"},
		{"event":"unsubscribe","sg_event_id":"c"}]`
	a, err := conn.Verify(t.Context(), s.delivery(t, strconv.FormatInt(now.Unix(), 10), body))
	require.NoError(t, err)
	require.Len(t, a.Events, 7)
	for i, e := range a.Events {
		want := integrations.EventIgnored
		if i == 4 {
			want = integrations.EventMessageOptOut
			require.Equal(t, time.Unix(1700000000, 0).UTC(), e.At)
		}
		require.Equal(t, want, e.Kind, i)
		require.NotEmpty(t, e.ID)
		require.NotContains(t, e.ID+e.Type+e.Code, "pat.doe")
		require.False(t, e.At.IsZero())
	}
	again, err := conn.Verify(t.Context(), s.delivery(t, strconv.FormatInt(now.Unix(), 10), body))
	require.NoError(t, err)
	require.Equal(t, a, again)
}

// TestOfficialSignatures runs the vectors of the official library.
func TestOfficialSignatures(t *testing.T) {
	t.Parallel()
	path := spectest.Path("sendgrid", "event-webhook-signature-vectors.json")
	if path == "" {
		t.Skip("the signature vectors are not beside the repository (COPAYFLOW_SPECS)")
	}
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var f struct {
		PublicKey string `json:"public_key"`
		Vectors   []struct {
			Name, Timestamp, Body, Signature string
			Valid                            bool
		}
	}
	require.NoError(t, json.Unmarshal(raw, &f))
	require.NotEmpty(t, f.Vectors)
	conn := verifier(t, func() time.Time { return time.Unix(1600112600, 0) }, "literal:"+f.PublicKey)
	for _, v := range f.Vectors {
		a, err := conn.Verify(t.Context(), integrations.Webhook{Method: http.MethodPost, Body: []byte(v.Body), Header: http.Header{
			"X-Twilio-Email-Event-Webhook-Signature": {v.Signature}, "X-Twilio-Email-Event-Webhook-Timestamp": {v.Timestamp}}})
		require.Equal(t, v.Valid, err == nil, "%s: %v", v.Name, err)
		if v.Valid {
			require.Equal(t, integrations.EventAddressBad, a.Events[0].Kind)
			require.Equal(t, "LRzXl_NHStOGhQ4kofSm_A", a.Events[0].Object)
		}
	}
}

// TestSampleEvents reads one event of each kind.
func TestSampleEvents(t *testing.T) {
	t.Parallel()
	path := spectest.Path("sendgrid", "event-samples-own.json")
	if path == "" {
		t.Skip("the sample events are not beside the repository (COPAYFLOW_SPECS)")
	}
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	body := strings.ReplaceAll(string(raw), `"notification_id": "ntf_91"`, `"ref": "cp_0123456789abcdef-msg-1"`)
	s := newSigner(t)
	now := time.Unix(1700000000, 0)
	a, err := verifier(t, func() time.Time { return now }, "literal:"+s.public(t)).Verify(t.Context(), s.delivery(t, "1700000000", body))
	require.NoError(t, err)
	const status, address, optOut, ignored = integrations.EventMessageStatus, integrations.EventAddressBad, integrations.EventMessageOptOut, integrations.EventIgnored
	require.Equal(t, []told{
		{status, integrations.DeliveryQueued, ""}, {status, integrations.DeliveryQueued, ""}, {status, integrations.DeliveryDelivered, ""},
		{status, integrations.DeliveryFailed, "5.1.1"}, {address, "", "5.1.1"}, {status, integrations.DeliveryFailed, "4.7.0"},
		{status, integrations.DeliveryFailed, "bounced_address"}, {address, "", "bounced_address"},
		{optOut, "", ""}, {optOut, "", ""}, {optOut, "", ""}, {ignored, "", ""}, {ignored, "", ""}, {ignored, "", ""},
	}, tell(a.Events))
}

// FuzzVerify feeds arbitrary bodies under a good signature.
func FuzzVerify(f *testing.F) {
	f.Add(`[{"event":"bounce","type":"bounce","email":"a@b.example","sg_event_id":"x","sg_message_id":"a.b","ref":"cp_0123456789abcdef-msg-1","timestamp":1}]`)
	f.Add(`[{"event":"dropped","reason":"Invalid","asm_group_id":1}]`)
	f.Add(`[[],null,{"timestamp":1e99}]`)
	s := newSigner(f)
	now := time.Now()
	conn := verifier(f, func() time.Time { return now }, "literal:"+s.public(f))
	f.Fuzz(func(t *testing.T, body string) {
		a, err := conn.Verify(t.Context(), s.delivery(t, strconv.FormatInt(now.Unix(), 10), body))
		if err != nil {
			require.NotNil(t, integrations.AsError(err))
			return
		}
		for _, e := range a.Events {
			require.NotEmpty(t, e.ID)
			require.NotEmpty(t, e.Kind)
			require.LessOrEqual(t, len(e.ID), 140)
			require.LessOrEqual(t, len(e.Type), 40)
			if e.Kind == integrations.EventMessageStatus {
				require.NotEmpty(t, e.CoPay)
			}
		}
	})
}
