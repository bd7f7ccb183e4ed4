package quickbooks_test

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/quickbooks"
	quickbookssim "github.com/copayflow/copayflow/sandbox/quickbooks"
	"github.com/copayflow/copayflow/sandbox/sim"
)

// write is one of the verbs that change the books.
type write struct {
	entity string // path of the call that does it
	run    func(f *fixture, ctx context.Context) (integrations.AccountingDoc, error)
	kind   integrations.DocKind
	ref    copay.Ref
	books  func(b quickbookssim.Books) int // documents or voids of it
}

// writes prepares each verb; the returned runs may be repeated.
func writes(f *fixture) map[string]write {
	f.t.Helper()
	invoice, payment := f.paid(2500)
	open, err := f.Invoice(f.t.Context(), invoiceReq(2, 3000))
	require.NoError(f.t, err)
	voided := func(docs []quickbookssim.Doc) (n int) {
		for _, d := range docs {
			if d.Voided {
				n++
			}
		}
		return n
	}
	return map[string]write{
		"invoice": {"invoice", func(f *fixture, ctx context.Context) (integrations.AccountingDoc, error) {
			return f.Invoice(ctx, invoiceReq(5, 100))
		}, integrations.DocInvoice, ref(copay.EffectInvoice, 5), func(b quickbookssim.Books) int { return len(b.Invoices) - 2 }},
		"payment": {"payment", func(f *fixture, ctx context.Context) (integrations.AccountingDoc, error) {
			return f.Receive(ctx, receiptReq(5, open.ID, 3000))
		}, integrations.DocPayment, ref(copay.EffectBook, 5), func(b quickbookssim.Books) int { return len(b.Payments) - 1 }},
		"refund": {"refundreceipt", func(f *fixture, ctx context.Context) (integrations.AccountingDoc, error) {
			return f.Reverse(ctx, reverseReq(5, payment, invoice, 500, false))
		}, integrations.DocRefund, ref(copay.EffectUnbook, 5), func(b quickbookssim.Books) int { return len(b.Refunds) }},
		"void of payment": {"payment", func(f *fixture, ctx context.Context) (integrations.AccountingDoc, error) {
			return f.Reverse(ctx, reverseReq(6, payment, invoice, 2500, true))
		}, integrations.DocPayment, ref(copay.EffectBook, 1), func(b quickbookssim.Books) int { return voided(b.Payments) }},
		"void of invoice": {"invoice", func(f *fixture, ctx context.Context) (integrations.AccountingDoc, error) {
			return f.VoidInvoice(ctx, voidReq(8, open.ID, 2, 3000))
		}, integrations.DocInvoice, ref(copay.EffectInvoice, 2), func(b quickbookssim.Books) int { return voided(b.Invoices) }},
	}
}

var verbs = []string{"invoice", "payment", "refund", "void of payment", "void of invoice"}

// each runs a test on every verb with books of its own.
func each(t *testing.T, extra map[string]any, test func(t *testing.T, f *fixture, w write)) {
	t.Helper()
	for _, name := range verbs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setupWith(t, quickbookssim.Config{}, sim.Options{}, extra)
			test(t, f, writes(f)[name])
		})
	}
}

func TestConnectionCutAfterCommit(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, f *fixture, w write) {
		f.sim.Faults().Add(sim.Fault{Kind: sim.FaultDrop, Method: http.MethodPost, Path: root + "/" + w.entity})
		_, err := w.run(f, t.Context())
		requireKind(t, err, integrations.KindUnknown)
		require.Equal(t, 1, w.books(f.sim.Books()), "it was done")
		found, err := f.FindDoc(t.Context(), w.kind, w.ref)
		require.NoError(t, err)
		net := f.sim.Books().Net()
		again, err := w.run(f, t.Context())
		require.NoError(t, err)
		require.Equal(t, found.ID, again.ID)
		require.Equal(t, 1, w.books(f.sim.Books()), "and not done again")
		require.Equal(t, net, f.sim.Books().Net())
	})
}

