package stripesim

import (
	"net/http"
	"strings"
)

// call is one authenticated request.
type call struct {
	s         *Server
	vars      map[string]string
	p         params
	key       string
	requestID string
}

// route is one operation: its path, the parameters it knows and what it does.
type route struct {
	method, path string
	params       []string
	run          func(c *call) (obj, *apiError)
}

type router struct{ routes []*route }

// find matches a path; fixed segments win over variables.
func (r *router) find(method, path string) (*route, map[string]string, *apiError) {
	segs := strings.Split(strings.Trim(path, "/"), "/")
	var best *route
	var bestVars map[string]string
	known := false
	for _, rt := range r.routes {
		vars, ok := match(strings.Split(strings.Trim(rt.path, "/"), "/"), segs)
		if !ok {
			continue
		}
		known = true
		if rt.method == method && (best == nil || len(vars) < len(bestVars)) {
			best, bestVars = rt, vars
		}
	}
	if best == nil {
		e := invalid("", "", "Unrecognized request URL (%s: %s). Please see https://stripe.com/docs or we can help at https://support.stripe.com/.", method, path)
		e.status = http.StatusNotFound
		if known {
			e.status = http.StatusMethodNotAllowed
		}
		return nil, nil, e
	}
	return best, bestVars, nil
}

func match(pattern, segs []string) (map[string]string, bool) {
	if len(pattern) != len(segs) {
		return nil, false
	}
	vars := map[string]string{}
	for i, p := range pattern {
		if name, ok := strings.CutPrefix(p, "{"); ok {
			vars[strings.TrimSuffix(name, "}")] = segs[i]
			continue
		}
		if p != segs[i] {
			return nil, false
		}
	}
	return vars, true
}

