package twiliosim

import (
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// message is one text, out or in.
type message struct {
	sid, to, from, service string
	// body is what the API shows; text is what was said, for inspection.
	body, text string
	status     string
	code       int
	direction  string
	created    time.Time
	updated    time.Time
	sent       time.Time
	callback   string
	validity   time.Duration
	sendAt     time.Time
	discard    bool
	obfuscate  bool
	plan       []step // what will still happen to it
}

// step is one change of a message's status on its way.
type step struct {
	status string
	code   int
}

// final reports whether nothing more happens to the message.
func (m *message) final() bool {
	switch m.status {
	case "delivered", "undelivered", "failed", "canceled", "received", "read":
		return true
	}
	return m.status == "sent" && len(m.plan) == 0
}

// Message is a message as tests and the sandbox's pages see it.
type Message struct {
	SID, To, From, Body string
	Status              string
	ErrorCode           int
	Direction           string // outbound-api, outbound-reply or inbound
	// Ref is the reference in the status callback's address.
	Ref string
	At  time.Time
	// SentAt is when it left the platform's queue; zero when it has not.
	SentAt time.Time
}

// String names a message for logs: never its text or number.
func (m Message) String() string { return m.SID + " " + m.Status }

// Count says how many messages there are, for those who look often.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release()
	return len(s.messages)
}

// Messages lists all messages, oldest first, with their texts even where the
// API does not show them any more.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release()
	out := make([]Message, 0, len(s.messages))
	for _, m := range s.messages {
		info := Message{SID: m.sid, To: m.to, From: m.from, Body: m.text, Status: m.status, ErrorCode: m.code, Direction: m.direction,
			At: m.created, SentAt: m.sent}
		if u, err := url.Parse(m.callback); err == nil {
			info.Ref = u.Query().Get("n")
		}
		out = append(out, info)
	}
	return out
}

// resource is the Message as the API gives it: counts and prices are strings,
// dates RFC 2822, what is not known yet is null.
func (s *Server) resource(status int, m *message) answer {
	return answer{status: status, name: "Message", fields: s.wire(m)}
}

func (s *Server) wire(m *message) fields {
	uri := "/" + apiVersion + "/Accounts/" + s.cfg.AccountSID + "/Messages/" + m.sid
	segments := strconv.Itoa(segmentsOf(m.text))
	if m.from == "" {
		segments = "0" // no sender is picked yet
	}
	var price, unit, sent, code, text any
	if !m.sent.IsZero() {
		price, unit, sent = "-0.00790", "USD", rfc2822(m.sent)
	}
	if m.code != 0 {
		code, text = m.code, errorText(m.code)
	}
	return fields{
		{"sid", m.sid}, {"account_sid", s.cfg.AccountSID}, {"messaging_service_sid", null(m.service)},
		{"to", m.shownTo()}, {"from", null(m.from)}, {"body", m.body}, {"status", m.status}, {"direction", m.direction},
		{"num_segments", segments}, {"num_media", "0"}, {"price", price}, {"price_unit", unit},
		{"error_code", code}, {"error_message", text}, {"api_version", apiVersion},
		{"date_created", rfc2822(m.created)}, {"date_updated", rfc2822(m.updated)}, {"date_sent", sent},
		{"uri", uri + ".json"}, {"subresource_uris", fields{{"media", uri + "/Media.json"}}},
	}
}

func (m *message) shownTo() string {
	if m.obfuscate && m.final() && len(m.to) > 4 {
		return m.to[:len(m.to)-4] + "XXXX"
	}
	return m.to
}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// update redacts a finished message's text or cancels a scheduled one.
func (c *call) update(m *message) (answer, *apiError) {
	if c.form.Has("Status") {
		if c.form.Get("Status") != "canceled" {
			return answer{}, invalid(20001, "Status must be canceled")
		}
		if m.status != "scheduled" {
			return answer{}, invalid(30409, "Message cannot be canceled: it is not scheduled")
		}
		m.plan = nil
		c.s.move(m, step{status: "canceled"})
	}
	if c.form.Has("Body") {
		switch {
		case c.form.Get("Body") != "":
			return answer{}, invalid(20001, "Body can only be redacted: send an empty one")
		case !m.final():
			return answer{}, failure(http.StatusConflict, 20009, "Cannot redact this message before it is complete")
		}
		m.body, m.updated = "", c.s.o.Time()
	}
	return c.s.resource(http.StatusOK, m), nil
}
