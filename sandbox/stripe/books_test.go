package stripesim_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// sum is what an account keeps by its books.
func (l *lab) sum() int64 {
	var n int64
	for _, e := range l.Books() {
		n += e.Minor
	}
	return n
}

// TestDisputesByTheirEnd follows the money of a dispute to each end.
func TestDisputesByTheirEnd(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		card     string
		end      func(l *lab, id string)
		status   string
		kept     int64
		last     string
		moves    int
		disputed bool
	}{
		"open": {card: "pm_card_createDispute", end: func(*lab, string) {}, status: "needs_response", last: "charge.dispute.funds_withdrawn", moves: 1},
		"answered": {card: "pm_card_createDispute", end: func(l *lab, id string) { l.post("/v1/disputes/"+id, "evidence[service_date]=2024-03-01") },
			status: "under_review", last: "charge.dispute.updated", moves: 1},
		"not handed in": {card: "pm_card_createDispute", end: func(l *lab, id string) { l.post("/v1/disputes/"+id, "evidence[service_date]=x&submit=false") },
			status: "needs_response", last: "charge.dispute.updated", moves: 1},
		"won": {card: "pm_card_createDispute", end: func(l *lab, id string) { require.NoError(l, l.CloseDispute(id, true)) },
			status: "won", kept: 2500, last: "charge.dispute.closed", moves: 2},
		"lost": {card: "pm_card_createDispute", end: func(l *lab, id string) { require.NoError(l, l.CloseDispute(id, false)) },
			status: "lost", last: "charge.dispute.closed", moves: 1},
		"given up": {card: "pm_card_createDispute", end: func(l *lab, id string) { l.post("/v1/disputes/"+id+"/close", "") },
			status: "lost", last: "charge.dispute.closed", moves: 1},
		"only asked": {card: "pm_card_createDisputeInquiry", end: func(*lab, string) {}, status: "warning_needs_response", kept: 2500, last: "charge.dispute.created"},
		"asked, answered": {card: "pm_card_createDisputeInquiry", end: func(l *lab, id string) { require.NoError(l, l.CloseDispute(id, true)) },
			status: "warning_closed", kept: 2500, last: "charge.dispute.closed"},
	} {
		l := newLab(t)
		pi := l.post("/v1/payment_intents", goodCharge+tc.card)["id"].(string)
		id := ids(l.get("/v1/disputes", "payment_intent="+pi))[0]
		tc.end(l, id)
		d := l.get("/v1/disputes/"+id, "")
		require.Equal(t, tc.status, d["status"], name)
		require.Len(t, d["balance_transactions"], tc.moves, name)
		details := d["evidence_details"].(object)
		require.Equal(t, tc.status == "under_review", details["submission_count"] == 1.0, name)
		require.Equal(t, tc.last == "charge.dispute.updated", details["has_evidence"], name)
		require.Equal(t, tc.kept, l.sum(), name)
		kinds := l.kinds()
		require.Equal(t, tc.last, kinds[len(kinds)-1], name)
		if tc.kept == 0 {
			l.refused(400, "/v1/refunds", "payment_intent="+pi)
			continue
		}
		l.post("/v1/refunds", "payment_intent="+pi) // what is still ours may be given back
		require.Zero(t, l.sum(), name)
	}
}

