package stripesim_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stage is an account in which every kind of object stands in every state.
type stage struct {
	*lab
	id map[string]string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{lab: newLab(t), id: map[string]string{}}
	s.customers()
	s.payments()
	s.pages()
	s.invoices()
	return s
}

// make posts and keeps the new object's id under a name.
func (s *stage) make(name, path, form string) {
	s.Helper()
	s.id[name] = s.post(s.fill(path), s.fill(form))["id"].(string)
}

func (s *stage) customers() {
	s.make("cus", "/v1/customers", "email=a@example.org")
	s.make("other", "/v1/customers", "")
	s.make("gone", "/v1/customers", "")
	s.send(http.MethodDelete, "/v1/customers/"+s.id["gone"], "")
	s.make("pm", "/v1/payment_methods/pm_card_visa/attach", "customer={cus}")
	s.make("loose", "/v1/payment_methods", "type=card&card[token]=tok_visa")
	s.make("used", "/v1/payment_methods", "type=card&card[token]=tok_visa")
}

func (s *stage) payments() {
	s.make("open", "/v1/payment_intents", "amount=2500&currency=usd&customer={cus}&payment_method_types[]=card")
	s.make("declined", "/v1/payment_intents", "amount=2500&currency=usd&payment_method_types[]=card")
	s.refused(402, s.fill("/v1/payment_intents/{declined}/confirm"), "payment_method=pm_card_chargeDeclined")
	s.make("canceled", "/v1/payment_intents", "amount=2500&currency=usd")
	s.post(s.fill("/v1/payment_intents/{canceled}/cancel"), "")
	s.make("asked", "/v1/payment_intents", goodCharge+"pm_card_authenticationRequired")
	s.make("paid", "/v1/payment_intents", goodCharge+s.id["used"])
	s.make("debit", "/v1/payment_intents", "amount=2500&currency=usd&payment_method_types[]=us_bank_account&confirm=true&payment_method=pm_usBankAccount_success&mandate_data[customer_acceptance][type]=offline")
	s.make("refunded", "/v1/payment_intents", goodCharge+"pm_card_visa")
	s.make("refund", "/v1/refunds", "payment_intent={refunded}")
	s.make("disputed", "/v1/payment_intents", goodCharge+"pm_card_createDispute")
	s.id["dispute"] = s.get("/v1/disputes", "payment_intent="+s.id["disputed"])["data"].([]any)[0].(object)["id"].(string)
	s.make("lost", "/v1/payment_intents", goodCharge+"pm_card_createDispute")
	s.id["closed"] = s.get("/v1/disputes", "payment_intent="+s.id["lost"])["data"].([]any)[0].(object)["id"].(string)
	s.post(s.fill("/v1/disputes/{closed}/close"), "")
}

func (s *stage) pages() {
	s.make("page", "/v1/checkout/sessions", sessionForm(nil))
	s.make("expired", "/v1/checkout/sessions", sessionForm(nil))
	s.post(s.fill("/v1/checkout/sessions/{expired}/expire"), "")
	s.make("complete", "/v1/checkout/sessions", sessionForm(nil))
	require.NoError(s, s.PaySession(s.id["complete"], "pm_card_visa"))
	s.id["behind"] = s.get("/v1/checkout/sessions/"+s.id["complete"], "")["payment_intent"].(string)
	s.make("tried", "/v1/checkout/sessions", sessionForm(nil))
	require.ErrorContains(s, s.PaySession(s.id["tried"], "pm_card_chargeDeclined"), "declined")
	s.id["inside"] = s.get("/v1/checkout/sessions/"+s.id["tried"], "")["payment_intent"].(string)
}

