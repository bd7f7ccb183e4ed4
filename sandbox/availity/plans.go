package availitysim

import (
	"strings"
	"time"
)

// texts of the status codes.
var texts = map[string]string{"0": "In Progress", "R1": "Retrying", "4": "Complete", "19": "Request Error", "13": "Payer did not respond"}

type m = map[string]any

// view is a coverage as JSON.
func (s *Server) view(c *coverage) m {
	code := s.code(c)
	stamp := c.made.UTC().Format("2006-01-02T15:04:05.000+0000")
	v := m{"id": c.id, "status": texts[code], "statusCode": code, "controlNumber": "81" + c.id, "customerId": "1194", "createdDate": stamp, "updatedDate": stamp,
		"expirationDate": c.made.Add(24 * time.Hour).UTC().Format("2006-01-02T15:04:05.000+0000"), "asOfDate": c.form.Get("asOfDate") + "T00:00:00.000+0000",
		"payer":                m{"payerId": c.form.Get("payerId"), "name": "MOCK PAYER"},
		"requestedServiceType": []any{m{"code": c.form.Get("serviceType"), "value": "Professional (Physician) Visit - Office"}}}
	switch code {
	case "19":
		v["validationMessages"] = []any{m{"field": s.faulty(c), "code": "75", "errorMessage": "Subscriber/Insured Not Found"}}
	case "4":
		v["patient"] = m{"memberId": c.form.Get("memberId"), "firstName": c.form.Get("patientFirstName"), "lastName": c.form.Get("patientLastName"), "subscriberRelationshipCode": "18"}
		v["plans"] = []any{planOf(c.form.Get("memberId"), c.form.Get("serviceType"))}
	}
	return v
}

func (s *Server) faulty(c *coverage) string {
	for _, f := range required(c.form.Get("payerId")) {
		if c.form.Get(f) == "" {
			return f
		}
	}
	return "memberId"
}

// planOf is the plan of a member, by the prefix of the member id.
func planOf(member, service string) m {
	p := m{"status": "Active Coverage", "statusCode": "1", "groupNumber": "G100", "groupName": "MOCK GROUP", "coverageStartDate": "2026-01-01T00:00:00.000+0000",
		"insuranceType": "Preferred Provider Organization (PPO)", "insuranceTypeCode": "12"}
	switch {
	case strings.HasPrefix(member, MemberInactive):
		p["status"], p["statusCode"] = "Inactive", "6"
	case strings.HasPrefix(member, MemberMedicaid):
		p["insuranceType"], p["insuranceTypeCode"] = "Medicaid", "MC"
	case strings.HasPrefix(member, MemberQMB):
		p["insuranceType"], p["insuranceTypeCode"] = "Qualified Medicare Beneficiary", "QM"
	case strings.HasPrefix(member, MemberSecondary):
		p["additionalPayers"] = []any{m{"secondary": true, "payerName": "MOCK SECONDARY"}}
	}
	if p["statusCode"] != "1" {
		return p
	}
	if service != "98" { // another service type gives the general plan without a co-pay
		p["benefits"] = []any{m{"name": "Health Benefit Plan Coverage", "type": "30", "status": "Active Coverage", "statusCode": "1", "amounts": m{}}}
		return p
	}
	p["benefits"] = []any{m{"name": "Professional (Physician) Visit - Office", "type": "98", "source": "Z", "status": "Active Coverage", "statusCode": "1", "amounts": amountsOf(member)}}
	return p
}

func amountsOf(member string) m {
	visit := func(amount string, notes ...any) m {
		r := m{"amount": amount, "units": "USD", "amountTimePeriod": "Visit", "amountTimePeriodCode": "27", "levelCode": "IND", "level": "Individual"}
		if len(notes) > 0 {
			r["payerNotes"] = notes
		}
		return r
	}
	switch {
	case strings.HasPrefix(member, MemberTwoRows):
		return m{"coPayment": m{"inNetwork": []any{visit("25", "PRIMARY CARE"), visit("40", "SPECIALIST")}, "outOfNetwork": []any{visit("80")}}}
	case strings.HasPrefix(member, MemberDeductible):
		return m{
			"deductibles": m{"inNetwork": []any{m{"amount": "500", "units": "USD", "amountTimePeriod": "Calendar Year", "amountTimePeriodCode": "23", "remaining": "60",
				"remainingTimePeriod": "Remaining", "remainingTimePeriodCode": "29", "levelCode": "IND"}}},
			"coInsurance": m{"inNetwork": []any{m{"amount": "20", "units": "Percent", "levelCode": "IND"}}},
			"outOfPocket": m{"inNetwork": []any{m{"amount": "3000", "units": "USD", "remaining": "1200", "remainingTimePeriodCode": "29", "levelCode": "IND"}}}}
	}
	return m{"coPayment": m{"inNetwork": []any{visit("25")}, "outOfNetwork": []any{visit("60")}}}
}
