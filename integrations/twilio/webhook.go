package twilio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"net/url"
	"strings"
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
	return integrations.WebhookAnswer{Events: []integrations.Event{inboundEvent(params, at)}, Reply: noReply}, nil
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

// statusEvents reads a status callback. Besides the status it may tell that
// the recipient has opted out or that the number is dead.
func statusEvents(ref copay.Ref, p url.Values, at time.Time) []integrations.Event {
	raw, code := safeWord(p.Get("MessageStatus")), safeCode(p.Get("ErrorCode"))
	status, known := statusOf(raw, code)
	e := integrations.Event{ID: p.Get("MessageSid") + ":" + raw, Kind: integrations.EventMessageStatus, Type: "status." + raw, At: at,
		Ref: ref, CoPay: ref.CoPay(), Object: p.Get("MessageSid"), Status: string(status), Code: code, Channel: copay.ChannelSMS}
	if !known || e.CoPay == "" {
		// A status that is not known moves nothing; a message without our
		// reference is another program's of the same account.
		e.Kind, e.Status, e.Ref, e.CoPay = integrations.EventIgnored, "", "", ""
		return []integrations.Event{e}
	}
	events := []integrations.Event{e}
	about := integrations.Event{ID: e.ID + ":address", Type: e.Type, At: at, Object: e.Object, Code: code,
		Channel: copay.ChannelSMS, Address: p.Get("To")}
	switch {
	case status == integrations.DeliveryOptedOut:
		about.Kind = integrations.EventMessageOptOut
		events = append(events, about)
	case status == integrations.DeliveryFailed && deadNumbers[code]:
		about.Kind = integrations.EventAddressBad
		events = append(events, about)
	}
	return events
}

// inboundEvent reads what a patient texted. OptOutType, which comes only with
// Advanced Opt-Out, is the platform's own reading and wins; otherwise ours
// does, which also knows words that the platform does not.
func inboundEvent(p url.Values, at time.Time) integrations.Event {
	e := integrations.Event{ID: p.Get("MessageSid") + ":received", At: at, Object: p.Get("MessageSid"),
		Channel: copay.ChannelSMS, Address: p.Get("From")}
	intent := copay.ClassifyInbound(p.Get("Body"))
	switch strings.ToUpper(p.Get("OptOutType")) {
	case "STOP":
		intent = copay.IntentStop
	case "START":
		intent = copay.IntentStart
	case "HELP":
		intent = copay.IntentHelp
	}
	e.Type = "inbound." + safeWord(string(intent))
	switch intent {
	case copay.IntentStop:
		e.Kind = integrations.EventMessageOptOut
	case copay.IntentStart:
		e.Kind = integrations.EventMessageOptIn
	case copay.IntentHelp:
		e.Kind = integrations.EventMessageHelp
	default:
		e.Kind, e.Status, e.Text = integrations.EventMessageInbound, string(intent), p.Get("Body")
	}
	return e
}
