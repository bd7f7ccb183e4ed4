package quickbooks_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/quickbooks"
	quickbookssim "github.com/copayflow/copayflow/sandbox/quickbooks"
	"github.com/copayflow/copayflow/sandbox/sim"
)

// receiver makes a connector that only receives.
func receiver(t testing.TB, realmID, token string) *quickbooks.Connector {
	t.Helper()
	c, err := quickbooks.New(integrations.Settings{Practice: "northside", Tokens: &memory{}, Options: map[string]any{
		"realm_id": realmID, "client_id": "x", "client_secret": "literal:y", "refund_account": "35", "verifier_tokens": []string{"literal:old", "literal:" + token}}})
	require.NoError(t, err)
	return c
}

func signed(token, body string) integrations.Webhook {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte(body))
	h := http.Header{}
	h.Set("intuit-signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return integrations.Webhook{Method: http.MethodPost, Header: h, Body: []byte(body), At: time.Now()}
}

func readSpec(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(specs(t), name))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, into))
}

func TestSignatureVector(t *testing.T) {
	t.Parallel()
	var v struct {
		Token    string `json:"verifier_token"`
		Body     string
		Header   string
		Expected string
	}
	readSpec(t, "webhook-signature-vector.json", &v)
	h := http.Header{}
	h.Set(v.Header, v.Expected)
	a, err := receiver(t, "1185883450", v.Token).Verify(t.Context(), integrations.Webhook{Header: h, Body: []byte(v.Body)})
	require.NoError(t, err)
	require.Len(t, a.Events, 1)
	require.Equal(t, integrations.EventIgnored, a.Events[0].Kind, "a customer")
	require.Equal(t, "1185883450:Customer:1:Create:2015-10-05T14:42:19-0700", a.Events[0].ID)
	require.Equal(t, time.Date(2015, 10, 5, 21, 42, 19, 0, time.UTC), a.Events[0].At)
}

func TestWebhookSamples(t *testing.T) {
	t.Parallel()
	var samples struct{ Legacy, CloudEvents json.RawMessage }
	readSpec(t, "webhook-samples.json", &samples)
	c := receiver(t, "310687", verifier)
	a, err := c.Verify(t.Context(), signed(verifier, string(samples.Legacy)))
	require.NoError(t, err)
	require.Len(t, a.Events, 2)
	require.Equal(t, integrations.Event{ID: "310687:Payment:150:Create:2026-01-06T20:52:31.000Z", Kind: integrations.EventAccountingChanged,
		Type: "Payment.Create", At: time.Date(2026, 1, 6, 20, 52, 31, 0, time.UTC), Object: "150", Status: "created", Code: "payment"}, a.Events[0])
	require.Equal(t, "updated", a.Events[1].Status)
	a, err = c.Verify(t.Context(), signed(verifier, string(samples.CloudEvents)))
	require.NoError(t, err)
	require.Len(t, a.Events, 1)
	require.Equal(t, "6f1c0f0e-0000-4000-8000-000000000001", a.Events[0].ID)
	require.Equal(t, "qbo.payment.created.v1", a.Events[0].Type)
	require.Equal(t, "150", a.Events[0].Object)
}

const payment150 = `{"eventNotifications":[{"realmId":"42","dataChangeEvent":{"entities":[{"name":"Payment","id":"150","operation":"Void","lastUpdated":"2026-01-06T20:52:31.000Z"}]}}]}`

func TestWebhookSignature(t *testing.T) {
	t.Parallel()
	c := receiver(t, "42", verifier)
	good := signed(verifier, payment150)
	a, err := c.Verify(t.Context(), good)
	require.NoError(t, err)
	require.Nil(t, a.Reply)
	require.Equal(t, "voided", a.Events[0].Status)
	_, err = c.Verify(t.Context(), signed("old", payment150)) // while the token is changed both are good
	require.NoError(t, err)

	bad := map[string]integrations.Webhook{
		"other token": signed("guess", payment150),
		"no header":   {Header: http.Header{}, Body: good.Body},
		"not base64":  {Header: http.Header{"Intuit-Signature": {"%%%"}}, Body: good.Body},
		"empty":       {Header: http.Header{"Intuit-Signature": {""}}, Body: good.Body},
		"other body":  {Header: good.Header, Body: []byte(payment150 + " ")},
		"cut":         {Header: http.Header{"Intuit-Signature": {good.Header.Get("intuit-signature")[:20]}}, Body: good.Body},
	}
	for name, w := range bad {
		_, err := c.Verify(t.Context(), w)
		require.Equal(t, integrations.KindUnauthorized, integrations.KindOf(err), name)
		require.NotContains(t, err.Error(), verifier)
	}
	none, err := quickbooks.New(integrations.Settings{Practice: "northside", Tokens: &memory{}, Options: map[string]any{
		"realm_id": "42", "client_id": "x", "client_secret": "literal:y", "refund_account": "35"}})
	require.NoError(t, err)
	_, err = none.Verify(t.Context(), signed("", payment150))
	requireKind(t, err, integrations.KindUnauthorized)
}

