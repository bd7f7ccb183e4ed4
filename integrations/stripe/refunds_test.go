package stripe_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

func (b *bench) refund(of integrations.LinkRequest, platformID string, n int, cents int64) integrations.RefundRequest {
	return integrations.RefundRequest{Ref: copay.NewRef(of.CoPay, copay.EffectRefund, n), CoPay: of.CoPay, PlatformID: platformID,
		Amount: copay.Cents(cents), Reason: "requested_by_customer"}
}

func TestRefundsOfAPagePayment(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, p := b.paid(50_00)
	part := b.refund(r, p.PlatformID, 1, 20_00)
	got, err := b.conn.Refund(t.Context(), part)
	require.NoError(t, err)
	require.Equal(t, "succeeded", got.Status)
	require.Equal(t, copay.Cents(20_00), got.Amount)
	require.Equal(t, part.Ref, got.Ref)

	again, err := b.conn.Refund(t.Context(), part)
	require.NoError(t, err)
	require.Equal(t, got, again)
	b.clock.add(48 * time.Hour) // the key is forgotten
	again, err = b.conn.Refund(t.Context(), part)
	require.NoError(t, err)
	require.Equal(t, got, again)
	other := part
	other.Amount = copay.Cents(21_00)
	_, err = b.conn.Refund(t.Context(), other)
	requireKind(t, integrations.KindInvalid, err)

	_, err = b.conn.Refund(t.Context(), b.refund(r, p.PlatformID, 2, 30_01))
	requireKind(t, integrations.KindInvalid, err)
	rest := b.refund(r, p.PlatformID, 3, 30_00)
	rest.Reason = "the patient moved away" // not one of the platform's words
	_, err = b.conn.Refund(t.Context(), rest)
	require.NoError(t, err)
	_, err = b.conn.Refund(t.Context(), b.refund(r, p.PlatformID, 4, 1))
	require.Equal(t, "charge_already_refunded", requireKind(t, integrations.KindInvalid, err).Code)

	found, err := b.conn.FindRefund(t.Context(), p.PlatformID, part.Ref)
	require.NoError(t, err)
	require.Equal(t, got, found)
	_, err = b.conn.FindRefund(t.Context(), p.PlatformID, "cp_none")
	requireKind(t, integrations.KindNotFound, err)
	after, err := b.conn.Payment(t.Context(), p.PlatformID)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentCaptured, after.Status)
	require.Equal(t, copay.Cents(50_00), after.Refunded)

	var sum int64
	for _, e := range b.sim.Books() {
		require.Equal(t, string(r.CoPay), e.CoPay)
		sum += e.Minor
	}
	require.Zero(t, sum)
}

func TestRefundOfNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, p := b.open(50_00)
	for _, id := range []string{p.PlatformID, "cs_test_none", "pi_none", "in_none", "elsewhere"} {
		_, err := b.conn.Refund(t.Context(), b.refund(r, id, 1, 10_00))
		require.Contains(t, []integrations.Kind{integrations.KindNotFound, integrations.KindInvalid}, integrations.KindOf(err), id)
		_, err = b.conn.FindRefund(t.Context(), id, r.Ref)
		requireKind(t, integrations.KindNotFound, err)
	}
}

func TestRefundThatTheBankSendsBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, p := b.paid(50_00)
	req := b.refund(r, p.PlatformID, 1, 50_00)
	re, err := b.conn.Refund(t.Context(), req)
	require.NoError(t, err)
	require.NoError(t, b.sim.FailRefund(re.PlatformID))
	re, err = b.conn.FindRefund(t.Context(), p.PlatformID, req.Ref)
	require.NoError(t, err)
	require.Equal(t, "failed", re.Status)
	ev := b.event(t.Context(), "charge.refund.updated")
	require.Equal(t, integrations.EventRefund, ev.Kind)
	require.Equal(t, "failed", ev.Status)
	require.Equal(t, req.Ref, ev.Ref)
	require.Equal(t, re.PlatformID, ev.Object)
	after, err := b.conn.Payment(t.Context(), p.PlatformID)
	require.NoError(t, err)
	require.True(t, after.Refunded.IsZero())
}

func TestRefundByHandFindsItsCoPay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, p := b.paid(50_00)
	id, err := b.sim.DashboardRefund(p.PlatformID, 5_00)
	require.NoError(t, err)
	ev := b.event(t.Context(), "refund.created")
	require.Equal(t, integrations.EventRefund, ev.Kind)
	require.Equal(t, r.CoPay, ev.CoPay)
	require.Equal(t, r.Ref, ev.Ref, "it is none of our refunds: the payment's reference")
	require.Equal(t, id, ev.Object)
	ev = b.event(t.Context(), "charge.refunded")
	require.Equal(t, r.Ref, ev.Ref, "the payment's reference")
	require.Equal(t, copay.Cents(5_00), *ev.Amount)
}

