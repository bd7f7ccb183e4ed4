package drchrono

import (
	"slices"
	"strings"

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

// typed reads an amount that a person or a payer wrote, such as "$25.00". What
// is negative or anything else counts as not said.
func typed(s string) *copay.Money {
	s = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(s), "$"))
	if m, err := copay.ParseMoney(s, copay.USD); err == nil && !m.IsNegative() {
		return &m
	}
	return nil
}

func optional(d decimal) *copay.Money { return typed(string(d)) }

// facts is what a line item says of the charge.
func (l lineItem) facts(a appointment, d doctor) (copay.ChargeFacts, error) {
	billed, said, err := money(l.Billed)
	if err == nil && (!said || billed.IsZero()) {
		billed, _, err = money(l.Price)
	}
	if err != nil {
		return copay.ChargeFacts{}, &integrations.Error{Kind: integrations.KindInvalid, Platform: Platform, Op: "line_items.read", Message: "the charge's amount is not a US dollar amount"}
	}
	f := copay.ChargeFacts{Billed: billed, Service: serviceType(l.Code), ServiceDate: copay.Date(l.ServiceDate), Preventive: preventive(l.Code, l.Modifiers)}
	if m := optional(l.Allowed); m != nil {
		f.Allowed = *m
	}
	if m := optional(l.BalancePt); m != nil && m.IsPositive() {
		f.EHRBalance = m
	}
	if f.ServiceDate == "" && len(a.ScheduledTime) >= 10 {
		f.ServiceDate = copay.Date(a.ScheduledTime[:10])
	}
	f.Specialist = specialist(d.Specialty)
	if a.PaymentProfile == "Cash" {
		f.SelfPay = true
	}
	if missed[a.Status] {
		f.Service = "" // no visit, no visit's co-pay: a person says what the charge is
	}
	if a.PaymentProfile == "Insurance Out of Network" {
		f.Network = copay.NetworkOut
	}
	return f, nil
}

// missed are the statuses of visits that did not take place.
var missed = map[string]bool{"Cancelled": true, "No Show": true, "Rescheduled": true}

// Words of specialties, in lower case. A narrower field comes before the wide
// one that it is part of: a pediatric cardiologist is no pediatrician.
var (
	narrow = []string{"surg", "cardi", "neuro", "gastro", "onco", "hemat", "endocrin", "pulmon", "nephro", "rheumat", "allerg", "immunol", "infectious", "ortho", "urolog", "ophthal", "optom",
		"dermat", "radiol", "patholog", "anesth", "psych", "podiat", "otolaryng", "pain", "sleep", "sports", "vascular", "emergency", "critical", "dental", "dentist", "reproduct", "fertility",
		"chiropract", "physical therap", "audiolog"}
	primary = []string{"family", "general practice", "internal medicine", "internist", "pediatric", "primary care", "geriatric"}
)

// specialist tells primary care from the rest, as plans do; nil where the
// specialty does not say: a nurse practitioner, "other", or a field such as
// gynaecology that some plans count as primary.
func specialist(specialty string) *bool {
	s := strings.ToLower(specialty)
	within := func(words []string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
	}
	var is bool
	switch {
	case within(narrow):
		is = true
	case within(primary):
	default:
		return nil
	}
	return &is
}

// person is the patient in the product's shape.
func (p patient) person() (integrations.Patient, error) {
	out := integrations.Patient{Ref: copay.PatientRef(p.ID), FirstName: p.FirstName, LastName: p.LastName, BirthDate: copay.Date(p.BirthDate),
		Gender: gender(p.Gender), Phone: phone(p.CellPhone), Email: strings.TrimSpace(p.Email), State: p.State, Zip: p.Zip,
		Language: language(p.Language), NoSMS: p.DisableSMS, SelfPay: p.Profile == "Cash", EHRCoPay: optional(p.CoPay)}
	for _, i := range []*insurance{p.Primary, p.Secondary, p.Tertiary} {
		if othersPay[p.Profile] {
			break // the health plan is not the one to ask: a person decides
		}
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

// othersPay are the payment profiles in which neither patient nor health plan
// pays the visit.
var othersPay = map[string]bool{"Auto Accident": true, "Worker's Comp": true}

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
		if n, err := phonenumbers.Parse(c, "US"); err == nil && phonenumbers.IsValidNumber(n) {
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
