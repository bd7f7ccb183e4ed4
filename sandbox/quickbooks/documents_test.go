package quickbookssim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	quickbookssim "github.com/copayflow/copayflow/sandbox/quickbooks"
)

// object reads one object as it is now.
func (c *caller) object(entity, id string) map[string]any {
	c.t.Helper()
	status, out := c.call(http.MethodGet, "/"+entity+"/"+id, "")
	require.Equal(c.t, 200, status, "%v", out)
	for name, v := range out {
		if strings.EqualFold(name, entity) {
			return v.(map[string]any)
		}
	}
	c.t.Fatal("the answer holds no " + entity)
	return nil
}

// version is an object's id and SyncToken, as an update names them.
func (c *caller) version(entity, id string) string {
	c.t.Helper()
	return fmt.Sprintf(`{"Id":%q,"SyncToken":%q,`, id, c.object(entity, id)["SyncToken"])
}

// booked makes a customer, an item, an invoice over $25 and its payment.
func (c *caller) booked() (customer, item, invoice, payment string) {
	c.t.Helper()
	customer, item = c.patient()
	invoice = c.post("/invoice", invoiceBody(customer, item, "CP-1", "25"))["Id"].(string)
	payment = c.post("/payment", paymentBody(customer, invoice, "25", "25"))["Id"].(string)
	return customer, item, invoice, payment
}

func quietly(t *testing.T) *caller {
	t.Helper()
	return setup(t, quickbookssim.Config{NoLimits: true})
}

