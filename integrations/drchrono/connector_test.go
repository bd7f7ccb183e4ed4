package drchrono_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/drchrono"
	drchronosim "github.com/copayflow/copayflow/sandbox/drchrono"
	"github.com/copayflow/copayflow/sandbox/sim"
)

// tokens is a token store in memory.
type tokens struct {
	mu  sync.Mutex
	tok integrations.Token
}

func (s *tokens) Load(context.Context, copay.PracticeID, copay.Platform) (integrations.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tok, nil
}

func (s *tokens) Refresh(ctx context.Context, _ copay.PracticeID, _ copay.Platform, renew func(context.Context, integrations.Token) (integrations.Token, error)) (integrations.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := renew(ctx, s.tok)
	if err == nil {
		s.tok = t
	}
	return t, err
}

type ehr struct {
	sim *drchronosim.Server
	c   *drchrono.Connector
	ana string
}

func setup(t *testing.T, change func(options map[string]any)) ehr {
	t.Helper()
	t.Parallel()
	e := ehr{sim: drchronosim.New(sim.Options{}, drchronosim.Config{NoLimits: true})}
	srv := httptest.NewServer(e.sim)
	t.Cleanup(srv.Close)
	o := map[string]any{"base_url": srv.URL, "client_id": "sandbox-client", "client_secret": "literal:sandbox-secret", "refresh_token": "literal:sandbox-refresh",
		"webhook_secret": "literal:sandbox-hook", "settle_delay": "1ms", "limit_per_second": 1000, "limit_per_hour": 100000}
	if change != nil {
		change(o)
	}
	var err error
	e.c, err = drchrono.New(integrations.Settings{Practice: "maple", Platform: drchrono.Platform, Options: o, Tokens: &tokens{}})
	require.NoError(t, err)
	e.ana = e.sim.AddPatient(drchronosim.Patient{FirstName: "Ana", LastName: "Sample", BirthDate: "1980-02-03", Gender: "Female", Phone: "(312) 555-0142",
		Email: "ana@example.org", State: "IL", CoPay: "25.00", PayerID: "60054", PayerName: "PAYER", MemberID: "W123"})
	return e
}

func (e ehr) charge() copay.ChargeID {
	return copay.ChargeID(e.sim.AddCharge(drchronosim.Charge{Patient: e.ana, Cents: 145_00, Date: "2026-11-24"}))
}

func (e ehr) posting(id copay.ChargeID) integrations.Posting {
	return integrations.Posting{Ref: copay.NewRef("cp_0123456789abcdef", copay.EffectPost, 1), Charge: id, Appointment: copay.AppointmentID(e.sim.Visit(string(id))),
		Patient: copay.PatientRef(e.ana), Amount: copay.Cents(25_00), Rail: copay.RailLink, Received: "2026-11-24", Since: time.Now()}
}

func TestChargeAndPatient(t *testing.T) {
	e := setup(t, nil)
	ch, err := e.c.Charge(t.Context(), e.charge())
	require.NoError(t, err)
	require.Equal(t, copay.Cents(145_00), ch.Facts.Billed)
	require.Equal(t, copay.Date("2026-11-24"), ch.Facts.ServiceDate)
	require.Equal(t, "America/Chicago", ch.TimeZone)
	require.NotNil(t, ch.Facts.Specialist)
	require.False(t, *ch.Facts.Specialist, "family medicine is primary care")
	p, err := e.c.Patient(t.Context(), ch.Patient, ch.Appointment)
	require.NoError(t, err)
	require.Equal(t, "+13125550142", p.Phone, "in E.164")
	require.Equal(t, copay.Cents(25_00), *p.EHRCoPay)
	require.Equal(t, "W123", p.Insurance[0].MemberID)
}

func TestDeletedAndUnknownCharges(t *testing.T) {
	e := setup(t, nil)
	id := e.charge()
	e.sim.DeleteCharge(string(id))
	ch, err := e.c.Charge(t.Context(), id)
	require.NoError(t, err)
	require.True(t, ch.Deleted)
	_, err = e.c.Charge(t.Context(), "999")
	require.Equal(t, integrations.KindNotFound, integrations.KindOf(err))
}

func TestPostedOncePerReferenceAndReversed(t *testing.T) {
	e := setup(t, nil)
	p := e.posting(e.charge())
	first, err := e.c.Post(t.Context(), p)
	require.NoError(t, err)
	again, err := e.c.Post(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID)
	rev := integrations.Reversal{Ref: copay.NewRef("cp_0123456789abcdef", copay.EffectReverse, 1), Of: p, PostedID: first.ID, Amount: copay.Cents(10_00), Refund: true, Since: p.Since}
	for range 2 {
		r, err := e.c.Reverse(t.Context(), rev)
		require.NoError(t, err)
		require.Equal(t, copay.Cents(-10_00), r.Amount)
	}
	books := e.sim.Payments()
	require.Len(t, books, 2)
	require.Equal(t, "COPAY", books[0].Type)
	require.Equal(t, string(p.Charge), books[0].LineItem, "allocated to its charge")
	require.Equal(t, "REF", books[1].Type)
}

