package availitysim

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Scenario is what a coverage request comes to.
type Scenario string

// The scenarios. A request's is chosen by, in this order: what SetScenario
// said of the member id; the header X-Api-Mock-Scenario-ID; the payer; the
// first three characters of the member id (Member…); else one co-pay of $25.
const (
	ScenarioCoPay      Scenario = "copay"       // $25 in network, $60 out of network
	ScenarioTwoRows    Scenario = "two-rows"    // $25 PRIMARY CARE, $40 SPECIALIST
	ScenarioInactive   Scenario = "inactive"    // the plan ended last year
	ScenarioMedicaid   Scenario = "medicaid"    // MC, with a nominal co-pay of $4
	ScenarioQMB        Scenario = "qmb"         // Medicare with QM
	ScenarioSecondary  Scenario = "secondary"   // $25, and a second payer
	ScenarioDeductible Scenario = "deductible"  // $60 of the deductible left, 20 %, $1,200 to the maximum
	ScenarioWhole      Scenario = "whole"       // 20 %, and a deductible of which nobody says what is left
	ScenarioMaximum    Scenario = "maximum"     // $25, the out-of-pocket maximum reached
	ScenarioPreventive Scenario = "preventive"  // well visit without cost sharing, office visit $25
	ScenarioNotCovered Scenario = "not-covered" // the service is not a benefit of the plan
	ScenarioGeneral    Scenario = "general"     // the general plan, without a co-pay
	ScenarioSlow       Scenario = "slow"        // $25 after Config.SlowFor
	ScenarioNever      Scenario = "never"       // R1 for ever
	ScenarioRejected   Scenario = "rejected"    // 19: the payer does not know the member
	ScenarioUnsent     Scenario = "unsent"      // E1 at once
	ScenarioSilent     Scenario = "silent"      // 13
	ScenarioDown       Scenario = "down"        // 14
	ScenarioSystem     Scenario = "system"      // 15
	ScenarioBroken     Scenario = "broken"      // 7
	ScenarioInvalid    Scenario = "invalid"     // 3: the payer's answer is no 271
	ScenarioStrange    Scenario = "strange"     // a status code that nobody has documented
)

// endings are the status codes of scenarios that do not end well.
var endings = map[Scenario]string{ScenarioRejected: "19", ScenarioSilent: "13", ScenarioDown: "14", ScenarioSystem: "15", ScenarioBroken: "7", ScenarioInvalid: "3"}

// Member ids choose a scenario by their first characters.
const (
	MemberCoPay      = "COP"
	MemberTwoRows    = "TWO"
	MemberInactive   = "INA"
	MemberMedicaid   = "MCD"
	MemberQMB        = "QMB"
	MemberSecondary  = "SEC"
	MemberDeductible = "DED"
	MemberWhole      = "WHO"
	MemberMaximum    = "MAX"
	MemberPreventive = "PRE"
	MemberNotCovered = "NOT"
	MemberGeneral    = "GEN"
	MemberSlow       = "SLO"
	MemberNever      = "NEV"
	MemberRejected   = "REJ"
	MemberUnsent     = "UNS"
	MemberSilent     = "SIL"
	MemberDown       = "DWN"
	MemberSystem     = "SYS"
	MemberBroken     = "BRO"
	MemberInvalid    = "INV"
	MemberStrange    = "STR"
)

var prefixes = map[string]Scenario{
	MemberCoPay: ScenarioCoPay, MemberTwoRows: ScenarioTwoRows, MemberInactive: ScenarioInactive, MemberMedicaid: ScenarioMedicaid, MemberQMB: ScenarioQMB,
	MemberSecondary: ScenarioSecondary, MemberDeductible: ScenarioDeductible, MemberWhole: ScenarioWhole, MemberMaximum: ScenarioMaximum,
	MemberPreventive: ScenarioPreventive, MemberNotCovered: ScenarioNotCovered, MemberGeneral: ScenarioGeneral, MemberSlow: ScenarioSlow,
	MemberNever: ScenarioNever, MemberRejected: ScenarioRejected, MemberUnsent: ScenarioUnsent, MemberSilent: ScenarioSilent, MemberDown: ScenarioDown,
	MemberSystem: ScenarioSystem, MemberBroken: ScenarioBroken, MemberInvalid: ScenarioInvalid, MemberStrange: ScenarioStrange,
}

