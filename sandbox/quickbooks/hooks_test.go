package quickbookssim_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	quickbookssim "github.com/copayflow/copayflow/sandbox/quickbooks"
	"github.com/copayflow/copayflow/sandbox/sim"
)

// inbox keeps what is delivered to it.
type inbox struct {
	mu     sync.Mutex
	bodies [][]byte
	signed []string
}

func (i *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	i.mu.Lock()
	defer i.mu.Unlock()
	if err == nil {
		i.bodies, i.signed = append(i.bodies, b), append(i.signed, r.Header.Get("intuit-signature"))
	}
}

func (i *inbox) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.bodies)
}

// delivered runs acts in a company's books and waits for the deliveries they cause.
func delivered(t *testing.T, envelope string, want int, acts func(c *caller)) *inbox {
	t.Helper()
	in := &inbox{}
	srv := httptest.NewServer(in)
	t.Cleanup(srv.Close)
	hooks := sim.NewDeliverer()
	k := &clock{t: clockStart}
	s := quickbookssim.New(sim.Options{Now: k.now, Hooks: hooks}, quickbookssim.Config{NoLimits: true, WebhookURL: srv.URL, VerifierToken: "v1", Envelope: envelope})
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	c := &caller{t: t, sim: s, url: web.URL, clock: k}
	_, body := c.refresh("AB11-sandbox")
	c.access = body["access_token"].(string)
	acts(c)
	require.Eventually(t, func() bool { return in.count() >= want }, 10*time.Second, time.Millisecond)
	hooks.Close()
	return in
}

// acts of a co-pay's life, and of the bookkeeper, and what each one changes.
func life(c *caller) {
	_, item, inv, pay := c.booked()
	open := c.post("/invoice", invoiceBody("100", item, "CP-2", "10"))["Id"].(string)
	for _, err := range []error{c.sim.EditInvoice(inv, map[string]any{"PrivateNote": "n"}), c.sim.VoidPayment(pay), c.sim.DeletePayment(pay), c.sim.VoidInvoice(open), c.sim.DeleteInvoice(open)} {
		require.NoError(c.t, err)
	}
}

var lifeOf = []string{"Customer 100 Create", "Item 100 Create", "Invoice 145 Create", "Payment 146 Create", "Invoice 145 Update", "Invoice 147 Create", "Invoice 145 Update",
	"Invoice 145 Update", "Payment 146 Void", "Payment 146 Delete", "Invoice 147 Void", "Invoice 147 Delete"}

func TestCloudEvents(t *testing.T) {
	t.Parallel()
	in := delivered(t, "", 10, life)
	ops := map[string]string{"created": "Create", "updated": "Update", "deleted": "Delete", "void": "Void"}
	var got []string
	ids := map[string]bool{}
	for n, b := range in.bodies {
		require.Equal(t, signature("v1", b), in.signed[n])
		var list []map[string]any
		require.NoError(t, json.Unmarshal(b, &list), "an array at the top")
		for _, e := range list {
			require.Equal(t, "1.0", e["specversion"])
			require.Equal(t, "9130350000000001", e["intuitaccountid"])
			require.Contains(t, e["source"], "intuit.")
			require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, e["id"])
			require.Empty(t, e["data"], "ids only")
			require.False(t, ids[e["id"].(string)])
			ids[e["id"].(string)] = true
			parts := strings.Split(e["type"].(string), ".")
			require.Len(t, parts, 4)
			require.Equal(t, []string{"qbo", "v1"}, []string{parts[0], parts[3]})
			got = append(got, strings.ToUpper(parts[1][:1])+parts[1][1:]+" "+e["intuitentityid"].(string)+" "+ops[parts[2]])
		}
	}
	require.ElementsMatch(t, lifeOf, got)
}

