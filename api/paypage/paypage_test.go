package paypage

import (
	"bytes"
	"context"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/dispatch"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
	"github.com/copayflow/copayflow/workflows"
)

var now = time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)

var key = copay.Key{Practice: "maple", EHR: "drchrono", Charge: "777"}

// world is a store with one link and a workflow with one page.
type world struct {
	mu      sync.Mutex
	link    ledger.PayLinkRow
	copay   copay.CoPay
	patient integrations.Patient
	noOne   bool
	hosted  workflows.Page
	fail    error
	opened  int
	writes  int
	origin  dispatch.Origin
	wish    workflows.OpenPage
	revoked []copay.PatientKey
	audited []ledger.AuditEntry
	heard   []workflows.Event
}

const token = "tok-en_0123456789abcdef"

func (w *world) PayLink(_ context.Context, t string) (ledger.PayLinkRow, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t != token {
		return ledger.PayLinkRow{}, copay.Errorf(copay.CodeNotFound, "", "this payment link does not exist")
	}
	return w.link, nil
}

func (w *world) OpenPayLink(ctx context.Context, t string) (ledger.PayLinkRow, error) {
	w.writes++
	return w.PayLink(ctx, t)
}

func (w *world) TryPayLink(ctx context.Context, t string) (ledger.PayLinkRow, error) {
	w.mu.Lock()
	w.writes++
	if w.link.Locked() {
		w.mu.Unlock()
		return w.link, copay.Errorf(copay.CodePermission, "", "locked")
	}
	w.link.FailedAttempts++
	w.mu.Unlock()
	return w.PayLink(ctx, t)
}

func (w *world) PassPayLink(context.Context, string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.link.FailedAttempts = 0
	return nil
}

func (w *world) CoPay(context.Context, copay.PracticeID, copay.ID) (ledger.CoPayRow, error) {
	return ledger.CoPayRow{CoPay: w.copay}, nil
}

func (w *world) Patient(context.Context, copay.PracticeID, copay.ID) (integrations.Patient, error) {
	if w.noOne {
		return integrations.Patient{}, copay.Errorf(copay.CodeNotFound, "", "no patient")
	}
	return w.patient, nil
}

func (w *world) RevokeCardConsent(_ context.Context, _ copay.PracticeID, who copay.PatientKey, _ time.Time) (bool, error) {
	w.revoked = append(w.revoked, who)
	return true, w.fail
}

func (w *world) AppendAudit(_ context.Context, e ledger.AuditEntry) error {
	w.audited = append(w.audited, e)
	return nil
}

func (w *world) Signal(_ context.Context, k copay.Key, _ dispatch.Origin, e workflows.Event) error {
	if k != key {
		return errors.New("another co-pay")
	}
	w.heard = append(w.heard, e)
	return nil
}

func (w *world) Update(_ context.Context, k copay.Key, o dispatch.Origin, name, id string, out any, args ...any) error {
	w.opened++
	w.origin, w.wish = o, args[0].(workflows.OpenPage)
	if w.fail != nil {
		return w.fail
	}
	if name != workflows.UpdateOpenPage || k != key || id == "" {
		return errors.New("another update")
	}
	*out.(*workflows.Page) = w.hosted
	return nil
}

func setup(t *testing.T, change func(*world, *Options)) (*world, http.Handler) {
	t.Helper()
	w := &world{
		link:    ledger.PayLinkRow{Practice: "maple", CoPay: key.ID(), ExpiresAt: now.Add(time.Hour)},
		copay:   copay.CoPay{ID: key.ID(), Key: key, State: copay.StateAwaitingPayment, Rail: copay.RailLink, ServiceDate: "2026-11-20", Amounts: copay.Amounts{Requested: copay.Cents(25_00)}},
		patient: integrations.Patient{FirstName: "Jane", LastName: "Roe", BirthDate: "1971-05-09", Language: "es"},
		hosted:  workflows.Page{URL: "https://checkout.stripe.example/c/pay/cs_1", State: copay.StateAwaitingPayment},
	}
	o := Options{Store: w, Flows: w, Now: func() time.Time { return now }, Practices: func(copay.PracticeID) (Practice, error) {
		return Practice{Name: "Maple Family Clinic", Phone: "+1 (312) 555-0100", Language: "en"}, nil
	}}
	if change != nil {
		change(w, &o)
	}
	h, err := New(o)
	require.NoError(t, err)
	return w, h
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Accept-Language", "en-US,en;q=0.9")
	return serve(h, r)
}

