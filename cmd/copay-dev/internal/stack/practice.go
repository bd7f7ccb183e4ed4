package stack

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
	availitysim "github.com/copayflow/copayflow/sandbox/availity"
	drchronosim "github.com/copayflow/copayflow/sandbox/drchrono"
)

// The sample practice.
const (
	practiceID   = "maple"
	practiceName = "Maple Family Clinic"
	// TimeZone is where it is, and most of its patients are.
	TimeZone = "America/Chicago"
)

// Practice is the sample practice's id.
const Practice copay.PracticeID = practiceID

// Sample are the sample patients; everything about them is invented. The
// member id's prefix chooses the plan at the simulated payer.
var Sample = []struct {
	Key, About string
	Patient    drchronosim.Patient
}{
	{"ana", "one co-pay of $25", drchronosim.Patient{FirstName: "Ana", LastName: "Sample", BirthDate: "1980-02-03", Gender: "Female", Phone: "+13125550142",
		Email: "ana.sample@example.org", State: "IL", Zip: "60601", CoPay: "25.00", PayerID: "60054", PayerName: "MOCK PAYER A", MemberID: availitysim.MemberCoPay + "123456789"}},
	{"luis", "speaks Spanish; $60 deductible left, then 20 %", drchronosim.Patient{FirstName: "Luis", LastName: "Ejemplo", BirthDate: "1975-07-14", Gender: "Male", Phone: "+13125550143",
		Email: "luis.ejemplo@example.org", State: "IL", Zip: "60602", Language: "es", PayerID: "60054", PayerName: "MOCK PAYER A", MemberID: availitysim.MemberDeductible + "222333444"}},
	{"mia", "must not be billed (QMB)", drchronosim.Patient{FirstName: "Mia", LastName: "Muster", BirthDate: "1948-11-30", Gender: "Female", Phone: "+13125550144",
		State: "IL", PayerID: "60054", PayerName: "MOCK PAYER A", MemberID: availitysim.MemberQMB + "555666777"}},
	{"ben", "coverage is inactive", drchronosim.Patient{FirstName: "Ben", LastName: "Beispiel", BirthDate: "1990-01-09", Gender: "Male", Phone: "+13125550145",
		Email: "ben.beispiel@example.org", State: "IL", PayerID: "62308", PayerName: "MOCK PAYER B", MemberID: availitysim.MemberInactive + "888999000"}},
	{"eve", "no insurance on file", drchronosim.Patient{FirstName: "Eve", LastName: "Exemple", BirthDate: "2001-05-05", Gender: "Female", Phone: "+13125550146",
		Email: "eve.exemple@example.org", State: "IL"}},
	{"kim", "pays cash, no insurance", drchronosim.Patient{FirstName: "Kim", LastName: "Voorbeeld", BirthDate: "1966-08-21", Gender: "Female", Phone: "+13125550147",
		Email: "kim.voorbeeld@example.org", State: "IL", SelfPay: true}},
	{"noa", "cannot be reached", drchronosim.Patient{FirstName: "Noa", LastName: "Esempio", BirthDate: "1958-03-17", Gender: "Male", State: "IL", CoPay: "25.00",
		PayerID: "60054", PayerName: "MOCK PAYER A", MemberID: availitysim.MemberCoPay + "111222333"}},
	{"sam", "has a card on file and agreed to have it charged", drchronosim.Patient{FirstName: "Sam", LastName: "Przyklad", BirthDate: "1985-12-12", Gender: "Male", Phone: "+13125550148",
		Email: "sam.przyklad@example.org", State: "IL", CoPay: "25.00", PayerID: "60054", PayerName: "MOCK PAYER A", MemberID: availitysim.MemberCoPay + "444555666"}},
	{"zoe", "her plan has two co-pays: $25 for a family doctor, as here, $40 for a specialist", drchronosim.Patient{FirstName: "Zoe", LastName: "Muestra", BirthDate: "1993-09-02", Gender: "Female", Phone: "+13125550149",
		Email: "zoe.muestra@example.org", State: "IL", PayerID: "60054", PayerName: "MOCK PAYER A", MemberID: availitysim.MemberTwoRows + "777888999"}},
}

