package quickbookssim

import (
	"encoding/json"
	"strconv"
)

// salesBody is what invoices, refund receipts and credit memos may hold.
type salesBody struct {
	common
	DocNumber           *string         `json:"DocNumber"`
	TxnDate             *string         `json:"TxnDate"`
	DueDate             *string         `json:"DueDate"`
	PrivateNote         *string         `json:"PrivateNote"`
	CustomerRef         *Ref            `json:"CustomerRef"`
	CurrencyRef         *Ref            `json:"CurrencyRef"`
	Line                *[]Line         `json:"Line"`
	PaymentRefNum       *string         `json:"PaymentRefNum"`
	PaymentMethodRef    *Ref            `json:"PaymentMethodRef"`
	DepositToAccountRef *Ref            `json:"DepositToAccountRef"`
	TotalAmt            json.RawMessage `json:"TotalAmt"`
	Balance             json.RawMessage `json:"Balance"`
	RemainingCredit     json.RawMessage `json:"RemainingCredit"`
	LinkedTxn           json.RawMessage `json:"LinkedTxn"`
	EmailStatus         json.RawMessage `json:"EmailStatus"`
	PrintStatus         json.RawMessage `json:"PrintStatus"`
}

// salesLines checks the lines and adds them up.
func (s *Server) salesLines(in []Line) ([]Line, Amount, *fault) {
	var out []Line
	var total Amount
	for _, l := range in {
		if l.DetailType == "SubTotalLineDetail" {
			continue // the API makes its own
		}
		if l.DetailType != "SalesItemLineDetail" {
			return nil, 0, refuse("2170", "Invalid Enumeration", "Invalid Enumeration : "+l.DetailType)
		}
		d := l.SalesItemLineDetail
		if l.Amount == nil || d == nil || d.ItemRef == nil {
			return nil, 0, missing("Line.Amount and Line.SalesItemLineDetail.ItemRef")
		}
		item, ok := find[*Item](s, "Item", d.ItemRef.Value)
		if !ok || !item.Active {
			return nil, 0, badReference("Line.SalesItemLineDetail.ItemRef")
		}
		if d.Qty != nil && d.UnitPrice != nil && int64(*d.Qty)*int64(*d.UnitPrice) != int64(*l.Amount)*100 {
			return nil, 0, refuse("6070", "Amount calculation incorrect in the request", "Amount is not equal to UnitPrice * Qty. Supplied value:"+l.Amount.String())
		}
		if t := d.TaxCodeRef.id(); t != "" && t != "NON" && t != "TAX" {
			return nil, 0, refuse("6100", "Invalid Line TaxCode in the request", "Valid Line TaxCodes for US should be TAX or NON. Supplied value:"+t)
		}
		detail := *d
		detail.ItemRef = &Ref{Value: item.ID, Name: item.Name}
		l.SalesItemLineDetail, l.LineNum = &detail, len(out)+1
		l.Id = strconv.Itoa(l.LineNum)
		out, total = append(out, l), total+*l.Amount
	}
	if len(out) == 0 {
		return nil, 0, missing("Line")
	}
	if total < 0 {
		return nil, 0, business("Transaction amount must be 0 or greater.")
	}
	return append(out, Line{Amount: &total, DetailType: "SubTotalLineDetail", SubTotalLineDetail: &struct{}{}}), total, nil
}

// number checks a DocNumber; none given means the next of the company's.
func (s *Server) number(b salesBody, entity string, allowDuplicate bool) (string, *fault) {
	if f := checkText(b.DocNumber, "DocNumber", maxDocNumber); f != nil {
		return "", f
	}
	if b.DocNumber == nil || *b.DocNumber == "" {
		return strconv.FormatInt(1000+s.numbers.Next(), 10), nil
	}
	if s.c.WarnDuplicateNumbers && !allowDuplicate {
		for _, x := range s.table(entity).list {
			if t := txnOf(x); !t.deleted && t.ID != b.ID && t.DocNumber == *b.DocNumber {
				return "", duplicateNumber(*b.DocNumber, entity)
			}
		}
	}
	return *b.DocNumber, nil
}

func txnOf(x object) *Txn {
	switch t := x.(type) {
	case *Invoice:
		return &t.Txn
	case *Payment:
		return &t.Txn
	case *RefundReceipt:
		return &t.Txn
	case *CreditMemo:
		return &t.Txn
	}
	return &Txn{}
}

// fill checks a sales body and puts it into a transaction; nothing is changed
// when it is refused.
func (s *Server) fill(t *Txn, b salesBody, entity string, allowDuplicate bool) *fault {
	next := *t
	if b.CustomerRef == nil && !b.Sparse {
		return missing("CustomerRef")
	}
	if b.CustomerRef != nil {
		c, ok := find[*Customer](s, "Customer", b.CustomerRef.Value)
		if !ok || !c.Active {
			return badReference("CustomerRef")
		}
		next.CustomerRef = &Ref{Value: c.ID, Name: c.DisplayName}
	}
	if b.CurrencyRef != nil && b.CurrencyRef.Value != "USD" {
		return business("The company has no other currency than USD.")
	}
	if b.Line == nil && !b.Sparse {
		return missing("Line")
	}
	var f *fault
	if b.Line != nil {
		if next.Line, next.TotalAmt, f = s.salesLines(*b.Line); f != nil {
			return f
		}
	}
	if b.DocNumber != nil || !b.Sparse {
		if next.DocNumber, f = s.number(b, entity, allowDuplicate); f != nil {
			return f
		}
	}
	if b.TxnDate != nil || !b.Sparse {
		if next.TxnDate, f = s.date(b.TxnDate, "TxnDate"); f != nil {
			return f
		}
	}
	if f := checkText(b.PrivateNote, "PrivateNote", maxNote); f != nil {
		return f
	}
	set(&next.PrivateNote, b.PrivateNote, b.Sparse)
	next.CurrencyRef = usd()
	*t = next
	return nil
}

