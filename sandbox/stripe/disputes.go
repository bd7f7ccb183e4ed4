package stripesim

import (
	"strings"
	"time"
)

// disputeFee is what the platform takes for a dispute.
const disputeFee = 1500

func (d *dispute) wire(s *Server) obj {
	moves := []any{}
	for _, id := range d.txns {
		moves = append(moves, s.byID(id))
	}
	evidence := obj{}
	for k, v := range d.evidence {
		evidence[k] = v
	}
	open := strings.HasSuffix(d.status, "needs_response")
	return obj{
		"id": d.id, "object": "dispute", "created": d.created.Unix(), "livemode": false, "amount": d.amount, "currency": d.currency,
		"charge": d.charge, "payment_intent": null(d.intent), "reason": d.reason, "status": d.status, "metadata": metaWire(d.metadata),
		"balance_transactions": moves, "evidence": evidence, "is_charge_refundable": strings.HasPrefix(d.status, "warning"),
		"evidence_details": obj{"due_by": d.created.Add(9 * 24 * time.Hour).Unix(), "has_evidence": len(d.evidence) > 0,
			"past_due": open && s.now().After(d.created.Add(9*24*time.Hour)), "submission_count": int64(d.submissions)},
	}
}

// openDispute is a patient's bank taking the money back, or, with a warning
// status, only asking.
func (c *call) openDispute(ch *charge, reason, status string) *dispute {
	d := c.s.disputes.add(&dispute{header: c.s.fresh("dp_"), intent: ch.intent, charge: ch.id, amount: ch.amount - ch.refunded,
		currency: ch.currency, reason: reason, status: status, metadata: map[string]string{}, evidence: map[string]string{}})
	ch.disputed = true
	if strings.HasPrefix(status, "warning") {
		c.emit("charge.dispute.created", d)
		return d
	}
	d.txns = append(d.txns, c.s.book(-d.amount, disputeFee, "adjustment", "dispute", d.id, "Chargeback withdrawal").id)
	c.emit("charge.dispute.created", d)
	c.emit("charge.dispute.funds_withdrawn", d)
	return d
}

// settle ends a dispute.
func (c *call) settle(d *dispute, won bool) {
	switch {
	case strings.HasPrefix(d.status, "warning"):
		d.status = "warning_closed"
	case won:
		d.status = "won"
		d.txns = append(d.txns, c.s.book(d.amount, -disputeFee, "adjustment", "dispute_reversal", d.id, "Chargeback reversal").id)
		c.emit("charge.dispute.funds_reinstated", d)
	default:
		d.status = "lost"
	}
	c.emit("charge.dispute.closed", d)
}

func (d *dispute) ended() bool {
	return d.status == "won" || d.status == "lost" || d.status == "warning_closed"
}

func (s *Server) openDisputeOf(charge string) bool {
	for _, d := range s.disputes.order {
		if d.charge == charge && !strings.HasPrefix(d.status, "warning") && d.status != "won" {
			return true
		}
	}
	return false
}

func (c *call) getDispute() (obj, *apiError) {
	d, e := one(c, &c.s.disputes, "dispute", "dispute")
	if e != nil {
		return nil, e
	}
	return d.wire(c.s), nil
}

func (c *call) listDisputes() (obj, *apiError) {
	return list(c, &c.s.disputes, "/v1/disputes", func(d *dispute) bool {
		return same(c.p, "payment_intent", d.intent) && same(c.p, "charge", d.charge)
	})
}

func (c *call) updateDispute() (obj, *apiError) {
	d, e := one(c, &c.s.disputes, "dispute", "dispute")
	if e != nil {
		return nil, e
	}
	if d.ended() {
		return nil, conflicts("", "This dispute is already closed.")
	}
	d.metadata, d.evidence = merge(d.metadata, c.p.mapping("metadata")), merge(d.evidence, c.p.mapping("evidence"))
	if len(d.evidence) > 0 && (!c.p.has("submit") || c.p.bool("submit")) {
		d.submissions++
		d.status = strings.Replace(d.status, "needs_response", "under_review", 1)
	}
	c.emit("charge.dispute.updated", d)
	return d.wire(c.s), nil
}

func (c *call) closeDispute() (obj, *apiError) {
	d, e := one(c, &c.s.disputes, "dispute", "dispute")
	if e != nil {
		return nil, e
	}
	if d.ended() {
		return nil, conflicts("", "This dispute is already closed.")
	}
	c.settle(d, false)
	return d.wire(c.s), nil
}
