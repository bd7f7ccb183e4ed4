package copay_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
)

func TestCardConsentCovers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)
	visit := copay.CardConsent{Scope: copay.ScopeVisit, Charge: "991", Cap: copay.Cents(50_00), TextVersion: "v3", GivenAt: now.Add(-time.Hour)}
	until := copay.CardConsent{Scope: copay.ScopeUntil, Until: now.Add(time.Hour), Cap: copay.Cents(50_00), TextVersion: "v3", GivenAt: now.Add(-time.Hour)}
	with := func(c copay.CardConsent, f func(*copay.CardConsent)) copay.CardConsent { f(&c); return c }
	for name, x := range map[string]struct {
		consent copay.CardConsent
		charge  copay.ChargeID
		amount  copay.Money
		ok      bool
		why     string
	}{
		"this visit":        {visit, "991", copay.Cents(25_00), true, ""},
		"up to the cap":     {visit, "991", copay.Cents(50_00), true, ""},
		"a cent above":      {visit, "991", copay.Cents(50_01), false, "above"},
		"another visit":     {visit, "992", copay.Cents(25_00), false, "another visit"},
		"any visit":         {until, "992", copay.Cents(25_00), true, ""},
		"ended this moment": {with(until, func(c *copay.CardConsent) { c.Until = now }), "991", copay.Cents(1), false, "ended"},
		"no end is no term": {with(until, func(c *copay.CardConsent) { c.Until = time.Time{} }), "991", copay.Cents(1), false, "ended"},
		"no text":           {with(visit, func(c *copay.CardConsent) { c.TextVersion = "" }), "991", copay.Cents(1), false, "no consent"},
		"not given":         {with(visit, func(c *copay.CardConsent) { c.GivenAt = time.Time{} }), "991", copay.Cents(1), false, "no consent"},
		"given later":       {with(visit, func(c *copay.CardConsent) { c.GivenAt = now.Add(time.Second) }), "991", copay.Cents(1), false, "no consent"},
		"no scope":          {with(visit, func(c *copay.CardConsent) { c.Scope = "all" }), "991", copay.Cents(1), false, "no scope"},
		"no cap":            {with(visit, func(c *copay.CardConsent) { c.Cap = copay.Money{} }), "991", copay.Cents(1), false, "above"},
		"other currency":    {visit, "991", copay.Money{Minor: 100, Currency: "CAD"}, false, "above"},
		"nothing at all":    {copay.CardConsent{}, "991", copay.Cents(1), false, "no consent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ok, why := x.consent.Covers(x.charge, x.amount, now)
			require.Equal(t, x.ok, ok)
			if x.ok {
				require.Empty(t, why)
			}
			require.Contains(t, why, x.why)
		})
	}
}
