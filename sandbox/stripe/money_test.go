package stripesim_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCardsAndTheirRules(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ok := l.post("/v1/payment_intents", goodCharge+"pm_card_visa&description=x&metadata[ref]=r")
	require.Equal(t, "succeeded", ok["status"])
	require.EqualValues(t, 2500, ok["amount_received"])
	charge := l.get("/v1/charges/"+ok["latest_charge"].(string), "")
	require.Equal(t, "r", charge["metadata"].(object)["ref"], "the charge copies the intent's metadata")
	require.NotContains(t, ok, "charges")

	e := l.refused(402, "/v1/payment_intents", goodCharge+"pm_card_chargeDeclined")
	require.Equal(t, "card_error", e["type"])
	require.Equal(t, "card_declined", e["code"])
	require.Equal(t, "generic_decline", e["decline_code"])
	pi := e["payment_intent"].(object)
	require.Equal(t, "requires_payment_method", pi["status"])
	// The same intent takes another card, once.
	path := "/v1/payment_intents/" + pi["id"].(string) + "/confirm"
	require.Equal(t, "succeeded", l.post(path, "payment_method=pm_card_visa")["status"])
	require.Equal(t, "payment_intent_unexpected_state", l.refused(400, path, "payment_method=pm_card_visa")["code"])

	// A card that paid without a customer is spent.
	pm := l.post("/v1/payment_methods", "type=card&card[token]=tok_visa")["id"].(string)
	l.post("/v1/payment_intents", goodCharge+pm)
	require.Contains(t, l.refused(400, "/v1/payment_intents", goodCharge+pm)["message"], "may not be used again")

	// The bank wants the patient: not off-session.
	e = l.refused(402, "/v1/payment_intents", goodCharge+"pm_card_authenticationRequired&off_session=true")
	require.Equal(t, "authentication_required", e["code"])
	asks := l.post("/v1/payment_intents", goodCharge+"pm_card_authenticationRequired")
	require.Equal(t, "requires_action", asks["status"])
	require.NoError(t, l.Authenticate(asks["id"].(string), true))
	require.Error(t, l.Authenticate(asks["id"].(string), true))
	require.Equal(t, "succeeded", l.get("/v1/payment_intents/"+asks["id"].(string), "")["status"])
	refuses := l.post("/v1/payment_intents", goodCharge+"pm_card_authenticationRequired")
	require.NoError(t, l.Authenticate(refuses["id"].(string), false))
	got := l.get("/v1/payment_intents/"+refuses["id"].(string), "")
	require.Equal(t, "payment_intent_authentication_failure", got["last_payment_error"].(object)["code"])
}

func TestCustomersKeepCards(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	cus := l.post("/v1/customers", "name=A")["id"].(string)
	other := l.post("/v1/customers", "")["id"].(string)
	pm := l.post("/v1/payment_methods/pm_card_visa/attach", "customer="+cus)["id"].(string)
	require.Len(t, l.get("/v1/customers/"+cus+"/payment_methods", "type=card")["data"], 1)
	require.Equal(t, "insufficient_funds", l.refused(402, "/v1/payment_methods/pm_card_chargeDeclinedInsufficientFunds/attach", "customer="+cus)["decline_code"])
	l.post("/v1/payment_methods/pm_card_chargeCustomerFail/attach", "customer="+cus)
	l.refused(400, "/v1/payment_methods/"+pm+"/attach", "customer="+other)
	l.refused(400, "/v1/payment_intents", goodCharge+pm)
	l.refused(400, "/v1/payment_intents", goodCharge+pm+"&customer="+other)
	for range 2 { // a stored card is not spent
		l.post("/v1/payment_intents", goodCharge+pm+"&off_session=true&customer="+cus)
	}
	l.post("/v1/payment_methods/"+pm+"/detach", "")
	l.refused(400, "/v1/payment_methods/"+pm+"/attach", "customer="+cus)
	second := l.post("/v1/payment_methods/pm_card_visa/attach", "customer="+cus)["id"].(string)
	status, _, _ := l.send(http.MethodDelete, "/v1/customers/"+cus, "")
	require.Equal(t, http.StatusOK, status)
	require.Nil(t, l.get("/v1/payment_methods/"+second, "")["customer"])
	l.refused(400, "/v1/payment_methods/"+second+"/attach", "customer="+other)
	require.Equal(t, true, l.get("/v1/customers/"+cus, "")["deleted"])
	l.refused(400, "/v1/payment_intents", "amount=2500&currency=usd&customer="+cus)
	l.refused(404, "/v1/customers/"+cus, "name=B")
}

