package stripesim

func (re *refund) wire(*Server) obj {
	o := obj{
		"id": re.id, "object": "refund", "created": re.created.Unix(), "amount": re.amount, "currency": re.currency,
		"payment_intent": null(re.intent), "charge": re.charge, "reason": null(re.reason), "status": re.status,
		"metadata": metaWire(re.metadata), "balance_transaction": null(re.txn), "receipt_number": nil,
		"source_transfer_reversal": nil, "transfer_reversal": nil,
	}
	if re.failure != "" {
		o["failure_reason"] = re.failure
	}
	return o
}

func (c *call) createRefund() (obj, *apiError) {
	ch, e := c.refundable()
	if e != nil {
		return nil, e
	}
	left := ch.amount - ch.refunded
	amount := left
	if c.p.has("amount") {
		amount = c.p.int("amount")
	}
	switch {
	case ch.disputed && c.s.openDisputeOf(ch.id):
		return nil, conflicts("charge_disputed", "Charge %s has been charged back; cannot issue a refund.", ch.id)
	case left == 0:
		return nil, conflicts("charge_already_refunded", "Charge %s has already been refunded.", ch.id)
	case amount < 1:
		return nil, invalid("parameter_invalid_integer", "amount", "This value must be greater than or equal to 1.")
	case amount > left:
		return nil, invalid("", "amount", "Refund amount ($%d.%02d) is greater than unrefunded amount on charge ($%d.%02d)", amount/100, amount%100, left/100, left%100)
	}
	re := c.refund(ch, amount, c.p.str("reason"), clone(c.p.mapping("metadata")))
	return re.wire(c.s), nil
}

// refundable finds the succeeded charge that the parameters name.
func (c *call) refundable() (*charge, *apiError) {
	id := c.p.str("charge")
	switch {
	case c.p.has("charge") && c.p.has("payment_intent"):
		return nil, invalid("", "charge", "You may only specify one of these parameters: charge, payment_intent.")
	case c.p.has("payment_intent"):
		pi, ok := c.s.intents.get(c.p.str("payment_intent"))
		if !ok {
			return nil, missingRef("payment_intent", c.p.str("payment_intent"), "payment_intent")
		}
		if pi.status != succeeded {
			return nil, c.unexpected(pi, "This PaymentIntent (%s) does not have a successful charge to refund.", pi.id)
		}
		id = pi.latestCharge
	case !c.p.has("charge"):
		return nil, invalid("parameter_missing", "charge", "One of the following params should be provided for this request: payment_intent or charge.")
	}
	ch, ok := c.s.charges.get(id)
	if !ok {
		return nil, missingRef("charge", id, "charge")
	}
	if ch.status != succeeded {
		return nil, conflicts("charge_not_refundable", "Charge %s is not refundable.", id)
	}
	return ch, nil
}

// refund gives money back; to a bank account it takes days and is pending.
func (c *call) refund(ch *charge, amount int64, reason string, meta map[string]string) *refund {
	pm, _ := c.s.methods.get(ch.method)
	re := &refund{header: c.s.fresh("re_"), intent: ch.intent, charge: ch.id, amount: amount, currency: ch.currency, reason: reason,
		status: succeeded, metadata: meta}
	kind := "refund"
	if pm.card.bank {
		re.status, kind = "pending", "payment_refund"
	}
	re.txn = c.s.book(-amount, 0, kind, "refund", re.id, "REFUND FOR CHARGE").id
	c.s.refunds.add(re)
	ch.refunded += amount
	c.emit("refund.created", re)
	c.emit("charge.refunded", ch)
	return re
}

func (c *call) getRefund() (obj, *apiError) {
	re, e := one(c, &c.s.refunds, "refund", "refund")
	if e != nil {
		return nil, e
	}
	return re.wire(c.s), nil
}

func (c *call) listRefunds() (obj, *apiError) {
	return list(c, &c.s.refunds, "/v1/refunds", func(re *refund) bool {
		return same(c.p, "payment_intent", re.intent) && same(c.p, "charge", re.charge)
	})
}

func (c *call) updateRefund() (obj, *apiError) {
	re, e := one(c, &c.s.refunds, "refund", "refund")
	if e != nil {
		return nil, e
	}
	re.metadata = merge(re.metadata, c.p.mapping("metadata"))
	c.emit("charge.refund.updated", re)
	return re.wire(c.s), nil
}

func (c *call) cancelRefund() (obj, *apiError) {
	re, e := one(c, &c.s.refunds, "refund", "refund")
	if e != nil {
		return nil, e
	}
	return nil, conflicts("", "Refund %s has a status of %s; only refunds in the requires_action status can be canceled.", re.id, re.status)
}

// failRefund is a refund that the bank sent back.
func (c *call) failRefund(re *refund) {
	if re.status == "failed" {
		return
	}
	ch, _ := c.s.charges.get(re.charge)
	re.status, re.failure = "failed", "expired_or_canceled_card"
	ch.refunded -= re.amount
	c.s.book(re.amount, 0, "refund_failure", "refund_failure", re.id, "REFUND FAILURE")
	c.emit("charge.refund.updated", re)
	c.emit("refund.updated", re)
}
