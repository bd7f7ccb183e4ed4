package quickbooks

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"time"

	"github.com/copayflow/copayflow/integrations"
)

// Hosts of Intuit (discovery document of the OAuth service; REST API features).
const (
	productionURL   = "https://quickbooks.api.intuit.com"
	productionToken = "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer"
)

// Config is a practice's QuickBooks section.
type Config struct {
	// RealmID is the company id that came with the consent.
	RealmID      string              `mapstructure:"realm_id"`
	ClientID     string              `mapstructure:"client_id"`
	ClientSecret integrations.Secret `mapstructure:"client_secret"`
	// RefreshToken is used while the token store is empty, when the stored one is
	// refused, and when it or the company is another than before: a practice that
	// agreed anew is connected again by it.
	RefreshToken integrations.Secret `mapstructure:"refresh_token"`
	BaseURL      string              `mapstructure:"base_url"`
	TokenURL     string              `mapstructure:"token_url"`
	// VerifierTokens are the webhook verifier tokens; more than one while a
	// token is being changed. Without any, every delivery is refused.
	VerifierTokens []integrations.Secret `mapstructure:"verifier_tokens"`
	// ItemName is the service item on invoices and refunds; made when absent.
	ItemName string `mapstructure:"item_name"`
	// IncomeAccount, DepositAccount and RefundAccount are account ids or
	// names ("Parent:Child" for sub-accounts).
	IncomeAccount  string `mapstructure:"income_account"`
	DepositAccount string `mapstructure:"deposit_account"`
	RefundAccount  string `mapstructure:"refund_account"`
	// TaxCode goes on each line; "NON" (not taxable) is a US company's.
	TaxCode string `mapstructure:"tax_code"`
	// LimitPerSecond and LimitPerMinute are the most calls this process makes;
	// lower them when several processes or apps share the company.
	LimitPerSecond int           `mapstructure:"limit_per_second"`
	LimitPerMinute int           `mapstructure:"limit_per_minute"`
	Timeout        time.Duration `mapstructure:"timeout"`
}

var digits = regexp.MustCompile(`^[0-9]{1,20}$`)

func (c *Config) defaults() {
	fill := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	fill(&c.BaseURL, productionURL)
	fill(&c.TokenURL, productionToken)
	fill(&c.ItemName, "Patient co-pay")
	fill(&c.TaxCode, "NON")
	fill(&c.RefundAccount, c.DepositAccount)
	if c.LimitPerSecond == 0 {
		c.LimitPerSecond = 10 // per company and app (Limits and throttles)
	}
	if c.LimitPerMinute == 0 {
		c.LimitPerMinute = 500 // per company
	}
}

// Validate lists everything that is wrong at once.
func (c *Config) Validate() error {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New("quickbooks: "+what))
		}
	}
	need(digits.MatchString(c.RealmID), "realm_id is the numeric company id")
	need(c.ClientID != "", "client_id is missing")
	need(!c.ClientSecret.IsZero(), "client_secret is missing")
	need(c.RefundAccount != "", "refund_account (or deposit_account) names the account refunds are paid from")
	need(c.LimitPerSecond > 0 && c.LimitPerMinute > 0, "limits are positive")
	need(c.Timeout >= 0, "timeout is not negative")
	for _, v := range c.VerifierTokens {
		need(!v.IsZero(), "a verifier token is empty")
	}
	if _, _, err := splitURL(c.TokenURL); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// splitURL parts the token address into host and path, as the HTTP stack
// wants them.
func splitURL(s string) (base, path string, err error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", "", fmt.Errorf("quickbooks: token_url must be an http(s) address")
	}
	return u.Scheme + "://" + u.Host, u.Path, nil
}
