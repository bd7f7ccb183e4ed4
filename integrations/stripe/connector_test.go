package stripe_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

func TestLinkIsPaidOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, p := b.open(25_00)
	require.Equal(t, copay.PaymentRequested, p.Status)
	require.Equal(t, copay.Cents(25_00), p.Amount)
	require.Equal(t, r.Ref, p.Ref)
	require.Equal(t, r.CoPay, p.CoPay)
	require.Contains(t, p.URL, "/c/pay/"+p.PlatformID)
	require.WithinDuration(t, r.ExpiresAt, p.ExpiresAt, time.Second)

	require.NoError(t, b.sim.PaySession(p.PlatformID, "pm_card_visa"))
	paid, err := b.conn.Payment(t.Context(), p.PlatformID)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentCaptured, paid.Status)
	require.Equal(t, copay.Cents(25_00), paid.Captured)
	require.Empty(t, paid.URL)
	require.Equal(t, "visa ending 4242", paid.Method)
	require.Equal(t, b.clock.now(), paid.CapturedAt)
	require.Error(t, b.sim.PaySession(p.PlatformID, "pm_card_visa"))
	require.Equal(t, 1, b.captures(r.Ref))

	// The intent behind the page is shown as the page.
	intent := b.sim.Books()[0].PaymentIntent
	same, err := b.conn.Payment(t.Context(), intent)
	require.NoError(t, err)
	require.Equal(t, paid, same)
}

func TestSameReferenceTwiceIsOnePage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, first := b.open(25_00)
	again, err := b.conn.RequestLink(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, first, again)

	// Ten minutes later the shortest lifetime ends later than then: other
	// parameters under the same key. The first page is found.
	b.clock.add(10 * time.Minute)
	short := b.link(30_00)
	short.ExpiresAt = b.clock.now().Add(time.Minute)
	one, err := b.conn.RequestLink(t.Context(), short)
	require.NoError(t, err)
	b.clock.add(10 * time.Minute)
	two, err := b.conn.RequestLink(t.Context(), short)
	require.NoError(t, err)
	require.Equal(t, one.PlatformID, two.PlatformID)

	// A day later the key is forgotten; the caller looks first.
	found, err := b.conn.FindPayment(t.Context(), integrations.PaymentQuery{Ref: r.Ref, Since: r.Since})
	require.NoError(t, err)
	require.Equal(t, first.PlatformID, found.PlatformID)
	require.Len(t, b.sim.Sessions(), 2)
}

func TestReferenceWithAnotherAmountIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, _ := b.open(25_00)
	r.Amount = copay.Cents(26_00)
	_, err := b.conn.RequestLink(t.Context(), r)
	e := requireKind(t, integrations.KindInvalid, err)
	require.Equal(t, "idempotency_error", e.Code)
}

func TestExpiryStaysInThePlatformsWindow(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, want := range map[string]struct{ ask, min, max time.Duration }{
		"in the past":   {-time.Hour, 30 * time.Minute, 32 * time.Minute},
		"too soon":      {time.Minute, 30 * time.Minute, 32 * time.Minute},
		"within":        {5 * time.Hour, 5 * time.Hour, 5 * time.Hour},
		"too far ahead": {72 * time.Hour, 23 * time.Hour, 24 * time.Hour},
	} {
		r := b.link(10_00)
		r.ExpiresAt = b.clock.now().Add(want.ask)
		p, err := b.conn.RequestLink(t.Context(), r)
		require.NoError(t, err, name)
		got := p.ExpiresAt.Sub(b.clock.now())
		require.GreaterOrEqual(t, got, want.min, name)
		require.LessOrEqual(t, got, want.max, name)
	}
	r := b.link(10_00)
	r.ExpiresAt, r.Since = time.Time{}, time.Time{}
	_, err := b.conn.RequestLink(t.Context(), r)
	require.NoError(t, err, "no end and no first attempt given")
}

