package quickbookssim

import (
	"encoding/json"
	"strconv"
	"time"
)

// Ref is a reference to another object.
type Ref struct {
	Value string `json:"value"`
	Name  string `json:"name,omitempty"`
	Type  string `json:"type,omitempty"`
}

func (r *Ref) id() string {
	if r == nil {
		return ""
	}
	return r.Value
}

// Time is a moment in the API's form.
type Time struct{ time.Time }

// MarshalJSON writes seconds and offset.
func (t Time) MarshalJSON() ([]byte, error) { return json.Marshal(t.In(pacific).Format(stamp)) }

// MetaData says when an object was made and changed.
type MetaData struct {
	CreateTime      Time
	LastUpdatedTime Time
}

// Head is what every object has.
type Head struct {
	ID        string `json:"Id"`
	SyncToken string
	Domain    string `json:"domain"`
	Sparse    bool   `json:"sparse"`
	MetaData  MetaData
	deleted   bool
}

func (h *Head) head() *Head { return h }

// touch makes the object's next version.
func (h *Head) touch(now time.Time) {
	n, _ := strconv.Atoi(h.SyncToken)
	h.SyncToken = strconv.Itoa(n + 1)
	h.MetaData.LastUpdatedTime = Time{now}
}

// LinkedTxn links two transactions.
type LinkedTxn struct {
	TxnId   string //nolint:revive // the schema's name
	TxnType string
}

// ItemDetail is a sales line's detail.
type ItemDetail struct {
	ItemRef     *Ref    `json:",omitempty"`
	UnitPrice   *Amount `json:",omitempty"`
	Qty         *Amount `json:",omitempty"`
	TaxCodeRef  *Ref    `json:",omitempty"`
	ServiceDate string  `json:",omitempty"`
}

// Line is a line of a transaction.
type Line struct {
	Id                  string      `json:",omitempty"` //nolint:revive // the schema's name
	LineNum             int         `json:",omitempty"`
	Description         string      `json:",omitempty"`
	Amount              *Amount     `json:",omitempty"`
	DetailType          string      `json:",omitempty"`
	SalesItemLineDetail *ItemDetail `json:",omitempty"`
	SubTotalLineDetail  *struct{}   `json:",omitempty"`
	LinkedTxn           []LinkedTxn `json:",omitempty"`
}

// Txn is what invoices, payments, refund receipts and credit memos share.
type Txn struct {
	Head
	DocNumber   string `json:",omitempty"`
	TxnDate     string
	PrivateNote string `json:",omitempty"`
	CustomerRef *Ref
	CurrencyRef *Ref
	LinkedTxn   []LinkedTxn
	Line        []Line
	TotalAmt    Amount
	voided      bool
}

// Invoice is what a customer owes.
type Invoice struct {
	Txn
	DueDate     string `json:",omitempty"`
	Balance     Amount
	EmailStatus string
	PrintStatus string
}

// Payment is money received.
type Payment struct {
	Txn
	PaymentRefNum       string `json:",omitempty"`
	PaymentMethodRef    *Ref   `json:",omitempty"`
	DepositToAccountRef *Ref   `json:",omitempty"`
	UnappliedAmt        Amount
	ProcessPayment      bool
}

// RefundReceipt is money given back.
type RefundReceipt struct {
	Txn
	PaymentRefNum       string `json:",omitempty"`
	PaymentMethodRef    *Ref   `json:",omitempty"`
	DepositToAccountRef *Ref
	Balance             Amount
	PrintStatus         string
}

// CreditMemo is credit kept for a customer.
type CreditMemo struct {
	Txn
	RemainingCredit Amount
	Balance         Amount
}

// Customer is a payer.
type Customer struct {
	Head
	DisplayName        string
	FullyQualifiedName string
	GivenName          string `json:",omitempty"`
	FamilyName         string `json:",omitempty"`
	Notes              string `json:",omitempty"`
	Active             bool
	Balance            Amount
}

// Item is a product or service.
type Item struct {
	Head
	Name               string
	FullyQualifiedName string
	Description        string `json:",omitempty"`
	Type               string
	Active             bool
	UnitPrice          Amount
	IncomeAccountRef   *Ref
}

// Account is a ledger account.
type Account struct {
	Head
	Name               string
	FullyQualifiedName string
	AccountType        string
	AccountSubType     string
	Classification     string
	Active             bool
}

// PaymentMethod is a way to pay.
type PaymentMethod struct {
	Head
	Name   string
	Type   string
	Active bool
}

// CompanyInfo is the company.
type CompanyInfo struct {
	Head
	CompanyName string
	LegalName   string
	Country     string
}

// object is anything with an id and a version.
type object interface {
	head() *Head
	// prop is a searchable property; ok is false when it cannot be searched.
	prop(name string) (v value, ok bool)
}
