package drchrono

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

func sorted(s []string) []string { slices.Sort(s); return s }

// money parses an amount in US dollars; "" is nothing said.
func money(d decimal) (copay.Money, bool, error) {
	if d == "" {
		return copay.Money{}, false, nil
	}
	m, err := copay.ParseMoney(string(d), copay.USD)
	return m, err == nil, err
}

func optional(d decimal) *copay.Money {
	if m, ok, err := money(d); ok && err == nil {
		return &m
	}
	return nil
}

// facts is what a line item says of the charge.
func (l lineItem) facts(a appointment, d doctor) (copay.ChargeFacts, error) {
	billed, said, err := money(l.Billed)
	if err == nil && (!said || billed.IsZero()) {
		billed, _, err = money(l.Price)
	}
	if err != nil {
		return copay.ChargeFacts{}, &integrations.Error{Kind: integrations.KindInvalid, Platform: Platform, Op: "line_items.read", Message: "the charge's amount is not a US dollar amount"}
	}
	if billed.Currency == "" {
		billed.Currency = copay.USD
	}
	f := copay.ChargeFacts{Billed: billed, Service: copay.ServiceOfficeVisit, ServiceDate: copay.Date(l.ServiceDate), Preventive: preventive(l.Code)}
	if m := optional(l.Allowed); m != nil {
		f.Allowed = *m
	}
	if m := optional(l.BalancePt); m != nil && m.IsPositive() {
		f.EHRBalance = m
	}
	if f.ServiceDate == "" && len(a.ScheduledTime) >= 10 {
		f.ServiceDate = copay.Date(a.ScheduledTime[:10])
	}
	if d.Specialty != "" {
		s := specialist(d.Specialty)
		f.Specialist = &s
	}
	if a.PaymentProfile == "Cash" {
		f.SelfPay = true
	}
	return f, nil
}

// preventive lists the CPT ranges of preventive visits (99381-99397).
func preventive(code string) bool { return code >= "99381" && code <= "99397" && len(code) == 5 }

// specialist tells primary care from the rest; plans count these as primary.
func specialist(specialty string) bool {
	s := strings.ToLower(specialty)
	for _, p := range []string{"family", "general practice", "internal medicine", "pediatric", "primary care", "geriatric"} {
		if strings.Contains(s, p) {
			return false
		}
	}
	return true
}

// person is the patient in the product's shape.
func (p patient) person() (integrations.Patient, error) {
	out := integrations.Patient{Ref: copay.PatientRef(p.ID), FirstName: p.FirstName, LastName: p.LastName, BirthDate: copay.Date(p.BirthDate),
		Gender: gender(p.Gender), Phone: phone(p.CellPhone, p.HomePhone), Email: strings.TrimSpace(p.Email), State: p.State, Zip: p.Zip,
		Language: language(p.Language), NoSMS: p.DisableSMS, SelfPay: p.Profile == "Cash", EHRCoPay: optional(p.CoPay)}
	for _, i := range []*insurance{p.Primary, p.Secondary, p.Tertiary} {
		if i == nil || i.IDNumber == "" || i.PayerID == "" {
			continue
		}
		ins := integrations.Insurance{PayerID: i.PayerID, PayerName: i.Company, MemberID: i.IDNumber, Group: i.GroupNumber, Plan: i.PlanName}
		if i.Self == nil || *i.Self {
			ins.Relationship = "18" // X12 1069: self
		}
		out.Insurance = append(out.Insurance, ins)
	}
	if p.RespName != "" || p.RespPhone != "" || p.RespEmail != "" {
		out.Responsible = &integrations.Responsible{Name: p.RespName, Phone: phone(p.RespPhone), Email: p.RespEmail}
	}
	return out, nil
}

func gender(g string) string {
	switch strings.ToLower(g) {
	case "male", "m":
		return "M"
	case "female", "f":
		return "F"
	}
	return "U"
}

// phone is the first valid US number in E.164 form.
func phone(candidates ...string) string {
	for _, c := range candidates {
		if n, err := phonenumbers.Parse(c, "US"); err == nil && phonenumbers.IsPossibleNumber(n) {
			return phonenumbers.Format(n, phonenumbers.E164)
		}
	}
	return ""
}

func language(l string) string {
	switch l = strings.ToLower(l); {
	case strings.HasPrefix(l, "es"), strings.HasPrefix(l, "spa"):
		return "es"
	}
	return "en"
}