func (s *stage) invoices() {
	s.make("empty", "/v1/invoices", "customer={cus}")
	for _, name := range []string{"draft", "billed", "settled", "void", "cash"} {
		s.make(name, "/v1/invoices", "customer={cus}&collection_method=send_invoice&days_until_due=10")
		s.make("item of "+name, "/v1/invoiceitems", "customer={cus}&amount=4500&currency=usd&invoice={"+name+"}")
	}
	for _, name := range []string{"billed", "settled", "void", "cash"} {
		s.post(s.fill("/v1/invoices/{"+name+"}/finalize"), "")
	}
	s.post(s.fill("/v1/invoices/{settled}/pay"), "payment_method=pm_card_visa")
	s.post(s.fill("/v1/invoices/{void}/void"), "")
	s.post(s.fill("/v1/invoices/{cash}/pay"), "paid_out_of_band=true")
	s.id["of the bill"] = s.get("/v1/invoices/"+s.id["billed"], "")["payment_intent"].(string)
	s.make("automatic", "/v1/invoices", "customer={cus}")
	s.make("unmailed", "/v1/invoices", "customer={other}&collection_method=send_invoice&days_until_due=10")
}

// fill puts ids in the place of names in braces.
func (s *stage) fill(text string) string {
	for name, id := range s.id {
		text = strings.NewReplacer("{"+name+"}", id, "%7B"+name+"%7D", id).Replace(text)
	}
	return text
}

