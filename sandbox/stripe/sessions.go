package stripesim

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

var sessionParams = []string{
	"mode:payment|setup|subscription", "success_url:", "cancel_url:", "client_reference_id:", "customer:", "customer_email:",
	"customer_creation:always|if_required", "expires_at:int", "locale:", "submit_type:auto|book|donate|pay",
	"payment_method_types.*:card|us_bank_account",
	"line_items.*.quantity:int", "line_items.*.price_data.currency:", "line_items.*.price_data.unit_amount:int",
	"line_items.*.price_data.product_data.name:", "line_items.*.price_data.product_data.description:",
	"payment_intent_data.metadata.*:text", "payment_intent_data.setup_future_usage:on_session|off_session",
	"payment_intent_data.description:", "payment_intent_data.statement_descriptor_suffix:",
}

func (ss *session) wire(*Server) obj {
	var link any
	if ss.status == "open" {
		link = ss.url
	}
	var details any
	if ss.email != "" || ss.status == "complete" {
		details = obj{"address": nil, "email": null(ss.email), "name": nil, "phone": nil, "tax_exempt": "none", "tax_ids": nil}
	}
	return obj{
		"id": ss.id, "object": "checkout.session", "created": ss.created.Unix(), "livemode": false, "mode": "payment",
		"status": ss.status, "payment_status": ss.paymentStatus, "url": link, "success_url": ss.successURL, "cancel_url": null(ss.cancelURL),
		"client_reference_id": null(ss.clientRef), "customer": null(ss.customer), "customer_email": null(ss.email),
		"customer_creation": null(ss.creation), "customer_details": details, "currency": ss.currency, "amount_subtotal": ss.total,
		"amount_total": ss.total, "expires_at": ss.expires.Unix(), "metadata": metaWire(ss.metadata), "payment_intent": null(ss.intent),
		"payment_method_types": anyList(ss.types), "payment_method_options": obj{}, "payment_method_collection": nil, "payment_link": nil,
		"automatic_tax": obj{"enabled": false, "status": nil}, "custom_fields": []any{},
		"custom_text":      obj{"shipping_address": nil, "submit": nil, "terms_of_service_acceptance": nil},
		"shipping_options": []any{}, "shipping_cost": nil, "shipping_details": nil, "shipping_address_collection": nil,
		"phone_number_collection": obj{"enabled": false}, "invoice_creation": obj{"enabled": false, "invoice_data": obj{"account_tax_ids": nil,
			"custom_fields": nil, "description": nil, "footer": nil, "metadata": obj{}, "rendering_options": nil}},
		"total_details":    obj{"amount_discount": int64(0), "amount_shipping": int64(0), "amount_tax": int64(0)},
		"after_expiration": nil, "allow_promotion_codes": nil, "billing_address_collection": nil, "consent": nil,
		"consent_collection": nil, "currency_conversion": nil, "invoice": nil, "locale": nil, "recovered_from": nil,
		"setup_intent": nil, "submit_type": nil, "subscription": nil,
	}
}

// checkSession refuses what a session cannot be opened with.
func (c *call) checkSession() *apiError {
	p := c.p
	switch {
	case !p.has("mode"):
		return required("mode")
	case p.str("mode") != "payment":
		return invalid("", "mode", "The sandbox only has the mode payment.")
	case !p.has("success_url"):
		return required("success_url")
	case len(p.str("client_reference_id")) > 200:
		return invalid("", "client_reference_id", "Invalid string: must be at most 200 characters")
	case p.has("customer") && p.has("customer_email"):
		return invalid("", "customer_email", "You may only specify one of these parameters: customer, customer_email.")
	case p.has("customer") && p.has("customer_creation"):
		return invalid("", "customer_creation", "You may only specify one of these parameters: customer, customer_creation.")
	}
	for _, param := range []string{"success_url", "cancel_url"} {
		if u, err := url.Parse(p.str(param)); p.has(param) && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
			return invalid("url_invalid", param, "Not a valid URL")
		}
	}
	if p.has("customer") {
		if _, e := c.s.customer(p.str("customer"), "customer"); e != nil {
			return e
		}
	}
	return checkSuffix(p, "payment_intent_data.statement_descriptor_suffix")
}

