package dispatch

import (
	"encoding/json"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

// delivery is one event on its way.
type delivery struct {
	row ledger.InboxRow
	e   integrations.Event
	bad bool // the stored payload is not readable
}

// captured reports whether the event says that the money of a payment, which
// it names by our reference, has come in.
func (v delivery) captured() bool {
	return v.e.Kind == integrations.EventPayment && v.e.Ref != "" && copay.PaymentStatus(v.e.Status) == copay.PaymentCaptured
}

// bundle is a delivery that stands for all of its events.
type bundle struct {
	delivery
	rows []ledger.InboxRow
}

// bundles opens claimed events and joins those that say the same: processors
// tell of one captured payment in two or three events, and one hint is enough
// to make its co-pay read the truth.
func bundles(rows []ledger.InboxRow) []bundle {
	type payment struct {
		practice copay.PracticeID
		platform copay.Platform
		ref      copay.Ref
	}
	var list []bundle
	at := map[payment]int{}
	for _, row := range rows {
		v := delivery{row: row}
		v.bad = json.Unmarshal(row.Payload, &v.e) != nil
		p := payment{row.Practice, row.Platform, v.e.Ref}
		if i, ok := at[p]; ok && v.captured() {
			list[i].rows = append(list[i].rows, row)
			continue
		}
		if v.captured() {
			at[p] = len(list)
		}
		list = append(list, bundle{v, []ledger.InboxRow{row}})
	}
	return list
}
