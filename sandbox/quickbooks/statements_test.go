package quickbookssim_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Properties of every entity that can be searched, with a statement that finds
// the one there is and one that does not.
func TestSearchableProperties(t *testing.T) {
	t.Parallel()
	c := quietly(t)
	cust, item, inv, pay := c.booked()
	c.post("/customer", c.version("customer", cust)+`"sparse":true,"GivenName":"G","FamilyName":"F"}`)
	c.post("/payment", c.version("payment", pay)+`"sparse":true,"PaymentRefNum":"r-1"}`)
	for property, x := range map[string]struct{ entity, id, hit, miss string }{
		"DocNumber": {"Invoice", inv, "= 'CP-1'", "= 'cp-2'"}, "TxnDate": {"Invoice", inv, "<= '2026-01-05'", "> '2026-01-05'"},
		"DueDate": {"Invoice", inv, "in ('2026-01-04','2026-01-05')", "in ('2026-01-04')"}, "Balance": {"Invoice", inv, "= '0.00'", "> '0'"},
		"TotalAmt": {"Invoice", inv, "= 25", "< '25'"}, "CustomerRef": {"Payment", pay, "= '" + cust + "'", "= '1'"}, "PaymentRefNum": {"Payment", pay, "like 'R-%'", "like 'r'"},
		"Id": {"Payment", pay, ">= '1'", "> '" + pay + "'"}, "MetaData.CreateTime": {"Payment", pay, "= '2026-01-05T18:00:00Z'", "< '2026-01-05T10:00:00-08:00'"},
		"MetaData.LastUpdatedTime": {"Invoice", inv, ">= '2026-01-05T10:00:00'", "> '2026-01-06'"},
		"DisplayName":              {"Customer", cust, "like '%000%3'", "like '000%'"}, "GivenName": {"Customer", cust, "= 'G'", "= 'g'"}, "FamilyName": {"Customer", cust, "like '%'", "like 'G%'"},
		"Active": {"Customer", cust, "= true", "= false"}, "Name": {"Item", item, "= 'Patient co-pay'", "= 'Patient'"}, "Type": {"Item", item, "in ('Service')", "in ('NonInventory')"},
	} {
		require.Equal(t, []string{x.id}, c.rows(x.entity, "select * from "+x.entity+" where "+property+" "+x.hit), property)
		require.Empty(t, c.rows(x.entity, "select * from "+x.entity+" where "+property+" "+x.miss), property)
	}
	for statement, want := range map[string]int{
		"select * from Account where AccountType = 'Income'": 2, "select * from Account where AccountSubType = 'Checking' and Active = true": 1,
		"select * from Account where Classification = 'Asset' and Name like '%un%'": 2, "select * from PaymentMethod where Name = 'Cash'": 1, "select * from PaymentMethod where Active = true": 8,
		"select * from Customer where Balance = '0'": 1,
	} {
		_, out := c.query(statement)
		require.EqualValues(t, want, number(t, out["QueryResponse"].(map[string]any)["totalCount"]), statement)
	}
}

func number(t *testing.T, v any) int64 {
	t.Helper()
	n, err := v.(json.Number).Int64()
	require.NoError(t, err)
	return n
}

// Text is quoted, and quotes within it are escaped: nothing in it is language.
func TestQuotedText(t *testing.T) {
	t.Parallel()
	c := quietly(t)
	for _, name := range []string{"O'Brien", `back\slash`, "a' or DisplayName like '%", "50%"} {
		b, err := json.Marshal(map[string]string{"DisplayName": name})
		require.NoError(t, err)
		c.post("/customer", string(b))
	}
	for literal, want := range map[string]int{`'O\'Brien'`: 1, `'back\\slash'`: 1, `'a\' or DisplayName like \'%'`: 1, `'50%'`: 1, `'O'`: 0} {
		require.Len(t, c.rows("Customer", "select * from Customer where DisplayName = "+literal), want, literal)
	}
}