// configure writes the stack's configuration and reads it back as any other.
func (s *Stack) configure(listen config.Listen) error {
	keys, err := s.keys("master", "codec", "dev-tokens")
	if err != nil {
		return err
	}
	platforms := map[string]any{}
	for name, options := range s.Sandbox.PlatformOptions(s.URL) {
		platforms[name] = options
	}
	if s.Options.Fast {
		for name, limits := range map[string]map[string]any{"drchrono": {"limit_per_second": 5000, "limit_per_hour": 5000000}, "availity": {"limit_per_second": 5000},
			"stripe": {"requests_per_second": 5000}, "twilio": {"limit_per_second": 5000}, "quickbooks": {"limit_per_second": 5000, "limit_per_minute": 300000}} {
			for k, v := range limits {
				platforms[name].(map[string]any)[k] = v
			}
		}
	}
	cfg := map[string]any{
		"env": "dev", "public_url": s.URL,
		"listen":      map[string]any{"http": listen.HTTP, "grpc": listen.GRPC, "metrics": listen.Metrics},
		"database":    map[string]any{"dsn": "literal:" + s.Postgres.DSN("copay"), "max_conns": 12},
		"master_keys": []any{map[string]any{"id": "m1", "secret": keys["master"]}},
		"codec_keys":  []any{map[string]any{"id": "c1", "secret": keys["codec"]}},
		"temporal":    map[string]any{"address": s.Temporal.HostPort(), "namespace": s.Options.Temporal.Namespace, "retention": s.Options.Temporal.Retention.String()},
		"codec":       map[string]any{"ui_origins": []any{fmt.Sprintf("http://127.0.0.1:%d", s.Options.Temporal.Ports.UI), fmt.Sprintf("http://localhost:%d", s.Options.Temporal.Ports.UI)}},
		"auth":        map[string]any{"dev": map[string]any{"enabled": true, "secret": keys["dev-tokens"]}},
		"telemetry":   map[string]any{"log_level": "info", "log_format": "json"},
		"dev":         map[string]any{"clock_file": filepath.Join(s.Options.Dir, "clock")},
		"practices":   []any{samplePractice(platforms)},
	}
	if s.Options.Adjust != nil {
		s.Options.Adjust(cfg)
	}
	raw, err := json.MarshalIndent(cfg, "", "  ")
	if err != nil {
		return err
	}
	// JSON is YAML too.
	s.ConfigPath = filepath.Join(s.Options.Dir, "copay.yaml")
	if err := os.WriteFile(s.ConfigPath, raw, 0o600); err != nil {
		return err
	}
	s.Config, err = config.Load(s.ConfigPath)
	return err
}

func samplePractice(platforms map[string]any) map[string]any {
	return map[string]any{
		"id": practiceID, "name": practiceName, "phone": "+1 312 555 0100", "time_zone": TimeZone, "npi": "1234567893",
		"consent": map[string]any{"source": "intake_form", "text_version": "2026-01"},
		"ports": map[string]any{"charges": []any{"drchrono"}, "coverage": []any{"drchrono"}, "eligibility": []any{"availity", "drchrono"}, "collect": []any{"stripe"},
			"post": []any{"drchrono"}, "accounting": []any{"quickbooks"}, "sms": []any{"twilio"}, "email": []any{"sendgrid"}},
		"platforms": platforms,
		"policy": map[string]any{"version": "sandbox-1", "min_confidence": 70, "max_amount": "500.00", "card_on_file": true, "card_notice": "24h",
			"refund_approval_above": "100.00", "true_up": "review"},
	}
}

// keys makes the stack's keys at its first start and returns references.
func (s *Stack) keys(names ...string) (map[string]string, error) {
	dir := filepath.Join(s.Options.Dir, "keys")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, n := range names {
		path := filepath.Join(dir, n)
		out[n] = "file:" + path
		if _, err := os.Stat(path); err == nil {
			continue
		}
		b := make([]byte, 32)
		if _, err := rand.Read(b); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(b)), 0o600); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// seed puts the sample patients into the EHR and the stored card where it
// belongs. Simulators forget at a restart, so this happens at every start.
func (s *Stack) seed(ctx context.Context) error {
	for _, platform := range []copay.Platform{"drchrono", "quickbooks"} { // their simulators know only the first refresh token
		if err := s.Process.Store.SaveToken(ctx, Practice, platform, integrations.Token{}); err != nil {
			return err
		}
	}
	s.Patients = map[string]string{}
	for _, p := range Sample {
		s.Patients[p.Key] = s.Sandbox.DrChrono.AddPatient(p.Patient)
	}
	sam := copay.PatientKey{EHR: "drchrono", Ref: copay.PatientRef(s.Patients["sam"])}
	alias, err := s.Process.Store.PatientAlias(ctx, Practice, sam)
	if err != nil {
		return err
	}
	customer := s.Sandbox.Stripe.SeedCustomer(map[string]string{"practice": practiceID, "patient_alias": string(alias)})
	method, err := s.Sandbox.Stripe.SeedCard(customer, "pm_card_visa")
	if err != nil {
		return err
	}
	now := s.Clock.Now()
	return s.Process.Store.PutCardConsent(ctx, Practice, sam, ledger.CardOnFile{Platform: "stripe", Customer: customer, Method: method, Brand: "visa", Last4: "4242",
		ExpMonth: 12, ExpYear: now.Year() + 3, Consent: copay.CardConsent{Scope: copay.ScopeUntil, Cap: copay.Cents(100_00), Until: now.Add(365 * 24 * time.Hour),
			TextVersion: "2026-01", GivenAt: now.Add(-time.Hour), RecordedBy: "dana"}})
}

// recheck wakes every open co-pay.
func (s *Stack) recheck(ctx context.Context) error {
	from := ledger.PageToken("")
	for {
		rows, next, err := s.Process.Store.ListCoPays(ctx, Practice, ledger.Filter{}, from, 200)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.Version > 0 && r.CoPay.State.Closed() {
				continue
			}
			if err := s.Process.Starter.Recheck(ctx, r.CoPay.Key); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		from = next
	}
}
