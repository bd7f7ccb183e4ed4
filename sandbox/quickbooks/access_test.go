package quickbookssim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	quickbookssim "github.com/copayflow/copayflow/sandbox/quickbooks"
	"github.com/copayflow/copayflow/sandbox/sim"
)

// send makes a call with headers of one's own and returns what came as text.
func (c *caller) send(method, path, body string, header ...string) (int, http.Header, string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	require.NoError(c.t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	require.NoError(c.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	return res.StatusCode, res.Header, string(b)
}

func TestTokenEndpointRefuses(t *testing.T) {
	t.Parallel()
	c := quietly(t)
	good := "Basic c2FuZGJveC1jbGllbnQ6c2FuZGJveC1zZWNyZXQ=" // sandbox-client:sandbox-secret
	for name, x := range map[string]struct {
		auth, form, code string
		status           int
	}{
		"no credentials":       {"", "grant_type=refresh_token&refresh_token=AB11-sandbox", "invalid_client", 401},
		"credentials in form":  {"", "grant_type=refresh_token&refresh_token=AB11-sandbox&client_id=sandbox-client&client_secret=sandbox-secret", "invalid_client", 401},
		"wrong secret":         {"Basic c2FuZGJveC1jbGllbnQ6eA==", "grant_type=refresh_token&refresh_token=AB11-sandbox", "invalid_client", 401},
		"unknown token":        {good, "grant_type=refresh_token&refresh_token=AB11-other", "invalid_grant", 400},
		"no token":             {good, "grant_type=refresh_token", "invalid_grant", 400},
		"client credentials":   {good, "grant_type=client_credentials", "unsupported_grant_type", 400},
		"no grant":             {good, "", "unsupported_grant_type", 400},
		"code there is not":    {good, "grant_type=authorization_code&code=x&redirect_uri=https://copay.example", "invalid_grant", 400},
		"form that is not one": {good, "grant_type=%zz", "invalid_request", 400},
	} {
		status, _, body := c.send(http.MethodPost, "/oauth2/v1/tokens/bearer", x.form, "Content-Type", "application/x-www-form-urlencoded", "Authorization", x.auth)
		require.Equal(t, x.status, status, name)
		require.JSONEq(t, `{"error":"`+x.code+`"}`, body, name)
	}
}

func TestConsentPageRefuses(t *testing.T) {
	t.Parallel()
	c := quietly(t)
	good := url.Values{"client_id": {"sandbox-client"}, "response_type": {"code"}, "scope": {"com.intuit.quickbooks.accounting"}, "redirect_uri": {"https://copay.example/callback"}, "state": {"s1"}}
	for field, value := range map[string]string{"client_id": "other", "response_type": "token", "scope": "openid", "redirect_uri": "nowhere", "state": ""} {
		q := url.Values{}
		for k, v := range good {
			q[k] = v
		}
		q.Set(field, value)
		status, h, _ := c.send(http.MethodGet, "/connect/oauth2?"+q.Encode(), "")
		require.Equal(t, http.StatusBadRequest, status, field)
		require.Empty(t, h.Get("Location"))
	}
}

// Who may not enter is told so by the gateway, in lower case, and every answer
// carries Intuit's id of it.
func TestAccessIsRefused(t *testing.T) {
	t.Parallel()
	c := quietly(t)
	for name, auth := range map[string]string{"none": "", "unknown": "Bearer x", "another scheme": "Basic " + c.access, "bare": c.access} {
		status, h, body := c.send(http.MethodGet, root+"/companyinfo/9130350000000001", "", "Authorization", auth, "Accept", "application/json")
		require.Equal(t, http.StatusUnauthorized, status, name)
		require.Contains(t, body, `"fault"`)
		require.NotEmpty(t, h.Get("intuit_tid"))
	}
	c.sim.ExpireAccess()
	status, out := c.call(http.MethodGet, "/companyinfo/9130350000000001", "")
	require.Equal(t, 401, status)
	require.Equal(t, "3200", faultCode(out))
	status, body := c.refresh(c.sim.RefreshToken())
	require.Equal(t, 200, status)
	c.access = body["access_token"].(string)
	_, out = c.call(http.MethodGet, "/companyinfo/9130350000000001", "")
	require.Equal(t, "Sandbox Family Practice", out["CompanyInfo"].(map[string]any)["CompanyName"])

	c.sim.RevokeConsent()
	status, _ = c.refresh("AB11-sandbox")
	require.Equal(t, 400, status, "the bookkeeper disconnected the app")
	status, _ = c.call(http.MethodGet, "/companyinfo/9130350000000001", "")
	require.Equal(t, 401, status)
}

func TestRefreshTokensThatRotateOnEachUse(t *testing.T) {
	t.Parallel()
	c := setup(t, quickbookssim.Config{NoLimits: true, RotateEvery: time.Nanosecond})
	used := map[string]bool{}
	for range 3 {
		now := c.sim.RefreshToken()
		require.False(t, used[now])
		used[now] = true
		status, _ := c.refresh(now)
		require.Equal(t, 200, status)
		status, _ = c.refresh(now)
		require.Equal(t, 400, status, "each is good once")
	}
}

func TestContentTypesThatAreRefused(t *testing.T) {
	t.Parallel()
	c := quietly(t)
	auth := "Bearer " + c.access
	for ctype, code := range map[string]string{"": "1050", "text/plain": "1050", "application/xml": "1050", "application/x-www-form-urlencoded": "1050"} {
		status, _, body := c.send(http.MethodPost, root+"/customer", `{"DisplayName":"P-1"}`, "Authorization", auth, "Accept", "application/json", "Content-Type", ctype)
		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, body, `"code":"`+code+`"`)
	}
	status, _, _ := c.send(http.MethodPost, root+"/customer", `{"DisplayName":"`+strings.Repeat("x", 2<<20)+`"}`, "Authorization", auth, "Accept", "application/json", "Content-Type", "application/json")
	require.Equal(t, http.StatusBadRequest, status, "no end of a body")
	require.Empty(t, c.sim.Customers())

	statement := "select Id, DisplayName from Customer"
	status, _, body := c.send(http.MethodPost, root+"/query", statement, "Authorization", auth, "Accept", "application/json", "Content-Type", "application/text")
	require.Equal(t, http.StatusOK, status, body)
	status, _, body = c.send(http.MethodPost, root+"/query", statement, "Authorization", auth, "Accept", "application/json", "Content-Type", "application/json")
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, body, `"code":"4000"`)
}

