package stripesim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/sandbox/sim"
)

func TestKeysAndVersions(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for name, header := range map[string]string{"none": "", "live": "Bearer sk_live_1", "publishable": "Bearer pk_test_1", "nonsense": "Bearer x"} {
		status, o, h := l.send(http.MethodGet, "/v1/balance", "", "Authorization", header)
		require.Equal(t, http.StatusUnauthorized, status, name)
		require.Equal(t, "invalid_request_error", o["error"].(object)["type"])
		require.NotEmpty(t, h.Get("Request-Id"))
	}
	status, _, h := l.send(http.MethodGet, "/v1/balance", "", "Authorization", "Basic c2tfdGVzdF8xOg==")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "2023-10-16", h.Get("Stripe-Version"))
	status, _, _ = l.send(http.MethodGet, "/v1/balance", "", "Stripe-Version", "2023-10-16")
	require.Equal(t, http.StatusOK, status)
	status, _, _ = l.send(http.MethodGet, "/v1/balance", "", "Stripe-Version", "2019-01-01")
	require.Equal(t, http.StatusBadRequest, status)
	status, o, _ := l.send(http.MethodGet, "/v1/unicorns", "")
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, o["error"].(object)["message"], "Unrecognized request URL")
	status, _, _ = l.send(http.MethodDelete, "/v1/balance", "")
	require.Equal(t, http.StatusMethodNotAllowed, status)
}

