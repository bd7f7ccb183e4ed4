package stripesim

import (
	"slices"
	"strings"
	"unicode"
)

// The statuses of a payment intent.
const (
	needsMethod  = "requires_payment_method"
	needsConfirm = "requires_confirmation"
	needsAction  = "requires_action"
	processing   = "processing"
	canceled     = "canceled"
	succeeded    = "succeeded"
)

func (pi *intent) wire(s *Server) obj {
	o := obj{
		"id": pi.id, "object": "payment_intent", "created": pi.created.Unix(), "livemode": false,
		"amount": pi.amount, "amount_capturable": int64(0), "amount_received": pi.received, "amount_details": obj{"tip": obj{}},
		"currency": pi.currency, "status": pi.status, "customer": null(pi.customer), "payment_method": null(pi.method),
		"payment_method_types": anyList(pi.types), "payment_method_options": obj{}, "automatic_payment_methods": nil,
		"setup_future_usage": null(pi.setupFuture), "capture_method": pi.captureMethod, "confirmation_method": "automatic",
		"description": null(pi.description), "statement_descriptor": nil, "statement_descriptor_suffix": null(pi.suffix),
		"receipt_email": null(pi.receiptEmail), "metadata": metaWire(pi.metadata), "last_payment_error": nil, "next_action": nil,
		"latest_charge": null(pi.latestCharge), "invoice": null(pi.invoice), "client_secret": pi.id + "_secret_" + pi.id[3:],
		"canceled_at": nil, "cancellation_reason": null(pi.cancelReason), "application": nil, "application_fee_amount": nil,
		"on_behalf_of": nil, "processing": nil, "review": nil, "shipping": nil, "transfer_data": nil, "transfer_group": nil,
	}
	if pi.automatic {
		redirects := "never"
		if pi.redirects {
			redirects = "always"
		}
		o["automatic_payment_methods"] = obj{"enabled": true, "allow_redirects": redirects}
	}
	if pi.lastError != nil {
		last := *pi.lastError
		last.PaymentIntent = nil
		o["last_payment_error"] = errorWire(&last)
	}
	if !pi.cancelledAt.IsZero() {
		o["canceled_at"] = pi.cancelledAt.Unix()
	}
	if pi.status == needsAction {
		o["next_action"] = obj{"type": "redirect_to_url", "redirect_to_url": obj{"return_url": null(pi.returnURL), "url": s.o.PublicURL + "/3ds/" + pi.id}}
		if pi.returnURL == "" {
			o["next_action"] = obj{"type": "use_stripe_sdk", "use_stripe_sdk": obj{"type": "three_d_secure_redirect"}}
		}
	}
	if pi.status == processing {
		o["processing"] = obj{"type": "card", "card": obj{}}
		if !slices.Contains(pi.types, "card") {
			o["processing"] = nil
		}
	}
	return o
}

// errorWire is an error inside an object.
func errorWire(e *apiError) obj {
	o := obj{"type": e.Type, "message": e.Message}
	for k, v := range map[string]string{"code": e.Code, "decline_code": e.DeclineCode, "charge": e.Charge} {
		if v != "" {
			o[k] = v
		}
	}
	if e.PaymentMethod != nil {
		o["payment_method"] = e.PaymentMethod
	}
	return o
}

func anyList(in []string) []any {
	out := make([]any, 0, len(in))
	for _, x := range in {
		out = append(out, x)
	}
	return out
}

// checkMoney holds amounts to the platform's bounds (docs.stripe.com/
// currencies: at least 50 cents, at most eight digits).
func checkMoney(amount int64, currency, amountParam, currencyParam string) *apiError {
	switch {
	case currency == "":
		return required(currencyParam)
	case strings.ToLower(currency) != "usd":
		return invalid("", currencyParam, "Invalid currency: %s. This account takes usd.", currency)
	case amount < 1:
		return invalid("parameter_invalid_integer", amountParam, "This value must be greater than or equal to 1.")
	case amount < 50:
		return invalid("amount_too_small", amountParam, "Amount must be at least $0.50 usd")
	case amount > 99999999:
		return invalid("amount_too_large", amountParam, "Amount must be no more than $999,999.99")
	}
	return nil
}

// checkSuffix holds what is added to the account's name on card statements to
// the platform's rules (docs.stripe.com/get-started/account/statement-
// descriptors): at most 22 characters, one letter at least, no quoting signs.
func checkSuffix(p params, path string) *apiError {
	v, param := p.str(path), p.raw[path]
	switch {
	case !p.has(path):
		return nil
	case len(v) > 22:
		return invalid("", param, "The statement descriptor suffix must be at most 22 characters.")
	case strings.ContainsAny(v, `<>\'"*`):
		return invalid("", param, "The statement descriptor suffix contains characters that are not allowed.")
	case !strings.ContainsFunc(v, unicode.IsLetter):
		return invalid("", param, "The statement descriptor suffix must contain at least one letter.")
	}
	return nil
}

