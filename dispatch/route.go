package dispatch

import (
	"context"
	"slices"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
	"github.com/copayflow/copayflow/workflows"
)

// deliver brings an event to where it belongs. nil says that it arrived; an
// ignored or forStaff verdict ends it; any other error is tried again.
func (d *Dispatcher) deliver(ctx context.Context, v delivery) error {
	if v.bad {
		return forStaff{"the stored event cannot be read; look it up at the platform by its id"}
	}
	switch v.e.Kind {
	case integrations.EventChargeCreated, integrations.EventChargeChanged, integrations.EventChargeDeleted:
		return d.charge(ctx, v)
	case integrations.EventVisitChanged, integrations.EventEligibility:
		return d.visit(ctx, v)
	case integrations.EventPatientChanged:
		return d.patient(ctx, v)
	case integrations.EventPayment, integrations.EventRefund, integrations.EventDispute:
		return d.money(ctx, v)
	case integrations.EventRemittance:
		return d.remittance(ctx, v)
	case integrations.EventPostingDeleted:
		return d.posting(ctx, v)
	case integrations.EventMessageStatus:
		return d.messageStatus(ctx, v)
	case integrations.EventMessageOptOut, integrations.EventMessageOptIn, integrations.EventAddressBad, integrations.EventMessageInbound:
		return d.address(ctx, v)
	case integrations.EventMessageHelp:
		return ignored{"the platform answers requests for help itself"}
	case integrations.EventAccountingChanged:
		return nil // kept in the inbox; nobody acts on it yet
	case integrations.EventIgnored:
		return ignored{"nothing of interest"}
	}
	return forStaff{"this kind of event is not known to this version; update Copayflow, then replay the event"}
}

// signal carries the event to one co-pay.
func (d *Dispatcher) signal(ctx context.Context, v delivery, key copay.Key) error {
	o := Origin{Trigger: "event", Actor: copay.PlatformActor(v.row.Platform), Priority: PriorityEvent}
	return d.flows.Signal(ctx, key, o, v.event())
}

// event is what the workflow is told: no address, no text, no patient.
func (v delivery) event() workflows.Event {
	return workflows.Event{
		ID: string(v.row.Platform) + "/" + v.e.ID, Platform: v.row.Platform, Kind: string(v.e.Kind), At: v.e.At,
		Object: v.e.Object, Ref: v.e.Ref, Status: v.e.Status, Code: v.e.Code, Amount: v.e.Amount, Channel: v.e.Channel,
	}
}

// charge signals the co-pay of the charge, and starts it when this is the
// first that is heard of it.
func (d *Dispatcher) charge(ctx context.Context, v delivery) error {
	if v.e.Charge == "" {
		return forStaff{"the event names no charge; look it up at the EHR by its id"}
	}
	key := copay.Key{Practice: v.row.Practice, EHR: v.row.Platform, Charge: v.e.Charge}
	if err := key.Validate(); err != nil {
		return forStaff{sentence(err)}
	}
	if v.e.Kind == integrations.EventChargeChanged {
		row, err := d.store.CoPay(ctx, key.Practice, key.ID())
		if err == nil && !heedsChange(row.CoPay.State) {
			return nil
		}
		if err != nil && copay.CodeOf(err) != copay.CodeNotFound {
			return err
		}
	}
	return d.signal(ctx, v, key)
}

// heedsChange reports whether a changed charge or visit can still matter. The
// EHR reports our own postings as changes, too; waking a co-pay whose money is
// there for each of them would be in vain.
func heedsChange(s copay.State) bool { return s.BeforePayment() || s == copay.StateNeedsReview }

// visit signals every co-pay that is known of the visit.
func (d *Dispatcher) visit(ctx context.Context, v delivery) error {
	if v.e.Appointment == "" {
		if v.e.CoPay != "" || v.e.Ref != "" {
			return d.money(ctx, v)
		}
		return ignored{"the event names no visit"}
	}
	f := ledger.Filter{Appointment: v.e.Appointment}
	if v.e.Kind == integrations.EventVisitChanged {
		f.EHR = v.row.Platform
		return d.each(ctx, v, f, func(c copay.CoPay) bool { return heedsChange(c.State) })
	}
	return d.each(ctx, v, f, heedsCoverage)
}

// lateCoverage is how long after the date of service a change of the patient's
// record still matters to a co-pay: Medicaid and with it QMB are granted for
// months that have passed (42 CFR 435.915), and the decision takes its time.
const lateCoverage = 180 * 24 * time.Hour

// patient signals the co-pays of a patient whose record the EHR reports as
// changed: it may hold another policy, or the telephone number that was missing.
func (d *Dispatcher) patient(ctx context.Context, v delivery) error {
	if v.e.Patient == "" {
		return ignored{"the event names no patient"}
	}
	f := ledger.Filter{EHR: v.row.Platform, Patient: v.e.Patient, ServiceFrom: copay.DateOf(d.o.Now().Add(-lateCoverage))}
	return d.each(ctx, v, f, heedsCoverage)
}

// heedsCoverage reports whether a change of coverage can matter: as long as
// something may be asked for, and where money is held that may have to go back.
func heedsCoverage(c copay.CoPay) bool {
	return !c.State.Closed() || c.Amounts.Collected.Minor > c.Amounts.Refunded.Minor
}

