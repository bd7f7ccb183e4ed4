package sendgridsim

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// event is one entry of the event webhook.
type event map[string]any

// statuses that an event gives to its mail, and whether nothing follows it.
var statuses = map[string]struct{ final bool }{"processed": {}, "deferred": {}, "delivered": {true}, "bounce": {true}, "dropped": {true}}

// event makes an event of a mail and applies it.
func (s *Server) event(m *message, kind string, more event) event {
	now := s.o.Time()
	e := event{"email": m.to, "timestamp": now.Unix(), "event": kind, "sg_event_id": newID(24), "sg_message_id": m.fullID()}
	if m.categories != nil {
		e["category"] = m.categories
	}
	if m.group != 0 {
		e["asm_group_id"] = m.group
	}
	for k, v := range m.args {
		e[k] = v
	}
	switch kind {
	case "open":
		m.opens++
	case "click":
		m.clicks++
	default:
		e["smtp-id"] = "<" + m.id + "@geopod-sim-1>"
	}
	maps.Copy(e, more)
	if st, ok := statuses[kind]; ok {
		m.status, m.finished = kind, st.final
	}
	m.last = now
	m.events = append(m.events, e)
	return e
}

// Event reports something that a mailbox or a person causes: bounce (late),
// spamreport, unsubscribe, group_unsubscribe, group_resubscribe, open, click…
// more overrides and adds fields.
func (s *Server) Event(id, kind string, more map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.messages, func(m *message) bool { return m.id == id })
	if i < 0 {
		return
	}
	m := s.messages[i]
	extra := event{}
	switch kind {
	case "bounce":
		extra["type"], extra["status"], extra["reason"] = "bounce", "5.1.1", "550 5.1.1 no such user"
		s.suppress(listBounces, m.to, "550 5.1.1 no such user", "5.1.1")
	case "spamreport":
		s.suppress(listSpam, m.to, "", "")
	case "unsubscribe":
		s.suppress(listGlobal, m.to, "", "")
	case "group_unsubscribe":
		extra["asm_group_id"] = max(m.group, DefaultGroup)
		s.suppress(groupList(max(m.group, DefaultGroup)), m.to, "", "")
	case "group_resubscribe":
		extra["asm_group_id"] = max(m.group, DefaultGroup)
		delete(s.suppressed[groupList(max(m.group, DefaultGroup))], lower(m.to))
	}
	maps.Copy(extra, more)
	s.post(s.event(m, kind, extra))
}

// Disorder makes the next n deliveries hold every event twice and in the
// wrong order. For whole deliveries that come twice or late see sim.Deliverer.
func (s *Server) Disorder(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disorder += n
}

// post puts events into the next batch.
func (s *Server) post(batch ...event) {
	if s.cfg.WebhookURL == "" {
		return
	}
	if s.disorder > 0 {
		s.disorder--
		batch = append(slices.Clone(batch), batch...)
		slices.Reverse(batch)
	}
	s.hooks.Add(batch...)
}

// sendBatch posts events, signed over the time and the raw body, which ends with
// CR LF as the platform's do.
func (s *Server) sendBatch(batch []event) {
	body, err := json.Marshal(batch)
	if err != nil {
		return // extra fields of a test that are no JSON
	}
	body = append(body, "\r\n"...)
	stamp := strconv.FormatInt(s.o.Time().Unix(), 10)
	digest := sha256.Sum256(append([]byte(stamp), body...))
	signature, err := ecdsa.SignASN1(rand.Reader, s.key, digest[:])
	if err != nil {
		panic(err) // the system has no randomness
	}
	s.o.Hooks.Send(sim.Delivery{URL: s.cfg.WebhookURL, Body: body, Header: http.Header{
		"Content-Type":                           {"application/json"},
		"User-Agent":                             {"SendGrid Event API"},
		"X-Twilio-Email-Event-Webhook-Signature": {base64.StdEncoding.EncodeToString(signature)},
		"X-Twilio-Email-Event-Webhook-Timestamp": {stamp},
	}})
}
