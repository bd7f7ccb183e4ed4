// Package twilio texts patients through Twilio's Messages API (2010-04-01)
// and reads its webhooks: how far a message is, and what patients answer.
package twilio

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// Platform is the platform's name in configuration, paths and records.
const Platform copay.Platform = "twilio"

// Config is the platform's section of a practice's configuration.
type Config struct {
	AccountSID string `mapstructure:"account_sid"`
	// APIKeySID and APIKeySecret make the calls; without them the account's
	// own sid and its first auth token do.
	APIKeySID    string              `mapstructure:"api_key_sid"`
	APIKeySecret integrations.Secret `mapstructure:"api_key_secret"`
	// AuthTokens verify webhooks, which are always signed with an auth token,
	// never with an API key. While one is being rotated there are two.
	AuthTokens []integrations.Secret `mapstructure:"auth_tokens"`
	// MessagingServiceSID or From is the sender; with both, From must be in
	// the service's pool.
	MessagingServiceSID string `mapstructure:"messaging_service_sid"`
	From                string `mapstructure:"from"`
	// StatusCallback is the public URL of this practice's webhook. Each message
	// names it, with the message's reference, as its status callback.
	StatusCallback string `mapstructure:"status_callback"`
	// ContentRetention "discard" and AddressRetention "obfuscate" make the
	// platform forget the text and the number; the account must allow it.
	ContentRetention string `mapstructure:"content_retention"`
	AddressRetention string `mapstructure:"address_retention"`

	BaseURL string        `mapstructure:"base_url"`
	Timeout time.Duration `mapstructure:"timeout"`
	// UnknownWait is how long a send whose outcome is not known rests before
	// it is looked for: the message may still be on its way into the list.
	UnknownWait time.Duration `mapstructure:"unknown_wait"`
	// LimitPerSecond is what this practice may send to the API.
	LimitPerSecond int `mapstructure:"limit_per_second"`
}

var (
	accountPattern = regexp.MustCompile(`^AC[0-9a-fA-F]{32}$`)
	keyPattern     = regexp.MustCompile(`^SK[0-9a-fA-F]{32}$`)
	servicePattern = regexp.MustCompile(`^MG[0-9a-fA-F]{32}$`)
	messagePattern = regexp.MustCompile(`^(SM|MM)[0-9a-fA-F]{32}$`)
	numberPattern  = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	senderPattern  = regexp.MustCompile(`^(\+[1-9][0-9]{6,14}|[0-9]{5,6})$`)
)

func (c Config) withDefaults() Config {
	if c.BaseURL == "" {
		c.BaseURL = "https://api.twilio.com"
	}
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	if c.UnknownWait == 0 {
		c.UnknownWait = 30 * time.Second
	}
	if c.LimitPerSecond == 0 {
		c.LimitPerSecond = 25
	}
	return c
}

// validate lists every fault at once; it never prints a credential.
func (c Config) validate() error {
	var faults []string
	bad := func(when bool, text string) {
		if when {
			faults = append(faults, text)
		}
	}
	bad(!accountPattern.MatchString(c.AccountSID), "account_sid is AC and 32 hexadecimal digits")
	bad(c.APIKeySID != "" && !keyPattern.MatchString(c.APIKeySID), "api_key_sid is SK and 32 hexadecimal digits")
	bad((c.APIKeySID == "") != c.APIKeySecret.IsZero(), "api_key_sid and api_key_secret go together")
	bad(c.APIKeySID == "" && len(c.AuthTokens) == 0, "give api_key_sid and api_key_secret, or auth_tokens, to make calls with")
	for _, t := range c.AuthTokens {
		bad(t.IsZero(), "auth_tokens holds an empty one")
	}
	bad(c.MessagingServiceSID == "" && c.From == "", "give messaging_service_sid or from")
	bad(c.MessagingServiceSID != "" && !servicePattern.MatchString(c.MessagingServiceSID), "messaging_service_sid is MG and 32 hexadecimal digits")
	bad(c.From != "" && !senderPattern.MatchString(c.From), "from is a number like +15551230000 or a short code")
	bad(c.StatusCallback != "" && !isWebURL(c.StatusCallback), "status_callback must be an http(s) address without a fragment")
	bad(c.ContentRetention != "" && c.ContentRetention != "retain" && c.ContentRetention != "discard", "content_retention is retain or discard")
	bad(c.AddressRetention != "" && c.AddressRetention != "retain" && c.AddressRetention != "obfuscate", "address_retention is retain or obfuscate")
	bad(!isWebURL(c.BaseURL), "base_url must be an http(s) address")
	bad(c.Timeout < 0 || c.UnknownWait < 0 || c.LimitPerSecond < 0, "durations and rates are not negative")
	if len(faults) > 0 {
		return fmt.Errorf("twilio: %s", strings.Join(faults, "; "))
	}
	return nil
}

func isWebURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && !strings.Contains(s, "#")
}

// credentials are the user name and password of calls.
func (c Config) credentials() (user, password string) {
	if c.APIKeySID != "" {
		return c.APIKeySID, c.APIKeySecret.Reveal()
	}
	return c.AccountSID, c.AuthTokens[0].Reveal()
}
