package quickbookssim_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	quickbookssim "github.com/copayflow/copayflow/sandbox/quickbooks"
)

func TestQueryLanguage(t *testing.T) {
	t.Parallel()
	c := setup(t, quickbookssim.Config{NoLimits: true})
	cust, item := c.patient()
	other := c.post("/customer", `{"DisplayName":"O'Brien"}`)["Id"].(string)
	var ids []string
	for i := range 5 {
		who := cust
		if i == 4 {
			who = other
		}
		ids = append(ids, c.post("/invoice", invoiceBody(who, item, fmt.Sprintf("CP-%d", i), fmt.Sprintf("%d.50", i+1)))["Id"].(string))
		c.clock.add(time.Minute)
	}
	c.post("/payment", paymentBody(cust, ids[0], "1.50", "1.50"))
	for q, want := range map[string][]string{
		"select * from Invoice":                                                                          ids,
		"SELECT * FROM invoice WHERE DocNumber = 'CP-2'":                                                 ids[2:3],
		"select * from Invoice where Balance > '0' and TotalAmt <= 3.50":                                 ids[1:3],
		"select * from Invoice where DocNumber in ('CP-1', 'CP-3')":                                      {ids[1], ids[3]},
		"select * from Invoice where DocNumber like 'cp-%' orderby Id desc":                              {ids[4], ids[3], ids[2], ids[1], ids[0]},
		"select * from Invoice orderby TotalAmt startposition 2 maxresults 2":                            ids[1:3],
		"select * from Invoice where CustomerRef = '" + other + "'":                                      ids[4:],
		"select Id, DocNumber from Invoice where DocNumber = 'CP-0'":                                     ids[:1],
		"select * from Invoice where MetaData.LastUpdatedTime > '2026-01-05T10:04:00-08:00' order by Id": {ids[0]}, // touched by the payment
		"select * from Invoice where DocNumber = 'none'":                                                 nil,
	} {
		require.Equal(t, want, c.rows("Invoice", q), q)
	}
	require.Equal(t, []string{other}, c.rows("Customer", `select * from Customer where DisplayName = 'O\'Brien'`))
	require.Empty(t, c.rows("Customer", "select * from Customer where Active = false"))
	require.NoError(t, c.sim.DeactivateCustomer("O'Brien"))
	require.Equal(t, []string{cust}, c.rows("Customer", "select * from Customer"))
	require.Equal(t, []string{cust, other}, c.rows("Customer", "select * from Customer where Active in (true, false)"))

	_, out := c.query("select count(*) from Invoice")
	require.Equal(t, json.Number("5"), out["QueryResponse"].(map[string]any)["totalCount"])
	_, out = c.query("select * from Invoice where DocNumber = 'none'")
	require.Empty(t, out["QueryResponse"]) // the key is absent, not an empty list
	_, out = c.query("select DocNumber from Invoice where DocNumber = 'CP-1'")
	require.NotContains(t, out["QueryResponse"].(map[string]any)["Invoice"].([]any)[0], "Balance")
}

func TestQueryRefusals(t *testing.T) {
	t.Parallel()
	c := setup(t, quickbookssim.Config{NoLimits: true})
	for q, code := range map[string]string{
		"":                    "4000",
		"select from Invoice": "4000",
		"select * from Invoice where DocNumber = CP":    "4000",
		"select * from Invoice where DocNumber = 'x":    "4000",
		"select * from Invoice where a = 'x' or b='y'":  "4000",
		"select * from Invoice maxresults 1001":         "4000",
		"select * from Invoice startposition 0":         "4000",
		"select * from Invoice where PrivateNote = 'x'": "4001",
		"select * from Payment where UnappliedAmt > 0":  "4001",
		"select * from Invoice where Balance = 'x'":     "4001",
		"select * from Invoice orderby Line":            "4001",
		"select * from Attachable":                      "4001",
	} {
		c.refused("GET", "/query?query="+url.QueryEscape(q), "", code)
	}
}

func TestChangeDataCapture(t *testing.T) {
	t.Parallel()
	c := setup(t, quickbookssim.Config{NoLimits: true})
	cust, item := c.patient()
	old := c.post("/invoice", invoiceBody(cust, item, "CP-0", "5"))["Id"].(string)
	c.clock.add(30 * time.Minute)
	since := url.QueryEscape(c.clock.now().Format(time.RFC3339))
	inv := c.post("/invoice", invoiceBody(cust, item, "CP-1", "25"))["Id"].(string)
	require.NoError(t, c.sim.DeleteInvoice(old))
	c.post("/payment", paymentBody(cust, inv, "25", "25"))

	_, out := c.call("GET", "/cdc?entities=Invoice,Payment,RefundReceipt&changedSince="+since, "")
	answers := out["CDCResponse"].([]any)[0].(map[string]any)["QueryResponse"].([]any)
	require.Len(t, answers, 3)
	invoices := answers[0].(map[string]any)["Invoice"].([]any)
	require.Len(t, invoices, 2)
	deleted := 0
	for _, x := range invoices {
		if m := x.(map[string]any); m["status"] == "Deleted" {
			deleted++
			require.Equal(t, old, m["Id"])
			require.NotContains(t, m, "DocNumber")
		}
	}
	require.Equal(t, 1, deleted)
	require.Len(t, answers[1].(map[string]any)["Payment"], 1)
	require.Empty(t, answers[2])

	c.refused("GET", "/cdc?entities=TaxCode&changedSince="+since, "", "2010")
	c.refused("GET", "/cdc?entities=Invoice&changedSince="+url.QueryEscape(c.clock.now().Add(-31*24*time.Hour).Format(time.RFC3339)), "", "2010")
}
