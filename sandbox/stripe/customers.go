package stripesim

import "strings"

func (cu *customer) wire(*Server) obj {
	if cu.deleted {
		return obj{"id": cu.id, "object": "customer", "deleted": true}
	}
	return obj{
		"id": cu.id, "object": "customer", "created": cu.created.Unix(), "livemode": false,
		"name": null(cu.name), "email": null(cu.email), "phone": null(cu.phone), "description": null(cu.description),
		"metadata": metaWire(cu.metadata), "address": nil, "balance": int64(0), "currency": nil, "default_source": nil,
		"delinquent": false, "discount": nil, "invoice_prefix": strings.ToUpper(cu.id[len(cu.id)-8:]),
		"invoice_settings":  obj{"custom_fields": nil, "default_payment_method": null(cu.defaultMethod), "footer": nil, "rendering_options": nil},
		"preferred_locales": []any{}, "shipping": nil, "tax_exempt": "none", "test_clock": nil,
	}
}

// customer finds a customer that was not deleted.
func (s *Server) customer(id, param string) (*customer, *apiError) {
	cu, ok := s.customers.get(id)
	if !ok || cu.deleted {
		return nil, missingRef("customer", id, param)
	}
	return cu, nil
}

func (s *Server) newCustomer(meta map[string]string) *customer {
	cu := s.customers.add(&customer{header: s.fresh("cus_"), metadata: clone(meta)})
	return cu
}

const defaultMethodParam = "invoice_settings.default_payment_method"

// defaultMethod is the method that the parameters choose to pay invoices; it
// must be the customer's.
func (c *call) defaultMethod(cu *customer) (string, *apiError) {
	id := c.p.str(defaultMethodParam)
	if id == "" {
		return "", nil
	}
	pm, ok := c.s.methods.get(id)
	switch {
	case !ok:
		return "", missingRef("PaymentMethod", id, c.p.raw[defaultMethodParam])
	case cu == nil || pm.customer != cu.id:
		return "", invalid("resource_missing", c.p.raw[defaultMethodParam], "The customer does not have a payment method with the ID %s. The payment method must be attached to the customer.", id)
	}
	return id, nil
}

func (c *call) fillCustomer(cu *customer) {
	for param, field := range map[string]*string{"name": &cu.name, "email": &cu.email, "phone": &cu.phone, "description": &cu.description} {
		if c.p.has(param) {
			*field = c.p.str(param)
		}
	}
	cu.metadata = merge(cu.metadata, c.p.mapping("metadata"))
}

func (c *call) createCustomer() (obj, *apiError) {
	if email := c.p.str("email"); email != "" && !strings.Contains(email, "@") {
		return nil, invalid("email_invalid", "email", "Invalid email address: %s", email)
	}
	if c.p.str(defaultMethodParam) != c.p.str("payment_method") { // a new customer has no other
		if _, e := c.defaultMethod(nil); e != nil {
			return nil, e
		}
	}
	var pm *paymentMethod
	if c.p.has("payment_method") {
		var e *apiError
		if pm, e = c.s.method(c.p.str("payment_method"), "payment_method"); e != nil {
			return nil, e
		}
		if e := attachable(pm); e != nil {
			return nil, e
		}
	}
	cu := c.s.newCustomer(nil)
	c.fillCustomer(cu)
	if pm != nil {
		pm.customer = cu.id
		if c.p.str(defaultMethodParam) != "" {
			cu.defaultMethod = pm.id
		}
	}
	c.emit("customer.created", cu)
	return cu.wire(c.s), nil
}

func (c *call) getCustomer() (obj, *apiError) {
	cu, e := one(c, &c.s.customers, "customer", "id")
	if e != nil {
		return nil, e
	}
	return cu.wire(c.s), nil
}

func (c *call) updateCustomer() (obj, *apiError) {
	cu, e := one(c, &c.s.customers, "customer", "id")
	if e != nil || cu.deleted {
		return nil, missing("customer", c.vars["id"], "id")
	}
	chosen, e := c.defaultMethod(cu)
	if e != nil {
		return nil, e
	}
	if c.p.has(defaultMethodParam) {
		cu.defaultMethod = chosen
	}
	c.fillCustomer(cu)
	c.emit("customer.updated", cu)
	return cu.wire(c.s), nil
}

func (c *call) deleteCustomer() (obj, *apiError) {
	cu, e := one(c, &c.s.customers, "customer", "id")
	if e != nil || cu.deleted {
		return nil, missing("customer", c.vars["id"], "id")
	}
	c.emit("customer.deleted", cu)
	cu.deleted = true
	for _, pm := range c.s.methods.order {
		if pm.customer == cu.id {
			pm.customer, pm.used = "", true
		}
	}
	return cu.wire(c.s), nil
}

func (c *call) listCustomers() (obj, *apiError) {
	return list(c, &c.s.customers, "/v1/customers", func(cu *customer) bool { return !cu.deleted && same(c.p, "email", cu.email) })
}

func (c *call) searchCustomers() (obj, *apiError) {
	return search(c, &c.s.customers, "/v1/customers/search", map[string]bool{"created": true, "email": true, "name": true, "phone": true})
}

