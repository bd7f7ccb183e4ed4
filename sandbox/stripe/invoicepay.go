package stripesim

func (c *call) finalizeInvoice() (obj, *apiError) {
	inv, e := c.anInvoice()
	if e != nil {
		return nil, e
	}
	if inv.status != "draft" {
		return nil, conflicts("invoice_not_editable", "This invoice is already finalized, you can't re-finalize a non-draft invoice.")
	}
	if c.p.has("auto_advance") {
		inv.autoAdvance = c.p.bool("auto_advance")
	}
	if lines, _ := c.s.invoiceLines(inv); len(lines) == 0 {
		return nil, conflicts("invoice_no_customer_line_items", "Nothing to invoice for customer")
	}
	c.finalize(inv)
	return inv.wire(c.s), nil
}

func (c *call) sendInvoice() (obj, *apiError) {
	inv, e := c.anInvoice()
	if e != nil {
		return nil, e
	}
	cu, e := c.s.customer(inv.customer, "customer")
	switch {
	case e != nil:
		return nil, e
	case inv.collection != "send_invoice":
		return nil, conflicts("", "You can only manually send an invoice if its collection method is 'send_invoice'.")
	case cu.email == "":
		return nil, conflicts("", "Missing email. In order to send invoices, the customer must have a valid email.")
	case inv.status == "draft":
		c.finalize(inv)
	case inv.status != "open":
		return nil, conflicts("", "You can only send an open invoice.")
	}
	c.emit("invoice.sent", inv)
	return inv.wire(c.s), nil
}

func (c *call) payInvoice() (obj, *apiError) {
	inv, e := c.anInvoice()
	if e != nil {
		return nil, e
	}
	if inv.status == "draft" {
		c.finalize(inv)
	}
	if inv.status != "open" && inv.status != "uncollectible" {
		return nil, conflicts("", "Invoice is already %s", inv.status)
	}
	if c.p.bool("paid_out_of_band") {
		inv.outOfBand = true
		if pi, ok := c.s.intents.get(inv.intent); ok {
			c.s.cancel(pi, "automatic", c)
		}
		c.settleInvoice(inv)
		return inv.wire(c.s), nil
	}
	id := c.p.str("payment_method")
	if id == "" {
		id = inv.defaultMethod
	}
	if cu, ok := c.s.customers.get(inv.customer); ok && id == "" {
		id = cu.defaultMethod
	}
	if id == "" {
		return nil, conflicts("", "Cannot charge a customer that has no active card")
	}
	pi, _ := c.s.intents.get(inv.intent)
	pm, e := c.methodFor(pi, id)
	if e != nil {
		return nil, e
	}
	if e := c.chargeInvoice(inv, pi, pm); e != nil {
		return nil, e
	}
	return inv.wire(c.s), nil
}

// chargeInvoice tries a card on an open invoice.
func (c *call) chargeInvoice(inv *invoice, pi *intent, pm *paymentMethod) *apiError {
	inv.attempts++
	var e *apiError
	if pm.card.authenticate {
		pi.status, pi.method = needsAction, pm.id
		c.emit("payment_intent.requires_action", pi)
		c.emit("invoice.payment_action_required", inv)
		e = conflicts("invoice_payment_intent_requires_action", "This payment requires additional user action before it can be completed successfully. Payment can be completed using the PaymentIntent associated with the invoice.")
		e.status, e.Type = 402, "card_error"
	} else {
		e = c.attempt(pi, pm)
	}
	if e != nil {
		c.emit("invoice.payment_failed", inv)
	}
	return e
}

// settleInvoice marks an invoice paid. What was paid elsewhere was no attempt
// of the platform's, so none is said to have succeeded.
func (c *call) settleInvoice(inv *invoice) {
	_, total := c.s.invoiceLines(inv)
	inv.status, inv.paid, inv.paidAt = "paid", total, c.s.now()
	c.emit("invoice.paid", inv)
	if !inv.outOfBand {
		c.emit("invoice.payment_succeeded", inv)
	}
}

func (c *call) voidInvoice() (obj, *apiError) {
	inv, e := c.anInvoice()
	if e != nil {
		return nil, e
	}
	if inv.status != "open" && inv.status != "uncollectible" {
		return nil, conflicts("", "You can only pass in open invoices. This invoice isn't open.")
	}
	inv.status, inv.voidedAt = "void", c.s.now()
	if pi, ok := c.s.intents.get(inv.intent); ok {
		c.s.cancel(pi, "void_invoice", c)
	}
	c.emit("invoice.voided", inv)
	return inv.wire(c.s), nil
}

func (c *call) markUncollectible() (obj, *apiError) {
	inv, e := c.anInvoice()
	if e != nil {
		return nil, e
	}
	if inv.status != "open" {
		return nil, conflicts("", "You can only mark an open invoice as uncollectible.")
	}
	inv.status, inv.uncollectibleAt = "uncollectible", c.s.now()
	c.emit("invoice.marked_uncollectible", inv)
	return inv.wire(c.s), nil
}
