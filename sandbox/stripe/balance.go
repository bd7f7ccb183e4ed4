package stripesim

import "time"

func (t *txn) wire(s *Server) obj {
	status := "available"
	if t.available.After(s.now()) {
		status = "pending"
	}
	fees := []any{}
	if t.fee > 0 {
		fees = append(fees, obj{"amount": t.fee, "application": nil, "currency": t.currency, "description": "Stripe processing fees", "type": "stripe_fee"})
	}
	return obj{
		"id": t.id, "object": "balance_transaction", "created": t.created.Unix(), "available_on": t.available.Unix(), "amount": t.amount,
		"fee": t.fee, "fee_details": fees, "net": t.amount - t.fee, "currency": t.currency, "status": status, "type": t.kind,
		"reporting_category": t.category, "source": null(t.source), "description": null(t.description), "exchange_rate": nil,
	}
}

func (c *call) getTxn() (obj, *apiError) {
	t, e := one(c, &c.s.txns, "balance transaction", "id")
	if e != nil {
		return nil, e
	}
	return t.wire(c.s), nil
}

func (c *call) listTxns() (obj, *apiError) {
	return list(c, &c.s.txns, "/v1/balance_transactions", func(t *txn) bool {
		return same(c.p, "type", t.kind) && same(c.p, "source", t.source) && same(c.p, "currency", t.currency) && !c.p.has("payout")
	})
}

// balance sums the movements into what can be paid out and what will be.
func (c *call) balance() (obj, *apiError) {
	available, pending := c.s.funds()
	sum := func(n int64) []any {
		return []any{obj{"amount": n, "currency": "usd", "source_types": obj{"card": n}}}
	}
	return obj{"object": "balance", "livemode": false, "available": sum(available), "pending": sum(pending)}, nil
}

func (s *Server) funds() (available, pending int64) {
	for _, t := range s.txns.order {
		if t.available.After(s.now()) {
			pending += t.amount - t.fee
			continue
		}
		available += t.amount - t.fee
	}
	return available, pending
}

func (po *payout) wire(*Server) obj {
	return obj{
		"id": po.id, "object": "payout", "created": po.created.Unix(), "arrival_date": po.arrival.Unix(), "amount": po.amount,
		"currency": po.currency, "automatic": true, "livemode": false, "method": "standard", "status": "paid", "type": "bank_account",
		"source_type": "card", "reconciliation_status": "completed", "balance_transaction": po.txn, "description": "STRIPE PAYOUT",
		"destination": nil, "failure_balance_transaction": nil, "failure_code": nil, "failure_message": nil, "metadata": obj{},
		"original_payout": nil, "reversed_by": nil, "statement_descriptor": nil,
	}
}

// PayOut pays out what is available, as the platform does daily, and returns
// the payout's id, or "" when there is nothing.
func (s *Server) PayOut() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	available, _ := s.funds()
	if available <= 0 {
		return ""
	}
	po := &payout{header: s.fresh("po_"), amount: available, currency: "usd", arrival: s.now().Add(24 * time.Hour)}
	po.txn = s.book(-available, 0, "payout", "payout", po.id, "STRIPE PAYOUT").id
	s.payouts.add(po)
	s.own().emit("payout.paid", po)
	return po.id
}

func (c *call) getPayout() (obj, *apiError) {
	po, e := one(c, &c.s.payouts, "payout", "payout")
	if e != nil {
		return nil, e
	}
	return po.wire(c.s), nil
}

func (c *call) listPayouts() (obj, *apiError) {
	return list(c, &c.s.payouts, "/v1/payouts", func(*payout) bool { return true })
}
