package stripesim

import (
	"fmt"
	"time"
)

func (it *invoiceItem) wire(*Server) obj {
	if it.deleted {
		return obj{"id": it.id, "object": "invoiceitem", "deleted": true}
	}
	return obj{
		"id": it.id, "object": "invoiceitem", "amount": it.amount, "currency": it.currency, "customer": it.customer,
		"date": it.created.Unix(), "description": null(it.description), "discountable": true, "discounts": []any{}, "invoice": null(it.invoice),
		"livemode": false, "metadata": metaWire(it.metadata), "period": obj{"start": it.created.Unix(), "end": it.created.Unix()},
		"price": nil, "proration": false, "quantity": int64(1), "subscription": nil, "tax_rates": []any{}, "test_clock": nil,
		"unit_amount": it.amount, "unit_amount_decimal": itoa(it.amount),
	}
}

func (inv *invoice) wire(s *Server) obj {
	if inv.deleted {
		return obj{"id": inv.id, "object": "invoice", "deleted": true}
	}
	lines, total := s.invoiceLines(inv)
	due := total
	remaining := total - inv.paid
	o := obj{
		"id": inv.id, "object": "invoice", "created": inv.created.Unix(), "livemode": false, "customer": inv.customer, "status": inv.status,
		"currency": inv.currency, "collection_method": inv.collection, "description": null(inv.description), "metadata": metaWire(inv.metadata),
		"number": null(inv.number), "auto_advance": inv.autoAdvance, "amount_due": due, "amount_paid": inv.paid, "amount_remaining": remaining,
		"amount_shipping": int64(0), "total": total, "subtotal": total, "starting_balance": int64(0), "ending_balance": nil,
		"attempt_count": int64(inv.attempts), "attempted": inv.attempts > 0, "paid": inv.status == "paid", "paid_out_of_band": inv.outOfBand,
		"payment_intent": null(inv.intent), "default_payment_method": null(inv.defaultMethod), "charge": nil, "hosted_invoice_url": nil,
		"invoice_pdf": nil, "due_date": nil, "billing_reason": "manual", "automatic_tax": obj{"enabled": false, "status": nil},
		"default_tax_rates": []any{}, "payment_settings": obj{"default_mandate": nil, "payment_method_options": nil, "payment_method_types": nil},
		"period_start": inv.created.Unix(), "period_end": inv.created.Unix(), "post_payment_credit_notes_amount": int64(0),
		"pre_payment_credit_notes_amount": int64(0), "total_tax_amounts": []any{}, "subscription": nil, "account_country": "US",
		"status_transitions": obj{"finalized_at": stamp(inv.finalizedAt), "marked_uncollectible_at": stamp(inv.uncollectibleAt),
			"paid_at": stamp(inv.paidAt), "voided_at": stamp(inv.voidedAt)},
		"lines": obj{"object": "list", "url": "/v1/invoices/" + inv.id + "/lines", "has_more": false, "data": lines},
	}
	if !inv.dueAt.IsZero() {
		o["due_date"] = inv.dueAt.Unix()
	}
	if !inv.finalizedAt.IsZero() {
		o["hosted_invoice_url"] = s.o.PublicURL + "/i/" + inv.id
		o["invoice_pdf"] = s.o.PublicURL + "/i/" + inv.id + "/pdf"
	}
	if pi, ok := s.intents.get(inv.intent); ok {
		o["charge"] = null(pi.latestCharge)
	}
	return o
}

func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Unix()
}

func (s *Server) invoiceLines(inv *invoice) ([]any, int64) {
	lines, total := []any{}, int64(0)
	for _, it := range s.items.order {
		if it.invoice != inv.id || it.deleted {
			continue
		}
		total += it.amount
		lines = append(lines, obj{"id": "il_" + it.id[3:], "object": "line_item", "amount": it.amount, "currency": it.currency,
			"description": null(it.description), "discountable": true, "discount_amounts": []any{}, "discounts": []any{}, "invoice_item": it.id,
			"livemode": false, "metadata": metaWire(it.metadata), "period": obj{"start": it.created.Unix(), "end": it.created.Unix()},
			"price": nil, "proration": false, "proration_details": obj{"credited_items": nil}, "quantity": int64(1), "subscription": nil,
			"tax_amounts": []any{}, "tax_rates": []any{}, "type": "invoiceitem"})
	}
	return lines, total
}

func (c *call) createItem() (obj, *apiError) {
	if !c.p.has("customer") {
		return nil, required("customer")
	}
	cu, e := c.s.customer(c.p.str("customer"), "customer")
	if e != nil {
		return nil, e
	}
	switch {
	case !c.p.has("amount"):
		return nil, required("amount")
	case c.p.str("currency") != "usd":
		return nil, invalid("", "currency", "Invalid currency: %s. This account takes usd.", c.p.str("currency"))
	}
	if id := c.p.str("invoice"); id != "" {
		inv, ok := c.s.invoices.get(id)
		if !ok || inv.deleted {
			return nil, missingRef("invoice", id, "invoice")
		}
		if inv.status != "draft" || inv.customer != cu.id {
			return nil, conflicts("invoice_not_editable", "The invoice is not a draft of this customer.")
		}
	}
	it := c.s.items.add(&invoiceItem{header: c.s.fresh("ii_"), customer: cu.id, invoice: c.p.str("invoice"), currency: "usd",
		amount: c.p.int("amount"), description: c.p.str("description"), metadata: clone(c.p.mapping("metadata"))})
	c.emit("invoiceitem.created", it)
	return it.wire(c.s), nil
}