// refusalsOfState are what an object is asked for that its state forbids.
var refusalsOfState = map[string]struct {
	path, form  string
	status      int
	code, param string
}{
	"confirm a paid one":                {"/v1/payment_intents/{paid}/confirm", "payment_method=pm_card_visa", 400, "payment_intent_unexpected_state", ""},
	"confirm a cancelled one":           {"/v1/payment_intents/{canceled}/confirm", "payment_method=pm_card_visa", 400, "payment_intent_unexpected_state", ""},
	"confirm one that runs":             {"/v1/payment_intents/{debit}/confirm", "payment_method=pm_card_visa", 400, "payment_intent_unexpected_state", ""},
	"confirm one that is asked about":   {"/v1/payment_intents/{asked}/confirm", "payment_method=pm_card_visa", 400, "payment_intent_unexpected_state", ""},
	"confirm without a method":          {"/v1/payment_intents/{open}/confirm", "", 400, "payment_intent_unexpected_state", "payment_method"},
	"confirm with a bank account":       {"/v1/payment_intents/{open}/confirm", "payment_method=pm_usBankAccount_success", 400, "payment_intent_incompatible_payment_method", "payment_method"},
	"confirm with a spent method":       {"/v1/payment_intents/{open}/confirm", "payment_method={used}", 400, "", "payment_method"},
	"confirm with another's card":       {"/v1/payment_intents/{declined}/confirm", "payment_method={pm}", 400, "payment_intent_unexpected_state", "payment_method"},
	"confirm nothing":                   {"/v1/payment_intents/pi_none/confirm", "payment_method=pm_card_visa", 404, "resource_missing", "intent"},
	"cancel a paid one":                 {"/v1/payment_intents/{paid}/cancel", "", 400, "payment_intent_unexpected_state", ""},
	"cancel one that runs":              {"/v1/payment_intents/{debit}/cancel", "", 400, "payment_intent_unexpected_state", ""},
	"cancel a page's intent":            {"/v1/payment_intents/{inside}/cancel", "", 400, "payment_intent_unexpected_state", ""},
	"cancel an invoice's intent":        {"/v1/payment_intents/{of the bill}/cancel", "", 400, "payment_intent_unexpected_state", ""},
	"cancel for no known reason":        {"/v1/payment_intents/{open}/cancel", "cancellation_reason=bored", 400, "", "cancellation_reason"},
	"raise what was paid":               {"/v1/payment_intents/{paid}", "amount=9900", 400, "payment_intent_unexpected_state", ""},
	"lower it to nothing":               {"/v1/payment_intents/{open}", "amount=10", 400, "amount_too_small", "amount"},
	"give it to someone else":           {"/v1/payment_intents/{open}", "customer={other}", 400, "payment_intent_unexpected_state", ""},
	"give it to nobody":                 {"/v1/payment_intents/{declined}", "customer={gone}", 400, "resource_missing", "customer"},
	"update with no such method":        {"/v1/payment_intents/{open}", "payment_method=pm_none", 400, "resource_missing", "payment_method"},
	"charge who is gone":                {"/v1/payment_intents", "amount=2500&currency=usd&customer={gone}", 400, "resource_missing", "customer"},
	"two ways to choose methods":        {"/v1/payment_intents", "amount=2500&currency=usd&payment_method_types[]=card&automatic_payment_methods[enabled]=true", 400, "", "payment_method_types"},
	"a long suffix":                     {"/v1/payment_intents", "amount=2500&currency=usd&statement_descriptor_suffix=ABCDEFGHIJKLMNOPQRSTUVW", 400, "", "statement_descriptor_suffix"},
	"a suffix of digits":                {"/v1/payment_intents", "amount=2500&currency=usd&statement_descriptor_suffix=24-7", 400, "", "statement_descriptor_suffix"},
	"a quoted suffix":                   {"/v1/payment_intents", "amount=2500&currency=usd&statement_descriptor_suffix=O'HARA", 400, "", "statement_descriptor_suffix"},
	"a page with such a suffix":         {"/v1/checkout/sessions", sessionForm(url.Values{"payment_intent_data[statement_descriptor_suffix]": {"*"}}), 400, "", "payment_intent_data[statement_descriptor_suffix]"},
	"more than is left":                 {"/v1/refunds", "payment_intent={paid}&amount=2501", 400, "", "amount"},
	"refund nothing":                    {"/v1/refunds", "payment_intent={paid}&amount=0", 400, "parameter_invalid_integer", "amount"},
	"refund twice":                      {"/v1/refunds", "payment_intent={refunded}", 400, "charge_already_refunded", ""},
	"refund what runs":                  {"/v1/refunds", "payment_intent={debit}", 400, "payment_intent_unexpected_state", ""},
	"refund what is open":               {"/v1/refunds", "payment_intent={open}", 400, "payment_intent_unexpected_state", ""},
	"refund what is disputed":           {"/v1/refunds", "payment_intent={disputed}", 400, "charge_disputed", ""},
	"refund what was lost":              {"/v1/refunds", "payment_intent={lost}", 400, "charge_disputed", ""},
	"refund by two names":               {"/v1/refunds", "payment_intent={paid}&charge=ch_1", 400, "", "charge"},
	"refund no charge":                  {"/v1/refunds", "charge=ch_none", 400, "resource_missing", "charge"},
	"refund for no known reason":        {"/v1/refunds", "payment_intent={paid}&reason=regret", 400, "", "reason"},
	"cancel a refund that is done":      {"/v1/refunds/{refund}/cancel", "", 400, "", ""},
	"cancel no refund":                  {"/v1/refunds/re_none/cancel", "", 404, "resource_missing", "refund"},
	"defend what is decided":            {"/v1/disputes/{closed}", "evidence[uncategorized_text]=x", 400, "", ""},
	"evidence of no known kind":         {"/v1/disputes/{dispute}", "evidence[gut_feeling]=x", 400, "parameter_unknown", "evidence[gut_feeling]"},
	"give up what is decided":           {"/v1/disputes/{closed}/close", "", 400, "", ""},
	"give up no dispute":                {"/v1/disputes/dp_none/close", "", 404, "resource_missing", "dispute"},
	"expire an expired page":            {"/v1/checkout/sessions/{expired}/expire", "", 400, "", ""},
	"expire a paid page":                {"/v1/checkout/sessions/{complete}/expire", "", 400, "", ""},
	"expire no page":                    {"/v1/checkout/sessions/cs_none/expire", "", 404, "resource_missing", "session"},
	"a page for two customers":          {"/v1/checkout/sessions", sessionForm(url.Values{"customer": {"{cus}"}, "customer_email": {"a@example.org"}}), 400, "", "customer_email"},
	"a page that makes one more":        {"/v1/checkout/sessions", sessionForm(url.Values{"customer": {"{cus}"}, "customer_creation": {"always"}}), 400, "", "customer_creation"},
	"a page for who is gone":            {"/v1/checkout/sessions", sessionForm(url.Values{"customer": {"{gone}"}}), 400, "resource_missing", "customer"},
	"a page of another kind":            {"/v1/checkout/sessions", sessionForm(url.Values{"mode": {"subscription"}}), 400, "", "mode"},
	"a page in euros":                   {"/v1/checkout/sessions", sessionForm(url.Values{"line_items[0][price_data][currency]": {"eur"}}), 400, "", "line_items[0][price_data][currency]"},
	"a page for a fortune":              {"/v1/checkout/sessions", sessionForm(url.Values{"line_items[0][quantity]": {"99999"}}), 400, "amount_too_large", ""},
	"a page for less than nothing":      {"/v1/checkout/sessions", sessionForm(url.Values{"line_items[0][quantity]": {"0"}}), 400, "parameter_invalid_integer", "line_items[0]"},
	"attach what was spent":             {"/v1/payment_methods/{used}/attach", "customer={cus}", 400, "", ""},
	"attach to nobody":                  {"/v1/payment_methods/{loose}/attach", "customer={gone}", 400, "resource_missing", "customer"},
	"attach without a customer":         {"/v1/payment_methods/{loose}/attach", "", 400, "parameter_missing", "customer"},
	"attach what is another's":          {"/v1/payment_methods/{pm}/attach", "customer={other}", 400, "payment_method_unexpected_state", ""},
	"attach nothing":                    {"/v1/payment_methods/pm_none/attach", "customer={cus}", 404, "resource_missing", "payment_method"},
	"attach a stolen card":              {"/v1/payment_methods/pm_card_chargeDeclinedStolenCard/attach", "customer={cus}", 402, "card_declined", ""},
	"detach what is attached nowhere":   {"/v1/payment_methods/{loose}/detach", "", 400, "", ""},
	"detach nothing":                    {"/v1/payment_methods/pm_none/detach", "", 404, "resource_missing", "payment_method"},
	"a method of no kind":               {"/v1/payment_methods", "card[token]=tok_visa", 400, "parameter_missing", "type"},
	"a card without a token":            {"/v1/payment_methods", "type=card", 400, "parameter_missing", "card"},
	"a customer without a mailbox":      {"/v1/customers", "email=nowhere", 400, "email_invalid", "email"},
	"a customer with a declined card":   {"/v1/customers", "payment_method=pm_card_chargeDeclined", 402, "card_declined", ""},
	"a customer with another's card":    {"/v1/customers", "invoice_settings[default_payment_method]={pm}", 400, "resource_missing", "invoice_settings[default_payment_method]"},
	"another's card for my invoices":    {"/v1/customers/{other}", "invoice_settings[default_payment_method]={pm}", 400, "resource_missing", "invoice_settings[default_payment_method]"},
	"no card for my invoices":           {"/v1/customers/{other}", "invoice_settings[default_payment_method]=pm_none", 400, "resource_missing", "invoice_settings[default_payment_method]"},
	"update who is gone":                {"/v1/customers/{gone}", "name=x", 404, "resource_missing", "id"},
	"add to a finished invoice":         {"/v1/invoiceitems", "customer={cus}&amount=1&currency=usd&invoice={billed}", 400, "invoice_not_editable", ""},
	"add to another's invoice":          {"/v1/invoiceitems", "customer={other}&amount=1&currency=usd&invoice={draft}", 400, "invoice_not_editable", ""},
	"add to no invoice":                 {"/v1/invoiceitems", "customer={cus}&amount=1&currency=usd&invoice=in_none", 400, "resource_missing", "invoice"},
	"add for nobody":                    {"/v1/invoiceitems", "amount=1&currency=usd", 400, "parameter_missing", "customer"},
	"add no amount":                     {"/v1/invoiceitems", "customer={cus}&currency=usd", 400, "parameter_missing", "amount"},
	"add euros":                         {"/v1/invoiceitems", "customer={cus}&amount=1&currency=eur", 400, "", "currency"},
	"an invoice for nobody":             {"/v1/invoices", "", 400, "parameter_missing", "customer"},
	"a due date on a charged one":       {"/v1/invoices", "customer={cus}&days_until_due=3", 400, "", "days_until_due"},
	"finish an empty invoice":           {"/v1/invoices/{empty}/finalize", "", 400, "invoice_no_customer_line_items", ""},
	"finish a finished one":             {"/v1/invoices/{billed}/finalize", "", 400, "invoice_not_editable", ""},
	"mail one that is charged":          {"/v1/invoices/{automatic}/send", "", 400, "", ""},
	"mail one without an address":       {"/v1/invoices/{unmailed}/send", "", 400, "", ""},
	"mail a paid one":                   {"/v1/invoices/{settled}/send", "", 400, "", ""},
	"pay a paid one":                    {"/v1/invoices/{settled}/pay", "payment_method=pm_card_visa", 400, "", ""},
	"pay a void one":                    {"/v1/invoices/{void}/pay", "payment_method=pm_card_visa", 400, "", ""},
	"pay one that was paid in cash":     {"/v1/invoices/{cash}/pay", "payment_method=pm_card_visa", 400, "", ""},
	"pay with nothing":                  {"/v1/invoices/{billed}/pay", "", 400, "", ""},
	"pay with no such card":             {"/v1/invoices/{billed}/pay", "payment_method=pm_none", 400, "resource_missing", "payment_method"},
	"void a draft":                      {"/v1/invoices/{draft}/void", "", 400, "", ""},
	"void a paid one":                   {"/v1/invoices/{settled}/void", "", 400, "", ""},
	"give up a draft":                   {"/v1/invoices/{draft}/mark_uncollectible", "", 400, "", ""},
	"void no invoice":                   {"/v1/invoices/in_none/void", "", 404, "resource_missing", "invoice"},
	"a key that may not do it":          {"/v1/payment_intents/{open}/capture", "", 404, "", ""},
	"a body that is not URL-encoded":    {"/v1/payment_intents", "amount=%zz", 400, "", ""},
	"a name that is not well bracketed": {"/v1/payment_intents", "metadata[a=1", 400, "parameter_unknown", "metadata[a"},
}

