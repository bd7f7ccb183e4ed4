package quickbooks_test

import (
	"net/http"
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	quickbookssim "github.com/copayflow/copayflow/sandbox/quickbooks"
	"github.com/copayflow/copayflow/sandbox/sim"
)

// Money goes back in one of two ways, never in both. While our void is refused
// by a rule of the books, the payment is voided by somebody else: the refund
// receipt that would be the other way is not made.
func TestNoRefundReceiptForAVoidedPayment(t *testing.T) {
	t.Parallel()
	f := setup(t)
	invoice, payment := f.paid(2500)
	f.wire.once(http.MethodPost, "payment", func() *http.Response {
		require.NoError(t, f.sim.VoidPayment(payment))
		return reply(400, faultBody("6000"))
	})
	d, err := f.Reverse(t.Context(), reverseReq(1, payment, invoice, 2500, true))
	require.NoError(t, err)
	require.True(t, d.Voided)
	require.Equal(t, ref(copay.EffectUnbook, 1), d.Ref)
	require.Zero(t, f.sim.Books().Net())
}

// The same for a part, which a person has to settle then.
func TestNoRefundReceiptForAPartOfAVoidedPayment(t *testing.T) {
	t.Parallel()
	f := setup(t)
	invoice, payment := f.paid(2500)
	reads := 0
	f.wire.mu.Lock()
	f.wire.intercept = func(r *http.Request) *http.Response {
		if r.Method == http.MethodGet && path.Base(path.Dir(r.URL.Path)) == "payment" {
			if reads++; reads == 2 {
				require.NoError(t, f.sim.VoidPayment(payment))
			}
		}
		return nil
	}
	f.wire.mu.Unlock()
	_, err := f.Reverse(t.Context(), reverseReq(1, payment, invoice, 1000, false))
	require.Contains(t, requireKind(t, err, integrations.KindInvalid).Message, "only a part of it went back")
	require.Zero(t, f.sim.Books().Net())
}

// An id from a former company, or a wrong one, names somebody else's payment
// in these books.
func TestOnlyOurOwnPaymentIsVoided(t *testing.T) {
	t.Parallel()
	f := setup(t)
	invoice, payment := f.paid(2500)
	// The practice's own business: another customer, another reference.
	require.NoError(t, f.sim.EditPayment(payment, map[string]any{"PaymentRefNum": "check 4711", "PrivateNote": "Mrs. Smith, flu shots"}))
	require.NoError(t, f.sim.EditInvoice(invoice, map[string]any{"DocNumber": "1042", "PrivateNote": "Mrs. Smith, flu shots"}))
	other := copay.Key{Practice: "northside", EHR: "drchrono", Charge: "17"}.ID()
	r := reverseReq(1, payment, invoice, 2500, true)
	r.CoPay, r.Ref, r.Alias = other, copay.NewRef(other, copay.EffectUnbook, 1), "P-999"
	r.Of = copay.NewRef(other, copay.EffectBook, 1)
	for range 2 {
		_, err := f.Reverse(t.Context(), r)
		require.Contains(t, requireKind(t, err, integrations.KindInvalid).Message, "payment "+payment+" has neither")
		r.Amount, r.Whole = copay.Cents(100), false // nor is a part given back to its customer
	}
	require.False(t, f.sim.Books().Payments[0].Voided)
	require.Empty(t, f.sim.Books().Refunds)
}

func TestOnlyOurOwnInvoiceIsVoided(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, err := f.Invoice(t.Context(), invoiceReq(1, 100))
	require.NoError(t, err)
	cust, err := f.sim.AddCustomer("Walk-in")
	require.NoError(t, err)
	foreign, err := f.sim.AddInvoice(cust, f.sim.ItemID("Patient co-pay"), "1042", 9900)
	require.NoError(t, err)
	_, err = f.VoidInvoice(t.Context(), voidReq(1, foreign, 1, 9900))
	require.Contains(t, requireKind(t, err, integrations.KindInvalid).Message, "invoice "+foreign+" has neither")
	require.Equal(t, int64(9900), f.sim.Books().Invoices[1].Balance)
}

// A document whose number the bookkeeper has changed is known by its note, and
// one whose note they have changed by its number.
func TestADocumentIsKnownByNumberOrNote(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string][2]map[string]any{
		"number": {{"PaymentRefNum": "check 4711"}, {"DocNumber": "1042"}},
		"note":   {{"PrivateNote": "seen"}, {"PrivateNote": "seen"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			invoice, payment := f.paid(2500)
			require.NoError(t, f.sim.EditPayment(payment, edit[0]))
			require.NoError(t, f.sim.EditInvoice(invoice, edit[1]))
			_, err := f.Reverse(t.Context(), reverseReq(1, payment, invoice, 2500, true))
			require.NoError(t, err)
			_, err = f.VoidInvoice(t.Context(), voidReq(1, invoice, 1, 2500))
			require.NoError(t, err)
			require.Zero(t, f.sim.Books().Invoices[0].Balance)
		})
	}
}

