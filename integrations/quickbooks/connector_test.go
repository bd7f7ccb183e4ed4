package quickbooks_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	quickbookssim "github.com/copayflow/copayflow/sandbox/quickbooks"
	"github.com/copayflow/copayflow/sandbox/sim"
)

func TestInvoiceAndPayment(t *testing.T) {
	t.Parallel()
	f := setup(t)
	inv, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.NoError(t, err)
	require.Equal(t, integrations.AccountingDoc{ID: inv.ID, Kind: integrations.DocInvoice, Ref: ref(copay.EffectInvoice, 1),
		Amount: copay.Cents(2500), Balance: copay.Cents(2500), At: f.now.get()}, inv)

	pay, err := f.Receive(t.Context(), receiptReq(1, inv.ID, 2500))
	require.NoError(t, err)
	require.Equal(t, ref(copay.EffectBook, 1), pay.Ref)
	b := f.sim.Books()
	require.Equal(t, int64(2500), b.Net())
	require.Zero(t, b.Invoices[0].Balance)
	require.Equal(t, alias, b.Invoices[0].Customer)
	require.Equal(t, []string{inv.ID}, b.Payments[0].Invoices)
	require.Equal(t, "1", b.Payments[0].Method, "Cash")
	require.Equal(t, "4", b.Payments[0].Account, "Undeposited Funds")
	require.Equal(t, "2026-01-06", b.Payments[0].Date)
	require.Len(t, b.Payments[0].Number, 21)
	require.Contains(t, b.Payments[0].Note, "ref:"+string(ref(copay.EffectBook, 1)))
	require.Contains(t, b.Invoices[0].Note, "copay:"+string(copayID))
}

func TestSameKeyTwiceIsOneEffect(t *testing.T) {
	t.Parallel()
	f := setup(t)
	invoice, payment := f.paid(2500)
	again, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.NoError(t, err)
	require.Equal(t, invoice, again.ID)
	require.True(t, again.Balance.IsZero())
	again, err = f.Receive(t.Context(), receiptReq(1, invoice, 2500))
	require.NoError(t, err)
	require.Equal(t, payment, again.ID)
	for range 2 {
		d, err := f.Reverse(t.Context(), reverseReq(1, payment, invoice, 1000, false))
		require.NoError(t, err)
		require.Equal(t, copay.Cents(1000), d.Amount)
	}
	b := f.sim.Books()
	require.Len(t, b.Invoices, 1)
	require.Len(t, b.Payments, 1)
	require.Len(t, b.Refunds, 1)

	// The same reference for something else is refused.
	_, err = f.Invoice(t.Context(), invoiceReq(1, 2600))
	requireKind(t, err, integrations.KindInvalid)
	_, err = f.Receive(t.Context(), receiptReq(1, invoice, 2400))
	requireKind(t, err, integrations.KindInvalid)
	_, err = f.Reverse(t.Context(), reverseReq(1, payment, invoice, 900, false))
	requireKind(t, err, integrations.KindInvalid)
	require.Equal(t, int64(1500), f.sim.Books().Net())
}

// The rule of the books: payments not voided less refund receipts is what the
// practice kept, whichever way the money went back.
func TestReverseKeepsBooksEqualToMoney(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		cents     int64
		whole     bool
		deposited bool
		kind      integrations.DocKind
		net       int64
	}{
		"whole payment is voided":            {2500, true, false, integrations.DocPayment, 0},
		"a part is a refund receipt":         {1000, false, false, integrations.DocRefund, 1500},
		"deposited payment is refunded":      {2500, true, true, integrations.DocRefund, 0},
		"whole of less than the payment":     {1000, true, false, integrations.DocRefund, 1500},
		"all of it without saying whole":     {2500, false, false, integrations.DocRefund, 0},
		"part of deposited payment refunded": {1, false, true, integrations.DocRefund, 2499},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			invoice, payment := f.paid(2500)
			if x.deposited {
				_, err := f.sim.Deposit(payment)
				require.NoError(t, err)
			}
			for range 2 {
				d, err := f.Reverse(t.Context(), reverseReq(1, payment, invoice, x.cents, x.whole))
				require.NoError(t, err)
				require.Equal(t, x.kind, d.Kind)
				require.Equal(t, x.kind == integrations.DocPayment, d.Voided)
				require.Equal(t, ref(copay.EffectUnbook, 1), d.Ref)
			}
			b := f.sim.Books()
			require.Equal(t, x.net, b.Net())
			if x.kind == integrations.DocRefund {
				require.Equal(t, 1, f.wire.count(http.MethodPost, "payment"), "no void is tried")
				require.Equal(t, "35", b.Refunds[0].Account, "Checking")
				found, err := f.FindDoc(t.Context(), integrations.DocRefund, ref(copay.EffectUnbook, 1))
				require.NoError(t, err)
				require.Equal(t, b.Refunds[0].ID, found.ID)
				return
			}
			require.Empty(t, b.Refunds)
			require.Equal(t, int64(2500), b.Invoices[0].Balance)
			_, err := f.FindDoc(t.Context(), integrations.DocRefund, ref(copay.EffectUnbook, 1))
			requireKind(t, err, integrations.KindNotFound)
			found, err := f.FindDoc(t.Context(), integrations.DocPayment, ref(copay.EffectBook, 1))
			require.NoError(t, err)
			require.True(t, found.Voided)
		})
	}
}

