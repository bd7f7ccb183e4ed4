package twiliosim

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/copayflow/copayflow/sandbox/sim"
)

var (
	e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	// magic recipients of Twilio's test credentials.
	magic = map[string]struct {
		code int
		msg  string
	}{
		"+15005550001": {21211, "The 'To' number is not a valid phone number."},
		"+15005550002": {21612, "The 'To' phone number is not currently reachable via SMS."},
		"+15005550003": {21408, "Permission to send an SMS has not been enabled for the region."},
		"+15005550004": {21610, "Attempt to send to unsubscribed recipient"},
		"+15005550009": {21614, "'To' number is not a valid mobile number"},
	}
	parameters = map[string]bool{"To": true, "From": true, "MessagingServiceSid": true, "Body": true, "StatusCallback": true, "ValidityPeriod": true,
		"ContentRetention": true, "AddressRetention": true, "MediaUrl": true, "SmartEncoded": true, "MaxPrice": true, "Attempt": true, "ProvideFeedback": true}
)

// Unreachable is a number of the sandbox's own: texts to it are accepted and
// then fail with 30003. Landline fails with 30006.
const (
	Unreachable = "+15005551003"
	Landline    = "+15005551006"
)

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		fail(w, http.StatusBadRequest, 20001, "Unable to parse form")
		return
	}
	f := r.PostForm
	s.mu.Lock()
	if code, msg := s.refusal(f); code != 0 {
		s.mu.Unlock()
		fail(w, http.StatusBadRequest, code, msg)
		return
	}
	now := s.o.Time().UTC()
	m := &Message{SID: "SM" + newHex(), To: f.Get("To"), Body: f.Get("Body"), Status: "accepted", Direction: "outbound-api", At: now, callback: f.Get("StatusCallback")}
	if u, err := url.Parse(m.callback); err == nil {
		m.Ref = u.Query().Get("n")
	}
	validity := 36000
	if v, err := strconv.Atoi(f.Get("ValidityPeriod")); err == nil {
		validity = v
	}
	m.expires = now.Add(time.Duration(validity) * time.Second)
	if f.Get("MessagingServiceSid") == "" {
		m.From, m.Status = f.Get("From"), "queued"
	}
	s.messages = append(s.messages, m)
	body := s.view(m)
	s.mu.Unlock()
	sim.WriteJSON(w, http.StatusCreated, body)
	if !s.cfg.NoDelivery {
		go s.Deliver(m.SID)
	}
}

// refusal validates as Twilio does; 0 is accepted.
func (s *Server) refusal(f url.Values) (int, string) {
	for n := range f {
		if !parameters[n] {
			return 20001, "Unknown parameter " + n
		}
	}
	to, body := f.Get("To"), f.Get("Body")
	switch {
	case to == "":
		return 21604, "A 'To' phone number is required."
	case f.Get("From") == "" && f.Get("MessagingServiceSid") == "":
		return 21603, "A 'From' phone number is required."
	case f.Get("MessagingServiceSid") != "" && f.Get("MessagingServiceSid") != s.cfg.MessagingServiceSID:
		return 21704, "The Messaging Service SID is invalid"
	case f.Get("MessagingServiceSid") == "" && f.Get("From") != s.cfg.Number && f.Get("From") != "+15005550006":
		return 21606, "The From phone number is not a valid, SMS-capable number for your account."
	case !e164.MatchString(to):
		return 21211, "The 'To' number is not a valid phone number."
	case magic[to].code != 0:
		return magic[to].code, magic[to].msg
	case s.stopped[to]:
		return 21610, "Attempt to send to unsubscribed recipient"
	case body == "" && f.Get("MediaUrl") == "":
		return 21602, "Message body is required."
	case utf8.RuneCountInString(body) > 1600:
		return 21617, "The concatenated message body exceeds the 1600 character limit."
	}
	if v := f.Get("ValidityPeriod"); v != "" {
		if n, err := strconv.Atoi(v); err != nil || n < 1 || n > 36000 {
			return 21607, "ValidityPeriod must be an integer between 1 and 36000"
		}
	}
	if cb := f.Get("StatusCallback"); cb != "" {
		if u, err := url.Parse(cb); err != nil || u.Host == "" {
			return 21609, "The 'StatusCallback' URL is not a valid URL"
		}
	}
	return 0, ""
}

// view is a message as JSON: numbers of segments and price are strings.
func (s *Server) view(m *Message) map[string]any {
	uri := "/2010-04-01/Accounts/" + s.cfg.AccountSID + "/Messages/" + m.SID
	v := map[string]any{"sid": m.SID, "account_sid": s.cfg.AccountSID, "messaging_service_sid": s.cfg.MessagingServiceSID, "to": m.To, "from": nil, "body": m.Body,
		"status": m.Status, "direction": m.Direction, "num_segments": strconv.Itoa(1 + (len(m.Body)-1)/153), "num_media": "0", "price": nil, "price_unit": nil,
		"error_code": nil, "error_message": nil, "api_version": "2010-04-01", "date_created": m.At.Format(time.RFC1123Z), "date_updated": m.At.Format(time.RFC1123Z),
		"date_sent": nil, "uri": uri + ".json", "subresource_uris": map[string]string{"media": uri + "/Media.json"}}
	if m.From != "" {
		v["from"] = m.From
	}
	if m.ErrorCode != 0 {
		v["error_code"] = m.ErrorCode
	}
	return v
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	size := 50
	if n, err := strconv.Atoi(q.Get("PageSize")); err == nil && n > 0 && n <= 1000 {
		size = n
	}
	page, _ := strconv.Atoi(q.Get("Page"))
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []map[string]any
	for i := len(s.messages) - 1; i >= 0; i-- { // newest first
		m := s.messages[i]
		if (q.Get("To") == "" || q.Get("To") == m.To) && (q.Get("From") == "" || q.Get("From") == m.From) {
			all = append(all, s.view(m))
		}
	}
	from, to := min(page*size, len(all)), min((page+1)*size, len(all))
	link := func(n int) string {
		q.Set("Page", strconv.Itoa(n))
		q.Set("PageSize", strconv.Itoa(size))
		return r.URL.Path + "?" + q.Encode()
	}
	rows := all[from:to]
	if rows == nil {
		rows = []map[string]any{}
	}
	body := map[string]any{"messages": rows, "page": page, "page_size": size, "start": from, "end": max(to-1, 0), "uri": link(page), "first_page_uri": link(0),
		"next_page_uri": nil, "previous_page_uri": nil}
	if to < len(all) {
		body["next_page_uri"] = link(page + 1)
	}
	sim.WriteJSON(w, http.StatusOK, body)
}