func TestCancelIntent(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pi := l.post("/v1/payment_intents", "amount=2500&currency=usd")["id"].(string)
	l.post("/v1/payment_intents/"+pi, "amount=2600&metadata[a]=b")
	require.Equal(t, "canceled", l.post("/v1/payment_intents/"+pi+"/cancel", "cancellation_reason=abandoned")["status"])
	require.Equal(t, "payment_intent_unexpected_state", l.refused(400, "/v1/payment_intents/"+pi+"/cancel", "")["code"])
	paid := l.post("/v1/payment_intents", goodCharge+"pm_card_visa")["id"].(string)
	e := l.refused(400, "/v1/payment_intents/"+paid+"/cancel", "")
	require.Equal(t, "succeeded", e["payment_intent"].(object)["status"])
	l.refused(400, "/v1/payment_intents/"+paid, "amount=1000")
	l.refused(404, "/v1/payment_intents/pi_none/cancel", "")
}

func TestRefundsUpToTheSum(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pi := l.post("/v1/payment_intents", goodCharge+"pm_card_visa")["id"].(string)
	l.post("/v1/refunds", "payment_intent="+pi+"&amount=1000&metadata[ref]=r1")
	require.Equal(t, "amount", l.refused(400, "/v1/refunds", "payment_intent="+pi+"&amount=1501")["param"])
	re := l.post("/v1/refunds", "payment_intent="+pi)
	require.EqualValues(t, 1500, re["amount"], "the rest")
	require.Equal(t, "charge_already_refunded", l.refused(400, "/v1/refunds", "payment_intent="+pi)["code"])
	charge := l.get("/v1/charges/"+re["charge"].(string), "")
	require.Equal(t, true, charge["refunded"])
	l.refused(400, "/v1/refunds/"+re["id"].(string)+"/cancel", "")
	require.Len(t, l.get("/v1/refunds", "payment_intent="+pi)["data"], 2)
	require.NoError(t, l.FailRefund(re["id"].(string)))
	require.EqualValues(t, 1000, l.get("/v1/charges/"+re["charge"].(string), "")["amount_refunded"])
	var sum int64
	for _, e := range l.Books() {
		sum += e.Minor
	}
	require.EqualValues(t, 1500, sum)
	open := l.post("/v1/payment_intents", "amount=2500&currency=usd")["id"].(string)
	l.refused(400, "/v1/refunds", "payment_intent="+open)
}

func TestDisputesMoveMoney(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pi := l.post("/v1/payment_intents", goodCharge+"pm_card_visa")
	id, err := l.OpenDispute(pi["id"].(string), "fraudulent")
	require.NoError(t, err)
	_, err = l.OpenDispute(pi["id"].(string), "fraudulent")
	require.Error(t, err)
	require.Equal(t, "charge_disputed", l.refused(400, "/v1/refunds", "payment_intent="+pi["id"].(string))["code"])
	d := l.post("/v1/disputes/"+id, "evidence[uncategorized_text]=signed+consent")
	require.Equal(t, "under_review", d["status"])
	require.NoError(t, l.CloseDispute(id, true))
	require.Error(t, l.CloseDispute(id, true))
	l.refused(400, "/v1/disputes/"+id+"/close", "")
	require.Len(t, l.get("/v1/disputes/"+id, "")["balance_transactions"], 2)
	require.Len(t, l.Books(), 1, "won back")

	pi = l.post("/v1/payment_intents", goodCharge+"pm_card_createDispute")
	d = l.get("/v1/disputes", "payment_intent="+pi["id"].(string))["data"].([]any)[0].(object)
	require.Equal(t, "needs_response", d["status"])
	require.Equal(t, "lost", l.post("/v1/disputes/"+d["id"].(string)+"/close", "")["status"])
	books := l.Books()
	require.EqualValues(t, -2500, books[len(books)-1].Minor)

	l.post("/v1/payment_intents", goodCharge+"pm_card_createDisputeInquiry")
	require.Len(t, l.Books(), len(books)+1, "an inquiry takes nothing")
}

