package paypage

import (
	"fmt"
	"time"

	"github.com/copayflow/copayflow/copay"
)

// text is a heading and what stands below it.
type text struct{ Head, Body string }

// words are the page in one language.
type words struct {
	Other, OtherName               string // the other language and its own name
	Month, Day, Year, Birth, Hint  string
	Go, PayOther, Forget           string
	Keep                           string // agreed to by ticking; %[1]s practice, %[2]s cap, %[3]s day
	KeepVersion                    string // of that wording, kept with the consent
	Sure, Call                     string
	Malformed, Wrong, ErrorMark    string
	Visit, Paid, Returned, Charged string
	Texts                          map[string]text
	months                         [12]string
	date                           func(day int, month string, year int) string
}

var languages = map[string]words{
	"en": {
		Other: "es", OtherName: "Español", Month: "Month", Day: "Day", Year: "Year", Birth: "Patient's date of birth", Hint: "For example: 3 24 1980",
		Go: "Continue", PayOther: "Pay now in another way", Forget: "Do not charge my card, and keep it no longer",
		Keep: "Keep the card I pay with for later visits. Until %[3]s %[1]s may charge it for what I owe for a visit, at most %[2]s each time. " +
			"I am told before each charge and can say no. To end this I call.",
		KeepVersion: "page-en-1", Sure: "Not sure that this is really from us? Call us:", Call: "Call us:",
		Malformed: "Enter the date of birth as month, day and year.", Wrong: "This is not the date of birth we have. Tries left: %d", ErrorMark: "Error: ",
		Visit: "Visit of", Paid: "Paid", Returned: "Given back", Charged: "Your card will be charged",
		Texts: map[string]text{
			"ask":      {"Your payment", "To keep your information private, please enter the date of birth of the patient. Then you can see and pay what is open."},
			"confirm":  {"Your payment", "Continue to see and pay what is open."},
			"unknown":  {"This link is not known", "Please check that the whole link was copied, or call the practice that wrote to you."},
			"locked":   {"This link is locked", "A wrong date of birth was entered too often. Please call us; we can send you a new link."},
			"ended":    {"This link has ended", "Please call us; we can send you a new link."},
			"later":    {"Your payment is being prepared", "Please try again in a few minutes, or call us."},
			"trouble":  {"This does not work just now", "Nothing was charged. Please try again in a few minutes, or call us."},
			"paid":     {"Thank you, this is paid", "There is nothing more to do."},
			"nothing":  {"There is nothing to pay", "Nothing is open for this visit."},
			"refunded": {"Your money is on its way back", "Your bank may take some days to show it."},
			"call":     {"Please call us", "We would like to talk about this payment with you. There is nothing to pay here now."},
			"card":     {"Your card on file", "As you agreed, we will charge your card. You need not do anything. To stop it, use a button below or call us."},
			"done":     {"Thank you", "Your payment is on its way to us. To see that it has arrived, open the link in our message again in a few minutes. You can close this page."},
		},
		months: [12]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"},
		date:   func(d int, m string, y int) string { return fmt.Sprintf("%s %d, %d", m, d, y) },
	},
	"es": {
		Other: "en", OtherName: "English", Month: "Mes", Day: "Día", Year: "Año", Birth: "Fecha de nacimiento del paciente", Hint: "Por ejemplo: 3 24 1980",
		Go: "Continuar", PayOther: "Pagar ahora de otra forma", Forget: "No cobrar a mi tarjeta y no guardarla más",
		Keep: "Guardar la tarjeta con la que pago para otras visitas. Hasta el %[3]s %[1]s puede cobrarle lo que deba por una visita, como máximo %[2]s cada vez. " +
			"Me avisan antes de cada cobro y puedo decir que no. Para terminar esto llamo.",
		KeepVersion: "page-es-1", Sure: "¿No está seguro de que esto es nuestro? Llámenos:", Call: "Llámenos:",
		Malformed: "Escriba la fecha de nacimiento: mes, día y año.", Wrong: "No es la fecha de nacimiento que tenemos. Intentos restantes: %d", ErrorMark: "Error: ",
		Visit: "Visita del", Paid: "Pagado", Returned: "Devuelto", Charged: "Se cobrará a su tarjeta",
		Texts: map[string]text{
			"ask":      {"Su pago", "Para proteger su información, escriba la fecha de nacimiento del paciente. Después podrá ver y pagar lo pendiente."},
			"confirm":  {"Su pago", "Continúe para ver y pagar lo pendiente."},
			"unknown":  {"No conocemos este enlace", "Compruebe que copió el enlace completo, o llame al consultorio que le escribió."},
			"locked":   {"Este enlace está bloqueado", "Se escribió una fecha equivocada demasiadas veces. Llámenos; podemos enviarle un enlace nuevo."},
			"ended":    {"Este enlace ha terminado", "Llámenos; podemos enviarle un enlace nuevo."},
			"later":    {"Estamos preparando su pago", "Intente de nuevo en unos minutos, o llámenos."},
			"trouble":  {"Ahora mismo no funciona", "No se cobró nada. Intente de nuevo en unos minutos, o llámenos."},
			"paid":     {"Gracias, ya está pagado", "No tiene que hacer nada más."},
			"nothing":  {"No hay nada que pagar", "No hay nada pendiente por esta visita."},
			"refunded": {"Su dinero está en camino", "Su banco puede tardar unos días en mostrarlo."},
			"call":     {"Por favor llámenos", "Queremos hablar con usted sobre este pago. Ahora no hay nada que pagar aquí."},
			"card":     {"Su tarjeta registrada", "Como usted aceptó, cobraremos a su tarjeta. No tiene que hacer nada. Para detenerlo, use un botón o llámenos."},
			"done":     {"Gracias", "Su pago está en camino. Para ver que ha llegado, abra de nuevo el enlace de nuestro mensaje en unos minutos. Puede cerrar esta página."},
		},
		months: [12]string{"ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"},
		date:   func(d int, m string, y int) string { return fmt.Sprintf("%d %s %d", d, m, y) },
	},
}

func (w words) day(d copay.Date) string {
	t := d.In(time.UTC)
	if t.IsZero() {
		return ""
	}
	return w.date(t.Day(), w.months[t.Month()-1], t.Year())
}
