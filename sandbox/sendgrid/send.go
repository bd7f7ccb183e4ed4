package sendgridsim

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
)

const (
	maxMail       = 30 << 20
	maxRecipients = 1000
	maxArgs       = 10_000
	maxAhead      = 72 * time.Hour
)

type address struct {
	Email string `json:"email"`
	Name  string `json:"name"`
}

type personalization struct {
	To            []address         `json:"to"`
	CC            []address         `json:"cc"`
	BCC           []address         `json:"bcc"`
	From          *address          `json:"from"`
	Subject       *string           `json:"subject"`
	Headers       map[string]string `json:"headers"`
	Substitutions map[string]string `json:"substitutions"`
	TemplateData  map[string]any    `json:"dynamic_template_data"`
	CustomArgs    map[string]any    `json:"custom_args"`
	SendAt        int64             `json:"send_at"`
}

type content struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

type asm struct {
	GroupID         *int  `json:"group_id"`
	GroupsToDisplay []int `json:"groups_to_display"`
}

// toggle is {"enable": bool} with what else such a setting may hold.
type toggle struct {
	Enable          *bool  `json:"enable"`
	EnableText      *bool  `json:"enable_text"`
	Text            string `json:"text"`
	HTML            string `json:"html"`
	SubstitutionTag string `json:"substitution_tag"`
	Source          string `json:"utm_source"`
	Medium          string `json:"utm_medium"`
	Term            string `json:"utm_term"`
	Content         string `json:"utm_content"`
	Campaign        string `json:"utm_campaign"`
}

func (t toggle) on() bool { return t.Enable != nil && *t.Enable }

type mailSettings struct {
	BypassList        toggle `json:"bypass_list_management"`
	BypassSpam        toggle `json:"bypass_spam_management"`
	BypassBounce      toggle `json:"bypass_bounce_management"`
	BypassUnsubscribe toggle `json:"bypass_unsubscribe_management"`
	Footer            toggle `json:"footer"`
	Sandbox           toggle `json:"sandbox_mode"`
}

type trackingSettings struct {
	Click        toggle `json:"click_tracking"`
	Open         toggle `json:"open_tracking"`
	Subscription toggle `json:"subscription_tracking"`
	Analytics    toggle `json:"ganalytics"`
}

// request is the body of mail/send.
type request struct {
	Personalizations []personalization `json:"personalizations"`
	From             *address          `json:"from"`
	ReplyTo          *address          `json:"reply_to"`
	ReplyToList      []address         `json:"reply_to_list"`
	Subject          *string           `json:"subject"`
	Content          []content         `json:"content"`
	Attachments      []struct {
		Content     string  `json:"content"`
		Type        *string `json:"type"`
		Filename    string  `json:"filename"`
		Disposition string  `json:"disposition"`
		ContentID   string  `json:"content_id"`
	} `json:"attachments"`
	TemplateID string            `json:"template_id"`
	Headers    map[string]string `json:"headers"`
	Categories []string          `json:"categories"`
	CustomArgs json.RawMessage   `json:"custom_args"`
	SendAt     int64             `json:"send_at"`
	BatchID    string            `json:"batch_id"`
	ASM        *asm              `json:"asm"`
	IPPool     string            `json:"ip_pool_name"`
	Mail       mailSettings      `json:"mail_settings"`
	Tracking   trackingSettings  `json:"tracking_settings"`
}

// send is POST /v3/mail/send.
func (s *Server) send(w http.ResponseWriter, r *http.Request) {
	if t, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); t != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "", "Content-Type should be application/json.")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMail))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		// The answer of the server in front, not of the API.
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, "<html><head><title>413 Request Entity Too Large</title></head></html>")
		return
	}
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	var in request
	if err != nil || dec.Decode(&in) != nil {
		fail(w, http.StatusBadRequest, "", "Bad Request")
		return
	}
	args, e := s.check(in)
	if e != nil {
		fail(w, e.status, e.field, e.message)
		return
	}
	if in.Mail.Sandbox.on() {
		w.WriteHeader(http.StatusOK) // valid, and not sent
		return
	}
	w.Header().Set("X-Message-Id", s.accept(in, args))
	w.WriteHeader(http.StatusAccepted)
}

// accept keeps the mails of a request and sets them in motion.
func (s *Server) accept(in request, args map[string]string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, now := newID(16), s.o.Time()
	for _, p := range in.Personalizations {
		for _, list := range [][]address{p.To, p.CC, p.BCC} {
			for _, to := range list {
				m := &message{id: id, n: len(s.messages), to: to.Email, from: in.From.Email, subject: either(text(p.Subject), text(in.Subject)), args: maps.Clone(args),
					categories: in.Categories, template: in.TemplateID, at: now, status: "processed", bypass: in.Mail}
				for k, v := range p.CustomArgs {
					m.args[k], _ = v.(string) // checked before
				}
				if in.ASM != nil {
					m.group = *in.ASM.GroupID
				}
				for _, c := range in.Content {
					switch c.Type {
					case "text/plain":
						m.text = c.Value
					case "text/html":
						m.html = c.Value
					}
				}
				s.messages = append(s.messages, m)
				if later := max(p.SendAt, in.SendAt); !s.cfg.NoEvents && later <= now.Unix() {
					s.deliver(m)
				}
			}
		}
	}
	return id
}

// text is an optional field's, "" when it is absent.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
