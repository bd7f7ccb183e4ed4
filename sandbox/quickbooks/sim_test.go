package quickbookssim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	quickbookssim "github.com/copayflow/copayflow/sandbox/quickbooks"
	"github.com/copayflow/copayflow/sandbox/sim"
)

const root = "/v3/company/9130350000000001"

// clockStart is when the tests begin: ten in the morning where Intuit is.
var clockStart = time.Date(2026, 1, 5, 18, 0, 0, 0, time.UTC)

// clock is the sandbox's time, moved by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// caller speaks plain HTTP to the simulator, as any client would.
type caller struct {
	t      *testing.T
	sim    *quickbookssim.Server
	url    string
	clock  *clock
	access string
}

func setup(t *testing.T, c quickbookssim.Config) *caller {
	t.Helper()
	k := &clock{t: clockStart}
	s := quickbookssim.New(sim.Options{Now: k.now}, c)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	x := &caller{t: t, sim: s, url: srv.URL, clock: k}
	status, body := x.refresh("AB11-sandbox")
	require.Equal(t, 200, status)
	x.access = body["access_token"].(string)
	return x
}

func (c *caller) refresh(token string) (int, map[string]any) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.url+"/oauth2/v1/tokens/bearer",
		strings.NewReader(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}.Encode()))
	require.NoError(c.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("sandbox-client", "sandbox-secret")
	return c.do(req)
}

func (c *caller) do(req *http.Request) (int, map[string]any) {
	c.t.Helper()
	res, err := http.DefaultClient.Do(req)
	require.NoError(c.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var out map[string]any
	require.NoError(c.t, d.Decode(&out), string(b))
	return res.StatusCode, out
}

func (c *caller) call(method, path, body string) (int, map[string]any) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+root+path, strings.NewReader(body))
	require.NoError(c.t, err)
	req.Header.Set("Authorization", "Bearer "+c.access)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	return c.do(req)
}

func (c *caller) post(path, body string) map[string]any {
	c.t.Helper()
	status, out := c.call(http.MethodPost, path, body)
	require.Equal(c.t, 200, status, "%v", out)
	for _, v := range out {
		if m, ok := v.(map[string]any); ok {
			return m
		}
	}
	return nil
}

func (c *caller) refused(method, path, body, code string) {
	c.t.Helper()
	status, out := c.call(method, path, body)
	require.Equal(c.t, 400, status, "%v", out)
	require.Equal(c.t, code, faultCode(out), "%v", out)
}

func faultCode(out map[string]any) string {
	for k, v := range out {
		if strings.EqualFold(k, "fault") {
			for kk, vv := range v.(map[string]any) {
				if strings.EqualFold(kk, "error") {
					return vv.([]any)[0].(map[string]any)["code"].(string)
				}
			}
		}
	}
	return ""
}

func (c *caller) query(q string) (int, map[string]any) {
	c.t.Helper()
	return c.call(http.MethodGet, "/query?query="+url.QueryEscape(q), "")
}

// rows are the ids a query finds.
func (c *caller) rows(entity, q string) []string {
	c.t.Helper()
	status, out := c.query(q)
	require.Equal(c.t, 200, status, "%v", out)
	var ids []string
	list, _ := out["QueryResponse"].(map[string]any)[entity].([]any)
	for _, x := range list {
		ids = append(ids, x.(map[string]any)["Id"].(string))
	}
	return ids
}

// patient makes a customer and the item and returns their ids.
func (c *caller) patient() (customer, item string) {
	c.t.Helper()
	cust := c.post("/customer", `{"DisplayName":"P-000123"}`)
	it := c.post("/item", `{"Name":"Patient co-pay","Type":"Service","IncomeAccountRef":{"value":"1"}}`)
	return cust["Id"].(string), it["Id"].(string)
}

func invoiceBody(customer, item, number, amount string) string {
	return `{"CustomerRef":{"value":"` + customer + `"},"DocNumber":"` + number + `","Line":[{"Amount":` + amount +
		`,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{"ItemRef":{"value":"` + item + `"}}}]}`
}

func paymentBody(customer, invoice, total, applied string) string {
	return `{"CustomerRef":{"value":"` + customer + `"},"TotalAmt":` + total + `,"Line":[{"Amount":` + applied +
		`,"LinkedTxn":[{"TxnId":"` + invoice + `","TxnType":"Invoice"}]}]}`
}