// Intuit signs no time: an old delivery is good, and the same id tells the
// inbox that it was there before.
func TestWebhookRepeatsKeepTheirID(t *testing.T) {
	t.Parallel()
	c := receiver(t, "42", verifier)
	first, err := c.Verify(t.Context(), signed(verifier, payment150))
	require.NoError(t, err)
	late := signed(verifier, payment150)
	late.At = late.At.Add(30 * 24 * time.Hour)
	again, err := c.Verify(t.Context(), late)
	require.NoError(t, err)
	require.Equal(t, first.Events, again.Events)

	cloud := `[{"type":"qbo.invoice.emailed.v1","time":"2026-01-06T21:31:25.179Z","intuitentityid":"145","intuitaccountid":"42"}]`
	a, err := c.Verify(t.Context(), signed(verifier, cloud))
	require.NoError(t, err)
	require.Equal(t, "42:qbo.invoice.emailed.v1:145:2026-01-06T21:31:25.179Z", a.Events[0].ID, "made up where the platform left it out")
}

func TestWebhookContents(t *testing.T) {
	t.Parallel()
	c := receiver(t, "42", verifier)
	for name, x := range map[string]struct {
		body   string
		kinds  []integrations.EventKind
		status string
	}{
		"two companies": {`[{"id":"a","type":"qbo.payment.created.v1","intuitaccountid":"42"},{"id":"b","type":"qbo.payment.created.v1","intuitaccountid":"43"}]`,
			[]integrations.EventKind{integrations.EventAccountingChanged}, "created"},
		"other company":     {`{"eventNotifications":[{"realmId":"43","dataChangeEvent":{"entities":[{"name":"Payment","id":"1"}]}}]}`, nil, ""},
		"unknown operation": {`[{"id":"a","type":"qbo.refundreceipt.renamed.v1","intuitaccountid":"42"}]`, []integrations.EventKind{integrations.EventAccountingChanged}, "changed"},
		"unknown entity":    {`[{"id":"a","type":"qbo.timeactivity.created.v1","intuitaccountid":"42"}]`, []integrations.EventKind{integrations.EventIgnored}, ""},
		"unknown type":      {`[{"id":"a","type":"intuit.news","intuitaccountid":"42"}]`, []integrations.EventKind{integrations.EventIgnored}, ""},
		"merge":             {`{"eventNotifications":[{"realmId":"42","dataChangeEvent":{"entities":[{"name":"Invoice","id":"1","operation":"Merge","deletedId":"2"}]}}]}`, []integrations.EventKind{integrations.EventAccountingChanged}, "merged"},
		"empty array":       {`[]`, nil, ""},
		"other object":      {`{"hello":1}`, nil, ""},
	} {
		a, err := c.Verify(t.Context(), signed(verifier, x.body))
		require.NoError(t, err, name)
		var kinds []integrations.EventKind
		for _, e := range a.Events {
			kinds = append(kinds, e.Kind)
			require.Equal(t, x.status, e.Status, name)
		}
		require.Equal(t, x.kinds, kinds, name)
	}
	for _, body := range []string{"", "x", `"text"`, "[1]", `{"eventNotifications":1}`, "[{"} {
		_, err := c.Verify(t.Context(), signed(verifier, body))
		require.Equal(t, integrations.KindInvalid, integrations.KindOf(err), body)
	}
}