func TestLegacyNotifications(t *testing.T) {
	t.Parallel()
	in := delivered(t, "legacy", 10, life)
	var got []string
	for n, b := range in.bodies {
		require.Equal(t, signature("v1", b), in.signed[n])
		var v struct {
			EventNotifications []struct {
				RealmID         string `json:"realmId"`
				DataChangeEvent struct {
					Entities []struct{ Name, ID, Operation, LastUpdated string }
				} `json:"dataChangeEvent"`
			} `json:"eventNotifications"`
		}
		require.NoError(t, json.Unmarshal(b, &v))
		require.Equal(t, "9130350000000001", v.EventNotifications[0].RealmID)
		for _, e := range v.EventNotifications[0].DataChangeEvent.Entities {
			require.Equal(t, "2026-01-05T18:00:00.000Z", e.LastUpdated)
			got = append(got, e.Name+" "+e.ID+" "+e.Operation)
		}
	}
	require.ElementsMatch(t, lifeOf, got)
}

// What changed nothing is not told: refused writes, replays, second voids.
func TestNothingChangedNothingSent(t *testing.T) {
	t.Parallel()
	const changes = 6 // customer, item, invoice, payment, second invoice, void
	in := delivered(t, "", changes, func(c *caller) {
		cust, item, inv, pay := c.booked()
		c.post("/invoice?requestid=r1", invoiceBody(cust, item, "CP-2", "5"))
		require.NoError(t, c.sim.VoidPayment(pay))
		c.post("/invoice?requestid=r1", invoiceBody(cust, item, "CP-2", "5"))
		c.refused(http.MethodPost, "/invoice", invoiceBody(cust, "999", "CP-3", "5"), "2500")
		require.NoError(t, c.sim.VoidPayment(pay))
		_ = c.object("invoice", inv)
	})
	require.Len(t, in.bodies, changes)
}

func signature(token string, body []byte) string {
	m := hmac.New(sha256.New, []byte(token))
	m.Write(body)
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// The bookkeeper works under the same rules as the API.
func TestBookkeeper(t *testing.T) {
	t.Parallel()
	c := quietly(t)
	_, item, inv, pay := c.booked()
	own, err := c.sim.AddCustomer("Walk-in")
	require.NoError(t, err)
	_, err = c.sim.AddCustomer("walk-in")
	require.ErrorContains(t, err, "6240")
	mine, err := c.sim.AddInvoice(own, item, "1001", 4200)
	require.NoError(t, err)
	require.Equal(t, json.Number("42.00"), c.object("invoice", mine)["Balance"])
	_, err = c.sim.AddInvoice("999", item, "1002", 1)
	require.ErrorContains(t, err, "2500")
	clearing := c.sim.AddAccount("Stripe clearing", "Bank")
	require.NoError(t, c.sim.EditPayment(pay, map[string]any{"DepositToAccountRef": map[string]string{"value": clearing}}))
	require.Equal(t, clearing, c.sim.Books().Payments[0].Account)

	require.ErrorContains(t, c.sim.VoidInvoice(inv), "6000", "money is on it")
	require.NoError(t, c.sim.UnapplyPayment(pay))
	require.Equal(t, int64(2500), c.sim.Books().Payments[0].Unapplied)
	require.NoError(t, c.sim.VoidInvoice(inv))
	_, err = c.sim.Deposit(pay, "999")
	require.ErrorContains(t, err, "999")
	for name, err := range map[string]error{"void": c.sim.VoidPayment(pay), "delete": c.sim.DeletePayment(pay), "edit": c.sim.EditPayment(pay, map[string]any{"PrivateNote": "x"})} {
		require.ErrorContains(t, err, "6540", name)
	}
	for _, err := range []error{c.sim.VoidInvoice("999"), c.sim.DeleteRefund("999"), c.sim.DeactivateItem("none"), c.sim.DeactivateCustomer("none"), c.sim.EditInvoice(inv, map[string]any{"Colour": "blue"})} {
		require.Error(t, err)
	}
	require.NoError(t, c.sim.DeactivateItem("Patient co-pay"))
	require.NoError(t, c.sim.DeactivateCustomer("Walk-in"))
	require.Equal(t, map[string]bool{"P-000123": true, "Walk-in (deleted)": false}, c.sim.Customers())
	numbers := []string{}
	for _, d := range c.sim.Books().Invoices {
		numbers = append(numbers, d.Number)
	}
	require.True(t, slices.Equal([]string{"CP-1", "1001"}, numbers), numbers)
}