// Whatever is refused leaves the books as they were.
func TestWritesThatAreRefused(t *testing.T) {
	t.Parallel()
	c := quietly(t)
	cust, item, inv, pay := c.booked()
	other := c.post("/customer", `{"DisplayName":"P-000124"}`)["Id"].(string)
	asleep := c.post("/customer", `{"DisplayName":"P-000125"}`)["Id"].(string)
	c.post("/customer", c.version("customer", asleep)+`"sparse":true,"Active":false}`)
	gone := c.post("/invoice", invoiceBody(cust, item, "CP-2", "10"))["Id"].(string)
	c.post("/invoice?operation=void", c.version("invoice", gone)+`"sparse":true}`)
	before := c.sim.Books()
	i, p, g := c.version("invoice", inv), c.version("payment", pay), c.version("invoice", gone)
	with := func(body, more string) string { return strings.Replace(body, "{", "{"+more+",", 1) }
	sale, money := invoiceBody(cust, item, "CP-9", "25"), `{"CustomerRef":{"value":"`+cust+`"},"TotalAmt":25`
	for name, x := range map[string]struct{ path, body, code string }{
		"no JSON":                          {"/invoice", `{`, "2010"},
		"a list":                           {"/invoice", `[]`, "2010"},
		"line of another kind":             {"/invoice", strings.Replace(sale, "SalesItemLineDetail\",", "DiscountLineDetail\",", 1), "2170"},
		"line without item":                {"/invoice", `{"CustomerRef":{"value":"` + cust + `"},"Line":[{"Amount":1,"DetailType":"SalesItemLineDetail"}]}`, "2020"},
		"only a subtotal":                  {"/invoice", `{"CustomerRef":{"value":"` + cust + `"},"Line":[{"Amount":1,"DetailType":"SubTotalLineDetail"}]}`, "2020"},
		"negative invoice":                 {"/invoice", invoiceBody(cust, item, "CP-9", "-1"), "6000"},
		"tax code of another country":      {"/invoice", strings.Replace(sale, `"ItemRef"`, `"TaxCodeRef":{"value":"20"},"ItemRef"`, 1), "6100"},
		"another currency":                 {"/invoice", with(sale, `"CurrencyRef":{"value":"CAD"}`), "6000"},
		"US date":                          {"/invoice", with(sale, `"TxnDate":"01/05/2026"`), "2010"},
		"a day there is not":               {"/invoice", with(sale, `"DueDate":"2026-02-30"`), "2010"},
		"long note":                        {"/invoice", with(sale, `"PrivateNote":"`+strings.Repeat("x", 4001)+`"`), "2050"},
		"inactive customer":                {"/invoice", invoiceBody(asleep, item, "CP-9", "25"), "2500"},
		"no customer":                      {"/invoice", `{"Line":[]}`, "2020"},
		"deposit account of an invoice":    {"/invoice", with(sale, `"DepositToAccountRef":{"value":"35"}`), "2010"},
		"update without version":           {"/invoice", `{"Id":"` + inv + `","sparse":true}`, "2020"},
		"update of nobody's":               {"/invoice", `{"Id":"999","SyncToken":"0","sparse":true}`, "610"},
		"update of an old version":         {"/invoice", `{"Id":"` + inv + `","SyncToken":"0","sparse":true,"PrivateNote":"x"}`, "5010"},
		"update of a voided one":           {"/invoice", g + `"sparse":true,"PrivateNote":"x"}`, "6000"},
		"less than was paid":               {"/invoice", i + `"sparse":true,"Line":[{"Amount":5,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{"ItemRef":{"value":"` + item + `"}}}]}`, "6000"},
		"customer of a paid one":           {"/invoice", i + `"sparse":true,"CustomerRef":{"value":"` + other + `"}}`, "6000"},
		"bad due date in an update":        {"/invoice", i + `"sparse":true,"DueDate":"soon"}`, "2010"},
		"delete of a paid one":             {"/invoice?operation=delete", i + `"sparse":true}`, "6000"},
		"void without version":             {"/invoice?operation=void", `{"Id":"` + inv + `"}`, "2020"},
		"void without id":                  {"/invoice?operation=void", `{"SyncToken":"0"}`, "2020"},
		"void with another word":           {"/payment?operation=void", p + `"sparse":true}`, "500"},
		"void that is not sparse":          {"/payment?operation=update&include=void", p + `"PrivateNote":"x"}`, "2020"},
		"void of an old version":           {"/payment?operation=update&include=void", `{"Id":"` + pay + `","SyncToken":"9","sparse":true}`, "5010"},
		"payment without customer":         {"/payment", `{"TotalAmt":25}`, "2020"},
		"payment of a stranger":            {"/payment", paymentBody(other, inv, "1", "1"), "6000"},
		"payment of nothing":               {"/payment", strings.Replace(money, "25", "0", 1) + `}`, "6000"},
		"negative payment":                 {"/payment", `{"CustomerRef":{"value":"` + cust + `"},"TotalAmt":-1}`, "6000"},
		"payment on a voided invoice":      {"/payment", paymentBody(cust, gone, "10", "10"), "6000"},
		"line that pays nothing":           {"/payment", money + `,"Line":[{"Amount":0,"LinkedTxn":[{"TxnId":"` + inv + `","TxnType":"Invoice"}]}]}`, "6000"},
		"line that links nothing":          {"/payment", money + `,"Line":[{"Amount":5}]}`, "2020"},
		"line that pays a bill":            {"/payment", money + `,"Line":[{"Amount":5,"LinkedTxn":[{"TxnId":"1","TxnType":"Bill"}]}]}`, "2170"},
		"long reference number":            {"/payment", money + `,"PaymentRefNum":"` + strings.Repeat("x", 22) + `"}`, "2050"},
		"payment method there is not":      {"/payment", money + `,"PaymentMethodRef":{"value":"99"}}`, "2500"},
		"deposit to income":                {"/payment", money + `,"DepositToAccountRef":{"value":"1"}}`, "2500"},
		"a charge through QuickBooks":      {"/payment", money + `,"ProcessPayment":true}`, "6000"},
		"payment on a day there is not":    {"/payment", money + `,"TxnDate":"2026-13-01"}`, "2010"},
		"payment with a document number":   {"/payment", money + `,"DocNumber":"CP-1"}`, "2010"},
		"refund with a due date":           {"/refundreceipt", with(sale, `"DepositToAccountRef":{"value":"35"},"DueDate":"2026-01-06"`), "2010"},
		"refund with a long reference":     {"/refundreceipt", with(sale, `"DepositToAccountRef":{"value":"35"},"PaymentRefNum":"`+strings.Repeat("x", 22)+`"`), "2050"},
		"refund of an old version":         {"/refundreceipt", `{"Id":"999","SyncToken":"0","sparse":true}`, "610"},
		"delete of a refund there is not":  {"/refundreceipt?operation=delete", `{"Id":"999","SyncToken":"0"}`, "610"},
		"change of a credit memo":          {"/creditmemo", `{"Id":"1","SyncToken":"0"}`, "500"},
		"an account":                       {"/account", `{"Name":"x"}`, "500"},
		"an entity there is not":           {"/bill", `{}`, "500"},
		"item without a name":              {"/item", `{"IncomeAccountRef":{"value":"1"}}`, "2020"},
		"item of another type":             {"/item", `{"Name":"x","Type":"Inventory","IncomeAccountRef":{"value":"1"}}`, "2170"},
		"item that earns into the bank":    {"/item", `{"Name":"x","IncomeAccountRef":{"value":"35"}}`, "2500"},
		"long item name":                   {"/item", `{"Name":"` + strings.Repeat("x", 101) + `","IncomeAccountRef":{"value":"1"}}`, "2050"},
		"item of an old version":           {"/item", `{"Id":"` + item + `","SyncToken":"9","sparse":true}`, "5010"},
		"long display name":                {"/customer", `{"DisplayName":"` + strings.Repeat("x", 501) + `"}`, "2050"},
		"blank display name":               {"/customer", `{"DisplayName":" "}`, "2010"},
		"name of an active one, in update": {"/customer", c.version("customer", other) + `"sparse":true,"DisplayName":"P-000123"}`, "6240"},
	} {
		t.Run(name, func(t *testing.T) {
			cc := *c
			cc.t = t
			cc.refused(http.MethodPost, x.path, x.body, x.code)
		})
	}
	require.Equal(t, before, c.sim.Books())
	require.Equal(t, map[string]bool{"P-000123": true, "P-000124": true, "P-000125 (deleted)": false}, c.sim.Customers())
}

