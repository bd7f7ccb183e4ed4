package sendgridsim

import (
	"fmt"
	"strings"
	"time"
)

// message is one mail to one recipient.
type message struct {
	id             string // X-Message-Id, shared by all mails of a request
	n              int
	to, from       string
	subject        string
	text, html     string
	args           map[string]string
	categories     []string
	template       string
	group          int
	bypass         mailSettings
	status         string
	at, last       time.Time
	events         []event
	opens, clicks  int
	seen, finished bool
}

// fullID is how events and the activity name a mail: the shared id, then the
// servers it went through.
func (m *message) fullID() string {
	return fmt.Sprintf("%s.recvd-6d4f9c7b8-sim01-1-%X-%d.0", m.id, m.at.Unix(), m.n)
}

// Message is a mail as tests and the sandbox's pages see it.
type Message struct {
	ID, To, From, Subject, Text, HTML string
	// Ref is the custom argument of that name.
	Ref        string
	Categories []string
	// Status is processed, deferred, delivered, bounce or dropped.
	Status string
	At     time.Time
}

// String names a mail for logs: never its text or address.
func (m Message) String() string { return m.ID + " " + m.Status }

// Messages lists all mails, oldest first.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Message, 0, len(s.messages))
	for _, m := range s.messages {
		out = append(out, Message{ID: m.id, To: m.to, From: m.from, Subject: m.subject, Text: m.text, HTML: m.html, Ref: m.args["ref"],
			Categories: m.categories, Status: m.status, At: m.at})
	}
	return out
}

// deliver moves a mail on as far as its recipient lets it and reports that in
// one batch. Recipients whose name is one of these misbehave, whatever their
// domain: bounce, block, drop, defer (until it is delivered again) and spam.
func (s *Server) deliver(m *message) {
	if m.finished {
		return
	}
	if reason := s.suppressedFor(m); reason != "" {
		s.post(s.event(m, "dropped", event{"reason": reason, "status": "5.0.0"}))
		return
	}
	var batch []event
	if !m.seen {
		m.seen = true
		batch = append(batch, s.event(m, "processed", nil))
	}
	local, _, _ := strings.Cut(strings.ToLower(m.to), "@")
	switch {
	case local == "drop":
		s.suppress(listInvalid, m.to, "Mail domain mentioned in email address is unknown", "")
		batch = []event{s.event(m, "dropped", event{"reason": "Invalid", "status": "5.0.0"})}
	case local == "bounce":
		batch = append(batch, s.bounce(m, "bounce", "5.1.1", "550 5.1.1 The email account that you tried to reach does not exist", "Invalid Address"))
	case local == "block":
		batch = append(batch, s.bounce(m, "blocked", "4.7.0", "421 4.7.0 Our system has detected an unusual rate of mail", "Reputation"))
	case local == "defer" && m.status == "processed":
		batch = append(batch, s.event(m, "deferred", event{"response": "451 4.7.1 try again later", "attempt": "1"}))
	default:
		batch = append(batch, s.event(m, "delivered", event{"response": "250 2.0.0 OK", "tls": 1, "ip": "192.0.2.10"}))
		if local == "spam" {
			s.suppress(listSpam, m.to, "", "")
			batch = append(batch, s.event(m, "spamreport", nil))
		}
	}
	s.post(batch...)
}

// bounce is a refusal by the recipient's server: for good, or "blocked".
func (s *Server) bounce(m *message, kind, status, reason, class string) event {
	list := listBounces
	if kind == "blocked" {
		list = listBlocks
	}
	s.suppress(list, m.to, reason, status)
	return s.event(m, "bounce", event{"type": kind, "status": status, "reason": reason, "bounce_classification": class})
}

// Deliver moves all mails of a request on, by the id that mail/send answered.
func (s *Server) Deliver(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if m.id == id {
			s.deliver(m)
		}
	}
}
