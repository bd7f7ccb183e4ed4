package drchrono_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
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

// office is a practice whose traffic is checked against the specification.
type office struct {
	ehr
	t    *testing.T
	url  string
	toks *tokens
}

func newOffice(t *testing.T, c drchronosim.Config, more map[string]any) *office {
	t.Helper()
	t.Parallel()
	o := &office{ehr: ehr{sim: drchronosim.New(sim.Options{}, c)}, t: t, toks: &tokens{}}
	srv := httptest.NewServer(checkTraffic(t, o.sim))
	t.Cleanup(srv.Close)
	o.url = srv.URL
	o.c = o.connect(more)
	o.ana = o.sim.AddPatient(drchronosim.Patient{FirstName: "Ana", LastName: "Sample", BirthDate: "1980-02-03", Gender: "Female", Phone: "(312) 555-0142",
		Email: "ana@example.org", State: "IL", CoPay: "$25.00", Language: "es", PayerID: "60054", PayerName: "PAYER", MemberID: "W123"})
	return o
}

func (o *office) connect(more map[string]any) *drchrono.Connector {
	o.t.Helper()
	opts := map[string]any{"base_url": o.url, "client_id": "sandbox-client", "client_secret": "literal:sandbox-secret", "refresh_token": "literal:sandbox-refresh",
		"webhook_secret": "literal:sandbox-hook", "settle_delay": "1ms", "limit_per_second": 1000, "limit_per_hour": 100000}
	for k, v := range more {
		opts[k] = v
	}
	c, err := drchrono.New(integrations.Settings{Practice: "maple", Platform: drchrono.Platform, Options: opts, Tokens: o.toks,
		RoundTripper: &http.Transport{DisableKeepAlives: true}}) // a cut connection is not repeated below us
	require.NoError(o.t, err)
	return c
}

// requireKind checks an error's kind and that its text gives nothing away.
func requireKind(t *testing.T, err error, k integrations.Kind) *integrations.Error {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, k, integrations.KindOf(err), err.Error())
	for _, hidden := range []string{"sandbox-", "refresh-", "access-", "Ana", "Sample", "W123", "ana@", "312", "127.0.0.1"} {
		require.NotContains(t, err.Error(), hidden)
	}
	return integrations.AsError(err)
}

// The public handshake must not hand out what a delivery is signed with.
func TestHandshakeDoesNotSignBodies(t *testing.T) {
	e := setup(t, nil)
	for _, body := range []string{`{"object":{"id":1,"updated_at":"x"}}`, ` {"object":{"id":1}}`, "[1]", "x", strings.Repeat("a", 257)} {
		a, err := e.c.Verify(t.Context(), integrations.Webhook{Method: http.MethodGet, URL: "https://h/?msg=" + url.QueryEscape(body)})
		if err != nil {
			requireKind(t, err, integrations.KindInvalid)
			continue
		}
		var got struct {
			Token string `json:"secret_token"`
		}
		require.NoError(t, json.Unmarshal(a.Reply.Body, &got))
		for _, event := range []string{"LINE_ITEM_DELETE", "TASK_CREATE", "PING"} {
			_, err = e.c.Verify(t.Context(), hook(event, got.Token, body))
			requireKind(t, err, integrations.KindUnauthorized)
		}
	}
}

func TestEventsOfNoInterestAreAcknowledged(t *testing.T) {
	e := setup(t, nil)
	for _, body := range []string{`{"receiver":{}}`, `{"object":[]}`, "", `{"object":{"id":{"a":1}}}`} {
		a, err := e.c.Verify(t.Context(), hook("VACCINE_ADMINISTERED", "sandbox-hook", body))
		require.NoError(t, err, body)
		require.Equal(t, integrations.EventIgnored, a.Events[0].Kind)
		require.NotEmpty(t, a.Events[0].ID)
	}
	_, err := e.c.Verify(t.Context(), hook("LINE_ITEM_CREATE", "sandbox-hook", `{"object":{"id":{"a":1}}}`))
	requireKind(t, err, integrations.KindInvalid)
}

