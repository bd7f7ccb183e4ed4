// Package stripe collects co-pays through Stripe: hosted Checkout pages,
// stored cards charged off-session, refunds, settlements and webhooks. It
// speaks API version 2023-10-16, the one its client library is made for.
package stripe

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// Name is the platform's name in configuration, paths and records.
const Name copay.Platform = "stripe"

// Config is the platform's section of a practice's configuration.
type Config struct {
	// SecretKey is a secret or restricted API key: its prefix decides between
	// test and live mode, the host is the same.
	SecretKey integrations.Secret `mapstructure:"secret_key"`
	// WebhookSecrets are the endpoint's signing secrets (whsec_…). While one
	// is being rolled there are two.
	WebhookSecrets []integrations.Secret `mapstructure:"webhook_secrets"`
	// Account is a connected account (acct_…) to act for; usually empty.
	Account string `mapstructure:"account"`
	BaseURL string `mapstructure:"base_url"`
	// RequireTestMode refuses live keys, live events and live accounts.
	RequireTestMode bool `mapstructure:"require_test_mode"`
	// LinkMethods are the payment method types of a hosted page.
	LinkMethods []string `mapstructure:"link_methods"`
	// StatementSuffix is added to the account's name on card statements.
	StatementSuffix string        `mapstructure:"statement_suffix"`
	Timeout         time.Duration `mapstructure:"timeout"`
	// NewKeyAfter is how long after the first attempt a server error that
	// Stripe keeps replaying under our key is given up, and a fresh key used,
	// provided that a listing shows that nothing was made.
	NewKeyAfter time.Duration `mapstructure:"new_key_after"`
	// RequestsPerSecond is what this practice may send; by default half of
	// what the platform allows (50 live, 12 in test mode), so that the
	// practice's other software keeps working. A sandbox may set it higher.
	RequestsPerSecond int `mapstructure:"requests_per_second"`
}

var (
	keyPattern    = regexp.MustCompile(`^(sk|rk)_(test|live)_[A-Za-z0-9_]+$`)
	suffixPattern = regexp.MustCompile(`^[A-Za-z0-9 .,&/-]{1,22}$`)
	letterPattern = regexp.MustCompile(`[A-Za-z]`)
	linkMethods   = []string{"card", "us_bank_account"}
)

// withDefaults fills what was left open.
func (c Config) withDefaults() Config {
	if c.BaseURL == "" {
		c.BaseURL = "https://api.stripe.com"
	}
	if len(c.LinkMethods) == 0 {
		c.LinkMethods = []string{"card"}
	}
	if c.Timeout == 0 {
		c.Timeout = 40 * time.Second
	}
	if c.NewKeyAfter == 0 {
		c.NewKeyAfter = time.Minute
	}
	if c.RequestsPerSecond == 0 {
		// docs.stripe.com/rate-limits: 100 reads and 100 writes a second in
		// live mode, 25 and 25 in test mode.
		c.RequestsPerSecond = 12
		if c.live() {
			c.RequestsPerSecond = 50
		}
	}
	return c
}

// validate lists every fault at once; it never prints a credential.
func (c Config) validate() error {
	var faults []string
	bad := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	switch key := c.SecretKey.Reveal(); {
	case key == "":
		bad("secret_key is missing")
	case !keyPattern.MatchString(key):
		bad("secret_key does not look like sk_test_…, sk_live_…, rk_test_… or rk_live_…")
	case c.RequireTestMode && c.live():
		bad("secret_key is a live key but require_test_mode is set")
	}
	for _, s := range c.WebhookSecrets {
		if !strings.HasPrefix(s.Reveal(), "whsec_") {
			bad("webhook_secrets begin with whsec_")
		}
	}
	if u, err := url.Parse(c.BaseURL); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		bad("base_url must be an http(s) address")
	} else if u.Scheme != "https" && c.live() {
		bad("a live key is sent over https only; mend base_url")
	}
	if c.Account != "" && !strings.HasPrefix(c.Account, "acct_") {
		bad("account begins with acct_")
	}
	for _, m := range c.LinkMethods {
		if !slices.Contains(linkMethods, m) {
			bad("link_methods knows %s", strings.Join(linkMethods, " and "))
		}
	}
	if s := c.StatementSuffix; s != "" && (!suffixPattern.MatchString(s) || !letterPattern.MatchString(s)) {
		bad("statement_suffix has at most 22 plain letters, digits and spaces, one letter at least")
	}
	if c.Timeout < 0 || c.NewKeyAfter < 0 || c.RequestsPerSecond < 0 {
		bad("durations and rates are not negative")
	}
	if len(faults) > 0 {
		return fmt.Errorf("stripe: %s", strings.Join(faults, "; "))
	}
	return nil
}

// live reports whether the key moves real money.
func (c Config) live() bool {
	key := c.SecretKey.Reveal()
	return strings.HasPrefix(key, "sk_live_") || strings.HasPrefix(key, "rk_live_")
}
