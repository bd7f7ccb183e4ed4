package twiliosim

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The default key words of US and Canadian long codes. The text must be that
// single word, in any case; "STOP PLEASE" and "opt out" are not.
var (
	stopWords  = []string{"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
	startWords = []string{"START", "YES", "UNSTOP"}
	helpWords  = []string{"HELP", "INFO"}
)

// Receive is a patient's text to the practice: the webhook is posted whatever
// it says, and STOP, START and HELP are handled as the platform does. It
// returns the inbound message's id.
func (s *Server) Receive(from, body string) (string, error) {
	if !isNumber(from) {
		return "", fmt.Errorf("%q is not a number in E.164 form", from)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Time()
	to := s.senderFor(from)
	m := &message{sid: newID("SM"), to: to, from: from, service: s.serviceOf(to), body: body, text: body,
		status: "received", direction: "inbound", created: now, updated: now, sent: now}
	s.messages = append(s.messages, m)
	kind := s.keyword(m)
	p := url.Values{"MessageSid": {m.sid}, "SmsSid": {m.sid}, "SmsMessageSid": {m.sid}, "AccountSid": {s.cfg.AccountSID},
		"From": {from}, "To": {m.to}, "Body": {body}, "NumMedia": {"0"}, "NumSegments": {strconv.Itoa(segmentsOf(body))},
		"SmsStatus": {"received"}, "ApiVersion": {apiVersion},
		"FromCity": {""}, "FromState": {"IL"}, "FromZip": {""}, "FromCountry": {"US"}, "ToCity": {""}, "ToState": {""}, "ToZip": {""}, "ToCountry": {"US"}}
	if m.service != "" {
		p.Set("MessagingServiceSid", m.service)
		if s.cfg.AdvancedOptOut && kind != "" {
			p.Set("OptOutType", kind)
		}
	}
	s.post(s.cfg.InboundURL, p)
	return m.sid, nil
}

// senderFor is the number that last texted the patient.
func (s *Server) senderFor(patient string) string {
	for _, m := range slices.Backward(s.messages) {
		if m.to == patient && m.from != "" && m.direction == "outbound-api" {
			return m.from
		}
	}
	return s.cfg.Number
}

// inPool reports whether a number is one of the service's.
func (s *Server) inPool(number string) bool {
	return number == s.cfg.Number || slices.Contains(s.cfg.MoreNumbers, number)
}

// serviceOf is the service whose pool holds a number.
func (s *Server) serviceOf(number string) string {
	if s.inPool(number) {
		return s.cfg.MessagingServiceSID
	}
	return ""
}

// keyword handles STOP, START and HELP and answers them: an opt-out and an
// opt-in once, a call for help always.
func (s *Server) keyword(m *message) string {
	word := strings.ToUpper(strings.TrimSpace(m.text))
	sub := subscription{m.service, m.from}
	if sub.sender == "" {
		sub.sender = m.to
	}
	switch {
	case slices.Contains(stopWords, word):
		if !s.optOuts[sub] {
			s.optOuts[sub] = true
			s.reply(m, "You have successfully been unsubscribed. You will not receive any more messages from this number. Reply START to resubscribe.")
		}
		return "STOP"
	case slices.Contains(startWords, word):
		if s.optOuts[sub] {
			delete(s.optOuts, sub)
			s.reply(m, "You have successfully been re-subscribed to messages from this number. Reply HELP for help. Reply STOP to unsubscribe. Msg&Data Rates May Apply.")
		}
		return "START"
	case slices.Contains(helpWords, word):
		s.reply(m, "Reply STOP to unsubscribe. Msg&Data Rates May Apply.")
		return "HELP"
	}
	return ""
}

// reply is the platform's own answer to a key word.
func (s *Server) reply(to *message, text string) {
	now := s.o.Time()
	s.messages = append(s.messages, &message{sid: newID("SM"), to: to.from, from: to.to, service: to.service, body: text, text: text,
		status: "delivered", direction: "outbound-reply", created: now, updated: now, sent: now})
}

// subscriptionOf is what an opt-out of m's recipient would be kept under.
func (s *Server) subscriptionOf(m *message) subscription {
	if m.service != "" {
		return subscription{m.service, m.to}
	}
	if s.inPool(m.from) {
		return subscription{s.cfg.MessagingServiceSID, m.to}
	}
	return subscription{m.from, m.to}
}

// OptedOut reports whether a number has opted out of any of our senders.
func (s *Server) OptedOut(number string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.optOuts {
		if sub.number == number {
			return true
		}
	}
	return false
}