func TestPaymentMovesBalances(t *testing.T) {
	t.Parallel()
	c := setup(t, quickbookssim.Config{NoLimits: true})
	cust, item := c.patient()
	inv := c.post("/invoice", invoiceBody(cust, item, "CP-1", "25.00"))
	require.Equal(t, json.Number("25.00"), inv["Balance"])
	require.Equal(t, "0", inv["SyncToken"])

	c.refused("POST", "/payment", paymentBody(cust, inv["Id"].(string), "30.00", "30.00"), "6000") // over-application
	c.refused("POST", "/payment", paymentBody(cust, inv["Id"].(string), "10.00", "20.00"), "6000") // more than the payment
	pay := c.post("/payment", paymentBody(cust, inv["Id"].(string), "30.00", "20.00"))
	require.Equal(t, json.Number("10.00"), pay["UnappliedAmt"])

	_, got := c.call("GET", "/invoice/"+inv["Id"].(string), "")
	now := got["Invoice"].(map[string]any)
	require.Equal(t, json.Number("5.00"), now["Balance"])
	require.Equal(t, "1", now["SyncToken"])
	require.Equal(t, pay["Id"], now["LinkedTxn"].([]any)[0].(map[string]any)["TxnId"])

	c.refused("POST", "/invoice?operation=void", `{"Id":"`+inv["Id"].(string)+`","SyncToken":"1"}`, "6000") // money on it
	void := c.post("/payment?operation=update&include=void", `{"Id":"`+pay["Id"].(string)+`","SyncToken":"0","sparse":true}`)
	require.Equal(t, json.Number("0.00"), void["TotalAmt"])
	require.Equal(t, "Voided", void["PrivateNote"])
	_, got = c.call("GET", "/invoice/"+inv["Id"].(string), "")
	require.Equal(t, json.Number("25.00"), got["Invoice"].(map[string]any)["Balance"])
	gone := c.post("/invoice?operation=void", `{"Id":"`+inv["Id"].(string)+`","SyncToken":"2"}`)
	require.Equal(t, json.Number("0.00"), gone["Balance"])
	_, got = c.call("GET", "/customer/"+cust, "")
	require.Equal(t, json.Number("0.00"), got["Customer"].(map[string]any)["Balance"])
}

func TestUpdateReappliesPayment(t *testing.T) {
	t.Parallel()
	c := setup(t, quickbookssim.Config{NoLimits: true})
	cust, item := c.patient()
	inv := c.post("/invoice", invoiceBody(cust, item, "CP-1", "25"))["Id"].(string)
	pay := c.post("/payment", paymentBody(cust, inv, "25", "25"))["Id"].(string)

	c.refused("POST", "/payment", `{"Id":"`+pay+`","SyncToken":"7","sparse":true,"PrivateNote":"x"}`, "5010")
	up := c.post("/payment", `{"Id":"`+pay+`","SyncToken":"0","sparse":true,"Line":[{"Amount":5,"LinkedTxn":[{"TxnId":"`+inv+`","TxnType":"Invoice"}]}]}`)
	require.Equal(t, json.Number("20.00"), up["UnappliedAmt"])
	require.Equal(t, int64(2000), c.sim.Books().Invoices[0].Balance)

	// Without sparse a missing field is cleared.
	c.post("/invoice", `{"Id":"`+inv+`","SyncToken":"3","sparse":true,"PrivateNote":"kept"}`)
	c.post("/invoice", strings.Replace(invoiceBody(cust, item, "CP-1", "25"), "{", `{"Id":"`+inv+`","SyncToken":"4",`, 1))
	require.Empty(t, c.sim.Books().Invoices[0].Note)
}

