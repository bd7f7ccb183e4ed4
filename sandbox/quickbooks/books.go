package quickbookssim

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Doc is a document as an auditor sees it.
type Doc struct {
	ID        string
	Number    string // DocNumber, or PaymentRefNum of a payment
	Note      string
	Customer  string // display name
	Date      string
	Cents     int64
	Balance   int64 // of an invoice
	Unapplied int64 // of a payment
	Voided    bool
	Deleted   bool
	Deposited bool
	Invoices  []string // ids a payment is applied to
	Method    string   // payment method id
	Account   string   // account id money went to or came from
}

// Books are all documents in the order of their making, with the deleted ones.
type Books struct {
	Invoices []Doc
	Payments []Doc
	Refunds  []Doc
}

// Net is payments not voided less refunds, in cents.
func (b Books) Net() int64 {
	var n int64
	for _, p := range b.Payments {
		if !p.Voided && !p.Deleted {
			n += p.Cents
		}
	}
	for _, r := range b.Refunds {
		if !r.Voided && !r.Deleted {
			n -= r.Cents
		}
	}
	return n
}

// Books lists the documents.
func (s *Server) Books() Books {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b Books
	for _, x := range s.table("Invoice").list {
		i := x.(*Invoice)
		d := docOf(&i.Txn, i.DocNumber)
		d.Balance = int64(i.Balance)
		b.Invoices = append(b.Invoices, d)
	}
	for _, x := range s.table("Payment").list {
		p := x.(*Payment)
		d := docOf(&p.Txn, p.PaymentRefNum)
		d.Unapplied, d.Method, d.Account = int64(p.UnappliedAmt), p.PaymentMethodRef.id(), p.DepositToAccountRef.id()
		d.Deposited = s.free(p) != nil
		for _, l := range p.Line {
			for _, t := range l.LinkedTxn {
				d.Invoices = append(d.Invoices, t.TxnId)
			}
		}
		b.Payments = append(b.Payments, d)
	}
	for _, x := range s.table("RefundReceipt").list {
		r := x.(*RefundReceipt)
		d := docOf(&r.Txn, r.DocNumber)
		d.Method, d.Account = r.PaymentMethodRef.id(), r.DepositToAccountRef.id()
		b.Refunds = append(b.Refunds, d)
	}
	return b
}

func docOf(t *Txn, number string) Doc {
	return Doc{ID: t.ID, Number: number, Note: t.PrivateNote, Customer: t.CustomerRef.Name, Date: t.TxnDate, Cents: int64(t.TotalAmt), Voided: t.voided, Deleted: t.deleted}
}

// Customers are the display names and whether they are active.
func (s *Server) Customers() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]bool{}
	each(s, "Customer", func(c *Customer) { out[c.DisplayName] = c.Active })
	return out
}

// The bookkeeper works in the same books by hand; each act bumps versions and
// sends webhooks as a call does.

// act runs a write with the object's present version.
func (s *Server) act(entity, id, op, include string, fields map[string]any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	body := map[string]any{"sparse": true}
	if id != "" {
		x := s.table(entity).get(id)
		if x == nil {
			return fmt.Errorf("no %s %s", entity, id)
		}
		body["Id"], body["SyncToken"] = id, x.head().SyncToken
	}
	for k, v := range fields {
		body[k] = v
	}
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	_, changes, f := s.write(entity, call{op: op, include: include, body: b})
	if f != nil {
		return fmt.Errorf("%s: %s", f.code, f.detail)
	}
	s.notify(changes)
	return nil
}

// EditInvoice changes fields of an invoice by their API names, such as
// PrivateNote, DueDate or DocNumber.
func (s *Server) EditInvoice(id string, fields map[string]any) error {
	return s.act("Invoice", id, "", "", fields)
}

// EditPayment changes fields of a payment.
func (s *Server) EditPayment(id string, fields map[string]any) error {
	return s.act("Payment", id, "", "", fields)
}

