package quickbookssim

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// table keeps one sort of object in the order of their making.
type table struct {
	list []object
	byID map[string]object
}

// get finds a live object.
func (t *table) get(id string) object {
	x, ok := t.byID[id]
	if !ok || x.head().deleted {
		return nil
	}
	return x
}

// books are a company's records. Transactions share one sequence of ids.
type books struct {
	tables  map[string]*table
	txns    sim.Counter
	numbers sim.Counter // for documents that come without a number
	others  []string    // display names of vendors and employees
	company *CompanyInfo
}

func (b *books) table(name string) *table {
	t, ok := b.tables[name]
	if !ok {
		t = &table{byID: map[string]object{}}
		b.tables[name] = t
	}
	return t
}

// find gets a live object of a type.
func find[T object](s *Server, name, id string) (T, bool) {
	x, ok := s.table(name).get(id).(T)
	return x, ok
}

// each walks the live objects of a type.
func each[T object](s *Server, name string, f func(T)) {
	for _, x := range s.table(name).list {
		if t, ok := x.(T); ok && !x.head().deleted {
			f(t)
		}
	}
}

// insert gives a new object its id, version and times.
func (s *Server) insert(name string, x object) {
	t := s.table(name)
	h := x.head()
	if h.ID == "" {
		switch name {
		case "Invoice", "Payment", "RefundReceipt", "CreditMemo", "Deposit":
			h.ID = strconv.FormatInt(144+s.txns.Next(), 10)
		default:
			h.ID = strconv.Itoa(100 + len(t.list))
		}
	}
	now := s.now()
	h.SyncToken, h.Domain, h.MetaData = "0", "QBO", MetaData{Time{now}, Time{now}}
	t.list = append(t.list, x)
	t.byID[h.ID] = x
}

// seed makes what a new US company has.
func (s *Server) seed() {
	s.tables = map[string]*table{}
	s.company = &CompanyInfo{CompanyName: s.c.CompanyName, LegalName: s.c.CompanyName, Country: "US"}
	s.company.ID, s.company.SyncToken, s.company.Domain = "1", "0", "QBO"
	s.company.MetaData = MetaData{Time{s.now()}, Time{s.now()}}
	account := func(id, name, kind, sub, class string) {
		s.insert("Account", &Account{Head: Head{ID: id}, Name: name, FullyQualifiedName: name, AccountType: kind, AccountSubType: sub, Classification: class, Active: true})
	}
	account("1", "Services", "Income", "ServiceFeeIncome", "Revenue")
	account("4", "Undeposited Funds", "Other Current Asset", "UndepositedFunds", "Asset")
	account("35", "Checking", "Bank", "Checking", "Asset")
	account("79", "Sales of Product Income", "Income", "SalesOfProductIncome", "Revenue")
	account("84", "Accounts Receivable (A/R)", "Accounts Receivable", "AccountsReceivable", "Asset")
	for i, m := range []string{"Cash", "Check", "Visa", "MasterCard", "Discover", "American Express", "Diners Club", "Credit Card"} {
		kind := "CREDIT_CARD"
		if i < 2 {
			kind = "NON_CREDIT_CARD"
		}
		s.insert("PaymentMethod", &PaymentMethod{Head: Head{ID: strconv.Itoa(i + 1)}, Name: m, Type: kind, Active: true})
	}
}

// change is one effect of a write, for the webhooks.
type change struct {
	entity, id, op string
	at             time.Time
}

func (s *Server) changed(entity string, x object, op string) change {
	return change{entity: entity, id: x.head().ID, op: op, at: s.now()}
}

// common is what each writable body may hold. Read-only properties that a
// full update sends back are accepted and ignored, as the API does.
type common struct {
	ID        string          `json:"Id"`
	SyncToken string          `json:"SyncToken"`
	Sparse    bool            `json:"sparse"`
	Domain    string          `json:"domain"`
	MetaData  json.RawMessage `json:"MetaData"`
}

// current finds the object a body means and checks its version.
func current[T object](s *Server, name string, c common) (T, *fault) {
	var none T
	if c.ID == "" {
		return none, missing("Id")
	}
	x, ok := find[T](s, name, c.ID)
	if !ok {
		return none, notFound()
	}
	if c.SyncToken == "" {
		return none, missing("SyncToken")
	}
	if c.SyncToken != x.head().SyncToken {
		return none, stale()
	}
	return x, nil
}

func (s *Server) write(name string, c call) (any, []change, *fault) {
	var verb func(call) (any, []change, *fault)
	switch name + "/" + c.op + "/" + c.include {
	case "Invoice//":
		verb = s.saveInvoice
	case "Invoice/void/":
		verb = s.voidInvoice
	case "Invoice/delete/":
		verb = s.deleteInvoice
	case "Payment//", "Payment/update/":
		verb = s.savePayment
	case "Payment/update/void":
		verb = s.voidPayment
	case "Payment/delete/":
		verb = s.deletePayment
	case "RefundReceipt//":
		verb = s.saveRefund
	case "RefundReceipt/delete/":
		verb = s.deleteRefund
	case "CreditMemo//":
		verb = s.saveCredit
	case "Customer//":
		verb = s.saveCustomer
	case "Item//":
		verb = s.saveItem
	case "Invoice//allowduplicatedocnum":
		return s.saveInvoiceNumbered(c, true)
	default:
		return nil, nil, refuse("500", "Unsupported Operation", "Operation "+c.op+" is not supported.")
	}
	return verb(c)
}

// deletion is the answer to a delete.
func deletion(id string) any {
	return map[string]string{"Id": id, "domain": "QBO", "status": "Deleted"}
}

var datePattern = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// date checks a day; none means today.
func (s *Server) date(v *string, element string) (string, *fault) {
	if v == nil || *v == "" {
		return s.now().Format(time.DateOnly), nil
	}
	if _, err := time.Parse(time.DateOnly, *v); err != nil || !datePattern.MatchString(*v) {
		return "", refuse("2010", "Request has invalid or unsupported property", "Invalid date: "+element)
	}
	return *v, nil
}

// maxText are the lengths the schema sets.
const (
	maxDocNumber = 21
	maxNote      = 4000
)

func checkText(v *string, element string, most int) *fault {
	if v != nil && len(*v) > most {
		return tooLong(element, most)
	}
	return nil
}

// set applies a property of an update: a full update clears what is left out.
func set[T any](to *T, v *T, sparse bool) {
	switch {
	case v != nil:
		*to = *v
	case !sparse:
		var none T
		*to = none
	}
}

func link(list []LinkedTxn, id, kind string) []LinkedTxn {
	return append(list, LinkedTxn{TxnId: id, TxnType: kind})
}

func unlink(list []LinkedTxn, id, kind string) []LinkedTxn {
	return slices.DeleteFunc(list, func(l LinkedTxn) bool { return l.TxnId == id && l.TxnType == kind })
}

// markVoided puts the word before the note, as QuickBooks does.
func markVoided(note string) string {
	return strings.TrimSuffix("Voided - "+note, " - ")
}

func usd() *Ref { return &Ref{Value: "USD", Name: "United States Dollar"} }

// byUpdate orders objects by their last change.
func byUpdate(a, b object) int {
	return cmp.Compare(a.head().MetaData.LastUpdatedTime.UnixNano(), b.head().MetaData.LastUpdatedTime.UnixNano())
}