// serve answers a request; the body is as a reader sees it.
func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	w.Body = bytes.NewBufferString(html.UnescapeString(w.Body.String()))
	return w
}

func post(h http.Handler, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/pay/"+token, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept-Language", "en-US,en;q=0.9")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return serve(h, r)
}

func born(month, day, year string) url.Values {
	return url.Values{"month": {month}, "day": {day}, "year": {year}}
}

func TestScannersSpendNothing(t *testing.T) {
	t.Parallel()
	w, h := setup(t, nil)
	for range 50 {
		for _, method := range []string{"GET", "HEAD"} {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(method, "/pay/"+token, nil))
			require.Equal(t, http.StatusOK, rec.Code)
		}
	}
	require.Zero(t, w.opened)
	require.Zero(t, w.writes)
}

func TestNothingProtectedBeforeTheFactor(t *testing.T) {
	t.Parallel()
	_, h := setup(t, nil)
	for _, path := range []string{"/pay/" + token, "/pay/" + token + "/done"} {
		body := get(h, path).Body.String()
		for _, secret := range []string{"Jane", "Roe", "1971", "25.00", "Nov 20", string(key.ID()), "777"} {
			require.NotContains(t, body, secret, path)
		}
		require.Contains(t, body, "Maple Family Clinic")
	}
}

func TestTheFactorLeadsToTheHostedPage(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]url.Values{"three fields": born("5", "9", "1971"), "with zeros": born("05", " 09 ", "1971"), "one date": {"birth_date": {"1971-05-09"}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, h := setup(t, nil)
			rec := post(h, form)
			require.Equal(t, http.StatusSeeOther, rec.Code)
			require.Equal(t, "https://checkout.stripe.example/c/pay/cs_1", rec.Header().Get("Location"))
			require.Equal(t, copay.Patient(), w.origin.Actor)
			require.Zero(t, w.link.FailedAttempts)
		})
	}
}

func TestWrongFactorLocksTheLink(t *testing.T) {
	t.Parallel()
	w, h := setup(t, nil)
	for left := 4; left >= 1; left-- {
		rec := post(h, born("1", "2", "1990"))
		require.Equal(t, http.StatusUnprocessableEntity, rec.Code)
		require.Contains(t, rec.Body.String(), "Tries left: "+string(rune('0'+left)))
		require.Contains(t, rec.Body.String(), `role="alert"`)
	}
	rec := post(h, born("1", "2", "1990"))
	require.Equal(t, http.StatusForbidden, rec.Code)
	rec = post(h, born("5", "9", "1971"))
	require.Equal(t, http.StatusForbidden, rec.Code, "the right answer comes too late")
	require.Contains(t, rec.Body.String(), `href="tel:+13125550100"`)
	require.Equal(t, http.StatusForbidden, get(h, "/pay/"+token).Code)
	require.Zero(t, w.opened)
}

func TestAttemptsAtTheSameTimeDoNotExceedTheLimit(t *testing.T) {
	t.Parallel()
	w, h := setup(t, nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { post(h, born("1", "2", "1990")) })
	}
	wg.Wait()
	require.Equal(t, ledger.MaxLinkAttempts, w.link.FailedAttempts)
	require.Len(t, w.heard, 1, "the timeline tells staff, once")
	require.Equal(t, string(integrations.EventLinkLocked), w.heard[0].Kind)
	require.Len(t, w.audited, 1)
	require.Equal(t, "link_locked", w.audited[0].Action)
}

func TestWhatIsNoDateCostsNoTry(t *testing.T) {
	t.Parallel()
	w, h := setup(t, nil)
	for _, form := range []url.Values{{}, born("13", "1", "1980"), born("2", "30", "1980"), born("x", "1", "1980"), {"birth_date": {"09/05/1971"}}} {
		rec := post(h, form)
		require.Equal(t, http.StatusUnprocessableEntity, rec.Code)
	}
	require.Zero(t, w.link.FailedAttempts)
}

func TestUnknownBirthDateNeverPasses(t *testing.T) {
	t.Parallel()
	w, h := setup(t, func(w *world, _ *Options) { w.patient.BirthDate = "" })
	require.Equal(t, http.StatusUnprocessableEntity, post(h, url.Values{"birth_date": {"0001-01-01"}}).Code)
	require.Zero(t, w.opened)
	w, h = setup(t, func(w *world, _ *Options) { w.noOne = true })
	require.Equal(t, http.StatusUnprocessableEntity, post(h, born("5", "9", "1971")).Code)
	require.Zero(t, w.opened)
}

