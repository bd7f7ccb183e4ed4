package stripesim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/copayflow/copayflow/sandbox/sim"
)

func (ev *event) wire(*Server) obj {
	o := obj{"id": ev.id, "object": "event", "api_version": APIVersion, "created": ev.created.Unix(), "livemode": false,
		"pending_webhooks": int64(0), "type": ev.kind, "data": obj{"object": ev.object}, "request": obj{"id": nil, "idempotency_key": nil}}
	if ev.requestID != "" {
		o["request"] = obj{"id": ev.requestID, "idempotency_key": null(ev.key)}
	}
	return o
}

// own is a call that the platform makes by itself: a page, the clock, a bank.
func (s *Server) own() *call { return &call{s: s} }

// emit keeps an event with a snapshot of its object and sends it to every
// endpoint that wants it. It runs under the lock; sending does not wait. Each
// try is signed with the time at which it is made.
func (c *call) emit(kind string, about record) {
	s := c.s
	ev := s.events.add(&event{header: s.fresh("evt_"), kind: kind, object: about.wire(s), requestID: c.requestID, key: c.key})
	s.send(ev)
}

func (s *Server) send(ev *event) {
	to := slices.DeleteFunc(slices.Clone(s.endpoints), func(ep endpoint) bool { return !ep.wants(ev.kind) })
	w := ev.wire(s)
	w["pending_webhooks"] = int64(len(to))
	body := encode(w)
	for _, ep := range to {
		s.o.Hooks.Send(sim.Delivery{URL: ep.url, Body: body, Header: http.Header{
			"Content-Type": {"application/json; charset=utf-8"},
			"User-Agent":   {"Stripe/1.0 (+https://stripe.com/docs/webhooks)"},
		}, Sign: func(h http.Header) { h.Set("Stripe-Signature", s.sign(ep.secret, body)) }})
	}
}

// sign makes the signature header (docs.stripe.com/webhooks, verify manually).
// In test mode the platform adds a signature of a scheme that nobody may trust.
func (s *Server) sign(secret string, body []byte) string {
	t := strconv.FormatInt(s.now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	untrusted := sha256.Sum256([]byte(t))
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil)) + ",v0=" + hex.EncodeToString(untrusted[:])
}

// Resend sends an event again, as staff can from the dashboard. The signature
// is fresh, the event is the same.
func (s *Server) Resend(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ev, ok := s.events.get(id)
	if ok {
		s.send(ev)
	}
	return ok
}

// EventInfo names one event that happened.
type EventInfo struct {
	ID, Type, Object string
}

// Events lists what happened, oldest first.
func (s *Server) Events() []EventInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]EventInfo, 0, len(s.events.order))
	for _, ev := range s.events.order {
		id, _ := ev.object["id"].(string)
		out = append(out, EventInfo{ID: ev.id, Type: ev.kind, Object: id})
	}
	return out
}

func (c *call) getEvent() (obj, *apiError) {
	ev, e := one(c, &c.s.events, "event", "id")
	if e != nil {
		return nil, e
	}
	return ev.wire(c.s), nil
}

func (c *call) listEvents() (obj, *apiError) {
	types := c.p.strings("types")
	switch {
	case len(types) > 20:
		return nil, invalid("", "types", "You can only filter by up to 20 event types.")
	case len(types) > 0 && c.p.has("type"):
		return nil, invalid("", "type", "You may only specify one of these parameters: type, types.")
	}
	return list(c, &c.s.events, "/v1/events", func(ev *event) bool {
		if len(types) > 0 {
			return slices.Contains(types, ev.kind)
		}
		if group, ok := strings.CutSuffix(c.p.str("type"), "*"); ok {
			return strings.HasPrefix(ev.kind, group)
		}
		return same(c.p, "type", ev.kind)
	})
}