// find looks a message up by the last part of its address, which must end in
// .json (the answer would be XML otherwise).
func (s *Server) find(w http.ResponseWriter, r *http.Request) *Message {
	sid, ok := strings.CutSuffix(r.PathValue("file"), ".json")
	for _, m := range s.messages {
		if ok && m.SID == sid {
			return m
		}
	}
	fail(w, http.StatusNotFound, 20404, "The requested resource "+r.URL.Path+" was not found")
	return nil
}

func (s *Server) fetch(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.find(w, r); m != nil {
		sim.WriteJSON(w, http.StatusOK, s.view(m))
	}
}

func (s *Server) update(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.find(w, r)
	if m == nil {
		return
	}
	if err := r.ParseForm(); err != nil || !r.PostForm.Has("Body") || r.PostForm.Get("Body") != "" {
		fail(w, http.StatusBadRequest, 20001, "Only an empty Body may be set")
		return
	}
	m.Body = ""
	sim.WriteJSON(w, http.StatusOK, s.view(m))
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.find(w, r)
	if m == nil {
		return
	}
	for i, x := range s.messages {
		if x == m {
			s.messages = append(s.messages[:i], s.messages[i+1:]...)
			break
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// Deliver takes a message through sending and sent to its end, with a status
// callback for each step.
func (s *Server) Deliver(sid string) {
	for _, next := range []string{"sending", "sent", "delivered"} {
		s.mu.Lock()
		var m *Message
		for _, x := range s.messages {
			if x.SID == sid {
				m = x
			}
		}
		if m == nil {
			s.mu.Unlock()
			return
		}
		m.From = s.cfg.Number
		switch {
		case next == "sending" && s.o.Time().After(m.expires):
			next, m.ErrorCode = "failed", 30036
		case next == "delivered" && m.To == Unreachable:
			next, m.ErrorCode = "undelivered", 30003
		case next == "delivered" && m.To == Landline:
			next, m.ErrorCode = "undelivered", 30006
		}
		m.Status = next
		f := url.Values{"MessageSid": {sid}, "SmsSid": {sid}, "MessageStatus": {next}, "SmsStatus": {next}, "AccountSid": {s.cfg.AccountSID},
			"MessagingServiceSid": {s.cfg.MessagingServiceSID}, "From": {m.From}, "To": {m.To}, "ApiVersion": {"2010-04-01"}}
		if m.ErrorCode != 0 {
			f.Set("ErrorCode", strconv.Itoa(m.ErrorCode))
		}
		callback, done := m.callback, next == "failed" || next == "undelivered"
		s.mu.Unlock()
		s.post(callback, f)
		if done {
			return
		}
	}
}

// Receive is a text from a patient. STOP and its kin are confirmed once and
// block the number until START; the text reaches our webhook all the same.
func (s *Server) Receive(from, body string) {
	s.mu.Lock()
	word := strings.ToUpper(strings.TrimSpace(body))
	f := url.Values{"MessageSid": {"SM" + newHex()}, "AccountSid": {s.cfg.AccountSID}, "MessagingServiceSid": {s.cfg.MessagingServiceSID}, "From": {from},
		"To": {s.cfg.Number}, "Body": {body}, "NumMedia": {"0"}, "NumSegments": {"1"}, "SmsStatus": {"received"}, "ApiVersion": {"2010-04-01"}, "FromCity": {""}}
	f.Set("SmsSid", f.Get("MessageSid"))
	reply := ""
	switch word {
	case "STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT":
		s.stopped[from], reply = true, "You have successfully been unsubscribed."
		f.Set("OptOutType", "STOP")
	case "START", "YES", "UNSTOP":
		delete(s.stopped, from)
		reply = "You have successfully been re-subscribed."
		f.Set("OptOutType", "START")
	case "HELP", "INFO":
		reply = "Reply STOP to unsubscribe."
		f.Set("OptOutType", "HELP")
	}
	now := s.o.Time().UTC()
	s.messages = append(s.messages, &Message{SID: f.Get("MessageSid"), To: s.cfg.Number, From: from, Body: body, Status: "received", Direction: "inbound", At: now})
	if reply != "" {
		s.messages = append(s.messages, &Message{SID: "SM" + newHex(), To: from, From: s.cfg.Number, Body: reply, Status: "delivered", Direction: "outbound-reply", At: now})
	}
	inbound := s.cfg.InboundURL
	s.mu.Unlock()
	s.post(inbound, f)
}

// Messages are all messages, oldest first.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Message, len(s.messages))
	for i, m := range s.messages {
		out[i] = *m
	}
	return out
}

// String names a message for logs: never its text or number.
func (m Message) String() string { return fmt.Sprintf("%s %s", m.SID, m.Status) }