// A full update clears what it leaves out; a sparse one keeps it.
func TestSparseAndFullUpdates(t *testing.T) {
	t.Parallel()
	c := quietly(t)
	cust, item, inv, pay := c.booked()
	c.post("/invoice", c.version("invoice", inv)+`"sparse":true,"PrivateNote":"n","DueDate":"2026-02-04"}`)
	full := strings.Replace(invoiceBody(cust, item, "CP-1", "30"), "{", c.version("invoice", inv), 1)
	x := c.post("/invoice", full)
	require.Equal(t, json.Number("30.00"), x["TotalAmt"])
	require.Equal(t, json.Number("5.00"), x["Balance"], "what was paid stays paid")
	require.NotContains(t, x, "DueDate")
	require.NotContains(t, x, "PrivateNote")

	c.post("/payment", c.version("payment", pay)+`"sparse":true,"PaymentRefNum":"r1","PaymentMethodRef":{"value":"1"},"DepositToAccountRef":{"value":"35"}}`)
	p := c.post("/payment", c.version("payment", pay)+`"CustomerRef":{"value":"`+cust+`"},"TotalAmt":25}`)
	require.NotContains(t, p, "PaymentRefNum")
	require.NotContains(t, p, "PaymentMethodRef")
	require.Equal(t, "4", p["DepositToAccountRef"].(map[string]any)["value"], "Undeposited Funds")
	require.Equal(t, json.Number("25.00"), p["UnappliedAmt"], "without lines it is credit")
	require.Equal(t, int64(3000), c.sim.Books().Invoices[0].Balance)
	c.refused(http.MethodPost, "/payment", c.version("payment", pay)+`"sparse":true,"TotalAmt":0,"Line":[]}`, "6000")
}