// Faults that are asked for look like the platform's own and change nothing.
func TestFaults(t *testing.T) {
	t.Parallel()
	for kind, want := range map[sim.FaultKind]struct {
		status int
		code   string
	}{sim.FaultRateLimit: {429, "3001"}, sim.FaultToken: {401, "3200"}, sim.FaultServer: {500, "10000"}} {
		c := quietly(t)
		c.sim.Faults().Add(sim.Fault{Kind: kind, Path: root})
		status, out := c.call(http.MethodPost, "/customer", `{"DisplayName":"P-1"}`)
		require.Equal(t, want.status, status)
		require.Equal(t, want.code, faultCode(out))
		require.Empty(t, c.sim.Customers())
		c.post("/customer", `{"DisplayName":"P-1"}`)
	}
}

// Under one requestid there is one answer: a refusal comes again although what
// was wrong is mended, and what was done is never done again, whatever the
// entity or operation.
func TestRequestIDs(t *testing.T) {
	t.Parallel()
	c := quietly(t)
	cust, item := c.patient()
	for _, with := range []string{"999", item} {
		c.refused(http.MethodPost, "/invoice?requestid=r0", invoiceBody(cust, with, "CP-1", "25"), "2500")
	}
	inv := c.post("/invoice?requestid=r1", invoiceBody(cust, item, "CP-1", "25"))
	again := c.post("/invoice?operation=void&requestid=r1", `{"Id":"`+inv["Id"].(string)+`","SyncToken":"0"}`)
	require.Equal(t, inv, again, "the first answer, although another thing was asked for")
	require.False(t, c.sim.Books().Invoices[0].Voided)
	_, out := c.call(http.MethodPost, "/payment?requestid=r1", paymentBody(cust, inv["Id"].(string), "25", "25"))
	require.Contains(t, out, "Invoice")
	require.Empty(t, c.sim.Books().Payments)
	c.post("/payment?requestid="+strings.Repeat("r", 50), paymentBody(cust, inv["Id"].(string), "25", "25"))
}

func TestChangesThatCannotBeListed(t *testing.T) {
	t.Parallel()
	c := quietly(t)
	_, _, inv, pay := c.booked()
	since := url.QueryEscape(c.clock.now().Add(-time.Hour).Format(time.RFC3339))
	for _, path := range []string{
		"/cdc?entities=Invoice", "/cdc?entities=Invoice&changedSince=yesterday", "/cdc?entities=Bill&changedSince=" + since, "/cdc?changedSince=" + since,
		"/cdc?entities=Invoice&changedSince=" + url.QueryEscape(c.clock.now().Add(-31*24*time.Hour).Format(time.RFC3339)), // further back than it reaches
	} {
		c.refused(http.MethodGet, path, "", "2010")
	}
	require.NoError(t, c.sim.DeletePayment(pay))
	_, out := c.call(http.MethodGet, "/cdc?entities=Invoice,Payment,Customer,Item,RefundReceipt&changedSince="+since, "")
	lists := out["CDCResponse"].([]any)[0].(map[string]any)["QueryResponse"].([]any)
	require.Len(t, lists, 5)
	require.Equal(t, inv, lists[0].(map[string]any)["Invoice"].([]any)[0].(map[string]any)["Id"])
	gone := lists[1].(map[string]any)["Payment"].([]any)[0].(map[string]any)
	require.Equal(t, "Deleted", gone["status"])
	require.NotContains(t, gone, "TotalAmt", "of what was deleted only the id is told")
	require.Empty(t, lists[4], "nothing changed")
	b, err := json.Marshal(out)
	require.NoError(t, err)
	require.NotContains(t, string(b), `"deleted"`)
}
