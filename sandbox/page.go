package sandbox

import (
	"crypto/rand"
	_ "embed"
	"errors"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	drchronosim "github.com/copayflow/copayflow/sandbox/drchrono"
	"github.com/copayflow/copayflow/sandbox/sim"
)

//go:embed page.html
var pageHTML string

//go:embed problem.html
var problemHTML string

var problemTemplate = template.Must(template.New("problem").Parse(problemHTML))

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

// page shows what went out and lets one play the clinic and the patient, and
// trouble at the platforms.
func (s *Sandbox) page() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		nonce := rand.Text()
		show(w, http.StatusOK, pageTemplate, nonce, map[string]any{
			"Nonce": nonce, "Platforms": slices.Sorted(maps.Keys(s.faults())), "Faults": faultNames, "Webhooks": webhookNames, "Pending": s.pending(),
			"Notes": s.notes(), "EHR": s.DrChrono.Payments(), "Stripe": s.Stripe.Books(), "Books": s.QuickBooks.Books(), "Patients": s.DrChrono.Patients(), "Charges": s.DrChrono.Charges()})
	})
	for name, do := range map[string]func(url.Values) error{"charge": s.charge, "delete": s.delete, "remit": s.remit, "reply": s.reply, "fault": s.fault,
		"webhook": s.webhook} {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseForm(); err != nil {
				show(w, http.StatusBadRequest, problemTemplate, "", "the form cannot be read")
				return
			}
			if err := do(r.PostForm); err != nil {
				show(w, http.StatusBadRequest, problemTemplate, "", err.Error())
				return
			}
			http.Redirect(w, r, "/", http.StatusSeeOther)
		})
	}
	return http.NewCrossOriginProtection().Handler(mux)
}

func show(w http.ResponseWriter, status int, page *template.Template, nonce string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-"+nonce+"'; connect-src 'self'; form-action 'self'")
	w.WriteHeader(status)
	_ = page.Execute(w, data) // a browser that hung up
}

func (s *Sandbox) charge(f url.Values) error {
	cents, err := strconv.ParseInt(f.Get("dollars"), 10, 64)
	if err != nil || cents <= 0 || cents > 5000 {
		return errors.New("give a whole number of dollars up to 5000")
	}
	if !slices.ContainsFunc(s.DrChrono.Patients(), func(p drchronosim.Seeded) bool { return p.ID == f.Get("patient") }) {
		return errors.New("there is no such patient; choose one of the list")
	}
	s.DrChrono.AddCharge(drchronosim.Charge{Patient: f.Get("patient"), Cents: cents * 100})
	return nil
}

func (s *Sandbox) delete(f url.Values) error {
	if !slices.ContainsFunc(s.DrChrono.Charges(), func(c drchronosim.Seeded) bool { return c.ID == f.Get("charge") }) {
		return errors.New("there is no such charge; perhaps it is deleted already")
	}
	s.DrChrono.DeleteCharge(f.Get("charge"))
	return nil
}

// remit posts what a payer says that the patient owes, as coinsurance.
func (s *Sandbox) remit(f url.Values) error {
	at := slices.IndexFunc(s.DrChrono.Charges(), func(c drchronosim.Seeded) bool { return c.ID == f.Get("charge") })
	if at < 0 {
		return errors.New("there is no such charge; perhaps it is deleted")
	}
	owes, err := strconv.ParseInt(f.Get("dollars"), 10, 64)
	if err != nil || owes < 0 || owes*100 > s.DrChrono.Charges()[at].Cents {
		return errors.New("give a whole number of dollars, not more than the charge")
	}
	s.DrChrono.Remit(f.Get("charge"), "ERA Received", drchronosim.Adjustment{Status: "1", Group: "PR", Reason: "2", Cents: owes * 100})
	return nil
}

func (s *Sandbox) reply(f url.Values) error {
	_, err := s.Twilio.Receive(f.Get("from"), f.Get("text"))
	return err
}

// faultNames are the ways to misbehave that the page offers.
var faultNames = map[sim.FaultKind]string{sim.FaultRateLimit: "is throttled (429)", sim.FaultServer: "fails (500)", sim.FaultSlow: "takes ten seconds", sim.FaultDrop: "is done, but not answered",
	sim.FaultToken: "finds its credentials expired (401)"}

// webhookNames are the ways in which the page lets webhooks come.
var webhookNames = map[string]string{"twice": "comes twice", "late": "comes after the one that follows it"}

func (s *Sandbox) faults() map[string]*sim.Faults {
	return map[string]*sim.Faults{"drchrono": s.DrChrono.Faults(), "availity": s.Availity.Faults(), "stripe": s.Stripe.Faults(), "twilio": s.Twilio.Faults(),
		"sendgrid": s.SendGrid.Faults(), "quickbooks": s.QuickBooks.Faults()}
}

func (s *Sandbox) fault(f url.Values) error {
	at, kind := s.faults()[f.Get("platform")], sim.FaultKind(f.Get("kind"))
	if at == nil || faultNames[kind] == "" {
		return errors.New("choose a platform and what happens to its next call")
	}
	at.Add(sim.Fault{Kind: kind, Delay: 10 * time.Second})
	return nil
}

func (s *Sandbox) webhook(f url.Values) error {
	switch f.Get("how") {
	case "twice":
		s.Hooks.Duplicate(1)
	case "late":
		s.Hooks.Reorder()
	default:
		return errors.New("choose how the next webhook comes")
	}
	return nil
}

// pending are the faults that are still to happen, in words.
func (s *Sandbox) pending() (list []string) {
	all := s.faults()
	for _, platform := range slices.Sorted(maps.Keys(all)) {
		for _, x := range all[platform].Pending() {
			if name := faultNames[x.Kind]; name != "" {
				list = append(list, "the next call to "+platform+" "+name)
			}
		}
	}
	twice, late := s.Hooks.Pending()
	for range twice {
		list = append(list, "the next webhook "+webhookNames["twice"])
	}
	if late {
		list = append(list, "the next webhook "+webhookNames["late"])
	}
	return list
}