func TestLinksThatLeadNowhere(t *testing.T) {
	t.Parallel()
	_, h := setup(t, nil)
	rec := get(h, "/pay/another")
	require.Equal(t, http.StatusNotFound, rec.Code)
	require.NotContains(t, rec.Body.String(), "Maple")
	for name, change := range map[string]func(*world, *Options){
		"expired": func(w *world, _ *Options) { w.link.ExpiresAt = now },
		"revoked": func(w *world, _ *Options) { w.link.RevokedAt = now.Add(-time.Hour) },
	} {
		w, h := setup(t, change)
		require.Equal(t, http.StatusGone, get(h, "/pay/"+token).Code, name)
		rec := post(h, born("5", "9", "1971"))
		require.Equal(t, http.StatusGone, rec.Code, name)
		require.Contains(t, rec.Body.String(), "555-0100")
		require.Zero(t, w.opened)
	}
}

func TestWhereACoPayStands(t *testing.T) {
	t.Parallel()
	for state, want := range map[copay.State]string{
		copay.StateSettled: "this is paid", copay.StatePosting: "this is paid", copay.StateWaived: "nothing to pay", copay.StateCancelled: "nothing to pay",
		copay.StateWrittenOff: "nothing to pay", copay.StateRefunded: "on its way back", copay.StateDisputed: "Please call us", copay.StateNeedsReview: "Please call us",
		copay.StateVerifying: "being prepared",
	} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			w, h := setup(t, func(w *world, _ *Options) {
				w.copay.State = state
				w.copay.Amounts.Collected = copay.Cents(25_00)
			})
			rec := post(h, born("5", "9", "1971"))
			require.Equal(t, http.StatusOK, rec.Code)
			require.Contains(t, rec.Body.String(), want)
			require.Contains(t, rec.Body.String(), "Nov 20, 2026", "the visit, now that the factor was passed")
			require.Contains(t, rec.Body.String(), "+1 (312) 555-0100")
			require.Zero(t, w.opened, "a workflow is not started again for a look")
		})
	}
}

func TestUnpaidReviewIsStillPayable(t *testing.T) {
	t.Parallel()
	_, h := setup(t, func(w *world, _ *Options) {
		w.copay.State, w.copay.Review = copay.StateNeedsReview, &copay.Review{Kind: copay.ReviewUnpaid}
	})
	require.Equal(t, http.StatusSeeOther, post(h, born("5", "9", "1971")).Code)
}

func TestPaidMeanwhile(t *testing.T) {
	t.Parallel()
	_, h := setup(t, func(w *world, _ *Options) {
		w.hosted = workflows.Page{State: copay.StatePosting}
		w.copay.Amounts.Collected = copay.Cents(25_00)
	})
	rec := post(h, born("5", "9", "1971"))
	require.Equal(t, http.StatusOK, rec.Code)
	require.Contains(t, rec.Body.String(), "this is paid")
}

func TestLookingAtAnAnnouncedChargeDoesNotTakeItBack(t *testing.T) {
	t.Parallel()
	w, h := setup(t, func(w *world, _ *Options) { w.copay.Rail = copay.RailCard })
	rec := post(h, born("5", "9", "1971"))
	require.Equal(t, http.StatusOK, rec.Code)
	require.Contains(t, rec.Body.String(), "$25.00")
	require.Zero(t, w.opened)
	form := born("5", "9", "1971")
	form.Set("confirm", "yes")
	require.Equal(t, http.StatusSeeOther, post(h, form).Code)
	form = born("1", "1", "1999")
	form.Set("confirm", "yes")
	require.Equal(t, http.StatusUnprocessableEntity, post(h, form).Code, "a confirmation needs the factor, too")
}

func TestTrouble(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world, *Options){
		"the workflow does not answer": func(w *world, _ *Options) { w.fail = errors.New("dial tcp: jane@example.com") },
		"an address without TLS":       func(w *world, _ *Options) { w.hosted.URL = "http://pay.example/x" },
		"a script for an address":      func(w *world, _ *Options) { w.hosted.URL = "javascript:alert(1)" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, h := setup(t, change)
			rec := post(h, born("5", "9", "1971"))
			require.Equal(t, http.StatusServiceUnavailable, rec.Code)
			require.Contains(t, rec.Body.String(), "Nothing was charged")
			require.NotContains(t, rec.Body.String(), "jane")
		})
	}
	_, h := setup(t, func(w *world, o *Options) { w.hosted.URL, o.Insecure = "http://127.0.0.1:9/x", true })
	require.Equal(t, http.StatusSeeOther, post(h, born("5", "9", "1971")).Code, "development")
}