func (c *call) createSession() (obj, *apiError) {
	p := c.p
	if e := c.checkSession(); e != nil {
		return nil, e
	}
	lines, total, e := c.lines()
	if e != nil {
		return nil, e
	}
	expires, e := c.sessionEnd()
	if e != nil {
		return nil, e
	}
	ss := &session{header: c.s.fresh("cs_test_"), status: "open", paymentStatus: "unpaid", successURL: p.str("success_url"),
		cancelURL: p.str("cancel_url"), clientRef: p.str("client_reference_id"), customer: p.str("customer"), email: p.str("customer_email"),
		types: p.strings("payment_method_types"), lines: lines, currency: "usd", total: total, metadata: clone(p.mapping("metadata")),
		intentMeta: clone(p.mapping("payment_intent_data.metadata")), setupFuture: p.str("payment_intent_data.setup_future_usage"),
		description: p.str("payment_intent_data.description"), suffix: p.str("payment_intent_data.statement_descriptor_suffix"), expires: expires}
	if len(ss.types) == 0 {
		ss.types = []string{"card"}
	}
	if ss.customer == "" {
		ss.creation = "if_required"
		if p.has("customer_creation") {
			ss.creation = p.str("customer_creation")
		}
	}
	ss.url = c.s.o.PublicURL + "/c/pay/" + ss.id
	c.s.sessions.add(ss)
	c.s.at(ss.expires, func(c *call) {
		if ss.status == "open" {
			c.expire(ss)
		}
	})
	return ss.wire(c.s), nil
}

// lines reads the line items and their sum.
func (c *call) lines() ([]line, int64, *apiError) {
	var out []line
	var total int64
	for i := 0; c.p.under("line_items." + strconv.Itoa(i)); i++ {
		at := "line_items." + strconv.Itoa(i) + "."
		name := func(s string) string { return "line_items[" + strconv.Itoa(i) + "]" + s }
		for path, param := range map[string]string{"quantity": "[quantity]", "price_data.currency": "[price_data][currency]",
			"price_data.unit_amount": "[price_data][unit_amount]", "price_data.product_data.name": "[price_data][product_data][name]"} {
			if !c.p.has(at + path) {
				return nil, 0, required(name(param))
			}
		}
		l := line{id: newID("li_"), name: c.p.str(at + "price_data.product_data.name"), description: c.p.str(at + "price_data.product_data.description"),
			unit: c.p.int(at + "price_data.unit_amount"), quantity: c.p.int(at + "quantity")}
		if l.unit < 0 || l.quantity < 1 || l.unit > 99999999 || l.quantity > 999999 {
			return nil, 0, invalid("parameter_invalid_integer", name(""), "This value is out of range.")
		}
		if strings.ToLower(c.p.str(at+"price_data.currency")) != "usd" {
			return nil, 0, invalid("", name("[price_data][currency]"), "Invalid currency: %s. This account takes usd.", c.p.str(at+"price_data.currency"))
		}
		out = append(out, l)
		total += l.unit * l.quantity
	}
	switch {
	case len(out) == 0:
		return nil, 0, required("line_items")
	case total < 50:
		return nil, 0, invalid("amount_too_small", "", "The Checkout Session's total amount must convert to at least 50 cents. $%d.%02d does not.", total/100, total%100)
	case total > 99999999:
		return nil, 0, invalid("amount_too_large", "", "The Checkout Session's total amount must be no more than $999,999.99.")
	}
	return out, total, nil
}

// sessionEnd holds expires_at to 30 minutes to 24 hours ahead.
func (c *call) sessionEnd() (time.Time, *apiError) {
	now := c.s.now()
	if !c.p.has("expires_at") {
		return now.Add(24 * time.Hour).Truncate(time.Second), nil
	}
	at := time.Unix(c.p.int("expires_at"), 0).UTC()
	switch {
	case at.Before(now.Add(30 * time.Minute).Truncate(time.Second)):
		return at, invalid("", "expires_at", "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.")
	case at.After(now.Add(24 * time.Hour)):
		return at, invalid("", "expires_at", "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.")
	}
	return at, nil
}

func (c *call) getSession() (obj, *apiError) {
	ss, e := one(c, &c.s.sessions, "checkout.session", "session")
	if e != nil {
		return nil, e
	}
	return ss.wire(c.s), nil
}

func (c *call) listSessions() (obj, *apiError) {
	return list(c, &c.s.sessions, "/v1/checkout/sessions", func(ss *session) bool {
		return same(c.p, "customer", ss.customer) && same(c.p, "payment_intent", ss.intent)
	})
}

