package stripe_test

import (
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

func TestEnsureCustomerMakesOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first, err := b.conn.EnsureCustomer(t.Context(), practice, `o'hara\7`)
	require.NoError(t, err)
	again, err := b.conn.EnsureCustomer(t.Context(), practice, `o'hara\7`)
	require.NoError(t, err)
	require.Equal(t, first, again, "the search does not see it yet")
	b.clock.add(25 * time.Hour)
	again, err = b.conn.EnsureCustomer(t.Context(), practice, `o'hara\7`)
	require.NoError(t, err)
	require.Equal(t, first, again, "the key is forgotten, the search sees it")

	other, err := b.conn.EnsureCustomer(t.Context(), practice, "someone-else")
	require.NoError(t, err)
	require.NotEqual(t, first, other)
	elsewhere, err := b.conn.EnsureCustomer(t.Context(), "hillside", `o'hara\7`)
	require.NoError(t, err)
	require.NotEqual(t, first, elsewhere, "practices share no customers")
	// The search folds case, patients' references do not.
	b.clock.add(2 * time.Minute)
	upper, err := b.conn.EnsureCustomer(t.Context(), practice, "SOMEONE-ELSE")
	require.NoError(t, err)
	require.NotEqual(t, other, upper)
	_, err = b.conn.EnsureCustomer(t.Context(), practice, "")
	requireKind(t, integrations.KindInvalid, err)
}

func TestStoredMethodsNewestFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	customer, err := b.conn.EnsureCustomer(t.Context(), practice, "patient-1")
	require.NoError(t, err)
	none, err := b.conn.StoredMethods(t.Context(), customer)
	require.NoError(t, err)
	require.Empty(t, none)
	older, err := b.sim.SeedCard(customer, "pm_card_mastercard")
	require.NoError(t, err)
	b.clock.add(time.Hour)
	newer, err := b.sim.SeedCard(customer, "pm_card_visa")
	require.NoError(t, err)
	_, err = b.sim.SeedCard(customer, "pm_usBankAccount_success")
	require.NoError(t, err)
	got, err := b.conn.StoredMethods(t.Context(), customer)
	require.NoError(t, err)
	require.Equal(t, []integrations.StoredMethod{
		{ID: newer, Brand: "visa", Last4: "4242", ExpMonth: 3, ExpYear: 2027},
		{ID: older, Brand: "mastercard", Last4: "4444", ExpMonth: 3, ExpYear: 2027},
	}, got)
	_, err = b.conn.StoredMethods(t.Context(), "cus_none")
	requireKind(t, integrations.KindNotFound, err)
}

func TestSavedOnThePageThenChargedOffSession(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	customer, err := b.conn.EnsureCustomer(t.Context(), practice, "patient-2")
	require.NoError(t, err)
	r := b.link(30_00)
	r.Customer, r.SaveMethod = customer, true
	p, err := b.conn.RequestLink(t.Context(), r)
	require.NoError(t, err)
	require.NoError(t, b.sim.PaySession(p.PlatformID, "pm_card_visa"))
	p, err = b.conn.Payment(t.Context(), p.PlatformID)
	require.NoError(t, err)
	require.Equal(t, customer, p.Customer)
	methods, err := b.conn.StoredMethods(t.Context(), customer)
	require.NoError(t, err)
	require.Len(t, methods, 1)
	require.Equal(t, methods[0].ID, p.StoredID)

	id, ref := newCoPay()
	got, err := b.conn.ChargeStored(t.Context(), integrations.StoredCharge{Ref: ref, CoPay: id, Practice: practice, Amount: copay.Cents(15_00),
		Customer: customer, Method: p.StoredID, Since: b.clock.now()})
	require.NoError(t, err)
	require.Equal(t, copay.PaymentCaptured, got.Status)
	require.Equal(t, copay.Cents(15_00), got.Captured)
	require.Equal(t, id, got.CoPay)

	// Without a customer of ours the page makes one.
	r = b.link(31_00)
	r.SaveMethod = true
	p, err = b.conn.RequestLink(t.Context(), r)
	require.NoError(t, err)
	require.NoError(t, b.sim.PaySession(p.PlatformID, "pm_card_visa"))
	p, err = b.conn.Payment(t.Context(), p.PlatformID)
	require.NoError(t, err)
	require.NotEmpty(t, p.Customer)
	require.NotEmpty(t, p.StoredID)

	// A card that was not to be kept is not.
	_, p = b.paid(32_00)
	require.Empty(t, p.StoredID)
}

func TestChargeStoredTwiceIsOneCharge(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.charge("pm_card_visa", 22_00)
	first, err := b.conn.ChargeStored(t.Context(), r)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			again, err := b.conn.ChargeStored(t.Context(), r)
			if err != nil { // the same key is in use by another of the four
				require.Equal(t, integrations.KindUnknown, integrations.KindOf(err))
				return
			}
			require.Equal(t, first, again)
		})
	}
	wg.Wait()
	require.Equal(t, 1, b.captures(r.Ref))
}