// VoidInvoice, VoidPayment and the Delete functions act as the bookkeeper.
func (s *Server) VoidInvoice(id string) error   { return s.act("Invoice", id, "void", "", nil) }
func (s *Server) VoidPayment(id string) error   { return s.act("Payment", id, "update", "void", nil) }
func (s *Server) DeleteInvoice(id string) error { return s.act("Invoice", id, "delete", "", nil) }
func (s *Server) DeletePayment(id string) error { return s.act("Payment", id, "delete", "", nil) }
func (s *Server) DeleteRefund(id string) error  { return s.act("RefundReceipt", id, "delete", "", nil) }

// UnapplyPayment takes a payment off its invoices; its money stays as credit.
func (s *Server) UnapplyPayment(id string) error {
	return s.act("Payment", id, "", "", map[string]any{"Line": []any{}})
}

// DeactivateItem and DeactivateCustomer make a list entry inactive.
func (s *Server) DeactivateItem(name string) error {
	return s.deactivate("Item", func(x object) bool { i, ok := x.(*Item); return ok && i.Name == name })
}

// DeactivateCustomer makes a customer inactive.
func (s *Server) DeactivateCustomer(name string) error {
	return s.deactivate("Customer", func(x object) bool { c, ok := x.(*Customer); return ok && c.DisplayName == name })
}

func (s *Server) deactivate(entity string, is func(object) bool) error {
	s.mu.Lock()
	id := ""
	for _, x := range s.table(entity).list {
		if is(x) {
			id = x.head().ID
		}
	}
	s.mu.Unlock()
	return s.act(entity, id, "", "", map[string]any{"Active": false})
}

// AddVendor takes a display name in the shared name space.
func (s *Server) AddVendor(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.others = append(s.others, name)
}

// AddCustomer makes a customer and returns its id.
func (s *Server) AddCustomer(name string) (string, error) {
	if err := s.act("Customer", "", "", "", map[string]any{"DisplayName": name}); err != nil {
		return "", err
	}
	return s.lastID("Customer"), nil
}

// AddInvoice makes the practice's own invoice, which no co-pay knows.
func (s *Server) AddInvoice(customerID, itemID, number string, cents int64) (string, error) {
	line := map[string]any{"Amount": Amount(cents), "DetailType": "SalesItemLineDetail",
		"SalesItemLineDetail": map[string]any{"ItemRef": Ref{Value: itemID}}}
	err := s.act("Invoice", "", "", "", map[string]any{"CustomerRef": Ref{Value: customerID}, "DocNumber": number, "Line": []any{line}})
	if err != nil {
		return "", err
	}
	return s.lastID("Invoice"), nil
}

// AddAccount makes an account and returns its id.
func (s *Server) AddAccount(name, kind string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &Account{Name: name, FullyQualifiedName: name, AccountType: kind, Active: true}
	s.insert("Account", a)
	return a.ID
}

// ItemID is the id of the item of a name, or "".
func (s *Server) ItemID(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := ""
	each(s, "Item", func(i *Item) {
		if i.Name == name {
			id = i.ID
		}
	})
	return id
}

func (s *Server) lastID(entity string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.table(entity).list
	return l[len(l)-1].head().ID
}

// Deposit puts payments into a bank deposit, after which they cannot be
// changed, and returns the deposit's id.
func (s *Server) Deposit(payments ...string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := strconv.FormatInt(144+s.txns.Next(), 10)
	var changes []change
	for _, p := range payments {
		x, ok := find[*Payment](s, "Payment", p)
		if !ok {
			return "", fmt.Errorf("no payment %s", p)
		}
		x.LinkedTxn = link(x.LinkedTxn, id, "Deposit")
		x.touch(s.now())
		changes = append(changes, s.changed("Payment", x, "Update"))
	}
	s.notify(append(changes, change{entity: "Deposit", id: id, op: "Create", at: s.now()}))
	return id, nil
}
