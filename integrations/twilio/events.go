package twilio

import (
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// The directions of messages that count; the platform's own answers to key
// words are outbound-reply.
const (
	inbound     = "inbound"
	outboundAPI = "outbound-api"
)

// report is how far a message is, from a status callback or from a list.
type report struct {
	sid, status, code string // status by safeWord, code by safeCode
	to                string // PHI
	ref               copay.Ref
	at                time.Time
	addressAt         time.Time // as of when it tells something about the number
}

// base is what all events of a report share; a callback and a list give the
// same id.
func (r report) base() integrations.Event {
	return integrations.Event{ID: r.sid + ":" + r.status, Type: "status." + r.status, At: r.at, Object: r.sid, Code: r.code, Channel: copay.ChannelSMS}
}

// ignored is a report that moves nothing.
func (r report) ignored() integrations.Event {
	e := r.base()
	e.Kind = integrations.EventIgnored
	return e
}

// events are the report's status and what it tells about the number besides:
// that the recipient has opted out or that it is dead. A status that is not
// known moves nothing.
func (r report) events() []integrations.Event {
	status, known := statusOf(r.status, r.code)
	if !known {
		return []integrations.Event{r.ignored()}
	}
	e := r.base()
	e.Kind, e.Status, e.Ref, e.CoPay = integrations.EventMessageStatus, string(status), r.ref, r.ref.CoPay()
	about := r.base()
	about.ID, about.At, about.Address = e.ID+":address", r.addressAt, r.to
	switch {
	case status == integrations.DeliveryOptedOut:
		about.Kind = integrations.EventMessageOptOut
	case status == integrations.DeliveryFailed && deadNumbers[r.code]:
		about.Kind = integrations.EventAddressBad
	default:
		return []integrations.Event{e}
	}
	return []integrations.Event{e, about}
}

// answer is what a patient texted, from a webhook or from a list.
type answer struct {
	sid        string
	from, body string // PHI
	// optOut comes only in webhooks and with Advanced Opt-Out. It is the
	// platform's own reading and wins; otherwise ours does, which also knows
	// words that the platform does not.
	optOut string
	at     time.Time
}

func (a answer) intent() copay.InboundIntent {
	switch strings.ToUpper(a.optOut) {
	case "STOP":
		return copay.IntentStop
	case "START":
		return copay.IntentStart
	case "HELP":
		return copay.IntentHelp
	}
	return copay.ClassifyInbound(a.body)
}

func (a answer) event() integrations.Event {
	intent := a.intent()
	e := integrations.Event{ID: a.sid + ":received", Type: "inbound." + safeWord(string(intent)), At: a.at, Object: a.sid,
		Channel: copay.ChannelSMS, Address: a.from}
	switch intent {
	case copay.IntentStop:
		e.Kind = integrations.EventMessageOptOut
	case copay.IntentStart:
		e.Kind = integrations.EventMessageOptIn
	case copay.IntentHelp:
		e.Kind = integrations.EventMessageHelp
	default:
		e.Kind, e.Status, e.Text = integrations.EventMessageInbound, string(intent), a.body
	}
	return e
}