// ebStatus reads X12 271 EB01 codes of the check as a whole.
func ebStatus(code string) copay.CoverageStatus {
	switch code {
	case "1", "2", "3", "4", "5", "A", "B", "C", "G":
		return copay.CoverageActive
	case "6", "7", "8":
		return copay.CoverageInactive
	}
	return copay.CoverageUnknown
}

// benefits puts the rows of the EHR's last check together. The shape of the
// details is the clearinghouse's, so they are walked with care: an object that
// names an EB code and an amount counts, everything else is passed over.
func benefits(checks []eligibilityCheck, now time.Time) copay.Benefits {
	b := copay.Benefits{Status: copay.CoverageUnknown, Source: string(Platform), CheckedAt: now}
	for _, c := range checks {
		if c.Level != "" && c.Level != "Primary Insurance" {
			if ebStatus(c.Eligibility) == copay.CoverageActive {
				b.Secondary = append(b.Secondary, copay.SecondaryCoverage{Active: true, Source: "EHR eligibility check (secondary)"})
			}
			continue
		}
		if s := ebStatus(c.Eligibility); b.Status != copay.CoverageInactive && s != copay.CoverageUnknown {
			b.Status = s
		}
		src := fmt.Sprintf("271 EB*%s (EHR's check of %s)", c.Eligibility, c.QueryDate)
		for _, a := range walk(c.Details, c.Eligibility) {
			row := copay.BenefitAmount{Amount: a.amount, Service: copay.ServiceType(c.Service), Note: a.note, Source: src}
			switch a.code {
			case "B":
				b.CoPays = append(b.CoPays, row)
			case "C":
				b.Deductible = append(b.Deductible, row)
			case "G":
				b.OutOfPocket = append(b.OutOfPocket, row)
			}
		}
	}
	if b.Status == copay.CoverageUnknown {
		b.Problem = "the EHR's last eligibility check does not say whether the plan is active"
	}
	return b
}

type found struct {
	code   string
	amount copay.Money
	note   string
}

// walk collects objects with an amount from a document of unknown shape;
// outer is the code that holds where an object names none.
func walk(raw json.RawMessage, outer string) []found {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var doc any
	if len(raw) == 0 || dec.Decode(&doc) != nil {
		return nil
	}
	var out []found
	visit(doc, outer, 0, &out)
	return out
}

const maxDepth = 12

func visit(v any, code string, depth int, out *[]found) {
	if depth > maxDepth {
		return
	}
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			visit(x, code, depth+1, out)
		}
	case map[string]any:
		for _, k := range []string{"code", "eligibility_code", "eligibility", "eb01"} {
			if s, ok := v[k].(string); ok && len(s) <= 2 && s != "" {
				code = s
			}
		}
		if f, ok := amountOf(v); ok {
			f.code = code
			*out = append(*out, f)
		}
		for _, k := range sortedKeys(v) {
			visit(v[k], code, depth+1, out)
		}
	}
}

func amountOf(m map[string]any) (found, bool) {
	for _, k := range []string{"amount", "benefit_amount", "monetary_amount", "copay_amount"} {
		s := ""
		switch x := m[k].(type) {
		case string:
			s = strings.TrimPrefix(strings.TrimSpace(x), "$")
		case json.Number:
			s = x.String()
		}
		if s == "" {
			continue
		}
		if a, err := copay.ParseMoney(s, copay.USD); err == nil && !a.IsNegative() {
			f := found{amount: a}
			for _, n := range []string{"message", "note", "description"} {
				if t, ok := m[n].(string); ok && len(t) < 80 {
					f.note = t
					break
				}
			}
			return f, true
		}
	}
	return found{}, false
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return sorted(keys)
}

// method is DrChrono's code of a rail.
func method(r copay.Rail) string {
	switch r {
	case copay.RailCash:
		return "CASH"
	case copay.RailCheck:
		return "CHCK"
	case copay.RailCard, copay.RailLink, copay.RailTerminal:
		return "CRDT"
	}
	return "OTHR"
}

// naive reads DrChrono's local times; without a zone they are taken as UTC,
// which is good enough for "when was it made".
func naive(s string) time.Time {
	for _, f := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04:05.999999", time.RFC3339Nano} {
		if t, err := time.Parse(f, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