func TestBankDebits(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const debit = "amount=2500&currency=usd&payment_method_types[]=us_bank_account&confirm=true&payment_method="
	require.Equal(t, "mandate_data", l.refused(400, "/v1/payment_intents", debit+"pm_usBankAccount_success")["param"])
	const mandate = "&mandate_data[customer_acceptance][type]=offline"
	good := l.post("/v1/payment_intents", debit+"pm_usBankAccount_success"+mandate)
	bad := l.post("/v1/payment_intents", debit+"pm_usBankAccount_debitNotAuthorized"+mandate)
	require.Equal(t, "processing", good["status"])
	require.Empty(t, l.Books())
	l.refused(400, "/v1/payment_intents/"+good["id"].(string)+"/cancel", "")
	l.wait(4*24*time.Hour + time.Second)
	l.Tick()
	require.Len(t, l.Books(), 1)
	got := l.get("/v1/payment_intents/"+bad["id"].(string), "")
	require.Equal(t, "debit_not_authorized", got["last_payment_error"].(object)["code"])
	re := l.post("/v1/refunds", "payment_intent="+good["id"].(string))
	require.Equal(t, "pending", re["status"])
	require.NoError(t, l.SettleRefund(re["id"].(string)))
	require.Equal(t, "succeeded", l.get("/v1/refunds/"+re["id"].(string), "")["status"])
}

// Time does its work without anybody looking at a page.
func TestWhatIsDueHappensBeforeTheNextCall(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	page := "/v1/checkout/sessions/" + l.post("/v1/checkout/sessions", sessionForm(nil))["id"].(string)
	debit := "/v1/payment_intents/" + l.post("/v1/payment_intents", "amount=2500&currency=usd&payment_method_types[]=us_bank_account&confirm=true"+
		"&payment_method=pm_usBankAccount_success&mandate_data[customer_acceptance][type]=offline")["id"].(string)
	l.wait(24*time.Hour - time.Second)
	require.Equal(t, "open", l.get(page, "")["status"])
	l.wait(time.Second)
	require.Equal(t, "expired", l.get(page, "")["status"])
	require.Equal(t, "processing", l.get(debit, "")["status"])
	l.wait(3 * 24 * time.Hour)
	require.Equal(t, "succeeded", l.get(debit, "")["status"])
}

func TestInvoices(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	cus := l.post("/v1/customers", "email=a@example.org")["id"].(string)
	inv := l.post("/v1/invoices", "customer="+cus+"&collection_method=send_invoice&days_until_due=10&metadata[copay_id]=cp-1")["id"].(string)
	path := "/v1/invoices/" + inv
	l.refused(400, path+"/finalize", "")
	l.refused(400, "/v1/invoices", "customer="+cus+"&collection_method=send_invoice")
	item := l.post("/v1/invoiceitems", "customer="+cus+"&amount=4500&currency=usd&invoice="+inv)["id"].(string)
	require.Equal(t, "open", l.post(path+"/finalize", "")["status"])
	l.refused(400, path+"/finalize", "")
	l.post(path+"/send", "")
	status, _, _ := l.send(http.MethodDelete, "/v1/invoiceitems/"+item, "")
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "card_declined", l.refused(402, path+"/pay", "payment_method=pm_card_chargeDeclined")["code"])
	paid := l.post(path+"/pay", "payment_method=pm_card_visa")
	require.Equal(t, "paid", paid["status"])
	require.EqualValues(t, 0, paid["amount_remaining"])
	l.refused(400, path+"/pay", "payment_method=pm_card_visa")
	l.refused(400, path+"/void", "")
	books := l.Books()
	require.Len(t, books, 1)
	require.Equal(t, "cp-1", books[0].CoPay)

	l.post("/v1/invoiceitems", "customer="+cus+"&amount=1000&currency=usd")
	second := l.post("/v1/invoices", "customer="+cus+"&pending_invoice_items_behavior=include")["id"].(string)
	l.post("/v1/invoices/"+second+"/finalize", "")
	require.Equal(t, "uncollectible", l.post("/v1/invoices/"+second+"/mark_uncollectible", "")["status"])
	require.Equal(t, "void", l.post("/v1/invoices/"+second+"/void", "")["status"])
	draft := l.post("/v1/invoices", "customer="+cus)["id"].(string)
	status, _, _ = l.send(http.MethodDelete, "/v1/invoices/"+draft, "")
	require.Equal(t, http.StatusOK, status)
	status, _, _ = l.send(http.MethodGet, "/v1/invoices/"+draft, "")
	require.Equal(t, http.StatusNotFound, status)
}

func TestPayouts(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	require.Empty(t, l.PayOut())
	l.post("/v1/payment_intents", goodCharge+"pm_card_visa")
	require.Empty(t, l.PayOut(), "not available yet")
	l.wait(49 * time.Hour)
	id := l.PayOut()
	require.EqualValues(t, 2500-102, l.get("/v1/payouts/"+id, "")["amount"])
	available := l.get("/v1/balance", "")["available"].([]any)[0].(object)
	require.EqualValues(t, 0, available["amount"])
}