// The simulator's own deliveries, in both envelopes.
func TestWebhooksFromSimulator(t *testing.T) {
	t.Parallel()
	for _, envelope := range []string{"cloudevents", "legacy"} {
		t.Run(envelope, func(t *testing.T) {
			t.Parallel()
			got := make(chan integrations.Webhook, 64)
			hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				got <- integrations.Webhook{Method: r.Method, Header: r.Header, Body: b}
			}))
			t.Cleanup(hook.Close)
			d := sim.NewDeliverer()
			f := setupWith(t, quickbookssim.Config{WebhookURL: hook.URL, Envelope: envelope}, sim.Options{Hooks: d}, nil)
			invoice, payment := f.paid(2500)
			f.now.add(time.Second) // the older envelope tells changes apart by their time
			_, err := f.Reverse(t.Context(), reverseReq(1, payment, invoice, 2500, true))
			require.NoError(t, err)
			d.Duplicate(1)
			require.NoError(t, f.sim.DeleteInvoice(invoice))
			counts, ids := map[string]int{}, map[string]int{}
			for range 7 { // customer, item, invoice, payment, void, and the deletion twice
				w := <-got
				a, err := f.Verify(t.Context(), w)
				require.NoError(t, err)
				for _, e := range a.Events {
					require.NotEmpty(t, e.ID)
					require.False(t, e.At.IsZero())
					if ids[e.ID]++; ids[e.ID] == 1 && e.Kind == integrations.EventAccountingChanged {
						counts[e.Code+" "+e.Status]++
					}
				}
			}
			d.Close()
			require.Len(t, ids, 8, "the repeat has the ids of the first")
			require.Equal(t, 1, counts["payment created"])
			require.Equal(t, 1, counts["payment voided"])
			require.Equal(t, 1, counts["invoice created"])
			require.Equal(t, 2, counts["invoice updated"], "paid, and open again")
			require.Equal(t, 1, counts["invoice deleted"])
		})
	}
}

func TestPollEvents(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.now.add(-2 * time.Hour)
	inv, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.NoError(t, err)
	events, next, err := f.PollEvents(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, integrations.EventAccountingChanged, events[0].Kind)
	require.Equal(t, "created", events[0].Status)
	require.Equal(t, inv.ID, events[0].Object)
	require.Equal(t, copayID, events[0].CoPay)
	require.Equal(t, ref(copay.EffectInvoice, 1), events[0].Ref)

	again, _, err := f.PollEvents(t.Context(), next)
	require.NoError(t, err)
	require.Equal(t, events, again, "the overlap keeps ids")

	f.now.add(time.Hour)
	pay, err := f.Receive(t.Context(), receiptReq(1, inv.ID, 2500))
	require.NoError(t, err)
	require.NoError(t, f.sim.DeletePayment(pay.ID))
	require.NoError(t, f.sim.VoidInvoice(inv.ID))
	events, next, err = f.PollEvents(t.Context(), next)
	require.NoError(t, err)
	require.Len(t, events, 2)
	byStatus := map[string]integrations.Event{}
	for _, e := range events {
		byStatus[e.Status] = e
	}
	require.Equal(t, pay.ID, byStatus["deleted"].Object)
	require.Equal(t, "invoice", byStatus["voided"].Code)
	require.NotEqual(t, again[0].ID, byStatus["voided"].ID)

	f.now.add(time.Hour)
	repeat, next, err := f.PollEvents(t.Context(), next)
	require.NoError(t, err)
	require.ElementsMatch(t, events, repeat)
	f.now.add(time.Hour)
	events, next, err = f.PollEvents(t.Context(), next)
	require.NoError(t, err)
	require.Empty(t, events)
	f.now.add(90 * 24 * time.Hour) // a cursor older than the platform keeps changes
	events, _, err = f.PollEvents(t.Context(), next)
	require.NoError(t, err)
	require.Empty(t, events)
	_, _, err = f.PollEvents(t.Context(), "yesterday")
	requireKind(t, err, integrations.KindInvalid)
}

// A change listing ends at 1000 objects; the rest is paged.
func TestPollEventsBeyondOneListing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.NoError(t, err)
	cust, err := f.sim.AddCustomer("Walk-in")
	require.NoError(t, err)
	for range 1010 {
		_, err := f.sim.AddInvoice(cust, f.sim.ItemID("Patient co-pay"), "", 100)
		require.NoError(t, err)
	}
	last, err := f.Invoice(t.Context(), invoiceReq(2, 2500))
	require.NoError(t, err)
	pay, err := f.Receive(t.Context(), receiptReq(1, last.ID, 2500))
	require.NoError(t, err)
	events, _, err := f.PollEvents(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, events, 1013)
	objects := map[string]bool{}
	for _, e := range events {
		objects[e.Object] = true
	}
	require.Len(t, objects, 1013)
	require.True(t, objects[pay.ID])
}

