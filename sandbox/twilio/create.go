package twiliosim

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const maxText = 1600

var (
	e164       = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	northAmer  = regexp.MustCompile(`^\+1[2-9][0-9]{9}$`)
	serviceSID = regexp.MustCompile(`^MG[0-9a-fA-F]{32}$`)
)

func isNumber(s string) bool {
	if strings.HasPrefix(s, "+1") {
		return northAmer.MatchString(s)
	}
	return e164.MatchString(s)
}

// magicTo are the recipients of the test credentials
// (twilio.com/docs/iam/test-credentials).
var magicTo = map[string]func(to string) *apiError{
	"+15005550001": func(to string) *apiError {
		return invalid(21211, "The 'To' number %s is not a valid phone number.", to)
	},
	"+15005550002": func(to string) *apiError {
		return invalid(21612, "The 'To' phone number: %s, is not currently reachable using the 'From' phone number via SMS.", to)
	},
	"+15005550003": func(to string) *apiError {
		return invalid(21408, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: %s.", to)
	},
	"+15005550004": func(string) *apiError { return invalid(21610, "Attempt to send to unsubscribed recipient") },
	"+15005550009": func(to string) *apiError { return invalid(21614, "'To' number: %s, is not a valid mobile number", to) },
}

// create is POST Messages.
func (c *call) create() (answer, *apiError) {
	f, s := c.form, c.s
	m := &message{sid: newID("SM"), to: f.Get("To"), body: f.Get("Body"), text: f.Get("Body"), direction: "outbound-api",
		callback: f.Get("StatusCallback"), discard: f.Get("ContentRetention") == "discard", obfuscate: f.Get("AddressRetention") == "obfuscate",
		validity: 36_000 * time.Second}
	for _, check := range []func(*message) *apiError{c.recipient, c.sender, c.content, c.options, c.schedule} {
		if e := check(m); e != nil {
			return answer{}, e
		}
	}
	if refuse := magicTo[m.to]; refuse != nil {
		return answer{}, refuse(m.to)
	}
	if s.optOuts[s.subscriptionOf(m)] {
		return answer{}, invalid(21610, "Attempt to send to unsubscribed recipient")
	}
	m.created = s.o.Time()
	m.updated = m.created
	s.messages = append(s.messages, m)
	m.plan = s.planFor(m)
	a := s.resource(http.StatusCreated, m) // before anything happens to it
	s.start(m)
	return a, nil
}

func (c *call) recipient(m *message) *apiError {
	if m.to == "" {
		return invalid(21604, "A 'To' phone number is required.")
	}
	if !isNumber(m.to) {
		return invalid(21211, "Invalid 'To' Phone Number: %s", m.to)
	}
	if !slices.ContainsFunc(c.s.cfg.Regions, func(p string) bool { return strings.HasPrefix(m.to, p) }) {
		return invalid(21408, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: %s.", m.to)
	}
	return nil
}

func (c *call) sender(m *message) *apiError {
	from, service, cfg := c.form.Get("From"), c.form.Get("MessagingServiceSid"), c.s.cfg
	if from == "" && service == "" {
		return invalid(21603, "A 'From' phone number is required.")
	}
	if service != "" {
		if !serviceSID.MatchString(service) || service != cfg.MessagingServiceSID {
			return invalid(21705, "The Messaging Service Sid %s is invalid.", service)
		}
		m.service, m.status = service, "accepted"
	}
	if from != "" {
		if e := c.ownNumber(from); e != nil {
			return e
		}
		m.from = from
		if service == "" {
			m.status = "queued"
		}
	}
	if from == m.to {
		return invalid(21266, "'To' and 'From' number cannot be the same")
	}
	return nil
}

// ownNumber checks a sender, test numbers included.
func (c *call) ownNumber(from string) *apiError {
	switch {
	case from == "+15005550001", !isNumber(from):
		return invalid(21212, "The 'From' number %s is not a valid phone number, shortcode, or alphanumeric sender ID.", from)
	case from == "+15005550007":
		return invalid(21606, "The 'From' phone number %s is not a valid, SMS-capable inbound phone number or short code for your account.", from)
	case from == "+15005550008":
		return failure(http.StatusTooManyRequests, 21611, "This 'From' number has exceeded the maximum number of queued messages")
	case from != TestNumber && !c.s.inPool(from):
		return invalid(21659, "'From' %s is not a Twilio phone number or Short Code country mismatch", from)
	}
	return nil
}

func (c *call) content(m *message) *apiError {
	if m.text == "" {
		return invalid(21602, "Message body is required.")
	}
	if utf8.RuneCountInString(m.text) > maxText {
		return invalid(21617, "The concatenated message body exceeds the 1600 character limit.")
	}
	return nil
}

func (c *call) options(m *message) *apiError {
	if m.callback != "" {
		u, err := url.Parse(m.callback)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return invalid(21609, "The 'StatusCallback' URL %s is not a valid URL.", m.callback)
		}
	}
	if v := c.form.Get("ValidityPeriod"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 36_000 {
			return invalid(20001, "ValidityPeriod must be between 1 and 36000 seconds")
		}
		m.validity = time.Duration(n) * time.Second
	}
	for name, allowed := range map[string][2]string{"ContentRetention": {"retain", "discard"}, "AddressRetention": {"retain", "obfuscate"}} {
		if v := c.form.Get(name); v != "" && v != allowed[0] && v != allowed[1] {
			return invalid(20001, "%s must be %s or %s", name, allowed[0], allowed[1])
		}
	}
	return nil
}

// schedule reads SendAt. Without a messaging service the platform drops both
// parameters in silence and sends at once.
func (c *call) schedule(m *message) *apiError {
	if m.service == "" || c.form.Get("ScheduleType") == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, c.form.Get("SendAt"))
	ahead := at.Sub(c.s.o.Time())
	if c.form.Get("ScheduleType") != "fixed" || err != nil || ahead < 15*time.Minute || ahead > 35*24*time.Hour {
		return invalid(35114, "SendAt time must be between 15 minutes and 35 days (inclusive) in the future")
	}
	m.sendAt, m.status = at, "scheduled"
	return nil
}

// gsm holds the characters of the GSM 03.38 alphabet; those of its extension
// count twice.
const (
	gsm      = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmTwice = "^{}\\[~]|€\f"
)

// segmentsOf counts the parts a text is split into: 160 characters alone and
// 153 each when split, or 70 and 67 when one character is outside GSM 03.38.
func segmentsOf(text string) int {
	septets, units, plain := 0, 0, true
	for _, r := range text {
		units += utf16Units(r)
		switch {
		case strings.ContainsRune(gsm, r):
			septets++
		case strings.ContainsRune(gsmTwice, r):
			septets += 2
		default:
			plain = false
		}
	}
	n, single, split := units, 70, 67
	if plain {
		n, single, split = septets, 160, 153
	}
	if n <= single {
		return 1
	}
	return (n + split - 1) / split
}

// utf16Units is how many UTF-16 units a character takes.
func utf16Units(r rune) int {
	if r > 0xffff {
		return 2
	}
	return 1
}
