package copay

import "time"

// ServiceType is an X12 service type code (element 1365), such as "98" for a
// professional office visit or "UC" for urgent care.
type ServiceType string

// Service types the product asks for by default.
const (
	ServicePlan        ServiceType = "30"
	ServiceOfficeVisit ServiceType = "98"
	ServiceUrgentCare  ServiceType = "UC"
	ServiceMental      ServiceType = "MH"
)

// Network says which of the plan's networks an amount is for.
type Network string

// The networks of a 271 (element EB12).
const (
	NetworkIn      Network = "in"
	NetworkOut     Network = "out"
	NetworkAny     Network = "any" // not applicable, or not said
	NetworkUnknown Network = ""
)

// CoverageStatus is what the payer says of the plan on the date of service.
type CoverageStatus string

// Coverage statuses (271 EB01: 1-5 active, 6-8 inactive).
const (
	CoverageActive   CoverageStatus = "active"
	CoverageInactive CoverageStatus = "inactive"
	CoverageUnknown  CoverageStatus = "unknown"
)

// PlanKind tells plans apart by who may bill the patient.
type PlanKind string

// The kinds of plan.
const (
	PlanCommercial PlanKind = "commercial"
	PlanMedicare   PlanKind = "medicare"
	PlanMedicaid   PlanKind = "medicaid" // 42 CFR 447.15: never balance-billed by default
	PlanQMB        PlanKind = "qmb"      // SSA 1902(n)(3)(B): must not be billed at all
	PlanUnknown    PlanKind = ""
)

// BenefitAmount is one co-pay, coinsurance, deductible or limit row of an
// eligibility answer.
type BenefitAmount struct {
	Amount  Money       `json:"amount,omitzero"`  // for co-pays, deductibles and limits
	Percent Percent     `json:"percent,omitzero"` // for coinsurance
	Service ServiceType `json:"service,omitempty"`
	Network Network     `json:"network,omitempty"`
	Level   string      `json:"level,omitempty"` // IND or FAM
	Note    string      `json:"note,omitempty"`  // the payer's free text (271 MSG): "PRIMARY CARE", "SPECIALIST"
	// Whole marks a deductible of which the payer says only how large it is,
	// not what is left of it.
	Whole  bool   `json:"whole,omitempty"`
	Source string `json:"source,omitempty"` // where it was said: "271 EB*B (availity plans[0].benefits[2])"
}

// Benefits is what is known of a patient's coverage for one date and service.
// It carries no identity of the patient.
type Benefits struct {
	Status      CoverageStatus  `json:"status"`
	Kind        PlanKind        `json:"kind,omitempty"`
	CoPays      []BenefitAmount `json:"copays,omitempty"`
	CoInsurance []BenefitAmount `json:"coinsurance,omitempty"`
	Deductible  []BenefitAmount `json:"deductible,omitempty"`    // what is LEFT of it
	OutOfPocket []BenefitAmount `json:"out_of_pocket,omitempty"` // what is LEFT until the maximum
	// NonCovered says that the plan does not pay this service at all.
	NonCovered bool `json:"non_covered,omitempty"`
	// Preventive says that the plan waives cost sharing for this service.
	Preventive bool `json:"preventive,omitempty"`
	// Secondary lists further coverage the payer or the EHR knows of.
	Secondary []SecondaryCoverage `json:"secondary,omitempty"`
	Source    string              `json:"source"` // platform that answered
	TraceID   string              `json:"trace_id,omitempty"`
	CheckedAt time.Time           `json:"checked_at,omitzero"`
	// Problem is a sentence for staff when the answer is not usable; no PHI.
	Problem string `json:"problem,omitempty"`
}

// SecondaryCoverage is another plan that may pay what this one leaves.
type SecondaryCoverage struct {
	Kind   PlanKind `json:"kind,omitempty"`
	Active bool     `json:"active"`
	Source string   `json:"source,omitempty"`
}
