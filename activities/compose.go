package activities

import (
	"context"
	"fmt"
	"html"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// paymentLink is a link on the practice's own domain.
type paymentLink struct {
	url   string
	token string
}

// linkLifetime is how long a link in a message leads to a payable page; the
// hosted page behind it is renewed as often as needed.
const linkLifetime = 120 * 24 * time.Hour

// payLink returns the co-pay's link: always the same one, so that a message
// sent twice by mistake still leads to one payment.
func (a *Activities) payLink(ctx context.Context, key copay.Key, pr Practice) (paymentLink, error) {
	token, err := a.Store.NewPayLink(ctx, key.Practice, key.ID(), a.now().Add(linkLifetime))
	if err != nil {
		return paymentLink{}, err
	}
	return paymentLink{url: strings.TrimSuffix(pr.PayBase, "/") + "/pay/" + token, token: token}, nil
}

// wording holds the sentences of one language. A text names the practice and
// the visit, leads to the practice's own domain and gives a number to check;
// a mail, which travels under no business associate agreement, says even less.
type wording struct {
	request, reminder, cardNotice, cardFailed string
	tail                                      string
	subject, mailBody, mailTail               string
	months                                    [12]string
	date                                      func(t time.Time, months [12]string) string
}

var english = wording{
	request:    "%[1]s: there is a payment to make for your visit of %[2]s. See and pay: %[3]s",
	reminder:   "%[1]s: a reminder, the payment for your visit of %[2]s is still open. See and pay: %[3]s",
	cardNotice: "%[1]s: we will soon charge your card on file, as you agreed, for your visit of %[2]s. Details, or pay another way: %[3]s",
	cardFailed: "%[1]s: your card on file did not work for your visit of %[2]s. Please pay here: %[3]s",
	tail:       " Questions? Call %s. Reply STOP to end.",
	subject:    "A message from %s about your account",
	mailBody:   "%[1]s has a message about your account for you.\n\nPlease open this personal link to see it:\n%[2]s\n",
	mailTail:   "\nIf you are not sure that this is really from us, call us at %s before you open the link.\n\n%s\n",
	months:     [12]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"},
	date: func(t time.Time, m [12]string) string {
		return fmt.Sprintf("%s %d", m[t.Month()-1], t.Day())
	},
}

var spanish = wording{
	request:    "%[1]s: tiene un pago pendiente por su visita del %[2]s. Vea y pague: %[3]s",
	reminder:   "%[1]s: le recordamos que el pago por su visita del %[2]s sigue pendiente. Vea y pague: %[3]s",
	cardNotice: "%[1]s: pronto cobraremos a su tarjeta registrada, como usted acepto, por su visita del %[2]s. Detalles u otra forma de pago: %[3]s",
	cardFailed: "%[1]s: su tarjeta registrada no funciono para su visita del %[2]s. Pague aqui: %[3]s",
	tail:       " Preguntas? Llame al %s. Responda STOP para terminar.",
	subject:    "Un mensaje de %s sobre su cuenta",
	mailBody:   "%[1]s tiene un mensaje sobre su cuenta.\n\nAbra este enlace personal para verlo:\n%[2]s\n",
	mailTail:   "\nSi no sabe si este mensaje es nuestro, llame al %s antes de abrir el enlace.\n\n%s\n",
	months:     [12]string{"ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"},
	date: func(t time.Time, m [12]string) string {
		return fmt.Sprintf("%d %s", t.Day(), m[t.Month()-1])
	},
}

func (w wording) of(t copay.Template) string {
	switch t {
	case copay.TemplateReminder:
		return w.reminder
	case copay.TemplateCardNotice:
		return w.cardNotice
	case copay.TemplateCardFailed:
		return w.cardFailed
	}
	return w.request
}

// compose writes the message in the patient's language. Texts keep to
// characters of the GSM alphabet, so that none is split needlessly.
func compose(in NotifyInput, pr Practice, pat integrations.Patient, link paymentLink) integrations.Message {
	w := english
	if lang := strings.ToLower(pat.Language); strings.HasPrefix(lang, "es") || strings.HasPrefix(lang, "spa") {
		w = spanish
	}
	m := integrations.Message{Ref: in.Ref, Practice: in.Key.Practice, FromName: pr.Name, Token: link.token}
	if in.Channel == copay.ChannelEmail {
		m.To = pat.Email
		m.Subject = fmt.Sprintf(w.subject, pr.Name)
		m.Body = fmt.Sprintf(w.mailBody, pr.Name, link.url) + fmt.Sprintf(w.mailTail, pr.Phone, pr.Name)
		m.HTML = mailHTML(m.Body, link.url)
		return m
	}
	visit := string(in.Visit)
	if t := in.Visit.In(time.UTC); !t.IsZero() {
		visit = w.date(t, w.months)
	}
	m.To = pat.Phone
	m.Body = fmt.Sprintf(w.of(in.Template), pr.Name, visit, link.url) + fmt.Sprintf(w.tail, pr.Phone)
	return m
}

// mailHTML is the plain text with the link made clickable: no pictures, no
// tracking, nothing that the text does not say.
func mailHTML(body, url string) string {
	e := html.EscapeString(body)
	u := html.EscapeString(url)
	e = strings.ReplaceAll(e, u, `<a href="`+u+`">`+u+`</a>`)
	return "<p>" + strings.ReplaceAll(strings.ReplaceAll(e, "\n\n", "</p><p>"), "\n", "<br>") + "</p>"
}
