package ledger

import (
	"time"

	"github.com/copayflow/copayflow/copay"
)

// Account is the code of an account in a practice's chart.
type Account string

// The chart; a practice gets it with its first entry.
const (
	AccountReceivable  Account = "patient_receivable"     // asset: what patients owe
	AccountClearing    Account = "processor_clearing"     // asset: captured, not yet paid out by the processor
	AccountTerminal    Account = "terminal_clearing"      // asset: taken on the desk's own card terminal
	AccountCash        Account = "cash_on_hand"           // asset: cash and checks at the desk
	AccountDisputes    Account = "disputes"               // asset: held back by the bank until a dispute ends
	AccountRevenue     Account = "copay_revenue"          // income
	AccountWaivers     Account = "waivers"                // expense: given up by staff
	AccountWriteOffs   Account = "write_offs"             // expense: nobody paid
	AccountContractual Account = "contractual_adjustment" // expense: the remittance lowered the patient's part
)

// Rule names a business event that is booked; it decides the accounts.
type Rule string

// The rules. An amount is positive except for RuleReceivable, where a negative
// one takes receivable back.
const (
	RuleReceivable  Rule = "receivable"   // the patient is asked for (more or less)
	RuleCapture     Rule = "capture"      // money came in
	RuleRefund      Rule = "refund"       // money went back
	RuleReturn      Rule = "return"       // a bank debit came back
	RuleWaive       Rule = "waive"        // staff gave the rest up
	RuleWriteOff    Rule = "write_off"    // nobody paid the rest
	RuleAdjust      Rule = "adjust"       // the remittance lowered the patient's part
	RuleDispute     Rule = "dispute"      // the bank holds the money back
	RuleDisputeWon  Rule = "dispute_won"  // and gave it back to us
	RuleDisputeLost Rule = "dispute_lost" // or to the patient
)

// Line is one side of an entry, in minor units; exactly one of the two is set.
type Line struct {
	Account Account `json:"account"`
	Debit   int64   `json:"debit,omitempty"`
	Credit  int64   `json:"credit,omitempty"`
}

// Entry is one booking of one co-pay. Step names it for ever: the same step
// with the same lines is booked once, with other lines it is a conflict.
type Entry struct {
	Step     string         `json:"step"`
	At       time.Time      `json:"at"`
	Memo     string         `json:"memo,omitempty"` // no PHI
	Currency copay.Currency `json:"currency"`
	Lines    []Line         `json:"lines"`
}

// moneyIn is the account that holds money of a rail.
func moneyIn(r copay.Rail) Account {
	switch r {
	case copay.RailCash, copay.RailCheck:
		return AccountCash
	case copay.RailTerminal:
		return AccountTerminal
	}
	return AccountClearing
}

// NewEntry makes the entry of a business event.
func NewEntry(rule Rule, step string, at time.Time, amount copay.Money, rail copay.Rail) (Entry, error) {
	if rule == RuleReceivable && amount.IsNegative() {
		return pair(rule, step, at, amount.Neg(), AccountRevenue, AccountReceivable)
	}
	switch rule {
	case RuleReceivable:
		return pair(rule, step, at, amount, AccountReceivable, AccountRevenue)
	case RuleCapture:
		return pair(rule, step, at, amount, moneyIn(rail), AccountReceivable)
	case RuleRefund, RuleReturn:
		return pair(rule, step, at, amount, AccountReceivable, moneyIn(rail))
	case RuleWaive:
		return pair(rule, step, at, amount, AccountWaivers, AccountReceivable)
	case RuleWriteOff:
		return pair(rule, step, at, amount, AccountWriteOffs, AccountReceivable)
	case RuleAdjust:
		return pair(rule, step, at, amount, AccountContractual, AccountReceivable)
	case RuleDispute:
		return pair(rule, step, at, amount, AccountDisputes, moneyIn(rail))
	case RuleDisputeWon:
		return pair(rule, step, at, amount, moneyIn(rail), AccountDisputes)
	case RuleDisputeLost:
		return pair(rule, step, at, amount, AccountReceivable, AccountDisputes)
	}
	return Entry{}, copay.Errorf(copay.CodeInvalid, "rule", "there is no booking rule %q", rule)
}

func pair(rule Rule, step string, at time.Time, m copay.Money, debit, credit Account) (Entry, error) {
	e := Entry{Step: step, At: at, Memo: string(rule), Currency: m.Currency, Lines: []Line{
		{Account: debit, Debit: m.Minor}, {Account: credit, Credit: m.Minor}}}
	if !m.IsPositive() {
		return Entry{}, copay.Errorf(copay.CodeInvalid, "amount", "an entry of rule %s needs an amount above zero", rule)
	}
	return e, e.Validate()
}

// Validate reports why an entry cannot be booked: the database enforces the
// same rules, but later and with fewer words.
func (e Entry) Validate() error {
	if e.Step == "" || len(e.Step) > 120 {
		return copay.Errorf(copay.CodeInvalid, "step", "an entry's step has 1 to 120 characters")
	}
	if !e.Currency.Supported() {
		return copay.Errorf(copay.CodeInvalid, "currency", "the journal keeps no currency %q", e.Currency)
	}
	if len(e.Lines) < 2 {
		return copay.Errorf(copay.CodeInvalid, "lines", "an entry has at least two lines")
	}
	sum := copay.Money{Currency: e.Currency}
	for _, l := range e.Lines {
		if l.Account == "" || l.Debit < 0 || l.Credit < 0 || (l.Debit == 0) == (l.Credit == 0) {
			return copay.Errorf(copay.CodeInvalid, "lines", "a line names an account and has either a debit or a credit above zero")
		}
		var err error
		if sum, err = sum.Add(copay.Money{Minor: l.Debit - l.Credit, Currency: e.Currency}); err != nil {
			return err
		}
	}
	if !sum.IsZero() {
		return copay.Errorf(copay.CodeInvalid, "lines", "debits and credits of the entry differ by %s", sum)
	}
	return nil
}
