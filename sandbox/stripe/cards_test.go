package stripesim_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// TestTestCards charges every test token once (docs.stripe.com/testing).
func TestTestCards(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]struct{ code, decline, last4 string }{
		"pm_card_visa": {last4: "4242"}, "pm_card_visa_debit": {last4: "5556"}, "pm_card_mastercard": {last4: "4444"}, "pm_card_amex": {last4: "8431"},
		"pm_card_discover": {last4: "9424"}, "pm_card_us": {last4: "4242"}, "pm_card_bypassPending": {last4: "0077"},
		"pm_card_chargeDeclined":                           {"card_declined", "generic_decline", "0002"},
		"pm_card_visa_chargeDeclined":                      {"card_declined", "generic_decline", "0002"},
		"pm_card_chargeDeclinedInsufficientFunds":          {"card_declined", "insufficient_funds", "9995"},
		"pm_card_visa_chargeDeclinedInsufficientFunds":     {"card_declined", "insufficient_funds", "9995"},
		"pm_card_chargeDeclinedLostCard":                   {"card_declined", "lost_card", "9987"},
		"pm_card_chargeDeclinedStolenCard":                 {"card_declined", "stolen_card", "9979"},
		"pm_card_visa_chargeDeclinedVelocityLimitExceeded": {"card_declined", "card_velocity_exceeded", "6975"},
		"pm_card_chargeDeclinedFraudulent":                 {"card_declined", "fraudulent", "0019"},
		"pm_card_chargeDeclinedExpiredCard":                {"expired_card", "expired_card", "0069"},
		"pm_card_chargeDeclinedIncorrectCvc":               {"incorrect_cvc", "incorrect_cvc", "0127"},
		"pm_card_chargeDeclinedProcessingError":            {"processing_error", "processing_error", "0119"},
		"pm_card_chargeCustomerFail":                       {"card_declined", "generic_decline", "0341"},
		"pm_card_authenticationRequired":                   {"authentication_required", "authentication_required", "3184"},
		"pm_card_authenticationRequiredOnSetup":            {"authentication_required", "authentication_required", "3155"},
		"pm_card_threeDSecure2Required":                    {"authentication_required", "authentication_required", "3220"},
	} {
		l := newLab(t)
		form := goodCharge + token + "&off_session=true"
		if want.code == "" {
			pi := l.post("/v1/payment_intents", form+"&expand[]=latest_charge")
			require.Equal(t, "succeeded", pi["status"], token)
			card := pi["latest_charge"].(object)["payment_method_details"].(object)["card"].(object)
			require.Equal(t, want.last4, card["last4"], token)
			require.Len(t, l.Books(), 1, token)
			continue
		}
		e := l.refused(http.StatusPaymentRequired, "/v1/payment_intents", form)
		require.Equal(t, "card_error", e["type"], token)
		require.Equal(t, want.code, e["code"], token)
		require.Equal(t, want.decline, e["decline_code"], token)
		require.Equal(t, want.last4, e["payment_method"].(object)["card"].(object)["last4"], token)
		pi := e["payment_intent"].(object)
		require.Equal(t, "requires_payment_method", pi["status"], token)
		require.Nil(t, pi["payment_method"], token)
		require.Equal(t, e["charge"], pi["latest_charge"], token)
		failed := l.get("/v1/charges/"+e["charge"].(string), "")
		require.Equal(t, "failed", failed["status"], token)
		require.Equal(t, want.code, failed["failure_code"], token)
		require.Equal(t, want.decline, failed["outcome"].(object)["reason"], token)
		require.Empty(t, l.Books(), token)
		kinds := l.kinds()
		require.Equal(t, []string{"charge.failed", "payment_intent.payment_failed"}, kinds[len(kinds)-2:], token)
	}
}

// kinds lists the types of all events, oldest first.
func (l *lab) kinds() []string {
	var out []string
	for _, e := range l.Events() {
		out = append(out, e.Type)
	}
	return out
}

// A declined intent takes another card, once.
func TestAnotherCardOnTheSameIntent(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pi := l.post("/v1/payment_intents", "amount=2500&currency=usd&payment_method_types[]=card")
	require.Equal(t, "requires_payment_method", pi["status"])
	path := "/v1/payment_intents/" + pi["id"].(string)
	require.Equal(t, "requires_confirmation", l.post(path, "payment_method=pm_card_chargeDeclined")["status"])
	require.Equal(t, "card_declined", l.refused(402, path+"/confirm", "")["code"])
	require.Equal(t, "card_declined", l.get(path, "")["last_payment_error"].(object)["code"])
	require.Equal(t, "requires_action", l.post(path+"/confirm", "payment_method=pm_card_threeDSecure2Required")["status"])
	require.NoError(t, l.Authenticate(pi["id"].(string), false))
	done := l.post(path+"/confirm", "payment_method=pm_card_visa")
	require.Equal(t, "succeeded", done["status"])
	require.Nil(t, done["last_payment_error"])
	require.EqualValues(t, 2500, done["amount_received"])
	l.refused(400, path+"/confirm", "payment_method=pm_card_visa")
	require.Len(t, l.Books(), 1)
	require.Len(t, l.get("/v1/charges", "payment_intent="+pi["id"].(string))["data"], 3, "every try leaves a charge")
}

