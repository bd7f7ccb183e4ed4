package quickbooks_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/quickbooks"
)

// canned answers every call but the token's with one body and status.
type canned struct {
	status int
	body   string
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := c.status, c.body
	if strings.HasSuffix(r.URL.Path, "/bearer") {
		status, body = http.StatusOK, `{"access_token":"t","refresh_token":"r","expires_in":3600}`
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// FuzzAnswers reads arbitrary answers to every verb through the whole HTTP
// path: none may panic, none is taken for a document that it is not, and no
// error repeats what stood in it.
func FuzzAnswers(f *testing.F) {
	f.Add(200, `{"QueryResponse":{"Invoice":[{"Id":"145","SyncToken":"0","DocNumber":"x","TotalAmt":25.00,"Balance":25}],"maxResults":1},"time":"2026-01-05T10:00:00.123-08:00"}`)
	f.Add(200, `{"Payment":{"Id":"150","SyncToken":"0","TotalAmt":25.00,"UnappliedAmt":0,"Line":[{"Amount":25.00,"LinkedTxn":[{"TxnId":"145","TxnType":"Invoice"}]}]}}`)
	f.Add(200, `{"RefundReceipt":{"Id":"7","TotalAmt":"x"},"CDCResponse":[{"QueryResponse":[{"Payment":[{"status":"Deleted","Id":"150"}]}]}]}`)
	f.Add(400, `{"Fault":{"Error":[{"Message":"quillfeather","code":"5010"}],"type":"ValidationFault"}}`)
	f.Add(401, `{"fault":{"error":[{"message":"quillfeather","code":3200}],"type":"AUTHENTICATION"}}`)
	f.Add(429, `{"Fault":{"Error":[{"Message":"ThrottleExceeded","code":"003001"}]}}`)
	f.Add(200, `{"Fault":{"Error":[]}}`)
	f.Add(200, `[null]`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		c, err := quickbooks.New(integrations.Settings{Practice: "northside", Platform: "quickbooks", RoundTripper: canned{status, body}, Tokens: &memory{},
			Options: map[string]any{"realm_id": realm, "client_id": "c", "client_secret": "literal:s", "refresh_token": "literal:r", "refund_account": "35", "deposit_account": "4",
				"limit_per_second": 1_000_000, "limit_per_minute": 1_000_000}})
		require.NoError(t, err)
		check := func(d integrations.AccountingDoc, err error) {
			if err != nil {
				require.NotNil(t, integrations.AsError(err))
				require.NotContains(t, err.Error(), "quillfeather")
				require.Less(t, len(err.Error()), 400)
				return
			}
			require.NotEmpty(t, d.Kind)
			require.True(t, d.Voided || d.Amount.Currency != "")
		}
		for _, kind := range []integrations.DocKind{integrations.DocInvoice, integrations.DocPayment, integrations.DocRefund} {
			check(c.FindDoc(t.Context(), kind, ref(copay.EffectBook, 1)))
		}
		check(c.Invoice(t.Context(), invoiceReq(1, 2500)))
		check(c.Receive(t.Context(), receiptReq(1, "145", 2500)))
		check(c.Reverse(t.Context(), reverseReq(1, "150", "145", 2500, true)))
		check(c.VoidInvoice(t.Context(), voidReq(1, "145", 1, 2500)))
		_, _ = c.Docs(t.Context(), time.Unix(1_770_000_000, 0), "")
		if _, next, err := c.PollEvents(t.Context(), ""); err == nil {
			require.NotEmpty(t, next)
		}
	})
}