func TestReverseInParts(t *testing.T) {
	t.Parallel()
	f := setup(t)
	invoice, payment := f.paid(2500)
	for i, cents := range []int64{1000, 700, 800} {
		_, err := f.Reverse(t.Context(), reverseReq(i+1, payment, invoice, cents, i == 2))
		require.NoError(t, err)
	}
	require.Zero(t, f.sim.Books().Net())
	_, err := f.Reverse(t.Context(), reverseReq(9, payment, invoice, 2501, false))
	requireKind(t, err, integrations.KindInvalid)
}

// A rule of the books that only shows on the void (here: the payment was
// deposited between reading and voiding) leads to a refund receipt.
func TestReverseFallsBackWhenVoidIsRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	invoice, payment := f.paid(2500)
	f.wire.once(http.MethodPost, "payment", func() *http.Response { return reply(400, faultBody("6210")) })
	d, err := f.Reverse(t.Context(), reverseReq(1, payment, invoice, 2500, true))
	require.NoError(t, err)
	require.Equal(t, integrations.DocRefund, d.Kind)
	require.Zero(t, f.sim.Books().Net())
}

func TestVoidedByBookkeeper(t *testing.T) {
	t.Parallel()
	f := setup(t)
	invoice, payment := f.paid(2500)
	require.NoError(t, f.sim.VoidPayment(payment))
	d, err := f.Receive(t.Context(), receiptReq(1, invoice, 2500))
	require.NoError(t, err)
	require.True(t, d.Voided, "the first payment comes back as it is now")
	_, err = f.Reverse(t.Context(), reverseReq(1, payment, invoice, 1000, false))
	requireKind(t, err, integrations.KindInvalid)
	d, err = f.Reverse(t.Context(), reverseReq(2, payment, invoice, 2500, true))
	require.NoError(t, err)
	require.True(t, d.Voided)
	require.Zero(t, f.sim.Books().Net())

	require.NoError(t, f.sim.DeletePayment(payment))
	_, err = f.Reverse(t.Context(), reverseReq(3, payment, invoice, 2500, true))
	require.Equal(t, "610", requireKind(t, err, integrations.KindNotFound).Code)
}

func TestVoidInvoice(t *testing.T) {
	t.Parallel()
	f := setup(t)
	inv, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.NoError(t, err)
	for range 2 {
		d, err := f.VoidInvoice(t.Context(), voidReq(1, inv.ID, 1, 2500))
		require.NoError(t, err)
		require.True(t, d.Voided)
		require.True(t, d.Balance.IsZero())
		require.Equal(t, ref(copay.EffectInvoice, 1), d.Ref)
	}
	found, err := f.FindDoc(t.Context(), integrations.DocInvoice, ref(copay.EffectInvoice, 1))
	require.NoError(t, err)
	require.True(t, found.Voided)
	_, err = f.Receive(t.Context(), receiptReq(1, inv.ID, 2500))
	requireKind(t, err, integrations.KindInvalid)

	_, err = f.VoidInvoice(t.Context(), voidReq(2, "999", 1, 2500))
	requireKind(t, err, integrations.KindNotFound)
	_, err = f.VoidInvoice(t.Context(), voidReq(2, "../customer/1", 1, 2500))
	requireKind(t, err, integrations.KindInvalid)
}