func (c *call) getItem() (obj, *apiError) {
	it, e := one(c, &c.s.items, "invoiceitem", "invoiceitem")
	if e != nil {
		return nil, e
	}
	return it.wire(c.s), nil
}

func (c *call) deleteItem() (obj, *apiError) {
	it, e := one(c, &c.s.items, "invoiceitem", "invoiceitem")
	if e != nil || it.deleted {
		return nil, missing("invoiceitem", c.vars["id"], "invoiceitem")
	}
	if inv, ok := c.s.invoices.get(it.invoice); ok && inv.status != "draft" {
		return nil, conflicts("invoice_not_editable", "The item is on an invoice that is no longer a draft.")
	}
	it.deleted = true
	return it.wire(c.s), nil
}

func (c *call) listItems() (obj, *apiError) {
	return list(c, &c.s.items, "/v1/invoiceitems", func(it *invoiceItem) bool {
		return !it.deleted && same(c.p, "customer", it.customer) && same(c.p, "invoice", it.invoice) &&
			(!c.p.has("pending") || c.p.bool("pending") == (it.invoice == ""))
	})
}

func (c *call) createInvoice() (obj, *apiError) {
	if !c.p.has("customer") {
		return nil, required("customer")
	}
	cu, e := c.s.customer(c.p.str("customer"), "customer")
	if e != nil {
		return nil, e
	}
	inv := &invoice{header: c.s.fresh("in_"), customer: cu.id, status: "draft", currency: "usd", collection: "charge_automatically",
		description: c.p.str("description"), metadata: clone(c.p.mapping("metadata")), autoAdvance: c.p.bool("auto_advance"),
		defaultMethod: c.p.str("default_payment_method")}
	if c.p.has("collection_method") {
		inv.collection = c.p.str("collection_method")
	}
	hasDue := c.p.has("days_until_due") || c.p.has("due_date")
	switch {
	case inv.collection == "send_invoice" && !hasDue:
		return nil, required("days_until_due")
	case inv.collection != "send_invoice" && hasDue:
		return nil, invalid("", "days_until_due", "You can only set days_until_due or due_date if invoice is set to send_invoice.")
	case c.p.has("days_until_due"):
		inv.dueAt = c.s.now().Add(time.Duration(c.p.int("days_until_due")) * 24 * time.Hour)
	case c.p.has("due_date"):
		inv.dueAt = time.Unix(c.p.int("due_date"), 0)
	}
	c.s.invoices.add(inv)
	// Since 2022-08-01 pending items are left out unless asked for.
	if b := c.p.str("pending_invoice_items_behavior"); b == "include" || b == "include_and_require" {
		for _, it := range c.s.items.order {
			if it.customer == cu.id && it.invoice == "" && !it.deleted {
				it.invoice = inv.id
			}
		}
	}
	c.emit("invoice.created", inv)
	return inv.wire(c.s), nil
}

func (c *call) anInvoice() (*invoice, *apiError) {
	inv, e := one(c, &c.s.invoices, "invoice", "invoice")
	if e == nil && inv.deleted {
		e = missing("invoice", inv.id, "invoice")
	}
	return inv, e
}

func (c *call) getInvoice() (obj, *apiError) {
	inv, e := c.anInvoice()
	if e != nil {
		return nil, e
	}
	return inv.wire(c.s), nil
}

func (c *call) listInvoices() (obj, *apiError) {
	return list(c, &c.s.invoices, "/v1/invoices", func(inv *invoice) bool {
		return !inv.deleted && same(c.p, "customer", inv.customer) && same(c.p, "status", inv.status) && same(c.p, "collection_method", inv.collection)
	})
}

func (c *call) searchInvoices() (obj, *apiError) {
	return search(c, &c.s.invoices, "/v1/invoices/search", map[string]bool{"created": true, "currency": true, "customer": true, "number": true, "status": true, "total": true})
}

func (c *call) updateInvoice() (obj, *apiError) {
	inv, e := c.anInvoice()
	if e != nil {
		return nil, e
	}
	inv.metadata = merge(inv.metadata, c.p.mapping("metadata"))
	if c.p.has("description") {
		inv.description = c.p.str("description")
	}
	if c.p.has("auto_advance") {
		inv.autoAdvance = c.p.bool("auto_advance")
	}
	c.emit("invoice.updated", inv)
	return inv.wire(c.s), nil
}

func (c *call) deleteInvoice() (obj, *apiError) {
	inv, e := c.anInvoice()
	if e != nil {
		return nil, e
	}
	if inv.status != "draft" {
		return nil, conflicts("invoice_not_editable", "You can only delete draft invoices.")
	}
	c.emit("invoice.deleted", inv)
	inv.deleted = true
	return inv.wire(c.s), nil
}

// finalize fixes the amount and makes the intent that will pay it.
func (c *call) finalize(inv *invoice) {
	_, total := c.s.invoiceLines(inv)
	inv.status, inv.finalizedAt = "open", c.s.now()
	inv.number = fmt.Sprintf("SANDBOX-%04d", len(c.s.invoices.order))
	if total <= 0 {
		inv.status, inv.paidAt = "paid", c.s.now()
		c.emit("invoice.finalized", inv)
		c.emit("invoice.paid", inv)
		return
	}
	pi := c.s.intents.add(&intent{header: c.s.fresh("pi_"), amount: total, currency: "usd", status: needsMethod, customer: inv.customer,
		types: []string{"card"}, captureMethod: "automatic", metadata: map[string]string{}, invoice: inv.id})
	inv.intent = pi.id
	c.emit("payment_intent.created", pi)
	c.emit("invoice.finalized", inv)
}