// choose is a request's scenario; live payers know no header for it. The lock
// is held.
func (s *Server) choose(r *http.Request, f url.Values) Scenario {
	member := f.Get("memberId")
	if sc, ok := s.scenarios[member]; ok {
		return sc
	}
	if sc := Scenario(r.Header.Get("X-Api-Mock-Scenario-ID")); known(sc) && s.tokens[bearer(r)].demo {
		return sc
	}
	if sc := payers[f.Get("payerId")].scenario; sc != "" {
		return sc
	}
	if len(member) >= 3 {
		if sc, ok := prefixes[strings.ToUpper(member[:3])]; ok {
			return sc
		}
	}
	return ScenarioCoPay
}

func known(sc Scenario) bool {
	for _, k := range prefixes {
		if k == sc {
			return true
		}
	}
	return false
}

// serviceNames are the service types (X12 element 1365) that the sandbox's
// plans tell apart; any other is answered with the general plan.
var serviceNames = map[string]string{"30": "Health Benefit Plan Coverage", "98": "Professional (Physician) Visit - Office", "UC": "Urgent Care",
	"MH": "Mental Health", "BZ": "Physician Visit - Office: Well"}

// day is a day of the year of the visit, or of one years after it, so that the
// plans hold whenever the sandbox runs.
func (c *coverage) day(years int, monthDay string) string {
	year, err := strconv.Atoi(c.form.Get("asOfDate")[:min(len(c.form.Get("asOfDate")), 4)])
	if err != nil {
		year = c.made.Year()
	}
	return fmt.Sprintf("%04d-%sT00:00:00.000+0000", year+years, monthDay)
}

// plansOf are the plans of a finished coverage.
func plansOf(c *coverage) []m {
	p := m{"status": "Active Coverage", "statusCode": "1", "groupNumber": "G100", "groupName": "MOCK GROUP", "coverageStartDate": c.day(0, "01-01"),
		"insuranceType": "Preferred Provider Organization (PPO)", "insuranceTypeCode": "PR"}
	service := c.form.Get("serviceType")
	switch c.scenario {
	case ScenarioInactive:
		p["status"], p["statusCode"], p["coverageEndDate"] = "Inactive", "6", c.day(-1, "12-31")
		p["coverageStartDate"] = c.day(-1, "01-01")
		return []m{p}
	case ScenarioMedicaid:
		p["insuranceType"], p["insuranceTypeCode"] = "Medicaid", "MC"
	case ScenarioQMB:
		p["insuranceType"], p["insuranceTypeCode"] = "Medicare Part B", "MB"
		qmb := m{"status": "Active Coverage", "statusCode": "1", "insuranceType": "Qualified Medicare Beneficiary", "insuranceTypeCode": "QM",
			"coverageStartDate": c.day(0, "01-01")}
		p["benefits"] = benefitsOf(c.scenario, service)
		return []m{p, qmb}
	case ScenarioSecondary:
		p["additionalPayers"] = []any{m{"secondary": true, "primary": false, "name": "MOCK SECONDARY", "payerId": PayerB, "coordinationOfBenefitsBeginDate": c.day(0, "01-01")},
			m{"tertiary": true, "name": "MOCK FORMER PLAN", "coordinationOfBenefitsEndDate": c.day(-1, "06-30")}}
	}
	p["benefits"] = benefitsOf(c.scenario, service)
	p["payerNotes"] = []any{m{"type": "Disclaimer", "typeCode": "D", "message": "THIS IS NOT A GUARANTEE OF PAYMENT"}}
	return []m{p}
}