func TestParametersAreChecked(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, tc := range []struct{ path, form, code, param string }{
		{"/v1/payment_intents", "currency=usd", "parameter_missing", "amount"},
		{"/v1/payment_intents", "amount=2500", "parameter_missing", "currency"},
		{"/v1/payment_intents", "amount=2500&currency=usd&colour=red", "parameter_unknown", "colour"},
		{"/v1/payment_intents", "amount=2500&currency=usd&mandate_data[who]=me", "parameter_unknown", "mandate_data[who]"},
		{"/v1/payment_intents", "amount=25.00&currency=usd", "parameter_invalid_integer", "amount"},
		{"/v1/payment_intents", "amount=-1&currency=usd", "parameter_invalid_integer", "amount"},
		{"/v1/payment_intents", "amount=49&currency=usd", "amount_too_small", "amount"},
		{"/v1/payment_intents", "amount=100000000&currency=usd", "amount_too_large", "amount"},
		{"/v1/payment_intents", "amount=2500&currency=eur", "", "currency"},
		{"/v1/payment_intents", "amount=2500&currency=usd&customer=", "parameter_invalid_empty", "customer"},
		{"/v1/payment_intents", "amount=2500&currency=usd&customer=cus_none", "resource_missing", "customer"},
		{"/v1/payment_intents", "amount=2500&currency=usd&confirm=perhaps", "", "confirm"},
		{"/v1/payment_intents", "amount=2500&currency=usd&off_session=true", "", "off_session"},
		{"/v1/payment_intents", "amount=2500&currency=usd&payment_method_types[]=carrier_pigeon", "", "payment_method_types[]"},
		{"/v1/payment_intents", "amount=2500&currency=usd&payment_method=pm_none", "resource_missing", "payment_method"},
		{"/v1/payment_intents", "amount=2500&currency=usd&confirm=true&payment_method_types[]=card", "payment_intent_unexpected_state", "payment_method"},
		{"/v1/payment_intents", "amount=2500&currency=usd&confirm=true&payment_method=pm_card_visa", "", "return_url"},
		{"/v1/payment_intents", "amount=2500&currency=usd&metadata[" + strings.Repeat("k", 41) + "]=v", "", "metadata[" + strings.Repeat("k", 41) + "]"},
		{"/v1/payment_intents", "amount=2500&currency=usd&metadata[k]=" + strings.Repeat("v", 501), "", "metadata[k]"},
		{"/v1/payment_intents", "amount]=1", "parameter_unknown", "amount]"},
		{"/v1/checkout/sessions", sessionForm(url.Values{"mode": nil}), "parameter_missing", "mode"},
		{"/v1/checkout/sessions", sessionForm(url.Values{"success_url": nil}), "parameter_missing", "success_url"},
		{"/v1/checkout/sessions", sessionForm(url.Values{"success_url": {"somewhere"}}), "url_invalid", "success_url"},
		{"/v1/checkout/sessions", sessionForm(url.Values{"line_items[0][quantity]": nil}), "parameter_missing", "line_items[0][quantity]"},
		{"/v1/checkout/sessions", sessionForm(url.Values{"line_items[0][price_data][unit_amount]": {"49"}}), "amount_too_small", ""},
		{"/v1/checkout/sessions", sessionForm(url.Values{"client_reference_id": {strings.Repeat("x", 201)}}), "", "client_reference_id"},
		{"/v1/checkout/sessions", sessionForm(url.Values{"expires_at": {fmt.Sprint(l.clock().Add(29 * time.Minute).Unix())}}), "", "expires_at"},
		{"/v1/checkout/sessions", sessionForm(url.Values{"expires_at": {fmt.Sprint(l.clock().Add(25 * time.Hour).Unix())}}), "", "expires_at"},
		{"/v1/refunds", "amount=1", "parameter_missing", "charge"},
		{"/v1/refunds", "payment_intent=pi_none", "resource_missing", "payment_intent"},
		{"/v1/payment_methods", "type=card&card[number]=4242424242424242", "", ""},
		{"/v1/payment_methods", "type=card&card[token]=tok_none", "resource_missing", "card[token]"},
		{"/v1/invoices", "customer=cus_none", "resource_missing", "customer"},
	} {
		status, o, _ := l.send(http.MethodPost, tc.path, tc.form)
		require.Contains(t, []int{400, 402}, status, tc.form)
		e := o["error"].(object)
		code, _ := e["code"].(string)
		param, _ := e["param"].(string)
		require.Equal(t, tc.code, code, "%s: %v", tc.form, e)
		require.Equal(t, tc.param, param, tc.form)
		require.NotEmpty(t, e["message"])
	}
	require.Equal(t, "list", l.get("/v1/payment_intents", "")["object"])
	require.Empty(t, l.get("/v1/payment_intents", "")["data"], "a refused request leaves nothing behind")
	status, _, _ := l.send(http.MethodPost, "/v1/customers", `{"name":"x"}`, "Content-Type", "application/json")
	require.Equal(t, http.StatusBadRequest, status)
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key := []string{"Idempotency-Key", "k-1"}
	first := l.post("/v1/payment_intents", goodCharge+"pm_card_visa", key...)
	status, again, h := l.send(http.MethodPost, "/v1/payment_intents", goodCharge+"pm_card_visa", key...)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, first, again)
	require.Equal(t, "true", h.Get("Idempotent-Replayed"))
	require.Equal(t, "idempotency_error", l.refused(400, "/v1/payment_intents", goodCharge+"pm_card_mastercard", key...)["type"])
	require.Equal(t, "idempotency_error", l.refused(400, "/v1/customers", "", key...)["type"])
	require.Len(t, l.Books(), 1)
	// The order of the parameters does not make another request.
	l.post("/v1/payment_intents", "payment_method=pm_card_visa&currency=usd&payment_method_types[0]=card&confirm=true&amount=2500", key...)
	require.Len(t, l.Books(), 1)

	l.wait(24*time.Hour + time.Second)
	l.post("/v1/payment_intents", goodCharge+"pm_card_visa", key...)
	require.Len(t, l.Books(), 2, "after a day the key is free again")

	// A refusal of the parameters is not kept, a decline is.
	l.refused(400, "/v1/payment_intents", "amount=1&currency=usd", "Idempotency-Key", "k-2")
	l.post("/v1/payment_intents", goodCharge+"pm_card_visa", "Idempotency-Key", "k-2")
	for range 2 {
		require.Equal(t, "insufficient_funds", l.refused(402, "/v1/payment_intents", goodCharge+"pm_card_chargeDeclinedInsufficientFunds", "Idempotency-Key", "k-3")["decline_code"])
	}
	require.Len(t, l.get("/v1/charges", "limit=100")["data"], 4)

	// A server error during execution is kept, too; a gateway's is not.
	l.BreakNext(1)
	for range 2 {
		l.refused(500, "/v1/payment_intents", goodCharge+"pm_card_visa", "Idempotency-Key", "k-4")
	}
	l.Faults().Add(sim.Fault{Kind: sim.FaultServer})
	l.refused(500, "/v1/payment_intents", goodCharge+"pm_card_visa", "Idempotency-Key", "k-5")
	l.post("/v1/payment_intents", goodCharge+"pm_card_visa", "Idempotency-Key", "k-5")
	l.refused(400, "/v1/customers", "", "Idempotency-Key", strings.Repeat("k", 256))
	l.post("/v1/customers", "", "Idempotency-Key", strings.Repeat("k", 255))
}

