package activities

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

var key = copay.Key{Practice: "maple", EHR: "drchrono", Charge: "55910021"}

// store is the ledger as far as activities use it.
type store struct {
	row      ledger.CoPayRow
	patient  integrations.Patient
	benefits map[string]copay.Benefits
	reach    []copay.Reach
	card     ledger.CardOnFile
	cardErr  error
	aliasErr error
	holder   copay.PatientKey
	progress []copay.State
	hasCard  bool
	sent     []ledger.Notification
	revoked  []copay.Channel
	bad      []copay.Channel
	consents []ledger.Consent
	records  []ledger.Record
	visits   map[copay.AppointmentID]copay.ID // who asks for a visit's co-pay
	visitErr error
}

func (s *store) ClaimVisit(_ context.Context, key copay.Key, visit copay.AppointmentID, service copay.ServiceType) (copay.ID, error) {
	if owner, ok := s.visits[visit+copay.AppointmentID("/"+service)]; ok {
		return owner, s.visitErr
	}
	return key.ID(), s.visitErr
}

func (s *store) Claim(context.Context, copay.Key, string) (ledger.CoPayRow, bool, error) {
	return s.row, s.row.Version == 0, nil
}
func (s *store) CoPay(context.Context, copay.PracticeID, copay.ID) (ledger.CoPayRow, error) {
	return s.row, nil
}
func (s *store) Record(_ context.Context, r ledger.Record) error {
	s.records = append(s.records, r)
	s.row.CoPay, s.row.Version = r.CoPay, r.Version
	return nil
}
func (s *store) PutPatient(_ context.Context, _ copay.PracticeID, _ copay.ID, p integrations.Patient) error {
	s.patient = p
	return nil
}
func (s *store) Patient(context.Context, copay.PracticeID, copay.ID) (integrations.Patient, error) {
	return s.patient, nil
}
func (s *store) PutBenefits(_ context.Context, _ copay.PracticeID, member string, service copay.ServiceType, on copay.Date, b copay.Benefits, _ time.Time) error {
	if s.benefits == nil {
		s.benefits = map[string]copay.Benefits{}
	}
	s.benefits[member+string(service)+string(on)] = b
	return nil
}
func (s *store) FreshBenefits(_ context.Context, _ copay.PracticeID, member string, service copay.ServiceType, on copay.Date, _ time.Duration) (copay.Benefits, bool, error) {
	b, ok := s.benefits[member+string(service)+string(on)]
	return b, ok, nil
}
func (s *store) RecordConsent(_ context.Context, _ copay.PracticeID, c ledger.Consent) (bool, error) {
	s.consents = append(s.consents, c)
	return true, nil
}
func (s *store) Reach(context.Context, copay.PracticeID, copay.ID) ([]copay.Reach, error) {
	return s.reach, nil
}
func (s *store) Progress(_ context.Context, _ copay.Key, state copay.State, _ string) error {
	s.progress = append(s.progress, state)
	return nil
}
func (s *store) PatientAlias(_ context.Context, practice copay.PracticeID, who copay.PatientKey) (copay.PatientAlias, error) {
	sum := sha256.Sum256([]byte(string(practice) + "\x00" + string(who.EHR) + "/" + string(who.Ref)))
	return copay.PatientAlias(fmt.Sprintf("P-%x", sum[:6])), s.aliasErr
}
func (s *store) RevokeCardConsent(_ context.Context, _ copay.PracticeID, who copay.PatientKey, _ time.Time) (bool, error) {
	s.hasCard, s.holder = false, who
	return true, nil
}
func (s *store) PutCardConsent(_ context.Context, _ copay.PracticeID, who copay.PatientKey, c ledger.CardOnFile) error {
	if s.cardErr == nil {
		s.card, s.hasCard, s.holder = c, true, who
	}
	return s.cardErr
}
func (s *store) CardConsent(context.Context, copay.PracticeID, copay.PatientKey) (ledger.CardOnFile, bool, error) {
	return s.card, s.hasCard, nil
}
func (s *store) NewPayLink(context.Context, copay.PracticeID, copay.ID, time.Time) (string, error) {
	return "x7Kq", nil
}
func (s *store) RecordNotification(_ context.Context, n ledger.Notification) error {
	s.sent = append(s.sent, n)
	return nil
}
func (s *store) Revoke(_ context.Context, _ copay.PracticeID, c copay.Channel, _ string, _ ledger.OptOut, _ string, _ time.Time) ([]copay.ID, error) {
	s.revoked = append(s.revoked, c)
	return nil, nil
}
func (s *store) MarkBad(_ context.Context, _ copay.PracticeID, c copay.Channel, _, _ string, _ time.Time) ([]copay.ID, error) {
	s.bad = append(s.bad, c)
	return nil, nil
}