func (c *call) createIntent() (obj, *apiError) {
	p := c.p
	if !p.has("amount") {
		return nil, required("amount")
	}
	if e := checkMoney(p.int("amount"), p.str("currency"), "amount", "currency"); e != nil {
		return nil, e
	}
	for _, only := range []string{"off_session", "error_on_requires_action", "return_url"} {
		if p.has(only) && !p.bool("confirm") {
			return nil, invalid("", only, "You cannot provide `%s` unless you also confirm: set `confirm` to true.", only)
		}
	}
	if p.has("customer") {
		if _, e := c.s.customer(p.str("customer"), "customer"); e != nil {
			return nil, e
		}
	}
	if e := checkSuffix(p, "statement_descriptor_suffix"); e != nil {
		return nil, e
	}
	types := p.strings("payment_method_types")
	if len(types) > 0 && p.has("automatic_payment_methods.enabled") {
		return nil, invalid("", "payment_method_types", "You may only specify one of these parameters: automatic_payment_methods, payment_method_types.")
	}
	pi := &intent{header: c.s.fresh("pi_"), amount: p.int("amount"), currency: "usd", status: needsMethod, customer: p.str("customer"),
		types: types, setupFuture: p.str("setup_future_usage"), captureMethod: "automatic_async", description: p.str("description"),
		suffix: p.str("statement_descriptor_suffix"), receiptEmail: p.str("receipt_email"), metadata: clone(p.mapping("metadata"))}
	if p.has("capture_method") {
		pi.captureMethod = p.str("capture_method")
	}
	if len(types) == 0 {
		pi.automatic, pi.types = true, []string{"card", "us_bank_account"}
		pi.redirects = p.str("automatic_payment_methods.allow_redirects") != "never"
	}
	return c.startIntent(pi)
}

// startIntent resolves the method before anything is kept, so that a refused
// request leaves nothing behind.
func (c *call) startIntent(pi *intent) (obj, *apiError) {
	confirm := c.p.bool("confirm")
	var pm *paymentMethod
	if c.p.has("payment_method") {
		var e *apiError
		if pm, e = c.methodFor(pi, c.p.str("payment_method")); e != nil {
			return nil, e
		}
	}
	if confirm {
		if e := c.confirmable(pi, pm); e != nil {
			return nil, e
		}
	}
	if pm != nil {
		pi.method, pi.status = pm.id, needsConfirm
	}
	c.s.intents.add(pi)
	c.emit("payment_intent.created", pi)
	if !confirm {
		return pi.wire(c.s), nil
	}
	return c.confirm(pi, pm)
}

// methodFor checks that a method may pay an intent.
func (c *call) methodFor(pi *intent, id string) (*paymentMethod, *apiError) {
	pm, e := c.s.method(id, "payment_method")
	if e != nil {
		return nil, e
	}
	switch {
	case !slices.Contains(pi.types, pm.kind):
		return nil, invalid("payment_intent_incompatible_payment_method", "payment_method", "The PaymentMethod provided (%s) is not allowed for this PaymentIntent. Please attach a PaymentMethod of one of these types instead: %s.", pm.kind, strings.Join(pi.types, ", "))
	case pm.used:
		return nil, invalid("", "payment_method", "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a connected account without Customer attachment, or was detached from a Customer. It may not be used again. To use a PaymentMethod multiple times, you must attach it to a Customer first.")
	case pm.customer != "" && pi.customer == "":
		return nil, invalid("payment_intent_unexpected_state", "payment_method", "The provided PaymentMethod cannot be used because it belongs to a Customer. Provide the customer parameter.")
	case pm.customer != "" && pm.customer != pi.customer:
		return nil, invalid("", "payment_method", "The customer does not have a payment method with the ID %s. The payment method must be attached to the customer.", id)
	}
	return pm, nil
}

// confirmable refuses a confirmation that cannot be tried.
func (c *call) confirmable(pi *intent, pm *paymentMethod) *apiError {
	switch {
	case pm == nil:
		return invalid("payment_intent_unexpected_state", "payment_method", "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.")
	case pi.automatic && pi.redirects && !c.p.has("return_url"):
		return invalid("", "return_url", "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents.")
	case pm.card.bank && pm.customer == "" && !c.p.under("mandate_data"):
		return invalid("payment_intent_mandate_invalid", "mandate_data", "A mandate is required to debit this bank account: provide `mandate_data`.")
	}
	return nil
}