func TestVoidInvoiceWithMoneyOnIt(t *testing.T) {
	t.Parallel()
	f := setup(t)
	inv, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.NoError(t, err)
	pay, err := f.Receive(t.Context(), receiptReq(1, inv.ID, 1000))
	require.NoError(t, err)
	_, err = f.VoidInvoice(t.Context(), voidReq(1, inv.ID, 1, 2500))
	requireKind(t, err, integrations.KindInvalid)

	// Full compensation: the payment goes first, then the invoice can.
	_, err = f.Reverse(t.Context(), reverseReq(1, pay.ID, inv.ID, 1000, true))
	require.NoError(t, err)
	d, err := f.VoidInvoice(t.Context(), voidReq(2, inv.ID, 1, 2500))
	require.NoError(t, err)
	require.True(t, d.Voided)
}

// A deposited payment is given back by refund receipt: its invoice stays
// paid, and nothing is left to void.
func TestVoidInvoiceGivenBackByRefundReceipt(t *testing.T) {
	t.Parallel()
	f := setup(t)
	invoice, payment := f.paid(2500)
	_, err := f.sim.Deposit(payment)
	require.NoError(t, err)
	_, err = f.VoidInvoice(t.Context(), voidReq(3, invoice, 1, 2500))
	requireKind(t, err, integrations.KindInvalid)
	_, err = f.Reverse(t.Context(), reverseReq(1, payment, invoice, 1500, false))
	require.NoError(t, err)
	_, err = f.VoidInvoice(t.Context(), voidReq(3, invoice, 1, 2500))
	requireKind(t, err, integrations.KindInvalid)
	_, err = f.Reverse(t.Context(), reverseReq(2, payment, invoice, 1000, true))
	require.NoError(t, err)
	d, err := f.VoidInvoice(t.Context(), voidReq(3, invoice, 1, 2500))
	require.NoError(t, err)
	require.False(t, d.Voided)
	require.True(t, d.Balance.IsZero())
}

func TestPaymentMustBeApplied(t *testing.T) {
	t.Parallel()
	f := setup(t)
	invoice, payment := f.paid(2500)
	require.NoError(t, f.sim.UnapplyPayment(payment))
	_, err := f.Receive(t.Context(), receiptReq(1, invoice, 2500))
	e := requireKind(t, err, integrations.KindInvalid)
	require.Contains(t, e.Message, "payment "+payment)
	require.Contains(t, e.Message, "$0.00 of it is on its invoice")
	require.NoError(t, f.sim.EditPayment(payment, map[string]any{"Line": []any{map[string]any{"Amount": 25,
		"LinkedTxn": []any{map[string]any{"TxnId": invoice, "TxnType": "Invoice"}}}}}))
	_, err = f.Receive(t.Context(), receiptReq(1, invoice, 2500))
	require.NoError(t, err)

	// More than is open never leaves our side.
	before := f.wire.count(http.MethodPost, "payment")
	_, err = f.Receive(t.Context(), receiptReq(2, invoice, 1))
	require.Contains(t, requireKind(t, err, integrations.KindInvalid).Message, "$0.00 open")
	require.Equal(t, before, f.wire.count(http.MethodPost, "payment"))
}

func TestCustomers(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, err := f.sim.AddCustomer(alias)
	require.NoError(t, err)
	f.sim.AddVendor("P-2")
	_, err = f.Invoice(t.Context(), invoiceReq(1, 100))
	require.NoError(t, err)
	r := invoiceReq(2, 100)
	r.Alias = "P-2"
	_, err = f.Invoice(t.Context(), r)
	require.NoError(t, err)
	b := f.sim.Books()
	require.Equal(t, alias, b.Invoices[0].Customer, "the one that was there")
	require.Equal(t, "P-2 (patient)", b.Invoices[1].Customer, "the name belongs to a vendor")

	f.sim.AddVendor("P-3")
	f.sim.AddVendor("P-3 (patient)")
	r = invoiceReq(3, 100)
	r.Alias = "P-3"
	_, err = f.Invoice(t.Context(), r)
	requireKind(t, err, integrations.KindInvalid)
	for _, bad := range []copay.PatientAlias{"", "a:b", "a\tb", `a\b`} {
		r.Alias = bad
		_, err = f.Invoice(t.Context(), r)
		requireKind(t, err, integrations.KindInvalid)
	}
	r.Alias = "O'Brien"
	_, err = f.Invoice(t.Context(), r)
	require.NoError(t, err)
	r = invoiceReq(4, 100)
	r.Alias = "O'Brien"
	_, err = f.connect(nil).Invoice(t.Context(), r) // nothing remembered: found by its quoted name
	require.NoError(t, err)
	require.Len(t, f.sim.Customers(), 3)
}