// each signals the co-pays of a list that heed the event.
func (d *Dispatcher) each(ctx context.Context, v delivery, f ledger.Filter, heeds func(copay.CoPay) bool) error {
	var page ledger.PageToken
	for {
		rows, next, err := d.store.ListCoPays(ctx, v.row.Practice, f, page, 100)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if !heeds(row.CoPay) {
				continue
			}
			if err := d.signal(ctx, v, row.CoPay.Key); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		page = next
	}
}

// remittance signals the co-pay whose claim a payer has processed. An EHR tells
// of all charges, also of those from before Copayflow.
func (d *Dispatcher) remittance(ctx context.Context, v delivery) error {
	row, err := d.find(ctx, v)
	if copay.CodeOf(err) == copay.CodeNotFound && v.e.Charge != "" && v.e.CoPay == "" && v.e.Ref == "" {
		return d.begun(ctx, v, err)
	}
	if err != nil {
		return err
	}
	return d.signal(ctx, v, row.CoPay.Key)
}

// begun tells a co-pay that has no record yet: it has only just begun, or no
// worker runs. The charge's own event may have to wait for an outage meanwhile.
func (d *Dispatcher) begun(ctx context.Context, v delivery, unknown error) error {
	for _, key := range v.keys(d.flows) {
		if running, err := d.flows.Tell(ctx, key, v.event()); err != nil || running {
			return err
		}
	}
	if v.row.Attempts >= recordTries && d.caughtUp() {
		return ignored{"there is no co-pay of this charge"}
	}
	return unknown
}

// money signals the co-pay that a payment, refund or dispute is about.
func (d *Dispatcher) money(ctx context.Context, v delivery) error {
	row, err := d.find(ctx, v)
	if err != nil {
		return err
	}
	if v.captured() && knowsCapture(row.CoPay, v) {
		return nil // its truth was read already; waking the co-pay again would be in vain
	}
	if gaveBack(row.CoPay, v) {
		return forStaff{"the patient's bank gives money back after it had kept it: the dispute of co-pay " + string(row.CoPay.ID) +
			" was lost and is said to be won. Look it up at " + string(v.row.Platform) + ". Money that is there again is not counted by the co-pay: enter it at the desk if it is still owed, else give it back there; then dismiss this"}
	}
	return d.signal(ctx, v, row.CoPay.Key)
}

// knowsCapture reports whether the co-pay's record holds the payment of the
// event as captured.
func knowsCapture(c copay.CoPay, v delivery) bool {
	for i := range c.Payments {
		if p := &c.Payments[i]; p.Ref == v.e.Ref && p.Status == copay.PaymentCaptured {
			return true
		}
	}
	return false
}

// gaveBack reports that a dispute is said to be won whose money the bank has kept,
// which stands in EHR, books and journal as gone.
func gaveBack(c copay.CoPay, v delivery) bool {
	if v.e.Kind != integrations.EventDispute || v.e.Status != "won" {
		return false
	}
	for _, r := range c.Refunds {
		for _, p := range c.Payments {
			theirs := p.ID == r.Payment && (p.PlatformID == v.e.Object || p.Ref == v.e.Ref)
			if theirs && r.Taken && p.Status == copay.PaymentCaptured {
				return true
			}
		}
	}
	return false
}

// find looks for an event's co-pay in its practice and nowhere else: by the
// id or reference that the platform echoes, by the platform's object, by the
// charge.
func (d *Dispatcher) find(ctx context.Context, v delivery) (ledger.CoPayRow, error) {
	practice := v.row.Practice
	for _, id := range v.candidates(d.flows) {
		row, err := d.store.CoPay(ctx, practice, id)
		if err == nil || copay.CodeOf(err) != copay.CodeNotFound {
			return row, err
		}
	}
	if v.e.Object != "" {
		row, err := d.store.FindByObject(ctx, practice, v.row.Platform, v.e.Object)
		if err == nil || copay.CodeOf(err) != copay.CodeNotFound {
			return row, err
		}
	}
	return ledger.CoPayRow{}, copay.Errorf(copay.CodeNotFound, "",
		"no co-pay of this practice knows the %s that %s reports; if it is ours, find it there by the event's id and replay the event, otherwise dismiss it",
		v.e.Kind, v.row.Platform)
}

// candidates are the ids of co-pays the event may be about.
func (v delivery) candidates(flows Workflows) []copay.ID {
	var ids []copay.ID
	add := func(id copay.ID) {
		if id != "" && id.Validate() == nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	add(v.e.CoPay)
	add(v.e.Ref.CoPay())
	for _, key := range v.keys(flows) {
		add(key.ID())
	}
	return ids
}

// keys are those of the co-pays that the event's charge may have, at the EHR that
// reports it or at one of the practice's.
func (v delivery) keys(flows Workflows) (keys []copay.Key) {
	if v.e.Charge == "" {
		return nil
	}
	ehrs := []copay.Platform{v.row.Platform}
	if p, err := flows.Practice(v.row.Practice); err == nil {
		ehrs = append(ehrs, p.EHRs...)
	}
	for _, ehr := range ehrs {
		key := copay.Key{Practice: v.row.Practice, EHR: ehr, Charge: v.e.Charge}
		if key.Validate() == nil && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// posting signals the co-pay whose posting was deleted in the EHR. Postings of
// others are none of our business.
func (d *Dispatcher) posting(ctx context.Context, v delivery) error {
	row, err := d.store.FindByPosting(ctx, v.row.Practice, v.row.Platform, v.e.Object)
	if copay.CodeOf(err) == copay.CodeNotFound {
		return ignored{"the posting is not one of ours"}
	}
	if err != nil {
		return err
	}
	return d.signal(ctx, v, row.CoPay.Key)
}
