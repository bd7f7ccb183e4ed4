package drchronosim

import (
	"encoding/json"
	"fmt"
)

// Adjustment is a row of a remittance as a clinic posts it at a charge.
type Adjustment struct {
	Payer  int    // 1 primary (default), 2 secondary
	Status string // of the claim (CLP02): "1", "4" denied, "19" forwarded, "22" reversed…
	Group  string // CO, OA, PI, PR: whose it is
	Reason string // CARC: "1" deductible, "2" coinsurance, "3" co-pay, "45" above the fee schedule
	Cents  int64  // signed
}

// Remit posts a payer's remittance to a line item: what is neither adjusted nor
// the patient's was paid. billing is the line's billing status from then on, such
// as "ERA Received". It fires LINE_ITEM_MODIFY; there is no event of its own.
func (s *Server) Remit(line, billing string, rows ...Adjustment) {
	s.mu.Lock()
	l := s.lines[line]
	if l == nil {
		s.mu.Unlock()
		return
	}
	left, err := cents(fmt.Sprint(l["billed"]))
	if err != nil {
		left = 0
	}
	for i, a := range rows {
		if a.Payer == 0 {
			a.Payer = 1
		}
		left -= a.Cents
		paid := int64(0)
		if i == len(rows)-1 {
			paid = max(left, 0)
		}
		s.remits = append(s.remits, object{"id": json.Number(s.nextID()), "line_item": l["id"], "appointment": l["appointment"], "patient": json.Number(fmt.Sprint(l["patient"])),
			"doctor": json.Number(fmt.Sprint(l["doctor"])), "ins_name": a.Payer, "ins_paid": dollars(paid), "adjustment": dollars(a.Cents), "adjustment_reason": a.Reason, "adjustment_group_code": a.Group,
			"claim_status": a.Status, "check_date": s.stamp()[:10], "trace_number": "ERA" + line, "posted_date": s.stamp()[:10], "created_at": s.stamp(), "updated_at": s.stamp()})
	}
	l["billing_status"], l["updated_at"] = billing, s.stamp()
	o := public(l)
	s.mu.Unlock()
	s.fire("LINE_ITEM_MODIFY", o)
}