// platforms is one platform that serves every port.
type platforms struct {
	charge     integrations.Charge
	patient    integrations.Patient
	payments   map[copay.Ref]integrations.ProcessorPayment
	refunds    map[copay.Ref]integrations.ProcessorRefund
	messages   []integrations.Message
	elig       []Eligibility
	asked      integrations.LinkRequest
	methods    []integrations.StoredMethod
	requests   int
	failAfter  error // the call has its effect and then fails with this
	failBefore error
}

func (p *platforms) Charges(copay.PracticeID, copay.Platform) (integrations.ChargeSource, error) {
	return p, nil
}
func (p *platforms) Coverage(copay.PracticeID, copay.Platform) (integrations.CoverageSource, error) {
	return p, nil
}
func (p *platforms) Poster(copay.PracticeID, copay.Platform) (integrations.PaymentPoster, error) {
	return nil, nil
}
func (p *platforms) Eligibility(copay.PracticeID) ([]Eligibility, error) { return p.elig, nil }
func (p *platforms) Collector(_ copay.PracticeID, at copay.Platform) (copay.Platform, integrations.Collector, error) {
	if at != "" {
		return at, p, nil
	}
	return "stripe", p, nil
}
func (p *platforms) Stored(copay.PracticeID, copay.Platform) (copay.Platform, integrations.StoredCollector, error) {
	return "stripe", p, nil
}
func (p *platforms) Books(copay.PracticeID) (copay.Platform, integrations.Accounting, error) {
	return "", nil, nil
}
func (p *platforms) Notifier(_ copay.PracticeID, c copay.Channel) (copay.Platform, integrations.Notifier, error) {
	return "twilio", notifier{p, c}, nil
}

func (p *platforms) Charge(context.Context, copay.ChargeID) (integrations.Charge, error) {
	return p.charge, p.failBefore
}
func (p *platforms) ChargesSince(context.Context, time.Time, string) (integrations.ChargePage, error) {
	return integrations.ChargePage{}, nil
}
func (p *platforms) Patient(context.Context, copay.PatientRef, copay.AppointmentID) (integrations.Patient, error) {
	return p.patient, nil
}

func (p *platforms) keep(ref copay.Ref, m copay.Money, s copay.PaymentStatus) (integrations.ProcessorPayment, error) {
	p.requests++
	if p.payments == nil {
		p.payments = map[copay.Ref]integrations.ProcessorPayment{}
	}
	pp := integrations.ProcessorPayment{PlatformID: "id-" + string(ref), Ref: ref, Status: s, Amount: m}
	if s == copay.PaymentCaptured {
		pp.Captured = m
	}
	p.payments[ref] = pp
	if err := p.failAfter; err != nil {
		p.failAfter = nil
		return integrations.ProcessorPayment{}, err
	}
	return pp, nil
}