// TestRefusalsOfState asks each object for what its state forbids. A refusal
// moves no money and tells nobody.
func TestRefusalsOfState(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	books, events := s.Books(), len(s.Events())
	for name, tc := range refusalsOfState {
		e := s.refused(tc.status, s.fill(tc.path), s.fill(tc.form))
		code, _ := e["code"].(string)
		param, _ := e["param"].(string)
		require.Equal(t, tc.code, code, "%s: %v", name, e)
		require.Equal(t, tc.param, param, "%s: %v", name, e)
		require.NotEmpty(t, e["message"], name)
		require.Len(t, s.Events(), events, name)
	}
	require.Equal(t, books, s.Books())
}

// TestRefusalsOfReading asks for what there is not.
func TestRefusalsOfReading(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for path, status := range map[string]int{
		"/v1/payment_intents/pi_none": 404, "/v1/charges/ch_none": 404, "/v1/checkout/sessions/cs_none": 404, "/v1/checkout/sessions/cs_none/line_items": 404,
		"/v1/refunds/re_none": 404, "/v1/disputes/dp_none": 404, "/v1/customers/cus_none": 404, "/v1/payment_methods/pm_none": 404, "/v1/invoices/in_none": 404,
		"/v1/invoiceitems/ii_none": 404, "/v1/events/evt_none": 404, "/v1/payouts/po_none": 404, "/v1/balance_transactions/txn_none": 404,
		"/v1/customers/{gone}/payment_methods": 404, "/v1/payment_methods": 400, "/v1/payment_methods?customer=cus_none": 404,
		"/v1/checkout/sessions?status=open": 400, "/v1/checkout/sessions?created[gte]=1": 400, "/v1/payment_intents?limit=many": 400,
		"/v1/events?type=a&types[]=b": 400, "/v1/charges/search": 400, "/v1/charges/search?query=amount>1&page=next": 400,
		"/v1/payment_intents/search?query=colour:'red'": 400, "/v1/charges?expand[]=data.payment_intent.latest_charge.balance_transaction.source": 400,
	} {
		got, o, _ := s.send(http.MethodGet, s.fill(path), "")
		require.Equal(t, status, got, path)
		require.Equal(t, "invalid_request_error", o["error"].(object)["type"], path)
	}
	for path, status := range map[string]int{"/v1/customers/{gone}": 404, "/v1/invoices/{billed}": 400, "/v1/invoices/in_none": 404,
		"/v1/invoiceitems/{item of settled}": 400, "/v1/invoiceitems/ii_none": 404} {
		got, _, _ := s.send(http.MethodDelete, s.fill(path), "")
		require.Equal(t, status, got, path)
	}
	types := make(url.Values)
	for range 21 {
		types.Add("types[]", "charge.succeeded")
	}
	got, _, _ := s.send(http.MethodGet, "/v1/events", types.Encode())
	require.Equal(t, http.StatusBadRequest, got, "twenty types at most")
}

