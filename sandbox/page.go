package sandbox

import (
	"crypto/rand"
	_ "embed"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	drchronosim "github.com/copayflow/copayflow/sandbox/drchrono"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"dollars": dollars, "linked": linked}).Parse(pageHTML))

// dollars writes signed cents.
func dollars(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return sign + "$" + strconv.FormatInt(cents/100, 10) + "." + strconv.Itoa(int(cents%100/10)) + strconv.Itoa(int(cents%10))
}

// linked makes the addresses in a text clickable.
func linked(text string) template.HTML {
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			b.WriteString("<br>")
		}
		for j, word := range strings.Split(line, " ") {
			if j > 0 {
				b.WriteString(" ")
			}
			e := template.HTMLEscapeString(word)
			if strings.HasPrefix(word, "http://") || strings.HasPrefix(word, "https://") {
				e = `<a href="` + e + `" target="_blank" rel="noopener">` + e + `</a>`
			}
			b.WriteString(e)
		}
	}
	return template.HTML(b.String()) //nolint:gosec // every word is escaped above
}

// note is a message as the page shows it.
type note struct {
	At                             time.Time
	Via, To, Subject, Text, Status string
	Inbound                        bool
}

// Notes are all messages of all channels, newest first.
func (s *Sandbox) notes() []note {
	var out []note
	for _, m := range s.Twilio.Messages() {
		out = append(out, note{At: m.At, Via: "SMS", To: m.To, Text: m.Body, Status: m.Status, Inbound: m.Direction == "inbound"})
	}
	for _, m := range s.SendGrid.Messages() {
		out = append(out, note{At: m.At, Via: "mail", To: m.To, Subject: m.Subject, Text: m.Text, Status: m.Status})
	}
	slices.SortFunc(out, func(a, b note) int { return b.At.Compare(a.At) })
	return out
}

// page shows what went out and lets one play the clinic and the patient.
func (s *Sandbox) page() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		nonce := rand.Text()
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-"+nonce+"'; connect-src 'self'; form-action 'self'")
		_ = pageTemplate.Execute(w, map[string]any{ // a browser that hung up
			"Nonce": nonce,
			"Notes": s.notes(), "EHR": s.DrChrono.Payments(), "Stripe": s.Stripe.Books(), "Books": s.QuickBooks.Books(), "Patients": s.DrChrono.Patients(), "Charges": s.DrChrono.Charges()})
	})
	mux.HandleFunc("POST /charge", func(w http.ResponseWriter, r *http.Request) {
		cents, err := strconv.ParseInt(r.PostFormValue("dollars"), 10, 64)
		if err != nil || cents <= 0 || cents > 5000 {
			http.Error(w, "give a whole number of dollars up to 5000", http.StatusBadRequest)
			return
		}
		s.DrChrono.AddCharge(drchronosim.Charge{Patient: r.PostFormValue("patient"), Cents: cents * 100})
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /delete", func(w http.ResponseWriter, r *http.Request) {
		s.DrChrono.DeleteCharge(r.PostFormValue("charge"))
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /reply", func(w http.ResponseWriter, r *http.Request) {
		s.Twilio.Receive(r.PostFormValue("from"), r.PostFormValue("text"))
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return http.NewCrossOriginProtection().Handler(mux)
}
