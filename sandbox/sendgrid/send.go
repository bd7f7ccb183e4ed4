package sendgridsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/mail"
	"strings"
)

type address struct {
	Email string `json:"email"`
	Name  string `json:"name"`
}

type toggle struct {
	Enable *bool `json:"enable"`
}

type request struct {
	Personalizations []struct {
		To         []address         `json:"to"`
		CC         []address         `json:"cc"`
		BCC        []address         `json:"bcc"`
		Subject    string            `json:"subject"`
		CustomArgs map[string]string `json:"custom_args"`
		Headers    map[string]string `json:"headers"`
		SendAt     int64             `json:"send_at"`
	} `json:"personalizations"`
	From    *address `json:"from"`
	ReplyTo *address `json:"reply_to"`
	Subject string   `json:"subject"`
	Content []struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	} `json:"content"`
	TemplateID string          `json:"template_id"`
	Categories []string        `json:"categories"`
	ASM        json.RawMessage `json:"asm"`
	Tracking   map[string]any  `json:"tracking_settings"`
	Mail       struct {
		Sandbox toggle `json:"sandbox_mode"`
	} `json:"mail_settings"`
}

const maxBody = 30 << 20

func (s *Server) send(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		fail(w, http.StatusUnsupportedMediaType, "Content-Type should be application/json.", "")
		return
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	var in request
	if err := dec.Decode(&in); err != nil {
		fail(w, http.StatusBadRequest, "Bad Request", "")
		return
	}
	if status, field, msg := s.refusal(in); status != 0 {
		fail(w, status, msg, field)
		return
	}
	if e := in.Mail.Sandbox.Enable; e != nil && *e {
		w.WriteHeader(http.StatusOK) // validated, not sent
		return
	}
	s.mu.Lock()
	s.n++
	id := fmt.Sprintf("sandbox-%d", s.n)
	var made []*Message
	for _, p := range in.Personalizations {
		for _, to := range p.To {
			m := &Message{ID: id, To: to.Email, Subject: first(p.Subject, in.Subject), Ref: p.CustomArgs["ref"], Status: "processed", At: s.o.Time().UTC()}
			for _, c := range in.Content {
				if c.Type == "text/html" {
					m.HTML = c.Value
				} else {
					m.Text = c.Value
				}
			}
			s.messages = append(s.messages, m)
			made = append(made, m)
		}
	}
	s.mu.Unlock()
	w.Header().Set("X-Message-Id", id)
	w.WriteHeader(http.StatusAccepted)
	if !s.cfg.NoEvents {
		go func() {
			for _, m := range made {
				s.Deliver(m)
			}
		}()
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// refusal validates as the API does; 0 is accepted.
func (s *Server) refusal(in request) (status int, field, msg string) {
	if len(in.Personalizations) == 0 || len(in.Personalizations) > 1000 {
		return http.StatusBadRequest, "personalizations", "The personalizations field is required and must have at least one personalization."
	}
	for i, p := range in.Personalizations {
		at := fmt.Sprintf("personalizations.%d", i)
		if len(p.To) == 0 {
			return http.StatusBadRequest, at + ".to", "The to array is required for all personalization objects, and must have at least one email object with a valid email address."
		}
		seen := map[string]bool{}
		for j, a := range append(append(append([]address{}, p.To...), p.CC...), p.BCC...) {
			if _, err := mail.ParseAddress(a.Email); err != nil {
				return http.StatusBadRequest, fmt.Sprintf("%s.to.%d.email", at, j), "Does not contain a valid address."
			}
			if seen[strings.ToLower(a.Email)] {
				return http.StatusBadRequest, at, "Each email address in the personalization block should be unique between to, cc, and bcc."
			}
			seen[strings.ToLower(a.Email)] = true
		}
		if p.Subject == "" && in.Subject == "" && in.TemplateID == "" {
			return http.StatusBadRequest, "subject", "The subject is required."
		}
	}
	return s.refusedContent(in)
}

func (s *Server) refusedContent(in request) (status int, field, msg string) {
	if in.From == nil || in.From.Email == "" {
		return http.StatusBadRequest, "from", "The from object must be provided for every email send."
	}
	if in.From.Email != s.cfg.VerifiedFrom {
		return http.StatusForbidden, "from", "The from address does not match a verified Sender Identity."
	}
	if in.TemplateID == "" && len(in.Content) == 0 {
		return http.StatusBadRequest, "content", "Unless a valid template_id is provided, the content parameter is required."
	}
	for i, c := range in.Content {
		if c.Type == "" || c.Value == "" {
			return http.StatusBadRequest, fmt.Sprintf("content.%d", i), "The content value must be a string at least one character in length."
		}
		if i > 0 && c.Type == "text/plain" {
			return http.StatusBadRequest, "content", "If present, text/plain must be first."
		}
	}
	if len(in.Categories) > 10 {
		return http.StatusBadRequest, "categories", "No more than 10 categories."
	}
	if len(in.ASM) > 0 && !bytes.Contains(in.ASM, []byte("group_id")) {
		return http.StatusBadRequest, "asm.group_id", "The group_id is required."
	}
	return 0, "", ""
}

// Deliver sends the events of a mail: processed, then its end. Addresses that
// begin with bounce@, drop@ and defer@ misbehave accordingly.
func (s *Server) Deliver(m *Message) {
	s.mu.Lock()
	reason := s.suppressed[m.To]
	var batch []map[string]any
	end := "delivered"
	local, _, _ := strings.Cut(m.To, "@")
	switch {
	case reason != "" || local == "drop":
		e := s.event(m, "dropped")
		e["reason"], e["status"] = first(reason, "Invalid"), "5.0.0"
		batch, end = append(batch, e), "dropped"
	case local == "bounce":
		e := s.event(m, "bounce")
		e["type"], e["reason"], e["status"] = "bounce", "550 no such mailbox", "5.1.1"
		batch, end = append(batch, s.event(m, "processed"), e), "bounce"
		s.suppressed[m.To] = "Bounced Address"
	case local == "defer":
		e := s.event(m, "deferred")
		e["attempt"], e["response"] = "1", "421 try later"
		batch, end = append(batch, s.event(m, "processed"), e), "deferred"
	default:
		e := s.event(m, "delivered")
		e["response"] = "250 OK"
		batch = append(batch, s.event(m, "processed"), e)
	}
	m.Status = end
	s.mu.Unlock()
	s.post(batch)
}
