package dispatch

import (
	"context"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

// recordTries is how often a report without our reference looks for the record
// of its message or co-pay: over a minute. Only polling brings such reports, minutes
// after the fact; what is not on record then is another's, and needs no person.
const recordTries = 5

// messageStatus records how far a message is. One that failed is told to its
// co-pay, unless that needs no messages any more.
func (d *Dispatcher) messageStatus(ctx context.Context, v delivery) error {
	status := integrations.DeliveryStatus(v.e.Status)
	n, changed, err := d.store.MessageStatus(ctx, v.row.Practice, v.row.Platform, v.e.Object, v.e.Ref, status, v.e.Code, v.e.At)
	if copay.CodeOf(err) == copay.CodeNotFound && v.e.Ref != "" {
		n, changed, err = d.unrecorded(ctx, v, status)
	}
	if copay.CodeOf(err) == copay.CodeNotFound && v.e.Ref == "" && v.row.Attempts >= recordTries {
		return ignored{"the message is not one of ours"}
	}
	if copay.CodeOf(err) == copay.CodeNotFound {
		// Its record may still be on the way; a message that never gets one is
		// somebody else's on the same account.
		return copay.Errorf(copay.CodeNotFound, "", "%s reports on a message that is not ours; dismiss it, or use an account of its own", v.row.Platform)
	}
	if err != nil {
		return err
	}
	failed := status == integrations.DeliveryFailed || status == integrations.DeliveryOptedOut
	if !failed || (!changed && v.row.Attempts <= 1) {
		return nil
	}
	row, err := d.store.CoPay(ctx, v.row.Practice, n.CoPayID)
	if err != nil {
		return err
	}
	if row.CoPay.State.Closed() {
		return nil
	}
	return d.signal(ctx, v, row.CoPay.Key)
}

// unrecorded takes a report on a message that is ours by its reference and
// whose record is missing: the report was faster, or the answer to the sending
// was lost. The report proves that the message exists, so it is kept.
func (d *Dispatcher) unrecorded(ctx context.Context, v delivery, status integrations.DeliveryStatus) (ledger.Notification, bool, error) {
	row, err := d.store.CoPay(ctx, v.row.Practice, v.e.Ref.CoPay())
	if err != nil {
		return ledger.Notification{}, false, err
	}
	at := v.e.At
	if at.IsZero() {
		at = v.row.ReceivedAt
	}
	err = d.store.RecordNotification(ctx, ledger.Notification{Practice: v.row.Practice, CoPayID: row.CoPay.ID, Ref: v.e.Ref, Channel: v.e.Channel,
		Platform: v.row.Platform, ProviderID: v.e.Object, Status: string(integrations.DeliverySent), At: at})
	if err != nil {
		return ledger.Notification{}, false, err
	}
	return d.store.MessageStatus(ctx, v.row.Practice, v.row.Platform, v.e.Object, v.e.Ref, status, v.e.Code, v.e.At)
}

// address changes what is known of a patient's address and lets every open
// co-pay that uses it decide again. Each change is idempotent and ordered by
// the moment of the event, so a repeat or a late one does no harm.
func (d *Dispatcher) address(ctx context.Context, v delivery) error {
	if v.e.Address == "" || v.e.Channel == "" {
		return forStaff{"the event names no address; look it up at the platform by its id"}
	}
	if v.e.At.IsZero() {
		v.e.At = v.row.ReceivedAt
	}
	ids, err := d.applyToAddress(ctx, v)
	if err != nil {
		if copay.CodeOf(err) == copay.CodeInvalid {
			return ignored{"the address is none a patient could have"}
		}
		return err
	}
	return d.tellAll(ctx, v, ids)
}

func (d *Dispatcher) applyToAddress(ctx context.Context, v delivery) (ids []copay.ID, err error) {
	e, practice, actor := v.e, v.row.Practice, copay.Patient()
	source := string(v.row.Platform) + ":" + e.Type
	switch e.Kind {
	case integrations.EventMessageOptOut:
		ids, err = d.store.Revoke(ctx, practice, e.Channel, e.Address, ledger.OptOutChannel, source, e.At)
	case integrations.EventMessageOptIn:
		if err = d.store.Restore(ctx, practice, e.Channel, e.Address, source, e.At); err == nil {
			ids, err = d.store.CopaysByAddress(ctx, practice, e.Channel, e.Address)
		}
	case integrations.EventAddressBad:
		actor = copay.PlatformActor(v.row.Platform)
		ids, err = d.store.MarkBad(ctx, practice, e.Channel, e.Address, e.Code, e.At)
	default:
		return d.inbound(ctx, v)
	}
	if err != nil {
		return nil, err
	}
	return ids, d.auditAddress(ctx, v, actor, ids, map[string]string{"type": e.Type, "code": e.Code})
}

// inbound reads free text. A patient may revoke consent in any reasonable way
// (47 CFR 64.1200(a)(10)), so what may be a revocation stops the channel at
// once, and a person reads it. The audit log keeps what was made of it, never
// the text.
func (d *Dispatcher) inbound(ctx context.Context, v delivery) (ids []copay.ID, err error) {
	intent, practice := copay.ClassifyInbound(v.e.Text), v.row.Practice
	source := string(v.row.Platform) + ":text_" + string(intent)
	switch intent {
	case copay.IntentHelp:
		return nil, ignored{"the platform answers requests for help itself"}
	case copay.IntentStop, copay.IntentUnclear:
		ids, err = d.store.Revoke(ctx, practice, v.e.Channel, v.e.Address, ledger.OptOutChannel, source, v.e.At)
	case copay.IntentStart:
		if err = d.store.Restore(ctx, practice, v.e.Channel, v.e.Address, source, v.e.At); err == nil {
			ids, err = d.store.CopaysByAddress(ctx, practice, v.e.Channel, v.e.Address)
		}
	default:
		ids, err = d.store.CopaysByAddress(ctx, practice, v.e.Channel, v.e.Address)
	}
	if err != nil {
		return nil, err
	}
	if err := d.auditAddress(ctx, v, copay.Patient(), ids, map[string]string{"read_as": string(intent)}); err != nil {
		return nil, err
	}
	if intent == copay.IntentOther {
		return nil, v.toRead(intent, ids)
	}
	v.e.Status = string(intent)
	if err := d.tellAll(ctx, v, ids); err != nil {
		return nil, err
	}
	if intent == copay.IntentUnclear {
		return nil, v.toRead(intent, ids)
	}
	return nil, nil
}

// auditAddress keeps who changed what is known of an address, and by which
// event; the address itself is the patient's.
func (d *Dispatcher) auditAddress(ctx context.Context, v delivery, actor copay.Actor, ids []copay.ID, more map[string]string) error {
	entry := ledger.AuditEntry{Practice: v.row.Practice, Actor: actor, Action: string(v.e.Kind), Detail: map[string]string{
		"platform": string(v.row.Platform), "event": v.e.ID, "channel": string(v.e.Channel)}}
	for name, value := range more {
		if value != "" {
			entry.Detail[name] = value
		}
	}
	if len(ids) > 0 {
		entry.CoPay = ids[0]
	}
	return d.store.AppendAudit(ctx, entry)
}

// toRead asks staff to read what a patient wrote.
func (v delivery) toRead(intent copay.InboundIntent, ids []copay.ID) error {
	about := "no open co-pay"
	if len(ids) > 0 {
		about = "co-pay " + string(ids[0])
	}
	s := "a patient (" + about + ") answered a message in their own words; read it at " + string(v.row.Platform)
	if intent == copay.IntentUnclear {
		return forStaff{s + ". It may ask for no more messages, so none are sent; if it does not, the patient can reply START. Then dismiss this"}
	}
	return forStaff{s + ", revoke the consent if they want no more messages, then dismiss this"}
}

// tellAll tells the open co-pays of an address what was said of it: they keep it
// for those who read their history, and decide again.
func (d *Dispatcher) tellAll(ctx context.Context, v delivery, ids []copay.ID) error {
	for _, id := range ids {
		row, err := d.store.CoPay(ctx, v.row.Practice, id)
		if err != nil {
			return err
		}
		if row.CoPay.State.Closed() { // meanwhile
			continue
		}
		if err := d.signal(ctx, v, row.CoPay.Key); err != nil {
			return err
		}
	}
	return nil
}