func TestListsPageAndExpand(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ids := []string{}
	for i := range 25 {
		ids = append(ids, l.post("/v1/payment_intents", goodCharge+"pm_card_visa&metadata[n]="+fmt.Sprint(i))["id"].(string))
		l.wait(time.Second)
	}
	names := func(o object) []string {
		out := []string{}
		for _, x := range o["data"].([]any) {
			out = append(out, x.(object)["id"].(string))
		}
		return out
	}
	page := l.get("/v1/payment_intents", "")
	require.Len(t, page["data"], 10)
	require.Equal(t, true, page["has_more"])
	require.Equal(t, ids[24], names(page)[0], "newest first")
	page = l.get("/v1/payment_intents", "limit=10&starting_after="+ids[15])
	require.Equal(t, ids[14], names(page)[0])
	page = l.get("/v1/payment_intents", "limit=3&ending_before="+ids[5])
	require.Equal(t, []string{ids[8], ids[7], ids[6]}, names(page), "the page next to the cursor")
	require.Equal(t, true, page["has_more"])
	page = l.get("/v1/payment_intents", "limit=100&ending_before="+ids[24])
	require.Empty(t, page["data"])
	at := l.clock().Add(-5 * time.Second).Unix()
	require.Len(t, l.get("/v1/payment_intents", fmt.Sprintf("created[gte]=%d", at))["data"], 5)
	require.Len(t, l.get("/v1/payment_intents", fmt.Sprintf("created[gt]=%d", at))["data"], 4)
	require.Len(t, l.get("/v1/payment_intents", fmt.Sprintf("limit=100&created[lt]=%d", at))["data"], 20)

	got := l.get("/v1/payment_intents", "limit=1&expand[]=data.latest_charge.balance_transaction")
	charge := got["data"].([]any)[0].(object)["latest_charge"].(object)
	require.Equal(t, "balance_transaction", charge["balance_transaction"].(object)["object"])
	for query, code := range map[string]int{"limit=0": 400, "limit=101": 400, "starting_after=pi_none": 400, "expand[]=data.colour": 400,
		"expand[]=data.a.b.c.d": 400, "starting_after=" + ids[0] + "&ending_before=" + ids[1]: 400} {
		status, _, _ := l.send(http.MethodGet, "/v1/payment_intents", query)
		require.Equal(t, code, status, query)
	}
}

func TestSearchLags(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.post("/v1/customers", "email=a@example.org&metadata[patient_ref]=o'hara&metadata[practice]=lakeside")
	found := func(q string) int {
		o := l.get("/v1/customers/search", url.Values{"query": {q}}.Encode())
		require.Equal(t, "search_result", o["object"])
		return len(o["data"].([]any))
	}
	q := `metadata['patient_ref']:'o\'hara' AND metadata["practice"]:"lakeside"`
	require.Zero(t, found(q), "not indexed yet")
	l.wait(61 * time.Second)
	require.Equal(t, 1, found(q))
	require.Equal(t, 1, found(`email:'A@EXAMPLE.ORG'`))
	require.Equal(t, 1, found(`email~"example" OR email:"nobody"`))
	require.Zero(t, found(`-email:"a@example.org"`))
	require.Equal(t, 1, found(`created>1000`))
	require.Zero(t, found(`created<=1000`))
	for _, bad := range []string{"", "email", "email:", "email:'x", "colour:'red'", "email:'x' OR name:'y' AND phone:'z'", "metadata[x]:'y'"} {
		status, _, _ := l.send(http.MethodGet, "/v1/customers/search", url.Values{"query": {bad}}.Encode())
		require.Equal(t, http.StatusBadRequest, status, bad)
	}
}

func TestWebhooksAreSigned(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.post("/v1/payment_intents", goodCharge+"pm_card_visa", "Idempotency-Key", "k-1")
	kinds := map[string]bool{}
	for _, h := range l.deliveries(3) {
		require.True(t, signedWith("whsec_lab", h))
		require.False(t, signedWith("whsec_other", h))
		var ev object
		require.NoError(t, json.Unmarshal(h.Body, &ev))
		require.Equal(t, "2023-10-16", ev["api_version"])
		require.Equal(t, "k-1", ev["request"].(object)["idempotency_key"])
		kinds[ev["type"].(string)] = true
	}
	require.Equal(t, map[string]bool{"payment_intent.created": true, "charge.succeeded": true, "payment_intent.succeeded": true}, kinds)
}
