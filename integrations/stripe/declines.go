package stripe

import (
	"fmt"
	"regexp"
)

// finalDeclines are the reasons after which the same card must not be tried
// again (docs.stripe.com/declines/codes): the issuer will not change its mind,
// and card networks fine those who go on asking.
var finalDeclines = map[string]bool{
	"lost_card":                         true,
	"stolen_card":                       true,
	"pickup_card":                       true,
	"restricted_card":                   true,
	"do_not_try_again":                  true,
	"revocation_of_authorization":       true,
	"revocation_of_all_authorization":   true,
	"revocation_of_all_authorizations":  true,
	"stop_payment_order":                true,
	"security_violation":                true,
	"fraudulent":                        true,
	"merchant_blacklist":                true,
	"expired_card":                      true,
	"invalid_account":                   true,
	"new_account_information_available": true,
	"incorrect_number":                  true,
	"invalid_number":                    true,
	"card_not_supported":                true,
	"currency_not_supported":            true,
	"account_closed":                    true,
	"no_account":                        true,
	"debit_not_authorized":              true,
	"bank_account_unusable":             true,
	codeRemoved:                         true,
}

// codeRemoved is ours: the customer or the method is not there any more.
const codeRemoved = "card_removed"

// declineText says in our words, for staff, why a payment was refused.
func declineText(code string) string {
	switch code {
	case "insufficient_funds", "card_velocity_exceeded", "withdrawal_count_limit_exceeded":
		return "not enough funds or a limit was reached"
	case "expired_card":
		return "the card has expired"
	case "authentication_required":
		return "the bank wants the patient to confirm; send a link"
	case "lost_card", "stolen_card", "pickup_card", "restricted_card":
		return "the card must not be used again"
	case "revocation_of_authorization", "revocation_of_all_authorization", "revocation_of_all_authorizations", "stop_payment_order", "do_not_try_again":
		return "the patient or the bank withdrew the permission"
	case codeRemoved:
		return "the card is no longer kept at the processor"
	case "incorrect_cvc", "invalid_cvc", "incorrect_number", "invalid_number", "incorrect_zip", "invalid_expiry_month", "invalid_expiry_year":
		return "the card's details are wrong"
	case "try_again_later", "processing_error", "issuer_not_available", "reenter_transaction", "approve_with_id":
		return "the bank could not answer; another day may work"
	}
	return "the bank declined"
}

// refusalText says in our words why a request was refused. Code and parameter
// are names of the API, not values.
func refusalText(code, param string) string {
	text := map[string]string{
		"resource_missing":                "the object does not exist",
		"parameter_missing":               "a parameter is missing",
		"parameter_unknown":               "a parameter is not known",
		"amount_too_small":                "the amount is below the platform's minimum",
		"amount_too_large":                "the amount is above the platform's maximum",
		"charge_already_refunded":         "the payment was given back before",
		"charge_disputed":                 "a disputed payment cannot be given back",
		"payment_intent_unexpected_state": "the payment is not in a state that allows it",
	}[code]
	if text == "" {
		text = "the request was refused"
	}
	if p := safeParam(param); p != "" {
		text += fmt.Sprintf(" (parameter %s)", p)
	}
	return text
}

var (
	codePattern  = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,80}$`)
	paramPattern = regexp.MustCompile(`^[a-z0-9_]{1,40}(\[[a-z0-9_]{0,40}\])*$`)
)

// safeCode lets only machine-readable codes and ids into errors.
func safeCode(s string) string {
	if codePattern.MatchString(s) {
		return s
	}
	return ""
}

// safeParam lets only parameter names into errors.
func safeParam(s string) string {
	if len(s) <= 120 && paramPattern.MatchString(s) {
		return s
	}
	return ""
}