// What was paid on a charge that was deleted is taken back at its visit, once,
// also when the deletion comes between two attempts.
func TestThePaymentOfADeletedChargeIsReversed(t *testing.T) {
	for name, early := range map[string]bool{"before": true, "between": false} {
		t.Run(name, func(t *testing.T) {
			e := setup(t, nil)
			p := e.posting(e.charge())
			first, err := e.c.Post(t.Context(), p)
			require.NoError(t, err)
			rev := integrations.Reversal{Ref: copay.NewRef("cp_0123456789abcdef", copay.EffectReverse, 1), Of: p, PostedID: first.ID, Amount: p.Amount, Since: p.Since}
			if !early {
				_, err = e.c.Reverse(t.Context(), rev)
				require.NoError(t, err)
			}
			e.sim.DeleteCharge(string(p.Charge))
			for range 2 {
				r, err := e.c.Reverse(t.Context(), rev)
				require.NoError(t, err)
				require.Equal(t, copay.Cents(-25_00), r.Amount)
			}
			require.Len(t, e.sim.Payments(), 2)
		})
	}
}

func TestLostAnswersAreLookedUp(t *testing.T) {
	for _, k := range []sim.FaultKind{sim.FaultDrop, sim.FaultServer} {
		t.Run(string(k), func(t *testing.T) {
			e := setup(t, nil)
			p := e.posting(e.charge())
			e.sim.Faults().Add(sim.Fault{Kind: k, Method: http.MethodPost, Path: "/api/patient_payments"})
			_, err := e.c.Post(t.Context(), p)
			if k == sim.FaultDrop {
				require.NoError(t, err, "found after the answer was lost")
			} else {
				require.Equal(t, integrations.KindUnknown, integrations.KindOf(err))
				_, err = e.c.Post(t.Context(), p)
				require.NoError(t, err)
			}
			require.Len(t, e.sim.Payments(), 1)
		})
	}
}

func TestTokensRotateAndLostConsentIsNamed(t *testing.T) {
	e := setup(t, nil)
	id := e.charge()
	for range 3 {
		e.sim.ExpireAccess()
		_, err := e.c.Charge(t.Context(), id)
		require.NoError(t, err, "each renewal uses the newest refresh token")
	}
	e.sim.RevokeConsent()
	_, err := e.c.Charge(t.Context(), id)
	require.Equal(t, integrations.KindUnauthorized, integrations.KindOf(err))
	require.NotContains(t, err.Error(), "sandbox-secret")
}

func TestFailuresAreReadRight(t *testing.T) {
	for k, want := range map[sim.FaultKind]integrations.Kind{sim.FaultRateLimit: integrations.KindRateLimited, sim.FaultServer: integrations.KindUnavailable} {
		t.Run(string(k), func(t *testing.T) {
			e := setup(t, nil)
			id := e.charge()
			e.sim.Faults().Add(sim.Fault{Kind: k, Path: "/api"})
			_, err := e.c.Charge(t.Context(), id)
			require.Equal(t, want, integrations.KindOf(err))
			if k == sim.FaultRateLimit {
				require.Positive(t, integrations.AsError(err).RetryAfter)
			}
		})
	}
	t.Run("refused fields are named, not their values", func(t *testing.T) {
		e := setup(t, nil)
		p := e.posting(e.charge())
		p.Patient = "424242"
		_, err := e.c.Post(t.Context(), p)
		require.Equal(t, integrations.KindInvalid, integrations.KindOf(err))
		require.ErrorContains(t, err, "patient")
		require.NotContains(t, err.Error(), "424242")
	})
	t.Run("timeout", func(t *testing.T) {
		e := setup(t, func(o map[string]any) { o["timeout"] = "400ms" })
		p := e.posting(e.charge())
		e.sim.Faults().Add(sim.Fault{Kind: sim.FaultSlow, Delay: 1200 * time.Millisecond, Method: http.MethodPost, Path: "/api/patient_payments"})
		_, err := e.c.Post(t.Context(), p)
		require.Equal(t, integrations.KindUnknown, integrations.KindOf(err))
	})
}

func TestEligibilityIsReadWithCare(t *testing.T) {
	e := setup(t, nil)
	visit := e.sim.Visit(string(e.charge()))
	r := integrations.EligibilityRequest{Appointment: copay.AppointmentID(visit)}
	_, err := e.c.LastCheck(t.Context(), r)
	require.Equal(t, integrations.KindNotFound, integrations.KindOf(err))
	e.sim.AddCheck(visit, "B", "98", map[string]any{"benefits": []any{map[string]any{"amount": "25.00", "message": "PRIMARY CARE"}, map[string]any{"nested": map[string]any{"amount": "40.00"}}, "noise", 7}})
	b, err := e.c.LastCheck(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, copay.CoverageActive, b.Status)
	require.Len(t, b.CoPays, 2)
	require.Equal(t, "PRIMARY CARE", b.CoPays[0].Note)
}

func TestConnectionIsTested(t *testing.T) {
	store, base := &tokens{}, ""
	setup(t, func(o map[string]any) { base = o["base_url"].(string) })
	// A stored token hides for a day that the next one will be refused.
	try := func(change map[string]any) (string, error) {
		o := map[string]any{"base_url": base, "client_id": "sandbox-client", "client_secret": "literal:sandbox-secret", "refresh_token": "literal:sandbox-refresh", "webhook_secret": "literal:sandbox-hook"}
		maps.Copy(o, change)
		maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil })
		c, err := drchrono.New(integrations.Settings{Practice: "maple", Platform: drchrono.Platform, Options: o, Tokens: store})
		require.NoError(t, err)
		return c.TestConnection(t.Context())
	}
	text, err := try(nil)
	require.NoError(t, err)
	require.Contains(t, text, "4711")
	require.NotContains(t, text, "webhooks")
	_, err = try(map[string]any{"client_secret": "literal:wrong"})
	require.Equal(t, integrations.KindUnauthorized, integrations.KindOf(err))
	require.ErrorContains(t, err, "client id or its secret")
	text, err = try(map[string]any{"webhook_secret": nil})
	require.NoError(t, err)
	require.Contains(t, text, "webhook_secret is not configured")
}
