package sendgridsim_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sendgridsim "github.com/copayflow/copayflow/sandbox/sendgrid"
	"github.com/copayflow/copayflow/sandbox/sim"
)

// listener is a simulator whose webhook somebody listens to.
type listener struct {
	*rig
	mu    sync.Mutex
	posts []*http.Request
	raw   []string
}

func newListener(t *testing.T, c sendgridsim.Config) *listener {
	t.Helper()
	l := &listener{rig: &rig{T: t, now: start, key: sendgridsim.DefaultAPIKey}}
	hooks := sim.NewDeliverer()
	hooks.Client = &http.Client{Transport: l}
	t.Cleanup(hooks.Close)
	l.Server = sendgridsim.New(sim.Options{Now: func() time.Time { return l.now }, Hooks: hooks}, c)
	l.SetWebhook("https://h.example/webhooks/sendgrid/lakeside")
	return l
}

// RoundTrip records a delivery.
func (l *listener) RoundTrip(q *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(q.Body)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.posts, l.raw = append(l.posts, q), append(l.raw, string(body))
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// batches waits for n deliveries and returns their events.
func (l *listener) batches(n int) [][]map[string]any {
	l.Helper()
	require.Eventually(l, func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.raw) >= n }, 5*time.Second, time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Len(l, l.raw, n)
	out := make([][]map[string]any, n)
	for i, raw := range l.raw {
		require.NoError(l, json.Unmarshal([]byte(raw), &out[i]))
	}
	return out
}

// TestDeliveriesAreSigned checks a signature as the documentation says: ECDSA
// on P-256 over SHA-256 of the time and the raw body, which ends with CR LF.
func TestDeliveriesAreSigned(t *testing.T) {
	t.Parallel()
	l := newListener(t, sendgridsim.Config{})
	l.send(nil)
	l.batches(1)
	der, err := base64.StdEncoding.DecodeString(l.PublicKey())
	require.NoError(t, err)
	key, err := x509.ParsePKIXPublicKey(der)
	require.NoError(t, err)
	q, raw := l.posts[0], l.raw[0]
	require.True(t, strings.HasSuffix(raw, "\r\n"))
	sig, err := base64.StdEncoding.DecodeString(q.Header.Get("X-Twilio-Email-Event-Webhook-Signature"))
	require.NoError(t, err)
	stamp := q.Header.Get("X-Twilio-Email-Event-Webhook-Timestamp")
	verify := func(text string) bool {
		sum := sha256.Sum256([]byte(text))
		return ecdsa.VerifyASN1(key.(*ecdsa.PublicKey), sum[:], sig)
	}
	require.True(t, verify(stamp+raw))
	require.False(t, verify(stamp+strings.TrimSpace(raw)), "to the last byte")
	require.False(t, verify("1"+stamp+raw))
}

// TestEventsByRecipient: what each kind of recipient makes of a mail.
func TestEventsByRecipient(t *testing.T) {
	t.Parallel()
	for email, want := range map[string][]map[string]any{
		"pat@p.example":    {{"event": "processed"}, {"event": "delivered", "response": "250 2.0.0 OK"}},
		"bounce@p.example": {{"event": "processed"}, {"event": "bounce", "type": "bounce", "status": "5.1.1"}},
		"block@p.example":  {{"event": "processed"}, {"event": "bounce", "type": "blocked", "status": "4.7.0"}},
		"drop@p.example":   {{"event": "dropped", "reason": "Invalid"}},
		"defer@p.example":  {{"event": "processed"}, {"event": "deferred", "attempt": "1"}},
		"spam@p.example":   {{"event": "processed"}, {"event": "delivered"}, {"event": "spamreport"}},
	} {
		l := newListener(t, sendgridsim.Config{Groups: []int{7}})
		mail := to(email)
		mail[0].(map[string]any)["custom_args"] = map[string]any{"ref": "r1"}
		id := l.send(map[string]any{"personalizations": mail, "categories": []any{"copay"}, "asm": map[string]any{"group_id": 7}})
		batch := l.batches(1)[0]
		require.Len(t, batch, len(want), email)
		seen := map[any]bool{}
		for i, e := range batch {
			for k, v := range want[i] {
				require.Equal(t, v, e[k], "%s %s", email, k)
			}
			require.Equal(t, email, e["email"])
			require.EqualValues(t, start.Unix(), e["timestamp"])
			require.Equal(t, "r1", e["ref"], "custom arguments stand at the top")
			require.Equal(t, []any{"copay"}, e["category"])
			require.EqualValues(t, 7, e["asm_group_id"])
			require.True(t, strings.HasPrefix(e["sg_message_id"].(string), id+"."), "the servers' names come after a dot")
			require.NotEmpty(t, e["smtp-id"])
			require.False(t, seen[e["sg_event_id"]], "each event has an id of its own")
			seen[e["sg_event_id"]] = true
		}
	}
}

// TestSuppressedMailIsDropped: each list says its own reason.
func TestSuppressedMailIsDropped(t *testing.T) {
	t.Parallel()
	for kind, reason := range map[string]string{"bounce": "Bounced Address", "spamreport": "Spam Reporting Address", "unsubscribe": "Unsubscribed Address",
		"group_unsubscribe": "Unsubscribed Address"} {
		l := newListener(t, sendgridsim.Config{Groups: []int{7}})
		group := map[string]any{"asm": map[string]any{"group_id": 7}}
		id := l.send(group)
		l.batches(1) // deliveries do not wait for each other
		l.Event(id, kind, map[string]any{"extra": "x"})
		l.batches(2)
		l.send(group)
		batches := l.batches(3)
		require.Equal(t, kind, batches[1][0]["event"])
		require.Equal(t, "x", batches[1][0]["extra"])
		require.Len(t, batches[2], 1, "no processed before it")
		require.Equal(t, "dropped", batches[2][0]["event"])
		require.Equal(t, reason, batches[2][0]["reason"])
	}
}

func TestDisorder(t *testing.T) {
	t.Parallel()
	l := newListener(t, sendgridsim.Config{})
	l.Disorder(1)
	l.send(nil)
	batch := l.batches(1)[0]
	require.Equal(t, []any{"delivered", "processed", "delivered", "processed"}, []any{batch[0]["event"], batch[1]["event"], batch[2]["event"], batch[3]["event"]})
	require.Equal(t, batch[0]["sg_event_id"], batch[2]["sg_event_id"], "the same event twice")
	l.send(nil)
	require.Len(t, l.batches(2)[1], 2)
}

// TestPathsAndMethods: what is known by another method is not unknown.
func TestPathsAndMethods(t *testing.T) {
	t.Parallel()
	r := newRig(t, sendgridsim.Config{})
	for call, status := range map[string]int{
		"GET /v3/mail/send": 405, "PUT /v3/mail/send": 405, "POST /v3/scopes": 405, "PATCH /v3/suppression/bounces": 405, "DELETE /v3/asm/groups": 405,
		"GET /v3/mail/sent": 404, "POST /v3/mail/batch": 404, "GET /": 404,
	} {
		method, path, _ := strings.Cut(call, " ")
		w := r.call(method, path, "")
		require.Equal(t, status, w.Code, call)
		require.Contains(t, w.Body.String(), `"errors"`, call)
	}
}