// Offices keep local time: what happened since the cursor is found in every zone.
func TestPollingAndListingKnowTheOfficesClock(t *testing.T) {
	for _, zone := range []string{"America/Los_Angeles", "Pacific/Honolulu", "UTC", "Pacific/Guam"} {
		t.Run(zone, func(t *testing.T) {
			o := newOffice(t, drchronosim.Config{NoLimits: true, TimeZone: zone}, nil)
			before := time.Now().Add(-time.Second)
			_, cursor, err := o.c.PollEvents(t.Context(), "")
			require.NoError(t, err)
			id, gone := o.charge(), o.charge()
			o.sim.DeleteCharge(string(gone))
			events, _, err := o.c.PollEvents(t.Context(), cursor)
			require.NoError(t, err)
			kinds := map[copay.ChargeID]integrations.EventKind{}
			for _, e := range events {
				kinds[e.Charge] = e.Kind
			}
			require.Equal(t, map[copay.ChargeID]integrations.EventKind{"": integrations.EventPatientChanged, id: integrations.EventChargeChanged, gone: integrations.EventChargeDeleted}, kinds)
			page, err := o.c.ChargesSince(t.Context(), before, "")
			require.NoError(t, err)
			require.Len(t, page.Charges, 1)
			require.WithinDuration(t, time.Now(), page.Charges[0].UpdatedAt, time.Minute, "in UTC")
			page, err = o.c.ChargesSince(t.Context(), time.Now().Add(time.Minute), "")
			require.NoError(t, err)
			require.Empty(t, page.Charges, "nothing older than asked for")
		})
	}
}

// A patient's new insurance is heard of by webhook, and found by polling under
// the same id when the webhook was lost.
func TestANewInsuranceIsHeardOf(t *testing.T) {
	o := newOffice(t, drchronosim.Config{NoLimits: true}, nil)
	charge := o.charge()
	_, cursor, err := o.c.PollEvents(t.Context(), "")
	require.NoError(t, err)
	before, err := o.c.Charge(t.Context(), charge)
	require.NoError(t, err)
	o.sim.Insure(string(before.Patient), drchronosim.Patient{PayerID: "MCD01", PayerName: "MEDICAID", MemberID: "NEW1"})
	events, _, err := o.c.PollEvents(t.Context(), cursor)
	require.NoError(t, err)
	var polled integrations.Event
	for _, e := range events {
		if e.Kind == integrations.EventPatientChanged {
			polled = e
		}
	}
	require.Equal(t, before.Patient, polled.Patient)
	at := strings.TrimPrefix(polled.ID, "patient_modify:"+string(before.Patient)+":")
	got, err := o.c.Verify(t.Context(), hook("PATIENT_MODIFY", "sandbox-hook", `{"object":{"id":`+string(before.Patient)+`,"updated_at":"`+at+`"}}`))
	require.NoError(t, err)
	e := got.Events[0]
	require.Equal(t, integrations.EventPatientChanged, e.Kind)
	require.Equal(t, before.Patient, e.Patient)
	require.Equal(t, polled.ID, e.ID)
	who, err := o.c.Patient(t.Context(), before.Patient, before.Appointment)
	require.NoError(t, err)
	require.Equal(t, "NEW1", who.Insurance[0].MemberID)
}