// TestRefusalsOfThePatient are acts on the page and of the bank that cannot be.
func TestRefusalsOfThePatient(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	books := s.Books()
	for name, act := range map[string]func() error{
		"pay an expired page":     func() error { return s.PaySession(s.id["expired"], "pm_card_visa") },
		"pay a paid page":         func() error { return s.PaySession(s.id["complete"], "pm_card_visa") },
		"pay no page":             func() error { return s.PaySession("cs_none", "pm_card_visa") },
		"pay with no card":        func() error { return s.PaySession(s.id["page"], "pm_none") },
		"pay a card page by ACH":  func() error { return s.PaySession(s.id["page"], "pm_usBankAccount_success") },
		"answer no question":      func() error { return s.Authenticate(s.id["paid"], true) },
		"answer about nothing":    func() error { return s.Authenticate("pi_none", true) },
		"dispute nothing":         func() error { return errorOf(s.OpenDispute(s.id["open"], "fraudulent")) },
		"dispute twice":           func() error { return errorOf(s.OpenDispute(s.id["disputed"], "fraudulent")) },
		"dispute what went back":  func() error { return errorOf(s.OpenDispute(s.id["refunded"], "fraudulent")) },
		"decide what is decided":  func() error { return s.CloseDispute(s.id["closed"], true) },
		"refund too much":         func() error { return errorOf(s.DashboardRefund(s.id["paid"], 2501)) },
		"refund less than a cent": func() error { return errorOf(s.DashboardRefund(s.id["paid"], 0)) },
		"refund nothing":          func() error { return errorOf(s.DashboardRefund("pi_none", 1)) },
		"fail no refund":          func() error { return s.FailRefund("re_none") },
		"settle a settled one":    func() error { return s.SettleRefund(s.id["refund"]) },
		"store no card":           func() error { return errorOf(s.SeedCard(s.id["cus"], "pm_none")) },
		"store for nobody":        func() error { return errorOf(s.SeedCard(s.id["gone"], "pm_card_visa")) },
	} {
		require.Error(t, act(), name)
	}
	require.False(t, s.Resend("evt_none"))
	require.Equal(t, books, s.Books())
	s.wait(25 * time.Hour)
	require.ErrorContains(t, s.PaySession(s.id["page"], "pm_card_visa"), "not open", "its time is over")
}

func errorOf[T any](_ T, err error) error { return err }
