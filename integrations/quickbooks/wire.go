package quickbooks

import "encoding/json"

// The JSON shapes of the Accounting API v3. Names are those of the entity
// schema (Finance.xsd); references are {"value","name"}; amounts are JSON
// numbers in major units and never pass through a float.

type reference struct {
	Value string `json:"value"`
	Name  string `json:"name,omitempty"`
}

func refTo(id string) *reference {
	if id == "" {
		return nil
	}
	return &reference{Value: id}
}

func (r *reference) id() string {
	if r == nil {
		return ""
	}
	return r.Value
}

type metaData struct {
	CreateTime      string `json:"CreateTime,omitempty"`
	LastUpdatedTime string `json:"LastUpdatedTime,omitempty"`
}

// entity is what every object has. SyncToken is its version.
type entity struct {
	ID        string    `json:"Id,omitempty"`
	SyncToken string    `json:"SyncToken,omitempty"`
	MetaData  *metaData `json:"MetaData,omitempty"`
	// Sparse asks for a partial update: fields left out keep their value.
	Sparse bool `json:"sparse,omitempty"`
	// Status is set on deleted and voided objects in change listings.
	Status string `json:"status,omitempty"`
}

type linkedTxn struct {
	TxnID   string `json:"TxnId"`
	TxnType string `json:"TxnType"`
}

type salesItem struct {
	ItemRef    *reference  `json:"ItemRef,omitempty"`
	Qty        json.Number `json:"Qty,omitempty"`
	UnitPrice  json.Number `json:"UnitPrice,omitempty"`
	TaxCodeRef *reference  `json:"TaxCodeRef,omitempty"`
}

type line struct {
	Amount              json.Number `json:"Amount,omitempty"`
	DetailType          string      `json:"DetailType,omitempty"`
	Description         string      `json:"Description,omitempty"`
	SalesItemLineDetail *salesItem  `json:"SalesItemLineDetail,omitempty"`
	LinkedTxn           []linkedTxn `json:"LinkedTxn,omitempty"`
}

type transaction struct {
	entity
	DocNumber   string      `json:"DocNumber,omitempty"`
	TxnDate     string      `json:"TxnDate,omitempty"`
	PrivateNote string      `json:"PrivateNote,omitempty"`
	CurrencyRef *reference  `json:"CurrencyRef,omitempty"`
	CustomerRef *reference  `json:"CustomerRef,omitempty"`
	LinkedTxn   []linkedTxn `json:"LinkedTxn,omitempty"`
	Line        []line      `json:"Line,omitempty"`
	TotalAmt    json.Number `json:"TotalAmt,omitempty"`
}

type invoice struct {
	transaction
	DueDate string      `json:"DueDate,omitempty"`
	Balance json.Number `json:"Balance,omitempty"`
}

type payment struct {
	transaction
	PaymentRefNum       string      `json:"PaymentRefNum,omitempty"`
	PaymentMethodRef    *reference  `json:"PaymentMethodRef,omitempty"`
	DepositToAccountRef *reference  `json:"DepositToAccountRef,omitempty"`
	UnappliedAmt        json.Number `json:"UnappliedAmt,omitempty"`
}

type refundReceipt struct {
	transaction
	PaymentRefNum       string     `json:"PaymentRefNum,omitempty"`
	PaymentMethodRef    *reference `json:"PaymentMethodRef,omitempty"`
	DepositToAccountRef *reference `json:"DepositToAccountRef,omitempty"`
}

type customer struct {
	entity
	DisplayName string `json:"DisplayName,omitempty"`
}

type item struct {
	entity
	Name             string     `json:"Name,omitempty"`
	Type             string     `json:"Type,omitempty"`
	IncomeAccountRef *reference `json:"IncomeAccountRef,omitempty"`
}

type account struct {
	entity
	Name               string `json:"Name,omitempty"`
	FullyQualifiedName string `json:"FullyQualifiedName,omitempty"`
	AccountSubType     string `json:"AccountSubType,omitempty"`
}

type paymentMethod struct {
	entity
	Name string `json:"Name,omitempty"`
}

type companyInfo struct {
	entity
	CompanyName string `json:"CompanyName,omitempty"`
	Country     string `json:"Country,omitempty"`
}

// listing is a QueryResponse: one of its lists is filled, none on no match.
type listing struct {
	Invoice       []invoice
	Payment       []payment
	RefundReceipt []refundReceipt
	Customer      []customer
	Item          []item
	Account       []account
	PaymentMethod []paymentMethod
}

// answer is any JSON answer. encoding/json matches names without regard to
// case, which the lower-case faults of 401, 403 and 429 need.
type answer struct {
	Invoice       *invoice
	Payment       *payment
	RefundReceipt *refundReceipt
	Customer      *customer
	Item          *item
	CompanyInfo   *companyInfo
	QueryResponse *listing
	CDCResponse   []struct {
		QueryResponse []listing
	}
	Fault *fault
	Time  string `json:"time"`
}

type fault struct {
	Error []struct {
		Message string
		Code    json.RawMessage `json:"code"`
	}
	Type string `json:"type"`
}