func TestListingsArePagedToTheEnd(t *testing.T) {
	o := newOffice(t, drchronosim.Config{NoLimits: true}, nil)
	for range 130 {
		o.charge()
	}
	seen, cursor := map[copay.ChargeID]bool{}, ""
	for {
		page, err := o.c.ChargesSince(t.Context(), time.Now().Add(-time.Hour), cursor)
		require.NoError(t, err)
		for _, ch := range page.Charges {
			seen[ch.ID] = true
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	require.Len(t, seen, 130)
	_, err := o.c.ChargesSince(t.Context(), time.Now(), "https://elsewhere.example/o/token/")
	requireKind(t, err, integrations.KindInvalid)
}

// Lists lag behind writes: the same reference again, at once or at the same
// time, after success or a lost answer, is one payment.
func TestRepeatsWithinTheListsLag(t *testing.T) {
	lag := drchronosim.Config{NoLimits: true, ListLag: 300 * time.Millisecond}
	t.Run("after success", func(t *testing.T) {
		o := newOffice(t, lag, map[string]any{"settle_delay": "400ms"})
		p := o.posting(o.charge())
		var ids sync.Map
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				got, err := o.c.Post(t.Context(), p)
				if err == nil {
					ids.Store(got.ID, true)
				}
			})
		}
		wg.Wait()
		n := 0
		ids.Range(func(any, any) bool { n++; return true })
		require.Equal(t, 1, n)
		require.Len(t, o.sim.Payments(), 1)
	})
	t.Run("after a lost answer", func(t *testing.T) {
		o := newOffice(t, lag, map[string]any{"settle_delay": "400ms"})
		p := o.posting(o.charge())
		o.sim.Faults().Add(sim.Fault{Kind: sim.FaultDrop, Method: http.MethodPost, Path: "/api/patient_payments"})
		_, err := o.c.Post(t.Context(), p)
		require.NoError(t, err)
		require.Len(t, o.sim.Payments(), 1)
	})
	t.Run("cancelled while it settles", func(t *testing.T) {
		o := newOffice(t, lag, map[string]any{"settle_delay": "2s"})
		p := o.posting(o.charge())
		o.sim.Faults().Add(sim.Fault{Kind: sim.FaultDrop, Method: http.MethodPost, Path: "/api/patient_payments"})
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := o.c.Post(ctx, p)
		require.Equal(t, 2*time.Second, requireKind(t, err, integrations.KindUnknown).RetryAfter, "others must wait as well")
		_, err = o.c.Post(t.Context(), p)
		require.NoError(t, err)
		require.Len(t, o.sim.Payments(), 1)
	})
	t.Run("deleted by a person", func(t *testing.T) {
		o := newOffice(t, drchronosim.Config{NoLimits: true}, nil)
		p := o.posting(o.charge())
		first, err := o.c.Post(t.Context(), p)
		require.NoError(t, err)
		o.sim.DeletePayment(first.ID)
		second, err := o.c.Post(t.Context(), p)
		require.NoError(t, err)
		require.NotEqual(t, first.ID, second.ID)
	})
}

func TestRedirectsKeepTheMethod(t *testing.T) {
	o := newOffice(t, drchronosim.Config{NoLimits: true}, nil)
	p := o.posting(o.charge())
	o.sim.Redirect(http.MethodPost, "/api/patient_payments", 2)
	_, err := o.c.Post(t.Context(), p)
	require.NoError(t, err)
	require.Len(t, o.sim.Payments(), 1)
	o.sim.Redirect(http.MethodGet, "/api/line_items/"+string(p.Charge), 99)
	_, err = o.c.Charge(t.Context(), p.Charge)
	requireKind(t, err, integrations.KindUnavailable)
}

func TestPostingsAreRefusedBeforeTheyLeave(t *testing.T) {
	o := newOffice(t, drchronosim.Config{NoLimits: true}, nil)
	good := o.posting(o.charge())
	for name, change := range map[string]func(*integrations.Posting){
		"zero":           func(p *integrations.Posting) { p.Amount = copay.Cents(0) },
		"negative":       func(p *integrations.Posting) { p.Amount = copay.Cents(-1) },
		"other currency": func(p *integrations.Posting) { p.Amount = copay.Money{Minor: 100, Currency: "CAD"} },
		"no reference":   func(p *integrations.Posting) { p.Ref = "" },
		"no charge":      func(p *integrations.Posting) { p.Charge = "" },
		"strange charge": func(p *integrations.Posting) { p.Charge = "12x" },
	} {
		p := good
		change(&p)
		_, err := o.c.Post(t.Context(), p)
		require.Equal(t, integrations.KindInvalid, integrations.KindOf(err), name)
	}
	require.Empty(t, o.sim.Payments())
	good.Appointment, good.Amount = "214003321_20261124", copay.Cents(1) // of a recurring series: no number
	got, err := o.c.Post(t.Context(), good)
	require.NoError(t, err)
	require.Equal(t, copay.Cents(1), got.Amount, "to the cent")
}