// The look-up does not see the document yet: the requestid still gives the
// first answer instead of a second document.
func TestRequestIDGuardsWhenLookUpIsBlind(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"invoice", "payment", "refund"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			inv, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
			require.NoError(t, err)
			pay, err := f.Receive(t.Context(), receiptReq(1, inv.ID, 1000))
			require.NoError(t, err)
			run := map[string]func() (integrations.AccountingDoc, error){
				"invoice": func() (integrations.AccountingDoc, error) { return f.Invoice(t.Context(), invoiceReq(5, 100)) },
				"payment": func() (integrations.AccountingDoc, error) { return f.Receive(t.Context(), receiptReq(5, inv.ID, 500)) },
				"refund": func() (integrations.AccountingDoc, error) {
					return f.Reverse(t.Context(), reverseReq(5, pay.ID, inv.ID, 500, false))
				},
			}[name]
			first, err := run()
			require.NoError(t, err)
			f.wire.once(http.MethodGet, "query", func() *http.Response { return reply(200, `{"QueryResponse":{}}`) })
			again, err := run()
			require.NoError(t, err)
			require.Equal(t, first.ID, again.ID)
			b := f.sim.Books()
			require.LessOrEqual(t, len(b.Invoices), 2)
			require.LessOrEqual(t, len(b.Payments), 2)
			require.LessOrEqual(t, len(b.Refunds), 1)
		})
	}
}

// A refund voids the payment and then its invoice under one reference. A key
// they share would give the invoice the payment's answer once their versions
// meet, and the invoice would stay open for ever.
func TestVoidsUnderOneReferenceHaveKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	f := setup(t)
	invoice, payment := f.paid(2500)
	_, err := f.Reverse(t.Context(), reverseReq(1, payment, invoice, 2500, true))
	require.NoError(t, err)
	d, err := f.VoidInvoice(t.Context(), voidReq(1, invoice, 1, 2500))
	require.NoError(t, err)
	require.True(t, d.Voided)
	keys := map[string]string{} // without the version, by entity
	for _, x := range f.wire.seen {
		q, err := url.ParseQuery(x.query)
		require.NoError(t, err)
		if x.method == http.MethodPost && (q.Get("include") == "void" || q.Get("operation") == "void") {
			require.LessOrEqual(t, len(q.Get("requestid")), 50)
			keys[path.Base(x.path)] = strings.TrimRight(q.Get("requestid"), "0123456789")
		}
	}
	require.Len(t, keys, 2)
	require.NotEqual(t, keys["payment"], keys["invoice"])
}

func TestServerErrorIsUnknownForWritesOnly(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, f *fixture, w write) {
		f.sim.Faults().Add(sim.Fault{Kind: sim.FaultServer, Method: http.MethodPost, Path: root + "/" + w.entity})
		_, err := w.run(f, t.Context())
		e := requireKind(t, err, integrations.KindUnknown)
		require.Equal(t, "10000", e.Code)
		require.NotEmpty(t, e.RequestID)
		require.Zero(t, w.books(f.sim.Books()))
		f.sim.Faults().Add(sim.Fault{Kind: sim.FaultServer, Method: http.MethodGet})
		_, err = w.run(f, t.Context())
		requireKind(t, err, integrations.KindUnavailable)
		_, err = w.run(f, t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, w.books(f.sim.Books()))
	})
}

func TestThrottled(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, f *fixture, w write) {
		f.sim.Faults().Add(sim.Fault{Kind: sim.FaultRateLimit, Method: http.MethodPost, Path: root + "/" + w.entity})
		_, err := w.run(f, t.Context())
		e := requireKind(t, err, integrations.KindRateLimited)
		require.Equal(t, time.Minute, e.RetryAfter)
		require.Equal(t, "3001", e.Code)
		_, err = w.run(f, t.Context())
		require.NoError(t, err)
	})
}

func TestSlowAnswerTimesOut(t *testing.T) {
	t.Parallel()
	each(t, map[string]any{"timeout": "2s"}, func(t *testing.T, f *fixture, w write) {
		f.sim.Faults().Add(sim.Fault{Kind: sim.FaultSlow, Method: http.MethodPost, Path: root + "/" + w.entity, Delay: 3 * time.Second})
		_, err := w.run(f, t.Context())
		requireKind(t, err, integrations.KindUnknown)
		// The simulator works on once its caller has gone.
		require.Eventually(t, func() bool { return w.books(f.sim.Books()) == 1 }, 20*time.Second, 20*time.Millisecond)
		_, err = w.run(f, t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, w.books(f.sim.Books()))
	})
}

func TestAnswersThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"not JSON":    "<html>login</html>",
		"huge":        `{"x":"` + strings.Repeat("a", 17<<20) + `"}`,
		"no document": `{"time":"2026-01-05T10:00:00-08:00"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, nil, func(t *testing.T, f *fixture, w write) {
				f.wire.once(http.MethodPost, w.entity, func() *http.Response { return reply(200, body) })
				_, err := w.run(f, t.Context())
				requireKind(t, err, integrations.KindUnknown)
				f.wire.once(http.MethodGet, "query", func() *http.Response { return reply(200, body) })
				_, err = f.FindDoc(t.Context(), w.kind, "cp_0000000000000000-inv-1")
				requireKind(t, err, integrations.KindUnavailable)
			})
		})
	}
}

func TestFaultWithSuccessStatus(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.wire.always(http.MethodPost, "invoice", func() *http.Response { return reply(200, faultBody("6000")) })
	_, err := f.Invoice(t.Context(), invoiceReq(1, 100))
	require.Equal(t, "6000", requireKind(t, err, integrations.KindInvalid).Code)
	f.wire.once(http.MethodPost, "invoice", func() *http.Response { return reply(200, faultBody("10000")) })
	_, err = f.Invoice(t.Context(), invoiceReq(1, 100))
	requireKind(t, err, integrations.KindUnknown)
}

// Each code of a refused invoice, through the whole stack.
func TestErrorTable(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		status int
		body   string
		kind   integrations.Kind
		code   string
	}{
		{400, faultBody("2010"), integrations.KindInvalid, "2010"},
		{400, faultBody("2020"), integrations.KindInvalid, "2020"},
		{400, faultBody("6000"), integrations.KindInvalid, "6000"},
		{400, faultBody("6070"), integrations.KindInvalid, "6070"},
		{400, faultBody("6190"), integrations.KindUnauthorized, "6190"},
		{400, faultBody("6540"), integrations.KindInvalid, "6540"},
		{400, faultBody("9999"), integrations.KindInvalid, "9999"},
		{400, faultBody("10000"), integrations.KindUnknown, "10000"},
		{400, faultBody("Jane Roe"), integrations.KindInvalid, ""},
		{400, `{"fault":{"error":[{"message":"message=ThrottleExceeded; errorCode=003001; statusCode=429","code":3001}],"type":"SERVICE"}}`, integrations.KindRateLimited, "3001"},
		{403, `{"fault":{"error":[{"message":"x","code":"003100"}]}}`, integrations.KindUnauthorized, "3100"},
		{404, "", integrations.KindNotFound, ""},
		{429, "", integrations.KindRateLimited, ""},
		{500, "<html>", integrations.KindUnknown, ""},
		{503, faultBody("6000"), integrations.KindUnknown, "6000"},
	} {
		f := setup(t)
		f.wire.always(http.MethodPost, "invoice", func() *http.Response { return reply(x.status, x.body) })
		_, err := f.Invoice(t.Context(), invoiceReq(1, 100))
		e := requireKind(t, err, x.kind)
		require.Equal(t, x.code, e.Code)
		require.Equal(t, "1-abc", e.RequestID)
		if x.kind == integrations.KindRateLimited {
			require.Equal(t, time.Minute, e.RetryAfter)
		}
		require.Empty(t, f.sim.Books().Invoices)
	}
}

// Under one requestid QuickBooks gives its first answer again, also a refusal.
// Once somebody has mended what was wrong, the document must still get in.
func TestARefusalIsNotForEver(t *testing.T) {
	t.Parallel()
	f := setupWith(t, quickbookssim.Config{}, sim.Options{}, map[string]any{"deposit_account": "1"}) // an income account
	inv, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.NoError(t, err)
	for range 2 {
		_, err = f.Receive(t.Context(), receiptReq(1, inv.ID, 2500))
		require.Equal(t, "2500", requireKind(t, err, integrations.KindInvalid).Code)
	}
	require.Equal(t, 4, f.wire.count(http.MethodPost, "payment"), "each once more, no oftener")
	mended := f.connect(nil)
	r := receiptReq(1, inv.ID, 2500)
	r.Asked = f.now.get() // the step is asked for anew
	d, err := mended.Receive(t.Context(), r)
	require.NoError(t, err)
	again, err := mended.Receive(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, d.ID, again.ID)
	require.Len(t, f.sim.Books().Payments, 1)
}

func TestARefusedVoidIsNotForEver(t *testing.T) {
	t.Parallel()
	f := setup(t)
	inv, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.NoError(t, err)
	f.wire.mu.Lock()
	f.wire.intercept = func(r *http.Request) *http.Response {
		if r.URL.Query().Get("requestid") == string(ref(copay.EffectUnbook, 1))+"-vi0" {
			return reply(400, faultBody("6210")) // what was answered while the period was closed
		}
		return nil
	}
	f.wire.mu.Unlock()
	d, err := f.VoidInvoice(t.Context(), voidReq(1, inv.ID, 1, 2500))
	require.NoError(t, err)
	require.True(t, d.Voided)
	require.True(t, f.sim.Books().Invoices[0].Voided)
}

// A second try whose answer is lost is recognised by its requestid, even when
// the look-up does not see it yet.
func TestALostSecondTryIsOneDocument(t *testing.T) {
	t.Parallel()
	f := setup(t)
	refuse := true
	f.wire.once(http.MethodPost, "invoice", func() *http.Response { return reply(400, faultBody("6000")) })
	d, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.NoError(t, err)
	f.wire.mu.Lock()
	f.wire.intercept = func(r *http.Request) *http.Response {
		switch {
		case path.Base(r.URL.Path) == "query" && strings.Contains(r.URL.Query().Get("query"), "from Invoice"):
			return reply(200, `{"QueryResponse":{}}`)
		case r.Method == http.MethodPost && path.Base(r.URL.Path) == "invoice" && refuse:
			refuse = false
			return reply(400, faultBody("6000"))
		}
		return nil
	}
	f.wire.mu.Unlock()
	again, err := f.Invoice(t.Context(), invoiceReq(1, 2500))
	require.NoError(t, err)
	require.Equal(t, d.ID, again.ID)
	require.Len(t, f.sim.Books().Invoices, 1)
}

// Refusals that mean "it is there already" end in a look-up.
func TestRepeatsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"600", "6140"} {
		f := setup(t)
		f.wire.once(http.MethodPost, "invoice", func() *http.Response {
			_, err := f.connect(nil).Invoice(t.Context(), invoiceReq(1, 100)) // another worker is faster
			require.NoError(t, err)
			return reply(400, faultBody(code))
		})
		d, err := f.Invoice(t.Context(), invoiceReq(1, 100))
		require.NoError(t, err)
		require.Equal(t, f.sim.Books().Invoices[0].ID, d.ID)
		f.wire.once(http.MethodPost, "invoice", func() *http.Response { return reply(400, faultBody(code)) })
		_, err = f.Invoice(t.Context(), invoiceReq(2, 100))
		requireKind(t, err, integrations.KindUnknown)
	}
}

func TestDuplicateNumberSettingIsObeyed(t *testing.T) {
	t.Parallel()
	f := setupWith(t, quickbookssim.Config{WarnDuplicateNumbers: true}, sim.Options{}, nil)
	_, err := f.Invoice(t.Context(), invoiceReq(1, 100))
	require.NoError(t, err)
	f.wire.once(http.MethodGet, "query", func() *http.Response { return reply(200, `{"QueryResponse":{}}`) })
	_, err = f.connect(nil).Invoice(t.Context(), invoiceReq(1, 100))
	require.NoError(t, err)
	require.Len(t, f.sim.Books().Invoices, 1)
	for _, x := range f.wire.seen {
		require.NotContains(t, x.query, "allowduplicatedocnum")
	}
}

// A stale version is read again and tried once more.
func TestStaleVersion(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, f *fixture, w write) {
		refused := ""
		f.wire.once(http.MethodPost, w.entity, func() *http.Response { return reply(400, faultBody("5010")) })
		before := len(f.wire.seen)
		_, err := w.run(f, t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, w.books(f.sim.Books()))
		if w.ref == ref(copay.EffectBook, 1) || w.ref == ref(copay.EffectInvoice, 2) {
			return // a void's requestid holds the version
		}
		// Should the refusal itself be replayed, the second try must not get it.
		for _, x := range f.wire.seen[before:] {
			if x.method == http.MethodPost {
				require.NotEqual(t, refused, x.query)
				refused = x.query
			}
		}
	})
}

func TestBookkeeperEditsBetweenReadAndVoid(t *testing.T) {
	t.Parallel()
	f := setup(t)
	invoice, payment := f.paid(2500)
	f.wire.once(http.MethodPost, "payment", func() *http.Response {
		require.NoError(t, f.sim.EditPayment(payment, map[string]any{"PrivateNote": "seen"}))
		return nil // and the call goes on with the old version
	})
	d, err := f.Reverse(t.Context(), reverseReq(1, payment, invoice, 2500, true))
	require.NoError(t, err)
	require.True(t, d.Voided)

	// Stale twice is left to the caller's retry.
	inv, err := f.Invoice(t.Context(), invoiceReq(2, 100))
	require.NoError(t, err)
	f.wire.mu.Lock()
	f.wire.intercept = func(r *http.Request) *http.Response {
		if r.Method == http.MethodPost {
			return reply(400, faultBody("5010"))
		}
		return nil
	}
	f.wire.mu.Unlock()
	_, err = f.VoidInvoice(t.Context(), voidReq(2, inv.ID, 2, 100))
	require.Equal(t, "5010", requireKind(t, err, integrations.KindUnavailable).Code)
}

func TestAccessTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	f := setupWith(t, quickbookssim.Config{RotateEvery: time.Nanosecond}, sim.Options{}, nil)
	_, err := f.TestConnection(t.Context())
	require.NoError(t, err)
	first := f.tokens.tok.Refresh
	require.NotEqual(t, "AB11-sandbox", first, "the new refresh token is stored")
	f.sim.ExpireAccess()
	_, err = f.TestConnection(t.Context())
	require.NoError(t, err)
	require.Equal(t, f.sim.RefreshToken(), f.tokens.tok.Refresh)
	require.NotEqual(t, first, f.tokens.tok.Refresh)
	f.sim.Faults().Add(sim.Fault{Kind: sim.FaultToken, Path: root, Times: 2})
	_, err = f.TestConnection(t.Context())
	require.Equal(t, http.StatusUnauthorized, requireKind(t, err, integrations.KindUnauthorized).Status)

	// Another process takes the stored token, not the seed.
	_, err = f.connect(nil).TestConnection(t.Context())
	require.NoError(t, err)
	f.sim.RevokeConsent()
	_, err = f.Invoice(t.Context(), invoiceReq(1, 100))
	requireKind(t, err, integrations.KindUnauthorized)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for name, x := range map[string]map[string]any{
		"realm":     {"realm_id": "acme"},
		"client":    {"client_id": ""},
		"secret":    {"client_secret": nil},
		"refund":    {"refund_account": "", "deposit_account": ""},
		"token url": {"token_url": "ftp://x"},
		"base url":  {"base_url": "x"},
		"limits":    {"limit_per_second": -1},
		"typo":      {"realmid": "1"},
		"pasted":    {"client_secret": "not-a-reference"},
	} {
		_, err := quickbooks.New(integrations.Settings{Practice: "northside", Options: f.options(x), Tokens: f.tokens})
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), secret)
	}
	_, err := quickbooks.New(integrations.Settings{Practice: "northside", Options: f.options(nil)})
	require.ErrorContains(t, err, "token store")
	c, err := quickbooks.New(integrations.Settings{Practice: "northside", Options: f.options(map[string]any{"realm_id": 9130350000000001, "refund_account": ""}), Tokens: f.tokens})
	require.NoError(t, err)
	s, err := c.TestConnection(t.Context())
	require.NoError(t, err)
	require.Contains(t, s, realm)
}
