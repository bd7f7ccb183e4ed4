package stripesim

import "time"

// BookEntry is one movement of money that really happened, for checks from
// outside: what the platform's books say, whatever anybody was told.
type BookEntry struct {
	Kind          string // capture, refund, dispute
	ID            string // of the charge, refund or dispute
	PaymentIntent string
	Session       string // hosted page, if any
	CoPay         string // metadata copay_id
	Ref           string // metadata ref: the payment's, for refunds the refund's own
	Practice      string
	// Minor is positive for captures and negative for refunds and disputes.
	Minor    int64
	Currency string
	At       time.Time
}

// Books lists every capture, every refund that did not fail and every dispute
// that is open or lost, in the order in which they happened per kind.
func (s *Server) Books() []BookEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	var out []BookEntry
	for _, ch := range s.charges.order {
		if ch.status == succeeded {
			out = append(out, s.entry("capture", ch.id, ch, ch.metadata, ch.amount, ch.created))
		}
	}
	for _, re := range s.refunds.order {
		ch, _ := s.charges.get(re.charge)
		if re.status != "failed" && re.status != canceled {
			out = append(out, s.entry("refund", re.id, ch, re.metadata, -re.amount, re.created))
		}
	}
	for _, d := range s.disputes.order {
		ch, _ := s.charges.get(d.charge)
		if d.status == "needs_response" || d.status == "under_review" || d.status == "lost" {
			out = append(out, s.entry("dispute", d.id, ch, ch.metadata, -d.amount, d.created))
		}
	}
	return out
}

func (s *Server) entry(kind, id string, ch *charge, meta map[string]string, minor int64, at time.Time) BookEntry {
	e := BookEntry{Kind: kind, ID: id, PaymentIntent: ch.intent, Minor: minor, Currency: "USD", At: at,
		Ref: meta["ref"], CoPay: meta["copay_id"], Practice: meta["practice"]}
	owner := ch.metadata
	if inv, ok := s.invoices.get(ch.invoice); ok {
		owner = inv.metadata
		if kind != "refund" {
			e.Ref = owner["ref"]
		}
	}
	if e.CoPay == "" {
		e.CoPay, e.Practice = owner["copay_id"], owner["practice"]
	}
	if pi, ok := s.intents.get(ch.intent); ok {
		e.Session = pi.session
	}
	return e
}
