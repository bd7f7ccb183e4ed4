package drchrono

import (
	"slices"
	"strconv"

	"github.com/copayflow/copayflow/copay"
)

// procedures are ranges of CPT codes and the X12 service type (element 1365)
// that a plan pays them under. A visit's co-pay is owed once: a blood count
// entered beside the visit is no second visit.
var procedures = []struct {
	from, to int
	service  copay.ServiceType
}{
	{70010, 79999, "4"},                      // radiology: diagnostic X-ray
	{80047, 89398, "5"},                      // diagnostic laboratory
	{90460, 90759, "80"},                     // vaccines and giving them
	{90785, 90899, copay.ServiceMental},      // psychiatry
	{92002, 92014, copay.ServiceOfficeVisit}, // eye examinations
	{97161, 97164, "PT"},                     // physical therapy evaluations
	{97165, 97168, "AD"},                     // occupational therapy evaluations
	{98940, 98943, "33"},                     // chiropractic
	{99202, 99215, copay.ServiceOfficeVisit}, // office visits
	{99241, 99245, copay.ServiceOfficeVisit}, // consultations
	{99281, 99285, "86"},                     // emergency
	{99381, 99397, copay.ServiceOfficeVisit}, // preventive visits
}

// urgent are HCPCS codes of urgent care centres.
var urgent = []string{"S9083", "S9088"}

// serviceType is what a procedure is paid under; "" when its code does not
// say. The payer is then asked about the plan as a whole, and the estimate is
// not sure enough to go out without a person.
func serviceType(code string) copay.ServiceType {
	if slices.Contains(urgent, code) {
		return copay.ServiceUrgentCare
	}
	n, ok := cpt(code)
	if !ok {
		return ""
	}
	for _, p := range procedures {
		if n >= p.from && n <= p.to {
			return p.service
		}
	}
	return ""
}

// cpt is the number of a CPT category I code.
func cpt(code string) (int, bool) {
	n, err := strconv.Atoi(code)
	return n, err == nil && len(code) == 5 && n > 0
}

// wellness are Medicare's preventive visits: welcome, annual, annual again
// (42 CFR 410.152(l): nothing is shared by the patient).
var wellness = []string{"G0402", "G0438", "G0439"}

// modifierPreventive is CPT modifier 33: a preventive service for which the
// plan waives cost sharing.
const modifierPreventive = "33"

// preventive reports services without cost sharing: preventive visits (CPT
// 99381-99397), Medicare's, and what the clinic marks as such.
func preventive(code string, modifiers []string) bool {
	n, ok := cpt(code)
	return ok && n >= 99381 && n <= 99397 || slices.Contains(wellness, code) || slices.Contains(modifiers, modifierPreventive)
}