// More changes than one listing holds: deletions, which only it knows, are found
// beyond the cut of the others.
func TestDeletionsBeyondTheCutAreNotLost(t *testing.T) {
	t.Parallel()
	f := setup(t)
	inv, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.NoError(t, err)
	pay, err := f.Receive(t.Context(), receiptReq(1, inv.ID, 2500))
	require.NoError(t, err)
	cust, err := f.sim.AddCustomer("Walk-in")
	require.NoError(t, err)
	for range 1000 {
		_, err := f.sim.AddInvoice(cust, f.sim.ItemID("Patient co-pay"), "", 100)
		require.NoError(t, err)
	}
	require.NoError(t, f.sim.DeletePayment(pay.ID))
	deleted := false
	cursor := ""
	for range 5 {
		events, next, err := f.PollEvents(t.Context(), cursor)
		require.NoError(t, err)
		for _, e := range events {
			deleted = deleted || (e.Object == pay.ID && e.Status == "deleted")
		}
		cursor = next
		f.now.add(10 * time.Minute)
	}
	require.True(t, deleted)
}

// More changes of one entity than one listing holds: the next poll begins where
// the listing ended, or the deletions after it would be lost.
func TestTheCursorWaitsForDeletionsBeyondTheCut(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.now.add(-2 * time.Hour)
	gone, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.NoError(t, err)
	cust, err := f.sim.AddCustomer("Walk-in")
	require.NoError(t, err)
	for range 1100 {
		f.now.add(time.Second)
		_, err := f.sim.AddInvoice(cust, f.sim.ItemID("Patient co-pay"), "", 100)
		require.NoError(t, err)
	}
	require.NoError(t, f.sim.DeleteInvoice(gone.ID))
	f.now.add(time.Hour)
	deleted, cursor, polls := false, "", 0
	for ; !deleted && polls < 5; polls++ {
		events, next, err := f.PollEvents(t.Context(), cursor)
		require.NoError(t, err)
		for _, e := range events {
			deleted = deleted || (e.Object == gone.ID && e.Status == "deleted")
		}
		require.NotEqual(t, cursor, next)
		cursor = next
	}
	require.True(t, deleted)
	require.Equal(t, 2, polls)
}

// The listing of changes knows no event ids: what a webhook told comes once
// more under another one.
func TestAPolledChangeHasAnIDOfItsOwn(t *testing.T) {
	t.Parallel()
	got := make(chan integrations.Webhook, 16)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(b)
		got <- integrations.Webhook{Method: r.Method, Header: r.Header, Body: b}
	}))
	t.Cleanup(hook.Close)
	d := sim.NewDeliverer()
	t.Cleanup(d.Close)
	f := setupWith(t, quickbookssim.Config{WebhookURL: hook.URL, Envelope: "legacy", Entities: []string{"Invoice"}}, sim.Options{Hooks: d}, nil)
	_, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.NoError(t, err)
	a, err := f.Verify(t.Context(), <-got)
	require.NoError(t, err)
	polled, _, err := f.PollEvents(t.Context(), "")
	require.NoError(t, err)
	told, found := a.Events[0], polled[0]
	require.NotEqual(t, told.ID, found.ID)
	require.Equal(t, []string{told.Object, told.Code, told.Status}, []string{found.Object, found.Code, found.Status})
}

func FuzzWebhook(f *testing.F) {
	for _, s := range []string{payment150, `[]`, `[{"id":"a","type":"qbo.payment.created.v1","intuitaccountid":"42","intuitentityid":"1","time":"2026-01-06T21:31:25Z"}]`,
		`{"eventNotifications":[{"realmId":"42"}]}`, "", " [", `[{"type":"qbo.."}]`} {
		f.Add(s)
	}
	c := receiver(f, "42", verifier)
	f.Fuzz(func(t *testing.T, body string) {
		_, err := c.Verify(t.Context(), signed("wrong", body))
		require.Equal(t, integrations.KindUnauthorized, integrations.KindOf(err))
		a, err := c.Verify(t.Context(), signed(verifier, body))
		if err != nil {
			require.Equal(t, integrations.KindInvalid, integrations.KindOf(err))
			return
		}
		again, err := c.Verify(t.Context(), signed(verifier, body))
		require.NoError(t, err)
		require.Equal(t, a, again)
		for _, e := range a.Events {
			require.NotEmpty(t, e.ID)
			require.Contains(t, []integrations.EventKind{integrations.EventAccountingChanged, integrations.EventIgnored}, e.Kind)
		}
	})
}
