package twilio

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/copayflow/copayflow/integrations"
)

const opPoll = "messages.poll"

const (
	// firstLook is how far back the first poll reaches.
	firstLook = 24 * time.Hour
	// settling is how old a change must be. By then its webhook has come or is
	// lost (it is tried for 15 seconds), and the webhook says more: our
	// reference, and what the service's own key words mean (OptOutType).
	settling = 2 * time.Minute
	// pause is the least time between two looks; before, nothing is asked.
	pause = time.Minute
	// longest is how much time one look covers, so that a poll after a long
	// outage goes forward in steps.
	longest = 24 * time.Hour
	// overlap is read again on each poll: lists show a change a little late,
	// and the platform's clock may differ from ours.
	overlap = 15 * time.Minute
	// lateReport is how long after the sending of a text carriers report on it.
	lateReport = 24 * time.Hour
)

// window holds the moments of change that one poll is about: since counts,
// until does not.
type window struct{ since, until time.Time }

// PollEvents implements integrations.EventPoller: it makes up for status
// callbacks and inbound texts whose webhook was lost. The cursor is the time
// up to which changes are known. The API neither filters nor sorts by the time
// of a change, and filters only by the day of sending (GMT); so whole days are
// listed, and what changed in the window is taken. Events have the ids that
// their webhooks would have given them. A cursor that is no time is Invalid.
func (c *Connector) PollEvents(ctx context.Context, cursor string) ([]integrations.Event, string, error) {
	w, err := c.nextWindow(cursor)
	if err != nil || w == (window{}) {
		return nil, cursor, err
	}
	h := &harvest{cfg: c.cfg, window: w, pool: map[string]bool{}}
	if err := c.client.walk(ctx, w.sent(), h.take); err != nil {
		return nil, cursor, err
	}
	if err := c.client.walk(ctx, url.Values{}, h.takeUnsent); err != nil {
		return nil, cursor, err
	}
	return h.events(), w.until.Format(time.RFC3339), nil
}

// nextWindow is what to look at after a cursor; the zero window when it is too
// soon for another look.
func (c *Connector) nextWindow(cursor string) (window, error) {
	until := c.now().UTC().Truncate(time.Second).Add(-settling)
	last := until.Add(-firstLook)
	if cursor != "" {
		t, err := time.Parse(time.RFC3339, cursor)
		if err != nil {
			return window{}, &integrations.Error{Kind: integrations.KindInvalid, Platform: Platform, Op: opPoll, Message: "the cursor is not a time"}
		}
		last = t.UTC()
		if until.Before(last.Add(pause)) {
			return window{}, nil
		}
	}
	if end := last.Add(longest); end.Before(until) {
		until = end
	}
	return window{since: last.Add(-overlap), until: until}, nil
}

// sent asks for the texts that were sent or received on the days on which
// those that changed in the window may have been. The platform promises whole
// days, both ends included; its schema and its libraries write moments. The
// first and the last moment of a day say the same to either reading.
func (w window) sent() url.Values {
	first, last := w.since.Add(-lateReport), w.until
	return url.Values{"DateSent>": {first.Format(time.DateOnly) + "T00:00:00Z"}, "DateSent<": {last.Format(time.DateOnly) + "T23:59:59Z"}}
}

// holds reports whether a message changed in the window. One whose times
// cannot be read does: its events are known by their ids.
func (w window) holds(m wireMessage) bool {
	t := m.changed()
	return t.IsZero() || !t.Before(w.since) && t.Before(w.until)
}

// harvest gathers what changed from the pages of the lists.
type harvest struct {
	window
	cfg Config
	// pool holds the numbers that our messaging service has sent from.
	pool    map[string]bool
	changed []wireMessage
}

// take looks at each message of a listing by days.
func (h *harvest) take(m wireMessage) (more bool) {
	outbound := m.Direction == outboundAPI
	if outbound && h.ofService(m) && m.From != "" {
		h.pool[m.From] = true
	}
	if (outbound || m.Direction == inbound) && messagePattern.MatchString(m.SID) && h.holds(m) {
		h.changed = append(h.changed, m)
	}
	return true
}

// takeUnsent looks at a listing of all messages, newest first, for those that
// never left the platform and so have no day of sending: a failed text of the
// window was made at most its whole validity before.
func (h *harvest) takeUnsent(m wireMessage) (more bool) {
	made := parseTime(m.DateCreated)
	if !made.IsZero() && made.Before(h.since.Add(-maxValidity*time.Second)) {
		return false
	}
	return m.DateSent != "" || h.take(m)
}

func (h *harvest) ofService(m wireMessage) bool {
	return h.cfg.MessagingServiceSID != "" && m.MessagingServiceSID == h.cfg.MessagingServiceSID
}

// ours reports whether a message went out from, or came in at, the practice's
// sender. An account may have others. Inbound texts do not always name their
// service; then the number tells.
func (h *harvest) ours(m wireMessage) bool {
	number := m.From
	if m.Direction == inbound {
		number = m.To
	}
	return h.ofService(m) || h.cfg.From != "" && number == h.cfg.From || m.MessagingServiceSID == "" && h.pool[number]
}

// events are those of our messages, oldest first.
func (h *harvest) events() []integrations.Event {
	var out []integrations.Event
	for _, m := range h.changed {
		switch {
		case !h.ours(m):
		case m.Direction == inbound:
			out = append(out, m.answer(h.since).event())
		case m.news():
			out = append(out, m.reported()...)
		}
	}
	slices.SortStableFunc(out, func(a, b integrations.Event) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// changed is when the message was last updated.
func (m wireMessage) changed() time.Time {
	return firstTime(m.DateUpdated, m.DateSent, m.DateCreated)
}

// news reports whether the message's status tells more than that it was taken.
func (m wireMessage) news() bool {
	s, known := statusOf(m.Status, safeCode(m.ErrorCode.String()))
	return known && s != integrations.DeliveryQueued
}

// reported is the listed message as its status callback would tell it, without
// our reference, which lists do not show: the ledger knows the message by its
// id. What it says of the number held when the message was made, so that a
// START that came later stays; of a number that the platform hides (see
// address_retention) it can say nothing.
func (m wireMessage) reported() []integrations.Event {
	events := report{sid: m.SID, status: safeWord(m.Status), code: safeCode(m.ErrorCode.String()), to: m.To,
		at: m.changed(), addressAt: firstTime(m.DateCreated, m.DateSent, m.DateUpdated)}.events()
	if !numberPattern.MatchString(m.To) {
		return events[:1]
	}
	return events
}

// answer is the listed message as its inbound webhook would tell it, at the
// moment at which the platform got it: a STOP and a START take effect in the
// patient's order. One without a readable time counts as old, so that it
// undoes nothing newer.
func (m wireMessage) answer(oldest time.Time) answer {
	at := firstTime(m.DateCreated, m.DateSent)
	if at.IsZero() {
		at = oldest
	}
	return answer{sid: m.SID, from: m.From, body: m.Body, at: at}
}
