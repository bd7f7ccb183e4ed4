package twilio

import (
	"strconv"
	"strings"
	"time"

	"github.com/copayflow/copayflow/integrations"
)

// reason is what an error code means to us.
type reason struct {
	kind  integrations.Kind
	final bool // of an opt-out, or of a number that no text can reach
	after time.Duration
	text  string
}

const (
	declined     = integrations.KindDeclined
	invalid      = integrations.KindInvalid
	unauthorized = integrations.KindUnauthorized
	limited      = integrations.KindRateLimited
)

// reasons are the codes of the Messages API that mean something of their own
// (twilio.com/docs/api/errors). What the account's owner must mend is
// Unauthorized, so that nobody takes the patient's number for a bad one.
var reasons = map[int]reason{
	20003: {kind: unauthorized, text: "the credentials are wrong, revoked or lack a permission"},
	20403: {kind: unauthorized, text: "the account may not do this"},
	20404: {kind: integrations.KindNotFound, text: "there is no such resource"},
	20429: {kind: limited, after: time.Second, text: "too many requests"},
	21610: {kind: declined, final: true, text: "the recipient has opted out (STOP)"},

	21211: {kind: invalid, final: true, text: "the number is not valid"},
	21217: {kind: invalid, final: true, text: "the number is not valid"},
	21265: {kind: invalid, final: true, text: "the number is a short code"},
	21612: {kind: invalid, final: true, text: "the number cannot be reached from our sender"},
	21614: {kind: invalid, final: true, text: "the number is not a mobile number"},
	21635: {kind: invalid, final: true, text: "the number is a landline"},

	21212: {kind: unauthorized, text: "the sender's number is not valid; mend from"},
	21408: {kind: unauthorized, text: "the account does not allow texts to this region"},
	21603: {kind: unauthorized, text: "no sender is set; mend from or messaging_service_sid"},
	21606: {kind: unauthorized, text: "the sender's number is not ours or cannot text"},
	21608: {kind: unauthorized, text: "a trial account texts only verified numbers"},
	21609: {kind: unauthorized, text: "the status callback's address is not valid; mend status_callback"},
	21659: {kind: unauthorized, text: "the sender's number is not one of the account's"},
	21660: {kind: unauthorized, text: "the sender's number belongs to another account"},
	21661: {kind: unauthorized, text: "the sender's number cannot text"},
	21701: {kind: unauthorized, text: "the messaging service does not exist"},
	21703: {kind: unauthorized, text: "the messaging service has no sender"},
	21704: {kind: unauthorized, text: "the messaging service has no sender"},
	21705: {kind: unauthorized, text: "the messaging service does not exist"},
	30032: {kind: unauthorized, text: "the toll-free sender is not verified"},
	30034: {kind: unauthorized, text: "the sender is not registered for business texts (A2P 10DLC)"},

	21602: {kind: invalid, text: "the message has no text"},
	21604: {kind: invalid, text: "the message has no recipient"},
	21617: {kind: invalid, text: "the message has more than 1600 characters"},
	35114: {kind: invalid, text: "the message is scheduled too soon or too late"},

	21611: {kind: limited, after: time.Minute, text: "the sender's queue is full"},
}

// reasonOf reads an error code. New codes are made by splitting old ones, so
// an unknown one is left to the HTTP status: a 4xx is for good.
func reasonOf(code int) reason {
	if r, ok := reasons[code]; ok {
		return r
	}
	if code != 0 {
		return reason{text: "the platform refuses the message; its documentation explains the code"}
	}
	return reason{}
}

// deliveries map the status of a message; one that is not listed is kept as
// queued by statusOf and ignored by webhooks.
var deliveries = map[string]integrations.DeliveryStatus{
	"accepted":            integrations.DeliveryQueued,
	"scheduled":           integrations.DeliveryQueued,
	"queued":              integrations.DeliveryQueued,
	"sending":             integrations.DeliveryQueued,
	"sent":                integrations.DeliverySent,
	"partially_delivered": integrations.DeliverySent,
	"delivered":           integrations.DeliveryDelivered,
	"read":                integrations.DeliveryDelivered,
	"undelivered":         integrations.DeliveryFailed,
	"failed":              integrations.DeliveryFailed,
	"canceled":            integrations.DeliveryFailed,
}

// codeOptedOut is the only code that says so after the fact, too: a messaging
// service finds out when it has picked a sender.
const codeOptedOut = "21610"

// deadNumbers are the delivery errors that say that texts will never arrive:
// an unknown number, a landline, and the create errors that a messaging
// service reports late.
var deadNumbers = map[string]bool{"30005": true, "30006": true, "21211": true, "21612": true, "21614": true, "21635": true}

// statusOf maps a status with its error code. ok is false for a status that
// is not known; the message then counts as still on its way.
func statusOf(status, code string) (s integrations.DeliveryStatus, ok bool) {
	s, ok = deliveries[status]
	switch {
	case !ok:
		return integrations.DeliveryQueued, false
	case s == integrations.DeliveryFailed && code == codeOptedOut:
		return integrations.DeliveryOptedOut, true
	}
	return s, true
}

// sent maps a message. Its time is the newest that the platform gives.
func (m wireMessage) sent() integrations.Sent {
	code := safeCode(m.ErrorCode.String())
	status, _ := statusOf(m.Status, code)
	return integrations.Sent{ID: m.SID, Status: status, Code: code, At: firstTime(m.DateSent, m.DateUpdated, m.DateCreated)}
}

func firstTime(texts ...string) time.Time {
	for _, s := range texts {
		if t := parseTime(s); !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// parseTime reads "Thu, 24 Aug 2023 05:01:45 +0000"; zero when it is not one.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC1123Z, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// safeCode lets an error code pass: a positive number and nothing else.
func safeCode(s string) string {
	n, err := strconv.Atoi(s)
	if err != nil || n <= 0 || n > 999_999 {
		return ""
	}
	return strconv.Itoa(n)
}

// safeWord lets a status or a type pass that cannot hold anything else.
func safeWord(s string) string {
	if s == "" || len(s) > 32 || strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "unknown"
	}
	return strings.ToLower(s)
}

// Bounds of ValidityPeriod: the platform takes 1 to 36,000 seconds and
// advises against less than six.
const (
	minValidity = 6
	maxValidity = 36_000
)

// validity is how many seconds a message may wait in the platform's queues,
// which count from its arrival there.
func validity(expires, now time.Time) int {
	return int(min(max((expires.Sub(now)-integrations.Handover)/time.Second, minValidity), maxValidity))
}