// One reference is one amount: another one under it is a mistake that a person
// has to see, whether money came or went back.
func TestAReferenceStandsForOneAmount(t *testing.T) {
	o := newOffice(t, drchronosim.Config{NoLimits: true}, nil)
	p := o.posting(o.charge())
	first, err := o.c.Post(t.Context(), p)
	require.NoError(t, err)
	back := integrations.Reversal{Ref: copay.NewRef("cp_0123456789abcdef", copay.EffectPost, 2), Of: p, PostedID: first.ID, Amount: copay.Cents(10_00), Refund: true}
	_, err = o.c.Reverse(t.Context(), back)
	require.NoError(t, err)
	for _, c := range []*drchrono.Connector{o.c, o.connect(nil)} { // this process and another one
		p.Amount = copay.Cents(26_00)
		_, err = c.Post(t.Context(), p)
		require.Contains(t, requireKind(t, err, integrations.KindInvalid).Message, "another amount")
		back.Amount = copay.Cents(11_00)
		_, err = c.Reverse(t.Context(), back)
		require.Contains(t, requireKind(t, err, integrations.KindInvalid).Message, "another amount")
	}
	require.Len(t, o.sim.Payments(), 2)
}

// canned answers one path in the platform's stead.
func (o *office) canned(path, body string) *drchrono.Connector {
	o.t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			_, _ = w.Write([]byte(body))
			return
		}
		o.sim.ServeHTTP(w, r)
	}))
	o.t.Cleanup(srv.Close)
	return o.connect(map[string]any{"base_url": srv.URL})
}

func TestAnswersThatCannotBeRead(t *testing.T) {
	o := newOffice(t, drchronosim.Config{NoLimits: true}, nil)
	p := o.posting(o.charge())
	at := "/api/line_items/" + string(p.Charge)
	for name, body := range map[string]string{"no JSON": "<html>Ana", "an id that is none": `{"id":{"Ana":1}}`, "huge": `{"x":"` + strings.Repeat("Ana", 2<<20) + `"}`} {
		_, err := o.canned(at, body).Charge(t.Context(), p.Charge)
		requireKind(t, err, integrations.KindUnavailable)
		_ = name
	}
	list := "/api/patient_payments"
	_, err := o.canned(list, `{"results":[],"next":"https://elsewhere.example/steal"}`).FindPosting(t.Context(), integrations.PostingQuery{Ref: p.Ref, Patient: p.Patient})
	requireKind(t, err, integrations.KindUnavailable)
	found, err := o.canned(list, `{"data":[{"id":"7","amount":"25.00","trace_number":"`+string(p.Ref)+`","line_item":null}]}`).
		FindPosting(t.Context(), integrations.PostingQuery{Ref: p.Ref, Patient: p.Patient})
	require.NoError(t, err, "data as well as results, numbers as texts")
	require.Equal(t, copay.Cents(25_00), found.Amount)
	_, err = o.canned(list, `{"data":[{"id":"7","amount":"25.00","trace_number":"`+string(p.Ref)+`","line_item":null}]}`).Post(t.Context(), p)
	require.ErrorContains(t, err, "not allocated", "money that is not at its charge is nobody's success")
}

func TestAVisitThatIsGoneDoesNotHideTheCharge(t *testing.T) {
	o := newOffice(t, drchronosim.Config{NoLimits: true}, nil)
	id := o.charge()
	c := o.canned("/api/line_items/"+string(id), `{"id":`+string(id)+`,"appointment":99,"patient":"`+o.ana+`","doctor":"310055","billed":"145.00","service_date":"2026-11-24"}`)
	ch, err := c.Charge(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, copay.Cents(145_00), ch.Facts.Billed)
	c = o.canned("/api/line_items/"+string(id), `{"id":`+string(id)+`,"patient":"`+o.ana+`"}`)
	ch, err = c.Charge(t.Context(), id)
	require.NoError(t, err)
	require.Empty(t, ch.Facts.Billed.Currency, "an amount that is not said is not zero dollars")
}