func (s *Server) saveInvoice(c call) (any, []change, *fault) { return s.saveInvoiceNumbered(c, false) }

func (s *Server) saveInvoiceNumbered(c call, allowDuplicate bool) (any, []change, *fault) {
	var b salesBody
	if f := c.decode(&b); f != nil {
		return nil, nil, f
	}
	if b.DepositToAccountRef != nil || b.PaymentMethodRef != nil {
		return nil, nil, refuse("2010", "Request has invalid or unsupported property", "Property Name: DepositToAccountRef or PaymentMethodRef on an invoice")
	}
	if b.ID != "" {
		return s.updateInvoice(b)
	}
	x := &Invoice{EmailStatus: "NotSet", PrintStatus: "NeedToPrint"}
	x.LinkedTxn = []LinkedTxn{}
	b.Sparse = false
	if f := s.fill(&x.Txn, b, "Invoice", allowDuplicate); f != nil {
		return nil, nil, f
	}
	due, f := s.date(b.DueDate, "DueDate")
	if f != nil {
		return nil, nil, f
	}
	x.DueDate, x.Balance = due, x.TotalAmt
	s.owe(x.CustomerRef, x.Balance)
	s.insert("Invoice", x)
	return x, []change{s.changed("Invoice", x, "Create")}, nil
}

func (s *Server) updateInvoice(b salesBody) (any, []change, *fault) {
	x, f := current[*Invoice](s, "Invoice", b.common)
	if f != nil {
		return nil, nil, f
	}
	if x.voided {
		return nil, nil, business("A voided transaction cannot be changed.")
	}
	next := x.Txn
	if f := s.fill(&next, b, "Invoice", false); f != nil {
		return nil, nil, f
	}
	paid := x.TotalAmt - x.Balance
	if next.TotalAmt < paid {
		return nil, nil, business("The payments applied are more than the new amount.")
	}
	if next.CustomerRef.id() != x.CustomerRef.id() && paid > 0 {
		return nil, nil, business("A paid invoice cannot change its customer.")
	}
	due := &x.DueDate
	if b.DueDate != nil {
		d, f := s.date(b.DueDate, "DueDate")
		if f != nil {
			return nil, nil, f
		}
		due = &d
	} else if !b.Sparse {
		due = nil
	}
	s.owe(x.CustomerRef, -x.Balance)
	x.Txn = next
	set(&x.DueDate, due, b.Sparse)
	x.Balance = x.TotalAmt - paid
	s.owe(x.CustomerRef, x.Balance)
	x.touch(s.now())
	return x, []change{s.changed("Invoice", x, "Update")}, nil
}

// unpaid finds the invoice of a void or delete. One with money on it is
// refused: the payments come first.
func (s *Server) unpaid(c call) (*Invoice, *fault) {
	var b salesBody
	if f := c.decode(&b); f != nil {
		return nil, f
	}
	x, f := current[*Invoice](s, "Invoice", b.common)
	if f == nil && len(x.LinkedTxn) > 0 {
		return nil, business("The invoice has payments applied to it.")
	}
	return x, f
}

func (s *Server) voidInvoice(c call) (any, []change, *fault) {
	x, f := s.unpaid(c)
	if f != nil {
		return nil, nil, f
	}
	if x.voided {
		return x, nil, nil
	}
	s.owe(x.CustomerRef, -x.Balance)
	x.zero()
	x.Balance = 0
	x.touch(s.now())
	return x, []change{s.changed("Invoice", x, "Void")}, nil
}

// zero takes the amounts out of a transaction and marks it.
func (t *Txn) zero() {
	t.voided, t.TotalAmt, t.PrivateNote = true, 0, markVoided(t.PrivateNote)
	lines := make([]Line, len(t.Line))
	for i, l := range t.Line {
		var nothing Amount
		l.Amount = &nothing
		if d := l.SalesItemLineDetail; d != nil {
			dd := *d
			dd.Qty, dd.UnitPrice = &nothing, nil
			l.SalesItemLineDetail = &dd
		}
		lines[i] = l
	}
	t.Line = lines
}

func (s *Server) deleteInvoice(c call) (any, []change, *fault) {
	x, f := s.unpaid(c)
	if f != nil {
		return nil, nil, f
	}
	s.owe(x.CustomerRef, -x.Balance)
	x.deleted = true
	x.touch(s.now())
	return deletion(x.ID), []change{s.changed("Invoice", x, "Delete")}, nil
}
