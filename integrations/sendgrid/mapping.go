package sendgrid

import (
	"regexp"
	"strings"
	"time"

	"github.com/copayflow/copayflow/integrations"
)

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// messageID is the part of a message id that all places share: the header of
// the answer has nothing more, events and the activity append the servers'
// names behind a dot. "" when the text is no such id.
func messageID(s string) string {
	id, _, _ := strings.Cut(s, ".")
	if !idPattern.MatchString(id) {
		return ""
	}
	return id
}

// deliveries map the statuses of the email activity; one that is not known
// leaves the mail on its way.
var deliveries = map[string]integrations.DeliveryStatus{
	"processed":     integrations.DeliveryQueued,
	"delivered":     integrations.DeliveryDelivered,
	"not_delivered": integrations.DeliveryFailed,
}

func (a wireActivity) sent() integrations.Sent {
	status, ok := deliveries[a.Status]
	if !ok {
		status = integrations.DeliveryQueued
	}
	s := integrations.Sent{ID: messageID(a.MessageID), Status: status}
	if t, err := time.Parse(time.RFC3339, a.LastEvent); err == nil {
		s.At = t.UTC()
	}
	return s
}

// Reasons of a dropped mail that tell about the address or the consent. The
// others (spam content, quota…) are about the mail or the account.
const (
	dropBounced      = "Bounced Address"
	dropInvalid      = "Invalid"
	dropUnsubscribed = "Unsubscribed Address"
	dropSpamReport   = "Spam Reporting Address"
)

// outcome is what an event means: the mail's status, when it has one, and what
// it tells about the address, when it tells something.
type outcome struct {
	status  integrations.DeliveryStatus
	address integrations.EventKind
}

// outcomeOf reads an event. Opens and clicks mean nothing: link scanners make
// them, and with tracking off there are none.
func outcomeOf(e wireEvent) outcome {
	switch e.Event {
	case "processed", "deferred":
		return outcome{status: integrations.DeliveryQueued}
	case "delivered":
		return outcome{status: integrations.DeliveryDelivered}
	case "bounce":
		if e.Type == "bounce" {
			return outcome{integrations.DeliveryFailed, integrations.EventAddressBad}
		}
		return outcome{status: integrations.DeliveryFailed} // "blocked": refused for now
	case "dropped":
		switch e.Reason {
		case dropBounced, dropInvalid:
			return outcome{integrations.DeliveryFailed, integrations.EventAddressBad}
		case dropUnsubscribed, dropSpamReport:
			return outcome{integrations.DeliveryOptedOut, integrations.EventMessageOptOut}
		}
		return outcome{status: integrations.DeliveryFailed}
	case "spamreport", "unsubscribe", "group_unsubscribe":
		return outcome{address: integrations.EventMessageOptOut}
	case "group_resubscribe":
		return outcome{address: integrations.EventMessageOptIn}
	}
	return outcome{}
}

// enhanced is an enhanced status code of RFC 3463, "5.1.1".
var enhanced = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}$`)

// code is what may be kept of why: our own word for a drop, else the status
// code. The reason itself is text of strangers' servers.
func (e wireEvent) code() string {
	switch e.Reason {
	case dropBounced:
		return "bounced_address"
	case dropInvalid:
		return "invalid_address"
	case dropUnsubscribed:
		return "unsubscribed"
	case dropSpamReport:
		return "spam_report"
	}
	if enhanced.MatchString(e.Status) {
		return e.Status
	}
	return ""
}
