package twiliosim

import (
	"net/url"
	"strconv"
	"time"
)

// outcome is how the delivery to a number ends.
type outcome struct {
	status string
	code   int
}

// Numbers of the simulator's own: texts to them are taken and then fail, with
// the error code in the last two digits.
const (
	Unreachable = "+15005551003"
	Landline    = "+15005551006"
)

// reserved are all such numbers.
var reserved = map[string]outcome{
	Unreachable:    {"undelivered", 30003}, // handset switched off
	"+15005551004": {"undelivered", 30004}, // blocked
	"+15005551005": {"undelivered", 30005}, // unknown number
	Landline:       {"undelivered", 30006},
	"+15005551007": {"undelivered", 30007}, // filtered by the carrier
	"+15005551008": {"undelivered", 30008}, // unknown reason
	"+15005551034": {"failed", 30034},      // sender not registered
	"+15005551099": {"sent", 0},            // no news ever after "sent"
}

// SetOutcome decides how deliveries to a number end from now on: "delivered",
// "undelivered", "failed" or "sent" (no news after that), with an error code.
func (s *Server) SetOutcome(number, status string, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[number] = outcome{status, code}
}

// planFor lists the steps that a message will take.
func (s *Server) planFor(m *message) []step {
	o, ok := s.outcomes[m.to]
	if !ok {
		if o, ok = reserved[m.to]; !ok {
			o = outcome{status: "delivered"}
		}
	}
	var plan []step
	if m.service != "" {
		plan = append(plan, step{status: "queued"})
	}
	if o.status == "failed" {
		return append(plan, step(o))
	}
	plan = append(plan, step{status: "sending"}, step{status: "sent"})
	if o.status != "sent" {
		plan = append(plan, step(o))
	}
	return plan
}

// start sets a message in motion.
func (s *Server) start(m *message) {
	if m.status == "scheduled" {
		return
	}
	switch {
	case s.cfg.NoDelivery:
	case s.cfg.Delay > 0:
		s.later(m)
	default:
		for s.advance(m) {
		}
	}
}

// later takes one step after the delay and then arranges the next.
func (s *Server) later(m *message) {
	time.AfterFunc(s.cfg.Delay, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.closed && s.advance(m) {
			s.later(m)
		}
	})
}

// release sets scheduled messages in motion whose time has come.
func (s *Server) release() {
	now := s.o.Time()
	for _, m := range s.messages {
		if m.status == "scheduled" && !now.Before(m.sendAt) {
			m.status, m.created = "accepted", m.sendAt
			s.start(m)
		}
	}
}

// Advance takes one step with a message and reports whether there was one.
func (s *Server) Advance(sid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if m.sid == sid && m.status != "scheduled" {
			return s.advance(m)
		}
	}
	return false
}

// Deliver takes a message through all the steps that are left.
func (s *Server) Deliver(sid string) {
	for s.Advance(sid) {
	}
}

// advance takes the next step. A message that has waited in the queue for
// longer than its validity is not sent.
func (s *Server) advance(m *message) bool {
	if len(m.plan) == 0 {
		return false
	}
	next := m.plan[0]
	m.plan = m.plan[1:]
	if next.status == "sending" && s.o.Time().After(m.created.Add(m.validity)) {
		next, m.plan = step{"failed", 30036}, nil
	}
	s.move(m, next)
	return true
}

// move changes the status and reports it.
func (s *Server) move(m *message, next step) {
	m.status, m.code, m.updated = next.status, next.code, s.o.Time()
	if m.from == "" {
		m.from = s.cfg.Number // the service has picked a sender
	}
	if next.status == "sent" {
		m.sent = m.updated
	}
	if m.discard && m.final() {
		m.body = ""
	}
	s.report(m)
}

// report posts the status callback of a message.
func (s *Server) report(m *message) {
	if m.callback == "" {
		return
	}
	p := url.Values{"MessageSid": {m.sid}, "SmsSid": {m.sid}, "MessageStatus": {m.status}, "SmsStatus": {m.status},
		"AccountSid": {s.cfg.AccountSID}, "From": {m.from}, "To": {m.to}, "ApiVersion": {apiVersion}}
	if m.service != "" {
		p.Set("MessagingServiceSid", m.service)
	}
	switch m.status {
	case "failed", "undelivered":
		if m.code != 0 {
			p.Set("ErrorCode", strconv.Itoa(m.code))
		}
	}
	if m.status == "delivered" || m.status == "undelivered" {
		p.Set("RawDlrDoneDate", m.updated.UTC().Format("0601021504"))
	}
	s.post(m.callback, p)
}

// Resend posts the last status of a message again, as the platform may. It
// reports whether there is such a message.
func (s *Server) Resend(sid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if m.sid == sid {
			s.report(m)
			return true
		}
	}
	return false
}

// errorText is a short wording of a delivery error.
func errorText(code int) string {
	switch code {
	case 30003:
		return "Unreachable destination handset"
	case 30004:
		return "Message blocked"
	case 30005:
		return "Unknown destination handset"
	case 30006:
		return "Landline or unreachable carrier"
	case 30007:
		return "Message filtered"
	case 30034:
		return "Message from an unregistered number"
	case 30036:
		return "Validity period expired"
	}
	return "Error " + strconv.Itoa(code)
}