// Several workers meet a new practice at once: one customer, one item.
func TestConcurrentFirstInvoices(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		c := f.connect(nil)
		wg.Go(func() { _, errs[i] = c.Invoice(t.Context(), invoiceReq(i+1, 100)) })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Len(t, f.sim.Books().Invoices, 8)
	require.Len(t, f.sim.Customers(), 1)
	require.NotEmpty(t, f.sim.ItemID("Patient co-pay"))
}

// Ids that were remembered and made inactive since are looked up again.
func TestInactiveListEntries(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, err := f.Invoice(t.Context(), invoiceReq(1, 100))
	require.NoError(t, err)
	require.NoError(t, f.sim.DeactivateItem("Patient co-pay"))
	require.NoError(t, f.sim.DeactivateCustomer(alias))
	_, err = f.Invoice(t.Context(), invoiceReq(2, 100))
	require.NoError(t, err)
	require.Len(t, f.sim.Books().Invoices, 2)
}

func TestRailsAndAccounts(t *testing.T) {
	t.Parallel()
	f := setupWith(t, quickbookssim.Config{}, sim.Options{}, map[string]any{"deposit_account": "Stripe clearing", "item_name": "Co-pay", "income_account": "79"})
	_, err := f.Invoice(t.Context(), invoiceReq(1, 100))
	require.NoError(t, err)
	invoices := f.sim.Books().Invoices
	_, err = f.Receive(t.Context(), receiptReq(1, invoices[0].ID, 100))
	require.Contains(t, requireKind(t, err, integrations.KindInvalid).Message, "Stripe clearing")
	clearing := f.sim.AddAccount("Stripe clearing", "Bank")
	for i, x := range []struct {
		rail   copay.Rail
		method string
	}{{copay.RailCash, "1"}, {copay.RailCheck, "2"}, {copay.RailLink, "8"}, {copay.RailCard, "8"}, {copay.RailTerminal, "8"}, {"barter", ""}} {
		inv, err := f.Invoice(t.Context(), invoiceReq(10+i, 100))
		require.NoError(t, err)
		r := receiptReq(10+i, inv.ID, 100)
		r.Rail = x.rail
		_, err = f.Receive(t.Context(), r)
		require.NoError(t, err)
		payments := f.sim.Books().Payments
		require.Equal(t, x.method, payments[len(payments)-1].Method, x.rail)
		require.Equal(t, clearing, payments[len(payments)-1].Account)
	}
	require.NotEmpty(t, f.sim.ItemID("Co-pay"))
}

func TestAmountsThatCannotBeBooked(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, m := range []copay.Money{{}, copay.Cents(0), copay.Cents(-5), {Minor: 100, Currency: "CAD"}} {
		r := invoiceReq(1, 0)
		r.Amount = m
		_, err := f.Invoice(t.Context(), r)
		requireKind(t, err, integrations.KindInvalid)
		p := receiptReq(1, "1", 0)
		p.Amount = m
		_, err = f.Receive(t.Context(), p)
		requireKind(t, err, integrations.KindInvalid)
		v := reverseReq(1, "1", "1", 0, true)
		v.Amount = m
		_, err = f.Reverse(t.Context(), v)
		requireKind(t, err, integrations.KindInvalid)
	}
	require.Empty(t, f.wire.seen, "nothing left the house")
	_, err := f.Invoice(t.Context(), invoiceReq(1, 123456789012))
	require.NoError(t, err)
	require.Equal(t, int64(123456789012), f.sim.Books().Invoices[0].Cents)
	r := invoiceReq(2, 100)
	r.Ref = ""
	_, err = f.Invoice(t.Context(), r)
	requireKind(t, err, integrations.KindInvalid)
}

