package quickbooks_test

import (
	"net/http"
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
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
