package drchrono

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

const (
	// firstLook is how far back the first poll looks: a practice that begins
	// today must not ask for what was charged before.
	firstLook = lookAgain
	// lookAgain makes up for lists that lag: the same event twice is harmless.
	lookAgain = 5 * time.Minute
)

// PollEvents implements integrations.EventPoller: it makes up for webhooks
// that were missed, and asks for remittances, of which there are none. The
// cursor is the time of the last look and, while remittances are left to be read,
// since when.
func (c *Connector) PollEvents(ctx context.Context, cursor string) ([]integrations.Event, string, error) {
	now := c.now()
	since := now.Add(-firstLook)
	looked, behind, _ := strings.Cut(cursor, " ")
	if t, err := time.Parse(time.RFC3339, looked); err == nil {
		since = t.Add(-lookAgain)
	}
	from, err := c.wallClock(ctx, since)
	if err != nil {
		return nil, cursor, err
	}
	// What a remittance is about is among the charges that changed since then: they
	// are listed after its rows, so that a charge is not without what became of it.
	window := from
	if behind != "" {
		window = min(window, behind)
	}
	rows, err := list[transaction](ctx, c.api, "transactions.list", "/api/transactions", url.Values{"since": {window}, "page_size": {pageSize}})
	if err != nil {
		return nil, cursor, err
	}
	changed, err := list[lineItem](ctx, c.api, "line_items.list", "/api/line_items", url.Values{"since": {window}, "page_size": {pageSize}})
	if err != nil {
		return nil, cursor, err
	}
	gone, err := list[deletion](ctx, c.api, "line_item_deletions.list", "/api/line_item_deletions", url.Values{"since": {from}})
	if err != nil {
		return nil, cursor, err
	}
	people, err := list[patient](ctx, c.api, "patients.list", "/api/patients", url.Values{"since": {from}, "page_size": {pageSize}})
	if err != nil {
		return nil, cursor, err
	}
	said, all, err := c.remittances(ctx, rows, changed)
	if err != nil {
		return nil, cursor, err
	}
	out := make([]integrations.Event, 0, len(changed)+len(gone)+len(people)+len(said))
	for _, l := range changed {
		// A listing does not tell new from changed. The id is that of
		// LINE_ITEM_CREATE, so that a charge whose webhook came and that has not
		// changed since is not read once more.
		out = append(out, integrations.Event{ID: "line_item_create:" + string(l.ID) + ":" + l.UpdatedAt, Kind: integrations.EventChargeChanged, Type: "line_items",
			At: now, Charge: copay.ChargeID(l.ID), Appointment: copay.AppointmentID(l.Appointment), Patient: copay.PatientRef(l.Patient), Object: string(l.ID)})
	}
	for _, d := range gone {
		out = append(out, integrations.Event{ID: "line_item_delete:" + string(d.LineItem) + ":" + d.CreatedAt, Kind: integrations.EventChargeDeleted,
			Type: "line_item_deletions", At: now, Charge: copay.ChargeID(d.LineItem), Appointment: copay.AppointmentID(d.Appointment), Object: string(d.LineItem)})
	}
	for _, p := range people { // the id is that of PATIENT_MODIFY
		out = append(out, integrations.Event{ID: "patient_modify:" + string(p.ID) + ":" + p.UpdatedAt, Kind: integrations.EventPatientChanged, Type: "patients",
			At: now, Patient: copay.PatientRef(p.ID), Object: string(p.ID)})
	}
	next := now.UTC().Format(time.RFC3339)
	if !all {
		next += " " + window
	}
	return append(out, said...), next, nil
}
