package stripesim_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// visit is what a browser does, without following redirects.
func (l *lab) visit(method, address string, form url.Values) (int, string, http.Header) {
	l.Helper()
	req, err := http.NewRequestWithContext(l.Context(), method, address, strings.NewReader(form.Encode()))
	require.NoError(l, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(l, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(l, err)
	return res.StatusCode, string(b), res.Header
}

func TestHostedPage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ss := l.post("/v1/checkout/sessions", sessionForm(nil))
	page := ss["url"].(string)
	status, html, h := l.visit(http.MethodGet, page, nil)
	require.Equal(t, http.StatusOK, status)
	for _, want := range []string{"Lakeside Clinic", "Payment to &lt;Lakeside&gt;", "$25.00", "<legend>", `lang="en"`, "3D Secure", `href="https://pay.example.org/"`} {
		require.Contains(t, html, want)
	}
	require.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'")

	for card, says := range map[string]string{"pm_card_chargeDeclined": "was declined", "pm_card_chargeDeclinedInsufficientFunds": "insufficient funds", "pm_none": "Choose a card"} {
		status, html, _ = l.visit(http.MethodPost, page, url.Values{"do": {"pay"}, "card": {card}})
		require.Equal(t, http.StatusPaymentRequired, status)
		require.Contains(t, html, `role="alert"`)
		require.Contains(t, html, says)
	}
	status, _, h = l.visit(http.MethodPost, page, url.Values{"do": {"pay"}, "card": {"pm_card_visa"}})
	require.Equal(t, http.StatusSeeOther, status)
	require.Equal(t, "https://pay.example.org/done?s="+ss["id"].(string), h.Get("Location"))
	status, html, _ = l.visit(http.MethodPost, page, url.Values{"do": {"pay"}, "card": {"pm_card_visa"}})
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, html, "has been made")
	books := l.Books()
	require.Len(t, books, 1, "paid once")
	require.Equal(t, "r-1", books[0].Ref)
	require.Equal(t, "cp-1", books[0].CoPay)
	require.Equal(t, ss["id"], books[0].Session)

	got := l.get("/v1/checkout/sessions/"+ss["id"].(string), "")
	require.Equal(t, "complete", got["status"])
	require.Nil(t, got["url"])
	require.Len(t, l.get("/v1/checkout/sessions/"+ss["id"].(string)+"/line_items", "")["data"], 1)
	require.Contains(t, l.refused(400, "/v1/checkout/sessions/"+ss["id"].(string)+"/expire", "")["message"], "complete")
	status, _, _ = l.visit(http.MethodGet, l.url+"/c/pay/cs_test_none", nil)
	require.Equal(t, http.StatusNotFound, status)
	status, _, _ = l.visit(http.MethodGet, l.url+"/elsewhere", nil)
	require.Equal(t, http.StatusNotFound, status)
	status, _, _ = l.visit(http.MethodPut, page, nil)
	require.Equal(t, http.StatusMethodNotAllowed, status)
}

func TestHostedPageAsksTheBank(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	page := l.post("/v1/checkout/sessions", sessionForm(nil))["url"].(string)
	secure := url.Values{"do": {"pay"}, "card": {"pm_card_threeDSecure2Required"}}
	status, _, h := l.visit(http.MethodPost, page, secure)
	require.Equal(t, http.StatusSeeOther, status)
	require.Equal(t, strings.TrimPrefix(page, l.url), h.Get("Location"))
	_, html, _ := l.visit(http.MethodGet, page, nil)
	require.Contains(t, html, "Do not confirm")
	status, _, _ = l.visit(http.MethodPost, page, url.Values{"do": {"refuse"}})
	require.Equal(t, http.StatusSeeOther, status)
	_, html, _ = l.visit(http.MethodGet, page, nil)
	require.Contains(t, html, "Pay with a test card")
	l.visit(http.MethodPost, page, secure)
	status, _, h = l.visit(http.MethodPost, page, url.Values{"do": {"confirm"}})
	require.Equal(t, http.StatusSeeOther, status)
	require.Contains(t, h.Get("Location"), "https://pay.example.org/done")
	require.Len(t, l.Books(), 1)

	// The same question about an intent that a program confirmed.
	pi := l.post("/v1/payment_intents", goodCharge+"pm_card_authenticationRequired&return_url=https://x.example/back")
	ask := pi["next_action"].(object)["redirect_to_url"].(object)["url"].(string)
	status, _, _ = l.visit(http.MethodGet, ask, nil)
	require.Equal(t, http.StatusOK, status)
	_, _, h = l.visit(http.MethodPost, ask, url.Values{"do": {"confirm"}})
	require.Equal(t, "https://x.example/back", h.Get("Location"))
	status, _, _ = l.visit(http.MethodPost, ask, url.Values{"do": {"confirm"}})
	require.Equal(t, http.StatusNotFound, status)
}

func TestHostedPageExpires(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ss := l.post("/v1/checkout/sessions", sessionForm(nil))
	l.visit(http.MethodPost, ss["url"].(string), url.Values{"do": {"pay"}, "card": {"pm_card_chargeDeclined"}})
	l.wait(24*time.Hour + time.Second)
	status, html, _ := l.visit(http.MethodPost, ss["url"].(string), url.Values{"do": {"pay"}, "card": {"pm_card_visa"}})
	require.Equal(t, http.StatusGone, status)
	require.Contains(t, html, "expired")
	require.Empty(t, l.Books())
	got := l.get("/v1/checkout/sessions/"+ss["id"].(string), "expand[]=payment_intent")
	require.Equal(t, "expired", got["status"])
	require.Equal(t, "canceled", got["payment_intent"].(object)["status"])
	kinds := []string{}
	for _, e := range l.Events() {
		kinds = append(kinds, e.Type)
	}
	require.Contains(t, kinds, "checkout.session.expired")
	require.Equal(t, "expired", l.Sessions()[0].Status)
}

func TestHostedInvoice(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	cus := l.post("/v1/customers", "")["id"].(string)
	inv := l.post("/v1/invoices", "customer="+cus)["id"].(string)
	l.post("/v1/invoiceitems", "customer="+cus+"&amount=4500&currency=usd&invoice="+inv)
	page := l.post("/v1/invoices/"+inv+"/finalize", "")["hosted_invoice_url"].(string)
	_, html, _ := l.visit(http.MethodGet, page, nil)
	require.Contains(t, html, "$45.00")
	status, _, _ := l.visit(http.MethodPost, page, url.Values{"do": {"pay"}, "card": {"pm_card_chargeDeclined"}})
	require.Equal(t, http.StatusPaymentRequired, status)
	_, html, _ = l.visit(http.MethodPost, page, url.Values{"do": {"pay"}, "card": {"pm_card_visa"}})
	require.Contains(t, html, "This invoice is paid")
	l.visit(http.MethodPost, page, url.Values{"do": {"pay"}, "card": {"pm_card_visa"}})
	require.Len(t, l.Books(), 1)
}