func TestCreditMemoPaysInvoice(t *testing.T) {
	t.Parallel()
	c := setup(t, quickbookssim.Config{NoLimits: true})
	cust, item := c.patient()
	inv := c.post("/invoice", invoiceBody(cust, item, "CP-1", "25"))["Id"].(string)
	memo := c.post("/creditmemo", invoiceBody(cust, item, "CM-1", "10"))["Id"].(string)
	body := `{"CustomerRef":{"value":"` + cust + `"},"TotalAmt":0,"Line":[{"Amount":10,"LinkedTxn":[{"TxnId":"` + memo +
		`","TxnType":"CreditMemo"}]},{"Amount":10,"LinkedTxn":[{"TxnId":"` + inv + `","TxnType":"Invoice"}]}]}`
	c.post("/payment", body)
	require.Equal(t, int64(1500), c.sim.Books().Invoices[0].Balance)
	_, got := c.call("GET", "/creditmemo/"+memo, "")
	require.Equal(t, json.Number("0.00"), got["CreditMemo"].(map[string]any)["RemainingCredit"])
	c.refused("POST", "/payment", body, "6000") // used up
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	c := setup(t, quickbookssim.Config{NoLimits: true, WarnDuplicateNumbers: true})
	c.sim.AddVendor("Lab Corp")
	cust, item := c.patient()
	inv := c.post("/invoice", invoiceBody(cust, item, "CP-1", "25"))["Id"].(string)
	for name, x := range map[string]struct{ path, body, code string }{
		"name of a customer":   {"/customer", `{"DisplayName":"p-000123"}`, "6240"},
		"name of a vendor":     {"/customer", `{"DisplayName":"Lab Corp"}`, "6240"},
		"name with a colon":    {"/customer", `{"DisplayName":"a:b"}`, "2010"},
		"no name":              {"/customer", `{}`, "6080"},
		"item without account": {"/item", `{"Name":"x","Type":"Service"}`, "2020"},
		"item's name":          {"/item", `{"Name":"patient co-pay","Type":"Service","IncomeAccountRef":{"value":"1"}}`, "6240"},
		"duplicate number":     {"/invoice", invoiceBody(cust, item, "CP-1", "25"), "6140"},
		"long number":          {"/invoice", invoiceBody(cust, item, strings.Repeat("x", 22), "25"), "2050"},
		"no such customer":     {"/invoice", invoiceBody("999", item, "CP-2", "25"), "2500"},
		"no such item":         {"/invoice", invoiceBody(cust, "999", "CP-2", "25"), "2500"},
		"three decimals":       {"/invoice", invoiceBody(cust, item, "CP-2", "25.001"), "2010"},
		"amount as text":       {"/invoice", invoiceBody(cust, item, "CP-2", `"25.00"`), "2010"},
		"unknown property":     {"/invoice", strings.Replace(invoiceBody(cust, item, "CP-2", "25"), "DocNumber", "DocNo", 1), "2010"},
		"no line":              {"/invoice", `{"CustomerRef":{"value":"` + cust + `"}}`, "2020"},
		"no total":             {"/payment", `{"CustomerRef":{"value":"` + cust + `"}}`, "2020"},
		"no such invoice":      {"/payment", paymentBody(cust, "999", "25", "25"), "610"},
		"refund from nowhere":  {"/refundreceipt", invoiceBody(cust, item, "R-1", "25"), "2020"},
		"refund from income":   {"/refundreceipt", strings.Replace(invoiceBody(cust, item, "R-1", "25"), "{", `{"DepositToAccountRef":{"value":"1"},`, 1), "2500"},
		"quantity and price": {"/invoice", `{"CustomerRef":{"value":"` + cust + `"},"Line":[{"Amount":25,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{"ItemRef":{"value":"` +
			item + `"},"Qty":2,"UnitPrice":25}}]}`, "6070"},
		"long requestid": {"/invoice?requestid=" + strings.Repeat("r", 51), invoiceBody(cust, item, "CP-9", "25"), "2050"},
		"operation":      {"/customer?operation=delete", `{"Id":"` + cust + `","SyncToken":"0"}`, "500"},
	} {
		t.Run(name, func(t *testing.T) {
			cc := *c
			cc.t = t
			cc.refused("POST", x.path, x.body, x.code)
		})
	}
	c.refused("GET", "/invoice/999", "", "610")
	c.post("/invoice?include=allowduplicatedocnum", invoiceBody(cust, item, "CP-1", "25"))
	c.post("/invoice?operation=delete", `{"Id":"`+inv+`","SyncToken":"0"}`)
	c.refused("POST", "/invoice?operation=delete", `{"Id":"`+inv+`","SyncToken":"1"}`, "610")
}

func TestDepositedPaymentIsFixed(t *testing.T) {
	t.Parallel()
	c := setup(t, quickbookssim.Config{NoLimits: true})
	cust, item := c.patient()
	inv := c.post("/invoice", invoiceBody(cust, item, "CP-1", "25"))["Id"].(string)
	pay := c.post("/payment", paymentBody(cust, inv, "25", "25"))["Id"].(string)
	_, err := c.sim.Deposit(pay)
	require.NoError(t, err)
	c.refused("POST", "/payment?operation=update&include=void", `{"Id":"`+pay+`","SyncToken":"1","sparse":true}`, "6540")
	require.Equal(t, int64(2500), c.sim.Books().Net())
	require.True(t, c.sim.Books().Payments[0].Deposited)
}

