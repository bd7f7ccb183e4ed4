package quickbooks_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/internal/spectest"
)

// specs finds the folder of official specifications, or skips the test.
func specs(t *testing.T) string {
	t.Helper()
	if dir := spectest.Path("quickbooks"); dir != "" {
		return dir
	}
	t.Skip("the specifications are not here: set COPAYFLOW_SPECS to check against them")
	return ""
}

// node is any element of a schema file.
type node struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []node     `xml:",any"`
}

func (n node) attr(name string) string {
	for _, a := range n.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

type field struct {
	kind string
	many bool
}

type complexType struct {
	base   string
	fields map[string]field
}

// schema is what the entity schema says of names and types.
type schema struct {
	types map[string]complexType
	enums map[string][]string
}

func loadSchema(t *testing.T) schema {
	t.Helper()
	dir := specs(t)
	s := schema{types: map[string]complexType{}, enums: map[string][]string{}}
	for _, name := range []string{"Finance.xsd", "IntuitBaseTypes.xsd", "IntuitNamesTypes.xsd"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		var root node
		require.NoError(t, xml.Unmarshal(b, &root))
		for _, n := range root.Children {
			switch n.XMLName.Local {
			case "complexType":
				c := complexType{fields: map[string]field{}}
				c.read(n)
				s.types[n.attr("name")] = c
			case "simpleType":
				s.enums[n.attr("name")] = values(n)
			}
		}
	}
	require.Greater(t, len(s.types), 100)
	return s
}

// read collects elements and attributes, down through sequences and extensions.
func (c *complexType) read(n node) {
	for _, x := range n.Children {
		switch x.XMLName.Local {
		case "element":
			name := x.attr("name") + x.attr("ref")
			c.fields[name] = field{kind: x.attr("type") + x.attr("ref"), many: x.attr("maxOccurs") == "unbounded"}
			continue
		case "attribute":
			c.fields[x.attr("name")] = field{kind: x.attr("type")}
		case "extension":
			c.base = x.attr("base")
		case "annotation":
			continue
		}
		c.read(x)
	}
}

func values(n node) []string {
	var out []string
	for _, x := range n.Children {
		if x.XMLName.Local == "enumeration" {
			out = append(out, x.attr("value"))
		}
		out = append(out, values(x)...)
	}
	return out
}

// field looks a name up in a type and its bases.
func (s schema) field(kind, name string) (field, bool) {
	for kind != "" {
		c, ok := s.types[kind]
		if !ok {
			return field{}, false
		}
		if f, ok := c.fields[name]; ok {
			return f, true
		}
		kind = c.base
	}
	return field{}, false
}

var day = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// check returns what is wrong with a JSON value of a schema type.
func (s schema) check(at, kind string, v any) []string {
	wrong := func(ok bool, why string) []string {
		if ok {
			return nil
		}
		return []string{fmt.Sprintf("%s: %v is not %s", at, v, why)}
	}
	text, isText := v.(string)
	switch kind {
	case "xs:decimal", "xs:positiveInteger", "xs:int":
		_, ok := v.(json.Number)
		return wrong(ok, "a number")
	case "xs:boolean":
		_, ok := v.(bool)
		return wrong(ok, "a boolean")
	case "xs:date":
		return wrong(isText && day.MatchString(text), "a date")
	case "xs:dateTime":
		_, err := time.Parse(time.RFC3339, text)
		return wrong(isText && err == nil, "a time")
	case "xs:string", "id":
		return wrong(isText, "text")
	}
	if allowed, ok := s.enums[kind]; ok {
		return wrong(isText && slices.Contains(allowed, text), "one of "+kind)
	}
	return s.checkObject(at, kind, v)
}

func (s schema) checkObject(at, kind string, v any) []string {
	m, ok := v.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s: not an object of type %s", at, kind)}
	}
	if kind == "ReferenceType" { // its text content is "value" in JSON
		m = map[string]any{"name": m["name"]}
		if m["name"] == nil {
			return nil
		}
	}
	var out []string
	for name, x := range m {
		f, ok := s.field(kind, name)
		where := at + "." + name
		switch list, isList := x.([]any); {
		case !ok:
			out = append(out, where+": no such element of "+kind)
		case isList != f.many && isList:
			out = append(out, where+": is not a list")
		case isList:
			for _, y := range list {
				out = append(out, s.check(where, f.kind, y)...)
			}
		case f.many:
			out = append(out, where+": is a list")
		default:
			out = append(out, s.check(where, f.kind, x)...)
		}
	}
	return out
}