func TestVoidAndDelete(t *testing.T) {
	t.Parallel()
	c := quietly(t)
	_, _, inv, pay := c.booked()
	void := func() map[string]any {
		return c.post("/payment?operation=update&include=void", c.version("payment", pay)+`"sparse":true}`)
	}
	first := void()
	require.Equal(t, first, void(), "a second void changes nothing")
	require.Empty(t, first["Line"])
	c.refused(http.MethodPost, "/payment", c.version("payment", pay)+`"sparse":true,"TotalAmt":5}`, "6000")
	require.Equal(t, json.Number("25.00"), c.object("invoice", inv)["Balance"])
	dead := c.post("/payment?operation=delete", c.version("payment", pay)+`"sparse":true}`)
	require.Equal(t, map[string]any{"Id": pay, "domain": "QBO", "status": "Deleted"}, dead)
	c.refused(http.MethodGet, "/payment/"+pay, "", "610")
	c.refused(http.MethodPost, "/payment?operation=delete", `{"Id":"`+pay+`","SyncToken":"2"}`, "610")

	again := c.post("/payment", paymentBody(c.object("customer", "100")["Id"].(string), inv, "25", "25"))["Id"].(string)
	c.post("/payment?operation=delete", c.version("payment", again)+`"sparse":true}`)
	require.Equal(t, json.Number("25.00"), c.object("invoice", inv)["Balance"], "deleting gives the money back, too")
	closed := c.post("/invoice?operation=void", c.version("invoice", inv)+`"sparse":true}`)
	require.Equal(t, closed, c.post("/invoice?operation=void", c.version("invoice", inv)+`"sparse":true}`))
	line := closed["Line"].([]any)[0].(map[string]any)
	require.Equal(t, json.Number("0.00"), line["Amount"])
	require.Equal(t, json.Number("0.00"), line["SalesItemLineDetail"].(map[string]any)["Qty"])
	require.Zero(t, c.sim.Books().Net())
	require.Equal(t, json.Number("0.00"), c.object("customer", "100")["Balance"])
}

func TestRefundReceipts(t *testing.T) {
	t.Parallel()
	c := quietly(t)
	cust, item, _, _ := c.booked()
	body := strings.Replace(invoiceBody(cust, item, "R-1", "10"), "{", `{"DepositToAccountRef":{"value":"35"},"PaymentMethodRef":{"value":"1"},"PaymentRefNum":"r1",`, 1)
	r := c.post("/refundreceipt", body)
	id := r["Id"].(string)
	require.Equal(t, json.Number("10.00"), r["TotalAmt"])
	require.Equal(t, int64(1500), c.sim.Books().Net())
	r = c.post("/refundreceipt", c.version("refundreceipt", id)+`"sparse":true,"PrivateNote":"n"}`)
	require.Equal(t, "1", r["SyncToken"])
	require.Equal(t, "r1", r["PaymentRefNum"], "a sparse update keeps it")
	require.Equal(t, "35", r["DepositToAccountRef"].(map[string]any)["value"])
	c.refused(http.MethodPost, "/refundreceipt?operation=void", c.version("refundreceipt", id)+`"sparse":true}`, "500")
	c.post("/refundreceipt?operation=delete", c.version("refundreceipt", id)+`"sparse":true}`)
	c.refused(http.MethodGet, "/refundreceipt/"+id, "", "610")
	require.Equal(t, int64(2500), c.sim.Books().Net())
}

func TestListEntries(t *testing.T) {
	t.Parallel()
	c := quietly(t)
	_, item := c.patient()
	x := c.post("/item", c.version("item", item)+`"sparse":true,"UnitPrice":25,"Description":"d"}`)
	require.Equal(t, json.Number("25.00"), x["UnitPrice"])
	require.Equal(t, "Services", x["IncomeAccountRef"].(map[string]any)["name"])
	c.post("/item", c.version("item", item)+`"sparse":true,"Active":false}`)
	require.Empty(t, c.sim.ItemID("Patient co-pay"), "an inactive one gives its name free")
	require.Empty(t, c.rows("Item", "select * from Item"), "and is only listed when asked for")
	require.Equal(t, []string{item}, c.rows("Item", "select * from Item where Active = false"))
	next := c.post("/item", `{"Name":"Patient co-pay","IncomeAccountRef":{"value":"79"}}`)
	require.Equal(t, "Service", next["Type"])
	require.Equal(t, next["Id"], c.sim.ItemID("Patient co-pay"))

	cust := c.post("/customer", `{"DisplayName":"P-7","GivenName":"x","Notes":"y"}`)["Id"].(string)
	y := c.post("/customer", c.version("customer", cust)+`"DisplayName":"P-8"}`)
	require.NotContains(t, y, "GivenName", "a full update clears it")
	require.Equal(t, "P-8", y["FullyQualifiedName"])
}