func TestRequestIDReplaysFirstAnswer(t *testing.T) {
	t.Parallel()
	c := setup(t, quickbookssim.Config{NoLimits: true})
	cust, item := c.patient()
	first := c.post("/invoice?requestid=cp-1", invoiceBody(cust, item, "CP-1", "25"))
	c.clock.add(time.Minute)
	again := c.post("/invoice?requestid=cp-1", invoiceBody(cust, item, "CP-other", "99"))
	require.Equal(t, first, again)
	require.Len(t, c.sim.Books().Invoices, 1)
	c.post("/invoice?requestid=cp-2", invoiceBody(cust, item, "CP-1", "25"))
	require.Len(t, c.sim.Books().Invoices, 2)
}

func TestTokensRotateAndEnd(t *testing.T) {
	t.Parallel()
	c := setup(t, quickbookssim.Config{NoLimits: true})
	status, body := c.refresh("AB11-sandbox")
	require.Equal(t, 200, status)
	require.Equal(t, "AB11-sandbox", body["refresh_token"]) // young: kept
	c.clock.add(25 * time.Hour)
	status, out := c.call("GET", "/companyinfo/9130350000000001", "")
	require.Equal(t, 401, status)
	require.Equal(t, "3200", faultCode(out))
	_, body = c.refresh("AB11-sandbox")
	next := body["refresh_token"].(string)
	require.NotEqual(t, "AB11-sandbox", next)
	status, body = c.refresh("AB11-sandbox")
	require.Equal(t, 400, status)
	require.Equal(t, "invalid_grant", body["error"])
	c.clock.add(102 * 24 * time.Hour)
	status, _ = c.refresh(next)
	require.Equal(t, 400, status)
}

func TestConsentByCode(t *testing.T) {
	t.Parallel()
	c := setup(t, quickbookssim.Config{NoLimits: true})
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	q := url.Values{"client_id": {"sandbox-client"}, "response_type": {"code"}, "scope": {"com.intuit.quickbooks.accounting"},
		"redirect_uri": {"https://copay.example/callback"}, "state": {"s1"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+"/connect/oauth2?"+q.Encode(), nil)
	require.NoError(t, err)
	res, err := client.Do(req)
	require.NoError(t, err)
	res.Body.Close()
	back, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	require.Equal(t, "s1", back.Query().Get("state"))
	require.Equal(t, "9130350000000001", back.Query().Get("realmId"))
	form := url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {"https://copay.example/callback"}}
	for _, want := range []int{200, 400} { // a code is good once
		req, err = http.NewRequestWithContext(t.Context(), http.MethodPost, c.url+"/oauth2/v1/tokens/bearer", strings.NewReader(form.Encode()))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth("sandbox-client", "sandbox-secret")
		status, _ := c.do(req)
		require.Equal(t, want, status)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	c := setup(t, quickbookssim.Config{})
	for i := range 10 {
		status, _ := c.query("select * from Item")
		require.Equal(t, 200, status, "call %d", i)
	}
	status, out := c.query("select * from Item")
	require.Equal(t, 429, status)
	require.Contains(t, out, "fault") // lower case, as the gateway writes it
	require.Equal(t, "3001", faultCode(out))
	for range 49 {
		c.clock.add(time.Second)
		for range 10 {
			status, _ = c.query("select * from Item")
			require.Equal(t, 200, status)
		}
	}
	c.clock.add(time.Second)
	status, _ = c.query("select * from Item")
	require.Equal(t, 429, status, "501st call of the minute")
}

func TestXMLForThoseWhoDoNotAskForJSON(t *testing.T) {
	t.Parallel()
	c := setup(t, quickbookssim.Config{NoLimits: true})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+root+"/invoice/1", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+c.access)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Contains(t, res.Header.Get("Content-Type"), "xml")
	require.Contains(t, string(b), "<Fault type=")
}

func TestOtherCompanyIsClosed(t *testing.T) {
	t.Parallel()
	c := setup(t, quickbookssim.Config{RealmID: "42"})
	status, out := c.call("GET", "/companyinfo/9130350000000001", "")
	require.Equal(t, 403, status)
	require.Equal(t, "3100", faultCode(out))
}