func TestPageExpires(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, p := b.open(25_00)
	b.clock.add(23*time.Hour + time.Second)
	b.sim.Tick()
	got, err := b.conn.Payment(t.Context(), p.PlatformID)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentExpired, got.Status)
	require.Empty(t, got.URL)
	ev := b.event(t.Context(), "checkout.session.expired")
	require.Equal(t, string(copay.PaymentExpired), ev.Status)
	require.Equal(t, r.Ref, ev.Ref)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, p := b.open(25_00)
	got, err := b.conn.Cancel(t.Context(), p.PlatformID, r.Ref)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentCancelled, got.Status)
	require.Error(t, b.sim.PaySession(p.PlatformID, "pm_card_visa"))
	again, err := b.conn.Cancel(t.Context(), p.PlatformID, r.Ref)
	require.NoError(t, err, "twice does no harm")
	require.Equal(t, copay.PaymentCancelled, again.Status)

	// The patient was faster.
	r, p = b.open(40_00)
	require.NoError(t, b.sim.PaySession(p.PlatformID, "pm_card_visa"))
	got, err = b.conn.Cancel(t.Context(), p.PlatformID, r.Ref)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentCaptured, got.Status)
	require.Equal(t, copay.Cents(40_00), got.Captured)

	// After a failed try there is an intent; its page is what is cancelled.
	r, p = b.open(41_00)
	require.Error(t, b.sim.PaySession(p.PlatformID, "pm_card_chargeDeclined"))
	tried, err := b.conn.Payment(t.Context(), p.PlatformID)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentRequested, tried.Status, "another card may be tried")
	require.Equal(t, "generic_decline", tried.Decline)
	got, err = b.conn.Cancel(t.Context(), p.PlatformID, r.Ref)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentCancelled, got.Status)

	_, err = b.conn.Cancel(t.Context(), "cs_test_none", "x")
	requireKind(t, integrations.KindNotFound, err)
	_, err = b.conn.Cancel(t.Context(), "sub_1", "x")
	requireKind(t, integrations.KindNotFound, err)
}

func TestFindPayment(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, p := b.open(25_00)
	for range 120 { // more than a page of later ones
		b.raw("/v1/checkout/sessions", url.Values{"mode": {"payment"}, "success_url": {"https://x.example"}, "line_items[0][quantity]": {"1"},
			"line_items[0][price_data][currency]": {"usd"}, "line_items[0][price_data][unit_amount]": {"100"},
			"line_items[0][price_data][product_data][name]": {"x"}})
		b.clock.add(time.Second)
	}
	q := integrations.PaymentQuery{Ref: r.Ref, CoPay: r.CoPay, Since: r.Since}
	got, err := b.conn.FindPayment(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, p.PlatformID, got.PlatformID)

	charge := b.charge("pm_card_visa", 12_00)
	_, err = b.conn.ChargeStored(t.Context(), charge)
	require.NoError(t, err)
	for _, customer := range []string{"", charge.Customer} {
		got, err = b.conn.FindPayment(t.Context(), integrations.PaymentQuery{Ref: charge.Ref, Customer: customer, Since: charge.Since})
		require.NoError(t, err)
		require.Equal(t, copay.PaymentCaptured, got.Status)
		require.Equal(t, charge.Ref, got.Ref)
	}

	_, err = b.conn.FindPayment(t.Context(), integrations.PaymentQuery{Ref: "nothing", Since: r.Since})
	requireKind(t, integrations.KindNotFound, err)
	_, err = b.conn.FindPayment(t.Context(), integrations.PaymentQuery{Ref: r.Ref, Since: b.clock.now().Add(time.Hour)})
	requireKind(t, integrations.KindNotFound, err)
	_, err = b.conn.FindPayment(t.Context(), integrations.PaymentQuery{})
	requireKind(t, integrations.KindInvalid, err)
}

