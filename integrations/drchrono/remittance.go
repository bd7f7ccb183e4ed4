package drchrono

import (
	"cmp"
	"context"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// transaction is a row of a remittance at its charge (LineItemTransaction): of
// an ERA, or of paper that staff typed in.
type transaction struct {
	ID          id      `json:"id"`
	LineItem    id      `json:"line_item"`
	Appointment id      `json:"appointment"`
	Patient     id      `json:"patient"`
	Doctor      id      `json:"doctor"`
	Payer       id      `json:"ins_name"` // 1 primary, 2 secondary insurance
	Adjustment  decimal `json:"adjustment"`
	Group       string  `json:"adjustment_group_code"` // CAS01 of the 835
	ClaimStatus string  `json:"claim_status"`          // CLP02 of the 835
	UpdatedAt   string  `json:"updated_at"`
}

// groupPatient are adjustments that the patient is responsible for: deductible,
// coinsurance, co-pay (X12 835, CAS01).
const groupPatient = "PR"

// The claim statuses (X12 835, CLP02) that count here.
const (
	claimDenied        = "4"
	claimPredetermined = "25" // priced beforehand, not a claim
)

// decided are the statuses of a claim that nobody has still to say anything
// about: processed as primary, secondary, tertiary; none, when staff typed it in.
// One that was forwarded waits for the next payer, a denied one for the biller, a
// reversed one (22) for its correction.
var decided = []string{"", "1", "2", "3"}

// spoken are the billing statuses of a charge that payers have said something of.
// It may come to one without a new row: when it leaves "Coordination of Benefits".
var spoken = []string{"ERA Received", "ERA Denied", "Partially Paid", "Paid in Full"}

// waits reports that a charge with this billing status is with a payer, who may be
// the next one: in coordination of benefits, in process, acknowledged, rejected.
func waits(billing string) bool { return billing != "" && !slices.Contains(spoken, billing) }

// responsibility is what the patient owes of a charge by the last payer's word;
// false while that is not final. What an earlier payer left to the patient is
// the next one's to pay.
func responsibility(rows []transaction) (copay.Money, bool) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r transaction) bool { return r.ClaimStatus == claimPredetermined })
	if len(rows) == 0 {
		return copay.Money{}, false
	}
	last := slices.MaxFunc(rows, func(a, b transaction) int { return number(a.Payer, b.Payer) }).Payer
	slices.SortFunc(rows, func(a, b transaction) int { return number(a.ID, b.ID) })
	owed, status := int64(0), ""
	for _, r := range rows {
		if r.Payer != last {
			continue
		}
		status = r.ClaimStatus
		if r.Group != groupPatient || r.ClaimStatus == claimDenied {
			continue
		}
		m, there, err := money(r.Adjustment)
		if err != nil {
			return copay.Money{}, false
		}
		if there {
			owed += m.Minor
		}
	}
	return copay.Cents(owed), owed >= 0 && slices.Contains(decided, status)
}

// number orders ids, which are whole numbers.
func number(a, b id) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// maxRemittances bounds the charges that one poll looks at, each of which costs
// a call: an ERA may be about hundreds, and the hour has few hundred calls.
const maxRemittances = 100

// maxHeard bounds what is remembered of remittances; what is forgotten is read
// again and makes the same event.
const maxHeard = 20_000

// news are the rows of a charge in a listing: when the last was changed, and how
// many they are, since two may be of one second; and what has become of the claim, where
// the charge is listed, too.
type news struct {
	at      string
	rows    int
	listed  bool
	billing string
}

// heard are the charges whose remittances were read, with what came of it: polls
// overlap, and a poll that could not be stored is done again.
type heard struct {
	mu    sync.Mutex
	known map[id]hearing
}

type hearing struct {
	told  news
	event *integrations.Event
}

func (h *heard) of(line id, told news) (hearing, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	got, ok := h.known[line]
	return got, ok && got.told == told
}

func (h *heard) keep(line id, got hearing) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil || len(h.known) >= maxHeard {
		h.known = map[id]hearing{}
	}
	h.known[line] = got
}

// remittances tells of the charges that payers said something about since then:
// what the patient owes by all that was said. There is no webhook for it. all is
// false when more are left than one poll looks at: they are found since then, too.
func (c *Connector) remittances(ctx context.Context, rows []transaction, changed []lineItem) (events []integrations.Event, all bool, err error) {
	newest := map[id]news{}
	for _, r := range rows {
		if proper(string(r.LineItem)) && proper(r.UpdatedAt) {
			newest[r.LineItem] = news{at: max(newest[r.LineItem].at, r.UpdatedAt), rows: newest[r.LineItem].rows + 1}
		}
	}
	for _, l := range changed {
		n, found := newest[l.ID]
		if found || slices.Contains(spoken, l.BillingStatus) {
			n.listed, n.billing = true, l.BillingStatus
			newest[l.ID] = n
		}
	}
	read := 0
	for _, line := range slices.SortedFunc(maps.Keys(newest), number) {
		got, known := c.heard.of(line, newest[line])
		if !known {
			if read == maxRemittances {
				return events, false, nil
			}
			if got, err = c.remittance(ctx, line, newest[line]); err != nil {
				if integrations.KindOf(err) == integrations.KindRateLimited && read > 0 { // the others come with the next poll
					return events, false, nil
				}
				return nil, false, err
			}
			read++
			c.heard.keep(line, got)
		}
		if got.event != nil {
			events = append(events, *got.event)
		}
	}
	return events, true, nil
}

// remittance reads what was said of one charge so far.
func (c *Connector) remittance(ctx context.Context, line id, told news) (hearing, error) {
	rows, err := list[transaction](ctx, c.api, "transactions.list", "/api/transactions", url.Values{"line_item": {string(line)}, "page_size": {pageSize}})
	if err != nil {
		return hearing{}, err
	}
	got := hearing{told: told}
	owed, final := responsibility(rows)
	if !final {
		return got, nil
	}
	billing := told.billing
	if !told.listed { // a row was changed, and the charge was not
		var l lineItem
		err := c.api.get(ctx, "line_items.read", "/api/line_items/"+url.PathEscape(string(line)), nil, &l)
		if isNotFound(err) {
			return got, nil
		}
		if err != nil {
			return hearing{}, err
		}
		billing = l.BillingStatus
	}
	if waits(billing) {
		return got, nil
	}
	at := slices.MaxFunc(rows, func(a, b transaction) int { return cmp.Compare(a.UpdatedAt, b.UpdatedAt) }).UpdatedAt
	doc, err := c.doctor(ctx, rows[0].Doctor)
	if err != nil {
		return hearing{}, err
	}
	loc, _ := doc.zone()
	got.event = &integrations.Event{ID: strings.Join([]string{"remittance", string(line), at, strconv.FormatInt(owed.Minor, 10)}, ":"), Kind: integrations.EventRemittance,
		Type: "transactions", At: orNow(naive(at, loc), c.now()), Charge: copay.ChargeID(line), Appointment: copay.AppointmentID(rows[0].Appointment),
		Patient: copay.PatientRef(rows[0].Patient), Amount: &owed}
	return got, nil
}

func orNow(t, now time.Time) time.Time {
	if t.IsZero() {
		return now
	}
	return t
}