func TestOrderAndPages(t *testing.T) {
	t.Parallel()
	c := quietly(t)
	cust, item := c.patient()
	var ids []string
	for _, x := range [][2]string{{"C", "30"}, {"A", "10"}, {"B", "20"}, {"A", "5"}} {
		ids = append(ids, c.post("/invoice", invoiceBody(cust, item, x[0], x[1]))["Id"].(string))
		c.clock.add(time.Minute)
	}
	for tail, want := range map[string][]string{
		"orderby TotalAmt":                              {ids[3], ids[1], ids[2], ids[0]},
		"order by TotalAmt desc":                        {ids[0], ids[2], ids[1], ids[3]},
		"orderby DocNumber asc, TotalAmt":               {ids[3], ids[1], ids[2], ids[0]},
		"orderby DocNumber desc, Id desc maxresults 2":  {ids[0], ids[2]},
		"orderby MetaData.CreateTime desc maxresults 1": {ids[3]},
		"orderby Id startposition 3 maxresults 10":      {ids[2], ids[3]},
		"orderby Id maxresults 1 startposition 2":       {ids[1]},
		"startposition 5":                               nil,
		"where DocNumber = 'A' and TotalAmt > 5":        {ids[1]},
	} {
		require.Equal(t, want, c.rows("Invoice", "select * from Invoice "+tail), tail)
	}
	_, out := c.query("select Id, MetaData.CreateTime from Invoice orderby Id startposition 2 maxresults 2")
	q := out["QueryResponse"].(map[string]any)
	require.EqualValues(t, []int64{2, 2, 4}, []int64{number(t, q["startPosition"]), number(t, q["maxResults"]), number(t, q["totalCount"])})
	require.NotContains(t, q["Invoice"].([]any)[0], "TotalAmt")
	require.Contains(t, q["Invoice"].([]any)[0], "MetaData")
}

// A statement outside the language is refused, never guessed at.
func TestStatementsThatAreRefused(t *testing.T) {
	t.Parallel()
	c := quietly(t)
	c.booked()
	for statement, code := range map[string]string{
		"delete from Invoice": "4000", "select": "4000", "select * Invoice": "4000", "select *": "4000", "select * from": "4000", "select * from Invoice; drop": "4000",
		"select count(Id) from Invoice": "4000", "select count(* from Invoice": "4000", "select * from Invoice where": "4000", "select * from Invoice where DocNumber": "4000",
		"select * from Invoice where DocNumber != 'x'": "4000", "select * from Invoice where DocNumber in 'x'": "4000", "select * from Invoice where DocNumber in ('x'": "4000",
		"select * from Invoice where DocNumber in ('x' 'y')": "4000", "select * from Invoice where DocNumber in ()": "4000", `select * from Invoice where DocNumber = 'x\`: "4000",
		"select * from Invoice where (DocNumber = 'x')": "4000", "select * from Invoice where not DocNumber = 'x'": "4000", "select * from Invoice order DocNumber": "4000", "select * from Invoice orderby": "4000",
		"select * from Invoice maxresults": "4000", "select * from Invoice maxresults many": "4000", "select * from Invoice maxresults 0": "4000", "select * from Invoice, Payment": "4000",
		"select * from Invoice where DocNumber = \"x\"": "4000", "select * from Invoice limit 5": "4000", "select , from Invoice": "4000",
		"select * from Payment where DocNumber = 'x'": "4001", "select * from Invoice where TotalAmt like '2%'": "4001", "select * from Invoice where Id = 'x'": "4001",
		"select * from Customer where Active = 'maybe'": "4001", "select * from Payment where MetaData.CreateTime > 'today'": "4001", "select * from PaymentMethod where Type = 'x'": "4001",
		"select Colour from Invoice": "4001", "select * from CompanyInfo": "4001", "select * from invoicess": "4001",
	} {
		c.refused(http.MethodGet, "/query?query="+url.QueryEscape(statement), "", code)
	}
	long := "select * from Invoice where DocNumber in ('x'"
	for len(long) < 9000 {
		long += ",'xxxxxxxxxxxxxxxxxxxx'"
	}
	c.refused(http.MethodGet, "/query?query="+url.QueryEscape(long+")"), "", "4000")
}
