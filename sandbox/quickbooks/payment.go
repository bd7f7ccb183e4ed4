package quickbookssim

import "encoding/json"

type paymentBody struct {
	common
	TxnDate             *string         `json:"TxnDate"`
	PrivateNote         *string         `json:"PrivateNote"`
	CustomerRef         *Ref            `json:"CustomerRef"`
	CurrencyRef         *Ref            `json:"CurrencyRef"`
	PaymentRefNum       *string         `json:"PaymentRefNum"`
	PaymentMethodRef    *Ref            `json:"PaymentMethodRef"`
	DepositToAccountRef *Ref            `json:"DepositToAccountRef"`
	Line                *[]Line         `json:"Line"`
	TotalAmt            *Amount         `json:"TotalAmt"`
	ProcessPayment      bool            `json:"ProcessPayment"`
	UnappliedAmt        json.RawMessage `json:"UnappliedAmt"`
	LinkedTxn           json.RawMessage `json:"LinkedTxn"`
}

// application is money of a payment on one document.
type application struct {
	invoice *Invoice
	credit  *CreditMemo
	amount  Amount
}

// plan checks the lines of a payment without changing anything and says what
// would stay unapplied. back holds what the payment already has on documents,
// which an update gives back first.
func (s *Server) plan(customer string, total Amount, lines []Line, back []application) ([]application, Amount, *fault) {
	open := map[string]Amount{}
	for _, a := range back {
		open[a.key()] += a.amount
	}
	var apps []application
	left := total
	for _, l := range lines {
		if l.Amount == nil || len(l.LinkedTxn) != 1 {
			return nil, 0, missing("Line.Amount and Line.LinkedTxn")
		}
		a := application{amount: *l.Amount}
		to := l.LinkedTxn[0]
		var ok bool
		var have Amount
		var owner *Ref
		switch to.TxnType {
		case "Invoice":
			if a.invoice, ok = find[*Invoice](s, "Invoice", to.TxnId); ok {
				have, owner, left = a.invoice.Balance, a.invoice.CustomerRef, left-a.amount
			}
		case "CreditMemo":
			if a.credit, ok = find[*CreditMemo](s, "CreditMemo", to.TxnId); ok {
				have, owner, left = a.credit.RemainingCredit, a.credit.CustomerRef, left+a.amount
			}
		default:
			return nil, 0, refuse("2170", "Invalid Enumeration", "Invalid Enumeration : "+to.TxnType)
		}
		switch {
		case !ok:
			return nil, 0, notFound()
		case owner.id() != customer:
			return nil, 0, business("The transaction belongs to another customer.")
		case a.amount <= 0:
			return nil, 0, business("The amount of a line must be positive.")
		case a.amount > have+open[a.key()]:
			return nil, 0, business("The amount applied is more than the open balance.")
		}
		open[a.key()] -= a.amount
		apps = append(apps, a)
	}
	if left < 0 {
		return nil, 0, business("The amounts applied are more than the payment.")
	}
	return apps, left, nil
}

func (a application) key() string {
	if a.invoice != nil {
		return "Invoice/" + a.invoice.ID
	}
	return "CreditMemo/" + a.credit.ID
}

// apply moves balances; sign is -1 to take the money off again.
func (s *Server) apply(p *Payment, apps []application, sign Amount) []change {
	relink := link
	if sign < 0 {
		relink = unlink
	}
	var out []change
	for _, a := range apps {
		if a.invoice != nil {
			a.invoice.Balance -= sign * a.amount
			a.invoice.LinkedTxn = relink(a.invoice.LinkedTxn, p.ID, "Payment")
			a.invoice.touch(s.now())
			out = append(out, s.changed("Invoice", a.invoice, "Update"))
			continue
		}
		a.credit.RemainingCredit -= sign * a.amount
		a.credit.Balance -= sign * a.amount
		a.credit.LinkedTxn = relink(a.credit.LinkedTxn, p.ID, "Payment")
		a.credit.touch(s.now())
		out = append(out, s.changed("CreditMemo", a.credit, "Update"))
	}
	return out
}

// applications are what the payment has on documents now.
func (s *Server) applications(p *Payment) []application {
	var out []application
	for _, l := range p.Line {
		if len(l.LinkedTxn) != 1 {
			continue
		}
		if inv, ok := find[*Invoice](s, "Invoice", l.LinkedTxn[0].TxnId); ok && l.LinkedTxn[0].TxnType == "Invoice" {
			out = append(out, application{invoice: inv, amount: *l.Amount})
		} else if cr, ok := find[*CreditMemo](s, "CreditMemo", l.LinkedTxn[0].TxnId); ok {
			out = append(out, application{credit: cr, amount: *l.Amount})
		}
	}
	return out
}

func (s *Server) savePayment(c call) (any, []change, *fault) {
	var b paymentBody
	if f := c.decode(&b); f != nil {
		return nil, nil, f
	}
	if b.ID != "" {
		return s.updatePayment(b)
	}
	b.Sparse = false
	p := &Payment{}
	p.LinkedTxn = []LinkedTxn{}
	apps, f := s.fillPayment(p, b, nil)
	if f != nil {
		return nil, nil, f
	}
	s.insert("Payment", p)
	s.owe(p.CustomerRef, -p.TotalAmt)
	changes := append([]change{s.changed("Payment", p, "Create")}, s.apply(p, apps, 1)...)
	return p, changes, nil
}