func TestScopesAndTokens(t *testing.T) {
	o := newOffice(t, drchronosim.Config{NoLimits: true, Scopes: []string{"user:read", "patients:read"}}, nil)
	_, err := o.c.Charge(t.Context(), o.charge())
	require.Equal(t, http.StatusForbidden, requireKind(t, err, integrations.KindUnauthorized).Status)
	_, err = o.c.Patient(t.Context(), copay.PatientRef(o.ana), "")
	require.NoError(t, err)
	o.sim.Faults().Add(sim.Fault{Kind: sim.FaultToken, Path: "/api", Times: 2})
	_, err = o.c.Patient(t.Context(), copay.PatientRef(o.ana), "")
	require.Equal(t, http.StatusUnauthorized, requireKind(t, err, integrations.KindUnauthorized).Status, "renewed once, then given up")
	_, err = o.c.Patient(t.Context(), copay.PatientRef(o.ana), "")
	require.NoError(t, err)
}

func TestLimits(t *testing.T) {
	t.Run("ours keep clear of the platform's", func(t *testing.T) {
		o := newOffice(t, drchronosim.Config{}, map[string]any{"limit_per_second": 8})
		for range 12 {
			_, err := o.c.Patient(t.Context(), copay.PatientRef(o.ana), "")
			require.NoError(t, err)
		}
	})
	t.Run("no more in an hour than configured", func(t *testing.T) {
		o := newOffice(t, drchronosim.Config{NoLimits: true}, map[string]any{"limit_per_hour": 3})
		var err error
		for range 8 { // the hour may turn once in between
			if _, err = o.c.Patient(t.Context(), copay.PatientRef(o.ana), ""); err != nil {
				break
			}
		}
		after := requireKind(t, err, integrations.KindRateLimited).RetryAfter
		require.True(t, after > 0 && after <= time.Hour, after)
	})
	t.Run("the platform's", func(t *testing.T) {
		o := newOffice(t, drchronosim.Config{BurstLimit: 3}, nil)
		var err error
		for range 10 {
			if _, err = o.c.Patient(t.Context(), copay.PatientRef(o.ana), ""); err != nil {
				break
			}
		}
		require.Positive(t, requireKind(t, err, integrations.KindRateLimited).RetryAfter)
	})
}

func TestPatients(t *testing.T) {
	o := newOffice(t, drchronosim.Config{NoLimits: true}, nil)
	p, err := o.c.Patient(t.Context(), copay.PatientRef(o.ana), "")
	require.NoError(t, err)
	require.Equal(t, "es", p.Language)
	require.Equal(t, copay.Cents(25_00), *p.EHRCoPay, "as staff typed it")
	require.False(t, p.SelfPay)
	cash, err := o.c.Patient(t.Context(), copay.PatientRef(o.sim.AddPatient(drchronosim.Patient{SelfPay: true, NoSMS: true, Phone: "12", CoPay: "none"})), "")
	require.NoError(t, err)
	require.True(t, cash.SelfPay && cash.NoSMS)
	require.Empty(t, cash.Phone)
	require.Nil(t, cash.EHRCoPay)
	c := o.canned("/api/patients/5", `{"id":5,"home_phone":"3125550142","patient_payment_profile":"Worker's Comp","primary_insurance":{"insurance_payer_id":"1","insurance_id_number":"2"}}`)
	hurt, err := c.Patient(t.Context(), "5", "")
	require.NoError(t, err)
	require.Empty(t, hurt.Insurance, "the health plan is not the one to ask")
	require.Empty(t, hurt.Phone, "texts do not go to a home phone")
}

// What becomes of a visit becomes of its charge.
func TestVisitsThatChange(t *testing.T) {
	o := newOffice(t, drchronosim.Config{NoLimits: true}, nil)
	line := o.charge()
	ch, err := o.c.Charge(t.Context(), line)
	require.NoError(t, err)
	require.Equal(t, copay.ServiceOfficeVisit, ch.Facts.Service)
	o.sim.ModifyVisit(string(line), map[string]any{"status": "No Show", "payment_profile": "Worker's Comp"})
	ch, err = o.c.Charge(t.Context(), line)
	require.NoError(t, err)
	require.Empty(t, ch.Facts.Service)
	p, err := o.c.Patient(t.Context(), ch.Patient, ch.Appointment)
	require.NoError(t, err)
	require.Empty(t, p.Insurance, "what is remembered of a visit is what was read last")
	o.sim.DeleteVisit(string(line))
	ch, err = o.c.Charge(t.Context(), line)
	require.NoError(t, err)
	require.True(t, ch.Deleted)
}