// What was paid weeks ago is found without walking through all that came since.
func TestFindPaymentOfWeeksAgo(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, p := b.open(25_00)
	require.NoError(t, b.sim.PaySession(p.PlatformID, "pm_card_visa"))
	charge := b.charge("pm_card_visa", 12_00)
	_, err := b.conn.ChargeStored(t.Context(), charge)
	require.NoError(t, err)
	b.clock.add(40 * 24 * time.Hour)
	for ref, want := range map[copay.Ref]int64{r.Ref: 25_00, charge.Ref: 12_00} {
		got, err := b.conn.FindPayment(t.Context(), integrations.PaymentQuery{Ref: ref, Since: r.Since})
		require.NoError(t, err)
		require.Equal(t, copay.PaymentCaptured, got.Status)
		require.Equal(t, copay.Cents(want), got.Captured)
		if ref == r.Ref {
			require.Equal(t, p.PlatformID, got.PlatformID, "under its page's id")
		}
		_, err = b.conn.FindPayment(t.Context(), integrations.PaymentQuery{Ref: ref, Since: r.Since.Add(time.Hour)})
		requireKind(t, integrations.KindNotFound, err)
	}
	_, err = b.conn.FindPayment(t.Context(), integrations.PaymentQuery{Ref: r.Ref + "0", Since: r.Since})
	requireKind(t, integrations.KindNotFound, err)
}

func TestAmountsAreRefusedNotRounded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, m := range map[string]copay.Money{
		"zero": copay.Cents(0), "negative": copay.Cents(-100), "other currency": {Minor: 2500, Currency: "EUR"}, "no currency": {Minor: 2500},
	} {
		r := b.link(1)
		r.Amount = m
		_, err := b.conn.RequestLink(t.Context(), r)
		requireKind(t, integrations.KindInvalid, err)
		_, err = b.conn.ChargeStored(t.Context(), integrations.StoredCharge{Ref: r.Ref, Amount: m, Customer: "cus_1", Method: "pm_1"})
		requireKind(t, integrations.KindInvalid, err)
		_, err = b.conn.Refund(t.Context(), integrations.RefundRequest{Ref: r.Ref, Amount: m, PlatformID: "pi_1"})
		requireKind(t, integrations.KindInvalid, err)
		require.Empty(t, b.sim.Sessions(), name)
	}
	r := b.link(49)
	_, err := b.conn.RequestLink(t.Context(), r)
	require.Equal(t, "amount_too_small", requireKind(t, integrations.KindInvalid, err).Code)
	r = b.link(9_999_99)
	p, err := b.conn.RequestLink(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, int64(999999), p.Amount.Minor)
}

func TestTestConnection(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	says, err := b.conn.TestConnection(t.Context())
	require.NoError(t, err)
	require.Contains(t, says, "test mode")
}

func TestBankDebitFromAPage(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]any{"link_methods": []any{"card", "us_bank_account"}})
	r, p := b.open(80_00)
	require.NoError(t, b.sim.PaySession(p.PlatformID, "pm_usBankAccount_success"))
	got, err := b.conn.Payment(t.Context(), p.PlatformID)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentProcessing, got.Status)
	require.True(t, got.Captured.IsZero())
	ev := b.event(t.Context(), "checkout.session.completed")
	require.Equal(t, string(copay.PaymentProcessing), ev.Status, "completed and unpaid is only processing")
	cancelled, err := b.conn.Cancel(t.Context(), p.PlatformID, r.Ref)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentProcessing, cancelled.Status, "a debit on its way cannot be withdrawn")

	b.clock.add(5 * 24 * time.Hour)
	b.sim.Tick()
	got, err = b.conn.Payment(t.Context(), p.PlatformID)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentCaptured, got.Status)
	require.Equal(t, "bank account ending 6789", got.Method)

	// It comes back after it was paid: the platform calls that a dispute.
	_, err = b.sim.OpenDispute(p.PlatformID, "debit_not_authorized")
	require.NoError(t, err)
	got, err = b.conn.Payment(t.Context(), p.PlatformID)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentReturned, got.Status)

	_, p = b.open(81_00)
	require.NoError(t, b.sim.PaySession(p.PlatformID, "pm_usBankAccount_insufficientFunds"))
	b.clock.add(5 * 24 * time.Hour)
	got, err = b.conn.Payment(t.Context(), p.PlatformID)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentFailed, got.Status)
	require.Equal(t, "insufficient_funds", got.Decline)
}