// TestRefundsByTheirEnd: what a bank sends back is ours again and may be
// refunded once more; a dashboard's refund carries nothing of ours.
func TestRefundsByTheirEnd(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pi := l.post("/v1/payment_intents", goodCharge+"pm_card_visa&metadata[ref]=r-1&metadata[copay_id]=cp-1")["id"].(string)
	failed := l.post("/v1/refunds", "payment_intent="+pi+"&reason=requested_by_customer&metadata[ref]=r-2")["id"].(string)
	require.Zero(t, l.sum())
	require.NoError(t, l.FailRefund(failed))
	require.NoError(t, l.FailRefund(failed), "it fails once")
	require.EqualValues(t, 2500, l.sum())
	re := l.get("/v1/refunds/"+failed, "")
	require.Equal(t, []any{"failed", "expired_or_canceled_card"}, []any{re["status"], re["failure_reason"]})
	require.Equal(t, object{"ref": "r-2", "by": "staff"}, l.post("/v1/refunds/"+failed, "metadata[by]=staff")["metadata"])
	require.Equal(t, object{"ref": "r-2"}, l.post("/v1/refunds/"+failed, "metadata[by]=")["metadata"], "an empty value takes a key out")

	byHand, err := l.DashboardRefund(pi, 1000)
	require.NoError(t, err)
	require.Empty(t, l.get("/v1/refunds/"+byHand, "")["metadata"])
	l.post("/v1/refunds", "charge="+l.get("/v1/payment_intents/"+pi, "")["latest_charge"].(string)+"&amount=500")
	require.EqualValues(t, 1000, l.sum())
	books := l.Books()
	require.Equal(t, []string{"capture", "refund", "refund"}, []string{books[0].Kind, books[1].Kind, books[2].Kind})
	for _, e := range books {
		require.Equal(t, "cp-1", e.CoPay, "a refund without metadata is its payment's")
		require.Equal(t, pi, e.PaymentIntent)
	}
	require.Equal(t, "r-1", books[0].Ref)
	require.Empty(t, books[1].Ref)
}

// TestInvoicesByTheirPayment: an invoice is paid once, by whom it says.
func TestInvoicesByTheirPayment(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	cus := l.post("/v1/customers", "payment_method=pm_card_visa&invoice_settings[default_payment_method]=pm_card_visa&email=a@example.org")
	id := cus["id"].(string)
	chosen := cus["invoice_settings"].(object)["default_payment_method"].(string)
	bill := func(form string) string {
		inv := l.post("/v1/invoices", "customer="+id+form)["id"].(string)
		l.post("/v1/invoiceitems", "customer="+id+"&amount=4500&currency=usd&invoice="+inv)
		return "/v1/invoices/" + inv
	}
	byDefault := l.post(bill("")+"/pay", "expand[]=payment_intent")
	require.Equal(t, chosen, byDefault["payment_intent"].(object)["payment_method"])
	require.EqualValues(t, 4500, l.sum())

	// The invoice's own method comes first; the call's before both.
	own := l.post("/v1/payment_methods/pm_card_mastercard/attach", "customer="+id)["id"].(string)
	path := bill("&default_payment_method=" + own)
	require.Equal(t, own, l.post(path+"/pay", "expand[]=payment_intent")["payment_intent"].(object)["payment_method"])
	l.post("/v1/customers/"+id, "invoice_settings[default_payment_method]=")
	l.refused(400, bill("")+"/pay", "")

	// A card that is taken out pays nothing any more.
	l.post("/v1/customers/"+id, "invoice_settings[default_payment_method]="+own)
	l.post("/v1/payment_methods/"+own+"/detach", "")
	require.Nil(t, l.get("/v1/customers/"+id, "")["invoice_settings"].(object)["default_payment_method"])
	l.refused(400, bill("")+"/pay", "")

	// Whoever asks the bank waits for the answer.
	path = bill("")
	require.Equal(t, "invoice_payment_intent_requires_action", l.refused(402, path+"/pay", "payment_method=pm_card_threeDSecure2Required")["code"])
	require.NoError(t, l.Authenticate(l.get(path, "")["payment_intent"].(string), true))
	require.Equal(t, "paid", l.get(path, "")["status"])
	require.EqualValues(t, 3*4500, l.sum())

	// Cash moves no money here and was no attempt of the platform's.
	path = bill("")
	cash := l.post(path+"/pay", "paid_out_of_band=true")
	require.Equal(t, []any{"paid", true}, []any{cash["status"], cash["paid_out_of_band"]})
	require.EqualValues(t, 3*4500, l.sum())
	kinds := l.kinds()
	require.Equal(t, "invoice.paid", kinds[len(kinds)-1])
	require.NotContains(t, kinds[len(kinds)-2:], "invoice.payment_succeeded")

	// What cannot be collected can still be paid.
	path = bill("&collection_method=send_invoice&days_until_due=3")
	require.Equal(t, "open", l.post(path+"/send", "")["status"], "mailing finishes a draft")
	l.post(path+"/mark_uncollectible", "")
	require.Equal(t, "paid", l.post(path+"/pay", "payment_method=pm_card_visa")["status"])
	require.Equal(t, "changed", l.post(path, "description=changed&auto_advance=true&metadata[a]=b")["description"])
}