func (pm *paymentMethod) wire(*Server) obj {
	o := obj{
		"id": pm.id, "object": "payment_method", "created": pm.created.Unix(), "livemode": false, "type": pm.kind,
		"customer": null(pm.customer), "metadata": metaWire(pm.metadata),
		"billing_details": obj{"address": obj{"city": nil, "country": nil, "line1": nil, "line2": nil, "postal_code": nil, "state": nil},
			"email": nil, "name": nil, "phone": nil},
	}
	if pm.card.bank {
		o["us_bank_account"] = obj{"account_holder_type": "individual", "account_type": "checking", "bank_name": "STRIPE TEST BANK",
			"financial_connections_account": nil, "fingerprint": "FFDMA0xfhBjWSZLu", "last4": pm.card.last4,
			"networks": obj{"preferred": "ach", "supported": []any{"ach"}}, "routing_number": "110000000", "status_details": obj{}}
		return o
	}
	o["card"] = cardWire(pm, obj{"generated_from": nil, "networks": obj{"available": []any{pm.card.brand}, "preferred": nil},
		"three_d_secure_usage": obj{"supported": true}})
	return o
}

// cardWire is a card's public data; expiry is three years after it was made.
func cardWire(pm *paymentMethod, more obj) obj {
	o := obj{"brand": pm.card.brand, "last4": pm.card.last4, "funding": pm.card.funding, "country": "US",
		"exp_month": int64(pm.created.Month()), "exp_year": int64(pm.created.Year() + 3), "fingerprint": "Xt5EWLLDS7FJjR1c",
		"checks": obj{"address_line1_check": nil, "address_postal_code_check": nil, "cvc_check": "pass"}, "wallet": nil}
	for k, v := range more {
		o[k] = v
	}
	return o
}

func (c *call) createMethod() (obj, *apiError) {
	switch {
	case !c.p.has("type"):
		return nil, required("type")
	case c.p.has("card.number"):
		e := invalid("", "", "Sending credit card numbers directly to the Stripe API is generally unsafe. We suggest you use test tokens that map to the test card you are using, see https://stripe.com/docs/testing.")
		e.status, e.Type = 402, "card_error"
		return nil, e
	case !c.p.has("card.token"):
		return nil, required("card")
	}
	name := "pm_card_" + strings.TrimPrefix(c.p.str("card.token"), "tok_")
	card, ok := testTokens[name]
	if !ok {
		return nil, missingRef("token", c.p.str("card.token"), "card[token]")
	}
	pm := c.s.newMethod(card)
	pm.metadata = clone(c.p.mapping("metadata"))
	return pm.wire(c.s), nil
}

func (c *call) getMethod() (obj, *apiError) {
	pm, e := c.s.method(c.vars["id"], "payment_method")
	if e != nil {
		return nil, missing("PaymentMethod", c.vars["id"], "payment_method")
	}
	return pm.wire(c.s), nil
}

func (c *call) listMethods() (obj, *apiError) {
	if !c.p.has("customer") {
		return nil, required("customer")
	}
	return c.methodsOf(c.p.str("customer"), "/v1/payment_methods")
}

func (c *call) listCustomerMethods() (obj, *apiError) {
	id := c.vars["id"]
	return c.methodsOf(id, "/v1/customers/"+id+"/payment_methods")
}

func (c *call) methodsOf(customer, url string) (obj, *apiError) {
	if _, e := c.s.customer(customer, "customer"); e != nil {
		e.status = 404
		return nil, e
	}
	return list(c, &c.s.methods, url, func(pm *paymentMethod) bool { return pm.customer == customer && same(c.p, "type", pm.kind) })
}

// attachable refuses cards that the bank declines when they are stored, and
// methods that cannot be stored any more.
func attachable(pm *paymentMethod) *apiError {
	switch {
	case pm.card.failAttach:
		return cardError(pm.card)
	case pm.used:
		return invalid("", "", "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, and may not be used again.")
	}
	return nil
}

func (c *call) attachMethod() (obj, *apiError) {
	if !c.p.has("customer") {
		return nil, required("customer")
	}
	cu, e := c.s.customer(c.p.str("customer"), "customer")
	if e != nil {
		return nil, e
	}
	pm, e := c.s.method(c.vars["id"], "payment_method")
	if e != nil {
		return nil, missing("PaymentMethod", c.vars["id"], "payment_method")
	}
	if pm.customer != "" && pm.customer != cu.id {
		return nil, conflicts("payment_method_unexpected_state", "The payment method you provided has already been attached to a customer.")
	}
	if e := attachable(pm); e != nil {
		return nil, e
	}
	pm.customer = cu.id
	c.emit("payment_method.attached", pm)
	return pm.wire(c.s), nil
}

func (c *call) detachMethod() (obj, *apiError) {
	pm, e := one(c, &c.s.methods, "PaymentMethod", "payment_method")
	if e != nil {
		return nil, e
	}
	if pm.customer == "" {
		return nil, conflicts("", "The payment method you provided is not attached to a customer so detachment is impossible.")
	}
	if cu, ok := c.s.customers.get(pm.customer); ok && cu.defaultMethod == pm.id {
		cu.defaultMethod = ""
	}
	pm.customer, pm.used = "", true
	c.emit("payment_method.detached", pm)
	return pm.wire(c.s), nil
}
