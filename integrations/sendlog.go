package integrations

import (
	"sync"

	"github.com/copayflow/copayflow/copay"
)

// sendLogSize bounds a SendLog; what is forgotten is only a help, never a
// guarantee.
const sendLogSize = 4096

// SendLog remembers what this process knows of its latest attempts to send.
// It helps on platforms without an idempotency key: a repeat is recognised
// even when the caller does not know that it is one. The zero value is ready.
type SendLog struct {
	mu    sync.Mutex
	past  map[copay.Ref]SendPast
	order []copay.Ref
}

// SendPast is what is known of the earlier attempts of one message.
type SendPast struct {
	Refused int   // attempts that certainly sent nothing
	Unknown int   // attempts whose outcome is not known
	Sent    *Sent // the message, once it is known to be sent
}

// Past returns what is known of a reference.
func (l *SendLog) Past(ref copay.Ref) SendPast {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.past[ref]
}

// Note keeps the outcome of one attempt.
func (l *SendLog) Note(ref copay.Ref, s Sent, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.past == nil {
		l.past = map[copay.Ref]SendPast{}
	}
	p, known := l.past[ref]
	if !known {
		if len(l.order) >= sendLogSize {
			delete(l.past, l.order[0])
			l.order = l.order[1:]
		}
		l.order = append(l.order, ref)
	}
	switch {
	case err == nil:
		p.Sent = &s
	case KindOf(err) == KindUnknown:
		p.Unknown++
	default:
		p.Refused++
	}
	l.past[ref] = p
}
