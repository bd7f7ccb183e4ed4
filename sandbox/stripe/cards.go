package stripesim

import "strings"

// testCard is what a test token stands for (docs.stripe.com/testing).
type testCard struct {
	brand, last4, funding string
	// code and decline make the charge fail.
	code, decline, message string
	failAttach             bool // fails already when it is attached
	authenticate           bool // the bank asks for the patient
	dispute                string
	bank                   bool
}

func visa(last4 string) testCard { return testCard{brand: "visa", last4: last4, funding: "credit"} }

func declining(last4, code, decline, message string) testCard {
	c := visa(last4)
	c.code, c.decline, c.message, c.failAttach = code, decline, message, true
	return c
}

func bank(last4, code string) testCard {
	c := testCard{bank: true, last4: last4, code: code}
	if code != "" {
		c.message = "The customer's bank returned the debit: " + strings.ReplaceAll(code, "_", " ") + "."
	}
	return c
}

func needsPatient(last4 string) testCard {
	c := visa(last4)
	c.authenticate = true
	return c
}

func disputing(last4, status string) testCard {
	c := visa(last4)
	c.dispute = status
	return c
}

// testTokens are the test payment methods. Names without "visa" are aliases.
var testTokens = func() map[string]testCard {
	declined := "Your card was declined."
	m := map[string]testCard{
		"pm_card_visa":       visa("4242"),
		"pm_card_visa_debit": {brand: "visa", last4: "5556", funding: "debit"},
		"pm_card_mastercard": {brand: "mastercard", last4: "4444", funding: "credit"},
		"pm_card_amex":       {brand: "amex", last4: "8431", funding: "credit"},
		"pm_card_discover":   {brand: "discover", last4: "9424", funding: "credit"},
		"pm_card_us":         visa("4242"),

		"pm_card_visa_chargeDeclined":                      declining("0002", "card_declined", "generic_decline", declined),
		"pm_card_visa_chargeDeclinedInsufficientFunds":     declining("9995", "card_declined", "insufficient_funds", "Your card has insufficient funds."),
		"pm_card_visa_chargeDeclinedLostCard":              declining("9987", "card_declined", "lost_card", declined),
		"pm_card_visa_chargeDeclinedStolenCard":            declining("9979", "card_declined", "stolen_card", declined),
		"pm_card_visa_chargeDeclinedVelocityLimitExceeded": declining("6975", "card_declined", "card_velocity_exceeded", declined),
		"pm_card_visa_chargeDeclinedFraudulent":            declining("0019", "card_declined", "fraudulent", declined),
		"pm_card_chargeDeclinedExpiredCard":                declining("0069", "expired_card", "expired_card", "Your card has expired."),
		"pm_card_chargeDeclinedIncorrectCvc":               declining("0127", "incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."),
		"pm_card_chargeDeclinedProcessingError": declining("0119", "processing_error", "processing_error",
			"An error occurred while processing your card. Try again in a little bit."),

		"pm_card_authenticationRequired":        needsPatient("3184"),
		"pm_card_authenticationRequiredOnSetup": needsPatient("3155"),
		"pm_card_threeDSecure2Required":         needsPatient("3220"),
		"pm_card_bypassPending":                 visa("0077"),
		"pm_card_createDispute":                 disputing("0259", "needs_response"),
		"pm_card_createDisputeInquiry":          disputing("1976", "warning_needs_response"),

		"pm_usBankAccount_success":            bank("6789", ""),
		"pm_usBankAccount_accountClosed":      bank("1113", "account_closed"),
		"pm_usBankAccount_noAccount":          bank("1116", "no_account"),
		"pm_usBankAccount_insufficientFunds":  bank("2227", "insufficient_funds"),
		"pm_usBankAccount_debitNotAuthorized": bank("3335", "debit_not_authorized"),
	}
	later := declining("0341", "card_declined", "generic_decline", declined)
	later.failAttach = false
	m["pm_card_chargeCustomerFail"] = later
	for name, c := range m {
		if rest, ok := strings.CutPrefix(name, "pm_card_visa_chargeDeclined"); ok {
			m["pm_card_chargeDeclined"+rest] = c
		}
		if rest, ok := strings.CutPrefix(name, "pm_card_chargeDeclined"); ok {
			m["pm_card_visa_chargeDeclined"+rest] = c
		}
	}
	return m
}()

// method finds a stored payment method, or makes one of a test token.
func (s *Server) method(id, param string) (*paymentMethod, *apiError) {
	if pm, ok := s.methods.get(id); ok {
		return pm, nil
	}
	card, ok := testTokens[id]
	if !ok {
		return nil, missingRef("PaymentMethod", id, param)
	}
	return s.newMethod(card), nil
}

func (s *Server) newMethod(card testCard) *paymentMethod {
	kind := "card"
	if card.bank {
		kind = "us_bank_account"
	}
	return s.methods.add(&paymentMethod{header: s.fresh("pm_"), kind: kind, card: card, metadata: map[string]string{}})
}

// cardError is the 402 of a declined card.
func cardError(c testCard) *apiError {
	return &apiError{status: 402, kept: true, Type: "card_error", Code: c.code, DeclineCode: c.decline, Message: c.message}
}

// authenticationError is the 402 of a bank that wants the patient present.
func authenticationError() *apiError {
	return &apiError{status: 402, kept: true, Type: "card_error", Code: "authentication_required", DeclineCode: "authentication_required",
		Message: "Your card was declined. This transaction requires authentication."}
}
