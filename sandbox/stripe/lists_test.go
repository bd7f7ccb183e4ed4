package stripesim_test

import (
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ids lists the objects of an answer.
func ids(o object) []string {
	out := []string{}
	for _, x := range o["data"].([]any) {
		out = append(out, x.(object)["id"].(string))
	}
	return out
}

// TestListsAreFiltered asks every listing and every search for what one of its
// filters must find, and nothing beside it.
func TestListsAreFiltered(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.wait(2 * time.Minute) // for the search
	s.Tick()
	charge := s.get("/v1/payment_intents/"+s.id["paid"], "")["latest_charge"].(string)
	txn := s.get("/v1/charges/"+charge, "")["balance_transaction"].(string)
	for path, want := range map[string][]string{
		"/v1/payment_intents?customer={cus}":                               {"", "", "", s.id["of the bill"], s.id["open"]},
		"/v1/payment_intents/search?query=status:'processing'":             {s.id["debit"]},
		"/v1/payment_intents/search?query=customer:'{other}'":              {},
		"/v1/charges?payment_intent={paid}":                                {charge},
		"/v1/charges?customer={other}":                                     {},
		"/v1/charges/search?query=status:'pending'":                        {""},
		"/v1/charges/search?query=amount>2500+AND+status:'succeeded'":      {""},
		"/v1/customers?email=a@example.org":                                {s.id["cus"]},
		"/v1/customers/search?query=email:'a@example.org'":                 {s.id["cus"]},
		"/v1/customers/{cus}/payment_methods?type=card":                    {s.id["pm"]},
		"/v1/customers/{cus}/payment_methods?type=us_bank_account":         {},
		"/v1/payment_methods?customer={cus}":                               {s.id["pm"]},
		"/v1/checkout/sessions?payment_intent={behind}":                    {s.id["complete"]},
		"/v1/checkout/sessions?customer={cus}":                             {},
		"/v1/refunds?payment_intent={refunded}":                            {s.id["refund"]},
		"/v1/refunds?charge=" + charge:                                     {},
		"/v1/disputes?payment_intent={disputed}":                           {s.id["dispute"]},
		"/v1/invoices?status=open":                                         {s.id["billed"]},
		"/v1/invoices?customer={other}":                                    {s.id["unmailed"]},
		"/v1/invoices?collection_method=charge_automatically&status=draft": {s.id["automatic"], s.id["empty"]},
		"/v1/invoices/search?query=status:'void'":                          {s.id["void"]},
		"/v1/invoiceitems?invoice={draft}":                                 {s.id["item of draft"]},
		"/v1/invoiceitems?pending=true":                                    {},
		"/v1/balance_transactions?source=" + charge:                        {txn},
		"/v1/balance_transactions?type=adjustment":                         {"", ""},
		"/v1/balance_transactions?type=refund":                             {""},
		"/v1/payouts":                                                      {},
	} {
		path, query, _ := cut(s.fill(path))
		got := ids(s.get(path, query))
		require.Len(t, got, len(want), "%s?%s", path, query)
		for i, id := range want {
			if id != "" { // only counted
				require.Equal(t, id, got[i], "%s?%s", path, query)
			}
		}
	}
	for _, path := range []string{"/v1/balance_transactions/" + txn, "/v1/payment_methods/{pm}", "/v1/invoiceitems/{item of draft}", "/v1/invoices/{draft}",
		"/v1/checkout/sessions/{page}", "/v1/refunds/{refund}", "/v1/disputes/{dispute}"} {
		o := s.get(s.fill(path), "")
		require.Equal(t, s.fill(path)[len(s.fill(path))-len(o["id"].(string)):], o["id"])
	}
}

// cut splits an address into path and encoded query.
func cut(address string) (path, query string, found bool) {
	u, err := url.Parse(address)
	if err != nil {
		return address, "", false
	}
	return u.Path, u.Query().Encode(), u.RawQuery != ""
}

func TestSearchPages(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var want []string
	for range 5 {
		want = append([]string{l.post("/v1/customers", "metadata[practice]=lakeside")["id"].(string)}, want...)
	}
	l.wait(2 * time.Minute)
	query := url.Values{"query": {"metadata['practice']:'lakeside'"}, "limit": {"2"}}
	var got []string
	for pages := 0; pages < 5; pages++ {
		o := l.get("/v1/customers/search", query.Encode())
		got = append(got, ids(o)...)
		next, more := o["next_page"].(string)
		require.Equal(t, more, o["has_more"])
		if !more {
			break
		}
		query.Set("page", next)
	}
	require.Equal(t, want, got)
}

func TestEventsAreListed(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pi := l.post("/v1/payment_intents", goodCharge+"pm_card_visa")["id"].(string)
	l.wait(time.Hour)
	l.post("/v1/refunds", "payment_intent="+pi)
	count := func(query url.Values) int { return len(ids(l.get("/v1/events", query.Encode()))) }
	all := len(l.Events())
	require.Equal(t, all, count(url.Values{"limit": {"100"}}))
	require.Equal(t, 1, count(url.Values{"type": {"payment_intent.succeeded"}}))
	require.Equal(t, 2, count(url.Values{"type": {"payment_intent.*"}}))
	require.Equal(t, 2, count(url.Values{"types[]": {"charge.refunded", "charge.succeeded"}}))
	require.Equal(t, 0, count(url.Values{"types[]": {"payout.paid"}}))
	first := l.Events()[0]
	require.Equal(t, all-1, count(url.Values{"ending_before": {first.ID}, "limit": {"100"}}))
	ev := l.get("/v1/events/"+first.ID, "")
	require.Equal(t, first.Type, ev["type"])
	require.Equal(t, "2023-10-16", ev["api_version"])
	// An event shows its object as it was then.
	done := l.get("/v1/events", "type=charge.succeeded")["data"].([]any)[0].(object)["data"].(object)["object"].(object)
	require.EqualValues(t, 0, done["amount_refunded"])
}

func TestEveryEndpointIsToldAndCanBeToldAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.post("/v1/customers", "")
	l.AddWebhook(l.receiver, "whsec_second")
	require.True(t, l.Resend(l.Events()[0].ID))
	l.deliveries(3)
	l.SetWebhook(l.receiver, "whsec_third")
	l.wait(time.Hour)
	require.True(t, l.Resend(l.Events()[0].ID))
	got := map[string]int{}
	for _, h := range l.deliveries(4) {
		for _, secret := range []string{"whsec_lab", "whsec_second", "whsec_third"} {
			if signedWith(secret, h) {
				got[secret]++
			}
		}
	}
	require.Equal(t, map[string]int{"whsec_lab": 2, "whsec_second": 1, "whsec_third": 1}, got)
	require.Len(t, l.Events(), 1, "the same event")
}

// A delivery that is tried again carries the time of the try, so that a
// receiver who was away for an hour does not take it for a replay.
func TestEveryTryIsSignedAnew(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.mu.Lock()
	l.hold = time.Hour
	l.mu.Unlock()
	l.post("/v1/customers", "")
	tries := l.deliveries(2)
	require.Equal(t, tries[0].Body, tries[1].Body)
	for i, at := range []time.Time{l.clock().Add(-time.Hour), l.clock()} {
		require.True(t, signedWith("whsec_lab", tries[i]))
		require.Contains(t, tries[i].Header.Get("Stripe-Signature"), "t="+strconv.FormatInt(at.Unix(), 10)+",")
	}
}
