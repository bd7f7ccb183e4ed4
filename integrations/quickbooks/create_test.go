package quickbooks_test

import (
	"net/http"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/quickbooks"
	"github.com/copayflow/copayflow/sandbox/sim"
)

// A second try whose answer is lost is recognised by the next attempt of the
// same step, however much later that is and though the look-up is blind.
func TestASecondTryHoldsForAllAttemptsOfAStep(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"invoice", "refund"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			invoice, payment := f.paid(2500)
			asked := f.now.get()
			entity, list := "invoice", "from Invoice"
			run := func() (integrations.AccountingDoc, error) {
				r := invoiceReq(5, 100)
				r.Asked = asked
				return f.Invoice(t.Context(), r)
			}
			if name == "refund" {
				entity, list = "refundreceipt", "from RefundReceipt"
				run = func() (integrations.AccountingDoc, error) {
					r := reverseReq(5, payment, invoice, 500, false)
					r.Asked = asked
					return f.Reverse(t.Context(), r)
				}
			}
			posts := 0
			f.wire.mu.Lock()
			f.wire.intercept = func(r *http.Request) *http.Response {
				switch {
				case path.Base(r.URL.Path) == "query" && strings.Contains(r.URL.Query().Get("query"), list):
					return reply(200, `{"QueryResponse":{}}`) // not seen yet
				case r.Method == http.MethodPost && path.Base(r.URL.Path) == entity:
					if posts++; posts%2 == 1 {
						return reply(400, faultBody("6000")) // refused once, and the refusal comes again
					}
				}
				return nil
			}
			f.wire.mu.Unlock()
			f.sim.Faults().Add(sim.Fault{Kind: sim.FaultDrop, Method: http.MethodPost, Path: root + "/" + entity}) // of the second try
			_, err := run()
			requireKind(t, err, integrations.KindUnknown)
			f.now.add(time.Hour) // the next attempt may be late
			_, err = run()
			require.NoError(t, err)
			b := f.sim.Books()
			require.Len(t, b.Invoices, map[string]int{"invoice": 2, "refund": 1}[name])
			require.Len(t, b.Refunds, map[string]int{"invoice": 0, "refund": 1}[name])
		})
	}
}

// Between the first try and the second another worker may have made the
// document: the second has a key of its own and must look first.
func TestASecondTryLooksFirst(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, err := f.Invoice(t.Context(), invoiceReq(1, 100)) // customer and item are there
	require.NoError(t, err)
	other := f.connect(nil)
	f.wire.once(http.MethodPost, "invoice", func() *http.Response {
		// This worker's first try hangs; the other one, asked after the timeout,
		// books it. Only then the first is refused.
		_, err := other.Invoice(t.Context(), invoiceReq(2, 100))
		require.NoError(t, err)
		return reply(400, faultBody("6000"))
	})
	_, err = f.Invoice(t.Context(), invoiceReq(2, 100))
	require.NoError(t, err)
	require.Len(t, f.sim.Books().Invoices, 2)
}

// QuickBooks gives the first answer of a requestid again, also after the
// document was deleted: what it says then does not stand in the books.
func TestAReplayedAnswerIsReadBack(t *testing.T) {
	t.Parallel()
	f := setup(t)
	invoice, payment := f.paid(2500)
	f.sim.Faults().Add(sim.Fault{Kind: sim.FaultDrop, Method: http.MethodPost, Path: root + "/refundreceipt"})
	_, err := f.Reverse(t.Context(), reverseReq(1, payment, invoice, 1000, false))
	requireKind(t, err, integrations.KindUnknown)
	require.NoError(t, f.sim.DeleteRefund(f.sim.Books().Refunds[0].ID))
	d, err := f.Reverse(t.Context(), reverseReq(1, payment, invoice, 1000, false))
	require.NoError(t, err)
	require.Equal(t, int64(1500), f.sim.Books().Net())
	require.Equal(t, f.sim.Books().Refunds[1].ID, d.ID)

	// One that is deleted each time it is made is for a person to decide.
	require.NoError(t, f.sim.DeleteRefund(d.ID))
	_, err = f.Reverse(t.Context(), reverseReq(1, payment, invoice, 1000, false))
	require.Contains(t, requireKind(t, err, integrations.KindInvalid).Message, "deleted in QuickBooks")
}