// A card that pays once without a customer is spent; one that was asked to be
// kept stays.
func TestWhichCardsAreKept(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	cus := l.post("/v1/customers", "")["id"].(string)
	once := l.post("/v1/payment_methods", "type=card&card[token]=tok_visa")["id"].(string)
	l.post("/v1/payment_intents", goodCharge+once)
	l.refused(400, "/v1/payment_intents", goodCharge+once)
	require.Nil(t, l.get("/v1/payment_methods/"+once, "")["customer"])

	kept := l.post("/v1/payment_methods", "type=card&card[token]=tok_visa&metadata[a]=b")["id"].(string)
	l.post("/v1/payment_intents", goodCharge+kept+"&setup_future_usage=off_session&customer="+cus)
	require.Equal(t, cus, l.get("/v1/payment_methods/"+kept, "")["customer"])
	l.post("/v1/payment_intents", goodCharge+kept+"&off_session=true&customer="+cus)
	require.Equal(t, object{"a": "b"}, l.get("/v1/payment_methods/"+kept, "")["metadata"])

	page := l.post("/v1/checkout/sessions", sessionForm(url.Values{"payment_intent_data[setup_future_usage]": {"off_session"}, "customer_creation": {"always"}}))
	require.NoError(t, l.PaySession(page["id"].(string), "pm_card_visa"))
	owner := l.get("/v1/checkout/sessions/"+page["id"].(string), "")["customer"].(string)
	require.NotEqual(t, cus, owner)
	require.Len(t, l.get("/v1/customers/"+owner+"/payment_methods", "")["data"], 1)
	seeded, err := l.SeedCard(l.SeedCustomer(map[string]string{"x": "y"}), "pm_card_chargeDeclined")
	require.NoError(t, err, "a card that was good when it was stored")
	require.NotNil(t, l.get("/v1/payment_methods/"+seeded, "")["customer"])
}

// A page that takes bank accounts is complete long before it is paid.
func TestBankDebitOnThePage(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]struct{ event, paid string }{
		"pm_usBankAccount_success":           {"checkout.session.async_payment_succeeded", "paid"},
		"pm_usBankAccount_insufficientFunds": {"checkout.session.async_payment_failed", "unpaid"},
		"pm_usBankAccount_accountClosed":     {"checkout.session.async_payment_failed", "unpaid"},
		"pm_usBankAccount_noAccount":         {"checkout.session.async_payment_failed", "unpaid"},
	} {
		l := newLab(t)
		ss := l.post("/v1/checkout/sessions", sessionForm(url.Values{"payment_method_types[]": {"card", "us_bank_account"}}))
		id := ss["id"].(string)
		status, html, _ := l.visit(http.MethodGet, ss["url"].(string), nil)
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, html, "Bank account ending 6789")
		require.NoError(t, l.PaySession(id, token))
		got := l.get("/v1/checkout/sessions/"+id, "")
		require.Equal(t, []any{"complete", "unpaid"}, []any{got["status"], got["payment_status"]})
		_, html, _ = l.visit(http.MethodGet, ss["url"].(string), nil)
		require.Contains(t, html, "is processing")
		require.Empty(t, l.Books())
		l.refused(400, "/v1/checkout/sessions/"+id+"/expire", "")
		l.wait(4 * 24 * time.Hour)
		l.Tick()
		require.Equal(t, want.paid, l.get("/v1/checkout/sessions/"+id, "")["payment_status"], token)
		kinds := l.kinds()
		require.Equal(t, want.event, kinds[len(kinds)-1], token)
		require.Equal(t, want.paid == "paid", len(l.Books()) == 1, token)
	}
}

// TestFaultBodies looks at what the platform says when it throttles, fails or
// has rolled the key.
func TestFaultBodies(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for kind, want := range map[sim.FaultKind]struct {
		status     int
		kind, code string
	}{
		sim.FaultRateLimit: {429, "invalid_request_error", "rate_limit"},
		sim.FaultToken:     {401, "invalid_request_error", "api_key_expired"},
		sim.FaultServer:    {500, "api_error", ""},
	} {
		l.Faults().Add(sim.Fault{Kind: kind})
		status, o, h := l.send(http.MethodPost, "/v1/customers", "")
		require.Equal(t, want.status, status)
		e := o["error"].(object)
		code, _ := e["code"].(string)
		require.Equal(t, want.kind, e["type"])
		require.Equal(t, want.code, code)
		require.NotEmpty(t, h.Get("Request-Id"))
	}
	require.Empty(t, l.get("/v1/customers", "")["data"])
	status, o, _ := l.send(http.MethodGet, "/v1/balance", "", "Stripe-Account", "acct_stranger")
	require.Equal(t, http.StatusForbidden, status)
	require.Equal(t, "account_invalid", o["error"].(object)["code"])
}

// The same key while its first request still runs is a conflict, not a replay.
func TestKeyInUse(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Faults().Add(sim.Fault{Kind: sim.FaultSlow, Path: "/v1/payment_intents", Delay: 300 * time.Millisecond})
	answers := make(chan object, 2)
	for range 2 {
		go func() {
			_, o, _ := l.send(http.MethodPost, "/v1/payment_intents", goodCharge+"pm_card_visa", "Idempotency-Key", "k-1")
			answers <- o
		}()
	}
	first, second := <-answers, <-answers
	e := first["error"].(object)
	require.Equal(t, "idempotency_key_in_use", e["code"])
	require.Equal(t, "invalid_request_error", e["type"])
	require.Equal(t, "succeeded", second["status"])
	require.Len(t, l.Books(), 1)
	require.Equal(t, second["id"], l.post("/v1/payment_intents", goodCharge+"pm_card_visa", "Idempotency-Key", "k-1")["id"])
}