func (c *call) sessionLines() (obj, *apiError) {
	ss, e := one(c, &c.s.sessions, "checkout.session", "session")
	if e != nil {
		return nil, e
	}
	data := make([]any, 0, len(ss.lines))
	for _, l := range ss.lines {
		data = append(data, obj{"id": l.id, "object": "item", "description": l.name, "quantity": l.quantity, "currency": ss.currency,
			"amount_discount": int64(0), "amount_tax": int64(0), "amount_subtotal": l.unit * l.quantity, "amount_total": l.unit * l.quantity, "price": nil})
	}
	return obj{"object": "list", "url": "/v1/checkout/sessions/" + ss.id + "/line_items", "has_more": false, "data": data}, nil
}

func (c *call) expireSession() (obj, *apiError) {
	ss, e := one(c, &c.s.sessions, "checkout.session", "session")
	if e != nil {
		return nil, e
	}
	if ss.status != "open" {
		return nil, conflicts("", "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of `%s`.", ss.status)
	}
	c.expire(ss)
	return ss.wire(c.s), nil
}

func (c *call) expire(ss *session) {
	ss.status = "expired"
	if pi, ok := c.s.intents.get(ss.intent); ok && pi.status != succeeded && pi.status != canceled {
		c.s.cancel(pi, "automatic", c)
	}
	c.emit("checkout.session.expired", ss)
}

// pay lets the patient pay an open session with a test card. A bank's wish
// to see the patient leaves the intent in requires_action.
func (c *call) pay(ss *session, card testCard) *apiError {
	kind := "card"
	if card.bank {
		kind = "us_bank_account"
	}
	if !slices.Contains(ss.types, kind) {
		return invalid("", "payment_method", "This page does not take %s.", kind)
	}
	pi := c.sessionIntent(ss)
	pm := c.s.newMethod(card)
	if card.authenticate {
		pi.status, pi.method, pi.returnURL = needsAction, pm.id, ss.url
		c.emit("payment_intent.requires_action", pi)
		return nil
	}
	if e := c.attempt(pi, pm); e != nil {
		return e
	}
	c.complete(ss, pi)
	return nil
}

// sessionIntent makes the intent when the patient first tries to pay.
func (c *call) sessionIntent(ss *session) *intent {
	if pi, ok := c.s.intents.get(ss.intent); ok {
		return pi
	}
	if ss.customer == "" && (ss.creation == "always" || ss.setupFuture != "") {
		cu := c.s.newCustomer(nil)
		cu.email = ss.email
		ss.customer = cu.id
		c.emit("customer.created", cu)
	}
	pi := c.s.intents.add(&intent{header: c.s.fresh("pi_"), amount: ss.total, currency: ss.currency, status: needsMethod, customer: ss.customer,
		types: ss.types, setupFuture: ss.setupFuture, captureMethod: "automatic_async", description: ss.description, suffix: ss.suffix,
		metadata: clone(ss.intentMeta), session: ss.id})
	ss.intent = pi.id
	c.emit("payment_intent.created", pi)
	return pi
}

// complete closes the session; a bank debit is not paid yet.
func (c *call) complete(ss *session, pi *intent) {
	ss.status = "complete"
	if pi.status == succeeded {
		ss.paymentStatus = "paid"
	}
	c.emit("checkout.session.completed", ss)
}

// authenticate ends a bank's question to the patient.
func (c *call) authenticate(pi *intent, ok bool) *apiError {
	pm, found := c.s.methods.get(pi.method)
	if pi.status != needsAction || !found {
		return conflicts("payment_intent_unexpected_state", "This PaymentIntent does not wait for authentication.")
	}
	if !ok {
		ch := c.newCharge(pi, pm)
		c.fail(pi, pm, ch, &apiError{status: 402, kept: true, Type: "invalid_request_error", Code: "payment_intent_authentication_failure",
			Message: "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent again."})
		return nil
	}
	ch := c.newCharge(pi, pm)
	ch.authenticated = true
	c.succeed(pi, pm, ch)
	if ss, ok := c.s.sessions.get(pi.session); ok {
		c.complete(ss, pi)
	}
	return nil
}

// settleDebit is the bank's answer to a debit, days later.
func (c *call) settleDebit(pi *intent) {
	if pi.status != processing {
		return
	}
	pm, _ := c.s.methods.get(pi.method)
	ch, _ := c.s.charges.get(pi.latestCharge)
	ss, fromPage := c.s.sessions.get(pi.session)
	outcome := "checkout.session.async_payment_succeeded"
	if pm.card.code == "" {
		c.succeed(pi, pm, ch)
		if fromPage {
			ss.paymentStatus = "paid"
		}
	} else {
		e := cardError(pm.card)
		e.Type = "invalid_request_error"
		c.fail(pi, pm, ch, e)
		outcome = "checkout.session.async_payment_failed"
	}
	if fromPage {
		c.emit(outcome, ss)
	}
}