// An invoice that the bookkeeper deleted before its payment was booked is made
// again.
func TestADeletedInvoiceIsNotForEver(t *testing.T) {
	t.Parallel()
	f := setup(t)
	first, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.NoError(t, err)
	require.NoError(t, f.sim.DeleteInvoice(first.ID))
	f.now.add(24 * time.Hour)
	again, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.NoError(t, err)
	_, err = f.Receive(t.Context(), receiptReq(1, again.ID, 2500))
	require.NoError(t, err)
}

// A company that numbers its documents itself gives ours other numbers: we
// would not find them again, and book twice.
func TestANumberThatQuickBooksChangedIsNoticed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.wire.always(http.MethodPost, "invoice", func() *http.Response {
		return reply(200, `{"Invoice":{"Id":"145","SyncToken":"0","DocNumber":"1042","CustomerRef":{"value":"100"},"TotalAmt":25.00,"Balance":25.00}}`)
	})
	_, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	e := requireKind(t, err, integrations.KindInvalid)
	require.Contains(t, e.Message, "custom transaction numbers")
	require.Contains(t, e.Message, "document 145")
}

// The same when the answer repeats our number and the books have another.
func TestANumberThatWasChangedSinceIsNoticed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.sim.Faults().Add(sim.Fault{Kind: sim.FaultDrop, Method: http.MethodPost, Path: root + "/invoice"})
	_, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	requireKind(t, err, integrations.KindUnknown)
	made := f.sim.Books().Invoices[0]
	require.NoError(t, f.sim.EditInvoice(made.ID, map[string]any{"DocNumber": "1042"}))
	_, err = f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.Contains(t, requireKind(t, err, integrations.KindInvalid).Message, made.Number)

	require.NoError(t, f.sim.EditInvoice(made.ID, map[string]any{"DocNumber": made.Number}))
	d, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.NoError(t, err)
	require.Equal(t, made.ID, d.ID)
	require.Len(t, f.sim.Books().Invoices, 1)
}

// Developers report that a requestid does not always hold. Then an attempt
// that was given up and is still under way, and its repeat, make two
// documents; the later one notices it.
func TestADoubleIsNoticedWhenRequestIDsDoNotHold(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"invoice", "refundreceipt"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			invoice, payment := f.paid(2500)
			run := func(c *quickbooks.Connector) error {
				if name == "invoice" {
					_, err := c.Invoice(t.Context(), invoiceReq(5, 100))
					return err
				}
				_, err := c.Reverse(t.Context(), reverseReq(5, payment, invoice, 500, false))
				return err
			}
			other := f.connect(nil)
			first := true
			f.wire.mu.Lock()
			f.wire.intercept = func(r *http.Request) *http.Response {
				if r.Method != http.MethodPost || path.Base(r.URL.Path) != name {
					return nil
				}
				q := r.URL.Query()
				q.Del("requestid")
				r.URL.RawQuery = q.Encode()
				if first { // the repeat has looked and found nothing; now the first attempt ends
					first = false
					require.NoError(t, run(other))
				}
				return nil
			}
			f.wire.mu.Unlock()
			err := run(f.Connector)
			b := f.sim.Books()
			require.Equal(t, 2, map[string]int{"invoice": len(b.Invoices) - 1, "refundreceipt": len(b.Refunds)}[name])
			require.Contains(t, requireKind(t, err, integrations.KindInvalid).Message, "two documents carry the same number")
		})
	}
}

// A document that was made just now and cannot be read yet is not a deleted one:
// it is not made again, and found when the step is repeated.
func TestADocumentThatCannotBeReadYetIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	f := setup(t)
	blind := true
	f.wire.mu.Lock()
	f.wire.intercept = func(r *http.Request) *http.Response {
		switch {
		case !blind:
		case path.Base(r.URL.Path) == "query" && strings.Contains(r.URL.Query().Get("query"), "from Invoice"):
			return reply(200, `{"QueryResponse":{}}`)
		case r.Method == http.MethodGet && path.Base(path.Dir(r.URL.Path)) == "invoice":
			return reply(400, faultBody("610"))
		}
		return nil
	}
	f.wire.mu.Unlock()
	r := invoiceReq(1, 300)
	r.Asked = f.now.get()
	_, err := f.Invoice(t.Context(), r)
	requireKind(t, err, integrations.KindUnknown)
	f.wire.mu.Lock()
	blind = false
	f.wire.mu.Unlock()
	_, err = f.Invoice(t.Context(), r)
	require.NoError(t, err)
	require.Len(t, f.sim.Books().Invoices, 1)
}