func (s *Server) updatePayment(b paymentBody) (any, []change, *fault) {
	p, f := current[*Payment](s, "Payment", b.common)
	if f != nil {
		return nil, nil, f
	}
	if p.voided {
		return nil, nil, business("A voided transaction cannot be changed.")
	}
	if f := s.free(p); f != nil {
		return nil, nil, f
	}
	next, old := *p, s.applications(p)
	apps, f := s.fillPayment(&next, b, old)
	if f != nil {
		return nil, nil, f
	}
	changes := s.apply(p, old, -1)
	s.owe(p.CustomerRef, p.TotalAmt)
	*p = next
	s.owe(p.CustomerRef, -p.TotalAmt)
	changes = append(changes, s.apply(p, apps, 1)...)
	p.touch(s.now())
	return p, append(changes, s.changed("Payment", p, "Update")), nil
}

// fillPayment checks a body and puts it into p; the balances are the caller's.
func (s *Server) fillPayment(p *Payment, b paymentBody, back []application) ([]application, *fault) {
	if !b.Sparse && b.CustomerRef == nil {
		return nil, missing("CustomerRef")
	}
	if !b.Sparse && b.TotalAmt == nil {
		return nil, missing("TotalAmt")
	}
	if f := s.paymentRefs(p, b); f != nil {
		return nil, f
	}
	if f := checkText(b.PaymentRefNum, "PaymentRefNum", maxDocNumber); f != nil {
		return nil, f
	}
	if f := checkText(b.PrivateNote, "PrivateNote", maxNote); f != nil {
		return nil, f
	}
	if b.ProcessPayment {
		return nil, business("The company has no QuickBooks Payments account.")
	}
	if b.TxnDate != nil || !b.Sparse {
		day, f := s.date(b.TxnDate, "TxnDate")
		if f != nil {
			return nil, f
		}
		p.TxnDate = day
	}
	set(&p.TotalAmt, b.TotalAmt, b.Sparse)
	set(&p.Line, b.Line, b.Sparse)
	set(&p.PaymentRefNum, b.PaymentRefNum, b.Sparse)
	set(&p.PrivateNote, b.PrivateNote, b.Sparse)
	if p.TotalAmt < 0 || (p.TotalAmt == 0 && len(p.Line) == 0) {
		return nil, business("You must set a transaction amount.")
	}
	apps, left, f := s.plan(p.CustomerRef.id(), p.TotalAmt, p.Line, back)
	p.UnappliedAmt, p.CurrencyRef = left, usd()
	if p.Line == nil {
		p.Line = []Line{}
	}
	return apps, f
}

func (s *Server) paymentRefs(p *Payment, b paymentBody) *fault {
	if b.CustomerRef != nil {
		c, ok := find[*Customer](s, "Customer", b.CustomerRef.Value)
		if !ok || !c.Active {
			return badReference("CustomerRef")
		}
		p.CustomerRef = &Ref{Value: c.ID, Name: c.DisplayName}
	}
	method, account, f := s.moneyRefs(b.PaymentMethodRef, b.DepositToAccountRef)
	if f != nil {
		return f
	}
	if method != nil || !b.Sparse {
		p.PaymentMethodRef = method
	}
	if account != nil {
		p.DepositToAccountRef = account
	} else if !b.Sparse {
		p.DepositToAccountRef = &Ref{Value: "4"} // Undeposited Funds
	}
	return nil
}

// moneyRefs resolves how money moved and where it lies.
func (s *Server) moneyRefs(method, account *Ref) (*Ref, *Ref, *fault) {
	if method != nil {
		m, ok := find[*PaymentMethod](s, "PaymentMethod", method.Value)
		if !ok || !m.Active {
			return nil, nil, badReference("PaymentMethodRef")
		}
		method = &Ref{Value: m.ID}
	}
	if account != nil {
		a, ok := find[*Account](s, "Account", account.Value)
		if !ok || !a.Active || (a.AccountType != "Bank" && a.AccountType != "Other Current Asset") {
			return nil, nil, badReference("DepositToAccountRef")
		}
		account = &Ref{Value: a.ID, Name: a.Name}
	}
	return method, account, nil
}

// free refuses a payment that sits in a deposit.
func (s *Server) free(p *Payment) *fault {
	for _, l := range p.LinkedTxn {
		if l.TxnType == "Deposit" {
			return refuse("6540", "Deposited Transaction cannot be changed",
				"Deposited Transaction cannot be changed : This transaction has been deposited. If you want to change or delete it, you must edit the deposit it appears on and remove it first.")
		}
	}
	return nil
}

// release takes a payment's money off its documents, for a void or a delete.
func (s *Server) release(c call) (*Payment, []change, *fault) {
	var b paymentBody
	if f := c.decode(&b); f != nil {
		return nil, nil, f
	}
	p, f := current[*Payment](s, "Payment", b.common)
	if f != nil {
		return nil, nil, f
	}
	if f := s.free(p); f != nil {
		return nil, nil, f
	}
	if c.include == "void" && !b.Sparse {
		return nil, nil, missing("sparse")
	}
	changes := s.apply(p, s.applications(p), -1)
	s.owe(p.CustomerRef, p.TotalAmt)
	return p, changes, nil
}

func (s *Server) voidPayment(c call) (any, []change, *fault) {
	p, changes, f := s.release(c)
	if f != nil {
		return nil, nil, f
	}
	if p.voided {
		return p, nil, nil
	}
	p.zero()
	p.Line, p.UnappliedAmt = []Line{}, 0
	p.touch(s.now())
	return p, append(changes, s.changed("Payment", p, "Void")), nil
}

func (s *Server) deletePayment(c call) (any, []change, *fault) {
	p, changes, f := s.release(c)
	if f != nil {
		return nil, nil, f
	}
	p.deleted = true
	p.touch(s.now())
	return deletion(p.ID), append(changes, s.changed("Payment", p, "Delete")), nil
}
