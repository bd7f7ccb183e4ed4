package stripesim

import (
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// page is what the hosted page shows.
type page struct {
	Title, Merchant, Description, Amount string
	Error, Closed                        string
	Action, CancelURL                    string
	Authenticate, Saves                  bool
	Choices                              []choice
}

type choice struct{ Token, Name, Hint string }

var (
	cardChoices = []choice{
		{"pm_card_visa", "Visa ending 4242", "succeeds"},
		{"pm_card_chargeDeclined", "Visa ending 0002", "is declined"},
		{"pm_card_chargeDeclinedInsufficientFunds", "Visa ending 9995", "has insufficient funds"},
		{"pm_card_threeDSecure2Required", "Visa ending 3220", "asks to confirm (3D Secure)"},
	}
	bankChoices = []choice{
		{"pm_usBankAccount_success", "Bank account ending 6789", "succeeds after some days"},
		{"pm_usBankAccount_insufficientFunds", "Bank account ending 2227", "is returned after some days"},
	}
)

// choices are the test methods of a page's types.
func choices(types []string) []choice {
	var out []choice
	if slices.Contains(types, "card") {
		out = append(out, cardChoices...)
	}
	if slices.Contains(types, "us_bank_account") {
		out = append(out, bankChoices...)
	}
	return out
}

// servePage serves what patients see: /c/pay/{session}, /i/{invoice} and
// /3ds/{intent}.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost {
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		if err := r.ParseForm(); err != nil {
			http.Error(w, "the form is not readable", http.StatusBadRequest)
			return
		}
	}
	switch {
	case r.URL.Path == "/c/pay/"+id:
		s.sessionPage(w, r, id)
	case r.URL.Path == "/i/"+id:
		s.invoicePage(w, r, id)
	case r.URL.Path == "/3ds/"+id:
		s.authPage(w, r, id)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) render(w http.ResponseWriter, status int, p page) {
	p.Merchant = s.cfg.Merchant
	if p.Title == "" {
		p.Title = "Pay " + p.Amount
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_ = pageTemplate.Execute(w, p) // the patient has gone
}

func dollars(minor int64) string { return fmt.Sprintf("$%d.%02d", minor/100, minor%100) }

// sessionPage is Checkout.
func (s *Server) sessionPage(w http.ResponseWriter, r *http.Request, id string) {
	ss, ok := s.sessions.get(id)
	if !ok {
		s.render(w, http.StatusNotFound, page{Title: "Not found", Closed: "This payment page does not exist."})
		return
	}
	if s.closedPage(w, ss) {
		return
	}
	pi, _ := s.intents.get(ss.intent)
	p := page{Amount: dollars(ss.total), Description: ss.lines[0].name, Action: "/c/pay/" + ss.id, CancelURL: ss.cancelURL,
		Saves: ss.setupFuture != "", Choices: choices(ss.types), Authenticate: pi != nil && pi.status == needsAction}
	if base, err := url.Parse(s.o.PublicURL); err == nil {
		p.Action = base.Path + p.Action
	}
	if r.Method != http.MethodPost {
		s.render(w, http.StatusOK, p)
		return
	}
	if e := s.act(ss, pi, r.PostForm.Get("do"), r.PostForm.Get("card")); e != nil {
		p.Error = e.Message
		s.render(w, http.StatusPaymentRequired, p)
		return
	}
	if ss.status == "complete" {
		http.Redirect(w, r, strings.ReplaceAll(ss.successURL, "{CHECKOUT_SESSION_ID}", ss.id), http.StatusSeeOther)
		return
	}
	// The bank asks, or its question was answered with no.
	http.Redirect(w, r, p.Action, http.StatusSeeOther)
}

// closedPage says that there is nothing to pay any more.
func (s *Server) closedPage(w http.ResponseWriter, ss *session) bool {
	switch {
	case ss.status == "complete" && ss.paymentStatus == "paid":
		s.render(w, http.StatusOK, page{Title: "Paid", Closed: "This payment has been made. Thank you."})
	case ss.status == "complete":
		s.render(w, http.StatusOK, page{Title: "Processing", Closed: "Your bank is processing this payment. Thank you."})
	case ss.status == "expired":
		s.render(w, http.StatusGone, page{Title: "Expired", Closed: "This payment page has expired. Ask the practice for a new link."})
	default:
		return false
	}
	return true
}

// act does what the patient chose on an open page.
func (s *Server) act(ss *session, pi *intent, do, token string) *apiError {
	c := s.own()
	asked := pi != nil && pi.status == needsAction
	switch {
	case asked && do == "confirm":
		return c.authenticate(pi, true)
	case asked && do == "refuse":
		return c.authenticate(pi, false)
	case do != "pay" || asked:
		return invalid("", "do", "Choose what to do.")
	}
	card, ok := testTokens[token]
	if !ok {
		return invalid("", "card", "Choose a card.")
	}
	return c.pay(ss, card)
}

// invoicePage is the hosted invoice.
func (s *Server) invoicePage(w http.ResponseWriter, r *http.Request, id string) {
	inv, ok := s.invoices.get(id)
	if !ok || inv.deleted || inv.finalizedAt.IsZero() {
		s.render(w, http.StatusNotFound, page{Title: "Not found", Closed: "This invoice does not exist."})
		return
	}
	_, total := s.invoiceLines(inv)
	p := page{Amount: dollars(total), Description: "Invoice " + inv.number, Choices: cardChoices[:3]}
	if inv.status == "open" || inv.status == "uncollectible" {
		if r.Method != http.MethodPost {
			s.render(w, http.StatusOK, p)
			return
		}
		if e := s.payPage(inv, r.PostForm.Get("card")); e != nil {
			p.Error = e.Message
			s.render(w, http.StatusPaymentRequired, p)
			return
		}
	}
	s.render(w, http.StatusOK, page{Title: "Invoice", Closed: "This invoice is " + inv.status + "."})
}

func (s *Server) payPage(inv *invoice, token string) *apiError {
	card, ok := testTokens[token]
	if !ok || card.bank || card.authenticate {
		return invalid("", "card", "Choose a card.")
	}
	pi, _ := s.intents.get(inv.intent)
	return s.own().chargeInvoice(inv, pi, s.newMethod(card))
}

// authPage is the bank's question about an intent confirmed through the API.
func (s *Server) authPage(w http.ResponseWriter, r *http.Request, id string) {
	pi, ok := s.intents.get(id)
	if !ok || pi.status != needsAction {
		s.render(w, http.StatusNotFound, page{Title: "Not found", Closed: "Your bank asks nothing here."})
		return
	}
	if r.Method != http.MethodPost {
		s.render(w, http.StatusOK, page{Amount: dollars(pi.amount), Description: "Confirm with your bank", Authenticate: true})
		return
	}
	if e := s.own().authenticate(pi, r.PostForm.Get("do") == "confirm"); e != nil {
		s.render(w, http.StatusConflict, page{Title: "Error", Closed: e.Message})
		return
	}
	if pi.returnURL != "" {
		http.Redirect(w, r, pi.returnURL, http.StatusSeeOther)
		return
	}
	s.render(w, http.StatusOK, page{Title: "Done", Closed: "Your answer has been given to the bank."})
}