func TestNoFactor(t *testing.T) {
	t.Parallel()
	w, h := setup(t, func(_ *world, o *Options) {
		o.Practices = func(copay.PracticeID) (Practice, error) { return Practice{Name: "M", Phone: "1", NoFactor: true}, nil }
	})
	require.NotContains(t, get(h, "/pay/"+token).Body.String(), `name="year"`)
	require.Zero(t, w.opened, "opening still costs nothing")
	require.Equal(t, http.StatusSeeOther, post(h, nil).Code)
}

func TestOtherSitesCannotSubmit(t *testing.T) {
	t.Parallel()
	w, h := setup(t, nil)
	r := httptest.NewRequest("POST", "/pay/"+token, strings.NewReader(born("5", "9", "1971").Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	require.Equal(t, http.StatusForbidden, rec.Code)
	require.Zero(t, w.opened)
	require.Zero(t, w.writes)
}

// stumbling is a store of which one part does not work.
type stumbling struct {
	*world
	patient, try, pass, open, read error
}

func (s stumbling) Patient(ctx context.Context, p copay.PracticeID, id copay.ID) (integrations.Patient, error) {
	if s.patient != nil {
		return integrations.Patient{}, s.patient
	}
	return s.world.Patient(ctx, p, id)
}

func (s stumbling) TryPayLink(ctx context.Context, token string) (ledger.PayLinkRow, error) {
	if s.try != nil {
		return ledger.PayLinkRow{}, s.try
	}
	return s.world.TryPayLink(ctx, token)
}

func (s stumbling) PassPayLink(ctx context.Context, token string) error {
	if s.pass != nil {
		return s.pass
	}
	return s.world.PassPayLink(ctx, token)
}

func (s stumbling) OpenPayLink(ctx context.Context, token string) (ledger.PayLinkRow, error) {
	if s.open != nil {
		return ledger.PayLinkRow{}, s.open
	}
	return s.world.OpenPayLink(ctx, token)
}

func (s stumbling) CoPay(ctx context.Context, p copay.PracticeID, id copay.ID) (ledger.CoPayRow, error) {
	if s.read != nil {
		return ledger.CoPayRow{}, s.read
	}
	return s.world.CoPay(ctx, p, id)
}

// A factor that could not be checked, or not be counted, is not passed.
func TestNobodyGetsPastAFactorThatCannotBeChecked(t *testing.T) {
	t.Parallel()
	down := errors.New("dial tcp: jane@example.com")
	for name, tc := range map[string]struct {
		s    stumbling
		code int
		text string
	}{
		"the patient cannot be read":      {stumbling{patient: down}, http.StatusServiceUnavailable, "Nothing was charged"},
		"the try cannot be counted":       {stumbling{try: down}, http.StatusServiceUnavailable, "Nothing was charged"},
		"the try is refused by the store": {stumbling{try: copay.Errorf(copay.CodeInvalid, "", "odd")}, http.StatusServiceUnavailable, "Nothing was charged"},
		"the link ended meanwhile":        {stumbling{try: copay.Errorf(copay.CodePrecondition, "", "ended")}, http.StatusGone, ""},
		"the tries cannot be reset":       {stumbling{pass: down}, http.StatusServiceUnavailable, "Nothing was charged"},
		"the link cannot be marked":       {stumbling{open: down}, http.StatusServiceUnavailable, "Nothing was charged"},
		"the co-pay cannot be read":       {stumbling{read: down}, http.StatusServiceUnavailable, "Nothing was charged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, h := setup(t, func(w *world, o *Options) { tc.s.world = w; o.Store = tc.s })
			rec := post(h, born("5", "9", "1971"))
			require.Equal(t, tc.code, rec.Code, rec.Body)
			require.Contains(t, rec.Body.String(), tc.text)
			require.NotContains(t, rec.Body.String(), "jane")
			require.NotContains(t, rec.Body.String(), "2026", "nothing of the visit is shown")
			require.Zero(t, w.opened)
		})
	}
	w, h := setup(t, func(w *world, o *Options) {
		w.link.FailedAttempts = ledger.MaxLinkAttempts
		o.Store = stumbling{world: w}
	})
	require.Equal(t, http.StatusForbidden, post(h, born("5", "9", "1971")).Code, "also with the right date")
	require.Zero(t, w.writes)
	require.Zero(t, w.opened)
}
