package stripesim

import (
	"errors"
	"fmt"
	"time"
)

// asError gives an *apiError as an error, and nothing as nil.
func asError(e *apiError) error {
	if e == nil {
		return nil
	}
	if e.DeclineCode != "" {
		return fmt.Errorf("%s: %s", e.DeclineCode, e.Message)
	}
	return errors.New(e.Message)
}

// Tick does what time has made due: it expires hosted pages and settles bank
// debits. The same happens before every request.
func (s *Server) Tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
}

// SeedCustomer makes a customer with metadata, as an import would.
func (s *Server) SeedCustomer(metadata map[string]string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newCustomer(metadata).id
}

// SeedCard stores the card of a test token (pm_card_visa…) with a customer,
// without the check that a bank makes when a card is attached.
func (s *Server) SeedCard(customer, token string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cu, e := s.customer(customer, "customer")
	if e != nil {
		return "", asError(e)
	}
	card, ok := testTokens[token]
	if !ok {
		return "", fmt.Errorf("no test token %q", token)
	}
	pm := s.newMethod(card)
	pm.customer = cu.id
	return pm.id, nil
}

// SessionInfo is one hosted page.
type SessionInfo struct {
	ID, URL, Status, PaymentStatus string
	Ref, CoPay, Practice           string
	Minor                          int64
	ExpiresAt                      time.Time
}

// Sessions lists the hosted pages, oldest first.
func (s *Server) Sessions() []SessionInfo {
	return s.pages(func(*session) bool { return true })
}

// OpenSessions lists those that can still be paid, oldest first.
func (s *Server) OpenSessions() []SessionInfo {
	return s.pages(func(ss *session) bool { return ss.status == "open" })
}

func (s *Server) pages(wanted func(*session) bool) []SessionInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	var out []SessionInfo
	for _, ss := range s.sessions.order {
		if !wanted(ss) {
			continue
		}
		out = append(out, SessionInfo{ID: ss.id, URL: ss.url, Status: ss.status, PaymentStatus: ss.paymentStatus, Ref: ss.metadata["ref"],
			CoPay: ss.metadata["copay_id"], Practice: ss.metadata["practice"], Minor: ss.total, ExpiresAt: ss.expires})
	}
	return out
}

// PaySession pays a hosted page with a test token, as the patient. A page
// that waits for the bank's question stays open: see Authenticate.
func (s *Server) PaySession(id, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	ss, ok := s.sessions.get(id)
	if !ok || ss.status != "open" {
		return fmt.Errorf("page %s is not open", id)
	}
	pi, _ := s.intents.get(ss.intent)
	return asError(s.act(ss, pi, "pay", token))
}

// Authenticate answers the bank's question about a payment (an intent or a
// hosted page), as the patient.
func (s *Server) Authenticate(id string, ok bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ss, found := s.sessions.get(id); found {
		id = ss.intent
	}
	pi, found := s.intents.get(id)
	if !found {
		return fmt.Errorf("no payment %s", id)
	}
	return asError(s.own().authenticate(pi, ok))
}

// chargeOf finds the succeeded charge of an intent, a hosted page or a charge.
func (s *Server) chargeOf(id string) (*charge, error) {
	if ss, ok := s.sessions.get(id); ok {
		id = ss.intent
	}
	if pi, ok := s.intents.get(id); ok {
		id = pi.latestCharge
	}
	ch, ok := s.charges.get(id)
	if !ok || ch.status != succeeded {
		return nil, fmt.Errorf("nothing was captured for %q", id)
	}
	return ch, nil
}

// OpenDispute makes the patient's bank take a payment back, and returns the
// dispute's id.
func (s *Server) OpenDispute(payment, reason string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.chargeOf(payment)
	if err != nil {
		return "", err
	}
	if ch.refunded == ch.amount || s.openDisputeOf(ch.id) {
		return "", errors.New("there is nothing to dispute")
	}
	return s.own().openDispute(ch, reason, "needs_response").id, nil
}

// CloseDispute decides a dispute.
func (s *Server) CloseDispute(id string, won bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.disputes.get(id)
	if !ok || d.ended() {
		return fmt.Errorf("no open dispute %s", id)
	}
	s.own().settle(d, won)
	return nil
}

// DashboardRefund gives money back by hand, without our metadata, as staff
// can in the platform's dashboard. It returns the refund's id.
func (s *Server) DashboardRefund(payment string, minor int64) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.chargeOf(payment)
	if err != nil {
		return "", err
	}
	if minor < 1 || minor > ch.amount-ch.refunded {
		return "", errors.New("more than is left")
	}
	return s.own().refund(ch, minor, "requested_by_customer", map[string]string{}).id, nil
}

// FailRefund makes a refund come back from the bank.
func (s *Server) FailRefund(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	re, ok := s.refunds.get(id)
	if !ok {
		return fmt.Errorf("no refund %s", id)
	}
	s.own().failRefund(re)
	return nil
}

// SettleRefund ends a pending refund.
func (s *Server) SettleRefund(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	re, ok := s.refunds.get(id)
	if !ok || re.status != "pending" {
		return fmt.Errorf("no pending refund %s", id)
	}
	re.status = succeeded
	s.own().emit("charge.refund.updated", re)
	return nil
}