func TestDisputes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, p := b.paid(60_00)
	d, err := b.sim.OpenDispute(p.PlatformID, "fraudulent")
	require.NoError(t, err)
	ev := b.event(t.Context(), "charge.dispute.created")
	require.Equal(t, integrations.EventDispute, ev.Kind)
	require.Equal(t, "opened", ev.Status)
	require.Equal(t, r.CoPay, ev.CoPay)
	require.Equal(t, r.Ref, ev.Ref)
	require.Equal(t, copay.Cents(60_00), *ev.Amount)
	got, err := b.conn.Payment(t.Context(), p.PlatformID)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentDisputed, got.Status)
	_, err = b.conn.Refund(t.Context(), b.refund(r, p.PlatformID, 1, 1_00))
	require.Equal(t, "charge_disputed", requireKind(t, integrations.KindInvalid, err).Code)

	require.NoError(t, b.sim.CloseDispute(d, true))
	require.Equal(t, "won", b.event(t.Context(), "charge.dispute.closed").Status)
	got, err = b.conn.Payment(t.Context(), p.PlatformID)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentCaptured, got.Status)

	// An inquiry takes no money: it is no dispute yet.
	charge := b.charge("pm_card_createDisputeInquiry", 10_00)
	stored, err := b.conn.ChargeStored(t.Context(), charge)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentCaptured, stored.Status)

	lost := b.charge("pm_card_createDispute", 11_00)
	stored, err = b.conn.ChargeStored(t.Context(), lost)
	require.NoError(t, err)
	require.Equal(t, copay.PaymentDisputed, stored.Status, "disputed at once")
}

func TestSettlements(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	from := b.clock.now()
	r, p := b.paid(100_00)
	rf := b.refund(r, p.PlatformID, 1, 30_00)
	re, err := b.conn.Refund(t.Context(), rf)
	require.NoError(t, err)
	r2, p2 := b.paid(40_00)
	_, err = b.sim.OpenDispute(p2.PlatformID, "fraudulent")
	require.NoError(t, err)
	b.clock.add(3 * 24 * time.Hour)
	require.NotEmpty(t, b.sim.PayOut())
	page, err := b.conn.Settlements(t.Context(), from, b.clock.now().Add(time.Second), "")
	require.NoError(t, err)
	require.Empty(t, page.Next)
	require.Len(t, page.Settlements, 5)
	by := map[string]integrations.Settlement{}
	for _, s := range page.Settlements {
		by[s.Kind+string(s.Ref)] = s
	}
	charge := by["charge"+string(r.Ref)]
	require.Equal(t, copay.Cents(100_00), charge.Amount)
	require.Equal(t, copay.Cents(3_20), charge.Fee, "2.9 % and 30 cents")
	require.Contains(t, charge.PaymentPlatformID, "pi_")
	refund := by["refund"+string(rf.Ref)]
	require.Equal(t, copay.Cents(-30_00), refund.Amount)
	require.Equal(t, re.PlatformID, refund.RefundPlatformID)
	require.Equal(t, charge.PaymentPlatformID, refund.PaymentPlatformID)
	require.Equal(t, copay.Cents(-40_00), by["dispute"+string(r2.Ref)].Amount)
	require.Equal(t, int64(-(100_00 - 3_20 - 30_00 + 40_00 - 1_46 - 40_00 - 15_00)), by["payout"].Amount.Minor)

	page, err = b.conn.Settlements(t.Context(), from.Add(-time.Hour), from, "")
	require.NoError(t, err)
	require.Empty(t, page.Settlements)
}

func TestSettlementsPage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	customer := b.sim.SeedCustomer(nil)
	card, err := b.sim.SeedCard(customer, "pm_card_visa")
	require.NoError(t, err)
	for range 130 {
		b.rawCharge(customer, card)
	}
	seen := 0
	cursor := ""
	for page := 0; ; page++ {
		got, err := b.conn.Settlements(t.Context(), b.clock.now().Add(-time.Hour), b.clock.now().Add(time.Hour), cursor)
		require.NoError(t, err)
		seen += len(got.Settlements)
		if cursor = got.Next; cursor == "" {
			require.Equal(t, 1, page)
			break
		}
	}
	require.Equal(t, 130, seen)
}
