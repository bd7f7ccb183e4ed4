package serve_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

// put records a co-pay as it stands, last changed so long ago.
func (i installation) put(t *testing.T, practice copay.PracticeID, charge string, state copay.State, review copay.ReviewKind, ago time.Duration, entries ...ledger.Entry) {
	t.Helper()
	key := copay.Key{Practice: practice, EHR: "drchrono", Charge: copay.ChargeID(charge)}
	_, _, err := i.Store.Claim(t.Context(), key, key.WorkflowID())
	require.NoError(t, err)
	at := time.Now().Add(-ago)
	c := copay.CoPay{ID: key.ID(), Key: key, State: state, Patient: "patient-ana-sample", StartedAt: at, UpdatedAt: at}
	if review != "" {
		c.Review = &copay.Review{Kind: review}
	}
	require.NoError(t, i.Store.Record(t.Context(), ledger.Record{Version: 1, CoPay: c, Entries: entries,
		Events: []ledger.TimelineEvent{{Kind: "state", Actor: copay.System(), Summary: "x", Before: copay.StateReceived, After: state}}}))
}

func book(t *testing.T, rule ledger.Rule, cents int64, rail copay.Rail) ledger.Entry {
	t.Helper()
	e, err := ledger.NewEntry(rule, string(rule)+"-1", time.Now(), copay.Cents(cents), rail)
	require.NoError(t, err)
	return e
}

// series reads the page: value by name and labels, in the page's order.
func series(t *testing.T, page string) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for _, line := range strings.Split(page, "\n") {
		if m := regexp.MustCompile(`^(copay_\w+)(\{.*\})? (\S+)$`).FindStringSubmatch(line); m != nil {
			v, err := strconv.ParseFloat(m[3], 64)
			require.NoError(t, err)
			out[m[1]+m[2]] = v
		}
	}
	return out
}

func TestBusinessGauges(t *testing.T) {
	t.Parallel()
	i := install(t)
	i.put(t, "maple", "1", copay.StateAwaitingPayment, "", time.Hour, book(t, ledger.RuleReceivable, 2500, ""))
	i.put(t, "maple", "2", copay.StateAwaitingPayment, "", 3*time.Hour, book(t, ledger.RuleReceivable, 2500, ""))
	i.put(t, "maple", "3", copay.StateNeedsReview, copay.ReviewPosting, 2*time.Hour)
	i.put(t, "maple", "4", copay.StateSettled, "", 100*time.Hour, book(t, ledger.RuleReceivable, 2500, ""), book(t, ledger.RuleCapture, 2500, copay.RailLink),
		book(t, ledger.RuleDispute, 2500, copay.RailLink), book(t, ledger.RuleDisputeWon, 2500, copay.RailLink))
	i.put(t, "maple", "5", copay.StateSettled, "", 50*time.Hour, book(t, ledger.RuleReceivable, 1000, ""), book(t, ledger.RuleCapture, 1000, copay.RailCash))
	r := i.serveAPI(t)
	status, page := get(t, r.metrics+"/metrics")
	require.Equal(t, http.StatusOK, status)
	got := series(t, page)
	at := func(name, review, state string) string {
		return fmt.Sprintf(`%s{practice="maple",review="%s",state="%s"}`, name, review, state)
	}
	require.InDelta(t, 2, got[at("copay_copays", "", "awaiting_payment")], 0)
	require.InDelta(t, 1, got[at("copay_copays", "posting", "needs_review")], 0)
	require.InDelta(t, 2, got[at("copay_copays", "", "settled")], 0)
	require.InDelta(t, 3*3600, got[at("copay_oldest_seconds", "", "awaiting_payment")], 60, "the one that waits longest")
	require.InDelta(t, 2*3600, got[at("copay_oldest_seconds", "posting", "needs_review")], 60)
	require.NotContains(t, got, at("copay_oldest_seconds", "", "settled"), "what is closed waits for nothing")
	require.InDelta(t, 3500, got[`copay_collected_cents{practice="maple"}`], 0, "a dispute that was won collects nothing anew")
	for _, name := range []string{"copay_inbox_pending", "copay_inbox_dead", "copay_inbox_oldest_seconds"} {
		v, measured := got[name+`{platform="stripe",practice="maple"}`]
		require.True(t, measured, "%s is there while nothing waits", name)
		require.Zero(t, v)
	}
	require.NotContains(t, page, "ana", "no patient")
	require.NotContains(t, page, "cp_", "no co-pay: labels must not grow with them")

	i.put(t, "maple", "6", copay.StateAwaitingPayment, "", time.Hour)
	_, page = get(t, r.metrics+"/metrics")
	require.InDelta(t, 2, series(t, page)[at("copay_copays", "", "awaiting_payment")], 0, "tables are not counted for every scrape")
}

// The page is needed most when the database is in trouble.
func TestThePageDoesNotWaitForTheDatabase(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(t *testing.T, i installation){
		"it hangs":   func(t *testing.T, i installation) { t.Cleanup(i.lock(t, "copays, lines, inbox")) },
		"it is gone": func(t *testing.T, i installation) { i.Store.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := install(t)
			i.put(t, "maple", "1", copay.StateAwaitingPayment, "", time.Hour)
			r := i.serveAPI(t)
			const event = `{"id":"evt_1","type":"customer.created"}`
			status, _ := ask(t, "POST", r.http+"/webhooks/stripe/maple", event, "Stripe-Signature", "t=1,v1=00")
			require.Equal(t, http.StatusUnauthorized, status)
			fail(t, i)
			for range 2 {
				start := time.Now()
				status, page := get(t, r.metrics+"/metrics")
				require.Equal(t, http.StatusOK, status)
				require.Less(t, time.Since(start), 8*time.Second, "within the patience of who scrapes")
				require.Contains(t, page, `copay_webhooks_rejected_total{platform="stripe",reason="signature"} 1`, "all else is there")
				require.NotContains(t, page, "copay_copays{", "a figure that is not known is not shown")
			}
		})
	}
}