// benefitsOf are the general plan and, where the plan tells it apart, the
// service that was asked for.
func benefitsOf(sc Scenario, service string) []any {
	benefit := func(kind string, amounts m) m {
		return m{"name": serviceNames[kind], "type": kind, "source": "Z", "status": "Active Coverage", "statusCode": "1", "amounts": amounts}
	}
	out := []any{benefit("30", generalOf(sc))}
	if service == "30" || serviceNames[service] == "" || sc == ScenarioGeneral {
		return out
	}
	b := benefit(service, amountsOf(sc, service))
	if sc == ScenarioNotCovered {
		b["status"], b["statusCode"] = "Non-Covered", "I"
		b["nonCovered"] = m{"notApplicableNetwork": []any{m{"status": "Non-Covered", "statusCode": "I", "payerNotes": []string{"NOT A BENEFIT OF THE PLAN"}}}}
	}
	return append(out, b)
}

func row(amount string, more ...any) m {
	r := m{"amount": amount, "units": "USD", "level": "Individual", "levelCode": "IND"}
	for i := 0; i+1 < len(more); i += 2 {
		r[more[i].(string)] = more[i+1]
	}
	return r
}

func visit(amount string, notes ...string) m {
	r := row(amount, "amountTimePeriod", "Visit", "amountTimePeriodCode", "27")
	if len(notes) > 0 {
		r["payerNotes"] = notes
	}
	return r
}

func left(total, remaining, level string) m {
	r := row(total, "amountTimePeriod", "Calendar Year", "amountTimePeriodCode", "23", "total", total, "totalTimePeriodCode", "23")
	if remaining != "" {
		r["remaining"], r["remainingTimePeriod"], r["remainingTimePeriodCode"] = remaining, "Remaining", "29"
	}
	if level == "FAM" {
		r["level"], r["levelCode"] = "Family", "FAM"
	}
	return r
}

// generalOf is what the plan as a whole says: deductible and limits.
func generalOf(sc Scenario) m {
	switch sc {
	case ScenarioDeductible:
		return m{
			"deductibles": m{"inNetwork": []any{left("500", "60", "IND"), left("1000", "300.00", "FAM")}, "outOfNetwork": []any{left("2000", "2000", "IND")}},
			// This one is said in two rows, as a 271 does.
			"outOfPocket": m{"inNetwork": []any{row("3000", "amountTimePeriodCode", "23"), row("1200", "amountTimePeriod", "Remaining", "amountTimePeriodCode", "29")}}}
	case ScenarioWhole:
		return m{"deductibles": m{"inNetwork": []any{left("500", "", "IND")}}}
	case ScenarioMaximum:
		return m{"outOfPocket": m{"inNetwork": []any{left("3000", "0", "IND"), left("6000", "2500", "FAM")}}}
	}
	return m{}
}

// amountsOf is what the plan says of one service.
func amountsOf(sc Scenario, service string) m {
	fixed := func(in ...any) m {
		return m{"coPayment": m{"inNetwork": in, "outOfNetwork": []any{visit("60")}}}
	}
	base := map[string]string{"98": "25", "UC": "75.00", "MH": "25", "BZ": "25"}[service]
	switch sc {
	case ScenarioTwoRows:
		return fixed(visit("25", "PRIMARY CARE"), visit("40", "SPECIALIST"), visit(""))
	case ScenarioDeductible, ScenarioWhole:
		return m{"coInsurance": m{"inNetwork": []any{row("20", "units", "Percent")}, "outOfNetwork": []any{row("0.4", "units", "Percent")}}}
	case ScenarioPreventive:
		if service == "BZ" {
			return m{"coPayment": m{"inNetwork": []any{visit("0")}, "outOfNetwork": []any{visit("60")}}, "coInsurance": m{"inNetwork": []any{row("0", "units", "Percent")}}}
		}
	case ScenarioMedicaid:
		return m{"coPayment": m{"notApplicableNetwork": []any{visit("4")}}}
	case ScenarioNotCovered:
		return m{}
	}
	return fixed(visit(base))
}

// Scenarios lists all scenarios, sorted.
func Scenarios() []Scenario {
	var out []Scenario
	for _, sc := range prefixes {
		out = append(out, sc)
	}
	slices.Sort(out)
	return out
}