// everything runs all verbs once, so that every shape crosses the wire.
func everything(f *fixture) {
	t := f.t
	invoice, payment := f.paid(2500)
	_, err := f.Reverse(t.Context(), reverseReq(1, payment, invoice, 500, false))
	require.NoError(t, err)
	inv, err := f.Invoice(t.Context(), invoiceReq(2, 1234))
	require.NoError(t, err)
	pay, err := f.Receive(t.Context(), receiptReq(2, inv.ID, 1234))
	require.NoError(t, err)
	_, err = f.Reverse(t.Context(), reverseReq(2, pay.ID, inv.ID, 1234, true))
	require.NoError(t, err)
	_, err = f.VoidInvoice(t.Context(), voidReq(3, inv.ID, 2, 1234))
	require.NoError(t, err)
	_, err = f.TestConnection(t.Context())
	require.NoError(t, err)
	for cursor, first := "", true; first || cursor != ""; first = false {
		p, err := f.Docs(t.Context(), f.now.get().Add(-time.Hour), cursor)
		require.NoError(t, err)
		cursor = p.Next
	}
	require.NoError(t, f.sim.DeletePayment(payment))
	_, _, err = f.PollEvents(t.Context(), "")
	require.NoError(t, err)
}

var entities = map[string]string{"invoice": "Invoice", "payment": "Payment", "refundreceipt": "RefundReceipt", "customer": "Customer",
	"item": "Item", "account": "Account", "paymentmethod": "PaymentMethod", "companyinfo": "CompanyInfo"}

// TestWireAgainstSchema holds every property that is sent, and every one the
// simulator answers with, against the official entity schema.
func TestWireAgainstSchema(t *testing.T) {
	t.Parallel()
	s := loadSchema(t)
	f := setup(t)
	everything(f)
	var sent, answered int
	for _, x := range f.wire.seen {
		if !strings.HasPrefix(x.path, root+"/") {
			continue
		}
		entity, _, _ := strings.Cut(strings.TrimPrefix(x.path, root+"/"), "/")
		if x.method == http.MethodPost {
			sent++
			require.Empty(t, s.check(entity, entities[entity], jsonOf(t, x.request)))
		}
		answered += s.checkAnswer(t, jsonOf(t, x.response))
	}
	require.GreaterOrEqual(t, sent, 9)
	require.GreaterOrEqual(t, answered, 40)
}

// checkAnswer checks each object of an answer and counts them.
func (s schema) checkAnswer(t *testing.T, m map[string]any) int {
	t.Helper()
	n := 0
	for key, v := range m {
		switch x := v.(type) {
		case map[string]any:
			if key == "QueryResponse" {
				n += s.checkAnswer(t, x)
				continue
			}
			require.Empty(t, s.check(key, key, v))
			n++
		case []any:
			for _, y := range x {
				if key == "CDCResponse" || key == "QueryResponse" {
					n += s.checkAnswer(t, y.(map[string]any))
					continue
				}
				require.Empty(t, s.check(key, key, y))
				n++
			}
		}
	}
	return n
}

// The checker itself must be able to fail.
func TestSchemaCheckerFinds(t *testing.T) {
	t.Parallel()
	s := loadSchema(t)
	for body, want := range map[string]string{
		`{"DocNo":"1"}`:                     "no such element",
		`{"TotalAmt":"25"}`:                 "not a number",
		`{"Line":{}}`:                       "is a list",
		`{"DocNumber":[1]}`:                 "is not a list",
		`{"TxnDate":"5 Jan"}`:               "not a date",
		`{"Line":[{"DetailType":"Sales"}]}`: "not one of LineDetailTypeEnum",
		`{"CustomerRef":"21"}`:              "not an object",
	} {
		got := s.check("Invoice", "Invoice", jsonOf(t, []byte(body)))
		require.Len(t, got, 1, body)
		require.Contains(t, got[0], want)
	}
	require.Empty(t, s.check("Invoice", "Invoice", jsonOf(t, []byte(`{"Id":"1","CustomerRef":{"value":"2","name":"x"},"Balance":1.50,"sparse":true}`))))
}

// TestCallsFollowTheRules checks what holds for every call.
func TestCallsFollowTheRules(t *testing.T) {
	t.Parallel()
	f := setup(t)
	everything(f)
	seen := map[string]bool{}
	for _, x := range f.wire.seen {
		if !strings.HasPrefix(x.path, root+"/") {
			continue
		}
		q, err := url.ParseQuery(x.query)
		require.NoError(t, err)
		require.Equal(t, []string{"75"}, q["minorversion"])
		entity := strings.TrimPrefix(x.path, root+"/")
		if x.method != http.MethodPost || entity == "customer" || entity == "item" {
			require.Empty(t, q.Get("requestid"))
			continue
		}
		id := q.Get("requestid")
		require.NotEmpty(t, id)
		require.LessOrEqual(t, len(id), 50)
		require.False(t, seen[id], "each write has its own id")
		seen[id] = true
		require.True(t, strings.HasPrefix(id, string(copayID)), id)
	}
	require.Len(t, seen, 7)
	for _, x := range f.wire.seen {
		if x.path != "/oauth2/v1/tokens/bearer" {
			require.NotContains(t, x.path+x.query+string(x.request), secret)
		}
	}
}