func (c *call) confirmIntent() (obj, *apiError) {
	pi, e := one(c, &c.s.intents, "payment_intent", "intent")
	if e != nil {
		return nil, e
	}
	if pi.status != needsMethod && pi.status != needsConfirm {
		return nil, c.unexpected(pi, "You cannot confirm this PaymentIntent because it has already %s.", map[string]string{succeeded: "succeeded after being previously confirmed",
			canceled: "been canceled", processing: "been confirmed and is processing", needsAction: "been confirmed and requires action"}[pi.status])
	}
	id := pi.method
	if c.p.has("payment_method") {
		id = c.p.str("payment_method")
	}
	var pm *paymentMethod
	if id != "" {
		if pm, e = c.methodFor(pi, id); e != nil {
			return nil, e
		}
	}
	if e := c.confirmable(pi, pm); e != nil {
		return nil, e
	}
	if c.p.has("setup_future_usage") {
		pi.setupFuture = c.p.str("setup_future_usage")
	}
	pi.method = pm.id
	return c.confirm(pi, pm)
}

// confirm tries to take the money.
func (c *call) confirm(pi *intent, pm *paymentMethod) (obj, *apiError) {
	pi.returnURL = c.p.str("return_url")
	alone := c.p.bool("off_session") || c.p.bool("error_on_requires_action")
	var e *apiError
	switch {
	case pm.card.authenticate && alone:
		e = c.decline(pi, pm, authenticationError())
	case pm.card.authenticate:
		pi.status = needsAction
		c.emit("payment_intent.requires_action", pi)
	default:
		e = c.attempt(pi, pm)
	}
	if e != nil {
		return nil, e
	}
	return pi.wire(c.s), nil
}

// unexpected is the error of an intent in the wrong state.
func (c *call) unexpected(pi *intent, format string, args ...any) *apiError {
	e := conflicts("payment_intent_unexpected_state", format, args...)
	e.PaymentIntent = pi.wire(c.s)
	return e
}

func (c *call) getIntent() (obj, *apiError) {
	pi, e := one(c, &c.s.intents, "payment_intent", "intent")
	if e != nil {
		return nil, e
	}
	return pi.wire(c.s), nil
}

func (c *call) updateIntent() (obj, *apiError) {
	pi, e := one(c, &c.s.intents, "payment_intent", "intent")
	if e != nil {
		return nil, e
	}
	money := c.p.has("amount") || c.p.has("currency") || c.p.has("customer") || c.p.has("payment_method")
	if money && pi.status != needsMethod && pi.status != needsConfirm {
		return nil, c.unexpected(pi, "This PaymentIntent's amount, customer or payment method could not be updated because it has a status of %s.", pi.status)
	}
	amount := pi.amount
	if c.p.has("amount") {
		amount = c.p.int("amount")
	}
	if e := checkMoney(amount, "usd", "amount", "currency"); e != nil {
		return nil, e
	}
	if c.p.has("customer") {
		cu, e := c.s.customer(c.p.str("customer"), "customer")
		switch {
		case e != nil:
			return nil, e
		case pi.customer != "" && pi.customer != cu.id:
			return nil, c.unexpected(pi, "You cannot modify `customer` on a PaymentIntent once it already has been set. To fulfill a payment with a different Customer, cancel this PaymentIntent and create a new one.")
		}
		pi.customer = cu.id
	}
	if c.p.has("payment_method") {
		pm, e := c.methodFor(pi, c.p.str("payment_method"))
		if e != nil {
			return nil, e
		}
		pi.method, pi.status = pm.id, needsConfirm
	}
	pi.amount, pi.metadata = amount, merge(pi.metadata, c.p.mapping("metadata"))
	if c.p.has("description") {
		pi.description = c.p.str("description")
	}
	return pi.wire(c.s), nil
}

func (c *call) cancelIntent() (obj, *apiError) {
	pi, e := one(c, &c.s.intents, "payment_intent", "intent")
	if e != nil {
		return nil, e
	}
	switch {
	case pi.status == succeeded, pi.status == canceled, pi.status == processing:
		return nil, c.unexpected(pi, "You cannot cancel this PaymentIntent because it has a status of %s. Only a PaymentIntent with one of the following statuses may be canceled: requires_payment_method, requires_capture, requires_confirmation, requires_action, processing.", pi.status)
	case pi.session != "":
		return nil, c.unexpected(pi, "You cannot cancel this PaymentIntent because it was created by Checkout. Expire the Checkout Session instead.")
	case pi.invoice != "":
		return nil, c.unexpected(pi, "You cannot cancel this PaymentIntent because it was created by an invoice. Void the invoice instead.")
	}
	c.s.cancel(pi, c.p.str("cancellation_reason"), c)
	return pi.wire(c.s), nil
}

func (s *Server) cancel(pi *intent, reason string, c *call) {
	pi.status, pi.cancelReason, pi.cancelledAt = canceled, reason, s.now()
	c.emit("payment_intent.canceled", pi)
}

func (c *call) listIntents() (obj, *apiError) {
	return list(c, &c.s.intents, "/v1/payment_intents", func(pi *intent) bool { return same(c.p, "customer", pi.customer) })
}

func (c *call) searchIntents() (obj, *apiError) {
	return search(c, &c.s.intents, "/v1/payment_intents/search", map[string]bool{"amount": true, "created": true, "currency": true, "customer": true, "status": true})
}