// What a bookkeeper has added to an invoice is not ours to take out.
func TestVoidLeavesTheBookkeepersLineAlone(t *testing.T) {
	t.Parallel()
	f := setup(t)
	invoice, payment := f.paid(2500)
	item := f.sim.ItemID("Patient co-pay")
	line := func(a float64) map[string]any {
		return map[string]any{"Amount": a, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": map[string]any{"ItemRef": map[string]any{"value": item}}}
	}
	require.NoError(t, f.sim.EditInvoice(invoice, map[string]any{"Line": []any{line(25), line(40)}}))
	_, err := f.Reverse(t.Context(), reverseReq(1, payment, invoice, 2500, true))
	require.NoError(t, err)
	_, err = f.VoidInvoice(t.Context(), voidReq(1, invoice, 1, 2500))
	requireKind(t, err, integrations.KindInvalid)
}

// Two payments of one co-pay have an invoice each, and each goes back by a
// refund receipt of its own.
func TestTheInvoiceOfAPartIsKnownAsGivenBack(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for n, cents := range []int64{1000, 1500} {
		inv, err := f.Invoice(t.Context(), invoiceReq(n+1, cents))
		require.NoError(t, err)
		pay, err := f.Receive(t.Context(), receiptReq(n+1, inv.ID, cents))
		require.NoError(t, err)
		_, err = f.sim.Deposit(pay.ID)
		require.NoError(t, err)
		_, err = f.Reverse(t.Context(), reverseReq(n+1, pay.ID, inv.ID, cents, true))
		require.NoError(t, err)
	}
	first := f.sim.Books().Invoices[0].ID
	d, err := f.VoidInvoice(t.Context(), voidReq(1, first, 1, 1000))
	require.NoError(t, err)
	require.False(t, d.Voided, "nothing is left to void")

	// What went back of the other payment is not this one's.
	require.NoError(t, f.sim.DeleteRefund(f.sim.Books().Refunds[0].ID))
	_, err = f.VoidInvoice(t.Context(), voidReq(1, first, 1, 1000))
	requireKind(t, err, integrations.KindInvalid)
}

// A void takes a payment out of the month it came in. Money that was returned
// weeks later, and stands on an account's statement twice, is a refund receipt.
func TestMoneyThatWentBackLaterStandsInTheBooks(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		account string
		on      copay.Date
		voided  bool
	}{
		"returned weeks later":             {"Checking", "2026-03-07", false},
		"returned on the same day":         {"Checking", "2026-01-06", true},
		"not deposited yet":                {"Undeposited Funds", "2026-03-07", true},
		"not deposited, as nothing is set": {"", "2026-03-07", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setupWith(t, quickbookssim.Config{}, sim.Options{}, map[string]any{"deposit_account": x.account})
			invoice, payment := f.paid(2500)
			r := reverseReq(1, payment, invoice, 2500, true)
			r.On = x.on
			for range 2 {
				d, err := f.Reverse(t.Context(), r)
				require.NoError(t, err)
				require.Equal(t, x.voided, d.Voided)
			}
			b := f.sim.Books()
			require.Equal(t, x.voided, b.Payments[0].Voided)
			require.Zero(t, b.Net())
			if !x.voided {
				require.Equal(t, "2026-03-07", b.Refunds[0].Date)
			}
		})
	}
}

// A void of a payment refused long ago (not a rule of accounting: 2500, say the
// customer was inactive), kept under the requestid, comes again after mending.
func TestARefusedPaymentVoidIsNotForEver(t *testing.T) {
	f := setup(t)
	invoice, payment := f.paid(2500)
	first := ""
	f.wire.mu.Lock()
	f.wire.intercept = func(r *http.Request) *http.Response {
		if r.Method == http.MethodPost && path.Base(r.URL.Path) == "payment" {
			id := r.URL.Query().Get("requestid")
			if first == "" {
				first = id
			}
			if id == first {
				return reply(400, faultBody("2500"))
			}
		}
		return nil
	}
	f.wire.mu.Unlock()
	for range 3 {
		f.now.add(24 * 3600e9)
		r := reverseReq(1, payment, invoice, 2500, true)
		r.Asked = f.now.get() // asked anew by a person
		_, err := f.Reverse(t.Context(), r)
		if err == nil {
			return
		}
		require.Equal(t, integrations.KindInvalid, integrations.KindOf(err))
	}
	t.Fatal("the old refusal stands for ever, though the step was asked for anew")
}
