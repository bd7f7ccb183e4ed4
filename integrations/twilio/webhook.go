package twilio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

const opWebhook = "webhook"

// noReply is TwiML that says nothing: the platform itself confirms STOP and
// answers HELP, and a second confirmation would break the rule of one.
var noReply = &integrations.Reply{Status: http.StatusOK, ContentType: "text/xml",
	Body: []byte(`<?xml version="1.0" encoding="UTF-8"?><Response/>`)}

// Verify checks X-Twilio-Signature and reads a status callback or an inbound
// text; the same address serves both. The platform signs no time, so there is
// no replay window: a repeat has the same event id and changes nothing.
func (c *Connector) Verify(_ context.Context, w integrations.Webhook) (integrations.WebhookAnswer, error) {
	refuse := func(k integrations.Kind, text string) (integrations.WebhookAnswer, error) {
		return integrations.WebhookAnswer{}, &integrations.Error{Kind: k, Platform: Platform, Op: opWebhook, Message: text}
	}
	signature := w.Header.Get("X-Twilio-Signature")
	switch {
	case len(c.cfg.AuthTokens) == 0:
		return refuse(integrations.KindUnauthorized, "no auth token is configured")
	case signature == "":
		return refuse(integrations.KindUnauthorized, "the delivery is not signed")
	case w.Method != "" && w.Method != http.MethodPost:
		// A GET would put a patient's number and words into URLs and logs.
		return refuse(integrations.KindInvalid, "set the webhook's method to POST")
	}
	at := w.At
	if at.IsZero() {
		at = c.now()
	}
	if !isForm(w.Header) {
		if !c.signatureMatches(w.URL, nil, signature) || !bodyHashMatches(w.URL, w.Body) {
			return refuse(integrations.KindUnauthorized, "no signature matches")
		}
		return integrations.WebhookAnswer{Events: []integrations.Event{unknownEvent("json", w.Body, at)}}, nil
	}
	params, err := url.ParseQuery(string(w.Body))
	if err != nil {
		return refuse(integrations.KindInvalid, "the body is not a form")
	}
	if !c.signatureMatches(w.URL, params, signature) {
		return refuse(integrations.KindUnauthorized, "no signature matches")
	}
	if a := params.Get("AccountSid"); a != "" && a != c.cfg.AccountSID {
		return refuse(integrations.KindUnauthorized, "the delivery is another account's")
	}
	sid := params.Get("MessageSid")
	switch {
	case !messagePattern.MatchString(sid):
		return integrations.WebhookAnswer{Events: []integrations.Event{unknownEvent("other", w.Body, at)}}, nil
	case params.Get("MessageStatus") != "":
		return integrations.WebhookAnswer{Events: statusEvents(refOf(w.URL), params, at)}, nil
	}
	text := answer{sid: sid, from: params.Get("From"), body: params.Get("Body"), optOut: params.Get("OptOutType"), at: at}
	return integrations.WebhookAnswer{Events: []integrations.Event{text.event()}, Reply: noReply}, nil
}

func isForm(h http.Header) bool {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && t == "application/x-www-form-urlencoded"
}

// refOf is the reference that we put into the callback's address.
func refOf(address string) copay.Ref {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return copay.Ref(u.Query().Get("n"))
}

// unknownEvent is a delivery of a kind that we did not ask for.
func unknownEvent(kind string, body []byte, at time.Time) integrations.Event {
	sum := sha256.Sum256(body)
	return integrations.Event{ID: kind + ":" + hex.EncodeToString(sum[:16]), Kind: integrations.EventIgnored, Type: kind, At: at}
}

// statusEvents reads a status callback. One without our reference is about
// another program's message of the same account.
func statusEvents(ref copay.Ref, p url.Values, at time.Time) []integrations.Event {
	r := report{sid: p.Get("MessageSid"), status: safeWord(p.Get("MessageStatus")), code: safeCode(p.Get("ErrorCode")), to: p.Get("To"),
		ref: ref, at: at, addressAt: at}
	if ref.CoPay() == "" {
		return []integrations.Event{r.ignored()}
	}
	return r.events()
}