func TestDeclines(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for token, want := range map[string]struct {
		code  string
		final bool
	}{
		"pm_card_chargeDeclined":                  {"generic_decline", false},
		"pm_card_chargeDeclinedInsufficientFunds": {"insufficient_funds", false},
		"pm_card_chargeDeclinedProcessingError":   {"processing_error", false},
		"pm_card_chargeCustomerFail":              {"generic_decline", false},
		"pm_card_authenticationRequired":          {"authentication_required", false},
		"pm_card_chargeDeclinedLostCard":          {"lost_card", true},
		"pm_card_chargeDeclinedStolenCard":        {"stolen_card", true},
		"pm_card_chargeDeclinedExpiredCard":       {"expired_card", true},
	} {
		r := b.charge(token, 20_00)
		for range 2 { // the second answer is the first one, replayed
			_, err := b.conn.ChargeStored(t.Context(), r)
			e := requireKind(t, integrations.KindDeclined, err)
			require.Equal(t, want.code, e.Code, token)
			require.Equal(t, want.final, e.Final, token)
			require.NotEmpty(t, e.RequestID)
		}
		found, err := b.conn.FindPayment(t.Context(), integrations.PaymentQuery{Ref: r.Ref, Customer: r.Customer, Since: r.Since})
		require.NoError(t, err)
		require.Equal(t, copay.PaymentFailed, found.Status, "a stored charge has one try")
		require.Equal(t, want.code, found.Decline)
		require.Zero(t, b.captures(r.Ref))
	}
}

func TestChargeStoredWithoutACard(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.charge("pm_card_visa", 20_00)
	for _, change := range []func(*integrations.StoredCharge){
		func(r *integrations.StoredCharge) { r.Customer = "" },
		func(r *integrations.StoredCharge) { r.Method = "" },
	} {
		broken := r
		_, broken.Ref = newCoPay()
		change(&broken)
		_, err := b.conn.ChargeStored(t.Context(), broken)
		requireKind(t, integrations.KindInvalid, err)
	}
}

func TestInvoiceIsReadAsAPayment(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id, ref := newCoPay()
	customer := b.sim.SeedCustomer(nil)
	b.raw("/v1/customers/"+customer, url.Values{"email": {"patient@example.org"}})
	b.raw("/v1/invoiceitems", url.Values{"customer": {customer}, "amount": {"4500"}, "currency": {"usd"}})
	inv := field(t, b.raw("/v1/invoices", url.Values{"customer": {customer}, "collection_method": {"send_invoice"}, "days_until_due": {"14"},
		"pending_invoice_items_behavior": {"include"}, "metadata[copay_id]": {string(id)}, "metadata[ref]": {string(ref)}}), "id")
	b.raw("/v1/invoices/"+inv+"/send", nil)

	p, err := b.conn.Payment(t.Context(), inv)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentRequested, p.Status)
	require.Equal(t, copay.Cents(45_00), p.Amount)
	require.NotEmpty(t, p.URL)

	b.raw("/v1/invoices/"+inv+"/pay", url.Values{"payment_method": {"pm_card_visa"}})
	ev := b.event(t.Context(), "invoice.paid")
	require.Equal(t, integrations.EventPayment, ev.Kind)
	require.Equal(t, string(copay.PaymentCaptured), ev.Status)
	require.Equal(t, inv, ev.Object)
	require.Equal(t, ref, ev.Ref)
	require.Equal(t, copay.Cents(45_00), *ev.Amount)
	require.Equal(t, integrations.EventIgnored, b.event(t.Context(), "payment_intent.succeeded").Kind, "the invoice speaks for its intent")

	p, err = b.conn.Payment(t.Context(), inv)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentCaptured, p.Status)
	require.Equal(t, copay.Cents(45_00), p.Captured)

	// A dispute of its payment finds the co-pay through the invoice.
	_, err = b.sim.OpenDispute(b.sim.Books()[0].PaymentIntent, "fraudulent")
	require.NoError(t, err)
	require.Equal(t, id, b.event(t.Context(), "charge.dispute.created").CoPay)

	refund, err := b.conn.Cancel(t.Context(), inv, ref)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentDisputed, refund.Status)
}

func TestInvoiceVoidedAndPaidInCash(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, how := range []string{"void", "cash"} {
		id, ref := newCoPay()
		customer := b.sim.SeedCustomer(nil)
		inv := field(t, b.raw("/v1/invoices", url.Values{"customer": {customer}, "metadata[copay_id]": {string(id)}, "metadata[ref]": {string(ref)}}), "id")
		b.raw("/v1/invoiceitems", url.Values{"customer": {customer}, "amount": {"4500"}, "currency": {"usd"}, "invoice": {inv}})
		b.raw("/v1/invoices/"+inv+"/finalize", nil)
		var p integrations.ProcessorPayment
		var err error
		if how == "void" {
			p, err = b.conn.Cancel(t.Context(), inv, ref)
		} else {
			b.raw("/v1/invoices/"+inv+"/pay", url.Values{"paid_out_of_band": {"true"}})
			p, err = b.conn.Payment(t.Context(), inv)
			require.Equal(t, integrations.EventIgnored, b.event(t.Context(), "invoice.paid").Kind)
		}
		require.NoError(t, err)
		require.Equal(t, copay.PaymentCancelled, p.Status, how)
		require.True(t, p.Captured.IsZero())
	}
	require.Empty(t, b.sim.Books())
}

// patient is a patient of the practice's first EHR.
func TestACardThatWasTakenOutIsADecline(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	customer, err := b.conn.EnsureCustomer(t.Context(), practice, "patient-9")
	require.NoError(t, err)
	for name, c := range map[string]integrations.StoredCharge{
		"the customer is gone": {Customer: "cus_gone", Method: "pm_gone"},
		"the method is gone":   {Customer: customer, Method: "pm_gone"},
	} {
		id, ref := newCoPay()
		c.Ref, c.CoPay, c.Practice, c.Amount, c.Since = ref, id, practice, copay.Cents(15_00), b.clock.now()
		_, err := b.conn.ChargeStored(t.Context(), c)
		requireKind(t, integrations.KindDeclined, err)
		e := integrations.AsError(err)
		require.Equal(t, "card_removed", e.Code, name)
		require.True(t, e.Final, name)
	}
}
