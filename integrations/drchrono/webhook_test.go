package drchrono_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/drchrono"
)

func hook(event, signature, body string) integrations.Webhook {
	h := http.Header{}
	h.Set("X-drchrono-event", event)
	h.Set("X-drchrono-signature", signature)
	h.Set("X-drchrono-delivery", "d1")
	return integrations.Webhook{Method: http.MethodPost, Header: h, Body: []byte(body), At: time.Now()}
}

const created = `{"receiver":{"id":1},"object":{"id":55910021,"appointment":214003321,"patient":"88120045","updated_at":"2026-11-24T10:06:02"}}`

func TestWebhookSignatures(t *testing.T) {
	e := setup(t, nil)
	m := hmac.New(sha256.New, []byte("sandbox-hook"))
	m.Write([]byte(created))
	for sig, ok := range map[string]bool{"sandbox-hook": true, hex.EncodeToString(m.Sum(nil)): true, "sandbox-hooK": false, "": false, "sandbox-hook2": false} {
		a, err := e.c.Verify(t.Context(), hook("LINE_ITEM_CREATE", sig, created))
		if !ok {
			require.Equal(t, integrations.KindUnauthorized, integrations.KindOf(err), sig)
			continue
		}
		require.NoError(t, err, sig)
		require.Equal(t, integrations.EventChargeCreated, a.Events[0].Kind)
		require.Equal(t, copay.ChargeID("55910021"), a.Events[0].Charge)
		require.Equal(t, copay.AppointmentID("214003321"), a.Events[0].Appointment)
	}
}

func TestWebhookEvents(t *testing.T) {
	e := setup(t, nil)
	for event, kind := range map[string]integrations.EventKind{
		"LINE_ITEM_MODIFY": integrations.EventChargeChanged, "LINE_ITEM_DELETE": integrations.EventChargeDeleted, "APPOINTMENT_MODIFY": integrations.EventVisitChanged,
		"CASH_PAYMENT_DELETE": integrations.EventPostingDeleted, "TASK_CREATE": integrations.EventIgnored,
	} {
		a, err := e.c.Verify(t.Context(), hook(event, "sandbox-hook", created))
		require.NoError(t, err)
		require.Equal(t, kind, a.Events[0].Kind, event)
		again, err := e.c.Verify(t.Context(), hook(event, "sandbox-hook", created))
		require.NoError(t, err)
		require.Equal(t, a.Events[0].ID, again.Events[0].ID, "a redelivery has the same id")
	}
	ping, err := e.c.Verify(t.Context(), hook("PING", "sandbox-hook", `{"receiver":{}}`))
	require.NoError(t, err)
	require.Empty(t, ping.Events)
	for _, bad := range []string{"", "[", "{}", `{"object":{}}`, `{"object":null}`} {
		_, err := e.c.Verify(t.Context(), hook("LINE_ITEM_CREATE", "sandbox-hook", bad))
		require.Equal(t, integrations.KindInvalid, integrations.KindOf(err), bad)
	}
}

func TestHandshake(t *testing.T) {
	e := setup(t, nil)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := e.c.Verify(r.Context(), integrations.Webhook{Method: r.Method, URL: "https://copay.example" + r.URL.String(), Header: r.Header})
		if err != nil {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		_, _ = w.Write(a.Reply.Body)
	}))
	t.Cleanup(srv.Close)
	e.sim.SetWebhook(srv.URL, "sandbox-hook")
	require.NoError(t, e.sim.VerifyWebhook(t.Context()))
	e.sim.SetWebhook(srv.URL, "another secret")
	require.Error(t, e.sim.VerifyWebhook(t.Context()))
}

// TestOfficialSample reads the documented delivery where it is at hand.
func TestOfficialSample(t *testing.T) {
	e := setup(t, nil)
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "specs", "drchrono", "webhook-line-item-create.json"))
	if err != nil {
		t.Skip("the platform's sample payloads are not beside the repository")
	}
	var sample struct {
		Body json.RawMessage `json:"_body"`
	}
	require.NoError(t, json.Unmarshal(raw, &sample))
	a, err := e.c.Verify(t.Context(), hook("LINE_ITEM_CREATE", "sandbox-hook", string(sample.Body)))
	require.NoError(t, err)
	require.NotEmpty(t, a.Events[0].Charge)
}

func FuzzWebhook(f *testing.F) {
	c, err := drchrono.New(integrations.Settings{Practice: "maple", Platform: drchrono.Platform, Tokens: &tokens{}, Options: map[string]any{
		"client_id": "c", "client_secret": "literal:s", "webhook_secret": "literal:sandbox-hook"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("LINE_ITEM_CREATE", created)
	f.Fuzz(func(t *testing.T, event, body string) {
		a, err := c.Verify(t.Context(), hook(event, "sandbox-hook", body))
		if err == nil && len(a.Events) > 0 && a.Events[0].ID == "" {
			t.Fatal("an event without an id would be stored once for all")
		}
	})
}
