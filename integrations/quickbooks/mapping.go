package quickbooks

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// maxNumber is the longest DocNumber and PaymentRefNum (Finance.xsd: 21).
const maxNumber = 21

// maxDescription bounds a line's text.
const maxDescription = 1000

// number is our reference as the books keep it.
func number(r copay.Ref) string { return r.Max(maxNumber) }

// wire writes an amount as a JSON number in major units.
func wire(m copay.Money) json.Number { return json.Number(m.Decimal()) }

// note is the private note of a document: the whole reference, because the
// number field is too short for it.
func note(id copay.ID, ref copay.Ref) string { return fmt.Sprintf("copay:%s ref:%s", id, ref) }

// ofPayment ends the note of a refund receipt with the payment it gives back:
// QuickBooks keeps no link between the two.
func ofPayment(id string) string { return " payment:" + id }

// backOf is the payment that a refund receipt gives back, or "".
func (t *transaction) backOf() string {
	if m := paymentPattern.FindStringSubmatch(t.PrivateNote); m != nil {
		return m[1]
	}
	return ""
}

var (
	paymentPattern = regexp.MustCompile(`\bpayment:([0-9]{1,20})(?:\s|$)`)
	notePattern    = regexp.MustCompile(`\bref:(cp_[0-9a-z]{16}-[a-z]{1,8}-[0-9]{1,9})(?:\s|$)`)
	copayPattern   = regexp.MustCompile(`\bcopay:(cp_[0-9a-z]{16})(?:\s|$)`)
	numberPattern  = regexp.MustCompile(`^cp[0-9a-hjkmnp-tv-z]{19}$`)
)

// refOf reads our reference back. A note is believed only together with the
// number derived from it, since the bookkeeper may copy a document with its
// note. Without a note the number alone still tells that the document is ours.
func refOf(number, note string) copay.Ref {
	for _, m := range notePattern.FindAllStringSubmatch(note, -1) {
		if r := copay.Ref(m[1]); r.CoPay() != "" && r.Max(maxNumber) == number {
			return r
		}
	}
	if r := copay.Ref(number); r.CoPay() != "" || numberPattern.MatchString(number) {
		return r
	}
	return ""
}

// isOf reports whether a document is one of the co-pay's: it bears the number of
// our reference, or its note names the co-pay where a bookkeeper has changed
// the number.
func (t *transaction) isOf(id copay.ID, ref copay.Ref, has string) bool {
	if ref != "" && has == number(ref) {
		return true
	}
	for _, m := range copayPattern.FindAllStringSubmatch(t.PrivateNote, -1) {
		if m[1] == string(id) {
			return true
		}
	}
	return false
}

// voided reports whether a document was voided: its amount is zero and
// QuickBooks put "Voided" before its note (Void a payment).
func (t *transaction) voided() bool {
	if strings.EqualFold(t.Status, "Voided") {
		return true
	}
	total, err := t.total()
	return err == nil && total.IsZero() && strings.HasPrefix(strings.ToLower(strings.TrimSpace(t.PrivateNote)), "voided")
}

func (t *transaction) total() (copay.Money, error) { return t.money(t.TotalAmt) }

// money reads an amount in the document's currency; none given means nothing.
func (t *transaction) money(n json.Number) (copay.Money, error) {
	if n == "" {
		n = "0"
	}
	cur := copay.USD
	if c := t.CurrencyRef.id(); c != "" {
		cur = copay.Currency(c)
	}
	return copay.ParseMoney(string(n), cur)
}

// updated is when the document changed last, in UTC.
func (e *entity) updated() time.Time {
	if e.MetaData == nil {
		return time.Time{}
	}
	return parseTime(e.MetaData.LastUpdatedTime)
}

// created is when the object was made.
func (e *entity) created() time.Time {
	if e.MetaData == nil {
		return time.Time{}
	}
	return parseTime(e.MetaData.CreateTime)
}

// parseTime reads the forms of time that Intuit writes.
func parseTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

func (t *transaction) doc(kind integrations.DocKind, number string) (integrations.AccountingDoc, error) {
	total, err := t.total()
	if err != nil {
		return integrations.AccountingDoc{}, err
	}
	return integrations.AccountingDoc{ID: t.ID, Kind: kind, Ref: refOf(number, t.PrivateNote), Amount: total,
		Voided: t.voided(), At: t.updated()}, nil
}

func (i *invoice) doc() (integrations.AccountingDoc, error) {
	d, err := i.transaction.doc(integrations.DocInvoice, i.DocNumber)
	if err == nil {
		d.Balance, err = i.money(i.Balance)
	}
	return d, err
}

func (p *payment) doc() (integrations.AccountingDoc, error) {
	return p.transaction.doc(integrations.DocPayment, p.PaymentRefNum)
}

func (r *refundReceipt) doc() (integrations.AccountingDoc, error) {
	return r.transaction.doc(integrations.DocRefund, r.DocNumber)
}

// applied is how much of the payment pays the invoice.
func (p *payment) applied(invoiceID string) (copay.Money, error) {
	sum := copay.Cents(0)
	for _, l := range p.Line {
		for _, x := range l.LinkedTxn {
			if x.TxnType != txnInvoice || x.TxnID != invoiceID {
				continue
			}
			m, err := p.money(l.Amount)
			if err != nil {
				return sum, err
			}
			if sum, err = sum.Add(m); err != nil {
				return sum, err
			}
		}
	}
	return sum, nil
}

// deposited reports whether the payment sits in a bank deposit; QuickBooks
// then refuses to void it.
func (p *payment) deposited() bool {
	for _, x := range p.LinkedTxn {
		if x.TxnType == txnDeposit {
			return true
		}
	}
	return false
}

// Transaction types of LinkedTxn.
const (
	txnInvoice = "Invoice"
	txnPayment = "Payment"
	txnDeposit = "Deposit"
)

// salesLine is the one line of an invoice or refund receipt.
func salesLine(amount copay.Money, memo, fallback, itemID, taxCode string) []line {
	return []line{{Amount: wire(amount), DetailType: "SalesItemLineDetail", Description: describe(memo, fallback),
		SalesItemLineDetail: &salesItem{ItemRef: refTo(itemID), Qty: "1", UnitPrice: wire(amount), TaxCodeRef: refTo(taxCode)}}}
}

func describe(memo, fallback string) string {
	memo = strings.Join(strings.Fields(memo), " ")
	if memo == "" {
		return fallback
	}
	if r := []rune(memo); len(r) > maxDescription {
		memo = string(r[:maxDescription])
	}
	return memo
}

// methodNames are the payment methods tried for a rail, in order. A card's
// brand is not known here, so "Visa" and the like are never guessed.
func methodNames(r copay.Rail) []string {
	switch r {
	case copay.RailCash:
		return []string{"Cash"}
	case copay.RailCheck:
		return []string{"Check", "Cheque"}
	case copay.RailCard, copay.RailLink, copay.RailTerminal:
		return []string{"Credit Card", "Card"}
	}
	return nil
}
