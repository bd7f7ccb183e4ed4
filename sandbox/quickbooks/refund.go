package quickbookssim

func (s *Server) saveRefund(c call) (any, []change, *fault) {
	var b salesBody
	if f := c.decode(&b); f != nil {
		return nil, nil, f
	}
	x, op := &RefundReceipt{PrintStatus: "NeedToPrint"}, "Create"
	if b.ID == "" {
		b.Sparse = false
	} else {
		old, f := current[*RefundReceipt](s, "RefundReceipt", b.common)
		if f != nil {
			return nil, nil, f
		}
		x, op = old, "Update"
	}
	if b.DepositToAccountRef == nil && !b.Sparse {
		return nil, nil, missing("DepositToAccountRef")
	}
	if b.DueDate != nil {
		return nil, nil, refuse("2010", "Request has invalid or unsupported property", "Property Name: DueDate on a refund receipt")
	}
	method, account, f := s.moneyRefs(b.PaymentMethodRef, b.DepositToAccountRef)
	if f != nil {
		return nil, nil, f
	}
	if f := checkText(b.PaymentRefNum, "PaymentRefNum", maxDocNumber); f != nil {
		return nil, nil, f
	}
	if f := s.fill(&x.Txn, b, "RefundReceipt", false); f != nil {
		return nil, nil, f
	}
	if method != nil || !b.Sparse {
		x.PaymentMethodRef = method
	}
	if account != nil {
		x.DepositToAccountRef = account
	}
	set(&x.PaymentRefNum, b.PaymentRefNum, b.Sparse)
	if op == "Create" {
		x.LinkedTxn = []LinkedTxn{}
		s.insert("RefundReceipt", x)
	} else {
		x.touch(s.now())
	}
	return x, []change{s.changed("RefundReceipt", x, op)}, nil
}

func (s *Server) deleteRefund(c call) (any, []change, *fault) {
	var b salesBody
	if f := c.decode(&b); f != nil {
		return nil, nil, f
	}
	x, f := current[*RefundReceipt](s, "RefundReceipt", b.common)
	if f != nil {
		return nil, nil, f
	}
	x.deleted = true
	x.touch(s.now())
	return deletion(x.ID), []change{s.changed("RefundReceipt", x, "Delete")}, nil
}

func (s *Server) saveCredit(c call) (any, []change, *fault) {
	var b salesBody
	if f := c.decode(&b); f != nil {
		return nil, nil, f
	}
	if b.ID != "" {
		return nil, nil, refuse("500", "Unsupported Operation", "The simulator does not change credit memos.")
	}
	b.Sparse = false
	x := &CreditMemo{}
	x.LinkedTxn = []LinkedTxn{}
	if f := s.fill(&x.Txn, b, "CreditMemo", false); f != nil {
		return nil, nil, f
	}
	x.RemainingCredit, x.Balance = x.TotalAmt, x.TotalAmt
	s.owe(x.CustomerRef, -x.TotalAmt)
	s.insert("CreditMemo", x)
	return x, []change{s.changed("CreditMemo", x, "Create")}, nil
}
