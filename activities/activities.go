// Package activities holds the steps of a co-pay against the outside. Each is
// idempotent: it may be run again after a crash at any moment and has its
// effect once. Inputs and results carry no PHI: what is protected stays in
// the encrypted store and is read where it is used.
package activities

import (
	"context"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

// Ports finds the connectors that serve a practice's port, best first.
type Ports interface {
	Charges(p copay.PracticeID, ehr copay.Platform) (integrations.ChargeSource, error)
	Coverage(p copay.PracticeID, ehr copay.Platform) (integrations.CoverageSource, error)
	Poster(p copay.PracticeID, ehr copay.Platform) (integrations.PaymentPoster, error)
	Eligibility(p copay.PracticeID) ([]Eligibility, error)
	Collector(p copay.PracticeID, platform copay.Platform) (copay.Platform, integrations.Collector, error)
	Stored(p copay.PracticeID, platform copay.Platform) (copay.Platform, integrations.StoredCollector, error)
	Books(p copay.PracticeID) (copay.Platform, integrations.Accounting, error)
	Notifier(p copay.PracticeID, c copay.Channel) (copay.Platform, integrations.Notifier, error)
}

// Eligibility is one platform that can say what a plan covers: by asking the
// payer (Checker) or by reading the EHR's own last check (Reader).
type Eligibility struct {
	Platform copay.Platform
	Checker  integrations.EligibilityChecker
	Reader   integrations.EligibilityReader
}

// Practice is what messages and postings need to know of a practice.
type Practice struct {
	ID       copay.PracticeID
	Name     string
	Phone    string
	Language string
	TimeZone string
	// PayBase is the practice's own address of payment links, without a
	// trailing slash: "https://pay.maple.example".
	PayBase string
	// ConsentSource and ConsentVersion say under which wording patients hand
	// their addresses over for payment messages; empty: they do not.
	ConsentSource, ConsentVersion string
	// NPI is the provider number eligibility is asked under.
	NPI string
}

// Store is what the activities need of the ledger.
type Store interface {
	Claim(ctx context.Context, key copay.Key, workflowID string) (ledger.CoPayRow, bool, error)
	ClaimVisit(ctx context.Context, key copay.Key, visit copay.AppointmentID, service copay.ServiceType) (copay.ID, error)
	CoPay(ctx context.Context, practice copay.PracticeID, id copay.ID) (ledger.CoPayRow, error)
	Record(ctx context.Context, r ledger.Record) error
	PutPatient(ctx context.Context, practice copay.PracticeID, id copay.ID, p integrations.Patient) error
	Patient(ctx context.Context, practice copay.PracticeID, id copay.ID) (integrations.Patient, error)
	PutBenefits(ctx context.Context, practice copay.PracticeID, memberKey string, service copay.ServiceType, on copay.Date, b copay.Benefits, now time.Time) error
	FreshBenefits(ctx context.Context, practice copay.PracticeID, memberKey string, service copay.ServiceType, on copay.Date, maxAge time.Duration) (copay.Benefits, bool, error)
	RecordConsent(ctx context.Context, practice copay.PracticeID, c ledger.Consent) (effective bool, err error)
	Reach(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]copay.Reach, error)
	CardConsent(ctx context.Context, practice copay.PracticeID, patient copay.PatientKey) (ledger.CardOnFile, bool, error)
	RevokeCardConsent(ctx context.Context, practice copay.PracticeID, patient copay.PatientKey, at time.Time) (bool, error)
	PatientAlias(ctx context.Context, practice copay.PracticeID, patient copay.PatientKey) (copay.PatientAlias, error)
	Progress(ctx context.Context, key copay.Key, state copay.State, action string) error
	PutCardConsent(ctx context.Context, practice copay.PracticeID, patient copay.PatientKey, c ledger.CardOnFile) error
	NewPayLink(ctx context.Context, practice copay.PracticeID, id copay.ID, expires time.Time) (string, error)
	Revoke(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address string, scope ledger.OptOut, source string, at time.Time) ([]copay.ID, error)
	MarkBad(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address, code string, at time.Time) ([]copay.ID, error)
	RecordNotification(ctx context.Context, n ledger.Notification) error
}

// Activities are all steps; register one instance a worker.
type Activities struct {
	Store     Store
	Ports     Ports
	Practices func(copay.PracticeID) (Practice, error)
	Now       func() time.Time
}

func (a *Activities) now() time.Time {
	if a.Now != nil {
		return a.Now().UTC()
	}
	return time.Now().UTC()
}