func with(lists ...[]string) []string {
	var out []string
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

var (
	pExpand  = []string{"expand.*:"}
	pMeta    = []string{"metadata.*:text"}
	pPage    = with(pExpand, []string{"limit:int", "starting_after:", "ending_before:"})
	pCreated = []string{"created:int", "created.gt:int", "created.gte:int", "created.lt:int", "created.lte:int"}
	pSearch  = with(pExpand, []string{"query:", "limit:int", "page:"})
	pConfirm = with(pMandate, []string{"payment_method:", "off_session:bool", "error_on_requires_action:bool", "return_url:", "receipt_email:text",
		"use_stripe_sdk:bool", "setup_future_usage:on_session|off_session", "payment_method_types.*:card|us_bank_account"})
	pMandate = []string{"mandate_data.customer_acceptance.type:online|offline", "mandate_data.customer_acceptance.accepted_at:int",
		"mandate_data.customer_acceptance.online.ip_address:", "mandate_data.customer_acceptance.online.user_agent:"}
	pIntent = []string{"amount:int", "currency:", "customer:", "confirm:bool", "description:", "statement_descriptor_suffix:",
		"capture_method:automatic|automatic_async", "confirmation_method:automatic|manual", "automatic_payment_methods.enabled:bool",
		"automatic_payment_methods.allow_redirects:always|never"}
	pMethod  = []string{"type:card|us_bank_account", "card.token:", "card.number:", "card.exp_month:int", "card.exp_year:int", "card.cvc:"}
	pInvoice = []string{"customer:", "collection_method:charge_automatically|send_invoice", "days_until_due:int", "due_date:int",
		"auto_advance:bool", "pending_invoice_items_behavior:include|exclude|include_and_require", "default_payment_method:",
		"description:", "currency:"}
	pCancel   = []string{"cancellation_reason:duplicate|fraudulent|requested_by_customer|abandoned"}
	pCustomer = []string{"name:text", "email:text", "phone:text", "description:text", "invoice_settings.default_payment_method:text"}
	pEvidence = []string{"evidence.customer_name:text", "evidence.customer_email_address:text", "evidence.service_date:text",
		"evidence.service_documentation:text", "evidence.refund_policy_disclosure:text", "evidence.uncategorized_text:text", "submit:bool"}
)

const (
	get  = http.MethodGet
	post = http.MethodPost
	del  = http.MethodDelete
)

// routes is the whole interface.
func routes() *router {
	var all []*route
	for _, some := range [][]*route{accountRoutes(), customerRoutes(), paymentRoutes(), refundRoutes(), invoiceRoutes()} {
		all = append(all, some...)
	}
	return &router{routes: all}
}

func accountRoutes() []*route {
	return []*route{
		{get, "/v1/balance", pExpand, (*call).balance},
		{get, "/v1/balance_transactions", with(pPage, pCreated, []string{"type:", "source:", "currency:", "payout:"}), (*call).listTxns},
		{get, "/v1/balance_transactions/{id}", pExpand, (*call).getTxn},
		{get, "/v1/payouts", with(pPage, pCreated), (*call).listPayouts},
		{get, "/v1/payouts/{id}", pExpand, (*call).getPayout},
		{get, "/v1/events", with(pPage, pCreated, []string{"type:", "types.*:", "delivery_success:bool"}), (*call).listEvents},
		{get, "/v1/events/{id}", pExpand, (*call).getEvent},
	}
}

func customerRoutes() []*route {
	return []*route{
		{post, "/v1/customers", with(pExpand, pMeta, pCustomer, []string{"payment_method:"}), (*call).createCustomer},
		{get, "/v1/customers", with(pPage, pCreated, []string{"email:"}), (*call).listCustomers},
		{get, "/v1/customers/search", pSearch, (*call).searchCustomers},
		{get, "/v1/customers/{id}", pExpand, (*call).getCustomer},
		{post, "/v1/customers/{id}", with(pExpand, pMeta, pCustomer), (*call).updateCustomer},
		{del, "/v1/customers/{id}", nil, (*call).deleteCustomer},
		{get, "/v1/customers/{id}/payment_methods", with(pPage, []string{"type:card|us_bank_account"}), (*call).listCustomerMethods},

		{post, "/v1/payment_methods", with(pExpand, pMeta, pMethod), (*call).createMethod},
		{get, "/v1/payment_methods", with(pPage, []string{"customer:", "type:card|us_bank_account"}), (*call).listMethods},
		{get, "/v1/payment_methods/{id}", pExpand, (*call).getMethod},
		{post, "/v1/payment_methods/{id}/attach", with(pExpand, []string{"customer:"}), (*call).attachMethod},
		{post, "/v1/payment_methods/{id}/detach", pExpand, (*call).detachMethod},
	}
}

func paymentRoutes() []*route {
	return []*route{
		{post, "/v1/payment_intents", with(pExpand, pMeta, pConfirm, pIntent), (*call).createIntent},
		{get, "/v1/payment_intents", with(pPage, pCreated, []string{"customer:"}), (*call).listIntents},
		{get, "/v1/payment_intents/search", pSearch, (*call).searchIntents},
		{get, "/v1/payment_intents/{id}", pExpand, (*call).getIntent},
		{post, "/v1/payment_intents/{id}", with(pExpand, pMeta, []string{"amount:int", "currency:", "customer:", "description:", "payment_method:", "receipt_email:text"}), (*call).updateIntent},
		{post, "/v1/payment_intents/{id}/confirm", with(pExpand, pConfirm), (*call).confirmIntent},
		{post, "/v1/payment_intents/{id}/cancel", with(pExpand, pCancel), (*call).cancelIntent},

		{get, "/v1/charges", with(pPage, pCreated, []string{"customer:", "payment_intent:"}), (*call).listCharges},
		{get, "/v1/charges/search", pSearch, (*call).searchCharges},
		{get, "/v1/charges/{id}", pExpand, (*call).getCharge},

		{post, "/v1/checkout/sessions", with(pExpand, pMeta, sessionParams), (*call).createSession},
		{get, "/v1/checkout/sessions", with(pPage, []string{"customer:", "payment_intent:"}), (*call).listSessions},
		{get, "/v1/checkout/sessions/{id}", pExpand, (*call).getSession},
		{get, "/v1/checkout/sessions/{id}/line_items", pPage, (*call).sessionLines},
		{post, "/v1/checkout/sessions/{id}/expire", pExpand, (*call).expireSession},
	}
}

func refundRoutes() []*route {
	return []*route{
		{post, "/v1/refunds", with(pExpand, pMeta, []string{"payment_intent:", "charge:", "amount:int", "reason:duplicate|fraudulent|requested_by_customer"}), (*call).createRefund},
		{get, "/v1/refunds", with(pPage, pCreated, []string{"payment_intent:", "charge:"}), (*call).listRefunds},
		{get, "/v1/refunds/{id}", pExpand, (*call).getRefund},
		{post, "/v1/refunds/{id}", with(pExpand, pMeta), (*call).updateRefund},
		{post, "/v1/refunds/{id}/cancel", pExpand, (*call).cancelRefund},

		{get, "/v1/disputes", with(pPage, pCreated, []string{"payment_intent:", "charge:"}), (*call).listDisputes},
		{get, "/v1/disputes/{id}", pExpand, (*call).getDispute},
		{post, "/v1/disputes/{id}", with(pExpand, pMeta, pEvidence), (*call).updateDispute},
		{post, "/v1/disputes/{id}/close", pExpand, (*call).closeDispute},
	}
}

func invoiceRoutes() []*route {
	return []*route{
		{post, "/v1/invoiceitems", with(pExpand, pMeta, []string{"customer:", "amount:int", "currency:", "invoice:", "description:"}), (*call).createItem},
		{get, "/v1/invoiceitems", with(pPage, pCreated, []string{"customer:", "invoice:", "pending:bool"}), (*call).listItems},
		{get, "/v1/invoiceitems/{id}", pExpand, (*call).getItem},
		{del, "/v1/invoiceitems/{id}", nil, (*call).deleteItem},
		{post, "/v1/invoices", with(pExpand, pMeta, pInvoice), (*call).createInvoice},
		{get, "/v1/invoices", with(pPage, pCreated, []string{"customer:", "status:draft|open|paid|uncollectible|void", "collection_method:charge_automatically|send_invoice"}), (*call).listInvoices},
		{get, "/v1/invoices/search", pSearch, (*call).searchInvoices},
		{get, "/v1/invoices/{id}", pExpand, (*call).getInvoice},
		{post, "/v1/invoices/{id}", with(pExpand, pMeta, []string{"description:text", "auto_advance:bool"}), (*call).updateInvoice},
		{del, "/v1/invoices/{id}", nil, (*call).deleteInvoice},
		{post, "/v1/invoices/{id}/finalize", with(pExpand, []string{"auto_advance:bool"}), (*call).finalizeInvoice},
		{post, "/v1/invoices/{id}/send", pExpand, (*call).sendInvoice},
		{post, "/v1/invoices/{id}/pay", with(pExpand, []string{"payment_method:", "off_session:bool", "paid_out_of_band:bool"}), (*call).payInvoice},
		{post, "/v1/invoices/{id}/void", pExpand, (*call).voidInvoice},
		{post, "/v1/invoices/{id}/mark_uncollectible", pExpand, (*call).markUncollectible},
	}
}
