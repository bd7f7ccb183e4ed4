package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

func TestRules(t *testing.T) {
	t.Parallel()
	usd := copay.Cents
	for name, c := range map[string]struct {
		make          func() (ledger.Entry, error)
		debit, credit ledger.Account
		amount        int64
	}{
		"request": {func() (ledger.Entry, error) { return ledger.NewEntry(ledger.RuleReceivable, "s", noon, usd(2500), "") }, ledger.AccountReceivable, ledger.AccountRevenue, 2500},
		"raised": {func() (ledger.Entry, error) {
			return ledger.NewEntry(ledger.RuleReceivable, "s", noon, copay.Cents(500), "")
		}, ledger.AccountReceivable, ledger.AccountRevenue, 500},
		"lowered": {func() (ledger.Entry, error) {
			return ledger.NewEntry(ledger.RuleReceivable, "s", noon, copay.Cents(-1500), "")
		}, ledger.AccountRevenue, ledger.AccountReceivable, 1500},
		"cancelled": {func() (ledger.Entry, error) {
			return ledger.NewEntry(ledger.RuleReceivable, "s", noon, usd(700).Neg(), "")
		}, ledger.AccountRevenue, ledger.AccountReceivable, 700},
		"by link": {func() (ledger.Entry, error) {
			return ledger.NewEntry(ledger.RuleCapture, "s", noon, usd(9), copay.RailLink)
		}, ledger.AccountClearing, ledger.AccountReceivable, 9},
		"by card": {func() (ledger.Entry, error) {
			return ledger.NewEntry(ledger.RuleCapture, "s", noon, usd(9), copay.RailCard)
		}, ledger.AccountClearing, ledger.AccountReceivable, 9},
		"cash": {func() (ledger.Entry, error) {
			return ledger.NewEntry(ledger.RuleCapture, "s", noon, usd(9), copay.RailCash)
		}, ledger.AccountCash, ledger.AccountReceivable, 9},
		"check": {func() (ledger.Entry, error) {
			return ledger.NewEntry(ledger.RuleCapture, "s", noon, usd(9), copay.RailCheck)
		}, ledger.AccountCash, ledger.AccountReceivable, 9},
		"terminal": {func() (ledger.Entry, error) {
			return ledger.NewEntry(ledger.RuleCapture, "s", noon, usd(9), copay.RailTerminal)
		}, ledger.AccountTerminal, ledger.AccountReceivable, 9},
		"refund": {func() (ledger.Entry, error) {
			return ledger.NewEntry(ledger.RuleRefund, "s", noon, usd(9), copay.RailLink)
		}, ledger.AccountReceivable, ledger.AccountClearing, 9},
		"return": {func() (ledger.Entry, error) {
			return ledger.NewEntry(ledger.RuleReturn, "s", noon, usd(9), copay.RailLink)
		}, ledger.AccountReceivable, ledger.AccountClearing, 9},
		"waive":     {func() (ledger.Entry, error) { return ledger.NewEntry(ledger.RuleWaive, "s", noon, usd(9), "") }, ledger.AccountWaivers, ledger.AccountReceivable, 9},
		"write off": {func() (ledger.Entry, error) { return ledger.NewEntry(ledger.RuleWriteOff, "s", noon, usd(9), "") }, ledger.AccountWriteOffs, ledger.AccountReceivable, 9},
		"adjust":    {func() (ledger.Entry, error) { return ledger.NewEntry(ledger.RuleAdjust, "s", noon, usd(9), "") }, ledger.AccountContractual, ledger.AccountReceivable, 9},
		"dispute": {func() (ledger.Entry, error) {
			return ledger.NewEntry(ledger.RuleDispute, "s", noon, usd(9), copay.RailLink)
		}, ledger.AccountDisputes, ledger.AccountClearing, 9},
		"won": {func() (ledger.Entry, error) {
			return ledger.NewEntry(ledger.RuleDisputeWon, "s", noon, usd(9), copay.RailLink)
		}, ledger.AccountClearing, ledger.AccountDisputes, 9},
		"lost": {func() (ledger.Entry, error) { return ledger.NewEntry(ledger.RuleDisputeLost, "s", noon, usd(9), "") }, ledger.AccountReceivable, ledger.AccountDisputes, 9},
	} {
		e, err := c.make()
		require.NoError(t, err, name)
		require.Equal(t, []ledger.Line{{Account: c.debit, Debit: c.amount}, {Account: c.credit, Credit: c.amount}}, e.Lines, name)
		require.Equal(t, copay.USD, e.Currency, name)
		require.Equal(t, noon, e.At, name)
	}
}