func (p *platforms) RequestLink(_ context.Context, r integrations.LinkRequest) (integrations.ProcessorPayment, error) {
	if p.failBefore != nil {
		return integrations.ProcessorPayment{}, p.failBefore
	}
	p.asked = r
	return p.keep(r.Ref, r.Amount, copay.PaymentRequested)
}
func (p *platforms) ChargeStored(_ context.Context, r integrations.StoredCharge) (integrations.ProcessorPayment, error) {
	if p.failBefore != nil {
		return integrations.ProcessorPayment{}, p.failBefore
	}
	return p.keep(r.Ref, r.Amount, copay.PaymentCaptured)
}
func (p *platforms) EnsureCustomer(_ context.Context, _ copay.PracticeID, patient copay.PatientAlias) (string, error) {
	return "cus_" + string(patient), nil
}
func (p *platforms) StoredMethods(context.Context, string) ([]integrations.StoredMethod, error) {
	return p.methods, nil
}
func (p *platforms) Payment(_ context.Context, id string) (integrations.ProcessorPayment, error) {
	for _, x := range p.payments {
		if x.PlatformID == id {
			return x, nil
		}
	}
	return integrations.ProcessorPayment{}, integrations.NotFound("stripe", "payment")
}
func (p *platforms) FindPayment(_ context.Context, q integrations.PaymentQuery) (integrations.ProcessorPayment, error) {
	if x, ok := p.payments[q.Ref]; ok {
		return x, nil
	}
	return integrations.ProcessorPayment{}, integrations.NotFound("stripe", "payment")
}
func (p *platforms) Cancel(ctx context.Context, id string, _ copay.Ref) (integrations.ProcessorPayment, error) {
	x, err := p.Payment(ctx, id)
	if err == nil && x.Status != copay.PaymentCaptured {
		x.Status = copay.PaymentCancelled
	}
	return x, err
}
func (p *platforms) Refund(_ context.Context, r integrations.RefundRequest) (integrations.ProcessorRefund, error) {
	p.requests++
	if p.refunds == nil {
		p.refunds = map[copay.Ref]integrations.ProcessorRefund{}
	}
	x := integrations.ProcessorRefund{PlatformID: "re-" + string(r.Ref), Ref: r.Ref, Amount: r.Amount, Status: "succeeded"}
	p.refunds[r.Ref] = x
	if err := p.failAfter; err != nil {
		p.failAfter = nil
		return integrations.ProcessorRefund{}, err
	}
	return x, nil
}
func (p *platforms) FindRefund(_ context.Context, _ string, ref copay.Ref) (integrations.ProcessorRefund, error) {
	if x, ok := p.refunds[ref]; ok {
		return x, nil
	}
	return integrations.ProcessorRefund{}, integrations.NotFound("stripe", "refund")
}
func (p *platforms) Settlements(context.Context, time.Time, time.Time, string) (integrations.SettlementPage, error) {
	return integrations.SettlementPage{}, nil
}

type notifier struct {
	p *platforms
	c copay.Channel
}

func (n notifier) Channel() copay.Channel { return n.c }
func (n notifier) Send(_ context.Context, m integrations.Message) (integrations.Sent, error) {
	if n.p.failBefore != nil {
		return integrations.Sent{}, n.p.failBefore
	}
	n.p.messages = append(n.p.messages, m)
	return integrations.Sent{ID: "SM1", Ref: m.Ref, Status: integrations.DeliveryQueued}, nil
}
func (n notifier) Status(context.Context, string) (integrations.Sent, error) {
	return integrations.Sent{}, nil
}
func (n notifier) FindSent(context.Context, integrations.Message) (integrations.Sent, error) {
	return integrations.Sent{}, integrations.NotFound("twilio", "find")
}

// bench is an activity environment with everything faked around it.
type bench struct {
	env *testsuite.TestActivityEnvironment
	a   *Activities
	s   *store
	p   *platforms
}

func setup(t *testing.T) bench {
	t.Helper()
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	b := bench{env: suite.NewTestActivityEnvironment(), s: &store{}, p: &platforms{}}
	now := time.Date(2026, 11, 24, 16, 0, 0, 0, time.UTC)
	b.a = &Activities{Store: b.s, Ports: b.p, Now: func() time.Time { return now }, Practices: func(copay.PracticeID) (Practice, error) {
		return Practice{ID: "maple", Name: "Maple Family Clinic", Phone: "+1 312 555 0100", TimeZone: "America/Chicago", PayBase: "https://pay.maple.example", ConsentSource: "intake_form", ConsentVersion: "2026-01", NPI: "1234567893"}, nil
	}}
	b.env.RegisterActivity(b.a)
	return b
}

func (b bench) run(f, in, out any) error {
	v, err := b.env.ExecuteActivity(f, in)
	if err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	return v.Get(out)
}
