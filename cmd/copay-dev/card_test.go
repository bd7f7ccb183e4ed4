package main

import (
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/internal/clock"
)

// TestACardKeptOnThePageIsChargedNextTime follows a patient from the first
// link to the second visit, through the pages a browser sees.
func TestACardKeptOnThePageIsChargedNextTime(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	go s.FollowClock(t.Context())
	first := s.charge("ana")
	s.in(first, copay.StateAwaitingPayment)
	hosted := s.submits(s.link(), url.Values{"month": {"2"}, "day": {"3"}, "year": {"1980"}, "keep": {"yes"}})
	require.NoError(t, s.Sandbox.Stripe.PaySession(regexp.MustCompile(`cs_[A-Za-z0-9_]+`).FindString(hosted), "pm_card_visa"))
	paid := s.in(first, copay.StateSettled)
	require.Len(t, paid.Payments, 2, "the page that keeps no card gave way to one that does")
	card, ok, err := s.Process.Store.CardConsent(t.Context(), paid.Key.Practice, paid.PatientKey())
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "4242", card.Last4)
	require.Equal(t, "patient", card.Consent.RecordedBy)

	second := s.charge("ana")
	announced := s.await(second, "should have told the patient", func(c copay.CoPay) bool { return !c.ChargeAt.IsZero() })
	require.Equal(t, copay.RailCard, announced.Rail)
	// As `copay-dev clock advance` does it, from another process.
	require.NoError(t, clock.NewFile(filepath.Join(s.Options.Dir, "clock")).Advance(25*time.Hour))
	charged := s.in(second, copay.StateSettled)
	require.Equal(t, copay.RailCard, charged.Payments[0].Rail)

	// On the third visit the patient says no, on the page of the notice.
	third := s.charge("ana")
	s.await(third, "should have told the patient", func(c copay.CoPay) bool { return !c.ChargeAt.IsZero() })
	hosted = s.submits(s.link(), url.Values{"month": {"2"}, "day": {"3"}, "year": {"1980"}, "forget": {"yes"}})
	_, ok, err = s.Process.Store.CardConsent(t.Context(), paid.Key.Practice, paid.PatientKey())
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, s.Sandbox.Stripe.PaySession(regexp.MustCompile(`cs_[A-Za-z0-9_]+`).FindString(hosted), "pm_card_visa"))
	last := s.in(third, copay.StateSettled)
	require.Equal(t, copay.RailLink, last.Payments[0].Rail)
	s.invariants()
}

// link is the one in the newest text message.
func (s scene) link() string {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return len(s.Sandbox.Twilio.Messages()) > 0 }, patience, 20*time.Millisecond)
	texts := s.Sandbox.Twilio.Messages()
	return regexp.MustCompile(`https?://\S+/pay/[A-Za-z0-9_-]+`).FindString(texts[len(texts)-1].Body)
}

// submits sends the page's form and returns where it leads.
func (s scene) submits(link string, form url.Values) string {
	s.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	page, err := client.Get(link)
	require.NoError(s.t, err)
	require.NoError(s.t, page.Body.Close())
	require.Equal(s.t, http.StatusOK, page.StatusCode)
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, link, strings.NewReader(form.Encode()))
	require.NoError(s.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := client.Do(req)
	require.NoError(s.t, err)
	require.NoError(s.t, res.Body.Close())
	require.Equal(s.t, http.StatusSeeOther, res.StatusCode)
	return res.Header.Get("Location")
}