// Who pays is said of the visit before it is said of the patient: somebody hurt
// at work is not asked his plan's co-pay, and somebody who is insured this time
// is not asked for the whole charge.
func TestTheVisitSaysWhoPays(t *testing.T) {
	o := newOffice(t, drchronosim.Config{NoLimits: true}, nil)
	cash := o.sim.AddPatient(drchronosim.Patient{FirstName: "Bo", SelfPay: true, PayerID: "60054", MemberID: "W9"})
	for profile, want := range map[string]struct{ insured, self bool }{
		"Insurance": {true, false}, "Insurance Out of Network": {true, false}, "Cash": {true, true}, "Worker's Comp": {false, false}, "Auto Accident": {false, false},
	} {
		for _, who := range []string{o.ana, cash} {
			line := o.sim.AddCharge(drchronosim.Charge{Patient: who, Cents: 145_00, Date: "2026-11-24", Profile: profile})
			ch, err := o.c.Charge(t.Context(), copay.ChargeID(line))
			require.NoError(t, err)
			for _, c := range []*drchrono.Connector{o.c, o.connect(nil)} { // the one that read the charge, and another worker
				p, err := c.Patient(t.Context(), ch.Patient, ch.Appointment)
				require.NoError(t, err)
				require.Equal(t, want.insured, len(p.Insurance) > 0, profile)
				require.Equal(t, want.self, p.SelfPay, profile)
			}
		}
	}
	p, err := o.c.Patient(t.Context(), copay.PatientRef(cash), "")
	require.NoError(t, err)
	require.True(t, p.SelfPay, "without a visit the patient's own profile holds")
	p, err = o.c.Patient(t.Context(), copay.PatientRef(cash), "999")
	require.NoError(t, err)
	require.True(t, p.SelfPay, "and so where the visit is gone")
	claim := o.canned("/api/appointments/7", `{"id":"7","payment_profile":"Insurance","billing_status":"Worker's Comp Claim"}`)
	hurt, err := claim.Patient(t.Context(), copay.PatientRef(o.ana), "7")
	require.NoError(t, err)
	require.Empty(t, hurt.Insurance)
	down := o.connect(nil)
	o.sim.Faults().Add(sim.Fault{Kind: sim.FaultServer, Path: "/api/appointments"})
	_, err = down.Patient(t.Context(), copay.PatientRef(o.ana), "7")
	requireKind(t, err, integrations.KindUnavailable)
}

// The platform takes other spellings of an id; one charge has one name.
func TestAChargeHasOneName(t *testing.T) {
	t.Parallel()
	ehr := drchronosim.New(sim.Options{}, drchronosim.Config{NoLimits: true})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const at = "/api/line_items/"
		if id, ok := strings.CutPrefix(r.URL.Path, at); ok {
			r.URL.Path = strings.TrimSuffix(at+strings.TrimLeft(id, "0"), "/")
		}
		ehr.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	c, err := drchrono.New(integrations.Settings{Practice: "maple", Platform: drchrono.Platform, Tokens: &tokens{}, Options: map[string]any{"base_url": srv.URL,
		"client_id": "sandbox-client", "client_secret": "literal:sandbox-secret", "refresh_token": "literal:sandbox-refresh", "limit_per_second": 1000, "limit_per_hour": 100000}})
	require.NoError(t, err)
	id := ehr.AddCharge(drchronosim.Charge{Patient: ehr.AddPatient(drchronosim.Patient{FirstName: "Ana", LastName: "Sample"}), Cents: 145_00, Date: "2026-11-24"})
	_, err = c.Charge(t.Context(), copay.ChargeID(id))
	require.NoError(t, err)
	for _, other := range []string{"0" + id, "000" + id, "."} {
		_, err = c.Charge(t.Context(), copay.ChargeID(other))
		require.Equal(t, integrations.KindNotFound, integrations.KindOf(err), other)
	}
}
