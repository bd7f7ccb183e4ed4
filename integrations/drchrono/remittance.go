package drchrono

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
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

// otherPayer is the billing status of a charge of which another payer has to
// bear a part.
const otherPayer = "Coordination of Benefits"

// responsibility is what the patient owes of a charge by the last payer's word;
// false while that is not final. What an earlier payer left to the patient is
// the next one's to pay.
func responsibility(rows []transaction) (copay.Money, bool) {
	last := slices.MaxFunc(rows, func(a, b transaction) int { return number(a.Payer, b.Payer) }).Payer
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b transaction) int { return number(a.ID, b.ID) })
	owed, status, said := int64(0), "", false
	for _, r := range rows {
		if r.Payer != last || r.ClaimStatus == claimPredetermined {
			continue
		}
		status, said = r.ClaimStatus, true
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
	return copay.Cents(owed), said && owed >= 0 && slices.Contains(decided, status)
}

// number orders ids, which are whole numbers.
func number(a, b id) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// mark is how far the remittances of a window were read: the charge last looked
// at, by when it was last told of. The zero mark is: all.
type mark struct{ at, line string }

func (m mark) String() string {
	if m.at == "" {
		return ""
	}
	return m.at + "#" + m.line
}

func markOf(s string) (m mark) {
	m.at, m.line, _ = strings.Cut(s, "#")
	return m
}

func (m mark) compare(o mark) int {
	return cmp.Or(cmp.Compare(m.at, o.at), number(id(m.line), id(o.line)))
}

// maxRemittances bounds the charges that one poll looks at, each of which costs
// a call: an ERA may be about hundreds, and the hour has few hundred calls.
const maxRemittances = 100

// remittances tells of the charges that payers said something about since then:
// what the patient owes by all that was said. There is no webhook for it.
func (c *Connector) remittances(ctx context.Context, since string, done mark, changed []lineItem) ([]integrations.Event, mark, error) {
	if done.at != "" {
		since = min(since, done.at)
	}
	rows, err := list[transaction](ctx, c.api, "transactions.list", "/api/transactions", url.Values{"since": {since}, "page_size": {pageSize}})
	if err != nil {
		return nil, done, err
	}
	var events []integrations.Event
	for i, at := range marks(rows, done) {
		if i == maxRemittances {
			return events, done, nil
		}
		e, told, err := c.remittance(ctx, at, changed)
		if integrations.KindOf(err) == integrations.KindRateLimited && i > 0 { // the others come with the next poll
			return events, done, nil
		}
		if err != nil {
			return nil, done, err
		}
		if told {
			events = append(events, e)
		}
		done = at
	}
	return events, mark{}, nil
}

// marks are the charges that rows are about and that were not looked at yet, in
// the order in which they were last told of.
func marks(rows []transaction, done mark) []mark {
	newest := map[id]string{}
	for _, r := range rows {
		if proper(string(r.LineItem)) && proper(r.UpdatedAt) && !strings.Contains(r.UpdatedAt, "#") {
			newest[r.LineItem] = max(newest[r.LineItem], r.UpdatedAt)
		}
	}
	var all []mark
	for line, at := range newest {
		if m := (mark{at, string(line)}); m.compare(done) > 0 {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, mark.compare)
	return all
}

// remittance reads what was said of one charge so far.
func (c *Connector) remittance(ctx context.Context, of mark, changed []lineItem) (integrations.Event, bool, error) {
	rows, err := list[transaction](ctx, c.api, "transactions.list", "/api/transactions", url.Values{"line_item": {of.line}, "page_size": {pageSize}})
	if err != nil || len(rows) == 0 {
		return integrations.Event{}, false, err
	}
	// A charge that a remittance was posted to is among those that changed.
	waits := slices.ContainsFunc(changed, func(l lineItem) bool { return string(l.ID) == of.line && l.BillingStatus == otherPayer })
	owed, final := responsibility(rows)
	if waits || !final {
		return integrations.Event{}, false, nil
	}
	doc, err := c.doctor(ctx, rows[0].Doctor)
	if err != nil {
		return integrations.Event{}, false, err
	}
	loc, _ := doc.zone()
	return integrations.Event{ID: strings.Join([]string{"remittance", of.line, of.at, strconv.FormatInt(owed.Minor, 10)}, ":"), Kind: integrations.EventRemittance,
		Type: "transactions", At: orNow(naive(of.at, loc), c.now()), Charge: copay.ChargeID(of.line), Appointment: copay.AppointmentID(rows[0].Appointment),
		Patient: copay.PatientRef(rows[0].Patient), Amount: &owed}, true, nil
}

func orNow(t, now time.Time) time.Time {
	if t.IsZero() {
		return now
	}
	return t
}
