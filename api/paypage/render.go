package paypage

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/copayflow/copayflow/copay"
)

//go:embed page.html
var source string

var page = template.Must(template.New("page").Parse(source))

// content is what a page says.
type content struct {
	Kind  string // of the words
	Fault string // malformed, wrong
	Left  int
	Lines []line
	Again map[string]string // form fields sent along with a confirmation
	Keep  *offer
}

// line is one fact, shown only after the second factor.
type line struct{ Name, Value string }

// details are what a patient may see of their co-pay.
func (h *handler) details(v visit, kind string, c copay.CoPay) content {
	w := languages[h.language(v)]
	out := content{Kind: kind}
	add := func(name, value string) {
		if value != "" {
			out.Lines = append(out.Lines, line{name, value})
		}
	}
	add(w.Visit, w.day(c.ServiceDate))
	if kind == "paid" || kind == "refunded" {
		if c.Amounts.Collected.IsPositive() {
			add(w.Paid, c.Amounts.Collected.String())
		}
		if c.Amounts.Refunded.IsPositive() {
			add(w.Returned, c.Amounts.Refunded.String())
		}
	}
	if kind == "card" {
		add(w.Charged, c.Amounts.Outstanding().String())
		out.Again = map[string]string{}
		for _, name := range []string{"birth_date", "month", "day", "year"} {
			if value := v.r.PostForm.Get(name); value != "" {
				out.Again[name] = value
			}
		}
	}
	return out
}

type view struct {
	content
	W        words
	Lang     string
	Practice Practice
	Text     text
	Error    string
	Factor   bool
	Nonce    string
	Tel      string
	Title    string
	Form     bool
	Switch   string
	Kept     bool // the offer was ticked before
}

func (h *handler) page(v visit, status int, c content) {
	lang := h.language(v)
	w := languages[lang]
	p := view{content: c, W: w, Lang: lang, Practice: v.practice, Text: w.Texts[c.Kind], Factor: !v.practice.NoFactor, Nonce: rand.Text(),
		Tel: tel(v.practice.Phone), Form: c.Kind == "ask", Switch: "?lang=" + w.Other}
	if p.Form {
		p.Keep, p.Kept = h.offer(v), v.r.PostForm.Get("keep") != ""
	}
	if c.Kind == "ask" && v.practice.NoFactor {
		p.Text = w.Texts["confirm"]
	}
	switch c.Fault {
	case "malformed":
		p.Error = w.Malformed
	case "wrong":
		p.Error = fmt.Sprintf(w.Wrong, c.Left)
	}
	p.Title = p.Text.Head
	if v.practice.Name != "" {
		p.Title += " – " + v.practice.Name
	}
	if p.Error != "" {
		p.Title = w.ErrorMark + p.Title
	}
	var b bytes.Buffer
	if err := page.Execute(&b, p); err != nil {
		h.Log.ErrorContext(v.r.Context(), "pay page", "problem", "the page cannot be made", "error", err)
		http.Error(v.w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h.headers(v.w.Header(), p.Nonce, lang)
	v.w.WriteHeader(status)
	_, _ = b.WriteTo(v.w) // a patient who went away
}

// headers keep the page to itself: nothing from elsewhere, no frame, no copy
// in a cache, no address of it in a referrer. Browsers also hold the redirect
// after a form to form-action, so the hosted page must be allowed there.
func (h *handler) headers(hd http.Header, nonce, lang string) {
	targets := "'self' https:"
	if h.Insecure {
		targets += " http:"
	}
	hd.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+nonce+"'; form-action "+targets+"; base-uri 'none'; frame-ancestors 'none'")
	hd.Set("Content-Type", "text/html; charset=utf-8")
	hd.Set("Content-Language", lang)
	hd.Set("Vary", "Accept-Language")
	hd.Set("Cache-Control", "no-store")
	hd.Set("Referrer-Policy", "no-referrer")
	hd.Set("X-Content-Type-Options", "nosniff")
	hd.Set("X-Robots-Tag", "noindex, nofollow")
}

// tel is a number as a link dials it.
func tel(phone string) string {
	return strings.Map(func(r rune) rune {
		if r == '+' || (r >= '0' && r <= '9') {
			return r
		}
		return -1
	}, phone)
}
