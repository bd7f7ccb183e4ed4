package stripesim

import "time"

func (ch *charge) wire(s *Server) obj {
	captured := ch.status == succeeded
	pm, _ := s.methods.get(ch.method)
	o := obj{
		"id": ch.id, "object": "charge", "created": ch.created.Unix(), "livemode": false, "amount": ch.amount,
		"amount_captured": int64(0), "amount_refunded": ch.refunded, "currency": ch.currency, "status": ch.status,
		"captured": captured, "paid": ch.status != "failed", "refunded": captured && ch.refunded == ch.amount, "disputed": ch.disputed,
		"customer": null(ch.customer), "payment_intent": null(ch.intent), "payment_method": null(ch.method), "invoice": null(ch.invoice),
		"description": null(ch.description), "metadata": metaWire(ch.metadata), "balance_transaction": null(ch.txn),
		"failure_code": null(ch.failureCode), "failure_message": null(ch.failureMessage), "failure_balance_transaction": nil,
		"billing_details": obj{"address": obj{"city": nil, "country": nil, "line1": nil, "line2": nil, "postal_code": nil, "state": nil},
			"email": nil, "name": nil, "phone": nil},
		"calculated_statement_descriptor": nil, "application": nil, "application_fee": nil, "application_fee_amount": nil,
		"fraud_details": obj{}, "on_behalf_of": nil, "receipt_email": nil, "receipt_number": nil, "receipt_url": nil, "review": nil,
		"shipping": nil, "source_transfer": nil, "statement_descriptor": nil, "statement_descriptor_suffix": nil,
		"transfer_data": nil, "transfer_group": nil, "outcome": ch.outcomeWire(),
	}
	if captured {
		o["amount_captured"] = ch.amount
	}
	if pm != nil {
		o["payment_method_details"] = ch.detailsWire(pm)
	}
	return o
}

func (ch *charge) outcomeWire() obj {
	o := obj{"network_status": "approved_by_network", "reason": nil, "risk_level": "normal", "seller_message": "Payment complete.", "type": "authorized"}
	if ch.outcome != "" {
		o["network_status"], o["reason"], o["type"] = "declined_by_network", ch.outcome, "issuer_declined"
		o["seller_message"] = "The bank did not return any further details with this decline."
	}
	return o
}

func (ch *charge) detailsWire(pm *paymentMethod) obj {
	if pm.card.bank {
		return obj{"type": "us_bank_account", "us_bank_account": obj{"account_holder_type": "individual", "account_type": "checking",
			"bank_name": "STRIPE TEST BANK", "fingerprint": "FFDMA0xfhBjWSZLu", "last4": pm.card.last4, "routing_number": "110000000"}}
	}
	card := cardWire(pm, obj{"installments": nil, "mandate": nil, "network": pm.card.brand, "three_d_secure": nil})
	if ch.authenticated {
		card["three_d_secure"] = obj{"authentication_flow": "challenge", "result": "authenticated", "result_reason": nil, "version": "2.2.0"}
	}
	return obj{"type": "card", "card": card}
}

func (c *call) newCharge(pi *intent, pm *paymentMethod) *charge {
	prefix := "ch_"
	if pm.card.bank {
		prefix = "py_"
	}
	ch := c.s.charges.add(&charge{header: c.s.fresh(prefix), intent: pi.id, customer: pi.customer, method: pm.id, invoice: pi.invoice,
		amount: pi.amount, currency: pi.currency, status: "pending", description: pi.description, metadata: clone(pi.metadata)})
	pi.latestCharge, pi.method = ch.id, pm.id
	return ch
}

// attempt charges a method: it succeeds, fails or, for a bank, begins.
func (c *call) attempt(pi *intent, pm *paymentMethod) *apiError {
	if pm.card.bank {
		c.newCharge(pi, pm)
		pi.status, pi.lastError = processing, nil
		c.s.at(c.s.now().Add(c.s.cfg.BankDelay), func(c *call) { c.settleDebit(pi) })
		c.emit("payment_intent.processing", pi)
		return nil
	}
	if pm.card.code != "" {
		return c.decline(pi, pm, cardError(pm.card))
	}
	c.succeed(pi, pm, c.newCharge(pi, pm))
	return nil
}

// decline keeps a failed charge and says so.
func (c *call) decline(pi *intent, pm *paymentMethod, e *apiError) *apiError {
	ch := c.newCharge(pi, pm)
	c.fail(pi, pm, ch, e)
	return e
}

func (c *call) fail(pi *intent, pm *paymentMethod, ch *charge, e *apiError) {
	ch.status, ch.failureCode, ch.failureMessage = "failed", e.Code, e.Message
	if ch.outcome = e.DeclineCode; ch.outcome == "" {
		ch.outcome = e.Code
	}
	e.Charge, e.PaymentMethod = ch.id, pm.wire(c.s)
	pi.status, pi.lastError, pi.method = needsMethod, e, ""
	e.PaymentIntent = pi.wire(c.s)
	c.emit("charge.failed", ch)
	c.emit("payment_intent.payment_failed", pi)
}

// succeed captures the money and books it.
func (c *call) succeed(pi *intent, pm *paymentMethod, ch *charge) {
	ch.status = succeeded
	kind := "charge"
	fee := ch.amount*29/1000 + 30
	if pm.card.bank {
		kind, fee = "payment", min(ch.amount*8/1000, 500)
	}
	ch.txn = c.s.book(ch.amount, fee, kind, "charge", ch.id, ch.description).id
	pi.status, pi.received, pi.lastError = succeeded, pi.amount, nil
	switch {
	case pi.setupFuture != "" && pi.customer != "":
		if pm.customer == "" {
			pm.customer = pi.customer
			c.emit("payment_method.attached", pm)
		}
	case pm.customer == "":
		pm.used = true
	}
	c.emit("charge.succeeded", ch)
	c.emit("payment_intent.succeeded", pi)
	if pm.card.dispute != "" {
		c.openDispute(ch, "fraudulent", pm.card.dispute)
	}
	if inv, ok := c.s.invoices.get(pi.invoice); ok {
		c.settleInvoice(inv)
	}
}

// book writes one movement of the balance; funds are available in two days.
func (s *Server) book(amount, fee int64, kind, category, source, description string) *txn {
	t := &txn{header: s.fresh("txn_"), amount: amount, fee: fee, currency: "usd", kind: kind, category: category,
		source: source, description: description}
	t.available = s.now().Add(48 * time.Hour)
	if category == "payout" {
		t.available = s.now()
	}
	return s.txns.add(t)
}

func (c *call) getCharge() (obj, *apiError) {
	ch, e := one(c, &c.s.charges, "charge", "id")
	if e != nil {
		return nil, e
	}
	return ch.wire(c.s), nil
}

func (c *call) listCharges() (obj, *apiError) {
	return list(c, &c.s.charges, "/v1/charges", func(ch *charge) bool {
		return same(c.p, "customer", ch.customer) && same(c.p, "payment_intent", ch.intent)
	})
}

func (c *call) searchCharges() (obj, *apiError) {
	return search(c, &c.s.charges, "/v1/charges/search", map[string]bool{"amount": true, "created": true, "currency": true, "customer": true, "status": true})
}