func TestDocs(t *testing.T) {
	t.Parallel()
	f := setup(t)
	since := f.now.get()
	cust, err := f.sim.AddCustomer("Walk-in")
	require.NoError(t, err)
	_, err = f.Invoice(t.Context(), invoiceReq(1, 5000))
	require.NoError(t, err)
	item := f.sim.ItemID("Patient co-pay")
	for i := range 510 { // the practice's own invoices, more than a page
		_, err := f.sim.AddInvoice(cust, item, fmt.Sprintf("A-%d", i), 100)
		require.NoError(t, err)
	}
	inv, err := f.Invoice(t.Context(), invoiceReq(2, 2500))
	require.NoError(t, err)
	pay, err := f.Receive(t.Context(), receiptReq(1, inv.ID, 2500))
	require.NoError(t, err)
	_, err = f.Reverse(t.Context(), reverseReq(1, pay.ID, inv.ID, 500, false))
	require.NoError(t, err)
	gone, err := f.Invoice(t.Context(), invoiceReq(3, 700))
	require.NoError(t, err)
	_, err = f.VoidInvoice(t.Context(), voidReq(7, gone.ID, 3, 700))
	require.NoError(t, err)
	require.NoError(t, f.sim.EditInvoice(inv.ID, map[string]any{"PrivateNote": "checked by the bookkeeper"}))

	var docs []integrations.AccountingDoc
	pages := 0
	for cursor := ""; ; pages++ {
		p, err := f.Docs(t.Context(), since, cursor)
		require.NoError(t, err)
		docs = append(docs, p.Docs...)
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	require.Equal(t, 3, pages)
	require.Len(t, docs, 5)
	require.Equal(t, ref(copay.EffectInvoice, 1), docs[0].Ref)
	require.Equal(t, copay.Ref(ref(copay.EffectInvoice, 2).Max(21)), docs[1].Ref, "without its note the number still tells")
	require.True(t, docs[2].Voided)
	require.Equal(t, ref(copay.EffectInvoice, 3), docs[2].Ref)
	require.Equal(t, integrations.DocPayment, docs[3].Kind)
	require.Equal(t, copay.Cents(2500), docs[3].Amount)
	require.Equal(t, integrations.DocRefund, docs[4].Kind)
	require.Equal(t, ref(copay.EffectUnbook, 1), docs[4].Ref)

	f.now.add(time.Hour)
	p, err := f.Docs(t.Context(), f.now.get(), "")
	require.NoError(t, err)
	require.Empty(t, p.Docs)
	for _, bad := range []string{"x", "Invoice:0", "Bill:1", "Invoice"} {
		_, err = f.Docs(t.Context(), since, bad)
		requireKind(t, err, integrations.KindInvalid)
	}
}

func TestFindDoc(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, k := range []integrations.DocKind{integrations.DocInvoice, integrations.DocPayment, integrations.DocRefund} {
		_, err := f.FindDoc(t.Context(), k, ref(copay.EffectInvoice, 1))
		requireKind(t, err, integrations.KindNotFound)
		_, err = f.FindDoc(t.Context(), k, "")
		requireKind(t, err, integrations.KindNotFound)
	}
	_, err := f.FindDoc(t.Context(), "bill", ref(copay.EffectInvoice, 1))
	requireKind(t, err, integrations.KindInvalid)

	// The bookkeeper's copy under the same number needs a person.
	invoice, _ := f.paid(2500)
	cust, err := f.sim.AddCustomer("Walk-in")
	require.NoError(t, err)
	double, err := f.sim.AddInvoice(cust, f.sim.ItemID("Patient co-pay"), ref(copay.EffectInvoice, 1).Max(21), 2500)
	require.NoError(t, err)
	_, err = f.FindDoc(t.Context(), integrations.DocInvoice, ref(copay.EffectInvoice, 1))
	requireKind(t, err, integrations.KindInvalid)
	require.NoError(t, f.sim.VoidInvoice(double))
	d, err := f.FindDoc(t.Context(), integrations.DocInvoice, ref(copay.EffectInvoice, 1))
	require.NoError(t, err)
	require.Equal(t, invoice, d.ID)
	require.False(t, d.Voided)
}

func TestConnectionTest(t *testing.T) {
	t.Parallel()
	f := setup(t)
	s, err := f.TestConnection(t.Context())
	require.NoError(t, err)
	require.Equal(t, "company "+realm+" (Sandbox Family Practice)", s)
	// The stored token hides for an hour that the next one will be refused.
	_, err = f.connect(map[string]any{"client_secret": "literal:wrong"}).TestConnection(t.Context())
	requireKind(t, err, integrations.KindUnauthorized)
	require.ErrorContains(t, err, "client id or its secret")
	s, err = f.connect(map[string]any{"verifier_tokens": []string{}}).TestConnection(t.Context())
	require.NoError(t, err)
	require.Contains(t, s, "verifier_tokens is not configured")
	f.sim.RevokeConsent()
	_, err = f.TestConnection(t.Context())
	requireKind(t, err, integrations.KindUnauthorized)
}