func TestRulesRefuse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rule   ledger.Rule
		amount copay.Money
		step   string
	}{
		"nothing":          {ledger.RuleCapture, copay.Cents(0), "s"},
		"negative capture": {ledger.RuleCapture, copay.Cents(-5), "s"},
		"unknown rule":     {"tip", copay.Cents(5), "s"},
		"no step":          {ledger.RuleCapture, copay.Cents(5), ""},
		"other currency":   {ledger.RuleCapture, copay.Money{Minor: 5, Currency: "EUR"}, "s"},
		"no currency":      {ledger.RuleCapture, copay.Money{Minor: 5}, "s"},
	} {
		_, err := ledger.NewEntry(c.rule, c.step, noon, c.amount, copay.RailLink)
		require.Equal(t, copay.CodeInvalid, copay.CodeOf(err), name)
	}
	_, err := ledger.NewEntry(ledger.RuleReceivable, "s", noon, copay.Cents(0), "")
	requireCode(t, copay.CodeInvalid, err)
}

func TestEntryOverflow(t *testing.T) {
	t.Parallel()
	e := ledger.Entry{Step: "s", Currency: copay.USD, Lines: []ledger.Line{
		{Account: ledger.AccountCash, Debit: 1<<63 - 1}, {Account: ledger.AccountCash, Debit: 1<<63 - 1}, {Account: ledger.AccountRevenue, Credit: 1<<63 - 2}}}
	requireCode(t, copay.CodeInvalid, e.Validate())
}

// Whatever a co-pay goes through, each rule's entry balances, and the open
// receivable is what was asked less what came in.
func TestRulesBalance(t *testing.T) {
	t.Parallel()
	rails := []copay.Rail{copay.RailLink, copay.RailCard, copay.RailCash, copay.RailCheck, copay.RailTerminal}
	rapid.Check(t, func(t *rapid.T) {
		sums := map[ledger.Account]int64{}
		book := func(e ledger.Entry, err error) {
			require.NoError(t, err)
			require.NoError(t, e.Validate())
			for _, l := range e.Lines {
				sums[l.Account] += l.Debit - l.Credit
			}
		}
		asked := rapid.Int64Range(100, 1e9).Draw(t, "asked")
		paid := rapid.Int64Range(1, 1e9).Draw(t, "paid")
		rail := rapid.SampledFrom(rails).Draw(t, "rail")
		book(ledger.NewEntry(ledger.RuleReceivable, "a", noon, copay.Cents(asked), ""))
		book(ledger.NewEntry(ledger.RuleCapture, "b", noon, copay.Cents(paid), rail))
		if back := rapid.Int64Range(0, paid).Draw(t, "back"); back > 0 {
			book(ledger.NewEntry(ledger.RuleRefund, "c", noon, copay.Cents(back), rail))
			paid -= back
		}
		if open := asked - paid; open > 0 {
			book(ledger.NewEntry(ledger.RuleReceivable, "d", noon, copay.Cents(open).Neg(), ""))
			asked = paid
		}
		total := int64(0)
		for _, v := range sums {
			total += v
		}
		require.Zero(t, total)
		require.Equal(t, asked-paid, sums[ledger.AccountReceivable])
		require.Equal(t, paid, sums[ledger.AccountClearing]+sums[ledger.AccountCash]+sums[ledger.AccountTerminal])
	})
}
