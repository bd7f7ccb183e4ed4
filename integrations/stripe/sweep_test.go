package stripe_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/stripe"
)

// TestSimulatorKeepsToTheSpecification reads everything that the simulator
// has, in every state: the bench holds each answer to the official schema.
func TestSimulatorKeepsToTheSpecification(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]any{"link_methods": []any{"card", "us_bank_account"}})
	r, p := b.paid(50_00)
	_, err := b.conn.Refund(t.Context(), b.refund(r, p.PlatformID, 1, 10_00))
	require.NoError(t, err)
	dispute, err := b.sim.OpenDispute(p.PlatformID, "general")
	require.NoError(t, err)
	b.raw("/v1/disputes/"+dispute, url.Values{"evidence[uncategorized_text]": {"consent"}})
	_, failed := b.open(51_00)
	require.Error(t, b.sim.PaySession(failed.PlatformID, "pm_card_chargeDeclined"))
	_, waiting := b.open(52_00)
	require.NoError(t, b.sim.PaySession(waiting.PlatformID, "pm_card_threeDSecure2Required"))
	_, debit := b.open(53_00)
	require.NoError(t, b.sim.PaySession(debit.PlatformID, "pm_usBankAccount_success"))
	_, gone := b.open(54_00)
	_, err = b.conn.Cancel(t.Context(), gone.PlatformID, gone.Ref)
	require.NoError(t, err)
	_, secure := b.open(55_00)
	require.NoError(t, b.sim.PaySession(secure.PlatformID, "pm_card_threeDSecure2Required"))
	require.NoError(t, b.sim.Authenticate(secure.PlatformID, true))
	customer := b.sim.SeedCustomer(map[string]string{"a": "b"})
	_, err = b.sim.SeedCard(customer, "pm_usBankAccount_success")
	require.NoError(t, err)
	for _, last := range []string{"/void", "/pay", "/mark_uncollectible", ""} {
		inv := field(t, b.raw("/v1/invoices", url.Values{"customer": {customer}}), "id")
		item := field(t, b.raw("/v1/invoiceitems", url.Values{"customer": {customer}, "amount": {"100"}, "currency": {"usd"}, "invoice": {inv}}), "id")
		if last == "" {
			b.call(http.MethodDelete, "/v1/invoiceitems/"+item, nil)
			b.call(http.MethodDelete, "/v1/invoices/"+inv, nil)
			continue
		}
		b.raw("/v1/invoices/"+inv+"/finalize", nil)
		form := url.Values{}
		if last == "/pay" {
			form.Set("payment_method", "pm_card_visa")
		}
		b.raw("/v1/invoices/"+inv+last, form)
	}
	b.clock.add(3 * 24 * time.Hour)
	require.NotEmpty(t, b.sim.PayOut())
	b.raw("/v1/customers/"+b.sim.SeedCustomer(nil), url.Values{"name": {"x"}})
	b.call(http.MethodDelete, "/v1/customers/"+b.sim.SeedCustomer(nil), nil)

	for _, path := range []string{"/v1/customers", "/v1/payment_intents", "/v1/charges", "/v1/checkout/sessions", "/v1/refunds", "/v1/disputes",
		"/v1/invoices", "/v1/invoiceitems", "/v1/balance_transactions", "/v1/payouts", "/v1/events"} {
		var list struct {
			Data []struct {
				ID string `json:"id"`
			} `json:"data"`
		}
		require.NoError(t, json.Unmarshal(b.call(http.MethodGet, path+"?limit=100", nil), &list))
		require.NotEmpty(t, list.Data, path)
		for _, x := range list.Data {
			b.call(http.MethodGet, path+"/"+x.ID, nil)
		}
	}
	b.call(http.MethodGet, "/v1/checkout/sessions/"+p.PlatformID+"/line_items", nil)
	b.call(http.MethodGet, "/v1/payment_methods?customer="+customer+"&type=us_bank_account", nil)
	for _, path := range []string{"customers", "payment_intents", "charges", "invoices"} {
		b.call(http.MethodGet, "/v1/"+path+"/search?query="+url.QueryEscape("created>1"), nil)
	}
}

func TestChargeThatStillAsksIsWithdrawn(t *testing.T) {
	t.Parallel()
	status := "requires_action"
	srv := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/cancel") {
			status = "canceled"
		}
		_, _ = io.WriteString(w, `{"id":"pi_1","object":"payment_intent","status":"`+status+`","amount":1000,"currency":"usd"}`)
	}
	c := against(t, srv)
	id, ref := newCoPay()
	_, err := c.ChargeStored(t.Context(), integrations.StoredCharge{Ref: ref, CoPay: id, Amount: copay.Cents(1000), Customer: "cus_1", Method: "pm_1"})
	e := requireKind(t, integrations.KindDeclined, err)
	require.Equal(t, "authentication_required", e.Code)
	require.Equal(t, "canceled", status, "it cannot be paid beside the link that is sent instead")
}

func TestConnectedAccount(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]any{"account": "acct_123"})
	_, err := b.conn.TestConnection(t.Context())
	require.Equal(t, "account_invalid", requireKind(t, integrations.KindUnauthorized, err).Code)
	for _, try := range []func(*stripe.Connector) error{
		func(c *stripe.Connector) error {
			_, err := c.EnsureCustomer(t.Context(), practice, "p")
			return err
		},
		func(c *stripe.Connector) error { _, err := c.StoredMethods(t.Context(), "cus_1"); return err },
	} {
		requireKind(t, integrations.KindUnauthorized, try(b.conn))
	}
}
